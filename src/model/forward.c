#include "model/forward.h"

#include <string.h>

#include "base/carve.h"
#include "kernel/kv.h"
#include "model/forward_state.h"

enum { ROW_UNIT = ELM__ROW_UNIT, PARTS_EACH = ELM__PARTS_EACH, PART_BLOCKS = ELM__PART_BLOCKS };

typedef elm__forward_tile tile;
typedef elm__forward_thread per_thread;

/* A member of the pool in a pass. What all members compute alike they keep apart, so that nothing
 * of it needs a barrier. */
typedef struct member {
	elm__forward *f;
	unsigned index, count;
	per_thread *own;
	uint32_t n;		 /* rows still in the pass */
	elm__activations inputs; /* of the product at hand */
} member;

/* --- sharing work --- */

/* This member's part of `items`, in whole units. */
static void share(const member *me, size_t items, size_t unit, size_t *begin, size_t *end)
{
	elm__pool_share(items, unit, me->index, me->count, begin, end);
}

static void barrier(const member *me)
{
	elm__pool_barrier(me->f->pool);
}

/* A product of the prepared inputs: y = inputs * w. */
typedef struct product {
	const elm__matrix *w;
	float *y;
	size_t stride;
} product;

/* From here on a product is bound by arithmetic, and kernels read the inputs once per call. */
enum { MANY_ROWS = 20 };

/*
 * Rows of output per ticket: enough tickets that a member which is held up does not hold up the
 * rest, few enough that handing them out costs little. With many rows of inputs every ticket reads
 * all of these from memory far away, so that two per member are enough.
 */
static size_t chunk_rows(size_t total, size_t m, unsigned members)
{
	bool many = m >= MANY_ROWS;
	size_t unit = many ? 64 : 16, most = many ? 8192 : 1024;
	size_t chunk = total / (members * (many ? 2 : 8)) / unit * unit;

	if (members == 1)
		return total + 15;
	return chunk < unit ? unit : chunk > most ? most : chunk;
}

static void multiply(const member *me, const product *p, size_t n)
{
	elm__forward *f = me->f;
	size_t total = 0, chunk, first = 0, j = 0, ticket;

	for (size_t i = 0; i < n; i++)
		total += p[i].w->rows;
	chunk = chunk_rows(total, me->n, me->count);
	chunk = (chunk + 15) & ~(size_t)15;
	/* Tickets count the chunks of all matrices in turn; they only grow, so j only moves on. */
	for (;;) {
		ticket = elm__pool_next(f->pool);
		while (j < n && ticket - first >= (p[j].w->rows + chunk - 1) / chunk) {
			first += (p[j].w->rows + chunk - 1) / chunk;
			j++;
		}
		if (j == n)
			return;
		size_t begin = (ticket - first) * chunk, end = begin + chunk;

		f->k->matmul(p[j].w, &me->inputs, p[j].y, p[j].stride, begin,
			     end < p[j].w->rows ? end : p[j].w->rows, me->own->matmul);
	}
}

static void observe(const member *me, elm__input input)
{
	const elm__observer *o = me->f->observer;

	if (o)
		o->see(o->user, input, me->inputs.f32, me->inputs.f32_stride, me->inputs.rows,
		       me->inputs.cols, me->index, me->count);
}

static unsigned forms_of(const member *me, const product *p, size_t n)
{
	unsigned forms = 0;

	for (size_t i = 0; i < n; i++)
		forms |= me->f->k->forms(p[i].w, me->n);
	return forms;
}

/* Says what the next products read: x, me->n rows of cols floats that are `stride` apart, in these
 * forms. */
static void set_inputs(member *me, const float *x, size_t cols, size_t stride, unsigned forms)
{
	elm__activations *in = &me->inputs;

	in->rows = me->n;
	in->cols = cols;
	in->f32 = x;
	in->f32_stride = stride;
	elm__activations_place(in, me->f->k, forms, me->f->forms);
}

