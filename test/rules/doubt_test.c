/* doubt_test.c - R16: who does not know how long its damaged log was, or under which ballot. */
// SPDX-License-Identifier: Apache-2.0
#include "rules/bench.h"

#include "base/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define LENGTH 6u /* of the log before it was damaged */
#define LEFT 2u   /* and what is left of it */

/* Of members that promised the ballot in which the log was synchronised. */
static const px_message promised_before = {.kind = PX_MESSAGE_HEARD, .state = {.promised = {0, 3, 1}}};

/* A log of six slots, synchronised in ballot 3 of member 1; all behind the second are damaged. */
static px_bench *open_damaged_with(px_bench_log *log, px_claim claim)
{
    px_bench *bench = bench_open(0, 3, true);
    bench_log_extend(log, LENGTH, 'a');
    const px_message sync = bench_sync_of(log, ballot_of(3, 1), 0, 0);
    bench_give(bench, 1, &sync);
    bench_sync(bench);
    bench_damage(bench, log, LEFT, claim);
    return bench;
}

static px_message prepare_of(px_ballot ballot)
{
    return (px_message){.kind = PX_MESSAGE_PREPARE, .ballot = ballot, .state = {.promised = ballot}};
}

static px_message mended_of(const px_bench_log *log, px_ballot ballot, uint64_t after, uint64_t last)
{
    return (px_message){.kind = PX_MESSAGE_MENDED, .ballot = ballot, .log = bench_part(log, after, last)};
}

static bool an_unsure_node_promises_nothing(void)
{
    px_bench_log log = {.length = 0};
    px_bench *bench = open_damaged_with(&log, (px_claim){.length = LENGTH, .is_unsure = true});
    const px_message prepare = prepare_of(ballot_of(7, 2));
    bench_give(bench, 2, &prepare);
    const bool holds = !bench_sent(bench, PX_MESSAGE_PROMISE, 2) && !bench_sent(bench, PX_MESSAGE_REFUSE, 2);
    px_assert(bench->view.violations == 0);
    bench_close(bench);
    return holds;
}

static void r16__who_is_unsure_of_its_log_gives_no_promise(void **state)
{
    (void)state;
    bench_prove(an_unsure_node_promises_nothing, "r16_unsure_promises");
}

static void r16__who_was_unsure_promises_again_once_a_leader_synchronised_it(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = open_damaged_with(&log, (px_claim){.length = LENGTH, .is_unsure = true});
    const px_message sync = bench_sync_of(&log, ballot_of(7, 2), 0, 0);
    bench_give(bench, 2, &sync);
    bench_sync(bench);
    assert_int_equal(bench->view.role, PX_ROLE_FOLLOWER);
    assert_int_equal(bench->view.state.claimed, 0);
    bench_restart(bench); /* the splice is behind the claim on the disk, too */
    const px_message prepare = prepare_of(ballot_of(8, 1));
    bench_give(bench, 1, &prepare);
    assert_non_null(bench_sent(bench, PX_MESSAGE_PROMISE, 1));
    bench_close(bench);
}

static bool a_leader_of_its_ballot_ends_the_doubt(void)
{
    px_bench_log log = {.length = 0};
    px_bench *bench = open_damaged_with(&log, (px_claim){.length = LENGTH, .is_unsure = true});
    const px_message sync = bench_sync_of(&log, ballot_of(3, 1), 0, 0);
    bench_give(bench, 1, &sync);
    bench_sync(bench);
    px_assert(bench->view.role == PX_ROLE_FOLLOWER && bench->view.state.taken == LENGTH);
    const uint64_t cuts = bench->view.state.cuts;
    bench_restart(bench);
    px_assert(bench->view.state.cuts == cuts);
    const px_message prepare = prepare_of(ballot_of(8, 1));
    bench_give(bench, 1, &prepare);
    const bool holds = bench_sent(bench, PX_MESSAGE_PROMISE, 1) != NULL;
    px_assert(bench->view.violations == 0);
    bench_close(bench);
    return holds;
}

/* After a power cut there may be nobody else whose promise a leader could wait for. */
static void r16__who_was_unsure_under_its_leader_is_sure_after_a_restart(void **state)
{
    (void)state;
    bench_prove(a_leader_of_its_ballot_ends_the_doubt, "r16_doubt_comes_back");
}

/* The leader has no more than what is left: that, too, is on the disk before it counts. */
static void r16__who_is_unsure_of_a_whole_log_is_sure_after_a_restart(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = open_damaged_with(&log, (px_claim){.length = LEFT, .is_unsure = true});
    const px_message sync = bench_sync_of(&log, ballot_of(3, 1), 0, 0);
    px_message shorter = sync;
    shorter.log.count = LEFT;
    bench_give(bench, 1, &shorter);
    assert_null(bench_sent(bench, PX_MESSAGE_ACCEPTED, 1));
    bench_sync(bench);
    assert_non_null(bench_sent(bench, PX_MESSAGE_ACCEPTED, 1));
    bench_restart(bench);
    const px_message prepare = prepare_of(ballot_of(8, 1));
    bench_give(bench, 1, &prepare);
    assert_non_null(bench_sent(bench, PX_MESSAGE_PROMISE, 1));
    bench_close(bench);
}

