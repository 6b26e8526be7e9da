/* dgram.h - datagrams, as quic/ sends and receives them.
 *
 * Meaning    A *run* is several datagrams of one size between the same two addresses, one behind the other in
 *            memory (the last may be shorter): what the kernel takes and gives in one call. os/ has UDP
 *            sockets behind this, tests may have a network of their own. Events come from the loop's turn,
 *            never from inside a call, but for `receive`. A socket may be closed from its own events.
 * Source     [Q8, Q10-Q13, Q22]. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PORT_DGRAM_H
#define PX_PORT_DGRAM_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kernel splits at most this many datagrams, and at most what one UDP datagram could hold, out of one
 * call. */
#define PX_DGRAM_SEGMENTS_MAX 64u
#define PX_DGRAM_RUN_BYTES_MAX 65000u
/* The largest datagram that can arrive. */
#define PX_DGRAM_BYTES_MAX 65536u
#define PX_DGRAM_ADDRESSES_MAX 8u
/* Room for [ip6]:port. */
#define PX_DGRAM_TEXT_BYTES 64u

typedef struct px_dgram_net px_dgram_net;
typedef struct px_dgram_socket px_dgram_socket;
typedef struct px_dgram_events px_dgram_events;
typedef struct px_dgram_query px_dgram_query;

/* An address in the system's own form (a struct sockaddr of IPv4 or IPv6). */
typedef struct {
    _Alignas(8) uint8_t bytes[32];
    uint32_t size_bytes;
} px_dgram_address;

typedef struct {
    const px_dgram_address *local;  /* NULL, for sending: as the system chooses */
    const px_dgram_address *remote; /* ignored where a connected socket sends */
    uint8_t *data;                  /* mutable where it was received */
    size_t size_bytes;
    size_t segment_bytes; /* of each datagram but the last */
    uint8_t ecn;          /* the two bits of the IP header */
} px_dgram_run;

typedef enum {
    PX_DGRAM_SENT,    /* or lost on the way: the same to whoever sends */
    PX_DGRAM_BLOCKED, /* on_writable will come */
    PX_DGRAM_REFUSED, /* connected socket: nobody listens there */
} px_dgram_sent;

struct px_dgram_events {
    /* Borrows the run; its bytes may be written over. */
    void (*on_run)(px_dgram_events *events, const px_dgram_run *run);
    /* What was there has been handed over, or so much of it that it is time to answer: then `more`. */
    void (*on_round)(px_dgram_events *events, bool more);
    void (*on_writable)(px_dgram_events *events);
    /* Connected sockets only. */
    void (*on_refused)(px_dgram_events *events);
};

/* A name to be looked up; the caller's memory until on_resolved or forget. */
struct px_dgram_query {
    const char *host; /* an IP address without brackets, or a name */
    uint16_t port;
    void (*on_resolved)(px_dgram_query *query);
    /* The answer. */
    uint32_t count; /* 0: `fault` says why */
    px_dgram_address addresses[PX_DGRAM_ADDRESSES_MAX];
    char fault[80];
    void *request; /* the net's */
};

struct px_dgram_net {
    /* Opens a socket: `remote` NULL for one that takes datagrams of anybody, `local` NULL for any address and
     * port.
     * receive_bytes   wish for the kernel's buffer; see `receive_bytes` below for what came of it.
     * Errors          PX_ERR_BUSY (address in use), PX_ERR_DENIED, PX_ERR_NOT_FOUND (no such local address,
     *                 or no route), PX_ERR_IO. */
    px_err (*open)(px_dgram_net *net, const px_dgram_address *local, const px_dgram_address *remote,
                   size_t receive_bytes, px_dgram_events *events, px_dgram_socket **socket);
    /* No event comes after this. */
    void (*close)(px_dgram_net *net, px_dgram_socket *socket);
    /* Where it is bound. */
    void (*local)(px_dgram_net *net, px_dgram_socket *socket, px_dgram_address *address);
    size_t (*receive_bytes)(px_dgram_net *net, px_dgram_socket *socket);
    /* Sends a run now. *sent_bytes counts whole datagrams that need not be sent again. */
    px_dgram_sent (*send)(px_dgram_net *net, px_dgram_socket *socket, const px_dgram_run *run,
                          size_t *sent_bytes);
    /* Hands over at once all that has arrived (events come from inside this call). [Q7] */
    void (*receive)(px_dgram_net *net, px_dgram_socket *socket);
    /* PX_OK: the host is an IP address, and the answer is there. PX_ERR_MORE: on_resolved comes later. */
    px_err (*resolve)(px_dgram_net *net, px_dgram_query *query);
    /* on_resolved will not come. Queries that are not under way are left alone. */
    void (*forget)(px_dgram_net *net, px_dgram_query *query);
    /* Writes ip:port or [ip6]:port. */
    void (*print)(const px_dgram_address *address, char text[PX_DGRAM_TEXT_BYTES]);
};

#endif
