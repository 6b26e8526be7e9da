/* cid_map.h - connections by the identifiers that packets to them carry. [Q24] */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_QUIC_CID_MAP_H
#define PX_QUIC_CID_MAP_H

#include <ngtcp2/ngtcp2.h>
#include <stdbool.h>

/* Identifiers that this node gives out are all this long: short headers do not say. */
#define PX_CID_BYTES 8u
/* Connections are few (listener.h bounds them), and each has a handful. */
#define PX_CID_BUCKETS 256u

typedef struct px_connection px_connection;
typedef struct px_cid_entry px_cid_entry;

typedef struct {
    px_cid_entry *buckets[PX_CID_BUCKETS];
} px_cid_map;

/* False: out of memory. One that is there already stays as it is. */
bool px_cid_map_add(px_cid_map *map, const ngtcp2_cid *cid, px_connection *connection);
void px_cid_map_remove(px_cid_map *map, const ngtcp2_cid *cid);
/* Forgets every identifier of a connection. */
void px_cid_map_forget(px_cid_map *map, const px_connection *connection);
/* NULL: nobody's. */
px_connection *px_cid_map_find(const px_cid_map *map, const uint8_t *bytes, size_t size_bytes);

#endif
