/* hex_test.c - numbers of a fixed width as digits. */
// SPDX-License-Identifier: Apache-2.0
#include "codec/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void hex__the_highest_digit_comes_first(void **state)
{
    (void)state;
    uint8_t digits[PX_HEX_HASH_BYTES];
    px_hex_put_u64(0x0123456789abcdef, digits);
    assert_memory_equal(digits, "0123456789abcdef", PX_HEX_U64_BYTES);
    px_hex_put_hash((px_hash){.high = 1, .low = UINT64_MAX}, digits);
    assert_memory_equal(digits, "0000000000000001ffffffffffffffff", PX_HEX_HASH_BYTES);
}

static void hex__reads_what_it_put(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {0, 1, 0xfedcba9876543210, UINT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        uint8_t digits[PX_HEX_U64_BYTES];
        uint64_t number = 7;
        px_hex_put_u64(numbers[i], digits);
        assert_true(px_hex_read_u64(digits, &number));
        assert_true(number == numbers[i]);
    }
    px_hash hash = {0};
    assert_true(px_hex_read_hash((const uint8_t *)"000000000000000a000000000000000b", &hash));
    assert_true(hash.high == 10 && hash.low == 11);
}

static void hex__only_lower_case_digits_pass(void **state)
{
    (void)state;
    for (uint32_t place = 0; place < PX_HEX_HASH_BYTES; place++) {
        for (uint32_t character = 0; character < 256; character++) {
            uint8_t digits[PX_HEX_HASH_BYTES];
            memset(digits, '1', sizeof digits);
            digits[place] = (uint8_t)character;
            const bool is_digit =
                (character >= '0' && character <= '9') || (character >= 'a' && character <= 'f');
            px_hash hash = {.high = 5, .low = 6};
            assert_int_equal(px_hex_read_hash(digits, &hash), is_digit);
            if (!is_digit) assert_true(hash.high == 5 && hash.low == 6);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex__the_highest_digit_comes_first),
        cmocka_unit_test(hex__reads_what_it_put),
        cmocka_unit_test(hex__only_lower_case_digits_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
