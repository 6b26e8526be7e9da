/* directed.c - the scenarios that move single messages. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/directed.h"

#include "node/node_priv.h"
#include "paxos/core_priv.h"
#include "sim/check_protocol.h"
#include "sim/checks.h"
#include "sim/faults.h"
#include "sim/liveness.h"
#include "sim/sim_net.h"
#include "sim/sim_node.h"

/* Places, and masks of them. */
enum { A, B, C, D, E };
#define MASK(place) (1u << (place))
#define ALL 0xffu

#define STEP_US 50u
#define WAIT_US (5 * SIM_SECOND)

/* Lets events happen until it is so; that it comes is part of the scenario. */
#define until(world, condition)                                                                    \
    do {                                                                                           \
        const uint64_t end_us = (world)->now_us + WAIT_US;                                         \
        while (!(condition)) {                                                                     \
            sim_check(world, (world)->now_us < end_us, "scenario", "not reached: %s", #condition); \
            sim_world_run_until(world, (world)->now_us + STEP_US);                                 \
        }                                                                                          \
    } while (0)

static void wait_ms(sim_world *world, uint64_t ms)
{
    sim_world_run_until(world, world->now_us + ms * SIM_MS);
}

/* ---- looking ---- */

static const px_node *node_at(const sim_world *world, uint32_t place)
{
    return world->nodes[place]->node;
}

static const px_core *core_at(const sim_world *world, uint32_t place)
{
    return world->nodes[place]->node->core;
}

static bool leads(const sim_world *world, uint32_t place)
{
    const px_node *node = node_at(world, place);
    return node && node->view.role == PX_ROLE_LEADER && node->view.adopted;
}

static uint64_t number_of(const sim_world *world, uint32_t place)
{
    return core_at(world, place)->promised.number;
}

static uint64_t taken_of(const sim_world *world, uint32_t place)
{
    return core_at(world, place)->slots.taken;
}

static uint64_t chosen_of(const sim_world *world, uint32_t place)
{
    return core_at(world, place)->slots.chosen;
}

static bool are_linked(const sim_world *world, uint32_t a, uint32_t b)
{
    const px_node *one = node_at(world, a), *other = node_at(world, b);
    return one && other && one->members[b].is_linked && other->members[a].is_linked;
}

static sim_writer *writer_of(const sim_world *world, uint32_t place)
{
    return &world->checks->writers[world->nodes[place]->app.intakes[0].writer];
}

static bool all_told(const sim_world *world, uint32_t place)
{
    const sim_writer *writer = writer_of(world, place);
    return writer->acknowledged == writer->pushed;
}

/* ---- doing ---- */

static void push(sim_world *world, uint32_t place, uint64_t count)
{
    sim_app_push(&world->nodes[place]->app, count);
}

static void ask_barrier(sim_world *world, uint32_t place)
{
    sim_app_ask(&world->nodes[place]->app);
}

static void hold(sim_world *world, uint32_t from, uint32_t to, px_message_kind kind)
{
    sim_net_rule(world->net, (sim_rule){from, to, PX_WIRE_CORE, kind, SIM_HOLD});
}

static void hold_wire(sim_world *world, uint32_t from, uint32_t to, px_wire_kind kind)
{
    sim_net_rule(world->net, (sim_rule){from, to, kind, 0, SIM_HOLD});
}

static void drop(sim_world *world, uint32_t from, uint32_t to, px_message_kind kind)
{
    sim_net_rule(world->net, (sim_rule){from, to, kind ? PX_WIRE_CORE : PX_WIRE_UNKNOWN, kind, SIM_DROP});
}

static void drop_wire(sim_world *world, uint32_t from, uint32_t to, px_wire_kind kind)
{
    sim_net_rule(world->net, (sim_rule){from, to, kind, 0, SIM_DROP});
}

/* Nothing passes between the two sides. */
static void part(sim_world *world, uint32_t side, uint32_t other)
{
    drop(world, side, other, 0);
    drop(world, other, side, 0);
}

static void clear(sim_world *world)
{
    sim_net_clear_rules(world->net);
}

static void hand_over(sim_world *world, uint32_t from, uint32_t to)
{
    if (!sim_node_enter(world, from)) return;
    px_node_hand_over(world->nodes[from]->node, to);
    sim_node_leave(world, from);
}

static void make_leader(sim_world *world, uint32_t place)
{
    const uint32_t members = (1u << world->options.node_count) - 1;
    for (unsigned attempt = 0; attempt < 10 && !leads(world, place); attempt++) {
        until(world, sim_liveness_leader(world, members) < PX_MEMBERS_MAX);
        hand_over(world, sim_liveness_leader(world, members), place);
        wait_ms(world, 50);
    }
    until(world, sim_liveness_leader(world, members) == place);
    wait_ms(world, 500); /* rounds enough for all to be served by it */
}

/* ---- [R4] the longest log is not the one ---- */

/* A leads on alone and makes many slots that nobody gets; B and C choose few others meanwhile. */
static void lead_in_vain(sim_world *world)
{
    drop(world, MASK(A), ALL, PX_MESSAGE_ACCEPT);
    drop(world, MASK(A), ALL, PX_MESSAGE_SYNC);
    const uint64_t before = taken_of(world, A);
    for (unsigned i = 0; i < 30; i++) {
        push(world, A, 1);
        wait_ms(world, 2);
    }
    until(world, taken_of(world, A) >= before + 20);
    wait_ms(world, 250); /* and says so in its answers */
    clear(world);
    part(world, MASK(A), ALL);
    until(world, leads(world, B) || leads(world, C));
    const uint32_t leader = leads(world, B) ? B : C;
    push(world, leader, 1);
    until(world, all_told(world, leader) && chosen_of(world, B) == chosen_of(world, C));
    sim_check(world, taken_of(world, leader) < taken_of(world, A), "scenario", "its log is not the longest");
}

static void longest_log(sim_world *world)
{
    lead_in_vain(world);
    const uint32_t old = leads(world, B) ? B : C;
    clear(world);
    part(world, MASK(old), ALL);
    drop(world, ALL, ALL, PX_MESSAGE_PIECE); /* or A's log would be cut before it counts */
    until(world, leads(world, A) || leads(world, B + C - old));
}

/* ---- [R9] a cut under the old ballot is counted ---- */

static void cut_by_pieces(sim_world *world)
{
    lead_in_vain(world);
    const uint32_t leader = leads(world, B) ? B : C, relay = B + C - leader;
    clear(world);
    part(world, MASK(A), MASK(leader));
    hold(world, MASK(relay), MASK(A), PX_MESSAGE_PREPARE);
    const uint64_t chosen = chosen_of(world, relay);
    until(world, chosen_of(world, A) >= chosen && taken_of(world, A) == chosen);
    wait_ms(world, 20); /* on its disk */
    sim_node_crash(world, A, true);
    sim_node_start(world, A);
    wait_ms(world, 50);
}

/* ---- [R5] what was synchronised once is synchronised again, late ---- */

static void stale_sync(sim_world *world)
{
    /* A new leader synchronises everybody; its first message to C is late. */
    hold(world, MASK(B), MASK(C), PX_MESSAGE_SYNC);
    hand_over(world, A, B);
    until(world, sim_net_held(world->net, MASK(B), MASK(C), PX_WIRE_CORE, PX_MESSAGE_SYNC) == 1);
    clear(world);
    until(world, leads(world, B) && px_ballot_equal(core_at(world, C)->accepted, core_at(world, B)->ballot));
    wait_ms(world, 500);
    /* C accepts a slot, and does not hear that it is chosen; A does not get it. */
    const uint64_t before = taken_of(world, C);
    drop(world, MASK(B), MASK(A), PX_MESSAGE_ACCEPT);
    drop(world, MASK(B), ALL, PX_MESSAGE_CHOSEN);
    drop(world, ALL, MASK(C), PX_MESSAGE_HEARTBEAT);
    drop(world, ALL, MASK(C), PX_MESSAGE_HEARD);
    push(world, B, 1);
    until(world, chosen_of(world, B) == before + 1);
    sim_check(world, chosen_of(world, C) == before, "scenario", "C knows it chosen");
    sim_net_release(world->net, MASK(B), MASK(C));
    wait_ms(world, 5);
    clear(world);
    part(world, MASK(B), ALL);
    until(world, leads(world, A) || leads(world, C));
}

/* ---- [R5] a synchronisation is whole or absent ---- */

/* B leads, and has a slot chosen that A has and C has not; A does not hear that it is chosen. */
static void choose_without(sim_world *world)
{
    const uint32_t others = MASK(A) | MASK(C);
    drop(world, MASK(B), MASK(C), PX_MESSAGE_ACCEPT);
    drop(world, MASK(B), MASK(C), PX_MESSAGE_SYNC);
    drop(world, MASK(B), others, PX_MESSAGE_CHOSEN);
    drop(world, ALL, others, PX_MESSAGE_HEARTBEAT);
    drop(world, ALL, others, PX_MESSAGE_HEARD);
    push(world, B, 100);
    until(world, all_told(world, B));
    sim_check(world, taken_of(world, C) < taken_of(world, B) && chosen_of(world, A) < taken_of(world, A),
              "scenario", "the others have or know more than they should");
}

/* It leads again, and loses everybody while it synchronises C, which loses its power then. */
static void torn_sync(sim_world *world)
{
    for (unsigned attempt = 0; attempt < 12; attempt++) {
        make_leader(world, B);
        until(world, are_linked(world, A, B) && are_linked(world, B, C) && are_linked(world, A, C));
        choose_without(world);
        clear(world);
        drop(world, MASK(B), MASK(A), PX_MESSAGE_SYNC);
        drop(world, MASK(B), MASK(A), PX_MESSAGE_CHOSEN);
        drop(world, MASK(B), MASK(C), PX_MESSAGE_CHOSEN);
        drop(world, ALL, MASK(A) | MASK(C), PX_MESSAGE_HEARD);
        drop(world, MASK(B), MASK(A), PX_MESSAGE_HEARTBEAT);
        const uint64_t number = number_of(world, B);
        sim_trap_set(world, C, (sim_trap){.kind = SIM_TRAP_SPLICING, .down_us = 20 * SIM_MS});
        px_core *core = world->nodes[B]->node->core;
        core->disk = PX_DISK_OVERDUE; /* it steps down, and campaigns when that is over */
        until(world, core->phase == PX_PHASE_FOLLOWER);
        core->disk = PX_DISK_WELL;
        until(world, world->nodes[C]->trap.kind == SIM_TRAP_NONE);
        sim_check(world, number_of(world, B) > number, "scenario", "B leads the same ballot");
        clear(world);
        part(world, MASK(B), ALL);
        until(world, node_at(world, C));
        until(world, leads(world, A) || leads(world, C));
        clear(world);
        wait_ms(world, 300);
    }
}

/* ---- [R3] a promise states what is not synced, too ---- */

static void promise_while_writing(sim_world *world)
{
    /* C campaigns when nobody is served, and its question to B stays under way. */
    hold(world, MASK(C), MASK(B), PX_MESSAGE_PREPARE);
    drop(world, MASK(C), MASK(A), 0);
    drop(world, MASK(A), MASK(C), 0);
    drop(world, ALL, MASK(B), PX_MESSAGE_HEARD);
    until(world, core_at(world, C)->phase == PX_PHASE_PREPARING);
    drop(world, ALL, MASK(C), PX_MESSAGE_HEARD); /* or it would campaign anew */
    until(world, sim_net_held(world->net, MASK(C), MASK(B), PX_WIRE_CORE, PX_MESSAGE_PREPARE) > 0);
    clear(world);
    part(world, MASK(C), MASK(A) | MASK(B));
    sim_check(world, leads(world, A), "scenario", "A leads no longer");
    wait_ms(world, 300);
    sim_check(world, leads(world, A), "scenario", "A leads no longer");
    /* B takes a slot of A; while that is on its way to disk, C's question comes. */
    sim_disk *disk = &world->nodes[B]->disk;
    disk->sync_us = 120 * SIM_MS;
    disk->sync_jitter_us = 0;
    const uint64_t before = taken_of(world, B);
    push(world, A, 1);
    until(world, taken_of(world, B) == before + 1);
    sim_net_release(world->net, MASK(C), MASK(B));
    until(world, core_at(world, B)->promised.node == C);
    sim_check(world, core_at(world, B)->tickets.durable.length == before, "scenario", "it is synced already");
    until(world, chosen_of(world, A) == before + 1); /* B's answers count until its promise is synced */
    sim_check(world, core_at(world, B)->tickets.durable.promised.node == A, "scenario", "it has promised");
    clear(world);
    part(world, MASK(A), ALL);
    drop(world, ALL, MASK(C), PX_MESSAGE_HEARD); /* or it would campaign anew */
    sim_disk_calm(disk, 300);
    until(world, leads(world, C) || leads(world, B));
}

/* ---- [R7] barriers ---- */

/* A goes on leading while B and C no longer hear that it does; its probe's answers stay under way. Then one of
 * them leads, which A cannot know. Returns the new leader. */
static uint32_t depose_unheard(sim_world *world, uint32_t asker)
{
    hold(world, ALL, MASK(A), PX_MESSAGE_PROBED);
    drop(world, ALL, MASK(A), PX_MESSAGE_PREPARE);
    drop(world, MASK(A), ALL, PX_MESSAGE_HEARD);
    ask_barrier(world, asker);
    until(world, sim_net_held(world->net, MASK(C), MASK(A), PX_WIRE_CORE, PX_MESSAGE_PROBED) > 0);
    until(world,
          core_at(world, B)->phase != PX_PHASE_FOLLOWER || core_at(world, C)->phase != PX_PHASE_FOLLOWER);
    drop(world, ALL, MASK(A), 0);
    until(world, leads(world, B) || leads(world, C));
    const uint32_t leader = leads(world, B) ? B : C;
    push(world, leader, 1);
    until(world, all_told(world, leader));
    sim_check(world, leads(world, A), "scenario", "A leads no longer");
    return leader;
}

static void barrier_behind_probe(sim_world *world)
{
    (void)depose_unheard(world, B);
    ask_barrier(world, A);
    wait_ms(world, 1);
    sim_check(world,
              core_at(world, A)->barrier_end > core_at(world, A)->barrier_probe_end ||
                  PX_MUTANT("r7_probe_serves_later_barriers"),
              "scenario", "A does not wait for a probe");
    sim_net_release(world->net, ALL, MASK(A));
    wait_ms(world, 5);
}

/* B asked in the run before; the answer comes to this run, which asks, too. */
static void barrier_of_a_former_run(sim_world *world)
{
    hold(world, MASK(C), MASK(A), PX_MESSAGE_PROBED);
    drop(world, MASK(B), MASK(A), PX_MESSAGE_PROBED);
    ask_barrier(world, B);
    until(world, sim_net_held(world->net, MASK(C), MASK(A), PX_WIRE_CORE, PX_MESSAGE_PROBED) > 0);
    sim_node_crash(world, B, true);
    sim_node_start(world, B);
    until(world, are_linked(world, A, B) && are_linked(world, B, C));
    /* Now B and C lose A, which does not lose them. */
    drop(world, ALL, MASK(A), PX_MESSAGE_PREPARE);
    drop(world, ALL, MASK(A), PX_MESSAGE_PROBED);
    drop(world, MASK(A), ALL, PX_MESSAGE_HEARD);
    until(world,
          core_at(world, B)->phase != PX_PHASE_FOLLOWER || core_at(world, C)->phase != PX_PHASE_FOLLOWER);
    drop(world, ALL, MASK(A), 0);
    until(world, leads(world, B) || leads(world, C));
    const uint32_t leader = leads(world, B) ? B : C;
    push(world, leader, 1);
    until(world, all_told(world, leader));
    sim_check(world, leads(world, A), "scenario", "A leads no longer");
    /* The new leader's answer stays away. */
    drop(world, MASK(B), MASK(C), PX_MESSAGE_PROBED);
    drop(world, MASK(C), MASK(B), PX_MESSAGE_PROBED);
    ask_barrier(world, B);
    wait_ms(world, 1);
    sim_check(world, node_at(world, B)->barrier_flying_id != 0, "scenario", "B does not ask");
    sim_net_release(world->net, MASK(C), MASK(A));
    wait_ms(world, 5);
}

/* ---- [R8] of two connections of a node the later one stays ---- */

static void late_hello(sim_world *world)
{
    const uint64_t before = node_at(world, A)->members[B].connection;
    sim_net_make_late(world->net, B, A, 800 * SIM_MS);
    sim_net_break(world->net, B, A);
    until(world, are_linked(world, A, B) && node_at(world, A)->members[B].connection > before);
    sim_check(world, node_at(world, A)->members[B].connection > before + 1, "scenario", "none was late");
    wait_ms(world, 1500);
}

/* ---- [R11] a forward is for one ballot ---- */

static void late_forward(sim_world *world)
{
    hold_wire(world, MASK(B), ALL, PX_WIRE_FORWARD);
    push(world, B, 1);
    until(world, sim_net_held(world->net, MASK(B), MASK(A), PX_WIRE_FORWARD, 0) == 1);
    clear(world);
    drop_wire(world, MASK(B), ALL, PX_WIRE_FORWARD);
    const uint64_t number = number_of(world, A);
    make_leader(world, C);
    make_leader(world, A);
    sim_check(world, number_of(world, A) > number, "scenario", "it still is the same ballot");
    sim_net_release(world->net, MASK(B), MASK(A));
    wait_ms(world, 100);
    sim_check(world, writer_of(world, B)->acknowledged < writer_of(world, B)->pushed, "forward rule",
              "ballot %llu took what had been forwarded under ballot %llu",
              (unsigned long long)number_of(world, A), (unsigned long long)number);
    clear(world);
    until(world, all_told(world, B));
}

/* ---- [R14] elections ---- */

/* C has promised more than the leader's ballot, and nobody serves it. */
static void unserved_above(sim_world *world)
{
    drop(world, MASK(C), ALL, 0);
    hand_over(world, A, C);
    until(world, core_at(world, C)->phase == PX_PHASE_PREPARING);
    until(world, core_at(world, C)->has_own_promise);
    drop(world, ALL, MASK(C), 0);
    sim_node_crash(world, C, true);
    drop(world, ALL, MASK(B), PX_MESSAGE_HEARD); /* only A campaigns, with the next number after its own */
    until(world, leads(world, A));
    clear(world);
    sim_node_start(world, C);
    sim_check(world, px_ballot_less(core_at(world, A)->ballot, core_at(world, C)->promised), "scenario",
              "C has not promised more than %llu", (unsigned long long)number_of(world, A));
}

/* D is the only one to reach a majority, and knows nothing of the many ballots of the others. */
static void high_numbers(sim_world *world)
{
    part(world, MASK(D), ALL);
    for (unsigned i = 0; i < 15; i++) {
        const uint32_t from = i % 3, to = (i + 1) % 3;
        until(world, leads(world, from));
        hand_over(world, from, to);
        until(world, leads(world, to));
        until(world, core_at(world, to)->peers[from].accepted_length == taken_of(world, to));
        until(world, core_at(world, to)->peers[(to + 1) % 3].accepted_length == taken_of(world, to));
        wait_ms(world, 200);
    }
    part(world, ALL, ALL);
    wait_ms(world, 500); /* nobody leads any more */
    clear(world);
    const uint32_t others = MASK(A) | MASK(B) | MASK(C) | MASK(E);
    for (uint32_t place = A; place <= E; place++)
        if (place != D) part(world, MASK(place), others & ~MASK(place));
    sim_world_run_until(world, world->now_us + sim_liveness_bound_us(world));
    sim_check(world, leads(world, D), "liveness", "the only node that reaches a majority does not lead");
    const uint64_t number = number_of(world, D);
    wait_ms(world, 2000);
    sim_check(world, leads(world, D) && number_of(world, D) == number, "stable leader",
              "the only node that reaches a majority does not lead on");
}

/* ---- running ---- */

static const sim_directed table[] = {
    {"longest-log", 3, longest_log},
    {"cut-by-pieces", 3, cut_by_pieces},
    {"stale-sync", 3, stale_sync},
    {"torn-sync", 3, torn_sync},
    {"promise-while-writing", 3, promise_while_writing},
    {"barrier-behind-probe", 3, barrier_behind_probe},
    {"barrier-of-a-former-run", 3, barrier_of_a_former_run},
    {"late-hello", 3, late_hello},
    {"late-forward", 3, late_forward},
    {"unserved-above", 3, unserved_above},
    {"high-numbers", 5, high_numbers},
};

const sim_directed *sim_directed_at(uint32_t place)
{
    return place < sizeof table / sizeof *table ? &table[place] : NULL;
}

void sim_directed_run(sim_world *world, const sim_directed *directed)
{
    make_leader(world, A);
    sim_trace(world, "run  %s begins", directed->name);
    directed->run(world);
    sim_trace(world, "run  %s is over", directed->name);
    clear(world);
    wait_ms(world, 300); /* what was kept from a leader may cost it its lead only now */
}
