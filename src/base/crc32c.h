/* crc32c.h - the Castagnoli checksum of bytes, for records on disk.
 *
 * Source     RFC 3720, appendix B.4 has the test vectors. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_BASE_CRC32C_H
#define PX_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues the checksum `crc` over further bytes; 0 starts one. Pieces give the same as the whole:
 * px_crc32c(px_crc32c(0, a, n), b, m) is that of a followed by b. */
uint32_t px_crc32c(uint32_t crc, const void *bytes, size_t size_bytes);

/* The same without the processor's instruction; for tests, and for processors that have none. */
uint32_t px_crc32c_by_table(uint32_t crc, const void *bytes, size_t size_bytes);

#endif
