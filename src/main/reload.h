/* reload.h - SIGHUP: what a running node takes up from its configuration.
 *
 * Meaning    Certificates, also at other paths, and the log level. Everything else stays as it is, and what
 *            differs in the file is named, for it wants a restart. Where something is wrong, one line says
 *            what, and nothing changes.
 * Source     spec.md §1. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_MAIN_RELOAD_H
#define PX_MAIN_RELOAD_H

#include "main/config.h"
#include "main/stderr_log.h"
#include "port/net.h"

/* Reads the file at `path` again. `running` is what the node was started with. */
void px_reload(const char *path, const px_config *running, px_net *net, px_stderr_log *log);

#endif
