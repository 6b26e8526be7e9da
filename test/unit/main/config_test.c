/* config_test.c - the configuration file is read strictly; each fault is one line that names place and mend.
 *
 * Meaning    A broken file is the good one with one thing changed: the table names the JSON path that the
 *            line must bear, and a word of the mend. Wording beyond that is free. */
// SPDX-License-Identifier: Apache-2.0
#include "main/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TEXT_BYTES 8192

#define TLS \
    "\"tls_config_info\":{\"cert_path\":\"a.crt\",\"key_path\":\"a.key\",\"ca_cert_path\":\"/etc/ca.crt\"}"
#define ME "\"me\":{\"id\":\"px1.example\",\"addr\":\"0.0.0.0:7001\"," TLS "}"
#define TWO                                                                 \
    "\"servers\":[{\"addr\":\"px2:7001\",\"server_name\":\"px2.example\"}," \
    "{\"addr\":\"px3:7001\",\"server_name\":\"px3.example\"}]"
/* The good file with more keys, or with another list of servers, or with another member of `me`. */
#define WITH(more) "{" ME "," TWO "," more "}"
#define SERVERS(list) "{" ME ",\"servers\":" list "}"
#define SERVER_ADDR(addr) SERVERS("[{\"addr\":\"" addr "\",\"server_name\":\"px2.example\"}]")
#define SERVER_NAME(name) SERVERS("[{\"addr\":\"px2:7001\",\"server_name\":" name "}]")
#define ME_ADDR(addr) "{\"me\":{\"id\":\"px1.example\",\"addr\":" addr "," TLS "}," TWO "}"
#define ME_ID(id) "{\"me\":{\"id\":" id ",\"addr\":\"0.0.0.0:7001\"," TLS "}," TWO "}"
#define ME_TLS(tls) \
    "{\"me\":{\"id\":\"px1.example\",\"addr\":\"0.0.0.0:7001\",\"tls_config_info\":" tls "}," TWO "}"
#define LABEL63 "aaaaaaaaabbbbbbbbbcccccccccdddddddddeeeeeeeeefffffffffggggggggg"
#define PATH90 "/23456789/23456789/23456789/23456789/23456789/23456789/23456789/23456789/23456789/23456789"

typedef struct {
    const char *text;
    const char *path; /* must stand behind the file's name */
    const char *word; /* must stand behind the path */
} broken;

