/* corruption_test.c - every byte of a small log is spoiled, one after the other, and every block.
 *
 * Meaning    All that was staged is synced and the log closed. Then one place of one file is spoiled on a
 *            copy: a byte flipped or zeroed, a file cut there or zeroed from there on, two blocks changed for
 *            each other, or one of them there twice. Opening either refuses in words and changes nothing, or
 *            gives back all of it, or says what is damaged and claims what the log was: nothing that was
 *            synced is ever missing unsaid, and nothing else ever there.
 * Source     [R15, R16]; reliability.md §5i. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_BYTES 16384u
#define BLOCK 4096u
/* Behind what stands in a file it is spoiled so far, too: in the zeros that the next group will overwrite. */
#define BEHIND_BYTES 100u
#define FILES_MAX 16u
#define PLACES_MAX 64u

typedef struct {
    char name[40];
    uint64_t size_bytes;
} named;

typedef struct {
    named files[FILES_MAX];
    uint32_t count;
} folder;

typedef struct {
    uint32_t refused, healed, unharmed;
    uint64_t lost_most; /* slots that one fault took away for good */
} verdicts;

static void add_name(void *context, const char *name, uint64_t size_bytes)
{
    folder *all = context;
    assert_true(all->count < FILES_MAX);
    named *file = &all->files[all->count++];
    (void)snprintf(file->name, sizeof file->name, "%s", name);
    file->size_bytes = size_bytes;
}

static folder list_files(const world *w)
{
    folder all = {.count = 0};
    px_disk *disk = fake_disk_port(w->disk);
    assert_int_equal(disk->list(disk, &all, add_name), PX_OK);
    return all;
}

