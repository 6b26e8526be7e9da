/* shrink.c - leaves out what is not needed to fail. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/shrink.h"

#include "base/assert.h"
#include "sim/faults.h"
#include "sim/forked.h"
#include "sim/run.h"
#include "sim/totals.h"
#include "support/assert.h"
#include <stdio.h>
#include <string.h>

#define NAME_BYTES 80u

/* A run that is tried, and what is needed so far. */
typedef struct {
    sim_options options;
    sim_told told; /* the schedule, written down by the run */
    uint32_t kept[SIM_TOLD_MAX];
} trial;

typedef struct {
    trial *tried; /* shared with the run */
    sim_options options;
    uint32_t kept[SIM_TOLD_MAX];
    uint32_t kept_count;
    char invariant[NAME_BYTES];
    char saying[SIM_SAYING_BYTES];
    uint32_t runs;
} shrinker;

/* The invariant that broke, or the assertion; empty where nothing did. */
static void read_invariant(const char *saying, char *name)
{
    const char *from = strstr(saying, "FAILED ");
    const char *upto = from ? strstr(from, " at ") : NULL;
    name[0] = 0;
    if (!from) from = strstr(saying, "assertion failed: ");
    if (from && !upto) upto = from + strcspn(from, "\n");
    if (!from) return;
    const size_t size_bytes = (size_t)(upto - from) < NAME_BYTES - 1 ? (size_t)(upto - from) : NAME_BYTES - 1;
    memcpy(name, from, size_bytes);
    name[size_bytes] = 0;
}

static void run_trial(void *context, uint32_t piece)
{
    trial *tried = context;
    (void)piece;
    px_mutant_set(tried->options.mutant);
    (void)sim_run(&tried->options);
}

/* Does it still fail, in the same way, with these options and these faults? NULL: all faults. */
static bool fails(shrinker *self, const sim_options *options, const uint32_t *kept, uint32_t count)
{
    trial *tried = self->tried;
    char name[NAME_BYTES];
    tried->options = *options;
    tried->options.told = &tried->told;
    tried->options.kept = NULL;
    if (kept) {
        memcpy(tried->kept, kept, count * sizeof *kept);
        tried->options.kept = tried->kept;
        tried->options.kept_count = count;
    }
    self->runs++;
    if (sim_forked_run(1, run_trial, tried, self->saying) == 1) return false;
    read_invariant(self->saying, name);
    if (self->invariant[0] == 0) memcpy(self->invariant, name, sizeof name);
    return strcmp(name, self->invariant) == 0;
}

/* Takes away part after part, ever smaller ones, as long as it fails without. */
static void drop_faults(shrinker *self)
{
    static uint32_t rest[SIM_TOLD_MAX];
    uint32_t part = self->kept_count;
    while (part > 0) {
        bool has_shrunk = false;
        for (uint32_t from = 0; from < self->kept_count;) {
            const uint32_t upto = from + part < self->kept_count ? from + part : self->kept_count;
            const uint32_t count = self->kept_count - (upto - from);
            memcpy(rest, self->kept, from * sizeof *rest);
            memcpy(rest + from, self->kept + upto, (self->kept_count - upto) * sizeof *rest);
            if (fails(self, &self->options, rest, count)) {
                memcpy(self->kept, rest, count * sizeof *rest);
                self->kept_count = count;
                has_shrunk = true;
            } else {
                from = upto;
            }
        }
        if (!has_shrunk || part > self->kept_count) part = part > 1 ? part / 2 : 0;
    }
}

static void try_options(shrinker *self, sim_options options)
{
    if (fails(self, &options, self->kept, self->kept_count)) self->options = options;
}

static void drop_load(shrinker *self)
{
    static const uint32_t percents[] = {50, 20, 10, 5, 2, 1};
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
        sim_options options = self->options;
        options.load_percent = percents[i];
        try_options(self, options);
    }
}

static void drop_nodes(shrinker *self)
{
    for (uint32_t count = self->options.node_count - 1; count > 0; count--) {
        sim_options options = self->options;
        options.node_count = count;
        try_options(self, options);
    }
}

static void say(shrinker *self)
{
    const sim_options *options = &self->options;
    (void)fails(self, options, self->kept, self->kept_count); /* the schedule and the words of the smallest */
    printf("%.*s\n", (int)strcspn(self->saying, "\n"), self->saying);
    printf("%u faults are left, after %u runs\n", self->kept_count, self->runs);
    for (uint32_t i = 0; i < self->kept_count; i++) {
        const sim_fault_event *event = &self->tried->told.events[self->kept[i]];
        printf("  %5u  %9.3f s  %s\n", self->kept[i], (double)event->time_us / 1e6,
               sim_fault_words(event->kind));
    }
    printf("replay: px-sim --seed %llu --nodes %u --seconds %llu --load %u%s%s --keep ",
           (unsigned long long)options->seed, options->node_count,
           (unsigned long long)(options->safety_us / SIM_SECOND), options->load_percent,
           options->mutant ? " --mutant " : "", options->mutant ? options->mutant : "");
    for (uint32_t i = 0; i < self->kept_count; i++) printf("%s%u", i ? "," : "", self->kept[i]);
    printf("%s --trace\n", self->kept_count ? "" : "none");
}

int sim_shrink(const sim_options *options)
{
    static shrinker self;
    self.tried = sim_forked_shared(sizeof *self.tried);
    self.options = *options;
    if (self.options.load_percent == 0) self.options.load_percent = 100;
    if (!fails(&self, &self.options, NULL, 0)) {
        printf("seed %llu does not fail\n", (unsigned long long)options->seed);
        return 1;
    }
    self.kept_count = self.tried->told.count;
    for (uint32_t i = 0; i < self.kept_count; i++) self.kept[i] = i;
    drop_faults(&self);
    drop_load(&self);
    drop_nodes(&self);
    drop_faults(&self);
    say(&self);
    return 0;
}
