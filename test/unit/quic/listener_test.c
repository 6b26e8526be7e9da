/* listener_test.c - what an open port answers to strangers. [Q21, Q25, Q26] */
// SPDX-License-Identifier: Apache-2.0
#include "quic/listener.h"

#include "stranger.h"
#include "world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#define SECOND_US 1000000u
#define VISITORS_MAX 20u

static world at;

/* A bare socket that keeps the last answer. */
typedef struct {
    px_dgram_events events; /* first */
    px_dgram_socket *socket;
    uint8_t answer[2048];
    size_t answer_bytes;
    uint32_t answers;
} bare;

static bare raw;
static stranger visitors[VISITORS_MAX];
static uint32_t visitor_count;

static void on_run(px_dgram_events *events, const px_dgram_run *run)
{
    bare *at_raw = (bare *)events;
    at_raw->answers++;
    at_raw->answer_bytes = run->size_bytes < sizeof at_raw->answer ? run->size_bytes : sizeof at_raw->answer;
    memcpy(at_raw->answer, run->data, at_raw->answer_bytes);
}

static void on_round(px_dgram_events *events, bool more)
{
    (void)events;
    (void)more;
}

static void on_nothing(px_dgram_events *events)
{
    (void)events;
}

static void open_listener(void)
{
    world_open(&at, 2);
    at.hosts[0].config.servers[0].port = 9; /* nobody there: it only listens */
    at.hosts[0].config.retry_delay_us = 3600u * (uint64_t)SECOND_US;
    host_start(&at.hosts[0]);
    px_dgram_query query = {.host = "127.0.0.1", .port = at.hosts[0].config.bind_port};
    assert_int_equal(at.dgrams->resolve(at.dgrams, &query), PX_OK);
    raw = (bare){.events = {on_run, on_round, on_nothing, on_nothing}};
    assert_int_equal(at.dgrams->open(at.dgrams, NULL, &query.addresses[0], 0, &raw.events, &raw.socket),
                     PX_OK);
    visitor_count = 0;
}

static void close_listener(void)
{
    for (uint32_t i = 0; i < visitor_count; i++) stranger_close(&visitors[i]);
    at.dgrams->close(at.dgrams, raw.socket);
    world_close(&at);
}

static void send_raw(uint8_t *bytes, size_t size_bytes)
{
    const px_dgram_run run = {.data = bytes, .size_bytes = size_bytes, .segment_bytes = size_bytes};
    size_t sent_bytes = 0;
    assert_int_equal(at.dgrams->send(at.dgrams, raw.socket, &run, &sent_bytes), PX_DGRAM_SENT);
}

static bool has_answer(world *in)
{
    (void)in;
    return raw.answers > 0;
}

static bool never(world *in)
{
    (void)in;
    return false;
}

static void flush_visitors(void)
{
    for (uint32_t i = 0; i < visitor_count; i++) stranger_flush(&visitors[i]);
}

static bool last_visitor_is_ready(world *in)
{
    (void)in;
    flush_visitors();
    return visitors[visitor_count - 1].is_ready;
}

static bool last_visitor_has_ended(world *in)
{
    (void)in;
    flush_visitors();
    return visitors[visitor_count - 1].has_ended;
}

/* Each was complained about. */
static bool all_visitors_are_forgotten(world *in)
{
    uint32_t said = 0;
    for (uint32_t i = 0; i < in->hosts[0].line_count; i++)
        if (strstr(in->hosts[0].lines[i], "a connection from")) said++;
    return said == visitor_count;
}

static void on_run_ignored(px_dgram_events *events, const px_dgram_run *run)
{
    (void)events;
    (void)run;
}

/* ---- without a connection ---- */

static void make_long_header(uint8_t packet[1200], uint32_t version)
{
    memset(packet, 0, 1200);
    packet[0] = 0xc0;
    for (int i = 0; i < 4; i++) packet[1 + i] = (uint8_t)(version >> (24 - 8 * i));
    packet[5] = 8;
    memset(packet + 6, 0xd1, 8);
    packet[14] = 8;
    memset(packet + 15, 0x51, 8);
}

