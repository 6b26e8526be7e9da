/* message_parser_test.c - the same lines come out however the bytes come in. */
// SPDX-License-Identifier: Apache-2.0
#include "codec/message_parser.h"

#include "base/prng.h"
#include "exact.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char stream[] = "{\"a\":1}\r\n\r\n\n{\"b\":2}\r{\"c\":3}\n\n\n\rlast\r\n";
#define STREAM_BYTES (sizeof stream - 1)
static const char *const lines[] = {"{\"a\":1}", "{\"b\":2}", "{\"c\":3}", "last"};
#define LINES 4u

/* A parser with growing space, and what it has given so far. */
typedef struct {
    px_message_parser parser;
    uint32_t count;
    size_t bytes;
} line_taker;

/* Gives it bytes in a block of their size, and takes all lines; they are compared with `lines` and written
 * over. */
static px_err take_lines(line_taker *taker, const char *bytes, size_t size_bytes)
{
    uint8_t *const copy = exact_copy(bytes, size_bytes);
    px_message_parser *const parser = &taker->parser;
    px_message_parser_feed(parser, copy, size_bytes);
    for (;;) {
        uint8_t *line = NULL;
        size_t line_bytes = 0;
        const px_err err = px_message_parser_next(parser, &line, &line_bytes);
        if (err == PX_OK) {
            assert_true(taker->count < LINES);
            assert_int_equal(line_bytes, strlen(lines[taker->count]));
            assert_memory_equal(line, lines[taker->count], line_bytes);
            memset(line, 'X', line_bytes);
            taker->count++;
            taker->bytes += line_bytes;
        } else if (err == PX_ERR_NO_SPACE) {
            const size_t needs = px_message_parser_needs(parser);
            assert_true(needs > parser->space_bytes);
            parser->space = realloc(parser->space, needs);
            assert_non_null(parser->space);
            parser->space_bytes = needs;
        } else {
            free(copy);
            return err;
        }
    }
}

static void parser__any_two_cuts_give_the_same_lines(void **state)
{
    (void)state;
    for (size_t first = 0; first <= STREAM_BYTES; first++) {
        for (size_t second = first; second <= STREAM_BYTES; second++) {
            line_taker taker = {0};
            px_message_parser_init(&taker.parser, NULL, 0, 16);
            assert_int_equal(take_lines(&taker, stream, first), PX_ERR_MORE);
            assert_int_equal(take_lines(&taker, stream + first, second - first), PX_ERR_MORE);
            assert_int_equal(take_lines(&taker, stream + second, STREAM_BYTES - second), PX_ERR_MORE);
            assert_int_equal(taker.count, LINES);
            free(taker.parser.space);
        }
    }
}

static void parser__byte_by_byte_gives_the_same_lines(void **state)
{
    (void)state;
    line_taker taker = {0};
    px_message_parser_init(&taker.parser, NULL, 0, 16);
    for (size_t i = 0; i < STREAM_BYTES; i++)
        assert_int_equal(take_lines(&taker, stream + i, 1), PX_ERR_MORE);
    assert_int_equal(taker.count, LINES);
    free(taker.parser.space);
}

static void parser__a_whole_line_is_handed_out_where_it_came(void **state)
{
    (void)state;
    uint8_t bytes[] = "first\r\nsecond\r\n";
    px_message_parser parser;
    px_message_parser_init(&parser, NULL, 0, 100);
    px_message_parser_feed(&parser, bytes, sizeof bytes - 1);
    uint8_t *line = NULL;
    size_t size_bytes = 0;
    assert_int_equal(px_message_parser_next(&parser, &line, &size_bytes), PX_OK);
    assert_ptr_equal(line, bytes);
    assert_int_equal(size_bytes, 5);
    assert_int_equal(px_message_parser_next(&parser, &line, &size_bytes), PX_OK);
    assert_ptr_equal(line, bytes + 7);
    assert_int_equal(size_bytes, 6);
    assert_int_equal(px_message_parser_next(&parser, &line, &size_bytes), PX_ERR_MORE);
}

static void parser__an_unfinished_line_waits_for_its_end(void **state)
{
    (void)state;
    line_taker taker = {0};
    px_message_parser_init(&taker.parser, NULL, 0, 100);
    assert_int_equal(take_lines(&taker, "{\"a\":", 5), PX_ERR_MORE);
    assert_int_equal(taker.count, 0);
    assert_int_equal(taker.parser.used_bytes, 5);
    assert_int_equal(take_lines(&taker, "", 0), PX_ERR_MORE);
    assert_int_equal(take_lines(&taker, "1}\r", 3), PX_ERR_MORE);
    assert_int_equal(taker.count, 1);
    assert_int_equal(take_lines(&taker, "\n{\"b\":2}\r", 9), PX_ERR_MORE);
    assert_int_equal(taker.count, 2);
    free(taker.parser.space);
}

