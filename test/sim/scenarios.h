/* scenarios.h - named worlds: one topology or one sequence of faults each, instead of chance.
 *
 * Source     reliability.md §4 (partial partitions) and §6; protocol.md §4. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_SCENARIOS_H
#define PX_TEST_SIM_SCENARIOS_H

#include "sim/world.h"

/* The name of the scenario at `place`, NULL behind the last. */
const char *sim_scenario_name(uint32_t place);
/* How many nodes it needs. */
uint32_t sim_scenario_nodes(const char *name);

/* Replaces what faults.c drew by what the scenario wants; before the net is made. */
void sim_scenario_prepare(sim_world *world);
void sim_scenario_run(sim_world *world);

#endif
