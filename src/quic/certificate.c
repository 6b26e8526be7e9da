/* certificate.c - questions to one X.509 certificate, answered in words.
 *
 * Meaning    A refusal names what was found and what was expected: names, dates, issuers. Whoever reads it in
 *            either log knows which file to mend. [Q30, Q33] */
// SPDX-License-Identifier: Apache-2.0
#include "quic/certificate.h"

#include <string.h>
#include <strings.h>

/* More than any sane certificate has; the rest is not looked at. */
#define NAMES_MAX 64u
#define NAMES_PRINTED_MAX 3u
#define NAME_PRINTED_BYTES_MAX 64u

/* The DNS name at `place` among the subject's alternative names. 0: not a DNS name. Negative: there is none
 * at this place. */
static int read_name(gnutls_x509_crt_t certificate, unsigned place, char *name, size_t *size_bytes)
{
    const int kind = gnutls_x509_crt_get_subject_alt_name(certificate, place, name, size_bytes, NULL);
    if (kind == GNUTLS_E_SHORT_MEMORY_BUFFER) return 0;
    if (kind < 0) return -1;
    return kind == GNUTLS_SAN_DNSNAME ? 1 : 0;
}

bool px_certificate_has_name(gnutls_x509_crt_t certificate, const char *name)
{
    const size_t expected_bytes = strlen(name);
    for (unsigned place = 0; place < NAMES_MAX; place++) {
        char found[256];
        size_t found_bytes = sizeof found;
        const int kind = read_name(certificate, place, found, &found_bytes);
        if (kind < 0) return false;
        if (kind == 0) continue;
        /* A name with a zero byte inside is longer than it looks. */
        if (found_bytes == expected_bytes && !memchr(found, 0, found_bytes) &&
            strncasecmp(found, name, expected_bytes) == 0) {
            return true;
        }
    }
    return false;
}

void px_certificate_describe(gnutls_x509_crt_t certificate, px_words *words)
{
    unsigned printed = 0;
    px_words_add(words, " (");
    for (unsigned place = 0; place < NAMES_MAX; place++) {
        char found[256];
        size_t found_bytes = sizeof found;
        const int kind = read_name(certificate, place, found, &found_bytes);
        if (kind < 0) break;
        if (kind == 0) continue;
        if (printed == NAMES_PRINTED_MAX) {
            px_words_add(words, ", ...");
            break;
        }
        px_words_add(words, printed ? ", " : "names: ");
        px_words_add_foreign(words, found, found_bytes, NAME_PRINTED_BYTES_MAX);
        printed++;
    }
    if (printed == 0) px_words_add(words, "no DNS names");
    char issuer[256];
    size_t issuer_bytes = sizeof issuer;
    if (gnutls_x509_crt_get_issuer_dn(certificate, issuer, &issuer_bytes) == 0) {
        px_words_add(words, "; issued by: ");
        px_words_add_foreign(words, issuer, strnlen(issuer, issuer_bytes), NAME_PRINTED_BYTES_MAX);
    }
    px_words_add(words, ")");
}

bool px_certificate_has_purpose(gnutls_x509_crt_t certificate, const char *purpose)
{
    for (unsigned place = 0; place < NAMES_MAX; place++) {
        char found[128];
        size_t found_bytes = sizeof found;
        const int err = gnutls_x509_crt_get_key_purpose_oid(certificate, place, found, &found_bytes, NULL);
        if (err == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) return place == 0;
        if (err < 0) continue;
        if (strcmp(found, purpose) == 0 || strcmp(found, GNUTLS_KP_ANY) == 0) return true;
    }
    return false;
}

static void add_date(px_words *words, time_t when)
{
    struct tm date;
    char text[32];
    if (gmtime_r(&when, &date) && strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &date)) {
        px_words_add(words, "%s", text);
    }
}

bool px_certificate_is_current(gnutls_x509_crt_t certificate, time_t now, px_words *words)
{
    const time_t from = gnutls_x509_crt_get_activation_time(certificate);
    const time_t until = gnutls_x509_crt_get_expiration_time(certificate);
    if (now < from) {
        px_words_add(words, " is not valid before ");
        add_date(words, from);
    } else if (now > until) {
        px_words_add(words, " expired on ");
        add_date(words, until);
    } else {
        return true;
    }
    px_words_add(words, " (the clock here says ");
    add_date(words, now);
    px_words_add(words, ")");
    return false;
}

void px_certificate_explain(gnutls_x509_crt_t certificate, unsigned status, bool as_client, px_words *words)
{
    if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA)) {
        px_words_add(words, " is not under the root in ca_cert_path");
        px_certificate_describe(certificate, words);
    } else if (status & GNUTLS_CERT_PURPOSE_MISMATCH) {
        px_words_add(words, " is not made for use as a %s (extended key usage)",
                     as_client ? "client" : "server");
        px_certificate_describe(certificate, words);
    } else if (status & (GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED)) {
        /* Where its own dates are right, those of an issuer are not. */
        if (px_certificate_is_current(certificate, time(NULL), words)) {
            px_words_add(words, " has an issuer that is expired or not yet valid");
        }
        px_certificate_describe(certificate, words);
    } else {
        gnutls_datum_t printed = {NULL, 0};
        if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &printed, 0) == 0) {
            px_words_add(words, " is refused: ");
            px_words_add_foreign(words, printed.data, strnlen((const char *)printed.data, printed.size), 160);
            gnutls_free(printed.data);
        } else {
            px_words_add(words, " is refused (status 0x%x)", status);
        }
    }
}
