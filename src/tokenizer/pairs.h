/*
 * pairs.h: how often each pair of neighbours occurs in a set of words, and the most frequent one,
 * while pairs are joined one after the other.
 */
#ifndef ELM_TOKENIZER_PAIRS_H
#define ELM_TOKENIZER_PAIRS_H

#include <edgelm/status.h>
#include <stddef.h>
#include <stdint.h>

/* A word as symbols, which are bytes at first and joined symbols (256 and on) later. */
typedef struct elm__pair_word {
	uint32_t *symbols;
	uint32_t length;
	uint64_t count; /* of the word in the text */
} elm__pair_word;

typedef struct elm__pair_counts {
	elm__pair_word *words; /* the caller's */
	struct elm__counted_pair *pairs;
	size_t count, capacity;
	uint32_t *slots; /* of a hash table: index in `pairs` plus one */
	size_t mask;
	struct elm__ranked_pair *heap;
	size_t heap_count, heap_capacity;
} elm__pair_counts;

/* Counts all pairs; `words` is changed by joining and must live as long. Release on failure too. */
ELM_NODISCARD elm_status elm__pair_counts_init(elm__pair_counts *pairs, elm__pair_word *words,
					       size_t count, elm_error *error);
void elm__pair_counts_release(elm__pair_counts *pairs);

/*
 * Takes the pair that occurs most often, of equals the one with the lowest symbols, and replaces it
 * by `symbol` in all words. ELM_ERR_NOT_FOUND (without a sentence) when every word is one symbol.
 */
ELM_NODISCARD elm_status elm__pair_counts_join(elm__pair_counts *pairs, uint32_t symbol,
					       uint32_t *left, uint32_t *right, elm_error *error);

#endif
