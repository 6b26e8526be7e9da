/* verify_test.c - what `pxctl verify` finds in a log that is sound, torn, or damaged in any of its parts.
 *
 * Meaning    A log with every kind of entry is written group by group, each group a slot, and closed. Then a
 *            copy of its disk is spoiled, and looked at: verify says the first fault and how far the log is
 *            sound, the survey says every place.
 * Source     log-format.md; spec.md §6; [R15, R16]. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/assert.h"
#include "failing_disk.h"
#include "paxos/batch.h"
#include "paxos/configuration.h"
#include "support/fake_disk.h"
#include "wal/record.h"
#include "wal/survey.h"
#include "wal/verify.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 4096u
#define SEGMENT_BYTES (4u * BLOCK)
#define SLOTS 11u
#define MESSAGES 7u /* in them */
#define FAULTS_MAX 8u
#define SEGMENT_1 "0000000000000001.log"
#define SEGMENT_2 "0000000000000002.log"
#define SEGMENT_3 "0000000000000003.log"

/* ---- writing a log ---- */

typedef struct {
    fake_disk *disk;
    px_wal *wal;
    px_state state;
    uint64_t slot, index_next, tickets;
    bool is_hashed_wrong; /* its slots have not the bodies that they say */
    px_hash chain;
} writer;

static void on_stored(px_wal_events *events, px_ticket upto)
{
    (void)events, (void)upto;
}

static void on_failed(px_wal_events *events, px_err err, const char *where)
{
    (void)events;
    fail_msg("%s: %s", where, px_err_text(err));
}

static void on_full(px_wal_events *events, bool is_full)
{
    (void)events;
    assert_false(is_full);
}

static void forget(void *context, const px_record *record)
{
    (void)context, (void)record;
}

static px_wal_events events = {on_stored, on_failed, on_full};

static void open_log(writer *of)
{
    const px_wal_config config = {SEGMENT_BYTES, 1u << 20, 7, "node-1", false};
    px_wal_fault fault;
    const px_err err =
        px_wal_open(fake_disk_port(of->disk), &config, &events, NULL, forget, &of->wal, &of->state, &fault);
    assert_int_equal(err, PX_OK);
}

static void settle(writer *of)
{
    do px_wal_flush(of->wal);
    while (fake_disk_complete(of->disk));
}

static void close_log(writer *of)
{
    px_wal_close(of->wal);
    of->wal = NULL;
}

/* Stages the next slot, as the first message of which `index` is said. */
static void stage(writer *of, px_entry_kind kind, uint32_t messages, uint64_t index, px_bytes body)
{
    px_entry entry = {.slot = of->slot + 1, .kind = kind, .message_count = messages, .index_first = index};
    entry.body = body;
    entry.body_hash = px_hash_of(body.data, body.size_bytes);
    entry.body_hash.low += of->is_hashed_wrong;
    entry.chain = px_entry_chain(of->chain, &entry);
    const px_record record = {
        .kind = PX_RECORD_APPEND,
        .promised = {0, 3, 1},
        .accepted = {0, 3, 1},
        .chosen = of->slot,
        .log = {of->slot, of->chain, 1, &entry},
    };
    px_wal_append(of->wal, (px_ticket){++of->tickets}, &record);
    of->slot++;
    of->chain = entry.chain;
    of->index_next = index + messages;
}

static void put_batch(writer *of)
{
    uint8_t body[200] = {0};
    const px_run run = {1, of->index_next, 1, 1, 0};
    px_batch_put_run(body, 0, &run);
    px_batch_put_header(body, 1, 1);
    body[PX_BATCH_HEADER_BYTES + PX_RUN_HEADER_BYTES] = 1;
    stage(of, PX_ENTRY_BATCH, 1, of->index_next, (px_bytes){body, px_batch_size_bytes(1, 1, 1)});
}

