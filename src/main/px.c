/* px.c - the program: one node in the foreground.
 *
 * Source     spec.md §1. */
// SPDX-License-Identifier: Apache-2.0
#include "main/config.h"
#include "main/config_check.h"
#include "main/daemon.h"
#include "main/stderr_log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: px CONFIG            run one node in the foreground; CONFIG is its JSON file\n"
    "       px --check CONFIG    only check the configuration and the files it names\n"
    "       px --help | --version\n"
    "\n"
    "Logs go to stderr, one event a line; the word `ready` says that it takes messages.\n"
    "SIGTERM and SIGINT stop it cleanly, a second one at once.\n"
    "Exit status: 0 clean stop, 1 failure at run time, 2 usage or configuration error.\n"
    "\n"
    "Example:  px px1.json & until [ -p px1.example.data/in ]; do sleep 0.1; done\n"
    "          echo hello > px1.example.data/in; cat px1.example.data/out\n";

static int fail_usage(void)
{
    (void)fputs(usage, stderr);
    return PX_EXIT_USAGE;
}

static void print_checked(const char *path, const px_config *config)
{
    (void)printf("%s: node %s at %s, data in %s, socket %s\n", path, config->id, config->addr.text,
                 config->data_dir, config->socket);
    for (uint32_t i = 0; i < config->server_count; i++)
        (void)printf("%s: member %s at %s\n", path, config->servers[i].name, config->servers[i].addr.text);
    for (uint32_t i = 0; i < config->pipe_count; i++) {
        const px_config_pipe *pipe = &config->pipes[i];
        (void)printf("%s: pipe %s: in %s, out %s\n", path, pipe->name, pipe->in ? pipe->in : "none",
                     pipe->out ? pipe->out : "none");
    }
    if (config->has_http) (void)printf("%s: http is not served by this version\n", path);
    (void)printf("%s: ok\n", path);
}

/* Where a standard descriptor is closed, the next file that is opened would take its place, and log lines
 * would go into it. */
static void fill_descriptors(void)
{
    int fd;
    do fd = open("/dev/null", O_RDWR);
    while (fd >= STDIN_FILENO && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO) (void)close(fd);
}

/* What was printed may have met a full disk. */
static int finish_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return PX_EXIT_CLEAN;
    (void)fputs("px: the output could not be written\n", stderr);
    return PX_EXIT_FAILED;
}

int main(int count, char **words)
{
    fill_descriptors();
    if (count == 2 && strcmp(words[1], "--help") == 0) {
        (void)fputs(usage, stdout);
        return finish_output();
    }
    if (count == 2 && strcmp(words[1], "--version") == 0) {
        (void)printf("px %s\n", PX_VERSION);
        return finish_output();
    }
    const bool is_check = count == 3 && strcmp(words[1], "--check") == 0;
    if (!is_check && (count != 2 || words[1][0] == '-')) return fail_usage();
    const char *path = words[count - 1];
    px_config config = {0};
    char fault[PX_CONFIG_FAULT_BYTES];
    if (px_config_load(path, &config, fault, sizeof fault) ||
        px_config_check(path, &config, fault, sizeof fault)) {
        (void)fprintf(stderr, "%s\n", fault);
        px_config_free(&config);
        return PX_EXIT_USAGE;
    }
    int status = PX_EXIT_CLEAN;
    if (is_check) {
        print_checked(path, &config);
        status = finish_output();
    } else {
        px_stderr_log log;
        px_stderr_log_init(&log, config.log_level, config.log_json);
        status = px_daemon_run(path, &config, &log);
    }
    px_config_free(&config);
    return status;
}
