/*
 * history.h: the last tokens of a text and how often each occurs among them.
 *
 * A ring holds the tokens in order; a hash table with linear probing holds the counts, so that a
 * token costs constant time and the tokens that occur can be walked without looking at the whole
 * vocabulary.
 */
#ifndef ELM_ENGINE_HISTORY_H
#define ELM_ENGINE_HISTORY_H

#include <edgelm/tokenizer.h>

typedef struct elm__history_entry {
	elm_token token; /* ELM_TOKEN_NONE: free */
	uint32_t count;
} elm__history_entry;

typedef struct elm__history {
	elm_token *ring; /* NULL when the window is unlimited: nothing is ever forgotten */
	size_t window, used, next;
	elm__history_entry *table;
	size_t capacity; /* a power of two, more than twice the tokens in the table */
	size_t different;
} elm__history;

/* `window` tokens are remembered, all with SIZE_MAX. On failure the struct needs no release. */
ELM_NODISCARD elm_status elm__history_init(elm__history *history, size_t window, elm_error *error);
void elm__history_release(elm__history *history);
void elm__history_clear(elm__history *history);

/* Adds a token (>= 0) and forgets the one that falls out of the window. Only an unlimited window
 * allocates; when that fails nothing has changed. */
ELM_NODISCARD elm_status elm__history_push(elm__history *history, elm_token token,
					   elm_error *error);

#endif
