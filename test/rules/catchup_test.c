/* catchup_test.c - R8 and R9: what was lost is sent again, and who lags gets the chosen log in pieces. */
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

/* An answer of a member with this log, all of it chosen. */
static px_message heard_of(const px_bench_log *log, px_ballot accepted)
{
    return (px_message){
        .kind = PX_MESSAGE_HEARD,
        .served = true,
        .state = bench_state(log, accepted, accepted, log->length),
    };
}

/* ---- R8 ---- */

static bool what_is_lost_is_sent_again(void)
{
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    bench_propose(bench); /* the ACCEPT is lost */
    px_message heard = {.kind = PX_MESSAGE_HEARD, .served = true};
    heard.state = (px_node_state){.promised = ballot, .accepted = ballot};
    const px_effect *again = NULL;
    uint32_t rounds = 0;
    for (; rounds < 8 && !again; rounds++) {
        bench_rounds(bench, 1, 6, &heard);
        again = bench_sent_now(bench, PX_MESSAGE_SYNC, 1);
    }
    const bool holds =
        again && again->send_log.message.log.after == 0 && again->send_log.last == 1 && rounds > 1;
    bench_close(bench);
    return holds;
}

static void r8__what_was_not_taken_for_two_rounds_is_sent_again(void **state)
{
    (void)state;
    bench_prove(what_is_lost_is_sent_again, "r8_never_send_again");
}

static void r8__a_slow_disk_causes_no_storm(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    bench_propose(bench);
    px_message heard = {.kind = PX_MESSAGE_HEARD, .served = true};
    heard.state =
        (px_node_state){.promised = ballot, .accepted = ballot, .taken = 1}; /* taken, never synced */
    for (uint32_t i = 0; i < 20; i++) {
        bench_rounds(bench, 1, 6, &heard);
        assert_null(bench_sent(bench, PX_MESSAGE_SYNC, 1));
    }
    bench_close(bench);
}

static void r8__a_new_link_is_synchronised_on_its_first_answer(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    px_input input = {.kind = PX_IN_LINK, .link = {1, false, 0}};
    bench_step(bench, &input);
    bench_propose(bench);
    assert_null(bench_sent(bench, PX_MESSAGE_ACCEPT, 1));
    input = (px_input){.kind = PX_IN_LINK, .link = {1, true, BENCH_ID(1)}};
    bench_step(bench, &input);
    const px_effect *heartbeat = bench_sent_now(bench, PX_MESSAGE_HEARTBEAT, 1);
    assert_non_null(heartbeat);
    px_message heard = {.kind = PX_MESSAGE_HEARD, .served = true, .round = heartbeat->send.message.round};
    heard.state = (px_node_state){.promised = ballot, .accepted = ballot};
    bench_give(bench, 1, &heard);
    assert_non_null(bench_sent_now(bench, PX_MESSAGE_SYNC, 1));
    bench_close(bench);
}

/* ---- R9 ---- */

static void r9__a_node_far_behind_asks_for_a_piece_and_then_for_the_next(void **state)
{
    (void)state;
    static px_bench_log log;
    memset(&log, 0, sizeof log);
    bench_log_extend(&log, 600, 'a');
    px_bench *bench = bench_open(0, 3, true);
    const px_message heard = heard_of(&log, ballot_of(3, 1));
    bench_rounds(bench, 1, 2, &heard);
    px_message heartbeat = {.kind = PX_MESSAGE_HEARTBEAT, .state = heard.state, .round = 1};
    bench_give(bench, 1, &heartbeat);
    px_message piece = bench_piece_of(&log, 0, 200);
    bench_give(bench, 1, &piece);
    const px_record *append = bench_record(bench, PX_RECORD_APPEND);
    assert_non_null(append);
    assert_true(px_ballot_is_none(append->accepted)); /* under the old accepted ballot */
    assert_int_equal(append->chosen, 200);
    assert_int_equal(bench_chosen(bench), 200);
    const px_effect *fetch = bench_sent_now(bench, PX_MESSAGE_FETCH, 1);
    assert_non_null(fetch);
    assert_int_equal(fetch->send.message.state.chosen, 200);
    bench_close(bench);
}

