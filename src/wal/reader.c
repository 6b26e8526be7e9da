/* reader.c - slots read back from the log.
 *
 * Meaning    From the mark before a slot the records are walked; nothing that was not synced is looked at,
 *            and nothing leaves whose checksum or chain does not fit, or that does not follow what was read
 *            before it.
 * Source     protocol.md §5. */
// SPDX-License-Identifier: Apache-2.0
#include "wal/wal_priv.h"

#include "base/assert.h"
#include <stdlib.h>
#include <string.h>

/* Read at once, for the small records that follow one another. */
#define AHEAD_BYTES (64u << 10)

typedef struct {
    px_wal *wal;
    px_segment *segment;
    uint64_t offset;
    px_record_header header;
    uint64_t after; /* the slot that the next record goes on from: no walk passes a cut */
    px_hash chain;  /* there; not known before the first record */
    bool has_chain;
    const uint8_t *payload; /* of the record under the walk, in `space` */
    uint8_t *space;         /* holds [from, from + size_bytes) of the segment */
    uint64_t from;
    size_t size_bytes, space_bytes;
    bool is_fresh;   /* past the system's cache */
    bool is_salvage; /* what was given up for damage is read, too */
    px_entry *entries;
} px_walk;

static bool is_synced(const px_walk *walk)
{
    const px_wal_place here = {walk->segment->number, walk->offset};
    return px_wal_place_less(here, walk->wal->synced);
}

/* The bytes of the segment at an offset; NULL in *bytes where it ends before. */
static px_err look(px_walk *walk, uint64_t offset, size_t size_bytes, const uint8_t **bytes)
{
    px_disk *disk = walk->wal->disk;
    *bytes = NULL;
    if (offset + size_bytes > walk->segment->size_bytes) return PX_OK;
    if (offset < walk->from || offset + size_bytes > walk->from + walk->size_bytes) {
        const size_t wanted = size_bytes > AHEAD_BYTES ? size_bytes : AHEAD_BYTES;
        if (wanted > walk->space_bytes) {
            uint8_t *grown = realloc(walk->space, wanted);
            px_assert(grown != NULL);
            walk->space = grown;
            walk->space_bytes = wanted;
        }
        walk->from = offset;
        walk->size_bytes = 0;
        px_err err = disk->read(disk, walk->segment->file, offset, walk->space, wanted, walk->is_fresh,
                                &walk->size_bytes);
        if (err && wanted > size_bytes) /* something further on cannot be read */
            err = disk->read(disk, walk->segment->file, offset, walk->space, size_bytes, walk->is_fresh,
                             &walk->size_bytes);
        if (err) return err;
        if (walk->size_bytes < size_bytes) return PX_OK;
    }
    *bytes = walk->space + (offset - walk->from);
    return PX_OK;
}

static void enter_segment(px_walk *walk, px_segment *segment, uint64_t offset)
{
    walk->segment = segment;
    walk->offset = offset;
    walk->from = 0;
    walk->size_bytes = 0;
}

/* Is there anything of the log at this place and behind it, in its segment? */
static bool is_live(const px_walk *walk, uint64_t offset)
{
    const px_segment *segment = walk->segment;
    return offset < segment->size_bytes && (walk->is_salvage || offset < segment->live_bytes);
}

/* Goes to the next block boundary, or to the next segment. */
static bool skip_gap(px_walk *walk)
{
    const uint64_t boundary =
        (walk->offset + PX_DISK_BLOCK_BYTES - 1) / PX_DISK_BLOCK_BYTES * PX_DISK_BLOCK_BYTES;
    if (boundary != walk->offset && is_live(walk, boundary)) {
        walk->offset = boundary;
        return true;
    }
    px_segment *next = px_segments_find(walk->wal, walk->segment->number + 1);
    if (!next) return false;
    enter_segment(walk, next, 0);
    return true;
}

/* Is the header that of this node's record at this place, behind the one before? */
static bool is_next(const px_walk *walk)
{
    const px_record_header *header = &walk->header;
    if (header->node != walk->wal->node || header->place.segment != walk->segment->number) return false;
    if (header->place.offset != walk->offset || header->after != walk->after) return false;
    return !walk->has_chain || px_hash_equal(header->after_chain, walk->chain);
}

/* Reads the header under the walk, or that of the next record behind a gap. What stands in a gap does not
 * matter, as at a start: it may rot like all else. */
static px_err read_header(px_walk *walk)
{
    while (is_synced(walk)) {
        const uint8_t *bytes = NULL;
        if (!is_live(walk, walk->offset)) {
            if (!skip_gap(walk)) return PX_ERR_END;
            continue;
        }
        const px_err err = look(walk, walk->offset, PX_RECORD_HEADER_BYTES, &bytes);
        if (err) return err;
        if (bytes && !px_record_decode_header(bytes, &walk->header))
            return is_next(walk) ? PX_OK : PX_ERR_DAMAGED;
        if (!skip_gap(walk)) return PX_ERR_END;
    }
    return PX_ERR_END;
}

