/* core.c - one input in, effects out.
 *
 * Meaning    Makes a core, gives each input to the role it is for, and ends each step: what became chosen is
 *            told to the shell and to followers, barriers that can be answered are.
 * Source     core.h has the contract. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/core.h"

#include "paxos/core_priv.h"
#include <stddef.h>
#include <string.h>

size_t px_core_size_bytes(void)
{
    return sizeof(px_core);
}

px_core *px_core_init(void *memory, const px_core_config *config)
{
    px_assert(config->member_count >= 1 && config->member_count <= PX_MEMBERS_MAX);
    px_assert(config->self < config->member_count);
    px_assert(config->heartbeat_us > 0);
    px_core *core = memory;
    memset(core, 0, offsetof(px_core, slots));
    core->config = *config;
    px_prng_init(&core->prng, config->seed);
    px_slots_init(&core->slots);
    px_tickets_init(&core->tickets, &(px_durable){0});
    px_sessions_init(&core->sessions, config->sessions_max ? config->sessions_max : PX_SESSIONS_MAX);
    core->source = PX_MEMBERS_MAX;
    core->fetch_from = PX_MEMBERS_MAX;
    core->violator = PX_MEMBERS_MAX;
    core->hand_over_to = PX_MEMBERS_MAX;
    core->adopt_patience = PX_ROUNDS_ELECTION;
    core->is_awaited = true;
    return core;
}

/* ---- effects ---- */

px_effect *px_core_emit(px_core *core, px_effect_kind kind)
{
    px_effects *effects = core->effects;
    px_assert(effects->count < effects->capacity);
    px_effect *effect = &effects->items[effects->count++];
    memset(effect, 0, sizeof *effect);
    effect->kind = kind;
    return effect;
}

void px_core_send(px_core *core, uint32_t to_mask, px_ticket after, const px_message *message)
{
    if (to_mask == 0) return;
    px_effect *effect = px_core_emit(core, PX_DO_SEND);
    effect->after = after.n > core->tickets.stored.n ? after : px_at_once();
    effect->send.to_mask = to_mask;
    effect->send.message = *message;
}

void px_core_send_log(px_core *core, uint32_t to_mask, const px_message *message, uint64_t after,
                      uint64_t last)
{
    if (to_mask == 0) return;
    px_assert(after <= last && last <= core->slots.taken);
    px_effect *effect = px_core_emit(core, PX_DO_SEND_LOG);
    effect->send_log.to_mask = to_mask;
    effect->send_log.message = *message;
    effect->send_log.message.log.after = after;
    effect->send_log.last = last;
}

uint32_t px_core_others(const px_core *core)
{
    return ((1u << core->config.member_count) - 1) & ~(1u << core->config.self);
}

uint32_t px_core_majority(const px_core *core)
{
    if (PX_MUTANT("r1_half_is_a_quorum")) return (core->config.member_count + 1) / 2;
    return core->config.member_count / 2 + 1;
}

/* ---- the own state ---- */

px_node_state px_core_state_taken(const px_core *core)
{
    const px_slots *slots = &core->slots;
    return (px_node_state){
        .promised = core->promised,
        .accepted = core->accepted,
        .cuts = core->cuts,
        .durable = slots->taken,
        .taken = slots->taken,
        .chosen = slots->chosen,
        .chosen_chain = px_slots_at(slots, slots->chosen)->chain,
        .claimed = px_repair_claimed(core),
    };
}

px_node_state px_core_state_durable(const px_core *core)
{
    px_node_state state = px_core_state_taken(core);
    if (!core->is_started) return state; /* all of it was read from disk */
    const px_durable *durable = &core->tickets.durable;
    state.promised = durable->promised;
    state.accepted = durable->accepted;
    state.cuts = durable->cuts;
    /* Where a cut is under way, what will be left of the disk's log is claimed, not more. */
    state.durable = durable->length < state.taken ? durable->length : state.taken;
    state.is_quiet = !core->is_awaited || PX_MUTANT("r6_waiting_is_not_said");
    return state;
}

/* ---- inputs ---- */

static void note_ballot(px_core *core, px_ballot ballot)
{
    if (ballot.number > core->number_seen) core->number_seen = ballot.number;
}

