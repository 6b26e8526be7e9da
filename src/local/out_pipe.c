/* out_pipe.c - a FIFO that an application reads the messages from.
 *
 * Meaning    The write end is always open, so a reader never waits for px in its open. Messages go in whole,
 *            as far as they surely fit, so that nobody ever meets half of one that px did not live to finish
 *            (a message larger than the FIFO goes in parts). What is left unread says what was taken, and the
 *            durable cursor follows that, never what was written. A reader that leaves inside a message has
 *            what is left thrown away: the next one starts with the first message not wholly taken. One that
 *            leaves between two messages changes nothing. What a reader takes makes no event, and its coming
 *            not on every system: while there is a reason to look, a tick looks, ever more seldom.
 * Holds      taken + messages in the ledger + 1 = the walk's next message. The formatted bytes `start` to
 *            `end` are those of the ledger's last messages that no write has taken yet.
 * Source     spec.md §4 (out).
 * Not here   which bytes belong to which message (ledger.c), where the messages come from (walk.c). */
// SPDX-License-Identifier: Apache-2.0
#include "local/out_pipe.h"

#include "base/assert.h"
#include "local/ledger.h"
#include "local/walk.h"
#include <stdlib.h>
#include <string.h>

/* Formatted at once; it grows for a longer message, and shrinks behind it. */
#define SPACE_BYTES (256u << 10)
/* Written in one turn, so that other pipes and peers get theirs. */
#define TURN_BYTES (1u << 20)
/* Ticks: the first comes soon, each without success doubles the wait. A reader that comes waits for the
 * longest at most. */
#define TICK_US_MIN 1000u
#define TICK_US_MAX 20000u
/* To learn what was taken, when nothing waits to be written. */
#define LOOK_US_MAX 200000u
/* Where a reader that comes is heard. */
#define HEARD_US_MAX 500000u
#define RETRY_US 1000000u
/* Looks that find the cursor beyond the log before it is said. */
#define CHECKS_AHEAD 3u
/* Tries to find a moment in which nobody reads; somebody reads, then. */
#define LOOKS_MAX 3u

struct px_out_pipe {
    px_stream_events stream_events;
    px_timer tick, deadline;
    const px_local_env *env;
    px_out_pipe_config config;
    px_out_pipe_events *events;
    px_stream *stream;
    px_cursor_file *cursors;
    px_cursor *cursor; /* NULL until it is decided where it begins */
    px_ledger ledger;
    px_walk walk;
    uint64_t taken;     /* index of the last message wholly taken */
    px_barrier log_end; /* asks where the log ends, for a cursor that begins there */
    bool is_asking;
    uint8_t *space;
    size_t capacity, start, end;
    uint64_t formatted; /* messages in it, written or not */
    uint64_t wait_us;   /* before the next tick */
    bool is_gone;       /* nobody reads, as far as is known */
    bool has_leftover;  /* the FIFO holds bytes of an earlier px, which go first */
    bool must_renew;    /* what is in the FIFO may not be read */
    bool is_stopping, is_stopped;
    bool is_failing;       /* said once */
    uint32_t checks_ahead; /* in which the cursor lay beyond the log, one after the other */
    px_pipe_counters counters;
};

/* ---- what was taken ---- */

static void complain(px_out_pipe *pipe, const char *what, px_err err)
{
    if (!pipe->is_failing)
        px_log_event(pipe->env->log, PX_LOG_ERROR, "pipe %s: cannot %s (%s): %s; tries again",
                     pipe->config.name, what, pipe->config.path, px_err_text(err));
    pipe->is_failing = true;
}

/* Throws away what nobody has taken, and goes on at the first message not wholly taken. */
static void renew(px_out_pipe *pipe)
{
    px_streams *streams = pipe->env->streams;
    px_err err = streams->renew_writer(streams, pipe->stream);
    if (err == PX_ERR_NOT_FOUND) {
        err = streams->make_fifo(streams, pipe->config.path, pipe->config.mode);
        if (!err) err = streams->renew_writer(streams, pipe->stream);
    }
    pipe->must_renew = err != PX_OK;
    if (err) {
        complain(pipe, "open it anew", err);
        return;
    }
    if (pipe->is_failing)
        px_log_event(pipe->env->log, PX_LOG_INFO, "pipe %s: %s is open again", pipe->config.name,
                     pipe->config.path);
    pipe->is_failing = false;
    pipe->has_leftover = false;
    px_ledger_clear(&pipe->ledger);
    pipe->ledger.fifo = streams->fifo_size(streams, pipe->stream);
    pipe->start = pipe->end = 0;
    px_walk_seek(&pipe->walk, pipe->taken + 1);
    pipe->is_gone = !streams->has_reader(streams, pipe->stream);
}

