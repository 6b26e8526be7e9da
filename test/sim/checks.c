/* checks.c - the history's memory. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/checks.h"

#include "base/assert.h"
#include <stdlib.h>

void sim_checks_init(sim_world *world)
{
    world->checks = sim_zeroed(sizeof *world->checks);
    world->checks->protocol = sim_protocol_make(world);
}

void sim_checks_deinit(sim_world *world)
{
    sim_checks *checks = world->checks;
    for (size_t i = 0; i < checks->writer_count; i++) free(checks->writers[i].floors);
    free(checks->writers);
    free(checks->order);
    sim_protocol_free(checks->protocol);
    free(checks);
    world->checks = NULL;
}

sim_place *sim_checks_place(sim_world *world, uint64_t index)
{
    sim_checks *checks = world->checks;
    px_assert(index >= 1);
    checks->order = sim_grow(checks->order, &checks->order_capacity, (size_t)index, sizeof *checks->order);
    return &checks->order[index - 1];
}
