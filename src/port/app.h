/* app.h - what applications ask of a node; local/ asks, node/ answers.
 *
 * Meaning    An *intake* is where one application hands over messages of one session, in order. It is
 *            bounded: `room` says how much it takes now,
 *            on_room tells when it takes more. A *reader* walks the delivered messages from an index on; it
 *            pulls, so a slow one costs nothing.
 *            All on the loop's thread. Callbacks come from the node's own turn, never from inside a call. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PORT_APP_H
#define PX_PORT_APP_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/limits.h"
#include "paxos/batch.h"
#include "paxos/core.h"
#include "port/buffer.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct px_app px_app;
typedef struct px_delivered px_delivered;
typedef struct px_watcher px_watcher;
typedef struct px_barrier px_barrier;
typedef struct px_status px_status;
/* Room for the words of why two members are not connected. */
#define PX_LINK_FAULT_BYTES_MAX 256u

/* ---- handing over messages ---- */

typedef struct px_intake px_intake; /* the node's */
typedef struct px_intake_events px_intake_events;

typedef enum {
    PX_INTAKE_FENCED, /* somebody opened the session anew */
    PX_INTAKE_EXPIRED /* the log had to forget the session, and where it stood */
} px_intake_end;

struct px_intake_events {
    /* The intake can take messages (again). Numbers of its messages start at 1 and count what was pushed
     * here. */
    void (*on_room)(px_intake_events *events);
    /* Messages up to number `upto` are chosen; the last of them has `index`; the ones before it have the
     * indexes before it only where
     * `consecutive` many directly precede it (a batch at a time: called once per batch that holds messages of
     * this intake). */
    void (*on_chosen)(px_intake_events *events, uint64_t upto, uint64_t index, uint32_t consecutive);

    /* ---- of clients' sessions alone; NULL for others ---- */
    /* The session is open and may be pushed to. `next` is the number of what is pushed first: all before it
     * is in the log. */
    void (*on_opened)(px_intake_events *events, uint64_t next);
    /* As on_chosen, but another intake of the session brought these in: what is pushed here under their
     * numbers is not taken again. `index` is 0, and `consecutive` too, where it is not known. */
    void (*on_duplicate)(px_intake_events *events, uint64_t upto, uint64_t index, uint32_t consecutive);
    /* It is over: what was pushed and not told chosen is not in the log, now or later. Nothing comes behind
     * it. */
    void (*on_ended)(px_intake_events *events, px_intake_end end);
};

/* How a client's session is opened. */
typedef enum {
    PX_SESSION_TAKE, /* anew in the log, which fences whoever has it open */
    PX_SESSION_JOIN  /* as it is open; anew only where it is not. Fences nobody else. */
} px_session_mode;

/* Opens an intake of a session of this member (a pipe, or the node's plain sends), opened anew in the log at
 * each start.
 * name        unique on this node, 1 to 64 bytes, copied.
 * bytes_max   payloads that it may hold.   Returns NULL where too many are open. */
