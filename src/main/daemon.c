/* daemon.c - one node, with everything that it runs on. */
// SPDX-License-Identifier: Apache-2.0
#include "main/daemon.h"

#include "local/local.h"
#include "main/reload.h"
#include "main/service.h"
#include "node/node.h"
#include "os/dgram.h"
#include "os/disk.h"
#include "os/loop.h"
#include "os/signals.h"
#include "os/stream.h"
#include "quic/quic.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* How long a clean stop waits for somebody to take leadership, and for what was taken to be chosen. */
#define HAND_OVER_US 1000000u
#define DRAIN_US 3000000u
/* Heartbeats without a leader after which there is none to drain to: a dead one is replaced within three. */
#define LEADERLESS_HEARTBEATS 5u
/* In the data folder. */
#define SECRET_NAME "secret"
#define SECRET_BYTES 32u

typedef enum { STEP_RUNNING, STEP_HANDING_OVER, STEP_DRAINING, STEP_STOPPED } px_stop_step;

typedef struct {
    const char *config_path;
    const px_config *config;
    px_stderr_log *log;
    px_loop *loop;
    px_clock *clock;
    px_signals *signals;
    px_disk *disk;
    px_dgram_net *dgrams;
    px_streams *streams;
    px_node *node;
    px_net *net;
    px_local *local;
    px_local_pipe *local_pipes;
    const char *members[PX_MEMBERS_MAX];
    px_stop_step step;
    uint64_t step_until_us;
    uint64_t leaderless_us; /* since when, while it stops; 0: a leader is known */
    bool is_local_closed;
    bool is_ready; /* and the service manager knows it */
    px_timer stop_timer;
} px_daemon;

/* ---- what cannot go on ---- */

/* The log on this disk cannot be trusted any more: nothing is answered, nothing is flushed. [R17] */
static void on_fatal(void *context, const char *what)
{
    (void)context;
    (void)what;
    _exit(PX_EXIT_FAILED);
}

static int fail(px_daemon *daemon, const char *where, const char *what)
{
    px_log_event(&daemon->log->log, PX_LOG_ERROR, "%s: %s", where, what);
    return PX_EXIT_FAILED;
}

/* ---- stopping ---- */

static void enter_step(px_daemon *daemon, px_stop_step step, uint64_t time_us)
{
    daemon->step = step;
    daemon->step_until_us = daemon->clock->now_us(daemon->clock) + time_us;
    px_timers_start(daemon->clock->timers, &daemon->stop_timer, daemon->step_until_us);
}

static void on_local_stopped(void *context)
{
    px_daemon *daemon = context;
    daemon->is_local_closed = true;
}

/* From when on there is nobody who could choose what is left: it is kept then. [R12] */
static uint64_t given_up_at_us(px_daemon *daemon)
{
    if (px_node_has_leader(daemon->node)) {
        daemon->leaderless_us = 0;
        return UINT64_MAX;
    }
    if (daemon->leaderless_us == 0) daemon->leaderless_us = daemon->clock->now_us(daemon->clock);
    return daemon->leaderless_us + (uint64_t)daemon->config->heartbeat_ms * 1000 * LEADERLESS_HEARTBEATS;
}

/* A clean stop goes step by step: leadership is handed over while everything still runs, then local drains,
 * then the loop ends; each step has its time. */
static void go_on_stopping(px_daemon *daemon)
{
    bool is_late = daemon->clock->now_us(daemon->clock) >= daemon->step_until_us;
    if (daemon->step == STEP_HANDING_OVER && (is_late || px_node_is_handed_over(daemon->node))) {
        is_late = false;
        enter_step(daemon, STEP_DRAINING, DRAIN_US);
        px_local_stop(daemon->local, daemon, on_local_stopped);
    }
    if (daemon->step != STEP_DRAINING) return;
    const uint64_t now_us = daemon->clock->now_us(daemon->clock), given_up_us = given_up_at_us(daemon);
    const bool is_done = px_node_is_drained(daemon->node) || now_us >= given_up_us;
    if (is_late || (daemon->is_local_closed && is_done)) {
        daemon->step = STEP_STOPPED;
        px_loop_stop(daemon->loop);
        return;
    }
    const bool is_nearer = given_up_us > now_us && given_up_us < daemon->step_until_us;
    px_timers_start(daemon->clock->timers, &daemon->stop_timer,
                    is_nearer ? given_up_us : daemon->step_until_us);
}

