/* fake_app.c - a node of one, without disk, peers or protocol. */
// SPDX-License-Identifier: Apache-2.0
#include "fake_app.h"

#include "base/assert.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COST_BYTES 16u

static fake_app *fake_of(px_app *app)
{
    return (fake_app *)app;
}

static void wake(fake_app *app)
{
    px_timers_start(app->clock->timers, &app->again, 0);
}

static void on_again(px_timer *timer)
{
    (void)timer;
}

/* ---- handing over ---- */

static px_intake *intake_open(px_app *app, const char *name, size_t bytes_max, px_intake_events *events)
{
    fake_app *fake = fake_of(app);
    for (uint32_t i = 0; i < fake->intake_count; i++) {
        if (strcmp(fake->intakes[i].name, name) != 0) continue;
        px_assert(!fake->intakes[i].events); /* a name is open once */
        fake->intakes[i].events = events;
        return &fake->intakes[i];
    }
    if (fake->intake_count == FAKE_INTAKES_MAX) return NULL;
    px_intake *intake = &fake->intakes[fake->intake_count++];
    snprintf(intake->name, sizeof intake->name, "%s", name);
    intake->bytes_max = bytes_max;
    intake->events = events;
    return intake;
}

static void intake_close(px_app *app, px_intake *intake)
{
    (void)app;
    intake->events = NULL;
}

static fake_session *find_session(fake_app *app, px_bytes name)
{
    for (uint32_t i = 0; i < app->session_count; i++) {
        fake_session *session = &app->sessions[i];
        if (strlen(session->name) == name.size_bytes && !memcmp(session->name, name.data, name.size_bytes))
            return session;
    }
    px_assert(app->session_count < FAKE_SESSIONS_MAX && name.size_bytes < sizeof app->sessions[0].name);
    fake_session *made = &app->sessions[app->session_count++];
    memcpy(made->name, name.data, name.size_bytes);
    made->next = 1;
    return made;
}

static px_intake *session_open(px_app *app, px_bytes name, px_session_mode mode, px_intake_events *events)
{
    fake_app *fake = fake_of(app);
    fake->session_opens++;
    if (fake->is_session_refused) return NULL;
    fake_session *session = find_session(fake, name);
    px_intake *intake = &session->intake;
    px_assert(!intake->events); /* at this node it is open once, in these tests */
    px_assert(mode == PX_SESSION_JOIN || mode == PX_SESSION_TAKE);
    intake->events = events;
    intake->is_session = true;
    intake->bytes_max = PX_CLIENT_INTAKE_BYTES;
    intake->is_opened = intake->is_ending = false;
    intake->count = 0;
    intake->size_bytes = 0;
    wake(fake);
    return intake;
}

static size_t intake_room(px_app *app, px_intake *intake)
{
    if (fake_of(app)->is_disk_full) return 0;
    const size_t bytes_max = intake->bytes_max, message_bytes_max = fake_of(app)->message_bytes_max;
    const size_t most = message_bytes_max > bytes_max ? message_bytes_max : bytes_max;
    const size_t used = intake->size_bytes + intake->count * COST_BYTES;
    if (used == 0) return most;
    return used + COST_BYTES < bytes_max ? bytes_max - used - COST_BYTES : 0;
}

static uint64_t intake_push(px_app *app, px_intake *intake, px_bytes message)
{
    px_assert(message.size_bytes <= fake_of(app)->message_bytes_max);
    if (intake->size_bytes + message.size_bytes > intake->capacity) {
        intake->capacity = 2 * (intake->size_bytes + message.size_bytes);
        intake->bytes = realloc(intake->bytes, intake->capacity);
    }
    if (intake->count == intake->lengths_capacity) {
        intake->lengths_capacity = intake->lengths_capacity ? 2 * intake->lengths_capacity : 64;
        intake->lengths = realloc(intake->lengths, intake->lengths_capacity * sizeof *intake->lengths);
    }
    px_assert(intake->lengths && (intake->bytes || message.size_bytes == 0));
    if (message.size_bytes) memcpy(intake->bytes + intake->size_bytes, message.data, message.size_bytes);
    intake->size_bytes += message.size_bytes;
    intake->lengths[intake->count++] = (uint32_t)message.size_bytes;
    return ++intake->pushed;
}

