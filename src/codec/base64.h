/* base64.h - standard base64 with padding, and nothing but that.
 *
 * Source     RFC 4648 §4. No line breaks, no spaces, no missing padding, and the bits behind the last byte
 *            are zero: so each run of bytes has exactly one form. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_CODEC_BASE64_H
#define PX_CODEC_BASE64_H

#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

/* Characters that so many bytes become. */
static inline size_t px_base64_encoded_bytes(size_t size_bytes)
{
    return (size_bytes + 2) / 3 * 4;
}

/* Writes px_base64_encoded_bytes(size_bytes) characters. `text` does not overlap `bytes`. */
void px_base64_encode(const uint8_t *bytes, size_t size_bytes, uint8_t *text);

/* Decodes in place: the bytes replace the start of the text, the rest of it is destroyed. Writes *size_bytes
 * only on PX_OK. Errors   PX_ERR_MALFORMED. */
PX_MUST_USE px_err px_base64_decode(uint8_t *text, size_t text_bytes, size_t *size_bytes);

/* The same without vectors, as on a processor that has none. */
void px_base64_encode_by_table(const uint8_t *bytes, size_t size_bytes, uint8_t *text);
PX_MUST_USE px_err px_base64_decode_by_table(uint8_t *text, size_t text_bytes, size_t *size_bytes);

#endif
