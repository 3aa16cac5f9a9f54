/* A JSON schema, a NUL, and bytes that choose tokens. A text that ends is JSON, and valid. */
#include <stdio.h>
#include <string.h>

#include "grammar_walk.h"
#include "schema_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *source, size_t length, const elm__buf *text)
{
	json_t *schema = json_loadb(source, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	json_t *value = json_loadb(elm__buf_text(text), text->length,
				   JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	if (!value || !schema_accepts(schema, value))
		fprintf(stderr, "the text: %s\n", elm__buf_text(text));
	walk_require(value, "a text that ends is JSON");
	walk_require(schema_accepts(schema, value), "a text that ends is valid");
	json_decref(value);
	json_decref(schema);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *source = (const char *)data;
	const uint8_t *end = size ? memchr(data, '\0', size) : NULL;
	size_t length = end ? (size_t)(end - data) : size;
	elm__buf text = ELM__BUF_INIT;
	elm_error error = { 0 };
	elm_grammar *grammar;

	if (elm_grammar_create_schema(source, length, &grammar, &error)) {
		walk_require(!grammar && error.text[0], "a failure says why");
		return 0;
	}
	if (walk_grammar(grammar, data + length, size - length, 200, &text))
		check(source, length, &text);
	elm_grammar_free(grammar);
	elm__buf_release(&text);
	return 0;
}
