/* check_node.c - what must be true of one node's own memory whenever it has come to rest.
 *
 * Meaning    Sessions are answered from chosen slots alone: what the node says of the session of one of its
 *            own intakes is what that intake was told. Of the connections of one run of a member the one
 *            dialled last stays in use.
 * Source     [R8, R12]. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/checks.h"

#include "node/node_priv.h"
#include "sim/sim_node.h"

static void check_sessions(sim_world *world, const sim_node *node)
{
    for (const px_intake *intake = node->node->intakes; intake; intake = intake->next) {
        const px_bytes name = {(const uint8_t *)intake->name, intake->name_bytes};
        px_session session;
        if (!px_core_session_by_name(node->node->core, PX_SESSION_MEMBER, name, &session)) continue;
        if (session.holder != intake->holder) continue; /* of a run before, or not yet told */
        /* A clean stop wrote down what it knew chosen; the log after a restart need not know it again yet. */
        const bool is_behind = intake->is_kept && session.next <= intake->chosen;
        sim_check(world, is_behind || session.next == intake->chosen + 1, "answers from chosen",
                  "%s says that %.*s takes message %llu next, and %llu are chosen", node->name,
                  (int)intake->name_bytes, intake->name, (unsigned long long)session.next,
                  (unsigned long long)intake->chosen);
    }
}

static void check_connections(sim_world *world, sim_node *node)
{
    for (uint32_t place = 0; place < world->options.node_count; place++) {
        const px_member *member = &node->node->members[place];
        sim_link *link = &node->links[place];
        if (!member->in) { /* whatever comes first is taken then */
            *link = (sim_link){0};
            continue;
        }
        const bool is_same_run = link->incarnation.storage_id == member->incarnation.storage_id &&
                                 link->incarnation.run == member->incarnation.run;
        sim_check(world, !is_same_run || member->connection >= link->connection, "newest connection",
                  "%s takes connection %llu of %s, and had taken %llu", node->name,
                  (unsigned long long)member->connection, member->name, (unsigned long long)link->connection);
        *link = (sim_link){member->incarnation, member->connection};
    }
}

void sim_check_node(sim_world *world, uint32_t place)
{
    sim_node *node = world->nodes[place];
    check_sessions(world, node);
    check_connections(world, node);
}
