/* matrix_test.c - who is let in and who is not, and that both sides say why.
 *
 * Meaning    px0 is in order; something is wrong with px1. px1 dials px0 (it is refused as a client), and px0
 *            dials px1 (it is refused as a server); each of the four logs must name the fault. [Q30-Q33] */
// SPDX-License-Identifier: Apache-2.0
#include "certificates.h"
#include "stranger.h"
#include "world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_US 1000000u
#define DAY_S 86400

static world at;
static stranger visitor;

/* What is said where, set by a test before it waits. */
static const char *as_client, *as_server;

static bool said_by_all(world *in)
{
    const host *good = &in->hosts[0], *bad = &in->hosts[1];
    if (as_client && !(host_logged(good, "a connection from", as_client) &&
                       host_logged(bad, "dialling px0.test", as_client))) {
        return false;
    }
    return !as_server || (host_logged(good, "dialling px1.test", as_server) &&
                          host_logged(bad, "a connection from", as_server));
}

static void expect_words(const char *client_words, const char *server_words)
{
    as_client = client_words;
    as_server = server_words;
    host_start(&at.hosts[0]);
    host_start(&at.hosts[1]);
    const bool said = world_run_until(&at, 5 * SECOND_US, said_by_all);
    for (uint32_t i = 0; i < 2 && !said; i++) {
        for (uint32_t line = 0; line < at.hosts[i].line_count && line < 8; line++)
            (void)fprintf(stderr, "px%u: %s\n", i, at.hosts[i].lines[line]);
    }
    assert_true(said);
    for (uint32_t i = 0; i < 2; i++) {
        if (as_client) assert_int_equal(at.hosts[1].ups[0], 0);
        if (as_server) assert_int_equal(at.hosts[0].ups[1], 0);
        if (as_client) assert_int_equal(at.hosts[0].in_count, 0);
    }
    world_close(&at);
}

static void give(const char *root, const char *name, const test_certificate *wanted)
{
    test_make_certificate(root, name, wanted);
    at.hosts[1].config.files.cert_path = test_path(name, ".crt");
    at.hosts[1].config.files.key_path = test_path(name, ".key");
}

static void matrix__a_certificate_of_another_root_is_refused(void **state)
{
    (void)state;
    world_open(&at, 2);
    test_make_root("other");
    give("other", "foreign", &(test_certificate){.names = {"px1.test"}});
    expect_words("the certificate of the client is not under the root in ca_cert_path (names: px1.test; "
                 "issued by: CN=other)",
                 "the certificate of the server is not under the root in ca_cert_path (names: px1.test; "
                 "issued by: CN=other)");
}

static void matrix__an_expired_certificate_is_refused(void **state)
{
    (void)state;
    world_open(&at, 2);
    give("root", "expired", &(test_certificate){.names = {"px1.test"}, .begins_s = -DAY_S, .ends_s = -60});
    expect_words("the certificate of the client expired on 20",
                 "the certificate of the server expired on 20");
}

static void matrix__a_certificate_of_tomorrow_is_refused(void **state)
{
    (void)state;
    world_open(&at, 2);
    give("root", "future", &(test_certificate){.names = {"px1.test"}, .begins_s = 3600, .ends_s = DAY_S});
    expect_words("the certificate of the client is not valid before 20",
                 "the certificate of the server is not valid before 20");
}

static void matrix__a_certificate_for_servers_only_does_not_dial(void **state)
{
    (void)state;
    world_open(&at, 2);
    give("root", "server", &(test_certificate){.names = {"px1.test"}, .is_server_only = true});
    expect_words("the certificate of the client is not made for use as a client", NULL);
}

static void matrix__a_certificate_for_clients_only_does_not_serve(void **state)
{
    (void)state;
    world_open(&at, 2);
    give("root", "client", &(test_certificate){.names = {"px1.test"}, .is_client_only = true});
    expect_words(NULL, "the certificate of the server is not made for use as a server");
}

