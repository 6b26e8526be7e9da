/* wire_test.c - every message comes back as it was, whatever the order of its fields. */
// SPDX-License-Identifier: Apache-2.0
#include "codec/wire.h"

#include "exact.h"
#include "paxos/batch.h"
#include "paxos/little_endian.h"
#include "wire_examples.h"
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

/* Is the message the same as it would be written? */
static void assert_written_as(const px_wire *wire, const uint8_t *line, size_t size_bytes)
{
    size_t again_bytes = 0;
    uint8_t *const again = wire_line(wire, &again_bytes);
    assert_int_equal(again_bytes, size_bytes);
    assert_memory_equal(again, line, size_bytes);
    free(again);
}

static void wire__every_type_comes_back_as_it_was(void **state)
{
    (void)state;
    for (uint32_t place = 0; place < WIRE_EXAMPLES; place++) {
        const px_wire wire = wire_example(place);
        size_t size_bytes;
        uint8_t *const line = wire_line(&wire, &size_bytes);
        px_wire read;
        assert_int_equal(wire_decode_copy(line, size_bytes, &read), PX_OK);
        assert_int_equal(read.kind, wire.kind);
        assert_string_equal(px_wire_type(&read), px_wire_type(&wire));
        assert_written_as(&read, line, size_bytes);
        free(line);
    }
}

static bool are_states_equal(const px_node_state *a, const px_node_state *b)
{
    return px_ballot_equal(a->promised, b->promised) && px_ballot_equal(a->accepted, b->accepted) &&
           a->cuts == b->cuts && a->durable == b->durable && a->taken == b->taken && a->chosen == b->chosen &&
           px_hash_equal(a->chosen_chain, b->chosen_chain) && a->claimed == b->claimed &&
           a->is_quiet == b->is_quiet;
}

/* The fields of a core's messages that the table does not name stay zero; those that it names are the
 * sender's. */
static void wire__a_cores_message_has_the_fields_it_was_sent_with(void **state)
{
    (void)state;
    for (uint32_t place = 0; place < PX_MESSAGE_KINDS; place++) {
        const px_wire wire = wire_example(place);
        size_t size_bytes;
        uint8_t *const line = wire_line(&wire, &size_bytes);
        px_wire read;
        assert_int_equal(wire_decode_copy(line, size_bytes, &read), PX_OK);
        const px_message *const sent = &wire.core, *const got = &read.core;
        assert_int_equal(got->kind, place + 1);
        assert_true(read.to.storage_id == wire.to.storage_id && read.to.run == wire.to.run);
        assert_true(px_ballot_equal(got->ballot, sent->ballot));
        assert_true(are_states_equal(&got->state, &sent->state));
        assert_true(got->round == sent->round && got->probe == sent->probe && got->served == sent->served);
        assert_true(px_ballot_equal(got->leads, sent->leads) && px_ballot_equal(got->follows, sent->follows));
        assert_true(got->disk == sent->disk && got->above == sent->above);
        assert_int_equal(got->log.after, sent->log.after);
        assert_int_equal(got->log.count, sent->log.count);
        assert_true(px_hash_equal(got->log.after_chain, sent->log.after_chain));
        free(line);
    }
}

static void wire__entries_come_back_with_hashes_computed(void **state)
{
    (void)state;
    const px_wire wire = wire_example(PX_MESSAGE_SYNC - 1);
    size_t size_bytes;
    uint8_t *const line = wire_line(&wire, &size_bytes);
    px_wire read;
    assert_int_equal(wire_decode_copy(line, size_bytes, &read), PX_OK);
    px_hash chain = wire.core.log.after_chain;
    for (uint32_t i = 0; i < 2; i++) {
        px_entry sent = wire.core.log.entries[i];
        const px_entry *const got = &read.core.log.entries[i];
        assert_int_equal(got->slot, sent.slot);
        assert_int_equal(got->kind, sent.kind);
        assert_int_equal(got->message_count, sent.message_count);
        assert_int_equal(got->index_first, sent.index_first);
        assert_int_equal(got->stamp_ms, sent.stamp_ms);
        assert_int_equal(got->body.size_bytes, sent.body.size_bytes);
        assert_memory_equal(got->body.data, sent.body.data, sent.body.size_bytes);
        sent.body_hash = px_hash_of(sent.body.data, sent.body.size_bytes);
        chain = px_entry_chain(chain, &sent);
        assert_true(px_hash_equal(got->body_hash, sent.body_hash));
        assert_true(px_hash_equal(got->chain, chain));
    }
    free(line);
}

