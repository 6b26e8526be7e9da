/* joined_test.c - sends under a session, whoever has it open. [spec.md §5; R12] */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "socket_client.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int setup(void **state)
{
    world *w = world_make();
    w->config.pipe_count = 0;
    w->config.socket = w->socket;
    world_open(w);
    *state = w;
    return 0;
}

/* Sends number `sequence` of a session, with the number as its tag. */
static void send_as(world *w, int fd, const char *session, unsigned sequence)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"op\":\"send\",\"session\":\"%s\",\"seq\":%u,\"data\":\"m%u\",\"tag\":%u}\n", session,
             sequence, sequence, sequence);
    ask(w, fd, text);
}

static void assert_index(world *w, int fd, unsigned tag, unsigned index)
{
    char text[128];
    snprintf(text, sizeof text, "{\"ok\":true,\"tag\":%u,\"index\":%u}", tag, index);
    assert_reply(w, fd, text);
}

/* index 0: not remembered. */
static void assert_duplicate(world *w, int fd, unsigned tag, unsigned index)
{
    char text[128];
    if (index)
        snprintf(text, sizeof text, "{\"ok\":true,\"tag\":%u,\"index\":%u,\"duplicate\":true}", tag, index);
    else
        snprintf(text, sizeof text, "{\"ok\":true,\"tag\":%u,\"duplicate\":true}", tag);
    assert_reply(w, fd, text);
}

static void assert_error(world *w, int fd, unsigned tag, const char *error)
{
    char text[128];
    snprintf(text, sizeof text, "{\"ok\":false,\"tag\":%u,\"error\":\"%s\"", tag, error);
    assert_reply_begins(w, fd, text);
}

/* ---- numbers ---- */

static void the_next_number_is_taken_and_one_below_is_a_duplicate(void **state)
{
    world *w = *state;
    const int fd = client(w);
    for (unsigned i = 1; i <= 3; i++) {
        send_as(w, fd, "s", i);
        assert_index(w, fd, i, i);
    }
    send_as(w, fd, "s", 2);
    assert_duplicate(w, fd, 2, 2);
    assert_int_equal(w->app.delivered, 3);
    assert_memory_equal(fake_app_message(&w->app, 3).data, "m3", 2);
    assert_int_equal(w->app.session_opens, 1); /* joined once for all */
    close(fd);
}

static void two_clients_send_under_one_session_by_turns(void **state)
{
    world *w = *state;
    const int one = client(w), other = client(w);
    send_as(w, one, "s", 1);
    assert_index(w, one, 1, 1);
    send_as(w, other, "s", 2);
    assert_index(w, other, 2, 2);
    send_as(w, one, "s", 2);
    assert_duplicate(w, one, 2, 2);
    assert_int_equal(w->app.session_opens, 1);
    close(one);
    close(other);
}

/* Sent again while the first is on its way: both are answered when it is chosen, and it is there once. */
static void a_number_that_is_on_its_way_is_answered_with_it(void **state)
{
    world *w = *state;
    const int one = client(w), other = client(w);
    send_as(w, one, "s", 1);
    assert_index(w, one, 1, 1);
    w->app.is_held = true;
    send_as(w, one, "s", 2);
    assert_silent(w, one);
    send_as(w, other, "s", 2);
    assert_silent(w, other);
    w->app.is_held = false;
    assert_index(w, one, 2, 2);
    assert_duplicate(w, other, 2, 2);
    assert_int_equal(w->app.delivered, 2);
    close(one);
    close(other);
}

/* Of many batches ago only that it is in the log is known. */
static void an_old_duplicate_has_no_index(void **state)
{
    world *w = *state;
    const int fd = client(w);
    for (unsigned i = 1; i <= 40; i++) {
        send_as(w, fd, "s", i);
        assert_index(w, fd, i, i);
    }
    send_as(w, fd, "s", 1);
    assert_duplicate(w, fd, 1, 0);
    send_as(w, fd, "s", 39);
    assert_duplicate(w, fd, 39, 39);
    close(fd);
}

static void before_it_is_open_a_send_waits(void **state)
{
    world *w = *state;
    const int fd = client(w);
    w->app.is_held = true;
    send_as(w, fd, "s", 1);
    assert_silent(w, fd);
    assert_int_equal(w->app.session_opens, 1);
    w->app.is_held = false;
    assert_index(w, fd, 1, 1);
    close(fd);
}

/* ---- gaps ---- */

