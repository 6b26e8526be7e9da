/* codec_bench.c - how fast messages become JSON and JSON becomes messages.
 *
 * Meaning    Each row is the best of many rounds, in megabytes of payload a second and microseconds a
 *            message. Decoding counts the copy into the buffer it destroys, as receiving does. The last rows
 *            weigh the form that spec.md leaves open: a batch as one base64 blob, or each payload as a string
 *            of its own.
 * Usage      test/bench/run-codec builds and runs it. */
// SPDX-License-Identifier: Apache-2.0
#include "codec/base64.h"
#include "codec/json.h"
#include "codec/json_writer.h"
#include "codec/message_parser.h"
#include "codec/utf8.h"
#include "codec/wire.h"
#include "paxos/batch.h"
#include "paxos/little_endian.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUND_US 200000.0
#define SPACE_BYTES (8u << 20)

/* What one row works on. */
typedef struct {
    uint8_t *body;
    size_t body_bytes;
    uint32_t count, length; /* payloads, and bytes of each */
    uint8_t *text, *copy;
    size_t text_bytes;
    uint64_t sum; /* keeps the work from being optimised away */
} bench_subject;

static double now_us(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) abort();
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

/* The best time of one call, in microseconds. */
static double measure(void (*work)(bench_subject *subject), bench_subject *subject)
{
    double best = 1e12;
    const double start = now_us();
    for (double at = start; at - start < ROUND_US;) {
        work(subject);
        const double end = now_us();
        if (end - at < best) best = end - at;
        at = end;
    }
    return best;
}

static void print_both(const char *name, bench_subject *subject, void (*encode)(bench_subject *subject),
                       void (*decode)(bench_subject *subject))
{
    const double payload_bytes = (double)subject->count * subject->length;
    const double encode_us = measure(encode, subject), decode_us = measure(decode, subject);
    char rates[2][16] = {"", ""};
    if (payload_bytes > 0) {
        (void)snprintf(rates[0], sizeof rates[0], "%.0f", payload_bytes / encode_us);
        (void)snprintf(rates[1], sizeof rates[1], "%.0f", payload_bytes / decode_us);
    }
    printf("| %-47s | %5zu | %5s | %6.2f | %5s | %6.2f |\n", name, subject->text_bytes / 1000, rates[0],
           encode_us, rates[1], decode_us);
}

/* ---- payloads ---- */

typedef enum { FILL_TEXT, FILL_ESCAPES, FILL_UTF8, FILL_RANDOM, FILL_ZERO } fill;

static void fill_payload(uint8_t *bytes, size_t size_bytes, fill how)
{
    for (size_t i = 0; i < size_bytes; i++) {
        const uint8_t letter = (uint8_t)('a' + (i * 7 + (size_t)rand()) % 26);
        bytes[i] = how == FILL_RANDOM ? (uint8_t)rand() : how == FILL_ESCAPES && i % 20 == 7 ? '"' : letter;
    }
    if (how == FILL_ZERO) memset(bytes, 0, size_bytes);
    for (size_t i = 0; how == FILL_UTF8 && i + 1 < size_bytes; i += 2) memcpy(bytes + i, "\xc3\xa9", 2);
}

static void make_body(bench_subject *subject, uint32_t count, uint32_t length, fill how)
{
    const px_run run = {
        .holder = 2, .sequence = 1, .count = count, .size_bytes = count * length, .origin = 1};
    subject->count = count;
    subject->length = length;
    subject->body_bytes = px_batch_size_bytes(1, count, (size_t)count * length);
    px_batch_put_header(subject->body, 1, count);
    px_batch_put_run(subject->body, 0, &run);
    uint8_t *at = subject->body + PX_BATCH_HEADER_BYTES + PX_RUN_HEADER_BYTES;
    for (uint32_t i = 0; i < count; i++, at += PX_LENGTH_BYTES) px_u32_store(at, length);
    fill_payload(at, (size_t)count * length, how);
}

/* ---- whole messages ---- */

static void encode_accept(bench_subject *subject)
{
    const px_entry entry = {.slot = 42,
                            .kind = PX_ENTRY_BATCH,
                            .message_count = subject->count,
                            .index_first = 1,
                            .stamp_ms = 1767225600123,
                            .body = {subject->body, subject->body_bytes}};
    px_wire wire = {.kind = PX_WIRE_CORE, .to = {1, 2}};
    wire.core.kind = PX_MESSAGE_ACCEPT;
    wire.core.ballot = (px_ballot){0, 8, 2};
    wire.core.log = (px_log_part){41, {1, 2}, 1, &entry};
    const size_t head_bytes = px_wire_head(wire.kind, wire.to, subject->text);
    subject->text_bytes = head_bytes + px_wire_encode(&wire, subject->text + head_bytes);
}

static void decode_wire(bench_subject *subject)
{
    static px_entry items[PX_WINDOW_SLOTS];
    const px_wire_entries entries = {items, PX_WINDOW_SLOTS};
    px_message_parser parser;
    px_wire wire;
    const char *fault = NULL;
    uint8_t *line;
    size_t line_bytes;
    memcpy(subject->copy, subject->text, subject->text_bytes);
    px_message_parser_init(&parser, NULL, 0, SPACE_BYTES);
    px_message_parser_feed(&parser, subject->copy, subject->text_bytes);
    if (px_message_parser_next(&parser, &line, &line_bytes) != PX_OK) abort();
    if (px_wire_decode(line, line_bytes, PX_MESSAGE_BYTES_DEFAULT, &entries, &wire, &fault) != PX_OK) abort();
    subject->sum += wire.kind == PX_WIRE_CORE && wire.core.log.count ? items[0].chain.low : 1;
}

