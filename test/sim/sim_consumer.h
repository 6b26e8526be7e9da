/* sim_consumer.h - named readers of one node, whose cursors are on its disk.
 *
 * Meaning    The real cursors of local/ on the simulated disk. Each reads on from where it stands, and
 *            acknowledges what it has read; after a crash it goes on where its node says. Checked: what was
 *            acknowledged does not come again, and nothing is passed over.
 * Source     spec.md §5 (follow, ack). */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_SIM_CONSUMER_H
#define PX_TEST_SIM_SIM_CONSUMER_H

#include "local/consumers.h"
#include "sim/world.h"

#define SIM_CONSUMERS_MAX 3u

typedef struct sim_app sim_app;

typedef struct {
    px_ack ack; /* first; lent while is_asking */
    sim_app *app;
    char name[8];
    uint64_t next;   /* index that it reads next */
    uint64_t asked;  /* the highest index that it has ever acknowledged, told or not */
    uint64_t told;   /* and was told that it is durable */
    uint64_t asking; /* the one under way */
    bool is_asking;
} sim_consumer;

/* Those of one node. */
typedef struct {
    px_consumers_events events; /* first */
    sim_app *app;
    px_local_env env;
    px_consumers *cursors; /* NULL while the node is down, or there are none */
    sim_consumer each[SIM_CONSUMERS_MAX];
} sim_consumers;

void sim_consumers_init(sim_consumers *consumers, sim_app *app);
/* The node is up: reads the cursors and begins. */
void sim_consumers_attach(sim_consumers *consumers);
void sim_consumers_detach(sim_consumers *consumers);
/* The disk is another. */
void sim_consumers_forget(sim_consumers *consumers);
/* Their node has the disk of a former time: they may stand anywhere up to where they stood. */
void sim_consumers_rewind(sim_consumers *consumers);

#endif
