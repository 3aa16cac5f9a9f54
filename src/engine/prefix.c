#include "engine/prefix.h"

#include <string.h>

#include "base/hash.h"

enum { KEY_BYTES = ELM__KV_BLOCK * sizeof(elm_token) };

bool elm__prefix_init(elm__prefix *prefix, uint32_t blocks, elm__arena *arena)
{
	uint32_t buckets = 1;

	while (buckets < blocks)
		buckets *= 2;
	memset(prefix, 0, sizeof(*prefix));
	prefix->entries = elm__arena_calloc(arena, blocks, sizeof(elm__prefix_entry));
	prefix->buckets = elm__arena_calloc(arena, buckets, sizeof(uint32_t));
	if (!prefix->entries || !prefix->buckets)
		return false;
	prefix->mask = buckets - 1;
	for (uint32_t i = 0; i < buckets; i++)
		prefix->buckets[i] = ELM__NO_BLOCK;
	prefix->oldest = prefix->newest = ELM__NO_BLOCK;
	return true;
}

static uint32_t *bucket_of(const elm__prefix *prefix, uint64_t scope, uint32_t before,
			   const elm_token *tokens)
{
	uint64_t place[2] = { scope, before };
	uint64_t hash = elm__hash64(tokens, KEY_BYTES, elm__hash64(place, sizeof(place), 0));

	return &prefix->buckets[hash & prefix->mask];
}

uint32_t elm__prefix_find(const elm__prefix *prefix, uint64_t scope, uint32_t before,
			  const elm_token *tokens)
{
	uint32_t block = *bucket_of(prefix, scope, before, tokens);

	while (block != ELM__NO_BLOCK) {
		const elm__prefix_entry *e = &prefix->entries[block];

		if (e->before == before && e->scope == scope &&
		    !memcmp(e->tokens, tokens, KEY_BYTES))
			break;
		block = e->next;
	}
	return block;
}

void elm__prefix_keep(elm__prefix *prefix, uint32_t block, uint64_t scope, uint32_t before,
		      const elm_token *tokens)
{
	elm__prefix_entry *e = &prefix->entries[block];
	uint32_t *bucket = bucket_of(prefix, scope, before, tokens);

	e->kept = true;
	e->saved = false;
	e->before = before;
	e->scope = scope;
	memcpy(e->tokens, tokens, KEY_BYTES);
	e->next = *bucket;
	*bucket = block;
}

void elm__prefix_rest(elm__prefix *prefix, uint32_t block)
{
	elm__prefix_entry *e = &prefix->entries[block];

	e->idle = true;
	e->older = prefix->newest;
	e->newer = ELM__NO_BLOCK;
	if (prefix->newest != ELM__NO_BLOCK)
		prefix->entries[prefix->newest].newer = block;
	else
		prefix->oldest = block;
	prefix->newest = block;
	prefix->n_idle++;
}

void elm__prefix_wake(elm__prefix *prefix, uint32_t block)
{
	elm__prefix_entry *e = &prefix->entries[block];

	if (e->older != ELM__NO_BLOCK)
		prefix->entries[e->older].newer = e->newer;
	else
		prefix->oldest = e->newer;
	if (e->newer != ELM__NO_BLOCK)
		prefix->entries[e->newer].older = e->older;
	else
		prefix->newest = e->older;
	e->idle = false;
	prefix->n_idle--;
}

uint32_t elm__prefix_evict(elm__prefix *prefix)
{
	uint32_t block = prefix->oldest, *link;
	elm__prefix_entry *e = &prefix->entries[block];

	elm__prefix_wake(prefix, block);
	link = bucket_of(prefix, e->scope, e->before, e->tokens);
	while (*link != block)
		link = &prefix->entries[*link].next;
	*link = e->next;
	e->kept = false;
	return block;
}
