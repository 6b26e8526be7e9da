/* cid_map.c - connections by the identifiers that packets to them carry. */
// SPDX-License-Identifier: Apache-2.0
#include "quic/cid_map.h"

#include "base/hash.h"
#include <stdlib.h>
#include <string.h>

struct px_cid_entry {
    px_cid_entry *next;
    ngtcp2_cid cid;
    px_connection *connection;
};

static uint32_t bucket_of(const uint8_t *bytes, size_t size_bytes)
{
    return (uint32_t)(px_hash_of(bytes, size_bytes).low % PX_CID_BUCKETS);
}

static bool is_at(const px_cid_entry *entry, const uint8_t *bytes, size_t size_bytes)
{
    return entry->cid.datalen == size_bytes && memcmp(entry->cid.data, bytes, size_bytes) == 0;
}

px_connection *px_cid_map_find(const px_cid_map *map, const uint8_t *bytes, size_t size_bytes)
{
    for (const px_cid_entry *entry = map->buckets[bucket_of(bytes, size_bytes)]; entry; entry = entry->next) {
        if (is_at(entry, bytes, size_bytes)) return entry->connection;
    }
    return NULL;
}

bool px_cid_map_add(px_cid_map *map, const ngtcp2_cid *cid, px_connection *connection)
{
    if (px_cid_map_find(map, cid->data, cid->datalen)) return true;
    px_cid_entry *entry = malloc(sizeof *entry);
    if (!entry) return false;
    px_cid_entry **bucket = &map->buckets[bucket_of(cid->data, cid->datalen)];
    *entry = (px_cid_entry){*bucket, *cid, connection};
    *bucket = entry;
    return true;
}

void px_cid_map_remove(px_cid_map *map, const ngtcp2_cid *cid)
{
    px_cid_entry **at = &map->buckets[bucket_of(cid->data, cid->datalen)];
    while (*at && !is_at(*at, cid->data, cid->datalen)) at = &(*at)->next;
    if (!*at) return;
    px_cid_entry *entry = *at;
    *at = entry->next;
    free(entry);
}

void px_cid_map_forget(px_cid_map *map, const px_connection *connection)
{
    for (uint32_t i = 0; i < PX_CID_BUCKETS; i++) {
        px_cid_entry **at = &map->buckets[i];
        while (*at) {
            px_cid_entry *entry = *at;
            if (entry->connection == connection) {
                *at = entry->next;
                free(entry);
            } else {
                at = &entry->next;
            }
        }
    }
}
