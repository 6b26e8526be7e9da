/* json.c - a strict reader of JSON that works where the text lies.
 *
 * Meaning    Three layers: characters and white space; checked passes over strings, numbers and whole values,
 *            which change nothing; and the reads of the interface, which unescape a string only after it was
 *            found sound.
 * Holds      at <= end, always; nothing at or behind end is read. A fault moves `at` to `end`, so that every
 *            loop of a caller ends.
 * Source     RFC 8259; what is refused beyond it stands in json.h. */
// SPDX-License-Identifier: Apache-2.0
#include "codec/json.h"

#include "base/assert.h"
#include "codec/base64.h"
#include "codec/utf8.h"
#include <string.h>

void px_json_fail(px_json *json, const char *words)
{
    if (!json->fault) json->fault = words;
    json->at = json->end;
}

static bool refuse(px_json *json, const char *words)
{
    px_json_fail(json, words);
    return false;
}

/* The next character that is not white space; zero where there is none. A zero byte in the text is no JSON
 * either. */
static uint8_t next_character(px_json *json)
{
    while (json->at < json->end) {
        const uint8_t character = *json->at;
        if (character > ' ') return character;
        if (character != ' ' && character != '\t' && character != '\n' && character != '\r') return 0;
        json->at++;
    }
    return 0;
}

/* Takes `character` where it is the next one. */
static bool try_take(px_json *json, uint8_t character)
{
    if (next_character(json) != character) return false;
    json->at++;
    return true;
}

void px_json_open(px_json *json, uint8_t *text, size_t size_bytes)
{
    *json = (px_json){.at = text, .end = text + size_bytes};
}

px_err px_json_end(px_json *json)
{
    (void)next_character(json);
    if (json->at < json->end) px_json_fail(json, "something follows the value");
    if (json->depth > 0) px_json_fail(json, "it has no end");
    return json->fault ? PX_ERR_MALFORMED : PX_OK;
}

px_json_kind px_json_peek(px_json *json)
{
    const uint8_t character = next_character(json);
    switch (character) {
    case '{': return PX_JSON_OBJECT;
    case '[': return PX_JSON_ARRAY;
    case '"': return PX_JSON_STRING;
    case 't':
    case 'f': return PX_JSON_BOOL;
    case 'n': return PX_JSON_NULL;
    default:
        return character == '-' || (character >= '0' && character <= '9') ? PX_JSON_NUMBER : PX_JSON_NONE;
    }
}

/* ---- strings ---- */

#define ONES 0x0101010101010101u
#define HIGHS 0x8080808080808080u

/* Is there a byte in these eight that a string cannot hold as it is, or that ends or escapes it, or that is
 * not ASCII? */
static inline bool is_any_special(uint64_t eight)
{
    const uint64_t quote = eight ^ ONES * '"', backslash = eight ^ ONES * '\\';
    const uint64_t below = (eight - ONES * 0x20) | (quote - ONES) | (backslash - ONES);
    return ((below | eight) & HIGHS) != 0;
}

/* The first byte from `at` on that is not plain ASCII of a string; `end` where all are. */
static uint8_t *pass_plain(uint8_t *at, const uint8_t *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t eight;
        memcpy(&eight, at, sizeof eight);
        if (is_any_special(eight)) break;
    }
    while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\') at++;
    return at;
}

/* Four hexadecimal digits as a number; UINT32_MAX where they are none. */
static uint32_t read_four_digits(const uint8_t *digits, const uint8_t *end)
{
    if (end - digits < 4) return UINT32_MAX;
    uint32_t number = 0;
    for (uint32_t i = 0; i < 4; i++) {
        const uint8_t digit = digits[i], letter = digit | 0x20;
        if (digit >= '0' && digit <= '9') {
            number = number << 4 | (uint32_t)(digit - '0');
        } else if (letter >= 'a' && letter <= 'f') {
            number = number << 4 | (uint32_t)(letter - 'a' + 10);
        } else {
            return UINT32_MAX;
        }
    }
    return number;
}

