/* survey.h - every damaged place of a data folder.
 *
 * Meaning    A start stops at the first damage, and so does px_wal_verify; the survey goes on behind it. Each
 *            record names the checksum of the one before: where two that follow one another do not fit,
 *            something between them is gone.
 * Source     log-format.md §3; [R15]. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_WAL_SURVEY_H
#define PX_WAL_SURVEY_H

#include "wal/wal.h"

/* Calls `each` for every damaged place of the log that can be told from sound ones, in their order. Damaged
 * records with nothing sound between them are one place. Changes nothing.
 * Errors   of listing the folder; what cannot be read is a damaged place. */
PX_MUST_USE px_err px_wal_survey(px_disk *disk, void *context,
                                 void (*each)(void *context, const px_wal_fault *fault));

#endif
