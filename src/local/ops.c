/* ops.c - carries out requests of the socket.
 *
 * Source     spec.md §5. */
// SPDX-License-Identifier: Apache-2.0
#include "local/socket_priv.h"

#include "base/assert.h"
#include "local/joined.h"
#include "local/publish.h"
#include <stdio.h>
#include <stdlib.h>

/* Those that came before and wait for room go first. */
static bool must_wait_in_line(const px_socket *server)
{
    return server->waiting_held > 0 && !server->is_resuming;
}

bool px_op_refuse_full(px_client *client, const px_request *request)
{
    px_app *app = client->server->env->app;
    px_status status;
    app->calls->status(app, &status);
    if (status.members[status.self].disk != PX_DISK_FULL) return false;
    px_reply_error(client, request->tag, "disk_full",
                   "the disk of this node is full: it is not in the log; make space, or ask another node");
    return true;
}

static bool run_send(px_client *client, const px_request *request)
{
    px_socket *server = client->server;
    px_app *app = server->env->app;
    const size_t size_bytes = request->payload.size_bytes;
    if (size_bytes > server->env->message_bytes_max) {
        char words[96];
        (void)snprintf(words, sizeof words, "the message has %zu bytes, max_message_bytes is %u", size_bytes,
                       (unsigned)server->env->message_bytes_max);
        px_reply_error(client, request->tag, "too_large", words);
        return true;
    }
    if (must_wait_in_line(server)) return false;
    if (request->has_session) return px_joined_send(client, request);
    const size_t room = app->calls->intake_room(app, server->intake);
    if (room == 0) return px_op_refuse_full(client, request);
    if (room < size_bytes) return false;
    px_pending *pending = px_pending_make(client, request);
    pending->number = app->calls->intake_push(app, server->intake, request->payload);
    return true;
}

static bool run_barrier(px_client *client, const px_request *request)
{
    px_socket *server = client->server;
    if (must_wait_in_line(server) || server->barrier_count >= PX_SOCKET_BARRIERS_MAX) return false;
    px_pending *pending = px_pending_make(client, request);
    server->env->app->calls->barrier(server->env->app, &pending->barrier);
    return true;
}

static bool run_follow(px_client *client, const px_request *request)
{
    px_app *app = client->server->env->app;
    px_status status;
    app->calls->status(app, &status);
    uint64_t from = request->from_index, cursor = 0;
    const bool has_cursor = request->consumer.size_bytes > 0 &&
                            px_consumers_find(client->server->consumers, request->consumer, &cursor);
    if (request->from == PX_FROM_START || request->from == PX_FROM_NONE)
        from = status.first > 0 ? status.first : 1;
    if (request->from == PX_FROM_END) from = app->calls->index_delivered(app) + 1;
    if (has_cursor) from = cursor + 1;
    if (from == 0 || from < status.first) {
        char words[96];
        (void)snprintf(words, sizeof words, "the log starts at message %llu; follow from there",
                       (unsigned long long)status.first);
        px_reply_error(client, request->tag, "trimmed", words);
        return true;
    }
    client->follow = (px_follow){.is_on = true, .until = request->until};
    client->server->follow_count++;
    px_walk_seek(&client->follow.walk, from);
    if (has_cursor) px_follow_check(client, request->tag, cursor);
    return true;
}

/* Does it acknowledge no more than this node has delivered? */
static bool is_delivered(const px_client *client, const px_request *request)
{
    px_app *app = client->server->env->app;
    return request->index <= app->calls->index_delivered(app);
}

static bool run_ack(px_client *client, const px_request *request)
{
    px_socket *server = client->server;
    if (!is_delivered(client, request)) {
        char words[128];
        (void)snprintf(words, sizeof words,
                       "this node has delivered %llu messages; acknowledge no more than those",
                       (unsigned long long)server->env->app->calls->index_delivered(server->env->app));
        px_reply_error(client, request->tag, "cursor_ahead", words);
        return true;
    }
    px_pending *pending = px_pending_make(client, request);
    if (px_consumers_ack(server->consumers, request->consumer, request->index, &pending->ack) == PX_OK)
        return true;
    px_pending_drop(pending);
    free(pending);
    px_reply_error(client, request->tag, "too_many",
                   "there are as many consumers as a node keeps; acknowledge under a name that is there");
    return true;
}

/* A run of messages without end leaves room for acknowledgements only. */
static bool refuse_beside_follow(px_client *client, const px_request *request)
{
    px_reply_error(client, request->tag, "bad_request",
                   "this connection follows the log and takes only ack; use another for other requests");
    return true;
}

/* Without tags the order of the replies tells which is whose: so whatever may be answered earlier waits for
 * the requests before it. Sends do not overtake one another, nor do acknowledgements. */
static bool must_keep_order(const px_client *client, const px_request *request)
{
    if (request->tag.size_bytes > 0 || client->untagged_count == 0 || client->is_deaf) return false;
    if (request->fault || client->server->is_stopping) return true;
    if (request->op == PX_OP_SEND && !request->has_session &&
        client->untagged_sends == client->untagged_count)
        return request->payload.size_bytes > client->server->env->message_bytes_max;
    if (request->op == PX_OP_ACK && client->untagged_acks == client->untagged_count)
        return !is_delivered(client, request);
    return true;
}

/* Between the lines of a run of messages, not inside one. */
static bool must_wait_for_follow(const px_client *client, const px_request *request)
{
    const px_follow *follow = &client->follow;
    if (!follow->is_on) return false;
    if (follow->is_inside) return true;
    return follow->until != UINT64_MAX && (request->op != PX_OP_ACK || request->fault);
}

bool px_op_is_next(const px_client *client, const px_request *request)
{
    if (request->op == PX_OP_PUBLISH && client->pending_count > 0) return false;
    return !must_wait_for_follow(client, request) && !must_keep_order(client, request);
}

bool px_op_run(px_client *client, const px_request *request)
{
    px_app *app = client->server->env->app;
    if (!px_op_is_next(client, request)) return false;
    if (client->follow.is_on && request->op != PX_OP_ACK) return refuse_beside_follow(client, request);
    if (request->fault) {
        px_reply_error(client, request->tag, "bad_request", request->fault);
        return true;
    }
    if (client->server->is_stopping && request->op != PX_OP_STATUS && request->op != PX_OP_DIGEST) {
        px_reply_error(client, request->tag, "shutting_down",
                       "px stops; it is not in the log and will not be; ask another node");
        return true;
    }
    if (app->calls->is_diverged(app) && request->op != PX_OP_STATUS && request->op != PX_OP_DIGEST) {
        px_reply_error(client, request->tag, "diverged", PX_DIVERGED_WORDS);
        return true;
    }
    switch (request->op) {
    case PX_OP_SEND: return run_send(client, request);
    case PX_OP_PUBLISH: return px_publish_run(client, request);
    case PX_OP_FOLLOW: return run_follow(client, request);
    case PX_OP_ACK: return run_ack(client, request);
    case PX_OP_BARRIER: return run_barrier(client, request);
    case PX_OP_STATUS: px_reply_status(client, request->tag); return true;
    case PX_OP_DIGEST: px_reply_digest(client, request->tag); return true;
    case PX_OP_TRANSFER: px_transfer_run(client, request); return true;
    case PX_OP_NONE: break;
    }
    return true;
}
