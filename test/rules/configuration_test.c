/* configuration_test.c - R19 and R21: whose words count, and how that changes. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/configuration.h"
#include "rules/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The id of member 2's next disk. */
#define NEW_ID 900u
#define ALL_OF_3 7u

static const px_message silence = {.kind = PX_MESSAGE_HEARD};

/* Member 2 comes back with this disk. */
static void relink(px_bench *bench, uint64_t storage_id)
{
    px_input input = {.kind = PX_IN_LINK, .link = {2, false, 0}};
    bench_step(bench, &input);
    input = (px_input){.kind = PX_IN_LINK, .link = {2, true, storage_id}};
    bench_step(bench, &input);
}

/* The state of a member that has everything that the core has. */
static px_node_state same_state(const px_bench *bench)
{
    px_node_state state = bench->view.state;
    state.durable = state.taken = state.chosen;
    return state;
}

/* Lets rounds end, answered by who has everything chosen. */
static void answered_round(px_bench *bench, uint32_t mask)
{
    px_message heard = {.kind = PX_MESSAGE_HEARD, .served = true, .state = same_state(bench)};
    bench_rounds(bench, 1, mask, &heard);
}

static void accept_all(px_bench *bench, uint32_t from, px_ballot ballot)
{
    px_message accepted = {.kind = PX_MESSAGE_ACCEPTED, .ballot = ballot, .state = bench->view.state};
    bench_give(bench, from, &accepted);
}

static uint64_t changes_of(const px_bench *bench)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < bench->record_count; i++)
        for (uint32_t k = 0; k < bench->records[i].log.count; k++)
            if (bench->records[i].log.entries[k].kind == PX_ENTRY_CONFIG) count++;
    return count;
}

/* A leader of three, one slot chosen, that sees member 2 with another disk, caught up: it proposes. */
static px_bench *open_with_change(px_ballot *ballot)
{
    px_bench *bench = bench_open(0, 3, true);
    *ballot = bench_lead(bench, ALL_OF_3);
    bench_propose(bench);
    bench_sync(bench);
    accept_all(bench, 1, *ballot);
    assert_int_equal(bench->view.state.chosen, 1);
    relink(bench, NEW_ID);
    for (uint32_t i = 0; i < 3 && changes_of(bench) == 0; i++) answered_round(bench, 6);
    assert_int_equal(changes_of(bench), 1);
    bench_sync(bench);
    return bench;
}

static px_message promise_in(const px_bench *bench, px_ballot ballot)
{
    px_message promise = {.kind = PX_MESSAGE_PROMISE, .ballot = ballot, .state = same_state(bench)};
    promise.state.promised = ballot;
    return promise;
}

/* ---- R19 ---- */

static bool an_emptied_disk_does_not_count(void)
{
    px_bench *bench = bench_open(0, 3, true);
    relink(bench, NEW_ID);
    while (bench->view.role != PX_ROLE_CANDIDATE) bench_rounds(bench, 1, ALL_OF_3, &silence);
    bench_sync(bench);
    const px_message promise = promise_in(bench, bench->view.state.promised);
    bench_give(bench, 2, &promise);
    const bool holds = bench->view.role == PX_ROLE_CANDIDATE;
    bench_give(bench, 1, &promise);
    assert_int_equal(bench->view.role, PX_ROLE_LEADER);
    bench_close(bench);
    return holds;
}

static void r19__the_promise_of_an_emptied_disk_does_not_count(void **state)
{
    (void)state;
    bench_prove(an_emptied_disk_does_not_count, "r19_emptied_votes");
}

static bool an_emptied_disk_accepts_nothing(void)
{
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, ALL_OF_3);
    relink(bench, NEW_ID);
    bench_propose(bench);
    bench_sync(bench);
    accept_all(bench, 2, ballot);
    const bool holds = bench->view.state.chosen == 0;
    bench_close(bench);
    return holds;
}

static void r19__what_an_emptied_disk_accepts_does_not_count(void **state)
{
    (void)state;
    bench_prove(an_emptied_disk_accepts_nothing, "r19_emptied_votes");
}

static void r19__answers_of_an_emptied_disk_are_no_quorum(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    relink(bench, NEW_ID);
    bench_rounds(bench, 8, 4, &silence); /* only member 2 answers */
    assert_int_equal(bench->view.elections, 0);
    bench_rounds(bench, 8, 2, &silence);
    assert_true(bench->view.elections > 0);
    bench_close(bench);
}

