/* faults.c - draws a seed's faults and lets them happen. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/faults.h"

#include "base/assert.h"
#include "sim/checks.h"
#include "sim/sim_net.h"
#include "sim/sim_node.h"
#include <stdlib.h>

/* How often a fault of each kind comes in seeds that have it, at the most often. */
static const uint64_t gap_us_min[SIM_FAULTS] = {
    [SIM_FAULT_CRASH] = 500 * SIM_MS,        [SIM_FAULT_POWER] = 4 * SIM_SECOND,
    [SIM_FAULT_PAUSE] = 700 * SIM_MS,        [SIM_FAULT_PARTITION] = 1 * SIM_SECOND,
    [SIM_FAULT_ONE_WAY] = 700 * SIM_MS,      [SIM_FAULT_BREAK] = 200 * SIM_MS,
    [SIM_FAULT_SLOW_DISK] = 1 * SIM_SECOND,  [SIM_FAULT_HUNG_DISK] = 2 * SIM_SECOND,
    [SIM_FAULT_SLOW_PATH] = 500 * SIM_MS,    [SIM_FAULT_LOSS] = 500 * SIM_MS,
    [SIM_FAULT_TRANSFER] = 500 * SIM_MS,     [SIM_FAULT_WALL] = 1 * SIM_SECOND,
    [SIM_FAULT_DISK_ERROR] = 3 * SIM_SECOND, [SIM_FAULT_DISK_FULL] = 3 * SIM_SECOND,
    [SIM_FAULT_SLOW_LOOP] = 1 * SIM_SECOND,  [SIM_FAULT_TRAP] = 400 * SIM_MS,
};

static uint64_t draw(sim_world *world, uint64_t low, uint64_t high)
{
    return sim_between(world, SIM_CHANCE_FAULTS, low, high);
}

static bool draw_one_in(sim_world *world, uint64_t count)
{
    return sim_below(world, SIM_CHANCE_FAULTS, count) == 0;
}

static uint32_t draw_node(sim_world *world)
{
    return (uint32_t)sim_below(world, SIM_CHANCE_FAULTS, world->options.node_count);
}

/* ---- drawing ---- */

static void draw_work(sim_world *world, sim_work *work)
{
    static const uint64_t rates[] = {10, 30, 100, 300}; /* messages a second, of all intakes */
    const uint64_t rate = rates[draw(world, 0, 3)];
    work->intakes = (uint32_t)draw(world, 1, 3);
    work->burst_messages = draw_one_in(world, 3) ? 1 : draw(world, 2, 30);
    const uint64_t each = work->intakes * world->options.node_count;
    work->burst_gap_us = each * (1 + work->burst_messages) / 2 * SIM_SECOND / rate;
    work->message_bytes_max = draw_one_in(world, 4) ? draw(world, 4096, 60000) : draw(world, 64, 1024);
    switch (draw(world, 0, 9)) { /* most are plain */
    case 0:                      /* large: as large as a message may be */
        work->message_bytes_max = draw(world, SIM_MESSAGE_BYTES_MAX - 2, SIM_MESSAGE_BYTES_MAX);
        work->large_per_million = draw(world, 10000, 200000);
        work->burst_gap_us *= 4;
        break;
    case 1: /* many intakes */
        work->intakes = (uint32_t)draw(world, 10, SIM_INTAKES_MAX);
        work->burst_gap_us *= work->intakes / 2;
        break;
    case 2: /* long bursts, far apart */
        work->burst_messages = draw(world, 500, 3000);
        work->burst_gap_us = each * draw(world, 500 * SIM_MS, 4 * SIM_SECOND);
        break;
    case 3: /* next to nothing */
        work->burst_gap_us = each * draw(world, 2 * SIM_SECOND, 10 * SIM_SECOND);
        break;
    default: break;
    }
    work->barrier_gap_us = draw_one_in(world, 4) ? 0 : draw(world, 30 * SIM_MS, SIM_SECOND);
    work->reread_gap_us = draw_one_in(world, 3) ? 0 : draw(world, 100 * SIM_MS, SIM_SECOND);
}

