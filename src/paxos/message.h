/* message.h - what cores say to one another.
 *
 * Meaning    Votes, the log, and the heartbeats that elect. Everything is a claim about the sender at the
 *            time of sending;
 *            no rule relies on the order in which messages arrive. [R6]
 *            Catching up is pulled: who lags asks (FETCH) and gets one bounded PIECE of chosen slots at a
 *            time, so that a
 *            piece is its own credit; a candidate that has reached the chosen part of the better log gets its
 *            whole unchosen
 *            TAIL; a leader answers a follower that is near enough with SYNC instead. [R5, R9]
 * Source     protocol.md §2, §4. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PAXOS_MESSAGE_H
#define PX_PAXOS_MESSAGE_H

#include "base/ballot.h"
#include "paxos/entry.h"
#include <stdbool.h>

typedef enum {
    PX_MESSAGE_HEARTBEAT = 1, /* state, round: a request; an answer proves the link both ways [R13] */
    PX_MESSAGE_HEARD,         /* state, round, served, leads, follows, above, disk: its answer */
    PX_MESSAGE_PREPARE,       /* ballot, state */
    PX_MESSAGE_PROMISE,       /* ballot, state: the log as taken, and durable by the time this leaves [R3] */
    PX_MESSAGE_REFUSE,        /* ballot that was refused, state */
    PX_MESSAGE_FETCH,         /* ballot (a candidate's, else none), state: send what is behind state.chosen */
    PX_MESSAGE_PIECE,         /* log: chosen slots [R9] */
    PX_MESSAGE_TAIL,          /* ballot, log, state: the whole unchosen rest of a promiser's log [R4, R9] */
    /* ballot, log, state: raise to the ballot, cut behind log.after, append: one atomic record [R5] */
    PX_MESSAGE_SYNC,
    PX_MESSAGE_ACCEPT,   /* ballot, log (one entry), state.chosen [R6] */
    PX_MESSAGE_ACCEPTED, /* ballot, state: state.durable slots accepted in this ballot, cumulative [R6] */
    /* ballot, state.chosen: what an ACCEPT would have carried, when there is none to send */
    PX_MESSAGE_CHOSEN,
    PX_MESSAGE_PROBE,     /* ballot, probe: are you still under it? [R7] */
    PX_MESSAGE_PROBED,    /* ballot, probe, state */
    PX_MESSAGE_TAKE_OVER, /* ballot: the leader of it has stopped; campaign now [R14] */
    /* ballot (the sender's accepted one), log: slots behind the asker's damaged log, chosen or not [R16] */
    PX_MESSAGE_MENDED
} px_message_kind;
#define PX_MESSAGE_KINDS 16

typedef enum { PX_DISK_WELL = 0, PX_DISK_OVERDUE = 1, PX_DISK_FULL = 2 } px_disk_health;

/* A node's own numbers, as every message repeats them. [R8] */
typedef struct {
    px_ballot promised;   /* durable where the message says so: HEARD, PROMISE, REFUSE, ACCEPTED, PROBED */
    px_ballot accepted;   /* ballot in which the whole log was last synchronised */
    uint64_t cuts;        /* [R9] cuts under this accepted ballot */
    uint64_t durable;     /* length of the log on its disk */
    uint64_t taken;       /* length of the log in its memory, >= durable */
    uint64_t chosen;      /* last slot it knows chosen, <= taken */
    px_hash chosen_chain; /* the chain hash at `chosen` */
    uint64_t claimed;     /* length that its damaged log had, > taken; 0: it is whole [R16] */
    /* nobody there waits for what is chosen: the next slot may tell it, or a moment. A hint, no more */
    bool is_quiet;
} px_node_state;

/* Consecutive entries behind a slot on which both sides agree. */
typedef struct {
    uint64_t after;      /* entries are after + 1, after + 2, ... */
    px_hash after_chain; /* chain hash at `after`; zero for slot 0 */
    uint32_t count;
    const px_entry *entries; /* borrowed */
} px_log_part;

/* Only the fields named beside the kind above have a meaning; the others are zero. */
typedef struct {
    px_message_kind kind;
    px_ballot ballot;
    px_node_state state;
    px_log_part log;
    uint64_t round; /* the asker's heartbeat round */
    uint64_t probe;
    px_ballot leads;   /* ballot the sender leads, adopting included, or none */
    px_ballot follows; /* of the leader that the sender hears; of its own where it proposes; or none */
    uint64_t above; /* number that somebody promised above `follows` whom the sender hears unserved, or 0 */
    bool served;    /* [R13] */
    px_disk_health disk;
} px_message;

#endif
