#include "tokenizer/train.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "base/text.h"
#include "tokenizer/bytes.h"
#include "tokenizer/pairs.h"
#include "tokenizer/special.h"
#include "tokenizer/split.h"
#include "tokenizer/tables.h"

enum { BYTES = 256, SMALLEST_TABLE = 4096, MOST_WORDS = 1 << 28 };

typedef struct counted_word {
	const char *text;
	uint64_t hash;
	uint32_t length;
	uint64_t count;
	uint64_t spaced; /* of them behind a space that is not part of it; only with spaces_last */
} counted_word;

typedef struct join {
	uint32_t left, right;
} join;

struct elm__vocab_trainer {
	const elm__vocab_plan *plan;
	elm__arena arena;
	elm__splitter splitter;
	elm__split split;
	elm__specials specials;
	const char *text; /* that is being split */

	counted_word *words;
	size_t count, capacity;
	uint32_t *slots; /* of a hash table: index in `words` plus one */
	size_t mask;

	join *joins; /* symbol 256 + i is joins[i] */
	uint32_t join_count;
};

static elm_status out_of_memory(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "no memory to count the words of the text");
}

/* ---- the plan ---- */

static size_t special_count(const elm__vocab_plan *plan)
{
	return plan->control_count + plan->defined_count;
}

static const char *special_text(const elm__vocab_plan *plan, size_t i)
{
	return i < plan->control_count ? plan->control[i] : plan->defined[i - plan->control_count];
}

/* The number of the control token, or ELM_TOKEN_NONE. */
static elm_token control_token(const elm__vocab_plan *plan, const char *text)
{
	for (size_t i = 0; text && i < plan->control_count; i++)
		if (!strcmp(plan->control[i], text))
			return (elm_token)i;
	return ELM_TOKEN_NONE;
}

static elm_status check_plan(const elm__vocab_plan *plan, elm_error *error)
{
	size_t least = special_count(plan) + BYTES + plan->spaces_last;

	for (size_t i = 0; i < special_count(plan); i++) {
		const char *text = special_text(plan, i);

		if (!text[0] || strlen(text) > ELM__TRAINED_WORD)
			return elm_error_set(error, ELM_ERR_ARGUMENT,
					     "a special token must have 1 to %d bytes",
					     ELM__TRAINED_WORD);
		for (size_t j = 0; j < i; j++)
			if (!strcmp(special_text(plan, j), text))
				return elm_error_set(error, ELM_ERR_ARGUMENT,
						     "the special token \"%s\" is there twice",
						     text);
	}
	if (plan->size < least || plan->size > ELM__TRAINED_SIZE)
		return elm_error_set(
			error, ELM_ERR_ARGUMENT,
			"a vocabulary of %lu tokens cannot be made: the bytes, special "
			"tokens and joined spaces are %zu, and %d is the most",
			(unsigned long)plan->size, least, ELM__TRAINED_SIZE);
	if (plan->bos && control_token(plan, plan->bos) == ELM_TOKEN_NONE)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "BOS is \"%s\", which is none of the control tokens",
				     plan->bos);
	if (plan->eos && control_token(plan, plan->eos) == ELM_TOKEN_NONE)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "EOS is \"%s\", which is none of the control tokens",
				     plan->eos);
	return ELM_OK;
}

static elm_status index_specials(elm__vocab_trainer *t, elm_error *error)
{
	size_t count = special_count(t->plan);
	elm__special *items = elm__arena_calloc(&t->arena, count + 1, sizeof(*items));

	if (!items)
		return out_of_memory(error);
	for (size_t i = 0; i < count; i++) {
		items[i].text = special_text(t->plan, i);
		items[i].length = (uint32_t)strlen(items[i].text);
		items[i].token = (elm_token)i;
	}
	elm__specials_init(&t->specials, items, (uint32_t)count);
	return ELM_OK;
}

/* ---- counting words ---- */

static void place(elm__vocab_trainer *t, size_t index)
{
	size_t at = (size_t)t->words[index].hash & t->mask;

	while (t->slots[at])
		at = (at + 1) & t->mask;
	t->slots[at] = (uint32_t)index + 1;
}

