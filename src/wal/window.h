/* window.h - a part of a file in memory, which moves along as the file is read.
 *
 * Meaning    A log is looked at in pieces that the processor's cache holds, not in whole segments: a start
 *            needs no more memory than the node needs later.
 * Holds      What px_window_at returns stays until the next call. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_WAL_WINDOW_H
#define PX_WAL_WINDOW_H

#include "port/disk.h"

typedef struct {
    px_disk *disk;
    px_disk_file *file;
    uint64_t size_bytes; /* of the file */
    uint64_t begin;      /* where `space` begins in it */
    uint8_t *space;
    size_t held_bytes, space_bytes;
    uint64_t failed_end; /* blocks below it that cannot be read are counted */
    uint32_t unreadable; /* blocks, of all files that were gone through in a row */
    px_err err;          /* what kept it from reading; nothing is read behind it */
} px_window;

/* Begins with a file; zeroed before the first one. Memory, count and error stay. */
void px_window_open(px_window *window, px_disk *disk, px_disk_file *file, uint64_t size_bytes);
void px_window_deinit(px_window *window);

/* The bytes at an offset; NULL where the file ends before them, or after an error. A block that cannot be
 * read holds no valid byte: 0xff. */
const uint8_t *px_window_at(px_window *window, uint64_t offset, size_t size_bytes);

/* Could so many blocks not be read that it stopped trying? */
bool px_window_has_given_up(const px_window *window);

/* The first place from `offset` to `upto` that is not zero; `upto` where there is none. */
uint64_t px_window_first(px_window *window, uint64_t offset, uint64_t upto);
/* Behind the last place of the file that is not zero; `offset` where there is none from there on. */
uint64_t px_window_last_end(px_window *window, uint64_t offset);

#endif
