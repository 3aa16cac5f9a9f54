/*
 * training.h: the operations that only training needs, for the vectors of one tier: include its
 * vec_*.h and vector.h first.
 */
#ifndef ELM_KERNEL_SIMD_TRAINING_H
#define ELM_KERNEL_SIMD_TRAINING_H

#include "kernel/simd/gemm.h"

static float dot(const float *x, const float *y, size_t n)
{
	vf sum[4] = { vf_set(0), vf_set(0), vf_set(0), vf_set(0) };
	size_t i = 0;

	for (; i + (size_t)4 * LANES <= n; i += (size_t)4 * LANES)
		for (size_t j = 0; j < 4; j++)
			sum[j] = vf_fma(vf_load(x + i + j * LANES), vf_load(y + i + j * LANES),
					sum[j]);
	for (; i < n; i += LANES)
		sum[0] = vf_fma(vf_get(x + i, n - i), vf_get(y + i, n - i), sum[0]);
	return vf_sum(vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3])));
}

/* With f = 1 / sqrt(mean(x^2) + epsilon), the output is x f w and the derivative with respect to x
 * f w d - x f^3 / n * sum of x w d. */
static void rms_norm_grad(const float *x, const float *weight, float epsilon, const float *d,
			  float *dx, float *dweight, size_t n)
{
	vf squares = vf_set(0), weighted = vf_set(0), factor, back;
	float f;

	for (size_t i = 0; i < n; i += LANES) {
		vf value = vf_get(x + i, n - i);
		vf wd = vf_mul(vf_get(weight + i, n - i), vf_get(d + i, n - i));

		squares = vf_fma(value, value, squares);
		weighted = vf_fma(value, wd, weighted);
	}
	f = 1.0f / sqrtf(vf_sum(squares) / (float)n + epsilon);
	factor = vf_set(f);
	back = vf_set(-f * f * f * vf_sum(weighted) / (float)n);
	for (size_t i = 0; i < n; i += LANES) {
		vf value = vf_get(x + i, n - i), slope = vf_mul(vf_get(d + i, n - i), factor);
		vf sum = vf_fma(slope, vf_get(weight + i, n - i), vf_get(dx + i, n - i));

		vf_put(dx + i, vf_fma(value, back, sum), n - i);
		vf_put(dweight + i, vf_fma(slope, value, vf_get(dweight + i, n - i)), n - i);
	}
}

/* With s = 1 / (1 + e^-g): out = g s u, dg = d u s (1 + g (1 - s)), du = d g s. */
static void silu_mul_grad(float *gate, float *up, const float *d, float *out, size_t n)
{
	for (size_t i = 0; i < n; i += LANES) {
		vf g = vf_get(gate + i, n - i), u = vf_get(up + i, n - i), s = gated(vf_set(1), g);
		vf silu = vf_mul(g, s), slope = vf_get(d + i, n - i);

		vf_put(out + i, vf_mul(silu, u), n - i);
		vf_put(up + i, vf_mul(slope, silu), n - i);
		slope = vf_mul(slope, u);
		/* s (1 + g - silu), so that no infinity meets a zero */
		s = vf_fma(silu, vf_sub(vf_set(1), s), s);
		vf_put(gate + i, vf_mul(slope, s), n - i);
	}
}

static void softmax_grad(float *p, const float *d, float mean, float factor, size_t n)
{
	for (size_t i = 0; i < n; i += LANES) {
		vf slope = vf_mul(vf_sub(vf_get(d + i, n - i), vf_set(mean)), vf_set(factor));

		vf_put(p + i, vf_mul(vf_get(p + i, n - i), slope), n - i);
	}
}

static void adamw(const elm__adamw *how, float *w, const float *gradient, float *m, float *v,
		  size_t n)
{
	const vf beta1 = vf_set(how->beta1), rest1 = vf_set(1 - how->beta1);
	const vf beta2 = vf_set(how->beta2), rest2 = vf_set(1 - how->beta2);
	const vf keep = vf_set(1 - how->rate * how->decay);
	const vf rate = vf_set(how->rate * how->unbias1), unbias2 = vf_set(how->unbias2);

	for (size_t i = 0; i < n; i += LANES) {
		vf g = vf_mul(vf_get(gradient + i, n - i), vf_set(how->scale));
		vf mean = vf_fma(beta1, vf_get(m + i, n - i), vf_mul(rest1, g));
		vf square = vf_fma(beta2, vf_get(v + i, n - i), vf_mul(rest2, vf_mul(g, g)));
		vf size = vf_add(vf_sqrt(vf_mul(square, unbias2)), vf_set(how->epsilon));
		vf change = vf_div(vf_mul(rate, mean), size);

		vf_put(m + i, mean, n - i);
		vf_put(v + i, square, n - i);
		vf_put(w + i, vf_sub(vf_mul(vf_get(w + i, n - i), keep), change), n - i);
	}
}

static void training_init(elm__kernels *table)
{
	table->gemm = gemm;
	table->gemm_bf16 = gemm;
	table->gemm_scratch = gemm_scratch;
	table->dot = dot;
	table->rms_norm_grad = rms_norm_grad;
	table->silu_mul_grad = silu_mul_grad;
	table->softmax_grad = softmax_grad;
	table->adamw = adamw;
}

#endif
