/* vote_test.c - R1 to R4: quorums, promises, and the log that a new leader takes over. */
// SPDX-License-Identifier: Apache-2.0
#include "rules/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static const px_message silence = {.kind = PX_MESSAGE_HEARD};

/* A log of two slots, synchronised in ballot 3 of member 1. */
static px_bench *open_follower(px_bench_log *log)
{
    px_bench *bench = bench_open(0, 3, true);
    bench_log_extend(log, 2, 'a');
    const px_message sync = bench_sync_of(log, ballot_of(3, 1), 0, 0);
    bench_give(bench, 1, &sync);
    bench_sync(bench);
    return bench;
}

static px_message prepare_of(px_ballot ballot)
{
    return (px_message){.kind = PX_MESSAGE_PREPARE, .ballot = ballot, .state = {.promised = ballot}};
}

/* A candidate whose own promise is durable. */
static px_ballot campaign(px_bench *bench)
{
    while (bench->view.role != PX_ROLE_CANDIDATE) bench_rounds(bench, 1, 6, &silence);
    bench_sync(bench);
    return bench->view.state.promised;
}

static px_message promise_of(px_ballot ballot, const px_bench_log *log, px_ballot accepted)
{
    return (px_message){.kind = PX_MESSAGE_PROMISE,
                        .ballot = ballot,
                        .state = bench_state(log, ballot, accepted, 0)};
}

/* ---- R1 ---- */

static bool two_of_four_do_not_lead(void)
{
    px_bench *bench = bench_open(0, 4, true);
    px_bench_log empty = {.length = 0};
    while (bench->view.role != PX_ROLE_CANDIDATE) bench_rounds(bench, 1, 14, &silence);
    bench_sync(bench);
    const px_message promise = promise_of(bench->view.state.promised, &empty, (px_ballot){0, 0, 0});
    bench_give(bench, 1, &promise);
    const bool holds = bench->view.role == PX_ROLE_CANDIDATE;
    bench_close(bench);
    return holds;
}

static void r1__half_of_the_voters_is_no_quorum(void **state)
{
    (void)state;
    bench_prove(two_of_four_do_not_lead, "r1_half_is_a_quorum");
}

static bool a_stale_promise_does_not_count(void)
{
    px_bench *bench = bench_open(0, 3, true);
    px_bench_log empty = {.length = 0};
    const px_ballot old = campaign(bench);
    while (px_ballot_equal(bench->view.state.promised, old)) { /* nobody answers: it tries again */
        bench_rounds(bench, 1, 6, &silence);
        bench_sync(bench);
    }
    const px_message promise = promise_of(old, &empty, (px_ballot){0, 0, 0});
    bench_give(bench, 1, &promise);
    const bool holds = bench->view.role == PX_ROLE_CANDIDATE;
    bench_close(bench);
    return holds;
}

static void r1__a_stale_promise_counts_for_no_newer_ballot(void **state)
{
    (void)state;
    bench_prove(a_stale_promise_does_not_count, "r1_promise_of_an_older_ballot_counts");
}

static bool accepted_elsewhere_does_not_count(void)
{
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    bench_propose(bench);
    bench_sync(bench);
    px_message heard = {.kind = PX_MESSAGE_HEARD};
    heard.state = (px_node_state){.promised = ballot, .accepted = ballot_of(0, 0), .durable = 1, .taken = 1};
    bench_rounds(bench, 1, 2, &heard); /* it has a slot 1, of an older ballot */
    const bool holds = bench->view.state.chosen == 0;
    bench_close(bench);
    return holds;
}

static void r1__slots_accepted_in_another_ballot_are_not_counted(void **state)
{
    (void)state;
    bench_prove(accepted_elsewhere_does_not_count, "r1_count_across_ballots");
}

/* A node that accepted the leader's ballot, then promised above it, then was given a chosen slot 1 as a
 * piece: it has a slot 1 under the leader's ballot, and it may be another one. */
