/* reload.c - SIGHUP: what a running node takes up from its configuration. */
// SPDX-License-Identifier: Apache-2.0
#include "main/reload.h"

#include "main/config_check.h"
#include "quic/quic.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same_servers(const px_config *a, const px_config *b)
{
    if (a->server_count != b->server_count) return false;
    for (uint32_t i = 0; i < a->server_count; i++) {
        const px_config_server *old = &a->servers[i], *new = &b->servers[i];
        if (!is_same_text(old->name, new->name) || !is_same_text(old->addr.text, new->addr.text))
            return false;
    }
    return true;
}

static bool is_same_pipes(const px_config *a, const px_config *b)
{
    if (a->pipe_count != b->pipe_count) return false;
    for (uint32_t i = 0; i < a->pipe_count; i++) {
        const px_config_pipe *old = &a->pipes[i], *new = &b->pipes[i];
        if (!is_same_text(old->name, new->name) || !is_same_text(old->in, new->in) ||
            !is_same_text(old->out, new->out) || old->format != new->format ||
            old->from_end != new->from_end || old->mode != new->mode)
            return false;
    }
    return true;
}

static bool is_same_http(const px_config *a, const px_config *b)
{
    return a->has_http == b->has_http && (!a->has_http || is_same_text(a->http.text, b->http.text));
}

/* Says which keys differ that only a start reads. */
static void name_others(const px_config *a, const px_config *b, px_log *log)
{
    const struct {
        const char *key;
        bool is_same;
    } keys[] = {
        {"me.id", is_same_text(a->id, b->id)},
        {"me.addr", is_same_text(a->addr.text, b->addr.text)},
        {"retry_delay", a->retry_delay_ms == b->retry_delay_ms},
        {"servers", is_same_servers(a, b)},
        {"data_dir", is_same_text(a->data_dir, b->data_dir)},
        {"pipes", is_same_pipes(a, b)},
        {"socket", is_same_text(a->socket, b->socket)},
        {"http", is_same_http(a, b)},
        {"http_messages", a->http_messages == b->http_messages},
        {"max_message_bytes", a->message_bytes_max == b->message_bytes_max},
        {"heartbeat_ms", a->heartbeat_ms == b->heartbeat_ms},
        {"log_format", a->log_json == b->log_json},
    };
    char names[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (keys[i].is_same) continue;
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", keys[i].key);
    }
    if (used)
        px_log_event(log, PX_LOG_WARN, "SIGHUP: changed too, and taken up at the next start only: %s", names);
}

static void take_level(px_stderr_log *log, px_log_level level)
{
    static const char *const words[] = {"error", "warn", "info", "debug"};
    const px_log_level old = log->log.level;
    if (level == old) return;
    if (level > old) log->log.level = level;
    px_log_event(&log->log, PX_LOG_INFO, "SIGHUP: log_level %s, was %s", words[level], words[old]);
    log->log.level = level;
}

static void say_certificates(px_net *net, px_log *log)
{
    px_quic_counters counters;
    char until[32] = "";
    struct tm parts;
    px_quic_count(net, &counters);
    const time_t expires_s = (time_t)counters.certificate_expires_s;
    if (gmtime_r(&expires_s, &parts)) (void)strftime(until, sizeof until, "%Y-%m-%dT%H:%M:%SZ", &parts);
    px_log_event(log, PX_LOG_INFO, "SIGHUP: certificates taken up for new connections; valid until %s",
                 until);
}

/* Under the name that this node runs with, whatever the file says now. */
static px_err take_certificates(const char *path, const px_config *running, const px_config *fresh,
                                px_net *net, char *fault, size_t fault_bytes)
{
    px_config wanted = *running;
    wanted.cert_path = fresh->cert_path;
    wanted.key_path = fresh->key_path;
    wanted.ca_cert_path = fresh->ca_cert_path;
    const px_tls_files files = {wanted.cert_path, wanted.key_path, wanted.ca_cert_path};
    const px_err err = px_config_check_certificates(path, &wanted, fault, fault_bytes);
    if (err) return err;
    (void)snprintf(fault, fault_bytes, "the certificates cannot be taken up");
    return px_quic_reload(net, &files);
}

void px_reload(const char *path, const px_config *running, px_net *net, px_stderr_log *log)
{
    px_config fresh = {0};
    char fault[PX_CONFIG_FAULT_BYTES];
    if (px_config_load(path, &fresh, fault, sizeof fault) ||
        take_certificates(path, running, &fresh, net, fault, sizeof fault)) {
        px_log_event(&log->log, PX_LOG_ERROR, "SIGHUP: nothing changes: %s", fault);
        px_config_free(&fresh);
        return;
    }
    say_certificates(net, &log->log);
    take_level(log, fresh.log_level);
    name_others(running, &fresh, &log->log);
    px_config_free(&fresh);
}
