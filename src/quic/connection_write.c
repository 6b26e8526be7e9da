/* connection_write.c - packing a connection's packets into runs, and sending them.
 *
 * Meaning    Packets of one size, one behind the other, go to the kernel as one run; a smaller one ends it, a
 *            larger one begins another [Q8]. The library says when to stop: congestion, pacing, or nothing
 *            left to say.
 * Source     [Q4-Q6, Q8, Q10, Q11, Q23]. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "quic/connection.h"
#include <stdlib.h>
#include <string.h>

/* Parts of messages in one packet: enough to fill it with the shortest ones. */
#define PARTS_MAX 64u
/* Runs in one go; what is left waits for the next turn, so that one connection does not hold up the others.
 * */
#define RUNS_MAX 16u
/* Packets that leave nothing to be sent behind them are paced together when there are so many bytes of them:
 * each would wake this node for what is not there. */
#define UNPACED_BYTES_MAX 8192u
/* Of the words that close a connection: they must fit into one packet, in each of the keys that the other
 * side may have. */
#define CLOSE_WORDS_BYTES_MAX 300u

/* A run that grows in shared->packets. */
typedef struct {
    px_connection *connection;
    size_t size_bytes, segment_bytes, segments;
    uint8_t ecn;
    ngtcp2_path_storage path;
} outgoing;

static void copy_address(px_dgram_address *to, const ngtcp2_addr *from)
{
    px_assert(from->addrlen <= sizeof to->bytes);
    memcpy(to->bytes, from->addr, from->addrlen);
    to->size_bytes = (uint32_t)from->addrlen;
}

/* ---- one run ---- */

/* Keeps what the socket did not take until it is writable; nothing else is written meanwhile. [Q10] */
static void hold(px_connection *connection, const px_dgram_run *run, size_t sent_bytes)
{
    px_assert(!connection->held);
    const size_t rest_bytes = run->size_bytes - sent_bytes;
    connection->held = malloc(rest_bytes);
    /* Without memory they are lost on the way; QUIC sends them again. */
    if (!connection->held) return;
    memcpy(connection->held, run->data + sent_bytes, rest_bytes);
    connection->held_run = *run;
    connection->held_run.data = connection->held;
    connection->held_run.size_bytes = rest_bytes;
    connection->held_run.local = &connection->local;
    connection->held_run.remote = &connection->remote;
}

static px_dgram_sent send_run(px_connection *connection, const px_dgram_run *run)
{
    px_connections *shared = connection->shared;
    size_t sent_bytes = 0;
    shared->counters.sends++;
    const px_dgram_sent sent = shared->dgrams->send(shared->dgrams, connection->socket, run, &sent_bytes);
    if (sent == PX_DGRAM_BLOCKED) hold(connection, run, sent_bytes);
    return sent;
}

/* Sends the run that has grown. False: stop writing. */
static bool send_outgoing(outgoing *out)
{
    if (out->size_bytes == 0) return true;
    px_connection *connection = out->connection;
    copy_address(&connection->local, &out->path.path.local);
    copy_address(&connection->remote, &out->path.path.remote);
    const px_dgram_run run = {
        .local = &connection->local,
        .remote = &connection->remote,
        .data = connection->shared->packets,
        .size_bytes = out->size_bytes,
        .segment_bytes = out->segment_bytes,
        .ecn = out->ecn,
    };
    connection->shared->counters.packets_sent += out->segments;
    out->size_bytes = out->segments = 0;
    const px_dgram_sent sent = send_run(connection, &run);
    if (sent == PX_DGRAM_REFUSED) px_connection_lose(connection, "nobody listens there (connection refused)");
    return sent == PX_DGRAM_SENT;
}

/* Adds the packet that lies behind the run. False: stop writing. */
static bool add_packet(outgoing *out, const ngtcp2_path_storage *path, uint8_t ecn, size_t packet_bytes)
{
    uint8_t *packets = out->connection->shared->packets;
    if (out->size_bytes && (packet_bytes > out->segment_bytes || ecn != out->ecn ||
                            !ngtcp2_path_eq(&path->path, &out->path.path))) {
        const uint8_t *packet = packets + out->size_bytes;
        if (!send_outgoing(out)) return false;
        memmove(packets, packet, packet_bytes);
    }
    if (out->size_bytes == 0) {
        out->segment_bytes = packet_bytes;
        out->ecn = ecn;
        ngtcp2_path_storage_init(&out->path, path->path.local.addr, path->path.local.addrlen,
                                 path->path.remote.addr, path->path.remote.addrlen, NULL);
    }
    out->size_bytes += packet_bytes;
    out->segments++;
    const bool is_full = packet_bytes < out->segment_bytes || out->segments == PX_DGRAM_SEGMENTS_MAX ||
                         out->size_bytes + PX_PACKET_BYTES > PX_DGRAM_RUN_BYTES_MAX;
    return !is_full || send_outgoing(out);
}

/* ---- packets ---- */

static bool has_bytes_to_send(const px_connection *connection)
{
    return connection->queue && connection->stream >= 0 && !connection->is_stream_blocked;
}

