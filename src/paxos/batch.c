/* batch.c - bodies of entries, checked before anybody walks them.
 *
 * Meaning    px_batch_open and px_opening_open look at every count, length and sum once; whoever has a
 *            px_batch or px_opening from them may follow it without looking again.
 * Holds      Nothing outside the body is read, whatever its bytes say. Numbers stay below PX_NUMBER_END, so
 *            that sums cannot wrap.
 * Source     batch.h has the layout; [R11]. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/batch.h"

#include "base/assert.h"
#include "paxos/entry.h"
#include "paxos/little_endian.h"
#include <stdbool.h>
#include <string.h>

#define OPENING_HEADER_BYTES 32u
_Static_assert(PX_OPENING_BYTES_MAX == OPENING_HEADER_BYTES + PX_SESSION_NAME_BYTES_MAX,
               "as batch.h promises");
/* What the header calls zero: room for later, refused today, so that a newer writer is noticed. */
#define RUN_ZERO_OFFSET 28u
_Static_assert(sizeof(size_t) == 8, "the size of any batch that a header can claim fits");

static px_run run_load(const uint8_t *bytes)
{
    return (px_run){
        .holder = px_u64_load(bytes),
        .sequence = px_u64_load(bytes + 8),
        .count = px_u32_load(bytes + 16),
        .size_bytes = px_u32_load(bytes + 20),
        .origin = px_u32_load(bytes + 24),
    };
}

/* Is the header of a run sound by itself? */
static bool is_run_valid(const px_run *run)
{
    if (run->holder == 0 || run->holder >= PX_NUMBER_END) return false;
    if (run->sequence == 0 || run->sequence >= PX_NUMBER_END - run->count) return false;
    return run->count > 0 && run->origin < PX_MEMBERS_MAX;
}

/* Do `count` lengths add up to the run's size, none above the limit? */
static bool are_lengths_valid(const uint8_t *lengths, const px_run *run, uint32_t message_bytes_max)
{
    uint64_t sum = 0;
    uint32_t longest = 0;
    for (uint32_t i = 0; i < run->count; i++) {
        const uint32_t length = px_u32_load(lengths + (size_t)i * PX_LENGTH_BYTES);
        sum += length;
        if (length > longest) longest = length;
    }
    return sum == run->size_bytes && longest <= message_bytes_max;
}

px_err px_batch_open(px_bytes body, uint32_t message_bytes_max, px_batch *batch)
{
    if (body.size_bytes < PX_BATCH_HEADER_BYTES) return PX_ERR_MALFORMED;
    const uint32_t run_count = px_u32_load(body.data);
    const uint32_t message_count = px_u32_load(body.data + 4);
    if (run_count == 0 || run_count > PX_BATCH_RUNS_MAX || message_count < run_count) return PX_ERR_MALFORMED;
    const uint64_t fixed_bytes = px_batch_size_bytes(run_count, message_count, 0);
    if (fixed_bytes > body.size_bytes) return PX_ERR_MALFORMED;

    const uint8_t *const runs = body.data + PX_BATCH_HEADER_BYTES;
    const uint8_t *const lengths = runs + (size_t)run_count * PX_RUN_HEADER_BYTES;
    uint32_t messages_left = message_count;
    uint64_t bytes_left = body.size_bytes - fixed_bytes;
    for (uint32_t place = 0; place < run_count; place++) {
        const uint8_t *const header = runs + (size_t)place * PX_RUN_HEADER_BYTES;
        const px_run run = run_load(header);
        if (!is_run_valid(&run) || px_u32_load(header + RUN_ZERO_OFFSET) != 0) return PX_ERR_MALFORMED;
        if (run.count > messages_left || run.size_bytes > bytes_left) return PX_ERR_MALFORMED;
        const uint8_t *const first = lengths + (size_t)(message_count - messages_left) * PX_LENGTH_BYTES;
        if (!are_lengths_valid(first, &run, message_bytes_max)) return PX_ERR_MALFORMED;
        messages_left -= run.count;
        bytes_left -= run.size_bytes;
    }
    if (messages_left != 0 || bytes_left != 0) return PX_ERR_MALFORMED;

    const size_t payload_bytes = body.size_bytes - (size_t)fixed_bytes;
    *batch = (px_batch){
        .run_count = run_count,
        .message_count = message_count,
        .runs = runs,
        .lengths = lengths,
        .payloads = {body.data + fixed_bytes, payload_bytes},
    };
    return PX_OK;
}

