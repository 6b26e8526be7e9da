/* overload_test.c - R2 and R9: a disk that does not keep up stops what needs more of it, nothing else. */
// SPDX-License-Identifier: Apache-2.0
#include "rules/bench.h"

#include "base/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define LARGE_BYTES (1u << 20)
#define LARGE_SLOTS 16u

static const px_message silence = {.kind = PX_MESSAGE_HEARD};

/* Gives slots behind `from`, each chosen already, in a record of its own, until the core takes no more of
 * them. Returns the first that it did not take. */
static uint64_t fill(px_bench *bench, px_bench_log *log, uint64_t from, uint32_t member)
{
    for (uint64_t slot = from + 1; slot < BENCH_LOG_MAX; slot++) {
        if (log->length < slot) bench_log_extend(log, slot, 'f');
        const px_message piece = bench_piece_of(log, slot - 1, slot);
        bench_give(bench, member, &piece);
        if (bench->view.state.taken < slot) return slot;
    }
    px_assert(false); /* it must end somewhere */
    return 0;
}

/* A follower of member 1, in ballot 3, given slots until it took no more, with none of them on disk. */
static px_bench *open_full(px_bench_log *log, uint64_t *next)
{
    memset(log, 0, sizeof *log);
    px_bench *bench = bench_open(0, 3, true);
    bench_log_extend(log, 2, 'f');
    const px_message sync = bench_sync_of(log, ballot_of(3, 1), 0, 2);
    bench_give(bench, 1, &sync);
    bench_sync(bench);
    *next = fill(bench, log, 2, 1);
    assert_true(*next > PX_WINDOW_SLOTS);
    return bench;
}

static px_message prepare_of(px_ballot ballot)
{
    return (px_message){.kind = PX_MESSAGE_PREPARE, .ballot = ballot, .state = {.promised = ballot}};
}

static void r9__a_slot_waits_until_the_disk_keeps_up(void **state)
{
    (void)state;
    static px_bench_log log;
    uint64_t next;
    px_bench *bench = open_full(&log, &next);
    const px_message accept = bench_accept_of(&log, ballot_of(3, 1), next, next - 1);
    bench_give(bench, 1, &accept);
    assert_int_equal(bench->view.state.taken, next - 1);
    assert_int_equal(bench->view.violations, 0);
    bench_sync(bench);
    bench_give(bench, 1, &accept);
    assert_int_equal(bench->view.state.taken, next);
    bench_close(bench);
}

static void r9__a_synchronisation_waits_until_the_disk_keeps_up(void **state)
{
    (void)state;
    static px_bench_log log;
    uint64_t next;
    px_bench *bench = open_full(&log, &next);
    const px_message sync = bench_sync_of(&log, ballot_of(4, 2), next - 1, next - 1);
    bench_give(bench, 2, &sync);
    assert_null(bench_record(bench, PX_RECORD_SPLICE));
    assert_int_equal(bench->view.state.taken, next - 1);
    bench_sync(bench);
    bench_give(bench, 2, &sync);
    assert_non_null(bench_record(bench, PX_RECORD_SPLICE));
    assert_int_equal(bench->view.state.taken, next);
    bench_close(bench);
}

static void r2__a_promise_that_finds_no_place_for_its_record_is_not_given(void **state)
{
    (void)state;
    static px_bench_log log;
    uint64_t next;
    px_bench *bench = open_full(&log, &next);
    const px_message prepare = prepare_of(ballot_of(7, 2));
    bench_give(bench, 2, &prepare);
    assert_null(bench_sent(bench, PX_MESSAGE_PROMISE, 2));
    assert_null(bench_record(bench, PX_RECORD_PROMISE));
    bench_sync(bench);
    bench_give(bench, 2, &prepare); /* it is asked again */
    assert_non_null(bench_sent(bench, PX_MESSAGE_PROMISE, 2));
    bench_close(bench);
}

