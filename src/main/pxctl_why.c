/* pxctl_why.c - what keeps a cluster from working, in words with the mend.
 *
 * Meaning    Looks at the status as an experienced operator would. Each finding is one sentence or two,
 *            broken to lines of a terminal's width; as JSON, a list of them. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl.h"
#include "main/pxctl_client.h"
#include "main/pxctl_terminal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A member this many messages behind is worth a word; less is on its way. */
#define LAG_SAID 10000
/* An `in` pipe that has been read this lately is only busy. */
#define BLOCKED_MS_SAID 1000
#define COLUMNS 79
#define FINDING_BYTES 1024u

/* What the members look like from the node that was asked, and what was found. */
typedef struct {
    size_t count, voters_up;
    bool is_first_start; /* nobody has a vote yet, and every member is needed once */
    json_t *findings;
} view;

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static long long number_of(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

__attribute__((format(printf, 2, 3))) static void find(view *of, const char *format, ...)
{
    char words[FINDING_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    json_array_append_new(of->findings, json_string(words));
}

/* A number with commas, as people read it. */
static const char *grouped(long long number, char space[32])
{
    char digits[24];
    const int count = snprintf(digits, sizeof digits, "%lld", number);
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0) space[at++] = ',';
        space[at++] = digits[i];
    }
    space[at] = '\0';
    return space;
}

/* ---- the parts of a status ---- */

static void look_at_member(const json_t *member, const char *self, view *of)
{
    char space[32];
    const char *id = text_of(member, "id"), *disk = text_of(member, "disk"),
               *link_fault = text_of(member, "link_fault");
    const bool is_self = strcmp(id, self) == 0, is_up = is_self || is_true(member, "connected");
    const long long lag = number_of(member, "lag");
    of->count++;
    of->voters_up += is_up && is_true(member, "voter");
    if (!is_up && *link_fault)
        find(of, "%s at %s is not connected both ways: %s.", id, text_of(member, "addr"), link_fault);
    else if (!is_up)
        find(of,
             "%s at %s is not connected both ways: is it running, is the address right, can UDP pass in both "
             "directions? The log of this node tells each failed attempt.",
             id, text_of(member, "addr"));
    else if (!is_true(member, "voter") && !of->is_first_start)
        find(of,
             "%s has no vote: it never was complete with the others, or its disk was emptied; it gets its "
             "vote by itself once it has caught up and a majority of the others votes.",
             id);
    if (*disk && strcmp(disk, "well") != 0)
        find(of, "The disk of %s is %s: make space, or look at its device.", id, disk);
    if (is_up && lag > LAG_SAID)
        find(of, "%s is %s messages behind: it is catching up.", id, grouped(lag, space));
}

static void look_at_pipe(const json_t *pipe, const json_t *status, view *of)
{
    char space[32], since[48] = "";
    const char *name = text_of(pipe, "name");
    const long long waiting = number_of(pipe, "waiting"), blocked_ms = number_of(pipe, "blocked_ms");
    const bool has_leader = *text_of(status, "leader") != '\0';
    if (strcmp(text_of(pipe, "direction"), "out") == 0) {
        if (waiting > 0 && !is_true(pipe, "reader"))
            find(of, "pipe \"%s\" out: %s messages wait for a reader.", name, grouped(waiting, space));
        else if (waiting > LAG_SAID)
            find(of, "pipe \"%s\" out: %s messages wait for its reader, which is slower than they come.",
                 name, grouped(waiting, space));
        return;
    }
    if (has_leader && blocked_ms < BLOCKED_MS_SAID) return;
    if (!has_leader)
        (void)snprintf(since, sizeof since, "no quorum since %lld s",
                       number_of(status, "leaderless_ms") / 1000);
    else
        (void)snprintf(since, sizeof since, "nothing was committed for %lld s", blocked_ms / 1000);
    if (blocked_ms > 0)
        find(of, "pipe \"%s\" in: blocked, %s; %s messages are taken and not committed.", name, since,
             grouped(waiting, space));
    else if (waiting > 0)
        find(of, "pipe \"%s\" in: %s messages are taken and not committed, %s.", name,
             grouped(waiting, space), since);
}

