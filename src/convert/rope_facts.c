/* rope_facts.c: rotary position embedding and its extensions, in the words of both sides. */
#include <edgelm/log.h>

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "convert/facts.h"

static const double pi = 3.14159265358979323846;

/* What all published Llama 3 models share; the factor differs. */
static const float llama3_low = 1, llama3_high = 4;
static const uint32_t llama3_context = 8192;

#define BASE "rope.freq_base"
#define BASE_SWA "rope.freq_base_swa"
#define DIMENSIONS "rope.dimension_count"
#define TYPE "rope.scaling.type"
#define FACTOR "rope.scaling.factor"
#define OLD_FACTOR "rope.scale_linear"
#define ATTENTION_FACTOR "rope.scaling.attn_factor"
#define BETA_FAST "rope.scaling.yarn_beta_fast"
#define BETA_SLOW "rope.scaling.yarn_beta_slow"
#define EXTRAPOLATION "rope.scaling.yarn_ext_factor"
#define ORIGINAL_CONTEXT "rope.scaling.original_context_length"

static uint32_t rotated(const elm__facts *facts)
{
	return facts->rotated ? facts->rotated : elm__facts_head_dim(facts);
}

/* Waves that are short compared with the original context stay, long ones are stretched by the
 * factor, those between by a mixture (Llama 3.1). */
static float llama3_divisor(const elm__rope_facts *rope, double base, uint32_t width, size_t i)
{
	double wave = 2 * pi * pow(base, 2.0 * (double)i / width);
	double low = (double)rope->low, high = (double)rope->high, factor = (double)rope->factor;
	double mix;

	if (wave < rope->original_context / high)
		return 1;
	if (wave > rope->original_context / low)
		return rope->factor;
	mix = (rope->original_context / wave - low) / (high - low);
	return (float)(1 / ((1 - mix) / factor + mix));
}

static float *allocate_list(elm__facts *facts, const char *path, elm_error *error)
{
	float *list;

	facts->rope.count = rotated(facts) / 2;
	list = elm__calloc(facts->rope.count, sizeof(*list));
	if (!list)
		elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", path);
	return list;
}

static elm_status make_llama3(elm__facts *facts, const char *path, elm_error *error)
{
	elm__rope_facts *rope = &facts->rope;

	rope->divisors = allocate_list(facts, path, error);
	if (!rope->divisors)
		return ELM_ERR_NO_MEMORY;
	for (size_t i = 0; i < rope->count; i++)
		rope->divisors[i] = llama3_divisor(rope, (double)rope->base, rotated(facts), i);
	return ELM_OK;
}

/* ---- config.json ---- */

typedef struct reading {
	elm__facts *facts;
	const char *path;
	const json_t *config, *rope; /* rope: the object with the parameters, or NULL */
	elm_error *error;
} reading;

static elm_status get_real(const reading *r, const json_t *object, const char *key, double low,
			   float *out)
{
	double value = (double)*out;
	elm_status status = elm__json_get_f64(object, key, low, 1e12, &value, r->error);

	if (status != ELM_OK) {
		elm_error_prefix(r->error, "%s", r->path);
		return ELM_ERR_FORMAT;
	}
	*out = (float)value;
	return ELM_OK;
}

static elm_status require_factor(const reading *r)
{
	elm__rope_facts *rope = &r->facts->rope;
	elm_status status = get_real(r, r->rope, "factor", 1e-6, &rope->factor);

	if (status == ELM_OK && rope->factor <= 0)
		return elm_error_set(r->error, ELM_ERR_FORMAT,
				     "%s: the rope scaling has no \"factor\"", r->path);
	return status;
}

static elm_status read_original_context(const reading *r)
{
	static const char key[] = "original_max_position_embeddings";
	const json_t *inner = json_object_get(r->rope, key);
	const json_t *value = inner ? inner : elm__config_get(r->config, key);

	if (!value || json_is_null(value))
		return ELM_OK;
	if (!json_is_integer(value) || json_integer_value(value) < 2 ||
	    json_integer_value(value) > 1 << 28)
		return elm_error_set(r->error, ELM_ERR_FORMAT, "%s: \"%s\" is out of range",
				     r->path, key);
	r->facts->rope.original_context = (uint32_t)json_integer_value(value);
	return ELM_OK;
}

