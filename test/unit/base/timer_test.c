/* timer_test.c - the heap of timers against a list that is too simple to be wrong. */
// SPDX-License-Identifier: Apache-2.0
#include "base/timer.h"

#include "base/prng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define TIMERS 64u
#define FIRED_MAX 4096u

/* What one test sees: which timers fired, in order. */
static px_timers timers;
static px_timer pool[TIMERS];
static uint32_t fired[FIRED_MAX];
static uint32_t fired_count;

static uint32_t index_of(const px_timer *timer)
{
    return (uint32_t)(timer - pool);
}

static void note(px_timer *timer)
{
    assert_false(timer->is_started);
    assert_true(fired_count < FIRED_MAX);
    fired[fired_count++] = index_of(timer);
}

static void reset(void (*on_fire)(px_timer *timer))
{
    timers = (px_timers){0};
    fired_count = 0;
    for (uint32_t i = 0; i < TIMERS; i++) pool[i] = (px_timer){.on_fire = on_fire};
}

static void timer__without_timers_there_is_no_deadline(void **state)
{
    (void)state;
    reset(note);
    assert_true(px_timers_deadline_us(&timers) == UINT64_MAX);
    px_timers_fire(&timers, UINT64_MAX);
    assert_int_equal(fired_count, 0);
}

static void timer__fires_at_its_deadline_and_once(void **state)
{
    (void)state;
    reset(note);
    px_timers_start(&timers, &pool[0], 100);
    assert_true(pool[0].is_started);
    assert_int_equal(px_timers_deadline_us(&timers), 100);
    px_timers_fire(&timers, 99);
    assert_int_equal(fired_count, 0);
    px_timers_fire(&timers, 100);
    px_timers_fire(&timers, 200);
    assert_int_equal(fired_count, 1);
    assert_false(pool[0].is_started);
}

static void timer__equal_deadlines_fire_in_the_order_they_were_started(void **state)
{
    (void)state;
    reset(note);
    for (uint32_t i = 0; i < TIMERS; i++) px_timers_start(&timers, &pool[i * 37 % TIMERS], 5);
    px_timers_start(&timers, &pool[0], 5); /* moved: it is now the last */
    px_timers_fire(&timers, 5);
    assert_int_equal(fired_count, TIMERS);
    for (uint32_t i = 1; i < TIMERS; i++) assert_int_equal(fired[i - 1], i * 37 % TIMERS);
    assert_int_equal(fired[TIMERS - 1], 0);
}

static void timer__started_again_it_moves(void **state)
{
    (void)state;
    reset(note);
    px_timers_start(&timers, &pool[0], 10);
    px_timers_start(&timers, &pool[1], 20);
    px_timers_start(&timers, &pool[0], 30);
    assert_int_equal(px_timers_deadline_us(&timers), 20);
    px_timers_fire(&timers, 30);
    assert_int_equal(fired_count, 2);
    assert_int_equal(fired[0], 1);
    assert_int_equal(fired[1], 0);
}

static void timer__stopped_it_never_fires_and_may_be_stopped_twice(void **state)
{
    (void)state;
    reset(note);
    px_timers_stop(&timers, &pool[0]);
    px_timers_start(&timers, &pool[0], 10);
    px_timers_stop(&timers, &pool[0]);
    px_timers_stop(&timers, &pool[0]);
    assert_true(px_timers_deadline_us(&timers) == UINT64_MAX);
    px_timers_fire(&timers, 100);
    assert_int_equal(fired_count, 0);
}

/* Starts itself again in the past, for ever: the heap must not spin. */
static void fire_and_restart(px_timer *timer)
{
    note(timer);
    px_timers_start(&timers, timer, 0);
    assert_int_equal(px_timers_deadline_us(&timers), 0);
}

static void timer__started_by_a_callback_it_waits_for_the_next_call(void **state)
{
    (void)state;
    reset(fire_and_restart);
    px_timers_start(&timers, &pool[0], 10);
    px_timers_start(&timers, &pool[1], 20);
    px_timers_fire(&timers, 20);
    assert_int_equal(fired_count, 2);
    assert_int_equal(fired[0], 0);
    assert_int_equal(fired[1], 1);
    assert_int_equal(px_timers_deadline_us(&timers), 0);
    px_timers_fire(&timers, 20);
    assert_int_equal(fired_count, 4);
}

/* Timer 0 restarts itself and timer 3 into the past; timer 1 then stops both where they are set aside, and
 * timer 2. */
