/* state_test.c - of two copies of the small state one is always good, and a folder is never half made. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "codec/wire.h"
#include "world.h"
#include <stdlib.h>
#include <string.h>

#define SEGMENT_BYTES 16384u

static int setup(void **state)
{
    world *w = world_make(1, SEGMENT_BYTES);
    world_append(w, 3, 100);
    world_settle(w);
    world_promise(w);
    world_settle(w);
    fake_disk_sync(w->disk);
    world_close(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world_free(*state);
    return 0;
}

static void open_and_compare(world *w)
{
    const model_log before = w->model;
    world_open(w);
    assert_true(model_equal(&before, &w->restored));
}

static void r19__what_is_remembered_of_others_is_read_back(void **state)
{
    world *w = *state;
    world_open(w);
    const px_recollection first = {11, {1, 12, 2}, {1, 13, 0}, 14, 15}, last = {16, {17, 18, 6}, {0}, 0, 19};
    w->state.recollections[0] = first;
    w->state.recollections[PX_MEMBERS_MAX - 1] = last;
    assert_int_equal(px_wal_write_state_now(w->wal, &w->state), PX_OK);
    world_close(w);
    memset(&w->state, 0, sizeof w->state);
    open_and_compare(w);
    assert_memory_equal(&w->state.recollections[0], &first, sizeof first);
    assert_memory_equal(&w->state.recollections[PX_MEMBERS_MAX - 1], &last, sizeof last);
    assert_int_equal(w->state.recollections[1].storage_id, 0);
    world_close(w);
}

static void r16__one_bad_copy_is_mended_from_the_other(void **state)
{
    world *w = *state;
    static const char *const names[2] = {"state-a", "state-b"};
    for (unsigned i = 0; i < 2; i++) {
        const uint64_t starts = w->state.start_count;
        fake_disk_flip(w->disk, names[i], 100, 1);
        open_and_compare(w);
        assert_int_equal(w->state.start_count, starts + 1);
        world_close(w);
        fake_disk_flip(w->disk, names[1 - i], 40, 1); /* now the other one */
        open_and_compare(w);
        assert_int_equal(w->state.start_count, starts + 2);
        world_close(w);
        fake_disk_remove(w->disk, names[i]);
        open_and_compare(w);
        world_close(w);
        fake_disk_remove(w->disk, names[1 - i]);
        open_and_compare(w);
        world_close(w);
    }
}

static void r16__a_copy_that_cannot_be_read_is_a_bad_copy(void **state)
{
    world *w = *state;
    fake_disk_fail_read(w->disk, "state-b", 0, 512);
    open_and_compare(w);
}

/* What cannot be read now may be sound, and readable at the next start. */
static void r17__states_that_cannot_be_read_are_not_lost_and_nothing_changes(void **state)
{
    world *w = *state;
    for (unsigned how = 0; how < 3; how++) {
        world *clone = world_clone(w);
        fake_disk_fail_read(clone->disk, "state-a", 0, 512);
        if (how == 0) fake_disk_fail_read(clone->disk, "state-b", 0, 512);
        if (how == 1) fake_disk_flip(clone->disk, "state-b", 200, 1);
        if (how == 2) fake_disk_remove(clone->disk, "state-b");
        const uint64_t before = world_fingerprint(clone);
        assert_int_equal(world_try_open(clone), PX_ERR_IO);
        assert_non_null(strstr(clone->fault.what, "start px again"));
        assert_true(world_fingerprint(clone) == before);
        fake_disk_fail_read(clone->disk, "state-a", 0, 0);
        open_and_compare(clone);
        world_free(clone);
    }
}

static void spoil_both(world *w, unsigned how)
{
    if (how & 1)
        fake_disk_remove(w->disk, "state-a");
    else
        fake_disk_flip(w->disk, "state-a", 100, 1);
    if (how & 2)
        fake_disk_remove(w->disk, "state-b");
    else
        fake_disk_flip(w->disk, "state-b", 200, 1);
}

static void r16__two_bad_copies_of_a_node_that_is_alone_are_refused_and_nothing_changes(void **state)
{
    world *w = *state;
    for (unsigned how = 0; how < 4; how++) {
        world *clone = world_clone(w);
        clone->config.is_alone = true;
        spoil_both(clone, how);
        world_check_damaged(clone, "state-a");
        world_free(clone);
    }
}