static elm_status read_llama3(const reading *r)
{
	elm__rope_facts *rope = &r->facts->rope;
	elm_status status = require_factor(r);

	rope->scaling = ELM__SCALING_LLAMA3;
	rope->low = llama3_low;
	rope->high = llama3_high;
	if (!rope->original_context)
		rope->original_context = llama3_context;
	if (status == ELM_OK)
		status = get_real(r, r->rope, "low_freq_factor", 1e-6, &rope->low);
	if (status == ELM_OK)
		status = get_real(r, r->rope, "high_freq_factor", 1e-6, &rope->high);
	if (status == ELM_OK && rope->low >= rope->high)
		status = elm_error_set(r->error, ELM_ERR_FORMAT,
				       "%s: low_freq_factor must be below high_freq_factor",
				       r->path);
	return status == ELM_OK ? make_llama3(r->facts, r->path, r->error) : status;
}

/* YaRN's own factor for attention, which GGUF readers apply themselves. */
static double yarn_magnitude(float factor)
{
	return factor > 1 ? 1 + 0.1 * log((double)factor) : 1;
}

static elm_status read_yarn(const reading *r)
{
	elm__rope_facts *rope = &r->facts->rope;
	elm_status status = require_factor(r);
	float attention = 0;

	rope->scaling = ELM__SCALING_YARN;
	if (!rope->original_context)
		rope->original_context = r->facts->context;
	if (json_number_value(json_object_get(r->rope, "mscale_all_dim")) != 0)
		return elm_error_set(r->error, ELM_ERR_UNSUPPORTED,
				     "%s: YaRN with mscale_all_dim is not supported", r->path);
	if (status == ELM_OK)
		status = get_real(r, r->rope, "attention_factor", 0, &attention);
	if (status == ELM_OK)
		status = get_real(r, r->rope, "beta_fast", 0, &rope->beta_fast);
	if (status == ELM_OK)
		status = get_real(r, r->rope, "beta_slow", 0, &rope->beta_slow);
	rope->attention_factor = (float)((double)attention / yarn_magnitude(rope->factor));
	return status;
}

static elm_status read_list(const reading *r, const char *key, float **out)
{
	const json_t *list = json_object_get(r->rope, key);

	*out = allocate_list(r->facts, r->path, r->error);
	if (!*out)
		return ELM_ERR_NO_MEMORY;
	if (json_array_size(list) != r->facts->rope.count)
		return elm_error_set(r->error, ELM_ERR_FORMAT,
				     "%s: \"%s\" has %zu numbers, not %zu: one for each pair of "
				     "rotated values",
				     r->path, key, json_array_size(list), r->facts->rope.count);
	for (size_t i = 0; i < r->facts->rope.count; i++) {
		double value = json_number_value(json_array_get(list, i));

		if (!(value > 1e-6 && value < 1e9))
			return elm_error_set(r->error, ELM_ERR_FORMAT,
					     "%s: number %zu of \"%s\" is out of range", r->path, i,
					     key);
		(*out)[i] = (float)value;
	}
	return ELM_OK;
}

/* Longer contexts than the original make attention sharper (LongRoPE). */
static float long_magnitude(const elm__facts *facts)
{
	double original = facts->rope.original_context, scale = facts->context / original;

	return scale > 1 ? (float)sqrt(1 + log(scale) / log(original)) : 1;
}

static elm_status read_long(const reading *r)
{
	elm__rope_facts *rope = &r->facts->rope;
	elm_status status = read_list(r, "long_factor", &rope->long_list);

	rope->scaling = ELM__SCALING_LONG;
	if (status == ELM_OK)
		status = read_list(r, "short_factor", &rope->short_list);
	if (!rope->original_context)
		rope->original_context = r->facts->context;
	rope->attention_factor = long_magnitude(r->facts);
	if (status == ELM_OK)
		status = get_real(r, r->rope, "attention_factor", 0, &rope->attention_factor);
	if (status != ELM_OK || r->facts->family->bit == ELM__FAMILY_PHI3)
		return status;
	/* One list for all lengths: simply divisors, which any family can have. */
	if (rope->attention_factor != 1 ||
	    memcmp(rope->long_list, rope->short_list, rope->count * sizeof(float)) != 0)
		return ELM_OK;
	rope->scaling = ELM__SCALING_DIVISORS;
	rope->divisors = rope->long_list;
	rope->long_list = NULL;
	elm__free(rope->short_list);
	rope->short_list = NULL;
	rope->attention_factor = 0;
	rope->original_context = 0;
	return ELM_OK;
}