/*
 * What is done to rows goes through this member's share of them a unit at a time, all steps of a
 *unit in turn, so that a row is still in the caches when the next step reads it:
 *
 *	for (unit u = first_unit(me); next_unit(&u);)
 *		rows [u.begin, u.end)
 */
typedef struct unit {
	size_t begin, end; /* the unit at hand */
	size_t last;	   /* end of the share */
} unit;

static unit first_unit(const member *me)
{
	unit u;

	share(me, me->n, me->f->unit, &u.end, &u.last);
	return u;
}

static bool next_unit(unit *u)
{
	u->begin = u->end;
	u->end = u->last - u->begin > ROW_UNIT ? u->begin + ROW_UNIT : u->last;
	return u->begin < u->end;
}

/* Makes the forms of a unit of rows. */
static void prepare(member *me, unsigned forms, const unit *u)
{
	for (unsigned form = ELM__FORM_Q8; form <= ELM__FORM_BF16_SPLIT; form <<= 1)
		if (forms & form)
			me->f->k->prepare(&me->inputs, form, u->begin, u->end);
}

static void add_bias(const elm__forward *f, float *x, const float *bias, size_t n)
{
	if (bias)
		f->k->add(x, bias, n);
}

/* --- the blocks of a layer --- */

/* normed = RMSNorm(x) and its forms, for the products that come next. */
static void norm_rows(member *me, const float *weight, unsigned forms, const unit *u)
{
	elm__forward *f = me->f;
	size_t width = f->hp->width;

	for (size_t i = u->begin; i < u->end; i++)
		f->k->rms_norm(f->x + i * width, weight, f->hp->norm_epsilon, f->normed + i * width,
			       width);
	prepare(me, forms, u);
}

/* x += norm(projected + bias), for one row. */
static void add_projected(const elm__forward *f, const float *bias, const float *post_norm,
			  size_t row)
{
	size_t width = f->hp->width;
	float *y = f->projected + row * elm__padded(width);

	add_bias(f, y, bias, width);
	if (post_norm)
		f->k->rms_norm(y, post_norm, f->hp->norm_epsilon, y, width);
	f->k->add(f->x + row * width, y, width);
}

/* That, then the next norm. */
static void add_and_norm(member *me, const float *bias, const float *post_norm, const float *norm,
			 unsigned forms)
{
	elm__forward *f = me->f;
	size_t width = f->hp->width;

	set_inputs(me, f->normed, width, width, forms);
	for (unit u = first_unit(me); next_unit(&u);) {
		for (size_t i = u.begin; i < u.end; i++)
			add_projected(f, bias, post_norm, i);
		norm_rows(me, norm, forms, &u);
	}
}

static void embed(member *me)
{
	elm__forward *f = me->f;
	const elm__matrix *e = &f->model->weights.embedding;
	size_t begin, end, width = f->hp->width;

	share(me, me->n, me->f->unit, &begin, &end);
	for (size_t i = begin; i < end; i++) {
		float *x = f->x + i * width;

		f->k->dequantize(e->type, (const char *)e->data + f->rows[i].token * e->row_bytes,
				 x, width);
		if (f->hp->arch->scaled_embeddings)
			f->k->scale(x, f->hp->embedding_scale, width);
	}
}

/* The angles that this member's rows are rotated by. */
static void find_angles(const member *me)
{
	const elm__forward *f = me->f;
	size_t begin, end, pairs = f->rope.pairs;

	share(me, me->n, me->f->unit, &begin, &end);
	for (size_t i = begin; i < end; i++)
		for (int kind = 0; kind <= (f->rope.local_differs ? ELM__ROPE_LOCAL : 0); kind++)
			elm__rope_angles(&f->rope, kind, f->rows[i].position,
					 f->cosine[kind] + i * pairs, f->sine[kind] + i * pairs);
}