static void put_opening(writer *of)
{
    uint8_t body[PX_OPENING_BYTES_MAX];
    const px_opening opening = {{7, 1, of->slot + 1}, 0, PX_SESSION_MEMBER, {(const uint8_t *)"o", 1}};
    stage(of, PX_ENTRY_OPEN, 0, of->index_next, (px_bytes){body, px_opening_put(&opening, body)});
}

static void put_change(writer *of)
{
    uint8_t body[PX_CONFIGURATION_BYTES_MAX];
    const px_configuration change = {1, 2, 3, 12, {10, 11, 13}};
    stage(of, PX_ENTRY_CONFIG, 0, of->index_next, (px_bytes){body, px_configuration_put(&change, body)});
}

static writer begin(void)
{
    writer of = {.disk = fake_disk_make(3), .index_next = 1};
    open_log(&of);
    return of;
}

/* Eleven slots in three segments, each in a block of its own. */
static writer write_log(void)
{
    writer of = begin();
    for (uint32_t slot = 1; slot <= SLOTS; slot++) {
        if (slot % 4 == 1)
            put_opening(&of);
        else if (slot == 4)
            put_change(&of);
        else
            put_batch(&of);
        settle(&of);
    }
    close_log(&of);
    fake_disk_sync(of.disk);
    return of;
}

/* ---- spoiling it ---- */

/* Of slot s: its segment, and the block in it. */
static void spoil(fake_disk *disk, uint32_t slot, uint64_t offset)
{
    char name[32];
    (void)snprintf(name, sizeof name, "%016x.log", 1 + (slot - 1) / 4);
    fake_disk_flip(disk, name, (slot - 1) % 4 * (uint64_t)BLOCK + offset, 0x10);
}

static void spoil_header(fake_disk *disk, uint32_t slot)
{
    spoil(disk, slot, 130);
}

static void spoil_payload(fake_disk *disk, uint32_t slot)
{
    spoil(disk, slot, PX_RECORD_HEADER_BYTES + 75);
}

typedef struct {
    px_wal_report report;
    px_wal_fault fault;
    px_err err;
    px_wal_fault faults[FAULTS_MAX]; /* of the survey */
    uint32_t count;
} findings;

static void add_fault(void *context, const px_wal_fault *fault)
{
    findings *found = context;
    assert_true(found->count < FAULTS_MAX);
    found->faults[found->count++] = *fault;
}

/* The survey changes nothing; verify works as a start, on a disk of its own. */
static findings look_at(fake_disk *disk)
{
    findings found = {.count = 0};
    const uint64_t before = fake_disk_digest(disk);
    assert_int_equal(px_wal_survey(fake_disk_port(disk), &found, add_fault), PX_OK);
    assert_true(fake_disk_digest(disk) == before);
    found.err = px_wal_verify(fake_disk_port(disk), &found.report, &found.fault);
    fake_disk_free(disk);
    return found;
}

static void check_place(const px_wal_fault *fault, const char *where, const char *what)
{
    if (!strstr(fault->where, where) || !strstr(fault->what, what))
        fail_msg("%s: %s, instead of %s: %s", fault->where, fault->what, where, what);
}

static int setup(void **state)
{
    writer *of = malloc(sizeof *of);
    *of = write_log();
    *state = of;
    return 0;
}

static int teardown(void **state)
{
    fake_disk_free(((writer *)*state)->disk);
    free(*state);
    return 0;
}

static fake_disk *copy_of(void **state)
{
    return fake_disk_clone(((const writer *)*state)->disk, 5);
}

/* ---- what is sound ---- */

static void verify__a_sound_log_is_reported_in_full(void **state)
{
    const writer *of = *state;
    const findings found = look_at(copy_of(state));
    assert_int_equal(found.err, PX_OK);
    assert_string_equal(found.fault.where, "");
    assert_int_equal(found.count, 0);
    assert_int_equal(found.report.slots, SLOTS);
    assert_int_equal(found.report.messages, MESSAGES);
    assert_int_equal(found.report.chosen, SLOTS - 1);
    assert_true(px_hash_equal(found.report.chain, of->chain));
    assert_int_equal(found.report.state_good, 2);
    assert_string_equal(found.report.state.self, "node-1");
}

