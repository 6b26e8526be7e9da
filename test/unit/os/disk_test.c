/* disk_test.c - files of a real folder: durable writes in order, whole files, one owner. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "os/disk.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#define FILE_BYTES (256u << 10)
#define BLOCK PX_DISK_BLOCK_BYTES
#define WRITES 40u

typedef struct {
    uv_loop_t loop;
    char folder[64], data[80];
    px_disk *disk;
    uint8_t *block;
} rig;

typedef struct {
    px_disk_write write; /* first */
    uint32_t *done;
    uint32_t place;
} one_write;

static int setup(void **state)
{
    rig *r = calloc(1, sizeof *r);
    strcpy(r->folder, "/tmp/px-disk-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    (void)snprintf(r->data, sizeof r->data, "%s/data", r->folder);
    assert_int_equal(uv_loop_init(&r->loop), 0);
    assert_int_equal(px_os_disk_open(&r->loop, r->data, &r->disk), PX_OK);
    r->block = aligned_alloc(BLOCK, BLOCK);
    *state = r;
    return 0;
}

static void remove_all(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *item;
    while (folder && (item = readdir(folder)))
        if (item->d_name[0] != '.') (void)unlinkat(dirfd(folder), item->d_name, 0);
    if (folder) (void)closedir(folder);
    (void)rmdir(path);
}

static int teardown(void **state)
{
    rig *r = *state;
    if (r->disk) px_os_disk_close(r->disk);
    (void)uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&r->loop), 0);
    remove_all(r->data);
    (void)rmdir(r->folder);
    free(r->block);
    free(r);
    return 0;
}

static px_disk_file *make_file(rig *r, const char *name)
{
    px_disk_file *file = NULL;
    assert_int_equal(r->disk->create(r->disk, name, FILE_BYTES, &file), PX_OK);
    return file;
}

static void on_done(px_disk_write *write, px_err err)
{
    one_write *each = (one_write *)write;
    assert_int_equal(err, PX_OK);
    assert_int_equal(*each->done, each->place); /* in the order given */
    ++*each->done;
}

static void hand_over(rig *r, px_disk_file *file, one_write *writes, uint32_t *done)
{
    *done = 0;
    for (uint32_t i = 0; i < WRITES; i++) {
        writes[i] = (one_write){.done = done, .place = i};
        writes[i].write = (px_disk_write){
            .file = file, .offset = i * BLOCK, .data = r->block, .size_bytes = BLOCK, .on_done = on_done};
        r->disk->prepare(r->disk, file, FILE_BYTES); /* zeros come between and never over a write */
        r->disk->write(r->disk, &writes[i].write);
    }
}

static void check_content(rig *r, const char *name, uint64_t written_bytes)
{
    px_disk_file *file = NULL;
    uint8_t *space = malloc(FILE_BYTES);
    size_t read_bytes = 0;
    assert_int_equal(r->disk->open(r->disk, name, &file), PX_OK);
    assert_int_equal(r->disk->read(r->disk, file, 0, space, FILE_BYTES, true, &read_bytes), PX_OK);
    assert_int_equal(read_bytes, FILE_BYTES);
    for (uint64_t at = 0; at < FILE_BYTES; at++) assert_int_equal(space[at], at < written_bytes ? 0x77 : 0);
    r->disk->close(r->disk, file);
    free(space);
}

static void disk__durable_writes_complete_in_order_and_zeros_never_cover_them(void **state)
{
    rig *r = *state;
    one_write writes[WRITES];
    uint32_t done;
    px_disk_file *file = make_file(r, "file");
    memset(r->block, 0x77, BLOCK);
    hand_over(r, file, writes, &done);
    while (done < WRITES) (void)uv_run(&r->loop, UV_RUN_ONCE);
    r->disk->close(r->disk, file);
    check_content(r, "file", (uint64_t)WRITES * BLOCK);
}

/* Their memory is the caller's again: nothing touches it, and no on_done comes. */
static void disk__closing_a_file_waits_for_its_writes_and_tells_none(void **state)
{
    rig *r = *state;
    one_write *writes = malloc(WRITES * sizeof *writes);
    uint32_t done;
    px_disk_file *file = make_file(r, "file");
    memset(r->block, 0x77, BLOCK);
    hand_over(r, file, writes, &done);
    r->disk->close(r->disk, file);
    free(writes);
    for (int i = 0; i < 3; i++) (void)uv_run(&r->loop, UV_RUN_NOWAIT);
    assert_int_equal(done, 0);
    check_content(r, "file", (uint64_t)WRITES * BLOCK);
}

static void disk__a_folder_has_one_owner(void **state)
{
    rig *r = *state;
    px_disk *other = NULL;
    assert_int_equal(px_os_disk_open(&r->loop, r->data, &other), PX_ERR_BUSY);
    assert_null(other);
    char lock[160];
    (void)snprintf(lock, sizeof lock, "%s/lock", r->data);
    assert_int_equal(unlink(lock), 0); /* somebody tidied up */
    assert_int_equal(px_os_disk_open(&r->loop, r->data, &other), PX_ERR_BUSY);
    assert_null(other);
    px_os_disk_close(r->disk);
    assert_int_equal(px_os_disk_open(&r->loop, r->data, &r->disk), PX_OK);
}

static void disk__a_file_that_could_not_be_made_leaves_nothing(void **state)
{
    rig *r = *state;
    px_disk_file *file = NULL;
    struct stat facts;
    char path[160];
    const px_err err = r->disk->create(r->disk, "huge", (uint64_t)1 << 60, &file);
    assert_true(err != PX_OK && !file);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/huge%s", r->data, i ? ".new" : "");
        assert_int_equal(stat(path, &facts), -1);
    }
}

