/* stranger.c - a client that is not quite a node. */
// SPDX-License-Identifier: Apache-2.0
#include "stranger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static void on_run(px_dgram_events *events, const px_dgram_run *run)
{
    px_connection_read(((stranger *)events)->connection, run);
}

static void on_round(px_dgram_events *events, bool more)
{
    (void)more;
    stranger_flush((stranger *)events);
}

static void on_writable(px_dgram_events *events)
{
    px_connection_on_writable(((stranger *)events)->connection);
}

static void on_refused(px_dgram_events *events)
{
    px_connection_lose(((stranger *)events)->connection, "refused");
}

static void on_ready(px_connection *connection)
{
    ((stranger *)connection->owner_context)->is_ready = true;
}

static void on_bytes(px_connection *connection, uint8_t *bytes, size_t size_bytes)
{
    (void)connection;
    (void)bytes;
    (void)size_bytes;
    fail_msg("nobody may send on this connection");
}

static void on_ended(px_connection *connection)
{
    stranger *at = connection->owner_context;
    at->has_ended = true;
    at->reason = connection->reason;
}

static const px_connection_owner owner = {on_ready, on_bytes, on_ended};

static void on_settle(px_timer *timer)
{
    px_connections_settle((px_connections *)((char *)timer - offsetof(px_connections, settle_timer)));
}

void stranger_dial(stranger *at, host *from, const host *to)
{
    memset(at, 0, sizeof *at);
    at->events = (px_dgram_events){on_run, on_round, on_writable, on_refused};
    at->from = from;
    at->names = (px_tls_names){1, {from->config.servers[0].name}};
    at->shared.dgrams = from->in->dgrams;
    at->shared.clock = from->in->clock;
    at->shared.log = &from->log;
    at->shared.heartbeat_us = from->config.heartbeat_us;
    at->shared.settle_timer.on_fire = on_settle;
    px_send_queue_init(&at->queue);
    const px_tls_files files = {from->config.files.cert_path, from->config.files.key_path,
                                from->config.files.ca_cert_path};
    px_words fault;
    assert_int_equal(px_tls_open(&files, &at->tls, &fault), PX_OK);
    px_dgram_net *dgrams = at->shared.dgrams;
    px_dgram_query query = {.host = to->config.bind_host, .port = to->config.bind_port};
    assert_int_equal(dgrams->resolve(dgrams, &query), PX_OK);
    assert_int_equal(dgrams->open(dgrams, NULL, &query.addresses[0], 0, &at->events, &at->socket), PX_OK);
    assert_int_equal(px_connection_dial(&at->shared, at->socket, &query.addresses[0], at->tls, &at->names, 0,
                                        &at->queue, &at->connection),
                     PX_OK);
    at->connection->owner = &owner;
    at->connection->owner_context = at;
}

void stranger_flush(stranger *at)
{
    px_connections_flush(&at->shared);
}

void stranger_close(stranger *at)
{
    px_timers_stop(at->shared.clock->timers, &at->shared.settle_timer);
    px_connection_free(at->connection);
    at->shared.dgrams->close(at->shared.dgrams, at->socket);
    px_send_queue_deinit(&at->queue);
    px_tls_release(at->tls);
}
