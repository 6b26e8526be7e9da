/* json_writer.h - appends JSON to lent memory.
 *
 * Meaning    Commas come by themselves; a writer may write several lines. Where the space is too small the
 *            writer turns `is_full` and writes no more; nothing behind the space is touched. So a caller with
 *            a bound of the size asserts, one without looks at the end and tries again with more.
 * Holds      What it writes is one line: control characters are always escaped. Strings must be UTF-8, which
 *            the caller knows or has asked px_utf8_is_valid. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_CODEC_JSON_WRITER_H
#define PX_CODEC_JSON_WRITER_H

#include "base/bytes.h"
#include "base/hash.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t *start, *at, *end;
    bool is_full;
} px_json_writer;

/* Most bytes that a string of so many can become, its quotes counted: six for each control character. */
#define PX_JSON_STRING_BYTES_MAX(size_bytes) (6 * (size_t)(size_bytes) + 2)
/* Most bytes of a number. */
#define PX_JSON_NUMBER_BYTES_MAX 20u

void px_json_writer_init(px_json_writer *writer, uint8_t *space, size_t space_bytes);

/* What was written so far; meaningless when is_full. */
size_t px_json_writer_bytes(const px_json_writer *writer);

void px_json_write_object_open(px_json_writer *writer);
void px_json_write_object_close(px_json_writer *writer);
void px_json_write_array_open(px_json_writer *writer);
void px_json_write_array_close(px_json_writer *writer);

/* A field's name, of characters that need no escape; its value comes next. */
void px_json_write_key(px_json_writer *writer, const char *name);

void px_json_write_u64(px_json_writer *writer, uint64_t number);
void px_json_write_i64(px_json_writer *writer, int64_t number);
void px_json_write_bool(px_json_writer *writer, bool value);
void px_json_write_null(px_json_writer *writer);

/* Text up to its zero byte, or of a known size; escaped. */
void px_json_write_text(px_json_writer *writer, const char *text);
void px_json_write_string(px_json_writer *writer, px_bytes text);

/* A string of base64. */
void px_json_write_base64(px_json_writer *writer, px_bytes bytes);

/* A string of 16 or 32 hexadecimal digits. */
void px_json_write_hex(px_json_writer *writer, uint64_t number);
void px_json_write_hash(px_json_writer *writer, px_hash hash);

/* A value that is JSON already. */
void px_json_write_raw(px_json_writer *writer, px_bytes value);

/* The end of a line, \r\n for peers or \n for applications: bytes as they are. */
void px_json_write_line_end(px_json_writer *writer, const char *line_end);

#endif
