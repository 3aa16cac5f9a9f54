#include <edgelm/session.h>

#include <string.h>

#include "base/alloc.h"
#include "base/pages.h"
#include "base/pool.h"
#include "cpu/cpu.h"
#include "engine/session.h"
#include "model/core.h"
#include "model/forward.h"

enum { DEFAULT_CONTEXT = 4096, MAX_SEQUENCES = 4096, MAX_BATCH = 1 << 16 };

struct elm_session {
	elm_model *model;
	elm_session_options options;
	elm__arena arena; /* tables */
	elm__cache cache;
	elm__pool *pool;
	elm__forward *forward;
	void *scratch;
	size_t scratch_bytes;
	size_t kv_bytes;
	elm__row *rows;	   /* of one pass */
	uint32_t *pending; /* per sequence: tokens that the step at hand adds */
	float *logits, *states;
	uint32_t n_logits, n_states;
	const volatile int *cancel;
};

elm_session_options elm_session_defaults(void)
{
	return (elm_session_options){ .kv_type = ELM_TYPE_F16 };
}

/* --- sizes, decided before anything is taken --- */

typedef struct plan {
	elm_session_options options;
	elm__kv kv;
	elm__forward_limits limits;
	size_t kv_bytes, scratch_bytes, logits_bytes, states_bytes;
	unsigned cpus[ELM__POOL_MAX];
	bool pinned;
} plan;

static elm_status out_of_range(elm_error *error, const char *what, uint64_t value, uint64_t low,
			       uint64_t high)
{
	return elm_error_set(error, ELM_ERR_ARGUMENT,
			     "%s is %llu; it must be between %llu and %llu", what,
			     (unsigned long long)value, (unsigned long long)low,
			     (unsigned long long)high);
}

static void fill_defaults(plan *p, const elm__hparams *hp)
{
	elm_session_options *o = &p->options;
	unsigned cores = elm__cpu_select("", p->cpus, ELM__POOL_MAX);

	if (!o->context)
		o->context = hp->trained_context < DEFAULT_CONTEXT ? hp->trained_context :
								     DEFAULT_CONTEXT;
	if (!o->max_length || o->max_length > o->context)
		o->max_length = o->context;
	if (!o->max_sequences)
		o->max_sequences = 1;
	if (!o->batch)
		o->batch = ELM__DEFAULT_BATCH;
	if (o->batch > o->context)
		o->batch = o->context;
	if (!o->max_logits)
		o->max_logits = o->max_sequences;
	if (!o->threads)
		o->threads = cores;
	p->pinned = o->threads <= cores;
}

static elm_status make_plan(plan *p, const elm_model *model, const elm_session_options *options,
			    elm__arena *arena, elm_error *error)
{
	elm_status status;
	elm_session_options *o = &p->options;

	memset(p, 0, sizeof(*p));
	*o = *options;
	fill_defaults(p, &model->hparams);
	if (o->context > 1u << 28)
		return out_of_range(error, "the context", o->context, 1, 1u << 28);
	if (o->max_sequences > MAX_SEQUENCES)
		return out_of_range(error, "the number of sequences", o->max_sequences, 1,
				    MAX_SEQUENCES);
	if (o->batch > MAX_BATCH)
		return out_of_range(error, "the batch", o->batch, 1, MAX_BATCH);
	if (o->threads > ELM__POOL_MAX)
		return out_of_range(error, "the number of threads", o->threads, 1, ELM__POOL_MAX);
	status = elm__kv_init(&p->kv, &model->hparams, o->kv_type, arena, error);
	if (status != ELM_OK)
		return status;
	p->kv.blocks = elm__cache_blocks(o->context);
	p->limits.batch = o->batch;
	p->limits.context = elm__cache_blocks(o->max_length) * ELM__KV_BLOCK;
	p->limits.threads = o->threads;
	p->scratch_bytes = elm__forward_bytes(model, &p->limits);
	if (!p->scratch_bytes || !elm__mul(p->kv.blocks, p->kv.block_stride, &p->kv_bytes) ||
	    !elm__mul(o->max_logits, model->hparams.vocabulary * sizeof(float), &p->logits_bytes) ||
	    !elm__mul(o->max_states, model->hparams.width * sizeof(float), &p->states_bytes))
		return elm_error_set(error, ELM_ERR_LIMIT,
				     "a context of %u tokens and a batch of %u do not fit in the "
				     "address space; ask for less",
				     o->context, o->batch);
	return ELM_OK;
}

