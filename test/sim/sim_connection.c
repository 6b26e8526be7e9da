/* sim_connection.c - the bytes of one connection, and its end. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_net_priv.h"

#include "base/assert.h"
#include "sim/sim_node.h"
#include <stdlib.h>
#include <string.h>

/* What a sender gets through without a single acknowledgement. */
#define UNACKED_BYTES_MAX (64u << 10)
#define RECORD_BYTES_MAX 2048u

typedef struct {
    sim_connection *connection;
    sim_letter *letter;
} sim_arrival;

static sim_path *path_of(sim_net *net, uint32_t from, uint32_t to)
{
    return &net->diallers[from][to].path;
}

/* ---- letters ---- */

void sim_letter_free(sim_letter *letter)
{
    px_buffer_release(letter->body);
    free(letter);
}

static sim_letter *copy_letter(const sim_letter *letter)
{
    sim_letter *copy = sim_zeroed(sizeof *copy);
    *copy = *letter;
    copy->next = NULL;
    (void)px_buffer_retain(copy->body);
    return copy;
}

static void forget_letters(sim_letter **letters, uint32_t *count)
{
    for (uint32_t i = 0; i < *count; i++) sim_letter_free(letters[i]);
    *count = 0;
}

void sim_dialler_forget(sim_dialler *dialler)
{
    forget_letters(dialler->record, &dialler->record_count);
    forget_letters(dialler->former, &dialler->former_count);
}

/* ---- making ---- */

static sim_connection *add_connection(const sim_dialler *dialler)
{
    sim_net *net = dialler->net;
    sim_connection *connection = sim_zeroed(sizeof *connection);
    connection->net = net;
    connection->number = ++net->numbers;
    connection->from = dialler->from;
    connection->to = dialler->to;
    connection->from_run = net->world->nodes[dialler->from]->run;
    connection->to_run = net->world->nodes[dialler->to]->run;
    for (unsigned lane = 0; lane < PX_LANES; lane++)
        connection->lanes[lane].end = &connection->lanes[lane].first;
    connection->next = net->connections;
    net->connections = connection;
    return connection;
}

sim_connection *sim_connection_make(sim_dialler *dialler)
{
    if (dialler->record_count) { /* what it said before is said by a former one now */
        forget_letters(dialler->former, &dialler->former_count);
        memcpy(dialler->former, dialler->record, sizeof dialler->former);
        dialler->former_count = dialler->record_count;
        dialler->record_count = 0;
    }
    return add_connection(dialler);
}

static sim_letter *take_letter(sim_connection *connection)
{
    for (unsigned lane = 0; lane < PX_LANES; lane++) {
        sim_letter *letter = connection->lanes[lane].first;
        if (!letter) continue;
        connection->lanes[lane].first = letter->next;
        if (!letter->next) connection->lanes[lane].end = &connection->lanes[lane].first;
        connection->queued_bytes -= letter->head_bytes + letter->body->size_bytes;
        return letter;
    }
    return NULL;
}

void sim_connection_drop_queue(sim_connection *connection)
{
    for (sim_letter *letter = take_letter(connection); letter; letter = take_letter(connection)) {
        connection->net->world->counts.messages_lost++;
        sim_letter_free(letter);
    }
}

/* ---- ends ---- */

static void on_sender_down(sim_world *world, void *context, uint64_t number)
{
    sim_connection *connection = context;
    (void)number;
    if (!connection->sender_knows || world->nodes[connection->from]->run != connection->from_run) return;
    if (sim_node_defers(world, connection->from)) return;
    connection->sender_knows = false;
    sim_connection_drop_queue(connection);
    sim_dialler *dialler = &connection->net->diallers[connection->from][connection->to];
    if (dialler->connection == connection) {
        dialler->connection = NULL;
        sim_net_dial_after(dialler, dialler->backoff_us);
    }
    if (!sim_node_enter(world, connection->from)) return;
    px_net_events *events = connection->net->ends[connection->from].events;
    events->on_down(events, connection->to, "the connection broke");
    sim_node_leave(world, connection->from);
}

static void on_receiver_closed(sim_world *world, void *context, uint64_t number)
{
    sim_connection *connection = context;
    (void)number;
    if (!connection->receiver_knows || world->nodes[connection->to]->run != connection->to_run) return;
    if (sim_node_defers(world, connection->to)) return;
    connection->receiver_knows = false;
    if (!sim_node_enter(world, connection->to)) return;
    px_net_events *events = connection->net->ends[connection->to].events;
    events->on_incoming_closed(events, connection->number, "the connection broke");
    sim_node_leave(world, connection->to);
}

