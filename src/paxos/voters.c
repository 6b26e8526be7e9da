/* voters.c - whose words count, and how an emptied disk becomes a voter again.
 *
 * Meaning    Only a member whose storage id is the one that the configuration names at its place is counted:
 *            promises, acceptances, answers to heartbeats and probes. A leader that sees another disk at a
 *            place, caught up, proposes the change that swaps the id. It is a stop sign; once it is chosen,
 *            who led campaigns in the new configuration, and adopts from a majority of the new voters before
 *            it proposes behind it.
 * Holds      Ids are swapped one at a time, so a majority of the old and one of the new voters share a disk.
 * Source     [R19, R21]. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/voters.h"

#include "paxos/core_priv.h"
#include <string.h>

bool px_voters_is_dead(const px_voters *voters, uint64_t id)
{
    const uint64_t count = voters->dead_count < PX_DEAD_IDS ? voters->dead_count : PX_DEAD_IDS;
    for (uint64_t i = 0; i < count; i++)
        if (voters->dead[i] == id) return true;
    return false;
}

static uint64_t id_of(const px_core *core, uint32_t member)
{
    return member == core->config.self ? core->voters.own_id : core->peers[member].storage_id;
}

bool px_voters_counts(const px_core *core, uint32_t member)
{
    const px_voters *voters = &core->voters;
    const uint64_t id = id_of(core, member);
    if (!voters->is_given) return PX_MUTANT("r18_votes_before_the_roster_is_complete");
    if (id == 0) return false;
    if (PX_MUTANT("r19_emptied_votes")) return true;
    if (PX_MUTANT("r19_replaced_id_counts") && px_voters_is_dead(voters, id)) return true;
    return voters->current.ids[member] == id;
}

static void refresh(px_core *core)
{
    core->is_voting = px_voters_counts(core, core->config.self);
}

/* ---- who is who ---- */

void px_voters_take_roster(px_core *core, uint64_t own_id, const uint64_t *ids)
{
    px_voters *voters = &core->voters;
    px_assert(own_id != 0);
    voters->is_given = true;
    voters->own_id = own_id;
    if (voters->current.number == 0) memcpy(voters->current.ids, ids, sizeof voters->current.ids);
    refresh(core);
    /* Nobody else is to be heard first. */
    if (core->is_voting && core->config.member_count == 1 && core->phase == PX_PHASE_FOLLOWER)
        px_candidate_campaign(core);
}

/* Another disk at a place: what the former one said is not said by this one. */
void px_voters_link(px_core *core, uint32_t member, uint64_t storage_id)
{
    px_peer *peer = &core->peers[member];
    if (peer->storage_id == storage_id) return;
    const bool is_first = peer->storage_id == 0;
    peer->storage_id = storage_id;
    if (is_first) return;
    peer->state = (px_node_state){0};
    peer->has_promised = false;
    peer->accepted_length = 0;
}

/* Who leads or campaigns in a configuration that this node does not know yet was elected by its voters; whose
 * words are counted has to be a voter of the one that is known. */
bool px_voters_heed(const px_core *core, uint32_t from, const px_message *message)
{
    switch (message->kind) {
    case PX_MESSAGE_HEARTBEAT:
    case PX_MESSAGE_HEARD:
    case PX_MESSAGE_FETCH:
    case PX_MESSAGE_PIECE:
    case PX_MESSAGE_MENDED:
    case PX_MESSAGE_REFUSE: return true;
    case PX_MESSAGE_PREPARE:
    case PX_MESSAGE_SYNC:
    case PX_MESSAGE_ACCEPT:
    case PX_MESSAGE_CHOSEN:
    case PX_MESSAGE_PROBE:
    case PX_MESSAGE_TAKE_OVER:
        return message->ballot.config > core->voters.current.number || px_voters_counts(core, from);
    case PX_MESSAGE_PROMISE:
    case PX_MESSAGE_TAIL:
    case PX_MESSAGE_ACCEPTED:
    case PX_MESSAGE_PROBED: break;
    }
    return px_voters_counts(core, from);
}

/* Whoever promised in a configuration without knowing it could campaign in no lower one and not in this. */
bool px_voters_learn(px_core *core, uint32_t from, px_ballot ballot)
{
    const uint64_t known = core->voters.current.number;
    if (ballot.config <= known || PX_MUTANT("r21_promises_in_an_unknown_configuration")) return true;
    px_catchup_on_state(core, from);
    return ballot.config <= core->voters.current.number && px_voters_counts(core, from);
}

/* ---- the log ---- */

