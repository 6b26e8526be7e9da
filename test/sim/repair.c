/* repair.c - logs that rotted, and how they become whole again: R16. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/directed.h"

#include "sim/script.h"
#include "wal/wal_priv.h"

/* ---- rot ---- */

static bool has_slot(const px_record_header *header, uint64_t slot)
{
    return header->after < slot && slot <= header->after + header->count;
}

typedef enum { HEADER, PAYLOAD } part_of_record;

/* Every record on its disk that has the slot, and no other, is bad from now on. Its node is down. */
static void rot(sim_world *world, uint32_t place, uint64_t slot, part_of_record part)
{
    sim_disk *disk = &world->nodes[place]->disk;
    uint32_t spoilt = 0;
    fake_disk_sync(disk->fake); /* the mark, too */
    for (uint64_t segment = 1;; segment++) {
        char name[PX_FILE_NAME_BYTES];
        uint64_t size_bytes = 0;
        px_segment_name(segment, name);
        const uint8_t *bytes = fake_disk_stable(disk->fake, name, &size_bytes);
        if (!bytes) break;
        for (uint64_t at = 0; at + PX_RECORD_HEADER_BYTES <= size_bytes; at += 8) {
            px_record_header header;
            if (px_record_decode_header(bytes + at, &header) || header.place.offset != at) continue;
            if (header.count != 1 || !has_slot(&header, slot)) continue;
            fake_disk_flip(disk->fake, name, at + (part == HEADER ? 40 : PX_RECORD_HEADER_BYTES + 30), 4);
            spoilt++;
        }
    }
    sim_check(world, spoilt > 0, "scenario", "slot %llu is no record of its own at %s",
              (unsigned long long)slot, world->nodes[place]->name);
    disk->is_hurt = true;
    sim_trace(world, "faults  slot %llu of %u rots", (unsigned long long)slot, place + 1);
}

static bool is_faulty(const sim_world *world, uint32_t place)
{
    return node_at(world, place) && px_repair_is_faulty(core_at(world, place));
}

static bool has_leader(const sim_world *world)
{
    return leads(world, A) || leads(world, B) || leads(world, C);
}

/* Messages of `place`, each in a slot of its own. */
static void write_singly(sim_world *world, uint32_t place, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        push(world, place, 1);
        until(world, all_told(world, place));
    }
}

static void start_all(sim_world *world)
{
    for (uint32_t place = A; place <= C; place++) sim_node_start(world, place);
}

static void crash_all(sim_world *world)
{
    for (uint32_t place = A; place <= C; place++) sim_node_crash(world, place, true);
}

/* ---- the helix ---- */

#define TURN 5u /* slots of one node that are sound, one behind the other */

/* Each node is damaged, each slot sound on one of them only: everything comes back. */
static void helix(sim_world *world)
{
    const uint64_t first = taken_of(world, A) + 1;
    write_singly(world, A, 3 * 4 * TURN);
    const uint64_t last = taken_of(world, A);
    until(world, chosen_of(world, B) == last && chosen_of(world, C) == last);
    crash_all(world);
    for (uint32_t place = A; place <= C; place++)
        for (uint64_t slot = first; slot <= last; slot++)
            if (slot / TURN % 3 != place) rot(world, place, slot, slot % 2 ? HEADER : PAYLOAD);
    start_all(world);
    for (uint32_t place = A; place <= C; place++)
        sim_check(world, is_faulty(world, place), "scenario", "%u is not damaged", place + 1);
    until(world, !is_faulty(world, A) && !is_faulty(world, B) && !is_faulty(world, C));
    until(world, has_leader(world));
    sim_check(world, taken_of(world, A) >= last, "scenario", "slots are gone");
}

/* ---- the leader dies beside a damaged log ---- */

/* A leads; chosen are slots that those of `without` have not got. Returns the last slot that all have. */
static uint64_t choose_without(sim_world *world, uint32_t without)
{
    write_singly(world, A, 10);
    for (uint32_t place = B; place < world->options.node_count; place++)
        until(world, chosen_of(world, place) == taken_of(world, A));
    const uint64_t common = taken_of(world, A);
    drop(world, MASK(A), without, PX_MESSAGE_ACCEPT);
    drop(world, MASK(A), without, PX_MESSAGE_SYNC);
    drop(world, ALL, without, PX_MESSAGE_PIECE);
    write_singly(world, A, 10);
    until(world, taken_of(world, C) == common + 10);
    sim_check(world, taken_of(world, B) == common && taken_of(world, A) == common + 10, "scenario",
              "B has what it should not");
    return common;
}

/* B and C are up, and C's log, which has chosen slots that B has not got, is damaged where B has it. Until it
 * is mended nobody leads. */
