/* fifo.c - FIFOs of px_streams.
 *
 * Meaning    There is no moment without a reader of an `in` FIFO, nor without a writer of an `out` FIFO: what
 *            is opened anew is open before the old descriptor is closed.
 * Source     fifo(7), pipe(7), inotify(7); spec.md §4. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "os/stream_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Larger than the usual FIFO, so that its two sides wake each other less often; no larger, since what is in
 * it when px is killed is lost on its way in, and seen again on its way out. */
#define FIFO_BYTES (256 << 10)

/* An open of a FIFO wakes no epoll, so inotify has to. */
static void begin_to_hear(os_streams *os, px_stream *stream)
{
    if (os->inotify < 0) return;
    stream->watch = inotify_add_watch(os->inotify, stream->path, IN_OPEN);
    if (stream->watch < 0) return;
    stream->next_heard = os->heard;
    os->heard = stream;
}

void px_os_fifo_end_to_hear(os_streams *os, px_stream *stream)
{
    if (stream->watch < 0) return;
    px_stream **at = &os->heard;
    while (*at != stream) at = &(*at)->next_heard;
    *at = stream->next_heard;
    (void)inotify_rm_watch(os->inotify, stream->watch);
    stream->watch = -1;
}

static px_err make_fifo(px_streams *streams, const char *path, uint32_t mode)
{
    (void)streams;
    if (mkfifo(path, (mode_t)mode) == 0) {
        /* The umask took its part. */
        return chmod(path, (mode_t)mode) ? px_os_err_last() : PX_OK;
    }
    if (errno != EEXIST) return px_os_err_last();
    struct stat found;
    if (stat(path, &found)) return px_os_err_last();
    return S_ISFIFO(found.st_mode) ? PX_OK : PX_ERR_WRONG_KIND;
}

static px_err open_fifo(const char *path, int flags, int *fd)
{
    int opened;
    do opened = open(path, flags | O_NONBLOCK | O_CLOEXEC);
    while (opened < 0 && errno == EINTR);
    if (opened < 0) return px_os_err_last();
    struct stat found;
    if (fstat(opened, &found) || !S_ISFIFO(found.st_mode)) {
        close(opened);
        return PX_ERR_WRONG_KIND;
    }
    *fd = opened;
    return PX_OK;
}

/* Where the system refuses, the usual size serves. */
static void enlarge(int fd)
{
    if (fcntl(fd, F_GETPIPE_SZ) < FIFO_BYTES) (void)fcntl(fd, F_SETPIPE_SZ, FIFO_BYTES);
}

static px_err open_reader(px_streams *streams, const char *path, px_stream_events *events, px_stream **stream)
{
    int fd;
    const px_err err = open_fifo(path, O_RDONLY, &fd);
    if (err) return err;
    enlarge(fd);
    return px_os_stream_make(px_os_streams_of(streams), FIFO_READER, fd, path, events, stream);
}

/* Opens both ends, for there is no write end without a reader; the read end is only lent for that.
 * reader   NULL: it is closed at once. */
static px_err open_write_end(const char *path, int *writer, int *reader)
{
    int lent;
    px_err err = open_fifo(path, O_RDONLY, &lent);
    if (err) return err;
    err = open_fifo(path, O_WRONLY, writer);
    if (err || !reader)
        close(lent);
    else
        *reader = lent;
    return err;
}

static px_err open_writer(px_streams *streams, const char *path, px_stream_events *events, px_stream **stream)
{
    int fd;
    const px_err err = open_write_end(path, &fd, NULL);
    if (err) return err;
    enlarge(fd);
    const px_err failed = px_os_stream_make(px_os_streams_of(streams), FIFO_WRITER, fd, path, events, stream);
    if (!failed) begin_to_hear(px_os_streams_of(streams), *stream);
    return failed;
}

/* Puts a new descriptor in the place of the old one, which it closes. */
static px_err replace(px_streams *streams, px_stream *stream, int fd)
{
    struct stat stat;
    if (fstat(fd, &stat)) goto fail;
    if (px_os_stream_watch(px_os_streams_of(streams), stream, EPOLL_CTL_ADD, fd)) goto fail;
    close(stream->fd);
    stream->fd = fd;
    stream->device = stat.st_dev;
    stream->inode = stat.st_ino;
    return PX_OK;
fail:
    close(fd);
    return PX_ERR_NO_SPACE;
}

static px_err renew_reader(px_streams *streams, px_stream *stream)
{
    int fd = -1;
    px_err err = open_fifo(stream->path, O_RDONLY, &fd);
    if (!err) {
        enlarge(fd);
        err = replace(streams, stream, fd);
    }
    if (err) px_os_stream_want(streams, stream, 0);
    return err;
}

/* The old write end stays open until the new one is, so that no reader meets an end; what is left is read
 * away before a next reader comes to it. */
static px_err renew_writer(px_streams *streams, px_stream *stream)
{
    int writer, reader;
    const px_err err = open_write_end(stream->path, &writer, &reader);
    if (err) return err;
    uint8_t left[4096];
    while (read(reader, left, sizeof left) > 0) continue;
    close(reader);
    enlarge(writer);
    px_os_fifo_end_to_hear(px_os_streams_of(streams), stream);
    const px_err failed = replace(streams, stream, writer);
    begin_to_hear(px_os_streams_of(streams), stream);
    return failed;
}

static bool has_reader(px_streams *streams, px_stream *stream)
{
    (void)streams;
    struct pollfd state = {.fd = stream->fd};
    return poll(&state, 1, 0) == 0 || !(state.revents & POLLERR);
}

static bool hears_readers(px_streams *streams, px_stream *stream)
{
    (void)streams;
    return stream->watch >= 0;
}

static size_t unread_bytes(px_streams *streams, px_stream *stream)
{
    (void)streams;
    int left = 0;
    const int failed = ioctl(stream->fd, FIONREAD, &left);
    px_assert(!failed && left >= 0);
    return (size_t)left;
}

static px_fifo_size fifo_size(px_streams *streams, px_stream *stream)
{
    (void)streams;
    const long page_bytes = sysconf(_SC_PAGESIZE);
    const int bytes = fcntl(stream->fd, F_GETPIPE_SZ);
    px_assert(page_bytes > 0 && bytes >= page_bytes);
    return (px_fifo_size){.slots = (uint32_t)(bytes / page_bytes), .slot_bytes = (uint32_t)page_bytes};
}

static bool is_current(px_streams *streams, px_stream *stream)
{
    (void)streams;
    struct stat found;
    return stat(stream->path, &found) == 0 && found.st_dev == stream->device && found.st_ino == stream->inode;
}

void px_os_fifo_offer(px_streams *streams)
{
    streams->make_fifo = make_fifo;
    streams->open_reader = open_reader;
    streams->renew_reader = renew_reader;
    streams->open_writer = open_writer;
    streams->renew_writer = renew_writer;
    streams->has_reader = has_reader;
    streams->hears_readers = hears_readers;
    streams->unread_bytes = unread_bytes;
    streams->fifo_size = fifo_size;
    streams->is_current = is_current;
}
