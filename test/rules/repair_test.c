/* repair_test.c - R16: a damaged log counts as what it was, and is mended with what it was. */
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

static const px_message silence = {.kind = PX_MESSAGE_HEARD};
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

static px_bench *open_damaged(px_bench_log *log)
{
    return open_damaged_with(log, (px_claim){.length = LENGTH});
}

static px_message prepare_of(px_ballot ballot)
{
    return (px_message){.kind = PX_MESSAGE_PREPARE, .ballot = ballot, .state = {.promised = ballot}};
}

static px_message mended_of(const px_bench_log *log, px_ballot ballot, uint64_t after, uint64_t last)
{
    return (px_message){.kind = PX_MESSAGE_MENDED, .ballot = ballot, .log = bench_part(log, after, last)};
}

static void give_salvage(px_bench *bench, px_log_part log, uint64_t anchor_slot, px_hash anchor_chain)
{
    px_input input = {.kind = PX_IN_SALVAGE, .salvage = {log, anchor_slot, anchor_chain}};
    bench_step(bench, &input);
}

/* ---- what a damaged log says of itself ---- */

static bool a_promise_states_what_the_log_was(void)
{
    px_bench_log log = {.length = 0};
    px_bench *bench = open_damaged(&log);
    const px_message prepare = prepare_of(ballot_of(7, 2));
    bench_give(bench, 2, &prepare);
    const px_effect *promise = bench_sent(bench, PX_MESSAGE_PROMISE, 2);
    const px_node_state *state = promise ? &promise->send.message.state : NULL;
    const bool holds = state && px_ballot_equal(state->accepted, ballot_of(3, 1)) && state->taken == LEFT &&
                       state->claimed == LENGTH;
    px_assert(bench->view.violations == 0);
    bench_close(bench);
    return holds;
}

static void r16__a_promise_of_a_damaged_log_states_what_it_was(void **state)
{
    (void)state;
    bench_prove(a_promise_states_what_the_log_was, "r16_faulty_log_counts_as_short");
}

static bool a_damaged_node_never_campaigns(void)
{
    px_bench_log log = {.length = 0};
    px_bench *bench = open_damaged(&log);
    for (uint32_t i = 0; i < 10 && bench->view.elections == 0; i++) bench_rounds(bench, 1, 6, &silence);
    const bool holds = bench->view.elections == 0 && bench->view.role == PX_ROLE_RECOVERING;
    px_assert(bench->view.violations == 0);
    bench_close(bench);
    return holds;
}

static void r16__a_node_with_a_damaged_log_does_not_lead(void **state)
{
    (void)state;
    bench_prove(a_damaged_node_never_campaigns, "r16_faulty_leads");
}

static bool a_damaged_log_is_no_tail(void)
{
    px_bench_log log = {.length = 0};
    px_bench *bench = open_damaged(&log);
    px_message message = prepare_of(ballot_of(7, 2));
    bench_give(bench, 2, &message);
    bench_sync(bench);
    message = (px_message){.kind = PX_MESSAGE_FETCH,
                           .ballot = ballot_of(7, 2),
                           .state = {.promised = ballot_of(7, 2)}};
    bench_give(bench, 2, &message);
    const bool holds = !bench_sent(bench, PX_MESSAGE_TAIL, 2);
    px_assert(bench->view.violations == 0);
    bench_close(bench);
    return holds;
}

static void r16__a_damaged_log_is_not_given_to_a_candidate(void **state)
{
    (void)state;
    bench_prove(a_damaged_log_is_no_tail, "r16_damaged_log_is_adopted");
}

static void r16__no_accepted_passes_the_first_damaged_slot(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = open_damaged(&log);
    bench_log_extend(&log, LENGTH + 1, 'a');
    const px_message accept = bench_accept_of(&log, ballot_of(3, 1), LENGTH + 1, 0);
    bench_give(bench, 1, &accept);
    bench_sync(bench);
    assert_int_equal(bench->view.state.durable, LEFT);
    const px_effect *accepted = bench_sent(bench, PX_MESSAGE_ACCEPTED, 1);
    assert_true(!accepted || accepted->send.message.state.durable == LEFT);
    bench_close(bench);
}

/* ---- candidates ---- */

