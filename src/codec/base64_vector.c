/* base64_vector.c - base64 in blocks of 24 bytes, 32 characters, by AVX2.
 *
 * Meaning    A vector has two lanes of 16 bytes that shuffles do not cross, so each lane takes twelve bytes
 *            or sixteen characters. Multiplying by powers of two shifts each part of a lane by its own
 *            distance. Which characters are of the alphabet is said by two lookups, one for each half of the
 *            character: a good one has a bit in both.
 * Holds      Decoding never writes past what it has read, so it works in place. */
// SPDX-License-Identifier: Apache-2.0
#include "codec/base64_vector.h"

#if defined(__x86_64__)

#include <immintrin.h>

/* A block is loaded and stored as two halves of 16 bytes, of which the upper one begins at byte 12. */
#define REACH_BYTES 28u
#define BY_AVX2 __attribute__((target("avx2")))

BY_AVX2 static inline __m256i in_both_lanes(const int8_t lane[16])
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)lane));
}

/* ---- encoding ---- */

/* Three bytes become four, in each of which the lower six bits are of one character. */
BY_AVX2 static inline __m256i spread(__m256i bytes)
{
    static const int8_t threes[16] = {1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10};
    const __m256i pairs = _mm256_shuffle_epi8(bytes, in_both_lanes(threes));
    const __m256i even = _mm256_and_si256(pairs, _mm256_set1_epi32(0x0fc0fc00));
    const __m256i odd = _mm256_and_si256(pairs, _mm256_set1_epi32(0x003f03f0));
    return _mm256_or_si256(_mm256_mulhi_epu16(even, _mm256_set1_epi32(0x04000040)),
                           _mm256_mullo_epi16(odd, _mm256_set1_epi32(0x01000010)));
}

/* Values to characters: 0 to 51 are letters, for which `which` is 13 where they are large and 0 where small;
 * what lies above 51 counts from 1 on. Each has a distance of its own from value to character. */
BY_AVX2 static inline __m256i to_characters(__m256i values)
{
    static const int8_t distances[16] = {'a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                                         '0' - 52, '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A'};
    const __m256i above = _mm256_subs_epu8(values, _mm256_set1_epi8(51));
    const __m256i is_large = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), values);
    const __m256i which = _mm256_or_si256(above, _mm256_and_si256(is_large, _mm256_set1_epi8(13)));
    return _mm256_add_epi8(values, _mm256_shuffle_epi8(in_both_lanes(distances), which));
}

BY_AVX2 static size_t encode_blocks(const uint8_t *bytes, size_t size_bytes, uint8_t *text)
{
    size_t count = 0;
    for (; size_bytes >= REACH_BYTES; size_bytes -= PX_BASE64_BLOCK_BYTES, count++) {
        const __m128i low = _mm_loadu_si128((const __m128i *)(const void *)bytes);
        const __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(bytes + 12));
        const __m256i characters = to_characters(spread(_mm256_set_m128i(high, low)));
        _mm256_storeu_si256((__m256i *)(void *)text, characters);
        bytes += PX_BASE64_BLOCK_BYTES;
        text += PX_BASE64_BLOCK_CHARACTERS;
    }
    return count;
}

/* ---- decoding ---- */

/* A row is what has the same upper half: 2 has '+' and '/', 3 the digits, 4 and 5 the large letters, 6 and 7
 * the small ones, in which the lower halves are those of 4 and 5. */
enum { SIGNS = 1, DIGITS = 2, FIRST_LETTERS = 4, LAST_LETTERS = 8 };

