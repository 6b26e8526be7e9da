/* stream.c - FIFOs and Unix sockets by one epoll, which the libuv loop polls.
 *
 * Meaning    An epoll of our own rather than a uv_poll each: what is wanted is level triggered, but a stream
 *            from which nothing is wanted stays registered edge triggered, so that a reader's departure is
 *            heard every time, even of a reader whose arrival nobody noticed, and a condition that persists
 *            (a FIFO without readers, a client that hung up) never wakes the loop twice.
 * Holds      A stream closed while events are handed out is freed only behind the last of them.
 * Source     fifo(7), pipe(7), epoll(7); spec.md §4. */
// SPDX-License-Identifier: Apache-2.0
#include "os/stream.h"

#include "base/assert.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

/* Larger than the usual FIFO, so that its two sides wake each other less often; no larger, since what is in
 * it when px is killed is lost on its way in, and seen again on its way out. */
#define FIFO_BYTES (256 << 10)
#define LISTEN_BACKLOG 1024
#define EVENTS_PER_TURN 64

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

static os_streams *os_of(px_streams *streams)
{
    return (os_streams *)streams;
}

static px_err err_of(int code)
{
    switch (code) {
    case EAGAIN: return PX_ERR_MORE;
    case EPIPE:
    case ECONNRESET: return PX_ERR_CLOSED;
    case ENOENT:
    case ENOTDIR: return PX_ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS: return PX_ERR_DENIED;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS: return PX_ERR_NO_SPACE;
    case EADDRINUSE: return PX_ERR_BUSY;
    default: return PX_ERR_IO;
    }
}

static px_err err_last(void)
{
    return err_of(errno);
}

/* ---- one stream ---- */

static uint32_t interest_of(const px_stream *stream)
{
    uint32_t interest = 0;
    if (stream->wanted & PX_STREAM_READ) interest |= EPOLLIN;
    if (stream->wanted & PX_STREAM_WRITE) interest |= EPOLLOUT;
    return interest ? interest : (uint32_t)EPOLLET;
}

static px_err watch(os_streams *os, px_stream *stream, int operation, int fd)
{
    struct epoll_event event = {.events = interest_of(stream), .data.ptr = stream};
    return epoll_ctl(os->epoll, operation, fd, &event) ? err_last() : PX_OK;
}

/* Makes a stream of a descriptor, which it closes where that fails. */
static px_err make_stream(os_streams *os, stream_kind kind, int fd, const char *path,
                          px_stream_events *events, px_stream **stream)
{
    const size_t path_bytes = strlen(path) + 1;
    px_stream *made = calloc(1, sizeof *made + path_bytes);
    struct stat stat;
    px_err err = PX_ERR_NO_SPACE;
    if (!made || fstat(fd, &stat)) goto fail;
    made->events = events;
    made->kind = kind;
    made->fd = fd;
    made->watch = -1;
    made->device = stat.st_dev;
    made->inode = stat.st_ino;
    memcpy(made->path, path, path_bytes);
    err = watch(os, made, EPOLL_CTL_ADD, fd);
    if (err) goto fail;
    *stream = made;
    return PX_OK;
fail:
    free(made);
    close(fd);
    return err;
}

static void stream_want(px_streams *streams, px_stream *stream, uint32_t wanted)
{
    if (stream->wanted == wanted) return;
    stream->wanted = wanted;
    const px_err err = watch(os_of(streams), stream, EPOLL_CTL_MOD, stream->fd);
    px_assert(err == PX_OK); /* it is registered, and a change takes no memory */
}

/* An open of a FIFO wakes no epoll, so inotify has to. */
static void begin_to_hear(os_streams *os, px_stream *stream)
{
    if (os->inotify < 0) return;
    stream->watch = inotify_add_watch(os->inotify, stream->path, IN_OPEN);
    if (stream->watch < 0) return;
    stream->next_heard = os->heard;
    os->heard = stream;
}

static void end_to_hear(os_streams *os, px_stream *stream)
{
    if (stream->watch < 0) return;
    px_stream **at = &os->heard;
    while (*at != stream) at = &(*at)->next_heard;
    *at = stream->next_heard;
    (void)inotify_rm_watch(os->inotify, stream->watch);
    stream->watch = -1;
}

static void remove_socket_file(const px_stream *stream)
{
    struct sockaddr_un own;
    socklen_t size = sizeof own;
    if (getsockname(stream->fd, (struct sockaddr *)&own, &size)) return;
    struct stat stat;
    if (lstat(stream->path, &stat) || stat.st_dev != stream->device || stat.st_ino != stream->inode) return;
    unlink(stream->path);
}

