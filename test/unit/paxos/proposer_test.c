/* proposer_test.c - the window, streams that stall or fall behind, and losing networks: whole clusters again.
 */
// SPDX-License-Identifier: Apache-2.0
#include "cluster.h"

#include "base/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define SECOND_US 1000000u

static px_cluster *open_cluster(uint32_t member_count, uint64_t seed)
{
    const cluster_config config = {
        .member_count = member_count,
        .seed = seed,
        .heartbeat_us = 100000,
        .delay_us_max = 1000,
        .sync_us_max = 1000,
        .piece_entries_max = 100,
        .message_bytes = 20,
    };
    px_cluster *cluster = cluster_open(&config);
    cluster_run(cluster, SECOND_US);
    assert_true(cluster_leader(cluster) < member_count);
    return cluster;
}

static void load(px_cluster *cluster, uint64_t for_us, uint64_t every_us)
{
    const uint64_t end_us = cluster->now_us + for_us;
    while (cluster->now_us < end_us) {
        for (uint32_t i = 0; i < cluster->config.member_count; i++) (void)cluster_propose(cluster, i);
        cluster_run(cluster, every_us);
    }
}

static uint64_t count_kind; /* messages of `counted_kind` that were sent */
static px_message_kind counted_kind;

static bool count_messages(px_cluster *cluster, uint32_t from, uint32_t to, const px_message *message)
{
    (void)cluster, (void)from, (void)to;
    if (message->kind == counted_kind) count_kind++;
    return false;
}

static void window__stops_proposals_until_slots_are_chosen(void **state)
{
    (void)state;
    px_cluster *cluster = open_cluster(3, 1);
    const uint32_t leader = cluster_leader(cluster);
    for (uint32_t i = 0; i < 3; i++)
        if (i != leader) cluster_reach(cluster, i, leader, false); /* it is not answered any more */
    uint32_t proposed = 0;
    for (uint32_t i = 0; i < 10 * PX_WINDOW_SLOTS; i++) proposed += cluster_propose(cluster, leader);
    const px_node_state *own = &cluster->nodes[leader].view.state;
    assert_true(proposed > 0);
    assert_int_equal(own->taken - own->chosen, PX_WINDOW_SLOTS);
    assert_int_equal(px_core_room(cluster->nodes[leader].core).bytes, 0);
    cluster_heal(cluster);
    assert_true(cluster_run_until(cluster, 5 * SECOND_US, cluster_is_converged));
    cluster_close(cluster);
}

static void window__is_bounded_in_bytes_and_lets_one_large_message_pass(void **state)
{
    (void)state;
    px_cluster *cluster = open_cluster(3, 2);
    load(cluster, SECOND_US / 10, 2000);
    cluster_run(cluster, SECOND_US / 10);
    const uint32_t leader = cluster_leader(cluster);
    const cluster_node *node = &cluster->nodes[leader];
    assert_int_equal(node->view.state.taken, node->view.state.chosen);
    assert_true(px_core_room(node->core).bytes > PX_MESSAGE_BYTES_DEFAULT);
    cluster->config.message_bytes = 60000;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        const px_room room = px_core_room(node->core);
        assert_true(room.bytes <= PX_WINDOW_BYTES);
        (void)cluster_propose(cluster, leader);
    }
    for (uint64_t slot = node->view.state.chosen; slot < node->length; slot++)
        bytes += node->log[slot].body.size_bytes;
    assert_true(bytes > PX_WINDOW_BYTES / 2 && bytes <= PX_WINDOW_BYTES + 2 * PX_MESSAGE_BYTES_DEFAULT);
    assert_true(cluster_run_until(cluster, 5 * SECOND_US, cluster_is_converged));
    cluster_close(cluster);
}

