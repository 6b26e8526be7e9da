/* socket.c - the listener, its clients, and those of them that wait for room.
 *
 * Meaning    Clients that must wait stand in one line and go on in its order; nobody overtakes a request that
 *            waits for room.
 * Source     spec.md §5. */
// SPDX-License-Identifier: Apache-2.0
#include "local/socket.h"

#include "base/assert.h"
#include "local/joined.h"
#include "local/publish.h"
#include "local/socket_priv.h"
#include <stdlib.h>
#include <string.h>

#define SOCKET_MODE 0660u
/* The intake of plain sends. No pipe can bear this name: theirs hold no control character. */
#define INTAKE_NAME "\x01send"
/* Taken in one turn, so that others get theirs. */
#define ACCEPTS_PER_TURN 64u
/* Until it looks for a free descriptor again. */
#define ACCEPT_RETRY_US 100000u

/* ---- the line ---- */

void px_socket_leave(px_socket *server, px_client *client)
{
    if (!client->is_waiting) return;
    if (client->previous_waiting)
        client->previous_waiting->next_waiting = client->next_waiting;
    else
        server->waiting = client->next_waiting;
    if (client->next_waiting)
        client->next_waiting->previous_waiting = client->previous_waiting;
    else
        server->waiting_last = client->previous_waiting;
    client->next_waiting = client->previous_waiting = NULL;
    server->waiting_count--;
    if (client->is_waiting_held) server->waiting_held--;
    client->is_waiting = client->is_waiting_held = false;
}

void px_socket_wait(px_socket *server, px_client *client)
{
    if (client->is_waiting) return;
    client->is_waiting = true;
    client->is_waiting_held = client->has_held;
    server->waiting_count++;
    if (client->has_held) server->waiting_held++;
    if (client->has_held && server->is_resuming) {
        /* Its turn has come, and there is still no room: it stays the first. */
        server->is_blocked = true;
        client->next_waiting = server->waiting;
        if (server->waiting)
            server->waiting->previous_waiting = client;
        else
            server->waiting_last = client;
        server->waiting = client;
        return;
    }
    client->previous_waiting = server->waiting_last;
    if (server->waiting_last)
        server->waiting_last->next_waiting = client;
    else
        server->waiting = client;
    server->waiting_last = client;
}

/* Not at once: whoever makes room is not done with what it does. */
void px_socket_resume(px_socket *server)
{
    if (server->waiting && !server->resume.is_started) px_env_start(server->env, &server->resume, 0);
}

static void on_resume(px_timer *timer)
{
    px_socket *server = PX_OWNER_OF(timer, px_socket, resume);
    server->is_resuming = true;
    server->is_blocked = false;
    for (uint32_t left = server->waiting_count; left > 0 && server->waiting && !server->is_blocked; left--) {
        px_client *client = server->waiting;
        /* A held request leaves the line when it is tried. */
        if (!client->has_held) px_socket_leave(server, client);
        px_client_pump(client);
    }
    server->is_resuming = false;
}

static void on_room(px_intake_events *events)
{
    px_socket_resume(PX_OWNER_OF(events, px_socket, intake_events));
}

static void on_chosen(px_intake_events *events, uint64_t upto, uint64_t index, uint32_t consecutive)
{
    px_pending_on_chosen(PX_OWNER_OF(events, px_socket, intake_events), upto, index, consecutive);
}

static void on_acked(px_consumers_events *events, px_ack *acks, px_err err)
{
    px_pending_on_acked(PX_OWNER_OF(events, px_socket, consumers_events), acks, err);
}

/* ---- the listener ---- */

/* Tells one client too many, and lets it go. */
static void turn_away(px_client *client)
{
    px_socket *server = client->server;
    px_streams *streams = server->env->streams;
    size_t put = 0;
    px_reply_error(client, (px_bytes){0}, "too_many",
                   "there are as many clients as px takes; close some or use another node");
    (void)streams->write(streams, client->stream, client->out, px_client_unwritten(client), &put);
    px_client_free(client);
}

static px_err accept_one(px_socket *server)
{
    px_streams *streams = server->env->streams;
    px_client *client = px_client_make(server);
    if (!client) return PX_ERR_NO_SPACE;
    const px_err err = streams->accept(streams, server->listener, &client->stream_events, &client->stream);
    if (err) {
        free(client);
        return err;
    }
    client->next = server->clients;
    if (client->next) client->next->previous = client;
    server->clients = client;
    server->client_count++;
    if (server->client_count > PX_CLIENTS_MAX)
        turn_away(client);
    else
        streams->want(streams, client->stream, PX_STREAM_READ);
    return PX_OK;
}

static void on_listener(px_stream_events *events, uint32_t ready)
{
    px_socket *server = PX_OWNER_OF(events, px_socket, listener_events);
    (void)ready;
    for (unsigned count = 0; count < ACCEPTS_PER_TURN; count++) {
        const px_err err = accept_one(server);
        if (err == PX_ERR_MORE) return;
        if (!err) server->is_failing = false;
        if (!err) continue;
        if (!server->is_failing)
            px_log_event(server->env->log, PX_LOG_ERROR, "socket: cannot take a client: %s; tries again",
                         px_err_text(err));
        server->is_failing = true;
        server->env->streams->want(server->env->streams, server->listener, 0);
        px_env_start(server->env, &server->accept_retry, ACCEPT_RETRY_US);
        return;
    }
}

static void on_accept_retry(px_timer *timer)
{
    px_socket *server = PX_OWNER_OF(timer, px_socket, accept_retry);
    server->env->streams->want(server->env->streams, server->listener, PX_STREAM_READ);
}

/* ---- its life ---- */

