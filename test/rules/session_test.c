/* session_test.c - R11 and R12: each message of a session enters the log once, and only under the session's
 * holder. */
// SPDX-License-Identifier: Apache-2.0
#include "rules/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const px_bytes name = {(const uint8_t *)"session", 7};

static void propose(px_bench *bench, px_entry_kind kind, const uint8_t *body, size_t size_bytes)
{
    px_input input = {.kind = PX_IN_PROPOSE};
    input.propose = (px_proposal){kind, 0, px_hash_of(body, size_bytes), {body, size_bytes}};
    bench_step(bench, &input);
}

static px_opening opening_of(uint64_t counter)
{
    return (px_opening){.opener = {7, 1, counter}, .kind = PX_SESSION_CLIENT, .name = name};
}

/* Opens the session; returns its holder. */
static uint64_t open_session(px_bench *bench, uint64_t counter)
{
    uint8_t body[PX_OPENING_BYTES_MAX];
    const px_opening opening = opening_of(counter);
    propose(bench, PX_ENTRY_OPEN, body, px_opening_put(&opening, body));
    return bench->view.state.taken;
}

static void append_run(px_bench *bench, uint64_t holder, uint64_t sequence, uint32_t count)
{
    uint8_t body[256] = {0};
    const px_run run = {holder, sequence, count, 0, 0};
    px_batch_put_header(body, 1, count);
    px_batch_put_run(body, 0, &run);
    propose(bench, PX_ENTRY_BATCH, body, px_batch_size_bytes(1, count, 0));
}

static px_admission admit(const px_bench *bench, uint64_t holder, uint64_t sequence, uint32_t count,
                          uint32_t *skip)
{
    const px_run run = {holder, sequence, count, 0, 0};
    uint32_t unused;
    return px_core_admit(bench->core, &run, 0, skip ? skip : &unused);
}

static void choose_all(px_bench *bench)
{
    bench_sync(bench);
    const px_ballot ballot = bench->view.leader;
    const uint64_t length = bench->view.state.taken;
    px_message accepted = {.kind = PX_MESSAGE_ACCEPTED, .ballot = ballot};
    accepted.state =
        (px_node_state){.promised = ballot, .accepted = ballot, .durable = length, .taken = length};
    bench_give(bench, 1, &accepted);
}

/* ---- R11 ---- */

static void r11__a_run_is_next_a_duplicate_or_a_gap(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    (void)bench_lead(bench, 6);
    const uint64_t holder = open_session(bench, 1);
    assert_int_equal(admit(bench, holder, 1, 3, NULL), PX_ADMIT_NEXT);
    assert_int_equal(admit(bench, holder, 2, 1, NULL), PX_ADMIT_GAP);
    append_run(bench, holder, 1, 3); /* not chosen: the whole log counts */
    uint32_t skip = 0;
    assert_int_equal(admit(bench, holder, 1, 3, NULL), PX_ADMIT_DUPLICATE);
    assert_int_equal(admit(bench, holder, 2, 4, &skip), PX_ADMIT_OVERLAP);
    assert_int_equal(skip, 2);
    assert_int_equal(admit(bench, holder, 4, 1, NULL), PX_ADMIT_NEXT);
    assert_int_equal(admit(bench, holder + 9, 1, 1, NULL), PX_ADMIT_UNKNOWN);
    bench_close(bench);
}

static void r11__what_the_caller_puts_ahead_counts(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    (void)bench_lead(bench, 6);
    const px_run run = {open_session(bench, 1), 3, 1, 0, 0};
    uint32_t skip;
    assert_int_equal(px_core_admit(bench->core, &run, 0, &skip), PX_ADMIT_GAP);
    assert_int_equal(px_core_admit(bench->core, &run, 2, &skip), PX_ADMIT_NEXT);
    assert_int_equal(px_core_admit(bench->core, &run, 3, &skip), PX_ADMIT_DUPLICATE);
    bench_close(bench);
}

/* The tail that the next leader lacks is cut: its runs and openings never were. */
static bool a_cut_takes_the_table_back(void)
{
    static px_bench_log log;
    memset(&log, 0, sizeof log);
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    const uint64_t holder = open_session(bench, 1);
    append_run(bench, holder, 1, 2);
    choose_all(bench);
    append_run(bench, holder, 3, 1);
    (void)open_session(bench, 2); /* fences the first holder */
    const uint64_t chosen = bench->view.state.chosen;
    px_message sync = {.kind = PX_MESSAGE_SYNC, .ballot = ballot_of(ballot.number + 1, 2)};
    sync.state = bench_state(&log, sync.ballot, sync.ballot, 0);
    sync.log.after = chosen;
    const bool is_known = px_core_chain_at(bench->core, chosen, &sync.log.after_chain);
    bench_give(bench, 2, &sync);
    const bool holds =
        is_known && bench->view.state.taken == chosen && admit(bench, holder, 3, 1, NULL) == PX_ADMIT_NEXT;
    bench_close(bench);
    return holds;
}

