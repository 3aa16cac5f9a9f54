/*
 * The weight types: layouts against blocks written by hand, conversions against slow arithmetic,
 * encoders against theory. Golden files of another program have a test in tests/golden.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quant/blocks.h"
#include "quant/half.h"
#include "quant/quant.h"

static const elm_type weight_types[] = {
	ELM_TYPE_F32,  ELM_TYPE_F16,  ELM_TYPE_BF16, ELM_TYPE_Q4_0,   ELM_TYPE_Q4_1,
	ELM_TYPE_Q5_0, ELM_TYPE_Q5_1, ELM_TYPE_Q8_0, ELM_TYPE_Q2_K,   ELM_TYPE_Q3_K,
	ELM_TYPE_Q4_K, ELM_TYPE_Q5_K, ELM_TYPE_Q6_K, ELM_TYPE_IQ4_NL, ELM_TYPE_IQ4_XS,
};
enum { TYPES = sizeof(weight_types) / sizeof(weight_types[0]), FIRST_QUANTISED = 3 };

static const char *name_of(elm_type type)
{
	return elm_type_get((uint32_t)type)->name;
}

static size_t bytes_of(elm_type type, size_t elements)
{
	uint64_t bytes;

	assert_int_equal(elm_type_row_bytes(type, elements, &bytes), ELM_OK);
	return (size_t)bytes;
}

/* --- random numbers, the same on every machine --- */

static uint32_t random_bits(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 32);
}

static float random_uniform(uint64_t *state)
{
	return (float)(random_bits(state) >> 8) * 0x1p-24f;
}

/* Nearly a normal distribution with variance 1, and exactly reproducible. */
static float random_normal(uint64_t *state)
{
	float sum = -6;
	int i;

	for (i = 0; i < 12; i++)
		sum += random_uniform(state);
	return sum;
}

/* --- halves --- */

