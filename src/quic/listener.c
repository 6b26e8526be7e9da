/* listener.c - the side that is dialled: one socket for all incoming connections. */
// SPDX-License-Identifier: Apache-2.0
#include "quic/listener.h"

#include "base/assert.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Windows of one connection: to begin with, and what it may grow to. Small where the kernel's buffer is: then
 * nothing is lost. [Q13] */
#define WINDOW_BYTES (1u << 20)
#define WINDOW_BYTES_MAX (16u << 20)
#define SMALL_WINDOW_BYTES (128u << 10)
#define SMALL_WINDOW_BYTES_MIN (64u << 10)
#define LARGE_BUFFER_BYTES (1u << 20)
/* Refusals that go to the log in one period: an open port must not let strangers fill the disk. */
#define COMPLAINTS_MAX 20u
#define COMPLAINTS_PERIOD_US 10000000u
/* How long late packets of a closed connection are answered, at least: three timeouts of a probe on a slow
 * way. [Q23] */
#define LINGER_US 300000u
/* Words for a member whose name is not known yet. */
#define STRANGER UINT32_MAX

/* One incoming connection, and what is left of it afterwards. */
struct px_incoming_link {
    px_incoming_link *next;
    px_listener *listener;
    px_connection *connection;
    uint64_t id;
    uint32_t place; /* STRANGER before it is authenticated */
    bool is_half_open;
    bool is_unwanted; /* ended by the owner, who needs not be told */
    px_timer linger;
    uint64_t late_packets; /* since it was closed */
};

static px_incoming_link *find_link(const px_listener *listener, uint64_t id)
{
    for (px_incoming_link *link = listener->links; link; link = link->next)
        if (link->id == id) return link;
    return NULL;
}

static void free_link(px_incoming_link *link)
{
    px_listener *listener = link->listener;
    px_incoming_link **at = &listener->links;
    while (*at != link) at = &(*at)->next;
    *at = link->next;
    if (link->is_half_open) listener->half_open--;
    px_timers_stop(listener->shared->clock->timers, &link->linger);
    px_connection_free(link->connection);
    free(link);
}

static void on_linger(px_timer *timer)
{
    free_link((px_incoming_link *)((char *)timer - offsetof(px_incoming_link, linger)));
}

/* ---- words ---- */

static void complain(px_listener *listener, const px_connection *connection, const char *words)
{
    px_clock *clock = listener->shared->clock;
    const uint64_t now_us = clock->now_us(clock);
    if (now_us - listener->complaints_us >= COMPLAINTS_PERIOD_US) {
        listener->complaints_us = now_us;
        listener->complaints = 0;
    }
    if (listener->complaints++ >= COMPLAINTS_MAX) return;
    char address[PX_DGRAM_TEXT_BYTES];
    listener->shared->dgrams->print(&connection->remote, address);
    /* Who came and fell silent may have gone away, or stood still as we did. */
    const px_log_level level = connection->was_refused ? PX_LOG_WARN : PX_LOG_DEBUG;
    px_log_event(listener->shared->log, level, "quic: a connection from %s failed: %s", address, words);
}

/* ---- what a connection tells ---- */

static uint32_t connections_of(const px_listener *listener, uint32_t place)
{
    uint32_t count = 0;
    for (const px_incoming_link *link = listener->links; link; link = link->next)
        if (link->place == place && link->connection->state == PX_CONNECTION_OPEN) count++;
    return count;
}

static void on_ready(px_connection *connection)
{
    px_incoming_link *link = connection->owner_context;
    px_listener *listener = link->listener;
    link->is_half_open = false;
    listener->half_open--;
    const uint32_t mask = connection->tls.borne_mask;
    px_assert(mask != 0);
    uint32_t place = 0;
    while (!(mask & (1u << place))) place++;
    if (connections_of(listener, place) >= PX_INCOMING_PER_MEMBER_MAX) {
        px_connection_end(connection, 0, "too many connections of this member");
        return;
    }
    link->place = place;
    char address[PX_DGRAM_TEXT_BYTES];
    listener->shared->dgrams->print(&connection->remote, address);
    px_log_event(listener->shared->log, PX_LOG_DEBUG, "quic: %s has connected from %s",
                 listener->names->names[place], address);
    listener->owner.on_incoming(listener->owner.context, link->id, place);
}

