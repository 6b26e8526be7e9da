/* tls.c - who may speak with whom: certificates, and sessions that check them on both sides. */
// SPDX-License-Identifier: Apache-2.0
#include "quic/tls.h"

#include "base/assert.h"
#include "quic/certificate.h"
#include <gnutls/x509.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <stdlib.h>
#include <string.h>

#define ALPN "px/1"

/* TLS 1.3 alone. AES first: ChaCha20 is six times slower where the processor knows AES. [Q28] */
static const char priority_text[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:-GROUP-ALL:"
    "+GROUP-X25519:+GROUP-SECP256R1:%DISABLE_TLS13_COMPAT_MODE";

struct px_tls {
    uint32_t owners;
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priority;
    int64_t expires_s;
};

/* ---- credentials ---- */

static px_err fill_credentials(px_tls *tls, const px_tls_files *files, px_words *fault)
{
    const int roots =
        gnutls_certificate_set_x509_trust_file(tls->credentials, files->ca_cert_path, GNUTLS_X509_FMT_PEM);
    if (roots <= 0) {
        px_words_set(fault, "%s: no root certificate can be read from it: %s", files->ca_cert_path,
                     roots < 0 ? gnutls_strerror(roots) : "it holds none");
        return PX_ERR_MALFORMED;
    }
    const int err = gnutls_certificate_set_x509_key_file2(tls->credentials, files->cert_path, files->key_path,
                                                          GNUTLS_X509_FMT_PEM, NULL, 0);
    if (err < 0) {
        px_words_set(fault, "%s, %s: no certificate and its key can be read from them: %s", files->cert_path,
                     files->key_path, gnutls_strerror(err));
        return PX_ERR_MALFORMED;
    }
    gnutls_x509_crt_t *chain = NULL;
    unsigned count = 0;
    if (gnutls_certificate_get_x509_crt(tls->credentials, (unsigned)err, &chain, &count) == 0) {
        if (count) tls->expires_s = (int64_t)gnutls_x509_crt_get_expiration_time(chain[0]);
        for (unsigned i = 0; i < count; i++) gnutls_x509_crt_deinit(chain[i]);
        gnutls_free(chain);
    }
    return PX_OK;
}

px_err px_tls_open(const px_tls_files *files, px_tls **out, px_words *fault)
{
    px_tls *tls = calloc(1, sizeof *tls);
    px_words_set(fault, "out of memory");
    if (!tls) return PX_ERR_NO_SPACE;
    tls->owners = 1;
    px_err err = PX_ERR_NO_SPACE;
    if (gnutls_certificate_allocate_credentials(&tls->credentials)) goto fail_tls;
    if (gnutls_priority_init(&tls->priority, priority_text, NULL)) {
        px_words_set(fault, "this build of GnuTLS has not the ciphers of TLS 1.3 that px needs");
        goto fail_credentials;
    }
    err = fill_credentials(tls, files, fault);
    if (err) goto fail_priority;
    fault->text[0] = '\0';
    *out = tls;
    return PX_OK;
fail_priority:
    gnutls_priority_deinit(tls->priority);
fail_credentials:
    gnutls_certificate_free_credentials(tls->credentials);
fail_tls:
    free(tls);
    return err;
}

px_tls *px_tls_retain(px_tls *tls)
{
    tls->owners++;
    return tls;
}

void px_tls_release(px_tls *tls)
{
    if (!tls || --tls->owners > 0) return;
    gnutls_priority_deinit(tls->priority);
    gnutls_certificate_free_credentials(tls->credentials);
    free(tls);
}

int64_t px_tls_expires_s(const px_tls *tls)
{
    return tls->expires_s;
}

/* ---- verifying, inside the handshake ---- */

/* Which members' names the certificate bears. */
static uint32_t names_borne(const px_tls_session *session, gnutls_x509_crt_t certificate)
{
    uint32_t mask = 0;
    for (uint32_t place = 0; place < session->names->count; place++) {
        if (px_certificate_has_name(certificate, session->names->names[place])) mask |= 1u << place;
    }
    return mask;
}

static void refuse_name(px_tls_session *session, gnutls_x509_crt_t certificate)
{
    px_words *fault = &session->fault;
    if (session->is_server) {
        px_words_add(fault, " bears no name of a member");
    } else {
        px_words_add(fault, " does not bear the expected name %s", session->names->names[session->expected]);
    }
    px_certificate_describe(certificate, fault);
}

static bool verify_certificate(px_tls_session *session, gnutls_x509_crt_t certificate)
{
    /* The client is verified as a client, the server as a server. */
    const char *purpose = session->is_server ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER;
    gnutls_typed_vdata_st wanted = {GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)(uintptr_t)purpose, 0};
    unsigned status = 0;
    px_words_set(&session->fault, "the certificate of the %s", session->is_server ? "client" : "server");
    const int err = gnutls_certificate_verify_peers(session->gnutls, &wanted, 1, &status);
    if (err < 0) {
        px_words_add(&session->fault, " cannot be verified: %s", gnutls_strerror(err));
        return false;
    }
    if (status != 0) {
        px_certificate_explain(certificate, status, session->is_server, &session->fault);
        return false;
    }
    const uint32_t mask = names_borne(session, certificate);
    if (session->is_server ? mask == 0 : !(mask & (1u << session->expected))) {
        refuse_name(session, certificate);
        return false;
    }
    session->borne_mask = mask;
    session->fault.text[0] = '\0';
    return true;
}

