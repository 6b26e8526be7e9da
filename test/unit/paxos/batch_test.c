/* batch_test.c - what goes into a body comes out of it, and no other bytes pass for one. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/batch.h"

#include "base/prng.h"
#include "paxos/entry.h"
#include "paxos/little_endian.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define LIMIT 1024u

/* Two runs: "a", "", "bcd" of holder 5 from sequence 9 on, "xy" of holder 6. */
static size_t make_batch(uint8_t *body)
{
    static const uint32_t lengths[] = {1, 0, 3, 2};
    px_batch_put_header(body, 2, 4);
    px_batch_put_run(body, 0,
                     &(px_run){.holder = 5, .sequence = 9, .count = 3, .size_bytes = 4, .origin = 2});
    px_batch_put_run(body, 1,
                     &(px_run){.holder = 6, .sequence = 1, .count = 1, .size_bytes = 2, .origin = 0});
    uint8_t *at = body + PX_BATCH_HEADER_BYTES + 2 * PX_RUN_HEADER_BYTES;
    for (size_t i = 0; i < 4; i++, at += PX_LENGTH_BYTES) px_u32_store(at, lengths[i]);
    memcpy(at, "abcdxy", 6);
    return (size_t)(at + 6 - body);
}

/* Opens a copy that ends where the heap block ends, so that a sanitizer sees a byte read too many. */
static px_err open_copy(const uint8_t *body, size_t size_bytes)
{
    uint8_t *const copy = malloc(size_bytes ? size_bytes : 1);
    assert_non_null(copy);
    memcpy(copy, body, size_bytes);
    px_batch batch;
    const px_err err = px_batch_open((px_bytes){copy, size_bytes}, LIMIT, &batch);
    free(copy);
    return err;
}

static void batch__opens_as_it_was_laid_out(void **state)
{
    (void)state;
    uint8_t body[256];
    const size_t size_bytes = make_batch(body);
    assert_int_equal(size_bytes, px_batch_size_bytes(2, 4, 6));
    px_batch batch;
    assert_int_equal(px_batch_open((px_bytes){body, size_bytes}, LIMIT, &batch), PX_OK);
    assert_int_equal(batch.run_count, 2);
    assert_int_equal(batch.message_count, 4);
    const px_run first = px_batch_run(&batch, 0), second = px_batch_run(&batch, 1);
    assert_int_equal(first.holder, 5);
    assert_int_equal(first.sequence, 9);
    assert_int_equal(first.count, 3);
    assert_int_equal(first.size_bytes, 4);
    assert_int_equal(first.origin, 2);
    assert_int_equal(second.holder, 6);
    assert_int_equal(second.count, 1);
    assert_int_equal(px_batch_length(&batch, 0), 1);
    assert_int_equal(px_batch_length(&batch, 1), 0);
    assert_int_equal(px_batch_length(&batch, 2), 3);
    assert_int_equal(px_batch_length(&batch, 3), 2);
    assert_int_equal(batch.payloads.size_bytes, 6);
    assert_memory_equal(batch.payloads.data, "abcdxy", 6);
}

static void batch__cut_short_anywhere_or_with_a_byte_more_is_refused(void **state)
{
    (void)state;
    uint8_t body[256] = {0};
    const size_t size_bytes = make_batch(body);
    for (size_t cut = 0; cut < size_bytes; cut++) assert_int_equal(open_copy(body, cut), PX_ERR_MALFORMED);
    assert_int_equal(open_copy(body, size_bytes), PX_OK);
    assert_int_equal(open_copy(body, size_bytes + 1), PX_ERR_MALFORMED);
}

/* Sets the u32 at `offset` of a good batch. */
static px_err open_with_u32(size_t offset, uint32_t number)
{
    uint8_t body[256];
    const size_t size_bytes = make_batch(body);
    px_u32_store(body + offset, number);
    return open_copy(body, size_bytes);
}

