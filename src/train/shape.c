#include "train/shape.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "kernel/kernel.h"

enum { MAX_TEXT = 1 << 16 };

elm__shape elm__shape_defaults(void)
{
	return (elm__shape){ .arch = elm__arch_find("llama", 5),
			     .width = 192,
			     .layers = 6,
			     .heads = 6,
			     .context = 256,
			     .tied = 1,
			     .norm_epsilon = 1e-5,
			     .rope_base = 10000 };
}

static const struct whole_key {
	const char *name;
	size_t offset;
	int64_t low, high;
} whole_keys[] = {
	{ "vocabulary", offsetof(elm__shape, vocabulary), 2, 1 << 20 },
	{ "width", offsetof(elm__shape, width), 1, 1 << 14 },
	{ "layers", offsetof(elm__shape, layers), 1, 512 },
	{ "heads", offsetof(elm__shape, heads), 1, 512 },
	{ "kv_heads", offsetof(elm__shape, kv_heads), 1, 512 },
	{ "head_dim", offsetof(elm__shape, head_dim), 2, ELM__MAX_HEAD_DIM },
	{ "ffn", offsetof(elm__shape, ffn), 1, 1 << 17 },
	{ "context", offsetof(elm__shape, context), 2, 1 << 17 },
	{ "tied", offsetof(elm__shape, tied), 0, 1 },
};

static const struct real_key {
	const char *name;
	size_t offset;
	double low, high;
} real_keys[] = {
	{ "norm_epsilon", offsetof(elm__shape, norm_epsilon), 1e-12, 1e-1 },
	{ "rope_base", offsetof(elm__shape, rope_base), 1, 1e9 },
};

const char *elm__shape_keys(void)
{
	return "arch, vocabulary, width, layers, heads, kv_heads, head_dim, ffn, context, tied, "
	       "norm_epsilon, rope_base";
}

static elm_status set_whole(elm__shape *shape, const struct whole_key *key, const char *value,
			    elm_error *error)
{
	if (!elm__parse_i64(value, key->low, key->high,
			    (int64_t *)(void *)((char *)shape + key->offset)))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "shape: %s is \"%s\"; it must be a whole number between %lld "
				     "and %lld",
				     key->name, value, (long long)key->low, (long long)key->high);
	return ELM_OK;
}

static elm_status set_real(elm__shape *shape, const struct real_key *key, const char *value,
			   elm_error *error)
{
	if (!elm__parse_f64(value, key->low, key->high,
			    (double *)(void *)((char *)shape + key->offset)))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "shape: %s is \"%s\"; it must be a number between %g and %g",
				     key->name, value, key->low, key->high);
	return ELM_OK;
}

static elm_status set(elm__shape *shape, const char *name, const char *value, elm_error *error)
{
	const elm__arch *arch;

	for (size_t i = 0; i < sizeof(whole_keys) / sizeof(whole_keys[0]); i++)
		if (!strcmp(whole_keys[i].name, name))
			return set_whole(shape, &whole_keys[i], value, error);
	for (size_t i = 0; i < sizeof(real_keys) / sizeof(real_keys[0]); i++)
		if (!strcmp(real_keys[i].name, name))
			return set_real(shape, &real_keys[i], value, error);
	if (strcmp(name, "arch") != 0)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "shape: there is no key \"%s\"; there are: %s", name,
				     elm__shape_keys());
	arch = elm__arch_find(value, strlen(value));
	if (!arch)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "shape: there is no architecture \"%s\"; there are: %s", value,
				     elm__arch_names());
	shape->arch = arch;
	return ELM_OK;
}

/* "key=value,key=value" */
static elm_status parse_list(elm__shape *shape, const char *text, elm_error *error)
{
	elm_status status = ELM_OK;

	while (*text && !status) {
		char name[32], value[64];
		size_t length = strcspn(text, ","), split = strcspn(text, "=");

		if (split >= length || split >= sizeof(name) || length - split - 1 >= sizeof(value))
			return elm_error_set(error, ELM_ERR_ARGUMENT,
					     "shape: \"%.*s\" is not of the form key=value",
					     (int)(length < 80 ? length : 80), text);
		snprintf(name, sizeof(name), "%.*s", (int)split, text);
		snprintf(value, sizeof(value), "%.*s", (int)(length - split - 1), text + split + 1);
		status = set(shape, name, value, error);
		text += length + (text[length] == ',');
	}
	return status;
}

