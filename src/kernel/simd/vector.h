/*
 * vector.h: element-wise operations, normalisation, rotation, rounding of inputs, the KV cache and
 * sampling, for the vectors of one tier (include its vec_*.h first).
 */
#ifndef ELM_KERNEL_SIMD_VECTOR_H
#define ELM_KERNEL_SIMD_VECTOR_H

#include <math.h>
#include <string.h>

#include "kernel/kv.h"
#include "kernel/ref/ref.h"
#include "quant/blocks.h"
#include "quant/half.h"

/* n >= 1 floats, or a whole vector where there are more; missing ones are 0. */
INLINE vf vf_get(const float *from, size_t n)
{
	return n >= LANES ? vf_load(from) : vf_load_part(from, n);
}

INLINE void vf_put(float *to, vf a, size_t n)
{
	if (n >= LANES)
		vf_store(to, a);
	else
		vf_store_part(to, a, n);
}

/*
 * e^x, at most 2 units in the last place off (3 without fused operations), with subnormal results;
 * NaN stays NaN. x = n ln 2 + r, |r| <= ln 2 / 2; ln 2 is in two parts, the first short enough for
 * an exact product with n; e^r by its Taylor series to the 7th power, which is 5e-9 off at most;
 * 2^n in two factors because it may be out of range where the result is not.
 */
INLINE vf vf_exp(vf x)
{
	const vf magic = vf_set(0x1.8p23f);
	vf shifted, n, r, p;
	vi power, half;

	x = vf_min(vf_set(89.0f), vf_max(vf_set(-104.0f), x));
	shifted = vf_fma(x, vf_set(1.44269504f), magic);
	n = vf_sub(shifted, magic);
	r = vf_fma(n, vf_set(-0x1.62e4p-1f), x);
	r = vf_fma(n, vf_set(-1.42860682e-6f), r);
	p = vf_fma(r, vf_set(1.0f / 5040), vf_set(1.0f / 720));
	p = vf_fma(p, r, vf_set(1.0f / 120));
	p = vf_fma(p, r, vf_set(1.0f / 24));
	p = vf_fma(p, r, vf_set(1.0f / 6));
	p = vf_fma(p, r, vf_set(0.5f));
	p = vf_fma(p, r, vf_set(1));
	p = vf_fma(p, r, vf_set(1));
	power = vi_sub32(vi_from_bits(shifted), vi_from_bits(magic));
	half = vi_halve32(power);
	p = vf_mul(p, vf_from_bits(vi_left32(vi_add32(half, vi_set32(127)), 23)));
	half = vi_sub32(power, half);
	return vf_mul(p, vf_from_bits(vi_left32(vi_add32(half, vi_set32(127)), 23)));
}

/*
 * tanh x, at most 4 units in the last place off. Below 1 the seventh convergent of Lambert's
 * continued fraction, x (135135 + 17325 x^2 + 378 x^4 + x^6) / (135135 + 62370 x^2 + 3150 x^4 +
 * 28 x^6); above (e^2x - 1) / (e^2x + 1), which is 1 from 10 on.
 */
INLINE vf vf_tanh(vf x)
{
	vf size = vf_abs(x), square = vf_mul(x, x), top, bottom, e;

	e = vf_exp(vf_mul(vf_min(vf_set(10), size), vf_set(2)));
	top = vf_fma(vf_add(square, vf_set(378)), square, vf_set(17325));
	top = vf_mul(vf_fma(top, square, vf_set(135135)), size);
	bottom = vf_fma(vf_fma(square, vf_set(28), vf_set(3150)), square, vf_set(62370));
	bottom = vf_fma(bottom, square, vf_set(135135));
	top = vf_where_less(size, vf_set(1), top, vf_sub(e, vf_set(1)));
	bottom = vf_where_less(size, vf_set(1), bottom, vf_add(e, vf_set(1)));
	return vf_copy_sign(vf_div(top, bottom), x);
}

static void add(float *x, const float *y, size_t n)
{
	for (size_t i = 0; i < n; i += LANES)
		vf_put(x + i, vf_add(vf_get(x + i, n - i), vf_get(y + i, n - i)), n - i);
}

static void scale(float *x, float factor, size_t n)
{
	for (size_t i = 0; i < n; i += LANES)
		vf_put(x + i, vf_mul(vf_get(x + i, n - i), vf_set(factor)), n - i);
}

static void softcap(float *x, float cap, size_t n)
{
	for (size_t i = 0; i < n; i += LANES) {
		vf inner = vf_div(vf_get(x + i, n - i), vf_set(cap));

		vf_put(x + i, vf_mul(vf_set(cap), vf_tanh(inner)), n - i);
	}
}