static void rot_while_the_leader_dies(sim_world *world)
{
    const uint64_t common = choose_without(world, MASK(B)), last = taken_of(world, C);
    sim_node_crash(world, A, true);
    sim_node_crash(world, C, true);
    rot(world, C, common - 3, PAYLOAD);
    clear(world);
    drop(world, MASK(B), MASK(C), PX_MESSAGE_PIECE);
    drop(world, MASK(B), MASK(C), PX_MESSAGE_MENDED);
    sim_node_start(world, C);
    wait_ms(world, 3000);
    sim_check(world, is_faulty(world, C) && !has_leader(world), "scenario", "a damaged log was passed over");
    clear(world);
    until(world, !is_faulty(world, C) && has_leader(world));
    until(world, chosen_of(world, B) >= last && chosen_of(world, C) >= last);
}

/* B adopts C's log, which rots before it is sent: what is left is not what C promised, and D has all. */
static void rot_behind_a_promise(sim_world *world)
{
    const uint32_t voters = MASK(C) | MASK(D) | MASK(E);
    const uint64_t common = choose_without(world, MASK(B) | MASK(E));
    sim_node_crash(world, A, true);
    clear(world);
    drop(world, ALL, MASK(B), PX_MESSAGE_PIECE);
    drop(world, ALL, voters, PX_MESSAGE_HEARD); /* they do not campaign */
    drop(world, MASK(D), MASK(B), PX_MESSAGE_PROMISE);
    hold(world, MASK(C), MASK(B), PX_MESSAGE_TAIL);
    until(world, core_at(world, B)->phase == PX_PHASE_ADOPTING);
    sim_check(world, core_at(world, B)->source == C, "scenario", "B does not adopt C's log");
    world->nodes[B]->node->core->adopt_patience = 20; /* it still asks when C is back */
    sim_node_crash(world, C, true);
    rot(world, C, common + 3, PAYLOAD);
    clear(world);
    drop(world, ALL, MASK(B), PX_MESSAGE_PIECE);
    drop(world, ALL, voters, PX_MESSAGE_HEARD);
    sim_node_start(world, C);
    until(world, are_linked(world, B, C));
    sim_check(world, core_at(world, B)->phase == PX_PHASE_ADOPTING || leads(world, B), "scenario",
              "B adopts no longer");
    until(world, leads(world, B));
}

/* What is left of C's log says less than its small state: nobody knows how long it was. */
static void rot_in_the_last_group(sim_world *world)
{
    drop(world, MASK(C), MASK(B), 0); /* B remembers nothing of it */
    const uint64_t common = choose_without(world, MASK(B)), last = taken_of(world, C);
    const uint64_t number = number_of(world, C);
    drop(world, MASK(A), MASK(B), 0);
    drop(world, MASK(A), MASK(C), PX_MESSAGE_SYNC);
    drop(world, ALL, MASK(C), PX_MESSAGE_HEARD); /* C does not campaign */
    px_core *core = world->nodes[A]->node->core;
    core->disk = PX_DISK_OVERDUE; /* it steps down, and campaigns when that is over */
    until(world, core->phase == PX_PHASE_FOLLOWER);
    core->disk = PX_DISK_WELL;
    until(world, core_at(world, C)->tickets.durable.promised.number > number);
    sim_node_crash(world, A, true);
    sim_node_crash(world, C, true);
    for (uint64_t slot = common + 1; slot <= last; slot++) rot(world, C, slot, HEADER);
    fake_disk_remove(world->nodes[C]->disk.fake, "mark");
    clear(world);
    sim_node_start(world, C);
    sim_check(world, core_at(world, C)->claim.is_unsure, "scenario", "C is sure of its log");
    until(world, are_linked(world, B, C));
    wait_ms(world, 3000);
    sim_check(world, !has_leader(world), "scenario", "who does not know its log has promised");
    sim_node_start(world, A);
    until(world, !is_faulty(world, C) && has_leader(world));
}

/* The claims on its disk are bad from now on. Its node is down. */
static void rot_claims(sim_world *world, uint32_t place)
{
    sim_disk *disk = &world->nodes[place]->disk;
    for (uint64_t segment = 2;; segment++) {
        char name[PX_FILE_NAME_BYTES];
        uint64_t size_bytes = 0;
        px_record_header header;
        px_segment_name(segment, name);
        const uint8_t *bytes = fake_disk_stable(disk->fake, name, &size_bytes);
        if (!bytes) return;
        if (!px_record_decode_header(bytes, &header) && header.kind == PX_RECORD_CLAIM)
            fake_disk_flip(disk->fake, name, 40, 4);
    }
}

/* C's log was damaged and mended, and the record that says so is lost. The doubt ends under the leader of its
 * ballot, who has nothing new for it; and after a power cut that leader, who is the only one besides C, needs
 * its promise. */
