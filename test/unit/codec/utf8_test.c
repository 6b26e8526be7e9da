/* utf8_test.c - every character passes, and nothing else. */
// SPDX-License-Identifier: Apache-2.0
#include "codec/utf8.h"

#include "exact.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* A second way to tell, from the definition: decode, then look for the shortest form and the range. */
static size_t character_bytes_by_definition(const uint8_t *bytes, size_t size_bytes)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t first = bytes[0];
    if (first < 0x80) return 1;
    const size_t count = first >= 0xf8 ? 0 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
    if (count == 0 || count > size_bytes) return 0;
    uint32_t character = first & (0xffu >> (count + 1));
    for (size_t i = 1; i < count; i++) {
        if (bytes[i] >> 6 != 2) return 0;
        character = character << 6 | (bytes[i] & 0x3f);
    }
    const bool is_surrogate = character >= 0xd800 && character <= 0xdfff;
    return character < least[count] || character > 0x10ffff || is_surrogate ? 0 : count;
}

static void utf8__every_start_of_four_bytes_is_judged_by_the_definition(void **state)
{
    (void)state;
    static const uint8_t thirds[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    for (uint32_t first = 0; first < 256; first++) {
        for (uint32_t second = 0; second < 256; second++) {
            for (size_t i = 0; i < 100; i++) {
                const uint8_t bytes[4] = {(uint8_t)first, (uint8_t)second, thirds[i / 10], thirds[i % 10]};
                for (size_t size_bytes = 1; size_bytes <= 4; size_bytes++) {
                    assert_int_equal(px_utf8_character_bytes(bytes, size_bytes),
                                     character_bytes_by_definition(bytes, size_bytes));
                }
            }
        }
    }
}

static void utf8__what_is_put_is_a_character_of_that_size(void **state)
{
    (void)state;
    for (uint32_t character = 0; character <= 0x10ffff; character++) {
        if (character >= 0xd800 && character <= 0xdfff) continue;
        uint8_t bytes[4];
        const size_t size_bytes = px_utf8_put(character, bytes);
        assert_int_equal(px_utf8_character_bytes(bytes, size_bytes), size_bytes);
    }
}

static void utf8__text_is_valid_exactly_to_its_end(void **state)
{
    (void)state;
    static const char text[] =
        "plain ASCII, gr\xc3\xbc\xc3\x9f, \xe2\x82\xac, \xf0\x9f\x98\x80 and plain again";
    const size_t size_bytes = sizeof text - 1;
    for (size_t cut = 0; cut <= size_bytes; cut++) {
        uint8_t *const copy = exact_copy(text, cut);
        bool is_between = true;
        for (size_t at = 0; at < cut;) {
            const size_t one = character_bytes_by_definition(copy + at, cut - at);
            is_between = one > 0;
            if (!is_between) break;
            at += one;
        }
        assert_int_equal(px_utf8_is_valid(copy, cut), is_between);
        free(copy);
    }
    assert_true(px_utf8_is_valid((const uint8_t *)"a\0b", 3));
}

static void utf8__a_bad_byte_is_found_at_every_place(void **state)
{
    (void)state;
    for (size_t size_bytes = 1; size_bytes < 40; size_bytes++) {
        for (size_t bad = 0; bad < size_bytes; bad++) {
            uint8_t *const bytes = malloc(size_bytes);
            assert_non_null(bytes);
            memset(bytes, 'a', size_bytes);
            assert_int_equal(px_utf8_ascii_bytes(bytes, size_bytes), size_bytes);
            bytes[bad] = 0xff;
            assert_false(px_utf8_is_valid(bytes, size_bytes));
            assert_int_equal(px_utf8_ascii_bytes(bytes, size_bytes), bad);
            free(bytes);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8__every_start_of_four_bytes_is_judged_by_the_definition),
        cmocka_unit_test(utf8__what_is_put_is_a_character_of_that_size),
        cmocka_unit_test(utf8__text_is_valid_exactly_to_its_end),
        cmocka_unit_test(utf8__a_bad_byte_is_found_at_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
