/* recovery.c - reads the whole log at start, and tells a torn tail from damage.
 *
 * Meaning    Records follow one another inside a group; a group begins at a block boundary. Where no valid
 *            record stands, the log ends: it is a torn tail, to be
 *            zeroed, unless something valid states that this place had been synced: then it is damage, and
 *            nothing is changed. A block that cannot be read is a bad one. A record of another node or
 *            cluster is somebody's: nothing is changed either.
 * Source     [R15-R18]. */
// SPDX-License-Identifier: Apache-2.0
#include "wal/wal_priv.h"

#include "base/assert.h"
#include "codec/wire.h"
#include "wal/window.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Zeros are written in pieces of this. */
#define ZEROS_BYTES (64u << 10)

typedef struct {
    px_wal *wal;
    px_window window; /* on the segment of number `loaded` */
    uint64_t loaded;
    px_wal_place end;     /* behind the last record, and behind the padding of its group */
    px_wal_place stated;  /* the highest place that anything valid states as synced */
    px_wal_place odd;     /* the first place at or behind the end where something stands that is not zero */
    px_wal_place foreign; /* the first record that another node or cluster wrote */
    bool has_odd, has_foreign;
    void *context;
    void (*restore)(void *context, const px_record *record);
    px_wal_fault *fault;
    px_entry *entries;
} px_recovery;