static void r9__no_further_piece_is_asked_for_while_many_are_not_on_disk(void **state)
{
    (void)state;
    static px_bench_log log;
    memset(&log, 0, sizeof log);
    static uint8_t large[PX_PIECE_BYTES];
    const px_run run = {PX_NUMBER_END - 1, 1, 1, sizeof large - 8 - 32 - 4, 0};
    px_batch_put_header(large, 1, 1);
    px_batch_put_run(large, 0, &run);
    large[40] = (uint8_t)run.size_bytes;
    large[41] = (uint8_t)(run.size_bytes >> 8);
    large[42] = (uint8_t)(run.size_bytes >> 16);
    for (uint64_t slot = 1; slot <= 20; slot++) {
        px_entry *entry = &log.entries[slot - 1];
        *entry = (px_entry){.slot = slot, .kind = PX_ENTRY_BATCH, .message_count = 1, .index_first = slot};
        entry->body = (px_bytes){large, sizeof large};
        entry->body_hash = px_hash_of(large, sizeof large);
        entry->chain = px_entry_chain(slot > 1 ? entry[-1].chain : (px_hash){0, 0}, entry);
        log.length = slot;
    }
    px_bench *bench = bench_open(0, 3, true);
    const px_message heard = heard_of(&log, ballot_of(3, 1));
    bench_rounds(bench, 1, 2, &heard);
    uint64_t slot = 0;
    do {
        const px_message piece = bench_piece_of(&log, slot, slot + 1);
        bench_give(bench, 1, &piece);
        slot++;
    } while (slot < 20 && bench_sent(bench, PX_MESSAGE_FETCH, 1));
    assert_true(slot >= 4 && slot < 8);
    bench_sync(bench);
    assert_non_null(bench_sent(bench, PX_MESSAGE_FETCH, 1));
    bench_close(bench);
}

/* Small slots are few bytes, but each is kept until it is delivered: nothing is delivered before its sync. */
static void r9__no_more_slots_are_taken_while_many_are_not_on_disk(void **state)
{
    (void)state;
    static px_bench_log log;
    memset(&log, 0, sizeof log);
    bench_log_extend(&log, BENCH_LOG_MAX, 'a');
    px_bench *bench = bench_open(0, 3, true);
    for (uint64_t slot = 0; slot < BENCH_LOG_MAX; slot += PX_WINDOW_SLOTS) {
        const px_message piece = bench_piece_of(&log, slot, slot + PX_WINDOW_SLOTS);
        bench_give(bench, 1, &piece);
    }
    const uint64_t taken = bench->view.state.taken;
    assert_true(taken > PX_UNSYNCED_SLOTS_MAX && taken <= PX_UNSYNCED_SLOTS_MAX + PX_WINDOW_SLOTS);
    bench_sync(bench);
    const px_message piece = bench_piece_of(&log, taken, taken + PX_WINDOW_SLOTS);
    bench_give(bench, 1, &piece);
    assert_int_equal(bench->view.state.taken, taken + PX_WINDOW_SLOTS);
    bench_close(bench);
}

static bool a_cut_is_counted(void)
{
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    bench_log_cut(&log, 3);
    bench_log_extend(&log, 6, 'b'); /* chosen in a higher ballot */
    const px_message piece = bench_piece_of(&log, 2, 6);
    bench_give(bench, 2, &piece);
    const px_record *cut = bench_record(bench, PX_RECORD_CUT);
    const bool holds = cut && cut->log.after == 3 && cut->log.count == 3 && cut->cuts == 1 &&
                       px_ballot_equal(cut->accepted, ballot_of(3, 1)) && bench_chosen(bench) == 6;
    bench_close(bench);
    return holds;
}

/* Until the cut is on the disk more stands there than was taken: nobody hears of that. */
static void r9__what_a_cut_will_leave_is_claimed_and_no_more(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    bench_log_cut(&log, 2);
    bench_log_extend(&log, 3, 'b');
    const px_message piece = bench_piece_of(&log, 0, 3);
    bench_give(bench, 2, &piece);
    assert_non_null(bench_record(bench, PX_RECORD_CUT));
    const px_message heartbeat = {.kind = PX_MESSAGE_HEARTBEAT, .round = 1};
    bench_give(bench, 1, &heartbeat);
    const px_effect *heard = bench_sent_now(bench, PX_MESSAGE_HEARD, 1);
    assert_non_null(heard);
    assert_int_equal(heard->send.message.state.taken, 3);
    assert_int_equal(heard->send.message.state.durable, 3);
    bench_close(bench);
}

