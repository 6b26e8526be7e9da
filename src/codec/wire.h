/* wire.h - the messages between nodes, and their JSON form.
 *
 * Meaning    One JSON object a message, ended by \r\n; wire-format.md is the specification of every field.
 *            Encoding is split so that a message that goes to several members is encoded once: px_wire_head
 *            makes the few bytes that name the addressee, px_wire_encode the rest. Decoding is strict:
 *            unknown fields are skipped (a newer minor version), everything else that is not as specified is
 *            refused.
 * Source     spec.md §8; protocol.md [R8]. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_CODEC_WIRE_H
#define PX_CODEC_WIRE_H

#include "base/err.h"
#include "base/limits.h"
#include "paxos/message.h"
#include <stddef.h>

#define PX_PROTOCOL_MAJOR 1
#define PX_PROTOCOL_MINOR 0

typedef enum {
    PX_WIRE_UNKNOWN = 0, /* a type of a newer version: ignore it; only `to` is set, where it was there */
    PX_WIRE_CORE = 1,    /* paxos/message.h; "type" is that kind's name */
    PX_WIRE_HELLO,       /* first on every connection [R8, R18, R19] */
    PX_WIRE_PING,
    PX_WIRE_PONG,
    PX_WIRE_FORWARD,      /* messages on their way to the leader [R10] */
    PX_WIRE_FORWARD_OPEN, /* an opening on its way to the leader [R11] */
    PX_WIRE_BARRIER,      /* a request for a linearizable index [R7] */
    PX_WIRE_BARRIER_ANSWER,
    PX_WIRE_ROSTER /* what this node has written of the roster [R18] */
} px_wire_kind;

/* Which run of which disk a message is meant for: others drop it. [R8] */
typedef struct {
    uint64_t storage_id, run;
} px_incarnation;

typedef struct {
    px_bytes name;       /* borrowed */
    uint64_t storage_id; /* 0: not known */
} px_wire_member;

/* State of the roster at a node. */
typedef enum { PX_ROSTER_NONE = 0, PX_ROSTER_WRITTEN = 1, PX_ROSTER_COMPLETE = 2 } px_roster_state;

typedef struct {
    uint32_t major, minor;
    px_bytes id;                /* the sender's name */
    px_incarnation incarnation; /* the sender's */
    uint64_t connection;        /* counter of the connections it dialled in this start [R8] */
    uint32_t message_bytes_max;
    px_bytes cluster_id; /* 32 hex digits, or empty before the roster */
    px_roster_state roster;
    uint32_t member_count; /* the configured member set; with storage ids where its roster is written */
    px_wire_member members[PX_MEMBERS_MAX];
    px_ballot
        remembered_promised; /* what it remembers of the addressee's storage id [R19]; none where nothing */
    px_ballot remembered_accepted;
    uint64_t remembered_cuts, remembered_length;
    uint64_t remembered_storage_id; /* the storage id that it is about; 0: nothing remembered */
} px_wire_hello;

typedef struct {
    px_wire_kind kind;
    px_incarnation to; /* of every message but hello */
    union {
        /* The largest comes first: an initializer that names none of them clears the first, so all. */
        px_wire_hello hello;
        px_message core;
        struct {
            uint64_t number;
        } ping, pong;
        /* body: a batch as in batch.h, of runs of one origin. Dropped by whoever leads another ballot. relay:
         * hops it may still take. */
        struct {
            px_ballot ballot;
            uint32_t origin;
            uint32_t relay;
            px_bytes body;
        } forward;
        struct {
            px_ballot ballot;
            uint32_t origin;
            uint32_t relay;
            px_bytes body;
        } forward_open;
        struct {
            uint32_t origin;
            uint32_t relay;
            uint64_t id;
            px_ballot ballot;
        } barrier;
        struct {
            uint32_t origin;
            uint32_t relay;
            uint64_t id;
            bool ok;
            uint64_t index;
            uint64_t slot; /* chosen by then: openings of sessions have no index */
        } barrier_answer;
        struct {
            px_roster_state roster;
            px_bytes cluster_id;
            uint32_t member_count;
            px_wire_member members[PX_MEMBERS_MAX];
        } roster;
    };
} px_wire;
_Static_assert(sizeof(px_wire) == offsetof(px_wire, hello) + sizeof(px_wire_hello), "hello is the largest");

/* Room for the longest head. */
#define PX_WIRE_HEAD_BYTES_MAX 96u
/* Writes `{"to":"<storage id>-<run>",`. Returns its size in bytes. A hello has the head `{`. */
size_t px_wire_head(px_wire_kind kind, px_incarnation to, uint8_t *space);

/* An upper bound of what px_wire_encode writes. */
size_t px_wire_size_max(const px_wire *wire);

/* Writes the rest of the message behind a head, the closing "\r\n" included. Returns its size in bytes.
 * space   px_wire_size_max(wire) bytes. */
size_t px_wire_encode(const px_wire *wire, uint8_t *space);

/* The longest line that a node of this limit on payloads ever sends, its end not counted. */
size_t px_wire_line_bytes_max(uint32_t message_bytes_max);

/* Entries of one decoded message; the caller's memory. */
typedef struct {
    px_entry *items; /* room for PX_WINDOW_SLOTS or more */
    uint32_t capacity;
} px_wire_entries;

/* Reads one message, without its line end. Strings and bodies of *wire point into `line`, which is decoded in
 * place and destroyed. Bodies are checked (batch.h), body_hash and chain of each entry are computed here from
 * the body and log.after_chain, and slots and indexes are checked to be consecutive. Of a hello of another
 * major version only `major` is read. Writes *wire only on PX_OK.
 * fault    on an error: static words that say what was wrong (never NULL then).
 * Errors   PX_ERR_MALFORMED. */
PX_MUST_USE px_err px_wire_decode(uint8_t *line, size_t size_bytes, uint32_t message_bytes_max,
                                  const px_wire_entries *entries, px_wire *wire, const char **fault);

/* The type's name, as on the wire. */
const char *px_wire_type(const px_wire *wire);

#endif
