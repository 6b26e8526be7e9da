/* config.c - the configuration file of a node, read strictly.
 *
 * Meaning    One function a section of the file; config_reader.c knows where it is and words type faults,
 *            config_addr.c reads addresses and names. Everything is read into a local px_config, handed
 *            out only when all of it is good.
 * Source     spec.md §2. */
// SPDX-License-Identifier: Apache-2.0
#include "main/config.h"

#include "main/config_addr.h"
#include "main/config_reader.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A configuration is a page or two; whatever is larger is some other file. */
#define FILE_BYTES_MAX (1u << 20)
#define RETRY_DELAY_MS_DEFAULT 1000u
#define HEARTBEAT_MS_DEFAULT 100u
/* A pipe's mode is an octal number of permission bits. */
#define PIPE_MODE_DEFAULT 0660u
#define PIPE_MODE_MOST 0777u

static const px_range retry_delay_range = {1, 3600000};
static const px_range heartbeat_range = {10, 10000};
static const px_range message_bytes_range = {PX_MESSAGE_BYTES_LEAST, PX_MESSAGE_BYTES_MOST};

/* What the functions below share. */
typedef struct {
    px_reader reader;
    const char *file;
    px_config *config;
} loading;

/* ---- small tools ---- */

/* Out of memory at start, with nothing bound or written yet, leaves nothing to do. */
static void *must(void *memory)
{
    if (!memory) abort();
    return memory;
}

/* Joins a path of the file to the folder that the file lies in. */
static char *resolve(const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');
    if (path[0] == '/' || !slash) return must(strdup(path));
    const size_t folder_bytes = (size_t)(slash - file) + 1;
    char *joined = must(malloc(folder_bytes + strlen(path) + 1));
    memcpy(joined, file, folder_bytes);
    memcpy(joined + folder_bytes, path, strlen(path) + 1);
    return joined;
}

static char *join(const char *folder, const char *name)
{
    const size_t size = strlen(folder) + strlen(name) + 2;
    char *joined = must(malloc(size));
    snprintf(joined, size, "%s/%s", folder, name);
    return joined;
}

/* Reads an optional path; *path stays as it is where the key is missing. */
static bool read_path(loading *load, const json_t *object, const char *key, char **path)
{
    const char *text = NULL;
    if (!px_reader_text(&load->reader, object, key, &text)) return false;
    if (!text) return true;
    char *resolved = resolve(load->file, text);
    if (strlen(resolved) >= PATH_MAX) {
        free(resolved);
        px_reader_enter(&load->reader, key);
        return px_reader_fail(&load->reader, "the path is longer than %d bytes; use a shorter one",
                              PATH_MAX - 1);
    }
    free(*path);
    *path = resolved;
    return true;
}

static bool need_path(loading *load, const json_t *object, const char *key, char **path)
{
    const json_t *value;
    return px_reader_need(&load->reader, object, key, &value) && read_path(load, object, key, path);
}

static bool need_text(loading *load, const json_t *object, const char *key, const char **text)
{
    const json_t *value;
    return px_reader_need(&load->reader, object, key, &value) &&
           px_reader_text(&load->reader, object, key, text);
}

/* Records a fault of the member `key` of the object that is being read. */
static bool fail_at(loading *load, const char *key, const char *text, const char *fault)
{
    px_reader_enter(&load->reader, key);
    return px_reader_fail(&load->reader, "\"%.100s\": %s", text, fault);
}

static bool read_name(loading *load, const json_t *object, const char *key, char *name)
{
    const char *text = NULL;
    if (!need_text(load, object, key, &text)) return false;
    const char *fault = px_name_parse(text, name);
    return fault ? fail_at(load, key, text, fault) : true;
}

/* ---- me ---- */

static bool read_certificate_paths(loading *load, const json_t *me)
{
    static const char *const keys[] = {"cert_path", "key_path", "ca_cert_path", NULL};
    const json_t *info;
    if (!px_reader_need(&load->reader, me, "tls_config_info", &info)) return false;
    const size_t mark = px_reader_enter(&load->reader, "tls_config_info");
    const bool is_read = px_reader_is_object(&load->reader, info, keys) &&
                         need_path(load, info, "cert_path", &load->config->cert_path) &&
                         need_path(load, info, "key_path", &load->config->key_path) &&
                         need_path(load, info, "ca_cert_path", &load->config->ca_cert_path);
    if (is_read) px_reader_leave(&load->reader, mark);
    return is_read;
}