static void r19__a_disk_that_lags_is_not_readmitted(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, ALL_OF_3);
    for (uint32_t i = 0; i < PX_WINDOW_SLOTS + 2; i++) {
        bench_propose(bench);
        bench_sync(bench);
        accept_all(bench, 1, ballot);
    }
    relink(bench, NEW_ID);
    px_message heard = {.kind = PX_MESSAGE_HEARD, .served = true};
    for (uint32_t i = 0; i < 4; i++) {
        answered_round(bench, 2);
        bench_rounds(bench, 1, 4, &heard);
    }
    assert_int_equal(changes_of(bench), 0);
    answered_round(bench, 6);
    answered_round(bench, 6);
    assert_int_equal(changes_of(bench), 1);
    bench_close(bench);
}

static bool a_replaced_disk_does_not_count(void)
{
    px_ballot ballot;
    px_bench *bench = open_with_change(&ballot);
    accept_all(bench, 1, ballot);
    assert_int_equal(bench->view.configuration, 1);
    bench_sync(bench); /* the promise of the new configuration */
    relink(bench, BENCH_ID(2));
    const px_message promise = promise_in(bench, bench->view.state.promised);
    bench_give(bench, 2, &promise);
    const bool holds = bench->view.role == PX_ROLE_CANDIDATE && px_core_is_dead(bench->core, BENCH_ID(2));
    bench_close(bench);
    return holds;
}

static void r19__a_replaced_disk_is_dead(void **state)
{
    (void)state;
    bench_prove(a_replaced_disk_does_not_count, "r19_replaced_id_counts");
}

static void r19__a_replaced_disk_is_not_readmitted(void **state)
{
    (void)state;
    px_ballot ballot;
    px_bench *bench = open_with_change(&ballot);
    accept_all(bench, 1, ballot);
    bench_sync(bench);
    const px_message promise = promise_in(bench, bench->view.state.promised);
    bench_give(bench, 1, &promise);
    bench_sync(bench);
    assert_int_equal(bench->view.role, PX_ROLE_LEADER);
    accept_all(bench, 1, promise.ballot);
    relink(bench, BENCH_ID(2));
    for (uint32_t i = 0; i < 5; i++) answered_round(bench, 6);
    assert_int_equal(changes_of(bench), 1);
    bench_close(bench);
}

static void r19__who_reads_that_it_was_replaced_votes_no_more(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    uint8_t body[PX_CONFIGURATION_BYTES_MAX];
    const px_configuration change = {1, 0, 3, BENCH_ID(0), {NEW_ID, BENCH_ID(1), BENCH_ID(2)}};
    px_entry entry = {.slot = 1, .kind = PX_ENTRY_CONFIG, .index_first = 1};
    entry.body = (px_bytes){body, px_configuration_put(&change, body)};
    entry.body_hash = px_hash_of(entry.body.data, entry.body.size_bytes);
    entry.chain = px_entry_chain((px_hash){0, 0}, &entry);
    px_message piece = {.kind = PX_MESSAGE_PIECE, .log = {0, {0, 0}, 1, &entry}};
    bench_give(bench, 1, &piece);
    assert_true(bench->view.replaced);
    assert_int_equal(bench->view.role, PX_ROLE_LEARNER);
    bench_roster(bench, NEW_ID); /* a new id that happens to be the one of the configuration */
    assert_false(bench->view.replaced);
    assert_int_equal(bench->view.role, PX_ROLE_FOLLOWER);
    bench_close(bench);
}

/* ---- R21 ---- */

static bool nothing_behind_the_stop_sign(void)
{
    px_ballot ballot;
    px_bench *bench = open_with_change(&ballot);
    const bool holds = px_core_room(bench->core).bytes == 0;
    bench_close(bench);
    return holds;
}

static void r21__nothing_is_proposed_behind_the_stop_sign(void **state)
{
    (void)state;
    bench_prove(nothing_behind_the_stop_sign, "r21_proposes_behind_the_stop_sign");
}

