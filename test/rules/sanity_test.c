/* sanity_test.c - what cannot be true closes the connection and changes nothing. [§7] */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "paxos/configuration.h"
#include "rules/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define LENGTH 4u /* of the follower's log */
#define CHOSEN 2u

static const px_message silence = {.kind = PX_MESSAGE_HEARD};

/* Four slots, synchronised in ballot 3 of member 1, the first two known chosen. */
static px_bench *open_follower(px_bench_log *log)
{
    memset(log, 0, sizeof *log);
    px_bench *bench = bench_open(0, 3, true);
    bench_log_extend(log, LENGTH, 'a');
    const px_message sync = bench_sync_of(log, ballot_of(3, 1), 0, CHOSEN);
    bench_give(bench, 1, &sync);
    bench_sync(bench);
    return bench;
}

/* The message is one violation, of member 2, and nothing comes of it. */
static void check_refused(px_bench *bench, const char *what, const px_message *message)
{
    const uint64_t violations = bench->view.violations;
    const uint64_t records = bench->record_count;
    bench_give(bench, 2, message);
    const bool is_refused = bench->view.violations == violations + 1 && bench->view.violator == 2 &&
                            bench->count == 0 && bench->record_count == records &&
                            bench->view.state.taken == LENGTH && bench->view.state.chosen == CHOSEN;
    if (!is_refused) fail_msg("%s: %s", what, bench->view.violation ? bench->view.violation : "heeded");
}

/* ---- numbers ---- */

typedef struct {
    const char *what;
    px_message message;
} lie;

static void p7__a_ballot_that_cannot_be_is_a_violation(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    const lie lies[] = {
        {"none, with a node", {.kind = PX_MESSAGE_HEARTBEAT, .ballot = {0, 0, 2}}},
        {"none, with a configuration", {.kind = PX_MESSAGE_HEARTBEAT, .ballot = {1, 0, 0}}},
        {"its next number would be none", {.kind = PX_MESSAGE_PREPARE, .ballot = {0, PX_NUMBER_END / 2, 2}}},
        {"its next configuration would be none",
         {.kind = PX_MESSAGE_PREPARE, .ballot = {PX_NUMBER_END / 2, 9, 2}}},
        {"of a node that is no member", {.kind = PX_MESSAGE_HEARTBEAT, .ballot = {0, 9, 3}}},
        {"led by another", {.kind = PX_MESSAGE_HEARD, .round = 1, .leads = {0, 9, 1}}},
        {"led by nobody who could be", {.kind = PX_MESSAGE_HEARD, .round = 1, .leads = {0, 9, 7}}},
        {"followed, of nobody", {.kind = PX_MESSAGE_HEARD, .round = 1, .follows = {0, 9, 7}}},
        {"a campaign of another's", {.kind = PX_MESSAGE_PREPARE, .ballot = {0, 9, 1}}},
        {"a campaign without one", {.kind = PX_MESSAGE_PREPARE}},
        {"a promise to another", {.kind = PX_MESSAGE_PROMISE, .ballot = {0, 9, 1}}},
        {"a promise to nobody", {.kind = PX_MESSAGE_PROMISE}},
        {"a promise of something else",
         {.kind = PX_MESSAGE_PROMISE, .ballot = {0, 9, 0}, .state.promised = {0, 8, 0}}},
        {"asked for under another's ballot", {.kind = PX_MESSAGE_FETCH, .ballot = {0, 9, 1}}},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++)
        check_refused(bench, lies[i].what, &lies[i].message);
    bench_close(bench);
}

static void p7__a_state_that_contradicts_itself_is_a_violation(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    const struct {
        const char *what;
        px_node_state state;
    } lies[] = {
        {"accepted above its promise", {.promised = {0, 3, 1}, .accepted = {0, 4, 1}}},
        {"a promise that cannot be", {.promised = {0, 3, 9}}},
        {"accepted what cannot be", {.promised = {0, 3, 1}, .accepted = {0, 3, 9}}},
        {"a length that is none", {.taken = PX_NUMBER_END}},
        {"cuts that are no number", {.cuts = PX_NUMBER_END}},
        {"more on disk than taken", {.taken = 1, .durable = 2}},
        {"more chosen than taken", {.taken = 1, .durable = 1, .chosen = 2}},
        {"a damaged log that was no longer", {.taken = 5, .claimed = 5}},
        {"a damaged log of no length", {.taken = 5, .claimed = PX_NUMBER_END}},
        {"a hash of what is not chosen", {.chosen_chain = {1, 1}}},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        const px_message heartbeat = {.kind = PX_MESSAGE_HEARTBEAT, .state = lies[i].state};
        check_refused(bench, lies[i].what, &heartbeat);
    }
    bench_close(bench);
}

