/* reply.c - replies of the socket, as JSON.
 *
 * Source     spec.md §5, §6. */
// SPDX-License-Identifier: Apache-2.0
#include "local/socket_priv.h"

#include "base/assert.h"
#include <stdio.h>
#include <string.h>

/* Room for a reply's names and numbers, beside its tag and words. */
#define REPLY_BYTES 160u
/* And for what is told of a pipe, beside its name. */
#define PIPE_BYTES 320u
#define STATUS_BYTES (4096u + PX_MEMBERS_MAX * 4096u)

static void begin(px_client *client, px_json_writer *writer, size_t size_bytes, bool is_ok, px_bytes tag)
{
    px_json_writer_init(writer, px_client_reserve(client, size_bytes + tag.size_bytes),
                        size_bytes + tag.size_bytes);
    px_json_write_object_open(writer);
    px_json_write_key(writer, "ok");
    px_json_write_bool(writer, is_ok);
    if (tag.size_bytes == 0) return;
    px_json_write_key(writer, "tag");
    px_json_write_raw(writer, tag);
}

static void end(px_client *client, px_json_writer *writer)
{
    px_json_write_object_close(writer);
    px_json_write_line_end(writer, "\n");
    px_assert(!writer->is_full);
    px_client_commit(client, px_json_writer_bytes(writer));
}

static void put_u64(px_json_writer *writer, const char *name, uint64_t number)
{
    px_json_write_key(writer, name);
    px_json_write_u64(writer, number);
}

static void put_text(px_json_writer *writer, const char *name, const char *text)
{
    px_json_write_key(writer, name);
    px_json_write_text(writer, text);
}

static void put_bool(px_json_writer *writer, const char *name, bool value)
{
    px_json_write_key(writer, name);
    px_json_write_bool(writer, value);
}

void px_reply_ok(px_client *client, px_bytes tag)
{
    px_json_writer writer;
    if (client->is_deaf) return;
    begin(client, &writer, REPLY_BYTES, true, tag);
    end(client, &writer);
}

void px_reply_index(px_client *client, px_bytes tag, uint64_t index)
{
    px_json_writer writer;
    if (client->is_deaf) return;
    begin(client, &writer, REPLY_BYTES, true, tag);
    /* 0: it is chosen, but where is no longer known. */
    if (index > 0) put_u64(&writer, "index", index);
    end(client, &writer);
}

void px_reply_barrier(px_client *client, px_bytes tag, uint64_t index)
{
    px_json_writer writer;
    if (client->is_deaf) return;
    begin(client, &writer, REPLY_BYTES, true, tag);
    put_u64(&writer, "index", index); /* 0 too: the log is empty */
    end(client, &writer);
}

void px_reply_duplicate(px_client *client, px_bytes tag, uint64_t index)
{
    px_json_writer writer;
    if (client->is_deaf) return;
    begin(client, &writer, REPLY_BYTES, true, tag);
    if (index > 0) put_u64(&writer, "index", index);
    put_bool(&writer, "duplicate", true);
    end(client, &writer);
}

void px_reply_opened(px_client *client, px_bytes tag, px_bytes session, uint64_t next)
{
    px_json_writer writer;
    if (client->is_deaf) return;
    begin(client, &writer, REPLY_BYTES + PX_JSON_STRING_BYTES_MAX(session.size_bytes), true, tag);
    px_json_write_key(&writer, "session");
    if (session.size_bytes)
        px_json_write_string(&writer, session);
    else
        px_json_write_null(&writer);
    put_u64(&writer, "next", next);
    end(client, &writer);
}

void px_reply_acked(px_client *client, uint64_t sequence, uint64_t index)
{
    px_json_writer writer;
    if (client->is_deaf) return;
    px_json_writer_init(&writer, px_client_reserve(client, REPLY_BYTES), REPLY_BYTES);
    px_json_write_object_open(&writer);
    put_u64(&writer, "acked", sequence);
    if (index > 0) put_u64(&writer, "index", index);
    end(client, &writer);
}

