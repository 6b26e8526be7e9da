/* sessions_test.c - the table is a function of the log prefix, full or not, and cutting takes it back
 * exactly. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/sessions.h"

#include "base/assert.h"
#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define LOG_SLOTS 40000u

typedef struct {
    px_sessions *sessions;
    px_entry *entries; /* slot s at s - 1 */
    uint8_t (*bodies)[512];
    uint64_t taken, chosen;
    uint64_t openings;
    px_prng prng;
} px_table;

static px_table *make_table(uint64_t seed)
{
    px_table *table = calloc(1, sizeof *table);
    px_assert(table);
    table->sessions = malloc(sizeof *table->sessions);
    table->entries = calloc(LOG_SLOTS, sizeof *table->entries);
    table->bodies = calloc(LOG_SLOTS, sizeof *table->bodies);
    px_assert(table->sessions && table->entries && table->bodies);
    px_sessions_init(table->sessions, PX_SESSIONS_MAX);
    px_prng_init(&table->prng, seed);
    return table;
}

static void free_table(px_table *table)
{
    free(table->sessions);
    free(table->entries);
    free(table->bodies);
    free(table);
}

static void push(px_table *table, px_entry_kind kind, size_t size_bytes)
{
    px_assert(table->taken < LOG_SLOTS);
    px_entry *entry = &table->entries[table->taken];
    *entry = (px_entry){.slot = ++table->taken, .kind = kind};
    entry->body = (px_bytes){table->bodies[entry->slot - 1], size_bytes};
    px_sessions_apply(table->sessions, entry);
}

static void push_opening(px_table *table, px_session_kind kind, const char *name, uint64_t storage_id)
{
    const px_opening opening = {
        .opener = {storage_id, 1, ++table->openings},
        .kind = kind,
        .name = {(const uint8_t *)name, strlen(name)},
    };
    push(table, PX_ENTRY_OPEN, px_opening_put(&opening, table->bodies[table->taken]));
}

static void push_run(px_table *table, uint64_t holder, uint64_t sequence, uint32_t count)
{
    const px_run run = {holder, sequence, count, 0, 0};
    uint8_t *body = table->bodies[table->taken];
    px_batch_put_header(body, 1, count);
    px_batch_put_run(body, 0, &run);
    table->entries[table->taken].message_count = count;
    push(table, PX_ENTRY_BATCH, px_batch_size_bytes(1, count, 0));
}

static void cut(px_table *table, uint64_t after)
{
    px_sessions_cut(table->sessions, after);
    table->taken = after;
}

static void choose(px_table *table, uint64_t upto)
{
    px_sessions_choose(table->sessions, upto);
    table->chosen = upto;
}

/* A table that only ever took these slots. */
static uint64_t digest_anew(const px_table *table)
{
    px_sessions *fresh = malloc(sizeof *fresh);
    px_assert(fresh);
    px_sessions_init(fresh, PX_SESSIONS_MAX);
    for (uint64_t slot = 1; slot <= table->taken; slot++) {
        px_sessions_apply(fresh, &table->entries[slot - 1]);
        const uint64_t chosen = slot < table->chosen ? slot : table->chosen;
        px_sessions_choose(fresh, chosen);
    }
    const uint64_t digest = px_sessions_digest(fresh);
    free(fresh);
    return digest;
}

static void check_table(const px_table *table)
{
    px_sessions_check(table->sessions, table->chosen, table->taken);
    assert_true(px_sessions_digest(table->sessions) == digest_anew(table));
}

static uint64_t below(px_table *table, uint64_t bound)
{
    return px_prng_below(&table->prng, bound);
}

