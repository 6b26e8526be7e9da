/* transfer_test.c - leadership, digests and divergence, as clients of the socket are told. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "socket_client.h"
#include <unistd.h>

static int setup(void **state)
{
    world *w = world_make();
    w->config.socket = w->socket;
    w->app.is_peer_up = true;
    world_open(w);
    *state = w;
    return 0;
}

static void a_transfer_is_answered_when_another_leads(void **state)
{
    world *w = *state;
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"transfer\",\"id\":\"b.example\",\"tag\":1}\n");
    assert_reply(w, fd, "{\"ok\":true,\"tag\":1,\"leader\":\"b.example\"}");
    assert_int_equal(w->app.transfers, 1);
    ask(w, fd, "{\"op\":\"transfer\"}\n");
    assert_reply(w, fd, "{\"ok\":false,\"error\":\"bad_request\",\"message\":\"b.example leads: ask it\"}");
    assert_int_equal(w->app.transfers, 1);
    close(fd);
}

static void a_transfer_to_nobody_is_refused(void **state)
{
    world *w = *state;
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"transfer\",\"id\":\"c.example\"}\n");
    assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"not_member\"");
    ask(w, fd, "{\"op\":\"transfer\",\"id\":7}\n");
    assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"bad_request\"");
    ask(w, fd, "{\"op\":\"transfer\",\"id\":\"a.example\"}\n");
    assert_reply(w, fd, "{\"ok\":true,\"leader\":\"a.example\"}");
    w->app.is_peer_up = false;
    ask(w, fd, "{\"op\":\"transfer\",\"id\":\"b.example\"}\n{\"op\":\"transfer\"}\n");
    assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"bad_request\"");
    assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"bad_request\"");
    w->app.is_not_ready = true;
    ask(w, fd, "{\"op\":\"transfer\"}\n");
    assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"no_quorum\"");
    assert_int_equal(w->app.transfers, 0);
    close(fd);
}

static void a_transfer_that_nobody_takes_is_unknown_in_time(void **state)
{
    world *w = *state;
    w->app.is_transfer_refused = true;
    int fd = client(w);
    ask(w, fd, "{\"op\":\"transfer\",\"timeout_ms\":50}\n{\"op\":\"digest\"}\n");
    assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"unknown\"");
    assert_reply_begins(w, fd,
                        "{\"ok\":true,\"index\":0,\"hash\":\"00000000000000010000000000000002\",\"slot\":0,"
                        "\"diverged\":false,\"members\":[{\"id\":\"b.example\",\"slot\":0,");
    ask(w, fd, "{\"op\":\"transfer\"}\n");
    close(fd); /* who leaves takes the request along */
    world_run_ms(w, 30);
    fd = client(w);
    ask(w, fd, "{\"op\":\"status\"}\n");
    assert_reply_begins(w, fd, "{\"ok\":true,\"id\":\"a.example\"");
    close(fd);
}

static void a_diverged_node_says_so_to_all_who_ask_and_wait(void **state)
{
    world *w = *state;
    fake_app_say(&w->app, 0, "one", 3);
    assert_true(world_run_until_delivered(w, 1));
    const int follower = client(w), sender = client(w), asker = client(w);
    ask(w, follower, "{\"op\":\"follow\",\"from\":1}\n");
    assert_reply_begins(w, follower, "{\"index\":1,");
    w->app.is_held = true;
    ask(w, sender, "{\"op\":\"send\",\"data\":\"x\"}\n");
    assert_silent(w, sender);
    w->app.is_diverged = true;
    ask(w, asker,
        "{\"op\":\"send\",\"data\":\"x\"}\n{\"op\":\"barrier\"}\n{\"op\":\"follow\",\"from\":1}\n"
        "{\"op\":\"status\"}\n");
    for (int i = 0; i < 3; i++) assert_reply_begins(w, asker, "{\"ok\":false,\"error\":\"diverged\"");
    assert_reply_begins(w, asker, "{\"ok\":true,\"id\":\"a.example\"");
    assert_reply_begins(w, follower, "{\"ok\":false,\"error\":\"diverged\"");
    assert_reply_begins(w, sender, "{\"ok\":false,\"error\":\"unknown\"");
    close(follower);
    close(sender);
    close(asker);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_transfer_is_answered_when_another_leads),
        TEST(a_transfer_to_nobody_is_refused),
        TEST(a_transfer_that_nobody_takes_is_unknown_in_time),
        TEST(a_diverged_node_says_so_to_all_who_ask_and_wait),
    };
    return cmocka_run_group_tests_name("transfer", tests, NULL, NULL);
}
