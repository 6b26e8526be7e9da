/* stateless.h - packets that belong to no connection: version negotiation, Retry, stateless reset.
 *
 * Meaning    What a listening socket answers without remembering anything. All of them share one allowance,
 *            so that nobody can make this node shout at others. [Q21, Q25, Q26] */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_QUIC_STATELESS_H
#define PX_QUIC_STATELESS_H

#include "port/clock.h"
#include "port/dgram.h"
#include <ngtcp2/ngtcp2.h>
#include <stdbool.h>

typedef struct {
    px_dgram_net *dgrams;
    px_dgram_socket *socket;
    px_clock *clock;
    const uint8_t *reset_secret; /* 32 bytes, the same after a restart */
    uint8_t retry_secret[32];    /* of this run */
    uint64_t period_us;          /* when the allowance was last renewed */
    uint32_t allowance;
} px_stateless;

/* `run` is the datagram that is answered, `header` what was read of it. */
void px_stateless_negotiate(px_stateless *stateless, const px_dgram_run *run,
                            const ngtcp2_version_cid *header);
void px_stateless_retry(px_stateless *stateless, const px_dgram_run *run, const ngtcp2_pkt_hd *header);
void px_stateless_reset(px_stateless *stateless, const px_dgram_run *run, const ngtcp2_version_cid *header);
/* Refuses an Initial for good, in words. */
void px_stateless_refuse(px_stateless *stateless, const px_dgram_run *run, const ngtcp2_pkt_hd *header,
                         uint64_t code, const char *words);

/* Whether the Initial brings the token of a Retry of ours; then *original is what the client chose before it.
 * */
bool px_stateless_check_token(const px_stateless *stateless, const px_dgram_run *run,
                              const ngtcp2_pkt_hd *header, ngtcp2_cid *original);

#endif