/* A log of several segments and groups, with each kind of record, all of it synced. */
static int setup(void **state)
{
    world *w = world_make(1, SEGMENT_BYTES);
    for (uint32_t round = 0; round < 3; round++) {
        world_append(w, 2, 150);
        world_settle(w);
        if (round == 1) world_append(w, 1, 3800); /* longer than what is left of a block */
        world_append(w, 1, 0);
        world_settle(w);
        world_promise(w);
        world_splice(w, w->model.length - 1, 2, 90);
        world_settle(w);
    }
    world_cut(w, w->model.length - 1, 1, 40);
    world_append(w, 1, 100);
    world_settle(w);
    assert_int_equal(w->stored, w->staged);
    fake_disk_sync(w->disk);
    world_close(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world_free(*state);
    return 0;
}

/* What opening makes of a spoiled copy, which it frees. */
static void judge(const world *w, world *spoiled, verdicts *seen)
{
    const uint64_t before = world_fingerprint(spoiled);
    const px_err err = world_try_open(spoiled);
    if (err == PX_ERR_DAMAGED) {
        assert_true(strlen(spoiled->fault.where) > 0 && strlen(spoiled->fault.what) > 0);
        assert_true(world_fingerprint(spoiled) == before);
        seen->refused++;
    } else if (spoiled->fault.where[0]) {
        uint64_t lost = 0;
        assert_int_equal(err, PX_OK);
        world_check_claim(spoiled, &lost);
        if (lost > seen->lost_most) seen->lost_most = lost;
        seen->healed++;
    } else {
        assert_int_equal(err, PX_OK);
        assert_true(model_equal(&spoiled->restored, &w->model));
        world_check_read(spoiled);
        seen->unharmed++;
    }
    world_free(spoiled);
}

static uint64_t places_in(const world *w, const named *file)
{
    const uint64_t upto = world_used_bytes(w, file->name) + BEHIND_BYTES;
    return upto < file->size_bytes ? upto : file->size_bytes;
}

static void r15__any_byte_flipped_or_zeroed_loses_nothing_silently(void **state)
{
    const world *w = *state;
    const folder all = list_files(w);
    verdicts seen = {0};
    for (uint32_t i = 0; i < all.count; i++) {
        const named *file = &all.files[i];
        for (uint64_t at = 0; at < places_in(w, file); at++) {
            uint64_t size_bytes = 0;
            const uint8_t byte = fake_disk_stable(w->disk, file->name, &size_bytes)[at];
            const uint8_t masks[] = {(uint8_t)(1u << at % 8), byte};
            for (uint32_t mask = 0; mask < (byte ? 2 : 1); mask++) {
                world *spoiled = world_clone(w);
                fake_disk_flip(spoiled->disk, file->name, at, masks[mask]);
                judge(w, spoiled, &seen);
            }
        }
    }
    assert_true(seen.healed > 1000 && seen.unharmed > 1000);
}

/* The file ends at `size_bytes`. */
static void cut_file(world *w, const named *file, uint64_t size_bytes)
{
    uint64_t stable_bytes = 0;
    const uint8_t *stable = fake_disk_stable(w->disk, file->name, &stable_bytes);
    uint8_t *kept = malloc(size_bytes + 1);
    memcpy(kept, stable, size_bytes);
    fake_disk_remove(w->disk, file->name);
    px_disk *disk = fake_disk_port(w->disk);
    px_disk_file *made = NULL;
    assert_int_equal(disk->create(disk, file->name, size_bytes, &made), PX_OK);
    disk->close(disk, made);
    fake_disk_spoil(w->disk, file->name, 0, kept, size_bytes);
    free(kept);
}

static void r15__a_file_that_ends_anywhere_loses_nothing_silently(void **state)
{
    const world *w = *state;
    const folder all = list_files(w);
    verdicts seen = {0};
    for (uint32_t i = 0; i < all.count; i++) {
        for (uint64_t at = 0; at < places_in(w, &all.files[i]); at += 11) {
            world *spoiled = world_clone(w);
            cut_file(spoiled, &all.files[i], at);
            judge(w, spoiled, &seen);
        }
        world *spoiled = world_clone(w);
        fake_disk_remove(spoiled->disk, all.files[i].name);
        judge(w, spoiled, &seen);
    }
    assert_true(seen.healed > 100 && seen.unharmed > 0);
}

static void r15__a_file_of_zeros_from_anywhere_on_loses_nothing_silently(void **state)
{
    const world *w = *state;
    const folder all = list_files(w);
    static const uint8_t zeros[SEGMENT_BYTES];
    verdicts seen = {0};
    for (uint32_t i = 0; i < all.count; i++) {
        const named *file = &all.files[i];
        assert_true(file->size_bytes <= sizeof zeros);
        for (uint64_t at = 0; at < places_in(w, file); at += 11) {
            world *spoiled = world_clone(w);
            fake_disk_spoil(spoiled->disk, file->name, at, zeros, file->size_bytes - at);
            judge(w, spoiled, &seen);
        }
    }
    assert_true(seen.healed > 100 && seen.unharmed > 0);
}

/* A whole block of one file. */
typedef struct {
    const named *file;
    uint64_t offset;
} place;

static void copy_block(world *to, place at, const world *from, place source)
{
    uint64_t size_bytes = 0;
    const uint8_t *stable = fake_disk_stable(from->disk, source.file->name, &size_bytes);
    fake_disk_spoil(to->disk, at.file->name, at.offset, stable + source.offset, BLOCK);
}

static uint32_t list_blocks(const folder *all, place blocks[PLACES_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        const named *file = &all->files[i];
        for (uint64_t offset = 0; offset + BLOCK <= file->size_bytes; offset += BLOCK) {
            assert_true(count < PLACES_MAX);
            blocks[count++] = (place){file, offset};
        }
    }
    return count;
}

static void r15__any_block_that_stands_in_anothers_place_loses_nothing_silently(void **state)
{
    const world *w = *state;
    const folder all = list_files(w);
    place blocks[PLACES_MAX];
    const uint32_t count = list_blocks(&all, blocks);
    verdicts seen = {0};
    for (uint32_t one = 0; one < count; one++) {
        for (uint32_t other = 0; other < count; other++) {
            if (one == other) continue;
            world *misdirected = world_clone(w); /* a write that hit the wrong place: there twice */
            copy_block(misdirected, blocks[one], w, blocks[other]);
            judge(w, misdirected, &seen);
            if (one > other) continue;
            world *swapped = world_clone(w);
            copy_block(swapped, blocks[one], w, blocks[other]);
            copy_block(swapped, blocks[other], w, blocks[one]);
            judge(w, swapped, &seen);
        }
    }
    assert_true(seen.healed > 100 && seen.unharmed > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(r15__any_byte_flipped_or_zeroed_loses_nothing_silently, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(r15__a_file_that_ends_anywhere_loses_nothing_silently, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(r15__a_file_of_zeros_from_anywhere_on_loses_nothing_silently, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(r15__any_block_that_stands_in_anothers_place_loses_nothing_silently,
                                        setup, teardown),
    };
    return cmocka_run_group_tests_name("corruption", tests, NULL, NULL);
}
