/* forward_memory.c: the memory of a pass, measured first and then laid out in one piece. */
#include <string.h>

#include "base/carve.h"
#include "model/forward_state.h"

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* Bytes for the forms of any product's inputs. Q16 is for few rows only, see kernel.h. */
static size_t forms_bytes(const elm__kernels *k, size_t batch, size_t cols)
{
	unsigned many = ELM__FORM_Q8 | ELM__FORM_BF16 | ELM__FORM_BF16_SPLIT;
	size_t few = batch < ELM__ROW_UNIT ? batch : ELM__ROW_UNIT;

	return larger(elm__activations_bytes(k, many, batch, cols),
		      elm__activations_bytes(k, many | ELM__FORM_Q16, few, cols));
}

/* The most heads that share a key head. */
static size_t largest_group(const elm__hparams *hp)
{
	size_t group = 0;

	for (uint32_t i = 0; i < hp->layers; i++)
		group = larger(group, hp->shapes[i].heads / hp->shapes[i].kv_heads);
	return group;
}

static void lay_out_parts(elm__carver *c, elm__forward *f, const elm__hparams *hp,
			  const elm__forward_limits *limits)
{
	size_t most = limits->threads > 1 ? (size_t)ELM__PARTS_EACH * limits->threads : 0;

	/* Where there are parts, tiles are not joined. */
	f->part_rows = largest_group(hp) *
		       (limits->batch < ELM__QUERY_TILE ? limits->batch : ELM__QUERY_TILE);
	f->parts = elm__carve(c, most * f->part_rows, hp->head_dim * sizeof(float));
	f->part_lse = elm__carve(c, most, f->part_rows * sizeof(float));
	f->parts_done = elm__carve(c, most, sizeof(*f->parts_done));
	for (size_t i = 0; c->base && i < most; i++)
		atomic_init(&f->parts_done[i], 0);
}

/* Gives every member of *f its memory; the struct itself lies first. */
static void lay_out(elm__carver *c, elm__forward *f, const elm_model *model,
		    const elm__forward_limits *limits)
{
	const elm__hparams *hp = &model->hparams;
	const elm__kernels *k = &model->kernels;
	size_t heads = (size_t)hp->max_heads * hp->head_dim;
	size_t kv_heads = (size_t)hp->max_kv_heads * hp->head_dim;
	size_t widest = larger(larger(hp->width, heads), hp->max_ffn);
	size_t kv_blocks = (limits->context + ELM__KV_BLOCK - 1) / ELM__KV_BLOCK;
	size_t batch = limits->batch, row = batch * sizeof(float);
	size_t queries = ELM__QUERY_TILE * ELM__QUERY_TILES;

	f->x = elm__carve(c, hp->width, row);
	f->normed = elm__carve(c, hp->width, row);
	f->query = elm__carve(c, elm__padded(heads), row);
	f->attended = elm__carve(c, elm__padded(heads), row); /* changes places with query */
	f->key = elm__carve(c, elm__padded(kv_heads), row);
	f->value = elm__carve(c, elm__padded(kv_heads), row);
	f->gate = elm__carve(c, elm__padded(hp->max_ffn), row);
	f->up = elm__carve(c, elm__padded(hp->max_ffn), row);
	f->projected = elm__carve(c, elm__padded(hp->width), row);
	for (int kind = 0; kind < ELM__ROPE_KINDS; kind++) {
		f->cosine[kind] = elm__carve(c, hp->rotated / 2, row);
		f->sine[kind] = elm__carve(c, hp->rotated / 2, row);
	}
	f->forms = elm__carve(c, 1, forms_bytes(k, batch, widest));
	f->tiles = elm__carve(c, batch, sizeof(elm__forward_tile));
	lay_out_parts(c, f, hp, limits);
	f->threads = elm__carve(c, limits->threads, sizeof(elm__forward_thread));
	for (uint32_t i = 0; i < limits->threads; i++) {
		elm__forward_thread own;

		own.matmul = elm__carve(c, 1, k->matmul_scratch(batch, widest));
		own.attention = elm__carve(c, 1,
					   k->attention_scratch(batch < queries ? batch : queries,
								largest_group(hp), hp->head_dim));
		own.keys = elm__carve(c, kv_blocks, sizeof(void *));
		own.values = elm__carve(c, kv_blocks, sizeof(void *));
		if (c->base)
			f->threads[i] = own;
	}
}

size_t elm__forward_bytes(const elm_model *model, const elm__forward_limits *limits)
{
	elm__forward measure;
	elm__carver c = { 0 };

	elm__carve(&c, 1, sizeof(measure));
	lay_out(&c, &measure, model, limits);
	return c.overflow ? 0 : c.used;
}

elm__forward *elm__forward_init(void *memory, const elm_model *model, const elm__kv *kv,
				elm__pool *pool, const elm__forward_limits *limits)
{
	elm__carver c = { .base = memory };
	elm__forward *f = elm__carve(&c, 1, sizeof(*f));

	memset(f, 0, sizeof(*f));
	lay_out(&c, f, model, limits);
	f->model = model;
	f->hp = &model->hparams;
	f->k = &model->kernels;
	f->kv = kv;
	f->pool = pool;
	elm__rope_init(&f->rope, f->hp, &model->weights, limits->context);
	return f;
}
