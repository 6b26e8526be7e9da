/* pending.c - requests of the socket that wait for their answer.
 *
 * Meaning    Sends of all clients go through one intake, which numbers them: they wait in one line in that
 *            order, and what is chosen answers its front. Barriers wait by themselves. Whoever gives up
 *            waiting, or leaves, leaves his place in the line behind.
 * Holds      Numbers rise along the line; pending_count counts the line and the barriers.
 * Source     spec.md §5. */
// SPDX-License-Identifier: Apache-2.0
#include "local/socket_priv.h"

#include "base/assert.h"
#include <stdlib.h>
#include <string.h>

static px_bytes tag_of(const px_pending *pending)
{
    return (px_bytes){pending->tag, pending->tag_bytes};
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
    if (pending->tag_bytes == 0) client->untagged_count--;
    if (pending->tag_bytes == 0 && pending->op == PX_OP_BARRIER) client->untagged_barriers--;
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

px_pending *px_pending_make(px_client *client, const px_request *request)
{
    px_socket *server = client->server;
    px_pending *made = calloc(1, sizeof *made + request->tag.size_bytes);
    px_assert(made != NULL);
    made->client = client;
    made->op = request->op;
    made->timer.on_fire = on_timeout;
    made->barrier.on_done = on_barrier;
    made->tag_bytes = request->tag.size_bytes;
    if (made->tag_bytes) memcpy(made->tag, request->tag.data, made->tag_bytes);
    made->next = client->pending;
    if (made->next) made->next->previous = made;
    client->pending = made;
    client->pending_count++;
    if (made->tag_bytes == 0) client->untagged_count++;
    if (made->tag_bytes == 0 && made->op == PX_OP_BARRIER) client->untagged_barriers++;
    server->pending_count++;
    if (request->has_timeout) px_timers_start(server->env->clock->timers, &made->timer, request->deadline_us);
    if (made->op == PX_OP_SEND) {
        *server->sent_end = made;
        server->sent_end = &made->next_sent;
    } else {
        server->barrier_count++;
    }
    return made;
}

void px_pending_drop(px_pending *pending)
{
    px_socket *server = pending->client->server;
    part(pending);
    if (pending->op == PX_OP_SEND) return;
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

/* Clients are written to once the line has moved: one write for all their replies. */
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
            if (!client->is_flushing) {
                client->is_flushing = true;
                client->next_flushing = flush_first;
                flush_first = client;
            }
        }
        free(pending);
    }
    while (flush_first) {
        px_client *client = flush_first;
        flush_first = client->next_flushing;
        client->is_flushing = false;
        px_client_flush(client);
    }
    px_socket_resume(server);
}

void px_pending_give_up(px_client *client)
{
    while (client->pending) {
        px_pending *pending = client->pending;
        if (pending->op == PX_OP_SEND)
            px_reply_error(client, tag_of(pending), "unknown",
                           "px stops; it may still be committed, by this node's next start at the latest");
        else
            px_reply_error(client, tag_of(pending), "shutting_down", "px stops; ask another node");
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