static void r2__nobody_campaigns_without_a_place_for_its_promise(void **state)
{
    (void)state;
    static px_bench_log log;
    uint64_t next;
    px_bench *bench = open_full(&log, &next);
    bench_rounds(bench, 8, 6, &silence);
    assert_int_equal(bench->view.elections, 0);
    bench_sync(bench);
    bench_rounds(bench, 2, 6, &silence);
    assert_int_equal(bench->view.elections, 1);
    bench_close(bench);
}

static void r9__nothing_is_fetched_while_it_could_not_be_taken(void **state)
{
    (void)state;
    static px_bench_log log;
    uint64_t next;
    px_bench *bench = open_full(&log, &next);
    bench_log_extend(&log, next + PX_WINDOW_SLOTS, 'f');
    px_message heard = {.kind = PX_MESSAGE_HEARD, .served = true};
    heard.state = bench_state(&log, ballot_of(3, 1), ballot_of(3, 1), log.length);
    for (uint32_t i = 0; i < 4; i++) {
        bench_rounds(bench, 1, 6, &heard);
        assert_null(bench_sent(bench, PX_MESSAGE_FETCH, 1));
        assert_null(bench_sent(bench, PX_MESSAGE_FETCH, 2));
    }
    bench_sync(bench);
    bench_rounds(bench, 1, 6, &heard);
    assert_true(bench_sent(bench, PX_MESSAGE_FETCH, 1) || bench_sent(bench, PX_MESSAGE_FETCH, 2));
    bench_close(bench);
}

/* ---- candidates ---- */

/* A candidate whose own promise is durable, and that others' pieces have filled since. */
static px_bench *open_full_candidate(px_bench_log *log, px_ballot *ballot)
{
    memset(log, 0, sizeof *log);
    px_bench *bench = bench_open(0, 3, true);
    while (bench->view.role != PX_ROLE_CANDIDATE) bench_rounds(bench, 1, 6, &silence);
    bench_sync(bench);
    *ballot = bench->view.state.promised;
    (void)fill(bench, log, 0, 2);
    assert_int_equal(bench->view.role, PX_ROLE_CANDIDATE);
    return bench;
}

static void r4__a_candidate_takes_over_when_there_is_a_place_for_the_record(void **state)
{
    (void)state;
    static px_bench_log log;
    px_ballot ballot;
    px_bench *bench = open_full_candidate(&log, &ballot);
    const px_message promise = {.kind = PX_MESSAGE_PROMISE, .ballot = ballot, .state = {.promised = ballot}};
    bench_give(bench, 1, &promise);
    assert_int_equal(bench->view.role, PX_ROLE_CANDIDATE);
    bench_sync(bench);
    assert_int_equal(bench->view.role, PX_ROLE_LEADER);
    bench_close(bench);
}

static void r4__a_tail_that_finds_no_place_is_asked_for_again(void **state)
{
    (void)state;
    static px_bench_log log;
    memset(&log, 0, sizeof log);
    px_bench *bench = bench_open(0, 3, true);
    const px_message heard = {.kind = PX_MESSAGE_HEARD, .state = {.promised = {0, 5, 1}}};
    while (bench->view.role != PX_ROLE_CANDIDATE) bench_rounds(bench, 1, 6, &heard);
    bench_sync(bench);
    const px_ballot ballot = bench->view.state.promised;
    bench_log_extend(&log, 2000, 'f');
    const px_message promise = {.kind = PX_MESSAGE_PROMISE,
                                .ballot = ballot,
                                .state = bench_state(&log, ballot, ballot_of(1, 1), 0)};
    bench_give(bench, 1, &promise);
    assert_non_null(bench_sent(bench, PX_MESSAGE_FETCH, 1));
    const uint64_t taken = fill(bench, &log, 0, 2) - 1;
    const px_message tail = {.kind = PX_MESSAGE_TAIL,
                             .ballot = ballot,
                             .state = bench_state(&log, ballot, ballot_of(1, 1), taken),
                             .log = bench_part(&log, taken, taken + 3)};
    bench_give(bench, 1, &tail);
    assert_int_equal(bench->view.role, PX_ROLE_CANDIDATE);
    assert_int_equal(bench->view.state.taken, taken);
    bench_sync(bench);
    bench_rounds(bench, 2, 6, &silence);
    assert_non_null(bench_sent(bench, PX_MESSAGE_FETCH, 1));
    bench_give(bench, 1, &tail);
    assert_int_equal(bench->view.role, PX_ROLE_LEADER);
    assert_int_equal(bench->view.state.taken, taken + 3);
    bench_close(bench);
}

