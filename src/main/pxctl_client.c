/* pxctl_client.c - a connection to a node's socket, as a client holds it.
 *
 * Holds      A queue holds at most one line more than its limit; the limit is larger than any line a node
 *            sends. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl_client.h"

#include "main/config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* A stopped process takes a connection and says nothing. */
#define QUICK_MS 5000

/* Read at once: what a pipe of the kernel holds, several times. */
#define READ_BYTES (256u << 10)
/* The largest payload with each byte escaped in six, and the fields around it. */
#define LINE_BYTES_MAX (6u * PX_MESSAGE_BYTES_MOST + 4096u)

static void *must(void *memory)
{
    if (!memory) {
        px_say_failed("out of memory");
        exit(PX_EXIT_FAILED);
    }
    return memory;
}

/* ---- queues ---- */

static void queue_free(px_queue *queue)
{
    free(queue->data);
    *queue = (px_queue){.data = NULL};
}

/* Makes room for so many bytes behind the end. */
static void queue_reserve(px_queue *queue, size_t size_bytes)
{
    if (queue->room - queue->end >= size_bytes) return;
    const size_t used = queue->end - queue->first;
    if (queue->first > 0) memmove(queue->data, queue->data + queue->first, used);
    queue->first = 0;
    queue->end = used;
    if (queue->room - used >= size_bytes) return;
    while (queue->room - used < size_bytes) queue->room = queue->room ? 2 * queue->room : READ_BYTES;
    queue->data = must(realloc(queue->data, queue->room));
}

/* ---- opening ---- */

/* Writes the path of the node's socket into `path`. */
static px_exit find_socket(const px_target *target, char path[PX_CONFIG_SOCKET_BYTES_MAX + 1])
{
    const char *named = target->socket ? target->socket : target->config ? NULL : getenv("PX_SOCKET");
    px_config config = {.socket = NULL};
    if (named ? named[0] == '\0' : !target->config) {
        fputs("pxctl: which node? name its socket by -s SOCKET, or its configuration by -c CONFIG,\n"
              "or set PX_SOCKET\n",
              stderr);
        return PX_EXIT_USAGE;
    }
    if (!named) {
        char fault[PX_CONFIG_FAULT_BYTES];
        if (px_config_load(target->config, &config, fault, sizeof fault)) {
            fprintf(stderr, "%s\n", fault);
            return PX_EXIT_USAGE;
        }
        named = config.socket;
    }
    px_exit status = PX_EXIT_DONE;
    if (strlen(named) > PX_CONFIG_SOCKET_BYTES_MAX) {
        px_say_failed(
            "%s: longer than the %u bytes that a socket's path may have; use a shorter or a relative one",
            named, PX_CONFIG_SOCKET_BYTES_MAX);
        status = PX_EXIT_USAGE;
    } else {
        strcpy(path, named);
    }
    px_config_free(&config);
    return status;
}

px_exit px_client_open(px_client *client, const px_target *target)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const px_exit status = find_socket(target, address.sun_path);
    if (status) return status;
    memset(client, 0, sizeof *client);
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0) return px_say_failed("no socket can be made: %s", strerror(errno));
    if (connect(client->fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        const bool may_not = errno == EACCES;
        const char *why = strerror(errno);
        px_client_close(client);
        if (may_not)
            return px_say_failed("%s may not be used: %s; its folder and its mode say who may",
                                 address.sun_path, why);
        return px_say_failed("no node answers at %s: %s; is px running, and is this its socket?",
                             address.sun_path, why);
    }
    fcntl(client->fd, F_SETFL, fcntl(client->fd, F_GETFL) | O_NONBLOCK);
    return PX_EXIT_DONE;
}

void px_client_close(px_client *client)
{
    if (client->fd >= 0) close(client->fd);
    client->fd = -1;
    queue_free(&client->in);
    queue_free(&client->out);
}

/* ---- sending ---- */

void px_client_put(px_client *client, const void *bytes, size_t size_bytes)
{
    queue_reserve(&client->out, size_bytes);
    memcpy(client->out.data + client->out.end, bytes, size_bytes);
    client->out.end += size_bytes;
}

void px_client_put_text(px_client *client, const char *text)
{
    px_client_put(client, text, strlen(text));
}

void px_client_put_json(px_client *client, json_t *request)
{
    char *text = must(json_dumps(request, JSON_COMPACT));
    px_client_put_text(client, text);
    px_client_put(client, "\n", 1);
    free(text);
    json_decref(request);
}

size_t px_client_queued(const px_client *client)
{
    return client->out.end - client->out.first;
}

