/* check_barrier.c - a barrier's index is no smaller than anything known anywhere before it was asked.
 *
 * Meaning    Known is what was acknowledged, what a reader saw, and what an earlier barrier said.
 * Source     spec.md §3.5, [R7]. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/checks.h"

#include "sim/sim_node.h"

uint64_t sim_check_barrier_asked(sim_world *world)
{
    return world->checks->known;
}

void sim_check_barrier_done(sim_world *world, uint32_t place, uint64_t floor, uint64_t index)
{
    sim_checks *checks = world->checks;
    sim_check(world, index >= floor, "barrier", "%s is told %llu, when %llu was known before it asked",
              world->nodes[place]->name, (unsigned long long)index, (unsigned long long)floor);
    if (index > checks->known) checks->known = index;
    world->counts.barriers++;
}
