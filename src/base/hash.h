/* hash.h - 128-bit hash of bytes, for the chain through the log.
 *
 * Meaning    XXH3 of the xxhash library: fast, not cryptographic. Peers are authenticated by TLS; the chain
 *            is there to notice divergence and damage, not forgery. [docs/adr]
 * Holds      px_hash_zero is the chain hash before slot 1. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_BASE_HASH_H
#define PX_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t high, low;
} px_hash;

/* Hashes size_bytes bytes. Cannot fail. */
px_hash px_hash_of(const void *bytes, size_t size_bytes);

static inline bool px_hash_equal(px_hash a, px_hash b)
{
    return a.high == b.high && a.low == b.low;
}

static inline bool px_hash_is_zero(px_hash hash)
{
    return hash.high == 0 && hash.low == 0;
}

#endif
