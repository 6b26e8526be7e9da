/* loop_test.c - turns, timers of microseconds, signals. */
// SPDX-License-Identifier: Apache-2.0
#include "os/loop.h"

#include "os/signals.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <unistd.h>
#include <uv.h>

#define TIMERS 20u

static px_loop *loop;
static px_clock *at_clock;
static uint32_t turns, fired;
static uint64_t late_us_least;
static px_timer timer, guard;
static int signals_seen[2];
static uint32_t signal_count;

static void stop_by_guard(px_timer *at)
{
    (void)at;
    fail_msg("nothing came for two seconds");
}

static void open_loop(void (*on_turn)(void *context))
{
    assert_int_equal(px_loop_open(&loop), PX_OK);
    at_clock = px_loop_clock(loop);
    turns = fired = signal_count = 0;
    late_us_least = UINT64_MAX;
    px_loop_on_turn(loop, &turns, on_turn);
    guard.on_fire = stop_by_guard;
    px_timers_start(at_clock->timers, &guard, at_clock->now_us(at_clock) + 2000000);
}

static void close_loop(void)
{
    px_timers_stop(at_clock->timers, &guard);
    px_loop_close(loop);
}

static void stop_at_first_turn(void *context)
{
    ++*(uint32_t *)context;
    px_loop_stop(loop);
}

static void loop__a_turn_ends_before_anything_is_waited_for(void **state)
{
    (void)state;
    open_loop(stop_at_first_turn);
    px_loop_run(loop);
    assert_int_equal(turns, 1);
    px_loop_run(loop);
    assert_int_equal(turns, 2);
    close_loop();
}

/* ---- timers ---- */

static void fire_and_go_on(px_timer *at)
{
    const uint64_t now_us = at_clock->now_us(at_clock);
    assert_true(now_us >= at->deadline_us);
    if (now_us - at->deadline_us < late_us_least) late_us_least = now_us - at->deadline_us;
    if (++fired == TIMERS)
        px_loop_stop(loop);
    else
        px_timers_start(at_clock->timers, at, now_us + 200);
}

static void count_turn(void *context)
{
    ++*(uint32_t *)context;
}

static void loop__timers_are_never_early_and_finer_than_a_millisecond(void **state)
{
    (void)state;
    open_loop(count_turn);
    timer.on_fire = fire_and_go_on;
    px_timers_start(at_clock->timers, &timer, at_clock->now_us(at_clock) + 200);
    px_loop_run(loop);
    assert_int_equal(fired, TIMERS);
    /* Others may take the processor from this process, but not each time. */
    assert_true(late_us_least < 500);
    /* A turn for each, the first, and idle ones for timers that were set early. */
    assert_in_range(turns, TIMERS, 3 * TIMERS);
    close_loop();
}

static void fire_and_stop(px_timer *at)
{
    (void)at;
    fired++;
    px_loop_stop(loop);
}

static void loop__a_timer_in_the_past_fires_at_once(void **state)
{
    (void)state;
    open_loop(count_turn);
    timer.on_fire = fire_and_stop;
    px_timers_start(at_clock->timers, &timer, 0);
    px_loop_run(loop);
    assert_int_equal(fired, 1);
    close_loop();
}

static void start_timer_once(void *context)
{
    if (++*(uint32_t *)context == 1) px_timers_start(at_clock->timers, &timer, at_clock->now_us(at_clock));
}

static void loop__a_timer_started_at_the_end_of_a_turn_fires_in_the_next(void **state)
{
    (void)state;
    open_loop(start_timer_once);
    timer.on_fire = fire_and_stop;
    px_loop_run(loop);
    assert_int_equal(fired, 1);
    assert_int_equal(turns, 2);
    close_loop();
}

static bool was_read;

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    was_read = true;
    (void)uv_poll_stop(poll);
}

static void fire_after_reading(px_timer *at)
{
    (void)at;
    assert_true(was_read);
    fired++;
    px_loop_stop(loop);
}

static void loop__what_has_arrived_comes_before_timers_that_are_due(void **state)
{
    (void)state;
    open_loop(start_timer_once); /* due behind the first turn, when the pipe is readable as well */
    int ends[2];
    uv_poll_t poll;
    was_read = false;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(uv_poll_init(px_loop_uv(loop), &poll, ends[0]), 0);
    assert_int_equal(uv_poll_start(&poll, UV_READABLE, on_readable), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    timer.on_fire = fire_after_reading;
    px_loop_run(loop);
    assert_int_equal(fired, 1);
    uv_close((uv_handle_t *)&poll, NULL);
    close_loop();
    assert_int_equal(close(ends[0]) | close(ends[1]), 0);
}

/* ---- signals ---- */

static void on_signal(void *context, int number)
{
    (void)context;
    signals_seen[signal_count++] = number;
    if (signal_count == 2)
        px_loop_stop(loop);
    else
        assert_int_equal(raise(SIGTERM), 0);
}

static void loop__signals_come_as_events(void **state)
{
    (void)state;
    open_loop(count_turn);
    px_signals *signals = NULL;
    assert_int_equal(px_signals_open(loop, NULL, on_signal, &signals), PX_OK);
    assert_int_equal(raise(SIGHUP), 0);
    assert_int_equal(raise(SIGPIPE), 0);
    px_loop_run(loop);
    assert_int_equal(signals_seen[0], SIGHUP);
    assert_int_equal(signals_seen[1], SIGTERM);
    px_signals_close(signals);
    close_loop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loop__a_turn_ends_before_anything_is_waited_for),
        cmocka_unit_test(loop__timers_are_never_early_and_finer_than_a_millisecond),
        cmocka_unit_test(loop__a_timer_in_the_past_fires_at_once),
        cmocka_unit_test(loop__a_timer_started_at_the_end_of_a_turn_fires_in_the_next),
        cmocka_unit_test(loop__what_has_arrived_comes_before_timers_that_are_due),
        cmocka_unit_test(loop__signals_come_as_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