/* A candidate whose own, empty log is promised. */
static px_ballot campaign(px_bench *bench)
{
    while (bench->view.role != PX_ROLE_CANDIDATE) bench_rounds(bench, 1, 6, &promised_before);
    bench_sync(bench);
    return bench->view.state.promised;
}

static px_message promise_of(px_ballot ballot, const px_bench_log *log, uint64_t taken, uint64_t claimed)
{
    px_bench_log *left = calloc(1, sizeof *left);
    *left = *log;
    left->length = taken;
    px_message promise = {
        .kind = PX_MESSAGE_PROMISE,
        .ballot = ballot,
        .state = bench_state(left, ballot, taken ? ballot_of(3, 1) : (px_ballot){0, 0, 0}, 0),
    };
    promise.state.claimed = claimed;
    free(left);
    return promise;
}

static bool a_candidate_waits_for_a_damaged_log(void)
{
    px_bench_log log = {.length = 0};
    px_bench *bench = bench_open(0, 3, true);
    bench_log_extend(&log, LENGTH, 'a');
    const px_ballot ballot = campaign(bench);
    px_message promise = promise_of(ballot, &log, LEFT, LENGTH);
    bench_give(bench, 1, &promise);
    bool holds = bench->view.role == PX_ROLE_CANDIDATE && !bench_sent(bench, PX_MESSAGE_FETCH, 1) &&
                 !bench_record(bench, PX_RECORD_SPLICE);
    promise = promise_of(ballot, &log, LENGTH, 0); /* it was mended */
    bench_give(bench, 1, &promise);
    holds = holds && bench_sent(bench, PX_MESSAGE_FETCH, 1) != NULL;
    px_assert(bench->view.violations == 0);
    bench_close(bench);
    return holds;
}

static void r16__a_candidate_waits_until_a_better_log_is_mended(void **state)
{
    (void)state;
    bench_prove(a_candidate_waits_for_a_damaged_log, "r16_leads_past_a_damaged_log");
}

static void r16__a_candidate_asks_those_with_damaged_logs_again(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = bench_open(0, 5, true);
    bench_log_extend(&log, LENGTH, 'a');
    while (bench->view.role != PX_ROLE_CANDIDATE) bench_rounds(bench, 1, 30, &promised_before);
    bench_sync(bench);
    const px_ballot ballot = bench->view.state.promised;
    px_message promise = promise_of(ballot, &log, LEFT, LENGTH);
    bench_give(bench, 1, &promise);
    promise = promise_of(ballot, &log, 0, 0);
    bench_give(bench, 2, &promise);
    assert_int_equal(bench->view.role, PX_ROLE_CANDIDATE);
    bool asked = false, asked_intact = false;
    for (uint32_t i = 0; i < 4 && !asked && px_ballot_equal(bench->view.state.promised, ballot); i++) {
        bench_rounds(bench, 1, 30, &promised_before);
        const px_effect *prepare = bench_sent(bench, PX_MESSAGE_PREPARE, 1);
        asked = prepare && px_ballot_equal(prepare->send.message.ballot, ballot);
        asked_intact = bench_sent(bench, PX_MESSAGE_PREPARE, 2) != NULL;
    }
    assert_true(asked);
    assert_false(asked_intact);
    bench_close(bench);
}

static void r16__a_majority_of_intact_logs_leaves_a_damaged_one_out(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = bench_open(0, 3, true);
    bench_log_extend(&log, LENGTH, 'a');
    const px_ballot ballot = campaign(bench);
    px_message promise = promise_of(ballot, &log, LEFT, LENGTH);
    bench_give(bench, 1, &promise);
    promise = promise_of(ballot, &log, 0, 0);
    bench_give(bench, 2, &promise);
    assert_non_null(bench_record(bench, PX_RECORD_SPLICE));
    assert_int_equal(bench->view.role, PX_ROLE_LEADER);
    bench_close(bench);
}

static void r16__an_intact_log_that_is_better_leads_with_a_damaged_ones_promise(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = bench_open(0, 3, true);
    bench_log_extend(&log, LENGTH, 'a');
    const px_message sync = bench_sync_of(&log, ballot_of(3, 1), 0, 0);
    bench_give(bench, 1, &sync);
    bench_sync(bench);
    const px_ballot ballot = campaign(bench);
    const px_message promise = promise_of(ballot, &log, LEFT, LENGTH);
    bench_give(bench, 1, &promise);
    assert_int_equal(bench->view.role, PX_ROLE_LEADER);
    bench_close(bench);
}

