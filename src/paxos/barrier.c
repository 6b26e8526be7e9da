/* barrier.c - linearizable indexes.
 *
 * Meaning    A leader answers a reader with its chosen index once a majority has said, to a probe that left
 *            after the reader asked, that it promised nothing above the leader's ballot; and once everything
 *            it adopted is chosen. One probe serves all that wait when it leaves.
 * Source     [R7]; Ongaro, Consensus (2014), 6.4. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/core_priv.h"

static px_waiting_barrier *barrier_at(px_core *core, uint64_t number)
{
    return &core->barriers[number % PX_BARRIERS_MAX];
}

static void send_probe(px_core *core, uint32_t to_mask)
{
    const px_message probe = {.kind = PX_MESSAGE_PROBE, .ballot = core->ballot, .probe = core->probe};
    px_core_send(core, to_mask, px_at_once(), &probe);
}

static void begin_probe(px_core *core)
{
    core->probe++;
    core->is_probing = true;
    core->probed_mask = 1u << core->config.self; /* a leader has promised nothing above its ballot */
    core->barrier_probe_end = core->barrier_end;
    send_probe(core, px_core_others(core));
}

static void answer(px_core *core, uint64_t request, bool ok, uint64_t index)
{
    px_effect *effect = px_core_emit(core, PX_DO_ANSWER);
    effect->answer.request = request;
    effect->answer.ok = ok;
    effect->answer.index = index;
}

void px_barrier_ask(px_core *core, uint64_t request)
{
    const bool is_full = core->barrier_end - core->barrier_first == PX_BARRIERS_MAX;
    if (core->phase != PX_PHASE_LEADING || is_full) {
        answer(core, request, false, 0);
        return;
    }
    *barrier_at(core, core->barrier_end++) = (px_waiting_barrier){.request = request};
    if (!core->is_probing)
        begin_probe(core);
    else if (PX_MUTANT("r7_probe_serves_later_barriers"))
        core->barrier_probe_end = core->barrier_end;
}

void px_barrier_on_probe(px_core *core, uint32_t from, const px_message *message)
{
    if (!core->is_voting) return;
    const bool is_below = px_ballot_less(message->ballot, core->promised);
    if (is_below && !PX_MUTANT("r7_probe_answered_under_any_promise")) {
        px_acceptor_refuse(core, from, message->ballot);
        return;
    }
    const px_message probed = {
        .kind = PX_MESSAGE_PROBED,
        .ballot = message->ballot,
        .state = px_core_state_durable(core),
        .probe = message->probe,
    };
    px_core_send(core, 1u << from, px_at_once(), &probed);
}

void px_barrier_on_probed(px_core *core, uint32_t from, const px_message *message)
{
    if (core->phase != PX_PHASE_LEADING || !core->is_probing) return;
    if (!px_ballot_equal(message->ballot, core->ballot) || message->probe != core->probe) return;
    const bool is_above = px_ballot_less(core->ballot, message->state.promised);
    if (!is_above || PX_MUTANT("r7_probe_answered_under_any_promise")) core->probed_mask |= 1u << from;
}

void px_barrier_on_round(px_core *core)
{
    if (core->phase == PX_PHASE_LEADING && core->is_probing)
        send_probe(core, px_core_others(core) & ~core->probed_mask);
}

static uint32_t count_bits(uint32_t mask)
{
    uint32_t count = 0;
    for (; mask; mask &= mask - 1) count++;
    return count;
}

static void settle(px_core *core, bool ok)
{
    const uint64_t end = ok ? core->barrier_probe_end : core->barrier_end;
    const uint64_t index = px_slots_index_next(&core->slots, core->slots.chosen) - 1;
    for (uint64_t number = core->barrier_first; number < end; number++) {
        px_waiting_barrier *barrier = barrier_at(core, number);
        if (barrier->is_done) continue;
        barrier->is_done = true;
        barrier->ok = ok;
        barrier->index = ok ? index : 0;
    }
    core->is_probing = false;
}

void px_barrier_fail(px_core *core)
{
    settle(core, false);
}

static bool is_settled(const px_core *core)
{
    if (core->phase != PX_PHASE_LEADING || !core->is_probing) return false;
    if (core->slots.chosen < core->adopted_upto && !PX_MUTANT("r7_barrier_before_adoption_is_chosen"))
        return false;
    return count_bits(core->probed_mask) >= px_core_majority(core) || PX_MUTANT("r7_barrier_without_a_probe");
}

void px_barrier_finish(px_core *core)
{
    if (is_settled(core)) {
        settle(core, true);
        if (core->barrier_end > core->barrier_probe_end) begin_probe(core);
    }
    px_effects *effects = core->effects;
    while (core->barrier_first < core->barrier_end && barrier_at(core, core->barrier_first)->is_done) {
        if (effects->count >= effects->capacity) {
            effects->more = true;
            return;
        }
        const px_waiting_barrier *barrier = barrier_at(core, core->barrier_first++);
        answer(core, barrier->request, barrier->ok, barrier->index);
    }
}