/* x / (1 + e^-z) */
INLINE vf gated(vf x, vf z)
{
	return vf_div(x, vf_add(vf_set(1), vf_exp(vf_sub(vf_set(0), z))));
}

static void silu_mul(float *gate, const float *up, size_t n)
{
	for (size_t i = 0; i < n; i += LANES) {
		vf x = vf_get(gate + i, n - i);

		vf_put(gate + i, vf_mul(gated(x, x), vf_get(up + i, n - i)), n - i);
	}
}

/* x / 2 (1 + tanh z) = x / (1 + e^-2z), which also keeps its bits where the tanh is near -1. */
static void gelu_mul(float *gate, const float *up, size_t n)
{
	const float twice_root_2_over_pi = 1.59576912160573071f;

	for (size_t i = 0; i < n; i += LANES) {
		vf x = vf_get(gate + i, n - i);
		vf cubic = vf_fma(vf_mul(x, vf_set(0.044715f)), x, vf_set(1));
		vf z = vf_mul(vf_mul(x, vf_set(twice_root_2_over_pi)), cubic);

		vf_put(gate + i, vf_mul(gated(x, z), vf_get(up + i, n - i)), n - i);
	}
}

static void rms_norm(const float *x, const float *weight, float epsilon, float *out, size_t n)
{
	vf sum[4] = { vf_set(0), vf_set(0), vf_set(0), vf_set(0) };
	vf factor;
	float mean;
	size_t i = 0;

	for (; i + (size_t)4 * LANES <= n; i += (size_t)4 * LANES)
		for (size_t j = 0; j < 4; j++) {
			vf value = vf_load(x + i + j * LANES);

			sum[j] = vf_fma(value, value, sum[j]);
		}
	for (; i < n; i += LANES) {
		vf value = vf_get(x + i, n - i);

		sum[0] = vf_fma(value, value, sum[0]);
	}
	mean = vf_sum(vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3]))) / (float)n;
	factor = vf_set(1.0f / sqrtf(mean + epsilon));
	for (i = 0; i < n; i += LANES) {
		vf value = vf_mul(vf_get(x + i, n - i), factor);

		if (weight)
			value = vf_mul(value, vf_get(weight + i, n - i));
		vf_put(out + i, value, n - i);
	}
}

static void rope_split(float *head, const float *cosine, const float *sine, size_t rotated)
{
	size_t half = rotated / 2;

	for (size_t i = 0; i < half; i += LANES) {
		vf a = vf_get(head + i, half - i), b = vf_get(head + half + i, half - i);
		vf c = vf_get(cosine + i, half - i), s = vf_get(sine + i, half - i);

		vf_put(head + i, vf_sub(vf_mul(a, c), vf_mul(b, s)), half - i);
		vf_put(head + half + i, vf_fma(a, s, vf_mul(b, c)), half - i);
	}
}

static void rope_interleaved(float *head, const float *cosine, const float *sine, size_t rotated)
{
	size_t i = 0;

	for (; i + LANES <= rotated; i += LANES) {
		vf x = vf_load(head + i);

		vf_store(head + i,
			 vf_rotate(x, vf_load_twice(cosine + i / 2), vf_load_twice(sine + i / 2)));
	}
	for (; i < rotated; i += 2) {
		float a = head[i], b = head[i + 1], c = cosine[i / 2], s = sine[i / 2];

		head[i] = a * c - b * s;
		head[i + 1] = a * s + b * c;
	}
}

/* --- rounding to int8 --- */

enum { VECTORS = ELM__Q8_BLOCK / LANES }; /* in a block */

/* The largest magnitude of a block as bits: of a NaN or infinity, at least those of infinity. */
INLINE uint32_t largest_bits(const vf value[VECTORS])
{
	vi most = vi_from_bits(vf_abs(value[0]));

	for (int j = 1; j < VECTORS; j++)
		most = vi_max_u32(most, vi_from_bits(vf_abs(value[j])));
	return vi_largest_u32(most);
}

