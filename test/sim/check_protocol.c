/* check_protocol.c - the abstract Paxos beside the nodes. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/check_protocol.h"

#include "base/assert.h"
#include "codec/wire.h"
#include "node/node_priv.h"
#include "paxos/core_priv.h"
#include "sim/changes.h"
#include "sim/checks.h"
#include "sim/faults.h"
#include "sim/sim_node.h"
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull;

/* What one ballot's leader has proposed, and how far each voter says it accepted that. */
typedef struct {
    px_ballot ballot;
    uint64_t leader_run;
    uint64_t accepted[PX_MEMBERS_MAX];
    uint32_t promised_mask; /* voters of its configuration that said that they promised it */
    px_hash *chains;        /* [slot]; zero: not seen */
    size_t chains_capacity;
} sim_ballot;

/* What one voter has said of itself. */
typedef struct {
    px_ballot promised, accepted;
    uint64_t cuts, durable; /* under `accepted` */
    px_ballot campaign;
    uint64_t campaign_run;
    bool is_emptied;                /* its disk was, and its node has not started since */
    uint64_t storage_id, roster_id; /* as it was up last: of its disk, and of its place in the roster */
    px_recollection behind; /* what it had stated, where its disk was rolled back behind that; or zeros */
    uint64_t kept; /* chosen slots that it accepted in the ballot that chose them, or above: for ever */
} sim_voter;

typedef struct {
    px_hash chain; /* zero: chosen, but its chain was not seen */
    px_ballot ballot;
} sim_chosen;

struct sim_protocol {
    sim_world *world;
    sim_ballot *ballots;
    size_t ballot_count, ballot_capacity;
    sim_voter voters[PX_MEMBERS_MAX];
    sim_chosen *chosen; /* [slot] */
    size_t chosen_capacity;
    uint64_t chosen_upto;
    sim_changes changes;
    /* The message decoded last, for the other members that it goes to. */
    px_buffer *body;
    px_wire wire;
    px_entry entries[PX_WINDOW_SLOTS];
    uint8_t *line;
    size_t line_capacity;
};

sim_protocol *sim_protocol_make(sim_world *world)
{
    sim_protocol *protocol = sim_zeroed(sizeof *protocol);
    protocol->world = world;
    return protocol;
}

void sim_protocol_free(sim_protocol *protocol)
{
    for (size_t i = 0; i < protocol->ballot_count; i++) free(protocol->ballots[i].chains);
    free(protocol->ballots);
    free(protocol->changes.items);
    free(protocol->chosen);
    free(protocol->line);
    px_buffer_release(protocol->body);
    free(protocol);
}

static bool is_log_beyond(px_ballot accepted, uint64_t cuts, uint64_t length, const px_recollection *than)
{
    const int order = px_ballot_compare(accepted, than->accepted);
    if (order != 0) return order > 0;
    return cuts != than->cuts ? cuts > than->cuts : length > than->length;
}

/* Has its node the disk that was rolled back, and less on it still than it had stated? What is chosen comes
 * back from others, and then nothing is forgotten. */
static bool is_behind(const sim_voter *voter, const px_node *node)
{
    const px_recollection *behind = &voter->behind;
    const px_node_state *state = &node->view.state;
    const px_recollection own = {
        .accepted = state->accepted,
        .cuts = state->cuts,
        .length = state->durable > state->claimed ? state->durable : state->claimed,
    };
    return behind->storage_id && node->state.storage_id == behind->storage_id &&
           (px_ballot_less(state->promised, behind->promised) ||
            is_log_beyond(behind->accepted, behind->cuts, behind->length, &own));
}

static const char *name_of(const sim_protocol *protocol, uint32_t place)
{
    return protocol->world->nodes[place]->name;
}

/* ---- ballots ---- */

static sim_ballot *find_ballot(sim_protocol *protocol, px_ballot ballot)
{
    for (size_t i = protocol->ballot_count; i > 0; i--)
        if (px_ballot_equal(protocol->ballots[i - 1].ballot, ballot)) return &protocol->ballots[i - 1];
    protocol->ballots = sim_grow(protocol->ballots, &protocol->ballot_capacity, protocol->ballot_count,
                                 sizeof *protocol->ballots);
    sim_ballot *made = &protocol->ballots[protocol->ballot_count++];
    *made = (sim_ballot){.ballot = ballot};
    return made;
}

