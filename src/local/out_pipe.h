/* out_pipe.h - a FIFO that an application reads the messages from. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_LOCAL_OUT_PIPE_H
#define PX_LOCAL_OUT_PIPE_H

#include "local/cursor_file.h"
#include "local/in_pipe.h"

typedef struct px_out_pipe px_out_pipe;
typedef struct px_out_pipe_events px_out_pipe_events;
struct px_out_pipe_events {
    /* After px_out_pipe_stop: it is empty, or time is over; not from inside that call. */
    void (*on_stopped)(px_out_pipe_events *events);
};

typedef struct {
    const char *name; /* the caller's, as long as the pipe is open */
    const char *path;
    const px_format *format;
    uint32_t mode;
    bool from_end; /* where a cursor that does not exist yet begins */
} px_out_pipe_config;

/* Opens the FIFO, which is there, and begins to write. *pipe only on PX_OK.
 * Errors  those of px_streams.open_writer; PX_ERR_NO_SPACE where there are too many cursors. */
PX_MUST_USE px_err px_out_pipe_open(const px_local_env *env, const px_out_pipe_config *config,
                                    px_cursor_file *cursors, px_out_pipe_events *events, px_out_pipe **pipe);

/* More messages are delivered, up to `index`. */
void px_out_pipe_on_delivered(px_out_pipe *pipe, uint64_t index);

/* Is there a reader, as far as is known, for whom all that is delivered is written? */
bool px_out_pipe_is_awaited(const px_out_pipe *pipe);

/* Writes no further message, and waits up to wait_us for a reader to take those in the FIFO. Then the cursor
 * is synced. */
void px_out_pipe_stop(px_out_pipe *pipe, uint64_t wait_us);

/* Keeps the pipe on the FIFO that its path names, should somebody have replaced it, and looks whether its
 * cursor lies inside the log. */
void px_out_pipe_check(px_out_pipe *pipe);

/* Index of the last message that a reader has taken wholly. */
uint64_t px_out_pipe_taken(const px_out_pipe *pipe);
px_pipe_counters px_out_pipe_count(const px_out_pipe *pipe);
const char *px_out_pipe_name(const px_out_pipe *pipe);
void px_out_pipe_close(px_out_pipe *pipe);

#endif