static bool make_room(elm__vocab_trainer *t)
{
	size_t size = t->slots ? (t->mask + 1) * 2 : SMALLEST_TABLE;
	counted_word *words;
	uint32_t *slots;

	if (t->count < t->capacity)
		return true;
	words = elm__realloc_array(t->words, size / 2, sizeof(*words));
	if (!words)
		return false;
	t->words = words;
	slots = elm__calloc(size, sizeof(*slots));
	if (!slots)
		return false;
	elm__free(t->slots);
	t->slots = slots;
	t->mask = size - 1;
	t->capacity = size / 2;
	for (size_t i = 0; i < t->count; i++)
		place(t, i);
	return true;
}

static counted_word *find_word(elm__vocab_trainer *t, const char *text, size_t length,
			       elm_error *error)
{
	uint64_t hash = elm__hash_bytes(text, length);
	counted_word word = { .hash = hash, .length = (uint32_t)length };
	size_t at;

	if (t->slots)
		for (at = (size_t)hash & t->mask; t->slots[at]; at = (at + 1) & t->mask) {
			counted_word *w = &t->words[t->slots[at] - 1];

			if (w->hash == hash && w->length == length &&
			    !memcmp(w->text, text, length))
				return w;
		}
	if (t->count == MOST_WORDS) {
		elm_error_set(error, ELM_ERR_LIMIT, "the text has more than %d different words",
			      MOST_WORDS);
		return NULL;
	}
	word.text = make_room(t) ? elm__arena_strndup(&t->arena, text, length) : NULL;
	if (!word.text) {
		(void)out_of_memory(error);
		return NULL;
	}
	t->words[t->count] = word;
	place(t, t->count);
	return &t->words[t->count++];
}

static elm_status count_word(void *user, size_t begin, size_t end, elm_error *error)
{
	elm__vocab_trainer *t = user;
	const char *text = t->text + begin;
	size_t length = end - begin;
	bool spaced = t->plan->spaces_last && length > 1 && text[0] == ' ' && text[1] != ' ';
	counted_word *word;

	if (length > ELM__TRAINED_WORD)
		return ELM_OK;
	word = find_word(t, text + spaced, length - spaced, error);
	if (!word)
		return t->count == MOST_WORDS ? ELM_ERR_LIMIT : ELM_ERR_NO_MEMORY;
	word->count++;
	word->spaced += spaced;
	return ELM_OK;
}

elm_status elm__vocab_trainer_create(const elm__vocab_plan *plan, elm__vocab_trainer **out,
				     elm_error *error)
{
	elm__vocab_trainer *t;
	elm_status status;

	*out = NULL;
	status = check_plan(plan, error);
	if (status)
		return status;
	t = elm__calloc(1, sizeof(*t));
	if (!t)
		return out_of_memory(error);
	t->plan = plan;
	elm__arena_init(&t->arena, 0);
	status = elm__splitter_create(&t->splitter,
				      (elm_gguf_string){ plan->pre, strlen(plan->pre) }, error);
	if (!status)
		status = elm__split_init(&t->split, &t->splitter, error);
	if (!status)
		status = index_specials(t, error);
	t->split.word = count_word;
	t->split.user = t;
	if (status)
		elm__vocab_trainer_free(t);
	else
		*out = t;
	return status;
}

void elm__vocab_trainer_free(elm__vocab_trainer *t)
{
	if (!t)
		return;
	elm__split_release(&t->split);
	elm__splitter_release(&t->splitter);
	elm__arena_release(&t->arena);
	elm__free(t->words);
	elm__free(t->slots);
	elm__free(t->joins);
	elm__free(t);
}

elm_status elm__vocab_trainer_add(elm__vocab_trainer *t, const char *text, size_t length,
				  elm_error *error)
{
	size_t at = 0;

	while (at < length) {
		size_t start = length;
		const elm__special *special =
			elm__specials_find(&t->specials, text, length, at, &start);
		elm_status status;

		if (!special)
			start = length;
		t->text = text + at;
		status = elm__split_text(&t->split, text + at, start - at, error);
		if (status)
			return status;
		at = special ? start + special->length : length;
	}
	return ELM_OK;
}

/* ---- joining ---- */

