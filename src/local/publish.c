/* publish.c - raw messages of a client up, acknowledgements down.
 *
 * Meaning    From its reply on, the connection carries messages in a pipe's format; they are cut where they
 *            were read and handed over at once. Acknowledgements are cumulative: one line tells of all that
 *            came since the line before was taken, so a client that does not read costs nothing, and nothing
 *            waits for it.
 *            With a session the client has an intake of its own, which is fenced when somebody else opens the
 *            session. Without one all clients of the node share an intake: opening a session of the log for
 *            each connection would fill the table of sessions, and cost each a round trip; whose messages are
 *            chosen tells a line of segments.
 * Holds      told <= acked <= pushed. What ends a publish is said when all that was handed over is
 *            acknowledged, or never will be. A last message without its end is none.
 * Source     spec.md §5; [R12]. */
// SPDX-License-Identifier: Apache-2.0
#include "local/publish.h"

#include "base/assert.h"
#include <stdlib.h>
#include <string.h>

/* The intake of those without a session. No pipe can bear this name. */
#define SHARED_NAME "\x01publish"
/* What a message may cost in the intake beside its bytes, before its room is asked anew. */
#define MESSAGE_COST_BYTES 64u

struct px_publish {
    px_intake_events intake_events;
    px_timer moved; /* something was acknowledged, or there is room, or it ends */
    px_client *client;
    px_intake *intake;
    bool is_shared;
    bool is_open;   /* its numbers are known, and told */
    bool is_ending; /* takes no more */
    bool is_over;   /* and hears no more */
    const px_format *format;
    px_framing framing;
    size_t room;
    uint64_t pushed, acked, told; /* numbers in the session */
    uint64_t index;               /* of message `acked`; 0: not known */
    const char *code, *words;     /* what is said at the end; NULL: nothing */
    size_t tag_bytes, name_bytes;
    uint8_t text[]; /* the tag, the session's name */
};

/* Messages `first` to `last` of the shared intake are one client's. */
typedef struct px_segment px_segment;
struct px_segment {
    px_segment *next;
    px_publish *owner; /* NULL: gone */
    uint64_t first, last;
    uint64_t sequence_last; /* the client's number of message `last` */
};

struct px_publish_line {
    px_intake_events intake_events;
    px_socket *server;
    px_intake *intake;
    px_segment *first, *last;
    bool is_short; /* somebody's message found no room */
};

static px_bytes tag_of(const px_publish *publish)
{
    return (px_bytes){publish->text, publish->tag_bytes};
}

static px_bytes name_of(const px_publish *publish)
{
    return (px_bytes){publish->text + publish->tag_bytes, publish->name_bytes};
}

/* Not at once: the node is in the middle of its turn. One line tells of all that it is told in a turn. */
static void note(px_publish *publish)
{
    if (!publish->moved.is_started) px_env_start(publish->client->server->env, &publish->moved, 0);
}

static void on_moved(px_timer *timer)
{
    px_client_pump(PX_OWNER_OF(timer, px_publish, moved)->client);
}

static void end_with(px_publish *publish, const char *code, const char *words)
{
    if (!publish->code) {
        publish->code = code;
        publish->words = words;
    }
    publish->is_ending = true;
    note(publish);
}

/* ---- what the node says ---- */

static void acknowledge(px_publish *publish, uint64_t upto, uint64_t index)
{
    if (publish->is_over || upto <= publish->acked) return;
    px_assert(upto <= publish->pushed);
    publish->acked = upto;
    publish->index = index;
    note(publish);
}

static void open_at(px_publish *publish, uint64_t next)
{
    publish->is_open = true;
    publish->pushed = publish->acked = publish->told = next - 1;
    px_reply_opened(publish->client, tag_of(publish), name_of(publish), next);
}

static void on_opened(px_intake_events *events, uint64_t next)
{
    px_publish *publish = PX_OWNER_OF(events, px_publish, intake_events);
    if (publish->is_ending) return;
    open_at(publish, next);
    note(publish);
}

/* Others may have handed over in the session: what they did beyond what this client has is its affair when it
 * comes there. */
static void on_chosen(px_intake_events *events, uint64_t upto, uint64_t index, uint32_t consecutive)
{
    px_publish *publish = PX_OWNER_OF(events, px_publish, intake_events);
    const uint64_t beyond = upto > publish->pushed ? upto - publish->pushed : 0;
    acknowledge(publish, upto - beyond, beyond < consecutive ? index - beyond : 0);
}

