/* Codes for the outputs of a product: the factor of an inverse, scales, codes and grids of every
 * type, errors with feedback and with clipping that are less than those of rounding. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "compress/clip.h"
#include "compress/factor.h"
#include "compress/gptq.h"
#include "quant/codes.h"
#include "quant/quant.h"
#include "quant/scales.h"
#include "support.h"

enum { COLS = 256, ROWS = 12, SAMPLES = 700 };

static elm__random dice;
static elm__kernels kernels;
static elm__multiplier multiplier;

/* About normal. */
static float noise(void)
{
	double sum = -6;

	for (int i = 0; i < 12; i++)
		sum += elm__random_unit(&dice);
	return (float)sum;
}

/* Products of inputs that are correlated: each follows the one before. */
static void fill(elm__channels *c, size_t cols, size_t samples)
{
	float *x = calloc(cols, sizeof(*x));

	*c = (elm__channels){ .cols = cols,
			      .square = calloc(cols, sizeof(float)),
			      .products = calloc(cols * cols, sizeof(float)) };
	for (size_t t = 0; t < samples; t++) {
		for (size_t i = 0; i < cols; i++)
			x[i] = (i ? 0.8f * x[i - 1] : 0) + noise() * (i % 16 ? 1 : 4);
		elm__channels_add(c, &multiplier, x, cols, 1, 0, 1);
	}
	elm__channels_mirror(c);
	free(x);
}

static void clear(elm__channels *c)
{
	free(c->square);
	free(c->products);
}

static void factors(void **state)
{
	enum { N = 37 };
	float scratch[N * N], u[N * N];
	elm__channels c;
	elm__pool *pool;

	assert_int_equal(elm__pool_create(3, NULL, &pool, NULL), ELM_OK);
	fill(&c, N, 200);
	for (size_t i = 0; i < N; i++) /* a channel that is never used */
		c.products[5 * N + i] = c.products[i * N + 5] = 0;
	assert_true(elm__inverse_factor(pool, c.products, N, 0, scratch, u));
	/* U H U^T is the unit matrix when H^-1 = U^T U. */
	for (size_t a = 0; a < N; a++)
		for (size_t b = 0; b < N; b++) {
			double sum = 0;

			for (size_t i = a; i < N; i++)
				for (size_t j = b; j < N; j++)
					sum += (double)u[a * N + i] * (double)u[b * N + j] *
					       (i == 5 && j == 5 ? 1 :
								   (double)c.products[i * N + j]);
			assert_float_equal(sum, a == b, 1e-3);
		}
	/* Fewer samples than channels: only with damping. */
	memset(c.products, 0, N * N * sizeof(float));
	for (size_t i = 0; i < N * N; i++)
		c.products[i] = 1;
	assert_false(elm__inverse_factor(pool, c.products, N, -0.1, scratch, u));
	assert_true(elm__inverse_factor(pool, c.products, N, 0.01, scratch, u));
	clear(&c);
	elm__pool_free(pool);
}

/* A grid says what a block decodes to, and stored codes are the ones that decode so. */
static void grids(void **state)
{
	float x[COLS], decoded[COLS], again[COLS];
	uint8_t codes[COLS], blocks[1024];

	for (int type = 0; type < ELM_TYPE_LIMIT; type++) {
		const elm_type_info *info = elm_type_get((uint32_t)type);
		elm__grid grid;

		if (!info || info->block_elements == 1)
			continue;
		for (int i = 0; i < COLS; i++)
			x[i] = noise();
		assert_int_equal(elm__quantize_row((elm_type)type, x, NULL, blocks,
						   info->block_elements),
				 ELM_OK);
		assert_true(elm__grid_load((elm_type)type, blocks, &grid));
		elm__dequant_ref[type](blocks, decoded, info->block_elements);
		for (uint32_t i = 0; i < info->block_elements; i++) {
			float value;

			codes[i] = elm__grid_code(&grid, (int)i, decoded[i], &value);
			assert_true(value == decoded[i]);
		}
		for (uint32_t i = 0; i < info->block_elements; i++)
			codes[i] = codes[i] ? (uint8_t)(codes[i] - 1) : codes[i];
		elm__codes_store((elm_type)type, codes, blocks);
		elm__dequant_ref[type](blocks, again, info->block_elements);
		for (uint32_t i = 0; i < info->block_elements; i++)
			assert_true(again[i] ==
				    grid.scale[i] * elm__fit_level(&grid.levels, codes[i]) +
					    grid.offset[i]);
	}
	assert_false(elm__grid_load(ELM_TYPE_F16, x, &(elm__grid){ .scale = { 0 } }));
}