static bool has_state(px_message_kind kind)
{
    return kind != PX_MESSAGE_ACCEPT && kind != PX_MESSAGE_CHOSEN && kind != PX_MESSAGE_PROBE &&
           kind != PX_MESSAGE_TAKE_OVER && kind != PX_MESSAGE_PIECE && kind != PX_MESSAGE_MENDED;
}

/* What was stated is durable, so lower ballots were stated earlier: messages overtake one another. */
static bool is_older(const px_node_state *state, const px_node_state *than)
{
    const int order = px_ballot_compare(state->promised, than->promised);
    return order < 0 || (order == 0 && px_ballot_less(state->accepted, than->accepted));
}

/* Notes what the message says of its sender. Returns false where the sender counts for nothing. */
static bool note_message(px_core *core, uint32_t from, const px_message *message)
{
    px_peer *peer = &core->peers[from];
    if (!PX_MUTANT("r14_number_from_own_promise")) {
        note_ballot(core, message->ballot);
        note_ballot(core, message->state.promised);
        note_ballot(core, message->leads);
        note_ballot(core, message->follows);
        note_ballot(core, (px_ballot){.number = message->above});
    }
    if (has_state(message->kind)) {
        px_check_state(core, from, &message->state);
        if (!peer->has_state || !is_older(&message->state, &peer->state)) peer->state = message->state;
        peer->has_state = true;
    }
    return !peer->differs && !core->is_diverged && px_voters_heed(core, from, message);
}

/* Whoever has another hash at a slot that both know chosen gets no answers but this: what is chosen here up
 * to its own last slot, lower than what else would be said, so that it can compare. [§7] */
static void tell_difference(px_core *core, uint32_t from, const px_message *heartbeat)
{
    const px_slot *slot = px_slots_at(&core->slots, heartbeat->state.chosen);
    if (core->is_diverged || !slot || heartbeat->state.chosen > core->slots.chosen) return;
    px_message heard = {
        .kind = PX_MESSAGE_HEARD,
        .state = px_core_state_durable(core),
        .round = heartbeat->round,
        .disk = core->disk,
    };
    heard.state.chosen = heartbeat->state.chosen;
    heard.state.chosen_chain = slot->chain;
    px_core_send(core, 1u << from, px_at_once(), &heard);
}

static void on_message(px_core *core, uint32_t from, const px_message *message)
{
    px_assert(from < core->config.member_count && from != core->config.self);
    if (!px_check_message(core, from, message)) return;
    if (!note_message(core, from, message)) {
        const bool differs = core->peers[from].differs && !PX_MUTANT("p7_difference_is_not_told");
        if (message->kind == PX_MESSAGE_HEARTBEAT && differs) tell_difference(core, from, message);
        return;
    }
    switch (message->kind) {
    case PX_MESSAGE_HEARTBEAT: px_election_on_heartbeat(core, from, message); break;
    case PX_MESSAGE_HEARD: px_election_on_heard(core, from, message); break;
    case PX_MESSAGE_PREPARE: px_acceptor_on_prepare(core, from, message); break;
    case PX_MESSAGE_PROMISE: px_candidate_on_promise(core, from, message); break;
    case PX_MESSAGE_REFUSE: break; /* its numbers were noted */
    case PX_MESSAGE_FETCH: px_catchup_on_fetch(core, from, message); break;
    case PX_MESSAGE_PIECE: px_catchup_on_piece(core, from, message); break;
    case PX_MESSAGE_TAIL: px_candidate_on_tail(core, from, message); break;
    case PX_MESSAGE_SYNC: px_acceptor_on_sync(core, from, message); break;
    case PX_MESSAGE_ACCEPT: px_acceptor_on_accept(core, from, message); break;
    case PX_MESSAGE_ACCEPTED: px_proposer_on_accepted(core, from, message); break;
    case PX_MESSAGE_CHOSEN: px_acceptor_on_chosen(core, from, message); break;
    case PX_MESSAGE_PROBE: px_barrier_on_probe(core, from, message); break;
    case PX_MESSAGE_PROBED: px_barrier_on_probed(core, from, message); break;
    case PX_MESSAGE_TAKE_OVER: px_election_on_take_over(core, from, message); break;
    case PX_MESSAGE_MENDED: px_repair_on_mended(core, from, message); break;
    }
}

