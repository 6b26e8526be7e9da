/* publish_test.c - raw messages up, receipts down, with and without a session. [spec.md §5] */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "socket_client.h"
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int setup(void **state)
{
    world *w = world_make();
    w->config.pipe_count = 0;
    w->config.socket = w->socket;
    *state = w;
    return 0;
}

static void what_was_committed_together_is_told_in_one_line(void **state)
{
    world *w = *state;
    w->app.is_held = true;
    world_open(w);
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"publish\",\"tag\":1}\none\n\nthree\nnot who");
    assert_reply(w, fd, "{\"ok\":true,\"tag\":1,\"session\":null,\"next\":1}");
    assert_silent(w, fd);
    w->app.is_held = false;
    assert_reply(w, fd, "{\"acked\":3,\"index\":3}");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    char byte;
    assert_false(world_read(w, fd, &byte, 1)); /* closed, and the last line was none */
    assert_int_equal(w->app.delivered, 3);
    assert_memory_equal(fake_app_message(&w->app, 3).data, "three", 5);
    close(fd);
}

static void clients_share_an_intake_and_each_has_its_own_numbers(void **state)
{
    world *w = *state;
    world_open(w);
    const int one = client(w), other = client(w);
    ask(w, one, "{\"op\":\"publish\"}\n");
    ask(w, other, "{\"op\":\"publish\",\"format\":\"length\"}\n");
    assert_reply(w, one, "{\"ok\":true,\"session\":null,\"next\":1}");
    assert_reply(w, other, "{\"ok\":true,\"session\":null,\"next\":1}");
    ask(w, one, "a\nb\n");
    assert_reply(w, one, "{\"acked\":2,\"index\":2}");
    assert_true(world_write(w, other, "\0\0\0\1x", 5));
    assert_reply(w, other, "{\"acked\":1,\"index\":3}");
    close(one);
    assert_true(world_write(w, other, "\0\0\0\0", 4));
    assert_reply(w, other, "{\"acked\":2,\"index\":4}");
    close(other);
}

/* ---- under a session ---- */

static void under_a_session_the_numbers_are_the_sessions(void **state)
{
    world *w = *state;
    world_open(w);
    fake_app_bring(&w->app, "s", 3, false);
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"publish\",\"session\":\"s\",\"tag\":\"t\"}\none\ntwo\n");
    assert_reply(w, fd, "{\"ok\":true,\"tag\":\"t\",\"session\":\"s\",\"next\":4}");
    assert_reply(w, fd, "{\"acked\":5,\"index\":5}");
    assert_memory_equal(fake_app_message(&w->app, 5).data, "two", 3);
    close(fd);
}

static void nothing_is_taken_before_the_session_is_open(void **state)
{
    world *w = *state;
    w->app.is_held = true;
    world_open(w);
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"publish\",\"session\":\"s\"}\none\n");
    assert_silent(w, fd);
    assert_int_equal(w->app.sessions[0].intake.count, 0);
    w->app.is_held = false;
    assert_reply(w, fd, "{\"ok\":true,\"session\":\"s\",\"next\":1}");
    assert_reply(w, fd, "{\"acked\":1,\"index\":1}");
    close(fd);
}

/* What it had handed over is not in the log; what it hands over now is not looked at. */
static void who_is_fenced_is_told_and_closed(void **state)
{
    world *w = *state;
    world_open(w);
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"publish\",\"session\":\"s\",\"tag\":7}\none\n");
    assert_reply(w, fd, "{\"ok\":true,\"tag\":7,\"session\":\"s\",\"next\":1}");
    assert_reply(w, fd, "{\"acked\":1,\"index\":1}");
    w->app.is_held = true;
    ask(w, fd, "two\n");
    assert_silent(w, fd);
    fake_app_end(&w->app, "s", PX_INTAKE_FENCED);
    w->app.is_held = false;
    assert_reply_begins(w, fd, "{\"ok\":false,\"tag\":7,\"error\":\"fenced\"");
    assert_closed(w, fd);
    assert_int_equal(w->app.delivered, 1);
}

static void a_session_that_expired_is_not_opened(void **state)
{
    world *w = *state;
    world_open(w);
    fake_app_end(&w->app, "s", PX_INTAKE_EXPIRED);
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"publish\",\"session\":\"s\"}\none\n");
    assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"expired\"");
    assert_closed(w, fd);
    assert_int_equal(w->app.delivered, 0);
}

static void too_many_sessions_are_refused(void **state)
{
    world *w = *state;
    w->app.is_session_refused = true;
    world_open(w);
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"publish\",\"session\":\"s\"}\none\n");
    assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"too_many\"");
    assert_closed(w, fd);
}

/* Somebody else sent the first two of its three under the same numbers: they are in the log, once. */
static void what_others_brought_in_is_acknowledged_as_far_as_it_was_handed_over(void **state)
{
    world *w = *state;
    world_open(w);
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"publish\",\"session\":\"s\"}\n");
    assert_reply(w, fd, "{\"ok\":true,\"session\":\"s\",\"next\":1}");
    w->app.is_held = true;
    ask(w, fd, "one\ntwo\nthree\n");
    assert_silent(w, fd);
    fake_app_bring(&w->app, "s", 2, true);
    assert_reply(w, fd, "{\"acked\":2,\"index\":2}");
    fake_app_bring(&w->app, "s", 4, true); /* and then further than it has come: 3 to 6 */
    assert_reply(w, fd, "{\"acked\":3,\"index\":3}");
    assert_silent(w, fd);
    close(fd);
}

static void a_message_too_long_ends_it_behind_those_before(void **state)
{
    world *w = *state;
    world_open(w);
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"publish\",\"session\":\"s\",\"format\":\"length\"}\n");
    assert_reply(w, fd, "{\"ok\":true,\"session\":\"s\",\"next\":1}");
    assert_true(world_write(w, fd, "\0\0\0\1x\1\0\0\0y", 10));
    assert_reply(w, fd, "{\"acked\":1,\"index\":1}");
    assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"too_large\"");
    assert_closed(w, fd);
}

/* A clean stop: what was handed over is waited for, and said. */
static void a_stop_is_told_behind_the_last_acknowledgement(void **state)
{
    world *w = *state;
    world_open(w);
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"publish\",\"session\":\"s\",\"tag\":1}\none\n");
    assert_reply(w, fd, "{\"ok\":true,\"tag\":1,\"session\":\"s\",\"next\":1}");
    assert_reply(w, fd, "{\"acked\":1,\"index\":1}");
    world_stop(w);
    assert_reply_begins(w, fd, "{\"ok\":false,\"tag\":1,\"error\":\"shutting_down\"");
    assert_closed(w, fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_committed_together_is_told_in_one_line),
        TEST(clients_share_an_intake_and_each_has_its_own_numbers),
        TEST(under_a_session_the_numbers_are_the_sessions),
        TEST(nothing_is_taken_before_the_session_is_open),
        TEST(who_is_fenced_is_told_and_closed),
        TEST(a_session_that_expired_is_not_opened),
        TEST(too_many_sessions_are_refused),
        TEST(what_others_brought_in_is_acknowledged_as_far_as_it_was_handed_over),
        TEST(a_message_too_long_ends_it_behind_those_before),
        TEST(a_stop_is_told_behind_the_last_acknowledgement),
    };
    return cmocka_run_group_tests_name("publish", tests, NULL, NULL);
}
