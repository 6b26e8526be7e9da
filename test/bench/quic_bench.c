/* quic_bench.c - what the transport gives between two processes on loopback.
 *
 * Meaning    A sends 64 KiB messages to B as fast as the queue takes them, until B has them all and says so;
 *            then 300 byte messages go there and back one at a time. Two processes, each with one px_net on a
 *            loop of its own, as two nodes have.
 * Usage      quic_bench [MEGABYTES [ECHOES]] */
// SPDX-License-Identifier: Apache-2.0
#include "os/dgram.h"
#include "os/loop.h"
#include "quic/certs.h"
#include "quic/quic.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MESSAGE_BYTES 65536u
#define ECHO_BYTES 300u
#define QUEUE_BYTES (4u << 20)
#define ECHOES_MAX 1000000u

typedef enum { WAITING, STREAMING, STREAMED, ECHOING, DONE } phase;

typedef struct {
    px_net_events events; /* first */
    px_log log;
    px_loop *loop;
    px_clock *clock;
    px_net *net;
    uint32_t self, other;
    bool is_sender;
    bool is_up, is_dialled;
    phase phase;
    uint64_t wanted_bytes, sent_bytes, received_bytes, calls;
    uint64_t begun_us, ended_us, echo_sent_us;
    uint32_t echoes, echoes_wanted;
    uint32_t echo_received_bytes;
    uint32_t *latencies_us;
    px_buffer *message, *echo;
} side;

static const uint8_t head[] = {'*'};

void px_log_event(px_log *log, px_log_level level, const char *format, ...)
{
    if (level > log->level) return;
    va_list arguments;
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
}

_Noreturn void px_assert_fail(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}

static void write_line(px_log *log, px_log_level level, const char *line)
{
    (void)log;
    (void)level;
    (void)fprintf(stderr, "%s\n", line);
}

_Noreturn static void give_up(const char *words)
{
    (void)fprintf(stderr, "quic_bench: %s\n", words);
    exit(1);
}

static void free_buffer(px_buffer *buffer)
{
    free(buffer);
}

static px_buffer *make_buffer(size_t size_bytes)
{
    px_buffer *buffer = malloc(sizeof *buffer + size_bytes);
    if (!buffer) give_up("out of memory");
    *buffer = (px_buffer){1, size_bytes, (uint8_t *)(buffer + 1), free_buffer};
    memset(buffer->data, 'x', size_bytes);
    return buffer;
}

