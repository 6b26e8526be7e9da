/* liveness.c - the phase after the faults. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/liveness.h"

#include "node/node_priv.h"
#include "paxos/core_priv.h"
#include "sim/checks.h"
#include "sim/faults.h"
#include "sim/sim_net.h"
#include "sim/sim_node.h"

/* Idle connections break, and are dialled again after the longest back-off. */
#define LINKS_US (3 * SIM_SECOND)
/* A leader that nothing disturbs stays for so long at least. */
#define STABLE_US (3 * SIM_SECOND)
/* What was pushed in the safety phase is bounded; so is the time to choose it. */
#define DRAIN_US (20 * SIM_SECOND)
#define CONVERGE_US (5 * SIM_SECOND)

uint64_t sim_liveness_bound_us(const sim_world *world)
{
    const sim_faults *faults = world->faults;
    const uint64_t trip_us = 2 * (faults->base_delay_us + faults->base_jitter_us);
    return 12 * world->options.heartbeat_us + 20 * (trip_us + 2 * faults->base_sync_us);
}

static bool all_linked(sim_world *world)
{
    if (!sim_net_is_whole(world->net)) return false;
    for (uint32_t place = 0; place < world->options.node_count; place++) {
        const px_node *node = world->nodes[place]->node;
        if (!node) return false;
        for (uint32_t other = 0; other < world->options.node_count; other++)
            if (other != place && !node->members[other].is_linked) return false;
    }
    return true;
}

/* Do two nodes reach each other both ways? */
static bool is_mutual(const sim_world *world, uint32_t one, uint32_t other)
{
    const px_node *a = world->nodes[one]->node, *b = world->nodes[other]->node;
    return a && b && a->members[other].is_linked && b->members[one].is_linked &&
           !sim_net_path(world->net, one, other)->is_cut && !sim_net_path(world->net, other, one)->is_cut;
}

/* A relay passes on for those that it hears itself: who is three links from the leader knows none. [R10] */
static bool is_near(const sim_world *world, uint32_t place, uint32_t leader)
{
    if (place == leader || is_mutual(world, place, leader)) return true;
    for (uint32_t relay = 0; relay < world->options.node_count; relay++)
        if (is_mutual(world, place, relay) && is_mutual(world, relay, leader)) return true;
    return false;
}

/* Who leads, by its own account and that of all `members` but those in `leaderless`, which know of none. */
static uint32_t leader_of(const sim_world *world, uint32_t members, uint32_t *leaderless)
{
    px_ballot ballot = {0, 0, 0};
    *leaderless = 0;
    for (uint32_t place = 0; place < world->options.node_count; place++) {
        if (!(members & (1u << place))) continue;
        const px_node *node = world->nodes[place]->node;
        if (!node) return PX_MEMBERS_MAX;
        if (px_ballot_is_none(node->view.leader)) {
            *leaderless |= 1u << place;
            continue;
        }
        if (!px_ballot_is_none(ballot) && !px_ballot_equal(ballot, node->view.leader)) return PX_MEMBERS_MAX;
        ballot = node->view.leader;
    }
    const px_node *leader = world->nodes[ballot.node]->node;
    const bool leads = leader && leader->view.role == PX_ROLE_LEADER && leader->view.adopted &&
                       px_ballot_equal(leader->view.leader, ballot);
    return leads ? (uint32_t)ballot.node : PX_MEMBERS_MAX;
}

uint32_t sim_liveness_leader(const sim_world *world, uint32_t members)
{
    uint32_t leaderless;
    const uint32_t leader = leader_of(world, members, &leaderless);
    if (leader == PX_MEMBERS_MAX) return leader;
    for (uint32_t place = 0; place < world->options.node_count; place++)
        if ((leaderless & 1u << place) && is_near(world, place, leader)) return PX_MEMBERS_MAX;
    return leader;
}

static bool has_leader(sim_world *world)
{
    return sim_liveness_leader(world, (1u << world->options.node_count) - 1) < PX_MEMBERS_MAX;
}

static bool all_idle(sim_world *world)
{
    if (!sim_check_is_kept_seen(world)) return false;
    for (uint32_t place = 0; place < world->options.node_count; place++)
        if (!sim_app_is_idle(&world->nodes[place]->app)) return false;
    return true;
}

