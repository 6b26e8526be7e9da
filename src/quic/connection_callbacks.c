/* connection_callbacks.c - what the library tells a connection.
 *
 * Meaning    Nothing here calls back into the library but for what it allows from inside: identifiers, and
 *            more room for the stream. [Q5] */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "quic/connection.h"
#include <gnutls/crypto.h>
#include <string.h>

static void on_random(uint8_t *bytes, size_t size_bytes, const ngtcp2_rand_ctx *context)
{
    (void)context;
    px_random_fill(bytes, size_bytes);
}

static int on_new_cid(ngtcp2_conn *conn, ngtcp2_cid *cid, uint8_t *token, size_t cid_bytes, void *user_data)
{
    (void)conn;
    px_connection *connection = user_data;
    const px_connections *shared = connection->shared;
    uint8_t bytes[NGTCP2_MAX_CIDLEN];
    px_random_fill(bytes, cid_bytes);
    ngtcp2_cid_init(cid, bytes, cid_bytes);
    if (ngtcp2_crypto_generate_stateless_reset_token(token, shared->reset_secret, sizeof shared->reset_secret,
                                                     cid)) {
        return NGTCP2_ERR_CALLBACK_FAILURE;
    }
    if (connection->cids && !px_cid_map_add(connection->cids, cid, connection))
        return NGTCP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static int on_remove_cid(ngtcp2_conn *conn, const ngtcp2_cid *cid, void *user_data)
{
    (void)conn;
    px_connection *connection = user_data;
    if (connection->cids) px_cid_map_remove(connection->cids, cid);
    return 0;
}

/* The server has seen the client's Finished, hence its certificate; the client learns of it by on_confirmed.
 * [Q31] */
static int on_completed(ngtcp2_conn *conn, void *user_data)
{
    px_connection *connection = user_data;
    ngtcp2_conn_set_keep_alive_timeout(conn, connection->shared->heartbeat_us * NGTCP2_MICROSECONDS);
    if (connection->is_server) connection->is_authenticated = true;
    return 0;
}

static int on_confirmed(ngtcp2_conn *conn, void *user_data)
{
    (void)conn;
    px_connection *connection = user_data;
    connection->is_authenticated = true;
    return 0;
}

static int on_stream_data(ngtcp2_conn *conn, uint32_t flags, int64_t stream, uint64_t offset,
                          const uint8_t *bytes, size_t size_bytes, void *user_data, void *stream_data)
{
    (void)conn;
    (void)offset;
    (void)stream_data;
    px_connection *connection = user_data;
    if (connection->state != PX_CONNECTION_OPEN) return 0;
    connection->stream = stream;
    px_connection_gather(connection, bytes, size_bytes);
    if (flags & NGTCP2_STREAM_DATA_FLAG_FIN)
        px_connection_end(connection, 0, "the other side ended its stream");
    return 0;
}

static int on_stream_reset(ngtcp2_conn *conn, int64_t stream, uint64_t final_size, uint64_t code,
                           void *user_data, void *stream_data)
{
    (void)conn;
    (void)stream;
    (void)final_size;
    (void)code;
    (void)stream_data;
    px_connection_end(user_data, 0, "the other side broke off its stream");
    return 0;
}

static int on_stop_sending(ngtcp2_conn *conn, int64_t stream, uint64_t code, void *user_data,
                           void *stream_data)
{
    (void)conn;
    (void)stream;
    (void)code;
    (void)stream_data;
    px_connection_end(user_data, 0, "the other side does not read the stream");
    return 0;
}

static int on_acknowledged(ngtcp2_conn *conn, int64_t stream, uint64_t offset, uint64_t size_bytes,
                           void *user_data, void *stream_data)
{
    (void)conn;
    (void)stream;
    (void)stream_data;
    px_connection *connection = user_data;
    px_assert(connection->queue);
    px_send_queue_ack(connection->queue, offset + size_bytes);
    return 0;
}

static int on_more_stream_data(ngtcp2_conn *conn, int64_t stream, uint64_t bytes_max, void *user_data,
                               void *stream_data)
{
    (void)conn;
    (void)stream;
    (void)bytes_max;
    (void)stream_data;
    ((px_connection *)user_data)->is_stream_blocked = false;
    return 0;
}

static int on_stateless_reset(ngtcp2_conn *conn, const ngtcp2_pkt_stateless_reset *packet, void *user_data)
{
    (void)conn;
    (void)packet;
    ((px_connection *)user_data)->is_reset = true;
    return 0;
}

void px_connection_callbacks(ngtcp2_callbacks *callbacks, bool is_server)
{
    *callbacks = (ngtcp2_callbacks){
        .recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
        .handshake_completed = on_completed,
        .handshake_confirmed = on_confirmed,
        .encrypt = ngtcp2_crypto_encrypt_cb,
        .decrypt = ngtcp2_crypto_decrypt_cb,
        .hp_mask = ngtcp2_crypto_hp_mask_cb,
        .recv_stream_data = on_stream_data,
        .stream_reset = on_stream_reset,
        .stream_stop_sending = on_stop_sending,
        .acked_stream_data_offset = on_acknowledged,
        .extend_max_stream_data = on_more_stream_data,
        .recv_stateless_reset = on_stateless_reset,
        .rand = on_random,
        .get_new_connection_id = on_new_cid,
        .remove_connection_id = on_remove_cid,
        .update_key = ngtcp2_crypto_update_key_cb,
        .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
        .delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
        .get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb,
        .version_negotiation = ngtcp2_crypto_version_negotiation_cb,
    };
    if (is_server) {
        callbacks->recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
    } else {
        callbacks->client_initial = ngtcp2_crypto_client_initial_cb;
        callbacks->recv_retry = ngtcp2_crypto_recv_retry_cb;
    }
}
