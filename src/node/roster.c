/* roster.c - the first start of a cluster: who its members are, agreed before anybody votes.
 *
 * Meaning    Two steps. Who hears all configured members writes the roster (name -> storage id); its hash is
 *            the cluster id. A node votes only once every
 *            member has said that it wrote this same roster; it makes `complete` durable before its first
 *            vote, and says so. Who hears `complete` of a
 *            roster that names its own storage id takes that one. A node that a complete roster does not name
 *            has an emptied disk: it learns, it never votes.
 * Holds      A roster is written only with all members linked and none heard to have a complete one. A
 *            complete roster never changes here.
 * Source     protocol.md [R18, R19]. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "node/node_priv.h"
#include <stdio.h>
#include <string.h>

/* While a first start waits: its log says for whom, first and again. */
#define FIRST_WAIT_US 5000000u
#define NEXT_WAIT_US 30000000u

static void hex_of(const uint8_t id[16], char hex[33])
{
    for (size_t i = 0; i < 16; i++) (void)snprintf(hex + 2 * i, 3, "%02x", id[i]);
}

size_t px_roster_cluster_hex(const px_node *node, char hex[33])
{
    hex[0] = 0;
    if (node->state.roster_state == PX_ROSTER_NONE) return 0;
    hex_of(node->state.cluster_id, hex);
    return 32;
}

static int digit_of(uint8_t sign)
{
    if (sign >= '0' && sign <= '9') return sign - '0';
    if (sign >= 'a' && sign <= 'f') return sign - 'a' + 10;
    return -1;
}

