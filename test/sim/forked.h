/* forked.h - work in a process of its own, so that a failed assertion costs one piece of it.
 *
 * Meaning    A child does piece after piece, so that memory which one has touched serves the next. It ends at
 *            the first that fails; what it said on stderr tells why. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_FORKED_H
#define PX_TEST_SIM_FORKED_H

#include <stddef.h>
#include <stdint.h>

#define SIM_SAYING_BYTES 4096u

typedef void sim_piece(void *context, uint32_t piece);

/* Does the pieces 0 to count - 1 in order. Returns how many were done: fewer than count where that one
 * failed, and `saying` holds the last words of it. */
uint32_t sim_forked_run(uint32_t count, sim_piece *do_piece, void *context, char *saying);
/* Memory that parent and children see, zero at first, until the process ends. */
void *sim_forked_shared(size_t size_bytes);

#endif
