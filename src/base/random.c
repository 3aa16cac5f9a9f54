#include "base/random.h"

static uint64_t rotate_left(uint64_t value, unsigned by)
{
	return (value << by) | (value >> (64 - by));
}

uint64_t elm__splitmix64(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void elm__random_seed(elm__random *random, uint64_t seed)
{
	/* Four consecutive outputs of SplitMix64 are never all zero. */
	for (int i = 0; i < 4; i++)
		random->state[i] = elm__splitmix64(&seed);
}

uint64_t elm__random_u64(elm__random *random)
{
	uint64_t *s = random->state;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

double elm__random_unit(elm__random *random)
{
	return (double)(elm__random_u64(random) >> 11) * 0x1p-53;
}
