/* faults_priv.h - what the files of faults share. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_FAULTS_PRIV_H
#define PX_TEST_SIM_FAULTS_PRIV_H

#include "sim/faults.h"
#include "sim/sim_net.h"
#include "sim/sim_node.h"

/* ---- chance: the stream of the fault that happens ---- */
static inline uint64_t draw(sim_world *world, uint64_t low, uint64_t high)
{
    return sim_between(world, SIM_CHANCE_FAULTS, low, high);
}

static inline bool draw_one_in(sim_world *world, uint64_t count)
{
    return sim_below(world, SIM_CHANCE_FAULTS, count) == 0;
}

static inline uint32_t draw_node(sim_world *world)
{
    return (uint32_t)sim_below(world, SIM_CHANCE_FAULTS, world->options.node_count);
}

/* ---- faults: each returns whether there was anything to break ---- */
bool sim_fault_on_net(sim_world *world, sim_fault kind);  /* faults_net.c */
bool sim_fault_on_node(sim_world *world, sim_fault kind); /* faults_node.c */
bool sim_fault_on_disk(sim_world *world, sim_fault kind); /* faults_disk.c */

/* ---- mending: as healthy as the seed has it ---- */
void sim_path_mend(sim_world *world, sim_path *path);
void sim_disk_mend(sim_disk *disk);
void sim_loop_mend(sim_node *node);

/* Who has another's folder gets the own one. */
void sim_faults_swap_back(sim_world *world);

/* A crash, and a start after some time. */
bool sim_fault_crash(sim_world *world, uint32_t place, bool keeps_power);
void sim_fault_start_after(sim_world *world, uint32_t place, uint64_t delay_us);
/* A graph of one of many forms. */
sim_graph sim_graph_draw(sim_world *world);

#endif
