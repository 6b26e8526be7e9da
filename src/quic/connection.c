/* connection.c - one QUIC connection: what it reads, when it is due, how it ends.
 *
 * Meaning    A connection is touched by whatever happens to it, flushed once at the end of the turn, and
 *            settled in a turn of its own when it has ended: its owner is told when nothing of it is on the
 *            stack any more. */
// SPDX-License-Identifier: Apache-2.0
#include "quic/connection.h"

#include "base/assert.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* A timer so late says that this process stood still: what has arrived meanwhile is read first. [Q7] */
#define LATE_US 5000u
/* How soon a deadline is looked at again while the socket takes nothing. */
#define BLOCKED_US 5000u
/* What only came in is acknowledged so late, or after so many packets or bytes: an acknowledgement for each
 * message would double the datagrams. The wait stays below the delay that the other side was told to reckon
 * with (connection_open.c). As much as a full packet is acknowledged as it comes: whoever sends it may be
 * waiting for the acknowledgement, since what does not fill a packet had nothing behind it. */
#define ACK_WAIT_US 4000u
#define ACK_PACKETS_MAX 16u
#define ACK_BYTES_MAX 8192u
#define FULL_SLACK_BYTES 64u
/* Who has nothing to send is woken no sooner: the library would pace what is not there, and count a packet as
 * lost to the microsecond. */
#define QUIET_US 1000u
/* Of a reason that the other side gives. */
#define FOREIGN_BYTES_MAX 200u

ngtcp2_tstamp px_connection_now(const px_connection *connection)
{
    px_clock *clock = connection->shared->clock;
    return clock->now_us(clock) * NGTCP2_MICROSECONDS;
}

void px_connection_touch(px_connection *connection)
{
    if (connection->is_dirty || connection->state == PX_CONNECTION_OVER) return;
    connection->is_dirty = true;
    connection->dirty_next = connection->shared->dirty_first;
    connection->shared->dirty_first = connection;
}

/* ---- endings ---- */

/* Its owner hears of it from the next turn of the loop. */
static void finish(px_connection *connection)
{
    px_connections *shared = connection->shared;
    px_assert(connection->state != PX_CONNECTION_OVER);
    connection->state = PX_CONNECTION_OVER;
    px_timers_stop(shared->clock->timers, &connection->timer);
    connection->ended_next = shared->ended_first;
    shared->ended_first = connection;
    px_timers_start(shared->clock->timers, &shared->settle_timer, shared->clock->now_us(shared->clock));
}

void px_connection_end(px_connection *connection, uint64_t code, const char *words)
{
    if (connection->state != PX_CONNECTION_OPEN) return;
    px_connection_touch(connection);
    connection->state = PX_CONNECTION_TO_CLOSE;
    connection->was_refused = true;
    px_words_set(&connection->reason, "%s", words);
    ngtcp2_ccerr_set_application_error(&connection->close_error, code, NULL, 0);
}

void px_connection_lose(px_connection *connection, const char *words)
{
    if (connection->state != PX_CONNECTION_OPEN) return;
    px_words_set(&connection->reason, "%s", words);
    finish(connection);
}

/* The other side has closed: what it said. */
static void lose_as_told(px_connection *connection)
{
    if (connection->is_reset) {
        px_connection_lose(
            connection, "the other side has restarted and does not know this connection (stateless reset)");
        return;
    }
    connection->was_refused = true;
    const ngtcp2_ccerr *told = ngtcp2_conn_get_ccerr(connection->conn);
    px_words words;
    px_words_set(&words, "the other side closed it");
    if (told->reasonlen) {
        px_words_add(&words, ": ");
        px_words_add_foreign(&words, told->reason, told->reasonlen, FOREIGN_BYTES_MAX);
    }
    if (told->type == NGTCP2_CCERR_TYPE_TRANSPORT && told->error_code >= NGTCP2_CRYPTO_ERROR &&
        told->error_code <= NGTCP2_CRYPTO_ERROR + 0xff) {
        const uint8_t alert = (uint8_t)(told->error_code - NGTCP2_CRYPTO_ERROR);
        px_words_add(&words, " (TLS alert %u: %s)", alert, px_tls_alert_text(alert, false));
    } else if (told->type == NGTCP2_CCERR_TYPE_TRANSPORT && told->error_code != NGTCP2_NO_ERROR) {
        px_words_add(&words, " (QUIC error 0x%llx)", (unsigned long long)told->error_code);
    }
    px_connection_lose(connection, words.text);
}

static void end_by_tls(px_connection *connection)
{
    const uint8_t alert = ngtcp2_conn_get_tls_alert(connection->conn);
    const bool has_words = connection->tls.fault.text[0] != '\0';
    px_connection_end(connection, 0, has_words ? connection->tls.fault.text : px_tls_alert_text(alert, true));
    ngtcp2_ccerr_set_tls_alert(&connection->close_error, alert, NULL, 0);
}