static px_hash chain_in(const sim_ballot *ballot, uint64_t slot)
{
    return slot < ballot->chains_capacity ? ballot->chains[slot] : (px_hash){0, 0};
}

/* The leader of this ballot has this log at that slot. [R5, R6] */
static void propose_chain(sim_protocol *protocol, sim_ballot *ballot, uint64_t slot, px_hash chain)
{
    ballot->chains = sim_grow(ballot->chains, &ballot->chains_capacity, (size_t)slot, sizeof *ballot->chains);
    px_hash *at = &ballot->chains[slot];
    sim_check(protocol->world, px_hash_is_zero(*at) || px_hash_equal(*at, chain), "one value",
              "slot %llu has two values in ballot %llu of %s", (ull)slot, (ull)ballot->ballot.number,
              name_of(protocol, (uint32_t)ballot->ballot.node));
    *at = chain;
    if (slot > protocol->chosen_upto || slot == 0) return;
    const sim_chosen *chosen = &protocol->chosen[slot];
    if (px_hash_is_zero(chosen->chain) || px_ballot_less(ballot->ballot, chosen->ballot)) return;
    sim_check(protocol->world, px_hash_equal(chosen->chain, chain), "chosen stays",
              "slot %llu was chosen in ballot %llu, and ballot %llu of %s has another value", (ull)slot,
              (ull)chosen->ballot.number, (ull)ballot->ballot.number,
              name_of(protocol, (uint32_t)ballot->ballot.node));
}

/* ---- what is chosen ---- */

static px_hash chain_anywhere(const sim_protocol *protocol, uint32_t voter, uint64_t slot)
{
    px_hash chain = {0, 0};
    const sim_node *node = protocol->world->nodes[voter];
    if (node->node) (void)px_core_chain_at(node->node->core, slot, &chain);
    return chain;
}

static void choose(sim_protocol *protocol, const sim_ballot *ballot, uint32_t voter, uint64_t slot)
{
    protocol->chosen =
        sim_grow(protocol->chosen, &protocol->chosen_capacity, (size_t)slot, sizeof *protocol->chosen);
    px_hash chain = chain_in(ballot, slot);
    if (px_hash_is_zero(chain)) chain = chain_anywhere(protocol, voter, slot);
    protocol->chosen[slot] = (sim_chosen){chain, ballot->ballot};
    for (size_t i = 0; i < protocol->ballot_count; i++) {
        const sim_ballot *other = &protocol->ballots[i];
        const px_hash theirs = chain_in(other, slot);
        if (px_ballot_less(other->ballot, ballot->ballot) || px_hash_is_zero(theirs)) continue;
        sim_check(protocol->world, px_hash_is_zero(chain) || px_hash_equal(theirs, chain), "chosen stays",
                  "slot %llu is chosen in ballot %llu, and ballot %llu has another value", (ull)slot,
                  (ull)ballot->ballot.number, (ull)other->ballot.number);
    }
}

/* ---- voters: a name and a disk [R19, R21] ---- */

/* The chosen change of that number; NULL where none is. */
static const px_configuration *find_configuration(const sim_protocol *protocol, uint64_t number)
{
    for (size_t i = 0; i < protocol->changes.count; i++) {
        const sim_change *change = &protocol->changes.items[i];
        if (change->configuration.number != number || change->slot > protocol->chosen_upto) continue;
        if (px_hash_equal(protocol->chosen[change->slot].chain, change->chain)) return &change->configuration;
    }
    return NULL;
}

/* Is the disk that this node has now a voter of that configuration? */
static bool is_voter(const sim_protocol *protocol, uint32_t place, uint64_t number)
{
    const px_node *node = protocol->world->nodes[place]->node;
    const sim_voter *voter = &protocol->voters[place];
    if (!node && voter->storage_id == 0) return !voter->is_emptied; /* or a made-up history, without disks */
    const px_configuration *configuration = find_configuration(protocol, number);
    if (number && !configuration) return false;
    const uint64_t roster_id = node ? node->state.members[place].storage_id : voter->roster_id;
    const uint64_t storage_id = node ? node->state.storage_id : voter->storage_id;
    if (node ? is_behind(voter, node) : voter->behind.storage_id == storage_id) return false;
    return storage_id == (number ? configuration->ids[place] : roster_id);
}

