/* send_queue_test.c - the queue against a plain list of bytes: order, lanes, what is kept until when. */
// SPDX-License-Identifier: Apache-2.0
#include "quic/send_queue.h"

#include "base/prng.h"
#include "world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#define PARTS_MAX 64u

static px_send_queue queue;

static bool push(px_lane lane, const char *head, const char *body)
{
    px_buffer *buffer = body ? test_buffer(strlen(body), 0) : NULL;
    if (buffer) memcpy(buffer->data, body, buffer->size_bytes);
    const bool taken =
        px_send_queue_push(&queue, lane, (px_bytes){(const uint8_t *)head, strlen(head)}, buffer);
    px_buffer_release(buffer);
    return taken;
}

/* Takes up to `bytes_max` of the next bytes into `text`. */
static size_t pull(char *text, size_t bytes_max)
{
    ngtcp2_vec parts[PARTS_MAX];
    const size_t count = px_send_queue_peek(&queue, parts, PARTS_MAX, bytes_max);
    size_t size_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(parts[i].len > 0);
        for (size_t j = 0; j < parts[i].len && size_bytes < bytes_max; j++)
            text[size_bytes++] = (char)parts[i].base[j];
    }
    px_send_queue_take(&queue, size_bytes);
    text[size_bytes] = '\0';
    return size_bytes;
}

static void open_queue(void)
{
    px_send_queue_init(&queue);
}

static void close_queue(void)
{
    px_send_queue_deinit(&queue);
    assert_int_equal(test_buffers, 0);
}

static void send_queue__messages_of_one_lane_keep_their_order(void **state)
{
    (void)state;
    char text[64];
    open_queue();
    assert_true(push(PX_LANE_LOG, "1:", "one "));
    assert_true(push(PX_LANE_LOG, "2:", "two "));
    assert_true(push(PX_LANE_LOG, "3:", NULL));
    assert_int_equal(px_send_queue_unsent_bytes(&queue), 14);
    assert_int_equal(pull(text, 63), 14);
    assert_string_equal(text, "1:one 2:two 3:");
    assert_int_equal(px_send_queue_unsent_bytes(&queue), 0);
    assert_int_equal(pull(text, 63), 0);
    close_queue();
}

static void send_queue__earlier_lanes_go_first_but_no_message_is_broken(void **state)
{
    (void)state;
    char text[64];
    open_queue();
    assert_true(push(PX_LANE_BULK, "bulk", "-bulk "));
    assert_true(push(PX_LANE_BULK, "more", "-more "));
    assert_int_equal(pull(text, 6), 6);
    assert_string_equal(text, "bulk-b");
    assert_true(push(PX_LANE_LOG, "log", "-log "));
    assert_true(push(PX_LANE_CONTROL, "control", "-control "));
    assert_int_equal(px_send_queue_unsent_bytes(&queue), 4 + 10 + 8 + 16);
    assert_int_equal(pull(text, 63), 4 + 16 + 8 + 10);
    assert_string_equal(text, "ulk control-control log-log more-more ");
    close_queue();
}

static void send_queue__buffers_are_released_when_their_last_byte_is_acknowledged(void **state)
{
    (void)state;
    char text[64];
    open_queue();
    assert_true(push(PX_LANE_LOG, "", "0123456789"));
    assert_true(push(PX_LANE_LOG, "", "abcdefghij"));
    assert_int_equal(pull(text, 15), 15);
    px_send_queue_ack(&queue, 9);
    assert_int_equal(test_buffers, 2);
    px_send_queue_ack(&queue, 10);
    assert_int_equal(test_buffers, 1);
    px_send_queue_ack(&queue, 3);
    px_send_queue_ack(&queue, 15);
    assert_int_equal(test_buffers, 1);
    assert_int_equal(pull(text, 15), 5);
    px_send_queue_ack(&queue, 20);
    assert_int_equal(test_buffers, 0);
    assert_int_equal(queue.held_bytes, 0);
    close_queue();
}