/* What it promised is lost: its log goes aside as it is, and it begins anew; also where that was cut. */
static void r16__two_bad_copies_are_an_emptied_disk(void **state)
{
    world *w = *state;
    uint64_t size_bytes = 0;
    const uint8_t *first = fake_disk_stable(w->disk, SEGMENT_1, &size_bytes);
    const uint64_t former_id = w->state.storage_id;
    for (uint32_t round = 0; round < 48; round++) {
        world *clone = world_clone(w);
        clone->config.random = 4711;
        spoil_both(clone, round % 4);
        fake_disk_cut_power(clone->disk, round / 4);
        if (world_try_open(clone) == PX_OK) world_close(clone);
        fake_disk_crash(clone->disk, false);
        memset(&clone->restored, 0, sizeof clone->restored);
        assert_int_equal(world_try_open(clone), PX_OK);
        assert_int_equal(clone->restored.length, 0);
        assert_int_equal(clone->state.storage_id, 4711);
        assert_true(clone->state.storage_id != former_id);
        uint64_t lost_bytes = 0;
        const uint8_t *lost = fake_disk_stable(clone->disk, SEGMENT_1 ".lost", &lost_bytes);
        assert_non_null(lost);
        assert_true(lost_bytes == size_bytes && memcmp(lost, first, size_bytes) == 0);
        world_free(clone);
    }
}

/* A bit of the version's digit may rot like any other. */
static void r16__a_rotten_version_is_no_other_version(void **state)
{
    world *w = *state;
    fake_disk_flip(w->disk, "state-a", 3, 1);
    fake_disk_flip(w->disk, "state-b", 200, 1);
    assert_int_equal(world_try_open(w), PX_OK);
    assert_int_equal(w->restored.length, 0);
}

static void become_version_2(world *w, const char *name)
{
    uint8_t space[4096];
    uint64_t size_bytes = 0;
    memcpy(space, fake_disk_stable(w->disk, name, &size_bytes), sizeof space);
    space[3] = '2';
    const uint32_t crc = px_crc32c(0, space, sizeof space - 8);
    for (unsigned i = 0; i < 4; i++) space[sizeof space - 8 + i] = (uint8_t)(crc >> 8 * i);
    fake_disk_spoil(w->disk, name, 0, space, sizeof space);
}

/* A downgrade is no loss: nothing is set aside. */
static void r18__a_small_state_of_another_version_is_refused_and_nothing_changes(void **state)
{
    world *w = *state;
    become_version_2(w, "state-a");
    become_version_2(w, "state-b");
    const uint64_t before = world_fingerprint(w);
    assert_int_equal(world_try_open(w), PX_ERR_FOREIGN);
    assert_non_null(strstr(w->fault.what, "version"));
    assert_true(world_fingerprint(w) == before);
}

static void r16__two_bad_copies_of_a_node_that_is_alone_are_refused_without_a_log_too(void **state)
{
    world *w = *state;
    w->config.is_alone = true;
    fake_disk_remove(w->disk, SEGMENT_1);
    fake_disk_remove(w->disk, SEGMENT_2);
    fake_disk_flip(w->disk, "state-a", 100, 1);
    fake_disk_flip(w->disk, "state-b", 100, 1);
    world_check_damaged(w, "state-a");
}

static void r18__the_folder_of_another_node_is_refused_and_nothing_changes(void **state)
{
    world *w = *state;
    const uint64_t before = world_fingerprint(w);
    w->config.self = "node-2";
    assert_int_equal(world_try_open(w), PX_ERR_FOREIGN);
    assert_non_null(strstr(w->fault.what, "node-1"));
    assert_true(world_fingerprint(w) == before);
    fake_disk_remove(w->disk, "state-b"); /* a missing copy is not made either */
    const uint64_t without = world_fingerprint(w);
    assert_int_equal(world_try_open(w), PX_ERR_FOREIGN);
    assert_true(world_fingerprint(w) == without);
    w->config.self = "node-1";
    open_and_compare(w);
}

/* Segments of another node, or of another cluster, in this one's folder are somebody's: also where nothing
 * states that they were synced. */
static void r18__a_record_of_somebody_else_is_refused_and_nothing_changes(void **state)
{
    world *w = *state;
    static const uint8_t other_id[16] = {7};
    for (int is_cluster = 0; is_cluster < 2; is_cluster++) {
        world *clone = world_clone(w);
        uint64_t size_bytes = 0;
        if (is_cluster) {
            world_open(clone);
            clone->state.roster_state = PX_ROSTER_COMPLETE;
            memcpy(clone->state.cluster_id, other_id, sizeof other_id);
            assert_int_equal(px_wal_write_state_now(clone->wal, &clone->state), PX_OK);
            world_append(clone, 1, 100);
            world_settle(clone);
            world_close(clone);
        }
        world *theirs = world_make(5, SEGMENT_BYTES);
        world_close(theirs);
        if (!is_cluster) theirs->config.self = "node-2";
        fake_disk_wipe(theirs->disk);
        world_open(theirs);
        if (is_cluster) {
            theirs->state.roster_state = PX_ROSTER_COMPLETE;
            theirs->state.cluster_id[3] = 9;
            assert_int_equal(px_wal_write_state_now(theirs->wal, &theirs->state), PX_OK);
        }
        world_append(theirs, 2, 200);
        world_settle(theirs);
        const uint8_t *stable = fake_disk_stable(theirs->disk, SEGMENT_1, &size_bytes);
        fake_disk_spoil(clone->disk, SEGMENT_1, 0, stable, (size_t)size_bytes);
        world_free(theirs);
        fake_disk_remove(clone->disk, "mark");
        const uint64_t before = world_fingerprint(clone);
        assert_int_equal(world_try_open(clone), PX_ERR_FOREIGN);
        assert_non_null(strstr(clone->fault.where, SEGMENT_1 " at byte 0"));
        assert_true(world_fingerprint(clone) == before);
        world_free(clone);
    }
}

