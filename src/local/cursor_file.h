/* cursor_file.h - durable cursors: how far each pipe has been taken.
 *
 * Meaning    One small file in the data folder, a record of 128 bytes a cursor, in two copies that are
 *            written in turn, each with a checksum. Little-endian:
 *              u32 magic, u16 version, u16 name length, u64 generation, u64 index, u32 kind, u32 zero,
 *              80 bytes name, zero filled,
 *              u64 the low half of px_hash_of all before it, u64 zero
 *            The first half of the file holds the first copies, the second the others. Written often and not
 *            synced: a killed px loses nothing, a power cut may bring an older cursor back, never a newer
 *            one; a clean stop syncs.
 * Holds      A cursor in the file is never ahead of what was taken.
 * Source     spec.md §4. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_LOCAL_CURSOR_FILE_H
#define PX_LOCAL_CURSOR_FILE_H

#include "port/disk.h"
#include "port/log.h"

#define PX_CURSOR_FILE_NAME "cursors"
#define PX_CURSOR_NAME_BYTES_MAX 80u
/* Cursors of one node: its pipes and its socket's consumers. */
#define PX_CURSORS_MAX 1024u

typedef enum { PX_CURSOR_PIPE = 1, PX_CURSOR_CONSUMER = 2 } px_cursor_kind;

typedef struct px_cursor px_cursor;
typedef struct px_cursor_file px_cursor_file;

/* Opens or makes the file. Borrows disk and log. *file only on PX_OK. Errors as px_disk has them. */
PX_MUST_USE px_err px_cursor_file_open(px_disk *disk, px_log *log, px_cursor_file **file);
void px_cursor_file_close(px_cursor_file *file);

/* A record whose both copies are damaged was met: a cursor that is not found may have been there. */
bool px_cursor_file_is_damaged(const px_cursor_file *file);

/* NULL where there is none. */
px_cursor *px_cursor_find(px_cursor_file *file, px_cursor_kind kind, const char *name);
/* Makes one that px_cursor_find has not found, and syncs it. NULL where there are too many. The name has 1 to
 * PX_CURSOR_NAME_BYTES_MAX bytes. */
px_cursor *px_cursor_make(px_cursor_file *file, px_cursor_kind kind, const char *name, uint64_t index);

uint64_t px_cursor_index(const px_cursor *cursor);
/* Moves it, at once but not synced. */
void px_cursor_put(px_cursor *cursor, uint64_t index);
/* Syncs it. */
void px_cursor_sync(px_cursor *cursor);

#endif
