/* salvage_test.c - what is found again behind damage, in long logs and in logs that were damaged before. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/fake_disk.h"
#include "wal/record.h"
#include "wal/wal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_BYTES (1u << 20)
#define BLOCK 4096u
/* Each record is a group of its own, and has a block. */
#define OFFSET_OF(slot) (((slot)-1) * (uint64_t)BLOCK)
#define SLOTS_A_SEGMENT (SEGMENT_BYTES / BLOCK)
#define LONG 2500u /* slots: more than are remembered */
_Static_assert(LONG > PX_SLOTS_KEPT + SLOTS_A_SEGMENT, "the first of them are forgotten");

typedef struct {
    px_wal_events events; /* first */
    fake_disk *disk;
    px_wal *wal;
    px_state state;
    px_wal_fault fault;
    uint64_t length, ticket; /* of the log as it is, and of what was staged last */
    px_claim claim;
    px_hash *chains;     /* [slot]: those that every value has once */
    uint64_t other_from; /* slots from here on have other values than at first; 0: none have */
    uint64_t chosen_max; /* records know no more chosen */
    uint64_t cuts;
} folder;

static void on_stored(px_wal_events *events, px_ticket upto)
{
    (void)events, (void)upto;
}

static void on_failed(px_wal_events *events, px_err err, const char *where)
{
    (void)events, (void)err;
    fail_msg("%s", where);
}

static void on_full(px_wal_events *events, bool is_full)
{
    (void)events, (void)is_full;
    fail();
}

/* As the core does: nothing that is known chosen is ever cut. */
static void restore(void *context, const px_record *record)
{
    folder *f = context;
    if (record->kind == PX_RECORD_PROMISE) return;
    assert_true(record->log.after <= f->length);
    f->length = record->log.after + record->log.count;
    f->cuts = record->cuts;
    assert_true(record->chosen <= f->length);
    for (uint32_t i = 0; i < record->log.count; i++) {
        const uint64_t slot = record->log.after + 1 + i;
        if (f->other_from && slot >= f->other_from)
            break; /* as at first, perhaps; what comes behind counts */
        assert_true(px_hash_equal(record->log.entries[i].chain, f->chains[slot]));
    }
    if (record->kind == PX_RECORD_CLAIM) f->claim = record->claim;
}

static void open_log(folder *f)
{
    const px_wal_config config = {SEGMENT_BYTES, 1u << 20, 77, "node-1", false};
    f->length = f->ticket = f->cuts = 0;
    f->claim = (px_claim){.length = 0};
    const px_err err =
        px_wal_open(fake_disk_port(f->disk), &config, &f->events, f, restore, &f->wal, &f->state, &f->fault);
    if (err) print_error("%s: %s\n", f->fault.where, f->fault.what);
    assert_int_equal(err, PX_OK);
}

static void close_log(folder *f)
{
    fake_disk_sync(f->disk);
    px_wal_close(f->wal);
    f->wal = NULL;
}

static void restart(folder *f)
{
    close_log(f);
    open_log(f);
}

static px_entry entry_of(const folder *f, uint64_t slot)
{
    px_entry entry = {.slot = slot, .kind = PX_ENTRY_OPEN, .index_first = 1, .stamp_ms = slot};
    if (f->other_from && slot >= f->other_from) entry.stamp_ms += LONG;
    entry.chain = px_entry_chain(f->chains[slot - 1], &entry);
    return entry;
}

/* The next slots up to `last`, `count` in each group. */
static void append_groups(folder *f, uint64_t last, uint32_t count)
{
    px_entry entries[PX_WINDOW_SLOTS];
    while (f->length < last) {
        for (uint32_t i = 0; i < count; i++) entries[i] = entry_of(f, f->length + 1 + i);
        const px_record record = {
            .kind = PX_RECORD_APPEND,
            .cuts = f->cuts,
            .chosen = f->length < f->chosen_max ? f->length : f->chosen_max,
            .log = {f->length, f->chains[f->length], count, entries},
        };
        px_wal_append(f->wal, (px_ticket){++f->ticket}, &record);
        px_wal_flush(f->wal);
        fake_disk_complete_all(f->disk);
        f->length += count;
    }
}

/* Each in a group of its own. */
static void append_upto(folder *f, uint64_t last)
{
    append_groups(f, last, 1);
}

/* Others give the slots up to `last`, from slot 31 on with other values than there were. */
static void mend_by_others(folder *f, uint64_t last)
{
    f->other_from = 31;
    for (uint64_t slot = 31; slot <= LONG; slot++) f->chains[slot] = entry_of(f, slot).chain;
    append_upto(f, last);
}

