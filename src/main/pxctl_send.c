/* pxctl_send.c - puts messages into the order and prints where they came to stand.
 *
 * Meaning    Lines of stdin are sent as they come, up to WINDOW of them unanswered; indexes are printed in
 *            the order of the lines, whatever the order of the replies.
 * Holds      printed <= answered lines; taken - printed <= WINDOW: a ring of that size holds every open
 *            line. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl.h"
#include "main/pxctl_client.h"
#include "main/pxctl_text.h"

#include "base/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW 1024u
/* Requests queued here and not yet taken by the node; more only costs memory. */
#define QUEUED_BYTES_MAX (1u << 20)
#define TIMEOUT_MS_MOST 86400000u

typedef struct {
    px_client client;
    bool wants_json;
    const char *session;
    uint64_t sequence_next;  /* of the session */
    uint64_t timeout_ms;     /* 0: wait */
    uint64_t taken, printed; /* lines */
    uint64_t index[WINDOW];  /* by line; 0: none to print */
    bool is_answered[WINDOW];
    bool has_failed;
} sender;

/* Lines of a file descriptor. */
typedef struct {
    char *data;
    size_t first, end, room;
    bool is_ended;
} input;

/* ---- sending ---- */

static void send_line(sender *to, const char *line, size_t size_bytes)
{
    json_t *request = json_pack("{s:s,s:I}", "op", "send", "tag", (json_int_t)to->taken);
    px_payload_set(request, line, size_bytes);
    if (to->timeout_ms) json_object_set_new(request, "timeout_ms", json_integer((json_int_t)to->timeout_ms));
    if (to->session) {
        json_object_set_new(request, "session", json_string(to->session));
        json_object_set_new(request, "seq", json_integer((json_int_t)to->sequence_next++));
    }
    px_client_put_json(&to->client, request);
    to->is_answered[to->taken % WINDOW] = false;
    to->taken++;
}

/* In a session, a line that was refused leaves a gap: no later one can succeed. */
static bool may_go_on(const sender *to)
{
    return !(to->has_failed && to->session);
}

static void print_answered(sender *to)
{
    while (to->printed < to->taken && to->is_answered[to->printed % WINDOW]) {
        const uint64_t index = to->index[to->printed % WINDOW];
        to->printed++;
        if (index == 0) continue;
        printf(to->wants_json ? "{\"index\":%llu}\n" : "%llu\n", (unsigned long long)index);
    }
}

/* Takes one reply. False where it is none. */
static bool take_reply(sender *to, const char *line, size_t size_bytes)
{
    json_error_t error;
    json_t *reply = json_loadb(line, size_bytes, 0, &error);
    const json_t *tag = json_object_get(reply, "tag");
    const uint64_t number = json_is_integer(tag) ? (uint64_t)json_integer_value(tag) : UINT64_MAX;
    const bool is_known = number >= to->printed && number < to->taken;
    if (!is_known) {
        px_say_failed("not a reply to what was sent: %.100s", line);
    } else if (json_is_true(json_object_get(reply, "ok"))) {
        to->index[number % WINDOW] = (uint64_t)json_integer_value(json_object_get(reply, "index"));
        if (to->index[number % WINDOW] == 0) {
            px_say_failed("line %llu: committed, but its index is no longer known",
                          (unsigned long long)number + 1);
        }
        to->is_answered[number % WINDOW] = true;
    } else {
        const char *code = json_string_value(json_object_get(reply, "error"));
        const char *message = json_string_value(json_object_get(reply, "message"));
        px_say_failed("line %llu: %s: %s", (unsigned long long)number + 1, code ? code : "refused",
                      message ? message : "the node gives no reason");
        to->index[number % WINDOW] = 0;
        to->is_answered[number % WINDOW] = true;
        to->has_failed = true;
    }
    json_decref(reply);
    return is_known;
}

/* Takes the replies that are there. */
static bool take_replies(sender *to)
{
    size_t size_bytes;
    const char *line;
    while ((line = px_client_line(&to->client, &size_bytes))) {
        if (!take_reply(to, line, size_bytes)) return false;
    }
    print_answered(to);
    fflush(stdout);
    return true;
}

/* ---- lines of stdin ---- */

static bool read_input(input *from)
{
    if (from->first > 0) memmove(from->data, from->data + from->first, from->end - from->first);
    from->end -= from->first;
    from->first = 0;
    if (from->end == from->room) {
        from->room = from->room ? 2 * from->room : 65536;
        char *grown = realloc(from->data, from->room);
        if (!grown) abort();
        from->data = grown;
    }
    const ssize_t got = read(STDIN_FILENO, from->data + from->end, from->room - from->end);
    if (got < 0 && errno != EINTR && errno != EAGAIN) {
        px_say_failed("stdin: %s", strerror(errno));
        return false;
    }
    if (got == 0) from->is_ended = true;
    if (got > 0) from->end += (size_t)got;
    if (from->end > PX_MESSAGE_BYTES_MOST + 1 && !memchr(from->data, '\n', from->end)) {
        px_say_failed("a line is longer than any message may be (%u bytes)", PX_MESSAGE_BYTES_MOST);
        return false;
    }
    return true;
}

