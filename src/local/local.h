/* local.h - everything a node offers to the applications beside it: pipes and a socket.
 *
 * Source     spec.md §4, §5. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_LOCAL_LOCAL_H
#define PX_LOCAL_LOCAL_H

#include "port/app.h"
#include "port/clock.h"
#include "port/disk.h"
#include "port/log.h"
#include "port/stream.h"

typedef struct px_local px_local;

typedef enum { PX_LOCAL_LINE, PX_LOCAL_JSON, PX_LOCAL_LENGTH } px_local_format;

typedef struct {
    const char *name;     /* 1 to 64 bytes, none a control character, unique */
    const char *in, *out; /* paths; NULL: no such side */
    px_local_format format;
    uint32_t mode; /* of FIFOs that are made */
    bool from_end; /* where the cursor of `out` begins, when there is none yet */
} px_local_pipe;

/* All of it is the caller's as long as the local is open. */
typedef struct {
    uint32_t pipe_count;
    const px_local_pipe *pipes;
    const char *socket; /* path; NULL: none */
    uint32_t message_bytes_max;
    uint32_t member_count;
    const char *const *members; /* ids by member number (px_node_place) */
} px_local_config;

typedef struct {
    char where[256]; /* the path, cut where it is longer */
    char what[240];  /* what is wrong and how to mend it */
} px_local_fault;

/* Makes and opens the FIFOs and the socket. Cursors are kept in a file of `disk`, the data folder. *local
 * only on PX_OK.
 * Errors  PX_ERR_FOREIGN  something else is in the place of a FIFO or the socket.
 *         PX_ERR_BUSY     another process listens on the socket.   Others as those of disk and streams. */
PX_MUST_USE px_err px_local_open(const px_local_config *config, px_app *app, px_streams *streams,
                                 px_disk *disk, px_clock *clock, px_log *log, px_local **local,
                                 px_local_fault *fault);

/* Begins a clean stop: takes what is in the `in` pipes and fits, refuses new requests, waits up to a second
 * for readers and replies. Then calls on_stopped, once, from a timer; the node must go on meanwhile. */
void px_local_stop(px_local *local, void *context, void (*on_stopped)(void *context));

/* Behind px_local_stop, at the very end: hands the node what writers have put into `in` pipes since. It is to
 * be kept for the next start. */
void px_local_take_rest(px_local *local);

/* Closes everything at once and frees it; FIFOs stay, the socket's file goes. */
void px_local_close(px_local *local);

/* What passed through one side of a pipe since the start. */
typedef struct {
    const char *pipe;
    const char *direction; /* "in" or "out" */
    uint64_t messages, bytes, dropped;
    uint64_t waiting;    /* in: taken and not committed; out: delivered and not yet read */
    bool has_reader;     /* out: as far as is known */
    bool is_blocked;     /* in: nothing is read, so that writers wait */
    uint64_t blocked_us; /* since when */
} px_local_counters;
void px_local_count(const px_local *local, void *context,
                    void (*each)(void *context, const px_local_counters *counters));

#endif
