/* stderr_log.c - events on stderr, one a line, without ever blocking. */
// SPDX-License-Identifier: Apache-2.0
#include "main/stderr_log.h"

#include "codec/utf8.h"
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A line of at most PIPE_BUF bytes goes whole where poll says that a pipe is writable, and does not block
 * there. */
#define LINE_BYTES_MAX 4096u

static const char *const level_words[] = {"error", "warn", "info", "debug"};

static size_t format_time(char *text, size_t size_bytes)
{
    struct timespec now;
    struct tm parts;
    if (clock_gettime(CLOCK_REALTIME, &now) || !gmtime_r(&now.tv_sec, &parts)) return 0;
    const size_t used = strftime(text, size_bytes, "%Y-%m-%dT%H:%M:%S", &parts);
    return used + (size_t)snprintf(text + used, size_bytes - used, ".%03ldZ", now.tv_nsec / 1000000);
}

/* A character that would end a line or move a terminal's cursor, or none at all (0 bytes): its number, or a
 * byte's. */
static bool is_control(const uint8_t *at, size_t bytes, unsigned *number)
{
    *number = bytes == 2 ? at[1] : at[0];
    if (bytes == 2) return at[0] == 0xc2 && at[1] < 0xa0;
    return bytes == 0 || (bytes == 1 && (at[0] < 0x20 || at[0] == 0x7f));
}

/* The line as UTF-8, with what JSON asks to be escaped, and without control characters. */
static void escape(char *to, size_t size_bytes, const char *from, bool is_json)
{
    const uint8_t *at = (const uint8_t *)from, *end = at + strlen(from);
    size_t used = 0;
    while (at < end && used + 8 < size_bytes) {
        const size_t bytes = px_utf8_character_bytes(at, (size_t)(end - at));
        unsigned number = 0;
        if (is_control(at, bytes, &number)) {
            const char *form = is_json ? "\\u%04x" : "\\x%02x";
            if (is_json && bytes == 0) number = 0xfffd; /* the sign for what is no character */
            used += (size_t)snprintf(to + used, size_bytes - used, form, number);
        } else {
            if (is_json && (*at == '"' || *at == '\\')) to[used++] = '\\';
            memcpy(to + used, at, bytes);
            used += bytes;
        }
        at += bytes ? bytes : 1;
    }
    to[used] = 0;
}

static bool write_line(const char *line, size_t size_bytes)
{
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT)) return false;
    return write(STDERR_FILENO, line, size_bytes) == (ssize_t)size_bytes;
}

static size_t format_line(const px_stderr_log *log, px_log_level level, const char *text, char *line)
{
    char time_text[40] = "", escaped[LINE_BYTES_MAX - 128];
    (void)format_time(time_text, sizeof time_text);
    escape(escaped, sizeof escaped, text, log->is_json);
    const char *form =
        log->is_json ? "{\"time\":\"%s\",\"level\":\"%s\",\"message\":\"%s\"}\n" : "%s %s %s\n";
    return (size_t)snprintf(line, LINE_BYTES_MAX, form, time_text, level_words[level], escaped);
}

static void write_event(px_log *base, px_log_level level, const char *text)
{
    px_stderr_log *log = (px_stderr_log *)base;
    char line[LINE_BYTES_MAX];
    if (log->dropped) {
        char words[80];
        (void)snprintf(words, sizeof words, "log: %llu lines dropped, nobody read them",
                       (unsigned long long)log->dropped);
        if (write_line(line, format_line(log, PX_LOG_WARN, words, line))) log->dropped = 0;
    }
    if (log->dropped || !write_line(line, format_line(log, level, text, line))) log->dropped++;
}

void px_stderr_log_init(px_stderr_log *log, px_log_level level, bool is_json)
{
    *log = (px_stderr_log){{level, write_event}, is_json, 0};
}
