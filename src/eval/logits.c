#include "eval/logits.h"

#include <string.h>

#include "base/alloc.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "files of logits are read in place: this needs a little-endian machine"
#endif

enum { HEADER_BYTES = 8, LOGITS_AT_ONCE_BYTES = 64 << 20 };

static elm_status check(elm__logits_file *file, const char *path, elm_error *error)
{
	uint64_t size = file->map.size, tokens_end, all;
	uint32_t header[2];

	if (size < HEADER_BYTES)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: %llu bytes are too few for a file of tokens and logits",
				     path, (unsigned long long)size);
	memcpy(header, file->map.data, sizeof(header));
	file->rows = header[0];
	file->vocabulary = header[1];
	if (!file->rows || !file->vocabulary)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: it says it holds %lu tokens of a vocabulary of %lu", path,
				     (unsigned long)file->rows, (unsigned long)file->vocabulary);
	/* Neither can overflow: at most 2^34 + 8, and the division bounds the product. */
	tokens_end = HEADER_BYTES + 4 * (uint64_t)file->rows;
	all = (UINT64_MAX - tokens_end) / 4 / file->rows < file->vocabulary ?
		      UINT64_MAX :
		      tokens_end + 4 * (uint64_t)file->rows * file->vocabulary;
	if (size != tokens_end && size != all)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: %lu tokens of a vocabulary of %lu need %llu bytes, or "
				     "%llu with logits, but the file has %llu",
				     path, (unsigned long)file->rows,
				     (unsigned long)file->vocabulary,
				     (unsigned long long)tokens_end, (unsigned long long)all,
				     (unsigned long long)size);
	/* The map begins at a page, so everything in it is aligned to 4 bytes. */
	file->tokens = (const elm_token *)(const void *)(file->map.data + HEADER_BYTES);
	if (size == all)
		file->logits = (const float *)(const void *)(file->map.data + tokens_end);
	for (uint32_t i = 0; i < file->rows; i++)
		if (file->tokens[i] < 0 || (uint32_t)file->tokens[i] >= file->vocabulary)
			return elm_error_set(error, ELM_ERR_FORMAT,
					     "%s: token %lu is %ld, which is not below the "
					     "vocabulary of %lu",
					     path, (unsigned long)i, (long)file->tokens[i],
					     (unsigned long)file->vocabulary);
	return ELM_OK;
}

elm_status elm__logits_open(elm__logits_file *file, const char *path, elm_error *error)
{
	elm_status status;

	memset(file, 0, sizeof(*file));
	status = elm__map_open(&file->map, path, error);
	if (!status)
		status = check(file, path, error);
	if (status)
		elm__logits_close(file);
	return status;
}

void elm__logits_close(elm__logits_file *file)
{
	elm__map_release(&file->map);
	memset(file, 0, sizeof(*file));
}

uint32_t elm__logits_rows_at_once(const elm_model *model, uint32_t batch)
{
	uint32_t rows = LOGITS_AT_ONCE_BYTES / 4 / elm_model_get_info(model)->vocabulary;

	if (rows < 16)
		rows = 16;
	return rows < batch ? rows : batch;
}

elm_status elm__logits_compute(elm_session *session, const elm_token *tokens, uint32_t rows,
			       uint32_t step, elm__logits_row *each, void *user, elm_error *error)
{
	uint8_t *wanted = elm__malloc(step);
	elm_status status = ELM_OK;

	if (!wanted)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	memset(wanted, 1, step);
	elm_session_truncate(session, 0, 0);
	for (uint32_t first = 0; first < rows && !status; first += step) {
		elm_batch batch = { .rows = rows - first < step ? rows - first : step,
				    .tokens = tokens + first,
				    .logits = wanted };

		status = elm_session_step(session, &batch, error);
		for (uint32_t i = 0; i < batch.rows && !status; i++)
			status = each(user, first + i, elm_session_logits(session, i), error);
	}
	elm__free(wanted);
	return status;
}

elm_status elm__logits_write_header(elm__writer *writer, const elm__logits_file *like,
				    elm_error *error)
{
	const uint32_t header[2] = { like->rows, like->vocabulary };
	elm_status status = elm__writer_write(writer, header, sizeof(header), error);

	if (status)
		return status;
	return elm__writer_write(writer, like->tokens, like->rows * sizeof(elm_token), error);
}

elm_status elm__logits_write_row(elm__writer *writer, const float *logits, uint32_t vocabulary,
				 elm_error *error)
{
	return elm__writer_write(writer, logits, vocabulary * sizeof(float), error);
}
