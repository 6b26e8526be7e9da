/* intakes.c - the sessions of this node, and their messages that are not yet chosen.
 *
 * Meaning    An intake keeps what its application handed over until the log has it for good, so that it can
 *            be sent again after any change of leader [R10].
 *            Its session is opened anew in the log at each start; the slot of the chosen opening is the
 *            holder under which its messages travel [R11, R12].
 *            One opening of a node is under way at a time, so that none is overtaken by another.
 * Holds      chosen <= sent <= pushed; the rings hold exactly the messages chosen + 1 to pushed. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "node/memory.h"
#include "node/node_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a message costs beside its bytes, so that a million empty lines are bounded as well. */
#define MESSAGE_COST_BYTES 16u
#define INTAKES_MAX 4096u

static px_node *node_of(px_app *app)
{
    return (px_node *)app;
}

px_intake *px_intake_open(px_app *app, const char *name, px_intake_events *events)
{
    px_node *node = node_of(app);
    uint32_t count = 0;
    for (const px_intake *intake = node->intakes; intake; intake = intake->next) count++;
    if (count >= INTAKES_MAX) return NULL;
    px_intake *intake = px_memory_zeroed(sizeof *intake);
    intake->events = events;
    const int length = snprintf(intake->name, sizeof intake->name, "%s/%s", node->config.id, name);
    px_assert(length > 0 && (size_t)length < sizeof intake->name);
    intake->name_bytes = (size_t)length;
    px_intake **end = &node->intakes;
    while (*end) end = &(*end)->next;
    *end = intake;
    return intake;
}

bool px_intake_is_same_session(const px_intake *one, const px_intake *other)
{
    return one->name_bytes == other->name_bytes && memcmp(one->name, other->name, one->name_bytes) == 0;
}

px_intake *px_intake_make_kept(px_node *node, px_bytes name, uint64_t holder, uint64_t first)
{
    px_intake *intake = px_memory_zeroed(sizeof *intake);
    px_assert(name.size_bytes <= sizeof intake->name);
    memcpy(intake->name, name.data, name.size_bytes);
    intake->name_bytes = name.size_bytes;
    px_intake **end = &node->intakes;
    for (; *end; end = &(*end)->next) {
        if (holder != 0 || (*end)->holder != 0 || !px_intake_is_same_session(*end, intake)) continue;
        free(intake);
        return *end;
    }
    intake->is_kept = true;
    intake->holder = holder;
    if (holder) intake->chosen = intake->sent = intake->pushed = first - 1;
    *end = intake;
    return intake;
}

static void free_intake(px_intake *intake)
{
    free(intake->lengths);
    free(intake->bytes);
    free(intake);
}

static void forget_if_done(px_node *node, px_intake *intake)
{
    if (intake->events || intake->chosen < intake->pushed || node->opening == intake) return;
    px_intake **at = &node->intakes;
    while (*at != intake) at = &(*at)->next;
    *at = intake->next;
    if (intake->is_kept) node->is_kept_stale = true;
    free_intake(intake);
}

void px_intake_close(px_app *app, px_intake *intake)
{
    intake->events = NULL;
    forget_if_done(node_of(app), intake);
}

void px_intakes_deinit(px_node *node)
{
    while (node->intakes) {
        px_intake *intake = node->intakes;
        node->intakes = intake->next;
        free_intake(intake);
    }
}

static uint64_t kept_count(const px_intake *intake)
{
    return intake->pushed - intake->chosen;
}

/* What was kept of the same session counts as well, so that stop after stop cannot pile up. */
static size_t used_bytes(const px_node *node, const px_intake *intake)
{
    size_t used = intake->bytes_used + (size_t)kept_count(intake) * MESSAGE_COST_BYTES;
    for (const px_intake *other = node->intakes; other; other = other->next)
        if (other->is_kept && other != intake && px_intake_is_same_session(other, intake))
            used += other->bytes_used + (size_t)kept_count(other) * MESSAGE_COST_BYTES;
    return used;
}

