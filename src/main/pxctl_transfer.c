/* pxctl_transfer.c - hands leadership to another member. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl.h"
#include "main/pxctl_client.h"

#include <stdio.h>

static px_exit run(px_target *target, int count, char **words)
{
    bool wants_json = false;
    const px_option options[] = {{"--json", &wants_json, NULL}, {NULL, NULL, NULL}};
    px_exit status;
    if (!px_options_read(&px_command_transfer, options, target, &count, words, &status)) return status;
    if (count > 1) return px_usage_fault(&px_command_transfer, "transfer takes one ID");
    json_t *request = json_pack("{s:s}", "op", "transfer");
    if (count == 1) json_object_set_new(request, "id", json_string(words[0]));
    json_t *reply = px_ask_once(target, request, &status);
    if (!reply) return status;
    const char *leader = json_string_value(json_object_get(reply, "leader"));
    printf(wants_json ? "{\"leader\":\"%s\"}\n" : "%s\n", leader ? leader : "");
    json_decref(reply);
    return PX_EXIT_DONE;
}

const px_command px_command_transfer = {
    .name = "transfer",
    .words = "[--json] [ID]",
    .summary = "hands leadership to another member",
    .help = "Asks the leader to hand over to the member ID, or to whoever is best, and prints who leads\n"
            "then. Only the leader can do it: another node says who that is.\n\n"
            "  --json     as a JSON object\n\n"
            "Example: pxctl -c px1.json transfer px2.example",
    .run = run,
};
