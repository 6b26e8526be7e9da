/* reader.c - slots read back from the log.
 *
 * Meaning    From the mark before a slot the records are walked; nothing that was not synced is looked at,
 *            and nothing leaves whose checksum does not fit.
 * Source     protocol.md §5. */
// SPDX-License-Identifier: Apache-2.0
#include "wal/wal_priv.h"

#include "base/assert.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    px_wal *wal;
    px_segment *segment;
    uint64_t offset;
    px_record_header header;
    uint8_t *payload; /* of the record under the walk */
    size_t payload_bytes;
    px_entry *entries;
} px_walk;

static bool is_synced(const px_walk *walk)
{
    const px_wal_place here = {walk->segment->number, walk->offset};
    return px_wal_place_less(here, walk->wal->synced);
}

/* Goes to the next block boundary, or to the next segment. */
static bool skip_gap(px_walk *walk)
{
    const uint64_t boundary =
        (walk->offset + PX_DISK_BLOCK_BYTES - 1) / PX_DISK_BLOCK_BYTES * PX_DISK_BLOCK_BYTES;
    if (boundary != walk->offset && boundary < walk->segment->size_bytes) {
        walk->offset = boundary;
        return true;
    }
    px_segment *next = px_segments_find(walk->wal, walk->segment->number + 1);
    if (!next) return false;
    walk->segment = next;
    walk->offset = 0;
    return true;
}

/* Reads the header under the walk, or that of the next record behind a gap. */
static px_err read_header(px_walk *walk)
{
    px_disk *disk = walk->wal->disk;
    uint8_t bytes[PX_RECORD_HEADER_BYTES];
    while (is_synced(walk)) {
        size_t read_bytes = 0;
        const px_err err =
            disk->read(disk, walk->segment->file, walk->offset, bytes, sizeof bytes, false, &read_bytes);
        if (err) return err;
        if (read_bytes == sizeof bytes && !px_record_decode_header(bytes, &walk->header)) {
            const px_wal_place place = walk->header.place;
            if (place.segment != walk->segment->number || place.offset != walk->offset) return PX_ERR_DAMAGED;
            return PX_OK;
        }
        if (!skip_gap(walk)) return PX_ERR_END;
    }
    return PX_ERR_END;
}

static px_err read_payload(px_walk *walk)
{
    px_disk *disk = walk->wal->disk;
    const size_t size_bytes = walk->header.payload_bytes;
    size_t read_bytes = 0;
    if (walk->header.count > PX_WINDOW_SLOTS || size_bytes > walk->segment->size_bytes) return PX_ERR_DAMAGED;
    if (size_bytes > walk->payload_bytes) {
        uint8_t *grown = realloc(walk->payload, size_bytes);
        px_assert(grown != NULL);
        walk->payload = grown;
        walk->payload_bytes = size_bytes;
    }
    if (size_bytes == 0) return PX_OK;
    const uint64_t offset = walk->offset + PX_RECORD_HEADER_BYTES;
    const px_err err =
        disk->read(disk, walk->segment->file, offset, walk->payload, size_bytes, false, &read_bytes);
    if (err) return err;
    if (read_bytes != size_bytes || !px_record_is_payload(&walk->header, walk->payload))
        return PX_ERR_DAMAGED;
    return px_record_decode_entries(&walk->header, walk->payload, walk->entries) ? PX_ERR_DAMAGED : PX_OK;
}

static void go_on(px_walk *walk)
{
    walk->offset += (PX_RECORD_HEADER_BYTES + walk->header.payload_bytes + 7) / 8 * 8;
}

static px_err begin_walk(px_walk *walk, px_wal *wal, const px_wal_mark *mark, px_segment *segment)
{
    *walk = (px_walk){.wal = wal, .segment = segment, .offset = mark->offset};
    walk->entries = calloc(PX_WINDOW_SLOTS, sizeof *walk->entries);
    px_assert(walk->entries != NULL);
    return PX_OK;
}

static void end_walk(px_walk *walk)
{
    free(walk->entries);
    free(walk->payload);
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

/* Bodies are kept as offsets while the buffer may still move. */
static void keep_entry(px_wal_entries *entries, const px_entry *entry)
{
    px_buffer *owner = entries->owner;
    const size_t size_bytes = owner->size_bytes + entry->body.size_bytes;
    uint8_t *grown = realloc(owner->data, size_bytes ? size_bytes : 1);
    px_assert(grown != NULL);
    memcpy(grown + owner->size_bytes, entry->body.data, entry->body.size_bytes);
    owner->data = grown;
    owner->size_bytes = size_bytes;
    entries->entries[entries->count++] = *entry;
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
static bool take_entries(const px_walk *walk, uint64_t first, uint64_t last, size_t bytes_max,
                         px_wal_entries *entries)
{
    for (uint32_t i = 0; i < walk->header.count; i++) {
        const px_entry *entry = &walk->entries[i];
        if (entry->slot != first + entries->count) continue;
        if (entry->slot > last || entries->count == PX_WINDOW_SLOTS) return false;
        if (entries->count && entries->owner->size_bytes + entry->body.size_bytes > bytes_max) return false;
        keep_entry(entries, entry);
    }
    return first + entries->count <= last && entries->count < PX_WINDOW_SLOTS;
}

px_err px_wal_read(px_wal *wal, uint64_t first, uint64_t last, size_t bytes_max, px_wal_entries *entries)
{
    px_segment *segment = NULL;
    const px_wal_mark *mark = first ? px_segments_seek_slot(wal, first, &segment) : NULL;
    if (!mark || first > wal->durable_length) return PX_ERR_END;
    if (last > wal->durable_length) last = wal->durable_length;
    const uint64_t cut = px_segments_next_cut(wal, first);
    if (last >= cut) last = cut - 1;
    px_walk walk;
    px_err err = begin_walk(&walk, wal, mark, segment);
    entries->owner = make_buffer();
    entries->count = 0;
    while (!err) {
        err = read_header(&walk);
        if (err) break;
        const bool has_wanted = walk.header.after + walk.header.count >= first + entries->count;
        if (has_wanted && walk.header.count) {
            err = read_payload(&walk);
            if (err) break;
            if (!take_entries(&walk, first, last, bytes_max, entries)) break;
        }
        go_on(&walk);
    }
    end_walk(&walk);
    if (entries->count) {
        point_bodies(entries);
        return PX_OK;
    }
    px_buffer_release(entries->owner);
    entries->owner = NULL;
    return err ? err : PX_ERR_END;
}

px_err px_wal_find_index(px_wal *wal, uint64_t index, uint64_t *slot)
{
    px_segment *segment = NULL;
    const px_wal_mark *mark = index ? px_segments_seek_index(wal, index, &segment) : NULL;
    if (!mark) return PX_ERR_END;
    px_walk walk;
    px_err err = begin_walk(&walk, wal, mark, segment);
    uint64_t found = 0;
    while (!err && !found) {
        err = read_header(&walk);
        if (!err && walk.header.count) err = read_payload(&walk);
        for (uint32_t i = 0; !err && i < walk.header.count; i++) {
            const px_entry *entry = &walk.entries[i];
            if (entry->index_first <= index && index < entry->index_first + entry->message_count)
                found = entry->slot;
        }
        if (!err) go_on(&walk);
    }
    end_walk(&walk);
    if (!found) return err;
    *slot = found;
    return PX_OK;
}
