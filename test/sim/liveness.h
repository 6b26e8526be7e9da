/* liveness.h - what must come true within a bound once nothing is broken any more.
 *
 * Meaning    One stable leader within four election timeouts of the links' being up; everything pushed
 *            chosen; all nodes the same log, without traffic to pull them along.
 * Source     spec.md §3.6; protocol.md §4 [R13, R14]; reliability.md L1-L3, L6. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_LIVENESS_H
#define PX_TEST_SIM_LIVENESS_H

#include "sim/world.h"

/* Four election timeouts of three rounds, and what messages and disks take besides. */
uint64_t sim_liveness_bound_us(const sim_world *world);

/* The node that all of `members` (a mask) follow or are, but those that are three links away from it, whom no
 * relay tells of it; or PX_MEMBERS_MAX. [R10] */
uint32_t sim_liveness_leader(const sim_world *world, uint32_t members);

/* After everything was healed: checks all of it, and leaves the applications stopped. */
/* What sim_faults_freeze has healed gets one leader within four election timeouts, who stays, and goes on. */
void sim_liveness_check_core(sim_world *world);
void sim_liveness_check(sim_world *world);

#endif
