/* acceptor.c - what this node promises and accepts.
 *
 * Meaning    A promise binds the whole log. A synchronisation raises the accepted ballot and replaces the
 *            tail in one record; from then on each slot of that ballot is appended as it comes. Whatever is
 *            answered is on disk first: answers either carry the ticket they wait for, or state only what is
 *            durable.
 * Holds      promised never decreases; accepted <= promised; nothing at or below chosen is ever cut.
 * Source     [R2, R3, R5, R6]; Ng, Haridi, Carbone, Omni-Paxos (2023), Sequence Paxos. Refusals wait as
 *            promises do.
 * Not here   Choosing ballots (election.c, candidate.c), pieces of the chosen log (catchup.c). */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/core_priv.h"

/* ---- promising ---- */

/* Takes a promise: whoever led or campaigned below it stops. */
void px_acceptor_promise(px_core *core, px_ballot ballot)
{
    px_assert(!px_ballot_less(ballot, core->promised) || PX_MUTANT("r3_promise_below_promised"));
    px_election_enter(core, PX_PHASE_FOLLOWER);
    core->promised = ballot;
    core->promised_round = core->round;
    if (ballot.number > core->number_seen) core->number_seen = ballot.number;
}

/* States what was promised: waits for it where it is not yet on disk. [R2] */
void px_acceptor_refuse(px_core *core, uint32_t from, px_ballot ballot)
{
    const bool is_durable = px_ballot_equal(core->promised, core->tickets.durable.promised);
    px_ticket after = is_durable ? px_at_once() : core->tickets.last;
    if (PX_MUTANT("r2_refuse_before_durable")) after = px_at_once();
    const px_message refuse = {
        .kind = PX_MESSAGE_REFUSE,
        .ballot = ballot,
        .state = is_durable ? px_core_state_durable(core) : px_core_state_taken(core),
    };
    px_core_send(core, 1u << from, after, &refuse);
}

static void send_promise(px_core *core, uint32_t from)
{
    px_message promise = {
        .kind = PX_MESSAGE_PROMISE,
        .ballot = core->promised,
        .state = px_core_state_taken(core), /* synced or not: it waits for all of it [R3] */
    };
    px_ticket after = core->tickets.last;
    if (PX_MUTANT("r2_promise_before_durable")) after = px_at_once();
    if (PX_MUTANT("r3_promise_states_only_what_is_synced")) {
        promise.state.accepted = core->tickets.durable.accepted;
        promise.state.taken = promise.state.durable = px_core_state_durable(core).durable;
        if (promise.state.chosen > promise.state.taken)
            promise.state.taken = promise.state.durable = promise.state.chosen;
    }
    px_core_send(core, 1u << from, after, &promise);
}

void px_acceptor_on_prepare(px_core *core, uint32_t from, const px_message *message)
{
    const px_ballot ballot = message->ballot;
    if (!px_voters_learn(core, from, ballot)) return; /* it will ask again */
    if (!core->is_voting && !PX_MUTANT("r18_votes_before_the_roster_is_complete")) return;
    if (core->claim.is_unsure && !PX_MUTANT("r16_unsure_promises"))
        return; /* it does not know its log [R16] */
    if (px_ballot_less(ballot, core->promised) && !PX_MUTANT("r3_promise_below_promised")) {
        px_acceptor_refuse(core, from, ballot);
        return;
    }
    if (!px_ballot_equal(ballot, core->promised)) {
        if (px_tickets_room(&core->tickets) <= PX_TICKETS_RESERVED) return; /* it will ask again */
        if (!PX_MUTANT("r16_log_promises_first")) px_taken_state_configuration(core);
        px_acceptor_promise(core, ballot);
        if (!PX_MUTANT("r3_promise_only_in_memory")) (void)px_taken_store_promise(core);
    }
    send_promise(core, from);
}

/* ---- synchronising ---- */

/* Tells the leader how far its ballot is durable here; cumulative, so one a sync is enough. [R6] */
static void send_accepted(px_core *core)
{
    const px_durable *durable = &core->tickets.durable;
    const bool is_current =
        px_ballot_equal(core->promised, core->accepted) && !px_ballot_is_none(core->accepted);
    if (!is_current || core->accepted.node == core->config.self) return;
    if (!px_ballot_equal(durable->accepted, core->accepted)) return;
    const px_message accepted = {
        .kind = PX_MESSAGE_ACCEPTED,
        .ballot = core->accepted,
        .state = px_core_state_durable(core),
    };
    core->accepted_told = core->accepted;
    core->accepted_told_length = accepted.state.durable;
    px_core_send(core, 1u << core->accepted.node, px_at_once(), &accepted);
}

