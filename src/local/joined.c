/* joined.c - sends under a session, whoever has it open.
 *
 * Meaning    A node joins a session once for all its clients that send under it. A number that is next is
 *            handed over; one below is in the log, or on its way there, and answered as a duplicate; one
 *            above is a gap only by the word of a join that began after the request: others may have sent
 *            what is between at other nodes. [R12]
 *            Requests that wait for the session to be open wait as those do that find no room.
 * Holds      Numbers do not fall along `sent`; all there are above `chosen`, and below `next`.
 * Source     spec.md §5. */
// SPDX-License-Identifier: Apache-2.0
#include "local/joined.h"

#include "base/assert.h"
#include <stdlib.h>
#include <string.h>

/* Sessions joined at once; those that nobody waits for make room. */
#define JOINED_MAX 512u
/* Batches of a session whose indexes are remembered, for those who send again. */
#define RECENT_MAX 32u

typedef struct {
    uint64_t upto, index;
    uint32_t count;
} px_recent;

struct px_joined {
    px_intake_events events;
    px_joined *next_joined;
    px_socket *server;
    px_intake *intake; /* NULL: it has expired */
    uint64_t generation;
    bool is_open;
    uint64_t next, chosen;
    px_pending *sent;
    px_recent recent[RECENT_MAX]; /* batch b at b % RECENT_MAX */
    uint64_t recent_count;
    size_t name_bytes;
    uint8_t name[];
};

/* ---- what the node says ---- */

static void on_room(px_intake_events *events)
{
    px_socket_resume(PX_OWNER_OF(events, px_joined, events)->server);
}

static void on_opened(px_intake_events *events, uint64_t next)
{
    px_joined *joined = PX_OWNER_OF(events, px_joined, events);
    joined->is_open = true;
    joined->next = next;
    joined->chosen = next - 1;
    px_socket_resume(joined->server);
}

/* The index of a chosen message; 0 where it is not remembered. */
static uint64_t index_of(const px_joined *joined, uint64_t sequence)
{
    for (unsigned i = 0; i < RECENT_MAX; i++) {
        const px_recent *recent = &joined->recent[i];
        if (sequence <= recent->upto && recent->upto - sequence < recent->count)
            return recent->index - (recent->upto - sequence);
    }
    return 0;
}

static void settle(px_joined *joined, uint64_t upto, uint64_t index, uint32_t consecutive, bool is_duplicate)
{
    joined->recent[joined->recent_count++ % RECENT_MAX] = (px_recent){upto, index, consecutive};
    joined->chosen = upto;
    if (joined->next <= upto) joined->next = upto + 1;
    px_pending_settle(joined->server, &joined->sent, upto, index, consecutive, is_duplicate);
}

static void on_chosen(px_intake_events *events, uint64_t upto, uint64_t index, uint32_t consecutive)
{
    settle(PX_OWNER_OF(events, px_joined, events), upto, index, consecutive, false);
}

static void on_duplicate(px_intake_events *events, uint64_t upto, uint64_t index, uint32_t consecutive)
{
    settle(PX_OWNER_OF(events, px_joined, events), upto, index, consecutive, true);
}

static void forget(px_joined *joined)
{
    px_socket *server = joined->server;
    px_joined **at = &server->joined;
    while (*at != joined) at = &(*at)->next_joined;
    *at = joined->next_joined;
    server->joined_count--;
    if (joined->intake) server->env->app->calls->intake_close(server->env->app, joined->intake);
    px_assert(!joined->sent);
    free(joined);
}

static void on_ended(px_intake_events *events, px_intake_end end)
{
    px_joined *joined = PX_OWNER_OF(events, px_joined, events);
    px_socket *server = joined->server;
    const bool is_fenced = end == PX_INTAKE_FENCED;
    px_pending_refuse(server, &joined->sent, is_fenced ? "fenced" : "expired",
                      is_fenced ? PX_FENCED_WORDS : PX_EXPIRED_WORDS);
    if (is_fenced) {
        forget(joined);
    } else { /* stays, so that whoever waits is told */
        joined->is_open = false;
        server->env->app->calls->intake_close(server->env->app, joined->intake);
        joined->intake = NULL;
    }
    px_socket_resume(server);
}

/* ---- joining ---- */

