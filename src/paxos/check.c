/* check.c - what must hold, and what nobody may say.
 *
 * Meaning    Messages are looked at before any role sees them: what cannot be true closes the connection.
 *            Chosen hashes are compared: a node that no majority can agree with stops voting and delivering.
 *            px_core_check asserts every invariant of the core.
 * Source     [protocol.md §7]. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/core_priv.h"

void px_core_violate(px_core *core, uint32_t from, const char *words)
{
    core->violations++;
    core->violator = from;
    core->violation = words;
}

/* ---- messages ---- */

static bool is_ballot_sane(const px_core *core, px_ballot ballot)
{
    if (px_ballot_is_none(ballot)) return ballot.config == 0 && ballot.node == 0;
    return ballot.config < PX_BALLOT_NUMBER_END && ballot.number < PX_BALLOT_NUMBER_END &&
           ballot.node < core->config.member_count;
}

static bool is_state_sane(const px_core *core, const px_node_state *state)
{
    if (!is_ballot_sane(core, state->promised) || !is_ballot_sane(core, state->accepted)) return false;
    if (px_ballot_less(state->promised, state->accepted)) return false;
    if (state->taken >= PX_NUMBER_END || state->cuts >= PX_NUMBER_END) return false;
    if (state->durable > state->taken || state->chosen > state->taken) return false;
    if (state->claimed && (state->claimed <= state->taken || state->claimed >= PX_NUMBER_END)) return false;
    return state->chosen != 0 || px_hash_is_zero(state->chosen_chain);
}

/* Is the ballot one that this sender can name in such a message? */
static bool is_ballot_its(const px_core *core, uint32_t from, const px_message *message)
{
    const px_ballot ballot = message->ballot;
    switch (message->kind) {
    case PX_MESSAGE_PREPARE:
    case PX_MESSAGE_SYNC:
    case PX_MESSAGE_ACCEPT:
    case PX_MESSAGE_CHOSEN:
    case PX_MESSAGE_PROBE:
    case PX_MESSAGE_TAKE_OVER: return !px_ballot_is_none(ballot) && ballot.node == from;
    case PX_MESSAGE_PROMISE:
    case PX_MESSAGE_REFUSE:
    case PX_MESSAGE_ACCEPTED:
    case PX_MESSAGE_PROBED:
    case PX_MESSAGE_TAIL: return !px_ballot_is_none(ballot) && ballot.node == core->config.self;
    case PX_MESSAGE_FETCH: return px_ballot_is_none(ballot) || ballot.node == from;
    case PX_MESSAGE_HEARD: return px_ballot_is_none(message->leads) || message->leads.node == from;
    case PX_MESSAGE_HEARTBEAT:
    case PX_MESSAGE_PIECE:
    case PX_MESSAGE_MENDED: break;
    }
    return true;
}

bool px_check_message(px_core *core, uint32_t from, const px_message *message)
{
    const char *words = NULL;
    if (!is_ballot_sane(core, message->ballot) || !is_ballot_sane(core, message->leads) ||
        !is_ballot_sane(core, message->follows) || message->above >= PX_BALLOT_NUMBER_END) {
        words = "a ballot is out of its bounds";
    } else if (!is_ballot_its(core, from, message)) {
        words = "the ballot is not one that its sender may name";
    } else if (message->kind == PX_MESSAGE_ACCEPT || message->kind == PX_MESSAGE_CHOSEN) {
        if (message->state.chosen >= PX_NUMBER_END) words = "a slot is out of its bounds";
    } else if (!is_state_sane(core, &message->state)) {
        words = "the state of a node contradicts itself";
    } else if (message->kind == PX_MESSAGE_PROMISE &&
               !px_ballot_equal(message->state.promised, message->ballot)) {
        words = "a promise states another promise";
    }
    if (words) px_core_violate(core, from, words);
    return words == NULL;
}

/* ---- divergence ---- */

static bool has_majority_against(const px_core *core)
{
    uint32_t differing = 0;
    for (uint32_t member = 0; member < core->config.member_count; member++)
        if (core->peers[member].differs) differing++;
    return 2 * differing >= core->config.member_count;
}

