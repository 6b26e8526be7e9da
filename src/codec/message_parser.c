/* message_parser.c - bytes as they come, whole lines out.
 *
 * Meaning    While no line is begun, a whole one is handed out where it came; only the rest of a line that
 *            does not end in what was given is copied into the parser's space, and a gathered line is handed
 *            out from there.
 * Holds      used_bytes <= space_bytes and used_bytes <= line_bytes_max. Each byte given is looked at once,
 *            or twice where the space had to grow. */
// SPDX-License-Identifier: Apache-2.0
#include "codec/message_parser.h"

#include "base/assert.h"
#include <stdbool.h>
#include <string.h>

/* Looked through at a time for either end: so that looking for the one that does not come costs no more than
 * a part of the line. */
#define STRIDE_BYTES_LEAST 256u
#define STRIDE_BYTES_MOST 65536u

static bool is_line_end(uint8_t byte)
{
    return byte == '\r' || byte == '\n';
}

/* Bytes before the first line end; size_bytes where there is none. */
static size_t find_line_end(const uint8_t *bytes, size_t size_bytes)
{
    size_t stride = STRIDE_BYTES_LEAST;
    for (size_t at = 0; at < size_bytes;) {
        const size_t left = size_bytes - at;
        size_t here = left < stride ? left : stride;
        const uint8_t *const carriage = memchr(bytes + at, '\r', here);
        if (carriage) here = (size_t)(carriage - (bytes + at));
        const uint8_t *const feed = here > 0 ? memchr(bytes + at, '\n', here) : NULL;
        if (feed) return (size_t)(feed - bytes);
        if (carriage) return (size_t)(carriage - bytes);
        at += here;
        if (stride < STRIDE_BYTES_MOST) stride *= 2;
    }
    return size_bytes;
}

void px_message_parser_init(px_message_parser *parser, uint8_t *space, size_t space_bytes,
                            size_t line_bytes_max)
{
    *parser =
        (px_message_parser){.space = space, .space_bytes = space_bytes, .line_bytes_max = line_bytes_max};
}

void px_message_parser_feed(px_message_parser *parser, uint8_t *bytes, size_t size_bytes)
{
    px_assert(parser->input_bytes == 0);
    parser->input = bytes;
    parser->input_bytes = size_bytes;
}

static void consume(px_message_parser *parser, size_t size_bytes)
{
    parser->input += size_bytes;
    parser->input_bytes -= size_bytes;
}

px_err px_message_parser_next(px_message_parser *parser, uint8_t **line, size_t *size_bytes)
{
    if (parser->used_bytes == 0) {
        while (parser->input_bytes > 0 && is_line_end(*parser->input)) consume(parser, 1);
    }
    if (parser->input_bytes == 0) return PX_ERR_MORE;

    const size_t here_bytes = find_line_end(parser->input, parser->input_bytes);
    const bool is_whole = here_bytes < parser->input_bytes;
    if (here_bytes > parser->line_bytes_max - parser->used_bytes) return PX_ERR_OVERSIZE;
    if (is_whole && parser->used_bytes == 0) {
        *line = parser->input;
        *size_bytes = here_bytes;
        consume(parser, here_bytes + 1);
        return PX_OK;
    }

    px_assert(parser->used_bytes <= parser->space_bytes);
    if (here_bytes > parser->space_bytes - parser->used_bytes) return PX_ERR_NO_SPACE;
    memcpy(parser->space + parser->used_bytes, parser->input, here_bytes);
    parser->used_bytes += here_bytes;
    consume(parser, is_whole ? here_bytes + 1 : here_bytes);
    if (!is_whole) return PX_ERR_MORE;
    *line = parser->space;
    *size_bytes = parser->used_bytes;
    parser->used_bytes = 0;
    return PX_OK;
}

size_t px_message_parser_needs(const px_message_parser *parser)
{
    const size_t here_bytes = find_line_end(parser->input, parser->input_bytes);
    const size_t wanted = parser->used_bytes + here_bytes;
    const size_t doubled = 2 * parser->space_bytes;
    if (doubled > parser->line_bytes_max)
        return wanted > parser->line_bytes_max ? wanted : parser->line_bytes_max;
    return wanted > doubled ? wanted : doubled;
}