/* The words as bytes, in the trainer's arena. */
static elm__pair_word *spell_words(elm__vocab_trainer *t)
{
	elm__pair_word *words = elm__arena_calloc(&t->arena, t->count + 1, sizeof(*words));

	for (size_t i = 0; words && i < t->count; i++) {
		const counted_word *w = &t->words[i];

		words[i].symbols = elm__arena_calloc(&t->arena, w->length, sizeof(uint32_t));
		if (!words[i].symbols)
			return NULL;
		for (uint32_t j = 0; j < w->length; j++)
			words[i].symbols[j] = (unsigned char)w->text[j];
		words[i].length = w->length;
		words[i].count = w->count;
	}
	return words;
}

static elm_status learn_joins(elm__vocab_trainer *t, elm__pair_word *words, uint32_t wanted,
			      const volatile int *cancel, elm_error *error)
{
	elm__pair_counts pairs;
	elm_status status = elm__pair_counts_init(&pairs, words, t->count, error);

	while (!status && t->join_count < wanted) {
		join *next = &t->joins[t->join_count];

		if (cancel && *cancel)
			status = elm_error_set(error, ELM_ERR_CANCELLED, "interrupted");
		else
			status = elm__pair_counts_join(&pairs, BYTES + t->join_count, &next->left,
						       &next->right, error);
		t->join_count += !status;
	}
	elm__pair_counts_release(&pairs);
	return status == ELM_ERR_NOT_FOUND ? ELM_OK : status;
}

typedef struct beginning {
	uint64_t count;
	uint32_t symbol;
} beginning;

static int more_often(const void *a, const void *b)
{
	const beginning *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return x->symbol < y->symbol ? -1 : 1;
}

/* Joins a space to the symbols that are a whole word behind a space, the most frequent first. */
static elm_status join_spaces(elm__vocab_trainer *t, const elm__pair_word *words, elm_error *error)
{
	uint32_t symbols = BYTES + t->join_count;
	beginning *list = elm__calloc(symbols, sizeof(*list));

	if (!list)
		return out_of_memory(error);
	for (uint32_t i = 0; i < symbols; i++)
		list[i].symbol = i;
	for (size_t i = 0; i < t->count; i++)
		if (words[i].length == 1)
			list[words[i].symbols[0]].count += t->words[i].spaced;
	qsort(list, symbols, sizeof(*list), more_often);
	for (uint32_t i = 0; i < t->plan->spaces_last && i < symbols && list[i].count; i++)
		t->joins[t->join_count++] = (join){ ' ', list[i].symbol };
	elm__free(list);
	return ELM_OK;
}

/* ---- writing ---- */

typedef struct vocabulary {
	elm_gguf_string *tokens, *merges;
	int32_t *kinds;
	uint32_t count;
} vocabulary;

static elm_gguf_string concatenate(elm__vocab_trainer *t, elm_gguf_string a, const char *between,
				   elm_gguf_string b)
{
	size_t gap = strlen(between);
	elm_gguf_string out = { NULL, a.length + gap + b.length };
	char *text = elm__arena_alloc(&t->arena, out.length + 1);

	if (text) {
		memcpy(text, a.data, a.length);
		memcpy(text + a.length, between, gap);
		memcpy(text + a.length + gap, b.data, b.length);
		out.data = text;
	}
	return out;
}

static bool name_tokens(elm__vocab_trainer *t, vocabulary *v)
{
	const elm__vocab_plan *plan = t->plan;
	size_t first = special_count(plan);
	elm_gguf_string *symbols;

	v->count = (uint32_t)first + BYTES + t->join_count;
	v->tokens = elm__arena_calloc(&t->arena, v->count, sizeof(*v->tokens));
	v->merges = elm__arena_calloc(&t->arena, t->join_count + 1, sizeof(*v->merges));
	v->kinds = elm__arena_calloc(&t->arena, v->count, sizeof(*v->kinds));
	if (!v->tokens || !v->merges || !v->kinds)
		return false;
	symbols = v->tokens + first;
	for (size_t i = 0; i < first; i++) {
		v->tokens[i] =
			(elm_gguf_string){ special_text(plan, i), strlen(special_text(plan, i)) };
		v->kinds[i] = i < plan->control_count ? ELM_TOKEN_CONTROL : ELM_TOKEN_USER_DEFINED;
	}
	for (uint32_t i = 0; i < BYTES + t->join_count; i++) {
		v->kinds[first + i] = ELM_TOKEN_NORMAL;
		if (i < BYTES) {
			char letter[2];
			size_t length = elm__bytes_encode((unsigned char)i, letter);

			symbols[i] =
				(elm_gguf_string){ elm__arena_strndup(&t->arena, letter, length),
						   length };
		} else {
			const join *j = &t->joins[i - BYTES];

			symbols[i] = concatenate(t, symbols[j->left], "", symbols[j->right]);
			v->merges[i - BYTES] =
				concatenate(t, symbols[j->left], " ", symbols[j->right]);
			if (!v->merges[i - BYTES].data)
				return false;
		}
		if (!symbols[i].data)
			return false;
	}
	return true;
}

