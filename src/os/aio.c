/* aio.c - durable writes that the kernel carries out while the loop goes on. */
// SPDX-License-Identifier: Apache-2.0
#include "os/aio.h"

#include "base/assert.h"
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x8
#endif

/* The head of the ring that the kernel maps at the context: io_getevents does the same for a process that has
 * no other way. */
typedef struct {
    uint32_t id, slots;
    uint32_t head, tail; /* the ended writes between them have not been taken */
    uint32_t magic, compatible, incompatible, header_bytes;
} aio_ring;
#define RING_MAGIC 0xa10a10a1u

static bool has_ended(const px_aio *aio)
{
    const aio_ring *ring = (const aio_ring *)(uintptr_t)aio->context;
    return ring->head != __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
}

static bool can_look(const px_aio *aio)
{
    const aio_ring *ring = (const aio_ring *)(uintptr_t)aio->context;
    return ring->magic == RING_MAGIC && ring->incompatible == 0;
}

static int64_t reap(px_aio *aio, long at_least)
{
    struct io_event event = {0};
    long got;
    do got = syscall(SYS_io_getevents, aio->context, at_least, 1L, &event, NULL);
    while (got < 0 && errno == EINTR);
    if (got < 1) return INT64_MIN;
    aio->is_busy = false;
    return event.res;
}

static void take_end(px_aio *aio)
{
    const int64_t result = reap(aio, 0);
    if (result != INT64_MIN) aio->on_done(aio->owner, result);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    px_aio *aio = poll->data;
    uint64_t count;
    if (read(aio->fd, &count, sizeof count) < 0 || !aio->is_busy) return;
    take_end(aio);
}

/* Behind whatever has woken the loop, and before the end of its turn (loop.c): libuv calls the latest of such
 * handles first. */
static void on_check(uv_check_t *check)
{
    px_aio *aio = check->data;
    if (aio->is_busy && !aio->is_watched && has_ended(aio)) take_end(aio);
}

static void watch(px_aio *aio, bool is_watched)
{
    if (aio->is_watched == is_watched) return;
    aio->is_watched = is_watched;
    const int failed =
        is_watched ? uv_poll_start(&aio->poll, UV_READABLE, on_ready) : uv_poll_stop(&aio->poll);
    px_assert(!failed);
}

void px_aio_open(px_aio *aio, uv_loop_t *loop, void *owner, void (*on_done)(void *owner, int64_t result))
{
    *aio = (px_aio){.fd = -1, .owner = owner, .on_done = on_done};
    if (syscall(SYS_io_setup, 1L, &aio->context)) return;
    aio->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (aio->fd >= 0 && uv_poll_init(loop, &aio->poll, aio->fd) == 0) {
        aio->poll.data = aio->check.data = aio;
        aio->can_look = can_look(aio);
        (void)uv_check_init(loop, &aio->check);
        (void)uv_check_start(&aio->check, on_check);
        watch(aio, true);
        return;
    }
    if (aio->fd >= 0) (void)close(aio->fd);
    aio->fd = -1;
    (void)syscall(SYS_io_destroy, aio->context);
}

bool px_aio_write(px_aio *aio, int fd, const uint8_t *data, size_t size_bytes, uint64_t offset, bool may_rest)
{
    if (aio->fd < 0 || aio->is_busy) return false;
    aio->request = (struct iocb){
        .aio_lio_opcode = IOCB_CMD_PWRITE,
        .aio_rw_flags = RWF_NOWAIT,
        .aio_fildes = (uint32_t)fd,
        .aio_buf = (uint64_t)(uintptr_t)data,
        .aio_nbytes = size_bytes,
        .aio_offset = (int64_t)offset,
        .aio_flags = IOCB_FLAG_RESFD,
        .aio_resfd = (uint32_t)aio->fd,
    };
    struct iocb *requests[1] = {&aio->request};
    if (syscall(SYS_io_submit, aio->context, 1L, requests) != 1) return false;
    aio->is_busy = true;
    watch(aio, !may_rest || !aio->can_look || has_ended(aio));
    return true;
}

void px_aio_hurry(px_aio *aio)
{
    if (aio->is_busy) watch(aio, true);
}

int64_t px_aio_wait(px_aio *aio)
{
    px_assert(aio->is_busy);
    const int64_t result = reap(aio, 1);
    px_assert(!aio->is_busy);
    return result;
}

unsigned px_aio_close(px_aio *aio, uv_close_cb closed)
{
    px_assert(!aio->is_busy);
    if (aio->fd < 0) return 0;
    (void)syscall(SYS_io_destroy, aio->context);
    watch(aio, false);
    (void)close(aio->fd);
    aio->fd = -1;
    uv_close((uv_handle_t *)&aio->poll, closed);
    uv_close((uv_handle_t *)&aio->check, closed);
    return 2;
}
