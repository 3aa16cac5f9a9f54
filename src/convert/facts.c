#include "convert/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { MAX_LAYERS = 1024, MAX_HEADS = 4096, MAX_SIDE = 1 << 22, MAX_CONTEXT = 1 << 28 };
#define MAX_REAL 1e12f

/* A number that both sides have, each under its own name. */
typedef struct number_rule {
	const char *config, *gguf;
	size_t offset;
	bool real;
	uint32_t high;	 /* of integers */
	size_t fallback; /* offset of the default in elm__family_defaults; NO_DEFAULT: required */
	unsigned families;
} number_rule;

#define AT(field) offsetof(elm__facts, field)
#define DEFAULT(field) offsetof(elm__family_defaults, field)
#define NO_DEFAULT SIZE_MAX
#define ANY ~0u
#define GEMMA (ELM__FAMILY_GEMMA2 | ELM__FAMILY_GEMMA3)
#define CONTEXT_LENGTH "context_length"
#define HEAD_COUNT_KV "attention.head_count_kv"
#define SLIDING_WINDOW "attention.sliding_window"

/* clang-format off */
static const number_rule rules[] = {
	{ "max_position_embeddings", CONTEXT_LENGTH, AT(context), false, MAX_CONTEXT, DEFAULT(context), ANY },
	{ "hidden_size", "embedding_length", AT(width), false, MAX_SIDE, NO_DEFAULT, ANY },
	{ "num_hidden_layers", "block_count", AT(layers), false, MAX_LAYERS, NO_DEFAULT, ANY },
	{ "intermediate_size", "feed_forward_length", AT(ffn), false, MAX_SIDE, NO_DEFAULT, ANY },
	{ "num_attention_heads", "attention.head_count", AT(heads), false, MAX_HEADS, DEFAULT(heads), ANY },
	{ "num_key_value_heads", HEAD_COUNT_KV, AT(kv_heads), false, MAX_HEADS, DEFAULT(kv_heads), ANY },
	{ "head_dim", "attention.key_length", AT(head_dim), false, MAX_SIDE, DEFAULT(head_dim), ANY },
	{ "rms_norm_eps", "attention.layer_norm_rms_epsilon", AT(norm_epsilon), true, 0, DEFAULT(norm_epsilon), ANY },
	{ "attn_logit_softcapping", "attn_logit_softcapping", AT(attention_softcap), true, 0, DEFAULT(attention_softcap), GEMMA },
	{ "final_logit_softcapping", "final_logit_softcapping", AT(final_softcap), true, 0, DEFAULT(final_softcap), GEMMA },
	{ "sliding_window", SLIDING_WINDOW, AT(window), false, MAX_CONTEXT, DEFAULT(window), GEMMA | ELM__FAMILY_PHI3 },
};
/* clang-format on */

enum { RULES = sizeof(rules) / sizeof(rules[0]) };

static void *field(elm__facts *facts, const number_rule *rule)
{
	return (char *)facts + rule->offset;
}

static const void *const_field(const elm__facts *facts, const number_rule *rule)
{
	return (const char *)facts + rule->offset;
}

void elm__facts_release(elm__facts *facts)
{
	elm__free(facts->rope.divisors);
	elm__free(facts->rope.long_list);
	elm__free(facts->rope.short_list);
	memset(facts, 0, sizeof(*facts));
}

uint32_t elm__facts_head_dim(const elm__facts *facts)
{
	return facts->head_dim ? facts->head_dim : facts->width / facts->heads;
}

uint64_t elm__facts_side(const elm__facts *facts, elm__side side)
{
	uint64_t head = elm__facts_head_dim(facts);

	switch (side) {
	case ELM__SIDE_ONE:
		break;
	case ELM__SIDE_WIDTH:
		return facts->width;
	case ELM__SIDE_VOCABULARY:
		return facts->vocabulary;
	case ELM__SIDE_HEAD:
		return head;
	case ELM__SIDE_QUERY:
		return head * facts->heads;
	case ELM__SIDE_KEY:
		return head * facts->kv_heads;
	case ELM__SIDE_QUERY_KEY_VALUE:
		return head * (facts->heads + 2 * (uint64_t)facts->kv_heads);
	case ELM__SIDE_FFN:
		return facts->ffn;
	case ELM__SIDE_TWO_FFN:
		return 2 * (uint64_t)facts->ffn;
	}
	return 1;
}

