/* grammar_walk.h: what the fuzzers of grammars share: a small vocabulary, and walks through it. */
#ifndef ELM_TESTS_GRAMMAR_WALK_H
#define ELM_TESTS_GRAMMAR_WALK_H

#include <edgelm/grammar.h>

#include "base/buffer.h"

/* Ends the program with a sentence, for the fuzzer to report. */
void walk_require(bool holds, const char *what);

/*
 * Follows a grammar through tokens that the bytes choose, then ones that tend to end the text, at
 * most `most` in all; appends the text. Masks and what is accepted must agree. Returns whether the
 * text came to an end; a grammar that is too ambiguous does not.
 */
bool walk_grammar(elm_grammar *grammar, const uint8_t *bytes, size_t count, size_t most,
		  elm__buf *text);

#endif