static bool read_me(loading *load, const json_t *root)
{
    static const char *const keys[] = {"id", "addr", "tls_config_info", NULL};
    const json_t *me;
    if (!px_reader_need(&load->reader, root, "me", &me)) return false;
    const size_t mark = px_reader_enter(&load->reader, "me");
    const char *text = NULL;
    if (!px_reader_is_object(&load->reader, me, keys)) return false;
    if (!read_name(load, me, "id", load->config->id)) return false;
    if (!need_text(load, me, "addr", &text)) return false;
    const char *fault = px_addr_parse_bind(text, &load->config->addr);
    if (fault) return fail_at(load, "addr", text, fault);
    if (!read_certificate_paths(load, me)) return false;
    px_reader_leave(&load->reader, mark);
    return true;
}

/* ---- servers ---- */

static bool is_name_taken(const px_config *config, const char *name)
{
    if (strcmp(config->id, name) == 0) return true;
    for (uint32_t i = 0; i < config->server_count; i++) {
        if (strcmp(config->servers[i].name, name) == 0) return true;
    }
    return false;
}

/* Two nodes cannot be reached at one address. */
static bool is_addr_taken(const px_config *config, const px_config_addr *addr)
{
    bool is_taken = strcmp(config->addr.host, addr->host) == 0 && config->addr.port == addr->port;
    for (uint32_t i = 0; i < config->server_count; i++) {
        const px_config_addr *other = &config->servers[i].addr;
        is_taken = is_taken || (strcmp(other->host, addr->host) == 0 && other->port == addr->port);
    }
    return is_taken;
}

static bool read_server(loading *load, const json_t *value)
{
    static const char *const keys[] = {"addr", "server_name", NULL};
    px_config *config = load->config;
    px_config_server server;
    const char *text = NULL;
    if (!px_reader_is_object(&load->reader, value, keys)) return false;
    if (!need_text(load, value, "addr", &text)) return false;
    const char *fault = px_addr_parse_dial(text, config->addr.port, &server.addr);
    if (fault) return fail_at(load, "addr", text, fault);
    if (is_addr_taken(config, &server.addr))
        return fail_at(
            load, "addr", text,
            "another member has this address; give each its own, and list here only the other nodes");
    if (!read_name(load, value, "server_name", server.name)) return false;
    if (is_name_taken(config, server.name)) {
        return fail_at(
            load, "server_name", server.name,
            "another member bears this name; give each its own, and list here only the other nodes");
    }
    config->servers[config->server_count++] = server;
    return true;
}

static bool read_servers(loading *load, const json_t *root)
{
    const json_t *servers;
    if (!px_reader_need(&load->reader, root, "servers", &servers)) return false;
    const size_t mark = px_reader_enter(&load->reader, "servers");
    if (!json_is_array(servers)) {
        return px_reader_fail(&load->reader, "must be a list; write [ ] with one object for each other node");
    }
    if (json_array_size(servers) >= PX_MEMBERS_MAX) {
        return px_reader_fail(&load->reader, "%zu others make more than %u members; list at most %u",
                              json_array_size(servers), PX_MEMBERS_MAX, PX_MEMBERS_MAX - 1);
    }
    for (size_t i = 0; i < json_array_size(servers); i++) {
        const size_t list = px_reader_enter_item(&load->reader, i);
        if (!read_server(load, json_array_get(servers, i))) return false;
        px_reader_leave(&load->reader, list);
    }
    px_reader_leave(&load->reader, mark);
    return true;
}

/* ---- pipes ---- */

static bool read_pipe_mode(loading *load, const json_t *value, px_config_pipe *pipe)
{
    const char *text = NULL;
    pipe->mode = PIPE_MODE_DEFAULT;
    if (!px_reader_text(&load->reader, value, "mode", &text)) return false;
    if (!text) return true;
    uint32_t mode = 0;
    for (const char *at = text; *at; at++) {
        if (*at < '0' || *at > '7' || mode > PIPE_MODE_MOST) {
            return fail_at(load, "mode", text,
                           "is no octal file mode; use one such as \"0660\", at most \"0777\"");
        }
        mode = mode * 8 + (uint32_t)(*at - '0');
    }
    if (mode > PIPE_MODE_MOST)
        return fail_at(load, "mode", text, "is out of range; use \"0000\" to \"0777\"");
    pipe->mode = (mode_t)mode;
    return true;
}

static bool read_pipe_name(loading *load, const json_t *value, px_config_pipe *pipe)
{
    const px_config *config = load->config;
    const char *text = NULL;
    snprintf(pipe->name, sizeof pipe->name, "%u", config->pipe_count + 1);
    if (!px_reader_text(&load->reader, value, "name", &text)) return false;
    if (text) {
        const size_t size = strlen(text);
        if (size > PX_CONFIG_PIPE_NAME_BYTES_MAX)
            return fail_at(load, "name", text, "is longer than 64 bytes; use a shorter one");
        for (size_t i = 0; i < size; i++) {
            if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
                return fail_at(load, "name", text, "has a control character; use letters, digits and signs");
            }
        }
        memcpy(pipe->name, text, size + 1);
    }
    for (uint32_t i = 0; i < config->pipe_count; i++) {
        if (strcmp(config->pipes[i].name, pipe->name) != 0) continue;
        return fail_at(
            load, "name", pipe->name,
            "another pipe bears this name (a pipe without one is named by its place); give each its own");
    }
    return true;
}

