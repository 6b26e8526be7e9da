/* dispatch.c - every message to the room that it is for.
 *
 * Source     protocol.md §2, §3, [R18]. */
// SPDX-License-Identifier: Apache-2.0
#include "node/node_priv.h"

static bool is_bulk(px_message_kind kind)
{
    return kind == PX_MESSAGE_ACCEPT || kind == PX_MESSAGE_SYNC || kind == PX_MESSAGE_PIECE ||
           kind == PX_MESSAGE_MENDED;
}

static void take_core(px_node *node, uint32_t from, const px_message *message)
{
    /* A disk that takes nothing must not fill the memory instead: the log comes again when it does [R8]. */
    if (is_bulk(message->kind) && px_wal_staged_bytes(node->wal) > PX_STAGED_BYTES) return;
    if (node->state.roster_state != PX_ROSTER_COMPLETE)
        return; /* nobody votes before every member wrote the roster [R18] */
    px_input input = {.kind = PX_IN_MESSAGE, .message = {from, message}};
    px_shell_step(node, &input);
    px_recollection_note(node, from);
}

static void take_pong(px_node *node, uint32_t from, uint64_t number)
{
    px_member *member = &node->members[from];
    if (number != member->ping_number || member->ping_sent_us == 0) return;
    const uint64_t rtt_us = px_node_now_us(node) - member->ping_sent_us;
    member->rtt_us = member->has_rtt ? (7 * member->rtt_us + rtt_us) / 8 : rtt_us;
    member->has_rtt = true;
}

void px_dispatch(px_node *node, uint32_t from, const px_wire *wire)
{
    switch (wire->kind) {
    case PX_WIRE_CORE: take_core(node, from, &wire->core); break;
    case PX_WIRE_PING: {
        const px_wire pong = {.kind = PX_WIRE_PONG, .pong = {wire->ping.number}};
        (void)px_shell_send(node, 1u << from, PX_LANE_CONTROL, &pong);
        break;
    }
    case PX_WIRE_PONG: take_pong(node, from, wire->pong.number); break;
    case PX_WIRE_FORWARD:
    case PX_WIRE_FORWARD_OPEN: px_forward_on_message(node, from, wire); break;
    case PX_WIRE_BARRIER:
    case PX_WIRE_BARRIER_ANSWER: px_barriers_on_message(node, from, wire); break;
    case PX_WIRE_ROSTER:
        px_roster_on_message(node, from, wire->roster.roster, wire->roster.cluster_id,
                             wire->roster.member_count, wire->roster.members);
        break;
    case PX_WIRE_UNKNOWN:
    case PX_WIRE_HELLO: break;
    }
}
