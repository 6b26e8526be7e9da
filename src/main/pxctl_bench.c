/* pxctl_bench.c - how fast a cluster takes messages.
 *
 * Meaning    Publishes on one connection, keeps `window` messages unanswered and measures each from its write
 *            to the acknowledgement that covers it. What the window has room for is one write; replies are
 *            scanned, not parsed: the measurement is of the cluster and not of this program.
 * Holds      started - acked <= window; the ring has a place for each open message. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl.h"
#include "main/pxctl_client.h"
#include "main/pxctl_histogram.h"
#include "main/pxctl_terminal.h"

#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_DEFAULT 5u
#define SIZE_DEFAULT 128u
#define WINDOW_DEFAULT 256u
#define WINDOW_MOST 65536u
#define SECONDS_MOST 86400u
/* How often the bar is drawn. */
#define PROGRESS_MS 200

typedef struct {
    px_client client;
    uint64_t messages; /* to send; UINT64_MAX where `seconds` decides */
    uint64_t seconds, size_bytes, window;
    char *line; /* a message and its newline */
    uint64_t started, acked;
    uint64_t *started_us; /* by message, a ring */
    uint64_t first_us, last_us;
    px_progress progress;
    px_histogram latency;
} bench;

/* ---- requests and replies ---- */

/* Printable bytes that do not repeat soon, so that no layer below can win by packing them. */
static bool prepare(bench *of)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint64_t state = px_clock_us() | 1;
    of->line = malloc(of->size_bytes + 1);
    of->started_us = calloc(of->window, sizeof *of->started_us);
    if (!of->line || !of->started_us) return false;
    for (size_t i = 0; i < of->size_bytes; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        of->line[i] = digits[state & 63];
    }
    of->line[of->size_bytes] = '\n';
    return true;
}

/* Begins to publish, without a session. */
static px_exit begin(bench *of)
{
    json_t *reply = px_client_ask(&of->client, json_pack("{s:s}", "op", "publish"));
    const bool is_well = reply && json_integer_value(json_object_get(reply, "next")) == 1;
    if (reply && !is_well) px_say_failed("the node does not begin at message 1; see its version");
    json_decref(reply);
    return is_well ? PX_EXIT_DONE : PX_EXIT_FAILED;
}

static void start_message(bench *of, uint64_t at_us)
{
    px_client_put(&of->client, of->line, of->size_bytes + 1);
    of->started_us[of->started % of->window] = at_us;
    of->started++;
}