/* A path that is used twice would give one reader's bytes to two, or feed px its own output. */
static bool check_pipe_path(loading *load, const char *key, const char *path)
{
    const px_config *config = load->config;
    for (uint32_t i = 0; path && i < config->pipe_count; i++) {
        const px_config_pipe *other = &config->pipes[i];
        const bool is_used =
            (other->in && strcmp(other->in, path) == 0) || (other->out && strcmp(other->out, path) == 0);
        if (is_used) return fail_at(load, key, path, "another pipe has this path; give each its own");
    }
    return true;
}

static bool read_pipe(loading *load, const json_t *value, px_config_pipe *pipe)
{
    static const char *const keys[] = {"name", "in", "out", "format", "from", "mode", NULL};
    static const char *const formats[] = {"line", "json", "length", NULL};
    static const char *const froms[] = {"start", "end", NULL};
    px_reader *reader = &load->reader;
    uint32_t format = 0, from = 0;
    if (!px_reader_is_object(reader, value, keys)) return false;
    if (!read_pipe_name(load, value, pipe)) return false;
    if (!read_path(load, value, "in", &pipe->in)) return false;
    if (!read_path(load, value, "out", &pipe->out)) return false;
    if (!pipe->in && !pipe->out)
        return px_reader_fail(reader, "has neither \"in\" nor \"out\"; give the path of at least one");
    if (pipe->in && pipe->out && strcmp(pipe->in, pipe->out) == 0) {
        return fail_at(load, "out", pipe->out, "is the path of \"in\" too; give each its own");
    }
    if (!check_pipe_path(load, "in", pipe->in) || !check_pipe_path(load, "out", pipe->out)) return false;
    if (!px_reader_choice(reader, value, "format", formats, &format)) return false;
    if (!px_reader_choice(reader, value, "from", froms, &from)) return false;
    pipe->format = (px_config_format)format;
    pipe->from_end = from == 1;
    return read_pipe_mode(load, value, pipe);
}

static void free_pipe(px_config_pipe *pipe)
{
    free(pipe->in);
    free(pipe->out);
}

static void default_pipes(px_config *config)
{
    config->pipes = must(calloc(1, sizeof *config->pipes));
    config->pipe_count = 1;
    config->pipes[0] = (px_config_pipe){.name = "1",
                                        .in = join(config->data_dir, "in"),
                                        .out = join(config->data_dir, "out"),
                                        .format = PX_CONFIG_LINE,
                                        .mode = PIPE_MODE_DEFAULT};
}

static bool read_pipes(loading *load, const json_t *root)
{
    px_config *config = load->config;
    const json_t *pipes = json_object_get(root, "pipes");
    if (!pipes) {
        default_pipes(config);
        return true;
    }
    const size_t mark = px_reader_enter(&load->reader, "pipes");
    if (!json_is_array(pipes))
        return px_reader_fail(&load->reader, "must be a list; write [ ] with one object for each pipe");
    const size_t count = json_array_size(pipes);
    if (count > PX_CONFIG_PIPES_MAX) {
        return px_reader_fail(&load->reader, "has %zu pipes; list at most %u", count, PX_CONFIG_PIPES_MAX);
    }
    config->pipes = must(calloc(count + 1, sizeof *config->pipes));
    for (size_t i = 0; i < count; i++) {
        const size_t list = px_reader_enter_item(&load->reader, i);
        px_config_pipe pipe = {.in = NULL};
        if (!read_pipe(load, json_array_get(pipes, i), &pipe)) {
            free_pipe(&pipe);
            return false;
        }
        config->pipes[config->pipe_count++] = pipe;
        px_reader_leave(&load->reader, list);
    }
    px_reader_leave(&load->reader, mark);
    return true;
}

/* ---- everything else ---- */

static bool read_socket(loading *load, const json_t *root)
{
    px_config *config = load->config;
    config->socket = join(config->data_dir, "px.sock");
    if (!read_path(load, root, "socket", &config->socket)) return false;
    if (strlen(config->socket) > PX_CONFIG_SOCKET_BYTES_MAX) {
        px_reader_enter(&load->reader, "socket");
        return px_reader_fail(
            &load->reader,
            "\"%.200s\" has %zu bytes, a socket's path at most %u; set \"socket\" to a shorter path",
            config->socket, strlen(config->socket), PX_CONFIG_SOCKET_BYTES_MAX);
    }
    return true;
}

