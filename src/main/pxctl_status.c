/* pxctl_status.c - what a node says of itself and of each member. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl.h"
#include "main/pxctl_client.h"
#include "main/pxctl_terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Columns of the table; with the spaces between them they fit into 80. */
#define NAME_COLUMNS 20
#define ADDR_COLUMNS 21
#define DISK_COLUMNS 7

static const char *text_of(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : otherwise;
}

static long long number_of(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

/* Copies a text that may be too long for its column; the middle gives way, since both ends tell names
 * apart. */
static void fit(const char *text, char *space, size_t columns)
{
    const size_t size = strlen(text);
    if (size <= columns) {
        strcpy(space, text);
        return;
    }
    const size_t tail = columns / 2 - 1;
    snprintf(space, columns + 1, "%.*s..%s", (int)(columns - 2 - tail), text, text + size - tail);
}

static void print_member(const json_t *member, const char *self, const char *leader)
{
    char name[NAME_COLUMNS + 1], addr[ADDR_COLUMNS + 1], rtt[16] = "-";
    const char *id = text_of(member, "id", "?");
    const bool is_leader = leader && strcmp(id, leader) == 0;
    const bool is_voter = json_is_true(json_object_get(member, "voter"));
    fit(id, name, NAME_COLUMNS);
    fit(text_of(member, "addr", "-"), addr, ADDR_COLUMNS);
    const json_t *rtt_ms = json_object_get(member, "rtt_ms");
    if (json_is_number(rtt_ms)) snprintf(rtt, sizeof rtt, "%.2f", json_number_value(rtt_ms));
    const bool is_up = json_is_true(json_object_get(member, "connected"));
    printf("%c %-*s %-*s %s%-4s%s %7s %8lld %-6s %.*s\n", strcmp(id, self) == 0 ? '*' : ' ', NAME_COLUMNS,
           name, ADDR_COLUMNS, addr, px_colour_on(is_up ? PX_COLOUR_GOOD : PX_COLOUR_BAD),
           is_up ? "up" : "down", px_colour_off(), rtt, number_of(member, "lag"),
           is_leader  ? "leader"
           : is_voter ? "voter"
                      : "-",
           DISK_COLUMNS, text_of(member, "disk", "-"));
}

static void print_table(const json_t *status)
{
    const char *self = text_of(status, "id", "?");
    const json_t *ballot = json_object_get(status, "ballot");
    const json_t *digest = json_object_get(status, "digest");
    const char *leader = json_string_value(json_object_get(status, "leader"));
    printf("node       %s, %s\n", self, text_of(status, "role", "?"));
    printf("leader     %s, ballot %lld\n", leader ? leader : "none known", number_of(ballot, "n"));
    printf("committed  %lld (the log starts at %lld)\n", number_of(status, "committed"),
           number_of(status, "first"));
    printf("digest     %s at %lld\n", text_of(digest, "hash", "-"), number_of(digest, "index"));
    const char *waiting = text_of(status, "waiting_for", "");
    if (*waiting) printf("waiting    %s%s%s\n", px_colour_on(PX_COLOUR_BAD), waiting, px_colour_off());
    printf("\n%s  %-*s %-*s %-4s %7s %8s %-6s %s%s\n", px_colour_on(PX_COLOUR_STRONG), NAME_COLUMNS, "MEMBER",
           ADDR_COLUMNS, "ADDRESS", "LINK", "RTT ms", "LAG", "ROLE", "DISK", px_colour_off());
    size_t i;
    const json_t *member;
    // cppcheck-suppress unknownMacro
    json_array_foreach(json_object_get(status, "members"), i, member) print_member(member, self, leader);
}

static px_exit run(px_target *target, int count, char **words)
{
    bool wants_json = false;
    const px_option options[] = {{"--json", &wants_json, NULL}, {NULL, NULL, NULL}};
    px_exit status;
    if (!px_options_read(&px_command_status, options, target, &count, words, &status)) return status;
    if (count > 0) return px_usage_fault(&px_command_status, "status takes no further words");
    json_t *reply = px_ask_once(target, json_pack("{s:s}", "op", "status"), &status);
    if (!reply) return status;
    json_object_del(reply, "ok");
    if (wants_json) {
        json_dumpf(reply, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
        putchar('\n');
    } else {
        print_table(reply);
    }
    json_decref(reply);
    return PX_EXIT_DONE;
}

const px_command px_command_status = {
    .name = "status",
    .words = "[--json]",
    .summary = "the node, its leader, and its links to the members",
    .help = "Prints what the node knows: its role, the leader and its ballot, the last committed\n"
            "index, and for each member the link (up means both ways), the round trip and how\n"
            "many messages it is behind. The node asked is marked with a star.\n\n"
            "  --json     the same as one JSON object\n\n"
            "Example: pxctl -c px1.json status --json",
    .run = run,
};