/* Where no majority can agree with this node's chosen log, it stops: it may be the one that is wrong. */
void px_check_state(px_core *core, uint32_t from, const px_node_state *state)
{
    if (state->chosen == 0 || state->chosen > core->slots.chosen) return;
    const px_slot *slot = px_slots_at(&core->slots, state->chosen);
    if (!slot || px_hash_equal(slot->chain, state->chosen_chain) || PX_MUTANT("p7_divergence_is_ignored"))
        return;
    core->peers[from].differs = true;
    core->peers[from].is_streaming = false;
    core->differs_slot = state->chosen;
    if (!has_majority_against(core)) return;
    px_election_enter(core, PX_PHASE_FOLLOWER);
    core->is_diverged = true;
}

/* ---- invariants ---- */

static void check_log(const px_core *core)
{
    const px_slots *slots = &core->slots;
    px_assert(px_ballot_compare(core->promised, core->accepted) >= 0);
    px_assert(core->number_seen >= core->promised.number || !core->is_started);
    px_assert(slots->first <= slots->taken + 1 && slots->taken - slots->first + 1 <= PX_SLOTS_KEPT);
    px_assert(slots->chosen <= slots->taken && slots->taken - slots->chosen <= PX_WINDOW_SLOTS);
    px_assert(px_slots_at(slots, slots->taken) && px_slots_at(slots, slots->chosen));
    px_assert(core->chosen_told <= slots->chosen);
    px_assert(px_slots_changes_behind(slots, slots->chosen) <= PX_SESSION_CHANGES_MAX);
    for (uint64_t slot = slots->chosen + 1; slot <= slots->taken; slot++) {
        const px_slot *item = px_slots_at(slots, slot);
        px_assert(item->index_first == px_slots_index_next(slots, slot - 1));
    }
    px_sessions_check(&core->sessions, slots->chosen, slots->taken);
}

static void check_voters(const px_core *core)
{
    const px_voters *voters = &core->voters;
    px_assert(core->ballot.config <= voters->current.number);
    px_assert(core->is_voting == px_voters_counts(core, core->config.self));
    if (voters->next_slot == 0) return;
    px_assert(core->slots.chosen < voters->next_slot && voters->next_slot <= core->slots.taken);
    /* The stop sign. [R21] */
    const bool is_newer = core->accepted.config >= voters->next.number;
    px_assert(is_newer || core->slots.taken == voters->next_slot);
}

static void check_tickets(const px_core *core)
{
    const px_tickets *tickets = &core->tickets;
    px_assert(tickets->last.n - tickets->stored.n <= PX_TICKETS_MAX);
    px_ballot promised = tickets->durable.promised;
    px_ballot accepted = tickets->durable.accepted;
    uint64_t size_bytes = 0;
    for (uint64_t n = tickets->stored.n + 1; n <= tickets->last.n; n++) {
        const px_outstanding *item = &tickets->items[n % PX_TICKETS_MAX];
        px_assert(!px_ballot_less(item->durable.promised, promised));
        px_assert(!px_ballot_less(item->durable.accepted, accepted));
        px_assert(!px_ballot_less(item->durable.promised, item->durable.accepted));
        promised = item->durable.promised;
        accepted = item->durable.accepted;
        size_bytes += item->size_bytes;
    }
    px_assert(size_bytes == tickets->size_bytes);
    if (!core->is_started) return;
    px_assert(px_ballot_equal(accepted, core->accepted) && px_ballot_equal(promised, core->promised));
}

