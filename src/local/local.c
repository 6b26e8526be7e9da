/* local.c - everything a node offers to the applications beside it.
 *
 * Source     spec.md §4, §5. */
// SPDX-License-Identifier: Apache-2.0
#include "local/local.h"

#include "base/assert.h"
#include "local/consumers.h"
#include "local/cursor_file.h"
#include "local/pipes.h"
#include "local/socket.h"
#include <stdio.h>
#include <stdlib.h>

/* How long a clean stop waits for readers and replies: spec.md §4. */
#define STOP_US 1000000u
/* Between two looks at what makes no event. */
#define CHECK_US 1000000u

struct px_local {
    px_local_env env;
    px_watcher watcher;
    px_timer check;
    px_pipes_events pipes_events;
    px_socket_events socket_events;
    px_cursor_file *cursors;
    px_pipes *pipes;
    px_socket *socket; /* NULL: none */
    bool is_stopping;
    unsigned unstopped; /* of pipes and socket */
    void *context;
    void (*on_stopped)(void *context);
};

static void on_delivered(px_watcher *watcher, uint64_t index)
{
    px_local *local = PX_OWNER_OF(watcher, px_local, watcher);
    px_pipes_on_delivered(local->pipes, index);
    if (local->socket) px_socket_on_delivered(local->socket);
}

static bool is_waiting(const px_watcher *watcher)
{
    const px_local *local = PX_OWNER_OF(watcher, px_local, watcher);
    return px_pipes_is_awaited(local->pipes) || (local->socket && px_socket_is_awaited(local->socket));
}

static void on_check(px_timer *timer)
{
    px_local *local = PX_OWNER_OF(timer, px_local, check);
    px_pipes_check(local->pipes);
    if (local->socket) px_socket_check(local->socket);
    px_env_start(&local->env, &local->check, CHECK_US);
}

static void count_stopped(px_local *local)
{
    px_assert(local->unstopped > 0);
    if (--local->unstopped == 0) local->on_stopped(local->context);
}

static void on_pipes_stopped(px_pipes_events *events)
{
    count_stopped(PX_OWNER_OF(events, px_local, pipes_events));
}

static void on_socket_stopped(px_socket_events *events)
{
    count_stopped(PX_OWNER_OF(events, px_local, socket_events));
}

static void on_count_pipes(px_socket_events *events, void *context,
                           void (*each)(void *context, const px_local_counters *counters))
{
    px_pipes_count(PX_OWNER_OF(events, px_local, socket_events)->pipes, context, each);
}

static px_err fail_cursors(px_err err, const char *name, px_local_fault *fault)
{
    (void)snprintf(fault->where, sizeof fault->where, "%s", name);
    (void)snprintf(fault->what, sizeof fault->what,
                   "cannot open the file of cursors: %s; see to the data folder", px_err_text(err));
    return err;
}

static px_err open_cursors(px_local *local, px_disk *disk, px_local_fault *fault)
{
    const px_err err = px_cursor_file_open(disk, local->env.log, PX_CURSOR_FILE_PIPES, &local->cursors);
    return err ? fail_cursors(err, PX_CURSOR_FILE_PIPES, fault) : PX_OK;
}

static px_err open_socket(px_local *local, px_disk *disk, const char *path, px_local_fault *fault)
{
    if (!path) return PX_OK;
    px_consumers *consumers;
    px_err err = px_consumers_open(&local->env, disk, &consumers);
    if (err) return fail_cursors(err, PX_CURSOR_FILE_CONSUMERS, fault);
    err = px_socket_open(&local->env, consumers, path, &local->socket_events, &local->socket);
    if (!err) return PX_OK;
    px_consumers_close(consumers);
    const char *mend = "see to the folder and its rights";
    if (err == PX_ERR_BUSY) mend = "another process listens there; stop it or name another path";
    if (err == PX_ERR_WRONG_KIND)
        mend = "something else than a socket is there; remove it or name another path";
    if (err == PX_ERR_OVERSIZE) mend = "use a shorter path";
    (void)snprintf(fault->where, sizeof fault->where, "%s", path);
    (void)snprintf(fault->what, sizeof fault->what, "cannot open the socket: %s; %s", px_err_text(err), mend);
    return err;
}

px_err px_local_open(const px_local_config *config, px_app *app, px_streams *streams, px_disk *disk,
                     px_clock *clock, px_log *log, px_local **local, px_local_fault *fault)
{
    px_local *made = calloc(1, sizeof *made);
    if (!made) {
        *fault = (px_local_fault){.where = "memory", .what = "there is none left"};
        return PX_ERR_NO_SPACE;
    }
    made->env = (px_local_env){.app = app,
                               .streams = streams,
                               .clock = clock,
                               .log = log,
                               .message_bytes_max = config->message_bytes_max,
                               .member_count = config->member_count,
                               .members = config->members};
    made->watcher = (px_watcher){.on_delivered = on_delivered, .is_waiting = is_waiting};
    made->check.on_fire = on_check;
    made->pipes_events.on_stopped = on_pipes_stopped;
    made->socket_events.on_stopped = on_socket_stopped;
    made->socket_events.count_pipes = on_count_pipes;
    px_err err = open_cursors(made, disk, fault);
    if (err) goto fail_cursors;
    err = px_pipes_open(&made->env, config, made->cursors, &made->pipes_events, &made->pipes, fault);
    if (err) goto fail_pipes;
    err = open_socket(made, disk, config->socket, fault);
    if (err) goto fail_socket;
    app->calls->watch(app, &made->watcher);
    px_env_start(&made->env, &made->check, CHECK_US);
    *local = made;
    return PX_OK;
fail_socket:
    px_pipes_close(made->pipes);
fail_pipes:
    px_cursor_file_close(made->cursors);
fail_cursors:
    free(made);
    return err;
}

void px_local_stop(px_local *local, void *context, void (*on_stopped)(void *context))
{
    px_assert(!local->is_stopping);
    local->is_stopping = true;
    local->context = context;
    local->on_stopped = on_stopped;
    px_env_stop(&local->env, &local->check);
    local->unstopped = local->socket ? 2 : 1;
    px_pipes_stop(local->pipes, STOP_US);
    if (local->socket) px_socket_stop(local->socket, STOP_US);
}

void px_local_take_rest(px_local *local)
{
    if (local->is_stopping) px_pipes_take_rest(local->pipes);
}

void px_local_close(px_local *local)
{
    px_env_stop(&local->env, &local->check);
    local->env.app->calls->unwatch(local->env.app, &local->watcher);
    if (local->socket) px_socket_close(local->socket);
    px_pipes_close(local->pipes);
    px_cursor_file_close(local->cursors);
    free(local);
}

void px_local_count(const px_local *local, void *context,
                    void (*each)(void *context, const px_local_counters *counters))
{
    px_pipes_count(local->pipes, context, each);
}
