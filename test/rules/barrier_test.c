/* barrier_test.c - R7: what a leader may tell a reader, and when. */
// SPDX-License-Identifier: Apache-2.0
#include "rules/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void ask(px_bench *bench, uint64_t request)
{
    px_input input = {.kind = PX_IN_BARRIER, .barrier = request};
    bench_step(bench, &input);
}

static const px_effect *answer_to(const px_bench *bench, uint64_t request)
{
    for (uint32_t i = 0; i < bench->count; i++)
        if (bench->effects[i].kind == PX_DO_ANSWER && bench->effects[i].answer.request == request)
            return &bench->effects[i];
    return NULL;
}

/* The probe that left in the last step; 0 where none did. */
static uint64_t probe_of(const px_bench *bench)
{
    const px_effect *probe = bench_sent_now(bench, PX_MESSAGE_PROBE, 1);
    return probe ? probe->send.message.probe : 0;
}

static void give_probed(px_bench *bench, uint32_t from, uint64_t probe, px_ballot promised)
{
    const px_message probed = {
        .kind = PX_MESSAGE_PROBED,
        .ballot = bench->view.leader,
        .probe = probe,
        .state = {.promised = promised},
    };
    bench_give(bench, from, &probed);
}

static void give_accepted(px_bench *bench, px_ballot ballot, uint64_t length)
{
    px_message accepted = {.kind = PX_MESSAGE_ACCEPTED, .ballot = ballot};
    accepted.state =
        (px_node_state){.promised = ballot, .accepted = ballot, .durable = length, .taken = length};
    bench_give(bench, 1, &accepted);
}

static bool a_barrier_waits_for_its_probe(void)
{
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    bench_propose(bench);
    bench_propose_message(bench, 1, 1);
    bench_sync(bench);
    give_accepted(bench, ballot, 2);
    ask(bench, 11);
    bool holds = !answer_to(bench, 11) && probe_of(bench);
    give_probed(bench, 1, probe_of(bench), ballot);
    const px_effect *answer = answer_to(bench, 11);
    holds = holds && answer && answer->answer.ok && answer->answer.index == 1;
    bench_close(bench);
    return holds;
}

static void r7__a_barrier_waits_for_a_probe_of_a_majority(void **state)
{
    (void)state;
    bench_prove(a_barrier_waits_for_its_probe, "r7_barrier_without_a_probe");
}

static bool a_later_barrier_waits_for_the_next_probe(void)
{
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    ask(bench, 11);
    const uint64_t first = probe_of(bench);
    ask(bench, 12); /* the answers to the first probe may have left before this */
    give_probed(bench, 1, first, ballot);
    bool holds = answer_to(bench, 11) && !answer_to(bench, 12);
    const uint64_t second = probe_of(bench);
    holds = holds && second > first;
    give_probed(bench, 2, first, ballot);
    holds = holds && !answer_to(bench, 12);
    give_probed(bench, 2, second, ballot);
    holds = holds && answer_to(bench, 12);
    bench_close(bench);
    return holds;
}

static void r7__a_probe_serves_only_who_asked_before_it_left(void **state)
{
    (void)state;
    bench_prove(a_later_barrier_waits_for_the_next_probe, "r7_probe_serves_later_barriers");
}

static bool a_barrier_waits_for_adoption(void)
{
    static px_bench_log log;
    memset(&log, 0, sizeof log);
    px_bench *bench = bench_open(0, 3, true);
    bench_log_extend(&log, 2, 'a');
    const px_message sync = bench_sync_of(&log, ballot_of(3, 1), 0, 0);
    bench_give(bench, 1, &sync); /* perhaps acknowledged by whoever led before */
    bench_sync(bench);
    const px_ballot ballot = bench_lead(bench, 6);
    ask(bench, 11);
    give_probed(bench, 1, probe_of(bench), ballot);
    bool holds = !answer_to(bench, 11);
    give_accepted(bench, ballot, 2);
    const px_effect *answer = answer_to(bench, 11);
    holds = holds && answer && answer->answer.ok && answer->answer.index == 2;
    bench_close(bench);
    return holds;
}

static void r7__a_barrier_waits_until_all_that_was_adopted_is_chosen(void **state)
{
    (void)state;
    bench_prove(a_barrier_waits_for_adoption, "r7_barrier_before_adoption_is_chosen");
}

