/* udp.h - one UDP socket: what the kernel wants to be told for it, and runs of datagrams in and out.
 *
 * Meaning    Blocking, waiting and events are dgram.c's; here is what is asked of the kernel, and what is
 *            done where it cannot do it. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_OS_UDP_H
#define PX_OS_UDP_H

#include "port/dgram.h"

/* Datagrams asked for in one call, each with room for what the kernel has joined. [Q12] */
#define PX_UDP_BATCH 8u

typedef struct {
    int fd;
    bool is_connected;
    bool has_gso, has_gro; /* has_gso is turned off by the first device that cannot */
    bool wants_local;      /* bound to any address: each datagram says which */
    int family;
    px_dgram_address local;
    size_t receive_bytes;
} px_udp;

/* Where received datagrams are put: one for all sockets of a loop. */
typedef struct {
    uint8_t bytes[PX_UDP_BATCH][PX_DGRAM_BYTES_MAX];
    px_dgram_address remotes[PX_UDP_BATCH];
    px_dgram_address locals[PX_UDP_BATCH];
    px_dgram_run runs[PX_UDP_BATCH];
} px_udp_space;

/* See px_dgram_net.open. */
px_err px_udp_open(px_udp *udp, const px_dgram_address *local, const px_dgram_address *remote,
                   size_t receive_bytes, bool is_plain);
void px_udp_close(px_udp *udp);

/* See px_dgram_net.send. */
px_dgram_sent px_udp_send(px_udp *udp, const px_dgram_run *run, size_t *sent_bytes);

/* Receives up to PX_UDP_BATCH runs into `space`; returns how many. *refused says that the other side has no
 * such port. */
size_t px_udp_receive(px_udp *udp, px_udp_space *space, bool *refused);

#endif
