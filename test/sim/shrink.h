/* shrink.h - the smallest that still fails.
 *
 * Meaning    A seed that fails is run again with fewer faults of its schedule, fewer nodes and less load, as
 *            long as the same invariant still breaks. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_SHRINK_H
#define PX_TEST_SIM_SHRINK_H

#include "sim/world.h"

/* Prints the faults that are left and the command that replays them. Returns 0 where the seed failed and was
 * shrunk, 1 where it does not fail. */
int sim_shrink(const sim_options *options);

#endif