static elm_status read_scaling(const reading *r)
{
	const json_t *value = json_object_get(r->rope, "rope_type");
	const char *type = json_string_value(value ? value : json_object_get(r->rope, "type"));
	elm__rope_facts *rope = &r->facts->rope;
	elm_status status = read_original_context(r);

	if (status != ELM_OK)
		return status;
	if (type && !strcmp(type, "linear")) {
		rope->scaling = ELM__SCALING_LINEAR;
		rope->original_context = 0;
		return require_factor(r);
	}
	if (type && !strcmp(type, "llama3"))
		return read_llama3(r);
	if (type && !strcmp(type, "yarn"))
		return read_yarn(r);
	if (type && (!strcmp(type, "longrope") || !strcmp(type, "su")))
		return read_long(r);
	if (type && !strcmp(type, "dynamic"))
		elm_log(ELM_LOG_WARN,
			"%s: the \"dynamic\" rope scaling, which acts beyond the context of %u "
			"only, is left out",
			r->path, r->facts->context);
	else if (type && strcmp(type, "default"))
		return elm_error_set(r->error, ELM_ERR_UNSUPPORTED,
				     "%s: rope scaling \"%.40s\" is not supported; linear, yarn, "
				     "llama3 and longrope are",
				     r->path, type);
	if (r->facts->family->bit != ELM__FAMILY_PHI3)
		rope->original_context = 0;
	return ELM_OK;
}

/* The bases of the rotation; windowed layers may have one of their own. */
static elm_status read_bases(const reading *r, const json_t *all)
{
	elm__rope_facts *rope = &r->facts->rope;
	const json_t *text = json_object_get(r->config, "text_config");
	const json_t *local = json_object_get(all, "sliding_attention");
	bool inner = json_object_get(r->rope, "rope_theta") != NULL;
	elm_status status;

	rope->base = r->facts->family->defaults.rope_base;
	rope->local_base = r->facts->family->defaults.local_rope_base;
	status = get_real(r, inner ? r->rope : r->config, "rope_theta", 1, &rope->base);
	if (status == ELM_OK && !inner)
		status = get_real(r, text, "rope_theta", 1, &rope->base);
	if (status != ELM_OK || rope->local_base <= 0)
		return status;
	status = get_real(r, r->config, "rope_local_base_freq", 1, &rope->local_base);
	if (status == ELM_OK)
		status = get_real(r, text, "rope_local_base_freq", 1, &rope->local_base);
	if (status == ELM_OK)
		status = get_real(r, local, "rope_theta", 1, &rope->local_base);
	return status;
}

static elm_status read_share(const reading *r)
{
	static const char key[] = "partial_rotary_factor";
	elm__facts *facts = r->facts;
	float share = 1;
	elm_status status =
		get_real(r, json_object_get(r->rope, key) ? r->rope : r->config, key, 0, &share);

	if (status != ELM_OK || share == 1)
		return status;
	if (share < 1)
		facts->rotated = (uint32_t)((double)share * elm__facts_head_dim(facts) + 1e-3);
	if (share > 1 || !facts->rotated || facts->rotated % 2)
		return elm_error_set(r->error, ELM_ERR_FORMAT,
				     "%s: \"%s\" is %g; it must make an even number of the %u "
				     "values of a head",
				     r->path, key, (double)share, elm__facts_head_dim(facts));
	return ELM_OK;
}