static void rotate(const elm__forward *f, float *head, size_t row, int kind)
{
	const float *cosine = f->cosine[kind] + row * f->rope.pairs;
	const float *sine = f->sine[kind] + row * f->rope.pairs;

	if (f->hp->arch->rope_split)
		f->k->rope_split(head, cosine, sine, f->hp->rotated);
	else
		f->k->rope_interleaved(head, cosine, sine, f->hp->rotated);
}

/* What goes to the cache, or is compared with what is in it, in the form that its type wants. */
static void prepare_head(const elm__forward *f, float *head)
{
	if (elm__kv_rotated(f->kv->type))
		f->k->hadamard(head, f->hp->head_dim);
}

/* Bias, norm and rotation of queries and keys; keys and values go to the cache. One item is one
 * head of one row. */
static void finish_heads(const member *me, uint32_t layer)
{
	const elm__forward *f = me->f;
	const elm__layer *l = &f->model->weights.layers[layer];
	const elm__layer_shape *s = &f->hp->shapes[layer];
	size_t dim = f->hp->head_dim, heads = s->heads + 2 * (size_t)s->kv_heads, begin, end;
	size_t q_stride = elm__padded(s->heads * dim), kv_stride = elm__padded(s->kv_heads * dim);
	int kind = s->local_rope && f->rope.local_differs ? ELM__ROPE_LOCAL : ELM__ROPE_GLOBAL;

	share(me, me->n * heads, 1, &begin, &end);
	for (size_t item = begin; item < end; item++) {
		size_t i = item / heads, h = item % heads;
		const elm__row *row = &f->rows[i];
		uint32_t block = row->blocks[row->position / ELM__KV_BLOCK];
		uint32_t slot = row->position % ELM__KV_BLOCK;

		if (h < s->heads) {
			float *q = f->query + i * q_stride + h * dim;

			add_bias(f, q, l->q_bias ? l->q_bias + h * dim : NULL, dim);
			if (l->q_norm)
				f->k->rms_norm(q, l->q_norm, f->hp->norm_epsilon, q, dim);
			rotate(f, q, i, kind);
			prepare_head(f, q);
		} else if (h < s->heads + s->kv_heads) {
			size_t g = h - s->heads;
			float *k = f->key + i * kv_stride + g * dim;

			add_bias(f, k, l->k_bias ? l->k_bias + g * dim : NULL, dim);
			if (l->k_norm)
				f->k->rms_norm(k, l->k_norm, f->hp->norm_epsilon, k, dim);
			rotate(f, k, i, kind);
			prepare_head(f, k);
			f->k->kv_store(f->kv->type, elm__kv_keys(f->kv, block, layer, (uint32_t)g),
				       slot, k, dim);
		} else {
			size_t g = h - s->heads - s->kv_heads;
			float *v = f->value + i * kv_stride + g * dim;

			add_bias(f, v, l->v_bias ? l->v_bias + g * dim : NULL, dim);
			prepare_head(f, v);
			f->k->kv_store(f->kv->type,
				       elm__kv_values(f->kv, block, layer, (uint32_t)g), slot, v,
				       dim);
		}
	}
}

/* A tile of rows with one key head. */
typedef struct attention_item {
	const tile *tile;
	uint32_t head, layer;
	size_t begin, end; /* blocks that it sees */
	size_t place;	   /* of its first part among those of all items */
	atomic_uint *done;
} attention_item;

static bool is_float(elm_type type)
{
	return type == ELM_TYPE_F32 || type == ELM_TYPE_F16 || type == ELM_TYPE_BF16;
}

