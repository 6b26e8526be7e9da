/* adopt_test.c - R4 and R16: what a candidate does with promises and tails that are not what it hoped for. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "rules/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const px_message silence = {.kind = PX_MESSAGE_HEARD};

/* A candidate whose own promise is durable, with two slots in ballot 3 of member 1. */
static px_bench *open_candidate(px_bench_log *own, uint32_t member_count, px_ballot *ballot)
{
    memset(own, 0, sizeof *own);
    px_bench *bench = bench_open(0, member_count, true);
    bench_log_extend(own, 2, 'a');
    const px_message sync = bench_sync_of(own, ballot_of(3, 1), 0, 0);
    bench_give(bench, 1, &sync);
    bench_sync(bench);
    while (bench->view.role != PX_ROLE_CANDIDATE) bench_rounds(bench, 1, 126, &silence);
    bench_sync(bench);
    *ballot = bench->view.state.promised;
    return bench;
}

static void give_promise(px_bench *bench, uint32_t from, px_ballot accepted, uint64_t taken, uint64_t claimed)
{
    px_message promise = {.kind = PX_MESSAGE_PROMISE, .ballot = bench->view.state.promised};
    promise.state = (px_node_state){.promised = promise.ballot, .accepted = accepted, .claimed = claimed};
    promise.state.taken = promise.state.durable = taken;
    bench_give(bench, from, &promise);
}

static px_message tail_of(px_ballot ballot, const px_bench_log *log, uint64_t after)
{
    return (px_message){
        .kind = PX_MESSAGE_TAIL,
        .ballot = ballot,
        .state = bench_state(log, ballot, ballot_of(3, 2), 0),
        .log = bench_part(log, after, log->length),
    };
}

/* It adopts the log of member 2, which has `length` slots in ballot (3, 2), the first two as its own. */
static px_bench *open_adopting(px_bench_log *own, px_bench_log *better, uint64_t length, px_ballot *ballot)
{
    px_bench *bench = open_candidate(own, 3, ballot);
    memset(better, 0, sizeof *better);
    bench_log_extend(better, 2, 'a');
    bench_log_extend(better, length, 'b');
    give_promise(bench, 2, ballot_of(3, 2), length, 0);
    assert_non_null(bench_sent(bench, PX_MESSAGE_FETCH, 2));
    return bench;
}

/* Others chose them in a ballot above this one, so this campaign can no longer win. */
static void r4__a_log_shorter_than_what_is_chosen_here_is_not_adopted(void **state)
{
    (void)state;
    static px_bench_log own;
    px_ballot ballot;
    px_bench *bench = open_candidate(&own, 3, &ballot);
    bench_log_extend(&own, 4, 'c');
    const px_message piece = bench_piece_of(&own, 0, 4);
    bench_give(bench, 1, &piece);
    assert_int_equal(bench->view.state.chosen, 4);
    give_promise(bench, 2, ballot_of(3, 2), 3, 0);
    assert_int_equal(bench->view.role, PX_ROLE_FOLLOWER);
    assert_null(bench_sent(bench, PX_MESSAGE_FETCH, 2));
    bench_close(bench);
}

static void r4__a_tail_of_another_campaign_is_not_adopted(void **state)
{
    (void)state;
    static px_bench_log own, better;
    px_ballot ballot;
    px_bench *bench = open_adopting(&own, &better, 3, &ballot);
    px_message tail = tail_of((px_ballot){0, ballot.number - 1, 0}, &better, 0);
    tail.state.accepted = (px_ballot){0, 0, 0};
    bench_give(bench, 2, &tail);
    assert_int_equal(bench->view.role, PX_ROLE_CANDIDATE);
    assert_int_equal(bench->view.violations, 0);
    tail = tail_of(ballot, &better, 0);
    bench_give(bench, 2, &tail);
    assert_int_equal(bench->view.role, PX_ROLE_LEADER);
    bench_close(bench);
}