static uint64_t next_block(uint64_t offset)
{
    return (offset + PX_DISK_BLOCK_BYTES - 1) / PX_DISK_BLOCK_BYTES * PX_DISK_BLOCK_BYTES;
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

static void load_segment(px_recovery *run, const px_segment *segment)
{
    px_window_open(&run->window, run->wal->disk, segment->file, segment->size_bytes);
    run->loaded = segment->number;
}

/* Could all be read so far? */
static px_err check_reading(px_recovery *run)
{
    const px_err err = run->window.err;
    return err ? say(run, err, (px_wal_place){run->loaded, 0}, px_err_text(err)) : PX_OK;
}

/* ---- records ---- */

static bool is_foreign(const px_wal *wal, const px_record_header *header)
{
    static const uint8_t none[sizeof header->cluster_id];
    if (header->node != wal->node) return true;
    if (wal->state.roster_state != PX_ROSTER_COMPLETE) return false;
    return memcmp(header->cluster_id, none, sizeof none) != 0 &&
           memcmp(header->cluster_id, wal->state.cluster_id, sizeof none) != 0;
}

/* A header that is valid, and that of this place of this node's log. */
static bool read_header(px_recovery *run, uint64_t offset, px_record_header *header)
{
    const uint8_t *bytes = px_window_at(&run->window, offset, PX_RECORD_HEADER_BYTES);
    if (!bytes || px_record_decode_header(bytes, header)) return false;
    if (header->place.segment != run->loaded || header->place.offset != offset) return false;
    if (!is_foreign(run->wal, header)) return true;
    if (!run->has_foreign) run->foreign = header->place;
    run->has_foreign = true;
    return false;
}

/* Was it written behind the record that was read last, and does it continue the log? */
static bool continues(const px_recovery *run, const px_record_header *header)
{
    const px_wal *wal = run->wal;
    if (header->before != wal->record_crc) return false;
    if (!px_wal_is_chain_at(wal, header->after, header->after_chain)) return false;
    return header->kind != PX_RECORD_APPEND || header->after == wal->length;
}

/* Takes the record at an offset, if that is the next one. */
static bool take_record(px_recovery *run, uint64_t offset)
{
    px_wal *wal = run->wal;
    px_record_header header;
    if (!read_header(run, offset, &header) || !continues(run, &header)) return false;
    if (header.count > PX_WINDOW_SLOTS) return false;
    const uint8_t *payload =
        px_window_at(&run->window, offset + PX_RECORD_HEADER_BYTES, header.payload_bytes);
    if (!payload || !px_record_is_payload(&header, payload)) return false;
    if (px_record_decode_entries(&header, payload, run->entries)) return false;
    const px_record record = {
        .kind = header.kind,
        .promised = header.promised,
        .accepted = header.accepted,
        .cuts = header.cuts,
        .chosen = header.chosen,
        .log = {header.after, header.after_chain, header.count, run->entries},
    };
    run->restore(run->context, &record);
    const px_wal_note note = px_wal_take_record(wal, &header, &record.log);
    px_segments_note(wal, header.place, &note);
    wal->record_crc = header.crc;
    if (px_wal_place_less(run->stated, header.synced)) run->stated = header.synced;
    run->end =
        (px_wal_place){run->loaded, (offset + PX_RECORD_HEADER_BYTES + header.payload_bytes + 7) / 8 * 8};
    return true;
}

/* Takes the records of the loaded segment, up to the first place where the next one does not stand. */
static void walk_segment(px_recovery *run)
{
    uint64_t offset = 0;
    if (!take_record(run, 0)) return;
    for (;;) {
        offset = run->end.offset;
        if (!take_record(run, offset) && !take_record(run, next_block(offset))) break;
    }
    /* Behind the last record there are zeros to the end of its group; anything else is no padding. */
    const uint64_t size_bytes = run->window.size_bytes;
    const uint64_t boundary = next_block(offset) < size_bytes ? next_block(offset) : size_bytes;
    if (px_window_first(&run->window, offset, boundary) == boundary) run->end.offset = boundary;
}

/* ---- what stands behind the end ---- */

/* Valid records behind it state what had been synced: that may make the end damage. */
static void scan_rest(px_recovery *run)
{
    uint64_t offset = run->end.segment == run->loaded ? run->end.offset : 0;
    offset = px_window_first(&run->window, offset, run->window.size_bytes);
    if (offset >= run->window.size_bytes) return;
    if (!run->has_odd) {
        run->has_odd = true;
        run->odd = (px_wal_place){run->loaded, offset};
    }
    for (offset = next_block(offset); offset < run->window.size_bytes; offset += PX_DISK_BLOCK_BYTES) {
        px_record_header header;
        if (!read_header(run, offset, &header)) continue;
        if (px_wal_place_less(run->stated, header.synced)) run->stated = header.synced;
    }
}

/* A segment without a record may stand before one with records: it was too small for a large one. */
static px_err read_all(px_recovery *run)
{
    px_wal *wal = run->wal;
    for (uint32_t i = 0; i < wal->segment_count; i++) {
        load_segment(run, &wal->segments[i]);
        walk_segment(run);
        if (run->end.segment == run->loaded) run->has_odd = false;
        scan_rest(run);
        const px_err err = check_reading(run);
        if (err) return err;
    }
    return PX_OK;
}

/* Zeros what stands in the loaded segment from an offset on. */
static px_err zero_rest(px_recovery *run, const px_segment *segment, uint64_t offset)
{
    static const uint8_t zeros[ZEROS_BYTES];
    px_disk *disk = run->wal->disk;
    const uint64_t last = px_window_last_end(&run->window, offset);
    px_err err = run->window.err;
    while (!err && offset < last) {
        /* Only whole blocks are written over one that cannot be read. */
        const uint64_t most = ZEROS_BYTES - offset % PX_DISK_BLOCK_BYTES;
        const size_t size_bytes = (size_t)(last - offset < most ? last - offset : most);
        err = disk->write_now(disk, segment->file, offset, zeros, size_bytes);
        offset += size_bytes;
    }
    return err ? err : disk->write_now(disk, segment->file, 0, zeros, 0);
}

/* Zeros everything behind the end, so that what is appended later is never followed by older records. What
 * was read may be in the system's memory only, after a kill: it is synced before anybody hears of it. */
static px_err cut_tail(px_recovery *run)
{
    px_wal *wal = run->wal;
    for (uint32_t i = wal->segment_count; i-- > 0;) {
        const px_segment *segment = &wal->segments[i];
        if (segment->number < run->end.segment) break;
        const uint64_t offset = segment->number == run->end.segment ? run->end.offset : 0;
        load_segment(run, segment);
        const px_err err = zero_rest(run, segment, offset);
        if (err) return say(run, err, (px_wal_place){segment->number, offset}, px_err_text(err));
    }
    return PX_OK;
}

/* Does anything speak against appending where the log ends? */
static px_err judge(px_recovery *run)
{
    if (run->has_foreign)
        return say(run, PX_ERR_FOREIGN, run->foreign,
                   "a record of another node or another cluster; the log is left as it is: put the files of "
                   "this node back");
    if (!px_wal_place_less(run->end, run->stated)) return PX_OK;
    const bool is_odd = run->has_odd && px_wal_place_less(run->odd, run->stated);
    return say(run, PX_ERR_DAMAGED, is_odd ? run->odd : run->end,
               run->window.unreadable
                   ? "a record that was on disk cannot be read; the log is left as it is: keep the "
                     "folder, and read `damaged logs` in operating.md"
                   : "a record that was on disk is damaged; the log is left as it is: keep the "
                     "folder, and read `damaged logs` in operating.md");
}

px_err px_recovery_run(px_wal *wal, px_wal_place stated, void *context,
                       void (*restore)(void *context, const px_record *record), px_wal_fault *fault)
{
    px_recovery run = {.wal = wal, .stated = stated, .context = context, .restore = restore, .fault = fault};
    run.entries = calloc(PX_WINDOW_SLOTS, sizeof *run.entries);
    px_assert(run.entries != NULL);
    run.end = (px_wal_place){wal->segments[0].number, 0};
    px_err err = read_all(&run);
    if (!err) err = judge(&run);
    if (!err) err = cut_tail(&run);
    if (!err) {
        wal->next = wal->synced = (px_wal_place){run.end.segment, next_block(run.end.offset)};
        wal->durable_length = wal->length;
    }
    free(run.entries);
    px_window_deinit(&run.window);
    return err;
}
