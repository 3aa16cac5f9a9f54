/*
 * kernel.h: the arithmetic of a model, as a table of functions for one instruction-set tier.
 *
 * Rules for every function here: scratch memory comes from outside, nothing is allocated, no
 * environment is read, no lock is taken; a function works on the part of the output that it is
 * given, so that the members of a thread pool share one operation by calling it with disjoint
 * parts. Pointers to floats are aligned to 4 bytes at least; fast tiers use unaligned loads where
 * that is all they know. Each function has a scalar reference in ref/ that states the meaning;
 * tests/kernel compares every tier with it.
 */
#ifndef ELM_KERNEL_KERNEL_H
#define ELM_KERNEL_KERNEL_H

#include <edgelm/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ELM__KV_BLOCK = 32, /* tokens in a block of the KV cache */
	ELM__Q8_BLOCK = 32, /* activations that share one scale */
	ELM__MAX_HEAD_DIM = 512,
	ELM__MAX_GROUP = 64,   /* query heads per key head */
	ELM__KERNEL_ALIGN = 64 /* of packed weights, activations and scratch */
};

/*
 * A weight matrix: `rows` outputs of `cols` inputs each. With interleave 0 the rows lie one after
 * the other as in GGUF (row_bytes apart); otherwise `interleave` rows are packed together as
 * packed.h says and group_bytes is the distance from one group of rows to the next.
 */
typedef struct elm__matrix {
	elm_type type;
	uint32_t interleave;
	uint32_t rows, cols;
	size_t row_bytes;   /* interleave 0 */
	size_t group_bytes; /* interleave > 0 */
	const void *data;
} elm__matrix;

/*
 * The inputs of a product, `rows` rows, in whatever forms its kernels read: space is laid out by
 * elm__activations_place and filled by elm__kernels.prepare.
 *
 * ELM__FORM_Q8: blocks of 32 inputs, each rounded to int8 in [-127, 127] with its own scale. Block
 * b of row i has index k = b * elm__q8_rows(rows) + i: rows of one block are neighbours, because a
 * kernel holds a block of weights in registers and runs down the rows. Its integers are q8[32 k
 * ..], x = q8_scale[k] * q8, and q8_sum[2 k + h] is the sum of the integers of its half h (exact),
 * which turns the offset or minimum of weights into one product. Columns and rows that only pad are
 * zero. A block that holds a NaN or infinity has the scale NaN and zeros; one with no magnitude
 * above ELM__Q8_TINY is zero. The scale is fitted to the rounded inputs; see ref/matmul.c.
 *
 * ELM__FORM_Q16: the same and a second plane in [-127, 127], x = q8_scale[k] * (q8 + q8_low / 256),
 * so that nothing noticeable is lost; q8_low_sum is to q8_low what q8_sum is to q8. For products
 * with one row, where arithmetic is free while weights arrive from memory.
 *
 * ELM__FORM_BF16: rounded to bfloat16. ELM__FORM_BF16_SPLIT: the sum of two bfloat16 numbers, for
 * weights that are not quantised.
 */
enum {
	ELM__FORM_F32 = 1,
	ELM__FORM_Q8 = 2,
	ELM__FORM_BF16 = 4,
	ELM__FORM_Q16 = 8, /* includes ELM__FORM_Q8 */
	ELM__FORM_BF16_SPLIT = 16,
	ELM__Q8_ROWS = 4 /* rows are padded to a multiple of this, except a single one */
};

#define ELM__Q8_TINY 0x1p-100f
#define ELM__Q16_STEP 0x1p-8f /* what one unit of q8_low counts in units of q8 */

typedef struct elm__activations {
	size_t rows, cols;
	const float *f32; /* rows x cols, f32_stride floats apart: always there */
	size_t f32_stride;
	int8_t *q8, *q8_low;
	float *q8_scale, *q8_sum, *q8_low_sum;
	/* The layout is the kernel's own: bf16_bytes of bf16, twice that of bf16_split. */
	void *bf16, *bf16_split;
} elm__activations;

/* Rows of the Q8 form of `rows` inputs, with padding. */
static inline size_t elm__q8_rows(size_t rows)
{
	return rows == 1 ? 1 : (rows + ELM__Q8_ROWS - 1) / ELM__Q8_ROWS * ELM__Q8_ROWS;
}

static inline size_t elm__q8_blocks(size_t cols)
{
	return (cols + ELM__Q8_BLOCK - 1) / ELM__Q8_BLOCK;
}

