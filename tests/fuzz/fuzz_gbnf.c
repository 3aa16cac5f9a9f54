/* A grammar in the GBNF notation, a NUL, and bytes that choose tokens. */
#include <string.h>

#include "grammar_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\0', size) : NULL;
	size_t length = end ? (size_t)(end - data) : size;
	elm__buf text = ELM__BUF_INIT;
	elm_error error = { 0 };
	elm_grammar *grammar;

	if (elm_grammar_create_gbnf((const char *)data, length, &grammar, &error)) {
		walk_require(!grammar && error.text[0], "a failure says why");
		return 0;
	}
	(void)walk_grammar(grammar, data + length, size - length, 64, &text);
	elm_grammar_free(grammar);
	elm__buf_release(&text);
	return 0;
}
