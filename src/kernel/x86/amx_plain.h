/*
 * amx_plain.h: rows of floats, halves and bfloat16 numbers to tiles of bfloat16.
 */
#ifndef ELM_KERNEL_X86_AMX_PLAIN_H
#define ELM_KERNEL_X86_AMX_PLAIN_H

#include "kernel/x86/amx_convert.h"
#include "kernel/x86/amx_decode.h"

/* Plain weights as units of amx_decode.h: rows [row, row + 16) and inputs [column, column + 32) of
 * a matrix. Rows and inputs past the end become zeros. */
static inline void amx_set_plain(amx_block *b, const elm__matrix *matrix, size_t row, size_t column,
				 size_t low)
{
	b->matrix = matrix;
	b->row = row;
	b->column = column;
	b->low = low;
}

/* Reads 8 rows into lines; F32 and F16 leave what rounding took away in `low`. */
static inline void amx_plain_rows(const elm__matrix *w, size_t row, size_t at, __m512i *high,
				  __m512i *low)
{
	uint32_t mask = at + 32 <= w->cols ? UINT32_MAX : (1u << (w->cols - at)) - 1;

	for (size_t i = 0; i < 8; i++) {
		const void *data = (const char *)w->data + (row + i) * w->row_bytes;
		size_t element = w->type == ELM_TYPE_F32 ? sizeof(float) : sizeof(uint16_t);
		__m512 first, second;

		_mm_prefetch((const char *)data + 32 * w->row_bytes + at * element, _MM_HINT_T1);

		if (row + i >= w->rows) {
			high[i] = low[i] = _mm512_setzero_si512();
		} else if (w->type == ELM_TYPE_BF16) {
			high[i] = _mm512_maskz_loadu_epi16(mask, (const uint16_t *)data + at);
		} else if (w->type == ELM_TYPE_F16) {
			__m512i x = _mm512_maskz_loadu_epi16(mask, (const uint16_t *)data + at);

			first = _mm512_cvtph_ps(_mm512_castsi512_si256(x));
			second = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(x, 1));
			amx_split(first, second, high + i, low + i);
		} else {
			amx_load_floats(data, at, w->cols, &first, &second);
			amx_split(first, second, high + i, low + i);
		}
	}
}

/* Two halves of the rows, then the transposition of each tile. */
static void amx_plain(const amx_block *b, size_t u, __m512i *tile)
{
	__m512i *low = tile + b->low / sizeof(*tile);

	if (u < 2)
		amx_plain_rows(b->matrix, b->row + u * 8, b->column, tile + u * 8, low + u * 8);
	else if (u == 2)
		amx_transpose(tile);
	else if (b->low)
		amx_transpose(low);
}

#endif
