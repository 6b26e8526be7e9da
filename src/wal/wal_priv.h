/* wal_priv.h - what the rooms of wal/ share. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_WAL_WAL_PRIV_H
#define PX_WAL_WAL_PRIV_H

#include "wal/record.h"
#include "wal/wal.h"

#define PX_SEGMENT_BYTES_DEFAULT (64u << 20)
/* Marks a segment begins with; every second is dropped when they are used up. */
#define PX_SEGMENT_MARKS 64u
#define PX_STATE_BYTES 4096u
#define PX_FILE_NAME_BYTES 40u

/* Where a slot begins: reading for it or a later one starts here. One that a cut left may not be dropped:
 * what stands before it is stale. */
typedef struct {
    uint64_t slot, index, offset;
    bool is_cut;
} px_wal_mark;

/* What is to be noted of a record when its place is known. */
typedef struct {
    uint64_t after, index; /* index: of its first message, or of the next one */
    uint32_t count;
    bool is_cut;
    size_t at; /* in its group */
} px_wal_note;

/* What a log is, as something beside its records has it. */
typedef struct {
    px_wal_place synced;
    px_ballot accepted;
    uint64_t cuts, length, chosen;
    uint32_t claims;
    px_hash chain;    /* at its length */
    uint64_t claimed; /* length of a claim that counts; 0: none */
    bool is_unsure;   /* that claim is */
} px_wal_stated;

typedef struct {
    uint64_t number, size_bytes;
    px_disk_file *file;  /* NULL: it is missing */
    uint64_t live_bytes; /* what stands behind them was given up for damage; UINT64_MAX: nothing was [R16] */
    px_wal_mark *marks;
    uint32_t mark_count, mark_capacity;
    uint64_t mark_every, mark_due; /* records between two marks, records until the next */
} px_segment;

typedef enum { PX_JOB_GROUP, PX_JOB_STATE } px_job_kind;

/* A durable write, in the order in which they complete. */
typedef struct px_job px_job;
struct px_job {
    px_disk_write write; /* first */
    px_wal *wal;
    px_job *next;
    px_job_kind kind;
    px_ticket ticket; /* reached when it is done; {0}: none (the first copy of the state) */
    uint8_t *space;   /* aligned; freed or kept for the next group */
    size_t space_bytes;

    /* PX_JOB_GROUP */
    size_t records_bytes; /* without the padding */
    px_wal_note *notes;   /* of its records */
    uint32_t note_count, note_capacity;
    px_wal_place end;     /* synced up to here when it is done */
    px_wal_stated stated; /* of the log behind it, but for the place */
    uint64_t keeps;       /* slots above are cut by one of its records; UINT64_MAX: none are */

    /* PX_JOB_STATE */
    unsigned copy;
    bool is_overtaken; /* a newer state was written at once meanwhile */
};

/* One of the newest slots as staged: what a record that cuts behind it goes on from. */
typedef struct {
    uint64_t slot, index_next;
    px_hash chain;
} px_wal_slot;

/* Slots behind damage that can be read. The first record of theirs stands at `place`, and they follow one
 * another from there. [R16] */
typedef struct {
    uint64_t after, end;
    px_hash after_chain;
    px_wal_place place;
} px_salvage_run;

typedef struct {
    px_salvage_run *runs; /* in the order of places; a slot may be in several */
    uint32_t count, capacity;
} px_salvage_runs;

struct px_wal {
    px_disk *disk;
    px_wal_events *events;
    px_wal_config config;
    uint64_t node;
    px_state state;

    px_segment *segments;
    uint32_t segment_count, segment_capacity;

    px_wal_place next; /* where the next group begins: a block boundary */
    px_wal_place synced;
    uint32_t record_crc;     /* of the last record that has its place */
    px_hash chain;           /* of the newest record */
    uint64_t length;         /* of the log as staged */
    uint64_t durable_length; /* slots that are on disk, and that nothing staged cuts */
    px_ballot accepted;
    uint64_t cuts, chosen;
    uint32_t claims;
    px_claim claim; /* of the log as staged; length 0: none that counts [R16] */
    px_salvage_runs salvage;
    const px_salvage_run *salvage_run; /* that was read last */
    px_wal_place salvage_next; /* where the last read of salvage ended: slot salvage_slot + 1 stands there */
    uint64_t salvage_slot;

    px_wal_slot slots[PX_SLOTS_KEPT]; /* slot s at s % PX_SLOTS_KEPT */

    px_job *gathering;        /* the group that records go into; NULL where there is none */
    px_job *jobs, **jobs_end; /* closed, not yet handed over */
    px_job *writing;
    uint8_t *spare; /* space of the last group, for the next */
    size_t spare_bytes;
    size_t staged_bytes;
    px_disk_file *state_files[2];
    uint64_t state_version;
    unsigned state_first; /* the copy to be written first: the other one is good */
    px_disk_file *mark_file;
    uint64_t mark_version;
    bool is_full, is_failed;
    uint32_t full_turns; /* since the disk was last asked whether it is still full */
    px_wal_counters counters;
};

/* ---- wal.c ---- */
/* Does the log have that chain hash at a slot? No record goes on from a slot too old to be remembered: what
 * is not known chosen is never that long. [R9] */
bool px_wal_is_chain_at(const px_wal *wal, uint64_t slot, px_hash chain);
/* That chain hash, of a slot that is remembered. */
px_hash px_wal_chain_at(const px_wal *wal, uint64_t slot);
/* The index behind the last durable message; UINT64_MAX where that slot is not remembered. */
uint64_t px_wal_index_end(const px_wal *wal);
/* A record goes on with the log: returns what is to be noted of it. */
px_wal_note px_wal_take_record(px_wal *wal, const px_record_header *header, const px_log_part *log);
/* The log as it is now. */
px_wal_stated px_wal_state_log(const px_wal *wal);
/* Does the claim still say more than the log has? */
static inline bool px_wal_is_claimed(const px_wal *wal)
{
    return wal->claim.is_unsure || wal->claim.length > wal->length;
}

