/* directed.c - links, barriers, forwards and elections, message by message; and the list of all. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/directed.h"

#include "sim/script.h"

/* ---- [R7] barriers ---- */

/* A goes on leading while B and C no longer hear that it does; its probe's answers stay under way. Then one
 * of
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

/* A's question comes when B and C have promised above its ballot: their answers serve nobody. */
static void probe_above_promise(sim_world *world)
{
    (void)depose_unheard(world, B);
    ask_barrier(world, A);
    wait_ms(world, 1);
    sim_net_release(world->net, ALL, MASK(A)); /* to the question before; the next one leaves */
    const uint64_t probe = core_at(world, A)->probe;
    until(world, core_at(world, A)->probe > probe);
    sim_check(world,
              leads(world, A) && px_ballot_less(core_at(world, A)->ballot, core_at(world, B)->promised) &&
                  px_ballot_less(core_at(world, A)->ballot, core_at(world, C)->promised),
              "scenario", "A leads no longer, or nobody has promised above it");
    wait_ms(world, 2);
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

/* ---- [R6] who waits for what is chosen is told at once ---- */

/* Paths take 0.3 ms at most, a sync as long: nobody who waits has to wait for the timer of those who do not.
 */
#define PROMPT_MS 3

static bool is_quiet(const sim_world *world, uint32_t place)
{
    return core_at(world, A)->peers[place].state.is_quiet;
}

static void prompt_reader(sim_world *world)
{
    for (uint32_t place = B; place <= C; place++) {
        sim_net_path(world->net, place, A)->jitter_us = 0; /* it keeps their order, as a connection does */
        sim_app_attend(&world->nodes[place]->app, false);
    }
    if (!PX_MUTANT("r6_waiting_is_not_said")) until(world, is_quiet(world, B) && is_quiet(world, C));
    wait_ms(world, 20);
    /* Where nobody waits, a moment later is enough, and not more. */
    push(world, A, 1);
    until(world, all_told(world, A));
    sim_check(world, PX_MUTANT("r6_waiting_is_not_said") || chosen_of(world, B) < chosen_of(world, A),
              "scenario", "B is told at once, though nobody waits there");
    wait_ms(world, 15);
    sim_check(world, chosen_of(world, B) == chosen_of(world, A), "prompt", "B is not told a moment later");
    /* A reader comes while something is not told yet; and is told of each from then on. */
    push(world, A, 1);
    until(world, all_told(world, A));
    sim_app_attend(&world->nodes[B]->app, true);
    wait_ms(world, PROMPT_MS);
    sim_check(world, chosen_of(world, B) == chosen_of(world, A), "prompt", "B's reader comes, and waits");
    for (unsigned i = 0; i < 20; i++) {
        push(world, A, 1);
        wait_ms(world, PROMPT_MS);
        sim_check(world, all_told(world, A) && chosen_of(world, B) == chosen_of(world, A), "prompt",
                  "B's reader waits for what is chosen");
        wait_ms(world, sim_below(world, SIM_CHANCE_WORK, 200));
    }
    /* So is who sends: a message of C's own is told there when it is chosen. */
    const uint64_t begun_us = world->now_us;
    push(world, C, 1);
    until(world, all_told(world, C));
    sim_check(world, world->now_us - begun_us <= PROMPT_MS * SIM_MS, "prompt", "C's writer waits");
    sim_app_attend(&world->nodes[C]->app, true);
}

/* ---- a leader that is not woken for its own disk waits for it none the less ---- */

static void resting_leader(sim_world *world)
{
    part(world, MASK(C), ALL);
    world->nodes[A]->disk.sync_us = 2 * SIM_MS; /* B has it first: nobody else's word comes behind A's disk */
    for (unsigned i = 0; i < 20; i++) {
        push(world, A, 1);
        wait_ms(world, 5);
        sim_check(world, all_told(world, A), "prompt", "A's disk has it, and A's writer is not told");
        wait_ms(world, sim_below(world, SIM_CHANCE_WORK, 50));
    }
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

/* ---- [R11] what a former run sent on ---- */

static sim_client *come_to_session(sim_world *world, uint32_t place, bool joins)
{
    sim_client *client = &world->nodes[place]->app.clients[0];
    if (!sim_node_enter(world, place)) return client;
    sim_session_come(client, 0, joins);
    sim_node_leave(world, place);
    until(world, client->is_open);
    return client;
}

/* C is killed when B has not passed on yet what C forwarded under a session. Whoever joins that session at C
 * meanwhile has sent nothing: the message is a duplicate to him. Found by seed 3002409. */
static void former_run_in_a_session(sim_world *world)
{
    make_leader(world, A);
    part(world, MASK(A), MASK(C));
    until(world, node_at(world, C)->view.relay == B);
    sim_client *client = come_to_session(world, C, false);
    hold_wire(world, MASK(B), MASK(A), PX_WIRE_FORWARD);
    if (!sim_node_enter(world, C)) return;
    sim_session_push(client, 1);
    sim_node_leave(world, C);
    until(world, sim_net_held(world->net, MASK(B), MASK(A), PX_WIRE_FORWARD, 0) == 1);
    const uint32_t former = client->writer;
    sim_node_crash(world, C, true);
    sim_node_start(world, C);
    until(world, are_linked(world, B, C) && node_at(world, C)->view.relay == B);
    client = come_to_session(world, C, true);
    sim_net_release(world->net, MASK(B), MASK(A));
    until(world, world->checks->writers[former].seen == 1);
    until(world, world->checks->writers[client->writer].acknowledged == 1); /* by a word of a duplicate */
}

/* ---- [R14] elections ---- */

/* C has promised more than the leader's ballot, is down, and the net is whole. */
static void promise_above(sim_world *world)
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
}

static void start_above(sim_world *world)
{
    sim_node_start(world, C);
    sim_check(world, px_ballot_less(core_at(world, A)->ballot, core_at(world, C)->promised), "scenario",
              "C has not promised more than %llu", (unsigned long long)number_of(world, A));
}

/* Nobody serves C. */
static void unserved_above(sim_world *world)
{
    promise_above(world);
    start_above(world);
}

/* C reaches B alone, which A serves: A must learn of C's promise by B, or C has no leader for as long as that
 * lasts, and what is written there waits. Found by seed 1002848 of 60 s at 8c7e24b. */
static void unserved_behind_a_follower(sim_world *world)
{
    promise_above(world);
    part(world, MASK(A), MASK(C));
    start_above(world);
    until(world, are_linked(world, B, C));
    sim_world_run_until(world, world->now_us + sim_liveness_bound_us(world));
    sim_check(world, sim_liveness_leader(world, MASK(A) | MASK(B) | MASK(C)) < PX_MEMBERS_MAX, "liveness",
              "who promised more than the leader's ballot, behind a follower, has no leader");
    const uint64_t number = number_of(world, A), elections = world->counts.leaders;
    push(world, C, 1);
    until(world, all_told(world, C));
    wait_ms(world, 3000);
    sim_check(world, leads(world, A) && number_of(world, A) == number && world->counts.leaders == elections,
              "stable leader", "C makes the leader campaign again and again");
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

/* ---- [R13] ---- */

/* A's disk hangs: another leads, and A leaves it alone. */
static void stuck_disk(sim_world *world)
{
    world->nodes[A]->disk.hung_until_us = world->now_us + 4 * SIM_SECOND;
    push(world, A, 1);
    push(world, B, 1);
    /* An election timeout passes before it is called overdue. */
    wait_ms(world, 300);
    sim_world_run_until(world, world->now_us + sim_liveness_bound_us(world));
    sim_check(world, leads(world, B) || leads(world, C), "liveness", "no other leads while A's disk hangs");
    sim_check(world, all_told(world, B), "liveness", "nothing is chosen while A's disk hangs");
    const uint64_t number = number_of(world, B);
    wait_ms(world, 1500);
    sim_check(world, number_of(world, B) == number, "stable leader", "A disturbs while its disk hangs");
    until(world, !leads(world, A) && all_told(world, A));
}

/* Nobody but A reaches a majority, and its disk hangs: nobody campaigns. */
static void stuck_candidate(sim_world *world)
{
    drop(world, ALL, MASK(B) | MASK(C), PX_MESSAGE_HEARD);
    world->nodes[A]->disk.hung_until_us = world->now_us + 3 * SIM_SECOND;
    push(world, A, 1);
    until(world, core_at(world, A)->phase == PX_PHASE_FOLLOWER);
    const uint64_t elections = core_at(world, A)->elections;
    wait_ms(world, 1500);
    sim_check(world, core_at(world, A)->elections == elections, "campaign rule",
              "A campaigns while its disk hangs");
    until(world, leads(world, A));
}

/* A and D, whose disk hangs, reach each other and B; C reaches B alone. So A hears a majority that cannot
 * choose, B one that can. */
static void hang_behind_one_link(sim_world *world)
{
    sim_graph graph = sim_graph_whole(world->options.node_count);
    sim_graph_part_both(&graph, A, C);
    sim_graph_part_both(&graph, D, C);
    sim_graph_part_both(&graph, D, B);
    world->nodes[D]->disk.hung_until_us = UINT64_MAX;
    sim_faults_cut(world, &graph);
}

static void heal_all(sim_world *world)
{
    const sim_graph whole = sim_graph_whole(world->options.node_count);
    sim_faults_cut(world, &whole);
    sim_faults_calm(world);
}

/* A leads, and makes way for B. */
static void stuck_voter(sim_world *world)
{
    hang_behind_one_link(world);
    push(world, A, 1);
    until(world, leads(world, B));
    until(world, all_told(world, A));
    const uint64_t number = number_of(world, B);
    push(world, C, 1);
    until(world, all_told(world, C));
    wait_ms(world, 3000);
    sim_check(world, number_of(world, B) == number, "stable leader", "A disturbs on a voter that is stuck");
    heal_all(world);
}

/* Nobody leads, and A is the first that hears a majority: it must not campaign, since B answers it as served
 * by it then, and never campaigns itself. */
static void stuck_elector(sim_world *world)
{
    world->nodes[D]->disk.hung_until_us = UINT64_MAX;
    push(world, A, 1);
    until(world, core_at(world, D)->disk == PX_DISK_OVERDUE);
    hang_behind_one_link(world);
    drop(world, ALL, ALL, 0);
    until(world, core_at(world, A)->phase == PX_PHASE_FOLLOWER);
    clear(world);
    drop(world, MASK(C), MASK(B), PX_MESSAGE_HEARD);
    wait_ms(world, 300);
    clear(world);
    wait_ms(world, 450);
    sim_check(world, leads(world, B), "liveness", "B hears a majority that can vote, and does not lead");
    heal_all(world);
}

/* Answers that come rounds late prove no link: B and C alone, that far apart, elect nobody. */
static void old_answers(sim_world *world)
{
    part(world, MASK(A), ALL);
    sim_net_path(world->net, B, C)->delay_us = 200 * SIM_MS;
    sim_net_path(world->net, C, B)->delay_us = 200 * SIM_MS;
    wait_ms(world, 1000);
    for (unsigned i = 0; i < 400; i++) {
        wait_ms(world, 10);
        sim_check(world, !node_at(world, B)->view.heard[C] && !node_at(world, C)->view.heard[B],
                  "old answers", "an answer that came four rounds late counts");
    }
}

/* ---- [R18] who has not heard that the roster is complete does not vote ---- */

static void early_vote(sim_world *world)
{
    hold_wire(world, ALL, MASK(C), PX_WIRE_ROSTER);
    until(world, node_at(world, A) && node_at(world, B) && node_at(world, C));
    until(world, leads(world, A) || leads(world, B));
    sim_check(world, !core_at(world, C)->is_voting, "scenario", "C votes already");
    wait_ms(world, 200);
    clear(world);
    sim_net_release(world->net, ALL, MASK(C));
    until(world, core_at(world, C)->is_voting);
}

/* ---- running ---- */

static const sim_directed others[] = {
    {"barrier-behind-probe", 3, barrier_behind_probe, false},
    {"probe-above-promise", 3, probe_above_promise, false},
    {"barrier-of-a-former-run", 3, barrier_of_a_former_run, false},
    {"prompt-reader", 3, prompt_reader, false},
    {"resting-leader", 3, resting_leader, false},
    {"late-hello", 3, late_hello, false},
    {"late-forward", 3, late_forward, false},
    {"former-run-in-a-session", 3, former_run_in_a_session, false},
    {"unserved-above", 3, unserved_above, false},
    {"unserved-behind-a-follower", 3, unserved_behind_a_follower, false},
    {"high-numbers", 5, high_numbers, false},
    {"stuck-disk", 3, stuck_disk, false},
    {"old-answers", 3, old_answers, false},
    {"stuck-candidate", 3, stuck_candidate, false},
    {"stuck-voter", 4, stuck_voter, false},
    {"stuck-elector", 4, stuck_elector, false},
    {"early-vote", 3, early_vote, true},
};

const sim_directed *sim_directed_at(uint32_t place)
{
    for (const sim_directed *directed = sim_directed_log; directed->name; directed++)
        if (place-- == 0) return directed;
    for (const sim_directed *directed = sim_directed_readmission; directed->name; directed++)
        if (place-- == 0) return directed;
    for (const sim_directed *directed = sim_directed_repair; directed->name; directed++)
        if (place-- == 0) return directed;
    return place < sizeof others / sizeof *others ? &others[place] : NULL;
}

void sim_directed_run(sim_world *world, const sim_directed *directed)
{
    if (!directed->is_first_start) make_leader(world, A);
    sim_trace(world, "run  %s begins", directed->name);
    directed->run(world);
    sim_trace(world, "run  %s is over", directed->name);
    clear(world);
    wait_ms(world, 300); /* what was kept from a leader may cost it its lead only now */
}
