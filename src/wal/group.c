/* group.c - records are gathered into groups, and groups written one after the other.
 *
 * Meaning    A group gets its place only when it is handed to the disk: then its records are sealed with
 *            their place, with what had been synced by then, and with the checksum of the record before. So
 *            each group states that all before it was synced, and a record is never taken for the successor
 *            of another than that it was written behind.
 * Holds      One write at a time is under way. What waits for space is not lost: it is written when there is
 *            some.
 * Source     [R2, R15, R17]. */
// SPDX-License-Identifier: Apache-2.0
#include "wal/wal_priv.h"

#include "base/assert.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK PX_DISK_BLOCK_BYTES
#define GROUP_BYTES_LEAST 65536u
/* Space of a group is kept for the next one up to this size. */
#define SPARE_BYTES_MAX (4u << 20)
/* Zeros are wanted ahead of small groups only, in steps of this: written space saves the file system's own
 * records a write, but the zeros cost as much as a large group itself (docs/adr/0009). */
#define PREPARE_STEP_BYTES (1u << 20)
#define PREPARED_GROUP_BYTES_MAX (16u << 10)
/* A group is at most this part of a segment, unless one record is larger: what is left empty at the end of a
 * segment is never more. */
#define GROUPS_PER_SEGMENT 8u
/* While the disk is full it is asked only at every n-th turn: of a quota only a try can tell. */
#define FULL_TURNS 8u

static size_t round_up(size_t size_bytes)
{
    return (size_bytes + BLOCK - 1) / BLOCK * BLOCK;
}

static void fail(px_wal *wal, px_err err, const char *where)
{
    if (wal->is_failed) return;
    wal->is_failed = true; /* no retry, no answer: nothing on this disk can be believed now [R17] */
    wal->events->on_failed(wal->events, err, where);
}

/* ---- jobs ---- */

static px_job *make_job(px_wal *wal, px_job_kind kind, size_t space_bytes)
{
    px_job *job = calloc(1, sizeof *job);
    px_assert(job != NULL);
    job->wal = wal;
    job->kind = kind;
    job->keeps = UINT64_MAX;
    if (kind == PX_JOB_GROUP && wal->spare && wal->spare_bytes >= space_bytes) {
        job->space = wal->spare;
        job->space_bytes = wal->spare_bytes;
        wal->spare = NULL;
        wal->spare_bytes = 0;
        return job;
    }
    job->space_bytes = round_up(space_bytes);
    job->space = aligned_alloc(BLOCK, job->space_bytes);
    px_assert(job->space != NULL);
    return job;
}

static void free_job(px_wal *wal, px_job *job)
{
    const bool is_kept = job->space_bytes <= SPARE_BYTES_MAX && job->space_bytes > wal->spare_bytes;
    if (is_kept) {
        free(wal->spare);
        wal->spare = job->space;
        wal->spare_bytes = job->space_bytes;
    } else {
        free(job->space);
    }
    free(job->notes);
    free(job);
}

void px_group_free_all(px_wal *wal)
{
    if (wal->writing) free_job(wal, wal->writing);
    if (wal->gathering) free_job(wal, wal->gathering);
    for (px_job *next; wal->jobs; wal->jobs = next) {
        next = wal->jobs->next;
        free_job(wal, wal->jobs);
    }
    free(wal->spare);
}

static void grow_space(px_job *job, size_t needs)
{
    size_t space_bytes = job->space_bytes;
    while (space_bytes < needs) space_bytes *= 2;
    uint8_t *grown = aligned_alloc(BLOCK, space_bytes);
    px_assert(grown != NULL);
    memcpy(grown, job->space, job->records_bytes);
    free(job->space);
    job->space = grown;
    job->space_bytes = space_bytes;
}

static void push_job(px_wal *wal, px_job *job)
{
    *wal->jobs_end = job;
    wal->jobs_end = &job->next;
}

/* ---- gathering ---- */

void px_group_close(px_wal *wal)
{
    px_job *job = wal->gathering;
    if (!job) return;
    const size_t whole = round_up(job->records_bytes);
    px_assert(whole <= job->space_bytes); /* its space is whole blocks */
    memset(job->space + job->records_bytes, 0, whole - job->records_bytes);
    job->write.size_bytes = whole;
    job->write.data = job->space;
    job->stated = px_wal_state_log(wal);
    wal->gathering = NULL;
    push_job(wal, job);
}

px_job *px_group_gather(px_wal *wal, size_t size_bytes)
{
    const size_t most = round_up((size_t)wal->config.segment_bytes / GROUPS_PER_SEGMENT);
    if (wal->gathering && wal->gathering->records_bytes + size_bytes > most) px_group_close(wal);
    if (!wal->gathering)
        wal->gathering =
            make_job(wal, PX_JOB_GROUP, size_bytes > GROUP_BYTES_LEAST ? size_bytes : GROUP_BYTES_LEAST);
    px_job *job = wal->gathering;
    if (job->records_bytes + size_bytes > job->space_bytes) grow_space(job, job->records_bytes + size_bytes);
    return job;
}

void px_group_note(px_job *job, px_wal_note note)
{
    if (job->note_count == job->note_capacity) {
        job->note_capacity = job->note_capacity ? 2 * job->note_capacity : 16;
        px_wal_note *grown = realloc(job->notes, job->note_capacity * sizeof *grown);
        px_assert(grown != NULL);
        job->notes = grown;
    }
    job->notes[job->note_count++] = note;
    if (note.is_cut && note.after < job->keeps) job->keeps = note.after;
}

