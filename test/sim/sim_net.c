/* sim_net.c - diallers, paths and the port. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_net.h"

#include "base/assert.h"
#include "base/hash.h"
#include "sim/check_protocol.h"
#include "sim/sim_net_priv.h"
#include "sim/sim_node.h"
#include <stdlib.h>

#define IDLE_HEARTBEATS 5
#define IDLE_US_MIN (250 * SIM_MS)
#define QUEUE_BYTES_MAX (8u << 20)

uint64_t sim_net_idle_us(const sim_net *net)
{
    const uint64_t beats_us = IDLE_HEARTBEATS * net->world->options.heartbeat_us;
    return beats_us > IDLE_US_MIN ? beats_us : IDLE_US_MIN;
}

static sim_path *path_of(sim_net *net, uint32_t from, uint32_t to)
{
    return &net->diallers[from][to].path;
}

sim_path *sim_net_path(sim_net *net, uint32_t from, uint32_t to)
{
    return path_of(net, from, to);
}

uint64_t sim_net_travel_us(sim_net *net, uint32_t from, uint32_t to)
{
    const sim_path *path = path_of(net, from, to);
    return path->delay_us + sim_below(net->world, SIM_CHANCE_NET, path->jitter_us + 1);
}

/* ---- dialling ---- */

static void on_incoming_due(sim_world *world, void *context, uint64_t number)
{
    sim_connection *connection = context;
    (void)number;
    if (world->nodes[connection->to]->run != connection->to_run) return;
    if (sim_node_defers(world, connection->to)) return;
    if ((connection->is_broken && !connection->is_late) || !sim_node_enter(world, connection->to)) return;
    sim_net *net = connection->net;
    connection->receiver_knows = true;
    px_net_events *events = net->ends[connection->to].events;
    events->on_incoming(events, connection->number, connection->from);
    sim_node_leave(world, connection->to);
    /* Whoever dials can be dialled: no more waiting. */
    sim_dialler *back = &net->diallers[connection->to][connection->from];
    back->backoff_us = SIM_BACKOFF_US_MIN;
    if (!back->connection && sim_node_is_up(world, connection->to)) sim_net_dial_after(back, 0);
}

static void on_up_due(sim_world *world, void *context, uint64_t number)
{
    sim_connection *connection = context;
    (void)number;
    if (world->nodes[connection->from]->run != connection->from_run) return;
    if (sim_node_defers(world, connection->from)) return;
    sim_dialler *dialler = &connection->net->diallers[connection->from][connection->to];
    if (dialler->connection != connection) return;
    if (connection->is_broken) {
        dialler->connection = NULL;
        sim_net_dial_after(dialler, dialler->backoff_us);
        return;
    }
    if (!sim_node_enter(world, connection->from)) return;
    connection->sender_knows = true;
    dialler->backoff_us = SIM_BACKOFF_US_MIN;
    px_net_events *events = connection->net->ends[connection->from].events;
    events->on_up(events, connection->to);
    sim_node_leave(world, connection->from);
    if (connection->is_late) sim_connection_abandon(connection);
}

static void on_dial(sim_world *world, void *context, uint64_t attempt)
{
    sim_dialler *dialler = context;
    sim_net *net = dialler->net;
    if (attempt != dialler->attempt || dialler->connection || !sim_node_is_up(world, dialler->from)) return;
    if (sim_node_defers(world, dialler->from)) return;
    const bool is_reached = !path_of(net, dialler->from, dialler->to)->is_cut &&
                            !path_of(net, dialler->to, dialler->from)->is_cut &&
                            sim_node_is_up(world, dialler->to) && !world->nodes[dialler->to]->is_paused;
    if (!is_reached) {
        dialler->backoff_us =
            2 * dialler->backoff_us < SIM_BACKOFF_US_MAX ? 2 * dialler->backoff_us : SIM_BACKOFF_US_MAX;
        sim_net_dial_after(dialler, dialler->backoff_us);
        return;
    }
    sim_connection *connection = sim_connection_make(dialler);
    dialler->connection = connection;
    const uint64_t there_us = sim_net_travel_us(net, dialler->from, dialler->to);
    const uint64_t back_us = sim_net_travel_us(net, dialler->to, dialler->from);
    const uint64_t incoming_us = 2 * there_us + back_us + dialler->late_us;
    connection->is_late = dialler->late_us != 0;
    dialler->late_us = 0;
    connection->last_us = world->now_us + incoming_us;
    sim_world_after(world, incoming_us, on_incoming_due, connection, connection->number);
    sim_world_after(world, there_us + back_us + sim_below(world, SIM_CHANCE_NET, 2 * there_us + 1), on_up_due,
                    connection, connection->number);
}

