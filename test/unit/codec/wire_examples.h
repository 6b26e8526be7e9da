/* wire_examples.h - one message of each type, as docs/wire-format.md shows it.
 *
 * Meaning    Every field has a value of its own, so that two that are mixed up show. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_UNIT_CODEC_WIRE_EXAMPLES_H
#define PX_TEST_UNIT_CODEC_WIRE_EXAMPLES_H

#include "codec/wire.h"

/* Types, and so examples. */
#define WIRE_EXAMPLES 24u
/* The limit on payloads that the examples keep. */
#define WIRE_EXAMPLE_MESSAGE_BYTES_MAX 1048576u

/* The example of that type; what it points to is static. */
px_wire wire_example(uint32_t place);

/* The whole line of a message in a heap block of its size, without the line end; the caller frees it. */
uint8_t *wire_line(const px_wire *wire, size_t *size_bytes);

/* Decodes a copy of a line that ends where its heap block ends. *wire borrows the block until the next call.
 * */
px_err wire_decode_copy(const void *line, size_t size_bytes, px_wire *wire);

/* The same of a string; true where it is refused. */
bool wire_is_refused(const char *line);

#endif