/* One random slot: now and then such as no honest leader would append. */
static void push_any(px_table *table, uint32_t names)
{
    char name[16];
    const uint32_t number = (uint32_t)below(table, names);
    (void)snprintf(name, sizeof name, "s%u", number);
    if (below(table, 3) == 0) {
        const bool is_resent = below(table, 20) == 0;
        if (is_resent && table->openings > 3) table->openings -= 3;
        push_opening(table, number % 50 ? PX_SESSION_CLIENT : PX_SESSION_MEMBER, name, 1 + below(table, 3));
        return;
    }
    px_session session;
    const px_bytes bytes = {(const uint8_t *)name, strlen(name)};
    const px_session_kind kind = number % 50 ? PX_SESSION_CLIENT : PX_SESSION_MEMBER;
    uint64_t holder = 1 + below(table, table->taken + 1), sequence = 1 + below(table, 3);
    if (px_sessions_by_name(table->sessions, UINT64_MAX, kind, bytes, &session)) {
        holder = session.holder;
        sequence = session.next + below(table, 10) / 9;
    }
    push_run(table, holder, sequence, 1 + (uint32_t)below(table, 5));
}

static void step(px_table *table, uint32_t names)
{
    const uint64_t unchosen = table->taken - table->chosen;
    switch (below(table, 6)) {
    case 0: choose(table, table->chosen + below(table, unchosen + 1)); break;
    case 1: cut(table, table->chosen + below(table, unchosen + 1)); break;
    default:
        if (unchosen < PX_WINDOW_SLOTS) push_any(table, names);
        break;
    }
}

static void sessions__are_a_function_of_the_log_prefix(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        px_table *table = make_table(seed);
        for (uint32_t i = 0; i < 600; i++) {
            step(table, 6 + (uint32_t)seed);
            if (i % 7 == 0) check_table(table);
        }
        check_table(table);
        free_table(table);
    }
}

/* Fills the table with clients and members, all chosen. */
static void fill(px_table *table, uint32_t members)
{
    for (uint32_t i = 0; i < PX_SESSIONS_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "fill%u", i);
        push_opening(table, i < members ? PX_SESSION_MEMBER : PX_SESSION_CLIENT, name, 1);
        choose(table, table->taken);
    }
}

static void sessions__full_are_still_a_function_of_the_log_prefix(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        px_table *table = make_table(seed);
        fill(table, 100);
        for (uint32_t i = 0; i < 3000; i++) {
            step(table, 3000);
            if (i % 97 == 0) check_table(table);
        }
        assert_int_equal(table->sessions->row_count, PX_SESSIONS_MAX);
        check_table(table);
        free_table(table);
    }
}

static bool has_name(const px_table *table, px_session_kind kind, const char *name)
{
    px_session session;
    const px_bytes bytes = {(const uint8_t *)name, strlen(name)};
    return px_sessions_by_name(table->sessions, table->chosen, kind, bytes, &session);
}

static void sessions__expire_by_last_use_and_members_never(void **state)
{
    (void)state;
    px_table *table = make_table(1);
    fill(table, 1);
    push_run(table, 2, 1, 1); /* fill1 is used: fill2 is now the one used longest ago */
    push_opening(table, PX_SESSION_CLIENT, "new", 1);
    choose(table, table->taken);
    assert_true(has_name(table, PX_SESSION_CLIENT, "new"));
    assert_true(has_name(table, PX_SESSION_CLIENT, "fill1"));
    assert_false(has_name(table, PX_SESSION_CLIENT, "fill2"));
    assert_true(has_name(table, PX_SESSION_MEMBER, "fill0"));
    px_session session;
    assert_false(px_sessions_by_holder(table->sessions, table->chosen, 3, &session));
    free_table(table);
}

