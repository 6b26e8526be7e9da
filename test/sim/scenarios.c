/* scenarios.c - topologies that stopped other systems, and directed faults.
 *
 * Meaning    Each begins with a healthy cluster and its leader. A topology then cuts paths one message at a
 *            time (datagram mode), so that one-way cuts are what they say; within four election timeouts
 *            there must be one leader for those it reaches, who stays, and messages of theirs are chosen;
 *            then all heals. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenarios.h"

#include "base/assert.h"
#include "node/node_priv.h"
#include "sim/checks.h"
#include "sim/directed.h"
#include "sim/faults.h"
#include "sim/liveness.h"
#include "sim/script.h"
#include "sim/sim_net.h"
#include "sim/sim_node.h"
#include <string.h>

/* `leader` leads when it begins. Returns the mask of nodes that must have a leader; bit i is node i. */
typedef uint32_t make_graph(sim_graph *graph, uint32_t leader, uint32_t count);

static uint32_t next_of(uint32_t node, uint32_t steps, uint32_t count)
{
    return (node + steps) % count;
}

/* Everybody reaches only the hub, not the leader: it has lost its quorum and still hears one node. */
static uint32_t quorum_loss(sim_graph *graph, uint32_t leader, uint32_t count)
{
    const uint32_t hub = next_of(leader, 1, count);
    for (uint32_t a = 0; a < count; a++)
        for (uint32_t b = 0; b < a; b++)
            if (a != hub && b != hub) sim_graph_part_both(graph, a, b);
    return (1u << count) - 1;
}

/* The old leader is alone, and of the rest only one reaches a majority. */
static uint32_t constrained(sim_graph *graph, uint32_t leader, uint32_t count)
{
    const uint32_t hub = next_of(leader, 2, count);
    uint32_t members = 0;
    for (uint32_t a = 0; a < count; a++) {
        if (a != leader) members |= 1u << a;
        for (uint32_t b = 0; b < a; b++)
            if (a == leader || b == leader || (a != hub && b != hub)) sim_graph_part_both(graph, a, b);
    }
    return members;
}

/* Neighbours only; the leader at one end. */
static uint32_t chained(sim_graph *graph, uint32_t leader, uint32_t count)
{
    for (uint32_t a = 0; a < count; a++)
        for (uint32_t b = a + 2; b < count; b++)
            sim_graph_part_both(graph, next_of(leader, a, count), next_of(leader, b, count));
    return count == 3 ? 7u : 0;
}

/* Two halves that only the bridge reaches; the leader in one of them. */
static uint32_t bridge(sim_graph *graph, uint32_t leader, uint32_t count)
{
    for (uint32_t a = 0; a < count / 2; a++)
        for (uint32_t b = count / 2 + 1; b < count; b++)
            sim_graph_part_both(graph, next_of(leader, a, count), next_of(leader, b, count));
    return (1u << count) - 1;
}

/* Each reaches another majority: itself and its neighbours. */
static uint32_t majorities_ring(sim_graph *graph, uint32_t leader, uint32_t count)
{
    (void)leader;
    for (uint32_t a = 0; a < count; a++)
        for (uint32_t b = a + 2; b < count; b++)
            if (b - a != count - 1) sim_graph_part_both(graph, a, b);
    return (1u << count) - 1;
}

/* The leader is heard and hears nobody. */
static uint32_t deaf_leader(sim_graph *graph, uint32_t leader, uint32_t count)
{
    for (uint32_t a = 0; a < count; a++)
        if (a != leader) sim_graph_part(graph, a, leader);
    return ((1u << count) - 1) & ~(1u << leader);
}

/* The leader hears all and nobody hears it. */
static uint32_t mute_leader(sim_graph *graph, uint32_t leader, uint32_t count)
{
    for (uint32_t a = 0; a < count; a++)
        if (a != leader) sim_graph_part(graph, leader, a);
    return ((1u << count) - 1) & ~(1u << leader);
}

