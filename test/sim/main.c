/* main.c - px-sim: whole nodes in one process, over faults that a seed draws.
 *
 * Usage      px-sim [--seed N] [--seeds COUNT] [--nodes 1..7] [--seconds S] [--mutant NAME] [--scenario
 *            NAME] [--trace] [--until-failure] [--check]
 * Meaning    Every seed runs in a process of its own, so that a failed assertion costs one seed. One line
 *            for each that fails, with the command that replays it; at the end a table. --check is the
 *            suite of `make check`: scenarios and seeds, as TAP. One seed in fifty runs twice and must be
 *            the same run. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "sim/run.h"
#include "sim/scenarios.h"
#include "sim/self_test.h"
#include "support/assert.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TWICE_ONE_IN 50u
#define CHECK_SEEDS 60u
#define CHECK_GROUP 10u
#define HANG_SECONDS 300u
#define MARKS_MAX 256u
#define SAYING_BYTES 4096u

typedef struct {
    const char *name;
    uint64_t count;
} mark_count;

/* What a seed's process leaves behind. */
typedef struct {
    bool is_done;
    sim_counts counts;
    uint32_t mark_count;
    mark_count marks[MARKS_MAX];
} outcome;

typedef struct {
    uint64_t seed, seeds;
    uint32_t nodes; /* 0: in turn */
    uint64_t seconds;
    const char *mutant, *scenario;
    bool is_traced, is_check, until_failure;
} arguments;

typedef struct {
    uint64_t seeds, failed, twice;
    sim_counts counts;
    uint32_t mark_count;
    mark_count marks[MARKS_MAX];
    double started;
} totals;

static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Mostly what people run; small and even clusters, too. */
static const uint32_t node_counts[] = {5, 3, 4, 3, 5, 3, 2, 5, 4, 3, 5, 1};
#define NODE_COUNTS (sizeof node_counts / sizeof *node_counts)

static sim_options options_of(const arguments *given, uint64_t seed)
{
    return (sim_options){
        .seed = seed,
        .node_count = given->nodes ? given->nodes : node_counts[seed % NODE_COUNTS],
        .heartbeat_us = 100 * SIM_MS,
        .safety_us = given->seconds * SIM_SECOND,
        .mutant = given->mutant,
        .scenario = given->scenario,
        .is_traced = given->is_traced,
    };
}

/* ---- one seed ---- */

static void keep_mark(void *context, const char *name, uint64_t count)
{
    outcome *out = context;
    if (out->mark_count < MARKS_MAX) out->marks[out->mark_count++] = (mark_count){name, count};
}

/* A made-up history instead of a seed where `place` is not UINT32_MAX. */
static void run_child(const sim_options *options, outcome *out, uint32_t play)
{
    if (play != UINT32_MAX) {
        sim_self_test_play(play);
        out->is_done = true;
        return;
    }
    (void)alarm(HANG_SECONDS);
    px_mutant_set(options->mutant);
    px_marks_clear();
    out->counts = sim_run(options);
    px_marks_each(out, keep_mark);
    out->is_done = true;
}

/* Runs it in a process of its own; what it said on stderr ends up in `saying`. */
static void run_forked(const sim_options *options, outcome *out, char *saying, uint32_t play)
{
    int ends[2];
    saying[0] = 0;
    memset(out, 0, sizeof *out);
    px_assert(pipe(ends) == 0);
    (void)fflush(NULL);
    const pid_t child = fork();
    px_assert(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        run_child(options, out, play);
        (void)fflush(NULL);
        exit(0);
    }
    (void)close(ends[1]);
    size_t used = 0;
    for (;;) { /* the last words count: older ones make way */
        if (used == SAYING_BYTES - 1) {
            memmove(saying, saying + SAYING_BYTES / 2, used - SAYING_BYTES / 2);
            used -= SAYING_BYTES / 2;
        }
        const ssize_t got = read(ends[0], saying + used, SAYING_BYTES - 1 - used);
        if (got <= 0) break;
        used += (size_t)got;
    }
    saying[used] = 0;
    (void)close(ends[0]);
    int status = 0;
    (void)waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) out->is_done = false;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        (void)snprintf(saying, SAYING_BYTES, "FAILED progress: no end within %u s of real time",
                       HANG_SECONDS);
}

static void add_counts(totals *sum, const outcome *out)
{
    const uint64_t *from = (const uint64_t *)&out->counts;
    uint64_t *to = (uint64_t *)&sum->counts;
    for (size_t i = 0; i < sizeof out->counts / sizeof *from; i++) to[i] += from[i];
    for (uint32_t i = 0; i < out->mark_count; i++) {
        uint32_t at = 0;
        while (at < sum->mark_count && strcmp(sum->marks[at].name, out->marks[i].name) != 0) at++;
        if (at == sum->mark_count) sum->marks[sum->mark_count++] = (mark_count){out->marks[i].name, 0};
        sum->marks[at].count += out->marks[i].count;
    }
}