static void on_start(px_core *core)
{
    px_assert(!core->is_started);
    core->is_started = true;
    core->chosen_told = core->slots.chosen;
    const px_durable durable = {core->promised, core->accepted, core->cuts, core->slots.taken};
    px_tickets_init(&core->tickets, &durable);
    note_ballot(core, core->promised);
    px_election_start(core);
}

static void on_stored(px_core *core, px_ticket upto)
{
    px_tickets_store(&core->tickets, upto);
    px_acceptor_on_stored(core);
    px_candidate_on_stored(core);
    px_proposer_on_stored(core);
    px_catchup_on_stored(core);
}

static void on_link(px_core *core, uint32_t member, bool is_up, uint64_t storage_id)
{
    px_assert(member < core->config.member_count && member != core->config.self);
    if (storage_id) px_voters_link(core, member, storage_id);
    core->peers[member].has_state = false;
    core->peers[member].differs = false;
    /* Who comes back may have an emptied disk: a promise of the run before says nothing of it. [R19] */
    if (core->phase == PX_PHASE_LEADING) core->peers[member].has_promised = false;
    px_election_on_link(core, member, is_up);
    px_proposer_on_link(core, member);
    px_catchup_on_link(core, member);
    if (is_up) px_candidate_on_link(core, member);
}

static void note_event(px_core *core, const px_input *input)
{
    px_core_event event = {.now_us = input->now_us, .chosen = core->slots.chosen, .input = input->kind};
    if (input->kind == PX_IN_MESSAGE) {
        event.from = input->message.from;
        event.message = input->message.message->kind;
        event.number = input->message.message->ballot.number;
    }
    core->events[core->event_count++ % PX_CORE_EVENTS] = event;
}

/* Tells the shell what became chosen. */
static void tell_chosen(px_core *core)
{
    if (core->is_diverged || core->slots.chosen == core->chosen_told) return;
    px_assert(core->slots.chosen > core->chosen_told);
    core->chosen_told = core->slots.chosen;
    px_effect *effect = px_core_emit(core, PX_DO_CHOSEN);
    effect->chosen.upto = core->chosen_told;
    effect->after = px_tickets_of_slot(&core->tickets, core->chosen_told);
}

void px_core_step(px_core *core, const px_input *input, px_effects *effects)
{
    px_assert(input->now_us >= core->now_us);
    px_assert(effects->capacity - effects->count >= PX_EFFECTS_PER_STEP);
    px_assert((input->kind == PX_IN_RESTORE || input->kind == PX_IN_START) == !core->is_started);
    core->now_us = input->now_us;
    core->effects = effects;
    effects->more = false;
    note_event(core, input);
    switch (input->kind) {
    case PX_IN_RESTORE: px_taken_restore(core, input->restore); break;
    case PX_IN_START: on_start(core); break;
    case PX_IN_ROSTER: px_voters_take_roster(core, input->roster.own_id, input->roster.ids); break;
    case PX_IN_MESSAGE: on_message(core, input->message.from, input->message.message); break;
    case PX_IN_PROPOSE: px_proposer_propose(core, &input->propose); break;
    case PX_IN_STORED: on_stored(core, input->stored); break;
    case PX_IN_LINK: on_link(core, input->link.member, input->link.up, input->link.storage_id); break;
    case PX_IN_SALVAGE:
        px_repair_on_salvage(core, &input->salvage.log, input->salvage.anchor_slot,
                             input->salvage.anchor_chain);
        break;
    case PX_IN_DISK: core->disk = input->disk; break;
    case PX_IN_BARRIER: px_barrier_ask(core, input->barrier); break;
    case PX_IN_AWAITED: px_election_on_awaited(core, input->is_awaited); break;
    case PX_IN_TRANSFER: px_proposer_transfer(core, input->transfer); break;
    case PX_IN_TICK:
        px_proposer_on_tick(core);
        px_election_on_tick(core);
        break;
    }
    if (core->is_started) {
        tell_chosen(core);
        px_proposer_tell_chosen(core);
        px_voters_finish(core);
        px_barrier_finish(core);
    }
    core->effects = NULL;
}