/* What it accepted is part of a majority that chose it, or contains it. [R4, R5] */
static void keep(sim_protocol *protocol, const sim_ballot *ballot, uint32_t voter)
{
    if (!is_voter(protocol, voter, ballot->ballot.config)) return;
    const uint64_t length = ballot->accepted[voter];
    const uint64_t upto = length < protocol->chosen_upto ? length : protocol->chosen_upto;
    if (upto <= protocol->voters[voter].kept) return;
    if (px_ballot_less(ballot->ballot, protocol->chosen[upto].ballot)) return;
    protocol->voters[voter].kept = upto;
}

/* `voter` has accepted the ballot's log up to `length`: what does a majority have? [R1] */
static void count_vote(sim_protocol *protocol, sim_ballot *ballot, uint32_t voter, uint64_t length)
{
    const uint32_t count = protocol->world->options.node_count;
    if (length <= ballot->accepted[voter] || !is_voter(protocol, voter, ballot->ballot.config)) return;
    ballot->accepted[voter] = length;
    keep(protocol, ballot, voter);
    if (length <= protocol->chosen_upto) return;
    uint64_t sorted[PX_MEMBERS_MAX] = {0};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i;
        for (; at > 0 && sorted[at - 1] < ballot->accepted[i]; at--) sorted[at] = sorted[at - 1];
        sorted[at] = ballot->accepted[i];
    }
    const uint64_t majority_has = sorted[count / 2];
    while (protocol->chosen_upto < majority_has) {
        choose(protocol, ballot, voter, protocol->chosen_upto + 1);
        protocol->chosen_upto++;
    }
    for (uint32_t i = 0; i < count; i++) keep(protocol, ballot, i);
}

/* A leader votes for itself without a message; that it led is past by now, perhaps. */
static void count_leader(sim_protocol *protocol, uint32_t place)
{
    const sim_node *node = protocol->world->nodes[place];
    px_core_view view;
    if (!node->node) return;
    px_core_look(node->node->core, &view);
    const px_ballot ballot = view.state.accepted;
    const bool is_own = !px_ballot_is_none(ballot) && ballot.node == place;
    if (!is_own || !px_ballot_equal(ballot, view.state.promised)) return;
    count_vote(protocol, find_ballot(protocol, ballot), place, view.state.durable);
}

/* Are the slots that it states those of the ballot? Under an old accepted ballot pieces of a later one may
 * have come: they are chosen, and no votes. Anything else is a second value. [R6, R9] */
static bool is_vote(const sim_protocol *protocol, const sim_ballot *ballot, uint32_t from,
                    const px_node_state *state)
{
    px_hash own = {0, 0};
    const px_hash theirs = chain_in(ballot, state->durable);
    const px_node *node = protocol->world->nodes[from]->node;
    if (!node || px_hash_is_zero(theirs) || !px_core_chain_at(node->core, state->durable, &own)) return true;
    /* A higher ballot's log may be taken already and not yet be durable: the disk still has this one's. */
    if (!px_ballot_equal(node->core->accepted, ballot->ballot)) return true;
    if (px_hash_equal(theirs, own)) return true;
    sim_check(protocol->world, state->durable <= node->view.state.chosen, "one value",
              "%s accepts another value than ballot %llu proposed at or before slot %llu",
              name_of(protocol, from), (ull)ballot->ballot.number, (ull)state->durable);
    return false;
}

/* Somebody takes all up to `slot` for chosen, with this chain there (zero: it does not say). */
static void claim(sim_protocol *protocol, uint32_t place, uint64_t slot, px_hash chain)
{
    sim_world *world = protocol->world;
    for (uint32_t i = 0; slot > protocol->chosen_upto && i < world->options.node_count; i++)
        count_leader(protocol, i);
    sim_check(world, slot <= protocol->chosen_upto, "chosen by a majority",
              "%s takes slot %llu for chosen, and only %llu slots are accepted by a majority in one ballot",
              name_of(protocol, place), (ull)slot, (ull)protocol->chosen_upto);
    if (slot == 0 || px_hash_is_zero(chain)) return;
    px_hash *known = &protocol->chosen[slot].chain;
    sim_check(world, px_hash_is_zero(*known) || px_hash_equal(*known, chain), "agreement",
              "%s has another value than was chosen at or before slot %llu", name_of(protocol, place),
              (ull)slot);
    *known = chain;
}

