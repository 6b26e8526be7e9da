/* expired.c - names of clients' sessions that the log had to forget. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/expired.h"

#include "base/assert.h"

void px_expired_init(px_expired *expired)
{
    expired->count = 0;
}

static uint64_t first_of(const px_expired *expired)
{
    return expired->count > PX_SESSIONS_EXPIRED_MAX ? expired->count - PX_SESSIONS_EXPIRED_MAX : 0;
}

px_expired_name px_expired_push(px_expired *expired, uint64_t name_hash, uint64_t slot)
{
    px_expired_name *place = &expired->names[expired->count % PX_SESSIONS_EXPIRED_MAX];
    const px_expired_name before =
        expired->count < PX_SESSIONS_EXPIRED_MAX ? (px_expired_name){0, 0} : *place;
    *place = (px_expired_name){name_hash, slot};
    expired->count++;
    return before;
}

void px_expired_pop(px_expired *expired, px_expired_name before)
{
    px_assert(expired->count > 0);
    expired->count--;
    expired->names[expired->count % PX_SESSIONS_EXPIRED_MAX] = before;
}

bool px_expired_has(const px_expired *expired, uint64_t name_hash, uint64_t upto)
{
    for (uint64_t n = first_of(expired); n < expired->count; n++) {
        const px_expired_name *name = &expired->names[n % PX_SESSIONS_EXPIRED_MAX];
        if (name->name_hash == name_hash && name->slot <= upto) return true;
    }
    return false;
}

uint64_t px_expired_digest(const px_expired *expired)
{
    if (expired->count == 0) return 0;
    const px_expired_name *last = &expired->names[(expired->count - 1) % PX_SESSIONS_EXPIRED_MAX];
    return (expired->count * 0x9e3779b97f4a7c15u) ^ last->name_hash ^ last->slot;
}
