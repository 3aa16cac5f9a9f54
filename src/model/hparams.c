#include "model/hparams.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/kernel.h"

enum {
	MAX_LAYERS = 1024,
	MAX_WIDTH = 1 << 18,
	MAX_FFN = 1 << 20,
	MAX_HEADS = 1 << 12,
	MAX_VOCABULARY = 1 << 24,
	MAX_CONTEXT = 1 << 28
};

/* Reads metadata of one file, with keys below the name of the architecture. After the first failure
 * nothing more is read, so a list of reads needs one check at its end. */
typedef struct reader {
	const elm_gguf *gguf;
	const char *prefix;
	elm_error *error;
	elm_status status;
	char key[128];
} reader;

static const char *full_key(reader *r, const char *name)
{
	snprintf(r->key, sizeof(r->key), "%s.%s", r->prefix, name);
	return r->key;
}

static void fail_range(reader *r, double value, double low, double high)
{
	r->status = elm_error_set(r->error, ELM_ERR_FORMAT,
				  "%s: metadata %s is %g; it must be between %g and %g",
				  elm_gguf_path(r->gguf), r->key, value, low, high);
}

/* `optional` keeps what *out holds when the key is absent. */
static void read_u32(reader *r, const char *name, bool optional, uint32_t low, uint32_t high,
		     uint32_t *out)
{
	uint32_t value;

	if (r->status != ELM_OK)
		return;
	if (optional && !elm_gguf_find(r->gguf, full_key(r, name)))
		return;
	r->status = elm_gguf_get_u32(r->gguf, full_key(r, name), &value, r->error);
	if (r->status != ELM_OK)
		return;
	if (value < low || value > high)
		fail_range(r, value, low, high);
	else
		*out = value;
}

static void read_f32(reader *r, const char *name, bool optional, float low, float high, float *out)
{
	float value;

	if (r->status != ELM_OK)
		return;
	if (optional && !elm_gguf_find(r->gguf, full_key(r, name)))
		return;
	r->status = elm_gguf_get_f32(r->gguf, full_key(r, name), &value, r->error);
	if (r->status != ELM_OK)
		return;
	if (!(value >= low && value <= high))
		fail_range(r, (double)value, (double)low, (double)high);
	else
		*out = value;
}

/* A number for all layers, or an array with one per layer. */
static uint32_t per_layer(reader *r, const char *name, uint32_t layer, uint32_t layers,
			  uint32_t low, uint32_t high)
{
	const elm_gguf_kv *kv = elm_gguf_find(r->gguf, full_key(r, name));
	uint32_t value = 0;
	int64_t element;

	if (r->status != ELM_OK)
		return 0;
	if (!kv || kv->kind != ELM_GGUF_ARRAY) {
		read_u32(r, name, false, low, high, &value);
		return value;
	}
	if (kv->count < layers || kv->element_kind == ELM_GGUF_STRING ||
	    kv->element_kind == ELM_GGUF_F32 || kv->element_kind == ELM_GGUF_F64) {
		r->status = elm_error_set(r->error, ELM_ERR_FORMAT,
					  "%s: metadata %s must hold %u integers, one per layer",
					  elm_gguf_path(r->gguf), r->key, layers);
		return 0;
	}
	element = elm_gguf_i64_at(kv, layer);
	if (element < (int64_t)low || element > (int64_t)high) {
		fail_range(r, (double)element, low, high);
		return 0;
	}
	return (uint32_t)element;
}