static void on_bytes(px_connection *connection, uint8_t *bytes, size_t size_bytes)
{
    const px_incoming_link *link = connection->owner_context;
    px_listener *listener = link->listener;
    listener->owner.on_bytes(listener->owner.context, link->id, bytes, size_bytes);
}

static void on_ended(px_connection *connection)
{
    px_incoming_link *link = connection->owner_context;
    px_listener *listener = link->listener;
    const bool was_authenticated = link->place != STRANGER;
    if (link->is_half_open) listener->half_open--;
    link->is_half_open = false;
    if (!was_authenticated) complain(listener, connection, connection->reason.text);
    px_connection_bury(connection);
    if (was_authenticated && !link->is_unwanted) {
        link->is_unwanted = true;
        px_log_event(listener->shared->log, PX_LOG_INFO, "quic: the connection from %s ended: %s",
                     listener->names->names[link->place], connection->reason.text);
        listener->owner.on_closed(listener->owner.context, link->id, connection->reason.text);
    }
    if (!connection->close_packet) {
        free_link(link);
        return;
    }
    px_clock *clock = listener->shared->clock;
    link->linger.on_fire = on_linger;
    px_timers_start(clock->timers, &link->linger, clock->now_us(clock) + LINGER_US);
}

static const px_connection_owner connection_owner = {on_ready, on_bytes, on_ended};

/* ---- datagrams ---- */

/* Says once more that it is over: to the first late packet, the second, the fourth, the eighth... */
static void answer_late(px_listener *listener, px_connection *connection, const px_dgram_run *run)
{
    px_incoming_link *link = connection->owner_context;
    link->late_packets++;
    if (!connection->close_packet || (link->late_packets & (link->late_packets - 1)) != 0) return;
    const px_dgram_run back = {
        .local = run->local,
        .remote = run->remote,
        .data = connection->close_packet,
        .size_bytes = connection->close_packet_bytes,
        .segment_bytes = connection->close_packet_bytes,
    };
    size_t sent_bytes = 0;
    (void)listener->shared->dgrams->send(listener->shared->dgrams, listener->socket, &back, &sent_bytes);
}

static px_connection *accept_initial(px_listener *listener, const px_dgram_run *run,
                                     const px_connection_initial *initial)
{
    px_incoming_link *link = calloc(1, sizeof *link);
    if (!link) return NULL;
    link->listener = listener;
    link->id = listener->id_next;
    link->place = STRANGER;
    if (px_connection_accept(listener->shared, listener->socket, run, initial, listener->tls, listener->names,
                             &listener->cids, &link->connection)) {
        free(link);
        return NULL;
    }
    listener->id_next++;
    link->connection->owner = &connection_owner;
    link->connection->owner_context = link;
    link->is_half_open = true;
    listener->half_open++;
    link->next = listener->links;
    listener->links = link;
    return link->connection;
}

/* A packet of no known connection: a new one, or one that this node has forgotten. NULL: nothing more to do
 * with it. */
static px_connection *meet_stranger(px_listener *listener, const px_dgram_run *run,
                                    const ngtcp2_version_cid *ids)
{
    if (ids->version == 0) {
        px_stateless_reset(&listener->stateless, run, ids);
        return NULL;
    }
    px_connection_initial initial = {
        .window_bytes = listener->window_bytes,
        .window_bytes_max = listener->window_bytes_max,
    };
    if (ngtcp2_accept(&initial.header, run->data, run->size_bytes)) return NULL;
    if (listener->half_open >= PX_HALF_OPEN_PER_MEMBER_MAX * listener->names->count) return NULL;
    initial.has_token =
        px_stateless_check_token(&listener->stateless, run, &initial.header, &initial.original);
    if (!initial.has_token && listener->half_open >= PX_HALF_OPEN_PER_MEMBER * listener->names->count) {
        px_stateless_retry(&listener->stateless, run, &initial.header);
        return NULL;
    }
    return accept_initial(listener, run, &initial);
}

/* The connection of one datagram; NULL where it was for none. */
static px_connection *find_connection(px_listener *listener, const px_dgram_run *datagram)
{
    ngtcp2_version_cid ids;
    const int err = ngtcp2_pkt_decode_version_cid(&ids, datagram->data, datagram->size_bytes, PX_CID_BYTES);
    if (err == NGTCP2_ERR_VERSION_NEGOTIATION) px_stateless_negotiate(&listener->stateless, datagram, &ids);
    if (err) return NULL;
    px_connection *connection = px_cid_map_find(&listener->cids, ids.dcid, ids.dcidlen);
    if (!connection) return meet_stranger(listener, datagram, &ids);
    if (connection->state == PX_CONNECTION_OPEN) return connection;
    answer_late(listener, connection, datagram);
    return NULL;
}

