/* pxctl_members.c - the members of the cluster, one a line. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl.h"
#include "main/pxctl_client.h"

#include <stdio.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "-";
}

static void print_members(const json_t *status)
{
    size_t i;
    const json_t *member;
    const char *leader = text_of(status, "leader");
    json_array_foreach(json_object_get(status, "members"), i, member)
    {
        const char *id = text_of(member, "id");
        const bool is_voter = json_is_true(json_object_get(member, "voter"));
        printf("%s %s %s %s\n", id, text_of(member, "addr"),
               json_is_true(json_object_get(member, "connected")) ? "up" : "down",
               strcmp(id, leader) == 0 ? "leader"
               : is_voter              ? "voter"
                                       : "no-vote");
    }
}

static px_exit run(px_target *target, int count, char **words)
{
    bool wants_json = false;
    const px_option options[] = {{"--json", &wants_json, NULL}, {NULL, NULL, NULL}};
    px_exit status;
    if (!px_options_read(&px_command_members, options, target, &count, words, &status)) return status;
    if (count > 0) return px_usage_fault(&px_command_members, "members takes no further words");
    json_t *reply = px_ask_once(target, json_pack("{s:s}", "op", "status"), &status);
    if (!reply) return status;
    if (wants_json) {
        json_dumpf(json_object_get(reply, "members"), stdout,
                   JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
        putchar('\n');
    } else {
        print_members(reply);
    }
    json_decref(reply);
    return PX_EXIT_DONE;
}

const px_command px_command_members = {
    .name = "members",
    .words = "[--json]",
    .summary = "the members, their addresses and links, one a line",
    .help = "Prints a line for each member: its id, its address, whether the link to it is up\n"
            "(both ways), and whether it leads, votes or has no vote. For scripts.\n\n"
            "  --json     as a list of JSON objects\n\n"
            "Example: pxctl -c px1.json members",
    .run = run,
};