static void p7__a_chosen_slot_that_cannot_be_is_a_violation(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    px_message message = {.kind = PX_MESSAGE_CHOSEN, .ballot = {0, 4, 2}, .state.chosen = PX_NUMBER_END};
    check_refused(bench, "told", &message);
    bench_log_extend(&log, LENGTH + 1, 'a');
    message = bench_accept_of(&log, ballot_of(4, 2), LENGTH + 1, PX_NUMBER_END);
    check_refused(bench, "with a slot", &message);
    bench_close(bench);
}

/* ---- logs ---- */

static void set_body(px_entry *entry, px_entry_kind kind, const uint8_t *body, size_t size_bytes)
{
    entry->kind = kind;
    entry->message_count = 0;
    entry->body = (px_bytes){body, size_bytes};
    entry->body_hash = px_hash_of(body, size_bytes);
}

/* A new leader's log of two slots behind the fourth, the second of them not sound in some way. */
static void p7__entries_that_are_not_sound_are_a_violation(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    uint8_t opening[PX_OPENING_BYTES_MAX], change[PX_CONFIGURATION_BYTES_MAX];
    const px_opening member = {{7, 1, 1}, 1, PX_SESSION_MEMBER, {(const uint8_t *)"o", 1}};
    const px_configuration next = {1, 2, 3, BENCH_ID(2), {BENCH_ID(0), BENCH_ID(1), 900}};
    const size_t opening_bytes = px_opening_put(&member, opening);
    const size_t change_bytes = px_configuration_put(&next, change);
    bench_log_extend(&log, LENGTH + 2, 'a');
    px_entry *const last = &log.entries[LENGTH + 1];
    const px_entry good = *last;
    const px_message sync = bench_sync_of(&log, ballot_of(4, 2), LENGTH, CHOSEN);
    last->slot++;
    check_refused(bench, "a slot left out", &sync);
    *last = good;
    last->index_first++;
    check_refused(bench, "a message left out", &sync);
    *last = good;
    last->message_count++;
    check_refused(bench, "more messages than in the body", &sync);
    *last = good;
    last->body.size_bytes--;
    check_refused(bench, "a body cut short", &sync);
    *last = good;
    set_body(last, PX_ENTRY_OPEN, opening, opening_bytes - 1);
    check_refused(bench, "an opening cut short", &sync);
    set_body(last, PX_ENTRY_OPEN, opening, opening_bytes);
    last->message_count = 1;
    check_refused(bench, "an opening with a message", &sync);
    set_body(last, PX_ENTRY_CONFIG, change, change_bytes - 1);
    check_refused(bench, "a change cut short", &sync);
    set_body(last, PX_ENTRY_CONFIG, change, change_bytes);
    last->message_count = 1;
    check_refused(bench, "a change with a message", &sync);
    *last = good;
    px_message many = sync;
    many.log.count = PX_WINDOW_SLOTS + 1;
    check_refused(bench, "more slots than go into a message", &many);
    px_message far = sync;
    far.log.after = PX_NUMBER_END;
    check_refused(bench, "slots beyond all numbers", &far);
    bench_give(bench, 2, &sync); /* and this is how it is right */
    assert_int_equal(bench->view.state.taken, LENGTH + 2);
    bench_close(bench);
}

/* A slot that does not continue the log of its own ballot. */
static void r6__a_slot_behind_another_hash_is_a_violation(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    bench_log_cut(&log, LENGTH - 1);
    bench_log_extend(&log, LENGTH + 1, 'b');
    const px_message accept = bench_accept_of(&log, ballot_of(3, 1), LENGTH + 1, CHOSEN);
    bench_give(bench, 1, &accept);
    assert_int_equal(bench->view.violations, 1);
    assert_int_equal(bench->view.violator, 1);
    assert_int_equal(bench->view.state.taken, LENGTH);
    bench_close(bench);
}

