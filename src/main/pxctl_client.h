/* pxctl_client.h - a connection to a node's socket, as a client holds it.
 *
 * Meaning    Requests are queued and lines are taken out; px_client_move does the waiting, in both
 *            directions at once, since a node that is busy reads no requests before its replies are taken.
 * Source     spec.md §5. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_MAIN_PXCTL_CLIENT_H
#define PX_MAIN_PXCTL_CLIENT_H

#include "main/pxctl.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes between `first` and `end`. */
typedef struct {
    uint8_t *data;
    size_t first, end, room;
} px_queue;

typedef struct {
    int fd;
    bool is_ended;    /* the node has closed its side, or the connection broke */
    int64_t until_ms; /* on the monotonic clock: replies are waited for no longer; 0: for ever */
    px_queue in, out;
} px_client;

/* Finds the socket of the target and connects. On anything but PX_EXIT_DONE all is said, and nothing is
 * open. */
px_exit px_client_open(px_client *client, const px_target *target);
void px_client_close(px_client *client);

/* Queues bytes. */
void px_client_put(px_client *client, const void *bytes, size_t size_bytes);
void px_client_put_text(px_client *client, const char *text);
/* Queues a request and its newline; takes the object over. */
void px_client_put_json(px_client *client, json_t *request);
/* Bytes queued and not yet written. */
size_t px_client_queued(const px_client *client);

/* Tells the node that nothing more comes, once all that is queued is written. */
void px_client_shut(px_client *client);

/* Writes what can be written and reads what has come; waits for one of the two, for input on `other_fd`
 * (-1: none) or for timeout_ms (-1: none) to pass. Returns whether other_fd has input or has ended. */
bool px_client_move(px_client *client, int other_fd, int timeout_ms);

/* The next whole line, without its newline but with a zero byte; NULL where there is none yet. Valid until
 * the next px_client_move. */
char *px_client_line(px_client *client, size_t *size_bytes);

/* Waits for the next line; NULL, and all is said, where the connection ends. */
char *px_client_wait(px_client *client, size_t *size_bytes);

/* Waits for the next reply. Returns it where it says ok; otherwise says what the node said, and returns
 * NULL. */
json_t *px_client_reply(px_client *client);

/* Queues a request, which it takes over, and waits for its reply, as above. */
json_t *px_client_ask(px_client *client, json_t *request);

/* One request on a connection of its own. NULL, all said and *status set where it has no good reply. */
json_t *px_ask_once(const px_target *target, json_t *request, px_exit *status);

/* Parses a line; where it is no object or not ok, says so and returns NULL. */
json_t *px_reply_parse(const char *line, size_t size_bytes);

#endif
