/* format_json.c - a message is a JSON object on a line of its own.
 *
 * Meaning    Written: {"index":7,"from":"px1.example","time":1767225600123,"data":"..."}, with "b64" in the
 *            place of "data" where the payload is not UTF-8. Read: the same object, of which only one of
 *            `data` and `b64` must be there; what else there is is skipped. Space around the object is no
 *            fault, an empty line is one.
 * Source     spec.md §4. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "codec/json.h"
#include "codec/json_writer.h"
#include "codec/utf8.h"
#include "local/format.h"
#include <string.h>

/* Room for the other fields of a line, whatever they are. */
#define OTHER_BYTES 4096u
/* Names, numbers and signs of what is written, beside the strings. */
#define FRAME_BYTES 128u

enum { FIELD_DATA, FIELD_B64, FIELD_COUNT };

/* Longest line that can hold a message of that size: each byte may stand escaped. */
static size_t frame_bytes_max(uint32_t message_bytes_max)
{
    return PX_JSON_STRING_BYTES_MAX(message_bytes_max) + OTHER_BYTES;
}

/* Reads the payload out of one line, in place. NULL, or what is wrong. */
static const char *read_line(uint8_t *line, size_t size_bytes, uint32_t message_bytes_max, px_bytes *payload)
{
    static const char *const names[FIELD_COUNT] = {[FIELD_DATA] = "data", [FIELD_B64] = "b64"};
    px_json json;
    px_json_object object;
    px_bytes found = {0};
    px_json_open(&json, line, size_bytes);
    px_json_object_open(&json, &object);
    while (px_json_field_next(&json, &object, names, FIELD_COUNT))
        found = object.field == FIELD_DATA ? px_json_read_string(&json) : px_json_read_base64(&json);
    const bool has_data = object.seen & (1u << FIELD_DATA), has_b64 = object.seen & (1u << FIELD_B64);
    if (px_json_end(&json)) return json.fault;
    if (has_data == has_b64)
        return has_data ? "a line has both data and b64" : "a line has neither data nor b64";
    if (found.size_bytes > message_bytes_max) return "a message is longer than max_message_bytes";
    *payload = found;
    return NULL;
}

static px_cut cut_json(px_framing *framing, uint8_t *bytes, size_t size_bytes, bool is_end,
                       uint32_t message_bytes_max)
{
    px_cut cut = px_format_line.cut(framing, bytes, size_bytes, is_end,
                                    (uint32_t)frame_bytes_max(message_bytes_max) - 1);
    if (cut.kind != PX_CUT_MESSAGE) return cut;
    cut.fault = read_line(bytes, cut.message.size_bytes, message_bytes_max, &cut.message);
    if (cut.fault) cut.kind = PX_CUT_DROPPED;
    return cut;
}

static size_t missing_bytes(const px_framing *framing, const uint8_t *bytes, size_t size_bytes)
{
    return px_format_line.missing_bytes(framing, bytes, size_bytes);
}

static size_t put_bytes_max(const px_letter *letter)
{
    return FRAME_BYTES + PX_JSON_STRING_BYTES_MAX(strlen(letter->from)) +
           PX_JSON_STRING_BYTES_MAX(letter->payload.size_bytes);
}

static size_t put_json(const px_letter *letter, uint8_t *space)
{
    px_json_writer writer;
    px_json_writer_init(&writer, space, put_bytes_max(letter));
    px_json_write_object_open(&writer);
    px_json_write_key(&writer, "index");
    px_json_write_u64(&writer, letter->index);
    px_json_write_key(&writer, "from");
    px_json_write_text(&writer, letter->from);
    px_json_write_key(&writer, "time");
    px_json_write_u64(&writer, letter->stamp_ms);
    if (px_utf8_is_valid(letter->payload.data, letter->payload.size_bytes)) {
        px_json_write_key(&writer, "data");
        px_json_write_string(&writer, letter->payload);
    } else {
        px_json_write_key(&writer, "b64");
        px_json_write_base64(&writer, letter->payload);
    }
    px_json_write_object_close(&writer);
    px_json_write_line_end(&writer, "\n");
    px_assert(!writer.is_full);
    return px_json_writer_bytes(&writer);
}

const px_format px_format_json = {
    .cut = cut_json,
    .missing_bytes = missing_bytes,
    .frame_bytes_max = frame_bytes_max,
    .put_bytes_max = put_bytes_max,
    .put = put_json,
};
