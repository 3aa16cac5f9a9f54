/*
 * speculation.h: guessing the next tokens from what has been read (prompt lookup; Saxena, 2023,
 * after Leviathan et al., 2023).
 *
 * Where the last tokens have occurred before, what followed them then is tried as a draft: the
 * model computes the draft together with the token at hand, for little more than that token alone,
 * because it reads its weights only once. The sampler then draws each token from the model's own
 * logits, and a draft counts only as far as the draws agree.
 *
 * Drafting switches itself off where it does not pay: time per token with and without drafts is
 * watched, and after a bad stretch it is tried again more and more seldom.
 */
#ifndef ELM_ENGINE_SPECULATION_H
#define ELM_ENGINE_SPECULATION_H

#include <edgelm/tokenizer.h>

enum { ELM__LONGEST_DRAFT = 16 };

typedef struct elm__speculation {
	uint32_t longest;	    /* tokens of a draft at most; 0: off */
	double plain_seconds;	    /* of a step without a draft, a running mean; 0: not known */
	double drafted_seconds;	    /* of a step with one */
	double yield;		    /* tokens that such a step brought, a running mean */
	uint32_t pause;		    /* steps to go without */
	uint32_t next_pause;	    /* after the next bad judgement */
	uint64_t drafted, accepted; /* tokens, in all */
} elm__speculation;

void elm__speculation_init(elm__speculation *s, uint32_t longest);

/* A draft for what follows tokens[0..count): at most `most` tokens to out; returns how many, 0 for
 * none or when it does not pay now. */
uint32_t elm__speculation_draft(elm__speculation *s, const elm_token *tokens, size_t count,
				elm_token *out, uint32_t most);

/* Reports a step: the seconds from one to the next, the tokens drafted in it and those accepted. */
void elm__speculation_learn(elm__speculation *s, double seconds, uint32_t drafted,
			    uint32_t accepted);

#endif
