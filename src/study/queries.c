#include "study/queries.h"

#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/text.h"
#include "study/embedded.h"

const char *const elm__category_names[ELM__CATEGORY_COUNT] = {
	"complex", "contextual", "conversational", "simple", "task-oriented",
};

const char *elm__category_name(elm__category category)
{
	return elm__category_names[category];
}

elm__category elm__category_of(const char *name)
{
	elm__category category = 0;

	while (category < ELM__CATEGORY_COUNT && strcmp(elm__category_names[category], name) != 0)
		category++;
	return category;
}

/* A line without its end; *text moves behind it. */
static size_t next_line(const char **text, const char *end, const char **line)
{
	const char *newline = memchr(*text, '\n', (size_t)(end - *text));
	const char *stop = newline ? newline : end;

	*line = *text;
	*text = newline ? newline + 1 : end;
	return (size_t)(stop - *line) - (stop > *line && stop[-1] == '\r');
}

static elm_status check_line(const char *name, size_t number, const char *line, size_t length,
			     elm_error *error)
{
	if (length > ELM__QUERY_LIMIT)
		return elm_error_set(error, ELM_ERR_LIMIT,
				     "%s:%zu: the query has %zu bytes, more than %d are refused",
				     name, number, length, ELM__QUERY_LIMIT);
	if (!elm__utf8_valid(line, length))
		return elm_error_set(error, ELM_ERR_FORMAT, "%s:%zu: the line is not UTF-8", name,
				     number);
	for (size_t i = 0; i < length; i++)
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
			return elm_error_set(
				error, ELM_ERR_FORMAT,
				"%s:%zu: there is a control character (%d) in the line", name,
				number, line[i]);
	return ELM_OK;
}

static elm_status keep_line(elm__queries *out, size_t *room, const char *line, size_t length,
			    elm_error *error)
{
	if (out->count == *room) {
		size_t more = *room ? *room * 2 : 128;
		const char **grown = elm__arena_alloc(&out->arena, more * sizeof(*grown));

		if (!grown)
			return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for queries");
		if (out->count)
			memcpy(grown, out->texts, out->count * sizeof(*grown));
		out->texts = grown;
		*room = more;
	}
	out->texts[out->count] = elm__arena_strndup(&out->arena, line, length);
	if (!out->texts[out->count])
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for queries");
	out->count++;
	return ELM_OK;
}

elm_status elm__queries_parse(const char *name, const char *text, size_t length, elm__queries *out,
			      elm_error *error)
{
	const char *end = text + length, *line;
	size_t room = 0;

	memset(out, 0, sizeof(*out));
	elm__arena_init(&out->arena, 0);
	for (size_t number = 1; text < end; number++) {
		size_t bytes = next_line(&text, end, &line);
		elm_status status = check_line(name, number, line, bytes, error);
		uint32_t first;

		if (status != ELM_OK)
			return status;
		if (bytes == elm__utf8_decode(line, bytes, &first))
			continue; /* one character, or none */
		if (out->count == ELM__QUERIES_LIMIT)
			return elm_error_set(error, ELM_ERR_LIMIT,
					     "%s:%zu: more than %d queries are refused", name,
					     number, ELM__QUERIES_LIMIT);
		status = keep_line(out, &room, line, bytes, error);
		if (status != ELM_OK)
			return status;
	}
	if (!out->count)
		return elm_error_set(error, ELM_ERR_FORMAT, "%s: there is no query in it", name);
	return ELM_OK;
}

static const elm__embedded *own(const char *name)
{
	const elm__embedded *file = elm__query_files;

	while (strcmp(file->name, name) != 0)
		file++;
	return file;
}

elm_status elm__queries_read(const char *folder, elm__category category, elm__queries *out,
			     elm_error *error)
{
	/* Enough for as many queries as there may be, at a few hundred bytes each. */
	enum { FILE_LIMIT = 16 << 20 };
	elm__buf path = ELM__BUF_INIT, text = ELM__BUF_INIT;
	elm_status status;

	memset(out, 0, sizeof(*out));
	if (folder)
		elm__buf_printf(&path, "%s/", folder);
	elm__buf_printf(&path, "%s.txt", elm__category_names[category]);
	status = elm__buf_status(&path, error);
	if (status == ELM_OK && folder) {
		status = elm__file_read(path.data, FILE_LIMIT, &text, error);
		if (status == ELM_OK)
			status = elm__queries_parse(path.data, elm__buf_text(&text), text.length,
						    out, error);
	} else if (status == ELM_OK) {
		const elm__embedded *file = own(path.data);

		status = elm__queries_parse(file->name, file->data, file->size, out, error);
	}
	elm__buf_release(&path);
	elm__buf_release(&text);
	return status;
}

void elm__queries_release(elm__queries *queries)
{
	elm__arena_release(&queries->arena);
	memset(queries, 0, sizeof(*queries));
}
