/* format_line.c - a message is a line without its newline.
 *
 * Meaning    Any other byte may occur in it, and it may be empty.
 * Source     spec.md §4. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "local/format.h"
#include <string.h>

/* Skips what is left of a dropped line. */
static px_cut skip_line(px_framing *framing, const uint8_t *bytes, size_t size_bytes, bool is_end)
{
    const uint8_t *end = memchr(bytes, '\n', size_bytes);
    if (end || is_end) framing->skip_line = false;
    return (px_cut){.kind = PX_CUT_SKIPPED, .used_bytes = end ? (size_t)(end - bytes) + 1 : size_bytes};
}

static px_cut drop(size_t used_bytes)
{
    return (px_cut){.kind = PX_CUT_DROPPED,
                    .used_bytes = used_bytes,
                    .fault = "a line is longer than max_message_bytes"};
}

static px_cut cut_line(px_framing *framing, uint8_t *bytes, size_t size_bytes, bool is_end,
                       uint32_t message_bytes_max)
{
    if (size_bytes == 0) {
        if (is_end) *framing = (px_framing){0};
        return (px_cut){.kind = PX_CUT_MORE};
    }
    if (framing->skip_line) return skip_line(framing, bytes, size_bytes, is_end);
    px_assert(framing->looked <= size_bytes);
    const uint8_t *end = memchr(bytes + framing->looked, '\n', size_bytes - framing->looked);
    framing->looked = 0;
    const size_t line_bytes = end ? (size_t)(end - bytes) : size_bytes;
    const size_t used_bytes = end ? line_bytes + 1 : line_bytes;
    if (line_bytes > message_bytes_max) {
        framing->skip_line = !end && !is_end;
        return drop(used_bytes);
    }
    if (!end && !is_end) {
        framing->looked = size_bytes;
        return (px_cut){.kind = PX_CUT_MORE};
    }
    return (px_cut){.kind = PX_CUT_MESSAGE, .used_bytes = used_bytes, .message = {bytes, line_bytes}};
}

/* Any byte may be the newline. */
static size_t missing_bytes(const px_framing *framing, const uint8_t *bytes, size_t size_bytes)
{
    (void)framing;
    (void)bytes;
    (void)size_bytes;
    return 1;
}

static size_t frame_bytes_max(uint32_t message_bytes_max)
{
    return (size_t)message_bytes_max + 1;
}

static size_t put_bytes_max(const px_letter *letter)
{
    return letter->payload.size_bytes + 1;
}

static size_t put_line(const px_letter *letter, uint8_t *space)
{
    const size_t size_bytes = letter->payload.size_bytes;
    if (size_bytes) memcpy(space, letter->payload.data, size_bytes);
    space[size_bytes] = '\n';
    return size_bytes + 1;
}

const px_format px_format_line = {
    .cut = cut_line,
    .missing_bytes = missing_bytes,
    .frame_bytes_max = frame_bytes_max,
    .put_bytes_max = put_bytes_max,
    .put = put_line,
};
