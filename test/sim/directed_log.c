/* directed_log.c - which log is adopted, cut, kept and called chosen: R3 to R6 and R9, message by message. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/directed.h"

#include "sim/script.h"

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
    const uint64_t storage_id = node_at(world, A)->state.storage_id;
    sim_node_crash(world, A, true);
    sim_node_start(world, A);
    until(world, are_linked(world, A, relay));
    wait_ms(world, 50);
    sim_check(world, node_at(world, A)->state.storage_id == storage_id, "scenario",
              "a shorter log is taken for an older one, though it was cut");
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
    /* B takes a slot of A; while that is on its way to disk, C's question comes: all within two rounds, since
     * then C gives up. */
    sim_disk *disk = &world->nodes[B]->disk;
    disk->sync_us = 30 * SIM_MS;
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

/* ---- [R4] the whole tail is adopted ---- */

/* B has one slot that it does not know chosen, behind one that it does; C has neither, and must lead. */
static void adopt_tail(sim_world *world)
{
    drop(world, MASK(A), MASK(C), 0);
    push(world, A, 1);
    until(world, all_told(world, A) && chosen_of(world, B) == taken_of(world, A));
    drop(world, MASK(A), MASK(B), PX_MESSAGE_CHOSEN);
    drop(world, MASK(A), MASK(B), PX_MESSAGE_HEARTBEAT);
    drop(world, MASK(A), MASK(B), PX_MESSAGE_HEARD);
    drop(world, ALL, MASK(C), PX_MESSAGE_PIECE);
    push(world, A, 1);
    until(world, all_told(world, A));
    sim_check(world,
              chosen_of(world, B) == taken_of(world, B) - 1 && chosen_of(world, C) < chosen_of(world, B),
              "scenario", "B or C knows more than it should");
    clear(world);
    part(world, MASK(A), ALL);
    drop(world, ALL, MASK(C), PX_MESSAGE_PIECE);
    drop(world, ALL, MASK(B), PX_MESSAGE_HEARD); /* B does not campaign */
    until(world, leads(world, C));
}

/* ---- [R6] a chosen index is of the ballot's log ---- */

/* A has another tail than was chosen, and hears how far the log is chosen before it is synchronised. */
static void chosen_before_sync(sim_world *world)
{
    lead_in_vain(world);
    const uint32_t leader = leads(world, B) ? B : C;
    clear(world);
    hold(world, MASK(leader), MASK(A), PX_MESSAGE_SYNC);
    drop(world, ALL, MASK(A), PX_MESSAGE_PIECE);
    drop(world, MASK(leader), MASK(A), PX_MESSAGE_ACCEPT);
    until(world, sim_net_held(world->net, MASK(leader), MASK(A), PX_WIRE_CORE, PX_MESSAGE_SYNC) > 0);
    const uint64_t before = chosen_of(world, A);
    push(world, leader, 1);
    until(world, all_told(world, leader));
    wait_ms(world, 10);
    sim_check(world, chosen_of(world, A) == before, "accept rule", "A takes slot %llu for chosen",
              (unsigned long long)chosen_of(world, A));
}

/* A has another tail, exactly as long as the log behind which the next slot comes. */
static void accept_before_sync(sim_world *world)
{
    lead_in_vain(world);
    const uint32_t leader = leads(world, B) ? B : C;
    clear(world);
    hold(world, MASK(leader), MASK(A), PX_MESSAGE_SYNC);
    drop(world, ALL, MASK(A), PX_MESSAGE_PIECE);
    until(world, sim_net_held(world->net, MASK(leader), MASK(A), PX_WIRE_CORE, PX_MESSAGE_SYNC) > 0);
    const uint64_t length = taken_of(world, A);
    while (taken_of(world, leader) < length + 3) {
        push(world, leader, 1);
        until(world, all_told(world, leader));
        wait_ms(world, 1);
    }
    sim_check(world, taken_of(world, A) == length, "accept rule",
              "A takes a slot of a log that it does not have");
}

/* ---- [R9] catching up without traffic: an idle cluster must bring a node up, too ---- */

static void miss(sim_world *world, uint64_t slots)
{
    sim_node_crash(world, C, true);
    const uint64_t before = taken_of(world, A);
    while (taken_of(world, A) < before + slots) {
        push(world, A, 1);
        until(world, all_told(world, A));
    }
}

static void miss_everything(sim_world *world)
{
    miss(world, 2 * PX_WINDOW_SLOTS);
}

static void idle_catch_up(sim_world *world)
{
    miss_everything(world);
    wait_ms(world, 2000);
    sim_node_start(world, C);
    const uint64_t started_us = world->now_us;
    until(world, node_at(world, C)->delivered_slot == taken_of(world, A));
    sim_check(world, world->now_us < started_us + 3 * SIM_SECOND, "liveness",
              "an idle cluster takes %llu ms to bring a node up",
              (unsigned long long)(world->now_us - started_us) / 1000);
}

/* Its disk is empty: it gets the log, and then its vote. [R19] */
static void idle_empty(sim_world *world)
{
    miss_everything(world);
    sim_disk_empty(&world->nodes[C]->disk);
    sim_check_emptied(world, C);
    world->nodes[C]->app.reader.next = 1;
    wait_ms(world, 2000);
    sim_node_start(world, C);
    until(world, node_at(world, C)->delivered_slot == taken_of(world, A));
    until(world, core_at(world, C)->is_voting);
    sim_check(world, core_at(world, C)->voters.current.number == 1, "voter", "an emptied disk votes");
}

/* Its loop is so slow that more slots come, chosen and synced, before its next turn than it keeps in memory.
 * Found by seed 1002481 of 60 s with three nodes. */
static void catch_up_in_one_turn(sim_world *world)
{
    sim_node *node = world->nodes[C];
    miss(world, PX_TAIL_SLOTS + PX_UNSYNCED_SLOTS_MAX);
    node->disk.sync_us = 3 * SIM_MS; /* so that writes queue, and each begins the next without a turn */
    sim_node_start(world, C);
    until(world, taken_of(world, C) > node_at(world, C)->view.state.durable + 4 * PX_WINDOW_SLOTS &&
                     !node->is_turn_due);
    const uint64_t before = taken_of(world, C);
    node->is_turn_due = true; /* it does not come yet */
    until(world, taken_of(world, C) > before + PX_TAIL_SLOTS);
    sim_check(world, node->is_turn_due, "scenario", "a turn has come");
    node->is_turn_due = false;
    until(world, node_at(world, C)->delivered_slot == taken_of(world, A));
    until(world, node->app.reader.next == world->checks->order_count + 1);
}

const sim_directed sim_directed_log[] = {
    {"longest-log", 3, longest_log, false},
    {"adopt-tail", 3, adopt_tail, false},
    {"cut-by-pieces", 3, cut_by_pieces, false},
    {"stale-sync", 3, stale_sync, false},
    {"torn-sync", 3, torn_sync, false},
    {"promise-while-writing", 3, promise_while_writing, false},
    {"chosen-before-sync", 3, chosen_before_sync, false},
    {"accept-before-sync", 3, accept_before_sync, false},
    {"idle-catch-up", 3, idle_catch_up, false},
    {"idle-empty", 3, idle_empty, false},
    {"catch-up-in-one-turn", 3, catch_up_in_one_turn, false},
    {NULL, 0, NULL, false},
};