static void verify__a_folder_without_a_log_is_told(void **state)
{
    fake_disk *disk = copy_of(state);
    fake_disk_wipe(disk);
    const findings found = look_at(disk);
    assert_int_equal(found.err, PX_ERR_NOT_FOUND);
    check_place(&found.fault, "the folder", "no node has kept its log here");
    assert_int_equal(found.count, 0);
}

static void verify__one_copy_of_the_small_state_is_enough(void **state)
{
    static const char *const copies[] = {"state-a", "state-b"};
    for (uint32_t i = 0; i < 2; i++) {
        fake_disk *disk = copy_of(state);
        fake_disk_flip(disk, copies[i], 100, 1);
        const findings found = look_at(disk);
        assert_int_equal(found.err, PX_OK);
        assert_int_equal(found.report.state_good, 1);
        assert_int_equal(found.report.slots, SLOTS);
    }
    fake_disk *disk = copy_of(state);
    fake_disk_remove(disk, "state-a");
    const findings found = look_at(disk);
    assert_int_equal(found.err, PX_OK);
    assert_int_equal(found.report.state_good, 1);
}

static void verify__without_any_small_state_the_log_is_nobodys(void **state)
{
    fake_disk *disk = copy_of(state);
    fake_disk_flip(disk, "state-a", 100, 1);
    fake_disk_flip(disk, "state-b", 100, 1);
    spoil_payload(disk, 6);
    const findings found = look_at(disk);
    assert_int_equal(found.err, PX_ERR_DAMAGED);
    check_place(&found.fault, "state", "");
    assert_int_equal(found.report.state_good, 0);
    assert_int_equal(found.report.slots, 0);
    assert_int_equal(found.count, 1); /* the survey goes by the records themselves */
    check_place(&found.faults[0], SEGMENT_2 " at byte 4096", "payload");
}

static void verify__without_its_mark_a_log_is_as_sound(void **state)
{
    fake_disk *disk = copy_of(state);
    fake_disk_remove(disk, "mark");
    const findings found = look_at(disk);
    assert_int_equal(found.err, PX_OK);
    assert_int_equal(found.report.slots, SLOTS);
    assert_int_equal(found.count, 0);
}

/* A write that never completed: whatever of it there is, nobody was told of it. */
static void verify__a_torn_tail_is_no_damage(void **state)
{
    (void)state;
    for (size_t upto = 0; upto <= BLOCK; upto += 64) {
        writer of = begin();
        put_opening(&of);
        settle(&of);
        put_batch(&of);
        px_wal_flush(of.wal);
        fake_disk_crash_torn(of.disk, 0, upto);
        close_log(&of);
        const findings found = look_at(of.disk);
        assert_int_equal(found.err, PX_OK);
        assert_int_equal(found.count, 0);
        assert_true(found.report.slots == 1 || found.report.slots == 2);
    }
}

/* ---- what is damaged ---- */

typedef struct {
    uint32_t header, payload; /* slots that are spoiled there, as bits */
    uint32_t slots;           /* how far the log is sound */
    uint32_t count;           /* of places */
    struct {
        const char *where, *what;
    } places[3];
} damage;

#define BIT(slot) (1u << (slot))
#define GONE "a record that was on disk is damaged"
#define BODY "the payload of a record that was on disk is damaged"