static const broken broken_files[] = {
    /* syntax */
    {"", "$", "JSON"},
    {"{", "$", "JSON"},
    {"[]", "$", "object"},
    {"null", "$", "JSON"},
    {"7", "$", "JSON"},
    {"{\"me\":{\"id\":", "me.id", "JSON"},
    {WITH("\"http\":\"127.0.0.1:80\",") "}", "http", "JSON"},
    {"{" ME ", // a comment\n" TWO "}", "me", "comments"},
    {WITH("\"retry_delay\":01"), "retry_delay", "JSON"},
    {WITH("\"retry_delay\":1") "x", "$", "JSON"},
    {WITH("\"data_dir\":\"\xff\""), "data_dir", "UTF-8"},
    {WITH("\"data_dir\":\"\xed\xa0\x80\""), "data_dir", "UTF-8"},
    {WITH("\"data_dir\":\"\\ud800\""), "data_dir", "JSON"},
    {WITH("\"data_dir\":\"a\\u0000b\""), "data_dir", "JSON"},
    {WITH("\"data_dir\":\"a\nb\""), "data_dir", "JSON"},
    {WITH("\"retry_delay\":99999999999999999999"), "retry_delay", "too large"},
    /* keys */
    {WITH("\"retry_delay\":1,\"retry_delay\":2"), "retry_delay", "second"},
    {"{" ME "," TWO "," ME "}", "me", "second"},
    {SERVERS("[{\"addr\":\"a:1\",\"server_name\":\"a\"},{\"addr\":\"b:1\",\"addr\":\"b:1\",\"server_name\":"
             "\"b\"}]"),
     "servers[1].addr", "second"},
    {WITH("\"pipes\":[{\"in\":\"i\",\"in\":\"j\"}]"), "pipes[0].in", "second"},
    {WITH("\"colour\":1"), "colour", "unknown"},
    {WITH("\"Http\":\"127.0.0.1:80\""), "Http", "unknown"},
    {WITH("\"a\\nb\":1"), "a?b", "unknown"},
    {"{\"me\":{\"id\":\"px1.example\",\"addr\":\"0.0.0.0:1\",\"port\":1," TLS "}," TWO "}", "me.port",
     "unknown"},
    {ME_TLS("{\"cert_path\":\"a\",\"key_path\":\"a\",\"ca_cert_path\":\"a\",\"crl\":\"a\"}"),
     "me.tls_config_info.crl", "unknown"},
    {SERVERS("[{\"addr\":\"a:1\",\"server_name\":\"a\",\"weight\":2}]"), "servers[0].weight", "unknown"},
    {WITH("\"pipes\":[{\"in\":\"i\",\"path\":\"j\"}]"), "pipes[0].path", "unknown"},
    {"{" TWO "}", "me", "missing"},
    {"{" ME "}", "servers", "missing"},
    {"{\"me\":{\"addr\":\"0.0.0.0:1\"," TLS "}," TWO "}", "me.id", "missing"},
    {"{\"me\":{\"id\":\"px1.example\"," TLS "}," TWO "}", "me.addr", "missing"},
    {"{\"me\":{\"id\":\"px1.example\",\"addr\":\"0.0.0.0:1\"}," TWO "}", "me.tls_config_info", "missing"},
    {ME_TLS("{\"key_path\":\"a\",\"ca_cert_path\":\"a\"}"), "me.tls_config_info.cert_path", "missing"},
    {ME_TLS("{\"cert_path\":\"a\",\"ca_cert_path\":\"a\"}"), "me.tls_config_info.key_path", "missing"},
    {ME_TLS("{\"cert_path\":\"a\",\"key_path\":\"a\"}"), "me.tls_config_info.ca_cert_path", "missing"},
    {SERVERS("[{\"server_name\":\"a\"}]"), "servers[0].addr", "missing"},
    {SERVERS("[{\"addr\":\"a:1\"}]"), "servers[0].server_name", "missing"},
    /* types */
    {"{\"me\":[]," TWO "}", "me", "object"},
    {ME_TLS("\"a.crt\""), "me.tls_config_info", "object"},
    {ME_TLS("{\"cert_path\":1,\"key_path\":\"a\",\"ca_cert_path\":\"a\"}"), "me.tls_config_info.cert_path",
     "string"},
    {SERVERS("{}"), "servers", "list"},
    {SERVERS("[\"px2:7001\"]"), "servers[0]", "object"},
    {WITH("\"pipes\":{}"), "pipes", "list"},
    {WITH("\"pipes\":[null]"), "pipes[0]", "object"},
    {WITH("\"retry_delay\":\"1000\""), "retry_delay", "whole number"},
    {WITH("\"retry_delay\":10.0"), "retry_delay", "whole number"},
    {WITH("\"heartbeat_ms\":true"), "heartbeat_ms", "whole number"},
    {WITH("\"data_dir\":null"), "data_dir", "string"},
    {WITH("\"socket\":7"), "socket", "string"},
    {WITH("\"http\":8080"), "http", "string"},
    {WITH("\"http_messages\":\"true\""), "http_messages", "true or false"},
    {WITH("\"http_messages\":0"), "http_messages", "true or false"},
    {WITH("\"log_level\":3"), "log_level", "string"},
    /* ranges and lists */
    {WITH("\"retry_delay\":0"), "retry_delay", "3600000"},
    {WITH("\"retry_delay\":3600001"), "retry_delay", "3600000"},
    {WITH("\"retry_delay\":-1"), "retry_delay", "3600000"},
    {WITH("\"heartbeat_ms\":9"), "heartbeat_ms", "10000"},
    {WITH("\"heartbeat_ms\":10001"), "heartbeat_ms", "10000"},
    {WITH("\"max_message_bytes\":1023"), "max_message_bytes", "1024"},
    {WITH("\"max_message_bytes\":16777217"), "max_message_bytes", "16777216"},
    {WITH("\"log_level\":\"trace\""), "log_level", "error, warn, info, debug"},
    {WITH("\"log_level\":\"INFO\""), "log_level", "error, warn, info, debug"},
    {WITH("\"log_format\":\"xml\""), "log_format", "text, json"},
    {WITH("\"data_dir\":\"\""), "data_dir", "empty"},
    /* addresses */
    {ME_ADDR("\"7001\""), "me.addr", "IPv4"},
    {ME_ADDR("\"0.0.0.0\""), "me.addr", "port"},
    {ME_ADDR("\"0.0.0.0:\""), "me.addr", "port"},
    {ME_ADDR("\"0.0.0.0:0\""), "me.addr", "1 to 65535"},
    {ME_ADDR("\"0.0.0.0:65536\""), "me.addr", "1 to 65535"},
    {ME_ADDR("\"0.0.0.0:4294967297\""), "me.addr", "1 to 65535"},
    {ME_ADDR("\"0.0.0.0:+80\""), "me.addr", "1 to 65535"},
    {ME_ADDR("\"0.0.0.0:70 \""), "me.addr", "1 to 65535"},
    {ME_ADDR("\"px1:7001\""), "me.addr", "IP address"},
    {ME_ADDR("\"256.0.0.1:7001\""), "me.addr", "IPv4"},
    {ME_ADDR("\":7001\""), "me.addr", "host"},
    {ME_ADDR("\"::1:7001\""), "me.addr", "brackets"},
    {ME_ADDR("\"[::1:7001\""), "me.addr", "[ip6]:port"},
    {ME_ADDR("\"[::1]7001\""), "me.addr", "[ip6]:port"},
    {ME_ADDR("\"[127.0.0.1]:7001\""), "me.addr", "[ip6]:port"},
    {ME_ADDR("7001"), "me.addr", "string"},
    {SERVER_ADDR("px2:0"), "servers[0].addr", "1 to 65535"},
    {SERVER_ADDR("px2:70000"), "servers[0].addr", "1 to 65535"},
    {SERVER_ADDR("px 2:7001"), "servers[0].addr", "letters"},
    {SERVER_ADDR("-px2:7001"), "servers[0].addr", "hyphen"},
    {SERVER_ADDR("px2..example:7001"), "servers[0].addr", "label"},
    {SERVER_ADDR("1.2.3:7001"), "servers[0].addr", "IPv4"},
    {SERVER_ADDR("fe80::1"), "servers[0].addr", "brackets"},
    {SERVER_ADDR("https://px2"), "servers[0].addr", "port"},
    {WITH("\"http\":\"localhost:8080\""), "http", "IP address"},
    {WITH("\"http\":\"127.0.0.1\""), "http", "port"},
    {WITH("\"http\":\"127.0.0.1:0\""), "http", "1 to 65535"},
    /* names */
    {ME_ID("\"\""), "me.id", "empty"},
    {ME_ID("\"px_1!\""), "me.id", "letters"},
    {ME_ID("\"10.0.0.1\""), "me.id", "domain name"},
    {ME_ID("\"" LABEL63 "x\""), "me.id", "63"},
    {ME_ID("\"" LABEL63 "." LABEL63 "." LABEL63 "." LABEL63 "\""), "me.id", "253"},
    {SERVER_NAME("\"px1.example\""), "servers[0].server_name", "another member"},
    {SERVER_NAME("\"PX1.Example\""), "servers[0].server_name", "another member"},
    {SERVER_ADDR("0.0.0.0:7001"), "servers[0].addr", "another member"},
    {SERVERS("[{\"addr\":\"a:7001\",\"server_name\":\"a\"},{\"addr\":\"a\",\"server_name\":\"b\"}]"),
     "servers[1].addr", "another member"},
    {SERVERS("[{\"addr\":\"a:1\",\"server_name\":\"b\"},{\"addr\":\"c:1\",\"server_name\":\"b\"}]"),
     "servers[1].server_name", "another member"},
    {SERVERS("[{\"addr\":\"a:1\",\"server_name\":\"a\"},{\"addr\":\"a:1\",\"server_name\":\"b\"},"
             "{\"addr\":\"a:1\",\"server_name\":\"c\"},{\"addr\":\"a:1\",\"server_name\":\"d\"},"
             "{\"addr\":\"a:1\",\"server_name\":\"e\"},{\"addr\":\"a:1\",\"server_name\":\"f\"},"
             "{\"addr\":\"a:1\",\"server_name\":\"g\"}]"),
     "servers", "at most 6"},
    /* pipes and socket */
    {WITH("\"pipes\":[{}]"), "pipes[0]", "neither"},
    {WITH("\"pipes\":[{\"in\":\"i\"},{\"name\":\"x\"}]"), "pipes[1]", "neither"},
    {WITH("\"pipes\":[{\"in\":\"\"}]"), "pipes[0].in", "empty"},
    {WITH("\"pipes\":[{\"in\":\"i\",\"out\":\"i\"}]"), "pipes[0].out", "its own"},
    {WITH("\"pipes\":[{\"in\":\"i\"},{\"in\":\"i\"}]"), "pipes[1].in", "its own"},
    {WITH("\"pipes\":[{\"in\":\"i\"},{\"out\":\"i\"}]"), "pipes[1].out", "its own"},
    {WITH("\"pipes\":[{\"in\":\"i\",\"name\":\"a\"},{\"in\":\"j\",\"name\":\"a\"}]"), "pipes[1].name",
     "its own"},
    {WITH("\"pipes\":[{\"in\":\"i\",\"name\":\"2\"},{\"in\":\"j\"}]"), "pipes[1].name", "its own"},
    {WITH("\"pipes\":[{\"in\":\"i\",\"name\":\"" LABEL63 "xy\"}]"), "pipes[0].name", "64"},
    {WITH("\"pipes\":[{\"in\":\"i\",\"name\":\"a\\tb\"}]"), "pipes[0].name", "control"},
    {WITH("\"pipes\":[{\"in\":\"i\",\"format\":\"csv\"}]"), "pipes[0].format", "line, json, length"},
    {WITH("\"pipes\":[{\"in\":\"i\",\"from\":7}]"), "pipes[0].from", "string"},
    {WITH("\"pipes\":[{\"in\":\"i\",\"from\":\"middle\"}]"), "pipes[0].from", "start, end"},
    {WITH("\"pipes\":[{\"in\":\"i\",\"mode\":660}]"), "pipes[0].mode", "string"},
    {WITH("\"pipes\":[{\"in\":\"i\",\"mode\":\"0888\"}]"), "pipes[0].mode", "octal"},
    {WITH("\"pipes\":[{\"in\":\"i\",\"mode\":\"rw\"}]"), "pipes[0].mode", "octal"},
    {WITH("\"pipes\":[{\"in\":\"i\",\"mode\":\"1777\"}]"), "pipes[0].mode", "0777"},
    {WITH("\"pipes\":[{\"in\":\"i\",\"mode\":\"777777777777777777\"}]"), "pipes[0].mode", "0777"},
    {WITH("\"socket\":\"" PATH90 "/23456789012345678\""), "socket", "107"},
    {WITH("\"data_dir\":\"" PATH90 "/123456789\""), "socket", "107"},
};