static void on_room(px_intake_events *events)
{
    note(PX_OWNER_OF(events, px_publish, intake_events));
}

static void on_ended(px_intake_events *events, px_intake_end end)
{
    px_publish *publish = PX_OWNER_OF(events, px_publish, intake_events);
    publish->pushed = publish->acked;
    publish->is_over = true;
    switch (end) {
    case PX_INTAKE_FENCED: end_with(publish, "fenced", PX_FENCED_WORDS); break;
    case PX_INTAKE_EXPIRED: end_with(publish, "expired", PX_EXPIRED_WORDS); break;
    }
}

/* ---- the shared intake ---- */

static void on_shared_room(px_intake_events *events)
{
    px_publish_line *line = PX_OWNER_OF(events, px_publish_line, intake_events);
    line->is_short = false;
    for (px_client *client = line->server->clients; client; client = client->next)
        if (client->publish && client->publish->is_shared && client->is_stalled) note(client->publish);
}

static void on_shared_chosen(px_intake_events *events, uint64_t upto, uint64_t index, uint32_t consecutive)
{
    px_publish_line *line = PX_OWNER_OF(events, px_publish_line, intake_events);
    (void)consecutive; /* told batch by batch: those before it have the indexes before it */
    while (line->first && line->first->first <= upto) {
        px_segment *segment = line->first;
        const uint64_t left = segment->last > upto ? segment->last - upto : 0;
        const uint64_t behind = upto > segment->last ? upto - segment->last : 0;
        if (segment->owner) acknowledge(segment->owner, segment->sequence_last - left, index - behind);
        segment->first = upto + 1;
        if (left > 0) break;
        line->first = segment->next;
        if (!line->first) line->last = NULL;
        free(segment);
    }
    if (line->is_short) on_shared_room(events);
}

static px_publish_line *shared_line(px_socket *server)
{
    if (server->publish_line) return server->publish_line;
    px_publish_line *line = calloc(1, sizeof *line);
    px_assert(line != NULL);
    line->intake_events = (px_intake_events){.on_room = on_shared_room, .on_chosen = on_shared_chosen};
    line->server = server;
    px_app *app = server->env->app;
    line->intake = app->calls->intake_open(app, SHARED_NAME, PX_CLIENT_INTAKE_BYTES, &line->intake_events);
    if (!line->intake) {
        free(line);
        return NULL;
    }
    server->publish_line = line;
    return line;
}

/* Messages up to number `last` of the shared intake, `count` of them, are this client's newest. */
static void put_segment(px_publish_line *line, px_publish *owner, uint64_t last, uint64_t count)
{
    px_segment *tail = line->last;
    if (!tail || tail->owner != owner) {
        px_segment *made = calloc(1, sizeof *made);
        px_assert(made != NULL);
        made->owner = owner;
        made->first = last - count + 1;
        if (tail)
            tail->next = made;
        else
            line->first = made;
        line->last = tail = made;
    }
    tail->last = last;
    tail->sequence_last = owner->pushed;
}

void px_publish_line_free(px_socket *server)
{
    px_publish_line *line = server->publish_line;
    if (!line) return;
    server->env->app->calls->intake_close(server->env->app, line->intake);
    while (line->first) {
        px_segment *segment = line->first;
        line->first = segment->next;
        free(segment);
    }
    free(line);
    server->publish_line = NULL;
}

/* ---- taking messages ---- */

/* Is there room for this message? */
static bool find_room(px_publish *publish, size_t size_bytes)
{
    if (publish->room >= size_bytes + MESSAGE_COST_BYTES) return true;
    px_app *app = publish->client->server->env->app;
    publish->room = app->calls->intake_room(app, publish->intake);
    return publish->room > 0 && publish->room >= size_bytes;
}

static void push(px_publish *publish, px_bytes message)
{
    px_app *app = publish->client->server->env->app;
    const uint64_t number = app->calls->intake_push(app, publish->intake, message);
    const size_t cost = message.size_bytes + MESSAGE_COST_BYTES;
    publish->pushed++;
    px_assert(publish->is_shared || number == publish->pushed);
    publish->room -= publish->room < cost ? publish->room : cost;
    if (publish->is_shared) put_segment(publish->client->server->publish_line, publish, number, 1);
}

