/* transfer_test.c - bytes arrive whole and in order, whatever happens to datagrams; control overtakes bulk.
 * */
// SPDX-License-Identifier: Apache-2.0
#include "quic/send_queue.h"
#include "world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_US 1000000u
#define BIG_BYTES (3u << 20)

static world at;
static uint64_t wanted_bytes;

static bool both_are_up(world *in)
{
    return in->hosts[0].is_up[1] && in->hosts[1].is_up[0] && in->hosts[0].in_count && in->hosts[1].in_count;
}

static void open_pair(void)
{
    world_open(&at, 2);
    host_start(&at.hosts[0]);
    host_start(&at.hosts[1]);
    assert_true(world_run_until(&at, 5 * SECOND_US, both_are_up));
}

static bool second_has_them(world *in)
{
    return in->hosts[1].bytes_in >= wanted_bytes;
}

/* Bytes that differ from place to place, so that none can be lost, doubled or moved. */
static uint8_t byte_at(size_t offset)
{
    return (uint8_t)(offset * 2654435761u >> 13);
}

static void send_pattern(size_t size_bytes)
{
    px_buffer *body = test_buffer(size_bytes, 0);
    for (size_t i = 0; i < size_bytes; i++) body->data[i] = byte_at(i);
    px_net *net = at.hosts[0].net;
    assert_true(net->send(net, 1, PX_LANE_LOG, (px_bytes){NULL, 0}, body));
    px_buffer_release(body);
    wanted_bytes = size_bytes;
    at.hosts[1].bytes_in = 0;
}

static void check_pattern(void)
{
    const incoming *from = host_incoming(&at.hosts[1], 0);
    assert_int_equal(from->size_bytes, wanted_bytes);
    for (size_t i = 0; i < from->size_bytes; i++)
        if (from->bytes[i] != byte_at(i)) fail_msg("byte %zu is wrong", i);
}

static void transfer__a_large_message_arrives_whole(void **state)
{
    (void)state;
    open_pair();
    send_pattern(BIG_BYTES);
    assert_true(world_run_until(&at, 10 * SECOND_US, second_has_them));
    check_pattern();
    world_close(&at);
}

static void transfer__a_message_larger_than_the_queue_goes_alone(void **state)
{
    (void)state;
    open_pair();
    send_pattern(PX_SEND_QUEUE_BYTES_MAX + 5);
    assert_false(host_send(&at.hosts[0], 1, PX_LANE_LOG, 'x', 10));
    assert_true(host_send(&at.hosts[0], 1, PX_LANE_CONTROL, 'x', 10));
    wanted_bytes += 14;
    assert_true(world_run_until(&at, 10 * SECOND_US, second_has_them));
    world_close(&at);
}

static void transfer__losses_are_repaired(void **state)
{
    (void)state;
    open_pair();
    at.hosts[0].lost_of_1000 = at.hosts[1].lost_of_1000 = 50;
    send_pattern(BIG_BYTES);
    assert_true(world_run_until(&at, 20 * SECOND_US, second_has_them));
    check_pattern();
    assert_int_equal(at.hosts[0].downs[1], 0);
    world_close(&at);
}

static void transfer__sockets_without_gso_and_gro_do_as_well(void **state)
{
    (void)state;
    world_open(&at, 2);
    px_os_dgrams_go_plain(at.dgrams);
    host_start(&at.hosts[0]);
    host_start(&at.hosts[1]);
    assert_true(world_run_until(&at, 5 * SECOND_US, both_are_up));
    send_pattern(BIG_BYTES);
    assert_true(world_run_until(&at, 10 * SECOND_US, second_has_them));
    check_pattern();
    world_close(&at);
}

static void transfer__a_small_buffer_of_the_kernel_makes_it_slower_not_wrong(void **state)
{
    (void)state;
    world_open(&at, 2);
    for (uint32_t i = 0; i < 2; i++) at.hosts[i].config.receive_bytes = 65536;
    host_start(&at.hosts[0]);
    host_start(&at.hosts[1]);
    assert_true(world_run_until(&at, 5 * SECOND_US, both_are_up));
    send_pattern(BIG_BYTES);
    assert_true(world_run_until(&at, 10 * SECOND_US, second_has_them));
    check_pattern();
    world_close(&at);
}

static bool is_unblocked(world *in)
{
    host *first = &in->hosts[0];
    if (first->blocked_sends == 0 && first->blocked_events) {
        px_dgram_events *events = first->blocked_events;
        first->blocked_events = NULL;
        events->on_writable(events);
    }
    return in->hosts[1].bytes_in >= wanted_bytes;
}

static void transfer__a_full_socket_holds_and_loses_nothing(void **state)
{
    (void)state;
    open_pair();
    at.hosts[0].blocked_sends = 1;
    send_pattern(BIG_BYTES);
    assert_true(world_run_until(&at, 10 * SECOND_US, is_unblocked));
    assert_int_equal(at.hosts[0].blocked_sends, 0);
    check_pattern();
    world_close(&at);
}

/* ---- lanes ---- */

