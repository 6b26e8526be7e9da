/* readmission.c - emptied disks, and how their nodes become voters again: R19 and R21. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/directed.h"

#include "sim/script.h"
#include <string.h>

/* Its process is killed and its disk emptied; it starts again. */
static void wipe(sim_world *world, uint32_t place)
{
    sim_node_crash(world, place, true);
    sim_disk_empty(&world->nodes[place]->disk);
    sim_check_emptied(world, place);
    world->nodes[place]->app.reader.next = 1;
}

/* Messages of `place` are chosen. */
static void serve(sim_world *world, uint32_t place)
{
    push(world, place, 3);
    until(world, all_told(world, place));
}

/* One of three is emptied while the others write; it is readmitted by itself, and then each of the other two
 * may die alone. */
static void lose_one(sim_world *world, void (*lose)(sim_world *world, uint32_t place))
{
    for (unsigned i = 0; i < 50; i++) {
        push(world, A, 5);
        until(world, all_told(world, A));
    }
    lose(world, C);
    world->faults->work.is_stopped = false;
    wait_ms(world, 500);
    sim_node_start(world, C);
    until(world, votes_in(world, C, 1) && configuration_of(world, A) == 1 && configuration_of(world, B) == 1);
    world->faults->work.is_stopped = true;
    for (uint32_t dead = A; dead <= B; dead++) {
        until(world, sim_liveness_leader(world, ALL & 7) < PX_MEMBERS_MAX);
        sim_node_crash(world, dead, true);
        serve(world, C);
        sim_node_start(world, dead);
        until(world, are_linked(world, A, B) && are_linked(world, B, C) && are_linked(world, A, C));
        serve(world, dead);
    }
}

static void one_emptied(sim_world *world)
{
    lose_one(world, wipe);
}

/* The log that is left says nothing of what was promised behind it: it is no log of a voter any more. */
static void one_without_its_state(sim_world *world)
{
    lose_one(world, lose_state);
}

/* The leader itself. */
static void leader_emptied(sim_world *world)
{
    serve(world, A);
    wipe(world, A);
    until(world, leads(world, B) || leads(world, C));
    sim_node_start(world, A);
    until(world, votes_in(world, A, 1));
    serve(world, A);
    sim_node_crash(world, B, true);
    serve(world, A);
    sim_node_start(world, B);
}

/* Two of five, one after the other; then two others may die. */
static void two_of_five_emptied(sim_world *world)
{
    serve(world, A);
    wipe(world, D);
    sim_node_start(world, D);
    until(world, votes_in(world, D, 1));
    wipe(world, E);
    sim_node_start(world, E);
    until(world, votes_in(world, E, 2));
    until(world, configuration_of(world, D) == 2);
    sim_node_crash(world, B, true);
    sim_node_crash(world, C, true);
    serve(world, D);
    sim_node_start(world, B);
    sim_node_start(world, C);
}

/* Both at once: a majority of the five is left, and both come back. */
static void two_of_five_at_once(sim_world *world)
{
    serve(world, A);
    wipe(world, D);
    wipe(world, E);
    sim_node_start(world, D);
    sim_node_start(world, E);
    until(world, votes_in(world, D, 2) && votes_in(world, E, 2));
    serve(world, E);
}

/* A minority is emptied over and over under load, at any step of a readmission. */
static void emptied_again_and_again(sim_world *world)
{
    world->faults->work.is_stopped = false;
    for (unsigned i = 0; i < 16; i++) {
        const uint32_t place = i % 3 == 0 ? E : D;
        wipe(world, place);
        wait_ms(world, 30 * (i % 4));
        sim_node_start(world, place);
        wait_ms(world, 70 * (i % 5));
    }
    until(world, votes_in(world, D, 1) && votes_in(world, E, 1));
    world->faults->work.is_stopped = true;
}

/* Emptied while another is down: it waits, and nothing is served, until that one is back. */
static void emptied_while_another_is_down(sim_world *world)
{
    serve(world, A);
    sim_node_crash(world, B, true);
    wipe(world, C);
    sim_node_start(world, C);
    push(world, A, 1);
    wait_ms(world, 5000);
    sim_check(world, !all_told(world, A), "voter", "one disk of three chooses");
    sim_check(world, configuration_of(world, A) == 0 && !core_at(world, C)->is_voting, "voter",
              "an emptied disk votes");
    sim_node_start(world, B);
    until(world, votes_in(world, C, 1) && all_told(world, A));
}

