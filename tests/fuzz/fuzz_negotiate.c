/* Headers by which clients say what they take and have: one on each line of the input. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "http/negotiate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

static void check(const char *header)
{
	elm__buf longer = ELM__BUF_INIT;
	bool gzip = elm__http_accepts_coding(header, "gzip");

	/* The first item that names it decides, whatever follows. */
	elm__buf_printf(&longer, "gzip, %s", header);
	require(elm__http_accepts_coding(elm__buf_text(&longer), "gzip"), "it was taken");
	elm__buf_clear(&longer);
	elm__buf_printf(&longer, "gzip;q=0, %s", header);
	require(!elm__http_accepts_coding(elm__buf_text(&longer), "gzip"), "it was refused");
	elm__buf_clear(&longer);
	elm__buf_printf(&longer, "%s,", header);
	require(elm__http_accepts_coding(elm__buf_text(&longer), "gzip") == gzip, "an empty item");

	elm__buf_printf(&longer, "\"tag\"");
	require(elm__http_has_tag(elm__buf_text(&longer), "\"tag\""), "the tag is there");
	if (elm__http_has_tag(header, "\"tag\""))
		require(strstr(header, "\"tag\"") || strchr(header, '*'), "a tag was found");
	elm__buf_release(&longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	elm__buf text = ELM__BUF_INIT;
	char *line, *rest;

	elm__buf_append(&text, data, size);
	elm__buf_putc(&text, '\0');
	for (line = strtok_r(text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		check(line);
	elm__buf_release(&text);
	return 0;
}
