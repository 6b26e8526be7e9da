/* log.h - where node/ and main/ write events for people.
 *
 * Meaning    One event a line; never blocks (a full or closed stderr drops and counts). Wording is never
 *            tested. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PORT_LOG_H
#define PX_PORT_LOG_H

#include <stdarg.h>

typedef enum { PX_LOG_ERROR, PX_LOG_WARN, PX_LOG_INFO, PX_LOG_DEBUG } px_log_level;

typedef struct px_log px_log;
struct px_log {
    px_log_level level;                                               /* events above it are not made */
    void (*write)(px_log *log, px_log_level level, const char *line); /* without newline */
};

/* Formats one event and writes it, where `level` is at or below the log's. */
__attribute__((format(printf, 3, 4))) void px_log_event(px_log *log, px_log_level level, const char *format,
                                                        ...);

#endif
