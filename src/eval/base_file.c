#include "eval/base_file.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "engine/shortlist.h"

static const char magic[8] = "_logits_";
enum { HEADER_BYTES = 20, PREFIX_CODES = 4, CODES = 65535 };

static size_t row_bytes(uint32_t vocabulary)
{
	return 2 * (((size_t)vocabulary + 1) / 2 * 2 + PREFIX_CODES);
}

static elm_status check(elm__base_file *f, const char *path, elm_error *error)
{
	uint32_t header[3];
	uint64_t tokens, needed;

	if (f->map.size < HEADER_BYTES || memcmp(f->map.data, magic, sizeof(magic)) != 0)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s does not begin as a file of predictions does", path);
	memcpy(header, f->map.data + sizeof(magic), sizeof(header));
	f->window = header[0];
	f->vocabulary = header[1];
	f->windows = header[2];
	if (f->window < 4 || f->window > 1u << 28 || !f->vocabulary || f->vocabulary > 1u << 28 ||
	    !f->windows)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: it says it holds %lu windows of %lu tokens of a "
				     "vocabulary of %lu",
				     path, (unsigned long)f->windows, (unsigned long)f->window,
				     (unsigned long)f->vocabulary);
	f->row_bytes = row_bytes(f->vocabulary);
	tokens = (uint64_t)f->windows * f->window;
	/* At most 2^60 + 20 bytes of tokens, and the division bounds the product. */
	needed = HEADER_BYTES + 4 * tokens;
	if ((UINT64_MAX - needed) / f->row_bytes / f->windows < elm__base_rows(f->window))
		needed = UINT64_MAX;
	else
		needed += (uint64_t)f->row_bytes * f->windows * elm__base_rows(f->window);
	if (needed != f->map.size)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: %lu windows of %lu tokens of a vocabulary of %lu take "
				     "%llu bytes, but the file has %llu",
				     path, (unsigned long)f->windows, (unsigned long)f->window,
				     (unsigned long)f->vocabulary, (unsigned long long)needed,
				     (unsigned long long)f->map.size);
	f->tokens = (const elm_token *)(const void *)(f->map.data + HEADER_BYTES);
	f->rows = f->map.data + HEADER_BYTES + 4 * tokens;
	for (uint64_t i = 0; i < tokens; i++)
		if (f->tokens[i] < 0 || (uint32_t)f->tokens[i] >= f->vocabulary)
			return elm_error_set(error, ELM_ERR_FORMAT,
					     "%s: token %llu is %ld, which is not below the "
					     "vocabulary of %lu",
					     path, (unsigned long long)i, (long)f->tokens[i],
					     (unsigned long)f->vocabulary);
	return ELM_OK;
}

elm_status elm__base_open(elm__base_file *file, const char *path, elm_error *error)
{
	elm_status status;

	memset(file, 0, sizeof(*file));
	status = elm__map_open(&file->map, path, error);
	if (!status)
		status = check(file, path, error);
	if (status)
		elm__base_close(file);
	return status;
}

void elm__base_close(elm__base_file *file)
{
	elm__map_release(&file->map);
	memset(file, 0, sizeof(*file));
}

bool elm__base_is(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char begin[sizeof(magic)];
	bool is = fd >= 0 && read(fd, begin, sizeof(begin)) == sizeof(begin) &&
		  !memcmp(begin, magic, sizeof(magic));

	if (fd >= 0)
		close(fd);
	return is;
}

void elm__base_row(const elm__base_file *file, uint32_t window, uint32_t row, float *out)
{
	const uint8_t *at = file->rows +
			    ((size_t)window * elm__base_rows(file->window) + row) * file->row_bytes;
	float line[2];

	memcpy(line, at, sizeof(line));
	at += sizeof(line);
	for (uint32_t i = 0; i < file->vocabulary; i++) {
		uint16_t code;

		memcpy(&code, at + 2 * (size_t)i, sizeof(code));
		/* A row whose numbers are damaged counts as impossible rather than as NaN. */
		out[i] = line[1] + line[0] * (float)code;
		if (!(out[i] <= 0))
			out[i] = isnan(out[i]) ? -HUGE_VALF : 0;
	}
}

elm_status elm__base_write_header(elm__writer *writer, const elm_token *tokens, uint32_t window,
				  uint32_t vocabulary, uint32_t windows, elm_error *error)
{
	const uint32_t header[3] = { window, vocabulary, windows };
	elm_status status = elm__writer_write(writer, magic, sizeof(magic), error);

	if (!status)
		status = elm__writer_write(writer, header, sizeof(header), error);
	if (!status)
		status = elm__writer_write(writer, tokens,
					   (size_t)windows * window * sizeof(*tokens), error);
	return status;
}

elm_status elm__base_write_row(elm__writer *writer, const float *logits, uint32_t vocabulary,
			       uint16_t *codes, elm_error *error)
{
	float best = elm__logits_best(logits, vocabulary), least = best, line[2];

	for (uint32_t i = 0; i < vocabulary; i++)
		least = fminf(least, logits[i]);
	least = fmaxf(least, best + ELM__BASE_FLOOR);
	line[0] = (best - least) / CODES;
	line[1] = least - best - (float)log(elm__logits_mass(logits, vocabulary, best, 1));
	memset(codes, 0, row_bytes(vocabulary));
	memcpy(codes, line, sizeof(line));
	for (uint32_t i = 0; line[0] > 0 && i < vocabulary; i++)
		if (logits[i] > least)
			codes[PREFIX_CODES + i] = (uint16_t)lrintf(
				fminf((logits[i] - least) / line[0], (float)CODES));
	return elm__writer_write(writer, codes, row_bytes(vocabulary), error);
}
