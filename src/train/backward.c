/*
 * From the derivatives with respect to what leaves the last layer to those of all weights.
 *
 * Three barriers per layer separate what members do with their own rows from what they do with
 * their share of a matrix's rows, which reads all rows. The derivative of the residual stream takes
 * turns in three buffers, because two of them are still read by those that are behind.
 */
#include <string.h>

#include "train/internal.h"

static void copy_rows(const elm__pass_member *me, float *to, const float *from, size_t n)
{
	memcpy(to + me->begin * n, from + me->begin * n, (me->end - me->begin) * n * sizeof(float));
}

/* Back through out = x + f(norm(x)): normed = norm(x) once more, slope_x = slope_out + what came
 * back through f, which lies in p->slope_normed. The norm's own derivatives are summed up per
 * chunk, at the beginning of a row of `stride` floats. */
static void norm_back(const elm__pass_member *me, const float *x, size_t weight,
		      const float *slope_out, float *slope_x, float *partial, size_t stride)
{
	const elm__pass *p = me->p;
	size_t width = p->hp->width;

	copy_rows(me, slope_x, slope_out, width);
	for (size_t i = me->begin; i < me->end; i++) {
		float *chunk = partial + i / ELM__CHUNK_ROWS * stride;

		if (i % ELM__CHUNK_ROWS == 0)
			memset(chunk, 0, width * sizeof(float));
		p->k->rms_norm_grad(x + i * width, p->w + weight, p->hp->norm_epsilon,
				    p->slope_normed + i * width, slope_x + i * width, chunk, width);
	}
}

static void norm_again(const elm__pass_member *me, const float *x, size_t weight, float *normed)
{
	const elm__pass *p = me->p;
	size_t width = p->hp->width;

	for (size_t i = me->begin; i < me->end; i++)
		p->k->rms_norm(x + i * width, p->w + weight, p->hp->norm_epsilon,
			       normed + i * width, width);
}

/* This member's rows: back through the feed-forward block, and to the outputs of attention. */
static void ffn_back(const elm__pass_member *me, uint32_t layer, const float *slope_out,
		     float *slope_middle)
{
	const elm__pass *p = me->p;
	const elm__param_layer *at = &p->params->layers[layer];
	const elm__kept *kept = &p->kept[layer];
	size_t width = p->hp->width, n = p->hp->shapes[layer].ffn;

	elm__pass_multiply_back(me, slope_out, width, p->w + at->down, p->slope_activated, n);
	copy_rows(me, p->slope_gate_up, kept->gate_up, 2 * n);
	for (size_t i = me->begin; i < me->end; i++) {
		float *gate = p->slope_gate_up + i * 2 * n;

		p->k->silu_mul_grad(gate, gate + n, p->slope_activated + i * n,
				    p->activated + i * n, n);
	}
	norm_again(me, kept->middle, at->ffn_norm, p->normed);
	elm__pass_multiply_back(me, p->slope_gate_up, 2 * n, p->w + at->gate_up, p->slope_normed,
				width);
	norm_back(me, kept->middle, at->ffn_norm, slope_out, slope_middle, p->partial_ffn, width);
	elm__pass_multiply_back(me, slope_middle, width, p->w + at->out, p->slope_attended,
				(size_t)p->hp->shapes[layer].heads * p->hp->head_dim);
}

/* This member's share of the feed-forward matrices and of its norm. */
static void ffn_gather(const elm__pass_member *me, uint32_t layer, const float *slope_out)
{
	const elm__pass *p = me->p;
	const elm__param_layer *at = &p->params->layers[layer];
	size_t width = p->hp->width, n = p->hp->shapes[layer].ffn, rows = p->batch->rows;

	elm__pass_gather(me, slope_out, width, p->activated, n, rows, p->g + at->down);
	elm__pass_gather(me, p->slope_gate_up, 2 * n, p->normed, width, rows, p->g + at->gate_up);
	elm__pass_reduce(me, p->partial_ffn, width, 0, width, p->g + at->ffn_norm);
}

/* One row: back through rotation and norm of queries and keys; adds to the chunk's derivatives of
 * the biases and norms. */