static void wire__hello_has_the_fields_it_was_sent_with(void **state)
{
    (void)state;
    const px_wire wire = wire_example(PX_MESSAGE_KINDS);
    size_t size_bytes;
    uint8_t *const line = wire_line(&wire, &size_bytes);
    px_wire read;
    assert_int_equal(wire_decode_copy(line, size_bytes, &read), PX_OK);
    const px_wire_hello *const hello = &read.hello;
    assert_int_equal(hello->major, PX_PROTOCOL_MAJOR);
    assert_int_equal(hello->minor, PX_PROTOCOL_MINOR);
    assert_int_equal(hello->id.size_bytes, 11);
    assert_memory_equal(hello->id.data, "px1.example", 11);
    assert_true(hello->incarnation.storage_id == 0x5eed000000000001 && hello->incarnation.run == 3);
    assert_int_equal(hello->connection, 5);
    assert_int_equal(hello->message_bytes_max, WIRE_EXAMPLE_MESSAGE_BYTES_MAX);
    assert_int_equal(hello->cluster_id.size_bytes, 32);
    assert_int_equal(hello->roster, PX_ROSTER_WRITTEN);
    assert_int_equal(hello->member_count, 3);
    assert_memory_equal(hello->members[1].name.data, "px2.example", 11);
    assert_true(hello->members[1].storage_id == 0x5eed000000000002);
    assert_true(px_ballot_equal(hello->remembered_promised, wire.hello.remembered_promised));
    assert_true(px_ballot_equal(hello->remembered_accepted, wire.hello.remembered_accepted));
    assert_int_equal(hello->remembered_cuts, 1);
    assert_int_equal(hello->remembered_length, 43);
    assert_true(hello->remembered_storage_id == 0x5eed000000000002);
    free(line);
}

static void wire__head_names_the_addressee(void **state)
{
    (void)state;
    uint8_t head[PX_WIRE_HEAD_BYTES_MAX];
    const px_incarnation to = {.storage_id = UINT64_MAX, .run = PX_NUMBER_END - 1};
    size_t size_bytes = px_wire_head(PX_WIRE_PING, to, head);
    static const char wanted[] = "{\"to\":\"ffffffffffffffff-4611686018427387903\",";
    assert_int_equal(size_bytes, sizeof wanted - 1);
    assert_memory_equal(head, wanted, size_bytes);
    size_bytes = px_wire_head(PX_WIRE_HELLO, to, head);
    assert_int_equal(size_bytes, 1);
    assert_memory_equal(head, "{", 1);
    px_wire read;
    static const char ping[] =
        "{\"to\":\"ffffffffffffffff-4611686018427387903\",\"type\":\"ping\",\"number\":0}";
    assert_int_equal(wire_decode_copy(ping, sizeof ping - 1, &read), PX_OK);
    assert_true(read.to.storage_id == UINT64_MAX && read.to.run == PX_NUMBER_END - 1);
}