static void matrix__a_name_of_no_member_is_refused(void **state)
{
    (void)state;
    world_open(&at, 2);
    give("root", "unknown", &(test_certificate){.names = {"px9.test", "px8.test"}});
    expect_words(
        "the certificate of the client bears no name of a member (names: px9.test, px8.test",
        "the certificate of the server does not bear the expected name px1.test (names: px9.test, px8.test");
}

static void matrix__the_common_name_alone_is_no_name(void **state)
{
    (void)state;
    world_open(&at, 2);
    give("root", "common", &(test_certificate){.common_name = "px1.test"});
    expect_words("the certificate of the client bears no name of a member (no DNS names",
                 "the certificate of the server does not bear the expected name px1.test (no DNS names");
}

static void matrix__a_wildcard_is_no_name(void **state)
{
    (void)state;
    world_open(&at, 2);
    give("root", "wild", &(test_certificate){.names = {"*.test"}});
    expect_words("bears no name of a member (names: *.test",
                 "does not bear the expected name px1.test (names: *.test");
}

static void matrix__the_name_of_another_member_is_refused_by_who_dials(void **state)
{
    (void)state;
    world_open(&at, 3);
    give("root", "swapped", &(test_certificate){.names = {"px2.test"}});
    expect_words(NULL,
                 "the certificate of the server does not bear the expected name px1.test (names: px2.test");
}

static bool is_accepted(world *in)
{
    return in->hosts[0].in_count > 0 && in->hosts[0].is_up[1];
}

static void matrix__letters_of_names_compare_without_case(void **state)
{
    (void)state;
    world_open(&at, 2);
    give("root", "upper", &(test_certificate){.names = {"PX1.Test"}});
    host_start(&at.hosts[0]);
    host_start(&at.hosts[1]);
    assert_true(world_run_until(&at, 5 * SECOND_US, is_accepted));
    world_close(&at);
}

static void matrix__a_certificate_of_several_members_bears_all_their_names(void **state)
{
    (void)state;
    world_open(&at, 3);
    give("root", "shared", &(test_certificate){.names = {"px0.test", "px1.test", "px2.test"}});
    host_start(&at.hosts[0]);
    host_start(&at.hosts[1]);
    assert_true(world_run_until(&at, 5 * SECOND_US, is_accepted));
    px_net *net = at.hosts[0].net;
    const uint64_t connection = at.hosts[0].in_list[0].id;
    assert_true(net->bears(net, connection, 1));
    assert_true(net->bears(net, connection, 2));
    assert_false(net->bears(net, connection, 0));
    assert_false(net->bears(net, connection + 100, 1));
    world_close(&at);
}

/* ---- strangers ---- */

static bool visitor_is_refused(world *in)
{
    stranger_flush(&visitor);
    return visitor.has_ended && in->hosts[0].line_count > 0;
}

static void expect_visitor_words(const char *here, const char *there)
{
    stranger_flush(&visitor);
    assert_true(world_run_until(&at, 5 * SECOND_US, visitor_is_refused));
    assert_false(visitor.is_ready);
    if (!strstr(visitor.reason.text, there)) fail_msg("the visitor heard: %s", visitor.reason.text);
    if (!host_logged(&at.hosts[0], "a connection from", here)) fail_msg("px0 said: %s", at.hosts[0].lines[0]);
    stranger_close(&visitor);
    world_close(&at);
}

static void open_for_visitor(void)
{
    world_open(&at, 2);
    at.hosts[0].config.servers[0].port = 9; /* nobody there: px0 only listens */
    at.hosts[0].config.retry_delay_us = 3600000000u;
    host_start(&at.hosts[0]);
    at.hosts[0].log.level = PX_LOG_WARN;
    stranger_dial(&visitor, &at.hosts[1], &at.hosts[0]);
    at.hosts[0].line_count = 0;
}