static void listener__an_unknown_version_is_negotiated(void **state)
{
    (void)state;
    open_listener();
    uint8_t packet[1200];
    make_long_header(packet, 0x1a2a3a4a);
    send_raw(packet, sizeof packet);
    assert_true(world_run_until(&at, SECOND_US, has_answer));
    /* Version 0, the identifiers the other way round, and the one version that is spoken. */
    const uint8_t expected[] = {0, 0,    0,    0,    8,    0x51, 0x51, 0x51, 0x51, 0x51, 0x51, 0x51, 0x51,
                                8, 0xd1, 0xd1, 0xd1, 0xd1, 0xd1, 0xd1, 0xd1, 0xd1, 0,    0,    0,    1};
    assert_int_equal(raw.answer_bytes, 1 + sizeof expected);
    assert_true(raw.answer[0] & 0x80);
    assert_memory_equal(raw.answer + 1, expected, sizeof expected);
    close_listener();
}

static void listener__a_short_datagram_negotiates_nothing(void **state)
{
    (void)state;
    open_listener();
    uint8_t packet[1200];
    make_long_header(packet, 0x1a2a3a4a);
    send_raw(packet, 1199);
    assert_false(world_run_until(&at, SECOND_US / 20, has_answer));
    close_listener();
}

static void listener__a_packet_of_a_forgotten_connection_is_reset_by_less(void **state)
{
    (void)state;
    open_listener();
    uint8_t packet[100];
    memset(packet, 0x45, sizeof packet);
    send_raw(packet, 30);
    assert_true(world_run_until(&at, SECOND_US, has_answer));
    assert_true(raw.answer_bytes < 30);
    send_raw(packet, 21);
    raw.answers = 0;
    assert_false(world_run_until(&at, SECOND_US / 20, has_answer));
    send_raw(packet, sizeof packet);
    assert_true(world_run_until(&at, SECOND_US, has_answer));
    assert_true(raw.answer_bytes < sizeof packet);
    assert_int_equal(raw.answer[0] & 0xc0, 0x40);
    close_listener();
}

static void listener__resets_are_the_same_after_a_restart(void **state)
{
    (void)state;
    open_listener();
    uint8_t packet[100], token[16];
    memset(packet, 0x45, sizeof packet);
    send_raw(packet, sizeof packet);
    assert_true(world_run_until(&at, SECOND_US, has_answer));
    memcpy(token, raw.answer + raw.answer_bytes - sizeof token, sizeof token);
    host_kill(&at.hosts[0]);
    host_start(&at.hosts[0]);
    raw.answers = 0;
    send_raw(packet, sizeof packet);
    assert_true(world_run_until(&at, SECOND_US, has_answer));
    assert_memory_equal(raw.answer + raw.answer_bytes - sizeof token, token, sizeof token);
    host_kill(&at.hosts[0]);
    at.hosts[0].config.reset_secret[0] ^= 1;
    host_start(&at.hosts[0]);
    raw.answers = 0;
    send_raw(packet, sizeof packet);
    assert_true(world_run_until(&at, SECOND_US, has_answer));
    assert_memory_not_equal(raw.answer + raw.answer_bytes - sizeof token, token, sizeof token);
    close_listener();
}

static void listener__answers_to_a_flood_are_few(void **state)
{
    (void)state;
    open_listener();
    uint8_t packet[100];
    memset(packet, 0x45, sizeof packet);
    for (uint32_t i = 0; i < 1000; i++) send_raw(packet, sizeof packet);
    assert_false(world_run_until(&at, SECOND_US / 20, never));
    assert_in_range(raw.answers, 50, 200);
    close_listener();
}

static void listener__junk_is_passed_over(void **state)
{
    (void)state;
    open_listener();
    px_prng prng;
    px_prng_init(&prng, 1);
    for (uint32_t i = 0; i < 2000; i++) {
        uint8_t packet[1300];
        const size_t size_bytes = 1 + (size_t)px_prng_below(&prng, sizeof packet);
        for (size_t j = 0; j < size_bytes; j++) packet[j] = (uint8_t)px_prng_next(&prng);
        /* Half of them look like the first packet of this version. */
        if (i % 2 && size_bytes > 30) {
            make_long_header(packet, 1);
            for (size_t j = 23; j < size_bytes; j++) packet[j] = (uint8_t)px_prng_next(&prng);
        }
        send_raw(packet, size_bytes);
        if (i % 50 == 0) (void)world_run_until(&at, 0, has_answer);
    }
    (void)world_run_until(&at, SECOND_US / 20, never);
    /* It still lets in who may come in. */
    stranger_dial(&visitors[visitor_count++], &at.hosts[1], &at.hosts[0]);
    assert_true(world_run_until(&at, 3 * SECOND_US, last_visitor_is_ready));
    close_listener();
}

