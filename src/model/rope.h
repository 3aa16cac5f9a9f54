/* rope.h: the angles of rotary position embedding (Su et al., 2021) and its extensions. */
#ifndef ELM_MODEL_ROPE_H
#define ELM_MODEL_ROPE_H

#include "model/weights.h"

enum { ELM__ROPE_GLOBAL, ELM__ROPE_LOCAL, ELM__ROPE_KINDS };

/* Angle per position of each of `pairs` rotations, and what cosine and sine are multiplied with. */
typedef struct elm__rope {
	uint32_t pairs;
	bool local_differs; /* windowed layers rotate otherwise than the rest */
	double frequency[ELM__ROPE_KINDS][ELM__MAX_HEAD_DIM / 2];
	double magnitude[ELM__ROPE_KINDS];
} elm__rope;

/* `context` is the length of the session, which longrope's choice of divisors depends on. */
void elm__rope_init(elm__rope *rope, const elm__hparams *hp, const elm__weights *w,
		    uint32_t context);

/* cosine and sine of one position, `pairs` floats each. */
void elm__rope_angles(const elm__rope *rope, int kind, uint32_t position, float *cosine,
		      float *sine);

#endif
