#include "compress/walk.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/pages.h"
#include "cpu/cpu.h"
#include "model/core.h"

enum { MIN_WINDOW = 2, MAX_WINDOW = 65536 };

/* Cuts the text into windows, the first token of each replaced by BOS where the model wants it. */
static elm_status take_tokens(elm__walk *w, const elm_token *tokens, size_t count,
			      const elm__walk_options *o, elm_error *error)
{
	const elm_tokenizer *tokenizer = elm_model_tokenizer(w->model);
	size_t windows = count / w->window, kept;

	if (!windows)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "the text has %zu tokens, less than one window of %u; give "
				     "more text or a smaller window",
				     count, w->window);
	if (o->max_windows && windows > o->max_windows)
		windows = o->max_windows;
	w->windows = windows < UINT32_MAX ? (uint32_t)windows : UINT32_MAX;
	kept = (size_t)w->windows * w->window;
	w->tokens = elm__realloc_array(NULL, kept, sizeof(*w->tokens));
	if (!w->tokens)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for the text");
	memcpy(w->tokens, tokens, kept * sizeof(*tokens));
	if (elm_tokenizer_adds_bos(tokenizer) && elm_tokenizer_bos(tokenizer) != ELM_TOKEN_NONE)
		for (uint32_t i = 0; i < w->windows; i++)
			w->tokens[(size_t)i * w->window] = elm_tokenizer_bos(tokenizer);
	return ELM_OK;
}

/* Memory for the keys and values of one layer, which every layer uses in turn. */
static elm_status take_cache(elm__walk *w, elm_error *error)
{
	const elm__hparams *hp = &w->model->hparams;
	elm_status status = elm__kv_init(&w->kv, hp, ELM_TYPE_F32, &w->arena, error);
	size_t *offsets;

	if (status)
		return status;
	offsets = elm__arena_calloc(&w->arena, hp->layers, sizeof(*offsets));
	w->kv.layer_offset = offsets;
	w->kv.blocks = (w->window + ELM__KV_BLOCK - 1) / ELM__KV_BLOCK;
	w->kv.block_stride = 2 * w->kv.head_bytes * hp->max_kv_heads;
	if (offsets && elm__mul(w->kv.blocks, w->kv.block_stride, &w->kv_bytes))
		w->kv.base = elm__pages_alloc(w->kv_bytes);
	if (!w->kv.base)
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "out of memory for windows of %u tokens; use smaller ones",
				     w->window);
	return ELM_OK;
}

static elm_status take_rows(elm__walk *w, elm_error *error)
{
	uint32_t *blocks = elm__arena_calloc(&w->arena, w->kv.blocks, sizeof(*blocks));

	w->rows = elm__arena_calloc(&w->arena, w->window, sizeof(*w->rows));
	w->copy =
		elm__arena_calloc(&w->arena, w->window, w->model->hparams.width * sizeof(*w->copy));
	if (!blocks || !w->rows || !w->copy)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for %u rows",
				     w->window);
	for (uint32_t i = 0; i < w->kv.blocks; i++)
		blocks[i] = i;
	for (uint32_t i = 0; i < w->window; i++)
		w->rows[i] = (elm__row){ .position = i, .logits = true, .blocks = blocks };
	return ELM_OK;
}

static elm_status take_states(elm__walk *w, const elm__walk_options *o, elm_error *error)
{
	size_t row = w->model->hparams.width * sizeof(*w->states);
	void *data = NULL;

	if (!elm__mul((size_t)w->windows * w->window, row, &w->states_bytes))
		return elm_error_set(error, ELM_ERR_LIMIT, "the text is too long");
	w->spilled = w->states_bytes > o->memory;
	if (w->spilled) {
		elm_status status = elm__spill_open(o->beside, w->states_bytes, &data, error);

		w->states = data;
		return status;
	}
	w->states = elm__pages_alloc(w->states_bytes);
	if (!w->states)
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "out of memory: the states of %u windows of %u tokens take "
				     "%zu MiB; use less text",
				     w->windows, w->window, w->states_bytes >> 20);
	return ELM_OK;
}

