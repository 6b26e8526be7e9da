/* loop.h - the loop of events, and the end of each of its turns.
 *
 * Meaning    One thread waits for descriptors, timers and completions, hands them to whom they belong, and
 *            then calls on_turn once for the whole batch. Timers fire after everything else of a turn: what
 *            has arrived counts before a deadline that passed meanwhile. [Q7]
 * Not here   Sockets (dgram.h), names (resolver.h), signals (signals.h). */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_OS_LOOP_H
#define PX_OS_LOOP_H

#include "base/err.h"
#include "port/clock.h"

struct uv_loop_s;

typedef struct px_loop px_loop;

/* *loop only on PX_OK. */
PX_MUST_USE px_err px_loop_open(px_loop **loop);
/* Lets handles that are being closed finish, then frees it; waits for nobody. Whoever opened handles on it
 * has closed them. */
void px_loop_close(px_loop *loop);

/* Who is called at the end of each turn; NULL for nobody. */
void px_loop_on_turn(px_loop *loop, void *context, void (*on_turn)(void *context));

/* Runs turns until px_loop_stop is called from one of them; the first ends before anything is waited for. */
void px_loop_run(px_loop *loop);
void px_loop_stop(px_loop *loop);

px_clock *px_loop_clock(px_loop *loop);
/* Turns since the start. */
uint64_t px_loop_turns(const px_loop *loop);

/* For the other files of os/. */
struct uv_loop_s *px_loop_uv(px_loop *loop);

#endif
