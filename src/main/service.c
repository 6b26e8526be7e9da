/* service.c - what systemd is told of this process. */
// SPDX-License-Identifier: Apache-2.0
#include "main/service.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* The manager tells an old `ready` from a new one by the moment at which the reload began. */
static size_t put_words(px_service_state state, char *words, size_t size_bytes)
{
    struct timespec now = {0, 0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    const long long now_us = (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    switch (state) {
    case PX_SERVICE_READY: return (size_t)snprintf(words, size_bytes, "READY=1");
    case PX_SERVICE_RELOADING:
        return (size_t)snprintf(words, size_bytes, "RELOADING=1\nMONOTONIC_USEC=%lld", now_us);
    case PX_SERVICE_STOPPING: return (size_t)snprintf(words, size_bytes, "STOPPING=1");
    }
    return 0;
}

void px_service_tell(px_service_state state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char words[96];
    const size_t path_bytes = path ? strlen(path) : 0;
    if (path_bytes < 2 || path_bytes > sizeof to.sun_path || (path[0] != '/' && path[0] != '@')) return;
    memcpy(to.sun_path, path, path_bytes);
    if (path[0] == '@') to.sun_path[0] = 0; /* an abstract name: no file stands for it */
    const socklen_t to_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_bytes);
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return;
    (void)sendto(fd, words, put_words(state, words, sizeof words), MSG_NOSIGNAL, (const struct sockaddr *)&to,
                 to_bytes);
    (void)close(fd);
}