static bool a_piece_is_no_acceptance(void)
{
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    bench_propose(bench);
    bench_sync(bench);
    px_message heard = {.kind = PX_MESSAGE_HEARD, .served = true};
    heard.state = (px_node_state){.accepted = ballot, .durable = 1, .taken = 1};
    heard.state.promised = ballot_of(ballot.number + 1, 2);
    bench_rounds(bench, 1, 2, &heard);
    const bool holds = bench->view.state.chosen == 0;
    bench_close(bench);
    return holds;
}

static void r1__slots_that_came_as_pieces_are_not_counted(void **state)
{
    (void)state;
    bench_prove(a_piece_is_no_acceptance, "r1_count_slots_that_came_as_pieces");
}

static void r1__one_member_counts_once_however_often_it_answers(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 5, true);
    const px_ballot ballot = bench_lead(bench, 30);
    bench_propose(bench);
    bench_sync(bench);
    px_message accepted = {.kind = PX_MESSAGE_ACCEPTED, .ballot = ballot};
    accepted.state = (px_node_state){.promised = ballot, .accepted = ballot, .durable = 1, .taken = 1};
    for (uint32_t i = 0; i < 3; i++) bench_give(bench, 1, &accepted);
    assert_int_equal(bench->view.state.chosen, 0);
    bench_give(bench, 2, &accepted);
    assert_int_equal(bench_chosen(bench), 1);
    bench_close(bench);
}

/* ---- R2 ---- */

static bool a_promise_waits(void)
{
    px_bench *bench = bench_open(0, 3, true);
    const px_message prepare = prepare_of(ballot_of(7, 1));
    bench_give(bench, 1, &prepare);
    const bool holds = bench_sent(bench, PX_MESSAGE_PROMISE, 1) &&
                       !bench_sent_now(bench, PX_MESSAGE_PROMISE, 1) &&
                       bench_record(bench, PX_RECORD_PROMISE);
    bench_close(bench);
    return holds;
}

static void r2__a_promise_leaves_after_its_record(void **state)
{
    (void)state;
    bench_prove(a_promise_waits, "r2_promise_before_durable");
}

static bool a_prepare_waits(void)
{
    px_bench *bench = bench_open(0, 3, true);
    while (bench->view.role != PX_ROLE_CANDIDATE) bench_rounds(bench, 1, 6, &silence);
    const bool holds =
        bench_sent(bench, PX_MESSAGE_PREPARE, 1) && !bench_sent_now(bench, PX_MESSAGE_PREPARE, 1);
    bench_close(bench);
    return holds;
}

static void r2__a_prepare_leaves_after_the_own_promise(void **state)
{
    (void)state;
    bench_prove(a_prepare_waits, "r2_prepare_before_durable");
}

static bool an_accepted_waits(void)
{
    px_bench_log log = {.length = 0};
    px_bench *bench = open_follower(&log);
    bench_log_extend(&log, 3, 'a');
    const px_message accept = bench_accept_of(&log, ballot_of(3, 1), 3, 0);
    bench_give(bench, 1, &accept);
    bool holds = !bench_sent_now(bench, PX_MESSAGE_ACCEPTED, 1);
    bench_sync(bench);
    const px_effect *accepted = bench_sent_now(bench, PX_MESSAGE_ACCEPTED, 1);
    holds = holds && accepted && accepted->send.message.state.durable == 3;
    bench_close(bench);
    return holds;
}

static void r2__an_accepted_leaves_after_the_sync_and_is_cumulative(void **state)
{
    (void)state;
    bench_prove(an_accepted_waits, "r2_accepted_before_durable");
}

static bool a_refusal_waits(void)
{
    px_bench *bench = bench_open(0, 3, true);
    px_message prepare = prepare_of(ballot_of(7, 1));
    bench_give(bench, 1, &prepare);
    prepare = prepare_of(ballot_of(6, 2));
    bench_give(bench, 2, &prepare);
    const bool holds =
        bench_sent(bench, PX_MESSAGE_REFUSE, 2) && !bench_sent_now(bench, PX_MESSAGE_REFUSE, 2);
    bench_close(bench);
    return holds;
}

