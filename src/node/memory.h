/* memory.h - buffers on the heap.
 *
 * Meaning    Where node/ keeps bytes: every buffer it makes is bounded by what limits.h lets in. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_NODE_MEMORY_H
#define PX_NODE_MEMORY_H

#include "port/buffer.h"

/* A buffer of size_bytes with one owner, its bytes not set. Ends the process where there is no memory. */
px_buffer *px_memory_buffer(size_t size_bytes);

/* As malloc, calloc and realloc, but ends the process where there is no memory. */
void *px_memory_zeroed(size_t size_bytes);
void *px_memory_resize(void *memory, size_t size_bytes);

#endif