/* ---- group.c ---- */
/* The group that gathers, with room for a record of that size at its end. */
px_job *px_group_gather(px_wal *wal, size_t size_bytes);
void px_group_note(px_job *job, px_wal_note note);
/* Ends the group that gathers. */
void px_group_close(px_wal *wal);
/* A copy of the state, behind everything staged. */
px_job *px_group_push_state(px_wal *wal, unsigned copy);
/* Hands the next job to the disk, unless one is under way or there is no space for it. */
void px_group_write_next(px_wal *wal);
/* Makes the segment behind the one that is written, ahead of need: from there on the disk may be full. */
void px_group_make_ahead(px_wal *wal);
void px_group_free_all(px_wal *wal);

/* ---- segments.c ---- */
void px_segment_name(uint64_t number, char name[PX_FILE_NAME_BYTES]);
px_err px_segments_add(px_wal *wal, uint64_t number, uint64_t size_bytes, px_disk_file *file);
px_err px_segments_create(px_wal *wal, uint64_t size_bytes); /* the next one, behind the last */
px_segment *px_segments_find(px_wal *wal, uint64_t number);
/* A record stands at `place`: its slots can be found from now on; what a cut left behind cannot. */
void px_segments_note(px_wal *wal, px_wal_place place, const px_wal_note *note);
/* The mark to read from for a slot, or for a message. NULL: it is not in the log. */
const px_wal_mark *px_segments_seek_slot(px_wal *wal, uint64_t slot, px_segment **segment);
const px_wal_mark *px_segments_seek_index(px_wal *wal, uint64_t index, px_segment **segment);
/* The lowest slot above `slot` at which a cut left a mark: a walk that began below it must not go so far.
 * UINT64_MAX: none. */
uint64_t px_segments_next_cut(const px_wal *wal, uint64_t slot);
void px_segments_close(px_wal *wal);

/* ---- wal.c ---- */
/* Renames a file of the folder to NAME.lost; it may not be there. */
px_err px_wal_set_aside(px_wal *wal, const char *name);

/* ---- state_file.c ---- */
/* Reads wal->state, or begins a new one; *synced is what the copies state as synced, {0, 0} where they are
 * new. Changes nothing on disk. */
px_err px_state_open(px_wal *wal, bool has_log, px_wal_place *synced, px_wal_fault *fault);
/* Writes both copies, the bad or older one first; makes those that are missing. */
px_err px_state_write_both(px_wal *wal);
/* Renames both copies, the first one last, so that a later start finds them as bad until all is done. */
px_err px_state_set_aside(px_wal *wal);
/* wal->state as one block, and how far the log is synced now. [R15] */
void px_state_encode(const px_wal *wal, uint8_t *space);
/* An encoded copy states a newer place. */
void px_state_put_synced(uint8_t *space, px_wal_place synced);

/* ---- mark_file.c ---- */
/* What it states; all zero where it states nothing, or is not there. Changes nothing on disk. */
px_err px_mark_open(px_wal *wal, px_wal_stated *newest);
px_err px_mark_make(px_wal *wal); /* where it was not there */
px_err px_mark_set_aside(px_wal *wal);
/* The log is synced up to wal->synced, and is that then. A hint: no error. */
void px_mark_write(px_wal *wal, const px_wal_stated *is);

/* ---- recovery.c ---- */
/* stated, marked: what was synced, as small state and mark have it. Where damage was found, *fault says so
 * though all is well otherwise. */
px_err px_recovery_run(px_wal *wal, px_wal_place stated, const px_wal_stated *marked, void *context,
                       void (*restore)(void *context, const px_record *record), px_wal_fault *fault);

/* ---- salvage.c ---- */
/* The log as it can be told from what stands behind damage. [R16] */
typedef struct {
    px_wal_slot *slots; /* chain hashes that are known; slot s at s % PX_SLOTS_KEPT */
    px_wal_stated is;   /* as of the last record; synced: behind it */
    uint64_t top;       /* no slot above it is known */
    uint64_t live;      /* slots from the first on that are in the log before the damage, and in this one */
    uint64_t certain;   /* of them, those that this log itself knew chosen */
    bool is_mended;     /* since a claim others' slots may stand in the place of those before it */
    bool hides_claim;   /* a lost record may be a claim of more than the log is */
    uint32_t before;    /* checksum of the last record */
    bool goes_on;       /* the next record may continue the last run */
    px_salvage_runs runs;
} px_salvage;
/* Begins with the log as it is before the damage. */
void px_salvage_init(px_salvage *salvage, const px_wal *wal);
void px_salvage_deinit(px_salvage *salvage);
/* What was looked at up to here was given up before; the log goes on behind it as it is now. */
void px_salvage_go_on(px_salvage *salvage, const px_wal *wal);
/* Takes the next record that can be read, in the order of places; entries is NULL where only its header can.
 * claim: of a record of that kind whose payload can be read, else NULL. */
void px_salvage_take(px_salvage *salvage, const px_record_header *header, const px_entry *entries,
                     const px_claim *claim);
/* Takes what the mark says of records behind the last one. */
void px_salvage_take_mark(px_salvage *salvage, const px_wal_stated *marked);
/* The chain hash at a slot. False where it is not known. */
bool px_salvage_chain_at(const px_salvage *salvage, uint64_t slot, px_hash *chain);

#endif
