/* certs_test.c - what `pxctl certs` makes passes every check; what is wrong in files is said in words. */
// SPDX-License-Identifier: Apache-2.0
#include "quic/certs.h"

#include "certificates.h"
#include "quic/certificate_check.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char fault[512];

static const char *in(const char *dir, const char *name)
{
    static char paths[16][600];
    static unsigned next;
    char *path = paths[next++ % 16];
    (void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static size_t read_file(const char *path, char *text, size_t text_bytes)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    const size_t size_bytes = fread(text, 1, text_bytes, file);
    assert_int_equal(fclose(file), 0);
    return size_bytes;
}

static unsigned mode_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 0777;
}

/* ---- making ---- */

static void certs__what_is_made_passes_every_check(void **state)
{
    (void)state;
    const char *dir = test_path("made", "");
    const char *const names[] = {"px1.example", "px2.example"};
    assert_int_equal(px_certs_make(dir, names, 2, fault, sizeof fault), PX_OK);
    for (int i = 0; i < 2; i++) {
        px_tls_fault found;
        int64_t expires_s = 0;
        char certificate[300], key[300];
        (void)snprintf(certificate, sizeof certificate, "%s/%s.crt", dir, names[i]);
        (void)snprintf(key, sizeof key, "%s/%s.key", dir, names[i]);
        assert_int_equal(px_tls_check(certificate, key, in(dir, "ca.crt"), names[i], &expires_s, &found),
                         PX_OK);
        assert_true(expires_s > time(NULL) + 300 * 86400);
        assert_int_equal(mode_of(key), 0600);
        assert_int_equal(px_tls_check(certificate, key, in(dir, "ca.crt"), names[1 - i], NULL, &found),
                         PX_ERR_MALFORMED);
    }
    assert_int_equal(mode_of(in(dir, "ca.key")), 0600);
}

static void certs__the_root_is_kept_and_nodes_are_renewed(void **state)
{
    (void)state;
    const char *dir = test_path("kept", "");
    const char *const names[] = {"a.example", "b.example"};
    static char root[2][4096], node[2][4096];
    assert_int_equal(px_certs_make(dir, names, 1, fault, sizeof fault), PX_OK);
    const size_t root_bytes = read_file(in(dir, "ca.crt"), root[0], 4096);
    const size_t node_bytes = read_file(in(dir, "a.example.crt"), node[0], 4096);
    assert_int_equal(px_certs_make(dir, names, 2, fault, sizeof fault), PX_OK);
    assert_int_equal(read_file(in(dir, "ca.crt"), root[1], 4096), root_bytes);
    assert_memory_equal(root[0], root[1], root_bytes);
    assert_true(read_file(in(dir, "a.example.crt"), node[1], 4096) > 0);
    assert_memory_not_equal(node[0], node[1], node_bytes);
    px_tls_fault found;
    assert_int_equal(px_tls_check(in(dir, "b.example.crt"), in(dir, "b.example.key"), in(dir, "ca.crt"),
                                  "b.example", NULL, &found),
                     PX_OK);
}

static void certs__half_a_root_is_refused(void **state)
{
    (void)state;
    const char *dir = test_path("half", "");
    const char *const names[] = {"a.example"};
    assert_int_equal(px_certs_make(dir, names, 1, fault, sizeof fault), PX_OK);
    assert_int_equal(unlink(in(dir, "ca.key")), 0);
    assert_int_equal(px_certs_make(dir, names, 1, fault, sizeof fault), PX_ERR_MALFORMED);
    assert_non_null(strstr(fault, "ca.key is not"));
}

static void certs__names_that_are_none_are_refused_before_anything_is_made(void **state)
{
    (void)state;
    const char *dir = test_path("names", "");
    static const char *const bad[] = {"",   "../x", "a/b", ".a", "-a",  "a..b",
                                      "a.", "a b",  "ca",  "CA", "a\n", "10.0.0.1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(px_certs_make(dir, &bad[i], 1, fault, sizeof fault), PX_ERR_MALFORMED);
        assert_non_null(strstr(fault, "can be no name of a node"));
    }
    assert_int_not_equal(access(dir, F_OK), 0);
    const char *const good[] = {"localhost", "PX-1.example_2.org"};
    assert_int_equal(px_certs_make(dir, good, 2, fault, sizeof fault), PX_OK);
}

