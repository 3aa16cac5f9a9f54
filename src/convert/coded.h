/*
 * coded.h: weights of four or eight bits as GPTQ and AWQ keep them in safetensors.
 *
 * A matrix W[rows, cols] (outputs, inputs) is the tensors qweight, qzeros and scales, and for GPTQ
 * g_idx: W[r, c] = scales[g, r] * (code[r, c] - zero[g, r]), where g is the group of column c.
 *
 *     GPTQ   qweight[cols / 8, rows]: eight codes of a row in a word, the first column lowest
 *            qzeros[groups, rows / 8]: eight rows in a word, the first row lowest; files of
 *            version 1 hold zero - 1
 *     AWQ    qweight[cols, rows / 8], qzeros[groups, rows / 8]: eight rows in a word, row j (mod 8)
 *            at nibble 0 4 1 5 2 6 3 7 [j]
 *
 * With eight bits four codes share a word. What the files say about version and symmetry is often
 * wrong, so both are found out from the data.
 */
#ifndef ELM_CONVERT_CODED_H
#define ELM_CONVERT_CODED_H

#include "convert/safetensors.h"

typedef struct elm__coded {
	const elm__st_tensor *codes, *zeros, *scales;
	const elm__st_tensor *order; /* g_idx where columns are not in the order of groups */
	uint64_t rows, cols, groups;
	unsigned bits;
	unsigned offset; /* of stored zeros */
	bool awq, symmetric;
} elm__coded;

/*
 * Finds the parts of `name` (without ".qweight") and checks them. `version_2`: what the
 * configuration says, which counts only where zeros differ. ELM_ERR_NOT_FOUND where there is no
 * qweight of that name.
 */
ELM_NODISCARD elm_status elm__coded_find(elm__coded *p, const elm__safetensors *st,
					 const char *name, bool version_2, elm_error *error);

/* The block type that holds these weights as they are; false when none does. */
bool elm__coded_type(const elm__coded *p, elm_type *type);

/* Unpacks the codes of `count` rows of any order: codes[i * cols + c] for rows[i]. */
void elm__coded_codes(const elm__coded *p, const uint64_t *rows, size_t count, uint8_t *codes);

/* Encodes one row of unpacked codes in the type of elm__coded_type. False when a scale is not
 * finite as a half. */
bool elm__coded_encode(const elm__coded *p, uint64_t row, const uint8_t *codes, elm_type type,
		       void *blocks);

/* The same as floats. */
void elm__coded_decode(const elm__coded *p, uint64_t row, const uint8_t *codes, float *out);

#endif
