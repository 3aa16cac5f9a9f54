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

/* One block of one row: the two planes of n <= 32 inputs. Returns the scale: with one plane, the
 * one that fits the rounded inputs best (least squares), which takes a thirtieth off the error. */
static float quantize_block(const float *x, size_t n, bool one_plane, int q[ELM__Q8_BLOCK],
			    int low[ELM__Q8_BLOCK])
{
	float largest = 0, inverse, product = 0, square = 0;
	bool finite = true;

	for (size_t i = 0; i < ELM__Q8_BLOCK; i++)
		q[i] = low[i] = 0;
	for (size_t i = 0; i < n; i++) {
		finite = finite && isfinite(x[i]);
		largest = fmaxf(largest, fabsf(x[i]));
	}
	if (!finite)
		return NAN;
	if (largest < ELM__Q8_TINY)
		return 0;
	inverse = 127.0f / largest;
	for (size_t i = 0; i < n; i++) {
		float scaled = x[i] * inverse, rest;

		q[i] = (int)rintf(scaled);
		rest = (scaled - (float)q[i]) * 256.0f;
		low[i] = (int)rintf(fmaxf(-127.0f, fminf(127.0f, rest)));
		product += scaled * (float)q[i];
		square += (float)(q[i] * q[i]);
	}
	return largest / 127.0f * (one_plane ? product / square : 1);
}

void elm__ref_quantize(elm__activations *x, unsigned form, size_t block, size_t row)
{
	size_t k = block * elm__q8_rows(x->rows) + row, begin = block * ELM__Q8_BLOCK;
	size_t n = x->cols - begin < ELM__Q8_BLOCK ? x->cols - begin : ELM__Q8_BLOCK;
	int q[ELM__Q8_BLOCK], low[ELM__Q8_BLOCK], sum[2] = { 0 }, low_sum[2] = { 0 };

	if (row >= x->rows)
		n = 0;
	x->q8_scale[k] = quantize_block(n ? x->f32 + row * x->f32_stride + begin : NULL, n,
					form == ELM__FORM_Q8, q, low);
	for (size_t i = 0; i < ELM__Q8_BLOCK; i++) {
		x->q8[k * ELM__Q8_BLOCK + i] = (int8_t)q[i];
		sum[i / 16] += q[i];
		low_sum[i / 16] += low[i];
	}
	for (size_t h = 0; h < 2; h++)
		x->q8_sum[2 * k + h] = (float)sum[h];
	if (form != ELM__FORM_Q16)
		return;
	for (size_t i = 0; i < ELM__Q8_BLOCK; i++)
		x->q8_low[k * ELM__Q8_BLOCK + i] = (int8_t)low[i];
	for (size_t h = 0; h < 2; h++)
		x->q8_low_sum[2 * k + h] = (float)low_sum[h];
}

static void prepare(elm__activations *x, unsigned form, size_t row0, size_t row1)
{
	if (form != ELM__FORM_Q8 && form != ELM__FORM_Q16)
		return; /* F32 is always there; this tier asks for no other form */
	if (row1 == x->rows)
		row1 = elm__q8_rows(x->rows);
	for (size_t block = 0; block < elm__q8_blocks(x->cols); block++)
		for (size_t i = row0; i < row1; i++)
			elm__ref_quantize(x, form, block, i);
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
