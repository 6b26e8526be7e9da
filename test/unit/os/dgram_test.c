/* dgram_test.c - datagrams and names over the real kernel. */
// SPDX-License-Identifier: Apache-2.0
#include "os/dgram.h"

#include "os/udp.h"
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>

#define SECOND_US 1000000u

/* What one socket heard. */
typedef struct {
    px_dgram_events events; /* first */
    px_dgram_socket *socket;
    uint32_t datagrams, runs, rounds, refusals, writables;
    size_t bytes;
    uint8_t last[2048];
    size_t last_bytes;
    uint8_t ecn;
    px_dgram_address from, to;
    bool closes_itself;
} ear;

static px_loop *loop;
static px_clock *at_clock;
static px_dgram_net *net;
static ear a, b;
static bool (*condition)(void);
static uint64_t deadline_us;
static bool is_met;
static px_timer guard;
static uint32_t resolved;

static void on_run(px_dgram_events *events, const px_dgram_run *run)
{
    ear *at = (ear *)events;
    at->runs++;
    at->datagrams += (uint32_t)((run->size_bytes + run->segment_bytes - 1) / run->segment_bytes);
    at->bytes += run->size_bytes;
    at->ecn = run->ecn;
    at->from = *run->remote;
    at->to = *run->local;
    at->last_bytes = run->size_bytes < sizeof at->last ? run->size_bytes : sizeof at->last;
    memcpy(at->last, run->data, at->last_bytes);
    memset(run->data, 0, run->size_bytes);
    if (at->closes_itself) {
        net->close(net, at->socket);
        at->socket = NULL;
    }
}

static void on_round(px_dgram_events *events, bool more)
{
    (void)more;
    ((ear *)events)->rounds++;
}

static void on_writable(px_dgram_events *events)
{
    ((ear *)events)->writables++;
}

static void on_refused(px_dgram_events *events)
{
    ((ear *)events)->refusals++;
}

static void on_turn(void *context)
{
    (void)context;
    is_met = condition();
    if (is_met || at_clock->now_us(at_clock) >= deadline_us) px_loop_stop(loop);
}

static void on_guard(px_timer *timer)
{
    (void)timer;
}

static bool run_until(bool (*met)(void), uint64_t timeout_us)
{
    condition = met;
    deadline_us = at_clock->now_us(at_clock) + timeout_us;
    px_timers_start(at_clock->timers, &guard, deadline_us);
    px_loop_run(loop);
    px_timers_stop(at_clock->timers, &guard);
    return is_met;
}

static px_dgram_address address_of(const char *host, uint16_t port)
{
    px_dgram_query query = {.host = host, .port = port};
    assert_int_equal(net->resolve(net, &query), PX_OK);
    assert_int_equal(query.count, 1);
    return query.addresses[0];
}

/* a listens, b is connected to it. */
static void open_pair(const char *host, bool is_plain)
{
    assert_int_equal(px_loop_open(&loop), PX_OK);
    assert_int_equal(px_os_dgrams_open(loop, &net), PX_OK);
    if (is_plain) px_os_dgrams_go_plain(net);
    at_clock = px_loop_clock(loop);
    guard.on_fire = on_guard;
    px_loop_on_turn(loop, NULL, on_turn);
    a = b = (ear){.events = {on_run, on_round, on_writable, on_refused}};
    const px_dgram_address any = address_of(host, 0);
    assert_int_equal(net->open(net, &any, NULL, 1u << 20, &a.events, &a.socket), PX_OK);
    px_dgram_address bound;
    net->local(net, a.socket, &bound);
    const uint16_t port = ntohs(((struct sockaddr_in *)(void *)bound.bytes)->sin_port);
    const px_dgram_address to = address_of("127.0.0.1", port);
    assert_int_equal(net->open(net, NULL, &to, 1u << 20, &b.events, &b.socket), PX_OK);
    assert_true(net->receive_bytes(net, a.socket) > 0);
}

static void close_pair(void)
{
    if (a.socket) net->close(net, a.socket);
    if (b.socket) net->close(net, b.socket);
    px_os_dgrams_close(net);
    px_loop_close(loop);
}

