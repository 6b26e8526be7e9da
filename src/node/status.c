/* status.c - what a node says of itself.
 *
 * Source     spec.md §6. */
// SPDX-License-Identifier: Apache-2.0
#include "node/node_priv.h"
#include <stdio.h>
#include <string.h>

static void copy_text(char *to, size_t size_bytes, const char *from)
{
    (void)snprintf(to, size_bytes, "%s", from ? from : "");
}

/* Messages a member is behind what this node knows chosen: slots of members' states, turned into messages
 * where this node remembers them. */
static uint64_t lag_of(const px_node *node, uint32_t place)
{
    const px_node_state *own = &node->view.state;
    const px_node_state *state = &node->view.members[place];
    if (place == node->self) return node->view.index_chosen - node->delivered_index;
    if (state->chosen >= own->chosen) return 0;
    const px_tail_slot *slot = px_tail_find(&node->tail, state->chosen);
    if (!slot) return state->chosen == 0 ? node->view.index_chosen : own->chosen - state->chosen;
    const uint64_t index = slot->entry.index_first + slot->entry.message_count - 1;
    return node->view.index_chosen > index ? node->view.index_chosen - index : 0;
}

/* What each side sees of a connection that is not there: this one of what it dials, the other of the rest. */
static void say_link_fault(const px_node *node, uint32_t place, px_member_status *status)
{
    const px_member *member = &node->members[place];
    if (status->connected) return;
    if (!member->out_up)
        copy_text(status->link_fault, sizeof status->link_fault,
                  node->ports.net->fault(node->ports.net, place));
    else if (!member->in)
        copy_text(status->link_fault, sizeof status->link_fault,
                  "this node reaches it, it has not connected to this node: its log tells why");
}

static void fill_member(const px_node *node, uint32_t place, px_member_status *status)
{
    const px_member *member = &node->members[place];
    copy_text(status->id, sizeof status->id, member->name);
    copy_text(status->addr, sizeof status->addr, member->address);
    status->connected = place == node->self || member->is_linked;
    say_link_fault(node, place, status);
    status->has_rtt = place != node->self && member->has_rtt;
    status->rtt_us = member->rtt_us;
    status->lag = lag_of(node, place);
    status->voter = px_links_is_voter(node, place);
    status->heard = place == node->self || node->view.heard[place];
    status->disk = node->view.disks[place];
    const px_node_state *state = place == node->self ? &node->view.state : &node->view.members[place];
    px_hash own;
    status->chosen_slot = state->chosen;
    status->chain = state->chosen_chain;
    status->is_comparable = state->chosen > 0 && px_core_chain_at(node->core, state->chosen, &own) &&
                            state->chosen <= node->view.state.chosen;
    status->is_same = status->is_comparable && px_hash_equal(own, state->chosen_chain);
}

/* Do so few of the disks that voted exist still that no majority can come together? */
static void say_lost_voters(const px_node *node, char *words, size_t size_bytes)
{
    uint32_t emptied = 0;
    if (node->state.roster_state != PX_ROSTER_COMPLETE) return;
    for (uint32_t i = 0; i < node->member_count; i++) {
        if (i != node->self && !node->members[i].is_linked) continue;
        if (!px_links_is_voter(node, i)) emptied++;
    }
    if (2 * (node->member_count - emptied) > node->member_count) return;
    (void)snprintf(words, size_bytes,
                   "the disks of %u of %u members were emptied or replaced: the others are no majority, and "
                   "nothing is guessed; put the old disks back, or start a new cluster from what is left",
                   emptied, node->member_count);
}