static void r15__a_log_that_is_gone_is_told_by_mark_and_state(void **state)
{
    world *w = *state;
    fake_disk_remove(w->disk, SEGMENT_1);
    fake_disk_remove(w->disk, SEGMENT_2);
    world_check_damaged(w, "folder");
    fake_disk_remove(w->disk, "mark");
    world_check_damaged(w, "folder");
    fake_disk_remove(w->disk, "state-a");
    world_check_damaged(w, "folder");
}

/* A promise behind a record says of that record that it had been synced. */
static void r15__the_small_state_states_what_was_synced_before_it(void **state)
{
    world *w = *state;
    for (unsigned lost = 0; lost < 3; lost++) {
        world *clone = world_clone(w);
        fake_disk_remove(clone->disk, "mark");
        fake_disk_flip(clone->disk, SEGMENT_1, 300, 1); /* in the last group */
        if (lost) fake_disk_flip(clone->disk, lost == 1 ? "state-a" : "state-b", 100, 1);
        world_check_healed(clone, SEGMENT_1 " at byte 0");
        world_free(clone);
    }
}

/* The splice alone promised its ballot. It is damaged when a start has written the state behind it. */
static void r3__what_the_log_accepted_is_promised_by_the_small_state_too(void **state)
{
    world *w = *state;
    world_open(w);
    const uint64_t at = (world_used_bytes(w, SEGMENT_1) + 4095) / 4096 * 4096;
    world_splice(w, 2, 2, 100);
    world_settle(w);
    const px_ballot accepted = w->model.accepted;
    world_close(w);
    open_and_compare(w);
    fake_disk_sync(w->disk);
    world_close(w);
    fake_disk_flip(w->disk, SEGMENT_1, at + 20, 1);
    fake_disk_remove(w->disk, "mark");
    assert_int_equal(world_try_open(w), PX_OK);
    assert_true(px_ballot_less(w->restored.accepted, accepted));
    assert_true(px_ballot_equal(w->restored.promised, accepted));
}

static void state__every_start_is_counted_and_the_storage_id_stays(void **state)
{
    world *w = *state;
    const px_state before = w->state;
    open_and_compare(w);
    assert_int_equal(w->state.start_count, before.start_count + 1);
    assert_true(w->state.storage_id == before.storage_id && before.storage_id != 0);
    assert_string_equal(w->state.self, "node-1");
}

/* A first start, cut at each of its changes again and again, is at last a good one. */
static void r18__a_first_start_may_lose_its_power_anywhere(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        for (uint32_t skip = 0; skip < 12; skip++) {
            world *w = world_make(seed, SEGMENT_BYTES);
            world_close(w);
            fake_disk_wipe(w->disk);
            for (int cut = 0; cut < 3; cut++) {
                fake_disk_cut_power(w->disk, skip >> cut);
                if (world_try_open(w) == PX_OK) world_close(w);
                fake_disk_crash(w->disk, false);
            }
            world_open(w);
            world_append(w, 1, 100);
            world_settle(w);
            world_free(w);
        }
    }
}

/* Any later start, cut at each of its changes, loses nothing. */
static void r16__a_start_may_lose_its_power_anywhere(void **state)
{
    world *w = *state;
    static const char *const names[2] = {"state-a", "state-b"};
    for (uint32_t round = 0; round < 240; round++) {
        world *clone = world_clone(w);
        if (round % 4 == 1) fake_disk_flip(clone->disk, names[round / 4 % 2], 77, 1);
        if (round % 4 == 2) fake_disk_remove(clone->disk, names[round / 4 % 2]);
        if (round % 4 == 3) { /* a torn tail to be zeroed */
            world_open(clone);
            world_append(clone, 1, 5000);
            world_flush(clone);
            fake_disk_crash_torn(clone->disk, 4096, fake_disk_pending_bytes(clone->disk));
            world_close(clone);
            clone->model = clone->history[clone->stored];
        }
        fake_disk_cut_power(clone->disk, round / 8 % 6);
        if (world_try_open(clone) == PX_OK) world_close(clone);
        fake_disk_crash(clone->disk, false);
        open_and_compare(clone);
        world_free(clone);
    }
}