static void look(const json_t *status, view *of)
{
    size_t i;
    const json_t *item;
    const char *self = text_of(status, "id"), *waiting = text_of(status, "waiting_for");
    const bool has_leader = *text_of(status, "leader") != '\0';
    if (is_true(status, "diverged"))
        find(of,
             "%s has diverged: its log differs from a majority's, so it neither votes nor delivers. Keep its "
             "data folder for whoever finds out why, and start it anew with an empty one.",
             self);
    else if (*waiting)
        find(of, "It waits: %s.", waiting);
    of->is_first_start = strncmp(waiting, "the first start", strlen("the first start")) == 0;
    // cppcheck-suppress unknownMacro
    json_array_foreach(json_object_get(status, "members"), i, item) look_at_member(item, self, of);
    if (!has_leader && !of->is_first_start && of->voters_up * 2 <= of->count)
        find(of, "%zu of %zu members can vote here, %zu are needed: bring more of them up.", of->voters_up,
             of->count, of->count / 2 + 1);
    json_array_foreach(json_object_get(status, "pipes"), i, item) look_at_pipe(item, status, of);
}

/* ---- the words ---- */

/* Breaks a text into lines between words. */
static void print_wrapped(const char *text)
{
    size_t column = 1;
    putchar('-');
    while (*text) {
        const size_t size = strcspn(text, " ");
        if (column + 1 + size > COLUMNS && column > 2) column = (size_t)printf("\n ") - 1;
        column += (size_t)printf(" %.*s", (int)size, text);
        text += size;
        text += *text == ' ';
    }
    putchar('\n');
}

static void print_findings(const json_t *status, const view *of)
{
    size_t i;
    const json_t *finding;
    const char *self = text_of(status, "id"), *role = text_of(status, "role"),
               *leader = text_of(status, "leader");
    if (*leader)
        printf("%s is %s; %s leads.\n", self, role, leader);
    else
        printf("%s%s is %s and knows no leader%s: nothing is committed now.\n", px_colour_on(PX_COLOUR_BAD),
               self, role, px_colour_off());
    json_array_foreach(of->findings, i, finding) print_wrapped(json_string_value(finding));
    if (*leader && json_array_size(of->findings) == 0) puts("Nothing is wrong that this node can see.");
}

static px_exit run(px_target *target, int count, char **words)
{
    bool wants_json = false;
    const px_option options[] = {{"--json", &wants_json, NULL}, {NULL, NULL, NULL}};
    px_exit status;
    if (!px_options_read(&px_command_why, options, target, &count, words, &status)) return status;
    if (count > 0) return px_usage_fault(&px_command_why, "why takes no further words");
    json_t *reply = px_ask_once(target, json_pack("{s:s}", "op", "status"), &status);
    if (!reply) return status;
    view of = {.findings = json_array()};
    look(reply, &of);
    if (wants_json) {
        json_t *result = json_pack("{s:O,s:O,s:O,s:O}", "id", json_object_get(reply, "id"), "role",
                                   json_object_get(reply, "role"), "leader", json_object_get(reply, "leader"),
                                   "findings", of.findings);
        json_dumpf(result, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        putchar('\n');
        json_decref(result);
    } else {
        print_findings(reply, &of);
    }
    json_decref(of.findings);
    json_decref(reply);
    return PX_EXIT_DONE;
}

const px_command px_command_why = {
    .name = "why",
    .words = "[--json]",
    .summary = "what keeps the cluster from working, and the mend",
    .help = "Looks at the status of the node as an experienced operator would, and says in words\n"
            "what it waits for, who is missing or behind, what blocks which pipe, and what to do\n"
            "about it.\n\n"
            "  --json     the findings as a list in a JSON object\n\n"
            "Example: pxctl -c px1.json why",
    .run = run,
};
