/* stream_priv.h - what stream.c and fifo.c share: the streams of a loop and one of them. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_OS_STREAM_PRIV_H
#define PX_OS_STREAM_PRIV_H

#include "os/stream.h"
#include <sys/types.h>
#include <uv.h>

typedef enum { FIFO_READER, FIFO_WRITER, LISTENER, CLIENT } stream_kind;

typedef struct os_streams os_streams;
struct px_stream {
    px_stream_events *events;
    stream_kind kind;
    int fd;
    uint32_t wanted;
    bool is_closed;
    px_stream *next_closed;
    px_stream *next_heard; /* of the write ends whose readers are heard coming */
    int watch;             /* of inotify; -1: not heard */
    dev_t device;          /* of the file that `path` named when it was opened */
    ino_t inode;
    char path[]; /* FIFOs and listeners */
};

struct os_streams {
    px_streams port; /* first, so that a px_streams is its os_streams */
    uv_poll_t poll;
    int epoll;
    int inotify; /* -1: the system has none left */
    px_stream *heard;
    bool is_dispatching;
    px_stream *closed; /* freed behind the events */
};

os_streams *px_os_streams_of(px_streams *streams);
/* What errno says. */
px_err px_os_err_last(void);
/* Tells the epoll what is wanted of a stream, by this descriptor. */
px_err px_os_stream_watch(os_streams *os, px_stream *stream, int operation, int fd);
/* Makes a stream of a descriptor, which it closes where that fails. */
px_err px_os_stream_make(os_streams *os, stream_kind kind, int fd, const char *path, px_stream_events *events,
                         px_stream **stream);
void px_os_stream_want(px_streams *streams, px_stream *stream, uint32_t wanted);

/* fifo.c: its part of px_streams; and the end of hearing who opens a FIFO. */
void px_os_fifo_offer(px_streams *streams);
void px_os_fifo_end_to_hear(os_streams *os, px_stream *stream);

#endif