/* The value of a small float format, from its definition. */
static double slow_value(unsigned bits, int exponent_bits, int mantissa_bits)
{
	int bias = (1 << (exponent_bits - 1)) - 1;
	int exponent = (int)(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
	unsigned mantissa = bits & ((1u << mantissa_bits) - 1);
	double value;

	if (exponent == (1 << exponent_bits) - 1)
		value = mantissa ? (double)NAN : (double)INFINITY;
	else if (exponent == 0)
		value = ldexp(mantissa, 1 - bias - mantissa_bits);
	else
		value = ldexp(mantissa + (1u << mantissa_bits), exponent - bias - mantissa_bits);
	return bits >> (exponent_bits + mantissa_bits) & 1 ? -value : value;
}

/* Rounds to such a format in double arithmetic, without looking at any bits. */
static double slow_round(double value, int exponent_bits, int mantissa_bits)
{
	int bias = (1 << (exponent_bits - 1)) - 1, exponent;
	double unit, rounded;

	if (value == 0 || isinf(value))
		return value;
	frexp(value, &exponent); /* value is in [2^(exponent-1), 2^exponent) */
	exponent = exponent - 1 < 1 - bias ? 1 - bias : exponent - 1;
	unit = ldexp(1, exponent - mantissa_bits);
	rounded = nearbyint(value / unit) * unit;
	return fabs(rounded) >= ldexp(1, bias + 1) ? copysign(INFINITY, value) : rounded;
}

static void test_half_widening(void **state)
{
	unsigned h;

	for (h = 0; h < 65536; h++) {
		float f16 = elm__f16_to_f32((uint16_t)h), bf16 = elm__bf16_to_f32((uint16_t)h);
		double want16 = slow_value(h, 5, 10), want_b = slow_value(h, 8, 7);

		if (isnan(want16))
			assert_int_equal(elm__f32_bits(f16),
					 (h & 0x8000) << 16 | 0x7fc00000 | (h & 0x3ff) << 13);
		else
			assert_int_equal(elm__f32_bits(f16), elm__f32_bits((float)want16));
		if (isnan(want_b))
			assert_int_equal(elm__f32_bits(bf16), h << 16 | 0x400000);
		else
			assert_int_equal(elm__f32_bits(bf16), elm__f32_bits((float)want_b));
		/* And back: the same, except that NaN becomes quiet. */
		assert_int_equal(elm__f32_to_f16(f16), isnan(want16) ? h | 0x200 : h);
		assert_int_equal(elm__f32_to_bf16(bf16), isnan(want_b) ? h | 0x40 : h);
	}
}

static void check_narrowing(uint32_t bits)
{
	float value = elm__f32_from_bits(bits);
	uint16_t f16 = elm__f32_to_f16(value), bf16 = elm__f32_to_bf16(value);

	if (isnan(value)) {
		assert_int_equal(f16, (bits >> 16 & 0x8000) | 0x7e00 | (bits >> 13 & 0x3ff));
		assert_int_equal(bf16, bits >> 16 | 0x40);
		return;
	}
	/* Compared as bits of floats, so that the sign of zero counts. */
	assert_int_equal(elm__f32_bits((float)slow_value(f16, 5, 10)),
			 elm__f32_bits((float)slow_round(value, 5, 10)));
	assert_int_equal(elm__f32_bits((float)slow_value(bf16, 8, 7)),
			 elm__f32_bits((float)slow_round(value, 8, 7)));
}

static void test_half_narrowing(void **state)
{
	uint32_t sample = 0, h;
	int i;

	/* Every half, and the floats next to every point halfway between two. */
	for (h = 0; h < 0x7c00; h++) {
		float low = elm__f16_to_f32((uint16_t)h);
		float high = h == 0x7bff ? 65536 : elm__f16_to_f32((uint16_t)(h + 1));
		uint32_t middle = elm__f32_bits(low + (high - low) / 2);

		for (i = -1; i <= 1; i++) {
			check_narrowing(middle + (uint32_t)i);
			check_narrowing((middle + (uint32_t)i) | 0x80000000);
		}
	}
	for (h = 0; h < 65536; h++)
		for (i = -1; i <= 1; i++)
			check_narrowing((h << 16 | 0x8000) + (uint32_t)i);
	/* An odd step visits floats of every exponent and all over the mantissas. */
	for (i = 0; i < 1 << 20; i++, sample += 4099)
		check_narrowing(sample);
}

/* --- decoding: blocks written by hand --- */

typedef struct poke {
	int at, value;
} poke;

typedef struct span {
	int first, last; /* weights */
	float value;
} span;

/* A block of zero bytes except for the pokes decodes to the spans; a later span covers earlier
 * ones. Lists end at an entry of zeros. All positions are worked out by hand from blocks.h. */
static const struct hand_block {
	elm_type type;
	poke pokes[10];
	span spans[6];
} hand_blocks[] = {
	{ ELM_TYPE_F32, { { 2, 0xc0 }, { 3, 0xbf } }, { { 0, 0, -1.5f } } },
	{ ELM_TYPE_F16, { { 0, 0x01 }, { 1, 0xc0 } }, { { 0, 0, -2.001953125f } } },
	{ ELM_TYPE_BF16, { { 0, 0x49 }, { 1, 0x40 } }, { { 0, 0, 3.140625f } } },
	/* d 2; codes 15 and 9 */
	{ ELM_TYPE_Q4_0,
	  { { 1, 0x40 }, { 2, 0x9f } },
	  { { 0, 31, -16 }, { 0, 0, 14 }, { 16, 16, 2 } } },
	/* d 0.5, m -3; codes 5 and 10 */
	{ ELM_TYPE_Q4_1,
	  { { 1, 0x38 }, { 3, 0xc2 }, { 7, 0xa5 } },
	  { { 0, 31, -3 }, { 3, 3, -0.5f }, { 19, 19, 2 } } },
	/* d 1; fifth bits of weights 1 and 31 */
	{ ELM_TYPE_Q5_0,
	  { { 1, 0x3c }, { 2, 0x02 }, { 5, 0x80 }, { 7, 0x43 } },
	  { { 0, 31, -16 }, { 1, 1, 3 }, { 17, 17, -12 }, { 31, 31, 0 } } },
	/* d 1, m 10; fifth bit of weight 16 */
	{ ELM_TYPE_Q5_1,
	  { { 1, 0x3c }, { 3, 0x49 }, { 6, 0x01 }, { 8, 0x21 } },
	  { { 0, 31, 10 }, { 0, 0, 11 }, { 16, 16, 28 } } },
	/* d 0.25 */
	{ ELM_TYPE_Q8_0,
	  { { 1, 0x34 }, { 7, 0x80 }, { 33, 0x7f } },
	  { { 0, 31, 0 }, { 5, 5, -32 }, { 31, 31, 31.75f } } },
	/* d 1, dmin 0.5; sub-block 9 has scale 3, minimum 2; 11 has scale 1 */
	{ ELM_TYPE_Q2_K,
	  { { 9, 0x23 }, { 11, 0x01 }, { 68, 0xe6 }, { 81, 0x3c }, { 83, 0x38 } },
	  { { 0, 255, 0 }, { 144, 159, -1 }, { 148, 148, 5 }, { 180, 180, 1 } } },
	/* d 1; sub-block 5 has scale code 35, all others 0, which is -32 */
	{ ELM_TYPE_Q3_K,
	  { { 21, 0x04 }, { 53, 0x20 }, { 101, 0x03 }, { 105, 0x08 }, { 109, 0x3c } },
	  { { 0, 255, 128 }, { 80, 95, -12 }, { 85, 85, 6 } } },
	/* d 1, dmin 1; sub-block 1: 2 and 3; sub-block 6: 58 and 21 */
	{ ELM_TYPE_Q4_K,
	  { { 1, 0x3c },
	    { 3, 0x3c },
	    { 5, 0x02 },
	    { 6, 0xc0 },
	    { 9, 0x03 },
	    { 10, 0x40 },
	    { 14, 0x5a },
	    { 47, 0xf0 },
	    { 120, 0x07 } },
	  { { 0, 255, 0 }, { 32, 63, -3 }, { 63, 63, 27 }, { 192, 223, -21 }, { 200, 200, 385 } } },
	/* d 1; sub-block 3 has scale 1; weight 100 has code 25 */
	{ ELM_TYPE_Q5_K,
	  { { 1, 0x3c }, { 7, 0x01 }, { 20, 0x08 }, { 84, 0x90 } },
	  { { 0, 255, 0 }, { 100, 100, 25 } } },
	/* d 0.5; sub-block 13 has scale -2; weight 210 has code 53 */
	{ ELM_TYPE_Q6_K,
	  { { 82, 0x50 }, { 178, 0x30 }, { 205, 0xfe }, { 209, 0x38 } },
	  { { 0, 255, 0 }, { 208, 223, 32 }, { 210, 210, -21 } } },
	/* d 2; levels 0 (-127) and 8 (1) */
	{ ELM_TYPE_IQ4_NL, { { 1, 0x40 }, { 2, 0x80 } }, { { 0, 31, -254 }, { 16, 16, 2 } } },
	/* d 1; sub-block 5 has scale code 57, all others 0, which is -32 */
	{ ELM_TYPE_IQ4_XS,
	  { { 1, 0x3c }, { 3, 0x0c }, { 6, 0x90 }, { 91, 0xf0 } },
	  { { 0, 255, 4064 }, { 160, 191, -3175 }, { 179, 179, 2825 } } },
};

static void test_decode_by_hand(void **state)
{
	size_t n, i;
	int k;

	assert_int_equal(sizeof(hand_blocks) / sizeof(hand_blocks[0]), TYPES);
	for (n = 0; n < TYPES; n++) {
		const struct hand_block *hand = &hand_blocks[n];
		const elm_type_info *info = elm_type_get((uint32_t)hand->type);
		uint8_t block[256] __attribute__((aligned(4))) = { 0 };
		float got[256], want[256];

		for (k = 0; k < 10; k++)
			block[hand->pokes[k].at] |= (uint8_t)hand->pokes[k].value;
		for (k = 0; k < 6 && (hand->spans[k].last || hand->spans[k].value != 0); k++)
			for (i = (size_t)hand->spans[k].first; i <= (size_t)hand->spans[k].last;
			     i++)
				want[i] = hand->spans[k].value;
		assert_int_equal(elm__dequantize_row(hand->type, block, got, info->block_elements),
				 ELM_OK);
		for (i = 0; i < info->block_elements; i++)
			if (got[i] != want[i])
				fail_msg("%s: weight %zu is %g, not %g", info->name, i,
					 (double)got[i], (double)want[i]);
	}
}

/* --- shapes, checks and dot products --- */

static void test_refusals(void **state)
{
	uint8_t block[512] __attribute__((aligned(4))) = { 0 };
	float x[512] = { 0 };
	size_t n;

	for (n = 0; n < ELM_TYPE_LIMIT + 2; n++) {
		elm_type type = (elm_type)n;
		const elm_type_info *info = elm_type_get((uint32_t)n);
		bool is_weight = false;
		size_t i;

		for (i = 0; i < TYPES; i++)
			is_weight = is_weight || weight_types[i] == type;
		if (!is_weight) {
			assert_int_equal(elm__dequantize_row(type, block, x, 0),
					 ELM_ERR_UNSUPPORTED);
			assert_int_equal(elm__quantize_row(type, x, NULL, block, 0),
					 ELM_ERR_UNSUPPORTED);
			assert_int_equal(elm__check_row(type, block, 0, NULL), ELM_ERR_UNSUPPORTED);
			assert_true(isnan(elm__dot_ref(type, block, x, 0)));
		} else if (info->block_elements > 1) {
			size_t odd = info->block_elements - 1;

			assert_int_equal(elm__dequantize_row(type, block, x, odd),
					 ELM_ERR_ARGUMENT);
			assert_int_equal(elm__quantize_row(type, x, NULL, block, odd),
					 ELM_ERR_ARGUMENT);
			assert_int_equal(elm__check_row(type, block, odd, NULL), ELM_ERR_ARGUMENT);
			assert_true(isnan(elm__dot_ref(type, block, x, odd)));
		}
	}
}

/* Where a block has its first half: 0 is d of the small types. */
static int scale_offset(elm_type type)
{
	switch ((int)type) {
	case ELM_TYPE_F32:
		return 2; /* the upper half of a float behaves as one for this purpose */
	case ELM_TYPE_Q2_K:
		return 80;
	case ELM_TYPE_Q3_K:
		return 108;
	case ELM_TYPE_Q6_K:
		return 208;
	default:
		return 0;
	}
}

static void test_nonfinite(void **state)
{
	float x[1024], importance[1024];
	uint8_t blocks[4096] __attribute__((aligned(4)));
	uint64_t seed = 7;
	size_t n, i, at, block;

	for (i = 0; i < 1024; i++) {
		x[i] = random_normal(&seed);
		importance[i] = 1;
	}
	for (n = 0; n < TYPES; n++) {
		elm_type type = weight_types[n];
		const elm_type_info *info = elm_type_get((uint32_t)type);

		assert_int_equal(elm__quantize_row(type, x, importance, blocks, 1024), ELM_OK);
		assert_int_equal(elm__check_row(type, blocks, 1024, &at), ELM_OK);
		block = 3 * 256 / info->block_elements;
		/* NaN in every format that is used for scales: all bits of the exponent and more.
		 */
		memset(blocks + block * info->block_bytes + scale_offset(type), 0xff, 2);
		at = 0;
		assert_int_equal(elm__check_row(type, blocks, 1024, &at), ELM_ERR_FORMAT);
		assert_int_equal(at, 3 * 256);

		importance[1000] = NAN;
		assert_int_equal(elm__quantize_row(type, x, importance, blocks, 1024),
				 ELM_ERR_ARGUMENT);
		importance[1000] = -1;
		assert_int_equal(elm__quantize_row(type, x, importance, blocks, 1024),
				 ELM_ERR_ARGUMENT);
		importance[1000] = 1;

		/* Plain types keep such weights, for the check to find; others refuse them. */
		x[513] = n & 1 ? NAN : -INFINITY;
		if (n < FIRST_QUANTISED) {
			assert_int_equal(elm__quantize_row(type, x, NULL, blocks, 1024), ELM_OK);
			assert_int_equal(elm__check_row(type, blocks, 1024, &at), ELM_ERR_FORMAT);
			assert_int_equal(at, 513);
		} else {
			memset(blocks, 0x55, sizeof(blocks));
			assert_int_equal(elm__quantize_row(type, x, NULL, blocks, 1024),
					 ELM_ERR_ARGUMENT);
			assert_int_equal(blocks[0], 0x55);
		}
		x[513] = 0;
	}
}

static void test_dot(void **state)
{
	float x[768], y[768], decoded[768];
	uint64_t seed = 99;
	size_t n, i;

	for (i = 0; i < 768; i++) {
		x[i] = random_normal(&seed);
		y[i] = random_normal(&seed);
	}
	for (n = 0; n < TYPES; n++) {
		elm_type type = weight_types[n];
		size_t elements = elm_type_get((uint32_t)type)->block_elements * 3;
		/* of exactly the size, for the address sanitizer */
		void *blocks = malloc(bytes_of(type, elements));
		double sum = 0;

		assert_non_null(blocks);
		assert_int_equal(elm__quantize_row(type, x, NULL, blocks, elements), ELM_OK);
		assert_int_equal(elm__dequantize_row(type, blocks, decoded, elements), ELM_OK);
		for (i = elements; i-- > 0;)
			sum += (double)decoded[i] * (double)y[i];
		assert_true(fabs(sum - (double)elm__dot_ref(type, blocks, y, elements)) <=
			    1e-6 * fabs(sum));
		free(blocks);
	}
}

/* --- encoding --- */

enum { ROW = 8192 };

/* Weighted sum of squared errors after encoding and decoding. */
static double round_trip(elm_type type, const float *x, const float *importance,
			 const float *weight, size_t elements)
{
	void *blocks = malloc(bytes_of(type, elements));
	float *decoded = malloc(elements * sizeof(*decoded));
	double error = 0, r;
	size_t i;

	assert_true(blocks && decoded);
	assert_int_equal(elm__quantize_row(type, x, importance, blocks, elements), ELM_OK);
	assert_int_equal(elm__check_row(type, blocks, elements, NULL), ELM_OK);
	assert_int_equal(elm__dequantize_row(type, blocks, decoded, elements), ELM_OK);
	for (i = 0; i < elements; i++) {
		r = (double)decoded[i] - (double)x[i];
		error += (weight ? (double)weight[i] : 1) * r * r;
	}
	free(blocks);
	free(decoded);
	return error;
}

/* What rounding to the nearest of evenly spaced levels costs: step^2 / 12 for each weight, with the
 * levels of each group spread from its least to its largest weight (`affine`) or to plus and minus
 * its largest magnitude. */
static double rounding_theory(const float *x, size_t elements, int group, int bits, bool affine)
{
	double error = 0, step;
	size_t i;
	int k;

	for (i = 0; i < elements; i += (size_t)group) {
		float low = x[i], high = x[i];

		for (k = 1; k < group; k++) {
			low = fminf(low, x[i + (size_t)k]);
			high = fmaxf(high, x[i + (size_t)k]);
		}
		if (!affine) {
			high = fmaxf(high, -low);
			low = -high;
		}
		step = (double)(high - low) / (double)((1 << bits) - 1);
		error += group * step * step / 12;
	}
	return error;
}

static const struct {
	elm_type type;
	int group, bits;
	bool affine;
} theory[] = {
	{ ELM_TYPE_Q4_0, 32, 4, false },   { ELM_TYPE_Q4_1, 32, 4, true },
	{ ELM_TYPE_Q5_0, 32, 5, false },   { ELM_TYPE_Q5_1, 32, 5, true },
	{ ELM_TYPE_Q8_0, 32, 8, false },   { ELM_TYPE_Q2_K, 16, 2, true },
	{ ELM_TYPE_Q3_K, 16, 3, false },   { ELM_TYPE_Q4_K, 32, 4, true },
	{ ELM_TYPE_Q5_K, 32, 5, true },	   { ELM_TYPE_Q6_K, 16, 6, false },
	{ ELM_TYPE_IQ4_NL, 32, 4, false }, { ELM_TYPE_IQ4_XS, 32, 4, false },
};

static void test_beats_rounding(void **state)
{
	static float x[ROW];
	uint64_t seed = 2024;
	size_t n, i;

	for (i = 0; i < ROW; i++)
		x[i] = 0.02f * random_normal(&seed);
	for (n = 0; n < sizeof(theory) / sizeof(theory[0]); n++) {
		double got = round_trip(theory[n].type, x, NULL, NULL, ROW);
		double want =
			rounding_theory(x, ROW, theory[n].group, theory[n].bits, theory[n].affine);

		print_message("%-7s RMSE is %.3f of plain rounding\n", name_of(theory[n].type),
			      sqrt(got / want));
		/* Better than plain rounding, but not so much that the measure must be wrong. */
		assert_true(got < want);
		assert_true(got > 0.5 * want);
	}
}

static void test_order_of_quality(void **state)
{
	static const elm_type order[] = { ELM_TYPE_F32,	 ELM_TYPE_F16,	ELM_TYPE_Q8_0,
					  ELM_TYPE_Q6_K, ELM_TYPE_Q5_K, ELM_TYPE_Q4_K,
					  ELM_TYPE_Q3_K, ELM_TYPE_Q2_K };
	static float x[ROW];
	uint64_t seed = 5;
	double last = -1, error;
	size_t n, i;
	int heavy;

	for (heavy = 0; heavy < 2; heavy++, last = -1) {
		for (i = 0; i < ROW; i++) {
			x[i] = random_normal(&seed);
			if (heavy) /* tails as trained weights have them */
				x[i] = x[i] * x[i] * x[i];
		}
		for (n = 0; n < sizeof(order) / sizeof(order[0]); n++) {
			error = round_trip(order[n], x, NULL, NULL, ROW);
			assert_true(error > last);
			last = error;
		}
	}
}

static void test_importance(void **state)
{
	static float x[ROW], importance[ROW], equal[ROW];
	uint8_t *plain = malloc(4 * ROW), *other = malloc(4 * ROW);
	uint64_t seed = 31;
	size_t n, i;

	assert_true(plain && other);
	for (i = 0; i < ROW; i++) {
		x[i] = random_normal(&seed);
		importance[i] = expf(3 * random_normal(&seed));
		equal[i] = 1e-12f;
	}
	for (n = FIRST_QUANTISED; n < TYPES; n++) {
		elm_type type = weight_types[n];
		double with = round_trip(type, x, importance, importance, ROW);
		double without = round_trip(type, x, NULL, importance, ROW);

		print_message("%-7s weighted RMSE with importance: %.3f of that without\n",
			      name_of(type), sqrt(with / without));
		assert_true(with < 0.97 * without);

		/* Only ratios matter; all zero is as good as none. */
		assert_int_equal(elm__quantize_row(type, x, NULL, plain, ROW), ELM_OK);
		assert_int_equal(elm__quantize_row(type, x, equal, other, ROW), ELM_OK);
		assert_memory_equal(plain, other, bytes_of(type, ROW));
		memset(equal, 0, sizeof(equal));
		assert_int_equal(elm__quantize_row(type, x, equal, other, ROW), ELM_OK);
		assert_memory_equal(plain, other, bytes_of(type, ROW));
	}
	free(plain);
	free(other);
}

static float extreme(int kind, int i, uint64_t *seed)
{
	switch (kind) {
	case 0:
		return 0;
	case 1:
		return i == 77 ? 1 : 0;
	case 2:
		return i == 200 ? -100 : 0.01f * random_normal(seed);
	case 3:
		return 3e-42f * (float)(i - 100); /* subnormal */
	case 4:
		return 1e-6f * random_normal(seed); /* near the least scale of a half */
	case 5:
		return 0.7f;
	case 6:
		return -0.7f;
	case 7:
		return i & 1 ? 1 : -1;
	case 8:
		return 5 + 0.001f * random_normal(seed);
	case 9:
		return 1e5f * random_normal(seed);
	case 10:
		return 1e30f * random_normal(seed);
	case 11:
		return i & 1 ? FLT_MAX : -FLT_MAX;
	case 12:
		return i & 1 ? FLT_MAX : FLT_MIN;
	default:
		return i < 128 ? 0 : random_normal(seed);
	}
}

static void test_extremes(void **state)
{
	uint8_t blocks[1024] __attribute__((aligned(4)));
	float x[256], decoded[256];
	uint64_t seed = 12;
	int kind, i;
	size_t n;

	for (kind = 0; kind < 14; kind++) {
		float largest = 0, limit, allowed;
		bool wide;

		for (i = 0; i < 256; i++) {
			x[i] = extreme(kind, i, &seed);
			largest = fmaxf(largest, fabsf(x[i]));
		}
		for (n = 0; n < TYPES; n++) {
			elm_type type = weight_types[n];

			assert_int_equal(elm__quantize_row(type, x, NULL, blocks, 256), ELM_OK);
			assert_int_equal(elm__check_row(type, blocks, 256, NULL), ELM_OK);
			assert_int_equal(elm__dequantize_row(type, blocks, decoded, 256), ELM_OK);
			/* Steps of Q2_K are a third of the range; 1e-7 is for scales near the least
			 * half. */
			wide = type == ELM_TYPE_F32 || type == ELM_TYPE_BF16;
			limit = wide ? FLT_MAX : 65504;
			allowed = type == ELM_TYPE_F32 ? 0 : 0.35f * fminf(largest, limit) + 1e-7f;
			for (i = 0; i < 256; i++) {
				float want = fmaxf(-limit, fminf(x[i], limit));

				if (!(fabsf(decoded[i] - want) <= allowed))
					fail_msg("%s, row %d: weight %d is %g, decoded %g",
						 name_of(type), kind, i, (double)x[i],
						 (double)decoded[i]);
				if (!largest && decoded[i] != 0)
					fail_msg("%s: zero became %g", name_of(type),
						 (double)decoded[i]);
			}
		}
	}
}

/* Blocks of 256 reach as far along the weights as these do: the errors of encoding are noise, not
 * a loss of size, which would add up from matrix to matrix. */
static void test_nothing_shrinks(void **state)
{
	uint8_t blocks[1024] __attribute__((aligned(4)));
	float x[256], importance[256], decoded[256];
	uint64_t seed = 17;
	size_t n;

	for (n = FIRST_QUANTISED; n < TYPES; n++) {
		elm_type type = weight_types[n];
		double whole = 0, reached = 0;
		int i;

		if (elm_type_get((uint32_t)type)->block_elements < 256)
			continue;
		for (i = 0; i < 256; i++) {
			x[i] = random_normal(&seed);
			importance[i] = random_uniform(&seed);
		}
		assert_int_equal(elm__quantize_row(type, x, importance, blocks, 256), ELM_OK);
		assert_int_equal(elm__dequantize_row(type, blocks, decoded, 256), ELM_OK);
		for (i = 0; i < 256; i++) {
			double weight = (double)importance[i] * (double)x[i];

			whole += weight * (double)x[i];
			reached += weight * (double)decoded[i];
		}
		/* Halves are precise to one in 2048. */
		if (fabs(reached / whole - 1) > 1e-3)
			fail_msg("%s: reaches %.4f of the weights", name_of(type), reached / whole);
	}
}

/* Rows that lie on few levels come back as they were, but for the rounding of scales to halves. */
static void test_few_levels(void **state)
{
	static const int8_t levels[16] = ELM__IQ4_LEVELS;
	uint8_t blocks[1024] __attribute__((aligned(4)));
	float x[256], decoded[256];
	size_t n;
	int i;

	for (n = FIRST_QUANTISED; n < TYPES; n++) {
		elm_type type = weight_types[n];
		bool list = type == ELM_TYPE_IQ4_NL || type == ELM_TYPE_IQ4_XS;

		for (i = 0; i < 256; i++)
			x[i] = list ? (float)levels[i & 15] / 127 : 0.5f * (float)(i % 3 - 2);
		assert_int_equal(elm__quantize_row(type, x, NULL, blocks, 256), ELM_OK);
		assert_int_equal(elm__dequantize_row(type, blocks, decoded, 256), ELM_OK);
		for (i = 0; i < 256; i++)
			if (fabsf(decoded[i] - x[i]) > 1e-3f)
				fail_msg("%s: weight %d is %g, decoded %g", name_of(type), i,
					 (double)x[i], (double)decoded[i]);
	}
}

/* FNV-1a of what the encoder makes of fixed rows: the same with every compiler and processor, or
 * releases could not be reproduced. A better encoder changes these on purpose. */
static const struct {
	elm_type type;
	uint32_t hash;
} fingerprints[] = {
	{ ELM_TYPE_Q4_0, 0x78152510 },	{ ELM_TYPE_Q4_1, 0x8f06dcfd },
	{ ELM_TYPE_Q5_0, 0xd790a5d0 },	{ ELM_TYPE_Q5_1, 0x9bde5361 },
	{ ELM_TYPE_Q8_0, 0xf513c90d },	{ ELM_TYPE_Q2_K, 0x89995276 },
	{ ELM_TYPE_Q3_K, 0xbe9e9904 },	{ ELM_TYPE_Q4_K, 0xeddf0056 },
	{ ELM_TYPE_Q5_K, 0x7c14a8cf },	{ ELM_TYPE_Q6_K, 0x614e7994 },
	{ ELM_TYPE_IQ4_NL, 0x70714b6 }, { ELM_TYPE_IQ4_XS, 0xce1d7e29 },
};

static void test_same_bytes_everywhere(void **state)
{
	static float x[ROW], importance[ROW];
	uint8_t *blocks = malloc(4 * ROW);
	uint64_t seed = 404;
	size_t n, i, bytes;

	assert_non_null(blocks);
	for (i = 0; i < ROW; i++) {
		x[i] = random_normal(&seed) * 0.01f;
		importance[i] = random_uniform(&seed);
	}
	for (n = 0; n < sizeof(fingerprints) / sizeof(fingerprints[0]); n++) {
		elm_type type = fingerprints[n].type;
		uint32_t hash = 2166136261u;

		assert_int_equal(elm__quantize_row(type, x, importance, blocks, ROW), ELM_OK);
		bytes = bytes_of(type, ROW);
		for (i = 0; i < bytes; i++)
			hash = (hash ^ blocks[i]) * 16777619u;
		if (hash != fingerprints[n].hash)
			fail_msg("%s: fingerprint %#x", name_of(type), (unsigned)hash);
	}
	free(blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_half_widening),
		cmocka_unit_test(test_half_narrowing),
		cmocka_unit_test(test_decode_by_hand),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_nonfinite),
		cmocka_unit_test(test_dot),
		cmocka_unit_test(test_beats_rounding),
		cmocka_unit_test(test_order_of_quality),
		cmocka_unit_test(test_importance),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_few_levels),
		cmocka_unit_test(test_nothing_shrinks),
		cmocka_unit_test(test_same_bytes_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