/* Hands over the whole messages that are here. False where one must wait. */
static bool push_messages(px_publish *publish)
{
    px_client *client = publish->client;
    publish->room = 0; /* others may have used it */
    while (!publish->is_ending) {
        const px_framing framing = publish->framing;
        const px_cut cut = publish->format->cut(&publish->framing, client->in + client->in_start,
                                                client->in_end - client->in_start, false,
                                                client->server->env->message_bytes_max);
        if (cut.kind == PX_CUT_MORE) break;
        if (cut.kind == PX_CUT_MESSAGE && !find_room(publish, cut.message.size_bytes)) {
            publish->framing = framing;
            if (publish->is_shared) client->server->publish_line->is_short = true;
            return false;
        }
        if (cut.kind == PX_CUT_MESSAGE)
            push(publish, cut.message);
        else
            end_with(publish, "too_large",
                     "a message is longer than max_message_bytes; those before it stand, it and what comes "
                     "behind it were dropped");
        client->in_start += cut.used_bytes;
    }
    return true;
}

bool px_publish_take(px_client *client)
{
    px_publish *publish = client->publish;
    if (!publish->is_open && !publish->is_ending) return false;
    if (!publish->is_ending && !push_messages(publish)) return false;
    if (client->is_ended) publish->is_ending = true;
    if (publish->is_ending) client->in_start = client->in_end;
    return true;
}

void px_publish_put(px_client *client)
{
    px_publish *publish = client->publish;
    if (px_client_unwritten(client) > 0 || client->is_closing) return;
    if (publish->acked > publish->told) {
        publish->told = publish->acked;
        px_reply_acked(client, publish->told, publish->index);
    }
    if (!publish->is_ending || publish->acked < publish->pushed) return;
    if (publish->code) px_reply_error(client, tag_of(publish), publish->code, publish->words);
    client->is_closing = true;
}

/* ---- its life ---- */

static px_publish *make_publish(px_client *client, const px_request *request)
{
    px_publish *publish = calloc(1, sizeof *publish + request->tag.size_bytes + request->session.size_bytes);
    px_assert(publish != NULL);
    publish->client = client;
    publish->moved.on_fire = on_moved;
    publish->format = request->is_length_framed ? &px_format_length : &px_format_line;
    publish->intake_events = (px_intake_events){.on_room = on_room,
                                                .on_chosen = on_chosen,
                                                .on_opened = on_opened,
                                                .on_duplicate = on_chosen,
                                                .on_ended = on_ended};
    publish->tag_bytes = request->tag.size_bytes;
    publish->name_bytes = request->session.size_bytes;
    if (publish->tag_bytes) memcpy(publish->text, request->tag.data, publish->tag_bytes);
    if (publish->name_bytes)
        memcpy(publish->text + publish->tag_bytes, request->session.data, publish->name_bytes);
    return publish;
}

bool px_publish_run(px_client *client, const px_request *request)
{
    px_socket *server = client->server;
    px_app *app = server->env->app;
    if (client->pending_count > 0) return false;
    px_publish *publish = make_publish(client, request);
    publish->is_shared = !request->has_session;
    if (request->has_session) {
        publish->intake =
            app->calls->session_open(app, name_of(publish), PX_SESSION_TAKE, &publish->intake_events);
    } else {
        const px_publish_line *line = shared_line(server);
        publish->intake = line ? line->intake : NULL;
    }
    if (!publish->intake) {
        px_reply_error(client, request->tag, "too_many",
                       "this node has as many sessions open as it takes; close some or use another node");
        client->is_closing = true;
        free(publish);
        return true;
    }
    client->publish = publish;
    if (publish->is_shared) open_at(publish, 1);
    return true;
}

bool px_publish_is_owed(const px_client *client)
{
    return client->publish && !client->is_closing && !client->is_deaf;
}

void px_publish_stop(px_client *client)
{
    if (client->publish)
        end_with(client->publish, "shutting_down",
                 "px stops; go on at another node, under a session: its next says what is in the log");
}

void px_publish_give_up(px_client *client, const char *code, const char *words)
{
    px_publish *publish = client->publish;
    if (!publish || client->is_closing) return;
    publish->pushed = publish->acked;
    publish->is_over = true;
    publish->code = NULL;
    end_with(publish, code, words);
}

void px_publish_free(px_client *client)
{
    px_publish *publish = client->publish;
    px_socket *server = client->server;
    if (!publish) return;
    px_env_stop(server->env, &publish->moved);
    if (publish->is_shared) {
        for (px_segment *segment = server->publish_line->first; segment; segment = segment->next)
            if (segment->owner == publish) segment->owner = NULL;
    } else {
        server->env->app->calls->intake_close(server->env->app, publish->intake);
    }
    free(publish);
    client->publish = NULL;
}
