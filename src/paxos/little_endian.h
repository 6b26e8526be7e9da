/* little_endian.h - numbers as bytes, lowest first, at any alignment.
 *
 * Meaning    What is laid out in bodies, and what the chain hashes, is the same on every processor. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PAXOS_LITTLE_ENDIAN_H
#define PX_PAXOS_LITTLE_ENDIAN_H

#include <stdint.h>

static inline uint16_t px_u16_load(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static inline uint32_t px_u32_load(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static inline uint64_t px_u64_load(const uint8_t *bytes)
{
    return (uint64_t)px_u32_load(bytes) | (uint64_t)px_u32_load(bytes + 4) << 32;
}

static inline void px_u16_store(uint8_t *bytes, uint16_t number)
{
    bytes[0] = (uint8_t)number;
    bytes[1] = (uint8_t)(number >> 8);
}

static inline void px_u32_store(uint8_t *bytes, uint32_t number)
{
    px_u16_store(bytes, (uint16_t)number);
    px_u16_store(bytes + 2, (uint16_t)(number >> 16));
}

static inline void px_u64_store(uint8_t *bytes, uint64_t number)
{
    px_u32_store(bytes, (uint32_t)number);
    px_u32_store(bytes + 4, (uint32_t)(number >> 32));
}

#endif
