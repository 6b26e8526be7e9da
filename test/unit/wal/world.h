/* world.h - a log on a fake disk beside a naive model of it.
 *
 * Meaning    Every record staged is applied to the model, too, and the model as it stood behind each ticket
 *            is kept. Whatever a crash leaves must be the model behind one of these tickets, at or above the
 *            last one told as stored. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_UNIT_WAL_WORLD_H
#define PX_TEST_UNIT_WAL_WORLD_H

#include "base/prng.h"
#include "support/fake_disk.h"
#include "wal/wal.h"

#define MODEL_SLOTS 96u
#define WORLD_TICKETS 512u

/* Everything of an entry follows from its slot, these numbers, and the slot before it. */
typedef struct {
    uint64_t tag, index_next;
    uint32_t body_bytes;
    px_hash chain;
} model_slot;

typedef struct {
    px_ballot promised, accepted;
    uint64_t cuts, chosen, length;
    px_claim claim;                    /* restored last; of the model itself there is none */
    model_slot slots[MODEL_SLOTS + 1]; /* slots[0]: before the log */
} model_log;

typedef struct {
    px_wal_events events; /* first */
    fake_disk *disk;
    px_disk *port; /* what the log is opened on; NULL: the disk itself */
    px_wal *wal;
    px_state state;
    px_wal_config config;
    px_wal_fault fault;
    model_log model, restored;
    model_log *history; /* behind each ticket of this run */
    uint64_t staged, stored;
    uint64_t next_tag;
    uint32_t stored_calls, failed_calls, full_calls;
    bool is_full;
    px_err failed_err;
    char failed_where[160];
} world;

/* A world with an open, empty log in segments of this size. */
world *world_make(uint64_t seed, uint64_t segment_bytes);
void world_free(world *w);
/* What is stable on the disk of `w`, as a world of its own with the same model; its log is not open. */
world *world_clone(const world *w);

px_err world_try_open(world *w);
/* Opens, which must succeed, and goes on from what was restored. */
void world_open(world *w);
void world_close(world *w);
/* The process ends as fake_disk_crash has it; the log is not opened again. */
void world_crash(world *w, bool keeps_cache);

/* What is staged: `count` entries of body_bytes each behind `after`. */
typedef struct {
    px_record_kind kind;
    uint64_t after;
    uint32_t count, body_bytes;
} world_part;
px_ticket world_stage(world *w, world_part part);
/* APPEND at the end of the log. */
px_ticket world_append(world *w, uint32_t count, uint32_t body_bytes);
px_ticket world_cut(world *w, uint64_t after, uint32_t count, uint32_t body_bytes);
px_ticket world_splice(world *w, uint64_t after, uint32_t count, uint32_t body_bytes);
/* Promises a ballot above every other. */
px_ticket world_promise(world *w);
void world_flush(world *w);
/* Flushes and completes all. */
void world_settle(world *w);

/* The restored log is the model behind one of the tickets stored .. staged. */
bool world_is_prefix(const world *w);
/* Reads every slot and index that must be there, and one more that must not. */
void world_check_read(world *w);
bool model_equal(const model_log *a, const model_log *b);

/* The device's bytes of all files, as one hash: has anything changed? */
uint64_t world_fingerprint(const world *w);
/* Length of what stands in a segment: up to its last byte that is not zero. */
uint64_t world_used_bytes(const world *w, const char *segment);
/* Opens, which must say DAMAGED with words, and change nothing. */
void world_check_damaged(world *w, const char *where);
/* The log was opened, and said of damage: what it has and claims is the model, now and after a restart, and
 * whoever gives it the slots that it misses makes it whole. *lost: slots that are nowhere any more. [R16] */
void world_check_claim(world *w, uint64_t *lost);
/* Opens, which must find damage there and go on all the same; then as world_check_claim. */
void world_check_healed(world *w, const char *where);

#define SEGMENT_1 "0000000000000001.log"
#define SEGMENT_2 "0000000000000002.log"

#endif
