/* resolver.h - names to addresses, by the system's resolver on libuv's threads. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_OS_RESOLVER_H
#define PX_OS_RESOLVER_H

#include "port/dgram.h"

struct uv_loop_s;

/* See px_dgram_net.resolve and .forget. */
px_err px_resolver_start(struct uv_loop_s *loop, px_dgram_query *query);
void px_resolver_forget(px_dgram_query *query);

#endif
