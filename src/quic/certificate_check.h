/* certificate_check.h - whether a node's certificate, key and root will do, before anything is bound.
 *
 * Source     spec.md §2: each fault is one line that names what to mend. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_QUIC_CERTIFICATE_CHECK_H
#define PX_QUIC_CERTIFICATE_CHECK_H

#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

/* Which file is to be mended. */
/* Where the three are; all PEM. */
typedef struct {
    const char *cert_path, *key_path, *ca_cert_path;
} px_tls_files;

typedef enum { PX_TLS_FILE_CERT, PX_TLS_FILE_KEY, PX_TLS_FILE_CA } px_tls_file;

typedef struct {
    px_tls_file file;
    char words[512]; /* what is wrong, and the mend; without the file's name */
} px_tls_fault;

/* Looks for the first fault: files that hold no certificate or key, a key that does not belong to the
 * certificate, one that is not valid now, not under the root, without `name` among its DNS names, or not
 * usable as both server and client.
 * expires_s   where not NULL: when the certificate ends, in seconds of the epoch.
 * Errors      PX_ERR_MALFORMED, and *fault is written. */
PX_MUST_USE px_err px_tls_check(const char *cert_path, const char *key_path, const char *ca_cert_path,
                                const char *name, int64_t *expires_s, px_tls_fault *fault);

#endif