/* Of a leader that was overtaken: other slots than its own were chosen here since. */
static void r6__a_slot_behind_another_chosen_hash_is_dropped(void **state)
{
    (void)state;
    static px_bench_log log;
    px_bench *bench = open_follower(&log);
    const px_message chosen = {.kind = PX_MESSAGE_CHOSEN, .ballot = {0, 3, 1}, .state.chosen = LENGTH};
    bench_give(bench, 1, &chosen);
    assert_int_equal(bench->view.state.chosen, LENGTH);
    bench_log_cut(&log, LENGTH - 1);
    bench_log_extend(&log, LENGTH + 1, 'b');
    const px_message accept = bench_accept_of(&log, ballot_of(3, 1), LENGTH + 1, CHOSEN);
    bench_give(bench, 1, &accept);
    assert_int_equal(bench->view.violations, 0);
    assert_int_equal(bench->view.state.taken, LENGTH);
    bench_close(bench);
}

/* ---- changes of configuration ---- */

static void put_change(px_bench_log *log, uint8_t *body, const px_configuration *change)
{
    px_entry *entry = &log->entries[log->length];
    const px_hash before = log->length ? entry[-1].chain : (px_hash){0, 0};
    const uint64_t index = log->length ? entry[-1].index_first + entry[-1].message_count : 1;
    *entry = (px_entry){.slot = ++log->length, .kind = PX_ENTRY_CONFIG, .index_first = index};
    entry->body = (px_bytes){body, px_configuration_put(change, body)};
    entry->body_hash = px_hash_of(entry->body.data, entry->body.size_bytes);
    entry->chain = px_entry_chain(before, entry);
}

/* Behind the follower's log stand these changes; how many of its slots are taken, with the changes chosen? */
static uint64_t take_changes(const px_configuration *changes, uint32_t count, px_ballot ballot, bool chosen)
{
    static px_bench_log log;
    static uint8_t bodies[4][PX_CONFIGURATION_BYTES_MAX];
    px_bench *bench = open_follower(&log);
    for (uint32_t i = 0; i < count; i++) put_change(&log, bodies[i], &changes[i]);
    const px_message sync = bench_sync_of(&log, ballot, LENGTH, chosen ? log.length : CHOSEN);
    bench_give(bench, (uint32_t)ballot.node, &sync);
    const uint64_t taken = bench->view.state.taken - LENGTH;
    assert_int_equal(bench->view.violations, taken ? 0 : 1);
    bench_close(bench);
    return taken;
}

static void r21__changes_of_configuration_follow_one_another(void **state)
{
    (void)state;
    const px_configuration first = {1, 2, 3, BENCH_ID(2), {BENCH_ID(0), BENCH_ID(1), 900}};
    const px_configuration second = {2, 2, 3, 900, {BENCH_ID(0), BENCH_ID(1), 901}};
    px_configuration larger = first;
    larger.count = 4;
    larger.ids[3] = 902;
    const px_ballot ballot = ballot_of(4, 2);
    assert_int_equal(take_changes(&first, 1, ballot, false), 1);
    assert_int_equal(take_changes(&second, 1, ballot, false), 0); /* one is left out */
    assert_int_equal(take_changes(&larger, 1, ballot, false), 0); /* of another number of members */
    const px_configuration both[] = {first, second};
    assert_int_equal(take_changes(both, 2, ballot, false), 0); /* the first is not chosen */
    /* Of a leader in the second configuration, which knows both chosen. */
    assert_int_equal(take_changes(both, 2, (px_ballot){2, 9, 1}, true), 2);
}

/* Who leads in the next configuration knows the change chosen, though it does not say so yet. */
static void r21__the_next_configuration_goes_on_behind_its_stop_sign(void **state)
{
    (void)state;
    static px_bench_log log;
    static uint8_t body[PX_CONFIGURATION_BYTES_MAX];
    const px_configuration next = {1, 2, 3, BENCH_ID(2), {BENCH_ID(0), BENCH_ID(1), 900}};
    px_bench *bench = open_follower(&log);
    put_change(&log, body, &next);
    bench_log_extend(&log, LENGTH + 2, 'n');
    log.entries[LENGTH + 1].index_first = LENGTH + 1; /* the change is no message */
    log.entries[LENGTH + 1].chain = px_entry_chain(log.entries[LENGTH].chain, &log.entries[LENGTH + 1]);
    px_message sync = bench_sync_of(&log, ballot_of(4, 1), LENGTH, CHOSEN);
    bench_give(bench, 1, &sync); /* the old one does not */
    assert_int_equal(bench->view.violations, 1);
    assert_int_equal(bench->view.state.taken, LENGTH);
    sync = bench_sync_of(&log, (px_ballot){1, 5, 1}, LENGTH, CHOSEN);
    bench_give(bench, 1, &sync);
    assert_int_equal(bench->view.violations, 1);
    assert_int_equal(bench->view.state.taken, LENGTH + 2);
    assert_int_equal(bench->view.configuration, 0); /* not known chosen here */
    bench_close(bench);
}

