/* fuzz_parser.c - any cuts of a stream give the lines that the whole stream holds.
 *
 * Meaning    The first two bytes of the input choose the cuts and the limit, the rest is the stream. A
 *            second, slow way to find the lines says what has to come. Lines are written over when they were
 *            compared, as decoding does. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "base/prng.h"
#include "codec/message_parser.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

/* The stream as it has to be cut. */
typedef struct {
    const uint8_t *bytes;
    size_t size_bytes, at;
} byte_stream;

static bool is_end(uint8_t byte)
{
    return byte == '\r' || byte == '\n';
}

/* The next line that has an end; false where none is left. The rest then starts at *first. */
static bool next_line(byte_stream *stream, size_t *first, size_t *size_bytes)
{
    while (stream->at < stream->size_bytes && is_end(stream->bytes[stream->at])) stream->at++;
    *first = stream->at;
    while (stream->at < stream->size_bytes && !is_end(stream->bytes[stream->at])) stream->at++;
    *size_bytes = stream->at - *first;
    return stream->at < stream->size_bytes;
}

static void grow(px_message_parser *parser)
{
    const size_t needs = px_message_parser_needs(parser);
    px_assert(needs > parser->space_bytes && needs <= parser->line_bytes_max);
    parser->space = realloc(parser->space, needs);
    px_assert(parser->space);
    parser->space_bytes = needs;
}

/* Takes all lines of what was fed. False where a line was too long. */
static bool take_lines(px_message_parser *parser, byte_stream *stream)
{
    for (;;) {
        uint8_t *line = NULL;
        size_t line_bytes = 0, first, wanted_bytes;
        const px_err err = px_message_parser_next(parser, &line, &line_bytes);
        if (err == PX_ERR_MORE) return true;
        if (err == PX_ERR_OVERSIZE) return false;
        if (err == PX_ERR_NO_SPACE) {
            grow(parser);
            continue;
        }
        px_assert(err == PX_OK && next_line(stream, &first, &wanted_bytes));
        px_assert(line_bytes == wanted_bytes && line_bytes > 0 && line_bytes <= parser->line_bytes_max);
        px_assert(memcmp(line, stream->bytes + first, line_bytes) == 0);
        memset(line, '\n', line_bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    if (size_bytes < 2) return 0;
    px_prng cuts;
    px_prng_init(&cuts, bytes[0]);
    byte_stream stream = {.bytes = bytes + 2, .size_bytes = size_bytes - 2};
    px_message_parser parser;
    px_message_parser_init(&parser, NULL, 0, bytes[1]);
    bool is_well = true;
    for (size_t at = 0; is_well && at < stream.size_bytes;) {
        const size_t left = stream.size_bytes - at;
        const size_t most = px_prng_below(&cuts, 4) == 0 ? 100 : 8;
        const size_t piece = (size_t)px_prng_below(&cuts, left < most ? left + 1 : most);
        uint8_t *const copy = malloc(piece > 0 ? piece : 1);
        px_assert(copy);
        memcpy(copy, stream.bytes + at, piece);
        px_message_parser_feed(&parser, copy, piece);
        is_well = take_lines(&parser, &stream);
        free(copy);
        at += piece;
    }
    size_t first, rest_bytes;
    const bool is_line = next_line(&stream, &first, &rest_bytes);
    if (is_well) {
        px_assert(!is_line && parser.used_bytes == rest_bytes);
        if (rest_bytes > 0) px_assert(memcmp(parser.space, stream.bytes + first, rest_bytes) == 0);
    } else {
        px_assert(rest_bytes > parser.line_bytes_max);
    }
    free(parser.space);
    return 0;
}
