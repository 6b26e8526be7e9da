/* out_pipe_test.c - what a reader of a FIFO gets, and what the next one gets. [spec.md §4 out] */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "local/out_pipe.h"
#include "world.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int setup(void **state)
{
    world *w = world_make();
    w->pipe.in = NULL;
    *state = w;
    return 0;
}

/* Puts messages "N" for N in from..upto into the log. */
static void say_numbers(world *w, unsigned from, unsigned upto)
{
    for (unsigned i = from; i <= upto; i++) {
        char text[16];
        const int size = snprintf(text, sizeof text, "%u", i);
        fake_app_say(&w->app, 0, text, (size_t)size);
    }
}

static void say(world *w, const char *text)
{
    fake_app_say(&w->app, 1, text, strlen(text));
}

static void assert_line(world *w, int fd, const char *expected)
{
    char line[256];
    assert_true(world_read_line(w, fd, line, sizeof line));
    assert_string_equal(line, expected);
}

static void assert_number(world *w, int fd, unsigned expected)
{
    char text[16];
    snprintf(text, sizeof text, "%u", expected);
    assert_line(w, fd, text);
}

/* The death of a reader is an event that is there when this begins. */
static void leave(world *w, int fd)
{
    close(fd);
    world_run_ms(w, 2);
}

static void assert_nothing(world *w, int fd)
{
    char byte;
    world_run_ms(w, 60);
    assert_int_equal(read(fd, &byte, 1), -1);
    assert_int_equal(errno, EAGAIN);
}

/* Has every cursor of the disk in memory reached this? Asked by opening it again, as a restarted px does. */
static uint64_t cursor_on_disk(world *w)
{
    px_cursor_file *file;
    assert_int_equal(px_cursor_file_open(&w->disk.disk, &w->log, PX_CURSOR_FILE_PIPES, &file), PX_OK);
    const px_cursor *cursor = px_cursor_find(file, PX_CURSOR_PIPE, "1");
    const uint64_t index = cursor ? px_cursor_index(cursor) : UINT64_MAX;
    px_cursor_file_close(file);
    return index;
}

typedef struct {
    world *w;
    uint64_t index;
} wanted_cursor;

static bool has_cursor(void *context)
{
    const wanted_cursor *wanted = context;
    return cursor_on_disk(wanted->w) == wanted->index;
}

static bool run_until_cursor(world *w, uint64_t index)
{
    wanted_cursor wanted = {w, index};
    return world_run_until(w, has_cursor, &wanted);
}

static void a_reader_gets_all_messages_in_order(void **state)
{
    world *w = *state;
    say_numbers(w, 1, 10);
    world_open(w);
    const int fd = world_reader(w);
    for (unsigned i = 1; i <= 10; i++) assert_number(w, fd, i);
    say(w, "");
    say(w, "after");
    assert_line(w, fd, "");
    assert_line(w, fd, "after");
    assert_nothing(w, fd);
    close(fd);
}

static void the_cursor_moves_by_what_was_taken_not_by_what_was_written(void **state)
{
    world *w = *state;
    say_numbers(w, 1, 5);
    world_open(w);
    const int fd = world_reader(w);
    assert_true(world_run_until_readable(w, fd));
    world_run_ms(w, 50);
    assert_int_equal(cursor_on_disk(w), 0);
    char bytes[8];
    assert_int_equal(read(fd, bytes, 3), 3); /* "1\n2", not its newline */
    assert_true(run_until_cursor(w, 1));
    assert_int_equal(read(fd, bytes, 1), 1);
    assert_true(run_until_cursor(w, 2));
    close(fd);
}

static void a_reader_that_dies_inside_a_message_costs_nothing(void **state)
{
    world *w = *state;
    say(w, "first");
    say(w, "second");
    say(w, "third");
    world_open(w);
    char bytes[16];
    const int fd = world_reader(w);
    assert_true(world_read(w, fd, bytes, 9)); /* "first\nsec" */
    leave(w, fd);
    assert_true(run_until_cursor(w, 1));
    const int next = world_reader(w);
    assert_line(w, next, "second");
    assert_line(w, next, "third");
    assert_nothing(w, next);
    close(next);
}

