/* forked.c - forks, listens, and waits. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/forked.h"

#include "base/assert.h"
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define HANG_SECONDS 300u

void *sim_forked_shared(size_t size_bytes)
{
    void *memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    px_assert(memory != MAP_FAILED);
    return memory;
}

static void run_child(uint32_t count, sim_piece *do_piece, void *context, uint32_t *done)
{
    /* Disks come and go by the hundred megabytes: what was given back is kept for the next. A node's core is
     * larger, and mostly left as it is: pages that are zero already spare the zeroing. */
    (void)mallopt(M_MMAP_THRESHOLD, 4 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
    (void)mallopt(M_TOP_PAD, 16 << 20);
    while (*done < count) {
        (void)alarm(HANG_SECONDS);
        do_piece(context, *done);
        ++*done;
    }
}

/* The last words count: older ones make way. */
static void listen_to(int end, char *saying)
{
    size_t used = 0;
    for (;;) {
        if (used == SIM_SAYING_BYTES - 1) {
            memmove(saying, saying + SIM_SAYING_BYTES / 2, used - SIM_SAYING_BYTES / 2);
            used -= SIM_SAYING_BYTES / 2;
        }
        const ssize_t got = read(end, saying + used, SIM_SAYING_BYTES - 1 - used);
        if (got <= 0) break;
        used += (size_t)got;
    }
    saying[used] = 0;
}

uint32_t sim_forked_run(uint32_t count, sim_piece *do_piece, void *context, char *saying)
{
    static uint32_t *done;
    int ends[2];
    if (!done) done = sim_forked_shared(sizeof *done);
    *done = 0;
    px_assert(pipe(ends) == 0);
    (void)fflush(NULL);
    const pid_t child = fork();
    px_assert(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        run_child(count, do_piece, context, done);
        (void)fflush(NULL);
        exit(0);
    }
    (void)close(ends[1]);
    listen_to(ends[0], saying);
    (void)close(ends[0]);
    int status = 0;
    (void)waitpid(child, &status, 0);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        (void)snprintf(saying, SIM_SAYING_BYTES, "FAILED progress: no end within %u s of real time",
                       HANG_SECONDS);
    const bool is_sound = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return is_sound || *done < count ? *done : count - 1; /* a leak shows at the exit, behind the last */
}