static void send_queue__bulk_waits_while_much_is_under_way(void **state)
{
    (void)state;
    static char text[PX_SEND_QUEUE_AHEAD_BYTES + 1];
    open_queue();
    px_buffer *large = test_buffer(PX_SEND_QUEUE_AHEAD_BYTES, 'b');
    for (int i = 0; i < 3; i++)
        assert_true(px_send_queue_push(&queue, PX_LANE_BULK, (px_bytes){NULL, 0}, large));
    px_buffer_release(large);
    assert_int_equal(pull(text, PX_SEND_QUEUE_AHEAD_BYTES), PX_SEND_QUEUE_AHEAD_BYTES);
    assert_int_equal(pull(text, 100), 0);
    assert_true(push(PX_LANE_LOG, "log", NULL));
    assert_true(push(PX_LANE_CONTROL, "control", NULL));
    assert_int_equal(pull(text, 100), 10);
    assert_string_equal(text, "controllog");
    px_send_queue_ack(&queue, 100);
    assert_int_equal(pull(text, 10), 10);
    px_send_queue_set_round_trip(&queue, 100000);
    assert_int_equal(queue.ahead_bytes_max, PX_SEND_QUEUE_AHEAD_BYTES_MAX);
    px_send_queue_set_round_trip(&queue, 20);
    assert_int_equal(queue.ahead_bytes_max, PX_SEND_QUEUE_AHEAD_BYTES);
    close_queue();
}

static void send_queue__a_full_one_refuses_and_keeps_nothing(void **state)
{
    (void)state;
    open_queue();
    px_buffer *large = test_buffer(PX_SEND_QUEUE_BYTES_MAX / 2, 'x');
    assert_true(px_send_queue_push(&queue, PX_LANE_LOG, (px_bytes){NULL, 0}, large));
    assert_false(px_send_queue_push(&queue, PX_LANE_LOG, (px_bytes){NULL, 0}, large));
    assert_int_equal(large->owners, 2);
    assert_int_equal(px_send_queue_unsent_bytes(&queue), PX_SEND_QUEUE_BYTES_MAX / 2);
    px_buffer_release(large);
    close_queue();
}

/* Any mix of lanes, sizes, cuts and acknowledgements gives every message whole, once, in the order of its
 * lane. */
static void send_queue__random_traffic_loses_and_mixes_nothing(void **state)
{
    (void)state;
    static char text[4096];
    px_prng prng;
    px_prng_init(&prng, 11);
    open_queue();
    uint32_t pushed[PX_LANES] = {0}, seen[PX_LANES] = {0};
    /* A message is lane, number and length in its head, then as many bytes of the lane's letter. */
    uint32_t lane = 0, rest = 0, head_bytes = 0;
    uint8_t head[4];
    for (uint32_t step = 0; step < 200000; step++) {
        if (px_prng_below(&prng, 3) == 0) {
            const uint32_t to = (uint32_t)px_prng_below(&prng, PX_LANES),
                           size = (uint32_t)px_prng_below(&prng, 250);
            px_buffer *body = size ? test_buffer(size, (uint8_t)('a' + to)) : NULL;
            const uint8_t first[4] = {(uint8_t)to, (uint8_t)pushed[to], (uint8_t)(pushed[to] >> 8),
                                      (uint8_t)size};
            if (px_send_queue_push(&queue, (px_lane)to, (px_bytes){first, 4}, body)) pushed[to]++;
            px_buffer_release(body);
        } else if (px_prng_below(&prng, 2) == 0) {
            const size_t got = pull(text, 1 + (size_t)px_prng_below(&prng, 400));
            for (size_t i = 0; i < got; i++) {
                if (rest) {
                    assert_int_equal(text[i], 'a' + (int)lane);
                    rest--;
                    continue;
                }
                head[head_bytes++] = (uint8_t)text[i];
                if (head_bytes < 4) continue;
                head_bytes = 0;
                lane = head[0];
                assert_true(lane < PX_LANES);
                assert_int_equal(head[1] | head[2] << 8, seen[lane] & 0xffff);
                seen[lane]++;
                rest = head[3];
            }
        } else {
            px_send_queue_ack(&queue, queue.acked + px_prng_below(&prng, queue.sent - queue.acked + 1));
        }
    }
    px_send_queue_ack(&queue, queue.sent);
    while (pull(text, 4000)) px_send_queue_ack(&queue, queue.sent);
    assert_int_equal(queue.held_bytes, 0);
    assert_int_equal(px_send_queue_unsent_bytes(&queue), 0);
    for (uint32_t i = 0; i < PX_LANES; i++) assert_true(pushed[i] > 1000);
    close_queue();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(send_queue__messages_of_one_lane_keep_their_order),
        cmocka_unit_test(send_queue__earlier_lanes_go_first_but_no_message_is_broken),
        cmocka_unit_test(send_queue__buffers_are_released_when_their_last_byte_is_acknowledged),
        cmocka_unit_test(send_queue__bulk_waits_while_much_is_under_way),
        cmocka_unit_test(send_queue__a_full_one_refuses_and_keeps_nothing),
        cmocka_unit_test(send_queue__random_traffic_loses_and_mixes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
