/* window_test.c - a file is seen through a window as if it were in memory whole. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/prng.h"
#include "support/fake_disk.h"
#include "wal/window.h"
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES (2u << 20)
#define NAME "file"

typedef struct {
    fake_disk *fake;
    px_disk_file *file;
    px_window window;
} place;

static int setup(void **state)
{
    place *at = calloc(1, sizeof *at);
    at->fake = fake_disk_make(1);
    px_disk *disk = fake_disk_port(at->fake);
    assert_int_equal(disk->create(disk, NAME, FILE_BYTES, &at->file), PX_OK);
    px_window_open(&at->window, disk, at->file, FILE_BYTES);
    *state = at;
    return 0;
}

static int teardown(void **state)
{
    place *at = *state;
    px_disk *disk = fake_disk_port(at->fake);
    px_window_deinit(&at->window);
    disk->close(disk, at->file);
    fake_disk_free(at->fake);
    free(at);
    return 0;
}

static void window__shows_any_part_of_the_file_in_any_order(void **state)
{
    place *at = *state;
    px_prng prng;
    uint64_t size_bytes;
    uint8_t *bytes = malloc(FILE_BYTES);
    px_prng_init(&prng, 7);
    for (size_t i = 0; i < FILE_BYTES; i++) bytes[i] = (uint8_t)px_prng_next(&prng);
    fake_disk_spoil(at->fake, NAME, 0, bytes, FILE_BYTES);
    (void)fake_disk_stable(at->fake, NAME, &size_bytes);
    assert_int_equal(size_bytes, FILE_BYTES);
    uint64_t offset = 0;
    for (int look = 0; look < 2000; look++) {
        /* Mostly onwards, in small and large steps, and sometimes anywhere. */
        if (look % 20 == 0) offset = px_prng_next(&prng) % FILE_BYTES;
        const size_t most = look % 7 == 0 ? FILE_BYTES : 9000;
        const size_t wanted = (size_t)(px_prng_next(&prng) % most);
        const uint8_t *seen = px_window_at(&at->window, offset, wanted);
        if (offset + wanted > FILE_BYTES) {
            assert_null(seen);
            offset = 0;
            continue;
        }
        assert_non_null(seen);
        assert_memory_equal(seen, bytes + offset, wanted);
        offset += wanted;
    }
    free(bytes);
}

static void window__finds_the_first_and_the_last_byte_that_is_not_zero(void **state)
{
    place *at = *state;
    const uint8_t one = 1;
    assert_int_equal(px_window_first(&at->window, 5, FILE_BYTES), FILE_BYTES);
    assert_int_equal(px_window_last_end(&at->window, 5), 5);
    fake_disk_spoil(at->fake, NAME, 700001, &one, 1);
    fake_disk_spoil(at->fake, NAME, 1500000, &one, 1);
    px_window_open(&at->window, fake_disk_port(at->fake), at->file, FILE_BYTES);
    assert_int_equal(px_window_first(&at->window, 5, FILE_BYTES), 700001);
    assert_int_equal(px_window_first(&at->window, 5, 700001), 700001);
    assert_int_equal(px_window_first(&at->window, 700001, FILE_BYTES), 700001);
    assert_int_equal(px_window_first(&at->window, 700002, FILE_BYTES), 1500000);
    assert_int_equal(px_window_last_end(&at->window, 5), 1500001);
    assert_int_equal(px_window_last_end(&at->window, 1500001), 1500001);
}

static void r16__a_block_that_cannot_be_read_shows_no_valid_byte_and_is_counted_once(void **state)
{
    place *at = *state;
    const uint8_t one = 1;
    fake_disk_spoil(at->fake, NAME, 8191, &one, 1);
    fake_disk_fail_read(at->fake, NAME, 8192, 4096);
    for (int pass = 0; pass < 2; pass++) {
        const uint8_t *seen = px_window_at(&at->window, 8191, 4098);
        assert_non_null(seen);
        assert_int_equal(seen[0], 1);
        assert_int_equal(seen[1], 0xff);
        assert_int_equal(seen[4096], 0xff);
        assert_int_equal(seen[4097], 0);
        assert_non_null(px_window_at(&at->window, FILE_BYTES - 10, 10));
    }
    assert_int_equal(at->window.unreadable, 1);
    assert_false(px_window_has_given_up(&at->window));
}

static void r17__a_file_of_which_much_cannot_be_read_is_an_error(void **state)
{
    place *at = *state;
    fake_disk_fail_read(at->fake, NAME, 1 << 20, 1 << 19);
    assert_non_null(px_window_at(&at->window, 0, 10));
    assert_null(px_window_at(&at->window, 1 << 20, 10));
    assert_int_equal(at->window.err, PX_ERR_IO);
    assert_true(px_window_has_given_up(&at->window));
    assert_null(px_window_at(&at->window, 0, 10));
}

static void window__a_file_that_is_shorter_than_said_ends_where_it_ends(void **state)
{
    place *at = *state;
    px_window_open(&at->window, fake_disk_port(at->fake), at->file, 2 * FILE_BYTES);
    assert_null(px_window_at(&at->window, FILE_BYTES - 5, 10));
    assert_non_null(px_window_at(&at->window, FILE_BYTES - 5, 5));
    assert_int_equal(at->window.size_bytes, FILE_BYTES);
    assert_int_equal(at->window.err, PX_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(window__shows_any_part_of_the_file_in_any_order),
        TEST(window__finds_the_first_and_the_last_byte_that_is_not_zero),
        TEST(r16__a_block_that_cannot_be_read_shows_no_valid_byte_and_is_counted_once),
        TEST(r17__a_file_of_which_much_cannot_be_read_is_an_error),
        TEST(window__a_file_that_is_shorter_than_said_ends_where_it_ends),
    };
    return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