px_run px_batch_run(const px_batch *batch, uint32_t place)
{
    px_assert(place < batch->run_count);
    return run_load(batch->runs + (size_t)place * PX_RUN_HEADER_BYTES);
}

uint32_t px_batch_length(const px_batch *batch, uint32_t place)
{
    px_assert(place < batch->message_count);
    return px_u32_load(batch->lengths + (size_t)place * PX_LENGTH_BYTES);
}

size_t px_batch_size_bytes(uint32_t run_count, uint32_t message_count, size_t payload_bytes)
{
    return PX_BATCH_HEADER_BYTES + (size_t)run_count * PX_RUN_HEADER_BYTES +
           (size_t)message_count * PX_LENGTH_BYTES + payload_bytes;
}

void px_batch_put_header(uint8_t *body, uint32_t run_count, uint32_t message_count)
{
    px_assert(run_count > 0 && run_count <= PX_BATCH_RUNS_MAX);
    px_assert(message_count >= run_count);
    px_u32_store(body, run_count);
    px_u32_store(body + 4, message_count);
}

void px_batch_put_run(uint8_t *body, uint32_t place, const px_run *run)
{
    px_assert(place < PX_BATCH_RUNS_MAX);
    px_assert(is_run_valid(run));
    uint8_t *const header = body + PX_BATCH_HEADER_BYTES + (size_t)place * PX_RUN_HEADER_BYTES;
    px_u64_store(header, run->holder);
    px_u64_store(header + 8, run->sequence);
    px_u32_store(header + 16, run->count);
    px_u32_store(header + 20, run->size_bytes);
    px_u32_store(header + 24, run->origin);
    px_u32_store(header + RUN_ZERO_OFFSET, 0);
}

/* Is everything but the name's bytes as it has to be? */
static bool is_opening_valid(const px_opening *opening)
{
    if (opening->opener.run >= PX_NUMBER_END || opening->opener.counter >= PX_NUMBER_END) return false;
    if (opening->kind != PX_SESSION_MEMBER && opening->kind != PX_SESSION_CLIENT) return false;
    if (opening->origin >= PX_MEMBERS_MAX) return false;
    return opening->name.size_bytes > 0 && opening->name.size_bytes <= PX_SESSION_NAME_BYTES_MAX;
}

px_err px_opening_open(px_bytes body, px_opening *opening)
{
    if (body.size_bytes < OPENING_HEADER_BYTES) return PX_ERR_MALFORMED;
    const px_opening read = {
        .opener.storage_id = px_u64_load(body.data),
        .opener.run = px_u64_load(body.data + 8),
        .opener.counter = px_u64_load(body.data + 16),
        .origin = px_u32_load(body.data + 24),
        .kind = (px_session_kind)px_u16_load(body.data + 28),
        .name = {body.data + OPENING_HEADER_BYTES, px_u16_load(body.data + 30)},
    };
    if (body.size_bytes != OPENING_HEADER_BYTES + read.name.size_bytes) return PX_ERR_MALFORMED;
    if (!is_opening_valid(&read)) return PX_ERR_MALFORMED;
    *opening = read;
    return PX_OK;
}

size_t px_opening_put(const px_opening *opening, uint8_t *space)
{
    px_assert(is_opening_valid(opening));
    px_u64_store(space, opening->opener.storage_id);
    px_u64_store(space + 8, opening->opener.run);
    px_u64_store(space + 16, opening->opener.counter);
    px_u32_store(space + 24, opening->origin);
    px_u16_store(space + 28, (uint16_t)opening->kind);
    px_u16_store(space + 30, (uint16_t)opening->name.size_bytes);
    memcpy(space + OPENING_HEADER_BYTES, opening->name.data, opening->name.size_bytes);
    return OPENING_HEADER_BYTES + opening->name.size_bytes;
}
