/* verify.h - is every record of a data folder sound?
 *
 * Meaning    Opens the log as a start would, over a disk that keeps nothing of what is written to it, and
 *            then reads every slot back: checksums of records and bodies, the hash chain, and the numbers
 *            of slots and messages.
 * Source     spec.md §6 (verify); [R15, R16]. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_WAL_VERIFY_H
#define PX_WAL_VERIFY_H

#include "wal/wal.h"

typedef struct {
    px_state state;      /* as a start would believe it */
    unsigned state_good; /* of its two copies */
    uint64_t slots, messages, chosen;
    px_hash chain; /* behind the last slot */
} px_wal_report;

/* Looks at all of it. *report says how far it was sound also where an error is returned, and *fault what is
 * wrong where.
 * Errors   PX_ERR_NOT_FOUND  there is no log and no state.   PX_ERR_DAMAGED, PX_ERR_IO, PX_ERR_DENIED. */
PX_MUST_USE px_err px_wal_verify(px_disk *disk, px_wal_report *report, px_wal_fault *fault);

#endif