static void r2__a_refusal_waits_for_the_promise_it_reveals(void **state)
{
    (void)state;
    bench_prove(a_refusal_waits, "r2_refuse_before_durable");
}

static void r2__an_answer_to_a_heartbeat_states_what_is_durable_and_does_not_wait(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    const px_message prepare = prepare_of(ballot_of(7, 1));
    bench_give(bench, 1, &prepare);
    const px_message heartbeat = {.kind = PX_MESSAGE_HEARTBEAT, .round = 5};
    bench_give(bench, 2, &heartbeat);
    const px_effect *heard = bench_sent_now(bench, PX_MESSAGE_HEARD, 2);
    assert_non_null(heard);
    assert_true(px_ballot_is_none(heard->send.message.state.promised));
    assert_int_equal(heard->send.message.round, 5);
    bench_close(bench);
}

/* ---- R3 ---- */

static bool a_lower_ballot_is_refused(void)
{
    px_bench *bench = bench_open(0, 3, true);
    px_message prepare = prepare_of(ballot_of(7, 1));
    bench_give(bench, 1, &prepare);
    bench_sync(bench);
    prepare = prepare_of(ballot_of(6, 2));
    bench_give(bench, 2, &prepare);
    const px_effect *refuse = bench_sent_now(bench, PX_MESSAGE_REFUSE, 2);
    const bool holds = refuse && !bench_sent(bench, PX_MESSAGE_PROMISE, 2) &&
                       px_ballot_equal(refuse->send.message.state.promised, ballot_of(7, 1));
    bench_close(bench);
    return holds;
}

static void r3__nothing_below_the_promise_is_promised(void **state)
{
    (void)state;
    bench_prove(a_lower_ballot_is_refused, "r3_promise_below_promised");
}

static bool a_promise_outlives_a_crash(void)
{
    px_bench *bench = bench_open(0, 3, true);
    const px_message prepare = prepare_of(ballot_of(7, 1));
    bench_give(bench, 1, &prepare);
    bench_sync(bench);
    bench_restart(bench);
    const bool holds = px_ballot_equal(bench->view.state.promised, ballot_of(7, 1));
    bench_close(bench);
    return holds;
}

static void r3__a_promise_is_on_disk_not_only_in_memory(void **state)
{
    (void)state;
    bench_prove(a_promise_outlives_a_crash, "r3_promise_only_in_memory");
}

static bool a_promise_states_what_is_taken(void)
{
    px_bench_log log = {.length = 0};
    px_bench *bench = open_follower(&log);
    bench_log_extend(&log, 3, 'a');
    const px_message accept = bench_accept_of(&log, ballot_of(3, 1), 3, 0);
    bench_give(bench, 1, &accept); /* not synced */
    const px_message prepare = prepare_of(ballot_of(7, 2));
    bench_give(bench, 2, &prepare);
    const px_effect *promise = bench_sent(bench, PX_MESSAGE_PROMISE, 2);
    const bool holds =
        promise && promise->send.message.state.taken == 3 && promise->after.n == bench->handed_over;
    bench_close(bench);
    return holds;
}

static void r3__a_promise_states_unsynced_slots_and_waits_for_them(void **state)
{
    (void)state;
    bench_prove(a_promise_states_what_is_taken, "r3_promise_states_only_what_is_synced");
}

static void r3__accepteds_of_a_lower_ballot_are_withdrawn(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = open_follower(&log);
    bench_log_extend(&log, 3, 'a');
    const px_message accept = bench_accept_of(&log, ballot_of(3, 1), 3, 0);
    bench_give(bench, 1, &accept);
    const px_message prepare = prepare_of(ballot_of(7, 2));
    bench_give(bench, 2, &prepare);
    bench_sync(bench);
    assert_null(bench_sent(bench, PX_MESSAGE_ACCEPTED, 1));
    bench_close(bench);
}

static bool a_start_promises_what_the_log_says(void)
{
    px_bench_log log = {.length = 0};
    px_bench *bench = open_follower(&log); /* only a splice says 3: the small state never did */
    bench_restart(bench);
    const bool holds = px_ballot_equal(bench->view.state.promised, ballot_of(3, 1));
    bench_close(bench);
    return holds;
}

