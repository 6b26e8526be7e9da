/* pipes.c - the pipes of a configuration, together.
 *
 * Source     spec.md §4. */
// SPDX-License-Identifier: Apache-2.0
#include "local/pipes.h"

#include "base/assert.h"
#include "local/in_pipe.h"
#include "local/out_pipe.h"
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    px_in_pipe *in; /* NULL: no such side */
    px_out_pipe *out;
} pipe_pair;

struct px_pipes {
    px_in_pipe_events in_events;
    px_out_pipe_events out_events;
    px_timer stopped;
    const px_local_env *env;
    px_pipes_events *events;
    uint32_t unstopped; /* sides of pipes not stopped yet */
    uint32_t count;
    pipe_pair pairs[];
};

static const px_format *format_of(px_local_format format)
{
    switch (format) {
    case PX_LOCAL_LINE: return &px_format_line;
    case PX_LOCAL_JSON: return &px_format_json;
    case PX_LOCAL_LENGTH: return &px_format_length;
    }
    return NULL;
}

static px_err say_fault(px_local_fault *fault, const char *path, px_err err)
{
    const char *mend = "see to the folder and the rights of its file";
    if (err == PX_ERR_WRONG_KIND) mend = "it is not a FIFO; remove it or name another path";
    if (err == PX_ERR_NOT_FOUND) mend = "make its folder";
    (void)snprintf(fault->where, sizeof fault->where, "%s", path);
    (void)snprintf(fault->what, sizeof fault->what, "cannot open the pipe: %s; %s", px_err_text(err), mend);
    return err;
}

static px_err open_pair(px_pipes *pipes, const px_local_pipe *config, px_cursor_file *cursors,
                        pipe_pair *pair, px_local_fault *fault)
{
    const px_local_env *env = pipes->env;
    const px_format *format = format_of(config->format);
    if (config->in) {
        const px_in_pipe_config in = {.name = config->name,
                                      .path = config->in,
                                      .format = format,
                                      .mode = config->mode};
        px_err err = env->streams->make_fifo(env->streams, config->in, config->mode);
        if (!err) err = px_in_pipe_open(env, &in, &pipes->in_events, &pair->in);
        if (err) return say_fault(fault, config->in, err);
    }
    if (config->out) {
        const px_out_pipe_config out = {.name = config->name,
                                        .path = config->out,
                                        .format = format,
                                        .mode = config->mode,
                                        .from_end = config->from_end};
        px_err err = env->streams->make_fifo(env->streams, config->out, config->mode);
        if (!err) err = px_out_pipe_open(env, &out, cursors, &pipes->out_events, &pair->out);
        if (err) return say_fault(fault, config->out, err);
    }
    return PX_OK;
}

static void on_stopped(px_timer *timer)
{
    px_pipes *pipes = PX_OWNER_OF(timer, px_pipes, stopped);
    pipes->events->on_stopped(pipes->events);
}

static void count_stopped(px_pipes *pipes)
{
    px_assert(pipes->unstopped > 0);
    if (--pipes->unstopped == 0) px_env_start(pipes->env, &pipes->stopped, 0);
}

static void on_in_stopped(px_in_pipe_events *events)
{
    count_stopped(PX_OWNER_OF(events, px_pipes, in_events));
}

static void on_out_stopped(px_out_pipe_events *events)
{
    count_stopped(PX_OWNER_OF(events, px_pipes, out_events));
}

px_err px_pipes_open(const px_local_env *env, const px_local_config *config, px_cursor_file *cursors,
                     px_pipes_events *events, px_pipes **pipes, px_local_fault *fault)
{
    px_pipes *made = calloc(1, sizeof *made + config->pipe_count * sizeof made->pairs[0]);
    if (!made) return say_fault(fault, "pipes", PX_ERR_NO_SPACE);
    made->in_events.on_stopped = on_in_stopped;
    made->out_events.on_stopped = on_out_stopped;
    made->stopped.on_fire = on_stopped;
    made->env = env;
    made->events = events;
    made->count = config->pipe_count;
    for (uint32_t place = 0; place < config->pipe_count; place++) {
        const px_err err = open_pair(made, &config->pipes[place], cursors, &made->pairs[place], fault);
        if (err) {
            px_pipes_close(made);
            return err;
        }
    }
    *pipes = made;
    return PX_OK;
}

void px_pipes_on_delivered(px_pipes *pipes, uint64_t index)
{
    for (uint32_t place = 0; place < pipes->count; place++)
        if (pipes->pairs[place].out) px_out_pipe_on_delivered(pipes->pairs[place].out, index);
}

bool px_pipes_is_awaited(const px_pipes *pipes)
{
    for (uint32_t place = 0; place < pipes->count; place++)
        if (pipes->pairs[place].out && px_out_pipe_is_awaited(pipes->pairs[place].out)) return true;
    return false;
}

void px_pipes_check(px_pipes *pipes)
{
    for (uint32_t place = 0; place < pipes->count; place++) {
        if (pipes->pairs[place].in) px_in_pipe_check(pipes->pairs[place].in);
        if (pipes->pairs[place].out) px_out_pipe_check(pipes->pairs[place].out);
    }
}

void px_pipes_stop(px_pipes *pipes, uint64_t wait_us)
{
    for (uint32_t place = 0; place < pipes->count; place++) {
        if (pipes->pairs[place].in) pipes->unstopped++;
        if (pipes->pairs[place].out) pipes->unstopped++;
    }
    if (pipes->unstopped == 0) px_env_start(pipes->env, &pipes->stopped, 0);
    for (uint32_t place = 0; place < pipes->count; place++) {
        if (pipes->pairs[place].in) px_in_pipe_stop(pipes->pairs[place].in, wait_us);
        if (pipes->pairs[place].out) px_out_pipe_stop(pipes->pairs[place].out, wait_us);
    }
}

void px_pipes_take_rest(px_pipes *pipes)
{
    for (uint32_t place = 0; place < pipes->count; place++)
        if (pipes->pairs[place].in) px_in_pipe_take_rest(pipes->pairs[place].in);
}

static void count_side(const char *name, const char *direction, px_pipe_counters counted, void *context,
                       void (*each)(void *context, const px_local_counters *counters))
{
    const px_local_counters counters = {.pipe = name,
                                        .direction = direction,
                                        .messages = counted.messages,
                                        .bytes = counted.bytes,
                                        .dropped = counted.dropped,
                                        .waiting = counted.waiting,
                                        .has_reader = counted.has_reader,
                                        .is_blocked = counted.is_blocked,
                                        .blocked_us = counted.blocked_us};
    each(context, &counters);
}

void px_pipes_count(const px_pipes *pipes, void *context,
                    void (*each)(void *context, const px_local_counters *counters))
{
    for (uint32_t place = 0; place < pipes->count; place++) {
        const pipe_pair *pair = &pipes->pairs[place];
        if (pair->in) count_side(px_in_pipe_name(pair->in), "in", px_in_pipe_count(pair->in), context, each);
        if (pair->out)
            count_side(px_out_pipe_name(pair->out), "out", px_out_pipe_count(pair->out), context, each);
    }
}

void px_pipes_close(px_pipes *pipes)
{
    px_env_stop(pipes->env, &pipes->stopped);
    for (uint32_t place = 0; place < pipes->count; place++) {
        if (pipes->pairs[place].in) px_in_pipe_close(pipes->pairs[place].in);
        if (pipes->pairs[place].out) px_out_pipe_close(pipes->pairs[place].out);
    }
    free(pipes);
}