static void encode_heartbeat(bench_subject *subject)
{
    px_wire wire = {.kind = PX_WIRE_CORE, .to = {1, 2}};
    wire.core.kind = PX_MESSAGE_HEARTBEAT;
    wire.core.round = 123456;
    wire.core.state = (px_node_state){{0, 9, 1}, {0, 8, 2}, 1, 1000043, 1000044, 1000041, {1, 2}};
    const size_t head_bytes = px_wire_head(wire.kind, wire.to, subject->text);
    subject->text_bytes = head_bytes + px_wire_encode(&wire, subject->text + head_bytes);
}

/* ---- parts ---- */

static void encode_base64(bench_subject *subject)
{
    px_base64_encode(subject->body, subject->body_bytes, subject->text);
    subject->text_bytes = px_base64_encoded_bytes(subject->body_bytes);
}

static void decode_base64(bench_subject *subject)
{
    size_t size_bytes = 0;
    memcpy(subject->copy, subject->text, subject->text_bytes);
    if (px_base64_decode(subject->copy, subject->text_bytes, &size_bytes) != PX_OK) abort();
    subject->sum += size_bytes;
}

/* ---- the other form: each payload a string, where it is UTF-8, else base64 ---- */

static void encode_strings(bench_subject *subject)
{
    px_json_writer writer;
    px_json_writer_init(&writer, subject->text, SPACE_BYTES);
    px_json_write_array_open(&writer);
    const uint8_t *payload = subject->body + subject->body_bytes - (size_t)subject->count * subject->length;
    for (uint32_t i = 0; i < subject->count; i++, payload += subject->length) {
        const bool is_text = px_utf8_is_valid(payload, subject->length);
        px_json_write_object_open(&writer);
        px_json_write_key(&writer, is_text ? "data" : "b64");
        if (is_text) {
            px_json_write_string(&writer, (px_bytes){payload, subject->length});
        } else {
            px_json_write_base64(&writer, (px_bytes){payload, subject->length});
        }
        px_json_write_object_close(&writer);
    }
    px_json_write_array_close(&writer);
    if (writer.is_full) abort();
    subject->text_bytes = px_json_writer_bytes(&writer);
}

static void decode_strings(bench_subject *subject)
{
    static const char *const names[] = {"data", "b64"};
    px_json json;
    px_json_array array;
    memcpy(subject->copy, subject->text, subject->text_bytes);
    px_json_open(&json, subject->copy, subject->text_bytes);
    px_json_array_open(&json, &array);
    /* The body is put together again: it is what goes to disk and into the hash. */
    uint8_t *payload = subject->body + subject->body_bytes - (size_t)subject->count * subject->length;
    while (px_json_item_next(&json, &array)) {
        px_json_object object;
        px_json_object_open(&json, &object);
        while (px_json_field_next(&json, &object, names, 2)) {
            const px_bytes read = object.field == 0 ? px_json_read_string(&json) : px_json_read_base64(&json);
            memcpy(payload, read.data, read.size_bytes);
            payload += read.size_bytes;
        }
    }
    if (px_json_end(&json) != PX_OK) abort();
    const px_hash hash = px_hash_of(subject->body, subject->body_bytes);
    subject->sum += hash.low;
}

int main(void)
{
    bench_subject subject = {0};
    subject.body = malloc(SPACE_BYTES);
    subject.text = malloc(SPACE_BYTES);
    subject.copy = malloc(SPACE_BYTES);
    if (!subject.body || !subject.text || !subject.copy) abort();
    memset(subject.copy, 0, SPACE_BYTES);

    printf("| what | kB of JSON | write MB/s | us | read MB/s | us |\n|---|---|---|---|---|---|\n");
    make_body(&subject, 1024, 256, FILL_RANDOM);
    print_both("base64 alone, 256 KiB", &subject, encode_base64, decode_base64);
    print_both("accept, 1,024 x 256 B", &subject, encode_accept, decode_wire);
    make_body(&subject, 64, 256, FILL_RANDOM);
    print_both("accept, 64 x 256 B", &subject, encode_accept, decode_wire);
    make_body(&subject, 1, 300, FILL_RANDOM);
    print_both("accept, 1 x 300 B", &subject, encode_accept, decode_wire);
    make_body(&subject, 1, 1u << 20, FILL_RANDOM);
    print_both("accept, 1 x 1 MiB", &subject, encode_accept, decode_wire);
    subject.count = 0;
    print_both("heartbeat", &subject, encode_heartbeat, decode_wire);

    static const char *const names[] = {"text", "text, 5 % escapes", "UTF-8 of two bytes", "random bytes",
                                        "zero bytes"};
    for (uint32_t how = FILL_TEXT; how <= FILL_ZERO; how++) {
        char name[64];
        make_body(&subject, 1024, 256, (fill)how);
        (void)snprintf(name, sizeof name, "as blob, 1,024 x 256 B of %s", names[how]);
        print_both(name, &subject, encode_accept, decode_wire);
        (void)snprintf(name, sizeof name, "as strings, 1,024 x 256 B of %s", names[how]);
        print_both(name, &subject, encode_strings, decode_strings);
    }
    free(subject.body);
    free(subject.text);
    free(subject.copy);
    return subject.sum == 0;
}
