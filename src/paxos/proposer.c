/* proposer.c - leading: synchronising followers, streaming slots to them, and counting what they accepted.
 *
 * Meaning    Leading begins with one record that makes the adopted log this ballot's. Followers are
 *            synchronised from the slot that they know chosen, then get each new slot as it is proposed, in
 *            parallel with the own write. What a majority has on disk in this ballot is chosen.
 * Holds      Only lengths stated under this ballot, by a member that had promised nothing above it, are
 *            counted; the own one is what is durable here.
 * Source     [R1, R4, R5, R6, R8, R9, R14].
 * Not here   Gathering the promises (candidate.c). */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/core_priv.h"

/* ---- chosen ---- */

static uint64_t own_length(const px_core *core)
{
    const px_durable *durable = &core->tickets.durable;
    if (PX_MUTANT("r6_leader_counts_itself_unsynced")) return core->slots.taken;
    if (!px_ballot_equal(durable->accepted, core->ballot)) return 0;
    return durable->length < core->slots.taken ? durable->length : core->slots.taken;
}

/* The highest length that a majority has reached. [R1] */
static uint64_t majority_length(const px_core *core)
{
    uint64_t lengths[PX_MEMBERS_MAX] = {0};
    uint32_t count = 0;
    /* Votes of a former configuration choose nothing behind its stop sign. [R21] */
    if (core->ballot.config != core->voters.current.number) return 0;
    for (uint32_t member = 0; member < core->config.member_count; member++) {
        uint64_t length =
            member == core->config.self ? own_length(core) : core->peers[member].accepted_length;
        if (!px_voters_counts(core, member)) length = 0;
        uint32_t at = count++;
        for (; at > 0 && lengths[at - 1] < length; at--) lengths[at] = lengths[at - 1];
        lengths[at] = length;
    }
    return lengths[px_core_majority(core) - 1];
}

static void try_hand_over(px_core *core);

static void count_chosen(px_core *core)
{
    if (core->phase != PX_PHASE_LEADING) return;
    px_taken_choose(core, majority_length(core));
    if (core->is_handing_over) try_hand_over(core);
}

/* A length counts where promised and accepted are both this ballot: slots that came as pieces, under an old
 * accepted ballot and a newer promise, are not acceptances. [R1, R6] */
void px_proposer_count(px_core *core, uint32_t from)
{
    if (core->phase != PX_PHASE_LEADING) return;
    px_peer *peer = &core->peers[from];
    const px_node_state *state = &peer->state;
    const bool is_promised =
        px_ballot_equal(state->promised, core->ballot) || PX_MUTANT("r1_count_slots_that_came_as_pieces");
    const bool is_here = px_ballot_equal(state->accepted, core->ballot) && is_promised;
    if (!is_here && !PX_MUTANT("r1_count_across_ballots")) return;
    const uint64_t length = state->durable < core->slots.taken ? state->durable : core->slots.taken;
    if (length > peer->accepted_length) {
        peer->accepted_length = length;
        peer->sync_wait = PX_ROUNDS_HEARD;
        count_chosen(core);
    }
}

void px_proposer_on_accepted(px_core *core, uint32_t from, const px_message *message)
{
    if (!px_ballot_equal(message->ballot, core->ballot) && !PX_MUTANT("r1_count_across_ballots")) return;
    px_proposer_count(core, from);
}

void px_proposer_on_stored(px_core *core)
{
    count_chosen(core);
}

static void send_chosen(px_core *core, bool is_quiet)
{
    uint32_t mask = 0;
    for (uint32_t member = 0; member < core->config.member_count; member++) {
        const px_peer *peer = &core->peers[member];
        if (peer->is_streaming && peer->state.is_quiet == is_quiet) mask |= 1u << member;
    }
    const px_message chosen = {.kind = PX_MESSAGE_CHOSEN,
                               .ballot = core->ballot,
                               .state = px_core_state_durable(core)};
    px_core_send(core, mask, px_at_once(), &chosen);
}

/* Followers hear what is chosen with the next slot. Where none is sent in this step, those hear it by itself
 * at whom somebody waits for it; the others where there is none for a while. */