/* Every stored scale comes back, leaves the others alone, and gives the line that is decoded. */
static void scales(void **state)
{
	for (int type = 0; type < ELM_TYPE_LIMIT; type++) {
		const elm__scale_facts *facts = elm__scale_facts_of((elm_type)type);
		uint8_t block[1024], codes[COLS] = { 0 };
		elm__scale set[16];
		float decoded[COLS];
		int n, subs;

		if (!facts)
			continue;
		n = elm_type_get((uint32_t)type)->block_elements;
		subs = n / facts->sub;
		memset(block, 0xff, sizeof(block));
		if (facts->scale_hi) /* the factors of the block */
			memcpy(block + facts->factor, (uint16_t[]){ 0x3800, 0x3c00 },
			       facts->offset ? 4 : 2);
		for (int j = 0; j < subs; j++) {
			uint64_t bits = elm__random_u64(&dice);

			set[j].scale = facts->scale_hi ?
					       facts->scale_lo +
						       (int)(bits % (unsigned)(facts->scale_hi + 1 -
									       facts->scale_lo)) :
					       0x3000 + (int)(bits % 1000);
			set[j].minimum = !facts->offset	 ? 0 :
					 facts->scale_hi ? (int)(bits >> 40) % facts->scale_hi :
							   0xb000 + (int)(bits >> 40) % 1000;
			elm__scale_set((elm_type)type, block, j, set[j]);
		}
		elm__codes_store((elm_type)type, codes, block);
		elm__dequant_ref[type](block, decoded, (size_t)n);
		for (int j = 0; j < subs; j++) {
			elm__scale got = elm__scale_get((elm_type)type, block, j);
			elm__line line = elm__scale_line(facts, block, got);
			elm__levels levels = elm__levels_of(facts);

			assert_int_equal(got.scale, set[j].scale);
			assert_int_equal(got.minimum, set[j].minimum);
			assert_true(decoded[j * facts->sub] ==
				    line.scale * levels.lo + line.offset);
		}
	}
	assert_null(elm__scale_facts_of(ELM_TYPE_F16));
}

static double cost(const float *weights, size_t rows, elm_type type, const uint8_t *blocks,
		   size_t row_bytes, const elm__channels *c)
{
	double sum = 0;

	for (size_t r = 0; r < rows; r++) {
		float e[COLS];

		elm__dequant_ref[type](blocks + r * row_bytes, e, COLS);
		for (size_t i = 0; i < COLS; i++)
			e[i] -= weights[r * COLS + i];
		for (size_t i = 0; i < COLS; i++)
			for (size_t j = 0; j < COLS; j++)
				sum += (double)e[i] * (double)e[j] *
				       (double)c->products[i * COLS + j];
	}
	return sum;
}

/* For every type: far better than rounding where inputs are correlated, and the figures are those
 * of the definition. */
