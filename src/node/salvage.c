/* salvage.c - what a damaged log still has behind the damage, given to the core as it fits.
 *
 * Meaning    The log ends before the damage. Whenever it has become longer, slots that can still be read on
 *            the own disk are offered to the core, if they continue it; where they do not yet, the core is
 *            told which slot they go on from, so that it knows what may be taken from others. Damage that is
 *            met while the node runs is mended in the same way, at its next start.
 * Source     [R16]. */
// SPDX-License-Identifier: Apache-2.0
#include "node/node_priv.h"
#include <stdio.h>

static bool is_damaged(const px_node *node)
{
    return node->view.claim.length || node->view.claim.is_unsure;
}

void px_salvage_missing(const px_node *node, char *words, size_t size_bytes)
{
    const px_claim *claim = &node->view.claim;
    words[0] = '\0';
    if (claim->is_unsure)
        (void)snprintf(words, size_bytes,
                       "its log was damaged and may have been longer than slot %llu: it waits for a leader "
                       "that the others elect",
                       (unsigned long long)node->view.state.taken);
    else if (claim->length)
        (void)snprintf(words, size_bytes,
                       "slots from %llu to %llu of its log are damaged: it waits for a member that has them",
                       (unsigned long long)node->view.state.taken + 1, (unsigned long long)claim->length);
}

void px_salvage_start(px_node *node, const px_wal_fault *fault)
{
    char words[200];
    node->salvaged_slot = UINT64_MAX;
    node->was_damaged = is_damaged(node);
    if (fault->where[0])
        px_log_event(node->ports.log, PX_LOG_ERROR, "log: %s: %s", fault->where, fault->what);
    if (!node->was_damaged) return;
    px_salvage_missing(node, words, sizeof words);
    px_log_event(node->ports.log, PX_LOG_WARN, "recovering: %s", words);
    if (node->member_count > 1) return;
    px_log_event(node->ports.log, PX_LOG_ERROR,
                 "recovering: no other node has them: keep the folder, restore a backup of it, or start anew "
                 "with an empty one; nothing is guessed");
}

/* Offers once for each length that the log has. */
static void offer(px_node *node)
{
    px_wal_entries *entries = &node->salvaged;
    const uint64_t after = node->view.state.taken;
    px_input input = {.kind = PX_IN_SALVAGE};
    px_wal_salvage next = {0, {0, 0}};
    px_hash after_chain = {0, 0};
    node->salvaged_slot = after;
    const px_err err = px_wal_read_salvage(node->wal, after, PX_PIECE_BYTES, entries, &after_chain, &next);
    if (err == PX_ERR_END) {
        input.salvage.anchor_slot = next.slot;
        input.salvage.anchor_chain = next.chain;
    } else if (err) {
        return; /* what rotted since the start is fetched like the rest */
    } else {
        input.salvage.log = (px_log_part){after, after_chain, entries->count, entries->entries};
    }
    px_shell_step(node, &input);
    if (!err) px_buffer_release(entries->owner);
}

void px_salvage_turn(px_node *node)
{
    const bool is_due =
        is_damaged(node) && !node->view.claim.is_unsure && node->salvaged_slot != node->view.state.taken;
    if (is_due && !px_wal_is_busy(node->wal)) offer(node); /* what was taken is to be on the disk first */
    if (!node->was_damaged || is_damaged(node)) return;
    node->was_damaged = false;
    px_log_event(node->ports.log, PX_LOG_INFO, "recovering: the log is whole again, up to slot %llu",
                 (unsigned long long)node->view.state.taken);
}

/* Nobody could give it back to a node that is alone: it goes on without. */
void px_salvage_unreadable(px_node *node, uint64_t slot, px_err err)
{
    if (err == PX_ERR_END) return;
    if (node->member_count == 1 || (err != PX_ERR_DAMAGED && err != PX_ERR_IO)) {
        px_log_event(node->ports.log, PX_LOG_WARN, "log: slot %llu cannot be read: %s",
                     (unsigned long long)slot, px_err_text(err));
        return;
    }
    px_log_event(node->ports.log, PX_LOG_ERROR,
                 "log: slot %llu cannot be read: %s: the node stops, and repairs its log at its next start",
                 (unsigned long long)slot, px_err_text(err));
    node->ports.fatal(node->ports.fatal_context, "the log cannot be read");
}
