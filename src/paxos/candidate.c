/* candidate.c - campaigning: promises, and the log that a new leader must take over.
 *
 * Meaning    A candidate promises its own ballot, durably, before anybody hears of it. From a majority of
 *            promises it adopts the log of the highest (accepted ballot, length): it fetches what it lacks of
 *            the chosen part in pieces, then the whole unchosen rest, which goes with its new ballot in one
 *            record.
 * Holds      Promises are counted in one ballot only, each member once; the own one when it is durable.
 * Source     [R1, R2, R4, R9]. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/core_priv.h"

/* ---- asking for promises ---- */

static void send_prepare(px_core *core, uint32_t to_mask)
{
    px_message prepare = {.kind = PX_MESSAGE_PREPARE,
                          .ballot = core->ballot,
                          .state = px_core_state_taken(core)};
    px_ticket after = core->tickets.last;
    if (PX_MUTANT("r2_prepare_before_durable")) after = px_at_once();
    px_core_send(core, to_mask, after, &prepare);
}

/* Has it promised the ballot of this campaign, with the disk that counts at its place? */
static bool has_promise(const px_core *core, uint32_t member)
{
    return core->peers[member].has_promised && px_voters_counts(core, member);
}

/* Is its log damaged, as it promised? [R16] */
static bool is_faulty(const px_peer *peer)
{
    return peer->promised_claimed > peer->promised_taken;
}

/* Of these an intact promise is still wanted. */
static uint32_t members_without_promise(const px_core *core)
{
    uint32_t mask = px_core_others(core);
    for (uint32_t member = 0; member < core->config.member_count; member++)
        if (core->peers[member].has_promised && !is_faulty(&core->peers[member])) mask &= ~(1u << member);
    return mask;
}

void px_candidate_campaign(px_core *core)
{
    px_assert(core->is_voting && !core->is_diverged);
    if (px_repair_is_faulty(core) && !PX_MUTANT("r16_faulty_leads")) return;
    if (px_tickets_room(&core->tickets) <= PX_TICKETS_RESERVED) return;
    /* A promise may outlive a power cut, and the record before it, that knew its configuration, not. */
    if (core->promised.config > core->voters.current.number) return;
    if (PX_MUTANT("r14_number_from_own_promise")) core->number_seen = core->promised.number;
    if (!PX_MUTANT("r16_log_promises_first")) px_taken_state_configuration(core);
    px_acceptor_promise(core,
                        (px_ballot){core->voters.current.number, core->number_seen + 1, core->config.self});
    const px_ballot former = core->ballot;
    core->ballot = core->promised;
    core->elections++;
    core->has_own_promise = false;
    const bool keeps_promises =
        PX_MUTANT("r1_promise_of_an_older_ballot_counts") ||
        (PX_MUTANT("r21_new_configuration_by_old_votes") && core->ballot.config > former.config);
    for (uint32_t member = 0; member < core->config.member_count && !keeps_promises; member++)
        core->peers[member].has_promised = false;
    px_election_enter(core, PX_PHASE_PREPARING);
    core->prepare_round = core->round;
    (void)px_taken_store_promise(core);
    send_prepare(core, px_core_others(core));
}

/* ---- adopting ---- */

static void send_fetch(px_core *core)
{
    const px_message fetch = {.kind = PX_MESSAGE_FETCH,
                              .ballot = core->ballot,
                              .state = px_core_state_durable(core)};
    core->adopt_ask_round = core->round;
    px_core_send(core, 1u << core->source, px_at_once(), &fetch);
}

static void give_up(px_core *core)
{
    PX_MARK("adoption_given_up");
    if (core->adopt_patience < PX_ROUNDS_WAIT_MAX) core->adopt_patience *= 2;
    px_election_enter(core, PX_PHASE_FOLLOWER);
}

/* Is the second log to be preferred? [R4] */
static bool is_better(px_ballot accepted, uint64_t taken, px_ballot than_accepted, uint64_t than_taken)
{
    if (PX_MUTANT("r4_own_log_wins")) return false;
    if (PX_MUTANT("r4_longest_log_wins")) return taken > than_taken;
    const int order = px_ballot_compare(accepted, than_accepted);
    return order > 0 || (order == 0 && taken > than_taken);
}

/* Do so many meet every majority? Where N is even, half of the voters are enough. */
static bool meets_majorities(const px_core *core, uint32_t intact)
{
    return intact + px_core_majority(core) > core->config.member_count;
}

/* The member whose intact log is adopted, the own place where no other's is better; PX_MEMBERS_MAX where a
 * damaged log is better and those with intact ones do not meet every majority: then it must be mended first.
 * Of so many the best one has all that was chosen, in whichever ballot. [R16] */
static uint32_t best_log(const px_core *core)
{
    uint32_t best = core->config.self, intact = core->has_own_promise ? 1 : 0;
    px_ballot accepted = core->accepted;
    uint64_t taken = core->slots.taken;
    for (uint32_t member = 0; member < core->config.member_count; member++) {
        const px_peer *peer = &core->peers[member];
        if (!has_promise(core, member) || is_faulty(peer)) continue;
        intact++;
        if (!is_better(peer->promised_accepted, peer->promised_taken, accepted, taken)) continue;
        best = member;
        accepted = peer->promised_accepted;
        taken = peer->promised_taken;
    }
    if (meets_majorities(core, intact) || PX_MUTANT("r16_leads_past_a_damaged_log")) return best;
    for (uint32_t member = 0; member < core->config.member_count; member++) {
        const px_peer *peer = &core->peers[member];
        if (!has_promise(core, member) || !is_faulty(peer)) continue;
        if (is_better(peer->promised_accepted, peer->promised_claimed, accepted, taken))
            return PX_MEMBERS_MAX;
    }
    return best;
}

