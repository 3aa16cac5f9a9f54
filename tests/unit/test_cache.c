/*
 * The blocks of the KV cache, against a plain account of what each sequence must hold.
 *
 * In place of keys and values, a position of a block holds a hash of the whole text up to there. So
 * whatever is shared, copied, kept, found again or evicted: reading a sequence back shows whether
 * all of it was computed from its own text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/random.h"
#include "engine/cache.h"
#include "support.h"

enum { SEQUENCES = 6, BLOCKS = 40, LENGTH = 360, SCOPES = 2 };

typedef struct text {
	elm_token tokens[LENGTH];
	uint32_t count;
	uint64_t scope;
} text;

typedef struct world {
	elm__arena arena;
	elm__cache cache;
	uint64_t memory[BLOCKS][ELM__KV_BLOCK];
	text texts[SEQUENCES]; /* what each sequence holds, and what comes next */
	elm__random random;
} world;

static uint32_t below(world *w, uint32_t n)
{
	return (uint32_t)(elm__random_unit(&w->random) * n);
}

static void make_world(world *w, uint64_t seed)
{
	elm__kv kv = { .base = (char *)w->memory,
		       .blocks = BLOCKS,
		       .block_stride = sizeof(w->memory[0]) };

	elm__random_seed(&w->random, seed);
	elm__arena_init(&w->arena, 0);
	assert_int_equal(elm__cache_init(&w->cache, &kv, SEQUENCES, &w->arena, NULL), ELM_OK);
}

static uint64_t hash_of(const text *t, uint32_t position)
{
	return elm__hash64(t->tokens, (position + 1) * sizeof(elm_token), t->scope);
}

static uint64_t *place(world *w, uint32_t sequence, uint32_t position)
{
	uint32_t block = w->cache.sequences[sequence].blocks[position / ELM__KV_BLOCK];

	return &w->memory[block][position % ELM__KV_BLOCK];
}

/* A text that begins like many others: few tokens differ. */
static void new_text(world *w, text *t)
{
	t->count = 1 + below(w, 250);
	t->scope = below(w, SCOPES);
	for (uint32_t i = 0; i < t->count; i++)
		t->tokens[i] = below(w, 50) ? 7 : (elm_token)below(w, 3);
}

/* Computes up to n more tokens of a text, if there is room. */
static void compute(world *w, uint32_t sequence, uint32_t n)
{
	elm__sequence *s = &w->cache.sequences[sequence];
	text *t = &w->texts[sequence];
	uint32_t from = s->length;

	if (n > t->count - from)
		n = t->count - from;
	if (elm__cache_cost(&w->cache, sequence, n) > elm__cache_available(&w->cache))
		return;
	elm__cache_append(&w->cache, sequence, n);
	assert_int_equal(s->length, from + n);
	for (uint32_t i = from; i < s->length; i++)
		*place(w, sequence, i) = hash_of(t, i);
}

/* Every sequence holds its text, and every block is counted once. */
static void check(world *w)
{
	uint32_t owners[BLOCKS] = { 0 }, idle = 0, used = 0;

	for (uint32_t q = 0; q < SEQUENCES; q++) {
		const elm__sequence *s = &w->cache.sequences[q];

		assert_true(s->kept <= s->length / ELM__KV_BLOCK);
		for (uint32_t i = 0; i < s->length; i++)
			assert_true(*place(w, q, i) == hash_of(&w->texts[q], i));
		for (uint32_t i = 0; i < elm__cache_blocks(s->length); i++)
			owners[s->blocks[i]]++;
		for (uint32_t i = 0; i < s->kept; i++)
			assert_true(elm__prefix_kept(&w->cache.prefix, s->blocks[i]));
	}
	for (uint32_t b = 0; b < BLOCKS; b++) {
		const elm__prefix_entry *e = &w->cache.prefix.entries[b];

		assert_int_equal(owners[b], w->cache.owners[b]);
		assert_int_equal(e->idle, e->kept && !owners[b]);
		if (e->kept && e->before != ELM__NO_BLOCK)
			assert_true(w->cache.prefix.entries[e->before].kept);
		idle += e->idle;
		used += owners[b] > 0;
	}
	assert_int_equal(idle, w->cache.prefix.n_idle);
	assert_int_equal(w->cache.n_free + idle + used, BLOCKS);
}

static void act(world *w)
{
	uint32_t q = below(w, SEQUENCES), other = below(w, SEQUENCES), idle;
	elm__sequence *s = &w->cache.sequences[q];
	text *t = &w->texts[q];

	switch (below(w, 12)) {
	case 0: /* a new text */
		elm__cache_truncate(&w->cache, q, 0);
		new_text(w, t);
		assert_true(elm__cache_peek(&w->cache, t->scope, t->tokens, t->count, &idle) <=
			    t->count / ELM__KV_BLOCK);
		elm__cache_extend(&w->cache, q, t->scope, t->tokens, t->count);
		assert_true(s->length < t->count);
		break;
	case 1: /* back, and on in another way */
		elm__cache_truncate(&w->cache, q, below(w, s->length + 1));
		for (uint32_t i = s->length; i < t->count; i++)
			t->tokens[i] = (elm_token)below(w, 3);
		break;
	case 2:
		if (q != other && elm__cache_fork(&w->cache, q, other, below(w, s->length + 1)))
			w->texts[other] = *t;
		break;
	case 3:
	case 4:
		elm__cache_keep(&w->cache, q, t->scope, t->tokens);
		break;
	case 5:
		elm__cache_extend(&w->cache, q, t->scope, t->tokens, t->count);
		break;
	default:
		compute(w, q, 1 + below(w, 70));
		break;
	}
}

