#include "model/weights.h"

#include <stdio.h>
#include <string.h>

#include "quant/quant.h"

typedef struct binder {
	const elm_gguf *gguf;
	elm__arena *arena;
	elm_error *error;
	elm_status status; /* after the first failure nothing more is looked up */
	char name[96];
} binder;

static const elm_gguf_tensor *find(binder *b, bool optional)
{
	const elm_gguf_tensor *t;

	if (b->status != ELM_OK)
		return NULL;
	t = elm_gguf_tensor_find(b->gguf, b->name);
	if (!t && !optional)
		b->status =
			elm_error_set(b->error, ELM_ERR_FORMAT,
				      "%s: tensor %s is missing; the file is incomplete or not of "
				      "the architecture it claims",
				      elm_gguf_path(b->gguf), b->name);
	return t;
}

static void check_shape(binder *b, const elm_gguf_tensor *t, uint64_t cols, uint64_t rows)
{
	if (t->dims[0] != cols || t->dims[1] != rows || t->dims[2] != 1 || t->dims[3] != 1)
		b->status = elm_error_set(
			b->error, ELM_ERR_FORMAT,
			"%s: tensor %s is %llu x %llu; the metadata ask for %llu x %llu",
			elm_gguf_path(b->gguf), b->name, (unsigned long long)t->dims[0],
			(unsigned long long)t->dims[1], (unsigned long long)cols,
			(unsigned long long)rows);
}

/* A matrix of the tensor named in b->name. */
static elm__matrix matrix(binder *b, uint64_t cols, uint64_t rows, bool optional)
{
	const elm_gguf_tensor *t = find(b, optional);
	elm__matrix m = { 0 };

	if (!t)
		return m;
	check_shape(b, t, cols, rows);
	if (b->status == ELM_OK && !elm__dequant_ref[t->type])
		b->status =
			elm_error_set(b->error, ELM_ERR_UNSUPPORTED,
				      "%s: tensor %s has type %s, which weights cannot have",
				      elm_gguf_path(b->gguf), b->name, elm_type_get(t->type)->name);
	if (b->status != ELM_OK)
		return m;
	m.type = t->type;
	m.rows = (uint32_t)rows;
	m.cols = (uint32_t)cols;
	m.row_bytes = (size_t)(t->bytes / rows);
	m.data = t->data;
	return m;
}

/* A vector of floats, converted where the file has another type. */
static const float *vector(binder *b, uint64_t length, bool optional)
{
	const elm_gguf_tensor *t = find(b, optional);
	float *copy;

	if (!t)
		return NULL;
	check_shape(b, t, length, 1);
	if (b->status != ELM_OK)
		return NULL;
	if (t->type == ELM_TYPE_F32)
		return t->data;
	copy = elm__arena_calloc(b->arena, (size_t)length, sizeof(float));
	if (!copy)
		b->status = elm_error_set(b->error, ELM_ERR_NO_MEMORY, "%s: out of memory",
					  elm_gguf_path(b->gguf));
	else if (elm__dequantize_row(t->type, t->data, copy, (size_t)length) != ELM_OK)
		b->status =
			elm_error_set(b->error, ELM_ERR_UNSUPPORTED,
				      "%s: tensor %s has type %s, which weights cannot have",
				      elm_gguf_path(b->gguf), b->name, elm_type_get(t->type)->name);
	return copy;
}

static void name_of(binder *b, uint32_t layer, const char *suffix)
{
	snprintf(b->name, sizeof(b->name), "blk.%u.%s", layer, suffix);
}

static elm__matrix layer_matrix(binder *b, uint32_t layer, const char *suffix, uint64_t cols,
				uint64_t rows)
{
	name_of(b, layer, suffix);
	return matrix(b, cols, rows, false);
}

static const float *layer_vector(binder *b, uint32_t layer, const char *suffix, uint64_t length,
				 bool optional)
{
	name_of(b, layer, suffix);
	return vector(b, length, optional);
}

/* Rows [first, first + rows) of a matrix that is not packed; of none where binding has failed. */
static elm__matrix rows_of(const elm__matrix *m, uint32_t first, uint32_t rows)
{
	elm__matrix part = *m;

	if (!m->rows)
		return part;
	part.data = (const char *)m->data + first * m->row_bytes;
	part.rows = rows;
	return part;
}

