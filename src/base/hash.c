/* hash.c - 128-bit hash of bytes.
 *
 * Meaning    XXH3 with its default secret and seed 0, compiled in here, so that no other file sees the
 *            library. The value is part of the format of log and wire: test/unit/base/hash_test.c pins it. */
// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wconversion"
#endif
#define XXH_INLINE_ALL
#define XXH_NO_STDLIB
#include <xxhash.h>

px_hash px_hash_of(const void *bytes, size_t size_bytes)
{
    const XXH128_hash_t hash = XXH3_128bits(bytes, size_bytes);
    return (px_hash){.high = hash.high64, .low = hash.low64};
}
