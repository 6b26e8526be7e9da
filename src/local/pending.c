/* pending.c - requests of the socket that wait for their answer.
 *
 * Meaning    Sends of all clients go through one intake, which numbers them: they wait in one line in that
 *            order, and what is chosen answers its front. Barriers wait by themselves, acknowledgements at
 *            the consumers. Whoever gives up waiting, or leaves, leaves his place behind.
 * Holds      Numbers rise along the line; pending_count counts the line, the barriers, and acknowledgements
 *            that somebody waits for.
 * Source     spec.md §5. */
// SPDX-License-Identifier: Apache-2.0
#include "local/socket_priv.h"

#include "base/assert.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static px_bytes tag_of(const px_pending *pending)
{
    return (px_bytes){pending->tag, pending->tag_bytes};
}

/* Counts one more without a tag, or one less (UINT32_MAX). */
static void count_untagged(px_client *client, const px_pending *pending, uint32_t step)
{
    client->untagged_count += step;
    if (pending->op == PX_OP_SEND && !pending->is_joined) client->untagged_sends += step;
    if (pending->op == PX_OP_ACK) client->untagged_acks += step;
}

/* Takes it from its client. */
static void part(px_pending *pending)
{
    px_client *client = pending->client;
    px_env_stop(client->server->env, &pending->timer);
    if (pending->previous)
        pending->previous->next = pending->next;
    else
        client->pending = pending->next;
    if (pending->next) pending->next->previous = pending->previous;
    client->pending_count--;
    if (pending->tag_bytes == 0) count_untagged(client, pending, UINT32_MAX);
    if (pending->is_untold) client->untold_count--;
    pending->client = NULL;
}

static void end_barrier(px_socket *server, px_pending *pending)
{
    server->pending_count--;
    server->barrier_count--;
    free(pending);
    px_socket_resume(server);
}

static void on_timeout(px_timer *timer)
{
    px_pending *pending = PX_OWNER_OF(timer, px_pending, timer);
    px_client *client = pending->client;
    px_socket *server = client->server;
    if (pending->op == PX_OP_TRANSFER) {
        px_transfer_look(pending);
        return;
    }
    if (pending->op == PX_OP_BARRIER) {
        px_reply_error(client, tag_of(pending), "no_quorum", "no majority has answered in time; ask again");
        server->env->app->calls->barrier_cancel(server->env->app, &pending->barrier);
        part(pending);
        end_barrier(server, pending);
    } else {
        px_reply_error(client, tag_of(pending), "unknown", "it was not committed in time, and may still be");
        part(pending); /* its place in the line stays */
    }
    px_client_flush(client);
}

static void on_barrier(px_barrier *barrier, uint64_t index)
{
    px_pending *pending = PX_OWNER_OF(barrier, px_pending, barrier);
    px_client *client = pending->client;
    px_reply_barrier(client, tag_of(pending), index);
    part(pending);
    end_barrier(client->server, pending);
    px_client_flush(client);
}

/* ---- several replies at once: one write for all of a client ---- */

static void add_flushing(px_client **first, px_client *client)
{
    if (client->is_flushing) return;
    client->is_flushing = true;
    client->next_flushing = *first;
    *first = client;
}

static void flush_all(px_client *first)
{
    while (first) {
        px_client *client = first;
        first = client->next_flushing;
        client->is_flushing = false;
        px_client_flush(client);
    }
}

void px_pending_end(px_pending *pending)
{
    px_socket *server = pending->client->server;
    part(pending);
    server->pending_count--;
    free(pending);
    px_socket_resume(server);
}

/* ---- acknowledgements ---- */

static void tell_ack(px_pending *pending)
{
    px_client *client = pending->client;
    if (pending->err)
        px_reply_error(client, tag_of(pending), "unknown",
                       "the disk failed: the cursor may have moved; see the node's log");
    else
        px_reply_ok(client, tag_of(pending));
    px_pending_end(pending);
}

void px_pending_on_acked(px_socket *server, px_ack *acks, px_err err)
{
    px_client *flush_first = NULL;
    while (acks) {
        px_pending *pending = PX_OWNER_OF(acks, px_pending, ack);
        px_client *client = pending->client;
        acks = acks->next;
        pending->err = err;
        if (!client) {
            free(pending);
        } else if (client->follow.is_inside) {
            /* Inside a message there is no place for a reply. */
            pending->is_untold = true;
            client->untold_count++;
        } else {
            tell_ack(pending);
            add_flushing(&flush_first, client);
        }
    }
    flush_all(flush_first);
    px_socket_resume(server);
}

void px_pending_tell(px_client *client)
{
    for (px_pending *pending = client->pending, *next; pending && client->untold_count > 0; pending = next) {
        next = pending->next;
        if (pending->is_untold) tell_ack(pending);
    }
    px_socket_resume(client->server);
}

/* ---- all of them ---- */

