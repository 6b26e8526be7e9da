/* configuration.c - whose disks vote: the body of a change of configuration.
 *
 * Source     configuration.h has the layout; [R19, R21]. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/configuration.h"

#include "base/assert.h"
#include "paxos/entry.h"
#include "paxos/little_endian.h"
#include <stdbool.h>

#define HEADER_BYTES 24u
_Static_assert(PX_CONFIGURATION_BYTES_MAX == HEADER_BYTES + 8u * PX_MEMBERS_MAX,
               "as configuration.h promises");

static bool is_valid(const px_configuration *configuration)
{
    if (configuration->number == 0 || configuration->number >= PX_NUMBER_END / 2) return false;
    if (configuration->count == 0 || configuration->count > PX_MEMBERS_MAX) return false;
    if (configuration->place >= configuration->count || configuration->replaced == 0) return false;
    for (uint32_t i = 0; i < configuration->count; i++) {
        const uint64_t id = configuration->ids[i];
        if (id == 0 || id == configuration->replaced) return false;
        for (uint32_t k = 0; k < i; k++)
            if (configuration->ids[k] == id) return false;
    }
    return true;
}

px_err px_configuration_open(px_bytes body, px_configuration *configuration)
{
    if (body.size_bytes < HEADER_BYTES) return PX_ERR_MALFORMED;
    px_configuration read = {
        .number = px_u64_load(body.data),
        .place = px_u32_load(body.data + 8),
        .count = px_u32_load(body.data + 12),
        .replaced = px_u64_load(body.data + 16),
    };
    if (read.count > PX_MEMBERS_MAX || body.size_bytes != HEADER_BYTES + 8u * (size_t)read.count)
        return PX_ERR_MALFORMED;
    for (uint32_t i = 0; i < read.count; i++)
        read.ids[i] = px_u64_load(body.data + HEADER_BYTES + 8u * (size_t)i);
    if (!is_valid(&read)) return PX_ERR_MALFORMED;
    *configuration = read;
    return PX_OK;
}

size_t px_configuration_put(const px_configuration *configuration, uint8_t *space)
{
    px_assert(is_valid(configuration));
    px_u64_store(space, configuration->number);
    px_u32_store(space + 8, configuration->place);
    px_u32_store(space + 12, configuration->count);
    px_u64_store(space + 16, configuration->replaced);
    for (uint32_t i = 0; i < configuration->count; i++)
        px_u64_store(space + HEADER_BYTES + 8u * (size_t)i, configuration->ids[i]);
    return HEADER_BYTES + 8u * (size_t)configuration->count;
}
