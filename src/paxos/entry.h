/* entry.h - the value of a slot.
 *
 * Meaning    An entry is a batch of messages, the opening of a session, or (reserved) a change of
 *            configuration. Its body is
 *            one run of bytes, the same in memory, on disk and (in base64) between nodes; batch.h says how it
 *            is laid out.
 *            The chain hash of a slot covers the chain hash before it, the entry's numbers and its body.
 * Holds      The chain of slot s is px_entry_chain(chain of s - 1, entry).
 * Source     protocol.md §1, [R11]. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PAXOS_ENTRY_H
#define PX_PAXOS_ENTRY_H

#include "base/bytes.h"
#include "base/hash.h"
#include <stdint.h>

/* Every slot, index, round, count and time that comes from outside is below this, so that nobody's sums can
 * wrap. */
#define PX_NUMBER_END ((uint64_t)1 << 62)

typedef enum { PX_ENTRY_BATCH = 1, PX_ENTRY_OPEN = 2, PX_ENTRY_CONFIG = 3 } px_entry_kind;

typedef struct {
    uint64_t slot;
    px_entry_kind kind;
    uint32_t message_count; /* messages in a batch, 0 otherwise */
    uint64_t index_first;   /* index of its first message; where it has none, of the next one */
    uint64_t stamp_ms;      /* the leader's wall clock, never going back along the log */
    px_hash body_hash;      /* px_hash_of(body) */
    px_hash chain;          /* over everything up to and with this entry */
    px_bytes body; /* borrowed; checked by px_batch_open or px_opening_open before it comes near the core */
} px_entry;

/* The chain hash behind `entry`, from the one before it. Covers slot, kind, count, index, stamp and
 * body_hash. */
px_hash px_entry_chain(px_hash before, const px_entry *entry);

#endif
