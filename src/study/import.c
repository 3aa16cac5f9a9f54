/* import.c: the pool of candidates, and drawing from it. */
#include "study/import.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"

typedef elm_status reader(elm__pool *pool, const char *name, const char *text, size_t length,
			  elm_error *error);

static const struct {
	const char *name;
	elm__category category;
	reader *read;
	bool lower;    /* queries are in lower case */
	bool last_end; /* the last line has an end, too */
} sources[ELM__IMPORT_COUNT] = {
	[ELM__IMPORT_WIKIQA] = { "wikiqa", ELM__CATEGORY_SIMPLE, elm__import_wikiqa, true },
	[ELM__IMPORT_SQUAD] = { "squad", ELM__CATEGORY_COMPLEX, elm__import_squad, true },
	[ELM__IMPORT_QUAC] = { "quac", ELM__CATEGORY_CONTEXTUAL, elm__import_quac, true },
	[ELM__IMPORT_FRIENDS] = { "friends", ELM__CATEGORY_CONVERSATIONAL, elm__import_friends },
	[ELM__IMPORT_MULTIWOZ] = { "multiwoz", ELM__CATEGORY_TASK_ORIENTED, elm__import_multiwoz,
				   false, true },
};

const char *elm__import_name(elm__import_source source)
{
	return sources[source].name;
}

elm__category elm__import_category(elm__import_source source)
{
	return sources[source].category;
}

void elm__pool_init(elm__pool *pool, elm__import_source source)
{
	memset(pool, 0, sizeof(*pool));
	pool->source = source;
	elm__arena_init(&pool->arena, 0);
}

void elm__pool_release(elm__pool *pool)
{
	elm__free(pool->candidates);
	elm__free(pool->passages);
	elm__free(pool->topics);
	elm__arena_release(&pool->arena);
	memset(pool, 0, sizeof(*pool));
}

elm_status elm__pool_read(elm__pool *pool, const char *name, const char *text, size_t length,
			  elm_error *error)
{
	static const struct {
		const char *magic, *kind;
	} wrong[] = { { "PAR1", "a Parquet file" },
		      { "PK\3\4", "an archive" },
		      { "\x1f\x8b", "packed" } };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		size_t bytes = strlen(wrong[i].magic);

		if (length >= bytes && memcmp(text, wrong[i].magic, bytes) == 0)
			return elm_error_set(error, ELM_ERR_FORMAT,
					     "%s is %s; give the original file in plain text (see "
					     "docs/STUDY.md)",
					     name, wrong[i].kind);
	}
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		length -= 3;
	}
	return sources[pool->source].read(pool, name, text, length, error);
}

char *elm__pool_copy(elm__pool *pool, const elm__buf *text)
{
	return text->failed ? NULL :
			      elm__arena_strndup(&pool->arena, elm__buf_text(text), text->length);
}

/* Room for one more item of `size` bytes. */
static elm_status grow(void *items, size_t *room, size_t count, size_t size, elm_error *error)
{
	void **array = items, *grown;
	size_t more = *room ? *room * 2 : 64;

	if (count < *room)
		return ELM_OK;
	grown = elm__realloc_array(*array, more, size);
	if (!grown)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for %zu queries",
				     more);
	*array = grown;
	*room = more;
	return ELM_OK;
}

elm_status elm__pool_add(elm__pool *pool, const char *key, const char *text, elm_error *error)
{
	elm_status status = grow(&pool->candidates, &pool->candidate_room, pool->candidate_count,
				 sizeof(*pool->candidates), error);

	if (status != ELM_OK)
		return status;
	if (!key || !text)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a query");
	if (!text[0] || !text[1]) /* as everywhere: no query */
		return ELM_OK;
	pool->candidates[pool->candidate_count] = (elm__candidate){
		.key = key,
		.text = text,
		.passage = pool->passage_count ? pool->passage_count - 1 : 0,
		.order = pool->candidate_count,
	};
	pool->candidate_count++;
	return ELM_OK;
}

elm_status elm__pool_add_topic(elm__pool *pool, elm_error *error)
{
	elm_status status = grow(&pool->topics, &pool->topic_room, pool->topic_count,
				 sizeof(*pool->topics), error);

	if (status == ELM_OK)
		pool->topics[pool->topic_count++] = (elm__topic){ 0 };
	return status;
}

elm_status elm__pool_add_passage(elm__pool *pool, elm_error *error)
{
	elm_status status = grow(&pool->passages, &pool->passage_room, pool->passage_count,
				 sizeof(*pool->passages), error);

	if (status == ELM_OK)
		pool->passages[pool->passage_count++] =
			(elm__passage){ .topic = pool->topic_count - 1 };
	return status;
}

static int by_key(const void *a, const void *b)
{
	const elm__candidate *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	return order ? order : (x->order > y->order) - (x->order < y->order);
}

static int by_order(const void *a, const void *b)
{
	const elm__candidate *x = a, *y = b;

	return (x->order > y->order) - (x->order < y->order);
}

