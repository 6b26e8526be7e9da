/* sim_app.c - writers that push, a reader that pulls, and whoever asks for barriers. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_app.h"

#include "base/assert.h"
#include "sim/checks.h"
#include "sim/faults.h"
#include "sim/sim_node.h"
#include <stdio.h>
#include <string.h>

#define SLOW_READ_MESSAGES 50u

static uint64_t run_of(const sim_app *app)
{
    return app->world->nodes[app->place]->run;
}

static const sim_work *work_of(const sim_app *app)
{
    return &app->world->faults->work;
}

/* ---- writers ---- */

/* Pushes up to `count` messages, as far as there is room. Between enter and leave. */
static void push_some(sim_intake *intake, uint64_t count)
{
    sim_app *app = intake->app;
    static uint8_t space[1u << 20];
    for (uint64_t i = 0; i < count; i++) {
        const size_t room = app->port->calls->intake_room(app->port, intake->intake);
        if (room < work_of(app)->message_bytes_max) {
            intake->is_full = true;
            return;
        }
        const size_t size_bytes =
            sim_check_push(app->world, intake->writer, space, work_of(app)->message_bytes_max);
        const uint64_t number =
            app->port->calls->intake_push(app->port, intake->intake, (px_bytes){space, size_bytes});
        sim_check(app->world, number == app->world->checks->writers[intake->writer].pushed, "acknowledgement",
                  "a push is numbered %llu", (unsigned long long)number);
    }
}

static uint64_t gap_us(sim_app *app, uint64_t average_us)
{
    return 1 + sim_below(app->world, SIM_CHANCE_WORK, 2 * average_us);
}

static void on_burst(sim_world *world, void *context, uint64_t run)
{
    sim_intake *intake = context;
    sim_app *app = intake->app;
    if (run != run_of(app) || !app->port || sim_node_defers(world, app->place)) return;
    sim_world_after(world, gap_us(app, work_of(app)->burst_gap_us), on_burst, intake, run);
    if (work_of(app)->is_stopped || intake->is_full) return;
    if (!sim_node_enter(world, app->place)) return;
    push_some(intake, sim_between(world, SIM_CHANCE_WORK, 1, work_of(app)->burst_messages));
    sim_node_leave(world, app->place);
}

void sim_app_push(sim_app *app, uint64_t count)
{
    if (!app->port || !sim_node_enter(app->world, app->place)) return;
    push_some(&app->intakes[0], count);
    sim_node_leave(app->world, app->place);
}

static void on_room(px_intake_events *events)
{
    sim_intake *intake = (sim_intake *)events;
    intake->is_full = false;
}

static void on_chosen(px_intake_events *events, uint64_t upto, uint64_t index, uint32_t consecutive)
{
    const sim_intake *intake = (sim_intake *)events;
    sim_check_acknowledged(intake->app->world, intake->writer, upto, index, consecutive);
    sim_check_claim(intake->app->world, intake->app->place);
}

/* ---- the reader ---- */

/* Shows the history messages of a batch from `index` on; returns the index behind its last. */
static uint64_t show_batch(sim_app *app, const px_delivered *delivered, uint64_t index)
{
    const px_batch *batch = &delivered->batch;
    size_t at = 0;
    for (uint32_t i = 0; i < batch->message_count; i++) {
        const size_t size_bytes = px_batch_length(batch, i);
        const px_bytes message = {batch->payloads.data + at, size_bytes};
        if (delivered->index_first + i >= index)
            sim_check_seen(app->world, app->place, delivered->index_first + i, delivered->stamp_ms, message);
        at += size_bytes;
    }
    return delivered->index_first + batch->message_count;
}

uint64_t sim_app_read(sim_app *app, uint64_t next, uint64_t count)
{
    const uint64_t end = next + count;
    while (next < end) {
        px_delivered delivered;
        const px_err err = app->port->calls->read(app->port, next, &delivered);
        if (err == PX_ERR_END) return next;
        if (err && app->world->nodes[app->place]->is_dying) return next; /* it found rot, and ends itself */
        sim_check(app->world, err == PX_OK, "no gap", "%s cannot read index %llu: %s",
                  app->world->nodes[app->place]->name, (unsigned long long)next, px_err_text(err));
        const uint64_t last = delivered.index_first + delivered.batch.message_count - 1;
        sim_check(app->world, delivered.index_first <= next && next <= last, "no gap",
                  "index %llu is read as %llu to %llu", (unsigned long long)next,
                  (unsigned long long)delivered.index_first, (unsigned long long)last);
        next = show_batch(app, &delivered, next);
        px_buffer_release(delivered.owner);
    }
    return next;
}