static void r4__a_tail_behind_the_end_of_the_own_log_is_not_adopted(void **state)
{
    (void)state;
    static px_bench_log own, better;
    px_ballot ballot;
    px_bench *bench = open_adopting(&own, &better, 5, &ballot);
    const px_message tail = tail_of(ballot, &better, 3); /* slot 3 is missing here */
    bench_give(bench, 2, &tail);
    assert_int_equal(bench->view.role, PX_ROLE_CANDIDATE);
    assert_int_equal(bench->view.violations, 0);
    assert_null(bench_record(bench, PX_RECORD_SPLICE));
    bench_close(bench);
}

static void r9__a_tail_larger_than_the_window_is_a_violation(void **state)
{
    (void)state;
    static px_bench_log own, better;
    px_ballot ballot;
    px_bench *bench = open_adopting(&own, &better, 2 + PX_WINDOW_SLOTS, &ballot);
    const px_message tail = tail_of(ballot, &better, 2);
    bench_give(bench, 2, &tail); /* two slots and a window are not chosen */
    assert_int_equal(bench->view.violations, 1);
    assert_int_equal(bench->view.role, PX_ROLE_CANDIDATE);
    bench_close(bench);
}

/* How many rounds pass until it gives up; the log that it wants never comes. */
static uint32_t rounds_of_patience(px_bench *bench)
{
    while (bench->view.role != PX_ROLE_CANDIDATE) bench_rounds(bench, 1, 6, &silence);
    bench_sync(bench);
    give_promise(bench, 2, ballot_of(3, 2), 9, 0);
    uint32_t rounds = 0;
    for (; bench->view.role == PX_ROLE_CANDIDATE && rounds < 1000; rounds++)
        bench_rounds(bench, 1, 6, &silence);
    return rounds;
}

static void r4__each_fetch_in_vain_is_waited_for_longer_but_not_for_ever(void **state)
{
    (void)state;
    static px_bench_log own;
    px_ballot ballot;
    px_bench *bench = open_candidate(&own, 3, &ballot);
    uint32_t rounds = rounds_of_patience(bench), before = 0;
    while (rounds > before) {
        before = rounds;
        rounds = rounds_of_patience(bench);
        assert_true(rounds == 2 * before || rounds == before);
    }
    assert_in_range(rounds, 64, 127);
    bench_close(bench);
}

/* The other end: a candidate that lacks more than goes into one message is sent what is chosen first. */
static void r9__a_candidate_far_behind_is_sent_pieces_before_the_tail(void **state)
{
    (void)state;
    static px_bench_log log;
    memset(&log, 0, sizeof log);
    px_bench *bench = bench_open(0, 3, true);
    const uint64_t length = PX_WINDOW_SLOTS + 50;
    bench_log_extend(&log, length, 'a');
    for (uint64_t after = 0; after < length; after += 50) {
        const uint64_t last = after + 50 < length ? after + 50 : length;
        const px_message piece = bench_piece_of(&log, after, last);
        bench_give(bench, 1, &piece);
    }
    bench_sync(bench);
    assert_int_equal(bench->view.state.chosen, length);
    const px_ballot ballot = ballot_of(7, 2);
    px_message message = {.kind = PX_MESSAGE_PREPARE, .ballot = ballot, .state = {.promised = ballot}};
    bench_give(bench, 2, &message);
    bench_sync(bench);
    message.kind = PX_MESSAGE_FETCH;
    bench_give(bench, 2, &message);
    const px_effect *piece = bench_sent_now(bench, PX_MESSAGE_PIECE, 2);
    assert_non_null(piece);
    assert_int_equal(piece->send_log.message.log.after, 0);
    assert_null(bench_sent(bench, PX_MESSAGE_TAIL, 2));
    message.state = bench_state(&log, ballot, (px_ballot){0, 0, 0}, length - 1);
    bench_give(bench, 2, &message); /* and now it is near enough */
    assert_non_null(bench_sent_now(bench, PX_MESSAGE_TAIL, 2));
    bench_close(bench);
}

/* ---- damaged logs [R16] ---- */