/*
 * Attention of `queries` consecutive positions of one sequence for one key/value head and the
 * `group` query heads that share it. Query i has position first_position + i and sees the cached
 * positions max(0, position - window + 1) .. position. Cache block b holds positions 32 b .. 32 b +
 * 31; its keys lie at k_blocks[b], its values at v_blocks[b], 32 rows each, as kv_type says (see
 * kv.h).
 *
 * query: queries x group rows of head_dim floats; row (i, h) is at query + i * query_stride + h *
 * head_dim. out likewise. The scores are scale * q.k, then capped to softcap * tanh(s / softcap)
 * where softcap > 0.
 *
 * A long context can be shared out: calls with the same queries and different ranges of blocks each
 * give the attention over their part and, in `lse`, its weight; elm__attention_merge puts them
 * together.
 */
typedef struct elm__attention {
	const float *query;
	float *out;
	size_t query_stride, out_stride;
	uint32_t queries, group, head_dim;
	uint32_t first_position, window; /* window 0: unlimited */
	float scale, softcap;
	bool fine;	  /* keep 16 bits of values and weights; else 8 may do */
	elm_type kv_type; /* F32, F16, Q8_0 or IQ4_NL; see kv.h for what IQ4_NL wants */
	const void *const *k_blocks;
	const void *const *v_blocks;
	/* Only positions in blocks [first_block, end_block) count; end_block 0: all. */
	uint32_t first_block, end_block;
	/* NULL, or for each row the logarithm of the sum of exponentials of its scores. A row that
	 * sees nothing gets -INFINITY here and zeros in out. */
	float *lse;
	void *scratch; /* elm__kernels.attention_scratch(queries, group, head_dim) bytes */
} elm__attention;

/*
 * A product of matrices of floats, c = a * b, or added to c. Element (i, k) of a is
 * a[i * a_row + k * a_col], (k, j) of b is b[k * b_row + j * b_col] and (i, j) of c is
 * c[i * c_row + j]: one stride of each is 1 where it matters for speed, and the other way round
 * means transposed. c overlaps neither a nor b.
 */
typedef struct elm__gemm {
	size_t m, n, k; /* c is m x n, k products are summed up */
	const float *a, *b;
	size_t a_row, a_col, b_row, b_col;
	float *c;
	size_t c_row;
	bool add;
} elm__gemm;

/* One step of AdamW (Loshchilov and Hutter, 2019). */
typedef struct elm__adamw {
	float rate, decay; /* learning rate; weights shrink by rate * decay */
	float beta1, beta2, epsilon;
	float unbias1, unbias2; /* 1 / (1 - beta^step), for the two means */
	float scale;		/* of the gradient, before all else */
} elm__adamw;

