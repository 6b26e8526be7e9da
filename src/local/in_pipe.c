/* in_pipe.c - a FIFO that applications write messages into.
 *
 * Meaning    Reads no more than its intake has room for, so that what was read and is not committed stays
 *            bounded and writers block when px cannot go on. When the last writer closes, what it left
 *            without an end counts, and the descriptor is opened anew before the old is closed: a fresh one
 *            does not report the end again, and there is never a moment without a reader.
 * Holds      0 <= start <= end <= capacity; bytes start to end were read and are not handed over. While it is
 *            blocked, nothing is wanted from the stream, and the intake holds something that will be chosen.
 * Source     spec.md §4 (in).
 * Not here   how messages stand in the FIFO (format_*.c). */
// SPDX-License-Identifier: Apache-2.0
#include "local/in_pipe.h"

#include "base/assert.h"
#include <stdlib.h>
#include <string.h>

/* Room for what is read at once; it grows for longer messages, and shrinks behind them. */
#define SPACE_BYTES (256u << 10)
/* Read in one turn, so that other pipes and peers get theirs. */
#define TURN_BYTES (1u << 20)
/* Less than this is not worth a read while the intake is busy: more room will come. */
#define READ_BYTES_LEAST 4096u
/* What the FIFO itself may hold counts as read: px killed, it is lost as well. */
#define FIFO_BYTES (256u << 10)
_Static_assert(2 * FIFO_BYTES <= PX_INTAKE_BYTES, "most of what a pipe may lose is on its way to the log");
/* What a message may cost in the intake beside its bytes, before its room is asked anew. */
#define MESSAGE_COST_BYTES 64u
#define RETRY_US 1000000u
/* What a FIFO can hold, and a writer that goes on may add, at the very end. */
#define REST_BYTES (4u * FIFO_BYTES)
/* Reads in one turn to finish a message at a stop. */
#define FINISH_READS 16384u

struct px_in_pipe {
    px_stream_events stream_events;
    px_intake_events intake_events;
    px_timer retry, resume, deadline;
    const px_local_env *env;
    px_in_pipe_config config;
    px_in_pipe_events *events;
    px_stream *stream;
    px_intake *intake;
    uint8_t *space;
    size_t capacity, start, end;
    px_framing framing;
    px_cut held; /* a message that was cut and found no room */
    bool has_held;
    bool is_ended;   /* the last writer has closed behind the bytes that are here */
    bool is_blocked; /* waits for room */
    uint64_t blocked_since_us;
    uint64_t pushed, chosen; /* numbers of the last messages */
    bool is_stopping;
    bool is_failing;        /* said once */
    uint64_t complained_us; /* when a dropped message was last logged; 0: never */
    px_pipe_counters counters;
};

static void want(px_in_pipe *pipe, uint32_t wanted)
{
    pipe->env->streams->want(pipe->env->streams, pipe->stream, wanted);
}

/* ---- bytes to messages ---- */

static void count_dropped(px_in_pipe *pipe, const char *fault)
{
    const uint64_t now_us = pipe->env->clock->now_us(pipe->env->clock);
    pipe->counters.dropped++;
    if (pipe->complained_us && now_us < pipe->complained_us + RETRY_US) return;
    pipe->complained_us = now_us;
    px_log_event(pipe->env->log, PX_LOG_WARN, "pipe %s: %s: dropped (%llu so far)", pipe->config.name, fault,
                 (unsigned long long)pipe->counters.dropped);
}

/* Cuts the next message, or takes the one that waits. */
static px_cut cut_next(px_in_pipe *pipe)
{
    if (pipe->has_held) {
        pipe->has_held = false;
        return pipe->held;
    }
    return pipe->config.format->cut(&pipe->framing, pipe->space + pipe->start, pipe->end - pipe->start,
                                    pipe->is_ended, pipe->env->message_bytes_max);
}

/* Hands over every whole message. False where one must wait for room. */
static bool push_messages(px_in_pipe *pipe)
{
    px_app *app = pipe->env->app;
    size_t room = 0;
    for (;;) {
        const px_cut cut = cut_next(pipe);
        if (cut.kind == PX_CUT_MORE) return true;
        if (cut.kind == PX_CUT_DROPPED) count_dropped(pipe, cut.fault);
        if (cut.kind == PX_CUT_MESSAGE) {
            const size_t size_bytes = cut.message.size_bytes;
            if (room < size_bytes + MESSAGE_COST_BYTES) room = app->calls->intake_room(app, pipe->intake);
            if ((room == 0 || room < size_bytes) && !pipe->is_stopping) {
                pipe->held = cut;
                pipe->has_held = true;
                return false;
            }
            pipe->pushed = app->calls->intake_push(app, pipe->intake, cut.message);
            room -= room < size_bytes + MESSAGE_COST_BYTES ? room : size_bytes + MESSAGE_COST_BYTES;
            pipe->counters.messages++;
            pipe->counters.bytes += size_bytes;
        }
        pipe->start += cut.used_bytes;
    }
}

