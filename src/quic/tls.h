/* tls.h - who may speak with whom: certificates, and sessions that check them on both sides.
 *
 * Meaning    A px_tls is what one node shows and what it trusts; it lives as long as the last session made
 *            from it, so that new certificates can be taken up while old connections go on [Q34]. A
 *            px_tls_session is one handshake's TLS: it verifies inside the handshake that the other side's
 *            certificate stands under our root, is meant for its role, is valid today and bears the name that
 *            is expected (client) or the name of some member (server).
 * Source     spec.md §8; [Q28-Q34]. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_QUIC_TLS_H
#define PX_QUIC_TLS_H

#include "base/err.h"
#include "base/limits.h"
#include "quic/certificate_check.h"
#include "quic/words.h"
#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <stdbool.h>

typedef struct px_tls px_tls;

/* Names of the other members; a member's place here is its number in masks. Borrowed by sessions. */
typedef struct {
    uint32_t count;
    const char *names[PX_MEMBERS_MAX];
} px_tls_names;

typedef struct {
    ngtcp2_crypto_conn_ref
        conn_ref; /* first: what GnuTLS's session points to, and the library expects there */
    ngtcp2_conn *conn;
    gnutls_session_t gnutls;
    px_tls *tls;
    const px_tls_names *names;
    bool is_server;
    uint32_t expected;   /* client: place of the name that the server must bear */
    uint32_t borne_mask; /* places of names that the other's certificate bears; 0 before it was verified */
    px_words fault;      /* why this side refused; empty where it did not */
} px_tls_session;

/* Reads the files. *tls only on PX_OK; `fault` says what is wrong otherwise. */
PX_MUST_USE px_err px_tls_open(const px_tls_files *files, px_tls **tls, px_words *fault);
px_tls *px_tls_retain(px_tls *tls);
void px_tls_release(px_tls *tls);
/* When the own certificate ends, in seconds of the epoch. */
int64_t px_tls_expires_s(const px_tls *tls);

/* Makes a session; `expected` is for clients. The memory must stay where it is. `conn` is to be set before
 * the handshake begins. */
PX_MUST_USE px_err px_tls_session_open(px_tls_session *session, px_tls *tls, const px_tls_names *names,
                                       bool is_server, uint32_t expected);
void px_tls_session_close(px_tls_session *session);

/* Words of a TLS alert; `ours`: this side raised it. */
const char *px_tls_alert_text(uint8_t alert, bool ours);

#endif
