/* socket.h - the Unix socket on which clients ask for everything a pipe cannot do.
 *
 * Source     spec.md §5. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_LOCAL_SOCKET_H
#define PX_LOCAL_SOCKET_H

#include "local/consumers.h"
#include "local/local.h"
#include "local/local_env.h"

/* Clients at once; one more is told so and closed. */
#define PX_CLIENTS_MAX 1000u

typedef struct px_socket px_socket;
typedef struct px_socket_events px_socket_events;
struct px_socket_events {
    void (*on_stopped)(px_socket_events *events); /* after px_socket_stop, once, not from inside it */
    /* Tells of the node's pipes, for the status: calls `each` for every side of them. */
    void (*count_pipes)(px_socket_events *events, void *context,
                        void (*each)(void *context, const px_local_counters *counters));
};

/* Listens at the path. *made only on PX_OK; then the consumers are the socket's to close.
 * Errors  those of px_streams.listen. */
PX_MUST_USE px_err px_socket_open(const px_local_env *env, px_consumers *consumers, const char *path,
                                  px_socket_events *events, px_socket **made);

/* More messages are delivered. */
void px_socket_on_delivered(px_socket *server);

/* Does a client that follows the log wait for the next message? */
bool px_socket_is_awaited(const px_socket *server);

/* Looks after what makes no event; now and then. */
void px_socket_check(px_socket *server);

/* Takes no new client and no new work, and waits up to wait_us for the replies that are owed. */
void px_socket_stop(px_socket *server, uint64_t wait_us);

uint32_t px_socket_client_count(const px_socket *server);
void px_socket_close(px_socket *server);

#endif
