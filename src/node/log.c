/* log.c - events for people, formatted. */
// SPDX-License-Identifier: Apache-2.0
#include "port/log.h"

#include <stdio.h>

void px_log_event(px_log *log, px_log_level level, const char *format, ...)
{
    if (level > log->level) return;
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    log->write(log, level, line);
}
