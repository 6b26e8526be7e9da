/* told_test.c - R6: who waits for what is chosen is told at once; the others with the next slot, or soon. */
// SPDX-License-Identifier: Apache-2.0
#include "rules/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* How long those at whom nobody waits are told nothing, at most. */
#define TOLD_US 10000u

/* ---- at the leader ---- */

/* What a member says that has `length` slots of that ballot. */
static px_message state_of(px_message_kind kind, px_ballot ballot, uint64_t length, bool is_quiet)
{
    px_message message = {.kind = kind, .ballot = ballot};
    message.state = (px_node_state){.promised = ballot, .accepted = ballot};
    message.state.durable = message.state.taken = length;
    message.state.is_quiet = is_quiet;
    return message;
}

static void give_accepted(px_bench *bench, uint32_t from, px_ballot ballot, uint64_t length, bool is_quiet)
{
    const px_message accepted = state_of(PX_MESSAGE_ACCEPTED, ballot, length, is_quiet);
    bench_give(bench, from, &accepted);
}

/* A leader whose followers stand in its stream: at 1 somebody waits, at 2 nobody does. */
static px_bench *open_leader(px_ballot *ballot)
{
    px_bench *bench = bench_open(0, 3, true);
    *ballot = bench_lead(bench, 6);
    give_accepted(bench, 1, *ballot, 0, false);
    give_accepted(bench, 2, *ballot, 0, true);
    return bench;
}

/* Its next slot becomes chosen by what 1 accepted. */
static void choose_one(px_bench *bench, px_ballot ballot)
{
    bench_propose(bench);
    bench_sync(bench);
    give_accepted(bench, 1, ballot, bench->view.state.taken, false);
    assert_int_equal(bench->view.state.chosen, bench->view.state.taken);
}

static void tick(px_bench *bench)
{
    px_input input = {.kind = PX_IN_TICK};
    bench_step(bench, &input);
}

static void r6__who_waits_is_told_at_once_and_who_does_not_is_not(void **state)
{
    (void)state;
    px_ballot ballot;
    px_bench *bench = open_leader(&ballot);
    choose_one(bench, ballot);
    const px_effect *chosen = bench_sent_now(bench, PX_MESSAGE_CHOSEN, 1);
    assert_non_null(chosen);
    assert_int_equal(chosen->send.message.state.chosen, 1);
    assert_null(bench_sent(bench, PX_MESSAGE_CHOSEN, 2));
    bench_close(bench);
}

static void r6__the_next_slot_tells_the_others(void **state)
{
    (void)state;
    px_ballot ballot;
    px_bench *bench = open_leader(&ballot);
    choose_one(bench, ballot);
    bench_propose(bench);
    const px_effect *accept = bench_sent_now(bench, PX_MESSAGE_ACCEPT, 2);
    assert_non_null(accept);
    assert_int_equal(accept->send_log.message.state.chosen, 1);
    bench->now_us += TOLD_US;
    tick(bench); /* nothing is left to tell */
    assert_null(bench_sent(bench, PX_MESSAGE_CHOSEN, 1));
    assert_null(bench_sent(bench, PX_MESSAGE_CHOSEN, 2));
    bench_close(bench);
}

static void r6__where_no_slot_follows_the_others_are_told_a_moment_later(void **state)
{
    (void)state;
    px_ballot ballot;
    px_bench *bench = open_leader(&ballot);
    choose_one(bench, ballot);
    const uint64_t due_us = bench->now_us + TOLD_US;
    assert_true(px_core_deadline_us(bench->core) <= due_us);
    bench->now_us = due_us - 1;
    tick(bench);
    assert_null(bench_sent(bench, PX_MESSAGE_CHOSEN, 2));
    bench->now_us = due_us;
    tick(bench);
    const px_effect *chosen = bench_sent_now(bench, PX_MESSAGE_CHOSEN, 2);
    assert_non_null(chosen);
    assert_int_equal(chosen->send.message.state.chosen, 1);
    assert_null(bench_sent(bench, PX_MESSAGE_CHOSEN, 1));
    assert_true(px_core_deadline_us(bench->core) > due_us);
    bench_close(bench);
}

static void r6__who_begins_to_wait_is_answered_and_told_from_then_on(void **state)
{
    (void)state;
    px_ballot ballot;
    px_bench *bench = open_leader(&ballot);
    choose_one(bench, ballot);
    px_message heartbeat = state_of(PX_MESSAGE_HEARTBEAT, ballot, 1, false);
    heartbeat.ballot = (px_ballot){0, 0, 0};
    heartbeat.round = 9;
    bench_give(bench, 2, &heartbeat);
    const px_effect *heard = bench_sent_now(bench, PX_MESSAGE_HEARD, 2);
    assert_non_null(heard);
    assert_int_equal(heard->send.message.state.chosen, 1);
    choose_one(bench, ballot);
    assert_non_null(bench_sent_now(bench, PX_MESSAGE_CHOSEN, 2));
    bench_close(bench);
}

