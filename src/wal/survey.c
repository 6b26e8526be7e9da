/* survey.c - every damaged place of a data folder. */
// SPDX-License-Identifier: Apache-2.0
#include "wal/survey.h"

#include "base/assert.h"
#include "wal/wal_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A folder that lacks more segments than this is not gone through to its end. */
#define MISSING_MAX 64u

typedef struct {
    px_disk *disk;
    void *context;
    void (*each)(void *context, const px_wal_fault *fault); /* NULL at the first pass */
    uint64_t node; /* whose log it is; 0: of whoever wrote the first valid record */
    uint64_t number, number_last;
    uint8_t *space; /* segment `number` */
    size_t size_bytes;
    px_wal_place end;    /* behind the last valid record */
    px_wal_place odd;    /* the first place behind it where something stands that is not zero */
    px_wal_place stated; /* the highest place that anything valid states as synced */
    bool has_odd, has_before;
    uint32_t before; /* checksum of the last record, where it is known */
} survey;

/* What was never synced may be torn: that is no damage. */
static void tell(const survey *run, px_wal_place place, const char *what)
{
    if (!run->each || !px_wal_place_less(place, run->stated)) return;
    px_wal_fault fault = {{0}, {0}};
    char name[PX_FILE_NAME_BYTES];
    px_segment_name(place.segment, name);
    (void)snprintf(fault.where, sizeof fault.where, "%s at byte %llu", name,
                   (unsigned long long)place.offset);
    (void)snprintf(fault.what, sizeof fault.what, "%s", what);
    run->each(run->context, &fault);
}

static void tell_gap(const survey *run)
{
    tell(run, run->has_odd ? run->odd : run->end, "a record that was on disk is damaged");
}

/* ---- one segment ---- */

/* A valid header of this log at this place. */
static bool read_header(survey *run, uint64_t offset, px_record_header *header)
{
    if (offset + PX_RECORD_HEADER_BYTES > run->size_bytes) return false;
    if (px_record_decode_header(run->space + offset, header)) return false;
    if (header->place.segment != run->number || header->place.offset != offset) return false;
    if (run->node == 0) run->node = header->node;
    return header->node == run->node;
}

/* Takes the record into account; returns where the next one may stand. */
static uint64_t take(survey *run, const px_record_header *header)
{
    const uint64_t offset = header->place.offset + PX_RECORD_HEADER_BYTES;
    const uint64_t room = run->size_bytes - offset;
    const bool is_whole = header->payload_bytes <= room && px_record_is_payload(header, run->space + offset);
    if (run->has_before && header->before != run->before) tell_gap(run);
    if (!is_whole) tell(run, header->place, "the payload of a record that was on disk is damaged");
    if (px_wal_place_less(run->stated, header->synced)) run->stated = header->synced;
    run->before = header->crc;
    run->has_before = true;
    run->has_odd = false;
    const uint64_t next =
        header->payload_bytes <= room ? (offset + header->payload_bytes + 7) / 8 * 8 : offset;
    run->end = (px_wal_place){run->number, next};
    return next;
}

/* Records stand at multiples of 8; between them there are zeros, or what is left of damaged ones. */
static void walk_segment(survey *run)
{
    static const uint8_t nothing[8] = {0};
    uint64_t offset = 0;
    while (offset + sizeof nothing <= run->size_bytes) {
        px_record_header header;
        if (memcmp(run->space + offset, nothing, sizeof nothing) == 0) {
            offset += sizeof nothing;
        } else if (read_header(run, offset, &header)) {
            offset = take(run, &header);
        } else {
            if (!run->has_odd) run->odd = (px_wal_place){run->number, offset};
            run->has_odd = true;
            offset += sizeof nothing;
        }
    }
}

/* ---- files ---- */

