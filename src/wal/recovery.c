/* recovery.c - reads the whole log at start, and tells a torn tail from damage.
 *
 * Meaning    Records follow one another inside a group; a group begins at a block boundary. Where no valid
 *            record stands, the log ends: it is a torn tail, to be
 *            zeroed, unless something valid states that this place had been synced: then it is damage, and
 *            nothing is changed.
 * Source     [R15-R17]. */
// SPDX-License-Identifier: Apache-2.0
#include "wal/wal_priv.h"

#include "base/assert.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    px_wal *wal;
    uint8_t *space; /* one segment */
    size_t space_bytes;
    px_wal_place stated; /* the highest place that anything valid states as synced */
    px_wal_place bad;    /* where reading ended */
    bool is_ended;
    void *context;
    void (*restore)(void *context, const px_record *record);
    px_wal_fault *fault;
    px_entry *entries;
    uint64_t records;
} px_recovery;

static bool is_zero(const uint8_t *bytes, size_t size_bytes)
{
    return size_bytes == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size_bytes - 1) == 0);
}

/* A header that is valid, and that of this place of this node's log. */
static bool read_header(const px_recovery *run, uint64_t segment, uint64_t offset, size_t size_bytes,
                        px_record_header *header)
{
    if (offset + PX_RECORD_HEADER_BYTES > size_bytes) return false;
    if (px_record_decode_header(run->space + offset, header)) return false;
    return header->node == run->wal->node && header->place.segment == segment &&
           header->place.offset == offset;
}

static bool read_record(const px_recovery *run, uint64_t segment, uint64_t offset, size_t size_bytes,
                        px_record_header *header)
{
    if (!read_header(run, segment, offset, size_bytes, header)) return false;
    const uint64_t room = size_bytes - offset - PX_RECORD_HEADER_BYTES;
    if (header->payload_bytes > room || header->count > PX_WINDOW_SLOTS) return false;
    const uint8_t *payload = run->space + offset + PX_RECORD_HEADER_BYTES;
    return px_record_is_payload(header, payload) && !px_record_decode_entries(header, payload, run->entries);
}

/* Does the record continue the log as read so far? */
static bool continues(const px_recovery *run, const px_record_header *header)
{
    const px_wal *wal = run->wal;
    if (header->after > wal->length) return false;
    if (header->kind == PX_RECORD_APPEND)
        return header->after == wal->length && px_hash_equal(header->after_chain, wal->chain);
    return true;
}

static void take_record(px_recovery *run, px_wal_place place, const px_record_header *header)
{
    px_wal *wal = run->wal;
    const px_record record = {
        .kind = header->kind,
        .promised = header->promised,
        .accepted = header->accepted,
        .cuts = header->cuts,
        .chosen = header->chosen,
        .log = {header->after, header->after_chain, header->count, run->entries},
    };
    run->restore(run->context, &record);
    px_wal_note_record(wal, place, header, &record.log);
    if (px_wal_place_less(run->stated, header->synced)) run->stated = header->synced;
    run->records++;
}

/* Reads the records of one segment up to the first place without one. */
static void walk_segment(px_recovery *run, uint64_t segment, size_t size_bytes)
{
    uint64_t offset = 0;
    while (offset < size_bytes) {
        px_record_header header;
        if (read_record(run, segment, offset, size_bytes, &header) && continues(run, &header)) {
            take_record(run, (px_wal_place){segment, offset}, &header);
            offset += (PX_RECORD_HEADER_BYTES + header.payload_bytes + 7) / 8 * 8;
            continue;
        }
        const uint64_t boundary =
            (offset + PX_DISK_BLOCK_BYTES - 1) / PX_DISK_BLOCK_BYTES * PX_DISK_BLOCK_BYTES;
        if (boundary == offset || !is_zero(run->space + offset, boundary - offset)) break;
        offset = boundary;
    }
    run->bad = (px_wal_place){segment, offset};
}

/* Looks behind the end of the log for valid records: what they state as synced may make the end damage. */
static void scan_rest(px_recovery *run, uint64_t segment, uint64_t offset, size_t size_bytes)
{
    offset = (offset + PX_DISK_BLOCK_BYTES - 1) / PX_DISK_BLOCK_BYTES * PX_DISK_BLOCK_BYTES;
    for (; offset + PX_RECORD_HEADER_BYTES <= size_bytes; offset += PX_DISK_BLOCK_BYTES) {
        px_record_header header;
        if (!read_header(run, segment, offset, size_bytes, &header)) continue;
        if (px_wal_place_less(run->stated, header.synced)) run->stated = header.synced;
    }
}