static elm_status estimate(const elm_model *model, const elm_session_options *options,
			   elm_memory_estimate *out, elm_error *error)
{
	elm__arena arena;
	elm_status status;
	plan p;

	elm__arena_init(&arena, 0);
	status = make_plan(&p, model, options, &arena, error);
	if (status == ELM_OK) {
		out->weights = 0;
		for (size_t i = 0; i < elm_gguf_tensor_count(model->gguf); i++)
			out->weights += elm_gguf_tensor_at(model->gguf, i)->bytes;
		out->packed = model->packed_bytes;
		out->kv = p.kv_bytes;
		out->scratch = p.scratch_bytes + p.logits_bytes + p.states_bytes;
		out->total = out->weights + out->packed + out->kv + out->scratch;
	}
	elm__arena_release(&arena);
	return status;
}

elm_status elm_session_estimate(const elm_model *model, const elm_session_options *options,
				elm_memory_estimate *out, elm_error *error)
{
	return estimate(model, options, out, error);
}

elm_status elm_session_estimate_gguf(const elm_gguf *gguf, const elm_session_options *options,
				     elm_memory_estimate *out, elm_error *error)
{
	elm_model model = { .gguf = (elm_gguf *)gguf };
	elm_status status;

	elm__arena_init(&model.arena, 0);
	elm__kernels_init(&model.kernels, elm__cpu_detect());
	status = elm__hparams_read(&model.hparams, gguf, &model.arena, error);
	if (status == ELM_OK)
		status = estimate(&model, options, out, error);
	elm__arena_release(&model.arena);
	return status;
}

/* --- life --- */

static elm_status take_memory(elm_session *s, plan *p, elm_error *error)
{
	s->kv_bytes = p->kv_bytes;
	p->kv.base = elm__pages_alloc(p->kv_bytes);
	s->cache.kv.base = p->kv.base; /* known to elm_session_free from here on */
	s->scratch_bytes = p->scratch_bytes;
	s->scratch = elm__pages_alloc(p->scratch_bytes);
	s->logits = elm__malloc_aligned(ELM__KERNEL_ALIGN, p->logits_bytes);
	if (p->states_bytes)
		s->states = elm__malloc_aligned(ELM__KERNEL_ALIGN, p->states_bytes);
	s->rows = elm__arena_calloc(&s->arena, s->options.batch, sizeof(elm__row));
	s->pending = elm__arena_calloc(&s->arena, s->options.max_sequences, sizeof(uint32_t));
	if (!p->kv.base || !s->scratch || !s->logits || (p->states_bytes && !s->states) ||
	    !s->rows || !s->pending)
		return elm_error_set(
			error, ELM_ERR_NO_MEMORY,
			"out of memory: the KV cache takes %zu MiB and scratch %zu MiB; "
			"reduce the context (%u) or the batch (%u)",
			p->kv_bytes >> 20,
			(p->scratch_bytes + p->logits_bytes + p->states_bytes) >> 20,
			s->options.context, s->options.batch);
	return ELM_OK;
}

elm_status elm_session_create(elm_model *model, const elm_session_options *options,
			      elm_session **out, elm_error *error)
{
	elm_session_options defaults = elm_session_defaults();
	elm_session *s = elm__calloc(1, sizeof(*s));
	elm_status status;
	plan p;

	*out = NULL;
	if (!s)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a session");
	s->model = model;
	elm__arena_init(&s->arena, 0);
	status = make_plan(&p, model, options ? options : &defaults, &s->arena, error);
	if (status != ELM_OK)
		goto fail;
	s->options = p.options;
	status = take_memory(s, &p, error);
	if (status == ELM_OK)
		status = elm__cache_init(&s->cache, &p.kv, s->options.max_sequences, &s->arena,
					 error);
	if (status == ELM_OK)
		status = elm__pool_create(s->options.threads, p.pinned ? p.cpus : NULL, &s->pool,
					  error);
	if (status != ELM_OK)
		goto fail;
	s->forward = elm__forward_init(s->scratch, model, &s->cache.kv, s->pool, &p.limits);
	*out = s;
	return ELM_OK;
fail:
	elm_session_free(s);
	return status;
}