elm_status elm__rope_from_config(elm__facts *facts, const char *path, const json_t *config,
				 elm_error *error)
{
	reading r = { .facts = facts, .path = path, .config = config, .error = error };
	const json_t *all = elm__config_get(config, "rope_parameters"), *whole;
	elm_status status;

	if (!json_is_object(all))
		all = elm__config_get(config, "rope_scaling");
	whole = json_object_get(all, "full_attention"); /* newer files have an object per kind */
	r.rope = json_is_object(whole) ? whole : all;
	status = read_bases(&r, all);
	if (status == ELM_OK)
		status = read_share(&r);
	return status == ELM_OK ? read_scaling(&r) : status;
}

static json_t *float_list(const float *values, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count && list; i++)
		if (json_array_append_new(list, elm__json_float(values[i])) != 0) {
			json_decref(list);
			list = NULL;
		}
	return list;
}

static bool add(json_t *object, const char *key, json_t *value)
{
	return json_object_set_new(object, key, value) == 0;
}

static bool add_long(json_t *out, const float *long_list, const float *short_list, size_t count,
		     float attention_factor)
{
	return add(out, "rope_type", json_string("longrope")) &&
	       add(out, "attention_factor", elm__json_float(attention_factor)) &&
	       add(out, "long_factor", float_list(long_list, count)) &&
	       add(out, "short_factor", float_list(short_list, count));
}

static bool add_yarn(json_t *out, const elm__rope_facts *rope)
{
	double attention = (double)rope->attention_factor * yarn_magnitude(rope->factor);

	return add(out, "rope_type", json_string("yarn")) &&
	       add(out, "factor", elm__json_float(rope->factor)) &&
	       (attention <= 0 || add(out, "attention_factor", json_real(attention))) &&
	       (rope->beta_fast <= 0 || add(out, "beta_fast", elm__json_float(rope->beta_fast))) &&
	       (rope->beta_slow <= 0 || add(out, "beta_slow", elm__json_float(rope->beta_slow)));
}

static bool add_scaling(json_t *out, const elm__rope_facts *rope)
{
	switch (rope->scaling) {
	case ELM__SCALING_NONE:
		return add(out, "rope_type", json_string("default"));
	case ELM__SCALING_LINEAR:
		return add(out, "rope_type", json_string("linear")) &&
		       add(out, "factor", elm__json_float(rope->factor));
	case ELM__SCALING_YARN:
		return add_yarn(out, rope);
	case ELM__SCALING_LLAMA3:
		return add(out, "rope_type", json_string("llama3")) &&
		       add(out, "factor", elm__json_float(rope->factor)) &&
		       add(out, "low_freq_factor", elm__json_float(rope->low)) &&
		       add(out, "high_freq_factor", elm__json_float(rope->high));
	case ELM__SCALING_DIVISORS:
		return add_long(out, rope->divisors, rope->divisors, rope->count, 1);
	case ELM__SCALING_LONG:
		break;
	}
	return add_long(out, rope->long_list, rope->short_list, rope->count,
			rope->attention_factor);
}

bool elm__rope_to_config(const elm__facts *facts, json_t *config)
{
	const elm__rope_facts *rope = &facts->rope;
	json_t *scaling = json_object();
	bool good = add(config, "rope_theta", elm__json_float(rope->base)) && scaling &&
		    add_scaling(scaling, rope);

	if (good && rope->original_context)
		good = add(scaling, "original_max_position_embeddings",
			   json_integer(rope->original_context)) &&
		       add(config, "original_max_position_embeddings",
			   json_integer(rope->original_context));
	if (good && rope->scaling != ELM__SCALING_NONE)
		good = add(config, "rope_scaling", json_incref(scaling));
	if (good && rope->local_base > 0)
		good = add(config, "rope_local_base_freq", elm__json_float(rope->local_base));
	if (good && facts->rotated)
		good = add(config, "partial_rotary_factor",
			   json_real((double)facts->rotated / elm__facts_head_dim(facts)));
	json_decref(scaling);
	return good;
}

/* ---- GGUF ---- */

typedef struct setting {
	const elm__facts *facts;
	elm_gguf_writer *writer;
	elm_error *error;
	elm_status status;
} setting;

static void set_u32(setting *s, const char *name, uint32_t value)
{
	char key[96];

	if (s->status == ELM_OK)
		s->status = elm_gguf_writer_set_u32(s->writer, elm__facts_key(s->facts, name, key),
						    value, s->error);
}