/* ---- room ---- */

/* Gives back what a long message needed. */
static void shrink(px_in_pipe *pipe)
{
    pipe->start = pipe->end = 0;
    if (pipe->capacity == SPACE_BYTES) return;
    uint8_t *space = realloc(pipe->space, SPACE_BYTES);
    if (!space) return;
    pipe->space = space;
    pipe->capacity = SPACE_BYTES;
}

/* Makes room behind what is here. False where there is no memory. */
static bool make_space(px_in_pipe *pipe)
{
    if (pipe->start == pipe->end) shrink(pipe);
    if (pipe->start > 0) {
        memmove(pipe->space, pipe->space + pipe->start, pipe->end - pipe->start);
        pipe->end -= pipe->start;
        pipe->start = 0;
    }
    if (pipe->end < pipe->capacity) return true;
    const size_t most = pipe->config.format->frame_bytes_max(pipe->env->message_bytes_max) + READ_BYTES_LEAST;
    px_assert(pipe->capacity < most); /* a longer message would have been dropped */
    const size_t capacity = 2 * pipe->capacity < most ? 2 * pipe->capacity : most;
    uint8_t *space = realloc(pipe->space, capacity);
    if (!space) return false;
    pipe->space = space;
    pipe->capacity = capacity;
    return true;
}

/* How much may be read now, so that the messages in it find room; 0: wait for more room. */
static size_t measure_read(px_in_pipe *pipe)
{
    px_app *app = pipe->env->app;
    const size_t room = app->calls->intake_room(app, pipe->intake);
    const size_t kept = pipe->end - pipe->start;
    const bool is_idle = room >= pipe->env->message_bytes_max && room >= PX_INTAKE_BYTES;
    /* The byte that ends a message takes no room. */
    size_t bytes = room + 1 > kept + FIFO_BYTES ? room + 1 - kept - FIFO_BYTES : 0;
    if (bytes < READ_BYTES_LEAST) bytes = is_idle ? READ_BYTES_LEAST : 0;
    return bytes;
}

/* ---- reading ---- */

static void fail(px_in_pipe *pipe, const char *what, px_err err)
{
    if (!pipe->is_failing)
        px_log_event(pipe->env->log, PX_LOG_ERROR, "pipe %s: cannot %s %s: %s; tries again",
                     pipe->config.name, what, pipe->config.path, px_err_text(err));
    pipe->is_failing = true;
    want(pipe, 0);
    px_env_start(pipe->env, &pipe->retry, RETRY_US);
}

/* Puts a fresh descriptor in the place of one whose writers have gone. */
static bool renew(px_in_pipe *pipe)
{
    px_streams *streams = pipe->env->streams;
    px_err err = streams->renew_reader(streams, pipe->stream);
    if (err == PX_ERR_NOT_FOUND) {
        err = streams->make_fifo(streams, pipe->config.path, pipe->config.mode);
        if (!err) err = streams->renew_reader(streams, pipe->stream);
    }
    if (err) {
        fail(pipe, "open", err);
        return false;
    }
    if (pipe->is_failing)
        px_log_event(pipe->env->log, PX_LOG_INFO, "pipe %s: %s is open again", pipe->config.name,
                     pipe->config.path);
    pipe->is_failing = false;
    return true;
}

typedef enum { READ_MORE, READ_ENOUGH, READ_BLOCKED, READ_FAILED } read_result;

