/* barriers.c - linearizable indexes, for any number of readers at once.
 *
 * Meaning    All barriers that wait when a request leaves are served by its answer; those that come later
 *            wait for the next one, so an answer is never older than
 *            the question [R7]. A node that does not lead asks the leader, or a peer that reaches it.
 * Holds      At most one request of this node is under way. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "node/node_priv.h"

#define RELAYS_MAX 2u

static px_node *node_of(px_app *app)
{
    return (px_node *)app;
}

/* ---- the list of those who wait ---- */

static void link_barrier(px_barrier **list, px_barrier *barrier)
{
    barrier->previous = NULL;
    barrier->next = *list;
    if (*list) (*list)->previous = barrier;
    *list = barrier;
}

static void unlink_barrier(px_barrier **list, px_barrier *barrier)
{
    if (barrier->previous)
        barrier->previous->next = barrier->next;
    else
        *list = barrier->next;
    if (barrier->next) barrier->next->previous = barrier->previous;
    barrier->next = barrier->previous = NULL;
}

void px_barriers_ask(px_app *app, px_barrier *barrier)
{
    barrier->id = 0;
    link_barrier(&node_of(app)->barriers_waiting, barrier);
}

void px_barriers_cancel(px_app *app, px_barrier *barrier)
{
    px_node *node = node_of(app);
    unlink_barrier(barrier->id ? &node->barriers_flying : &node->barriers_waiting, barrier);
}

static void start_flying(px_node *node)
{
    while (node->barriers_waiting) {
        px_barrier *barrier = node->barriers_waiting;
        unlink_barrier(&node->barriers_waiting, barrier);
        barrier->id = node->barrier_flying_id;
        link_barrier(&node->barriers_flying, barrier);
    }
}

static void land(px_node *node, uint64_t index, uint64_t slot)
{
    node->barrier_flying_id = 0;
    while (node->barriers_flying) {
        px_barrier *barrier = node->barriers_flying;
        unlink_barrier(&node->barriers_flying, barrier);
        barrier->slot = slot;
        barrier->on_done(barrier, index);
    }
}

/* The request is lost: whoever flew with it waits for the next. */
static void give_up(px_node *node)
{
    node->barrier_flying_id = 0;
    while (node->barriers_flying) {
        px_barrier *barrier = node->barriers_flying;
        unlink_barrier(&node->barriers_flying, barrier);
        barrier->id = 0;
        link_barrier(&node->barriers_waiting, barrier);
    }
}

/* ---- asking ---- */

static void ask_core(px_node *node, uint64_t request)
{
    px_input input = {.kind = PX_IN_BARRIER, .barrier = request};
    px_shell_step(node, &input);
}

static void send_request(px_node *node)
{
    node->barrier_flying_id = ++node->barrier_request;
    node->barrier_sent_us = px_node_now_us(node);
    node->barrier_ballot = node->view.leader;
    start_flying(node);
    if (node->view.role == PX_ROLE_LEADER) {
        ask_core(node, node->barrier_flying_id);
        return;
    }
    const px_wire wire = {.kind = PX_WIRE_BARRIER,
                          .barrier = {node->self, RELAYS_MAX, node->barrier_flying_id, node->view.leader}};
    (void)px_shell_send(node, 1u << node->view.relay, PX_LANE_CONTROL, &wire);
}

void px_barriers_turn(px_node *node)
{
    if (node->barrier_flying_id) {
        const bool is_late = px_node_now_us(node) - node->barrier_sent_us > px_node_election_us(node);
        if (!is_late && px_ballot_equal(node->barrier_ballot, node->view.leader)) return;
        give_up(node);
    }
    if (!node->barriers_waiting || px_ballot_is_none(node->view.leader)) return;
    if (node->view.role != PX_ROLE_LEADER &&
        (node->view.relay >= node->member_count || !node->members[node->view.relay].is_linked))
        return;
    send_request(node);
}

/* ---- answers ---- */

/* What is chosen here, and so at the leader whose answer is at hand, is chosen: openings have no index. */
static uint64_t chosen_now(const px_node *node)
{
    px_core_view view;
    px_core_look(node->core, &view);
    return view.state.chosen;
}

static void answer_remote(px_node *node, px_remote_barrier *remote, bool ok, uint64_t index)
{
    const px_wire wire = {.kind = PX_WIRE_BARRIER_ANSWER,
                          .barrier_answer = {remote->origin, RELAYS_MAX, remote->id, ok, index,
                                             chosen_now(node)}};
    (void)px_shell_send(node, 1u << remote->via, PX_LANE_CONTROL, &wire);
    *remote = (px_remote_barrier){0};
}

void px_barriers_on_answer(px_node *node, uint64_t request, bool ok, uint64_t index)
{
    for (uint32_t i = 0; i < PX_REMOTE_BARRIERS; i++) {
        if (node->remote_barriers[i].request != request) continue;
        answer_remote(node, &node->remote_barriers[i], ok, index);
        return;
    }
    if (request != node->barrier_flying_id) return;
    if (ok)
        land(node, index, chosen_now(node));
    else
        give_up(node);
}

/* ---- other nodes' requests ---- */

static px_remote_barrier *place_for(px_node *node, uint32_t origin)
{
    px_remote_barrier *free_place = NULL;
    for (uint32_t i = 0; i < PX_REMOTE_BARRIERS; i++) {
        px_remote_barrier *remote = &node->remote_barriers[i];
        if (remote->request && remote->origin == origin) return remote; /* it has given that one up */
        if (!remote->request && !free_place) free_place = remote;
    }
    return free_place;
}

static void take_request(px_node *node, uint32_t from, const px_wire *wire)
{
    if (node->view.role == PX_ROLE_LEADER) {
        px_remote_barrier *remote = place_for(node, wire->barrier.origin);
        if (!remote) return;
        *remote = (px_remote_barrier){++node->barrier_request, wire->barrier.id, wire->barrier.origin, from};
        ask_core(node, remote->request);
        return;
    }
    const uint32_t relay = node->view.relay;
    if (wire->barrier.relay == 0 || relay >= node->member_count || relay == from ||
        !node->members[relay].is_linked)
        return;
    px_wire passed = *wire;
    passed.barrier.relay--;
    (void)px_shell_send(node, 1u << relay, PX_LANE_CONTROL, &passed);
}

static void take_answer(px_node *node, const px_wire *wire)
{
    if (wire->barrier_answer.origin == node->self) {
        if (wire->barrier_answer.id != node->barrier_flying_id) return;
        if (wire->barrier_answer.ok)
            land(node, wire->barrier_answer.index, wire->barrier_answer.slot);
        else
            give_up(node);
        return;
    }
    const uint32_t origin = wire->barrier_answer.origin;
    if (wire->barrier_answer.relay == 0 || origin >= node->member_count || !node->members[origin].is_linked)
        return;
    px_wire passed = *wire;
    passed.barrier_answer.relay--;
    (void)px_shell_send(node, 1u << origin, PX_LANE_CONTROL, &passed);
}

void px_barriers_on_message(px_node *node, uint32_t from, const px_wire *wire)
{
    if (wire->kind == PX_WIRE_BARRIER)
        take_request(node, from, wire);
    else
        take_answer(node, wire);
}