/* Characters to values. False where one is not of the alphabet. */
BY_AVX2 static inline _Bool to_values(__m256i characters, __m256i *values)
{
    enum { BOTH = FIRST_LETTERS | LAST_LETTERS, ALL = DIGITS | BOTH, ENDS = SIGNS | FIRST_LETTERS };
    static const int8_t rows[16] = {
        [2] = SIGNS,        [3] = DIGITS,        [4] = FIRST_LETTERS,
        [5] = LAST_LETTERS, [6] = FIRST_LETTERS, [7] = LAST_LETTERS,
    };
    /* The rows that have a character with this lower half. */
    static const int8_t rows_with[16] = {
        DIGITS | LAST_LETTERS, ALL,           ALL,           ALL,  ALL, ALL, ALL, ALL, ALL, ALL, BOTH, ENDS,
        FIRST_LETTERS,         FIRST_LETTERS, FIRST_LETTERS, ENDS,
    };
    /* '/' does not lie beside '+': it takes the place of row 1, which has no characters. */
    static const int8_t distances[16] = {
        [1] = 63 - '/', [2] = 62 - '+', [3] = 52 - '0', [4] = -'A',
        [5] = -'A',     [6] = 26 - 'a', [7] = 26 - 'a',
    };
    const __m256i half = _mm256_set1_epi8(15);
    const __m256i upper = _mm256_and_si256(_mm256_srli_epi32(characters, 4), half);
    const __m256i lower = _mm256_and_si256(characters, half);
    const __m256i common = _mm256_and_si256(_mm256_shuffle_epi8(in_both_lanes(rows), upper),
                                            _mm256_shuffle_epi8(in_both_lanes(rows_with), lower));
    if (_mm256_movemask_epi8(_mm256_cmpeq_epi8(common, _mm256_setzero_si256()))) return 0;
    const __m256i is_slash = _mm256_cmpeq_epi8(characters, _mm256_set1_epi8('/')); /* -1 there */
    const __m256i which = _mm256_add_epi8(upper, is_slash);
    *values = _mm256_add_epi8(characters, _mm256_shuffle_epi8(in_both_lanes(distances), which));
    return 1;
}

/* Four values of six bits become three bytes. */
BY_AVX2 static inline __m256i pack(__m256i values)
{
    static const int8_t threes[16] = {2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1};
    const __m256i twelves = _mm256_maddubs_epi16(values, _mm256_set1_epi32(0x01400140));
    const __m256i wholes = _mm256_madd_epi16(twelves, _mm256_set1_epi32(0x00011000));
    return _mm256_shuffle_epi8(wholes, in_both_lanes(threes));
}

BY_AVX2 static size_t decode_blocks(uint8_t *text, size_t text_bytes)
{
    const uint8_t *in = text;
    uint8_t *out = text;
    size_t count = 0;
    for (; text_bytes > PX_BASE64_BLOCK_CHARACTERS; text_bytes -= PX_BASE64_BLOCK_CHARACTERS, count++) {
        __m256i values;
        if (!to_values(_mm256_loadu_si256((const __m256i *)(const void *)in), &values)) break;
        const __m256i bytes = pack(values);
        _mm_storeu_si128((__m128i *)(void *)out, _mm256_castsi256_si128(bytes));
        _mm_storeu_si128((__m128i *)(void *)(out + 12), _mm256_extracti128_si256(bytes, 1));
        in += PX_BASE64_BLOCK_CHARACTERS;
        out += PX_BASE64_BLOCK_BYTES;
    }
    return count;
}

/* ---- where there is such a processor ---- */

size_t px_base64_encode_blocks(const uint8_t *bytes, size_t size_bytes, uint8_t *text)
{
    return __builtin_cpu_supports("avx2") ? encode_blocks(bytes, size_bytes, text) : 0;
}

size_t px_base64_decode_blocks(uint8_t *text, size_t text_bytes)
{
    return __builtin_cpu_supports("avx2") ? decode_blocks(text, text_bytes) : 0;
}

#else

size_t px_base64_encode_blocks(const uint8_t *bytes, size_t size_bytes, uint8_t *text)
{
    (void)bytes;
    (void)size_bytes;
    (void)text;
    return 0;
}

size_t px_base64_decode_blocks(uint8_t *text, size_t text_bytes)
{
    (void)text;
    (void)text_bytes;
    return 0;
}

#endif
