/* follow.c - the messages of the log, a JSON line each, for a client of the socket.
 *
 * Meaning    A long message is written in pieces, and a client that does not take them holds nothing but its
 *            own small buffer: the log is read again when it goes on.
 * Source     spec.md §5 (follow). */
// SPDX-License-Identifier: Apache-2.0
#include "local/socket_priv.h"

#include "base/assert.h"
#include "codec/base64.h"
#include "codec/utf8.h"
#include <stdio.h>
#include <string.h>

/* Payload bytes in one piece; a multiple of 3, so that base64 goes on where it stopped. */
#define PIECE_BYTES 3072u
_Static_assert(PIECE_BYTES % 3 == 0, "base64 is written in pieces");
/* Names and numbers of a line, beside its strings. */
#define FRAME_BYTES 128u

/* Writes a line up to the first byte of its payload. */
static void put_head(px_client *client, const px_letter *letter)
{
    const size_t size_bytes = FRAME_BYTES + PX_JSON_STRING_BYTES_MAX(strlen(letter->from));
    px_json_writer writer;
    px_json_writer_init(&writer, px_client_reserve(client, size_bytes), size_bytes);
    px_json_write_object_open(&writer);
    px_json_write_key(&writer, "index");
    px_json_write_u64(&writer, letter->index);
    px_json_write_key(&writer, "from");
    px_json_write_text(&writer, letter->from);
    px_json_write_key(&writer, "time");
    px_json_write_u64(&writer, letter->stamp_ms);
    px_json_write_key(&writer, client->follow.is_text ? "data" : "b64");
    px_json_write_text(&writer, "");
    px_assert(!writer.is_full);
    px_client_commit(client, px_json_writer_bytes(&writer) - 1); /* the string stays open */
}

static void put_piece(px_client *client, px_bytes piece)
{
    const size_t size_bytes = client->follow.is_text ? PX_JSON_STRING_BYTES_MAX(piece.size_bytes)
                                                     : px_base64_encoded_bytes(piece.size_bytes) + 2;
    uint8_t *space = px_client_reserve(client, size_bytes);
    px_json_writer writer;
    px_json_writer_init(&writer, space, size_bytes);
    if (client->follow.is_text)
        px_json_write_string(&writer, piece);
    else
        px_json_write_base64(&writer, piece);
    px_assert(!writer.is_full);
    /* Without the quotes that make it a string of its own. */
    const size_t inner_bytes = px_json_writer_bytes(&writer) - 2;
    memmove(space, space + 1, inner_bytes);
    px_client_commit(client, inner_bytes);
}

/* Where a piece of that text may end: not inside a character, which the writer takes whole. */
static size_t end_of_piece(px_bytes payload, size_t offset)
{
    size_t end = offset + PIECE_BYTES;
    if (end >= payload.size_bytes) return payload.size_bytes;
    while ((payload.data[end] & 0xc0) == 0x80) end--;
    px_assert(end > offset);
    return end;
}

/* Writes one more piece of the next message; goes on to the one behind it after the last. */
static void put_some(px_client *client, const px_letter *letter)
{
    px_follow *follow = &client->follow;
    const px_bytes payload = letter->payload;
    if (!follow->is_inside) {
        follow->is_inside = true;
        follow->offset = 0;
        follow->is_text = px_utf8_is_valid(payload.data, payload.size_bytes);
        put_head(client, letter);
    }
    size_t end = follow->offset + PIECE_BYTES;
    if (follow->is_text) end = end_of_piece(payload, follow->offset);
    if (end > payload.size_bytes) end = payload.size_bytes;
    if (end > follow->offset)
        put_piece(client, (px_bytes){payload.data + follow->offset, end - follow->offset});
    follow->offset = end;
    if (end < payload.size_bytes) return;
    memcpy(px_client_reserve(client, 3), "\"}\n", 3);
    px_client_commit(client, 3);
    follow->is_inside = false;
    px_walk_step(&follow->walk);
    if (client->untold_count > 0) px_pending_tell(client);
}

