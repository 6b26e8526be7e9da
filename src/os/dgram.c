/* dgram.c - UDP sockets and names on a loop, as port/dgram.h asks for them.
 *
 * Meaning    A socket is a descriptor that the loop polls. A readable one is read in rounds of one call each,
 *            a few in a turn, so that a flood on one keeps neither the others nor the timers waiting; what is
 *            left makes it readable again at once.
 * Source     [Q10, Q12, Q22]. */
// SPDX-License-Identifier: Apache-2.0
#include "os/dgram.h"

#include "base/assert.h"
#include "os/resolver.h"
#include "os/udp.h"
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* Rounds in one turn: half a megabyte each at most. */
#define ROUNDS_MAX 4u
/* Rounds when all of it is wanted: more than the kernel's buffer holds of full datagrams. */
#define ROUNDS_TO_DRAIN_MAX 4096u

typedef struct {
    px_dgram_net net;
    px_loop *loop;
    uint32_t socket_count;
    bool is_plain;
    px_udp_space space;
} udp_net;

struct px_dgram_socket {
    uv_poll_t poll;
    px_udp udp;
    udp_net *owner;
    px_dgram_events *events; /* NULL: closed */
    bool is_busy;            /* inside read_rounds, which looks at it afterwards */
    bool is_gone;            /* libuv has let go of it */
    bool wants_writable;
};

static void on_poll(uv_poll_t *poll, int status, int ready);

static void free_where_done(px_dgram_socket *socket)
{
    if (socket->is_gone && !socket->is_busy) free(socket);
}

static void on_gone(uv_handle_t *handle)
{
    px_dgram_socket *socket = handle->data;
    socket->is_gone = true;
    free_where_done(socket);
}

static void watch(px_dgram_socket *socket, bool wants_writable)
{
    socket->wants_writable = wants_writable;
    const int failed =
        uv_poll_start(&socket->poll, UV_READABLE | (wants_writable ? UV_WRITABLE : 0), on_poll);
    px_assert(!failed);
}

/* Reads up to `rounds_max` rounds; the socket may be closed by its own events. */
static void read_rounds(px_dgram_socket *socket, uint32_t rounds_max)
{
    px_udp_space *space = &socket->owner->space;
    bool more = true;
    for (uint32_t round = 0; round < rounds_max && more && socket->events; round++) {
        bool refused = false;
        const size_t count = px_udp_receive(&socket->udp, space, &refused);
        for (size_t i = 0; i < count && socket->events; i++)
            socket->events->on_run(socket->events, &space->runs[i]);
        if (refused && socket->events) socket->events->on_refused(socket->events);
        more = count == PX_UDP_BATCH;
        if (count && socket->events) socket->events->on_round(socket->events, more);
    }
}

static void on_poll(uv_poll_t *poll, int status, int ready)
{
    px_dgram_socket *socket = poll->data;
    socket->is_busy = true;
    /* An error of the socket, such as a refusal, stops libuv's watching; reading tells which it is and clears
     * it. */
    if (status < 0) watch(socket, socket->wants_writable);
    if (status < 0 || (ready & UV_READABLE)) read_rounds(socket, ROUNDS_MAX);
    if (socket->events && socket->wants_writable && (ready & UV_WRITABLE)) {
        watch(socket, false);
        socket->events->on_writable(socket->events);
    }
    socket->is_busy = false;
    free_where_done(socket);
}

static px_err open_socket(px_dgram_net *net, const px_dgram_address *local, const px_dgram_address *remote,
                          size_t receive_bytes, px_dgram_events *events, px_dgram_socket **out)
{
    udp_net *owner = (udp_net *)net;
    px_dgram_socket *socket = calloc(1, sizeof *socket);
    if (!socket) return PX_ERR_NO_SPACE;
    px_err err = px_udp_open(&socket->udp, local, remote, receive_bytes, owner->is_plain);
    if (err) goto fail_socket;
    err = PX_ERR_IO;
    if (uv_poll_init(px_loop_uv(owner->loop), &socket->poll, socket->udp.fd)) goto fail_udp;
    socket->poll.data = socket;
    socket->owner = owner;
    socket->events = events;
    owner->socket_count++;
    watch(socket, false);
    *out = socket;
    return PX_OK;
fail_udp:
    px_udp_close(&socket->udp);
fail_socket:
    free(socket);
    return err;
}

static void close_socket(px_dgram_net *net, px_dgram_socket *socket)
{
    (void)net;
    px_assert(socket->events);
    socket->events = NULL;
    socket->owner->socket_count--;
    /* libuv must let go of a descriptor before it is closed. */
    (void)uv_poll_stop(&socket->poll);
    px_udp_close(&socket->udp);
    uv_close((uv_handle_t *)&socket->poll, on_gone);
}

static void local_of(px_dgram_net *net, px_dgram_socket *socket, px_dgram_address *address)
{
    (void)net;
    *address = socket->udp.local;
}

static size_t receive_bytes_of(px_dgram_net *net, px_dgram_socket *socket)
{
    (void)net;
    return socket->udp.receive_bytes;
}

static px_dgram_sent send_run(px_dgram_net *net, px_dgram_socket *socket, const px_dgram_run *run,
                              size_t *sent_bytes)
{
    (void)net;
    const px_dgram_sent sent = px_udp_send(&socket->udp, run, sent_bytes);
    if (sent == PX_DGRAM_BLOCKED && !socket->wants_writable) watch(socket, true);
    return sent;
}

static void receive_all(px_dgram_net *net, px_dgram_socket *socket)
{
    (void)net;
    /* From inside its own events there is a reader already. */
    if (socket->is_busy) return;
    socket->is_busy = true;
    read_rounds(socket, ROUNDS_TO_DRAIN_MAX);
    socket->is_busy = false;
    free_where_done(socket);
}

static px_err resolve(px_dgram_net *net, px_dgram_query *query)
{
    return px_resolver_start(px_loop_uv(((udp_net *)net)->loop), query);
}

static void forget(px_dgram_net *net, px_dgram_query *query)
{
    (void)net;
    px_resolver_forget(query);
}

static void print_address(const px_dgram_address *address, char text[PX_DGRAM_TEXT_BYTES])
{
    char ip[PX_DGRAM_TEXT_BYTES] = "?";
    if (address->size_bytes == sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)address->bytes;
        (void)uv_ip4_name(four, ip, sizeof ip);
        (void)snprintf(text, PX_DGRAM_TEXT_BYTES, "%.*s:%u", 46, ip, ntohs(four->sin_port));
    } else {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address->bytes;
        (void)uv_ip6_name(six, ip, sizeof ip);
        (void)snprintf(text, PX_DGRAM_TEXT_BYTES, "[%.*s]:%u", 46, ip, ntohs(six->sin6_port));
    }
}

px_err px_os_dgrams_open(px_loop *loop, px_dgram_net **net)
{
    udp_net *made = calloc(1, sizeof *made);
    if (!made) return PX_ERR_NO_SPACE;
    made->loop = loop;
    made->net = (px_dgram_net){
        open_socket, close_socket, local_of, receive_bytes_of, send_run,
        receive_all, resolve,      forget,   print_address,
    };
    *net = &made->net;
    return PX_OK;
}

void px_os_dgrams_close(px_dgram_net *net)
{
    if (!net) return;
    px_assert(((udp_net *)net)->socket_count == 0);
    free(net);
}

void px_os_dgrams_go_plain(px_dgram_net *net)
{
    ((udp_net *)net)->is_plain = true;
}
