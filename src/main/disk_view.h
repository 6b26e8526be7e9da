/* disk_view.h - a data folder that is looked at and never changed.
 *
 * Meaning    A px_disk whose writes are told and forgotten: what reads a folder as a start would may believe
 *            that it wrote. Files that it makes read as empty. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_MAIN_DISK_VIEW_H
#define PX_MAIN_DISK_VIEW_H

#include "port/disk.h"

typedef struct {
    void *context;
    /* Something would have been written over what stands there. */
    void (*on_write)(void *context, const char *name, uint64_t offset, size_t size_bytes);
    /* So much was read, of whatever file; NULL: nobody cares. */
    void (*on_read)(void *context, size_t size_bytes);
} px_disk_view_events;

/* Opens the folder, and keeps nodes from starting on it until it is closed. *disk only on PX_OK.
 * Errors   PX_ERR_BUSY  a node runs on it.   PX_ERR_NOT_FOUND, PX_ERR_DENIED, PX_ERR_IO. */
PX_MUST_USE px_err px_disk_view_open(const char *folder, const px_disk_view_events *events, px_disk **disk);
void px_disk_view_close(px_disk *disk);

#endif
