/* sim_consumer.c - named readers of one node, whose cursors are on its disk. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_consumer.h"

#include "base/assert.h"
#include "sim/faults.h"
#include "sim/sim_app.h"
#include "sim/sim_node.h"
#include <stdio.h>
#include <string.h>

/* Read before they are acknowledged, at most. */
#define READ_MESSAGES 40u

static const sim_work *work_of(const sim_app *app)
{
    return &app->world->faults->work;
}

static px_bytes name_of(const sim_consumer *consumer)
{
    return (px_bytes){(const uint8_t *)consumer->name, strlen(consumer->name)};
}

/* Where its node says that it stands. */
static void resume(sim_consumers *consumers, sim_consumer *consumer)
{
    sim_world *world = consumers->app->world;
    const char *node = world->nodes[consumers->app->place]->name;
    uint64_t cursor = 0;
    const bool is_known = px_consumers_find(consumers->cursors, name_of(consumer), &cursor);
    sim_check(world, cursor >= consumer->told, "consumer",
              "%s says that %s stands at %llu, and had said that %llu is acknowledged", node, consumer->name,
              (unsigned long long)cursor, (unsigned long long)consumer->told);
    sim_check(world, cursor <= consumer->asked, "consumer",
              "%s says that %s stands at %llu, and it has acknowledged no more than %llu", node,
              consumer->name, (unsigned long long)cursor, (unsigned long long)consumer->asked);
    if (is_known && cursor > consumer->told) PX_MARK("sim: an untold acknowledgement is durable");
    consumer->is_asking = false;
    consumer->next = cursor + 1;
}

static void on_acked(px_consumers_events *events, px_ack *acks, px_err err)
{
    sim_consumers *consumers = (sim_consumers *)events;
    for (; acks; acks = acks->next) {
        sim_consumer *consumer = (sim_consumer *)acks;
        px_assert(consumer->is_asking && consumer->app == consumers->app);
        consumer->is_asking = false;
        if (err) PX_MARK("sim: an acknowledgement fails");
        if (!err && consumer->asking > consumer->told) consumer->told = consumer->asking;
    }
}

static void acknowledge(sim_consumers *consumers, sim_consumer *consumer)
{
    consumer->asking = consumer->next - 1;
    if (consumer->asking > consumer->asked) consumer->asked = consumer->asking;
    consumer->is_asking = true;
    const px_err err =
        px_consumers_ack(consumers->cursors, name_of(consumer), consumer->asking, &consumer->ack);
    px_assert(err == PX_OK);
}

static void on_turn(sim_world *world, void *context, uint64_t run)
{
    sim_consumer *consumer = context;
    sim_app *app = consumer->app;
    sim_consumers *consumers = &app->consumers;
    if (run != world->nodes[app->place]->run || !consumers->cursors || sim_node_defers(world, app->place))
        return;
    const uint64_t gap_us = work_of(app)->consumer_gap_us;
    sim_world_after(world, 1 + sim_below(world, SIM_CHANCE_SESSIONS, 2 * gap_us), on_turn, consumer, run);
    /* Behind a start the node may not know yet that so much is chosen. */
    const uint64_t delivered = app->port->calls->index_delivered(app->port);
    if (consumer->is_asking || consumer->next > delivered || !sim_node_enter(world, app->place)) return;
    consumer->next =
        sim_app_read(app, consumer->next, sim_between(world, SIM_CHANCE_SESSIONS, 1, READ_MESSAGES));
    if (!world->nodes[app->place]->is_dying && consumer->next - 1 > consumer->asked)
        acknowledge(consumers, consumer);
    sim_node_leave(world, app->place);
}

/* ---- life ---- */

void sim_consumers_init(sim_consumers *consumers, sim_app *app)
{
    consumers->app = app;
    for (unsigned i = 0; i < SIM_CONSUMERS_MAX; i++) {
        consumers->each[i].app = app;
        (void)snprintf(consumers->each[i].name, sizeof consumers->each[i].name, "c%u", i);
    }
}

void sim_consumers_attach(sim_consumers *consumers)
{
    sim_app *app = consumers->app;
    sim_node *node = app->world->nodes[app->place];
    if (work_of(app)->consumer_gap_us == 0) return;
    consumers->events.on_acked = on_acked;
    consumers->env = (px_local_env){.log = &node->log};
    /* px itself would not start where there is no space for the file. */
    if (px_consumers_open(&consumers->env, sim_disk_port(&node->disk), &consumers->cursors)) {
        consumers->cursors = NULL;
        return;
    }
    px_consumers_hear(consumers->cursors, &consumers->events);
    for (unsigned i = 0; i < SIM_CONSUMERS_MAX; i++) {
        resume(consumers, &consumers->each[i]);
        sim_world_after(app->world, 1 + sim_below(app->world, SIM_CHANCE_SESSIONS, 2 * SIM_MS * 100), on_turn,
                        &consumers->each[i], node->run);
    }
}

void sim_consumers_detach(sim_consumers *consumers)
{
    if (consumers->cursors) px_consumers_close(consumers->cursors);
    consumers->cursors = NULL;
}

void sim_consumers_rewind(sim_consumers *consumers)
{
    for (unsigned i = 0; i < SIM_CONSUMERS_MAX; i++) consumers->each[i].told = 0;
}

void sim_consumers_forget(sim_consumers *consumers)
{
    for (unsigned i = 0; i < SIM_CONSUMERS_MAX; i++) consumers->each[i].asked = consumers->each[i].told = 0;
}
