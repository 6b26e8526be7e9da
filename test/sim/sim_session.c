/* sim_session.c - clients that publish under sessions, and fence one another. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_session.h"

#include "base/assert.h"
#include "sim/checks.h"
#include "sim/faults.h"
#include "sim/sim_app.h"
#include "sim/sim_node.h"
#include <stdio.h>
#include <string.h>

static const sim_work *work_of(const sim_client *client)
{
    return &client->app->world->faults->work;
}

static uint64_t below(const sim_client *client, uint64_t bound)
{
    return sim_below(client->app->world, SIM_CHANCE_SESSIONS, bound);
}

/* ---- what the node says ---- */

static void on_room(px_intake_events *events)
{
    (void)events; /* it looks for room at its next burst */
}

static void on_opened(px_intake_events *events, uint64_t next)
{
    sim_client *client = (sim_client *)events;
    client->is_open = true;
    sim_check_session_opened(client->app->world, client->writer, next);
}

static void on_chosen(px_intake_events *events, uint64_t upto, uint64_t index, uint32_t consecutive)
{
    const sim_client *client = (sim_client *)events;
    sim_check_acknowledged(client->app->world, client->writer, upto, index, consecutive);
    sim_check_claim(client->app->world, client->app->place);
}

static void on_duplicate(px_intake_events *events, uint64_t upto, uint64_t index, uint32_t consecutive)
{
    const sim_client *client = (sim_client *)events;
    sim_check_session_duplicate(client->app->world, client->writer, upto, index, consecutive);
}

/* It may close the intake from inside the call. */
static void leave(sim_client *client)
{
    if (client->intake) client->app->port->calls->intake_close(client->app->port, client->intake);
    client->intake = NULL;
    client->app->world->checks->writers[client->writer].is_closed = true;
}

static void on_ended(px_intake_events *events, px_intake_end end)
{
    sim_client *client = (sim_client *)events;
    sim_check_session_ended(client->app->world, client->writer, end);
    leave(client);
}

/* ---- what it does ---- */

void sim_session_come(sim_client *client, uint32_t session, bool joins)
{
    sim_app *app = client->app;
    sim_world *world = app->world;
    char name[16];
    (void)snprintf(name, sizeof name, "s%u", session);
    client->is_open = false;
    client->events = (px_intake_events){on_room, on_chosen, on_opened, on_duplicate, on_ended};
    client->writer =
        sim_check_session_writer(world, app->place, world->nodes[app->place]->run, session, joins);
    client->intake =
        app->port->calls->session_open(app->port, (px_bytes){(const uint8_t *)name, strlen(name)},
                                       joins ? PX_SESSION_JOIN : PX_SESSION_TAKE, &client->events);
    px_assert(client->intake);
}

static void come(sim_client *client)
{
    const uint32_t session = (uint32_t)below(client, work_of(client)->sessions);
    sim_session_come(client, session, below(client, 4) == 0);
}

void sim_session_push(sim_client *client, uint64_t count)
{
    sim_app *app = client->app;
    static uint8_t space[1u << 20];
    for (uint64_t left = count; left > 0; left--) {
        if (app->port->calls->intake_room(app->port, client->intake) < work_of(client)->message_bytes_max)
            return;
        const size_t size_bytes =
            sim_check_push(app->world, client->writer, space, work_of(client)->message_bytes_max);
        const uint64_t number =
            app->port->calls->intake_push(app->port, client->intake, (px_bytes){space, size_bytes});
        sim_check(app->world, number == app->world->checks->writers[client->writer].pushed, "acknowledgement",
                  "a push is numbered %llu", (unsigned long long)number);
    }
}

static void on_burst(sim_world *world, void *context, uint64_t run)
{
    sim_client *client = context;
    sim_app *app = client->app;
    if (run != world->nodes[app->place]->run || !app->port || sim_node_defers(world, app->place)) return;
    const uint64_t gap_us = work_of(client)->session_gap_us;
    sim_world_after(world, 1 + below(client, 2 * gap_us), on_burst, client, run);
    if (work_of(client)->is_stopped || !sim_node_enter(world, app->place)) return;
    /* Where sessions are to expire, many are opened. */
    const uint64_t rounds = work_of(client)->sessions_max > 0 ? 2 : 10;
    if (!client->intake)
        come(client);
    else if (client->is_open && below(client, rounds) != 0)
        sim_session_push(client, 1 + below(client, work_of(client)->burst_messages));
    else if (client->is_open || below(client, 10) == 0)
        leave(client);
    sim_node_leave(world, app->place);
}

/* ---- life ---- */

void sim_session_attach(sim_client *client)
{
    sim_world *world = client->app->world;
    client->intake = NULL;
    if (work_of(client)->sessions == 0) return;
    sim_world_after(world, 1 + below(client, 2 * work_of(client)->session_gap_us), on_burst, client,
                    world->nodes[client->app->place]->run);
}

void sim_session_detach(sim_client *client)
{
    if (client->intake) client->app->world->checks->writers[client->writer].is_closed = true;
    client->intake = NULL;
}

bool sim_session_is_idle(const sim_client *client)
{
    if (!client->intake) return true;
    const sim_writer *writer = &client->app->world->checks->writers[client->writer];
    return client->is_open && writer->acknowledged >= writer->pushed;
}
