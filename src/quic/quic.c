/* quic.c - the net of node/: joins diallers, listener and certificates, and counts members as node/ does. */
// SPDX-License-Identifier: Apache-2.0
#include "quic/quic.h"

#include "base/assert.h"
#include "quic/connection_manager.h"
#include "quic/expiry.h"
#include "quic/listener.h"
#include "quic/tls.h"
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define RECEIVE_BYTES (4u << 20)
#define LEAVING "this node is stopping"

typedef struct {
    px_net net; /* first: what node/ holds */
    px_quic_config config;
    px_net_events *events;
    px_tls *tls;
    px_tls_names names;
    px_connections shared;
    px_connection_manager manager;
    px_listener listener;
    char *texts; /* of the configuration */
    char *paths; /* of the certificates in use */
    px_expiry expiry;
} px_quic;

static px_quic *quic_of(px_net *net)
{
    return (px_quic *)net;
}

static uint32_t member_at(const px_quic *quic, uint32_t place)
{
    return quic->config.servers[place].member;
}

/* server_count where it is none of them. */
static uint32_t place_of(const px_quic *quic, uint32_t member)
{
    uint32_t place = 0;
    while (place < quic->config.server_count && quic->config.servers[place].member != member) place++;
    return place;
}

/* ---- what node/ asks ---- */

static bool net_send(px_net *net, uint32_t member, px_lane lane, px_bytes head, px_buffer *body)
{
    px_quic *quic = quic_of(net);
    const uint32_t place = place_of(quic, member);
    return place < quic->config.server_count && px_manager_send(&quic->manager, place, lane, head, body);
}

static size_t net_queued_bytes(px_net *net, uint32_t member)
{
    const px_quic *quic = quic_of(net);
    const uint32_t place = place_of(quic, member);
    return place < quic->config.server_count ? px_manager_queued_bytes(&quic->manager, place) : 0;
}

static void net_redial(px_net *net, uint32_t member, bool at_once, const char *reason)
{
    px_quic *quic = quic_of(net);
    const uint32_t place = place_of(quic, member);
    if (place < quic->config.server_count) px_manager_redial(&quic->manager, place, at_once, reason);
}

static void net_close_incoming(px_net *net, uint64_t connection, const char *reason)
{
    px_listener_end(&quic_of(net)->listener, connection, reason);
}

static bool net_bears(px_net *net, uint64_t connection, uint32_t member)
{
    const px_quic *quic = quic_of(net);
    const uint32_t place = place_of(quic, member);
    if (place >= quic->config.server_count) return false;
    return (px_listener_names_borne(&quic->listener, connection) & (1u << place)) != 0;
}

static const char *net_fault(px_net *net, uint32_t member)
{
    const px_quic *quic = quic_of(net);
    const uint32_t place = place_of(quic, member);
    return place < quic->config.server_count ? px_manager_fault(&quic->manager, place) : "";
}

/* ---- what its parts tell ---- */

static void on_up(void *context, uint32_t place)
{
    px_quic *quic = context;
    if (quic->events) quic->events->on_up(quic->events, member_at(quic, place));
}

static void on_down(void *context, uint32_t place, const char *reason)
{
    px_quic *quic = context;
    if (quic->events) quic->events->on_down(quic->events, member_at(quic, place), reason);
}

static void on_incoming(void *context, uint64_t id, uint32_t place)
{
    px_quic *quic = context;
    if (quic->events) quic->events->on_incoming(quic->events, id, member_at(quic, place));
    px_manager_on_alive(&quic->manager, place);
}

static void on_bytes(void *context, uint64_t id, uint8_t *bytes, size_t size_bytes)
{
    px_quic *quic = context;
    if (quic->events) quic->events->on_bytes(quic->events, id, bytes, size_bytes);
}

static void on_incoming_closed(void *context, uint64_t id, const char *reason)
{
    px_quic *quic = context;
    if (quic->events) quic->events->on_incoming_closed(quic->events, id, reason);
}

/* Where more datagrams wait, acknowledgements go out in between [Q12]; otherwise at the end of the turn, with
 * what node/ answers. */