void px_reply_error(px_client *client, px_bytes tag, const char *code, const char *message)
{
    px_json_writer writer;
    if (client->is_deaf) return;
    begin(client, &writer, REPLY_BYTES + PX_JSON_STRING_BYTES_MAX(strlen(message)), false, tag);
    put_text(&writer, "error", code);
    put_text(&writer, "message", message);
    end(client, &writer);
}

/* ---- status ---- */

static const char *role_name(px_role role)
{
    switch (role) {
    case PX_ROLE_RECOVERING: return "recovering";
    case PX_ROLE_LEARNER: return "learner";
    case PX_ROLE_FOLLOWER: return "follower";
    case PX_ROLE_CANDIDATE: return "candidate";
    case PX_ROLE_LEADER: return "leader";
    }
    return "unknown";
}

static const char *disk_name(px_disk_health health)
{
    switch (health) {
    case PX_DISK_WELL: return "well";
    case PX_DISK_OVERDUE: return "overdue";
    case PX_DISK_FULL: return "full";
    }
    return "unknown";
}

/* The id of a member, or null. */
static void put_member(px_json_writer *writer, const char *name, const px_status *status, bool is_known,
                       uint64_t member)
{
    px_json_write_key(writer, name);
    if (is_known && member < status->member_count)
        px_json_write_text(writer, status->members[member].id);
    else
        px_json_write_null(writer);
}

static void put_one(px_json_writer *writer, const px_member_status *member)
{
    px_json_write_object_open(writer);
    put_text(writer, "id", member->id);
    put_text(writer, "addr", member->addr);
    put_bool(writer, "connected", member->connected);
    if (!member->connected && member->link_fault[0]) put_text(writer, "link_fault", member->link_fault);
    px_json_write_key(writer, "rtt_ms");
    if (member->has_rtt && member->connected) {
        char text[32];
        const int size = snprintf(text, sizeof text, "%llu.%03llu", (unsigned long long)member->rtt_us / 1000,
                                  (unsigned long long)member->rtt_us % 1000);
        px_json_write_raw(writer, (px_bytes){(const uint8_t *)text, (size_t)size});
    } else {
        px_json_write_null(writer);
    }
    put_u64(writer, "lag", member->lag);
    put_bool(writer, "voter", member->voter);
    put_bool(writer, "heard", member->heard);
    put_text(writer, "disk", disk_name(member->disk));
    px_json_write_object_close(writer);
}

static void put_counters(px_json_writer *writer, const px_status *status, uint32_t client_count)
{
    px_json_write_key(writer, "counters");
    px_json_write_object_open(writer);
    put_u64(writer, "slots_proposed", status->slots_proposed);
    put_u64(writer, "messages_proposed", status->messages_proposed);
    put_u64(writer, "syncs", status->syncs);
    put_u64(writer, "records", status->records);
    put_u64(writer, "log_bytes", status->log_bytes);
    put_u64(writer, "wakeups", status->wakeups);
    put_u64(writer, "json_sent", status->json_sent);
    put_u64(writer, "json_received", status->json_received);
    put_u64(writer, "elections", status->elections);
    put_u64(writer, "clients", client_count);
    px_json_write_object_close(writer);
}

static void put_status(px_json_writer *writer, const px_status *status)
{
    put_text(writer, "id", status->members[status->self].id);
    put_text(writer, "role", role_name(status->role));
    put_member(writer, "leader", status, status->has_leader, status->leader);
    px_json_write_key(writer, "ballot");
    px_json_write_object_open(writer);
    put_u64(writer, "n", status->ballot.number);
    put_member(writer, "id", status, status->ballot.number > 0, status->ballot.node);
    px_json_write_object_close(writer);
    put_u64(writer, "committed", status->committed);
    put_u64(writer, "first", status->first);
    px_json_write_key(writer, "members");
    px_json_write_array_open(writer);
    for (uint32_t i = 0; i < status->member_count; i++) put_one(writer, &status->members[i]);
    px_json_write_array_close(writer);
    px_json_write_key(writer, "digest");
    px_json_write_object_open(writer);
    put_u64(writer, "index", status->digest_index);
    px_json_write_key(writer, "hash");
    px_json_write_hash(writer, status->digest);
    px_json_write_object_close(writer);
    put_u64(writer, "delivered", status->delivered);
    put_text(writer, "waiting_for", status->waiting_for);
    put_bool(writer, "diverged", status->diverged);
    put_u64(writer, "leaderless_ms", status->leaderless_us / 1000);
}