static void say_failure(const arguments *given, const sim_options *options, const char *saying)
{
    const char *line = saying;
    const char *failed = strstr(saying, "FAILED");
    const char *assertion = strstr(saying, "assertion failed");
    if (failed) {
        line = failed;
    } else if (assertion) {
        while (assertion > saying && assertion[-1] != '\n') assertion--;
        line = assertion;
    }
    const int size = (int)strcspn(line, "\n");
    printf("%sseed %llu (%u nodes): %.*s\n", given->is_check ? "# " : "", (unsigned long long)options->seed,
           options->node_count, size, line);
    printf("%s  replay: px-sim --seed %llu --nodes %u --seconds %llu%s%s%s%s --trace\n",
           given->is_check ? "# " : "", (unsigned long long)options->seed, options->node_count,
           (unsigned long long)given->seconds, options->mutant ? " --mutant " : "",
           options->mutant ? options->mutant : "", options->scenario ? " --scenario " : "",
           options->scenario ? options->scenario : "");
    (void)fflush(stdout);
}

static bool run_seed(const arguments *given, uint64_t seed, outcome *out, totals *sum)
{
    static char saying[SAYING_BYTES];
    const sim_options options = options_of(given, seed);
    run_forked(&options, out, saying, UINT32_MAX);
    bool is_good = out->is_done;
    if (is_good && (seed % TWICE_ONE_IN == 0) && !given->mutant) {
        const sim_counts first = out->counts;
        run_forked(&options, out, saying, UINT32_MAX);
        sum->twice++;
        is_good = out->is_done && out->counts.hash == first.hash && out->counts.events == first.events;
        if (!is_good && out->is_done)
            (void)snprintf(saying, sizeof saying, "FAILED determinism: %llu and %llu events, hashes differ",
                           (unsigned long long)first.events, (unsigned long long)out->counts.events);
    }
    sum->seeds++;
    if (is_good)
        add_counts(sum, out);
    else
        say_failure(given, &options, saying);
    sum->failed += !is_good;
    return is_good;
}

/* ---- words ---- */

static void print_table(const totals *sum)
{
    const sim_counts *counts = &sum->counts;
    const double real = seconds_now() - sum->started;
    const double simulated = (double)counts->simulated_us / 1e6;
    printf("seeds %llu, failed %llu, run twice %llu\n", (unsigned long long)sum->seeds,
           (unsigned long long)sum->failed, (unsigned long long)sum->twice);
    printf("simulated %.0f s in %.1f s of real time: factor %.0f\n", simulated, real, simulated / real);
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"messages pushed", counts->pushed},
        {"messages chosen", counts->chosen},
        {"messages acknowledged", counts->acknowledged},
        {"barriers answered", counts->barriers},
        {"starts", counts->starts},
        {"crashes", counts->crashes},
        {"of them at a moment chosen", counts->traps},
        {"power cuts of all", counts->power_cuts},
        {"pauses", counts->pauses},
        {"elections begun", counts->elections},
        {"leaders", counts->leaders},
        {"partitions", counts->partitions},
        {"one-way cuts", counts->one_way_cuts},
        {"connections broken", counts->connections_broken},
        {"slow paths", counts->slow_links},
        {"slow or hung disks", counts->slow_disks},
        {"failed syncs", counts->disk_errors},
        {"full disks", counts->disk_fulls},
        {"handovers", counts->transfers},
        {"messages between nodes", counts->messages_sent},
        {"of them lost", counts->messages_lost},
        {"statements watched", counts->statements_checked},
        {"disk images opened", counts->images_read},
        {"events", counts->events},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        printf("  %-26s %12llu\n", rows[i].name, (unsigned long long)rows[i].value);
    for (uint32_t i = 0; i < sum->mark_count; i++)
        printf("  mark %-40s %8llu\n", sum->marks[i].name, (unsigned long long)sum->marks[i].count);
}

/* ---- modes ---- */

static int run_seeds(const arguments *given, outcome *out)
{
    static totals sum;
    sum.started = seconds_now();
    for (uint64_t seed = given->seed; seed < given->seed + given->seeds; seed++)
        if (!run_seed(given, seed, out, &sum) && given->until_failure) break;
    print_table(&sum);
    return sum.failed != 0;
}