static bool the_new_voters_are_asked(void)
{
    px_ballot ballot;
    px_bench *bench = open_with_change(&ballot);
    accept_all(bench, 1, ballot); /* chosen: it campaigns at once */
    bool holds = bench->view.configuration == 1 && bench->view.role == PX_ROLE_CANDIDATE;
    const px_effect *prepare = bench_sent(bench, PX_MESSAGE_PREPARE, 2);
    holds = holds && prepare && prepare->send.message.ballot.config == 1;
    bench_sync(bench);
    holds = holds && bench->view.role == PX_ROLE_CANDIDATE; /* the promises of before do not count */
    const px_message promise = promise_in(bench, bench->view.state.promised);
    bench_give(bench, 2, &promise); /* the new disk is a voter now */
    bench_sync(bench);
    holds = holds && bench->view.role == PX_ROLE_LEADER;
    bench_close(bench);
    return holds;
}

static void r21__the_new_configuration_is_led_by_promises_of_its_voters(void **state)
{
    (void)state;
    bench_prove(the_new_voters_are_asked, "r21_new_configuration_by_old_votes");
}

/* All lose power when somebody has promised in the new configuration. */
static bool a_promise_keeps_what_it_knows(void)
{
    px_ballot ballot;
    px_bench *bench = open_with_change(&ballot);
    accept_all(bench, 1, ballot);
    bench_sync(bench); /* the promise to itself, in the new configuration */
    bench_restart(bench);
    const bool holds = bench->view.configuration == 1;
    for (uint32_t i = 0; i < 6; i++)
        bench_rounds(bench, 1, ALL_OF_3, &silence); /* and it can go on, or waits */
    bench_close(bench);
    return holds;
}

static void r21__who_promised_in_a_configuration_knows_it_after_a_restart(void **state)
{
    (void)state;
    bench_prove(a_promise_keeps_what_it_knows, "r21_configuration_only_in_memory");
}

/* A log that is damaged loses its end, and what only that end promised. [R16] */
static bool the_small_state_promises_first(void)
{
    px_ballot ballot, promised = {0, 0, 0};
    px_bench *bench = open_with_change(&ballot);
    accept_all(bench, 1, ballot);
    bench_sync(bench); /* the promise to itself, in the new configuration */
    bool holds = true;
    for (uint32_t i = 0; i < bench->record_count; i++) {
        const px_record *record = &bench->records[i];
        if (record->kind == PX_RECORD_PROMISE) promised = record->promised;
        const bool is_told = !px_ballot_less(promised, record->promised) ||
                             px_ballot_equal(record->accepted, record->promised);
        holds = holds && is_told;
    }
    assert_int_equal(promised.config, 1);
    bench_close(bench);
    return holds;
}

static void r16__the_log_states_no_promise_that_the_small_state_has_not(void **state)
{
    (void)state;
    bench_prove(the_small_state_promises_first, "r16_log_promises_first");
}

/* Its log is empty: which configuration that is, and of whom, it cannot know. */
static bool a_promise_waits_for_the_configuration(void)
{
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = {1, 9, 1};
    const px_message prepare = {.kind = PX_MESSAGE_PREPARE, .ballot = ballot, .state = {.promised = ballot}};
    bench_give(bench, 1, &prepare);
    bench_sync(bench);
    const bool holds = px_ballot_is_none(bench->view.state.promised);
    for (uint32_t i = 0; i < 6; i++) bench_rounds(bench, 1, ALL_OF_3, &silence);
    if (holds) assert_true(bench->view.elections > 0); /* it goes on in the one that it knows */
    bench_close(bench);
    return holds;
}

static void r21__nobody_promises_in_a_configuration_that_it_does_not_know(void **state)
{
    (void)state;
    bench_prove(a_promise_waits_for_the_configuration, "r21_promises_in_an_unknown_configuration");
}

/* The log that it adopted has a slot that is not chosen in its own ballot. */
static bool a_change_waits_for_the_adopted_log(void)
{
    px_bench *bench = bench_open(0, 3, true);
    (void)bench_lead(bench, ALL_OF_3);
    bench_propose(bench);
    bench_sync(bench);
    bench_restart(bench);
    const px_ballot ballot = bench_lead(bench, ALL_OF_3);
    relink(bench, NEW_ID);
    for (uint32_t i = 0; i < 4; i++) answered_round(bench, 6);
    const bool holds = changes_of(bench) == 0;
    accept_all(bench, 1, ballot);
    for (uint32_t i = 0; i < 3 && changes_of(bench) == 0; i++) answered_round(bench, 6);
    assert_int_equal(changes_of(bench), 1);
    bench_close(bench);
    return holds;
}

static void r21__a_change_waits_until_the_adopted_log_is_chosen(void **state)
{
    (void)state;
    bench_prove(a_change_waits_for_the_adopted_log, "r21_change_before_own_ballot_is_chosen");
}

