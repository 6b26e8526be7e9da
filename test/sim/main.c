/* main.c - px-sim: whole nodes in one process, over faults that a seed draws.
 *
 * Usage      px-sim [--seed N] [--seeds COUNT] [--nodes 1..7] [--seconds S] [--mutant NAME] [--scenario
 *            NAME] [--trace] [--until-failure] [--check] [--shrink] [--load PERCENT] [--keep NUMBERS]
 * Meaning    Seeds run in child processes, so that a failed assertion costs one seed. One line
 *            for each that fails, with the command that replays it; at the end a table. --check is the
 *            suite of `make check`: scenarios and seeds, as TAP. One seed in fifty runs twice and must be
 *            the same run. --shrink looks for the smallest that still fails: fewer faults of the seed's
 *            schedule (--keep names them), fewer nodes, less load. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/faults.h"
#include "sim/forked.h"
#include "sim/run.h"
#include "sim/scenarios.h"
#include "sim/self_test.h"
#include "sim/shrink.h"
#include "sim/totals.h"
#include "support/assert.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TWICE_ONE_IN 50u
#define CHECK_SEEDS 60u
#define GROUP 10u /* seeds of one process */

typedef struct {
    uint64_t seed, seeds;
    uint32_t nodes; /* 0: in turn */
    uint64_t seconds;
    const char *mutant, *scenario;
    bool is_traced, is_check, until_failure, is_shrunk;
    uint32_t load_percent;
    bool has_kept;
    uint32_t kept[SIM_TOLD_MAX], kept_count;
} arguments;

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
        .kept = given->has_kept ? given->kept : NULL,
        .kept_count = given->kept_count,
        .load_percent = given->load_percent,
    };
}

/* ---- seeds ---- */

/* Seeds of one process. */
typedef struct {
    uint32_t count;
    sim_options options[GROUP];
    sim_outcome outcomes[GROUP];
} group;

static void run_seed(const sim_options *options, sim_outcome *outcome)
{
    px_mutant_set(options->mutant);
    px_marks_clear();
    outcome->counts = sim_run(options);
    sim_outcome_take_marks(outcome);
}

static bool is_run_twice(const sim_options *options)
{
    return options->seed % TWICE_ONE_IN == 0 && !options->mutant;
}

static void run_member(void *context, uint32_t place)
{
    group *seeds = context;
    const sim_options *options = &seeds->options[place];
    sim_outcome *outcome = &seeds->outcomes[place];
    run_seed(options, outcome);
    if (!is_run_twice(options)) return;
    const sim_counts first = outcome->counts;
    run_seed(options, outcome);
    if (outcome->counts.hash == first.hash && outcome->counts.events == first.events) return;
    (void)fprintf(stderr, "FAILED determinism: %llu and %llu events, hashes differ\n",
                  (unsigned long long)first.events, (unsigned long long)outcome->counts.events);
    _Exit(1);
}

/* Runs the seeds of a group from place `from` on, up to the first that fails. Returns the next place. */
static uint32_t run_some(group *seeds, uint32_t from, const char *lead, sim_totals *totals)
{
    static char saying[SIM_SAYING_BYTES];
    static group *part; /* what is left of it */
    if (!part) part = sim_forked_shared(sizeof *part);
    part->count = seeds->count - from;
    memcpy(part->options, &seeds->options[from], part->count * sizeof *part->options);
    const uint32_t done = sim_forked_run(part->count, run_member, part, saying);
    for (uint32_t i = 0; i < done; i++) {
        totals->seeds++;
        totals->twice += is_run_twice(&part->options[i]);
        sim_totals_add(totals, &part->outcomes[i]);
    }
    if (done == part->count) return seeds->count;
    totals->seeds++;
    totals->failed++;
    sim_totals_say_failure(&part->options[done], saying, lead);
    return from + done + 1;
}

/* Runs `count` seeds; true where all are good. */
static bool run_group(const arguments *given, uint64_t seed, uint32_t count, sim_totals *totals)
{
    static group seeds;
    const uint64_t failed = totals->failed;
    seeds.count = count;
    for (uint32_t i = 0; i < count; i++) seeds.options[i] = options_of(given, seed + i);
    for (uint32_t at = 0; at < count;) {
        at = run_some(&seeds, at, given->is_check ? "# " : "", totals);
        if (given->until_failure && totals->failed > failed) break;
    }
    return totals->failed == failed;
}

/* ---- modes ---- */

static int run_seeds(const arguments *given)
{
    static sim_totals totals;
    sim_totals_init(&totals);
    for (uint64_t done = 0; done < given->seeds; done += GROUP) {
        const uint64_t left = given->seeds - done;
        const uint32_t count = left < GROUP ? (uint32_t)left : GROUP;
        if (!run_group(given, given->seed + done, count, &totals) && given->until_failure) break;
    }
    sim_totals_print(&totals);
    return totals.failed != 0;
}

/* In this process, for debuggers and traces. */
static int run_one(const arguments *given)
{
    static sim_totals totals;
    static sim_outcome outcome;
    const sim_options options = options_of(given, given->seed);
    sim_totals_init(&totals);
    run_seed(&options, &outcome);
    totals.seeds = 1;
    sim_totals_add(&totals, &outcome);
    sim_totals_print(&totals);
    printf("  hash %016llx\n", (unsigned long long)outcome.counts.hash);
    return 0;
}