bool px_voters_fit(const px_core *core, px_ballot accepted, const px_log_part *log, uint64_t chosen)
{
    const px_voters *voters = &core->voters;
    const bool keeps_next = voters->next_slot && voters->next_slot <= log->after;
    uint64_t number = keeps_next ? voters->next.number : voters->current.number;
    uint64_t stop = keeps_next ? voters->next_slot : 0;
    if (chosen < core->slots.chosen) chosen = core->slots.chosen;
    for (uint32_t i = 0; i < log->count; i++) {
        const px_entry *entry = &log->entries[i];
        if (stop > chosen && accepted.config < number) return false;
        if (entry->kind != PX_ENTRY_CONFIG) continue;
        px_configuration read;
        if (stop > chosen || px_configuration_open(entry->body, &read)) return false;
        if (read.number != number + 1 || read.count != core->config.member_count) return false;
        number++;
        stop = entry->slot;
    }
    return true;
}

void px_voters_apply(px_core *core, const px_entry *entry)
{
    px_voters *voters = &core->voters;
    if (entry->kind != PX_ENTRY_CONFIG) return;
    px_assert(voters->next_slot == 0);
    const px_err err = px_configuration_open(entry->body, &voters->next);
    px_assert(err == PX_OK);
    px_assert(voters->next.number == voters->current.number + 1);
    px_assert(voters->next.count == core->config.member_count);
    voters->next_slot = entry->slot;
}

void px_voters_cut(px_core *core, uint64_t after)
{
    if (core->voters.next_slot > after) core->voters.next_slot = 0;
}

void px_voters_choose(px_core *core, uint64_t upto)
{
    px_voters *voters = &core->voters;
    if (voters->next_slot == 0 || voters->next_slot > upto) return;
    voters->current = voters->next;
    voters->current_slot = voters->next_slot;
    voters->next_slot = 0;
    voters->dead[voters->dead_count++ % PX_DEAD_IDS] = voters->current.replaced;
    refresh(core);
}

/* ---- proposing a change ---- */

/* Would one synchronisation bring it all that it lacks? */
static bool is_caught_up(const px_core *core, uint32_t member)
{
    const px_node_state *state = &core->peers[member].state;
    const uint64_t has = state->durable < state->chosen ? state->durable : state->chosen;
    if (!px_election_is_heard(core, member)) return false;
    return px_catchup_fits_window(core, has);
}

/* Is there another disk at this place that may become its voter? */
static bool is_new_disk(const px_core *core, uint32_t member)
{
    const px_voters *voters = &core->voters;
    const uint64_t id = core->peers[member].storage_id;
    if (member == core->config.self || id == 0 || px_voters_is_dead(voters, id)) return false;
    for (uint32_t place = 0; place < core->config.member_count; place++)
        if (voters->current.ids[place] == id) return false;
    return is_caught_up(core, member);
}

static uint32_t count_caught_up(const px_core *core)
{
    uint32_t count = 1;
    for (uint32_t member = 0; member < core->config.member_count; member++) {
        if (member == core->config.self || !px_voters_counts(core, member)) continue;
        if (is_caught_up(core, member)) count++;
    }
    return count;
}

static void propose_change(px_core *core, uint32_t member)
{
    px_voters *voters = &core->voters;
    px_configuration next = voters->current;
    next.number++;
    next.place = member;
    next.count = core->config.member_count;
    next.replaced = voters->current.ids[member];
    next.ids[member] = core->peers[member].storage_id;
    const px_bytes body = {voters->body, px_configuration_put(&next, voters->body)};
    const px_proposal proposal = {
        .kind = PX_ENTRY_CONFIG,
        .body_hash = px_hash_of(body.data, body.size_bytes),
        .body = body,
    };
    PX_MARK("change_proposed");
    px_proposer_propose(core, &proposal);
}

/* One change at a time, by a leader whose whole adopted log is chosen in its own ballot, and only where a
 * majority of the new voters could go on at once. [R21] */
void px_voters_on_round(px_core *core)
{
    if (core->phase != PX_PHASE_LEADING || px_core_room(core).bytes == 0) return;
    if (core->slots.chosen < core->adopted_upto && !PX_MUTANT("r21_change_before_own_ballot_is_chosen"))
        return;
    for (uint32_t member = 0; member < core->config.member_count; member++) {
        if (!is_new_disk(core, member)) continue;
        if (count_caught_up(core) + 1 < px_core_majority(core)) return;
        propose_change(core, member);
        return;
    }
}

/* Who led or campaigned under a former configuration goes on in the one that is known chosen: by the promises
 * of its voters. [R21] */
void px_voters_finish(px_core *core)
{
    if (core->phase == PX_PHASE_FOLLOWER) return;
    if (core->is_voting && core->ballot.config == core->voters.current.number) return;
    px_election_enter(core, PX_PHASE_FOLLOWER);
    if (core->is_voting && core->disk != PX_DISK_OVERDUE) px_candidate_campaign(core);
}