static void set_f32(setting *s, const char *name, float value)
{
	char key[96];

	if (s->status == ELM_OK)
		s->status = elm_gguf_writer_set_f32(s->writer, elm__facts_key(s->facts, name, key),
						    value, s->error);
}

static void set_type(setting *s, const char *type)
{
	char key[96];

	if (s->status == ELM_OK)
		s->status =
			elm_gguf_writer_set_string(s->writer, elm__facts_key(s->facts, TYPE, key),
						   type, strlen(type), s->error);
}

elm_status elm__rope_to_gguf(const elm__facts *facts, elm_gguf_writer *writer, elm_error *error)
{
	setting s = { .facts = facts, .writer = writer, .error = error };
	const elm__rope_facts *rope = &facts->rope;

	if (facts->rotated || facts->family->bit & (ELM__FAMILY_LLAMA | ELM__FAMILY_PHI3))
		set_u32(&s, DIMENSIONS, rotated(facts));
	set_f32(&s, BASE, rope->base);
	if (rope->local_base > 0)
		set_f32(&s, BASE_SWA, rope->local_base);
	if (rope->scaling == ELM__SCALING_LINEAR || rope->scaling == ELM__SCALING_YARN) {
		set_type(&s, rope->scaling == ELM__SCALING_YARN ? "yarn" : "linear");
		set_f32(&s, FACTOR, rope->factor);
	}
	if (rope->scaling == ELM__SCALING_LONG)
		set_type(&s, "longrope");
	if (rope->original_context && rope->scaling != ELM__SCALING_LLAMA3)
		set_u32(&s, ORIGINAL_CONTEXT, rope->original_context);
	if (rope->attention_factor > 0)
		set_f32(&s, ATTENTION_FACTOR, rope->attention_factor);
	if (rope->beta_fast > 0)
		set_f32(&s, BETA_FAST, rope->beta_fast);
	if (rope->beta_slow > 0)
		set_f32(&s, BETA_SLOW, rope->beta_slow);
	return s.status;
}

typedef struct getting {
	elm__facts *facts;
	const elm_gguf *gguf;
	elm_error *error;
	elm_status status;
} getting;

static void get_f32(getting *g, const char *name, float low, float *out)
{
	char key[96];
	float value = *out;

	elm__facts_key(g->facts, name, key);
	if (g->status != ELM_OK || !elm_gguf_find(g->gguf, key))
		return;
	g->status = elm_gguf_get_f32(g->gguf, key, &value, g->error);
	if (g->status == ELM_OK && !(value >= low && value <= 1e12f))
		g->status = elm_error_set(g->error, ELM_ERR_FORMAT, "%s: %s is out of range",
					  elm_gguf_path(g->gguf), key);
	*out = value;
}

static void get_u32(getting *g, const char *name, uint32_t *out)
{
	char key[96];

	if (g->status == ELM_OK && elm_gguf_find(g->gguf, elm__facts_key(g->facts, name, key)))
		g->status = elm_gguf_get_u32(g->gguf, key, out, g->error);
}

/* A copy of a list of divisors; NULL where the file has none. */
static float *get_list(getting *g, const char *name)
{
	const elm_gguf_tensor *t = elm_gguf_tensor_find(g->gguf, name);
	float *list;

	if (g->status != ELM_OK || !t)
		return NULL;
	list = allocate_list(g->facts, elm_gguf_path(g->gguf), g->error);
	if (!list) {
		g->status = ELM_ERR_NO_MEMORY;
		return NULL;
	}
	if (t->type != ELM_TYPE_F32 || t->elements != g->facts->rope.count) {
		g->status = elm_error_set(g->error, ELM_ERR_FORMAT,
					  "%s: tensor %s is not a list of %zu F32 divisors",
					  elm_gguf_path(g->gguf), name, g->facts->rope.count);
		elm__free(list);
		return NULL;
	}
	memcpy(list, t->data, g->facts->rope.count * sizeof(*list));
	return list;
}

