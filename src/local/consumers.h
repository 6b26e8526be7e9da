/* consumers.h - named readers of the socket, and how far each has acknowledged.
 *
 * Meaning    Acknowledgements that come while a save is under way gather for the next: however many there
 *            are, they cost one write, and each is told once its cursor is on stable storage.
 * Holds      A cursor never runs ahead of what this node has delivered.
 * Source     spec.md §5 (follow, ack). */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_LOCAL_CONSUMERS_H
#define PX_LOCAL_CONSUMERS_H

#include "local/local_env.h"
#include "port/disk.h"

typedef struct px_consumers px_consumers;

/* Someone who waits for his acknowledgement to be durable. */
typedef struct px_ack px_ack;
struct px_ack {
    px_ack *next;
};

typedef struct px_consumers_events px_consumers_events;
struct px_consumers_events {
    /* These are durable, or the disk has said why not; oldest first. Not from inside px_consumers_ack. */
    void (*on_acked)(px_consumers_events *events, px_ack *acks, px_err err);
};

/* Opens the file of cursors in the data folder. *made only on PX_OK. Errors  those of px_disk. */
PX_MUST_USE px_err px_consumers_open(const px_local_env *env, px_disk *disk, px_consumers **made);
/* Who is told; before the first acknowledgement. */
void px_consumers_hear(px_consumers *consumers, px_consumers_events *events);
/* Gives those that still wait back by on_acked, with PX_ERR_CLOSED. */
void px_consumers_close(px_consumers *consumers);

/* Is it a name that a consumer may have: 1 to 80 bytes, none of them a control character? */
bool px_consumers_is_name(px_bytes name);

/* The index that a consumer has acknowledged last; false where it never has. */
bool px_consumers_find(px_consumers *consumers, px_bytes name, uint64_t *index);

/* Moves a consumer's cursor to an index that is delivered here, forth or back, and makes it where there is
 * none. `ack` is lent until on_acked.
 * Errors  PX_ERR_NO_SPACE  there are as many consumers as a node keeps; `ack` is not used. */
PX_MUST_USE px_err px_consumers_ack(px_consumers *consumers, px_bytes name, uint64_t index, px_ack *ack);

#endif
