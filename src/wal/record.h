/* record.h - one record of the log, as bytes.
 *
 * Meaning    A record is a header of fixed size and a payload of entries; log-format.md has the byte table.
 *            Everything that says where and by whom a record was
 *            written stands in it, so that a misplaced or foreign one is never taken for this log's.
 * Source     protocol.md §5. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_WAL_RECORD_H
#define PX_WAL_RECORD_H

#include "base/err.h"
#include "paxos/core.h"

#define PX_RECORD_HEADER_BYTES 192u
#define PX_RECORD_ENTRY_BYTES 72u

/* A place in the log: every byte of lower places is before it. */
typedef struct {
    uint64_t segment, offset;
} px_wal_place;

static inline bool px_wal_place_less(px_wal_place a, px_wal_place b)
{
    return a.segment != b.segment ? a.segment < b.segment : a.offset < b.offset;
}

/* What a header says beside the record's own fields. */
typedef struct {
    uint8_t cluster_id[16];
    uint64_t node;       /* hash of the node's name */
    px_wal_place place;  /* of the record itself */
    px_wal_place synced; /* everything before it was on disk when this was written */
    px_record_kind kind;
    px_ballot promised, accepted;
    uint64_t cuts;   /* under this accepted ballot, below 2^32 [R19] */
    uint32_t claims; /* under it, modulo 2^32: one that is lost is missed by the next record [R16] */
    uint64_t chosen, after;
    px_hash after_chain, chain; /* before and behind its entries */
    uint32_t count;
    uint32_t payload_crc;
    uint64_t payload_bytes;
    uint32_t before; /* checksum of the record that stands before this one; 0: there is none */
    uint32_t crc;    /* its own */
} px_record_header;

/* Bytes of a record with its padding to 8. */
size_t px_record_size_bytes(const px_log_part *log);

/* Encodes header and payload into px_record_size_bytes bytes; payload_crc, payload_bytes and chain of *header
 * are set here. It is no valid record before it is sealed. */
void px_record_encode(px_record_header *header, const px_log_part *log, uint8_t *space);

/* What is known only when a record goes to the disk. */
typedef struct {
    px_wal_place place, synced;
    uint32_t before;
} px_record_seal;

/* A record of kind CLAIM: the log ends at header->after, and once was what the claim says. [R16] */
#define PX_RECORD_CLAIM_BYTES (PX_RECORD_HEADER_BYTES + 40u)
void px_record_encode_claim(px_record_header *header, const px_claim *claim, uint8_t *space);
/* Reads the claim of a checked payload. PX_ERR_MALFORMED where it is none. */
PX_MUST_USE px_err px_record_decode_claim(const px_record_header *header, const uint8_t *payload,
                                          px_claim *claim);

/* Completes an encoded record; returns its checksum. */
uint32_t px_record_put_seal(uint8_t *record, px_record_seal seal);

/* Reads a header. PX_ERR_MALFORMED where its checksum or a field is not valid. */
PX_MUST_USE px_err px_record_decode_header(const uint8_t *bytes, px_record_header *header);

/* Is the payload that of the header? */
bool px_record_is_payload(const px_record_header *header, const uint8_t *payload);

/* Reads the entries of a checked payload; bodies point into it. entries: room for header->count.
 * PX_ERR_MALFORMED where sizes, slots or the hash chain do not add up. */
PX_MUST_USE px_err px_record_decode_entries(const px_record_header *header, const uint8_t *payload,
                                            px_entry *entries);

#endif
