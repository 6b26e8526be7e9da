/* cursor_file.c - durable cursors, by name. */
// SPDX-License-Identifier: Apache-2.0
#include "local/cursor_file.h"

#include "base/assert.h"
#include "base/hash.h"
#include <stdlib.h>
#include <string.h>

#define RECORD_BYTES 128u
#define HALF_BYTES (RECORD_BYTES * PX_CURSORS_MAX)
_Static_assert(HALF_BYTES % PX_DISK_BLOCK_BYTES == 0, "a half is whole blocks");
#define MAGIC 0x63787031u
#define VERSION 1u

/* Places in a record. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 4,
    AT_NAME_BYTES = 6,
    AT_GENERATION = 8,
    AT_INDEX = 16,
    AT_KIND = 24,
    AT_NAME = 32,
    AT_HASH = 112
};
_Static_assert(AT_NAME + PX_CURSOR_NAME_BYTES_MAX == AT_HASH, "the name fills its place");
_Static_assert(AT_HASH + 16 == RECORD_BYTES, "the hash ends the record");

struct px_cursor {
    px_cursor_file *file;
    uint32_t place;
    px_cursor_kind kind;
    char name[PX_CURSOR_NAME_BYTES_MAX + 1];
    uint64_t generation;
    uint64_t index;
    bool is_used;
    bool is_unsaved; /* moved since it was last given to the disk */
};

/* One of the two writes of a save, a run of blocks in one half. */
typedef struct {
    px_disk_write write; /* first, so that a px_disk_write is its half_write */
    px_cursor_file *file;
} half_write;

struct px_cursor_file {
    px_disk *disk;
    px_disk_file *device;
    px_log *log;
    const char *name;
    uint8_t *image; /* what the file holds; blocks of it are the disk's while a save is under way */
    bool is_damaged;
    bool has_failed; /* said once */
    px_cursor_save *save;
    half_write halves[2];
    uint32_t writes_left; /* of the save under way */
    px_err save_err;
    px_cursor cursors[PX_CURSORS_MAX];
};

static void put_number(uint8_t *to, uint64_t value, unsigned size_bytes)
{
    for (unsigned byte = 0; byte < size_bytes; byte++) to[byte] = (uint8_t)(value >> (8 * byte));
}

static uint64_t get_number(const uint8_t *from, unsigned size_bytes)
{
    uint64_t value = 0;
    for (unsigned byte = 0; byte < size_bytes; byte++) value |= (uint64_t)from[byte] << (8 * byte);
    return value;
}

static void encode(const px_cursor *cursor, uint8_t *record)
{
    const size_t name_bytes = strlen(cursor->name);
    memset(record, 0, RECORD_BYTES);
    put_number(record + AT_MAGIC, MAGIC, 4);
    put_number(record + AT_VERSION, VERSION, 2);
    put_number(record + AT_NAME_BYTES, name_bytes, 2);
    put_number(record + AT_GENERATION, cursor->generation, 8);
    put_number(record + AT_INDEX, cursor->index, 8);
    put_number(record + AT_KIND, (uint64_t)cursor->kind, 4);
    memcpy(record + AT_NAME, cursor->name, name_bytes);
    put_number(record + AT_HASH, px_hash_of(record, AT_HASH).low, 8);
}

/* Reads one copy into *cursor where it is valid and newer than what is there. Returns whether it is sound:
 * valid, or never written. */
static bool decode(const uint8_t *record, px_cursor *cursor)
{
    static const uint8_t never[RECORD_BYTES];
    if (memcmp(record, never, RECORD_BYTES) == 0) return true;
    if (get_number(record + AT_HASH, 8) != px_hash_of(record, AT_HASH).low) return false;
    const size_t name_bytes = get_number(record + AT_NAME_BYTES, 2);
    const uint64_t kind = get_number(record + AT_KIND, 4);
    if (get_number(record + AT_MAGIC, 4) != MAGIC || get_number(record + AT_VERSION, 2) != VERSION)
        return false;
    if (name_bytes > PX_CURSOR_NAME_BYTES_MAX || (kind != PX_CURSOR_PIPE && kind != PX_CURSOR_CONSUMER))
        return false;
    const uint64_t generation = get_number(record + AT_GENERATION, 8);
    if (cursor->is_used && generation <= cursor->generation) return true;
    cursor->is_used = true;
    cursor->kind = (px_cursor_kind)kind;
    cursor->generation = generation;
    cursor->index = get_number(record + AT_INDEX, 8);
    memcpy(cursor->name, record + AT_NAME, name_bytes);
    cursor->name[name_bytes] = 0;
    return true;
}