void px_status_fill(px_app *app, px_status *status)
{
    px_node *node = (px_node *)app;
    const px_wal_counters counters = px_wal_count(node->wal);
    memset(status, 0, sizeof *status);
    status->self = node->self;
    status->member_count = node->member_count;
    for (uint32_t i = 0; i < node->member_count; i++) fill_member(node, i, &status->members[i]);
    status->role = node->view.role;
    status->has_leader = !px_ballot_is_none(node->view.leader);
    status->leader = (uint32_t)node->view.leader.node;
    status->ballot = node->view.leader;
    status->committed = node->view.index_chosen;
    status->first = 1;
    status->delivered = node->delivered_index;
    status->digest_index = node->view.index_chosen;
    status->digest_slot = node->view.state.chosen;
    (void)px_core_chain_at(node->core, node->view.state.chosen, &status->digest);
    status->diverged = node->view.diverged;
    if (!status->has_leader) status->leaderless_us = px_node_now_us(node) - node->leaderless_since_us;
    px_salvage_missing(node, status->waiting_for, sizeof status->waiting_for);
    if (!status->waiting_for[0]) px_roster_missing(node, status->waiting_for, sizeof status->waiting_for);
    if (node->view.diverged)
        copy_text(status->waiting_for, sizeof status->waiting_for,
                  "diverged: its log differs from a majority's");
    if (!status->waiting_for[0] && !status->has_leader)
        say_lost_voters(node, status->waiting_for, sizeof status->waiting_for);
    if (!status->waiting_for[0] && !status->has_leader)
        copy_text(status->waiting_for, sizeof status->waiting_for,
                  "no leader: a majority of the members must reach each other");
    status->slots_proposed = node->counters.slots_proposed;
    status->messages_proposed = node->counters.messages_proposed;
    status->wakeups = node->counters.wakeups;
    status->json_sent = node->counters.json_sent;
    status->json_received = node->counters.json_received;
    status->syncs = counters.writes;
    status->records = counters.records;
    status->log_bytes = counters.bytes;
    status->elections = node->view.elections;
}

static void say_divergence(px_node *node)
{
    if (!node->view.diverged || node->is_divergence_said) return;
    node->is_divergence_said = true;
    px_log_event(
        node->ports.log, PX_LOG_ERROR,
        "diverged: slot %llu here is not what a majority has: this node no longer votes or delivers; keep "
        "its folder for whoever finds out why, and start it anew with an empty one",
        (unsigned long long)node->view.differs_slot);
}

/* Who votes, where that changes: this node's disk, and others'. [R19, R21] */
static void say_voters(px_node *node)
{
    const bool is_voter = px_links_is_voter(node, node->self);
    if (node->view.configuration != node->configuration_said) {
        node->configuration_said = node->view.configuration;
        px_log_event(node->ports.log, PX_LOG_INFO,
                     "voters: configuration %llu: a member has another disk, which votes in place of the "
                     "former one",
                     (unsigned long long)node->configuration_said);
    }
    if (!node->is_roster_told || (node->is_vote_said && is_voter == node->was_voter)) return;
    if (!is_voter)
        px_log_event(node->ports.log, PX_LOG_WARN,
                     "voters: the cluster knows this node by another disk: it follows without a vote until "
                     "it has caught up");
    else if (node->is_vote_said)
        px_log_event(node->ports.log, PX_LOG_INFO, "voters: this node votes again");
    node->is_vote_said = true;
    node->was_voter = is_voter;
}

bool px_status_is_diverged(px_app *app)
{
    return ((px_node *)app)->view.diverged;
}

/* The word `ready` is said when this node can take messages: it knows a leader. */
void px_status_say_changes(px_node *node)
{
    say_divergence(node);
    say_voters(node);
    const px_ballot leader = node->view.leader;
    if (px_ballot_equal(leader, node->leader_said)) return;
    node->leader_said = leader;
    node->leaderless_since_us = px_node_now_us(node);
    if (px_ballot_is_none(leader)) {
        px_log_event(node->ports.log, PX_LOG_WARN, "leader: none is known");
        return;
    }
    const bool is_self = leader.node == node->self;
    px_log_event(node->ports.log, PX_LOG_INFO, "leader: %s%s, ballot %llu", node->members[leader.node].name,
                 is_self ? " (this node)" : "", (unsigned long long)leader.number);
    if (node->was_ready) return;
    node->was_ready = true;
    px_log_event(node->ports.log, PX_LOG_INFO, "ready: takes messages");
}
