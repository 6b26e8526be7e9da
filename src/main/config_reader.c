/* config_reader.c - typed access to a JSON file that knows where it is.
 *
 * Meaning    jansson reads the text; what it finds wrong it names by a position only, which path_at turns
 *            into a path.
 * Holds      A fault is one line: control characters in it are shown as question marks. */
// SPDX-License-Identifier: Apache-2.0
#include "main/config_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Nesting that path_at follows; the configuration itself has four levels. */
#define DEPTH_MAX 16u
/* Of a key that is not ours, so much is shown. */
#define KEY_SHOWN_BYTES 64

void px_reader_init(px_reader *reader, const char *file, char *fault, size_t fault_bytes)
{
    *reader = (px_reader){.file = file, .fault = fault, .fault_bytes = fault_bytes};
    fault[0] = '\0';
}

static void make_one_line(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) *text = '?';
    }
}

bool px_reader_fail(px_reader *reader, const char *format, ...)
{
    if (reader->fault[0]) return false;
    const int head = snprintf(reader->fault, reader->fault_bytes, "%.600s: %s: ", reader->file,
                              reader->path[0] ? reader->path : "$");
    if (head > 0 && (size_t)head < reader->fault_bytes) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(reader->fault + head, reader->fault_bytes - (size_t)head, format, arguments);
        va_end(arguments);
    }
    make_one_line(reader->fault);
    return false;
}

size_t px_reader_enter(px_reader *reader, const char *key)
{
    const size_t mark = strlen(reader->path);
    snprintf(reader->path + mark, sizeof reader->path - mark, "%s%.*s", mark ? "." : "", KEY_SHOWN_BYTES,
             key);
    return mark;
}

size_t px_reader_enter_item(px_reader *reader, size_t place)
{
    const size_t mark = strlen(reader->path);
    snprintf(reader->path + mark, sizeof reader->path - mark, "[%zu]", place);
    return mark;
}

void px_reader_leave(px_reader *reader, size_t mark)
{
    reader->path[mark] = '\0';
}

/* ---- parsing ---- */

/* One object or array that is open at a position. */
typedef struct {
    bool is_object;
    size_t place;                /* of the item, in an array */
    size_t key_first, key_bytes; /* in the text, of an object's last key */
} level;

/* The end of the string whose opening quote is at `at`: behind its closing quote. */
static size_t string_end(const char *text, size_t at, size_t end)
{
    for (at++; at < end && text[at] != '"'; at++) {
        if (text[at] == '\\') at++;
    }
    return at < end ? at + 1 : end;
}

/* Sets the reader's path to what was being read at byte `end`. Up to there the text is known to be good JSON,
 * so quotes, brackets, commas and colons tell all. */
static void path_at(px_reader *reader, const char *text, size_t end)
{
    level levels[DEPTH_MAX] = {{false, 0, 0, 0}};
    size_t depth = 0;
    bool expects_key = false;
    for (size_t at = 0; at < end;) {
        level *open = &levels[depth ? depth - 1 : 0];
        const char c = text[at];
        if (c == '"') {
            const size_t first = at + 1;
            at = string_end(text, at, end);
            if (expects_key) open->key_first = first, open->key_bytes = at - first - 1;
            continue;
        }
        if (c == '{' || c == '[') {
            if (depth == DEPTH_MAX) break;
            levels[depth++] = (level){.is_object = c == '{'};
            expects_key = c == '{';
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
            expects_key = false;
        } else if (c == ',' && depth > 0) {
            open->place++;
            expects_key = open->is_object;
        } else if (c == ':') {
            expects_key = false;
        }
        at++;
    }
    for (size_t i = 0; i < depth; i++) {
        if (!levels[i].is_object) {
            px_reader_enter_item(reader, levels[i].place);
        } else if (levels[i].key_bytes > 0) {
            char key[KEY_SHOWN_BYTES + 1];
            snprintf(key, sizeof key, "%.*s",
                     (int)(levels[i].key_bytes < KEY_SHOWN_BYTES ? levels[i].key_bytes : KEY_SHOWN_BYTES),
                     text + levels[i].key_first);
            px_reader_enter(reader, key);
        }
    }
}