static elm__attention attention_of(const member *me, const attention_item *it)
{
	const elm__forward *f = me->f;
	const elm__layer_shape *s = &f->hp->shapes[it->layer];
	const elm__row *row = &f->rows[it->tile->row];
	size_t dim = f->hp->head_dim, stride = s->heads * dim, query_stride = elm__padded(stride);
	uint32_t group = s->heads / s->kv_heads;
	size_t at = it->head * group * dim;

	return (elm__attention){
		.query = f->query + it->tile->row * query_stride + at,
		.out = f->attended + it->tile->row * stride + at,
		.query_stride = query_stride,
		.out_stride = stride,
		.queries = it->tile->rows,
		.group = group,
		.head_dim = (uint32_t)dim,
		.first_position = row->position,
		.window = s->window,
		.scale = f->hp->attention_scale,
		.softcap = f->hp->attention_softcap,
		.fine = is_float(f->model->weights.layers[it->layer].out.type),
		.kv_type = f->kv->type,
		.k_blocks = me->own->keys,
		.v_blocks = me->own->values,
		.scratch = me->own->attention,
	};
}

/* Computes the blocks [begin, end) of the context. */
static void attend_blocks(const member *me, const attention_item *it, elm__attention *a,
			  size_t begin, size_t end)
{
	const elm__forward *f = me->f;
	const uint32_t *blocks = f->rows[it->tile->row].blocks;

	for (size_t b = begin; b < end; b++) {
		me->own->keys[b] = elm__kv_keys(f->kv, blocks[b], it->layer, it->head);
		me->own->values[b] = elm__kv_values(f->kv, blocks[b], it->layer, it->head);
	}
	a->first_block = (uint32_t)begin;
	a->end_block = (uint32_t)end;
	f->k->attention(a);
}

/* Undoes what was done to the values. */
static void restore_heads(const elm__forward *f, const elm__attention *a)
{
	if (!elm__kv_rotated(a->kv_type))
		return;
	for (size_t r = 0; r < (size_t)a->queries * a->group; r++)
		f->k->hadamard(a->out + r / a->group * a->out_stride + r % a->group * a->head_dim,
			       a->head_dim);
}

/* Computes one of `parts` parts of the context; whoever computes the last puts them together. */
static void attend_part(const member *me, const attention_item *it, size_t part, size_t parts)
{
	const elm__forward *f = me->f;
	const elm__attention whole = attention_of(me, it);
	elm__attention a = whole;
	size_t dim = a.head_dim, length = it->end - it->begin, floats = f->part_rows * dim;
	float *first = f->parts + it->place * floats, *lse = f->part_lse + it->place * f->part_rows;

	a.out = first + part * floats;
	a.out_stride = a.group * dim;
	a.lse = lse + part * f->part_rows;
	attend_blocks(me, it, &a, it->begin + length * part / parts,
		      it->begin + length * (part + 1) / parts);
	if (atomic_fetch_add_explicit(it->done, 1, memory_order_acq_rel) + 1 < parts)
		return;
	atomic_store_explicit(it->done, 0, memory_order_relaxed);
	for (size_t r = 0; r < (size_t)a.queries * a.group; r++)
		elm__attention_merge(first + r * dim, floats, lse + r, f->part_rows, parts,
				     whole.out + r / a.group * whole.out_stride + r % a.group * dim,
				     dim);
	restore_heads(f, &whole);
}

static void attend(const member *me, uint32_t layer)
{
	const elm__forward *f = me->f;
	const elm__layer_shape *s = &f->hp->shapes[layer];
	size_t items = (size_t)f->n_tiles * s->kv_heads, ticket;
	size_t most = me->count > 1 ? (size_t)PARTS_EACH * me->count / items : 1;

	if (!most || f->k->invariant)
		most = 1;
	while ((ticket = elm__pool_next(f->pool)) < items * most) {
		size_t item = ticket / most, part = ticket % most, parts;
		attention_item it = { .layer = layer, .place = item * most };
		uint32_t first, last;

		/* The last tiles see the most keys: they go first, so that no member is left alone
		 * with a long one. */
		it.tile = &f->tiles[f->n_tiles - 1 - item / s->kv_heads];
		it.head = (uint32_t)(item % s->kv_heads);
		first = f->rows[it.tile->row].position;
		last = first + it.tile->rows - 1;
		it.begin = (s->window && first >= s->window ? first - s->window + 1 : 0) /
			   ELM__KV_BLOCK;
		it.end = last / ELM__KV_BLOCK + 1;
		parts = (it.end - it.begin) / PART_BLOCKS;
		parts = parts < most ? parts : most;
		if (parts > 1 && part < parts) {
			it.done = &f->parts_done[item];
			attend_part(me, &it, part, parts);
		} else if (!part) {
			elm__attention a = attention_of(me, &it);

			attend_blocks(me, &it, &a, it.begin, it.end);
			restore_heads(f, &a);
		}
	}
}

