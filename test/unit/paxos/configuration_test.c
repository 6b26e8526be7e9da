/* configuration_test.c - the body of a change of configuration. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/configuration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const px_configuration example = {7, 1, 3, 99, {11, UINT64_MAX, 13}};

static void configuration__what_is_put_is_opened(void **state)
{
    (void)state;
    uint8_t body[PX_CONFIGURATION_BYTES_MAX];
    const size_t size_bytes = px_configuration_put(&example, body);
    assert_int_equal(size_bytes, 48);
    px_configuration read;
    assert_int_equal(px_configuration_open((px_bytes){body, size_bytes}, &read), PX_OK);
    assert_memory_equal(&read, &example, sizeof read);
}

static void configuration__no_other_size_is_opened(void **state)
{
    (void)state;
    uint8_t body[PX_CONFIGURATION_BYTES_MAX] = {0};
    const size_t right_bytes = px_configuration_put(&example, body);
    px_configuration read;
    for (size_t size_bytes = 0; size_bytes <= sizeof body; size_bytes++) {
        const px_err err = px_configuration_open((px_bytes){body, size_bytes}, &read);
        assert_int_equal(err, size_bytes == right_bytes ? PX_OK : PX_ERR_MALFORMED);
    }
}

/* A byte of the body as it must not be. */
static void refuse(size_t at, uint8_t byte)
{
    uint8_t body[PX_CONFIGURATION_BYTES_MAX];
    const size_t size_bytes = px_configuration_put(&example, body);
    body[at] = byte;
    px_configuration read;
    assert_int_equal(px_configuration_open((px_bytes){body, size_bytes}, &read), PX_ERR_MALFORMED);
}

static void configuration__what_cannot_be_is_refused(void **state)
{
    (void)state;
    refuse(0, 0);                       /* number 0 is the roster */
    refuse(7, 0x40);                    /* sums could wrap */
    refuse(8, 3);                       /* a place that is none */
    uint8_t nobody[24] = {1, [16] = 7}; /* of no members, and as long as that */
    px_configuration read;
    assert_int_equal(px_configuration_open((px_bytes){nobody, sizeof nobody}, &read), PX_ERR_MALFORMED);
    refuse(12, 0);
    refuse(12, PX_MEMBERS_MAX + 1);
    refuse(16, 0);  /* nothing replaced */
    refuse(16, 11); /* what is replaced stays */
    refuse(24, 0);  /* no disk */
    refuse(24, 13); /* one disk twice */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configuration__what_is_put_is_opened),
        cmocka_unit_test(configuration__no_other_size_is_opened),
        cmocka_unit_test(configuration__what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests_name("changes of configuration", tests, NULL, NULL);
}
