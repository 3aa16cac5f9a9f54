#include "grammar_walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vocab_cases.h"

enum { WORDS = 32, COMPARED = 3 /* masks that every token is tried against */ };

/* Made once; it lives as long as the fuzzer. */
static elm_tokenizer *tokenizer;
static elm_lexicon *lexicon;

void walk_require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

static void prepare(void)
{
	if (lexicon)
		return;
	walk_require(!vocab_create(&vocab_small_bpe, &tokenizer, NULL), "a vocabulary");
	walk_require(!elm_lexicon_create(tokenizer, &lexicon, NULL), "a lexicon");
	walk_require(elm_tokenizer_size(tokenizer) <= WORDS * 32, "room for a mask");
}

static bool is_set(const uint32_t *bits, elm_token token)
{
	return bits[token / 32] >> token % 32 & 1;
}

/* Every token by itself, on copies. */
static void compare(elm_constraint *c, const uint32_t *bits)
{
	for (elm_token t = 0; (size_t)t < elm_tokenizer_size(tokenizer); t++) {
		elm_constraint *copy;
		elm_status status;

		walk_require(!elm_constraint_clone(c, &copy, NULL), "a copy");
		status = elm_constraint_accept(copy, t, NULL);
		walk_require(status == ELM_ERR_LIMIT || !status == is_set(bits, t),
			     "a token is accepted where its bit is set");
		elm_constraint_free(copy);
	}
}

/* The allowed token that comes next after the given one, in a circle. */
static elm_token pick(const uint32_t *bits, uint32_t after)
{
	uint32_t size = (uint32_t)elm_tokenizer_size(tokenizer);

	for (uint32_t i = 1; i <= size; i++) {
		elm_token token = (elm_token)((after + i) % size);

		if (is_set(bits, token))
			return token;
	}
	return ELM_TOKEN_NONE;
}

/* A token that tends to end a text, ELM_TOKEN_NONE where none is allowed. */
static elm_token pick_end(const uint32_t *bits)
{
	static const char closing[] = "\"}]):0,";
	elm_token end = elm_tokenizer_eos(tokenizer);

	if (is_set(bits, end))
		return end;
	for (size_t i = 0; i < sizeof(closing) - 1; i++) {
		elm_token token = vocab_byte(&vocab_small_bpe, (uint8_t)closing[i]);

		if (is_set(bits, token))
			return token;
	}
	return ELM_TOKEN_NONE;
}

bool walk_grammar(elm_grammar *grammar, const uint8_t *bytes, size_t count, size_t most,
		  elm__buf *text)
{
	uint32_t bits[WORDS];
	elm_constraint *c;
	bool any, ended = false;

	prepare();
	walk_require(!elm_constraint_create(grammar, lexicon, &c, NULL), "a constraint");
	for (size_t i = 0; i < most && !ended; i++) {
		elm_status status = elm_constraint_mask(c, bits, &any, NULL);
		elm_token token;

		if (status) {
			walk_require(status == ELM_ERR_LIMIT, "only limits stop a mask");
			break;
		}
		/* A grammar may be too deep here; else all bytes are tokens. */
		if (!any)
			break;
		if (i < COMPARED)
			compare(c, bits);
		token = i < count ? pick(bits, bytes[i] * 37u) : pick_end(bits);
		if (token == ELM_TOKEN_NONE)
			token = pick(bits, (uint32_t)i * 61);
		status = elm_constraint_accept(c, token, NULL);
		walk_require(!status || status == ELM_ERR_LIMIT, "an allowed token is accepted");
		if (status)
			break;
		ended = elm_tokenizer_is_eog(tokenizer, token);
		if (!ended) {
			elm_gguf_string piece = elm_token_piece(tokenizer, token, false);

			elm__buf_append(text, piece.data, piece.length);
		}
		if (i % 5 == 4 && !ended) {
			walk_require(!elm_constraint_rollback(c, 1, NULL), "a step back");
			walk_require(!elm_constraint_accept(c, token, NULL), "the same step again");
		}
	}
	walk_require(ended == (elm_constraint_can_end(c) && elm_constraint_finished(c) && ended),
		     "a text that has ended could end");
	elm_constraint_free(c);
	return ended;
}
