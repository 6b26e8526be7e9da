/* world.h - virtual time, chance and the queue of what happens next.
 *
 * Meaning    Everything in a simulation is an event at a time; events of one time happen in the order they
 *            were made. Chance comes in streams of their own, so that drawing more of one purpose moves no
 *            other. Every event goes into a rolling hash: two runs of one seed are the same run iff their
 *            hashes are.
 * Holds      Time never goes back. Nothing here depends on addresses, on the machine or on real time. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_WORLD_H
#define PX_TEST_SIM_WORLD_H

#include "base/limits.h"
#include "base/prng.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_MS 1000u
#define SIM_SECOND 1000000u

typedef enum {
    SIM_CHANCE_NET,
    SIM_CHANCE_DISK,
    SIM_CHANCE_CLOCK,
    SIM_CHANCE_WORK,
    SIM_CHANCE_FAULTS,
    SIM_CHANCE_LOOP,
    SIM_CHANCE_SESSIONS
} sim_chance;
#define SIM_CHANCES 7

typedef struct sim_world sim_world;
typedef struct sim_node sim_node;
typedef struct sim_net sim_net;
typedef struct sim_checks sim_checks;
typedef struct sim_faults sim_faults;
typedef struct sim_told sim_told;
typedef void sim_fire(sim_world *world, void *context, uint64_t number);

typedef struct {
    uint64_t time_us, order;
    sim_fire *fire;
    void *context;
    uint64_t number;
} sim_event;

#define SIM_FAULT_KINDS_MAX 48u

/* What a run did, for the table at the end: numbers only. */
typedef struct {
    uint64_t events, messages_sent, messages_delivered, bytes_sent, messages_lost;
    uint64_t chosen, acknowledged, barriers, pushed;
    uint64_t crashes, starts, elections, leaders, slots_chosen, statements_checked, images_read;
    uint64_t faults[SIM_FAULT_KINDS_MAX], faults_all; /* by sim_fault */
    uint64_t first_again_us, last_again_us, changes;  /* writes after links are cut, leaders after that */
    uint64_t simulated_us, hash;
} sim_counts;

typedef struct {
    uint64_t seed;
    uint32_t node_count;
    uint64_t heartbeat_us;
    uint64_t safety_us;   /* of faults */
    const char *mutant;   /* NULL: none */
    const char *scenario; /* NULL: chance decides */
    bool is_traced;
    /* Of the faults of its schedule only these, by number; NULL: all. Borrowed. */
    const uint32_t *kept;
    uint32_t kept_count;
    uint32_t load_percent; /* of the work that the seed draws; 0 is all of it, too */
    sim_told *told;        /* where the schedule is written down; NULL: nowhere. Borrowed. */
} sim_options;

struct sim_world {
    sim_options options;
    uint64_t now_us;
    px_prng chance[SIM_CHANCES];
    sim_event *heap;
    size_t heap_count, heap_capacity;
    uint64_t order_next;
    sim_event current; /* the one that is happening */
    uint64_t hash;
    sim_counts counts;

    sim_node *nodes[PX_MEMBERS_MAX];
    sim_net *net;
    sim_checks *checks;
    sim_faults *faults;
};

void sim_world_init(sim_world *world, const sim_options *options);
void sim_world_deinit(sim_world *world);

/* Makes an event `delay_us` from now. */
void sim_world_after(sim_world *world, uint64_t delay_us, sim_fire *fire, void *context, uint64_t number);

/* Lets events happen up to and including that time, which is then now. */
void sim_world_run_until(sim_world *world, uint64_t time_us);

/* Lets events happen until `is_done` says so after one of them; false where that was not before `limit_us`
 * (the time then is limit_us). */
bool sim_world_run_while_not(sim_world *world, uint64_t limit_us, bool (*is_done)(sim_world *world));

/* Takes a fact into the rolling hash. */
void sim_world_note(sim_world *world, uint64_t a, uint64_t b);

/* ---- chance ---- */
uint64_t sim_below(sim_world *world, sim_chance stream, uint64_t bound);
uint64_t sim_between(sim_world *world, sim_chance stream, uint64_t low,
                     uint64_t high); /* both ends included */
/* True `per_million` times of a million. */
bool sim_happens(sim_world *world, sim_chance stream, uint64_t per_million);

/* ---- words ---- */
/* An invariant does not hold: says which and where, and ends the process with status 1. */
_Noreturn void sim_fail(const sim_world *world, const char *invariant, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define sim_check(world, condition, invariant, ...) \
    ((condition) ? (void)0 : sim_fail(world, invariant, __VA_ARGS__))
void sim_trace(const sim_world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Memory that is zero, or the end of the process. */
void *sim_zeroed(size_t size_bytes);
/* Grows an array of items of item_bytes to hold more than `count`, its new part zero. */
void *sim_grow(void *items, size_t *capacity, size_t count, size_t item_bytes);

#endif
