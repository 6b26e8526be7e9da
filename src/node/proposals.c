/* proposals.c - the leader makes batches of what is waiting.
 *
 * Meaning    While a write is under way what arrives gathers, up to a whole batch; the next proposal takes
 *            all of it, so a batch is as large as the disk is slow, and
 *            nothing waits for a batch to fill. Forwards of other nodes and this node's own intakes take
 *            turns.
 * Source     [R11]; protocol.md §5 (group commit). */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "node/kept.h"
#include "node/memory.h"
#include "node/node_priv.h"
#include <stdlib.h>
#include <string.h>

/* One run of the batch under way: its messages come from an intake, or from a forward's batch, from message
 * `message` at byte `payload` on. */
typedef struct {
    px_run run;
    px_intake *intake;
    const px_batch *batch;
    uint32_t message;
    size_t payload;
} px_part;

/* Messages of a holder in the batch under way. A place of an older batch is free. */
typedef struct {
    uint64_t holder, batch;
    uint32_t count;
} px_ahead;
#define AHEAD_PLACES (4 * PX_BATCH_RUNS_MAX)

/* A batch while it is put together: runs are chosen first, then laid out at once. */
struct px_assembly {
    px_part parts[PX_BATCH_RUNS_MAX];
    px_batch batches[PX_BATCH_RUNS_MAX];
    px_forwarded *used; /* forwards whose bytes the parts point into */
    px_ahead ahead[AHEAD_PLACES];
    uint64_t number; /* of this batch */
    uint32_t part_count, batch_count, messages;
    size_t payload_bytes;
    size_t bytes_max;  /* of a batch of several messages */
    size_t bytes_room; /* of a batch of one */
    uint32_t runs_max;
};

static void begin_assembly(px_assembly *assembly, size_t bytes_room, uint32_t runs_max)
{
    assembly->number++;
    assembly->used = NULL;
    assembly->part_count = assembly->batch_count = assembly->messages = 0;
    assembly->payload_bytes = 0;
    assembly->bytes_max = bytes_room < PX_BATCH_BYTES ? bytes_room : PX_BATCH_BYTES;
    assembly->bytes_room = bytes_room;
    assembly->runs_max = runs_max < PX_BATCH_RUNS_MAX ? runs_max : PX_BATCH_RUNS_MAX;
}

static size_t assembly_bytes(const px_assembly *assembly, uint32_t more_messages, size_t more_bytes)
{
    return px_batch_size_bytes(assembly->part_count + 1, assembly->messages + more_messages,
                               assembly->payload_bytes + more_bytes);
}

static bool fits(const px_assembly *assembly, uint32_t messages, size_t payload_bytes)
{
    if (assembly->part_count >= assembly->runs_max) return false;
    const bool is_alone = assembly->part_count == 0 && messages == 1;
    return assembly_bytes(assembly, messages, payload_bytes) <=
           (is_alone ? assembly->bytes_room : assembly->bytes_max);
}

static px_ahead *ahead_of(px_assembly *assembly, uint64_t holder)
{
    uint64_t place = holder;
    while (assembly->ahead[place % AHEAD_PLACES].batch == assembly->number &&
           assembly->ahead[place % AHEAD_PLACES].holder != holder)
        place++;
    px_ahead *ahead = &assembly->ahead[place % AHEAD_PLACES];
    if (ahead->batch != assembly->number) *ahead = (px_ahead){.holder = holder, .batch = assembly->number};
    return ahead;
}

static void add_part(px_assembly *assembly, const px_part *part)
{
    assembly->parts[assembly->part_count++] = *part;
    ahead_of(assembly, part->run.holder)->count += part->run.count;
    assembly->messages += part->run.count;
    assembly->payload_bytes += part->run.size_bytes;
}

/* ---- this node's own messages ---- */

/* At the leader the log, or the batch under way, may hold more of an intake than this node counted as sent:
 * it was sent by way of the leader before, or another intake brought it in. */
