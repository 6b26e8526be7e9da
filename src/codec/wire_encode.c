/* wire_encode.c - messages into JSON.
 *
 * Meaning    Walks the table of fields (wire_priv.h) and appends what each says. The size is known
 *            beforehand, so nothing grows.
 * Holds      What the reader would refuse is asserted here: a node that would say nonsense stops before. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "codec/base64.h"
#include "codec/hex.h"
#include "codec/json_writer.h"
#include "codec/wire_priv.h"
#include "paxos/batch.h"
#include <string.h>

#define LINE_END "\r\n"
/* Quotes, colon and comma around a name. */
#define KEY_BYTES 4u
#define BALLOT_BYTES_MAX (3 * (PX_JSON_NUMBER_BYTES_MAX + 1) + 1)
/* Brackets of an object or array and a comma. */
#define BRACKETS_BYTES 3u
/* What is no field of the table: the type, the closing bracket, the line's end. */
#define FRAME_BYTES_MAX 64u

static const void *at_offset(const void *record, uint16_t offset)
{
    return (const uint8_t *)record + offset;
}

size_t px_wire_head(px_wire_kind kind, px_incarnation to, uint8_t *space)
{
    px_json_writer writer;
    px_json_writer_init(&writer, space, PX_WIRE_HEAD_BYTES_MAX);
    px_json_write_object_open(&writer);
    if (kind == PX_WIRE_HELLO) return px_json_writer_bytes(&writer);

    uint8_t text[PX_HEX_U64_BYTES + 1 + PX_JSON_NUMBER_BYTES_MAX];
    px_hex_put_u64(to.storage_id, text);
    text[PX_HEX_U64_BYTES] = '-';
    px_json_writer number;
    px_json_writer_init(&number, text + PX_HEX_U64_BYTES + 1, PX_JSON_NUMBER_BYTES_MAX);
    px_json_write_u64(&number, to.run);
    px_json_write_key(&writer, "to");
    px_json_write_string(&writer, (px_bytes){text, PX_HEX_U64_BYTES + 1 + px_json_writer_bytes(&number)});
    px_assert(!writer.is_full);
    space[px_json_writer_bytes(&writer)] = ',';
    return px_json_writer_bytes(&writer) + 1;
}

/* ---- sizes ---- */

/* Most bytes of a value that is not made of others. */
static size_t flat_bytes_max(const px_wire_field *field, const void *value)
{
    switch (field->value) {
    case PX_VALUE_NUMBER:
    case PX_VALUE_U32:
    case PX_VALUE_MEMBER:
    case PX_VALUE_FLAG: return PX_JSON_NUMBER_BYTES_MAX;
    case PX_VALUE_BALLOT: return BALLOT_BYTES_MAX;
    case PX_VALUE_HASH: return PX_HEX_HASH_BYTES + 2;
    case PX_VALUE_STORAGE: return PX_HEX_U64_BYTES + 2;
    case PX_VALUE_NAME:
    case PX_VALUE_CLUSTER: return PX_JSON_STRING_BYTES_MAX(((const px_bytes *)value)->size_bytes);
    case PX_VALUE_ROSTER:
    case PX_VALUE_DISK:
    case PX_VALUE_ENTRY_KIND: return 16;
    case PX_VALUE_BODY: return px_base64_encoded_bytes(((const px_bytes *)value)->size_bytes) + 2;
    case PX_VALUE_RECORD:
    case PX_VALUE_ENTRIES:
    case PX_VALUE_MEMBERS: break;
    }
    px_assert(false);
    return 0;
}

/* Most bytes of an object of flat values, with the comma behind it. */
static size_t record_bytes_max(const px_wire_record *record, const void *base)
{
    size_t size_bytes = BRACKETS_BYTES;
    for (uint32_t i = 0; i < record->count; i++) {
        const px_wire_field *const field = &record->fields[i];
        size_bytes += KEY_BYTES + strlen(field->name) + flat_bytes_max(field, at_offset(base, field->offset));
    }
    return size_bytes;
}

static size_t value_bytes_max(const px_wire_field *field, const void *base)
{
    const void *const value = at_offset(base, field->offset);
    size_t size_bytes = BRACKETS_BYTES;
    if (field->value == PX_VALUE_RECORD) return record_bytes_max(field->record, value);
    if (field->value == PX_VALUE_ENTRIES) {
        const px_log_part *const log = value;
        for (uint32_t i = 0; i < log->count; i++) {
            size_bytes += record_bytes_max(&px_wire_entry_record, &log->entries[i]);
        }
        return size_bytes;
    }
    if (field->value == PX_VALUE_MEMBERS) {
        const px_wire_member *const members = at_offset(base, field->items_offset);
        for (uint32_t i = 0; i < *(const uint32_t *)value; i++) {
            size_bytes += record_bytes_max(&px_wire_member_record, &members[i]);
        }
        return size_bytes;
    }
    return flat_bytes_max(field, value);
}

size_t px_wire_size_max(const px_wire *wire)
{
    const px_wire_layout *const layout = px_wire_layout_of(wire);
    px_assert(layout);
    size_t size_bytes = FRAME_BYTES_MAX;
    for (uint32_t i = 0; i < layout->record.count; i++) {
        const px_wire_field *const field = &layout->record.fields[i];
        size_bytes += KEY_BYTES + strlen(field->name) + value_bytes_max(field, wire);
    }
    return size_bytes;
}