/* A whole block of 32 inputs as index k of the Q8 or Q16 form. */
static void quantize_block(elm__activations *x, unsigned form, size_t k, const float *from)
{
	vf value[VECTORS];
	vi sum[2] = { vi_set32(0), vi_set32(0) }, low_sum[2] = { vi_set32(0), vi_set32(0) };
	vf product = vf_set(0), square = vf_set(0);
	uint32_t bits;
	float largest, inverse;

	for (int j = 0; j < VECTORS; j++)
		value[j] = vf_load(from + j * LANES);
	bits = largest_bits(value);
	memcpy(&largest, &bits, sizeof(largest));
	inverse = bits < 0x7f800000 && largest >= ELM__Q8_TINY ? 127.0f / largest : 0;
	x->q8_scale[k] = bits >= 0x7f800000 ? NAN : inverse > 0 ? largest / 127.0f : 0;
	for (int j = 0; j < VECTORS; j++) {
		vf scaled = vf_mul(value[j], vf_set(inverse));
		vi q = bits < 0x7f800000 ? vi_round(scaled) : vi_set32(0);
		int half = j * LANES / 16;

		vi_store8(x->q8 + 32 * k + j * LANES, q);
		sum[half] = vi_add32(sum[half], q);
		product = vf_fma(scaled, vf_from_int(q), product);
		square = vf_fma(vf_from_int(q), vf_from_int(q), square);
		if (form == ELM__FORM_Q16) {
			vf rest = vf_mul(vf_sub(scaled, vf_from_int(q)), vf_set(256));
			vf fits = vf_max(vf_set(-127), vf_min(vf_set(127), rest));
			vi low = bits < 0x7f800000 ? vi_round(fits) : q;

			vi_store8(x->q8_low + 32 * k + j * LANES, low);
			low_sum[half] = vi_add32(low_sum[half], low);
		}
	}
	if (form == ELM__FORM_Q8 && inverse > 0)
		x->q8_scale[k] *= vf_sum(product) / vf_sum(square);
	for (size_t h = 0; h < 2; h++) {
		x->q8_sum[2 * k + h] = vf_sum(vf_from_int(sum[h]));
		if (form == ELM__FORM_Q16)
			x->q8_low_sum[2 * k + h] = vf_sum(vf_from_int(low_sum[h]));
	}
}

static void prepare(elm__activations *x, unsigned form, size_t row0, size_t row1)
{
	size_t stride = elm__q8_rows(x->rows), blocks = elm__q8_blocks(x->cols);
	size_t whole = x->cols / ELM__Q8_BLOCK;

	if (form != ELM__FORM_Q8 && form != ELM__FORM_Q16)
		return;
	for (size_t i = row0; i < row1; i++) {
		const float *from = x->f32 + i * x->f32_stride;

		for (size_t b = 0; b < whole; b++)
			quantize_block(x, form, b * stride + i, from + b * ELM__Q8_BLOCK);
		if (whole < blocks)
			elm__ref_quantize(x, form, whole, i);
	}
	for (size_t i = x->rows; row1 == x->rows && i < stride; i++)
		for (size_t b = 0; b < blocks; b++)
			elm__ref_quantize(x, form, b, i);
}

static void store_halves(uint16_t *to, const float *x, size_t n)
{
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		vf_store_half(to + i, vf_load(x + i));
	for (; i < n; i++)
		to[i] = elm__f32_to_f16(x[i]);
}

static void hadamard(float *x, size_t n)
{
	size_t size = n & (~n + 1);
	float scale = 1 / sqrtf((float)size);

	if (size < LANES) {
		elm__ref_hadamard(x, n);
		return;
	}
	for (size_t i = 0; i < n; i += LANES) {
		vf value = vf_load(x + i);

		for (int distance = 1; distance < LANES; distance *= 2)
			value = vf_butterfly(value, distance);
		vf_store(x + i, value);
	}
	for (size_t distance = LANES; distance < size; distance *= 2)
		for (size_t i = 0; i < n; i += (i + LANES) & distance ? distance + LANES : LANES) {
			vf a = vf_load(x + i), b = vf_load(x + i + distance);

			vf_store(x + i, vf_add(a, b));
			vf_store(x + i + distance, vf_sub(a, b));
		}
	for (size_t i = 0; i < n; i += LANES)
		vf_store(x + i, vf_mul(vf_load(x + i), vf_set(scale)));
}

/* A row of the cache that is made of whole blocks. */
static void store_q8(int8_t *row, uint16_t *scale, const float *x, size_t n)
{
	for (size_t done = 0; done < n; done += ELM__Q8_BLOCK, scale += ELM__KV_BLOCK) {
		vf value[VECTORS];
		uint32_t bits;
		float largest, inverse;

		for (int j = 0; j < VECTORS; j++)
			value[j] = vf_load(x + done + j * LANES);
		bits = largest_bits(value);
		memcpy(&largest, &bits, sizeof(largest));
		inverse = largest > 0 ? 127.0f / largest : 0;
		*scale = elm__f32_to_f16(largest / 127.0f);
		for (int j = 0; j < VECTORS; j++)
			vi_store8(row + done + j * LANES,
				  vi_round(vf_mul(value[j], vf_set(inverse))));
	}
}

/* The code of the level that is nearest to each of LANES values, as in ref/attention.c. */
INLINE vf nearest_level(vf value)
{
	static const int8_t levels[16] = ELM__IQ4_LEVELS;
	vf code = vf_set(0);

	for (int i = 0; i < 15; i++) {
		vf between = vf_set((float)(levels[i] + levels[i + 1]) / 2);

		code = vf_add(code, vf_where_less(between, value, vf_set(1), vf_set(0)));
	}
	return code;
}

