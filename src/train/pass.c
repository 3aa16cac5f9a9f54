#include "train/pass.h"

#include <string.h>

#include "train/internal.h"

/* Logits of as many rows at once as come to this many floats. */
enum { LOSS_FLOATS = 1 << 22, LEAST_LOSS_ROWS = 64 };

/* --- memory --- */

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

static void lay_out_layers(elm__carver *c, elm__pass *p)
{
	const elm__hparams *hp = p->hp;
	size_t row = p->limits.rows * sizeof(float);

	p->kept = elm__carve(c, hp->layers, sizeof(*p->kept));
	for (uint32_t i = 0; i < hp->layers; i++) {
		const elm__layer_shape *s = &hp->shapes[i];
		size_t q = (size_t)s->heads * hp->head_dim, kv = (size_t)s->kv_heads * hp->head_dim;
		elm__kept kept = { .x = elm__carve(c, hp->width, row),
				   .qkv = elm__carve(c, q + 2 * kv, row) };

		kept.raw = elm__carve(c, hp->arch->qk_norm ? q + kv : 0, row);
		kept.attended = elm__carve(c, q, row);
		kept.lse = elm__carve(c, s->heads, row);
		kept.middle = elm__carve(c, hp->width, row);
		kept.gate_up = elm__carve(c, 2 * (size_t)s->ffn, row);
		if (c->base)
			p->kept[i] = kept;
	}
}

static void lay_out_slopes(elm__carver *c, elm__pass *p, size_t widest_qkv)
{
	const elm__hparams *hp = p->hp;
	size_t row = p->limits.rows * sizeof(float);
	size_t chunks = (p->limits.rows + ELM__CHUNK_ROWS - 1) / ELM__CHUNK_ROWS;

	for (int i = 0; i < 3; i++)
		p->slope[i] = elm__carve(c, hp->width, row);
	p->slope_normed = elm__carve(c, hp->width, row);
	p->slope_activated = elm__carve(c, hp->max_ffn, row);
	p->slope_gate_up = elm__carve(c, 2 * (size_t)hp->max_ffn, row);
	p->slope_attended = elm__carve(c, (size_t)hp->max_heads * hp->head_dim, row);
	p->slope_qkv = elm__carve(c, widest_qkv, row);
	p->partial_floats = hp->width + widest_qkv + 2 * (size_t)hp->head_dim;
	p->partial_ffn = elm__carve(c, chunks, hp->width * sizeof(float));
	p->partial_attention = elm__carve(c, chunks, p->partial_floats * sizeof(float));
}

static void lay_out_threads(elm__carver *c, elm__pass *p, unsigned count)
{
	size_t block = (size_t)ELM__QUERY_ROWS * sizeof(float);

	p->threads = elm__carve(c, count, sizeof(*p->threads));
	for (unsigned i = 0; i < count; i++) {
		elm__pass_thread own = { .gemm = elm__carve(c, 1, p->k->gemm_scratch()) };

		own.scores = elm__carve(c, p->limits.context, block);
		own.slopes = elm__carve(c, p->limits.context, block);
		own.row = elm__carve(c, p->hp->vocabulary, sizeof(float));
		if (c->base)
			p->threads[i] = own;
	}
}