static void r9__a_tail_unlike_the_chosen_log_is_cut_where_it_differs_and_counted(void **state)
{
    (void)state;
    bench_prove(a_cut_is_counted, "r9_cut_is_not_counted");
}

static bool a_piece_keeps_the_ballot(void)
{
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    const px_message prepare = {.kind = PX_MESSAGE_PREPARE,
                                .ballot = ballot_of(9, 2),
                                .state = {.promised = ballot_of(9, 2)}};
    bench_give(bench, 2, &prepare);
    bench_log_extend(&log, 6, 'a');
    const px_message piece = bench_piece_of(&log, 2, 6);
    bench_give(bench, 2, &piece);
    const px_record *append = bench_record(bench, PX_RECORD_APPEND);
    const bool holds = append && px_ballot_equal(append->accepted, ballot_of(3, 1)) && append->log.after == 4;
    bench_close(bench);
    return holds;
}

static void r9__pieces_come_under_the_old_accepted_ballot(void **state)
{
    (void)state;
    bench_prove(a_piece_keeps_the_ballot, "r9_piece_raises_the_ballot");
}

static void r9__a_piece_that_ends_below_chosen_changes_nothing(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    const px_message piece = bench_piece_of(&log, 0, 1);
    bench_give(bench, 2, &piece);
    assert_int_equal(bench->count, 0);
    assert_int_equal(bench->view.state.chosen, 2);
    bench_close(bench);
}

static void r9__only_chosen_slots_go_into_pieces(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    const px_message fetch = {.kind = PX_MESSAGE_FETCH};
    bench_give(bench, 2, &fetch);
    const px_effect *piece = bench_sent_now(bench, PX_MESSAGE_PIECE, 2);
    assert_non_null(piece);
    assert_int_equal(piece->send_log.message.log.after, 0);
    assert_int_equal(piece->send_log.last, 2);
    bench_close(bench);
}

static void r9__the_window_holds_also_after_a_restart(void **state)
{
    (void)state;
    static px_bench_log log;
    memset(&log, 0, sizeof log);
    bench_log_extend(&log, 400, 'a');
    px_bench *bench = bench_open(0, 3, true);
    px_message piece = bench_piece_of(&log, 0, 200);
    bench_give(bench, 1, &piece);
    piece = bench_piece_of(&log, 200, 300);
    bench_give(bench, 1, &piece);
    const px_message sync = bench_sync_of(&log, ballot_of(3, 1), 300, 390);
    bench_give(bench, 1, &sync);
    bench_sync(bench);
    bench_restart(bench);
    assert_int_equal(bench->view.state.chosen, 390);
    assert_int_equal(bench->view.state.taken, 400);
    px_core_check(bench->core);
    bench_close(bench);
}

static void r9__what_does_not_fit_the_window_is_not_synchronised_but_pulled(void **state)
{
    (void)state;
    static px_bench_log log;
    memset(&log, 0, sizeof log);
    bench_log_extend(&log, 300, 'a');
    px_bench *bench = bench_open(0, 3, true);
    px_message piece = bench_piece_of(&log, 0, 200);
    bench_give(bench, 1, &piece);
    piece = bench_piece_of(&log, 200, 300);
    bench_give(bench, 1, &piece);
    bench_sync(bench);
    const px_ballot ballot =
        bench_lead(bench, 6); /* both promise with empty logs: 300 chosen slots are more than a window */
    const px_message fetch = {.kind = PX_MESSAGE_FETCH};
    bench_give(bench, 1, &fetch);
    assert_null(bench_sent(bench, PX_MESSAGE_SYNC, 1));
    const px_effect *sent = bench_sent_now(bench, PX_MESSAGE_PIECE, 1);
    assert_non_null(sent);
    assert_int_equal(sent->send_log.last, 300);
    px_message near = {.kind = PX_MESSAGE_FETCH};
    near.state = bench_state(&log, ballot, ballot_of(0, 0), 250);
    bench_give(bench, 1, &near);
    assert_non_null(bench_sent_now(bench, PX_MESSAGE_SYNC, 1));
    bench_close(bench);
}

