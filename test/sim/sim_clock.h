/* sim_clock.h - a node's own clocks over the world's time.
 *
 * Meaning    The monotonic clock has an origin and a rate of its own (a crystal that runs fast or slow);
 *            the wall clock jumps as faults.c likes.
 * Holds      The monotonic clock never goes back, and goes on while its node is down. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_SIM_CLOCK_H
#define PX_TEST_SIM_SIM_CLOCK_H

#include "port/clock.h"
#include "sim/world.h"

typedef struct {
    px_clock port;
    px_timers timers;
    sim_world *world;
    uint64_t origin_us;      /* what it shows when the world's time is 0 */
    uint64_t rate_per_mille; /* 1000: as fast as the world's */
    int64_t wall_shift_ms;
} sim_clock;

void sim_clock_init(sim_clock *clock, sim_world *world);

/* From now on it runs at this rate, and does not jump. */
void sim_clock_set_rate(sim_clock *clock, uint64_t rate_per_mille);

/* Forgets its timers: their owner has crashed. */
void sim_clock_clear(sim_clock *clock);

/* What it shows now. */
uint64_t sim_clock_now_us(const sim_clock *clock);

/* The world's time at which its next timer is due; UINT64_MAX where none is started. */
uint64_t sim_clock_next_us(const sim_clock *clock);

#endif
