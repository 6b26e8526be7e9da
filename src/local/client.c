/* client.c - the bytes and lines of one client of the socket.
 *
 * Meaning    Lines are taken one after the other, as long as the client takes its replies and there is room
 *            for what they ask; what cannot be carried out yet is held, and everything behind it waits in the
 *            socket. A client that has gone is still heard to the end of what it had sent.
 * Holds      in: 0 <= in_start + in_looked <= in_end <= in_capacity, and no line ends among the looked-at
 *            bytes. While a request is held nothing is read, so that what it borrows stays.
 * Source     spec.md §5. */
// SPDX-License-Identifier: Apache-2.0
#include "local/socket_priv.h"

#include "base/assert.h"
#include "local/publish.h"
#include <stdlib.h>
#include <string.h>

/* Read and written in one turn, so that others get theirs. */
#define TURN_BYTES (256u << 10)
/* Room in a line for everything beside its payload. */
#define LINE_OTHER_BYTES 4096u

static const px_bytes no_tag = {0};

/* ---- what goes out ---- */

size_t px_client_unwritten(const px_client *client)
{
    return client->out_end - client->out_start;
}

uint8_t *px_client_reserve(px_client *client, size_t size_bytes)
{
    if (client->out_start > 0 && client->out_start == client->out_end)
        client->out_start = client->out_end = 0;
    if (client->out_end + size_bytes <= client->out_capacity) return client->out + client->out_end;
    const size_t used = px_client_unwritten(client);
    if (client->out_start > 0) memmove(client->out, client->out + client->out_start, used);
    client->out_start = 0;
    client->out_end = used;
    if (used + size_bytes > client->out_capacity) {
        size_t capacity = client->out_capacity ? client->out_capacity : 4096;
        while (capacity < used + size_bytes) capacity *= 2;
        client->out = realloc(client->out, capacity);
        px_assert(client->out != NULL);
        client->out_capacity = capacity;
    }
    return client->out + used;
}

void px_client_commit(px_client *client, size_t size_bytes)
{
    px_assert(client->out_end + size_bytes <= client->out_capacity);
    client->out_end += size_bytes;
}

/* It takes no more; what it has asked for it still gets done. */
static void turn_deaf(px_client *client)
{
    client->is_deaf = true;
    client->out_start = client->out_end = 0;
    px_follow_end(client);
}

/* Writes until nothing is left or no more fits. */
static void write_out(px_client *client)
{
    px_streams *streams = client->server->env->streams;
    for (size_t done = 0; done < TURN_BYTES && !client->is_deaf;) {
        if (client->follow.is_on) px_follow_pump(client);
        if (client->publish) px_publish_put(client);
        const size_t bytes = px_client_unwritten(client);
        size_t put = 0;
        if (bytes == 0) break;
        const px_err err =
            streams->write(streams, client->stream, client->out + client->out_start, bytes, &put);
        if (err == PX_ERR_MORE) return;
        if (err) turn_deaf(client);
        client->out_start += put;
        done += put;
    }
    /* What is left of a run of messages goes out in the next turn. */
    if (client->follow.is_on) px_follow_pump(client);
    if (px_client_unwritten(client) > 0 || client->out_capacity == 0) return;
    free(client->out);
    client->out = NULL;
    client->out_capacity = client->out_start = client->out_end = 0;
}

/* ---- what comes in ---- */

static size_t line_bytes_max(const px_client *client)
{
    return PX_JSON_STRING_BYTES_MAX(client->server->env->message_bytes_max) + LINE_OTHER_BYTES;
}

static void shrink(px_client *client)
{
    px_socket *server = client->server;
    if (client->in_capacity > PX_CLIENT_IN_BYTES) {
        server->grown_bytes -= client->in_capacity - PX_CLIENT_IN_BYTES;
        if (server->overdrawn == client) server->overdrawn = NULL;
        px_socket_resume(server);
    }
    free(client->in);
    client->in = NULL;
    client->in_capacity = client->in_start = client->in_end = 0;
}

/* May a buffer grow to that size? */
static bool may_grow(px_client *client, size_t capacity)
{
    px_socket *server = client->server;
    if (server->grown_bytes + capacity - client->in_capacity <= PX_CLIENTS_GROWN_BYTES) return true;
    if (!server->overdrawn) server->overdrawn = client;
    return server->overdrawn == client;
}