size_t px_intake_room(px_app *app, px_intake *intake)
{
    const px_node *node = node_of(app);
    const size_t used = used_bytes(node, intake);
    if (used == 0)
        return node->config.message_bytes_max > PX_INTAKE_BYTES ? node->config.message_bytes_max
                                                                : PX_INTAKE_BYTES;
    const size_t room = used < PX_INTAKE_BYTES ? PX_INTAKE_BYTES - used : 0;
    if (room <= MESSAGE_COST_BYTES) {
        intake->was_full = true;
        return 0;
    }
    return room - MESSAGE_COST_BYTES;
}

/* ---- the two rings ---- */

static void grow_lengths(px_intake *intake)
{
    const size_t capacity = intake->lengths_capacity ? 2 * intake->lengths_capacity : 64;
    uint32_t *grown = px_memory_resize(NULL, capacity * sizeof *grown);
    for (uint64_t number = intake->chosen + 1; number <= intake->pushed; number++)
        grown[number % capacity] = intake->lengths[number % intake->lengths_capacity];
    free(intake->lengths);
    intake->lengths = grown;
    intake->lengths_capacity = capacity;
}

static void copy_out(const px_intake *intake, size_t offset, size_t size_bytes, uint8_t *to)
{
    if (size_bytes == 0) return;
    const size_t start = (intake->bytes_start + offset) % intake->bytes_capacity;
    const size_t first =
        intake->bytes_capacity - start < size_bytes ? intake->bytes_capacity - start : size_bytes;
    memcpy(to, intake->bytes + start, first);
    memcpy(to + first, intake->bytes, size_bytes - first);
}

static void grow_bytes(px_intake *intake, size_t needs)
{
    size_t capacity = intake->bytes_capacity ? intake->bytes_capacity : 4096;
    while (capacity < needs) capacity *= 2;
    uint8_t *grown = px_memory_resize(NULL, capacity);
    copy_out(intake, 0, intake->bytes_used, grown);
    free(intake->bytes);
    intake->bytes = grown;
    intake->bytes_capacity = capacity;
    intake->bytes_start = 0;
}

uint64_t px_intake_push(px_app *app, px_intake *intake, px_bytes message)
{
    px_assert(message.size_bytes <= node_of(app)->config.message_bytes_max);
    if (kept_count(intake) + 1 >= intake->lengths_capacity) grow_lengths(intake);
    const size_t needs = intake->bytes_used + message.size_bytes;
    if (needs > intake->bytes_capacity) grow_bytes(intake, needs);
    if (message.size_bytes) {
        const size_t end = (intake->bytes_start + intake->bytes_used) % intake->bytes_capacity;
        const size_t first = intake->bytes_capacity - end < message.size_bytes ? intake->bytes_capacity - end
                                                                               : message.size_bytes;
        memcpy(intake->bytes + end, message.data, first);
        memcpy(intake->bytes, message.data + first, message.size_bytes - first);
    }
    intake->bytes_used = needs;
    intake->pushed++;
    intake->lengths[intake->pushed % intake->lengths_capacity] = (uint32_t)message.size_bytes;
    return intake->pushed;
}

uint32_t px_intake_measure(const px_intake *intake, size_t bytes_max, size_t *payload_bytes)
{
    uint32_t count = 0;
    size_t used = 0;
    for (uint64_t number = intake->sent + 1; number <= intake->pushed; number++) {
        const size_t size_bytes = intake->lengths[number % intake->lengths_capacity];
        if (used + size_bytes + (size_t)(count + 1) * PX_LENGTH_BYTES > bytes_max) break;
        used += size_bytes;
        count++;
    }
    *payload_bytes = used;
    return count;
}

static void put_u32(uint8_t *to, uint32_t value)
{
    for (unsigned byte = 0; byte < 4; byte++) to[byte] = (uint8_t)(value >> (8 * byte));
}

void px_intake_take(px_intake *intake, uint32_t count, uint8_t *lengths, uint8_t *payloads)
{
    size_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t size_bytes = intake->lengths[++intake->sent % intake->lengths_capacity];
        put_u32(lengths + (size_t)i * PX_LENGTH_BYTES, size_bytes);
        used += size_bytes;
    }
    copy_out(intake, intake->bytes_sent, used, payloads);
    intake->bytes_sent += used;
}