/* ---- leaders ---- */

/* The others' disks are well: they choose what this one has not written. */
static void r9__a_leader_whose_disk_does_not_keep_up_proposes_no_more(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    uint64_t taken = 0;
    while (taken < BENCH_LOG_MAX && px_core_room(bench->core).bytes > 0) {
        bench_propose(bench);
        taken = bench->view.state.taken;
        px_message accepted = {.kind = PX_MESSAGE_ACCEPTED, .ballot = ballot};
        accepted.state = (px_node_state){.promised = ballot, .accepted = ballot};
        accepted.state.taken = accepted.state.durable = taken;
        bench_give(bench, 1, &accepted);
        bench_give(bench, 2, &accepted);
        assert_int_equal(bench->view.state.chosen, taken);
    }
    assert_true(taken > 2 * PX_WINDOW_SLOTS && taken < BENCH_LOG_MAX);
    bench_sync(bench);
    assert_true(px_core_room(bench->core).bytes > 0);
    bench_close(bench);
}

/* ---- bytes ---- */

/* Slots whose bodies are one megabyte each, the same one. */
static px_log_part large_log(px_entry *entries, uint8_t *body)
{
    const uint32_t message_bytes = LARGE_BYTES;
    const px_run run = {PX_NUMBER_END - 1, 1, 1, message_bytes, 0};
    px_batch_put_run(body, 0, &run);
    px_batch_put_header(body, 1, 1);
    uint8_t *length = body + PX_BATCH_HEADER_BYTES + PX_RUN_HEADER_BYTES;
    for (uint32_t i = 0; i < PX_LENGTH_BYTES; i++) length[i] = (uint8_t)(message_bytes >> 8 * i);
    const px_bytes bytes = {body, px_batch_size_bytes(1, 1, message_bytes)};
    px_hash chain = {0, 0};
    for (uint32_t i = 0; i < LARGE_SLOTS; i++) {
        entries[i] = (px_entry){.slot = i + 1, .kind = PX_ENTRY_BATCH, .message_count = 1};
        entries[i].index_first = i + 1;
        entries[i].body = bytes;
        entries[i].body_hash = px_hash_of(bytes.data, bytes.size_bytes);
        entries[i].chain = chain = px_entry_chain(chain, &entries[i]);
    }
    return (px_log_part){0, {0, 0}, LARGE_SLOTS, entries};
}

static void r9__what_is_not_on_disk_is_bounded_in_bytes(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    px_entry entries[LARGE_SLOTS];
    uint8_t *body = calloc(1, px_batch_size_bytes(1, 1, LARGE_BYTES));
    assert_non_null(body);
    const px_log_part all = large_log(entries, body);
    uint32_t taken = 0;
    for (uint32_t i = 0; i < LARGE_SLOTS && bench->view.state.taken == i; i++) {
        const px_hash before = i ? entries[i - 1].chain : (px_hash){0, 0};
        const px_message piece = {.kind = PX_MESSAGE_PIECE, .log = {i, before, 1, all.entries + i}};
        bench_give(bench, 1, &piece);
        taken = (uint32_t)bench->view.state.taken;
    }
    assert_int_equal(bench->view.violations, 0);
    assert_in_range(taken, 2, LARGE_SLOTS - 1);
    bench_sync(bench);
    const px_message piece = {.kind = PX_MESSAGE_PIECE,
                              .log = {taken, entries[taken - 1].chain, 1, all.entries + taken}};
    bench_give(bench, 1, &piece);
    assert_int_equal(bench->view.state.taken, taken + 1);
    bench_close(bench);
    free(body);
}

/* ---- damaged logs [R16] ---- */

