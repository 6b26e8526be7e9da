/* crc32c.c - the Castagnoli checksum of bytes.
 *
 * Meaning    By the processor's instruction where it has one (x86-64 with SSE 4.2, asked at run time), else
 *            half a byte at a time by a table of sixteen places.
 * Holds      Both ways give the same checksum; the reflected polynomial is 0x82f63b78. */
// SPDX-License-Identifier: Apache-2.0
#include "base/crc32c.h"

#include <string.h>

/* Checksum of each half byte: eight steps of the polynomial would be one byte, four are half of one. */
static const uint32_t half_byte[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t px_crc32c_by_table(uint32_t crc, const void *bytes, size_t size_bytes)
{
    const uint8_t *const data = bytes;
    crc = ~crc;
    for (size_t i = 0; i < size_bytes; i++) {
        crc ^= data[i];
        crc = (crc >> 4) ^ half_byte[crc & 15];
        crc = (crc >> 4) ^ half_byte[crc & 15];
    }
    return ~crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t crc32c_by_instruction(uint32_t crc, const uint8_t *data,
                                                                        size_t size_bytes)
{
    uint64_t wide = (uint32_t)~crc;
    while (size_bytes >= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, data, sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
        data += sizeof word;
        size_bytes -= sizeof word;
    }
    uint32_t narrow = (uint32_t)wide;
    while (size_bytes > 0) {
        narrow = __builtin_ia32_crc32qi(narrow, *data);
        data++;
        size_bytes--;
    }
    return ~narrow;
}

uint32_t px_crc32c(uint32_t crc, const void *bytes, size_t size_bytes)
{
    if (__builtin_cpu_supports("sse4.2")) return crc32c_by_instruction(crc, bytes, size_bytes);
    return px_crc32c_by_table(crc, bytes, size_bytes);
}

#else

uint32_t px_crc32c(uint32_t crc, const void *bytes, size_t size_bytes)
{
    return px_crc32c_by_table(crc, bytes, size_bytes);
}

#endif
