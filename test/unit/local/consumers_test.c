/* consumers_test.c - named readers go on behind what they have acknowledged. [spec.md §5: follow, ack] */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "local/consumers.h"
#include "local/cursor_file.h"
#include "socket_client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGES 9u

static int setup(void **state)
{
    world *w = world_make();
    w->config.pipe_count = 0;
    w->config.socket = w->socket;
    world_open(w);
    for (unsigned i = 0; i < MESSAGES; i++) fake_app_say(&w->app, 0, "m", 1);
    assert_true(world_run_until_delivered(w, MESSAGES));
    *state = w;
    return 0;
}

static void restart(world *w)
{
    world_kill(w);
    world_open(w);
}

static void ack(world *w, int fd, const char *name, unsigned index)
{
    char text[256];
    snprintf(text, sizeof text, "{\"op\":\"ack\",\"consumer\":\"%.100s\",\"index\":%u}\n", name, index);
    ask(w, fd, text);
}

static void assert_message(world *w, int fd, unsigned index)
{
    char text[32];
    snprintf(text, sizeof text, "{\"index\":%u,", index);
    assert_reply_begins(w, fd, text);
}

/* A follow of that consumer begins with that message. */
static void assert_goes_on_at(world *w, const char *request, unsigned index)
{
    const int fd = client(w);
    ask(w, fd, request);
    assert_message(w, fd, index);
    close(fd);
}

static void before_the_first_ack_a_consumer_starts_at_from_or_at_the_logs_start(void **state)
{
    world *w = *state;
    assert_goes_on_at(w, "{\"op\":\"follow\",\"consumer\":\"c\"}\n", 1);
    assert_goes_on_at(w, "{\"op\":\"follow\",\"consumer\":\"c\",\"from\":5}\n", 5);
    assert_goes_on_at(w, "{\"op\":\"follow\",\"from\":7,\"consumer\":\"c\"}\n", 7);
    fake_app_say(&w->app, 0, "new", 3);
    assert_goes_on_at(w, "{\"op\":\"follow\",\"consumer\":\"c\",\"from\":\"start\"}\n", 1);
}

static void after_an_ack_it_goes_on_behind_it_also_after_a_kill(void **state)
{
    world *w = *state;
    const int fd = client(w);
    ack(w, fd, "a", 4);
    assert_reply(w, fd, "{\"ok\":true}");
    ask(w, fd, "{\"op\":\"ack\",\"consumer\":\"b\",\"index\":6,\"tag\":[1]}\n");
    assert_reply(w, fd, "{\"ok\":true,\"tag\":[1]}");
    close(fd);
    restart(w);
    assert_goes_on_at(w, "{\"op\":\"follow\",\"consumer\":\"a\"}\n", 5);
    assert_goes_on_at(w, "{\"op\":\"follow\",\"consumer\":\"b\",\"from\":\"start\"}\n", 7);
    assert_goes_on_at(w, "{\"op\":\"follow\",\"consumer\":\"other\"}\n", 1);
}

static void an_ack_may_go_back_to_see_messages_again(void **state)
{
    world *w = *state;
    const int fd = client(w);
    ack(w, fd, "a", 8);
    ack(w, fd, "a", 0);
    assert_reply(w, fd, "{\"ok\":true}");
    assert_reply(w, fd, "{\"ok\":true}");
    close(fd);
    restart(w);
    assert_goes_on_at(w, "{\"op\":\"follow\",\"consumer\":\"a\"}\n", 1);
}

static void an_ack_beyond_what_is_delivered_is_refused(void **state)
{
    world *w = *state;
    const int fd = client(w);
    ack(w, fd, "a", MESSAGES);
    ack(w, fd, "a", MESSAGES + 1);
    assert_reply(w, fd, "{\"ok\":true}");
    assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"cursor_ahead\"");
    fake_app_say(&w->app, 0, "new", 3);
    ask(w, fd, "{\"op\":\"follow\",\"consumer\":\"a\"}\n");
    assert_message(w, fd, MESSAGES + 1);
    close(fd);
}

static void an_ack_is_answered_only_when_it_is_durable(void **state)
{
    world *w = *state;
    const int fd = client(w);
    w->disk.is_held = true;
    ack(w, fd, "a", 3);
    assert_silent(w, fd);
    w->disk.is_held = false;
    assert_reply(w, fd, "{\"ok\":true}");
    close(fd);
}