void px_proposer_tell_chosen(px_core *core)
{
    if (core->phase != PX_PHASE_LEADING || core->awaited_told >= core->slots.chosen) return;
    if (core->followers_told == core->awaited_told) core->tell_us = core->now_us + PX_TELL_QUIET_US;
    core->awaited_told = core->slots.chosen;
    send_chosen(core, false);
}

uint64_t px_proposer_deadline_us(const px_core *core)
{
    const bool is_due = core->phase == PX_PHASE_LEADING && core->followers_told < core->awaited_told;
    return is_due ? core->tell_us : UINT64_MAX;
}

void px_proposer_on_tick(px_core *core)
{
    if (core->now_us < px_proposer_deadline_us(core)) return;
    PX_MARK("told_where_nobody_waits");
    core->followers_told = core->awaited_told;
    send_chosen(core, true);
}

static void note_told(px_core *core)
{
    core->awaited_told = core->followers_told = core->slots.chosen;
}

/* ---- synchronising ---- */

/* Sends the log behind `after` to its end. [R5] */
static void send_sync(px_core *core, uint32_t member, uint64_t after)
{
    px_peer *peer = &core->peers[member];
    const px_message sync = {.kind = PX_MESSAGE_SYNC,
                             .ballot = core->ballot,
                             .state = px_core_state_durable(core)};
    px_core_send_log(core, 1u << member, &sync, after, core->slots.taken);
    if (peer->sync_wait == 0)
        peer->sync_wait = PX_ROUNDS_HEARD;
    else if (peer->sync_wait < PX_ROUNDS_WAIT_MAX)
        peer->sync_wait *= 2;
    peer->sync_round = core->round;
    peer->is_streaming = true;
    peer->sent = core->slots.taken;
    for (uint32_t i = 0; i < PX_ROUNDS_HEARD; i++) peer->sent_then[i] = 0;
}

/* Not on every answer: what is under way gets time to arrive, longer each time. [R8] */
static bool is_due(const px_core *core, const px_peer *peer, bool is_asked)
{
    if (PX_MUTANT("r8_never_send_again") && peer->sync_round) return false;
    if (peer->sync_round == 0) return true;
    if (is_asked) return core->round != peer->sync_round;
    return core->round - peer->sync_round >= peer->sync_wait;
}

/* Others than voters get what is chosen, nothing else. [R19] */
static bool is_voter(const px_core *core, uint32_t member)
{
    if (PX_MUTANT("r19_non_voter_is_synchronised")) return true;
    const bool has_answered = px_election_is_heard(core, member) || core->peers[member].has_promised;
    return has_answered && px_voters_counts(core, member);
}

bool px_proposer_tend(px_core *core, uint32_t member, bool is_asked)
{
    px_peer *peer = &core->peers[member];
    const px_node_state *state = &peer->state;
    if (core->phase != PX_PHASE_LEADING || !peer->has_state || peer->differs) return false;
    if (!is_voter(core, member)) return false;
    if (px_ballot_less(core->ballot, state->promised)) return false;
    uint64_t after = state->chosen;
    /* Who does not know this configuration may not know that it is a voter: it pulls what is chosen first. */
    const bool is_unaware = after < core->voters.current_slot;
    if (px_ballot_equal(state->accepted, core->ballot)) {
        after = state->taken;
        if (after >= core->slots.taken) {
            peer->is_streaming = true;
            peer->sent = core->slots.taken;
            return false;
        }
        if (peer->is_streaming && !is_asked) return false; /* more is under way to it */
    }
    if (is_unaware || after > core->slots.taken ||
        !px_catchup_fits_window(core, after)) { /* it pulls what is chosen first [R9] */
        peer->is_streaming = false;
        return false;
    }
    if (!is_due(core, peer, is_asked)) return false;
    if (peer->sync_round) PX_MARK("sent_again");
    send_sync(core, member, after);
    return true;
}

bool px_proposer_confirm(px_core *core, uint32_t member)
{
    const px_peer *peer = &core->peers[member];
    if (core->phase != PX_PHASE_LEADING || peer->differs || !is_voter(core, member)) return false;
    if (!px_ballot_equal(peer->state.accepted, core->ballot)) return false;
    if (peer->state.taken != core->slots.taken || !is_due(core, peer, true)) return false;
    send_sync(core, member, core->slots.taken);
    return true;
}

