#include "train/params.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/carve.h"
#include "base/random.h"
#include "quant/quant.h"

enum { ALIGN_FLOATS = ELM__CARVE_ALIGN / sizeof(float) };

static elm_status unsupported(elm_error *error, const char *what)
{
	return elm_error_set(error, ELM_ERR_UNSUPPORTED,
			     "training a model with %s is not supported; the families llama, qwen2 "
			     "and qwen3 can be trained",
			     what);
}

static elm_status check_trainable(const elm__hparams *hp, const elm__weights *w, elm_error *error)
{
	const elm__arch *a = hp->arch;

	if (a->fused_qkv || a->fused_gate_up || a->post_norms || a->gelu || a->scaled_embeddings ||
	    a->window_period || hp->attention_softcap > 0 || hp->final_softcap > 0)
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "training the architecture %s is not supported; llama, qwen2 "
				     "and qwen3 are",
				     a->name);
	if (w && w->rope_long)
		return unsupported(error, "longrope");
	for (uint32_t i = 0; w && i < hp->layers; i++) {
		const elm__layer *l = &w->layers[i];

		if (l->out_bias || l->gate_bias || l->up_bias || l->down_bias)
			return unsupported(error, "biases outside of queries, keys and values");
		if (!l->q_bias != !l->k_bias || !l->q_bias != !l->v_bias)
			return unsupported(error, "biases on some of queries, keys and values");
	}
	return ELM_OK;
}

/* Adds tensors one behind the other. */
typedef struct layout {
	elm__param *list;
	size_t count, floats;
} layout;

