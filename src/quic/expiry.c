/* expiry.c - when to say that a certificate ends. */
// SPDX-License-Identifier: Apache-2.0
#include "quic/expiry.h"

#include <stddef.h>

#define DAY_S 86400
#define SECOND_US 1000000u

/* Seconds before the end at which something is said; the last is the end itself. */
static const int64_t marks_s[] = {30 * DAY_S, 7 * DAY_S, DAY_S, 0};
#define MARKS (sizeof marks_s / sizeof *marks_s)

static void say(const px_expiry *expiry, int64_t left_s, uint32_t passed)
{
    if (passed == MARKS) {
        px_log_event(expiry->log, PX_LOG_ERROR,
                     "quic: the certificate in %s has expired: nobody accepts a new connection",
                     expiry->path);
        return;
    }
    const long long days = (long long)((left_s + DAY_S - 1) / DAY_S);
    px_log_event(expiry->log, PX_LOG_WARN,
                 "quic: the certificate in %s expires within %lld day%s: make a new one and send SIGHUP",
                 expiry->path, days, days == 1 ? "" : "s");
}

/* The wall clock may be set at any time, so no look is more than a day ahead. */
static void look(px_expiry *expiry)
{
    px_clock *clock = expiry->clock;
    const int64_t left_s = expiry->expires_s - (int64_t)(clock->wall_ms(clock) / 1000);
    uint32_t passed = 0;
    while (passed < MARKS && left_s < marks_s[passed]) passed++;
    if (passed > expiry->said || passed == MARKS) say(expiry, left_s, passed);
    expiry->said = passed;
    int64_t wait_s = DAY_S;
    if (passed < MARKS && left_s - marks_s[passed] < wait_s) wait_s = left_s - marks_s[passed] + 1;
    px_timers_start(clock->timers, &expiry->timer, clock->now_us(clock) + (uint64_t)wait_s * SECOND_US);
}

static void on_timer(px_timer *timer)
{
    look((px_expiry *)(void *)((char *)timer - offsetof(px_expiry, timer)));
}

void px_expiry_start(px_expiry *expiry, px_clock *clock, px_log *log, const char *path, int64_t expires_s)
{
    px_expiry_stop(expiry);
    *expiry = (px_expiry){clock, log, path, expires_s, 0, {.on_fire = on_timer}};
    look(expiry);
}

void px_expiry_stop(px_expiry *expiry)
{
    if (expiry->clock) px_timers_stop(expiry->clock->timers, &expiry->timer);
}
