/* catchup.c - the chosen log in pieces, for whoever lags.
 *
 * Meaning    A node that hears of chosen slots it does not have asks one member for the next piece of them,
 *            takes it under its old accepted ballot, and asks again. Streaming brings the rest: it asks only
 *            where that does not come by itself.
 * Holds      At most one question is under way; no further one while much of what came is not on disk. A slot
 *            is cut only where its hash differs from a chosen one's, above what is known chosen.
 * Source     [R6, R9, R10]. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/core_priv.h"

/* ---- asking ---- */

static void send_fetch(px_core *core, uint32_t member)
{
    const px_message fetch = {.kind = PX_MESSAGE_FETCH, .state = px_core_state_durable(core)};
    px_core_send(core, 1u << member, px_at_once(), &fetch);
}

/* Asks a leader to synchronise this node from what it knows chosen; at most once a round. */
void px_catchup_ask(px_core *core, uint32_t leader)
{
    if (core->ask_round == core->round) return;
    core->ask_round = core->round;
    send_fetch(core, leader);
}

/* Whom to ask, of those who answer: the leader, else whoever has the most. */
static uint32_t pick_source(const px_core *core)
{
    uint32_t leader = PX_MEMBERS_MAX;
    const px_ballot ballot = px_election_leader_heard(core, &leader);
    uint64_t most = core->slots.chosen;
    uint32_t source = PX_MEMBERS_MAX;
    for (uint32_t member = 0; member < core->config.member_count; member++) {
        const px_peer *peer = &core->peers[member];
        if (member == core->config.self || !px_election_is_heard(core, member)) continue;
        if (peer->state.chosen <= core->slots.chosen) continue;
        if (!px_ballot_is_none(ballot) && member == leader) return member;
        if (peer->state.chosen <= most) continue;
        most = peer->state.chosen;
        source = member;
    }
    return source;
}

/* Will the leader that is heard bring it by itself? */
static bool is_coming(const px_core *core, uint32_t source)
{
    uint32_t leader = PX_MEMBERS_MAX;
    const px_ballot ballot = px_election_leader_heard(core, &leader);
    if (px_ballot_is_none(ballot) || !px_ballot_equal(ballot, core->promised)) return false;
    if (core->peers[source].state.chosen > core->slots.taken + PX_WINDOW_SLOTS) return false;
    return core->round - core->still_round < PX_ROUNDS_HEARD;
}

/* Is this node in its leader's stream, so that only a gap would have to be fetched? */
static bool is_in_stream(const px_core *core, uint32_t source)
{
    uint32_t leader = PX_MEMBERS_MAX;
    const px_ballot ballot = px_election_leader_heard(core, &leader);
    if (px_ballot_is_none(ballot) || !px_ballot_equal(ballot, core->accepted)) return false;
    return core->peers[source].state.chosen <= core->slots.taken + PX_WINDOW_SLOTS;
}

static void consider(px_core *core)
{
    if (px_election_leads(core)) return;
    const uint32_t source = pick_source(core);
    if (source == PX_MEMBERS_MAX) {
        core->is_catching_up = false;
        core->fetch_from = PX_MEMBERS_MAX;
        core->still_round = core->round;
        return;
    }
    if (core->fetch_from != PX_MEMBERS_MAX && !px_election_is_heard(core, core->fetch_from))
        core->fetch_from = PX_MEMBERS_MAX;
    if (core->fetch_from != PX_MEMBERS_MAX && core->round - core->fetch_round < core->fetch_wait) return;
    if (core->tickets.size_bytes > PX_PIECES_UNSYNCED_BYTES_MAX || !px_taken_has_room(core)) return;
    if (is_in_stream(core, source)) core->is_catching_up = false;
    if (!core->is_catching_up && is_coming(core, source)) return;
    /* A large piece may be long under way: each repetition waits longer. */
    if (core->fetch_from == PX_MEMBERS_MAX)
        core->fetch_wait = PX_ROUNDS_HEARD;
    else if (core->fetch_wait < PX_ROUNDS_WAIT_MAX)
        core->fetch_wait *= 2;
    core->is_catching_up = true;
    core->fetch_from = source;
    core->fetch_round = core->round;
    send_fetch(core, source);
}

/* What another node calls chosen is chosen here where the hashes are equal there; where not, it is fetched.
 * [R6] */
void px_catchup_on_state(px_core *core, uint32_t from)
{
    const px_node_state *state = &core->peers[from].state;
    if (state->chosen <= core->slots.chosen) return;
    const bool is_same = px_slots_has(&core->slots, state->chosen, state->chosen_chain);
    if (is_same || PX_MUTANT("r6_chosen_without_equal_hash")) px_taken_choose(core, state->chosen);
    consider(core);
}

void px_catchup_on_stored(px_core *core)
{
    if (core->is_catching_up && core->fetch_from == PX_MEMBERS_MAX) consider(core);
}

void px_catchup_on_round(px_core *core)
{
    if (core->still_taken != core->slots.taken || core->still_chosen != core->slots.chosen) {
        core->still_taken = core->slots.taken;
        core->still_chosen = core->slots.chosen;
        core->still_round = core->round;
    }
    consider(core);
}