static void on_delivered(px_watcher *watcher, uint64_t index)
{
    sim_reader *reader = (sim_reader *)watcher;
    sim_app *app = reader->app;
    sim_check(app->world, index == app->port->calls->index_delivered(app->port), "no gap",
              "delivered up to %llu and %llu at once", (unsigned long long)index,
              (unsigned long long)app->port->calls->index_delivered(app->port));
    if (!reader->is_slow && !reader->is_away) reader->next = sim_app_read(app, reader->next, UINT64_MAX / 2);
}

static bool is_waiting(const px_watcher *watcher)
{
    const sim_reader *reader = (const sim_reader *)watcher;
    return !reader->is_away && reader->next > reader->app->port->calls->index_delivered(reader->app->port);
}

static void on_read(sim_world *world, void *context, uint64_t run)
{
    sim_reader *reader = context;
    sim_app *app = reader->app;
    if (run != run_of(app) || !app->port || sim_node_defers(world, app->place)) return;
    const uint64_t reread_us = work_of(app)->reread_gap_us;
    sim_world_after(world, gap_us(app, reread_us ? reread_us : 100 * SIM_MS), on_read, reader, run);
    if (!sim_node_enter(world, app->place)) return;
    const uint64_t away_per_million = work_of(app)->away_per_million;
    if (away_per_million) reader->is_away = sim_happens(world, SIM_CHANCE_SESSIONS, away_per_million);
    reader->is_slow = !work_of(app)->is_stopped && reread_us && sim_happens(world, SIM_CHANCE_WORK, 200000);
    reader->next = sim_app_read(app, reader->next, reader->is_slow ? SLOW_READ_MESSAGES : UINT64_MAX / 2);
    if (reread_us && reader->next > 1) {
        if (reader->again == 0) reader->again = sim_between(world, SIM_CHANCE_WORK, 1, reader->next - 1);
        const uint64_t next = sim_app_read(app, reader->again, SLOW_READ_MESSAGES);
        reader->again = next >= reader->next || sim_happens(world, SIM_CHANCE_WORK, 300000) ? 0 : next;
    }
    sim_node_leave(world, app->place);
}

void sim_app_attend(sim_app *app, bool is_there)
{
    if (!app->port || !sim_node_enter(app->world, app->place)) return;
    app->reader.is_away = !is_there;
    if (is_there) app->reader.next = sim_app_read(app, app->reader.next, UINT64_MAX / 2);
    sim_node_leave(app->world, app->place);
}

/* ---- barriers ---- */

static void on_done(px_barrier *barrier, uint64_t index)
{
    sim_asker *asker = (sim_asker *)barrier;
    sim_check(asker->app->world, asker->is_asked, "barrier", "an answer that nobody waits for");
    asker->is_asked = false;
    sim_check_barrier_done(asker->app->world, asker->app->place, asker->floor, index);
}

static void ask(sim_asker *asker)
{
    px_app *port = asker->app->port;
    asker->is_asked = true;
    asker->floor = sim_check_barrier_asked(asker->app->world);
    port->calls->barrier(port, &asker->barrier);
}

void sim_app_ask(sim_app *app)
{
    unsigned number = 0;
    while (number < SIM_BARRIERS_MAX && app->askers[number].is_asked) number++;
    if (number == SIM_BARRIERS_MAX || !app->port || !sim_node_enter(app->world, app->place)) return;
    ask(&app->askers[number]);
    sim_node_leave(app->world, app->place);
}

