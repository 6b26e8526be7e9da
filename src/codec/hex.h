/* hex.h - numbers of a fixed width as lower-case hexadecimal digits, highest first. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_CODEC_HEX_H
#define PX_CODEC_HEX_H

#include "base/hash.h"
#include <stdbool.h>
#include <stdint.h>

#define PX_HEX_U64_BYTES 16u
#define PX_HEX_HASH_BYTES 32u

/* Writes PX_HEX_U64_BYTES digits. */
void px_hex_put_u64(uint64_t number, uint8_t *digits);

/* Reads PX_HEX_U64_BYTES digits. False, and *number as it was, where one is none or in upper case. */
bool px_hex_read_u64(const uint8_t *digits, uint64_t *number);

/* Writes PX_HEX_HASH_BYTES digits. */
void px_hex_put_hash(px_hash hash, uint8_t *digits);

/* Reads PX_HEX_HASH_BYTES digits. */
bool px_hex_read_hash(const uint8_t *digits, px_hash *hash);

#endif