static void on_stop_timer(px_timer *timer)
{
    go_on_stopping((px_daemon *)(void *)((char *)timer - offsetof(px_daemon, stop_timer)));
}

static void begin_stop(px_daemon *daemon, int number)
{
    px_log_event(&daemon->log->log, PX_LOG_INFO, "stopping: signal %d", number);
    px_service_tell(PX_SERVICE_STOPPING);
    enter_step(daemon, STEP_HANDING_OVER, HAND_OVER_US);
    px_node_hand_over(daemon->node, PX_MEMBERS_MAX);
}

static void on_signal(void *context, int number)
{
    px_daemon *daemon = context;
    if (number == SIGHUP) {
        if (daemon->is_ready) px_service_tell(PX_SERVICE_RELOADING);
        px_reload(daemon->config_path, daemon->config, daemon->net, daemon->log);
        if (daemon->is_ready) px_service_tell(PX_SERVICE_READY);
    } else if (daemon->step == STEP_RUNNING) {
        begin_stop(daemon, number);
    } else { /* the second one: at once */
        px_loop_stop(daemon->loop);
    }
}

/* ---- one turn ---- */

static void on_turn(void *context)
{
    px_daemon *daemon = context;
    if (!daemon->node || !daemon->net) return;
    px_node_turn(daemon->node);
    px_quic_flush(daemon->net);
    if (!daemon->is_ready && px_node_is_ready(daemon->node)) {
        daemon->is_ready = true;
        px_service_tell(PX_SERVICE_READY);
    }
    if (daemon->step != STEP_RUNNING && daemon->step != STEP_STOPPED) go_on_stopping(daemon);
}

/* ---- opening, from the loop up ---- */

static int open_loop(px_daemon *daemon)
{
    if (px_loop_open(&daemon->loop)) return fail(daemon, "loop", "the event loop cannot be made");
    daemon->clock = px_loop_clock(daemon->loop);
    if (px_signals_open(daemon->loop, daemon, on_signal, &daemon->signals))
        return fail(daemon, "signals", "they cannot be listened for");
    if (px_os_dgrams_open(daemon->loop, &daemon->dgrams))
        return fail(daemon, "sockets", "they cannot be made");
    if (px_os_streams_open(px_loop_uv(daemon->loop), &daemon->streams))
        return fail(daemon, "pipes", "they cannot be made");
    daemon->stop_timer.on_fire = on_stop_timer;
    return PX_EXIT_CLEAN;
}

static void draw_random(void *space, size_t size_bytes)
{
    while (getrandom(space, size_bytes, 0) != (ssize_t)size_bytes) continue;
}

static uint64_t draw_seed(void)
{
    uint64_t seed = 0;
    draw_random(&seed, sizeof seed);
    return seed;
}

static void fill_node_config(const px_daemon *daemon, px_node_config *node)
{
    const px_config *config = daemon->config;
    *node = (px_node_config){
        .id = config->id,
        .server_count = config->server_count,
        .heartbeat_us = (uint64_t)config->heartbeat_ms * 1000,
        .message_bytes_max = config->message_bytes_max,
        .seed = draw_seed(),
    };
    for (uint32_t i = 0; i < config->server_count; i++) {
        node->servers[i] = config->servers[i].name;
        node->addresses[i] = config->servers[i].addr.text;
    }
    node->addresses[config->server_count] = config->addr.text;
}

/* Makes the FIFOs as soon as the folder is this node's: whoever opens one waits then, while a shell that
 * finds none would make an ordinary file of that name. What is wrong is said when it is opened. */
