/* fake_disk.c - a disk in memory that forgets, tears, fails, fills and rots on command. */
// SPDX-License-Identifier: Apache-2.0
#include "support/fake_disk.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/prng.h"
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 64u
#define SECTOR_BYTES 512u
/* Hints that are older than this many others have reached the device by themselves. */
#define HINTS_MAX 32u

struct px_disk_file {
    char name[NAME_BYTES];
    uint64_t size_bytes;
    uint8_t *stable;
    uint8_t *cache;            /* NULL: shows what is stable */
    uint64_t bad_from, bad_to; /* reads between them fail */
    px_disk_file *next;
};

typedef struct hint hint;
struct hint {
    px_disk_file *file;
    uint64_t offset;
    size_t size_bytes;
    uint8_t *data;
    hint *next;
};

struct fake_disk {
    px_disk disk; /* first */
    px_prng prng;
    px_disk_file *files;
    px_disk_write *writes, **writes_end;
    hint *hints, **hints_end;
    uint32_t hint_count;
    uint64_t free_bytes, completed;
    bool will_fail, is_lasting;
    uint32_t fail_skip;
    px_err fail_err;
    uint32_t read_skip, reads_to_fail;
    bool has_read_failed;
    bool will_cut; /* the power, at one of the next changes that are made at once */
    uint32_t cut_skip;
    bool is_off;
    bool is_resting;
};

static void *zeroed(size_t size_bytes)
{
    void *memory = calloc(1, size_bytes ? size_bytes : 1);
    px_assert(memory != NULL);
    return memory;
}

static px_disk_file *find_file(const fake_disk *disk, const char *name)
{
    for (px_disk_file *file = disk->files; file; file = file->next)
        if (strcmp(file->name, name) == 0) return file;
    return NULL;
}

static px_disk_file *add_file(fake_disk *disk, const char *name, uint64_t size_bytes)
{
    px_disk_file *file = zeroed(sizeof *file);
    px_assert(strlen(name) < NAME_BYTES);
    strcpy(file->name, name);
    file->size_bytes = size_bytes;
    file->stable = zeroed(size_bytes);
    file->next = disk->files;
    disk->files = file;
    return file;
}

static void free_file(px_disk_file *file)
{
    free(file->cache);
    free(file->stable);
    free(file);
}

/* What the system shows, and the device has not: from now on a copy. */
static void write_cache(px_disk_file *file, uint64_t offset, const uint8_t *data, size_t size_bytes)
{
    if (!file->cache) {
        file->cache = malloc(file->size_bytes);
        px_assert(file->cache != NULL);
        memcpy(file->cache, file->stable, file->size_bytes);
    }
    memcpy(file->cache + offset, data, size_bytes);
}

static void forget_cache(px_disk_file *file)
{
    free(file->cache);
    file->cache = NULL;
}

/* ---- hints ---- */

static void pop_hint(fake_disk *disk)
{
    hint *first = disk->hints;
    disk->hints = first->next;
    if (!disk->hints) disk->hints_end = &disk->hints;
    disk->hint_count--;
    free(first->data);
    free(first);
}

static void settle_oldest_hint(fake_disk *disk)
{
    const hint *first = disk->hints;
    memcpy(first->file->stable + first->offset, first->data, first->size_bytes);
    pop_hint(disk);
}

static void drop_hints(fake_disk *disk)
{
    while (disk->hints) pop_hint(disk);
}

/* What a synced write to a file does to the hints for it: they are older. */
static void settle_file(fake_disk *disk, const px_disk_file *file)
{
    hint **at = &disk->hints;
    while (*at) {
        hint *each = *at;
        if (each->file != file) {
            at = &each->next;
            continue;
        }
        memcpy(each->file->stable + each->offset, each->data, each->size_bytes);
        *at = each->next;
        disk->hint_count--;
        free(each->data);
        free(each);
    }
    disk->hints_end = at;
}

