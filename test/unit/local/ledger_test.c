/* ledger_test.c - which messages are taken, and how much surely fits. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "local/ledger.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const px_fifo_size fifo = {.slots = 4, .slot_bytes = 4096};

static int setup(void **state)
{
    px_ledger *ledger = calloc(1, sizeof *ledger);
    *state = ledger;
    return ledger && px_ledger_init(ledger, fifo) ? 0 : -1;
}

static int teardown(void **state)
{
    px_ledger_deinit(*state);
    free(*state);
    return 0;
}

static void a_message_is_taken_with_its_last_byte(void **state)
{
    px_ledger *ledger = *state;
    px_ledger_enter(ledger, 10);
    px_ledger_enter(ledger, 1);
    px_ledger_enter(ledger, 5);
    px_ledger_wrote(ledger, 16);
    assert_int_equal(px_ledger_take(ledger, 16), 0);
    assert_false(px_ledger_is_split(ledger));
    assert_int_equal(px_ledger_take(ledger, 7), 0);
    assert_true(px_ledger_is_split(ledger));
    assert_int_equal(px_ledger_take(ledger, 5), 2);
    assert_false(px_ledger_is_split(ledger));
    assert_int_equal(px_ledger_count(ledger), 1);
    assert_int_equal(px_ledger_take(ledger, 1), 0);
    assert_true(px_ledger_is_split(ledger));
    assert_int_equal(px_ledger_take(ledger, 0), 1);
    assert_int_equal(px_ledger_count(ledger), 0);
    assert_false(px_ledger_is_split(ledger));
}

static void a_message_that_is_written_in_parts_is_taken_when_all_of_it_is(void **state)
{
    px_ledger *ledger = *state;
    px_ledger_enter(ledger, 100);
    px_ledger_wrote(ledger, 60);
    assert_int_equal(px_ledger_take(ledger, 0), 0);
    assert_true(px_ledger_is_split(ledger));
    px_ledger_wrote(ledger, 40);
    assert_int_equal(px_ledger_take(ledger, 0), 1);
}

static void bytes_that_somebody_else_wrote_are_not_believed_taken(void **state)
{
    px_ledger *ledger = *state;
    px_ledger_enter(ledger, 10);
    px_ledger_wrote(ledger, 10);
    assert_int_equal(px_ledger_take(ledger, 25), 0);
    assert_int_equal(px_ledger_take(ledger, 10), 0);
    assert_int_equal(px_ledger_take(ledger, 0), 1);
}

static void room_counts_slots_and_not_bytes(void **state)
{
    px_ledger *ledger = *state;
    assert_int_equal(px_ledger_room(ledger), 4 * 4096);
    px_ledger_enter(ledger, 1);
    px_ledger_wrote(ledger, 1);
    assert_int_equal(px_ledger_room(ledger), 3 * 4096);
    px_ledger_enter(ledger, 4097);
    px_ledger_wrote(ledger, 4097);
    assert_int_equal(px_ledger_room(ledger), 4096);
    (void)px_ledger_take(ledger, 1); /* the second write is not all taken */
    assert_int_equal(px_ledger_room(ledger), 2 * 4096);
    (void)px_ledger_take(ledger, 0);
    assert_int_equal(px_ledger_room(ledger), 4 * 4096);
}

static void what_was_not_written_may_be_withdrawn(void **state)
{
    px_ledger *ledger = *state;
    px_ledger_enter(ledger, 3);
    px_ledger_wrote(ledger, 3);
    px_ledger_enter(ledger, 4);
    px_ledger_enter(ledger, 5);
    px_ledger_withdraw(ledger, 2);
    assert_int_equal(px_ledger_count(ledger), 1);
    assert_int_equal(px_ledger_take(ledger, 0), 1);
}

static void there_is_place_for_so_many_messages_and_no_more(void **state)
{
    px_ledger *ledger = *state;
    for (uint32_t i = 0; i < PX_LEDGER_MESSAGES_MAX; i++) {
        assert_true(px_ledger_has_place(ledger));
        px_ledger_enter(ledger, 1);
    }
    assert_false(px_ledger_has_place(ledger));
    px_ledger_wrote(ledger, 16384);
    assert_int_equal(px_ledger_take(ledger, 16383), 1);
    assert_true(px_ledger_has_place(ledger));
    px_ledger_clear(ledger);
    assert_int_equal(px_ledger_count(ledger), 0);
    assert_int_equal(px_ledger_room(ledger), 4 * 4096);
}

/* The kernel keeps what the ledger promises: a write of the room it names is never cut short. */
static void a_real_fifo_takes_whole_what_fits_by_the_ledger(void **state)
{
    px_ledger *ledger = *state;
    int ends[2];
    static char bytes[4 * 4096];
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (page != 4096) return; /* the ledger of these tests is made for that */
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    assert_int_equal(fcntl(ends[1], F_SETPIPE_SZ, 4 * 4096), 4 * 4096);
    srand(11);
    for (int round = 0; round < 200000; round++) {
        const size_t room = px_ledger_room(ledger);
        if (room > 0 && rand() % 2) {
            const size_t most = rand() % 3 ? 300 : room;
            const size_t size = 1 + (size_t)rand() % (most < room ? most : room);
            px_ledger_enter(ledger, size);
            assert_int_equal(write(ends[1], bytes, size), size);
            px_ledger_wrote(ledger, size);
        } else {
            (void)!read(ends[0], bytes, 1 + (size_t)rand() % sizeof bytes / (rand() % 2 ? 1 : 30));
        }
        int left = 0;
        assert_int_equal(ioctl(ends[1], FIONREAD, &left), 0);
        (void)px_ledger_take(ledger, (size_t)left);
        assert_true((left == 0) == (px_ledger_count(ledger) == 0));
    }
    close(ends[0]);
    close(ends[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_taken_with_its_last_byte),
        TEST(a_message_that_is_written_in_parts_is_taken_when_all_of_it_is),
        TEST(bytes_that_somebody_else_wrote_are_not_believed_taken),
        TEST(room_counts_slots_and_not_bytes),
        TEST(what_was_not_written_may_be_withdrawn),
        TEST(there_is_place_for_so_many_messages_and_no_more),
        TEST(a_real_fifo_takes_whole_what_fits_by_the_ledger),
    };
    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