static void send_from(ear *at, uint8_t *bytes, size_t size_bytes, size_t segment_bytes, uint8_t ecn)
{
    const px_dgram_run run = {&a.to, &a.from, bytes, size_bytes, segment_bytes, ecn};
    size_t sent_bytes = 0;
    assert_int_equal(net->send(net, at->socket, &run, &sent_bytes), PX_DGRAM_SENT);
    assert_int_equal(sent_bytes, size_bytes);
}

static bool a_has_45(void)
{
    return a.datagrams >= 45;
}

static bool b_has_one(void)
{
    return b.datagrams >= 1;
}

static bool b_was_refused(void)
{
    return b.refusals > 0;
}

static bool never(void)
{
    return false;
}

/* ---- runs ---- */

static void check_runs(bool is_plain)
{
    static uint8_t bytes[44 * 1400 + 77];
    open_pair("127.0.0.1", is_plain);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i / 1400);
    send_from(&b, bytes, sizeof bytes, 1400, 0);
    assert_true(run_until(a_has_45, SECOND_US));
    assert_int_equal(a.datagrams, 45);
    assert_int_equal(a.bytes, sizeof bytes);
    assert_true(a.rounds >= 1);
    if (is_plain) assert_int_equal(a.runs, 45);
    close_pair();
}

static void dgram__a_run_arrives_as_its_datagrams(void **state)
{
    (void)state;
    check_runs(false);
}

static void dgram__a_run_arrives_where_the_kernel_splits_and_joins_nothing(void **state)
{
    (void)state;
    check_runs(true);
}

static void dgram__answers_leave_from_the_address_that_was_asked(void **state)
{
    (void)state;
    uint8_t bytes[] = "question";
    open_pair("0.0.0.0", false);
    send_from(&b, bytes, sizeof bytes, sizeof bytes, 2);
    assert_true(run_until(never, SECOND_US / 50) || a.datagrams == 1);
    assert_int_equal(a.ecn, 2);
    char text[PX_DGRAM_TEXT_BYTES];
    net->print(&a.to, text);
    assert_memory_equal(text, "127.0.0.1:", 10);
    send_from(&a, bytes, sizeof bytes, sizeof bytes, 1);
    assert_true(run_until(b_has_one, SECOND_US));
    assert_string_equal((char *)b.last, "question");
    assert_int_equal(b.ecn, 1);
    close_pair();
}

static void dgram__a_port_without_a_listener_refuses(void **state)
{
    (void)state;
    uint8_t bytes[] = "x";
    open_pair("127.0.0.1", false);
    net->close(net, a.socket);
    a.socket = NULL;
    send_from(&b, bytes, 1, 1, 0);
    assert_true(run_until(b_was_refused, SECOND_US));
    /* It goes on working, and says so each time. */
    b.refusals = 0;
    send_from(&b, bytes, 1, 1, 0);
    assert_true(run_until(b_was_refused, SECOND_US));
    close_pair();
}

static void dgram__a_socket_may_be_closed_from_its_own_events(void **state)
{
    (void)state;
    uint8_t bytes[] = "x";
    open_pair("127.0.0.1", true);
    a.closes_itself = true;
    for (int i = 0; i < 20; i++) send_from(&b, bytes, 1, 1, 0);
    (void)run_until(never, SECOND_US / 50);
    assert_int_equal(a.datagrams, 1);
    assert_int_equal(a.rounds, 0);
    close_pair();
}

static void dgram__receive_hands_over_at_once(void **state)
{
    (void)state;
    uint8_t bytes[] = "x";
    open_pair("127.0.0.1", true);
    for (int i = 0; i < 100; i++) send_from(&b, bytes, 1, 1, 0);
    net->receive(net, a.socket);
    assert_int_equal(a.datagrams, 100);
    close_pair();
}

static void dgram__an_address_in_use_and_one_of_others_are_refused(void **state)
{
    (void)state;
    open_pair("127.0.0.1", false);
    px_dgram_address bound;
    net->local(net, a.socket, &bound);
    px_dgram_socket *socket = NULL;
    assert_int_equal(net->open(net, &bound, NULL, 0, &b.events, &socket), PX_ERR_BUSY);
    const px_dgram_address foreign = address_of("192.0.2.1", 0);
    assert_int_equal(net->open(net, &foreign, NULL, 0, &b.events, &socket), PX_ERR_NOT_FOUND);
    assert_null(socket);
    close_pair();
}

