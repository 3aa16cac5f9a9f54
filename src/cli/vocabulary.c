#include "cli/vocabulary.h"

#include "base/file.h"

elm_status cli_open_tokenizer(const char *path, elm_tokenizer **out, elm_error *error)
{
	elm_gguf *gguf;
	elm_status status = elm_gguf_open(path, &gguf, error);

	*out = NULL;
	if (status)
		return status;
	status = elm_tokenizer_create(gguf, out, error);
	elm_gguf_close(gguf);
	return status;
}

elm_status cli_read_text(const char *text, const char *file, elm__buf *out, elm_error *error)
{
	if (text) {
		elm__buf_puts(out, text);
		return elm__buf_status(out, error);
	}
	return elm__file_read(file ? file : "-", INT32_MAX, out, error);
}
