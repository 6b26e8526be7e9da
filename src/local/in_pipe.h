/* in_pipe.h - a FIFO that applications write messages into. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_LOCAL_IN_PIPE_H
#define PX_LOCAL_IN_PIPE_H

#include "local/format.h"
#include "local/local_env.h"

typedef struct px_in_pipe px_in_pipe;
typedef struct px_in_pipe_events px_in_pipe_events;
struct px_in_pipe_events {
    /* After px_in_pipe_stop: all that was taken is handed over; not from inside that call. */
    void (*on_stopped)(px_in_pipe_events *events);
};

/* What passed through a pipe in one direction, since the start. */
typedef struct {
    uint64_t messages, bytes, dropped;
    uint64_t waiting; /* in: taken and not committed; out: delivered and not yet read */
    bool has_reader;
    bool is_blocked;
    uint64_t blocked_us; /* since when nothing has been read for want of room */
} px_pipe_counters;

typedef struct {
    const char *name; /* the caller's, as long as the pipe is open */
    const char *path;
    const px_format *format;
    uint32_t mode;
} px_in_pipe_config;

/* Opens the FIFO, which is there, and begins to read. *pipe only on PX_OK.
 * Errors  those of px_streams.open_reader; PX_ERR_NO_SPACE where there are too many intakes. */
PX_MUST_USE px_err px_in_pipe_open(const px_local_env *env, const px_in_pipe_config *config,
                                   px_in_pipe_events *events, px_in_pipe **pipe);

/* Takes what is there and fits, and the rest of a message of which a part is taken already, if that comes
 * within wait_us; then reads no more. */
void px_in_pipe_stop(px_in_pipe *pipe, uint64_t wait_us);

/* After px_in_pipe_stop, when nothing else is to come: takes what writers have put into the FIFO meanwhile.
 * It
 * would be gone with the last descriptor. */
void px_in_pipe_take_rest(px_in_pipe *pipe);

/* Keeps the pipe on the FIFO that its path names, should somebody have replaced it. */
void px_in_pipe_check(px_in_pipe *pipe);

px_pipe_counters px_in_pipe_count(const px_in_pipe *pipe);
const char *px_in_pipe_name(const px_in_pipe *pipe);
void px_in_pipe_close(px_in_pipe *pipe);

#endif
