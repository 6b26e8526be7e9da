/* accept_test.c - R5 and R6: a follower is synchronised in one record, and then takes one slot after the
 * other. */
// SPDX-License-Identifier: Apache-2.0
#include "rules/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* Four slots, synchronised in ballot 3 of member 1, the first two known chosen. */
static px_bench *open_follower(px_bench_log *log)
{
    memset(log, 0, sizeof *log);
    px_bench *bench = bench_open(0, 3, true);
    bench_log_extend(log, 4, 'a');
    const px_message sync = bench_sync_of(log, ballot_of(3, 1), 0, 2);
    bench_give(bench, 1, &sync);
    bench_sync(bench);
    return bench;
}

/* ---- R5 ---- */

static bool a_synchronisation_is_one_record(void)
{
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    bench_log_cut(&log, 2);
    bench_log_extend(&log, 5, 'b');
    const px_message sync = bench_sync_of(&log, ballot_of(4, 2), 2, 2);
    bench_give(bench, 2, &sync);
    const px_record *splice = bench_record(bench, PX_RECORD_SPLICE);
    const bool holds = splice && splice->log.after == 2 && splice->log.count == 3 &&
                       px_ballot_equal(splice->promised, ballot_of(4, 2)) &&
                       px_ballot_equal(splice->accepted, ballot_of(4, 2)) &&
                       !bench_record(bench, PX_RECORD_APPEND) && !bench_record(bench, PX_RECORD_PROMISE);
    bench_close(bench);
    return holds;
}

static void r5__ballot_cut_and_tail_are_one_record(void **state)
{
    (void)state;
    bench_prove(a_synchronisation_is_one_record, "r5_splice_in_two_records");
}

static void r5__a_crash_leaves_all_of_a_synchronisation_or_nothing(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    bench_log_cut(&log, 2);
    bench_log_extend(&log, 3, 'b');
    const px_message sync = bench_sync_of(&log, ballot_of(4, 2), 2, 2);
    bench_give(bench, 2, &sync);
    bench_restart(bench); /* before its record was on disk */
    assert_int_equal(bench->view.state.taken, 4);
    assert_true(px_ballot_equal(bench->view.state.accepted, ballot_of(3, 1)));
    bench_give(bench, 2, &sync);
    bench_sync(bench);
    bench_restart(bench);
    assert_int_equal(bench->view.state.taken, 3);
    assert_true(px_ballot_equal(bench->view.state.accepted, ballot_of(4, 2)));
    assert_true(px_ballot_equal(bench->view.state.promised, ballot_of(4, 2)));
    bench_close(bench);
}

static bool a_synchronisation_promises(void)
{
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    px_message message = bench_sync_of(&log, ballot_of(5, 2), 2, 2);
    bench_give(bench, 2, &message);
    message = (px_message){.kind = PX_MESSAGE_PREPARE,
                           .ballot = ballot_of(4, 1),
                           .state = {.promised = ballot_of(4, 1)}};
    bench_give(bench, 1, &message);
    const bool holds = !bench_sent(bench, PX_MESSAGE_PROMISE, 1) && bench_sent(bench, PX_MESSAGE_REFUSE, 1);
    bench_close(bench);
    return holds;
}

static void r5__a_synchronisation_raises_the_promise(void **state)
{
    (void)state;
    bench_prove(a_synchronisation_promises, "r5_sync_does_not_promise");
}

static void r5__a_synchronisation_below_the_promise_is_refused(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    px_message message = {.kind = PX_MESSAGE_PREPARE,
                          .ballot = ballot_of(9, 2),
                          .state = {.promised = ballot_of(9, 2)}};
    bench_give(bench, 2, &message);
    bench_sync(bench);
    message = bench_sync_of(&log, ballot_of(8, 1), 0, 2);
    bench_give(bench, 1, &message);
    const px_effect *refuse = bench_sent_now(bench, PX_MESSAGE_REFUSE, 1);
    assert_non_null(refuse);
    assert_true(px_ballot_equal(refuse->send.message.state.promised, ballot_of(9, 2)));
    assert_null(bench_record(bench, PX_RECORD_SPLICE));
    bench_close(bench);
}