/* A member of the JSON object as the text that it would be in a list. */
static const char *value_text(const json_t *value, char *out, size_t size)
{
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_integer(value))
		snprintf(out, size, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		snprintf(out, size, "%.17g", json_real_value(value));
	else if (json_is_boolean(value))
		snprintf(out, size, "%d", json_is_true(value));
	else
		snprintf(out, size, "(%s)", elm__json_type_name(value));
	return out;
}

static elm_status parse_file(elm__shape *shape, const char *path, elm_error *error)
{
	json_t *object, *value;
	const char *name;
	elm_status status = elm__json_read(path, MAX_TEXT, &object, error);

	if (status)
		return status;
	if (!json_is_object(object))
		status = elm_error_set(error, ELM_ERR_FORMAT,
				       "%s: holds no JSON object of a shape, but %s", path,
				       elm__json_type_name(object));
	json_object_foreach(object, name, value)
	{
		char text[64];

		if (status)
			break;
		status = set(shape, name, value_text(value, text, sizeof(text)), error);
		if (status)
			elm_error_prefix(error, "%s", path);
	}
	json_decref(object);
	return status;
}

elm_status elm__shape_parse(elm__shape *shape, const char *text, elm_error *error)
{
	return strchr(text, '=') ? parse_list(shape, text, error) : parse_file(shape, text, error);
}

static elm_status check(const elm__shape *s, uint32_t vocabulary, elm_error *error)
{
	if (s->heads % s->kv_heads || s->heads / s->kv_heads > ELM__MAX_GROUP)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "shape: %lld heads cannot share %lld kv_heads; the first must "
				     "be a multiple of the second, at most %d times",
				     (long long)s->heads, (long long)s->kv_heads, ELM__MAX_GROUP);
	if (s->head_dim < 2 || s->head_dim % 2 || s->head_dim > ELM__MAX_HEAD_DIM)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "shape: heads of %lld elements; they must be even, 2 to %d: "
				     "change width or heads, or set head_dim",
				     (long long)s->head_dim, ELM__MAX_HEAD_DIM);
	if (s->vocabulary < vocabulary)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "shape: a vocabulary of %lld is less than the %u tokens of "
				     "the tokenizer",
				     (long long)s->vocabulary, vocabulary);
	return ELM_OK;
}

elm_status elm__shape_apply(const elm__shape *shape, uint32_t vocabulary, elm__hparams *hp,
			    elm__arena *arena, elm_error *error)
{
	elm__shape s = *shape;
	elm__layer_shape *layers;
	elm_status status;

	s.kv_heads = s.kv_heads ? s.kv_heads : s.heads;
	s.head_dim = s.head_dim ? s.head_dim : s.width / s.heads;
	s.ffn = s.ffn ? s.ffn : (s.width * 8 / 3 + 31) / 32 * 32;
	s.vocabulary = s.vocabulary ? s.vocabulary : vocabulary;
	status = check(&s, vocabulary, error);
	if (status)
		return status;
	layers = elm__arena_calloc(arena, (size_t)s.layers, sizeof(*layers));
	if (!layers)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	for (int64_t i = 0; i < s.layers; i++)
		layers[i] = (elm__layer_shape){ .heads = (uint32_t)s.heads,
						.kv_heads = (uint32_t)s.kv_heads,
						.ffn = (uint32_t)s.ffn };
	*hp = (elm__hparams){ .arch = s.arch,
			      .vocabulary = (uint32_t)s.vocabulary,
			      .width = (uint32_t)s.width,
			      .layers = (uint32_t)s.layers,
			      .head_dim = (uint32_t)s.head_dim,
			      .rotated = (uint32_t)s.head_dim,
			      .trained_context = (uint32_t)s.context,
			      .max_heads = (uint32_t)s.heads,
			      .max_kv_heads = (uint32_t)s.kv_heads,
			      .max_ffn = (uint32_t)s.ffn,
			      .norm_epsilon = (float)s.norm_epsilon,
			      .embedding_scale = 1,
			      .attention_scale = 1.0f / sqrtf((float)s.head_dim),
			      .rope_base = (float)s.rope_base,
			      .rope_local_base = (float)s.rope_base,
			      .rope_factor = 1,
			      .rope_attention_factor = 1,
			      .original_context = (uint32_t)s.context,
			      .shapes = layers };
	return ELM_OK;
}
