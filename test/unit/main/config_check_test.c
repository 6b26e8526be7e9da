/* config_check_test.c - what a configuration names is looked at before anything is bound or written.
 *
 * Meaning    A folder with good files, of which each test spoils one. What the certificates themselves say is
 *            tested in test/unit/quic; here, that each fault names its path and that nothing is made. */
// SPDX-License-Identifier: Apache-2.0
#include "main/config_check.h"

#include "quic/certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define NODE "px1.example"

/* The paths of a configuration, in a folder that was made for it. */
typedef struct {
    char folder[64];
    char cert[96], key[96], ca[96], data[96], in[96], out[96], socket[96];
    px_config_pipe pipe;
    px_config config;
    char fault[PX_CONFIG_FAULT_BYTES];
} place;

static place here;

static void path_to(char space[96], const char *name)
{
    (void)snprintf(space, 96, "%s/%s", here.folder, name);
}

static int make_place(void **state)
{
    static const char *const names[] = {NODE, "px2.example"};
    char fault[320];
    memset(&here, 0, sizeof here);
    strcpy(here.folder, "/tmp/px-check-XXXXXX");
    if (!mkdtemp(here.folder) || px_certs_make(here.folder, names, 2, fault, sizeof fault)) return -1;
    path_to(here.cert, NODE ".crt");
    path_to(here.key, NODE ".key");
    path_to(here.ca, "ca.crt");
    path_to(here.data, "data");
    path_to(here.in, "in");
    path_to(here.out, "out");
    path_to(here.socket, "px.sock");
    here.pipe = (px_config_pipe){.in = here.in, .out = here.out};
    here.config = (px_config){.cert_path = here.cert,
                              .key_path = here.key,
                              .ca_cert_path = here.ca,
                              .data_dir = here.data,
                              .pipe_count = 1,
                              .pipes = &here.pipe,
                              .socket = here.socket};
    strcpy(here.config.id, NODE);
    *state = &here;
    return 0;
}

static int remove_place(void **state)
{
    (void)state;
    const char *const names[] = {"ca.crt",
                                 "ca.key",
                                 NODE ".crt",
                                 NODE ".key",
                                 "px2.example.crt",
                                 "px2.example.key",
                                 "bad",
                                 "in",
                                 "out",
                                 "px.sock",
                                 "data",
                                 "other/ca.crt",
                                 "other/ca.key",
                                 "other/" NODE ".crt",
                                 "other/" NODE ".key"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[96];
        path_to(path, names[i]);
        (void)remove(path);
    }
    char other[96];
    path_to(other, "other");
    (void)rmdir(other);
    return rmdir(here.folder);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Checks, and expects one line that begins with file and path and bears `word` and a mend. */
static void expect_fault(const char *path, const char *word)
{
    char head[160];
    (void)snprintf(head, sizeof head, "px.json: %s: ", path);
    assert_int_equal(px_config_check("px.json", &here.config, here.fault, sizeof here.fault),
                     PX_ERR_MALFORMED);
    if (strncmp(here.fault, head, strlen(head)) != 0 || !strstr(here.fault, word))
        print_error("%s\n", here.fault);
    assert_int_equal(strncmp(here.fault, head, strlen(head)), 0);
    assert_non_null(strstr(here.fault, word));
    assert_non_null(strchr(here.fault, ';'));
    assert_null(strchr(here.fault, '\n'));
}

static void check__good_files_pass_and_nothing_is_made(void **state)
{
    (void)state;
    assert_int_equal(px_config_check("px.json", &here.config, here.fault, sizeof here.fault), PX_OK);
    assert_string_equal(here.fault, "");
    assert_int_not_equal(access(here.data, F_OK), 0);
    assert_int_not_equal(access(here.in, F_OK), 0);
    assert_int_not_equal(access(here.socket, F_OK), 0);
}

static void check__fifos_folder_and_socket_that_are_there_are_taken(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, here.socket);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    (void)close(fd);
    assert_int_equal(mkfifo(here.in, 0600), 0);
    assert_int_equal(mkfifo(here.out, 0600), 0);
    assert_int_equal(mkdir(here.data, 0700), 0);
    assert_int_equal(px_config_check("px.json", &here.config, here.fault, sizeof here.fault), PX_OK);
}

