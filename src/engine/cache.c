#include "engine/cache.h"

#include <string.h>

#include "base/pages.h"

elm_status elm__cache_init(elm__cache *cache, const elm__kv *kv, uint32_t max_sequences,
			   elm__arena *arena, elm_error *error)
{
	memset(cache, 0, sizeof(*cache));
	cache->kv = *kv;
	cache->max_sequences = max_sequences;
	cache->sequences = elm__arena_calloc(arena, max_sequences, sizeof(elm__sequence));
	cache->free = elm__arena_calloc(arena, kv->blocks, sizeof(uint32_t));
	cache->owners = elm__arena_calloc(arena, kv->blocks, sizeof(uint32_t));
	if (!cache->sequences || !cache->free || !cache->owners ||
	    !elm__prefix_init(&cache->prefix, kv->blocks, arena))
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
	uint32_t block;

	if (cache->n_free) {
		block = cache->free[--cache->n_free];
	} else {
		block = elm__prefix_evict(&cache->prefix);
		cache->evictions++;
	}
	cache->owners[block] = 1;
	return block;
}

static void drop(elm__cache *cache, uint32_t block)
{
	if (--cache->owners[block])
		return;
	if (elm__prefix_kept(&cache->prefix, block))
		elm__prefix_rest(&cache->prefix, block);
	else
		cache->free[cache->n_free++] = block;
}

/* Becomes an owner of a kept block. */
static void join(elm__cache *cache, uint32_t block)
{
	if (!cache->owners[block]++)
		elm__prefix_wake(&cache->prefix, block);
}

/* True when the block that the next token goes to exists and belongs to others as well, or may be
 * found by them. */
static bool shares_last(const elm__cache *cache, const elm__sequence *s)
{
	uint32_t block;

	if (s->length % ELM__KV_BLOCK == 0)
		return false;
	block = s->blocks[s->length / ELM__KV_BLOCK];
	return cache->owners[block] > 1 || elm__prefix_kept(&cache->prefix, block);
}

uint32_t elm__cache_cost(const elm__cache *cache, uint32_t sequence, uint32_t tokens)
{
	const elm__sequence *s = &cache->sequences[sequence];

	if (!tokens)
		return 0;
	return elm__cache_blocks(s->length + tokens) - elm__cache_blocks(s->length) +
	       shares_last(cache, s);
}

static void copy_block(elm__cache *cache, uint32_t from, uint32_t to)
{
	size_t stride = cache->kv.block_stride;

	memcpy(cache->kv.base + to * stride, cache->kv.base + from * stride, stride);
}

void elm__cache_append(elm__cache *cache, uint32_t sequence, uint32_t tokens)
{
	elm__sequence *s = &cache->sequences[sequence];
	uint32_t have = elm__cache_blocks(s->length);

	if (!tokens)
		return;
	if (shares_last(cache, s)) {
		uint32_t *last = &s->blocks[s->length / ELM__KV_BLOCK], own = take(cache);

		copy_block(cache, *last, own);
		drop(cache, *last);
		*last = own;
	}
	s->length += tokens;
	for (; have < elm__cache_blocks(s->length); have++)
		s->blocks[have] = take(cache);
}

void elm__cache_truncate(elm__cache *cache, uint32_t sequence, uint32_t length)
{
	elm__sequence *s = &cache->sequences[sequence];

	if (length >= s->length)
		return;
	/* From the last on, so that it is the oldest of those that become idle. */
	for (uint32_t i = elm__cache_blocks(s->length); i > elm__cache_blocks(length); i--)
		drop(cache, s->blocks[i - 1]);
	s->length = length;
	if (s->kept > length / ELM__KV_BLOCK)
		s->kept = length / ELM__KV_BLOCK;
}

bool elm__cache_fork(elm__cache *cache, uint32_t from, uint32_t to, uint32_t length)
{
	elm__sequence *source = &cache->sequences[from], *target = &cache->sequences[to];
	uint32_t whole = length / ELM__KV_BLOCK;

	elm__cache_truncate(cache, to, 0);
	if (length % ELM__KV_BLOCK && !elm__cache_available(cache))
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
	target->kept = source->kept < whole ? source->kept : whole;
	return true;
}