static void r3__at_start_the_highest_ballot_of_state_and_log_is_promised(void **state)
{
    (void)state;
    bench_prove(a_start_promises_what_the_log_says, "r3_restart_forgets_the_logs_ballot");
}

static void r3__a_ballot_led_before_a_restart_is_not_resumed(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    bench_restart(bench);
    assert_int_equal(bench->view.role, PX_ROLE_FOLLOWER);
    const px_ballot next = campaign(bench);
    assert_true(px_ballot_less(ballot, next));
    bench_close(bench);
}

/* ---- R4 ---- */

/* The own log is longer, the other's of a higher ballot: that one is fetched. */
static bool the_highest_ballot_wins(void)
{
    px_bench_log own = {.length = 0}, better = {.length = 0};
    px_bench *bench = open_follower(&own);
    const px_ballot ballot = campaign(bench);
    bench_log_extend(&better, 1, 'b');
    const px_message promise = promise_of(ballot, &better, ballot_of(3, 2));
    bench_give(bench, 2, &promise);
    const px_effect *fetch = bench_sent_now(bench, PX_MESSAGE_FETCH, 2);
    const bool holds =
        fetch && px_ballot_equal(fetch->send.message.ballot, ballot) && bench->view.role == PX_ROLE_CANDIDATE;
    bench_close(bench);
    return holds;
}

static void r4__the_highest_accepted_log_wins(void **state)
{
    (void)state;
    bench_prove(the_highest_ballot_wins, "r4_own_log_wins");
}

static void r4__a_longer_log_of_a_lower_ballot_does_not_win(void **state)
{
    (void)state;
    bench_prove(the_highest_ballot_wins, "r4_longest_log_wins");
}

static void r4__of_one_ballot_the_longer_log_wins(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = open_follower(&log);
    const px_ballot ballot = campaign(bench);
    bench_log_extend(&log, 4, 'a');
    const px_message promise = promise_of(ballot, &log, ballot_of(3, 1));
    bench_give(bench, 2, &promise);
    assert_non_null(bench_sent_now(bench, PX_MESSAGE_FETCH, 2));
    bench_close(bench);
}

static void r4__adoption_is_one_record_with_the_ballot_and_the_whole_tail(void **state)
{
    (void)state;
    px_bench_log own = {.length = 0}, better = {.length = 0};
    px_bench *bench = open_follower(&own);
    const px_ballot ballot = campaign(bench);
    bench_log_extend(&better, 1, 'b');
    const px_message promise = promise_of(ballot, &better, ballot_of(3, 2));
    bench_give(bench, 2, &promise);
    const px_message tail = {
        .kind = PX_MESSAGE_TAIL,
        .ballot = ballot,
        .state = bench_state(&better, ballot, ballot_of(3, 2), 0),
        .log = bench_part(&better, 0, 1),
    };
    bench_give(bench, 2, &tail);
    assert_int_equal(bench->view.role, PX_ROLE_LEADER);
    const px_record *splice = bench_record(bench, PX_RECORD_SPLICE);
    assert_non_null(splice);
    assert_true(px_ballot_equal(splice->accepted, ballot) && px_ballot_equal(splice->promised, ballot));
    assert_int_equal(splice->log.after, 0);
    assert_int_equal(splice->log.count, 1);
    assert_null(bench_record(bench, PX_RECORD_APPEND));
    bench_close(bench);
}

static void r4__a_leader_does_not_count_itself_before_its_adoption_is_durable(void **state)
{
    (void)state;
    px_bench_log own = {.length = 0};
    px_bench *bench = open_follower(&own);
    const px_ballot ballot = campaign(bench);
    const px_message promise = promise_of(ballot, &own, ballot_of(3, 1));
    bench_give(bench, 1, &promise);
    assert_int_equal(bench->view.role, PX_ROLE_LEADER);
    px_message accepted = {.kind = PX_MESSAGE_ACCEPTED, .ballot = ballot};
    accepted.state = bench_state(&own, ballot, ballot, 0);
    bench_give(bench, 1, &accepted);
    assert_int_equal(bench->view.state.chosen, 0); /* though both slots are on this disk, in ballot 3 */
    bench_sync(bench);
    assert_int_equal(bench_chosen(bench), 2);
    bench_close(bench);
}