/* ---- mending ---- */

static void r16__a_log_of_the_same_ballot_mends(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = open_damaged(&log);
    px_message mended = mended_of(&log, ballot_of(3, 1), LEFT, 4);
    bench_give(bench, 2, &mended);
    const px_record *record = bench_record(bench, PX_RECORD_APPEND);
    assert_non_null(record);
    assert_int_equal(px_ballot_compare(record->accepted, ballot_of(3, 1)), 0);
    assert_int_equal(bench->view.state.taken, 4);
    assert_int_equal(bench->view.state.claimed, LENGTH);
    assert_non_null(bench_sent(bench, PX_MESSAGE_FETCH, 2)); /* on at once */
    bench_log_extend(&log, LENGTH + 2, 'a');
    mended = mended_of(&log, ballot_of(3, 1), 3, LENGTH + 2);
    bench_give(bench, 1, &mended);
    bench_sync(bench);
    assert_int_equal(bench->view.state.taken, LENGTH); /* what it never had, a leader gives */
    assert_int_equal(bench->view.state.claimed, 0);
    assert_int_equal(bench->view.role, PX_ROLE_FOLLOWER);
    bench_close(bench);
}

/* Of another ballot, and another log behind slot 2. */
static bool another_log_does_not_mend(void)
{
    px_bench_log log = {.length = 0}, other = {.length = 0};
    px_bench *bench = open_damaged(&log);
    bench_log_extend(&other, LEFT, 'a');
    bench_log_extend(&other, LENGTH, 'b');
    const px_message mended = mended_of(&other, ballot_of(2, 2), LEFT, LENGTH);
    bench_give(bench, 2, &mended);
    const bool holds = bench->view.state.taken == LEFT && bench->view.state.claimed == LENGTH;
    px_assert(bench->view.violations == 0);
    bench_close(bench);
    return holds;
}

static void r16__a_log_of_another_ballot_does_not_mend_by_itself(void **state)
{
    (void)state;
    bench_prove(another_log_does_not_mend, "r16_mends_without_an_anchor");
}

static void r16__a_log_of_another_ballot_mends_up_to_a_hash_that_is_known(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0}, other = {.length = 0};
    px_bench *bench = open_damaged(&log);
    bench_log_extend(&other, LEFT, 'a');
    bench_log_extend(&other, LENGTH, 'b');
    give_salvage(bench, (px_log_part){0}, 4, log.entries[3].chain);
    px_message mended = mended_of(&other, ballot_of(2, 2), LEFT, LENGTH);
    bench_give(bench, 2, &mended);
    assert_int_equal(bench->view.state.taken, LEFT);
    mended = mended_of(&log, ballot_of(2, 2), LEFT, 3); /* not as far as it is known */
    bench_give(bench, 2, &mended);
    assert_int_equal(bench->view.state.taken, LEFT);
    mended = mended_of(&log, ballot_of(2, 2), LEFT, LENGTH);
    bench_give(bench, 2, &mended);
    assert_int_equal(bench->view.state.taken, 4);
    give_salvage(bench, bench_part(&other, 4, LENGTH), 0, (px_hash){0, 0}); /* it does not continue the log */
    assert_int_equal(bench->view.state.taken, 4);
    give_salvage(bench, bench_part(&log, 4, LENGTH), 0, (px_hash){0, 0});
    assert_int_equal(bench->view.state.taken, LENGTH);
    bench_sync(bench);
    assert_int_equal(bench->view.role, PX_ROLE_FOLLOWER);
    bench_close(bench);
}

static void r16__the_hash_at_its_end_is_enough(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    bench_log_extend(&log, LENGTH, 'a');
    const px_hash chain = log.entries[LENGTH - 1].chain;
    px_bench_log again = {.length = 0};
    px_bench *bench = open_damaged_with(&again, (px_claim){.length = LENGTH, .chosen = 5, .chain = chain});
    const px_message mended = mended_of(&again, ballot_of(9, 2), LEFT, LENGTH);
    bench_give(bench, 2, &mended);
    assert_int_equal(bench->view.state.taken, LENGTH);
    assert_int_equal(bench->view.state.chosen, 5); /* as it was known before */
    bench_close(bench);
}

