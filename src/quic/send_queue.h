/* send_queue.h - whole messages on their way into one stream.
 *
 * Meaning    Three lanes; a message of an earlier lane overtakes those of later ones until its first byte is
 *            in a packet. What is in packets stays here until it is acknowledged, because the library sends
 *            it again from this memory [Q9]. Only so much of the later lanes is let into the network at once
 *            that what overtakes them need not wait behind it [R9].
 * Holds      The bytes of messages in transit form the stream without gaps: acked <= sent <= end of the last
 *            one's bytes. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_QUIC_SEND_QUEUE_H
#define PX_QUIC_SEND_QUEUE_H

#include "base/bytes.h"
#include "port/buffer.h"
#include "port/net.h"
#include <ngtcp2/ngtcp2.h>
#include <stdbool.h>

/* Bytes that one connection may hold, acknowledged ones excepted. A larger message goes alone. */
#define PX_SEND_QUEUE_BYTES_MAX (8u << 20)
/* What only the control lane may use beyond that: a queue full of the log must not refuse a heartbeat. */
#define PX_SEND_QUEUE_CONTROL_BYTES (1u << 20)
/* Unacknowledged bytes that close the bulk lane, for a round trip of up to a millisecond... */
#define PX_SEND_QUEUE_AHEAD_BYTES (256u << 10)
/* ...and for the longest. */
#define PX_SEND_QUEUE_AHEAD_BYTES_MAX (2u << 20)
/* The log lane may have so many times as much: with less, one direction of a fast way stays idle at times. */
#define PX_SEND_QUEUE_LOG_FACTOR 4u
/* A message's `head`. */
#define PX_SEND_QUEUE_HEAD_BYTES_MAX 128u

typedef struct px_queued px_queued;

typedef struct {
    px_queued *first, *last;
} px_queued_list;

typedef struct {
    px_queued_list lanes[PX_LANES]; /* not begun */
    px_queued_list transit;         /* begun, oldest first; only the last may be begun and not finished */
    uint64_t sent, acked;           /* offsets in the stream */
    uint64_t transit_end;           /* offset behind the last byte of the last message in transit */
    size_t held_bytes;              /* of all messages here, with what they cost beside */
    size_t waiting_bytes;           /* of messages in lanes */
    size_t ahead_bytes_max;
} px_send_queue;

void px_send_queue_init(px_send_queue *queue);
/* Releases everything. */
void px_send_queue_deinit(px_send_queue *queue);

/* See px_net.send. */
bool px_send_queue_push(px_send_queue *queue, px_lane lane, px_bytes head, px_buffer *body);

/* Bytes that are not in packets yet. */
size_t px_send_queue_unsent_bytes(const px_send_queue *queue);

/* Lets later lanes have more unacknowledged bytes on longer ways. */
void px_send_queue_set_round_trip(px_send_queue *queue, uint64_t round_trip_us);

/* Lays out the next bytes of the stream: fills up to parts_max parts of up to bytes_max bytes together (the
 * last may go beyond). */
size_t px_send_queue_peek(const px_send_queue *queue, ngtcp2_vec *parts, size_t parts_max, size_t bytes_max);

/* So many of the bytes that were last laid out are in packets now. */
void px_send_queue_take(px_send_queue *queue, size_t size_bytes);

/* The other side has all bytes before this offset. */
void px_send_queue_ack(px_send_queue *queue, uint64_t upto);

#endif
