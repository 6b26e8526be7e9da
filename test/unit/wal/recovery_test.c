/* recovery_test.c - what a crash leaves, and what rot leaves, is told apart. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_BYTES 65536u
#define SECTOR_BYTES 512u

/* ---- torn writes ---- */

typedef void (*stage_fn)(world *w);

static void stage_splice(world *w)
{
    world_splice(w, 4, 5, 700);
}

static void stage_large_splice(world *w)
{
    world_splice(w, 3, 4, 9000);
}

static void stage_mixed_group(world *w)
{
    world_append(w, 1, 200);
    world_splice(w, 4, 2, 300);
    world_append(w, 2, 10);
    world_cut(w, 5, 1, 632); /* sizes that let records begin at sectors and blocks */
    world_append(w, 1, 3000);
}

static world *make_torn(stage_fn stage, size_t *size_bytes)
{
    world *w = world_make(5, SEGMENT_BYTES);
    world_append(w, 6, 300);
    world_settle(w);
    stage(w);
    world_flush(w);
    assert_int_equal(fake_disk_pending(w->disk), 1);
    *size_bytes = fake_disk_pending_bytes(w->disk);
    return w;
}

/* Tears the one write at [from, upto): the log is one of the models, and goes on from there. */
static void tear(stage_fn stage, size_t from, size_t upto)
{
    size_t size_bytes;
    world *w = make_torn(stage, &size_bytes);
    const bool is_whole = from == 0 && upto == size_bytes;
    fake_disk_crash_torn(w->disk, from, upto);
    world_close(w);
    assert_int_equal(world_try_open(w), PX_OK);
    assert_true(world_is_prefix(w));
    if (is_whole) assert_true(model_equal(&w->restored, &w->history[w->staged]));
    w->model = w->history[0] = w->restored;
    w->staged = w->stored = 0;
    world_append(w, 2, 100);
    world_settle(w);
    world_check_read(w);
    world_free(w);
}

static void tear_everywhere(stage_fn stage, size_t step)
{
    size_t size_bytes;
    world_free(make_torn(stage, &size_bytes));
    for (size_t at = 0; at <= size_bytes; at += at < 600 ? 1 : step) {
        tear(stage, 0, at);
        tear(stage, at, size_bytes);
    }
    for (size_t at = 0; at < size_bytes; at += SECTOR_BYTES) {
        tear(stage, 0, at);
        tear(stage, at, at + SECTOR_BYTES);
    }
    tear(stage, 0, size_bytes);
}

static void r5__a_torn_splice_is_there_whole_or_not_at_all(void **state)
{
    (void)state;
    tear_everywhere(stage_splice, 13);
}

static void r5__a_torn_splice_of_many_blocks_is_there_whole_or_not_at_all(void **state)
{
    (void)state;
    tear_everywhere(stage_large_splice, 509);
}

static void recovery__of_a_torn_group_a_prefix_of_its_records_is_left(void **state)
{
    (void)state;
    tear_everywhere(stage_mixed_group, 17);
}

static void recovery__a_torn_tail_hides_nothing_that_is_appended_behind_it(void **state)
{
    (void)state;
    for (size_t upto = 0; upto < 8192; upto += SECTOR_BYTES) {
        size_t size_bytes;
        world *w = make_torn(stage_large_splice, &size_bytes);
        fake_disk_crash_torn(w->disk, upto ? 0 : 4096, upto ? upto : size_bytes);
        world_close(w);
        for (int restart = 0; restart < 3; restart++) {
            world_open(w);
            world_append(w, 2, 150);
            world_settle(w);
            const model_log before = w->model;
            world_close(w);
            world_open(w);
            assert_true(model_equal(&before, &w->restored));
            world_check_read(w);
            world_close(w);
        }
        world_free(w);
    }
}

static void r2__a_crash_never_takes_what_was_told_as_stored(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        world *w = world_make(seed, SEGMENT_BYTES);
        for (uint32_t i = 0; i < 12; i++) {
            world_append(w, 1 + i % 2, 400);
            if (i == 7) world_promise(w);
            world_flush(w);
            if (i % 3 != seed % 3) (void)fake_disk_complete(w->disk);
        }
        world_crash(w, seed % 4 == 0);
        assert_int_equal(world_try_open(w), PX_OK);
        assert_true(world_is_prefix(w));
        world_free(w);
    }
}

