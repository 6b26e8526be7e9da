/* stateless.c - packets that belong to no connection: version negotiation, Retry, stateless reset. */
// SPDX-License-Identifier: Apache-2.0
#include "quic/stateless.h"

#include "quic/connection.h"
#include <ngtcp2/ngtcp2_crypto.h>
#include <string.h>

/* Answers in one period. */
#define PERIOD_US 100000u
#define ALLOWANCE 100u
/* Below this nothing is negotiated: it could not have been an Initial. [Q25] */
#define INITIAL_BYTES_MIN 1200u
/* What a reset may be at least and at most. */
#define RESET_BYTES_MIN (NGTCP2_MIN_STATELESS_RESET_RANDLEN + NGTCP2_STATELESS_RESET_TOKENLEN)
#define RESET_RANDOM_BYTES_MAX 22u
#define TOKEN_LIFE (10 * NGTCP2_SECONDS)

static bool may_answer(px_stateless *stateless)
{
    const uint64_t now_us = stateless->clock->now_us(stateless->clock);
    if (now_us - stateless->period_us >= PERIOD_US) {
        stateless->period_us = now_us;
        stateless->allowance = ALLOWANCE;
    }
    if (stateless->allowance == 0) return false;
    stateless->allowance--;
    return true;
}

static void answer(px_stateless *stateless, const px_dgram_run *run, uint8_t *bytes, ngtcp2_ssize size_bytes)
{
    if (size_bytes <= 0) return;
    const px_dgram_run back = {
        .local = run->local,
        .remote = run->remote,
        .data = bytes,
        .size_bytes = (size_t)size_bytes,
        .segment_bytes = (size_t)size_bytes,
    };
    size_t sent_bytes = 0;
    /* Whatever becomes of it: whoever needs the answer asks again. */
    (void)stateless->dgrams->send(stateless->dgrams, stateless->socket, &back, &sent_bytes);
}

void px_stateless_negotiate(px_stateless *stateless, const px_dgram_run *run,
                            const ngtcp2_version_cid *header)
{
    if (run->size_bytes < INITIAL_BYTES_MIN || !may_answer(stateless)) return;
    uint8_t packet[PX_PACKET_BYTES];
    uint8_t unused;
    px_random_fill(&unused, sizeof unused);
    const uint32_t versions[] = {NGTCP2_PROTO_VER_V1};
    answer(stateless, run, packet,
           ngtcp2_pkt_write_version_negotiation(packet, sizeof packet, unused, header->scid, header->scidlen,
                                                header->dcid, header->dcidlen, versions, 1));
}

void px_stateless_retry(px_stateless *stateless, const px_dgram_run *run, const ngtcp2_pkt_hd *header)
{
    if (!may_answer(stateless)) return;
    uint8_t cid_bytes[PX_CID_BYTES];
    px_random_fill(cid_bytes, sizeof cid_bytes);
    ngtcp2_cid cid;
    ngtcp2_cid_init(&cid, cid_bytes, sizeof cid_bytes);
    uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2];
    const ngtcp2_ssize token_bytes =
        ngtcp2_crypto_generate_retry_token2(token, stateless->retry_secret, sizeof stateless->retry_secret,
                                            header->version,
                                            (const ngtcp2_sockaddr *)(const void *)run->remote->bytes,
                                            (ngtcp2_socklen)run->remote->size_bytes, &cid, &header->dcid,
                                            stateless->clock->now_us(stateless->clock) * NGTCP2_MICROSECONDS);
    if (token_bytes < 0) return;
    uint8_t packet[PX_PACKET_BYTES];
    answer(stateless, run, packet,
           ngtcp2_crypto_write_retry(packet, sizeof packet, header->version, &header->scid, &cid,
                                     &header->dcid, token, (size_t)token_bytes));
}

bool px_stateless_check_token(const px_stateless *stateless, const px_dgram_run *run,
                              const ngtcp2_pkt_hd *header, ngtcp2_cid *original)
{
    if (header->tokenlen == 0 || header->token[0] != NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2) return false;
    return ngtcp2_crypto_verify_retry_token2(original, header->token, header->tokenlen,
                                             stateless->retry_secret, sizeof stateless->retry_secret,
                                             header->version,
                                             (const ngtcp2_sockaddr *)(const void *)run->remote->bytes,
                                             (ngtcp2_socklen)run->remote->size_bytes, &header->dcid,
                                             TOKEN_LIFE,
                                             stateless->clock->now_us(stateless->clock) *
                                                 NGTCP2_MICROSECONDS) == 0;
}

void px_stateless_refuse(px_stateless *stateless, const px_dgram_run *run, const ngtcp2_pkt_hd *header,
                         uint64_t code, const char *words)
{
    if (!may_answer(stateless)) return;
    uint8_t packet[PX_PACKET_BYTES];
    answer(stateless, run, packet,
           ngtcp2_crypto_write_connection_close(packet, sizeof packet, header->version, &header->scid,
                                                &header->dcid, code, (const uint8_t *)words, strlen(words)));
}

void px_stateless_reset(px_stateless *stateless, const px_dgram_run *run, const ngtcp2_version_cid *header)
{
    /* Smaller than what it answers, so that two nodes cannot answer each other for ever. [Q21] */
    if (run->size_bytes <= RESET_BYTES_MIN || !may_answer(stateless)) return;
    size_t random_bytes = run->size_bytes - 1 - NGTCP2_STATELESS_RESET_TOKENLEN;
    if (random_bytes > RESET_RANDOM_BYTES_MAX) random_bytes = RESET_RANDOM_BYTES_MAX;
    uint8_t random[RESET_RANDOM_BYTES_MAX];
    px_random_fill(random, random_bytes);
    ngtcp2_cid cid;
    ngtcp2_cid_init(&cid, header->dcid, header->dcidlen);
    uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN];
    if (ngtcp2_crypto_generate_stateless_reset_token(token, stateless->reset_secret, 32, &cid)) return;
    uint8_t packet[RESET_RANDOM_BYTES_MAX + NGTCP2_STATELESS_RESET_TOKENLEN];
    answer(stateless, run, packet,
           ngtcp2_pkt_write_stateless_reset(packet, sizeof packet, token, random, random_bytes));
}