static bool the_longer_tail_goes(void)
{
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    bench_log_cut(&log, 3); /* the leader's log is shorter: slot 4 was never chosen */
    const px_message sync = bench_sync_of(&log, ballot_of(4, 2), 2, 2);
    bench_give(bench, 2, &sync);
    const bool holds = bench->view.state.taken == 3;
    bench_close(bench);
    return holds;
}

static void r5__a_tail_that_the_leader_lacks_is_cut(void **state)
{
    (void)state;
    bench_prove(the_longer_tail_goes, "r5_sync_keeps_the_longer_tail");
}

static bool a_stale_synchronisation_only_extends(void)
{
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    static px_bench_log older;
    older = log;
    bench_log_cut(&older, 3);
    const px_message sync = bench_sync_of(&older, ballot_of(3, 1), 0, 2); /* left earlier, comes later */
    bench_give(bench, 1, &sync);
    const bool holds = bench->view.state.taken == 4 && bench_sent_now(bench, PX_MESSAGE_ACCEPTED, 1) != NULL;
    bench_close(bench);
    return holds;
}

static void r5__a_stale_synchronisation_of_the_same_ballot_cuts_nothing(void **state)
{
    (void)state;
    bench_prove(a_stale_synchronisation_only_extends, "r5_stale_sync_cuts");
}

static void r5__a_synchronisation_of_the_same_ballot_extends(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    bench_log_extend(&log, 7, 'a');
    const px_message sync = bench_sync_of(&log, ballot_of(3, 1), 1, 5);
    bench_give(bench, 1, &sync);
    const px_record *append = bench_record(bench, PX_RECORD_APPEND);
    assert_non_null(append);
    assert_int_equal(append->log.after, 4);
    assert_int_equal(append->log.count, 3);
    assert_int_equal(bench_chosen(bench), 5);
    bench_close(bench);
}

static void r5__one_ballot_with_two_values_for_a_slot_is_a_violation(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    bench_log_cut(&log, 3);
    bench_log_extend(&log, 5, 'b');
    px_message message = bench_sync_of(&log, ballot_of(3, 1), 2, 2);
    bench_give(bench, 1, &message);
    assert_int_equal(bench->view.violations, 1);
    assert_int_equal(bench->view.violator, 1);
    assert_int_equal(bench->view.state.taken, 4);
    message = bench_accept_of(&log, ballot_of(3, 1), 4, 2);
    bench_give(bench, 1, &message);
    assert_int_equal(bench->view.violations, 2);
    bench_close(bench);
}

static void r5__a_synchronisation_that_starts_behind_the_end_is_answered_with_the_chosen_slot(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    bench_log_extend(&log, 7, 'a');
    const px_message sync = bench_sync_of(&log, ballot_of(4, 2), 6, 2);
    bench_give(bench, 2, &sync);
    const px_effect *fetch = bench_sent_now(bench, PX_MESSAGE_FETCH, 2);
    assert_non_null(fetch);
    assert_int_equal(fetch->send.message.state.chosen, 2);
    assert_null(bench_record(bench, PX_RECORD_SPLICE));
    bench_close(bench);
}

static void r5__nothing_at_or_below_chosen_is_cut(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    static px_bench_log other;
    memset(&other, 0, sizeof other);
    bench_log_extend(&other, 5, 'c'); /* differs from slot 1 on */
    px_message message = bench_sync_of(&other, ballot_of(4, 2), 0, 0);
    bench_give(bench, 2, &message);
    assert_int_equal(bench->view.state.taken, 4);
    bench_log_cut(&log, 1); /* ends below what is chosen here */
    message = bench_sync_of(&log, ballot_of(5, 1), 0, 0);
    bench_give(bench, 1, &message);
    assert_int_equal(bench->view.state.taken, 4);
    assert_int_equal(bench->view.state.chosen, 2);
    bench_close(bench);
}