/* --- computed texts, found again --- */

/* The block before number `index` of a sequence. */
static uint32_t before(const elm__sequence *s, uint32_t index)
{
	return index ? s->blocks[index - 1] : ELM__NO_BLOCK;
}

void elm__cache_keep(elm__cache *cache, uint32_t sequence, uint64_t scope, const elm_token *tokens)
{
	elm__sequence *s = &cache->sequences[sequence];

	for (; s->kept < s->length / ELM__KV_BLOCK; s->kept++) {
		const elm_token *own = tokens + (size_t)s->kept * ELM__KV_BLOCK;
		uint32_t *block = &s->blocks[s->kept];
		uint32_t like = elm__prefix_find(&cache->prefix, scope, before(s, s->kept), own);

		if (like == ELM__NO_BLOCK) {
			elm__prefix_keep(&cache->prefix, *block, scope, before(s, s->kept), own);
		} else {
			join(cache, like);
			drop(cache, *block);
			*block = like;
		}
	}
}

/* Gives a sequence a copy of a kept block without its last token. False when there is no room. */
static bool copy_kept(elm__cache *cache, elm__sequence *s, uint32_t kept)
{
	uint32_t own;

	join(cache, kept); /* so that it is not evicted for its own copy */
	if (!elm__cache_available(cache)) {
		drop(cache, kept);
		return false;
	}
	own = take(cache);
	copy_block(cache, kept, own);
	drop(cache, kept);
	s->blocks[s->length / ELM__KV_BLOCK] = own;
	s->length += ELM__KV_BLOCK - 1;
	return true;
}

void elm__cache_extend(elm__cache *cache, uint32_t sequence, uint64_t scope,
		       const elm_token *tokens, uint32_t count)
{
	elm__sequence *s = &cache->sequences[sequence];

	if (s->length != s->kept * ELM__KV_BLOCK)
		return;
	while (s->length + ELM__KV_BLOCK <= count) {
		uint32_t found = elm__prefix_find(&cache->prefix, scope, before(s, s->kept),
						  tokens + s->length);

		if (found == ELM__NO_BLOCK)
			return;
		if (s->length + ELM__KV_BLOCK == count) {
			(void)copy_kept(cache, s, found);
			return;
		}
		join(cache, found);
		s->blocks[s->kept++] = found;
		s->length += ELM__KV_BLOCK;
	}
}

bool elm__cache_adopt(elm__cache *cache, uint32_t sequence, uint64_t scope, const elm_token *tokens,
		      elm__cache_fill *fill, void *user)
{
	elm__sequence *s = &cache->sequences[sequence];
	uint32_t block = take(cache);

	if (!fill(user, cache->kv.base + block * cache->kv.block_stride)) {
		drop(cache, block);
		return false;
	}
	elm__prefix_keep(&cache->prefix, block, scope, before(s, s->kept), tokens + s->length);
	cache->prefix.entries[block].saved = true;
	s->blocks[s->kept++] = block;
	s->length += ELM__KV_BLOCK;
	return true;
}

uint32_t elm__cache_peek(const elm__cache *cache, uint64_t scope, const elm_token *tokens,
			 uint32_t count, uint32_t *idle)
{
	uint32_t last = ELM__NO_BLOCK, found = 0;

	*idle = 0;
	while ((found + 1) * ELM__KV_BLOCK <= count) {
		last = elm__prefix_find(&cache->prefix, scope, last,
					tokens + (size_t)found * ELM__KV_BLOCK);
		if (last == ELM__NO_BLOCK)
			break;
		*idle += cache->prefix.entries[last].idle;
		found++;
	}
	return found;
}

void elm__cache_shrink(elm__cache *cache)
{
	while (cache->prefix.n_idle) {
		cache->free[cache->n_free++] = elm__prefix_evict(&cache->prefix);
		cache->evictions++;
	}
	for (uint32_t i = 0; i < cache->n_free; i++)
		elm__pages_forget(cache->kv.base + cache->free[i] * cache->kv.block_stride,
				  cache->kv.block_stride);
}