static bool catch_up_with_log(px_node *node, px_intake *intake, uint32_t ahead)
{
    for (unsigned attempt = 0; attempt < 2; attempt++) {
        const px_run rest = {intake->holder, intake->sent + 1, (uint32_t)(intake->pushed - intake->sent), 0,
                             node->self};
        uint32_t skip = 0;
        switch (px_core_admit(node->core, &rest, ahead, &skip)) {
        case PX_ADMIT_NEXT: return true;
        case PX_ADMIT_OVERLAP: px_intake_skip(intake, skip); return true;
        case PX_ADMIT_DUPLICATE: px_intake_skip(intake, rest.count); return false;
        case PX_ADMIT_GAP: px_intake_rewind(intake); break;
        case PX_ADMIT_FENCED:
        case PX_ADMIT_UNKNOWN: return false;
        }
    }
    return false;
}

static void add_intake(px_node *node, px_assembly *assembly, px_intake *intake, bool is_leader)
{
    if (intake->holder == 0 || intake->sent >= intake->pushed || assembly->part_count >= assembly->runs_max)
        return;
    /* Not before it is on disk so [R12], nor before the others have told what they remember of it [R19]. */
    if (intake->is_kept && (node->is_kept_stale || !node->is_roster_told)) return;
    if (is_leader && !catch_up_with_log(node, intake, ahead_of(assembly, intake->holder)->count)) return;
    const size_t used = assembly_bytes(assembly, 0, 0);
    size_t payload_bytes = 0;
    uint32_t count = 0;
    if (used < assembly->bytes_max)
        count = px_intake_measure(intake, assembly->bytes_max - used, &payload_bytes);
    if (count == 0) { /* a large message goes alone */
        payload_bytes = px_intake_next_bytes(intake);
        if (!fits(assembly, 1, payload_bytes)) return;
        count = 1;
    }
    const px_part part = {
        .run = {intake->holder, intake->sent + 1, count, (uint32_t)payload_bytes, node->self},
        .intake = intake,
    };
    if (intake->sent == intake->chosen) intake->moved_us = px_node_now_us(node);
    add_part(assembly, &part);
}

/* Turns the list by one, so that each intake comes first once in a while. */
static void rotate_intakes(px_node *node)
{
    px_intake *first = node->intakes;
    if (!first || !first->next) return;
    px_intake **end = &node->intakes;
    while (*end) end = &(*end)->next;
    node->intakes = first->next;
    first->next = NULL;
    *end = first;
}

static void add_intakes(px_node *node, px_assembly *assembly, bool is_leader)
{
    for (px_intake *intake = node->intakes; intake; intake = intake->next)
        add_intake(node, assembly, intake, is_leader);
    rotate_intakes(node);
}

/* ---- laying out ---- */

static px_buffer *lay_out(const px_assembly *assembly)
{
    const size_t size_bytes =
        px_batch_size_bytes(assembly->part_count, assembly->messages, assembly->payload_bytes);
    px_buffer *body = px_memory_buffer(size_bytes);
    px_batch_put_header(body->data, assembly->part_count, assembly->messages);
    uint8_t *lengths =
        body->data + PX_BATCH_HEADER_BYTES + (size_t)assembly->part_count * PX_RUN_HEADER_BYTES;
    uint8_t *payloads = lengths + (size_t)assembly->messages * PX_LENGTH_BYTES;
    for (uint32_t i = 0; i < assembly->part_count; i++) {
        const px_part *part = &assembly->parts[i];
        const size_t lengths_bytes = (size_t)part->run.count * PX_LENGTH_BYTES;
        px_batch_put_run(body->data, i, &part->run);
        if (part->intake) {
            px_intake_take(part->intake, part->run.count, lengths, payloads);
        } else {
            memcpy(lengths, part->batch->lengths + (size_t)part->message * PX_LENGTH_BYTES, lengths_bytes);
            if (part->run.size_bytes)
                memcpy(payloads, part->batch->payloads.data + part->payload, part->run.size_bytes);
        }
        lengths += lengths_bytes;
        payloads += part->run.size_bytes;
    }
    return body;
}