/* ---- a file of our own ---- */

typedef struct {
    char folder[64];
    char file[96];
} place;

static int make_place(void **state)
{
    static place made;
    strcpy(made.folder, "/tmp/px-config-XXXXXX");
    if (!mkdtemp(made.folder)) return -1;
    snprintf(made.file, sizeof made.file, "%s/px.json", made.folder);
    *state = &made;
    return 0;
}

static int remove_place(void **state)
{
    const place *made = *state;
    unlink(made->file);
    return rmdir(made->folder);
}

static void write_bytes(const place *in, const char *text, size_t size_bytes)
{
    FILE *file = fopen(in->file, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size_bytes, file), size_bytes);
    assert_int_equal(fclose(file), 0);
}

static px_config load_good(const place *in, const char *text)
{
    px_config config;
    char fault[PX_CONFIG_FAULT_BYTES];
    write_bytes(in, text, strlen(text));
    const px_err err = px_config_load(in->file, &config, fault, sizeof fault);
    if (err) print_error("%s\n", fault);
    assert_int_equal(err, PX_OK);
    return config;
}

/* ---- faults ---- */

static void config__each_fault_names_its_path_and_the_mend(void **state)
{
    const place *in = *state;
    size_t wrong_count = 0;
    for (size_t i = 0; i < sizeof broken_files / sizeof *broken_files; i++) {
        const broken *file = &broken_files[i];
        px_config config = {.retry_delay_ms = 77};
        char fault[PX_CONFIG_FAULT_BYTES], head[256];
        write_bytes(in, file->text, strlen(file->text));
        const px_err err = px_config_load(in->file, &config, fault, sizeof fault);
        snprintf(head, sizeof head, "%s: %s: ", in->file, file->path);
        const bool is_good = err == PX_ERR_MALFORMED && strncmp(fault, head, strlen(head)) == 0 &&
                             strstr(fault + strlen(head), file->word) && strchr(fault, ';');
        if (!is_good) print_error("file  %s\nwants %s…%s\ngot   %s\n", file->text, head, file->word, fault);
        wrong_count += !is_good;
        assert_int_equal(config.retry_delay_ms, 77); /* written only on PX_OK */
    }
    assert_int_equal(wrong_count, 0);
}

