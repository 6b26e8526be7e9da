/* changes.h - the changes of configuration that a world has seen proposed.
 *
 * Source     protocol.md [R21]. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_CHANGES_H
#define PX_TEST_SIM_CHANGES_H

#include "paxos/configuration.h"
#include "paxos/entry.h"
#include <stdbool.h>

/* Several of one number may be proposed; one of them is chosen. */
typedef struct {
    px_configuration configuration;
    uint64_t slot;
    px_hash chain;
} sim_change;

typedef struct {
    sim_change *items;
    size_t count, capacity;
} sim_changes;

/* Notes an entry that is a change, once. */
void sim_changes_see(sim_changes *changes, const px_entry *entry);

#endif
