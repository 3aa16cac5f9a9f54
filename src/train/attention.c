/*
 * Causal attention of whole pieces, forward and backward. A member computes one key head of one
 * piece with all query heads that share it, so that the derivatives of keys and values are its
 * alone.
 */
#include <math.h>
#include <string.h>

#include "train/internal.h"

/* One query head of one piece. Rows are `stride` floats apart, those of attended `wide`. */
typedef struct head {
	const elm__pass *p;
	elm__pass_thread *own;
	size_t rows, dim, stride, wide, heads;
	const float *query, *key, *value;
	float *attended, *lse;					  /* lse: `heads` floats apart */
	float *slope_query, *slope_key, *slope_value, *slope_out; /* backward */
} head;

static void find_head(head *h, const elm__pass_member *me, uint32_t layer, size_t piece,
		      uint32_t group, uint32_t index)
{
	const elm__pass *p = me->p;
	const elm__kept *kept = &p->kept[layer];
	const elm__layer_shape *s = &p->hp->shapes[layer];
	size_t first = p->batch->piece[piece].first, dim = p->hp->head_dim;
	size_t query = index * dim, key = (s->heads + group) * dim;
	size_t value = (s->heads + s->kv_heads + group) * dim, at;

	*h = (head){ .p = p,
		     .own = me->own,
		     .rows = p->batch->piece[piece].rows,
		     .dim = dim,
		     .stride = elm__qkv_floats(p->hp, layer),
		     .wide = s->heads * dim,
		     .heads = s->heads };
	at = first * h->stride;
	h->query = kept->qkv + at + query;
	h->key = kept->qkv + at + key;
	h->value = kept->qkv + at + value;
	h->attended = kept->attended + first * h->wide + query;
	h->lse = kept->lse + first * h->heads + index;
	h->slope_query = p->slope_qkv + at + query;
	h->slope_key = p->slope_qkv + at + key;
	h->slope_value = p->slope_qkv + at + value;
	h->slope_out = p->slope_attended + first * h->wide + query;
}

static void multiply(const head *h, elm__gemm g)
{
	h->p->k->gemm(&g, h->own->gemm);
}

/* out = a b^T for rows [row, row + n) of a and the first `keys` of b. */
static void score(const head *h, const float *a, size_t a_row, const float *b, size_t row, size_t n,
		  size_t keys, float *out)
{
	multiply(h, (elm__gemm){ .m = n,
				 .n = keys,
				 .k = h->dim,
				 .a = a + row * a_row,
				 .a_row = a_row,
				 .a_col = 1,
				 .b = b,
				 .b_row = 1,
				 .b_col = h->stride,
				 .c = out,
				 .c_row = keys });
}

static void attend_block(const head *h, size_t row, size_t n)
{
	const elm__kernels *k = h->p->k;
	const float scale = h->p->hp->attention_scale;
	size_t keys = row + n;
	float sums[ELM__QUERY_ROWS];

	score(h, h->query, h->stride, h->key, row, n, keys, h->own->scores);
	for (size_t i = 0; i < n; i++) {
		float *scores = h->own->scores + i * keys;
		size_t seen = row + i + 1;
		float most = k->max(scores, seen);

		sums[i] = k->exp_sum(scores, most, scale, scores, seen);
		memset(scores + seen, 0, (keys - seen) * sizeof(float));
		h->lse[(row + i) * h->heads] = most * scale + logf(sums[i]);
	}
	multiply(h, (elm__gemm){ .m = n,
				 .n = h->dim,
				 .k = keys,
				 .a = h->own->scores,
				 .a_row = keys,
				 .a_col = 1,
				 .b = h->value,
				 .b_row = h->stride,
				 .b_col = 1,
				 .c = h->attended + row * h->wide,
				 .c_row = h->wide });
	for (size_t i = 0; i < n; i++)
		k->scale(h->attended + (row + i) * h->wide, 1 / sums[i], h->dim);
}

