/* json_test.c - what is JSON is read as it is; what is not, is refused wherever it stands. */
// SPDX-License-Identifier: Apache-2.0
#include "codec/json.h"

#include "exact.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

/* Skips one value that is all of the text. */
static px_err skip_copy(const void *text, size_t size_bytes)
{
    uint8_t *const copy = exact_copy(text, size_bytes);
    px_json json;
    px_json_open(&json, copy, size_bytes);
    px_json_skip(&json);
    const px_err err = px_json_end(&json);
    assert_int_equal(json.fault != NULL, err != PX_OK);
    assert_true(json.at <= json.end && json.end == copy + size_bytes);
    free(copy);
    return err;
}

#define ASSERT_TAKEN(text) assert_int_equal(skip_copy((text), sizeof(text) - 1), PX_OK)
#define ASSERT_REFUSED(text) assert_int_equal(skip_copy((text), sizeof(text) - 1), PX_ERR_MALFORMED)

static void json__whatever_the_grammar_allows_is_taken(void **state)
{
    (void)state;
    ASSERT_TAKEN("{}");
    ASSERT_TAKEN(" \t\r\n[ ] ");
    ASSERT_TAKEN("[1,-0,0.5,1e9,1E+2,-1.25e-3,123456789012345678901234567890]");
    ASSERT_TAKEN("{\"a\":{\"b\":[{},[],[[]],null]},\"a\":true,\"\":false}");
    ASSERT_TAKEN("\"\"");
    ASSERT_TAKEN("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uD83D\\uDE00\\u00e9\"");
    ASSERT_TAKEN("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"");
    ASSERT_TAKEN("[1 , 2 ,3]");
    ASSERT_TAKEN("{ \"a\" : 1 , \"b\" : 2 }");
    ASSERT_TAKEN("null");
}

static void json__whatever_it_does_not_is_refused(void **state)
{
    (void)state;
    ASSERT_REFUSED("");
    ASSERT_REFUSED(" ");
    ASSERT_REFUSED("{");
    ASSERT_REFUSED("[1,]");
    ASSERT_REFUSED("[,1]");
    ASSERT_REFUSED("[1 2]");
    ASSERT_REFUSED("[1}");
    ASSERT_REFUSED("{\"a\":1]");
    ASSERT_REFUSED("{\"a\":1,}");
    ASSERT_REFUSED("{\"a\" 1}");
    ASSERT_REFUSED("{\"a\":}");
    ASSERT_REFUSED("{a:1}");
    ASSERT_REFUSED("{'a':1}");
    ASSERT_REFUSED("{1:1}");
    ASSERT_REFUSED("{,}");
    ASSERT_REFUSED("{\"a\"}");
    ASSERT_REFUSED("nul");
    ASSERT_REFUSED("nulL");
    ASSERT_REFUSED("True");
    ASSERT_REFUSED("truefalse");
    ASSERT_REFUSED("NaN");
    ASSERT_REFUSED("Infinity");
    ASSERT_REFUSED("//\n1");
    ASSERT_REFUSED("\xef\xbb\xbf{}");
    ASSERT_REFUSED("\v1");
    ASSERT_REFUSED("\0");
    ASSERT_REFUSED("1\0");
    ASSERT_REFUSED("{}\0");
    ASSERT_REFUSED("{} {}");
    ASSERT_REFUSED("1 1");
}

static void json__numbers_that_are_none_are_refused(void **state)
{
    (void)state;
    ASSERT_REFUSED("01");
    ASSERT_REFUSED("-01");
    ASSERT_REFUSED("-");
    ASSERT_REFUSED("+1");
    ASSERT_REFUSED("1.");
    ASSERT_REFUSED(".5");
    ASSERT_REFUSED("1e");
    ASSERT_REFUSED("1e+");
    ASSERT_REFUSED("1.e1");
    ASSERT_REFUSED("0x1");
    ASSERT_REFUSED("1_0");
    ASSERT_REFUSED("--1");
}

static void json__strings_that_are_none_are_refused(void **state)
{
    (void)state;
    ASSERT_REFUSED("\"");
    ASSERT_REFUSED("\"\\\"");
    ASSERT_REFUSED("\"\\x\"");
    ASSERT_REFUSED("\"\\u12\"");
    ASSERT_REFUSED("\"\\u12g4\"");
    ASSERT_REFUSED("\"\\U0041\"");
    ASSERT_REFUSED("\"\\ud800\"");
    ASSERT_REFUSED("\"\\udc00\"");
    ASSERT_REFUSED("\"\\ud800\\ud800\"");
    ASSERT_REFUSED("\"\\ud800\\n\"");
    ASSERT_REFUSED("\"\\ud800abcdef\"");
    ASSERT_REFUSED("\"\\ud83d\\u\"");
    ASSERT_REFUSED("\"\x80\"");
    ASSERT_REFUSED("\"\xc3\"");
    ASSERT_REFUSED("\"\xc0\xaf\"");
    ASSERT_REFUSED("\"\xed\xa0\x80\"");
    ASSERT_REFUSED("\"\xf4\x90\x80\x80\"");
    ASSERT_REFUSED("\"\xff\"");
    ASSERT_REFUSED("{\"\xff\":1}");
    for (uint32_t control = 0; control < 0x20; control++) {
        const uint8_t text[] = {'"', 'a', (uint8_t)control, 'b', '"'};
        assert_int_equal(skip_copy(text, sizeof text), PX_ERR_MALFORMED);
    }
}

static void json__cut_short_anywhere_is_refused(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\":[1,-2.5e3,true,null,{\"b\":\"x\\u00e9\\ud83d\\ude00\xc3\xa9\"}],\"c\":false}";
    for (size_t cut = 0; cut < sizeof text - 1; cut++)
        assert_int_equal(skip_copy(text, cut), PX_ERR_MALFORMED);
    ASSERT_TAKEN(text);
}

static void json__nesting_ends_at_its_limit(void **state)
{
    (void)state;
    static char text[2 * 1000000];
    for (size_t depth = PX_JSON_DEPTH_MAX; depth <= PX_JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(skip_copy(text, 2 * depth), depth <= PX_JSON_DEPTH_MAX ? PX_OK : PX_ERR_MALFORMED);
    }
    memset(text, '[', sizeof text);
    assert_int_equal(skip_copy(text, sizeof text), PX_ERR_MALFORMED);
}

/* The limit counts what the caller has open around a skipped value. */
static void json__nesting_counts_what_is_open_around(void **state)
{
    (void)state;
    for (size_t depth = PX_JSON_DEPTH_MAX - 1; depth <= PX_JSON_DEPTH_MAX; depth++) {
        char text[3 + 2 * PX_JSON_DEPTH_MAX + 1] = "[";
        memset(text + 1, '[', depth);
        memset(text + 1 + depth, ']', depth + 1);
        px_json json;
        px_json_array array;
        px_json_open(&json, (uint8_t *)text, 2 * depth + 2);
        px_json_array_open(&json, &array);
        assert_true(px_json_item_next(&json, &array));
        px_json_skip(&json);
        assert_int_equal(px_json_item_next(&json, &array), false);
        assert_int_equal(px_json_end(&json), depth < PX_JSON_DEPTH_MAX ? PX_OK : PX_ERR_MALFORMED);
    }
}

/* ---- values ---- */

static px_err read_u64(const char *text, uint64_t most, uint64_t *number)
{
    uint8_t *const copy = exact_copy(text, strlen(text));
    px_json json;
    px_json_open(&json, copy, strlen(text));
    *number = px_json_read_u64(&json, most);
    const px_err err = px_json_end(&json);
    free(copy);
    return err;
}

static void json__whole_numbers_are_read_up_to_their_limit(void **state)
{
    (void)state;
    uint64_t number;
    assert_int_equal(read_u64(" 0 ", 0, &number), PX_OK);
    assert_true(number == 0);
    assert_int_equal(read_u64("18446744073709551615", UINT64_MAX, &number), PX_OK);
    assert_true(number == UINT64_MAX);
    assert_int_equal(read_u64("18446744073709551616", UINT64_MAX, &number), PX_ERR_MALFORMED);
    assert_true(number == 0);
    assert_int_equal(read_u64("99999999999999999999999", UINT64_MAX, &number), PX_ERR_MALFORMED);
    assert_int_equal(read_u64("7", 7, &number), PX_OK);
    assert_int_equal(read_u64("8", 7, &number), PX_ERR_MALFORMED);
    assert_int_equal(read_u64("10", 7, &number), PX_ERR_MALFORMED);
    assert_int_equal(read_u64("4294967295", UINT32_MAX, &number), PX_OK);
    assert_int_equal(read_u64("4294967296", UINT32_MAX, &number), PX_ERR_MALFORMED);
}

static void json__what_is_no_whole_number_is_refused_as_one(void **state)
{
    (void)state;
    static const char *const texts[] = {"-0", "-1", "1.0", "1e2", "1E2", "01",   "00", "\"1\"", "true",
                                        "",   "+1", "1.",  "0x1", "[1]", "null", "{}", "1-",    "1e"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint64_t number;
        assert_int_equal(read_u64(texts[i], UINT64_MAX, &number), PX_ERR_MALFORMED);
    }
}

static void json__signed_numbers_are_read_to_both_ends(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        px_err err;
        int64_t number;
    } cases[] = {
        {"0", PX_OK, 0},
        {"-0", PX_OK, 0},
        {"-1", PX_OK, -1},
        {"9223372036854775807", PX_OK, INT64_MAX},
        {"-9223372036854775808", PX_OK, INT64_MIN},
        {"9223372036854775808", PX_ERR_MALFORMED, 0},
        {"-9223372036854775809", PX_ERR_MALFORMED, 0},
        {"-", PX_ERR_MALFORMED, 0},
        {"--1", PX_ERR_MALFORMED, 0},
        {"-01", PX_ERR_MALFORMED, 0},
        {"- 1", PX_ERR_MALFORMED, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t *const copy = exact_copy(cases[i].text, strlen(cases[i].text));
        px_json json;
        px_json_open(&json, copy, strlen(cases[i].text));
        const int64_t number = px_json_read_i64(&json);
        assert_int_equal(px_json_end(&json), cases[i].err);
        assert_true(number == cases[i].number);
        free(copy);
    }
}

static void assert_string(const char *text, size_t text_bytes, const char *wanted, size_t wanted_bytes)
{
    uint8_t *const copy = exact_copy(text, text_bytes);
    px_json json;
    px_json_open(&json, copy, text_bytes);
    const px_bytes string = px_json_read_string(&json);
    assert_int_equal(px_json_end(&json), PX_OK);
    assert_int_equal(string.size_bytes, wanted_bytes);
    if (wanted_bytes > 0) assert_memory_equal(string.data, wanted, wanted_bytes);
    free(copy);
}
#define ASSERT_STRING(text, wanted) assert_string((text), sizeof(text) - 1, (wanted), sizeof(wanted) - 1)

static void json__strings_are_unescaped_where_they_stand(void **state)
{
    (void)state;
    ASSERT_STRING("\"\"", "");
    ASSERT_STRING("\"plain\"", "plain");
    ASSERT_STRING("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t");
    ASSERT_STRING("\"a\\u0000b\"", "a\0b");
    ASSERT_STRING("\"\\u0041\\u00e9\\u20ac\\uD83d\\uDe00\\uffff\"",
                  "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbf");
    ASSERT_STRING("\"\\ud800\\udc00\\udbff\\udfff\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
    ASSERT_STRING("\"long enough for eight at a time\\nand again\\\\\"",
                  "long enough for eight at a time\nand again\\");
    ASSERT_STRING("\"\xc3\xa9 stays \\u00e9 \xc3\xa9\"", "\xc3\xa9 stays \xc3\xa9 \xc3\xa9");
}

/* A fast pass over plain bytes must stop at the very first that is not plain. */
static void json__a_special_byte_is_seen_at_every_place(void **state)
{
    (void)state;
    for (size_t length = 1; length < 40; length++) {
        for (size_t place = 0; place < length; place++) {
            uint8_t *const text = malloc(length + 2);
            assert_non_null(text);
            memset(text, 'a', length + 2);
            text[0] = text[length + 1] = '"';
            for (uint32_t byte = 0; byte < 256; byte++) {
                text[place + 1] = (uint8_t)byte;
                const bool is_plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
                assert_int_equal(skip_copy(text, length + 2), is_plain ? PX_OK : PX_ERR_MALFORMED);
            }
            free(text);
        }
    }
}

static px_err read_base64(const char *text, char *bytes, size_t *size_bytes)
{
    uint8_t *const copy = exact_copy(text, strlen(text));
    px_json json;
    px_json_open(&json, copy, strlen(text));
    const px_bytes read = px_json_read_base64(&json);
    const px_err err = px_json_end(&json);
    *size_bytes = read.size_bytes;
    if (read.size_bytes > 0) memcpy(bytes, read.data, read.size_bytes);
    free(copy);
    return err;
}

static void json__base64_is_decoded_where_it_stands(void **state)
{
    (void)state;
    char bytes[64];
    size_t size_bytes;
    assert_int_equal(read_base64("\"\"", bytes, &size_bytes), PX_OK);
    assert_int_equal(size_bytes, 0);
    assert_int_equal(read_base64(" \"Zm9vYg==\" ", bytes, &size_bytes), PX_OK);
    assert_int_equal(size_bytes, 4);
    assert_memory_equal(bytes, "foob", 4);
    assert_int_equal(read_base64("\"Pz8\\/\"", bytes, &size_bytes), PX_OK);
    assert_memory_equal(bytes, "???", 3);
    assert_int_equal(read_base64("\"\\u005am9v\"", bytes, &size_bytes), PX_OK);
    assert_memory_equal(bytes, "foo", 3);
    static const char *const bad[] = {"\"Zm9\"",    "\"Zm9v",          "Zm9v",       "\"Zm9v\\",
                                      "\"Zm9v\\\"", "\"Zm9\xc3\xa9\"", "12",         "",
                                      "\"Zm9\\n\"", "\"Zm9v\"x",       "\"Z\\gm9v\""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(read_base64(bad[i], bytes, &size_bytes), PX_ERR_MALFORMED);
    }
}

static void json__a_raw_value_is_as_it_stands(void **state)
{
    (void)state;
    char text[] = "[ {\"a\": [1 ,\"\\n\"] } ,\"s\\u0041\", -1.5e3 ]";
    static const char *const wanted[] = {"{\"a\": [1 ,\"\\n\"] }", "\"s\\u0041\"", "-1.5e3"};
    px_json json;
    px_json_array array;
    px_json_open(&json, (uint8_t *)text, sizeof text - 1);
    px_json_array_open(&json, &array);
    for (size_t i = 0; px_json_item_next(&json, &array); i++) {
        const px_bytes raw = px_json_read_raw(&json);
        assert_int_equal(raw.size_bytes, strlen(wanted[i]));
        assert_memory_equal(raw.data, wanted[i], raw.size_bytes);
    }
    assert_int_equal(px_json_end(&json), PX_OK);
}

static void json__peek_tells_what_comes(void **state)
{
    (void)state;
    char text[] = "[{},[],\"\",-1,1,true,false,null]";
    static const px_json_kind kinds[] = {PX_JSON_OBJECT, PX_JSON_ARRAY, PX_JSON_STRING, PX_JSON_NUMBER,
                                         PX_JSON_NUMBER, PX_JSON_BOOL,  PX_JSON_BOOL,   PX_JSON_NULL};
    px_json json;
    px_json_array array;
    size_t count = 0;
    px_json_open(&json, (uint8_t *)text, sizeof text - 1);
    px_json_array_open(&json, &array);
    while (px_json_item_next(&json, &array)) {
        assert_int_equal(px_json_peek(&json), kinds[count++]);
        px_json_skip(&json);
    }
    assert_int_equal(count, 8);
    assert_int_equal(px_json_end(&json), PX_OK);
    assert_int_equal(px_json_peek(&json), PX_JSON_NONE);
}

static void json__other_kinds_are_refused_where_one_is_wanted(void **state)
{
    (void)state;
    static const char *const texts[] = {"{}", "[]", "\"\"", "1", "true", "null"};
    for (size_t wanted = 0; wanted < 6; wanted++) {
        for (size_t i = 0; i < 6; i++) {
            char text[8];
            (void)snprintf(text, sizeof text, "%s", texts[i]);
            px_json json;
            px_json_object object;
            px_json_array array;
            px_json_open(&json, (uint8_t *)text, strlen(text));
            if (wanted == 0) {
                px_json_object_open(&json, &object);
                (void)px_json_field_next(&json, &object, NULL, 0);
            }
            if (wanted == 1) {
                px_json_array_open(&json, &array);
                (void)px_json_item_next(&json, &array);
            }
            if (wanted == 2) (void)px_json_read_string(&json);
            if (wanted == 3) (void)px_json_read_u64(&json, 1);
            if (wanted == 4) (void)px_json_read_bool(&json);
            if (wanted == 5) px_json_read_null(&json);
            assert_int_equal(px_json_end(&json), wanted == i ? PX_OK : PX_ERR_MALFORMED);
        }
    }
}

/* ---- objects ---- */

enum { NAME_A, NAME_TAG, NAME_S, NAME_COUNT };
static const char *const names[NAME_COUNT] = {"a", "tag", "s"};

typedef struct {
    px_err err;
    const char *fault, *field;
    uint64_t seen, a;
    char s[16];
} fields;

static fields read_fields(const char *text)
{
    uint8_t *const copy = exact_copy(text, strlen(text));
    fields read = {0};
    px_json json;
    px_json_object object;
    px_json_open(&json, copy, strlen(text));
    px_json_object_open(&json, &object);
    while (px_json_field_next(&json, &object, names, NAME_COUNT)) {
        if (object.field == NAME_A) {
            read.a = px_json_read_u64(&json, 100);
        } else if (object.field == NAME_S) {
            const px_bytes s = px_json_read_string(&json);
            assert_true(s.size_bytes < sizeof read.s);
            if (s.size_bytes > 0) memcpy(read.s, s.data, s.size_bytes);
        } else {
            px_json_skip(&json);
        }
    }
    px_json_object_require(&json, &object, 1u << NAME_A);
    read.err = px_json_end(&json);
    read.fault = json.fault;
    read.field = json.field;
    read.seen = object.seen;
    free(copy);
    return read;
}

static void object__known_fields_are_found_and_others_passed_over(void **state)
{
    (void)state;
    const fields read = read_fields("{\"x\":{\"a\":9},\"s\":\"t\\n\",\"aa\":[1],\"\":0,\"a\":7,\"x\":1}");
    assert_int_equal(read.err, PX_OK);
    assert_int_equal(read.seen, 1u << NAME_A | 1u << NAME_S);
    assert_int_equal(read.a, 7);
    assert_string_equal(read.s, "t\n");
}

static void object__an_escaped_key_is_the_same_key(void **state)
{
    (void)state;
    const fields read =
        read_fields("{\"\\u0061\":7,\"\\u0074a\\u0067\":1,"
                    "\"\\u0061aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":1,\"a\\u0000\":1}");
    assert_int_equal(read.err, PX_OK);
    assert_int_equal(read.seen, 1u << NAME_A | 1u << NAME_TAG);
    assert_int_equal(read_fields("{\"a\":1,\"\\u0061\":2}").err, PX_ERR_MALFORMED);
}

/* Where the key stands escaped it is kept in the object, as far as that has room. */
static void object__a_long_escaped_key_is_cut(void **state)
{
    (void)state;
    for (size_t length = 20; length < 50; length++) {
        char text[80] = "{\"\\n";
        memset(text + 4, 'a', length - 1);
        (void)memcpy(text + 3 + length, "\":1}", 5);
        px_json json;
        px_json_object object;
        px_bytes key;
        px_json_open(&json, (uint8_t *)text, length + 7);
        px_json_object_open(&json, &object);
        assert_true(px_json_key_next(&json, &object, &key));
        assert_int_equal(key.size_bytes,
                         length <= PX_JSON_KEY_BYTES_MAX ? length : PX_JSON_KEY_BYTES_MAX + 1);
        assert_int_equal(key.data[0], '\n');
        assert_true(length > PX_JSON_KEY_BYTES_MAX || key.data[key.size_bytes - 1] == 'a');
        px_json_skip(&json);
        assert_false(px_json_key_next(&json, &object, &key));
        assert_int_equal(px_json_end(&json), PX_OK);
    }
}

static void object__a_known_field_that_comes_twice_is_refused(void **state)
{
    (void)state;
    const fields read = read_fields("{\"a\":1,\"a\":1}");
    assert_int_equal(read.err, PX_ERR_MALFORMED);
    assert_string_equal(read.field, "a");
    assert_string_equal(read.fault, "a field comes twice");
}

static void object__a_missing_field_is_refused(void **state)
{
    (void)state;
    assert_int_equal(read_fields("{}").err, PX_ERR_MALFORMED);
    assert_int_equal(read_fields("{\"s\":\"\"}").err, PX_ERR_MALFORMED);
    assert_string_equal(read_fields("{\"s\":\"\"}").fault, "a field is missing");
}

static void object__a_fault_names_its_field_and_ends_every_loop(void **state)
{
    (void)state;
    const fields read = read_fields("{\"a\":\"1\",\"s\":\"x\"}");
    assert_int_equal(read.err, PX_ERR_MALFORMED);
    assert_string_equal(read.field, "a");
    assert_string_equal(read.s, "");
}

static void object__cut_short_anywhere_is_refused(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":7,\"tag\":{\"x\":[1,\"\\n\"]},\"s\":\"t\"}";
    char cut[sizeof text];
    for (size_t size_bytes = 0; size_bytes < sizeof text - 1; size_bytes++) {
        memcpy(cut, text, size_bytes);
        cut[size_bytes] = 0;
        assert_int_equal(read_fields(cut).err, PX_ERR_MALFORMED);
    }
    assert_int_equal(read_fields(text).err, PX_OK);
}

/* A caller that does not look at what it opened gets a fault, not silence. */
static void object__left_open_is_refused(void **state)
{
    (void)state;
    char text[] = "{";
    px_json json;
    px_json_object object;
    px_json_open(&json, (uint8_t *)text, 1);
    px_json_object_open(&json, &object);
    assert_int_equal(px_json_end(&json), PX_ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json__whatever_the_grammar_allows_is_taken),
        cmocka_unit_test(json__whatever_it_does_not_is_refused),
        cmocka_unit_test(json__numbers_that_are_none_are_refused),
        cmocka_unit_test(json__strings_that_are_none_are_refused),
        cmocka_unit_test(json__cut_short_anywhere_is_refused),
        cmocka_unit_test(json__nesting_ends_at_its_limit),
        cmocka_unit_test(json__nesting_counts_what_is_open_around),
        cmocka_unit_test(json__whole_numbers_are_read_up_to_their_limit),
        cmocka_unit_test(json__what_is_no_whole_number_is_refused_as_one),
        cmocka_unit_test(json__signed_numbers_are_read_to_both_ends),
        cmocka_unit_test(json__strings_are_unescaped_where_they_stand),
        cmocka_unit_test(json__a_special_byte_is_seen_at_every_place),
        cmocka_unit_test(json__base64_is_decoded_where_it_stands),
        cmocka_unit_test(json__a_raw_value_is_as_it_stands),
        cmocka_unit_test(json__peek_tells_what_comes),
        cmocka_unit_test(json__other_kinds_are_refused_where_one_is_wanted),
        cmocka_unit_test(object__known_fields_are_found_and_others_passed_over),
        cmocka_unit_test(object__an_escaped_key_is_the_same_key),
        cmocka_unit_test(object__a_long_escaped_key_is_cut),
        cmocka_unit_test(object__a_known_field_that_comes_twice_is_refused),
        cmocka_unit_test(object__a_missing_field_is_refused),
        cmocka_unit_test(object__a_fault_names_its_field_and_ends_every_loop),
        cmocka_unit_test(object__cut_short_anywhere_is_refused),
        cmocka_unit_test(object__left_open_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
