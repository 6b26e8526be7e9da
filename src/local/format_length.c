/* format_length.c - a message is its length in four bytes, big end first, and then its bytes.
 *
 * Source     spec.md §4. */
// SPDX-License-Identifier: Apache-2.0
#include "local/format.h"
#include <string.h>

#define PREFIX_BYTES 4u

static px_cut skip_bytes(px_framing *framing, size_t size_bytes, bool is_end)
{
    const size_t skipped = framing->skip_bytes < size_bytes ? (size_t)framing->skip_bytes : size_bytes;
    framing->skip_bytes = is_end && skipped == size_bytes ? 0 : framing->skip_bytes - skipped;
    return (px_cut){.kind = PX_CUT_SKIPPED, .used_bytes = skipped};
}

/* What is left when the last writer closes inside a frame is no message. */
static px_cut cut_short(size_t size_bytes)
{
    return (px_cut){.kind = PX_CUT_DROPPED,
                    .used_bytes = size_bytes,
                    .fault = "a frame was not complete when its writer closed"};
}

static uint32_t length_of(const uint8_t *prefix)
{
    return (uint32_t)prefix[0] << 24 | (uint32_t)prefix[1] << 16 | (uint32_t)prefix[2] << 8 | prefix[3];
}

static px_cut cut_length(px_framing *framing, uint8_t *bytes, size_t size_bytes, bool is_end,
                         uint32_t message_bytes_max)
{
    if (size_bytes == 0) {
        if (is_end) *framing = (px_framing){0};
        return (px_cut){.kind = PX_CUT_MORE};
    }
    if (framing->skip_bytes) return skip_bytes(framing, size_bytes, is_end);
    if (size_bytes < PREFIX_BYTES) return is_end ? cut_short(size_bytes) : (px_cut){.kind = PX_CUT_MORE};
    const uint32_t length = length_of(bytes);
    if (length > message_bytes_max) {
        framing->skip_bytes = length;
        return (px_cut){.kind = PX_CUT_DROPPED,
                        .used_bytes = PREFIX_BYTES,
                        .fault = "a frame is longer than max_message_bytes"};
    }
    if (size_bytes - PREFIX_BYTES < length)
        return is_end ? cut_short(size_bytes) : (px_cut){.kind = PX_CUT_MORE};
    return (px_cut){.kind = PX_CUT_MESSAGE,
                    .used_bytes = PREFIX_BYTES + length,
                    .message = {bytes + PREFIX_BYTES, length}};
}

static size_t missing_bytes(const px_framing *framing, const uint8_t *bytes, size_t size_bytes)
{
    if (framing->skip_bytes) return (size_t)framing->skip_bytes;
    if (size_bytes < PREFIX_BYTES) return PREFIX_BYTES - size_bytes;
    return PREFIX_BYTES + (size_t)length_of(bytes) - size_bytes;
}

static size_t frame_bytes_max(uint32_t message_bytes_max)
{
    return (size_t)message_bytes_max + PREFIX_BYTES;
}

static size_t put_bytes_max(const px_letter *letter)
{
    return letter->payload.size_bytes + PREFIX_BYTES;
}

static size_t put_length(const px_letter *letter, uint8_t *space)
{
    const size_t size_bytes = letter->payload.size_bytes;
    for (unsigned place = 0; place < PREFIX_BYTES; place++)
        space[place] = (uint8_t)(size_bytes >> (24 - 8 * place));
    if (size_bytes) memcpy(space + PREFIX_BYTES, letter->payload.data, size_bytes);
    return size_bytes + PREFIX_BYTES;
}

const px_format px_format_length = {
    .cut = cut_length,
    .missing_bytes = missing_bytes,
    .frame_bytes_max = frame_bytes_max,
    .put_bytes_max = put_bytes_max,
    .put = put_length,
};