static void matrix__no_certificate_is_refused(void **state)
{
    (void)state;
    open_for_visitor();
    gnutls_certificate_credentials_t none;
    assert_int_equal(gnutls_certificate_allocate_credentials(&none), 0);
    assert_true(gnutls_certificate_set_x509_trust_file(none, test_path("root", ".crt"), GNUTLS_X509_FMT_PEM) >
                0);
    assert_int_equal(gnutls_credentials_set(visitor.connection->tls.gnutls, GNUTLS_CRD_CERTIFICATE, none), 0);
    expect_visitor_words("the client shows no certificate", "the client shows no certificate");
    gnutls_certificate_free_credentials(none);
}

/* Gives the visitor a TLS session that offers another protocol, or none: one that was offered cannot be taken
 * back. */
static void offer(const char *protocol)
{
    px_tls_session *session = &visitor.connection->tls;
    gnutls_certificate_credentials_t credentials;
    assert_int_equal(gnutls_credentials_get(session->gnutls, GNUTLS_CRD_CERTIFICATE,
                                            (void **)(void *)&credentials),
                     0);
    gnutls_deinit(session->gnutls);
    assert_int_equal(gnutls_init(&session->gnutls, GNUTLS_CLIENT | GNUTLS_NO_TICKETS), 0);
    assert_int_equal(gnutls_priority_set_direct(session->gnutls,
                                                "NORMAL:-VERS-ALL:+VERS-TLS1.3:%DISABLE_TLS13_COMPAT_MODE",
                                                NULL),
                     0);
    assert_int_equal(ngtcp2_crypto_gnutls_configure_client_session(session->gnutls), 0);
    assert_int_equal(gnutls_credentials_set(session->gnutls, GNUTLS_CRD_CERTIFICATE, credentials), 0);
    gnutls_session_set_ptr(session->gnutls, &session->conn_ref);
    ngtcp2_conn_set_tls_native_handle(session->conn, session->gnutls);
    if (!protocol) return;
    const gnutls_datum_t offered = {(unsigned char *)(uintptr_t)protocol, (unsigned)strlen(protocol)};
    assert_int_equal(gnutls_alpn_set_protocols(session->gnutls, &offered, 1, 0), 0);
}

static void matrix__another_protocol_is_refused(void **state)
{
    (void)state;
    open_for_visitor();
    offer("zz/9");
    expect_visitor_words("no protocol in common", "no protocol in common");
}

static void matrix__no_protocol_is_refused(void **state)
{
    (void)state;
    open_for_visitor();
    offer(NULL);
    expect_visitor_words("does not speak the protocol px/1", "does not speak the protocol px/1");
}

static void matrix__another_cipher_is_refused(void **state)
{
    (void)state;
    open_for_visitor();
    assert_int_equal(
        gnutls_priority_set_direct(visitor.connection->tls.gnutls,
                                   "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-CCM:-GROUP-ALL:"
                                   "+GROUP-SECP256R1:%DISABLE_TLS13_COMPAT_MODE",
                                   NULL),
        0);
    expect_visitor_words("no cipher or key exchange in common", "no cipher or key exchange in common");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrix__a_certificate_of_another_root_is_refused),
        cmocka_unit_test(matrix__an_expired_certificate_is_refused),
        cmocka_unit_test(matrix__a_certificate_of_tomorrow_is_refused),
        cmocka_unit_test(matrix__a_certificate_for_servers_only_does_not_dial),
        cmocka_unit_test(matrix__a_certificate_for_clients_only_does_not_serve),
        cmocka_unit_test(matrix__a_name_of_no_member_is_refused),
        cmocka_unit_test(matrix__the_common_name_alone_is_no_name),
        cmocka_unit_test(matrix__a_wildcard_is_no_name),
        cmocka_unit_test(matrix__the_name_of_another_member_is_refused_by_who_dials),
        cmocka_unit_test(matrix__letters_of_names_compare_without_case),
        cmocka_unit_test(matrix__a_certificate_of_several_members_bears_all_their_names),
        cmocka_unit_test(matrix__no_certificate_is_refused),
        cmocka_unit_test(matrix__another_protocol_is_refused),
        cmocka_unit_test(matrix__no_protocol_is_refused),
        cmocka_unit_test(matrix__another_cipher_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
