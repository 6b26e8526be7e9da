/* slots.h - the newest slots of the log as taken: their numbers and hashes, without bodies.
 *
 * Meaning    A ring of PX_SLOTS_KEPT slots, chosen or not. It answers what the log looks like at a slot:
 *            chain hash, next index, stamp, and how many bytes and changes of sessions lie between two slots.
 * Holds      Slots are consecutive, first to taken; slot 0 is always known. What is not chosen is always
 *            remembered. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PAXOS_SLOTS_H
#define PX_PAXOS_SLOTS_H

#include "base/limits.h"
#include "paxos/entry.h"
#include <stdbool.h>

typedef struct {
    px_hash chain;
    uint64_t index_first;
    uint64_t stamp_ms;
    uint64_t bytes_upto;   /* of bodies, from an arbitrary origin: only differences mean something */
    uint64_t changes_upto; /* of sessions (runs and openings), likewise */
    uint32_t message_count;
    px_entry_kind kind;
} px_slot;

typedef struct {
    px_slot items[PX_SLOTS_KEPT]; /* slot s is at s % PX_SLOTS_KEPT */
    uint64_t first;               /* lowest slot remembered; taken + 1 where there is none */
    uint64_t taken;               /* Invariant: first <= taken + 1, taken - first < PX_SLOTS_KEPT. */
    uint64_t chosen; /* Invariant: chosen <= taken, taken - chosen <= PX_WINDOW_SLOTS; never decreases. */
} px_slots;

void px_slots_init(px_slots *slots);

/* The slot, or NULL where it is not remembered. Slot 0 is: all zero, its next index is 1. */
const px_slot *px_slots_at(const px_slots *slots, uint64_t slot);

/* Is it remembered with this chain hash? */
bool px_slots_has(const px_slots *slots, uint64_t slot, px_hash chain);

/* Index of the first message behind a remembered slot. */
uint64_t px_slots_index_next(const px_slots *slots, uint64_t slot);

/* Puts the next slot, which makes `changes` changes of sessions. */
void px_slots_push(px_slots *slots, const px_entry *entry, uint32_t changes);

/* Forgets every slot behind `after`, which is not below chosen. */
void px_slots_cut(px_slots *slots, uint64_t after);

/* Bytes of bodies, and changes of sessions, in slots after + 1 to taken; `after` is remembered. */
uint64_t px_slots_bytes_behind(const px_slots *slots, uint64_t after);
uint64_t px_slots_changes_behind(const px_slots *slots, uint64_t after);

#endif