static bool all_same(sim_world *world)
{
    const px_node *first = world->nodes[0]->node;
    const sim_checks *checks = world->checks;
    for (uint32_t place = 0; place < world->options.node_count; place++) {
        const sim_node *node = world->nodes[place];
        if (!node->node || node->node->delivered_slot != first->delivered_slot) return false;
        if (node->node->delivered_slot != sim_check_chosen(world)) return false;
        if (node->node->delivered_index != checks->order_count) return false;
        if (node->app.reader.next != checks->order_count + 1) return false;
    }
    return true;
}

static void say_state(const sim_world *world)
{
    for (uint32_t place = 0; place < world->options.node_count; place++) {
        const px_node *node = world->nodes[place]->node;
        if (!node) {
            sim_trace(world, "%s  is down", world->nodes[place]->name);
            continue;
        }
        const px_core_view *view = &node->view;
        sim_trace(world,
                  "%s  role %d, leader %llu of %llu, relay %u, adopted %d, promised %llu, accepted %llu, "
                  "chosen %llu, durable %llu, taken %llu, delivered %llu",
                  world->nodes[place]->name, (int)view->role, (unsigned long long)view->leader.number,
                  (unsigned long long)view->leader.node + 1, view->relay + 1, view->adopted,
                  (unsigned long long)view->state.promised.number,
                  (unsigned long long)view->state.accepted.number, (unsigned long long)view->state.chosen,
                  (unsigned long long)view->state.durable, (unsigned long long)view->state.taken,
                  (unsigned long long)node->delivered_slot);
    }
}

static void must(sim_world *world, uint64_t bound_us, bool (*is_done)(sim_world *world), const char *what)
{
    const uint64_t start_us = world->now_us;
    if (sim_world_run_while_not(world, world->now_us + bound_us, is_done)) return;
    say_state(world);
    sim_fail(world, "liveness", "%s: not within %llu ms of %llu ms", what,
             (unsigned long long)bound_us / 1000, (unsigned long long)start_us / 1000);
}

static void note_runs(const sim_world *world, uint64_t *runs)
{
    for (uint32_t place = 0; place < world->options.node_count; place++)
        runs[place] = world->nodes[place]->run;
}

/* Has a node met rot since, and started again to mend its log? */
static bool has_met_rot(const sim_world *world, const uint64_t *runs)
{
    for (uint32_t place = 0; place < world->options.node_count; place++) {
        const sim_node *node = world->nodes[place];
        if (node->run != runs[place] && sim_disk_is_hurt(&node->disk)) return true;
    }
    return false;
}

/* For a while nothing is broken any more: the leader stays. Unless a node meets rot that a fault has left in
 * its log, and starts again to mend it [R16]: be it the leader, or the one by which it hears a majority, or
 * one that has promised more. */
static void check_stable(sim_world *world, bool (*has_one)(sim_world *world), uint32_t members)
{
    uint64_t runs[PX_MEMBERS_MAX];
    const uint32_t leader = sim_liveness_leader(world, members);
    const px_ballot ballot = world->nodes[leader]->node->view.leader;
    note_runs(world, runs);
    sim_world_run_until(world, world->now_us + STABLE_US);
    if (has_met_rot(world, runs)) {
        must(world, sim_liveness_bound_us(world), has_one, "a leader, still, when a node has met rot");
        return;
    }
    const uint32_t now = sim_liveness_leader(world, members);
    sim_check(world, now == leader && px_ballot_equal(world->nodes[now]->node->view.leader, ballot),
              "stable leader", "the leader of ballot %llu made way, and nothing was broken",
              (unsigned long long)ballot.number);
}

static void check_chains(sim_world *world)
{
    px_core_view first;
    px_core_look(world->nodes[0]->node->core, &first);
    for (uint32_t place = 1; place < world->options.node_count; place++) {
        px_core_view view;
        px_core_look(world->nodes[place]->node->core, &view);
        sim_check(world,
                  view.state.chosen == first.state.chosen &&
                      px_hash_equal(view.state.chosen_chain, first.state.chosen_chain),
                  "convergence", "%s and %s end with different chains at slots %llu and %llu",
                  world->nodes[0]->name, world->nodes[place]->name, (unsigned long long)first.state.chosen,
                  (unsigned long long)view.state.chosen);
    }
}

