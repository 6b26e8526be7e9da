/* wal.c - the log on disk: opens it, gathers records into groups, and writes one group after the other. */
// SPDX-License-Identifier: Apache-2.0
#include "wal/wal.h"

#include "base/assert.h"
#include "wal/wal_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK PX_DISK_BLOCK_BYTES
/* Space of a group is kept for the next one up to this size. */
#define SPARE_BYTES_MAX (4u << 20)
/* Zeros are wanted this far ahead of the writes. */
#define PREPARE_BYTES (4u << 20)

static uint64_t round_up(uint64_t size_bytes)
{
    return (size_bytes + BLOCK - 1) / BLOCK * BLOCK;
}

/* ---- what is known of the log ---- */

void px_wal_note_record(px_wal *wal, px_wal_place place, const px_record_header *header,
                        const px_log_part *log)
{
    const uint64_t before = header->after == 0 ? 1 : wal->index_next[header->after % PX_SLOTS_KEPT];
    const uint64_t index = log->count ? log->entries[0].index_first : before;
    px_segments_note(wal, place, header, index, wal->length);
    for (uint32_t i = 0; i < log->count; i++) {
        const px_entry *entry = &log->entries[i];
        wal->index_next[entry->slot % PX_SLOTS_KEPT] = entry->index_first + entry->message_count;
    }
    wal->length = header->after + header->count;
    if (wal->durable_length > header->after && header->kind != PX_RECORD_APPEND)
        wal->durable_length = header->after;
    wal->chain = header->chain;
    wal->accepted = header->accepted;
    if (header->chosen > wal->chosen) wal->chosen = header->chosen;
}

/* ---- jobs ---- */

static px_job *make_job(px_wal *wal, px_job_kind kind, size_t space_bytes)
{
    px_job *job = calloc(1, sizeof *job);
    px_assert(job != NULL);
    job->wal = wal;
    job->kind = kind;
    if (wal->spare && wal->spare_bytes >= space_bytes) {
        job->space = wal->spare;
        job->space_bytes = wal->spare_bytes;
        wal->spare = NULL;
        return job;
    }
    job->space_bytes = round_up(space_bytes);
    job->space = aligned_alloc(BLOCK, job->space_bytes);
    px_assert(job->space != NULL);
    return job;
}

static void free_job(px_wal *wal, px_job *job)
{
    if (job->space_bytes <= SPARE_BYTES_MAX && job->space_bytes > wal->spare_bytes * (wal->spare ? 1u : 0u)) {
        free(wal->spare);
        wal->spare = job->space;
        wal->spare_bytes = job->space_bytes;
    } else {
        free(job->space);
    }
    free(job);
}

static void grow_space(px_job *job, size_t needs)
{
    size_t space_bytes = job->space_bytes;
    while (space_bytes < needs) space_bytes *= 2;
    uint8_t *grown = aligned_alloc(BLOCK, space_bytes);
    px_assert(grown != NULL);
    memcpy(grown, job->space, job->write.size_bytes);
    free(job->space);
    job->space = grown;
    job->space_bytes = space_bytes;
}

static void push_job(px_wal *wal, px_job *job)
{
    *wal->jobs_end = job;
    wal->jobs_end = &job->next;
}

/* Ends the group that gathers: the next one begins at the block boundary behind it. */
static void close_group(px_wal *wal)
{
    px_job *job = wal->gathering;
    if (!job) return;
    const size_t whole = round_up(job->write.size_bytes);
    if (whole > job->space_bytes) grow_space(job, whole);
    memset(job->space + job->write.size_bytes, 0, whole - job->write.size_bytes);
    job->write.size_bytes = whole;
    job->write.data = job->space;
    wal->next.offset += whole;
    job->end = wal->next;
    job->length = wal->length;
    job->chosen = wal->chosen;
    job->accepted = wal->accepted;
    wal->gathering = NULL;
    push_job(wal, job);
}

/* ---- writing ---- */

static void write_next(px_wal *wal);

static void finish_job(px_wal *wal, px_job *job)
{
    if (job->kind == PX_JOB_GROUP) {
        wal->synced = job->end;
        wal->durable_length = job->length < wal->length ? job->length : wal->length;
        wal->staged_bytes -=
            job->write.size_bytes < wal->staged_bytes ? job->write.size_bytes : wal->staged_bytes;
        px_mark_write(wal, job);
    }
    wal->counters.writes++;
    wal->counters.bytes += job->write.size_bytes;
    wal->counters.sync_us_last = job->write.sync_us;
}

static void on_done(px_disk_write *write, px_err err)
{
    px_job *job = (px_job *)write;
    px_wal *wal = job->wal;
    wal->writing = NULL;
    if (err && !wal->is_failed) {
        char where[80], name[PX_FILE_NAME_BYTES] = "state";
        if (job->kind == PX_JOB_GROUP) px_segment_name(job->end.segment, name);
        (void)snprintf(where, sizeof where, "%s at byte %llu", name, (unsigned long long)write->offset);
        wal->is_failed = true; /* no retry, no answer: nothing on this disk can be believed now [R17] */
        free_job(wal, job);
        wal->events->on_failed(wal->events, err, where);
        return;
    }
    const px_ticket ticket = job->ticket;
    finish_job(wal, job);
    free_job(wal, job);
    write_next(wal);
    if (ticket.n) wal->events->on_stored(wal->events, ticket);
}