static const damage damages[] = {
    {BIT(1), 0, 0, 1, {{SEGMENT_1 " at byte 0", GONE}}},
    {BIT(3), 0, 2, 1, {{SEGMENT_1 " at byte 8192", GONE}}},
    {BIT(11), 0, 10, 1, {{SEGMENT_3 " at byte 8192", GONE}}}, /* only the mark knows of it */
    {0, BIT(1), 0, 1, {{SEGMENT_1 " at byte 0", BODY}}},
    {0, BIT(7), 6, 1, {{SEGMENT_2 " at byte 8192", BODY}}},
    {0, BIT(11), 10, 1, {{SEGMENT_3 " at byte 8192", BODY}}},
    {BIT(3) | BIT(4) | BIT(5), 0, 2, 1, {{SEGMENT_1 " at byte 8192", GONE}}}, /* nothing sound between */
    {BIT(3) | BIT(9), 0, 2, 2, {{SEGMENT_1 " at byte 8192", GONE}, {SEGMENT_3 " at byte 0", GONE}}},
    {BIT(2),
     BIT(6) | BIT(10),
     1,
     3,
     {{SEGMENT_1 " at byte 4096", GONE},
      {SEGMENT_2 " at byte 4096", BODY},
      {SEGMENT_3 " at byte 4096", BODY}}},
};

static void verify__every_damaged_place_is_told(void **state)
{
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        const damage *is = &damages[i];
        fake_disk *disk = copy_of(state);
        for (uint32_t slot = 1; slot <= SLOTS; slot++) {
            if (is->header & BIT(slot)) spoil_header(disk, slot);
            if (is->payload & BIT(slot)) spoil_payload(disk, slot);
        }
        const findings found = look_at(disk);
        if (found.count != is->count) fail_msg("damage %zu: %u places", i, found.count);
        for (uint32_t k = 0; k < is->count; k++)
            check_place(&found.faults[k], is->places[k].where, is->places[k].what);
        assert_int_equal(found.err, PX_ERR_DAMAGED);
        assert_string_equal(found.fault.where, found.faults[0].where); /* as a start says it */
        assert_int_equal(found.report.slots, is->slots);
        assert_true(found.report.chosen <= is->slots);
    }
}

static void verify__a_missing_segment_is_told(void **state)
{
    fake_disk *disk = copy_of(state);
    fake_disk_remove(disk, SEGMENT_2);
    spoil_payload(disk, 10);
    const findings found = look_at(disk);
    assert_int_equal(found.err, PX_ERR_DAMAGED);
    assert_int_equal(found.report.slots, 4);
    assert_int_equal(found.count, 2);
    check_place(&found.faults[0], SEGMENT_2 " at byte 0", "this segment is missing, or cannot be opened");
    check_place(&found.faults[1], SEGMENT_3 " at byte 4096", BODY);
}

/* A block that the device gives back no more: what stood in it is gone, the rest is not. */
static void verify__a_block_that_cannot_be_read_is_told(void **state)
{
    fake_disk *disk = copy_of(state);
    fake_disk_fail_read(disk, SEGMENT_2, BLOCK + 100, 8);
    const findings found = look_at(disk);
    assert_int_equal(found.err, PX_ERR_DAMAGED);
    assert_int_equal(found.report.slots, 5);
    assert_int_equal(found.count, 1);
    check_place(&found.faults[0], SEGMENT_2 " at byte 4096", GONE);
}

/* A start found damage and went on behind it; nobody has given it the slots yet. */
static void verify__a_log_that_waits_to_be_mended_is_told(void **state)
{
    writer of = {.disk = copy_of(state)};
    spoil_payload(of.disk, 3);
    open_log(&of);
    close_log(&of);
    findings found = {.count = 0};
    found.err = px_wal_verify(fake_disk_port(of.disk), &found.report, &found.fault);
    assert_int_equal(found.err, PX_ERR_DAMAGED);
    check_place(&found.fault, "slot 3", "it was damaged, and is not mended yet");
    assert_int_equal(found.report.slots, 2);
    fake_disk_free(of.disk);
}

static px_err list_none(px_disk *disk, void *context,
                        void (*each)(void *context, const char *name, uint64_t size_bytes))
{
    (void)disk, (void)context, (void)each;
    return PX_ERR_IO;
}

static px_err open_none(px_disk *disk, const char *name, px_disk_file **file)
{
    (void)disk, (void)name, (void)file;
    return PX_ERR_IO;
}

