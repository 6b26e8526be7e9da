/* pxctl_barrier.c - asks for an index that no acknowledged message lies beyond. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl.h"
#include "main/pxctl_client.h"

#include <stdio.h>

#define TIMEOUT_MS_MOST 86400000u

static px_exit run(px_target *target, int count, char **words)
{
    bool wants_json = false;
    const char *timeout = NULL;
    uint64_t timeout_ms = 0;
    const px_option options[] = {{"--json", &wants_json, NULL},
                                 {"--timeout", NULL, &timeout},
                                 {NULL, NULL, NULL}};
    px_exit status;
    if (!px_options_read(&px_command_barrier, options, target, &count, words, &status)) return status;
    if (count > 0) return px_usage_fault(&px_command_barrier, "barrier takes no further words");
    if (timeout && !px_number_read(timeout, (px_span){1, TIMEOUT_MS_MOST}, &timeout_ms)) {
        return px_usage_fault(&px_command_barrier, "--timeout takes 1 to %u milliseconds", TIMEOUT_MS_MOST);
    }
    json_t *request = json_pack("{s:s}", "op", "barrier");
    if (timeout) json_object_set_new(request, "timeout_ms", json_integer((json_int_t)timeout_ms));
    json_t *reply = px_ask_once(target, request, &status);
    if (!reply) return status;
    printf(wants_json ? "{\"index\":%lld}\n" : "%lld\n",
           (long long)json_integer_value(json_object_get(reply, "index")));
    json_decref(reply);
    return PX_EXIT_DONE;
}

const px_command px_command_barrier = {
    .name = "barrier",
    .words = "[--timeout MS] [--json]",
    .summary = "an index that covers all that was acknowledged before",
    .help = "Prints an index no smaller than that of any message acknowledged, by any node, before\n"
            "the command began: who has read up to it has seen them all.\n\n"
            "  --timeout MS   give up after so long without a quorum; waits otherwise\n"
            "  --json         as a JSON object\n\n"
            "Example: pxctl -s px.sock barrier --timeout 2000",
    .run = run,
};
