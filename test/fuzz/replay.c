/* replay.c - runs a fuzz target over files that once mattered, without a fuzzer.
 *
 * Meaning    Each argument is a file, or a folder of files; each file is one test, told as a line of TAP. The
 *            target aborts on what must not be, so that the last line names the file.
 * Not here   Finding new inputs: `make fuzz`. */
// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static unsigned test_count;

static _Noreturn void give_up(const char *path)
{
    printf("not ok %u - %s: %s\n", test_count + 1, path, strerror(errno));
    exit(1);
}

/* Bytes in a block of exactly their size, so that a sanitizer sees a read behind the end. */
static void replay_file(const char *path)
{
    FILE *const file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) give_up(path);
    const long size_bytes = ftell(file);
    if (size_bytes < 0 || fseek(file, 0, SEEK_SET) != 0) give_up(path);
    uint8_t *const bytes = malloc((size_t)size_bytes > 0 ? (size_t)size_bytes : 1);
    if (!bytes || fread(bytes, 1, (size_t)size_bytes, file) != (size_t)size_bytes) give_up(path);
    (void)fclose(file);
    printf("# %s\n", path);
    (void)fflush(stdout);
    (void)LLVMFuzzerTestOneInput(bytes, (size_t)size_bytes);
    free(bytes);
    printf("ok %u - %s\n", ++test_count, path);
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

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        DIR *const folder = opendir(argv[i]);
        if (folder) {
            (void)closedir(folder);
            replay_folder(argv[i]);
        } else {
            replay_file(argv[i]);
        }
    }
    return test_count > 0 ? 0 : 1;
}