static void add_hint(fake_disk *disk, px_disk_file *file, uint64_t offset, const uint8_t *data,
                     size_t size_bytes)
{
    if (size_bytes == 0) return;
    write_cache(file, offset, data, size_bytes);
    hint *made = zeroed(sizeof *made);
    *made = (hint){file, offset, size_bytes, zeroed(size_bytes), NULL};
    memcpy(made->data, data, size_bytes);
    *disk->hints_end = made;
    disk->hints_end = &made->next;
    if (++disk->hint_count > HINTS_MAX) settle_oldest_hint(disk);
}

/* A page that is clean is read from the device again, one that is not is newer than the device. What a failed
 * write left in the cache is clean. */
static void refresh(const fake_disk *disk, px_disk_file *file)
{
    forget_cache(file);
    for (const hint *each = disk->hints; each; each = each->next)
        if (each->file == file) write_cache(file, each->offset, each->data, each->size_bytes);
}

/* Counts down to the change at which the power fails. */
static bool power_fails_now(fake_disk *disk)
{
    if (!disk->will_cut) return false;
    if (disk->cut_skip > 0) {
        disk->cut_skip--;
        return false;
    }
    disk->will_cut = false;
    disk->is_off = true;
    return true;
}

static void write_stable(px_disk_file *file, uint64_t offset, const uint8_t *data, size_t size_bytes)
{
    memcpy(file->stable + offset, data, size_bytes);
    if (file->cache) memcpy(file->cache + offset, data, size_bytes);
    if (offset <= file->bad_from && offset + size_bytes >= file->bad_to) file->bad_from = file->bad_to = 0;
}

/* ---- the port ---- */

static px_err do_list(px_disk *base, void *context,
                      void (*each)(void *context, const char *name, uint64_t size_bytes))
{
    const fake_disk *disk = (fake_disk *)base;
    for (const px_disk_file *file = disk->files; file; file = file->next)
        each(context, file->name, file->size_bytes);
    return PX_OK;
}

static px_err do_open(px_disk *base, const char *name, px_disk_file **file)
{
    px_disk_file *found = find_file((fake_disk *)base, name);
    if (!found) return PX_ERR_NOT_FOUND;
    *file = found;
    return PX_OK;
}

static px_err do_create(px_disk *base, const char *name, uint64_t size_bytes, px_disk_file **file)
{
    fake_disk *disk = (fake_disk *)base;
    if (find_file(disk, name)) return PX_ERR_EXISTS;
    if (disk->is_off) return PX_ERR_IO;
    if (disk->free_bytes < size_bytes) return PX_ERR_NO_SPACE;
    if (power_fails_now(disk)) {
        if (px_prng_below(&disk->prng, 2)) (void)add_file(disk, name, size_bytes);
        return PX_ERR_IO;
    }
    if (disk->free_bytes != UINT64_MAX) disk->free_bytes -= size_bytes;
    *file = add_file(disk, name, size_bytes);
    return PX_OK;
}

/* Filling with zeros ahead must not show: what is above the writes is zero, or nobody's business. */
static void do_prepare(px_disk *base, px_disk_file *file, uint64_t upto)
{
    (void)base;
    px_assert(upto <= file->size_bytes);
}

/* A write under way to a file that is closed is not told any more, and nobody knows how far it comes. */
static void do_close(px_disk *base, px_disk_file *file)
{
    fake_disk *disk = (fake_disk *)base;
    px_disk_write **at = &disk->writes;
    while (*at) {
        const px_disk_write *write = *at;
        if (write->file != file) {
            at = &(*at)->next;
            continue;
        }
        add_hint(disk, file, write->offset, write->data, write->size_bytes);
        *at = write->next;
    }
    disk->writes_end = at;
}

static bool fails_read(fake_disk *disk)
{
    if (disk->reads_to_fail == 0) return false;
    if (disk->read_skip > 0) {
        disk->read_skip--;
        return false;
    }
    disk->reads_to_fail--;
    return disk->has_read_failed = true;
}

