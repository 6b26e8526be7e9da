/* sim_node.c - starts, turns, pauses and crashes. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_node.h"

#include "base/assert.h"
#include "node/node_priv.h"
#include "sim/check_protocol.h"
#include "sim/checks.h"
#include "sim/faults.h"
#include "sim/sim_net.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Segments are small, so that every run makes several. */
#define SEGMENT_BYTES (512u << 10)
/* After an end of its own a node is started again, as a container is. */
#define RESTART_US (200 * SIM_MS)
#define RESTS_PER_LOOK 8u
#define RESTS_PER_CHECK 32u /* through the whole memory; rarer by each session that there is to go through */

static const char *const names[PX_MEMBERS_MAX] = {"px1.sim", "px2.sim", "px3.sim", "px4.sim",
                                                  "px5.sim", "px6.sim", "px7.sim"};

static void write_log(px_log *log, px_log_level level, const char *line)
{
    const sim_node *node = (sim_node *)((char *)log - offsetof(sim_node, log));
    (void)level;
    sim_trace(node->world, "%s  %s", node->name, line);
}

/* What a production node does not return from: here the call goes on, unheard by the world, and ends then. */
static void on_fatal(void *context, const char *what)
{
    sim_node *node = context;
    sim_trace(node->world, "%s  ends itself: %s", node->name, what);
    node->is_dying = true;
    sim_disk_mute(&node->disk);
}

static void configure(sim_world *world, sim_node *node)
{
    px_node_config *config = &node->config;
    config->id = node->name;
    config->heartbeat_us = world->options.heartbeat_us;
    config->message_bytes_max = SIM_MESSAGE_BYTES_MAX;
    config->segment_bytes = SEGMENT_BYTES;
    config->sessions_max = world->faults ? world->faults->work.sessions_max : 0;
    for (uint32_t other = 0; other < world->options.node_count; other++) {
        if (other == node->place) continue;
        config->servers[config->server_count] = names[other];
        config->addresses[config->server_count++] = names[other];
    }
    config->addresses[config->server_count] = names[node->place];
}

void sim_nodes_make(sim_world *world)
{
    for (uint32_t place = 0; place < world->options.node_count; place++) {
        sim_node *node = sim_zeroed(sizeof *node);
        world->nodes[place] = node;
        node->world = world;
        node->place = place;
        (void)snprintf(node->name, sizeof node->name, "%s", names[place]);
        node->log = (px_log){world->options.is_traced ? PX_LOG_DEBUG : PX_LOG_ERROR, write_log};
        node->timer_us = UINT64_MAX;
        node->turn_most_us = 100;
        sim_clock_init(&node->clock, world);
        sim_disk_init(&node->disk, world, place);
        sim_app_init(&node->app, world, place);
        configure(world, node);
    }
}

static void close_node(sim_node *node)
{
    sim_app_detach(&node->app);
    px_node_close(node->node);
    node->node = NULL;
    sim_clock_clear(&node->clock);
}

void sim_nodes_free(sim_world *world)
{
    for (uint32_t place = 0; place < world->options.node_count; place++) {
        sim_node *node = world->nodes[place];
        if (node->node) close_node(node);
        sim_app_deinit(&node->app);
        sim_disk_deinit(&node->disk);
        free(node->backlog);
        free(node);
        world->nodes[place] = NULL;
    }
}

bool sim_node_is_up(const sim_world *world, uint32_t place)
{
    return world->nodes[place]->node != NULL;
}

/* ---- turns ---- */

static void on_timer(sim_world *world, void *context, uint64_t run);

/* An event for its next timer, where none comes as early. */
static void arm_timer(sim_node *node)
{
    sim_world *world = node->world;
    uint64_t next_us = sim_clock_next_us(&node->clock);
    if (next_us < world->now_us) next_us = world->now_us;
    if (next_us == UINT64_MAX || next_us >= node->timer_us) return;
    node->timer_us = next_us;
    sim_world_after(world, next_us - world->now_us, on_timer, node, node->run);
}

