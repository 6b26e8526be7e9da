/* json_writer.c - appends JSON to lent memory.
 *
 * Meaning    Every write takes its room first or turns the writer full. A comma is due wherever the byte
 *            before is neither the start nor opens something: so no stack of brackets is kept.
 * Holds      start <= at <= end. */
// SPDX-License-Identifier: Apache-2.0
#include "codec/json_writer.h"

#include "codec/base64.h"
#include "codec/hex.h"
#include <string.h>

void px_json_writer_init(px_json_writer *writer, uint8_t *space, size_t space_bytes)
{
    *writer = (px_json_writer){.start = space, .at = space, .end = space + space_bytes};
}

size_t px_json_writer_bytes(const px_json_writer *writer)
{
    return (size_t)(writer->at - writer->start);
}

/* Room for size_bytes, now written by the caller; NULL where there is none. */
static uint8_t *take(px_json_writer *writer, size_t size_bytes)
{
    if (writer->is_full || (size_t)(writer->end - writer->at) < size_bytes) {
        writer->is_full = true;
        return NULL;
    }
    uint8_t *const taken = writer->at;
    writer->at += size_bytes;
    return taken;
}

/* The same for a value or a key, behind the comma that it may need. */
static uint8_t *take_item(px_json_writer *writer, size_t size_bytes)
{
    const uint8_t before = writer->at > writer->start ? writer->at[-1] : '\n';
    if (before == '{' || before == '[' || before == ':' || before == '\n') return take(writer, size_bytes);
    uint8_t *const taken = take(writer, 1 + size_bytes);
    if (!taken) return NULL;
    *taken = ',';
    return taken + 1;
}

static void write_item(px_json_writer *writer, const void *bytes, size_t size_bytes)
{
    uint8_t *const item = take_item(writer, size_bytes);
    if (item && size_bytes > 0) memcpy(item, bytes, size_bytes);
}

static void write_bytes(px_json_writer *writer, const void *bytes, size_t size_bytes)
{
    uint8_t *const taken = take(writer, size_bytes);
    if (taken && size_bytes > 0) memcpy(taken, bytes, size_bytes);
}

static size_t text_bytes(const char *text)
{
    size_t size_bytes = 0;
    while (text[size_bytes] != 0) size_bytes++;
    return size_bytes;
}

void px_json_write_object_open(px_json_writer *writer)
{
    write_item(writer, "{", 1);
}

void px_json_write_object_close(px_json_writer *writer)
{
    write_bytes(writer, "}", 1);
}

void px_json_write_array_open(px_json_writer *writer)
{
    write_item(writer, "[", 1);
}

void px_json_write_array_close(px_json_writer *writer)
{
    write_bytes(writer, "]", 1);
}

void px_json_write_key(px_json_writer *writer, const char *name)
{
    const size_t name_bytes = text_bytes(name);
    uint8_t *const item = take_item(writer, name_bytes + 3);
    if (!item) return;
    item[0] = '"';
    memcpy(item + 1, name, name_bytes);
    item[name_bytes + 1] = '"';
    item[name_bytes + 2] = ':';
}

