/* connection_manager.h - the side that dials: one outgoing connection to each other member, for ever.
 *
 * Meaning    Each member has a *dialler*: it looks the name up, opens a socket and a connection, and when
 *            that ends, waits and does it again: exponential back-off with jitter, at most five seconds. A
 *            member that has just dialled this node is alive, so it is dialled at once. Every attempt has a
 *            new socket, hence a new source port, and a fresh look-up.
 * Holds      A dialler is in exactly one state; only enter_ functions change it.
 * Source     spec.md §2 (retry_delay), §8; [Q22, Q31]. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_QUIC_CONNECTION_MANAGER_H
#define PX_QUIC_CONNECTION_MANAGER_H

#include "base/prng.h"
#include "quic/connection.h"

/* The longest wait between two attempts. */
#define PX_RETRY_US_MAX 5000000u

typedef struct px_connection_manager px_connection_manager;

typedef struct {
    void *context;
    /* `place`: of the member among the names. */
    void (*on_up)(void *context, uint32_t place);
    void (*on_down)(void *context, uint32_t place, const char *reason);
    /* The batch of datagrams is handed over. */
    void (*on_round)(void *context, bool more);
} px_manager_owner;

typedef enum {
    PX_DIALLER_IDLE,    /* not started, or closed */
    PX_DIALLER_WAITING, /* for the next attempt */
    PX_DIALLER_RESOLVING,
    PX_DIALLER_DIALLING, /* a handshake is under way */
    PX_DIALLER_UP,
} px_dialler_state;

typedef struct {
    px_dgram_events events; /* first: the socket's */
    px_connection_manager *manager;
    uint32_t place;
    px_dialler_state state;
    px_dgram_query query;
    px_dgram_address address; /* of this attempt */
    px_dgram_socket *socket;
    px_connection *connection;
    px_send_queue queue;
    px_timer timer;    /* ends PX_DIALLER_WAITING */
    uint32_t failures; /* attempts in a row that came to nothing */
    uint32_t brief; /* connections in a row that came up and ended soon: the other side does not want them */
    uint64_t up_us; /* since when PX_DIALLER_UP */
    uint32_t attempts;  /* all of them: each takes the next of several addresses */
    uint32_t tried;     /* addresses of the name in a row, since one worked or all had failed */
    uint64_t ups;       /* connections that came up */
    bool dials_at_once; /* when the connection has ended */
    px_words complaint; /* what was said last in the log, and when: the same is not said each second */
    uint64_t complaint_us;
} px_dialler;

struct px_connection_manager {
    px_connections *shared;
    px_manager_owner owner;
    px_tls *tls; /* for the next connection */
    const px_tls_names *names;
    px_dgram_address local; /* where this node listens */
    uint64_t retry_delay_us;
    size_t receive_bytes;
    px_prng prng;
    px_dialler diallers[PX_MEMBERS_MAX];
};

typedef struct {
    const char *host;
    uint16_t port;
} px_manager_target;

/* Its memory stays where it is; the hosts are borrowed. `targets` go with names. */
void px_manager_init(px_connection_manager *manager, px_connections *shared, const px_manager_owner *owner,
                     px_tls *tls, const px_tls_names *names, const px_manager_target *targets);
/* Begins to dial. */
void px_manager_start(px_connection_manager *manager);
/* Tells the other sides, and frees everything. */
void px_manager_close(px_connection_manager *manager, const char *words);
void px_manager_set_tls(px_connection_manager *manager, px_tls *tls);

/* The member has shown that it is alive. */
void px_manager_on_alive(px_connection_manager *manager, uint32_t place);

/* See px_net. */
bool px_manager_send(px_connection_manager *manager, uint32_t place, px_lane lane, px_bytes head,
                     px_buffer *body);
size_t px_manager_queued_bytes(const px_connection_manager *manager, uint32_t place);
const char *px_manager_fault(const px_connection_manager *manager, uint32_t place);
void px_manager_redial(px_connection_manager *manager, uint32_t place, bool at_once, const char *words);

#endif