static void r17__what_is_read_after_a_kill_is_synced_before_it_is_believed(void **state)
{
    (void)state;
    uint32_t believed = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        world *w = world_make(seed, SEGMENT_BYTES);
        world_append(w, 2, 400);
        world_flush(w);
        world_crash(w, true); /* the process: the system may still hold the write */
        world_open(w);
        const model_log restored = w->restored;
        if (restored.length) believed++;
        world_crash(w, false); /* the power */
        world_open(w);
        assert_true(model_equal(&restored, &w->restored));
        world_free(w);
    }
    assert_true(believed > 5);
}

static void r17__what_a_failed_write_left_in_the_cache_is_not_believed(void **state)
{
    (void)state;
    world *w = world_make(3, SEGMENT_BYTES);
    world_append(w, 2, 400);
    world_settle(w);
    world_append(w, 2, 400);
    fake_disk_fail_write(w->disk, 0, PX_ERR_IO, false);
    world_flush(w);
    assert_true(fake_disk_complete(w->disk));
    assert_int_equal(w->failed_calls, 1);
    world_crash(w, true);
    world_open(w);
    assert_int_equal(w->restored.length, 2);
    world_free(w);
}

/* ---- damage ---- */

/* Three groups over several blocks, in one segment. */
static world *make_groups(void)
{
    world *w = world_make(9, SEGMENT_BYTES);
    world_append(w, 3, 300);
    world_settle(w);
    world_append(w, 1, 5000);
    world_splice(w, 2, 2, 100);
    world_settle(w);
    world_append(w, 2, 900);
    world_settle(w);
    fake_disk_sync(w->disk);
    return w;
}

/* Whatever a start does about damage, the file that has it stays as it is. */
static bool is_segment_kept(const world *w, const world *clone)
{
    uint64_t size_bytes = 0, clone_bytes = 0;
    const uint8_t *was = fake_disk_stable(w->disk, SEGMENT_1, &size_bytes);
    const uint8_t *is = fake_disk_stable(clone->disk, SEGMENT_1, &clone_bytes);
    uint64_t differing = 0;
    for (uint64_t at = 0; at < size_bytes; at++) differing += was[at] != is[at];
    return clone_bytes == size_bytes && differing == 1;
}

static void r15__a_flipped_bit_below_the_synced_place_is_damage_and_claimed(void **state)
{
    (void)state;
    world *w = make_groups();
    const uint64_t used_bytes = world_used_bytes(w, SEGMENT_1);
    uint32_t damaged = 0, harmless = 0;
    for (uint64_t at = 0; at < used_bytes; at += at % 4096 < 400 ? 1 : 11) {
        world *clone = world_clone(w);
        fake_disk_flip(clone->disk, SEGMENT_1, at, (uint8_t)(1u << (at % 8)));
        const px_err err = world_try_open(clone);
        assert_int_equal(err, PX_OK);
        if (clone->fault.where[0]) {
            uint64_t lost;
            assert_true(strncmp(clone->fault.where, SEGMENT_1 " at byte ", 29) == 0);
            assert_true(strtoull(clone->fault.where + 29, NULL, 10) <= at);
            assert_true(strlen(clone->fault.what) > 0);
            assert_true(is_segment_kept(w, clone));
            world_check_claim(clone, &lost);
            assert_true(is_segment_kept(w, clone));
            assert_true(lost <= 4); /* that group, and what is not certain without it */
            damaged++;
        } else { /* between two groups: nothing is missing */
            assert_true(model_equal(&clone->restored, &w->model));
            harmless++;
        }
        world_free(clone);
    }
    assert_true(damaged > 1000);
    assert_true(harmless < damaged / 2);
    world_free(w);
}

static void r15__records_behind_it_make_rot_damage_where_the_mark_is_lost(void **state)
{
    (void)state;
    world *w = make_groups();
    const uint64_t third = 12288; /* where the last group begins: nothing is known of its own sync */
    for (uint64_t at = 0; at < third; at += 37) {
        world *clone = world_clone(w);
        fake_disk_remove(clone->disk, "mark");
        fake_disk_flip(clone->disk, SEGMENT_1, at, 0x10);
        assert_int_equal(world_try_open(clone), PX_OK);
        if (clone->fault.where[0]) {
            uint64_t lost;
            world_check_claim(clone, &lost);
        } else {
            assert_true(model_equal(&clone->restored, &w->model));
        }
        world_free(clone);
    }
    world_free(w);
}