static void certs__a_folder_that_cannot_be_made_is_said(void **state)
{
    (void)state;
    const char *const names[] = {"a.example"};
    assert_int_not_equal(px_certs_make("/proc/nowhere/certs", names, 1, fault, sizeof fault), PX_OK);
    assert_non_null(strstr(fault, "/proc/nowhere/certs"));
}

/* ---- checking ---- */

static void expect_fault(const char *certificate, const char *key, const char *root, px_tls_file file,
                         const char *words)
{
    px_tls_fault found = {.words = ""};
    assert_int_equal(px_tls_check(certificate, key, root, "px1.test", NULL, &found), PX_ERR_MALFORMED);
    if (!strstr(found.words, words)) fail_msg("said: %s", found.words);
    assert_int_equal(found.file, file);
}

static void expect_bad_certificate(const char *root, const test_certificate *wanted, const char *words)
{
    test_make_certificate(root, "checked", wanted);
    expect_fault(test_path("checked", ".crt"), test_path("checked", ".key"), test_path("root", ".crt"),
                 PX_TLS_FILE_CERT, words);
}

static void certs__each_fault_of_a_certificate_is_found(void **state)
{
    (void)state;
    test_make_root("root");
    test_make_root("other");
    expect_bad_certificate("root",
                           &(test_certificate){.names = {"px1.test"}, .begins_s = -7200, .ends_s = -60},
                           "expired on 20");
    expect_bad_certificate("root", &(test_certificate){.names = {"px1.test"}, .begins_s = 3600},
                           "is not valid before 20");
    expect_bad_certificate("other", &(test_certificate){.names = {"px1.test"}},
                           "is not under the root in ca_cert_path");
    expect_bad_certificate("root", &(test_certificate){.names = {"px2.test"}},
                           "does not bear the DNS name px1.test (names: px2.test");
    expect_bad_certificate("root", &(test_certificate){.common_name = "px1.test"},
                           "does not bear the DNS name px1.test");
    expect_bad_certificate("root", &(test_certificate){.names = {"px1.test"}, .is_server_only = true},
                           "is not usable as a client");
    expect_bad_certificate("root", &(test_certificate){.names = {"px1.test"}, .is_client_only = true},
                           "is not usable as a server");
    test_make_certificate("root", "checked", &(test_certificate){.names = {"px2.test", "px1.test"}});
    px_tls_fault found;
    assert_int_equal(px_tls_check(test_path("checked", ".crt"), test_path("checked", ".key"),
                                  test_path("root", ".crt"), "px1.test", NULL, &found),
                     PX_OK);
}

static void certs__each_fault_of_a_file_is_found(void **state)
{
    (void)state;
    test_make_root("root");
    test_make_certificate("root", "first", &(test_certificate){.names = {"px1.test"}});
    test_make_certificate("root", "second", &(test_certificate){.names = {"px1.test"}});
    const char *certificate = test_path("first", ".crt"), *key = test_path("first", ".key");
    const char *root = test_path("root", ".crt");
    expect_fault("/nowhere.crt", key, root, PX_TLS_FILE_CERT, "cannot be read");
    expect_fault(certificate, "/nowhere.key", root, PX_TLS_FILE_KEY, "cannot be read");
    expect_fault(certificate, key, "/nowhere.crt", PX_TLS_FILE_CA, "cannot be read");
    expect_fault(key, key, root, PX_TLS_FILE_CERT, "holds no certificate in PEM");
    expect_fault(certificate, certificate, root, PX_TLS_FILE_KEY, "holds no unencrypted private key");
    expect_fault(certificate, key, key, PX_TLS_FILE_CA, "holds no certificate in PEM");
    expect_fault(certificate, test_path("second", ".key"), root, PX_TLS_FILE_KEY,
                 "is not the key of the certificate");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certs__what_is_made_passes_every_check),
        cmocka_unit_test(certs__the_root_is_kept_and_nodes_are_renewed),
        cmocka_unit_test(certs__half_a_root_is_refused),
        cmocka_unit_test(certs__names_that_are_none_are_refused_before_anything_is_made),
        cmocka_unit_test(certs__a_folder_that_cannot_be_made_is_said),
        cmocka_unit_test(certs__each_fault_of_a_certificate_is_found),
        cmocka_unit_test(certs__each_fault_of_a_file_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
