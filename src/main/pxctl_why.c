/* pxctl_why.c - what keeps a cluster from working, in words with the mend. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl.h"
#include "main/pxctl_client.h"

#include <stdio.h>
#include <string.h>

/* A member this many messages behind is worth a word; less is on its way. */
#define LAG_SAID 10000

/* What the members look like from the node that was asked. */
typedef struct {
    size_t count, voters_up;
    bool has_finding;
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

static void look_at_member(const json_t *member, const char *self, view *of)
{
    const char *id = text_of(member, "id"), *disk = text_of(member, "disk");
    const bool is_self = strcmp(id, self) == 0, is_up = is_self || is_true(member, "connected");
    const long long lag = (long long)json_integer_value(json_object_get(member, "lag"));
    of->count++;
    of->voters_up += is_up && is_true(member, "voter");
    const bool has_disk_fault = *disk && strcmp(disk, "well") != 0;
    of->has_finding |= !is_up || has_disk_fault || lag > LAG_SAID || !is_true(member, "voter");
    if (!is_up) {
        printf("- %s at %s is not connected both ways: is it running, is the address right, can UDP\n"
               "  pass in both directions? The log of this node tells each failed attempt.\n",
               id, text_of(member, "addr"));
    } else if (!is_true(member, "voter")) {
        printf("- %s has no vote: it never was complete with the others, or its disk was emptied; it\n"
               "  gets its vote by itself once it has caught up and a majority of the others votes.\n",
               id);
    }
    if (has_disk_fault) printf("- the disk of %s is %s: make space, or look at its device.\n", id, disk);
    if (is_up && lag > LAG_SAID) printf("- %s is %lld messages behind: it is catching up.\n", id, lag);
}

static void look(const json_t *status)
{
    size_t i;
    const json_t *member;
    view of = {.count = 0};
    const char *self = text_of(status, "id"), *role = text_of(status, "role"),
               *leader = text_of(status, "leader");
    const char *waiting = text_of(status, "waiting_for");
    if (*leader) {
        printf("%s is %s; %s leads.\n", self, role, leader);
    } else {
        printf("%s is %s and knows no leader: nothing is committed now.\n", self, role);
    }
    if (*waiting) printf("- it waits: %s.\n", waiting);
    // cppcheck-suppress unknownMacro
    json_array_foreach(json_object_get(status, "members"), i, member) look_at_member(member, self, &of);
    if (!*leader && of.voters_up * 2 <= of.count) {
        printf("- %zu of %zu members can vote here, %zu are needed: bring more of them up.\n", of.voters_up,
               of.count, of.count / 2 + 1);
    }
    if (*leader && !*waiting && !of.has_finding) puts("Nothing is wrong that this node can see.");
}

static px_exit run(px_target *target, int count, char **words)
{
    const px_option options[] = {{NULL, NULL, NULL}};
    px_exit status;
    if (!px_options_read(&px_command_why, options, target, &count, words, &status)) return status;
    if (count > 0) return px_usage_fault(&px_command_why, "why takes no further words");
    json_t *reply = px_ask_once(target, json_pack("{s:s}", "op", "status"), &status);
    if (!reply) return status;
    look(reply);
    json_decref(reply);
    return PX_EXIT_DONE;
}

const px_command px_command_why = {
    .name = "why",
    .words = "",
    .summary = "what keeps the cluster from working, and the mend",
    .help = "Looks at the status of the node as an experienced operator would, and says in words\n"
            "what it waits for, who is missing or behind, and what to do about it.\n\n"
            "Example: pxctl -c px1.json why",
    .run = run,
};