static void note_number(void *context, const char *name, uint64_t size_bytes)
{
    survey *run = context;
    char canonical[PX_FILE_NAME_BYTES];
    const uint64_t number = strtoull(name, NULL, 16);
    px_segment_name(number, canonical);
    if (strcmp(name, canonical) != 0) return;
    if (number > run->number_last) run->number_last = number;
    if (number == run->number) run->size_bytes = size_bytes;
}

/* What cannot be read holds nothing valid, and is not zero. */
static void read_blocks(survey *run, px_disk_file *file)
{
    for (size_t offset = 0; offset < run->size_bytes; offset += PX_DISK_BLOCK_BYTES) {
        const size_t left = run->size_bytes - offset;
        const size_t size_bytes = left < PX_DISK_BLOCK_BYTES ? left : PX_DISK_BLOCK_BYTES;
        size_t got = 0;
        if (run->disk->read(run->disk, file, offset, run->space + offset, size_bytes, true, &got))
            memset(run->space + offset, 0xff, size_bytes);
        else
            memset(run->space + offset + got, 0, size_bytes - got);
    }
}

/* False where there is no such segment. */
static bool survey_segment(survey *run)
{
    char name[PX_FILE_NAME_BYTES];
    px_disk_file *file = NULL;
    px_segment_name(run->number, name);
    run->size_bytes = 0;
    if (run->disk->list(run->disk, run, note_number) || run->disk->open(run->disk, name, &file)) {
        tell(run, (px_wal_place){run->number, 0}, "this segment is missing, or cannot be opened");
        run->has_before = run->has_odd = false;
        run->end = (px_wal_place){run->number + 1, 0};
        return false;
    }
    run->space = malloc(run->size_bytes + 1);
    px_assert(run->space != NULL);
    size_t got = 0;
    if (run->disk->read(run->disk, file, 0, run->space, run->size_bytes, true, &got))
        read_blocks(run, file);
    else
        run->size_bytes = got;
    walk_segment(run);
    free(run->space);
    run->disk->close(run->disk, file);
    return true;
}

/* Whose folder it is, and how far state and mark say that it was synced. Where they are bad, records tell. */
static void read_state(survey *run)
{
    px_wal *wal = calloc(1, sizeof *wal);
    px_wal_place synced = {0, 0};
    px_wal_fault fault;
    px_assert(wal != NULL);
    wal->disk = run->disk;
    wal->jobs_end = &wal->jobs;
    wal->config.self = "";
    const px_err err = px_state_open(wal, true, &synced, &fault);
    if (!err || err == PX_ERR_FOREIGN) {
        run->node = px_hash_of(wal->state.self, strlen(wal->state.self)).low;
        run->stated = synced;
        px_wal_stated newest;
        const px_err marked = px_mark_open(wal, &newest);
        if (!marked && px_wal_place_less(run->stated, newest.synced)) run->stated = newest.synced;
    }
    px_wal_close(wal);
}

static void walk_all(survey *run)
{
    uint32_t missing = 0;
    run->end = (px_wal_place){1, 0};
    run->has_before = true;
    run->before = 0;
    run->has_odd = false;
    for (run->number = 1; run->number <= run->number_last && missing <= MISSING_MAX; run->number++)
        missing += !survey_segment(run);
    /* Where the last group ends within a block, the rest of that block was synced with it. */
    const uint64_t blocks = (run->end.offset + PX_DISK_BLOCK_BYTES - 1) / PX_DISK_BLOCK_BYTES;
    const px_wal_place end = {run->end.segment, blocks * PX_DISK_BLOCK_BYTES};
    if (px_wal_place_less(end, run->stated)) tell_gap(run);
}

/* How far was synced is known only when all of it was looked at: so it is looked at twice. */
px_err px_wal_survey(px_disk *disk, void *context, void (*each)(void *context, const px_wal_fault *fault))
{
    survey run = {.disk = disk, .context = context};
    read_state(&run);
    const px_err err = disk->list(disk, &run, note_number);
    if (err) return err;
    walk_all(&run);
    run.each = each;
    walk_all(&run);
    return PX_OK;
}