/* Reads the escape at a backslash. Returns the bytes it takes, 0 where it is none. */
static size_t read_escape(const uint8_t *at, const uint8_t *end, uint32_t *character)
{
    if (end - at < 2) return 0;
    switch (at[1]) {
    case '"':
    case '\\':
    case '/': *character = at[1]; return 2;
    case 'b': *character = '\b'; return 2;
    case 'f': *character = '\f'; return 2;
    case 'n': *character = '\n'; return 2;
    case 'r': *character = '\r'; return 2;
    case 't': *character = '\t'; return 2;
    case 'u': break;
    default: return 0;
    }
    const uint32_t high = read_four_digits(at + 2, end);
    if (high == UINT32_MAX || (high >= 0xdc00 && high <= 0xdfff)) return 0;
    *character = high;
    if (high < 0xd800 || high > 0xdbff) return 6;

    if (end - at < 12 || at[6] != '\\' || at[7] != 'u') return 0;
    const uint32_t low = read_four_digits(at + 8, end);
    if (low < 0xdc00 || low > 0xdfff) return 0;
    *character = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    return 12;
}

/* A string as it stands between its quotes. */
typedef struct {
    uint8_t *text;
    size_t size_bytes;
    bool is_escaped;
} raw_string;

/* Passes over the string that comes next and checks it. False, and a fault, where there is no sound one. */
static bool pass_string(px_json *json, raw_string *string)
{
    if (!try_take(json, '"')) return refuse(json, "a string is wanted");
    uint8_t *const text = json->at, *at = text;
    bool is_escaped = false;
    for (;;) {
        if (at < json->end && *at < 0x80 && *at != '\\') at = pass_plain(at, json->end);
        if (at == json->end) return refuse(json, "a string has no end");
        if (*at == '"') break;
        size_t pass_bytes = 0;
        if (*at == '\\') {
            uint32_t character;
            pass_bytes = read_escape(at, json->end, &character);
            is_escaped = true;
        } else if (*at >= 0x80) {
            pass_bytes = px_utf8_character_bytes(at, (size_t)(json->end - at));
        }
        if (pass_bytes == 0) {
            return refuse(json, *at == '\\'  ? "an escape in a string is not valid"
                                : *at < 0x20 ? "a control character in a string is not escaped"
                                             : "a string is not UTF-8");
        }
        at += pass_bytes;
    }
    json->at = at + 1;
    *string = (raw_string){.text = text, .size_bytes = (size_t)(at - text), .is_escaped = is_escaped};
    return true;
}

/* Writes the characters of a sound string to `out`, which may be where it stands; at most room_bytes of them.
 * Returns their number. */
static size_t unescape(const raw_string *string, uint8_t *out, size_t room_bytes)
{
    const uint8_t *at = string->text, *const end = at + string->size_bytes;
    size_t size_bytes = 0;
    while (at < end) {
        if (*at != '\\') {
            const uint8_t *const escape = memchr(at, '\\', (size_t)(end - at));
            const size_t plain_bytes = (size_t)((escape ? escape : end) - at);
            if (size_bytes + plain_bytes <= room_bytes) memmove(out + size_bytes, at, plain_bytes);
            size_bytes += plain_bytes;
            at += plain_bytes;
            continue;
        }
        uint32_t character = 0;
        uint8_t bytes[4];
        at += read_escape(at, end, &character);
        const size_t character_bytes = px_utf8_put(character, bytes);
        for (size_t i = 0; i < character_bytes; i++, size_bytes++) {
            if (size_bytes < room_bytes) out[size_bytes] = bytes[i];
        }
    }
    return size_bytes;
}

px_bytes px_json_read_string(px_json *json)
{
    raw_string string;
    if (!pass_string(json, &string)) return (px_bytes){0};
    if (string.is_escaped) string.size_bytes = unescape(&string, string.text, string.size_bytes);
    return (px_bytes){string.text, string.size_bytes};
}

px_bytes px_json_read_base64(px_json *json)
{
    if (next_character(json) != '"') {
        px_json_fail(json, "a string of base64 is wanted");
        return (px_bytes){0};
    }
    /* Most of what is read is a long run of characters that need no look as a string: its end is found first.
     * Escapes are allowed, though nobody needs them, so a text that holds one goes the slow way. */
    uint8_t *text = json->at + 1;
    const uint8_t *const quote = memchr(text, '"', (size_t)(json->end - text));
    size_t text_bytes = quote ? (size_t)(quote - text) : 0;
    if (!quote || memchr(text, '\\', text_bytes)) {
        raw_string string;
        if (!pass_string(json, &string)) return (px_bytes){0};
        text = string.text;
        text_bytes = unescape(&string, text, string.size_bytes);
    } else {
        json->at = text + text_bytes + 1;
    }
    size_t size_bytes = 0;
    if (px_base64_decode(text, text_bytes, &size_bytes) != PX_OK) {
        px_json_fail(json, "a string is not base64");
        return (px_bytes){0};
    }
    return (px_bytes){text, size_bytes};
}