void px_connection_fail(px_connection *connection, int liberr)
{
    if (connection->state != PX_CONNECTION_OPEN) return;
    switch (liberr) {
    case NGTCP2_ERR_DRAINING: lose_as_told(connection); return;
    case NGTCP2_ERR_IDLE_CLOSE:
        px_connection_lose(connection, connection->was_heard
                                           ? "nothing was heard from the other side any more"
                                           : "nobody answers");
        return;
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT: px_connection_lose(connection, "the handshake took too long"); return;
    case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
        px_connection_lose(connection, "the other side speaks no version of QUIC that this one does");
        return;
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RETRY:
    case NGTCP2_ERR_CLOSING: px_connection_lose(connection, ngtcp2_strerror(liberr)); return;
    case NGTCP2_ERR_CRYPTO: end_by_tls(connection); return;
    default:
        px_connection_end(connection, 0, ngtcp2_strerror(liberr));
        ngtcp2_ccerr_set_liberr(&connection->close_error, liberr, NULL, 0);
        return;
    }
}

/* ---- reading ---- */

/* Hands out what was gathered, the news that the connection is ready before it. */
static void hand_out(px_connection *connection)
{
    px_connections *shared = connection->shared;
    if (connection->is_authenticated && !connection->is_ready && connection->state == PX_CONNECTION_OPEN) {
        connection->is_ready = true;
        connection->owner->on_ready(connection);
    }
    px_assert(!shared->gathering || shared->gathering == connection);
    const size_t size_bytes = shared->gathered_bytes;
    shared->gathering = NULL;
    shared->gathered_bytes = 0;
    if (size_bytes == 0 || connection->state != PX_CONNECTION_OPEN) return;
    px_assert(connection->is_ready);
    connection->owner->on_bytes(connection, shared->gathered, size_bytes);
    /* Consumed: the other side may send as much again. [Q14] */
    (void)ngtcp2_conn_extend_max_stream_offset(connection->conn, connection->stream, size_bytes);
    ngtcp2_conn_extend_max_offset(connection->conn, size_bytes);
}

void px_connection_gather(px_connection *connection, const uint8_t *bytes, size_t size_bytes)
{
    px_connections *shared = connection->shared;
    while (size_bytes > 0 && connection->state == PX_CONNECTION_OPEN) {
        if (shared->gathered_bytes == sizeof shared->gathered) hand_out(connection);
        const size_t room_bytes = sizeof shared->gathered - shared->gathered_bytes;
        const size_t part_bytes = size_bytes < room_bytes ? size_bytes : room_bytes;
        memcpy(shared->gathered + shared->gathered_bytes, bytes, part_bytes);
        shared->gathering = connection;
        shared->gathered_bytes += part_bytes;
        bytes += part_bytes;
        size_bytes -= part_bytes;
    }
}

/* The client's only stream. */
static void open_stream(px_connection *connection)
{
    const int err = ngtcp2_conn_open_uni_stream(connection->conn, &connection->stream, NULL);
    if (err) px_connection_end(connection, 0, "the other side permits no stream");
}

/* Sees to it that what came is acknowledged: soon, where nothing else is to be sent. */
static void acknowledge(px_connection *connection, const px_dgram_run *run)
{
    const bool is_full =
        run->size_bytes + FULL_SLACK_BYTES >= ngtcp2_conn_get_path_max_tx_udp_payload_size(connection->conn);
    const bool is_quiet = connection->is_server && connection->is_settled && !is_full;
    connection->unacknowledged_bytes += run->size_bytes;
    if (!is_quiet || connection->unacknowledged >= ACK_PACKETS_MAX ||
        connection->unacknowledged_bytes >= ACK_BYTES_MAX) {
        px_connection_touch(connection);
        return;
    }
    px_clock *clock = connection->shared->clock;
    const uint64_t due_us = clock->now_us(clock) + ACK_WAIT_US;
    const px_timer *timer = &connection->timer;
    if (connection->is_dirty || connection->state != PX_CONNECTION_OPEN) return;
    if (!timer->is_started || timer->deadline_us > due_us)
        px_timers_start(clock->timers, &connection->timer, due_us);
}

