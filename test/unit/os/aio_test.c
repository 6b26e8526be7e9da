/* aio_test.c - writes that the kernel carries out by itself. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "os/aio.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 4096u
#define NOT_YET INT64_MAX

typedef struct {
    uv_loop_t loop;
    px_aio aio;
    char path[64];
    int fd;
    uint8_t *block;
    int64_t result;
    unsigned calls;
} rig;

static void on_done(void *owner, int64_t result)
{
    rig *r = owner;
    r->result = result;
    r->calls++;
}

static int setup(void **state)
{
    rig *r = calloc(1, sizeof *r);
    strcpy(r->path, "px-aio-XXXXXX"); /* in the build's folder: /tmp may be memory, which has no O_DIRECT */
    const int made = mkstemp(r->path);
    assert_true(made >= 0);
    r->block = aligned_alloc(BLOCK, BLOCK);
    memset(r->block, 'x', BLOCK);
    assert_int_equal(write(made, r->block, BLOCK), BLOCK);
    (void)close(made);
    r->fd = open(r->path, O_WRONLY | O_DIRECT | O_DSYNC | O_CLOEXEC);
    assert_int_equal(uv_loop_init(&r->loop), 0);
    px_aio_open(&r->aio, &r->loop, r, on_done);
    r->result = NOT_YET;
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    rig *r = *state;
    (void)px_aio_close(&r->aio, NULL);
    (void)uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&r->loop), 0);
    if (r->fd >= 0) (void)close(r->fd);
    (void)unlink(r->path);
    free(r->block);
    free(r);
    return 0;
}

/* What the kernel would not take, the disk gives its thread: then there is nothing to see here. */
static bool is_taken(rig *r)
{
    memset(r->block, 'y', BLOCK);
    return r->fd >= 0 && px_aio_write(&r->aio, r->fd, r->block, BLOCK, 0);
}

static void aio__a_write_is_told_by_the_loop_once(void **state)
{
    rig *r = *state;
    if (!is_taken(r)) return;
    assert_int_equal(r->calls, 0);
    while (r->calls == 0) assert_true(uv_run(&r->loop, UV_RUN_ONCE) != 0);
    assert_true(r->result == BLOCK || r->result == -EAGAIN || r->result == -EOPNOTSUPP);
    (void)uv_run(&r->loop, UV_RUN_NOWAIT);
    assert_int_equal(r->calls, 1);
    char got = 0;
    const int fd = open(r->path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, &got, 1), 1);
    (void)close(fd);
    assert_int_equal(got, r->result == BLOCK ? 'y' : 'x');
}

static void aio__a_second_write_is_refused_while_one_is_under_way(void **state)
{
    rig *r = *state;
    if (!is_taken(r)) return;
    assert_false(px_aio_write(&r->aio, r->fd, r->block, BLOCK, 0));
    (void)px_aio_wait(&r->aio);
}

static void aio__who_waits_for_a_write_is_not_told_again(void **state)
{
    rig *r = *state;
    if (!is_taken(r)) return;
    assert_true(px_aio_wait(&r->aio) != INT64_MIN);
    (void)uv_run(&r->loop, UV_RUN_NOWAIT);
    assert_int_equal(r->calls, 0);
}

static void aio__a_bad_descriptor_is_refused(void **state)
{
    rig *r = *state;
    assert_false(px_aio_write(&r->aio, -1, r->block, BLOCK, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(aio__a_write_is_told_by_the_loop_once, setup, teardown),
        cmocka_unit_test_setup_teardown(aio__a_second_write_is_refused_while_one_is_under_way, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(aio__who_waits_for_a_write_is_not_told_again, setup, teardown),
        cmocka_unit_test_setup_teardown(aio__a_bad_descriptor_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