const char *elm__facts_key(const elm__facts *facts, const char *name, char out[96])
{
	snprintf(out, 96, "%s.%s", facts->family->arch, name);
	return out;
}

json_t *elm__json_float(float value)
{
	char text[32];

	for (int digits = 6; digits <= 9; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, (double)value);
		if (strtof(text, NULL) == value)
			break;
	}
	return json_real(strtod(text, NULL));
}

/* The scores of these two are divided by another number than the others of their family; which they
 * are is known by their layers, as GGUF has no field for it. */
static uint32_t attention_scale(const elm__facts *facts)
{
	bool wide = (facts->family->bit == ELM__FAMILY_GEMMA2 && facts->layers == 46) ||
		    (facts->family->bit == ELM__FAMILY_GEMMA3 && facts->layers == 62);

	return wide ? facts->width / facts->heads : elm__facts_head_dim(facts);
}

static elm_status check_shape(const elm__facts *facts, const char *path, elm_error *error)
{
	uint32_t head = 0;

	if (!facts->width || !facts->layers || !facts->ffn || !facts->heads || !facts->kv_heads ||
	    !facts->context)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: one of width, layers, heads, context and feed-forward "
				     "length is 0",
				     path);
	head = elm__facts_head_dim(facts);
	if (facts->heads % facts->kv_heads || !head || head % 2 || head > MAX_SIDE / facts->heads)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: %u heads of %u for %u key/value heads make no sense",
				     path, facts->heads, head, facts->kv_heads);
	if (facts->rotated % 2 || facts->rotated > head)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: %u rotated values per head of %u make no sense", path,
				     facts->rotated, head);
	return ELM_OK;
}

/* ---- config.json ---- */

json_t *elm__config_get(const json_t *config, const char *key)
{
	json_t *value = json_object_get(json_object_get(config, "text_config"), key);

	return value ? value : json_object_get(config, key);
}

static elm_status read_number(elm__facts *facts, const number_rule *rule, const char *path,
			      const json_t *config, elm_error *error)
{
	const json_t *value = elm__config_get(config, rule->config);
	const void *fallback = rule->fallback == NO_DEFAULT ?
				       NULL :
				       (const char *)&facts->family->defaults + rule->fallback;
	double number;

	if (!value && fallback) {
		memcpy(field(facts, rule), fallback, 4);
		return ELM_OK;
	}
	if (json_is_null(value) && fallback)
		return ELM_OK;
	if (!value || !(rule->real ? json_is_number(value) : json_is_integer(value)))
		return elm_error_set(error, ELM_ERR_FORMAT, "%s: \"%s\" %s", path, rule->config,
				     value ? "is not a number" : "is missing");
	number = json_number_value(value);
	if (!(number >= 0 && number <= (rule->real ? (double)MAX_REAL : rule->high)))
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: \"%s\" is %g, which is out of range", path, rule->config,
				     number);
	if (rule->real)
		*(float *)field(facts, rule) = (float)number;
	else
		*(uint32_t *)field(facts, rule) = (uint32_t)number;
	return ELM_OK;
}

static elm_status refuse(const char *path, const char *key, const json_t *value, elm_error *error)
{
	char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

	elm_error_set(error, ELM_ERR_UNSUPPORTED, "%s: \"%s\" of %.100s is not supported", path,
		      key, text ? text : "this value");
	free(text);
	return ELM_ERR_UNSUPPORTED;
}

static bool is_positive(const json_t *value)
{
	return json_is_number(value) && json_number_value(value) > 0;
}