static void close_listener(px_socket *server)
{
    if (!server->listener) return;
    px_env_stop(server->env, &server->accept_retry);
    server->env->streams->close(server->env->streams, server->listener);
    server->listener = NULL;
}

static void on_stopped(px_timer *timer)
{
    px_socket *server = PX_OWNER_OF(timer, px_socket, stopped);
    px_env_stop(server->env, &server->deadline);
    server->events->on_stopped(server->events);
}

void px_socket_check_stopped(px_socket *server)
{
    if (!server->deadline.is_started) return;
    for (const px_client *client = server->clients; client; client = client->next)
        if (client->pending_count > 0 || px_client_unwritten(client) > 0 || px_publish_is_owed(client))
            return;
    px_env_stop(server->env, &server->deadline);
    px_env_start(server->env, &server->stopped, 0);
}

static void on_deadline(px_timer *timer)
{
    px_socket *server = PX_OWNER_OF(timer, px_socket, deadline);
    for (px_client *client = server->clients, *next; client; client = next) {
        next = client->next;
        px_pending_give_up(client, "shutting_down", "px stops; ask another node");
        px_publish_give_up(
            client, "unknown",
            "px stops; what is not acknowledged may still be committed; a session's next says what was");
        px_client_flush(client);
    }
    px_env_start(server->env, &server->stopped, 0);
}

void px_socket_stop(px_socket *server, uint64_t wait_us)
{
    px_assert(!server->is_stopping);
    close_listener(server);
    server->is_stopping = true;
    for (px_client *client = server->clients, *next; client; client = next) {
        next = client->next;
        px_client_stop(client);
    }
    px_env_start(server->env, &server->deadline, wait_us);
    px_socket_check_stopped(server);
}

px_err px_socket_open(const px_local_env *env, px_consumers *consumers, const char *path,
                      px_socket_events *events, px_socket **made)
{
    px_socket *server = calloc(1, sizeof *server);
    if (!server) return PX_ERR_NO_SPACE;
    server->listener_events.on_ready = on_listener;
    server->intake_events = (px_intake_events){.on_room = on_room, .on_chosen = on_chosen};
    server->resume.on_fire = on_resume;
    server->accept_retry.on_fire = on_accept_retry;
    server->deadline.on_fire = on_deadline;
    server->stopped.on_fire = on_stopped;
    server->env = env;
    server->path = path;
    server->consumers = consumers;
    server->consumers_events.on_acked = on_acked;
    server->events = events;
    server->sent_end = &server->sent;
    px_err err =
        env->streams->listen(env->streams, path, SOCKET_MODE, &server->listener_events, &server->listener);
    if (err) goto fail_listener;
    err = PX_ERR_NO_SPACE;
    server->intake =
        env->app->calls->intake_open(env->app, INTAKE_NAME, PX_CLIENT_INTAKE_BYTES, &server->intake_events);
    if (!server->intake) goto fail_intake;
    env->streams->want(env->streams, server->listener, PX_STREAM_READ);
    px_consumers_hear(consumers, &server->consumers_events);
    *made = server;
    return PX_OK;
fail_intake:
    env->streams->close(env->streams, server->listener);
fail_listener:
    free(server);
    return err;
}

bool px_socket_is_awaited(const px_socket *server)
{
    if (server->follow_count == 0) return false;
    for (const px_client *client = server->clients; client; client = client->next)
        if (px_follow_is_awaited(client)) return true;
    return false;
}

void px_socket_on_delivered(px_socket *server)
{
    if (server->follow_count == 0) return;
    for (px_client *client = server->clients, *next; client; client = next) {
        next = client->next;
        if (client->follow.is_on && px_client_unwritten(client) < PX_CLIENT_OUT_BYTES)
            px_client_flush(client);
    }
}

/* Listens anew where somebody has removed the socket's file. Clients that are here stay. */
static void check_listener(px_socket *server)
{
    px_streams *streams = server->env->streams;
    px_stream *made = NULL;
    if (!server->listener || streams->is_current(streams, server->listener)) return;
    const px_err err = streams->listen(streams, server->path, SOCKET_MODE, &server->listener_events, &made);
    if (!err) {
        px_log_event(server->env->log, PX_LOG_WARN, "socket: %s was removed or replaced; opened anew",
                     server->path);
        close_listener(server);
        server->listener = made;
        streams->want(streams, made, PX_STREAM_READ);
    } else if (!server->is_lost) {
        px_log_event(server->env->log, PX_LOG_ERROR, "socket: cannot open %s: %s; tries again", server->path,
                     px_err_text(err));
    }
    server->is_lost = err != PX_OK;
}

/* Whoever waits here for what a diverged node does not give any more is told. */
void px_socket_check(px_socket *server)
{
    px_app *app = server->env->app;
    check_listener(server);
    if (server->is_stopping || server->is_diverged || !app->calls->is_diverged(app)) return;
    server->is_diverged = true;
    for (px_client *client = server->clients, *next; client; client = next) {
        next = client->next;
        if (!client->follow.is_on) px_pending_give_up(client, "diverged", PX_DIVERGED_WORDS);
        px_publish_give_up(client, "diverged", PX_DIVERGED_WORDS);
        px_client_pump(client);
    }
}

uint32_t px_socket_client_count(const px_socket *server)
{
    return server->client_count;
}

void px_socket_close(px_socket *server)
{
    close_listener(server);
    while (server->clients) px_client_free(server->clients);
    px_env_stop(server->env, &server->resume);
    px_env_stop(server->env, &server->deadline);
    px_env_stop(server->env, &server->stopped);
    px_consumers_close(server->consumers);
    server->env->app->calls->intake_close(server->env->app, server->intake);
    px_publish_line_free(server);
    px_joined_deinit(server);
    px_pending_deinit(server);
    free(server);
}