static void batch__numbers_that_do_not_agree_are_refused(void **state)
{
    (void)state;
    const size_t run = PX_BATCH_HEADER_BYTES, lengths = run + 2 * PX_RUN_HEADER_BYTES;
    assert_int_equal(open_with_u32(0, 2), PX_OK);
    assert_int_equal(open_with_u32(0, 0), PX_ERR_MALFORMED);
    assert_int_equal(open_with_u32(0, 1), PX_ERR_MALFORMED);
    assert_int_equal(open_with_u32(0, 3), PX_ERR_MALFORMED);
    assert_int_equal(open_with_u32(0, UINT32_MAX), PX_ERR_MALFORMED);
    assert_int_equal(open_with_u32(4, 0), PX_ERR_MALFORMED);
    assert_int_equal(open_with_u32(4, 3), PX_ERR_MALFORMED);
    assert_int_equal(open_with_u32(4, UINT32_MAX), PX_ERR_MALFORMED);
    assert_int_equal(open_with_u32(run, 0), PX_ERR_MALFORMED); /* holder */
    assert_int_equal(open_with_u32(run + 4, 1u << 30), PX_ERR_MALFORMED);
    assert_int_equal(open_with_u32(run + 8, 0), PX_ERR_MALFORMED); /* sequence */
    assert_int_equal(open_with_u32(run + 12, 1u << 30), PX_ERR_MALFORMED);
    assert_int_equal(open_with_u32(run + 16, 0), PX_ERR_MALFORMED); /* count */
    assert_int_equal(open_with_u32(run + 16, 2), PX_ERR_MALFORMED);
    assert_int_equal(open_with_u32(run + 16, 4), PX_ERR_MALFORMED);
    assert_int_equal(open_with_u32(run + 16, UINT32_MAX), PX_ERR_MALFORMED);
    assert_int_equal(open_with_u32(run + 20, 3), PX_ERR_MALFORMED); /* size */
    assert_int_equal(open_with_u32(run + 20, 5), PX_ERR_MALFORMED);
    assert_int_equal(open_with_u32(run + 24, PX_MEMBERS_MAX), PX_ERR_MALFORMED);
    assert_int_equal(open_with_u32(run + 28, 1), PX_ERR_MALFORMED); /* the zero */
    assert_int_equal(open_with_u32(lengths, 2), PX_ERR_MALFORMED);
    assert_int_equal(open_with_u32(lengths, UINT32_MAX), PX_ERR_MALFORMED);
}

/* A length that belongs to no run is room for bytes that nobody would look at. */
static void batch__a_message_of_no_run_is_refused(void **state)
{
    (void)state;
    uint8_t body[256];
    const size_t size_bytes = make_batch(body);
    uint8_t *const payloads = body + px_batch_size_bytes(2, 4, 0);
    memmove(payloads + PX_LENGTH_BYTES, payloads, 6);
    px_u32_store(payloads, 0);
    px_u32_store(body + 4, 5);
    assert_int_equal(open_copy(body, size_bytes + PX_LENGTH_BYTES), PX_ERR_MALFORMED);
    px_u32_store(body + PX_BATCH_HEADER_BYTES + PX_RUN_HEADER_BYTES + 16, 2);
    assert_int_equal(open_copy(body, size_bytes + PX_LENGTH_BYTES), PX_OK);
}

/* Lengths of u32 whose sum is right modulo 2^32 must not pass. */
static void batch__lengths_that_wrap_are_refused(void **state)
{
    (void)state;
    uint8_t body[256];
    const size_t size_bytes = make_batch(body);
    const size_t lengths = PX_BATCH_HEADER_BYTES + 2 * PX_RUN_HEADER_BYTES;
    px_u32_store(body + lengths, 0x80000000u);
    px_u32_store(body + lengths + 4, 0x80000000u);
    px_u32_store(body + lengths + 8, 4);
    px_batch batch;
    assert_int_equal(px_batch_open((px_bytes){body, size_bytes}, UINT32_MAX, &batch), PX_ERR_MALFORMED);
}

