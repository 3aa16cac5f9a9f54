#include "cli/inspection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

enum { DEFAULT_CONTEXT = 4096, DEFAULT_BATCH = 512 };

static void copy_text(const elm_gguf *gguf, const char *key, char out[CLI_SHOWN_NAME])
{
	elm_gguf_string text;

	if (elm_gguf_get_string(gguf, key, &text, NULL) != ELM_OK)
		return;
	snprintf(out, CLI_SHOWN_NAME, "%.*s",
		 (int)(text.length < CLI_SHOWN_NAME ? text.length : CLI_SHOWN_NAME), text.data);
	elm__make_printable(out);
}

static int by_size(const void *left, const void *right)
{
	const cli_type_use *a = left, *b = right;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return (int)a->type - (int)b->type;
}

static void count_types(cli_inspection *in)
{
	cli_type_use uses[ELM_TYPE_LIMIT] = { 0 };

	for (size_t i = 0; i < elm_gguf_tensor_count(in->gguf); i++) {
		const elm_gguf_tensor *tensor = elm_gguf_tensor_at(in->gguf, i);
		cli_type_use *use = &uses[tensor->type];

		use->type = tensor->type;
		use->tensors++;
		use->elements += tensor->elements;
		use->bytes += tensor->bytes;
		in->elements += tensor->elements;
		in->bytes += tensor->bytes;
	}
	for (size_t i = 0; i < ELM_TYPE_LIMIT; i++)
		if (uses[i].tensors)
			in->types[in->type_count++] = uses[i];
	qsort(in->types, in->type_count, sizeof(in->types[0]), by_size);
}

static bool shape_value(const cli_inspection *in, const char *suffix, uint32_t *value)
{
	char key[CLI_SHOWN_NAME + 64];

	snprintf(key, sizeof(key), "%s.%s", in->architecture, suffix);
	return elm_gguf_get_u32(in->gguf, key, value, NULL) == ELM_OK;
}

/* Read from the metadata and not from the engine, so that it also works for an architecture that
 * the engine does not know. */
static void read_shape(cli_inspection *in)
{
	static const struct {
		const char *label, *suffix;
	} values[] = {
		{ "context length", "context_length" },
		{ "layers", "block_count" },
		{ "embedding length", "embedding_length" },
		{ "feed-forward length", "feed_forward_length" },
		{ "heads", "attention.head_count" },
		{ "key/value heads", "attention.head_count_kv" },
		{ "key length", "attention.key_length" },
		{ "value length", "attention.value_length" },
		{ "sliding window", "attention.sliding_window" },
		{ "rotary dimensions", "rope.dimension_count" },
		{ "experts", "expert_count" },
		{ "experts used", "expert_used_count" },
	};
	const elm_gguf_kv *tokens = elm_gguf_find(in->gguf, "tokenizer.ggml.tokens");
	uint32_t value;

	_Static_assert(sizeof(values) / sizeof(values[0]) == CLI_SHAPE_VALUES, "room for all");
	for (size_t i = 0; i < CLI_SHAPE_VALUES; i++)
		if (shape_value(in, values[i].suffix, &value))
			in->shape[in->shape_count++] =
				(cli_shape_value){ values[i].label, values[i].suffix, value };
	if (tokens && tokens->kind == ELM_GGUF_ARRAY)
		in->vocabulary = tokens->count;
}

/* Options that the engine refuses are the user's mistake; a model that it refuses is a fact. */
static elm_status estimate(cli_inspection *in, const elm_session_options *options, elm_error *error)
{
	uint32_t trained = DEFAULT_CONTEXT;
	elm_status status;

	in->options = *options;
	if (!in->options.context) {
		if (!shape_value(in, "context_length", &trained) || trained > DEFAULT_CONTEXT)
			trained = DEFAULT_CONTEXT;
		in->options.context = trained;
	}
	if (!in->options.batch)
		in->options.batch =
			in->options.context < DEFAULT_BATCH ? in->options.context : DEFAULT_BATCH;
	if (!elm_gguf_tensor_count(in->gguf)) {
		elm_error_set(&in->no_memory, ELM_ERR_NOT_FOUND,
			      "the file has a vocabulary only, no tensors");
		return ELM_OK;
	}
	status = elm_session_estimate_gguf(in->gguf, &in->options, &in->memory, &in->no_memory);
	in->has_memory = status == ELM_OK;
	if (status == ELM_ERR_ARGUMENT || status == ELM_ERR_NO_MEMORY) {
		*error = in->no_memory;
		return status;
	}
	return ELM_OK;
}

elm_status cli_inspection_init(cli_inspection *in, const char *path,
			       const elm_session_options *options, elm_error *error)
{
	elm_status status;

	memset(in, 0, sizeof(*in));
	status = elm_gguf_open(path, &in->gguf, error);
	if (status != ELM_OK)
		return status;
	copy_text(in->gguf, "general.architecture", in->architecture);
	copy_text(in->gguf, "general.name", in->name);
	copy_text(in->gguf, "tokenizer.ggml.model", in->tokenizer);
	count_types(in);
	read_shape(in);
	return estimate(in, options, error);
}

void cli_inspection_release(cli_inspection *in)
{
	elm__free(in->hashes);
	elm_gguf_close(in->gguf);
	memset(in, 0, sizeof(*in));
}
