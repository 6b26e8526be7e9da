/* message_parser.h - bytes as they come, whole messages out.
 *
 * Meaning    A message ends with \r, \n or both; empty lines are skipped. What arrives whole in one call is
 *            handed out in place; what spans calls is gathered in the parser's own space. It cuts lines;
 *            px_wire_decode reads them.
 * Source     spec.md §8. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_CODEC_MESSAGE_PARSER_H
#define PX_CODEC_MESSAGE_PARSER_H

#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t *space; /* lent; may be grown by the owner between calls, with what `used_bytes` says kept */
    size_t space_bytes;
    size_t used_bytes;     /* bytes of the unfinished line */
    size_t line_bytes_max; /* the longest line it takes */
    uint8_t *input;        /* what is left of the bytes given last */
    size_t input_bytes;
} px_message_parser;

void px_message_parser_init(px_message_parser *parser, uint8_t *space, size_t space_bytes,
                            size_t line_bytes_max);

/* Gives it the next bytes; all earlier ones must have been asked for until PX_ERR_MORE. The bytes stay the
 * caller's and must live until then. */
void px_message_parser_feed(px_message_parser *parser, uint8_t *bytes, size_t size_bytes);

/* Hands out the next whole line, mutable, valid until the next call.
 * Errors   PX_ERR_MORE      feed it more: all input is consumed.
 *          PX_ERR_NO_SPACE  the unfinished line does not fit: give it px_message_parser_needs, and ask again.
 *          PX_ERR_OVERSIZE  a line is longer than line_bytes_max: the connection is to be closed. */
PX_MUST_USE px_err px_message_parser_next(px_message_parser *parser, uint8_t **line, size_t *size_bytes);

/* Space that would let it go on after PX_ERR_NO_SPACE. */
size_t px_message_parser_needs(const px_message_parser *parser);

#endif