/* Reads once, and hands over what that completed. */
static read_result read_once(px_in_pipe *pipe, size_t *budget)
{
    px_streams *streams = pipe->env->streams;
    size_t bytes = measure_read(pipe);
    if (bytes == 0) return READ_BLOCKED;
    if (!make_space(pipe)) {
        fail(pipe, "find memory for", PX_ERR_NO_SPACE);
        return READ_FAILED;
    }
    if (bytes > pipe->capacity - pipe->end) bytes = pipe->capacity - pipe->end;
    if (bytes > *budget) bytes = *budget;
    size_t got = 0;
    const px_err err = streams->read(streams, pipe->stream, pipe->space + pipe->end, bytes, &got);
    if (err == PX_ERR_MORE) return READ_ENOUGH;
    if (err == PX_ERR_END) {
        pipe->is_ended = true;
        const bool is_renewed = renew(pipe);
        if (!push_messages(pipe)) return READ_BLOCKED;
        pipe->is_ended = false;
        return is_renewed ? READ_ENOUGH : READ_FAILED;
    }
    if (err) {
        fail(pipe, "read", err);
        return READ_FAILED;
    }
    pipe->end += got;
    *budget -= got;
    return push_messages(pipe) ? READ_MORE : READ_BLOCKED;
}

/* Hands over what waits and reads on, as far as there is room. */
static void pump(px_in_pipe *pipe)
{
    size_t budget = TURN_BYTES;
    read_result result = READ_BLOCKED;
    if (push_messages(pipe)) {
        /* Bytes behind an end were read from the fresh descriptor only after those before it had gone. */
        pipe->is_ended = false;
        do result = read_once(pipe, &budget);
        while (result == READ_MORE && budget > 0);
    }
    if (result == READ_BLOCKED && !pipe->is_blocked)
        pipe->blocked_since_us = pipe->env->clock->now_us(pipe->env->clock);
    pipe->is_blocked = result == READ_BLOCKED;
    if (pipe->retry.is_started) return;
    want(pipe, pipe->is_blocked || pipe->is_stopping ? 0 : PX_STREAM_READ);
}

/* ---- the end ---- */

static bool is_between_messages(const px_in_pipe *pipe)
{
    return pipe->start == pipe->end && !pipe->framing.skip_line && pipe->framing.skip_bytes == 0;
}

/* Reads exactly to the end of the message that was begun: what lies behind it stays in the FIFO for the next
 * px. */
static void finish(px_in_pipe *pipe)
{
    px_streams *streams = pipe->env->streams;
    for (unsigned reads = 0; reads < FINISH_READS && !is_between_messages(pipe); reads++) {
        size_t got = 0;
        if (!make_space(pipe)) return;
        size_t bytes = pipe->config.format->missing_bytes(&pipe->framing, pipe->space + pipe->start,
                                                          pipe->end - pipe->start);
        if (bytes > pipe->capacity - pipe->end) bytes = pipe->capacity - pipe->end;
        const px_err err = streams->read(streams, pipe->stream, pipe->space + pipe->end, bytes, &got);
        pipe->is_ended = err == PX_ERR_END;
        if (err && !pipe->is_ended) return;
        pipe->end += got;
        (void)push_messages(pipe);
    }
    if (!is_between_messages(pipe)) return;
    want(pipe, 0);
    px_env_start(pipe->env, &pipe->deadline, 0);
}

void px_in_pipe_take_rest(px_in_pipe *pipe)
{
    px_streams *streams = pipe->env->streams;
    px_assert(pipe->is_stopping);
    for (size_t left = REST_BYTES; left > 0 && !pipe->is_ended && make_space(pipe);) {
        size_t got = 0;
        const size_t room = pipe->capacity - pipe->end;
        const size_t bytes = room < left ? room : left;
        const px_err err = streams->read(streams, pipe->stream, pipe->space + pipe->end, bytes, &got);
        pipe->is_ended = err == PX_ERR_END;
        if (err && !pipe->is_ended) return;
        pipe->end += got;
        left -= got;
        (void)push_messages(pipe);
    }
}

static void on_deadline(px_timer *timer)
{
    px_in_pipe *pipe = PX_OWNER_OF(timer, px_in_pipe, deadline);
    want(pipe, 0);
    if (!is_between_messages(pipe)) count_dropped(pipe, "px stops inside an unfinished message");
    pipe->events->on_stopped(pipe->events);
}

void px_in_pipe_stop(px_in_pipe *pipe, uint64_t wait_us)
{
    px_assert(!pipe->is_stopping);
    if (!pipe->retry.is_started) pump(pipe);
    px_env_stop(pipe->env, &pipe->retry);
    px_env_stop(pipe->env, &pipe->resume);
    pipe->is_stopping = true;
    px_env_start(pipe->env, &pipe->deadline, wait_us);
    /* What was taken is the node's from here on, room or not: there is at most a read's worth of it. */
    (void)push_messages(pipe);
    want(pipe, PX_STREAM_READ);
    finish(pipe);
}

