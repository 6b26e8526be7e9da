/* exact.h - bytes in a heap block of their size, so that a sanitizer sees the first one read behind them. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_UNIT_CODEC_EXACT_H
#define PX_TEST_UNIT_CODEC_EXACT_H

#include "base/assert.h"
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A copy for the caller to free. */
static inline uint8_t *exact_copy(const void *bytes, size_t size_bytes)
{
    uint8_t *const copy = malloc(size_bytes);
    px_assert(copy || size_bytes == 0);
    if (size_bytes > 0) memcpy(copy, bytes, size_bytes);
    return copy;
}

#endif