static elm_status refuse_features(const elm__facts *facts, const char *path, const json_t *config,
				  elm_error *error)
{
	static const char *const experts[] = { "num_local_experts", "num_experts",
					       "n_routed_experts" };
	const json_t *activation = elm__config_get(config, "hidden_activation");
	const json_t *scale = elm__config_get(config, "query_pre_attn_scalar");

	for (size_t i = 0; i < sizeof(experts) / sizeof(experts[0]); i++)
		if (is_positive(elm__config_get(config, experts[i])))
			return elm_error_set(error, ELM_ERR_UNSUPPORTED,
					     "%s: mixture-of-experts models are not supported; "
					     "convert a dense one",
					     path);
	if (!json_is_string(activation))
		activation = elm__config_get(config, "hidden_act");
	if (json_is_string(activation) &&
	    strcmp(json_string_value(activation), facts->family->activation))
		return refuse(path, "hidden_act", activation, error);
	if (facts->family->bit & GEMMA && is_positive(scale) &&
	    json_number_value(scale) != attention_scale(facts))
		return refuse(path, "query_pre_attn_scalar", scale, error);
	return ELM_OK;
}

static bool is_text(const json_t *value, const char *text)
{
	return json_is_string(value) && !strcmp(json_string_value(value), text);
}

/* Which layers see everything: a period, or a list that must come from one. */
static elm_status read_windows(elm__facts *facts, const char *path, const json_t *config,
			       elm_error *error)
{
	const json_t *types = elm__config_get(config, "layer_types");
	const json_t *given = elm__config_get(config, "sliding_window_pattern");
	uint32_t period = facts->family->window_period;
	size_t count = json_array_size(types), i;

	if (!period)
		return ELM_OK;
	if (json_is_integer(given)) {
		if (json_integer_value(given) < 1 || json_integer_value(given) > MAX_LAYERS)
			return refuse(path, "sliding_window_pattern", given, error);
		period = (uint32_t)json_integer_value(given);
	}
	for (i = 0; i < count; i++) /* the first layer that is not windowed tells the period */
		if (is_text(json_array_get(types, i), "full_attention"))
			break;
	if (i < count)
		period = (uint32_t)i + 1;
	for (i = 0; i < count; i++)
		if (!is_text(json_array_get(types, i),
			     (i + 1) % period ? "sliding_attention" : "full_attention"))
			return refuse(path, "layer_types", types, error);
	if (period != facts->family->window_period)
		facts->window_period = period;
	return ELM_OK;
}

static elm_status find_family(elm__facts *facts, const char *path, const json_t *config,
			      elm_error *error)
{
	const char *type = json_string_value(json_object_get(config, "model_type"));

	if (!json_is_object(config) || !type)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: it has no model_type; is this the configuration of a "
				     "model?",
				     path);
	facts->family = elm__family_of_model(type);
	if (!facts->family)
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "%s: model_type \"%.60s\" is not supported; supported are: %s",
				     path, type, elm__family_names());
	return ELM_OK;
}

static elm_status read_config(elm__facts *facts, const char *path, const json_t *config,
			      elm_error *error)
{
	const json_t *tied = elm__config_get(config, "tie_word_embeddings");
	elm_status status = find_family(facts, path, config, error);

	for (size_t i = 0; i < RULES && status == ELM_OK; i++)
		if (rules[i].families & facts->family->bit)
			status = read_number(facts, &rules[i], path, config, error);
	if (status != ELM_OK)
		return status;
	if (!facts->kv_heads)
		facts->kv_heads = facts->heads;
	facts->tied = json_is_boolean(tied) ? json_is_true(tied) : facts->family->defaults.tied;
	status = check_shape(facts, path, error);
	if (status == ELM_OK)
		status = refuse_features(facts, path, config, error);
	if (status == ELM_OK)
		status = read_windows(facts, path, config, error);
	if (status == ELM_OK)
		status = elm__rope_from_config(facts, path, config, error);
	return status == ELM_OK ? check_shape(facts, path, error) : status;
}