static void exchange(float **a, float **b)
{
	float *c = *a;

	*a = *b;
	*b = c;
}

/* After the last attention only rows that are asked for something matter: those whose logits are
 * wanted go first, then those whose state is. They are put where nothing is needed any more, which
 * takes the place of what they leave. */
static void keep_wanted(const member *me, size_t attended_width)
{
	elm__forward *f = me->f;
	size_t width = f->hp->width, logits = 0, states = f->n_logits;

	if (me->index)
		return;
	for (size_t i = 0; i < f->n; i++) {
		size_t to;

		if (!f->rows[i].logits && !f->rows[i].state)
			continue;
		to = f->rows[i].logits ? logits++ : states++;
		memcpy(f->normed + to * width, f->x + i * width, width * sizeof(float));
		memcpy(f->query + to * attended_width, f->attended + i * attended_width,
		       attended_width * sizeof(float));
	}
	exchange(&f->x, &f->normed);
	exchange(&f->attended, &f->query);
}

/* False when the pass ends here: the cache is filled, and nothing else is wanted. */
static bool attention_block(member *me, uint32_t layer)
{
	elm__forward *f = me->f;
	const elm__layer *l = &f->model->weights.layers[layer];
	const elm__layer_shape *s = &f->hp->shapes[layer];
	size_t dim = f->hp->head_dim, heads = s->heads * dim, kv_heads = s->kv_heads * dim;
	product qkv[3] = { { &l->q, f->query, elm__padded(heads) },
			   { &l->k, f->key, elm__padded(kv_heads) },
			   { &l->v, f->value, elm__padded(kv_heads) } };
	product out = { &l->out, f->projected, elm__padded(f->hp->width) };
	bool last = layer + 1 == f->hp->layers && !f->residual;
	unsigned forms;

	observe(me, ELM__INPUT_ATTENTION);
	multiply(me, qkv, 3);
	barrier(me);
	finish_heads(me, layer);
	if (last && !f->n_logits && !f->n_states)
		return false;
	barrier(me);
	attend(me, layer);
	barrier(me);
	if (last) {
		keep_wanted(me, heads);
		me->n = f->n_logits + f->n_states;
		barrier(me);
	}
	forms = forms_of(me, &out, 1);
	set_inputs(me, f->attended, heads, heads, forms);
	for (unit u = first_unit(me); next_unit(&u);)
		prepare(me, forms, &u);
	barrier(me);
	observe(me, ELM__INPUT_OUT);
	multiply(me, &out, 1);
	barrier(me);
	return true;
}

/* The products that read the output of the norm at the start of a layer, or of the last norm. */
static unsigned next_forms(const member *me, uint32_t layer)
{
	const elm__weights *w = &me->f->model->weights;
	product first[3];
	size_t n = 0;

	if (layer == me->f->hp->layers) {
		first[n++].w = &w->output;
	} else {
		first[n++].w = &w->layers[layer].q;
		first[n++].w = &w->layers[layer].k;
		first[n++].w = &w->layers[layer].v;
	}
	return forms_of(me, first, n);
}

static void activate(member *me, const elm__layer *l, size_t ffn, unsigned forms)
{
	elm__forward *f = me->f;
	size_t stride = elm__padded(ffn);

	set_inputs(me, f->gate, ffn, stride, forms);
	for (unit u = first_unit(me); next_unit(&u);) {
		for (size_t i = u.begin; i < u.end; i++) {
			float *gate = f->gate + i * stride, *up = f->up + i * stride;

			add_bias(f, gate, l->gate_bias, ffn);
			add_bias(f, up, l->up_bias, ffn);
			if (f->hp->arch->gelu)
				f->k->gelu_mul(gate, up, ffn);
			else
				f->k->silu_mul(gate, up, ffn);
		}
		prepare(me, forms, &u);
	}
}