static void transfer__control_overtakes_bulk(void **state)
{
    (void)state;
    open_pair();
    wanted_bytes = at.hosts[1].bytes_in = 0;
    for (uint32_t i = 0; i < 100; i++) assert_true(host_send(&at.hosts[0], 1, PX_LANE_BULK, 'b', 60000));
    px_quic_flush(at.hosts[0].net);
    assert_true(at.hosts[0].net->queued_bytes(at.hosts[0].net, 1) > 5000000);
    assert_true(host_send(&at.hosts[0], 1, PX_LANE_LOG, 'l', 1000));
    assert_true(host_send(&at.hosts[0], 1, PX_LANE_CONTROL, 'c', 100));
    wanted_bytes = 100 * 60004 + 1004 + 104;
    assert_true(world_run_until(&at, 10 * SECOND_US, second_has_them));
    const incoming *from = host_incoming(&at.hosts[1], 0);
    const uint8_t *control = memchr(from->bytes, 'c', from->size_bytes);
    const uint8_t *log = memchr(from->bytes, 'l', from->size_bytes);
    assert_non_null(control);
    assert_non_null(log);
    assert_true(control < log);
    /* No more than what may be under way, and the message that is on its way out, is before them. */
    assert_true(log - from->bytes <= (ptrdiff_t)(PX_SEND_QUEUE_AHEAD_BYTES + 2 * 60004));
    assert_int_equal(at.hosts[0].net->queued_bytes(at.hosts[0].net, 1), 0);
    world_close(&at);
}

static void transfer__a_full_queue_refuses_the_log_and_takes_control(void **state)
{
    (void)state;
    open_pair();
    uint32_t taken = 0;
    while (host_send(&at.hosts[0], 1, PX_LANE_LOG, 'l', 100000)) taken++;
    assert_in_range(taken, 80, 84);
    assert_false(host_send(&at.hosts[0], 1, PX_LANE_BULK, 'b', 100000));
    assert_true(host_send(&at.hosts[0], 1, PX_LANE_CONTROL, 'c', 1000));
    at.hosts[1].bytes_in = 0;
    wanted_bytes = taken * 100004 + 1004;
    assert_true(world_run_until(&at, 10 * SECOND_US, second_has_them));
    assert_true(host_send(&at.hosts[0], 1, PX_LANE_LOG, 'l', 100000));
    world_close(&at);
}

static bool no_buffer_is_left(world *in)
{
    (void)in;
    return test_buffers == 0;
}

static void transfer__buffers_live_until_they_are_acknowledged(void **state)
{
    (void)state;
    open_pair();
    assert_true(host_send(&at.hosts[0], 1, PX_LANE_LOG, 'x', 5000));
    at.hosts[1].is_cut = true;
    wanted_bytes = 5004;
    at.hosts[1].bytes_in = 0;
    assert_true(world_run_until(&at, SECOND_US, second_has_them));
    assert_int_equal(test_buffers, 1);
    at.hosts[1].is_cut = false;
    assert_true(world_run_until(&at, SECOND_US, no_buffer_is_left));
    world_close(&at);
}

static void transfer__nothing_is_taken_for_a_member_that_is_not_there(void **state)
{
    (void)state;
    world_open(&at, 2);
    host_start(&at.hosts[0]);
    assert_false(host_send(&at.hosts[0], 1, PX_LANE_CONTROL, 'x', 10));
    assert_false(host_send(&at.hosts[0], 0, PX_LANE_CONTROL, 'x', 10));
    assert_false(host_send(&at.hosts[0], 6, PX_LANE_CONTROL, 'x', 10));
    assert_int_equal(at.hosts[0].net->queued_bytes(at.hosts[0].net, 1), 0);
    world_close(&at);
}

/* ---- a reader that ends it ---- */

static void close_at_first_bytes(host *at_host, uint64_t connection, uint8_t *bytes, size_t size_bytes)
{
    (void)bytes;
    (void)size_bytes;
    at_host->net->close_incoming(at_host->net, connection, "a line without end");
    at_host->on_message = NULL;
    host_incoming(at_host, 0)->is_closed = true;
}

static bool first_is_down(world *in)
{
    return in->hosts[0].downs[1] == 1;
}

static void transfer__a_connection_may_be_closed_from_its_own_bytes(void **state)
{
    (void)state;
    open_pair();
    at.hosts[1].on_message = close_at_first_bytes;
    send_pattern(BIG_BYTES);
    /* on_bytes asserts that nothing more comes of it. */
    assert_true(world_run_until(&at, 5 * SECOND_US, first_is_down));
    assert_non_null(strstr(at.hosts[0].reason, "a line without end"));
    assert_int_equal(test_buffers, 0);
    world_close(&at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfer__a_large_message_arrives_whole),
        cmocka_unit_test(transfer__a_message_larger_than_the_queue_goes_alone),
        cmocka_unit_test(transfer__losses_are_repaired),
        cmocka_unit_test(transfer__sockets_without_gso_and_gro_do_as_well),
        cmocka_unit_test(transfer__a_small_buffer_of_the_kernel_makes_it_slower_not_wrong),
        cmocka_unit_test(transfer__a_full_socket_holds_and_loses_nothing),
        cmocka_unit_test(transfer__control_overtakes_bulk),
        cmocka_unit_test(transfer__a_full_queue_refuses_the_log_and_takes_control),
        cmocka_unit_test(transfer__buffers_live_until_they_are_acknowledged),
        cmocka_unit_test(transfer__nothing_is_taken_for_a_member_that_is_not_there),
        cmocka_unit_test(transfer__a_connection_may_be_closed_from_its_own_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
