/* wal.c - the log on disk: opens it, and stages records. */
// SPDX-License-Identifier: Apache-2.0
#include "wal/wal.h"

#include "base/assert.h"
#include "codec/wire.h"
#include "wal/wal_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file far behind the others is none of theirs. */
#define SEGMENTS_MISSING_MAX 64u

/* ---- what is known of the log ---- */

/* NULL where it is too old to be remembered. */
static const px_wal_slot *slot_at(const px_wal *wal, uint64_t slot)
{
    static const px_wal_slot beginning = {0, 1, {0, 0}};
    const px_wal_slot *found = slot ? &wal->slots[slot % PX_SLOTS_KEPT] : &beginning;
    return slot <= wal->length && found->slot == slot ? found : NULL;
}

bool px_wal_is_chain_at(const px_wal *wal, uint64_t slot, px_hash chain)
{
    const px_wal_slot *found = slot_at(wal, slot);
    return found && px_hash_equal(found->chain, chain);
}

px_hash px_wal_chain_at(const px_wal *wal, uint64_t slot)
{
    const px_wal_slot *found = slot_at(wal, slot);
    px_assert(found != NULL);
    return found->chain;
}

uint64_t px_wal_index_end(const px_wal *wal)
{
    const px_wal_slot *found = slot_at(wal, wal->durable_length);
    return found ? found->index_next : UINT64_MAX;
}

px_wal_note px_wal_take_record(px_wal *wal, const px_record_header *header, const px_log_part *log)
{
    const px_wal_note note = {
        .after = header->after,
        .index = log->count ? log->entries[0].index_first : slot_at(wal, header->after)->index_next,
        .count = log->count,
        .is_cut = header->kind != PX_RECORD_APPEND && header->after < wal->length,
    };
    for (uint32_t i = 0; i < log->count; i++) {
        const px_entry *entry = &log->entries[i];
        wal->slots[entry->slot % PX_SLOTS_KEPT] =
            (px_wal_slot){entry->slot, entry->index_first + entry->message_count, entry->chain};
    }
    wal->length = header->after + header->count;
    if (note.is_cut && wal->durable_length > header->after) wal->durable_length = header->after;
    wal->chain = header->chain;
    wal->accepted = header->accepted;
    wal->cuts = header->cuts;
    wal->claims = header->claims;
    /* A claim is of the log that was; a cut tells nothing to who is unsure of its accepted ballot. [R16] */
    if (header->kind == PX_RECORD_CUT) wal->claim = (px_claim){.is_unsure = wal->claim.is_unsure};
    if (header->kind == PX_RECORD_SPLICE) wal->claim = (px_claim){0};
    if (header->chosen > wal->chosen) wal->chosen = header->chosen;
    return note;
}

px_wal_stated px_wal_state_log(const px_wal *wal)
{
    return (px_wal_stated){
        .synced = wal->synced,
        .accepted = wal->accepted,
        .cuts = wal->cuts,
        .claims = wal->claims,
        .length = wal->length,
        .chosen = wal->chosen,
        .chain = wal->chain,
        .claimed = wal->claim.length,
        .is_unsure = wal->claim.is_unsure,
    };
}

/* ---- staging ---- */

void px_wal_append(px_wal *wal, px_ticket ticket, const px_record *record)
{
    if (wal->is_failed) return;
    px_assert(record->kind != PX_RECORD_PROMISE && record->kind != PX_RECORD_CLAIM);
    px_assert(px_wal_is_chain_at(wal, record->log.after, record->log.after_chain));
    px_assert(record->kind != PX_RECORD_APPEND || record->log.after == wal->length);
    const size_t size_bytes = px_record_size_bytes(&record->log);
    px_job *job = px_group_gather(wal, size_bytes);
    px_record_header header = {
        .node = wal->node,
        .kind = record->kind,
        .promised = record->promised,
        .accepted = record->accepted,
        .cuts = record->cuts,
        .claims = px_ballot_equal(record->accepted, wal->accepted) ? wal->claims : 0,
        .chosen = record->chosen,
    };
    if (wal->state.roster_state == PX_ROSTER_COMPLETE) memcpy(header.cluster_id, wal->state.cluster_id, 16);
    px_record_encode(&header, &record->log, job->space + job->records_bytes);
    px_wal_note note = px_wal_take_record(wal, &header, &record->log);
    note.at = job->records_bytes;
    px_group_note(job, note);
    job->records_bytes += size_bytes;
    job->ticket = ticket;
    wal->staged_bytes += size_bytes;
    wal->counters.records++;
}

