#include <edgelm/model.h>

#include <string.h>

#include "base/alloc.h"
#include "base/pages.h"
#include "base/text.h"
#include "cpu/cpu.h"
#include "model/core.h"
#include "model/engine_cache.h"

static const char *copy_name(elm_model *model)
{
	const elm_gguf_kv *kv = elm_gguf_find(model->gguf, "general.name");
	elm_gguf_string name = { "", 0 };
	char *copy;

	if (kv && kv->kind == ELM_GGUF_STRING)
		name = elm_gguf_string_at(kv, 0);
	if (!elm__utf8_valid(name.data, name.length))
		name.length = 0;
	copy = elm__arena_strndup(&model->arena, name.data, name.length);
	for (char *c = copy; c && *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
	return copy;
}

static elm_status fill_info(elm_model *model, elm_error *error)
{
	const elm__hparams *hp = &model->hparams;
	elm_model_info *info = &model->info;

	info->architecture = hp->arch->name;
	info->name = copy_name(model);
	info->vocabulary = hp->vocabulary;
	info->width = hp->width;
	info->layers = hp->layers;
	info->heads = hp->max_heads;
	info->kv_heads = hp->max_kv_heads;
	info->head_dim = hp->head_dim;
	info->ffn_width = hp->max_ffn;
	info->trained_context = hp->trained_context;
	for (size_t i = 0; i < elm_gguf_tensor_count(model->gguf); i++) {
		const elm_gguf_tensor *t = elm_gguf_tensor_at(model->gguf, i);

		info->parameters += t->elements;
		info->weight_bytes += t->bytes;
	}
	if (!info->name)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory",
				     elm_gguf_path(model->gguf));
	if (elm_tokenizer_size(model->tokenizer) > hp->vocabulary)
		return elm_error_set(
			error, ELM_ERR_FORMAT,
			"%s: the tokenizer has %zu tokens, but tensor token_embd.weight has "
			"only %u rows",
			elm_gguf_path(model->gguf), elm_tokenizer_size(model->tokenizer),
			hp->vocabulary);
	return ELM_OK;
}

elm_status elm_model_open(const char *path, const elm_model_options *options, elm_model **out,
			  elm_error *error)
{
	elm_gguf *gguf;
	elm_status status = elm_gguf_open(path, &gguf, error);

	*out = NULL;
	return status == ELM_OK ? elm_model_open_gguf(gguf, options, out, error) : status;
}

elm_status elm_model_open_gguf(elm_gguf *gguf, const elm_model_options *options, elm_model **out,
			       elm_error *error)
{
	elm_model *model = elm__calloc(1, sizeof(*model));
	uint32_t mask = UINT32_MAX;
	elm_status status = ELM_OK;

	*out = NULL;
	if (!model) {
		elm_gguf_close(gguf);
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a model");
	}
	model->gguf = gguf;
	elm__arena_init(&model->arena, 0);
	if (options && options->isa)
		status = elm__cpu_parse_tier(options->isa, &mask, error);
	elm__kernels_init(&model->kernels, elm__cpu_detect() & mask);
	if (status == ELM_OK && options && options->batch_invariant &&
	    !elm__kernels_make_invariant(&model->kernels))
		status = elm_error_set(
			error, ELM_ERR_UNSUPPORTED,
			"with the instructions \"%s\" results depend on the size of the "
			"batch; those that need not are amx and scalar",
			model->kernels.name);
	if (status == ELM_OK)
		status = elm__hparams_read(&model->hparams, gguf, &model->arena, error);
	if (status == ELM_OK)
		status = elm__weights_bind(&model->weights, &model->hparams, gguf, &model->arena,
					   error);
	if (status == ELM_OK)
		status = elm_tokenizer_create(gguf, &model->tokenizer, error);
	if (status == ELM_OK)
		status = fill_info(model, error);
	if (status == ELM_OK)
		status = elm__model_pack(model, options, error);
	if (status != ELM_OK) {
		elm_model_close(model);
		return status;
	}
	*out = model;
	return ELM_OK;
}

void elm_model_close(elm_model *model)
{
	if (!model)
		return;
	elm__map_release(&model->engine);
	elm__pages_free(model->packed, model->packed_bytes);
	elm_tokenizer_free(model->tokenizer);
	elm_gguf_close(model->gguf);
	elm__arena_release(&model->arena);
	elm__free(model);
}

const elm_model_info *elm_model_get_info(const elm_model *model)
{
	return &model->info;
}

const elm_tokenizer *elm_model_tokenizer(const elm_model *model)
{
	return model->tokenizer;
}

const elm_gguf *elm_model_gguf(const elm_model *model)
{
	return model->gguf;
}

const char *elm_model_isa(const elm_model *model)
{
	return model->kernels.name;
}

const char *elm_model_engine_path(const elm_model *model)
{
	return model->engine_path;
}

bool elm_model_engine_built(const elm_model *model)
{
	return model->engine_built;
}
