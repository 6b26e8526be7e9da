/* base64.c - bytes as text, by tables.
 *
 * Meaning    Encoding looks up two characters for twelve bits; decoding adds up table values of four
 *            characters, whose top bits are all set only where all four are of the alphabet, and takes eight
 *            characters at a time.
 * Holds      Decoding never writes past what it has read, so it works in place. */
// SPDX-License-Identifier: Apache-2.0
#include "codec/base64.h"

#include <string.h>

/* The alphabet as decoding wants it: X(character, value, shift) for each. */
#define ALPHABET(X, shift)                                                                                  \
    X('A', 0, shift)                                                                                        \
    X('B', 1, shift)                                                                                        \
    X('C', 2, shift)                                                                                        \
    X('D', 3, shift)                                                                                        \
    X('E', 4, shift)                                                                                        \
    X('F', 5, shift) X('G', 6, shift) X('H', 7, shift) X('I', 8, shift) X('J', 9, shift) X('K', 10, shift)  \
        X('L', 11, shift) X('M', 12, shift) X('N', 13, shift) X('O', 14, shift) X('P', 15, shift)           \
            X('Q', 16, shift) X('R', 17, shift) X('S', 18, shift) X('T', 19, shift) X('U', 20, shift)       \
                X('V', 21, shift) X('W', 22, shift) X('X', 23, shift) X('Y', 24, shift) X('Z', 25, shift)   \
                    X('a', 26, shift) X('b', 27, shift) X('c', 28, shift) X('d', 29, shift)                 \
                        X('e', 30, shift) X('f', 31, shift) X('g', 32, shift) X('h', 33, shift)             \
                            X('i', 34, shift) X('j', 35, shift) X('k', 36, shift) X('l', 37, shift)         \
                                X('m', 38, shift) X('n', 39, shift) X('o', 40, shift) X('p', 41, shift)     \
                                    X('q', 42, shift) X('r', 43, shift) X('s', 44, shift) X('t', 45, shift) \
                                        X('u', 46, shift) X('v', 47, shift) X('w', 48, shift)               \
                                            X('x', 49, shift) X('y', 50, shift) X('z', 51, shift)           \
                                                X('0', 52, shift) X('1', 53, shift) X('2', 54, shift)       \
                                                    X('3', 55, shift) X('4', 56, shift) X('5', 57, shift)   \
                                                        X('6', 58, shift) X('7', 59, shift)                 \
                                                            X('8', 60, shift) X('9', 61, shift)             \
                                                                X('+', 62, shift) X('/', 63, shift)

/* Each place of four has a bit of its own above the 24 of the value; all four are there only where all
 * characters are of the alphabet. */
#define VALID 0xf000000u
#define VALUE(character, value, shift) [character] = (uint32_t)(value) << (shift) | 1u << ((shift) / 6 + 24),
static const uint32_t first_values[256] = {ALPHABET(VALUE, 18)};
static const uint32_t second_values[256] = {ALPHABET(VALUE, 12)};
static const uint32_t third_values[256] = {ALPHABET(VALUE, 6)};
static const uint32_t fourth_values[256] = {ALPHABET(VALUE, 0)};

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

px_err px_base64_decode(uint8_t *text, size_t text_bytes, size_t *size_bytes)
{
    if (text_bytes % 4 != 0) return PX_ERR_MALFORMED;
    if (text_bytes == 0) {
        *size_bytes = 0;
        return PX_OK;
    }
    uint8_t *out = text;
    const uint8_t *in = text, *const last = text + text_bytes - 4;
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