static px_err load(px_cursor_file *file)
{
    const uint8_t *bytes = file->image;
    size_t read_bytes = 0;
    const px_err err = file->disk->read(file->disk, file->device, 0, file->image, 2 * (size_t)HALF_BYTES,
                                        false, &read_bytes);
    for (uint32_t place = 0; !err && place < PX_CURSORS_MAX; place++) {
        px_cursor *cursor = &file->cursors[place];
        const bool first = decode(bytes + (size_t)place * RECORD_BYTES, cursor);
        const bool second = decode(bytes + HALF_BYTES + (size_t)place * RECORD_BYTES, cursor);
        /* One damaged copy beside a sound one is a write that a power cut tore; the other is older, or it. */
        if (!(first && second) && !cursor->is_used) file->is_damaged = true;
    }
    return err;
}

px_err px_cursor_file_open(px_disk *disk, px_log *log, const char *name, px_cursor_file **file)
{
    px_cursor_file *made = calloc(1, sizeof *made);
    if (!made) return PX_ERR_NO_SPACE;
    made->image = aligned_alloc(PX_DISK_BLOCK_BYTES, 2 * (size_t)HALF_BYTES);
    if (!made->image) {
        free(made);
        return PX_ERR_NO_SPACE;
    }
    memset(made->image, 0, 2 * (size_t)HALF_BYTES);
    made->disk = disk;
    made->log = log;
    made->name = name;
    for (uint32_t place = 0; place < PX_CURSORS_MAX; place++) {
        made->cursors[place].file = made;
        made->cursors[place].place = place;
    }
    px_err err = disk->open(disk, name, &made->device);
    if (err == PX_ERR_NOT_FOUND) err = disk->create(disk, name, 2 * (uint64_t)HALF_BYTES, &made->device);
    if (err) goto fail_device;
    err = load(made);
    if (err) goto fail_load;
    *file = made;
    return PX_OK;
fail_load:
    disk->close(disk, made->device);
fail_device:
    free(made->image);
    free(made);
    return err;
}

void px_cursor_file_close(px_cursor_file *file)
{
    file->disk->close(file->disk, file->device);
    free(file->image);
    free(file);
}

bool px_cursor_file_is_damaged(const px_cursor_file *file)
{
    return file->is_damaged;
}

px_cursor *px_cursor_find(px_cursor_file *file, px_cursor_kind kind, const char *name)
{
    for (uint32_t place = 0; place < PX_CURSORS_MAX; place++) {
        px_cursor *cursor = &file->cursors[place];
        if (cursor->is_used && cursor->kind == kind && strcmp(cursor->name, name) == 0) return cursor;
    }
    return NULL;
}

/* Lays it over the copy that is not the newest, in memory; returns where that is in the file. */
static size_t lay_copy(px_cursor *cursor)
{
    cursor->generation++;
    const size_t offset = (size_t)cursor->place * RECORD_BYTES + (cursor->generation & 1 ? 0 : HALF_BYTES);
    encode(cursor, cursor->file->image + offset);
    return offset;
}

static void say_error(px_cursor_file *file, px_err err)
{
    if (err && !file->has_failed)
        px_log_event(file->log, PX_LOG_ERROR,
                     "cursors: %s: %s; readers may see messages again after a restart", file->name,
                     px_err_text(err));
    file->has_failed = err != PX_OK;
}