/* Gives every member of *p its memory; the struct itself lies first. */
static void lay_out(elm__carver *c, elm__pass *p, unsigned threads)
{
	const elm__hparams *hp = p->hp;
	size_t row = p->limits.rows * sizeof(float), widest_qkv = 0;

	p->pairs = hp->rotated / 2;
	p->loss_rows = (uint32_t)larger(LOSS_FLOATS / hp->vocabulary, LEAST_LOSS_ROWS);
	if (p->loss_rows > p->limits.rows)
		p->loss_rows = p->limits.rows;
	for (uint32_t i = 0; i < hp->layers; i++)
		widest_qkv = larger(widest_qkv, elm__qkv_floats(hp, i));
	p->cosine = elm__carve(c, p->limits.context, p->pairs * sizeof(float));
	p->sine = elm__carve(c, p->limits.context, p->pairs * sizeof(float));
	p->back = elm__carve(c, p->limits.context, p->pairs * sizeof(float));
	p->position = elm__carve(c, p->limits.rows, sizeof(uint32_t));
	lay_out_layers(c, p);
	p->last = elm__carve(c, hp->width, row);
	p->normed = elm__carve(c, hp->width, row);
	p->attention_normed = elm__carve(c, hp->width, row);
	p->activated = elm__carve(c, hp->max_ffn, row);
	lay_out_slopes(c, p, widest_qkv);
	p->selected = elm__carve(c, p->limits.rows, sizeof(uint32_t));
	p->hidden = elm__carve(c, hp->width, row);
	p->slope_hidden = elm__carve(c, hp->width, row);
	p->logits = elm__carve(c, p->loss_rows, hp->vocabulary * sizeof(float));
	p->row_loss = elm__carve(c, p->limits.rows, sizeof(double));
	p->row_entropy = elm__carve(c, p->limits.rows, sizeof(double));
	lay_out_threads(c, p, threads);
}

size_t elm__pass_bytes(const elm__params *params, const elm__kernels *kernels, unsigned threads,
		       const elm__pass_limits *limits)
{
	elm__pass measure = { .hp = params->hp, .k = kernels, .limits = *limits };
	elm__carver c = { 0 };

	elm__carve(&c, 1, sizeof(measure));
	lay_out(&c, &measure, threads);
	return c.overflow ? 0 : c.used;
}

static void find_angles(elm__pass *p, const elm__rope *rope)
{
	for (uint32_t i = 0; i < p->limits.context; i++) {
		size_t at = (size_t)i * p->pairs;

		elm__rope_angles(rope, ELM__ROPE_GLOBAL, i, p->cosine + at, p->sine + at);
		for (uint32_t j = 0; j < p->pairs; j++)
			p->back[at + j] = -p->sine[at + j];
	}
}

elm_status elm__pass_create(const elm__params *params, const elm__rope *rope,
			    const elm__kernels *kernels, elm__pool *pool,
			    const elm__pass_limits *limits, elm__pass **out, elm_error *error)
{
	unsigned threads = elm__pool_count(pool);
	size_t bytes = elm__pass_bytes(params, kernels, threads, limits);
	elm__carver c = { .base = bytes ? elm__malloc_aligned(ELM__CARVE_ALIGN, bytes) : NULL };
	elm__pass *p;

	*out = NULL;
	if (!c.base)
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "no memory for %zu bytes of activations; compute fewer rows "
				     "at once",
				     bytes);
	p = elm__carve(&c, 1, sizeof(*p));
	*p = (elm__pass){ .params = params,
			  .hp = params->hp,
			  .k = kernels,
			  .pool = pool,
			  .limits = *limits,
			  .memory = c.base };
	lay_out(&c, p, threads);
	find_angles(p, rope);
	*out = p;
	return ELM_OK;
}

void elm__pass_free(elm__pass *pass)
{
	if (pass)
		elm__free_aligned(pass->memory);
}

/* --- products --- */

static void product(const elm__pass_member *me, const elm__gemm *g)
{
	const elm__pass *p = me->p;

	(p->limits.bf16 ? p->k->gemm_bf16 : p->k->gemm)(g, me->own->gemm);
}

void elm__pass_multiply(const elm__pass_member *me, const float *x, size_t inputs, const float *w,
			float *y, size_t outputs, bool add)
{
	elm__gemm g = { .m = me->end - me->begin,
			.n = outputs,
			.k = inputs,
			.a = x + me->begin * inputs,
			.a_row = inputs,
			.a_col = 1,
			.b = w,
			.b_row = 1,
			.b_col = inputs,
			.c = y + me->begin * outputs,
			.c_row = outputs,
			.add = add };

	product(me, &g);
}