/* Few sessions, so that clients fence one another. */
static void draw_sessions(sim_world *world, sim_work *work)
{
    if (sim_below(world, SIM_CHANCE_SESSIONS, 2) == 0) return;
    work->sessions = 1 + (uint32_t)sim_below(world, SIM_CHANCE_SESSIONS, SIM_SESSIONS_MAX);
    work->session_gap_us = sim_between(world, SIM_CHANCE_SESSIONS, 20 * SIM_MS, SIM_SECOND);
}

void sim_faults_init(sim_world *world)
{
    sim_faults *faults = sim_zeroed(sizeof *faults);
    world->faults = faults;
    faults->is_over = true;
    draw_work(world, &faults->work);
    draw_sessions(world, &faults->work);
    faults->is_datagram = draw_one_in(world, 3);
    faults->base_delay_us =
        draw_one_in(world, 5) ? draw(world, 2 * SIM_MS, 10 * SIM_MS) : draw(world, 20, 500);
    faults->base_jitter_us = faults->base_delay_us / 2;
    faults->base_sync_us =
        draw_one_in(world, 5) ? draw(world, 2 * SIM_MS, 10 * SIM_MS) : draw(world, 50, 1000);
    const bool is_calm = draw_one_in(world, 4);
    for (unsigned kind = 0; kind < SIM_FAULTS; kind++) {
        const bool has = draw_one_in(world, 3);
        const uint64_t gap_us = gap_us_min[kind] * draw(world, 1, 6);
        if (has && !is_calm) faults->gap_us[kind] = gap_us;
    }
    if (!faults->is_datagram) faults->gap_us[SIM_FAULT_LOSS] = 0;
}

void sim_faults_deinit(sim_world *world)
{
    free(world->faults->schedule);
    free(world->faults);
    world->faults = NULL;
}

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

/* ---- mending ---- */

static void on_partition_over(sim_world *world, void *context, uint64_t partition)
{
    (void)context;
    if (partition != world->faults->partition) return;
    const sim_graph whole = sim_graph_whole(world->options.node_count);
    sim_faults_cut(world, &whole);
}

static void on_path_over(sim_world *world, void *context, uint64_t number)
{
    sim_path *path = context;
    (void)number;
    path->delay_us = world->faults->base_delay_us;
    path->jitter_us = world->faults->base_jitter_us;
    path->bytes_per_ms = 100000;
    path->loss = path->doubling = path->late = 0;
}

static void on_disk_over(sim_world *world, void *context, uint64_t number)
{
    sim_disk *disk = context;
    (void)number;
    sim_disk_calm(disk, world->faults->base_sync_us);
}

static void on_loop_over(sim_world *world, void *context, uint64_t number)
{
    sim_node *node = context;
    (void)world;
    (void)number;
    node->turn_most_us = 100;
}

static void on_start(sim_world *world, void *context, uint64_t run)
{
    const sim_node *node = context;
    if (run == node->run) sim_node_start(world, node->place);
}

static void on_resume(sim_world *world, void *context, uint64_t pause)
{
    const sim_node *node = context;
    if (pause == node->pauses) sim_node_resume(world, node->place);
}

void sim_faults_calm(sim_world *world)
{
    for (uint32_t from = 0; from < world->options.node_count; from++) {
        sim_node *node = world->nodes[from];
        on_disk_over(world, &node->disk, 0);
        on_loop_over(world, node, 0);
        for (uint32_t to = 0; to < world->options.node_count; to++)
            on_path_over(world, sim_net_path(world->net, from, to), 0);
    }
}

void sim_faults_heal(sim_world *world)
{
    sim_trace(world, "faults  all is healed");
    world->faults->is_over = true;
    sim_faults_calm(world);
    sim_net_break_slow(world->net);
    on_partition_over(world, NULL, world->faults->partition);
    for (uint32_t place = 0; place < world->options.node_count; place++) {
        sim_node_resume(world, place);
        sim_trap_set(world, place, (sim_trap){0});
        sim_node_start(world, place);
    }
}

/* ---- happening ---- */