static void one_byte_short_of_the_newline_is_inside_the_message(void **state)
{
    world *w = *state;
    say(w, "first");
    say(w, "second");
    world_open(w);
    char bytes[16];
    const int fd = world_reader(w);
    assert_true(world_read(w, fd, bytes, 5));
    leave(w, fd);
    assert_int_equal(cursor_on_disk(w), 0);
    const int next = world_reader(w);
    assert_line(w, next, "first");
    assert_line(w, next, "second");
    close(next);
}

static void a_reader_that_leaves_between_messages_changes_nothing(void **state)
{
    world *w = *state;
    say_numbers(w, 1, 3);
    world_open(w);
    for (unsigned i = 1; i <= 3; i++) {
        const int fd = world_reader(w);
        assert_number(w, fd, i);
        close(fd);
    }
    say_numbers(w, 4, 6);
    for (unsigned i = 4; i <= 6; i++) {
        const int fd = world_reader(w);
        assert_number(w, fd, i);
        close(fd);
        world_run_ms(w, 5);
    }
    assert_true(run_until_cursor(w, 6));
}

static void a_loop_that_opens_the_pipe_for_each_line_neither_repeats_nor_skips(void **state)
{
    world *w = *state;
    say_numbers(w, 1, 1000);
    world_open(w);
    const pid_t pid = world_shell(w, "for i in $(seq 3000); do IFS= read -r line <$OUT || exit 3; "
                                     "[ \"$line\" = $i ] || exit 4; done");
    for (unsigned at = 1001; at <= 3000; at += 100) {
        say_numbers(w, at, at + 99);
        world_run_ms(w, 3);
    }
    assert_int_equal(world_wait(w, pid), 0);
    assert_true(run_until_cursor(w, 3000));
}

static void readers_that_die_at_random_places_see_every_message_whole(void **state)
{
    world *w = *state;
    const unsigned count = 3000;
    say_numbers(w, 100001, 100000 + count);
    world_open(w);
    srand(7);
    unsigned next = 1; /* first message that no reader has taken wholly */
    while (next <= count) {
        const int fd = world_reader(w);
        const size_t lines = (size_t)rand() % 60, more = (size_t)rand() % 7;
        char bytes[7];
        for (size_t i = 0; i < lines && next <= count; i++) {
            char expected[16];
            snprintf(expected, sizeof expected, "%u\n", 100000 + next);
            assert_true(world_read(w, fd, bytes, 7));
            assert_memory_equal(bytes, expected, 7);
            next++;
        }
        if (more && next <= count) assert_true(world_read(w, fd, bytes, more));
        leave(w, fd);
        assert_true(run_until_cursor(w, next - 1));
    }
}

static void a_reader_waiting_in_its_open_is_served(void **state)
{
    world *w = *state;
    const pid_t pid =
        world_shell(w,
                    "while [ ! -p $OUT ]; do :; done; exec 3<$OUT; read -r line <&3; [ \"$line\" = hello ]");
    world_open(w);
    world_run_ms(w, 30);
    say(w, "hello");
    assert_int_equal(world_wait(w, pid), 0);
}

static void messages_of_200_KiB_and_larger_than_the_fifo_go_through(void **state)
{
    world *w = *state;
    const size_t sizes[] = {200 << 10, 1,    WORLD_MESSAGE_BYTES_MAX, 70000, WORLD_MESSAGE_BYTES_MAX, 0,
                            65536,     65535};
    char *bytes = malloc(WORLD_MESSAGE_BYTES_MAX + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        memset(bytes, 'a' + (int)i, sizes[i]);
        fake_app_say(&w->app, 0, bytes, sizes[i]);
    }
    world_open(w);
    const int fd = world_reader(w);
    assert_true(fcntl(fd, F_SETPIPE_SZ, 65536) >= 0); /* no larger than the smallest px meets */
    world_kill(w);
    world_open(w);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_true(world_read(w, fd, bytes, sizes[i] + 1));
        for (size_t at = 0; at < sizes[i]; at++) assert_int_equal(bytes[at], 'a' + (int)i);
        assert_int_equal(bytes[sizes[i]], '\n');
    }
    assert_true(run_until_cursor(w, sizeof sizes / sizeof sizes[0]));
    close(fd);
    free(bytes);
}

