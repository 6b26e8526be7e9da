/* base64_test.c - bytes have exactly one text, and no other text has bytes. */
// SPDX-License-Identifier: Apache-2.0
#include "codec/base64.h"

#include "base/prng.h"
#include "exact.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <cmocka.h>

/* Two blocks of vectors, and a tail that tables take. */
#define TEXT_BYTES (64u + 24u)

static px_err decode_copy(const char *text, size_t text_bytes)
{
    uint8_t *const copy = exact_copy(text, text_bytes), *const other = exact_copy(text, text_bytes);
    size_t size_bytes = 0, other_bytes = 0;
    const px_err err = px_base64_decode(copy, text_bytes, &size_bytes);
    assert_int_equal(px_base64_decode_by_table(other, text_bytes, &other_bytes), err);
    assert_int_equal(other_bytes, size_bytes);
    assert_memory_equal(other, copy, err ? 0 : size_bytes);
    free(other);
    free(copy);
    return err;
}

static void base64__is_that_of_rfc_4648(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t size_bytes = 0; size_bytes < 7; size_bytes++) {
        uint8_t text[8];
        px_base64_encode((const uint8_t *)"foobar", size_bytes, text);
        assert_int_equal(px_base64_encoded_bytes(size_bytes), strlen(texts[size_bytes]));
        assert_memory_equal(text, texts[size_bytes], strlen(texts[size_bytes]));
    }
}

static void base64__decodes_what_it_encoded_at_every_length(void **state)
{
    (void)state;
    px_prng prng;
    px_prng_init(&prng, 1);
    for (size_t size_bytes = 0; size_bytes < 700; size_bytes++) {
        uint8_t *const bytes = malloc(size_bytes);
        for (size_t i = 0; i < size_bytes; i++) bytes[i] = (uint8_t)px_prng_next(&prng);
        const size_t text_bytes = px_base64_encoded_bytes(size_bytes);
        uint8_t *const text = malloc(text_bytes);
        px_base64_encode(bytes, size_bytes, text);
        uint8_t *const other = malloc(text_bytes);
        px_base64_encode_by_table(bytes, size_bytes, other);
        if (text_bytes > 0) assert_memory_equal(text, other, text_bytes);
        free(other);
        size_t decoded_bytes = SIZE_MAX;
        assert_int_equal(px_base64_decode(text, text_bytes, &decoded_bytes), PX_OK);
        assert_int_equal(decoded_bytes, size_bytes);
        if (size_bytes > 0) assert_memory_equal(text, bytes, size_bytes);
        free(text);
        free(bytes);
    }
}

/* The value of a character in the standard's table; 64 for one that is not in it. */
static uint32_t value_by_definition(uint32_t character)
{
    static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *const found = character ? strchr(all, (int)character) : NULL;
    return found ? (uint32_t)(found - all) : 64;
}

static void base64__each_character_at_each_place_is_judged(void **state)
{
    (void)state;
    char text[TEXT_BYTES];
    for (size_t place = 0; place < TEXT_BYTES; place++) {
        for (uint32_t character = 0; character < 256; character++) {
            memset(text, 'A', TEXT_BYTES);
            text[place] = (char)character;
            const bool is_good =
                value_by_definition(character) < 64 || (character == '=' && place == TEXT_BYTES - 1);
            assert_int_equal(decode_copy(text, TEXT_BYTES), is_good ? PX_OK : PX_ERR_MALFORMED);
        }
    }
}

static void base64__only_whole_quanta_with_padding_at_the_end_pass(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < 24; cut++) {
        assert_int_equal(decode_copy("Zm9vYmFyZm9vYmFyZm9vYg==", cut), cut % 4 ? PX_ERR_MALFORMED : PX_OK);
    }
    assert_int_equal(decode_copy("=", 1), PX_ERR_MALFORMED);
    assert_int_equal(decode_copy("====", 4), PX_ERR_MALFORMED);
    assert_int_equal(decode_copy("A===", 4), PX_ERR_MALFORMED);
    assert_int_equal(decode_copy("Z=g=", 4), PX_ERR_MALFORMED);
    assert_int_equal(decode_copy("Zg=g", 4), PX_ERR_MALFORMED);
    assert_int_equal(decode_copy("Zg==Zg==", 8), PX_ERR_MALFORMED);
    assert_int_equal(decode_copy("Zg==AAAAAAAA", 12), PX_ERR_MALFORMED);
    assert_int_equal(decode_copy("Zm9v\n", 5), PX_ERR_MALFORMED);
    assert_int_equal(decode_copy("Zm 9v Zg", 8), PX_ERR_MALFORMED);
    assert_int_equal(decode_copy("Zm-_", 4), PX_ERR_MALFORMED);
}

static void base64__bits_behind_the_last_byte_are_zero(void **state)
{
    (void)state;
    for (uint32_t character = 0; character < 256; character++) {
        const uint32_t value = value_by_definition(character);
        const char one[4] = {'A', (char)character, '=', '='}, two[4] = {'A', 'A', (char)character, '='};
        const bool is_one = value < 64 && (value & 15) == 0, is_two = value < 64 && (value & 3) == 0;
        assert_int_equal(decode_copy(one, 4), is_one ? PX_OK : PX_ERR_MALFORMED);
        if (character != '=') assert_int_equal(decode_copy(two, 4), is_two ? PX_OK : PX_ERR_MALFORMED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64__is_that_of_rfc_4648),
        cmocka_unit_test(base64__decodes_what_it_encoded_at_every_length),
        cmocka_unit_test(base64__each_character_at_each_place_is_judged),
        cmocka_unit_test(base64__only_whole_quanta_with_padding_at_the_end_pass),
        cmocka_unit_test(base64__bits_behind_the_last_byte_are_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