uint64_t px_core_deadline_us(const px_core *core)
{
    if (!core->is_started) return UINT64_MAX;
    const uint64_t tell_us = px_proposer_deadline_us(core);
    return tell_us < core->round_end_us ? tell_us : core->round_end_us;
}

/* ---- what shells ask ---- */

px_admission px_core_admit(const px_core *core, const px_run *run, uint32_t ahead, uint32_t *skip)
{
    return px_sessions_admit(&core->sessions, run, ahead, skip);
}

px_opener px_core_opener(const px_core *core, uint64_t storage_id)
{
    return px_sessions_opener(&core->sessions, storage_id);
}

bool px_core_admit_opening(const px_core *core, const px_opening *opening)
{
    return px_sessions_admit_opening(&core->sessions, opening, core->slots.taken + 1);
}

bool px_core_session_by_name(const px_core *core, px_session_kind kind, px_bytes name, px_session *session)
{
    return px_sessions_by_name(&core->sessions, core->slots.chosen, kind, name, session);
}

bool px_core_session_by_holder(const px_core *core, uint64_t holder, px_session *session)
{
    return px_sessions_by_holder(&core->sessions, core->slots.chosen, holder, session);
}

bool px_core_session_is_expired(const px_core *core, px_bytes name)
{
    return px_sessions_is_expired(&core->sessions, core->slots.chosen, name);
}

bool px_core_chain_at(const px_core *core, uint64_t slot, px_hash *chain)
{
    const px_slot *item = px_slots_at(&core->slots, slot);
    if (!item) return false;
    *chain = item->chain;
    return true;
}

bool px_core_is_dead(const px_core *core, uint64_t storage_id)
{
    return px_voters_is_dead(&core->voters, storage_id);
}

bool px_core_recent(const px_core *core, uint32_t inputs_ago, px_core_event *event)
{
    if (inputs_ago >= PX_CORE_EVENTS || inputs_ago >= core->event_count) return false;
    *event = core->events[(core->event_count - 1 - inputs_ago) % PX_CORE_EVENTS];
    return true;
}

static px_role role_of(const px_core *core)
{
    if (!core->is_started || px_repair_is_faulty(core)) return PX_ROLE_RECOVERING;
    if (!core->is_voting) return PX_ROLE_LEARNER;
    switch (core->phase) {
    case PX_PHASE_FOLLOWER: return PX_ROLE_FOLLOWER;
    case PX_PHASE_PREPARING:
    case PX_PHASE_ADOPTING: return PX_ROLE_CANDIDATE;
    case PX_PHASE_LEADING: return PX_ROLE_LEADER;
    }
    return PX_ROLE_FOLLOWER;
}

void px_core_look(const px_core *core, px_core_view *view)
{
    memset(view, 0, sizeof *view);
    view->role = role_of(core);
    view->leader = px_election_leader(core, &view->relay);
    view->state = px_core_state_durable(core);
    view->index_chosen = px_slots_index_next(&core->slots, core->slots.chosen) - 1;
    if (px_repair_is_faulty(core)) view->claim = core->claim;
    view->adopted = core->phase == PX_PHASE_LEADING && core->slots.chosen >= core->adopted_upto;
    view->elections = core->elections;
    for (uint32_t member = 0; member < core->config.member_count; member++) {
        const px_peer *peer = &core->peers[member];
        view->members[member] = member == core->config.self ? view->state : peer->state;
        view->heard[member] = member != core->config.self && px_election_is_heard(core, member);
        view->disks[member] = member == core->config.self ? core->disk : peer->disk;
        if (peer->differs) view->differs_mask |= 1u << member;
        if (px_voters_counts(core, member)) view->voters_mask |= 1u << member;
    }
    view->violations = core->violations;
    view->violator = core->violator;
    view->violation = core->violation;
    view->configuration = core->voters.current.number;
    view->replaced = core->voters.is_given && px_voters_is_dead(&core->voters, core->voters.own_id);
    view->diverged = core->is_diverged;
    view->differs_slot = core->differs_slot;
}
