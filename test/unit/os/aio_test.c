/* aio_test.c - writes that the kernel carries out by itself. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "os/aio.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 4096u
#define NOT_YET INT64_MAX

typedef struct {
    uv_loop_t loop;
    uv_check_t earlier; /* as loop.c has one, which ends the turns */
    px_aio aio;
    char path[64];
    int fd;
    uint8_t *block;
    int64_t result;
    unsigned calls, calls_at_turn;
} rig;

static void on_earlier(uv_check_t *check)
{
    rig *r = check->data;
    r->calls_at_turn = r->calls;
}

static void on_done(void *owner, int64_t result)
{
    rig *r = owner;
    r->result = result;
    r->calls++;
}

static int setup(void **state)
{
    rig *r = calloc(1, sizeof *r);
    strcpy(r->path, "px-aio-XXXXXX"); /* in the build's folder: /tmp may be memory, which has no O_DIRECT */
    const int made = mkstemp(r->path);
    assert_true(made >= 0);
    r->block = aligned_alloc(BLOCK, BLOCK);
    memset(r->block, 'x', BLOCK);
    assert_int_equal(write(made, r->block, BLOCK), BLOCK);
    (void)close(made);
    r->fd = open(r->path, O_WRONLY | O_DIRECT | O_DSYNC | O_CLOEXEC);
    assert_int_equal(uv_loop_init(&r->loop), 0);
    r->earlier.data = r;
    assert_int_equal(uv_check_init(&r->loop, &r->earlier), 0);
    assert_int_equal(uv_check_start(&r->earlier, on_earlier), 0);
    px_aio_open(&r->aio, &r->loop, r, on_done);
    r->result = NOT_YET;
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    rig *r = *state;
    (void)px_aio_close(&r->aio, NULL);
    uv_close((uv_handle_t *)&r->earlier, NULL);
    (void)uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&r->loop), 0);
    if (r->fd >= 0) (void)close(r->fd);
    (void)unlink(r->path);
    free(r->block);
    free(r);
    return 0;
}

/* What the kernel would not take, the disk gives its thread: then there is nothing to see here. */
static bool is_taken(rig *r)
{
    memset(r->block, 'y', BLOCK);
    return r->fd >= 0 && px_aio_write(&r->aio, r->fd, r->block, BLOCK, 0, false);
}

static void aio__a_write_is_told_by_the_loop_once(void **state)
{
    rig *r = *state;
    if (!is_taken(r)) return;
    assert_int_equal(r->calls, 0);
    while (r->calls == 0) assert_true(uv_run(&r->loop, UV_RUN_ONCE) != 0);
    assert_true(r->result == BLOCK || r->result == -EAGAIN || r->result == -EOPNOTSUPP);
    (void)uv_run(&r->loop, UV_RUN_NOWAIT);
    assert_int_equal(r->calls, 1);
    char got = 0;
    const int fd = open(r->path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, &got, 1), 1);
    (void)close(fd);
    assert_int_equal(got, r->result == BLOCK ? 'y' : 'x');
}

static void aio__a_second_write_is_refused_while_one_is_under_way(void **state)
{
    rig *r = *state;
    if (!is_taken(r)) return;
    assert_false(px_aio_write(&r->aio, r->fd, r->block, BLOCK, 0, false));
    (void)px_aio_wait(&r->aio);
}

static void aio__who_waits_for_a_write_is_not_told_again(void **state)
{
    rig *r = *state;
    if (!is_taken(r)) return;
    assert_true(px_aio_wait(&r->aio) != INT64_MIN);
    (void)uv_run(&r->loop, UV_RUN_NOWAIT);
    assert_int_equal(r->calls, 0);
}

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
}

/* Waits until the kernel has carried out the write, as the ring says; the loop does not run meanwhile. */
static void until_ended(const rig *r)
{
    struct pollfd word = {.fd = r->aio.fd, .events = POLLIN};
    assert_int_equal(poll(&word, 1, 20000), 1);
}

static void aio__a_write_that_may_rest_is_told_when_something_else_wakes_the_loop(void **state)
{
    rig *r = *state;
    uv_timer_t timer;
    if (r->fd < 0 || !px_aio_write(&r->aio, r->fd, r->block, BLOCK, 0, true)) return;
    until_ended(r);
    if (!r->aio.is_watched) { /* it had not ended at once */
        assert_int_equal(uv_backend_timeout(&r->loop), -1);
        assert_int_equal(uv_timer_init(&r->loop, &timer), 0);
        assert_int_equal(uv_timer_start(&timer, on_timer, 1, 0), 0);
        assert_int_equal(r->calls, 0);
        (void)uv_run(&r->loop, UV_RUN_ONCE);
        assert_int_equal(r->calls, 1);
        assert_int_equal(r->calls_at_turn, 1); /* it was told before the turn ended */
        uv_close((uv_handle_t *)&timer, NULL);
    }
    (void)uv_run(&r->loop, UV_RUN_NOWAIT);
    assert_int_equal(r->calls, 1);
}

static void aio__a_write_that_rests_wakes_the_loop_once_it_is_hurried(void **state)
{
    rig *r = *state;
    if (r->fd < 0 || !px_aio_write(&r->aio, r->fd, r->block, BLOCK, 0, true)) return;
    until_ended(r);
    px_aio_hurry(&r->aio);
    while (r->calls == 0) assert_true(uv_run(&r->loop, UV_RUN_ONCE) != 0);
    /* The next one is told once, too, though the descriptor may still speak of this one. */
    if (!px_aio_write(&r->aio, r->fd, r->block, BLOCK, 0, true)) return;
    until_ended(r);
    px_aio_hurry(&r->aio);
    while (r->calls == 1) assert_true(uv_run(&r->loop, UV_RUN_ONCE) != 0);
    (void)uv_run(&r->loop, UV_RUN_NOWAIT);
    assert_int_equal(r->calls, 2);
}

static void aio__a_bad_descriptor_is_refused(void **state)
{
    rig *r = *state;
    assert_false(px_aio_write(&r->aio, -1, r->block, BLOCK, 0, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(aio__a_write_is_told_by_the_loop_once, setup, teardown),
        cmocka_unit_test_setup_teardown(aio__a_second_write_is_refused_while_one_is_under_way, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(aio__who_waits_for_a_write_is_not_told_again, setup, teardown),
        cmocka_unit_test_setup_teardown(aio__a_write_that_may_rest_is_told_when_something_else_wakes_the_loop,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(aio__a_write_that_rests_wakes_the_loop_once_it_is_hurried, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(aio__a_bad_descriptor_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