static void stream_close(px_streams *streams, px_stream *stream)
{
    os_streams *os = os_of(streams);
    px_assert(!stream->is_closed);
    if (stream->kind == LISTENER) remove_socket_file(stream);
    end_to_hear(os, stream);
    close(stream->fd); /* leaves the epoll with it: no other descriptor refers to it */
    stream->is_closed = true;
    if (!os->is_dispatching) {
        free(stream);
        return;
    }
    stream->next_closed = os->closed;
    os->closed = stream;
}

static px_err stream_read(px_streams *streams, px_stream *stream, uint8_t *space, size_t size_bytes,
                          size_t *read_bytes)
{
    (void)streams;
    ssize_t got;
    do got = read(stream->fd, space, size_bytes);
    while (got < 0 && errno == EINTR);
    if (got < 0) return err_last();
    if (got == 0) return PX_ERR_END;
    *read_bytes = (size_t)got;
    return PX_OK;
}

static px_err stream_write(px_streams *streams, px_stream *stream, const uint8_t *data, size_t size_bytes,
                           size_t *written_bytes)
{
    (void)streams;
    ssize_t put;
    do put = write(stream->fd, data, size_bytes);
    while (put < 0 && errno == EINTR);
    if (put < 0) return err_last();
    *written_bytes = (size_t)put;
    return PX_OK;
}

/* ---- FIFOs ---- */

static px_err make_fifo(px_streams *streams, const char *path, uint32_t mode)
{
    (void)streams;
    if (mkfifo(path, (mode_t)mode) == 0) {
        /* The umask took its part. */
        return chmod(path, (mode_t)mode) ? err_last() : PX_OK;
    }
    if (errno != EEXIST) return err_last();
    struct stat found;
    if (stat(path, &found)) return err_last();
    return S_ISFIFO(found.st_mode) ? PX_OK : PX_ERR_FOREIGN;
}

static px_err open_fifo(const char *path, int flags, int *fd)
{
    int opened;
    do opened = open(path, flags | O_NONBLOCK | O_CLOEXEC);
    while (opened < 0 && errno == EINTR);
    if (opened < 0) return err_last();
    struct stat found;
    if (fstat(opened, &found) || !S_ISFIFO(found.st_mode)) {
        close(opened);
        return PX_ERR_FOREIGN;
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
    return make_stream(os_of(streams), FIFO_READER, fd, path, events, stream);
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
    const px_err failed = make_stream(os_of(streams), FIFO_WRITER, fd, path, events, stream);
    if (!failed) begin_to_hear(os_of(streams), *stream);
    return failed;
}

/* Puts a new descriptor in the place of the old one, which it closes. */
static px_err replace(px_streams *streams, px_stream *stream, int fd)
{
    struct stat stat;
    if (fstat(fd, &stat)) goto fail;
    if (watch(os_of(streams), stream, EPOLL_CTL_ADD, fd)) goto fail;
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
    if (err) stream_want(streams, stream, 0);
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
    end_to_hear(os_of(streams), stream);
    const px_err failed = replace(streams, stream, writer);
    begin_to_hear(os_of(streams), stream);
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

/* ---- sockets ---- */

static int make_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Removes the socket file of a process that is gone. */
static px_err clear_path(const struct sockaddr_un *address)
{
    struct stat found;
    if (lstat(address->sun_path, &found)) return errno == ENOENT ? PX_OK : err_last();
    if (!S_ISSOCK(found.st_mode)) return PX_ERR_FOREIGN;
    const int probe = make_socket();
    if (probe < 0) return err_last();
    const bool is_dead =
        connect(probe, (const struct sockaddr *)address, sizeof *address) && errno == ECONNREFUSED;
    close(probe);
    if (!is_dead) return PX_ERR_BUSY;
    return unlink(address->sun_path) ? err_last() : PX_OK;
}

static px_err stream_listen(px_streams *streams, const char *path, uint32_t mode, px_stream_events *events,
                            px_stream **stream)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return PX_ERR_OVERSIZE;
    strcpy(address.sun_path, path);
    px_err err = clear_path(&address);
    if (err) return err;
    const int fd = make_socket();
    if (fd < 0) return err_last();
    struct stat file;
    /* Nobody gets in before it listens, so the mode is there in time. */
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) || chmod(path, (mode_t)mode) ||
        lstat(path, &file) || listen(fd, LISTEN_BACKLOG)) {
        err = err_last();
        close(fd);
        return err;
    }
    err = make_stream(os_of(streams), LISTENER, fd, path, events, stream);
    if (err) return err;
    (*stream)->device = file.st_dev;
    (*stream)->inode = file.st_ino;
    return PX_OK;
}