static bool has_room(const sender *to)
{
    return to->taken - to->printed < WINDOW && px_client_queued(&to->client) < QUEUED_BYTES_MAX &&
           may_go_on(to);
}

/* Sends the whole lines that are there, and at the end a last one without newline, as far as there is
 * room. */
static void send_lines(sender *to, input *from)
{
    while (has_room(to) && from->first < from->end) {
        char *line = from->data + from->first;
        const size_t there = from->end - from->first;
        const char *newline = memchr(line, '\n', there);
        if (!newline && !from->is_ended) return;
        const size_t size_bytes = newline ? (size_t)(newline - line) : there;
        send_line(to, line, size_bytes);
        from->first += size_bytes + (newline ? 1 : 0);
    }
}

static bool has_whole_line(const input *from)
{
    return from->end > from->first &&
           (from->is_ended || memchr(from->data + from->first, '\n', from->end - from->first));
}

static px_exit send_stdin(sender *to)
{
    input from = {.data = NULL};
    bool is_well = true;
    while (is_well) {
        send_lines(to, &from);
        const bool is_done = !may_go_on(to) || (from.is_ended && from.first == from.end);
        if (is_done && to->printed == to->taken) break;
        const bool wants_input = !is_done && !from.is_ended && has_room(to) && !has_whole_line(&from);
        const bool has_input = px_client_move(&to->client, wants_input ? STDIN_FILENO : -1, -1);
        if (has_input) is_well = read_input(&from);
        if (is_well) is_well = take_replies(to);
        if (is_well && to->client.is_ended && to->printed < to->taken) {
            px_say_failed("the node closed the connection; what has no index above may still be committed");
            is_well = false;
        }
    }
    free(from.data);
    return is_well && !to->has_failed ? PX_EXIT_DONE : PX_EXIT_FAILED;
}

/* ---- the command ---- */

/* Opens the session anew, which fences off whoever had it, and learns which number comes next. */
static px_exit open_session(sender *to, const px_target *target)
{
    const px_exit status = px_client_open(&to->client, target);
    if (status) return status;
    json_t *reply =
        px_client_ask(&to->client, json_pack("{s:s,s:s}", "op", "publish", "session", to->session));
    px_client_close(&to->client);
    if (!reply) return PX_EXIT_FAILED;
    to->sequence_next = (uint64_t)json_integer_value(json_object_get(reply, "next"));
    json_decref(reply);
    return PX_EXIT_DONE;
}

/* Sends a single message; waits for its index. */
static px_exit send_text(sender *to, const char *text)
{
    bool is_well = true;
    send_line(to, text, strlen(text));
    while (is_well && to->printed < to->taken) {
        if (to->client.is_ended) {
            return px_say_failed("the node closed the connection; the message may still be committed");
        }
        px_client_move(&to->client, -1, -1);
        is_well = take_replies(to);
    }
    return is_well && !to->has_failed ? PX_EXIT_DONE : PX_EXIT_FAILED;
}

static px_exit connect_and_send(sender *to, const px_target *target, const char *text)
{
    px_exit status = to->session ? open_session(to, target) : PX_EXIT_DONE;
    if (!status) status = px_client_open(&to->client, target);
    if (status) return status;
    status = text ? send_text(to, text) : send_stdin(to);
    px_client_close(&to->client);
    return status;
}

static px_exit run(px_target *target, int count, char **words)
{
    static const px_span timeouts = {1, TIMEOUT_MS_MOST};
    px_exit status;
    bool wants_json = false;
    const char *timeout = NULL, *session = NULL;
    uint64_t timeout_ms = 0;
    const px_option options[] = {{"--json", &wants_json, NULL},
                                 {"--session", NULL, &session},
                                 {"--timeout", NULL, &timeout},
                                 {NULL, NULL, NULL}};
    if (!px_options_read(&px_command_send, options, target, &count, words, &status)) return status;
    if (count > 1) return px_usage_fault(&px_command_send, "send takes one TEXT; put it in quotes");
    if (timeout && !px_number_read(timeout, timeouts, &timeout_ms)) {
        return px_usage_fault(&px_command_send, "--timeout takes 1 to %u milliseconds", TIMEOUT_MS_MOST);
    }
    sender *to = calloc(1, sizeof *to);
    if (!to) return px_say_failed("out of memory");
    to->wants_json = wants_json;
    to->session = session;
    to->timeout_ms = timeout_ms;
    status = connect_and_send(to, target, count == 1 ? words[0] : NULL);
    free(to);
    return status;
}

const px_command px_command_send = {
    .name = "send",
    .words = "[--session S] [--timeout MS] [--json] [TEXT]",
    .summary = "puts a message, or each line of stdin, into the order",
    .help = "Sends TEXT, or without it each line of stdin, and prints the index of each message,\n"
            "in the order of the lines, once it is committed.\n\n"
            "  --session S    in the session S, which it opens anew: another sender is fenced off\n"
            "  --timeout MS   give up waiting after so long; the message may still be committed\n"
            "  --json         each index as a JSON object\n\n"
            "Example: seq 1000 | pxctl -c px1.json send",
    .run = run,
};