static void r9__a_synchronisation_larger_than_the_window_is_a_violation(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    bench_log_extend(&log, 2 + PX_WINDOW_SLOTS, 'a');
    px_message message = bench_sync_of(&log, ballot_of(3, 1), 4, 2);
    bench_give(bench, 1, &message); /* a window behind what is chosen: just fits */
    assert_int_equal(bench->view.state.taken, 2 + PX_WINDOW_SLOTS);
    assert_int_equal(bench->view.violations, 0);
    bench_log_extend(&log, 3 + PX_WINDOW_SLOTS, 'a');
    message = bench_accept_of(&log, ballot_of(3, 1), 3 + PX_WINDOW_SLOTS, 2);
    bench_give(bench, 1, &message);
    assert_int_equal(bench->view.violations, 1);
    message = bench_sync_of(&log, ballot_of(3, 1), 4, 2);
    bench_give(bench, 1, &message);
    assert_int_equal(bench->view.violations, 2);
    message = bench_sync_of(&log, ballot_of(4, 2), 4, 2);
    bench_give(bench, 2, &message);
    assert_int_equal(bench->view.violations, 3);
    assert_true(px_ballot_equal(bench->view.state.promised, ballot_of(3, 1)));
    assert_int_equal(bench->view.state.taken, 2 + PX_WINDOW_SLOTS);
    bench_close(bench);
}

/* ---- R6 ---- */

static bool a_slot_below_the_promise_is_refused(void)
{
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    px_message message = {.kind = PX_MESSAGE_PREPARE,
                          .ballot = ballot_of(9, 2),
                          .state = {.promised = ballot_of(9, 2)}};
    bench_give(bench, 2, &message);
    bench_log_extend(&log, 5, 'a');
    message = bench_accept_of(&log, ballot_of(3, 1), 5, 2);
    bench_give(bench, 1, &message);
    const bool holds = bench->view.state.taken == 4 && bench_sent(bench, PX_MESSAGE_REFUSE, 1);
    bench_close(bench);
    return holds;
}

static void r6__a_slot_of_a_ballot_below_the_promise_is_refused(void **state)
{
    (void)state;
    bench_prove(a_slot_below_the_promise_is_refused, "r6_accept_below_promised");
}

static bool an_unsynchronised_log_takes_no_slot(void)
{
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    bench_log_extend(&log, 5, 'b');
    const px_message accept = bench_accept_of(&log, ballot_of(4, 2), 5, 2);
    bench_give(bench, 2, &accept);
    const bool holds = bench->view.state.taken == 4 && bench_sent_now(bench, PX_MESSAGE_FETCH, 2);
    bench_close(bench);
    return holds;
}

static void r6__a_log_of_a_lower_ballot_asks_to_be_synchronised_first(void **state)
{
    (void)state;
    bench_prove(an_unsynchronised_log_takes_no_slot, "r6_accept_unsynchronised");
}

static void r6__a_gap_asks_to_be_synchronised_once_a_round(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    bench_log_extend(&log, 7, 'a');
    px_message accept = bench_accept_of(&log, ballot_of(3, 1), 6, 2);
    bench_give(bench, 1, &accept);
    assert_non_null(bench_sent_now(bench, PX_MESSAGE_FETCH, 1));
    accept = bench_accept_of(&log, ballot_of(3, 1), 7, 2);
    bench_give(bench, 1, &accept);
    assert_null(bench_sent(bench, PX_MESSAGE_FETCH, 1));
    assert_int_equal(bench->view.state.taken, 4);
    bench_close(bench);
}

static void r6__a_slot_that_is_there_already_is_answered_cumulatively(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    const px_message accept = bench_accept_of(&log, ballot_of(3, 1), 3, 2);
    bench_give(bench, 1, &accept);
    const px_effect *accepted = bench_sent_now(bench, PX_MESSAGE_ACCEPTED, 1);
    assert_non_null(accepted);
    assert_int_equal(accepted->send.message.state.durable, 4);
    assert_null(bench_record(bench, PX_RECORD_APPEND));
    bench_close(bench);
}

static bool chosen_of_another_ballot_is_not_taken(void)
{
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    px_message message = {.kind = PX_MESSAGE_CHOSEN, .ballot = ballot_of(4, 2), .state = {.chosen = 4}};
    bench_give(bench, 2, &message); /* of that leader's log, which this one is not */
    bool holds = bench->view.state.chosen == 2;
    message = (px_message){.kind = PX_MESSAGE_CHOSEN, .ballot = ballot_of(3, 1), .state = {.chosen = 4}};
    bench_give(bench, 1, &message);
    holds = holds && bench->view.state.chosen == 4;
    bench_close(bench);
    return holds;
}

static void r6__chosen_is_taken_from_the_leader_of_the_accepted_ballot_only(void **state)
{
    (void)state;
    bench_prove(chosen_of_another_ballot_is_not_taken, "r6_chosen_under_any_ballot");
}