static bool who_is_unsure_asks_the_leader_of_its_ballot(void)
{
    px_bench_log log = {.length = 0};
    px_bench *bench = open_damaged_with(&log, (px_claim){.length = LEFT, .is_unsure = true});
    px_message heard = promised_before;
    heard.leads = heard.follows = ballot_of(3, 1);
    heard.served = true;
    bool holds = false;
    for (uint32_t i = 0; i < 4 && !holds; i++) {
        bench_rounds(bench, 1, 2, &heard);
        holds = bench_sent(bench, PX_MESSAGE_FETCH, 1) != NULL;
    }
    px_assert(bench->view.violations == 0);
    bench_close(bench);
    return holds;
}

/* Its leader may have nothing for it, and know nothing of the doubt. */
static void r16__who_is_unsure_asks_its_leader_whether_this_is_all(void **state)
{
    (void)state;
    bench_prove(who_is_unsure_asks_the_leader_of_its_ballot, "r16_doubt_waits");
}

/* Who has all of its log, as it says itself, asks: once a round it is told that this is all. */
static void r16__a_leader_says_that_this_is_all(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    px_message accepted = {.kind = PX_MESSAGE_ACCEPTED, .ballot = ballot};
    accepted.state = (px_node_state){.promised = ballot, .accepted = ballot};
    bench_give(bench, 1, &accepted);
    px_message fetch = {.kind = PX_MESSAGE_FETCH, .state = accepted.state};
    bench_rounds(bench, 1, 6, &accepted);
    bench_give(bench, 1, &fetch);
    const px_effect *sync = bench_sent(bench, PX_MESSAGE_SYNC, 1);
    assert_non_null(sync);
    assert_int_equal(sync->send_log.last, sync->send_log.message.log.after);
    bench_give(bench, 1, &fetch);
    assert_null(bench_sent(bench, PX_MESSAGE_SYNC, 1));
    assert_int_equal(bench->view.violations, 0);
    bench_close(bench);
}

/* A piece that cuts says nothing of the accepted ballot that it does not know. */
static void r16__who_is_unsure_stays_so_when_chosen_slots_cut_its_log(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = open_damaged_with(&log, (px_claim){.length = LENGTH, .is_unsure = true});
    static px_bench_log chosen;
    chosen.length = 0;
    bench_log_extend(&chosen, 3, 'c');
    const px_message piece = bench_piece_of(&chosen, 0, 3);
    bench_give(bench, 2, &piece);
    assert_non_null(bench_record(bench, PX_RECORD_CUT));
    assert_int_equal(bench->view.state.chosen, 3);
    bench_sync(bench);
    const px_message prepare = prepare_of(ballot_of(7, 2));
    bench_give(bench, 2, &prepare);
    assert_null(bench_sent(bench, PX_MESSAGE_PROMISE, 2));
    bench_close(bench);
}

/* What its log was under which ballot it does not know: nothing mends it but a leader. */
static void r16__who_is_unsure_neither_asks_for_slots_nor_takes_them(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = open_damaged_with(&log, (px_claim){.length = LENGTH, .is_unsure = true});
    px_message heard = promised_before;
    heard.state.taken = heard.state.durable = LENGTH;
    for (uint32_t i = 0; i < 4; i++) {
        bench_rounds(bench, 1, 6, &heard);
        assert_null(bench_sent(bench, PX_MESSAGE_FETCH, 1));
        assert_null(bench_sent(bench, PX_MESSAGE_FETCH, 2));
    }
    const px_message mended = mended_of(&log, ballot_of(3, 1), LEFT, LENGTH);
    bench_give(bench, 1, &mended);
    assert_int_equal(bench->view.state.taken, LEFT);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r16__who_is_unsure_of_its_log_gives_no_promise),
        cmocka_unit_test(r16__who_was_unsure_promises_again_once_a_leader_synchronised_it),
        cmocka_unit_test(r16__who_was_unsure_under_its_leader_is_sure_after_a_restart),
        cmocka_unit_test(r16__who_is_unsure_of_a_whole_log_is_sure_after_a_restart),
        cmocka_unit_test(r16__who_is_unsure_asks_its_leader_whether_this_is_all),
        cmocka_unit_test(r16__a_leader_says_that_this_is_all),
        cmocka_unit_test(r16__who_is_unsure_stays_so_when_chosen_slots_cut_its_log),
        cmocka_unit_test(r16__who_is_unsure_neither_asks_for_slots_nor_takes_them),
    };
    return cmocka_run_group_tests_name("R16, doubt", tests, NULL, NULL);
}