typedef struct {
    px_intake *(*intake_open)(px_app *app, const char *name, size_t bytes_max, px_intake_events *events);
    /* Opens an intake of a client's session; at most one call of on_opened, then one of on_ended.
     * name   1 to PX_SESSION_NAME_BYTES_MAX bytes, copied.   Returns NULL where too many are open. */
    px_intake *(*session_open)(px_app *app, px_bytes name, px_session_mode mode, px_intake_events *events);
    /* Stops callbacks; also from inside one. What was pushed is still sent. */
    void (*intake_close)(px_app *app, px_intake *intake);
    /* Payload bytes that it takes now without growing over bytes_max (one message of any allowed size
     * always fits into an empty one). Clients' sessions share PX_SESSION_INTAKES_BYTES: there even an empty
     * one may have to wait for on_room. 0 while the disk is full. */
    size_t (*intake_room)(px_app *app, px_intake *intake);
    /* Takes one message (copied). Returns its number. The caller has looked at the room; a message is at most
     * max_message_bytes. */
    uint64_t (*intake_push)(px_app *app, px_intake *intake, px_bytes message);

    /* ---- reading ---- */
    /* The index of the last delivered message. */
    uint64_t (*index_delivered)(px_app *app);
    /* The batch that holds message `index`, from memory or disk. On PX_OK *batch is retained for the caller,
     * who releases batch->owner.
     * Errors  PX_ERR_END        not delivered yet.
     *         PX_ERR_NOT_FOUND  before the start of the log.
     *         PX_ERR_DAMAGED, PX_ERR_IO   it cannot be read here. */
    px_err (*read)(px_app *app, uint64_t index, px_delivered *batch);
    /* Calls `on_delivered` after each turn in which index_delivered rose. At most one call a turn. */
    void (*watch)(px_app *app, px_watcher *watcher);
    void (*unwatch)(px_app *app, px_watcher *watcher);

    /* ---- asking ---- */
    /* A linearizable index [R7]. Its on_done is called once, unless barrier_cancel comes first. */
    void (*barrier)(px_app *app, px_barrier *barrier);
    void (*barrier_cancel)(px_app *app, px_barrier *barrier);
    void (*status)(px_app *app, px_status *status);
    /* Does its log differ from a majority's? Then nothing is delivered or taken here any more. [§7] */
    bool (*is_diverged)(px_app *app);
    /* A leader hands over to a member, or to whoever is best where it is PX_MEMBERS_MAX; it gives up trying
     * after an election timeout. Status tells what came of it. Nothing where this node does not lead.
     * [R14] */
    void (*transfer)(px_app *app, uint32_t member);
} px_app_calls;

struct px_app {
    const px_app_calls *calls;
};

struct px_delivered {
    px_buffer *owner;     /* keeps the bytes below */
    uint64_t index_first; /* of the batch's first message */
    uint64_t stamp_ms;
    px_batch batch;
};

struct px_watcher {
    void (*on_delivered)(px_watcher *watcher, uint64_t index);
    /* Does somebody wait for the next message, having had all that are delivered? Asked at the end of turns:
     * where nobody at a node waits for anything, it may hear later what is chosen. */
    bool (*is_waiting)(const px_watcher *watcher);
    px_watcher *next, *previous; /* the node's */
};

struct px_barrier {
    void (*on_done)(px_barrier *barrier, uint64_t index);
    uint64_t slot; /* set when on_done is called: what was chosen when it was answered */
    uint64_t id;   /* the node's, as the rest */
    px_barrier *next, *previous;
};

typedef struct {
    char id[PX_NAME_BYTES_MAX];
    char addr[PX_NAME_BYTES_MAX];
    bool connected;                           /* both ways; the node itself: true */
    char link_fault[PX_LINK_FAULT_BYTES_MAX]; /* why it is not, in words; empty where it is, or not known */
    bool has_rtt;
    uint64_t rtt_us;
    uint64_t lag; /* messages behind what this node knows chosen */
    bool voter;
    bool heard;
    px_disk_health disk;
    /* Its chosen log as it last said, and whether this node has the same there, where it remembers. */
    uint64_t chosen_slot;
    px_hash chain;
    bool is_comparable, is_same;
} px_member_status;

struct px_status {
    uint32_t self, member_count;
    px_member_status members[PX_MEMBERS_MAX];
    px_role role;
    bool has_leader;
    uint32_t leader;    /* member */
    px_ballot ballot;   /* of the leader it follows */
    uint64_t committed; /* index of the last chosen message it knows */
    uint64_t first;     /* index of the first in the log; 1 */
    uint64_t delivered;
    uint64_t digest_index, digest_slot;  /* messages delivered up to the slot of the digest */
    px_hash digest;                      /* chain hash there */
    bool diverged;                       /* its log differs from a majority's [§7] */
    uint64_t leaderless_us;              /* since when it has known no leader; 0 where it knows one */
    char waiting_for[PX_NAME_BYTES_MAX]; /* why it is not ready, in words; empty where it is */
    /* Counters since the start. */
    uint64_t slots_proposed, messages_proposed, syncs, records, log_bytes, wakeups, json_sent, json_received,
        elections;
};

#endif