static void r11__where_a_tail_is_cut_the_table_goes_back_with_it(void **state)
{
    (void)state;
    bench_prove(a_cut_takes_the_table_back, "r11_cut_leaves_the_table");
}

static bool a_resent_opening_is_not_admitted(void)
{
    px_bench *bench = bench_open(0, 3, true);
    (void)bench_lead(bench, 6);
    (void)open_session(bench, 5);
    px_opening opening = opening_of(5);
    bool holds = !px_core_admit_opening(bench->core, &opening);
    opening.opener.counter = 4;
    holds = holds && !px_core_admit_opening(bench->core, &opening);
    opening.opener.counter = 6;
    holds = holds && px_core_admit_opening(bench->core, &opening);
    opening.opener.counter = 1;
    opening.opener.run = 2; /* a later start counts anew */
    holds = holds && px_core_admit_opening(bench->core, &opening);
    bench_close(bench);
    return holds;
}

static void r11__a_resent_opening_cannot_fence_twice(void **state)
{
    (void)state;
    bench_prove(a_resent_opening_is_not_admitted, "r11_resent_opening_fences_twice");
}

static void r11__a_fenced_holder_enters_nothing_more(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    (void)bench_lead(bench, 6);
    const uint64_t first = open_session(bench, 1);
    append_run(bench, first, 1, 2);
    const uint64_t second = open_session(bench, 2);
    assert_int_equal(admit(bench, first, 3, 1, NULL), PX_ADMIT_FENCED);
    assert_int_equal(admit(bench, first, 2, 1, NULL), PX_ADMIT_DUPLICATE);
    assert_int_equal(admit(bench, second, 3, 1, NULL), PX_ADMIT_NEXT); /* the session's numbers go on */
    bench_close(bench);
}

static void r11__the_table_is_the_same_after_a_restart(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    (void)bench_lead(bench, 6);
    const uint64_t first = open_session(bench, 1);
    append_run(bench, first, 1, 2);
    const uint64_t second = open_session(bench, 2);
    append_run(bench, second, 3, 1);
    choose_all(bench);
    append_run(bench, second, 4, 1); /* states what was known chosen */
    bench_sync(bench);
    bench_restart(bench);
    assert_int_equal(admit(bench, first, 3, 1, NULL), PX_ADMIT_FENCED);
    assert_int_equal(admit(bench, second, 5, 1, NULL), PX_ADMIT_NEXT);
    px_session session;
    assert_true(px_core_session_by_name(bench->core, PX_SESSION_CLIENT, name, &session));
    assert_int_equal(session.holder, second);
    assert_int_equal(session.next, 4);
    bench_close(bench);
}

/* ---- R12 ---- */

static bool next_is_of_the_chosen_log(void)
{
    px_bench *bench = bench_open(0, 3, true);
    (void)bench_lead(bench, 6);
    const uint64_t holder = open_session(bench, 1);
    px_session session;
    bool holds = !px_core_session_by_name(bench->core, PX_SESSION_CLIENT, name, &session); /* not chosen */
    choose_all(bench);
    append_run(bench, holder, 1, 3);
    holds =
        px_core_session_by_name(bench->core, PX_SESSION_CLIENT, name, &session) && holds && session.next == 1;
    choose_all(bench);
    holds =
        px_core_session_by_name(bench->core, PX_SESSION_CLIENT, name, &session) && holds && session.next == 4;
    bench_close(bench);
    return holds;
}

static void r12__next_is_answered_from_chosen_slots(void **state)
{
    (void)state;
    bench_prove(next_is_of_the_chosen_log, "r12_answer_from_unchosen");
}

static void r12__a_fence_shows_once_it_is_chosen(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    (void)bench_lead(bench, 6);
    const uint64_t first = open_session(bench, 1);
    choose_all(bench);
    const uint64_t second = open_session(bench, 2);
    px_session session;
    assert_true(px_core_session_by_name(bench->core, PX_SESSION_CLIENT, name, &session));
    assert_int_equal(session.holder, first);
    assert_true(px_core_session_by_holder(bench->core, first, &session) && !session.fenced);
    assert_false(px_core_session_by_holder(bench->core, second, &session));
    choose_all(bench);
    assert_true(px_core_session_by_name(bench->core, PX_SESSION_CLIENT, name, &session));
    assert_int_equal(session.holder, second);
    assert_true(px_core_session_by_holder(bench->core, first, &session) && session.fenced);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r11__a_run_is_next_a_duplicate_or_a_gap),
        cmocka_unit_test(r11__what_the_caller_puts_ahead_counts),
        cmocka_unit_test(r11__where_a_tail_is_cut_the_table_goes_back_with_it),
        cmocka_unit_test(r11__a_resent_opening_cannot_fence_twice),
        cmocka_unit_test(r11__a_fenced_holder_enters_nothing_more),
        cmocka_unit_test(r11__the_table_is_the_same_after_a_restart),
        cmocka_unit_test(r12__next_is_answered_from_chosen_slots),
        cmocka_unit_test(r12__a_fence_shows_once_it_is_chosen),
    };
    return cmocka_run_group_tests_name("R11 and R12", tests, NULL, NULL);
}
