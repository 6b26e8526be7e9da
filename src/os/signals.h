/* signals.h - signals as events of the loop.
 *
 * Meaning    SIGTERM, SIGINT and SIGHUP arrive as calls between two turns; SIGPIPE is ignored (an error of a
 *            write says the same), SIGCHLD does what it does by itself: nothing. Works as process 1, whose
 *            signals have no default action. [spec.md §1] */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_OS_SIGNALS_H
#define PX_OS_SIGNALS_H

#include "os/loop.h"

typedef struct px_signals px_signals;

/* *signals only on PX_OK. `number` is SIGTERM, SIGINT or SIGHUP. */
PX_MUST_USE px_err px_signals_open(px_loop *loop, void *context, void (*on_signal)(void *context, int number),
                                   px_signals **signals);
void px_signals_close(px_signals *signals);

#endif