static void r16__who_has_more_sends_it_chosen_or_not(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = bench_open(0, 3, true);
    bench_log_extend(&log, LENGTH, 'a');
    const px_message sync = bench_sync_of(&log, ballot_of(3, 1), 0, 0);
    bench_give(bench, 1, &sync);
    bench_sync(bench);
    px_bench_log left = {.length = 0};
    bench_log_extend(&left, LEFT, 'a');
    px_message fetch = {.kind = PX_MESSAGE_FETCH,
                        .state = bench_state(&left, ballot_of(3, 1), ballot_of(3, 1), 0)};
    bench_give(bench, 2, &fetch);
    assert_null(bench_sent(bench, PX_MESSAGE_MENDED, 2)); /* an intact log needs none */
    fetch.state.claimed = LENGTH;
    bench_give(bench, 2, &fetch);
    const px_effect *mended = bench_sent(bench, PX_MESSAGE_MENDED, 2);
    assert_non_null(mended);
    assert_int_equal(px_ballot_compare(mended->send_log.message.ballot, ballot_of(3, 1)), 0);
    assert_int_equal(mended->send_log.message.log.after, LEFT);
    assert_int_equal(mended->send_log.last, LENGTH);
    bench_close(bench);
}

static void r16__a_damaged_node_asks_whoever_has_more_in_turn(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = open_damaged(&log);
    px_message heard = silence;
    heard.state = bench_state(&log, ballot_of(3, 1), ballot_of(3, 1), 0);
    uint32_t asked[3] = {0, 0, 0};
    for (uint32_t i = 0; i < 6; i++) {
        bench_rounds(bench, 1, 6, &heard);
        for (uint32_t member = 1; member < 3; member++)
            if (bench_sent(bench, PX_MESSAGE_FETCH, member)) asked[member]++;
    }
    assert_true(asked[1] > 0 && asked[2] > 0);
    bench_close(bench);
}

static void r16__a_claim_outlives_every_restart_until_it_is_fulfilled(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = open_damaged(&log);
    const px_message mended = mended_of(&log, ballot_of(3, 1), LEFT, 4);
    bench_give(bench, 2, &mended);
    bench_sync(bench);
    bench_restart(bench);
    assert_int_equal(bench->view.state.taken, 4);
    assert_int_equal(bench->view.state.claimed, LENGTH);
    assert_int_equal(bench->view.role, PX_ROLE_RECOVERING);
    bench_close(bench);
}

static void r16__a_higher_ballot_voids_the_claim(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = open_damaged(&log);
    bench_log_cut(&log, 3); /* what was behind was not chosen */
    const px_message sync = bench_sync_of(&log, ballot_of(7, 2), 0, 0);
    bench_give(bench, 2, &sync);
    bench_sync(bench);
    assert_int_equal(bench->view.state.taken, 3);
    assert_int_equal(bench->view.state.claimed, 0);
    assert_int_equal(bench->view.role, PX_ROLE_FOLLOWER);
    bench_close(bench);
}

static void r16__chosen_slots_make_a_damaged_log_whole(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = open_damaged(&log);
    const px_message piece = bench_piece_of(&log, 0, LENGTH);
    bench_give(bench, 2, &piece);
    bench_sync(bench);
    assert_int_equal(bench->view.state.chosen, LENGTH);
    assert_int_equal(bench->view.role, PX_ROLE_FOLLOWER);
    bench_close(bench);
}

/* Its log of six slots is damaged behind the second. Of `chosen`, slots up to the fourth come first: nothing
 * says yet whether that is the log it was. Then all of it comes, and a slot more. */
static bool grows_past_its_claim(px_bench *bench, const px_bench_log *chosen, px_record_kind kind)
{
    const uint64_t cuts = bench->view.state.cuts;
    px_message piece = bench_piece_of(chosen, 0, 4);
    bench_give(bench, 2, &piece);
    const px_record *record = bench_record(bench, PX_RECORD_APPEND);
    px_assert(record && record->cuts == cuts && bench->view.state.claimed == LENGTH);
    piece = bench_piece_of(chosen, 0, LENGTH + 1);
    bench_give(bench, 2, &piece);
    record = bench_record(bench, kind);
    const bool holds = record && record->cuts == cuts + (kind == PX_RECORD_CUT) && record->log.after == 4 &&
                       record->log.count == LENGTH - 3;
    bench_sync(bench);
    bench_restart(bench);
    px_assert(bench->view.state.taken == LENGTH + 1 && bench->view.state.claimed == 0);
    px_assert(bench->view.violations == 0);
    return holds && bench->view.state.cuts == cuts + (kind == PX_RECORD_CUT);
}