px_buffer *px_proposals_gather(px_node *node)
{
    px_assembly *assembly = node->assembly;
    const size_t single = px_batch_size_bytes(1, 1, node->config.message_bytes_max);
    begin_assembly(assembly, single > PX_BATCH_BYTES ? single : PX_BATCH_BYTES, PX_BATCH_RUNS_MAX);
    add_intakes(node, assembly, false);
    return assembly->part_count ? lay_out(assembly) : NULL;
}

/* ---- forwards of others, at the leader ---- */

void px_proposals_take_forward(px_node *node, bool is_opening, px_bytes body)
{
    const size_t single = px_batch_size_bytes(1, 1, node->config.message_bytes_max);
    if (node->forwarded_bytes > node->member_count * (PX_FORWARD_BYTES + single))
        return; /* it will be sent again [R10] */
    px_forwarded *forwarded = px_memory_zeroed(sizeof *forwarded);
    forwarded->owner = px_memory_buffer(body.size_bytes);
    memcpy(forwarded->owner->data, body.data, body.size_bytes);
    forwarded->body = (px_bytes){forwarded->owner->data, body.size_bytes};
    forwarded->is_opening = is_opening;
    *node->forwarded_end = forwarded;
    node->forwarded_end = &forwarded->next;
    node->forwarded_bytes += body.size_bytes;
}

static px_forwarded *pop_forward(px_node *node)
{
    px_forwarded *forwarded = node->forwarded;
    node->forwarded = forwarded->next;
    if (!node->forwarded) node->forwarded_end = &node->forwarded;
    node->forwarded_bytes -= forwarded->body.size_bytes;
    forwarded->next = NULL;
    return forwarded;
}

static void free_forwards(px_forwarded *forwarded)
{
    while (forwarded) {
        px_forwarded *next = forwarded->next;
        px_buffer_release(forwarded->owner);
        free(forwarded);
        forwarded = next;
    }
}

void px_proposals_clear(px_node *node)
{
    free_forwards(node->forwarded);
    node->forwarded = NULL;
    node->forwarded_end = &node->forwarded;
    node->forwarded_bytes = 0;
}

/* Adds what the log does not have of one run; only its rest where the log has its beginning. [R11] */
static void admit_run(px_node *node, px_assembly *assembly, const px_batch *batch, px_run run,
                      uint32_t message, size_t payload)
{
    uint32_t skip = 0;
    const px_admission admission =
        px_core_admit(node->core, &run, ahead_of(assembly, run.holder)->count, &skip);
    if (admission != PX_ADMIT_NEXT && admission != PX_ADMIT_OVERLAP) return;
    if (admission == PX_ADMIT_NEXT) skip = 0;
    for (uint32_t i = 0; i < skip; i++) {
        const uint32_t length = px_batch_length(batch, message + i);
        payload += length;
        run.size_bytes -= length;
    }
    run.sequence += skip;
    run.count -= skip;
    const px_part part = {.run = run, .batch = batch, .message = message + skip, .payload = payload};
    add_part(assembly, &part);
}

/* Takes forwards into the batch as long as they fit whole. */
static void add_forwards(px_node *node, px_assembly *assembly)
{
    while (node->forwarded && !node->forwarded->is_opening && assembly->batch_count < PX_BATCH_RUNS_MAX) {
        px_batch *batch = &assembly->batches[assembly->batch_count];
        const px_err err = px_batch_open(node->forwarded->body, node->config.message_bytes_max, batch);
        px_assert(err == PX_OK); /* it was checked when it was decoded */
        const bool is_first =
            assembly->part_count == 0 && node->forwarded->body.size_bytes <= assembly->bytes_room;
        const size_t bytes = assembly_bytes(assembly, batch->message_count, batch->payloads.size_bytes) +
                             (size_t)batch->run_count * PX_RUN_HEADER_BYTES;
        if (assembly->part_count + batch->run_count > assembly->runs_max) return;
        if (!is_first && bytes > assembly->bytes_max) return;
        px_forwarded *forwarded = pop_forward(node);
        forwarded->next = assembly->used;
        assembly->used = forwarded;
        assembly->batch_count++;
        uint32_t message = 0;
        size_t payload = 0;
        for (uint32_t i = 0; i < batch->run_count; i++) {
            const px_run run = px_batch_run(batch, i);
            admit_run(node, assembly, batch, run, message, payload);
            message += run.count;
            payload += run.size_bytes;
        }
    }
}