static elm_status set_text(elm_gguf_writer *w, const char *key, const char *text, elm_error *error)
{
	return elm_gguf_writer_set_string(w, key, text, strlen(text), error);
}

static elm_status set_token(elm_gguf_writer *w, const elm__vocab_plan *plan, const char *key,
			    const char *text, elm_error *error)
{
	elm_token token = control_token(plan, text);

	return token == ELM_TOKEN_NONE ? ELM_OK :
					 elm_gguf_writer_set_u32(w, key, (uint32_t)token, error);
}

static elm_status describe(elm_gguf_writer *w, const elm__vocab_trainer *t, const vocabulary *v,
			   elm_error *error)
{
	const elm__vocab_plan *plan = t->plan;
	elm_status status = set_text(w, "general.architecture", "llama", error);

	if (!status)
		status = elm_gguf_writer_set_u32(w, "llama.vocab_size", v->count, error);
	if (!status)
		status = set_text(w, "tokenizer.ggml.model", "gpt2", error);
	if (!status)
		status = set_text(w, "tokenizer.ggml.pre", plan->pre, error);
	if (!status)
		status = elm_gguf_writer_set_strings(w, "tokenizer.ggml.tokens", v->tokens,
						     v->count, error);
	if (!status)
		status = elm_gguf_writer_set_array(w, "tokenizer.ggml.token_type", ELM_GGUF_I32,
						   v->kinds, v->count, error);
	if (!status)
		status = elm_gguf_writer_set_strings(w, "tokenizer.ggml.merges", v->merges,
						     t->join_count, error);
	if (!status)
		status = set_token(w, plan, "tokenizer.ggml.bos_token_id", plan->bos, error);
	if (!status)
		status = set_token(w, plan, "tokenizer.ggml.eos_token_id", plan->eos, error);
	if (!status)
		status = elm_gguf_writer_set_bool(w, "tokenizer.ggml.add_bos_token",
						  plan->bos != NULL, error);
	if (!status && plan->chat_template)
		status = set_text(w, "tokenizer.chat_template", plan->chat_template, error);
	return status;
}

static elm_status write_file(elm__vocab_trainer *t, const char *path, const vocabulary *v,
			     elm_error *error)
{
	elm_gguf_writer *writer;
	elm_status status = elm_gguf_writer_create(path, 32, &writer, error);

	if (status)
		return status;
	status = describe(writer, t, v, error);
	if (!status)
		status = elm_gguf_writer_begin(writer, error);
	if (!status)
		status = elm_gguf_writer_finish(writer, error);
	elm_gguf_writer_free(writer);
	return status;
}

elm_status elm__vocab_trainer_write(elm__vocab_trainer *t, const char *path,
				    const volatile int *cancel, uint32_t *size, elm_error *error)
{
	uint32_t wanted = t->plan->size - (uint32_t)special_count(t->plan) - BYTES;
	elm__pair_word *words = spell_words(t);
	vocabulary v = { 0 };
	elm_status status;

	elm__free(t->joins);
	t->join_count = 0;
	t->joins = elm__realloc_array(NULL, (size_t)wanted + 1, sizeof(*t->joins));
	if (!words || !t->joins)
		return out_of_memory(error);
	status = learn_joins(t, words, wanted - t->plan->spaces_last, cancel, error);
	if (!status && t->plan->spaces_last)
		status = join_spaces(t, words, error);
	if (!status && !name_tokens(t, &v))
		status = out_of_memory(error);
	if (!status)
		status = write_file(t, path, &v, error);
	*size = v.count;
	return status;
}