static bool crash_node(sim_world *world, uint32_t place, bool keeps_power)
{
    sim_node *node = world->nodes[place];
    if (!node->node) return false;
    sim_node_crash(world, place, keeps_power);
    const uint64_t down_us =
        draw_one_in(world, 4) ? draw(world, 1, 5 * SIM_SECOND) : draw(world, 1, 500 * SIM_MS);
    sim_world_after(world, down_us, on_start, node, node->run);
    return true;
}

static bool cut_power(sim_world *world)
{
    bool was_up = false;
    for (uint32_t place = 0; place < world->options.node_count; place++)
        was_up = crash_node(world, place, false) || was_up;
    return was_up;
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

static bool part_nodes(sim_world *world)
{
    const uint64_t form = draw(world, 0, 5);
    const sim_graph graph = form < 3 ? draw_groups(world) : form < 5 ? draw_random(world) : draw_ring(world);
    sim_trace(world, "faults  partition %x %x %x %x %x", graph.reach[0], graph.reach[1], graph.reach[2],
              graph.reach[3], graph.reach[4]);
    sim_faults_cut(world, &graph);
    sim_world_after(world, draw(world, 1, 4 * SIM_SECOND), on_partition_over, NULL,
                    ++world->faults->partition);
    return true;
}

static bool cut_one_way(sim_world *world)
{
    const uint32_t from = draw_node(world), to = draw_node(world);
    if (from == to) return false;
    sim_trace(world, "faults  %u -> %u is cut", from + 1, to + 1);
    sim_net_cut(world->net, from, to, true);
    sim_world_after(world, draw(world, 1, 3 * SIM_SECOND), on_partition_over, NULL,
                    ++world->faults->partition);
    return true;
}

static bool slow_path(sim_world *world, bool is_lossy)
{
    const uint32_t from = draw_node(world), to = draw_node(world);
    if (from == to) return false;
    sim_path *path = sim_net_path(world->net, from, to);
    if (is_lossy) {
        path->loss = draw(world, 0, 600000);
        path->doubling = draw(world, 0, 200000);
        path->late = draw(world, 0, 400000);
    } else {
        path->delay_us = draw(world, SIM_MS, 150 * SIM_MS);
        path->jitter_us = path->delay_us / draw(world, 1, 4);
        path->bytes_per_ms = draw(world, 20, 1000);
    }
    sim_world_after(world, draw(world, 1, 3 * SIM_SECOND), on_path_over, path, 0);
    return true;
}

static bool break_connection(sim_world *world)
{
    const uint32_t from = draw_node(world), to = draw_node(world);
    if (draw_one_in(world, 4)) sim_net_make_late(world->net, from, to, draw(world, 1, SIM_SECOND));
    return sim_net_break(world->net, from, to);
}

static bool hurt_disk(sim_world *world, sim_fault kind)
{
    sim_disk *disk = &world->nodes[draw_node(world)]->disk;
    uint64_t over_us = draw(world, 1, 2 * SIM_SECOND);
    if (kind == SIM_FAULT_SLOW_DISK) {
        disk->sync_us = draw(world, SIM_MS, 100 * SIM_MS);
        disk->sync_jitter_us = disk->sync_us;
    } else if (kind == SIM_FAULT_HUNG_DISK) {
        disk->hung_until_us = world->now_us + over_us;
    } else if (kind == SIM_FAULT_DISK_ERROR) {
        sim_disk_fail_next(disk);
        return true;
    } else {
        sim_disk_fill(disk);
    }
    sim_trace(world, "faults  the disk of %u is %s", disk->place + 1,
              kind == SIM_FAULT_DISK_FULL ? "full" : "slow");
    sim_world_after(world, over_us, on_disk_over, disk, 0);
    return true;
}

static bool hand_over(sim_world *world)
{
    const uint32_t place = draw_node(world);
    if (world->nodes[place]->is_paused || !sim_node_enter(world, place)) return false;
    px_node_hand_over(world->nodes[place]->node, draw_one_in(world, 2) ? PX_MEMBERS_MAX : draw_node(world));
    sim_node_leave(world, place);
    return true;
}

static bool jump_wall(sim_world *world)
{
    world->nodes[draw_node(world)]->clock.wall_shift_ms = (int64_t)draw(world, 0, 86400000) - 43200000;
    return true;
}

static bool slow_loop(sim_world *world)
{
    sim_node *node = world->nodes[draw_node(world)];
    node->turn_most_us = draw(world, SIM_MS, 100 * SIM_MS);
    sim_world_after(world, draw(world, 1, 2 * SIM_SECOND), on_loop_over, node, 0);
    return true;
}

static bool lay_trap(sim_world *world)
{
    const sim_trap trap = {
        .kind = (sim_trap_kind)draw(world, SIM_TRAP_NONE + 1, SIM_TRAPS - 1),
        .keeps_power = draw_one_in(world, 2),
        .down_us = draw_one_in(world, 4) ? draw(world, 1, 3 * SIM_SECOND) : draw(world, 1, 300 * SIM_MS),
    };
    sim_trap_set(world, draw_node(world), trap);
    return false; /* it counts when it springs */
}

/* False where there was nothing to break. */
static bool happen(sim_world *world, sim_fault kind)
{
    switch (kind) {
    case SIM_FAULT_CRASH: return crash_node(world, draw_node(world), draw_one_in(world, 2));
    case SIM_FAULT_POWER: return cut_power(world);
    case SIM_FAULT_PAUSE: return pause_node(world, draw_node(world));
    case SIM_FAULT_PARTITION: return part_nodes(world);
    case SIM_FAULT_ONE_WAY: return cut_one_way(world);
    case SIM_FAULT_BREAK: return break_connection(world);
    case SIM_FAULT_SLOW_DISK:
    case SIM_FAULT_HUNG_DISK:
    case SIM_FAULT_DISK_ERROR:
    case SIM_FAULT_DISK_FULL: return hurt_disk(world, kind);
    case SIM_FAULT_SLOW_PATH: return slow_path(world, false);
    case SIM_FAULT_LOSS: return slow_path(world, true);
    case SIM_FAULT_TRANSFER: return hand_over(world);
    case SIM_FAULT_WALL: return jump_wall(world);
    case SIM_FAULT_SLOW_LOOP: return slow_loop(world);
    case SIM_FAULT_TRAP: return lay_trap(world);
    case SIM_FAULTS: break;
    }
    px_assert(false);
    return false;
}

/* ---- the schedule ---- */

void sim_faults_count(sim_world *world, sim_fault kind)
{
    world->counts.faults[kind]++;
    world->counts.faults_all++;
}

/* Each fault draws from a stream of its own: leaving one out changes no other. */
static void on_fault(sim_world *world, void *context, uint64_t number)
{
    const sim_fault_event *event = &world->faults->schedule[number];
    (void)context;
    if (world->faults->is_over) return;
    px_prng_init(&world->chance[SIM_CHANCE_FAULTS], event->seed);
    if (happen(world, event->kind)) sim_faults_count(world, event->kind);
}

static void add_event(sim_faults *faults, sim_fault_event event)
{
    faults->schedule = sim_grow(faults->schedule, &faults->schedule_capacity, faults->schedule_count,
                                sizeof *faults->schedule);
    size_t at = faults->schedule_count++;
    for (; at > 0 && faults->schedule[at - 1].time_us > event.time_us; at--)
        faults->schedule[at] = faults->schedule[at - 1];
    faults->schedule[at] = event;
}

static bool is_kept(const sim_options *options, size_t number)
{
    for (uint32_t i = 0; i < options->kept_count; i++)
        if (options->kept[i] == number) return true;
    return !options->kept;
}

void sim_faults_begin(sim_world *world)
{
    sim_faults *faults = world->faults;
    const uint64_t end_us = world->now_us + world->options.safety_us;
    faults->is_over = false;
    for (unsigned kind = 0; kind < SIM_FAULTS; kind++) {
        uint64_t time_us = world->now_us;
        while (faults->gap_us[kind]) {
            time_us += draw(world, 1, 2 * faults->gap_us[kind]);
            if (time_us >= end_us) break;
            add_event(faults, (sim_fault_event){time_us, (sim_fault)kind, draw(world, 0, UINT64_MAX - 1)});
        }
    }
    for (size_t number = 0; number < faults->schedule_count; number++)
        if (is_kept(&world->options, number))
            sim_world_after(world, faults->schedule[number].time_us - world->now_us, on_fault, NULL, number);
}
