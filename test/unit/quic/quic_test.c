/* quic_test.c - nodes that find, hear and lose each other, over real sockets on loopback. */
// SPDX-License-Identifier: Apache-2.0
#include "quic/quic.h"

#include "world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#define SECOND_US 1000000u

static world at;

static bool both_are_up(world *in)
{
    return in->hosts[0].is_up[1] && in->hosts[1].is_up[0] && in->hosts[0].in_count && in->hosts[1].in_count;
}

static void open_pair(void)
{
    world_open(&at, 2);
    host_start(&at.hosts[0]);
    host_start(&at.hosts[1]);
    assert_true(world_run_until(&at, 5 * SECOND_US, both_are_up));
}

static bool each_has_its_message(world *in)
{
    for (uint32_t i = 0; i < 2; i++) {
        const incoming *from = host_incoming(&in->hosts[i], 1 - i);
        if (!from || from->size_bytes < 4 + 100000) return false;
    }
    return true;
}

static void quic__two_nodes_exchange_messages(void **state)
{
    (void)state;
    open_pair();
    assert_true(host_send(&at.hosts[0], 1, PX_LANE_LOG, 'a', 100000));
    assert_true(host_send(&at.hosts[1], 0, PX_LANE_LOG, 'b', 100000));
    assert_true(world_run_until(&at, 5 * SECOND_US, each_has_its_message));
    const incoming *from = host_incoming(&at.hosts[0], 1);
    assert_int_equal(from->size_bytes, 4 + 100000);
    assert_memory_equal(from->bytes, "head", 4);
    for (size_t i = 4; i < from->size_bytes; i++) assert_int_equal(from->bytes[i], 'b');
    world_close(&at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quic__two_nodes_exchange_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
