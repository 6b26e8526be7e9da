/* sim_clock.c - local time from the world's time, and back. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_clock.h"

#include <string.h>

#define WALL_ORIGIN_MS UINT64_C(1767225600000)

uint64_t sim_clock_now_us(const sim_clock *clock)
{
    return clock->origin_us + clock->world->now_us * clock->rate_per_mille / 1000;
}

static uint64_t now_us(px_clock *port)
{
    return sim_clock_now_us((sim_clock *)port);
}

static uint64_t wall_ms(px_clock *port)
{
    const sim_clock *clock = (sim_clock *)port;
    return (uint64_t)((int64_t)(WALL_ORIGIN_MS + clock->world->now_us / 1000) + clock->wall_shift_ms);
}

void sim_clock_init(sim_clock *clock, sim_world *world)
{
    memset(clock, 0, sizeof *clock);
    clock->port = (px_clock){&clock->timers, now_us, wall_ms};
    clock->world = world;
    clock->origin_us = sim_between(world, SIM_CHANCE_CLOCK, 1, 100 * (uint64_t)SIM_SECOND);
    clock->rate_per_mille = 1000;
}

void sim_clock_set_rate(sim_clock *clock, uint64_t rate_per_mille)
{
    const uint64_t now_us = sim_clock_now_us(clock);
    clock->rate_per_mille = rate_per_mille;
    clock->origin_us += now_us - sim_clock_now_us(clock);
}

void sim_clock_clear(sim_clock *clock)
{
    clock->timers = (px_timers){0};
}

uint64_t sim_clock_next_us(const sim_clock *clock)
{
    const uint64_t deadline_us = px_timers_deadline_us(&clock->timers);
    if (deadline_us == UINT64_MAX) return UINT64_MAX;
    if (deadline_us <= sim_clock_now_us(clock)) return clock->world->now_us;
    /* The origin is as if below zero where the clock ran slow once: reckoned modulo 2^64. */
    const uint64_t passed = (deadline_us - clock->origin_us) * 1000;
    return (passed + clock->rate_per_mille - 1) / clock->rate_per_mille;
}
