/* expiry_test.c - when a certificate's end is said, on a clock of the test. */
// SPDX-License-Identifier: Apache-2.0
#include "quic/expiry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define DAY_S 86400
/* Some day of the test's own. */
#define START_S 1700000000

static px_timers timers;
static uint64_t passed_s;
static px_expiry expiry;
static uint32_t lines;
static px_log_level level;
static char line[200];

static uint64_t now_us(px_clock *clock)
{
    (void)clock;
    return passed_s * 1000000;
}

static uint64_t wall_ms(px_clock *clock)
{
    (void)clock;
    return (START_S + passed_s) * 1000;
}

static void write_line(px_log *log, px_log_level at, const char *text)
{
    (void)log;
    lines++;
    level = at;
    (void)snprintf(line, sizeof line, "%s", text);
}

static px_clock the_clock = {&timers, now_us, wall_ms};
static px_log the_log = {PX_LOG_INFO, write_line};

/* Begins with so many seconds left. */
static void begin(int64_t left_s)
{
    memset(&timers, 0, sizeof timers);
    passed_s = 0;
    lines = 0;
    px_expiry_start(&expiry, &the_clock, &the_log, "own.crt", START_S + left_s);
}

/* Lets time pass up to so many seconds before the end, an hour at a time. */
static void go_to(int64_t left_s)
{
    const uint64_t until_s = (uint64_t)(expiry.expires_s - START_S - left_s);
    while (passed_s < until_s) {
        passed_s += until_s - passed_s < 3600 ? until_s - passed_s : 3600;
        px_timers_fire(&timers, now_us(&the_clock));
    }
}

static void expect_said(uint32_t count, px_log_level wanted, const char *words)
{
    assert_int_equal(lines, count);
    assert_int_equal(level, wanted);
    assert_non_null(strstr(line, "own.crt"));
    if (!strstr(line, words)) fail_msg("said: %s", line);
}

static void expiry__it_is_said_at_30_7_and_1_days_and_not_between(void **state)
{
    (void)state;
    begin(100 * DAY_S);
    go_to(30 * DAY_S);
    assert_int_equal(lines, 0);
    go_to(30 * DAY_S - 2);
    expect_said(1, PX_LOG_WARN, "within 30 days");
    go_to(7 * DAY_S);
    expect_said(1, PX_LOG_WARN, "within 30 days");
    go_to(7 * DAY_S - 2);
    expect_said(2, PX_LOG_WARN, "within 7 days");
    go_to(DAY_S);
    assert_int_equal(lines, 2);
    go_to(DAY_S - 2);
    expect_said(3, PX_LOG_WARN, "within 1 day:");
    go_to(0);
    assert_int_equal(lines, 3);
    px_expiry_stop(&expiry);
}

static void expiry__from_the_end_on_it_is_an_error_each_day(void **state)
{
    (void)state;
    begin(600);
    expect_said(1, PX_LOG_WARN, "within 1 day:");
    go_to(-2);
    expect_said(2, PX_LOG_ERROR, "has expired");
    go_to(-3 * DAY_S - 2);
    expect_said(5, PX_LOG_ERROR, "has expired");
    px_expiry_stop(&expiry);
}

static void expiry__a_start_below_a_mark_says_it_once(void **state)
{
    (void)state;
    begin(12 * DAY_S + 1);
    expect_said(1, PX_LOG_WARN, "within 13 days");
    go_to(7 * DAY_S);
    assert_int_equal(lines, 1);
    go_to(7 * DAY_S - 2);
    expect_said(2, PX_LOG_WARN, "within 7 days");
    px_expiry_stop(&expiry);
}

static void expiry__another_certificate_begins_anew(void **state)
{
    (void)state;
    begin(5 * DAY_S);
    px_expiry_start(&expiry, &the_clock, &the_log, "own.crt", START_S + 40 * DAY_S);
    assert_int_equal(lines, 1);
    go_to(31 * DAY_S);
    assert_int_equal(lines, 1);
    go_to(29 * DAY_S);
    expect_said(2, PX_LOG_WARN, "within 30 days");
    px_expiry_stop(&expiry);
    assert_true(px_timers_deadline_us(&timers) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expiry__it_is_said_at_30_7_and_1_days_and_not_between),
        cmocka_unit_test(expiry__from_the_end_on_it_is_an_error_each_day),
        cmocka_unit_test(expiry__a_start_below_a_mark_says_it_once),
        cmocka_unit_test(expiry__another_certificate_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