/* In this process, for debuggers and traces. */
static int run_one(const arguments *given, outcome *out)
{
    const sim_options options = options_of(given, given->seed);
    run_child(&options, out, UINT32_MAX);
    totals *sum = calloc(1, sizeof *sum);
    px_assert(sum);
    sum->seeds = 1;
    sum->started = seconds_now() - 1;
    add_counts(sum, out);
    print_table(sum);
    printf("  hash %016llx\n", (unsigned long long)out->counts.hash);
    free(sum);
    return 0;
}

/* Each checker must object to its anomaly, and to nothing else. */
static unsigned run_self_test(outcome *out, unsigned number, totals *sum)
{
    static char saying[SAYING_BYTES];
    for (uint32_t place = 0; sim_self_test_expects(place); place++) {
        char expects[80];
        (void)snprintf(expects, sizeof expects, "FAILED %s at", sim_self_test_expects(place));
        run_forked(NULL, out, saying, place);
        const bool wants_good = sim_self_test_expects(place)[0] == 0;
        const bool is_good = wants_good ? out->is_done : !out->is_done && strstr(saying, expects);
        printf("%s %u - %s is seen\n", is_good ? "ok" : "not ok", ++number, sim_self_test_name(place));
        if (!is_good) printf("# wanted %s, got %s\n", expects, saying);
        sum->failed += !is_good;
    }
    return number;
}

static int run_check(const arguments *given, outcome *out)
{
    static totals sum;
    unsigned number = run_self_test(out, 0, &sum);
    arguments each = *given;
    for (uint32_t place = 0; sim_scenario_name(place); place++) {
        each.scenario = sim_scenario_name(place);
        each.nodes = sim_scenario_nodes(each.scenario);
        const bool is_good = run_seed(&each, 1, out, &sum);
        printf("%s %u - scenario %s\n", is_good ? "ok" : "not ok", ++number, each.scenario);
    }
    each = *given;
    for (uint64_t seed = 1; seed <= CHECK_SEEDS; seed += CHECK_GROUP) {
        bool is_good = true;
        for (uint64_t i = 0; i < CHECK_GROUP; i++) is_good = run_seed(&each, seed + i, out, &sum) && is_good;
        printf("%s %u - seeds %llu to %llu\n", is_good ? "ok" : "not ok", ++number, (unsigned long long)seed,
               (unsigned long long)(seed + CHECK_GROUP - 1));
    }
    printf("1..%u\n", number);
    return sum.failed != 0;
}

static int usage(void)
{
    (void)fprintf(stderr, "px-sim [--seed N] [--seeds COUNT] [--nodes 1..7] [--seconds S] [--mutant NAME]\n"
                          "       [--scenario NAME] [--trace] [--until-failure] [--check]\nscenarios:");
    for (uint32_t i = 0; sim_scenario_name(i); i++) (void)fprintf(stderr, " %s", sim_scenario_name(i));
    (void)fprintf(stderr, "\n");
    return 2;
}

static bool read_arguments(int count, char **words, arguments *given)
{
    for (int i = 1; i < count; i++) {
        const char *word = words[i];
        const char *value = i + 1 < count ? words[i + 1] : NULL;
        if (strcmp(word, "--trace") == 0) {
            given->is_traced = true;
        } else if (strcmp(word, "--check") == 0) {
            given->is_check = true;
        } else if (strcmp(word, "--until-failure") == 0) {
            given->until_failure = true;
        } else if (!value) {
            return false;
        } else {
            i++;
            if (strcmp(word, "--seed") == 0)
                given->seed = strtoull(value, NULL, 10);
            else if (strcmp(word, "--seeds") == 0)
                given->seeds = strtoull(value, NULL, 10);
            else if (strcmp(word, "--nodes") == 0)
                given->nodes = (uint32_t)strtoul(value, NULL, 10);
            else if (strcmp(word, "--seconds") == 0)
                given->seconds = strtoull(value, NULL, 10);
            else if (strcmp(word, "--mutant") == 0)
                given->mutant = value;
            else if (strcmp(word, "--scenario") == 0)
                given->scenario = value;
            else
                return false;
        }
    }
    if (given->scenario && !given->nodes) given->nodes = sim_scenario_nodes(given->scenario);
    return given->nodes <= PX_MEMBERS_MAX && (!given->scenario || sim_scenario_nodes(given->scenario));
}

int main(int count, char **words)
{
    arguments given = {.seed = 1, .seeds = 1, .seconds = 20, .mutant = getenv("PX_MUTANT")};
    if (!read_arguments(count, words, &given)) return usage();
    outcome *out = mmap(NULL, sizeof *out, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    px_assert(out != MAP_FAILED);
    if (given.is_check) return run_check(&given, out);
    if (given.seeds > 1) return run_seeds(&given, out);
    return run_one(&given, out);
}
