/* waiting.c - does anybody here wait for what becomes chosen?
 *
 * Meaning    A reader that has had everything, a message or a session under way, a barrier: for them the
 *            leader tells what is chosen as it is chosen. Where there is nobody, each slot tells it of the
 *            one before, which spares the leader a message and this node a wake-up. That somebody begins to
 *            wait is told at once; that nobody does any more, when it has been so for two rounds, so that
 *            who sends or reads one message at a time does not turn it at each.
 * Holds      It is a hint: what is chosen comes by itself in any case, only later. [R6] */
// SPDX-License-Identifier: Apache-2.0
#include "node/node_priv.h"

#define ROUNDS_WAITED 2u

static bool is_intake_waiting(const px_intake *intake)
{
    if (intake->is_ended) return false;
    return intake->holder == 0 || intake->chosen < intake->pushed || intake->owes_duplicate;
}

static bool is_anybody_waiting(const px_node *node)
{
    if (node->barriers_waiting || node->barrier_flying_id || node->join_count) return true;
    for (const px_intake *intake = node->intakes; intake; intake = intake->next)
        if (is_intake_waiting(intake)) return true;
    for (const px_watcher *watcher = node->watchers; watcher; watcher = watcher->next)
        if (watcher->is_waiting(watcher)) return true;
    return false;
}

void px_waiting_turn(px_node *node)
{
    if (node->view.role == PX_ROLE_LEADER) return; /* it tells others */
    const uint64_t now_us = px_node_now_us(node);
    if (is_anybody_waiting(node)) node->awaited_us = now_us;
    const bool is_awaited = now_us - node->awaited_us < ROUNDS_WAITED * node->config.heartbeat_us;
    if (is_awaited == node->is_awaited_told) return;
    node->is_awaited_told = is_awaited;
    px_input input = {.kind = PX_IN_AWAITED, .is_awaited = is_awaited};
    px_shell_step(node, &input);
}