/* Two of three emptied: what is left is no majority, nothing is guessed, and status says what to do. The disk
 * that is put back ends it. */
static void two_of_three_emptied(sim_world *world)
{
    px_status status;
    serve(world, A);
    sim_node_crash(world, C, true);
    fake_disk *copy = sim_disk_copy(&world->nodes[C]->disk);
    wipe(world, B);
    sim_disk_empty(&world->nodes[C]->disk);
    sim_check_emptied(world, C);
    world->nodes[C]->app.reader.next = 1;
    sim_node_start(world, B);
    sim_node_start(world, C);
    until(world, are_linked(world, A, B) && are_linked(world, A, C));
    push(world, A, 1);
    wait_ms(world, 5000);
    sim_check(world, !all_told(world, A), "voter", "one disk of three chooses");
    sim_check(world, configuration_of(world, A) == 0, "voter", "one disk of three readmits another");
    px_status_fill(&world->nodes[A]->node->app, &status);
    sim_check(world, strstr(status.waiting_for, "2 of 3 members") != NULL, "status", "it says: %s",
              status.waiting_for);
    sim_node_crash(world, C, true);
    sim_disk_put_back(&world->nodes[C]->disk, copy);
    world->nodes[C]->app.reader.next = 1;
    sim_node_start(world, C);
    until(world, votes_in(world, B, 1) && all_told(world, A));
}

/* ---- a change under way, and its leader crashes at each step ---- */

/* A has proposed the change that readmits C, and got as far as `is_reached` says. */
static void crash_in_change(sim_world *world, px_message_kind dropped, bool (*is_reached)(const sim_world *))
{
    serve(world, A);
    wipe(world, C);
    if (dropped) drop(world, ALL, MASK(A), dropped);
    sim_node_start(world, C);
    until(world, is_reached(world));
    sim_node_crash(world, A, true);
    clear(world);
    wait_ms(world, 1000);
    sim_node_start(world, A);
    until(world, votes_in(world, C, 1) && configuration_of(world, A) >= 1);
    serve(world, A);
    sim_node_crash(world, B, true);
    serve(world, C);
    sim_node_start(world, B);
}

static bool is_proposed(const sim_world *world)
{
    return core_at(world, A)->voters.next_slot != 0;
}

static bool is_accepted(const sim_world *world)
{
    return core_at(world, B)->voters.next_slot != 0 || configuration_of(world, B) == 1;
}

static bool is_chosen(const sim_world *world)
{
    return configuration_of(world, A) == 1;
}

static bool is_led(const sim_world *world)
{
    return is_chosen(world) && leads(world, A);
}

static void crash_after_proposal(sim_world *world)
{
    crash_in_change(world, 0, is_proposed);
}

static void crash_after_acceptance(sim_world *world)
{
    crash_in_change(world, PX_MESSAGE_ACCEPTED, is_accepted);
}

static void crash_after_choice(sim_world *world)
{
    crash_in_change(world, PX_MESSAGE_PROMISE, is_chosen);
}

static void crash_after_new_lead(sim_world *world)
{
    crash_in_change(world, 0, is_led);
}

/* All lose power when two have promised in the new configuration, before any record of theirs says that it is
 * chosen by the way. */
static void power_cut_in_change(sim_world *world)
{
    serve(world, A);
    wipe(world, C);
    drop(world, ALL, MASK(A), PX_MESSAGE_PROMISE);
    sim_node_start(world, C);
    until(world, core_at(world, A)->tickets.durable.promised.config == 1 &&
                     core_at(world, B)->tickets.durable.promised.config == 1);
    for (uint32_t place = A; place <= C; place++) sim_node_crash(world, place, false);
    clear(world);
    for (uint32_t place = A; place <= C; place++) sim_node_start(world, place);
    until(world, sim_liveness_leader(world, ALL & 7) < PX_MEMBERS_MAX);
    until(world, votes_in(world, C, 1));
    serve(world, B);
}

