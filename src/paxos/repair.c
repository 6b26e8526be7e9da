/* repair.c - a log that was damaged on disk, and how it becomes whole again.
 *
 * Meaning    The log ends before the damage, and a claim says what it was. Until it is that long again it is
 *            faulty: it still competes as the log it was, but nobody adopts it and its node does not lead.
 *            It asks the others in turn for what it misses. Of the same accepted ballot there is one log, so
 *            whatever a log of it has is taken; of another one only what reaches a slot whose chain hash is
 *            known to be this log's. What stands behind the damage comes from the own disk.
 * Holds      Nothing is taken that was not in the log, but for slots that are chosen.
 * Source     [R16]; Alagappan et al., Protocol-Aware Recovery (2018). */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/core_priv.h"

bool px_repair_is_faulty(const px_core *core)
{
    return core->claim.is_unsure || core->slots.taken < core->claim.length;
}

uint64_t px_repair_claimed(const px_core *core)
{
    if (PX_MUTANT("r16_faulty_log_counts_as_short")) return 0;
    return core->slots.taken < core->claim.length ? core->claim.length : 0;
}

/* A cut says that the rest was not chosen, a splice that a leader gave the whole log. Who is unsure of its
 * accepted ballot needs the latter. */
void px_repair_on_record(px_core *core, const px_record *record)
{
    const bool is_unsure = record->kind == PX_RECORD_CUT && core->claim.is_unsure;
    if (record->kind == PX_RECORD_APPEND || record->kind == PX_RECORD_PROMISE) return;
    core->claim = record->claim;
    if (is_unsure) core->claim.is_unsure = true;
    core->anchor_slot = core->claim.length;
    core->anchor_chain = core->claim.chain;
}

/* Chosen slots that came in place of damaged ones may differ from those: the end of the log that was is where
 * it shows. That is a cut, though nothing that is left is cut: else what still stands behind the damage would
 * be taken for this log's after the next. [R9, R16] */
bool px_repair_is_another(const px_core *core, const px_log_part *log)
{
    const uint64_t length = core->claim.length;
    if (core->slots.taken >= length || px_part_end(log) < length) return false;
    if (PX_MUTANT("r16_another_log_counts_no_cut")) return false;
    return !px_hash_equal(log->entries[length - log->after - 1].chain, core->claim.chain);
}

/* No more than its leader has was ever accepted in the accepted ballot: that ends all doubt. A splice says so
 * on the disk; behind a mere append the next start would find the doubt again, maybe with nobody there who
 * could lead without this promise. */
void px_repair_store_rest(px_core *core, const px_log_part *log, uint64_t chosen)
{
    const uint64_t taken = core->slots.taken;
    const px_log_part nothing = {taken, px_slots_at(&core->slots, taken)->chain, 0, NULL};
    const bool is_unsure = core->claim.is_unsure && !PX_MUTANT("r16_doubt_comes_back");
    const px_record_kind kind = is_unsure ? PX_RECORD_SPLICE : PX_RECORD_APPEND;
    core->claim.is_unsure = false;
    px_taken_store(core, kind, log->count ? log : &nothing, chosen);
}

/* ---- asking ---- */

static void ask(px_core *core, uint32_t member)
{
    const px_message fetch = {.kind = PX_MESSAGE_FETCH, .state = px_core_state_durable(core)};
    px_core_send(core, 1u << member, px_at_once(), &fetch);
}

/* Who leads may not know that anything is in doubt here: it is asked to say that this is all. */
static void ask_leader(px_core *core)
{
    uint32_t leader = PX_MEMBERS_MAX;
    const px_ballot ballot = px_election_leader_heard(core, &leader);
    if (!px_ballot_is_none(ballot) && core->is_voting) px_catchup_ask(core, leader);
}

/* Each round another one of those who have more. */
void px_repair_on_round(px_core *core)
{
    if (!px_repair_is_faulty(core) || !px_taken_has_room(core)) return;
    if (core->claim.is_unsure && !PX_MUTANT("r16_doubt_waits")) ask_leader(core);
    if (core->claim.is_unsure) return;
    for (uint32_t i = 1; i <= core->config.member_count; i++) {
        const uint32_t member = (core->mend_from + i) % core->config.member_count;
        if (member == core->config.self || !px_election_is_heard(core, member)) continue;
        if (core->peers[member].state.taken <= core->slots.taken) continue;
        core->mend_from = member;
        ask(core, member);
        return;
    }
}

void px_repair_answer(px_core *core, uint32_t from, const px_node_state *state)
{
    if (state->claimed <= state->taken || core->slots.taken <= state->taken) return;
    const px_message mended = {.kind = PX_MESSAGE_MENDED, .ballot = core->accepted};
    px_core_send_log(core, 1u << from, &mended, state->taken, core->slots.taken);
}

/* ---- taking ---- */

/* Does the part have the slot that the rest of this log goes on from? Then all before it is the same. */
static bool reaches_anchor(const px_core *core, const px_log_part *log)
{
    const uint64_t slot = core->anchor_slot;
    if (slot <= core->slots.taken || slot > px_part_end(log) || px_hash_is_zero(core->anchor_chain))
        return false;
    return px_hash_equal(log->entries[slot - log->after - 1].chain, core->anchor_chain);
}

static bool take(px_core *core, const px_log_part *log, bool is_same_log)
{
    uint64_t slot = 0;
    const uint64_t taken = core->slots.taken;
    if (!px_repair_is_faulty(core) || core->claim.is_unsure) return false;
    if (!px_taken_has_room(core)) return false;
    if (px_taken_meet(core, log, &slot) != PX_MEET_OK || slot != taken) return false;
    uint64_t end = px_part_end(log);
    if (end > core->claim.length) end = core->claim.length;
    if (!is_same_log && !PX_MUTANT("r16_mends_without_an_anchor")) {
        if (!reaches_anchor(core, log)) return false;
        end = core->anchor_slot;
    }
    px_log_part part = px_taken_part_behind(log, slot);
    if (end <= taken) return false;
    part.count = (uint32_t)(end - taken);
    if (!px_taken_fits(core, core->accepted, &part, core->claim.chosen)) return false;
    PX_MARK("log_mended");
    px_taken_store(core, PX_RECORD_APPEND, &part, core->claim.chosen);
    return true;
}

void px_repair_on_mended(px_core *core, uint32_t from, const px_message *message)
{
    if (!px_taken_is_sound(&message->log)) {
        px_core_violate(core, from, "what should mend a log has entries that are not sound");
        return;
    }
    const bool is_same_log = px_ballot_equal(message->ballot, core->accepted);
    if (!take(core, &message->log, is_same_log) || !px_repair_is_faulty(core)) return;
    if (core->tickets.size_bytes <= PX_PIECES_UNSYNCED_BYTES_MAX) ask(core, from);
}

void px_repair_on_salvage(px_core *core, const px_log_part *log, uint64_t anchor_slot, px_hash anchor_chain)
{
    if (log->count) {
        (void)take(core, log, true);
        return;
    }
    core->anchor_slot = anchor_slot;
    core->anchor_chain = anchor_chain;
}
