/*
 * random.h: reproducible random numbers: xoshiro256** (Blackman and Vigna, 2018), seeded through
 * SplitMix64 (Steele et al., 2014). The same seed gives the same numbers on every machine. Not for
 * secrets.
 */
#ifndef ELM_BASE_RANDOM_H
#define ELM_BASE_RANDOM_H

#include <stdint.h>

typedef struct elm__random {
	uint64_t state[4]; /* never all zero */
} elm__random;

/* The next output of SplitMix64; advances *state. Spreads any seed, zero included. */
uint64_t elm__splitmix64(uint64_t *state);

void elm__random_seed(elm__random *random, uint64_t seed);
uint64_t elm__random_u64(elm__random *random);

/* Uniform in [0, 1), a multiple of 2^-53. */
double elm__random_unit(elm__random *random);

#endif