static void many_acks_cost_one_write(void **state)
{
    world *w = *state;
    const int fd = client(w);
    w->disk.is_held = true;
    ack(w, fd, "first", 1);
    assert_silent(w, fd);
    for (unsigned i = 0; i < 500; i++) ack(w, fd, "many", i % MESSAGES);
    assert_silent(w, fd);
    w->disk.is_held = false;
    const uint64_t before = w->disk.written;
    for (unsigned i = 0; i <= 500; i++) assert_reply(w, fd, "{\"ok\":true}");
    assert_true(w->disk.written - before <= 2);
    close(fd);
}

static void a_disk_that_fails_makes_the_ack_unknown_and_is_said(void **state)
{
    world *w = *state;
    const int fd = client(w);
    ack(w, fd, "a", 2);
    assert_reply(w, fd, "{\"ok\":true}");
    w->disk.write_err = PX_ERR_IO;
    const uint32_t logged = w->log_count;
    ack(w, fd, "a", 5);
    assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"unknown\"");
    assert_int_equal(w->log_count, logged + 1);
    w->disk.write_err = PX_OK;
    ack(w, fd, "a", 6);
    assert_reply(w, fd, "{\"ok\":true}");
    close(fd);
    restart(w);
    assert_goes_on_at(w, "{\"op\":\"follow\",\"consumer\":\"a\"}\n", 7);
}

static void while_it_follows_a_connection_takes_acks(void **state)
{
    world *w = *state;
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"follow\",\"consumer\":\"a\"}\n");
    for (unsigned i = 1; i <= MESSAGES; i++) {
        assert_message(w, fd, i);
        ack(w, fd, "a", i);
    }
    for (unsigned i = 1; i <= MESSAGES; i++) assert_reply(w, fd, "{\"ok\":true}");
    ask(w, fd, "{\"op\":\"barrier\"}\n{\"op\":\"ack\",\"consumer\":\"a\"}\n");
    assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"bad_request\"");
    assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"bad_request\"");
    fake_app_say(&w->app, 0, "new", 3);
    assert_message(w, fd, MESSAGES + 1);
    close(fd);
}

static void a_run_with_an_end_takes_acks_and_then_requests(void **state)
{
    world *w = *state;
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"follow\",\"consumer\":\"a\",\"until\":10}\n");
    for (unsigned i = 1; i <= MESSAGES; i++) assert_message(w, fd, i);
    ack(w, fd, "a", 9);
    assert_reply(w, fd, "{\"ok\":true}");
    ask(w, fd, "{\"op\":\"barrier\"}\n");
    assert_silent(w, fd);
    fake_app_say(&w->app, 0, "m", 1);
    assert_message(w, fd, 10);
    assert_reply(w, fd, "{\"ok\":true,\"index\":10}");
    close(fd);
}

/* Its replies stand between messages, however slowly it takes them. */
static void acks_of_a_slow_reader_of_long_messages_do_not_break_them(void **state)
{
    enum { LONG = 200 << 10, COUNT = 4 };
    world *w = *state;
    char *text = malloc(LONG + 256), *line = malloc(LONG + 256);
    memset(text, 'x', LONG);
    for (unsigned i = 0; i < COUNT; i++) fake_app_say(&w->app, 0, text, LONG);
    assert_true(world_run_until_delivered(w, MESSAGES + COUNT));
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"follow\",\"consumer\":\"a\",\"from\":10}\n");
    world_run_ms(w, 20); /* the first message fills what the system holds */
    for (unsigned i = 0; i < COUNT; i++) ack(w, fd, "a", i);
    world_run_ms(w, 20);
    unsigned messages = 0, replies = 0;
    while (messages < COUNT || replies < COUNT) {
        assert_true(world_read_line(w, fd, line, LONG + 256));
        const bool is_reply = strcmp(line, "{\"ok\":true}") == 0;
        if (!is_reply) {
            snprintf(text, 64, "{\"index\":%u,", 10 + messages);
            assert_memory_equal(line, text, strlen(text));
            assert_true(strlen(line) > LONG && strcmp(line + strlen(line) - 3, "x\"}") == 0);
        }
        replies += is_reply;
        messages += !is_reply;
    }
    close(fd);
    free(text);
    free(line);
}