static void an_absent_reader_costs_no_processor_time(void **state)
{
    world *w = *state;
    say_numbers(w, 1, 100);
    world_open(w);
    world_run_ms(w, 100);
    const uint64_t before_us = world_processor_us(), turns = px_loop_turns(w->loop);
    world_run_ms(w, 1000);
    const uint64_t used_us = world_processor_us() - before_us;
    assert_true(px_loop_turns(w->loop) - turns < 80);
#ifndef __SANITIZE_ADDRESS__
    assert_true(used_us < 10000);
#else
    assert_true(used_us < 30000);
#endif
}

static void a_reader_that_stops_reading_costs_no_processor_time(void **state)
{
    world *w = *state;
    char line[1000];
    memset(line, 'w', sizeof line);
    for (int i = 0; i < 3000; i++) fake_app_say(&w->app, 0, line, sizeof line);
    world_open(w);
    const int fd = world_reader(w);
    assert_true(world_run_until_readable(w, fd));
    world_run_ms(w, 100);
    const uint64_t turns = px_loop_turns(w->loop);
    world_run_ms(w, 1000);
    assert_true(px_loop_turns(w->loop) - turns < 80);
    /* It finds everything when it goes on. */
    for (int i = 0; i < 3000; i++) {
        char read_back[1001];
        assert_true(world_read(w, fd, read_back, sizeof read_back));
        assert_memory_equal(read_back, line, sizeof line);
        assert_int_equal(read_back[1000], '\n');
    }
    assert_nothing(w, fd);
    close(fd);
}

static void a_killed_px_leaves_whole_messages_in_the_fifo_and_repeats_but_never_skips(void **state)
{
    world *w = *state;
    const unsigned count = 20000;
    say_numbers(w, 100001, 100000 + count);
    world_open(w);
    const int fd = world_reader(w);
    unsigned expected = 1, kills = 0;
    while (expected <= count) {
        char line[16];
        for (unsigned i = 0; i < 1700 && expected <= count; i++, expected++) {
            assert_true(world_read_line(w, fd, line, sizeof line));
            const unsigned got = (unsigned)atoi(line) - 100000;
            assert_int_equal(strlen(line), 6);
            assert_true(got <= expected); /* none is skipped */
            expected = got;
        }
        world_kill(w);
        kills++;
        world_open(w);
    }
    assert_true(kills > 5);
    close(fd);
}

static void a_clean_stop_waits_for_the_reader_and_repeats_nothing(void **state)
{
    world *w = *state;
    say_numbers(w, 1, 500);
    world_open(w);
    const pid_t pid = world_shell(
        w, "head -c 1892 <$OUT >$FOLDER/taken; [ $(wc -l <$FOLDER/taken) = 500 ] && rm $FOLDER/taken");
    world_run_ms(w, 100);
    world_stop(w);
    assert_int_equal(world_wait(w, pid), 0);
    assert_int_equal(cursor_on_disk(w), 500);
    say(w, "next");
    world_open(w);
    const int fd = world_reader(w);
    assert_line(w, fd, "next");
    close(fd);
}

static void a_clean_stop_waits_a_second_for_a_reader_that_does_not_read(void **state)
{
    world *w = *state;
    say_numbers(w, 1, 5);
    world_open(w);
    const int fd = world_reader(w);
    assert_number(w, fd, 1);
    const uint64_t before_us = w->clock->now_us(w->clock);
    world_stop(w);
    const uint64_t took_us = w->clock->now_us(w->clock) - before_us;
    assert_true(took_us > 900000 && took_us < 3000000);
    assert_int_equal(cursor_on_disk(w), 1);
    close(fd);
    world_open(w);
    const int next = world_reader(w);
    for (unsigned i = 2; i <= 5; i++) assert_number(w, next, i);
    close(next);
}

