/* wal.h - the log on disk, and the small state beside it.
 *
 * Meaning    Append-only segment files of records; several records staged in one turn of the loop become one
 *            write and one sync (group commit), and while a
 *            write is under way what is staged gathers for the next. Beside the segments: the small state
 *            (two checksummed copies), and a mark file that
 *            states how far was synced, written after each sync and not synced itself [R15].
 * Holds      Records become durable in the order they were staged; on_stored tells tickets in that order.
 *            A SPLICE is there whole or not at all after any crash [R5].
 * Source     protocol.md §5 [R2, R5, R9, R15-R17]; log-format.md. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_WAL_WAL_H
#define PX_WAL_WAL_H

#include "base/err.h"
#include "paxos/core.h"
#include "port/buffer.h"
#include "port/disk.h"

typedef struct px_wal px_wal;

/* What another node's disk stated as durable, the highest of it. [R19] */
typedef struct {
    uint64_t storage_id; /* of that disk; 0: nothing is remembered */
    px_ballot promised;
    px_ballot accepted; /* (accepted, cuts, length): the highest in that order */
    uint64_t cuts, length;
} px_recollection;

/* The small state. [R16, R18, R19] */
typedef struct {
    uint64_t storage_id;  /* drawn at creation */
    uint64_t start_count; /* raised at each start */
    px_ballot promised;
    uint32_t roster_state;  /* px_roster_state of codec/wire.h */
    uint8_t cluster_id[16]; /* hash of the roster; zero before it */
    uint32_t member_count;
    struct {
        char name[PX_NAME_BYTES_MAX];
        uint64_t storage_id;
    } members[PX_MEMBERS_MAX];
    char self[PX_NAME_BYTES_MAX]; /* whose folder this is */
    /* Kept where the small state is written anyway: it may lag behind what is known. */
    px_recollection recollections[PX_MEMBERS_MAX];
} px_state;

typedef struct px_wal_events px_wal_events;
struct px_wal_events {
    /* Every record with a ticket <= upto is on disk. Once per completed write. */
    void (*on_stored)(px_wal_events *events, px_ticket upto);
    /* A write or sync failed: the process must end, nothing may be answered. [R17] `where` names file and
     * offset. */
    void (*on_failed)(px_wal_events *events, px_err err, const char *where);
    /* There is no space for another segment (true), or there is again (false). [R17] */
    void (*on_full)(px_wal_events *events, bool full);
};

typedef struct {
    uint64_t segment_bytes; /* a multiple of PX_DISK_BLOCK_BYTES; 64 MiB where it is 0 */
    uint32_t message_bytes_max;
    uint64_t random;  /* for a new storage id; not 0 */
    const char *self; /* own name: a folder of another is refused */
    bool is_alone; /* no other node has what is lost here: where nothing is left of the small state, refuse */
} px_wal_config;

/* What went wrong at opening, for people. */
typedef struct {
    char where[160]; /* file and offset */
    char what[240];  /* what is wrong and how to mend it */
} px_wal_fault;

/* Opens or makes the log of a data folder (which is locked by the caller), and reads all of it: calls
 * `restore` with the small state's promise
 * first, then with every record, oldest first. A torn tail is cut, zeroed and synced; the start count is
 * raised and synced.
 * Where a record that had been synced is bad, the log ends before it, the files stay as they are, and a
 * record of kind CLAIM, the last one restored, says what the log was; *fault says what was found [R16]. Where
 * both copies of the small state are bad, the files are set aside as NAME.lost, and the folder is a new one,
 * as *fault says; a node that is alone is refused instead [R16]. Else *fault is empty.
 * Allocates; *wal and *state are written only on PX_OK. `now` is not needed: nothing here depends on time.
 * Errors   PX_ERR_DAMAGED   more is gone than can be told: nothing was changed [R16].
 *          PX_ERR_FOREIGN   the folder of another node: nothing was changed [R18].
 *          PX_ERR_IO, PX_ERR_NO_SPACE, PX_ERR_DENIED. */
PX_MUST_USE px_err px_wal_open(px_disk *disk, const px_wal_config *config, px_wal_events *events,
                               void *context, void (*restore)(void *context, const px_record *record),
                               px_wal **wal, px_state *state, px_wal_fault *fault);
void px_wal_close(px_wal *wal);

/* Stages a record (its entries are copied) under a ticket higher than any before. PX_RECORD_PROMISE is staged
 * by px_wal_put_state instead. */
void px_wal_append(px_wal *wal, px_ticket ticket, const px_record *record);

/* Stages the small state, in order with the records around it: its ticket is reached when both copies are
 * synced. */
void px_wal_put_state(px_wal *wal, px_ticket ticket, const px_state *state);

/* Writes and syncs both copies of the small state now. Only while no px_wal_put_state is under way; for the
 * few writes that are not
 * part of the sequence of tickets: the roster. */
PX_MUST_USE px_err px_wal_write_state_now(px_wal *wal, const px_state *state);

/* Starts writing what is staged, unless a write is under way (then it follows by itself). Call at the end of
 * a turn. */
void px_wal_flush(px_wal *wal);

/* True while a write is under way or staged. */
bool px_wal_is_busy(const px_wal *wal);

/* Bytes staged and not yet handed to the disk: what an overloaded shell looks at before it takes more. */
size_t px_wal_staged_bytes(const px_wal *wal);

/* Time since the oldest write under way was handed over is the shell's to keep. Number of writes completed
 * and records and bytes written, for counters. */
typedef struct {
    uint64_t writes, records, bytes, sync_us_last;
} px_wal_counters;
px_wal_counters px_wal_count(const px_wal *wal);

/* Entries read back. */
typedef struct {
    px_buffer *owner; /* keeps the bodies; released by the caller */
    uint32_t count;
    px_entry entries[PX_WINDOW_SLOTS];
} px_wal_entries;

/* Reads slots first, first + 1, ... up to `last`, as many as fit in bytes_max, at least one, each checked
 * against its checksums.
 * Slots must be durable; those cut away are not there.
 * Errors   PX_ERR_END      `first` is not in the log.
 *          PX_ERR_DAMAGED, PX_ERR_IO. */
PX_MUST_USE px_err px_wal_read(px_wal *wal, uint64_t first, uint64_t last, size_t bytes_max,
                               px_wal_entries *entries);

/* Behind the end of a log that was damaged: what is left of it there. [R16] */
typedef struct {
    uint64_t slot; /* the next one that is known */
    px_hash chain; /* there; zero where it is not known */
} px_wal_salvage;

/* Reads slots after + 1, ... of what stands behind damage, as many as fit in bytes_max, at least one;
 * *after_chain is the chain hash at `after` that they continue. They are of the log that is claimed, whenever
 * its slot `after` has that hash.
 * Errors   PX_ERR_END       slot after + 1 is not there: *next says from which slot on there are more, or the
 *                           claimed length.
 *          PX_ERR_NOT_FOUND nothing is claimed.   PX_ERR_DAMAGED, PX_ERR_IO. */
PX_MUST_USE px_err px_wal_read_salvage(px_wal *wal, uint64_t after, size_t bytes_max, px_wal_entries *entries,
                                       px_hash *after_chain, px_wal_salvage *next);

/* The slot that holds message `index`, of the durable log. PX_ERR_END where there is none. */
PX_MUST_USE px_err px_wal_find_index(px_wal *wal, uint64_t index, uint64_t *slot);

#endif