void sim_net_dial_after(sim_dialler *dialler, uint64_t delay_us)
{
    sim_world *world = dialler->net->world;
    const uint64_t jitter_us = delay_us ? sim_below(world, SIM_CHANCE_NET, delay_us / 2 + 1) : 0;
    sim_world_after(world, delay_us - jitter_us, on_dial, dialler, ++dialler->attempt);
}

/* ---- rules of scenarios ---- */

static bool is_of_kind(px_wire_kind wire, px_message_kind core, px_wire_kind wanted_wire,
                       px_message_kind wanted_core)
{
    if (wanted_wire != PX_WIRE_UNKNOWN && wire != wanted_wire) return false;
    return wanted_core == 0 || core == wanted_core;
}

static sim_verdict judge(const sim_net *net, uint32_t from, uint32_t to, const px_wire *wire)
{
    if (wire->kind == PX_WIRE_HELLO) return SIM_PASS;
    const px_message_kind core = wire->kind == PX_WIRE_CORE ? wire->core.kind : 0;
    for (uint32_t i = 0; i < net->rule_count; i++) {
        const sim_rule *rule = &net->rules[i];
        if (!(rule->from >> from & 1) || !(rule->to >> to & 1)) continue;
        if (is_of_kind(wire->kind, core, rule->wire, rule->core)) return rule->verdict;
    }
    return SIM_PASS;
}

static void hold(sim_connection *connection, const px_wire *wire, px_bytes head, px_buffer *body)
{
    sim_held *held = sim_zeroed(sizeof *held);
    held->connection = connection;
    held->letter = sim_letter_make(head, body);
    held->wire = wire->kind;
    held->core = wire->kind == PX_WIRE_CORE ? wire->core.kind : 0;
    sim_held **at = &connection->net->held;
    while (*at) at = &(*at)->next;
    *at = held;
}

void sim_net_rule(sim_net *net, sim_rule rule)
{
    px_assert(net->rule_count < SIM_RULES_MAX);
    net->rules[net->rule_count++] = rule;
}

void sim_net_clear_rules(sim_net *net)
{
    net->rule_count = 0;
}

uint32_t sim_net_held(const sim_net *net, uint32_t from, uint32_t to, px_wire_kind wire, px_message_kind core)
{
    uint32_t count = 0;
    for (const sim_held *held = net->held; held; held = held->next) {
        if (!(from >> held->connection->from & 1) || !(to >> held->connection->to & 1)) continue;
        count += is_of_kind(held->wire, held->core, wire, core);
    }
    return count;
}

void sim_net_release(sim_net *net, uint32_t from, uint32_t to)
{
    sim_held **at = &net->held;
    while (*at) {
        sim_held *held = *at;
        if (!(from >> held->connection->from & 1) || !(to >> held->connection->to & 1)) {
            at = &held->next;
            continue;
        }
        *at = held->next;
        sim_connection_send_now(held->connection, held->letter);
        free(held);
    }
}

static void drop_held(sim_net *net)
{
    while (net->held) {
        sim_held *held = net->held;
        net->held = held->next;
        sim_letter_free(held->letter);
        free(held);
    }
}

/* ---- the port ---- */

static sim_connection *open_connection(px_net *port, uint32_t member)
{
    sim_end *end = (sim_end *)port;
    sim_connection *connection = end->net->diallers[end->place][member].connection;
    if (!connection || !connection->sender_knows || end->net->world->nodes[end->place]->is_dying) return NULL;
    return connection;
}

static bool port_send(px_net *port, uint32_t member, px_lane lane, px_bytes head, px_buffer *body)
{
    sim_end *end = (sim_end *)port;
    sim_world *world = end->net->world;
    sim_connection *connection = open_connection(port, member);
    px_assert(member < world->options.node_count && member != end->place);
    if (!connection || connection->queued_bytes > QUEUE_BYTES_MAX) return false;
    const px_wire *wire = sim_check_sent(world, end->place, member, head, body);
    const sim_verdict verdict = judge(end->net, end->place, member, wire);
    if (verdict == SIM_HOLD) hold(connection, wire, head, body);
    if (verdict != SIM_PASS) return true;
    sim_connection_push(connection, lane, head, body);
    world->counts.messages_sent++;
    world->counts.bytes_sent += head.size_bytes + body->size_bytes;
    sim_world_note(world, px_hash_of(body->data, body->size_bytes).low, member);
    sim_connection_pump(connection);
    return true;
}

static size_t port_queued_bytes(px_net *port, uint32_t member)
{
    const sim_connection *connection = open_connection(port, member);
    return connection ? connection->queued_bytes : 0;
}

