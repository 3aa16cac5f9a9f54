/*
 * vocab.h: a vocabulary, read from a GGUF file into flat tables.
 *
 * Every token is kept as the bytes that it stands for in text ("Ġthe" and "▁the" are both " the").
 * Text is tokenised as bytes, so nothing is escaped and unescaped on the way.
 */
#ifndef ELM_TOKENIZER_VOCAB_H
#define ELM_TOKENIZER_VOCAB_H

#include <edgelm/tokenizer.h>

#include "base/arena.h"
#include "tokenizer/special.h"
#include "tokenizer/split.h"
#include "tokenizer/tables.h"

typedef enum elm__vocab_type {
	ELM__VOCAB_SPM, /* SentencePiece merges: the pair with the best score goes first */
	ELM__VOCAB_BPE	/* byte-level BPE: a list of merges, the first goes first */
} elm__vocab_type;

enum {
	ELM__TOKEN_EOG = 1,	  /* ends a generation */
	ELM__TOKEN_RSTRIP = 2,	  /* white space after it is dropped */
	ELM__TOKEN_MERGEABLE = 4, /* made of text by merging, and first of its text */

	ELM__MAX_TOKENS = 1 << 24,
	ELM__MAX_MERGES = 1 << 25,
	ELM__MAX_PIECE = 65535 /* bytes of one token */
};

typedef struct elm__token {
	uint32_t offset; /* in `pieces` */
	uint16_t length;
	uint8_t kind; /* elm_token_kind */
	uint8_t flags;
} elm__token;

struct elm_tokenizer {
	elm__vocab_type type;
	elm__arena arena;
	uint32_t count;
	elm__token *tokens;
	char *pieces;
	uint32_t longest;	    /* piece, in bytes */
	uint32_t longest_mergeable; /* the same of what merging can make */
	elm__text_table texts;	    /* mergeable tokens only */
	elm__pair_table pairs;	    /* BPE */
	uint32_t *priority;	    /* SPM: of each token, the lowest goes first */
	elm_token byte_token[256];  /* ELM_TOKEN_NONE where the vocabulary has none */
	elm__specials specials;	    /* control, unknown and user-defined tokens */
	elm__specials user_defined; /* these only */
	elm__splitter splitter;	    /* BPE: the pre-tokenizer */

	elm_token bos, eos, unknown;
	bool add_bos, add_eos;
	bool add_space;	      /* SPM: a space goes before text that begins, or follows a special */
	bool squeeze_spaces;  /* SPM: remove_extra_whitespaces */
	bool words_separable; /* SPM: no token has a space behind another character */
	bool whole_words;     /* BPE: a word that is a token is not looked at further */
	char *chat_template;
};

/* Fills a zeroed tokenizer whose arena is initialised; what it holds is released with the arena,
 * the splitter and nothing else, on failure too. */
ELM_NODISCARD elm_status elm__vocab_load(elm_tokenizer *t, const elm_gguf *gguf, elm_error *error);

static inline const char *elm__piece(const elm_tokenizer *t, elm_token token)
{
	return t->pieces + t->tokens[token].offset;
}

/* The mergeable token of exactly these bytes, whose hash is given, or ELM_TOKEN_NONE. */
static inline elm_token elm__vocab_find_hashed(const elm_tokenizer *t, const char *text,
					       size_t length, uint64_t hash)
{
	uint32_t at = (uint32_t)hash, tag = (uint32_t)(hash >> 32);

	for (;; at++) {
		const elm__text_slot *slot = &t->texts.slots[at & t->texts.mask];
		elm_token token = (elm_token)slot->token_1 - 1;

		if (token == ELM_TOKEN_NONE)
			return token;
		if (slot->tag == tag && t->tokens[token].length == length &&
		    !memcmp(elm__piece(t, token), text, length))
			return token;
	}
}

static inline elm_token elm__vocab_find(const elm_tokenizer *t, const char *text, size_t length)
{
	if (length > t->longest_mergeable)
		return ELM_TOKEN_NONE;
	return elm__vocab_find_hashed(t, text, length, elm__hash_bytes(text, length));
}

#endif