void px_follow_end(px_client *client)
{
    px_follow *follow = &client->follow;
    if (follow->is_checking)
        client->server->env->app->calls->barrier_cancel(client->server->env->app, &follow->log_end);
    px_walk_rest(&follow->walk);
    if (follow->is_on) client->server->follow_count--;
    follow->is_on = follow->is_checking = false;
}

void px_follow_stop(px_client *client)
{
    px_follow *follow = &client->follow;
    if (follow->is_inside)
        follow->until = follow->walk.next;
    else
        px_follow_end(client);
}

/* A node that has just started may have delivered less than its consumers have seen: only a linearizable
 * index tells whether the log has lost its end. [R7] */
static void on_log_end(px_barrier *barrier, uint64_t index)
{
    px_client *client = PX_OWNER_OF(barrier, px_client, follow.log_end);
    px_follow *follow = &client->follow;
    follow->is_checking = false;
    if (index >= follow->cursor) {
        px_client_flush(client);
        return;
    }
    char words[160];
    px_log_event(
        client->server->env->log, PX_LOG_ERROR,
        "socket: a consumer's cursor is at message %llu, the log ends at %llu: has the log lost its end?",
        (unsigned long long)follow->cursor, (unsigned long long)index);
    (void)snprintf(
        words, sizeof words,
        "the consumer's cursor is at message %llu, the log ends at %llu: if it has lost its end, ack "
        "where to go on",
        (unsigned long long)follow->cursor, (unsigned long long)index);
    px_follow_end(client);
    px_reply_error(client, (px_bytes){follow->tag, follow->tag_bytes}, "cursor_ahead", words);
    px_client_flush(client);
}

bool px_follow_is_awaited(const px_client *client)
{
    const px_follow *follow = &client->follow;
    px_app *app = client->server->env->app;
    return follow->is_on && !client->is_deaf && follow->walk.next > app->calls->index_delivered(app);
}

void px_follow_check(px_client *client, px_bytes tag, uint64_t cursor)
{
    px_follow *follow = &client->follow;
    px_app *app = client->server->env->app;
    follow->cursor = cursor;
    follow->tag_bytes = tag.size_bytes;
    if (tag.size_bytes) memcpy(follow->tag, tag.data, tag.size_bytes);
    follow->is_checking = cursor > app->calls->index_delivered(app);
    follow->log_end.on_done = on_log_end;
    if (follow->is_checking) app->calls->barrier(app, &follow->log_end);
}

static void say_error(px_client *client, px_err err)
{
    /* A line that was begun cannot be ended well: the connection ends inside it. */
    if (client->follow.is_inside)
        client->is_closing = true;
    else if (err == PX_ERR_NOT_FOUND)
        px_reply_error(client, (px_bytes){0}, "trimmed", "the messages asked for are no longer in the log");
    else
        px_reply_error(client, (px_bytes){0}, "unknown", "the log cannot be read here; ask another node");
    px_follow_end(client);
}

void px_follow_pump(px_client *client)
{
    px_follow *follow = &client->follow;
    if (follow->is_checking) return;
    while (follow->is_on && !client->is_deaf && px_client_unwritten(client) < PX_CLIENT_OUT_BYTES) {
        px_letter letter;
        if (follow->walk.next > follow->until) {
            px_follow_end(client);
            return;
        }
        const px_err err = px_walk_look(&follow->walk, client->server->env, &letter);
        if (err == PX_ERR_END && client->server->is_diverged && !follow->is_inside) {
            px_follow_end(client);
            px_reply_error(client, (px_bytes){0}, "diverged", PX_DIVERGED_WORDS);
            return;
        }
        if (err == PX_ERR_END) break;
        if (err) {
            say_error(client, err);
            return;
        }
        put_some(client, &letter);
    }
    if (client->is_deaf) px_follow_end(client);
    px_walk_rest(&follow->walk);
}