/* What is unread, and whether nobody reads, both of one moment: a reader may come, read and go between any
 * two calls. Who reads is only asked where nobody did: of a departure there is an event. */
static size_t look_at_once(px_out_pipe *pipe)
{
    px_streams *streams = pipe->env->streams;
    size_t unread = streams->unread_bytes(streams, pipe->stream);
    if (!pipe->is_gone) return unread;
    pipe->is_gone = false;
    for (unsigned tries = 0; tries < LOOKS_MAX; tries++) {
        const bool had_reader = streams->has_reader(streams, pipe->stream);
        const size_t unread_before = unread;
        unread = streams->unread_bytes(streams, pipe->stream);
        if (unread != unread_before) continue;
        pipe->is_gone = !had_reader;
        break;
    }
    return unread;
}

/* Looks what was taken and who is there. */
static void look(px_out_pipe *pipe)
{
    if (pipe->must_renew) {
        renew(pipe);
        return;
    }
    const size_t unread = look_at_once(pipe);
    if (pipe->has_leftover) {
        pipe->has_leftover = unread > 0;
        if (pipe->has_leftover && pipe->is_gone) renew(pipe);
        return;
    }
    const uint64_t count = px_ledger_take(&pipe->ledger, unread);
    if (count > 0) {
        pipe->taken += count;
        pipe->counters.messages += count;
        px_cursor_put(pipe->cursor, pipe->taken);
    }
    if (pipe->is_gone && px_ledger_is_split(&pipe->ledger)) renew(pipe);
}

/* ---- messages to bytes ---- */

static bool make_space(px_out_pipe *pipe, size_t needs)
{
    if (needs <= pipe->capacity) return true;
    uint8_t *space = realloc(pipe->space, needs);
    if (!space) {
        complain(pipe, "find memory for a message", PX_ERR_NO_SPACE);
        return false;
    }
    pipe->space = space;
    pipe->capacity = needs;
    return true;
}

static void shrink(px_out_pipe *pipe)
{
    pipe->start = pipe->end = 0;
    if (pipe->capacity == SPACE_BYTES) return;
    uint8_t *space = realloc(pipe->space, SPACE_BYTES);
    if (!space) return;
    pipe->space = space;
    pipe->capacity = SPACE_BYTES;
}

/* Messages that the log has no more lie behind the reader for good. False where that is not what is wrong. */
static bool skip_trimmed(px_out_pipe *pipe)
{
    px_status status;
    pipe->env->app->calls->status(pipe->env->app, &status);
    if (px_ledger_count(&pipe->ledger) > 0 || status.first <= pipe->walk.next) return false;
    px_log_event(pipe->env->log, PX_LOG_ERROR,
                 "pipe %s: messages %llu to %llu are no longer in the log; goes on behind them",
                 pipe->config.name, (unsigned long long)pipe->walk.next,
                 (unsigned long long)status.first - 1);
    pipe->taken = status.first - 1;
    px_cursor_put(pipe->cursor, pipe->taken);
    px_walk_seek(&pipe->walk, status.first);
    return true;
}

/* Formats whole messages, as many as one write takes for sure; one larger than the whole FIFO where that is
 * empty. */
static void fill(px_out_pipe *pipe)
{
    const size_t room = px_ledger_room(&pipe->ledger);
    const size_t limit = room < SPACE_BYTES ? room : SPACE_BYTES;
    while (px_ledger_has_place(&pipe->ledger)) {
        px_letter letter;
        const px_err err = px_walk_look(&pipe->walk, pipe->env, &letter);
        if (err == PX_ERR_END) return;
        if (err == PX_ERR_NOT_FOUND && skip_trimmed(pipe)) continue;
        if (err) {
            complain(pipe, "read the log for it", err);
            return;
        }
        const size_t bytes_max = pipe->config.format->put_bytes_max(&letter);
        const bool is_first = pipe->end == 0;
        const bool fits = pipe->end + bytes_max <= limit || (is_first && bytes_max <= room);
        if (!fits && !(is_first && px_ledger_count(&pipe->ledger) == 0)) return;
        if (!make_space(pipe, pipe->end + bytes_max)) return;
        const size_t bytes = pipe->config.format->put(&letter, pipe->space + pipe->end);
        px_assert(bytes <= bytes_max);
        if (is_first) pipe->formatted = 0;
        pipe->formatted++;
        pipe->end += bytes;
        px_ledger_enter(&pipe->ledger, bytes);
        px_walk_step(&pipe->walk);
        pipe->is_failing = false;
    }
}

