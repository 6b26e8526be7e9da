/* crc32c_test.c - the checksum against published vectors, and its two ways against each other. */
// SPDX-License-Identifier: Apache-2.0
#include "base/crc32c.h"

#include "base/prng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void assert_crc(const void *bytes, size_t size_bytes, uint32_t expected)
{
    assert_int_equal(px_crc32c(0, bytes, size_bytes), expected);
    assert_int_equal(px_crc32c_by_table(0, bytes, size_bytes), expected);
}

/* RFC 3720, appendix B.4, whose bytes stand there in the order of the wire. */
static void crc32c__gives_the_vectors_of_rfc_3720(void **state)
{
    (void)state;
    uint8_t bytes[32];
    memset(bytes, 0, sizeof bytes);
    assert_crc(bytes, sizeof bytes, 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_crc(bytes, sizeof bytes, 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++) bytes[i] = i;
    assert_crc(bytes, sizeof bytes, 0x46dd794e);
    for (uint8_t i = 0; i < 32; i++) bytes[i] = (uint8_t)(31 - i);
    assert_crc(bytes, sizeof bytes, 0x113fdb5c);
    assert_crc("123456789", 9, 0xe3069283);
}

static void crc32c__of_nothing_is_zero(void **state)
{
    (void)state;
    assert_crc("", 0, 0);
    assert_int_equal(px_crc32c(7, "", 0), 7);
}

static void crc32c__both_ways_and_any_cut_agree(void **state)
{
    (void)state;
    static uint8_t bytes[4096]; /* long enough for parts abreast, several times */
    px_prng prng;
    px_prng_init(&prng, 1);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)px_prng_next(&prng);
    for (uint32_t round = 0; round < 5000; round++) {
        const size_t start = (size_t)px_prng_below(&prng, 16); /* any alignment */
        const size_t size_bytes = (size_t)px_prng_below(&prng, sizeof bytes - start);
        const size_t cut = (size_t)px_prng_below(&prng, size_bytes + 1);
        const uint8_t *const data = bytes + start;
        const uint32_t whole = px_crc32c_by_table(0, data, size_bytes);
        assert_int_equal(px_crc32c(0, data, size_bytes), whole);
        assert_int_equal(px_crc32c(px_crc32c(0, data, cut), data + cut, size_bytes - cut), whole);
    }
}

static void crc32c__notices_every_single_flipped_bit(void **state)
{
    (void)state;
    uint8_t bytes[64];
    for (uint8_t i = 0; i < 64; i++) bytes[i] = (uint8_t)(i * 7);
    const uint32_t whole = px_crc32c(0, bytes, sizeof bytes);
    for (uint32_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_true(px_crc32c(0, bytes, sizeof bytes) != whole);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c__gives_the_vectors_of_rfc_3720),
        cmocka_unit_test(crc32c__of_nothing_is_zero),
        cmocka_unit_test(crc32c__both_ways_and_any_cut_agree),
        cmocka_unit_test(crc32c__notices_every_single_flipped_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
