/* stream.h - px_streams over the kernel, on a libuv loop. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_OS_STREAM_H
#define PX_OS_STREAM_H

#include "port/stream.h"

struct uv_loop_s;

/* Makes the streams of a loop. From here on SIGPIPE is ignored: a reader that leaves is an error of a write.
 * *streams only on PX_OK. */
PX_MUST_USE px_err px_os_streams_open(struct uv_loop_s *loop, px_streams **streams);

/* Ends it; its streams are closed before. What is left of it goes with the loop's next turns. */
void px_os_streams_close(px_streams *streams);

#endif
