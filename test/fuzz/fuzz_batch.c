/* fuzz_batch.c - a body that opens can be laid out again, byte for byte.
 *
 * Meaning    The input is tried as a batch and as an opening. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "paxos/batch.h"
#include "paxos/little_endian.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

#define MESSAGE_BYTES_MAX 4096u

static void lay_out_batch(const px_batch *batch, uint8_t *body)
{
    px_batch_put_header(body, batch->run_count, batch->message_count);
    uint64_t message_count = 0, size_bytes = 0;
    for (uint32_t i = 0; i < batch->run_count; i++) {
        const px_run run = px_batch_run(batch, i);
        message_count += run.count;
        size_bytes += run.size_bytes;
        px_batch_put_run(body, i, &run);
    }
    px_assert(message_count == batch->message_count && size_bytes == batch->payloads.size_bytes);
    uint8_t *at = body + PX_BATCH_HEADER_BYTES + (size_t)batch->run_count * PX_RUN_HEADER_BYTES;
    for (uint32_t i = 0; i < batch->message_count; i++, at += PX_LENGTH_BYTES) {
        px_assert(px_batch_length(batch, i) <= MESSAGE_BYTES_MAX);
        px_u32_store(at, px_batch_length(batch, i));
    }
    if (size_bytes > 0) memcpy(at, batch->payloads.data, batch->payloads.size_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    px_batch batch;
    if (px_batch_open((px_bytes){bytes, size_bytes}, MESSAGE_BYTES_MAX, &batch) == PX_OK) {
        const size_t again_bytes =
            px_batch_size_bytes(batch.run_count, batch.message_count, batch.payloads.size_bytes);
        px_assert(again_bytes == size_bytes);
        uint8_t *const again = malloc(again_bytes);
        px_assert(again);
        lay_out_batch(&batch, again);
        px_assert(memcmp(again, bytes, size_bytes) == 0);
        free(again);
    }
    px_opening opening;
    if (px_opening_open((px_bytes){bytes, size_bytes}, &opening) == PX_OK) {
        uint8_t again[PX_OPENING_BYTES_MAX];
        px_assert(px_opening_put(&opening, again) == size_bytes);
        px_assert(memcmp(again, bytes, size_bytes) == 0);
    }
    return 0;
}