elm_status elm__facts_from_config(elm__facts *facts, const char *path, const json_t *config,
				  elm_error *error)
{
	elm_status status;

	memset(facts, 0, sizeof(*facts));
	status = read_config(facts, path, config, error);
	if (status != ELM_OK)
		elm__facts_release(facts);
	return status;
}

static bool add(json_t *config, const char *key, json_t *value)
{
	return json_object_set_new(config, key, value) == 0;
}

static bool add_numbers(const elm__facts *facts, json_t *config)
{
	bool good = true;

	for (size_t i = 0; i < RULES; i++) {
		const number_rule *rule = &rules[i];
		uint32_t integer;
		float real;

		memcpy(&integer, const_field(facts, rule), sizeof(integer));
		memcpy(&real, const_field(facts, rule), sizeof(real));
		if (!(rule->families & facts->family->bit))
			continue;
		if (!integer) /* null is "none", where leaving it out is "as usual" */
			good = good && (rule->fallback == DEFAULT(head_dim) ||
					add(config, rule->config, json_null()));
		else
			good = good &&
			       add(config, rule->config,
				   rule->real ? elm__json_float(real) : json_integer(integer));
	}
	return good;
}

json_t *elm__facts_to_config(const elm__facts *facts)
{
	const elm__family *family = facts->family;
	json_t *config = json_object();
	bool good = config && add(config, "architectures", json_pack("[s]", family->class_name)) &&
		    add(config, "model_type", json_string(family->model_type)) &&
		    add(config, "_name_or_path", json_string(facts->name)) &&
		    add(config, "hidden_act", json_string(family->activation)) &&
		    add(config, "tie_word_embeddings", json_boolean(facts->tied)) &&
		    add(config, "vocab_size", json_integer(facts->vocabulary)) &&
		    add_numbers(facts, config) && elm__rope_to_config(facts, config);

	if (good && family->bit & GEMMA)
		good = add(config, "hidden_activation", json_string(family->activation)) &&
		       add(config, "query_pre_attn_scalar", json_integer(attention_scale(facts)));
	if (good && facts->window_period)
		good = add(config, "sliding_window_pattern", json_integer(facts->window_period));
	if (good)
		return config;
	json_decref(config);
	return NULL;
}

/* ---- GGUF ---- */

elm_status elm__facts_to_gguf(const elm__facts *facts, elm_gguf_writer *writer, elm_error *error)
{
	const char *arch = facts->family->arch;
	elm_status status;
	char key[96];

	status = elm_gguf_writer_set_string(writer, "general.architecture", arch, strlen(arch),
					    error);
	if (status == ELM_OK)
		status = elm_gguf_writer_set_string(writer, "general.name", facts->name,
						    strlen(facts->name), error);
	for (size_t i = 0; i < RULES && status == ELM_OK; i++) {
		const number_rule *rule = &rules[i];
		const char *name = elm__facts_key(facts, rule->gguf, key);
		uint32_t integer;

		memcpy(&integer, const_field(facts, rule), sizeof(integer));
		/* Phi-3 without windows says so, by which readers know it from older files. */
		if (!(rule->families & facts->family->bit) ||
		    (!integer && facts->family->bit != ELM__FAMILY_PHI3) ||
		    (!integer && strcmp(rule->gguf, SLIDING_WINDOW)))
			continue;
		status = elm_gguf_writer_set(writer, name, rule->real ? ELM_GGUF_F32 : ELM_GGUF_U32,
					     &integer, error);
		if (status == ELM_OK && rule->offset == AT(head_dim))
			status = elm_gguf_writer_set_u32(
				writer, elm__facts_key(facts, "attention.value_length", key),
				integer, error);
	}
	if (status == ELM_OK)
		status = elm_gguf_writer_set_u32(writer, elm__facts_key(facts, "vocab_size", key),
						 facts->vocabulary, error);
	if (status == ELM_OK && facts->window_period)
		status = elm_gguf_writer_set_u32(
			writer, elm__facts_key(facts, "attention.sliding_window_pattern", key),
			facts->window_period, error);
	return status == ELM_OK ? elm__rope_to_gguf(facts, writer, error) : status;
}