static void a_gap_is_told_by_a_join_behind_the_request(void **state)
{
    world *w = *state;
    const int fd = client(w);
    send_as(w, fd, "s", 1);
    assert_index(w, fd, 1, 1);
    send_as(w, fd, "s", 3);
    assert_error(w, fd, 3, "gap");
    assert_int_equal(w->app.session_opens, 2); /* it asked anew before it said so */
    send_as(w, fd, "s", 2);
    assert_index(w, fd, 2, 2);
    assert_int_equal(w->app.delivered, 2);
    close(fd);
}

/* Numbers 2 and 3 went in at another node, of which this one knows nothing yet. */
static void what_went_in_elsewhere_is_no_gap(void **state)
{
    world *w = *state;
    const int fd = client(w);
    send_as(w, fd, "s", 1);
    assert_index(w, fd, 1, 1);
    fake_app_bring(&w->app, "s", 2, false);
    send_as(w, fd, "s", 4);
    assert_index(w, fd, 4, 4);
    assert_int_equal(w->app.session_opens, 2);
    close(fd);
}

/* The one before is still on its way: when it is chosen, the other is no gap any more. */
static void a_number_beyond_those_on_their_way_waits_for_them(void **state)
{
    world *w = *state;
    const int one = client(w), other = client(w);
    send_as(w, one, "s", 1);
    assert_index(w, one, 1, 1);
    w->app.is_held = true;
    send_as(w, one, "s", 2);
    assert_silent(w, one);
    send_as(w, other, "s", 4);
    assert_silent(w, other);
    assert_int_equal(w->app.session_opens, 1);
    w->app.is_held = false;
    assert_index(w, one, 2, 2);
    assert_error(w, other, 4, "gap");
    close(one);
    close(other);
}

static void a_gap_where_no_session_can_be_opened_is_told_as_that(void **state)
{
    world *w = *state;
    const int fd = client(w);
    send_as(w, fd, "s", 1);
    assert_index(w, fd, 1, 1);
    w->app.is_session_refused = true;
    send_as(w, fd, "s", 3);
    assert_error(w, fd, 3, "too_many");
    w->app.is_session_refused = false;
    send_as(w, fd, "s", 2);
    assert_index(w, fd, 2, 2);
    close(fd);
}

/* ---- what others do in the session ---- */

/* The same message went in by another node, in front of this one's copy. */
static void what_another_node_brought_in_is_a_duplicate(void **state)
{
    world *w = *state;
    const int fd = client(w);
    send_as(w, fd, "s", 1);
    assert_index(w, fd, 1, 1);
    w->app.is_held = true;
    send_as(w, fd, "s", 2);
    assert_silent(w, fd);
    fake_app_bring(&w->app, "s", 3, true);
    assert_duplicate(w, fd, 2, 2);
    send_as(w, fd, "s", 4);
    assert_duplicate(w, fd, 4, 4);
    w->app.is_held = false;
    send_as(w, fd, "s", 5);
    assert_index(w, fd, 5, 5);
    close(fd);
}

/* Its number is not in the log, now or later; and the next send opens the session again. */
static void who_was_fenced_is_told_and_may_send_again(void **state)
{
    world *w = *state;
    const int fd = client(w);
    send_as(w, fd, "s", 1);
    assert_index(w, fd, 1, 1);
    w->app.is_held = true;
    send_as(w, fd, "s", 2);
    assert_silent(w, fd);
    fake_app_end(&w->app, "s", PX_INTAKE_FENCED);
    w->app.is_held = false;
    assert_error(w, fd, 2, "fenced");
    send_as(w, fd, "s", 2);
    assert_index(w, fd, 2, 2);
    assert_int_equal(w->app.session_opens, 2);
    close(fd);
}

static void an_expired_session_stays_expired(void **state)
{
    world *w = *state;
    const int fd = client(w);
    send_as(w, fd, "s", 1);
    assert_index(w, fd, 1, 1);
    w->app.is_held = true;
    send_as(w, fd, "s", 2);
    assert_silent(w, fd);
    fake_app_end(&w->app, "s", PX_INTAKE_EXPIRED);
    w->app.is_held = false;
    assert_error(w, fd, 2, "expired");
    send_as(w, fd, "s", 2);
    assert_error(w, fd, 2, "expired");
    assert_int_equal(w->app.session_opens, 1); /* nobody is asked again */
    send_as(w, fd, "other", 1);
    assert_index(w, fd, 1, 2);
    close(fd);
}

/* ---- bounds ---- */