/* One of five is down, one is new: the three others and it are the majority of the new set. */
static void r21__a_change_waits_for_a_majority_of_the_new_set(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 5, true);
    const px_ballot ballot = bench_lead(bench, 15);
    bench_propose(bench);
    bench_sync(bench);
    accept_all(bench, 1, ballot);
    accept_all(bench, 3, ballot);
    relink(bench, NEW_ID);
    px_message lagging = {.kind = PX_MESSAGE_HEARD, .served = true};
    answered_round(bench, 4); /* only the new disk is heard now */
    bench_rounds(bench, 1, 4, &lagging);
    assert_int_equal(changes_of(bench), 0);
    bench_close(bench);
}

/* Two of five lag by more than a synchronisation brings: with the new disk there would be two to go on. */
static void r21__a_change_waits_until_a_majority_of_the_new_set_has_caught_up(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 5, true);
    const px_ballot ballot = bench_lead(bench, 15);
    while (bench->view.state.chosen <= PX_WINDOW_SLOTS) {
        bench_propose(bench);
        bench_sync(bench);
        accept_all(bench, 1, ballot);
        accept_all(bench, 3, ballot);
    }
    relink(bench, NEW_ID);
    const px_message has_all = {.kind = PX_MESSAGE_HEARD, .served = true, .state = same_state(bench)};
    px_message lags = has_all;
    lags.state.chosen = 0;
    lags.state.chosen_chain = (px_hash){0, 0};
    for (uint32_t i = 0; i < 6; i++) {
        bench_rounds(bench, 1, 10, &lags);
        px_message answer = has_all;
        const px_effect *beat = bench_sent(bench, PX_MESSAGE_HEARTBEAT, 2);
        if (!beat) continue; /* followers were told what is chosen */
        answer.round = beat->send.message.round;
        bench_give(bench, 2, &answer);
    }
    assert_int_equal(bench->view.role, PX_ROLE_LEADER);
    assert_int_equal(changes_of(bench), 0);
    for (uint32_t i = 0; i < 3 && changes_of(bench) == 0; i++) bench_rounds(bench, 1, 14, &has_all);
    assert_int_equal(changes_of(bench), 1);
    bench_close(bench);
}

static void r21__a_change_survives_a_restart_and_a_cut(void **state)
{
    (void)state;
    px_ballot ballot;
    px_bench *bench = open_with_change(&ballot);
    bench_restart(bench);
    assert_int_equal(bench->view.configuration, 0);
    assert_int_equal(bench->view.state.taken, 2);
    /* Another leader has another slot 2: the change is cut, and the configuration stays. */
    px_bench_log *log = calloc(1, sizeof *log);
    assert_non_null(log);
    log->entries[0] = bench->records[1].log.count ? bench->records[1].log.entries[0] : (px_entry){0};
    for (uint32_t i = 0; i < bench->record_count; i++)
        for (uint32_t k = 0; k < bench->records[i].log.count; k++)
            if (bench->records[i].log.entries[k].slot == 1)
                log->entries[0] = bench->records[i].log.entries[k];
    log->length = 1;
    px_entry *entry = &log->entries[1];
    const px_opening opening = {.opener = {7, 1, 1},
                                .origin = 1,
                                .kind = PX_SESSION_MEMBER,
                                .name = {(const uint8_t *)"o", 1}};
    *entry = (px_entry){.slot = 2, .kind = PX_ENTRY_OPEN, .index_first = 1};
    entry->body = (px_bytes){log->bodies[1], px_opening_put(&opening, log->bodies[1])};
    entry->body_hash = px_hash_of(entry->body.data, entry->body.size_bytes);
    entry->chain = px_entry_chain(log->entries[0].chain, entry);
    log->length = 2;
    const px_message sync = bench_sync_of(log, ballot_of(ballot.number + 5, 1), 1, 2);
    bench_give(bench, 1, &sync);
    assert_int_equal(bench->view.state.chosen, 2);
    assert_int_equal(bench->view.configuration, 0);
    bench_close(bench);
    free(log);
}

