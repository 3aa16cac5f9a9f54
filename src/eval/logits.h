/*
 * logits.h: logits of every position of a token sequence, kept in files so that programs can be
 * compared.
 *
 * The file, little-endian: u32 rows, u32 vocabulary, u32 token[rows], then, unless the file holds
 * only tokens, f32 logits[rows][vocabulary]; row i is what the model says after token i. The tokens
 * are one sequence from position 0; nothing is added to them.
 */
#ifndef ELM_EVAL_LOGITS_H
#define ELM_EVAL_LOGITS_H

#include <edgelm/session.h>

#include "base/file.h"

typedef struct elm__logits_file {
	elm__map map;
	uint32_t rows, vocabulary; /* rows >= 1 */
	const elm_token *tokens;   /* all below vocabulary */
	const float *logits;	   /* NULL when the file holds only tokens */
} elm__logits_file;

/* Sizes and tokens are checked against the file; a file of another size is ELM_ERR_FORMAT. On
 * failure the struct needs no release. */
ELM_NODISCARD elm_status elm__logits_open(elm__logits_file *file, const char *path,
					  elm_error *error);
void elm__logits_close(elm__logits_file *file);

/* Row `row` of the results; what a non-zero return value is worth is up to the caller of compute,
 * who gets it back. */
typedef elm_status elm__logits_row(void *user, uint32_t row, const float *logits, elm_error *error);

/*
 * Computes all rows as sequence 0, which is emptied first, `step` tokens at a time (1: as in
 * decoding); the session needs max_logits of at least that. The first failure ends it.
 */
ELM_NODISCARD elm_status elm__logits_compute(elm_session *session, const elm_token *tokens,
					     uint32_t rows, uint32_t step, elm__logits_row *each,
					     void *user, elm_error *error);

/* The most rows that may ask for logits at once so that they take at most 64 MiB; at least 16 and
 * at most `batch`. */
uint32_t elm__logits_rows_at_once(const elm_model *model, uint32_t batch);

/* Writes a file row by row; give the rows in order. Everything belongs to the writer, which the
 * caller opens, commits and closes. */
ELM_NODISCARD elm_status elm__logits_write_header(elm__writer *writer, const elm__logits_file *like,
						  elm_error *error);
ELM_NODISCARD elm_status elm__logits_write_row(elm__writer *writer, const float *logits,
					       uint32_t vocabulary, elm_error *error);

#endif
