/* faults.h - what befalls a world, and how hard its applications work.
 *
 * Meaning    A swarm: each seed first draws which kinds of fault exist in it at all and how often they
 *            come, so that no kind hides another; a quarter of the seeds has none. What is broken for a
 *            while mends itself, or is mended by sim_faults_heal.
 * Source     reliability.md §5a. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_FAULTS_H
#define PX_TEST_SIM_FAULTS_H

#include "sim/sim_app.h"
#include "sim/world.h"

/* kind, words; the order is part of what a seed means: add at the end */
#define SIM_FAULT_LIST(X)                                \
    X(CRASH, "a node crashes and comes back")            \
    X(POWER, "all nodes lose power at once")             \
    X(PAUSE, "a node stands still")                      \
    X(PARTITION, "groups of nodes lose each other")      \
    X(ONE_WAY, "one direction of a path is cut")         \
    X(BREAK, "a connection breaks")                      \
    X(SLOW_DISK, "a disk is slow")                       \
    X(HUNG_DISK, "a disk hangs")                         \
    X(SLOW_PATH, "a path is slow")                       \
    X(LOSS, "a path loses, doubles and delays messages") \
    X(TRANSFER, "leadership is handed over")             \
    X(WALL, "a wall clock jumps")                        \
    X(DISK_ERROR, "a sync fails")                        \
    X(DISK_FULL, "a disk is full")                       \
    X(SLOW_LOOP, "a node's loop is slow")                \
    X(TRAP, "a node crashes at the worst moment")        \
    X(FLAP, "a path comes and goes")                     \
    X(REPLAY, "an old connection's bytes come again")    \
    X(STOP, "a node stops cleanly and starts again")     \
    X(CLOCK, "a clock runs faster or slower")            \
    X(SWAP, "two nodes get each other's folders")        \
    X(ROT_STATE, "a copy of the small state rots")       \
    X(ROT, "bits of a log rot")                          \
    X(LOST_WRITE, "a write to a log never came")         \
    X(MISDIRECT, "a write went elsewhere")               \
    X(READ_ERROR, "a block of a log cannot be read")     \
    X(WIPE, "a disk comes back empty")                   \
    X(ROLL_BACK, "a disk is rolled back")                \
    X(ROT_END, "the end of a log rots or is lost")

typedef enum {
#define SIM_FAULT_ENUM(kind, words) SIM_FAULT_##kind,
    SIM_FAULT_LIST(SIM_FAULT_ENUM)
#undef SIM_FAULT_ENUM
        SIM_FAULTS
} sim_fault;
_Static_assert(SIM_FAULTS <= SIM_FAULT_KINDS_MAX, "sim_counts has a number for each kind");

/* Paths of a whole world: bit `to` of reach[from]. */
typedef struct {
    uint32_t reach[PX_MEMBERS_MAX];
} sim_graph;

typedef struct {
    uint64_t time_us;
    sim_fault kind;
    uint64_t seed; /* of all that it draws */
} sim_fault_event;

/* A schedule for whoever runs the world; what is beyond the space is left out of it. */
#define SIM_TOLD_MAX 4096u
struct sim_told {
    uint32_t count;
    sim_fault_event events[SIM_TOLD_MAX];
};

struct sim_faults {
    sim_fault_event *schedule; /* in the order of time; made by sim_faults_begin */
    size_t schedule_count, schedule_capacity;
    sim_work work;
    uint64_t gap_us[SIM_FAULTS]; /* between two of a kind, on average; 0: this seed has none */
    uint64_t base_delay_us, base_jitter_us, base_sync_us;
    uint64_t partition; /* counts them: the newest rules */
    uint64_t end_us;    /* of the time when they happen */
    uint64_t hushed_us; /* until then none happens */
    uint32_t fragile;   /* mask of the nodes whose disks may lose what they hold: a minority */
    bool is_datagram, is_over;
    bool is_frozen;         /* what is broken stays so, but for the nodes of `core` */
    uint32_t core;          /* mask */
    uint64_t chosen_before; /* slots, when progress was asked for */
};

const char *sim_fault_words(sim_fault kind);

/* Draws everything. */
void sim_faults_init(sim_world *world);
void sim_faults_deinit(sim_world *world);
/* Paths and disks as healthy as this seed has them. */
void sim_faults_calm(sim_world *world);
/* From now on faults happen: all that the options keep of the seed's schedule. */
void sim_faults_begin(sim_world *world);
/* All paths and disks are as healthy as this seed has them, and nothing happens for so long. */
void sim_faults_hush(sim_world *world, uint64_t for_us);
/* No more of them. A majority of nodes is healed, all linked to each other or to one of them; for the others
 * the worst is drawn, and stays for good. Returns the mask of the healed. */
uint32_t sim_faults_freeze(sim_world *world);
/* No more of them, everything mended, every node up. */
void sim_faults_heal(sim_world *world);

/* A fault of this kind has happened. */
void sim_faults_count(sim_world *world, sim_fault kind);

/* Cuts every path that the graph lacks, and mends the others. */
void sim_faults_cut(sim_world *world, const sim_graph *graph);
sim_graph sim_graph_whole(uint32_t node_count);
void sim_graph_part(sim_graph *graph, uint32_t from, uint32_t to); /* one way */
void sim_graph_part_both(sim_graph *graph, uint32_t a, uint32_t b);

#endif