void px_intake_copy(const px_intake *intake, uint8_t *lengths, uint8_t *payloads)
{
    for (uint64_t number = intake->chosen + 1; number <= intake->pushed; number++, lengths += PX_LENGTH_BYTES)
        put_u32(lengths, intake->lengths[number % intake->lengths_capacity]);
    copy_out(intake, 0, intake->bytes_used, payloads);
}

size_t px_intake_next_bytes(const px_intake *intake)
{
    px_assert(intake->sent < intake->pushed);
    return intake->lengths[(intake->sent + 1) % intake->lengths_capacity];
}

void px_intake_skip(px_intake *intake, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        intake->bytes_sent += intake->lengths[++intake->sent % intake->lengths_capacity];
    px_assert(intake->sent <= intake->pushed);
}

/* ---- what became of them ---- */

void px_intake_rewind(px_intake *intake)
{
    intake->sent = intake->chosen;
    intake->bytes_sent = 0;
}

void px_intakes_rewind(px_node *node)
{
    if (PX_MUTANT("r10_never_sent_again")) return;
    for (px_intake *intake = node->intakes; intake; intake = intake->next) px_intake_rewind(intake);
    node->opening_sent_us = 0;
}

void px_intakes_on_opened(px_node *node, uint64_t slot, const px_opening *opening)
{
    if (opening->opener.storage_id != node->state.storage_id ||
        opening->opener.start_count != node->state.start_count)
        return;
    px_intake *intake = node->opening;
    if (!intake || intake->opener_counter != opening->opener.counter) return;
    intake->holder = slot;
    intake->opener_counter = 0;
    if (intake->is_kept) node->is_kept_stale = true; /* its messages have numbers now */
    node->opening = NULL;
    forget_if_done(node, intake);
}

static px_intake *find_holder(px_node *node, uint64_t holder)
{
    for (px_intake *intake = node->intakes; intake; intake = intake->next)
        if (intake->holder == holder) return intake;
    return NULL;
}

/* Payload bytes of the run's messages that were not known chosen. Of what was kept, the file may know more
 * than the log did when it was read back. */
static size_t new_bytes(const px_intake *intake, const px_run *run)
{
    if (run->sequence == intake->chosen + 1) return run->size_bytes;
    px_assert(intake->is_kept && run->sequence <= intake->chosen);
    size_t size_bytes = 0;
    for (uint64_t number = intake->chosen + 1; number < run->sequence + run->count; number++)
        size_bytes += intake->lengths[number % intake->lengths_capacity];
    return size_bytes;
}

void px_intakes_on_chosen(px_node *node, const px_run *run, uint64_t index_last)
{
    px_intake *intake = find_holder(node, run->holder);
    if (!intake) return;
    const uint64_t upto = run->sequence + run->count - 1;
    const size_t size_bytes = new_bytes(intake, run);
    if (upto <= intake->chosen) return;
    px_assert(upto <= intake->pushed);
    /* Chosen by way of a leader that this node no longer counted on. */
    if (intake->sent < upto) px_intake_skip(intake, (uint32_t)(upto - intake->sent));
    px_assert(intake->bytes_sent >= size_bytes && intake->bytes_used >= size_bytes);
    intake->chosen = upto;
    intake->bytes_sent -= size_bytes;
    intake->bytes_used -= size_bytes;
    if (intake->bytes_capacity)
        intake->bytes_start = (intake->bytes_start + size_bytes) % intake->bytes_capacity;
    intake->moved_us = px_node_now_us(node);
    if (intake->events) intake->events->on_chosen(intake->events, upto, index_last, run->count);
    forget_if_done(node, intake);
}

void px_intakes_tell_room(px_node *node)
{
    for (px_intake *intake = node->intakes, *next; intake; intake = next) {
        next = intake->next;
        if (!intake->was_full || !intake->events) continue;
        if (used_bytes(node, intake) > PX_INTAKE_BYTES / 2) continue;
        intake->was_full = false;
        intake->events->on_room(intake->events);
    }
}
