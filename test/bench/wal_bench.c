/* wal_bench.c - what a durable group costs, in the ways it could be written.
 *
 * Meaning    Small groups one behind the other, as a quiet cluster writes them, and large ones, as a busy one
 *            does. The first ways are plain system calls; `os/disk` is the shell's own disk, thread and loop
 *            included, with and without zeros written ahead.
 * Usage      wal_bench FOLDER [SMALL_GROUPS [LARGE_MEGABYTES]] */
// SPDX-License-Identifier: Apache-2.0
#include "os/disk.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#define SMALL_BYTES 4096u
#define LARGE_BYTES (256u << 10)
#define PREPARE_STEP_BYTES (1u << 20)
#define SAMPLES_MAX 100000u
#define FILE_NAME "wal-bench-file"

typedef struct {
    uint64_t us[SAMPLES_MAX];
    size_t count;
    uint64_t bytes, begun_us;
} figures;

typedef enum { SPACE_NONE, SPACE_RESERVED, SPACE_ZEROED } space_kind;

typedef struct {
    const char *name;
    int flags;
    space_kind space;
    bool syncs; /* by fdatasync behind each write */
} way;

static const way ways[] = {
    {"O_DIRECT|O_DSYNC, zeroed", O_DIRECT | O_DSYNC, SPACE_ZEROED, false},
    {"O_DIRECT|O_DSYNC, reserved only", O_DIRECT | O_DSYNC, SPACE_RESERVED, false},
    {"O_DSYNC, zeroed", O_DSYNC, SPACE_ZEROED, false},
    {"O_DSYNC, reserved only", O_DSYNC, SPACE_RESERVED, false},
    {"append and fdatasync", 0, SPACE_NONE, true},
};