/* A row of the cache that is made of whole blocks. */
static void store_iq4(uint8_t *row, uint16_t *scale, const float *x, size_t n)
{
	for (; n; n -= ELM__Q8_BLOCK, x += ELM__Q8_BLOCK, scale += ELM__KV_BLOCK) {
		vf most = vf_set(0), least = vf_set(0);
		float high, low, extreme, inverse;

		for (int j = 0; j < VECTORS; j++) {
			most = vf_max(most, vf_load(x + j * LANES));
			least = vf_max(least, vf_sub(vf_set(0), vf_load(x + j * LANES)));
		}
		high = vf_largest(most);
		low = vf_largest(least);
		extreme = high >= low ? high : -low;
		inverse = extreme != 0 ? -127.0f / extreme : 0;
		*scale = elm__f32_to_f16(extreme / -127.0f);
		for (int j = 0; j < VECTORS / 2; j++, row += LANES) {
			vf first = vf_load(x + j * LANES);
			vf second = vf_load(x + j * LANES + ELM__KV_GROUP_CODES);
			vf lower = nearest_level(vf_mul(first, vf_set(inverse)));
			vf upper = nearest_level(vf_mul(second, vf_set(inverse)));
			vf byte = vf_fma(upper, vf_set(16), lower);
			vf negative = vf_sub(byte, vf_set(256)); /* the same bits as int8 */

			byte = vf_where_less(vf_set(127), byte, negative, byte);
			vi_store8((int8_t *)row, vi_round(byte));
		}
	}
}

static void kv_store(elm_type kv_type, void *block, size_t slot, const float *x, size_t head_dim)
{
	if (kv_type == ELM_TYPE_F16)
		store_halves((uint16_t *)block + slot * head_dim, x, head_dim);
	else if (kv_type == ELM_TYPE_Q8_0 && head_dim % ELM__Q8_BLOCK == 0)
		store_q8((int8_t *)block + slot * head_dim,
			 elm__kv_scales(kv_type, block, head_dim) + slot, x, head_dim);
	else if (kv_type == ELM_TYPE_IQ4_NL && head_dim % ELM__Q8_BLOCK == 0)
		store_iq4((uint8_t *)block + slot * elm__kv_code_bytes(kv_type, head_dim),
			  elm__kv_scales(kv_type, block, head_dim) + slot, x, head_dim);
	else
		elm__ref_kv_store(kv_type, block, slot, x, head_dim);
}

/* --- sampling --- */

static float max(const float *x, size_t n)
{
	vf most = vf_set(x[0]);
	float largest;
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		most = vf_max(most, vf_load(x + i));
	largest = vf_largest(most);
	for (; i < n; i++)
		if (x[i] > largest)
			largest = x[i];
	return largest;
}

static size_t argmax(const float *x, size_t n)
{
	float largest = max(x, n);

	for (size_t i = 0; i < n; i += LANES)
		if (n - i < LANES || vf_any_equal(vf_load(x + i), vf_set(largest)))
			for (size_t j = i; j < n && j < i + LANES; j++)
				if (x[j] == largest)
					return j;
	return 0; /* only NaN */
}

static float exp_sum(const float *x, float largest, float factor, float *out, size_t n)
{
	const size_t piece = (size_t)64 * LANES; /* summed in float, the pieces in double */
	double total = 0;

	for (size_t begin = 0; begin < n; begin += piece) {
		size_t end = n - begin < piece ? n : begin + piece;
		vf sum = vf_set(0);

		for (size_t i = begin; i < end; i += LANES) {
			vf value = vf_sub(vf_get(x + i, end - i), vf_set(largest));

			value = vf_exp(vf_mul(value, vf_set(factor)));
			vf_put(out + i, value, end - i);
			if (end - i < LANES) /* leave out what was not there */
				value = vf_load_part(out + i, end - i);
			sum = vf_add(sum, value);
		}
		total += (double)vf_sum(sum);
	}
	return (float)total;
}

static void vector_init(elm__kernels *table)
{
	table->prepare = prepare;
	table->rms_norm = rms_norm;
	table->add = add;
	table->scale = scale;
	table->softcap = softcap;
	table->silu_mul = silu_mul;
	table->gelu_mul = gelu_mul;
	table->rope_interleaved = rope_interleaved;
	table->rope_split = rope_split;
	table->hadamard = hadamard;
	table->kv_store = kv_store;
	table->argmax = argmax;
	table->max = max;
	table->exp_sum = exp_sum;
}

#endif