/* Writes what is formatted. False where the rest must wait. */
static bool write_out(px_out_pipe *pipe)
{
    px_streams *streams = pipe->env->streams;
    while (pipe->start < pipe->end) {
        if (px_ledger_room(&pipe->ledger) == 0) return false;
        size_t put = 0;
        const px_err err =
            streams->write(streams, pipe->stream, pipe->space + pipe->start, pipe->end - pipe->start, &put);
        if (err == PX_ERR_CLOSED)
            pipe->is_gone = true;
        else if (err && err != PX_ERR_MORE)
            complain(pipe, "write it", err);
        if (err) return false;
        px_ledger_wrote(&pipe->ledger, put);
        pipe->start += put;
        pipe->counters.bytes += put;
        pipe->is_failing = false;
    }
    shrink(pipe);
    return true;
}

/* ---- when to look again ---- */

static bool has_more(const px_out_pipe *pipe)
{
    if (pipe->start < pipe->end) return true;
    return !pipe->is_stopping && pipe->walk.next <= pipe->env->app->calls->index_delivered(pipe->env->app);
}

static void finish_stop(px_out_pipe *pipe)
{
    px_env_stop(pipe->env, &pipe->tick);
    px_env_stop(pipe->env, &pipe->deadline);
    pipe->is_stopped = true;
    if (pipe->cursor) px_cursor_sync(pipe->cursor);
    pipe->events->on_stopped(pipe->events);
}

/* Starts the tick where something may change that makes no event. */
static void arrange(px_out_pipe *pipe)
{
    const bool is_waiting = has_more(pipe) || pipe->must_renew || pipe->has_leftover;
    if (!is_waiting && px_ledger_count(&pipe->ledger) == 0) {
        px_env_stop(pipe->env, &pipe->tick);
        if (pipe->is_stopping) px_env_start(pipe->env, &pipe->deadline, 0);
        return;
    }
    if (pipe->tick.is_started) return;
    uint64_t wait_us_max = is_waiting || pipe->is_stopping ? TICK_US_MAX : LOOK_US_MAX;
    const bool is_heard = pipe->env->streams->hears_readers(pipe->env->streams, pipe->stream);
    if (pipe->is_gone && is_heard && !pipe->must_renew && !pipe->is_stopping) wait_us_max = HEARD_US_MAX;
    if (pipe->is_failing) wait_us_max = RETRY_US;
    const uint64_t wait_us = pipe->wait_us < wait_us_max ? pipe->wait_us : wait_us_max;
    pipe->wait_us = wait_us * 2;
    px_env_start(pipe->env, &pipe->tick, pipe->is_failing ? wait_us_max : wait_us);
}

static void look_soon(px_out_pipe *pipe)
{
    pipe->wait_us = TICK_US_MIN;
    px_env_stop(pipe->env, &pipe->tick);
}

/* Takes note of what was taken, and writes what can be written. */
static void pump(px_out_pipe *pipe)
{
    if (!pipe->cursor || pipe->is_stopped) return;
    const size_t room_before = px_ledger_room(&pipe->ledger);
    const bool was_gone = pipe->is_gone;
    look(pipe);
    /* A reader that empties the FIFO fast is served as fast; a slow one finds enough in it. */
    const size_t half = (size_t)pipe->ledger.fifo.slots * pipe->ledger.fifo.slot_bytes / 2;
    if ((was_gone && !pipe->is_gone) || px_ledger_room(&pipe->ledger) > room_before + half) look_soon(pipe);
    size_t budget = TURN_BYTES;
    while (!pipe->is_gone && !pipe->must_renew && !pipe->has_leftover) {
        if (pipe->start == pipe->end && !pipe->is_stopping) fill(pipe);
        const size_t bytes = pipe->end - pipe->start;
        if (bytes == 0 || !write_out(pipe)) break;
        if (!has_more(pipe)) look_soon(pipe);
        if (bytes >= budget) {
            look_soon(pipe);
            break;
        }
        budget -= bytes;
        look(pipe);
    }
    arrange(pipe);
}