static void r15__a_flipped_bit_in_what_was_never_synced_is_a_torn_tail(void **state)
{
    (void)state;
    for (size_t at = 0; at < 3500; at += 101) {
        size_t size_bytes;
        world *w = make_torn(stage_splice, &size_bytes);
        const uint64_t begin = 4096;
        fake_disk_crash_torn(w->disk, 0, size_bytes);
        world_close(w);
        fake_disk_flip(w->disk, SEGMENT_1, begin + at, 4);
        assert_int_equal(world_try_open(w), PX_OK);
        assert_true(model_equal(&w->restored, &w->history[w->stored]));
        world_free(w);
    }
}

static void r15__a_splice_in_the_next_segment_does_not_hide_damage_before_it(void **state)
{
    (void)state;
    world *w = world_make(9, 16384);
    for (int i = 0; i < 5; i++) {
        world_append(w, 1, 3000);
        world_settle(w);
        if (i == 3) {
            world_splice(w, 1, 2, 100); /* goes into the second segment, and goes on from slot 1 */
            world_settle(w);
        }
    }
    fake_disk_sync(w->disk);
    for (int loses_mark = 0; loses_mark < 2; loses_mark++) {
        world *clone = world_clone(w);
        if (loses_mark) fake_disk_remove(clone->disk, "mark");
        fake_disk_flip(clone->disk, SEGMENT_1, 4096 + 300, 1); /* the second record */
        world_check_healed(clone, SEGMENT_1 " at byte 4096");
        world_free(clone);
    }
    world_free(w);
}

static void r15__a_bad_first_record_of_a_segment_is_named_there(void **state)
{
    (void)state;
    world *w = world_make(9, 16384);
    for (int i = 0; i < 7; i++) {
        world_append(w, 1, 3000);
        world_settle(w);
    }
    fake_disk_sync(w->disk);
    fake_disk_flip(w->disk, SEGMENT_2, 300, 1);
    world_close(w);
    world_check_healed(w, SEGMENT_2 " at byte 0");
    world_free(w);
}

static void r15__a_segment_that_is_missing_is_damage(void **state)
{
    (void)state;
    world *w = world_make(9, 16384);
    for (int i = 0; i < 14; i++) {
        world_append(w, 1, 3000);
        world_settle(w);
    }
    fake_disk_sync(w->disk);
    for (unsigned missing = 1; missing <= 3; missing++) {
        char name[40];
        world *clone = world_clone(w);
        (void)snprintf(name, sizeof name, "%016x.log", missing);
        fake_disk_remove(clone->disk, name);
        if (missing < 3) fake_disk_remove(clone->disk, "mark"); /* not even the mark is needed */
        world_check_healed(clone, ".log");
        world_free(clone);
    }
    world_free(w);
}

static void r15__old_bytes_of_the_same_place_are_no_record(void **state)
{
    (void)state;
    world *w = make_groups();
    uint64_t size_bytes = 0;
    uint8_t block[4096];
    memcpy(block, fake_disk_stable(w->disk, SEGMENT_1, &size_bytes), sizeof block);
    fake_disk_spoil(w->disk, SEGMENT_1, 4096, block, sizeof block); /* a write gone astray */
    world_close(w);
    world_check_healed(w, SEGMENT_1 " at byte 4096");
    world_free(w);
}

/* The last record of the newest group becomes zeros, as what stands behind it: only the mark knows. */
static void r15__a_last_record_that_became_zeros_is_damage(void **state)
{
    (void)state;
    static const uint8_t zeros[4096];
    world *w = make_groups();
    world_append(w, 1, 40);
    world_append(w, 1, 50);
    world_settle(w);
    fake_disk_sync(w->disk);
    world_close(w);
    uint64_t size_bytes = 0, at = world_used_bytes(w, SEGMENT_1) / 8 * 8;
    const uint64_t end = (at + 4095) / 4096 * 4096;
    const uint8_t *bytes = fake_disk_stable(w->disk, SEGMENT_1, &size_bytes);
    while (memcmp(bytes + at, "PXR1", 4) != 0) at -= 8;
    assert_true(at % 4096 != 0); /* another one stands before it in its block */
    fake_disk_spoil(w->disk, SEGMENT_1, at, zeros, (size_t)(end - at));
    world_check_healed(w, SEGMENT_1);
    world_free(w);
}

