/* tail.h - the newest slots, with their bodies, in memory.
 *
 * Meaning    Everything that is not yet on disk or not yet chosen is here, and behind it what memory allows
 *            of the newest delivered slots: peers
 *            are streamed to and readers are served from here, the log file is read only by those who lag.
 * Holds      Slots are consecutive: first <= slot <= last. What is at or above `keep_from` is never evicted.
 *            */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_NODE_TAIL_H
#define PX_NODE_TAIL_H

#include "base/limits.h"
#include "paxos/entry.h"
#include "port/buffer.h"
#include <stdbool.h>

#define PX_TAIL_SLOTS 8192u
#define PX_TAIL_BYTES (8u << 20)
/* Undelivered slots are kept: those not yet on disk, and those that came on disk in this turn. */
_Static_assert(PX_TAIL_SLOTS >= 2 * (PX_UNSYNCED_SLOTS_MAX + PX_WINDOW_SLOTS), "what is not delivered fits");

typedef struct {
    px_entry entry; /* body points into owner */
    px_buffer *owner;
} px_tail_slot;

typedef struct {
    px_tail_slot slots[PX_TAIL_SLOTS]; /* slot s is at s % PX_TAIL_SLOTS */
    uint64_t first, last;              /* empty where first > last */
    size_t size_bytes;
} px_tail;

/* Empty, its next slot being `next`. */
void px_tail_init(px_tail *tail, uint64_t next);
void px_tail_deinit(px_tail *tail);

/* Puts the next slot, last + 1. `owner` (retained) holds the body; NULL: the body is copied. Evicts old slots
 * below keep_from. */
void px_tail_push(px_tail *tail, const px_entry *entry, px_buffer *owner, uint64_t keep_from);

/* Forgets every slot behind `after`. */
void px_tail_cut(px_tail *tail, uint64_t after);

/* The slot, or NULL where it is not here. Valid until the next push or cut. */
const px_tail_slot *px_tail_find(const px_tail *tail, uint64_t slot);

/* The batch that holds message `index`, or NULL where it is not here. */
const px_tail_slot *px_tail_find_index(const px_tail *tail, uint64_t index);

#endif
