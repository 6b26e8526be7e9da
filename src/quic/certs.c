/* certs.c - a private root and certificates of nodes.
 *
 * Meaning    Keys on the curve P-256: the handshake stays small, and every library of TLS knows it. A node's
 *            certificate bears its name as the only DNS name and serves as client and as server, since each
 *            node dials and is dialled [Q30]. All begin an hour ago, so that clocks may differ [Q34]. */
// SPDX-License-Identifier: Apache-2.0
#include "quic/certs.h"

#include "quic/words.h"
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BACK_DATED_S 3600
#define DAY_S 86400
#define ROOT_DAYS 3650
#define NODE_DAYS 825
#define SERIAL_BYTES 16u
#define PATH_BYTES 4096u
#define NAME_BYTES_MAX 253u
/* The longest common name there may be. */
#define COMMON_NAME_BYTES_MAX 64u

/* A certificate and its key; both NULL, or both there. */
typedef struct {
    gnutls_x509_crt_t certificate;
    gnutls_x509_privkey_t key;
} pair;

static void free_pair(pair *made)
{
    if (made->certificate) gnutls_x509_crt_deinit(made->certificate);
    if (made->key) gnutls_x509_privkey_deinit(made->key);
    *made = (pair){NULL, NULL};
}

static px_err err_of_errno(int number)
{
    if (number == EACCES || number == EPERM || number == EROFS) return PX_ERR_DENIED;
    if (number == ENOSPC || number == EDQUOT) return PX_ERR_NO_SPACE;
    return PX_ERR_IO;
}

/* ---- files ---- */

static bool path_of(char path[PATH_BYTES], const char *dir, const char *name, const char *suffix)
{
    const int length = snprintf(path, PATH_BYTES, "%s/%s%s", dir, name, suffix);
    return length > 0 && (size_t)length < PATH_BYTES;
}

static int write_all(int fd, const gnutls_datum_t *bytes)
{
    for (size_t done = 0; done < bytes->size;) {
        const ssize_t wrote = write(fd, bytes->data + done, bytes->size - done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return errno;
        done += (size_t)wrote;
    }
    return fsync(fd) ? errno : 0;
}

/* Writes beside the file and renames: whoever reads meanwhile finds the old one or the new one. */
static px_err write_file(const char *path, const gnutls_datum_t *bytes, mode_t mode, px_words *fault)
{
    char beside[PATH_BYTES + 8];
    (void)snprintf(beside, sizeof beside, "%s.new", path);
    (void)unlink(beside);
    int number = 0;
    const int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) {
        number = errno;
    } else {
        number = write_all(fd, bytes);
        if (close(fd) && !number) number = errno;
        if (!number && rename(beside, path)) number = errno;
        if (number) (void)unlink(beside);
    }
    if (!number) return PX_OK;
    px_words_set(fault, "%s: cannot be written: %s", path, strerror(number));
    return err_of_errno(number);
}

static px_err write_pair(const char *dir, const char *name, const pair *made, px_words *fault)
{
    char path[PATH_BYTES];
    gnutls_datum_t bytes = {NULL, 0};
    if (gnutls_x509_privkey_export2_pkcs8(made->key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &bytes)) {
        px_words_set(fault, "the key of %s cannot be encoded", name);
        return PX_ERR_IO;
    }
    px_err err = path_of(path, dir, name, ".key") ? write_file(path, &bytes, 0600, fault) : PX_ERR_MALFORMED;
    gnutls_memset(bytes.data, 0, bytes.size);
    gnutls_free(bytes.data);
    if (err) return err;
    if (gnutls_x509_crt_export2(made->certificate, GNUTLS_X509_FMT_PEM, &bytes)) {
        px_words_set(fault, "the certificate of %s cannot be encoded", name);
        return PX_ERR_IO;
    }
    err = path_of(path, dir, name, ".crt") ? write_file(path, &bytes, 0644, fault) : PX_ERR_MALFORMED;
    gnutls_free(bytes.data);
    return err;
}

