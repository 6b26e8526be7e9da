/* wire_decode.c - JSON into messages.
 *
 * Meaning    Looks for the type, then walks the object with that type's table of fields (wire_priv.h), and at
 *            last checks what no single value shows: that bodies are what their entry says, that slots and
 *            indexes follow one another. Hashes are computed here, never believed.
 * Holds      *wire is written only when all is well. Nothing behind the line is read.
 * Source     docs/wire-format.md; [R5, R6] need slots that follow `after`, the chain shows divergence. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "codec/hex.h"
#include "codec/json.h"
#include "codec/wire_priv.h"
#include "paxos/batch.h"
#include "paxos/configuration.h"

typedef struct {
    px_json json;
    uint32_t message_bytes_max;
    const px_wire_entries *entries;
    const px_wire_layout *layout;
    px_wire wire;
} wire_reader;

/* ---- flat values ---- */

static void *at_offset(void *record, uint16_t offset)
{
    return (uint8_t *)record + offset;
}

static uint64_t read_number(px_json *json)
{
    return px_json_read_u64(json, PX_NUMBER_END - 1);
}

/* [config,number,node]; the only one with number 0 is nobody's. */
static px_ballot read_ballot(px_json *json)
{
    uint64_t numbers[3] = {0};
    uint32_t count = 0;
    px_json_array array;
    px_json_array_open(json, &array);
    while (px_json_item_next(json, &array)) {
        if (count < 3) numbers[count] = read_number(json);
        if (++count > 3) px_json_fail(json, "a ballot has three numbers");
    }
    if (count != 3) px_json_fail(json, "a ballot has three numbers");
    const px_ballot ballot = {.config = numbers[0], .number = numbers[1], .node = numbers[2]};
    if (ballot.node >= PX_MEMBERS_MAX) px_json_fail(json, "a ballot is of no member");
    if (ballot.number == 0 && (ballot.config != 0 || ballot.node != 0)) {
        px_json_fail(json, "a ballot has no number");
    }
    return ballot;
}

static px_hash read_hash(px_json *json)
{
    px_hash hash = {0};
    const px_bytes digits = px_json_read_string(json);
    if (digits.size_bytes != PX_HEX_HASH_BYTES || !px_hex_read_hash(digits.data, &hash)) {
        px_json_fail(json, "a hash is not 32 hexadecimal digits");
    }
    return hash;
}

static uint64_t read_storage(px_json *json)
{
    uint64_t storage_id = 0;
    const px_bytes digits = px_json_read_string(json);
    if (digits.size_bytes != PX_HEX_U64_BYTES || !px_hex_read_u64(digits.data, &storage_id)) {
        px_json_fail(json, "a storage id is not 16 hexadecimal digits");
    }
    return storage_id;
}

/* A domain name: printable, so that it can be logged and kept in a string as it is. */
static px_bytes read_name(px_json *json)
{
    const px_bytes name = px_json_read_string(json);
    bool is_printable = name.size_bytes > 0 && name.size_bytes <= PX_WIRE_NAME_BYTES_MAX;
    for (size_t i = 0; is_printable && i < name.size_bytes; i++) {
        is_printable = name.data[i] > ' ' && name.data[i] < 0x7f;
    }
    if (!is_printable) px_json_fail(json, "a node's name is not a domain name");
    return name;
}

static px_bytes read_cluster(px_json *json)
{
    px_hash hash;
    const px_bytes digits = px_json_read_string(json);
    if (digits.size_bytes == 0) return digits;
    if (digits.size_bytes != PX_HEX_HASH_BYTES || !px_hex_read_hash(digits.data, &hash)) {
        px_json_fail(json, "a cluster id is not 32 hexadecimal digits");
    }
    return digits;
}

static uint32_t read_choice(px_json *json, const char *const *names, uint32_t count)
{
    const uint32_t place = px_json_name_find(px_json_read_string(json), names, count);
    if (place < count) return place;
    px_json_fail(json, "a word is none of its list");
    return 0;
}