/* Writes one packet to `space`: its size, 0 where there is none to write, or the library's error. */
static ngtcp2_ssize write_packet(px_connection *connection, uint8_t *space, ngtcp2_path_storage *path,
                                 uint8_t *ecn, ngtcp2_tstamp now)
{
    for (;;) {
        ngtcp2_vec parts[PARTS_MAX];
        size_t count = 0;
        if (has_bytes_to_send(connection)) {
            const size_t wanted_bytes = ngtcp2_conn_get_path_max_tx_udp_payload_size(connection->conn);
            count = px_send_queue_peek(connection->queue, parts, PARTS_MAX, wanted_bytes);
        }
        ngtcp2_pkt_info info = {0};
        ngtcp2_ssize taken = -1;
        ngtcp2_path_storage_zero(path);
        const ngtcp2_ssize written =
            ngtcp2_conn_writev_stream(connection->conn, &path->path, &info, space, PX_PACKET_BYTES, &taken,
                                      NGTCP2_WRITE_STREAM_FLAG_NONE, count ? connection->stream : -1, parts,
                                      count, now);
        if (written == NGTCP2_ERR_STREAM_DATA_BLOCKED) {
            /* Once more without the stream: acknowledgements must go out. [Q6] */
            connection->is_stream_blocked = true;
            continue;
        }
        /* A packet may go without bytes of the stream; and bytes are only taken into packets. */
        if (taken > 0) px_send_queue_take(connection->queue, (size_t)taken);
        *ecn = info.ecn;
        return written;
    }
}

/* Tells the library that a burst is out, so that it spreads what follows. */
static void pace(px_connection *connection)
{
    connection->expiry_unpaced = ngtcp2_conn_get_expiry(connection->conn);
    const bool has_more = connection->queue && px_send_queue_unsent_bytes(connection->queue) > 0;
    if (!has_more && connection->unpaced_bytes < UNPACED_BYTES_MAX) return;
    connection->unpaced_bytes = 0;
    ngtcp2_conn_update_pkt_tx_time(connection->conn, px_connection_now(connection));
}

/* Writes packets until the library or the socket says stop, a burst is full, or RUNS_MAX bursts are out. */
void px_connection_write(px_connection *connection)
{
    outgoing out = {.connection = connection};
    if (connection->queue) {
        ngtcp2_conn_info info;
        ngtcp2_conn_get_conn_info(connection->conn, &info);
        if (info.min_rtt != UINT64_MAX)
            px_send_queue_set_round_trip(connection->queue, info.min_rtt / NGTCP2_MICROSECONDS);
    }
    for (uint32_t burst = 0; burst < RUNS_MAX; burst++) {
        const ngtcp2_tstamp now = px_connection_now(connection);
        size_t quantum_bytes = ngtcp2_conn_get_send_quantum(connection->conn);
        bool is_going = true;
        bool is_done = false;
        /* A packet that goes over the quantum would be a run by itself: it begins the next burst. */
        size_t packet_bytes = 1;
        while (is_going && quantum_bytes >= packet_bytes) {
            ngtcp2_path_storage path;
            uint8_t ecn = 0;
            uint8_t *space = connection->shared->packets + out.size_bytes;
            const ngtcp2_ssize written = write_packet(connection, space, &path, &ecn, now);
            if (written < 0) {
                px_connection_fail(connection, (int)written);
                return;
            }
            is_done = written == 0;
            if (is_done) break;
            packet_bytes = (size_t)written;
            connection->unpaced_bytes += packet_bytes;
            quantum_bytes -= packet_bytes < quantum_bytes ? packet_bytes : quantum_bytes;
            is_going = add_packet(&out, &path, ecn, packet_bytes);
        }
        if (is_going) is_going = send_outgoing(&out);
        pace(connection);
        if (is_done || !is_going) return;
    }
    px_connection_touch(connection);
}

/* ---- the end ---- */

void px_connection_write_close(px_connection *connection)
{
    px_connections *shared = connection->shared;
    ngtcp2_path_storage path;
    ngtcp2_pkt_info info = {0};
    ngtcp2_path_storage_zero(&path);
    connection->close_error.reason = (const uint8_t *)connection->reason.text;
    connection->close_error.reasonlen = strnlen(connection->reason.text, CLOSE_WORDS_BYTES_MAX);
    const ngtcp2_ssize written =
        ngtcp2_conn_write_connection_close(connection->conn, &path.path, &info, shared->packets,
                                           PX_PACKET_BYTES, &connection->close_error,
                                           px_connection_now(connection));
    if (written <= 0) return;
    copy_address(&connection->local, &path.path.local);
    copy_address(&connection->remote, &path.path.remote);
    const px_dgram_run run = {
        .local = &connection->local,
        .remote = &connection->remote,
        .data = shared->packets,
        .size_bytes = (size_t)written,
        .segment_bytes = (size_t)written,
    };
    size_t sent_bytes = 0;
    shared->counters.sends++;
    shared->counters.packets_sent++;
    (void)shared->dgrams->send(shared->dgrams, connection->socket, &run, &sent_bytes);
    if (!connection->is_server) return;
    /* Whoever did not get it asks again by sending: then it is said once more. [Q23] */
    connection->close_packet = malloc((size_t)written);
    if (!connection->close_packet) return;
    memcpy(connection->close_packet, shared->packets, (size_t)written);
    connection->close_packet_bytes = (size_t)written;
}

void px_connection_on_writable(px_connection *connection)
{
    if (connection->held) {
        uint8_t *held = connection->held;
        const px_dgram_run run = connection->held_run;
        connection->held = NULL;
        const px_dgram_sent sent = send_run(connection, &run);
        free(held);
        if (sent == PX_DGRAM_REFUSED)
            px_connection_lose(connection, "nobody listens there (connection refused)");
    }
    px_connection_touch(connection);
}