/* GnuTLS's own check of the protocol's name passes over a side that names none. */
static bool verify_protocol(px_tls_session *session)
{
    gnutls_datum_t chosen = {NULL, 0};
    if (gnutls_alpn_get_selected_protocol(session->gnutls, &chosen) == 0 && chosen.size == strlen(ALPN) &&
        memcmp(chosen.data, ALPN, chosen.size) == 0) {
        return true;
    }
    px_words_set(&session->fault, "the %s does not speak the protocol " ALPN,
                 session->is_server ? "client" : "server");
    return false;
}

/* Not 0 ends the handshake with an alert. */
static int on_verify(gnutls_session_t gnutls)
{
    px_tls_session *session = gnutls_session_get_ptr(gnutls);
    if (!verify_protocol(session)) return -1;
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(gnutls, &count);
    gnutls_x509_crt_t certificate;
    if (!chain || count == 0 || gnutls_x509_crt_init(&certificate)) {
        px_words_set(&session->fault, "the %s shows no certificate",
                     session->is_server ? "client" : "server");
        return -1;
    }
    bool is_good = false;
    if (gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER)) {
        px_words_set(&session->fault, "the certificate of the %s cannot be read",
                     session->is_server ? "client" : "server");
    } else {
        is_good = verify_certificate(session, certificate);
    }
    gnutls_x509_crt_deinit(certificate);
    return is_good ? 0 : -1;
}

/* ---- sessions ---- */

static ngtcp2_conn *conn_of(ngtcp2_crypto_conn_ref *conn_ref)
{
    return ((px_tls_session *)(void *)conn_ref)->conn;
}

static int configure_server(gnutls_session_t gnutls)
{
    if (ngtcp2_crypto_gnutls_configure_server_session(gnutls)) return -1;
    gnutls_certificate_server_set_request(gnutls, GNUTLS_CERT_REQUIRE);
    /* With a list of the names of our roots, a client whose certificate is from another one would send none,
     * and the fault would be said to be a missing certificate. [Q32] */
    gnutls_certificate_send_x509_rdn_sequence(gnutls, 1);
    return 0;
}

static int configure_client(gnutls_session_t gnutls, const char *server_name)
{
    if (ngtcp2_crypto_gnutls_configure_client_session(gnutls)) return -1;
    return gnutls_server_name_set(gnutls, GNUTLS_NAME_DNS, server_name, strlen(server_name));
}

px_err px_tls_session_open(px_tls_session *session, px_tls *tls, const px_tls_names *names, bool is_server,
                           uint32_t expected)
{
    px_assert(is_server || expected < names->count);
    *session = (px_tls_session){.names = names, .is_server = is_server, .expected = expected};
    session->conn_ref = (ngtcp2_crypto_conn_ref){conn_of, session};
    const unsigned flags =
        (is_server ? GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET : GNUTLS_CLIENT) | GNUTLS_NO_TICKETS;
    if (gnutls_init(&session->gnutls, flags)) return PX_ERR_NO_SPACE;
    const gnutls_datum_t protocol = {(unsigned char *)(uintptr_t)ALPN, sizeof ALPN - 1};
    if (gnutls_priority_set(session->gnutls, tls->priority) ||
        (is_server ? configure_server(session->gnutls)
                   : configure_client(session->gnutls, names->names[expected])) ||
        gnutls_credentials_set(session->gnutls, GNUTLS_CRD_CERTIFICATE, tls->credentials) ||
        gnutls_alpn_set_protocols(session->gnutls, &protocol, 1, GNUTLS_ALPN_MANDATORY)) {
        gnutls_deinit(session->gnutls);
        session->gnutls = NULL;
        return PX_ERR_NO_SPACE;
    }
    gnutls_session_set_verify_function(session->gnutls, on_verify);
    gnutls_session_set_ptr(session->gnutls, &session->conn_ref);
    session->tls = px_tls_retain(tls);
    return PX_OK;
}

void px_tls_session_close(px_tls_session *session)
{
    if (!session->gnutls) return;
    gnutls_deinit(session->gnutls);
    session->gnutls = NULL;
    px_tls_release(session->tls);
}

const char *px_tls_alert_text(uint8_t alert, bool ours)
{
    switch (alert) {
    case GNUTLS_A_CERTIFICATE_REQUIRED:
        return ours ? "the client shows no certificate" : "the server demands a certificate";
    case GNUTLS_A_NO_APPLICATION_PROTOCOL:
        return "the two sides have no protocol in common (this one speaks " ALPN ")";
    case GNUTLS_A_HANDSHAKE_FAILURE: return "the two sides have no cipher or key exchange in common";
    case GNUTLS_A_PROTOCOL_VERSION:
        return "the two sides have no version of TLS in common (this one speaks TLS 1.3)";
    default: {
        const char *name = gnutls_alert_get_name((gnutls_alert_description_t)alert);
        return name ? name : "the TLS handshake failed";
    }
    }
}
