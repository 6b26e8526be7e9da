/* listener.h - the side that is dialled: one socket for all incoming connections.
 *
 * Meaning    Finds the connection of each packet, accepts new ones, and answers for those that are gone.
 *            Unauthenticated ones are few: above a limit whoever dials must first prove its address (Retry),
 *            above a second one it is not heard. [Q24-Q26] */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_QUIC_LISTENER_H
#define PX_QUIC_LISTENER_H

#include "quic/connection.h"
#include "quic/stateless.h"

/* Connections whose handshake is under way, for each other member: more ask for a Retry, and beyond the
 * second none is taken. */
#define PX_HALF_OPEN_PER_MEMBER 4u
#define PX_HALF_OPEN_PER_MEMBER_MAX 16u
/* Authenticated connections of one member: node/ keeps at most two of them. */
#define PX_INCOMING_PER_MEMBER_MAX 8u

typedef struct px_incoming_link px_incoming_link;
typedef struct px_listener px_listener;

typedef struct {
    void *context;
    /* `place`: of the member among the names. */
    void (*on_incoming)(void *context, uint64_t id, uint32_t place);
    void (*on_bytes)(void *context, uint64_t id, uint8_t *bytes, size_t size_bytes);
    void (*on_closed)(void *context, uint64_t id, const char *reason);
    /* The batch of datagrams is handed over. */
    void (*on_round)(void *context, bool more);
} px_listener_owner;

struct px_listener {
    px_dgram_events events; /* first: the socket's */
    px_connections *shared;
    px_listener_owner owner;
    px_dgram_socket *socket;
    px_tls *tls; /* for the next connection */
    const px_tls_names *names;
    px_stateless stateless;
    px_cid_map cids;
    px_incoming_link *links;
    uint64_t id_next;
    uint32_t half_open;
    uint32_t complaints; /* refusals said in this period of the log */
    uint64_t complaints_us;
    uint64_t window_bytes, window_bytes_max;
    bool is_closing;
};

/* Binds the socket. The listener's memory stays where it is. */
PX_MUST_USE px_err px_listener_open(px_listener *listener, px_connections *shared,
                                    const px_listener_owner *owner, px_tls *tls, const px_tls_names *names,
                                    const px_dgram_address *address, size_t receive_bytes);
/* Tells the other sides, and frees everything. */
void px_listener_close(px_listener *listener, const char *words);

/* Connections from now on use these credentials. */
void px_listener_set_tls(px_listener *listener, px_tls *tls);

/* See px_net.close_incoming and .bears. */
void px_listener_end(px_listener *listener, uint64_t id, const char *words);
uint32_t px_listener_names_borne(const px_listener *listener, uint64_t id);

#endif
