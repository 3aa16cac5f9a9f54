/*
 * scales.h: the scales of a block apart from its codes: where they lie and what they stand for.
 *
 * A block of a quantised type is cut into sub-blocks, and all weights of one lie on a line, weight
 * = scale * level + offset, where codes choose the level. Blocks of 32 have one sub-block, and its
 * scale (and offset) are halves. Those of 256 have 8 or 16, with small integers that are multiplied
 * by a factor (and one for the minima) of the block. Layouts are in blocks.h.
 */
#ifndef ELM_QUANT_SCALES_H
#define ELM_QUANT_SCALES_H

#include "quant/blocks.h"
#include "quant/fit.h"

/* What is known of a type. */
typedef struct elm__scale_facts {
	int lo, hi;		/* the integers that codes stand for; both 0: IQ4 levels */
	int sub;		/* weights of a sub-block */
	int scale_lo, scale_hi; /* integer scales; both 0: the scale is a half */
	bool offset;		/* has offsets; where scales are integers, minima 0 to scale_hi */
	size_t factor;		/* where in the block its half is; that of offsets comes next */
} elm__scale_facts;

/* NULL for types without scales. */
const elm__scale_facts *elm__scale_facts_of(elm_type type);

elm__levels elm__levels_of(const elm__scale_facts *facts);

/* The scale and minimum of a sub-block as they are stored: integers, or the bits of halves. */
typedef struct elm__scale {
	int scale, minimum;
} elm__scale;

/* `type` has scales and `sub` is less than their number; what is set is within the facts. */
elm__scale elm__scale_get(elm_type type, const void *block, int sub);
void elm__scale_set(elm_type type, void *block, int sub, elm__scale scale);

/* The line that a scale gives a sub-block, with the factors that the block has. */
elm__line elm__scale_line(const elm__scale_facts *facts, const void *block, elm__scale scale);

#endif