static void stream__a_node_far_behind_catches_up_under_load(void **state)
{
    (void)state;
    px_cluster *cluster = open_cluster(3, 3);
    const uint32_t leader = cluster_leader(cluster);
    const uint32_t behind = (leader + 1) % 3;
    cluster_crash(cluster, behind);
    load(cluster, 6 * SECOND_US, 2000);
    assert_true(cluster->chosen_count > PX_SLOTS_KEPT); /* more than any core remembers */
    cluster_start(cluster, behind);
    load(cluster, SECOND_US, 2000);
    const px_node_state *own = &cluster->nodes[leader].view.state;
    assert_true(own->chosen - cluster->nodes[behind].view.state.chosen < 10);
    assert_true(px_ballot_equal(cluster->nodes[behind].view.state.accepted, own->accepted));
    counted_kind = PX_MESSAGE_FETCH;
    count_kind = 0;
    cluster->loses = count_messages;
    load(cluster, 2 * SECOND_US, 2000);
    assert_int_equal(count_kind, 0); /* it is in the stream: nothing is fetched or sent twice */
    counted_kind = PX_MESSAGE_SYNC;
    load(cluster, 2 * SECOND_US, 2000);
    assert_int_equal(count_kind, 0);
    cluster_close(cluster);
}

static uint32_t deaf;

/* To one member no slot gets through; its heartbeats do. */
static bool loses_slots(px_cluster *cluster, uint32_t from, uint32_t to, const px_message *message)
{
    (void)cluster, (void)from;
    const bool is_slots = message->kind == PX_MESSAGE_ACCEPT || message->kind == PX_MESSAGE_SYNC ||
                          message->kind == PX_MESSAGE_PIECE;
    if (to != deaf || !is_slots) return false;
    if (message->kind == PX_MESSAGE_ACCEPT) count_kind++;
    return true;
}

static void stream__ends_where_nothing_is_taken_and_begins_again(void **state)
{
    (void)state;
    px_cluster *cluster = open_cluster(3, 6);
    load(cluster, SECOND_US / 10, 2000);
    deaf = (cluster_leader(cluster) + 1) % 3;
    cluster->loses = loses_slots;
    count_kind = 0;
    const size_t chosen = cluster->chosen_count;
    load(cluster, 2 * SECOND_US, 500);
    assert_true(cluster->chosen_count > chosen + 2 * PX_WINDOW_SLOTS);
    assert_true(count_kind > 0 && count_kind <= PX_WINDOW_SLOTS + 1);
    cluster->loses = NULL;
    load(cluster, 2 * SECOND_US, 2000);
    assert_true(cluster_run_until(cluster, SECOND_US, cluster_is_converged));
    cluster_close(cluster);
}

static void barriers__of_thousands_are_all_answered_once(void **state)
{
    (void)state;
    px_cluster *cluster = open_cluster(3, 8);
    const uint32_t leader = cluster_leader(cluster);
    for (uint32_t i = 0; i < PX_BARRIERS_MAX + 5; i++) cluster_ask(cluster, leader);
    assert_int_equal(cluster->answers_failed, 5); /* no more can wait */
    cluster_run(cluster, SECOND_US / 2);
    assert_int_equal(cluster->answers_ok, PX_BARRIERS_MAX);
    for (uint32_t i = 0; i < 3; i++)
        if (i != leader) cluster_reach(cluster, i, leader, false);
    for (uint32_t i = 0; i < 1000; i++) cluster_ask(cluster, leader);
    cluster_run(cluster, SECOND_US);
    assert_int_equal(cluster->answers_failed, 5 + 1000);
    assert_int_equal(cluster->answers_ok, PX_BARRIERS_MAX);
    cluster_close(cluster);
}

static void core__remembers_its_last_inputs(void **state)
{
    (void)state;
    px_cluster *cluster = open_cluster(3, 9);
    const px_core *core = cluster->nodes[0].core;
    px_core_event event;
    assert_true(px_core_recent(core, 0, &event));
    assert_true(event.now_us <= cluster->now_us && event.input != PX_IN_RESTORE);
    bool has_heard = false;
    for (uint32_t i = 0; px_core_recent(core, i, &event); i++)
        if (event.input == PX_IN_MESSAGE && event.message == PX_MESSAGE_HEARD && event.from != 0)
            has_heard = true;
    assert_true(has_heard);
    assert_false(px_core_recent(core, PX_CORE_EVENTS, &event));
    cluster_close(cluster);
}

