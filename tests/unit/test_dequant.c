/*
 * Vector decoders of weights against the reference: the same bits for blocks of any bytes, and
 * nothing read or written beyond the row. With the argument "bench" it prints speeds instead.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "cpu/cpu.h"
#include "kernel/dequant.h"

/* The decoders that this processor can run; NULL and a printed reason when there are none. */
static const elm__dequant_fn *vector_decoders(void)
{
	uint32_t features = elm__cpu_detect();

#if defined(__x86_64__)
	if (features & ELM__CPU_AVX2)
		return elm__dequant_avx2;
#elif defined(__aarch64__)
	if (features & ELM__CPU_NEON)
		return elm__dequant_neon;
#endif
	print_message("features %#x: no vector decoders to test\n", (unsigned)features);
	return NULL;
}

static uint32_t random_bits(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 32);
}

enum { GUARD = 16, COUNTS = 40 };

/* `elements` weights of random bytes in a block of memory of exactly their size, so that the
 * address sanitizer sees a byte too many. */
static void compare(elm_type type, elm__dequant_fn decode, size_t elements, uint64_t *seed)
{
	const elm_type_info *info = elm_type_get((uint32_t)type);
	size_t bytes = elements / info->block_elements * info->block_bytes, i;
	uint8_t *blocks = malloc(bytes ? bytes : 1);
	float *want = malloc((elements + GUARD) * sizeof(*want));
	float *got = malloc((elements + GUARD) * sizeof(*got));

	assert_true(blocks && want && got);
	for (i = 0; i < bytes; i++)
		blocks[i] = (uint8_t)random_bits(seed);
	memset(want, 0x5a, (elements + GUARD) * sizeof(*want));
	memset(got, 0x5a, (elements + GUARD) * sizeof(*got));
	elm__dequant_ref[type](blocks, want, elements);
	decode(blocks, got, elements);
	for (i = 0; i < elements + GUARD; i++) {
		if (memcmp(&got[i], &want[i], sizeof(float)) && !(isnan(got[i]) && isnan(want[i])))
			fail_msg("%s, %zu weights: weight %zu is %a, not %a", info->name, elements,
				 i, (double)got[i], (double)want[i]);
	}
	free(blocks);
	free(want);
	free(got);
}

static void test_same_bits(void **state)
{
	const elm__dequant_fn *decoders = vector_decoders();
	uint64_t seed = 4;
	size_t blocks;
	int type, round;

	if (!decoders)
		skip();
	for (type = 0; type < ELM_TYPE_LIMIT; type++) {
		assert_int_equal(!decoders[type], !elm__dequant_ref[type]);
		for (blocks = 0; decoders[type] && blocks < COUNTS; blocks++)
			for (round = 0; round < 10; round++)
				compare((elm_type)type, decoders[type],
					blocks * elm_type_get((uint32_t)type)->block_elements,
					&seed);
	}
}

/* Every half and every bfloat16, NaN of all payloads among them. */
static void test_all_halves(void **state)
{
	static const elm_type types[] = { ELM_TYPE_F16, ELM_TYPE_BF16 };
	static uint16_t halves[65536];
	static float want[65536], got[65536];
	const elm__dequant_fn *decoders = vector_decoders();
	size_t n, i;

	if (!decoders)
		skip();
	for (i = 0; i < 65536; i++)
		halves[i] = (uint16_t)i;
	for (n = 0; n < 2; n++) {
		elm__dequant_ref[types[n]](halves, want, 65536);
		decoders[types[n]](halves, got, 65536);
		assert_memory_equal(got, want, sizeof(got));
	}
}

static double gigabytes_per_second(elm__dequant_fn decode, const void *blocks, float *out,
				   size_t elements)
{
	double best = 0;
	int round, i;

	for (round = 0; round < 20; round++) {
		uint64_t start = elm__now_ns();

		for (i = 0; i < 50; i++)
			decode(blocks, out, elements);
		best = fmax(best, 50.0 * 4 * (double)elements / (double)(elm__now_ns() - start));
	}
	return best;
}

static int bench(void)
{
	enum { ELEMENTS = 8192 };
	static uint8_t blocks[4 * ELEMENTS];
	static float out[ELEMENTS];
	const elm__dequant_fn *decoders = vector_decoders();
	int type;

	for (type = 0; decoders && type < ELM_TYPE_LIMIT; type++)
		if (decoders[type])
			printf("%-7s scalar %6.2f GB/s of floats, vector %6.2f\n",
			       elm_type_get((uint32_t)type)->name,
			       gigabytes_per_second(elm__dequant_ref[type], blocks, out, ELEMENTS),
			       gigabytes_per_second(decoders[type], blocks, out, ELEMENTS));
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_same_bits),
					    cmocka_unit_test(test_all_halves) };

	if (argc == 2 && !strcmp(argv[1], "bench"))
		return bench();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
