/* cursor_file.h - durable cursors: how far each pipe has been taken, and each consumer has acknowledged.
 *
 * Meaning    A small file in the data folder for each of the two kinds, a record of 128 bytes a cursor, in
 *            two copies that are written in turn, each with a checksum. Little-endian:
 *              u32 magic, u16 version, u16 name length, u64 generation, u64 index, u32 kind, u32 zero,
 *              80 bytes name, zero filled,
 *              u64 the low half of px_hash_of all before it, u64 zero
 *            The first half of the file holds the first copies, the second the others. Those of pipes are
 *            written often and not synced: a killed px loses nothing, a power cut may bring an older cursor
 *            back, never a newer one; a clean stop syncs. Those of consumers are saved together, durably,
 *            before anybody is told.
 * Holds      A cursor in the file is never ahead of what was taken. A file is used in one of the two ways.
 * Source     spec.md §4, §5. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_LOCAL_CURSOR_FILE_H
#define PX_LOCAL_CURSOR_FILE_H

#include "base/limits.h"
#include "port/disk.h"
#include "port/log.h"

#define PX_CURSOR_FILE_PIPES "cursors"
#define PX_CURSOR_FILE_CONSUMERS "consumers"
#define PX_CURSOR_NAME_BYTES_MAX 80u
/* Cursors of one file: a node's pipes, or its socket's consumers. */
#define PX_CURSORS_MAX PX_CONSUMERS_MAX

typedef enum { PX_CURSOR_PIPE = 1, PX_CURSOR_CONSUMER = 2 } px_cursor_kind;

typedef struct px_cursor px_cursor;
typedef struct px_cursor_file px_cursor_file;

/* Opens or makes the file of that name, which is static. Borrows disk and log. *file only on PX_OK. Errors as
 * px_disk has them. */
PX_MUST_USE px_err px_cursor_file_open(px_disk *disk, px_log *log, const char *name, px_cursor_file **file);
/* A save under way is carried out, and not told. */
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

/* Makes one as px_cursor_make does, and moves one, in memory: the next save makes it durable. */
px_cursor *px_cursor_add(px_cursor_file *file, px_cursor_kind kind, const char *name, uint64_t index);
void px_cursor_move(px_cursor *cursor, uint64_t index);

/* Saves all that was added and moved since the last save: a write or two, whatever their number. Calls
 * on_saved once they are on stable storage, or with what the disk said; not from inside this call. One save
 * at a time; what moves meanwhile is the next one's. `save` is the caller's until then. */
typedef struct px_cursor_save px_cursor_save;
struct px_cursor_save {
    void (*on_saved)(px_cursor_save *save, px_err err);
};
void px_cursor_file_save(px_cursor_file *file, px_cursor_save *save);

#endif