static void watch_role(sim_node *node)
{
    const px_core_view *view = &node->node->view;
    if (view->role == PX_ROLE_LEADER &&
        (node->role_seen != PX_ROLE_LEADER || node->ballot_seen != view->leader.number)) {
        node->world->counts.leaders++;
        sim_trace(node->world, "%s  leads ballot %llu", node->name, (unsigned long long)view->leader.number);
    }
    node->role_seen = view->role;
    node->ballot_seen = view->leader.number;
}

/* Looks at a node that has come to rest. What it says of itself is compared each time; its whole memory is
 * gone through now and then, and each time in a scenario, where every step counts. */
static void check_at_rest(sim_world *world, sim_node *node)
{
    sim_check_claim(world, node->place);
    const uint64_t rest = world->options.scenario ? 0 : node->rests++;
    if (rest % RESTS_PER_LOOK == 0) sim_check_node(world, node->place);
    if (rest < node->check_due) return;
    px_node_check(node->node);
    if (!world->options.scenario) node->check_due = rest + RESTS_PER_CHECK + world->faults->work.sessions;
}

static void turn(sim_world *world, uint32_t place)
{
    sim_node *node = world->nodes[place];
    if (!sim_node_enter(world, place)) return;
    node->is_turn_due = true; /* so that leaving makes no other */
    sim_disk_wake(&node->disk);
    if (!node->is_dying) px_node_turn(node->node);
    node->is_turn_due = false;
    node->is_inside = false;
    if (node->is_dying) {
        sim_node_crash(world, place, true);
        return;
    }
    check_at_rest(world, node);
    watch_role(node);
    sim_disk_watch(&node->disk);
    sim_trap_watch(world, place);
    arm_timer(node);
}

static void on_turn(sim_world *world, void *context, uint64_t run)
{
    sim_node *node = context;
    if (run != node->run || !node->node || sim_node_defers(world, node->place)) return;
    turn(world, node->place);
}

static void on_timer(sim_world *world, void *context, uint64_t run)
{
    sim_node *node = context;
    if (run != node->run || !node->node) return;
    if (world->current.time_us != node->timer_us) return; /* an earlier one has come, and armed the next */
    if (sim_node_defers(world, node->place)) return;
    node->timer_us = UINT64_MAX;
    if (sim_clock_next_us(&node->clock) > world->now_us) {
        arm_timer(node);
        return;
    }
    if (!sim_node_enter(world, node->place)) return;
    px_timers_fire(&node->clock.timers, sim_clock_now_us(&node->clock));
    sim_node_leave(world, node->place);
}

bool sim_node_enter(sim_world *world, uint32_t place)
{
    sim_node *node = world->nodes[place];
    if (!node->node) return false;
    px_assert(!node->is_inside);
    node->is_inside = true;
    return true;
}

void sim_node_leave(sim_world *world, uint32_t place)
{
    sim_node *node = world->nodes[place];
    node->is_inside = false;
    if (node->is_dying) {
        sim_node_crash(world, place, true);
        return;
    }
    check_at_rest(world, node);
    sim_disk_watch(&node->disk);
    sim_trap_watch(world, place);
    arm_timer(node);
    if (node->is_turn_due) return;
    node->is_turn_due = true;
    sim_world_after(world, sim_below(world, SIM_CHANCE_LOOP, node->turn_most_us + 1), on_turn, node,
                    node->run);
}

/* ---- pauses ---- */

bool sim_node_defers(sim_world *world, uint32_t place)
{
    sim_node *node = world->nodes[place];
    if (!node->is_paused) return false;
    node->backlog =
        sim_grow(node->backlog, &node->backlog_capacity, node->backlog_count, sizeof *node->backlog);
    node->backlog[node->backlog_count++] = world->current;
    return true;
}

void sim_node_pause(sim_world *world, uint32_t place)
{
    if (world->nodes[place]->is_paused || !world->nodes[place]->node) return;
    world->nodes[place]->is_paused = true;
    sim_net_pause(world->net, place, ++world->nodes[place]->pauses);
    sim_trace(world, "%s  is stopped", world->nodes[place]->name);
}