void px_wal_put_state(px_wal *wal, px_ticket ticket, const px_state *state)
{
    if (wal->is_failed) return;
    px_group_close(wal);
    wal->state = *state;
    wal->state_version++;
    (void)px_group_push_state(wal, 0);
    px_group_push_state(wal, 1)->ticket = ticket; /* said only when both are there [R16] */
}

void px_wal_flush(px_wal *wal)
{
    if (wal->is_failed) return;
    px_group_make_ahead(wal);
    if (wal->writing || wal->is_failed) return;
    if (!wal->jobs) px_group_close(wal);
    px_group_write_next(wal);
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
    uint64_t number, size_bytes;
} px_found_segment;

typedef struct {
    px_found_segment *segments;
    uint32_t count, capacity;
} px_found;

static void find_segment(void *context, const char *name, uint64_t size_bytes)
{
    px_found *found = context;
    char canonical[PX_FILE_NAME_BYTES];
    const uint64_t number = strtoull(name, NULL, 16);
    px_segment_name(number, canonical);
    if (strcmp(name, canonical) != 0) return;
    if (found->count == found->capacity) {
        found->capacity = found->capacity ? 2 * found->capacity : 64;
        px_found_segment *grown = realloc(found->segments, found->capacity * sizeof *grown);
        px_assert(grown != NULL);
        found->segments = grown;
    }
    found->segments[found->count++] = (px_found_segment){number, size_bytes};
}

static int compare_found(const void *left, const void *right)
{
    const px_found_segment *a = left, *b = right;
    return a->number < b->number ? -1 : a->number > b->number;
}

static px_err say(px_wal_fault *fault, px_err err, const char *where, const char *what)
{
    (void)snprintf(fault->where, sizeof fault->where, "%s", where);
    (void)snprintf(fault->what, sizeof fault->what, "%s", what);
    return err;
}

/* Segments are numbered from 1 without a gap; of those that are missing nothing can be read. [R16] */
static px_err open_segments(px_wal *wal, const px_found *found, px_wal_fault *fault)
{
    for (uint32_t i = 0; i < found->count; i++) {
        const px_found_segment *each = &found->segments[i];
        char name[PX_FILE_NAME_BYTES];
        px_disk_file *file = NULL;
        px_segment_name(each->number, name);
        if (each->number > wal->segment_count + 1 + SEGMENTS_MISSING_MAX)
            return say(fault, PX_ERR_DAMAGED, name,
                       "too many segments before this one are missing: keep the folder, and read "
                       "`damaged logs` in operating.md");
        while (wal->segment_count + 1 < each->number)
            (void)px_segments_add(wal, wal->segment_count + 1, 0, NULL);
        px_err err = wal->disk->open(wal->disk, name, &file);
        if (!err) err = px_segments_add(wal, each->number, each->size_bytes, file);
        if (err) return say(fault, err, name, px_err_text(err));
    }
    return PX_OK;
}

/* What is missing in a new folder. The state comes first: segments without one are a damaged folder. */
static px_err make_missing(px_wal *wal, px_wal_fault *fault)
{
    px_err err = PX_OK;
    if (wal->segment_count == 0) {
        err = px_state_write_both(wal);
        if (err) return say(fault, err, "state-a, state-b", px_err_text(err));
        err = px_segments_create(wal, wal->config.segment_bytes);
    }
    if (!err) return PX_OK;
    (void)snprintf(fault->where, sizeof fault->where, "the first segment of the log");
    (void)snprintf(fault->what, sizeof fault->what, "%s; it takes %llu MiB of the disk of data_dir",
                   px_err_text(err), (unsigned long long)(wal->config.segment_bytes >> 20));
    return err;
}

px_err px_wal_set_aside(px_wal *wal, const char *name)
{
    char aside[PX_FILE_NAME_BYTES + 8];
    (void)snprintf(aside, sizeof aside, "%s.lost", name);
    const px_err err = wal->disk->rename(wal->disk, name, aside);
    return err == PX_ERR_NOT_FOUND ? PX_OK : err;
}

