/* taken.c - the log as taken: what every role cuts, appends to and calls chosen.
 *
 * Meaning    Slots and sessions change here together, and every change of the log is handed to the disk as
 *            one record.
 * Holds      taken - chosen <= PX_WINDOW_SLOTS, now and when the records are read back: each states what was
 *            known chosen when it was made.
 * Source     [R2, R5, R9, R11]. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/core_priv.h"

bool px_taken_is_sound(const px_log_part *log)
{
    if (log->count > PX_WINDOW_SLOTS || log->after >= PX_NUMBER_END) return false;
    for (uint32_t i = 0; i < log->count; i++) {
        const px_entry *entry = &log->entries[i];
        if (entry->slot != log->after + 1 + i) return false;
        if (i > 0 && entry->index_first != entry[-1].index_first + entry[-1].message_count) return false;
        px_batch batch;
        px_opening opening;
        px_configuration configuration;
        switch (entry->kind) {
        case PX_ENTRY_BATCH:
            if (px_batch_open(entry->body, UINT32_MAX, &batch)) return false;
            if (batch.message_count != entry->message_count) return false;
            break;
        case PX_ENTRY_OPEN:
            if (px_opening_open(entry->body, &opening) || entry->message_count != 0) return false;
            break;
        case PX_ENTRY_CONFIG:
            if (px_configuration_open(entry->body, &configuration) || entry->message_count != 0) return false;
            break;
        }
    }
    return true;
}

static px_hash part_chain_at(const px_log_part *log, uint64_t slot)
{
    px_assert(slot >= log->after && slot <= px_part_end(log));
    return slot == log->after ? log->after_chain : log->entries[slot - log->after - 1].chain;
}

px_log_part px_taken_part_behind(const px_log_part *log, uint64_t slot)
{
    const uint32_t skip = (uint32_t)(slot - log->after);
    px_assert(slot >= log->after && skip <= log->count);
    return (px_log_part){slot, part_chain_at(log, slot), log->count - skip, log->entries + skip};
}

px_meet px_taken_meet(const px_core *core, const px_log_part *log, uint64_t *slot)
{
    const px_slots *slots = &core->slots;
    const uint64_t end = px_part_end(log);
    if (log->after > slots->taken) return PX_MEET_SHORT;
    uint64_t at = log->after > slots->chosen ? log->after : slots->chosen;
    if (at > end) return PX_MEET_BEHIND;
    const bool is_same = px_slots_has(slots, at, part_chain_at(log, at));
    if (!is_same && !PX_MUTANT("r6_accept_without_meeting")) return PX_MEET_DIFFERS;
    while (at < end && at < slots->taken && px_slots_has(slots, at + 1, part_chain_at(log, at + 1))) at++;
    if (at < end && log->entries[at - log->after].index_first != px_slots_index_next(slots, at))
        return PX_MEET_BROKEN;
    *slot = at;
    return PX_MEET_OK;
}

bool px_taken_fits(const px_core *core, px_ballot accepted, const px_log_part *log, uint64_t chosen)
{
    if (!px_voters_fit(core, accepted, log, chosen)) return false;
    const px_slots *slots = &core->slots;
    const uint64_t end = px_part_end(log);
    if (chosen > end) chosen = end;
    if (chosen < slots->chosen) chosen = slots->chosen;
    if (end > chosen && end - chosen > PX_WINDOW_SLOTS) return false;
    uint64_t changes = 0;
    if (chosen < log->after)
        changes = px_slots_changes_behind(slots, chosen) - px_slots_changes_behind(slots, log->after);
    for (uint32_t i = 0; i < log->count; i++) {
        if (log->entries[i].slot > chosen) changes += px_sessions_count_changes(&log->entries[i]);
    }
    return changes <= PX_SESSION_CHANGES_MAX;
}

bool px_taken_has_room(const px_core *core)
{
    const uint64_t taken = core->slots.taken, durable = core->tickets.durable.length;
    if (taken > durable && taken - durable > PX_UNSYNCED_SLOTS_MAX) return false;
    return px_tickets_room(&core->tickets) > PX_TICKETS_RESERVED &&
           core->tickets.size_bytes <= PX_UNSYNCED_BYTES_MAX;
}

void px_taken_choose(px_core *core, uint64_t upto)
{
    px_slots *slots = &core->slots;
    if (upto > slots->taken) upto = slots->taken;
    if (upto <= slots->chosen) return;
    slots->chosen = upto;
    px_sessions_choose(&core->sessions, upto);
    px_voters_choose(core, upto);
}

static void cut(px_core *core, uint64_t after)
{
    if (after == core->slots.taken) return;
    px_slots_cut(&core->slots, after);
    px_sessions_cut(&core->sessions, after);
    px_voters_cut(core, after);
}

/* Slots become chosen one by one, so that the journal of sessions never holds more than a window. */
static void append(px_core *core, const px_log_part *log, uint64_t chosen)
{
    px_assert(log->count == 0 || log->after == core->slots.taken);
    px_taken_choose(core, chosen);
    for (uint32_t i = 0; i < log->count; i++) {
        const px_entry *entry = &log->entries[i];
        px_slots_push(&core->slots, entry, px_sessions_count_changes(entry));
        px_sessions_apply(&core->sessions, entry);
        px_voters_apply(core, entry);
        if (entry->slot <= chosen) px_taken_choose(core, entry->slot);
    }
    px_assert(core->slots.taken - core->slots.chosen <= PX_WINDOW_SLOTS);
}

