/* cluster.h - several cores over a made-up network and made-up disks, for tests of the core alone.
 *
 * Meaning    Time is simulated and every choice comes from a seed. The network delays, reorders, repeats and
 *            loses messages and cuts links one way; disks take their time, and a crash keeps any prefix of
 *            what was under way.
 * Holds      After every step: px_core_check; chosen slots are equal everywhere and were on a majority's
 *            disks when they were first called chosen; each session's messages are chosen once, in order,
 *            without a gap. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_UNIT_PAXOS_CLUSTER_H
#define PX_TEST_UNIT_PAXOS_CLUSTER_H

#include "base/prng.h"
#include "paxos/core.h"
#include <stdbool.h>

#define CLUSTER_CLIENTS 8u

typedef struct {
    uint32_t member_count;
    uint64_t seed;
    uint64_t heartbeat_us;
    uint64_t delay_us_max; /* of a message: 1 to this */
    uint64_t sync_us_max;  /* of a write */
    uint32_t loss_percent, repeat_percent;
    uint32_t piece_entries_max;
    uint32_t message_bytes; /* payload of each message of the load */
} cluster_config;

typedef struct {
    uint64_t at_us, order;
    uint32_t to, from;
    uint64_t to_run, from_run;
    bool is_stored;
    px_ticket stored;
    px_message message;
    px_entry *entries;
} cluster_event;

typedef struct {
    px_record *items;
    size_t count, capacity;
} cluster_records;

typedef struct {
    px_core *core;
    px_core_view view;
    bool is_up, is_voting;
    uint64_t run; /* counts starts */
    px_entry *log;
    size_t length, capacity; /* of the log as taken */
    cluster_records disk;    /* durable */
    cluster_records staged;  /* handed over, not durable; tickets stored + 1 ... */
    uint64_t stored;
    size_t writing; /* of staged, those being written */
    px_effect *waiting;
    size_t waiting_count, waiting_capacity;
    uint64_t chosen; /* as told by CHOSEN in this run */
} cluster_node;

/* A writer of one session, anywhere. */
typedef struct {
    uint64_t holder, opened_counter;
    char name[16];
} cluster_client;

typedef struct px_cluster {
    cluster_config config;
    px_prng prng;
    uint64_t now_us;
    cluster_node nodes[PX_MEMBERS_MAX];
    bool can_reach[PX_MEMBERS_MAX][PX_MEMBERS_MAX]; /* from, to */
    bool is_linked[PX_MEMBERS_MAX][PX_MEMBERS_MAX];
    cluster_event *events; /* a heap */
    size_t event_count, event_capacity;
    uint64_t event_order;
    px_entry *chosen; /* slot s at s - 1 */
    size_t chosen_count, chosen_capacity;
    cluster_client clients[CLUSTER_CLIENTS];
    uint64_t opener_counter;
    uint64_t *barriers; /* for request r, at r: the last message known chosen anywhere when it was asked */
    size_t barrier_count, barrier_capacity;
    uint64_t answers_ok, answers_failed;
    void **bodies;
    size_t body_count, body_capacity;
    uint64_t messages_sent, proposals;
    bool is_checking; /* cores after every step; on unless a test says otherwise */
    /* Asked of every message before it goes; true: it is lost. NULL: nobody asks. */
    bool (*loses)(struct px_cluster *cluster, uint32_t from, uint32_t to, const px_message *message);
} px_cluster;

px_cluster *cluster_open(const cluster_config *config);
void cluster_close(px_cluster *cluster);
/* Runs until that time has passed. */
void cluster_run(px_cluster *cluster, uint64_t for_us);
/* Runs until `is_done` says so; false where it has not after `for_us`. */
bool cluster_run_until(px_cluster *cluster, uint64_t for_us, bool (*is_done)(px_cluster *cluster));
void cluster_crash(px_cluster *cluster, uint32_t node);
/* Puts a promise on the disk of a node that is down. */
void cluster_write_promise(px_cluster *cluster, uint32_t node, px_ballot promised);
void cluster_start(px_cluster *cluster, uint32_t node);
/* Cuts or mends one direction; both nodes hear of the link where they can know. */
void cluster_reach(px_cluster *cluster, uint32_t from, uint32_t to, bool can_reach);
void cluster_heal(px_cluster *cluster);
/* Gives a node an input. */
void cluster_step(px_cluster *cluster, uint32_t node, px_input *input);
/* A node that leads and was adopted by the most nodes that are up; PX_MEMBERS_MAX: none. */
uint32_t cluster_leader(const px_cluster *cluster);
/* Proposes something where the node has room: an opening, or a batch of some clients' next messages. */
bool cluster_propose(px_cluster *cluster, uint32_t node);
/* Asks a node for a linearizable index. */
void cluster_ask(px_cluster *cluster, uint32_t node);
/* All nodes that are up have all chosen slots, on disk, and one of them leads. */
bool cluster_is_converged(px_cluster *cluster);

#endif
