/* configuration.h - whose disks vote: the body of a change of configuration.
 *
 * Meaning    A configuration is one storage id for each place; names never change. Number 0 is the roster of
 *            the small state [R18]; each later one stands in the log and swaps one storage id. All numbers
 *            little-endian:
 *              u64 number, u32 place, u32 count, u64 replaced, count x u64 storage id
 *            `place` is the one whose id is new, `replaced` the id that it had before and never has again.
 * Holds      Storage ids are not 0 and all differ, `replaced` too.
 * Source     [R19, R21]. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PAXOS_CONFIGURATION_H
#define PX_PAXOS_CONFIGURATION_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include <stdint.h>

typedef struct {
    uint64_t number;
    uint32_t place, count;
    uint64_t replaced;
    uint64_t ids[PX_MEMBERS_MAX];
} px_configuration;

/* Opens the body of a change from outside. Writes *configuration only on PX_OK.
 * Errors       PX_ERR_MALFORMED. */
PX_MUST_USE px_err px_configuration_open(px_bytes body, px_configuration *configuration);

/* Encodes a change; `space` has room for PX_CONFIGURATION_BYTES_MAX. Returns the size in bytes. */
#define PX_CONFIGURATION_BYTES_MAX (24u + 8u * PX_MEMBERS_MAX)
size_t px_configuration_put(const px_configuration *configuration, uint8_t *space);

#endif