/* Did it take nothing for two rounds, of what had been sent before them? [R8] */
static bool is_stalled(const px_peer *peer)
{
    return peer->is_streaming && peer->state.taken < peer->sent_then[PX_ROUNDS_HEARD - 1] &&
           peer->state.taken == peer->taken_then;
}

void px_proposer_on_round(px_core *core)
{
    if (core->phase != PX_PHASE_LEADING) return;
    for (uint32_t member = 0; member < core->config.member_count; member++) {
        px_peer *peer = &core->peers[member];
        if (member == core->config.self || !px_election_is_heard(core, member)) continue;
        if (is_stalled(peer)) peer->is_streaming = false;
        for (uint32_t i = PX_ROUNDS_HEARD - 1; i > 0; i--) peer->sent_then[i] = peer->sent_then[i - 1];
        peer->sent_then[0] = peer->sent;
        peer->taken_then = peer->state.taken;
        (void)px_proposer_tend(core, member, false);
    }
    if (!core->is_handing_over) return;
    try_hand_over(core);
    if (core->round - core->hand_over_round >= PX_ROUNDS_ELECTION) core->is_handing_over = false;
}

void px_proposer_on_link(px_core *core, uint32_t member)
{
    px_peer *peer = &core->peers[member];
    peer->is_streaming = false;
    peer->sync_round = 0;
    peer->sync_wait = 0;
}

/* ---- leading ---- */

/* Takes the adopted log over in one record, and begins to lead. [R4] */
void px_proposer_lead(px_core *core, const px_log_part *log, uint64_t chosen)
{
    px_assert(px_ballot_equal(core->promised, core->ballot));
    core->accepted = core->ballot;
    core->cuts = 0;
    px_taken_store(core, PX_RECORD_SPLICE, log, chosen);
    px_election_enter(core, PX_PHASE_LEADING);
    core->adopted_upto = core->slots.taken;
    note_told(core);
    for (uint32_t member = 0; member < core->config.member_count; member++) {
        px_peer *peer = &core->peers[member];
        if (!PX_MUTANT("r1_count_across_ballots")) peer->accepted_length = 0;
        px_proposer_on_link(core, member);
        if (member != core->config.self) (void)px_proposer_tend(core, member, false);
    }
}

/* ---- proposing ---- */

/* How far a member may lie behind before it is no longer streamed to. */
static bool is_too_far_behind(const px_core *core, const px_peer *peer)
{
    const uint64_t taken = peer->state.taken;
    if (peer->sent <= taken + 1) return false;
    if (peer->sent - taken > PX_WINDOW_SLOTS) return true;
    return px_slots_bytes_behind(&core->slots, taken) > PX_UNTAKEN_BYTES_MAX;
}

static uint32_t streaming_mask(px_core *core)
{
    uint32_t mask = 0;
    for (uint32_t member = 0; member < core->config.member_count; member++) {
        px_peer *peer = &core->peers[member];
        if (!peer->is_streaming) continue;
        if (is_too_far_behind(core, peer)) {
            peer->is_streaming = false;
            continue;
        }
        peer->sent = core->slots.taken;
        mask |= 1u << member;
    }
    return mask;
}

/* No duplicate ever enters the log: each run was admitted, so each must change the table. [R11] */
static void check_admitted(const px_core *core, const px_entry *entry, uint64_t changes_before)
{
    const uint64_t changes = core->sessions.change_end - changes_before;
    px_assert(changes == px_sessions_count_changes(entry) || PX_MUTANT("r11_resent_opening_fences_twice"));
}

static uint32_t count_messages(const px_proposal *proposal)
{
    if (proposal->kind != PX_ENTRY_BATCH) return 0;
    px_batch batch;
    const px_err err = px_batch_open(proposal->body, UINT32_MAX, &batch);
    px_assert(err == PX_OK);
    return batch.message_count;
}