static void r21__a_piece_with_changes_out_of_their_places_is_a_violation(void **state)
{
    (void)state;
    static px_bench_log log;
    static uint8_t body[PX_CONFIGURATION_BYTES_MAX];
    const px_configuration second = {2, 2, 3, 900, {BENCH_ID(0), BENCH_ID(1), 901}};
    px_bench *bench = open_follower(&log);
    put_change(&log, body, &second);
    const px_message piece = bench_piece_of(&log, LENGTH, LENGTH + 1);
    check_refused(bench, "the second change without the first", &piece);
    bench_close(bench);
}

/* ---- divergence ---- */

/* What else comes from a majority that differs changes nothing any more, and this node says nothing. */
static void p7__a_diverged_node_stays_silent(void **state)
{
    (void)state;
    static px_bench_log log, other;
    px_bench *bench = bench_open(0, 5, true);
    memset(&log, 0, sizeof log);
    memset(&other, 0, sizeof other);
    bench_log_extend(&log, LENGTH, 'a');
    bench_log_extend(&other, LENGTH, 'b');
    const px_message sync = bench_sync_of(&log, ballot_of(3, 1), 0, CHOSEN);
    bench_give(bench, 1, &sync); /* not yet on disk */
    px_message heartbeat = {.kind = PX_MESSAGE_HEARTBEAT, .round = 1};
    heartbeat.state = bench_state(&other, ballot_of(3, 1), ballot_of(3, 1), CHOSEN);
    for (uint32_t member = 2; member < 5; member++) bench_give(bench, member, &heartbeat);
    assert_true(bench->view.diverged);
    bench_give(bench, 2, &heartbeat);
    assert_int_equal(bench->count, 0);
    heartbeat.state = bench_state(&log, ballot_of(3, 1), ballot_of(3, 1), CHOSEN);
    bench_give(bench, 1, &heartbeat); /* nor to the one that agrees */
    assert_int_equal(bench->count, 0);
    bench_sync(bench);
    assert_null(bench_sent(bench, PX_MESSAGE_ACCEPTED, 1));
    bench_rounds(bench, 8, 2, &silence);
    assert_int_equal(bench->view.elections, 0);
    bench_close(bench);
}

/* It can compare by itself where it knows more chosen than this node. */
static void p7__who_differs_is_told_nothing_of_slots_not_chosen_here(void **state)
{
    (void)state;
    static px_bench_log log, other;
    px_bench *bench = open_follower(&log);
    memset(&other, 0, sizeof other);
    bench_log_extend(&other, LENGTH, 'b');
    px_message heartbeat = {.kind = PX_MESSAGE_HEARTBEAT, .round = 1};
    heartbeat.state = bench_state(&other, ballot_of(3, 1), ballot_of(3, 1), CHOSEN);
    bench_give(bench, 2, &heartbeat);
    assert_non_null(bench_sent(bench, PX_MESSAGE_HEARD, 2));
    heartbeat.state = bench_state(&other, ballot_of(3, 1), ballot_of(3, 1), CHOSEN + 1);
    bench_give(bench, 2, &heartbeat);
    assert_null(bench_sent(bench, PX_MESSAGE_HEARD, 2));
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(p7__a_ballot_that_cannot_be_is_a_violation),
        cmocka_unit_test(p7__a_state_that_contradicts_itself_is_a_violation),
        cmocka_unit_test(p7__a_chosen_slot_that_cannot_be_is_a_violation),
        cmocka_unit_test(p7__entries_that_are_not_sound_are_a_violation),
        cmocka_unit_test(r6__a_slot_behind_another_hash_is_a_violation),
        cmocka_unit_test(r6__a_slot_behind_another_chosen_hash_is_dropped),
        cmocka_unit_test(r21__changes_of_configuration_follow_one_another),
        cmocka_unit_test(r21__the_next_configuration_goes_on_behind_its_stop_sign),
        cmocka_unit_test(r21__a_piece_with_changes_out_of_their_places_is_a_violation),
        cmocka_unit_test(p7__a_diverged_node_stays_silent),
        cmocka_unit_test(p7__who_differs_is_told_nothing_of_slots_not_chosen_here),
    };
    return cmocka_run_group_tests_name("what cannot be true", tests, NULL, NULL);
}
