/*
 * The tier with tiles: products of many rows by AMX; the rest is the tier below.
 */
#include "cpu/cpu.h"
#include "kernel/x86/amx.h"
#include "kernel/x86/x86.h"

enum {
	MIN_ROWS = 20,	    /* fewer inputs are faster with VPDPBUSD */
	MIN_PLAIN_ROWS = 8, /* of weights that are not packed */
	MIN_ATTENTION = 8,  /* fewer rows of attention are faster with FMA */
	BELOW = ELM__CPU_SSSE3 | ELM__CPU_AVX2 | ELM__CPU_AVX512 | ELM__CPU_AVX512VNNI
};

static bool tiles(const elm__matrix *w, size_t m)
{
	return m >= (w->interleave ? MIN_ROWS : MIN_PLAIN_ROWS) && elm__amx_form(w);
}

static unsigned forms(const elm__matrix *w, size_t m)
{
	elm__kernels below;

	if (tiles(w, m))
		return elm__amx_form(w);
	elm__kernels_init(&below, BELOW);
	return below.forms(w, m);
}

static void prepare(elm__activations *x, unsigned form, size_t row0, size_t row1)
{
	elm__kernels below;

	if (form == ELM__FORM_BF16 || form == ELM__FORM_BF16_SPLIT) {
		elm__amx_prepare(x, form, row0, row1);
		return;
	}
	elm__kernels_init(&below, BELOW);
	below.prepare(x, form, row0, row1);
}

static void matmul(const elm__matrix *w, const elm__activations *x, float *y, size_t y_stride,
		   size_t row0, size_t row1, void *scratch)
{
	elm__kernels below;

	if (tiles(w, x->rows)) {
		elm__amx_matmul(w, x, y, y_stride, row0, row1, scratch);
		return;
	}
	elm__kernels_init(&below, BELOW);
	below.matmul(w, x, y, y_stride, row0, row1, scratch);
}

static size_t matmul_scratch(size_t max_m, size_t max_cols)
{
	size_t own = elm__amx_matmul_scratch(max_m, max_cols), lower;
	elm__kernels below;

	elm__kernels_init(&below, BELOW);
	lower = below.matmul_scratch(max_m, max_cols);
	return own > lower ? own : lower;
}

static void attention(const elm__attention *a)
{
	elm__kernels below;

	if ((size_t)a->queries * a->group >= MIN_ATTENTION) {
		elm__amx_attention(a);
		return;
	}
	elm__kernels_init(&below, BELOW);
	below.attention(a);
}

static size_t attention_scratch(size_t queries, size_t group, size_t head_dim)
{
	size_t own = elm__amx_attention_scratch(queries, group, head_dim), lower;
	elm__kernels below;

	elm__kernels_init(&below, BELOW);
	lower = below.attention_scratch(queries, group, head_dim);
	return own > lower ? own : lower;
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
}