typedef struct elm__kernels {
	const char *name;    /* of the tier */
	uint32_t features;   /* the mask that the table was made for */
	uint32_t interleave; /* rows that packed matrices interleave, 0: does not pack */
	bool offset_q8;	     /* packs Q8_0 as x + 128, see packed.h */
	/* What comes of a row does not depend on how many others are computed with it, to the last
	 * bit: see elm__kernels_make_invariant. */
	bool invariant;

	/* --- matrix products --- */

	/* True when matrices of this type are worth packing for this tier. */
	bool (*packs)(elm_type type);

	/* Which forms of the inputs `matmul` reads for this matrix and m rows: a set of
	 * ELM__FORM_*. */
	unsigned (*forms)(const elm__matrix *matrix, size_t m);

	/* Bytes of the bf16 form of m rows, 0 in tiers that have none. */
	size_t (*bf16_bytes)(size_t m, size_t cols);

	/* Fills one form for rows [row0, row1); the range that ends at x->rows also fills the
	 * padding. Ranges of the bf16 forms begin at a multiple of 16. */
	void (*prepare)(elm__activations *x, unsigned form, size_t row0, size_t row1);

	/*
	 * y[i][r] = sum over k of x[i][k] * w[r][k] for all i < x->rows and the output rows r in
	 * [row0, row1); row0 is a multiple of 16, row1 too unless it is the last. y[i] begins at
	 * y + i * y_stride. scratch: matmul_scratch bytes, one per thread.
	 */
	void (*matmul)(const elm__matrix *w, const elm__activations *x, float *y, size_t y_stride,
		       size_t row0, size_t row1, void *scratch);
	size_t (*matmul_scratch)(size_t max_m, size_t max_cols);

	/* --- rows of weights as floats (embedding look-up) --- */
	void (*dequantize)(elm_type type, const void *blocks, float *out, size_t elements);

	/* --- element-wise and normalisation --- */

	/* out[i] = x[i] * weight[i] / sqrt(mean(x^2) + epsilon); weight NULL means 1; out may be x.
	 */
	void (*rms_norm)(const float *x, const float *weight, float epsilon, float *out, size_t n);
	void (*add)(float *x, const float *y, size_t n);	  /* x += y */
	void (*scale)(float *x, float factor, size_t n);	  /* x *= factor */
	void (*softcap)(float *x, float cap, size_t n);		  /* x = cap * tanh(x / cap) */
	void (*silu_mul)(float *gate, const float *up, size_t n); /* gate = silu(gate) * up */
	void (*gelu_mul)(float *gate, const float *up, size_t n); /* tanh form of GELU */

	/* Rotates a head of `rotated` leading elements (even), `cosine` and `sine` of rotated / 2
	 * angles. Interleaved: pairs (2i, 2i + 1), as Llama in GGUF; split: pairs (i, i + rotated /
	 * 2). */
	void (*rope_interleaved)(float *head, const float *cosine, const float *sine,
				 size_t rotated);
	void (*rope_split)(float *head, const float *cosine, const float *sine, size_t rotated);

	/* --- attention --- */

	/* Multiplies x with the Hadamard matrix in Sylvester's order, divided by the root of its
	 * size, so that doing it twice changes nothing. The size is the largest power of two that
	 * divides n; where that is not n itself, each such part of x is multiplied on its own. */
	void (*hadamard)(float *x, size_t n);

	/* Stores one token's key or value (head_dim floats) as row `slot` of a cache block. */
	void (*kv_store)(elm_type kv_type, void *block, size_t slot, const float *x,
			 size_t head_dim);
	void (*attention)(const elm__attention *a);
	size_t (*attention_scratch)(size_t queries, size_t group, size_t head_dim);

	/* --- sampling --- */
	size_t (*argmax)(const float *x, size_t n); /* the first of equal ones */
	float (*max)(const float *x, size_t n);
	/* out[i] = exp((x[i] - max) * factor), returns the sum; out may be x. */
	float (*exp_sum)(const float *x, float max, float factor, float *out, size_t n);

	/* --- training --- */

	/* What an element of c is does not depend on m, n and where in c it lies, so that a product
	 * may be cut into parts in any way. scratch: gemm_scratch bytes, aligned. */
	void (*gemm)(const elm__gemm *g, void *scratch);
	/* The same where factors may be rounded to bfloat16, if that is faster. Sums are floats. */
	void (*gemm_bf16)(const elm__gemm *g, void *scratch);
	size_t (*gemm_scratch)(void);

	float (*dot)(const float *x, const float *y, size_t n);

	/* The derivative of rms_norm with respect to x, given d with respect to its output, is
	 * added to dx, and that with respect to weight to dweight. */
	void (*rms_norm_grad)(const float *x, const float *weight, float epsilon, const float *d,
			      float *dx, float *dweight, size_t n);
	/* Given d with respect to silu(gate) * up, which is written to `out`, replaces gate and up
	 * by the derivatives with respect to them. */
	void (*silu_mul_grad)(float *gate, float *up, const float *d, float *out, size_t n);
	/* p[i] = p[i] * (d[i] - mean) * factor */
	void (*softmax_grad)(float *p, const float *d, float mean, float factor, size_t n);
	/* w -= rate * (m' / (sqrt(v') + epsilon) + decay * w), where the running means m of the
	 * gradient and v of its square are updated first and m', v' are free of their bias. */
	void (*adamw)(const elm__adamw *how, float *w, const float *gradient, float *m, float *v,
		      size_t n);
} elm__kernels;

/*
 * Fills *table for the features in `mask` (already intersected with what the machine has). Every
 * entry is set: what a tier does not do better it takes from the one below.
 */
void elm__kernels_init(elm__kernels *table, uint32_t mask);

/* Makes all products and attention of a row the same to the last bit, whatever the number of rows;
 * false where the tier cannot, and then the table is as it was. */
bool elm__kernels_make_invariant(elm__kernels *table);

/*
 * Bytes that the given forms of rows x cols inputs take, and their layout in `memory` (aligned to
 * ELM__KERNEL_ALIGN): sets the pointers of forms asked for, and to NULL the others. x->rows and
 * x->cols are set before; fewer rows than the memory was sized for are fine. The caller keeps f32.
 */
size_t elm__activations_bytes(const elm__kernels *kernels, unsigned forms, size_t rows,
			      size_t cols);
void elm__activations_place(elm__activations *x, const elm__kernels *kernels, unsigned forms,
			    void *memory);

/*
 * out[i] = sum over p of parts[p][i] * e^lse[p] / sum over p of e^lse[p], for one row of n floats:
 * the results of calls over parts of the context as one. Part p begins at parts + p * stride, its
 * logarithm is lse[p * lse_stride].
 */
void elm__attention_merge(const float *parts, size_t stride, const float *lse, size_t lse_stride,
			  size_t count, float *out, size_t n);

/* Bytes of one cache block (32 tokens of one head) of keys or values: see kv.h. */
size_t elm__kv_block_bytes(elm_type kv_type, size_t head_dim);
bool elm__kv_type_supported(elm_type kv_type);

#endif
