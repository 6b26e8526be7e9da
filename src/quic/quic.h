/* quic.h - the net of node/, over QUIC with TLS 1.3 on both sides.
 *
 * Meaning    px_quic_open makes a px_net (port/net.h) out of datagrams, a clock and certificates. It acts in
 *            the turns of whoever drives those: at the end of each turn, after node/ has had its say,
 *            px_quic_flush must be called; then everything that was said leaves in as few packets as it fits.
 * Source     spec.md §8; ADR 0005. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_QUIC_QUIC_H
#define PX_QUIC_QUIC_H

#include "base/limits.h"
#include "port/clock.h"
#include "port/dgram.h"
#include "port/log.h"
#include "port/net.h"
#include "quic/certificate_check.h"

typedef struct {
    const char *name; /* of its certificate */
    const char *host; /* IP address without brackets, or a name that is resolved at each attempt */
    uint16_t port;
    uint32_t member; /* what node/ calls it */
} px_quic_server;

typedef struct {
    const char *bind_host; /* an IP address */
    uint16_t bind_port;    /* 0: any, for tests */
    px_tls_files files;
    uint32_t server_count;
    px_quic_server servers[PX_MEMBERS_MAX];
    uint64_t retry_delay_us;
    uint64_t
        heartbeat_us; /* a silent connection is kept alive at this pace, and given up after five of them */
    uint8_t reset_secret[32]; /* the same after a restart, another on each node [Q21] */
    size_t receive_bytes;     /* of the kernel's buffers; 0: 4 MiB */
} px_quic_config;

/* Reads the certificates and binds the address. What is wrong goes to the log in words. Copies the
 * configuration. Events come once px_quic_start has said where to. *net only on PX_OK. */
PX_MUST_USE px_err px_quic_open(const px_quic_config *config, px_dgram_net *dgrams, px_clock *clock,
                                px_log *log, px_net **net);
/* Begins to dial and to listen to what comes. */
void px_quic_start(px_net *net, px_net_events *events);
/* Sends what is to be sent: at the end of each turn. */
void px_quic_flush(px_net *net);
/* Tells the other sides that this one is leaving, and frees everything. No event comes any more. */
void px_quic_close(px_net *net);

/* Reads certificates again, from the same files or others; connections from now on use them. Copies the
 * paths. Where something is wrong with them, the log says so and the old ones stay. [Q34] */
PX_MUST_USE px_err px_quic_reload(px_net *net, const px_tls_files *files);

/* For status and metrics. */
typedef struct {
    uint16_t port;                 /* bound */
    int64_t certificate_expires_s; /* seconds of the epoch */
    uint64_t packets_sent, packets_received, sends;
    uint64_t reconnects[PX_MEMBERS_MAX]; /* by member: connections that came up again */
} px_quic_counters;
void px_quic_count(px_net *net, px_quic_counters *counters);

#endif
