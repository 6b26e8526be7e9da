/* memory.c - buffers on the heap. */
// SPDX-License-Identifier: Apache-2.0
#include "node/memory.h"

#include "base/assert.h"
#include <stdlib.h>

static void free_buffer(px_buffer *buffer)
{
    free(buffer);
}

px_buffer *px_memory_buffer(size_t size_bytes)
{
    px_buffer *buffer = malloc(sizeof *buffer + size_bytes);
    px_assert(buffer != NULL);
    buffer->owners = 1;
    buffer->size_bytes = size_bytes;
    buffer->data = (uint8_t *)(buffer + 1);
    buffer->free = free_buffer;
    return buffer;
}

void *px_memory_zeroed(size_t size_bytes)
{
    void *memory = calloc(1, size_bytes);
    px_assert(memory != NULL);
    return memory;
}

void *px_memory_resize(void *memory, size_t size_bytes)
{
    void *resized = realloc(memory, size_bytes);
    px_assert(resized != NULL);
    return resized;
}
