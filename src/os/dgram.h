/* dgram.h - UDP sockets and names on a loop, as port/dgram.h asks for them. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_OS_DGRAM_H
#define PX_OS_DGRAM_H

#include "os/loop.h"
#include "port/dgram.h"

/* *net only on PX_OK. */
PX_MUST_USE px_err px_os_dgrams_open(px_loop *loop, px_dgram_net **net);
/* Its sockets are closed before. */
void px_os_dgrams_close(px_dgram_net *net);

/* Does without GSO and GRO in sockets opened from now on: for tests of the ways around them. */
void px_os_dgrams_go_plain(px_dgram_net *net);

#endif