static void verify__a_folder_that_cannot_be_listed_is_an_error(void **state)
{
    (void)state;
    px_disk disk = {.list = list_none, .open = open_none};
    findings found = {.count = 0};
    assert_int_equal(px_wal_verify(&disk, &found.report, &found.fault), PX_ERR_IO);
    check_place(&found.fault, "the folder", px_err_text(PX_ERR_IO));
    assert_int_equal(px_wal_survey(&disk, &found, add_fault), PX_ERR_IO);
    assert_int_equal(found.count, 0);
}

/* From some call on nothing goes any more, whichever that is: it is said, or all was read before. */
static void verify__a_disk_that_fails_anywhere_is_told(void **state)
{
    uint32_t failed = 0;
    bool has_failed = true;
    for (uint32_t skip = 0; has_failed; skip++) {
        fake_disk *disk = copy_of(state);
        failing_disk port = failing_disk_make(fake_disk_port(disk), skip, PX_ERR_DENIED);
        port.is_lasting = true;
        px_wal_report report;
        px_wal_fault fault;
        const px_err err = px_wal_verify(&port.disk, &report, &fault);
        has_failed = port.has_failed;
        failed += err != PX_OK;
        if (err) assert_true(strlen(fault.where) > 0 && strlen(fault.what) > 0);
        assert_true(err || report.slots == SLOTS);
        fake_disk_free(disk);
    }
    assert_true(failed > 10);
}

/* ---- what was written wrong, and stands there as it was written ---- */

static void check_slot_2(writer *of, const char *what)
{
    settle(of);
    put_opening(of); /* and one more, which is never come to */
    settle(of);
    close_log(of);
    const findings found = look_at(of->disk);
    assert_int_equal(found.err, PX_ERR_DAMAGED);
    check_place(&found.fault, "slot 2", what);
    assert_int_equal(found.report.slots, 1);
    assert_int_equal(found.count, 0);
}

static void verify__a_body_that_is_none_is_told(void **state)
{
    (void)state;
    static const uint8_t nonsense[50] = {9, 9, 9};
    const px_entry_kind kinds[] = {PX_ENTRY_BATCH, PX_ENTRY_OPEN, PX_ENTRY_CONFIG};
    for (uint32_t i = 0; i < 3; i++) {
        writer of = begin();
        put_opening(&of);
        stage(&of, kinds[i], kinds[i] == PX_ENTRY_BATCH, 1, (px_bytes){nonsense, sizeof nonsense});
        check_slot_2(&of, "its body is malformed");
    }
}

static void verify__messages_with_other_numbers_are_told(void **state)
{
    (void)state;
    writer of = begin();
    put_opening(&of);
    of.index_next = 5;
    put_batch(&of);
    check_slot_2(&of, "its messages have other numbers than those before it");
}

static void verify__a_body_that_is_not_the_one_of_the_chain_is_told(void **state)
{
    (void)state;
    writer of = begin();
    put_opening(&of);
    of.is_hashed_wrong = true;
    put_batch(&of);
    check_slot_2(&of, "its chain hash does not follow from what stands before it");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(verify__a_sound_log_is_reported_in_full),
        TEST(verify__a_folder_without_a_log_is_told),
        TEST(verify__one_copy_of_the_small_state_is_enough),
        TEST(verify__without_any_small_state_the_log_is_nobodys),
        TEST(verify__without_its_mark_a_log_is_as_sound),
        TEST(verify__a_torn_tail_is_no_damage),
        TEST(verify__every_damaged_place_is_told),
        TEST(verify__a_missing_segment_is_told),
        TEST(verify__a_block_that_cannot_be_read_is_told),
        TEST(verify__a_log_that_waits_to_be_mended_is_told),
        TEST(verify__a_folder_that_cannot_be_listed_is_an_error),
        TEST(verify__a_disk_that_fails_anywhere_is_told),
        TEST(verify__a_body_that_is_none_is_told),
        TEST(verify__messages_with_other_numbers_are_told),
        TEST(verify__a_body_that_is_not_the_one_of_the_chain_is_told),
    };
    return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