void elm__pass_multiply_back(const elm__pass_member *me, const float *dy, size_t outputs,
			     const float *w, float *dx, size_t inputs)
{
	elm__gemm g = { .m = me->end - me->begin,
			.n = inputs,
			.k = outputs,
			.a = dy + me->begin * outputs,
			.a_row = outputs,
			.a_col = 1,
			.b = w,
			.b_row = inputs,
			.b_col = 1,
			.c = dx + me->begin * inputs,
			.c_row = inputs };

	product(me, &g);
}

void elm__pass_gather(const elm__pass_member *me, const float *dy, size_t outputs, const float *x,
		      size_t inputs, size_t rows, float *dw)
{
	size_t begin, end;
	elm__gemm g = { .n = inputs,
			.k = rows,
			.a_row = 1,
			.a_col = outputs,
			.b = x,
			.b_row = inputs,
			.b_col = 1,
			.c_row = inputs,
			.add = true };

	elm__pool_share(outputs, 16, me->index, me->count, &begin, &end);
	g.m = end - begin;
	g.a = dy + begin;
	g.c = dw + begin * inputs;
	product(me, &g);
}

void elm__pass_reduce(const elm__pass_member *me, const float *partial, size_t stride,
		      size_t offset, size_t n, float *out)
{
	size_t chunks = (me->p->batch->rows + ELM__CHUNK_ROWS - 1) / ELM__CHUNK_ROWS, begin, end;

	elm__pool_share(n, 16, me->index, me->count, &begin, &end);
	for (size_t i = 0; i < chunks; i++)
		me->p->k->add(out + begin, partial + i * stride + offset + begin, end - begin);
}

void elm__pass_rotate(const elm__pass *p, float *head, size_t row, bool back)
{
	size_t at = (size_t)p->position[row] * p->pairs;

	(p->hp->arch->rope_split ? p->k->rope_split : p->k->rope_interleaved)(
		head, p->cosine + at, (back ? p->back : p->sine) + at, p->hp->rotated);
}

/* --- forward --- */

static float *next_x(const elm__pass *p, uint32_t layer)
{
	return layer + 1 < p->hp->layers ? p->kept[layer + 1].x : p->last;
}

static void embed(const elm__pass_member *me)
{
	const elm__pass *p = me->p;
	size_t width = p->hp->width;

	for (size_t i = me->begin; i < me->end; i++)
		memcpy(p->kept[0].x + i * width,
		       p->w + p->params->embedding + (size_t)p->batch->tokens[i] * width,
		       width * sizeof(float));
}

static void norm_rows(const elm__pass_member *me, const float *x, size_t weight, float *out)
{
	const elm__pass *p = me->p;
	size_t width = p->hp->width;

	for (size_t i = me->begin; i < me->end; i++)
		p->k->rms_norm(x + i * width, p->w + weight, p->hp->norm_epsilon, out + i * width,
			       width);
}

/* Bias, norm and rotation of the queries and keys of this member's rows. */
static void finish_heads(const elm__pass_member *me, uint32_t layer)
{
	const elm__pass *p = me->p;
	const elm__param_layer *at = &p->params->layers[layer];
	const elm__layer_shape *s = &p->hp->shapes[layer];
	const elm__kept *kept = &p->kept[layer];
	size_t dim = p->hp->head_dim, stride = elm__qkv_floats(p->hp, layer);
	size_t rotated = s->heads + s->kv_heads;

	for (size_t i = me->begin; i < me->end; i++) {
		float *row = kept->qkv + i * stride;

		if (at->qkv_bias != ELM__PARAM_NONE)
			p->k->add(row, p->w + at->qkv_bias, stride);
		if (p->hp->arch->qk_norm)
			memcpy(kept->raw + i * rotated * dim, row, rotated * dim * sizeof(float));
		for (size_t h = 0; h < rotated; h++) {
			float *head = row + h * dim;

			if (p->hp->arch->qk_norm)
				p->k->rms_norm(head,
					       p->w + (h < s->heads ? at->q_norm : at->k_norm),
					       p->hp->norm_epsilon, head, dim);
			elm__pass_rotate(p, head, i, false);
		}
	}
}

