/* forward.c - messages on their way to the leader.
 *
 * Meaning    A node that does not lead sends what its intakes have to the leader, or to a peer that reaches
 *            it, and sends it again after any change of the
 *            leader's ballot, a new link on the way, and whenever its oldest has not moved for an election
 *            timeout. A forward names the leader's ballot and
 *            is dropped under any other, so that no leader takes what was meant for the one before.
 * Source     [R10, R11]. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "node/node_priv.h"

/* A forward passes at most this many nodes: a relay that has lost the leader may pass it on once more. */
#define RELAYS_MAX 2u

static bool can_reach(const px_node *node, uint32_t member)
{
    return member < node->member_count && member != node->self && node->members[member].is_linked;
}

/* ---- sending ---- */

/* Starts afresh where what was sent may be lost. */
static void rewind_on_change(px_node *node)
{
    const bool is_linked = can_reach(node, node->view.relay);
    const bool is_same = px_ballot_equal(node->sent_ballot, node->view.leader) &&
                         node->sent_relay == node->view.relay && node->sent_relay_linked == is_linked;
    if (is_same) return;
    node->sent_ballot = node->view.leader;
    node->sent_relay = node->view.relay;
    node->sent_relay_linked = is_linked;
    px_intakes_rewind(node);
}

static void rewind_if_stuck(px_node *node)
{
    const uint64_t now_us = px_node_now_us(node);
    for (px_intake *intake = node->intakes; intake; intake = intake->next)
        if (intake->sent != intake->chosen && now_us - intake->moved_us > px_node_election_us(node))
            px_intake_rewind(intake);
}

static void forward_openings(px_node *node)
{
    uint8_t space[PX_OPENING_BYTES_MAX];
    for (size_t size_bytes; (size_bytes = px_openings_next(node, space)) > 0;) {
        px_wire wire = {.kind = PX_WIRE_FORWARD_OPEN};
        wire.forward_open.ballot = node->view.leader;
        wire.forward_open.origin = node->self;
        wire.forward_open.relay = RELAYS_MAX;
        wire.forward_open.body = (px_bytes){space, size_bytes};
        (void)px_shell_send(node, 1u << node->view.relay, PX_LANE_LOG, &wire);
    }
}

/* Bytes forwarded and not yet chosen: what the leader may have to keep for this node. */
static size_t bytes_under_way(const px_node *node)
{
    size_t size_bytes = 0;
    for (const px_intake *intake = node->intakes; intake; intake = intake->next)
        size_bytes += intake->bytes_sent;
    return size_bytes;
}

static void forward_messages(px_node *node)
{
    while (bytes_under_way(node) < PX_FORWARD_BYTES) {
        px_buffer *body = px_proposals_gather(node);
        if (!body) return;
        px_wire wire = {.kind = PX_WIRE_FORWARD};
        wire.forward.ballot = node->view.leader;
        wire.forward.origin = node->self;
        wire.forward.relay = RELAYS_MAX;
        wire.forward.body = (px_bytes){body->data, body->size_bytes};
        const bool is_sent = px_shell_send(node, 1u << node->view.relay, PX_LANE_LOG, &wire);
        px_buffer_release(body);
        if (!is_sent) return; /* the stuck ones are sent again */
    }
}

void px_forward_turn(px_node *node)
{
    rewind_on_change(node);
    if (node->view.role == PX_ROLE_LEADER) return;
    if (px_ballot_is_none(node->view.leader) || !can_reach(node, node->view.relay)) return;
    rewind_if_stuck(node);
    forward_openings(node);
    forward_messages(node);
}

/* ---- receiving ---- */

static bool passes_on(px_node *node, uint32_t from, px_wire *wire, px_ballot ballot, uint32_t *relay)
{
    if (*relay == 0 || !px_ballot_equal(ballot, node->view.leader)) return false;
    if (node->view.relay == from || !can_reach(node, node->view.relay)) return false;
    --*relay;
    return px_shell_send(node, 1u << node->view.relay, PX_LANE_LOG, wire);
}

/* A node may forward only what it took itself: a relay passes on others' unread. */
static void take(px_node *node, uint32_t from, const px_wire *wire, px_ballot ballot, px_bytes body,
                 bool is_opening)
{
    if (node->view.role == PX_ROLE_LEADER) {
        if (px_ballot_equal(ballot, node->view.leader) || PX_MUTANT("r11_forward_of_another_ballot"))
            px_proposals_take_forward(node, is_opening, body);
        return;
    }
    px_wire passed = *wire;
    (void)passes_on(node, from, &passed, ballot,
                    is_opening ? &passed.forward_open.relay : &passed.forward.relay);
}

void px_forward_on_message(px_node *node, uint32_t from, const px_wire *wire)
{
    if (wire->kind == PX_WIRE_FORWARD)
        take(node, from, wire, wire->forward.ballot, wire->forward.body, false);
    else if (wire->kind == PX_WIRE_FORWARD_OPEN)
        take(node, from, wire, wire->forward_open.ballot, wire->forward_open.body, true);
}