/* Makes room behind what is here. False where that must wait. */
static bool make_space(px_client *client)
{
    const size_t used = client->in_end - client->in_start;
    if (used == 0 && client->in_capacity > PX_CLIENT_IN_BYTES) shrink(client);
    if (client->in_start > 0) memmove(client->in, client->in + client->in_start, used);
    client->in_start = 0;
    client->in_end = used;
    if (used < client->in_capacity) return true;
    const size_t least = PX_CLIENT_IN_BYTES, most = line_bytes_max(client) + 1;
    size_t capacity = client->in_capacity ? 2 * client->in_capacity : least;
    if (capacity > most) capacity = most;
    px_assert(capacity > used); /* a longer line is skipped */
    if (client->in_capacity > 0 && !may_grow(client, capacity)) return false;
    uint8_t *grown = realloc(client->in, capacity);
    px_assert(grown != NULL);
    client->server->grown_bytes += client->in_capacity > 0 ? capacity - client->in_capacity : 0;
    client->in = grown;
    client->in_capacity = capacity;
    return true;
}

/* Skips what is left of a line that is too long. False where more of it may come. */
static bool skip_line(px_client *client)
{
    const size_t size_bytes = client->in_end - client->in_start;
    const uint8_t *bytes = client->in + client->in_start;
    const uint8_t *end = size_bytes > 0 ? memchr(bytes, '\n', size_bytes) : NULL;
    client->in_start += end ? (size_t)(end - bytes) + 1 : size_bytes;
    client->is_skipping = !end;
    return end != NULL;
}

/* Cuts the next line off. False where there is none. */
static bool cut_line(px_client *client, px_bytes *line)
{
    const size_t size_bytes = client->in_end - client->in_start;
    if (size_bytes == 0) return false;
    uint8_t *bytes = client->in + client->in_start;
    const uint8_t *end = memchr(bytes + client->in_looked, '\n', size_bytes - client->in_looked);
    if (!end && !client->is_ended && size_bytes <= line_bytes_max(client)) {
        client->in_looked = size_bytes;
        return false;
    }
    client->in_looked = 0;
    *line = (px_bytes){bytes, end ? (size_t)(end - bytes) : size_bytes};
    client->in_start += end ? line->size_bytes + 1 : size_bytes;
    if (!end && !client->is_ended) client->is_skipping = true;
    return true;
}

/* ---- requests ---- */

static bool may_take(const px_client *client)
{
    const px_socket *server = client->server;
    if (client->publish) return !client->is_closing;
    const size_t unwritten_max = client->follow.is_on ? PX_CLIENT_FOLLOW_BYTES : PX_CLIENT_OUT_BYTES;
    return !client->has_held && !client->is_closing && px_client_unwritten(client) < unwritten_max &&
           client->pending_count < PX_CLIENT_PENDING_MAX && server->pending_count < PX_SOCKET_PENDING_MAX;
}

static void hold(px_client *client, const px_request *request)
{
    client->held = *request;
    client->has_held = true;
    if (request->has_timeout)
        px_timers_start(client->server->env->clock->timers, &client->held_timer, request->deadline_us);
    if (px_op_is_next(client, request)) px_socket_wait(client->server, client);
}

static void release(px_client *client)
{
    px_env_stop(client->server->env, &client->held_timer);
    px_socket_leave(client->server, client);
    client->has_held = false;
}

static void refuse_held(px_client *client, const char *code, const char *message)
{
    const px_request request = client->held;
    release(client);
    client->join_generation = 0;
    px_reply_error(client, request.tag, code, message);
}

static void on_held_timer(px_timer *timer)
{
    px_client *client = PX_OWNER_OF(timer, px_client, held_timer);
    refuse_held(client, "no_quorum",
                "there was no room for it in time; it is not in the log and will not be");
    px_client_pump(client);
}

static bool is_blank(px_bytes line)
{
    for (size_t i = 0; i < line.size_bytes; i++)
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r') return false;
    return true;
}

static void take_line(px_client *client, px_bytes line)
{
    px_request request;
    if (is_blank(line)) return;
    px_request_read(client->in + (line.data - client->in), line.size_bytes, &request);
    px_clock *clock = client->server->env->clock;
    if (request.has_timeout) request.deadline_us = clock->now_us(clock) + request.timeout_ms * 1000;
    if (!px_op_run(client, &request)) hold(client, &request);
}