static void ffn(const elm__pass_member *me, uint32_t layer)
{
	const elm__pass *p = me->p;
	const elm__param_layer *at = &p->params->layers[layer];
	const elm__kept *kept = &p->kept[layer];
	size_t width = p->hp->width, n = p->hp->shapes[layer].ffn, rows = me->end - me->begin;
	float *out = next_x(p, layer);

	norm_rows(me, kept->middle, at->ffn_norm, p->normed);
	elm__pass_multiply(me, p->normed, width, p->w + at->gate_up, kept->gate_up, 2 * n, false);
	for (size_t i = me->begin; i < me->end; i++) {
		const float *gate = kept->gate_up + i * 2 * n;
		float *to = p->activated + i * n;

		memcpy(to, gate, n * sizeof(float));
		p->k->silu_mul(to, gate + n, n);
	}
	memcpy(out + me->begin * width, kept->middle + me->begin * width,
	       rows * width * sizeof(float));
	elm__pass_multiply(me, p->activated, n, p->w + at->down, out, width, true);
}

static void forward(const elm__pass_member *me)
{
	const elm__pass *p = me->p;
	size_t width = p->hp->width, rows = me->end - me->begin;

	embed(me);
	for (uint32_t i = 0; i < p->hp->layers; i++) {
		const elm__param_layer *at = &p->params->layers[i];
		const elm__kept *kept = &p->kept[i];

		norm_rows(me, kept->x, at->attn_norm, p->normed);
		elm__pass_multiply(me, p->normed, width, p->w + at->qkv, kept->qkv,
				   elm__qkv_floats(p->hp, i), false);
		finish_heads(me, i);
		elm__pass_barrier(me);
		elm__pass_attend(me, i);
		elm__pass_barrier(me);
		memcpy(kept->middle + me->begin * width, kept->x + me->begin * width,
		       rows * width * sizeof(float));
		elm__pass_multiply(me, kept->attended,
				   (size_t)p->hp->shapes[i].heads * p->hp->head_dim, p->w + at->out,
				   kept->middle, width, true);
		ffn(me, i);
	}
}

static void walk(void *user, unsigned index, unsigned count)
{
	elm__pass *p = user;
	elm__pass_member me = { .p = p, .index = index, .count = count, .own = &p->threads[index] };

	elm__pool_share(p->batch->rows, ELM__CHUNK_ROWS, index, count, &me.begin, &me.end);
	forward(&me);
	elm__pass_loss(&me, p->slope[0]);
	if (p->g)
		elm__pass_backward(&me);
}

void elm__pass_run(elm__pass *pass, const elm__train_batch *batch, const float *weights,
		   float *gradient, elm__train_loss *loss)
{
	pass->batch = batch;
	pass->w = weights;
	pass->g = gradient;
	pass->n_selected = 0;
	for (uint32_t i = 0; i < batch->pieces; i++)
		for (uint32_t j = 0; j < batch->piece[i].rows; j++)
			pass->position[batch->piece[i].first + j] = j;
	for (uint32_t i = 0; i < batch->rows; i++)
		if (batch->targets[i] != ELM_TOKEN_NONE)
			pass->selected[pass->n_selected++] = i;
	elm__pool_run(pass->pool, walk, pass);
	for (uint32_t i = 0; i < pass->n_selected; i++) {
		loss->total += pass->row_loss[i];
		loss->cross_entropy += pass->row_entropy[i];
	}
	loss->targets += pass->n_selected;
}
