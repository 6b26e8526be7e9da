/* ballot_test.c - ballots are totally ordered, the configuration first. */
// SPDX-License-Identifier: Apache-2.0
#include "base/ballot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void ballot__order_is_config_then_number_then_node(void **state)
{
    (void)state;
    /* Ascending; no field alone would sort it so. */
    const px_ballot ballots[] = {
        {0, 0, 0},          {0, 0, 3}, {0, 1, 2}, {0, 2, 0},          {0, 2, 1},
        {0, UINT64_MAX, 0}, {1, 0, 0}, {1, 1, 1}, {UINT64_MAX, 0, 0},
    };
    const int count = sizeof ballots / sizeof *ballots;
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < count; j++) {
            const int order = px_ballot_compare(ballots[i], ballots[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
            assert_int_equal(px_ballot_less(ballots[i], ballots[j]), i < j);
            assert_int_equal(px_ballot_equal(ballots[i], ballots[j]), i == j);
        }
    }
}

static void ballot__number_zero_is_none(void **state)
{
    (void)state;
    assert_true(px_ballot_is_none((px_ballot){0, 0, 0}));
    assert_true(px_ballot_is_none((px_ballot){1, 0, 2}));
    assert_false(px_ballot_is_none((px_ballot){0, 1, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ballot__order_is_config_then_number_then_node),
        cmocka_unit_test(ballot__number_zero_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
