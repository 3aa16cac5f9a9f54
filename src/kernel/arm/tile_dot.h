/* tile_dot.h: several rows of inputs with dot(), a row and a slice at a time. See products.h. */
#ifndef ELM_KERNEL_ARM_TILE_DOT_H
#define ELM_KERNEL_ARM_TILE_DOT_H

INLINE void arrange_codes(int8x16_t code[8])
{
	(void)code;
}

/* One row of inputs. */
INLINE void multiply_row(elm_type type, const weights *w, const int8_t *q8, float scale,
			 const int32_t *start, const float *inputs_sum, float *sums)
{
	const int parts = elm__packed_halves(type), quads = 8 / parts;
	const int range = elm__packed_range(type);
	inputs in = load_inputs(q8);
	int32x4_t begin[2];

	for (int h = 0; h < parts; h++)
		begin[h] = vdupq_n_s32(elm__packed_bias(type) ? start[h] : 0);
	for (int i = 0; i < 2; i++) {
		float32x4_t total = vdupq_n_f32(0), sum = vld1q_f32(sums + 4 * i);

		for (int h = 0; h < parts; h++) {
			float32x4_t value;
			dot d;

			dot_begin(&d, begin[h]);
			for (int j = 0; j < quads; j++)
				dot_add(&d, w->code[i][h * quads + j], &in, h * quads + j, j, quads,
					range);
			value = vcvtq_f32_s32(dot_end(&d, begin[h]));
			total = h ? vfmaq_f32(total, value, w->scale[h][i]) :
				    vmulq_f32(value, w->scale[h][i]);
			if (elm__packed_has_offset(type))
				sum = vfmaq_f32(sum, w->offset[h][i], vdupq_n_f32(inputs_sum[h]));
		}
		vst1q_f32(sums + 4 * i, vfmaq_f32(sum, total, vdupq_n_f32(scale)));
	}
}

INLINE void multiply_tiles(elm_type type, const weights *w, const int8_t *q8, const float *scale,
			   sides side, size_t n, float *sums)
{
	const size_t parts = (size_t)elm__packed_halves(type);

	for (size_t i = 0; i < n; i += 2) {
		multiply_row(type, w, q8 + 32 * i, scale[i], side.start + parts * i,
			     side.sum + parts * i, sums + PAIR * i);
		multiply_row(type, w, q8 + 32 * (i + 1), scale[i + 1], side.start + parts * (i + 1),
			     side.sum + parts * (i + 1), sums + PAIR * (i + 1));
	}
}

#endif