static void on_ask(sim_world *world, void *context, uint64_t run)
{
    sim_asker *asker = context;
    sim_app *app = asker->app;
    if (run != run_of(app) || !app->port || sim_node_defers(world, app->place)) return;
    const uint64_t barrier_us = work_of(app)->barrier_gap_us;
    sim_world_after(world, gap_us(app, barrier_us ? barrier_us : SIM_SECOND), on_ask, asker, run);
    if (barrier_us == 0 || work_of(app)->is_stopped || !sim_node_enter(world, app->place)) return;
    if (!asker->is_asked) {
        ask(asker);
    } else if (sim_happens(world, SIM_CHANCE_WORK, 100000)) {
        asker->is_asked = false;
        app->port->calls->barrier_cancel(app->port, &asker->barrier);
    }
    sim_node_leave(world, app->place);
}

/* ---- life ---- */

void sim_app_init(sim_app *app, sim_world *world, uint32_t place)
{
    memset(app, 0, sizeof *app);
    app->world = world;
    app->place = place;
    app->reader.app = app;
    app->reader.next = 1;
    for (unsigned i = 0; i < SIM_INTAKES_MAX; i++) app->intakes[i].app = app;
    for (unsigned i = 0; i < SIM_BARRIERS_MAX; i++) app->askers[i].app = app;
    for (unsigned i = 0; i < SIM_CLIENTS_MAX; i++) app->clients[i].app = app;
    sim_consumers_init(&app->consumers, app);
}

void sim_app_deinit(sim_app *app)
{
    app->port = NULL;
}

static void open_intake(sim_app *app, unsigned number)
{
    sim_intake *intake = &app->intakes[number];
    char name[16];
    (void)snprintf(name, sizeof name, "in%u", number);
    intake->events = (px_intake_events){.on_room = on_room, .on_chosen = on_chosen};
    intake->is_full = false;
    intake->writer = sim_check_writer(app->world, app->place, run_of(app));
    intake->intake = app->port->calls->intake_open(app->port, name, PX_INTAKE_BYTES, &intake->events);
    px_assert(intake->intake);
    sim_world_after(app->world, gap_us(app, work_of(app)->burst_gap_us), on_burst, intake, run_of(app));
}

void sim_app_attach(sim_app *app, px_app *port)
{
    sim_world *world = app->world;
    app->port = port;
    for (unsigned i = 0; i < work_of(app)->intakes; i++) open_intake(app, i);
    for (unsigned i = 0; i < SIM_CLIENTS_MAX; i++) sim_session_attach(&app->clients[i]);
    sim_consumers_attach(&app->consumers);
    app->reader.watcher = (px_watcher){.on_delivered = on_delivered, .is_waiting = is_waiting};
    app->reader.again = 0;
    port->calls->watch(port, &app->reader.watcher);
    sim_world_after(world, gap_us(app, 100 * SIM_MS), on_read, &app->reader, run_of(app));
    for (unsigned i = 0; i < SIM_BARRIERS_MAX; i++) {
        app->askers[i].is_asked = false;
        app->askers[i].barrier = (px_barrier){.on_done = on_done};
        sim_world_after(world, gap_us(app, 300 * SIM_MS), on_ask, &app->askers[i], run_of(app));
    }
}

void sim_app_detach(sim_app *app)
{
    for (unsigned i = 0; i < SIM_INTAKES_MAX; i++) {
        if (!app->intakes[i].intake) continue;
        app->world->checks->writers[app->intakes[i].writer].is_closed = true;
        app->intakes[i].intake = NULL;
    }
    for (unsigned i = 0; i < SIM_CLIENTS_MAX; i++) sim_session_detach(&app->clients[i]);
    sim_consumers_detach(&app->consumers);
    app->port = NULL;
}

bool sim_app_is_idle(const sim_app *app)
{
    if (!app->port) return true;
    for (unsigned i = 0; i < SIM_INTAKES_MAX; i++) {
        if (!app->intakes[i].intake) continue;
        const sim_writer *writer = &app->world->checks->writers[app->intakes[i].writer];
        if (writer->acknowledged < writer->pushed) return false;
    }
    for (unsigned i = 0; i < SIM_BARRIERS_MAX; i++)
        if (app->askers[i].is_asked) return false;
    for (unsigned i = 0; i < SIM_CLIENTS_MAX; i++)
        if (!sim_session_is_idle(&app->clients[i])) return false;
    return true;
}