void sim_liveness_check(sim_world *world)
{
    must(world, LINKS_US, all_linked, "every node linked to every other");
    /* What went off when a way was slow holds back what follows it in the same stream. */
    sim_world_run_until(world, sim_net_arrived_us(world->net));
    /* What a fault has begun may still end after it: a leader that was not heard steps down at the end of its
     * round, a hand-over that was asked for takes place. Within the bound that must be over. */
    const uint64_t settled_us = world->now_us + sim_liveness_bound_us(world);
    must(world, sim_liveness_bound_us(world), has_leader, "one leader for all");
    sim_world_run_until(world, settled_us);
    must(world, sim_liveness_bound_us(world), has_leader, "one leader for all, still");
    check_stable(world, has_leader, (1u << world->options.node_count) - 1);
    world->faults->work.is_stopped = true;
    must(world, DRAIN_US, all_idle, "everything pushed is chosen");
    must(world, CONVERGE_US, all_same, "all nodes have delivered the same");
    sim_check_converged(world);
    check_chains(world);
}

/* ---- a majority alone ---- */

static bool is_in_core(const sim_world *world, uint32_t place)
{
    return world->faults->core >> place & 1;
}

static bool is_core_linked(sim_world *world)
{
    for (uint32_t one = 0; one < world->options.node_count; one++) {
        if (!is_in_core(world, one)) continue;
        const px_node *node = world->nodes[one]->node;
        if (!node) return false;
        for (uint32_t other = 0; other < world->options.node_count; other++) {
            if (other == one || !is_in_core(world, other)) continue;
            const bool is_cut = sim_net_path(world->net, one, other)->is_cut;
            if (!is_cut && !node->members[other].is_linked) return false;
        }
    }
    return true;
}

static bool has_core_leader(sim_world *world)
{
    return sim_liveness_leader(world, world->faults->core) < PX_MEMBERS_MAX;
}

static bool has_chosen_more(sim_world *world)
{
    return sim_check_chosen(world) > world->faults->chosen_before;
}

static bool is_core_idle(sim_world *world)
{
    uint32_t leaderless;
    if (leader_of(world, world->faults->core, &leaderless) == PX_MEMBERS_MAX) return false;
    for (uint32_t place = 0; place < world->options.node_count; place++) {
        const bool waits = !(leaderless & 1u << place) && !sim_app_is_idle(&world->nodes[place]->app);
        if (is_in_core(world, place) && waits) return false;
    }
    return true;
}

static void push_in_core(sim_world *world)
{
    for (uint32_t place = 0; place < world->options.node_count; place++)
        if (is_in_core(world, place)) sim_app_push(&world->nodes[place]->app, 1);
}

/* A leader that only voters with hung disks keep from stepping down notices by what it cannot choose, and
 * makes way after that long. [R13] */
static void let_stall(sim_world *world)
{
    bool is_any_hung = false;
    for (uint32_t place = 0; place < world->options.node_count; place++)
        if (world->nodes[place]->disk.hung_until_us == UINT64_MAX) is_any_hung = true;
    if (!is_any_hung) return;
    push_in_core(world);
    const uint64_t rounds = PX_ROUNDS_STALLED + 2 * PX_ROUNDS_ELECTION;
    sim_world_run_until(world, world->now_us + rounds * world->options.heartbeat_us * 11 / 10);
}

void sim_liveness_check_core(sim_world *world)
{
    const uint64_t bound_us = sim_liveness_bound_us(world);
    must(world, LINKS_US, is_core_linked, "a healed majority linked as its paths allow");
    sim_world_run_until(world, sim_net_arrived_us(world->net));
    let_stall(world);
    const uint64_t settled_us = world->now_us + bound_us;
    must(world, bound_us, has_core_leader, "one leader for the healed majority");
    world->faults->chosen_before = sim_check_chosen(world);
    push_in_core(world);
    must(world, bound_us, has_chosen_more, "progress of the healed majority");
    sim_world_run_until(world, settled_us);
    must(world, bound_us, has_core_leader, "one leader for the healed majority, still");
    check_stable(world, has_core_leader, world->faults->core);
    world->faults->work.is_stopped = true;
    must(world, DRAIN_US, is_core_idle, "what the healed majority pushed is chosen");
    world->faults->work.is_stopped = false;
}