static void r16__a_promise_survives_a_crash_between_its_copies(void **state)
{
    world *w = *state;
    for (size_t torn = 0; torn <= 4096; torn += 128) {
        for (int done = 0; done < 2; done++) {
            world *clone = world_clone(w);
            world_open(clone);
            const px_ballot before = clone->model.promised;
            world_promise(clone);
            world_flush(clone);
            if (done) assert_true(fake_disk_complete(clone->disk));
            assert_int_equal(clone->stored, 0);
            fake_disk_crash_torn(clone->disk, 0, torn);
            world_close(clone);
            const px_ballot after = clone->model.promised;
            assert_int_equal(world_try_open(clone), PX_OK);
            const px_ballot found = clone->restored.promised;
            assert_true(px_ballot_equal(found, after) || (!done && px_ballot_equal(found, before)));
            world_free(clone);
        }
    }
}

/* A state written at once while one is staged or under way is the one that is found, in both copies. */
static void state__one_written_at_once_is_never_overtaken_by_an_older_one(void **state)
{
    world *w = *state;
    for (unsigned done = 0; done < 4; done++) {
        for (unsigned bad = 0; bad < 3; bad++) {
            world *clone = world_clone(w);
            world_open(clone);
            world_promise(clone);
            if (done) world_flush(clone);
            for (unsigned i = 1; i < done; i++) assert_true(fake_disk_complete(clone->disk));
            clone->state.roster_state = 2;
            assert_int_equal(px_wal_write_state_now(clone->wal, &clone->state), PX_OK);
            world_settle(clone);
            assert_int_equal(clone->stored, 1);
            world_append(clone, 1, 10);
            world_settle(clone);
            world_close(clone);
            if (bad) fake_disk_flip(clone->disk, bad == 1 ? "state-a" : "state-b", 9, 1);
            open_and_compare(clone);
            assert_int_equal(clone->state.roster_state, 2);
            world_free(clone);
        }
    }
}

/* Even where the power fails before the older one is written again. */
static void state__one_written_at_once_is_durable_when_it_returns(void **state)
{
    world *w = *state;
    for (unsigned done = 0; done < 3; done++) {
        for (size_t torn = 0; torn <= 4096; torn += 256) {
            world *clone = world_clone(w);
            world_open(clone);
            world_promise(clone);
            world_flush(clone);
            for (unsigned i = 0; i < done; i++) assert_true(fake_disk_complete(clone->disk));
            clone->state.roster_state = 2;
            assert_int_equal(px_wal_write_state_now(clone->wal, &clone->state), PX_OK);
            if (fake_disk_pending(clone->disk))
                fake_disk_crash_torn(clone->disk, 0, torn);
            else
                fake_disk_crash(clone->disk, false);
            world_close(clone);
            open_and_compare(clone);
            assert_int_equal(clone->state.roster_state, 2);
            world_free(clone);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(r19__what_is_remembered_of_others_is_read_back),
        TEST(r16__one_bad_copy_is_mended_from_the_other),
        TEST(r16__a_copy_that_cannot_be_read_is_a_bad_copy),
        TEST(r16__two_bad_copies_of_a_node_that_is_alone_are_refused_and_nothing_changes),
        TEST(r16__two_bad_copies_of_a_node_that_is_alone_are_refused_without_a_log_too),
        TEST(r17__states_that_cannot_be_read_are_not_lost_and_nothing_changes),
        TEST(r16__two_bad_copies_are_an_emptied_disk),
        TEST(r16__a_rotten_version_is_no_other_version),
        TEST(r18__a_small_state_of_another_version_is_refused_and_nothing_changes),
        TEST(r18__the_folder_of_another_node_is_refused_and_nothing_changes),
        TEST(r18__a_record_of_somebody_else_is_refused_and_nothing_changes),
        TEST(r15__a_log_that_is_gone_is_told_by_mark_and_state),
        TEST(r15__the_small_state_states_what_was_synced_before_it),
        TEST(r3__what_the_log_accepted_is_promised_by_the_small_state_too),
        TEST(state__every_start_is_counted_and_the_storage_id_stays),
        TEST(r18__a_first_start_may_lose_its_power_anywhere),
        TEST(r16__a_start_may_lose_its_power_anywhere),
        TEST(r16__a_promise_survives_a_crash_between_its_copies),
        TEST(state__one_written_at_once_is_never_overtaken_by_an_older_one),
        TEST(state__one_written_at_once_is_durable_when_it_returns),
    };
    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
