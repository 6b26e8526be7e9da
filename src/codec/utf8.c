/* utf8.c - UTF-8 checked with a fast way through ASCII.
 *
 * Source     RFC 3629 §4: the table of well-formed byte sequences. */
// SPDX-License-Identifier: Apache-2.0
#include "codec/utf8.h"

#include <string.h>

#define HIGH_BITS 0x8080808080808080u

size_t px_utf8_ascii_bytes(const uint8_t *bytes, size_t size_bytes)
{
    size_t at = 0;
    for (; size_bytes - at >= 8; at += 8) {
        uint64_t eight;
        memcpy(&eight, bytes + at, sizeof eight);
        if (eight & HIGH_BITS) break;
    }
    while (at < size_bytes && bytes[at] < 0x80) at++;
    return at;
}

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

size_t px_utf8_character_bytes(const uint8_t *bytes, size_t size_bytes)
{
    const uint8_t first = bytes[0];
    if (first < 0x80) return 1;
    if (first < 0xc2 || first > 0xf4 || size_bytes < 2) return 0;
    const uint8_t second = bytes[1];
    if (!is_continuation(second)) return 0;
    if (first < 0xe0) return 2;

    if (size_bytes < 3 || !is_continuation(bytes[2])) return 0;
    if (first == 0xe0 && second < 0xa0) return 0; /* overlong */
    if (first == 0xed && second > 0x9f) return 0; /* surrogates */
    if (first < 0xf0) return 3;

    if (size_bytes < 4 || !is_continuation(bytes[3])) return 0;
    if (first == 0xf0 && second < 0x90) return 0; /* overlong */
    if (first == 0xf4 && second > 0x8f) return 0; /* above U+10FFFF */
    return 4;
}

bool px_utf8_is_valid(const uint8_t *bytes, size_t size_bytes)
{
    size_t at = 0;
    while (at < size_bytes) {
        if (bytes[at] < 0x80) {
            at += px_utf8_ascii_bytes(bytes + at, size_bytes - at);
            continue;
        }
        const size_t character_bytes = px_utf8_character_bytes(bytes + at, size_bytes - at);
        if (character_bytes == 0) return false;
        at += character_bytes;
    }
    return true;
}

size_t px_utf8_put(uint32_t character, uint8_t *space)
{
    if (character < 0x80) {
        space[0] = (uint8_t)character;
        return 1;
    }
    if (character < 0x800) {
        space[0] = (uint8_t)(0xc0 | character >> 6);
        space[1] = (uint8_t)(0x80 | (character & 0x3f));
        return 2;
    }
    if (character < 0x10000) {
        space[0] = (uint8_t)(0xe0 | character >> 12);
        space[1] = (uint8_t)(0x80 | (character >> 6 & 0x3f));
        space[2] = (uint8_t)(0x80 | (character & 0x3f));
        return 3;
    }
    space[0] = (uint8_t)(0xf0 | character >> 18);
    space[1] = (uint8_t)(0x80 | (character >> 12 & 0x3f));
    space[2] = (uint8_t)(0x80 | (character >> 6 & 0x3f));
    space[3] = (uint8_t)(0x80 | (character & 0x3f));
    return 4;
}