static void batch__payload_over_the_limit_is_refused(void **state)
{
    (void)state;
    uint8_t body[256];
    const size_t size_bytes = make_batch(body);
    px_batch batch;
    assert_int_equal(px_batch_open((px_bytes){body, size_bytes}, 3, &batch), PX_OK);
    assert_int_equal(px_batch_open((px_bytes){body, size_bytes}, 2, &batch), PX_ERR_MALFORMED);
}

static void batch__more_runs_than_allowed_are_refused(void **state)
{
    (void)state;
    for (uint32_t count = PX_BATCH_RUNS_MAX; count <= PX_BATCH_RUNS_MAX + 1; count++) {
        const size_t size_bytes = px_batch_size_bytes(count, count, 0);
        uint8_t *const body = calloc(1, size_bytes);
        assert_non_null(body);
        px_batch_put_header(body, PX_BATCH_RUNS_MAX, count);
        px_u32_store(body, count);
        const px_run run = {.holder = 1, .sequence = 1, .count = 1};
        for (uint32_t i = 0; i < PX_BATCH_RUNS_MAX; i++) px_batch_put_run(body, i, &run);
        memmove(body + PX_BATCH_HEADER_BYTES + (size_t)(count - 1) * PX_RUN_HEADER_BYTES,
                body + PX_BATCH_HEADER_BYTES, PX_RUN_HEADER_BYTES);
        assert_int_equal(open_copy(body, size_bytes), count == PX_BATCH_RUNS_MAX ? PX_OK : PX_ERR_MALFORMED);
        free(body);
    }
}

static void batch__is_not_written_when_refused(void **state)
{
    (void)state;
    px_batch batch = {.run_count = 77};
    assert_int_equal(px_batch_open((px_bytes){(const uint8_t *)"", 0}, LIMIT, &batch), PX_ERR_MALFORMED);
    assert_int_equal(batch.run_count, 77);
}

/* Whatever a changed body says, walking what was opened stays inside it. */
static void batch__changed_bytes_never_lead_outside(void **state)
{
    (void)state;
    px_prng prng;
    px_prng_init(&prng, 1);
    uint8_t good[256];
    const size_t size_bytes = make_batch(good);
    uint8_t *const body = malloc(size_bytes);
    assert_non_null(body);
    uint32_t opened = 0;
    for (uint32_t round = 0; round < 200000; round++) {
        memcpy(body, good, size_bytes);
        const uint64_t changes = 1 + px_prng_below(&prng, 3);
        for (uint64_t i = 0; i < changes; i++)
            body[px_prng_below(&prng, size_bytes)] = (uint8_t)px_prng_below(&prng, 6);
        px_batch batch;
        if (px_batch_open((px_bytes){body, size_bytes}, LIMIT, &batch) != PX_OK) continue;
        opened++;
        uint64_t messages = 0, payload_bytes = 0, lengths = 0;
        for (uint32_t i = 0; i < batch.run_count; i++) {
            messages += px_batch_run(&batch, i).count;
            payload_bytes += px_batch_run(&batch, i).size_bytes;
        }
        for (uint32_t i = 0; i < batch.message_count; i++) lengths += px_batch_length(&batch, i);
        assert_int_equal(messages, batch.message_count);
        assert_int_equal(payload_bytes, batch.payloads.size_bytes);
        assert_int_equal(lengths, payload_bytes);
        assert_ptr_equal(batch.payloads.data + batch.payloads.size_bytes, body + size_bytes);
    }
    assert_true(opened > 1000);
    free(body);
}

static px_opening make_opening(void)
{
    return (px_opening){
        .opener = {.storage_id = UINT64_MAX, .run = 3, .counter = 4},
        .origin = 6,
        .kind = PX_SESSION_CLIENT,
        .name = {(const uint8_t *)"na\0me", 5},
    };
}