static void r16__a_synced_record_that_cannot_be_read_is_damage_and_claimed(void **state)
{
    (void)state;
    world *w = make_groups();
    world_close(w);
    fake_disk_fail_read(w->disk, SEGMENT_1, 4096, 512);
    world_check_healed(w, SEGMENT_1 " at byte 4096");
    world_free(w);
}

/* Whatever of its start is on the disk, the next one finds the same damage, or the claim. */
static void r16__a_start_that_finds_damage_may_lose_its_power_anywhere(void **state)
{
    (void)state;
    world *w = make_groups();
    world_close(w);
    fake_disk_flip(w->disk, SEGMENT_1, 4096 + 8, 1);
    for (uint32_t seed = 0; seed < 64; seed++) {
        uint64_t lost = 0;
        world *clone = world_clone(w);
        fake_disk_cut_power(clone->disk, seed % 16);
        if (world_try_open(clone) == PX_OK) world_close(clone);
        fake_disk_crash(clone->disk, seed / 16 % 2);
        assert_int_equal(world_try_open(clone), PX_OK);
        assert_int_equal(clone->restored.claim.length, w->model.length);
        assert_false(clone->restored.claim.is_unsure);
        world_check_claim(clone, &lost);
        assert_true(lost <= 4);
        world_free(clone);
    }
    world_free(w);
}

/* What was claimed once is claimed again, wherever the log is hit then. */
static void r16__damage_in_a_log_that_was_damaged_hides_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {SEGMENT_1, SEGMENT_2, "mark"};
    world *w = make_groups();
    world_close(w);
    fake_disk_flip(w->disk, SEGMENT_1, 4096 + 8, 1);
    assert_int_equal(world_try_open(w), PX_OK);
    fake_disk_sync(w->disk);
    world_close(w);
    for (uint32_t i = 0; i < 3; i++) {
        const uint64_t used_bytes = world_used_bytes(w, names[i]);
        assert_true(used_bytes > 0);
        for (uint64_t at = 0; at < used_bytes; at += i == 0 ? 7 : 1) {
            world *clone = world_clone(w);
            fake_disk_flip(clone->disk, names[i], at, 0x20);
            assert_int_equal(world_try_open(clone), PX_OK);
            const px_claim *claim = &clone->restored.claim;
            assert_true(claim->is_unsure || claim->length == w->model.length);
            assert_true(claim->is_unsure || px_ballot_equal(clone->restored.accepted, w->model.accepted));
            const px_hash chain = w->model.slots[clone->restored.length].chain;
            assert_true(px_hash_equal(clone->restored.slots[clone->restored.length].chain, chain));
            world_free(clone);
        }
    }
    world_free(w);
}

static void r17__a_segment_of_which_much_cannot_be_read_is_an_error_and_nothing_changes(void **state)
{
    (void)state;
    world *w = world_make(9, 1u << 20);
    world_append(w, 3, 300);
    world_settle(w);
    world_close(w);
    const uint64_t before = world_fingerprint(w);
    fake_disk_fail_read(w->disk, SEGMENT_1, 4096, 1 << 19);
    assert_int_equal(world_try_open(w), PX_ERR_IO);
    assert_non_null(strstr(w->fault.where, SEGMENT_1));
    assert_non_null(strstr(w->fault.what, "replace the disk"));
    assert_true(world_fingerprint(w) == before);
    world_free(w);
}

/* A sector that was being written when the power failed may be one that the device cannot read. */
static void r15__a_torn_tail_that_cannot_be_read_is_written_anew(void **state)
{
    (void)state;
    size_t size_bytes;
    world *w = make_torn(stage_large_splice, &size_bytes);
    fake_disk_crash_torn(w->disk, 0, 5000);
    world_close(w);
    fake_disk_fail_read(w->disk, SEGMENT_1, 8192, 4096);
    for (int restart = 0; restart < 2; restart++) {
        world_open(w);
        assert_int_equal(w->restored.length, 6 + restart);
        world_append(w, 1, 6000);
        world_settle(w);
        world_check_read(w);
        world_close(w);
    }
    world_free(w);
}

