/* json_writer_test.c - commas, escapes and the end of the space. */
// SPDX-License-Identifier: Apache-2.0
#include "codec/json_writer.h"

#include "codec/json.h"
#include "exact.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void assert_written(const px_json_writer *writer, const char *text)
{
    assert_false(writer->is_full);
    assert_int_equal(px_json_writer_bytes(writer), strlen(text));
    assert_memory_equal(writer->start, text, strlen(text));
}

/* Writes something of everything. */
static void write_all(px_json_writer *writer)
{
    px_json_write_object_open(writer);
    px_json_write_key(writer, "numbers");
    px_json_write_array_open(writer);
    px_json_write_u64(writer, 0);
    px_json_write_u64(writer, UINT64_MAX);
    px_json_write_i64(writer, -1);
    px_json_write_i64(writer, INT64_MIN);
    px_json_write_i64(writer, INT64_MAX);
    px_json_write_array_close(writer);
    px_json_write_key(writer, "words");
    px_json_write_array_open(writer);
    px_json_write_bool(writer, true);
    px_json_write_bool(writer, false);
    px_json_write_null(writer);
    px_json_write_array_close(writer);
    px_json_write_key(writer, "text");
    px_json_write_text(writer, "a\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9");
    px_json_write_key(writer, "empty");
    px_json_write_string(writer, (px_bytes){0});
    px_json_write_key(writer, "bytes");
    px_json_write_base64(writer, (px_bytes){(const uint8_t *)"foob", 4});
    px_json_write_key(writer, "id");
    px_json_write_hex(writer, 0xab);
    px_json_write_key(writer, "hash");
    px_json_write_hash(writer, (px_hash){1, 2});
    px_json_write_key(writer, "tag");
    px_json_write_raw(writer, (px_bytes){(const uint8_t *)"{\"x\":[]}", 8});
    px_json_write_key(writer, "none");
    px_json_write_array_open(writer);
    px_json_write_array_close(writer);
    px_json_write_object_close(writer);
    px_json_write_line_end(writer, "\r\n");
}

static const char all_text[] =
    "{\"numbers\":[0,18446744073709551615,-1,-9223372036854775808,9223372036854775807],"
    "\"words\":[true,false,null],"
    "\"text\":\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\",\"empty\":\"\","
    "\"bytes\":\"Zm9vYg==\",\"id\":\"00000000000000ab\","
    "\"hash\":\"00000000000000010000000000000002\",\"tag\":{\"x\":[]},\"none\":[]}\r\n";

static void writer__writes_everything_with_its_commas(void **state)
{
    (void)state;
    uint8_t space[512];
    px_json_writer writer;
    px_json_writer_init(&writer, space, sizeof space);
    write_all(&writer);
    assert_written(&writer, all_text);
}

static void writer__in_any_smaller_space_turns_full_and_stays_inside(void **state)
{
    (void)state;
    for (size_t space_bytes = 0; space_bytes <= sizeof all_text - 1; space_bytes++) {
        uint8_t *const space = malloc(space_bytes);
        px_json_writer writer;
        px_json_writer_init(&writer, space, space_bytes);
        write_all(&writer);
        assert_int_equal(writer.is_full, space_bytes < sizeof all_text - 1);
        free(space);
    }
}

static void writer__begins_the_next_line_without_a_comma(void **state)
{
    (void)state;
    uint8_t space[64];
    px_json_writer writer;
    px_json_writer_init(&writer, space, sizeof space);
    for (uint64_t i = 1; i <= 3; i++) {
        px_json_write_object_open(&writer);
        px_json_write_key(&writer, "n");
        px_json_write_u64(&writer, i);
        px_json_write_object_close(&writer);
        px_json_write_line_end(&writer, "\n");
    }
    assert_written(&writer, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
}

/* Brackets and colons inside strings must not be taken for structure. */
static void writer__a_string_that_ends_like_a_bracket_is_followed_by_a_comma(void **state)
{
    (void)state;
    uint8_t space[64];
    px_json_writer writer;
    px_json_writer_init(&writer, space, sizeof space);
    px_json_write_array_open(&writer);
    px_json_write_text(&writer, "[");
    px_json_write_text(&writer, "{");
    px_json_write_text(&writer, ":");
    px_json_write_text(&writer, "\n");
    px_json_write_array_close(&writer);
    assert_written(&writer, "[\"[\",\"{\",\":\",\"\\n\"]");
}

static void writer__every_byte_of_ascii_comes_back_through_the_reader(void **state)
{
    (void)state;
    for (size_t size_bytes = 0; size_bytes < 300; size_bytes++) {
        uint8_t text[300], space[6 * 300 + 2];
        for (size_t i = 0; i < size_bytes; i++) text[i] = (uint8_t)((i + size_bytes) % 128);
        px_json_writer writer;
        px_json_writer_init(&writer, space, PX_JSON_STRING_BYTES_MAX(size_bytes));
        px_json_write_string(&writer, (px_bytes){text, size_bytes});
        assert_false(writer.is_full);
        for (size_t i = 0; i < px_json_writer_bytes(&writer); i++) assert_true(space[i] >= 0x20);
        px_json json;
        px_json_open(&json, space, px_json_writer_bytes(&writer));
        const px_bytes read = px_json_read_string(&json);
        assert_int_equal(px_json_end(&json), PX_OK);
        assert_int_equal(read.size_bytes, size_bytes);
        if (size_bytes > 0) assert_memory_equal(read.data, text, size_bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writer__writes_everything_with_its_commas),
        cmocka_unit_test(writer__in_any_smaller_space_turns_full_and_stays_inside),
        cmocka_unit_test(writer__begins_the_next_line_without_a_comma),
        cmocka_unit_test(writer__a_string_that_ends_like_a_bracket_is_followed_by_a_comma),
        cmocka_unit_test(writer__every_byte_of_ascii_comes_back_through_the_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
