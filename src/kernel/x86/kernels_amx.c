/*
 * The tier with tiles: products of many rows by AMX; the rest is AVX-512.
 */
#include "kernel/x86/amx.h"
#include "kernel/x86/x86.h"

enum {
	MIN_ROWS = 20, /* fewer inputs are faster with VPDPBUSD */
	MIN_EXACT_ROWS = 2,
	MIN_PLAIN_ROWS = 8, /* of weights that are not packed */
	MIN_ATTENTION = 8   /* fewer rows of attention are faster with FMA */
};

static bool tiles(const elm__matrix *w, size_t m)
{
	size_t least = w->interleave ? MIN_ROWS : MIN_PLAIN_ROWS;

	/* Of the packed types only Q8_0 is as exact as its 8-bit inputs; tiles lose less. */
	if (w->type == ELM_TYPE_Q8_0)
		least = MIN_EXACT_ROWS;
	return m >= least && elm__amx_form(w);
}

static unsigned forms(const elm__matrix *w, size_t m)
{
	if (tiles(w, m))
		return elm__amx_form(w);
	return elm__avx512_below.forms(w, m);
}

static void prepare(elm__activations *x, unsigned form, size_t row0, size_t row1)
{
	if (form == ELM__FORM_BF16 || form == ELM__FORM_BF16_SPLIT) {
		elm__amx_prepare(x, form, row0, row1);
		return;
	}
	elm__avx512_below.prepare(x, form, row0, row1);
}

static void matmul(const elm__matrix *w, const elm__activations *x, float *y, size_t y_stride,
		   size_t row0, size_t row1, void *scratch)
{
	if (tiles(w, x->rows)) {
		elm__amx_matmul(w, x, y, y_stride, row0, row1, scratch);
		return;
	}
	elm__avx512_below.matmul(w, x, y, y_stride, row0, row1, scratch);
}

static size_t matmul_scratch(size_t max_m, size_t max_cols)
{
	size_t own = elm__amx_matmul_scratch(), lower;

	lower = elm__avx512_below.matmul_scratch(max_m, max_cols);
	return own > lower ? own : lower;
}

static void attention(const elm__attention *a)
{
	if ((size_t)a->queries * a->group >= MIN_ATTENTION) {
		elm__amx_attention(a);
		return;
	}
	elm__avx512_below.attention(a);
}

static size_t attention_scratch(size_t queries, size_t group, size_t head_dim)
{
	size_t own = elm__amx_attention_scratch(queries, group, head_dim), lower;

	lower = elm__avx512_below.attention_scratch(queries, group, head_dim);
	return own > lower ? own : lower;
}

/* Without a stride of 1, which training does not have, there is nothing to load along. */
static void gemm_bf16(const elm__gemm *g, void *scratch)
{
	if ((g->a_row == 1 || g->a_col == 1) && (g->b_row == 1 || g->b_col == 1))
		elm__amx_gemm_bf16(g, scratch);
	else
		elm__avx512_below.gemm(g, scratch);
}

static size_t gemm_scratch(void)
{
	size_t own = elm__amx_gemm_scratch(), lower = elm__avx512_below.gemm_scratch();

	return own > lower ? own : lower;
}

/* --- tiles for any number of rows: a row meets the same sums in the same order in each --- */

static unsigned forms_always(const elm__matrix *w, size_t m)
{
	(void)m;
	return elm__amx_form(w);
}

void elm__kernels_amx_invariant(elm__kernels *table)
{
	table->forms = forms_always;
	table->matmul = elm__amx_matmul;
	table->attention = elm__amx_attention;
}

void elm__kernels_amx(elm__kernels *table)
{
	table->forms = forms;
	table->bf16_bytes = elm__amx_bf16_bytes;
	table->prepare = prepare;
	table->matmul = matmul;
	table->matmul_scratch = matmul_scratch;
	table->attention = attention;
	table->attention_scratch = attention_scratch;
	table->gemm_bf16 = gemm_bf16;
	table->gemm_scratch = gemm_scratch;
}
