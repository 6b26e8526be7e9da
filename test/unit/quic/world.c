/* world.c - nodes of a test, each with a px_net of its own over real sockets on loopback, all on one loop. */
// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include "certificates.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEARTBEAT_US 50000u
#define RETRY_US 20000u

uint32_t test_buffers;

/* node/ has the real one; here nothing else of node/ is wanted. */
void px_log_event(px_log *log, px_log_level level, const char *format, ...)
{
    if (level > log->level) return;
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    log->write(log, level, line);
}

static void write_line(px_log *log, px_log_level level, const char *line)
{
    (void)level;
    host *at = (host *)((char *)log - offsetof(host, log));
    if (getenv("PX_TEST_LOG")) (void)fprintf(stderr, "px%u: %s\n", at->number, line);
    if (at->line_count < LINES_MAX)
        (void)snprintf(at->lines[at->line_count++], sizeof at->lines[0], "%s", line);
}

/* ---- the layer under a host ---- */

static host *of_layer(px_dgram_net *layer)
{
    return (host *)((char *)layer - offsetof(host, layer));
}

static px_err layer_open(px_dgram_net *layer, const px_dgram_address *local, const px_dgram_address *remote,
                         size_t receive_bytes, px_dgram_events *events, px_dgram_socket **socket)
{
    host *at = of_layer(layer);
    px_dgram_net *under = at->in->dgrams;
    const px_err err = under->open(under, local, remote, receive_bytes, events, socket);
    if (err || !remote) return err;
    at->blocked_events = events;
    px_dgram_address source;
    under->local(under, *socket, &source);
    at->source_ports[at->sources++ % 16] = ntohs(((struct sockaddr_in *)(void *)source.bytes)->sin_port);
    return PX_OK;
}

static void layer_close(px_dgram_net *layer, px_dgram_socket *socket)
{
    px_dgram_net *under = of_layer(layer)->in->dgrams;
    under->close(under, socket);
}

static void layer_local(px_dgram_net *layer, px_dgram_socket *socket, px_dgram_address *address)
{
    px_dgram_net *under = of_layer(layer)->in->dgrams;
    under->local(under, socket, address);
}

static size_t layer_receive_bytes(px_dgram_net *layer, px_dgram_socket *socket)
{
    px_dgram_net *under = of_layer(layer)->in->dgrams;
    return under->receive_bytes(under, socket);
}

static px_dgram_sent layer_send(px_dgram_net *layer, px_dgram_socket *socket, const px_dgram_run *run,
                                size_t *sent_bytes)
{
    host *at = of_layer(layer);
    px_dgram_net *under = at->in->dgrams;
    *sent_bytes = 0;
    if (at->blocked_sends) {
        at->blocked_sends--;
        return PX_DGRAM_BLOCKED;
    }
    const bool is_lost = at->lost_of_1000 && px_prng_below(&at->in->prng, 1000) < at->lost_of_1000;
    if (!at->is_cut && !is_lost) return under->send(under, socket, run, sent_bytes);
    *sent_bytes = run->size_bytes;
    return PX_DGRAM_SENT;
}

static void layer_receive(px_dgram_net *layer, px_dgram_socket *socket)
{
    px_dgram_net *under = of_layer(layer)->in->dgrams;
    under->receive(under, socket);
}

static px_err layer_resolve(px_dgram_net *layer, px_dgram_query *query)
{
    const host *at = of_layer(layer);
    px_dgram_net *under = at->in->dgrams;
    const px_err err = under->resolve(under, query);
    if (err || !at->has_stale_address || query->port == at->config.bind_port) return err;
    query->addresses[query->count++] = query->addresses[0];
    struct sockaddr_in *first = (struct sockaddr_in *)(void *)query->addresses[0].bytes;
    assert_int_equal(first->sin_family, AF_INET);
    first->sin_addr.s_addr = htonl(INADDR_LOOPBACK + 8);
    return PX_OK;
}

static void layer_forget(px_dgram_net *layer, px_dgram_query *query)
{
    px_dgram_net *under = of_layer(layer)->in->dgrams;
    under->forget(under, query);
}

/* ---- what a host hears ---- */

