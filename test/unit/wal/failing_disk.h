/* failing_disk.h - a disk of which one call fails.
 *
 * Meaning    Passes every call on to another disk, but for one of those that may fail, which fails instead
 *            and does nothing. Counting them through finds every place where an error must be heeded. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_UNIT_WAL_FAILING_DISK_H
#define PX_TEST_UNIT_WAL_FAILING_DISK_H

#include "port/disk.h"

typedef struct {
    px_disk disk; /* first */
    px_disk *inner;
    uint32_t skip; /* calls that may fail before the one that does */
    px_err err;
    bool has_failed;
    bool is_lasting; /* all that come behind it fail, too, as long as this is set */
} failing_disk;

/* list, open, create, read and write_now may fail; with PX_ERR_NO_SPACE only create, with PX_ERR_IO only
 * read and write_now. */
failing_disk failing_disk_make(px_disk *inner, uint32_t skip, px_err err);

#endif
