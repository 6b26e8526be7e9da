/* expired.h - names of clients' sessions that the log had to forget.
 *
 * Meaning    Who comes back to a session that has expired must be told so: opened again it would begin at 1,
 *            and what it had brought in would come in twice. So the log remembers the newest of these names,
 *            by their hash, with the slot that made them expire; a tail that is cut takes them back.
 * Source     protocol.md [R11, R12]. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PAXOS_EXPIRED_H
#define PX_PAXOS_EXPIRED_H

#include "base/limits.h"
#include <stdbool.h>
#include <stdint.h>

/* Chains of names; a power of two. */
#define PX_EXPIRED_CHAINS (PX_SESSIONS_EXPIRED_MAX / 2)

typedef struct {
    uint64_t name_hash, slot;
    uint64_t older; /* number of the next older name of its chain, and 1; 0: none */
} px_expired_name;

typedef struct {
    px_expired_name names[PX_SESSIONS_EXPIRED_MAX]; /* name n is at n % PX_SESSIONS_EXPIRED_MAX */
    uint64_t newest[PX_EXPIRED_CHAINS];             /* of each chain: its number, and 1; 0: none */
    uint64_t count;                                 /* ever */
} px_expired;

void px_expired_init(px_expired *expired);

/* Remembers a name that expires at `slot`, above those of all others. Returns what stood in its place. */
px_expired_name px_expired_push(px_expired *expired, uint64_t name_hash, uint64_t slot);

/* Takes the last push back. */
void px_expired_pop(px_expired *expired, px_expired_name before);

/* Is this name remembered as expired at or below slot `upto`? */
bool px_expired_has(const px_expired *expired, uint64_t name_hash, uint64_t upto);

uint64_t px_expired_digest(const px_expired *expired);

#endif