static void read_flat(px_json *json, const px_wire_field *field, void *value)
{
    switch (field->value) {
    case PX_VALUE_NUMBER: *(uint64_t *)value = read_number(json); return;
    case PX_VALUE_U32: *(uint32_t *)value = (uint32_t)px_json_read_u64(json, UINT32_MAX); return;
    case PX_VALUE_MEMBER: *(uint32_t *)value = (uint32_t)px_json_read_u64(json, PX_MEMBERS_MAX - 1); return;
    case PX_VALUE_FLAG: *(bool *)value = px_json_read_bool(json); return;
    case PX_VALUE_BALLOT: *(px_ballot *)value = read_ballot(json); return;
    case PX_VALUE_HASH: *(px_hash *)value = read_hash(json); return;
    case PX_VALUE_STORAGE: *(uint64_t *)value = read_storage(json); return;
    case PX_VALUE_NAME: *(px_bytes *)value = read_name(json); return;
    case PX_VALUE_CLUSTER: *(px_bytes *)value = read_cluster(json); return;
    case PX_VALUE_ROSTER:
        *(px_roster_state *)value =
            (px_roster_state)read_choice(json, px_wire_roster_names, PX_ROSTER_STATES);
        return;
    case PX_VALUE_DISK:
        *(px_disk_health *)value = (px_disk_health)read_choice(json, px_wire_disk_names, PX_DISK_HEALTHS);
        return;
    case PX_VALUE_ENTRY_KIND:
        *(px_entry_kind *)value =
            (px_entry_kind)(PX_ENTRY_BATCH + read_choice(json, px_wire_entry_names, PX_ENTRY_KINDS));
        return;
    case PX_VALUE_BODY: *(px_bytes *)value = px_json_read_base64(json); return;
    case PX_VALUE_RECORD:
    case PX_VALUE_ENTRIES:
    case PX_VALUE_MEMBERS: break;
    }
    px_assert(false);
}

/* ---- objects and arrays ---- */

/* The place of a key among fields, which mostly come in the order of the table; record->count where it is
 * none of them. */
static uint32_t find_field(const px_wire_record *record, px_bytes key, uint32_t guess)
{
    if (guess < record->count && px_json_is_name(key, record->fields[guess].name)) return guess;
    uint32_t place = 0;
    while (place < record->count && !px_json_is_name(key, record->fields[place].name)) place++;
    return place;
}

static uint64_t all_fields(const px_wire_record *record)
{
    uint64_t wanted = 0;
    for (uint32_t i = 0; i < record->count; i++)
        if (!record->fields[i].is_optional) wanted |= (uint64_t)1 << i;
    return wanted;
}

/* Reads an object of flat values; all that are not optional must be there. */
static void read_record(px_json *json, const px_wire_record *record, void *base)
{
    px_json_object object;
    px_bytes key;
    uint32_t guess = 0;
    px_json_object_open(json, &object);
    while (px_json_key_next(json, &object, &key)) {
        const uint32_t place = find_field(record, key, guess);
        if (place == record->count) {
            px_json_skip(json);
            continue;
        }
        const px_wire_field *const field = &record->fields[place];
        px_json_field_known(json, &object, place, field->name);
        read_flat(json, field, at_offset(base, field->offset));
        guess = place + 1;
    }
    px_json_object_require(json, &object, all_fields(record));
}

/* Is the body what its entry says? Its hash is taken while it is still near. */
static void check_entry(wire_reader *reader, px_entry *entry)
{
    px_batch batch;
    px_opening opening;
    px_configuration configuration;
    switch (entry->kind) {
    case PX_ENTRY_BATCH:
        if (px_batch_open(entry->body, reader->message_bytes_max, &batch) != PX_OK) {
            px_json_fail(&reader->json, "the body of a batch is not valid");
        } else if (batch.message_count != entry->message_count) {
            px_json_fail(&reader->json, "a batch does not hold as many messages as it says");
        }
        break;
    case PX_ENTRY_OPEN:
        if (px_opening_open(entry->body, &opening) != PX_OK || entry->message_count != 0) {
            px_json_fail(&reader->json, "the body of an opening is not valid");
        }
        break;
    case PX_ENTRY_CONFIG:
        if (px_configuration_open(entry->body, &configuration) != PX_OK || entry->message_count != 0) {
            px_json_fail(&reader->json, "the body of a change of configuration is not valid");
        }
        break;
    }
    entry->body_hash = px_hash_of(entry->body.data, entry->body.size_bytes);
}

static void read_entries(wire_reader *reader, px_log_part *log)
{
    px_json *const json = &reader->json;
    px_entry *const items = reader->entries->items;
    px_json_array array;
    log->entries = items;
    px_json_array_open(json, &array);
    while (px_json_item_next(json, &array)) {
        if (log->count == reader->entries->capacity) {
            px_json_fail(json, "a message has too many slots");
            return;
        }
        px_entry *const entry = &items[log->count++];
        *entry = (px_entry){0};
        read_record(json, &px_wire_entry_record, entry);
        if (json->fault) return;
        check_entry(reader, entry);
    }
}