json_t *px_reader_parse(px_reader *reader, const char *text, size_t size_bytes)
{
    json_error_t error;
    json_t *root = json_loadb(text, size_bytes, JSON_REJECT_DUPLICATES, &error);
    if (root) return root;
    size_t position = error.position > 0 ? (size_t)error.position : 0;
    if (position > size_bytes) position = size_bytes;
    const enum json_error_code code = json_error_code(&error);
    /* A repeated key has been read to its end; of anything else the last byte read is already wrong. */
    if (code != json_error_duplicate_key && position > 0) position--;
    path_at(reader, text, position);
    if (code == json_error_duplicate_key) {
        px_reader_fail(reader, "this key stands here a second time (line %d, column %d); keep one of the two",
                       error.line, error.column);
    } else if (code == json_error_invalid_utf8) {
        px_reader_fail(reader, "not valid UTF-8 (line %d, column %d); save the file as UTF-8", error.line,
                       error.column);
    } else if (code == json_error_numeric_overflow) {
        px_reader_fail(reader, "the number in line %d, column %d is too large; use one in its range",
                       error.line, error.column);
    } else {
        px_reader_fail(reader,
                       "not valid JSON (line %d, column %d): %.160s; use strict JSON, without comments and "
                       "trailing commas",
                       error.line, error.column, error.text);
    }
    return NULL;
}

/* ---- values ---- */

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "a number";
    case JSON_REAL: return "a number with a fraction or exponent";
    case JSON_TRUE:
    case JSON_FALSE: return "true or false";
    case JSON_NULL: return "null";
    }
    return "something else";
}

/* Writes `a, b, c` of a list ended by NULL. */
static void list_words(const char *const *words, char *space, size_t space_bytes)
{
    size_t used = 0;
    space[0] = '\0';
    for (size_t i = 0; words[i] && used < space_bytes; i++) {
        const int size = snprintf(space + used, space_bytes - used, "%s%s", i ? ", " : "", words[i]);
        used += size > 0 ? (size_t)size : 0;
    }
}

static bool is_among(const char *word, const char *const *words)
{
    for (size_t i = 0; words[i]; i++) {
        if (strcmp(word, words[i]) == 0) return true;
    }
    return false;
}

bool px_reader_is_object(px_reader *reader, const json_t *value, const char *const *keys)
{
    char words[256];
    list_words(keys, words, sizeof words);
    if (!json_is_object(value)) {
        return px_reader_fail(reader, "is %s and must be an object; write { } with the keys %s",
                              type_name(value), words);
    }
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        if (is_among(key, keys)) continue;
        px_reader_enter(reader, key);
        return px_reader_fail(reader, "unknown key; remove it or use one of %s", words);
    }
    return true;
}

bool px_reader_need(px_reader *reader, const json_t *object, const char *key, const json_t **value)
{
    const json_t *found = json_object_get(object, key);
    if (!found) {
        px_reader_enter(reader, key);
        return px_reader_fail(reader, "is missing; add \"%s\"", key);
    }
    *value = found;
    return true;
}

bool px_reader_text(px_reader *reader, const json_t *object, const char *key, const char **text)
{
    const json_t *value = json_object_get(object, key);
    if (!value) return true;
    const size_t mark = px_reader_enter(reader, key);
    if (!json_is_string(value))
        return px_reader_fail(reader, "is %s and must be a string; put it in quotes", type_name(value));
    if (json_string_length(value) == 0) return px_reader_fail(reader, "is empty; give it a value");
    px_reader_leave(reader, mark);
    *text = json_string_value(value);
    return true;
}

bool px_reader_number(px_reader *reader, const json_t *object, const char *key, px_range range,
                      uint32_t *number)
{
    const json_t *value = json_object_get(object, key);
    if (!value) return true;
    const size_t mark = px_reader_enter(reader, key);
    if (!json_is_integer(value)) {
        return px_reader_fail(reader, "is %s and must be a whole number; use %u to %u, without quotes",
                              type_name(value), range.least, range.most);
    }
    const json_int_t given = json_integer_value(value);
    if (given < (json_int_t)range.least || given > (json_int_t)range.most) {
        return px_reader_fail(reader, "%" JSON_INTEGER_FORMAT " is out of range; use %u to %u", given,
                              range.least, range.most);
    }
    px_reader_leave(reader, mark);
    *number = (uint32_t)given;
    return true;
}

bool px_reader_flag(px_reader *reader, const json_t *object, const char *key, bool *flag)
{
    const json_t *value = json_object_get(object, key);
    if (!value) return true;
    const size_t mark = px_reader_enter(reader, key);
    if (!json_is_boolean(value))
        return px_reader_fail(reader, "is %s; use true or false, without quotes", type_name(value));
    px_reader_leave(reader, mark);
    *flag = json_is_true(value);
    return true;
}

bool px_reader_choice(px_reader *reader, const json_t *object, const char *key, const char *const *choices,
                      uint32_t *place)
{
    const char *text = NULL;
    if (!px_reader_text(reader, object, key, &text)) return false;
    if (!text) return true;
    for (uint32_t i = 0; choices[i]; i++) {
        if (strcmp(text, choices[i]) != 0) continue;
        *place = i;
        return true;
    }
    char words[256];
    list_words(choices, words, sizeof words);
    px_reader_enter(reader, key);
    return px_reader_fail(reader, "\"%.64s\" is not known; use one of %s", text, words);
}
