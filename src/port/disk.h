/* disk.h - files of one data folder, as wal/ asks for them.
 *
 * Meaning    Everything but durable writes is done before the call returns; durable writes are handed over
 *            and complete later, in order, by a
 *            callback on the loop's thread. test/support/ has one that tears, reorders, forgets, fills and
 *            rots.
 * Holds      Names are plain file names inside the folder. Offsets, sizes and addresses of durable writes are
 *            multiples of PX_DISK_BLOCK_BYTES.
 * Source     protocol.md §5. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PORT_DISK_H
#define PX_PORT_DISK_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PX_DISK_BLOCK_BYTES 4096u

typedef struct px_disk px_disk;
typedef struct px_disk_file px_disk_file;

/* One durable write. The caller's memory and buffer until on_done. */
typedef struct px_disk_write px_disk_write;
struct px_disk_write {
    px_disk_file *file;
    uint64_t offset;
    const uint8_t *data;
    size_t size_bytes;
    /* PX_OK: on stable storage. Any error: nothing may be believed [R17] */
    void (*on_done)(px_disk_write *write, px_err err);
    bool may_rest;    /* while the disk rests, its end need not wake the loop */
    uint64_t sync_us; /* how long it took, set before on_done */
    px_err err;       /* the disk's, as `next` */
    px_disk_write *next;
};

struct px_disk {
    /* Calls `each` for every regular file of the folder, in any order. */
    px_err (*list)(px_disk *disk, void *context,
                   void (*each)(void *context, const char *name, uint64_t size_bytes));
    /* Opens an existing file for reading and writing. PX_ERR_NOT_FOUND, PX_ERR_DENIED, PX_ERR_IO. */
    px_err (*open)(px_disk *disk, const char *name, px_disk_file **file);
    /* Makes a file of that size, its space reserved and its name durable (folder synced). Reads as zeros.
     * PX_ERR_NO_SPACE: nothing is left of it. */
    px_err (*create)(px_disk *disk, const char *name, uint64_t size_bytes, px_disk_file **file);
    /* Says that [0, upto) will be written soon: the disk may fill it with zeros behind the scenes, ahead of
     * the writes and never over them. */
    void (*prepare)(px_disk *disk, px_disk_file *file, uint64_t upto);
    void (*close)(px_disk *disk, px_disk_file *file);
    /* Reads what the device holds; past the end reads as short. `fresh`: past the page cache where the system
     * can [R17]. */
    px_err (*read)(px_disk *disk, px_disk_file *file, uint64_t offset, uint8_t *space, size_t size_bytes,
                   bool fresh, size_t *read_bytes);
    /* Hands over a durable write; they complete in the order given. */
    void (*write)(px_disk *disk, px_disk_write *write);
    /* Rests from now on: the end of a write that may rest is told before the turn that something else causes;
     * or rests no longer, then the end of the one under way wakes the loop, too. NULL: it never rests. */
    void (*rest)(px_disk *disk, bool is_resting);
    /* Writes now, does not sync: a hint that may be lost. Any offset and size. */
    px_err (*write_hint)(px_disk *disk, px_disk_file *file, uint64_t offset, const uint8_t *data,
                         size_t size_bytes);
    /* Writes and syncs now; for start-up and small files. Any offset and size. */
    px_err (*write_now)(px_disk *disk, px_disk_file *file, uint64_t offset, const uint8_t *data,
                        size_t size_bytes);
    /* Renames a file out of the way, durably. */
    px_err (*rename)(px_disk *disk, const char *from, const char *to);
    /* Bytes free for new files. */
    uint64_t (*free_bytes)(px_disk *disk);
};

#endif