static void heads_back(const elm__pass *p, uint32_t layer, size_t i, float *biases, float *norms)
{
	const elm__param_layer *at = &p->params->layers[layer];
	const elm__layer_shape *s = &p->hp->shapes[layer];
	size_t dim = p->hp->head_dim, stride = elm__qkv_floats(p->hp, layer);
	size_t rotated = s->heads + s->kv_heads;
	float *row = p->slope_qkv + i * stride;

	for (size_t h = 0; h < rotated; h++) {
		bool query = h < s->heads;
		float *head = row + h * dim, slope[ELM__MAX_HEAD_DIM];

		elm__pass_rotate(p, head, i, true);
		if (!p->hp->arch->qk_norm)
			continue;
		memcpy(slope, head, dim * sizeof(float));
		memset(head, 0, dim * sizeof(float));
		p->k->rms_norm_grad(p->kept[layer].raw + (i * rotated + h) * dim,
				    p->w + (query ? at->q_norm : at->k_norm), p->hp->norm_epsilon,
				    slope, head, norms + (query ? 0 : dim), dim);
	}
	if (at->qkv_bias != ELM__PARAM_NONE)
		p->k->add(biases, row, stride);
}

/* This member's rows: back from queries, keys and values to what entered the layer. */
static void attention_back(const elm__pass_member *me, uint32_t layer, const float *slope_middle,
			   float *slope_x)
{
	const elm__pass *p = me->p;
	const elm__param_layer *at = &p->params->layers[layer];
	const elm__kept *kept = &p->kept[layer];
	size_t width = p->hp->width, qkv = elm__qkv_floats(p->hp, layer);

	for (size_t i = me->begin; i < me->end; i++) {
		float *chunk = p->partial_attention + i / ELM__CHUNK_ROWS * p->partial_floats;

		if (i % ELM__CHUNK_ROWS == 0)
			memset(chunk, 0, p->partial_floats * sizeof(float));
		heads_back(p, layer, i, chunk + width, chunk + width + qkv);
	}
	norm_again(me, kept->x, at->attn_norm, p->attention_normed);
	elm__pass_multiply_back(me, p->slope_qkv, qkv, p->w + at->qkv, p->slope_normed, width);
	norm_back(me, kept->x, at->attn_norm, slope_middle, slope_x, p->partial_attention,
		  p->partial_floats);
}

static void attention_gather(const elm__pass_member *me, uint32_t layer, const float *slope_middle)
{
	const elm__pass *p = me->p;
	const elm__param_layer *at = &p->params->layers[layer];
	const elm__kept *kept = &p->kept[layer];
	const float *partial = p->partial_attention;
	size_t width = p->hp->width, dim = p->hp->head_dim, rows = p->batch->rows;
	size_t qkv = elm__qkv_floats(p->hp, layer), stride = p->partial_floats;

	elm__pass_gather(me, slope_middle, width, kept->attended, p->hp->shapes[layer].heads * dim,
			 rows, p->g + at->out);
	elm__pass_gather(me, p->slope_qkv, qkv, p->attention_normed, width, rows, p->g + at->qkv);
	elm__pass_reduce(me, partial, stride, 0, width, p->g + at->attn_norm);
	if (at->qkv_bias != ELM__PARAM_NONE)
		elm__pass_reduce(me, partial, stride, width, qkv, p->g + at->qkv_bias);
	if (!p->hp->arch->qk_norm)
		return;
	elm__pass_reduce(me, partial, stride, width + qkv, dim, p->g + at->q_norm);
	elm__pass_reduce(me, partial, stride, width + qkv + dim, dim, p->g + at->k_norm);
}

/* Each token's row of the embedding gets the derivatives of the rows where it stood: this member's
 * share of the columns. */
static void embedding_gather(const elm__pass_member *me, const float *slope)
{
	const elm__pass *p = me->p;
	size_t width = p->hp->width, begin, end;

	elm__pool_share(width, 16, me->index, me->count, &begin, &end);
	for (size_t i = 0; i < p->batch->rows; i++)
		p->k->add(p->g + p->params->embedding + (size_t)p->batch->tokens[i] * width + begin,
			  slope + i * width + begin, end - begin);
}

void elm__pass_backward(const elm__pass_member *me)
{
	const elm__pass *p = me->p;
	float *out = p->slope[0], *middle = p->slope[1], *in = p->slope[2];

	for (uint32_t i = p->hp->layers; i-- > 0;) {
		float *spare = out;

		ffn_back(me, i, out, middle);
		elm__pass_barrier(me);
		ffn_gather(me, i, out);
		elm__pass_attend_back(me, i);
		elm__pass_barrier(me);
		attention_back(me, i, middle, in);
		elm__pass_barrier(me);
		attention_gather(me, i, middle);
		/* `middle` is still read by those that are behind; the one before it is not. */
		out = in;
		in = middle;
		middle = spare;
	}
	embedding_gather(me, out);
}
