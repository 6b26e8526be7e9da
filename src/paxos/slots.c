/* slots.c - the newest slots of the log as taken: their numbers and hashes, without bodies. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/slots.h"

#include "base/assert.h"
#include <stddef.h>

/* What precedes slot 1. */
static const px_slot slot_zero = {.index_first = 1};

void px_slots_init(px_slots *slots)
{
    slots->first = 1;
    slots->taken = 0;
    slots->chosen = 0;
}

const px_slot *px_slots_at(const px_slots *slots, uint64_t slot)
{
    if (slot == 0) return &slot_zero;
    if (slot < slots->first || slot > slots->taken) return NULL;
    return &slots->items[slot % PX_SLOTS_KEPT];
}

bool px_slots_has(const px_slots *slots, uint64_t slot, px_hash chain)
{
    const px_slot *item = px_slots_at(slots, slot);
    return item && px_hash_equal(item->chain, chain);
}

uint64_t px_slots_index_next(const px_slots *slots, uint64_t slot)
{
    const px_slot *item = px_slots_at(slots, slot);
    px_assert(item);
    return item->index_first + item->message_count;
}

void px_slots_push(px_slots *slots, const px_entry *entry, uint32_t changes)
{
    px_assert(entry->slot == slots->taken + 1);
    px_assert(entry->index_first == px_slots_index_next(slots, slots->taken));
    const px_slot *before = px_slots_at(slots, slots->taken);
    const px_slot item = {
        .chain = entry->chain,
        .index_first = entry->index_first,
        .stamp_ms = entry->stamp_ms,
        .bytes_upto = before->bytes_upto + entry->body.size_bytes,
        .changes_upto = before->changes_upto + changes,
        .message_count = entry->message_count,
        .kind = entry->kind,
    };
    slots->taken++;
    slots->items[slots->taken % PX_SLOTS_KEPT] = item;
    if (slots->taken - slots->first >= PX_SLOTS_KEPT) slots->first++;
}

void px_slots_cut(px_slots *slots, uint64_t after)
{
    px_assert(after >= slots->chosen && after <= slots->taken);
    px_assert(slots->first <= after + 1); /* the window lies well inside what is remembered */
    slots->taken = after;
}

uint64_t px_slots_bytes_behind(const px_slots *slots, uint64_t after)
{
    const px_slot *from = px_slots_at(slots, after);
    px_assert(from && after <= slots->taken);
    return px_slots_at(slots, slots->taken)->bytes_upto - from->bytes_upto;
}

uint64_t px_slots_changes_behind(const px_slots *slots, uint64_t after)
{
    const px_slot *from = px_slots_at(slots, after);
    px_assert(from && after <= slots->taken);
    return px_slots_at(slots, slots->taken)->changes_upto - from->changes_upto;
}