void elm_session_free(elm_session *s)
{
	if (!s)
		return;
	elm__pool_free(s->pool);
	elm__pages_free(s->cache.kv.base, s->kv_bytes);
	elm__pages_free(s->scratch, s->scratch_bytes);
	elm__free_aligned(s->logits);
	elm__free_aligned(s->states);
	elm__arena_release(&s->arena);
	elm__free(s);
}

const elm_session_options *elm_session_get_options(const elm_session *s)
{
	return &s->options;
}

elm_model *elm_session_model(const elm_session *s)
{
	return s->model;
}

elm__cache *elm__session_cache(elm_session *s)
{
	return &s->cache;
}

/* --- steps --- */

static uint32_t sequence_of(const elm_batch *batch, uint32_t row)
{
	return batch->sequences ? batch->sequences[row] : 0;
}

static bool wants_logits(const elm_batch *batch, uint32_t row)
{
	if (batch->logits)
		return batch->logits[row] != 0;
	return !batch->states && row + 1 == batch->rows;
}

static bool wants_state(const elm_batch *batch, uint32_t row)
{
	return batch->states && batch->states[row] != 0;
}

/* Checks what the rows ask for. */
static elm_status check_wishes(const elm_session *s, const elm_batch *batch, elm_error *error)
{
	uint32_t logits = 0, states = 0;

	for (uint32_t i = 0; i < batch->rows; i++) {
		if (wants_logits(batch, i) && wants_state(batch, i))
			return elm_error_set(error, ELM_ERR_ARGUMENT,
					     "row %u asks for its logits and its state; it can "
					     "have one of them",
					     i);
		logits += wants_logits(batch, i);
		states += wants_state(batch, i);
	}
	if (logits > s->options.max_logits)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "%u rows ask for logits; the session was created for %u",
				     logits, s->options.max_logits);
	if (states > s->options.max_states)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "%u rows ask for their state; the session was created for %u",
				     states, s->options.max_states);
	return ELM_OK;
}

/* Checks every row and counts, in s->pending, what each sequence gains. Nothing is changed. */
static elm_status check_rows(elm_session *s, const elm_batch *batch, elm_error *error)
{
	uint32_t vocabulary = s->model->hparams.vocabulary;

	if (!batch->rows)
		return elm_error_set(error, ELM_ERR_ARGUMENT, "a step needs at least one row");
	memset(s->pending, 0, s->options.max_sequences * sizeof(*s->pending));
	for (uint32_t i = 0; i < batch->rows; i++) {
		uint32_t sequence = sequence_of(batch, i), expected;

		if (sequence >= s->options.max_sequences)
			return elm_error_set(
				error, ELM_ERR_ARGUMENT,
				"row %u: sequence %u is out of range; the session has %u", i,
				sequence, s->options.max_sequences);
		if (batch->tokens[i] < 0 || (uint32_t)batch->tokens[i] >= vocabulary)
			return elm_error_set(error, ELM_ERR_ARGUMENT,
					     "row %u: token %d is not in the vocabulary of %u", i,
					     batch->tokens[i], vocabulary);
		expected = s->cache.sequences[sequence].length + s->pending[sequence]++;
		if (batch->positions && batch->positions[i] != expected)
			return elm_error_set(
				error, ELM_ERR_ARGUMENT,
				"row %u: position %u of sequence %u does not continue it; "
				"the next is %u",
				i, batch->positions[i], sequence, expected);
	}
	return check_wishes(s, batch, error);
}

/* Gives every sequence room for what it gains, or changes nothing. */
static elm_status make_room(elm_session *s, elm_error *error)
{
	uint64_t cost = 0, most = elm__cache_blocks(s->options.max_length) * ELM__KV_BLOCK;

	for (uint32_t i = 0; i < s->options.max_sequences; i++) {
		uint64_t length = (uint64_t)s->cache.sequences[i].length + s->pending[i];

		if (length > most)
			return elm_error_set(
				error, ELM_ERR_FULL,
				"sequence %u would hold %llu tokens; the context is %u", i,
				(unsigned long long)length, s->options.max_length);
		cost += elm__cache_cost(&s->cache, i, s->pending[i]);
	}
	if (cost > elm__cache_available(&s->cache))
		return elm_error_set(
			error, ELM_ERR_FULL,
			"the KV cache is full: %llu blocks of %d tokens are needed, %u are "
			"free",
			(unsigned long long)cost, ELM__KV_BLOCK, elm__cache_available(&s->cache));
	for (uint32_t i = 0; i < s->options.max_sequences; i++)
		elm__cache_append(&s->cache, i, s->pending[i]);
	return ELM_OK;
}

