/* What only training needs: products of plain matrices, derivatives, the optimiser. */
#include <math.h>

#include "kernel/ref/ref.h"

static void gemm(const elm__gemm *g, void *scratch)
{
	for (size_t i = 0; i < g->m; i++)
		for (size_t j = 0; j < g->n; j++) {
			float *c = &g->c[i * g->c_row + j];
			double sum = g->add ? (double)*c : 0;

			for (size_t k = 0; k < g->k; k++)
				sum += (double)g->a[i * g->a_row + k * g->a_col] *
				       (double)g->b[k * g->b_row + j * g->b_col];
			*c = (float)sum;
		}
}

static size_t gemm_scratch(void)
{
	return 0;
}

static float dot(const float *x, const float *y, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)x[i] * (double)y[i];
	return (float)sum;
}

static void rms_norm_grad(const float *x, const float *weight, float epsilon, const float *d,
			  float *dx, float *dweight, size_t n)
{
	double squares = 0, products = 0;
	float f, back;

	for (size_t i = 0; i < n; i++) {
		squares += (double)x[i] * (double)x[i];
		products += (double)x[i] * (double)weight[i] * (double)d[i];
	}
	f = (float)(1.0 / sqrt(squares / (double)n + (double)epsilon));
	back = (float)(products / (double)n) * f * f * f;
	for (size_t i = 0; i < n; i++) {
		dx[i] += f * weight[i] * d[i] - x[i] * back;
		dweight[i] += d[i] * x[i] * f;
	}
}

static void silu_mul_grad(float *gate, float *up, const float *d, float *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float g = gate[i], u = up[i], s = 1.0f / (1.0f + expf(-g)), silu = g * s;

		out[i] = silu * u;
		gate[i] = d[i] * u * (s + silu * (1.0f - s));
		up[i] = d[i] * silu;
	}
}

static void softmax_grad(float *p, const float *d, float mean, float factor, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] *= (d[i] - mean) * factor;
}

static void adamw(const elm__adamw *how, float *w, const float *gradient, float *m, float *v,
		  size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float g = gradient[i] * how->scale, size;

		m[i] = how->beta1 * m[i] + (1 - how->beta1) * g;
		v[i] = how->beta2 * v[i] + (1 - how->beta2) * g * g;
		size = sqrtf(v[i] * how->unbias2) + how->epsilon;
		w[i] -= how->rate * (m[i] * how->unbias1 / size + how->decay * w[i]);
	}
}

void elm__ref_training_init(elm__kernels *table)
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