static void on_ready(px_stream_events *events, uint32_t ready)
{
    px_in_pipe *pipe = PX_OWNER_OF(events, px_in_pipe, stream_events);
    if (!(ready & PX_STREAM_READ)) return;
    if (pipe->is_stopping)
        finish(pipe);
    else
        pump(pipe);
}

/* Not at once: this is the node's turn, and what it would be given now it might not look at before something
 * else wakes it. */
static void go_on(px_in_pipe *pipe)
{
    if (pipe->is_blocked && !pipe->is_stopping) px_env_start(pipe->env, &pipe->resume, 0);
}

static void on_resume(px_timer *timer)
{
    px_in_pipe *pipe = PX_OWNER_OF(timer, px_in_pipe, resume);
    if (pipe->is_blocked && !pipe->is_stopping) pump(pipe);
}

static void on_room(px_intake_events *events)
{
    go_on(PX_OWNER_OF(events, px_in_pipe, intake_events));
}

/* What is chosen makes room. */
static void on_chosen(px_intake_events *events, uint64_t upto, uint64_t index, uint32_t consecutive)
{
    px_in_pipe *pipe = PX_OWNER_OF(events, px_in_pipe, intake_events);
    (void)index;
    (void)consecutive;
    pipe->chosen = upto;
    pipe->blocked_since_us = pipe->env->clock->now_us(pipe->env->clock); /* it moves */
    go_on(pipe);
}

static void on_retry(px_timer *timer)
{
    px_in_pipe *pipe = PX_OWNER_OF(timer, px_in_pipe, retry);
    if (renew(pipe)) pump(pipe);
}

/* ---- its life ---- */

px_err px_in_pipe_open(const px_local_env *env, const px_in_pipe_config *config, px_in_pipe_events *events,
                       px_in_pipe **pipe)
{
    px_err err = PX_ERR_NO_SPACE;
    px_in_pipe *made = calloc(1, sizeof *made);
    if (!made) return err;
    made->stream_events.on_ready = on_ready;
    made->intake_events = (px_intake_events){.on_room = on_room, .on_chosen = on_chosen};
    made->retry.on_fire = on_retry;
    made->resume.on_fire = on_resume;
    made->env = env;
    made->config = *config;
    made->events = events;
    made->deadline.on_fire = on_deadline;
    made->capacity = SPACE_BYTES;
    made->space = malloc(made->capacity);
    if (!made->space) goto fail_space;
    made->intake =
        env->app->calls->intake_open(env->app, config->name, PX_INTAKE_BYTES, &made->intake_events);
    if (!made->intake) goto fail_space;
    err = env->streams->open_reader(env->streams, config->path, &made->stream_events, &made->stream);
    if (err) goto fail_stream;
    want(made, PX_STREAM_READ);
    *pipe = made;
    return PX_OK;
fail_stream:
    env->app->calls->intake_close(env->app, made->intake);
fail_space:
    free(made->space);
    free(made);
    return err;
}

void px_in_pipe_check(px_in_pipe *pipe)
{
    px_streams *streams = pipe->env->streams;
    if (pipe->is_stopping || pipe->retry.is_started || streams->is_current(streams, pipe->stream)) return;
    px_log_event(pipe->env->log, PX_LOG_WARN, "pipe %s: %s was removed or replaced; opened anew",
                 pipe->config.name, pipe->config.path);
    if (renew(pipe)) pump(pipe);
}

px_pipe_counters px_in_pipe_count(const px_in_pipe *pipe)
{
    px_pipe_counters counters = pipe->counters;
    px_clock *clock = pipe->env->clock;
    counters.waiting = pipe->pushed - pipe->chosen;
    counters.is_blocked = pipe->is_blocked;
    if (pipe->is_blocked) counters.blocked_us = clock->now_us(clock) - pipe->blocked_since_us;
    return counters;
}

const char *px_in_pipe_name(const px_in_pipe *pipe)
{
    return pipe->config.name;
}

void px_in_pipe_close(px_in_pipe *pipe)
{
    px_env_stop(pipe->env, &pipe->retry);
    px_env_stop(pipe->env, &pipe->resume);
    px_env_stop(pipe->env, &pipe->deadline);
    pipe->env->app->calls->intake_close(pipe->env->app, pipe->intake);
    pipe->env->streams->close(pipe->env->streams, pipe->stream);
    free(pipe->space);
    free(pipe);
}
