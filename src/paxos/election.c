/* election.c - who leads: heartbeats in rounds, and quorum connectivity.
 *
 * Meaning    Each round every node asks all others; an answer proves the link both ways and says whether its
 *            sender is served by a leader. A node campaigns only where a majority answered, nobody serves it
 *            and nobody who answered is served. A leader that a majority no longer hears steps down. An
 *            answer counts in its round and in the next, for everything alike.
 *            Of a majority whose disks are overdue nobody is elected, and a leader that only such a one
 *            answers makes way: a disk that hangs behind one link must not keep the others from going on.
 * Holds      Safety does not depend on anything here.
 * Source     [R13, R14]; Ng, Haridi, Carbone, Omni-Paxos (2023), ballot leader election. Deviation: answers
 *            count for two rounds, so that one late answer does not cost a leader. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/core_priv.h"

/* ---- phases ---- */

void px_election_enter(px_core *core, px_phase phase)
{
    const px_phase before = core->phase;
    px_assert(phase != PX_PHASE_PREPARING || before == PX_PHASE_FOLLOWER);
    px_assert(phase != PX_PHASE_ADOPTING || before == PX_PHASE_PREPARING);
    px_assert(phase != PX_PHASE_LEADING || before == PX_PHASE_ADOPTING);
    core->phase = phase;
    if (phase != PX_PHASE_FOLLOWER) return;
    core->is_handing_over = false;
    core->source = PX_MEMBERS_MAX;
    for (uint32_t member = 0; member < core->config.member_count; member++)
        core->peers[member].is_streaming = false;
    if (before == PX_PHASE_LEADING) px_barrier_fail(core);
}

/* ---- who is there ---- */

bool px_election_is_heard(const px_core *core, uint32_t member)
{
    const px_peer *peer = &core->peers[member];
    return peer->heard_round != 0 && peer->heard_round + PX_ROUNDS_HEARD > core->round && !peer->differs;
}

bool px_election_is_served(const px_core *core)
{
    if (px_election_leads(core)) return true;
    if (core->promised_round && core->promised_round + PX_ROUNDS_HEARD > core->round) return true;
    for (uint32_t member = 0; member < core->config.member_count; member++) {
        const px_ballot leads = core->peers[member].leads;
        if (!px_election_is_heard(core, member) || px_ballot_is_none(leads)) continue;
        if (!px_ballot_less(leads, core->promised)) return true;
    }
    return false;
}

px_ballot px_election_leader_heard(const px_core *core, uint32_t *member)
{
    px_ballot leader = {0, 0, 0};
    *member = PX_MEMBERS_MAX;
    for (uint32_t i = 0; i < core->config.member_count; i++) {
        const px_ballot leads = core->peers[i].leads;
        if (!px_election_is_heard(core, i) || px_ballot_is_none(leads)) continue;
        if (!px_ballot_equal(core->peers[i].follows, leads)) continue; /* it still adopts */
        if (px_ballot_less(leads, core->promised) || !px_ballot_less(leader, leads)) continue;
        leader = leads;
        *member = i;
    }
    return leader;
}

px_ballot px_election_leader(const px_core *core, uint32_t *relay)
{
    if (core->phase == PX_PHASE_LEADING) {
        *relay = core->config.self;
        return core->ballot;
    }
    px_ballot leader = px_election_leader_heard(core, relay);
    for (uint32_t i = 0; i < core->config.member_count; i++) {
        const px_ballot follows = core->peers[i].follows;
        if (!px_election_is_heard(core, i) || px_ballot_is_none(follows)) continue;
        if (px_ballot_less(follows, core->promised) || !px_ballot_less(leader, follows)) continue;
        if (follows.node == core->config.self) continue; /* what was led here is over */
        leader = follows;
        *relay = i;
    }
    return leader;
}

/* What the answers of a round come to. */
typedef struct {
    uint32_t heard;         /* voters that answered, the own one included */
    uint32_t able;          /* of them, those whose disks keep up: who is overdue cannot vote now */
    uint32_t agreeing;      /* of them, those that promised nothing above the own ballot */
    bool is_other_served;   /* one of them is served */
    bool is_unserved_above; /* one is not, or is heard by one, and promised above the own ballot */
    bool has_well_disk, has_space;
} px_census;

/* Another voter that answered. */
static bool is_counted(const px_core *core, uint32_t member)
{
    return member != core->config.self && px_election_is_heard(core, member) &&
           px_voters_counts(core, member);
}

