/* publish_test.c - raw messages up, receipts down, without a session. [spec.md §5] */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "socket_client.h"
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int setup(void **state)
{
    world *w = calloc(1, sizeof *w);
    world_init(w, PX_LOCAL_LINE);
    w->config.pipe_count = 0;
    w->config.socket = w->socket;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world_deinit(*state);
    free(*state);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_committed_together_is_told_in_one_line, setup, teardown),
        cmocka_unit_test_setup_teardown(clients_share_an_intake_and_each_has_its_own_numbers, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("publish", tests, NULL, NULL);
}
