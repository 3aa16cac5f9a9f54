#include "base/hash.h"

/* Odd constants with about half of their bits set: fractions of the golden ratio and of sqrt(2). */
static const uint64_t k0 = 0x9e3779b97f4a7c15, k1 = 0xb504f333f9de6485;

__extension__ typedef unsigned __int128 wide;

static uint64_t fold(uint64_t a, uint64_t b)
{
	wide product = (wide)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t word(const uint8_t *at, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

uint64_t elm__hash64(const void *data, size_t size, uint64_t seed)
{
	const uint8_t *at = data;
	uint64_t a = seed ^ k0, b = seed ^ k1;
	size_t left = size;

	/* Two independent chains: the multiplier is busy every cycle instead of every fourth. */
	for (; left >= 16; at += 16, left -= 16) {
		a = fold(a ^ word(at, 8), k1);
		b = fold(b ^ word(at + 8, 8), k0);
	}
	if (left >= 8) {
		a = fold(a ^ word(at, 8), k1);
		at += 8;
		left -= 8;
	}
	b = fold(b ^ word(at, left) ^ (uint64_t)left << 56, k0);
	return fold(a ^ k0, b ^ (uint64_t)size ^ k1);
}