static px_err do_read(px_disk *base, px_disk_file *file, uint64_t offset, uint8_t *space, size_t size_bytes,
                      bool fresh, size_t *read_bytes)
{
    fake_disk *disk = (fake_disk *)base;
    if (fresh) refresh(disk, file);
    if (fails_read(disk)) return PX_ERR_IO;
    if (offset < file->bad_to && offset + size_bytes > file->bad_from) return PX_ERR_IO;
    if (offset > file->size_bytes) offset = file->size_bytes;
    if (size_bytes > file->size_bytes - offset) size_bytes = (size_t)(file->size_bytes - offset);
    memcpy(space, (file->cache ? file->cache : file->stable) + offset, size_bytes);
    *read_bytes = size_bytes;
    return PX_OK;
}

static void do_write(px_disk *base, px_disk_write *write)
{
    fake_disk *disk = (fake_disk *)base;
    px_assert(write->offset % PX_DISK_BLOCK_BYTES == 0 && write->size_bytes % PX_DISK_BLOCK_BYTES == 0);
    px_assert((uintptr_t)write->data % PX_DISK_BLOCK_BYTES == 0);
    px_assert(write->offset + write->size_bytes <= write->file->size_bytes);
    write->next = NULL;
    *disk->writes_end = write;
    disk->writes_end = &write->next;
}

/* What is written behind the end makes the file longer. */
static void grow_file(px_disk_file *file, uint64_t size_bytes)
{
    if (size_bytes <= file->size_bytes) return;
    uint8_t *stable = zeroed(size_bytes), *cache = file->cache ? zeroed(size_bytes) : NULL;
    memcpy(stable, file->stable, file->size_bytes);
    if (cache) memcpy(cache, file->cache, file->size_bytes);
    free(file->stable);
    free(file->cache);
    file->stable = stable;
    file->cache = cache;
    file->size_bytes = size_bytes;
}

static px_err do_write_hint(px_disk *base, px_disk_file *file, uint64_t offset, const uint8_t *data,
                            size_t size_bytes)
{
    fake_disk *disk = (fake_disk *)base;
    if (disk->is_off) return PX_ERR_IO;
    grow_file(file, offset + size_bytes);
    add_hint(disk, file, offset, data, size_bytes);
    return PX_OK;
}

static px_err do_write_now(px_disk *base, px_disk_file *file, uint64_t offset, const uint8_t *data,
                           size_t size_bytes)
{
    fake_disk *disk = (fake_disk *)base;
    if (disk->is_off) return PX_ERR_IO;
    grow_file(file, offset + size_bytes);
    if (power_fails_now(disk)) {
        add_hint(disk, file, offset, data, size_bytes);
        return PX_ERR_IO;
    }
    settle_file(disk, file);
    if (size_bytes == 0) return PX_OK;
    write_stable(file, offset, data, size_bytes);
    return PX_OK;
}

static px_err do_rename(px_disk *base, const char *from, const char *to)
{
    px_disk_file *file = find_file((fake_disk *)base, from);
    if (((fake_disk *)base)->is_off) return PX_ERR_IO;
    if (!file) return PX_ERR_NOT_FOUND;
    if (power_fails_now((fake_disk *)base)) return PX_ERR_IO;
    fake_disk_remove((fake_disk *)base, to);
    strcpy(file->name, to);
    return PX_OK;
}

static uint64_t do_free_bytes(px_disk *base)
{
    return ((fake_disk *)base)->free_bytes;
}

static void do_rest(px_disk *base, bool is_resting)
{
    ((fake_disk *)base)->is_resting = is_resting;
}

/* ---- life ---- */

fake_disk *fake_disk_make(uint64_t seed)
{
    fake_disk *disk = zeroed(sizeof *disk);
    disk->disk = (px_disk){
        do_list,  do_open, do_create,     do_prepare,   do_close,  do_read,
        do_write, do_rest, do_write_hint, do_write_now, do_rename, do_free_bytes,
    };
    px_prng_init(&disk->prng, seed);
    disk->writes_end = &disk->writes;
    disk->hints_end = &disk->hints;
    disk->free_bytes = UINT64_MAX;
    return disk;
}

fake_disk *fake_disk_clone(const fake_disk *disk, uint64_t seed)
{
    fake_disk *clone = fake_disk_make(seed);
    for (const px_disk_file *file = disk->files; file; file = file->next) {
        px_disk_file *copy = add_file(clone, file->name, file->size_bytes);
        memcpy(copy->stable, file->stable, file->size_bytes);
    }
    return clone;
}

