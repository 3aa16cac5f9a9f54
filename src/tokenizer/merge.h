/*
 * merge.h: merges the characters of a word into tokens, for both kinds of vocabulary.
 *
 * The pair of neighbours with the lowest priority value is joined first, the leftmost of equals,
 * until no pair can be joined. Short words are searched for it from end to end; longer ones keep
 * the pairs in a heap, so that a word of n characters takes O(n log n).
 */
#ifndef ELM_TOKENIZER_MERGE_H
#define ELM_TOKENIZER_MERGE_H

#include <edgelm/tokenizer.h>

#include "tokenizer/vocab.h"

/* A growing array of tokens. */
typedef struct elm__token_list {
	elm_token *items;
	size_t count, capacity;
} elm__token_list;

ELM_NODISCARD elm_status elm__token_list_grow(elm__token_list *list, size_t extra,
					      elm_error *error);

ELM_NODISCARD static inline elm_status elm__token_list_add(elm__token_list *list, elm_token token,
							   elm_error *error)
{
	if (list->count == list->capacity) {
		elm_status status = elm__token_list_grow(list, 1, error);

		if (status)
			return status;
	}
	list->items[list->count++] = token;
	return ELM_OK;
}

/* Memory that is used again from word to word. Zero-initialise it. */
typedef struct elm__merger {
	struct elm__symbol *symbols;
	size_t symbol_capacity;
	struct elm__candidate *heap;
	size_t heap_count, heap_capacity;
} elm__merger;

void elm__merger_release(elm__merger *merger);

/* Appends the tokens of word[0..length), 0 < length < 2^32, any bytes. */
ELM_NODISCARD elm_status elm__merge_word(elm__merger *merger, const elm_tokenizer *t,
					 const char *word, size_t length, elm__token_list *out,
					 elm_error *error);

#endif