/* What the leader of the accepted ballot calls chosen is chosen here, too, as far as the log goes. [R6] */
static void take_chosen(px_core *core, px_ballot ballot, uint64_t chosen)
{
    if (!px_ballot_equal(core->accepted, ballot) && !PX_MUTANT("r6_chosen_under_any_ballot")) return;
    px_taken_choose(core, PX_MUTANT("r7_taken_is_chosen") ? core->slots.taken : chosen);
}

/* The synchronisation of a higher ballot: one record, whole or not at all. [R5] */
static void splice(px_core *core, uint32_t from, const px_message *message)
{
    uint64_t slot = 0;
    const px_meet meet = px_taken_meet(core, &message->log, &slot);
    if (meet == PX_MEET_BROKEN) {
        px_core_violate(core, from, "a synchronisation does not continue the log it meets");
        return;
    }
    if (meet == PX_MEET_BEHIND) return; /* of a leader that others have overtaken */
    if (meet == PX_MEET_OK && slot < core->slots.taken) PX_MARK("sync_cuts");
    if (meet != PX_MEET_OK) {
        px_catchup_ask(core, from); /* that it meets at what is known chosen here */
        return;
    }
    if (PX_MUTANT("r5_cut_to_the_meeting_slot_of_the_leader") && message->log.after < slot)
        slot = message->log.after;
    px_log_part part = px_taken_part_behind(&message->log, slot);
    if (!px_taken_fits(core, message->ballot, &part, message->state.chosen)) {
        px_core_violate(core, from, "a synchronisation is larger than the window");
        return;
    }
    if (!PX_MUTANT("r5_sync_does_not_promise")) px_acceptor_promise(core, message->ballot);
    core->accepted = message->ballot;
    core->cuts = 0;
    if (PX_MUTANT("r5_splice_in_two_records")) {
        const px_log_part nothing = {part.after, part.after_chain, 0, part.entries};
        px_taken_store(core, PX_RECORD_SPLICE, &nothing, message->state.chosen);
        px_taken_store(core, PX_RECORD_APPEND, &part, message->state.chosen);
    } else if (PX_MUTANT("r5_sync_keeps_the_longer_tail") && px_part_end(&part) < core->slots.taken) {
        part = (px_log_part){core->slots.taken, px_slots_at(&core->slots, core->slots.taken)->chain, 0,
                             part.entries};
        px_taken_store(core, PX_RECORD_SPLICE, &part, message->state.chosen);
    } else {
        px_taken_store(core, PX_RECORD_SPLICE, &part, message->state.chosen);
    }
}

/* A synchronisation of the ballot that is accepted already only extends. [R5] */
static void extend(px_core *core, uint32_t from, const px_message *message)
{
    uint64_t slot = 0;
    const px_meet meet = px_taken_meet(core, &message->log, &slot);
    if (meet == PX_MEET_SHORT) {
        px_catchup_ask(core, from);
        return;
    }
    if (meet == PX_MEET_BEHIND) return;
    const uint64_t end = px_part_end(&message->log);
    const bool is_behind_chosen = message->log.after <= core->slots.chosen;
    if (meet == PX_MEET_DIFFERS && is_behind_chosen)
        return; /* an overtaken leader: other slots were chosen since */
    if (meet != PX_MEET_OK || (slot < end && slot < core->slots.taken)) {
        px_core_violate(core, from, "one ballot has two values for a slot");
        return;
    }
    const px_log_part part = px_taken_part_behind(&message->log, slot);
    if (!px_taken_fits(core, message->ballot, &part, message->state.chosen)) {
        px_core_violate(core, from, "a synchronisation is larger than the window");
        return;
    }
    if (part.count || core->claim.is_unsure)
        px_repair_store_rest(core, &part, message->state.chosen);
    else
        send_accepted(core);
    take_chosen(core, message->ballot, message->state.chosen);
}