static bool a_promise_above_counts_against(void)
{
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    ask(bench, 11);
    const uint64_t probe = probe_of(bench);
    give_probed(bench, 1, probe, ballot_of(ballot.number + 1, 2));
    bool holds = !answer_to(bench, 11);
    give_probed(bench, 2, probe, ballot);
    holds = holds && answer_to(bench, 11);
    bench_close(bench);
    return holds;
}

static void r7__who_promised_above_the_leader_does_not_confirm_it(void **state)
{
    (void)state;
    bench_prove(a_promise_above_counts_against, "r7_probe_answered_under_any_promise");
}

static void r7__a_probe_below_the_promise_is_refused(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    px_message message = {.kind = PX_MESSAGE_PREPARE,
                          .ballot = ballot_of(9, 2),
                          .state = {.promised = ballot_of(9, 2)}};
    bench_give(bench, 2, &message);
    bench_sync(bench);
    message = (px_message){.kind = PX_MESSAGE_PROBE, .ballot = ballot_of(8, 1), .probe = 4};
    bench_give(bench, 1, &message);
    assert_null(bench_sent(bench, PX_MESSAGE_PROBED, 1));
    assert_non_null(bench_sent(bench, PX_MESSAGE_REFUSE, 1));
    message = (px_message){.kind = PX_MESSAGE_PROBE, .ballot = ballot_of(9, 2), .probe = 4};
    bench_give(bench, 2, &message);
    const px_effect *probed = bench_sent_now(bench, PX_MESSAGE_PROBED, 2);
    assert_non_null(probed);
    assert_int_equal(probed->send.message.probe, 4);
    bench_close(bench);
}

static void r7__who_stops_leading_fails_its_barriers(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    ask(bench, 11);
    const px_ballot above = ballot_of(ballot.number + 1, 2);
    const px_message prepare = {.kind = PX_MESSAGE_PREPARE, .ballot = above, .state = {.promised = above}};
    bench_give(bench, 2, &prepare);
    const px_effect *answer = answer_to(bench, 11);
    assert_non_null(answer);
    assert_false(answer->answer.ok);
    ask(bench, 12);
    answer = answer_to(bench, 12);
    assert_non_null(answer);
    assert_false(answer->answer.ok);
    bench_close(bench);
}

static bool only_chosen_slots_are_told(void)
{
    static px_bench_log log;
    memset(&log, 0, sizeof log);
    px_bench *bench = bench_open(0, 3, true);
    bench_log_extend(&log, 3, 'a');
    const px_message sync = bench_sync_of(&log, ballot_of(3, 1), 0, 1);
    bench_give(bench, 1, &sync);
    bool holds = bench_chosen(bench) == 1;
    bench_log_extend(&log, 4, 'a');
    const px_message accept = bench_accept_of(&log, ballot_of(3, 1), 4, 2);
    bench_give(bench, 1, &accept);
    holds = holds && bench_chosen(bench) == 2;
    bench_close(bench);
    return holds;
}

static void r7__only_what_is_chosen_is_delivered(void **state)
{
    (void)state;
    bench_prove(only_chosen_slots_are_told, "r7_taken_is_chosen");
}

static void r7__a_restarted_follower_delivers_nothing_above_chosen(void **state)
{
    (void)state;
    static px_bench_log log;
    memset(&log, 0, sizeof log);
    px_bench *bench = bench_open(0, 3, true);
    bench_log_extend(&log, 3, 'a');
    const px_message sync = bench_sync_of(&log, ballot_of(3, 1), 0, 1);
    bench_give(bench, 1, &sync);
    bench_sync(bench);
    bench_restart(bench);
    assert_int_equal(bench->view.state.chosen, 1);
    assert_int_equal(bench->view.state.taken, 3);
    assert_int_equal(bench->view.index_chosen, 1);
    bench_close(bench);
}