/* The new leader is the readmitted node itself, and who elects it has not heard that the change is chosen. */
static void readmitted_leads(sim_world *world)
{
    serve(world, A);
    wipe(world, C);
    drop(world, ALL, MASK(B), PX_MESSAGE_CHOSEN);
    drop(world, MASK(A), MASK(B), PX_MESSAGE_PREPARE);
    drop(world, MASK(A), MASK(B), PX_MESSAGE_SYNC);
    drop(world, MASK(A), MASK(B), PX_MESSAGE_HEARTBEAT);
    drop(world, MASK(A), MASK(B), PX_MESSAGE_HEARD);
    sim_node_start(world, C);
    until(world, votes_in(world, C, 1));
    clear(world);
    sim_node_crash(world, A, true);
    until(world, leads(world, C) || leads(world, B));
    serve(world, C);
    sim_node_start(world, A);
    serve(world, A);
}

/* ---- disks that were rolled back or put back ---- */

static uint64_t disk_of(const sim_world *world, uint32_t place)
{
    return node_at(world, place)->state.storage_id;
}

/* Its node is killed, its disk copied, and it starts again. */
static fake_disk *copy_disk(sim_world *world, uint32_t place)
{
    sim_node_crash(world, place, true);
    fake_disk *copy = sim_disk_copy(&world->nodes[place]->disk);
    sim_node_start(world, place);
    until(world, are_linked(world, A, B) && are_linked(world, B, C) && are_linked(world, A, C));
    return copy;
}

static void put_back(sim_world *world, uint32_t place, fake_disk *copy)
{
    if (node_at(world, place)) sim_node_crash(world, place, true);
    sim_disk_put_back(&world->nodes[place]->disk, copy);
    sim_check_emptied(world, place);
    world->nodes[place]->app.reader.next = 1;
}

/* C's disk is an older one: it is found, and does not vote before it is taken back. */
static void rolled_back(sim_world *world)
{
    serve(world, A);
    fake_disk *copy = copy_disk(world, C);
    serve(world, A);
    until(world, chosen_of(world, C) == chosen_of(world, A));
    wait_ms(world, 500);
    put_back(world, C, copy);
    sim_node_start(world, C);
    const uint64_t former = disk_of(world, C);
    const px_ballot promised = core_at(world, C)->promised;
    until(world, disk_of(world, C) != former);
    sim_check(world, px_ballot_equal(core_at(world, C)->promised, promised), "voter",
              "a disk that was rolled back votes");
    until(world, votes_in(world, C, 1));
    sim_node_crash(world, A, true);
    serve(world, C);
    sim_node_start(world, A);
}

/* A leads with C alone, and B lacks what they choose. C comes back with an older disk: B would elect with it,
 * before A, which remembers, is heard. */
static void rolled_back_beside_a_laggard(sim_world *world)
{
    serve(world, A);
    fake_disk *copy = copy_disk(world, C);
    make_leader(world, A);
    part(world, MASK(A), MASK(B));
    drop(world, MASK(C), MASK(B), PX_MESSAGE_PIECE);
    push(world, A, 1);
    until(world, all_told(world, A));
    put_back(world, C, copy);
    until(world, !node_at(world, A)->members[C].out_up); /* it dials the next run at once */
    sim_net_cut(world->net, A, C, true);
    sim_node_crash(world, B, true);
    sim_node_start(world, C);
    sim_node_start(world, B);
    const uint64_t former = disk_of(world, C);
    wait_ms(world, 200); /* time enough for the two to elect one, and to choose */
    sim_net_cut(world->net, A, C, false);
    until(world, disk_of(world, C) != former);
    clear(world);
    until(world, votes_in(world, C, 1));
    serve(world, B);
}

/* As before, but nothing is cut: C loses its power, and when it is back with the older disk A still takes the
 * connection to its former run for alive. */
static void rolled_back_behind_a_dead_connection(sim_world *world)
{
    serve(world, A);
    fake_disk *copy = copy_disk(world, C);
    make_leader(world, A);
    part(world, MASK(A), MASK(B));
    drop(world, MASK(C), MASK(B), PX_MESSAGE_PIECE);
    push(world, A, 1);
    until(world, all_told(world, A));
    wait_ms(world, 200);
    sim_node_crash(world, C, false);
    sim_disk_put_back(&world->nodes[C]->disk, copy);
    sim_check_rolled_back(world, C, A);
    sim_consumers_rewind(&world->nodes[C]->app.consumers);
    world->nodes[C]->app.reader.next = 1;
    sim_node_start(world, C);
    const uint64_t former = disk_of(world, C);
    until(world, disk_of(world, C) != former || core_at(world, C)->voters.is_given);
    sim_check(world, disk_of(world, C) != former, "voter", "C votes before A has told it what it remembers");
    clear(world);
    until(world, votes_in(world, C, 1));
    serve(world, B);
}

