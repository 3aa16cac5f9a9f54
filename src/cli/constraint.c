#include "cli/constraint.h"

#include <string.h>

#include "base/file.h"

enum { MAX_FILE = 1 << 20 };

#define S cli_constraint_settings
const cli_option cli_constraint_options[] = {
	{ "grammar", 0, CLI_FILE(S, grammar), "FILE", "text of a grammar in the GBNF notation" },
	{ "json-schema", 0, CLI_FILE(S, schema), "FILE|TEXT",
	  "JSON that a schema accepts; what begins with { is the schema itself" },
	{ "json-object", 0, CLI_FLAG(S, object), NULL, "any JSON object" },
	{ 0 },
};
#undef S

typedef elm_status read_fn(const char *text, size_t length, elm_grammar **out, elm_error *error);

static elm_status read_file(const char *path, read_fn *read, elm_grammar **out, elm_error *error)
{
	elm__buf text = ELM__BUF_INIT;
	elm_status status = elm__file_read(path, MAX_FILE, &text, error);

	if (!status) {
		status = read(elm__buf_text(&text), text.length, out, error);
		if (status)
			status = elm_error_prefix(error, "%s", path);
	}
	elm__buf_release(&text);
	return status;
}

elm_status cli_read_grammar(const cli_constraint_settings *s, elm_grammar **out, elm_error *error)
{
	*out = NULL;
	if (s->grammar)
		return read_file(s->grammar, elm_grammar_create_gbnf, out, error);
	if (s->schema && s->schema[strspn(s->schema, " \t\r\n")] == '{')
		return elm_grammar_create_schema(s->schema, strlen(s->schema), out, error);
	if (s->schema)
		return read_file(s->schema, elm_grammar_create_schema, out, error);
	return s->object ? elm_grammar_create_json(out, error) : ELM_OK;
}

elm_status cli_constrain(elm_grammar *grammar, const elm_tokenizer *tokenizer, elm_constraint **out,
			 elm_error *error)
{
	elm_lexicon *lexicon;
	elm_status status;

	*out = NULL;
	if (!grammar)
		return ELM_OK;
	status = elm_lexicon_create(tokenizer, &lexicon, error);
	if (!status) {
		status = elm_constraint_create(grammar, lexicon, out, error);
		elm_lexicon_free(lexicon);
	}
	elm_grammar_free(grammar);
	return status;
}