static int setup(void **state)
{
    folder *f = calloc(1, sizeof *f);
    f->events = (px_wal_events){on_stored, on_failed, on_full};
    f->disk = fake_disk_make(5);
    f->chosen_max = UINT64_MAX;
    f->chains = calloc(LONG + 1, sizeof *f->chains);
    for (uint64_t slot = 1; slot <= LONG; slot++) f->chains[slot] = entry_of(f, slot).chain;
    open_log(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    folder *f = *state;
    px_wal_close(f->wal);
    fake_disk_free(f->disk);
    free(f->chains);
    free(f);
    return 0;
}

static folder *begin_anew(void **state)
{
    assert_int_equal(teardown(state), 0);
    assert_int_equal(setup(state), 0);
    return *state;
}

static void flip(folder *f, unsigned segment, uint64_t offset)
{
    char name[40];
    (void)snprintf(name, sizeof name, "%016x.log", segment);
    fake_disk_flip(f->disk, name, offset + 20, 1);
}

/* How many slots behind `after` can be read at once behind the log; all are those that came last. */
static uint32_t count_salvaged(folder *f, uint64_t after)
{
    px_wal_entries entries;
    px_wal_salvage next;
    px_hash chain;
    if (px_wal_read_salvage(f->wal, after, 1u << 20, &entries, &chain, &next)) return 0;
    assert_true(px_hash_equal(chain, f->chains[after]));
    for (uint32_t i = 0; i < entries.count; i++)
        assert_true(px_hash_equal(entries.entries[i].chain, f->chains[after + 1 + i]));
    px_buffer_release(entries.owner);
    return entries.count;
}

/* The slot behind `after` is still there, and so are those up to `last`. */
static void assert_salvaged(folder *f, uint64_t after, uint64_t last)
{
    while (after < last) {
        const uint32_t count = count_salvaged(f, after);
        assert_true(count > 0);
        after += count;
    }
}

static void assert_claims(const folder *f, uint64_t length, uint64_t claimed)
{
    assert_int_equal(f->length, length);
    assert_int_equal(f->claim.length, claimed);
    assert_true(px_hash_equal(f->claim.chain, f->chains[claimed]));
    assert_false(f->claim.is_unsure);
}

static void r16__damage_is_claimed_however_long_the_log_behind_it_is(void **state)
{
    folder *f = *state;
    append_upto(f, LONG);
    flip(f, 1, OFFSET_OF(10));
    restart(f);
    assert_non_null(strstr(f->fault.what, "damaged"));
    assert_claims(f, 9, LONG);
    assert_salvaged(f, 10, LONG);
    append_upto(f, LONG);
    restart(f);
    assert_int_equal(f->length, LONG);
}

/* A device may give back at one time what it does not at another. */
static void r16__a_record_that_can_be_read_again_takes_nothing_away(void **state)
{
    folder *f = *state;
    append_upto(f, 40);
    flip(f, 1, OFFSET_OF(3));
    restart(f);
    assert_claims(f, 2, 40);
    append_upto(f, 60);
    flip(f, 1, OFFSET_OF(3));
    restart(f);
    assert_claims(f, 40, 60);
    assert_salvaged(f, 40, 60);
    append_upto(f, 45);
    flip(f, 1, OFFSET_OF(3));
    flip(f, 1, OFFSET_OF(30));
    restart(f);
    assert_int_equal(f->claim.length, 60);
    assert_salvaged(f, f->length, 60);
}

/* The slots behind the first damage are not forgotten when there is more of it. */
static void r16__what_was_salvaged_once_is_salvaged_again(void **state)
{
    folder *f = *state;
    append_upto(f, 40);
    flip(f, 1, OFFSET_OF(3));
    restart(f);
    append_upto(f, 8);
    flip(f, 2, OFFSET_OF(4)); /* slot 5: behind the claim, 3 and 4 */
    restart(f);
    assert_non_null(strstr(f->fault.what, "damaged"));
    assert_claims(f, 4, 40);
    assert_salvaged(f, 4, 40);
    restart(f);
    assert_claims(f, 4, 40);
    assert_true(f->fault.what[0] == '\0');
    assert_salvaged(f, 4, 40);
    append_upto(f, 6);
    flip(f, 3, OFFSET_OF(3));
    restart(f);
    assert_claims(f, 5, 40);
    assert_salvaged(f, 5, 40);
    append_upto(f, 41);
    restart(f);
    assert_int_equal(f->length, 41);
    assert_true(f->fault.what[0] == '\0');
}

static void check_read_all(folder *f)
{
    for (uint64_t slot = 1; slot <= f->length;) {
        px_wal_entries entries;
        assert_int_equal(px_wal_read(f->wal, slot, f->length, 1u << 20, &entries), PX_OK);
        for (uint32_t i = 0; i < entries.count; i++)
            assert_true(px_hash_equal(entries.entries[i].chain, f->chains[slot + i]));
        slot += entries.count;
        px_buffer_release(entries.owner);
    }
}

/* Between two groups, and between the last one of a segment and its end, nothing is kept. */
static void r16__rot_where_nothing_is_kept_is_no_damage(void **state)
{
    folder *f = *state;
    append_upto(f, SLOTS_A_SEGMENT - 2);
    append_groups(f, SLOTS_A_SEGMENT - 2 + 200, 200); /* larger than two blocks: in the next segment */
    append_upto(f, SLOTS_A_SEGMENT + 400);
    for (uint64_t slot = 1; slot < SLOTS_A_SEGMENT; slot += 7)
        fake_disk_flip(f->disk, "0000000000000001.log", OFFSET_OF(slot) + 192 + 72, 1);
    flip(f, 1, OFFSET_OF(SLOTS_A_SEGMENT - 1) - 20);
    check_read_all(f);
    restart(f);
    assert_true(f->fault.what[0] == '\0');
    assert_int_equal(f->length, SLOTS_A_SEGMENT + 400);
    check_read_all(f);
}

/* What others gave in place of a damaged slot need not be what it was: nobody had chosen that. */
static void r16__what_came_in_its_place_is_not_mixed_with_what_was(void **state)
{
    folder *f = *state;
    append_upto(f, 40);
    flip(f, 1, OFFSET_OF(20));
    restart(f);
    assert_claims(f, 19, 40);
    mend_by_others(f, 36); /* still shorter than its claim: nothing says yet that it is another log */
    flip(f, 1, OFFSET_OF(10));
    restart(f);
    assert_int_equal(f->length, 9);
    assert_salvaged(f, 20, 36);
}

/* Slot 10 is damaged where 19 of 40 are known chosen; others mend it, and what came up to 44 is chosen. */
static void damage_and_mend(folder *f)
{
    f->chosen_max = 19;
    append_upto(f, 40);
    flip(f, 1, OFFSET_OF(10));
    restart(f);
    assert_claims(f, 9, 40);
    f->chosen_max = UINT64_MAX;
    mend_by_others(f, 44);
}

/* The damaged record can be read again, and so can what stands behind it, which is the log no more. */
static void r16__what_can_be_read_again_is_not_what_came_in_its_place(void **state)
{
    folder *f = *state;
    damage_and_mend(f);
    flip(f, 1, OFFSET_OF(10));
    restart(f);
    assert_int_equal(f->length, 30);
    assert_int_equal(f->claim.length, 44);
    check_read_all(f);
    assert_salvaged(f, 30, 44);
}

/* What is found behind the log is what came last, or nothing. */
static void check_salvage(folder *f, uint64_t last)
{
    for (uint64_t after = f->length; after < last; after++) (void)count_salvaged(f, after);
}

/* Of a log that was mended by other values `count` records are lost, from a block of the second segment on:
 * the claim that all of it stands behind, say. What was damaged first may be readable again. */
static void lose_mended(folder *f, unsigned block, unsigned count, bool is_readable_again)
{
    damage_and_mend(f);
    if (is_readable_again) flip(f, 1, OFFSET_OF(10));
    for (unsigned i = 0; i < count; i++) flip(f, 2, (block + i) * (uint64_t)BLOCK);
    restart(f);
    assert_int_equal(f->claim.length, 44);
    check_read_all(f);
    check_salvage(f, 44);
}

static void r16__what_was_is_not_the_log_where_what_came_in_its_place_is_lost(void **state)
{
    for (unsigned run = 0; run < 35 * 35 * 2; run++) {
        const unsigned block = run / 2 / 35, count = 1 + run / 2 % 35;
        if (block + count > 35) continue; /* the last one stays, and tells how long the log was */
        lose_mended(begin_anew(state), block, count, run % 2);
    }
}

/* A claim is lost before the log was as long again. The mark knows of it, or nobody does. */
static void r16__a_lost_claim_is_not_forgotten(void **state)
{
    for (int is_marked = 0; is_marked < 2; is_marked++) {
        folder *f = begin_anew(state);
        append_upto(f, 40);
        flip(f, 1, OFFSET_OF(10));
        restart(f);
        append_upto(f, 30);
        close_log(f);
        if (!is_marked) fake_disk_remove(f->disk, "mark");
        for (unsigned slot = 11; slot <= 40; slot++) flip(f, 1, OFFSET_OF(slot));
        flip(f, 2, 0);
        open_log(f);
        assert_int_equal(f->claim.is_unsure, !is_marked);
        assert_int_equal(f->claim.length, is_marked ? 40 : 30);
        check_read_all(f);
        check_salvage(f, 30);
    }
}

/* Of the claim its header is left: that there was one, and not what it claimed. */
static void r16__a_claim_that_lost_its_payload_leaves_a_doubt(void **state)
{
    for (int is_marked = 0; is_marked < 2; is_marked++) {
        folder *f = begin_anew(state);
        append_upto(f, 40);
        flip(f, 1, OFFSET_OF(10));
        restart(f);
        append_upto(f, 30);
        close_log(f);
        if (!is_marked) fake_disk_remove(f->disk, "mark");
        for (unsigned slot = 11; slot <= 40; slot++) flip(f, 1, OFFSET_OF(slot));
        flip(f, 2, PX_RECORD_HEADER_BYTES);
        open_log(f);
        assert_true(f->claim.is_unsure || f->claim.length == 40);
        check_read_all(f);
        check_salvage(f, 30);
    }
}

/* Opens a log of which only the small state says that it was longer. */
static void open_in_doubt(folder *f)
{
    f->chosen_max = 5;
    append_upto(f, 20);
    fake_disk_sync(f->disk);
    px_wal_close(f->wal);
    fake_disk_remove(f->disk, "mark");
    open_log(f); /* the small state says how far all was synced */
    px_wal_close(f->wal);
    fake_disk_remove(f->disk, "mark");
    for (unsigned slot = 15; slot <= 20; slot++) flip(f, 1, OFFSET_OF(slot));
    open_log(f);
    assert_true(f->claim.is_unsure);
}

/* The claim stands behind damage now, and only it knows. */
static void r16__the_doubt_of_a_claim_behind_damage_goes_on(void **state)
{
    folder *f = *state;
    open_in_doubt(f);
    close_log(f);
    fake_disk_remove(f->disk, "mark");
    flip(f, 1, OFFSET_OF(10));
    open_log(f);
    assert_int_equal(f->length, 9);
    assert_true(f->claim.is_unsure);
}

/* A cut under a ballot that may not be the accepted one says nothing of that: whatever is found next, the
 * doubt is in it. */
static void r16__a_cut_leaves_the_doubt(void **state)
{
    folder *f = *state;
    open_in_doubt(f);
    const uint64_t after = f->length - 1;
    f->other_from = after + 1;
    for (uint64_t slot = after + 1; slot <= LONG; slot++) f->chains[slot] = entry_of(f, slot).chain;
    const px_entry entry = entry_of(f, after + 1);
    const px_record cut = {
        .kind = PX_RECORD_CUT,
        .cuts = ++f->cuts,
        .chosen = f->chosen_max,
        .log = {after, f->chains[after], 1, &entry},
    };
    px_wal_append(f->wal, (px_ticket){++f->ticket}, &cut);
    px_wal_flush(f->wal);
    fake_disk_complete_all(f->disk);
    append_upto(f, after + 10);
    restart(f);
    flip(f, 2, 4 * BLOCK);
    restart(f);
    assert_non_null(strstr(f->fault.what, "damaged"));
    assert_true(f->claim.is_unsure);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(r16__damage_is_claimed_however_long_the_log_behind_it_is),
        TEST(r16__a_record_that_can_be_read_again_takes_nothing_away),
        TEST(r16__what_was_salvaged_once_is_salvaged_again),
        TEST(r16__rot_where_nothing_is_kept_is_no_damage),
        TEST(r16__what_came_in_its_place_is_not_mixed_with_what_was),
        TEST(r16__what_can_be_read_again_is_not_what_came_in_its_place),
        TEST(r16__what_was_is_not_the_log_where_what_came_in_its_place_is_lost),
        TEST(r16__a_lost_claim_is_not_forgotten),
        TEST(r16__a_claim_that_lost_its_payload_leaves_a_doubt),
        TEST(r16__the_doubt_of_a_claim_behind_damage_goes_on),
        TEST(r16__a_cut_leaves_the_doubt),
    };
    return cmocka_run_group_tests_name("salvage", tests, NULL, NULL);
}
