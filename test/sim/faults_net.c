/* faults_net.c - what befalls paths and connections. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/faults_priv.h"

#include "base/assert.h"

/* ---- graphs ---- */

sim_graph sim_graph_whole(uint32_t node_count)
{
    sim_graph graph = {{0}};
    for (uint32_t from = 0; from < node_count; from++) graph.reach[from] = (1u << node_count) - 1;
    return graph;
}

void sim_graph_part(sim_graph *graph, uint32_t from, uint32_t to)
{
    graph->reach[from] &= ~(1u << to);
}

void sim_graph_part_both(sim_graph *graph, uint32_t a, uint32_t b)
{
    sim_graph_part(graph, a, b);
    sim_graph_part(graph, b, a);
}

void sim_faults_cut(sim_world *world, const sim_graph *graph)
{
    const uint32_t count = world->options.node_count;
    for (uint32_t from = 0; from < count; from++)
        for (uint32_t to = 0; to < count; to++)
            if (from != to) sim_net_cut(world->net, from, to, !(graph->reach[from] & (1u << to)));
}

static sim_graph draw_groups(sim_world *world)
{
    sim_graph graph = sim_graph_whole(world->options.node_count);
    const uint64_t side = sim_below(world, SIM_CHANCE_FAULTS, 1u << world->options.node_count);
    const uint32_t bridge = draw_one_in(world, 3) ? draw_node(world) : PX_MEMBERS_MAX;
    for (uint32_t a = 0; a < world->options.node_count; a++)
        for (uint32_t b = 0; b < a; b++)
            if ((side >> a & 1) != (side >> b & 1) && a != bridge && b != bridge)
                sim_graph_part_both(&graph, a, b);
    return graph;
}

static sim_graph draw_random(sim_world *world)
{
    sim_graph graph = sim_graph_whole(world->options.node_count);
    const uint64_t share = draw(world, 100000, 700000);
    const bool is_mutual = draw_one_in(world, 2);
    for (uint32_t a = 0; a < world->options.node_count; a++) {
        for (uint32_t b = 0; b < world->options.node_count; b++) {
            if (a == b || (is_mutual && b > a) || !sim_happens(world, SIM_CHANCE_FAULTS, share)) continue;
            sim_graph_part(&graph, a, b);
            if (is_mutual) sim_graph_part(&graph, b, a);
        }
    }
    return graph;
}

/* Neighbours only, in a ring or a chain. */
static sim_graph draw_ring(sim_world *world)
{
    const uint32_t count = world->options.node_count;
    sim_graph graph = sim_graph_whole(count);
    const bool is_chain = draw_one_in(world, 2);
    for (uint32_t a = 0; a < count; a++) {
        for (uint32_t b = 0; b < a; b++) {
            const bool is_near = a - b == 1 || (!is_chain && a - b == count - 1);
            if (!is_near) sim_graph_part_both(&graph, a, b);
        }
    }
    return graph;
}

sim_graph sim_graph_draw(sim_world *world)
{
    const uint64_t form = draw(world, 0, 5);
    return form < 3 ? draw_groups(world) : form < 5 ? draw_random(world) : draw_ring(world);
}

/* ---- mending ---- */

static void on_partition_over(sim_world *world, void *context, uint64_t partition)
{
    (void)context;
    if (partition != world->faults->partition || world->faults->is_frozen) return;
    const sim_graph whole = sim_graph_whole(world->options.node_count);
    sim_faults_cut(world, &whole);
}

void sim_path_mend(sim_world *world, sim_path *path)
{
    path->delay_us = world->faults->base_delay_us;
    path->jitter_us = world->faults->base_jitter_us;
    path->bytes_per_ms = 100000;
    path->loss = path->doubling = path->late = 0;
}

static void on_path_over(sim_world *world, void *context, uint64_t number)
{
    (void)number;
    sim_path_mend(world, context);
}

/* ---- happening ---- */

static void part_until(sim_world *world, uint64_t over_us)
{
    sim_world_after(world, over_us, on_partition_over, NULL, ++world->faults->partition);
}

static bool part_nodes(sim_world *world)
{
    const sim_graph graph = sim_graph_draw(world);
    sim_trace(world, "faults  partition %x %x %x %x %x", graph.reach[0], graph.reach[1], graph.reach[2],
              graph.reach[3], graph.reach[4]);
    sim_faults_cut(world, &graph);
    part_until(world, draw(world, 1, 4 * SIM_SECOND));
    return true;
}

static bool cut_one_way(sim_world *world, uint32_t from, uint32_t to)
{
    sim_trace(world, "faults  %u -> %u is cut", from + 1, to + 1);
    sim_net_cut(world->net, from, to, true);
    part_until(world, draw(world, 1, 3 * SIM_SECOND));
    return true;
}

static bool slow_path(sim_world *world, sim_path *path)
{
    path->delay_us = draw(world, SIM_MS, 150 * SIM_MS);
    path->jitter_us = path->delay_us / draw(world, 1, 4);
    path->bytes_per_ms = draw(world, 20, 1000);
    sim_world_after(world, draw(world, 1, 3 * SIM_SECOND), on_path_over, path, 0);
    return true;
}

static bool lose_on_path(sim_world *world, sim_path *path)
{
    path->loss = draw(world, 0, 600000);
    path->doubling = draw(world, 0, 200000);
    path->late = draw(world, 0, 400000);
    sim_world_after(world, draw(world, 1, 3 * SIM_SECOND), on_path_over, path, 0);
    return true;
}

/* What is cut is mended and cut again, some ten times; `number` says how often still, and which path. */
static void on_flap(sim_world *world, void *context, uint64_t number)
{
    (void)context;
    const uint32_t from = number >> 8 & 0xff, to = number & 0xff;
    const uint64_t left = number >> 16;
    if (world->faults->is_over || world->now_us < world->faults->hushed_us) return;
    sim_net_cut(world->net, from, to, left % 2 == 1);
    if (left) sim_world_after(world, draw(world, 1, 300 * SIM_MS), on_flap, NULL, number - (1u << 16));
}

static bool flap_path(sim_world *world, uint32_t from, uint32_t to)
{
    const uint64_t times = 2 * draw(world, 2, 10) + 1;
    sim_trace(world, "faults  %u -> %u flaps", from + 1, to + 1);
    on_flap(world, NULL, times << 16 | from << 8 | to);
    if (draw_one_in(world, 2)) on_flap(world, NULL, times << 16 | to << 8 | from);
    return true;
}

static bool break_connection(sim_world *world, uint32_t from, uint32_t to)
{
    if (draw_one_in(world, 4)) sim_net_make_late(world->net, from, to, draw(world, 1, SIM_SECOND));
    return sim_net_break(world->net, from, to);
}

bool sim_fault_on_net(sim_world *world, sim_fault kind)
{
    if (kind == SIM_FAULT_PARTITION) return part_nodes(world);
    const uint32_t from = draw_node(world), to = draw_node(world);
    if (from == to) return false;
    sim_path *path = sim_net_path(world->net, from, to);
    if (kind == SIM_FAULT_ONE_WAY) return cut_one_way(world, from, to);
    if (kind == SIM_FAULT_BREAK) return break_connection(world, from, to);
    if (kind == SIM_FAULT_SLOW_PATH) return slow_path(world, path);
    if (kind == SIM_FAULT_LOSS) return lose_on_path(world, path);
    if (kind == SIM_FAULT_FLAP) return flap_path(world, from, to);
    px_assert(kind == SIM_FAULT_REPLAY);
    return sim_net_replay(world->net, from, to);
}
