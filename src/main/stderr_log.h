/* stderr_log.h - events on stderr, one a line, without ever blocking.
 *
 * Meaning    A line is written only where the kernel says that it goes without waiting; what does not is
 *            dropped and counted, and the count
 *            is said as soon as there is room again. A closed stderr drops everything.
 * Source     spec.md §1, §2 (`log_level`, `log_format`). */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_MAIN_STDERR_LOG_H
#define PX_MAIN_STDERR_LOG_H

#include "port/log.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    px_log log; /* first, so that a px_log is its px_stderr_log */
    bool is_json;
    uint64_t dropped;
} px_stderr_log;

/* Makes a log of that level. */
void px_stderr_log_init(px_stderr_log *log, px_log_level level, bool is_json);

#endif
