/* pxctl.c - the tool for people and scripts.
 *
 * Meaning    Finds the command among the words and runs it; each command has a file of its own.
 * Source     spec.md §1, §6. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl.h"

#include <stdio.h>
#include <string.h>

static const px_command *const commands[] = {
    &px_command_status, &px_command_send,    &px_command_tail,     &px_command_barrier,
    &px_command_bench,  &px_command_members, &px_command_transfer, &px_command_digest,
    &px_command_why,    &px_command_certs,   &px_command_verify,   NULL,
};

static void print_overview(FILE *to)
{
    fputs("usage: pxctl [-c CONFIG | -s SOCKET] COMMAND [...]\n\n"
          "Speaks to a px node over its Unix socket. -s names the socket, -c a configuration\n"
          "file that does; without both, PX_SOCKET is the socket.\n\n",
          to);
    for (size_t i = 0; commands[i]; i++) fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\npxctl COMMAND --help tells more. Exit status: 0 done, 1 refused or failed, 2 usage.\n"
          "Example: pxctl -c px1.json status\n",
          to);
}

static const px_command *find_command(const char *name)
{
    for (size_t i = 0; commands[i]; i++) {
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    }
    return NULL;
}

/* Reads -s or -c in front of the command; returns how many words it took, 0 where the word is neither. */
static int read_target(px_target *target, int count, char **words)
{
    const char **value = strncmp(words[0], "-s", 2) == 0 ? &target->socket : &target->config;
    if (strncmp(words[0], "-s", 2) != 0 && strncmp(words[0], "-c", 2) != 0) return 0;
    if (words[0][2] != '\0') {
        *value = words[0] + 2;
        return 1;
    }
    if (count < 2) return 0;
    *value = words[1];
    return 2;
}

static px_exit run_words(int count, char **words)
{
    px_target target = {.socket = NULL};
    int at = 1;
    while (at < count && words[at][0] == '-') {
        if (strcmp(words[at], "--help") == 0 || strcmp(words[at], "-h") == 0) {
            print_overview(stdout);
            return PX_EXIT_DONE;
        }
        if (strcmp(words[at], "--version") == 0) {
            puts("pxctl " PX_VERSION);
            return PX_EXIT_DONE;
        }
        const int taken = read_target(&target, count - at, words + at);
        const bool is_target = strcmp(words[at], "-s") == 0 || strcmp(words[at], "-c") == 0;
        if (taken == 0)
            return px_usage_fault(NULL, "%s %s", words[at], is_target ? "needs a value" : "is no option");
        at += taken;
    }
    if (at == count) {
        print_overview(stderr);
        return PX_EXIT_USAGE;
    }
    const px_command *command = find_command(words[at]);
    if (!command) return px_usage_fault(NULL, "%s is no command", words[at]);
    const px_exit status = command->run(&target, count - at - 1, words + at + 1);
    if (fflush(stdout) != 0 && status == PX_EXIT_DONE)
        return px_say_failed("the output could not be written");
    return status;
}

int main(int count, char **words)
{
    return (int)run_words(count, words);
}