/* A leader that was deposed and leads again: what answers its former probe says nothing of now. */
static void r7__an_answer_to_a_probe_of_a_former_ballot_does_not_count(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    (void)bench_lead(bench, 6);
    const px_message prepare = {.kind = PX_MESSAGE_PREPARE, .ballot = {0, 9, 1}, .state.promised = {0, 9, 1}};
    bench_give(bench, 1, &prepare);
    const px_ballot ballot = bench_lead(bench, 6);
    assert_true(ballot.number > 9);
    ask(bench, 11);
    const uint64_t probe = probe_of(bench);
    assert_true(probe > 0);
    px_message probed = {.kind = PX_MESSAGE_PROBED, .ballot = {0, ballot.number - 1, 0}, .probe = probe};
    bench_give(bench, 1, &probed);
    assert_null(answer_to(bench, 11));
    probed.ballot = ballot;
    probed.state.promised = ballot;
    bench_give(bench, 1, &probed);
    assert_non_null(answer_to(bench, 11));
    bench_close(bench);
}

/* More barriers are answered at once than one step has room for; before the rest of the answers leaves, the
 * leader steps down. */
static void r7__what_was_confirmed_is_answered_though_its_leader_steps_down(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    ask(bench, 0); /* a probe flies: those who ask now wait for the next */
    uint64_t probe = probe_of(bench);
    for (uint64_t request = 1; request <= 2 * PX_EFFECTS_PER_STEP; request++) ask(bench, request);
    give_probed(bench, 1, probe, ballot);
    assert_non_null(answer_to(bench, 0));
    probe = probe_of(bench);
    ask(bench, 1000); /* too late for that one */
    const px_message probed = {.kind = PX_MESSAGE_PROBED,
                               .ballot = ballot,
                               .probe = probe,
                               .state.promised = ballot};
    px_input input = {.kind = PX_IN_MESSAGE, .now_us = bench->now_us, .message = {1, &probed}};
    px_effect items[PX_EFFECTS_PER_STEP];
    px_effects effects = {items, 0, PX_EFFECTS_PER_STEP, false};
    px_core_step(bench->core, &input, &effects);
    assert_true(effects.more);
    uint64_t answered = 0, failed = 0;
    const px_message prepare = {.kind = PX_MESSAGE_PREPARE,
                                .ballot = {0, 99, 1},
                                .state.promised = {0, 99, 1}};
    input.message.message = &prepare;
    for (bool more = true; more; input.kind = PX_IN_TICK) {
        for (uint32_t i = 0; i < effects.count; i++) {
            if (items[i].kind != PX_DO_ANSWER) continue;
            if (items[i].answer.ok) answered++;
            if (!items[i].answer.ok) failed = items[i].answer.request;
        }
        more = effects.more || input.kind == PX_IN_MESSAGE;
        effects = (px_effects){items, 0, PX_EFFECTS_PER_STEP, false};
        if (more) px_core_step(bench->core, &input, &effects);
    }
    assert_int_equal(answered, 2 * PX_EFFECTS_PER_STEP);
    assert_int_equal(failed, 1000);
    bench_close(bench);
}

static void r7__who_is_no_voter_answers_no_probe(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    bench_roster(bench, 900); /* its disk was emptied */
    const px_message probe = {.kind = PX_MESSAGE_PROBE, .ballot = ballot_of(3, 1), .probe = 1};
    bench_give(bench, 1, &probe);
    assert_null(bench_sent(bench, PX_MESSAGE_PROBED, 1));
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r7__a_barrier_waits_for_a_probe_of_a_majority),
        cmocka_unit_test(r7__a_probe_serves_only_who_asked_before_it_left),
        cmocka_unit_test(r7__a_barrier_waits_until_all_that_was_adopted_is_chosen),
        cmocka_unit_test(r7__who_promised_above_the_leader_does_not_confirm_it),
        cmocka_unit_test(r7__a_probe_below_the_promise_is_refused),
        cmocka_unit_test(r7__who_stops_leading_fails_its_barriers),
        cmocka_unit_test(r7__only_what_is_chosen_is_delivered),
        cmocka_unit_test(r7__a_restarted_follower_delivers_nothing_above_chosen),
        cmocka_unit_test(r7__an_answer_to_a_probe_of_a_former_ballot_does_not_count),
        cmocka_unit_test(r7__what_was_confirmed_is_answered_though_its_leader_steps_down),
        cmocka_unit_test(r7__who_is_no_voter_answers_no_probe),
    };
    return cmocka_run_group_tests_name("R7", tests, NULL, NULL);
}