void px_catchup_on_link(px_core *core, uint32_t member)
{
    if (core->fetch_from == member) core->fetch_from = PX_MEMBERS_MAX;
}

/* ---- answering ---- */

/* May what lies behind `after` go in one message? What is not chosen always may. [R9] */
bool px_catchup_fits_window(const px_core *core, uint64_t after)
{
    const px_slots *slots = &core->slots;
    if (after >= slots->chosen) return true;
    if (slots->taken - after > PX_WINDOW_SLOTS) return false;
    return px_slots_bytes_behind(slots, after) <= PX_WINDOW_BYTES;
}

static void send_piece(px_core *core, uint32_t to, uint64_t after)
{
    const px_message piece = {.kind = PX_MESSAGE_PIECE};
    px_core_send_log(core, 1u << to, &piece, after, core->slots.chosen);
}

/* A candidate fetches the log it adopts, while this node's promise is still the candidate's. [R4, R9] */
static void answer_candidate(px_core *core, uint32_t from, const px_message *message)
{
    if (!core->is_voting) return;
    if (px_repair_is_faulty(core) && !PX_MUTANT("r16_damaged_log_is_adopted")) return;
    if (!px_ballot_equal(message->ballot, core->promised)) {
        if (px_ballot_less(message->ballot, core->promised)) px_acceptor_refuse(core, from, message->ballot);
        return;
    }
    if (px_ballot_equal(core->accepted, core->promised)) return; /* it has adopted since */
    const uint64_t after = message->state.chosen;
    if (after > core->slots.taken) return;
    if (!px_catchup_fits_window(core, after)) {
        send_piece(core, from, after);
        return;
    }
    const px_message tail = {.kind = PX_MESSAGE_TAIL,
                             .ballot = message->ballot,
                             .state = px_core_state_durable(core)};
    const uint64_t last = PX_MUTANT("r4_tail_ends_at_chosen") && core->slots.chosen > after
                              ? core->slots.chosen
                              : core->slots.taken;
    px_core_send_log(core, 1u << from, &tail, after, last);
}

void px_catchup_on_fetch(px_core *core, uint32_t from, const px_message *message)
{
    if (!px_ballot_is_none(message->ballot)) {
        answer_candidate(core, from, message);
        return;
    }
    if (px_proposer_tend(core, from, true)) return;
    if (message->state.chosen < core->slots.chosen)
        send_piece(core, from, message->state.chosen);
    else if (!px_proposer_confirm(core, from))
        px_repair_answer(core, from, &message->state);
}

/* ---- taking ---- */

/* Takes chosen slots; returns false where they do not fit the log here. */
static bool take_piece(px_core *core, uint32_t from, const px_log_part *log)
{
    uint64_t slot = 0;
    const px_meet meet = px_taken_meet(core, log, &slot);
    if (meet == PX_MEET_BROKEN) {
        px_core_violate(core, from, "a piece does not continue the log it meets");
        return false;
    }
    if (meet != PX_MEET_OK) return false;
    const uint64_t end = px_part_end(log);
    const px_log_part part = px_taken_part_behind(log, slot);
    if (!px_voters_fit(core, core->accepted, &part, end)) {
        px_core_violate(core, from, "a piece has changes of configuration out of their places");
        return false;
    }
    if (slot == end) {
        px_taken_choose(core, end);
    } else if (slot == core->slots.taken) {
        px_taken_store(core, PX_RECORD_APPEND, &part, end);
    } else { /* nothing unlike a chosen slot can be chosen: it is cut, under the old accepted ballot [R9] */
        PX_MARK("piece_cuts");
        if (!PX_MUTANT("r9_cut_is_not_counted")) core->cuts++;
        px_taken_store(core, PX_RECORD_CUT, &part, end);
    }
    return true;
}

/* Nothing more to fetch: what is left, the leader synchronises. */
static void ask_leader(px_core *core)
{
    uint32_t leader = PX_MEMBERS_MAX;
    const px_ballot ballot = px_election_leader_heard(core, &leader);
    if (px_ballot_is_none(ballot) || px_ballot_equal(ballot, core->accepted) || !core->is_voting) return;
    px_catchup_ask(core, leader);
}

void px_catchup_on_piece(px_core *core, uint32_t from, const px_message *message)
{
    if (core->phase == PX_PHASE_LEADING) return; /* its log grows by its own proposals alone */
    if (!px_taken_is_sound(&message->log)) {
        px_core_violate(core, from, "a piece has entries that are not sound");
        return;
    }
    if (!px_taken_has_room(core)) return;
    if (PX_MUTANT("r9_piece_raises_the_ballot")) core->accepted = core->promised;
    const bool is_taken = take_piece(core, from, &message->log);
    if (core->fetch_from == from) core->fetch_from = PX_MEMBERS_MAX;
    if (!is_taken) return;
    px_candidate_on_piece(core, from);
    const bool was_catching_up = core->is_catching_up;
    consider(core);
    if (was_catching_up && !core->is_catching_up) ask_leader(core);
}