/* Puts the digits of a number at the end of `digits`. Returns the first of them. */
static uint8_t *put_digits(uint64_t number, uint8_t digits[PX_JSON_NUMBER_BYTES_MAX])
{
    uint8_t *first = digits + PX_JSON_NUMBER_BYTES_MAX;
    do {
        *--first = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return first;
}

void px_json_write_u64(px_json_writer *writer, uint64_t number)
{
    uint8_t digits[PX_JSON_NUMBER_BYTES_MAX];
    const uint8_t *const first = put_digits(number, digits);
    write_item(writer, first, (size_t)(digits + sizeof digits - first));
}

void px_json_write_i64(px_json_writer *writer, int64_t number)
{
    uint8_t digits[PX_JSON_NUMBER_BYTES_MAX];
    uint8_t *first = put_digits(number < 0 ? 0 - (uint64_t)number : (uint64_t)number, digits);
    if (number < 0)
        *--first = '-'; /* there is room: the lowest number has a digit less than the highest u64 */
    write_item(writer, first, (size_t)(digits + sizeof digits - first));
}

void px_json_write_bool(px_json_writer *writer, bool value)
{
    write_item(writer, value ? "true" : "false", value ? 4 : 5);
}

void px_json_write_null(px_json_writer *writer)
{
    write_item(writer, "null", 4);
}

#define ONES 0x0101010101010101u
#define HIGHS 0x8080808080808080u

/* Bytes from the start that stand in a string as they are. */
static size_t plain_run(const uint8_t *bytes, size_t size_bytes)
{
    size_t run = 0;
    for (; size_bytes - run >= 8; run += 8) {
        uint64_t eight;
        memcpy(&eight, bytes + run, sizeof eight);
        const uint64_t quote = eight ^ ONES * '"', backslash = eight ^ ONES * '\\';
        const uint64_t below_space = (eight - ONES * 0x20) & ~eight;
        if ((below_space | ((quote - ONES) & ~quote) | ((backslash - ONES) & ~backslash)) & HIGHS) break;
    }
    while (run < size_bytes && bytes[run] >= 0x20 && bytes[run] != '"' && bytes[run] != '\\') run++;
    return run;
}

/* Writes one byte that must not stand as it is. */
static void write_escaped(px_json_writer *writer, uint8_t byte)
{
    static const char letters[32] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (byte == '"' || byte == '\\') {
        write_bytes(writer, (const uint8_t[]){'\\', byte}, 2);
    } else if (byte < 0x20 && letters[byte]) {
        write_bytes(writer, (const uint8_t[]){'\\', (uint8_t)letters[byte]}, 2);
    } else {
        static const uint8_t hex[16] = {'0', '1', '2', '3', '4', '5', '6', '7',
                                        '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};
        write_bytes(writer, (const uint8_t[]){'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]}, 6);
    }
}

void px_json_write_string(px_json_writer *writer, px_bytes text)
{
    write_item(writer, "\"", 1);
    size_t at = 0;
    while (at < text.size_bytes && !writer->is_full) {
        const size_t plain_bytes = plain_run(text.data + at, text.size_bytes - at);
        write_bytes(writer, text.data + at, plain_bytes);
        at += plain_bytes;
        if (at == text.size_bytes) break;
        write_escaped(writer, text.data[at]);
        at++;
    }
    write_bytes(writer, "\"", 1);
}

void px_json_write_text(px_json_writer *writer, const char *text)
{
    px_json_write_string(writer, (px_bytes){(const uint8_t *)text, text_bytes(text)});
}

void px_json_write_base64(px_json_writer *writer, px_bytes bytes)
{
    const size_t encoded_bytes = px_base64_encoded_bytes(bytes.size_bytes);
    uint8_t *const item = take_item(writer, encoded_bytes + 2);
    if (!item) return;
    item[0] = '"';
    px_base64_encode(bytes.data, bytes.size_bytes, item + 1);
    item[encoded_bytes + 1] = '"';
}

void px_json_write_hex(px_json_writer *writer, uint64_t number)
{
    uint8_t *const item = take_item(writer, PX_HEX_U64_BYTES + 2);
    if (!item) return;
    item[0] = '"';
    px_hex_put_u64(number, item + 1);
    item[PX_HEX_U64_BYTES + 1] = '"';
}

void px_json_write_hash(px_json_writer *writer, px_hash hash)
{
    uint8_t *const item = take_item(writer, PX_HEX_HASH_BYTES + 2);
    if (!item) return;
    item[0] = '"';
    px_hex_put_hash(hash, item + 1);
    item[PX_HEX_HASH_BYTES + 1] = '"';
}

void px_json_write_raw(px_json_writer *writer, px_bytes value)
{
    write_item(writer, value.data, value.size_bytes);
}

void px_json_write_line_end(px_json_writer *writer, const char *line_end)
{
    write_bytes(writer, line_end, text_bytes(line_end));
}