void sim_check_claim(sim_world *world, uint32_t place)
{
    const px_node *node = world->nodes[place]->node;
    if (!node) return;
    sim_voter *voter = &world->checks->protocol->voters[place];
    if (!is_behind(voter, node)) voter->behind = (px_recollection){0};
    voter->storage_id = node->state.storage_id;
    voter->roster_id = node->state.members[place].storage_id;
    claim(world->checks->protocol, place, node->view.state.chosen, node->view.state.chosen_chain);
    const uint64_t kept = world->checks->protocol->voters[place].kept;
    const px_claim *claimed = &node->view.claim; /* a damaged log counts as what it was [R16] */
    sim_check(world, node->view.state.taken >= kept || claimed->length >= kept || claimed->is_unsure,
              "accepted stays", "the log of %s ends at slot %llu, and it helped to choose slot %llu",
              name_of(world->checks->protocol, place), (ull)node->view.state.taken, (ull)kept);
}

bool sim_check_is_remembered(const sim_world *world, uint32_t place, uint32_t by)
{
    const sim_protocol *protocol = world->checks->protocol;
    const sim_voter *voter = &protocol->voters[place];
    const px_recollection *memory = &world->nodes[by]->node->state.recollections[place];
    if (memory->storage_id != world->nodes[place]->node->state.storage_id) return false;
    if (px_ballot_less(memory->promised, voter->promised)) return false;
    if (px_ballot_less(memory->promised, voter->campaign)) return false;
    if (is_log_beyond(voter->accepted, voter->cuts, voter->durable, memory)) return false;
    for (size_t i = 0; i < protocol->ballot_count; i++) {
        const sim_ballot *ballot = &protocol->ballots[i];
        const int order = px_ballot_compare(ballot->ballot, memory->accepted);
        if (order > 0 && ballot->accepted[place] > 0) return false;
        if (order == 0 && ballot->accepted[place] > memory->length) return false;
    }
    return true;
}

void sim_check_rolled_back(sim_world *world, uint32_t place, uint32_t by)
{
    sim_check_state_lost(world, place);
    world->checks->protocol->voters[place].behind = world->nodes[by]->node->state.recollections[place];
}

bool sim_check_is_behind(const sim_world *world, uint32_t place)
{
    return is_behind(&world->checks->protocol->voters[place], world->nodes[place]->node);
}

uint64_t sim_check_chosen(const sim_world *world)
{
    return world->checks->protocol->chosen_upto;
}

/* ---- statements [R2, R3] ---- */

static bool is_further(px_ballot accepted, uint64_t cuts, uint64_t length, const sim_voter *voter)
{
    const int order = px_ballot_compare(accepted, voter->accepted);
    if (order != 0) return order > 0;
    return cuts != voter->cuts ? cuts > voter->cuts : length > voter->durable;
}

static void compare_with_image(sim_protocol *protocol, uint32_t from, const char *type,
                               const px_node_state *state, uint64_t length)
{
    sim_world *world = protocol->world;
    world->counts.statements_checked++;
    if (!world->nodes[from]->node) return; /* a made-up history has no disks */
    const sim_image *image = sim_disk_image(&world->nodes[from]->disk);
    sim_check(world, !px_ballot_less(image->promised, state->promised), "stable before said",
              "%s says in a %s that it promised ballot %llu of %llu, its disk has %llu of %llu",
              name_of(protocol, from), type, (ull)state->promised.number, (ull)state->promised.node,
              (ull)image->promised.number, (ull)image->promised.node);
    sim_check(world, !px_ballot_less(image->accepted, state->accepted), "stable before said",
              "%s says in a %s that it accepted ballot %llu, its disk has %llu", name_of(protocol, from),
              type, (ull)state->accepted.number, (ull)image->accepted.number);
    if (!px_ballot_equal(image->accepted, state->accepted) || image->cuts > state->cuts) return;
    sim_check(world, image->length >= length, "stable before said",
              "%s says in a %s that it has %llu slots of ballot %llu, its disk has %llu",
              name_of(protocol, from), type, (ull)length, (ull)state->accepted.number, (ull)image->length);
}

