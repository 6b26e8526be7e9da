/* graphs_test.c - wherever some node and a majority reach each other both ways, one leader comes and stays.
 *
 * Meaning    The real core on every directed graph of three and four nodes, and of five up to renaming, each
 *            under several names; with PX_ALL_GRAPHS=1 (`make graphs`) on all 1,048,576 of five. Links break
 *            while somebody leads or campaigns, or before a start from random promises. Within four election
 *            timeouts there must be one leader, who stays, and what it proposes is chosen; and whoever
 *            reaches it both ways, or somebody who does, knows it.
 * Source     [R13, R14]. */
// SPDX-License-Identifier: Apache-2.0
#include "cluster.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define HEARTBEAT_US 100000u
/* A round lasts at most 11/10 of a heartbeat. */
#define ROUND_US_MAX (HEARTBEAT_US + HEARTBEAT_US / 10)
/* Four election timeouts of three rounds each. */
#define ROUNDS_MAX 12u
/* So long it is watched: a leader that stays, stays in the rest of them. */
#define ROUNDS_WATCHED 24u
#define NODES 5u
#define GRAPHS ((uint32_t)1 << NODES * (NODES - 1))

static uint32_t tried, histogram[ROUNDS_MAX + 1];

static px_cluster *open_cluster(uint32_t member_count, uint64_t seed)
{
    const cluster_config config = {
        .member_count = member_count,
        .seed = seed,
        .heartbeat_us = HEARTBEAT_US,
        .delay_us_max = 2000,
        .sync_us_max = 1000,
        .piece_entries_max = 8,
        .message_bytes = 20,
    };
    return cluster_open(&config);
}

/* Bit n of a graph is the n-th pair (from, to), from != to. */
static bool has_edge(uint32_t member_count, uint64_t graph, uint32_t from, uint32_t to)
{
    const uint32_t place = from * (member_count - 1) + (to > from ? to - 1 : to);
    return graph >> place & 1;
}

static bool is_quorum_connected(uint32_t member_count, uint64_t graph, uint32_t node)
{
    uint32_t mutual = 1;
    for (uint32_t other = 0; other < member_count; other++) {
        if (other == node) continue;
        if (has_edge(member_count, graph, node, other) && has_edge(member_count, graph, other, node))
            mutual++;
    }
    return mutual > member_count / 2;
}

static bool has_quorum_connected(uint32_t member_count, uint64_t graph)
{
    for (uint32_t node = 0; node < member_count; node++)
        if (is_quorum_connected(member_count, graph, node)) return true;
    return false;
}

/* A bad start: everybody promised something else, and nobody leads. */
static void promise_at_random(px_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->config.member_count; i++) {
        cluster_crash(cluster, i);
        const px_ballot promised = {0, 1 + px_prng_below(&cluster->prng, 20),
                                    px_prng_below(&cluster->prng, cluster->config.member_count)};
        cluster_write_promise(cluster, i, promised);
    }
    for (uint32_t i = 0; i < cluster->config.member_count; i++) cluster_start(cluster, i);
}

static uint64_t count_elections(const px_cluster *cluster)
{
    uint64_t elections = 0;
    for (uint32_t i = 0; i < cluster->config.member_count; i++) elections += cluster->nodes[i].view.elections;
    return elections;
}

static void draw_graph(px_cluster *cluster, uint64_t graph)
{
    const uint32_t count = cluster->config.member_count;
    for (uint32_t from = 0; from < count; from++)
        for (uint32_t to = 0; to < count; to++)
            if (from != to) cluster_reach(cluster, from, to, has_edge(count, graph, from, to));
}

static bool is_mutual(uint32_t member_count, uint64_t graph, uint32_t one, uint32_t other)
{
    return has_edge(member_count, graph, one, other) && has_edge(member_count, graph, other, one);
}

/* Does `node` reach the leader both ways, itself or by way of one other? [R10] */
static bool is_near(uint32_t member_count, uint64_t graph, uint32_t node, uint32_t leader)
{
    if (node == leader || is_mutual(member_count, graph, node, leader)) return true;
    for (uint32_t relay = 0; relay < member_count; relay++) {
        if (relay == node || relay == leader) continue;
        if (is_mutual(member_count, graph, node, relay) && is_mutual(member_count, graph, relay, leader))
            return true;
    }
    return false;
}

/* Does everybody near the leader know it? */
static bool is_known(const px_cluster *cluster, uint64_t graph, uint32_t leader)
{
    const uint32_t count = cluster->config.member_count;
    const px_ballot ballot = cluster->nodes[leader].view.leader;
    for (uint32_t node = 0; node < count; node++)
        if (is_near(count, graph, node, leader) && !px_ballot_equal(cluster->nodes[node].view.leader, ballot))
            return false;
    return true;
}

/* How many rounds until a leader has come that stays and chooses; UINT32_MAX where none has. Links break
 * either while somebody leads, or before a start from random promises. */