static px_census take_census(const px_core *core)
{
    px_census census = {.heard = 1, .able = 1, .agreeing = 1};
    for (uint32_t member = 0; member < core->config.member_count; member++) {
        if (!is_counted(core, member)) continue;
        const px_peer *peer = &core->peers[member];
        const bool is_above = px_ballot_less(core->ballot, peer->state.promised);
        census.heard++;
        if (peer->disk != PX_DISK_OVERDUE) census.able++;
        if (!is_above) census.agreeing++;
        if (peer->served) census.is_other_served = true;
        if (!peer->served && is_above) census.is_unserved_above = true;
        /* Or one behind a follower: what it says of a ballot that it no longer follows is old. */
        if (px_ballot_equal(peer->follows, core->ballot) && peer->above >= core->ballot.number)
            census.is_unserved_above = true;
        if (peer->disk == PX_DISK_WELL) census.has_well_disk = true;
        if (peer->disk != PX_DISK_FULL) census.has_space = true;
    }
    return census;
}

/* ---- the end of a round ---- */

/* Nothing is chosen, though there is something to choose, since so many of those who answer are overdue with
 * their disks: who hears others may do better. [R13] */
static bool is_stalled(px_core *core, const px_census *census)
{
    const px_slots *slots = &core->slots;
    const bool has_moved = slots->chosen != core->stall_chosen || slots->chosen == slots->taken;
    if (has_moved || core->phase != PX_PHASE_LEADING || census->able >= px_core_majority(core)) {
        core->stall_chosen = slots->chosen;
        core->stall_round = core->round;
    }
    return core->round - core->stall_round >= PX_ROUNDS_STALLED && !PX_MUTANT("r13_leads_on_stuck_voters");
}

/* A leader goes on, campaigns anew or steps down. */
static void judge_leader(px_core *core, const px_census *census)
{
    const uint32_t majority = px_core_majority(core);
    const bool is_stranded = census->is_unserved_above && census->heard >= majority;
    if (is_stranded && !PX_MUTANT("r14_leader_ignores_unserved_above")) {
        PX_MARK("campaign_above_unserved");
        px_candidate_campaign(core);
        return;
    }
    const bool is_overdue =
        core->disk == PX_DISK_OVERDUE && census->has_well_disk && !PX_MUTANT("r13_leads_with_a_stuck_disk");
    const bool is_left = census->agreeing < majority && !PX_MUTANT("r13_never_steps_down");
    if (is_left || is_overdue || is_stalled(core, census)) {
        px_election_enter(core, PX_PHASE_FOLLOWER);
        return;
    }
    const bool wants_space = core->disk == PX_DISK_FULL && census->has_space;
    if (wants_space && !core->is_handing_over) px_proposer_transfer(core, PX_MEMBERS_MAX);
}

static bool may_campaign(const px_core *core, const px_census *census)
{
    const uint32_t able = PX_MUTANT("r14_stuck_voters_count") ? census->heard : census->able;
    if (able < px_core_majority(core)) return false;
    if (px_election_is_served(core)) return false;
    if (census->is_other_served && !PX_MUTANT("r14_campaign_though_others_are_served")) return false;
    if (core->disk == PX_DISK_OVERDUE && !PX_MUTANT("r13_campaigns_with_a_stuck_disk")) return false;
    return core->disk != PX_DISK_FULL || !census->has_space;
}

/* A candidate that could not begin to campaign now, since nobody hears it or others are served, does not go
 * on with it: its next link would let it take the place of a leader that has all, with a log that has not.
 * [R14] */
static void judge_round(px_core *core)
{
    if (!core->is_voting || core->is_diverged) return;
    const px_census census = take_census(core);
    if (px_election_leads(core))
        judge_leader(core, &census);
    else if (may_campaign(core, &census))
        px_candidate_campaign(core);
    else if (core->phase == PX_PHASE_PREPARING && !px_election_is_served(core) &&
             !PX_MUTANT("r14_candidate_never_gives_up"))
        px_election_enter(core, PX_PHASE_FOLLOWER);
}

static void send_heartbeat(px_core *core, uint32_t to_mask)
{
    const px_message heartbeat = {.kind = PX_MESSAGE_HEARTBEAT,
                                  .state = px_core_state_durable(core),
                                  .round = core->round};
    px_core_send(core, to_mask, px_at_once(), &heartbeat);
}

/* Rounds differ a little, so that nodes do not stay in step. */
static void begin_round(px_core *core)
{
    const uint64_t tenth_us = core->config.heartbeat_us / 10;
    core->round++;
    core->round_end_us = core->now_us + core->config.heartbeat_us - tenth_us;
    core->round_end_us += px_prng_below(&core->prng, 2 * tenth_us + 1);
    send_heartbeat(core, px_core_others(core));
}