static void port_redial(px_net *port, uint32_t member, bool at_once, const char *reason)
{
    sim_end *end = (sim_end *)port;
    sim_dialler *dialler = &end->net->diallers[end->place][member];
    (void)reason;
    if (dialler->connection) {
        sim_connection_end(dialler->connection, 0, sim_net_travel_us(end->net, end->place, member));
        dialler->backoff_us = at_once ? 1 : dialler->backoff_us;
    } else if (at_once) {
        sim_net_dial_after(dialler, 0);
    }
}

static void port_close_incoming(px_net *port, uint64_t number, const char *reason)
{
    sim_end *end = (sim_end *)port;
    (void)reason;
    for (sim_connection *connection = end->net->connections; connection; connection = connection->next) {
        if (connection->number != number || connection->to != end->place) continue;
        connection->receiver_knows = false;
        sim_connection_end(connection, sim_net_travel_us(end->net, end->place, connection->from), 0);
        return;
    }
}

static bool port_bears(px_net *port, uint64_t number, uint32_t member)
{
    const sim_end *end = (sim_end *)port;
    for (const sim_connection *connection = end->net->connections; connection; connection = connection->next)
        if (connection->number == number) return connection->from == member;
    return false;
}

static const char *port_fault(px_net *port, uint32_t member)
{
    const sim_end *end = (sim_end *)port;
    return end->net->diallers[end->place][member].connection ? "" : "the simulator has no connection";
}

/* ---- the world's side ---- */

sim_net *sim_net_make(sim_world *world, bool is_datagram)
{
    sim_net *net = sim_zeroed(sizeof *net);
    net->world = world;
    net->is_datagram = is_datagram;
    for (uint32_t from = 0; from < PX_MEMBERS_MAX; from++) {
        const px_net port = {port_send,  port_queued_bytes, port_redial, port_close_incoming,
                             port_bears, port_fault,        NULL};
        net->ends[from] = (sim_end){port, net, from, NULL};
        for (uint32_t to = 0; to < PX_MEMBERS_MAX; to++) {
            sim_dialler *dialler = &net->diallers[from][to];
            *dialler = (sim_dialler){.net = net, .from = from, .to = to, .backoff_us = SIM_BACKOFF_US_MIN};
            dialler->path.delay_us = 100;
            dialler->path.jitter_us = 100;
            dialler->path.bytes_per_ms = 100000;
        }
    }
    return net;
}

void sim_net_free(sim_net *net)
{
    sim_connections_drop_arrivals(net->world);
    drop_held(net);
    while (net->connections) {
        sim_connection *connection = net->connections;
        net->connections = connection->next;
        sim_connection_free(connection);
    }
    for (uint32_t from = 0; from < PX_MEMBERS_MAX; from++)
        for (uint32_t to = 0; to < PX_MEMBERS_MAX; to++) sim_dialler_forget(&net->diallers[from][to]);
    free(net->space);
    free(net);
}

px_net *sim_net_port(sim_net *net, uint32_t place)
{
    return &net->ends[place].port;
}

void sim_net_start(sim_net *net, uint32_t place, px_net_events *events)
{
    net->ends[place].events = events;
    for (uint32_t to = 0; to < net->world->options.node_count; to++) {
        sim_dialler *dialler = &net->diallers[place][to];
        dialler->connection = NULL;
        dialler->backoff_us = SIM_BACKOFF_US_MIN;
        if (to != place) sim_net_dial_after(dialler, sim_below(net->world, SIM_CHANCE_NET, 5 * SIM_MS));
    }
}

void sim_net_crash(sim_net *net, uint32_t place)
{
    net->ends[place].events = NULL;
    for (sim_connection *connection = net->connections; connection; connection = connection->next) {
        if (connection->is_broken || (connection->from != place && connection->to != place)) continue;
        if (connection->from == place) sim_connection_drop_queue(connection);
        sim_connection_end(connection, sim_below(net->world, SIM_CHANCE_NET, sim_net_idle_us(net)),
                           sim_below(net->world, SIM_CHANCE_NET, sim_net_idle_us(net)));
    }
    for (uint32_t to = 0; to < PX_MEMBERS_MAX; to++) {
        net->diallers[place][to].connection = NULL;
        net->diallers[place][to].attempt++;
    }
}

bool sim_net_break(sim_net *net, uint32_t from, uint32_t to)
{
    sim_connection *connection = net->diallers[from][to].connection;
    if (!connection || connection->is_broken) return false;
    sim_trace(net->world, "net  the connection %u -> %u breaks", from + 1, to + 1);
    sim_connection_end(connection, sim_below(net->world, SIM_CHANCE_NET, sim_net_idle_us(net)),
                       sim_below(net->world, SIM_CHANCE_NET, sim_net_idle_us(net)));
    return true;
}