/* What A remembers of C's disk outlives A's own restart. */
static void rolled_back_and_another_restarts(sim_world *world)
{
    serve(world, A);
    fake_disk *copy = copy_disk(world, C);
    serve(world, A);
    make_leader(world, C);
    make_leader(world, A); /* two campaigns: A has written its small state since */
    put_back(world, C, copy);
    sim_node_crash(world, A, true);
    sim_node_crash(world, B, true);
    sim_node_start(world, A);
    sim_node_start(world, C);
    const uint64_t former = disk_of(world, C);
    until(world, disk_of(world, C) != former);
    sim_node_start(world, B);
    until(world, votes_in(world, C, 1));
}

/* The older disk is damaged besides: what its log claims to have been is less than A remembers of it. */
static void rolled_back_and_damaged(sim_world *world)
{
    for (unsigned i = 0; i < 20; i++) serve(world, A);
    until(world, chosen_of(world, C) == chosen_of(world, A));
    fake_disk *copy = copy_disk(world, C);
    serve(world, A);
    until(world, chosen_of(world, C) == chosen_of(world, A));
    wait_ms(world, 500);
    sim_disk *disk = &world->nodes[C]->disk;
    sim_node_crash(world, C, true);
    sim_disk_put_back(disk, copy);
    sim_check_rolled_back(world, C, A);
    sim_consumers_rewind(&world->nodes[C]->app.consumers);
    disk->image = (sim_image){.segment = 1};
    sim_check(world, sim_disk_spoil(disk, SIM_SPOIL_FLIP, 7), "scenario", "there is nothing to spoil");
    sim_node_start(world, C);
    const uint64_t former = disk_of(world, C);
    sim_check(world, node_at(world, C)->view.state.claimed > 0, "scenario", "C found no damage");
    until(world, disk_of(world, C) != former || core_at(world, C)->voters.is_given);
    sim_check(world, disk_of(world, C) != former, "voter", "C votes with an older state of its disk");
    until(world, votes_in(world, C, 1));
    serve(world, C);
}

/* What the older state of the disk has kept of its pipes was sent by a later run. */
static void rolled_back_to_what_it_kept(sim_world *world)
{
    serve(world, A);
    sim_node_crash(world, C, true);
    part(world, MASK(C), MASK(A) | MASK(B));
    sim_node_start(world, C);
    push(world, C, 3); /* their session is not open: they are kept without a number */
    (void)sim_node_stop(world, C);
    fake_disk *copy = sim_disk_copy(&world->nodes[C]->disk);
    clear(world);
    sim_node_start(world, C);
    until(world, sim_check_is_kept_seen(world));
    serve(world, C);
    wait_ms(world, 500);
    put_back(world, C, copy);
    sim_node_start(world, C);
    const uint64_t former = disk_of(world, C);
    until(world, disk_of(world, C) != former);
    until(world, votes_in(world, C, 1));
    serve(world, C);
    serve(world, A);
}

/* The log has openings of later runs of C's disk that are not on it: nobody knows more of it than it does, so
 * it goes on as it is, and opens above them. */
static void rolled_back_below_its_openings(sim_world *world)
{
    const uint32_t others = MASK(A) | MASK(B);
    make_leader(world, A);
    serve(world, A);
    sim_node_crash(world, C, true);
    fake_disk *copy = sim_disk_copy(&world->nodes[C]->disk);
    drop(world, others, MASK(C), PX_MESSAGE_ACCEPT);
    drop(world, others, MASK(C), PX_MESSAGE_SYNC);
    drop(world, others, MASK(C), PX_MESSAGE_PIECE);
    for (uint32_t run = 0; run < 3; run++) {
        const uint64_t chosen = chosen_of(world, A);
        sim_node_start(world, C);
        until(world, chosen_of(world, A) > chosen);
        sim_node_crash(world, C, true);
    }
    clear(world);
    sim_disk_put_back(&world->nodes[C]->disk, copy);
    sim_node_start(world, C);
    const uint64_t former = disk_of(world, C);
    serve(world, C);
    sim_check(world, disk_of(world, C) == former, "scenario", "C's disk was behind");
}