/* ---- R10 ---- */

static void r10__who_has_no_link_to_the_leader_fetches_through_a_peer_that_has_one(void **state)
{
    (void)state;
    static px_bench_log log;
    memset(&log, 0, sizeof log);
    bench_log_extend(&log, 3, 'a');
    px_bench *bench = bench_open(0, 3, true);
    px_message heard = heard_of(&log, ballot_of(5, 1));
    heard.follows = ballot_of(5, 1);
    const px_message heartbeat = {.kind = PX_MESSAGE_HEARTBEAT, .state = heard.state, .round = 1};
    bench_rounds(bench, 1, 4, &heard);
    bench_give(bench, 2, &heartbeat);
    assert_true(px_ballot_equal(bench->view.leader, ballot_of(5, 1)));
    assert_int_equal(bench->view.relay, 2);
    assert_int_equal(bench->view.elections, 0);          /* the peer is served */
    const px_message piece = bench_piece_of(&log, 0, 2); /* what it asked for when it heard of chosen slots */
    bench_give(bench, 2, &piece);
    assert_non_null(bench_sent_now(bench, PX_MESSAGE_FETCH, 2));
    assert_null(bench_sent(bench, PX_MESSAGE_FETCH, 1));
    bench_close(bench);
}

/* ---- R18, R19 ---- */

static bool a_learner_does_not_vote(void)
{
    px_bench *bench = bench_open(0, 3, false);
    const px_message prepare = {.kind = PX_MESSAGE_PREPARE,
                                .ballot = ballot_of(9, 2),
                                .state = {.promised = ballot_of(9, 2)}};
    bench_give(bench, 2, &prepare);
    bool holds = !bench_sent(bench, PX_MESSAGE_PROMISE, 2);
    const px_message silence = {.kind = PX_MESSAGE_HEARD};
    bench_rounds(bench, 6, 6, &silence);
    holds = holds && bench->view.elections == 0;
    bench_close(bench);
    return holds;
}

static void r18__who_is_no_voter_yet_neither_promises_nor_campaigns(void **state)
{
    (void)state;
    bench_prove(a_learner_does_not_vote, "r18_votes_before_the_roster_is_complete");
}

static void r19__who_is_no_voter_takes_chosen_pieces_only(void **state)
{
    (void)state;
    static px_bench_log log;
    memset(&log, 0, sizeof log);
    bench_log_extend(&log, 5, 'a');
    px_bench *bench = bench_open(0, 3, false);
    px_message message = bench_sync_of(&log, ballot_of(3, 1), 0, 2);
    bench_give(bench, 1, &message);
    assert_int_equal(bench->view.state.taken, 0);
    message = bench_piece_of(&log, 0, 5);
    bench_give(bench, 1, &message);
    assert_int_equal(bench->view.state.chosen, 5);
    bench_sync(bench);
    assert_null(bench_sent(bench, PX_MESSAGE_ACCEPTED, 1));
    message = (px_message){.kind = PX_MESSAGE_HEARTBEAT, .round = 1};
    bench_give(bench, 1, &message);
    assert_null(bench_sent(bench, PX_MESSAGE_HEARD, 1)); /* which would be counted */
    bench_close(bench);
}

static bool a_non_voter_gets_pieces(void)
{
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 2); /* member 2 never answers heartbeats: it is no voter */
    bench_propose(bench);
    bench_sync(bench);
    px_message accepted = {.kind = PX_MESSAGE_ACCEPTED, .ballot = ballot};
    accepted.state = (px_node_state){.promised = ballot, .accepted = ballot, .durable = 1, .taken = 1};
    bench_give(bench, 1, &accepted);
    const px_message fetch = {.kind = PX_MESSAGE_FETCH};
    bench_give(bench, 2, &fetch);
    const bool holds = bench_sent_now(bench, PX_MESSAGE_PIECE, 2) && !bench_sent(bench, PX_MESSAGE_SYNC, 2);
    bench_close(bench);
    return holds;
}

static void r19__who_is_no_voter_is_not_synchronised(void **state)
{
    (void)state;
    bench_prove(a_non_voter_gets_pieces, "r19_non_voter_is_synchronised");
}

/* ---- §7 ---- */

