/* pxctl_tail.c - prints messages in their order. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl.h"
#include "main/pxctl_client.h"
#include "main/pxctl_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    px_client client;
    bool follows, wants_json;
    const char *consumer;
    uint64_t until;   /* last index to print; UINT64_MAX where it follows */
    uint64_t printed; /* index of the last message printed */
    uint64_t acked;
    bool is_over; /* the node takes requests again: there is nothing more to print */
} tail;

/* Takes a line that is no message: the answer to an ack or to the request behind the follow, or the reason
 * why it ends. False, and all is said, for that. */
static bool take_reply(tail *of, const char *line, size_t size_bytes)
{
    json_t *reply = px_reply_parse(line, size_bytes);
    if (json_object_get(reply, "tag")) of->is_over = true;
    json_decref(reply);
    return reply != NULL;
}

static void print_message(tail *of, const char *line, size_t line_bytes, const uint8_t *payload,
                          size_t payload_bytes)
{
    if (of->wants_json) {
        fwrite(line, 1, line_bytes, stdout);
    } else {
        fwrite(payload, 1, payload_bytes, stdout);
    }
    putchar('\n');
}

static bool take_line(tail *of, const char *line, size_t size_bytes)
{
    json_error_t error;
    json_t *message = json_loadb(line, size_bytes, JSON_ALLOW_NUL, &error);
    const json_t *index = json_object_get(message, "index");
    const bool is_reply = json_object_get(message, "ok") != NULL;
    size_t payload_bytes = 0;
    uint8_t *payload = !is_reply && json_is_integer(index) ? px_payload_get(message, &payload_bytes) : NULL;
    if (payload) {
        print_message(of, line, size_bytes, payload, payload_bytes);
        of->printed = (uint64_t)json_integer_value(index);
    }
    json_decref(message);
    free(payload);
    if (is_reply) return take_reply(of, line, size_bytes);
    if (!payload) px_say_failed("not a message: %.100s", line);
    return payload != NULL;
}

/* The consumer's cursor moves only past what has left this process. */
static bool flush_and_ack(tail *of)
{
    if (fflush(stdout) != 0) {
        px_say_failed("the output could not be written");
        return false;
    }
    if (!of->consumer || of->printed == of->acked) return true;
    of->acked = of->printed;
    px_client_put_json(&of->client, json_pack("{s:s,s:s,s:I}", "op", "ack", "consumer", of->consumer, "index",
                                              (json_int_t)of->printed));
    return true;
}

static px_exit print_messages(tail *of)
{
    while (!of->is_over) {
        size_t size_bytes;
        const char *line = px_client_line(&of->client, &size_bytes);
        if (line) {
            if (!take_line(of, line, size_bytes)) return PX_EXIT_FAILED;
            continue;
        }
        /* Without --follow one ack at the end is enough, and its answer says that the cursor has moved. */
        if (of->follows && !flush_and_ack(of)) return PX_EXIT_FAILED;
        if (of->client.is_ended) return px_say_failed("the node closed the connection; see its log");
        px_client_move(&of->client, -1, -1);
    }
    const uint64_t acked = of->acked;
    if (!flush_and_ack(of)) return PX_EXIT_FAILED;
    if (of->acked == acked) return PX_EXIT_DONE;
    json_t *reply = px_client_reply(&of->client);
    const px_exit status = reply ? PX_EXIT_DONE : PX_EXIT_FAILED;
    json_decref(reply);
    return status;
}

/* Asks how far the log goes now: without --follow, the command ends there. */
static px_exit find_end(tail *of)
{
    json_t *reply = px_client_ask(&of->client, json_pack("{s:s}", "op", "status"));
    if (!reply) return PX_EXIT_FAILED;
    of->until = (uint64_t)json_integer_value(json_object_get(reply, "committed"));
    json_decref(reply);
    return PX_EXIT_DONE;
}

static px_exit follow(tail *of, const char *from, uint64_t number)
{
    if (!of->follows) {
        const px_exit status = find_end(of);
        if (status) return status;
        if (of->until == 0 || number > of->until || (from && strcmp(from, "end") == 0)) return PX_EXIT_DONE;
    }
    json_t *request = json_pack("{s:s}", "op", "follow");
    if (number > 0) {
        json_object_set_new(request, "from", json_integer((json_int_t)number));
    } else if (from || !of->consumer) {
        json_object_set_new(request, "from", json_string(from ? from : "start"));
    }
    if (of->consumer) json_object_set_new(request, "consumer", json_string(of->consumer));
    if (!of->follows) json_object_set_new(request, "until", json_integer((json_int_t)of->until));
    px_client_put_json(&of->client, request);
    /* Read only when the follow has come to its end, which a consumer may be at already: its answer tells
     * that. */
    if (!of->follows) px_client_put_json(&of->client, json_pack("{s:s,s:s}", "op", "status", "tag", "end"));
    return print_messages(of);
}

static px_exit run(px_target *target, int count, char **words)
{
    static const px_span indexes = {1, INT64_MAX};
    tail of = {.until = UINT64_MAX};
    const char *from = NULL;
    uint64_t number = 0;
    const px_option options[] = {{"--json", &of.wants_json, NULL},   {"--follow", &of.follows, NULL},
                                 {"-f", &of.follows, NULL},          {"--from", NULL, &from},
                                 {"--consumer", NULL, &of.consumer}, {NULL, NULL, NULL}};
    px_exit status;
    if (!px_options_read(&px_command_tail, options, target, &count, words, &status)) return status;
    if (count > 0) return px_usage_fault(&px_command_tail, "tail takes no further words");
    const bool is_word = from && (strcmp(from, "start") == 0 || strcmp(from, "end") == 0);
    if (from && !is_word && !px_number_read(from, indexes, &number)) {
        return px_usage_fault(&px_command_tail, "--from takes an index of 1 or more, start or end");
    }
    status = px_client_open(&of.client, target);
    if (status) return status;
    status = follow(&of, from, number);
    px_client_close(&of.client);
    return status;
}

const px_command px_command_tail = {
    .name = "tail",
    .words = "[--from N|start|end] [--consumer C] [--follow] [--json]",
    .summary = "prints messages in their order",
    .help = "Prints each message as a line, from the start of the log to its present end.\n\n"
            "  --from N|start|end   where to begin\n"
            "  --consumer C         begin behind what C has seen, and move its cursor along\n"
            "  --follow, -f         wait for more at the end\n"
            "  --json               with index, origin and time, as JSON objects\n\n"
            "Example: pxctl -s px.sock tail --from end --follow --json",
    .run = run,
};