static bool cancelled(const elm_session *s)
{
	return s->cancel && *s->cancel;
}

/* Takes back the rows from `first` on, which were not computed. */
static void take_back(elm_session *s, const elm_batch *batch, uint32_t first)
{
	memset(s->pending, 0, s->options.max_sequences * sizeof(*s->pending));
	for (uint32_t i = first; i < batch->rows; i++)
		s->pending[sequence_of(batch, i)]++;
	for (uint32_t i = 0; i < s->options.max_sequences; i++)
		elm__cache_truncate(&s->cache, i, s->cache.sequences[i].length - s->pending[i]);
}

/* Computes rows [first, first + n), which fit in one pass. */
static void run_pass(elm_session *s, const elm_batch *batch, uint32_t first, uint32_t n)
{
	const elm__hparams *hp = &s->model->hparams;
	uint32_t logits = 0, states = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t sequence = sequence_of(batch, first + i);
		elm__sequence *q = &s->cache.sequences[sequence];

		/* pending[] counts down, so that each row knows its place from the end. */
		s->rows[i] = (elm__row){
			.token = batch->tokens[first + i],
			.position = q->length - s->pending[sequence]--,
			.sequence = sequence,
			.logits = wants_logits(batch, first + i),
			.state = wants_state(batch, first + i),
			.blocks = q->blocks,
		};
		logits += s->rows[i].logits;
		states += s->rows[i].state;
	}
	elm__forward_run(s->forward, s->rows, n, s->logits + (size_t)s->n_logits * hp->vocabulary,
			 states ? s->states + (size_t)s->n_states * hp->width : NULL);
	s->n_logits += logits;
	s->n_states += states;
}

elm_status elm_session_step(elm_session *s, const elm_batch *batch, elm_error *error)
{
	elm_status status = check_rows(s, batch, error);

	if (status == ELM_OK)
		status = make_room(s, error);
	if (status != ELM_OK)
		return status;
	s->n_logits = s->n_states = 0;
	for (uint32_t first = 0; first < batch->rows; first += s->options.batch) {
		uint32_t n = batch->rows - first;

		if (cancelled(s)) {
			take_back(s, batch, first);
			return elm_error_set(error, ELM_ERR_CANCELLED,
					     "cancelled after %u of %u tokens", first, batch->rows);
		}
		run_pass(s, batch, first, n < s->options.batch ? n : s->options.batch);
	}
	return ELM_OK;
}

float *elm_session_logits(elm_session *s, uint32_t index)
{
	return index < s->n_logits ? s->logits + (size_t)index * s->model->hparams.vocabulary :
				     NULL;
}

const float *elm_session_state(const elm_session *s, uint32_t index)
{
	return index < s->n_states ? s->states + (size_t)index * s->model->hparams.width : NULL;
}

void elm_session_set_cancel(elm_session *s, const volatile int *flag)
{
	s->cancel = flag;
}

/* --- sequences --- */

uint32_t elm_session_length(const elm_session *s, uint32_t sequence)
{
	return sequence < s->options.max_sequences ? s->cache.sequences[sequence].length : 0;
}

void elm_session_truncate(elm_session *s, uint32_t sequence, uint32_t length)
{
	if (sequence < s->options.max_sequences)
		elm__cache_truncate(&s->cache, sequence, length);
}

elm_status elm_session_fork(elm_session *s, uint32_t from, uint32_t to, uint32_t length,
			    elm_error *error)
{
	if (from >= s->options.max_sequences || to >= s->options.max_sequences || from == to)
		return elm_error_set(
			error, ELM_ERR_ARGUMENT,
			"cannot fork sequence %u into %u: both must be below %u and differ", from,
			to, s->options.max_sequences);
	if (length > s->cache.sequences[from].length)
		return elm_error_set(error, ELM_ERR_ARGUMENT, "sequence %u holds %u tokens, not %u",
				     from, s->cache.sequences[from].length, length);
	if (!elm__cache_fork(&s->cache, from, to, length))
		return elm_error_set(error, ELM_ERR_FULL, "the KV cache is full");
	return ELM_OK;
}

uint32_t elm_session_free_tokens(const elm_session *s)
{
	return elm__cache_available(&s->cache) * ELM__KV_BLOCK;
}
