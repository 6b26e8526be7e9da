/* socket_client.c - a client of the socket, as tests hold it. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "socket_client.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int client(world *w)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%.100s", w->socket);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void ask(world *w, int fd, const char *text)
{
    assert_true(world_write(w, fd, text, strlen(text)));
}

void assert_reply(world *w, int fd, const char *expected)
{
    char line[8192];
    assert_true(world_read_line(w, fd, line, sizeof line));
    assert_string_equal(line, expected);
}

void assert_reply_begins(world *w, int fd, const char *expected)
{
    char line[8192];
    assert_true(world_read_line(w, fd, line, sizeof line));
    line[strlen(expected) < sizeof line ? strlen(expected) : 0] = 0;
    assert_string_equal(line, expected);
}

void assert_silent(world *w, int fd)
{
    char byte;
    world_run_ms(w, 30);
    assert_int_equal(read(fd, &byte, 1), -1);
    assert_int_equal(errno, EAGAIN);
}

void assert_closed(world *w, int fd)
{
    char byte;
    assert_true(world_run_until_readable(w, fd));
    assert_int_equal(read(fd, &byte, 1), 0);
    close(fd);
}