static void reader__rot_found_while_reading_is_said_and_no_entry_leaves(void **state)
{
    (void)state;
    world *w = make_groups();
    px_wal_entries entries;
    uint64_t slot;
    fake_disk_flip(w->disk, SEGMENT_1, 12288 + 192 + 80, 1); /* the body of slot 5 */
    assert_int_equal(px_wal_read(w->wal, 5, 6, 10000, &entries), PX_ERR_DAMAGED);
    assert_int_equal(px_wal_read(w->wal, 3, 6, 10000, &entries), PX_OK);
    assert_int_equal(entries.count, 2);
    px_buffer_release(entries.owner);
    assert_int_equal(px_wal_find_index(w->wal, 7, &slot), PX_ERR_DAMAGED);
    fake_disk_flip(w->disk, SEGMENT_1, 12288 + 192 + 80, 1);
    fake_disk_flip(w->disk, SEGMENT_1, 12288 + 8, 1); /* its header */
    assert_int_equal(px_wal_read(w->wal, 5, 6, 10000, &entries), PX_ERR_DAMAGED);
    world_free(w);
}

/* A write that the device has lost, or put elsewhere, is no end of the log and no other record. */
static void reader__a_durable_group_that_is_gone_is_damage(void **state)
{
    (void)state;
    static const uint8_t zeros[4096];
    uint8_t block[4096];
    uint64_t size_bytes = 0, slot;
    px_wal_entries entries;
    for (int how = 0; how < 3; how++) {
        world *w = make_groups();
        const uint8_t *stable = fake_disk_stable(w->disk, SEGMENT_1, &size_bytes);
        if (how == 0) memcpy(block, zeros, sizeof block);
        if (how == 1) memcpy(block, stable, sizeof block);
        if (how == 2) memcpy(block, stable + 4096, sizeof block);
        fake_disk_spoil(w->disk, SEGMENT_1, 12288, block, sizeof block); /* slots 5 and 6 */
        assert_int_equal(px_wal_read(w->wal, 5, 6, 10000, &entries), PX_ERR_DAMAGED);
        assert_int_equal(px_wal_read(w->wal, 6, 6, 10000, &entries), PX_ERR_DAMAGED);
        assert_int_equal(px_wal_find_index(w->wal, 7, &slot), PX_ERR_DAMAGED);
        assert_int_equal(px_wal_find_index(w->wal, 9, &slot), PX_ERR_END); /* there never was one */
        assert_int_equal(px_wal_read(w->wal, 1, 2, 10000, &entries), PX_OK);
        assert_int_equal(entries.count, 2);
        px_buffer_release(entries.owner);
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r5__a_torn_splice_is_there_whole_or_not_at_all),
        cmocka_unit_test(r5__a_torn_splice_of_many_blocks_is_there_whole_or_not_at_all),
        cmocka_unit_test(recovery__of_a_torn_group_a_prefix_of_its_records_is_left),
        cmocka_unit_test(recovery__a_torn_tail_hides_nothing_that_is_appended_behind_it),
        cmocka_unit_test(r2__a_crash_never_takes_what_was_told_as_stored),
        cmocka_unit_test(r17__what_is_read_after_a_kill_is_synced_before_it_is_believed),
        cmocka_unit_test(r17__what_a_failed_write_left_in_the_cache_is_not_believed),
        cmocka_unit_test(r15__a_flipped_bit_below_the_synced_place_is_damage_and_claimed),
        cmocka_unit_test(r15__records_behind_it_make_rot_damage_where_the_mark_is_lost),
        cmocka_unit_test(r15__a_flipped_bit_in_what_was_never_synced_is_a_torn_tail),
        cmocka_unit_test(r15__a_splice_in_the_next_segment_does_not_hide_damage_before_it),
        cmocka_unit_test(r15__a_bad_first_record_of_a_segment_is_named_there),
        cmocka_unit_test(r15__a_segment_that_is_missing_is_damage),
        cmocka_unit_test(r15__old_bytes_of_the_same_place_are_no_record),
        cmocka_unit_test(r15__a_last_record_that_became_zeros_is_damage),
        cmocka_unit_test(r16__a_synced_record_that_cannot_be_read_is_damage_and_claimed),
        cmocka_unit_test(r16__a_start_that_finds_damage_may_lose_its_power_anywhere),
        cmocka_unit_test(r16__damage_in_a_log_that_was_damaged_hides_nothing),
        cmocka_unit_test(r17__a_segment_of_which_much_cannot_be_read_is_an_error_and_nothing_changes),
        cmocka_unit_test(r15__a_torn_tail_that_cannot_be_read_is_written_anew),
        cmocka_unit_test(reader__rot_found_while_reading_is_said_and_no_entry_leaves),
        cmocka_unit_test(reader__a_durable_group_that_is_gone_is_damage),
    };
    return cmocka_run_group_tests_name("recovery", tests, NULL, NULL);
}