void sim_net_break_slow(sim_net *net)
{
    const uint64_t late_us = net->world->now_us + sim_net_idle_us(net);
    for (uint32_t from = 0; from < net->world->options.node_count; from++) {
        for (uint32_t to = 0; to < net->world->options.node_count; to++) {
            const sim_connection *connection = net->diallers[from][to].connection;
            if (connection && connection->last_us > late_us) (void)sim_net_break(net, from, to);
        }
    }
}

uint64_t sim_net_arrived_us(const sim_net *net)
{
    uint64_t arrived_us = net->world->now_us;
    for (uint32_t from = 0; from < net->world->options.node_count; from++) {
        for (uint32_t to = 0; to < net->world->options.node_count; to++) {
            const sim_connection *connection = net->diallers[from][to].connection;
            if (!connection || connection->is_broken) continue;
            if (connection->last_us > arrived_us) arrived_us = connection->last_us;
            if (connection->free_us > arrived_us)
                arrived_us = connection->free_us; /* what is queued goes then */
        }
    }
    return arrived_us;
}

bool sim_net_replay(sim_net *net, uint32_t from, uint32_t to)
{
    sim_dialler *dialler = &net->diallers[from][to];
    sim_world *world = net->world;
    if (dialler->former_count == 0 || !sim_node_is_up(world, to) || world->nodes[to]->is_paused) return false;
    sim_trace(world, "net  the former connection %u -> %u comes again", from + 1, to + 1);
    const sim_connection *connection = sim_connection_replay(dialler);
    sim_world_after(world, 0, on_incoming_due, (void *)connection, connection->number);
    return true;
}

void sim_net_make_late(sim_net *net, uint32_t from, uint32_t to, uint64_t late_us)
{
    net->diallers[from][to].late_us = late_us;
}

/* ---- cuts ---- */

/* A stream whose path, or the way back, was cut for an idle timeout without a pause is given up. */
static void on_idle(sim_world *world, void *context, uint64_t cut_us)
{
    sim_dialler *dialler = context;
    sim_net *net = dialler->net;
    if (!dialler->path.is_cut || dialler->path.cut_us != cut_us || net->is_datagram) return;
    for (sim_connection *connection = net->connections; connection; connection = connection->next) {
        const bool is_there = connection->from == dialler->from && connection->to == dialler->to;
        const bool is_back = connection->from == dialler->to && connection->to == dialler->from;
        if (connection->is_broken || (!is_there && !is_back)) continue;
        sim_connection_end(connection, sim_below(world, SIM_CHANCE_NET, sim_net_idle_us(net)),
                           sim_below(world, SIM_CHANCE_NET, sim_net_idle_us(net)));
    }
}

void sim_net_cut(sim_net *net, uint32_t from, uint32_t to, bool is_cut)
{
    sim_dialler *dialler = &net->diallers[from][to];
    sim_path *path = &dialler->path;
    if (path->is_cut == is_cut) return;
    path->is_cut = is_cut;
    path->passed = 0;
    path_of(net, to, from)->passed = 0;
    if (is_cut) {
        path->cut_us = net->world->now_us;
        sim_world_after(net->world, sim_net_idle_us(net), on_idle, dialler, path->cut_us);
        return;
    }
    for (sim_connection *connection = net->connections; connection; connection = connection->next)
        if (!connection->is_broken) sim_connection_pump(connection);
}

/* A node that stands still longer than that is gone for the others, and they for it. */
static void on_standstill(sim_world *world, void *context, uint64_t pause)
{
    const sim_end *end = context;
    const sim_node *node = world->nodes[end->place];
    if (!node->is_paused || node->pauses != pause) return;
    for (sim_connection *connection = end->net->connections; connection; connection = connection->next) {
        if (connection->is_broken || (connection->from != end->place && connection->to != end->place))
            continue;
        sim_connection_end(connection, sim_below(world, SIM_CHANCE_NET, 20 * SIM_MS),
                           sim_below(world, SIM_CHANCE_NET, 20 * SIM_MS));
    }
}

void sim_net_pause(sim_net *net, uint32_t place, uint64_t pause)
{
    sim_world_after(net->world, sim_net_idle_us(net), on_standstill, &net->ends[place], pause);
}

bool sim_net_is_whole(const sim_net *net)
{
    for (uint32_t from = 0; from < net->world->options.node_count; from++) {
        for (uint32_t to = 0; to < net->world->options.node_count; to++) {
            if (from == to) continue;
            const sim_connection *connection = net->diallers[from][to].connection;
            if (!connection || !connection->sender_knows || !connection->receiver_knows) return false;
            if (connection->is_broken) return false;
        }
    }
    return true;
}
