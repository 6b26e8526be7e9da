/* slots_test.c - the ring of remembered slots. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static void push(px_slots *slots, uint32_t message_count, uint32_t changes, size_t size_bytes)
{
    const uint64_t slot = slots->taken + 1;
    const px_entry entry = {
        .slot = slot,
        .kind = PX_ENTRY_BATCH,
        .message_count = message_count,
        .index_first = px_slots_index_next(slots, slots->taken),
        .stamp_ms = 5 * slot,
        .chain = {slot, slot * slot},
        .body = {NULL, size_bytes},
    };
    px_slots_push(slots, &entry, changes);
}

static px_slots *make_slots(void)
{
    px_slots *slots = malloc(sizeof *slots);
    assert_non_null(slots);
    px_slots_init(slots);
    return slots;
}

static void slots__know_what_precedes_the_first(void **state)
{
    (void)state;
    px_slots *slots = make_slots();
    assert_non_null(px_slots_at(slots, 0));
    assert_true(px_slots_has(slots, 0, (px_hash){0, 0}));
    assert_int_equal(px_slots_index_next(slots, 0), 1);
    assert_null(px_slots_at(slots, 1));
    free(slots);
}

static void slots__number_messages_without_a_gap(void **state)
{
    (void)state;
    px_slots *slots = make_slots();
    push(slots, 3, 1, 10);
    push(slots, 0, 1, 20); /* an opening has no message */
    push(slots, 2, 2, 30);
    assert_int_equal(px_slots_at(slots, 2)->index_first, 4);
    assert_int_equal(px_slots_at(slots, 3)->index_first, 4);
    assert_int_equal(px_slots_index_next(slots, 3), 6);
    assert_int_equal(px_slots_bytes_behind(slots, 0), 60);
    assert_int_equal(px_slots_bytes_behind(slots, 2), 30);
    assert_int_equal(px_slots_changes_behind(slots, 1), 3);
    free(slots);
}

static void slots__forget_the_oldest_when_the_ring_is_full(void **state)
{
    (void)state;
    px_slots *slots = make_slots();
    for (uint32_t i = 0; i < PX_SLOTS_KEPT + 5; i++) push(slots, 1, 1, 1);
    assert_int_equal(slots->first, 6);
    assert_null(px_slots_at(slots, 5));
    assert_int_equal(px_slots_at(slots, 6)->chain.high, 6);
    assert_int_equal(px_slots_at(slots, slots->taken)->chain.high, PX_SLOTS_KEPT + 5);
    free(slots);
}

static void slots__a_cut_forgets_what_lies_behind_and_nothing_else(void **state)
{
    (void)state;
    px_slots *slots = make_slots();
    for (uint32_t i = 0; i < 9; i++) push(slots, 1, 1, 1);
    px_slots_cut(slots, 6);
    assert_null(px_slots_at(slots, 7));
    assert_true(px_slots_has(slots, 6, (px_hash){6, 36}));
    assert_int_equal(px_slots_index_next(slots, 6), 7);
    push(slots, 4, 1, 1);
    assert_int_equal(px_slots_index_next(slots, 7), 11);
    free(slots);
}

static void slots__a_cut_after_the_ring_was_full_leaves_fewer(void **state)
{
    (void)state;
    px_slots *slots = make_slots();
    for (uint32_t i = 0; i < PX_SLOTS_KEPT + 100; i++) push(slots, 1, 1, 1);
    px_slots_cut(slots, PX_SLOTS_KEPT);
    assert_int_equal(slots->first, 101);
    assert_null(px_slots_at(slots, 100));
    for (uint32_t i = 0; i < 100; i++) push(slots, 1, 1, 1);
    assert_int_equal(slots->first, 101);
    push(slots, 1, 1, 1);
    assert_int_equal(slots->first, 102);
    free(slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots__know_what_precedes_the_first),
        cmocka_unit_test(slots__number_messages_without_a_gap),
        cmocka_unit_test(slots__forget_the_oldest_when_the_ring_is_full),
        cmocka_unit_test(slots__a_cut_forgets_what_lies_behind_and_nothing_else),
        cmocka_unit_test(slots__a_cut_after_the_ring_was_full_leaves_fewer),
    };
    return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