/* ---- the log ---- */

static void put_u32(uint8_t *to, uint32_t value)
{
    for (unsigned byte = 0; byte < 4; byte++) to[byte] = (uint8_t)(value >> (8 * byte));
}

static void free_batch(px_buffer *buffer)
{
    free(buffer);
}

static void append(fake_app *app, uint32_t origin, const uint32_t *lengths, uint32_t count,
                   const uint8_t *bytes, size_t size_bytes)
{
    px_assert(app->batch_count < FAKE_BATCHES_MAX);
    const size_t body_bytes = px_batch_size_bytes(1, count, size_bytes);
    fake_batch *batch = calloc(1, sizeof *batch + body_bytes);
    px_assert(batch != NULL);
    uint8_t *body = (uint8_t *)(batch + 1);
    const px_run run = {
        .holder = 1, .sequence = 1, .count = count, .size_bytes = (uint32_t)size_bytes, .origin = origin};
    px_batch_put_header(body, 1, count);
    px_batch_put_run(body, 0, &run);
    uint8_t *at = body + PX_BATCH_HEADER_BYTES + PX_RUN_HEADER_BYTES;
    for (uint32_t i = 0; i < count; i++) put_u32(at + i * PX_LENGTH_BYTES, lengths[i]);
    if (size_bytes) memcpy(at + count * PX_LENGTH_BYTES, bytes, size_bytes);
    batch->buffer = (px_buffer){.owners = 1, .size_bytes = body_bytes, .data = body, .free = free_batch};
    const fake_batch *last = app->batch_count ? app->batches[app->batch_count - 1] : NULL;
    batch->index_first = last ? last->index_first + last->count : app->first;
    batch->count = count;
    app->batches[app->batch_count++] = batch;
}

void fake_app_say(fake_app *app, uint32_t origin, const void *bytes, size_t size_bytes)
{
    const uint32_t length = (uint32_t)size_bytes;
    append(app, origin, &length, 1, bytes, size_bytes);
    wake(app);
}

/* Takes up to a batch's worth out of an intake, and tells it. */
static void choose(fake_app *app, px_intake *intake)
{
    uint32_t count = 0;
    size_t size_bytes = 0;
    while (count < intake->count && (count == 0 || size_bytes + intake->lengths[count] <= PX_BATCH_BYTES))
        size_bytes += intake->lengths[count++];
    append(app, app->self, intake->lengths, count, intake->bytes, size_bytes);
    intake->count -= count;
    intake->size_bytes -= size_bytes;
    memmove(intake->lengths, intake->lengths + count, intake->count * sizeof *intake->lengths);
    if (intake->size_bytes) memmove(intake->bytes, intake->bytes + size_bytes, intake->size_bytes);
    intake->chosen += count;
    const fake_batch *batch = app->batches[app->batch_count - 1];
    if (intake->events)
        intake->events->on_chosen(intake->events, intake->chosen, batch->index_first + count - 1, count);
}

static void deliver(fake_app *app)
{
    if (app->batch_count == 0) return;
    const fake_batch *last = app->batches[app->batch_count - 1];
    const uint64_t index = last->index_first + last->count - 1;
    if (index == app->delivered) return;
    app->delivered = index;
    for (px_watcher *watcher = app->watchers, *next; watcher; watcher = next) {
        next = watcher->next;
        watcher->on_delivered(watcher, index);
    }
}

bool fake_app_is_awaited(fake_app *app)
{
    for (const px_watcher *watcher = app->watchers; watcher; watcher = watcher->next)
        if (watcher->is_waiting(watcher)) return true;
    return false;
}

static fake_session *session_named(fake_app *app, const char *name)
{
    return find_session(app, (px_bytes){(const uint8_t *)name, strlen(name)});
}

