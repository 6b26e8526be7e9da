/* prng.c - a stream of random-looking numbers, the same for the same seed. */
// SPDX-License-Identifier: Apache-2.0
#include "base/prng.h"

#include "base/assert.h"

static uint64_t rotate_left(uint64_t word, unsigned bits)
{
    return (word << bits) | (word >> (64u - bits));
}

/* One step of splitmix64: spreads any seed, zero too, over all bits. */
static uint64_t mix_next(uint64_t *seed)
{
    *seed += 0x9e3779b97f4a7c15u;
    uint64_t word = *seed;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
    return word ^ (word >> 31);
}

void px_prng_init(px_prng *prng, uint64_t seed)
{
    for (uint32_t i = 0; i < 4; i++) prng->state[i] = mix_next(&seed);
}

uint64_t px_prng_next(px_prng *prng)
{
    uint64_t *const state = prng->state;
    const uint64_t result = rotate_left(state[1] * 5, 7) * 9;
    const uint64_t shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate_left(state[3], 45);
    return result;
}

uint64_t px_prng_below(px_prng *prng, uint64_t bound)
{
    px_assert(bound > 0);
    /* 2^64 modulo bound: numbers below it would make the small results likelier, so they are drawn again. */
    const uint64_t least = (0 - bound) % bound;
    uint64_t word = px_prng_next(prng);
    while (word < least) word = px_prng_next(prng);
    return word % bound;
}

px_prng px_prng_split(px_prng *prng)
{
    px_prng stream;
    px_prng_init(&stream, px_prng_next(prng));
    return stream;
}