static void ffn_block(member *me, uint32_t layer)
{
	elm__forward *f = me->f;
	const elm__layer *l = &f->model->weights.layers[layer];
	size_t ffn = f->hp->shapes[layer].ffn;
	product gate_up[2] = { { &l->gate, f->gate, elm__padded(ffn) },
			       { &l->up, f->up, elm__padded(ffn) } };
	product down = { &l->down, f->projected, elm__padded(f->hp->width) };

	add_and_norm(me, l->out_bias, l->attn_post_norm, l->ffn_norm, forms_of(me, gate_up, 2));
	barrier(me);
	observe(me, ELM__INPUT_FFN);
	multiply(me, gate_up, 2);
	barrier(me);
	activate(me, l, ffn, forms_of(me, &down, 1));
	barrier(me);
	observe(me, ELM__INPUT_DOWN);
	multiply(me, &down, 1);
	barrier(me);
}

/* After the last layer: the states of the rows that want them, which then leave the pass. */
static void put_states(member *me, const elm__layer *l)
{
	elm__forward *f = me->f;
	size_t width = f->hp->width, begin, end;

	share(me, f->n_states, 1, &begin, &end);
	for (size_t i = begin; i < end; i++) {
		size_t row = f->n_logits + i;

		add_projected(f, l->down_bias, l->ffn_post_norm, row);
		f->k->rms_norm(f->x + row * width, f->model->weights.output_norm,
			       f->hp->norm_epsilon, f->states + i * width, width);
	}
	me->n = f->n_logits;
}

static void output_block(member *me)
{
	elm__forward *f = me->f;
	product output = { &f->model->weights.output, f->logits, f->hp->vocabulary };
	size_t begin, end;

	multiply(me, &output, 1);
	if (f->hp->final_softcap <= 0)
		return;
	barrier(me);
	share(me, (size_t)me->n * f->hp->vocabulary, 1024, &begin, &end);
	f->k->softcap(f->logits + begin, f->hp->final_softcap, end - begin);
}

/* The norm at the start of a layer, where no other came before that did it in passing. */
static void begin_layer(member *me, uint32_t layer)
{
	elm__forward *f = me->f;
	unsigned forms = next_forms(me, layer);

	set_inputs(me, f->normed, f->hp->width, f->hp->width, forms);
	for (unit u = first_unit(me); next_unit(&u);)
		norm_rows(me, f->model->weights.layers[layer].attn_norm, forms, &u);
	barrier(me);
}

static void pass(void *user, unsigned index, unsigned count)
{
	elm__forward *f = user;
	const elm__weights *w = &f->model->weights;
	member me = { .f = f, .index = index, .count = count, .n = f->n };

	me.own = &f->threads[index];
	embed(&me);
	find_angles(&me);
	begin_layer(&me, 0);
	for (uint32_t i = 0; i < f->hp->layers; i++) {
		const elm__layer *l = &w->layers[i];
		bool last = i + 1 == f->hp->layers;

		if (!attention_block(&me, i))
			return;
		ffn_block(&me, i);
		if (last)
			put_states(&me, l);
		if (!me.n)
			return;
		add_and_norm(&me, l->down_bias, l->ffn_post_norm,
			     last ? w->output_norm : w->layers[i + 1].attn_norm,
			     next_forms(&me, i + 1));
		barrier(&me);
	}
	output_block(&me);
}

