/* wal_test.c - what is staged becomes durable in order and in groups, and is read back as it was. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "world.h"
#include <stdlib.h>
#include <string.h>

#define SEGMENT_BYTES 16384u

static int setup(void **state)
{
    *state = world_make(1, SEGMENT_BYTES);
    return 0;
}

static int teardown(void **state)
{
    world_free(*state);
    return 0;
}

static void reopen_and_compare(world *w)
{
    const model_log before = w->model;
    world_close(w);
    world_open(w);
    assert_true(model_equal(&before, &w->restored));
    world_check_read(w);
}

static void wal__what_was_stored_is_read_back_over_several_segments(void **state)
{
    world *w = *state;
    for (uint32_t i = 0; i < 40; i++) {
        world_append(w, 1 + i % 3, 500 + 137 * (i % 7));
        world_settle(w);
    }
    uint64_t size_bytes = 0;
    assert_int_equal(w->stored, 40);
    assert_non_null(fake_disk_stable(w->disk, SEGMENT_2, &size_bytes));
    world_check_read(w);
    reopen_and_compare(w);
}

static void wal__records_staged_while_a_write_is_under_way_become_one_write(void **state)
{
    world *w = *state;
    world_append(w, 1, 10);
    world_flush(w);
    assert_int_equal(fake_disk_pending(w->disk), 1);
    const uint64_t writes = fake_disk_completed(w->disk);
    for (int i = 0; i < 9; i++) {
        world_append(w, 1, 10);
        world_flush(w);
    }
    assert_int_equal(fake_disk_pending(w->disk), 1);
    assert_true(fake_disk_complete(w->disk));
    assert_int_equal(w->stored, 1);
    world_flush(w);
    assert_int_equal(fake_disk_pending(w->disk), 1);
    assert_true(fake_disk_complete(w->disk));
    assert_int_equal(w->stored, 10);
    assert_int_equal(fake_disk_completed(w->disk), writes + 2);
    assert_false(px_wal_is_busy(w->wal));
}

/* More than the space that a group begins with. */
static void wal__a_group_grows_with_what_gathers(void **state)
{
    world *w = world_make(1, 32u << 20);
    (void)state;
    world_append(w, 1, 10);
    world_flush(w);
    for (uint32_t i = 0; i < 30; i++) world_append(w, 1, 60000);
    assert_true(fake_disk_complete(w->disk));
    world_flush(w);
    assert_int_equal(fake_disk_pending(w->disk), 1);
    assert_true(fake_disk_pending_bytes(w->disk) >= 30u * 60000);
    world_settle(w);
    assert_int_equal(w->stored, 31);
    reopen_and_compare(w);
    world_free(w);
}

static void wal__a_ticket_is_told_only_when_its_write_is_done(void **state)
{
    world *w = *state;
    world_append(w, 1, 10);
    world_promise(w);
    world_append(w, 2, 10);
    assert_int_equal(w->stored, 0);
    world_flush(w);
    assert_true(fake_disk_complete(w->disk));
    assert_int_equal(w->stored, 1);
    assert_true(fake_disk_complete(w->disk)); /* the first copy of the promise: says nothing */
    assert_int_equal(w->stored, 1);
    assert_true(fake_disk_complete(w->disk));
    assert_int_equal(w->stored, 2);
    world_flush(w);
    assert_true(fake_disk_complete(w->disk));
    assert_int_equal(w->stored, 3);
    reopen_and_compare(w);
}

static void wal__what_is_not_durable_is_not_read(void **state)
{
    world *w = *state;
    px_wal_entries entries;
    world_append(w, 2, 10);
    world_settle(w);
    world_append(w, 2, 10);
    assert_int_equal(px_wal_read(w->wal, 3, 4, 1000, &entries), PX_ERR_END);
    world_flush(w);
    assert_int_equal(px_wal_read(w->wal, 3, 4, 1000, &entries), PX_ERR_END);
    assert_int_equal(px_wal_read(w->wal, 2, 4, 1000, &entries), PX_OK);
    assert_int_equal(entries.count, 1);
    px_buffer_release(entries.owner);
    assert_int_equal(px_wal_read(w->wal, 0, 4, 1000, &entries), PX_ERR_END);
}

static void wal__a_cut_then_an_append_reads_only_the_new_entries(void **state)
{
    world *w = *state;
    world_append(w, 8, 100);
    world_settle(w);
    world_cut(w, 5, 0, 0);
    world_settle(w);
    world_check_read(w);
    world_append(w, 6, 100);
    world_settle(w);
    world_check_read(w);
    world_cut(w, 2, 3, 50);
    world_settle(w);
    world_check_read(w);
    reopen_and_compare(w);
}