static bool id_of_hex(px_bytes hex, uint8_t id[16])
{
    if (hex.size_bytes != 32) return false;
    for (size_t i = 0; i < 16; i++) {
        const int high = digit_of(hex.data[2 * i]), low = digit_of(hex.data[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        id[i] = (uint8_t)(16 * high + low);
    }
    return true;
}

/* The roster's hash: names and storage ids in order. */
static void cluster_id_of(const px_state *state, uint8_t id[16])
{
    uint8_t text[PX_MEMBERS_MAX * (PX_NAME_BYTES_MAX + 8)];
    size_t used = 0;
    memset(text, 0, sizeof text);
    for (uint32_t i = 0; i < state->member_count; i++) {
        memcpy(text + used, state->members[i].name, PX_NAME_BYTES_MAX);
        used += PX_NAME_BYTES_MAX;
        for (unsigned byte = 0; byte < 8; byte++)
            text[used++] = (uint8_t)(state->members[i].storage_id >> (8 * byte));
    }
    const px_hash hash = px_hash_of(text, used);
    for (unsigned byte = 0; byte < 8; byte++) {
        id[byte] = (uint8_t)(hash.high >> (56 - 8 * byte));
        id[8 + byte] = (uint8_t)(hash.low >> (56 - 8 * byte));
    }
}

void px_roster_fill(const px_node *node, px_wire_member *members)
{
    const bool is_written = node->state.roster_state != PX_ROSTER_NONE;
    for (uint32_t i = 0; i < node->member_count; i++) {
        const char *name = node->members[i].name;
        members[i].name = (px_bytes){(const uint8_t *)name, strlen(name)};
        members[i].storage_id = is_written ? node->state.members[i].storage_id : 0;
    }
}

static void say_roster(px_node *node)
{
    char hex[33];
    px_wire wire = {.kind = PX_WIRE_ROSTER};
    wire.roster.roster = (px_roster_state)node->state.roster_state;
    wire.roster.cluster_id = (px_bytes){(const uint8_t *)hex, px_roster_cluster_hex(node, hex)};
    wire.roster.member_count = node->member_count;
    px_roster_fill(node, wire.roster.members);
    (void)px_shell_send(node, (1u << node->member_count) - 1, PX_LANE_CONTROL, &wire);
}

/* Both copies are durable when this returns: a roster is written a few times in a cluster's life. */
static bool write_state(px_node *node)
{
    const px_err err = px_wal_write_state_now(node->wal, &node->state);
    if (err) node->ports.fatal(node->ports.fatal_context, "the small state cannot be written");
    return err == PX_OK;
}

static void start_voting(px_node *node)
{
    char hex[33];
    (void)px_roster_cluster_hex(node, hex);
    px_log_event(node->ports.log, PX_LOG_INFO, "roster: cluster %.8s of %u members is complete", hex,
                 node->member_count);
    node->is_roster_told = true;
    px_roster_tell(node);
}

void px_roster_tell(px_node *node)
{
    if (!node->is_roster_told) return;
    px_input input = {.kind = PX_IN_ROSTER, .roster.own_id = node->state.storage_id};
    for (uint32_t i = 0; i < node->member_count; i++) input.roster.ids[i] = node->state.members[i].storage_id;
    px_shell_step(node, &input);
}

/* Has every other member said in this run what it remembers of this disk? */
static bool all_said_hello(const px_node *node)
{
    for (uint32_t i = 0; i < node->member_count; i++)
        if (i != node->self && node->members[i].incarnation.storage_id == 0) return false;
    return true;
}

static bool all_linked(const px_node *node)
{
    for (uint32_t i = 0; i < node->member_count; i++)
        if (i != node->self && !node->members[i].is_linked) return false;
    return true;
}

/* Whoever starts a cluster for the first time and looks into a log is to see what it waits for. */
static void say_missing(px_node *node)
{
    char words[PX_NAME_BYTES_MAX];
    const uint64_t now_us = px_node_now_us(node);
    const uint64_t first_us = node->start_us + FIRST_WAIT_US;
    if (all_linked(node) || now_us < first_us || now_us < node->missing_again_us) return;
    px_roster_missing(node, words, sizeof words);
    px_log_event(node->ports.log, PX_LOG_INFO, "waiting: %s", words);
    node->missing_again_us = now_us + NEXT_WAIT_US;
}

/* A disk that was rolled back is to be found before it votes: whoever is there gets the time to say hello.
 * [R19] */
void px_roster_turn(px_node *node)
{
    if (node->is_roster_told) return;
    if (node->state.roster_state != PX_ROSTER_COMPLETE) {
        say_missing(node);
        return;
    }
    const bool is_waited = px_node_now_us(node) - node->start_us >= px_node_election_us(node);
    if (is_waited || all_said_hello(node) || PX_MUTANT("r19_votes_before_hello")) start_voting(node);
}

static void complete(px_node *node)
{
    node->state.roster_state = PX_ROSTER_COMPLETE;
    if (!write_state(node)) return;
    say_roster(node);
}

/* Writes the roster of those who are linked now. */
static void write_roster(px_node *node)
{
    px_state *state = &node->state;
    state->roster_state = PX_ROSTER_WRITTEN;
    state->member_count = node->member_count;
    for (uint32_t i = 0; i < node->member_count; i++) {
        memset(state->members[i].name, 0, sizeof state->members[i].name);
        (void)snprintf(state->members[i].name, sizeof state->members[i].name, "%s", node->members[i].name);
        state->members[i].storage_id =
            i == node->self ? state->storage_id : node->members[i].incarnation.storage_id;
    }
    cluster_id_of(state, state->cluster_id);
    if (!write_state(node)) return;
    say_roster(node);
}

static bool none_complete(const px_node *node)
{
    for (uint32_t i = 0; i < node->member_count; i++)
        if (i != node->self && node->members[i].roster == PX_ROSTER_COMPLETE) return false;
    return true;
}

/* Is what this node wrote what is linked now? A member that came back with another disk makes it stale. */
static bool is_written_current(const px_node *node)
{
    if (node->state.roster_state != PX_ROSTER_WRITTEN) return false;
    for (uint32_t i = 0; i < node->member_count; i++) {
        const uint64_t now =
            i == node->self ? node->state.storage_id : node->members[i].incarnation.storage_id;
        if (node->state.members[i].storage_id != now) return false;
    }
    return true;
}

static bool all_wrote_this(const px_node *node)
{
    for (uint32_t i = 0; i < node->member_count; i++) {
        if (i == node->self) continue;
        const px_member *member = &node->members[i];
        if (!member->is_linked || member->roster == PX_ROSTER_NONE) return false;
        if (memcmp(member->cluster_id, node->state.cluster_id, 16) != 0) return false;
    }
    return true;
}

/* As far as it fits. */
static void add_words(px_wal_fault *fault, const char *words)
{
    const size_t used = strlen(fault->what);
    (void)snprintf(fault->what + used, sizeof fault->what - used, " %s", words);
}

bool px_roster_fits(const px_node *node, px_wal_fault *fault)
{
    const px_state *state = &node->state;
    if (state->roster_state == PX_ROSTER_NONE) return true;
    bool is_same = state->member_count == node->member_count;
    for (uint32_t i = 0; is_same && i < node->member_count; i++)
        is_same = strcmp(state->members[i].name, node->members[i].name) == 0;
    if (is_same) return true;
    (void)snprintf(fault->where, sizeof fault->where, "servers");
    (void)snprintf(fault->what, sizeof fault->what, "mend the names, or name another data_dir; it is of");
    for (uint32_t i = 0; i < state->member_count; i++) add_words(fault, state->members[i].name);
    add_words(fault, "and the configuration has");
    for (uint32_t i = 0; i < node->member_count; i++) add_words(fault, node->members[i].name);
    return false;
}

void px_roster_on_news(px_node *node)
{
    if (node->state.roster_state == PX_ROSTER_COMPLETE || !all_linked(node)) return;
    if (!is_written_current(node) && none_complete(node)) write_roster(node);
    if (node->state.roster_state == PX_ROSTER_WRITTEN && is_written_current(node) && all_wrote_this(node))
        complete(node);
}

/* Takes a roster that its sender knows complete: this node is named in it, or its disk was emptied. */
static void take_complete(px_node *node, px_bytes cluster_id, uint32_t count, const px_wire_member *members)
{
    px_state taken = node->state;
    taken.member_count = count;
    for (uint32_t i = 0; i < count; i++) {
        memset(taken.members[i].name, 0, sizeof taken.members[i].name);
        (void)snprintf(taken.members[i].name, sizeof taken.members[i].name, "%s", node->members[i].name);
        taken.members[i].storage_id = members[i].storage_id;
    }
    uint8_t told[16];
    cluster_id_of(&taken, taken.cluster_id);
    if (!id_of_hex(cluster_id, told) || memcmp(told, taken.cluster_id, 16) != 0) return;
    node->state = taken;
    complete(node);
}

void px_roster_on_message(px_node *node, uint32_t from, px_roster_state state, px_bytes cluster_id,
                          uint32_t count, const px_wire_member *members)
{
    px_member *member = &node->members[from];
    if (count != node->member_count) return;
    member->roster = state;
    memset(member->cluster_id, 0, sizeof member->cluster_id);
    if (state != PX_ROSTER_NONE && !id_of_hex(cluster_id, member->cluster_id))
        member->roster = PX_ROSTER_NONE;
    if (member->roster == PX_ROSTER_COMPLETE && node->state.roster_state != PX_ROSTER_COMPLETE)
        take_complete(node, cluster_id, count, members);
    px_roster_on_news(node);
}

void px_roster_start(px_node *node)
{
    px_roster_on_news(node);
    px_roster_turn(node);
}

void px_roster_missing(const px_node *node, char *words, size_t size_bytes)
{
    size_t used = 0;
    words[0] = 0;
    if (node->state.roster_state == PX_ROSTER_COMPLETE) return;
    used += (size_t)snprintf(words, size_bytes,
                             "the first start of the cluster needs every member once; not here yet:");
    for (uint32_t i = 0; i < node->member_count && used < size_bytes; i++) {
        if (i == node->self || node->members[i].is_linked) continue;
        used += (size_t)snprintf(words + used, size_bytes - used, " %s", node->members[i].name);
    }
}
