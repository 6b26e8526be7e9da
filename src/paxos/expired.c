/* expired.c - names of clients' sessions that the log had to forget.
 *
 * Holds      A chain goes from the newest name to ever older ones, and ends in practice where the ring does:
 *            what was overwritten is told by its number, so nothing is unlinked. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/expired.h"

#include "base/assert.h"
#include <string.h>

void px_expired_init(px_expired *expired)
{
    expired->count = 0;
    memset(expired->newest, 0, sizeof expired->newest);
}

static uint64_t *newest_of(px_expired *expired, uint64_t name_hash)
{
    return &expired->newest[name_hash % PX_EXPIRED_CHAINS];
}

static uint64_t first_of(const px_expired *expired)
{
    return expired->count > PX_SESSIONS_EXPIRED_MAX ? expired->count - PX_SESSIONS_EXPIRED_MAX : 0;
}

px_expired_name px_expired_push(px_expired *expired, uint64_t name_hash, uint64_t slot)
{
    px_expired_name *place = &expired->names[expired->count % PX_SESSIONS_EXPIRED_MAX];
    const px_expired_name before =
        expired->count < PX_SESSIONS_EXPIRED_MAX ? (px_expired_name){0, 0, 0} : *place;
    uint64_t *newest = newest_of(expired, name_hash);
    *place = (px_expired_name){name_hash, slot, *newest};
    *newest = ++expired->count;
    return before;
}

void px_expired_pop(px_expired *expired, px_expired_name before)
{
    px_assert(expired->count > 0);
    px_expired_name *place = &expired->names[--expired->count % PX_SESSIONS_EXPIRED_MAX];
    *newest_of(expired, place->name_hash) = place->older;
    *place = before;
}

bool px_expired_has(const px_expired *expired, uint64_t name_hash, uint64_t upto)
{
    const uint64_t first = first_of(expired);
    uint64_t n = expired->newest[name_hash % PX_EXPIRED_CHAINS];
    while (n > first) {
        const px_expired_name *name = &expired->names[(n - 1) % PX_SESSIONS_EXPIRED_MAX];
        if (name->name_hash == name_hash && name->slot <= upto) return true;
        n = name->older;
    }
    return false;
}

uint64_t px_expired_digest(const px_expired *expired)
{
    if (expired->count == 0) return 0;
    const px_expired_name *last = &expired->names[(expired->count - 1) % PX_SESSIONS_EXPIRED_MAX];
    return (expired->count * 0x9e3779b97f4a7c15u) ^ last->name_hash ^ last->slot;
}
