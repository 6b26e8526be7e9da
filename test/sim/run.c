/* run.c - the phases of a world.
 *
 * Meaning    (1) all nodes start, and mostly a clean warm-up; (2) faults; (3) a majority is healed and the
 *            worst befalls the others for good: one leader, who stays, and progress; (4) everything healed:
 *            everywhere the same, byte by byte; (5) all nodes lose power at once and come back, and the log
 *            is still there, read again from its first message.
 * Source     reliability.md §5a. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/run.h"

#include "node/node_priv.h"
#include "sim/checks.h"
#include "sim/faults.h"
#include "sim/liveness.h"
#include "sim/scenarios.h"
#include "sim/sim_net.h"
#include "sim/sim_node.h"

/* The first start needs every member once; with faults from the first moment on that may take a while. */
#define WARM_UP_US (5 * SIM_SECOND)

static void on_first_start(sim_world *world, void *context, uint64_t place)
{
    (void)context;
    if (world->nodes[place]->run == 0) sim_node_start(world, (uint32_t)place);
}

static void make_world(sim_world *world, const sim_options *options)
{
    sim_world_init(world, options);
    sim_faults_init(world);
    if (options->scenario) sim_scenario_prepare(world);
    world->net = sim_net_make(world, world->faults->is_datagram);
    sim_checks_init(world);
    world->checks->message_bytes_max = world->faults->work.message_bytes_max;
    world->checks->large_per_million = world->faults->work.large_per_million;
    world->checks->has_expiry = world->faults->work.sessions_max > 0;
    sim_nodes_make(world);
    sim_faults_calm(world);
    for (uint32_t place = 0; place < options->node_count; place++) {
        sim_clock *clock = &world->nodes[place]->clock;
        if (!options->scenario && sim_below(world, SIM_CHANCE_CLOCK, 3) == 0)
            clock->rate_per_mille = sim_between(world, SIM_CHANCE_CLOCK, 950, 1050);
        sim_world_after(world, sim_below(world, SIM_CHANCE_LOOP, 500 * SIM_MS), on_first_start, NULL, place);
    }
}

/* Every reader starts over from the first message. */
static void read_again(sim_world *world)
{
    for (uint32_t place = 0; place < world->options.node_count; place++)
        world->nodes[place]->app.reader.next = 1;
}

static void restart_all(sim_world *world)
{
    sim_trace(world, "run  all nodes lose power once more");
    sim_faults_count(world, SIM_FAULT_POWER);
    for (uint32_t place = 0; place < world->options.node_count; place++) sim_node_crash(world, place, false);
    read_again(world);
    for (uint32_t place = 0; place < world->options.node_count; place++) sim_node_start(world, place);
    world->faults->work.is_stopped = false;
    sim_liveness_check(world);
}

static void run_phases(sim_world *world)
{
    const bool is_warmed = sim_below(world, SIM_CHANCE_FAULTS, 3) != 0;
    sim_world_run_until(world, world->now_us + SIM_SECOND);
    if (is_warmed) sim_liveness_check(world);
    world->faults->work.is_stopped = false;
    sim_faults_begin(world);
    sim_world_run_until(world, world->now_us + world->options.safety_us);
    if (world->options.node_count > 1) {
        (void)sim_faults_freeze(world);
        sim_liveness_check_core(world);
    }
    sim_faults_heal(world);
    sim_liveness_check(world);
    restart_all(world);
}

sim_counts sim_run(const sim_options *options)
{
    sim_world world;
    make_world(&world, options);
    const uint64_t start_us = world.now_us;
    if (options->scenario)
        sim_scenario_run(&world);
    else
        run_phases(&world);
    for (uint32_t place = 0; place < options->node_count; place++) sim_node_resume(&world, place);
    for (uint32_t place = 0; place < options->node_count; place++)
        if (world.nodes[place]->node) world.counts.elections += world.nodes[place]->node->view.elections;
    world.counts.simulated_us = world.now_us - start_us;
    world.counts.hash = world.hash;
    world.counts.slots_chosen = sim_check_chosen(&world);
    sim_nodes_free(&world);
    sim_net_free(world.net);
    sim_checks_deinit(&world);
    sim_faults_deinit(&world);
    sim_world_deinit(&world);
    return world.counts;
}