void px_connection_read(px_connection *connection, const px_dgram_run *run)
{
    const ngtcp2_path path = {
        .local = {(ngtcp2_sockaddr *)(uintptr_t)run->local->bytes, (ngtcp2_socklen)run->local->size_bytes},
        .remote = {(ngtcp2_sockaddr *)(uintptr_t)run->remote->bytes, (ngtcp2_socklen)run->remote->size_bytes},
    };
    const ngtcp2_pkt_info info = {.ecn = run->ecn};
    const ngtcp2_tstamp now = px_connection_now(connection);
    for (size_t offset = 0; offset < run->size_bytes; offset += run->segment_bytes) {
        if (connection->state != PX_CONNECTION_OPEN) break;
        const size_t rest_bytes = run->size_bytes - offset;
        const size_t packet_bytes = rest_bytes < run->segment_bytes ? rest_bytes : run->segment_bytes;
        connection->shared->counters.packets_received++;
        connection->unacknowledged++;
        const int err =
            ngtcp2_conn_read_pkt(connection->conn, &path, &info, run->data + offset, packet_bytes, now);
        if (err)
            px_connection_fail(connection, err);
        else
            connection->was_heard = true;
    }
    if (connection->is_authenticated && !connection->is_server && connection->stream < 0)
        open_stream(connection);
    hand_out(connection);
    if (connection->state == PX_CONNECTION_OPEN)
        acknowledge(connection, run);
    else
        px_connection_touch(connection);
}

/* ---- deadlines ---- */

static bool has_more_to_send(const px_connection *connection)
{
    return connection->queue && px_send_queue_unsent_bytes(connection->queue) > 0;
}

static void arm(px_connection *connection)
{
    px_clock *clock = connection->shared->clock;
    const bool is_quiet = connection->is_settled && !has_more_to_send(connection);
    const ngtcp2_tstamp expiry =
        is_quiet ? connection->expiry_unpaced : ngtcp2_conn_get_expiry(connection->conn);
    if (expiry == UINT64_MAX) {
        px_timers_stop(clock->timers, &connection->timer);
        return;
    }
    uint64_t deadline_us = (expiry + NGTCP2_MICROSECONDS - 1) / NGTCP2_MICROSECONDS;
    if (is_quiet) {
        const uint64_t least_us = clock->now_us(clock) + QUIET_US;
        if (deadline_us < least_us) deadline_us = least_us;
    }
    if (connection->held) {
        const uint64_t soon_us = clock->now_us(clock) + BLOCKED_US;
        if (deadline_us < soon_us) deadline_us = soon_us;
    }
    px_timers_start(clock->timers, &connection->timer, deadline_us);
}

void px_connection_on_timer(px_timer *timer)
{
    px_connection *connection = (px_connection *)((char *)timer - offsetof(px_connection, timer));
    px_connections *shared = connection->shared;
    const uint64_t now_us = shared->clock->now_us(shared->clock);
    if (now_us > timer->deadline_us + LATE_US) shared->dgrams->receive(shared->dgrams, connection->socket);
    if (connection->state != PX_CONNECTION_OPEN) return;
    const int err = ngtcp2_conn_handle_expiry(connection->conn, px_connection_now(connection));
    if (err) px_connection_fail(connection, err);
    px_connection_touch(connection);
}

void px_connection_flush(px_connection *connection)
{
    connection->unacknowledged = 0;
    connection->unacknowledged_bytes = 0;
    connection->is_settled = connection->is_ready;
    if (connection->state == PX_CONNECTION_OPEN && !connection->held) px_connection_write(connection);
    if (connection->state == PX_CONNECTION_OPEN) arm(connection);
    if (connection->state == PX_CONNECTION_TO_CLOSE) {
        px_connection_write_close(connection);
        finish(connection);
    }
}

void px_connections_flush(px_connections *shared)
{
    px_connection *dirty = shared->dirty_first;
    shared->dirty_first = NULL;
    while (dirty) {
        px_connection *connection = dirty;
        dirty = connection->dirty_next;
        connection->is_dirty = false;
        px_connection_flush(connection);
    }
    /* Whoever has more to send than one turn takes goes on in the next one. */
    if (shared->dirty_first) {
        px_timers_start(shared->clock->timers, &shared->settle_timer, shared->clock->now_us(shared->clock));
    }
}

void px_connections_settle(px_connections *shared)
{
    while (shared->ended_first) {
        px_connection *connection = shared->ended_first;
        shared->ended_first = connection->ended_next;
        connection->owner->on_ended(connection);
    }
}

/* ---- freeing ---- */

static void remove_from_dirty(px_connection *connection)
{
    if (!connection->is_dirty) return;
    px_connection **at = &connection->shared->dirty_first;
    while (*at != connection) at = &(*at)->dirty_next;
    *at = connection->dirty_next;
    connection->is_dirty = false;
}

void px_connection_bury(px_connection *connection)
{
    if (!connection->conn) return;
    remove_from_dirty(connection);
    px_timers_stop(connection->shared->clock->timers, &connection->timer);
    ngtcp2_conn_del(connection->conn);
    connection->conn = NULL;
    px_tls_session_close(&connection->tls);
    free(connection->held);
    connection->held = NULL;
}

void px_connection_free(px_connection *connection)
{
    if (!connection) return;
    px_connection_bury(connection);
    px_timers_stop(connection->shared->clock->timers, &connection->timer);
    if (connection->cids) px_cid_map_forget(connection->cids, connection);
    free(connection->close_packet);
    free(connection);
}