/* What this node promised is not known, so its log is worth no more than an empty one [R16]. The small state
 * goes last: a start that ends before that finds it as bad as this one did. */
static px_err begin_emptied(px_wal *wal, px_found *found, px_wal_place *stated, px_wal_fault *fault)
{
    px_err err = PX_OK;
    for (uint32_t i = 0; i < found->count && !err; i++) {
        char name[PX_FILE_NAME_BYTES];
        px_segment_name(found->segments[i].number, name);
        err = px_wal_set_aside(wal, name);
    }
    if (!err) err = px_mark_set_aside(wal);
    if (!err) err = px_state_set_aside(wal);
    if (err) return say(fault, err, "setting the damaged files aside", px_err_text(err));
    found->count = 0;
    return px_state_open(wal, false, stated, fault);
}

static px_err open_all(px_wal *wal, px_found *found, void *context,
                       void (*restore)(void *context, const px_record *record), px_wal_fault *fault)
{
    px_wal_place stated;
    px_wal_stated marked;
    px_err err = px_state_open(wal, found->count > 0, &stated, fault);
    const bool is_emptied = err == PX_ERR_DAMAGED && !wal->config.is_alone;
    if (is_emptied) err = begin_emptied(wal, found, &stated, fault);
    if (!err) err = open_segments(wal, found, fault);
    if (err) return err;
    err = px_mark_open(wal, &marked);
    if (err) return say(fault, err, "mark", px_err_text(err));
    if (found->count == 0 && (stated.segment || marked.synced.segment))
        return say(fault, PX_ERR_DAMAGED, "the folder",
                   "its log is gone: keep the folder, and read `damaged logs` in operating.md");
    err = make_missing(wal, fault);
    if (err) return err;
    const px_record promise = {.kind = PX_RECORD_PROMISE, .promised = wal->state.promised};
    restore(context, &promise);
    err = px_recovery_run(wal, stated, &marked, context, restore, fault);
    if (err) return err;
    wal->state.start_count++;
    err = px_state_write_both(wal);
    if (err) return say(fault, err, "state-a, state-b", px_err_text(err));
    err = px_mark_make(wal);
    if (err) return say(fault, err, "mark", px_err_text(err));
    const px_wal_stated is = px_wal_state_log(wal);
    px_mark_write(wal, &is);
    if (is_emptied)
        (void)say(
            fault, PX_OK, "state-a, state-b",
            "both copies of the small state are damaged or gone: what this node promised is not known, so "
            "it begins as with an emptied disk; what there was is kept as *.lost");
    return PX_OK;
}

px_err px_wal_open(px_disk *disk, const px_wal_config *config, px_wal_events *events, void *context,
                   void (*restore)(void *context, const px_record *record), px_wal **opened, px_state *state,
                   px_wal_fault *fault)
{
    px_wal *wal = calloc(1, sizeof *wal);
    px_found found = {NULL, 0, 0};
    px_assert(wal != NULL);
    wal->disk = disk;
    wal->events = events;
    wal->config = *config;
    if (wal->config.segment_bytes == 0) wal->config.segment_bytes = PX_SEGMENT_BYTES_DEFAULT;
    wal->node = px_hash_of(config->self, strlen(config->self)).low;
    wal->jobs_end = &wal->jobs;
    *fault = (px_wal_fault){{0}, {0}};
    px_err err = disk->list(disk, &found, find_segment);
    if (err) (void)say(fault, err, "the folder", px_err_text(err));
    if (found.count) qsort(found.segments, found.count, sizeof *found.segments, compare_found);
    if (!err) err = open_all(wal, &found, context, restore, fault);
    free(found.segments);
    if (err) {
        px_wal_close(wal);
        return err;
    }
    *opened = wal;
    *state = wal->state;
    return PX_OK;
}

/* Closing a file waits for its writes: only then their memory is free. */
void px_wal_close(px_wal *wal)
{
    px_segments_close(wal);
    for (unsigned copy = 0; copy < 2; copy++)
        if (wal->state_files[copy]) wal->disk->close(wal->disk, wal->state_files[copy]);
    if (wal->mark_file) wal->disk->close(wal->disk, wal->mark_file);
    px_group_free_all(wal);
    free(wal->salvage.runs);
    free(wal);
}
