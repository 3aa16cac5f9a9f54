/*
 * train.h: makes a vocabulary for byte-level BPE out of a text.
 *
 * The text is cut into words by a pre-tokenizer; each word begins as bytes, and the pair of
 * neighbours that occurs most often in all words becomes a token, again and again (Sennrich et al.,
 * 2016). Of equals the pair that was made of earlier tokens goes first, so that the same text gives
 * the same vocabulary everywhere.
 *
 * With `spaces_last`, words are learned without the space in front of them, and the last tokens of
 * the vocabulary join that space to the words that most often follow one. Any other word is then
 * cut the same way behind a space and behind a quotation mark, which helps small models to copy.
 */
#ifndef ELM_TOKENIZER_TRAIN_H
#define ELM_TOKENIZER_TRAIN_H

#include <edgelm/tokenizer.h>

typedef struct elm__vocab_trainer elm__vocab_trainer;

typedef struct elm__vocab_plan {
	uint32_t size;		    /* tokens of the vocabulary, with the special ones */
	uint32_t spaces_last;	    /* how many of them join a space to a word; 0: as usual */
	const char *pre;	    /* name of the pre-tokenizer, "gpt-2" */
	const char *const *control; /* texts of control tokens; they come first */
	size_t control_count;
	const char *const *defined; /* texts of user-defined tokens; they follow */
	size_t defined_count;
	const char *bos, *eos;	   /* texts of control tokens, or NULL */
	const char *chat_template; /* or NULL */
} elm__vocab_plan;

enum {
	ELM__TRAINED_WORD = 256, /* longer words, in bytes, teach nothing */
	ELM__TRAINED_SIZE = 1 << 20
};

/* ELM_ERR_ARGUMENT where the plan cannot be met, by name. The plan must outlive the trainer. */
ELM_NODISCARD elm_status elm__vocab_trainer_create(const elm__vocab_plan *plan,
						   elm__vocab_trainer **out, elm_error *error);
void elm__vocab_trainer_free(elm__vocab_trainer *trainer); /* NULL allowed */

/* Counts the words of a piece of text, which should end between words. The texts of special tokens
 * are left out. */
ELM_NODISCARD elm_status elm__vocab_trainer_add(elm__vocab_trainer *trainer, const char *text,
						size_t length, elm_error *error);

/*
 * Makes the tokens and writes a GGUF file that holds only the vocabulary. A text that has too few
 * different words gives fewer tokens; *size says how many. `cancel` (may be NULL) is polled:
 * non-zero ends with ELM_ERR_CANCELLED.
 */
ELM_NODISCARD elm_status elm__vocab_trainer_write(elm__vocab_trainer *trainer, const char *path,
						  const volatile int *cancel, uint32_t *size,
						  elm_error *error);

#endif