static double cpu_s(void)
{
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* ---- events ---- */

static bool send_one(side *at, px_buffer *body)
{
    return at->net->send(at->net, at->other, PX_LANE_LOG, (px_bytes){head, sizeof head}, body);
}

static void send_echo(side *at)
{
    at->echo_sent_us = at->clock->now_us(at->clock);
    if (!send_one(at, at->echo)) give_up("an echo was not taken");
}

static void on_up(px_net_events *events, uint32_t member)
{
    (void)member;
    ((side *)events)->is_up = true;
}

static void on_down(px_net_events *events, uint32_t member, const char *reason)
{
    (void)member;
    side *at = (side *)events;
    if (at->is_sender) give_up(reason);
    px_loop_stop(at->loop);
}

static void on_incoming(px_net_events *events, uint64_t connection, uint32_t member)
{
    (void)connection;
    (void)member;
    ((side *)events)->is_dialled = true;
}

static void on_echo_came(side *at, size_t size_bytes)
{
    at->echo_received_bytes += (uint32_t)size_bytes;
    if (at->echo_received_bytes < ECHO_BYTES + sizeof head) return;
    at->echo_received_bytes = 0;
    if (at->is_sender) {
        at->latencies_us[at->echoes++] = (uint32_t)(at->clock->now_us(at->clock) - at->echo_sent_us);
        if (at->echoes == at->echoes_wanted) {
            at->phase = DONE;
            px_loop_stop(at->loop);
            return;
        }
    }
    send_echo(at);
}

static void on_bytes(px_net_events *events, uint64_t connection, uint8_t *bytes, size_t size_bytes)
{
    (void)connection;
    (void)bytes;
    side *at = (side *)events;
    if (at->phase == ECHOING) {
        on_echo_came(at, size_bytes);
        return;
    }
    at->received_bytes += size_bytes;
    at->calls++;
    if (at->is_sender && at->received_bytes >= sizeof head + 1) {
        /* B has everything. */
        at->ended_us = at->clock->now_us(at->clock);
        at->phase = STREAMED;
        px_loop_stop(at->loop);
    } else if (!at->is_sender && at->received_bytes >= at->wanted_bytes) {
        at->phase = ECHOING;
        (void)fprintf(stderr, "        receiver: %.2f ms CPU a MB, %.1f KiB a call\n",
                      cpu_s() * 1000 / ((double)at->received_bytes / 1e6),
                      (double)at->received_bytes / 1024 / (double)at->calls);
        px_buffer *done = make_buffer(1);
        if (!send_one(at, done)) give_up("the end was not taken");
        px_buffer_release(done);
    }
}

static void on_incoming_closed(px_net_events *events, uint64_t connection, const char *reason)
{
    (void)connection;
    side *at = (side *)events;
    if (at->is_sender) give_up(reason);
}

static void stream(side *at)
{
    while (at->sent_bytes < at->wanted_bytes && at->net->queued_bytes(at->net, at->other) < QUEUE_BYTES) {
        if (!send_one(at, at->message)) return;
        at->sent_bytes += MESSAGE_BYTES + sizeof head;
    }
}

static void on_turn(void *context)
{
    side *at = context;
    if (at->is_sender && at->phase == WAITING && at->is_up && at->is_dialled) {
        at->phase = STREAMING;
        at->begun_us = at->clock->now_us(at->clock);
    }
    if (at->is_sender && at->phase == STREAMING) stream(at);
    px_quic_flush(at->net);
}

/* ---- a side ---- */

static void pin(unsigned cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

static void open_side(side *at, const char *dir, const uint16_t ports[2])
{
    static char paths[3][512];
    static const char *const names[] = {"a.bench", "b.bench"};
    px_dgram_net *dgrams = NULL;
    if (px_loop_open(&at->loop) || px_os_dgrams_open(at->loop, &dgrams)) give_up("no loop");
    at->clock = px_loop_clock(at->loop);
    at->events = (px_net_events){on_up, on_down, on_incoming, on_bytes, on_incoming_closed};
    at->log = (px_log){PX_LOG_ERROR, write_line};
    at->message = make_buffer(MESSAGE_BYTES);
    at->echo = make_buffer(ECHO_BYTES);
    (void)snprintf(paths[0], sizeof paths[0], "%s/%s.crt", dir, names[at->self]);
    (void)snprintf(paths[1], sizeof paths[1], "%s/%s.key", dir, names[at->self]);
    (void)snprintf(paths[2], sizeof paths[2], "%s/ca.crt", dir);
    const px_quic_config config = {
        .bind_host = "127.0.0.1",
        .bind_port = ports[at->self],
        .cert_path = paths[0],
        .key_path = paths[1],
        .ca_cert_path = paths[2],
        .server_count = 1,
        .servers = {{names[at->other], "127.0.0.1", ports[at->other], at->other}},
        .retry_delay_us = 10000,
        .heartbeat_us = 100000,
        .reset_secret = {(uint8_t)(at->self + 1)},
    };
    if (px_quic_open(&config, dgrams, at->clock, &at->log, &at->net)) give_up("the net does not open");
    px_loop_on_turn(at->loop, at, on_turn);
    px_quic_start(at->net, &at->events);
}

static uint16_t free_port(void)
{
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size_bytes = sizeof address;
    if (bind(fd, (struct sockaddr *)(void *)&address, sizeof address) ||
        getsockname(fd, (struct sockaddr *)(void *)&address, &size_bytes) || close(fd)) {
        give_up("no port");
    }
    return ntohs(address.sin_port);
}

static int compare(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void run_sender(side *at)
{
    const double begun_s = cpu_s();
    px_loop_run(at->loop);
    const double seconds = (double)(at->ended_us - at->begun_us) / 1e6,
                 megabytes = (double)at->sent_bytes / 1e6;
    px_quic_counters counters;
    px_quic_count(at->net, &counters);
    (void)printf("stream  %.0f MB/s  (%.0f MB in %.2f s, messages of %u bytes; sender: %.2f ms CPU a MB, "
                 "%.1f packets a send)\n",
                 megabytes / seconds, megabytes, seconds, MESSAGE_BYTES,
                 (cpu_s() - begun_s) * 1000 / megabytes,
                 (double)counters.packets_sent / (double)counters.sends);
    at->phase = ECHOING;
    const double echo_begun_s = cpu_s();
    send_echo(at);
    px_loop_run(at->loop);
    qsort(at->latencies_us, at->echoes, sizeof *at->latencies_us, compare);
    (void)printf(
        "echo    p50 %u us, p99 %u us, max %u us  (%u messages of %u bytes; sender: %.1f us CPU each)\n",
        at->latencies_us[at->echoes / 2], at->latencies_us[at->echoes * 99 / 100],
        at->latencies_us[at->echoes - 1], at->echoes, ECHO_BYTES,
        (cpu_s() - echo_begun_s) * 1e6 / at->echoes);
}

int main(int count, char **words)
{
    const uint64_t megabytes = count > 1 ? strtoull(words[1], NULL, 10) : 1000;
    uint64_t echoes = count > 2 ? strtoull(words[2], NULL, 10) : 20000;
    if (megabytes == 0 || echoes == 0 || echoes > ECHOES_MAX)
        give_up("usage: quic_bench [MEGABYTES [ECHOES]]");
    char dir[] = "/tmp/quic_bench.XXXXXX", fault[512];
    const char *const names[] = {"a.bench", "b.bench"};
    if (!mkdtemp(dir) || px_certs_make(dir, names, 2, fault, sizeof fault)) give_up("no certificates");
    const uint16_t ports[2] = {free_port(), free_port()};
    const pid_t child = fork();
    if (child < 0) give_up("no process");
    side at = {.self = child ? 0 : 1, .other = child ? 1 : 0, .is_sender = child != 0};
    at.wanted_bytes = (megabytes * 1000000 / MESSAGE_BYTES + 1) * (MESSAGE_BYTES + sizeof head);
    at.echoes_wanted = (uint32_t)echoes;
    at.latencies_us = calloc(echoes, sizeof *at.latencies_us);
    if (!at.latencies_us) give_up("out of memory");
    pin(at.self);
    open_side(&at, dir, ports);
    if (child == 0) {
        px_loop_run(at.loop);
        _exit(0);
    }
    run_sender(&at);
    px_quic_close(at.net);
    int status = 0;
    (void)waitpid(child, &status, 0);
    static const char *const files[] = {"ca.crt",      "ca.key",      "a.bench.crt",
                                        "a.bench.key", "b.bench.crt", "b.bench.key"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        (void)remove(path);
    }
    return rmdir(dir) ? 1 : 0;
}