static px_err stream_accept(px_streams *streams, px_stream *listener, px_stream_events *events,
                            px_stream **stream)
{
    int fd;
    do fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd < 0) return err_last();
    return make_stream(os_of(streams), CLIENT, fd, "", events, stream);
}

/* ---- the loop's turn ---- */

static void tell(px_stream *stream, uint32_t happened)
{
    const uint32_t broken = EPOLLERR | EPOLLHUP;
    uint32_t ready = 0;
    if ((stream->wanted & PX_STREAM_READ) && (happened & (EPOLLIN | broken))) ready |= PX_STREAM_READ;
    if ((stream->wanted & PX_STREAM_WRITE) && (happened & (EPOLLOUT | broken))) ready |= PX_STREAM_WRITE;
    if (stream->kind == FIFO_WRITER && (happened & EPOLLERR)) ready |= PX_STREAM_GONE;
    if (stream->kind == CLIENT && (happened & broken)) ready |= PX_STREAM_GONE;
    if (ready) stream->events->on_ready(stream->events, ready);
}

static void tell_comers(os_streams *os)
{
    _Alignas(struct inotify_event) char space[4096];
    const ssize_t got = read(os->inotify, space, sizeof space);
    for (ssize_t at = 0; at < got;) {
        const struct inotify_event *event = (const struct inotify_event *)(const void *)(space + at);
        at += (ssize_t)(sizeof *event + event->len);
        px_stream *stream = os->heard;
        while (stream && stream->watch != event->wd) stream = stream->next_heard;
        if (stream) stream->events->on_ready(stream->events, PX_STREAM_COME);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    os_streams *os = poll->data;
    struct epoll_event happened[EVENTS_PER_TURN];
    const int count = epoll_wait(os->epoll, happened, EVENTS_PER_TURN, 0);
    os->is_dispatching = true;
    for (int i = 0; i < count; i++) {
        px_stream *stream = happened[i].data.ptr;
        if (!stream)
            tell_comers(os);
        else if (!stream->is_closed)
            tell(stream, happened[i].events);
    }
    os->is_dispatching = false;
    while (os->closed) {
        px_stream *stream = os->closed;
        os->closed = stream->next_closed;
        free(stream);
    }
}

static const px_streams port_calls = {
    .make_fifo = make_fifo,
    .open_reader = open_reader,
    .renew_reader = renew_reader,
    .open_writer = open_writer,
    .renew_writer = renew_writer,
    .has_reader = has_reader,
    .hears_readers = hears_readers,
    .unread_bytes = unread_bytes,
    .fifo_size = fifo_size,
    .is_current = is_current,
    .listen = stream_listen,
    .accept = stream_accept,
    .read = stream_read,
    .write = stream_write,
    .want = stream_want,
    .close = stream_close,
};

/* Containers share few instances of it; without one, px looks for readers now and then. */
static void open_inotify(os_streams *os)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    os->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (os->inotify < 0 || epoll_ctl(os->epoll, EPOLL_CTL_ADD, os->inotify, &event) == 0) return;
    close(os->inotify);
    os->inotify = -1;
}

px_err px_os_streams_open(struct uv_loop_s *loop, px_streams **streams)
{
    os_streams *os = calloc(1, sizeof *os);
    if (!os) return PX_ERR_NO_SPACE;
    px_err err = PX_ERR_IO;
    os->port = port_calls;
    os->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (os->epoll < 0) goto fail_epoll;
    if (uv_poll_init(loop, &os->poll, os->epoll)) goto fail_poll;
    os->poll.data = os;
    const int failed = uv_poll_start(&os->poll, UV_READABLE, on_poll);
    px_assert(!failed);
    open_inotify(os);
    signal(SIGPIPE, SIG_IGN);
    *streams = &os->port;
    return PX_OK;
fail_poll:
    err = PX_ERR_NO_SPACE;
    close(os->epoll);
fail_epoll:
    free(os);
    return err;
}

static void on_poll_closed(uv_handle_t *handle)
{
    os_streams *os = handle->data;
    if (os->inotify >= 0) close(os->inotify);
    close(os->epoll);
    free(os);
}

void px_os_streams_close(px_streams *streams)
{
    os_streams *os = os_of(streams);
    px_assert(!os->is_dispatching);
    uv_close((uv_handle_t *)&os->poll, on_poll_closed);
}