static void r16__a_log_is_mended_as_the_disk_keeps_up(void **state)
{
    (void)state;
    static px_bench_log log;
    memset(&log, 0, sizeof log);
    px_bench *bench = bench_open(0, 3, true);
    bench_log_extend(&log, 2, 'f');
    const px_message sync = bench_sync_of(&log, ballot_of(3, 1), 0, 2);
    bench_give(bench, 1, &sync);
    bench_sync(bench);
    bench_log_extend(&log, 3000, 'f');
    bench_damage(bench, &log, 2, (px_claim){.length = 3000, .chosen = 3000});
    uint64_t taken = 2;
    px_message mended = {.kind = PX_MESSAGE_MENDED, .ballot = ballot_of(3, 1)};
    for (bool is_taken = true; is_taken; taken = bench->view.state.taken) {
        mended.log = bench_part(&log, taken, taken + 1);
        bench_give(bench, 1, &mended);
        is_taken = bench->view.state.taken > taken;
    }
    assert_in_range(taken, PX_WINDOW_SLOTS, 2999);
    px_message heard = {.kind = PX_MESSAGE_HEARD, .served = true};
    heard.state = (px_node_state){.promised = {0, 3, 1}, .accepted = {0, 3, 1}};
    heard.state.durable = heard.state.taken = 3000;
    bench_rounds(bench, 1, 6, &heard);
    bench_rounds(bench, 1, 6, &heard);
    assert_null(bench_sent(bench, PX_MESSAGE_FETCH, 1));
    assert_null(bench_sent(bench, PX_MESSAGE_FETCH, 2));
    bench_sync(bench);
    bench_rounds(bench, 1, 6, &heard);
    assert_true(bench_sent(bench, PX_MESSAGE_FETCH, 1) || bench_sent(bench, PX_MESSAGE_FETCH, 2));
    bench_give(bench, 1, &mended);
    assert_int_equal(bench->view.state.taken, taken + 1);
    bench_close(bench);
}

/* Much of it in bytes: the next is asked for at the end of the round, not at once. */
static void r16__no_more_is_asked_for_at_once_while_much_is_not_on_disk(void **state)
{
    (void)state;
    static px_bench_log none;
    px_entry entries[LARGE_SLOTS];
    uint8_t *body = calloc(1, px_batch_size_bytes(1, 1, LARGE_BYTES));
    assert_non_null(body);
    const px_log_part all = large_log(entries, body);
    px_bench *bench = bench_open(0, 3, true);
    bench_damage(bench, &none, 0, (px_claim){.length = LARGE_SLOTS, .chosen = LARGE_SLOTS});
    px_message mended = {.kind = PX_MESSAGE_MENDED, .log = {0, {0, 0}, 1, all.entries}};
    bench_give(bench, 1, &mended);
    assert_non_null(bench_sent(bench, PX_MESSAGE_FETCH, 1));
    mended.log = (px_log_part){1, entries[0].chain, 3, all.entries + 1};
    bench_give(bench, 1, &mended);
    assert_int_equal(bench->view.state.taken, 4);
    assert_null(bench_sent(bench, PX_MESSAGE_FETCH, 1));
    bench_close(bench);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r9__a_slot_waits_until_the_disk_keeps_up),
        cmocka_unit_test(r9__a_synchronisation_waits_until_the_disk_keeps_up),
        cmocka_unit_test(r2__a_promise_that_finds_no_place_for_its_record_is_not_given),
        cmocka_unit_test(r2__nobody_campaigns_without_a_place_for_its_promise),
        cmocka_unit_test(r9__nothing_is_fetched_while_it_could_not_be_taken),
        cmocka_unit_test(r4__a_candidate_takes_over_when_there_is_a_place_for_the_record),
        cmocka_unit_test(r4__a_tail_that_finds_no_place_is_asked_for_again),
        cmocka_unit_test(r9__a_leader_whose_disk_does_not_keep_up_proposes_no_more),
        cmocka_unit_test(r9__what_is_not_on_disk_is_bounded_in_bytes),
        cmocka_unit_test(r16__a_log_is_mended_as_the_disk_keeps_up),
        cmocka_unit_test(r16__no_more_is_asked_for_at_once_while_much_is_not_on_disk),
    };
    return cmocka_run_group_tests_name("disks that do not keep up", tests, NULL, NULL);
}
