/* pipes.h - the pipes of a configuration, together. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_LOCAL_PIPES_H
#define PX_LOCAL_PIPES_H

#include "local/cursor_file.h"
#include "local/local.h"
#include "local/local_env.h"

typedef struct px_pipes px_pipes;
typedef struct px_pipes_events px_pipes_events;
struct px_pipes_events {
    void (*on_stopped)(px_pipes_events *events); /* after px_pipes_stop, once, not from inside it */
};

/* Makes the FIFOs that are not there and opens all of them. *pipes only on PX_OK; *fault only on an error. */
PX_MUST_USE px_err px_pipes_open(const px_local_env *env, const px_local_config *config,
                                 px_cursor_file *cursors, px_pipes_events *events, px_pipes **pipes,
                                 px_local_fault *fault);
void px_pipes_on_delivered(px_pipes *pipes, uint64_t index);
/* Does a reader wait for the next message? */
bool px_pipes_is_awaited(const px_pipes *pipes);
/* Looks after FIFOs that were removed; now and then. */
void px_pipes_check(px_pipes *pipes);
void px_pipes_stop(px_pipes *pipes, uint64_t wait_us);
void px_pipes_take_rest(px_pipes *pipes);
void px_pipes_count(const px_pipes *pipes, void *context,
                    void (*each)(void *context, const px_local_counters *counters));
void px_pipes_close(px_pipes *pipes);

#endif