void sim_node_resume(sim_world *world, uint32_t place)
{
    sim_node *node = world->nodes[place];
    if (!node->is_paused) return;
    sim_trace(world, "%s  goes on, %zu events late", node->name, node->backlog_count);
    node->is_paused = false;
    const sim_event current = world->current;
    for (size_t i = 0; i < node->backlog_count; i++) {
        world->current = node->backlog[i];
        sim_world_note(world, world->current.number, i);
        world->current.fire(world, world->current.context, world->current.number);
    }
    node->backlog_count = 0;
    world->current = current;
}

/* ---- life ---- */

static void on_restart(sim_world *world, void *context, uint64_t run)
{
    sim_node *node = context;
    if (run == node->run && !node->node) sim_node_start(world, node->place);
}

void sim_node_start(sim_world *world, uint32_t place)
{
    sim_node *node = world->nodes[place];
    if (node->node || node->is_refused) return;
    px_wal_fault fault = {{0}, {0}};
    const px_node_ports ports = {
        .disk = sim_disk_port(&node->disk),
        .net = sim_net_port(world->net, place),
        .clock = &node->clock.port,
        .log = &node->log,
        .fatal_context = node,
        .fatal = on_fatal,
    };
    node->run++;
    node->timer_us = UINT64_MAX;
    node->is_dying = node->is_turn_due = false;
    node->role_seen = PX_ROLE_FOLLOWER;
    memset(node->links, 0, sizeof node->links);
    sim_disk_start(&node->disk);
    node->config.seed = px_prng_next(&world->chance[SIM_CHANCE_LOOP]);
    const px_err err = px_node_open(&node->config, &ports, &node->node, &fault);
    if (err) {
        node->node = NULL;
        sim_trace(world, "%s  does not start: %s: %s: %s", node->name, px_err_text(err), fault.where,
                  fault.what);
        sim_check_refusal(world, place, err);
        if (err == PX_ERR_NO_SPACE || err == PX_ERR_IO)
            sim_world_after(world, RESTART_US, on_restart, node, node->run);
        else
            node->is_refused = true;
        return;
    }
    world->counts.starts++;
    sim_trace(world, "%s  starts, run %llu", node->name, (unsigned long long)node->run);
    node->is_inside = true;
    sim_net_start(world->net, place, px_node_net_events(node->node));
    sim_app_attach(&node->app, px_node_app(node->node));
    sim_check_start(world, place);
    sim_node_leave(world, place);
}

void sim_node_crash(sim_world *world, uint32_t place, bool keeps_power)
{
    sim_node *node = world->nodes[place];
    if (!node->node) return;
    px_assert(!node->is_inside);
    const bool is_own_end = node->is_dying;
    sim_trace(world, "%s  %s", node->name,
              is_own_end    ? "has ended"
              : keeps_power ? "is killed"
                            : "loses its power");
    world->counts.crashes++;
    world->counts.elections += node->node->view.elections;
    if (!is_own_end) px_node_check(node->node);
    sim_disk_mute(&node->disk);
    close_node(node);
    sim_disk_crash(&node->disk, keeps_power);
    sim_net_crash(world->net, place);
    node->is_dying = false;
    if (node->is_paused) sim_node_resume(world, place);
    if (is_own_end) sim_world_after(world, RESTART_US, on_restart, node, node->run);
}

bool sim_node_stop(sim_world *world, uint32_t place)
{
    sim_node *node = world->nodes[place];
    if (!sim_node_enter(world, place)) return false;
    const px_err err = px_node_keep(node->node);
    node->is_inside = false;
    sim_trace(world, "%s  stops: %s", node->name, px_err_text(err));
    if (err) node->is_dying = true; /* exit 1: whoever started it starts it again */
    const bool is_kept = !node->is_dying;
    if (is_kept) sim_check_kept(world, place);
    sim_node_crash(world, place, true);
    return is_kept;
}