static px_err read_payload(px_walk *walk)
{
    if (walk->header.count > PX_WINDOW_SLOTS) return PX_ERR_DAMAGED;
    const uint64_t offset = walk->offset + PX_RECORD_HEADER_BYTES;
    if (walk->header.payload_bytes > walk->segment->size_bytes) return PX_ERR_DAMAGED;
    const px_err err = look(walk, offset, walk->header.payload_bytes, &walk->payload);
    if (err) return err;
    if (!walk->payload || !px_record_is_payload(&walk->header, walk->payload)) return PX_ERR_DAMAGED;
    return px_record_decode_entries(&walk->header, walk->payload, walk->entries) ? PX_ERR_DAMAGED : PX_OK;
}

static void go_on(px_walk *walk)
{
    walk->offset += (PX_RECORD_HEADER_BYTES + walk->header.payload_bytes + 7) / 8 * 8;
    walk->after = walk->header.after + walk->header.count;
    walk->chain = walk->header.chain;
    walk->has_chain = true;
}

static void begin_walk(px_walk *walk, px_wal *wal, const px_wal_mark *mark, px_segment *segment)
{
    *walk = (px_walk){.wal = wal, .after = mark->slot - 1};
    enter_segment(walk, segment, mark->offset);
    walk->entries = calloc(PX_WINDOW_SLOTS, sizeof *walk->entries);
    px_assert(walk->entries != NULL);
}

static void end_walk(px_walk *walk)
{
    free(walk->entries);
    free(walk->space);
}

/* ---- entries ---- */

static void free_buffer(px_buffer *buffer)
{
    free(buffer->data);
    free(buffer);
}

static px_buffer *make_buffer(void)
{
    px_buffer *buffer = calloc(1, sizeof *buffer);
    px_assert(buffer != NULL);
    buffer->owners = 1;
    buffer->free = free_buffer;
    return buffer;
}

/* What is being collected: bodies are kept one behind the other while the buffer may still move. */
typedef struct {
    uint64_t first, last;
    size_t bytes_max, capacity;
    px_wal_entries *entries;
    px_hash after_chain; /* before the first of them */
} px_collection;

static void keep_entry(px_collection *wanted, const px_entry *entry)
{
    px_buffer *owner = wanted->entries->owner;
    const size_t size_bytes = owner->size_bytes + entry->body.size_bytes;
    if (size_bytes > wanted->capacity || !owner->data) {
        const size_t capacity = size_bytes > AHEAD_BYTES ? 2 * size_bytes : AHEAD_BYTES;
        uint8_t *grown = realloc(owner->data, capacity);
        px_assert(grown != NULL);
        owner->data = grown;
        wanted->capacity = capacity;
    }
    if (entry->body.size_bytes)
        memcpy(owner->data + owner->size_bytes, entry->body.data, entry->body.size_bytes);
    owner->size_bytes = size_bytes;
    wanted->entries->entries[wanted->entries->count++] = *entry;
}

static void point_bodies(px_wal_entries *entries)
{
    size_t offset = 0;
    for (uint32_t i = 0; i < entries->count; i++) {
        entries->entries[i].body.data = entries->owner->data + offset;
        offset += entries->entries[i].body.size_bytes;
    }
}

/* Takes what the record under the walk has of the slots wanted. False where enough is there. */
static bool take_entries(const px_walk *walk, px_collection *wanted)
{
    px_wal_entries *entries = wanted->entries;
    for (uint32_t i = 0; i < walk->header.count; i++) {
        const px_entry *entry = &walk->entries[i];
        if (entry->slot != wanted->first + entries->count) continue;
        if (entry->slot > wanted->last || entries->count == PX_WINDOW_SLOTS) return false;
        if (entries->count && entries->owner->size_bytes + entry->body.size_bytes > wanted->bytes_max)
            return false;
        if (entries->count == 0) wanted->after_chain = i ? entry[-1].chain : walk->header.after_chain;
        keep_entry(wanted, entry);
    }
    return wanted->first + entries->count <= wanted->last && entries->count < PX_WINDOW_SLOTS;
}

static px_err collect(px_walk *walk, px_collection *wanted)
{
    for (;;) {
        px_err err = read_header(walk);
        if (err) return err;
        const uint64_t next = wanted->first + wanted->entries->count;
        if (walk->header.count && walk->header.after + walk->header.count >= next) {
            err = read_payload(walk);
            if (err) return err;
            if (!take_entries(walk, wanted)) return PX_OK;
        }
        go_on(walk);
    }
}

static px_err find_index(px_walk *walk, uint64_t index, uint64_t *slot)
{
    for (;;) {
        px_err err = read_header(walk);
        if (!err && walk->header.count) err = read_payload(walk);
        if (err) return err;
        for (uint32_t i = 0; i < walk->header.count; i++) {
            const px_entry *entry = &walk->entries[i];
            if (index < entry->index_first || index - entry->index_first >= entry->message_count) continue;
            *slot = entry->slot;
            return PX_OK;
        }
        go_on(walk);
    }
}

