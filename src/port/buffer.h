/* buffer.h - bytes with several owners on one thread.
 *
 * Meaning    Whoever keeps a buffer beyond a call retains it and releases it later; the last release frees it
 *            by the function
 *            of whoever made it. Bytes do not change once a second owner has it. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PORT_BUFFER_H
#define PX_PORT_BUFFER_H

#include <stddef.h>
#include <stdint.h>

typedef struct px_buffer px_buffer;
struct px_buffer {
    uint32_t owners;
    size_t size_bytes;
    uint8_t *data;
    void (*free)(px_buffer *buffer);
};

static inline px_buffer *px_buffer_retain(px_buffer *buffer)
{
    buffer->owners++;
    return buffer;
}

static inline void px_buffer_release(px_buffer *buffer)
{
    if (buffer && --buffer->owners == 0) buffer->free(buffer);
}

#endif