void px_client_shut(px_client *client)
{
    while (!client->is_ended && px_client_queued(client) > 0) px_client_move(client, -1, -1);
    shutdown(client->fd, SHUT_WR);
}

/* ---- both ways ---- */

static void write_some(px_client *client)
{
    px_queue *out = &client->out;
    while (out->end > out->first) {
        const ssize_t written = send(client->fd, out->data + out->first, out->end - out->first, MSG_NOSIGNAL);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EAGAIN) return;
        if (written < 0) {
            /* What the node said before it closed may still be there; the reading side notices the end. */
            out->first = out->end;
            return;
        }
        out->first += (size_t)written;
    }
}

static void read_some(px_client *client)
{
    px_queue *in = &client->in;
    queue_reserve(in, READ_BYTES);
    const ssize_t got = read(client->fd, in->data + in->end, in->room - in->end);
    if (got > 0) in->end += (size_t)got;
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) client->is_ended = true;
    if (in->end - in->first > LINE_BYTES_MAX + READ_BYTES &&
        !memchr(in->data + in->first, '\n', in->end - in->first)) {
        client->is_ended = true;
    }
}

bool px_client_move(px_client *client, int other_fd, int timeout_ms)
{
    write_some(client);
    struct pollfd polls[2] = {{.fd = client->is_ended ? -1 : client->fd, .events = POLLIN},
                              {.fd = other_fd, .events = POLLIN}};
    if (px_client_queued(client) > 0) polls[0].events |= POLLOUT;
    if (poll(polls, 2, timeout_ms) < 0) return false;
    if (polls[0].revents & POLLOUT) write_some(client);
    if (polls[0].revents & (POLLIN | POLLHUP | POLLERR)) read_some(client);
    return polls[1].revents != 0;
}

/* ---- receiving ---- */

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

char *px_client_line(px_client *client, size_t *size_bytes)
{
    px_queue *in = &client->in;
    if (in->end == in->first) return NULL;
    uint8_t *line = in->data + in->first;
    uint8_t *newline = memchr(line, '\n', in->end - in->first);
    if (!newline) return NULL;
    *newline = '\0';
    *size_bytes = (size_t)(newline - line);
    in->first += *size_bytes + 1;
    return (char *)line;
}

char *px_client_wait(px_client *client, size_t *size_bytes)
{
    for (;;) {
        char *line = px_client_line(client, size_bytes);
        if (line) return line;
        if (client->is_ended) {
            px_say_failed("the node closed the connection; see its log, and try again when it is up");
            return NULL;
        }
        const int left_ms = client->until_ms ? (int)(client->until_ms - now_ms()) : -1;
        if (client->until_ms && left_ms <= 0) {
            px_say_failed("the node does not answer; is its process stopped?");
            return NULL;
        }
        px_client_move(client, -1, left_ms);
    }
}

json_t *px_reply_parse(const char *line, size_t size_bytes)
{
    json_error_t error;
    json_t *reply = json_loadb(line, size_bytes, JSON_ALLOW_NUL, &error);
    const json_t *ok = json_object_get(reply, "ok");
    if (!reply || !json_is_boolean(ok)) {
        px_say_failed("not a reply of a node: %.100s; does this socket belong to px?", line);
        json_decref(reply);
        return NULL;
    }
    if (json_is_true(ok)) return reply;
    const char *code = json_string_value(json_object_get(reply, "error"));
    const char *message = json_string_value(json_object_get(reply, "message"));
    px_say_failed("%s: %s", code ? code : "refused", message ? message : "the node gives no reason");
    json_decref(reply);
    return NULL;
}

json_t *px_client_reply(px_client *client)
{
    size_t size_bytes;
    const char *line = px_client_wait(client, &size_bytes);
    return line ? px_reply_parse(line, size_bytes) : NULL;
}

json_t *px_client_ask(px_client *client, json_t *request)
{
    px_client_put_json(client, request);
    return px_client_reply(client);
}

/* What a node answers at once, whatever the others do. */
static bool is_quick(const json_t *request)
{
    const char *op = json_string_value(json_object_get(request, "op"));
    return op && (strcmp(op, "status") == 0 || strcmp(op, "digest") == 0);
}

json_t *px_ask_once(const px_target *target, json_t *request, px_exit *status)
{
    px_client client;
    *status = px_client_open(&client, target);
    if (!*status && is_quick(request)) client.until_ms = now_ms() + QUICK_MS;
    if (*status) {
        json_decref(request);
        return NULL;
    }
    json_t *reply = px_client_ask(&client, request);
    px_client_close(&client);
    if (!reply) *status = PX_EXIT_FAILED;
    return reply;
}
