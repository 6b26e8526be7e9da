/* sim_app.h - the applications beside one node: writers, a reader, barriers.
 *
 * Meaning    A writer has an intake for each run of its node and pushes as the intake has room, in bursts
 *            that the workload draws; what it pushes and is told goes to checks.h. The reader is durable:
 *            it goes on where it stood after a crash, and now and then reads again from an earlier place.
 *            All act in events of their own, which stop while the node is down.
 * Source     port/app.h. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_SIM_APP_H
#define PX_TEST_SIM_SIM_APP_H

#include "port/app.h"
#include "sim/sim_consumer.h"
#include "sim/sim_session.h"
#include "sim/world.h"

#define SIM_INTAKES_MAX 32u
#define SIM_BARRIERS_MAX 8u

typedef struct sim_app sim_app;

typedef struct {
    px_intake_events events; /* first */
    sim_app *app;
    px_intake *intake; /* NULL while its node is down */
    uint32_t writer;   /* its number in the history, anew for each run */
    bool is_full;      /* waits for on_room */
} sim_intake;

typedef struct {
    px_watcher watcher; /* first */
    sim_app *app;
    uint64_t next;  /* index that it reads next, kept over crashes */
    uint64_t again; /* a second reading of old messages: the index it reads next; 0: none */
    bool is_slow;   /* reads a little at a time */
    bool is_away;   /* only looks in now and then */
} sim_reader;

typedef struct {
    px_barrier barrier; /* first */
    sim_app *app;
    uint64_t floor;
    bool is_asked;
} sim_asker;

struct sim_app {
    sim_world *world;
    uint32_t place;
    px_app *port; /* NULL while its node is down */
    sim_intake intakes[SIM_INTAKES_MAX];
    sim_reader reader;
    sim_asker askers[SIM_BARRIERS_MAX];
    sim_client clients[SIM_CLIENTS_MAX];
    sim_consumers consumers;
};

/* How much all applications do; faults.c draws it. */
typedef struct {
    uint32_t intakes;        /* of each node */
    uint64_t burst_gap_us;   /* between two bursts of one intake, on average */
    uint64_t burst_messages; /* of one burst, at most */
    uint64_t message_bytes_max;
    uint64_t large_per_million; /* messages about that large; the others are mostly short */
    uint64_t barrier_gap_us;    /* 0: none are asked */
    uint64_t reread_gap_us;     /* 0: nothing is read again */
    uint64_t away_per_million;  /* how often a reader only looks in and goes again; 0: it stays */
    uint32_t sessions;          /* that clients share; 0: there are no such clients */
    uint64_t session_gap_us;    /* between two acts of a client, on average */
    uint32_t sessions_max;      /* that the log remembers, fewer than there are; 0: as in production */
    uint64_t consumer_gap_us;   /* between two reads of a consumer, on average; 0: there are none */
    bool is_stopped;            /* nothing new is pushed or asked */
} sim_work;

void sim_app_init(sim_app *app, sim_world *world, uint32_t place);
void sim_app_deinit(sim_app *app);
/* The node is up: opens its intakes and begins. */
void sim_app_attach(sim_app *app, px_app *port);
/* It is about to be gone. */
void sim_app_detach(sim_app *app);
/* Pushes `count` messages into its first intake now, as far as there is room. */
void sim_app_push(sim_app *app, uint64_t count);
/* Its reader comes to stay, or goes, and only looks in now and then. */
void sim_app_attend(sim_app *app, bool is_there);
/* Reads from `next` on, at most about `count` messages, inside the node; returns where it stands then. */
uint64_t sim_app_read(sim_app *app, uint64_t next, uint64_t count);
/* Asks for a barrier now. */
void sim_app_ask(sim_app *app);
/* True where every message that was pushed and can be told is told, and no barrier is under way. */
bool sim_app_is_idle(const sim_app *app);

#endif