static void r21__a_slot_behind_a_stop_sign_in_an_old_ballot_is_refused(void **state)
{
    (void)state;
    static px_bench_log log;
    memset(&log, 0, sizeof log);
    px_bench *bench = bench_open(0, 3, true);
    uint8_t body[PX_CONFIGURATION_BYTES_MAX];
    const px_configuration change = {1, 2, 3, BENCH_ID(2), {BENCH_ID(0), BENCH_ID(1), NEW_ID}};
    px_entry *entry = &log.entries[0];
    *entry = (px_entry){.slot = 1, .kind = PX_ENTRY_CONFIG, .index_first = 1};
    entry->body = (px_bytes){body, px_configuration_put(&change, body)};
    entry->body_hash = px_hash_of(entry->body.data, entry->body.size_bytes);
    entry->chain = px_entry_chain((px_hash){0, 0}, entry);
    log.entries[0].index_first = 1;
    log.length = 1;
    px_message message = bench_sync_of(&log, ballot_of(3, 1), 0, 0);
    bench_give(bench, 1, &message);
    assert_int_equal(bench->view.state.taken, 1);
    bench_log_extend(&log, 2, 'a');
    log.entries[1].index_first = 1;
    log.entries[1].chain = px_entry_chain(log.entries[0].chain, &log.entries[1]);
    message = bench_accept_of(&log, ballot_of(3, 1), 2, 0);
    bench_give(bench, 1, &message);
    assert_int_equal(bench->view.state.taken, 1);
    assert_int_equal(bench->view.violations, 1);
    message = bench_accept_of(&log, ballot_of(3, 1), 2, 1); /* in the same ballot, with the change chosen */
    bench_give(bench, 1, &message);
    bench_sync(bench);
    assert_int_equal(bench->view.configuration, 1);
    bench_close(bench);
}

/* The leader of the old configuration hears from who leads in the new one that its change is chosen. */
static void r21__who_learns_that_its_change_is_chosen_campaigns_in_it(void **state)
{
    (void)state;
    px_ballot ballot;
    px_bench *bench = open_with_change(&ballot);
    px_message heard = {.kind = PX_MESSAGE_HEARD, .served = true, .state = bench->view.state};
    heard.state.chosen = heard.state.taken;
    assert_true(px_core_chain_at(bench->core, heard.state.chosen, &heard.state.chosen_chain));
    bench_rounds(bench, 1, 2, &heard);
    assert_int_equal(bench->view.configuration, 1);
    assert_int_equal(bench->view.state.chosen, 2);
    bench_sync(bench);
    assert_int_equal(bench->view.role, PX_ROLE_CANDIDATE);
    assert_int_equal(bench->view.state.promised.config, 1);
    bench_close(bench);
}

/* Nor does one whose disk hangs: it follows then. */
static void r21__a_leader_with_a_stuck_disk_stops_with_its_configuration(void **state)
{
    (void)state;
    px_ballot ballot;
    px_bench *bench = open_with_change(&ballot);
    px_input input = {.kind = PX_IN_DISK, .disk = PX_DISK_OVERDUE};
    bench_step(bench, &input);
    const uint64_t elections = bench->view.elections;
    accept_all(bench, 1, ballot);
    assert_int_equal(bench->view.configuration, 1);
    assert_int_equal(bench->view.role, PX_ROLE_FOLLOWER);
    assert_int_equal(bench->view.elections, elections);
    bench_close(bench);
}

/* A follower of member 1 with a change in its log that it does not know chosen. */
static px_bench *open_follower_with_change(px_bench_log *log, uint64_t replaced_by)
{
    static uint8_t body[PX_CONFIGURATION_BYTES_MAX];
    memset(log, 0, sizeof *log);
    px_bench *bench = bench_open(0, 3, true);
    const px_configuration change = {1, 2, 3, BENCH_ID(2), {BENCH_ID(0), BENCH_ID(1), replaced_by}};
    px_entry *entry = &log->entries[0];
    *entry = (px_entry){.slot = 1, .kind = PX_ENTRY_CONFIG, .index_first = 1};
    entry->body = (px_bytes){body, px_configuration_put(&change, body)};
    entry->body_hash = px_hash_of(entry->body.data, entry->body.size_bytes);
    entry->chain = px_entry_chain((px_hash){0, 0}, entry);
    log->length = 1;
    const px_message sync = bench_sync_of(log, ballot_of(3, 1), 0, 0);
    bench_give(bench, 1, &sync);
    bench_sync(bench);
    assert_int_equal(bench->view.configuration, 0);
    return bench;
}