/* ---- at a follower ---- */

static void await(px_bench *bench, bool is_awaited)
{
    px_input input = {.kind = PX_IN_AWAITED, .is_awaited = is_awaited};
    bench_step(bench, &input);
}

/* Follows member 1, whose ballot it has two slots of, the first known chosen. */
static px_bench *open_follower(px_bench_log *log)
{
    memset(log, 0, sizeof *log);
    px_bench *bench = bench_open(0, 3, true);
    bench_log_extend(log, 2, 'a');
    const px_message sync = bench_sync_of(log, ballot_of(3, 1), 0, 1);
    bench_give(bench, 1, &sync);
    bench_sync(bench);
    px_message heard = {.kind = PX_MESSAGE_HEARD, .served = true};
    heard.leads = heard.follows = ballot_of(3, 1);
    heard.state = bench_state(log, ballot_of(3, 1), ballot_of(3, 1), 1);
    bench_rounds(bench, 1, 2, &heard);
    return bench;
}

static bool who_begins_to_wait_says_so(void)
{
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    await(bench, false);
    assert_null(bench_sent(bench, PX_MESSAGE_HEARTBEAT, 1));
    await(bench, true);
    const px_effect *said = bench_sent_now(bench, PX_MESSAGE_HEARTBEAT, 1);
    const bool is_said = said && !said->send.message.state.is_quiet;
    assert_null(bench_sent(bench, PX_MESSAGE_HEARTBEAT, 2));
    bench_close(bench);
    return is_said;
}

static void r6__who_begins_to_wait_says_so_to_its_leader_at_once(void **state)
{
    (void)state;
    bench_prove(who_begins_to_wait_says_so, "r6_waiting_is_said_by_the_round");
    bench_prove(who_begins_to_wait_says_so, "r6_waiting_is_not_said");
}

static void r6__whether_somebody_waits_stands_in_every_state(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    const px_message heartbeat = {.kind = PX_MESSAGE_HEARTBEAT, .round = 4};
    bench_give(bench, 1, &heartbeat); /* as long as nothing is known of it, somebody does */
    assert_false(bench_sent(bench, PX_MESSAGE_HEARD, 1)->send.message.state.is_quiet);
    await(bench, false);
    bench_give(bench, 1, &heartbeat);
    assert_true(bench_sent(bench, PX_MESSAGE_HEARD, 1)->send.message.state.is_quiet);
    bench_log_extend(&log, 3, 'b');
    const px_message accept = bench_accept_of(&log, ballot_of(3, 1), 3, 1);
    bench_give(bench, 1, &accept);
    bench_sync(bench);
    assert_true(bench_sent(bench, PX_MESSAGE_ACCEPTED, 1)->send.message.state.is_quiet);
    await(bench, true);
    await(bench, true); /* said once */
    assert_null(bench_sent(bench, PX_MESSAGE_HEARTBEAT, 1));
    bench_give(bench, 1, &heartbeat);
    assert_false(bench_sent(bench, PX_MESSAGE_HEARD, 1)->send.message.state.is_quiet);
    bench_close(bench);
}

static void r6__the_answer_tells_what_is_chosen(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    await(bench, false);
    await(bench, true);
    px_message heard = {.kind = PX_MESSAGE_HEARD, .served = true};
    heard.round = bench_sent(bench, PX_MESSAGE_HEARTBEAT, 1)->send.message.round;
    heard.leads = heard.follows = ballot_of(3, 1);
    heard.state = bench_state(&log, ballot_of(3, 1), ballot_of(3, 1), 2);
    bench_give(bench, 1, &heard);
    assert_int_equal(bench_chosen(bench), 2);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r6__who_waits_is_told_at_once_and_who_does_not_is_not),
        cmocka_unit_test(r6__the_next_slot_tells_the_others),
        cmocka_unit_test(r6__where_no_slot_follows_the_others_are_told_a_moment_later),
        cmocka_unit_test(r6__who_begins_to_wait_is_answered_and_told_from_then_on),
        cmocka_unit_test(r6__who_begins_to_wait_says_so_to_its_leader_at_once),
        cmocka_unit_test(r6__whether_somebody_waits_stands_in_every_state),
        cmocka_unit_test(r6__the_answer_tells_what_is_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
