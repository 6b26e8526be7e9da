/* totals.h - what many runs did, added up: the table at the end, and the line of one that failed. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_TOTALS_H
#define PX_TEST_SIM_TOTALS_H

#include "sim/world.h"

#define SIM_MARKS_MAX 256u

typedef struct {
    const char *name;
    uint64_t count;
} sim_mark;

/* What one run leaves behind. */
typedef struct {
    sim_counts counts;
    uint32_t mark_count;
    sim_mark marks[SIM_MARKS_MAX];
} sim_outcome;

typedef struct {
    uint64_t seeds, failed, twice;
    double started_s, started_cpu_s;
    sim_outcome sum;
} sim_totals;

void sim_totals_init(sim_totals *totals);
/* Takes the marks passed since the last px_marks_clear into an outcome. */
void sim_outcome_take_marks(sim_outcome *outcome);
void sim_totals_add(sim_totals *totals, const sim_outcome *outcome);
/* Figures, faults and marks, each with its count; last the names of what never happened. */
void sim_totals_print(const sim_totals *totals);
/* What failed, and the command that replays it. `lead` stands before each line. */
void sim_totals_say_failure(const sim_options *options, const char *saying, const char *lead);

#endif