static bool load_pair(const char *dir, const char *name, pair *loaded, px_words *fault)
{
    char path[PATH_BYTES];
    gnutls_datum_t bytes = {NULL, 0};
    int err = GNUTLS_E_MEMORY_ERROR;
    if (gnutls_x509_crt_init(&loaded->certificate) || gnutls_x509_privkey_init(&loaded->key)) goto fail;
    err = path_of(path, dir, name, ".crt") ? gnutls_load_file(path, &bytes) : GNUTLS_E_FILE_ERROR;
    if (!err) err = gnutls_x509_crt_import(loaded->certificate, &bytes, GNUTLS_X509_FMT_PEM);
    gnutls_free(bytes.data);
    if (err) goto fail;
    bytes = (gnutls_datum_t){NULL, 0};
    err = path_of(path, dir, name, ".key") ? gnutls_load_file(path, &bytes) : GNUTLS_E_FILE_ERROR;
    if (!err) err = gnutls_x509_privkey_import2(loaded->key, &bytes, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_free(bytes.data);
    if (err) goto fail;
    return true;
fail:
    px_words_set(fault, "%s: cannot be read: %s", path, gnutls_strerror(err));
    free_pair(loaded);
    return false;
}

/* ---- certificates ---- */

static bool set_serial(gnutls_x509_crt_t certificate)
{
    uint8_t serial[SERIAL_BYTES];
    if (gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial)) return false;
    /* Positive, and not shorter than it looks. */
    serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40);
    return gnutls_x509_crt_set_serial(certificate, serial, sizeof serial) == 0;
}

/* What every certificate has: key, number, dates. `days` from now on. */
static bool begin_pair(pair *made, int days)
{
    const time_t now = time(NULL);
    uint8_t id[64];
    size_t id_bytes = sizeof id;
    if (gnutls_x509_privkey_init(&made->key) || gnutls_x509_crt_init(&made->certificate)) return false;
    if (gnutls_x509_privkey_generate(made->key, GNUTLS_PK_EC,
                                     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0)) {
        return false;
    }
    gnutls_x509_crt_t certificate = made->certificate;
    return !gnutls_x509_crt_set_version(certificate, 3) && set_serial(certificate) &&
           !gnutls_x509_crt_set_activation_time(certificate, now - BACK_DATED_S) &&
           !gnutls_x509_crt_set_expiration_time(certificate, now + (time_t)days * DAY_S) &&
           !gnutls_x509_crt_set_key(certificate, made->key) &&
           !gnutls_x509_crt_get_key_id(certificate, 0, id, &id_bytes) &&
           !gnutls_x509_crt_set_subject_key_id(certificate, id, id_bytes);
}

static bool set_common_name(gnutls_x509_crt_t certificate, const char *name)
{
    const size_t size_bytes = strlen(name);
    if (size_bytes > COMMON_NAME_BYTES_MAX) return true;
    return gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                         (unsigned)size_bytes) == 0;
}

static bool sign(const pair *made, const pair *issuer)
{
    uint8_t id[64];
    size_t id_bytes = sizeof id;
    if (gnutls_x509_crt_get_subject_key_id(issuer->certificate, id, &id_bytes, NULL) == 0 &&
        gnutls_x509_crt_set_authority_key_id(made->certificate, id, id_bytes)) {
        return false;
    }
    return gnutls_x509_crt_sign2(made->certificate, issuer->certificate, issuer->key, GNUTLS_DIG_SHA256, 0) ==
           0;
}

static bool make_root(pair *root)
{
    /* Two roots of one name would be mistaken for each other in words. */
    uint8_t random[4];
    char name[32];
    if (gnutls_rnd(GNUTLS_RND_NONCE, random, sizeof random)) return false;
    (void)snprintf(name, sizeof name, "px root %02x%02x%02x%02x", random[0], random[1], random[2], random[3]);
    return begin_pair(root, ROOT_DAYS) && set_common_name(root->certificate, name) &&
           !gnutls_x509_crt_set_basic_constraints(root->certificate, 1, 0) &&
           !gnutls_x509_crt_set_key_usage(root->certificate,
                                          GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN) &&
           sign(root, root);
}

