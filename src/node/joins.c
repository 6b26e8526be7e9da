/* joins.c - clients' sessions that are used as they are open.
 *
 * Meaning    Who joins a session wants its holder as of now, not as of what this node knows: a barrier says
 *            what was chosen when it was answered, and once that is chosen here as well the table is asked.
 *            Where nobody has the session open, it is opened. [R7, R12]
 * Source     [R12]. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "node/memory.h"
#include "node/node_priv.h"
#include <stdlib.h>

static void on_answered(px_barrier *barrier, uint64_t index)
{
    px_join *join = (px_join *)barrier;
    (void)index; /* openings have none: the slot tells */
    join->is_answered = true;
    join->slot = barrier->slot;
}

void px_join_start(px_node *node, px_intake *intake)
{
    px_join *join = px_memory_zeroed(sizeof *join);
    join->barrier.on_done = on_answered;
    intake->join = join;
    node->join_count++;
    px_barriers_ask(&node->app, &join->barrier);
}

void px_join_cancel(px_node *node, px_intake *intake)
{
    if (!intake->join) return;
    if (!intake->join->is_answered) px_barriers_cancel(&node->app, &intake->join->barrier);
    free(intake->join);
    intake->join = NULL;
    node->join_count--;
}

static void look_up(px_node *node, px_intake *intake)
{
    const px_bytes name = {(const uint8_t *)intake->name, intake->name_bytes};
    px_session session;
    px_join_cancel(node, intake);
    if (px_core_session_by_name(node->core, PX_SESSION_CLIENT, name, &session))
        px_intake_set_holder(node, intake, session.holder, session.next);
    else if (px_core_session_is_expired(node->core, name))
        px_intake_end_with(node, intake, PX_INTAKE_EXPIRED);
    else
        px_openings_add(node, intake);
}

void px_joins_turn(px_node *node)
{
    if (node->join_count == 0) return;
    for (px_intake *intake = node->intakes; intake; intake = intake->next) {
        const px_join *join = intake->join;
        if (!join) continue;
        const bool is_due = join->is_answered && join->slot <= node->applied_slot;
        if (is_due || PX_MUTANT("r12_join_without_a_barrier")) look_up(node, intake);
    }
}
