/*
 * lexicon.h: the tokens of a vocabulary as a tree of their bytes, laid out so that walking all of
 * it reads memory from one end to the other.
 */
#ifndef ELM_GRAMMAR_LEXICON_H
#define ELM_GRAMMAR_LEXICON_H

#include <edgelm/grammar.h>

#include <stdatomic.h>

/* A node stands before all nodes below it. */
typedef struct elm__branch {
	uint32_t skip;	/* the first node that is not below */
	uint32_t rank;	/* in `order`, of the first token that ends here; others until the next's */
	uint16_t depth; /* bytes from the root; 1 at the top */
	uint8_t byte;
} elm__branch;

struct elm_lexicon {
	atomic_uint references;
	uint32_t size;	   /* tokens of the vocabulary, also those that are not in the tree */
	elm__branch *tree; /* and one more at the end, for its rank */
	uint32_t tree_count;
	uint32_t *order; /* tokens by their bytes */
	uint32_t order_count;
	uint32_t *offsets; /* of the bytes of a token; those of a token that is not in the tree */
	char *bytes;	   /* are none */
	uint32_t longest;  /* token, in bytes */
	uint32_t *ends;	   /* tokens that end a generation */
	uint32_t end_count;
	bool drops_space; /* a text that begins loses a space in front: see elm_constraint_reset */
};

elm_lexicon *elm__lexicon_retain(elm_lexicon *lexicon);

/* The bytes of a token in the tree; *length is 0 for another. */
static inline const char *elm__lexicon_bytes(const elm_lexicon *lexicon, uint32_t token,
					     uint32_t *length)
{
	*length = lexicon->offsets[token + 1] - lexicon->offsets[token];
	return lexicon->bytes + lexicon->offsets[token];
}

#endif
