/* Reconstruction: the optimum, held against a plain solution in double precision; Hessians that
 * cannot be solved. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "compress/reconstruct.h"

static elm__random dice;

enum { COLS = 24, KEPT = 15, ROWS = 9, SAMPLES = 300 };

/* a x = b for symmetric positive definite a (n x n), in place, without pivots. */
static void solve_plainly(double *a, double *b, size_t n)
{
	for (size_t k = 0; k < n; k++)
		for (size_t i = k + 1; i < n; i++) {
			double factor = a[i * n + k] / a[k * n + k];

			for (size_t j = k; j < n; j++)
				a[i * n + j] -= factor * a[k * n + j];
			b[i] -= factor * b[k];
		}
	for (size_t k = n; k-- > 0;) {
		for (size_t j = k + 1; j < n; j++)
			b[k] -= a[k * n + j] * b[j];
		b[k] /= a[k * n + k];
	}
}

static void reconstruction_is_the_optimum(void **state)
{
	float x[SAMPLES][COLS], products[COLS * COLS] = { 0 }, square[COLS] = { 0 };
	float weights[ROWS * COLS], out[ROWS * KEPT], again[ROWS * KEPT];
	elm__channels c = { .cols = COLS, .products = products, .square = square };
	uint32_t kept[KEPT], gone[COLS - KEPT];
	elm__reconstruction r, r1;
	elm__multiplier multiplier;
	elm__kernels kernels;
	double trace = 0, bare = 0, error = 0;
	elm__pool *pool, *one;

	(void)state;
	for (uint32_t i = 0, k = 0, g = 0; i < COLS; i++)
		if (i % 8 < 5)
			kept[k++] = i;
		else
			gone[g++] = i;
	for (int t = 0; t < SAMPLES; t++)
		for (int i = 0; i < COLS; i++) /* correlated; channel 3 is never used */
			x[t][i] = i == 3 ? 0 :
					   (i ? 0.7f * x[t][i - 1] : 0) +
						   (float)elm__random_unit(&dice) - 0.3f;
	for (int i = 0; i < ROWS * COLS; i++)
		weights[i] = (float)elm__random_unit(&dice) - 0.5f;
	elm__kernels_init(&kernels, 0);
	assert_int_equal(elm__multiplier_init(&multiplier, &kernels, 1, NULL), ELM_OK);
	elm__channels_add(&c, &multiplier, x[0], COLS, SAMPLES, 0, 1);
	elm__channels_mirror(&c);
	elm__multiplier_release(&multiplier);
	assert_int_equal(elm__pool_create(3, NULL, &pool, NULL), ELM_OK);
	assert_int_equal(elm__pool_create(1, NULL, &one, NULL), ELM_OK);
	assert_int_equal(elm__reconstruct(pool, &c, weights, ROWS, kept, KEPT, out, &r, NULL),
			 ELM_OK);
	assert_int_equal(elm__reconstruct(one, &c, weights, ROWS, kept, KEPT, again, &r1, NULL),
			 ELM_OK);
	assert_memory_equal(out, again, sizeof(out));
	assert_true(r.solved);
	for (int k = 0; k < KEPT; k++)
		trace += (double)products[kept[k] * COLS + kept[k]];
	for (int row = 0; row < ROWS; row++) {
		double a[KEPT * KEPT], b[KEPT];
		const float *w = weights + row * COLS;

		/* (H[K,K] + d I) w' = H[K,:] w + d w_K */
		for (int i = 0; i < KEPT; i++) {
			double damping = 1e-3 * trace / KEPT;

			b[i] = damping * (double)w[kept[i]];
			for (int k = 0; k < COLS; k++)
				b[i] += (double)products[kept[i] * COLS + k] * (double)w[k];
			for (int k = 0; k < KEPT; k++)
				a[i * KEPT + k] = (double)products[kept[i] * COLS + kept[k]] +
						  (i == k ? damping : 0);
		}
		solve_plainly(a, b, KEPT);
		for (int i = 0; i < KEPT; i++)
			assert_float_equal(out[row * KEPT + i], b[i], 2e-3);
		assert_float_equal(out[row * KEPT + 3], w[3], 1e-6);
		for (int t = 0; t < SAMPLES; t++) {
			double plain = 0, repaired = 0;

			for (int i = 0; i < COLS - KEPT; i++)
				plain += (double)w[gone[i]] * (double)x[t][gone[i]];
			for (int i = 0; i < KEPT; i++)
				repaired += (double)(w[kept[i]] - out[row * KEPT + i]) *
					    (double)x[t][kept[i]];
			bare += plain * plain;
			error += (plain + repaired) * (plain + repaired);
		}
	}
	assert_float_equal(r.bare / bare, 1, 1e-3);
	assert_float_equal(r.error / error, 1, 1e-2);
	assert_true(error < 0.5 * bare);
	elm__pool_free(pool);
	elm__pool_free(one);
}

static void hessians_that_say_nothing(void **state)
{
	float products[COLS * COLS] = { 0 }, weights[COLS], out[KEPT];
	elm__channels c = { .cols = COLS, .products = products };
	uint32_t kept[KEPT];
	elm__reconstruction r;
	elm__pool *pool;

	(void)state;
	assert_int_equal(elm__pool_create(2, NULL, &pool, NULL), ELM_OK);
	for (uint32_t i = 0; i < COLS; i++)
		weights[i] = (float)i;
	for (uint32_t i = 0; i < KEPT; i++)
		kept[i] = i + 4;
	/* No input was ever anything but zero. */
	assert_int_equal(elm__reconstruct(pool, &c, weights, 1, kept, KEPT, out, &r, NULL), ELM_OK);
	for (uint32_t i = 0; i < KEPT; i++)
		assert_float_equal(out[i], i + 4, 0);
	assert_float_equal(r.bare, 0, 0);
	/* One that is not positive definite, whatever is added. */
	for (uint32_t i = 0; i < COLS; i++)
		for (uint32_t k = 0; k < COLS; k++)
			products[i * COLS + k] = i == k ? 1 : 50;
	assert_int_equal(elm__reconstruct(pool, &c, weights, 1, kept, KEPT, out, &r, NULL), ELM_OK);
	assert_false(r.solved);
	for (uint32_t i = 0; i < KEPT; i++)
		assert_float_equal(out[i], i + 4, 0);
	elm__pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reconstruction_is_the_optimum),
		cmocka_unit_test(hessians_that_say_nothing),
	};

	elm__random_seed(&dice, 78);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