void fake_app_bring(fake_app *app, const char *name, uint32_t count, bool is_told)
{
    fake_session *session = session_named(app, name);
    px_intake *intake = &session->intake;
    uint32_t lengths[64] = {0};
    px_assert(count <= 64);
    append(app, app->self + 1, lengths, count, NULL, 0);
    session->next += count;
    wake(app);
    if (!is_told || !intake->events || !intake->is_opened) return;
    const uint32_t dropped = count < intake->count ? count : intake->count;
    size_t dropped_bytes = 0;
    for (uint32_t i = 0; i < dropped; i++) dropped_bytes += intake->lengths[i];
    intake->count -= dropped;
    intake->size_bytes -= dropped_bytes;
    memmove(intake->lengths, intake->lengths + dropped, intake->count * sizeof *intake->lengths);
    if (intake->size_bytes) memmove(intake->bytes, intake->bytes + dropped_bytes, intake->size_bytes);
    intake->chosen = session->next - 1;
    if (intake->pushed < intake->chosen) intake->pushed = intake->chosen;
    const fake_batch *batch = app->batches[app->batch_count - 1];
    intake->events->on_duplicate(intake->events, intake->chosen, batch->index_first + count - 1, count);
}

void fake_app_end(fake_app *app, const char *name, px_intake_end end)
{
    fake_session *session = session_named(app, name);
    session->is_expired = end == PX_INTAKE_EXPIRED;
    session->intake.end = end;
    session->intake.is_ending = true;
    wake(app);
}

/* One turn of a client's session; true where there is more to choose. */
static bool turn_session(fake_app *app, fake_session *session)
{
    px_intake *intake = &session->intake;
    if (!intake->events) return false;
    if (intake->is_ending || (!intake->is_opened && session->is_expired)) {
        px_intake_events *events = intake->events;
        intake->is_ending = false;
        intake->count = 0;
        intake->size_bytes = 0;
        events->on_ended(events, session->is_expired ? PX_INTAKE_EXPIRED : intake->end);
        return false;
    }
    if (!intake->is_opened) {
        intake->is_opened = true;
        intake->pushed = intake->chosen = session->next - 1;
        intake->events->on_opened(intake->events, session->next);
    }
    if (intake->events && intake->count) {
        choose(app, intake);
        session->next = intake->chosen + 1;
    } else if (intake->events) {
        intake->events->on_room(intake->events);
    }
    return intake->count > 0;
}

void fake_app_turn(fake_app *app)
{
    bool is_done = true;
    for (uint32_t i = 0; i < app->session_count && !app->is_held; i++)
        if (turn_session(app, &app->sessions[i])) is_done = false;
    for (uint32_t i = 0; i < app->intake_count && !app->is_held; i++) {
        px_intake *intake = &app->intakes[i];
        if (intake->count) choose(app, intake);
        if (intake->count)
            is_done = false;
        else if (intake->events)
            intake->events->on_room(intake->events);
    }
    deliver(app);
    while (!app->is_held && app->barriers) {
        px_barrier *barrier = app->barriers;
        app->barriers = barrier->next;
        barrier->on_done(barrier, app->delivered);
    }
    if (!is_done) wake(app);
}

/* ---- reading and asking ---- */

static uint64_t index_delivered(px_app *app)
{
    return fake_of(app)->delivered;
}

static px_err read_batch(px_app *app, uint64_t index, px_delivered *delivered)
{
    fake_app *fake = fake_of(app);
    fake->reads++;
    if (index < fake->first) return PX_ERR_NOT_FOUND;
    if (index > fake->delivered) return PX_ERR_END;
    uint32_t low = 0, high = fake->batch_count - 1;
    while (low < high) {
        const uint32_t middle = (low + high + 1) / 2;
        if (fake->batches[middle]->index_first <= index)
            low = middle;
        else
            high = middle - 1;
    }
    fake_batch *batch = fake->batches[low];
    const px_bytes body = {batch->buffer.data, batch->buffer.size_bytes};
    *delivered = (px_delivered){.owner = px_buffer_retain(&batch->buffer),
                                .index_first = batch->index_first,
                                .stamp_ms = fake->stamp_ms};
    const px_err err = px_batch_open(body, fake->message_bytes_max, &delivered->batch);
    px_assert(err == PX_OK);
    return PX_OK;
}

px_bytes fake_app_message(fake_app *app, uint64_t index)
{
    px_delivered delivered;
    if (read_batch(&app->app, index, &delivered)) return (px_bytes){0};
    size_t offset = 0;
    const uint32_t place = (uint32_t)(index - delivered.index_first);
    for (uint32_t i = 0; i < place; i++) offset += px_batch_length(&delivered.batch, i);
    px_buffer_release(delivered.owner); /* the log keeps it */
    return (px_bytes){delivered.batch.payloads.data + offset, px_batch_length(&delivered.batch, place)};
}

