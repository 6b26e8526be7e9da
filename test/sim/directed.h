/* directed.h - runs that chance hardly ever finds, message by message.
 *
 * Meaning    Each brings a quiet cluster into one state that a rule was made for, and lets happen what hurts
 *            without the rule. Messages are held back, dropped and let go by kind (sim_net_rule). That the
 *            state was reached is checked, too: invariant `scenario`.
 * Source     protocol.md §8; reliability.md §6. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_DIRECTED_H
#define PX_TEST_SIM_DIRECTED_H

#include "sim/world.h"

typedef struct {
    const char *name;
    uint32_t nodes;
    void (*run)(sim_world *world); /* from a quiet cluster that the first node leads */
    bool is_first_start;           /* or from before anybody has started */
} sim_directed;

/* directed_log.c, readmission.c, repair.c; each ends with a nameless one. */
extern const sim_directed sim_directed_log[];
extern const sim_directed sim_directed_readmission[];
extern const sim_directed sim_directed_repair[];

/* The one at `place`, NULL behind the last. */
const sim_directed *sim_directed_at(uint32_t place);

/* Brings the first node to lead where that is wanted, then runs it. */
void sim_directed_run(sim_world *world, const sim_directed *directed);

#endif
