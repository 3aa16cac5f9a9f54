/*
 * reasoning.h: what a model thinks before it answers, which it writes between <think> and </think>
 * (DeepSeek R1, Qwen 3, QwQ, SmolLM 3, ...). Some templates write the opening tag themselves.
 */
#ifndef ELM_SERVER_REASONING_H
#define ELM_SERVER_REASONING_H

#include <stdbool.h>
#include <stddef.h>

typedef enum elm__thoughts_stage {
	ELM__THOUGHTS_UNKNOWN = 0, /* the text may begin with the opening tag */
	ELM__THOUGHTS_INSIDE,
	ELM__THOUGHTS_BEHIND,
	ELM__THOUGHTS_NONE /* it has none, or they are not looked for */
} elm__thoughts_stage;

/* Where thoughts and answer stand in a text that may still grow. Neither begins or, for thoughts,
 * ends with blanks. What is said to be part of one stays part of it. */
typedef struct elm__thoughts {
	elm__thoughts_stage stage;
	size_t begin, end; /* of the thoughts, as far as they are certain */
	size_t answer;	   /* where the answer begins; the length while there is none */
	size_t scanned;	   /* where to look for the closing tag */
} elm__thoughts;

/* Takes in all of the text so far; `complete` when nothing follows. */
void elm__thoughts_read(elm__thoughts *thoughts, const char *text, size_t length, bool complete);

/* Whether a prompt ends with the opening tag, so that the text begins with thoughts. */
bool elm__thoughts_opened(const char *prompt, size_t length);

#endif
