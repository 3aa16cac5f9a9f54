/*
 * codes.h: the codes of a block apart from its scales: storing them, and the values that they stand
 * for while the scales stay as they are. Layouts are in blocks.h.
 */
#ifndef ELM_QUANT_CODES_H
#define ELM_QUANT_CODES_H

#include <stdbool.h>

#include "quant/blocks.h"
#include "quant/fit.h"

/* Replaces the codes of one block of a quantised type and leaves its scales. A code counts from the
 * lowest level of its type: 0 to 15 in Q4_0, 0 to 254 in Q8_0. */
void elm__codes_store(elm_type type, const uint8_t *codes, void *block);

/* Weight i of a block is scale[i] * level + offset[i]. */
typedef struct elm__grid {
	elm__levels levels;
	float scale[ELM__BLOCK_SUPER], offset[ELM__BLOCK_SUPER];
} elm__grid;

/* From the scales of a block; false for types that have none. */
bool elm__grid_load(elm_type type, const void *block, elm__grid *grid);

/* The code that is nearest to `value` for weight i, and what it decodes to. */
static inline uint8_t elm__grid_code(const elm__grid *grid, int i, float value, float *decoded)
{
	elm__line line = { grid->scale[i], grid->offset[i] };
	uint8_t code;

	elm__fit_codes(&grid->levels, line, &value, 1, &code);
	*decoded = line.scale * elm__fit_level(&grid->levels, code) + line.offset;
	return code;
}

#endif