static void on_round(void *context, bool more)
{
    px_quic *quic = context;
    if (more) px_connections_flush(&quic->shared);
}

static void on_settle(px_timer *timer)
{
    px_connections_settle((px_connections *)((char *)timer - offsetof(px_connections, settle_timer)));
}

/* ---- life ---- */

/* Copies the texts into one piece of memory, and points to them there. NULL: there is none. */
static char *copy_texts(const char **const *texts, size_t count)
{
    size_t size_bytes = 0;
    for (size_t i = 0; i < count; i++) size_bytes += strlen(*texts[i]) + 1;
    char *copies = malloc(size_bytes);
    char *next = copies;
    for (size_t i = 0; copies && i < count; i++) {
        const size_t text_bytes = strlen(*texts[i]) + 1;
        memcpy(next, *texts[i], text_bytes);
        *texts[i] = next;
        next += text_bytes;
    }
    return copies;
}

static bool copy_config(px_quic *quic)
{
    const char **texts[1 + 2 * PX_MEMBERS_MAX];
    size_t count = 0;
    px_quic_config *config = &quic->config;
    texts[count++] = &config->bind_host;
    for (uint32_t i = 0; i < config->server_count; i++) {
        texts[count++] = &config->servers[i].name;
        texts[count++] = &config->servers[i].host;
    }
    quic->texts = copy_texts(texts, count);
    return quic->texts != NULL;
}

/* The paths stay where they are while one of them is printed. */
static bool copy_paths(px_quic *quic, px_tls_files files)
{
    const char **texts[] = {&files.cert_path, &files.key_path, &files.ca_cert_path};
    char *paths = copy_texts(texts, sizeof texts / sizeof *texts);
    if (!paths) return false;
    free(quic->paths);
    quic->paths = paths;
    quic->config.files = files;
    return true;
}

static void watch_expiry(px_quic *quic)
{
    px_expiry_start(&quic->expiry, quic->shared.clock, quic->shared.log, quic->config.files.cert_path,
                    px_tls_expires_s(quic->tls));
}

static px_err open_listener(px_quic *quic)
{
    const px_quic_config *config = &quic->config;
    px_dgram_net *dgrams = quic->shared.dgrams;
    px_dgram_query query = {.host = config->bind_host, .port = config->bind_port};
    px_err err = dgrams->resolve(dgrams, &query);
    if (err) dgrams->forget(dgrams, &query);
    if (err || query.count == 0) {
        px_log_event(quic->shared.log, PX_LOG_ERROR, "quic: %s is no IP address to listen at",
                     config->bind_host);
        return PX_ERR_MALFORMED;
    }
    const px_listener_owner owner = {quic, on_incoming, on_bytes, on_incoming_closed, on_round};
    err = px_listener_open(&quic->listener, &quic->shared, &owner, quic->tls, &quic->names,
                           &query.addresses[0], config->receive_bytes);
    if (err) {
        px_log_event(quic->shared.log, PX_LOG_ERROR, "quic: cannot listen at %s port %u: %s",
                     config->bind_host, config->bind_port,
                     err == PX_ERR_NOT_FOUND ? "this machine has no such address" : px_err_text(err));
        return err;
    }
    dgrams->local(dgrams, quic->listener.socket, &quic->manager.local);
    return PX_OK;
}

static px_err open_tls(px_quic *quic, const px_tls_files *files, px_tls **tls)
{
    px_words fault;
    const px_err err = px_tls_open(files, tls, &fault);
    if (err) px_log_event(quic->shared.log, PX_LOG_ERROR, "quic: %s", fault.text);
    return err;
}

static void init_manager(px_quic *quic)
{
    const px_quic_config *config = &quic->config;
    px_manager_target targets[PX_MEMBERS_MAX];
    for (uint32_t i = 0; i < config->server_count; i++) {
        targets[i] = (px_manager_target){config->servers[i].host, config->servers[i].port};
    }
    const px_manager_owner owner = {quic, on_up, on_down, on_round};
    px_manager_init(&quic->manager, &quic->shared, &owner, quic->tls, &quic->names, targets);
    quic->manager.retry_delay_us = config->retry_delay_us;
    quic->manager.receive_bytes = config->receive_bytes;
}