/* The sender states its durable numbers; `length` slots of its log are durable. Where it has promised
 * nothing above its accepted ballot, they are as good as an ACCEPTED: pieces may come under an old accepted
 * ballot, but a majority without such a promise contradicts that anything was chosen above. */
static void state_durable(sim_protocol *protocol, uint32_t from, const char *type, const px_node_state *state,
                          uint64_t length)
{
    sim_voter *voter = &protocol->voters[from];
    sim_check(protocol->world, !px_ballot_less(state->promised, voter->promised), "promise monotone",
              "%s says in a %s that it promised ballot %llu, after it said %llu", name_of(protocol, from),
              type, (ull)state->promised.number, (ull)voter->promised.number);
    voter->promised = state->promised;
    if (is_further(state->accepted, state->cuts, length, voter)) {
        voter->accepted = state->accepted;
        voter->cuts = state->cuts;
        voter->durable = length;
    }
    if (px_ballot_equal(state->promised, state->accepted) && !px_ballot_is_none(state->accepted)) {
        sim_ballot *ballot = find_ballot(protocol, state->accepted);
        if (is_vote(protocol, ballot, from, state)) count_vote(protocol, ballot, from, state->durable);
    }
    compare_with_image(protocol, from, type, state, length);
}

static void on_prepare(sim_protocol *protocol, uint32_t from, const px_message *message)
{
    sim_world *world = protocol->world;
    sim_voter *voter = &protocol->voters[from];
    const uint64_t run = world->nodes[from]->run;
    sim_check(world, message->ballot.node == from, "own ballot", "%s campaigns with a ballot of node %llu",
              name_of(protocol, from), (ull)message->ballot.node);
    sim_check(world, !px_ballot_less(message->ballot, voter->campaign), "own ballot",
              "%s campaigns with ballot %llu after %llu", name_of(protocol, from),
              (ull)message->ballot.number, (ull)voter->campaign.number);
    const bool is_again = px_ballot_equal(message->ballot, voter->campaign);
    sim_check(world, !is_again || voter->campaign_run == run, "no resumed ballot",
              "%s campaigns with ballot %llu of its run before", name_of(protocol, from),
              (ull)message->ballot.number);
    voter->campaign = message->ballot;
    voter->campaign_run = run;
    const px_node_state states = {.promised = message->ballot};
    compare_with_image(protocol, from, "prepare", &states, 0);
}

static void on_promise(sim_protocol *protocol, uint32_t from, const px_message *message)
{
    state_durable(protocol, from, "promise", &message->state, message->state.taken);
    if (!is_voter(protocol, from, message->ballot.config)) return;
    find_ballot(protocol, message->ballot)->promised_mask |= 1u << from;
}

/* Whoever proposes has the promises of a majority of the voters of its ballot's configuration. [R1, R21] */
static void check_elected(const sim_protocol *protocol, const sim_ballot *ballot, uint32_t from)
{
    uint32_t count = 1;
    for (uint32_t i = 0; i < protocol->world->options.node_count; i++)
        if (i != from && ballot->promised_mask >> i & 1) count++;
    sim_check(protocol->world,
              !protocol->world->nodes[from]->node || 2 * count > protocol->world->options.node_count,
              "elected by a majority",
              "%s leads ballot %llu of configuration %llu with %u promises of its voters",
              name_of(protocol, from), (ull)ballot->ballot.number, (ull)ballot->ballot.config, count);
}

static void on_accepted(sim_protocol *protocol, uint32_t from, const px_message *message)
{
    px_node_state state = message->state;
    state.accepted = message->ballot;
    state_durable(protocol, from, "accepted", &state, state.durable);
    sim_check(protocol->world, px_ballot_equal(state.promised, message->ballot), "accept rule",
              "%s accepts ballot %llu and has promised %llu", name_of(protocol, from),
              (ull)message->ballot.number, (ull)state.promised.number);
}

/* ---- the log in messages ---- */