static void sessions__drop_the_longest_fenced_before_any_client(void **state)
{
    (void)state;
    px_table *table = make_table(1);
    for (uint32_t i = 0; i < PX_SESSIONS_MAX - 1; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "fill%u", i);
        push_opening(table, PX_SESSION_CLIENT, name, 1);
        choose(table, table->taken);
    }
    push_opening(table, PX_SESSION_CLIENT, "fill9", 1); /* fences slot 10; the table is full now */
    const uint64_t fenced_slot = table->taken;
    while (table->taken + 1 < fenced_slot + PX_WINDOW_SLOTS) push_run(table, 5, 1, 1);
    choose(table, table->taken);
    px_session session;
    assert_true(px_sessions_by_holder(table->sessions, table->chosen, 10, &session) && session.fenced);
    push_opening(table, PX_SESSION_CLIENT, "new", 1);
    assert_true(px_sessions_by_holder(table->sessions, table->chosen, 10, &session)); /* until it is chosen */
    choose(table, table->taken);
    assert_false(px_sessions_by_holder(table->sessions, table->chosen, 10, &session));
    assert_true(has_name(table, PX_SESSION_CLIENT, "fill0"));
    free_table(table);
}

static void sessions__of_members_alone_leave_no_room(void **state)
{
    (void)state;
    px_table *table = make_table(1);
    fill(table, PX_SESSIONS_MAX);
    const px_opening opening = {
        .opener = {1, 1, table->openings + 1},
        .kind = PX_SESSION_CLIENT,
        .name = {(const uint8_t *)"new", 3},
    };
    assert_false(px_sessions_admit_opening(table->sessions, &opening, table->taken + 1));
    push_opening(table, PX_SESSION_CLIENT, "new", 1); /* though none should, if it came */
    choose(table, table->taken);
    assert_false(has_name(table, PX_SESSION_CLIENT, "new"));
    check_table(table);
    free_table(table);
}

static px_session open_session(const px_table *table, px_session_kind kind, const char *name)
{
    px_session session;
    const px_bytes bytes = {(const uint8_t *)name, strlen(name)};
    assert_true(px_sessions_by_name(table->sessions, table->chosen, kind, bytes, &session));
    return session;
}

static void sessions__that_make_room_for_themselves_go_on_where_they_stood(void **state)
{
    (void)state;
    px_table *table = make_table(1);
    fill(table, 0);
    push_run(table, 1, 1, 5);
    for (uint64_t holder = 2; holder <= PX_SESSIONS_MAX; holder++) { /* fill0 is the one used longest ago */
        push_run(table, holder, 1, 1);
        choose(table, table->taken);
    }
    const uint64_t before = px_sessions_digest(table->sessions);
    const uint64_t openings = table->openings;
    push_opening(table, PX_SESSION_CLIENT, "fill0", 1);
    push_opening(table, PX_SESSION_CLIENT, "fill1", 1);
    assert_int_equal(open_session(table, PX_SESSION_CLIENT, "fill0").holder, 1); /* as of what is chosen */
    cut(table, table->chosen);
    assert_true(px_sessions_digest(table->sessions) == before);
    table->openings = openings;
    push_opening(table, PX_SESSION_CLIENT, "fill0", 1);
    choose(table, table->taken);
    const px_session session = open_session(table, PX_SESSION_CLIENT, "fill0");
    assert_int_equal(session.holder, table->taken);
    assert_int_equal(session.next, 6);
    check_table(table);
    free_table(table);
}

static void sessions__of_clients_go_on_at_their_number_and_of_members_begin_anew(void **state)
{
    (void)state;
    px_table *table = make_table(1);
    push_opening(table, PX_SESSION_CLIENT, "client", 1);
    push_opening(table, PX_SESSION_MEMBER, "client", 1);
    push_run(table, 1, 1, 7);
    push_run(table, 2, 1, 3);
    choose(table, table->taken);
    push_run(table, 1, 8, 2);
    push_opening(table, PX_SESSION_CLIENT, "client", 2);
    push_opening(table, PX_SESSION_MEMBER, "client", 2);
    push_run(table, 1, 10, 1); /* behind the fence it changes nothing */
    choose(table, table->taken);
    assert_int_equal(open_session(table, PX_SESSION_CLIENT, "client").next, 10);
    assert_int_equal(open_session(table, PX_SESSION_MEMBER, "client").next, 1);
    px_session fenced;
    assert_true(px_sessions_by_holder(table->sessions, table->chosen, 1, &fenced) && fenced.fenced);
    assert_int_equal(fenced.next, 10);
    check_table(table);
    free_table(table);
}