/* Divisors that are those of Llama 3 by its formula are said by the formula. */
static void recognise_llama3(elm__facts *facts)
{
	elm__rope_facts *rope = &facts->rope, guess = *rope;
	size_t i;

	guess.low = llama3_low;
	guess.high = llama3_high;
	guess.original_context = llama3_context;
	guess.factor = rope->divisors[rope->count - 1];
	for (i = 0; i < rope->count; i++)
		if (llama3_divisor(&guess, (double)rope->base, rotated(facts), i) !=
		    rope->divisors[i])
			break;
	if (i < rope->count || guess.factor <= 1)
		return;
	*rope = guess;
	rope->scaling = ELM__SCALING_LLAMA3;
}

static void get_scaling(getting *g)
{
	elm__rope_facts *rope = &g->facts->rope;
	elm_gguf_string type = { "", 0 };
	float extrapolation = 1;
	char key[96];

	if (g->status == ELM_OK && elm_gguf_find(g->gguf, elm__facts_key(g->facts, TYPE, key)))
		g->status = elm_gguf_get_string(g->gguf, key, &type, g->error);
	get_f32(g, EXTRAPOLATION, 0, &extrapolation);
	if (g->status != ELM_OK)
		return;
	if (rope->long_list && rope->short_list)
		rope->scaling = ELM__SCALING_LONG;
	else if (type.length == 4 && !memcmp(type.data, "yarn", 4))
		rope->scaling = ELM__SCALING_YARN;
	else if (rope->factor > 0 && rope->factor != 1 &&
		 !(type.length == 4 && !memcmp(type.data, "none", 4)))
		rope->scaling = ELM__SCALING_LINEAR;
	else if (rope->divisors)
		rope->scaling = ELM__SCALING_DIVISORS;
	if ((rope->divisors && rope->scaling != ELM__SCALING_DIVISORS) || extrapolation != 1 ||
	    (rope->attention_factor > 0 && rope->attention_factor != 1 &&
	     rope->scaling != ELM__SCALING_YARN && rope->scaling != ELM__SCALING_LONG))
		g->status = elm_error_set(g->error, ELM_ERR_UNSUPPORTED,
					  "%s: a config.json cannot say this combination of rope "
					  "scalings",
					  elm_gguf_path(g->gguf));
	if (rope->scaling == ELM__SCALING_DIVISORS)
		recognise_llama3(g->facts);
	if (rope->scaling == ELM__SCALING_LONG && rope->attention_factor <= 0)
		rope->attention_factor = 1;
	if (rope->scaling == ELM__SCALING_YARN && !rope->original_context)
		rope->original_context = g->facts->context;
}

elm_status elm__rope_from_gguf(elm__facts *facts, const elm_gguf *gguf, elm_error *error)
{
	getting g = { .facts = facts, .gguf = gguf, .error = error };
	elm__rope_facts *rope = &facts->rope;

	rope->base = 10000;
	rope->local_base = facts->family->defaults.local_rope_base;
	get_f32(&g, BASE, 1, &rope->base);
	get_f32(&g, BASE_SWA, 1, &rope->local_base);
	get_f32(&g, OLD_FACTOR, 0, &rope->factor);
	get_f32(&g, FACTOR, 0, &rope->factor);
	get_f32(&g, ATTENTION_FACTOR, 0, &rope->attention_factor);
	get_f32(&g, BETA_FAST, 0, &rope->beta_fast);
	get_f32(&g, BETA_SLOW, 0, &rope->beta_slow);
	get_u32(&g, ORIGINAL_CONTEXT, &rope->original_context);
	get_u32(&g, DIMENSIONS, &facts->rotated);
	if (facts->rotated == elm__facts_head_dim(facts))
		facts->rotated = 0;
	if (g.status == ELM_OK &&
	    (facts->rotated % 2 || facts->rotated > elm__facts_head_dim(facts)))
		return elm_error_set(error, ELM_ERR_FORMAT, "%s: rope.dimension_count is %u",
				     elm_gguf_path(gguf), facts->rotated);
	rope->divisors = get_list(&g, "rope_freqs.weight");
	rope->long_list = get_list(&g, "rope_factors_long.weight");
	rope->short_list = get_list(&g, "rope_factors_short.weight");
	get_scaling(&g);
	return g.status;
}
