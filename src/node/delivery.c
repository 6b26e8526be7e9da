/* delivery.c - chosen slots to those who wait for them.
 *
 * Meaning    A slot that is chosen is told to the intakes it came from; once it is on this node's disk too it
 *            is delivered: readers may see it. Readers pull: from
 *            memory the newest, from disk what has left memory.
 * Holds      delivered_slot <= min(chosen, durable); both only rise. [R7]
 * Source     protocol.md §1 (delivered). */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "node/node_priv.h"
#include <string.h>

static px_node *node_of(px_app *app)
{
    return (px_node *)app;
}

/* ---- chosen ---- */

static void tell_intakes(px_node *node, const px_entry *entry)
{
    if (entry->kind == PX_ENTRY_OPEN) {
        px_opening opening;
        const px_err err = px_opening_open(entry->body, &opening);
        px_assert(err == PX_OK);
        px_openings_on_chosen(node, entry->slot, &opening);
    }
    if (entry->kind != PX_ENTRY_BATCH) return;
    px_batch batch;
    const px_err err = px_batch_open(entry->body, node->config.message_bytes_max, &batch);
    px_assert(err == PX_OK);
    uint32_t message = 0;
    const uint8_t *payload = batch.payloads.data;
    for (uint32_t i = 0; i < batch.run_count; i++) {
        const px_run run = px_batch_run(&batch, i);
        px_intakes_on_chosen(node, &run, entry->index_first + message + run.count - 1, &batch, message,
                             payload);
        message += run.count;
        payload += run.size_bytes;
    }
}

void px_delivery_on_chosen(px_node *node, uint64_t upto)
{
    if (upto <= node->chosen_slot) return;
    bool has_openings = false;
    node->chosen_slot = upto;
    while (node->applied_slot < upto) {
        const px_tail_slot *slot = px_tail_find(&node->tail, node->applied_slot + 1);
        px_assert(slot != NULL);
        /* The slot may leave memory while its application is told. */
        px_buffer *owner = px_buffer_retain(slot->owner);
        const px_entry entry = slot->entry;
        node->applied_slot++;
        tell_intakes(node, &entry);
        has_openings = has_openings || entry.kind == PX_ENTRY_OPEN;
        px_buffer_release(owner);
    }
    if (has_openings) px_openings_find_expired(node);
}

/* ---- delivered ---- */

void px_delivery_advance(px_node *node)
{
    const uint64_t durable = node->view.state.durable;
    const uint64_t upto = node->chosen_slot < durable ? node->chosen_slot : durable;
    if (node->view.diverged) return; /* what stands here is not what the others have [§7] */
    while (node->delivered_slot < upto) {
        const px_tail_slot *slot = px_tail_find(&node->tail, node->delivered_slot + 1);
        px_assert(slot != NULL);
        node->delivered_slot++;
        const uint64_t last = slot->entry.index_first + slot->entry.message_count - 1;
        px_assert(slot->entry.index_first == node->delivered_index + 1);
        if (last > node->delivered_index) node->is_delivered_new = true;
        node->delivered_index = last;
    }
}

void px_delivery_turn(px_node *node)
{
    px_delivery_advance(node);
    if (!node->is_delivered_new) return;
    node->is_delivered_new = false;
    for (px_watcher *watcher = node->watchers, *next; watcher; watcher = next) {
        next = watcher->next;
        watcher->on_delivered(watcher, node->delivered_index);
    }
}

uint64_t px_delivery_index(px_app *app)
{
    return node_of(app)->delivered_index;
}

void px_delivery_watch(px_app *app, px_watcher *watcher)
{
    px_node *node = node_of(app);
    watcher->previous = NULL;
    watcher->next = node->watchers;
    if (node->watchers) node->watchers->previous = watcher;
    node->watchers = watcher;
}

void px_delivery_unwatch(px_app *app, px_watcher *watcher)
{
    px_node *node = node_of(app);
    if (watcher->previous)
        watcher->previous->next = watcher->next;
    else
        node->watchers = watcher->next;
    if (watcher->next) watcher->next->previous = watcher->previous;
    watcher->next = watcher->previous = NULL;
}

/* ---- reading ---- */

static px_err hand_out(const px_node *node, const px_entry *entry, px_buffer *owner, px_delivered *batch)
{
    px_delivered delivered = {.owner = owner, .index_first = entry->index_first, .stamp_ms = entry->stamp_ms};
    if (px_batch_open(entry->body, node->config.message_bytes_max, &delivered.batch)) return PX_ERR_DAMAGED;
    (void)px_buffer_retain(owner);
    *batch = delivered;
    return PX_OK;
}

/* The piece of the log that was read last serves the next calls too: readers of old messages walk. */
static const px_entry *find_cached(const px_node *node, uint64_t index)
{
    const px_wal_entries *cache = &node->read_cache;
    if (!cache->owner) return NULL;
    for (uint32_t i = 0; i < cache->count; i++) {
        const px_entry *entry = &cache->entries[i];
        if (entry->index_first <= index && index < entry->index_first + entry->message_count) return entry;
    }
    return NULL;
}

/* Reads the piece of the log that has this index. */
static px_err read_index(px_node *node, uint64_t index)
{
    uint64_t slot = 0;
    px_err err = px_wal_find_index(node->wal, index, &slot);
    if (!err) {
        px_buffer_release(node->read_cache.owner);
        node->read_cache.owner = NULL;
        node->read_cache.count = 0;
        err = px_wal_read(node->wal, slot, node->delivered_slot, PX_PIECE_BYTES, &node->read_cache);
    }
    if (err) px_salvage_unreadable(node, slot, err);
    return err;
}

px_err px_delivery_read(px_app *app, uint64_t index, px_delivered *batch)
{
    px_node *node = node_of(app);
    if (index == 0) return PX_ERR_NOT_FOUND;
    if (index > node->delivered_index) return PX_ERR_END;
    const px_tail_slot *slot = px_tail_find_index(&node->tail, index);
    if (slot) return hand_out(node, &slot->entry, slot->owner, batch);
    const px_entry *entry = find_cached(node, index);
    if (!entry) {
        const px_err err = read_index(node, index);
        if (err) return err;
        entry = find_cached(node, index);
        if (!entry) return PX_ERR_DAMAGED;
    }
    return hand_out(node, entry, node->read_cache.owner, batch);
}

void px_delivery_deinit(px_node *node)
{
    px_buffer_release(node->read_cache.owner);
    node->read_cache.owner = NULL;
}

/* After the log was read: what was known chosen is delivered already; the newest slots come into memory for
 * peers that lag a little. */
px_err px_delivery_init(px_node *node)
{
    const px_node_state *state = &node->view.state;
    const uint64_t first = state->taken > PX_WINDOW_SLOTS ? state->taken - PX_WINDOW_SLOTS + 1 : 1;
    px_tail_init(&node->tail, first);
    for (uint64_t slot = first; slot <= state->taken;) {
        const px_err err = px_wal_read(node->wal, slot, state->taken, PX_PIECE_BYTES, &node->read_cache);
        if (err) return err;
        for (uint32_t i = 0; i < node->read_cache.count; i++)
            px_tail_push(&node->tail, &node->read_cache.entries[i], node->read_cache.owner,
                         state->chosen + 1);
        slot += node->read_cache.count;
        px_buffer_release(node->read_cache.owner);
        node->read_cache.owner = NULL;
    }
    node->chosen_slot = node->applied_slot = node->delivered_slot = state->chosen;
    node->delivered_index = node->view.index_chosen;
    return PX_OK;
}