static void on_run(px_dgram_events *events, const px_dgram_run *run)
{
    px_listener *listener = (px_listener *)events;
    px_dgram_run datagram = *run;
    /* Datagrams of one run are of one sender, and as good as always of one connection: what belongs together
     * is read together. */
    px_dgram_run together = *run;
    px_connection *connection = NULL;
    together.size_bytes = 0;
    for (size_t offset = 0; offset < run->size_bytes; offset += run->segment_bytes) {
        const size_t rest_bytes = run->size_bytes - offset;
        datagram.data = run->data + offset;
        datagram.size_bytes = rest_bytes < run->segment_bytes ? rest_bytes : run->segment_bytes;
        datagram.segment_bytes = datagram.size_bytes;
        px_connection *next = find_connection(listener, &datagram);
        if (next != connection && connection) px_connection_read(connection, &together);
        if (next != connection) {
            together.data = datagram.data;
            together.size_bytes = 0;
        }
        connection = next;
        together.size_bytes += datagram.size_bytes;
    }
    if (connection) px_connection_read(connection, &together);
}

static void on_round(px_dgram_events *events, bool more)
{
    px_listener *listener = (px_listener *)events;
    listener->owner.on_round(listener->owner.context, more);
}

static void on_writable(px_dgram_events *events)
{
    px_listener *listener = (px_listener *)events;
    for (px_incoming_link *link = listener->links; link; link = link->next)
        if (link->connection->state == PX_CONNECTION_OPEN) px_connection_on_writable(link->connection);
}

static void on_refused(px_dgram_events *events)
{
    (void)events;
}

/* ---- life ---- */

px_err px_listener_open(px_listener *listener, px_connections *shared, const px_listener_owner *owner,
                        px_tls *tls, const px_tls_names *names, const px_dgram_address *address,
                        size_t receive_bytes)
{
    *listener = (px_listener){
        .events = {on_run, on_round, on_writable, on_refused},
        .shared = shared,
        .owner = *owner,
        .names = names,
        .id_next = 1,
    };
    px_dgram_net *dgrams = shared->dgrams;
    const px_err err =
        dgrams->open(dgrams, address, NULL, receive_bytes, &listener->events, &listener->socket);
    if (err) return err;
    listener->tls = px_tls_retain(tls);
    listener->stateless = (px_stateless){
        .dgrams = dgrams,
        .socket = listener->socket,
        .clock = shared->clock,
        .reset_secret = shared->reset_secret,
    };
    px_random_fill(listener->stateless.retry_secret, sizeof listener->stateless.retry_secret);
    listener->window_bytes = WINDOW_BYTES;
    listener->window_bytes_max = WINDOW_BYTES_MAX;
    if (dgrams->receive_bytes(dgrams, listener->socket) < LARGE_BUFFER_BYTES) {
        listener->window_bytes = SMALL_WINDOW_BYTES / (names->count ? names->count : 1);
        if (listener->window_bytes < SMALL_WINDOW_BYTES_MIN) listener->window_bytes = SMALL_WINDOW_BYTES_MIN;
        listener->window_bytes_max = 0;
    }
    return PX_OK;
}

void px_listener_close(px_listener *listener, const char *words)
{
    if (!listener->socket) return;
    while (listener->links) {
        px_connection *connection = listener->links->connection;
        px_connection_end(connection, 0, words);
        if (connection->state == PX_CONNECTION_TO_CLOSE) px_connection_write_close(connection);
        free_link(listener->links);
    }
    listener->shared->dgrams->close(listener->shared->dgrams, listener->socket);
    listener->socket = NULL;
    px_tls_release(listener->tls);
}

void px_listener_set_tls(px_listener *listener, px_tls *tls)
{
    px_tls_release(listener->tls);
    listener->tls = px_tls_retain(tls);
}

void px_listener_end(px_listener *listener, uint64_t id, const char *words)
{
    px_incoming_link *link = find_link(listener, id);
    if (!link) return;
    link->is_unwanted = true;
    px_connection_end(link->connection, 0, words);
}

uint32_t px_listener_names_borne(const px_listener *listener, uint64_t id)
{
    const px_incoming_link *link = find_link(listener, id);
    return link && link->place != STRANGER ? link->connection->tls.borne_mask : 0;
}