static bool make_node(pair *node, const pair *root, const char *name)
{
    return begin_pair(node, NODE_DAYS) && set_common_name(node->certificate, name) &&
           !gnutls_x509_crt_set_subject_alt_name(node->certificate, GNUTLS_SAN_DNSNAME, name,
                                                 (unsigned)strlen(name), GNUTLS_FSAN_SET) &&
           !gnutls_x509_crt_set_basic_constraints(node->certificate, 0, -1) &&
           !gnutls_x509_crt_set_key_usage(node->certificate, GNUTLS_KEY_DIGITAL_SIGNATURE) &&
           !gnutls_x509_crt_set_key_purpose_oid(node->certificate, GNUTLS_KP_TLS_WWW_SERVER, 0) &&
           !gnutls_x509_crt_set_key_purpose_oid(node->certificate, GNUTLS_KP_TLS_WWW_CLIENT, 0) &&
           sign(node, root);
}

/* ---- the command ---- */

/* An address of four numbers is none, although it looks like one: me.id may be none either. */
static bool is_dns_name(const char *name)
{
    const size_t size_bytes = strlen(name);
    if (strspn(name, "0123456789.") == size_bytes) return false;
    if (size_bytes == 0 || size_bytes > NAME_BYTES_MAX) return false;
    if (name[0] == '.' || name[0] == '-' || name[size_bytes - 1] == '.') return false;
    for (size_t i = 0; i < size_bytes; i++) {
        const char c = name[i];
        const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_letter && c != '-' && c != '_' && c != '.') return false;
        if (c == '.' && name[i + 1] == '.') return false;
    }
    return true;
}

static px_err check_names(const char *const *names, size_t count, px_words *fault)
{
    for (size_t i = 0; i < count; i++) {
        if (is_dns_name(names[i]) && strcasecmp(names[i], "ca") != 0) continue;
        px_words_set(fault, "'");
        px_words_add_foreign(fault, names[i], strlen(names[i]), 64);
        px_words_add(fault, "' can be no name of a node: give a DNS name such as px1.example (and not ca)");
        return PX_ERR_MALFORMED;
    }
    return PX_OK;
}

static px_err load_or_make_root(const char *dir, pair *root, px_words *fault)
{
    char certificate_path[PATH_BYTES], key_path[PATH_BYTES];
    if (!path_of(certificate_path, dir, "ca", ".crt") || !path_of(key_path, dir, "ca", ".key")) {
        px_words_set(fault, "the path of the folder is too long");
        return PX_ERR_MALFORMED;
    }
    const bool has_certificate = access(certificate_path, F_OK) == 0;
    const bool has_key = access(key_path, F_OK) == 0;
    if (has_certificate && has_key) return load_pair(dir, "ca", root, fault) ? PX_OK : PX_ERR_MALFORMED;
    if (has_certificate || has_key) {
        px_words_set(fault, "%s is there but %s is not: put it back, or remove both for a new root",
                     has_key ? key_path : certificate_path, has_key ? certificate_path : key_path);
        return PX_ERR_MALFORMED;
    }
    if (make_root(root)) return write_pair(dir, "ca", root, fault);
    px_words_set(fault, "the root cannot be made");
    return PX_ERR_IO;
}

static px_err make_all(const char *dir, const char *const *names, size_t count, px_words *fault)
{
    px_err err = check_names(names, count, fault);
    if (err) return err;
    if (mkdir(dir, 0755) && errno != EEXIST) {
        px_words_set(fault, "%s: the folder cannot be made: %s", dir, strerror(errno));
        return err_of_errno(errno);
    }
    pair root = {NULL, NULL};
    err = load_or_make_root(dir, &root, fault);
    for (size_t i = 0; i < count && !err; i++) {
        pair node = {NULL, NULL};
        if (make_node(&node, &root, names[i])) {
            err = write_pair(dir, names[i], &node, fault);
        } else {
            px_words_set(fault, "the certificate of %s cannot be made (does ca.key belong to ca.crt?)",
                         names[i]);
            err = PX_ERR_MALFORMED;
        }
        free_pair(&node);
    }
    free_pair(&root);
    return err;
}

px_err px_certs_make(const char *dir, const char *const *names, size_t count, char *fault, size_t fault_bytes)
{
    px_words words = {""};
    const px_err err = make_all(dir, names, count, &words);
    if (err) (void)snprintf(fault, fault_bytes, "%s", words.text);
    return err;
}