static void stream__an_empty_node_catches_up_in_an_idle_cluster(void **state)
{
    (void)state;
    px_cluster *cluster = open_cluster(5, 4);
    const uint32_t behind = (cluster_leader(cluster) + 1) % 5;
    cluster_crash(cluster, behind);
    load(cluster, 2 * SECOND_US, 2000);
    cluster_run(cluster, SECOND_US);
    cluster_start(cluster, behind);
    assert_true(cluster_run_until(cluster, SECOND_US, cluster_is_converged));
    cluster_close(cluster);
}

/* A node that reaches the leader only by way of another learns what is chosen all the same. [R10] */
static void stream__a_node_without_a_link_to_the_leader_follows_by_way_of_a_peer(void **state)
{
    (void)state;
    px_cluster *cluster = open_cluster(3, 5);
    const uint32_t leader = cluster_leader(cluster);
    const uint32_t far = (leader + 1) % 3, relay = (leader + 2) % 3;
    cluster_reach(cluster, leader, far, false);
    cluster_reach(cluster, far, leader, false);
    load(cluster, 3 * SECOND_US, 5000);
    assert_int_equal(cluster_leader(cluster), leader);
    assert_int_equal(cluster->nodes[far].view.relay, relay);
    assert_true(px_ballot_equal(cluster->nodes[far].view.leader, cluster->nodes[leader].view.leader));
    cluster_run(cluster, SECOND_US / 2);
    assert_int_equal(cluster->nodes[far].view.state.chosen, cluster->nodes[leader].view.state.chosen);
    cluster_close(cluster);
}

static void stream__goes_on_under_thirty_percent_loss(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        px_cluster *cluster = open_cluster(seed % 2 ? 3 : 5, seed);
        cluster->config.loss_percent = 30;
        for (uint32_t second = 0; second < 15; second++) {
            const size_t chosen = cluster->chosen_count;
            load(cluster, 2 * SECOND_US, 20000);
            assert_true(cluster->chosen_count > chosen);
        }
        cluster_close(cluster);
    }
}

static void cluster__does_the_same_again_for_the_same_seed(void **state)
{
    (void)state;
    uint64_t digests[2][3];
    for (uint32_t run = 0; run < 2; run++) {
        px_cluster *cluster = open_cluster(3, 7);
        cluster->config.loss_percent = 20;
        load(cluster, 2 * SECOND_US, 3000);
        cluster_crash(cluster, 1);
        cluster_start(cluster, 1);
        load(cluster, 2 * SECOND_US, 3000);
        for (uint32_t i = 0; i < 3; i++) digests[run][i] = px_core_digest(cluster->nodes[i].core);
        cluster_close(cluster);
    }
    assert_memory_equal(digests[0], digests[1], sizeof digests[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window__stops_proposals_until_slots_are_chosen),
        cmocka_unit_test(window__is_bounded_in_bytes_and_lets_one_large_message_pass),
        cmocka_unit_test(stream__a_node_far_behind_catches_up_under_load),
        cmocka_unit_test(stream__ends_where_nothing_is_taken_and_begins_again),
        cmocka_unit_test(barriers__of_thousands_are_all_answered_once),
        cmocka_unit_test(core__remembers_its_last_inputs),
        cmocka_unit_test(stream__an_empty_node_catches_up_in_an_idle_cluster),
        cmocka_unit_test(stream__a_node_without_a_link_to_the_leader_follows_by_way_of_a_peer),
        cmocka_unit_test(stream__goes_on_under_thirty_percent_loss),
        cmocka_unit_test(cluster__does_the_same_again_for_the_same_seed),
    };
    return cmocka_run_group_tests_name("proposer", tests, NULL, NULL);
}