px_err px_quic_open(const px_quic_config *config, px_dgram_net *dgrams, px_clock *clock, px_log *log,
                    px_net **net)
{
    px_assert(config->server_count <= PX_MEMBERS_MAX);
    px_quic *quic = calloc(1, sizeof *quic);
    if (!quic) return PX_ERR_NO_SPACE;
    quic->net = (px_net){net_send,  net_queued_bytes, net_redial,   net_close_incoming,
                         net_bears, net_fault,        px_quic_flush};
    quic->config = *config;
    if (quic->config.receive_bytes == 0) quic->config.receive_bytes = RECEIVE_BYTES;
    quic->shared.dgrams = dgrams;
    quic->shared.clock = clock;
    quic->shared.log = log;
    quic->shared.heartbeat_us = config->heartbeat_us;
    memcpy(quic->shared.reset_secret, config->reset_secret, sizeof quic->shared.reset_secret);
    quic->shared.settle_timer.on_fire = on_settle;
    px_err err = PX_ERR_NO_SPACE;
    if (!copy_config(quic) || !copy_paths(quic, config->files)) goto fail_texts;
    quic->names.count = config->server_count;
    for (uint32_t i = 0; i < config->server_count; i++) quic->names.names[i] = quic->config.servers[i].name;
    err = open_tls(quic, &quic->config.files, &quic->tls);
    if (err) goto fail_texts;
    init_manager(quic);
    err = open_listener(quic);
    if (err) goto fail_manager;
    *net = &quic->net;
    return PX_OK;
fail_manager:
    px_manager_close(&quic->manager, LEAVING);
    px_tls_release(quic->tls);
fail_texts:
    free(quic->paths);
    free(quic->texts);
    free(quic);
    return err;
}

void px_quic_start(px_net *net, px_net_events *events)
{
    px_quic *quic = quic_of(net);
    quic->events = events;
    watch_expiry(quic);
    px_manager_start(&quic->manager);
}

void px_quic_flush(px_net *net)
{
    px_connections_flush(&quic_of(net)->shared);
}

void px_quic_close(px_net *net)
{
    if (!net) return;
    px_quic *quic = quic_of(net);
    quic->events = NULL;
    px_manager_close(&quic->manager, LEAVING);
    px_listener_close(&quic->listener, LEAVING);
    px_timers_stop(quic->shared.clock->timers, &quic->shared.settle_timer);
    px_expiry_stop(&quic->expiry);
    px_tls_release(quic->tls);
    free(quic->paths);
    free(quic->texts);
    free(quic);
}

px_err px_quic_reload(px_net *net, const px_tls_files *files)
{
    px_quic *quic = quic_of(net);
    px_tls *tls = NULL;
    const px_err err = open_tls(quic, files, &tls);
    if (err) return err;
    px_expiry_stop(&quic->expiry);
    if (!copy_paths(quic, *files)) {
        px_tls_release(tls);
        watch_expiry(quic);
        return PX_ERR_NO_SPACE;
    }
    px_tls_release(quic->tls);
    quic->tls = tls;
    px_manager_set_tls(&quic->manager, tls);
    px_listener_set_tls(&quic->listener, tls);
    watch_expiry(quic);
    return PX_OK;
}

void px_quic_count(px_net *net, px_quic_counters *counters)
{
    const px_quic *quic = quic_of(net);
    *counters = (px_quic_counters){
        .certificate_expires_s = px_tls_expires_s(quic->tls),
        .packets_sent = quic->shared.counters.packets_sent,
        .packets_received = quic->shared.counters.packets_received,
        .sends = quic->shared.counters.sends,
    };
    /* Both kinds of address have the port at the same place. */
    counters->port = ntohs(((const struct sockaddr_in *)(const void *)quic->manager.local.bytes)->sin_port);
    for (uint32_t place = 0; place < quic->config.server_count; place++) {
        const uint64_t ups = quic->manager.diallers[place].ups;
        if (member_at(quic, place) < PX_MEMBERS_MAX)
            counters->reconnects[member_at(quic, place)] = ups ? ups - 1 : 0;
    }
}