px_pending *px_pending_make(px_client *client, const px_request *request)
{
    px_socket *server = client->server;
    px_pending *made = calloc(1, sizeof *made + request->tag.size_bytes);
    px_assert(made != NULL);
    made->client = client;
    made->op = request->op;
    made->is_joined = request->op == PX_OP_SEND && request->has_session;
    made->timer.on_fire = on_timeout;
    made->barrier.on_done = on_barrier;
    made->tag_bytes = request->tag.size_bytes;
    if (made->tag_bytes) memcpy(made->tag, request->tag.data, made->tag_bytes);
    made->next = client->pending;
    if (made->next) made->next->previous = made;
    client->pending = made;
    client->pending_count++;
    if (made->tag_bytes == 0) count_untagged(client, made, 1);
    server->pending_count++;
    if (request->has_timeout && (made->op == PX_OP_SEND || made->op == PX_OP_BARRIER))
        px_timers_start(server->env->clock->timers, &made->timer, request->deadline_us);
    if (made->op == PX_OP_SEND && !made->is_joined) {
        *server->sent_end = made;
        server->sent_end = &made->next_sent;
    }
    if (made->op == PX_OP_BARRIER) server->barrier_count++;
    return made;
}

void px_pending_drop(px_pending *pending)
{
    px_socket *server = pending->client->server;
    const bool is_untold = pending->is_untold;
    part(pending);
    if (pending->op == PX_OP_SEND) return;
    if (pending->op == PX_OP_ACK) {
        server->pending_count--;
        if (is_untold) free(pending);
        return;
    }
    if (pending->op == PX_OP_TRANSFER) {
        server->pending_count--;
        free(pending);
        return;
    }
    server->env->app->calls->barrier_cancel(server->env->app, &pending->barrier);
    end_barrier(server, pending);
}

static px_pending *shift(px_socket *server)
{
    px_pending *first = server->sent;
    server->sent = first->next_sent;
    if (!server->sent) server->sent_end = &server->sent;
    server->pending_count--;
    return first;
}

/* Clients are written to once the line has moved. */
void px_pending_on_chosen(px_socket *server, uint64_t upto, uint64_t index, uint32_t consecutive)
{
    px_client *flush_first = NULL;
    while (server->sent && server->sent->number <= upto) {
        px_pending *pending = shift(server);
        px_client *client = pending->client;
        const uint64_t behind = upto - pending->number;
        if (client) {
            px_reply_index(client, tag_of(pending), behind < consecutive ? index - behind : 0);
            part(pending);
            add_flushing(&flush_first, client);
        }
        free(pending);
    }
    flush_all(flush_first);
    px_socket_resume(server);
}

/* ---- sends under a session ---- */

void px_pending_put(px_pending **line, px_pending *pending, uint64_t number, bool is_duplicate)
{
    pending->number = number;
    pending->is_duplicate = is_duplicate;
    while (*line && (*line)->number <= number) line = &(*line)->next_sent;
    pending->next_sent = *line;
    *line = pending;
}

static px_pending *shift_of(px_socket *server, px_pending **line)
{
    px_pending *first = *line;
    *line = first->next_sent;
    server->pending_count--;
    return first;
}

void px_pending_settle(px_socket *server, px_pending **line, uint64_t upto, uint64_t index,
                       uint32_t consecutive, bool is_duplicate)
{
    px_client *flush_first = NULL;
    while (*line && (*line)->number <= upto) {
        px_pending *pending = shift_of(server, line);
        px_client *client = pending->client;
        const uint64_t behind = upto - pending->number;
        const uint64_t known = behind < consecutive ? index - behind : 0;
        if (client) {
            if (is_duplicate || pending->is_duplicate)
                px_reply_duplicate(client, tag_of(pending), known);
            else
                px_reply_index(client, tag_of(pending), known);
            part(pending);
            add_flushing(&flush_first, client);
        }
        free(pending);
    }
    flush_all(flush_first);
    px_socket_resume(server);
}

void px_pending_refuse(px_socket *server, px_pending **line, const char *code, const char *words)
{
    px_client *flush_first = NULL;
    while (*line) {
        px_pending *pending = shift_of(server, line);
        px_client *client = pending->client;
        if (client) {
            px_reply_error(client, tag_of(pending), code, words);
            part(pending);
            add_flushing(&flush_first, client);
        }
        free(pending);
    }
    flush_all(flush_first);
}

void px_pending_free_all(px_socket *server, px_pending **line)
{
    while (*line) free(shift_of(server, line));
}

/* In words for the client: nothing can be said of this request any more. */
static void reply_given_up(px_pending *pending, const char *code, const char *why)
{
    char words[160];
    const bool may_have_worked = pending->op == PX_OP_SEND || pending->op == PX_OP_ACK;
    (void)snprintf(words, sizeof words, may_have_worked ? "%s; it may have been done or still be" : "%s",
                   why);
    px_reply_error(pending->client, tag_of(pending), may_have_worked ? "unknown" : code, words);
}

void px_pending_give_up(px_client *client, const char *code, const char *why)
{
    for (px_pending *pending = client->pending, *next; pending; pending = next) {
        next = pending->next;
        if (client->follow.is_inside)
            client->is_closing = true; /* there is no place for a reply */
        else
            reply_given_up(pending, code, why);
        px_pending_drop(pending);
    }
}

void px_pending_deinit(px_socket *server)
{
    while (server->sent) {
        px_pending *pending = shift(server);
        px_assert(!pending->client);
        free(pending);
    }
    px_assert(server->pending_count == 0);
}
