/* record_test.c - a record is read back as it was written; nothing else is taken for one. [log-format.md] */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "paxos/entry.h"
#include "wal/record.h"
#include <string.h>

/* Where log-format.md has them. */
#define KIND_AT 6u
#define CRC_AT 188u
#define ENTRY_SLOT_AT 0u
#define ENTRY_SIZE_AT 64u
#define BODY_BYTES 20u
#define ENTRIES 2u

typedef struct {
    uint8_t bytes[1024];
    px_record_header header;
    px_entry entries[ENTRIES];
} written;

static void put_u32(uint8_t *at, uint32_t value)
{
    for (unsigned byte = 0; byte < 4; byte++) at[byte] = (uint8_t)(value >> 8 * byte);
}

/* Slots 4 and 5 behind a third. */
static written write_record(void)
{
    static const uint8_t body[BODY_BYTES] = "some body of a slot";
    written of = {.header = {.node = 7, .kind = PX_RECORD_APPEND, .after = 3, .after_chain = {1, 2}}};
    px_entry entries[ENTRIES];
    px_hash chain = of.header.after_chain;
    for (uint32_t i = 0; i < ENTRIES; i++) {
        entries[i] =
            (px_entry){.slot = 4 + i, .kind = PX_ENTRY_BATCH, .message_count = 1, .index_first = 9 + i};
        entries[i].body = (px_bytes){body, BODY_BYTES};
        entries[i].body_hash = px_hash_of(body, BODY_BYTES);
        entries[i].chain = chain = px_entry_chain(chain, &entries[i]);
    }
    const px_log_part log = {3, of.header.after_chain, ENTRIES, entries};
    px_record_encode(&of.header, &log, of.bytes);
    const px_record_seal seal = {{1, 4096}, {1, 4000}, 55};
    (void)px_record_put_seal(of.bytes, seal);
    assert_int_equal(px_record_decode_header(of.bytes, &of.header), PX_OK);
    return of;
}

static uint8_t *payload_of(written *of)
{
    return of->bytes + PX_RECORD_HEADER_BYTES;
}

static void check_refused(written *of)
{
    assert_int_equal(px_record_decode_entries(&of->header, payload_of(of), of->entries), PX_ERR_MALFORMED);
}

static void record__what_is_written_is_read(void **state)
{
    (void)state;
    written of = write_record();
    assert_int_equal(of.header.kind, PX_RECORD_APPEND);
    assert_true(of.header.place.segment == 1 && of.header.place.offset == 4096);
    assert_true(of.header.synced.segment == 1 && of.header.synced.offset == 4000);
    assert_true(of.header.before == 55 && of.header.node == 7 && of.header.after == 3);
    assert_true(px_record_is_payload(&of.header, payload_of(&of)));
    assert_int_equal(px_record_decode_entries(&of.header, payload_of(&of), of.entries), PX_OK);
    assert_int_equal(of.entries[1].slot, 5);
    assert_int_equal(of.entries[1].index_first, 10);
    assert_int_equal(of.entries[1].body.size_bytes, BODY_BYTES);
    assert_true(px_hash_equal(of.entries[1].chain, of.header.chain));
}

static void record__a_flipped_bit_of_a_header_is_found(void **state)
{
    (void)state;
    written of = write_record();
    px_record_header header;
    for (uint32_t bit = 0; bit < 8 * PX_RECORD_HEADER_BYTES; bit++) {
        of.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(px_record_decode_header(of.bytes, &header), PX_ERR_MALFORMED);
        of.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(px_record_decode_header(of.bytes, &header), PX_OK);
}

/* Of a later px, or of somebody who counts checksums right. */
static void record__a_kind_that_is_none_is_refused(void **state)
{
    (void)state;
    const px_record_kind kinds[] = {(px_record_kind)0, PX_RECORD_PROMISE,
                                    (px_record_kind)(PX_RECORD_CLAIM + 1)};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        written of = write_record();
        of.bytes[KIND_AT] = (uint8_t)kinds[i];
        put_u32(of.bytes + CRC_AT, px_crc32c(0, of.bytes, CRC_AT));
        assert_int_equal(px_record_decode_header(of.bytes, &of.header), PX_ERR_MALFORMED);
    }
}

static void record__entries_that_do_not_add_up_are_refused(void **state)
{
    (void)state;
    written of = write_record();
    of.header.payload_bytes = PX_RECORD_ENTRY_BYTES - 1; /* no room for an entry */
    check_refused(&of);
    of = write_record();
    of.header.payload_bytes -= 1; /* the last body is cut short */
    check_refused(&of);
    of = write_record();
    of.header.payload_bytes += 1; /* something behind the last */
    check_refused(&of);
    of = write_record();
    put_u32(payload_of(&of) + ENTRY_SIZE_AT, 1000); /* a body beyond the end */
    check_refused(&of);
    of = write_record();
    payload_of(&of)[ENTRY_SLOT_AT]++; /* another slot than is next */
    check_refused(&of);
    of = write_record();
    of.header.after_chain.low++; /* behind another log */
    check_refused(&of);
    of = write_record();
    of.header.chain.low++; /* leads elsewhere than is said */
    check_refused(&of);
    of = write_record();
    of.header.count = 1;
    check_refused(&of);
}

static void record__a_claim_is_read_back_and_nothing_else_is_one(void **state)
{
    (void)state;
    uint8_t bytes[PX_RECORD_CLAIM_BYTES];
    const px_claim claim = {.length = 9, .chosen = 5, .chain = {3, 4}, .is_unsure = true};
    px_record_header header = {.node = 7, .after = 2, .after_chain = {1, 2}};
    px_claim read;
    px_record_encode_claim(&header, &claim, bytes);
    const uint8_t *payload = bytes + PX_RECORD_HEADER_BYTES;
    assert_int_equal(px_record_decode_claim(&header, payload, &read), PX_OK);
    assert_true(read.length == 9 && read.chosen == 5 && read.is_unsure &&
                px_hash_equal(read.chain, claim.chain));
    header.payload_bytes--;
    assert_int_equal(px_record_decode_claim(&header, payload, &read), PX_ERR_MALFORMED);
    header.payload_bytes++;
    header.kind = PX_RECORD_SPLICE;
    assert_int_equal(px_record_decode_claim(&header, payload, &read), PX_ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record__what_is_written_is_read),
        cmocka_unit_test(record__a_flipped_bit_of_a_header_is_found),
        cmocka_unit_test(record__a_kind_that_is_none_is_refused),
        cmocka_unit_test(record__entries_that_do_not_add_up_are_refused),
        cmocka_unit_test(record__a_claim_is_read_back_and_nothing_else_is_one),
    };
    return cmocka_run_group_tests_name("records", tests, NULL, NULL);
}
