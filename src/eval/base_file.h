/*
 * base_file.h: the predictions of a model over a text, kept in the file that llama-perplexity
 * writes with --kl-divergence-base and reads with --kl-divergence.
 *
 * Little-endian: "_logits_", u32 window, u32 vocabulary, u32 windows, i32 token[windows][window];
 * then, for each window and each position from window / 2 to window - 2, f32 scale, f32 lowest, u16
 * code[vocabulary padded to even]: ln p = lowest + scale * code. What is less likely than the best
 * token by more than e^16 has code 0.
 */
#ifndef ELM_EVAL_BASE_FILE_H
#define ELM_EVAL_BASE_FILE_H

#include <edgelm/tokenizer.h>

#include "base/file.h"

/* Tokens whose ln p is not above this cannot be told apart. */
#define ELM__BASE_FLOOR -16.0f

typedef struct elm__base_file {
	elm__map map;
	uint32_t window, vocabulary, windows; /* window >= 4 */
	const elm_token *tokens;	      /* windows x window, all below vocabulary */
	const uint8_t *rows;
	size_t row_bytes;
} elm__base_file;

/* Sizes and tokens are checked. On failure the struct needs no release. */
ELM_NODISCARD elm_status elm__base_open(elm__base_file *file, const char *path, elm_error *error);
void elm__base_close(elm__base_file *file);

/* Whether a file begins like one of these; false too when it cannot be read. */
bool elm__base_is(const char *path);

/* Predictions of a window. */
static inline uint32_t elm__base_rows(uint32_t window)
{
	return window - 1 - window / 2;
}

/* ln p of all tokens, for prediction `row` of a window. */
void elm__base_row(const elm__base_file *file, uint32_t window, uint32_t row, float *out);

/* Writing: the header, then every row in order. The writer is the caller's. */
ELM_NODISCARD elm_status elm__base_write_header(elm__writer *writer, const elm_token *tokens,
						uint32_t window, uint32_t vocabulary,
						uint32_t windows, elm_error *error);
/* `codes` is scratch for vocabulary + 5 numbers. */
ELM_NODISCARD elm_status elm__base_write_row(elm__writer *writer, const float *logits,
					     uint32_t vocabulary, uint16_t *codes,
					     elm_error *error);

#endif