static bool open_intake(px_joined *joined)
{
    px_app *app = joined->server->env->app;
    joined->is_open = false;
    joined->generation = ++joined->server->join_generation;
    joined->intake = app->calls->session_open(app, (px_bytes){joined->name, joined->name_bytes},
                                              PX_SESSION_JOIN, &joined->events);
    return joined->intake != NULL;
}

static px_joined *find(const px_socket *server, px_bytes name)
{
    px_joined *joined = server->joined;
    while (joined &&
           (joined->name_bytes != name.size_bytes || memcmp(joined->name, name.data, name.size_bytes) != 0))
        joined = joined->next_joined;
    return joined;
}

/* Frees a place where nobody waits. */
static bool make_place(px_socket *server)
{
    px_joined *idle = NULL;
    if (server->joined_count < JOINED_MAX) return true;
    for (px_joined *joined = server->joined; joined; joined = joined->next_joined)
        if (!joined->sent && (joined->is_open || !joined->intake)) idle = joined; /* the oldest of them */
    if (idle) forget(idle);
    return idle != NULL;
}

static px_joined *join(px_socket *server, px_bytes name)
{
    if (!make_place(server)) return NULL;
    px_joined *joined = calloc(1, sizeof *joined + name.size_bytes);
    px_assert(joined != NULL);
    joined->events = (px_intake_events){.on_room = on_room,
                                        .on_chosen = on_chosen,
                                        .on_opened = on_opened,
                                        .on_duplicate = on_duplicate,
                                        .on_ended = on_ended};
    joined->server = server;
    joined->name_bytes = name.size_bytes;
    memcpy(joined->name, name.data, name.size_bytes);
    if (!open_intake(joined)) {
        free(joined);
        return NULL;
    }
    joined->next_joined = server->joined;
    server->joined = joined;
    server->joined_count++;
    return joined;
}

/* ---- sending ---- */

/* Its number is beyond the next: true once that is said, false where it is to be asked for first. */
static bool refuse_gap(px_client *client, const px_request *request, px_joined *joined)
{
    px_app *app = client->server->env->app;
    if (joined->sent) return false; /* when that is chosen, it is tried again */
    if (joined->generation > client->join_generation) {
        px_reply_error(client, request->tag, "gap",
                       "messages with lower numbers are not in the log; send those first");
        return true;
    }
    app->calls->intake_close(app, joined->intake);
    joined->intake = NULL;
    if (!open_intake(joined)) forget(joined);
    return false;
}

static bool push(px_client *client, const px_request *request, px_joined *joined)
{
    px_app *app = client->server->env->app;
    const size_t room = app->calls->intake_room(app, joined->intake);
    if (room == 0) return px_op_refuse_full(client, request);
    if (room < request->payload.size_bytes) return false;
    const uint64_t number = app->calls->intake_push(app, joined->intake, request->payload);
    px_assert(number == request->sequence);
    joined->next = number + 1;
    px_pending_put(&joined->sent, px_pending_make(client, request), number, false);
    return true;
}

static bool try_send(px_client *client, const px_request *request)
{
    px_socket *server = client->server;
    px_joined *joined = find(server, request->session);
    if (!joined) {
        if (client->join_generation == 0) client->join_generation = server->join_generation;
        joined = join(server, request->session);
        if (joined) return false;
        px_reply_error(client, request->tag, "too_many",
                       "this node has as many sessions open as it takes; close some or use another node");
        return true;
    }
    if (client->join_generation == 0) client->join_generation = joined->generation;
    if (!joined->intake) {
        px_reply_error(client, request->tag, "expired", PX_EXPIRED_WORDS);
        return true;
    }
    if (!joined->is_open) return false;
    if (request->sequence > joined->next) return refuse_gap(client, request, joined);
    if (request->sequence == joined->next) return push(client, request, joined);
    if (request->sequence > joined->chosen)
        px_pending_put(&joined->sent, px_pending_make(client, request), request->sequence, true);
    else
        px_reply_duplicate(client, request->tag, index_of(joined, request->sequence));
    return true;
}

bool px_joined_send(px_client *client, const px_request *request)
{
    const bool is_done = try_send(client, request);
    if (is_done) client->join_generation = 0;
    return is_done;
}

void px_joined_deinit(px_socket *server)
{
    while (server->joined) {
        px_pending_free_all(server, &server->joined->sent);
        forget(server->joined);
    }
}
