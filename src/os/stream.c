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
#include "os/stream_priv.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#define LISTEN_BACKLOG 1024
#define EVENTS_PER_TURN 64

os_streams *px_os_streams_of(px_streams *streams)
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
    case EMFILE:
    case ENFILE: return PX_ERR_NO_FILES;
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case ENOBUFS: return PX_ERR_NO_SPACE;
    case EADDRINUSE: return PX_ERR_BUSY;
    default: return PX_ERR_IO;
    }
}

px_err px_os_err_last(void)
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

px_err px_os_stream_watch(os_streams *os, px_stream *stream, int operation, int fd)
{
    struct epoll_event event = {.events = interest_of(stream), .data.ptr = stream};
    return epoll_ctl(os->epoll, operation, fd, &event) ? px_os_err_last() : PX_OK;
}

px_err px_os_stream_make(os_streams *os, stream_kind kind, int fd, const char *path, px_stream_events *events,
                         px_stream **stream)
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
    err = px_os_stream_watch(os, made, EPOLL_CTL_ADD, fd);
    if (err) goto fail;
    *stream = made;
    return PX_OK;
fail:
    free(made);
    close(fd);
    return err;
}

void px_os_stream_want(px_streams *streams, px_stream *stream, uint32_t wanted)
{
    if (stream->wanted == wanted) return;
    stream->wanted = wanted;
    const px_err err = px_os_stream_watch(px_os_streams_of(streams), stream, EPOLL_CTL_MOD, stream->fd);
    px_assert(err == PX_OK); /* it is registered, and a change takes no memory */
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
    os_streams *os = px_os_streams_of(streams);
    px_assert(!stream->is_closed);
    if (stream->kind == LISTENER) remove_socket_file(stream);
    px_os_fifo_end_to_hear(os, stream);
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
    if (got < 0) return px_os_err_last();
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
    if (put < 0) return px_os_err_last();
    *written_bytes = (size_t)put;
    return PX_OK;
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
    if (lstat(address->sun_path, &found)) return errno == ENOENT ? PX_OK : px_os_err_last();
    if (!S_ISSOCK(found.st_mode)) return PX_ERR_WRONG_KIND;
    const int probe = make_socket();
    if (probe < 0) return px_os_err_last();
    const bool is_dead =
        connect(probe, (const struct sockaddr *)address, sizeof *address) && errno == ECONNREFUSED;
    close(probe);
    if (!is_dead) return PX_ERR_BUSY;
    return unlink(address->sun_path) ? px_os_err_last() : PX_OK;
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
    if (fd < 0) return px_os_err_last();
    struct stat file;
    /* Nobody gets in before it listens, so the mode is there in time. */
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) || chmod(path, (mode_t)mode) ||
        lstat(path, &file) || listen(fd, LISTEN_BACKLOG)) {
        err = px_os_err_last();
        close(fd);
        return err;
    }
    err = px_os_stream_make(px_os_streams_of(streams), LISTENER, fd, path, events, stream);
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
    if (fd < 0) return px_os_err_last();
    return px_os_stream_make(px_os_streams_of(streams), CLIENT, fd, "", events, stream);
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
    .listen = stream_listen,
    .accept = stream_accept,
    .read = stream_read,
    .write = stream_write,
    .want = px_os_stream_want,
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
    px_os_fifo_offer(&os->port);
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
    os_streams *os = px_os_streams_of(streams);
    px_assert(!os->is_dispatching);
    uv_close((uv_handle_t *)&os->poll, on_poll_closed);
}
