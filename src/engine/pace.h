/*
 * pace.h: how many tokens of prompts a step may compute without making those wait who are being
 * answered.
 *
 * The time of a step is learnt while it runs: how long it takes to compute one token for each of n
 * requests, and what each prompt token adds to that, apart for slices of different sizes, because
 * kernels change with the number of rows. Without prompts a step takes the normal time between two
 * tokens; with them it may take the target, or twice as long as normal.
 */
#ifndef ELM_ENGINE_PACE_H
#define ELM_ENGINE_PACE_H

#include "base/arena.h"
#include <stdbool.h>
#include <stdint.h>

enum { ELM__PACE_SIZES = 17 }; /* slices of up to 1, 2, 4, ... 65536 rows */

typedef struct elm__pace {
	double target;	/* seconds; 0: twice the normal time */
	double *normal; /* seconds of a step with n decode rows and nothing else; 0: not known */
	uint32_t max_rows;
	double row[ELM__PACE_SIZES]; /* seconds that a prompt row adds; 0: not known */
	uint32_t mixed;		     /* steps since the last one without prompts */
} elm__pace;

/* For up to max_rows decode rows. False when the arena is out of memory. */
bool elm__pace_init(elm__pace *pace, double target, uint32_t max_rows, elm__arena *arena);

/* How many prompt rows the next step may have beside these decode rows (1 to max_rows), at most
 * `limit`. 0 now and then, so that the normal time stays known. */
uint32_t elm__pace_slice(const elm__pace *pace, uint32_t decode_rows, uint32_t limit);

/* Told of every step. */
void elm__pace_learn(elm__pace *pace, uint32_t decode_rows, uint32_t prompt_rows, double seconds);

#endif
