/* window.c - a part of a file in memory, which moves along as the file is read. */
// SPDX-License-Identifier: Apache-2.0
#include "wal/window.h"

#include "base/assert.h"
#include <stdlib.h>
#include <string.h>

/* Read at once: the disk is kept busy, and what was read is in the cache when it is hashed. */
#define WINDOW_BYTES (512u << 10)
/* A device of which more blocks than this cannot be read is not read to its end. */
#define UNREADABLE_MAX 64u

static bool is_zero(const uint8_t *bytes, size_t size_bytes)
{
    return size_bytes == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size_bytes - 1) == 0);
}

void px_window_open(px_window *window, px_disk *disk, px_disk_file *file, uint64_t size_bytes)
{
    window->disk = disk;
    window->file = file;
    window->size_bytes = size_bytes;
    window->begin = window->failed_end = 0;
    window->held_bytes = 0;
}

void px_window_deinit(px_window *window)
{
    free(window->space);
    *window = (px_window){0};
}

bool px_window_has_given_up(const px_window *window)
{
    return window->unreadable > UNREADABLE_MAX;
}

/* One block that may be bad. */
static px_err read_block(px_window *window, uint64_t offset, size_t size_bytes, size_t *got)
{
    uint8_t *space = window->space + (offset - window->begin);
    const px_err err = window->disk->read(window->disk, window->file, offset, space, size_bytes, true, got);
    if (!err) return PX_OK;
    if (err != PX_ERR_IO) return err;
    if (offset >= window->failed_end) {
        window->failed_end = offset + size_bytes;
        window->unreadable++;
        if (px_window_has_given_up(window)) return err;
    }
    memset(space, 0xff, size_bytes);
    *got = size_bytes;
    return PX_OK;
}

/* Reads on to wanted_bytes, block by block where they cannot be read together. */
static px_err read_on(px_window *window, size_t wanted_bytes)
{
    px_disk *disk = window->disk;
    size_t got = 0;
    px_err err =
        disk->read(disk, window->file, window->begin + window->held_bytes, window->space + window->held_bytes,
                   wanted_bytes - window->held_bytes, true, &got);
    if (!err) window->held_bytes += got;
    if (err != PX_ERR_IO) return err;
    while (window->held_bytes < wanted_bytes) {
        const size_t left = wanted_bytes - window->held_bytes;
        const size_t size_bytes = left < PX_DISK_BLOCK_BYTES ? left : PX_DISK_BLOCK_BYTES;
        err = read_block(window, window->begin + window->held_bytes, size_bytes, &got);
        if (err) return err;
        window->held_bytes += got;
        if (got < size_bytes) break;
    }
    return PX_OK;
}

static void grow(px_window *window, size_t wanted_bytes)
{
    if (wanted_bytes <= window->space_bytes) return;
    uint8_t *grown = realloc(window->space, wanted_bytes);
    px_assert(grown != NULL);
    window->space = grown;
    window->space_bytes = wanted_bytes;
}

/* Begins at the offset's block; of what is held already nothing is read again. */
static void move_to(px_window *window, uint64_t offset, size_t size_bytes)
{
    const uint64_t begin = offset / PX_DISK_BLOCK_BYTES * PX_DISK_BLOCK_BYTES;
    const uint64_t held_end = window->begin + window->held_bytes;
    const size_t needs = (size_t)(offset - begin) + size_bytes;
    size_t wanted_bytes = needs > WINDOW_BYTES ? needs : WINDOW_BYTES;
    grow(window, wanted_bytes);
    const bool is_on = begin >= window->begin && begin < held_end;
    const size_t kept_bytes = is_on ? (size_t)(held_end - begin) : 0;
    if (kept_bytes) memmove(window->space, window->space + (begin - window->begin), kept_bytes);
    window->begin = begin;
    window->held_bytes = kept_bytes;
    if (wanted_bytes > window->size_bytes - begin) wanted_bytes = (size_t)(window->size_bytes - begin);
    window->err = read_on(window, wanted_bytes);
    if (window->err) window->held_bytes = 0;
    /* It is shorter than it was said to be. */
    if (!window->err && window->held_bytes < wanted_bytes)
        window->size_bytes = window->begin + window->held_bytes;
}

const uint8_t *px_window_at(px_window *window, uint64_t offset, size_t size_bytes)
{
    if (window->err || offset > window->size_bytes || size_bytes > window->size_bytes - offset) return NULL;
    if (offset < window->begin || offset + size_bytes > window->begin + window->held_bytes)
        move_to(window, offset, size_bytes);
    if (window->err || offset + size_bytes > window->size_bytes) return NULL;
    return window->space + (offset - window->begin);
}

static size_t part_bytes(uint64_t offset, uint64_t upto)
{
    return upto - offset < PX_DISK_BLOCK_BYTES ? (size_t)(upto - offset) : PX_DISK_BLOCK_BYTES;
}

uint64_t px_window_first(px_window *window, uint64_t offset, uint64_t upto)
{
    while (offset < upto) {
        const size_t size_bytes = part_bytes(offset, upto);
        const uint8_t *bytes = px_window_at(window, offset, size_bytes);
        if (!bytes) break;
        if (!is_zero(bytes, size_bytes)) {
            while (*bytes == 0) bytes++, offset++;
            return offset;
        }
        offset += size_bytes;
    }
    return upto;
}

uint64_t px_window_last_end(px_window *window, uint64_t offset)
{
    uint64_t last = offset;
    while (offset < window->size_bytes) {
        const size_t size_bytes = part_bytes(offset, window->size_bytes);
        const uint8_t *bytes = px_window_at(window, offset, size_bytes);
        if (!bytes) break;
        if (!is_zero(bytes, size_bytes)) {
            size_t end = size_bytes;
            while (bytes[end - 1] == 0) end--;
            last = offset + end;
        }
        offset += size_bytes;
    }
    return last;
}