/* A candidate that fetches the log of member 2, which has slots 1 to `length` in ballot (3, 2). */
static px_bench *open_adopting(px_bench_log *own, px_bench_log *better, uint64_t length)
{
    px_bench *bench = open_follower(own);
    const px_ballot ballot = campaign(bench);
    bench_log_extend(better, length, 'b');
    const px_message promise = promise_of(ballot, better, ballot_of(3, 2));
    bench_give(bench, 2, &promise);
    return bench;
}

static px_message tail_of(const px_bench *bench, const px_bench_log *log, uint64_t after, uint64_t chosen)
{
    const px_ballot ballot = bench->view.state.promised;
    return (px_message){
        .kind = PX_MESSAGE_TAIL,
        .ballot = ballot,
        .state = bench_state(log, ballot, ballot_of(3, 2), chosen),
        .log = bench_part(log, after, log->length),
    };
}

static void r4__a_tail_that_cannot_be_true_is_a_violation(void **state)
{
    (void)state;
    static px_bench_log own, better;
    px_bench *bench = open_adopting(&own, &better, 3);
    px_message tail = tail_of(bench, &better, 0, 0);
    better.entries[1].slot = 9;
    bench_give(bench, 2, &tail);
    assert_int_equal(bench->view.violations, 1);
    better.entries[1].slot = 2;
    for (uint32_t i = 0; i < 3; i++) better.entries[i].index_first += 7;
    bench_give(bench, 2, &tail);
    assert_int_equal(bench->view.violations, 2);
    for (uint32_t i = 0; i < 3; i++) better.entries[i].index_first -= 7;
    bench_give(bench, 1, &tail); /* of somebody else than was asked */
    assert_int_equal(bench->view.role, PX_ROLE_CANDIDATE);
    bench_give(bench, 2, &tail);
    assert_int_equal(bench->view.role, PX_ROLE_LEADER);
    assert_int_equal(bench->view.state.taken, 3);
    bench_close(bench);
}

static void r4__a_tail_unlike_what_is_chosen_here_ends_the_campaign(void **state)
{
    (void)state;
    static px_bench_log own, better, chosen;
    px_bench *bench = open_adopting(&own, &better, 3);
    bench_log_extend(&chosen, 2, 'c'); /* meanwhile others chose in a higher ballot */
    const px_message piece = bench_piece_of(&chosen, 0, 2);
    bench_give(bench, 1, &piece);
    const px_message tail = tail_of(bench, &better, 0, 0);
    bench_give(bench, 2, &tail);
    assert_int_equal(bench->view.role, PX_ROLE_FOLLOWER);
    assert_int_equal(bench->view.state.chosen, 2);
    assert_null(bench_record(bench, PX_RECORD_SPLICE));
    bench_close(bench);
}

static void r4__a_fetch_that_does_not_progress_ends_the_campaign(void **state)
{
    (void)state;
    static px_bench_log own, better;
    px_bench *bench = open_adopting(&own, &better, 3);
    bench_rounds(bench, 2, 6, &silence);
    assert_int_equal(bench->view.role, PX_ROLE_CANDIDATE);
    assert_non_null(bench_sent_now(bench, PX_MESSAGE_FETCH, 2)); /* it asks again */
    bench_rounds(bench, 1, 6, &silence);
    assert_int_equal(bench->view.role, PX_ROLE_FOLLOWER);
    bench_close(bench);
}