static void whatever_happens_texts_stay_whole(void **state)
{
	static world w;
	uint64_t evictions = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		memset(&w, 0, sizeof(w));
		make_world(&w, seed);
		for (int i = 0; i < 1500; i++) {
			act(&w);
			check(&w);
		}
		evictions += w.cache.evictions;
		for (uint32_t q = 0; q < SEQUENCES; q++)
			elm__cache_truncate(&w.cache, q, 0);
		check(&w);
		elm__arena_release(&w.arena);
	}
	assert_true(evictions > 1000);
}

/* A cache of its own for each of the tests below, with texts of one block per letter. */
static void set_text(world *w, uint32_t sequence, const char *letters)
{
	text *t = &w->texts[sequence];

	elm__cache_truncate(&w->cache, sequence, 0);
	t->scope = 0;
	t->count = 0;
	for (; *letters; letters++)
		for (int i = 0; i < ELM__KV_BLOCK; i++)
			t->tokens[t->count++] = *letters;
}

static uint32_t find(world *w, uint32_t sequence, const char *letters)
{
	text *t = &w->texts[sequence];

	set_text(w, sequence, letters);
	elm__cache_extend(&w->cache, sequence, 0, t->tokens, t->count);
	return w->cache.sequences[sequence].length;
}

static void compute_and_keep(world *w, const char *letters)
{
	find(w, 0, letters);
	compute(w, 0, LENGTH);
	elm__cache_keep(&w->cache, 0, 0, w->texts[0].tokens);
	elm__cache_truncate(&w->cache, 0, 0);
}

static void the_oldest_goes_first(void **state)
{
	static world w;

	(void)state;
	memset(&w, 0, sizeof(w));
	make_world(&w, 1);
	compute_and_keep(&w, "abcdefghij");
	compute_and_keep(&w, "ABCDEFGHIJ");
	compute_and_keep(&w, "0123456789");
	compute_and_keep(&w, "abcdef"); /* used again: now the newest, but for ghij */
	assert_int_equal(w.cache.n_free, 10);
	set_text(&w, 1, "!!!!!!!!!!!"); /* 11 blocks: 10 free ones and the last of the first text */
	compute(&w, 1, LENGTH);
	assert_int_equal(w.cache.evictions, 1);
	assert_int_equal(find(&w, 0, "abcdefghijk"), 9 * ELM__KV_BLOCK);
	elm__cache_truncate(&w.cache, 0, 0);
	elm__cache_truncate(&w.cache, 1, 0);
	elm__arena_release(&w.arena);
}

/* The same tokens at another place of a text, or after another one, are not the same. */
static void only_the_whole_text_is_found(void **state)
{
	static world w;

	(void)state;
	memset(&w, 0, sizeof(w));
	make_world(&w, 1);
	compute_and_keep(&w, "abc");
	assert_int_equal(find(&w, 0, "abcd"), 3 * ELM__KV_BLOCK);
	assert_int_equal(find(&w, 0, "abdc"), 2 * ELM__KV_BLOCK);
	assert_int_equal(find(&w, 0, "bc"), 0);
	assert_int_equal(find(&w, 0, "cba"), 0);
	/* of a text that is found whole the last token remains, on a block of its own */
	assert_int_equal(find(&w, 0, "abc"), 3 * ELM__KV_BLOCK - 1);
	assert_int_equal(w.cache.prefix.n_idle, 1);
	elm__cache_truncate(&w.cache, 0, 0);
	elm__arena_release(&w.arena);
}

/* No room for the copy: then the last block is computed again. */
static void a_full_cache_finds_what_it_can(void **state)
{
	static world w;
	uint32_t idle;

	(void)state;
	memset(&w, 0, sizeof(w));
	make_world(&w, 1);
	compute_and_keep(&w, "abc");
	for (uint32_t i = 1; i < SEQUENCES; i++) { /* 4 x 9 blocks and 1 */
		set_text(&w, i, i == 5 ? "0" : "012345678");
		compute(&w, i, LENGTH);
	}
	assert_int_equal(elm__cache_available(&w.cache), 3); /* abc */
	set_text(&w, 0, "abc");
	assert_int_equal(elm__cache_peek(&w.cache, 0, w.texts[0].tokens, 96, &idle), 3);
	assert_int_equal(idle, 3);
	assert_int_equal(find(&w, 0, "abc"), 2 * ELM__KV_BLOCK);
	compute(&w, 0, ELM__KV_BLOCK);
	check(&w);
	assert_int_equal(elm__cache_available(&w.cache), 0);
	for (uint32_t q = 0; q < SEQUENCES; q++)
		elm__cache_truncate(&w.cache, q, 0);
	elm__arena_release(&w.arena);
}

static void shrinking_forgets_what_is_idle(void **state)
{
	static world w;

	(void)state;
	memset(&w, 0, sizeof(w));
	make_world(&w, 1);
	compute_and_keep(&w, "abcdef");
	assert_int_equal(find(&w, 1, "abx"), 2 * ELM__KV_BLOCK);
	elm__cache_shrink(&w.cache);
	check(&w);
	assert_int_equal(w.cache.prefix.n_idle, 0);
	assert_int_equal(w.cache.evictions, 4);
	assert_int_equal(find(&w, 0, "abc"), 2 * ELM__KV_BLOCK); /* in use, so still there */
	for (uint32_t q = 0; q < SEQUENCES; q++)
		elm__cache_truncate(&w.cache, q, 0);
	elm__arena_release(&w.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_happens_texts_stay_whole),
		cmocka_unit_test(the_oldest_goes_first),
		cmocka_unit_test(only_the_whole_text_is_found),
		cmocka_unit_test(a_full_cache_finds_what_it_can),
		cmocka_unit_test(shrinking_forgets_what_is_idle),
	};

	return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
