/* connection_open.c - making either side of a connection: settings, parameters, identifiers. */
// SPDX-License-Identifier: Apache-2.0
#include "quic/connection.h"

#include "base/assert.h"
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

/* Of a first dial: one lost packet should cost a tenth of a second, not the second of the standard's 333 ms.
 * [§6] */
#define INITIAL_RTT (50 * NGTCP2_MILLISECONDS)
#define HANDSHAKE_TIMEOUT (5 * NGTCP2_SECONDS)
/* The other side waits this long for our acknowledgement before it counts a packet as lost. [§1.3] */
#define MAX_ACK_DELAY (5 * NGTCP2_MILLISECONDS)
/* A connection that is silent this long is gone; several heartbeats, but not less than three timeouts of a
 * probe. [Q20] */
#define IDLE_HEARTBEATS 5u
#define IDLE_US_MIN 250000u
#define ACK_THRESHOLD_OF_DIALLER 8u
#define UDP_PAYLOAD_BYTES_MAX 65527u
#define CLIENT_DCID_BYTES 18u

/* What an Ethernet frame holds behind the headers of IPv6 and UDP, and two sizes of jumbo frames: each is
 * tried once the one before came through, and one that does not is lost without harm. [Q17, Q18] */
static const uint16_t pmtud_probes[] = {1452, 4000, PX_PACKET_BYTES};

void px_random_fill(void *bytes, size_t size_bytes)
{
    const int failed = gnutls_rnd(GNUTLS_RND_RANDOM, bytes, size_bytes);
    px_assert(!failed);
}

static void fill_settings(const px_connection *connection, ngtcp2_settings *settings)
{
    const bool is_server = connection->is_server;
    ngtcp2_settings_default(settings);
    settings->cc_algo = NGTCP2_CC_ALGO_CUBIC;
    settings->initial_ts = px_connection_now(connection);
    settings->initial_rtt = INITIAL_RTT;
    settings->handshake_timeout = HANDSHAKE_TIMEOUT;
    /* Who dials receives acknowledgements, and with some of them a question for one: that answer may ride on
     * what is sent next. [Q16] */
    settings->ack_thresh = is_server ? 1 : ACK_THRESHOLD_OF_DIALLER;
    settings->max_tx_udp_payload_size = PX_PACKET_BYTES;
    settings->pmtud_probes = pmtud_probes;
    settings->pmtud_probeslen = sizeof pmtud_probes / sizeof pmtud_probes[0];
}

static void fill_params(const px_connection *connection, ngtcp2_transport_params *params)
{
    ngtcp2_transport_params_default(params);
    uint64_t idle_us = connection->shared->heartbeat_us * IDLE_HEARTBEATS;
    if (idle_us < IDLE_US_MIN) idle_us = IDLE_US_MIN;
    params->max_idle_timeout = idle_us * NGTCP2_MICROSECONDS;
    params->max_ack_delay = MAX_ACK_DELAY;
    params->max_udp_payload_size = UDP_PAYLOAD_BYTES_MAX;
    params->active_connection_id_limit = 2;
}

static ngtcp2_path path_of(const px_dgram_address *local, const px_dgram_address *remote)
{
    return (ngtcp2_path){
        .local = {(ngtcp2_sockaddr *)(uintptr_t)local->bytes, (ngtcp2_socklen)local->size_bytes},
        .remote = {(ngtcp2_sockaddr *)(uintptr_t)remote->bytes, (ngtcp2_socklen)remote->size_bytes},
    };
}

static void make_cid(ngtcp2_cid *cid, size_t size_bytes)
{
    uint8_t bytes[NGTCP2_MAX_CIDLEN];
    px_random_fill(bytes, size_bytes);
    ngtcp2_cid_init(cid, bytes, size_bytes);
}

static px_connection *make_connection(px_connections *shared, px_dgram_socket *socket, bool is_server)
{
    px_connection *connection = calloc(1, sizeof *connection);
    if (!connection) return NULL;
    connection->shared = shared;
    connection->socket = socket;
    connection->is_server = is_server;
    connection->stream = -1;
    connection->timer.on_fire = px_connection_on_timer;
    return connection;
}

/* Joins the library's connection and the TLS session. */
static void join_tls(px_connection *connection)
{
    connection->tls.conn = connection->conn;
    ngtcp2_conn_set_tls_native_handle(connection->conn, connection->tls.gnutls);
}