static void write_next(px_wal *wal)
{
    if (wal->writing || wal->is_failed || !wal->jobs) return;
    px_job *job = wal->jobs;
    wal->jobs = job->next;
    if (!wal->jobs) wal->jobs_end = &wal->jobs;
    job->next = NULL;
    job->write.on_done = on_done;
    wal->writing = job;
    wal->disk->write(wal->disk, &job->write);
}

/* ---- space ---- */

static void set_full(px_wal *wal, bool is_full)
{
    if (wal->is_full == is_full) return;
    wal->is_full = is_full;
    wal->events->on_full(wal->events, is_full);
}

/* Makes the segment behind the one that is written, ahead of need. */
static void make_ahead(px_wal *wal)
{
    const px_segment *current = px_segments_find(wal, wal->next.segment);
    const bool has_next = px_segments_find(wal, wal->next.segment + 1) != NULL;
    if (has_next || wal->next.offset < current->size_bytes / 2) return;
    const px_err err = px_segments_create(wal, wal->config.segment_bytes);
    if (err && err != PX_ERR_NO_SPACE) {
        wal->is_failed = true;
        wal->events->on_failed(wal->events, err, "a new segment");
        return;
    }
    set_full(wal, err == PX_ERR_NO_SPACE);
}

/* Moves on to a segment that has room for a record. A large one gets a segment of its own size. */
static void roll(px_wal *wal, size_t size_bytes)
{
    close_group(wal);
    for (;;) {
        const px_segment *next = px_segments_find(wal, wal->next.segment + 1);
        if (!next) {
            const uint64_t least = round_up(size_bytes);
            const uint64_t bytes = least > wal->config.segment_bytes ? least : wal->config.segment_bytes;
            const px_err err = px_segments_create(wal, bytes);
            if (err) { /* the last reserve is used up in the middle of what must be written */
                wal->is_failed = true;
                wal->events->on_failed(wal->events, err, "a new segment");
                return;
            }
            continue;
        }
        wal->next = (px_wal_place){next->number, 0};
        if (size_bytes <= next->size_bytes) return;
    }
}

static px_job *group_for(px_wal *wal, size_t size_bytes)
{
    const px_segment *segment = px_segments_find(wal, wal->next.segment);
    const size_t used = wal->gathering ? wal->gathering->write.size_bytes : 0;
    if (wal->next.offset + used + size_bytes > segment->size_bytes) {
        roll(wal, size_bytes);
        if (wal->is_failed) return NULL;
        segment = px_segments_find(wal, wal->next.segment);
    }
    if (!wal->gathering) {
        wal->gathering = make_job(wal, PX_JOB_GROUP, size_bytes > 65536 ? size_bytes : 65536);
        wal->gathering->write.file = segment->file;
        wal->gathering->write.offset = wal->next.offset;
    }
    px_job *job = wal->gathering;
    if (job->write.size_bytes + size_bytes > job->space_bytes)
        grow_space(job, job->write.size_bytes + size_bytes);
    return job;
}

/* ---- staging ---- */

void px_wal_append(px_wal *wal, px_ticket ticket, const px_record *record)
{
    if (wal->is_failed) return;
    px_assert(record->kind != PX_RECORD_PROMISE);
    const size_t size_bytes = px_record_size_bytes(&record->log);
    px_job *job = group_for(wal, size_bytes);
    if (!job) return;
    const px_wal_place place = {wal->next.segment, wal->next.offset + job->write.size_bytes};
    px_record_header header = {
        .node = wal->node,
        .place = place,
        .synced = wal->synced,
        .kind = record->kind,
        .promised = record->promised,
        .accepted = record->accepted,
        .cuts = record->cuts,
        .chosen = record->chosen,
    };
    memcpy(header.cluster_id, wal->state.cluster_id, 16);
    px_record_encode(&header, &record->log, job->space + job->write.size_bytes);
    job->write.size_bytes += size_bytes;
    job->ticket = ticket;
    wal->staged_bytes += size_bytes;
    wal->counters.records++;
    px_wal_note_record(wal, place, &header, &record->log);
}

void px_wal_put_state(px_wal *wal, px_ticket ticket, const px_state *state)
{
    if (wal->is_failed) return;
    close_group(wal);
    wal->state = *state;
    wal->state_version++;
    for (unsigned copy = 0; copy < 2; copy++) {
        px_job *job = make_job(wal, PX_JOB_STATE, PX_STATE_BYTES);
        px_state_encode(state, wal->state_version, job->space);
        job->write.file = wal->state_files[copy];
        job->write.data = job->space;
        job->write.size_bytes = PX_STATE_BYTES;
        if (copy == 1) job->ticket = ticket; /* said only when both are there */
        push_job(wal, job);
    }
}