static px_err load_segment(px_recovery *run, const px_segment *segment, size_t *size_bytes)
{
    px_wal *wal = run->wal;
    if (segment->size_bytes > run->space_bytes) {
        uint8_t *grown = realloc(run->space, segment->size_bytes);
        px_assert(grown != NULL);
        run->space = grown;
        run->space_bytes = segment->size_bytes;
    }
    return wal->disk->read(wal->disk, segment->file, 0, run->space, segment->size_bytes, true, size_bytes);
}

static px_err say(px_recovery *run, px_err err, px_wal_place place, const char *what)
{
    char name[PX_FILE_NAME_BYTES];
    px_segment_name(place.segment, name);
    (void)snprintf(run->fault->where, sizeof run->fault->where, "%s at byte %llu", name,
                   (unsigned long long)place.offset);
    (void)snprintf(run->fault->what, sizeof run->fault->what, "%s", what);
    return err;
}

/* Does anything but zeros stand at or behind the end? */
static px_err zero_rest(px_recovery *run, const px_segment *segment, uint64_t offset, size_t size_bytes)
{
    px_wal *wal = run->wal;
    if (is_zero(run->space + offset, size_bytes - offset)) return PX_OK;
    memset(run->space + offset, 0, size_bytes - offset);
    return wal->disk->write_now(wal->disk, segment->file, offset, run->space + offset, size_bytes - offset);
}

static px_err read_all(px_recovery *run)
{
    px_wal *wal = run->wal;
    for (uint32_t i = 0; i < wal->segment_count; i++) {
        const px_segment *segment = &wal->segments[i];
        size_t size_bytes = 0;
        const px_err err = load_segment(run, segment, &size_bytes);
        if (err) return say(run, err, (px_wal_place){segment->number, 0}, px_err_text(err));
        if (run->is_ended) {
            scan_rest(run, segment->number, 0, size_bytes);
            continue;
        }
        const uint64_t records = run->records;
        const px_wal_place bad_before = run->bad;
        walk_segment(run, segment->number, size_bytes);
        /* A segment made ahead of need is empty: the log ended in the one before. */
        const bool is_empty = run->records == records && i > 0;
        if (is_empty) run->bad = bad_before;
        run->is_ended = is_empty;
        scan_rest(run, segment->number, is_empty ? 0 : run->bad.offset, size_bytes);
    }
    return PX_OK;
}

/* Zeros everything behind the end, so that what is appended later is never followed by older records. */
static px_err cut_tail(px_recovery *run)
{
    px_wal *wal = run->wal;
    for (uint32_t i = 0; i < wal->segment_count; i++) {
        const px_segment *segment = &wal->segments[i];
        if (segment->number < run->bad.segment) continue;
        size_t size_bytes = 0;
        px_err err = load_segment(run, segment, &size_bytes);
        const uint64_t offset = segment->number == run->bad.segment ? run->bad.offset : 0;
        if (!err) err = zero_rest(run, segment, offset, size_bytes);
        if (err) return say(run, err, (px_wal_place){segment->number, offset}, px_err_text(err));
    }
    return PX_OK;
}

px_err px_recovery_run(px_wal *wal, px_wal_place marked, void *context,
                       void (*restore)(void *context, const px_record *record), px_wal_fault *fault)
{
    px_recovery run = {.wal = wal, .stated = marked, .context = context, .restore = restore, .fault = fault};
    run.entries = calloc(PX_WINDOW_SLOTS, sizeof *run.entries);
    px_assert(run.entries != NULL);
    run.bad = (px_wal_place){wal->segments[0].number, 0};
    px_err err = read_all(&run);
    if (!err && px_wal_place_less(run.bad, run.stated)) {
        err = say(
            &run, PX_ERR_DAMAGED, run.bad,
            "a record that was on disk is damaged; the log is left as it is: restore this folder, or empty it "
            "and let the node learn from the others");
    }
    if (!err) err = cut_tail(&run);
    if (!err) {
        const uint64_t blocks = (run.bad.offset + PX_DISK_BLOCK_BYTES - 1) / PX_DISK_BLOCK_BYTES;
        wal->next = wal->synced = (px_wal_place){run.bad.segment, blocks * PX_DISK_BLOCK_BYTES};
        wal->durable_length = wal->length;
    }
    free(run.entries);
    free(run.space);
    return err;
}
