/* timer.c - the next timer, by a pairing heap.
 *
 * Meaning    The heap is a tree whose every node is due no later than its children. A node knows its first
 *            child and its next sibling; `previous` is the sibling before it, or the parent of a first child.
 *            Starting is O(1), firing and stopping O(log n) amortised.
 * Holds      previous is NULL for the root and for a timer that is not started. */
// SPDX-License-Identifier: Apache-2.0
#include "base/timer.h"

#include "base/assert.h"
#include <stddef.h>

static bool is_before(const px_timer *a, const px_timer *b)
{
    if (a->deadline_us != b->deadline_us) return a->deadline_us < b->deadline_us;
    return a->order < b->order;
}

/* Joins two heaps, neither of which has siblings; the later root becomes the first child of the other. */
static px_timer *meld(px_timer *a, px_timer *b)
{
    if (!a) return b;
    if (!b) return a;
    px_timer *const parent = is_before(a, b) ? a : b;
    px_timer *const child = parent == a ? b : a;
    child->next = parent->child;
    if (child->next) child->next->previous = child;
    child->previous = parent;
    parent->child = child;
    return parent;
}

static px_timer *detach(px_timer *timer)
{
    timer->next = NULL;
    timer->previous = NULL;
    return timer;
}

/* Joins a list of siblings into one heap: pairs from left to right, then the pairs from right to left. This
 * order is what gives the logarithmic bound. */
static px_timer *meld_siblings(px_timer *first)
{
    px_timer *pairs = NULL; /* a stack, linked by next */
    while (first) {
        px_timer *const a = first;
        px_timer *const b = a->next;
        first = b ? b->next : NULL;
        px_timer *const pair = meld(detach(a), b ? detach(b) : NULL);
        pair->next = pairs;
        pairs = pair;
    }
    px_timer *heap = NULL;
    while (pairs) {
        px_timer *const pair = pairs;
        pairs = pair->next;
        heap = meld(heap, detach(pair));
    }
    return heap;
}

void px_timers_start(px_timers *timers, px_timer *timer, uint64_t deadline_us)
{
    px_assert(timer->on_fire);
    px_timers_stop(timers, timer);
    timer->deadline_us = deadline_us;
    timer->order = timers->order_next++;
    timer->child = NULL;
    timer->is_started = true;
    timers->root = meld(timers->root, detach(timer));
}

void px_timers_stop(px_timers *timers, px_timer *timer)
{
    if (!timer->is_started) return;
    px_timer *const heap = meld_siblings(timer->child);
    if (timer->previous) {
        if (timer->previous->child == timer) {
            timer->previous->child = timer->next;
        } else {
            timer->previous->next = timer->next;
        }
        if (timer->next) timer->next->previous = timer->previous;
        timers->root = meld(timers->root, heap);
    } else {
        px_timer **const root = timers->root == timer ? &timers->root : &timers->aside;
        px_assert(*root == timer);
        *root = heap;
    }
    timer->child = NULL;
    timer->is_started = false;
    (void)detach(timer);
}

uint64_t px_timers_deadline_us(const px_timers *timers)
{
    const uint64_t root_us = timers->root ? timers->root->deadline_us : UINT64_MAX;
    const uint64_t aside_us = timers->aside ? timers->aside->deadline_us : UINT64_MAX;
    return root_us < aside_us ? root_us : aside_us;
}

/* A timer started by a callback has an order beyond the bound and waits for the next call, however early its
 * deadline is: two timers that restart each other cannot hold the loop. It is set aside in a heap of its own,
 * since an older one may be due behind it. */
void px_timers_fire(px_timers *timers, uint64_t now_us)
{
    const uint64_t order_bound = timers->order_next;
    while (timers->root && timers->root->deadline_us <= now_us) {
        px_timer *const timer = timers->root;
        if (timer->order < order_bound) {
            px_timers_stop(timers, timer);
            timer->on_fire(timer);
        } else {
            timers->root = meld_siblings(timer->child);
            timer->child = NULL;
            timers->aside = meld(timers->aside, detach(timer));
        }
    }
    timers->root = meld(timers->root, timers->aside);
    timers->aside = NULL;
}
