/* entry_test.c - the chain hash is part of the formats of log and wire: it covers every field and never
 * changes. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const px_hash before = {.high = 0x0102030405060708, .low = 0x1112131415161718};

static px_entry make_entry(void)
{
    return (px_entry){
        .slot = 7,
        .kind = PX_ENTRY_BATCH,
        .message_count = 3,
        .index_first = 20,
        .stamp_ms = 1767225600123,
        .body_hash = {.high = 0x2122232425262728, .low = 0x3132333435363738},
    };
}

static void chain__is_the_hash_of_the_layout_in_entry_c(void **state)
{
    (void)state;
    static const uint8_t layout[64] = {
        0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
        7,    0,    0,    0,    0,    0,    0,    0,    1,    0,    0,    0,    3,    0,    0,    0,
        20,   0,    0,    0,    0,    0,    0,    0,    0x7b, 0xa8, 0xda, 0x76, 0x9b, 0x01, 0,    0,
        0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21, 0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31,
    };
    const px_entry entry = make_entry();
    assert_int_equal(entry.stamp_ms, 0x19b76daa87bu);
    const px_hash chain = px_entry_chain(before, &entry);
    assert_true(px_hash_equal(chain, px_hash_of(layout, sizeof layout)));
}

static void chain__differs_with_every_field(void **state)
{
    (void)state;
    const px_hash chain = px_entry_chain(before, &(px_entry){0});
    px_entry changed[8] = {{0}};
    changed[0].slot = 1;
    changed[1].kind = PX_ENTRY_OPEN;
    changed[2].message_count = 1;
    changed[3].index_first = 1;
    changed[4].stamp_ms = 1;
    changed[5].body_hash.high = 1;
    changed[6].body_hash.low = 1;
    for (size_t i = 0; i < 7; i++) assert_false(px_hash_equal(chain, px_entry_chain(before, &changed[i])));
    assert_false(px_hash_equal(chain, px_entry_chain((px_hash){before.high + 1, before.low}, &changed[7])));
    assert_false(px_hash_equal(chain, px_entry_chain((px_hash){before.high, before.low + 1}, &changed[7])));
}

static void chain__does_not_cover_itself_nor_the_body_bytes(void **state)
{
    (void)state;
    const px_entry entry = make_entry();
    px_entry other = entry;
    other.chain = before;
    other.body = (px_bytes){(const uint8_t *)"x", 1};
    assert_true(px_hash_equal(px_entry_chain(before, &entry), px_entry_chain(before, &other)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain__is_the_hash_of_the_layout_in_entry_c),
        cmocka_unit_test(chain__differs_with_every_field),
        cmocka_unit_test(chain__does_not_cover_itself_nor_the_body_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
