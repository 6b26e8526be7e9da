/* format_test.c - whatever the pieces in which bytes come, the messages are the same. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "local/format.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT 64u
#define STREAM_BYTES 8192u

/* What came of a stream: sizes and bytes of its messages, and how many were dropped. */
typedef struct {
    char text[4 * STREAM_BYTES];
    size_t size;
    unsigned messages, dropped;
} outcome;

static void note(outcome *out, const px_cut *cut)
{
    if (cut->kind == PX_CUT_DROPPED) out->dropped++;
    if (cut->kind != PX_CUT_MESSAGE) return;
    out->messages++;
    out->size += (size_t)snprintf(out->text + out->size, 32, "%zu:", cut->message.size_bytes);
    if (cut->message.size_bytes) memcpy(out->text + out->size, cut->message.data, cut->message.size_bytes);
    out->size += cut->message.size_bytes;
}

/* Feeds a stream in pieces of 1 to `most` bytes, as in_pipe.c does. */
static void feed(const px_format *format, const uint8_t *stream, size_t size, size_t most, outcome *out)
{
    px_framing framing = {0};
    uint8_t *space = malloc(size + 1);
    size_t start = 0, end = 0;
    assert_non_null(space);
    memset(out, 0, sizeof *out);
    for (size_t at = 0; at <= size;) {
        const bool is_end = at == size;
        size_t piece = 1 + (size_t)rand() % most;
        if (piece > size - at) piece = size - at;
        memcpy(space + end, stream + at, piece);
        at += is_end ? 1 : piece;
        end += piece;
        for (;;) {
            const px_cut cut = format->cut(&framing, space + start, end - start, is_end, LIMIT);
            if (cut.kind == PX_CUT_MORE) break;
            assert_true(cut.used_bytes > 0 && cut.used_bytes <= end - start);
            note(out, &cut);
            start += cut.used_bytes;
        }
        assert_true(end - start <= format->frame_bytes_max(LIMIT));
        if (is_end) assert_int_equal(start, end);
    }
    assert_int_equal(framing.looked, 0);
    assert_int_equal(framing.skip_bytes, 0);
    assert_false(framing.skip_line);
    free(space);
}

static size_t random_lines(uint8_t *stream)
{
    size_t size = 0;
    while (size < STREAM_BYTES - 300) {
        const size_t length = rand() % 5 ? (size_t)rand() % 20 : (size_t)rand() % 200;
        for (size_t i = 0; i < length; i++) stream[size++] = (uint8_t)(rand() % 2 ? 'a' : '\r');
        stream[size++] = '\n';
    }
    return size - (size_t)rand() % 2; /* with and without the last newline */
}

static size_t random_frames(uint8_t *stream)
{
    size_t size = 0;
    while (size < STREAM_BYTES - 300) {
        const size_t length = rand() % 5 ? (size_t)rand() % 20 : (size_t)rand() % 200;
        memset(stream + size, 0, 4);
        stream[size + 3] = (uint8_t)length;
        size += 4;
        for (size_t i = 0; i < length; i++) stream[size++] = (uint8_t)rand();
    }
    return size - (size_t)rand() % 3;
}

static size_t random_objects(uint8_t *stream)
{
    static const char *const lines[] = {
        "{\"data\":\"plain\"}\n",
        "{\"index\":3,\"b64\":\"AAEC\",\"time\":[1,{}]}\n",
        "{\"data\":\"\\u00e4\\n\"}\n",
        "{\"data\":}\n",
        "\n",
        "{\"data\":\"\"}\r\n",
        "{\"datum\":\"plain\"}\n",
        "{\"data\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}\n"};
    size_t size = 0;
    while (size < STREAM_BYTES - 300) {
        const char *line = lines[rand() % 8];
        memcpy(stream + size, line, strlen(line));
        size += strlen(line);
    }
    return size - (size_t)rand() % 2;
}

static void check_format(const px_format *format, size_t (*make)(uint8_t *stream))
{
    static uint8_t stream[STREAM_BYTES];
    static outcome whole, pieces;
    srand(3);
    for (int round = 0; round < 50; round++) {
        const size_t size = make(stream);
        feed(format, stream, size, size, &whole);
        assert_true(whole.messages > 10);
        assert_true(whole.dropped > 0);
        for (size_t most = 1; most < 400; most = 2 * most + 1) {
            feed(format, stream, size, most, &pieces);
            assert_int_equal(pieces.messages, whole.messages);
            assert_int_equal(pieces.dropped, whole.dropped);
            assert_int_equal(pieces.size, whole.size);
            assert_memory_equal(pieces.text, whole.text, whole.size);
        }
    }
}

static void lines_are_the_same_in_any_pieces(void **state)
{
    (void)state;
    check_format(&px_format_line, random_lines);
}

static void frames_are_the_same_in_any_pieces(void **state)
{
    (void)state;
    check_format(&px_format_length, random_frames);
}

static void objects_are_the_same_in_any_pieces(void **state)
{
    (void)state;
    check_format(&px_format_json, random_objects);
}

static void what_is_put_is_what_is_cut(void **state)
{
    (void)state;
    static const px_format *const formats[] = {&px_format_line, &px_format_json, &px_format_length};
    static uint8_t payload[LIMIT], space[8 * LIMIT + 512];
    srand(5);
    for (int round = 0; round < 3000; round++) {
        const px_format *format = formats[round % 3];
        const size_t size = (size_t)rand() % (LIMIT + 1);
        for (size_t i = 0; i < size; i++) payload[i] = (uint8_t)(rand() % 3 ? rand() % 32 : rand());
        for (size_t i = 0; i < size && format == &px_format_line; i++)
            if (payload[i] == '\n') payload[i] = 0;
        const px_letter letter = {.index = UINT64_MAX,
                                  .stamp_ms = UINT64_MAX,
                                  .from = "a.example",
                                  .payload = {payload, size}};
        assert_true(format->put_bytes_max(&letter) <= sizeof space);
        const size_t put = format->put(&letter, space);
        assert_true(put <= format->put_bytes_max(&letter));
        px_framing framing = {0};
        const px_cut cut = format->cut(&framing, space, put, false, LIMIT);
        assert_int_equal(cut.kind, PX_CUT_MESSAGE);
        assert_int_equal(cut.used_bytes, put);
        assert_int_equal(cut.message.size_bytes, size);
        if (size) assert_memory_equal(cut.message.data, payload, size);
    }
}

static void missing_bytes_never_reach_beyond_the_message(void **state)
{
    (void)state;
    px_framing framing = {0};
    const uint8_t frame[] = {0, 0, 1, 2, 'x'};
    assert_int_equal(px_format_length.missing_bytes(&framing, frame, 0), 4);
    assert_int_equal(px_format_length.missing_bytes(&framing, frame, 3), 1);
    assert_int_equal(px_format_length.missing_bytes(&framing, frame, 5), 257);
    framing.skip_bytes = 9;
    assert_int_equal(px_format_length.missing_bytes(&framing, frame, 0), 9);
    assert_int_equal(px_format_line.missing_bytes(&framing, frame, 5), 1);
    assert_int_equal(px_format_json.missing_bytes(&framing, frame, 5), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_the_same_in_any_pieces),
        cmocka_unit_test(frames_are_the_same_in_any_pieces),
        cmocka_unit_test(objects_are_the_same_in_any_pieces),
        cmocka_unit_test(what_is_put_is_what_is_cut),
        cmocka_unit_test(missing_bytes_never_reach_beyond_the_message),
    };
    return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
