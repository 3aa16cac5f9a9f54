/* Element-wise operations, normalisation, rotation and what sampling needs. */
#include <math.h>

#include "kernel/ref/ref.h"

static void rms_norm(const float *x, const float *weight, float epsilon, float *out, size_t n)
{
	double sum = 0;
	float factor;

	for (size_t i = 0; i < n; i++)
		sum += (double)x[i] * (double)x[i];
	factor = (float)(1.0 / sqrt(sum / (double)n + (double)epsilon));
	for (size_t i = 0; i < n; i++)
		out[i] = x[i] * factor * (weight ? weight[i] : 1.0f);
}

static void add(float *x, const float *y, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] += y[i];
}

static void scale(float *x, float factor, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] *= factor;
}

static void softcap(float *x, float cap, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = cap * tanhf(x[i] / cap);
}

static void silu_mul(float *gate, const float *up, size_t n)
{
	for (size_t i = 0; i < n; i++)
		gate[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
}

/* Hendrycks and Gimpel, "Gaussian Error Linear Units", the tanh approximation. */
static void gelu_mul(float *gate, const float *up, size_t n)
{
	const float root_2_over_pi = 0.79788456080286535588f;

	for (size_t i = 0; i < n; i++) {
		float x = gate[i];
		float inner = root_2_over_pi * x * (1.0f + 0.044715f * x * x);

		gate[i] = 0.5f * x * (1.0f + tanhf(inner)) * up[i];
	}
}

static void rotate(float *a, float *b, float cosine, float sine)
{
	float x = *a, y = *b;

	*a = x * cosine - y * sine;
	*b = x * sine + y * cosine;
}

static void rope_interleaved(float *head, const float *cosine, const float *sine, size_t rotated)
{
	for (size_t i = 0; i < rotated / 2; i++)
		rotate(&head[2 * i], &head[2 * i + 1], cosine[i], sine[i]);
}

static void rope_split(float *head, const float *cosine, const float *sine, size_t rotated)
{
	for (size_t i = 0; i < rotated / 2; i++)
		rotate(&head[i], &head[i + rotated / 2], cosine[i], sine[i]);
}

static size_t argmax(const float *x, size_t n)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++)
		if (x[i] > x[best])
			best = i;
	return best;
}

static float max(const float *x, size_t n)
{
	return x[argmax(x, n)];
}

static float exp_sum(const float *x, float largest, float factor, float *out, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		out[i] = expf((x[i] - largest) * factor);
		sum += (double)out[i];
	}
	return (float)sum;
}

void elm__ref_vector_init(elm__kernels *table)
{
	table->rms_norm = rms_norm;
	table->add = add;
	table->scale = scale;
	table->softcap = softcap;
	table->silu_mul = silu_mul;
	table->gelu_mul = gelu_mul;
	table->rope_interleaved = rope_interleaved;
	table->rope_split = rope_split;
	table->argmax = argmax;
	table->max = max;
	table->exp_sum = exp_sum;
}
