/* tail.c - the newest slots, with their bodies, in memory. */
// SPDX-License-Identifier: Apache-2.0
#include "node/tail.h"

#include "base/assert.h"
#include "node/memory.h"
#include <string.h>

static px_tail_slot *place_of(px_tail *tail, uint64_t slot)
{
    return &tail->slots[slot % PX_TAIL_SLOTS];
}

static void drop(px_tail *tail, uint64_t slot)
{
    px_tail_slot *place = place_of(tail, slot);
    tail->size_bytes -= place->entry.body.size_bytes;
    px_buffer_release(place->owner);
    *place = (px_tail_slot){0};
}

void px_tail_init(px_tail *tail, uint64_t next)
{
    memset(tail, 0, sizeof *tail);
    tail->first = next;
    tail->last = next - 1;
}

void px_tail_deinit(px_tail *tail)
{
    for (uint64_t slot = tail->first; slot <= tail->last; slot++) drop(tail, slot);
    tail->first = tail->last + 1;
}

void px_tail_push(px_tail *tail, const px_entry *entry, px_buffer *owner, uint64_t keep_from)
{
    px_assert(entry->slot == tail->last + 1);
    const size_t size_bytes = entry->body.size_bytes;
    while (tail->first <= tail->last && tail->first < keep_from &&
           (tail->last - tail->first + 1 >= PX_TAIL_SLOTS || tail->size_bytes + size_bytes > PX_TAIL_BYTES)) {
        drop(tail, tail->first++);
    }
    px_assert(tail->last + 1 - tail->first < PX_TAIL_SLOTS);
    px_tail_slot *place = place_of(tail, entry->slot);
    place->entry = *entry;
    if (owner) {
        place->owner = px_buffer_retain(owner);
    } else {
        place->owner = px_memory_buffer(size_bytes);
        memcpy(place->owner->data, entry->body.data, size_bytes);
        place->entry.body.data = place->owner->data;
    }
    tail->size_bytes += size_bytes;
    tail->last = entry->slot;
}

void px_tail_cut(px_tail *tail, uint64_t after)
{
    while (tail->last >= tail->first && tail->last > after) drop(tail, tail->last--);
    if (tail->last > after) { /* all of it lay behind: the next slot is after + 1 */
        tail->last = after;
        tail->first = after + 1;
    }
}

const px_tail_slot *px_tail_find(const px_tail *tail, uint64_t slot)
{
    if (slot < tail->first || slot > tail->last) return NULL;
    return &tail->slots[slot % PX_TAIL_SLOTS];
}

const px_tail_slot *px_tail_find_index(const px_tail *tail, uint64_t index)
{
    uint64_t low = tail->first, high = tail->last + 1;
    while (low < high) { /* the first slot whose messages end at or behind `index` */
        const uint64_t middle = low + (high - low) / 2;
        const px_entry *entry = &tail->slots[middle % PX_TAIL_SLOTS].entry;
        if (entry->index_first + entry->message_count > index)
            high = middle;
        else
            low = middle + 1;
    }
    const px_tail_slot *found = px_tail_find(tail, low);
    return found && found->entry.index_first <= index ? found : NULL;
}
