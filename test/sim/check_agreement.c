/* check_agreement.c - one order: the first reader fixes what an index holds, all others must see the same.
 *
 * Source     spec.md §3.1, [R7]. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/checks.h"

#include "node/node_priv.h"
#include "paxos/core_priv.h"
#include "sim/sim_node.h"

void sim_check_seen(sim_world *world, uint32_t place, uint64_t index, uint64_t stamp_ms, px_bytes message)
{
    sim_checks *checks = world->checks;
    sim_check(world, index <= checks->order_count + 1, "no gap",
              "%s delivers index %llu while %llu is the last seen", world->nodes[place]->name,
              (unsigned long long)index, (unsigned long long)checks->order_count);
    sim_place *at = sim_checks_place(world, index);
    const px_hash hash = px_hash_of(message.data, message.size_bytes);
    if (!at->is_seen) {
        sim_check_first_seen(world, index, message);
        at->is_seen = true;
        at->stamp_ms = stamp_ms;
        at->hash = hash;
        checks->order_count = index;
        if (index > checks->known) checks->known = index;
        world->counts.chosen++;
        const uint64_t before_ms = index > 1 ? checks->order[index - 2].stamp_ms : 0;
        sim_check(world, stamp_ms >= before_ms, "stamps", "the stamp of index %llu goes back",
                  (unsigned long long)index);
        return;
    }
    sim_check(world, px_hash_equal(hash, at->hash) && stamp_ms == at->stamp_ms, "agreement",
              "%s delivers index %llu as %.*s, others have w%u.%llu", world->nodes[place]->name,
              (unsigned long long)index, (int)(message.size_bytes < 40 ? message.size_bytes : 40),
              (const char *)message.data, at->writer, (unsigned long long)at->number);
}

/* The table of sessions is a function of the chosen log, whatever a node took and cut on its way there. */
static void check_sessions_agree(sim_world *world)
{
    const sim_node *first = NULL;
    for (uint32_t place = 0; place < world->options.node_count; place++) {
        const sim_node *node = world->nodes[place];
        if (!node->node) continue;
        const px_core *core = node->node->core;
        if (core->slots.taken != core->slots.chosen) continue;
        if (!first) first = node;
        const px_core *other = first->node->core;
        if (other->slots.chosen != core->slots.chosen) continue;
        sim_check(world, px_sessions_digest(&core->sessions) == px_sessions_digest(&other->sessions),
                  "sessions", "%s and %s remember other sessions at slot %llu", first->name, node->name,
                  (unsigned long long)core->slots.chosen);
    }
}

void sim_check_converged(sim_world *world)
{
    sim_checks *checks = world->checks;
    check_sessions_agree(world);
    sim_check(world, checks->order_count >= checks->known, "validity",
              "index %llu was named, the log ends at %llu", (unsigned long long)checks->known,
              (unsigned long long)checks->order_count);
    for (uint32_t place = 0; place < world->options.node_count; place++) {
        const sim_node *node = world->nodes[place];
        if (!node->node) continue;
        sim_check(world, node->node->delivered_index >= checks->acknowledged, "durability",
                  "%s has delivered %llu of %llu acknowledged messages", node->name,
                  (unsigned long long)node->node->delivered_index, (unsigned long long)checks->acknowledged);
        sim_check(world, node->node->delivered_index == checks->order_count, "convergence",
                  "%s has delivered %llu of %llu messages", node->name,
                  (unsigned long long)node->node->delivered_index, (unsigned long long)checks->order_count);
        sim_check(world, node->app.reader.next == checks->order_count + 1, "convergence",
                  "a reader of %s stands at %llu of %llu", node->name,
                  (unsigned long long)node->app.reader.next, (unsigned long long)checks->order_count);
    }
}