static void play_history(void *context, uint32_t piece)
{
    (void)piece;
    sim_self_test_play(*(const uint32_t *)context);
}

/* Each checker must object to its anomaly, and to nothing else. */
static unsigned run_self_test(unsigned number, sim_totals *totals)
{
    static char saying[SIM_SAYING_BYTES];
    for (uint32_t place = 0; sim_self_test_expects(place); place++) {
        char expects[80];
        (void)snprintf(expects, sizeof expects, "FAILED %s at", sim_self_test_expects(place));
        const bool is_done = sim_forked_run(1, play_history, &place, saying) == 1;
        const bool wants_good = sim_self_test_expects(place)[0] == 0;
        const bool is_good = wants_good ? is_done : !is_done && strstr(saying, expects);
        printf("%s %u - %s is seen\n", is_good ? "ok" : "not ok", ++number, sim_self_test_name(place));
        if (!is_good) printf("# wanted %s, got %s\n", expects, saying);
        totals->failed += !is_good;
    }
    return number;
}

static int run_check(const arguments *given)
{
    static sim_totals totals;
    sim_totals_init(&totals);
    unsigned number = run_self_test(0, &totals);
    arguments each = *given;
    for (uint32_t place = 0; sim_scenario_name(place); place++) {
        each.scenario = sim_scenario_name(place);
        each.nodes = sim_scenario_nodes(each.scenario);
        const bool is_good = run_group(&each, 1, 1, &totals);
        printf("%s %u - scenario %s\n", is_good ? "ok" : "not ok", ++number, each.scenario);
    }
    for (uint64_t seed = 1; seed <= CHECK_SEEDS; seed += GROUP) {
        const bool is_good = run_group(given, seed, GROUP, &totals);
        printf("%s %u - seeds %llu to %llu\n", is_good ? "ok" : "not ok", ++number, (unsigned long long)seed,
               (unsigned long long)(seed + GROUP - 1));
    }
    printf("1..%u\n", number);
    return totals.failed != 0;
}

static int usage(void)
{
    (void)fprintf(stderr, "px-sim [--seed N] [--seeds COUNT] [--nodes 1..7] [--seconds S] [--mutant NAME]\n"
                          "       [--scenario NAME] [--trace] [--until-failure] [--check] [--shrink]\n"
                          "       [--load PERCENT] [--keep NUMBERS]\nscenarios:");
    for (uint32_t i = 0; sim_scenario_name(i); i++) (void)fprintf(stderr, " %s", sim_scenario_name(i));
    (void)fprintf(stderr, "\n");
    return 2;
}

/* The numbers of a list like 3,7,9. */
static void read_kept(const char *list, arguments *given)
{
    given->has_kept = true;
    while (*list >= '0' && *list <= '9' && given->kept_count < SIM_TOLD_MAX) {
        char *end;
        given->kept[given->kept_count++] = (uint32_t)strtoul(list, &end, 10);
        list = *end == ',' ? end + 1 : end;
    }
}

static bool read_flag(const char *word, arguments *given)
{
    if (strcmp(word, "--trace") == 0)
        given->is_traced = true;
    else if (strcmp(word, "--check") == 0)
        given->is_check = true;
    else if (strcmp(word, "--until-failure") == 0)
        given->until_failure = true;
    else if (strcmp(word, "--shrink") == 0)
        given->is_shrunk = true;
    else
        return false;
    return true;
}

static bool read_value(const char *word, const char *value, arguments *given)
{
    if (strcmp(word, "--seed") == 0)
        given->seed = strtoull(value, NULL, 10);
    else if (strcmp(word, "--seeds") == 0)
        given->seeds = strtoull(value, NULL, 10);
    else if (strcmp(word, "--nodes") == 0)
        given->nodes = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(word, "--seconds") == 0)
        given->seconds = strtoull(value, NULL, 10);
    else if (strcmp(word, "--load") == 0)
        given->load_percent = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(word, "--keep") == 0)
        read_kept(value, given);
    else if (strcmp(word, "--mutant") == 0)
        given->mutant = value;
    else if (strcmp(word, "--scenario") == 0)
        given->scenario = value;
    else
        return false;
    return true;
}

static bool read_arguments(int count, char **words, arguments *given)
{
    for (int i = 1; i < count; i++) {
        if (read_flag(words[i], given)) continue;
        if (i + 1 == count || !read_value(words[i], words[i + 1], given)) return false;
        i++;
    }
    if (given->scenario && !given->nodes) given->nodes = sim_scenario_nodes(given->scenario);
    return given->nodes <= PX_MEMBERS_MAX && (!given->scenario || sim_scenario_nodes(given->scenario));
}

int main(int count, char **words)
{
    static arguments given = {.seed = 1, .seeds = 1, .seconds = 20};
    given.mutant = getenv("PX_MUTANT");
    if (!read_arguments(count, words, &given)) return usage();
    if (given.is_shrunk) {
        const sim_options options = options_of(&given, given.seed);
        return sim_shrink(&options);
    }
    if (given.is_check) return run_check(&given);
    if (given.seeds > 1) return run_seeds(&given);
    return run_one(&given);
}