static bool chosen_is_compared(void)
{
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    static px_bench_log other;
    other = log;
    bench_log_cut(&other, 2);
    bench_log_extend(&other, 4, 'b');
    px_message heartbeat = {.kind = PX_MESSAGE_HEARTBEAT, .round = 1};
    heartbeat.state = bench_state(&other, ballot_of(4, 2), ballot_of(4, 2), 3);
    bench_give(bench, 2, &heartbeat);
    bool holds = bench->view.state.chosen == 2; /* another entry is chosen there */
    heartbeat.state = bench_state(&log, ballot_of(4, 2), ballot_of(4, 2), 3);
    bench_give(bench, 2, &heartbeat);
    holds = holds && bench->view.state.chosen == 3;
    bench_close(bench);
    return holds;
}

static void r6__chosen_is_taken_from_anybody_where_the_hash_is_equal(void **state)
{
    (void)state;
    bench_prove(chosen_is_compared, "r6_chosen_without_equal_hash");
}

static bool a_leader_counts_itself_when_synced(void)
{
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    bench_propose(bench);
    px_message accepted = {.kind = PX_MESSAGE_ACCEPTED, .ballot = ballot};
    accepted.state = (px_node_state){.promised = ballot, .accepted = ballot, .durable = 1, .taken = 1};
    bench_give(bench, 1, &accepted);
    bool holds = bench->view.state.chosen == 0;
    bench_sync(bench);
    holds = holds && bench->view.state.chosen == 1;
    bench_close(bench);
    return holds;
}

static void r6__a_leader_counts_itself_after_its_own_sync(void **state)
{
    (void)state;
    bench_prove(a_leader_counts_itself_when_synced, "r6_leader_counts_itself_unsynced");
}

static void r6__a_slot_leaves_in_parallel_with_the_own_write(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    (void)bench_lead(bench, 6);
    bench_propose(bench);
    const px_effect *accept = bench_sent_now(bench, PX_MESSAGE_ACCEPT, 1);
    assert_non_null(accept);
    assert_true(accept == bench_sent_now(bench, PX_MESSAGE_ACCEPT, 2)); /* one message for all */
    assert_int_equal(accept->send_log.last, 1);
    assert_non_null(bench_record(bench, PX_RECORD_APPEND));
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r5__ballot_cut_and_tail_are_one_record),
        cmocka_unit_test(r5__a_crash_leaves_all_of_a_synchronisation_or_nothing),
        cmocka_unit_test(r5__a_synchronisation_raises_the_promise),
        cmocka_unit_test(r5__a_synchronisation_below_the_promise_is_refused),
        cmocka_unit_test(r5__a_tail_that_the_leader_lacks_is_cut),
        cmocka_unit_test(r5__a_stale_synchronisation_of_the_same_ballot_cuts_nothing),
        cmocka_unit_test(r5__a_synchronisation_of_the_same_ballot_extends),
        cmocka_unit_test(r5__one_ballot_with_two_values_for_a_slot_is_a_violation),
        cmocka_unit_test(r5__a_synchronisation_that_starts_behind_the_end_is_answered_with_the_chosen_slot),
        cmocka_unit_test(r5__nothing_at_or_below_chosen_is_cut),
        cmocka_unit_test(r9__a_synchronisation_larger_than_the_window_is_a_violation),
        cmocka_unit_test(r6__a_slot_of_a_ballot_below_the_promise_is_refused),
        cmocka_unit_test(r6__a_log_of_a_lower_ballot_asks_to_be_synchronised_first),
        cmocka_unit_test(r6__a_gap_asks_to_be_synchronised_once_a_round),
        cmocka_unit_test(r6__a_slot_that_is_there_already_is_answered_cumulatively),
        cmocka_unit_test(r6__chosen_is_taken_from_the_leader_of_the_accepted_ballot_only),
        cmocka_unit_test(r6__chosen_is_taken_from_anybody_where_the_hash_is_equal),
        cmocka_unit_test(r6__a_leader_counts_itself_after_its_own_sync),
        cmocka_unit_test(r6__a_slot_leaves_in_parallel_with_the_own_write),
    };
    return cmocka_run_group_tests_name("R5 and R6", tests, NULL, NULL);
}
