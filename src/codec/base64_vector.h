/* base64_vector.h - base64 by the processor's vector instructions, as far as they go: whole blocks.
 *
 * Source     RFC 4648 §4; Mula, Lemire, Faster Base64 Encoding and Decoding Using AVX2 Instructions
 *            (2018). */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_CODEC_BASE64_VECTOR_H
#define PX_CODEC_BASE64_VECTOR_H

#include <stddef.h>
#include <stdint.h>

/* What a block is as bytes and as characters. */
#define PX_BASE64_BLOCK_BYTES 24u
#define PX_BASE64_BLOCK_CHARACTERS 32u

/* Encodes blocks from the start; returns how many. None where the processor has no such instructions. */
size_t px_base64_encode_blocks(const uint8_t *bytes, size_t size_bytes, uint8_t *text);

/* Decodes blocks from the start, in place; returns how many. Stops before a block with a character that is
 * not of the alphabet, and before the last one, which may end in padding. */
size_t px_base64_decode_blocks(uint8_t *text, size_t text_bytes);

#endif