size_t px_wire_line_bytes_max(uint32_t message_bytes_max)
{
    /* The most that one message carries is a whole window, or one message that is larger than it; a leader
     * may overshoot the window by one batch. An entry's numbers are far below the room given for them here.
     * [R9] */
    const size_t alone_bytes = px_batch_size_bytes(1, 1, message_bytes_max);
    const size_t bodies_bytes =
        (alone_bytes > PX_WINDOW_BYTES ? alone_bytes : PX_WINDOW_BYTES) + PX_BATCH_BYTES;
    const size_t entry_bytes = 256, rest_bytes = 4096;
    return px_base64_encoded_bytes(bodies_bytes) + PX_WINDOW_SLOTS * entry_bytes + rest_bytes;
}

/* ---- values ---- */

static void write_number(px_json_writer *writer, uint64_t number)
{
    px_assert(number < PX_NUMBER_END);
    px_json_write_u64(writer, number);
}

static void write_ballot(px_json_writer *writer, const px_ballot *ballot)
{
    px_assert(ballot->node < PX_MEMBERS_MAX);
    px_json_write_array_open(writer);
    write_number(writer, ballot->config);
    write_number(writer, ballot->number);
    px_json_write_u64(writer, ballot->node);
    px_json_write_array_close(writer);
}

static void write_name(px_json_writer *writer, const char *const *names, uint32_t count, uint32_t value)
{
    px_assert(value < count);
    px_json_write_text(writer, names[value]);
}

static void write_flat(px_json_writer *writer, const px_wire_field *field, const void *value)
{
    switch (field->value) {
    case PX_VALUE_NUMBER: write_number(writer, *(const uint64_t *)value); return;
    case PX_VALUE_U32: px_json_write_u64(writer, *(const uint32_t *)value); return;
    case PX_VALUE_MEMBER:
        px_assert(*(const uint32_t *)value < PX_MEMBERS_MAX);
        px_json_write_u64(writer, *(const uint32_t *)value);
        return;
    case PX_VALUE_FLAG: px_json_write_bool(writer, *(const bool *)value); return;
    case PX_VALUE_BALLOT: write_ballot(writer, value); return;
    case PX_VALUE_HASH: px_json_write_hash(writer, *(const px_hash *)value); return;
    case PX_VALUE_STORAGE: px_json_write_hex(writer, *(const uint64_t *)value); return;
    case PX_VALUE_NAME:
    case PX_VALUE_CLUSTER: px_json_write_string(writer, *(const px_bytes *)value); return;
    case PX_VALUE_ROSTER:
        write_name(writer, px_wire_roster_names, PX_ROSTER_STATES, *(const px_roster_state *)value);
        return;
    case PX_VALUE_DISK:
        write_name(writer, px_wire_disk_names, PX_DISK_HEALTHS, *(const px_disk_health *)value);
        return;
    case PX_VALUE_ENTRY_KIND:
        write_name(writer, px_wire_entry_names, PX_ENTRY_KINDS,
                   *(const px_entry_kind *)value - PX_ENTRY_BATCH);
        return;
    case PX_VALUE_BODY: px_json_write_base64(writer, *(const px_bytes *)value); return;
    case PX_VALUE_RECORD:
    case PX_VALUE_ENTRIES:
    case PX_VALUE_MEMBERS: break;
    }
    px_assert(false);
}

/* Is it what a field that is missing means? */
static bool is_missing(const px_wire_field *field, const void *value)
{
    if (!field->is_optional) return false;
    return field->value == PX_VALUE_FLAG ? !*(const bool *)value : *(const uint64_t *)value == 0;
}

static void write_record(px_json_writer *writer, const px_wire_record *record, const void *base)
{
    px_json_write_object_open(writer);
    for (uint32_t i = 0; i < record->count; i++) {
        const px_wire_field *const field = &record->fields[i];
        const void *const value = at_offset(base, field->offset);
        if (is_missing(field, value)) continue;
        px_json_write_key(writer, field->name);
        write_flat(writer, field, value);
    }
    px_json_write_object_close(writer);
}

static void write_entries(px_json_writer *writer, const px_log_part *log)
{
    px_assert(log->count <= PX_WINDOW_SLOTS);
    px_json_write_array_open(writer);
    for (uint32_t i = 0; i < log->count; i++) write_record(writer, &px_wire_entry_record, &log->entries[i]);
    px_json_write_array_close(writer);
}

static void write_members(px_json_writer *writer, const px_wire_member *members, uint32_t count)
{
    px_assert(count <= PX_MEMBERS_MAX);
    px_json_write_array_open(writer);
    for (uint32_t i = 0; i < count; i++) write_record(writer, &px_wire_member_record, &members[i]);
    px_json_write_array_close(writer);
}

static void write_value(px_json_writer *writer, const px_wire_field *field, const void *base)
{
    const void *const value = at_offset(base, field->offset);
    if (is_missing(field, value)) return;
    px_json_write_key(writer, field->name);
    if (field->value == PX_VALUE_RECORD) {
        write_record(writer, field->record, value);
    } else if (field->value == PX_VALUE_ENTRIES) {
        write_entries(writer, value);
    } else if (field->value == PX_VALUE_MEMBERS) {
        write_members(writer, at_offset(base, field->items_offset), *(const uint32_t *)value);
    } else {
        write_flat(writer, field, value);
    }
}

size_t px_wire_encode(const px_wire *wire, uint8_t *space)
{
    const px_wire_layout *const layout = px_wire_layout_of(wire);
    px_assert(layout);
    px_json_writer writer;
    px_json_writer_init(&writer, space, px_wire_size_max(wire));
    px_json_write_key(&writer, "type");
    px_json_write_text(&writer, layout->type);
    for (uint32_t i = 0; i < layout->record.count; i++) {
        write_value(&writer, &layout->record.fields[i], wire);
    }
    px_json_write_object_close(&writer);
    px_json_write_line_end(&writer, LINE_END);
    px_assert(!writer.is_full);
    return px_json_writer_bytes(&writer);
}
