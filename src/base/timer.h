/* timer.h - timers as a heap in their owners' memory.
 *
 * Meaning    px_timers knows which timer is next; whoever drives it waits until px_timers_deadline_us and
 *            calls px_timers_fire. Nothing is allocated: a px_timer is a node of a pairing heap.
 * Holds      A timer is in at most one heap; timers of equal deadline fire in the order they were started. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_BASE_TIMER_H
#define PX_BASE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct px_timer px_timer;
struct px_timer {
    void (*on_fire)(px_timer *timer); /* set by the owner before the first start */
    uint64_t deadline_us;
    uint64_t order; /* the heap's from here on */
    px_timer *child, *next, *previous;
    bool is_started;
};

typedef struct {
    px_timer *root;
    px_timer *aside; /* while timers fire: due ones that wait for the next call */
    uint64_t order_next;
} px_timers;

/* Starts the timer, or moves a started one. */
void px_timers_start(px_timers *timers, px_timer *timer, uint64_t deadline_us);

/* Stops the timer; one that is not started is left alone. */
void px_timers_stop(px_timers *timers, px_timer *timer);

/* Deadline of the next timer; UINT64_MAX where none is started. */
uint64_t px_timers_deadline_us(const px_timers *timers);

/* Fires, in order, every timer due at now_us that was started before this call. */
void px_timers_fire(px_timers *timers, uint64_t now_us);

#endif
