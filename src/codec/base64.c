/* base64.c - bytes as text: by vectors where the processor has them (base64_vector.h), the rest by tables.
 *
 * Meaning    By tables, encoding looks up two characters for twelve bits; decoding adds up table values of
 *            four characters, whose top bits are all set only where all four are of the alphabet, and takes
 *            eight characters at a time.
 * Holds      Decoding never writes past what it has read, so it works in place. */
// SPDX-License-Identifier: Apache-2.0
#include "codec/base64.h"

#include "codec/base64_vector.h"
#include <string.h>

/* What a character, the value of which starts `shift` bits up, adds to the value of its quantum. Each place
 * of four has a bit of its own above the 24 of the value: all of them are there only where all four
 * characters are of the alphabet. */
#define ONE(character, value, shift) [(character)] = (uint32_t)(value) << (shift) | 1u << ((shift) / 6 + 24)
#define TWO(character, value, shift) ONE(character, value, shift), ONE((character) + 1, (value) + 1, shift)
#define FIVE(character, value, shift)                                       \
    TWO(character, value, shift), TWO((character) + 2, (value) + 2, shift), \
        ONE((character) + 4, (value) + 4, shift)
#define TEN(character, value, shift) FIVE(character, value, shift), FIVE((character) + 5, (value) + 5, shift)
#define LETTERS(character, value, shift)                                      \
    TEN(character, value, shift), TEN((character) + 10, (value) + 10, shift), \
        FIVE((character) + 20, (value) + 20, shift), ONE((character) + 25, (value) + 25, shift)
#define ALPHABET(shift)                                                                        \
    LETTERS('A', 0, shift), LETTERS('a', 26, shift), TEN('0', 52, shift), ONE('+', 62, shift), \
        ONE('/', 63, shift)
#define VALID 0xf000000u
static const uint32_t first_values[256] = {ALPHABET(18)};
static const uint32_t second_values[256] = {ALPHABET(12)};
static const uint32_t third_values[256] = {ALPHABET(6)};
static const uint32_t fourth_values[256] = {ALPHABET(0)};

/* The same as encoding wants it: all pairs of characters in order, so that twelve bits find theirs at twice
 * their value. */
#define ROW(c)                                                                                              \
    c "A" c "B" c "C" c "D" c "E" c "F" c "G" c "H" c "I" c "J" c "K" c "L" c "M" c "N" c "O" c "P" c "Q" c \
      "R" c "S" c "T" c "U" c "V" c "W" c "X" c "Y" c "Z" c "a" c "b" c "c" c "d" c "e" c "f" c "g" c "h" c \
      "i" c "j" c "k" c "l" c "m" c "n" c "o" c "p" c "q" c "r" c "s" c "t" c "u" c "v" c "w" c "x" c "y" c \
      "z" c "0" c "1" c "2" c "3" c "4" c "5" c "6" c "7" c "8" c "9" c "+" c "/"
static const char pairs[64][128] = {
    ROW("A"), ROW("B"), ROW("C"), ROW("D"), ROW("E"), ROW("F"), ROW("G"), ROW("H"), ROW("I"), ROW("J"),
    ROW("K"), ROW("L"), ROW("M"), ROW("N"), ROW("O"), ROW("P"), ROW("Q"), ROW("R"), ROW("S"), ROW("T"),
    ROW("U"), ROW("V"), ROW("W"), ROW("X"), ROW("Y"), ROW("Z"), ROW("a"), ROW("b"), ROW("c"), ROW("d"),
    ROW("e"), ROW("f"), ROW("g"), ROW("h"), ROW("i"), ROW("j"), ROW("k"), ROW("l"), ROW("m"), ROW("n"),
    ROW("o"), ROW("p"), ROW("q"), ROW("r"), ROW("s"), ROW("t"), ROW("u"), ROW("v"), ROW("w"), ROW("x"),
    ROW("y"), ROW("z"), ROW("0"), ROW("1"), ROW("2"), ROW("3"), ROW("4"), ROW("5"), ROW("6"), ROW("7"),
    ROW("8"), ROW("9"), ROW("+"), ROW("/"),
};
#define PAD '='
#define ZERO 'A'

/* Eight bytes as a number, the first one highest; and back. Spelled so that a compiler makes two instructions
 * of it. */
static inline uint64_t high_first(uint64_t eight)
{
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap64(eight) : eight;
}

static inline uint64_t load_high_first(const uint8_t *bytes)
{
    uint64_t eight;
    memcpy(&eight, bytes, sizeof eight);
    return high_first(eight);
}

static inline void store_high_first(uint8_t *bytes, uint64_t number)
{
    const uint64_t eight = high_first(number);
    memcpy(bytes, &eight, sizeof eight);
}

static inline void put_pair(uint8_t *text, uint64_t twelve_bits)
{
    memcpy(text, (const uint8_t *)&pairs + 2 * twelve_bits, 2);
}