px_err px_connection_dial(px_connections *shared, px_dgram_socket *socket, const px_dgram_address *remote,
                          px_tls *tls, const px_tls_names *names, uint32_t expected, px_send_queue *queue,
                          px_connection **out)
{
    px_connection *connection = make_connection(shared, socket, false);
    if (!connection) return PX_ERR_NO_SPACE;
    connection->queue = queue;
    connection->remote = *remote;
    shared->dgrams->local(shared->dgrams, socket, &connection->local);
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_callbacks callbacks;
    fill_settings(connection, &settings);
    fill_params(connection, &params);
    px_connection_callbacks(&callbacks, false);
    ngtcp2_cid theirs, ours;
    make_cid(&theirs, CLIENT_DCID_BYTES);
    make_cid(&ours, PX_CID_BYTES);
    const ngtcp2_path path = path_of(&connection->local, &connection->remote);
    if (px_tls_session_open(&connection->tls, tls, names, false, expected)) goto fail_connection;
    if (ngtcp2_conn_client_new(&connection->conn, &theirs, &ours, &path, NGTCP2_PROTO_VER_V1, &callbacks,
                               &settings, &params, NULL, connection)) {
        goto fail_tls;
    }
    join_tls(connection);
    px_connection_touch(connection);
    *out = connection;
    return PX_OK;
fail_tls:
    px_tls_session_close(&connection->tls);
fail_connection:
    free(connection);
    return PX_ERR_NO_SPACE;
}

/* What only the side that was dialled says of itself. */
static void fill_server(px_connection *connection, const px_connection_initial *initial,
                        const ngtcp2_cid *ours, ngtcp2_settings *settings, ngtcp2_transport_params *params)
{
    settings->max_window = settings->max_stream_window = initial->window_bytes_max;
    params->initial_max_data = params->initial_max_stream_data_uni = initial->window_bytes;
    params->initial_max_streams_uni = 1;
    params->original_dcid = initial->has_token ? initial->original : initial->header.dcid;
    params->original_dcid_present = 1;
    if (initial->has_token) {
        params->retry_scid = initial->header.dcid;
        params->retry_scid_present = 1;
        settings->token = initial->header.token;
        settings->tokenlen = initial->header.tokenlen;
        settings->token_type = NGTCP2_TOKEN_TYPE_RETRY;
    }
    const px_connections *shared = connection->shared;
    params->stateless_reset_token_present =
        ngtcp2_crypto_generate_stateless_reset_token(params->stateless_reset_token, shared->reset_secret,
                                                     sizeof shared->reset_secret, ours) == 0;
}

px_err px_connection_accept(px_connections *shared, px_dgram_socket *socket, const px_dgram_run *run,
                            const px_connection_initial *initial, px_tls *tls, const px_tls_names *names,
                            px_cid_map *cids, px_connection **out)
{
    px_connection *connection = make_connection(shared, socket, true);
    if (!connection) return PX_ERR_NO_SPACE;
    connection->cids = cids;
    connection->local = *run->local;
    connection->remote = *run->remote;
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_callbacks callbacks;
    ngtcp2_cid ours;
    make_cid(&ours, PX_CID_BYTES);
    fill_settings(connection, &settings);
    fill_params(connection, &params);
    fill_server(connection, initial, &ours, &settings, &params);
    px_connection_callbacks(&callbacks, true);
    const ngtcp2_path path = path_of(run->local, run->remote);
    if (px_tls_session_open(&connection->tls, tls, names, true, 0)) goto fail_connection;
    if (ngtcp2_conn_server_new(&connection->conn, &initial->header.scid, &ours, &path,
                               initial->header.version, &callbacks, &settings, &params, NULL, connection)) {
        goto fail_tls;
    }
    join_tls(connection);
    if (!px_cid_map_add(cids, &ours, connection) || !px_cid_map_add(cids, &initial->header.dcid, connection))
        goto fail_conn;
    px_connection_touch(connection);
    *out = connection;
    return PX_OK;
fail_conn:
    px_cid_map_forget(cids, connection);
    ngtcp2_conn_del(connection->conn);
fail_tls:
    px_tls_session_close(&connection->tls);
fail_connection:
    free(connection);
    return PX_ERR_NO_SPACE;
}