/* Takes the lines that are here. */
static void take_lines(px_client *client)
{
    px_bytes line;
    client->is_stalled = false;
    if (client->has_held) {
        const px_request request = client->held;
        release(client);
        if (!px_op_run(client, &request)) hold(client, &request);
    }
    for (;;) {
        client->is_stalled = !may_take(client) || (client->publish && !px_publish_take(client));
        if (client->is_stalled || client->publish) break;
        if (client->is_skipping && !skip_line(client)) break;
        if (!cut_line(client, &line)) break;
        if (line.size_bytes > line_bytes_max(client))
            px_reply_error(client, no_tag, "too_large",
                           "the request is longer than any message may be; see max_message_bytes");
        else
            take_line(client, line);
    }
    /* What all clients together wait for is told to those in the line. */
    if (client->is_stalled && !client->publish && !client->is_waiting &&
        client->server->pending_count >= PX_SOCKET_PENDING_MAX)
        px_socket_wait(client->server, client);
}

/* Reads once. False where there is nothing more to read now: where less came than there was room for, the
 * system tells when there is more. */
static bool read_once(px_client *client, size_t *budget)
{
    px_streams *streams = client->server->env->streams;
    size_t got = 0;
    if (*budget == 0 || client->is_ended || client->is_stalled || client->has_held) return false;
    if (!make_space(client)) {
        px_socket_wait(client->server, client);
        return false;
    }
    const size_t room = client->in_capacity - client->in_end;
    const px_err err = streams->read(streams, client->stream, client->in + client->in_end, room, &got);
    if (err == PX_ERR_MORE) return false;
    if (err) client->is_ended = true;
    if (err && err != PX_ERR_END) turn_deaf(client);
    client->in_end += got;
    *budget -= got < *budget && (got == room || err) ? got : *budget;
    return true;
}

/* ---- its turns ---- */

/* Is there nothing left to do for it? */
static bool is_done(const px_client *client)
{
    if (client->is_closing && px_client_unwritten(client) == 0) return true;
    if (client->publish && !client->is_deaf) return false;
    if (!client->is_ended || client->in_end > client->in_start || client->has_held) return false;
    if (client->is_deaf) return true;
    return client->pending_count == 0 && px_client_unwritten(client) == 0 && !client->follow.is_on;
}

/* Says what is waited for. May free the client. */
static void arrange(px_client *client)
{
    px_socket *server = client->server;
    if (is_done(client)) {
        px_client_free(client);
        return;
    }
    const bool may_go_on = client->has_held ? px_op_is_next(client, &client->held)
                                            : client->is_stalled && !client->publish && may_take(client);
    if (may_go_on && !client->is_waiting) {
        px_socket_wait(server, client);
        px_socket_resume(server);
    }
    uint32_t wanted = 0;
    if (may_take(client) && !client->is_ended && !client->is_stalled && !client->is_waiting)
        wanted |= PX_STREAM_READ;
    if (px_client_unwritten(client) > 0) wanted |= PX_STREAM_WRITE;
    server->env->streams->want(server->env->streams, client->stream, wanted);
}

void px_client_flush(px_client *client)
{
    px_socket *server = client->server;
    write_out(client);
    arrange(client);
    if (server->is_stopping) px_socket_check_stopped(server);
}

void px_client_pump(px_client *client)
{
    size_t budget = TURN_BYTES;
    do take_lines(client);
    while (read_once(client, &budget));
    px_client_flush(client);
}

static void on_ready(px_stream_events *events, uint32_t ready)
{
    px_client *client = PX_OWNER_OF(events, px_client, stream_events);
    if (ready & PX_STREAM_GONE) turn_deaf(client);
    if (ready & (PX_STREAM_READ | PX_STREAM_GONE))
        px_client_pump(client);
    else
        px_client_flush(client);
}

void px_client_stop(px_client *client)
{
    px_follow_stop(client);
    px_publish_stop(client);
    if (client->has_held && !client->follow.is_inside)
        refuse_held(client, "shutting_down", "px stops; it is not in the log and will not be");
    px_client_pump(client);
}

px_client *px_client_make(px_socket *server)
{
    px_client *client = calloc(1, sizeof *client);
    if (!client) return NULL;
    client->server = server;
    client->stream_events.on_ready = on_ready;
    client->held_timer.on_fire = on_held_timer;
    return client;
}

void px_client_free(px_client *client)
{
    px_socket *server = client->server;
    px_streams *streams = server->env->streams;
    px_env_stop(server->env, &client->held_timer);
    px_socket_leave(server, client);
    px_follow_end(client);
    px_publish_free(client);
    while (client->pending) px_pending_drop(client->pending);
    if (client->previous)
        client->previous->next = client->next;
    else
        server->clients = client->next;
    if (client->next) client->next->previous = client->previous;
    server->client_count--;
    streams->close(streams, client->stream);
    shrink(client);
    free(client->out);
    free(client);
}