static elm_status take_forward(elm__walk *w, const elm__walk_options *o, elm_error *error)
{
	elm__forward_limits limits = { .batch = w->window,
				       .context = w->kv.blocks * ELM__KV_BLOCK };
	unsigned cpus[ELM__POOL_MAX], cores = elm__cpu_select("", cpus, ELM__POOL_MAX);
	elm_status status;
	size_t bytes;

	limits.threads = o->threads ? o->threads : cores;
	bytes = elm__forward_bytes(w->model, &limits);
	w->scratch = bytes ? elm__malloc_aligned(ELM__KERNEL_ALIGN, bytes) : NULL;
	if (!w->scratch)
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "out of memory for windows of %u tokens; use smaller ones",
				     w->window);
	status = elm__pool_create(limits.threads, limits.threads <= cores ? cpus : NULL, &w->pool,
				  error);
	if (!status)
		status = elm__multiplier_init(&w->multiplier, &w->model->kernels, limits.threads,
					      error);
	if (!status)
		w->forward = elm__forward_init(w->scratch, w->model, &w->kv, w->pool, &limits);
	return status;
}

elm_status elm__walk_init(elm__walk *walk, elm_model *model, const elm_token *tokens, size_t count,
			  const elm__walk_options *options, elm_error *error)
{
	elm_status status = ELM_OK;

	memset(walk, 0, sizeof(*walk));
	elm__arena_init(&walk->arena, 0);
	walk->model = model;
	walk->window = options->window;
	if (walk->window < MIN_WINDOW || walk->window > MAX_WINDOW)
		status = elm_error_set(error, ELM_ERR_ARGUMENT,
				       "the window is %u tokens; it must be between %d and %d",
				       walk->window, MIN_WINDOW, MAX_WINDOW);
	if (options->threads > ELM__POOL_MAX)
		status = elm_error_set(error, ELM_ERR_ARGUMENT,
				       "the number of threads is %u; it must be at most %d",
				       options->threads, ELM__POOL_MAX);
	if (!status)
		status = take_tokens(walk, tokens, count, options, error);
	if (!status)
		status = take_cache(walk, error);
	if (!status)
		status = take_rows(walk, error);
	if (!status)
		status = take_states(walk, options, error);
	if (!status)
		status = take_forward(walk, options, error);
	if (status)
		elm__walk_release(walk);
	return status;
}

void elm__walk_release(elm__walk *walk)
{
	elm__pool_free(walk->pool);
	elm__multiplier_release(&walk->multiplier);
	elm__free_aligned(walk->scratch);
	elm__free(walk->tokens);
	elm__pages_free(walk->kv.base, walk->kv_bytes);
	if (walk->spilled)
		elm__spill_close(walk->states, walk->states_bytes);
	else
		elm__pages_free(walk->states, walk->states_bytes);
	elm__arena_release(&walk->arena);
	memset(walk, 0, sizeof(*walk));
}

static void run(elm__walk *w, uint32_t window, float *state, const elm__observer *observer)
{
	for (uint32_t i = 0; i < w->window; i++)
		w->rows[i].token = w->tokens[(size_t)window * w->window + i];
	elm__forward_layer(w->forward, w->rows, w->window, w->layer, state, observer);
}

void elm__walk_step(elm__walk *walk, const elm__observer *observer)
{
	run(walk, walk->done, elm__walk_state(walk, walk->done), observer);
	if (++walk->done == walk->windows) {
		walk->done = 0;
		walk->layer++;
	}
}

void elm__walk_look(elm__walk *walk, uint32_t window, const elm__observer *observer)
{
	memcpy(walk->copy, elm__walk_state(walk, window),
	       (size_t)walk->window * walk->model->hparams.width * sizeof(*walk->copy));
	run(walk, window, walk->copy, observer);
}