/* ---- numbers and words ---- */

/* Passes over digits; false where there is none. */
static bool pass_digits(px_json *json)
{
    const uint8_t *const first = json->at;
    while (json->at < json->end && *json->at >= '0' && *json->at <= '9') json->at++;
    return json->at > first;
}

static bool is_next(const px_json *json, uint8_t one, uint8_t other)
{
    return json->at < json->end && (*json->at == one || *json->at == other);
}

/* Passes over any number of the grammar. */
static void pass_number(px_json *json)
{
    bool is_sound = true;
    if (is_next(json, '-', '-')) json->at++;
    if (is_next(json, '0', '0')) {
        json->at++;
    } else {
        is_sound = pass_digits(json);
    }
    if (is_sound && is_next(json, '.', '.')) {
        json->at++;
        is_sound = pass_digits(json);
    }
    if (is_sound && is_next(json, 'e', 'E')) {
        json->at++;
        if (is_next(json, '+', '-')) json->at++;
        is_sound = pass_digits(json);
    }
    if (!is_sound) px_json_fail(json, "a number is not valid");
}

/* The digits of a whole number up to `most`, which end where the value ends. */
static uint64_t read_digits(px_json *json, uint64_t most)
{
    const uint8_t *const first = json->at;
    uint64_t number = 0;
    for (; json->at < json->end && *json->at >= '0' && *json->at <= '9'; json->at++) {
        const uint64_t digit = (uint64_t)(*json->at - '0');
        if (number > (most - digit) / 10 || digit > most) {
            px_json_fail(json, "a number is out of range");
            return 0;
        }
        number = number * 10 + digit;
    }
    const size_t digit_count = (size_t)(json->at - first);
    if (digit_count == 0 || (digit_count > 1 && *first == '0') || is_next(json, '.', '.') ||
        is_next(json, 'e', 'E')) {
        px_json_fail(json, "a whole number is wanted");
        return 0;
    }
    return number;
}

uint64_t px_json_read_u64(px_json *json, uint64_t most)
{
    (void)next_character(json);
    return read_digits(json, most);
}

int64_t px_json_read_i64(px_json *json)
{
    if (!try_take(json, '-')) return (int64_t)read_digits(json, INT64_MAX);
    const uint64_t magnitude = read_digits(json, (uint64_t)INT64_MAX + 1);
    return magnitude > INT64_MAX ? INT64_MIN : -(int64_t)magnitude;
}

/* Takes `word` where it comes next. */
static bool try_take_word(px_json *json, const char *word, size_t word_bytes)
{
    (void)next_character(json);
    if ((size_t)(json->end - json->at) < word_bytes || memcmp(json->at, word, word_bytes) != 0) return false;
    json->at += word_bytes;
    return true;
}

bool px_json_read_bool(px_json *json)
{
    if (try_take_word(json, "true", 4)) return true;
    if (!try_take_word(json, "false", 5)) px_json_fail(json, "true or false is wanted");
    return false;
}

void px_json_read_null(px_json *json)
{
    if (!try_take_word(json, "null", 4)) px_json_fail(json, "null is wanted");
}

/* ---- objects and arrays ---- */

/* Goes one deeper, at `bracket`. */
static void enter(px_json *json, uint8_t bracket, const char *words)
{
    if (!try_take(json, bracket)) {
        px_json_fail(json, words);
    } else if (json->depth == PX_JSON_DEPTH_MAX) {
        px_json_fail(json, "it is nested too deep");
    } else {
        json->depth++;
    }
}

/* Goes to the next item between brackets: true where one comes, false behind the closing bracket and after a
 * fault. */
static bool go_next(px_json *json, uint8_t closing, bool *is_begun)
{
    if (json->fault) return false;
    if (try_take(json, closing)) {
        json->depth--;
        return false;
    }
    if (*is_begun && !try_take(json, ',')) return refuse(json, "a comma or a closing bracket is wanted");
    *is_begun = true;
    return true;
}

