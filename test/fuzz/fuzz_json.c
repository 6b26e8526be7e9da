/* fuzz_json.c - our reader of JSON takes what jansson takes, and reads the same from it.
 *
 * Meaning    Where the two may differ is listed in `is_comparable`: depth, numbers too large for jansson,
 *            zero bytes in keys, and a zero byte in the text, which jansson swallows behind a number. What
 *            our writer makes of each string must come back from both. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "codec/json.h"
#include "codec/json_writer.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

#define FLAGS ((size_t)JSON_DECODE_ANY | JSON_ALLOW_NUL)

/* What of jansson's tree is open while ours is read. */
typedef struct {
    const json_t *value;
    size_t count;
    px_json_object object;
    px_json_array array;
} level;

static uint8_t *copy_of(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t *const copy = malloc(size_bytes > 0 ? size_bytes : 1);
    px_assert(copy);
    if (size_bytes > 0) memcpy(copy, bytes, size_bytes);
    return copy;
}

/* ---- one value ---- */

static void check_string(px_json *json, const json_t *wanted)
{
    const px_bytes read = px_json_read_string(json);
    px_assert(!json->fault && read.size_bytes == json_string_length(wanted));
    px_assert(memcmp(read.data, json_string_value(wanted), read.size_bytes) == 0);

    px_json_writer writer;
    const size_t space_bytes = PX_JSON_STRING_BYTES_MAX(read.size_bytes);
    uint8_t *const space = malloc(space_bytes);
    px_assert(space);
    px_json_writer_init(&writer, space, space_bytes);
    px_json_write_string(&writer, read);
    px_assert(!writer.is_full);
    json_t *const theirs = json_loadb((const char *)space, px_json_writer_bytes(&writer), FLAGS, NULL);
    px_assert(theirs && json_equal(theirs, wanted));
    json_decref(theirs);
    px_json again;
    px_json_open(&again, space, px_json_writer_bytes(&writer));
    const px_bytes ours = px_json_read_string(&again);
    px_assert(px_json_end(&again) == PX_OK && ours.size_bytes == read.size_bytes);
    px_assert(memcmp(ours.data, read.data, read.size_bytes) == 0);
    free(space);
}

static void check_number(px_json *json, const json_t *wanted)
{
    px_json unsigned_json = *json, signed_json = *json;
    const uint64_t positive = px_json_read_u64(&unsigned_json, UINT64_MAX);
    const int64_t number = px_json_read_i64(&signed_json);
    px_json_skip(json);
    if (json_is_real(wanted)) {
        /* It has a fraction or an exponent: neither of our reads takes it to its end. */
        px_assert(unsigned_json.fault && signed_json.fault);
        return;
    }
    px_assert(!signed_json.fault && number == json_integer_value(wanted) && signed_json.at == json->at);
    if (!unsigned_json.fault) px_assert((int64_t)positive == number);
    if (number > 0) px_assert(!unsigned_json.fault);
}

/* Reads a value that jansson read as `wanted`. True where it has opened a level. */
static bool check_value(px_json *json, const json_t *wanted, level *opened)
{
    opened->value = wanted;
    opened->count = 0;
    switch (json_typeof(wanted)) {
    case JSON_OBJECT: px_json_object_open(json, &opened->object); return true;
    case JSON_ARRAY: px_json_array_open(json, &opened->array); return true;
    case JSON_STRING: check_string(json, wanted); return false;
    case JSON_INTEGER:
    case JSON_REAL: check_number(json, wanted); return false;
    case JSON_TRUE:
    case JSON_FALSE: px_assert(px_json_read_bool(json) == json_is_true(wanted)); return false;
    case JSON_NULL: px_json_read_null(json); return false;
    }
    return false;
}

/* ---- all of it ---- */

/* The next value inside a level, or NULL at its end. */
static const json_t *next_value(px_json *json, level *here)
{
    if (json_is_array(here->value)) {
        if (px_json_item_next(json, &here->array)) return json_array_get(here->value, here->count++);
        px_assert(here->count == json_array_size(here->value));
        return NULL;
    }
    px_bytes key;
    while (px_json_key_next(json, &here->object, &key)) {
        here->count++;
        const json_t *const value = json_object_getn(here->value, (const char *)key.data, key.size_bytes);
        if (value) return value;
        /* A key that stands escaped and is longer than any that can be known is handed out cut. */
        px_assert(key.data == here->object.key && key.size_bytes > PX_JSON_KEY_BYTES_MAX);
        px_json_skip(json);
    }
    px_assert(here->count == json_object_size(here->value));
    return NULL;
}

static void compare(px_json *json, const json_t *root)
{
    level levels[PX_JSON_DEPTH_MAX + 1];
    uint32_t depth = check_value(json, root, &levels[0]) ? 1 : 0;
    while (depth > 0) {
        px_assert(!json->fault);
        const json_t *const value = next_value(json, &levels[depth - 1]);
        if (!value) {
            depth--;
        } else if (check_value(json, value, &levels[depth])) {
            depth++;
        }
    }
    px_assert(px_json_end(json) == PX_OK);
}

/* May the two differ for a reason that is known? */
static bool is_comparable(const px_json *json, const json_t *root, const json_error_t *error)
{
    if (json->fault && strcmp(json->fault, "it is nested too deep") == 0) return false;
    if (root) return true;
    const enum json_error_code code = json_error_code(error);
    return code != json_error_numeric_overflow && code != json_error_null_byte_in_key;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t *const copy = copy_of(bytes, size_bytes);
    px_json json;
    px_json_open(&json, copy, size_bytes);
    px_json_skip(&json);
    const px_err err = px_json_end(&json);
    px_assert(memcmp(copy, bytes, size_bytes) == 0);
    if (size_bytes > 0 && memchr(bytes, 0, size_bytes)) {
        px_assert(err != PX_OK);
        free(copy);
        return 0;
    }

    json_error_t error;
    json_t *const root = json_loadb((const char *)bytes, size_bytes, FLAGS, &error);
    if (is_comparable(&json, root, &error)) px_assert((err == PX_OK) == (root != NULL));
    json_t *const unique =
        json_loadb((const char *)bytes, size_bytes, FLAGS | JSON_REJECT_DUPLICATES, &error);
    if (err == PX_OK && unique) {
        px_json_open(&json, copy, size_bytes);
        compare(&json, unique);
    }
    json_decref(unique);
    json_decref(root);
    free(copy);
    return 0;
}
