/* tickets.h - what each record handed to the log makes durable.
 *
 * Meaning    Every STORE has a ticket, rising by one. For each that is not yet stored this remembers the
 *            state that is on disk once it is; so whatever is stated to others can be what is durable. [R2]
 * Holds      Tickets outstanding are consecutive: stored + 1 to last. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PAXOS_TICKETS_H
#define PX_PAXOS_TICKETS_H

#include "paxos/core.h"

/* Records that may be under way: more than a window of slots, and the promises and cuts between them. */
#define PX_TICKETS_MAX 1024u
_Static_assert(PX_TICKETS_MAX >= 2 * PX_WINDOW_SLOTS, "a window of slots, and what others send meanwhile");

typedef struct {
    px_ballot promised, accepted;
    uint64_t cuts;
    uint64_t length;
} px_durable;

typedef struct {
    px_durable durable;  /* once it is stored */
    uint64_t after;      /* lowest slot that it leaves as it was; UINT64_MAX where it leaves the log alone */
    uint64_t size_bytes; /* of bodies in it */
} px_outstanding;

typedef struct {
    px_outstanding items[PX_TICKETS_MAX]; /* ticket t is at t % PX_TICKETS_MAX */
    px_ticket last;                       /* Invariant: last - stored <= PX_TICKETS_MAX. */
    px_ticket stored;
    px_durable durable;  /* Invariant: promised >= accepted; promised never decreases. */
    uint64_t size_bytes; /* of bodies outstanding */
} px_tickets;

/* Starts with what was read back. */
void px_tickets_init(px_tickets *tickets, const px_durable *durable);

/* How many more records may be handed over now. */
uint32_t px_tickets_room(const px_tickets *tickets);

/* The ticket of the next record. */
px_ticket px_tickets_draw(px_tickets *tickets, const px_outstanding *outstanding);

/* Every record <= upto is on disk. */
void px_tickets_store(px_tickets *tickets, px_ticket upto);

/* The ticket that makes `slot` of the log as taken durable; {0} where it is. */
px_ticket px_tickets_of_slot(const px_tickets *tickets, uint64_t slot);

#endif
