/* clock.c - the kernel's clocks, and one timerfd that wakes the loop for the next timer. [Q3] */
// SPDX-License-Identifier: Apache-2.0
#include "os/clock.h"

#include "base/assert.h"
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_us(px_clock *clock)
{
    (void)clock;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static uint64_t wall_ms(px_clock *clock)
{
    (void)clock;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

px_err px_os_clock_open(px_os_clock *clock)
{
    const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0) return PX_ERR_IO;
    *clock = (px_os_clock){.fd = fd, .armed_us = UINT64_MAX};
    clock->clock = (px_clock){&clock->timers, now_us, wall_ms};
    return PX_OK;
}

void px_os_clock_close(px_os_clock *clock)
{
    (void)close(clock->fd);
}

void px_os_clock_on_readable(px_os_clock *clock)
{
    uint64_t expirations;
    const ssize_t got = read(clock->fd, &expirations, sizeof expirations);
    if (got == (ssize_t)sizeof expirations) clock->armed_us = UINT64_MAX;
}

void px_os_clock_fire(px_os_clock *clock)
{
    px_timers_fire(&clock->timers, now_us(&clock->clock));
}

void px_os_clock_arm(px_os_clock *clock)
{
    const uint64_t deadline_us = px_timers_deadline_us(&clock->timers);
    if (deadline_us >= clock->armed_us) return;
    /* A time in the past makes it readable at once; zero would disarm it. */
    const uint64_t at_us = deadline_us ? deadline_us : 1;
    const struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(at_us / 1000000u), .tv_nsec = (long)(at_us % 1000000u) * 1000}};
    const int failed = timerfd_settime(clock->fd, TFD_TIMER_ABSTIME, &when, NULL);
    px_assert(!failed);
    clock->armed_us = deadline_us;
}
