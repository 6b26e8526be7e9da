/* awaited_test.c - does somebody wait for the next message? The node tells others so. [R6] */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "socket_client.h"
#include <string.h>
#include <unistd.h>

static int setup(void **state)
{
    world *w = world_make();
    w->pipe.in = NULL;
    w->config.socket = w->socket;
    *state = w;
    return 0;
}

static int follower(world *w, const char *request)
{
    const int fd = client(w);
    ask(w, fd, request);
    return fd;
}

static void say_much(world *w, unsigned count)
{
    char text[1000];
    memset(text, 'm', sizeof text);
    for (unsigned i = 0; i < count; i++) fake_app_say(&w->app, 1, text, sizeof text);
}

static bool is_awaited(void *context)
{
    return fake_app_is_awaited(&((world *)context)->app);
}

static bool is_quiet(void *context)
{
    return !is_awaited(context);
}

static void a_reader_of_a_fifo_waits_from_its_open_to_its_end(void **state)
{
    world *w = *state;
    world_open(w);
    world_run_ms(w, 30);
    assert_false(is_awaited(w));
    const int fd = world_reader(w);
    assert_true(world_run_until(w, is_awaited, w)); /* its open makes an event, though nothing is written */
    char line[16];
    for (unsigned i = 0; i < 3; i++) {
        fake_app_say(&w->app, 1, "x", 1);
        assert_true(world_read_line(w, fd, line, sizeof line));
        assert_true(is_awaited(w));
    }
    close(fd);
    assert_true(world_run_until(w, is_quiet, w));
}

static void a_reader_that_is_behind_does_not_wait(void **state)
{
    world *w = *state;
    world_open(w);
    const int fd = world_reader(w);
    assert_true(world_run_until(w, is_awaited, w));
    say_much(w, 3000); /* more than the FIFO holds */
    assert_true(world_run_until_delivered(w, 3000));
    world_run_ms(w, 20);
    assert_false(is_awaited(w));
    char line[1002];
    for (unsigned i = 0; i < 3000; i++) assert_true(world_read_line(w, fd, line, sizeof line));
    assert_true(world_run_until(w, is_awaited, w));
    close(fd);
}

static void who_follows_waits_at_the_end_alone(void **state)
{
    world *w = *state;
    world_open(w);
    world_run_ms(w, 5);
    assert_false(is_awaited(w));
    const int fd = follower(w, "{\"op\":\"follow\",\"from\":1}\n");
    assert_true(world_run_until(w, is_awaited, w));
    say_much(w, 3000); /* more than the connection holds */
    assert_true(world_run_until_delivered(w, 3000));
    world_run_ms(w, 20);
    assert_false(is_awaited(w));
    char line[2000];
    for (unsigned i = 0; i < 3000; i++) assert_true(world_read_line(w, fd, line, sizeof line));
    assert_true(world_run_until(w, is_awaited, w));
    close(fd);
    assert_true(world_run_until(w, is_quiet, w));
}

static void who_follows_to_an_end_waits_until_then(void **state)
{
    world *w = *state;
    world_open(w);
    const int fd = follower(w, "{\"op\":\"follow\",\"from\":1,\"until\":1}\n");
    assert_true(world_run_until(w, is_awaited, w));
    fake_app_say(&w->app, 1, "x", 1);
    char line[256];
    assert_true(world_read_line(w, fd, line, sizeof line));
    assert_true(world_run_until(w, is_quiet, w));
    close(fd);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_reader_of_a_fifo_waits_from_its_open_to_its_end),
        TEST(a_reader_that_is_behind_does_not_wait),
        TEST(who_follows_waits_at_the_end_alone),
        TEST(who_follows_to_an_end_waits_until_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
