/*
 * tile_mmla.h: several rows of inputs with SMMLA, which multiplies two rows of 8 with two rows
 * of 8. See products.h.
 */
#ifndef ELM_KERNEL_ARM_TILE_MMLA_H
#define ELM_KERNEL_ARM_TILE_MMLA_H

INLINE int8x16_t zip_low(int8x16_t a, int8x16_t b)
{
	return vreinterpretq_s8_s32(vzip1q_s32(vreinterpretq_s32_s8(a), vreinterpretq_s32_s8(b)));
}

INLINE int8x16_t zip_high(int8x16_t a, int8x16_t b)
{
	return vreinterpretq_s8_s32(vzip2q_s32(vreinterpretq_s32_s8(a), vreinterpretq_s32_s8(b)));
}

/* Codes 2 j and 2 j + 1 become inputs 8 j .. 8 j + 7 of rows 0 and 1, and of rows 2 and 3. */
INLINE void arrange_codes(int8x16_t code[8])
{
	for (int j = 0; j < 8; j += 2) {
		int8x16_t first = code[j], second = code[j + 1];

		code[j] = zip_low(first, second);
		code[j + 1] = zip_high(first, second);
	}
}

/* Rows i and i + 1: inputs 8 j .. 8 j + 7 of both. */
INLINE void load_two_inputs(const int8_t *q8, int8x16_t out[4])
{
	for (int half = 0; half < 2; half++) {
		int64x2_t a = vreinterpretq_s64_s8(vld1q_s8(q8 + 16 * half));
		int64x2_t b = vreinterpretq_s64_s8(vld1q_s8(q8 + 32 + 16 * half));

		out[2 * half] = vreinterpretq_s8_s64(vzip1q_s64(a, b));
		out[2 * half + 1] = vreinterpretq_s8_s64(vzip2q_s64(a, b));
	}
}

/*
 * The products of two rows of inputs with slice i, half-block h: out[0] of the first row. `start`
 * is where the sums of the first row begin, in lanes 0 and 1, and of the second.
 */
INLINE void dot_two(elm_type type, const weights *w, const int8x16_t in[4], int i, int h,
		    int32x4_t start, float32x4_t out[2])
{
	const int eights = 4 / elm__packed_halves(type);
	int32x4_t low = start, high = start;

	for (int j = h * eights; j < (h + 1) * eights; j++) {
		low = vmmlaq_s32(low, in[j], w->code[i][2 * j]);
		high = vmmlaq_s32(high, in[j], w->code[i][2 * j + 1]);
	}
	out[0] = vcvtq_f32_s32(vreinterpretq_s32_s64(
		vzip1q_s64(vreinterpretq_s64_s32(low), vreinterpretq_s64_s32(high))));
	out[1] = vcvtq_f32_s32(vreinterpretq_s32_s64(
		vzip2q_s64(vreinterpretq_s64_s32(low), vreinterpretq_s64_s32(high))));
}

/* Two rows of inputs. */
INLINE void multiply_two(elm_type type, const weights *w, const int8_t *q8, const float *scale,
			 const int32_t *start, const float *inputs_sum, float *sums)
{
	const int parts = elm__packed_halves(type);
	int8x16_t in[4];

	load_two_inputs(q8, in);
	for (int i = 0; i < 2; i++) {
		float32x4_t total[2], value[2];

		for (int h = 0; h < parts; h++) {
			int32x4_t begin = vdupq_n_s32(0);

			if (elm__packed_bias(type))
				begin = vcombine_s32(vdup_n_s32(start[h]),
						     vdup_n_s32(start[parts + h]));
			dot_two(type, w, in, i, h, begin, value);
			for (int row = 0; row < 2; row++)
				total[row] = h ? vfmaq_f32(total[row], value[row], w->scale[h][i]) :
						 vmulq_f32(value[row], w->scale[h][i]);
		}
		for (int row = 0; row < 2; row++) {
			float *at = sums + row * PAIR + 4 * i;
			float32x4_t sum =
				vfmaq_f32(vld1q_f32(at), total[row], vdupq_n_f32(scale[row]));

			for (int h = 0; h < parts && elm__packed_has_offset(type); h++)
				sum = vfmaq_f32(sum, w->offset[h][i],
						vdupq_n_f32(inputs_sum[row * parts + h]));
			vst1q_f32(at, sum);
		}
	}
}

INLINE void multiply_tiles(elm_type type, const weights *w, const int8_t *q8, const float *scale,
			   sides side, size_t n, float *sums)
{
	const size_t parts = (size_t)elm__packed_halves(type);

	for (size_t i = 0; i < n; i += TILE) {
		multiply_two(type, w, q8 + 32 * i, scale + i, side.start + parts * i,
			     side.sum + parts * i, sums + PAIR * i);
		multiply_two(type, w, q8 + 32 * (i + 2), scale + i + 2,
			     side.start + parts * (i + 2), side.sum + parts * (i + 2),
			     sums + PAIR * (i + 2));
	}
}

#endif
