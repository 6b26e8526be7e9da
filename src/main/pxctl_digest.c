/* pxctl_digest.c - the chain hash of the log at an index, to compare nodes by. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl.h"
#include "main/pxctl_client.h"

#include <stdio.h>
#include <unistd.h>

static long long number_of(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "-";
}

/* Where a member differs it is said on stderr, so that scripts read one line; people see all of them. */
static px_exit compare(const json_t *reply, bool is_told)
{
    size_t i;
    const json_t *member;
    px_exit status = PX_EXIT_DONE;
    // cppcheck-suppress unknownMacro
    json_array_foreach(json_object_get(reply, "members"), i, member)
    {
        const json_t *same = json_object_get(member, "same");
        const char *id = text_of(member, "id");
        if (json_is_false(same))
            status = px_say_failed("%s differs: at slot %lld it has %s", id, number_of(member, "slot"),
                                   text_of(member, "hash"));
        else if (is_told && json_is_true(same))
            printf("%s has the same up to slot %lld of %lld\n", id, number_of(member, "slot"),
                   number_of(reply, "slot"));
        else if (is_told)
            printf("%s cannot be compared now\n", id);
    }
    if (json_is_true(json_object_get(reply, "diverged")))
        status = px_say_failed("this node has diverged: its log differs from a majority's");
    return status;
}

static px_exit run(px_target *target, int count, char **words)
{
    bool wants_json = false;
    const px_option options[] = {{"--json", &wants_json, NULL}, {NULL, NULL, NULL}};
    px_exit status;
    if (!px_options_read(&px_command_digest, options, target, &count, words, &status)) return status;
    if (count > 0) return px_usage_fault(&px_command_digest, "digest takes no further words");
    json_t *reply = px_ask_once(target, json_pack("{s:s}", "op", "digest"), &status);
    if (!reply) return status;
    json_object_del(reply, "ok");
    if (wants_json) {
        json_dumpf(reply, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        putchar('\n');
    } else {
        printf("%lld %s\n", number_of(reply, "index"), text_of(reply, "hash"));
    }
    status = compare(reply, !wants_json && isatty(STDOUT_FILENO) == 1);
    json_decref(reply);
    return status;
}

const px_command px_command_digest = {
    .name = "digest",
    .words = "[--json]",
    .summary = "the chain hash of the log, to compare nodes by",
    .help = "Prints an index and the hash of all messages up to it. Two nodes that print the same\n"
            "index print the same hash. Compares it with what the other members last said of theirs:\n"
            "one that differs is named, and the exit status is 1.\n\n"
            "  --json     as a JSON object, the other members' in it\n\n"
            "Example: pxctl -c px1.json digest",
    .run = run,
};