static void stop(const char *what)
{
    fprintf(stderr, "wal_bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static int compare(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static void print_row(const char *name, size_t size_bytes, figures *found)
{
    const uint64_t took_us = now_us() - found->begun_us;
    qsort(found->us, found->count, sizeof *found->us, compare);
    printf("%-34s %7zu %8llu %8llu %9.1f\n", name, size_bytes,
           (unsigned long long)found->us[found->count / 2],
           (unsigned long long)found->us[found->count * 99 / 100], (double)found->bytes / (double)took_us);
    (void)fflush(stdout);
}

static void begin(figures *found)
{
    found->count = 0;
    found->bytes = 0;
    found->begun_us = now_us();
}

static void add_sample(figures *found, uint64_t took_us, size_t size_bytes)
{
    found->us[found->count++] = took_us;
    found->bytes += size_bytes;
}

/* ---- system calls ---- */

static void make_file(space_kind space, uint64_t size_bytes, uint8_t *zeros)
{
    const int fd = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0) stop("open");
    if (space != SPACE_NONE && posix_fallocate(fd, 0, (off_t)size_bytes)) stop("fallocate");
    if (space == SPACE_ZEROED)
        for (uint64_t at = 0; at < size_bytes; at += LARGE_BYTES)
            if (pwrite(fd, zeros, LARGE_BYTES, (off_t)at) != (ssize_t)LARGE_BYTES) stop("zeros");
    if (fsync(fd)) stop("fsync");
    (void)close(fd);
}

static void measure_way(const way *each, size_t size_bytes, size_t groups, uint8_t *data, figures *found)
{
    const uint64_t whole = (groups * size_bytes + LARGE_BYTES - 1) / LARGE_BYTES * LARGE_BYTES;
    memset(data, 0, LARGE_BYTES);
    make_file(each->space, whole, data);
    memset(data, 0x5a, LARGE_BYTES);
    const int fd = open(FILE_NAME, O_WRONLY | each->flags);
    if (fd < 0) {
        printf("%-34s %7zu  not here: %s\n", each->name, size_bytes, strerror(errno));
        return;
    }
    begin(found);
    for (size_t i = 0; i < groups; i++) {
        const uint64_t started_us = now_us();
        if (pwrite(fd, data, size_bytes, (off_t)(i * size_bytes)) != (ssize_t)size_bytes) stop("write");
        if (each->syncs && fdatasync(fd)) stop("fdatasync");
        add_sample(found, now_us() - started_us, size_bytes);
    }
    print_row(each->name, size_bytes, found);
    (void)close(fd);
    (void)unlink(FILE_NAME);
}

/* ---- os/disk ---- */

typedef struct {
    px_disk_write write; /* first */
    px_disk *disk;
    figures *found;
    uint64_t file_bytes, started_us;
    size_t left;
    bool prepares;
} stream;

static void write_group(stream *each)
{
    if (each->prepares) {
        uint64_t upto = (each->write.offset / PREPARE_STEP_BYTES + 2) * PREPARE_STEP_BYTES;
        if (upto > each->file_bytes) upto = each->file_bytes;
        each->disk->prepare(each->disk, each->write.file, upto);
    }
    each->started_us = now_us();
    each->disk->write(each->disk, &each->write);
}

static void on_done(px_disk_write *write, px_err err)
{
    stream *each = (stream *)write;
    if (err) stop(px_err_text(err));
    add_sample(each->found, now_us() - each->started_us, write->size_bytes);
    write->offset += write->size_bytes;
    if (--each->left) {
        write_group(each);
        return;
    }
    print_row(each->prepares ? "os/disk, zeros written ahead" : "os/disk, reserved only", write->size_bytes,
              each->found);
    each->disk->close(each->disk, write->file);
    px_os_disk_close(each->disk);
}

static void measure_disk(bool prepares, size_t size_bytes, size_t groups, const uint8_t *data, figures *found)
{
    uv_loop_t loop;
    px_disk *disk = NULL;
    px_disk_file *file = NULL;
    if (uv_loop_init(&loop) || px_os_disk_open(&loop, ".", &disk)) stop("the folder");
    const uint64_t file_bytes = groups * size_bytes;
    if (disk->create(disk, FILE_NAME, file_bytes, &file)) stop("the file");
    stream each = {
        .write = {.file = file, .data = data, .size_bytes = size_bytes, .on_done = on_done},
        .disk = disk,
        .found = found,
        .file_bytes = file_bytes,
        .left = groups,
        .prepares = prepares,
    };
    begin(found);
    write_group(&each);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop);
    (void)unlink(FILE_NAME);
}

int main(int count, char **words)
{
    if (count < 2 || chdir(words[1])) {
        fprintf(stderr, "usage: wal_bench FOLDER [SMALL_GROUPS [LARGE_MEGABYTES]]\n");
        return 2;
    }
    size_t small = count > 2 ? strtoull(words[2], NULL, 10) : 2000;
    size_t large = (count > 3 ? strtoull(words[3], NULL, 10) : 256) * 1048576u / LARGE_BYTES;
    if (small < 100 || small > SAMPLES_MAX) small = 2000;
    if (large < 4 || large > SAMPLES_MAX) large = 1024;
    figures *found = malloc(sizeof *found);
    uint8_t *data = aligned_alloc(4096, LARGE_BYTES);
    if (!found || !data) stop("memory");
    printf("%-34s %7s %8s %8s %9s\n", "way", "bytes", "p50 us", "p99 us", "MB/s");
    for (int is_large = 0; is_large < 2; is_large++) {
        const size_t size_bytes = is_large ? LARGE_BYTES : SMALL_BYTES, groups = is_large ? large : small;
        for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
            measure_way(&ways[i], size_bytes, groups, data, found);
        for (int round = 0; round < 2; round++) {
            measure_disk(true, size_bytes, groups, data, found);
            measure_disk(false, size_bytes, groups, data, found);
        }
    }
    (void)unlink("lock");
    free(data);
    free(found);
    return 0;
}