void sim_connection_end(sim_connection *connection, uint64_t sender_us, uint64_t receiver_us)
{
    sim_world *world = connection->net->world;
    if (!connection->is_broken) {
        connection->is_broken = true;
        connection->arrivals_end_us = world->now_us + sim_below(world, SIM_CHANCE_NET, receiver_us + 1);
    }
    sim_world_after(world, sender_us, on_sender_down, connection, connection->number);
    sim_world_after(world, receiver_us, on_receiver_closed, connection, connection->number);
}

void sim_connection_abandon(sim_connection *connection)
{
    connection->is_broken = true;
    connection->arrivals_end_us = UINT64_MAX;
    sim_world_after(connection->net->world, 0, on_sender_down, connection, connection->number);
}

/* ---- bytes ---- */

/* Gives the first size_bytes of a letter, in one to three calls; the memory is spoilt afterwards. */
static void give_bytes(sim_connection *connection, const sim_letter *letter, size_t size_bytes)
{
    sim_net *net = connection->net;
    sim_world *world = net->world;
    const size_t whole = letter->head_bytes + letter->body->size_bytes;
    if (whole > net->space_bytes) {
        net->space_bytes = 2 * whole;
        net->space = realloc(net->space, net->space_bytes);
        px_assert(net->space);
    }
    memcpy(net->space, letter->head, letter->head_bytes);
    if (letter->body->size_bytes)
        memcpy(net->space + letter->head_bytes, letter->body->data, letter->body->size_bytes);
    px_net_events *events = net->ends[connection->to].events;
    if (!sim_node_enter(world, connection->to)) return;
    size_t given = 0;
    while (given < size_bytes) {
        size_t next = size_bytes - given;
        if (sim_happens(world, SIM_CHANCE_NET, 20000))
            next = 1 + (size_t)sim_below(world, SIM_CHANCE_NET, next);
        events->on_bytes(events, connection->number, net->space + given, next);
        memset(net->space + given, 0xdd, next);
        given += next;
    }
    sim_node_leave(world, connection->to);
}

static void on_arrival(sim_world *world, void *context, uint64_t number)
{
    sim_arrival *arrival = context;
    sim_connection *connection = arrival->connection;
    sim_letter *letter = arrival->letter;
    (void)number;
    const bool is_there =
        world->nodes[connection->to]->run == connection->to_run && sim_node_is_up(world, connection->to);
    if (is_there && sim_node_defers(world, connection->to)) return;
    if (is_there && connection->receiver_knows) {
        const size_t size_bytes = letter->head_bytes + letter->body->size_bytes;
        const bool is_whole = !connection->is_broken || world->now_us <= connection->arrivals_end_us;
        world->counts.messages_delivered += is_whole;
        if (is_whole)
            give_bytes(connection, letter, size_bytes);
        else if (!connection->net->is_datagram) /* the stream ends somewhere within this message */
            give_bytes(connection, letter, (size_t)sim_below(world, SIM_CHANCE_NET, size_bytes));
        if (!is_whole) on_receiver_closed(world, connection, 0);
    } else {
        world->counts.messages_lost++;
    }
    sim_letter_free(letter);
    free(arrival);
}

static void send_off(sim_connection *connection, sim_letter *letter, uint64_t arrival_us)
{
    sim_world *world = connection->net->world;
    sim_arrival *arrival = sim_zeroed(sizeof *arrival);
    *arrival = (sim_arrival){connection, letter};
    sim_world_after(world, arrival_us - world->now_us, on_arrival, arrival, connection->number);
}

/* Datagram mode: each message fends for itself, only the first (a hello) is spared and never overtaken. */
static void send_datagram(sim_connection *connection, sim_letter *letter, uint64_t arrival_us)
{
    sim_world *world = connection->net->world;
    const sim_path *path = path_of(connection->net, connection->from, connection->to);
    if (connection->first_us == 0) {
        connection->first_us = arrival_us > connection->last_us ? arrival_us : connection->last_us + 1;
        send_off(connection, letter, connection->first_us);
        return;
    }
    if (path->is_cut || sim_happens(world, SIM_CHANCE_NET, path->loss)) {
        world->counts.messages_lost++;
        sim_letter_free(letter);
        return;
    }
    const uint64_t bound_us = connection->first_us + 1;
    if (sim_happens(world, SIM_CHANCE_NET, path->doubling)) {
        const uint64_t again_us = arrival_us + sim_below(world, SIM_CHANCE_NET, 20 * path->delay_us + 1);
        send_off(connection, copy_letter(letter), again_us > bound_us ? again_us : bound_us);
    }
    if (sim_happens(world, SIM_CHANCE_NET, path->late))
        arrival_us += sim_below(world, SIM_CHANCE_NET, 50 * path->delay_us + 1);
    send_off(connection, letter, arrival_us > bound_us ? arrival_us : bound_us);
}