/* A line of exactly the limit passes; one byte more is refused, whether its end has come or not, however it
 * comes. */
static void parser__a_line_over_the_limit_is_refused(void **state)
{
    (void)state;
    static const char text[] = "12345678\r\n123456789\r\n";
    for (size_t cut = 0; cut < sizeof text; cut++) {
        uint8_t *const head = exact_copy(text, cut), *const rest =
                                                         exact_copy(text + cut, sizeof text - 1 - cut);
        uint8_t space[8];
        px_message_parser parser;
        px_message_parser_init(&parser, space, sizeof space, 8);
        uint32_t count = 0;
        px_err err = PX_OK;
        for (uint32_t part = 0; part < 2 && err != PX_ERR_OVERSIZE; part++) {
            px_message_parser_feed(&parser, part == 0 ? head : rest, part == 0 ? cut : sizeof text - 1 - cut);
            uint8_t *line;
            size_t size_bytes;
            while ((err = px_message_parser_next(&parser, &line, &size_bytes)) == PX_OK) {
                assert_int_equal(size_bytes, 8);
                count++;
            }
        }
        assert_int_equal(err, PX_ERR_OVERSIZE);
        assert_int_equal(count, 1);
        free(head);
        free(rest);
    }
}

static void parser__asks_for_space_only_as_much_as_the_limit(void **state)
{
    (void)state;
    uint8_t bytes[1000];
    memset(bytes, 'a', sizeof bytes);
    uint8_t *space = NULL;
    px_message_parser parser;
    px_message_parser_init(&parser, NULL, 0, 2500);
    uint8_t *line;
    size_t size_bytes;
    for (size_t given = 0; given < 2500; given += 100) {
        px_message_parser_feed(&parser, bytes, 100);
        px_err err = px_message_parser_next(&parser, &line, &size_bytes);
        if (err == PX_ERR_NO_SPACE) {
            const size_t needs = px_message_parser_needs(&parser);
            assert_true(needs >= given + 100 && needs <= 2500);
            space = realloc(space, needs);
            assert_non_null(space);
            parser.space = space;
            parser.space_bytes = needs;
            err = px_message_parser_next(&parser, &line, &size_bytes);
        }
        assert_int_equal(err, PX_ERR_MORE);
    }
    assert_int_equal(parser.used_bytes, 2500);
    px_message_parser_feed(&parser, bytes, 1);
    assert_int_equal(px_message_parser_next(&parser, &line, &size_bytes), PX_ERR_OVERSIZE);
    free(space);
}

/* Long lines of either end, so that the search for the end goes through many strides. */
static void parser__long_lines_of_either_end_come_whole(void **state)
{
    (void)state;
    px_prng prng;
    px_prng_init(&prng, 1);
    for (uint32_t round = 0; round < 200; round++) {
        const size_t first = (size_t)px_prng_below(&prng, 300000),
                     second = (size_t)px_prng_below(&prng, 3000) + 1;
        uint8_t *const bytes = malloc(first + second + 2);
        assert_non_null(bytes);
        memset(bytes, 'a', first + second + 2);
        bytes[first] = round % 2 ? '\r' : '\n';
        bytes[first + 1 + second] = round % 4 < 2 ? '\r' : '\n';
        px_message_parser parser;
        px_message_parser_init(&parser, NULL, 0, SIZE_MAX);
        px_message_parser_feed(&parser, bytes, first + second + 2);
        uint8_t *line = NULL;
        size_t size_bytes = 0;
        if (first > 0) {
            assert_int_equal(px_message_parser_next(&parser, &line, &size_bytes), PX_OK);
            assert_int_equal(size_bytes, first);
        }
        assert_int_equal(px_message_parser_next(&parser, &line, &size_bytes), PX_OK);
        assert_int_equal(size_bytes, second);
        assert_int_equal(px_message_parser_next(&parser, &line, &size_bytes), PX_ERR_MORE);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parser__any_two_cuts_give_the_same_lines),
        cmocka_unit_test(parser__byte_by_byte_gives_the_same_lines),
        cmocka_unit_test(parser__a_whole_line_is_handed_out_where_it_came),
        cmocka_unit_test(parser__an_unfinished_line_waits_for_its_end),
        cmocka_unit_test(parser__a_line_over_the_limit_is_refused),
        cmocka_unit_test(parser__asks_for_space_only_as_much_as_the_limit),
        cmocka_unit_test(parser__long_lines_of_either_end_come_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
