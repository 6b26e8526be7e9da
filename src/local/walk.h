/* walk.h - the delivered messages, one after the other from an index on.
 *
 * Meaning    Pulls a batch at a time from the node and keeps it while messages of it are left. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_LOCAL_WALK_H
#define PX_LOCAL_WALK_H

#include "local/format.h"
#include "local/local_env.h"

typedef struct {
    uint64_t next; /* index of the message that px_walk_look shows */
    bool has_batch;
    px_delivered delivered;
    uint32_t place;         /* of the next message in the batch */
    uint32_t run, run_left; /* the run it belongs to, and messages left of it */
    size_t offset;          /* of its payload */
} px_walk;

/* Goes to message `next`, at least 1; a zeroed walk may be sent anywhere. */
void px_walk_seek(px_walk *walk, uint64_t next);

/* Shows the next message; valid until the walk goes on.
 * Errors   PX_ERR_END        it is not delivered yet.
 *          PX_ERR_NOT_FOUND  it lies before the log's start.
 *          PX_ERR_DAMAGED, PX_ERR_IO. */
PX_MUST_USE px_err px_walk_look(px_walk *walk, const px_local_env *env, px_letter *letter);

/* Goes on behind the message that was shown. */
void px_walk_step(px_walk *walk);

/* Lets go of the batch it holds. */
void px_walk_rest(px_walk *walk);

#endif