static px_ticket hand_over(px_core *core, px_record_kind kind, const px_log_part *log)
{
    px_outstanding outstanding = {
        .durable = {core->promised, core->accepted, core->cuts, core->slots.taken},
        .after = kind == PX_RECORD_PROMISE ? UINT64_MAX : log->after,
    };
    const bool states_chosen = kind != PX_RECORD_PROMISE && core->slots.chosen > core->chosen_stated;
    if (states_chosen) core->chosen_stated = core->slots.chosen;
    for (uint32_t i = 0; i < log->count; i++) outstanding.size_bytes += log->entries[i].body.size_bytes;
    const px_ticket ticket = px_tickets_draw(&core->tickets, &outstanding);
    px_effect *effect = px_core_emit(core, PX_DO_STORE);
    effect->store.ticket = ticket;
    effect->store.record = (px_record){
        .kind = kind,
        .promised = core->promised,
        .accepted = core->accepted,
        .cuts = core->cuts,
        .chosen = core->slots.chosen,
        .log = *log,
    };
    return ticket;
}

void px_taken_store(px_core *core, px_record_kind kind, const px_log_part *log, uint64_t chosen)
{
    if (kind == PX_RECORD_APPEND && px_repair_is_another(core, log)) {
        core->cuts++;
        kind = PX_RECORD_CUT;
    }
    if (kind != PX_RECORD_APPEND) cut(core, log->after);
    append(core, log, chosen);
    const px_record record = {.kind = kind};
    px_repair_on_record(core, &record);
    (void)hand_over(core, kind, log);
}

void px_taken_state_configuration(px_core *core)
{
    const uint64_t taken = core->slots.taken;
    if (core->voters.current_slot <= core->chosen_stated) return;
    if (PX_MUTANT("r21_configuration_only_in_memory")) return;
    const px_log_part nothing = {taken, px_slots_at(&core->slots, taken)->chain, 0, NULL};
    px_taken_store(core, PX_RECORD_APPEND, &nothing, core->slots.chosen);
}

px_ticket px_taken_store_promise(px_core *core)
{
    const px_log_part nothing = {0};
    if (PX_MUTANT("r16_log_promises_first")) px_taken_state_configuration(core);
    return hand_over(core, PX_RECORD_PROMISE, &nothing);
}

static px_ballot higher(px_ballot a, px_ballot b)
{
    return px_ballot_less(a, b) ? b : a;
}

/* What is read back was valid when it was written, so it is asserted, not doubted. */
void px_taken_restore(px_core *core, const px_record *record)
{
    const bool is_promise = record->kind == PX_RECORD_PROMISE;
    /* The small state alone is not enough: a splice promises too. [R3] */
    if (is_promise || !PX_MUTANT("r3_restart_forgets_the_logs_ballot"))
        core->promised = higher(core->promised, higher(record->promised, record->accepted));
    if (is_promise) return;
    px_assert(px_ballot_compare(record->accepted, core->accepted) >= 0);
    core->accepted = record->accepted;
    core->cuts = record->cuts;
    if (record->kind != PX_RECORD_APPEND) cut(core, record->log.after);
    if (record->chosen > core->chosen_stated) core->chosen_stated = record->chosen;
    append(core, &record->log, core->chosen_stated);
    px_repair_on_record(core, record);
}