/* ---- many at once ---- */

/* Begins to dial and hears nothing: half open. */
static void dial_deaf(void)
{
    stranger *visitor = &visitors[visitor_count++];
    stranger_dial(visitor, &at.hosts[1], &at.hosts[0]);
    visitor->events.on_run = on_run_ignored;
    stranger_flush(visitor);
}

static void listener__above_the_limit_who_dials_proves_its_address(void **state)
{
    (void)state;
    open_listener();
    for (uint32_t i = 0; i < PX_HALF_OPEN_PER_MEMBER; i++) dial_deaf();
    (void)world_run_until(&at, SECOND_US / 50, never);
    stranger *visitor = &visitors[visitor_count++];
    stranger_dial(visitor, &at.hosts[1], &at.hosts[0]);
    assert_true(world_run_until(&at, 3 * SECOND_US, last_visitor_is_ready));
    assert_true(ngtcp2_conn_after_retry(visitor->connection->conn));
    close_listener();
}

static void listener__below_the_limit_there_is_no_retry(void **state)
{
    (void)state;
    open_listener();
    stranger *visitor = &visitors[visitor_count++];
    stranger_dial(visitor, &at.hosts[1], &at.hosts[0]);
    assert_true(world_run_until(&at, 3 * SECOND_US, last_visitor_is_ready));
    assert_false(ngtcp2_conn_after_retry(visitor->connection->conn));
    close_listener();
}

static void listener__half_open_connections_go_away(void **state)
{
    (void)state;
    open_listener();
    for (uint32_t i = 0; i < PX_HALF_OPEN_PER_MEMBER; i++) dial_deaf();
    assert_true(world_run_until(&at, 6 * SECOND_US, all_visitors_are_forgotten));
    stranger *visitor = &visitors[visitor_count++];
    stranger_dial(visitor, &at.hosts[1], &at.hosts[0]);
    assert_true(world_run_until(&at, 3 * SECOND_US, last_visitor_is_ready));
    assert_false(ngtcp2_conn_after_retry(visitor->connection->conn));
    close_listener();
}

static void listener__connections_of_one_member_are_bounded(void **state)
{
    (void)state;
    open_listener();
    for (uint32_t i = 0; i < PX_INCOMING_PER_MEMBER_MAX; i++) {
        stranger_dial(&visitors[visitor_count++], &at.hosts[1], &at.hosts[0]);
        assert_true(world_run_until(&at, 3 * SECOND_US, last_visitor_is_ready));
    }
    assert_int_equal(at.hosts[0].in_count, PX_INCOMING_PER_MEMBER_MAX);
    stranger_dial(&visitors[visitor_count++], &at.hosts[1], &at.hosts[0]);
    assert_true(world_run_until(&at, 3 * SECOND_US, last_visitor_has_ended));
    assert_non_null(strstr(visitors[visitor_count - 1].reason.text, "too many connections of this member"));
    assert_int_equal(at.hosts[0].in_count, PX_INCOMING_PER_MEMBER_MAX);
    close_listener();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listener__an_unknown_version_is_negotiated),
        cmocka_unit_test(listener__a_short_datagram_negotiates_nothing),
        cmocka_unit_test(listener__a_packet_of_a_forgotten_connection_is_reset_by_less),
        cmocka_unit_test(listener__resets_are_the_same_after_a_restart),
        cmocka_unit_test(listener__answers_to_a_flood_are_few),
        cmocka_unit_test(listener__junk_is_passed_over),
        cmocka_unit_test(listener__above_the_limit_who_dials_proves_its_address),
        cmocka_unit_test(listener__below_the_limit_there_is_no_retry),
        cmocka_unit_test(listener__half_open_connections_go_away),
        cmocka_unit_test(listener__connections_of_one_member_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
