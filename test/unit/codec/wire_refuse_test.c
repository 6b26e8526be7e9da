/* wire_refuse_test.c - no line passes that is not a whole and consistent message. */
// SPDX-License-Identifier: Apache-2.0
#include "codec/wire.h"

#include "base/prng.h"
#include "exact.h"
#include "paxos/batch.h"
#include "wire_examples.h"
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

/* 2^62 and 2^32: the first numbers that are too large. */
#define NUMBER_TOO_LARGE INT64_C(4611686018427387904)
#define U32_TOO_LARGE INT64_C(4294967296)

/* The example as an object that a test may change; the caller releases it. */
static json_t *example_object(uint32_t place)
{
    const px_wire wire = wire_example(place);
    size_t size_bytes;
    uint8_t *const line = wire_line(&wire, &size_bytes);
    json_t *const object = json_loadb((const char *)line, size_bytes, 0, NULL);
    assert_non_null(object);
    free(line);
    return object;
}

static px_err decode_object(const json_t *object)
{
    char *const text = json_dumps(object, JSON_COMPACT);
    assert_non_null(text);
    px_wire read;
    const px_err err = wire_decode_copy(text, strlen(text), &read);
    free(text);
    return err;
}

static void refuse__cut_short_anywhere(void **state)
{
    (void)state;
    for (uint32_t place = 0; place < WIRE_EXAMPLES; place++) {
        const px_wire wire = wire_example(place);
        size_t size_bytes;
        uint8_t *const line = wire_line(&wire, &size_bytes);
        px_wire read;
        for (size_t cut = 0; cut < size_bytes; cut++) {
            assert_int_equal(wire_decode_copy(line, cut, &read), PX_ERR_MALFORMED);
        }
        free(line);
    }
}

/* Calls `change` for each field of the message and of the objects in it; each changed message must be
 * refused. */
static void refuse_each_field(void (*change)(json_t *parent, const char *key))
{
    static const char *const inside[] = {"", "state", "remembered", "members", "slots"};
    for (uint32_t place = 0; place < WIRE_EXAMPLES; place++) {
        for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
            json_t *const object = example_object(place);
            json_t *parent = i == 0 ? object : json_object_get(object, inside[i]);
            if (json_is_array(parent)) parent = json_array_get(parent, 0);
            const char *key;
            json_t *value;
            json_object_foreach(parent, key, value)
            {
                json_t *const changed = json_deep_copy(object);
                json_t *changed_parent = i == 0 ? changed : json_object_get(changed, inside[i]);
                if (json_is_array(changed_parent)) changed_parent = json_array_get(changed_parent, 0);
                change(changed_parent, key);
                assert_int_equal(decode_object(changed), PX_ERR_MALFORMED);
                json_decref(changed);
            }
            json_decref(object);
        }
    }
}

static void remove_field(json_t *parent, const char *key)
{
    if (strcmp(key, "claimed") == 0 || strcmp(key, "above") == 0) /* which may be missing */
        json_object_set_new(parent, key, json_string("47"));
    else if (strcmp(key, "quiet") == 0)
        json_object_set_new(parent, key, json_null());
    else
        json_object_del(parent, key);
}

static void refuse__without_any_one_field(void **state)
{
    (void)state;
    refuse_each_field(remove_field);
}

static void take__an_answer_without_what_may_be_missing(void **state)
{
    (void)state;
    json_t *const object = example_object(PX_MESSAGE_HEARD - 1);
    assert_int_equal(json_object_del(object, "above"), 0);
    assert_int_equal(json_object_del(json_object_get(object, "state"), "claimed"), 0);
    assert_int_equal(json_object_del(json_object_get(object, "state"), "quiet"), 0);
    assert_int_equal(decode_object(object), PX_OK);
    json_decref(object);
}

static void set_null(json_t *parent, const char *key)
{
    json_object_set_new(parent, key, json_null());
}

