/* recollection.c - what nodes remember of one another's disks, and what a node does that others remember more
 * of than it has.
 *
 * Meaning    Each node keeps of each other's disk, by its storage id, the highest numbers that it stated as
 *            durable, and tells them in its hello. A node whose own disk has less was rolled back: what it
 *            promised or accepted is forgotten, and its votes could undo what was chosen. It draws a new
 *            storage id at once; from then on it is as emptied, and is readmitted like that. So is a node
 *            that reads in the log that its disk was replaced.
 * Holds      Remembered is only what the other said of itself, never what follows from one's own messages.
 *            The own numbers are never below what this run has stated.
 * Source     [R19]. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "node/kept.h"
#include "node/node_priv.h"
#include <string.h>

/* Is the second pair (accepted ballot, cuts, length) beyond the first? */
static bool is_log_beyond(const px_recollection *than, px_ballot accepted, uint64_t cuts, uint64_t length)
{
    const int order = px_ballot_compare(accepted, than->accepted);
    if (order != 0) return order > 0;
    return cuts != than->cuts ? cuts > than->cuts : length > than->length;
}

static void raise(px_recollection *recollection, const px_node_state *state)
{
    if (px_ballot_less(recollection->promised, state->promised)) recollection->promised = state->promised;
    /* Of a damaged log, what it was counts: it is mended, not forgotten. [R16] */
    const uint64_t length = state->durable > state->claimed ? state->durable : state->claimed;
    if (!is_log_beyond(recollection, state->accepted, state->cuts, length)) return;
    recollection->accepted = state->accepted;
    recollection->cuts = state->cuts;
    recollection->length = length;
}

void px_recollection_note(px_node *node, uint32_t from)
{
    px_recollection *recollection = &node->state.recollections[from];
    const uint64_t storage_id = node->members[from].incarnation.storage_id;
    if (recollection->storage_id != storage_id) *recollection = (px_recollection){.storage_id = storage_id};
    raise(recollection, &node->view.members[from]);
}

void px_recollection_note_own(px_node *node)
{
    raise(&node->stated, &node->view.state);
}

void px_recollection_put(const px_node *node, uint32_t place, px_wire_hello *hello)
{
    const px_recollection *recollection = &node->state.recollections[place];
    hello->remembered_storage_id = recollection->storage_id;
    hello->remembered_promised = recollection->promised;
    hello->remembered_accepted = recollection->accepted;
    hello->remembered_cuts = recollection->cuts;
    hello->remembered_length = recollection->length;
}

void px_recollection_on_hello(px_node *node, uint32_t from, const px_wire_hello *hello)
{
    if (hello->remembered_storage_id != node->state.storage_id || PX_MUTANT("r19_memory_ignored")) return;
    const bool is_ahead = px_ballot_less(node->stated.promised, hello->remembered_promised) ||
                          is_log_beyond(&node->stated, hello->remembered_accepted, hello->remembered_cuts,
                                        hello->remembered_length);
    if (!is_ahead) return;
    px_log_event(node->ports.log, PX_LOG_ERROR,
                 "disk: %s remembers more of this disk than it has: an older state of the folder was put "
                 "back; it counts as a new disk, without a vote until it has caught up",
                 node->members[from].name);
    px_recollection_become_new(node);
}

void px_recollection_turn(px_node *node)
{
    if (!node->view.replaced) return;
    px_log_event(node->ports.log, PX_LOG_ERROR,
                 "disk: the cluster has replaced this disk by another: it was put back, and counts as a new "
                 "disk, without a vote until it has caught up");
    px_recollection_become_new(node);
}

/* What waits for a record was said by the former disk: it is not said any more. */
static void drop_statements(px_node *node)
{
    size_t kept = 0;
    for (size_t i = 0; i < node->waiting_count; i++)
        if (node->waiting[i].effect.kind != PX_DO_SEND) node->waiting[kept++] = node->waiting[i];
    node->waiting_count = kept;
}

void px_recollection_become_new(px_node *node)
{
    node->state.storage_id = px_prng_next(&node->prng) | 1;
    const px_err err = px_wal_write_state_now(node->wal, &node->state);
    if (err) {
        node->ports.fatal(node->ports.fatal_context, "the small state cannot be written");
        return;
    }
    drop_statements(node);
    px_kept_set_aside(node);
    px_roster_tell(node);
    px_links_say_hello_again(node);
}