/* ---- proposing ---- */

static void propose(px_node *node, px_entry_kind kind, px_buffer *body, uint32_t messages)
{
    px_input input = {.kind = PX_IN_PROPOSE};
    input.propose.kind = kind;
    input.propose.stamp_ms = node->ports.clock->wall_ms(node->ports.clock);
    input.propose.body = (px_bytes){body->data, body->size_bytes};
    input.propose.body_hash = px_hash_of(body->data, body->size_bytes);
    node->proposal = body;
    px_shell_step(node, &input);
    node->proposal = NULL;
    node->counters.slots_proposed++;
    node->counters.messages_proposed += messages;
}

static void propose_opening(px_node *node, const uint8_t *bytes, size_t size_bytes)
{
    px_opening opening;
    const px_err err = px_opening_open((px_bytes){bytes, size_bytes}, &opening);
    px_assert(err == PX_OK);
    if (!px_core_admit_opening(node->core, &opening)) return;
    px_buffer *body = px_memory_buffer(size_bytes);
    memcpy(body->data, bytes, size_bytes);
    propose(node, PX_ENTRY_OPEN, body, 0);
    px_buffer_release(body);
}

static bool has_room(const px_node *node)
{
    const px_room room = px_core_room(node->core);
    return room.bytes > 0 && room.runs > 0;
}

static void propose_openings(px_node *node)
{
    uint8_t space[PX_OPENING_BYTES_MAX];
    while (has_room(node)) {
        const size_t size_bytes = px_openings_next(node, space);
        if (size_bytes == 0) break;
        propose_opening(node, space, size_bytes);
    }
    while (node->forwarded && node->forwarded->is_opening && has_room(node)) {
        px_forwarded *forwarded = pop_forward(node);
        propose_opening(node, forwarded->body.data, forwarded->body.size_bytes);
        free_forwards(forwarded);
    }
}

/* False where there was nothing to propose. */
static bool propose_batch(px_node *node)
{
    px_assembly *assembly = node->assembly;
    const px_room room = px_core_room(node->core);
    begin_assembly(assembly, room.bytes, room.runs);
    add_forwards(node, assembly);
    add_intakes(node, assembly, true);
    const uint32_t messages = assembly->messages;
    px_buffer *body = assembly->part_count ? lay_out(assembly) : NULL;
    free_forwards(assembly->used);
    if (!body) return false;
    propose(node, PX_ENTRY_BATCH, body, messages);
    px_buffer_release(body);
    return true;
}

/* As much as one batch takes. */
static bool is_batch_waiting(const px_node *node)
{
    size_t waiting_bytes = node->forwarded_bytes;
    for (const px_intake *intake = node->intakes; intake && waiting_bytes < PX_BATCH_BYTES;
         intake = intake->next)
        waiting_bytes += intake->bytes_used - intake->bytes_sent;
    return waiting_bytes >= PX_BATCH_BYTES;
}

bool px_proposals_has_waiting(const px_node *node)
{
    if (node->forwarded || node->unopened || node->opening) return true;
    for (const px_intake *intake = node->intakes; intake; intake = intake->next)
        if (intake->sent < intake->pushed) return true;
    return false;
}

void px_proposals_make(px_node *node)
{
    /* A small batch waits for the write that is under way, since it grows by that; a whole one does not. */
    const bool is_whole_only = px_wal_is_busy(node->wal) && !PX_MUTANT("node_propose_while_writing");
    while (has_room(node) && (!is_whole_only || is_batch_waiting(node))) {
        if (is_whole_only) PX_MARK("batch_while_writing");
        propose_openings(node);
        if (!has_room(node) || !propose_batch(node)) return;
    }
}

px_assembly *px_proposals_assembly(void)
{
    return px_memory_zeroed(sizeof(px_assembly));
}