static void on_up(px_net_events *events, uint32_t member)
{
    host *at = (host *)events;
    at->ups[member]++;
    at->is_up[member] = true;
}

static void on_down(px_net_events *events, uint32_t member, const char *reason)
{
    host *at = (host *)events;
    assert_true(at->is_up[member]);
    at->downs[member]++;
    at->is_up[member] = false;
    (void)snprintf(at->reason, sizeof at->reason, "%s", reason);
}

static void on_incoming(px_net_events *events, uint64_t connection, uint32_t member)
{
    host *at = (host *)events;
    assert_true(at->in_count < INCOMING_MAX);
    at->in_list[at->in_count++] = (incoming){.id = connection, .member = member};
}

static incoming *find_incoming(host *at, uint64_t connection)
{
    for (uint32_t i = 0; i < at->in_count; i++)
        if (at->in_list[i].id == connection) return &at->in_list[i];
    fail_msg("an event of an unknown connection");
    return NULL;
}

static void on_bytes(px_net_events *events, uint64_t connection, uint8_t *bytes, size_t size_bytes)
{
    host *at = (host *)events;
    incoming *from = find_incoming(at, connection);
    assert_false(from->is_closed);
    at->bytes_in += size_bytes;
    if (!at->keeps_no_bytes) {
        from->bytes = realloc(from->bytes, from->size_bytes + size_bytes);
        assert_non_null(from->bytes);
        memcpy(from->bytes + from->size_bytes, bytes, size_bytes);
    }
    from->size_bytes += size_bytes;
    if (at->on_message) at->on_message(at, connection, bytes, size_bytes);
    /* The bytes are ours to write over. */
    memset(bytes, 0xee, size_bytes);
}

static void on_incoming_closed(px_net_events *events, uint64_t connection, const char *reason)
{
    host *at = (host *)events;
    incoming *from = find_incoming(at, connection);
    assert_false(from->is_closed);
    from->is_closed = true;
    (void)snprintf(at->closed_reason, sizeof at->closed_reason, "%s", reason);
}

/* ---- hosts ---- */

static uint64_t host_now_us(px_clock *clock)
{
    const host *at = (host *)((char *)clock - offsetof(host, clock));
    return at->in->clock->now_us(at->in->clock) + at->ahead_us;
}

px_err host_try(host *at)
{
    const px_err err = px_quic_open(&at->config, &at->layer, &at->clock, &at->log, &at->net);
    if (!err) px_quic_start(at->net, &at->events);
    return err;
}

void host_start(host *at)
{
    assert_int_equal(host_try(at), PX_OK);
}

static void forget_connections(host *at)
{
    for (uint32_t i = 0; i < HOSTS_MAX; i++) at->is_up[i] = false;
    for (uint32_t i = 0; i < at->in_count; i++) free(at->in_list[i].bytes);
    at->in_count = 0;
}

void host_stop(host *at)
{
    px_quic_close(at->net);
    at->net = NULL;
    forget_connections(at);
}

void host_kill(host *at)
{
    at->is_cut = true;
    host_stop(at);
    at->is_cut = false;
}

static uint16_t free_port(void)
{
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size_bytes = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)(void *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&address, &size_bytes), 0);
    assert_int_equal(close(fd), 0);
    return ntohs(address.sin_port);
}

static const char *const names[HOSTS_MAX] = {"px0.test", "px1.test", "px2.test", "px3.test"};

static void make_host(world *in, uint32_t number, const uint16_t *ports)
{
    host *at = &in->hosts[number];
    *at = (host){.in = in, .number = number};
    at->events = (px_net_events){on_up, on_down, on_incoming, on_bytes, on_incoming_closed};
    at->layer = (px_dgram_net){layer_open,    layer_close,   layer_local,  layer_receive_bytes, layer_send,
                               layer_receive, layer_resolve, layer_forget, in->dgrams->print};
    at->log = (px_log){PX_LOG_DEBUG, write_line};
    at->clock = (px_clock){in->clock->timers, host_now_us, in->clock->wall_ms};
    px_quic_config *config = &at->config;
    config->bind_host = "127.0.0.1";
    config->bind_port = ports[number];
    config->files.cert_path = test_path(names[number], ".crt");
    config->files.key_path = test_path(names[number], ".key");
    config->files.ca_cert_path = test_path("root", ".crt");
    config->retry_delay_us = RETRY_US;
    config->heartbeat_us = HEARTBEAT_US;
    memset(config->reset_secret, (int)(number + 1), sizeof config->reset_secret);
    for (uint32_t other = 0; other < in->count; other++) {
        if (other == number) continue;
        config->servers[config->server_count++] = (px_quic_server){.name = names[other],
                                                                   .host = "127.0.0.1",
                                                                   .port = ports[other],
                                                                   .member = other};
    }
}