static void sessions__that_expired_are_not_opened_again_unless_a_cut_takes_that_back(void **state)
{
    (void)state;
    px_table *table = make_table(1);
    const px_bytes name = {(const uint8_t *)"fill0", 5};
    fill(table, 0);
    push_opening(table, PX_SESSION_CLIENT, "new", 1);
    const px_opening opening = {.opener = {1, 1, table->openings + 1},
                                .kind = PX_SESSION_CLIENT,
                                .name = name};
    assert_false(px_sessions_is_expired(table->sessions, table->chosen, name)); /* as of what is chosen */
    assert_false(px_sessions_admit_opening(table->sessions, &opening, table->taken + 1));
    cut(table, table->chosen);
    assert_true(px_sessions_admit_opening(table->sessions, &opening, table->taken + 1));
    push_opening(table, PX_SESSION_CLIENT, "new", 1);
    choose(table, table->taken);
    assert_true(px_sessions_is_expired(table->sessions, table->chosen, name));
    push_opening(table, PX_SESSION_CLIENT, "fill0", 1); /* though none should, if it came */
    choose(table, table->taken);
    assert_false(has_name(table, PX_SESSION_CLIENT, "fill0"));
    check_table(table);
    for (uint32_t i = 0; i < PX_SESSIONS_EXPIRED_MAX; i++) px_expired_push(&table->sessions->expired, i, 1);
    assert_false(px_sessions_is_expired(table->sessions, table->chosen, name)); /* it is forgotten at last */
    free_table(table);
}

static void sessions__remember_the_highest_of_each_opener(void **state)
{
    (void)state;
    px_table *table = make_table(1);
    for (uint64_t storage_id = 1; storage_id <= PX_OPENERS_MAX; storage_id++)
        push_opening(table, PX_SESSION_MEMBER, "pipe", storage_id);
    choose(table, table->taken);
    px_opening opening = {.opener = {1, 1, 1},
                          .kind = PX_SESSION_MEMBER,
                          .name = {(const uint8_t *)"pipe", 4}};
    assert_false(px_sessions_admit_opening(table->sessions, &opening, table->taken + 1));
    push_opening(table, PX_SESSION_MEMBER, "pipe",
                 PX_OPENERS_MAX + 1); /* the one that opened longest ago is forgotten */
    assert_true(px_sessions_admit_opening(table->sessions, &opening, table->taken + 1));
    opening.opener.storage_id = 2;
    opening.opener.counter = 2;
    assert_false(px_sessions_admit_opening(table->sessions, &opening, table->taken + 1));
    cut(table, table->chosen);
    opening.opener = (px_opener){1, 1, 1};
    assert_false(px_sessions_admit_opening(table->sessions, &opening, table->taken + 1));
    free_table(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions__are_a_function_of_the_log_prefix),
        cmocka_unit_test(sessions__full_are_still_a_function_of_the_log_prefix),
        cmocka_unit_test(sessions__expire_by_last_use_and_members_never),
        cmocka_unit_test(sessions__drop_the_longest_fenced_before_any_client),
        cmocka_unit_test(sessions__of_members_alone_leave_no_room),
        cmocka_unit_test(sessions__that_make_room_for_themselves_go_on_where_they_stood),
        cmocka_unit_test(sessions__of_clients_go_on_at_their_number_and_of_members_begin_anew),
        cmocka_unit_test(sessions__that_expired_are_not_opened_again_unless_a_cut_takes_that_back),
        cmocka_unit_test(sessions__remember_the_highest_of_each_opener),
    };
    return cmocka_run_group_tests_name("sessions", tests, NULL, NULL);
}
