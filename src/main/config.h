/* config.h - the configuration file of a node, read strictly.
 *
 * Meaning    px_config_load reads the file into a px_config, or says in one line what is wrong with it:
 *            the file, the JSON path and the mend. It looks at the file alone; whether what it names can
 *            be used is asked of px_config_check (config_check.h).
 * Source     spec.md §2. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_MAIN_CONFIG_H
#define PX_MAIN_CONFIG_H

#include "base/err.h"
#include "base/limits.h"
#include "port/log.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Room that always suffices for a fault. */
#define PX_CONFIG_FAULT_BYTES 2048u
/* Pipes of one node: each costs two descriptors and an intake. */
#define PX_CONFIG_PIPES_MAX 64u
/* The longest name of a pipe: it is a session's name in the log and a label of the metrics. */
#define PX_CONFIG_PIPE_NAME_BYTES_MAX 64u
/* sun_path holds 108 bytes, the last one zero. */
#define PX_CONFIG_SOCKET_BYTES_MAX 107u

/* Where somebody listens. */
typedef struct {
    char host[PX_NAME_BYTES_MAX]; /* an IP address without brackets, or a name to be resolved */
    uint16_t port;                /* never 0 */
    bool is_ip;
    char text[PX_NAME_BYTES_MAX + 8]; /* host:port or [ip6]:port, for people */
} px_config_addr;

typedef struct {
    char name[PX_NAME_BYTES_MAX]; /* `server_name`, in lower case */
    px_config_addr addr;
} px_config_server;

typedef enum { PX_CONFIG_LINE, PX_CONFIG_JSON, PX_CONFIG_LENGTH } px_config_format;

typedef struct {
    char name[PX_CONFIG_PIPE_NAME_BYTES_MAX + 1];
    char *in, *out; /* resolved paths; one of them may be NULL */
    px_config_format format;
    bool from_end; /* where a cursor that does not exist yet begins */
    mode_t mode;
} px_config_pipe;

typedef struct {
    char id[PX_NAME_BYTES_MAX]; /* in lower case */
    px_config_addr addr;        /* to bind; always an IP address */
    char *cert_path, *key_path, *ca_cert_path;
    uint32_t retry_delay_ms;
    uint32_t server_count; /* the other members */
    px_config_server servers[PX_MEMBERS_MAX - 1];
    char *data_dir;
    uint32_t pipe_count;
    px_config_pipe *pipes;
    char *socket;
    bool has_http;
    px_config_addr http;
    uint32_t message_bytes_max;
    uint32_t heartbeat_ms;
    px_log_level log_level;
    bool log_json;
    bool http_messages;
} px_config;

/* Reads the file. Relative paths in it are resolved against its folder. Writes *config only on PX_OK; then
 * px_config_free frees it.
 * fault        on an error: one line without its newline, "FILE: JSON.PATH: what is wrong; how to mend it".
 * fault_bytes  room there; PX_CONFIG_FAULT_BYTES is enough.
 * Errors       PX_ERR_NOT_FOUND, PX_ERR_DENIED, PX_ERR_IO  the file itself cannot be read.
 *              PX_ERR_MALFORMED                             anything else. */
PX_MUST_USE px_err px_config_load(const char *path, px_config *config, char *fault, size_t fault_bytes);

/* Frees what px_config_load allocated; an empty px_config is left alone. */
void px_config_free(px_config *config);

#endif
