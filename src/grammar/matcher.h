/*
 * matcher.h: a grammar over the tokens of one lexicon: its states and the masks of allowed tokens,
 * shared by all constraints of that grammar and lexicon. All functions need the lock.
 */
#ifndef ELM_GRAMMAR_MATCHER_H
#define ELM_GRAMMAR_MATCHER_H

#include <pthread.h>

#include "grammar/lexicon.h"
#include "grammar/states.h"

typedef struct elm__mask {
	uint32_t *bits; /* NULL until the slot is first used */
	uint32_t state; /* ELM__DEAD: none */
	uint64_t used;	/* when; the oldest goes first */
} elm__mask;

typedef struct elm__matcher {
	struct elm__matcher *next; /* of the same grammar */
	elm_lexicon *lexicon;
	pthread_mutex_t lock;
	elm__states states;
	uint32_t start, fresh; /* states: of the empty text; of one that loses a space in front */
	size_t memory_limit;   /* where the states are tidied up */
	elm_constraint *constraints; /* a list: what tidying must keep */

	elm__mask *masks;
	uint32_t mask_count;
	uint64_t clock;
	uint32_t *mask_of; /* of each state: 0 unknown, NO_MASK, or the slot + 1 */
	uint32_t mask_room;
	uint32_t *path; /* scratch: states along a token */
} elm__matcher;

struct elm_constraint {
	elm_grammar *grammar;
	elm__matcher *matcher;
	elm_constraint *next, **back; /* the list of the matcher */
	uint32_t state;
	bool ended;				   /* by a token that ends a generation */
	uint32_t history[ELM_CONSTRAINT_ROLLBACK]; /* a ring of the states before `state` */
	uint32_t remembered;			   /* of them, how many there are */
	uint32_t at;				   /* where the next one goes */
};

ELM_NODISCARD elm_status elm__matcher_create(const elm__program *program, elm_lexicon *lexicon,
					     elm__matcher **out, elm_error *error);
void elm__matcher_free(elm__matcher *matcher);

/* Forgets all states but those of constraints, and all masks, when they take too much memory. */
ELM_NODISCARD elm_status elm__matcher_tidy(elm__matcher *matcher, elm_error *error);

/* The tokens with text that may follow; valid until the next call. */
ELM_NODISCARD elm_status elm__matcher_mask(elm__matcher *matcher, uint32_t state,
					   const uint32_t **bits, elm_error *error);

/* The state after some bytes. */
ELM_NODISCARD elm_status elm__matcher_go(elm__matcher *matcher, uint32_t state, const char *bytes,
					 size_t length, uint32_t *out, elm_error *error);

static inline size_t elm__mask_words(const elm_lexicon *lexicon)
{
	return ((size_t)lexicon->size + 31) / 32;
}

#endif
