/*
 * special.h: finds special tokens in text: the leftmost match, the longest of those.
 *
 * The texts are sorted, and a match narrows a range of them byte by byte. No more memory than the
 * sorted list is needed, and the cost at a place does not depend on how many tokens there are.
 */
#ifndef ELM_TOKENIZER_SPECIAL_H
#define ELM_TOKENIZER_SPECIAL_H

#include <edgelm/tokenizer.h>

#include "base/arena.h"

typedef struct elm__special {
	const char *text;
	uint32_t length; /* not 0 */
	elm_token token;
} elm__special;

typedef struct elm__specials {
	elm__special *items; /* sorted by text, without repetition */
	uint32_t count;
	uint32_t first[257]; /* items[first[b]..first[b+1]) begin with byte b */
} elm__specials;

/* Takes over items[0..count), which live as long as the set, and sorts them. Of equal texts the
 * lowest token stays. */
void elm__specials_init(elm__specials *set, elm__special *items, uint32_t count);

/* The first match at or behind text[from]: stores its place and returns it; NULL when there is
 * none. */
const elm__special *elm__specials_find(const elm__specials *set, const char *text, size_t length,
				       size_t from, size_t *start);

#endif
