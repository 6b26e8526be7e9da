/* service.h - what systemd is told of this process.
 *
 * Meaning    One datagram a change, to the socket that NOTIFY_SOCKET names; without that variable nothing
 *            happens. Never blocks and never fails: a manager that does not listen is none of px's matter.
 * Source     spec.md §1 (sd_notify). */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_MAIN_SERVICE_H
#define PX_MAIN_SERVICE_H

typedef enum {
    PX_SERVICE_READY,     /* takes messages; or a reload is over */
    PX_SERVICE_RELOADING, /* a reload begins */
    PX_SERVICE_STOPPING,
} px_service_state;

void px_service_tell(px_service_state state);

#endif
