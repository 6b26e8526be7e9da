/* loop.c - the loop of events, and the end of each of its turns.
 *
 * Meaning    Everything that can happen is a descriptor to libuv, so all of it comes in the poll phase; the
 *            check phase right behind it fires the timers and ends the turn. */
// SPDX-License-Identifier: Apache-2.0
#include "os/loop.h"

#include "base/assert.h"
#include "os/clock.h"
#include <stdlib.h>
#include <uv.h>

/* Handles that are closed go within a turn or two. */
#define CLOSING_TURNS 16u

struct px_loop {
    uv_loop_t uv;
    uv_poll_t timerfd;
    uv_check_t check;
    px_os_clock clock;
    void *context;
    void (*on_turn)(void *context);
    uint64_t turns;
};

static void end_turn(px_loop *loop)
{
    px_os_clock_fire(&loop->clock);
    loop->turns++;
    if (loop->on_turn) loop->on_turn(loop->context);
    px_os_clock_arm(&loop->clock);
}

static void on_check(uv_check_t *check)
{
    end_turn(check->data);
}

static void on_timerfd(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    px_loop *loop = poll->data;
    px_os_clock_on_readable(&loop->clock);
}

px_err px_loop_open(px_loop **loop_out)
{
    /* Lookups of names block libuv's threads for seconds where a server is silent; more of them than the four
     * there would be keep one such name from holding up the others. */
    (void)setenv("UV_THREADPOOL_SIZE", "8", 0);
    px_loop *loop = calloc(1, sizeof *loop);
    if (!loop) return PX_ERR_NO_SPACE;
    px_err err = px_os_clock_open(&loop->clock);
    if (err) goto fail_loop;
    err = PX_ERR_IO;
    if (uv_loop_init(&loop->uv)) goto fail_clock;
    if (uv_poll_init(&loop->uv, &loop->timerfd, loop->clock.fd)) goto fail_uv;
    loop->timerfd.data = loop;
    loop->check.data = loop;
    if (uv_poll_start(&loop->timerfd, UV_READABLE, on_timerfd) || uv_check_init(&loop->uv, &loop->check) ||
        uv_check_start(&loop->check, on_check)) {
        goto fail_poll;
    }
    *loop_out = loop;
    return PX_OK;
fail_poll:
    uv_close((uv_handle_t *)&loop->timerfd, NULL);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
fail_uv:
    (void)uv_loop_close(&loop->uv);
fail_clock:
    px_os_clock_close(&loop->clock);
fail_loop:
    free(loop);
    return err;
}

static void check_is_closing(uv_handle_t *handle, void *context)
{
    (void)context;
    px_assert(uv_is_closing(handle));
}

void px_loop_close(px_loop *loop)
{
    if (!loop) return;
    uv_close((uv_handle_t *)&loop->timerfd, NULL);
    uv_close((uv_handle_t *)&loop->check, NULL);
    uv_walk(&loop->uv, check_is_closing, NULL);
    for (uint32_t turn = 0; turn < CLOSING_TURNS && uv_loop_alive(&loop->uv); turn++)
        (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
    px_os_clock_close(&loop->clock);
    /* Only a forgotten look-up of a name can be left, and its thread may hang for long on a silent server:
     * the loop stays for it, so that nobody who stops has to wait. */
    if (uv_loop_close(&loop->uv) == 0) free(loop);
}

void px_loop_on_turn(px_loop *loop, void *context, void (*on_turn)(void *context))
{
    loop->context = context;
    loop->on_turn = on_turn;
}

void px_loop_run(px_loop *loop)
{
    end_turn(loop);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void px_loop_stop(px_loop *loop)
{
    uv_stop(&loop->uv);
}

px_clock *px_loop_clock(px_loop *loop)
{
    return &loop->clock.clock;
}

uint64_t px_loop_turns(const px_loop *loop)
{
    return loop->turns;
}

struct uv_loop_s *px_loop_uv(px_loop *loop)
{
    return &loop->uv;
}