/* The number of an acknowledgement; 0 for anything else. */
static uint64_t acked_of(const char *line)
{
    static const char key[] = "{\"acked\":";
    uint64_t number = 0;
    if (strncmp(line, key, sizeof key - 1) != 0) return 0;
    for (const char *at = line + sizeof key - 1; *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (uint64_t)(*at - '0');
    return number;
}

/* Takes the acknowledgements that are there. False, and all is said, where one is a refusal. */
static bool take_replies(bench *of)
{
    size_t size_bytes;
    const char *line;
    const uint64_t at_us = px_clock_us();
    while ((line = px_client_line(&of->client, &size_bytes))) {
        const uint64_t acked = acked_of(line);
        if (acked <= of->acked || acked > of->started) {
            json_t *reply = px_reply_parse(line, size_bytes);
            if (reply) px_say_failed("not an answer to what was sent: %.100s", line);
            json_decref(reply);
            return false;
        }
        for (; of->acked < acked; of->acked++)
            px_histogram_add(&of->latency, at_us - of->started_us[of->acked % of->window]);
        of->last_us = at_us;
    }
    return true;
}

/* ---- the run ---- */

static void draw_progress(bench *of)
{
    if (!px_progress_shows(&of->progress)) return;
    char words[48];
    const uint64_t elapsed_us = px_clock_us() - of->first_us;
    const bool is_timed = of->messages == UINT64_MAX;
    (void)snprintf(words, sizeof words, "%10.0f messages/s",
                   elapsed_us ? (double)of->acked * 1e6 / (double)elapsed_us : 0.0);
    px_progress_draw(&of->progress, is_timed ? elapsed_us : of->acked,
                     is_timed ? of->seconds * 1000000u : of->messages, words);
}

static px_exit measure(bench *of)
{
    const bool draws = px_progress_shows(&of->progress);
    px_exit status = PX_EXIT_DONE;
    of->first_us = of->last_us = px_clock_us();
    for (;;) {
        const uint64_t at_us = px_clock_us();
        const bool is_over = of->started == of->messages ||
                             (of->messages == UINT64_MAX && at_us - of->first_us >= of->seconds * 1000000u);
        if (is_over && of->acked == of->started) break;
        while (!is_over && of->started - of->acked < of->window && of->started < of->messages &&
               px_client_queued(&of->client) < PX_MESSAGE_BYTES_DEFAULT) {
            start_message(of, at_us);
        }
        px_client_move(&of->client, -1, draws ? PROGRESS_MS : -1);
        if (!take_replies(of)) status = PX_EXIT_FAILED;
        if (!status && of->client.is_ended)
            status = px_say_failed("the node closed the connection; see its log");
        if (status) break;
        draw_progress(of);
    }
    px_progress_end(&of->progress);
    return status;
}

static void print_result(const bench *of, bool wants_json)
{
    const double seconds = (double)(of->last_us - of->first_us) / 1e6;
    const double rate = seconds > 0 ? (double)of->acked / seconds : 0;
    const unsigned long long p50 = px_histogram_at(&of->latency, 5000),
                             p99 = px_histogram_at(&of->latency, 9900),
                             p999 = px_histogram_at(&of->latency, 9990), most = of->latency.most_us;
    if (wants_json) {
        printf("{\"messages\":%llu,\"size_bytes\":%llu,\"window\":%llu,\"seconds\":%.6f,"
               "\"messages_per_second\":%.1f,\"bytes_per_second\":%.1f,"
               "\"latency_us\":{\"p50\":%llu,\"p99\":%llu,\"p99.9\":%llu,\"max\":%llu}}\n",
               (unsigned long long)of->acked, (unsigned long long)of->size_bytes,
               (unsigned long long)of->window, seconds, rate, rate * (double)of->size_bytes, p50, p99, p999,
               most);
        return;
    }
    printf("messages    %llu of %llu bytes, %llu at a time, in %.2f s\n", (unsigned long long)of->acked,
           (unsigned long long)of->size_bytes, (unsigned long long)of->window, seconds);
    printf("throughput  %.0f messages/s, %.2f MB/s\n", rate, rate * (double)of->size_bytes / 1e6);
    printf("latency     p50 %.3f ms, p99 %.3f ms, p99.9 %.3f ms, max %.3f ms\n", (double)p50 / 1e3,
           (double)p99 / 1e3, (double)p999 / 1e3, (double)most / 1e3);
}

/* ---- the command ---- */

typedef struct {
    bool wants_json;
    const char *messages, *seconds, *size, *window;
} wishes;

static px_exit read_wishes(const wishes *of, bench *to)
{
    static const px_span counts = {1, UINT64_MAX / 2}, times = {1, SECONDS_MOST},
                         sizes = {0, PX_MESSAGE_BYTES_MOST}, windows = {1, WINDOW_MOST};
    const px_command *command = &px_command_bench;
    *to = (bench){.messages = UINT64_MAX,
                  .seconds = SECONDS_DEFAULT,
                  .size_bytes = SIZE_DEFAULT,
                  .window = WINDOW_DEFAULT};
    if (of->messages && of->seconds) return px_usage_fault(command, "--messages or --seconds, not both");
    if (of->messages && !px_number_read(of->messages, counts, &to->messages)) {
        return px_usage_fault(command, "--messages takes a number of 1 or more");
    }
    if (of->seconds && !px_number_read(of->seconds, times, &to->seconds)) {
        return px_usage_fault(command, "--seconds takes 1 to %u", SECONDS_MOST);
    }
    if (of->size && !px_number_read(of->size, sizes, &to->size_bytes)) {
        return px_usage_fault(command, "--size takes 0 to %u bytes", PX_MESSAGE_BYTES_MOST);
    }
    if (of->window && !px_number_read(of->window, windows, &to->window)) {
        return px_usage_fault(command, "--window takes 1 to %u messages", WINDOW_MOST);
    }
    return PX_EXIT_DONE;
}

static px_exit run(px_target *target, int count, char **words)
{
    wishes wish = {.wants_json = false};
    const px_option options[] = {{"--json", &wish.wants_json, NULL}, {"--messages", NULL, &wish.messages},
                                 {"--seconds", NULL, &wish.seconds}, {"--size", NULL, &wish.size},
                                 {"--window", NULL, &wish.window},   {NULL, NULL, NULL}};
    px_exit status;
    if (!px_options_read(&px_command_bench, options, target, &count, words, &status)) return status;
    if (count > 0) return px_usage_fault(&px_command_bench, "bench takes no further words");
    bench *of = malloc(sizeof *of);
    if (!of) return px_say_failed("out of memory");
    status = read_wishes(&wish, of);
    if (!status) status = px_client_open(&of->client, target);
    if (!status) {
        status = prepare(of) ? begin(of) : px_say_failed("out of memory");
        if (!status) status = measure(of);
        if (!status) print_result(of, wish.wants_json);
        px_client_close(&of->client);
    }
    free(of->line);
    free(of->started_us);
    free(of);
    return status;
}

const px_command px_command_bench = {
    .name = "bench",
    .words = "[--messages N | --seconds S] [--size B] [--window W] [--json]",
    .summary = "measures throughput and latency",
    .help = "Publishes messages through the node and measures each from its write to the\n"
            "acknowledgement that covers it, which comes when it is durable on a majority. The\n"
            "messages stay in the log.\n\n"
            "  --messages N   so many, or\n"
            "  --seconds S    for so long (5)\n"
            "  --size B       bytes of each (128)\n"
            "  --window W     so many at a time (256)\n"
            "  --json         the result as a JSON object\n\n"
            "Example: pxctl -c px1.json bench --seconds 10 --window 1024",
    .run = run,
};