static void dgram__a_full_socket_tells_when_it_is_not_any_more(void **state)
{
    (void)state;
    open_pair("127.0.0.1", false);
    /* Loopback never fills a socket of a fair size; the smallest one does at its first run. */
    px_dgram_address to;
    net->local(net, a.socket, &to);
    net->close(net, b.socket);
    assert_int_equal(net->open(net, NULL, &to, 1, &b.events, &b.socket), PX_OK);
    static uint8_t bytes[60000];
    px_dgram_sent sent = PX_DGRAM_SENT;
    size_t sent_bytes = 0;
    const px_dgram_run run = {NULL, NULL, bytes, sizeof bytes, 1000, 0};
    for (int i = 0; i < 1000 && sent == PX_DGRAM_SENT; i++)
        sent = net->send(net, b.socket, &run, &sent_bytes);
    /* Either it blocked and says when it goes on, or this kernel took everything. */
    (void)run_until(never, SECOND_US / 50);
    assert_int_equal(b.writables, sent == PX_DGRAM_BLOCKED ? 1 : 0);
    close_pair();
}

/* ---- names ---- */

static void on_resolved(px_dgram_query *query)
{
    (void)query;
    resolved++;
}

static bool is_resolved(void)
{
    return resolved > 0;
}

static void dgram__names_are_resolved_later_and_addresses_at_once(void **state)
{
    (void)state;
    open_pair("127.0.0.1", false);
    char text[PX_DGRAM_TEXT_BYTES];
    px_dgram_address address = address_of("192.0.2.7", 7001);
    net->print(&address, text);
    assert_string_equal(text, "192.0.2.7:7001");
    address = address_of("2001:db8::7", 7001);
    net->print(&address, text);
    assert_string_equal(text, "[2001:db8::7]:7001");
    px_dgram_query query = {.host = "localhost", .port = 5, .on_resolved = on_resolved};
    resolved = 0;
    assert_int_equal(net->resolve(net, &query), PX_ERR_MORE);
    assert_true(run_until(is_resolved, 5 * SECOND_US));
    assert_true(query.count >= 1);
    query = (px_dgram_query){.host = "no..such..name", .port = 5, .on_resolved = on_resolved};
    resolved = 0;
    assert_int_equal(net->resolve(net, &query), PX_ERR_MORE);
    assert_true(run_until(is_resolved, 5 * SECOND_US));
    assert_int_equal(query.count, 0);
    assert_true(query.fault[0] != '\0');
    close_pair();
}

static void dgram__a_forgotten_query_never_answers(void **state)
{
    (void)state;
    open_pair("127.0.0.1", false);
    px_dgram_query query = {.host = "localhost", .port = 5, .on_resolved = on_resolved};
    resolved = 0;
    assert_int_equal(net->resolve(net, &query), PX_ERR_MORE);
    net->forget(net, &query);
    net->forget(net, &query);
    assert_false(run_until(is_resolved, SECOND_US / 20));
    close_pair();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dgram__a_run_arrives_as_its_datagrams),
        cmocka_unit_test(dgram__a_run_arrives_where_the_kernel_splits_and_joins_nothing),
        cmocka_unit_test(dgram__answers_leave_from_the_address_that_was_asked),
        cmocka_unit_test(dgram__a_port_without_a_listener_refuses),
        cmocka_unit_test(dgram__a_socket_may_be_closed_from_its_own_events),
        cmocka_unit_test(dgram__receive_hands_over_at_once),
        cmocka_unit_test(dgram__an_address_in_use_and_one_of_others_are_refused),
        cmocka_unit_test(dgram__a_full_socket_tells_when_it_is_not_any_more),
        cmocka_unit_test(dgram__names_are_resolved_later_and_addresses_at_once),
        cmocka_unit_test(dgram__a_forgotten_query_never_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
