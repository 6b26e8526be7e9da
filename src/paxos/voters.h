/* voters.h - whose words count: the configuration in force, and the change of it that is under way.
 *
 * Meaning    A voter is a (name, storage id). The configuration is a function of the log: the highest change
 *            that is known chosen, before any the roster. A change that is in the log and not known chosen
 *            is a stop sign: nothing is proposed behind it in a ballot of its predecessors.
 * Holds      At most one change is not known chosen; numbers rise by one along the log.
 * Source     [R18, R19, R21]. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PAXOS_VOTERS_H
#define PX_PAXOS_VOTERS_H

#include "paxos/configuration.h"
#include <stdbool.h>

/* Replaced storage ids that are remembered, the newest: they come back with an old disk only. [R19] */
#define PX_DEAD_IDS 64u

typedef struct {
    bool is_given;   /* the roster is known and complete: before, nobody votes [R18] */
    uint64_t own_id; /* storage id of the own disk */
    px_configuration current;
    uint64_t current_slot; /* where it stands; 0: it is the roster */
    px_configuration next;
    uint64_t next_slot; /* Invariant: 0 where there is none, else chosen < next_slot <= taken. */
    uint64_t dead[PX_DEAD_IDS];
    uint64_t dead_count;                      /* ever; the newest are remembered */
    uint8_t body[PX_CONFIGURATION_BYTES_MAX]; /* of the change that this step proposes */
} px_voters;

#endif