/* Restored folder, or a log that lost its end: said by the answer and in the log, and nothing is skipped. */
static void a_cursor_beyond_the_log_is_told_loudly(void **state)
{
    world *w = *state;
    world_kill(w);
    px_cursor_file *file;
    assert_int_equal(px_cursor_file_open(&w->disk.disk, &w->log, PX_CURSOR_FILE_CONSUMERS, &file), PX_OK);
    assert_non_null(px_cursor_make(file, PX_CURSOR_CONSUMER, "a", MESSAGES + 1));
    px_cursor_file_close(file);
    world_open(w);
    const uint32_t logged = w->log_count;
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"follow\",\"consumer\":\"a\"}\n");
    assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"cursor_ahead\"");
    assert_int_equal(w->log_count, logged + 1);
    ask(w, fd, "{\"op\":\"follow\",\"consumer\":\"a\",\"tag\":7}\n");
    assert_reply_begins(w, fd, "{\"ok\":false,\"tag\":7,\"error\":\"cursor_ahead\"");
    ack(w, fd, "a", 5);
    assert_reply(w, fd, "{\"ok\":true}");
    ask(w, fd, "{\"op\":\"follow\",\"consumer\":\"a\"}\n");
    assert_message(w, fd, 6);
    close(fd);
}

static void names_are_checked_and_bounded_in_number(void **state)
{
    world *w = *state;
    char name[96] = {0}, text[256];
    int fd = client(w);
    memset(name, 'n', 80);
    ack(w, fd, name, 1);
    assert_reply(w, fd, "{\"ok\":true}");
    memset(name, 'n', 81);
    ack(w, fd, name, 1);
    ack(w, fd, "", 1);
    ack(w, fd, "a\\u0000b", 1);
    ack(w, fd, "a\\nb", 1);
    ask(w, fd, "{\"op\":\"follow\",\"consumer\":\"\"}\n");
    for (unsigned i = 0; i < 5; i++) assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"bad_request\"");
    for (unsigned i = 1; i < PX_CONSUMERS_MAX; i++) {
        snprintf(text, sizeof text, "c%u", i);
        ack(w, fd, text, 1);
        assert_reply(w, fd, "{\"ok\":true}");
    }
    ack(w, fd, "one more", 1);
    assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"too_many\"");
    ack(w, fd, "c1000", 3);
    assert_reply(w, fd, "{\"ok\":true}");
    close(fd);
    restart(w);
    assert_goes_on_at(w, "{\"op\":\"follow\",\"consumer\":\"c1000\"}\n", 4);
    assert_goes_on_at(w, "{\"op\":\"follow\",\"consumer\":\"c1023\"}\n", 2);
    assert_goes_on_at(w, "{\"op\":\"follow\",\"consumer\":\"one more\"}\n", 1);
}

static void who_leaves_with_an_ack_under_way_costs_nothing(void **state)
{
    world *w = *state;
    w->disk.is_held = true;
    int fd = client(w);
    ack(w, fd, "a", 1);
    ack(w, fd, "a", 2);
    assert_silent(w, fd);
    close(fd);
    world_run_ms(w, 20);
    w->disk.is_held = false;
    fd = client(w);
    ack(w, fd, "b", 3);
    assert_reply(w, fd, "{\"ok\":true}");
    w->disk.is_held = true;
    ack(w, fd, "b", 4); /* and px ends with one */
    assert_silent(w, fd);
    close(fd);
    restart(w);
    w->disk.is_held = false;
    assert_goes_on_at(w, "{\"op\":\"follow\",\"consumer\":\"a\"}\n", 3);
    assert_goes_on_at(w, "{\"op\":\"follow\",\"consumer\":\"b\"}\n", 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(before_the_first_ack_a_consumer_starts_at_from_or_at_the_logs_start),
        TEST(after_an_ack_it_goes_on_behind_it_also_after_a_kill),
        TEST(an_ack_may_go_back_to_see_messages_again),
        TEST(an_ack_beyond_what_is_delivered_is_refused),
        TEST(an_ack_is_answered_only_when_it_is_durable),
        TEST(many_acks_cost_one_write),
        TEST(a_disk_that_fails_makes_the_ack_unknown_and_is_said),
        TEST(while_it_follows_a_connection_takes_acks),
        TEST(a_run_with_an_end_takes_acks_and_then_requests),
        TEST(acks_of_a_slow_reader_of_long_messages_do_not_break_them),
        TEST(a_cursor_beyond_the_log_is_told_loudly),
        TEST(names_are_checked_and_bounded_in_number),
        TEST(who_leaves_with_an_ack_under_way_costs_nothing),
    };
    return cmocka_run_group_tests_name("consumers", tests, NULL, NULL);
}