void px_base64_encode(const uint8_t *bytes, size_t size_bytes, uint8_t *text)
{
    const size_t blocks = px_base64_encode_blocks(bytes, size_bytes, text);
    const size_t done_bytes = blocks * PX_BASE64_BLOCK_BYTES;
    px_base64_encode_by_table(bytes + done_bytes, size_bytes - done_bytes,
                              text + blocks * PX_BASE64_BLOCK_CHARACTERS);
}

void px_base64_encode_by_table(const uint8_t *bytes, size_t size_bytes, uint8_t *text)
{
    for (; size_bytes >= 8; size_bytes -= 6, bytes += 6, text += 8) {
        const uint64_t bits = load_high_first(bytes); /* six of the eight are used */
        put_pair(text, bits >> 52);
        put_pair(text + 2, bits >> 40 & 0xfff);
        put_pair(text + 4, bits >> 28 & 0xfff);
        put_pair(text + 6, bits >> 16 & 0xfff);
    }
    for (; size_bytes >= 3; size_bytes -= 3, bytes += 3, text += 4) {
        put_pair(text, (uint64_t)bytes[0] << 4 | bytes[1] >> 4);
        put_pair(text + 2, (uint64_t)(bytes[1] & 15) << 8 | bytes[2]);
    }
    if (size_bytes == 2) {
        put_pair(text, (uint64_t)bytes[0] << 4 | bytes[1] >> 4);
        put_pair(text + 2, (uint64_t)(bytes[1] & 15) << 8);
        text[3] = PAD;
    } else if (size_bytes == 1) {
        put_pair(text, (uint64_t)bytes[0] << 4);
        text[2] = text[3] = PAD;
    }
}

/* Four characters, the first one highest, as 24 bits and what of VALID they earn. */
static inline uint32_t decode_four(uint32_t four)
{
    return first_values[four >> 24] | second_values[four >> 16 & 0xff] | third_values[four >> 8 & 0xff] |
           fourth_values[four & 0xff];
}

/* Decodes the last four characters, of which one or two may be padding. Returns the bytes they are, 0 where
 * they are none. */
static size_t decode_last(const uint8_t *text, uint8_t *bytes)
{
    const size_t count = text[3] != PAD ? 3 : text[2] != PAD ? 2 : 1;
    const uint32_t bits =
        decode_four((uint32_t)text[0] << 24 | (uint32_t)text[1] << 16 |
                    (uint32_t)(count > 1 ? text[2] : ZERO) << 8 | (count > 2 ? text[3] : ZERO));
    if (bits < VALID || (bits << (8 * count) & 0xffffff) != 0) return 0;
    bytes[0] = (uint8_t)(bits >> 16);
    if (count > 1) bytes[1] = (uint8_t)(bits >> 8);
    if (count > 2) bytes[2] = (uint8_t)bits;
    return count;
}

/* Decodes from block `blocks` on; those before it are done. */
static px_err decode_behind(uint8_t *text, size_t text_bytes, size_t blocks, size_t *size_bytes)
{
    if (text_bytes % 4 != 0) return PX_ERR_MALFORMED;
    if (text_bytes == 0) {
        *size_bytes = 0;
        return PX_OK;
    }
    uint8_t *out = text + blocks * PX_BASE64_BLOCK_BYTES;
    const uint8_t *in = text + blocks * PX_BASE64_BLOCK_CHARACTERS, *const last = text + text_bytes - 4;
    for (; last - in >= 8; in += 8, out += 6) {
        const uint64_t eight = load_high_first(in);
        const uint32_t high = decode_four((uint32_t)(eight >> 32)), low = decode_four((uint32_t)eight);
        if ((high & low) < VALID) return PX_ERR_MALFORMED;
        store_high_first(out, (uint64_t)high << 40 | (uint64_t)(low & ~VALID) << 16);
    }
    for (; in < last; in += 4, out += 3) {
        const uint32_t bits = decode_four((uint32_t)(load_high_first(in) >> 32));
        if (bits < VALID) return PX_ERR_MALFORMED;
        out[0] = (uint8_t)(bits >> 16);
        out[1] = (uint8_t)(bits >> 8);
        out[2] = (uint8_t)bits;
    }
    const size_t last_bytes = decode_last(in, out);
    if (last_bytes == 0) return PX_ERR_MALFORMED;
    *size_bytes = (size_t)(out - text) + last_bytes;
    return PX_OK;
}

px_err px_base64_decode(uint8_t *text, size_t text_bytes, size_t *size_bytes)
{
    return decode_behind(text, text_bytes, px_base64_decode_blocks(text, text_bytes), size_bytes);
}

px_err px_base64_decode_by_table(uint8_t *text, size_t text_bytes, size_t *size_bytes)
{
    return decode_behind(text, text_bytes, 0, size_bytes);
}
