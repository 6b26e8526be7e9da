/* cid_map_test.c - connections are found by their identifiers, and by no others. */
// SPDX-License-Identifier: Apache-2.0
#include "quic/cid_map.h"

#include "quic/connection.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define CIDS 1000u

static px_cid_map map;
static px_connection connections[4];

static ngtcp2_cid cid_of(uint32_t number, size_t size_bytes)
{
    uint8_t bytes[NGTCP2_MAX_CIDLEN] = {(uint8_t)number, (uint8_t)(number >> 8), 7};
    ngtcp2_cid cid;
    ngtcp2_cid_init(&cid, bytes, size_bytes);
    return cid;
}

static px_connection *find(uint32_t number, size_t size_bytes)
{
    const ngtcp2_cid cid = cid_of(number, size_bytes);
    return px_cid_map_find(&map, cid.data, cid.datalen);
}

static void cid_map__each_identifier_finds_its_connection(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < CIDS; i++) {
        const ngtcp2_cid cid = cid_of(i, 8);
        assert_null(find(i, 8));
        assert_true(px_cid_map_add(&map, &cid, &connections[i % 4]));
    }
    for (uint32_t i = 0; i < CIDS; i++) assert_ptr_equal(find(i, 8), &connections[i % 4]);
    for (uint32_t i = 0; i < CIDS; i += 2) {
        const ngtcp2_cid cid = cid_of(i, 8);
        px_cid_map_remove(&map, &cid);
        px_cid_map_remove(&map, &cid);
    }
    for (uint32_t i = 0; i < CIDS; i++) assert_ptr_equal(find(i, 8), i % 2 ? &connections[i % 4] : NULL);
    px_cid_map_forget(&map, &connections[1]);
    for (uint32_t i = 0; i < CIDS; i++) assert_ptr_equal(find(i, 8), i % 4 == 3 ? &connections[3] : NULL);
    px_cid_map_forget(&map, &connections[3]);
    for (uint32_t i = 0; i < PX_CID_BUCKETS; i++) assert_null(map.buckets[i]);
}

static void cid_map__the_length_counts(void **state)
{
    (void)state;
    const ngtcp2_cid cid = cid_of(1, 8);
    assert_true(px_cid_map_add(&map, &cid, &connections[0]));
    assert_null(find(1, 7));
    assert_null(find(1, 9));
    assert_null(find(1, 0));
    px_cid_map_forget(&map, &connections[0]);
}

static void cid_map__who_has_an_identifier_keeps_it(void **state)
{
    (void)state;
    const ngtcp2_cid cid = cid_of(1, 8);
    assert_true(px_cid_map_add(&map, &cid, &connections[0]));
    assert_true(px_cid_map_add(&map, &cid, &connections[1]));
    assert_ptr_equal(find(1, 8), &connections[0]);
    px_cid_map_forget(&map, &connections[0]);
    assert_null(find(1, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cid_map__each_identifier_finds_its_connection),
        cmocka_unit_test(cid_map__the_length_counts),
        cmocka_unit_test(cid_map__who_has_an_identifier_keeps_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
