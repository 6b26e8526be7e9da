/* prng.h - a stream of random-looking numbers, the same for the same seed.
 *
 * Meaning    For jitter, back-off and simulation: every choice that a test must be able to repeat. Not for
 *            secrets.
 * Source     The xoshiro256** generator and the splitmix64 seeder of D. Blackman and S. Vigna, from their
 *            description. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_BASE_PRNG_H
#define PX_BASE_PRNG_H

#include <stdint.h>

typedef struct {
    uint64_t state[4]; /* Invariant: not all zero. */
} px_prng;

/* Any seed will do; equal seeds give equal streams. */
void px_prng_init(px_prng *prng, uint64_t seed);

/* 64 random bits. */
uint64_t px_prng_next(px_prng *prng);

/* A number below `bound`, each equally likely. `bound` is at least 1. */
uint64_t px_prng_below(px_prng *prng, uint64_t bound);

/* Makes a stream of its own: what is drawn from it does not move `prng` any further. */
px_prng px_prng_split(px_prng *prng);

#endif