px_job *px_group_push_state(px_wal *wal, unsigned copy)
{
    px_job *job = make_job(wal, PX_JOB_STATE, PX_STATE_BYTES);
    job->copy = copy;
    px_state_encode(wal, job->space);
    job->write.file = wal->state_files[copy];
    job->write.data = job->space;
    job->write.size_bytes = PX_STATE_BYTES;
    push_job(wal, job);
    return job;
}

/* ---- space ---- */

static void set_full(px_wal *wal, bool is_full)
{
    if (wal->is_full == is_full) return;
    wal->is_full = is_full;
    wal->full_turns = 0;
    wal->events->on_full(wal->events, is_full);
}

static bool make_segment(px_wal *wal, size_t bytes_least)
{
    px_disk *disk = wal->disk;
    const uint64_t size_bytes =
        bytes_least > wal->config.segment_bytes ? bytes_least : wal->config.segment_bytes;
    if (wal->is_full && ++wal->full_turns % FULL_TURNS != 0) return false;
    const bool has_space = disk->free_bytes(disk) >= size_bytes;
    const px_err err = has_space ? px_segments_create(wal, size_bytes) : PX_ERR_NO_SPACE;
    if (err && err != PX_ERR_NO_SPACE)
        fail(wal, err, "a new segment");
    else
        set_full(wal, err == PX_ERR_NO_SPACE);
    return !err;
}

/* Made when a quarter of the last one is used: when the disk is found full, what was taken and every vote
 * still fit, and whoever hears on_full has that much time. */
void px_group_make_ahead(px_wal *wal)
{
    const px_segment *current = px_segments_find(wal, wal->next.segment);
    if (px_segments_find(wal, wal->next.segment + 1)) return;
    if (!wal->is_full && wal->next.offset < current->size_bytes / 4) return;
    (void)make_segment(wal, 0);
}

/* Finds the group its place. A large one gets a segment of its own size. False: there is no space yet. */
static bool place_group(px_wal *wal, px_job *job)
{
    const size_t size_bytes = job->write.size_bytes;
    px_wal_place place = wal->next;
    px_segment *segment = px_segments_find(wal, place.segment);
    while (place.offset + size_bytes > segment->size_bytes) {
        place = (px_wal_place){place.segment + 1, 0};
        if (!px_segments_find(wal, place.segment) && !make_segment(wal, size_bytes)) return false;
        segment = px_segments_find(wal, place.segment);
    }
    job->write.file = segment->file;
    job->write.offset = place.offset;
    job->end = wal->next = (px_wal_place){place.segment, place.offset + size_bytes};
    for (uint32_t i = 0; i < job->note_count; i++) {
        const px_wal_note *note = &job->notes[i];
        const px_wal_place at = {place.segment, place.offset + note->at};
        const px_record_seal seal = {at, wal->synced, wal->record_crc};
        wal->record_crc = px_record_put_seal(job->space + note->at, seal);
        px_segments_note(wal, at, note);
    }
    if (size_bytes > PREPARED_GROUP_BYTES_MAX) return true;
    uint64_t upto = (wal->next.offset / PREPARE_STEP_BYTES + 2) * PREPARE_STEP_BYTES;
    if (upto > segment->size_bytes) upto = segment->size_bytes;
    wal->disk->prepare(wal->disk, segment->file, upto);
    return true;
}

/* ---- writing ---- */

/* The length that is on disk, less what anything staged cuts. */
static uint64_t durable_length(const px_wal *wal, uint64_t length)
{
    for (const px_job *job = wal->jobs; job; job = job->next)
        if (job->keeps < length) length = job->keeps;
    if (wal->gathering && wal->gathering->keeps < length) length = wal->gathering->keeps;
    return length;
}

static px_err finish_job(px_wal *wal, px_job *job)
{
    wal->counters.writes++;
    wal->counters.bytes += job->write.size_bytes;
    wal->counters.sync_us_last = job->write.sync_us;
    if (job->kind == PX_JOB_GROUP) {
        wal->synced = job->end;
        wal->durable_length = durable_length(wal, job->stated.length);
        px_mark_write(wal, &job->stated);
        return PX_OK;
    }
    /* A newer state was written at once while this one was under way: it must not stay behind. */
    if (!job->is_overtaken) return PX_OK;
    px_state_encode(wal, job->space);
    return wal->disk->write_now(wal->disk, wal->state_files[job->copy], 0, job->space, PX_STATE_BYTES);
}

static void on_done(px_disk_write *write, px_err err)
{
    px_job *job = (px_job *)write;
    px_wal *wal = job->wal;
    wal->writing = NULL;
    if (!err && !wal->is_failed) err = finish_job(wal, job);
    if (err) {
        char where[80], name[PX_FILE_NAME_BYTES] = "the small state";
        if (job->kind == PX_JOB_GROUP) px_segment_name(job->end.segment, name);
        (void)snprintf(where, sizeof where, "%s at byte %llu", name, (unsigned long long)write->offset);
        fail(wal, err, where);
    }
    const px_ticket ticket = job->ticket;
    free_job(wal, job);
    if (wal->is_failed) return;
    px_group_write_next(wal);
    if (ticket.n && !wal->is_failed) wal->events->on_stored(wal->events, ticket);
}

void px_group_write_next(px_wal *wal)
{
    px_job *job = wal->jobs;
    if (wal->writing || wal->is_failed || !job) return;
    if (job->kind == PX_JOB_GROUP && !place_group(wal, job)) return;
    if (job->kind == PX_JOB_STATE) px_state_put_synced(job->space, wal->synced);
    wal->jobs = job->next;
    if (!wal->jobs) wal->jobs_end = &wal->jobs;
    job->next = NULL;
    job->write.on_done = on_done;
    job->write.may_rest = job->kind == PX_JOB_GROUP;
    wal->staged_bytes -= job->records_bytes;
    wal->writing = job;
    wal->disk->write(wal->disk, &job->write);
}