static void doubt_under_its_leader(sim_world *world)
{
    make_leader(world, A);
    write_singly(world, A, 10);
    const uint64_t last = taken_of(world, A), number = number_of(world, A);
    until(world, chosen_of(world, C) == last);
    sim_node_crash(world, C, true);
    rot(world, C, last - 3, HEADER);
    sim_node_start(world, C);
    until(world, !is_faulty(world, C) && chosen_of(world, C) >= last);
    write_singly(world, A, 3);
    const uint64_t end = taken_of(world, A);
    until(world, chosen_of(world, C) >= end);
    sim_node_crash(world, C, true);
    rot_claims(world, C);
    fake_disk_remove(world->nodes[C]->disk.fake, "mark");
    drop(world, MASK(A), MASK(C), PX_MESSAGE_SYNC); /* what it lacks comes as chosen slots */
    sim_node_start(world, C);
    sim_check(world, core_at(world, C)->claim.is_unsure, "scenario", "C is sure of its log");
    until(world, chosen_of(world, C) >= end);
    wait_ms(world, 1000);
    sim_check(world, core_at(world, C)->claim.is_unsure, "scenario", "C is sure by itself");
    clear(world);
    until(world, !is_faulty(world, C));
    wait_ms(world, 100);
    sim_check(world, leads(world, A) && number_of(world, A) == number, "scenario", "the leader changed");
    crash_all(world);
    sim_node_start(world, A);
    sim_node_start(world, C);
    until(world, has_leader(world) && chosen_of(world, C) >= end);
    sim_node_start(world, B);
}

/* ---- another log at the same slot ---- */

/* B has another value than was chosen later, without it, where C's log is damaged. */
static void rot_beside_another_log(sim_world *world)
{
    make_leader(world, B);
    until(world, chosen_of(world, A) == taken_of(world, B) && chosen_of(world, C) == taken_of(world, B));
    const uint64_t slot = taken_of(world, B) + 1;
    drop(world, MASK(B), ALL, PX_MESSAGE_ACCEPT);
    drop(world, MASK(B), ALL, PX_MESSAGE_SYNC);
    push(world, B, 1);
    until(world, core_at(world, B)->tickets.durable.length == slot);
    part(world, MASK(B), ALL);
    until(world, leads(world, A) || leads(world, C));
    push(world, C, 1);
    until(world, all_told(world, C));
    until(world, core_at(world, C)->tickets.durable.length >= slot);
    sim_check(world, taken_of(world, C) == slot && taken_of(world, A) == slot, "scenario",
              "there is more than one slot");
    sim_node_crash(world, A, true);
    sim_node_crash(world, C, true);
    rot(world, C, slot, PAYLOAD);
    clear(world);
    sim_node_start(world, C);
    until(world, are_linked(world, B, C));
    wait_ms(world, 3000);
    sim_check(world, is_faulty(world, C) && !has_leader(world), "scenario",
              "a damaged log was mended with what it never had");
    sim_node_start(world, A);
    until(world, !is_faulty(world, C) && has_leader(world));
}

/* ---- two of three are up ---- */

/* A leads alone for a moment, and its tail rots. B has less, and cannot know what was in it: both wait for C,
 * which was down all the time. */
static void rot_in_the_unchosen_tail(sim_world *world)
{
    write_singly(world, A, 10);
    until(world, chosen_of(world, B) == taken_of(world, A) && chosen_of(world, C) == taken_of(world, A));
    const uint64_t before = taken_of(world, A);
    sim_node_crash(world, C, true);
    drop(world, MASK(A), MASK(B), PX_MESSAGE_ACCEPT);
    drop(world, MASK(A), MASK(B), PX_MESSAGE_SYNC);
    for (uint64_t i = 1; i <= 5; i++) {
        push(world, A, 1);
        until(world, core_at(world, A)->tickets.durable.length >= before + i);
    }
    sim_node_crash(world, A, true);
    rot(world, A, before + 3, HEADER);
    clear(world);
    sim_node_start(world, A);
    until(world, are_linked(world, A, B));
    wait_ms(world, 3000);
    sim_check(world, is_faulty(world, A) && !has_leader(world), "scenario", "a damaged log was passed over");
    sim_node_start(world, C);
    until(world, has_leader(world) && !is_faulty(world, A));
}

/* Of four D is down all the time, and A's tail, which nobody else has, rots. B and C are half of the four, so
 * what they have not got was not chosen: they go on. */
static void rot_beside_half_of_four(sim_world *world)
{
    write_singly(world, A, 10);
    const uint64_t before = taken_of(world, A);
    until(world, chosen_of(world, B) == before && chosen_of(world, C) == before);
    sim_node_crash(world, D, true);
    drop(world, MASK(A), ALL, PX_MESSAGE_ACCEPT);
    drop(world, MASK(A), ALL, PX_MESSAGE_SYNC);
    for (uint64_t i = 1; i <= 5; i++) {
        push(world, A, 1);
        until(world, core_at(world, A)->tickets.durable.length >= before + i);
    }
    crash_all(world);
    rot(world, A, before + 3, HEADER);
    clear(world);
    start_all(world);
    sim_check(world, is_faulty(world, A), "scenario", "A is not damaged");
    until(world, !is_faulty(world, A) && has_leader(world));
    push(world, B, 1);
    until(world, all_told(world, B));
    sim_node_start(world, D);
}