static void on_ready(px_stream_events *events, uint32_t ready)
{
    px_out_pipe *pipe = PX_OWNER_OF(events, px_out_pipe, stream_events);
    /* Whoever reads message by message comes back soon. */
    if ((ready & PX_STREAM_GONE) && !pipe->is_gone) look_soon(pipe);
    if (ready & PX_STREAM_GONE) pipe->is_gone = true;
    pump(pipe);
}

static void on_tick(px_timer *timer)
{
    pump(PX_OWNER_OF(timer, px_out_pipe, tick));
}

static void on_deadline(px_timer *timer)
{
    px_out_pipe *pipe = PX_OWNER_OF(timer, px_out_pipe, deadline);
    if (pipe->cursor) look(pipe);
    finish_stop(pipe);
}

/* ---- where it begins ---- */

/* Gives the pipe the cursor it has had, or one at `index`. False where there are too many. */
static bool begin_at(px_out_pipe *pipe, uint64_t index)
{
    pipe->cursor = px_cursor_find(pipe->cursors, PX_CURSOR_PIPE, pipe->config.name);
    if (!pipe->cursor) pipe->cursor = px_cursor_make(pipe->cursors, PX_CURSOR_PIPE, pipe->config.name, index);
    if (!pipe->cursor) return false;
    pipe->taken = px_cursor_index(pipe->cursor);
    px_walk_seek(&pipe->walk, pipe->taken + 1);
    return true;
}

/* The log's end is a linearizable index: what a node that has just started still catches up on was there
 * before. [R7] */
static void on_end(px_barrier *barrier, uint64_t index)
{
    px_out_pipe *pipe = PX_OWNER_OF(barrier, px_out_pipe, log_end);
    pipe->is_asking = false;
    if (pipe->is_stopping) return;
    if (!begin_at(pipe, index)) complain(pipe, "keep a cursor for it", PX_ERR_NO_SPACE);
    pump(pipe);
}

void px_out_pipe_on_delivered(px_out_pipe *pipe, uint64_t index)
{
    (void)index;
    if (!pipe->cursor) return;
    /* A reader that comes is heard, or met by the tick: no need to look for one at each message. */
    px_streams *streams = pipe->env->streams;
    const bool is_known_gone = pipe->is_gone && pipe->tick.is_started && !pipe->must_renew;
    if (is_known_gone && streams->hears_readers(streams, pipe->stream)) return;
    pump(pipe);
}

bool px_out_pipe_is_awaited(const px_out_pipe *pipe)
{
    px_streams *streams = pipe->env->streams;
    if (!pipe->cursor || pipe->is_stopping || has_more(pipe)) return false;
    return !pipe->is_gone || !streams->hears_readers(streams, pipe->stream);
}

/* A cursor beyond the log is another log's, or this one has lost its end: it waits, and says so. A node that
 * has just started may not know yet how far the log goes. */
static void check_cursor(px_out_pipe *pipe)
{
    px_status status;
    pipe->env->app->calls->status(pipe->env->app, &status);
    const bool is_ahead = status.waiting_for[0] == 0 && pipe->taken > status.committed;
    pipe->checks_ahead = is_ahead ? pipe->checks_ahead + 1 : 0;
    if (pipe->checks_ahead != CHECKS_AHEAD) return;
    px_log_event(pipe->env->log, PX_LOG_ERROR,
                 "pipe %s: its cursor is at message %llu, the log ends at %llu: has the log lost its end?",
                 pipe->config.name, (unsigned long long)pipe->taken, (unsigned long long)status.committed);
}

void px_out_pipe_check(px_out_pipe *pipe)
{
    px_streams *streams = pipe->env->streams;
    if (pipe->is_stopping) return;
    if (!pipe->cursor) return;
    check_cursor(pipe);
    if (pipe->must_renew || streams->is_current(streams, pipe->stream)) return;
    px_log_event(pipe->env->log, PX_LOG_WARN, "pipe %s: %s was removed or replaced; opened anew",
                 pipe->config.name, pipe->config.path);
    pipe->must_renew = true;
    pump(pipe);
}

