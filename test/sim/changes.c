/* changes.c - the changes of configuration that a world has seen proposed. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/changes.h"

#include "base/assert.h"
#include "sim/world.h"

void sim_changes_see(sim_changes *changes, const px_entry *entry)
{
    if (entry->kind != PX_ENTRY_CONFIG) return;
    for (size_t i = 0; i < changes->count; i++)
        if (changes->items[i].slot == entry->slot && px_hash_equal(changes->items[i].chain, entry->chain))
            return;
    changes->items = sim_grow(changes->items, &changes->capacity, changes->count, sizeof *changes->items);
    sim_change *change = &changes->items[changes->count++];
    *change = (sim_change){.slot = entry->slot, .chain = entry->chain};
    const px_err err = px_configuration_open(entry->body, &change->configuration);
    px_assert(err == PX_OK);
}
