/* traps.c - when a trap springs. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/traps.h"

#include "base/assert.h"
#include "node/node_priv.h"
#include "paxos/core_priv.h"
#include "sim/faults_priv.h"
#include "sim/sim_node.h"

static bool is_sprung(const sim_node *node, sim_trap_kind kind)
{
    const px_core *core = node->node->core;
    const px_durable *durable = &core->tickets.durable;
    const bool is_spliced = px_ballot_equal(core->accepted, durable->accepted);
    switch (kind) {
    case SIM_TRAP_NONE: return false;
    case SIM_TRAP_PROMISING: return px_ballot_less(durable->promised, core->promised) && is_spliced;
    case SIM_TRAP_SPLICING: return !is_spliced;
    case SIM_TRAP_CUTTING: return is_spliced && core->cuts != durable->cuts;
    case SIM_TRAP_ACCEPTING: return is_spliced && core->slots.taken > durable->length;
    case SIM_TRAP_ADOPTING: return core->phase == PX_PHASE_ADOPTING;
    case SIM_TRAP_LEADING: return core->phase == PX_PHASE_LEADING && core->slots.chosen < core->adopted_upto;
    case SIM_TRAP_CHOOSING: return node->node->delivered_slot < node->node->chosen_slot;
    case SIM_TRAPS: break;
    }
    px_assert(false);
    return false;
}

static void on_crash(sim_world *world, void *context, uint64_t run)
{
    sim_node *node = context;
    const sim_trap trap = node->trap;
    node->trap = (sim_trap){0};
    if (trap.kind == SIM_TRAP_NONE || run != node->run || !node->node)
        return; /* taken away, or something else befell it first */
    sim_node_crash(world, node->place, trap.keeps_power);
    sim_fault_start_after(world, node->place, trap.down_us);
}

void sim_trap_set(sim_world *world, uint32_t place, sim_trap trap)
{
    world->nodes[place]->trap = trap;
}

void sim_trap_watch(sim_world *world, uint32_t place)
{
    sim_node *node = world->nodes[place];
    if (node->trap.kind == SIM_TRAP_NONE || node->trap.is_sprung) return;
    if (!is_sprung(node, node->trap.kind)) return;
    node->trap.is_sprung = true;
    sim_faults_count(world, SIM_FAULT_TRAP);
    sim_trace(world, "%s  is in trap %d", node->name, (int)node->trap.kind);
    const uint64_t within_us = 2 * node->disk.sync_us + node->disk.sync_jitter_us;
    sim_world_after(world, sim_below(world, SIM_CHANCE_FAULTS, within_us + 1), on_crash, node, node->run);
}