/* It campaigns in the new configuration, and says up to where it knows chosen: that is the change. */
static void r21__a_campaign_says_itself_which_configuration_it_is_in(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower_with_change(&log, NEW_ID);
    const px_ballot ballot = {1, 9, 1};
    px_message prepare = {.kind = PX_MESSAGE_PREPARE, .ballot = ballot};
    prepare.state = bench_state(&log, ballot, ballot_of(3, 1), 1);
    bench_give(bench, 1, &prepare);
    assert_int_equal(bench->view.configuration, 1);
    assert_non_null(bench_sent(bench, PX_MESSAGE_PROMISE, 1));
    bench_close(bench);
}

/* The same from the member that the change replaces: it can have no majority of the new one. */
static void r21__who_was_replaced_gets_no_promise_in_the_new_configuration(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower_with_change(&log, NEW_ID);
    const px_ballot ballot = {1, 9, 2};
    px_message prepare = {.kind = PX_MESSAGE_PREPARE, .ballot = ballot};
    prepare.state = bench_state(&log, ballot, ballot_of(3, 1), 1);
    bench_give(bench, 2, &prepare);
    assert_int_equal(bench->view.configuration, 1);
    assert_null(bench_sent(bench, PX_MESSAGE_PROMISE, 2));
    bench_close(bench);
}

static void r19__who_is_no_voter_takes_nothing_of_a_leader(void **state)
{
    (void)state;
    static px_bench_log log;
    memset(&log, 0, sizeof log);
    bench_log_extend(&log, 3, 'a');
    px_bench *bench = bench_open(0, 3, true);
    bench_roster(bench, NEW_ID); /* its disk was emptied */
    const px_message sync = bench_sync_of(&log, ballot_of(3, 1), 0, 2);
    bench_give(bench, 1, &sync);
    assert_null(bench_record(bench, PX_RECORD_SPLICE));
    assert_int_equal(bench->view.state.taken, 0);
    const px_message chosen = {.kind = PX_MESSAGE_CHOSEN, .ballot = ballot_of(3, 1), .state.chosen = 2};
    const px_message piece = bench_piece_of(&log, 0, 1);
    bench_give(bench, 1, &piece); /* but for what is chosen */
    bench_give(bench, 1, &chosen);
    assert_int_equal(bench->view.state.chosen, 1);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r19__the_promise_of_an_emptied_disk_does_not_count),
        cmocka_unit_test(r19__what_an_emptied_disk_accepts_does_not_count),
        cmocka_unit_test(r19__answers_of_an_emptied_disk_are_no_quorum),
        cmocka_unit_test(r19__a_disk_that_lags_is_not_readmitted),
        cmocka_unit_test(r19__a_replaced_disk_is_dead),
        cmocka_unit_test(r19__a_replaced_disk_is_not_readmitted),
        cmocka_unit_test(r19__who_reads_that_it_was_replaced_votes_no_more),
        cmocka_unit_test(r21__nothing_is_proposed_behind_the_stop_sign),
        cmocka_unit_test(r21__the_new_configuration_is_led_by_promises_of_its_voters),
        cmocka_unit_test(r21__who_promised_in_a_configuration_knows_it_after_a_restart),
        cmocka_unit_test(r16__the_log_states_no_promise_that_the_small_state_has_not),
        cmocka_unit_test(r21__nobody_promises_in_a_configuration_that_it_does_not_know),
        cmocka_unit_test(r21__a_change_waits_until_the_adopted_log_is_chosen),
        cmocka_unit_test(r21__a_change_waits_for_a_majority_of_the_new_set),
        cmocka_unit_test(r21__a_change_waits_until_a_majority_of_the_new_set_has_caught_up),
        cmocka_unit_test(r21__a_change_survives_a_restart_and_a_cut),
        cmocka_unit_test(r21__a_slot_behind_a_stop_sign_in_an_old_ballot_is_refused),
        cmocka_unit_test(r21__who_learns_that_its_change_is_chosen_campaigns_in_it),
        cmocka_unit_test(r21__a_leader_with_a_stuck_disk_stops_with_its_configuration),
        cmocka_unit_test(r21__a_campaign_says_itself_which_configuration_it_is_in),
        cmocka_unit_test(r21__who_was_replaced_gets_no_promise_in_the_new_configuration),
        cmocka_unit_test(r19__who_is_no_voter_takes_nothing_of_a_leader),
    };
    return cmocka_run_group_tests_name("R19, R21", tests, NULL, NULL);
}