static bool read_http(loading *load, const json_t *root)
{
    const char *text = NULL;
    if (!px_reader_text(&load->reader, root, "http", &text)) return false;
    if (!text) return true;
    const char *fault = px_addr_parse_bind(text, &load->config->http);
    if (fault) return fail_at(load, "http", text, fault);
    load->config->has_http = true;
    return true;
}

static bool read_folder(loading *load, const json_t *root)
{
    char name[PX_NAME_BYTES_MAX + sizeof ".data"];
    snprintf(name, sizeof name, "%s.data", load->config->id);
    load->config->data_dir = resolve(load->file, name);
    return read_path(load, root, "data_dir", &load->config->data_dir);
}

static bool read_settings(loading *load, const json_t *root)
{
    static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
    static const char *const formats[] = {"text", "json", NULL};
    px_config *config = load->config;
    px_reader *reader = &load->reader;
    uint32_t level = PX_LOG_INFO, format = 0;
    config->retry_delay_ms = RETRY_DELAY_MS_DEFAULT;
    config->message_bytes_max = PX_MESSAGE_BYTES_DEFAULT;
    config->heartbeat_ms = HEARTBEAT_MS_DEFAULT;
    if (!px_reader_number(reader, root, "retry_delay", retry_delay_range, &config->retry_delay_ms))
        return false;
    if (!px_reader_number(reader, root, "max_message_bytes", message_bytes_range, &config->message_bytes_max))
        return false;
    if (!px_reader_number(reader, root, "heartbeat_ms", heartbeat_range, &config->heartbeat_ms)) return false;
    if (!px_reader_choice(reader, root, "log_level", levels, &level)) return false;
    if (!px_reader_choice(reader, root, "log_format", formats, &format)) return false;
    if (!px_reader_flag(reader, root, "http_messages", &config->http_messages)) return false;
    config->log_level = (px_log_level)level;
    config->log_json = format == 1;
    return true;
}

static bool read_root(loading *load, const json_t *root)
{
    static const char *const keys[] = {
        "me",   "retry_delay",       "servers",      "data_dir",  "pipes",      "socket",
        "http", "max_message_bytes", "heartbeat_ms", "log_level", "log_format", "http_messages",
        NULL};
    return px_reader_is_object(&load->reader, root, keys) && read_me(load, root) &&
           read_servers(load, root) && read_settings(load, root) && read_folder(load, root) &&
           read_pipes(load, root) && read_socket(load, root) && read_http(load, root);
}

/* ---- the file ---- */

static px_err err_of(int code)
{
    if (code == ENOENT || code == ENOTDIR) return PX_ERR_NOT_FOUND;
    return code == EACCES || code == EPERM ? PX_ERR_DENIED : PX_ERR_IO;
}

/* Reads the whole file into `*text`, which the caller frees in any case. */
static px_err read_file(px_reader *reader, const char *path, char **text, size_t *size_bytes)
{
    px_err err = PX_OK;
    FILE *file = fopen(path, "re");
    if (!file) {
        err = err_of(errno);
        px_reader_fail(reader, "cannot be opened: %s; name a readable configuration file", strerror(errno));
        return err;
    }
    *text = must(malloc(FILE_BYTES_MAX + 1));
    *size_bytes = fread(*text, 1, FILE_BYTES_MAX + 1, file);
    if (ferror(file)) {
        err = err_of(errno);
        px_reader_fail(reader, "cannot be read: %s; name a readable configuration file", strerror(errno));
    } else if (*size_bytes > FILE_BYTES_MAX) {
        err = PX_ERR_MALFORMED;
        px_reader_fail(reader, "is larger than %u bytes; name the configuration file of a node",
                       FILE_BYTES_MAX);
    }
    fclose(file);
    return err;
}

px_err px_config_load(const char *path, px_config *config, char *fault, size_t fault_bytes)
{
    px_config read;
    memset(&read, 0, sizeof read);
    loading load = {.file = path, .config = &read};
    px_reader_init(&load.reader, path, fault, fault_bytes);
    char *text = NULL;
    size_t size_bytes = 0;
    px_err err = read_file(&load.reader, path, &text, &size_bytes);
    json_t *root = err ? NULL : px_reader_parse(&load.reader, text, size_bytes);
    if (!err && (!root || !read_root(&load, root))) err = PX_ERR_MALFORMED;
    json_decref(root);
    free(text);
    if (err) {
        px_config_free(&read);
    } else {
        *config = read;
    }
    return err;
}

void px_config_free(px_config *config)
{
    for (uint32_t i = 0; i < config->pipe_count; i++) free_pipe(&config->pipes[i]);
    free(config->pipes);
    free(config->cert_path);
    free(config->key_path);
    free(config->ca_cert_path);
    free(config->data_dir);
    free(config->socket);
    memset(config, 0, sizeof *config);
}
