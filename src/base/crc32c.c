/* crc32c.c - the Castagnoli checksum of bytes.
 *
 * Meaning    By the processor's instructions where it has them (x86-64 with SSE 4.2 and PCLMUL, asked at run
 *            time), else half a byte at a time by a table of sixteen places. An instruction's outcome comes
 *            three cycles later, and one can begin in each: so what is long is taken as three parts abreast.
 * Holds      Both ways give the same checksum; the reflected polynomial P is 0x82f63b78. */
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

#define PART_BYTES 256u
/* Times x^(8n) modulo P is what n bytes behind a part make of its checksum. The product of two reflected
 * numbers comes out times x, and the instruction that reduces it brings x^32: so these are x^(8n - 33). */
#define ONE_PART_BEHIND 0xb9e02b86
#define TWO_PARTS_BEHIND 0xdd7e3b0c

typedef long long pair __attribute__((vector_size(16)));

static uint64_t word_at(const uint8_t *data)
{
    uint64_t word;
    memcpy(&word, data, sizeof word);
    return word;
}

/* The product of two polynomials. */
__attribute__((target("sse4.2,pclmul"))) static uint64_t multiply(uint64_t one, uint64_t other)
{
    return (uint64_t)__builtin_ia32_pclmulqdq128((pair){(long long)one}, (pair){(long long)other}, 0)[0];
}

/* Three parts, one behind the other. */
__attribute__((target("sse4.2,pclmul"))) static uint64_t take_parts(uint64_t first, const uint8_t *data)
{
    uint64_t second = 0, third = 0;
    for (size_t at = 0; at < PART_BYTES; at += sizeof(uint64_t)) {
        first = __builtin_ia32_crc32di(first, word_at(data + at));
        second = __builtin_ia32_crc32di(second, word_at(data + PART_BYTES + at));
        third = __builtin_ia32_crc32di(third, word_at(data + 2 * PART_BYTES + at));
    }
    const uint64_t moved = multiply(first, TWO_PARTS_BEHIND) ^ multiply(second, ONE_PART_BEHIND);
    return __builtin_ia32_crc32di(0, moved) ^ third;
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t crc32c_by_instruction(uint32_t crc,
                                                                               const uint8_t *data,
                                                                               size_t size_bytes)
{
    uint64_t wide = (uint32_t)~crc;
    for (; size_bytes >= 3 * PART_BYTES; size_bytes -= 3 * PART_BYTES, data += 3 * PART_BYTES)
        wide = take_parts(wide, data);
    for (; size_bytes >= sizeof(uint64_t); size_bytes -= sizeof(uint64_t), data += sizeof(uint64_t))
        wide = __builtin_ia32_crc32di(wide, word_at(data));
    uint32_t narrow = (uint32_t)wide;
    for (; size_bytes > 0; size_bytes--, data++) narrow = __builtin_ia32_crc32qi(narrow, *data);
    return ~narrow;
}

uint32_t px_crc32c(uint32_t crc, const void *bytes, size_t size_bytes)
{
    if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul"))
        return crc32c_by_instruction(crc, bytes, size_bytes);
    return px_crc32c_by_table(crc, bytes, size_bytes);
}

#else

uint32_t px_crc32c(uint32_t crc, const void *bytes, size_t size_bytes)
{
    return px_crc32c_by_table(crc, bytes, size_bytes);
}

#endif
