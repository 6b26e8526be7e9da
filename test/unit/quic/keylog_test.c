/* keylog_test.c - SSLKEYLOGFILE gives a packet analyser the secrets of a connection. Alone in its program:
 * the library reads the variable once. [spec.md §8] */
// SPDX-License-Identifier: Apache-2.0
#include "certificates.h"
#include "world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static world at;

static bool both_are_up(world *in)
{
    return in->hosts[0].is_up[1] && in->hosts[1].is_up[0];
}

static void keylog__secrets_of_both_directions_are_written(void **state)
{
    (void)state;
    assert_int_equal(setenv("SSLKEYLOGFILE", test_path("keys", ".log"), 1), 0);
    world_open(&at, 2);
    host_start(&at.hosts[0]);
    host_start(&at.hosts[1]);
    assert_true(world_run_until(&at, 5000000, both_are_up));
    world_close(&at);
    FILE *file = fopen(test_path("keys", ".log"), "r");
    assert_non_null(file);
    uint32_t client_lines = 0, server_lines = 0;
    char line[512];
    while (fgets(line, sizeof line, file)) {
        client_lines += strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0;
        server_lines += strncmp(line, "SERVER_TRAFFIC_SECRET_0 ", 24) == 0;
    }
    assert_int_equal(fclose(file), 0);
    assert_true(client_lines >= 2);
    assert_true(server_lines >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keylog__secrets_of_both_directions_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
