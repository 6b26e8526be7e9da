/* window_test.c - R8 and R9: how much a leader proposes, and how often it sends again what nobody takes. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "rules/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const px_message silence = {.kind = PX_MESSAGE_HEARD};

/* Proposes a batch of the session that slot 1 opened: so many runs of one message each, in so many bytes. */
static void propose_batch(px_bench *bench, uint32_t runs, uint32_t bytes, uint64_t *sequence)
{
    const size_t bare_bytes = px_batch_size_bytes(runs, runs, 0);
    const uint32_t payload = bytes > bare_bytes ? (uint32_t)(bytes - bare_bytes) : 0;
    uint8_t *body = calloc(1, bare_bytes + payload);
    px_assert(body);
    for (uint32_t i = 0; i < runs; i++) {
        const px_run run = {1, *sequence + i, 1, i ? 0 : payload, 0};
        px_batch_put_run(body, i, &run);
    }
    px_batch_put_header(body, runs, runs);
    uint8_t *length = body + PX_BATCH_HEADER_BYTES + (size_t)runs * PX_RUN_HEADER_BYTES;
    for (uint32_t i = 0; i < PX_LENGTH_BYTES; i++) length[i] = (uint8_t)(payload >> 8 * i);
    *sequence += runs;
    px_input input = {.kind = PX_IN_PROPOSE};
    const px_bytes bytes_of = {body, bare_bytes + payload};
    input.propose = (px_proposal){PX_ENTRY_BATCH, 0, px_hash_of(body, bytes_of.size_bytes), bytes_of};
    bench_step(bench, &input);
    free(body);
}

/* A leader with an open session, in slot 1, that nobody answers. */
static px_bench *open_leader(void)
{
    px_bench *bench = bench_open(0, 3, true);
    (void)bench_lead(bench, 6);
    bench_propose(bench);
    bench_sync(bench);
    return bench;
}

static void r9__the_window_is_bounded_in_runs(void **state)
{
    (void)state;
    px_bench *bench = open_leader();
    uint64_t sequence = 1;
    uint64_t runs = 1; /* the opening */
    for (uint32_t i = 0; i < 1000 && px_core_room(bench->core).runs; i++) {
        const uint32_t room = px_core_room(bench->core).runs;
        assert_true(room <= PX_BATCH_RUNS_MAX);
        const uint32_t now = room < 700 ? room : 700;
        propose_batch(bench, now, 0, &sequence);
        runs += now;
    }
    assert_int_equal(runs, PX_WINDOW_RUNS_MAX);
    assert_int_equal(px_core_room(bench->core).bytes, 0);
    bench_close(bench);
}

static void r9__the_window_is_bounded_in_bytes(void **state)
{
    (void)state;
    px_bench *bench = open_leader();
    uint64_t sequence = 1, bytes = bench->records[bench->record_count - 1].log.entries[0].body.size_bytes;
    for (uint32_t i = 0; i < 1000 && px_core_room(bench->core).bytes; i++) {
        const uint32_t room = px_core_room(bench->core).bytes;
        assert_true(room <= PX_BATCH_BYTES);
        if (room < 100) break; /* too small for a message */
        const uint32_t now = room < 200000 ? room : 200000;
        propose_batch(bench, 1, now, &sequence);
        bytes += now;
    }
    assert_int_equal(bytes, PX_WINDOW_BYTES);
    assert_int_equal(px_core_room(bench->core).bytes, 0);
    bench_close(bench);
}

/* ---- sending again ---- */

/* In how many rounds, of those behind the last time, does such a message go to member 1 again? */
static uint32_t rounds_until(px_bench *bench, px_message_kind kind, const px_message *heard)
{
    for (uint32_t rounds = 1; rounds < 1000; rounds++) {
        bench_rounds(bench, 1, 6, heard);
        if (bench_sent(bench, kind, 1)) return rounds;
    }
    return 0;
}

static void check_waits_grow(px_bench *bench, px_message_kind kind, const px_message *heard)
{
    (void)rounds_until(bench, kind, heard);
    uint32_t rounds = rounds_until(bench, kind, heard), before = 0;
    assert_in_range(rounds, 1, 8);
    while (rounds > before) {
        before = rounds;
        rounds = rounds_until(bench, kind, heard);
        assert_true(rounds == 2 * before || rounds == before);
    }
    assert_in_range(rounds, 64, 127);
}

static void r8__a_synchronisation_in_vain_is_repeated_ever_later_but_not_never(void **state)
{
    (void)state;
    px_bench *bench = open_leader();
    px_message heard = {.kind = PX_MESSAGE_HEARD, .served = true}; /* it answers, and takes nothing */
    heard.state.promised = bench->view.state.promised;
    check_waits_grow(bench, PX_MESSAGE_SYNC, &heard);
    bench_close(bench);
}

static void r9__a_piece_in_vain_is_asked_for_ever_later_but_not_never(void **state)
{
    (void)state;
    static px_bench_log log;
    memset(&log, 0, sizeof log);
    bench_log_extend(&log, 2 * PX_WINDOW_SLOTS, 'p');
    px_bench *bench = bench_open(0, 3, true);
    px_message heard = {.kind = PX_MESSAGE_HEARD, .served = true, .leads = {0, 3, 1}, .follows = {0, 3, 1}};
    heard.state = bench_state(&log, ballot_of(3, 1), ballot_of(3, 1), log.length);
    bench_rounds(bench, 1, 2, &heard); /* member 1 leads; of member 2 nothing is wanted */
    for (uint32_t i = 0; i < 2; i++) bench_rounds(bench, 1, 2, &heard);
    uint32_t rounds = 1, before = 0, last = 0;
    for (uint32_t i = 0, since = 0; i < 1000; i++) {
        bench_rounds(bench, 1, 2, &heard);
        since++;
        if (!bench_sent(bench, PX_MESSAGE_FETCH, 1)) continue;
        before = rounds;
        rounds = since;
        last = since;
        since = 0;
    }
    assert_int_equal(before, last);
    assert_in_range(last, 64, 127);
    bench_close(bench);
}

static void r13__nobody_is_sent_anything_by_who_leads_nobody(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    bench_rounds(bench, 1, 6, &silence);
    assert_null(bench_sent(bench, PX_MESSAGE_SYNC, 1));
    assert_int_equal(px_core_room(bench->core).bytes, 0);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r9__the_window_is_bounded_in_runs),
        cmocka_unit_test(r9__the_window_is_bounded_in_bytes),
        cmocka_unit_test(r8__a_synchronisation_in_vain_is_repeated_ever_later_but_not_never),
        cmocka_unit_test(r9__a_piece_in_vain_is_asked_for_ever_later_but_not_never),
        cmocka_unit_test(r13__nobody_is_sent_anything_by_who_leads_nobody),
    };
    return cmocka_run_group_tests_name("the window, and sending again", tests, NULL, NULL);
}