/* Of five: one with an intact log that is worse, one with a damaged log that is better. */
static void r16__an_intact_log_beside_a_better_damaged_one_is_no_majority(void **state)
{
    (void)state;
    static px_bench_log own;
    px_ballot ballot;
    px_bench *bench = open_candidate(&own, 5, &ballot);
    give_promise(bench, 1, ballot_of(3, 1), 1, 0);
    give_promise(bench, 2, ballot_of(3, 2), 1, 4);
    assert_int_equal(bench->view.role, PX_ROLE_CANDIDATE);
    give_promise(bench, 3, ballot_of(3, 1), 1, 0);
    assert_int_equal(bench->view.role, PX_ROLE_LEADER);
    bench_close(bench);
}

/* Where N is even half of the members meet every majority: what was chosen is on one of them. */
static bool half_with_intact_logs_decides(void)
{
    static px_bench_log own;
    px_ballot ballot;
    px_bench *bench = open_candidate(&own, 4, &ballot);
    give_promise(bench, 1, ballot_of(3, 2), 1, 4);
    bool holds = bench->view.role == PX_ROLE_CANDIDATE;
    give_promise(bench, 2, ballot_of(3, 2), 1, 5);
    holds = holds && bench->view.role == PX_ROLE_CANDIDATE && !bench_record(bench, PX_RECORD_SPLICE);
    give_promise(bench, 3, ballot_of(3, 1), 1, 0);
    holds = holds && bench->view.role == PX_ROLE_LEADER && bench->view.state.taken == 2;
    bench_close(bench);
    return holds;
}

static void r16__of_an_even_number_half_with_intact_logs_is_enough(void **state)
{
    (void)state;
    bench_prove(half_with_intact_logs_decides, "r16_leads_past_a_damaged_log");
}

/* What only one of two has is not chosen. */
static void r16__of_two_the_intact_one_leads(void **state)
{
    (void)state;
    static px_bench_log own;
    px_ballot ballot;
    px_bench *bench = open_candidate(&own, 2, &ballot);
    give_promise(bench, 1, ballot_of(3, 1), 1, 4);
    assert_int_equal(bench->view.role, PX_ROLE_LEADER);
    assert_int_equal(bench->view.state.taken, 2);
    bench_close(bench);
}

/* The damaged log has two more slots than its own; then these are chosen, and they come here. */
static void r16__a_candidate_whose_log_became_as_good_as_a_damaged_one_leads(void **state)
{
    (void)state;
    static px_bench_log own;
    px_ballot ballot;
    px_bench *bench = open_candidate(&own, 3, &ballot);
    give_promise(bench, 1, ballot_of(3, 1), 1, 4);
    assert_int_equal(bench->view.role, PX_ROLE_CANDIDATE);
    bench_log_extend(&own, 4, 'a');
    const px_message piece = bench_piece_of(&own, 0, 4);
    bench_give(bench, 2, &piece);
    bench_rounds(bench, 1, 6, &silence);
    assert_int_equal(bench->view.role, PX_ROLE_LEADER);
    assert_int_equal(bench->view.state.taken, 4);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r4__a_log_shorter_than_what_is_chosen_here_is_not_adopted),
        cmocka_unit_test(r4__a_tail_of_another_campaign_is_not_adopted),
        cmocka_unit_test(r4__a_tail_behind_the_end_of_the_own_log_is_not_adopted),
        cmocka_unit_test(r9__a_tail_larger_than_the_window_is_a_violation),
        cmocka_unit_test(r4__each_fetch_in_vain_is_waited_for_longer_but_not_for_ever),
        cmocka_unit_test(r9__a_candidate_far_behind_is_sent_pieces_before_the_tail),
        cmocka_unit_test(r16__an_intact_log_beside_a_better_damaged_one_is_no_majority),
        cmocka_unit_test(r16__of_an_even_number_half_with_intact_logs_is_enough),
        cmocka_unit_test(r16__of_two_the_intact_one_leads),
        cmocka_unit_test(r16__a_candidate_whose_log_became_as_good_as_a_damaged_one_leads),
    };
    return cmocka_run_group_tests_name("adoption", tests, NULL, NULL);
}
