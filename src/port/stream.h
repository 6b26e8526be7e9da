/* stream.h - FIFOs and Unix stream sockets, as local/ asks for them.
 *
 * Meaning    Nothing here blocks. A stream tells when it is ready for what its owner wants (level triggered),
 *            and a FIFO's write end tells each time its last reader leaves, wanted or not. Events come from
 *            the streams' own turn of the loop, never from inside a call; none comes after close.
 * Source     spec.md §4, §5. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PORT_STREAM_H
#define PX_PORT_STREAM_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a stream is wanted or ready for. */
#define PX_STREAM_READ 1u /* bytes, or the end, or (a listener) a client to accept */
#define PX_STREAM_WRITE 2u
/* Told once each time, never asked for: a FIFO's last reader has closed, or both directions of a socket are
 * shut. */
#define PX_STREAM_GONE 4u
/* Told like that, where the system can: somebody has opened a FIFO whose write end this is. */
#define PX_STREAM_COME 8u

typedef struct px_stream px_stream;
typedef struct px_stream_events px_stream_events;
struct px_stream_events {
    void (*on_ready)(px_stream_events *events, uint32_t ready);
};

/* How much a FIFO holds: every write takes at most its size in slots, rounded up, and a slot is free again
 * when all in it is taken. */
typedef struct {
    uint32_t slots, slot_bytes;
} px_fifo_size;

typedef struct px_streams px_streams;
struct px_streams {
    /* Makes a FIFO of exactly this mode, unless there is one, which is left as it is.
     * Errors  PX_ERR_WRONG_KIND  something else is there.   PX_ERR_NOT_FOUND, PX_ERR_DENIED, PX_ERR_NO_SPACE,
     *         PX_ERR_IO. */
    px_err (*make_fifo)(px_streams *streams, const char *path, uint32_t mode);

    /* Opens the read end of a FIFO; it is there whether or not somebody writes. Wants nothing yet. The path
     * is copied.
     * Errors  as make_fifo. */
    px_err (*open_reader)(px_streams *streams, const char *path, px_stream_events *events,
                          px_stream **stream);
    /* Behind the end of the last writer: opens anew before it closes the old descriptor, so that there is
     * always a reader. What is wanted stays.
     * On an error the old one goes on, and wants nothing. */
    px_err (*renew_reader)(px_streams *streams, px_stream *stream);

    /* Opens the write end of a FIFO, whether or not somebody reads. Errors as make_fifo. */
    px_err (*open_writer)(px_streams *streams, const char *path, px_stream_events *events,
                          px_stream **stream);
    /* Frees what nobody has taken, and goes on with an empty FIFO. On an error the old one goes on. */
    px_err (*renew_writer)(px_streams *streams, px_stream *stream);
    bool (*has_reader)(px_streams *streams, px_stream *stream);
    /* Will PX_STREAM_COME be told of it? */
    bool (*hears_readers)(px_streams *streams, px_stream *stream);
    /* Bytes in the FIFO that nobody has taken; also when the readers have gone. */
    size_t (*unread_bytes)(px_streams *streams, px_stream *stream);
    px_fifo_size (*fifo_size)(px_streams *streams, px_stream *stream);
    /* Does the path of a FIFO or listener still name the one that is open? */
    bool (*is_current)(px_streams *streams, px_stream *stream);

    /* Listens on a Unix socket of exactly this mode; replaces a socket file on which nobody listens, and
     * removes its own when it is closed.
     * Errors  PX_ERR_BUSY      another process listens there.
     *         PX_ERR_WRONG_KIND  something else than a socket is there.
     *         PX_ERR_OVERSIZE  the path is longer than a socket's can be.   Others as make_fifo. */
    px_err (*listen)(px_streams *streams, const char *path, uint32_t mode, px_stream_events *events,
                     px_stream **stream);
    /* Errors  PX_ERR_MORE      nobody is waiting.
     *         PX_ERR_NO_FILES  no descriptor is free: try again later. */
    px_err (*accept)(px_streams *streams, px_stream *listener, px_stream_events *events, px_stream **stream);

    /* Errors  PX_ERR_MORE    nothing to read now.
     *         PX_ERR_END     the last writer, or the client's sending side, has closed.
     *         PX_ERR_CLOSED  the connection is broken.   PX_ERR_IO. */
    px_err (*read)(px_streams *streams, px_stream *stream, uint8_t *space, size_t size_bytes,
                   size_t *read_bytes);
    /* Writes what fits. Errors  PX_ERR_MORE    nothing fits now.
     *                           PX_ERR_CLOSED  nobody reads (a FIFO: now).   PX_ERR_IO. */
    px_err (*write)(px_streams *streams, px_stream *stream, const uint8_t *data, size_t size_bytes,
                    size_t *written_bytes);
    /* Says what the stream is wanted ready for: PX_STREAM_READ, PX_STREAM_WRITE, both or neither (0). */
    void (*want)(px_streams *streams, px_stream *stream, uint32_t wanted);
    /* Closes and frees it. */
    void (*close)(px_streams *streams, px_stream *stream);
};

#endif
