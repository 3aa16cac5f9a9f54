/*
 * Matrix products, the plain way: a row of weights is turned into floats once and multiplied with
 * every row of inputs. Sixteen partial sums keep rounding errors small and let a compiler use
 * whatever vectors it has.
 */
#include <math.h>

#include "kernel/ref/ref.h"
#include "quant/quant.h"

enum { LANES = 16 };

static float dot(const float *a, const float *b, size_t n)
{
	float sum[LANES] = { 0 }, total = 0;
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (size_t j = 0; j < LANES; j++)
			sum[j] += a[i + j] * b[i + j];
	for (; i < n; i++)
		total += a[i] * b[i];
	for (size_t width = LANES / 2; width; width /= 2)
		for (size_t j = 0; j < width; j++)
			sum[j] += sum[j + width];
	return total + sum[0];
}

static void dequantize(elm_type type, const void *blocks, float *out, size_t elements)
{
	/* Types and sizes were checked when the model was loaded. */
	if (elm__dequantize_row(type, blocks, out, elements) != ELM_OK)
		for (size_t i = 0; i < elements; i++)
			out[i] = NAN;
}

static void matmul(const elm__matrix *w, const elm__activations *x, float *y, size_t y_stride,
		   size_t row0, size_t row1, void *scratch)
{
	for (size_t r = row0; r < row1; r++) {
		const void *row = (const char *)w->data + r * w->row_bytes;
		const float *weights = scratch;

		if (w->type == ELM_TYPE_F32)
			weights = row;
		else
			dequantize(w->type, row, scratch, w->cols);
		for (size_t i = 0; i < x->rows; i++)
			y[i * y_stride + r] = dot(weights, x->f32 + i * x->f32_stride, w->cols);
	}
}

static size_t matmul_scratch(size_t max_m, size_t max_cols)
{
	return max_cols * sizeof(float);
}

static bool packs(elm_type type)
{
	return false;
}

static unsigned forms(const elm__matrix *matrix, size_t m)
{
	return ELM__FORM_F32;
}

static size_t bf16_bytes(size_t m, size_t cols)
{
	return 0;
}

void elm__ref_quantize_q8(const float *x, size_t cols, int8_t *q8, float *scale, float *sum)
{
	size_t blocks = (cols + ELM__Q8_BLOCK - 1) / ELM__Q8_BLOCK;

	for (size_t b = 0; b < blocks; b++) {
		size_t begin = b * ELM__Q8_BLOCK;
		size_t n = cols - begin < ELM__Q8_BLOCK ? cols - begin : ELM__Q8_BLOCK;
		float largest = 0, inverse;
		int half[2] = { 0 };

		for (size_t i = 0; i < n; i++)
			largest = fmaxf(largest, fabsf(x[begin + i]));
		scale[b] = largest / 127.0f;
		inverse = largest > 0 ? 127.0f / largest : 0;
		for (size_t i = 0; i < ELM__Q8_BLOCK; i++) {
			int q = i < n ? (int)rintf(x[begin + i] * inverse) : 0;

			q8[begin + i] = (int8_t)q;
			half[i / (ELM__Q8_BLOCK / 2)] += q;
		}
		sum[2 * b] = scale[b] * (float)half[0];
		sum[2 * b + 1] = scale[b] * (float)half[1];
	}
}

static void prepare(elm__activations *x, unsigned form, size_t row0, size_t row1)
{
	if (form != ELM__FORM_Q8)
		return; /* F32 is always there; this tier asks for no other form */
	for (size_t i = row0; i < row1; i++)
		elm__ref_quantize_q8(x->f32 + i * x->f32_stride, x->cols, x->q8 + i * x->q8_stride,
				     x->q8_scale + i * x->q8_blocks,
				     x->q8_sum + i * x->q8_blocks * 2);
}

void elm__ref_matmul_init(elm__kernels *table)
{
	table->packs = packs;
	table->forms = forms;
	table->bf16_bytes = bf16_bytes;
	table->prepare = prepare;
	table->matmul = matmul;
	table->matmul_scratch = matmul_scratch;
	table->dequantize = dequantize;
}