static void read_shapes(reader *r, elm__hparams *hp, elm__arena *arena)
{
	const bool same_kv = !elm_gguf_find(r->gguf, full_key(r, "attention.head_count_kv"));
	elm__layer_shape *shapes = elm__arena_calloc(arena, hp->layers, sizeof(*shapes));
	uint32_t window = hp->arch->default_window, period = hp->arch->window_period;

	if (!shapes) {
		r->status = elm_error_set(r->error, ELM_ERR_NO_MEMORY, "%s: out of memory",
					  elm_gguf_path(r->gguf));
		return;
	}
	if (period) {
		read_u32(r, "attention.sliding_window", true, 0, MAX_CONTEXT, &window);
		read_u32(r, "attention.sliding_window_pattern", true, 1, MAX_LAYERS, &period);
	}
	for (uint32_t i = 0; i < hp->layers && r->status == ELM_OK; i++) {
		elm__layer_shape *s = &shapes[i];

		s->heads = per_layer(r, "attention.head_count", i, hp->layers, 1, MAX_HEADS);
		s->kv_heads = same_kv ? s->heads :
					per_layer(r, "attention.head_count_kv", i, hp->layers, 1,
						  MAX_HEADS);
		s->ffn = per_layer(r, "feed_forward_length", i, hp->layers, 1, MAX_FFN);
		if (r->status != ELM_OK)
			return;
		if (s->heads % s->kv_heads || s->heads / s->kv_heads > ELM__MAX_GROUP) {
			r->status =
				elm_error_set(r->error, ELM_ERR_FORMAT,
					      "%s: layer %u has %u attention heads and %u "
					      "key/value heads; the first "
					      "must be a multiple of the second, at most %d times",
					      elm_gguf_path(r->gguf), i, s->heads, s->kv_heads,
					      ELM__MAX_GROUP);
			return;
		}
		if (period && window && i % period < period - 1) {
			s->window = window;
			s->local_rope = true;
		}
		hp->max_heads = s->heads > hp->max_heads ? s->heads : hp->max_heads;
		hp->max_kv_heads = s->kv_heads > hp->max_kv_heads ? s->kv_heads : hp->max_kv_heads;
		hp->max_ffn = s->ffn > hp->max_ffn ? s->ffn : hp->max_ffn;
	}
	hp->shapes = shapes;
}

static void read_head_dim(reader *r, elm__hparams *hp)
{
	uint32_t value_length;

	hp->head_dim = hp->width / hp->shapes[0].heads;
	read_u32(r, "attention.key_length", true, 1, ELM__MAX_HEAD_DIM, &hp->head_dim);
	value_length = hp->head_dim;
	read_u32(r, "attention.value_length", true, 1, ELM__MAX_HEAD_DIM, &value_length);
	if (r->status == ELM_OK &&
	    (value_length != hp->head_dim || hp->head_dim < 1 || hp->head_dim > ELM__MAX_HEAD_DIM))
		r->status = elm_error_set(
			r->error, ELM_ERR_UNSUPPORTED,
			"%s: heads of %u keys and %u values are not supported; both must "
			"be the same number, at most %d",
			elm_gguf_path(r->gguf), hp->head_dim, value_length, ELM__MAX_HEAD_DIM);
	hp->rotated = hp->head_dim;
	read_u32(r, "rope.dimension_count", true, 2, hp->head_dim, &hp->rotated);
	if (r->status == ELM_OK && hp->rotated % 2)
		r->status =
			elm_error_set(r->error, ELM_ERR_FORMAT,
				      "%s: metadata %s.rope.dimension_count is %u; it must be even",
				      elm_gguf_path(r->gguf), r->prefix, hp->rotated);
}

static void read_rope(reader *r, elm__hparams *hp)
{
	elm_gguf_string kind = { "linear", 6 };

	hp->rope_base = 10000.0f;
	hp->rope_factor = 1.0f;
	hp->rope_attention_factor = 1.0f;
	hp->yarn_beta_fast = 32.0f;
	hp->yarn_beta_slow = 1.0f;
	hp->yarn_mix = 1.0f;
	hp->original_context = hp->trained_context;
	read_f32(r, "rope.freq_base", true, 1.0f, 1e12f, &hp->rope_base);
	hp->rope_local_base =
		hp->arch->local_rope_base > 0 ? hp->arch->local_rope_base : hp->rope_base;
	read_f32(r, "rope.freq_base_swa", true, 1.0f, 1e12f, &hp->rope_local_base);
	read_f32(r, "rope.scale_linear", true, 0.0f, 1e6f, &hp->rope_factor); /* the old name */
	read_f32(r, "rope.scaling.factor", true, 0.0f, 1e6f, &hp->rope_factor);
	if (hp->rope_factor <= 0)
		hp->rope_factor = 1.0f;
	read_f32(r, "rope.scaling.attn_factor", true, 0.0f, 1e3f, &hp->rope_attention_factor);
	read_f32(r, "rope.scaling.yarn_ext_factor", true, 0.0f, 1.0f, &hp->yarn_mix);
	read_f32(r, "rope.scaling.yarn_beta_fast", true, 0.0f, 1e6f, &hp->yarn_beta_fast);
	read_f32(r, "rope.scaling.yarn_beta_slow", true, 0.0f, 1e6f, &hp->yarn_beta_slow);
	read_u32(r, "rope.scaling.original_context_length", true, 1, MAX_CONTEXT,
		 &hp->original_context);
	if (r->status == ELM_OK && elm_gguf_find(r->gguf, full_key(r, "rope.scaling.type")))
		r->status = elm_gguf_get_string(r->gguf, full_key(r, "rope.scaling.type"), &kind,
						r->error);
	if (r->status != ELM_OK)
		return;
	if (kind.length == 4 && !memcmp(kind.data, "yarn", 4)) {
		hp->rope_scaling = ELM__ROPE_YARN;
	} else if (kind.length == 8 && !memcmp(kind.data, "longrope", 8)) {
		hp->rope_scaling = ELM__ROPE_LONG;
	} else if (kind.length == 4 && !memcmp(kind.data, "none", 4)) {
		hp->rope_factor = 1.0f;
	} else if (kind.length != 6 || memcmp(kind.data, "linear", 6)) {
		r->status = elm_error_set(
			r->error, ELM_ERR_UNSUPPORTED,
			"%s: rope scaling \"%.*s\" is not supported; none, linear, yarn "
			"and longrope are",
			elm_gguf_path(r->gguf), (int)(kind.length & 0xff), kind.data);
	}
}

