/* clock.h - the kernel's clocks, and one timerfd that wakes the loop for the next timer.
 *
 * Meaning    Timers of libuv have a grain of a millisecond; pacing and acknowledgements of QUIC need
 *            microseconds [Q3]. The timerfd is armed lazily: one that is set a little early is left as it is,
 *            and costs one idle turn. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_OS_CLOCK_H
#define PX_OS_CLOCK_H

#include "base/err.h"
#include "port/clock.h"

typedef struct {
    px_clock clock;
    px_timers timers;
    int fd;            /* the timerfd: readable when a timer may be due */
    uint64_t armed_us; /* UINT64_MAX: not armed */
} px_os_clock;

PX_MUST_USE px_err px_os_clock_open(px_os_clock *clock);
void px_os_clock_close(px_os_clock *clock);

/* Takes note that `fd` became readable. */
void px_os_clock_on_readable(px_os_clock *clock);

/* Fires what is due. */
void px_os_clock_fire(px_os_clock *clock);

/* Sees to it that `fd` becomes readable in time for the next timer. */
void px_os_clock_arm(px_os_clock *clock);

#endif