static void on_proposal(sim_protocol *protocol, uint32_t from, const px_message *message)
{
    sim_world *world = protocol->world;
    sim_ballot *ballot = find_ballot(protocol, message->ballot);
    sim_check(world, message->ballot.node == from, "own ballot", "%s proposes in a ballot of node %llu",
              name_of(protocol, from), (ull)message->ballot.node);
    if (ballot->leader_run == 0) check_elected(protocol, ballot, from);
    if (ballot->leader_run == 0) ballot->leader_run = world->nodes[from]->run;
    sim_check(world, ballot->leader_run == world->nodes[from]->run, "no resumed ballot",
              "%s proposes in ballot %llu of its run before", name_of(protocol, from),
              (ull)message->ballot.number);
    if (message->log.after) propose_chain(protocol, ballot, message->log.after, message->log.after_chain);
    for (uint32_t i = 0; i < message->log.count; i++) {
        propose_chain(protocol, ballot, message->log.entries[i].slot, message->log.entries[i].chain);
        sim_changes_see(&protocol->changes, &message->log.entries[i]);
    }
}

static void on_piece(sim_protocol *protocol, uint32_t from, const px_message *message)
{
    for (uint32_t i = 0; i < message->log.count; i++)
        claim(protocol, from, message->log.entries[i].slot, message->log.entries[i].chain);
}

/* Only who is a voter of a complete roster answers as one, and campaigns only in a configuration that is
 * chosen and names its disk. [R18, R19, R21] */
static void check_voter(sim_protocol *protocol, uint32_t from, const px_message *message)
{
    const px_node *node = protocol->world->nodes[from]->node;
    const bool is_vote_kind = message->kind == PX_MESSAGE_PREPARE || message->kind == PX_MESSAGE_PROMISE ||
                              message->kind == PX_MESSAGE_ACCEPTED || message->kind == PX_MESSAGE_PROBED;
    const bool is_leaders = message->kind == PX_MESSAGE_PREPARE || message->kind == PX_MESSAGE_SYNC ||
                            message->kind == PX_MESSAGE_ACCEPT;
    if (!node) return;
    sim_check(protocol->world, !is_vote_kind || node->core->is_voting, "voter", "%s votes, and is no voter",
              name_of(protocol, from));
    if (message->kind == PX_MESSAGE_HEARD)
        sim_check(protocol->world, node->core->voters.is_given, "voter", "%s answers before it may count",
                  name_of(protocol, from));
    sim_check(protocol->world, !is_vote_kind || !is_behind(&protocol->voters[from], node), "voter",
              "%s votes with an older state of its disk", name_of(protocol, from));
    if (!is_leaders) return;
    const uint64_t number = message->ballot.config;
    for (uint32_t i = 0; !is_voter(protocol, from, number) && i < protocol->world->options.node_count; i++)
        count_leader(protocol, i);
    sim_check(protocol->world, is_voter(protocol, from, number), "configuration",
              "%s campaigns or leads in configuration %llu, which is not chosen or knows it by another disk",
              name_of(protocol, from), (ull)number);
}

static void on_message(sim_protocol *protocol, uint32_t from, const px_message *message)
{
    check_voter(protocol, from, message);
    const px_node_state *state = &message->state;
    switch (message->kind) {
    case PX_MESSAGE_HEARD: state_durable(protocol, from, "heard", state, state->durable); break;
    case PX_MESSAGE_PREPARE: on_prepare(protocol, from, message); break;
    case PX_MESSAGE_PROMISE: on_promise(protocol, from, message); break;
    case PX_MESSAGE_REFUSE: state_durable(protocol, from, "refuse", state, state->durable); break;
    case PX_MESSAGE_ACCEPTED: on_accepted(protocol, from, message); break;
    case PX_MESSAGE_PROBED: state_durable(protocol, from, "probed", state, state->durable); break;
    case PX_MESSAGE_SYNC:
    case PX_MESSAGE_ACCEPT: on_proposal(protocol, from, message); break;
    case PX_MESSAGE_PIECE: on_piece(protocol, from, message); break;
    case PX_MESSAGE_HEARTBEAT:
    case PX_MESSAGE_FETCH:
    case PX_MESSAGE_MENDED:
    case PX_MESSAGE_TAIL:
    case PX_MESSAGE_CHOSEN:
    case PX_MESSAGE_PROBE:
    case PX_MESSAGE_TAKE_OVER: break;
    }
    claim(protocol, from, state->chosen, state->chosen_chain);
}