static uint32_t rounds_to_leader(uint32_t member_count, uint64_t graph, uint64_t seed)
{
    px_cluster *cluster = open_cluster(member_count, seed);
    cluster->is_checking = false;
    if (seed % 2) cluster_run(cluster, (2 + seed % 8) * ROUND_US_MAX);
    draw_graph(cluster, graph);
    if (seed % 4 == 0) promise_at_random(cluster);
    uint32_t rounds = UINT32_MAX;
    uint64_t elections = UINT64_MAX;
    uint32_t leader_before = PX_MEMBERS_MAX;
    for (uint32_t round = 1; round <= ROUNDS_WATCHED; round++) {
        cluster_run(cluster, ROUND_US_MAX);
        const uint32_t leader = cluster_leader(cluster);
        if (leader != leader_before || elections != count_elections(cluster)) rounds = round;
        if (leader < PX_MEMBERS_MAX && !is_known(cluster, graph, leader)) rounds = round;
        leader_before = leader;
        elections = count_elections(cluster);
    }
    const size_t chosen = cluster->chosen_count;
    if (leader_before == PX_MEMBERS_MAX || !cluster_propose(cluster, leader_before)) rounds = UINT32_MAX;
    cluster_run(cluster, HEARTBEAT_US);
    if (cluster->chosen_count == chosen) rounds = UINT32_MAX;
    cluster_close(cluster);
    return rounds;
}

static void try_graph(uint32_t member_count, uint64_t graph, uint64_t seed)
{
    if (!has_quorum_connected(member_count, graph)) return;
    const uint32_t rounds = rounds_to_leader(member_count, graph, seed);
    if (rounds > ROUNDS_MAX)
        fail_msg("graph %llx of %u members has no stable leader from start %llu", (unsigned long long)graph,
                 member_count, (unsigned long long)seed);
    tried++;
    histogram[rounds]++;
}

static void begin(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 30); /* clusters come and go: their memory stays */
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
    tried = 0;
    for (uint32_t i = 0; i <= ROUNDS_MAX; i++) histogram[i] = 0;
}

static void say(const char *what)
{
    assert_true(tried > 0);
    print_message("%s: %u runs; rounds until the leader who stays:", what, tried);
    for (uint32_t i = 1; i <= ROUNDS_MAX; i++) print_message(" %u", histogram[i]);
    print_message("\n");
}

/* ---- graphs up to renaming ---- */

/* The graph with its nodes renamed. */
static uint32_t rename_nodes(uint32_t graph, const uint32_t *names)
{
    uint32_t renamed = 0;
    for (uint32_t from = 0; from < NODES; from++) {
        for (uint32_t to = 0; to < NODES; to++) {
            if (from == to || !has_edge(NODES, graph, from, to)) continue;
            const uint32_t other = names[to];
            renamed |= 1u << (names[from] * (NODES - 1) + (other > names[from] ? other - 1 : other));
        }
    }
    return renamed;
}

/* The number-th order of the nodes, 0 to 119. */
static void name_nodes(uint32_t number, uint32_t *names)
{
    for (uint32_t i = 0; i < NODES; i++) names[i] = i;
    for (uint32_t left = NODES; left > 1; left--) {
        const uint32_t place = number % left, last = names[left - 1];
        number /= left;
        names[left - 1] = names[place];
        names[place] = last;
    }
}

#define ORDERS 120u
/* Names under which each is tried, one for each kind of start. */
#define NAMES 4u

static void graphs__of_five_up_to_renaming_settle(void **state)
{
    (void)state;
    uint8_t *is_seen = calloc(GRAPHS, 1);
    uint32_t classes = 0;
    assert_non_null(is_seen);
    begin();
    for (uint32_t graph = 0; graph < GRAPHS; graph++) {
        if (is_seen[graph]) continue;
        classes++;
        for (uint32_t order = 0; order < ORDERS; order++) {
            uint32_t names[NODES];
            name_nodes(order, names);
            const uint32_t renamed = rename_nodes(graph, names);
            is_seen[renamed] = 1;
            if (order % (ORDERS / NAMES) == 0)
                try_graph(NODES, renamed, 4 * (uint64_t)classes + order / (ORDERS / NAMES));
        }
    }
    free(is_seen);
    assert_int_equal(classes, 9608);
    say("graphs of five up to renaming");
}

static void graphs__of_three_and_four_settle(void **state)
{
    (void)state;
    begin();
    for (uint32_t start = 0; start < 4; start++)
        for (uint64_t graph = 0; graph < 64; graph++) try_graph(3, graph, 4 * graph + start);
    for (uint64_t graph = 0; graph < 4096; graph++) try_graph(4, graph, graph + graph / 64);
    say("graphs of three and four");
}

static void graphs__of_five_settle(void **state)
{
    (void)state;
    begin();
    for (uint64_t graph = 0; graph < GRAPHS; graph++) try_graph(NODES, graph, graph + graph / 1024);
    say("all graphs of five");
}

int main(void)
{
    const struct CMUnitTest few[] = {
        cmocka_unit_test(graphs__of_three_and_four_settle),
        cmocka_unit_test(graphs__of_five_up_to_renaming_settle),
    };
    const struct CMUnitTest all[] = {cmocka_unit_test(graphs__of_five_settle)};
    if (getenv("PX_ALL_GRAPHS")) return cmocka_run_group_tests_name("graphs", all, NULL, NULL);
    return cmocka_run_group_tests_name("graphs", few, NULL, NULL);
}