void fake_disk_wipe(fake_disk *disk)
{
    drop_hints(disk);
    disk->writes = NULL;
    disk->writes_end = &disk->writes;
    while (disk->files) {
        px_disk_file *file = disk->files;
        disk->files = file->next;
        free_file(file);
    }
}

void fake_disk_free(fake_disk *disk)
{
    fake_disk_wipe(disk);
    free(disk);
}

px_disk *fake_disk_port(fake_disk *disk)
{
    return &disk->disk;
}

/* ---- completing ---- */

size_t fake_disk_pending(const fake_disk *disk)
{
    size_t count = 0;
    for (const px_disk_write *write = disk->writes; write; write = write->next) count++;
    return count;
}

size_t fake_disk_pending_bytes(const fake_disk *disk)
{
    return disk->writes ? disk->writes->size_bytes : 0;
}

static px_err outcome(fake_disk *disk)
{
    if (!disk->will_fail) return PX_OK;
    if (disk->fail_skip > 0) {
        disk->fail_skip--;
        return PX_OK;
    }
    if (!disk->is_lasting) disk->will_fail = false;
    return disk->fail_err;
}

bool fake_disk_is_resting(const fake_disk *disk)
{
    return disk->is_resting && disk->writes && disk->writes->may_rest && !disk->writes->next;
}

bool fake_disk_complete(fake_disk *disk)
{
    px_disk_write *write = disk->writes;
    if (!write) return false;
    disk->writes = write->next;
    if (!disk->writes) disk->writes_end = &disk->writes;
    const px_err err = disk->is_off ? PX_ERR_IO : outcome(disk);
    settle_file(disk, write->file);
    if (!err) {
        write_stable(write->file, write->offset, write->data, write->size_bytes);
        disk->completed++;
    } else { /* shown, though it failed */
        write_cache(write->file, write->offset, write->data, write->size_bytes);
    }
    write->sync_us = 100;
    write->on_done(write, err);
    return true;
}

void fake_disk_complete_all(fake_disk *disk)
{
    while (fake_disk_complete(disk)) continue;
}

uint64_t fake_disk_completed(const fake_disk *disk)
{
    return disk->completed;
}

uint64_t fake_disk_digest(const fake_disk *disk)
{
    uint64_t digest = 0; /* a sum: files are listed in any order */
    for (const px_disk_file *file = disk->files; file; file = file->next) {
        const px_hash name = px_hash_of((const uint8_t *)file->name, strlen(file->name));
        digest += px_hash_of(file->stable, file->size_bytes).low ^ name.low;
    }
    return digest;
}

/* ---- crashing ---- */

/* What of an unsynced write reaches the device: nothing, all, any sectors of it, or its beginning up to any
 * byte. */
static void leave_traces(fake_disk *disk, px_disk_file *file, uint64_t offset, const uint8_t *data,
                         size_t size_bytes)
{
    switch (px_prng_below(&disk->prng, 4)) {
    case 0: return;
    case 1: memcpy(file->stable + offset, data, size_bytes); return;
    case 2:
        for (size_t at = 0; at < size_bytes; at += SECTOR_BYTES) {
            const size_t part = size_bytes - at < SECTOR_BYTES ? size_bytes - at : SECTOR_BYTES;
            if (px_prng_below(&disk->prng, 2)) memcpy(file->stable + offset + at, data + at, part);
        }
        return;
    default: memcpy(file->stable + offset, data, (size_t)px_prng_below(&disk->prng, size_bytes + 1)); return;
    }
}

/* The system has seen the whole write, or its beginning, or none of it; the device need not have. */
static void leave_in_cache(fake_disk *disk, const px_disk_write *write)
{
    const uint64_t choice = px_prng_below(&disk->prng, 3);
    size_t size_bytes = write->size_bytes;
    if (choice == 0) return;
    if (choice == 1) size_bytes = (size_t)px_prng_below(&disk->prng, size_bytes + 1);
    add_hint(disk, write->file, write->offset, write->data, size_bytes);
}

