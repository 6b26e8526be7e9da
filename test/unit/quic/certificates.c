/* certificates.c - good and bad certificates for tests. */
// SPDX-License-Identifier: Apache-2.0
#include "certificates.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DAY_S 86400

static char folder[256];

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void remove_folder(void)
{
    (void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *test_folder(void)
{
    if (folder[0]) return folder;
    const char *base = getenv("TMPDIR");
    (void)snprintf(folder, sizeof folder, "%s/px-quic-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(atexit(remove_folder), 0);
    return folder;
}

const char *test_path(const char *name, const char *suffix)
{
    static char paths[64][512];
    static unsigned next;
    char *path = paths[next++ % 64];
    (void)snprintf(path, sizeof paths[0], "%s/%s%s", test_folder(), name, suffix);
    return path;
}

static void save(const char *path, gnutls_datum_t *bytes)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes->data, 1, bytes->size, file), bytes->size);
    assert_int_equal(fclose(file), 0);
    gnutls_free(bytes->data);
}

static void save_pair(const char *name, gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key)
{
    gnutls_datum_t bytes = {NULL, 0};
    assert_int_equal(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &bytes), 0);
    save(test_path(name, ".crt"), &bytes);
    assert_int_equal(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &bytes), 0);
    save(test_path(name, ".key"), &bytes);
}

static void load_pair(const char *name, gnutls_x509_crt_t *certificate, gnutls_x509_privkey_t *key)
{
    gnutls_datum_t bytes = {NULL, 0};
    assert_int_equal(gnutls_x509_crt_init(certificate), 0);
    assert_int_equal(gnutls_load_file(test_path(name, ".crt"), &bytes), 0);
    assert_int_equal(gnutls_x509_crt_import(*certificate, &bytes, GNUTLS_X509_FMT_PEM), 0);
    gnutls_free(bytes.data);
    assert_int_equal(gnutls_x509_privkey_init(key), 0);
    assert_int_equal(gnutls_load_file(test_path(name, ".key"), &bytes), 0);
    assert_int_equal(gnutls_x509_privkey_import(*key, &bytes, GNUTLS_X509_FMT_PEM), 0);
    gnutls_free(bytes.data);
}

static void begin(gnutls_x509_crt_t *certificate, gnutls_x509_privkey_t *key, int64_t begins_s,
                  int64_t ends_s)
{
    const time_t now = time(NULL);
    uint8_t serial[8];
    assert_int_equal(gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial), 0);
    serial[0] = 0x11;
    assert_int_equal(gnutls_x509_privkey_init(key), 0);
    assert_int_equal(gnutls_x509_privkey_generate(*key, GNUTLS_PK_EC,
                                                  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
                     0);
    assert_int_equal(gnutls_x509_crt_init(certificate), 0);
    assert_int_equal(gnutls_x509_crt_set_version(*certificate, 3), 0);
    assert_int_equal(gnutls_x509_crt_set_serial(*certificate, serial, sizeof serial), 0);
    assert_int_equal(gnutls_x509_crt_set_activation_time(*certificate, now + begins_s), 0);
    assert_int_equal(gnutls_x509_crt_set_expiration_time(*certificate, now + ends_s), 0);
    assert_int_equal(gnutls_x509_crt_set_key(*certificate, *key), 0);
}

static void name_it(gnutls_x509_crt_t certificate, const char *name)
{
    assert_int_equal(gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                                   (unsigned)strlen(name)),
                     0);
}

void test_make_root(const char *name)
{
    gnutls_x509_crt_t certificate;
    gnutls_x509_privkey_t key;
    begin(&certificate, &key, -3600, DAY_S);
    name_it(certificate, name);
    assert_int_equal(gnutls_x509_crt_set_basic_constraints(certificate, 1, 0), 0);
    assert_int_equal(gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_KEY_CERT_SIGN), 0);
    assert_int_equal(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0), 0);
    save_pair(name, certificate, key);
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
}

void test_make_certificate(const char *root, const char *name, const test_certificate *wanted)
{
    gnutls_x509_crt_t certificate, root_certificate;
    gnutls_x509_privkey_t key, root_key;
    load_pair(root, &root_certificate, &root_key);
    begin(&certificate, &key, wanted->begins_s ? wanted->begins_s : -3600,
          wanted->ends_s ? wanted->ends_s : DAY_S);
    if (wanted->common_name) name_it(certificate, wanted->common_name);
    for (size_t i = 0; i < 4 && wanted->names[i]; i++) {
        assert_int_equal(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME,
                                                              wanted->names[i],
                                                              (unsigned)strlen(wanted->names[i]),
                                                              GNUTLS_FSAN_APPEND),
                         0);
    }
    if (!wanted->is_client_only) {
        assert_int_equal(gnutls_x509_crt_set_key_purpose_oid(certificate, GNUTLS_KP_TLS_WWW_SERVER, 0), 0);
    }
    if (!wanted->is_server_only) {
        assert_int_equal(gnutls_x509_crt_set_key_purpose_oid(certificate, GNUTLS_KP_TLS_WWW_CLIENT, 0), 0);
    }
    assert_int_equal(gnutls_x509_crt_sign2(certificate, root_certificate, root_key, GNUTLS_DIG_SHA256, 0), 0);
    save_pair(name, certificate, key);
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
    gnutls_x509_crt_deinit(root_certificate);
    gnutls_x509_privkey_deinit(root_key);
}