/* The adopted log is the own one: its ballot still is one record on the own disk. [R4] */
static void adopt_own(px_core *core)
{
    const uint64_t taken = core->slots.taken;
    const px_log_part nothing = {taken, px_slots_at(&core->slots, taken)->chain, 0, NULL};
    core->adopt_patience = PX_ROUNDS_ELECTION;
    px_proposer_lead(core, &nothing, core->slots.chosen);
}

static void try_adopt(px_core *core)
{
    uint32_t promises = core->has_own_promise ? 1 : 0;
    for (uint32_t member = 0; member < core->config.member_count; member++)
        if (has_promise(core, member)) promises++;
    if (promises < px_core_majority(core)) return;
    if (px_tickets_room(&core->tickets) <= PX_TICKETS_RESERVED) return;
    const uint32_t source = best_log(core);
    if (source == PX_MEMBERS_MAX) return;
    px_election_enter(core, PX_PHASE_ADOPTING);
    core->adopt_round = core->round;
    core->source = source;
    if (core->source == core->config.self) {
        adopt_own(core);
    } else if (core->peers[core->source].promised_taken < core->slots.chosen) {
        give_up(core); /* others have chosen in a higher ballot meanwhile */
    } else {
        send_fetch(core);
    }
}

void px_candidate_on_promise(px_core *core, uint32_t from, const px_message *message)
{
    px_peer *peer = &core->peers[from];
    if (!px_ballot_equal(message->ballot, core->ballot) && !PX_MUTANT("r1_promise_of_an_older_ballot_counts"))
        return;
    if (core->phase == PX_PHASE_LEADING) {
        (void)px_proposer_tend(core, from, false);
        return;
    }
    if (core->phase != PX_PHASE_PREPARING) return;
    peer->has_promised = true;
    peer->promised_accepted = message->state.accepted;
    peer->promised_taken = message->state.taken;
    peer->promised_claimed = message->state.claimed;
    try_adopt(core);
}

void px_candidate_on_stored(px_core *core)
{
    if (core->phase != PX_PHASE_PREPARING) return;
    core->has_own_promise = px_ballot_equal(core->tickets.durable.promised, core->ballot);
    try_adopt(core);
}

/* A piece of the chosen log came from the source: on to the next, or to the tail. */
void px_candidate_on_piece(px_core *core, uint32_t from)
{
    if (core->phase != PX_PHASE_ADOPTING || from != core->source) return;
    core->adopt_round = core->round;
    send_fetch(core);
}

void px_candidate_on_tail(px_core *core, uint32_t from, const px_message *message)
{
    if (core->phase != PX_PHASE_ADOPTING || from != core->source) return;
    if (!px_ballot_equal(message->ballot, core->ballot)) return;
    if (!px_taken_is_sound(&message->log)) {
        px_core_violate(core, from, "a tail has entries that are not sound");
        return;
    }
    uint64_t slot = 0;
    const px_meet meet = px_taken_meet(core, &message->log, &slot);
    if (meet == PX_MEET_BROKEN) {
        px_core_violate(core, from, "a tail does not continue the log it meets");
        return;
    }
    if (meet == PX_MEET_SHORT) return; /* it was meant for a later question */
    if (meet != PX_MEET_OK) {
        give_up(core); /* others have chosen in a higher ballot meanwhile */
        return;
    }
    const px_log_part part = px_taken_part_behind(&message->log, slot);
    if (!px_taken_fits(core, core->ballot, &part, message->state.chosen)) {
        px_core_violate(core, from, "a tail is larger than the window");
        return;
    }
    if (!px_taken_has_room(core)) return; /* it is asked for again */
    core->adopt_patience = PX_ROUNDS_ELECTION;
    PX_MARK("tail_adopted");
    px_proposer_lead(core, &part, message->state.chosen);
}

/* ---- time and links ---- */

void px_candidate_on_round(px_core *core)
{
    if (core->phase == PX_PHASE_PREPARING) {
        try_adopt(core);
        const bool is_late = core->round - core->prepare_round >= PX_ROUNDS_HEARD;
        if (core->phase == PX_PHASE_PREPARING && is_late) send_prepare(core, members_without_promise(core));
    }
    if (core->phase != PX_PHASE_ADOPTING) return;
    if (core->round - core->adopt_round >= core->adopt_patience)
        give_up(core);
    else if (core->round - core->adopt_ask_round >= PX_ROUNDS_HEARD)
        send_fetch(core);
}

void px_candidate_on_link(px_core *core, uint32_t member)
{
    if (core->phase == PX_PHASE_PREPARING && !core->peers[member].has_promised)
        send_prepare(core, 1u << member);
    if (core->phase == PX_PHASE_ADOPTING && member == core->source) send_fetch(core);
}
