/* hex.c - numbers as hexadecimal digits. */
// SPDX-License-Identifier: Apache-2.0
#include "codec/hex.h"

void px_hex_put_u64(uint64_t number, uint8_t *digits)
{
    for (uint32_t i = 0; i < PX_HEX_U64_BYTES; i++) {
        digits[i] = (uint8_t) "0123456789abcdef"[number >> (60 - 4 * i) & 15];
    }
}

bool px_hex_read_u64(const uint8_t *digits, uint64_t *number)
{
    uint64_t read = 0;
    for (uint32_t i = 0; i < PX_HEX_U64_BYTES; i++) {
        const uint8_t digit = digits[i];
        if (digit >= '0' && digit <= '9') {
            read = read << 4 | (uint64_t)(digit - '0');
        } else if (digit >= 'a' && digit <= 'f') {
            read = read << 4 | (uint64_t)(digit - 'a' + 10);
        } else {
            return false;
        }
    }
    *number = read;
    return true;
}

void px_hex_put_hash(px_hash hash, uint8_t *digits)
{
    px_hex_put_u64(hash.high, digits);
    px_hex_put_u64(hash.low, digits + PX_HEX_U64_BYTES);
}

bool px_hex_read_hash(const uint8_t *digits, px_hash *hash)
{
    px_hash read;
    if (!px_hex_read_u64(digits, &read.high) || !px_hex_read_u64(digits + PX_HEX_U64_BYTES, &read.low))
        return false;
    *hash = read;
    return true;
}
