/* space_test.c - a full disk stops nothing for ever, and a failed one stops everything at once. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "world.h"
#include <string.h>

#define SEGMENT_BYTES 65536u
/* Turns after which a disk that has space again must have been asked. */
#define TURNS 20

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

static void fill_until_full(world *w)
{
    fake_disk_set_free(w->disk, 0);
    for (int i = 0; i < 20 && !w->is_full; i++) {
        world_append(w, 1, 3000);
        world_settle(w);
    }
    assert_true(w->is_full);
}

static void r17__a_full_disk_is_told_while_half_a_segment_is_left(void **state)
{
    world *w = *state;
    fill_until_full(w);
    const uint64_t told_at = w->staged;
    world_promise(w);
    for (int i = 0; i < 8; i++) world_append(w, 1, 3500);
    world_promise(w);
    world_settle(w);
    assert_int_equal(w->stored, told_at + 10);
    assert_int_equal(w->failed_calls, 0);
    assert_int_equal(w->full_calls, 1);
}

static void r17__what_finds_no_space_waits_and_the_process_lives(void **state)
{
    world *w = *state;
    fill_until_full(w);
    for (int i = 0; i < 20; i++) {
        world_append(w, 1, 3500);
        world_settle(w);
    }
    assert_true(w->stored < w->staged);
    assert_int_equal(w->failed_calls, 0);
    assert_true(px_wal_is_busy(w->wal));
    assert_true(px_wal_staged_bytes(w->wal) > 0);
    px_wal_entries entries;
    assert_int_equal(px_wal_read(w->wal, w->model.length, w->model.length, 10, &entries), PX_ERR_END);
    assert_int_equal(px_wal_read(w->wal, 1, 1, 10, &entries), PX_OK);
    px_buffer_release(entries.owner);
    world_crash(w, false); /* and what was told is there */
    assert_int_equal(world_try_open(w), PX_OK);
    assert_true(model_equal(&w->restored, &w->history[w->stored]));
}

static void r17__a_full_disk_heals_when_space_comes_back(void **state)
{
    world *w = *state;
    fill_until_full(w);
    for (int i = 0; i < 20; i++) {
        world_append(w, 1, 3500);
        world_flush(w);
        (void)fake_disk_complete(w->disk);
    }
    fake_disk_set_free(w->disk, UINT64_MAX);
    for (int turn = 0; turn < TURNS; turn++) world_settle(w);
    assert_false(w->is_full);
    assert_int_equal(w->full_calls, 2);
    assert_int_equal(w->stored, w->staged);
    assert_int_equal(px_wal_staged_bytes(w->wal), 0);
    world_check_read(w);
}

static void r17__an_idle_full_disk_heals_when_space_comes_back(void **state)
{
    world *w = *state;
    fill_until_full(w);
    fake_disk_set_free(w->disk, SEGMENT_BYTES);
    for (int turn = 0; turn < TURNS; turn++) world_flush(w);
    assert_false(w->is_full);
}

static void r17__a_disk_heals_that_has_got_space_in_the_middle_of_a_wait(void **state)
{
    world *w = *state;
    fill_until_full(w);
    while (w->stored == w->staged) {
        world_append(w, 1, 3500);
        world_settle(w);
    }
    fake_disk_set_free(w->disk, SEGMENT_BYTES); /* for what waits, and not for one in reserve */
    for (int turn = 0; turn < TURNS; turn++) world_settle(w);
    assert_int_equal(w->stored, w->staged);
    assert_false(w->is_full);
    assert_int_equal(w->full_calls, 2);
    fill_until_full(w);
    assert_int_equal(w->full_calls, 3);
}

static void r17__a_start_on_a_full_disk_is_told_and_votes(void **state)
{
    world *w = *state;
    fill_until_full(w);
    world_close(w);
    world_open(w);
    world_promise(w);
    world_settle(w);
    assert_int_equal(w->stored, 1);
    assert_true(w->is_full);
}