/* What is on the device is all that there is. */
static void end_power(fake_disk *disk)
{
    drop_hints(disk);
    disk->writes = NULL;
    disk->writes_end = &disk->writes;
    disk->is_off = disk->will_cut = false;
    for (px_disk_file *file = disk->files; file; file = file->next) forget_cache(file);
}

void fake_disk_crash(fake_disk *disk, bool keeps_cache)
{
    if (keeps_cache) {
        for (const px_disk_write *write = disk->writes; write; write = write->next)
            leave_in_cache(disk, write);
        disk->writes = NULL;
        disk->writes_end = &disk->writes;
        disk->is_off = disk->will_cut = false;
        return;
    }
    for (const hint *each = disk->hints; each; each = each->next)
        leave_traces(disk, each->file, each->offset, each->data, each->size_bytes);
    for (const px_disk_write *write = disk->writes; write; write = write->next)
        leave_traces(disk, write->file, write->offset, write->data, write->size_bytes);
    end_power(disk);
}

void fake_disk_crash_torn(fake_disk *disk, size_t from, size_t upto)
{
    const px_disk_write *write = disk->writes;
    px_assert(write && from <= upto && upto <= write->size_bytes);
    memcpy(write->file->stable + write->offset + from, write->data + from, upto - from);
    end_power(disk);
}

void fake_disk_cut_power(fake_disk *disk, uint32_t skip)
{
    disk->will_cut = true;
    disk->cut_skip = skip;
}

/* ---- faults ---- */

void fake_disk_fail_write(fake_disk *disk, uint32_t skip, px_err err, bool is_lasting)
{
    disk->will_fail = true;
    disk->fail_skip = skip;
    disk->fail_err = err;
    disk->is_lasting = is_lasting;
}

void fake_disk_fail_read(fake_disk *disk, const char *name, uint64_t offset, uint64_t size_bytes)
{
    px_disk_file *file = find_file(disk, name);
    px_assert(file != NULL);
    file->bad_from = offset;
    file->bad_to = offset + size_bytes;
}

void fake_disk_fail_reads(fake_disk *disk, uint32_t skip, uint32_t count)
{
    disk->read_skip = skip;
    disk->reads_to_fail = count;
    disk->has_read_failed = false;
}

bool fake_disk_forgive_reads(fake_disk *disk)
{
    disk->reads_to_fail = 0;
    return disk->has_read_failed;
}

void fake_disk_sync(fake_disk *disk)
{
    while (disk->hints) settle_oldest_hint(disk);
}

void fake_disk_set_free(fake_disk *disk, uint64_t free_bytes)
{
    disk->free_bytes = free_bytes;
}

const uint8_t *fake_disk_stable(const fake_disk *disk, const char *name, uint64_t *size_bytes)
{
    const px_disk_file *file = find_file(disk, name);
    if (!file) return NULL;
    *size_bytes = file->size_bytes;
    return file->stable;
}

void fake_disk_spoil(fake_disk *disk, const char *name, uint64_t offset, const uint8_t *bytes,
                     size_t size_bytes)
{
    px_disk_file *file = find_file(disk, name);
    px_assert(file != NULL && offset + size_bytes <= file->size_bytes);
    settle_file(disk, file);
    memcpy(file->stable + offset, bytes, size_bytes);
    if (file->cache) memcpy(file->cache + offset, bytes, size_bytes);
}

void fake_disk_flip(fake_disk *disk, const char *name, uint64_t offset, uint8_t mask)
{
    px_disk_file *file = find_file(disk, name);
    px_assert(file != NULL && offset < file->size_bytes);
    const uint8_t flipped = (uint8_t)(file->stable[offset] ^ mask);
    fake_disk_spoil(disk, name, offset, &flipped, 1);
}

void fake_disk_remove(fake_disk *disk, const char *name)
{
    px_disk_file **at = &disk->files;
    while (*at && strcmp((*at)->name, name) != 0) at = &(*at)->next;
    if (!*at) return;
    px_disk_file *file = *at;
    settle_file(disk, file);
    *at = file->next;
    free_file(file);
}
