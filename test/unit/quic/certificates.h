/* certificates.h - good and bad certificates for tests. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_UNIT_QUIC_CERTIFICATES_H
#define PX_TEST_UNIT_QUIC_CERTIFICATES_H

#include <gnutls/x509.h>
#include <stdbool.h>
#include <stdint.h>

/* What a test wants of a certificate; zero for what is ordinary. */
typedef struct {
    const char *names[4]; /* DNS names; none where the first is NULL */
    const char *common_name;
    int64_t begins_s, ends_s; /* from now; 0: an hour ago, in a day */
    bool is_server_only, is_client_only;
} test_certificate;

/* A folder of its own below the system's for such, removed at exit. */
const char *test_folder(void);

/* Writes FOLDER/NAME.crt and FOLDER/NAME.key, a root. */
void test_make_root(const char *name);
/* Writes FOLDER/NAME.crt and FOLDER/NAME.key, issued by that root. */
void test_make_certificate(const char *root, const char *name, const test_certificate *wanted);
/* FOLDER/NAMEsuffix, in one of a few static buffers. */
const char *test_path(const char *name, const char *suffix);

#endif