static void align(layout *l)
{
	l->floats = (l->floats + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

static size_t place(layout *l, uint32_t rows, uint32_t cols, const char *format, ...)
	ELM_PRINTF(4, 5);

static size_t place(layout *l, uint32_t rows, uint32_t cols, const char *format, ...)
{
	elm__param *p = &l->list[l->count++];
	va_list args;

	va_start(args, format);
	vsnprintf(p->name, sizeof(p->name), format, args);
	va_end(args);
	p->rows = rows;
	p->cols = cols;
	p->offset = l->floats;
	l->floats += elm__param_elements(p);
	return p->offset;
}

static void place_layer_matrices(layout *l, const elm__hparams *hp, uint32_t i,
				 elm__param_layer *at)
{
	const elm__layer_shape *s = &hp->shapes[i];
	uint32_t q = s->heads * hp->head_dim, kv = s->kv_heads * hp->head_dim;

	align(l);
	at->qkv = place(l, q, hp->width, "blk.%u.attn_q.weight", i);
	place(l, kv, hp->width, "blk.%u.attn_k.weight", i);
	place(l, kv, hp->width, "blk.%u.attn_v.weight", i);
	align(l);
	at->out = place(l, hp->width, q, "blk.%u.attn_output.weight", i);
	align(l);
	at->gate_up = place(l, s->ffn, hp->width, "blk.%u.ffn_gate.weight", i);
	place(l, s->ffn, hp->width, "blk.%u.ffn_up.weight", i);
	align(l);
	at->down = place(l, hp->width, s->ffn, "blk.%u.ffn_down.weight", i);
}

static void place_layer_vectors(layout *l, const elm__hparams *hp, uint32_t i, bool biases,
				elm__param_layer *at)
{
	const elm__layer_shape *s = &hp->shapes[i];
	uint32_t q = s->heads * hp->head_dim, kv = s->kv_heads * hp->head_dim;

	align(l);
	at->attn_norm = place(l, 0, hp->width, "blk.%u.attn_norm.weight", i);
	align(l);
	at->ffn_norm = place(l, 0, hp->width, "blk.%u.ffn_norm.weight", i);
	at->qkv_bias = at->q_norm = at->k_norm = ELM__PARAM_NONE;
	align(l);
	if (biases) {
		at->qkv_bias = place(l, 0, q, "blk.%u.attn_q.bias", i);
		place(l, 0, kv, "blk.%u.attn_k.bias", i);
		place(l, 0, kv, "blk.%u.attn_v.bias", i);
		align(l);
	}
	if (hp->arch->qk_norm) {
		at->q_norm = place(l, 0, hp->head_dim, "blk.%u.attn_q_norm.weight", i);
		align(l);
		at->k_norm = place(l, 0, hp->head_dim, "blk.%u.attn_k_norm.weight", i);
	}
}

elm_status elm__params_init(elm__params *params, const elm__hparams *hp, const elm__weights *w,
			    bool tied, elm__arena *arena, elm_error *error)
{
	enum { OF_MODEL = 3, OF_LAYER = 14 };
	elm_status status = check_trainable(hp, w, error);
	elm__param_layer *layers;
	layout l = { 0 };

	if (status)
		return status;
	layers = elm__arena_calloc(arena, hp->layers, sizeof(*layers));
	l.list =
		elm__arena_calloc(arena, (size_t)OF_LAYER * hp->layers + OF_MODEL, sizeof(*l.list));
	if (!layers || !l.list)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	if (w)
		tied = w->output.data == w->embedding.data;
	params->embedding = place(&l, hp->vocabulary, hp->width, "token_embd.weight");
	align(&l);
	params->output =
		tied ? params->embedding : place(&l, hp->vocabulary, hp->width, "output.weight");
	for (uint32_t i = 0; i < hp->layers; i++)
		place_layer_matrices(&l, hp, i, &layers[i]);
	align(&l);
	params->matrices = l.floats;
	params->output_norm = place(&l, 0, hp->width, "output_norm.weight");
	for (uint32_t i = 0; i < hp->layers; i++)
		place_layer_vectors(&l, hp, i,
				    w ? w->layers[i].q_bias != NULL :
					!strcmp(hp->arch->name, "qwen2"),
				    &layers[i]);
	align(&l);
	params->hp = hp;
	params->list = l.list;
	params->count = l.count;
	params->layers = layers;
	params->floats = l.floats;
	return ELM_OK;
}

/* Two independent normal numbers (Box and Muller, 1958). */
static void normal_pair(elm__random *random, double out[2])
{
	const double two_pi = 6.28318530717958647692;
	double radius = sqrt(-2 * log(1 - elm__random_unit(random)));
	double angle = two_pi * elm__random_unit(random);

	out[0] = radius * cos(angle);
	out[1] = radius * sin(angle);
}

void elm__params_randomize(const elm__params *params, uint64_t seed, float *floats)
{
	double spread = sqrt(2.0 / (5.0 * params->hp->width));
	double residual = spread / sqrt(2.0 * params->hp->layers);
	elm__random random;

	elm__random_seed(&random, seed);
	memset(floats, 0, params->floats * sizeof(float));
	for (size_t t = 0; t < params->count; t++) {
		const elm__param *p = &params->list[t];
		size_t n = elm__param_elements(p);
		bool writes = strstr(p->name, "attn_output") || strstr(p->name, "ffn_down");

		if (!p->rows) {
			for (size_t i = 0; i < n && !strstr(p->name, ".bias"); i++)
				floats[p->offset + i] = 1;
			continue;
		}
		for (size_t i = 0; i < n; i += 2) {
			double pair[2];

			normal_pair(&random, pair);
			for (size_t j = 0; j < 2 && i + j < n; j++)
				floats[p->offset + i + j] =
					(float)(pair[j] * (writes ? residual : spread));
		}
	}
}

static elm_status load_tensor(const elm__param *p, const elm_gguf *gguf, float *out,
			      elm_error *error)
{
	const elm_gguf_tensor *t = elm_gguf_tensor_find(gguf, p->name);
	uint64_t rows = p->rows ? p->rows : 1;
	elm_status status = ELM_OK;
	size_t row_bytes;

	if (!t || t->dims[0] != p->cols || t->elements != rows * p->cols)
		return elm_error_set(error, ELM_ERR_FORMAT, "%s: tensor %s is %s",
				     elm_gguf_path(gguf), p->name,
				     t ? "of another shape than the metadata say" : "missing");
	row_bytes = (size_t)(t->bytes / rows);
	for (uint64_t r = 0; r < rows && !status; r++) {
		float *row = out + r * p->cols;

		status = elm__dequantize_row(t->type, (const char *)t->data + r * row_bytes, row,
					     p->cols);
		if (status)
			return elm_error_set(error, status,
					     "%s: tensor %s cannot be read as floats",
					     elm_gguf_path(gguf), p->name);
		for (uint32_t i = 0; i < p->cols; i++)
			if (!isfinite(row[i]))
				return elm_error_set(error, ELM_ERR_FORMAT,
						     "%s: tensor %s holds a weight that is NaN or "
						     "infinite, in row %llu",
						     elm_gguf_path(gguf), p->name,
						     (unsigned long long)r);
	}
	return status;
}

elm_status elm__params_load(const elm__params *params, const elm_gguf *gguf, float *floats,
			    elm_error *error)
{
	elm_status status = ELM_OK;

	memset(floats, 0, params->floats * sizeof(float));
	for (size_t i = 0; i < params->count && !status; i++)
		status =
			load_tensor(&params->list[i], gguf, floats + params->list[i].offset, error);
	return status;
}

uint64_t elm__params_elements(const elm__params *params)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < params->count; i++)
		sum += elm__param_elements(&params->list[i]);
	return sum;
}