static void a_stop_with_nothing_in_the_fifo_is_immediate(void **state)
{
    world *w = *state;
    say_numbers(w, 1, 5);
    world_open(w);
    world_run_ms(w, 10);
    const uint64_t before_us = w->clock->now_us(w->clock);
    world_stop(w);
    assert_true(w->clock->now_us(w->clock) - before_us < 500000);
    assert_int_equal(cursor_on_disk(w), 0);
}

static void from_end_begins_behind_what_was_chosen_when_it_asked(void **state)
{
    world *w = *state;
    w->pipe.from_end = true;
    w->app.is_held = true; /* nobody can tell yet where the log ends */
    say_numbers(w, 1, 5);
    world_open(w);
    const int fd = world_reader(w);
    assert_true(world_run_until_delivered(w, 5));
    say_numbers(w, 6, 8);
    assert_true(world_run_until_delivered(w, 8));
    w->app.is_held = false;
    fake_app_turn(&w->app);
    assert_null(w->app.barriers);
    say(w, "new");
    assert_line(w, fd, "new");
    assert_true(run_until_cursor(w, 9));
    /* From now on there is a cursor. */
    world_kill(w);
    say(w, "while away");
    world_open(w);
    assert_line(w, fd, "while away");
    close(fd);
}

static void from_end_stays_where_it_was_at_the_first_start(void **state)
{
    world *w = *state;
    w->pipe.from_end = true;
    say_numbers(w, 1, 5);
    assert_true(world_run_until_delivered(w, 5));
    world_open(w);
    assert_true(run_until_cursor(w, 5));
    world_kill(w);
    say(w, "while away");
    world_open(w);
    const int fd = world_reader(w);
    assert_line(w, fd, "while away");
    close(fd);
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
    unlink(w->out);
    const int file = open(w->out, O_CREAT | O_WRONLY, 0600);
    assert_true(file >= 0);
    close(file);
    assert_true(world_run_until(w, has_complained, w));
    unlink(w->out);
    assert_true(world_run_until(w, has_reopened, w));
    struct stat found;
    assert_int_equal(stat(w->out, &found), 0);
    assert_true(S_ISFIFO(found.st_mode));
}

static void a_fifo_that_was_removed_is_made_again(void **state)
{
    world *w = *state;
    say_numbers(w, 1, 3);
    world_open(w);
    const int fd = world_reader(w);
    assert_number(w, fd, 1);
    unlink(w->out);
    world_run_ms(w, 1300);
    const int next = world_reader(w);
    assert_number(w, next, 2);
    assert_number(w, next, 3);
    close(fd);
    close(next);
}

static void a_cursor_beyond_the_log_waits_and_says_so(void **state)
{
    world *w = *state;
    px_cursor_file *file;
    assert_int_equal(px_cursor_file_open(&w->disk.disk, &w->log, PX_CURSOR_FILE_PIPES, &file), PX_OK);
    assert_non_null(px_cursor_make(file, PX_CURSOR_PIPE, "1", 3));
    px_cursor_file_close(file);
    world_open(w);
    const int fd = world_reader(w);
    say_numbers(w, 1, 2);
    assert_true(world_run_until_delivered(w, 2));
    assert_nothing(w, fd);
    assert_int_equal(w->log_count, 0); /* it may only not know yet */
    world_run_ms(w, 3200);
    assert_int_equal(w->log_count, 1);
    assert_nothing(w, fd);
    assert_int_equal(cursor_on_disk(w), 3);
    say_numbers(w, 3, 4);
    assert_number(w, fd, 4);
    close(fd);
}

