/* in_pipe_test.c - what applications write into a FIFO, and what becomes of it. [spec.md §4 in] */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "world.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int setup(void **state)
{
    world *w = world_make();
    *state = w;
    return 0;
}

static int writer(world *w)
{
    const int fd = open(w->in, O_WRONLY | O_NONBLOCK);
    assert_true(fd >= 0);
    return fd;
}

static void put(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void assert_message(world *w, uint64_t index, const char *text)
{
    const px_bytes message = fake_app_message(&w->app, index);
    assert_int_equal(message.size_bytes, strlen(text));
    if (message.size_bytes) assert_memory_equal(message.data, text, message.size_bytes);
}

static void a_line_is_a_message_and_an_empty_line_is_one(void **state)
{
    world *w = *state;
    world_open(w);
    const int fd = writer(w);
    put(fd, "first\n\nthird with \x01\xff\r bytes\n");
    assert_true(world_run_until_delivered(w, 3));
    assert_message(w, 1, "first");
    assert_message(w, 2, "");
    assert_message(w, 3, "third with \x01\xff\r bytes");
    close(fd);
}

static void a_line_may_come_in_pieces(void **state)
{
    world *w = *state;
    world_open(w);
    const int fd = writer(w);
    put(fd, "one, ");
    world_run_ms(w, 5);
    put(fd, "two\nth");
    assert_true(world_run_until_delivered(w, 1));
    put(fd, "ree\n");
    assert_true(world_run_until_delivered(w, 2));
    assert_message(w, 1, "one, two");
    assert_message(w, 2, "three");
    close(fd);
}

static void a_last_line_without_newline_counts_when_the_last_writer_closes(void **state)
{
    world *w = *state;
    world_open(w);
    const int first = writer(w), second = writer(w);
    put(first, "whole\nno newline");
    close(first);
    world_run_ms(w, 20);
    assert_int_equal(w->app.delivered, 1);
    close(second);
    assert_true(world_run_until_delivered(w, 2));
    assert_message(w, 2, "no newline");
    /* The next writer's line is its own. */
    const int third = writer(w);
    put(third, "next\n");
    assert_true(world_run_until_delivered(w, 3));
    assert_message(w, 3, "next");
    close(third);
}

static void writers_that_come_and_go_lose_nothing(void **state)
{
    world *w = *state;
    world_open(w);
    const pid_t pid = world_shell(w, "for i in $(seq 300); do echo \"line $i\" >$IN; done");
    assert_int_equal(world_wait(w, pid), 0);
    assert_true(world_run_until_delivered(w, 300));
    assert_int_equal(w->app.delivered, 300);
    for (unsigned i = 1; i <= 300; i++) {
        char text[32];
        snprintf(text, sizeof text, "line %u", i);
        assert_message(w, i, text);
    }
}

static void several_writers_at_once_keep_each_its_order(void **state)
{
    world *w = *state;
    world_open(w);
    const pid_t pid = world_shell(
        w, "for w in 0 1 2 3; do (for i in $(seq 500); do printf '%s %s\\n' $w $i; done >$IN) & done; wait");
    assert_int_equal(world_wait(w, pid), 0);
    assert_true(world_run_until_delivered(w, 2000));
    unsigned last[4] = {0};
    for (uint64_t index = 1; index <= 2000; index++) {
        const px_bytes message = fake_app_message(&w->app, index);
        char text[32] = {0};
        unsigned who = 9, number = 0;
        assert_true(message.size_bytes < sizeof text);
        memcpy(text, message.data, message.size_bytes);
        assert_int_equal(sscanf(text, "%u %u", &who, &number), 2);
        assert_true(who < 4);
        assert_int_equal(number, ++last[who]);
    }
    assert_int_equal(w->app.delivered, 2000);
}

static void lines_of_200_KiB_arrive_whole(void **state)
{
    world *w = *state;
    world_open(w);
    const size_t size = 200 << 10;
    char *line = malloc(size + 1);
    assert_non_null(line);
    const int fd = writer(w);
    for (int round = 0; round < 5; round++) {
        memset(line, 'a' + round, size);
        line[size] = '\n';
        assert_true(world_write(w, fd, line, size + 1));
    }
    assert_true(world_run_until_delivered(w, 5));
    for (int round = 0; round < 5; round++) {
        const px_bytes message = fake_app_message(&w->app, (uint64_t)round + 1);
        memset(line, 'a' + round, size);
        assert_int_equal(message.size_bytes, size);
        assert_memory_equal(message.data, line, size);
    }
    close(fd);
    free(line);
}

static void a_line_at_the_limit_is_taken_and_one_over_it_is_dropped_whole(void **state)
{
    world *w = *state;
    world_open(w);
    const size_t size = WORLD_MESSAGE_BYTES_MAX;
    char *line = malloc(size + 2);
    assert_non_null(line);
    memset(line, 'x', size + 2);
    const int fd = writer(w);
    line[size] = '\n';
    assert_true(world_write(w, fd, line, size + 1));
    line[size] = 'x';
    line[size + 1] = '\n';
    assert_true(world_write(w, fd, line, size + 2));
    assert_true(world_write(w, fd, "intact\n", 7));
    assert_true(world_run_until_delivered(w, 2));
    assert_int_equal(fake_app_message(&w->app, 1).size_bytes, size);
    assert_message(w, 2, "intact");
    assert_int_equal(world_count(w, "in").dropped, 1);
    assert_int_equal(w->log_count, 1);
    close(fd);
    free(line);
}

static void a_line_far_over_the_limit_is_dropped_whole(void **state)
{
    world *w = *state;
    world_open(w);
    const size_t size = 5 * WORLD_MESSAGE_BYTES_MAX + 17;
    char *line = malloc(size);
    assert_non_null(line);
    memset(line, 'y', size);
    const int fd = writer(w);
    assert_true(world_write(w, fd, "before\n", 7));
    assert_true(world_write(w, fd, line, size));
    assert_true(world_write(w, fd, "\nafter\n", 7));
    assert_true(world_run_until_delivered(w, 2));
    assert_message(w, 1, "before");
    assert_message(w, 2, "after");
    assert_int_equal(world_count(w, "in").dropped, 1);
    /* Also where the writer dies inside it. */
    assert_true(world_write(w, fd, line, size));
    close(fd);
    world_run_ms(w, 20);
    const int next = writer(w);
    put(next, "own\n");
    assert_true(world_run_until_delivered(w, 3));
    assert_message(w, 3, "own");
    assert_int_equal(world_count(w, "in").dropped, 2);
    close(next);
    free(line);
}

static void without_quorum_writers_block_and_nothing_is_lost(void **state)
{
    world *w = *state;
    w->app.is_held = true;
    world_open(w);
    const int fd = writer(w);
    char line[1024];
    size_t written = 0;
    uint64_t count = 0;
    memset(line, 'z', sizeof line);
    line[sizeof line - 1] = '\n';
    for (;;) {
        const ssize_t got = write(fd, line + written % sizeof line, sizeof line - written % sizeof line);
        if (got > 0) {
            written += (size_t)got;
            continue;
        }
        assert_int_equal(errno, EAGAIN);
        const size_t before = written;
        world_run_ms(w, 10);
        const ssize_t more = write(fd, line + written % sizeof line, sizeof line - written % sizeof line);
        if (more > 0) written += (size_t)more;
        if (written == before) break;
    }
    /* What was read is bounded; the rest lies in the FIFO. */
    assert_true(w->app.intakes[0].size_bytes <= PX_INTAKE_BYTES);
    count = written / sizeof line;
    assert_true(count > 1000);
    const uint64_t before_us = world_processor_us();
    world_run_ms(w, 200);
    assert_true(world_processor_us() - before_us < 20000);
    w->app.is_held = false;
    assert_true(world_run_until_delivered(w, count));
    assert_int_equal(fake_app_message(&w->app, count).size_bytes, sizeof line - 1);
    close(fd);
}

static void the_end_of_the_writers_costs_no_processor_time(void **state)
{
    world *w = *state;
    w->pipe.out = NULL;
    world_open(w);
    const int fd = writer(w);
    put(fd, "only\n");
    close(fd);
    assert_true(world_run_until_delivered(w, 1));
    world_run_ms(w, 50);
    const uint64_t before_us = world_processor_us(), turns = px_loop_turns(w->loop);
    world_run_ms(w, 500);
    assert_true(world_processor_us() - before_us < 5000);
    assert_true(px_loop_turns(w->loop) - turns < 20);
}

static void there_is_always_a_reader(void **state)
{
    world *w = *state;
    world_open(w);
    /* Opening to write without waiting fails at once where nobody reads. */
    const pid_t pid =
        world_shell(w, "exec 2>/dev/null; for i in $(seq 2000); do "
                       "{ : 3>$IN; } || exit 1; done; "
                       "for i in $(seq 200); do echo $i | dd of=$IN oflag=nonblock || exit 2; done");
    assert_int_equal(world_wait(w, pid), 0);
    assert_true(world_run_until_delivered(w, 200));
}

static bool has_complained(void *context)
{
    const world *w = context;
    return strstr(w->log_last, "something of another kind is there") != NULL;
}

static bool has_reopened(void *context)
{
    const world *w = context;
    return strstr(w->log_last, "is open again") != NULL;
}

static void a_file_in_a_fifos_place_is_told_and_its_end_as_well(void **state)
{
    world *w = *state;
    world_open(w);
    unlink(w->in);
    const int file = open(w->in, O_CREAT | O_WRONLY, 0600);
    assert_true(file >= 0);
    close(file);
    assert_true(world_run_until(w, has_complained, w));
    unlink(w->in);
    assert_true(world_run_until(w, has_reopened, w));
    struct stat found;
    assert_int_equal(stat(w->in, &found), 0);
    assert_true(S_ISFIFO(found.st_mode));
}

static void a_fifo_that_was_removed_is_made_again(void **state)
{
    world *w = *state;
    world_open(w);
    unlink(w->in);
    world_run_ms(w, 1300);
    const int fd = writer(w);
    put(fd, "again\n");
    assert_true(world_run_until_delivered(w, 1));
    assert_message(w, 1, "again");
    close(fd);
}

static void a_clean_stop_hands_over_all_that_it_took(void **state)
{
    world *w = *state;
    w->app.is_held = true;
    world_open(w);
    const int fd = writer(w);
    char line[512];
    memset(line, 'q', sizeof line);
    line[sizeof line - 1] = '\n';
    size_t written = 0;
    for (int idle = 0; idle < 3;) {
        const ssize_t got = write(fd, line, sizeof line);
        if (got > 0) {
            assert_int_equal(got, sizeof line);
            written++;
            idle = 0;
        } else {
            world_run_ms(w, 5);
            idle++;
        }
    }
    world_stop(w);
    /* All that is not in the FIFO any more is the node's. */
    int left = 0;
    const int reader = open(w->in, O_RDONLY | O_NONBLOCK);
    char rest[4096];
    for (ssize_t got; (got = read(reader, rest, sizeof rest)) > 0;) left += (int)got;
    close(reader);
    assert_int_equal(left % (int)sizeof line, 0);
    assert_int_equal(w->app.intakes[0].pushed + (uint64_t)left / sizeof line, written);
    close(fd);
}

static void the_mode_is_exact_whatever_the_umask(void **state)
{
    world *w = *state;
    struct stat found;
    const mode_t old = umask(077);
    w->pipe.mode = 0622;
    world_open(w);
    umask(old);
    assert_int_equal(stat(w->in, &found), 0);
    assert_true(S_ISFIFO(found.st_mode));
    assert_int_equal(found.st_mode & 07777, 0622);
    assert_int_equal(stat(w->out, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0622);
}

static void a_path_that_is_no_fifo_is_refused(void **state)
{
    world *w = *state;
    const int fd = open(w->out, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, "mine", 4), 4);
    close(fd);
    px_local_fault fault = {0};
    const px_err err = px_local_open(&w->config, &w->app.app, w->streams, &w->disk.disk, w->clock, &w->log,
                                     &w->local, &fault);
    assert_int_equal(err, PX_ERR_WRONG_KIND);
    assert_string_equal(fault.where, w->out);
    struct stat found;
    assert_int_equal(stat(w->out, &found), 0);
    assert_int_equal(found.st_size, 4);
}

static void in_format_length_any_byte_may_occur(void **state)
{
    world *w = *state;
    w->pipe.format = PX_LOCAL_LENGTH;
    world_open(w);
    const int fd = writer(w);
    assert_int_equal(write(fd, "\0\0\0\5a\nb\0c\0\0\0\0\0\4\0\1too long to be true", 16), 16);
    assert_true(world_run_until_delivered(w, 2));
    assert_int_equal(fake_app_message(&w->app, 1).size_bytes, 5);
    assert_memory_equal(fake_app_message(&w->app, 1).data, "a\nb\0c", 5);
    assert_int_equal(fake_app_message(&w->app, 2).size_bytes, 0);
    close(fd); /* inside a frame */
    world_run_ms(w, 20);
    assert_int_equal(world_count(w, "in").dropped, 1);
    const int next = writer(w);
    assert_int_equal(write(next, "\0\0\0\2ok", 6), 6);
    assert_true(world_run_until_delivered(w, 3));
    assert_message(w, 3, "ok");
    close(next);
}

static void in_format_json_bad_lines_are_dropped(void **state)
{
    world *w = *state;
    w->pipe.format = PX_LOCAL_JSON;
    world_open(w);
    const int fd = writer(w);
    put(fd, "{\"data\":\"a\\nb\\u0000c\"}\nnonsense\n"
            "{\"b64\":\"/w==\",\"index\":7,\"from\":\"x\"}\n\n{\"index\":1}\n"
            "{\"data\":\"a\",\"b64\":\"YQ==\"}\n{\"data\":\"last\"}");
    close(fd);
    assert_true(world_run_until_delivered(w, 3));
    assert_int_equal(fake_app_message(&w->app, 1).size_bytes, 5);
    assert_memory_equal(fake_app_message(&w->app, 1).data, "a\nb\0c", 5);
    assert_message(w, 2, "\xff");
    assert_message(w, 3, "last");
    assert_int_equal(world_count(w, "in").dropped, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_is_a_message_and_an_empty_line_is_one),
        TEST(a_line_may_come_in_pieces),
        TEST(a_last_line_without_newline_counts_when_the_last_writer_closes),
        TEST(writers_that_come_and_go_lose_nothing),
        TEST(several_writers_at_once_keep_each_its_order),
        TEST(lines_of_200_KiB_arrive_whole),
        TEST(a_line_at_the_limit_is_taken_and_one_over_it_is_dropped_whole),
        TEST(a_line_far_over_the_limit_is_dropped_whole),
        TEST(without_quorum_writers_block_and_nothing_is_lost),
        TEST(the_end_of_the_writers_costs_no_processor_time),
        TEST(there_is_always_a_reader),
        TEST(a_fifo_that_was_removed_is_made_again),
        TEST(a_file_in_a_fifos_place_is_told_and_its_end_as_well),
        TEST(a_clean_stop_hands_over_all_that_it_took),
        TEST(the_mode_is_exact_whatever_the_umask),
        TEST(a_path_that_is_no_fifo_is_refused),
        TEST(in_format_length_any_byte_may_occur),
        TEST(in_format_json_bad_lines_are_dropped),
    };
    return cmocka_run_group_tests_name("in_pipe", tests, NULL, NULL);
}