static void errors_fed_back(void **state)
{
	float *weights = malloc(ROWS * COLS * sizeof(float));
	float *scratch = malloc(COLS * COLS * sizeof(float)),
	      *u = malloc(COLS * COLS * sizeof(float));
	elm__channels c;
	elm__pool *pool;

	assert_int_equal(elm__pool_create(2, NULL, &pool, NULL), ELM_OK);
	fill(&c, COLS, SAMPLES);
	for (size_t i = 0; i < ROWS * COLS; i++)
		weights[i] = noise();
	assert_true(elm__inverse_factor(pool, c.products, COLS, 0.01, scratch, u));
	for (int type = 0; type < ELM_TYPE_LIMIT; type++) {
		const elm_type_info *info = elm_type_get((uint32_t)type);
		uint8_t blocks[ROWS * COLS * 2], rounded[ROWS * COLS * 2];
		size_t row_bytes;
		elm__gptq_result result;

		if (!info || info->block_elements == 1)
			continue;
		row_bytes = COLS / info->block_elements * info->block_bytes;
		assert_int_equal(elm__gptq_encode(pool, &multiplier, (elm_type)type, weights, ROWS,
						  &c, u, blocks, &result, NULL),
				 ELM_OK);
		for (size_t r = 0; r < ROWS; r++)
			assert_int_equal(elm__quantize_row((elm_type)type, weights + r * COLS,
							   c.square, rounded + r * row_bytes, COLS),
					 ELM_OK);
		assert_float_equal(result.error / cost(weights, ROWS, (elm_type)type, blocks,
						       row_bytes, &c),
				   1, 1e-3);
		assert_float_equal(result.rounded / cost(weights, ROWS, (elm_type)type, rounded,
							 row_bytes, &c),
				   1, 1e-3);
		assert_true(result.error < 0.8 * result.rounded);
		assert_true(result.rows > ROWS / 2);
	}
	weights[7] = NAN;
	{
		uint8_t blocks[ROWS * COLS * 2];
		elm__gptq_result result;
		elm_error error = { 0 };

		assert_true(elm__gptq_encode(pool, &multiplier, ELM_TYPE_Q4_0, weights, ROWS, &c, u,
					     blocks, &result, &error) != ELM_OK);
		assert_contains(error.text, "not a number");
	}
	free(weights);
	free(scratch);
	free(u);
	clear(&c);
	elm__pool_free(pool);
}

/* For every type: the outputs are nearer with scales chosen for them, and the figures are those of
 * the definition. */
static void clipped(void **state)
{
	enum { ODD_ROWS = 2 * ROWS + 1 }; /* no multiple of what is computed together */
	float *weights = malloc(ODD_ROWS * COLS * sizeof(float));
	uint8_t *blocks = malloc(ODD_ROWS * COLS * 2), *rounded = malloc(ODD_ROWS * COLS * 2);
	elm__clip_result result;
	elm_error error = { 0 };
	elm__channels c;
	elm__pool *pool;

	assert_int_equal(elm__pool_create(2, NULL, &pool, NULL), ELM_OK);
	fill(&c, COLS, SAMPLES);
	for (size_t i = 0; i < ODD_ROWS * COLS; i++)
		weights[i] = noise();
	for (int type = 0; type < ELM_TYPE_LIMIT; type++) {
		const elm_type_info *info = elm_type_get((uint32_t)type);
		size_t row_bytes;
		double is = 0, was = 0;

		if (!elm__scale_facts_of((elm_type)type))
			continue;
		row_bytes = COLS / info->block_elements * info->block_bytes;
		assert_int_equal(elm__clip_encode(pool, &multiplier, (elm_type)type, weights,
						  ODD_ROWS, &c, blocks, &result, NULL),
				 ELM_OK);
		for (size_t r = 0; r < ODD_ROWS; r++) {
			assert_int_equal(elm__quantize_row((elm_type)type, weights + r * COLS,
							   c.square, rounded + r * row_bytes, COLS),
					 ELM_OK);
			is += cost(weights + r * COLS, 1, (elm_type)type, blocks + r * row_bytes,
				   row_bytes, &c);
			was += cost(weights + r * COLS, 1, (elm_type)type, rounded + r * row_bytes,
				    row_bytes, &c);
		}
		assert_float_equal(result.error / is, 1, 1e-3);
		assert_float_equal(result.rounded / was, 1, 1e-3);
		assert_true(is < 0.9 * was);
	}
	weights[7] = NAN;
	assert_true(elm__clip_encode(pool, &multiplier, ELM_TYPE_Q4_0, weights, ROWS, &c, blocks,
				     &result, &error) != ELM_OK);
	assert_contains(error.text, "not a number");
	free(weights);
	free(blocks);
	free(rounded);
	clear(&c);
	elm__pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(factors),	   cmocka_unit_test(grids),
		cmocka_unit_test(errors_fed_back), cmocka_unit_test(scales),
		cmocka_unit_test(clipped),
	};

	int failed;

	elm__random_seed(&dice, 11);
	elm__kernels_init(&kernels, 0);
	if (elm__multiplier_init(&multiplier, &kernels, ELM__POOL_MAX, NULL))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	elm__multiplier_release(&multiplier);
	return failed;
}