static bool a_tail_holds_all_that_was_taken(void)
{
    px_bench_log log = {.length = 0};
    px_bench *bench = open_follower(&log);
    bench_log_extend(&log, 3, 'a');
    px_message message = bench_accept_of(&log, ballot_of(3, 1), 3, 1);
    bench_give(bench, 1, &message);
    message = prepare_of(ballot_of(7, 2));
    bench_give(bench, 2, &message);
    message = (px_message){.kind = PX_MESSAGE_FETCH,
                           .ballot = ballot_of(7, 2),
                           .state = {.promised = ballot_of(7, 2)}};
    bench_give(bench, 2, &message);
    const px_effect *tail = bench_sent_now(bench, PX_MESSAGE_TAIL, 2);
    const bool holds = tail && tail->send_log.message.log.after == 0 && tail->send_log.last == 3;
    bench_close(bench);
    return holds;
}

static void r4__a_tail_is_the_whole_unchosen_rest(void **state)
{
    (void)state;
    bench_prove(a_tail_holds_all_that_was_taken, "r4_tail_ends_at_chosen");
}

static void r4__a_promiser_answers_a_candidate_only_while_its_promise_stands(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = open_follower(&log);
    px_message message = prepare_of(ballot_of(7, 2));
    bench_give(bench, 2, &message);
    message = prepare_of(ballot_of(8, 1));
    bench_give(bench, 1, &message);
    bench_sync(bench);
    message = (px_message){.kind = PX_MESSAGE_FETCH,
                           .ballot = ballot_of(7, 2),
                           .state = {.promised = ballot_of(7, 2)}};
    bench_give(bench, 2, &message);
    assert_null(bench_sent(bench, PX_MESSAGE_TAIL, 2));
    assert_non_null(bench_sent(bench, PX_MESSAGE_REFUSE, 2));
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r1__half_of_the_voters_is_no_quorum),
        cmocka_unit_test(r1__a_stale_promise_counts_for_no_newer_ballot),
        cmocka_unit_test(r1__slots_accepted_in_another_ballot_are_not_counted),
        cmocka_unit_test(r1__slots_that_came_as_pieces_are_not_counted),
        cmocka_unit_test(r1__one_member_counts_once_however_often_it_answers),
        cmocka_unit_test(r2__a_promise_leaves_after_its_record),
        cmocka_unit_test(r2__a_prepare_leaves_after_the_own_promise),
        cmocka_unit_test(r2__an_accepted_leaves_after_the_sync_and_is_cumulative),
        cmocka_unit_test(r2__a_refusal_waits_for_the_promise_it_reveals),
        cmocka_unit_test(r2__an_answer_to_a_heartbeat_states_what_is_durable_and_does_not_wait),
        cmocka_unit_test(r3__nothing_below_the_promise_is_promised),
        cmocka_unit_test(r3__a_promise_is_on_disk_not_only_in_memory),
        cmocka_unit_test(r3__a_promise_states_unsynced_slots_and_waits_for_them),
        cmocka_unit_test(r3__accepteds_of_a_lower_ballot_are_withdrawn),
        cmocka_unit_test(r3__at_start_the_highest_ballot_of_state_and_log_is_promised),
        cmocka_unit_test(r3__a_ballot_led_before_a_restart_is_not_resumed),
        cmocka_unit_test(r4__the_highest_accepted_log_wins),
        cmocka_unit_test(r4__a_longer_log_of_a_lower_ballot_does_not_win),
        cmocka_unit_test(r4__of_one_ballot_the_longer_log_wins),
        cmocka_unit_test(r4__adoption_is_one_record_with_the_ballot_and_the_whole_tail),
        cmocka_unit_test(r4__a_leader_does_not_count_itself_before_its_adoption_is_durable),
        cmocka_unit_test(r4__a_tail_that_cannot_be_true_is_a_violation),
        cmocka_unit_test(r4__a_tail_unlike_what_is_chosen_here_ends_the_campaign),
        cmocka_unit_test(r4__a_fetch_that_does_not_progress_ends_the_campaign),
        cmocka_unit_test(r4__a_tail_is_the_whole_unchosen_rest),
        cmocka_unit_test(r4__a_promiser_answers_a_candidate_only_while_its_promise_stands),
    };
    return cmocka_run_group_tests_name("R1 to R4", tests, NULL, NULL);
}
