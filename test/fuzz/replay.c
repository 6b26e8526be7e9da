/* replay.c - runs a fuzz target without a fuzzer: over files that once mattered, and over mutations of them.
 *
 * Meaning    Each path is a file, or a folder of files; each file is one test, told as a line of TAP. Then
 *            some thousands of mutations of those files run as one more test; equal seeds give equal
 *            mutations, on any machine. The target aborts on what must not be, so that the last line names
 *            the input.
 * Usage      fuzz_x PATH... [--iterations N] [--seed S]
 * Not here   Finding new inputs by coverage: `make fuzz`. */
// SPDX-License-Identifier: Apache-2.0
#include "base/prng.h"
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX 4096u
#define MUTATION_BYTES_MAX 65536u
#define ITERATIONS_DEFAULT 20000u
#define SEED_DEFAULT 1u

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);
/* Of the sanitizers, where there is one. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

typedef struct {
    uint8_t *bytes;
    size_t size_bytes;
} input;

static input files[FILES_MAX];
static uint32_t file_count;
static unsigned test_count;
static char running[128];

static _Noreturn void give_up(const char *path)
{
    printf("not ok %u - %s: %s\n", test_count + 1, path, strerror(errno));
    exit(1);
}

/* ---- dying ---- */

static void say_what_ran(void)
{
    const ssize_t written = write(STDOUT_FILENO, running, strlen(running));
    (void)written;
}

static void on_abort(int number)
{
    say_what_ran();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

/* ---- files ---- */

/* Runs the target on a block of exactly this size, so that a sanitizer sees a read behind the end. */
static void run(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t *const copy = malloc(size_bytes > 0 ? size_bytes : 1);
    if (!copy) abort();
    memcpy(copy, bytes, size_bytes);
    (void)LLVMFuzzerTestOneInput(copy, size_bytes);
    free(copy);
}

static void replay_file(const char *path)
{
    FILE *const file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) give_up(path);
    const long size_bytes = ftell(file);
    if (size_bytes < 0 || fseek(file, 0, SEEK_SET) != 0) give_up(path);
    uint8_t *const bytes = malloc((size_t)size_bytes > 0 ? (size_t)size_bytes : 1);
    if (!bytes || fread(bytes, 1, (size_t)size_bytes, file) != (size_t)size_bytes) give_up(path);
    (void)fclose(file);
    (void)snprintf(running, sizeof running, "# in %.100s\n", path);
    run(bytes, (size_t)size_bytes);
    printf("ok %u - %s\n", ++test_count, path);
    (void)fflush(stdout);
    if (file_count == FILES_MAX) {
        free(bytes);
        return;
    }
    files[file_count++] = (input){bytes, (size_t)size_bytes};
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void replay_folder(const char *path)
{
    struct dirent **entries = NULL;
    const int count = scandir(path, &entries, is_visible, alphasort);
    if (count < 0) give_up(path);
    for (int i = 0; i < count; i++) {
        char name[1024];
        const int size = snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        if (size < 0 || (size_t)size >= sizeof name) {
            errno = ENAMETOOLONG;
            give_up(path);
        }
        replay_file(name);
        free(entries[i]);
    }
    free(entries);
}

static void replay_path(const char *path)
{
    DIR *const folder = opendir(path);
    if (!folder) {
        replay_file(path);
        return;
    }
    (void)closedir(folder);
    replay_folder(path);
}

/* ---- mutations ---- */

static size_t pick(px_prng *prng, size_t bound)
{
    return (size_t)px_prng_below(prng, bound);
}

/* Makes room for count bytes at `at`, as far as the buffer goes. Returns how many. */
static size_t open_gap(uint8_t *bytes, size_t *size_bytes, size_t at, size_t count)
{
    const size_t room = MUTATION_BYTES_MAX - *size_bytes;
    const size_t gap = count < room ? count : room;
    memmove(bytes + at + gap, bytes + at, *size_bytes - at);
    *size_bytes += gap;
    return gap;
}

/* Copies a piece of some file into the middle. */
static void splice(px_prng *prng, uint8_t *bytes, size_t *size_bytes)
{
    const input *const other = &files[pick(prng, file_count)];
    const size_t from = pick(prng, other->size_bytes + 1);
    const size_t count = pick(prng, other->size_bytes - from + 1);
    const size_t at = pick(prng, *size_bytes + 1);
    const size_t gap = open_gap(bytes, size_bytes, at, count);
    memcpy(bytes + at, other->bytes + from, gap);
}

static void mutate_once(px_prng *prng, uint8_t *bytes, size_t *size_bytes)
{
    static const char likely[] = "0123456789\"\\,:{}[]eE.+-\r\n \tu=/\x00\x01\x7f\x80\xff\xc3\xed";
    const size_t at = pick(prng, *size_bytes + 1), left = *size_bytes - at;
    const size_t count = 1 + pick(prng, 8);
    switch (pick(prng, 6)) {
    case 0:
        if (left > 0) bytes[at] ^= (uint8_t)(1u << pick(prng, 8));
        break;
    case 1:
        if (left > 0) bytes[at] = (uint8_t)likely[pick(prng, sizeof likely - 1)];
        break;
    case 2:
        if (open_gap(bytes, size_bytes, at, 1) == 1)
            bytes[at] = (uint8_t)likely[pick(prng, sizeof likely - 1)];
        break;
    case 3: {
        const size_t cut = left < count ? left : count;
        memmove(bytes + at, bytes + at + cut, left - cut);
        *size_bytes -= cut;
        break;
    }
    case 4: splice(prng, bytes, size_bytes); break;
    default:
        if (left > 0) bytes[at] = (uint8_t)px_prng_next(prng);
        break;
    }
}

static void run_mutations(uint64_t seed, uint64_t iterations)
{
    static uint8_t bytes[MUTATION_BYTES_MAX];
    px_prng prng;
    px_prng_init(&prng, seed);
    for (uint64_t i = 0; i < iterations; i++) {
        const input *const file = &files[pick(&prng, file_count)];
        size_t size_bytes = file->size_bytes < MUTATION_BYTES_MAX ? file->size_bytes : MUTATION_BYTES_MAX;
        memcpy(bytes, file->bytes, size_bytes);
        for (uint64_t left = 1 + px_prng_below(&prng, 4); left > 0; left--)
            mutate_once(&prng, bytes, &size_bytes);
        (void)snprintf(running, sizeof running, "# in mutation: --seed %llu --iterations %llu\n",
                       (unsigned long long)seed, (unsigned long long)i + 1);
        run(bytes, size_bytes);
    }
    printf("ok %u - %llu mutations of seed %llu\n", ++test_count, (unsigned long long)iterations,
           (unsigned long long)seed);
}

int main(int argc, char **argv)
{
    uint64_t iterations = ITERATIONS_DEFAULT, seed = SEED_DEFAULT;
    (void)signal(SIGABRT, on_abort);
    if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(say_what_ran);
    for (int i = 1; i < argc; i++) {
        const bool has_value = i + 1 < argc;
        if (has_value && strcmp(argv[i], "--iterations") == 0) {
            iterations = strtoull(argv[++i], NULL, 10);
        } else if (has_value && strcmp(argv[i], "--seed") == 0) {
            seed = strtoull(argv[++i], NULL, 10);
        } else {
            replay_path(argv[i]);
        }
    }
    if (file_count > 0 && iterations > 0) run_mutations(seed, iterations);
    for (uint32_t i = 0; i < file_count; i++) free(files[i].bytes);
    return test_count > 0 ? 0 : 1;
}
