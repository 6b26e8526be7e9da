/* sessions.h - the sessions that the log has open or remembers.
 *
 * Meaning    The table follows the log as taken, slot by slot; a journal of what the unchosen slots changed
 *            takes it back where a tail is cut. The same rows also say how things stood as of the last chosen
 *            slot. [R11] A full table makes room for an opening by the log's order alone: the longest fenced
 *            session goes first (one fenced a window ago, so that every node knows its fencing chosen), then
 *            the client's session that was used longest ago. Sessions of members never expire. A client's
 *            session that is opened again goes on at the number where it stood; one that has expired is not
 *            opened again while its name is remembered (expired.h).
 * Holds      The table is a function of the log prefix: equal prefixes, equal tables, on every node.
 * Source     protocol.md [R11, R12]. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PAXOS_SESSIONS_H
#define PX_PAXOS_SESSIONS_H

#include "paxos/core.h"
#include "paxos/expired.h"

/* Rows dropped by an opening that is not yet chosen keep their place until it is. */
#define PX_SESSION_ROWS (PX_SESSIONS_MAX + PX_WINDOW_SLOTS)
#define PX_SESSION_BUCKETS 16384u
_Static_assert((PX_SESSION_BUCKETS & (PX_SESSION_BUCKETS - 1)) == 0, "a bucket is taken by a mask");
_Static_assert(PX_SESSION_BUCKETS >= PX_SESSION_ROWS, "chains stay short");
/* Changes by unchosen slots: a window of runs, and as many openings as it has slots. */
#define PX_SESSION_CHANGES_MAX (PX_WINDOW_RUNS_MAX + PX_WINDOW_SLOTS)
/* Storage ids that ever opened sessions: members, and those that their disks had before. */
#define PX_OPENERS_MAX 64u

typedef struct {
    uint64_t holder;       /* slot that opened it; 0: this row is free */
    uint64_t next;         /* as taken */
    uint64_t next_chosen;  /* Invariant: next_chosen <= next. */
    uint64_t fenced_slot;  /* 0: not fenced */
    uint64_t dropped_slot; /* 0: not dropped; else the unchosen opening that took its place */
    uint64_t name_hash;
    px_opener opener;
    uint32_t former; /* row of the session of that name before it: as long as its own slot is not chosen */
    uint32_t origin;
    uint32_t holder_next, name_next; /* chains of the two hash indexes */
    uint32_t list_previous, list_next;
    uint16_t name_bytes;
    uint8_t kind;
} px_session_row;

typedef struct {
    uint32_t head, tail, count;
} px_session_list;

/* A run, or an opening, of an unchosen slot. */
typedef struct {
    uint64_t slot;
    uint32_t row;
    uint32_t count;      /* messages of a run; 0: an opening, whose rest is the next one in `openings` */
    uint32_t was_behind; /* a run: its place among the clients before it */
} px_session_change;

typedef struct {
    px_opener highest;
    uint64_t slot; /* of the opening; 0: free */
} px_opener_row;

typedef struct {
    uint32_t fenced, fenced_was_behind;
    uint32_t dropped;
    bool is_expiry; /* the dropped one was an open client's; its name is remembered */
    px_expired_name expired_before;
    uint32_t opener;
    px_opener_row opener_before;
} px_session_opening;

typedef struct {
    px_session_row rows[PX_SESSION_ROWS];
    uint8_t names[PX_SESSION_ROWS][PX_SESSION_NAME_BYTES_MAX];
    uint32_t rows_used; /* rows below it have been used */
    uint32_t free;      /* chain of free rows by list_next */
    uint32_t row_max;
    uint32_t row_count;      /* Invariant: rows neither free nor dropped, <= row_max. */
    px_session_list fenced;  /* by the slot that fenced them */
    px_session_list clients; /* not fenced, by last use */
    uint32_t by_holder[PX_SESSION_BUCKETS];
    uint32_t by_name[PX_SESSION_BUCKETS]; /* the newest of each name */
    px_opener_row openers[PX_OPENERS_MAX];
    px_expired expired;
    px_session_change changes[PX_SESSION_CHANGES_MAX];
    uint64_t change_first, change_end; /* change c is at c % PX_SESSION_CHANGES_MAX */
    px_session_opening openings[PX_WINDOW_SLOTS];
    uint64_t opening_first, opening_end;
} px_sessions;

/* `row_max`: sessions remembered, at most PX_SESSIONS_MAX. */
void px_sessions_init(px_sessions *sessions, uint32_t row_max);

/* How many changes the entry makes at most: runs of a batch, one for an opening. Its body was checked. */
uint32_t px_sessions_count_changes(const px_entry *entry);

/* Takes the next slot. What no leader that keeps [R11] would append changes nothing. */
void px_sessions_apply(px_sessions *sessions, const px_entry *entry);

/* Takes everything behind slot `after` back. */
void px_sessions_cut(px_sessions *sessions, uint64_t after);

/* Slots up to `upto` are chosen: they cannot be taken back any more. */
void px_sessions_choose(px_sessions *sessions, uint64_t upto);

/* As px_core_opener, px_core_admit, px_core_admit_opening (at slot `slot`), px_core_session_by_name and
 * _by_holder. */
px_opener px_sessions_opener(const px_sessions *sessions, uint64_t storage_id);
px_admission px_sessions_admit(const px_sessions *sessions, const px_run *run, uint32_t ahead,
                               uint32_t *skip);
bool px_sessions_admit_opening(const px_sessions *sessions, const px_opening *opening, uint64_t slot);
bool px_sessions_by_name(const px_sessions *sessions, uint64_t chosen, px_session_kind kind, px_bytes name,
                         px_session *session);
bool px_sessions_by_holder(const px_sessions *sessions, uint64_t chosen, uint64_t holder,
                           px_session *session);

/* As px_core_session_is_expired. */
bool px_sessions_is_expired(const px_sessions *sessions, uint64_t chosen, px_bytes name);

/* Every invariant, or px_assert. */
void px_sessions_check(const px_sessions *sessions, uint64_t chosen, uint64_t taken);

/* Equal tables, equal digests, whatever rows they use. */
uint64_t px_sessions_digest(const px_sessions *sessions);

#endif