/* C was emptied and taken back, then its former disk is put back: B alone must not elect with it. */
static void former_disk_put_back(sim_world *world)
{
    serve(world, A);
    fake_disk *copy = copy_disk(world, C);
    wipe(world, C);
    sim_node_start(world, C);
    until(world, votes_in(world, C, 1) && configuration_of(world, B) == 1);
    serve(world, A);
    const uint64_t replacing = disk_of(world, C);
    put_back(world, C, copy);
    sim_node_crash(world, A, true);
    drop(world, MASK(B), MASK(C), PX_MESSAGE_PIECE);
    sim_node_start(world, C);
    until(world, are_linked(world, B, C));
    push(world, B, 1);
    wait_ms(world, 2000);
    sim_check(world, !all_told(world, B), "voter", "a disk that was replaced is counted");
    sim_node_start(world, A);
    until(world, all_told(world, B));
    clear(world);
    until(world, votes_in(world, C, 2) && disk_of(world, C) != replacing);
    serve(world, C);
}

/* Its node asks for its sessions under the former disk's id, and opens them under the new one. */
static void former_disk_opens_its_pipes(sim_world *world)
{
    serve(world, A);
    fake_disk *copy = copy_disk(world, C);
    make_leader(world, A);
    wipe(world, C);
    sim_node_start(world, C);
    until(world, votes_in(world, C, 1));
    serve(world, A);
    const uint64_t replacing = disk_of(world, C);
    put_back(world, C, copy);
    sim_node_start(world, C);
    push(world, C, 1);
    until(world, all_told(world, C));
    until(world, votes_in(world, C, 2) && disk_of(world, C) != replacing);
}

/* A hello of C comes to B when the disk of C is another one since. That the former one is dead nobody can
 * know yet, since A is away. [R8] */
static void late_hello_of_a_former_disk(sim_world *world)
{
    serve(world, A);
    const uint64_t before = node_at(world, B)->members[C].connection;
    sim_net_make_late(world->net, C, B, 100 * SIM_MS);
    sim_net_break(world->net, C, B);
    until(world, are_linked(world, B, C) && node_at(world, B)->members[C].connection > before + 1);
    sim_node_crash(world, A, true);
    wipe(world, C);
    sim_node_start(world, C);
    until(world, are_linked(world, B, C));
    const uint64_t watched_us = world->now_us + 500 * SIM_MS;
    while (world->now_us < watched_us) {
        sim_world_run_until(world, world->now_us + STEP_US);
        sim_check(world, node_at(world, B)->members[C].incarnation.storage_id == disk_of(world, C),
                  "newest connection", "B takes C's former disk for the one that it has");
    }
    sim_node_start(world, A);
    until(world, votes_in(world, C, 1));
}

const sim_directed sim_directed_readmission[] = {
    {"rolled-back", 3, rolled_back, false},
    {"rolled-back-beside-a-laggard", 3, rolled_back_beside_a_laggard, false},
    {"rolled-back-behind-a-dead-connection", 3, rolled_back_behind_a_dead_connection, false},
    {"rolled-back-and-damaged", 3, rolled_back_and_damaged, false},
    {"rolled-back-to-what-it-kept", 3, rolled_back_to_what_it_kept, false},
    {"rolled-back-below-its-openings", 3, rolled_back_below_its_openings, false},
    {"rolled-back-and-another-restarts", 3, rolled_back_and_another_restarts, false},
    {"former-disk-put-back", 3, former_disk_put_back, false},
    {"former-disk-opens-its-pipes", 3, former_disk_opens_its_pipes, false},
    {"late-hello-of-a-former-disk", 3, late_hello_of_a_former_disk, false},
    {"one-emptied", 3, one_emptied, false},
    {"one-without-its-state", 3, one_without_its_state, false},
    {"leader-emptied", 3, leader_emptied, false},
    {"two-of-five-emptied", 5, two_of_five_emptied, false},
    {"two-of-five-at-once", 5, two_of_five_at_once, false},
    {"emptied-again-and-again", 5, emptied_again_and_again, false},
    {"emptied-while-another-is-down", 3, emptied_while_another_is_down, false},
    {"two-of-three-emptied", 3, two_of_three_emptied, false},
    {"crash-after-proposal", 3, crash_after_proposal, false},
    {"crash-after-acceptance", 3, crash_after_acceptance, false},
    {"crash-after-choice", 3, crash_after_choice, false},
    {"crash-after-new-lead", 3, crash_after_new_lead, false},
    {"power-cut-in-change", 3, power_cut_in_change, false},
    {"readmitted-leads", 3, readmitted_leads, false},
    {NULL, 0, NULL, false},
};