static void check_roles(const px_core *core)
{
    if (core->phase != PX_PHASE_FOLLOWER) {
        px_assert(core->is_voting && !core->is_diverged);
        px_assert(!px_repair_is_faulty(core)); /* [R16] */
        px_assert(px_ballot_equal(core->promised, core->ballot));
        px_assert(core->ballot.node == core->config.self);
    }
    if (core->phase == PX_PHASE_LEADING) {
        px_assert(px_ballot_equal(core->accepted, core->ballot));
        px_assert(core->adopted_upto <= core->slots.taken);
        px_assert(core->ballot.config == core->voters.current.number); /* [R21] */
        px_assert(core->followers_told <= core->awaited_told && core->awaited_told <= core->slots.chosen);
    }
    if (core->phase == PX_PHASE_ADOPTING) px_assert(core->source < core->config.member_count);
    px_assert(core->barrier_first <= core->barrier_end);
    px_assert(core->barrier_end - core->barrier_first <= PX_BARRIERS_MAX);
    for (uint32_t member = 0; member < core->config.member_count; member++) {
        const px_peer *peer = &core->peers[member];
        if (core->phase == PX_PHASE_LEADING) px_assert(peer->accepted_length <= core->slots.taken);
        if (peer->is_streaming) px_assert(core->phase == PX_PHASE_LEADING && peer->sent == core->slots.taken);
        px_assert(peer->heard_round <= core->round);
    }
}

void px_core_check(const px_core *core)
{
    check_log(core);
    check_voters(core);
    check_tickets(core);
    check_roles(core);
}

/* ---- digest ---- */

static uint64_t mix(uint64_t digest, uint64_t word)
{
    digest = (digest ^ word) * 0x9e3779b97f4a7c15u;
    return digest ^ digest >> 29;
}

static uint64_t mix_ballot(uint64_t digest, px_ballot ballot)
{
    return mix(mix(mix(digest, ballot.config), ballot.number), ballot.node);
}

static uint64_t mix_peer(uint64_t digest, const px_peer *peer)
{
    digest = mix_ballot(mix_ballot(digest, peer->state.promised), peer->state.accepted);
    digest = mix(mix(mix(digest, peer->state.durable), peer->state.taken), peer->state.chosen);
    digest = mix_ballot(mix_ballot(mix(digest, peer->heard_round), peer->leads), peer->follows);
    digest = mix(mix(mix(mix(digest, peer->above), peer->served), (uint64_t)peer->disk), peer->has_promised);
    digest = mix(mix(mix(digest, peer->accepted_length), peer->is_streaming), peer->sent);
    digest = mix(mix(mix(digest, peer->sync_round), peer->sync_wait), peer->differs);
    return mix(mix(digest, peer->state.is_quiet), peer->storage_id);
}

uint64_t px_core_digest(const px_core *core)
{
    const px_slots *slots = &core->slots;
    const px_slot *last = px_slots_at(slots, slots->taken);
    uint64_t digest = mix_ballot(mix_ballot(core->config.self, core->promised), core->accepted);
    digest = mix(mix(mix(mix(digest, core->cuts), slots->taken), slots->chosen), slots->first);
    digest = mix(mix(digest, last->chain.high), last->chain.low);
    digest = mix(mix(digest, core->tickets.last.n), core->tickets.stored.n);
    digest = mix_ballot(mix(digest, (uint64_t)core->phase), core->ballot);
    digest = mix(mix(mix(digest, core->round), core->round_end_us), core->number_seen);
    digest = mix(mix(digest, core->stall_chosen), core->stall_round);
    digest = mix(mix(mix(digest, core->promised_round), (uint64_t)core->disk), core->is_voting);
    digest = mix(mix(mix(digest, core->fetch_from), core->fetch_round), core->is_catching_up);
    digest = mix(mix(mix(digest, core->fetch_wait), core->still_round), core->ask_round);
    digest = mix(mix(mix(digest, core->source), core->adopt_round), core->adopt_patience);
    digest = mix(mix(mix(digest, core->adopted_upto), core->followers_told), core->is_handing_over);
    digest = mix(mix(mix(digest, core->awaited_told), core->tell_us), core->is_awaited);
    digest = mix(mix(mix(digest, core->barrier_first), core->barrier_end), core->probe);
    digest = mix(mix(mix(digest, core->violations), core->is_diverged), core->probed_mask);
    digest = mix(mix(mix(digest, core->claim.length), core->claim.is_unsure), core->anchor_slot);
    digest = mix(mix(mix(digest, core->voters.own_id), core->voters.current.number), core->voters.next_slot);
    for (uint32_t member = 0; member < core->config.member_count; member++)
        digest = mix_peer(digest, &core->peers[member]);
    return mix(digest, px_sessions_digest(&core->sessions));
}