static void cut_often(world *w)
{
    for (uint32_t i = 0; i < 200; i++) {
        world_append(w, 3, 20 + i);
        if (i % 3 == 1) world_cut(w, w->model.length - 1 - i % 4, i % 3, 30);
        if (i % 5 == 1) world_splice(w, w->model.length - 2 - i % 2, 1 + i % 2, 40);
        world_settle(w);
        if (w->model.length > 80) world_cut(w, 7, 1, 5);
        if (i % 10 == 0) world_check_read(w);
    }
    world_settle(w);
    world_check_read(w);
    reopen_and_compare(w);
}

static void wal__after_many_cuts_old_and_new_slots_are_right(void **state)
{
    cut_often(*state);
}

/* In a large segment marks are thinned; those of cuts must stay. */
static void wal__after_many_cuts_in_one_segment_slots_are_right(void **state)
{
    (void)state;
    world *w = world_make(1, 4u << 20);
    cut_often(w);
    world_free(w);
}

/* A cut early in a segment, then so many records that its mark's neighbours are thinned away. */
static void wal__a_cut_is_found_behind_many_later_records(void **state)
{
    (void)state;
    for (uint32_t before = 1; before < 8; before++) {
        world *w = world_make(1, 4u << 20);
        for (uint32_t i = 0; i < before + 2; i++) world_append(w, 1, 20);
        world_settle(w);
        world_cut(w, before, 1, 30);
        for (uint32_t i = 0; i < 70; i++) world_append(w, 1, 10);
        world_settle(w);
        world_check_read(w);
        world_free(w);
    }
}

static void wal__a_cut_that_is_staged_already_hides_what_it_cuts(void **state)
{
    world *w = *state;
    px_wal_entries entries;
    uint64_t slot = 0;
    world_append(w, 8, 10);
    world_settle(w);
    world_append(w, 1, 10);
    world_flush(w);
    world_cut(w, 4, 2, 10); /* gathers behind a write */
    world_append(w, 3, 10);
    for (int step = 0; step < 2; step++) {
        assert_int_equal(px_wal_read(w->wal, 5, 5, 1000, &entries), PX_ERR_END);
        assert_int_equal(px_wal_find_index(w->wal, 7, &slot), PX_ERR_END); /* was in slot 5 */
        assert_int_equal(px_wal_read(w->wal, 4, 9, 1000, &entries), PX_OK);
        assert_int_equal(entries.count, 1);
        px_buffer_release(entries.owner);
        if (step == 0) assert_true(fake_disk_complete(w->disk));
    }
    world_settle(w);
    world_check_read(w);
}

static void wal__a_record_larger_than_a_segment_gets_one_of_its_own(void **state)
{
    world *w = *state;
    world_append(w, 1, 9000); /* more than half: the next segment is made ahead */
    world_settle(w);
    world_append(w, 1, 3 * SEGMENT_BYTES);
    world_settle(w);
    world_append(w, 1, 100);
    world_settle(w);
    world_check_read(w);
    reopen_and_compare(w);
    world_append(w, 2, 100);
    world_settle(w);
    reopen_and_compare(w);
}

static void wal__a_large_record_survives_without_the_mark(void **state)
{
    world *w = *state;
    world_append(w, 1, 9000);
    world_settle(w);
    world_append(w, 1, 3 * SEGMENT_BYTES);
    world_settle(w);
    fake_disk_remove(w->disk, "mark");
    reopen_and_compare(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(wal__what_was_stored_is_read_back_over_several_segments),
        TEST(wal__records_staged_while_a_write_is_under_way_become_one_write),
        cmocka_unit_test(wal__a_group_grows_with_what_gathers),
        TEST(wal__a_ticket_is_told_only_when_its_write_is_done),
        TEST(wal__what_is_not_durable_is_not_read),
        TEST(wal__a_cut_then_an_append_reads_only_the_new_entries),
        TEST(wal__after_many_cuts_old_and_new_slots_are_right),
        TEST(wal__after_many_cuts_in_one_segment_slots_are_right),
        TEST(wal__a_cut_is_found_behind_many_later_records),
        TEST(wal__a_cut_that_is_staged_already_hides_what_it_cuts),
        TEST(wal__a_record_larger_than_a_segment_gets_one_of_its_own),
        TEST(wal__a_large_record_survives_without_the_mark),
    };
    return cmocka_run_group_tests_name("wal", tests, NULL, NULL);
}