static void decode(sim_protocol *protocol, px_bytes head, px_buffer *body)
{
    const size_t size_bytes = head.size_bytes + body->size_bytes;
    protocol->line = sim_grow(protocol->line, &protocol->line_capacity, size_bytes, 1);
    memcpy(protocol->line, head.data, head.size_bytes);
    memcpy(protocol->line + head.size_bytes, body->data, body->size_bytes);
    const char *fault = NULL;
    const px_wire_entries entries = {protocol->entries, PX_WINDOW_SLOTS};
    px_buffer_release(protocol->body);
    protocol->body = px_buffer_retain(body);
    sim_check(protocol->world, size_bytes > 2 && body->data[body->size_bytes - 1] == '\n', "codec",
              "a message does not end as it should");
    const px_err err =
        px_wire_decode(protocol->line, size_bytes - 2, 1u << 20, &entries, &protocol->wire, &fault);
    sim_check(protocol->world, err == PX_OK, "codec", "a message cannot be decoded: %s: %.*s", fault,
              (int)(size_bytes < 200 ? size_bytes : 200), (const char *)body->data);
}

const px_wire *sim_check_sent(sim_world *world, uint32_t from, uint32_t to, px_bytes head, px_buffer *body)
{
    sim_protocol *protocol = world->checks->protocol;
    const bool is_known = protocol->body == body && protocol->wire.kind != PX_WIRE_HELLO;
    if (!is_known) decode(protocol, head, body);
    sim_trace(world, "%s -> %u  %s%.*s", world->nodes[from]->name, to + 1, protocol->body == body ? "" : "?",
              (int)(body->size_bytes > 300 ? 300 : body->size_bytes - 2), (const char *)body->data);
    if (!is_known && protocol->wire.kind == PX_WIRE_CORE) on_message(protocol, from, &protocol->wire.core);
    return &protocol->wire;
}

/* ---- starts ---- */

void sim_check_start(sim_world *world, uint32_t place)
{
    sim_protocol *protocol = world->checks->protocol;
    sim_voter *voter = &protocol->voters[place];
    voter->is_emptied = false;
    const px_node_state *state = &world->nodes[place]->node->view.state;
    sim_check(world, !px_ballot_less(state->promised, voter->promised), "promise monotone",
              "%s starts with promised %llu, and had said %llu", name_of(protocol, place),
              (ull)state->promised.number, (ull)voter->promised.number);
    const int order = px_ballot_compare(state->accepted, voter->accepted);
    const px_claim *claimed = &world->nodes[place]->node->view.claim;
    const uint64_t length = state->durable > claimed->length ? state->durable : claimed->length;
    if (claimed->is_unsure) return; /* it says nothing of what it accepted [R16] */
    sim_check(world, order >= 0, "stable before said",
              "%s starts with accepted ballot %llu, and had said %llu", name_of(protocol, place),
              (ull)state->accepted.number, (ull)voter->accepted.number);
    const bool is_short =
        order == 0 && (state->cuts < voter->cuts || (state->cuts == voter->cuts && length < voter->durable));
    sim_check(world, !is_short, "stable before said",
              "%s starts with %llu slots (cut %llu times), had said %llu (%llu)", name_of(protocol, place),
              (ull)length, (ull)state->cuts, (ull)voter->durable, (ull)voter->cuts);
    sim_check_claim(world, place);
}

/* ---- disks that are not what they were ---- */

void sim_check_refusal(sim_world *world, uint32_t place, px_err err)
{
    const sim_node *node = world->nodes[place];
    if (err == PX_ERR_NO_SPACE) return;
    sim_check(world, sim_disk_is_hurt(&node->disk), "start",
              "%s cannot open its log, which nobody damaged: %s", node->name, px_err_text(err));
}

void sim_check_state_lost(sim_world *world, uint32_t place)
{
    world->checks->protocol->voters[place] = (sim_voter){.is_emptied = true};
    sim_check_kept_lost(world, place); /* it was of the log that is lost */
}

void sim_check_emptied(sim_world *world, uint32_t place)
{
    sim_check_state_lost(world, place);
    sim_consumers_forget(&world->nodes[place]->app.consumers);
}