static void make_fifos(px_daemon *daemon)
{
    px_streams *streams = daemon->streams;
    for (uint32_t i = 0; i < daemon->config->pipe_count; i++) {
        const px_config_pipe *pipe = &daemon->config->pipes[i];
        if (pipe->in) (void)streams->make_fifo(streams, pipe->in, pipe->mode);
        if (pipe->out) (void)streams->make_fifo(streams, pipe->out, pipe->mode);
    }
}

/* A fault names a part of the folder; people with several nodes must know of which one. */
static int fail_folder(px_daemon *daemon, const px_wal_fault *fault, px_err err)
{
    const char *what = fault->what[0] ? fault->what : px_err_text(err);
    if (!fault->where[0]) return fail(daemon, daemon->config->data_dir, what);
    px_log_event(&daemon->log->log, PX_LOG_ERROR, "%s: %s: %s", daemon->config->data_dir, fault->where, what);
    return PX_EXIT_FAILED;
}

static int open_node(px_daemon *daemon, const px_node_config *node_config)
{
    const char *folder = daemon->config->data_dir;
    const px_err err = px_os_disk_open(px_loop_uv(daemon->loop), folder, &daemon->disk);
    if (err == PX_ERR_BUSY)
        return fail(daemon, folder, "in use by another px: stop that one, or name another data_dir");
    if (err) return fail(daemon, folder, px_err_text(err));
    make_fifos(daemon);
    const px_node_ports ports = {
        .disk = daemon->disk,
        .clock = daemon->clock,
        .log = &daemon->log->log,
        .fatal_context = daemon,
        .fatal = on_fatal,
    };
    px_wal_fault fault = {{0}, {0}};
    const px_err opened = px_node_open(node_config, &ports, &daemon->node, &fault);
    if (opened) return fail_folder(daemon, &fault, opened);
    return PX_EXIT_CLEAN;
}

/* The key of stateless resets: the same after each restart, another on each node, and a secret. [Q21] */
static int read_secret(px_daemon *daemon, uint8_t secret[SECRET_BYTES])
{
    px_disk *disk = daemon->disk;
    px_disk_file *file = NULL;
    size_t read_bytes = 0;
    px_err err = disk->open(disk, SECRET_NAME, &file);
    if (err == PX_ERR_NOT_FOUND) {
        draw_random(secret, SECRET_BYTES);
        err = disk->create(disk, SECRET_NAME, SECRET_BYTES, &file);
        if (!err) err = disk->write_now(disk, file, 0, secret, SECRET_BYTES);
    } else if (!err) {
        err = disk->read(disk, file, 0, secret, SECRET_BYTES, false, &read_bytes);
        if (!err && read_bytes != SECRET_BYTES) err = PX_ERR_DAMAGED;
    }
    if (file) disk->close(disk, file);
    return err ? fail(daemon, SECRET_NAME, px_err_text(err)) : PX_EXIT_CLEAN;
}

static int open_net(px_daemon *daemon, const px_node_config *node_config)
{
    const px_config *config = daemon->config;
    px_quic_config quic = {
        .bind_host = config->addr.host,
        .bind_port = config->addr.port,
        .files = {config->cert_path, config->key_path, config->ca_cert_path},
        .server_count = config->server_count,
        .retry_delay_us = (uint64_t)config->retry_delay_ms * 1000,
        .heartbeat_us = node_config->heartbeat_us,
    };
    for (uint32_t i = 0; i < config->server_count; i++) {
        const px_config_server *server = &config->servers[i];
        const uint32_t place = px_node_place(node_config, server->name);
        quic.servers[i] = (px_quic_server){server->name, server->addr.host, server->addr.port, place};
    }
    if (read_secret(daemon, quic.reset_secret)) return PX_EXIT_FAILED;
    px_log *log = &daemon->log->log;
    if (px_quic_open(&quic, daemon->dgrams, daemon->clock, log, &daemon->net)) return PX_EXIT_FAILED;
    px_node_connect(daemon->node, daemon->net);
    px_quic_start(daemon->net, px_node_net_events(daemon->node));
    return PX_EXIT_CLEAN;
}

