/* election_test.c - wherever some node and a majority reach each other both ways, one leader comes and stays.
 */
// SPDX-License-Identifier: Apache-2.0
#include "cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define HEARTBEAT_US 100000u
/* A round lasts at most 11/10 of a heartbeat. */
#define ROUND_US_MAX (HEARTBEAT_US + HEARTBEAT_US / 10)

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

/* How many rounds until a leader has come that stays and chooses; UINT32_MAX where none has within 15. Links
 * break either while somebody leads, or before a start from random promises. */
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
    for (uint32_t round = 1; round <= 20; round++) {
        cluster_run(cluster, ROUND_US_MAX);
        const uint32_t leader = cluster_leader(cluster);
        if (leader != leader_before || elections != count_elections(cluster)) rounds = round;
        leader_before = leader;
        elections = count_elections(cluster);
    }
    if (leader_before == PX_MEMBERS_MAX || rounds > 15) rounds = UINT32_MAX;
    if (leader_before != PX_MEMBERS_MAX) {
        const size_t chosen = cluster->chosen_count;
        assert_true(cluster_propose(cluster, leader_before));
        cluster_run(cluster, HEARTBEAT_US);
        if (cluster->chosen_count == chosen) rounds = UINT32_MAX;
    }
    cluster_close(cluster);
    return rounds;
}

/* Tries `step`-th graphs; prints how long they took. */
static void try_graphs(uint32_t member_count, uint64_t step)
{
    const uint64_t graphs = (uint64_t)1 << member_count * (member_count - 1);
    uint32_t worst = 0, tried = 0;
    for (uint64_t graph = 0; graph < graphs; graph += step) {
        if (!has_quorum_connected(member_count, graph)) continue;
        const uint32_t rounds = rounds_to_leader(member_count, graph, graph / step + 1);
        if (rounds == UINT32_MAX)
            fail_msg("graph %llx of %u members has no stable leader", (unsigned long long)graph,
                     member_count);
        tried++;
        if (rounds > worst) worst = rounds;
    }
    print_message("%u graphs of %u members: at most %u rounds\n", tried, member_count, worst);
    assert_true(tried > 0);
}

static void election__settles_on_every_graph_of_three(void **state)
{
    (void)state;
    try_graphs(3, 1);
}

static void election__settles_on_graphs_of_four_and_five(void **state)
{
    (void)state;
    const char *all = getenv("PX_ALL_GRAPHS");
    try_graphs(4, all ? 1 : 11);
    try_graphs(5, all ? strtoull(all, NULL, 10) : 4099);
}

static void election__replaces_a_dead_leader_within_four_rounds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        px_cluster *cluster = open_cluster(3, seed);
        cluster_run(cluster, 6 * ROUND_US_MAX);
        const uint32_t leader = cluster_leader(cluster);
        assert_true(leader < 3);
        cluster_crash(cluster, leader);
        cluster_run(cluster, 4 * ROUND_US_MAX);
        assert_true(cluster_leader(cluster) < 3);
        cluster_close(cluster);
    }
}

static void election__hands_over_without_waiting(void **state)
{
    (void)state;
    px_cluster *cluster = open_cluster(3, 1);
    cluster_run(cluster, 6 * ROUND_US_MAX);
    const uint32_t leader = cluster_leader(cluster);
    const uint32_t next = (leader + 1) % 3;
    px_input input = {.kind = PX_IN_TRANSFER, .transfer = next};
    cluster_step(cluster, leader, &input);
    cluster_run(cluster, HEARTBEAT_US / 4);
    assert_int_equal(cluster_leader(cluster), next);
    cluster_run(cluster, 10 * ROUND_US_MAX);
    assert_int_equal(cluster_leader(cluster), next);
    cluster_close(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(election__settles_on_every_graph_of_three),
        cmocka_unit_test(election__settles_on_graphs_of_four_and_five),
        cmocka_unit_test(election__replaces_a_dead_leader_within_four_rounds),
        cmocka_unit_test(election__hands_over_without_waiting),
    };
    return cmocka_run_group_tests_name("election", tests, NULL, NULL);
}