static void check__missing_unreadable_and_empty_files_are_named(void **state)
{
    (void)state;
    char bad[96];
    path_to(bad, "bad");
    here.config.cert_path = bad;
    expect_fault("me.tls_config_info.cert_path", "cannot be opened");
    write_text(bad, "");
    expect_fault("me.tls_config_info.cert_path", "empty");
    here.config.cert_path = here.cert;
    here.config.key_path = here.folder;
    expect_fault("me.tls_config_info.key_path", "cannot be read");
    here.config.key_path = here.key;
    here.config.ca_cert_path = bad;
    expect_fault("me.tls_config_info.ca_cert_path", "empty");
}

static void check__files_that_are_something_else_are_named(void **state)
{
    (void)state;
    char bad[96];
    path_to(bad, "bad");
    write_text(bad, "hello\n");
    here.config.cert_path = bad;
    expect_fault("me.tls_config_info.cert_path", "PEM");
    here.config.cert_path = here.cert;
    here.config.key_path = bad;
    expect_fault("me.tls_config_info.key_path", "PEM");
    here.config.key_path = here.key;
    here.config.ca_cert_path = bad;
    expect_fault("me.tls_config_info.ca_cert_path", "PEM");
}

static void check__a_key_of_another_certificate_is_named(void **state)
{
    (void)state;
    path_to(here.key, "px2.example.key");
    expect_fault("me.tls_config_info.key_path", "key of the certificate");
}

static void check__a_certificate_without_the_own_name_is_named(void **state)
{
    (void)state;
    strcpy(here.config.id, "px3.example");
    expect_fault("me.tls_config_info.cert_path", "px3.example");
}

static void check__a_certificate_of_another_root_is_named(void **state)
{
    (void)state;
    static const char *const names[] = {NODE};
    char other[96], fault[320];
    path_to(other, "other");
    assert_int_equal(px_certs_make(other, names, 1, fault, sizeof fault), PX_OK);
    path_to(here.ca, "other/ca.crt");
    expect_fault("me.tls_config_info.cert_path", "root");
    assert_int_equal(px_config_check_certificates("px.json", &here.config, here.fault, sizeof here.fault),
                     PX_ERR_MALFORMED);
}

static void check__what_is_in_the_way_of_a_pipe_socket_or_folder_is_named(void **state)
{
    (void)state;
    write_text(here.in, "");
    expect_fault("pipes[0].in", "FIFO");
    assert_int_equal(unlink(here.in), 0);
    assert_int_equal(mkdir(here.out, 0700), 0);
    expect_fault("pipes[0].out", "FIFO");
    assert_int_equal(rmdir(here.out), 0);
    write_text(here.socket, "");
    expect_fault("socket", "socket");
    assert_int_equal(unlink(here.socket), 0);
    write_text(here.data, "");
    expect_fault("data_dir", "folder");
}

static void check__a_missing_folder_above_is_named(void **state)
{
    (void)state;
    char path[96];
    path_to(path, "missing/one");
    here.config.data_dir = path;
    expect_fault("data_dir", "its folder is not there");
    here.config.data_dir = here.data;
    here.pipe.in = path;
    expect_fault("pipes[0].in", "its folder is not there");
    here.pipe.in = here.in;
    here.pipe.out = path;
    expect_fault("pipes[0].out", "its folder is not there");
    here.pipe.out = here.out;
    here.config.socket = path;
    expect_fault("socket", "its folder is not there");
}

/* However it is written. */
static void check__the_data_folder_itself_need_not_be_there(void **state)
{
    (void)state;
    char in[96], socket[96], data[96];
    path_to(in, "./data/in");
    path_to(socket, "data//px.sock");
    path_to(data, "data/");
    here.pipe.in = in;
    here.config.socket = socket;
    here.config.data_dir = data;
    assert_int_equal(px_config_check("px.json", &here.config, here.fault, sizeof here.fault), PX_OK);
    path_to(in, "data/deeper/in");
    expect_fault("pipes[0].in", "its folder is not there");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(check__good_files_pass_and_nothing_is_made, make_place, remove_place),
        cmocka_unit_test_setup_teardown(check__fifos_folder_and_socket_that_are_there_are_taken, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(check__missing_unreadable_and_empty_files_are_named, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(check__files_that_are_something_else_are_named, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(check__a_key_of_another_certificate_is_named, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(check__a_certificate_without_the_own_name_is_named, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(check__a_certificate_of_another_root_is_named, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(check__what_is_in_the_way_of_a_pipe_socket_or_folder_is_named,
                                        make_place, remove_place),
        cmocka_unit_test_setup_teardown(check__a_missing_folder_above_is_named, make_place, remove_place),
        cmocka_unit_test_setup_teardown(check__the_data_folder_itself_need_not_be_there, make_place,
                                        remove_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
