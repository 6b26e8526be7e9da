/* fuzz_wire.c - a line that is a message is written and read again as the same message.
 *
 * Meaning    Decode, encode, decode, encode: both texts are equal. Everything that a decoded message points
 *            to is walked, so that a sanitizer sees a body that is not what it says. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "codec/wire.h"
#include "paxos/batch.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

#define MESSAGE_BYTES_MAX 4096u

/* Decodes into static memory; `line` is destroyed. */
static px_err decode(uint8_t *line, size_t size_bytes, px_wire *wire)
{
    static px_entry items[PX_WINDOW_SLOTS];
    const px_wire_entries entries = {.items = items, .capacity = PX_WINDOW_SLOTS};
    const char *fault = NULL;
    const px_err err = px_wire_decode(line, size_bytes, MESSAGE_BYTES_MAX, &entries, wire, &fault);
    px_assert(err == PX_OK || (err == PX_ERR_MALFORMED && fault));
    return err;
}

/* The whole line without its end, in a block of its size. */
static uint8_t *encode(const px_wire *wire, size_t *size_bytes)
{
    uint8_t head[PX_WIRE_HEAD_BYTES_MAX];
    const size_t head_bytes = px_wire_head(wire->kind, wire->to, head);
    const size_t rest_bytes_max = px_wire_size_max(wire);
    uint8_t *const line = malloc(head_bytes + rest_bytes_max);
    px_assert(line);
    memcpy(line, head, head_bytes);
    const size_t rest_bytes = px_wire_encode(wire, line + head_bytes);
    px_assert(rest_bytes <= rest_bytes_max && memcmp(line + head_bytes + rest_bytes - 2, "\r\n", 2) == 0);
    *size_bytes = head_bytes + rest_bytes - 2;
    px_assert(!memchr(line, '\r', *size_bytes) && !memchr(line, '\n', *size_bytes));
    uint8_t *const exact = realloc(line, *size_bytes);
    px_assert(exact);
    return exact;
}

static void walk_batch(px_bytes body)
{
    px_batch batch;
    px_assert(px_batch_open(body, MESSAGE_BYTES_MAX, &batch) == PX_OK);
    size_t payload_bytes = 0;
    for (uint32_t i = 0; i < batch.message_count; i++) payload_bytes += px_batch_length(&batch, i);
    px_assert(payload_bytes == batch.payloads.size_bytes);
    px_assert(batch.payloads.data + payload_bytes == body.data + body.size_bytes);
}

static void walk(const px_wire *wire)
{
    if (wire->kind == PX_WIRE_FORWARD) walk_batch(wire->forward.body);
    if (wire->kind != PX_WIRE_CORE) return;
    const px_log_part *const log = &wire->core.log;
    px_hash chain = log->after_chain;
    for (uint32_t i = 0; i < log->count; i++) {
        const px_entry *const entry = &log->entries[i];
        px_assert(entry->slot == log->after + 1 + i && entry->index_first > 0);
        px_assert(px_hash_equal(entry->body_hash, px_hash_of(entry->body.data, entry->body.size_bytes)));
        chain = px_entry_chain(chain, entry);
        px_assert(px_hash_equal(entry->chain, chain));
        if (entry->kind == PX_ENTRY_BATCH) walk_batch(entry->body);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t *const line = malloc(size_bytes > 0 ? size_bytes : 1);
    px_assert(line);
    if (size_bytes > 0) memcpy(line, bytes, size_bytes);
    px_wire wire;
    const px_err err = decode(line, size_bytes, &wire);
    const bool is_ours = err == PX_OK && wire.kind != PX_WIRE_UNKNOWN &&
                         (wire.kind != PX_WIRE_HELLO || wire.hello.major == PX_PROTOCOL_MAJOR);
    if (is_ours) {
        walk(&wire);
        size_t first_bytes, second_bytes;
        uint8_t *const first = encode(&wire, &first_bytes);
        uint8_t *const kept = malloc(first_bytes);
        px_assert(kept);
        memcpy(kept, first, first_bytes);
        px_assert(decode(first, first_bytes, &wire) == PX_OK);
        walk(&wire);
        uint8_t *const second = encode(&wire, &second_bytes);
        px_assert(second_bytes == first_bytes && memcmp(second, kept, first_bytes) == 0);
        free(second);
        free(kept);
        free(first);
    }
    free(line);
    return 0;
}
