/* hash_test.c - the hash that log and wire carry must never change. */
// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void assert_hash(const void *bytes, size_t size_bytes, uint64_t high, uint64_t low)
{
    const px_hash hash = px_hash_of(bytes, size_bytes);
    assert_true(px_hash_equal(hash, (px_hash){.high = high, .low = low}));
}

/* One vector for each of the library's ways: 0, 1-3, 4-8, 9-16, 17-128, 129-240 bytes, and more than a block.
 * */
static void hash__never_changes(void **state)
{
    (void)state;
    static uint8_t bytes[5000];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 31 + 7);
    assert_hash(bytes, 0, 0x99aa06d3014798d8, 0x6001c324468d497f);
    assert_hash(bytes, 1, 0x495b62073ef70ca4, 0x4c5cca45d0f4811f);
    assert_hash(bytes, 3, 0x46f66cb935381565, 0x15f7093b173d005c);
    assert_hash(bytes, 5, 0x2fbb16712b4bf1d5, 0x752a86982353f4f3);
    assert_hash(bytes, 8, 0x803c675a846cc6c2, 0x56bb836ceb6d4baa);
    assert_hash(bytes, 9, 0xd46556872d230f22, 0x4376673580310154);
    assert_hash(bytes, 16, 0x650fe308c566747d, 0xf853dd94614dfa07);
    assert_hash(bytes, 17, 0x18217300b5132d5a, 0x78c349fe81b2f26c);
    assert_hash(bytes, 64, 0xf9bfa77da0891a96, 0x36c5f7e547426bc4);
    assert_hash(bytes, 128, 0xb4f87b99d2db8a51, 0x1e04fad9f0cacb4d);
    assert_hash(bytes, 129, 0x6881633650cd8924, 0xc51bc887976aef63);
    assert_hash(bytes, 240, 0xde57aab31e77a2ff, 0x93e173833f75ab66);
    assert_hash(bytes, 241, 0x92b991a7192f3f08, 0x0b3b630948ce4a00);
    assert_hash(bytes, 1024, 0x4c17271c906df792, 0x23bc880ebf0d29c6);
    assert_hash(bytes, 1025, 0x70a4eb1b9691d77f, 0xc09fdfbc398c7d82);
    assert_hash(bytes, 5000, 0x3bf60aa89c7feeaa, 0x559fff92c2b7f8ee);
}

static void hash__differs_with_every_bit_and_with_length(void **state)
{
    (void)state;
    uint8_t bytes[300] = {0};
    for (size_t size_bytes = 1; size_bytes < sizeof bytes; size_bytes += 13) {
        const px_hash hash = px_hash_of(bytes, size_bytes);
        assert_false(px_hash_is_zero(hash));
        assert_false(px_hash_equal(hash, px_hash_of(bytes, size_bytes - 1)));
        for (size_t bit = 0; bit < 8 * size_bytes; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_false(px_hash_equal(hash, px_hash_of(bytes, size_bytes)));
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

static void hash__does_not_look_at_alignment(void **state)
{
    (void)state;
    uint8_t bytes[1100];
    for (size_t start = 0; start < 16; start++) {
        for (size_t i = 0; i < 1024; i++) bytes[start + i] = (uint8_t)(i * 31 + 7);
        const px_hash here = px_hash_of(bytes + start, 1024);
        memmove(bytes, bytes + start, 1024);
        assert_true(px_hash_equal(here, px_hash_of(bytes, 1024)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash__never_changes),
        cmocka_unit_test(hash__differs_with_every_bit_and_with_length),
        cmocka_unit_test(hash__does_not_look_at_alignment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
