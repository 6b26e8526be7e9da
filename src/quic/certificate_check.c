/* certificate_check.c - whether a node's certificate, key and root will do, before anything is bound. */
// SPDX-License-Identifier: Apache-2.0
#include "quic/certificate_check.h"

#include "quic/certificate.h"
#include <gnutls/abstract.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CHAIN_MAX 16u

typedef struct {
    gnutls_x509_crt_t chain[CHAIN_MAX]; /* the node's own first */
    unsigned chain_count;
    gnutls_x509_privkey_t key;
    gnutls_x509_trust_list_t roots;
    px_tls_fault *fault;
} check;

__attribute__((format(printf, 3, 4))) static bool find_fault(check *checked, px_tls_file file,
                                                             const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    checked->fault->file = file;
    (void)vsnprintf(checked->fault->words, sizeof checked->fault->words, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- files ---- */

static bool load_chain(check *checked, const char *path)
{
    gnutls_datum_t bytes = {NULL, 0};
    int err = gnutls_load_file(path, &bytes);
    if (err)
        return find_fault(checked, PX_TLS_FILE_CERT, "cannot be read: %s; check the path and who may read it",
                          gnutls_strerror(err));
    unsigned count = CHAIN_MAX;
    err = gnutls_x509_crt_list_import(checked->chain, &count, &bytes, GNUTLS_X509_FMT_PEM, 0);
    gnutls_free(bytes.data);
    if (err <= 0) {
        return find_fault(checked, PX_TLS_FILE_CERT,
                          "holds no certificate in PEM (%s); give the node's certificate",
                          err < 0 ? gnutls_strerror(err) : "none found");
    }
    checked->chain_count = (unsigned)err;
    return true;
}

static bool load_key(check *checked, const char *path)
{
    gnutls_datum_t bytes = {NULL, 0};
    int err = gnutls_load_file(path, &bytes);
    if (err)
        return find_fault(checked, PX_TLS_FILE_KEY, "cannot be read: %s; check the path and who may read it",
                          gnutls_strerror(err));
    err = gnutls_x509_privkey_init(&checked->key);
    if (!err) err = gnutls_x509_privkey_import2(checked->key, &bytes, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_memset(bytes.data, 0, bytes.size);
    gnutls_free(bytes.data);
    if (!err) return true;
    return find_fault(checked, PX_TLS_FILE_KEY,
                      "holds no unencrypted private key in PEM (%s); give the key of the certificate",
                      gnutls_strerror(err));
}

static bool load_roots(check *checked, const char *path)
{
    gnutls_datum_t bytes = {NULL, 0};
    int err = gnutls_load_file(path, &bytes);
    if (err)
        return find_fault(checked, PX_TLS_FILE_CA, "cannot be read: %s; check the path and who may read it",
                          gnutls_strerror(err));
    err = gnutls_x509_trust_list_init(&checked->roots, 0);
    if (!err) {
        err = gnutls_x509_trust_list_add_trust_mem(checked->roots, &bytes, NULL, GNUTLS_X509_FMT_PEM, 0, 0);
    }
    gnutls_free(bytes.data);
    if (err > 0) return true;
    return find_fault(checked, PX_TLS_FILE_CA,
                      "holds no certificate in PEM (%s); give the root of the cluster's certificates",
                      err < 0 ? gnutls_strerror(err) : "none found");
}

/* ---- questions ---- */

static bool check_key(check *checked)
{
    uint8_t of_certificate[64], of_key[64];
    size_t certificate_bytes = sizeof of_certificate, key_bytes = sizeof of_key;
    if (gnutls_x509_crt_get_key_id(checked->chain[0], GNUTLS_KEYID_USE_SHA256, of_certificate,
                                   &certificate_bytes) == 0 &&
        gnutls_x509_privkey_get_key_id(checked->key, GNUTLS_KEYID_USE_SHA256, of_key, &key_bytes) == 0 &&
        certificate_bytes == key_bytes && memcmp(of_certificate, of_key, key_bytes) == 0) {
        return true;
    }
    return find_fault(checked, PX_TLS_FILE_KEY,
                      "is not the key of the certificate in cert_path; give the two that were made together");
}

static bool check_dates(check *checked)
{
    px_words words = {""};
    if (px_certificate_is_current(checked->chain[0], time(NULL), &words)) return true;
    return find_fault(checked, PX_TLS_FILE_CERT, "the certificate%s; make a new one, or set the clock",
                      words.text);
}

static bool check_root(check *checked)
{
    unsigned status = 0;
    const int err = gnutls_x509_trust_list_verify_crt2(checked->roots, checked->chain, checked->chain_count,
                                                       NULL, 0, 0, &status, NULL);
    if (err)
        return find_fault(checked, PX_TLS_FILE_CERT, "the certificate cannot be verified: %s",
                          gnutls_strerror(err));
    if (status == 0) return true;
    px_words words = {""};
    px_certificate_explain(checked->chain[0], status, false, &words);
    return find_fault(checked, PX_TLS_FILE_CERT, "the certificate%s; have it issued by the cluster's root",
                      words.text);
}

static bool check_name(check *checked, const char *name)
{
    if (px_certificate_has_name(checked->chain[0], name)) return true;
    px_words words = {""};
    px_certificate_describe(checked->chain[0], &words);
    return find_fault(checked, PX_TLS_FILE_CERT,
                      "the certificate does not bear the DNS name %s%s; make one that does", name,
                      words.text);
}

static bool check_purposes(check *checked)
{
    const bool serves = px_certificate_has_purpose(checked->chain[0], GNUTLS_KP_TLS_WWW_SERVER);
    const bool dials = px_certificate_has_purpose(checked->chain[0], GNUTLS_KP_TLS_WWW_CLIENT);
    if (serves && dials) return true;
    return find_fault(checked, PX_TLS_FILE_CERT,
                      "the certificate is not usable as a %s; make one with both serverAuth and clientAuth "
                      "among its extended key usages",
                      serves ? "client" : "server");
}

static void release(check *checked)
{
    for (unsigned i = 0; i < checked->chain_count; i++) gnutls_x509_crt_deinit(checked->chain[i]);
    if (checked->key) gnutls_x509_privkey_deinit(checked->key);
    if (checked->roots) gnutls_x509_trust_list_deinit(checked->roots, 1);
}

px_err px_tls_check(const char *cert_path, const char *key_path, const char *ca_cert_path, const char *name,
                    int64_t *expires_s, px_tls_fault *fault)
{
    check checked = {.fault = fault};
    const bool is_good = load_chain(&checked, cert_path) && load_key(&checked, key_path) &&
                         load_roots(&checked, ca_cert_path) && check_key(&checked) && check_dates(&checked) &&
                         check_root(&checked) && check_name(&checked, name) && check_purposes(&checked);
    if (is_good && expires_s) *expires_s = (int64_t)gnutls_x509_crt_get_expiration_time(checked.chain[0]);
    release(&checked);
    return is_good ? PX_OK : PX_ERR_MALFORMED;
}
