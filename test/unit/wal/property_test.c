/* property_test.c - any sequence of operations, completions and crashes leaves a prefix of what was staged.
 *
 * Meaning    A round is drawn from its seed alone; where one fails, its seed is said, and
 *            `property_test SEED` runs that one. Rot of one bit in a log at rest costs nothing, or is
 *            damage and changes nothing. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "world.h"
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 2500u
#define STEPS 60u
#define FILES_MAX 200u

static uint64_t seed_only;

static uint64_t below(px_prng *prng, uint64_t bound)
{
    return px_prng_below(prng, bound);
}

static uint32_t draw_bytes(px_prng *prng)
{
    switch (below(prng, 6)) {
    case 0: return (uint32_t)below(prng, 9000);
    case 1: return (uint32_t)(512 * below(prng, 9)) % 4096 + 1;
    default: return (uint32_t)below(prng, 300);
    }
}

static void stage_any(world *w, px_prng *prng)
{
    const uint64_t length = w->model.length;
    const uint64_t back = below(prng, 6) + (below(prng, 10) == 0 ? 20 : 0);
    const uint64_t chosen = w->model.chosen;
    const uint64_t after = length > back + chosen ? length - back : chosen;
    const uint32_t count = (uint32_t)below(prng, 4), body_bytes = draw_bytes(prng);
    if (length > MODEL_SLOTS - 8) {
        world_cut(w, chosen + below(prng, 10), count, body_bytes);
        return;
    }
    switch (below(prng, 8)) {
    case 0: world_promise(w); return;
    case 1: world_splice(w, after, count, body_bytes); return;
    case 2: world_cut(w, after, count, body_bytes); return;
    default: world_append(w, count + 1, body_bytes); return;
    }
}

static void draw_file(void *context, const char *name, uint64_t size_bytes)
{
    char(*names)[40] = context;
    uint32_t count = 0;
    (void)size_bytes;
    while (names[count][0]) count++;
    assert_true(count < FILES_MAX - 1);
    (void)snprintf(names[count], sizeof names[count], "%s", name);
}

/* One bit of one file, where something stands. */
static void rot(const world *w, px_prng *prng)
{
    char names[FILES_MAX][40] = {{0}};
    uint32_t count = 0;
    world *clone = world_clone(w);
    px_disk *disk = fake_disk_port(clone->disk);
    assert_int_equal(disk->list(disk, names, draw_file), PX_OK);
    while (names[count][0]) count++;
    const char *name = names[below(prng, count)];
    const uint64_t used_bytes = world_used_bytes(clone, name);
    if (used_bytes)
        fake_disk_flip(clone->disk, name, below(prng, used_bytes), (uint8_t)(1u << below(prng, 8)));
    assert_int_equal(world_try_open(clone), PX_OK);
    if (clone->fault.where[0]) {
        uint64_t lost;
        world_check_claim(clone, &lost);
    } else {
        assert_true(model_equal(&clone->restored, &w->model));
    }
    world_free(clone);
}

/* How a run ends: orderly, killed, or without power; then what is there must be a model at or above the last
 * one told. */
static void end_and_open(world *w, px_prng *prng)
{
    const uint64_t how = below(prng, 4);
    if (how == 0) {
        world_settle(w);
        assert_int_equal(w->stored, w->staged);
        fake_disk_sync(w->disk);
        world_close(w);
        for (int i = 0; i < 3; i++) rot(w, prng);
    } else {
        world_crash(w, how == 1);
    }
    if (how == 2) { /* the start is cut, too */
        fake_disk_cut_power(w->disk, (uint32_t)below(prng, 5));
        if (world_try_open(w) == PX_OK) world_close(w);
        fake_disk_crash(w->disk, below(prng, 2));
    }
    const px_err err = world_try_open(w);
    if (err) print_error("%s: %s\n", w->fault.where, w->fault.what);
    assert_int_equal(err, PX_OK);
    assert_true(world_is_prefix(w));
    w->model = w->history[0] = w->restored;
    w->staged = w->stored = 0;
    world_check_read(w);
}

static void run_round(uint64_t seed)
{
    static const uint64_t segments[] = {4096, 16384, 32768, 65536};
    px_prng prng;
    px_prng_init(&prng, seed);
    world *w = world_make(seed, segments[below(&prng, 4)]);
    for (uint32_t step = 0; step < STEPS; step++) {
        const uint64_t choice = below(&prng, 16);
        if (choice < 7) {
            stage_any(w, &prng);
        } else if (choice < 10) {
            world_flush(w);
        } else if (choice < 14) {
            for (uint64_t i = below(&prng, 4); i > 0; i--) (void)fake_disk_complete(w->disk);
        } else if (choice == 14) {
            world_settle(w);
            assert_int_equal(w->stored, w->staged);
            if (below(&prng, 3) == 0) world_check_read(w);
        } else if (below(&prng, 3) == 0) {
            end_and_open(w, &prng);
        }
        assert_int_equal(w->failed_calls, 0);
    }
    end_and_open(w, &prng);
    world_free(w);
}

static uint64_t seed_now;

static int say_seed(void **state)
{
    (void)state;
    if (seed_now) print_error("the seed was %llu\n", (unsigned long long)seed_now);
    return 0;
}

static void wal__any_crash_leaves_a_prefix_of_what_was_staged(void **state)
{
    (void)state;
    const uint64_t first = seed_only ? seed_only : 1, last = seed_only ? seed_only : ROUNDS;
    for (seed_now = first; seed_now <= last; seed_now++) run_round(seed_now);
    seed_now = 0;
}

int main(int count, char **words)
{
    if (count > 1) seed_only = strtoull(words[1], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(wal__any_crash_leaves_a_prefix_of_what_was_staged, say_seed),
    };
    return cmocka_run_group_tests_name("property", tests, NULL, NULL);
}
