/* utf8.h - is this text UTF-8?
 *
 * Source     RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. A zero byte is a character
 *            like any other. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_CODEC_UTF8_H
#define PX_CODEC_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Are these bytes UTF-8 from the first to the last? */
bool px_utf8_is_valid(const uint8_t *bytes, size_t size_bytes);

/* Size in bytes of the character that starts at `bytes`, of which size_bytes > 0 are here; 0 where it is
 * none. */
size_t px_utf8_character_bytes(const uint8_t *bytes, size_t size_bytes);

/* Bytes from the start that are ASCII. */
size_t px_utf8_ascii_bytes(const uint8_t *bytes, size_t size_bytes);

/* Writes a character that is no surrogate and at most 0x10ffff into up to 4 bytes. Returns how many. */
size_t px_utf8_put(uint32_t character, uint8_t *space);

#endif
