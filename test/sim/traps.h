/* traps.h - a node crashes at the worst moment, not at any.
 *
 * Meaning    A trap waits until something is happening in its node, and then lets it crash within what one
 *            write takes: with that write whole, torn or absent.
 * Source     reliability.md §5a: crash points tied to events. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_TRAPS_H
#define PX_TEST_SIM_TRAPS_H

#include "sim/world.h"

typedef enum {
    SIM_TRAP_NONE,
    SIM_TRAP_PROMISING, /* a promise is on its way to its disk [R2, R3] */
    SIM_TRAP_SPLICING,  /* a synchronisation or an adoption is [R4, R5] */
    SIM_TRAP_CUTTING,   /* a cut under the old ballot is [R9] */
    SIM_TRAP_ACCEPTING, /* a slot is [R6] */
    SIM_TRAP_ADOPTING,  /* it has a majority of promises, and fetches the log that it must adopt */
    SIM_TRAP_LEADING,   /* it has begun to lead, and not everything that it adopted is chosen */
    SIM_TRAP_CHOOSING,  /* something was chosen that it has not yet delivered */
    SIM_TRAPS
} sim_trap_kind;

typedef struct {
    sim_trap_kind kind;
    bool keeps_power, is_sprung;
    uint64_t down_us;
} sim_trap;

void sim_trap_set(sim_world *world, uint32_t place, sim_trap trap);
/* Between two calls into the node. */
void sim_trap_watch(sim_world *world, uint32_t place);

#endif