/* A follower that hears nobody must not dethrone anybody. */
static uint32_t deaf_follower(sim_graph *graph, uint32_t leader, uint32_t count)
{
    const uint32_t deaf = next_of(leader, 1, count);
    for (uint32_t a = 0; a < count; a++)
        if (a != deaf) sim_graph_part(graph, a, deaf);
    return ((1u << count) - 1) & ~(1u << deaf);
}

/* One path between the leader and one follower is cut: the cluster goes on through the third. */
static uint32_t one_link(sim_graph *graph, uint32_t leader, uint32_t count)
{
    sim_graph_part_both(graph, leader, next_of(leader, 1, count));
    return (1u << count) - 1;
}

/* ---- running ---- */

typedef struct {
    const char *name;
    uint32_t nodes;
    make_graph *graph;
    uint64_t loss; /* per million messages on every path, instead of a graph */
    bool keeps_leader;
} sim_scenario;

static const sim_scenario scenarios[] = {
    {"quorum-loss", 5, quorum_loss, 0, false},
    {"constrained", 5, constrained, 0, false},
    {"chained", 3, chained, 0, false},
    {"bridge", 5, bridge, 0, false},
    {"majorities-ring", 5, majorities_ring, 0, false},
    {"deaf-leader", 3, deaf_leader, 0, false},
    {"mute-leader", 3, mute_leader, 0, false},
    {"deaf-leader-of-5", 5, deaf_leader, 0, false},
    {"mute-leader-of-5", 5, mute_leader, 0, false},
    {"deaf-follower", 3, deaf_follower, 0, true},
    {"one-link", 3, one_link, 0, true},
    {"one-link-of-5", 5, one_link, 0, true},
    {"loss", 5, NULL, 300000, false},
    {"small-forwards", 3, NULL, 0, false},
};
#define SCENARIOS (sizeof scenarios / sizeof *scenarios)

const char *sim_scenario_name(uint32_t place)
{
    if (place < SCENARIOS) return scenarios[place].name;
    const sim_directed *directed = sim_directed_at(place - (uint32_t)SCENARIOS);
    return directed ? directed->name : NULL;
}

static const sim_directed *find_directed(const char *name)
{
    const sim_directed *directed = NULL;
    for (uint32_t i = 0; (directed = sim_directed_at(i)) != NULL; i++)
        if (strcmp(directed->name, name) == 0) return directed;
    return NULL;
}

static const sim_scenario *find_scenario(const char *name)
{
    for (uint32_t i = 0; i < SCENARIOS; i++)
        if (strcmp(scenarios[i].name, name) == 0) return &scenarios[i];
    return NULL;
}

uint32_t sim_scenario_nodes(const char *name)
{
    const sim_scenario *scenario = find_scenario(name);
    const sim_directed *directed = find_directed(name);
    return scenario ? scenario->nodes : directed ? directed->nodes : 0;
}

void sim_scenario_prepare(sim_world *world)
{
    sim_faults *faults = world->faults;
    faults->is_datagram = true;
    faults->base_delay_us = 200;
    faults->base_jitter_us = 100;
    faults->base_sync_us = 300;
    faults->work = (sim_work){.intakes = 1,
                              .burst_gap_us = 20 * SIM_MS,
                              .burst_messages = 3,
                              .message_bytes_max = 512,
                              .barrier_gap_us = 200 * SIM_MS};
    if (find_directed(world->options.scenario)) faults->work.barrier_gap_us = 0;
    memset(faults->gap_us, 0, sizeof faults->gap_us);
}

/* Messages that the writers of those nodes were told of. */
static uint64_t acknowledged_of(const sim_world *world, uint32_t members)
{
    uint64_t sum = 0;
    for (uint32_t place = 0; place < world->options.node_count; place++)
        if (members & (1u << place)) sum += writer_of(world, place)->acknowledged;
    return sum;
}

/* Until the end, measures how long it takes until each member's writer is told of a message that it wrote
 * after now: at the first of them, and at the last. */
