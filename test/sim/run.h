/* run.h - one world from its first event to its last. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_RUN_H
#define PX_TEST_SIM_RUN_H

#include "sim/world.h"

/* Runs a seed or a scenario; returns only where every invariant held. */
sim_counts sim_run(const sim_options *options);

#endif
