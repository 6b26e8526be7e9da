/* json.h - a strict reader of JSON that works where the text lies.
 *
 * Meaning    The caller pulls value after value in the order of the text and says what it expects. Strings
 *            are unescaped where they stand, so what is handed out points into the text, which is used up by
 *            it. A fault sticks: every later read does nothing and gives zero, so that a caller may read on
 *            and ask once, in px_json_end.
 *                px_json_open(&json, text, size_bytes);
 *                px_json_object_open(&json, &object);
 *                while (px_json_field_next(&json, &object, names, NAME_COUNT)) {
 *                    switch (object.field) {
 *                    case NAME_SLOT: slot = px_json_read_u64(&json, UINT64_MAX); break;
 *                    ...
 *                }
 *                px_json_object_require(&json, &object, 1u << NAME_SLOT);
 *                if (px_json_end(&json) != PX_OK) say(json.fault, json.field);
 * Holds      Nothing behind size_bytes is read. Refused are: whatever is not JSON (RFC 8259), bytes that are
 *            not UTF-8, lone surrogates, a known field that comes twice, nesting over PX_JSON_DEPTH_MAX,
 *            anything behind the value. Fields that the caller does not know are skipped, but checked all the
 *            same. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_CODEC_JSON_H
#define PX_CODEC_JSON_H

#include "base/bytes.h"
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

#define PX_JSON_DEPTH_MAX 32u
/* Fields that one object can know: a bit each in `seen`. */
#define PX_JSON_FIELDS_MAX 64u
/* Longest name of a known field. */
#define PX_JSON_KEY_BYTES_MAX 31u

typedef struct {
    uint8_t *at, *end; /* what is not read yet */
    uint32_t depth;    /* objects and arrays open around it */
    const char *fault; /* NULL while all is well, then static words */
    const char *field; /* the known field begun last, for the words of an error; NULL: none yet */
} px_json;

/* An object while it is read. */
typedef struct {
    uint64_t seen;  /* bit n: the field of place n was there */
    uint32_t field; /* place of the field whose value comes next */
    bool is_begun;
    uint8_t key[PX_JSON_KEY_BYTES_MAX + 1]; /* the key, where it stands escaped in the text */
} px_json_object;

/* An array while it is read. */
typedef struct {
    bool is_begun;
} px_json_array;

typedef enum {
    PX_JSON_NONE, /* a fault, or the end of the text */
    PX_JSON_OBJECT,
    PX_JSON_ARRAY,
    PX_JSON_STRING,
    PX_JSON_NUMBER,
    PX_JSON_BOOL,
    PX_JSON_NULL
} px_json_kind;

/* Starts to read one value that takes up all the text, white space aside. The text stays the caller's. */
void px_json_open(px_json *json, uint8_t *text, size_t size_bytes);

/* Ends it. PX_OK where all reads went well and nothing is left.
 * Errors   PX_ERR_MALFORMED   json->fault says why. */
PX_MUST_USE px_err px_json_end(px_json *json);

/* Reports a fault that the caller sees in a value; the first one stays. `words` are static. */
void px_json_fail(px_json *json, const char *words);

/* What comes next, by its first character; it is not read. */
px_json_kind px_json_peek(px_json *json);

/* Begins an object; then each px_json_field_next (or px_json_key_next) gives one field, whose value must be
 * read or skipped. */
void px_json_object_open(px_json *json, px_json_object *object);

/* Goes to the next field whose name is one of `names`, and says in object->field which; skips the others.
 * False at the object's end and after a fault. */
bool px_json_field_next(px_json *json, px_json_object *object, const char *const *names, uint32_t count);

/* Goes to the next field, whatever it is called. *key is valid until the next call; one that stands escaped
 * is cut to PX_JSON_KEY_BYTES_MAX + 1 bytes, which is longer than any known name. */
bool px_json_key_next(px_json *json, px_json_object *object, px_bytes *key);

/* Says that the key just given is the known field `place`, called `name`: a fault where it has been there
 * before. For callers of px_json_key_next. */
void px_json_field_known(px_json *json, px_json_object *object, uint32_t place, const char *name);

/* A fault unless all fields of the mask were there. */
void px_json_object_require(px_json *json, const px_json_object *object, uint64_t mask);

/* Begins an array; then px_json_item_next is true for each item, which must be read or skipped, and false at
 * the end. */
void px_json_array_open(px_json *json, px_json_array *array);
bool px_json_item_next(px_json *json, px_json_array *array);

/* A whole number from 0 to `most`, in digits only. */
uint64_t px_json_read_u64(px_json *json, uint64_t most);
/* A whole number, in digits with an optional minus. */
int64_t px_json_read_i64(px_json *json);
bool px_json_read_bool(px_json *json);
void px_json_read_null(px_json *json);

/* A string, unescaped where it stands; it may hold zero bytes. */
px_bytes px_json_read_string(px_json *json);

/* A string of base64, decoded where it stands. */
px_bytes px_json_read_base64(px_json *json);

/* Any value, checked but as it stands in the text, without the white space around it. */
px_bytes px_json_read_raw(px_json *json);

/* Any value, checked and passed over. */
void px_json_skip(px_json *json);

/* Is this text the same as `name`? */
bool px_json_is_name(px_bytes text, const char *name);

/* The place of `text` among names; `count` where it is none of them. */
uint32_t px_json_name_find(px_bytes text, const char *const *names, uint32_t count);

#endif
