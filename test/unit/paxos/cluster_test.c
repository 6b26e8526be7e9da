/* cluster_test.c - whole clusters of cores agree, whatever the network, the disks and crashes do. */
// SPDX-License-Identifier: Apache-2.0
#include "cluster.h"

#include "support/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define SECOND_US 1000000u

static cluster_config calm_config(uint32_t member_count, uint64_t seed)
{
    return (cluster_config){
        .member_count = member_count,
        .seed = seed,
        .heartbeat_us = 100000,
        .delay_us_max = 2000,
        .sync_us_max = 3000,
        .piece_entries_max = 8,
        .message_bytes = 20,
    };
}

/* Proposes wherever a node thinks it leads, for so long. */
static void run_under_load(px_cluster *cluster, uint64_t for_us, uint64_t every_us)
{
    const uint64_t end_us = cluster->now_us + for_us;
    while (cluster->now_us < end_us) {
        for (uint32_t i = 0; i < cluster->config.member_count; i++) (void)cluster_propose(cluster, i);
        if (px_prng_below(&cluster->prng, 4) == 0)
            cluster_ask(cluster, (uint32_t)px_prng_below(&cluster->prng, cluster->config.member_count));
        cluster_run(cluster, every_us);
    }
}

static void cluster__of_one_leads_at_once_and_chooses(void **state)
{
    (void)state;
    const cluster_config config = calm_config(1, 1);
    px_cluster *cluster = cluster_open(&config);
    cluster_run(cluster, 10000);
    assert_int_equal(cluster_leader(cluster), 0);
    run_under_load(cluster, SECOND_US, 5000);
    assert_true(cluster->chosen_count > 50);
    cluster_close(cluster);
}

static void cluster__of_three_and_five_elects_within_four_rounds_and_chooses(void **state)
{
    (void)state;
    for (uint32_t members = 2; members <= 7; members++) {
        const cluster_config config = calm_config(members, members);
        px_cluster *cluster = cluster_open(&config);
        cluster_run(cluster, 4 * config.heartbeat_us);
        assert_true(cluster_leader(cluster) < members);
        run_under_load(cluster, 2 * SECOND_US, 2000);
        assert_true(cluster->chosen_count > 200);
        assert_true(cluster->answers_ok > 10);
        assert_true(cluster_run_until(cluster, SECOND_US, cluster_is_converged));
        cluster_close(cluster);
    }
}

static void start_all(px_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->config.member_count; i++)
        if (!cluster->nodes[i].is_up) cluster_start(cluster, i);
}

static void reach_all(px_cluster *cluster)
{
    const uint32_t count = cluster->config.member_count;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < count; k++)
            if (i != k) cluster_reach(cluster, i, k, true);
}

/* One random fault, or its end. */
static void disturb(px_cluster *cluster)
{
    const uint32_t count = cluster->config.member_count;
    const uint32_t a = (uint32_t)px_prng_below(&cluster->prng, count);
    const uint32_t b = (uint32_t)px_prng_below(&cluster->prng, count);
    const uint32_t leader = cluster_leader(cluster);
    px_input transfer = {.kind = PX_IN_TRANSFER, .transfer = PX_MEMBERS_MAX};
    switch (px_prng_below(&cluster->prng, 12)) {
    case 0: /* all at once */
        for (uint32_t i = 0; i < count; i++)
            if (cluster->nodes[i].is_up) cluster_crash(cluster, i);
        start_all(cluster);
        break;
    case 1:
    case 2:
        if (cluster->nodes[a].is_up) cluster_crash(cluster, a);
        break;
    case 3:
        if (leader < count) cluster_crash(cluster, leader);
        if (leader < count && a % 2) cluster_start(cluster, leader);
        break;
    case 4:
    case 5:
        if (a != b) cluster_reach(cluster, a, b, false);
        break;
    case 6:
        for (uint32_t i = 0; i < count && leader < count; i++)
            if (i != leader) cluster_reach(cluster, leader, i, i % 2);
        break;
    case 7:
        if (cluster->nodes[a].is_up) cluster_step(cluster, a, &transfer);
        break;
    case 8:
    case 9: start_all(cluster); break;
    case 10: reach_all(cluster); break;
    case 11:
        start_all(cluster);
        reach_all(cluster);
        break;
    }
}

static void run_storm(uint32_t members, uint64_t seed)
{
    cluster_config config = calm_config(members, seed);
    config.loss_percent = (uint32_t)(seed % 4) * 10;
    config.repeat_percent = 10;
    config.delay_us_max = 1000 + 20000 * (seed / 2 % 5);
    config.sync_us_max = 1000 + 100000 * (seed / 4 % 4);
    const uint64_t pause_us = 30000 * (1 + seed / 8 % 4);
    px_cluster *cluster = cluster_open(&config);
    for (uint32_t i = 0; i < 100; i++) {
        run_under_load(cluster, pause_us + px_prng_below(&cluster->prng, 2 * pause_us), 7000);
        disturb(cluster);
    }
    cluster_heal(cluster);
    const bool is_converged = cluster_run_until(cluster, 30 * (uint64_t)SECOND_US, cluster_is_converged);
    if (getenv("PX_STORY"))
        print_message("seed %llu: %zu slots of %llu proposals, %llu messages, %llu of %llu barriers\n",
                      (unsigned long long)seed, cluster->chosen_count, (unsigned long long)cluster->proposals,
                      (unsigned long long)cluster->messages_sent, (unsigned long long)cluster->answers_ok,
                      (unsigned long long)cluster->barrier_count);
    if (!is_converged)
        print_message("seed %llu of %u members does not converge\n", (unsigned long long)seed, members);
    assert_true(is_converged);
    cluster_close(cluster);
}

static void cluster__survives_storms_of_faults(void **state)
{
    (void)state;
    const char *only = getenv("PX_SEED");
    const char *count = getenv("PX_SEEDS");
    const uint64_t seeds = count ? strtoull(count, NULL, 10) : 40;
    px_marks_clear();
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        if (only && strtoull(only, NULL, 10) != seed) continue;
        run_storm(seed % 2 ? 3 : 5, seed);
    }
    static const char *const rare[] = {
        "piece_cuts",      "tail_adopted",           "sent_again", "handed_over", "sync_cuts",
        "slot_came_twice", "campaign_above_unserved"};
    for (size_t i = 0; i < sizeof rare / sizeof *rare && !only; i++) {
        if (px_mark_count(rare[i]) == 0) fail_msg("no storm reached %s", rare[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cluster__of_one_leads_at_once_and_chooses),
        cmocka_unit_test(cluster__of_three_and_five_elects_within_four_rounds_and_chooses),
        cmocka_unit_test(cluster__survives_storms_of_faults),
    };
    return cmocka_run_group_tests_name("cluster", tests, NULL, NULL);
}
