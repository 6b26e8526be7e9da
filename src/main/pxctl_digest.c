/* pxctl_digest.c - the chain hash of the log at an index, to compare nodes by. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl.h"
#include "main/pxctl_client.h"

#include <stdio.h>

static px_exit run(px_target *target, int count, char **words)
{
    bool wants_json = false;
    const px_option options[] = {{"--json", &wants_json, NULL}, {NULL, NULL, NULL}};
    px_exit status;
    if (!px_options_read(&px_command_digest, options, target, &count, words, &status)) return status;
    if (count > 0) return px_usage_fault(&px_command_digest, "digest takes no further words");
    json_t *reply = px_ask_once(target, json_pack("{s:s}", "op", "status"), &status);
    if (!reply) return status;
    const json_t *digest = json_object_get(reply, "digest");
    const char *hash = json_string_value(json_object_get(digest, "hash"));
    const json_int_t index = json_integer_value(json_object_get(digest, "index"));
    if (!hash) {
        status = px_say_failed("this node tells no digest");
    } else {
        printf(wants_json ? "{\"index\":%lld,\"hash\":\"%s\"}\n" : "%lld %s\n", (long long)index, hash);
    }
    json_decref(reply);
    return status;
}

const px_command px_command_digest = {
    .name = "digest",
    .words = "[--json]",
    .summary = "the chain hash of the log, to compare nodes by",
    .help = "Prints an index and the hash of all messages up to it. Two nodes that print the same\n"
            "index print the same hash.\n\n"
            "  --json     as a JSON object\n\n"
            "Example: pxctl -c px1.json digest",
    .run = run,
};
