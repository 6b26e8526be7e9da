/* segments.c - the files of the log, and where in them a slot is.
 *
 * Meaning    Marks are sparse: a reader starts at the last mark at or before its slot and walks. A cut drops
 *            the marks behind it and leaves one of its own at the
 *            record that cut, so that a walk never meets a slot's older value before its newer one.
 * Holds      Marks rise in slot and place. */
// SPDX-License-Identifier: Apache-2.0
#include "wal/wal_priv.h"

#include "base/assert.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void px_segment_name(uint64_t number, char name[PX_FILE_NAME_BYTES])
{
    (void)snprintf(name, PX_FILE_NAME_BYTES, "%016llx.log", (unsigned long long)number);
}

px_err px_segments_add(px_wal *wal, uint64_t number, uint64_t size_bytes, px_disk_file *file)
{
    if (wal->segment_count == wal->segment_capacity) {
        const uint32_t capacity = wal->segment_capacity ? 2 * wal->segment_capacity : 16;
        px_segment *grown = realloc(wal->segments, capacity * sizeof *grown);
        px_assert(grown != NULL);
        wal->segments = grown;
        wal->segment_capacity = capacity;
    }
    px_segment *segment = &wal->segments[wal->segment_count++];
    *segment = (px_segment){
        .number = number, .size_bytes = size_bytes, .file = file, .live_bytes = UINT64_MAX, .mark_every = 1};
    return PX_OK;
}

px_err px_segments_create(px_wal *wal, uint64_t size_bytes)
{
    char name[PX_FILE_NAME_BYTES];
    px_disk_file *file = NULL;
    const uint64_t number = wal->segment_count ? wal->segments[wal->segment_count - 1].number + 1 : 1;
    px_segment_name(number, name);
    const px_err err = wal->disk->create(wal->disk, name, size_bytes, &file);
    return err ? err : px_segments_add(wal, number, size_bytes, file);
}

px_segment *px_segments_find(px_wal *wal, uint64_t number)
{
    if (wal->segment_count == 0 || number < wal->segments[0].number) return NULL;
    const uint64_t place = number - wal->segments[0].number;
    return place < wal->segment_count ? &wal->segments[place] : NULL;
}

/* ---- marks ---- */

static void thin_marks(px_segment *segment)
{
    uint32_t kept = 0, plain = 0;
    for (uint32_t i = 0; i < segment->mark_count; i++) {
        const bool is_kept = i == 0 || segment->marks[i].is_cut || plain++ % 2 == 1;
        if (is_kept) segment->marks[kept++] = segment->marks[i];
    }
    segment->mark_count = kept;
    segment->mark_every *= 2;
}

static void push_mark(px_segment *segment, px_wal_mark mark)
{
    if (segment->mark_count == segment->mark_capacity) {
        if (segment->mark_capacity >= PX_SEGMENT_MARKS && !mark.is_cut) thin_marks(segment);
        if (segment->mark_count == segment->mark_capacity) {
            const uint32_t capacity = segment->mark_capacity ? 2 * segment->mark_capacity : 16;
            px_wal_mark *grown = realloc(segment->marks, capacity * sizeof *grown);
            px_assert(grown != NULL);
            segment->marks = grown;
            segment->mark_capacity = capacity;
        }
    }
    segment->marks[segment->mark_count++] = mark;
}

static void drop_marks_behind(px_wal *wal, uint64_t after)
{
    for (uint32_t i = wal->segment_count; i-- > 0;) {
        px_segment *segment = &wal->segments[i];
        while (segment->mark_count && segment->marks[segment->mark_count - 1].slot > after)
            segment->mark_count--;
        if (segment->mark_count) return;
    }
}

void px_segments_note(px_wal *wal, px_wal_place place, const px_wal_note *note)
{
    px_segment *segment = px_segments_find(wal, place.segment);
    if (note->is_cut) drop_marks_behind(wal, note->after);
    if (!note->is_cut && note->count == 0) return;
    if (!note->is_cut && segment->mark_count && segment->mark_due > 0) {
        segment->mark_due--;
        return;
    }
    segment->mark_due = segment->mark_every - 1;
    push_mark(segment, (px_wal_mark){note->after + 1, note->index, place.offset, note->is_cut});
}

const px_wal_mark *px_segments_seek_slot(px_wal *wal, uint64_t slot, px_segment **found)
{
    for (uint32_t i = wal->segment_count; i-- > 0;) {
        px_segment *segment = &wal->segments[i];
        for (uint32_t m = segment->mark_count; m-- > 0;) {
            if (segment->marks[m].slot > slot) continue;
            *found = segment;
            return &segment->marks[m];
        }
    }
    return NULL;
}

const px_wal_mark *px_segments_seek_index(px_wal *wal, uint64_t index, px_segment **found)
{
    for (uint32_t i = wal->segment_count; i-- > 0;) {
        px_segment *segment = &wal->segments[i];
        for (uint32_t m = segment->mark_count; m-- > 0;) {
            if (segment->marks[m].index > index) continue;
            *found = segment;
            return &segment->marks[m];
        }
    }
    return NULL;
}

uint64_t px_segments_next_cut(const px_wal *wal, uint64_t slot)
{
    uint64_t cut = UINT64_MAX;
    for (uint32_t i = wal->segment_count; i-- > 0;) {
        const px_segment *segment = &wal->segments[i];
        for (uint32_t m = segment->mark_count; m-- > 0;) {
            if (segment->marks[m].slot <= slot) return cut;
            if (segment->marks[m].is_cut) cut = segment->marks[m].slot;
        }
    }
    return cut;
}

void px_segments_close(px_wal *wal)
{
    for (uint32_t i = 0; i < wal->segment_count; i++) {
        if (wal->segments[i].file) wal->disk->close(wal->disk, wal->segments[i].file);
        free(wal->segments[i].marks);
    }
    free(wal->segments);
}
