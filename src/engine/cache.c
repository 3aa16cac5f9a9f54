#include "engine/cache.h"

#include <string.h>

#include "kernel/kernel.h"

static uint32_t blocks_for(uint32_t tokens)
{
	return tokens / ELM__KV_BLOCK + (tokens % ELM__KV_BLOCK != 0);
}

elm_status elm__cache_init(elm__cache *cache, const elm__kv *kv, uint32_t max_sequences,
			   elm__arena *arena, elm_error *error)
{
	memset(cache, 0, sizeof(*cache));
	cache->kv = *kv;
	cache->max_sequences = max_sequences;
	cache->sequences = elm__arena_calloc(arena, max_sequences, sizeof(elm__sequence));
	cache->free = elm__arena_calloc(arena, kv->blocks, sizeof(uint32_t));
	cache->owners = elm__arena_calloc(arena, kv->blocks, sizeof(uint32_t));
	if (!cache->sequences || !cache->free || !cache->owners)
		goto no_memory;
	for (uint32_t i = 0; i < max_sequences; i++) {
		cache->sequences[i].blocks = elm__arena_calloc(arena, kv->blocks, sizeof(uint32_t));
		if (!cache->sequences[i].blocks)
			goto no_memory;
	}
	while (cache->n_free < kv->blocks) {
		cache->free[cache->n_free] = kv->blocks - 1 - cache->n_free;
		cache->n_free++;
	}
	return ELM_OK;
no_memory:
	return elm_error_set(error, ELM_ERR_NO_MEMORY,
			     "out of memory for the tables of %u sequences; ask for fewer",
			     max_sequences);
}

static uint32_t take(elm__cache *cache)
{
	uint32_t block = cache->free[--cache->n_free];

	cache->owners[block] = 1;
	return block;
}

static void drop(elm__cache *cache, uint32_t block)
{
	if (--cache->owners[block] == 0)
		cache->free[cache->n_free++] = block;
}

/* True when the block that the next token goes to exists and belongs to others as well. */
static bool shares_last(const elm__cache *cache, const elm__sequence *s)
{
	return s->length % ELM__KV_BLOCK && cache->owners[s->blocks[s->length / ELM__KV_BLOCK]] > 1;
}

uint32_t elm__cache_cost(const elm__cache *cache, uint32_t sequence, uint32_t tokens)
{
	const elm__sequence *s = &cache->sequences[sequence];

	if (!tokens)
		return 0;
	return blocks_for(s->length + tokens) - blocks_for(s->length) + shares_last(cache, s);
}

static void copy_block(elm__cache *cache, uint32_t from, uint32_t to)
{
	size_t stride = cache->kv.block_stride;

	memcpy(cache->kv.base + to * stride, cache->kv.base + from * stride, stride);
}

void elm__cache_append(elm__cache *cache, uint32_t sequence, uint32_t tokens)
{
	elm__sequence *s = &cache->sequences[sequence];
	uint32_t have = blocks_for(s->length);

	if (!tokens)
		return;
	if (shares_last(cache, s)) {
		uint32_t *last = &s->blocks[s->length / ELM__KV_BLOCK], own = take(cache);

		copy_block(cache, *last, own);
		drop(cache, *last);
		*last = own;
	}
	s->length += tokens;
	for (; have < blocks_for(s->length); have++)
		s->blocks[have] = take(cache);
}

void elm__cache_truncate(elm__cache *cache, uint32_t sequence, uint32_t length)
{
	elm__sequence *s = &cache->sequences[sequence];

	if (length >= s->length)
		return;
	for (uint32_t i = blocks_for(length); i < blocks_for(s->length); i++)
		drop(cache, s->blocks[i]);
	s->length = length;
}

bool elm__cache_fork(elm__cache *cache, uint32_t from, uint32_t to, uint32_t length)
{
	elm__sequence *source = &cache->sequences[from], *target = &cache->sequences[to];
	uint32_t whole = length / ELM__KV_BLOCK;

	elm__cache_truncate(cache, to, 0);
	if (length % ELM__KV_BLOCK && !cache->n_free)
		return false;
	for (uint32_t i = 0; i < whole; i++) {
		target->blocks[i] = source->blocks[i];
		cache->owners[target->blocks[i]]++;
	}
	if (length % ELM__KV_BLOCK) {
		target->blocks[whole] = take(cache);
		copy_block(cache, source->blocks[whole], target->blocks[whole]);
	}
	target->length = length;
	return true;
}