static void messages_that_the_log_no_longer_has_are_passed_over(void **state)
{
    world *w = *state;
    w->app.first = 10;
    say_numbers(w, 10, 11);
    px_cursor_file *file;
    assert_int_equal(px_cursor_file_open(&w->disk.disk, &w->log, PX_CURSOR_FILE_PIPES, &file), PX_OK);
    assert_non_null(px_cursor_make(file, PX_CURSOR_PIPE, "1", 3));
    px_cursor_file_close(file);
    world_open(w);
    const int fd = world_reader(w);
    assert_number(w, fd, 10);
    assert_number(w, fd, 11);
    assert_int_equal(w->log_count, 1);
    close(fd);
}

static void in_format_json_index_origin_and_time_are_told(void **state)
{
    world *w = *state;
    w->pipe.format = PX_LOCAL_JSON;
    world_open(w);
    fake_app_say(&w->app, 1, "say \"hi\"\n\x01", 10);
    fake_app_say(&w->app, 0, "\xff", 1);
    const int fd = world_reader(w);
    assert_line(
        w, fd,
        "{\"index\":1,\"from\":\"b.example\",\"time\":1767225600123,\"data\":\"say \\\"hi\\\"\\n\\u0001\"}");
    assert_line(w, fd, "{\"index\":2,\"from\":\"a.example\",\"time\":1767225600123,\"b64\":\"/w==\"}");
    close(fd);
}

static void in_format_length_the_prefix_counts_as_part_of_the_message(void **state)
{
    world *w = *state;
    w->pipe.format = PX_LOCAL_LENGTH;
    world_open(w);
    fake_app_say(&w->app, 0, "a\nb", 3);
    fake_app_say(&w->app, 0, "", 0);
    fake_app_say(&w->app, 0, "c", 1);
    char bytes[32];
    const int fd = world_reader(w);
    assert_true(world_read(w, fd, bytes, 7 + 3)); /* inside the prefix of the empty message */
    assert_memory_equal(bytes, "\0\0\0\3a\nb\0\0\0", 10);
    leave(w, fd);
    assert_true(run_until_cursor(w, 1));
    const int next = world_reader(w);
    assert_true(world_read(w, next, bytes, 9));
    assert_memory_equal(bytes, "\0\0\0\0\0\0\0\1c", 9);
    close(next);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reader_gets_all_messages_in_order),
        TEST(the_cursor_moves_by_what_was_taken_not_by_what_was_written),
        TEST(a_reader_that_dies_inside_a_message_costs_nothing),
        TEST(one_byte_short_of_the_newline_is_inside_the_message),
        TEST(a_reader_that_leaves_between_messages_changes_nothing),
        TEST(a_loop_that_opens_the_pipe_for_each_line_neither_repeats_nor_skips),
        TEST(readers_that_die_at_random_places_see_every_message_whole),
        TEST(a_reader_waiting_in_its_open_is_served),
        TEST(messages_of_200_KiB_and_larger_than_the_fifo_go_through),
        TEST(an_absent_reader_costs_no_processor_time),
        TEST(a_reader_that_stops_reading_costs_no_processor_time),
        TEST(a_killed_px_leaves_whole_messages_in_the_fifo_and_repeats_but_never_skips),
        TEST(a_clean_stop_waits_for_the_reader_and_repeats_nothing),
        TEST(a_clean_stop_waits_a_second_for_a_reader_that_does_not_read),
        TEST(a_stop_with_nothing_in_the_fifo_is_immediate),
        TEST(from_end_begins_behind_what_was_chosen_when_it_asked),
        TEST(from_end_stays_where_it_was_at_the_first_start),
        TEST(a_fifo_that_was_removed_is_made_again),
        TEST(a_file_in_a_fifos_place_is_told_and_its_end_as_well),
        TEST(a_cursor_beyond_the_log_waits_and_says_so),
        TEST(messages_that_the_log_no_longer_has_are_passed_over),
        TEST(in_format_json_index_origin_and_time_are_told),
        TEST(in_format_length_the_prefix_counts_as_part_of_the_message),
    };
    return cmocka_run_group_tests_name("out_pipe", tests, NULL, NULL);
}
