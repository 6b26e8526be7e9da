/* world.c - a binary heap of events, streams of chance, and how a run fails. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/world.h"

#include "base/assert.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More events than any sound run has: a node that keeps itself busy without time moving. */
#define EVENTS_MAX 20000000u

void *sim_zeroed(size_t size_bytes)
{
    void *memory = calloc(1, size_bytes ? size_bytes : 1);
    px_assert(memory);
    return memory;
}

void *sim_grow(void *items, size_t *capacity, size_t count, size_t item_bytes)
{
    if (count < *capacity) return items;
    size_t grown = *capacity ? *capacity : 16;
    while (grown <= count) grown *= 2;
    uint8_t *memory = realloc(items, grown * item_bytes);
    px_assert(memory);
    memset(memory + *capacity * item_bytes, 0, (grown - *capacity) * item_bytes);
    *capacity = grown;
    return memory;
}

void sim_world_init(sim_world *world, const sim_options *options)
{
    memset(world, 0, sizeof *world);
    world->options = *options;
    world->now_us = SIM_SECOND;
    px_prng root;
    px_prng_init(&root, options->seed);
    for (unsigned i = 0; i < SIM_CHANCES; i++) world->chance[i] = px_prng_split(&root);
}

void sim_world_deinit(sim_world *world)
{
    free(world->heap);
    world->heap = NULL;
    world->heap_count = 0;
}

/* ---- the heap ---- */

static bool is_before(const sim_event *a, const sim_event *b)
{
    if (a->time_us != b->time_us) return a->time_us < b->time_us;
    return a->order < b->order;
}

static void push(sim_world *world, sim_event event)
{
    world->heap = sim_grow(world->heap, &world->heap_capacity, world->heap_count, sizeof *world->heap);
    size_t at = world->heap_count++;
    while (at > 0) {
        const size_t parent = (at - 1) / 2;
        if (!is_before(&event, &world->heap[parent])) break;
        world->heap[at] = world->heap[parent];
        at = parent;
    }
    world->heap[at] = event;
}

static sim_event pop(sim_world *world)
{
    const sim_event first = world->heap[0];
    const sim_event last = world->heap[--world->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= world->heap_count) break;
        if (child + 1 < world->heap_count && is_before(&world->heap[child + 1], &world->heap[child])) child++;
        if (!is_before(&world->heap[child], &last)) break;
        world->heap[at] = world->heap[child];
        at = child;
    }
    world->heap[at] = last;
    return first;
}

void sim_world_after(sim_world *world, uint64_t delay_us, sim_fire *fire, void *context, uint64_t number)
{
    push(world, (sim_event){world->now_us + delay_us, world->order_next++, fire, context, number});
}

void sim_world_note(sim_world *world, uint64_t a, uint64_t b)
{
    uint64_t hash = world->hash ^ (a * UINT64_C(0x9e3779b97f4a7c15));
    hash = (hash ^ (hash >> 29)) * UINT64_C(0xbf58476d1ce4e5b9) + b;
    world->hash = hash ^ (hash >> 32);
}

static void step(sim_world *world)
{
    const sim_event event = pop(world);
    px_assert(event.time_us >= world->now_us);
    world->now_us = event.time_us;
    world->current = event;
    world->counts.events++;
    sim_world_note(world, event.time_us, event.number);
    sim_check(world, world->counts.events < EVENTS_MAX, "progress",
              "so many events, and time stands at %llu us", (unsigned long long)world->now_us);
    event.fire(world, event.context, event.number);
}

void sim_world_run_until(sim_world *world, uint64_t time_us)
{
    while (world->heap_count && world->heap[0].time_us <= time_us) step(world);
    if (world->now_us < time_us) world->now_us = time_us;
}

/* Is asked every so many events: looking costs as much as several of them. */
#define EVENTS_PER_LOOK 16u

bool sim_world_run_while_not(sim_world *world, uint64_t limit_us, bool (*is_done)(sim_world *world))
{
    while (!is_done(world)) {
        for (unsigned i = 0; i < EVENTS_PER_LOOK; i++) {
            if (!world->heap_count || world->heap[0].time_us > limit_us) {
                if (world->now_us < limit_us) world->now_us = limit_us;
                return is_done(world);
            }
            step(world);
        }
    }
    return true;
}

/* ---- chance ---- */

uint64_t sim_below(sim_world *world, sim_chance stream, uint64_t bound)
{
    return px_prng_below(&world->chance[stream], bound);
}

uint64_t sim_between(sim_world *world, sim_chance stream, uint64_t low, uint64_t high)
{
    px_assert(low <= high);
    return low + sim_below(world, stream, high - low + 1);
}

bool sim_happens(sim_world *world, sim_chance stream, uint64_t per_million)
{
    if (per_million == 0) return false;
    return sim_below(world, stream, 1000000) < per_million;
}

/* ---- words ---- */

void sim_fail(const sim_world *world, const char *invariant, const char *format, ...)
{
    va_list arguments;
    (void)fflush(stdout);
    (void)fprintf(stderr, "FAILED %s at %llu.%06llu s (event %llu): ", invariant,
                  (unsigned long long)(world->now_us / SIM_SECOND),
                  (unsigned long long)(world->now_us % SIM_SECOND), (unsigned long long)world->counts.events);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    (void)fflush(stderr);
    _Exit(1);
}

void sim_trace(const sim_world *world, const char *format, ...)
{
    if (!world->options.is_traced) return;
    va_list arguments;
    (void)printf("%4llu.%06llu ", (unsigned long long)(world->now_us / SIM_SECOND),
                 (unsigned long long)(world->now_us % SIM_SECOND));
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)putchar('\n');
}