/* What a crash left half made is made again. */
static void disk__a_half_made_file_is_not_there_and_is_made_anew(void **state)
{
    rig *r = *state;
    char path[160];
    px_disk_file *file = NULL;
    (void)snprintf(path, sizeof path, "%s/file.new", r->data);
    const int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "rest", 4), 4);
    (void)close(fd);
    assert_int_equal(r->disk->open(r->disk, "file", &file), PX_ERR_NOT_FOUND);
    file = make_file(r, "file");
    assert_int_equal(r->disk->create(r->disk, "file", FILE_BYTES, &file), PX_ERR_EXISTS);
    r->disk->close(r->disk, file);
    check_content(r, "file", 0);
}

static px_err failed_with;

static void on_failed(px_disk_write *write, px_err err)
{
    (void)write;
    failed_with = err;
}

static void disk__a_write_to_a_file_that_is_gone_fails_and_says_so(void **state)
{
    rig *r = *state;
    char path[160];
    px_disk_file *file = make_file(r, "file");
    (void)snprintf(path, sizeof path, "%s/file", r->data);
    assert_int_equal(unlink(path), 0);
    px_disk_write write = {.file = file, .data = r->block, .size_bytes = BLOCK, .on_done = on_failed};
    failed_with = PX_OK;
    memset(r->block, 0, BLOCK);
    r->disk->write(r->disk, &write);
    while (failed_with == PX_OK) (void)uv_run(&r->loop, UV_RUN_ONCE);
    assert_int_equal(failed_with, PX_ERR_IO);
    r->disk->close(r->disk, file);
}

/* Pages of a file that the system keeps in memory. */
static size_t resident_pages(const rig *r, const char *name)
{
    char path[160];
    unsigned char pages[FILE_BYTES / BLOCK];
    (void)snprintf(path, sizeof path, "%s/%s", r->data, name);
    const int fd = open(path, O_RDONLY);
    void *mapped = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(mapped != MAP_FAILED);
    assert_int_equal(mincore(mapped, FILE_BYTES, pages), 0);
    (void)munmap(mapped, FILE_BYTES);
    (void)close(fd);
    size_t count = 0;
    for (size_t i = 0; i < sizeof pages; i++) count += pages[i] & 1;
    return count;
}

static px_disk_file *make_read_file(rig *r, const char *name)
{
    px_disk_file *file = make_file(r, name);
    uint8_t *space = malloc(FILE_BYTES);
    size_t read_bytes = 0;
    assert_int_equal(r->disk->read(r->disk, file, 0, space, FILE_BYTES, false, &read_bytes), PX_OK);
    free(space);
    return file;
}

/* Else the kernel would have to wait for each of these pages, and a thread would write instead. */
static void disk__the_first_durable_write_drops_what_was_read_behind_it(void **state)
{
    rig *r = *state;
    px_disk_file *file = make_read_file(r, "file");
    r->disk->close(r->disk, make_read_file(r, "other"));
    assert_true(resident_pages(r, "file") > 0);
    px_disk_write write = {.file = file, .data = r->block, .size_bytes = BLOCK, .on_done = on_failed};
    failed_with = PX_ERR_MORE;
    memset(r->block, 0, BLOCK);
    r->disk->write(r->disk, &write);
    while (failed_with == PX_ERR_MORE) (void)uv_run(&r->loop, UV_RUN_ONCE);
    assert_int_equal(failed_with, PX_OK);
    /* A file system in memory drops nothing, whoever asks. */
    char path[160];
    (void)snprintf(path, sizeof path, "%s/other", r->data);
    const int other = open(path, O_RDONLY);
    assert_int_equal(posix_fadvise(other, 0, 0, POSIX_FADV_DONTNEED), 0);
    (void)close(other);
    assert_int_equal(resident_pages(r, "file"), resident_pages(r, "other"));
    r->disk->close(r->disk, file);
}

static void disk__small_writes_and_hints_are_read_back(void **state)
{
    rig *r = *state;
    uint8_t space[16];
    size_t read_bytes = 0;
    px_disk_file *file = make_file(r, "file");
    assert_int_equal(r->disk->write_now(r->disk, file, 5, (const uint8_t *)"now", 3), PX_OK);
    assert_int_equal(r->disk->write_hint(r->disk, file, 8, (const uint8_t *)"hint", 4), PX_OK);
    assert_int_equal(r->disk->write_now(r->disk, file, 0, NULL, 0), PX_OK);
    assert_int_equal(r->disk->read(r->disk, file, 5, space, 7, true, &read_bytes), PX_OK);
    assert_int_equal(read_bytes, 7);
    assert_memory_equal(space, "nowhint", 7);
    assert_int_equal(r->disk->read(r->disk, file, FILE_BYTES - 4, space, 16, true, &read_bytes), PX_OK);
    assert_int_equal(read_bytes, 4);
    r->disk->close(r->disk, file);
    assert_int_equal(r->disk->rename(r->disk, "file", "other"), PX_OK);
    assert_int_equal(r->disk->open(r->disk, "file", &file), PX_ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(disk__durable_writes_complete_in_order_and_zeros_never_cover_them),
        TEST(disk__closing_a_file_waits_for_its_writes_and_tells_none),
        TEST(disk__a_folder_has_one_owner),
        TEST(disk__a_file_that_could_not_be_made_leaves_nothing),
        TEST(disk__a_half_made_file_is_not_there_and_is_made_anew),
        TEST(disk__a_write_to_a_file_that_is_gone_fails_and_says_so),
        TEST(disk__the_first_durable_write_drops_what_was_read_behind_it),
        TEST(disk__small_writes_and_hints_are_read_back),
    };
    return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}