static void wire__fields_may_come_in_any_order_and_among_others(void **state)
{
    (void)state;
    for (uint32_t place = 0; place < WIRE_EXAMPLES; place++) {
        const px_wire wire = wire_example(place);
        size_t size_bytes;
        uint8_t *const line = wire_line(&wire, &size_bytes);
        json_t *const object = json_loadb((const char *)line, size_bytes, 0, NULL);
        assert_non_null(object);
        json_object_set_new(object, "a field of a newer version", json_pack("{s:[i,n,{}]}", "x", 1));
        json_object_set_new(object, "zz", json_string("\n"));
        json_t *const state_object = json_object_get(object, "state");
        if (state_object) json_object_set_new(state_object, "newer", json_real(0.5));
        char *const sorted = json_dumps(object, JSON_SORT_KEYS | JSON_INDENT(1));
        char *const backwards = malloc(2 * strlen(sorted) + 3);
        assert_non_null(backwards);

        px_wire read;
        assert_int_equal(wire_decode_copy(sorted, strlen(sorted), &read), PX_OK);
        assert_written_as(&read, line, size_bytes);
        size_t used = 0;
        const char *key;
        json_t *value;
        json_object_foreach(object, key, value)
        {
            char *const one = json_dumps(value, JSON_ENCODE_ANY | JSON_ESCAPE_SLASH);
            const size_t one_bytes = strlen(key) + strlen(one) + 4;
            memmove(backwards + one_bytes, backwards, used);
            (void)memcpy(backwards, ",\"", 2);
            (void)memcpy(backwards + 2, key, strlen(key));
            (void)memcpy(backwards + 2 + strlen(key), "\":", 2);
            (void)memcpy(backwards + 4 + strlen(key), one, strlen(one));
            used += one_bytes;
            free(one);
        }
        backwards[0] = '{';
        backwards[used++] = '}';
        assert_int_equal(wire_decode_copy(backwards, used, &read), PX_OK);
        assert_written_as(&read, line, size_bytes);
        free(backwards);
        free(sorted);
        json_decref(object);
        free(line);
    }
}

static void wire__a_type_of_a_newer_version_is_told_apart(void **state)
{
    (void)state;
    px_wire read;
    static const char line[] =
        "{\"to\":\"5eed000000000002-4\",\"type\":\"gossip\",\"ballot\":\"of another kind\"}";
    assert_int_equal(wire_decode_copy(line, sizeof line - 1, &read), PX_OK);
    assert_int_equal(read.kind, PX_WIRE_UNKNOWN);
    assert_true(read.to.storage_id == 0x5eed000000000002 && read.to.run == 4);
    assert_string_equal(px_wire_type(&read), "unknown");
    assert_true(wire_is_refused("{\"to\":\"5eed000000000002\",\"type\":\"gossip\"}"));
    assert_true(wire_is_refused("{\"type\":\"gossip\",\"x\":tru}"));
}

static void wire__a_hello_of_another_major_version_says_only_that(void **state)
{
    (void)state;
    px_wire read;
    static const char line[] = "{\"type\":\"hello\",\"id\":[\"quite\",\"different\"],\"major\":2}";
    assert_int_equal(wire_decode_copy(line, sizeof line - 1, &read), PX_OK);
    assert_int_equal(read.kind, PX_WIRE_HELLO);
    assert_int_equal(read.hello.major, 2);
    assert_true(wire_is_refused("{\"type\":\"hello\",\"id\":[\"quite\",\"different\"],\"major\":1}"));
    assert_true(wire_is_refused("{\"type\":\"hello\",\"major\":\"2\"}"));
}

/* ---- sizes ---- */