static px_err open_opening_copy(const uint8_t *body, size_t size_bytes)
{
    uint8_t *const copy = malloc(size_bytes ? size_bytes : 1);
    assert_non_null(copy);
    memcpy(copy, body, size_bytes);
    px_opening opening;
    const px_err err = px_opening_open((px_bytes){copy, size_bytes}, &opening);
    free(copy);
    return err;
}

static void opening__opens_as_it_was_put(void **state)
{
    (void)state;
    uint8_t space[PX_OPENING_BYTES_MAX];
    const px_opening put = make_opening();
    const size_t size_bytes = px_opening_put(&put, space);
    assert_int_equal(size_bytes, 37);
    px_opening opening;
    assert_int_equal(px_opening_open((px_bytes){space, size_bytes}, &opening), PX_OK);
    assert_true(opening.opener.storage_id == UINT64_MAX);
    assert_int_equal(opening.opener.run, 3);
    assert_int_equal(opening.opener.counter, 4);
    assert_int_equal(opening.origin, 6);
    assert_int_equal(opening.kind, PX_SESSION_CLIENT);
    assert_int_equal(opening.name.size_bytes, 5);
    assert_memory_equal(opening.name.data, "na\0me", 5);
}

static void opening__of_a_wrong_size_or_field_is_refused(void **state)
{
    (void)state;
    uint8_t space[PX_OPENING_BYTES_MAX + 1] = {0};
    const px_opening put = make_opening();
    const size_t size_bytes = px_opening_put(&put, space);
    for (size_t cut = 0; cut < size_bytes; cut++)
        assert_int_equal(open_opening_copy(space, cut), PX_ERR_MALFORMED);
    assert_int_equal(open_opening_copy(space, size_bytes + 1), PX_ERR_MALFORMED);
    static const struct {
        size_t offset;
        uint8_t byte;
    } faults[] = {{15, 0x40}, {23, 0x40}, {24, PX_MEMBERS_MAX}, {27, 1}, {28, 0}, {28, 3}, {29, 1},
                  {30, 4},    {31, 1}};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        uint8_t bad[PX_OPENING_BYTES_MAX];
        memcpy(bad, space, size_bytes);
        bad[faults[i].offset] = faults[i].byte;
        assert_int_equal(open_opening_copy(bad, size_bytes), PX_ERR_MALFORMED);
    }
}

static void opening__name_has_one_byte_to_its_limit(void **state)
{
    (void)state;
    static uint8_t name[PX_SESSION_NAME_BYTES_MAX + 1];
    uint8_t space[PX_OPENING_BYTES_MAX + 1] = {0};
    px_opening put = make_opening();
    put.name = (px_bytes){name, PX_SESSION_NAME_BYTES_MAX};
    assert_int_equal(px_opening_put(&put, space), PX_OPENING_BYTES_MAX);
    assert_int_equal(open_opening_copy(space, PX_OPENING_BYTES_MAX), PX_OK);
    px_u16_store(space + 30, PX_SESSION_NAME_BYTES_MAX + 1);
    assert_int_equal(open_opening_copy(space, PX_OPENING_BYTES_MAX + 1), PX_ERR_MALFORMED);
    px_u16_store(space + 30, 0);
    assert_int_equal(open_opening_copy(space, 32), PX_ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch__opens_as_it_was_laid_out),
        cmocka_unit_test(batch__cut_short_anywhere_or_with_a_byte_more_is_refused),
        cmocka_unit_test(batch__numbers_that_do_not_agree_are_refused),
        cmocka_unit_test(batch__a_message_of_no_run_is_refused),
        cmocka_unit_test(batch__lengths_that_wrap_are_refused),
        cmocka_unit_test(batch__payload_over_the_limit_is_refused),
        cmocka_unit_test(batch__more_runs_than_allowed_are_refused),
        cmocka_unit_test(batch__is_not_written_when_refused),
        cmocka_unit_test(batch__changed_bytes_never_lead_outside),
        cmocka_unit_test(opening__opens_as_it_was_put),
        cmocka_unit_test(opening__of_a_wrong_size_or_field_is_refused),
        cmocka_unit_test(opening__name_has_one_byte_to_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
