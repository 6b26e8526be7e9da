/* cursor_file_test.c - cursors survive, torn writes included, and never run ahead. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "local/cursor_file.h"
#include "world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_BYTES 128u

static int setup(void **state)
{
    world *w = world_make();
    *state = w;
    return 0;
}

static px_cursor_file *open_file(world *w)
{
    px_cursor_file *file = NULL;
    assert_int_equal(px_cursor_file_open(&w->disk.disk, &w->log, PX_CURSOR_FILE_PIPES, &file), PX_OK);
    return file;
}

static uint64_t index_of(world *w, const char *name)
{
    px_cursor_file *file = open_file(w);
    const px_cursor *cursor = px_cursor_find(file, PX_CURSOR_PIPE, name);
    const uint64_t index = cursor ? px_cursor_index(cursor) : UINT64_MAX;
    px_cursor_file_close(file);
    return index;
}

static void cursors_are_found_again_by_kind_and_name(void **state)
{
    world *w = *state;
    px_cursor_file *file = open_file(w);
    assert_null(px_cursor_find(file, PX_CURSOR_PIPE, "a"));
    px_cursor *a = px_cursor_make(file, PX_CURSOR_PIPE, "a", 0);
    px_cursor *b = px_cursor_make(file, PX_CURSOR_PIPE, "b", 5);
    px_cursor *c = px_cursor_make(file, PX_CURSOR_CONSUMER, "a", 9);
    assert_true(a && b && c);
    px_cursor_put(a, 100);
    px_cursor_put(a, 200);
    px_cursor_put(c, 7); /* a consumer may go back */
    px_cursor_file_close(file);
    file = open_file(w);
    assert_int_equal(px_cursor_index(px_cursor_find(file, PX_CURSOR_PIPE, "a")), 200);
    assert_int_equal(px_cursor_index(px_cursor_find(file, PX_CURSOR_PIPE, "b")), 5);
    assert_int_equal(px_cursor_index(px_cursor_find(file, PX_CURSOR_CONSUMER, "a")), 7);
    assert_null(px_cursor_find(file, PX_CURSOR_CONSUMER, "b"));
    assert_false(px_cursor_file_is_damaged(file));
    px_cursor_file_close(file);
}

/* A write that a power cut tore leaves the cursor before it: never a later one, never none. */
static void a_torn_write_brings_back_the_cursor_before_it(void **state)
{
    world *w = *state;
    px_cursor_file *file = open_file(w);
    px_cursor *cursor = px_cursor_make(file, PX_CURSOR_PIPE, "pipe", 1);
    px_cursor_put(cursor, 2);
    uint8_t *before = malloc(world_file_of(w, PX_CURSOR_FILE_PIPES)->size_bytes),
            *after = malloc(world_file_of(w, PX_CURSOR_FILE_PIPES)->size_bytes);
    assert_true(before && after);
    memcpy(before, world_file_of(w, PX_CURSOR_FILE_PIPES)->bytes,
           world_file_of(w, PX_CURSOR_FILE_PIPES)->size_bytes);
    px_cursor_put(cursor, 3);
    px_cursor_file_close(file);
    memcpy(after, world_file_of(w, PX_CURSOR_FILE_PIPES)->bytes,
           world_file_of(w, PX_CURSOR_FILE_PIPES)->size_bytes);
    size_t changed = 0;
    while (before[changed] == after[changed]) changed++;
    const size_t record = changed / RECORD_BYTES * RECORD_BYTES;
    for (size_t bytes = 0; bytes <= RECORD_BYTES; bytes++) {
        memcpy(world_file_of(w, PX_CURSOR_FILE_PIPES)->bytes, before,
               world_file_of(w, PX_CURSOR_FILE_PIPES)->size_bytes);
        memcpy(world_file_of(w, PX_CURSOR_FILE_PIPES)->bytes + record, after + record, bytes);
        const uint64_t index = index_of(w, "pipe");
        assert_true(index == 2 || index == 3);
    }
    free(before);
    free(after);
}

static void rot_in_both_copies_is_noticed(void **state)
{
    world *w = *state;
    px_cursor_file *file = open_file(w);
    px_cursor_put(px_cursor_make(file, PX_CURSOR_PIPE, "pipe", 1), 2);
    px_cursor_file_close(file);
    world_file_of(w, PX_CURSOR_FILE_PIPES)->bytes[17] ^= 1;
    assert_true(index_of(w, "pipe") != UINT64_MAX);
    world_file_of(w, PX_CURSOR_FILE_PIPES)
        ->bytes[world_file_of(w, PX_CURSOR_FILE_PIPES)->size_bytes / 2 + 17] ^= 1;
    file = open_file(w);
    assert_null(px_cursor_find(file, PX_CURSOR_PIPE, "pipe"));
    assert_true(px_cursor_file_is_damaged(file));
    px_cursor_file_close(file);
}

static void there_is_place_for_so_many_and_no_more(void **state)
{
    world *w = *state;
    px_cursor_file *file = open_file(w);
    char name[PX_CURSOR_NAME_BYTES_MAX + 1];
    for (unsigned i = 0; i < PX_CURSORS_MAX; i++) {
        snprintf(name, sizeof name, "%080u", i);
        assert_non_null(px_cursor_make(file, PX_CURSOR_PIPE, name, i));
    }
    assert_null(px_cursor_make(file, PX_CURSOR_PIPE, "more", 0));
    px_cursor_file_close(file);
    assert_int_equal(index_of(w, name), PX_CURSORS_MAX - 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cursors_are_found_again_by_kind_and_name),
        TEST(a_torn_write_brings_back_the_cursor_before_it),
        TEST(rot_in_both_copies_is_noticed),
        TEST(there_is_place_for_so_many_and_no_more),
    };
    return cmocka_run_group_tests_name("cursor_file", tests, NULL, NULL);
}
