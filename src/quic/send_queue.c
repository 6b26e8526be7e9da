/* send_queue.c - whole messages on their way into one stream. [Q9, R9] */
// SPDX-License-Identifier: Apache-2.0
#include "quic/send_queue.h"

#include "base/assert.h"
#include <stdlib.h>
#include <string.h>

struct px_queued {
    px_queued *next;
    px_buffer *body;   /* may be NULL */
    size_t size_bytes; /* head and body */
    uint64_t end;      /* offset behind its last byte, once begun */
    uint32_t head_bytes;
    uint8_t head[]; /* its own copy: the caller's goes away */
};

static size_t cost_of(const px_queued *message)
{
    return sizeof *message + message->size_bytes;
}

static void append(px_queued_list *list, px_queued *message)
{
    message->next = NULL;
    if (list->last)
        list->last->next = message;
    else
        list->first = message;
    list->last = message;
}

static px_queued *remove_first(px_queued_list *list)
{
    px_queued *message = list->first;
    list->first = message->next;
    if (!list->first) list->last = NULL;
    return message;
}

static void free_first(px_send_queue *queue, px_queued_list *list)
{
    px_queued *message = remove_first(list);
    queue->held_bytes -= cost_of(message);
    px_buffer_release(message->body);
    free(message);
}

void px_send_queue_init(px_send_queue *queue)
{
    *queue = (px_send_queue){.ahead_bytes_max = PX_SEND_QUEUE_AHEAD_BYTES};
}

void px_send_queue_deinit(px_send_queue *queue)
{
    while (queue->transit.first) free_first(queue, &queue->transit);
    for (int lane = 0; lane < PX_LANES; lane++) {
        while (queue->lanes[lane].first) free_first(queue, &queue->lanes[lane]);
    }
    px_assert(queue->held_bytes == 0);
    px_send_queue_init(queue);
}

static bool has_room(const px_send_queue *queue, px_lane lane, size_t cost_bytes)
{
    size_t limit_bytes = PX_SEND_QUEUE_BYTES_MAX;
    if (lane == PX_LANE_CONTROL) limit_bytes += PX_SEND_QUEUE_CONTROL_BYTES;
    if (queue->held_bytes + cost_bytes <= limit_bytes) return true;
    /* Larger than the queue itself: it goes when nothing of the later lanes is left before it. */
    return cost_bytes > PX_SEND_QUEUE_BYTES_MAX && queue->held_bytes <= PX_SEND_QUEUE_CONTROL_BYTES;
}

bool px_send_queue_push(px_send_queue *queue, px_lane lane, px_bytes head, px_buffer *body)
{
    px_assert(head.size_bytes <= PX_SEND_QUEUE_HEAD_BYTES_MAX);
    const size_t size_bytes = head.size_bytes + (body ? body->size_bytes : 0);
    px_assert(size_bytes > 0);
    if (!has_room(queue, lane, sizeof(px_queued) + size_bytes)) return false;
    px_queued *message = malloc(sizeof *message + head.size_bytes);
    if (!message) return false;
    *message = (px_queued){.size_bytes = size_bytes, .head_bytes = (uint32_t)head.size_bytes};
    if (head.size_bytes) memcpy(message->head, head.data, head.size_bytes);
    if (body) message->body = px_buffer_retain(body);
    append(&queue->lanes[lane], message);
    queue->held_bytes += cost_of(message);
    queue->waiting_bytes += size_bytes;
    return true;
}

size_t px_send_queue_unsent_bytes(const px_send_queue *queue)
{
    return queue->waiting_bytes + (size_t)(queue->transit_end - queue->sent);
}

void px_send_queue_set_round_trip(px_send_queue *queue, uint64_t round_trip_us)
{
    const uint64_t scaled = PX_SEND_QUEUE_AHEAD_BYTES / 1024u * (round_trip_us + 1);
    queue->ahead_bytes_max = PX_SEND_QUEUE_AHEAD_BYTES;
    if (scaled > PX_SEND_QUEUE_AHEAD_BYTES) queue->ahead_bytes_max = (size_t)scaled;
    if (scaled > PX_SEND_QUEUE_AHEAD_BYTES_MAX) queue->ahead_bytes_max = PX_SEND_QUEUE_AHEAD_BYTES_MAX;
}

/* Lays out a message from its byte `from` on; returns how many parts that took: 0 to 2. */
static size_t lay_out(const px_queued *message, size_t from, ngtcp2_vec *parts, size_t parts_max)
{
    size_t count = 0;
    if (from < message->head_bytes) {
        if (parts_max == 0) return 0;
        parts[count++] = (ngtcp2_vec){(uint8_t *)(uintptr_t)message->head + from, message->head_bytes - from};
        from = message->head_bytes;
    }
    if (from < message->size_bytes && count < parts_max) {
        parts[count++] =
            (ngtcp2_vec){message->body->data + (from - message->head_bytes), message->size_bytes - from};
    }
    return count;
}

/* Later lanes wait while so much is under way that what would overtake them had to wait behind it. */
static bool is_lane_open(const px_send_queue *queue, int lane, uint64_t end)
{
    const uint64_t ahead_bytes = end - queue->acked;
    if (lane == PX_LANE_CONTROL) return true;
    return ahead_bytes < queue->ahead_bytes_max * (lane == PX_LANE_LOG ? PX_SEND_QUEUE_LOG_FACTOR : 1u);
}

size_t px_send_queue_peek(const px_send_queue *queue, ngtcp2_vec *parts, size_t parts_max, size_t bytes_max)
{
    size_t count = 0;
    uint64_t end = queue->sent;
    if (queue->transit_end > queue->sent) {
        const px_queued *begun = queue->transit.last;
        const size_t rest = (size_t)(queue->transit_end - queue->sent);
        count = lay_out(begun, begun->size_bytes - rest, parts, parts_max);
        end = queue->transit_end;
    }
    for (int lane = 0; lane < PX_LANES; lane++) {
        for (const px_queued *each = queue->lanes[lane].first; each; each = each->next) {
            /* Both parts of a message or none: what is taken must be what was laid out. */
            if (end - queue->sent >= bytes_max || parts_max - count < 2 || !is_lane_open(queue, lane, end))
                return count;
            count += lay_out(each, 0, parts + count, parts_max - count);
            end += each->size_bytes;
        }
    }
    return count;
}

/* Begins the next message, in the order in which they were laid out. */
static void begin_next(px_send_queue *queue)
{
    for (int lane = 0; lane < PX_LANES; lane++) {
        if (!queue->lanes[lane].first) continue;
        px_queued *message = remove_first(&queue->lanes[lane]);
        queue->waiting_bytes -= message->size_bytes;
        queue->transit_end += message->size_bytes;
        message->end = queue->transit_end;
        append(&queue->transit, message);
        return;
    }
    px_assert_fail("no more is taken than was laid out", __FILE__, __LINE__);
}

void px_send_queue_take(px_send_queue *queue, size_t size_bytes)
{
    const uint64_t sent = queue->sent + size_bytes;
    while (queue->transit_end < sent) begin_next(queue);
    queue->sent = sent;
}

void px_send_queue_ack(px_send_queue *queue, uint64_t upto)
{
    px_assert(upto <= queue->sent);
    if (upto <= queue->acked) return;
    queue->acked = upto;
    while (queue->transit.first && queue->transit.first->end <= upto) free_first(queue, &queue->transit);
}
