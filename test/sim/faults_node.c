/* faults_node.c - what befalls processes, their clocks and their loops. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/faults_priv.h"

#include "base/assert.h"

/* ---- mending ---- */

/* Is it left as it is, since only others were healed? */
static bool is_left(const sim_world *world, const sim_node *node)
{
    return world->faults->is_frozen && !(world->faults->core >> node->place & 1);
}

static void on_start(sim_world *world, void *context, uint64_t run)
{
    const sim_node *node = context;
    if (run == node->run && !is_left(world, node)) sim_node_start(world, node->place);
}

static void on_resume(sim_world *world, void *context, uint64_t pause)
{
    const sim_node *node = context;
    if (pause == node->pauses && !is_left(world, node)) sim_node_resume(world, node->place);
}

void sim_loop_mend(sim_node *node)
{
    node->turn_most_us = 100;
}

static void on_loop_over(sim_world *world, void *context, uint64_t number)
{
    (void)world;
    (void)number;
    sim_loop_mend(context);
}

/* ---- happening ---- */

void sim_fault_start_after(sim_world *world, uint32_t place, uint64_t delay_us)
{
    sim_world_after(world, delay_us, on_start, world->nodes[place], world->nodes[place]->run);
}

bool sim_fault_crash(sim_world *world, uint32_t place, bool keeps_power)
{
    if (!sim_node_is_up(world, place)) return false;
    sim_node_crash(world, place, keeps_power);
    const uint64_t down_us =
        draw_one_in(world, 4) ? draw(world, 1, 5 * SIM_SECOND) : draw(world, 1, 500 * SIM_MS);
    sim_fault_start_after(world, place, down_us);
    return true;
}

static bool cut_power(sim_world *world)
{
    bool was_up = false;
    for (uint32_t place = 0; place < world->options.node_count; place++)
        was_up = sim_fault_crash(world, place, false) || was_up;
    return was_up;
}

static bool stop_cleanly(sim_world *world, uint32_t place)
{
    if (world->nodes[place]->is_paused || !sim_node_is_up(world, place)) return false;
    if (!sim_node_stop(world, place)) return true; /* it ended another way: by a full disk, say */
    if (draw_one_in(world, 4)) sim_disk_crash(&world->nodes[place]->disk, false); /* the power, then */
    sim_fault_start_after(world, place, draw(world, 1, 500 * SIM_MS));
    return true;
}

static bool pause_node(sim_world *world, uint32_t place)
{
    if (world->nodes[place]->is_paused || !sim_node_is_up(world, place)) return false;
    sim_node_pause(world, place);
    const uint64_t pause_us =
        draw_one_in(world, 3) ? draw(world, 1, 5 * SIM_SECOND) : draw(world, 1, 600 * SIM_MS);
    sim_world_after(world, pause_us, on_resume, world->nodes[place], world->nodes[place]->pauses);
    return true;
}

static bool hand_over(sim_world *world, uint32_t place)
{
    if (world->nodes[place]->is_paused || !sim_node_enter(world, place)) return false;
    px_node_hand_over(world->nodes[place]->node, draw_one_in(world, 2) ? PX_MEMBERS_MAX : draw_node(world));
    sim_node_leave(world, place);
    return true;
}

static bool jump_wall(sim_world *world, uint32_t place)
{
    world->nodes[place]->clock.wall_shift_ms = (int64_t)draw(world, 0, 86400000) - 43200000;
    return true;
}

static bool skew_clock(sim_world *world, uint32_t place)
{
    sim_clock_set_rate(&world->nodes[place]->clock, draw(world, 950, 1050));
    if (sim_node_enter(world, place)) sim_node_leave(world, place); /* its next timer comes at another time */
    return true;
}

static bool slow_loop(sim_world *world, sim_node *node)
{
    node->turn_most_us = draw(world, SIM_MS, 100 * SIM_MS);
    sim_world_after(world, draw(world, 1, 2 * SIM_SECOND), on_loop_over, node, 0);
    return true;
}

static bool lay_trap(sim_world *world, uint32_t place)
{
    const sim_trap trap = {
        .kind = (sim_trap_kind)draw(world, SIM_TRAP_NONE + 1, SIM_TRAPS - 1),
        .keeps_power = draw_one_in(world, 2),
        .down_us = draw_one_in(world, 4) ? draw(world, 1, 3 * SIM_SECOND) : draw(world, 1, 300 * SIM_MS),
    };
    sim_trap_set(world, place, trap);
    return false; /* it counts when it springs */
}

bool sim_fault_on_node(sim_world *world, sim_fault kind)
{
    if (kind == SIM_FAULT_POWER) return cut_power(world);
    const uint32_t place = draw_node(world);
    if (kind == SIM_FAULT_CRASH) return sim_fault_crash(world, place, draw_one_in(world, 2));
    if (kind == SIM_FAULT_STOP) return stop_cleanly(world, place);
    if (kind == SIM_FAULT_PAUSE) return pause_node(world, place);
    if (kind == SIM_FAULT_TRANSFER) return hand_over(world, place);
    if (kind == SIM_FAULT_WALL) return jump_wall(world, place);
    if (kind == SIM_FAULT_CLOCK) return skew_clock(world, place);
    if (kind == SIM_FAULT_SLOW_LOOP) return slow_loop(world, world->nodes[place]);
    px_assert(kind == SIM_FAULT_TRAP);
    return lay_trap(world, place);
}
