/* restore.c: prompts that were computed before a restart, see prompt_store.h. */
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "engine/scheduler.h"
#include "kernel/kv.h"
#include "model/core.h"
#include "model/engine_file.h"
#include "model/rope.h"

/* How long those who are being answered wait for reading, before a step. */
enum { PATIENCE_NS = 5000000 };

static const uint64_t default_size = (uint64_t)4 << 30, default_daily = (uint64_t)8 << 30;

/* A hash of all that the contents of a block depend on beside the text. How keys are rotated may
 * depend on the longest context. */
static uint64_t hash_of_model(const elm_scheduler *s)
{
	const elm_model *model = s->model;
	const elm__kv *kv = &s->cache->kv;
	uint32_t longest = elm__cache_blocks(s->options.session.max_length) * ELM__KV_BLOCK;
	uint64_t parts[4] = { ELM__KV_LAYOUT, (uint64_t)kv->type, kv->block_stride,
			      elm__engine_key(model->gguf) };
	uint64_t hash = elm__hash64(parts, sizeof(parts), 0);
	elm__rope rope;

	elm__rope_init(&rope, &model->hparams, &model->weights, longest);
	for (int kind = 0; kind < ELM__ROPE_KINDS; kind++)
		hash = elm__hash64(rope.frequency[kind], rope.pairs * sizeof(double), hash);
	return elm__hash64(rope.magnitude, sizeof(rope.magnitude), hash);
}

elm_status elm__restore_open(elm_scheduler *s, elm_error *error)
{
	elm_scheduler_options *o = &s->options;
	elm__prompt_store_options options = { .folder = o->prompt_cache };

	if (!o->prompt_cache || o->no_prefix_cache)
		return ELM_OK;
	if (!o->prompt_cache_size)
		o->prompt_cache_size = default_size;
	if (!o->prompt_cache_daily)
		o->prompt_cache_daily = default_daily;
	options.limit = o->prompt_cache_size;
	options.daily = o->prompt_cache_daily;
	options.model = hash_of_model(s);
	options.block_bytes = s->cache->kv.block_stride;
	return elm__prompt_store_open(&options, &s->store, error);
}

typedef struct source {
	elm__prompt_store *store;
	elm__prompt_part part;
} source;

static bool read_block(void *user, void *block)
{
	const source *from = user;

	return elm__prompt_store_get(from->store, &from->part, block);
}

/* Block by block, until `until_ns`. True when there is more. */
static bool read_text(elm_scheduler *s, elm__request *r, uint64_t until_ns)
{
	source from = { s->store, { r->what.cache_scope, r->tokens, 0 } };
	uint32_t reusable = elm__request_reusable(r);

	for (;;) {
		uint32_t length;

		elm__cache_extend(s->cache, r->sequence, r->what.cache_scope, r->tokens, reusable);
		length = elm_session_length(s->session, r->sequence);
		/* At least one token is left to be computed. */
		if (length % ELM__KV_BLOCK || length + ELM__KV_BLOCK >= reusable ||
		    !elm__cache_available(s->cache))
			return false;
		from.part.count = length + ELM__KV_BLOCK;
		if (!elm__prompt_store_has(s->store, &from.part))
			return false;
		if (elm__now_ns() >= until_ns)
			return true;
		if (!elm__cache_adopt(s->cache, r->sequence, r->what.cache_scope, r->tokens,
				      read_block, &from))
			return false;
	}
}

void elm__restore_read(elm_scheduler *s)
{
	uint64_t until = UINT64_MAX;

	for (uint32_t i = 0; i < s->n_running; i++) {
		const elm__request *r = s->running[i];

		if (r->count - elm_session_length(s->session, r->sequence) == 1)
			until = elm__now_ns() + PATIENCE_NS;
	}
	for (uint32_t i = 0; i < s->n_running; i++) {
		elm__request *r = s->running[i];
		uint32_t from = elm_session_length(s->session, r->sequence);

		r->restoring = false;
		if (r->count - from == 1 || r->what.not_on_disk)
			continue;
		r->restoring = read_text(s, r, until);
		elm__batch_found(s, r, from);
	}
}

void elm__restore_save(elm_scheduler *s, elm__request *r)
{
	const elm__sequence *sequence = &s->cache->sequences[r->sequence];
	uint32_t blocks = (uint32_t)r->stats.prompt_count / ELM__KV_BLOCK;

	if (!s->store || r->what.not_on_disk)
		return;
	for (; r->saved < blocks && r->saved < sequence->kept; r->saved++) {
		elm__prefix_entry *e = &s->cache->prefix.entries[sequence->blocks[r->saved]];
		elm__prompt_part part = { r->what.cache_scope, r->tokens,
					  (r->saved + 1) * ELM__KV_BLOCK };
		const char *block =
			s->cache->kv.base + sequence->blocks[r->saved] * s->cache->kv.block_stride;

		if (e->saved)
			continue;
		if (!elm__prompt_store_put(s->store, &part, block))
			return;
		e->saved = true;
	}
}