static void bind_attention(binder *b, elm__layer *l, const elm__hparams *hp, uint32_t i)
{
	const elm__layer_shape *s = &hp->shapes[i];
	uint32_t q = s->heads * hp->head_dim, kv = s->kv_heads * hp->head_dim;

	l->attn_norm = layer_vector(b, i, "attn_norm.weight", hp->width, false);
	if (hp->arch->fused_qkv) {
		elm__matrix all = layer_matrix(b, i, "attn_qkv.weight", hp->width, q + 2 * kv);
		const float *bias = layer_vector(b, i, "attn_qkv.bias", q + 2 * kv, true);

		l->q = rows_of(&all, 0, q);
		l->k = rows_of(&all, q, kv);
		l->v = rows_of(&all, q + kv, kv);
		if (bias) {
			l->q_bias = bias;
			l->k_bias = bias + q;
			l->v_bias = bias + q + kv;
		}
	} else {
		l->q = layer_matrix(b, i, "attn_q.weight", hp->width, q);
		l->k = layer_matrix(b, i, "attn_k.weight", hp->width, kv);
		l->v = layer_matrix(b, i, "attn_v.weight", hp->width, kv);
		l->q_bias = layer_vector(b, i, "attn_q.bias", q, true);
		l->k_bias = layer_vector(b, i, "attn_k.bias", kv, true);
		l->v_bias = layer_vector(b, i, "attn_v.bias", kv, true);
	}
	l->out = layer_matrix(b, i, "attn_output.weight", q, hp->width);
	l->out_bias = layer_vector(b, i, "attn_output.bias", hp->width, true);
	if (hp->arch->qk_norm) {
		l->q_norm = layer_vector(b, i, "attn_q_norm.weight", hp->head_dim, false);
		l->k_norm = layer_vector(b, i, "attn_k_norm.weight", hp->head_dim, false);
	}
	if (hp->arch->post_norms)
		l->attn_post_norm =
			layer_vector(b, i, "post_attention_norm.weight", hp->width, false);
}

static void bind_ffn(binder *b, elm__layer *l, const elm__hparams *hp, uint32_t i)
{
	uint32_t ffn = hp->shapes[i].ffn;

	l->ffn_norm = layer_vector(b, i, "ffn_norm.weight", hp->width, false);
	if (hp->arch->fused_gate_up) {
		elm__matrix all = layer_matrix(b, i, "ffn_up.weight", hp->width, 2 * (uint64_t)ffn);

		l->gate = rows_of(&all, 0, ffn);
		l->up = rows_of(&all, ffn, ffn);
	} else {
		l->gate = layer_matrix(b, i, "ffn_gate.weight", hp->width, ffn);
		l->up = layer_matrix(b, i, "ffn_up.weight", hp->width, ffn);
		l->gate_bias = layer_vector(b, i, "ffn_gate.bias", ffn, true);
		l->up_bias = layer_vector(b, i, "ffn_up.bias", ffn, true);
	}
	l->down = layer_matrix(b, i, "ffn_down.weight", ffn, hp->width);
	l->down_bias = layer_vector(b, i, "ffn_down.bias", hp->width, true);
	if (hp->arch->post_norms)
		l->ffn_post_norm = layer_vector(b, i, "post_ffw_norm.weight", hp->width, false);
}

static const float *named_vector(binder *b, const char *name, uint64_t length, bool optional)
{
	snprintf(b->name, sizeof(b->name), "%s", name);
	return vector(b, length, optional);
}

static elm__matrix named_matrix(binder *b, const char *name, uint64_t cols, uint64_t rows,
				bool optional)
{
	snprintf(b->name, sizeof(b->name), "%s", name);
	return matrix(b, cols, rows, optional);
}

static void bind_rope(binder *b, elm__weights *w, const elm__hparams *hp)
{
	uint64_t pairs = hp->rotated / 2;

	w->rope_divisors = named_vector(b, "rope_freqs.weight", pairs, true);
	w->rope_long = named_vector(b, "rope_factors_long.weight", pairs, true);
	w->rope_short = named_vector(b, "rope_factors_short.weight", pairs, true);
	if (b->status == ELM_OK && hp->rope_scaling == ELM__ROPE_LONG &&
	    (!w->rope_long || !w->rope_short))
		b->status = elm_error_set(
			b->error, ELM_ERR_FORMAT,
			"%s: rope scaling is longrope, but tensor "
			"rope_factors_long.weight or rope_factors_short.weight is missing",
			elm_gguf_path(b->gguf));
}

elm_status elm__weights_bind(elm__weights *w, const elm__hparams *hp, const elm_gguf *gguf,
			     elm__arena *arena, elm_error *error)
{
	binder b = { .gguf = gguf, .arena = arena, .error = error };

	memset(w, 0, sizeof(*w));
	w->layers = elm__arena_calloc(arena, hp->layers, sizeof(*w->layers));
	if (!w->layers)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory",
				     elm_gguf_path(gguf));
	w->embedding = named_matrix(&b, "token_embd.weight", hp->width, hp->vocabulary, false);
	w->output_norm = named_vector(&b, "output_norm.weight", hp->width, false);
	w->output = named_matrix(&b, "output.weight", hp->width, hp->vocabulary, true);
	if (b.status == ELM_OK && !w->output.rows)
		w->output = w->embedding; /* tied */
	bind_rope(&b, w, hp);
	for (uint32_t i = 0; i < hp->layers && b.status == ELM_OK; i++) {
		bind_attention(&b, &w->layers[i], hp, i);
		bind_ffn(&b, &w->layers[i], hp, i);
	}
	return b.status;
}
