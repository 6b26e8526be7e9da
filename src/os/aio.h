/* aio.h - durable writes that the kernel carries out while the loop goes on.
 *
 * Meaning    One write at a time through the kernel's asynchronous input and output: no thread has to be
 *            woken for it, and its end is a descriptor that the loop polls. Only writes that need not wait
 *            for a lock or for new blocks are taken; whoever asks has another way for the rest.
 * Source     io_submit(2), RWF_NOWAIT of pwritev2(2). */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_OS_AIO_H
#define PX_OS_AIO_H

#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

typedef struct px_aio px_aio;
struct px_aio {
    uv_poll_t poll;
    uv_check_t check;
    aio_context_t context;
    struct iocb request;
    int fd; /* of the kernel's word that a write has ended; -1: the system has no such thing */
    bool is_busy;
    bool is_watched; /* the loop is woken by that descriptor; else it only looks behind each wake-up */
    bool can_look;   /* the kernel's ring of ended writes can be read without a call */
    void *owner;
    /* result: bytes written, or a negative errno. */
    void (*on_done)(void *owner, int64_t result);
};

/* Makes it ready for writes of `owner`. Where the kernel or its policy has no such calls, px_aio_write
 * refuses every write. Takes ownership of nothing; `aio` stays where it is until px_aio_close has called
 * back. */
void px_aio_open(px_aio *aio, uv_loop_t *loop, void *owner, void (*on_done)(void *owner, int64_t result));

/* Begins a write to a descriptor with O_DIRECT; address, offset and size are multiples of a block, and the
 * bytes stay the caller's until on_done. False: not now, or not here; nothing was begun.
 * may_rest: its end need not wake the loop; it is told before the turn that something else causes. */
bool px_aio_write(px_aio *aio, int fd, const uint8_t *data, size_t size_bytes, uint64_t offset,
                  bool may_rest);

/* From now on the end of the write under way wakes the loop. */
void px_aio_hurry(px_aio *aio);

/* Waits for the write under way, and returns its result instead of calling on_done. */
int64_t px_aio_wait(px_aio *aio);

/* Ends it; no write may be under way. `closed` is called by the loop with each of its handles, whose data is
 * `aio`: returns how often it will be. */
unsigned px_aio_close(px_aio *aio, uv_close_cb closed);

#endif