void px_election_start(px_core *core)
{
    begin_round(core);
}

void px_election_on_tick(px_core *core)
{
    if (core->now_us < core->round_end_us) return;
    judge_round(core);
    begin_round(core);
    px_candidate_on_round(core);
    px_proposer_on_round(core);
    px_voters_on_round(core);
    px_catchup_on_round(core);
    px_repair_on_round(core);
    px_barrier_on_round(core);
}

/* ---- messages ---- */

/* The highest number of those whom nobody serves and who promised above the leader that is heard here: what
 * they promised keeps them from following it by way of this node, and it may not hear them itself. [R14] */
static uint64_t number_above(const px_core *core, px_ballot leader)
{
    uint64_t number = 0;
    if (px_ballot_is_none(leader) || PX_MUTANT("r14_promise_is_not_passed_on")) return 0;
    for (uint32_t member = 0; member < core->config.member_count; member++) {
        const px_peer *peer = &core->peers[member];
        const px_ballot promised = peer->state.promised;
        if (!is_counted(core, member) || peer->served || !px_ballot_less(leader, promised)) continue;
        if (promised.number > number) number = promised.number;
    }
    return number;
}

void px_election_on_heartbeat(px_core *core, uint32_t from, const px_message *message)
{
    px_catchup_on_state(core, from);
    if (PX_MUTANT("r13_one_way_counts")) core->peers[from].heard_round = core->round;
    if (!core->voters.is_given) return; /* its answer must not be counted [R18] */
    uint32_t leader = PX_MEMBERS_MAX;
    px_message heard = {
        .kind = PX_MESSAGE_HEARD,
        .state = px_core_state_durable(core),
        .round = message->round,
        .served = px_election_is_served(core),
        .disk = core->disk,
    };
    if (px_election_leads(core)) heard.leads = core->ballot;
    if (core->phase == PX_PHASE_LEADING)
        heard.follows = core->ballot;
    else if (core->phase != PX_PHASE_ADOPTING)
        heard.follows = px_election_leader_heard(core, &leader);
    if (core->phase == PX_PHASE_FOLLOWER) heard.above = number_above(core, heard.follows);
    px_core_send(core, 1u << from, px_at_once(), &heard);
}

void px_election_on_heard(px_core *core, uint32_t from, const px_message *message)
{
    px_peer *peer = &core->peers[from];
    /* An answer to a round that is not the latest is old: it proves nothing. [R13] */
    if (message->round > core->round || message->round < peer->heard_round) return;
    if (message->round + PX_ROUNDS_HEARD <= core->round && !PX_MUTANT("r13_old_answers_count")) return;
    peer->heard_round = PX_MUTANT("r13_old_answers_count") ? core->round : message->round;
    peer->leads = message->leads;
    peer->follows = message->follows;
    peer->above = message->above;
    peer->served = message->served;
    peer->disk = message->disk;
    px_catchup_on_state(core, from);
    px_proposer_count(core, from);
    (void)px_proposer_tend(core, from, false);
}

/* The leader stopped in this node's favour. [R14] */
void px_election_on_take_over(px_core *core, uint32_t from, const px_message *message)
{
    px_peer *peer = &core->peers[from];
    if (!core->is_voting || !px_ballot_equal(core->promised, message->ballot)) return;
    if (px_ballot_equal(peer->leads, message->ballot)) peer->leads = peer->follows = (px_ballot){0, 0, 0};
    const px_census census = take_census(core);
    if (census.heard < px_core_majority(core) || core->disk == PX_DISK_OVERDUE) return;
    px_candidate_campaign(core);
}

/* Who begins to wait for what is chosen says so at once, to the leader it hears: the answer names the chosen
 * slot, and from then on each is told as it is chosen. [R6] */
void px_election_on_awaited(px_core *core, bool is_awaited)
{
    const bool begins = is_awaited && !core->is_awaited;
    uint32_t leader = PX_MEMBERS_MAX;
    core->is_awaited = is_awaited;
    if (!begins || px_election_leads(core) || PX_MUTANT("r6_waiting_is_said_by_the_round")) return;
    if (px_ballot_is_none(px_election_leader_heard(core, &leader))) return;
    PX_MARK("begins_to_wait");
    send_heartbeat(core, 1u << leader);
}

void px_election_on_link(px_core *core, uint32_t member, bool is_up)
{
    px_peer *peer = &core->peers[member];
    peer->heard_round = 0;
    peer->leads = peer->follows = (px_ballot){0, 0, 0};
    peer->above = 0;
    peer->served = false;
    peer->disk = PX_DISK_WELL;
    if (is_up) send_heartbeat(core, 1u << member);
}