/* A value of another kind: numbers become strings, all else a number. */
static void set_other_kind(json_t *parent, const char *key)
{
    const bool is_number = json_is_integer(json_object_get(parent, key));
    json_object_set_new(parent, key, is_number ? json_string("1") : json_integer(1));
}

static void set_fraction(json_t *parent, const char *key)
{
    json_object_set_new(parent, key, json_real(1.5));
}

static void set_negative(json_t *parent, const char *key)
{
    json_object_set_new(parent, key, json_integer(-1));
}

static void set_too_large(json_t *parent, const char *key)
{
    json_object_set_new(parent, key, json_integer(NUMBER_TOO_LARGE));
}

static void set_empty_array(json_t *parent, const char *key)
{
    json_object_set_new(parent, key, json_array());
}

static void set_empty_object(json_t *parent, const char *key)
{
    json_object_set_new(parent, key, json_object());
}

static void refuse__a_wrong_kind_in_any_field(void **state)
{
    (void)state;
    refuse_each_field(set_null);
    refuse_each_field(set_other_kind);
    refuse_each_field(set_fraction);
    refuse_each_field(set_negative);
    refuse_each_field(set_too_large);
    refuse_each_field(set_empty_object);
}

/* An empty array is right only for `slots` of a piece, tail or sync. */
static void refuse__an_empty_array_where_none_may_be(void **state)
{
    (void)state;
    for (uint32_t place = 0; place < WIRE_EXAMPLES; place++) {
        json_t *const object = example_object(place);
        const char *key;
        json_t *value;
        json_object_foreach(object, key, value)
        {
            json_t *const changed = json_deep_copy(object);
            set_empty_array(changed, key);
            const bool is_right = strcmp(key, "slots") == 0 && place != PX_MESSAGE_ACCEPT - 1;
            assert_int_equal(decode_object(changed), is_right ? PX_OK : PX_ERR_MALFORMED);
            json_decref(changed);
        }
        json_decref(object);
    }
}

static void refuse__any_field_that_comes_twice(void **state)
{
    (void)state;
    for (uint32_t place = 0; place < WIRE_EXAMPLES; place++) {
        const px_wire wire = wire_example(place);
        size_t size_bytes;
        uint8_t *const line = wire_line(&wire, &size_bytes);
        json_t *const object = example_object(place);
        const char *key;
        json_t *value;
        json_object_foreach(object, key, value)
        {
            char *const text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
            const size_t twice_bytes = size_bytes + strlen(key) + strlen(text) + 4;
            char *const twice = malloc(twice_bytes + 1);
            assert_non_null(twice);
            (void)snprintf(twice, twice_bytes + 1, "%.*s,\"%s\":%s}", (int)size_bytes - 1, (const char *)line,
                           key, text);
            assert_int_equal(strlen(twice), twice_bytes);
            assert_true(wire_is_refused(twice));
            free(twice);
            free(text);
        }
        json_decref(object);
        free(line);
    }
}

static void refuse__anything_around_the_message(void **state)
{
    (void)state;
    assert_true(wire_is_refused(""));
    assert_true(wire_is_refused("[]"));
    assert_true(wire_is_refused("null"));
    assert_true(wire_is_refused("{}"));
    assert_true(wire_is_refused("{\"to\":\"5eed000000000002-4\"}"));
    assert_true(wire_is_refused("{\"to\":\"5eed000000000002-4\",\"type\":7,\"number\":6}"));
    assert_false(wire_is_refused("{\"to\":\"5eed000000000002-4\",\"type\":\"ping\",\"number\":6}"));
    assert_false(
        wire_is_refused(" { \"to\" : \"5eed000000000002-4\" , \"type\" : \"ping\" , \"number\" : 6 } "));
    assert_true(wire_is_refused("{\"to\":\"5eed000000000002-4\",\"type\":\"ping\",\"number\":6}}"));
    assert_true(wire_is_refused("{\"to\":\"5eed000000000002-4\",\"type\":\"ping\",\"number\":6} {}"));
}