/* A log whose end is known, damaged behind its second slot. */
static px_bench *open_with_known_end(px_bench_log *log)
{
    px_bench_log was = {.length = 0};
    bench_log_extend(&was, LENGTH, 'a');
    return open_damaged_with(log, (px_claim){.length = LENGTH, .chain = was.entries[LENGTH - 1].chain});
}

static bool another_log_past_the_claim_is_a_cut(void)
{
    static px_bench_log log, other;
    log.length = other.length = 0;
    px_bench *bench = open_with_known_end(&log);
    bench_log_extend(&other, LEFT, 'a');
    bench_log_extend(&other, LENGTH + 1, 'b');
    const bool holds = grows_past_its_claim(bench, &other, PX_RECORD_CUT);
    bench_close(bench);
    return holds;
}

static void r16__a_log_that_grows_past_its_claim_as_another_counts_a_cut(void **state)
{
    (void)state;
    bench_prove(another_log_past_the_claim_is_a_cut, "r16_another_log_counts_no_cut");
}

static void r16__a_log_that_grows_past_its_claim_as_it_was_counts_none(void **state)
{
    (void)state;
    static px_bench_log log;
    log.length = 0;
    px_bench *bench = open_with_known_end(&log);
    bench_log_extend(&log, LENGTH + 1, 'a');
    assert_true(grows_past_its_claim(bench, &log, PX_RECORD_APPEND));
    bench_close(bench);
}

static void r16__a_mending_that_cannot_be_true_is_a_violation(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = open_damaged(&log);
    px_entry entry = log.entries[LEFT];
    entry.body.size_bytes = 3;
    const px_message mended = {
        .kind = PX_MESSAGE_MENDED,
        .ballot = ballot_of(3, 1),
        .log = {LEFT, log.entries[LEFT - 1].chain, 1, &entry},
    };
    bench_give(bench, 2, &mended);
    assert_int_equal(bench->view.violations, 1);
    assert_int_equal(bench->view.state.taken, LEFT);
    bench_close(bench);
}

static void r16__who_has_no_more_than_is_left_sends_nothing(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = bench_open(0, 3, true);
    bench_log_extend(&log, LEFT, 'a');
    const px_message sync = bench_sync_of(&log, ballot_of(3, 1), 0, 0);
    bench_give(bench, 1, &sync);
    bench_sync(bench);
    px_message fetch = {.kind = PX_MESSAGE_FETCH, .state = {.promised = {0, 3, 1}, .accepted = {0, 3, 1}}};
    fetch.state.taken = fetch.state.durable = LEFT;
    fetch.state.claimed = LENGTH;
    bench_give(bench, 2, &fetch);
    assert_int_equal(bench->count, 0);
    fetch.state.taken = fetch.state.durable = LEFT - 1;
    bench_give(bench, 2, &fetch);
    assert_non_null(bench_sent(bench, PX_MESSAGE_MENDED, 2));
    bench_close(bench);
}

/* What mends must go on where the log ends, and bring something. */
static void r16__what_brings_nothing_mends_nothing(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = open_damaged(&log);
    const uint32_t records = bench->record_count;
    px_message mended = mended_of(&log, ballot_of(3, 1), 0, LEFT);
    bench_give(bench, 1, &mended); /* it ends where the log ends */
    mended = mended_of(&log, ballot_of(3, 1), 0, LEFT - 1);
    bench_give(bench, 1, &mended); /* before */
    mended = mended_of(&log, ballot_of(3, 1), LEFT + 1, LENGTH);
    bench_give(bench, 1, &mended); /* one is missing between */
    static px_bench_log other;
    other.length = 0;
    bench_log_extend(&other, 1, 'a');
    bench_log_extend(&other, LENGTH, 'b');
    mended = mended_of(&other, ballot_of(3, 1), 1, LENGTH);
    bench_give(bench, 1, &mended); /* another slot 2: no log of this ballot can have it */
    assert_int_equal(bench->record_count, records);
    assert_int_equal(bench->view.state.taken, LEFT);
    mended = mended_of(&log, ballot_of(3, 1), 0, LENGTH);
    bench_give(bench, 1, &mended);
    assert_int_equal(bench->view.state.taken, LENGTH);
    bench_close(bench);
}

