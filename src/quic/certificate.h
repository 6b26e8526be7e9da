/* certificate.h - questions to one X.509 certificate, answered in words. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_QUIC_CERTIFICATE_H
#define PX_QUIC_CERTIFICATE_H

#include "quic/words.h"
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <time.h>

/* Whether a DNS name of the certificate is exactly `name`: no wildcards, no common name. Letters compare
 * without case. [Q30] */
bool px_certificate_has_name(gnutls_x509_crt_t certificate, const char *name);

/* Adds what the certificate is called: "(names: a, b; issued by: CN=...)". */
void px_certificate_describe(gnutls_x509_crt_t certificate, px_words *words);

/* Whether it may be used for GNUTLS_KP_TLS_WWW_SERVER or GNUTLS_KP_TLS_WWW_CLIENT. One that lists no usages
 * may be used for all. */
bool px_certificate_has_purpose(gnutls_x509_crt_t certificate, const char *purpose);

/* Whether it is valid now; where not, the words say since or until when. */
bool px_certificate_is_current(gnutls_x509_crt_t certificate, time_t now, px_words *words);

/* Turns GnuTLS's verdict over a chain whose first certificate this is into words. */
void px_certificate_explain(gnutls_x509_crt_t certificate, unsigned status, bool as_client, px_words *words);

#endif
