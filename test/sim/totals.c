/* totals.c - adds up, and prints. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/totals.h"

#include "base/assert.h"
#include "sim/faults.h"
#include "support/assert.h"
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Of this process and of the children that have ended. */
static double cpu_seconds_now(void)
{
    double seconds = 0;
    const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    for (unsigned i = 0; i < 2; i++) {
        struct rusage used;
        px_assert(getrusage(whose[i], &used) == 0);
        seconds += (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                   (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    }
    return seconds;
}

void sim_totals_init(sim_totals *totals)
{
    memset(totals, 0, sizeof *totals);
    totals->started_s = seconds_now();
    totals->started_cpu_s = cpu_seconds_now();
}

static void add_mark(void *context, const char *name, uint64_t count)
{
    sim_outcome *outcome = context;
    uint32_t at = 0;
    while (at < outcome->mark_count && strcmp(outcome->marks[at].name, name) != 0) at++;
    px_assert(at < SIM_MARKS_MAX);
    if (at == outcome->mark_count) outcome->marks[outcome->mark_count++] = (sim_mark){name, 0};
    outcome->marks[at].count += count;
}

void sim_outcome_take_marks(sim_outcome *outcome)
{
    outcome->mark_count = 0;
    px_marks_each(outcome, add_mark);
}

void sim_totals_add(sim_totals *totals, const sim_outcome *outcome)
{
    const uint64_t *from = (const uint64_t *)&outcome->counts;
    uint64_t *to = (uint64_t *)&totals->sum.counts;
    for (size_t i = 0; i < sizeof outcome->counts / sizeof *from; i++) to[i] += from[i];
    for (uint32_t i = 0; i < outcome->mark_count; i++)
        add_mark(&totals->sum, outcome->marks[i].name, outcome->marks[i].count);
}

/* ---- the table ---- */

typedef unsigned long long ull;

static void print_row(const char *name, uint64_t value, double cpu_hours)
{
    printf("  %-46s %13llu %15.0f\n", name, (ull)value, (double)value / cpu_hours);
}

static void print_figures(const sim_counts *counts, double cpu_hours)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"faults", counts->faults_all},
        {"crashes", counts->crashes},
        {"starts", counts->starts},
        {"elections begun", counts->elections},
        {"leaders", counts->leaders},
        {"slots chosen", counts->slots_chosen},
        {"messages pushed", counts->pushed},
        {"messages chosen", counts->chosen},
        {"messages acknowledged", counts->acknowledged},
        {"barriers answered", counts->barriers},
        {"messages between nodes", counts->messages_sent},
        {"of them lost", counts->messages_lost},
        {"statements watched", counts->statements_checked},
        {"disk images opened", counts->images_read},
        {"events", counts->events},
    };
    printf("  %-46s %13s %15s\n", "", "count", "per CPU-hour");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) print_row(rows[i].name, rows[i].value, cpu_hours);
}

void sim_totals_print(const sim_totals *totals)
{
    const sim_counts *counts = &totals->sum.counts;
    const double real_s = seconds_now() - totals->started_s;
    const double cpu_s = cpu_seconds_now() - totals->started_cpu_s;
    const double simulated_s = (double)counts->simulated_us / 1e6;
    printf("seeds %llu, failed %llu, run twice %llu\n", (ull)totals->seeds, (ull)totals->failed,
           (ull)totals->twice);
    printf("simulated %.0f s in %.1f s of real time and %.1f s of processor time: factor %.0f\n", simulated_s,
           real_s, cpu_s, simulated_s / cpu_s);
    printf("a fault every %.2f simulated s\n",
           simulated_s / (double)(counts->faults_all ? counts->faults_all : 1));
    if (counts->last_again_us)
        printf(
            "writes again after %.2f s at the first node, %.2f s at the last; leaders changed %llu times\n",
            (double)counts->first_again_us / 1e6 / (double)totals->seeds,
            (double)counts->last_again_us / 1e6 / (double)totals->seeds, (ull)counts->changes);
    print_figures(counts, cpu_s / 3600);
    for (unsigned kind = 0; kind < SIM_FAULTS; kind++) {
        char name[80];
        (void)snprintf(name, sizeof name, "fault: %s", sim_fault_words((sim_fault)kind));
        print_row(name, counts->faults[kind], cpu_s / 3600);
    }
    for (uint32_t i = 0; i < totals->sum.mark_count; i++) {
        char name[80];
        (void)snprintf(name, sizeof name, "mark: %s", totals->sum.marks[i].name);
        print_row(name, totals->sum.marks[i].count, cpu_s / 3600);
    }
    printf("never:");
    for (unsigned kind = 0; kind < SIM_FAULTS; kind++)
        if (counts->faults[kind] == 0) printf(" (%s)", sim_fault_words((sim_fault)kind));
    for (uint32_t i = 0; i < totals->sum.mark_count; i++)
        if (totals->sum.marks[i].count == 0) printf(" %s", totals->sum.marks[i].name);
    printf("\n");
}

/* ---- failures ---- */

void sim_totals_say_failure(const sim_options *options, const char *saying, const char *lead)
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
    printf("%sseed %llu (%u nodes): %.*s\n", lead, (ull)options->seed, options->node_count,
           (int)strcspn(line, "\n"), line);
    printf("%s  replay: px-sim --seed %llu --nodes %u --seconds %llu%s%s%s%s --trace\n", lead,
           (ull)options->seed, options->node_count, (ull)(options->safety_us / SIM_SECOND),
           options->mutant ? " --mutant " : "", options->mutant ? options->mutant : "",
           options->scenario ? " --scenario " : "", options->scenario ? options->scenario : "");
    (void)fflush(stdout);
}