static bool a_diverged_node_stops(void)
{
    static px_bench_log log, other;
    px_bench *bench = open_follower(&log);
    memset(&other, 0, sizeof other);
    bench_log_extend(&other, 4, 'c');
    px_message heartbeat = {.kind = PX_MESSAGE_HEARTBEAT, .round = 1};
    heartbeat.state = bench_state(&other, ballot_of(3, 1), ballot_of(3, 1), 2);
    bench_give(bench, 1, &heartbeat);
    bool holds = !bench->view.diverged; /* one of three: the other may be wrong */
    bench_give(bench, 2, &heartbeat);
    holds = holds && bench->view.diverged && bench->view.differs_slot == 2;
    const px_message prepare = {.kind = PX_MESSAGE_PREPARE,
                                .ballot = ballot_of(9, 2),
                                .state = {.promised = ballot_of(9, 2)}};
    bench_give(bench, 2, &prepare);
    holds = holds && bench->count == 0;
    bench_close(bench);
    return holds;
}

static void p7__a_node_that_differs_from_a_majority_stops_voting(void **state)
{
    (void)state;
    bench_prove(a_diverged_node_stops, "p7_divergence_is_ignored");
}

/* The one that is behind cannot compare by itself: the others' newer hashes mean nothing to it. */
static bool who_differs_is_told_where(void)
{
    static px_bench_log log, other;
    px_bench *bench = open_follower(&log);
    memset(&other, 0, sizeof other);
    bench_log_extend(&other, 4, 'c');
    px_message heartbeat = {.kind = PX_MESSAGE_HEARTBEAT, .round = 7};
    heartbeat.state = bench_state(&other, ballot_of(3, 1), ballot_of(3, 1), 1);
    bench_give(bench, 1, &heartbeat);
    const px_effect *told = bench_sent_now(bench, PX_MESSAGE_HEARD, 1);
    const bool holds = told && told->send.message.round == 7 && told->send.message.state.chosen == 1 &&
                       px_hash_equal(told->send.message.state.chosen_chain, log.entries[0].chain) &&
                       !told->send.message.served;
    bench_close(bench);
    return holds;
}

static void p7__who_differs_is_told_the_hash_at_its_own_chosen_slot(void **state)
{
    (void)state;
    bench_prove(who_differs_is_told_where, "p7_difference_is_not_told");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r8__what_was_not_taken_for_two_rounds_is_sent_again),
        cmocka_unit_test(r8__a_slow_disk_causes_no_storm),
        cmocka_unit_test(r8__a_new_link_is_synchronised_on_its_first_answer),
        cmocka_unit_test(r9__a_node_far_behind_asks_for_a_piece_and_then_for_the_next),
        cmocka_unit_test(r9__no_further_piece_is_asked_for_while_many_are_not_on_disk),
        cmocka_unit_test(r9__no_more_slots_are_taken_while_many_are_not_on_disk),
        cmocka_unit_test(r9__a_tail_unlike_the_chosen_log_is_cut_where_it_differs_and_counted),
        cmocka_unit_test(r9__what_a_cut_will_leave_is_claimed_and_no_more),
        cmocka_unit_test(r9__pieces_come_under_the_old_accepted_ballot),
        cmocka_unit_test(r9__a_piece_that_ends_below_chosen_changes_nothing),
        cmocka_unit_test(r9__only_chosen_slots_go_into_pieces),
        cmocka_unit_test(r9__the_window_holds_also_after_a_restart),
        cmocka_unit_test(r9__what_does_not_fit_the_window_is_not_synchronised_but_pulled),
        cmocka_unit_test(r10__who_has_no_link_to_the_leader_fetches_through_a_peer_that_has_one),
        cmocka_unit_test(r18__who_is_no_voter_yet_neither_promises_nor_campaigns),
        cmocka_unit_test(r19__who_is_no_voter_takes_chosen_pieces_only),
        cmocka_unit_test(r19__who_is_no_voter_is_not_synchronised),
        cmocka_unit_test(p7__a_node_that_differs_from_a_majority_stops_voting),
        cmocka_unit_test(p7__who_differs_is_told_the_hash_at_its_own_chosen_slot),
    };
    return cmocka_run_group_tests_name("R8, R9, R18, R19", tests, NULL, NULL);
}