/* Rows of the embedding: the vocabulary that the weights know, which tokenizers may not fill. */
static void read_vocabulary(reader *r, elm__hparams *hp)
{
	const elm_gguf_tensor *t = elm_gguf_tensor_find(r->gguf, "token_embd.weight");

	if (r->status != ELM_OK)
		return;
	if (!t)
		r->status = elm_error_set(
			r->error, ELM_ERR_FORMAT,
			"%s: tensor token_embd.weight is missing; is this a model, or "
			"only a vocabulary?",
			elm_gguf_path(r->gguf));
	else if (t->dims[1] < 1 || t->dims[1] > MAX_VOCABULARY)
		r->status = elm_error_set(
			r->error, ELM_ERR_FORMAT,
			"%s: tensor token_embd.weight has %llu rows; 1 to %d are allowed",
			elm_gguf_path(r->gguf), (unsigned long long)t->dims[1], MAX_VOCABULARY);
	else
		hp->vocabulary = (uint32_t)t->dims[1];
}

static void refuse_experts(reader *r)
{
	uint32_t experts = 0;

	read_u32(r, "expert_count", true, 0, UINT32_MAX, &experts);
	if (r->status == ELM_OK && experts)
		r->status = elm_error_set(
			r->error, ELM_ERR_UNSUPPORTED,
			"%s: mixture-of-experts models (%u experts) are not supported; "
			"use a dense model",
			elm_gguf_path(r->gguf), experts);
}

elm_status elm__hparams_read(elm__hparams *hp, const elm_gguf *gguf, elm__arena *arena,
			     elm_error *error)
{
	reader r = { .gguf = gguf, .error = error };
	elm_gguf_string name;

	memset(hp, 0, sizeof(*hp));
	r.status = elm_gguf_get_string(gguf, "general.architecture", &name, error);
	if (r.status != ELM_OK)
		return r.status;
	hp->arch = elm__arch_find(name.data, name.length);
	if (!hp->arch)
		return elm_error_set(
			error, ELM_ERR_UNSUPPORTED,
			"%s: architecture \"%.*s\" is not supported; supported are: %s",
			elm_gguf_path(gguf), (int)(name.length < 64 ? name.length : 64), name.data,
			elm__arch_names());
	r.prefix = hp->arch->name;
	refuse_experts(&r);
	read_u32(&r, "embedding_length", false, 1, MAX_WIDTH, &hp->width);
	read_u32(&r, "block_count", false, 1, MAX_LAYERS, &hp->layers);
	read_u32(&r, "context_length", false, 1, MAX_CONTEXT, &hp->trained_context);
	read_f32(&r, "attention.layer_norm_rms_epsilon", false, 0.0f, 1.0f, &hp->norm_epsilon);
	read_f32(&r, "attn_logit_softcapping", true, 0.0f, 1e6f, &hp->attention_softcap);
	read_f32(&r, "final_logit_softcapping", true, 0.0f, 1e6f, &hp->final_softcap);
	read_vocabulary(&r, hp);
	if (r.status == ELM_OK)
		read_shapes(&r, hp, arena);
	if (r.status == ELM_OK)
		read_head_dim(&r, hp);
	if (r.status == ELM_OK)
		read_rope(&r, hp);
	if (r.status != ELM_OK)
		return r.status;
	hp->embedding_scale = hp->arch->scaled_embeddings ? sqrtf((float)hp->width) : 1.0f;
	hp->attention_scale = 1.0f / sqrtf((float)hp->head_dim);
	if (hp->arch->wide_scale_layers && hp->layers == hp->arch->wide_scale_layers)
		hp->attention_scale = 1.0f / sqrtf((float)(hp->width / hp->shapes[0].heads));
	return ELM_OK;
}