/* Sessions that nobody waits for make room; where somebody waits for each, there is none. */
static void as_many_are_joined_as_there_are_places(void **state)
{
    enum { JOINED_MAX = 512 }; /* joined.c */
    world *w = *state;
    char name[32];
    const int fd = client(w);
    for (unsigned i = 0; i < JOINED_MAX + 20; i++) {
        snprintf(name, sizeof name, "s%u", i);
        send_as(w, fd, name, 1);
        assert_index(w, fd, 1, i + 1);
    }
    send_as(w, fd, "s531", 2); /* one of the newest is still joined */
    assert_index(w, fd, 2, JOINED_MAX + 21);
    assert_int_equal(w->app.session_opens, JOINED_MAX + 20);
    send_as(w, fd, "s0", 1); /* the oldest has to be joined again, which tells how far it is */
    assert_duplicate(w, fd, 1, 0);
    assert_int_equal(w->app.session_opens, JOINED_MAX + 21);
    close(fd);
}

static void where_all_are_waited_for_one_more_is_refused(void **state)
{
    enum { JOINED_MAX = 512, CLIENTS = 32 };
    world *w = *state;
    char name[32];
    int fds[CLIENTS];
    for (unsigned i = 0; i < CLIENTS; i++) fds[i] = client(w);
    for (unsigned i = 0; i < JOINED_MAX; i++) {
        snprintf(name, sizeof name, "s%u", i);
        send_as(w, fds[i % CLIENTS], name, 1);
        if (i % CLIENTS == CLIENTS - 1)
            for (unsigned k = 0; k < CLIENTS; k++) assert_index(w, fds[k], 1, i - (CLIENTS - 1) + k + 1);
    }
    w->app.is_held = true;
    for (unsigned i = 0; i < JOINED_MAX; i++) {
        snprintf(name, sizeof name, "s%u", i);
        send_as(w, fds[i % CLIENTS], name, 2);
    }
    assert_silent(w, fds[0]);
    const int one_more = client(w);
    send_as(w, one_more, "more", 1);
    assert_error(w, one_more, 1, "too_many");
    close(one_more);
    for (unsigned i = 0; i < CLIENTS; i++) close(fds[i]);
}

static void a_full_disk_refuses_rather_than_lets_wait(void **state)
{
    world *w = *state;
    const int fd = client(w);
    send_as(w, fd, "s", 1);
    assert_index(w, fd, 1, 1);
    w->app.is_disk_full = true;
    send_as(w, fd, "s", 2);
    assert_error(w, fd, 2, "disk_full");
    w->app.is_disk_full = false;
    send_as(w, fd, "s", 2);
    assert_index(w, fd, 2, 2);
    close(fd);
}

static void who_leaves_with_a_send_under_way_costs_nothing(void **state)
{
    world *w = *state;
    int fd = client(w);
    send_as(w, fd, "s", 1);
    assert_index(w, fd, 1, 1);
    w->app.is_held = true;
    send_as(w, fd, "s", 2);
    assert_silent(w, fd);
    close(fd);
    world_run_ms(w, 20);
    w->app.is_held = false;
    fd = client(w);
    send_as(w, fd, "s", 3); /* what was handed over stays */
    assert_index(w, fd, 3, 3);
    w->app.is_held = true;
    send_as(w, fd, "s", 4); /* and px ends with one */
    assert_silent(w, fd);
    close(fd);
    world_kill(w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_next_number_is_taken_and_one_below_is_a_duplicate),
        TEST(two_clients_send_under_one_session_by_turns),
        TEST(a_number_that_is_on_its_way_is_answered_with_it),
        TEST(an_old_duplicate_has_no_index),
        TEST(before_it_is_open_a_send_waits),
        TEST(a_gap_is_told_by_a_join_behind_the_request),
        TEST(what_went_in_elsewhere_is_no_gap),
        TEST(a_number_beyond_those_on_their_way_waits_for_them),
        TEST(a_gap_where_no_session_can_be_opened_is_told_as_that),
        TEST(what_another_node_brought_in_is_a_duplicate),
        TEST(who_was_fenced_is_told_and_may_send_again),
        TEST(an_expired_session_stays_expired),
        TEST(as_many_are_joined_as_there_are_places),
        TEST(where_all_are_waited_for_one_more_is_refused),
        TEST(a_full_disk_refuses_rather_than_lets_wait),
        TEST(who_leaves_with_a_send_under_way_costs_nothing),
    };
    return cmocka_run_group_tests_name("joined", tests, NULL, NULL);
}