static elm_status get_number(elm__facts *facts, const number_rule *rule, const elm_gguf *gguf,
			     elm_error *error)
{
	char key[96];
	const elm_gguf_kv *kv = elm_gguf_find(gguf, elm__facts_key(facts, rule->gguf, key));
	elm_status status;
	bool good;

	if (!kv && rule->fallback != NO_DEFAULT) {
		/* What readers of GGUF take where the file is silent. */
		if (rule->offset == AT(window) && facts->family->bit == ELM__FAMILY_GEMMA2)
			facts->window = facts->family->defaults.window;
		return ELM_OK;
	}
	if (kv && kv->kind == ELM_GGUF_ARRAY)
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "%s: %s differs from layer to layer, which a config.json "
				     "cannot say",
				     elm_gguf_path(gguf), key);
	if (rule->real) {
		float *real = field(facts, rule);

		status = elm_gguf_get_f32(gguf, key, real, error);
		good = status != ELM_OK || (*real >= 0 && *real <= MAX_REAL);
	} else {
		uint32_t *integer = field(facts, rule);

		status = elm_gguf_get_u32(gguf, key, integer, error);
		good = status != ELM_OK || *integer <= rule->high;
	}
	return good ? status :
		      elm_error_set(error, ELM_ERR_FORMAT, "%s: %s is out of range",
				    elm_gguf_path(gguf), key);
}

static elm_status get_embedding(elm__facts *facts, const elm_gguf *gguf, elm_error *error)
{
	const elm_gguf_tensor *t = elm_gguf_tensor_find(gguf, "token_embd.weight");

	if (!t || t->dims[1] > UINT32_MAX)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: tensor token_embd.weight is missing or too large; is "
				     "this a model?",
				     elm_gguf_path(gguf));
	facts->vocabulary = (uint32_t)t->dims[1];
	facts->tied = !elm_gguf_tensor_find(gguf, "output.weight");
	return ELM_OK;
}

static elm_status get_all(elm__facts *facts, const elm_gguf *gguf, elm_error *error)
{
	const char *path = elm_gguf_path(gguf);
	elm_gguf_string text;
	elm_status status = elm_gguf_get_string(gguf, "general.architecture", &text, error);
	char key[96];

	if (status != ELM_OK)
		return status;
	facts->family = elm__family_of_arch(text.data, text.length);
	if (!facts->family)
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "%s: architecture \"%.*s\" is not supported", path,
				     (int)(text.length < 64 ? text.length : 64), text.data);
	if (elm_gguf_get_string(gguf, "general.name", &text, NULL) == ELM_OK)
		snprintf(facts->name, sizeof(facts->name), "%.*s",
			 (int)(text.length < sizeof(facts->name) ? text.length :
								   sizeof(facts->name) - 1),
			 text.data);
	for (size_t i = 0; i < RULES && status == ELM_OK; i++)
		if (rules[i].families & facts->family->bit)
			status = get_number(facts, &rules[i], gguf, error);
	if (status == ELM_OK)
		status = get_embedding(facts, gguf, error);
	if (status != ELM_OK)
		return status;
	if (!facts->kv_heads)
		facts->kv_heads = facts->heads;
	if (elm_gguf_find(gguf, elm__facts_key(facts, "attention.sliding_window_pattern", key)))
		status = elm_gguf_get_u32(gguf, key, &facts->window_period, error);
	if (status == ELM_OK)
		status = check_shape(facts, path, error);
	if (status == ELM_OK)
		status = elm__rope_from_gguf(facts, gguf, error);
	return status == ELM_OK ? check_shape(facts, path, error) : status;
}

elm_status elm__facts_from_gguf(elm__facts *facts, const elm_gguf *gguf, elm_error *error)
{
	elm_status status;

	memset(facts, 0, sizeof(*facts));
	status = get_all(facts, gguf, error);
	if (status != ELM_OK)
		elm__facts_release(facts);
	return status;
}
