/* tickets.c - what each record handed to the log makes durable. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/tickets.h"

#include "base/assert.h"

void px_tickets_init(px_tickets *tickets, const px_durable *durable)
{
    tickets->last = tickets->stored = (px_ticket){0};
    tickets->durable = *durable;
    tickets->size_bytes = 0;
}

uint32_t px_tickets_room(const px_tickets *tickets)
{
    return PX_TICKETS_MAX - (uint32_t)(tickets->last.n - tickets->stored.n);
}

px_ticket px_tickets_draw(px_tickets *tickets, const px_outstanding *outstanding)
{
    px_assert(px_tickets_room(tickets) > 0);
    tickets->last.n++;
    tickets->items[tickets->last.n % PX_TICKETS_MAX] = *outstanding;
    tickets->size_bytes += outstanding->size_bytes;
    return tickets->last;
}

void px_tickets_store(px_tickets *tickets, px_ticket upto)
{
    px_assert(upto.n >= tickets->stored.n && upto.n <= tickets->last.n);
    while (tickets->stored.n < upto.n) {
        tickets->stored.n++;
        const px_outstanding *item = &tickets->items[tickets->stored.n % PX_TICKETS_MAX];
        px_assert(px_ballot_compare(item->durable.promised, tickets->durable.promised) >= 0);
        tickets->durable = item->durable;
        tickets->size_bytes -= item->size_bytes;
    }
}

px_ticket px_tickets_of_slot(const px_tickets *tickets, uint64_t slot)
{
    for (uint64_t n = tickets->last.n; n > tickets->stored.n; n--) {
        if (tickets->items[n % PX_TICKETS_MAX].after < slot) return (px_ticket){n};
    }
    return (px_ticket){0};
}