/* ---- beside nodes without their small state ---- */

/* Of five two know no longer what they promised, and a third has a damaged log. Its full length is wanted to
 * readmit them: until it is mended they stay without a vote. Then the two that were never hurt may die. */
static void rot_beside_lost_states(sim_world *world)
{
    write_singly(world, A, 10);
    const uint64_t last = taken_of(world, A);
    for (uint32_t place = B; place <= E; place++) until(world, chosen_of(world, place) == last);
    for (uint32_t place = A; place <= C; place++) sim_node_crash(world, place, true);
    lose_state(world, D);
    lose_state(world, E);
    rot(world, C, last - 3, PAYLOAD);
    drop(world, ALL, MASK(C), PX_MESSAGE_PIECE);
    drop(world, ALL, MASK(C), PX_MESSAGE_MENDED);
    hold(world, ALL, MASK(C), PX_MESSAGE_SYNC); /* not asked for: a leader sends it once on each connection */
    for (uint32_t place = A; place <= E; place++) sim_node_start(world, place);
    until(world, are_linked(world, A, D) && are_linked(world, B, E) && are_linked(world, A, C));
    wait_ms(world, 3000);
    sim_check(world, is_faulty(world, C), "scenario", "C is not damaged");
    for (uint32_t place = A; place <= E; place++)
        sim_check(world, configuration_of(world, place) == 0, "voter",
                  "two of five change the configuration");
    sim_check(world, !core_at(world, D)->is_voting && !core_at(world, E)->is_voting, "voter",
              "who does not know what it promised votes");
    clear(world);
    sim_net_release(world->net, ALL, MASK(C));
    until(world, !is_faulty(world, C) && votes_in(world, D, 2) && votes_in(world, E, 2));
    until(world, configuration_of(world, C) == 2);
    sim_node_crash(world, A, true);
    sim_node_crash(world, B, true);
    push(world, C, 3);
    until(world, all_told(world, C));
    sim_node_start(world, A);
    sim_node_start(world, B);
}

/* C starts, and of its reads after `skip` so many fail. Does one? */
static bool start_with_failing_reads(sim_world *world, uint32_t skip, uint32_t count)
{
    sim_disk *disk = &world->nodes[C]->disk;
    sim_node_crash(world, C, true);
    disk->is_hurt = true;
    fake_disk_fail_reads(disk->fake, skip, count);
    sim_node_start(world, C);
    const bool has_failed = fake_disk_forgive_reads(disk->fake);
    until(world, node_at(world, C) && are_linked(world, A, C) && are_linked(world, B, C));
    until(world, votes_in(world, C, 0) && !is_faulty(world, C));
    until(world, chosen_of(world, C) == chosen_of(world, A));
    return has_failed;
}

/* Whichever reads of a start fail, a few or all from there on: the node does not start, and does the next
 * time, or mends what it could not read. Found by seed 1001409, which came to the newest slots, that are
 * read twice. */
static void reads_of_a_start_fail(sim_world *world)
{
    static const uint32_t counts[] = {1, 2, 3, UINT32_MAX};
    make_leader(world, A);
    write_singly(world, A, 20);
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        /* Each that is mended leaves another segment to read: so far and no further. */
        for (uint32_t skip = 0; skip < 24; skip++) {
            const bool has_failed = start_with_failing_reads(world, skip, counts[i]);
            sim_check(world, has_failed, "scenario", "a start reads %u times", skip);
            push(world, C, 1);
            until(world, all_told(world, C));
        }
    }
}

const sim_directed sim_directed_repair[] = {
    {"helix", 3, helix, false},
    {"rot-while-the-leader-dies", 3, rot_while_the_leader_dies, false},
    {"rot-behind-a-promise", 5, rot_behind_a_promise, false},
    {"rot-in-the-last-group", 3, rot_in_the_last_group, false},
    {"doubt-under-its-leader", 3, doubt_under_its_leader, false},
    {"rot-beside-another-log", 3, rot_beside_another_log, false},
    {"rot-in-the-unchosen-tail", 3, rot_in_the_unchosen_tail, false},
    {"rot-beside-half-of-four", 4, rot_beside_half_of_four, false},
    {"rot-beside-lost-states", 5, rot_beside_lost_states, false},
    {"reads-of-a-start-fail", 3, reads_of_a_start_fail, false},
    {NULL, 0, NULL, false},
};
