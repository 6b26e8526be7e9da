/* ballot.h - the number of an attempt to lead, totally ordered.
 *
 * Source     protocol.md §1: (configuration, number, node). */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_BASE_BALLOT_H
#define PX_BASE_BALLOT_H

#include <stdbool.h>
#include <stdint.h>

/* node is the member's place; {0,0,0} is below every ballot that anyone leads, since numbers start at 1. No
 * padding. */
typedef struct {
    uint64_t config, number, node;
} px_ballot;

/* Below 0, 0 or above 0, as a is below, equal to or above b. */
static inline int px_ballot_compare(px_ballot a, px_ballot b)
{
    if (a.config != b.config) return a.config < b.config ? -1 : 1;
    if (a.number != b.number) return a.number < b.number ? -1 : 1;
    if (a.node != b.node) return a.node < b.node ? -1 : 1;
    return 0;
}

static inline bool px_ballot_equal(px_ballot a, px_ballot b)
{
    return px_ballot_compare(a, b) == 0;
}

static inline bool px_ballot_less(px_ballot a, px_ballot b)
{
    return px_ballot_compare(a, b) < 0;
}

static inline bool px_ballot_is_none(px_ballot ballot)
{
    return ballot.number == 0;
}

#endif