static void read_members(px_json *json, px_wire_member *members, uint32_t *count)
{
    px_json_array array;
    px_json_array_open(json, &array);
    while (px_json_item_next(json, &array)) {
        if (*count == PX_MEMBERS_MAX) {
            px_json_fail(json, "a cluster has too many members");
            return;
        }
        read_record(json, &px_wire_member_record, &members[(*count)++]);
    }
    if (*count == 0) px_json_fail(json, "a cluster has no members");
}

static void read_value(wire_reader *reader, const px_wire_field *field)
{
    void *const value = at_offset(&reader->wire, field->offset);
    if (field->value == PX_VALUE_RECORD) {
        read_record(&reader->json, field->record, value);
    } else if (field->value == PX_VALUE_ENTRIES) {
        read_entries(reader, value);
    } else if (field->value == PX_VALUE_MEMBERS) {
        read_members(&reader->json, at_offset(&reader->wire, field->items_offset), value);
    } else {
        read_flat(&reader->json, field, value);
    }
}

/* ---- the message ---- */

/* The field `name` of the object, as it stands in the text; the reader stays where it was. Empty where there
 * is none. */
static px_bytes look_ahead(px_json json, const char *name)
{
    px_json_object object;
    px_bytes key;
    px_json_object_open(&json, &object);
    while (px_json_key_next(&json, &object, &key)) {
        if (px_json_is_name(key, name)) return px_json_read_raw(&json);
        px_json_skip(&json);
    }
    return (px_bytes){0};
}

/* Finds the table of the message's type. A type that this version does not know has none. */
static void find_layout(wire_reader *reader)
{
    const px_bytes quoted = look_ahead(reader->json, "type");
    if (quoted.size_bytes < 2) return;
    const px_bytes type = {quoted.data + 1, quoted.size_bytes - 2};
    for (uint32_t i = 0; i < PX_WIRE_LAYOUTS; i++) {
        const px_wire_layout *const layout = &px_wire_layouts[i];
        if (!px_json_is_name(type, layout->type)) continue;
        reader->layout = layout;
        reader->wire.kind = layout->kind;
        if (layout->kind == PX_WIRE_CORE) reader->wire.core.kind = layout->core;
        return;
    }
}

/* <16 hexadecimal digits>-<decimal digits> */
static px_incarnation read_to(px_json *json)
{
    px_incarnation to = {0};
    const px_bytes text = px_json_read_string(json);
    const size_t digits_at = PX_HEX_U64_BYTES + 1, digits_max = 19; /* so many cannot wrap */
    bool is_sound = text.size_bytes > digits_at && text.size_bytes <= digits_at + digits_max &&
                    text.data[PX_HEX_U64_BYTES] == '-' && px_hex_read_u64(text.data, &to.storage_id);
    for (size_t i = digits_at; is_sound && i < text.size_bytes; i++) {
        is_sound = text.data[i] >= '0' && text.data[i] <= '9' && (i == digits_at || to.run > 0);
        to.run = 10 * to.run + (uint64_t)(text.data[i] - '0');
    }
    if (!is_sound || to.run >= PX_NUMBER_END) {
        px_json_fail(json, "an addressee is not a storage id and a run");
    }
    return to;
}

/* Reads the whole object. The addressee and the type are known fields of every message, beside those of its
 * table. */
static void read_message(wire_reader *reader)
{
    static const px_wire_record no_record = {0};
    const px_wire_layout *const layout = reader->layout;
    const px_wire_record *const record = layout ? &layout->record : &no_record;
    const uint32_t to_place = record->count, type_place = record->count + 1;
    px_json *const json = &reader->json;
    px_json_object object;
    px_bytes key;
    uint32_t guess = 0;
    px_json_object_open(json, &object);
    while (px_json_key_next(json, &object, &key)) {
        const uint32_t place = find_field(record, key, guess);
        if (place < record->count) {
            px_json_field_known(json, &object, place, record->fields[place].name);
            read_value(reader, &record->fields[place]);
            guess = place + 1;
        } else if (px_json_is_name(key, "to") && reader->wire.kind != PX_WIRE_HELLO) {
            px_json_field_known(json, &object, to_place, "to");
            reader->wire.to = read_to(json);
        } else {
            if (px_json_is_name(key, "type")) {
                px_json_field_known(json, &object, type_place, "type");
                if (px_json_peek(json) != PX_JSON_STRING) px_json_fail(json, "a type is not a string");
            }
            px_json_skip(json);
        }
    }
    uint64_t wanted = all_fields(record) | (uint64_t)1 << type_place;
    if (layout && layout->kind != PX_WIRE_HELLO) wanted |= (uint64_t)1 << to_place;
    px_json_object_require(json, &object, wanted);
}