/* ---- its life ---- */

static bool begin(px_out_pipe *pipe)
{
    px_status status;
    pipe->env->app->calls->status(pipe->env->app, &status);
    const bool is_known = px_cursor_find(pipe->cursors, PX_CURSOR_PIPE, pipe->config.name) != NULL;
    const bool is_damaged = px_cursor_file_is_damaged(pipe->cursors);
    if (!is_known && is_damaged)
        px_log_event(pipe->env->log, PX_LOG_WARN,
                     "pipe %s: its cursor may be lost to damage; starts at the log's start",
                     pipe->config.name);
    if (!is_known && !is_damaged && pipe->config.from_end) {
        pipe->is_asking = true;
        pipe->log_end.on_done = on_end;
        pipe->env->app->calls->barrier(pipe->env->app, &pipe->log_end);
        return true;
    }
    return begin_at(pipe, status.first > 0 ? status.first - 1 : 0);
}

px_err px_out_pipe_open(const px_local_env *env, const px_out_pipe_config *config, px_cursor_file *cursors,
                        px_out_pipe_events *events, px_out_pipe **pipe)
{
    px_streams *streams = env->streams;
    px_err err = PX_ERR_NO_SPACE;
    px_out_pipe *made = calloc(1, sizeof *made);
    if (!made) return err;
    made->stream_events.on_ready = on_ready;
    made->tick.on_fire = on_tick;
    made->deadline.on_fire = on_deadline;
    made->env = env;
    made->config = *config;
    made->events = events;
    made->cursors = cursors;
    made->wait_us = TICK_US_MIN;
    made->is_gone = true;
    made->capacity = SPACE_BYTES;
    made->space = malloc(made->capacity);
    if (!made->space) goto fail_space;
    err = streams->open_writer(streams, config->path, &made->stream_events, &made->stream);
    if (err) goto fail_space;
    err = PX_ERR_NO_SPACE;
    if (!px_ledger_init(&made->ledger, streams->fifo_size(streams, made->stream))) goto fail_ledger;
    made->has_leftover = streams->unread_bytes(streams, made->stream) > 0;
    if (!begin(made)) goto fail_begin;
    pump(made);
    *pipe = made;
    return PX_OK;
fail_begin:
    px_ledger_deinit(&made->ledger);
fail_ledger:
    streams->close(streams, made->stream);
fail_space:
    free(made->space);
    free(made);
    return err;
}

/* Messages of which nothing was written go back. */
static void withdraw(px_out_pipe *pipe)
{
    if (pipe->start > 0 || pipe->end == 0) return;
    px_ledger_withdraw(&pipe->ledger, pipe->formatted);
    px_walk_seek(&pipe->walk, pipe->walk.next - pipe->formatted);
    shrink(pipe);
}

void px_out_pipe_stop(px_out_pipe *pipe, uint64_t wait_us)
{
    px_assert(!pipe->is_stopping);
    pipe->is_stopping = true;
    withdraw(pipe);
    px_env_start(pipe->env, &pipe->deadline, pipe->cursor ? wait_us : 0);
    look_soon(pipe);
    pump(pipe);
}

uint64_t px_out_pipe_taken(const px_out_pipe *pipe)
{
    return pipe->taken;
}

px_pipe_counters px_out_pipe_count(const px_out_pipe *pipe)
{
    px_pipe_counters counters = pipe->counters;
    const uint64_t delivered = pipe->env->app->calls->index_delivered(pipe->env->app);
    if (pipe->cursor && delivered > pipe->taken) counters.waiting = delivered - pipe->taken;
    counters.has_reader = pipe->env->streams->has_reader(pipe->env->streams, pipe->stream);
    return counters;
}

const char *px_out_pipe_name(const px_out_pipe *pipe)
{
    return pipe->config.name;
}

void px_out_pipe_close(px_out_pipe *pipe)
{
    if (pipe->is_asking) pipe->env->app->calls->barrier_cancel(pipe->env->app, &pipe->log_end);
    px_env_stop(pipe->env, &pipe->tick);
    px_env_stop(pipe->env, &pipe->deadline);
    px_walk_rest(&pipe->walk);
    pipe->env->streams->close(pipe->env->streams, pipe->stream);
    px_ledger_deinit(&pipe->ledger);
    free(pipe->space);
    free(pipe);
}
