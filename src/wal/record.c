/* record.c - one record of the log, as bytes. */
// SPDX-License-Identifier: Apache-2.0
#include "wal/record.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "paxos/entry.h"
#include <string.h>

#define MAGIC 0x31525850u /* "PXR1" */
#define VERSION 1u
#define PLACE_AT 32u
#define SYNCED_AT 48u
#define BEFORE_AT 184u
#define HEADER_CRC_AT 188u

static void put_u32(uint8_t *at, uint32_t value)
{
    for (unsigned byte = 0; byte < 4; byte++) at[byte] = (uint8_t)(value >> (8 * byte));
}

static void put_u64(uint8_t *at, uint64_t value)
{
    for (unsigned byte = 0; byte < 8; byte++) at[byte] = (uint8_t)(value >> (8 * byte));
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t get_u64(const uint8_t *at)
{
    return (uint64_t)get_u32(at) | (uint64_t)get_u32(at + 4) << 32;
}

static void put_ballot(uint8_t *at, px_ballot ballot)
{
    put_u64(at, ballot.config);
    put_u64(at + 8, ballot.number);
    put_u64(at + 16, ballot.node);
}

static px_ballot get_ballot(const uint8_t *at)
{
    return (px_ballot){get_u64(at), get_u64(at + 8), get_u64(at + 16)};
}

static void put_hash(uint8_t *at, px_hash hash)
{
    put_u64(at, hash.high);
    put_u64(at + 8, hash.low);
}

static px_hash get_hash(const uint8_t *at)
{
    return (px_hash){get_u64(at), get_u64(at + 8)};
}

static size_t payload_bytes_of(const px_log_part *log)
{
    size_t size_bytes = 0;
    for (uint32_t i = 0; i < log->count; i++)
        size_bytes += PX_RECORD_ENTRY_BYTES + log->entries[i].body.size_bytes;
    return size_bytes;
}

size_t px_record_size_bytes(const px_log_part *log)
{
    return (PX_RECORD_HEADER_BYTES + payload_bytes_of(log) + 7) / 8 * 8;
}

static void put_header(const px_record_header *header, uint8_t *at)
{
    memset(at, 0, PX_RECORD_HEADER_BYTES);
    put_u32(at, MAGIC);
    put_u32(at + 4, VERSION | (uint32_t)header->kind << 16);
    memcpy(at + 8, header->cluster_id, 16);
    put_u64(at + 24, header->node);
    put_ballot(at + 64, header->promised);
    put_ballot(at + 88, header->accepted);
    px_assert(header->cuts <= UINT32_MAX);
    put_u32(at + 112, (uint32_t)header->cuts);
    put_u32(at + 116, header->claims);
    put_u64(at + 120, header->chosen);
    put_u64(at + 128, header->after);
    put_hash(at + 136, header->after_chain);
    put_u32(at + 152, header->count);
    put_u32(at + 156, header->payload_crc);
    put_u64(at + 160, header->payload_bytes);
    put_hash(at + 168, header->chain);
}

uint32_t px_record_put_seal(uint8_t *record, px_record_seal seal)
{
    put_u64(record + PLACE_AT, seal.place.segment);
    put_u64(record + PLACE_AT + 8, seal.place.offset);
    put_u64(record + SYNCED_AT, seal.synced.segment);
    put_u64(record + SYNCED_AT + 8, seal.synced.offset);
    put_u32(record + BEFORE_AT, seal.before);
    const uint32_t crc = px_crc32c(0, record, HEADER_CRC_AT);
    put_u32(record + HEADER_CRC_AT, crc);
    return crc;
}

void px_record_encode(px_record_header *header, const px_log_part *log, uint8_t *space)
{
    uint8_t *payload = space + PX_RECORD_HEADER_BYTES, *at = payload;
    header->after = log->after;
    header->after_chain = log->after_chain;
    header->count = log->count;
    header->chain = log->after_chain;
    for (uint32_t i = 0; i < log->count; i++) {
        const px_entry *entry = &log->entries[i];
        px_assert(entry->slot == log->after + 1 + i);
        px_assert(px_hash_equal(entry->chain, px_entry_chain(header->chain, entry)));
        header->chain = entry->chain;
        put_u64(at, entry->slot);
        put_u32(at + 8, (uint32_t)entry->kind);
        put_u32(at + 12, entry->message_count);
        put_u64(at + 16, entry->index_first);
        put_u64(at + 24, entry->stamp_ms);
        put_hash(at + 32, entry->body_hash);
        put_hash(at + 48, entry->chain);
        put_u64(at + 64, entry->body.size_bytes);
        at += PX_RECORD_ENTRY_BYTES;
        if (entry->body.size_bytes) memcpy(at, entry->body.data, entry->body.size_bytes);
        at += entry->body.size_bytes;
    }
    header->payload_bytes = (uint64_t)(at - payload);
    header->payload_crc = px_crc32c(0, payload, header->payload_bytes);
    memset(at, 0, px_record_size_bytes(log) - PX_RECORD_HEADER_BYTES - header->payload_bytes);
    put_header(header, space);
}

void px_record_encode_claim(px_record_header *header, const px_claim *claim, uint8_t *space)
{
    uint8_t *payload = space + PX_RECORD_HEADER_BYTES;
    put_u64(payload, claim->length);
    put_u64(payload + 8, claim->chosen);
    put_hash(payload + 16, claim->chain);
    put_u64(payload + 32, claim->is_unsure ? 1 : 0);
    header->kind = PX_RECORD_CLAIM;
    header->chain = header->after_chain;
    header->count = 0;
    header->payload_bytes = PX_RECORD_CLAIM_BYTES - PX_RECORD_HEADER_BYTES;
    header->payload_crc = px_crc32c(0, payload, header->payload_bytes);
    put_header(header, space);
}

px_err px_record_decode_claim(const px_record_header *header, const uint8_t *payload, px_claim *claim)
{
    const uint64_t size_bytes = PX_RECORD_CLAIM_BYTES - PX_RECORD_HEADER_BYTES;
    if (header->kind != PX_RECORD_CLAIM || header->payload_bytes != size_bytes) return PX_ERR_MALFORMED;
    *claim = (px_claim){
        .length = get_u64(payload),
        .chosen = get_u64(payload + 8),
        .chain = get_hash(payload + 16),
        .is_unsure = get_u64(payload + 32) != 0,
    };
    return PX_OK;
}

px_err px_record_decode_header(const uint8_t *bytes, px_record_header *header)
{
    const uint32_t kind = get_u32(bytes + 4) >> 16;
    if (get_u32(bytes) != MAGIC || (get_u32(bytes + 4) & 0xffff) != VERSION) return PX_ERR_MALFORMED;
    if (get_u32(bytes + HEADER_CRC_AT) != px_crc32c(0, bytes, HEADER_CRC_AT)) return PX_ERR_MALFORMED;
    if (kind < PX_RECORD_APPEND || kind > PX_RECORD_CLAIM) return PX_ERR_MALFORMED;
    *header = (px_record_header){
        .node = get_u64(bytes + 24),
        .place = {get_u64(bytes + PLACE_AT), get_u64(bytes + PLACE_AT + 8)},
        .synced = {get_u64(bytes + SYNCED_AT), get_u64(bytes + SYNCED_AT + 8)},
        .kind = (px_record_kind)kind,
        .promised = get_ballot(bytes + 64),
        .accepted = get_ballot(bytes + 88),
        .cuts = get_u32(bytes + 112),
        .claims = get_u32(bytes + 116),
        .chosen = get_u64(bytes + 120),
        .after = get_u64(bytes + 128),
        .after_chain = get_hash(bytes + 136),
        .chain = get_hash(bytes + 168),
        .count = get_u32(bytes + 152),
        .payload_crc = get_u32(bytes + 156),
        .payload_bytes = get_u64(bytes + 160),
        .before = get_u32(bytes + BEFORE_AT),
        .crc = get_u32(bytes + HEADER_CRC_AT),
    };
    memcpy(header->cluster_id, bytes + 8, 16);
    return PX_OK;
}

bool px_record_is_payload(const px_record_header *header, const uint8_t *payload)
{
    return px_crc32c(0, payload, header->payload_bytes) == header->payload_crc;
}

px_err px_record_decode_entries(const px_record_header *header, const uint8_t *payload, px_entry *entries)
{
    uint64_t left = header->payload_bytes;
    px_hash chain = header->after_chain;
    for (uint32_t i = 0; i < header->count; i++) {
        if (left < PX_RECORD_ENTRY_BYTES) return PX_ERR_MALFORMED;
        px_entry *entry = &entries[i];
        const uint64_t body_bytes = get_u64(payload + 64);
        left -= PX_RECORD_ENTRY_BYTES;
        if (body_bytes > left) return PX_ERR_MALFORMED;
        *entry = (px_entry){
            .slot = get_u64(payload),
            .kind = (px_entry_kind)get_u32(payload + 8),
            .message_count = get_u32(payload + 12),
            .index_first = get_u64(payload + 16),
            .stamp_ms = get_u64(payload + 24),
            .body_hash = get_hash(payload + 32),
            .chain = get_hash(payload + 48),
            .body = {payload + PX_RECORD_ENTRY_BYTES, body_bytes},
        };
        if (entry->slot != header->after + 1 + i) return PX_ERR_MALFORMED;
        if (!px_hash_equal(entry->chain, px_entry_chain(chain, entry))) return PX_ERR_MALFORMED;
        chain = entry->chain;
        payload += PX_RECORD_ENTRY_BYTES + body_bytes;
        left -= body_bytes;
    }
    return left == 0 && px_hash_equal(chain, header->chain) ? PX_OK : PX_ERR_MALFORMED;
}