static void r17__a_failed_write_is_told_once_and_nothing_afterwards(void **state)
{
    for (int lasting = 0; lasting < 2; lasting++) {
        world *w = *state;
        world_append(w, 1, 100);
        world_flush(w);
        world_append(w, 1, 100);
        world_promise(w);
        world_append(w, 1, 100);
        fake_disk_fail_write(w->disk, 0, PX_ERR_IO, lasting);
        world_settle(w);
        assert_int_equal(w->failed_calls, 1);
        assert_int_equal(w->failed_err, PX_ERR_IO);
        assert_non_null(strstr(w->failed_where, SEGMENT_1 " at byte 0"));
        assert_int_equal(w->stored, 0);
        world_append(w, 1, 100);
        world_promise(w);
        world_settle(w);
        assert_int_equal(w->failed_calls, 1);
        assert_int_equal(w->stored_calls, 0);
        assert_int_equal(px_wal_write_state_now(w->wal, &w->state), PX_ERR_IO);
        world_free(w);
        *state = world_make(2, SEGMENT_BYTES);
    }
}

static void r17__a_failed_write_of_the_small_state_is_told_too(void **state)
{
    world *w = *state;
    world_promise(w);
    fake_disk_fail_write(w->disk, 1, PX_ERR_NO_SPACE, false);
    world_settle(w);
    assert_int_equal(w->failed_calls, 1);
    assert_int_equal(w->failed_err, PX_ERR_NO_SPACE);
    assert_non_null(strstr(w->failed_where, "state"));
    assert_int_equal(w->stored_calls, 0);
}

static void r17__nothing_is_told_as_stored_after_a_segment_could_not_be_made(void **state)
{
    world *w = *state;
    world_append(w, 1, 20000);
    world_flush(w);
    fake_disk_cut_power(w->disk, 0); /* the next segment: not full, but failed */
    world_flush(w);
    assert_int_equal(w->failed_calls, 1);
    (void)fake_disk_complete(w->disk);
    assert_int_equal(w->stored_calls, 0);
    assert_int_equal(w->failed_calls, 1);
}

static void wal__staged_bytes_are_what_the_disk_has_not_got(void **state)
{
    world *w = *state;
    world_append(w, 2, 1000);
    const size_t first = px_wal_staged_bytes(w->wal);
    assert_true(first > 2000 && first < 2500);
    world_flush(w);
    assert_int_equal(px_wal_staged_bytes(w->wal), 0);
    world_append(w, 2, 1000);
    world_promise(w);
    world_append(w, 2, 1000);
    assert_int_equal(px_wal_staged_bytes(w->wal), 2 * first);
    world_settle(w);
    assert_int_equal(px_wal_staged_bytes(w->wal), 0);
    const px_wal_counters counters = px_wal_count(w->wal);
    assert_int_equal(counters.records, 3);
    assert_int_equal(counters.writes, 5);
    assert_int_equal(counters.bytes, 5 * 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(r17__a_full_disk_is_told_while_half_a_segment_is_left),
        TEST(r17__what_finds_no_space_waits_and_the_process_lives),
        TEST(r17__a_full_disk_heals_when_space_comes_back),
        TEST(r17__an_idle_full_disk_heals_when_space_comes_back),
        TEST(r17__a_disk_heals_that_has_got_space_in_the_middle_of_a_wait),
        TEST(r17__a_start_on_a_full_disk_is_told_and_votes),
        TEST(r17__a_failed_write_is_told_once_and_nothing_afterwards),
        TEST(r17__a_failed_write_of_the_small_state_is_told_too),
        TEST(r17__nothing_is_told_as_stored_after_a_segment_could_not_be_made),
        TEST(wal__staged_bytes_are_what_the_disk_has_not_got),
    };
    return cmocka_run_group_tests_name("space", tests, NULL, NULL);
}
