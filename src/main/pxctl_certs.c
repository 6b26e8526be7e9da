/* pxctl_certs.c - makes a private root and the certificates of nodes. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl.h"

#include "quic/certs.h"
#include "quic/words.h"

static px_exit run(px_target *target, int count, char **words)
{
    const px_option options[] = {{NULL, NULL, NULL}};
    px_exit status;
    if (!px_options_read(&px_command_certs, options, target, &count, words, &status)) return status;
    if (count < 2) {
        return px_usage_fault(&px_command_certs, "certs takes a folder and the name of at least one node");
    }
    char fault[PX_WORDS_BYTES];
    const char *const *names = (const char *const *)(words + 1);
    if (px_certs_make(words[0], names, (size_t)count - 1, fault, sizeof fault))
        return px_say_failed("%s", fault);
    return PX_EXIT_DONE;
}

const px_command px_command_certs = {
    .name = "certs",
    .words = "DIR NAME...",
    .summary = "makes a private root and the certificates of nodes",
    .help = "Makes in the folder DIR a root (ca.crt and ca.key, kept if they are there) and for each\n"
            "NAME a certificate and key under it (NAME.crt and NAME.key). NAME is the domain name\n"
            "that the node has as me.id. Give each node its own two files and ca.crt; keep ca.key\n"
            "away from all of them. Speaks to no node.\n\n"
            "Example: pxctl certs certs px1.example px2.example px3.example",
    .run = run,
};
