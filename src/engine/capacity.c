#include "engine/scheduler.h"

#include "base/process.h"
#include "base/text.h"
#include "model/core.h"

enum {
	DEFAULT_SEQUENCES = 8,
	DEFAULT_QUEUE = 64,
	DEFAULT_CONTEXT = 4096,
	MAX_QUEUE = 1 << 20,
	MAX_TOKENS = 1 << 28, /* as a session has it */
};

static elm_status check(const elm_scheduler_options *o, elm_error *error)
{
	if (!(o->kv_memory_fraction >= 0 && o->kv_memory_fraction <= 1))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "the fraction of memory for the KV cache is %g; it must be "
				     "between 0 and 1",
				     o->kv_memory_fraction);
	if (!(o->step_ms >= 0 && o->step_ms <= 1e6))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "the time of a step is %g ms; it must be between 0 and "
				     "1000000",
				     o->step_ms);
	if (o->queue > MAX_QUEUE)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "a queue of %lu requests is too long; at most %d can wait",
				     (unsigned long)o->queue, MAX_QUEUE);
	if (o->scheduling != ELM_SCHEDULING_CONTINUOUS && o->scheduling != ELM_SCHEDULING_STATIC)
		return elm_error_set(error, ELM_ERR_ARGUMENT, "there is no scheduling number %d",
				     (int)o->scheduling);
	return ELM_OK;
}

/* Bytes of the cache that the options ask for; 0: they leave it open. */
static uint64_t wanted_bytes(const elm_scheduler_options *o, bool known, uint64_t available)
{
	if (o->kv_memory)
		return o->kv_memory;
	if (o->kv_memory_fraction > 0 && known)
		return (uint64_t)(o->kv_memory_fraction * (double)available);
	return 0;
}

/* Tokens that the cache shall hold. */
static uint64_t choose_tokens(const elm_scheduler_options *o, uint32_t trained, uint64_t block,
			      bool known, uint64_t available)
{
	uint64_t bytes = wanted_bytes(o, known, available), tokens, each = o->context;

	if (o->session.context)
		return o->session.context;
	if (bytes)
		return bytes / block * ELM__KV_BLOCK;
	if (!each)
		each = trained < DEFAULT_CONTEXT ? trained : DEFAULT_CONTEXT;
	tokens = o->session.max_sequences *
		 ((each + ELM__KV_BLOCK - 1) / ELM__KV_BLOCK * ELM__KV_BLOCK);
	if (known && tokens / ELM__KV_BLOCK > available / 2 / block)
		tokens = available / 2 / block * ELM__KV_BLOCK;
	return tokens;
}

static elm_status too_small(elm_error *error, uint64_t tokens, uint32_t context, uint64_t block)
{
	char needed[32];

	return elm_error_set(
		error, ELM_ERR_NO_MEMORY,
		"the KV cache has room for %llu tokens only, and a request may have "
		"%lu, which take %s; give it more memory or reduce the context",
		(unsigned long long)tokens, (unsigned long)context,
		elm__format_bytes(((uint64_t)context + ELM__KV_BLOCK - 1) / ELM__KV_BLOCK * block,
				  needed, sizeof(needed)));
}

elm_status elm__capacity_plan(const elm_model *model, elm_scheduler_options *o,
			      elm_memory_estimate *out, elm_error *error)
{
	uint32_t trained = elm_model_get_info(model)->trained_context;
	elm_session_options one;
	uint64_t available = 0, tokens, needed;
	bool known = elm__memory_available(o->sysroot ? o->sysroot : "", &available);
	elm_status status = check(o, error);
	char need[32], have[32];

	if (status)
		return status;
	if (!o->session.max_sequences)
		o->session.max_sequences = DEFAULT_SEQUENCES;
	if (!o->queue)
		o->queue = DEFAULT_QUEUE;
	o->session.max_logits = o->session.max_sequences;
	one = o->session;
	one.context = ELM__KV_BLOCK;
	status = elm_session_estimate(model, &one, out, error);
	if (status)
		return status;
	tokens = choose_tokens(o, trained, out->kv, known, available);
	if (tokens > MAX_TOKENS)
		tokens = MAX_TOKENS;
	if (!o->context)
		o->context = trained < tokens ? trained : (uint32_t)tokens;
	if (o->context > tokens || o->context < 2)
		return too_small(error, tokens, o->context > 2 ? o->context : 2, out->kv);
	o->kv_memory = elm__cache_blocks((uint32_t)tokens) * out->kv;
	o->session.context = (uint32_t)tokens;
	o->session.max_length = o->context;
	if (!o->session.batch)
		o->session.batch = ELM__DEFAULT_BATCH;
	/* As many rows as a step has at most. */
	o->session.max_states = o->states ? o->session.batch + o->session.max_sequences : 0;
	status = elm_session_estimate(model, &o->session, out, error);
	if (status)
		return status;
	needed = out->kv + out->scratch;
	if (known && needed > available)
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "%s are needed for the KV cache and scratch, and %s are "
				     "available; reduce the context, the KV memory or the batch",
				     elm__format_bytes(needed, need, sizeof(need)),
				     elm__format_bytes(available, have, sizeof(have)));
	return ELM_OK;
}