/* The residual stream of this member's rows goes from the caller's memory to ours, or back. */
static void move_residual(const member *me, bool in)
{
	const elm__forward *f = me->f;
	size_t width = f->hp->width, begin, end, bytes;

	share(me, me->n, me->f->unit, &begin, &end);
	bytes = (end - begin) * width * sizeof(float);
	if (in)
		memcpy(f->x + begin * width, f->residual + begin * width, bytes);
	else
		memcpy(f->residual + begin * width, f->x + begin * width, bytes);
}

static void pass_layer(void *user, unsigned index, unsigned count)
{
	elm__forward *f = user;
	const elm__layer *l = &f->model->weights.layers[f->layer];
	member me = { .f = f, .index = index, .count = count, .n = f->n };

	me.own = &f->threads[index];
	if (f->layer)
		move_residual(&me, true);
	else
		embed(&me);
	find_angles(&me);
	begin_layer(&me, f->layer);
	if (!attention_block(&me, f->layer))
		return;
	ffn_block(&me, f->layer);
	add_and_norm(&me, l->down_bias, l->ffn_post_norm, NULL, 0);
	move_residual(&me, false);
}

/* Forms in tiles are made of whole tiles; where no product reads such, every row can go to another
 * member. What few rows do without they do without in the last layer too, where fewer are left. */
static size_t unit_for(const elm__forward *f)
{
	const elm__weights *w = &f->model->weights;
	unsigned forms = f->k->forms(&w->output, f->n);

	for (uint32_t i = 0; i < f->hp->layers; i++) {
		const elm__layer *l = &w->layers[i];
		const elm__matrix *all[] = { &l->q,    &l->k,  &l->v,	&l->out,
					     &l->gate, &l->up, &l->down };

		for (size_t j = 0; j < sizeof(all) / sizeof(*all); j++)
			forms |= f->k->forms(all[j], f->n);
	}
	return forms & (ELM__FORM_BF16 | ELM__FORM_BF16_SPLIT) ? ROW_UNIT : 1;
}

/* The most rows of a tile. Several for all members to share must remain, as attend would otherwise
 * cut the context into parts. */
static uint32_t tile_limit(const elm__forward *f)
{
	size_t wanted = (size_t)PARTS_EACH * elm__pool_count(f->pool);
	uint32_t limit = ELM__QUERY_TILE * ELM__QUERY_TILES, heads = UINT32_MAX;

	for (uint32_t i = 0; i < f->hp->layers; i++)
		if (f->hp->shapes[i].kv_heads < heads)
			heads = f->hp->shapes[i].kv_heads;
	while (limit > ELM__QUERY_TILE && (size_t)(f->n / limit) * heads < wanted)
		limit /= 2;
	return limit;
}

static void find_tiles(elm__forward *f)
{
	uint32_t limit = tile_limit(f);

	f->n_tiles = 0;
	f->n_logits = f->n_states = 0;
	for (uint32_t i = 0; i < f->n; i++) {
		const elm__row *row = &f->rows[i];
		tile *t = f->n_tiles ? &f->tiles[f->n_tiles - 1] : NULL;

		f->n_logits += row->logits;
		f->n_states += row->state;
		if (t && t->rows < limit && row[-1].sequence == row->sequence &&
		    row[-1].position + 1 == row->position)
			t->rows++;
		else
			f->tiles[f->n_tiles++] = (tile){ i, 1 };
	}
}

void elm__forward_run(elm__forward *f, const elm__row *rows, uint32_t n, float *logits,
		      float *states)
{
	f->rows = rows;
	f->n = n;
	f->logits = logits;
	f->states = states;
	f->residual = NULL;
	f->observer = NULL;
	f->unit = unit_for(f);
	find_tiles(f);
	elm__pool_run(f->pool, pass, f);
}

void elm__forward_layer(elm__forward *f, const elm__row *rows, uint32_t n, uint32_t layer,
			float *residual, const elm__observer *observer)
{
	f->rows = rows;
	f->n = n;
	f->layer = layer;
	f->residual = residual;
	f->observer = observer;
	f->unit = unit_for(f);
	find_tiles(f);
	elm__pool_run(f->pool, pass_layer, f);
}