static void measure_writes(sim_world *world, uint32_t members, uint64_t end_us)
{
    const uint64_t start_us = world->now_us;
    uint64_t before[PX_MEMBERS_MAX];
    uint32_t served = 0;
    for (uint32_t place = 0; place < world->options.node_count; place++)
        before[place] = writer_of(world, place)->pushed;
    while (world->now_us < end_us) {
        sim_world_run_until(world, world->now_us + SIM_MS);
        const uint32_t served_before = served;
        for (uint32_t place = 0; place < world->options.node_count; place++)
            if (writer_of(world, place)->acknowledged > before[place]) served |= members & (1u << place);
        if (served && !served_before) world->counts.first_again_us = world->now_us - start_us;
        if (served != served_before) world->counts.last_again_us = world->now_us - start_us;
    }
}

static uint64_t leaders_of(const sim_world *world)
{
    return world->counts.leaders;
}

static void run_graph(sim_world *world, const sim_scenario *scenario, uint32_t leader)
{
    const uint32_t count = world->options.node_count;
    sim_graph graph = sim_graph_whole(count);
    const uint32_t members = scenario->graph(&graph, leader, count);
    sim_trace(world, "run  %s, leader %u, members %x", scenario->name, leader + 1, members);
    sim_faults_cut(world, &graph);
    measure_writes(world, members, world->now_us + sim_liveness_bound_us(world));
    if (members == 0) return;
    const uint64_t leaders = leaders_of(world);
    for (unsigned second = 0; second < 5; second++) {
        uint64_t before[PX_MEMBERS_MAX];
        for (uint32_t place = 0; place < count; place++) before[place] = acknowledged_of(world, 1u << place);
        sim_world_run_until(world, world->now_us + SIM_SECOND);
        for (uint32_t place = 0; place < count; place++)
            sim_check(world,
                      !(members & (1u << place)) || acknowledged_of(world, 1u << place) > before[place],
                      "liveness", "%s: nothing of %s is chosen in second %u", scenario->name,
                      world->nodes[place]->name, second);
    }
    world->counts.changes = leaders_of(world) - leaders;
    sim_check(world, leaders_of(world) == leaders, "stable leader", "%s: leadership changed %llu times",
              scenario->name, (unsigned long long)(leaders_of(world) - leaders));
    const px_node *old = world->nodes[leader]->node;
    sim_check(world, !scenario->keeps_leader || old->view.role == PX_ROLE_LEADER, "stable leader",
              "%s: a leader that nothing kept from leading was replaced", scenario->name);
}

/* So many single messages that what each costs beside its bytes would add up to all that may be under way. */
static void run_small(sim_world *world)
{
    world->faults->work.burst_messages = 1;
    world->faults->work.burst_gap_us = SIM_MS;
    world->faults->work.message_bytes_max = 48;
    world->checks->message_bytes_max = 48;
    sim_world_run_until(world, world->now_us + 60 * SIM_SECOND);
}

static void run_loss(sim_world *world, const sim_scenario *scenario)
{
    for (uint32_t from = 0; from < world->options.node_count; from++)
        for (uint32_t to = 0; to < world->options.node_count; to++)
            sim_net_path(world->net, from, to)->loss = scenario->loss;
    const uint64_t before = acknowledged_of(world, (1u << world->options.node_count) - 1);
    sim_world_run_until(world, world->now_us + 20 * SIM_SECOND);
    const uint64_t after = acknowledged_of(world, (1u << world->options.node_count) - 1);
    sim_check(world, after > before + 100, "liveness", "%s: only %llu messages in 20 s", scenario->name,
              (unsigned long long)(after - before));
}

void sim_scenario_run(sim_world *world)
{
    const sim_scenario *scenario = find_scenario(world->options.scenario);
    const sim_directed *directed = find_directed(world->options.scenario);
    px_assert(scenario || directed);
    if (!directed || !directed->is_first_start) {
        sim_world_run_until(world, world->now_us + SIM_SECOND);
        sim_liveness_check(world);
    }
    world->faults->work.is_stopped = directed != NULL;
    const uint32_t leader = sim_liveness_leader(world, (1u << world->options.node_count) - 1);
    if (directed)
        sim_directed_run(world, directed);
    else if (scenario->graph)
        run_graph(world, scenario, leader);
    else if (scenario->loss)
        run_loss(world, scenario);
    else
        run_small(world);
    world->faults->work.is_stopped = false;
    sim_faults_heal(world);
    sim_liveness_check(world);
}