static void watch(px_app *app, px_watcher *watcher)
{
    watcher->next = fake_of(app)->watchers;
    fake_of(app)->watchers = watcher;
}

static void unwatch(px_app *app, px_watcher *watcher)
{
    px_watcher **at = &fake_of(app)->watchers;
    while (*at != watcher) at = &(*at)->next;
    *at = watcher->next;
}

static void barrier(px_app *app, px_barrier *asked)
{
    px_barrier **end = &fake_of(app)->barriers;
    while (*end) end = &(*end)->next;
    asked->next = NULL;
    *end = asked;
    wake(fake_of(app));
}

static void barrier_cancel(px_app *app, px_barrier *asked)
{
    px_barrier **at = &fake_of(app)->barriers;
    while (*at != asked) at = &(*at)->next;
    *at = asked->next;
}

static void status(px_app *app, px_status *said)
{
    const fake_app *fake = fake_of(app);
    memset(said, 0, sizeof *said);
    said->self = fake->self;
    said->member_count = 2;
    snprintf(said->members[0].id, sizeof said->members[0].id, "a.example");
    snprintf(said->members[0].addr, sizeof said->members[0].addr, "127.0.0.1:7001");
    snprintf(said->members[1].id, sizeof said->members[1].id, "b.example");
    snprintf(said->members[1].addr, sizeof said->members[1].addr, "127.0.0.1:7002");
    if (fake->is_disk_full) said->members[fake->self].disk = PX_DISK_FULL;
    said->members[0].connected = said->members[0].voter = said->members[1].voter = true;
    said->members[1].has_rtt = true;
    said->members[1].rtt_us = 1500;
    said->role = PX_ROLE_LEADER;
    said->has_leader = !fake->is_not_ready;
    said->ballot = (px_ballot){.number = 7};
    said->committed = said->delivered = said->digest_index = fake->delivered;
    said->digest = (px_hash){.high = 1, .low = 2};
    said->first = fake->first;
    said->diverged = fake->is_diverged;
    if (fake->is_led_by_other) said->leader = 1;
    if (fake->is_led_by_other) said->role = PX_ROLE_FOLLOWER;
    said->members[1].connected = said->members[1].heard = fake->is_peer_up;
    if (fake->is_not_ready) snprintf(said->waiting_for, sizeof said->waiting_for, "a leader");
}

static bool is_diverged(px_app *app)
{
    return fake_of(app)->is_diverged;
}

static void transfer(px_app *app, uint32_t member)
{
    fake_app *fake = fake_of(app);
    fake->transfers++;
    fake->is_led_by_other = !fake->is_transfer_refused && member != fake->self;
}

static const px_app_calls fake_calls = {
    .intake_open = intake_open,
    .session_open = session_open,
    .intake_close = intake_close,
    .intake_room = intake_room,
    .intake_push = intake_push,
    .index_delivered = index_delivered,
    .read = read_batch,
    .watch = watch,
    .unwatch = unwatch,
    .barrier = barrier,
    .barrier_cancel = barrier_cancel,
    .status = status,
    .is_diverged = is_diverged,
    .transfer = transfer,
};

void fake_app_init(fake_app *app, px_clock *clock, uint32_t message_bytes_max)
{
    memset(app, 0, sizeof *app);
    app->app.calls = &fake_calls;
    app->clock = clock;
    app->again.on_fire = on_again;
    app->message_bytes_max = message_bytes_max;
    app->first = 1;
    app->stamp_ms = 1767225600123;
}

void fake_app_deinit(fake_app *app)
{
    px_timers_stop(app->clock->timers, &app->again);
    for (uint32_t i = 0; i < app->batch_count; i++) px_buffer_release(&app->batches[i]->buffer);
    for (uint32_t i = 0; i < app->intake_count; i++) {
        free(app->intakes[i].bytes);
        free(app->intakes[i].lengths);
    }
    for (uint32_t i = 0; i < app->session_count; i++) {
        free(app->sessions[i].intake.bytes);
        free(app->sessions[i].intake.lengths);
    }
}
