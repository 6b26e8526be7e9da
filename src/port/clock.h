/* clock.h - time, and the one way to run something after a delay.
 *
 * Meaning    os/ drives it by the kernel's monotonic clock, tests by a clock of their own. A px_timer is
 *            memory of its owner;
 *            started again it moves, stopped it never fires, fired it is stopped first and may be started
 *            again by its own callback. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PORT_CLOCK_H
#define PX_PORT_CLOCK_H

#include "base/timer.h"
#include <stdint.h>

typedef struct px_clock px_clock;
struct px_clock {
    px_timers *timers;                    /* base/timer.h: start and stop timers there */
    uint64_t (*now_us)(px_clock *clock);  /* monotonic, read afresh */
    uint64_t (*wall_ms)(px_clock *clock); /* for stamps and logs only: nothing depends on it */
};

#endif
