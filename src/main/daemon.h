/* daemon.h - one node, with everything that it runs on.
 *
 * Meaning    Names the concrete devices: libuv's loop, the data folder, QUIC, FIFOs and socket, and joins
 *            them to the node.
 * Source     spec.md §1. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_MAIN_DAEMON_H
#define PX_MAIN_DAEMON_H

#include "main/config.h"
#include "main/stderr_log.h"

/* Exit statuses of px. */
#define PX_EXIT_CLEAN 0
#define PX_EXIT_FAILED 1
#define PX_EXIT_USAGE 2

/* Runs the node until SIGTERM or SIGINT, or until it cannot go on. `path` is the file of the configuration,
 * read again at a SIGHUP. Returns the exit status. */
int px_daemon_run(const char *path, const px_config *config, px_stderr_log *log);

#endif