static int open_local(px_daemon *daemon, const px_node_config *node_config)
{
    const px_config *config = daemon->config;
    daemon->local_pipes = calloc(config->pipe_count + 1, sizeof *daemon->local_pipes);
    if (!daemon->local_pipes) return fail(daemon, "pipes", "no memory");
    for (uint32_t i = 0; i < config->pipe_count; i++) {
        const px_config_pipe *pipe = &config->pipes[i];
        static const px_local_format formats[] = {
            [PX_CONFIG_LINE] = PX_LOCAL_LINE,
            [PX_CONFIG_JSON] = PX_LOCAL_JSON,
            [PX_CONFIG_LENGTH] = PX_LOCAL_LENGTH,
        };
        daemon->local_pipes[i] = (px_local_pipe){
            .name = pipe->name,
            .in = pipe->in,
            .out = pipe->out,
            .format = formats[pipe->format],
            .mode = pipe->mode,
            .from_end = pipe->from_end,
        };
    }
    daemon->members[px_node_place(node_config, config->id)] = config->id;
    for (uint32_t i = 0; i < config->server_count; i++)
        daemon->members[px_node_place(node_config, config->servers[i].name)] = config->servers[i].name;
    const px_local_config local = {
        .pipe_count = config->pipe_count,
        .pipes = daemon->local_pipes,
        .socket = config->socket,
        .message_bytes_max = config->message_bytes_max,
        .member_count = config->server_count + 1,
        .members = daemon->members,
    };
    px_local_fault fault = {{0}, {0}};
    if (px_local_open(&local, px_node_app(daemon->node), daemon->streams, daemon->disk, daemon->clock,
                      &daemon->log->log, &daemon->local, &fault))
        return fail(daemon, fault.where, fault.what);
    return PX_EXIT_CLEAN;
}

/* ---- from start to end ---- */

static int open_all(px_daemon *daemon)
{
    px_node_config node;
    fill_node_config(daemon, &node);
    int status = open_loop(daemon);
    if (!status) status = open_node(daemon, &node);
    if (!status) status = open_net(daemon, &node);
    if (!status) status = open_local(daemon, &node);
    return status;
}

static void close_all(px_daemon *daemon)
{
    if (daemon->loop) px_loop_on_turn(daemon->loop, NULL, NULL);
    if (daemon->clock) px_timers_stop(daemon->clock->timers, &daemon->stop_timer);
    if (daemon->local) px_local_close(daemon->local);
    if (daemon->net) px_quic_close(daemon->net);
    if (daemon->node) px_node_close(daemon->node);
    if (daemon->streams) px_os_streams_close(daemon->streams);
    if (daemon->dgrams) px_os_dgrams_close(daemon->dgrams);
    if (daemon->disk) px_os_disk_close(daemon->disk);
    if (daemon->signals) px_signals_close(daemon->signals);
    if (daemon->loop) px_loop_close(daemon->loop);
    free(daemon->local_pipes);
}

int px_daemon_run(const char *path, const px_config *config, px_stderr_log *log)
{
    px_daemon daemon = {.config_path = path, .config = config, .log = log};
    (void)signal(SIGPIPE, SIG_IGN); /* before the first line of the log */
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit of file sizes is an error of writing then, which is told */
    (void)signal(SIGCHLD, SIG_IGN); /* as process 1, orphans that end are gone without being waited for */
    px_log_event(&log->log, PX_LOG_INFO, "starting: px %s, node %s at %s", PX_VERSION, config->id,
                 config->addr.text);
    if (config->has_http)
        px_log_event(&log->log, PX_LOG_WARN, "http: nothing is served at %s by this version",
                     config->http.text);
    int status = open_all(&daemon);
    if (!status) {
        px_loop_on_turn(daemon.loop, &daemon, on_turn);
        px_loop_run(daemon.loop);
        px_local_take_rest(daemon.local);
        if (px_node_keep(daemon.node)) status = PX_EXIT_FAILED;
        px_log_event(&log->log, PX_LOG_INFO, "stopped");
    }
    close_all(&daemon);
    return status;
}