/* Do slots follow `after` and indexes one another? Computes the chain on the way. */
static void link_entries(wire_reader *reader)
{
    const px_log_part *const log = &reader->wire.core.log;
    px_entry *const items = reader->entries->items;
    px_json *const json = &reader->json;
    px_hash chain = log->after_chain;
    if (log->after == 0 && !px_hash_is_zero(chain))
        px_json_fail(json, "there is a chain before the first slot");
    for (uint32_t i = 0; i < log->count; i++) {
        px_entry *const entry = &items[i];
        const px_entry *const before = i > 0 ? &items[i - 1] : NULL;
        if (entry->slot != log->after + i + 1) px_json_fail(json, "a slot does not follow the one before");
        if (entry->index_first == 0) px_json_fail(json, "an index is zero");
        if (before && entry->index_first != before->index_first + before->message_count) {
            px_json_fail(json, "an index does not follow the one before");
        }
        chain = px_entry_chain(chain, entry);
        entry->chain = chain;
    }
    if (reader->wire.core.kind == PX_MESSAGE_ACCEPT && log->count != 1) {
        px_json_fail(json, "an accept carries one slot");
    }
}

/* Is this a batch whose runs were all taken by `origin`? */
static void check_forward(wire_reader *reader, px_bytes body, uint32_t origin)
{
    px_batch batch;
    if (px_batch_open(body, reader->message_bytes_max, &batch) != PX_OK) {
        px_json_fail(&reader->json, "the body of a forward is not valid");
        return;
    }
    for (uint32_t i = 0; i < batch.run_count; i++) {
        if (px_batch_run(&batch, i).origin == origin) continue;
        px_json_fail(&reader->json, "a forward holds what another node took");
        return;
    }
}

static void check_forward_open(wire_reader *reader, px_bytes body, uint32_t origin)
{
    px_opening opening;
    if (px_opening_open(body, &opening) != PX_OK || opening.origin != origin) {
        px_json_fail(&reader->json, "the body of an opening is not valid");
    }
}

/* What no single field shows. */
static void check_message(wire_reader *reader)
{
    const px_wire *const wire = &reader->wire;
    switch (wire->kind) {
    case PX_WIRE_CORE:
        if (wire->core.log.entries) link_entries(reader);
        return;
    case PX_WIRE_FORWARD: check_forward(reader, wire->forward.body, wire->forward.origin); return;
    case PX_WIRE_FORWARD_OPEN:
        check_forward_open(reader, wire->forward_open.body, wire->forward_open.origin);
        return;
    case PX_WIRE_UNKNOWN:
    case PX_WIRE_HELLO:
    case PX_WIRE_PING:
    case PX_WIRE_PONG:
    case PX_WIRE_BARRIER:
    case PX_WIRE_BARRIER_ANSWER:
    case PX_WIRE_ROSTER: return;
    }
}

/* A hello of another major version: its other fields may be whatever they are there. */
static bool is_foreign_hello(wire_reader *reader)
{
    if (reader->wire.kind != PX_WIRE_HELLO) return false;
    const px_bytes number = look_ahead(reader->json, "major");
    px_json json = reader->json;
    json.at += number.data ? number.data - json.at : 0;
    const uint64_t major = px_json_read_u64(&json, UINT32_MAX);
    if (json.fault || major == PX_PROTOCOL_MAJOR) return false;
    reader->wire.hello.major = (uint32_t)major;
    return true;
}

px_err px_wire_decode(uint8_t *line, size_t size_bytes, uint32_t message_bytes_max,
                      const px_wire_entries *entries, px_wire *wire, const char **fault)
{
    wire_reader reader = {.message_bytes_max = message_bytes_max, .entries = entries};
    px_json_open(&reader.json, line, size_bytes);
    find_layout(&reader);
    if (is_foreign_hello(&reader)) {
        *wire = reader.wire;
        return PX_OK;
    }
    read_message(&reader);
    px_err err = px_json_end(&reader.json);
    if (err == PX_OK) {
        check_message(&reader);
        err = px_json_end(&reader.json);
    }
    if (err == PX_OK) {
        *wire = reader.wire;
    } else {
        *fault = reader.json.fault;
    }
    return err;
}