/*
 * With probabilities P, outputs O = P V and dO given: dV += P^T dO; dP = dO V^T; the derivatives
 * with respect to the scores are dS = P (dP - dO.O); dQ = dS K; dK += dS^T Q.
 */
static void attend_block_back(const head *h, size_t row, size_t n)
{
	const elm__kernels *k = h->p->k;
	const float scale = h->p->hp->attention_scale;
	size_t keys = row + n;

	score(h, h->query, h->stride, h->key, row, n, keys, h->own->scores);
	for (size_t i = 0; i < n; i++) {
		float *scores = h->own->scores + i * keys;
		size_t seen = row + i + 1;

		k->exp_sum(scores, h->lse[(row + i) * h->heads] / scale, scale, scores, seen);
		memset(scores + seen, 0, (keys - seen) * sizeof(float));
	}
	multiply(h, (elm__gemm){ .m = keys,
				 .n = h->dim,
				 .k = n,
				 .a = h->own->scores,
				 .a_row = 1,
				 .a_col = keys,
				 .b = h->slope_out + row * h->wide,
				 .b_row = h->wide,
				 .b_col = 1,
				 .c = h->slope_value,
				 .c_row = h->stride,
				 .add = true });
	score(h, h->slope_out, h->wide, h->value, row, n, keys, h->own->slopes);
	for (size_t i = 0; i < n; i++) {
		size_t at = (row + i) * h->wide;

		k->softmax_grad(h->own->scores + i * keys, h->own->slopes + i * keys,
				k->dot(h->slope_out + at, h->attended + at, h->dim), scale,
				row + i + 1);
	}
	multiply(h, (elm__gemm){ .m = n,
				 .n = h->dim,
				 .k = keys,
				 .a = h->own->scores,
				 .a_row = keys,
				 .a_col = 1,
				 .b = h->key,
				 .b_row = h->stride,
				 .b_col = 1,
				 .c = h->slope_query + row * h->stride,
				 .c_row = h->stride });
	multiply(h, (elm__gemm){ .m = keys,
				 .n = h->dim,
				 .k = n,
				 .a = h->own->scores,
				 .a_row = 1,
				 .a_col = keys,
				 .b = h->query + row * h->stride,
				 .b_row = h->stride,
				 .b_col = 1,
				 .c = h->slope_key,
				 .c_row = h->stride,
				 .add = true });
}

static void clear_rows(float *x, size_t stride, size_t rows, size_t n)
{
	for (size_t i = 0; i < rows; i++)
		memset(x + i * stride, 0, n * sizeof(float));
}

static void attend(const elm__pass_member *me, uint32_t layer, bool back)
{
	const elm__layer_shape *s = &me->p->hp->shapes[layer];
	size_t items = (size_t)me->p->batch->pieces * s->kv_heads, item;
	uint32_t each = s->heads / s->kv_heads;

	while ((item = elm__pool_next(me->p->pool)) < items) {
		uint32_t group = (uint32_t)(item % s->kv_heads);
		head h;

		for (uint32_t i = 0; i < each; i++) {
			find_head(&h, me, layer, item / s->kv_heads, group, group * each + i);
			if (back && !i) {
				clear_rows(h.slope_key, h.stride, h.rows, h.dim);
				clear_rows(h.slope_value, h.stride, h.rows, h.dim);
			}
			for (size_t row = 0; row < h.rows; row += ELM__QUERY_ROWS) {
				size_t n = h.rows - row < ELM__QUERY_ROWS ? h.rows - row :
									    ELM__QUERY_ROWS;

				(back ? attend_block_back : attend_block)(&h, row, n);
			}
		}
	}
}

void elm__pass_attend(const elm__pass_member *me, uint32_t layer)
{
	attend(me, layer, false);
}

void elm__pass_attend_back(const elm__pass_member *me, uint32_t layer)
{
	attend(me, layer, true);
}