static void config__a_fault_is_one_line_whatever_the_file_holds(void **state)
{
    const place *in = *state;
    static const char text[] = {'{', '"', 'a', '\r', '\n', 0x7f, 1, '"', ':', 0, '}'};
    px_config config;
    char fault[PX_CONFIG_FAULT_BYTES];
    write_bytes(in, text, sizeof text);
    assert_int_equal(px_config_load(in->file, &config, fault, sizeof fault), PX_ERR_MALFORMED);
    for (const char *at = fault; *at; at++) assert_true((unsigned char)*at >= 0x20 && *at != 0x7f);
}

static void config__a_fault_keeps_to_its_room(void **state)
{
    const place *in = *state;
    px_config config;
    char fault[32];
    write_bytes(in, "{}", 2);
    assert_int_equal(px_config_load(in->file, &config, fault, sizeof fault), PX_ERR_MALFORMED);
    assert_int_equal(strlen(fault), sizeof fault - 1);
}

static void config__a_missing_file_and_a_folder_are_said(void **state)
{
    const place *in = *state;
    px_config config;
    char fault[PX_CONFIG_FAULT_BYTES];
    assert_int_equal(px_config_load("/nonexistent/px.json", &config, fault, sizeof fault), PX_ERR_NOT_FOUND);
    assert_non_null(strstr(fault, "/nonexistent/px.json: "));
    assert_int_equal(px_config_load(in->folder, &config, fault, sizeof fault), PX_ERR_IO);
    assert_non_null(strstr(fault, "cannot be read"));
}

