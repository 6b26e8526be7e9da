/* net.h - authenticated streams of bytes between members, as node/ asks for them.
 *
 * Meaning    For each other member the net keeps one outgoing connection dialled (back-off, fresh resolving
 *            at each attempt), with one
 *            unidirectional stream; what a member sends arrives on a connection that it dialled. The net
 *            knows names and bytes, no messages:
 *            hello, numbering and which of two incoming connections wins are node/'s. [spec.md §8, R8]
 *            The net calls the events from its own turn of the loop, never from inside a call of node/. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PORT_NET_H
#define PX_PORT_NET_H

#include "base/bytes.h"
#include "port/buffer.h"
#include <stdbool.h>
#include <stdint.h>

/* Queued messages of an earlier lane overtake those of a later one; inside a lane order is kept. */
typedef enum { PX_LANE_CONTROL = 0, PX_LANE_LOG = 1, PX_LANE_BULK = 2 } px_lane;
#define PX_LANES 3

typedef struct px_net px_net;
struct px_net {
    /* Queues one whole message: `head` (copied, at most 128 bytes) and then `body` (retained until it is
     * acknowledged or the connection ends).
     * False, and nothing is queued, where there is no outgoing connection to that member or its queue is
     * full. */
    bool (*send)(px_net *net, uint32_t member, px_lane lane, px_bytes head, px_buffer *body);
    /* Bytes queued and not yet handed to the transport. */
    size_t (*queued_bytes)(px_net *net, uint32_t member);
    /* Ends the outgoing connection to a member, and dials it again at once or after the usual back-off. The
     * reason goes to the other side and the log. */
    void (*redial)(px_net *net, uint32_t member, bool at_once, const char *reason);
    /* Ends an incoming connection. on_incoming_closed is not called for it. */
    void (*close_incoming)(px_net *net, uint64_t connection, const char *reason);
    /* Whether the certificate of an incoming connection bears that member's name too: on_incoming names the
     * first member whose name it bears, and one certificate may be shared by several nodes. */
    bool (*bears)(px_net *net, uint64_t connection, uint32_t member);
    /* Why there is no outgoing connection to that member, in words for people; empty where there is one, or
     * nothing is known yet. Borrowed until the next turn. */
    const char *(*fault)(px_net *net, uint32_t member);
    /* Hands what is queued to the transport now, before slower things are begun; at the end of a turn it goes
     * by itself. NULL where there is no such haste. */
    void (*flush)(px_net *net);
};

typedef struct px_net_events px_net_events;
struct px_net_events {
    /* The outgoing connection to `member` is authenticated on both sides and its stream is open and empty. */
    void (*on_up)(px_net_events *events, uint32_t member);
    void (*on_down)(px_net_events *events, uint32_t member, const char *reason);
    /* A member has dialled this node; bytes of its stream follow. `connection` is never used again. */
    void (*on_incoming)(px_net_events *events, uint64_t connection, uint32_t member);
    /* Bytes of its stream, in order; valid during the call. They are mutable so that a message can be decoded
     * in place. */
    void (*on_bytes)(px_net_events *events, uint64_t connection, uint8_t *bytes, size_t size_bytes);
    void (*on_incoming_closed)(px_net_events *events, uint64_t connection, const char *reason);
};

#endif
