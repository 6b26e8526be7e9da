/* election_test.c - who leads after a leader died or handed over. */
// SPDX-License-Identifier: Apache-2.0
#include "cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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
        cmocka_unit_test(election__replaces_a_dead_leader_within_four_rounds),
        cmocka_unit_test(election__hands_over_without_waiting),
    };
    return cmocka_run_group_tests_name("election", tests, NULL, NULL);
}