static void fire_and_meddle(px_timer *timer)
{
    note(timer);
    if (index_of(timer) == 0) {
        px_timers_start(&timers, &pool[0], 1);
        px_timers_start(&timers, &pool[3], 2);
    } else if (index_of(timer) == 1) {
        px_timers_stop(&timers, &pool[0]);
        px_timers_stop(&timers, &pool[2]);
        px_timers_stop(&timers, &pool[3]);
    }
}

static void timer__callbacks_may_stop_any_timer(void **state)
{
    (void)state;
    reset(fire_and_meddle);
    px_timers_start(&timers, &pool[0], 10);
    px_timers_start(&timers, &pool[1], 20);
    px_timers_start(&timers, &pool[2], 30);
    px_timers_fire(&timers, 40);
    assert_int_equal(fired_count, 2);
    assert_true(px_timers_deadline_us(&timers) == UINT64_MAX);
}

/* ---- against a model ---- */

static uint64_t model_deadline_us[TIMERS];
static uint64_t model_order[TIMERS]; /* 0: not started */
static uint64_t model_order_next;

/* The model's next timer at or before now_us, of those started before `bound`; TIMERS where there is none. */
static uint32_t model_next(uint64_t now_us, uint64_t bound)
{
    uint32_t best = TIMERS;
    for (uint32_t i = 0; i < TIMERS; i++) {
        if (model_order[i] == 0 || model_order[i] >= bound || model_deadline_us[i] > now_us) continue;
        if (best == TIMERS || model_deadline_us[i] < model_deadline_us[best] ||
            (model_deadline_us[i] == model_deadline_us[best] && model_order[i] < model_order[best])) {
            best = i;
        }
    }
    return best;
}

static px_prng random_numbers;
static uint64_t model_bound, model_now_us;

static void start_both(uint32_t i, uint64_t deadline_us)
{
    px_timers_start(&timers, &pool[i], deadline_us);
    model_deadline_us[i] = deadline_us;
    model_order[i] = model_order_next++;
}

static void stop_both(uint32_t i)
{
    px_timers_stop(&timers, &pool[i]);
    model_order[i] = 0;
}

/* Any timer, so that callbacks also meet those that are set aside. */
static void meddle_both(void)
{
    const uint32_t i = (uint32_t)px_prng_below(&random_numbers, TIMERS);
    if (px_prng_below(&random_numbers, 3) == 0) {
        stop_both(i);
    } else {
        start_both(i, model_now_us + px_prng_below(&random_numbers, 200) - 100);
    }
}

static void fire_and_compare(px_timer *timer)
{
    const uint32_t expected = model_next(model_now_us, model_bound);
    assert_int_equal(index_of(timer), expected);
    assert_false(timer->is_started);
    model_order[expected] = 0;
    fired_count++;
    while (px_prng_below(&random_numbers, 2) == 0) meddle_both();
}

static void timer__does_as_a_plain_list_would(void **state)
{
    (void)state;
    uint32_t fired_total = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        reset(fire_and_compare);
        px_prng_init(&random_numbers, seed);
        for (uint32_t i = 0; i < TIMERS; i++) model_order[i] = 0;
        model_order_next = 1;
        model_now_us = 1000;
        for (uint32_t step = 0; step < 300; step++) {
            meddle_both();
            if (px_prng_below(&random_numbers, 8) != 0) continue;
            model_now_us += px_prng_below(&random_numbers, 60);
            model_bound = model_order_next;
            px_timers_fire(&timers, model_now_us);
            assert_int_equal(model_next(model_now_us, model_bound), TIMERS);
            const uint32_t next = model_next(UINT64_MAX, UINT64_MAX);
            const uint64_t next_us = next == TIMERS ? UINT64_MAX : model_deadline_us[next];
            assert_true(px_timers_deadline_us(&timers) == next_us);
            for (uint32_t i = 0; i < TIMERS; i++) assert_int_equal(pool[i].is_started, model_order[i] != 0);
        }
        fired_total += fired_count;
    }
    assert_true(fired_total > 10000); /* the walk does reach what it is meant to test */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timer__without_timers_there_is_no_deadline),
        cmocka_unit_test(timer__fires_at_its_deadline_and_once),
        cmocka_unit_test(timer__equal_deadlines_fire_in_the_order_they_were_started),
        cmocka_unit_test(timer__started_again_it_moves),
        cmocka_unit_test(timer__stopped_it_never_fires_and_may_be_stopped_twice),
        cmocka_unit_test(timer__started_by_a_callback_it_waits_for_the_next_call),
        cmocka_unit_test(timer__callbacks_may_stop_any_timer),
        cmocka_unit_test(timer__does_as_a_plain_list_would),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
