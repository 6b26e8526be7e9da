/* tickets_test.c - what is durable, record by record. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/tickets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static px_outstanding record_of(uint64_t promised, uint64_t length, uint64_t after, uint64_t size_bytes)
{
    const px_ballot ballot = {0, promised, 1};
    return (
        px_outstanding){.durable = {ballot, {0, 0, 0}, 0, length}, .after = after, .size_bytes = size_bytes};
}

static px_tickets *make_tickets(void)
{
    px_tickets *tickets = malloc(sizeof *tickets);
    assert_non_null(tickets);
    const px_durable durable = {.length = 10};
    px_tickets_init(tickets, &durable);
    return tickets;
}

static void tickets__are_durable_as_far_as_was_stored(void **state)
{
    (void)state;
    px_tickets *tickets = make_tickets();
    const px_outstanding first = record_of(1, 11, 10, 100), second = record_of(2, 11, UINT64_MAX, 0),
                         third = record_of(2, 5, 4, 50);
    assert_int_equal(px_tickets_draw(tickets, &first).n, 1);
    assert_int_equal(px_tickets_draw(tickets, &second).n, 2);
    assert_int_equal(px_tickets_draw(tickets, &third).n, 3);
    assert_int_equal(tickets->durable.length, 10);
    assert_int_equal(tickets->size_bytes, 150);
    px_tickets_store(tickets, (px_ticket){2});
    assert_int_equal(tickets->durable.length, 11);
    assert_int_equal(tickets->durable.promised.number, 2);
    assert_int_equal(tickets->size_bytes, 50);
    px_tickets_store(tickets, (px_ticket){3});
    assert_int_equal(tickets->durable.length, 5);
    free(tickets);
}

static void tickets__of_a_slot_is_the_last_that_wrote_it(void **state)
{
    (void)state;
    px_tickets *tickets = make_tickets();
    const px_outstanding append = record_of(1, 12, 10, 1), promise = record_of(2, 12, UINT64_MAX, 0),
                         cut = record_of(2, 13, 11, 1);
    (void)px_tickets_draw(tickets, &append);
    (void)px_tickets_draw(tickets, &promise);
    (void)px_tickets_draw(tickets, &cut);
    assert_int_equal(px_tickets_of_slot(tickets, 10).n, 0);
    assert_int_equal(px_tickets_of_slot(tickets, 11).n, 1);
    assert_int_equal(px_tickets_of_slot(tickets, 12).n, 3);
    px_tickets_store(tickets, (px_ticket){3});
    assert_int_equal(px_tickets_of_slot(tickets, 12).n, 0);
    free(tickets);
}

static void tickets__have_room_until_the_ring_is_full(void **state)
{
    (void)state;
    px_tickets *tickets = make_tickets();
    const px_outstanding append = record_of(1, 12, 10, 1);
    for (uint32_t i = 0; i < PX_TICKETS_MAX; i++) (void)px_tickets_draw(tickets, &append);
    assert_int_equal(px_tickets_room(tickets), 0);
    px_tickets_store(tickets, (px_ticket){7});
    assert_int_equal(px_tickets_room(tickets), 7);
    assert_int_equal(px_tickets_draw(tickets, &append).n, PX_TICKETS_MAX + 1);
    free(tickets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tickets__are_durable_as_far_as_was_stored),
        cmocka_unit_test(tickets__of_a_slot_is_the_last_that_wrote_it),
        cmocka_unit_test(tickets__have_room_until_the_ring_is_full),
    };
    return cmocka_run_group_tests_name("tickets", tests, NULL, NULL);
}
