/* bytes.h - a borrowed run of bytes.
 *
 * Meaning    Points at memory that somebody else owns; valid as long as its lender says so. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_BASE_BYTES_H
#define PX_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint8_t *data;
    size_t size_bytes;
} px_bytes;

#endif