/* Walks, and keeps what is wanted. */
static px_err read_on(px_walk *walk, px_collection *wanted)
{
    wanted->entries->owner = make_buffer();
    wanted->entries->count = 0;
    wanted->capacity = 0;
    const px_err err = collect(walk, wanted);
    if (wanted->entries->count) {
        point_bodies(wanted->entries);
        return PX_OK;
    }
    px_buffer_release(wanted->entries->owner);
    wanted->entries->owner = NULL;
    return err;
}

static px_err read_slots(px_wal *wal, px_collection *wanted, bool is_fresh)
{
    px_segment *segment = NULL;
    const px_wal_mark *mark = px_segments_seek_slot(wal, wanted->first, &segment);
    if (!mark) return PX_ERR_END;
    px_walk walk;
    begin_walk(&walk, wal, mark, segment);
    walk.is_fresh = is_fresh;
    const px_err err = read_on(&walk, wanted);
    end_walk(&walk);
    return err;
}

/* ---- salvage [R16] ---- */

/* A run that goes on behind a slot; where there is none, the next one. */
static const px_salvage_run *find_run(const px_wal *wal, uint64_t after)
{
    const px_salvage_run *next = NULL;
    for (uint32_t i = 0; i < wal->salvage.count; i++) {
        const px_salvage_run *run = &wal->salvage.runs[i];
        if (run->end <= after) continue;
        if (run->after <= after) return run;
        if (!next || run->after < next->after) next = run;
    }
    return next;
}

/* Goes on where the read before this one ended: a long run is not walked from its beginning each time. */
static px_err read_run(px_wal *wal, const px_salvage_run *run, px_collection *wanted)
{
    const bool goes_on =
        wal->salvage_run == run && wal->salvage_slot > run->after && wal->salvage_slot <= wanted->first;
    const px_wal_place place = goes_on ? wal->salvage_next : run->place;
    const px_wal_mark mark = {goes_on ? wal->salvage_slot : run->after + 1, 0, place.offset, false};
    px_segment *segment = px_segments_find(wal, place.segment);
    if (!segment) return PX_ERR_DAMAGED;
    px_walk walk;
    begin_walk(&walk, wal, &mark, segment);
    walk.is_salvage = walk.is_fresh = true;
    const px_err err = read_on(&walk, wanted);
    if (!err) { /* the record that ended the walk is looked at again */
        wal->salvage_next = (px_wal_place){walk.segment->number, walk.offset};
        wal->salvage_slot = walk.after + 1;
        wal->salvage_run = run;
    }
    end_walk(&walk);
    return err;
}

px_err px_wal_read_salvage(px_wal *wal, uint64_t after, size_t bytes_max, px_wal_entries *entries,
                           px_hash *after_chain, px_wal_salvage *next)
{
    if (!px_wal_is_claimed(wal)) return PX_ERR_NOT_FOUND;
    const px_salvage_run *run = find_run(wal, after);
    if (!run || run->after > after) {
        *next = run ? (px_wal_salvage){run->after, run->after_chain}
                    : (px_wal_salvage){wal->claim.length, wal->claim.chain};
        return PX_ERR_END;
    }
    px_collection wanted = {after + 1, run->end, bytes_max, 0, entries, {0, 0}};
    const px_err err = read_run(wal, run, &wanted);
    if (!err) *after_chain = wanted.after_chain;
    return err == PX_ERR_END ? PX_ERR_DAMAGED : err;
}

/* A page that the system read while the writer's thread wrote it may be stale in its cache: what is not found
 * there is read once more from the device. What is durable and not found is damage. */
px_err px_wal_read(px_wal *wal, uint64_t first, uint64_t last, size_t bytes_max, px_wal_entries *entries)
{
    if (first == 0 || first > wal->durable_length) return PX_ERR_END;
    if (last > wal->durable_length) last = wal->durable_length;
    const uint64_t cut = px_segments_next_cut(wal, first);
    if (last >= cut) last = cut - 1;
    px_collection wanted = {first, last, bytes_max, 0, entries, {0, 0}};
    px_err err = read_slots(wal, &wanted, false);
    if (err == PX_ERR_DAMAGED || err == PX_ERR_END) err = read_slots(wal, &wanted, true);
    return err == PX_ERR_END ? PX_ERR_DAMAGED : err;
}

px_err px_wal_find_index(px_wal *wal, uint64_t index, uint64_t *slot)
{
    px_err err = PX_ERR_DAMAGED;
    uint64_t found = 0;
    const uint64_t end = px_wal_index_end(wal);
    if (index == 0 || index >= end) return PX_ERR_END;
    for (int attempt = 0; attempt < 2 && (err == PX_ERR_DAMAGED || err == PX_ERR_END); attempt++) {
        px_segment *segment = NULL;
        const px_wal_mark *mark = px_segments_seek_index(wal, index, &segment);
        if (!mark) return PX_ERR_END;
        px_walk walk;
        begin_walk(&walk, wal, mark, segment);
        walk.is_fresh = attempt == 1;
        err = find_index(&walk, index, &found);
        end_walk(&walk);
    }
    if (err == PX_ERR_END && end != UINT64_MAX) return PX_ERR_DAMAGED;
    if (err) return err;
    if (found > wal->durable_length) return PX_ERR_END;
    *slot = found;
    return PX_OK;
}
