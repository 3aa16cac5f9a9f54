/* vocab_cases.h: small vocabularies, made as GGUF files in memory, for unit tests and fuzzers. */
#ifndef ELM_TESTS_VOCAB_CASES_H
#define ELM_TESTS_VOCAB_CASES_H

#include <edgelm/tokenizer.h>

#include "base/buffer.h"

typedef struct vocab_token {
	const char *text;
	int kind; /* elm_token_kind */
	float score;
} vocab_token;

typedef struct vocab_spec {
	const char *model;	   /* tokenizer.ggml.model; NULL: no such key */
	const char *pre;	   /* tokenizer.ggml.pre; NULL: no such key */
	const vocab_token *tokens; /* ends with a NULL text; NULL: no such key */
	bool bytes;		   /* then come 256 tokens, one for each byte */
	const char *const *merges; /* ends with NULL; NULL: no such key */
	bool no_scores, no_kinds;
	unsigned extra_count; /* other metadata, as bytes.h has it */
	const char *extra;
} vocab_spec;

/* Appends the GGUF file. */
void vocab_file(const vocab_spec *spec, elm__buf *out);

/* Reads the vocabulary of a file in memory, or of a specification. */
ELM_NODISCARD elm_status vocab_read(const elm__buf *file, elm_tokenizer **out, elm_error *error);
ELM_NODISCARD elm_status vocab_create(const vocab_spec *spec, elm_tokenizer **out,
				      elm_error *error);

/* Tokenises a text and appends the pieces, with a '~' between two. */
ELM_NODISCARD elm_status vocab_pieces(const elm_tokenizer *t, const char *text, unsigned flags,
				      elm__buf *out, elm_error *error);

/* A vocabulary of each kind with a bit of everything: merges that compete, control and user-defined
 * tokens, characters of two and three bytes. */
extern const vocab_spec vocab_small_bpe, vocab_small_spm;

/* The number of the token that stands for a byte in a vocabulary with `bytes`. */
elm_token vocab_byte(const vocab_spec *spec, unsigned char byte);

#endif