static void config__a_huge_file_is_refused(void **state)
{
    const place *in = *state;
    const size_t size = (1u << 20) + 1;
    char *text = calloc(1, size), fault[PX_CONFIG_FAULT_BYTES];
    px_config config;
    assert_non_null(text);
    memset(text, ' ', size);
    write_bytes(in, text, size);
    free(text);
    assert_int_equal(px_config_load(in->file, &config, fault, sizeof fault), PX_ERR_MALFORMED);
    assert_non_null(strstr(fault, "larger"));
}

static void config__deep_nesting_is_refused(void **state)
{
    const place *in = *state;
    char text[TEXT_BYTES], fault[PX_CONFIG_FAULT_BYTES];
    px_config config;
    memset(text, '[', sizeof text);
    write_bytes(in, text, sizeof text);
    assert_int_equal(px_config_load(in->file, &config, fault, sizeof fault), PX_ERR_MALFORMED);
}

/* ---- good files ---- */

static void config__the_original_fields_alone_give_the_defaults(void **state)
{
    const place *in = *state;
    char path[128];
    px_config config = load_good(in, "{" ME "," TWO "}");
    assert_string_equal(config.id, "px1.example");
    assert_string_equal(config.addr.host, "0.0.0.0");
    assert_int_equal(config.addr.port, 7001);
    assert_int_equal(config.server_count, 2);
    assert_string_equal(config.servers[1].name, "px3.example");
    assert_string_equal(config.servers[1].addr.text, "px3:7001");
    assert_int_equal(config.retry_delay_ms, 1000);
    assert_int_equal(config.message_bytes_max, 1048576);
    assert_int_equal(config.heartbeat_ms, 100);
    assert_int_equal(config.log_level, PX_LOG_INFO);
    assert_false(config.log_json);
    assert_false(config.has_http);
    assert_false(config.http_messages);
    snprintf(path, sizeof path, "%s/px1.example.data", in->folder);
    assert_string_equal(config.data_dir, path);
    snprintf(path, sizeof path, "%s/px1.example.data/px.sock", in->folder);
    assert_string_equal(config.socket, path);
    assert_int_equal(config.pipe_count, 1);
    assert_string_equal(config.pipes[0].name, "1");
    snprintf(path, sizeof path, "%s/px1.example.data/in", in->folder);
    assert_string_equal(config.pipes[0].in, path);
    snprintf(path, sizeof path, "%s/px1.example.data/out", in->folder);
    assert_string_equal(config.pipes[0].out, path);
    assert_int_equal(config.pipes[0].mode, 0660);
    assert_int_equal(config.pipes[0].format, PX_CONFIG_LINE);
    assert_false(config.pipes[0].from_end);
    px_config_free(&config);
}