/* What is short is remembered, to be replayed. */
static void record_letter(sim_dialler *dialler, const sim_letter *letter)
{
    if (dialler->record_count == SIM_RECORD_MAX || letter->body->size_bytes > RECORD_BYTES_MAX) return;
    dialler->record[dialler->record_count++] = copy_letter(letter);
}

sim_connection *sim_connection_replay(sim_dialler *dialler)
{
    sim_connection *connection = add_connection(dialler);
    uint64_t arrival_us = dialler->net->world->now_us;
    connection->is_broken = connection->is_late = true;
    connection->arrivals_end_us = UINT64_MAX;
    for (uint32_t i = 0; i < dialler->former_count; i++) {
        arrival_us += 1 + sim_net_travel_us(dialler->net, dialler->from, dialler->to);
        send_off(connection, copy_letter(dialler->former[i]), arrival_us);
    }
    sim_world_after(dialler->net->world, arrival_us + 1 - dialler->net->world->now_us, on_receiver_closed,
                    connection, connection->number);
    return connection;
}

static void send_letter(sim_connection *connection, sim_letter *letter)
{
    sim_net *net = connection->net;
    sim_world *world = net->world;
    sim_dialler *dialler = &net->diallers[connection->from][connection->to];
    if (dialler->connection == connection) record_letter(dialler, letter);
    sim_path *path = path_of(net, connection->from, connection->to);
    const size_t size_bytes = letter->head_bytes + letter->body->size_bytes;
    const uint64_t wire_us = size_bytes * 1000 / path->bytes_per_ms;
    connection->free_us = world->now_us + wire_us;
    const uint64_t arrival_us =
        connection->free_us + sim_net_travel_us(net, connection->from, connection->to);
    if (connection->is_broken) {
        world->counts.messages_lost++;
        sim_letter_free(letter);
    } else if (net->is_datagram) {
        send_datagram(connection, letter, arrival_us);
    } else {
        if (path_of(net, connection->to, connection->from)->is_cut) path->passed += size_bytes;
        connection->last_us = arrival_us > connection->last_us ? arrival_us : connection->last_us + 1;
        send_off(connection, letter, connection->last_us);
    }
}

static void on_pump(sim_world *world, void *context, uint64_t number)
{
    sim_connection *connection = context;
    (void)number;
    if (world->nodes[connection->from]->run == connection->from_run &&
        sim_node_defers(world, connection->from))
        return;
    connection->is_pumped = false;
    sim_connection_pump(connection);
}

/* A stream holds back what its path or the way of its acknowledgements does not let through. */
static bool is_held(const sim_connection *connection)
{
    sim_net *net = connection->net;
    if (net->is_datagram || connection->is_broken) return false;
    const sim_path *path = path_of(net, connection->from, connection->to);
    const sim_path *back = path_of(net, connection->to, connection->from);
    return path->is_cut || (back->is_cut && path->passed > UNACKED_BYTES_MAX);
}

void sim_connection_pump(sim_connection *connection)
{
    sim_world *world = connection->net->world;
    while (!is_held(connection) && connection->free_us <= world->now_us) {
        sim_letter *letter = take_letter(connection);
        if (!letter) return;
        send_letter(connection, letter);
    }
    if (connection->queued_bytes == 0 || connection->is_pumped || is_held(connection)) return;
    connection->is_pumped = true;
    sim_world_after(world, connection->free_us - world->now_us, on_pump, connection, connection->number);
}

sim_letter *sim_letter_make(px_bytes head, px_buffer *body)
{
    sim_letter *letter = sim_zeroed(sizeof *letter);
    px_assert(head.size_bytes <= SIM_HEAD_BYTES_MAX);
    letter->body = px_buffer_retain(body);
    letter->head_bytes = (uint32_t)head.size_bytes;
    if (head.size_bytes) memcpy(letter->head, head.data, head.size_bytes);
    return letter;
}

void sim_connection_send_now(sim_connection *connection, sim_letter *letter)
{
    send_off(connection, letter,
             connection->net->world->now_us +
                 sim_net_travel_us(connection->net, connection->from, connection->to));
}

void sim_connection_push(sim_connection *connection, px_lane lane, px_bytes head, px_buffer *body)
{
    sim_letter *letter = sim_letter_make(head, body);
    *connection->lanes[lane].end = letter;
    connection->lanes[lane].end = &letter->next;
    connection->queued_bytes += letter->head_bytes + body->size_bytes;
}

void sim_connection_free(sim_connection *connection)
{
    sim_connection_drop_queue(connection);
    free(connection);
}

void sim_connections_drop_arrivals(sim_world *world)
{
    for (size_t i = 0; i < world->heap_count; i++) {
        if (world->heap[i].fire != on_arrival) continue;
        sim_arrival *arrival = world->heap[i].context;
        sim_letter_free(arrival->letter);
        free(arrival);
    }
}