static void on_turn(void *context)
{
    world *in = context;
    for (uint32_t i = 0; i < in->count; i++)
        if (in->hosts[i].net) px_quic_flush(in->hosts[i].net);
    if (!in->condition) return;
    in->is_met = in->condition(in);
    if (in->is_met || in->clock->now_us(in->clock) >= in->deadline_us) px_loop_stop(in->loop);
}

static void on_watchdog(px_timer *timer)
{
    (void)timer;
}

void world_open(world *in, uint32_t count)
{
    memset(in, 0, sizeof *in);
    assert_int_equal(px_loop_open(&in->loop), PX_OK);
    assert_int_equal(px_os_dgrams_open(in->loop, &in->dgrams), PX_OK);
    in->clock = px_loop_clock(in->loop);
    in->count = count;
    in->watchdog.on_fire = on_watchdog;
    px_prng_init(&in->prng, 7);
    px_loop_on_turn(in->loop, in, on_turn);
    if (access(test_path("root", ".crt"), F_OK) != 0) test_make_root("root");
    uint16_t ports[HOSTS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        const test_certificate wanted = {.names = {names[i]}};
        ports[i] = free_port();
        if (access(test_path(names[i], ".crt"), F_OK) != 0) test_make_certificate("root", names[i], &wanted);
    }
    for (uint32_t i = 0; i < count; i++) make_host(in, i, ports);
}

void world_close(world *in)
{
    for (uint32_t i = 0; i < in->count; i++)
        if (in->hosts[i].net) host_stop(&in->hosts[i]);
    px_os_dgrams_close(in->dgrams);
    px_loop_close(in->loop);
    assert_int_equal(test_buffers, 0);
}

bool world_run_until(world *in, uint64_t timeout_us, bool (*condition)(world *world))
{
    in->condition = condition;
    in->is_met = false;
    in->deadline_us = in->clock->now_us(in->clock) + timeout_us;
    px_timers_start(in->clock->timers, &in->watchdog, in->deadline_us);
    px_loop_run(in->loop);
    px_timers_stop(in->clock->timers, &in->watchdog);
    in->condition = NULL;
    return in->is_met;
}

/* ---- messages ---- */

static void free_buffer(px_buffer *buffer)
{
    test_buffers--;
    free(buffer);
}

px_buffer *test_buffer(size_t size_bytes, uint8_t fill)
{
    px_buffer *buffer = malloc(sizeof *buffer + size_bytes);
    assert_non_null(buffer);
    *buffer = (px_buffer){1, size_bytes, (uint8_t *)(buffer + 1), free_buffer};
    memset(buffer->data, fill, size_bytes);
    test_buffers++;
    return buffer;
}

bool host_send(host *at, uint32_t member, px_lane lane, uint8_t fill, size_t size_bytes)
{
    px_buffer *body = test_buffer(size_bytes, fill);
    const uint8_t head[4] = {'h', 'e', 'a', 'd'};
    const bool sent = at->net->send(at->net, member, lane, (px_bytes){head, sizeof head}, body);
    px_buffer_release(body);
    return sent;
}

bool host_logged(const host *at, const char *a, const char *b)
{
    for (uint32_t i = 0; i < at->line_count; i++)
        if (strstr(at->lines[i], a) && strstr(at->lines[i], b)) return true;
    return false;
}

incoming *host_incoming(host *at, uint32_t member)
{
    for (uint32_t i = at->in_count; i > 0; i--)
        if (at->in_list[i - 1].member == member) return &at->in_list[i - 1];
    return NULL;
}