void px_wal_flush(px_wal *wal)
{
    if (wal->is_failed) return;
    make_ahead(wal);
    if (wal->writing || wal->is_failed) return;
    close_group(wal);
    if (!wal->jobs) return;
    px_segment *segment = px_segments_find(wal, wal->next.segment);
    uint64_t upto = wal->next.offset + PREPARE_BYTES;
    if (upto > segment->size_bytes) upto = segment->size_bytes;
    wal->disk->prepare(wal->disk, segment->file, upto);
    write_next(wal);
}

bool px_wal_is_busy(const px_wal *wal)
{
    return wal->writing || wal->jobs || wal->gathering;
}

size_t px_wal_staged_bytes(const px_wal *wal)
{
    return wal->staged_bytes;
}

px_wal_counters px_wal_count(const px_wal *wal)
{
    return wal->counters;
}

/* ---- opening ---- */

typedef struct {
    uint64_t numbers[65536];
    uint64_t sizes[65536];
    uint32_t count;
} px_found;

static void find_segment(void *context, const char *name, uint64_t size_bytes)
{
    px_found *found = context;
    char *end = NULL;
    const unsigned long long number = strtoull(name, &end, 16);
    if (end != name + 16 || strcmp(end, ".log") != 0 || found->count == 65536) return;
    uint32_t place = found->count++;
    for (; place > 0 && found->numbers[place - 1] > number; place--) {
        found->numbers[place] = found->numbers[place - 1];
        found->sizes[place] = found->sizes[place - 1];
    }
    found->numbers[place] = number;
    found->sizes[place] = size_bytes;
}

static px_err open_segments(px_wal *wal, const px_found *found, px_wal_fault *fault)
{
    for (uint32_t i = 0; i < found->count; i++) {
        char name[PX_FILE_NAME_BYTES];
        px_disk_file *file = NULL;
        px_segment_name(found->numbers[i], name);
        (void)snprintf(fault->where, sizeof fault->where, "%s", name);
        if (found->numbers[i] != found->numbers[0] + i) {
            (void)snprintf(fault->what, sizeof fault->what,
                           "the segment before this one is missing: restore the folder");
            return PX_ERR_DAMAGED;
        }
        px_err err = wal->disk->open(wal->disk, name, &file);
        if (!err) err = px_segments_add(wal, found->numbers[i], found->sizes[i], file);
        if (err) {
            (void)snprintf(fault->what, sizeof fault->what, "%s", px_err_text(err));
            return err;
        }
    }
    fault->where[0] = 0;
    return wal->segment_count ? PX_OK : px_segments_create(wal, wal->config.segment_bytes);
}

static px_err open_all(px_wal *wal, const px_found *found, void *context,
                       void (*restore)(void *context, const px_record *record), px_wal_fault *fault)
{
    px_wal_place marked;
    px_err err = px_state_open(wal, found->count > 0, fault);
    if (!err) err = open_segments(wal, found, fault);
    if (!err) err = px_mark_open(wal, &marked);
    if (err) return err;
    const px_record promise = {.kind = PX_RECORD_PROMISE, .promised = wal->state.promised};
    restore(context, &promise);
    err = px_recovery_run(wal, marked, context, restore, fault);
    if (err) return err;
    wal->state.start_count++;
    return px_wal_write_state_now(wal, &wal->state);
}

px_err px_wal_open(px_disk *disk, const px_wal_config *config, px_wal_events *events, void *context,
                   void (*restore)(void *context, const px_record *record), px_wal **opened, px_state *state,
                   px_wal_fault *fault)
{
    px_wal *wal = calloc(1, sizeof *wal);
    px_found *found = calloc(1, sizeof *found);
    px_assert(wal != NULL && found != NULL);
    wal->disk = disk;
    wal->events = events;
    wal->config = *config;
    if (wal->config.segment_bytes == 0) wal->config.segment_bytes = PX_SEGMENT_BYTES_DEFAULT;
    wal->node = px_hash_of(config->self, strlen(config->self)).low;
    wal->jobs_end = &wal->jobs;
    *fault = (px_wal_fault){{0}, {0}};
    px_err err = disk->list(disk, found, find_segment);
    if (!err) err = open_all(wal, found, context, restore, fault);
    free(found);
    if (err) {
        px_wal_close(wal);
        return err;
    }
    *opened = wal;
    *state = wal->state;
    return PX_OK;
}

static void free_jobs(px_job *job)
{
    while (job) {
        px_job *next = job->next;
        free(job->space);
        free(job);
        job = next;
    }
}

void px_wal_close(px_wal *wal)
{
    px_segments_close(wal);
    for (unsigned copy = 0; copy < 2; copy++)
        if (wal->state_files[copy]) wal->disk->close(wal->disk, wal->state_files[copy]);
    if (wal->mark_file) wal->disk->close(wal->disk, wal->mark_file);
    free_jobs(wal->gathering);
    free_jobs(wal->jobs);
    free(wal->spare);
    free(wal);
}