static void write_copy(px_cursor *cursor, bool is_synced)
{
    px_cursor_file *file = cursor->file;
    px_disk *disk = file->disk;
    px_assert(!file->save);
    const size_t offset = lay_copy(cursor);
    const uint8_t *record = file->image + offset;
    const px_err err = is_synced ? disk->write_now(disk, file->device, offset, record, RECORD_BYTES)
                                 : disk->write_hint(disk, file->device, offset, record, RECORD_BYTES);
    say_error(file, err);
}

px_cursor *px_cursor_add(px_cursor_file *file, px_cursor_kind kind, const char *name, uint64_t index)
{
    px_assert(strlen(name) <= PX_CURSOR_NAME_BYTES_MAX);
    for (uint32_t place = 0; place < PX_CURSORS_MAX; place++) {
        px_cursor *cursor = &file->cursors[place];
        if (cursor->is_used) continue;
        cursor->is_used = true;
        cursor->kind = kind;
        strcpy(cursor->name, name);
        cursor->index = index;
        cursor->is_unsaved = true;
        return cursor;
    }
    return NULL;
}

px_cursor *px_cursor_make(px_cursor_file *file, px_cursor_kind kind, const char *name, uint64_t index)
{
    px_cursor *cursor = px_cursor_add(file, kind, name, index);
    if (cursor) write_copy(cursor, true);
    return cursor;
}

uint64_t px_cursor_index(const px_cursor *cursor)
{
    return cursor->index;
}

void px_cursor_put(px_cursor *cursor, uint64_t index)
{
    if (cursor->index == index) return;
    cursor->index = index;
    write_copy(cursor, false);
}

void px_cursor_sync(px_cursor *cursor)
{
    write_copy(cursor, true);
}

/* ---- saved together ---- */

void px_cursor_move(px_cursor *cursor, uint64_t index)
{
    cursor->index = index;
    cursor->is_unsaved = true;
}

static void on_half_written(px_disk_write *write, px_err err)
{
    px_cursor_file *file = ((half_write *)write)->file;
    px_cursor_save *save = file->save;
    if (err) file->save_err = err;
    px_assert(save && file->writes_left > 0);
    if (--file->writes_left > 0) return;
    file->save = NULL;
    say_error(file, file->save_err);
    save->on_saved(save, file->save_err);
}

/* Writes the blocks that hold [first, last] of the image. */
static void write_blocks(px_cursor_file *file, unsigned half, size_t first, size_t last)
{
    const size_t begin = first / PX_DISK_BLOCK_BYTES * PX_DISK_BLOCK_BYTES;
    const size_t end = (last / PX_DISK_BLOCK_BYTES + 1) * PX_DISK_BLOCK_BYTES;
    half_write *of = &file->halves[half];
    of->file = file;
    of->write = (px_disk_write){.file = file->device,
                                .offset = begin,
                                .data = file->image + begin,
                                .size_bytes = end - begin,
                                .on_done = on_half_written};
    file->disk->write(file->disk, &of->write);
}

void px_cursor_file_save(px_cursor_file *file, px_cursor_save *save)
{
    size_t first[2] = {SIZE_MAX, SIZE_MAX}, last[2] = {0, 0};
    px_assert(!file->save);
    for (uint32_t place = 0; place < PX_CURSORS_MAX; place++) {
        px_cursor *cursor = &file->cursors[place];
        if (!cursor->is_unsaved) continue;
        cursor->is_unsaved = false;
        const size_t offset = lay_copy(cursor);
        const unsigned half = offset >= HALF_BYTES;
        if (first[half] == SIZE_MAX) first[half] = offset;
        last[half] = offset;
    }
    file->save = save;
    file->save_err = PX_OK;
    file->writes_left = (first[0] != SIZE_MAX ? 1u : 0u) + (first[1] != SIZE_MAX ? 1u : 0u);
    px_assert(file->writes_left > 0);
    for (unsigned half = 0; half < 2; half++)
        if (first[half] != SIZE_MAX) write_blocks(file, half, first[half], last[half]);
}