static void config__every_setting_is_taken(void **state)
{
    px_config config =
        load_good(*state,
                  WITH("\"retry_delay\":250,\"data_dir\":\"/var/px\",\"socket\":\"/run/px.sock\","
                       "\"http\":\"[::1]:8080\",\"max_message_bytes\":16777216,\"heartbeat_ms\":10,"
                       "\"log_level\":\"debug\",\"log_format\":\"json\",\"http_messages\":true,"
                       "\"pipes\":[{\"in\":\"i\",\"name\":\"a\"},{\"out\":\"/o\",\"format\":\"length\","
                       "\"from\":\"end\",\"mode\":\"600\"}]"));
    assert_int_equal(config.retry_delay_ms, 250);
    assert_string_equal(config.data_dir, "/var/px");
    assert_string_equal(config.socket, "/run/px.sock");
    assert_true(config.has_http);
    assert_string_equal(config.http.host, "::1");
    assert_string_equal(config.http.text, "[::1]:8080");
    assert_int_equal(config.message_bytes_max, 16777216);
    assert_int_equal(config.heartbeat_ms, 10);
    assert_int_equal(config.log_level, PX_LOG_DEBUG);
    assert_true(config.log_json);
    assert_true(config.http_messages);
    assert_int_equal(config.pipe_count, 2);
    assert_string_equal(config.pipes[0].name, "a");
    assert_null(config.pipes[0].out);
    assert_string_equal(config.pipes[1].name, "2");
    assert_null(config.pipes[1].in);
    assert_string_equal(config.pipes[1].out, "/o");
    assert_int_equal(config.pipes[1].format, PX_CONFIG_LENGTH);
    assert_true(config.pipes[1].from_end);
    assert_int_equal(config.pipes[1].mode, 0600);
    px_config_free(&config);
}

static void config__paths_are_relative_to_the_folder_of_the_file(void **state)
{
    const place *in = *state;
    char path[128];
    px_config config = load_good(in, "{" ME "," TWO "}");
    snprintf(path, sizeof path, "%s/a.crt", in->folder);
    assert_string_equal(config.cert_path, path);
    assert_string_equal(config.ca_cert_path, "/etc/ca.crt");
    px_config_free(&config);
}

