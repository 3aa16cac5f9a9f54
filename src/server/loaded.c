#include "server/loaded.h"

#include <edgelm/log.h>

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/process.h"
#include "base/text.h"

enum { PROGRESS_NS = 2000000000 };

void elm__load_say(const elm__load_options *options, const char *name, const char *format, ...)
{
	elm_error line = { 0 };
	va_list args;

	if (!options->say)
		return;
	va_start(args, format);
	elm_error_setv(&line, ELM_OK, format, args);
	va_end(args);
	elm_error_prefix(&line, "model %s", name);
	options->say(options->say_user, line.text);
}

typedef struct progress {
	const elm__load *load;
	uint64_t told_ns;
} progress;

static bool show_progress(void *user, uint64_t done, uint64_t total)
{
	progress *p = user;
	uint64_t now = elm__now_ns();

	if (now - p->told_ns > PROGRESS_NS && total) {
		elm__load_say(p->load->options, p->load->name,
			      "rearranging weights for this processor: %.0f %%",
			      100.0 * (double)done / (double)total);
		p->told_ns = now;
	}
	return p->load->cancelled(p->load->user);
}

/*
 * Whether bytes of our own, and weights that are mapped, can be had. Cached files count as
 * available, and the weights of other models are such: they must stay in memory too, or every step
 * would read them from disk again. Alone, a model may be larger than the memory; it is slow then.
 */
static elm_status check_room(const elm__load *load, uint64_t own, uint64_t weights,
			     elm_error *error)
{
	const char *sysroot = load->options->scheduling.sysroot;
	uint64_t others = load->others(load->user), available;
	char text[32], there[32];

	if (!elm__memory_available(sysroot ? sysroot : "", &available))
		return ELM_OK;
	elm__format_bytes(available, there, sizeof(there));
	if (own > available)
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "this needs %s beside the weights, and %s are available; make "
				     "--parallel, --ctx or --kv-memory smaller, or use --kv-type "
				     "int8 or int4",
				     elm__format_bytes(own, text, sizeof(text)), there);
	elm__format_bytes(own + weights, text, sizeof(text));
	if (others && own + weights + others > available)
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "weights and cache need %s, and that is more than other "
				     "models leave of %s",
				     text, there);
	if (own + weights > available)
		elm_log(ELM_LOG_WARN,
			"weights and cache together need %s, and %s are available: parts of the "
			"model will be read from disk again and again",
			text, there);
	return ELM_OK;
}

/* Weights that are rearranged in private memory take as much of it as the file has. */
static elm_status room_for_packing(const elm__load *load, const elm_gguf *gguf, elm_error *error)
{
	uint64_t bytes = 0;
	elm_status status;

	for (size_t i = 0; i < elm_gguf_tensor_count(gguf); i++)
		bytes += elm_gguf_tensor_at(gguf, i)->bytes;
	do
		status = check_room(load, bytes, 0, error);
	while (status && load->make_room(load->user));
	return status;
}

static elm_status open_model(const elm__load *load, elm__loaded *l, elm_error *error)
{
	progress state = { load, elm__now_ns() };
	elm_model_options options = load->options->opening;
	elm_status status;
	elm_gguf *gguf;

	status = elm_gguf_open(load->path, &gguf, error);
	if (status)
		return status;
	if (!options.engine_file && !options.engine_cache)
		status = room_for_packing(load, gguf, error);
	if (status) {
		elm_gguf_close(gguf);
		return status;
	}
	options.progress = show_progress;
	options.progress_user = &state;
	return elm_model_open_gguf(gguf, &options, &l->model, error);
}

/* Decides on all memory: *options as they will be in force. Packed weights are there already. */
static elm_status plan_memory(const elm__load *load, const elm__loaded *l,
			      elm_scheduler_options *options, elm_memory_estimate *need,
			      elm_error *error)
{
	elm_status status;

	do {
		*options = load->options->scheduling;
		status = elm_scheduler_estimate(l->model, options, need, error);
		if (!status)
			status = check_room(load, need->kv + need->scratch, need->weights, error);
	} while (status == ELM_ERR_NO_MEMORY && load->make_room(load->user));
	return status;
}

static void announce(const elm__load *load, const elm_memory_estimate *need,
		     const elm_scheduler_options *options, uint64_t start)
{
	char weights[32], kv[32], rest[32];

	elm__load_say(load->options, load->name,
		      "loaded in %.2f s; weights %s (mapped), KV cache %s (%u requests, %u tokens "
		      "each at most), the rest %s",
		      elm__seconds_between(start, elm__now_ns()),
		      elm__format_bytes(need->weights, weights, sizeof(weights)),
		      elm__format_bytes(need->kv, kv, sizeof(kv)), options->session.max_sequences,
		      options->context,
		      elm__format_bytes(need->packed + need->scratch, rest, sizeof(rest)));
}

elm_status elm__loaded_create(const elm__load *load, elm__loaded **out, elm_error *error)
{
	elm__loaded *l = elm__calloc(1, sizeof(*l));
	const char *choice = load->options->chat_template, *own;
	uint64_t start = elm__now_ns();
	elm_scheduler_options options;
	elm_memory_estimate need;
	elm_status status;

	*out = NULL;
	if (!l)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	l->name = load->name;
	status = open_model(load, l, error);
	if (!status) {
		l->tokenizer = elm_model_tokenizer(l->model);
		status = plan_memory(load, l, &options, &need, error);
	}
	if (!status)
		status = elm__chat_format_open(&l->format, l->tokenizer, choice, error);
	if (!status)
		status = elm_scheduler_create(l->model, &options, &l->scheduler, error);
	if (!status)
		status = elm__forms_create(l->tokenizer, &l->forms, error);
	if (status) {
		elm__loaded_free(l);
		return status;
	}
	own = elm_tokenizer_chat_template(l->tokenizer);
	l->chat_template = !choice && own ? own : "";
	l->weights = need.weights;
	announce(load, &need, &options, start);
	*out = l;
	return ELM_OK;
}

void elm__loaded_free(elm__loaded *l)
{
	if (!l)
		return;
	elm_scheduler_free(l->scheduler);
	elm__forms_free(l->forms);
	elm__chat_format_release(&l->format);
	elm_model_close(l->model);
	elm__free(l);
}
