/* self_test.h - do the checkers see what they are there for? */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_SELF_TEST_H
#define PX_TEST_SIM_SELF_TEST_H

#include <stdint.h>

/* The history at `place`, in words: "" is a good one, else the invariant that must be said broken; NULL
 * behind the last. */
const char *sim_self_test_expects(uint32_t place);
const char *sim_self_test_name(uint32_t place);
/* Plays it; ends the process as sim_fail does where a checker objects. */
void sim_self_test_play(uint32_t place);

#endif