/* Passes over a key and its colon. */
static bool pass_key(px_json *json, raw_string *key)
{
    if (!pass_string(json, key)) return false;
    return try_take(json, ':') || refuse(json, "a colon is wanted");
}

void px_json_object_open(px_json *json, px_json_object *object)
{
    object->seen = 0;
    object->field = 0;
    object->is_begun = false;
    enter(json, '{', "an object is wanted");
}

bool px_json_key_next(px_json *json, px_json_object *object, px_bytes *key)
{
    raw_string string;
    if (!go_next(json, '}', &object->is_begun) || !pass_key(json, &string)) return false;
    *key = (px_bytes){string.text, string.size_bytes};
    if (string.is_escaped) {
        memset(object->key, 0, sizeof object->key);
        const size_t key_bytes = unescape(&string, object->key, sizeof object->key);
        *key = (px_bytes){object->key, key_bytes < sizeof object->key ? key_bytes : sizeof object->key};
    }
    return true;
}

bool px_json_is_name(px_bytes text, const char *name)
{
    for (size_t i = 0; i < text.size_bytes; i++) {
        if (name[i] == 0 || (uint8_t)name[i] != text.data[i]) return false;
    }
    return name[text.size_bytes] == 0;
}

uint32_t px_json_name_find(px_bytes text, const char *const *names, uint32_t count)
{
    uint32_t place = 0;
    while (place < count && !px_json_is_name(text, names[place])) place++;
    return place;
}

void px_json_field_known(px_json *json, px_json_object *object, uint32_t place, const char *name)
{
    px_assert(place < PX_JSON_FIELDS_MAX);
    const uint64_t bit = (uint64_t)1 << place;
    json->field = name;
    object->field = place;
    if (object->seen & bit) px_json_fail(json, "a field comes twice");
    object->seen |= bit;
}

bool px_json_field_next(px_json *json, px_json_object *object, const char *const *names, uint32_t count)
{
    px_bytes key;
    while (px_json_key_next(json, object, &key)) {
        const uint32_t place = px_json_name_find(key, names, count);
        if (place < count) {
            px_json_field_known(json, object, place, names[place]);
            return !json->fault;
        }
        px_json_skip(json);
    }
    return false;
}

void px_json_object_require(px_json *json, const px_json_object *object, uint64_t mask)
{
    if ((object->seen & mask) != mask) px_json_fail(json, "a field is missing");
}

void px_json_array_open(px_json *json, px_json_array *array)
{
    array->is_begun = false;
    enter(json, '[', "an array is wanted");
}

bool px_json_item_next(px_json *json, px_json_array *array)
{
    return go_next(json, ']', &array->is_begun);
}

/* ---- whatever comes ---- */

/* Passes over a value that is no object or array. */
static void pass_simple(px_json *json)
{
    raw_string string;
    switch (px_json_peek(json)) {
    case PX_JSON_STRING: (void)pass_string(json, &string); break;
    case PX_JSON_NUMBER: pass_number(json); break;
    case PX_JSON_BOOL: (void)px_json_read_bool(json); break;
    case PX_JSON_NULL: px_json_read_null(json); break;
    case PX_JSON_NONE:
    case PX_JSON_OBJECT:
    case PX_JSON_ARRAY: px_json_fail(json, "a value is wanted"); break;
    }
}

void px_json_skip(px_json *json)
{
    const uint32_t depth = json->depth;
    uint8_t closing[PX_JSON_DEPTH_MAX]; /* of what is open, outermost first */
    bool is_begun = false;
    do {
        const uint8_t bracket = next_character(json);
        if (bracket == '{' || bracket == '[') {
            enter(json, bracket, "a value is wanted");
            if (json->fault) return;
            closing[json->depth - 1] = bracket == '{' ? '}' : ']';
            is_begun = false;
        } else {
            pass_simple(json);
        }
        while (json->depth > depth && !go_next(json, closing[json->depth - 1], &is_begun)) {
            if (json->fault) return;
            is_begun = true; /* what it was inside of has an item now */
        }
        raw_string key;
        if (json->depth > depth && closing[json->depth - 1] == '}') (void)pass_key(json, &key);
    } while (json->depth > depth && !json->fault);
}

px_bytes px_json_read_raw(px_json *json)
{
    (void)next_character(json);
    const uint8_t *const first = json->at;
    px_json_skip(json);
    if (json->fault) return (px_bytes){0};
    return (px_bytes){first, (size_t)(json->at - first)};
}