static void refuse__an_addressee_that_is_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "5eed000000000002",
        "5eed000000000002-",
        "5eed000000000002-04",
        "5eed000000000002--4",
        "5eed000000000002-4 ",
        "5EED000000000002-4",
        "5eed00000000002-44",
        "5eed000000000002:4",
        "5eed000000000002-4611686018427387904",
        "5eed000000000002-18446744073709551620",
        "5eed000000000002-00",
        "5eed000000000002-4x",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char line[128];
        (void)snprintf(line, sizeof line, "{\"to\":\"%s\",\"type\":\"ping\",\"number\":6}", bad[i]);
        assert_true(wire_is_refused(line));
    }
    assert_false(wire_is_refused("{\"to\":\"5eed000000000002-0\",\"type\":\"ping\",\"number\":6}"));
}

static void refuse__a_ballot_that_is_none(void **state)
{
    (void)state;
    static const struct {
        const char *ballot;
        bool is_refused;
    } cases[] = {
        {"[0,0,0]", false}, {"[0,1,0]", false},  {"[3,1,6]", false},  {"[0,1,7]", true},
        {"[0,0,1]", true},  {"[1,0,0]", true},   {"[]", true},        {"[1]", true},
        {"[0,1]", true},    {"[0,1,2,3]", true}, {"[0,1,2,]", true},  {"[0,\"1\",2]", true},
        {"[0,-1,2]", true}, {"{}", true},        {"[[0],1,2]", true}, {"[0,4611686018427387904,2]", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[128];
        (void)snprintf(line, sizeof line,
                       "{\"to\":\"5eed000000000002-4\",\"type\":\"take_over\",\"ballot\":%s}",
                       cases[i].ballot);
        assert_int_equal(wire_is_refused(line), cases[i].is_refused);
    }
}

/* Sets one field of an example and decodes. */
static px_err decode_with(uint32_t place, const char *key, json_t *value)
{
    json_t *const object = example_object(place);
    json_object_set_new(object, key, value);
    const px_err err = decode_object(object);
    json_decref(object);
    return err;
}

static void refuse__digits_and_words_that_are_none(void **state)
{
    (void)state;
    const uint32_t heard = PX_MESSAGE_HEARD - 1, piece = PX_MESSAGE_PIECE - 1, hello = PX_MESSAGE_KINDS;
    assert_int_equal(decode_with(heard, "disk", json_string("full")), PX_OK);
    assert_int_equal(decode_with(heard, "disk", json_string("fine")), PX_ERR_MALFORMED);
    assert_int_equal(decode_with(heard, "disk", json_string("")), PX_ERR_MALFORMED);
    assert_int_equal(decode_with(heard, "served", json_string("true")), PX_ERR_MALFORMED);
    assert_int_equal(decode_with(piece, "after_chain", json_string("00")), PX_ERR_MALFORMED);
    assert_int_equal(decode_with(piece, "after_chain", json_string("0000000000000000000000000000000G")),
                     PX_ERR_MALFORMED);
    assert_int_equal(decode_with(hello, "cluster", json_string("")), PX_OK);
    assert_int_equal(decode_with(hello, "cluster", json_string("0f1e")), PX_ERR_MALFORMED);
    assert_int_equal(decode_with(hello, "roster", json_string("half")), PX_ERR_MALFORMED);
    assert_int_equal(decode_with(hello, "storage", json_string("5eed00000000000")), PX_ERR_MALFORMED);
    assert_int_equal(decode_with(hello, "id", json_string("")), PX_ERR_MALFORMED);
    assert_int_equal(decode_with(hello, "id", json_string("px 1")), PX_ERR_MALFORMED);
    assert_int_equal(decode_with(hello, "id", json_string("px\n1")), PX_ERR_MALFORMED);
    assert_int_equal(decode_with(hello, "id", json_string("p\xc3\xa9")), PX_ERR_MALFORMED);
    assert_int_equal(decode_with(hello, "max_message_bytes", json_integer(U32_TOO_LARGE)), PX_ERR_MALFORMED);
    char name[PX_NAME_BYTES_MAX + 1] = {0};
    memset(name, 'a', PX_NAME_BYTES_MAX - 1);
    assert_int_equal(decode_with(hello, "id", json_string(name)), PX_OK);
    name[PX_NAME_BYTES_MAX - 1] = 'a';
    assert_int_equal(decode_with(hello, "id", json_string(name)), PX_ERR_MALFORMED);
}

static void refuse__too_many_members(void **state)
{
    (void)state;
    for (uint32_t count = 0; count <= PX_MEMBERS_MAX + 1; count++) {
        json_t *const members = json_array();
        for (uint32_t i = 0; i < count; i++) {
            json_array_append_new(members, json_pack("{ssss}", "id", "px", "storage", "0000000000000001"));
        }
        const bool is_right = count > 0 && count <= PX_MEMBERS_MAX;
        assert_int_equal(decode_with(PX_MESSAGE_KINDS, "members", members),
                         is_right ? PX_OK : PX_ERR_MALFORMED);
    }
}

/* Sets one field of a slot of an example. */
static px_err decode_with_slot_of(px_message_kind kind, size_t slot, const char *key, json_t *value)
{
    json_t *const object = example_object((uint32_t)kind - 1);
    json_object_set_new(json_array_get(json_object_get(object, "slots"), slot), key, value);
    const px_err err = decode_object(object);
    json_decref(object);
    return err;
}

static px_err decode_with_slot(size_t slot, const char *key, json_t *value)
{
    return decode_with_slot_of(PX_MESSAGE_SYNC, slot, key, value);
}

static void refuse__slots_and_indexes_that_do_not_follow(void **state)
{
    (void)state;
    assert_int_equal(decode_with_slot(0, "slot", json_integer(42)), PX_OK);
    assert_int_equal(decode_with_slot(0, "slot", json_integer(41)), PX_ERR_MALFORMED);
    assert_int_equal(decode_with_slot(0, "slot", json_integer(43)), PX_ERR_MALFORMED);
    assert_int_equal(decode_with_slot(1, "slot", json_integer(42)), PX_ERR_MALFORMED);
    assert_int_equal(decode_with_slot(1, "slot", json_integer(44)), PX_ERR_MALFORMED);
    assert_int_equal(decode_with_slot(0, "index", json_integer(0)), PX_ERR_MALFORMED);
    assert_int_equal(decode_with_slot(0, "index", json_integer(1000)), PX_ERR_MALFORMED);
    assert_int_equal(decode_with_slot(1, "index", json_integer(1002)), PX_ERR_MALFORMED);
    assert_int_equal(decode_with(PX_MESSAGE_SYNC - 1, "after", json_integer(40)), PX_ERR_MALFORMED);
}

static void refuse__bodies_that_are_not_what_their_slot_says(void **state)
{
    (void)state;
    assert_int_equal(decode_with_slot(0, "count", json_integer(1)), PX_ERR_MALFORMED);
    assert_int_equal(decode_with_slot(0, "count", json_integer(U32_TOO_LARGE + 2)), PX_ERR_MALFORMED);
    assert_int_equal(decode_with_slot(1, "count", json_integer(1)), PX_ERR_MALFORMED);
    assert_int_equal(decode_with_slot(0, "kind", json_string("open")), PX_ERR_MALFORMED);
    assert_int_equal(decode_with_slot(1, "kind", json_string("batch")), PX_ERR_MALFORMED);
    assert_int_equal(decode_with_slot(1, "kind", json_string("config")), PX_ERR_MALFORMED);
    assert_int_equal(decode_with_slot(1, "kind", json_string("")), PX_ERR_MALFORMED);
    assert_int_equal(decode_with_slot(0, "body", json_string("")), PX_ERR_MALFORMED);
    assert_int_equal(decode_with_slot(0, "body", json_string("AAAA")), PX_ERR_MALFORMED);
    assert_int_equal(decode_with_slot(0, "body", json_string("AAA")), PX_ERR_MALFORMED);
}

/* Where no other slot contradicts it. */
static void refuse__numbers_of_a_single_slot(void **state)
{
    (void)state;
    assert_int_equal(decode_with_slot_of(PX_MESSAGE_ACCEPT, 0, "index", json_integer(1)), PX_OK);
    assert_int_equal(decode_with_slot_of(PX_MESSAGE_ACCEPT, 0, "index", json_integer(0)), PX_ERR_MALFORMED);
    assert_int_equal(decode_with_slot_of(PX_MESSAGE_ACCEPT, 0, "count", json_integer(1)), PX_ERR_MALFORMED);
    assert_int_equal(decode_with_slot_of(PX_MESSAGE_ACCEPT, 0, "count", json_integer(3)), PX_ERR_MALFORMED);
    assert_int_equal(decode_with_slot_of(PX_MESSAGE_ACCEPT, 0, "slot", json_integer(43)), PX_ERR_MALFORMED);
}

static void refuse__slots_before_the_first(void **state)
{
    (void)state;
    json_t *const object = example_object(PX_MESSAGE_PIECE - 1);
    json_t *const slots = json_object_get(object, "slots");
    json_object_set_new(object, "after", json_integer(0));
    json_object_set_new(object, "after_chain", json_string("00000000000000000000000000000000"));
    for (size_t i = 0; i < 2; i++)
        json_object_set_new(json_array_get(slots, i), "slot", json_integer((json_int_t)i + 1));
    assert_int_equal(decode_object(object), PX_OK);
    json_object_set_new(object, "after_chain", json_string("00000000000000000000000000000001"));
    assert_int_equal(decode_object(object), PX_ERR_MALFORMED);
    json_decref(object);
}

static void refuse__an_accept_of_two_slots(void **state)
{
    (void)state;
    json_t *const sync = example_object(PX_MESSAGE_SYNC - 1);
    json_t *const slots = json_incref(json_object_get(sync, "slots"));
    json_decref(sync);
    assert_int_equal(decode_with(PX_MESSAGE_ACCEPT - 1, "slots", slots), PX_ERR_MALFORMED);
}

/* A message with more slots than the reader has room for is refused, not cut. */
static void refuse__more_slots_than_there_is_room_for(void **state)
{
    (void)state;
    const px_wire wire = wire_example(PX_MESSAGE_SYNC - 1);
    for (uint32_t capacity = 0; capacity <= 2; capacity++) {
        size_t size_bytes;
        uint8_t *const line = wire_line(&wire, &size_bytes);
        px_entry *const items = malloc(capacity * sizeof *items);
        const px_wire_entries entries = {.items = items, .capacity = capacity};
        const char *fault = NULL;
        px_wire read;
        const px_err err = px_wire_decode(line, size_bytes, 1024, &entries, &read, &fault);
        assert_int_equal(err, capacity == 2 ? PX_OK : PX_ERR_MALFORMED);
        if (err) assert_string_equal(fault, "a message has too many slots");
        free(items);
        free(line);
    }
}

static void refuse__a_payload_over_the_limit(void **state)
{
    (void)state;
    const uint32_t places[] = {PX_MESSAGE_ACCEPT - 1, PX_MESSAGE_KINDS + PX_WIRE_FORWARD - PX_WIRE_HELLO};
    for (uint32_t i = 0; i < 2; i++) {
        const px_wire wire = wire_example(places[i]);
        for (uint32_t limit = 4; limit <= 5; limit++) {
            size_t size_bytes;
            uint8_t *const line = wire_line(&wire, &size_bytes);
            px_entry items[1];
            const px_wire_entries entries = {.items = items, .capacity = 1};
            const char *fault = NULL;
            px_wire read;
            const px_err err = px_wire_decode(line, size_bytes, limit, &entries, &read, &fault);
            assert_int_equal(err, limit == 5 ? PX_OK : PX_ERR_MALFORMED);
            free(line);
        }
    }
}

static void refuse__a_forward_of_what_another_node_took(void **state)
{
    (void)state;
    const uint32_t forward = PX_MESSAGE_KINDS + PX_WIRE_FORWARD - PX_WIRE_HELLO;
    assert_int_equal(decode_with(forward, "origin", json_integer(1)), PX_OK);
    assert_int_equal(decode_with(forward, "origin", json_integer(2)), PX_ERR_MALFORMED);
    assert_int_equal(decode_with(forward, "body", json_string("AAAA")), PX_ERR_MALFORMED);
    assert_int_equal(decode_with(forward + 1, "origin", json_integer(2)), PX_ERR_MALFORMED);
    assert_int_equal(decode_with(forward + 1, "body", json_string("")), PX_ERR_MALFORMED);
    assert_int_equal(decode_with(forward, "origin", json_integer(PX_MEMBERS_MAX)), PX_ERR_MALFORMED);
}

/* Whatever bytes change, decoding reads nothing outside, and what it takes can be written again and taken
 * again. */
static void refuse__or_take_changed_lines_but_never_stray(void **state)
{
    (void)state;
    px_prng prng;
    px_prng_init(&prng, 1);
    uint32_t taken = 0;
    for (uint32_t round = 0; round < 50000; round++) {
        const px_wire wire = wire_example(round % WIRE_EXAMPLES);
        size_t size_bytes;
        uint8_t *const line = wire_line(&wire, &size_bytes);
        for (uint64_t i = 0; i <= px_prng_below(&prng, 2); i++) {
            static const char likely[] = "0123456789\",:{}[]eE.+-\\ut \r\n";
            uint8_t *const at = &line[px_prng_below(&prng, size_bytes)];
            *at = (uint8_t)likely[px_prng_below(&prng, sizeof likely - 1)];
        }
        px_wire read;
        if (wire_decode_copy(line, size_bytes, &read) == PX_OK && read.kind != PX_WIRE_UNKNOWN &&
            (read.kind != PX_WIRE_HELLO || read.hello.major == PX_PROTOCOL_MAJOR)) {
            taken++;
            size_t again_bytes;
            uint8_t *const again = wire_line(&read, &again_bytes);
            assert_int_equal(wire_decode_copy(again, again_bytes, &read), PX_OK);
            free(again);
        }
        free(line);
    }
    assert_true(taken > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuse__cut_short_anywhere),
        cmocka_unit_test(refuse__without_any_one_field),
        cmocka_unit_test(take__an_answer_without_what_may_be_missing),
        cmocka_unit_test(refuse__a_wrong_kind_in_any_field),
        cmocka_unit_test(refuse__an_empty_array_where_none_may_be),
        cmocka_unit_test(refuse__any_field_that_comes_twice),
        cmocka_unit_test(refuse__anything_around_the_message),
        cmocka_unit_test(refuse__an_addressee_that_is_none),
        cmocka_unit_test(refuse__a_ballot_that_is_none),
        cmocka_unit_test(refuse__digits_and_words_that_are_none),
        cmocka_unit_test(refuse__too_many_members),
        cmocka_unit_test(refuse__slots_and_indexes_that_do_not_follow),
        cmocka_unit_test(refuse__bodies_that_are_not_what_their_slot_says),
        cmocka_unit_test(refuse__numbers_of_a_single_slot),
        cmocka_unit_test(refuse__slots_before_the_first),
        cmocka_unit_test(refuse__an_accept_of_two_slots),
        cmocka_unit_test(refuse__more_slots_than_there_is_room_for),
        cmocka_unit_test(refuse__a_payload_over_the_limit),
        cmocka_unit_test(refuse__a_forward_of_what_another_node_took),
        cmocka_unit_test(refuse__or_take_changed_lines_but_never_stray),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