/* The longest messages that a node may send stay within what a reader takes. */
static void wire__a_full_window_fits_into_the_longest_line(void **state)
{
    (void)state;
    px_wire wire = wire_example(PX_MESSAGE_SYNC - 1);
    const uint64_t most = PX_NUMBER_END - PX_WINDOW_SLOTS - 1;
    static px_entry entries[PX_WINDOW_SLOTS];
    static uint8_t body[PX_WINDOW_BYTES / PX_WINDOW_SLOTS];
    memset(body, 0, sizeof body);
    for (uint32_t i = 0; i < PX_WINDOW_SLOTS; i++) {
        entries[i] = (px_entry){.slot = most + i + 1,
                                .kind = PX_ENTRY_CONFIG,
                                .message_count = UINT32_MAX,
                                .index_first = PX_NUMBER_END - 1,
                                .stamp_ms = PX_NUMBER_END - 1,
                                .body = {body, sizeof body}};
    }
    const px_ballot highest = {PX_NUMBER_END - 1, PX_NUMBER_END - 1, PX_MEMBERS_MAX - 1};
    wire.to = (px_incarnation){UINT64_MAX, PX_NUMBER_END - 1};
    wire.core.ballot = highest;
    wire.core.state =
        (px_node_state){highest, highest, most, most, most, most, {UINT64_MAX, UINT64_MAX}, most, true};
    wire.core.log = (px_log_part){most, {UINT64_MAX, UINT64_MAX}, PX_WINDOW_SLOTS, entries};
    size_t size_bytes;
    uint8_t *const line = wire_line(&wire, &size_bytes);
    assert_true(size_bytes <= px_wire_line_bytes_max(PX_MESSAGE_BYTES_LEAST));
    free(line);
}

static void wire__the_largest_message_fits_and_comes_back(void **state)
{
    (void)state;
    const uint32_t length = WIRE_EXAMPLE_MESSAGE_BYTES_MAX;
    uint8_t *const body = calloc(1, px_batch_size_bytes(1, 1, length));
    assert_non_null(body);
    px_batch_put_header(body, 1, 1);
    px_batch_put_run(body, 0,
                     &(px_run){.holder = 1, .sequence = 1, .count = 1, .size_bytes = length, .origin = 1});
    px_u32_store(body + PX_BATCH_HEADER_BYTES + PX_RUN_HEADER_BYTES, length);
    px_wire wire = wire_example(PX_MESSAGE_KINDS + PX_WIRE_FORWARD - PX_WIRE_HELLO);
    wire.forward.body = (px_bytes){body, px_batch_size_bytes(1, 1, length)};
    size_t size_bytes;
    uint8_t *const line = wire_line(&wire, &size_bytes);
    assert_true(size_bytes <= px_wire_line_bytes_max(length));
    px_wire read;
    assert_int_equal(wire_decode_copy(line, size_bytes, &read), PX_OK);
    assert_int_equal(read.forward.body.size_bytes, wire.forward.body.size_bytes);
    free(line);
    free(body);
}

static void wire__the_longest_hello_fits(void **state)
{
    (void)state;
    static uint8_t name[PX_NAME_BYTES_MAX - 1];
    memset(name, 'a', sizeof name);
    px_wire wire = wire_example(PX_MESSAGE_KINDS);
    wire.hello.id = (px_bytes){name, sizeof name};
    wire.hello.member_count = PX_MEMBERS_MAX;
    for (uint32_t i = 0; i < PX_MEMBERS_MAX; i++)
        wire.hello.members[i] = (px_wire_member){{name, sizeof name}, i};
    size_t size_bytes;
    uint8_t *const line = wire_line(&wire, &size_bytes);
    assert_true(size_bytes < 4096);
    px_wire read;
    assert_int_equal(wire_decode_copy(line, size_bytes, &read), PX_OK);
    assert_int_equal(read.hello.member_count, PX_MEMBERS_MAX);
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wire__every_type_comes_back_as_it_was),
        cmocka_unit_test(wire__a_cores_message_has_the_fields_it_was_sent_with),
        cmocka_unit_test(wire__entries_come_back_with_hashes_computed),
        cmocka_unit_test(wire__hello_has_the_fields_it_was_sent_with),
        cmocka_unit_test(wire__head_names_the_addressee),
        cmocka_unit_test(wire__fields_may_come_in_any_order_and_among_others),
        cmocka_unit_test(wire__a_type_of_a_newer_version_is_told_apart),
        cmocka_unit_test(wire__a_hello_of_another_major_version_says_only_that),
        cmocka_unit_test(wire__a_full_window_fits_into_the_longest_line),
        cmocka_unit_test(wire__the_largest_message_fits_and_comes_back),
        cmocka_unit_test(wire__the_longest_hello_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
