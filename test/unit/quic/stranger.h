/* stranger.h - a client that is not quite a node: the connection that px has, with what a test wants
 * different in its TLS. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_UNIT_QUIC_STRANGER_H
#define PX_TEST_UNIT_QUIC_STRANGER_H

#include "quic/connection.h"
#include "world.h"

typedef struct {
    px_dgram_events events; /* first */
    host *from;
    px_tls *tls;
    px_tls_names names;
    px_connections shared;
    px_dgram_socket *socket;
    px_connection *connection;
    px_send_queue queue;
    bool is_ready;
    bool has_ended;
    px_words reason;
} stranger;

/* Dials the host `to` with the certificate of `from`, which need not run. What is changed in
 * stranger->connection before the next turn counts. */
void stranger_dial(stranger *stranger, host *from, const host *to);
/* Sends what is to be sent. */
void stranger_flush(stranger *stranger);
void stranger_close(stranger *stranger);

#endif
