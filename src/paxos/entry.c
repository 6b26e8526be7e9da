/* entry.c - the hash chain through the log.
 *
 * Meaning    The chain hash of a slot is the hash of 64 bytes, all numbers little-endian:
 *               0  u64 high, u64 low of the chain hash before
 *              16  u64 slot
 *              24  u32 kind, u32 message_count
 *              32  u64 index_first
 *              40  u64 stamp_ms
 *              48  u64 high, u64 low of the body's hash
 *            Ballots are not in it: two nodes may hold the same entry as accepted in different ballots. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/entry.h"

#include "paxos/little_endian.h"

px_hash px_entry_chain(px_hash before, const px_entry *entry)
{
    uint8_t bytes[64];
    px_u64_store(bytes, before.high);
    px_u64_store(bytes + 8, before.low);
    px_u64_store(bytes + 16, entry->slot);
    px_u32_store(bytes + 24, (uint32_t)entry->kind);
    px_u32_store(bytes + 28, entry->message_count);
    px_u64_store(bytes + 32, entry->index_first);
    px_u64_store(bytes + 40, entry->stamp_ms);
    px_u64_store(bytes + 48, entry->body_hash.high);
    px_u64_store(bytes + 56, entry->body_hash.low);
    return px_hash_of(bytes, sizeof bytes);
}