/* ---- pipes ---- */

static void count_pipe(void *context, const px_local_counters *counters)
{
    size_t *size_bytes = context;
    *size_bytes += PIPE_BYTES + PX_JSON_STRING_BYTES_MAX(strlen(counters->pipe));
}

static void put_pipe(void *context, const px_local_counters *counters)
{
    px_json_writer *writer = context;
    px_json_write_object_open(writer);
    put_text(writer, "name", counters->pipe);
    put_text(writer, "direction", counters->direction);
    put_u64(writer, "messages", counters->messages);
    put_u64(writer, "bytes", counters->bytes);
    put_u64(writer, "dropped", counters->dropped);
    put_u64(writer, "waiting", counters->waiting);
    if (strcmp(counters->direction, "out") == 0)
        put_bool(writer, "reader", counters->has_reader);
    else
        put_u64(writer, "blocked_ms", counters->is_blocked ? counters->blocked_us / 1000 : 0);
    px_json_write_object_close(writer);
}

void px_reply_status(px_client *client, px_bytes tag)
{
    px_status status;
    px_json_writer writer;
    px_app *app = client->server->env->app;
    if (client->is_deaf) return;
    app->calls->status(app, &status);
    px_assert(status.self < status.member_count && status.member_count <= PX_MEMBERS_MAX);
    px_socket_events *events = client->server->events;
    size_t pipes_bytes = 0;
    events->count_pipes(events, &pipes_bytes, count_pipe);
    begin(client, &writer, STATUS_BYTES + pipes_bytes, true, tag);
    put_status(&writer, &status);
    px_json_write_key(&writer, "pipes");
    px_json_write_array_open(&writer);
    events->count_pipes(events, &writer, put_pipe);
    px_json_write_array_close(&writer);
    put_counters(&writer, &status, client->server->client_count);
    end(client, &writer);
}

/* ---- digest ---- */

static void put_hash(px_json_writer *writer, px_hash hash)
{
    px_json_write_key(writer, "hash");
    px_json_write_hash(writer, hash);
}

/* What a member last said of its chosen log; `same` is null where this node cannot tell. */
static void put_member_digest(px_json_writer *writer, const px_member_status *member)
{
    px_json_write_object_open(writer);
    put_text(writer, "id", member->id);
    put_u64(writer, "slot", member->chosen_slot);
    put_hash(writer, member->chain);
    px_json_write_key(writer, "same");
    if (member->is_comparable)
        px_json_write_bool(writer, member->is_same);
    else
        px_json_write_null(writer);
    px_json_write_object_close(writer);
}

void px_reply_digest(px_client *client, px_bytes tag)
{
    px_status status;
    px_json_writer writer;
    px_app *app = client->server->env->app;
    if (client->is_deaf) return;
    app->calls->status(app, &status);
    begin(client, &writer, STATUS_BYTES, true, tag);
    put_u64(&writer, "index", status.digest_index);
    put_hash(&writer, status.digest);
    put_u64(&writer, "slot", status.digest_slot);
    put_bool(&writer, "diverged", status.diverged);
    px_json_write_key(&writer, "members");
    px_json_write_array_open(&writer);
    for (uint32_t i = 0; i < status.member_count; i++)
        if (i != status.self) put_member_digest(&writer, &status.members[i]);
    px_json_write_array_close(&writer);
    end(client, &writer);
}

void px_reply_leader(px_client *client, px_bytes tag, const char *leader)
{
    px_json_writer writer;
    if (client->is_deaf) return;
    begin(client, &writer, REPLY_BYTES + PX_JSON_STRING_BYTES_MAX(strlen(leader)), true, tag);
    put_text(&writer, "leader", leader);
    end(client, &writer);
}