/* Notes a word of a leader. Returns false where it may not be heeded. */
static bool heed_leader(px_core *core, uint32_t from, px_ballot ballot)
{
    if (!core->is_voting) return false;
    if (px_ballot_less(ballot, core->promised) && !PX_MUTANT("r6_accept_below_promised")) {
        px_acceptor_refuse(core, from, ballot);
        return false;
    }
    px_peer *peer = &core->peers[from];
    if (!px_ballot_less(ballot, peer->leads)) peer->leads = peer->follows = ballot;
    return true;
}

void px_acceptor_on_sync(px_core *core, uint32_t from, const px_message *message)
{
    if (!heed_leader(core, from, message->ballot)) return;
    if (!px_taken_is_sound(&message->log)) {
        px_core_violate(core, from, "a synchronisation has entries that are not sound");
        return;
    }
    if (!px_taken_has_room(core)) return;
    const bool is_taken = px_ballot_equal(message->ballot, core->accepted);
    if (is_taken && !PX_MUTANT("r5_stale_sync_cuts"))
        extend(core, from, message);
    else
        splice(core, from, message);
}

/* ---- accepting ---- */

static void accept_next(px_core *core, uint32_t from, const px_message *message)
{
    uint64_t slot = 0;
    const px_meet meet = px_taken_meet(core, &message->log, &slot);
    if (meet == PX_MEET_DIFFERS && message->log.after <= core->slots.chosen) return; /* an overtaken leader */
    if (meet != PX_MEET_OK) {
        px_core_violate(core, from, "a slot does not continue the log of its ballot");
        return;
    }
    if (!px_taken_fits(core, message->ballot, &message->log, message->state.chosen)) {
        px_core_violate(core, from, "a slot lies outside the window");
        return;
    }
    px_taken_store(core, PX_RECORD_APPEND, &message->log, message->state.chosen);
}

static void accept_again(px_core *core, uint32_t from, const px_message *message)
{
    PX_MARK("slot_came_twice");
    const px_entry *entry = &message->log.entries[0];
    const bool is_known =
        entry->slot <= core->slots.chosen || px_slots_has(&core->slots, entry->slot, entry->chain);
    if (!is_known)
        px_core_violate(core, from, "one ballot has two values for a slot");
    else
        send_accepted(core);
}

void px_acceptor_on_accept(px_core *core, uint32_t from, const px_message *message)
{
    if (!heed_leader(core, from, message->ballot)) return;
    if (message->log.count != 1 || !px_taken_is_sound(&message->log)) {
        px_core_violate(core, from, "a slot is not sound");
        return;
    }
    bool is_synchronised =
        px_ballot_equal(core->promised, message->ballot) && px_ballot_equal(core->accepted, message->ballot);
    if ((PX_MUTANT("r6_accept_unsynchronised") || PX_MUTANT("r6_accept_without_meeting")) &&
        core->slots.taken == message->log.after &&
        (px_slots_has(&core->slots, message->log.after, message->log.after_chain) ||
         PX_MUTANT("r6_accept_without_meeting"))) {
        px_acceptor_promise(core, message->ballot);
        core->accepted = message->ballot;
        is_synchronised = true;
    }
    if (!px_taken_has_room(core)) return;
    if (!is_synchronised || message->log.after > core->slots.taken) { /* [R6] */
        px_catchup_ask(core, from);
        return;
    }
    if (message->log.after < core->slots.taken)
        accept_again(core, from, message);
    else
        accept_next(core, from, message);
    take_chosen(core, message->ballot, message->state.chosen);
    if (PX_MUTANT("r2_accepted_before_durable")) {
        const px_message accepted = {.kind = PX_MESSAGE_ACCEPTED,
                                     .ballot = message->ballot,
                                     .state = px_core_state_taken(core)};
        px_core_send(core, 1u << from, px_at_once(), &accepted);
    }
}

void px_acceptor_on_chosen(px_core *core, uint32_t from, const px_message *message)
{
    if (!heed_leader(core, from, message->ballot)) return;
    take_chosen(core, message->ballot, message->state.chosen);
}

/* Only what is still accepted is told: what a higher promise withdrew is not. [R3] */
void px_acceptor_on_stored(px_core *core)
{
    if (!core->is_voting || core->is_diverged) return;
    const px_durable *durable = &core->tickets.durable;
    const bool is_told = px_ballot_equal(core->accepted_told, durable->accepted) &&
                         core->accepted_told_length >= px_core_state_durable(core).durable;
    if (!is_told) send_accepted(core);
}
