/* resolver.c - names to addresses, by the system's resolver on libuv's threads.
 *
 * Meaning    IP addresses are answered at once and need no thread: a cluster that is configured by addresses
 *            never waits for a resolver. */
// SPDX-License-Identifier: Apache-2.0
#include "os/resolver.h"

#include "base/assert.h"
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

/* Outlives its query where that is forgotten while a thread still works on it. */
typedef struct {
    uv_getaddrinfo_t uv;
    px_dgram_query *query; /* NULL: forgotten */
} lookup;

static struct addrinfo hints_with(int flags)
{
    return (struct addrinfo){.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_DGRAM,
                             .ai_flags = AI_NUMERICSERV | flags};
}

static void take_answer(px_dgram_query *query, const struct addrinfo *found)
{
    query->count = 0;
    for (const struct addrinfo *each = found; each && query->count < PX_DGRAM_ADDRESSES_MAX;
         each = each->ai_next) {
        px_dgram_address *address = &query->addresses[query->count];
        if (each->ai_addrlen > sizeof address->bytes) continue;
        memset(address, 0, sizeof *address);
        memcpy(address->bytes, each->ai_addr, each->ai_addrlen);
        address->size_bytes = each->ai_addrlen;
        query->count++;
    }
    if (query->count == 0) (void)snprintf(query->fault, sizeof query->fault, "no address of IPv4 or IPv6");
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    lookup *done = (lookup *)request;
    px_dgram_query *query = done->query;
    if (query && status == 0) {
        take_answer(query, found);
    } else if (query) {
        query->count = 0;
        (void)snprintf(query->fault, sizeof query->fault, "%s", uv_strerror(status));
    }
    if (found) uv_freeaddrinfo(found);
    free(done);
    if (!query) return;
    query->request = NULL;
    query->on_resolved(query);
}

static bool resolve_numeric(px_dgram_query *query, const char *port)
{
    const struct addrinfo hints = hints_with(AI_NUMERICHOST);
    struct addrinfo *found = NULL;
    if (getaddrinfo(query->host, port, &hints, &found)) return false;
    take_answer(query, found);
    freeaddrinfo(found);
    return true;
}

px_err px_resolver_start(struct uv_loop_s *loop, px_dgram_query *query)
{
    px_assert(!query->request);
    char port[8];
    (void)snprintf(port, sizeof port, "%u", query->port);
    query->count = 0;
    query->fault[0] = '\0';
    if (resolve_numeric(query, port)) return PX_OK;
    lookup *started = calloc(1, sizeof *started);
    if (!started) {
        (void)snprintf(query->fault, sizeof query->fault, "out of memory");
        return PX_OK;
    }
    started->query = query;
    const struct addrinfo hints = hints_with(0);
    const int err = uv_getaddrinfo(loop, &started->uv, on_resolved, query->host, port, &hints);
    if (err) {
        (void)snprintf(query->fault, sizeof query->fault, "%s", uv_strerror(err));
        free(started);
        return PX_OK;
    }
    query->request = started;
    return PX_ERR_MORE;
}

void px_resolver_forget(px_dgram_query *query)
{
    lookup *started = query->request;
    if (!started) return;
    query->request = NULL;
    started->query = NULL;
    /* One that no thread has begun is dropped; otherwise its end frees it. */
    (void)uv_cancel((uv_req_t *)&started->uv);
}