/* Which candidates belong to which passage, and passages to which topic. */
static void index_pool(elm__pool *pool)
{
	for (size_t i = 0; i < pool->passage_count; i++)
		pool->passages[i].first = pool->passages[i].count = 0;
	for (size_t i = 0; i < pool->topic_count; i++)
		pool->topics[i] = (elm__topic){ 0 };
	for (size_t i = 0; pool->passage_count && i < pool->candidate_count; i++) {
		elm__passage *passage = &pool->passages[pool->candidates[i].passage];

		passage->first = passage->count ? passage->first : i;
		passage->count++;
	}
	for (size_t i = 0; i < pool->passage_count; i++) {
		elm__topic *topic = &pool->topics[pool->passages[i].topic];

		topic->first = topic->count ? topic->first : i;
		topic->count++;
	}
}

static bool is_refused(const elm__pool *pool, const elm__candidate *candidate)
{
	return pool->passage_count && pool->passages[candidate->passage].refused;
}

size_t elm__pool_unique(elm__pool *pool)
{
	size_t kept = 0;

	if (!pool->candidate_count)
		return 0;
	qsort(pool->candidates, pool->candidate_count, sizeof(*pool->candidates), by_key);
	for (size_t i = 0; i < pool->candidate_count; i++)
		if (!is_refused(pool, &pool->candidates[i]) &&
		    (!kept || strcmp(pool->candidates[i].key, pool->candidates[kept - 1].key) != 0))
			pool->candidates[kept++] = pool->candidates[i];
	pool->candidate_count = kept;
	qsort(pool->candidates, kept, sizeof(*pool->candidates), by_order);
	index_pool(pool);
	return kept;
}

static size_t random_below(elm__random *random, size_t bound)
{
	return (size_t)(elm__random_unit(random) * (double)bound);
}

/* A topic, a passage of it, a question about it, each with the same chance as its neighbours; as
 * often as it takes to find one that is not taken. SIZE_MAX: it took too long. */
static size_t draw_by_topic(const elm__pool *pool, const bool *taken, elm__random *random)
{
	for (int attempt = 0; attempt < 10000; attempt++) {
		const elm__topic *topic = &pool->topics[random_below(random, pool->topic_count)];
		const elm__passage *passage;
		size_t chosen;

		if (!topic->count)
			continue;
		passage = &pool->passages[topic->first + random_below(random, topic->count)];
		if (!passage->count)
			continue;
		chosen = passage->first + random_below(random, passage->count);
		if (!taken[chosen])
			return chosen;
	}
	return SIZE_MAX;
}

/* One of those that are left, `left` in number, each with the same chance. */
static size_t draw_evenly(const bool *taken, size_t left, elm__random *random)
{
	size_t skip = random_below(random, left), at = 0;

	for (;; at++)
		if (!taken[at] && skip-- == 0)
			return at;
}

/* Appends a query as the file has it. */
static void put_query(const elm__pool *pool, const elm__candidate *candidate, elm__buf *line,
		      elm__buf *out)
{
	const char *context =
		pool->passage_count ? pool->passages[candidate->passage].context : NULL;

	elm__buf_clear(line);
	if (context)
		elm__buf_printf(line, "::CONTEXT:: %s ::question:: %s ", context, candidate->text);
	else
		elm__buf_puts(line, candidate->text);
	if (sources[pool->source].lower)
		elm__text_lower(line);
	elm__text_one_line(line);
	out->failed |= line->failed;
	elm__buf_append(out, elm__buf_text(line), line->length);
}

elm_status elm__pool_draw(const elm__pool *pool, size_t count, uint64_t seed, elm__buf *out,
			  elm_error *error)
{
	size_t all = pool->candidate_count;
	bool *taken = elm__calloc(all + 1, sizeof(*taken));
	elm__buf line = ELM__BUF_INIT;
	elm__random random;

	if (!taken)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for %zu queries",
				     all);
	if (count > all || !all) {
		elm__free(taken);
		return elm_error_set(error, ELM_ERR_LIMIT,
				     "there are %zu different queries for %s in it, %zu are "
				     "wanted; give more files, or ask for fewer with -n",
				     all, elm__category_name(sources[pool->source].category),
				     count);
	}
	elm__random_seed(&random, seed);
	for (size_t i = 0; i < (count ? count : all); i++) {
		size_t chosen = i;

		if (count) {
			chosen = pool->topic_count ? draw_by_topic(pool, taken, &random) : SIZE_MAX;
			if (chosen == SIZE_MAX)
				chosen = draw_evenly(taken, all - i, &random);
			taken[chosen] = true;
		}
		if (i)
			elm__buf_putc(out, '\n');
		put_query(pool, &pool->candidates[chosen], &line, out);
	}
	if (sources[pool->source].last_end)
		elm__buf_putc(out, '\n');
	elm__buf_release(&line);
	elm__free(taken);
	return elm__buf_status(out, error);
}
