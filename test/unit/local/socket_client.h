/* socket_client.h - a client of the socket, as tests hold it. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_UNIT_LOCAL_SOCKET_CLIENT_H
#define PX_TEST_UNIT_LOCAL_SOCKET_CLIENT_H

#include "world.h"

/* Connects; the descriptor does not block. */
int client(world *w);
void ask(world *w, int fd, const char *text);
void assert_reply(world *w, int fd, const char *expected);
/* The reply begins like that: words for people are not tested. */
void assert_reply_begins(world *w, int fd, const char *expected);
void assert_silent(world *w, int fd);
/* The node closes it; closes it here too. */
void assert_closed(world *w, int fd);

#endif
