/* failing_test.c - one call of the disk fails in a start, whichever it is: nothing is lost, and it is said.
 *
 * Source     [R16, R17]. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "failing_disk.h"
#include "world.h"
#include <stdlib.h>
#include <string.h>

#define SEGMENT_BYTES 16384u

/* A log of several segments, all of it synced. */
static world *make_log(void)
{
    world *w = world_make(1, SEGMENT_BYTES);
    for (uint32_t round = 0; round < 5; round++) {
        world_append(w, 2, 900);
        world_settle(w);
        world_promise(w);
        world_splice(w, w->model.length - 1, 2, 1500);
        world_settle(w);
    }
    fake_disk_sync(w->disk);
    world_close(w);
    return w;
}

/* A start in which the call behind `skip` others fails; false where there are no so many. */
static bool start_failing(world *w, uint32_t skip, px_err with, px_err *err)
{
    failing_disk disk = failing_disk_make(fake_disk_port(w->disk), skip, with);
    w->port = &disk.disk;
    *err = world_try_open(w);
    world_close(w);
    w->port = NULL;
    return disk.has_failed;
}

static const px_err errors[] = {PX_ERR_DENIED, PX_ERR_IO, PX_ERR_NO_SPACE};

/* Either the start fails with words, or it has all of the log or says what it could not read; and the next
 * one has all of it, or what the others must mend. */
static void r17__a_start_that_fails_anywhere_loses_nothing(void **state)
{
    (void)state;
    world *w = make_log();
    uint32_t failed = 0, survived = 0;
    for (uint32_t i = 0; i < 3; i++) {
        bool has_failed = true;
        for (uint32_t skip = 0; has_failed; skip++) {
            world *clone = world_clone(w);
            px_err err;
            has_failed = start_failing(clone, skip, errors[i], &err);
            if (err) {
                assert_true(strlen(clone->fault.where) > 0 && strlen(clone->fault.what) > 0);
                failed++;
            } else if (clone->fault.where[0]) {
                assert_int_equal(errors[i], PX_ERR_IO); /* a block that cannot be read is damage */
            } else {
                assert_true(model_equal(&clone->restored, &w->model));
                survived++;
            }
            const bool is_claimed = !err && clone->fault.where[0];
            assert_int_equal(world_try_open(clone), PX_OK);
            if (!is_claimed) assert_true(model_equal(&clone->restored, &w->model));
            uint64_t lost = 0;
            if (is_claimed) world_check_claim(clone, &lost);
            assert_int_equal(lost, 0); /* it can be read again */
            world_free(clone);
        }
    }
    assert_true(failed > 10 && survived > 3);
    world_free(w);
}

/* The same of a log that is damaged: whatever fails, the next start finds and claims what it was. */
static void r16__a_start_that_finds_damage_may_fail_anywhere(void **state)
{
    (void)state;
    world *w = make_log();
    fake_disk_flip(w->disk, SEGMENT_2, 300, 1);
    uint32_t failed = 0;
    for (uint32_t i = 0; i < 3; i++) {
        bool has_failed = true;
        for (uint32_t skip = 0; has_failed; skip++) {
            world *clone = world_clone(w);
            px_err err;
            has_failed = start_failing(clone, skip, errors[i], &err);
            failed += err != PX_OK;
            if (err) assert_true(strlen(clone->fault.where) > 0 && strlen(clone->fault.what) > 0);
            assert_int_equal(world_try_open(clone), PX_OK);
            uint64_t lost = 0;
            world_check_claim(clone, &lost);
            world_free(clone);
        }
    }
    assert_true(failed > 10);
    world_free(w);
}

/* And of one with a torn tail. */
static void r15__a_start_that_cuts_a_torn_tail_may_fail_anywhere(void **state)
{
    (void)state;
    world *w = world_make(5, SEGMENT_BYTES);
    world_append(w, 3, 300);
    world_settle(w);
    world_splice(w, 2, 3, 2000);
    world_flush(w);
    fake_disk_crash_torn(w->disk, 0, 4096);
    world_close(w);
    for (uint32_t i = 0; i < 3; i++) {
        bool has_failed = true;
        for (uint32_t skip = 0; has_failed; skip++) {
            world *clone = world_clone(w);
            px_err err;
            has_failed = start_failing(clone, skip, errors[i], &err);
            const bool is_claimed = !err && clone->fault.where[0];
            assert_int_equal(world_try_open(clone), PX_OK);
            if (!is_claimed) assert_true(world_is_prefix(clone));
            world_free(clone);
        }
    }
    world_free(w);
}

/* What cannot be read now is said, and no other bytes in its place; later it is there. */
static void r17__a_read_that_fails_anywhere_gives_an_error_or_what_was_written(void **state)
{
    (void)state;
    world *w = make_log();
    uint32_t failed = 0;
    bool has_failed = true;
    for (uint32_t skip = 0; has_failed; skip++) {
        world *clone = world_clone(w);
        failing_disk disk = failing_disk_make(fake_disk_port(clone->disk), UINT32_MAX, PX_ERR_DENIED);
        clone->port = &disk.disk;
        world_open(clone);
        disk.skip = skip;
        disk.is_lasting = true;
        px_wal_entries entries;
        for (uint64_t slot = 1; slot <= clone->model.length; slot++) {
            const px_err err = px_wal_read(clone->wal, slot, clone->model.length, 3000, &entries);
            assert_true(err == PX_OK || err == PX_ERR_DENIED);
            failed += err != PX_OK;
            if (!err) px_buffer_release(entries.owner);
            uint64_t found = 0;
            const px_err sought = px_wal_find_index(clone->wal, slot, &found);
            assert_true(sought == PX_OK || sought == PX_ERR_DENIED || sought == PX_ERR_END);
            failed += sought == PX_ERR_DENIED;
        }
        has_failed = disk.has_failed;
        disk.is_lasting = false;
        disk.has_failed = true; /* it is well again */
        world_check_read(clone);
        world_close(clone);
        clone->port = NULL;
        world_free(clone);
    }
    assert_true(failed > 5);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r17__a_start_that_fails_anywhere_loses_nothing),
        cmocka_unit_test(r16__a_start_that_finds_damage_may_fail_anywhere),
        cmocka_unit_test(r15__a_start_that_cuts_a_torn_tail_may_fail_anywhere),
        cmocka_unit_test(r17__a_read_that_fails_anywhere_gives_an_error_or_what_was_written),
    };
    return cmocka_run_group_tests_name("failing calls", tests, NULL, NULL);
}