void px_proposer_propose(px_core *core, const px_proposal *proposal)
{
    px_assert(core->phase == PX_PHASE_LEADING);
    px_assert(px_core_room(core).bytes > 0);
    const px_slots *slots = &core->slots;
    const px_slot *before = px_slots_at(slots, slots->taken);
    px_entry *entry = &core->proposed;
    *entry = (px_entry){
        .slot = slots->taken + 1,
        .kind = proposal->kind,
        .message_count = count_messages(proposal),
        .index_first = px_slots_index_next(slots, slots->taken),
        .stamp_ms = proposal->stamp_ms > before->stamp_ms ? proposal->stamp_ms : before->stamp_ms,
        .body_hash = proposal->body_hash,
        .body = proposal->body,
    };
    entry->chain = px_entry_chain(before->chain, entry);
    const px_log_part part = {slots->taken, before->chain, 1, entry};
    const uint64_t changes_before = core->sessions.change_end;
    px_taken_store(core, PX_RECORD_APPEND, &part, slots->chosen);
    check_admitted(core, entry, changes_before);
    const px_message accept = {.kind = PX_MESSAGE_ACCEPT,
                               .ballot = core->ballot,
                               .state = px_core_state_durable(core)};
    px_core_send_log(core, streaming_mask(core), &accept, part.after, entry->slot);
    note_told(core);
}

px_room px_core_room(const px_core *core)
{
    const px_room none = {0, 0};
    if (core->phase != PX_PHASE_LEADING || core->is_handing_over || core->disk == PX_DISK_FULL) return none;
    if (!px_taken_has_room(core)) return none;
    const bool is_stopped = core->voters.next_slot != 0;
    if (is_stopped && !PX_MUTANT("r21_proposes_behind_the_stop_sign")) return none;
    const px_slots *slots = &core->slots;
    const uint64_t unchosen = slots->taken - slots->chosen;
    if (unchosen >= PX_WINDOW_SLOTS) return none;
    const uint64_t runs = px_slots_changes_behind(slots, slots->chosen);
    if (runs >= PX_WINDOW_RUNS_MAX) return none;
    px_room room = {PX_BATCH_BYTES, PX_BATCH_RUNS_MAX};
    if (PX_WINDOW_RUNS_MAX - runs < room.runs) room.runs = (uint32_t)(PX_WINDOW_RUNS_MAX - runs);
    const uint64_t bytes = px_slots_bytes_behind(slots, slots->chosen);
    if (unchosen == 0) { /* a single large message goes alone [R9] */
        const uint32_t large =
            core->config.message_bytes_max + PX_BATCH_HEADER_BYTES + PX_RUN_HEADER_BYTES + PX_LENGTH_BYTES;
        if (room.bytes < large) room.bytes = large;
    } else {
        if (bytes >= PX_WINDOW_BYTES) return none;
        if (PX_WINDOW_BYTES - bytes < room.bytes) room.bytes = (uint32_t)(PX_WINDOW_BYTES - bytes);
    }
    return room;
}

/* ---- handing over ---- */

/* Has it everything, so that it can go on at once? */
static bool is_caught_up(const px_core *core, uint32_t member)
{
    const px_peer *peer = &core->peers[member];
    if (member == core->config.self || !px_election_is_heard(core, member)) return false;
    if (!px_voters_counts(core, member)) return false;
    if (core->disk == PX_DISK_FULL && peer->disk == PX_DISK_FULL) return false;
    return peer->disk != PX_DISK_OVERDUE && peer->accepted_length == core->slots.taken;
}

static void try_hand_over(px_core *core)
{
    for (uint32_t member = 0; member < core->config.member_count; member++) {
        if (core->hand_over_to != PX_MEMBERS_MAX && core->hand_over_to != member) continue;
        if (!is_caught_up(core, member)) continue;
        const px_message take_over = {.kind = PX_MESSAGE_TAKE_OVER, .ballot = core->ballot};
        PX_MARK("handed_over");
        px_core_send(core, 1u << member, px_at_once(), &take_over);
        px_election_enter(core, PX_PHASE_FOLLOWER);
        core->promised_round = core->round; /* it gives the other time to campaign */
        return;
    }
}

/* Stops proposing, and tells a caught-up member to take over. [R14] */
void px_proposer_transfer(px_core *core, uint32_t member)
{
    px_assert(member <= PX_MEMBERS_MAX);
    if (core->phase != PX_PHASE_LEADING || member == core->config.self) return;
    core->is_handing_over = true;
    core->hand_over_to = member;
    core->hand_over_round = core->round;
    try_hand_over(core);
}
