/* disk.h - a data folder on the system's disk: px_disk over files and one thread that writes.
 *
 * Source     protocol.md §5. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_OS_DISK_H
#define PX_OS_DISK_H

#include "port/disk.h"

struct uv_loop_s;

/* Makes the folder (mode 0700) where it is missing, and locks it. *disk only on PX_OK.
 * Errors   PX_ERR_BUSY    another process has it.   PX_ERR_DENIED, PX_ERR_NOT_FOUND, PX_ERR_IO. */
PX_MUST_USE px_err px_os_disk_open(struct uv_loop_s *loop, const char *folder, px_disk **disk);

/* Waits for the write under way, ends the thread and gives the folder free. Files are closed before. */
void px_os_disk_close(px_disk *disk);

#endif