/* A hash that is known of a slot which is there already leads nowhere. */
static void r16__a_known_hash_at_a_slot_that_is_left_mends_nothing(void **state)
{
    (void)state;
    px_bench_log log = {.length = 0};
    px_bench *bench = open_damaged(&log);
    give_salvage(bench, (px_log_part){0}, LEFT, log.entries[LEFT - 1].chain);
    const px_message mended = mended_of(&log, ballot_of(2, 2), LEFT, LENGTH);
    bench_give(bench, 2, &mended);
    assert_int_equal(bench->view.state.taken, LEFT);
    bench_close(bench);
}

static void r16__mending_keeps_the_window(void **state)
{
    (void)state;
    static px_bench_log log;
    log.length = 0;
    px_bench *bench = open_damaged_with(&log, (px_claim){.length = LEFT + PX_WINDOW_SLOTS});
    bench_log_extend(&log, LEFT + PX_WINDOW_SLOTS, 'a');
    px_message mended = mended_of(&log, ballot_of(3, 1), LEFT, LEFT + PX_WINDOW_SLOTS);
    bench_give(bench, 1, &mended); /* of them a window and two would not be chosen */
    assert_int_equal(bench->view.state.taken, LEFT);
    mended = mended_of(&log, ballot_of(3, 1), LEFT, PX_WINDOW_SLOTS);
    bench_give(bench, 1, &mended);
    assert_int_equal(bench->view.state.taken, PX_WINDOW_SLOTS);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r16__a_promise_of_a_damaged_log_states_what_it_was),
        cmocka_unit_test(r16__a_node_with_a_damaged_log_does_not_lead),
        cmocka_unit_test(r16__a_damaged_log_is_not_given_to_a_candidate),
        cmocka_unit_test(r16__no_accepted_passes_the_first_damaged_slot),
        cmocka_unit_test(r16__a_candidate_waits_until_a_better_log_is_mended),
        cmocka_unit_test(r16__a_candidate_asks_those_with_damaged_logs_again),
        cmocka_unit_test(r16__a_majority_of_intact_logs_leaves_a_damaged_one_out),
        cmocka_unit_test(r16__an_intact_log_that_is_better_leads_with_a_damaged_ones_promise),
        cmocka_unit_test(r16__a_log_of_the_same_ballot_mends),
        cmocka_unit_test(r16__a_log_of_another_ballot_does_not_mend_by_itself),
        cmocka_unit_test(r16__a_log_of_another_ballot_mends_up_to_a_hash_that_is_known),
        cmocka_unit_test(r16__the_hash_at_its_end_is_enough),
        cmocka_unit_test(r16__who_has_more_sends_it_chosen_or_not),
        cmocka_unit_test(r16__a_damaged_node_asks_whoever_has_more_in_turn),
        cmocka_unit_test(r16__a_claim_outlives_every_restart_until_it_is_fulfilled),
        cmocka_unit_test(r16__a_higher_ballot_voids_the_claim),
        cmocka_unit_test(r16__chosen_slots_make_a_damaged_log_whole),
        cmocka_unit_test(r16__a_log_that_grows_past_its_claim_as_another_counts_a_cut),
        cmocka_unit_test(r16__a_log_that_grows_past_its_claim_as_it_was_counts_none),
        cmocka_unit_test(r16__a_mending_that_cannot_be_true_is_a_violation),
        cmocka_unit_test(r16__who_has_no_more_than_is_left_sends_nothing),
        cmocka_unit_test(r16__what_brings_nothing_mends_nothing),
        cmocka_unit_test(r16__a_known_hash_at_a_slot_that_is_left_mends_nothing),
        cmocka_unit_test(r16__mending_keeps_the_window),
    };
    return cmocka_run_group_tests_name("R16", tests, NULL, NULL);
}