static void config__servers_take_every_form_of_address(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
        bool is_ip;
    } forms[] = {
        {SERVER_ADDR("10.0.0.2:9"), "10.0.0.2", 9, true},
        {SERVER_ADDR("[fe80::2]:65535"), "fe80::2", 65535, true},
        {SERVER_ADDR("px2.example:7002"), "px2.example", 7002, false},
        {SERVER_ADDR("px2"), "px2", 7001, false},
        {SERVER_ADDR("10.0.0.2"), "10.0.0.2", 7001, true},
        {SERVER_ADDR("[::2]"), "::2", 7001, true},
        {SERVER_ADDR("px_2-a:7002"), "px_2-a", 7002, false},
        {SERVER_ADDR("2px:1"), "2px", 1, false},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        px_config config = load_good(*state, forms[i].text);
        assert_int_equal(config.server_count, 1);
        assert_string_equal(config.servers[0].addr.host, forms[i].host);
        assert_int_equal(config.servers[0].addr.port, forms[i].port);
        assert_int_equal(config.servers[0].addr.is_ip, forms[i].is_ip);
        px_config_free(&config);
    }
}

static void config__names_are_compared_in_lower_case(void **state)
{
    px_config config = load_good(*state, SERVER_NAME("\"PX2.Example\""));
    assert_string_equal(config.servers[0].name, "px2.example");
    px_config_free(&config);
}

static void config__no_servers_is_a_cluster_of_one_and_six_are_seven_members(void **state)
{
    px_config config = load_good(*state, SERVERS("[]"));
    assert_int_equal(config.server_count, 0);
    px_config_free(&config);
    config =
        load_good(*state,
                  SERVERS("[{\"addr\":\"a\",\"server_name\":\"a\"},{\"addr\":\"b\",\"server_name\":\"b\"},"
                          "{\"addr\":\"c\",\"server_name\":\"c\"},{\"addr\":\"d\",\"server_name\":\"d\"},"
                          "{\"addr\":\"e\",\"server_name\":\"e\"},{\"addr\":\"f\",\"server_name\":\"f\"}]"));
    assert_int_equal(config.server_count, PX_MEMBERS_MAX - 1);
    px_config_free(&config);
}

static void config__a_socket_path_of_107_bytes_is_taken(void **state)
{
    px_config config = load_good(*state, WITH("\"socket\":\"" PATH90 "/2345678901234567\""));
    assert_int_equal(strlen(config.socket), PX_CONFIG_SOCKET_BYTES_MAX);
    px_config_free(&config);
}

static void config__an_empty_list_of_pipes_means_none(void **state)
{
    px_config config = load_good(*state, WITH("\"pipes\":[]"));
    assert_int_equal(config.pipe_count, 0);
    px_config_free(&config);
}

static void config__free_leaves_an_empty_one_alone(void **state)
{
    (void)state;
    px_config config;
    memset(&config, 0, sizeof config);
    px_config_free(&config);
    assert_null(config.data_dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config__each_fault_names_its_path_and_the_mend),
        cmocka_unit_test(config__a_fault_is_one_line_whatever_the_file_holds),
        cmocka_unit_test(config__a_fault_keeps_to_its_room),
        cmocka_unit_test(config__a_missing_file_and_a_folder_are_said),
        cmocka_unit_test(config__a_huge_file_is_refused),
        cmocka_unit_test(config__deep_nesting_is_refused),
        cmocka_unit_test(config__the_original_fields_alone_give_the_defaults),
        cmocka_unit_test(config__every_setting_is_taken),
        cmocka_unit_test(config__paths_are_relative_to_the_folder_of_the_file),
        cmocka_unit_test(config__servers_take_every_form_of_address),
        cmocka_unit_test(config__names_are_compared_in_lower_case),
        cmocka_unit_test(config__no_servers_is_a_cluster_of_one_and_six_are_seven_members),
        cmocka_unit_test(config__a_socket_path_of_107_bytes_is_taken),
        cmocka_unit_test(config__an_empty_list_of_pipes_means_none),
        cmocka_unit_test(config__free_leaves_an_empty_one_alone),
    };
    return cmocka_run_group_tests(tests, make_place, remove_place);
}
