/* expiry.h - when to say that a certificate ends.
 *
 * Meaning    Says so in the log once at the beginning where less than 30 days are left, when 30, 7 and 1 days
 *            are left, and each day from its end on. It looks once a day, and where a mark lies nearer, then.
 * Source     spec.md §7 has the same moment for machines. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_QUIC_EXPIRY_H
#define PX_QUIC_EXPIRY_H

#include "port/clock.h"
#include "port/log.h"

typedef struct {
    px_clock *clock;
    px_log *log;
    const char *path;  /* of the certificate, for people */
    int64_t expires_s; /* of the epoch */
    uint32_t said;     /* marks passed when something was said last */
    px_timer timer;
} px_expiry;

/* Looks now, and from now on; also for another certificate in place of the one before. Borrows clock, log
 * and path until px_expiry_stop. */
void px_expiry_start(px_expiry *expiry, px_clock *clock, px_log *log, const char *path, int64_t expires_s);

/* One that is zeroed, or stopped already, is left alone. */
void px_expiry_stop(px_expiry *expiry);

#endif
