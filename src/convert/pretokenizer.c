/*
 * pretokenizer.c: how a tokenizer.json says the rule that GGUF knows by name (src/tokenizer/split.c
 * has the rules themselves).
 *
 * A description is brought into a plain form of steps, one per line, which a table knows:
 *     S PATTERN   cut out what the pattern matches
 *     D           cut out single digits
 *     B           bytes, words cut by the rule of GPT-2
 *     b           bytes, nothing cut
 */
#include <string.h>

#include "base/buffer.h"
#include "convert/vocabulary.h"

#define CL100K(digits)                                                         \
	"S (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits \
	"| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+\nb\n"
#define DEEPSEEK_CODER                               \
	"S [\\r\\n]\nS \\s?\\p{L}+\nS \\s?\\p{P}+\n" \
	"S [\xe4\xb8\x80-\xe9\xbe\xa5\xe0\xa0\x80-\xe4\xb8\x80\xea\xb0\x80-\xed\x9f\xbf]+\nD\nb\n"

/* Of several names with one rule, the first is the one that a description is given. */
static const struct {
	const char *name, *form;
	bool whole_words;
} names[] = {
	{ "llama-bpe", CL100K("\\p{N}{1,3}"), true },
	{ "llama3", CL100K("\\p{N}{1,3}"), true },
	{ "llama-v3", CL100K("\\p{N}{1,3}"), true },
	{ "falcon3", CL100K("\\p{N}{1,3}"), true },
	{ "dbrx", CL100K("\\p{N}{1,3}"), false },
	{ "smaug-bpe", CL100K("\\p{N}{1,3}"), false },
	{ "qwen2", CL100K("\\p{N}"), false },
	{ "deepseek-r1-qwen", CL100K("\\p{N}"), false },
	{ "megrez", CL100K("\\p{N}"), false },
	{ "gpt-2", "B\n", false },
	{ "smollm", "D\nB\n", false },
	{ "starcoder", "D\nB\n", false },
	{ "refact", "D\nB\n", false },
	{ "command-r", "D\nB\n", false },
	{ "codeshell", "D\nB\n", false },
	{ "deepseek-coder", DEEPSEEK_CODER, false },
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };

static bool is_text(const json_t *object, const char *key, const char *text)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value && !strcmp(value, text);
}

/* False for a step that has no plain form. */
static bool put_step(elm__buf *form, const json_t *step)
{
	const json_t *list = json_object_get(step, "pretokenizers");
	const char *pattern;
	size_t i;

	if (is_text(step, "type", "Sequence")) {
		for (i = 0; i < json_array_size(list); i++)
			if (is_text(json_array_get(list, i), "type", "Sequence") ||
			    !put_step(form, json_array_get(list, i)))
				return false;
		return true;
	}
	if (is_text(step, "type", "ByteLevel")) {
		elm__buf_puts(form,
			      json_is_false(json_object_get(step, "use_regex")) ? "b\n" : "B\n");
		return !json_is_true(json_object_get(step, "add_prefix_space"));
	}
	if (is_text(step, "type", "Digits")) {
		elm__buf_puts(form, "D\n");
		return json_is_true(json_object_get(step, "individual_digits"));
	}
	pattern = json_string_value(json_object_get(json_object_get(step, "pattern"), "Regex"));
	if (!is_text(step, "type", "Split") || !is_text(step, "behavior", "Isolated") ||
	    json_is_true(json_object_get(step, "invert")) || !pattern)
		return false;
	elm__buf_printf(form, "S %s\n", pattern);
	return true;
}

elm_status elm__pretokenizer_name(const json_t *description, bool whole_words, const char **name,
				  elm_error *error)
{
	elm__buf form = ELM__BUF_INIT;
	const char *same_rule = NULL;
	bool plain = put_step(&form, description);
	elm_status status = elm__buf_status(&form, error);

	*name = NULL;
	for (size_t i = 0; i < NAMES && plain && !*name && status == ELM_OK; i++) {
		if (strcmp(names[i].form, elm__buf_text(&form)) != 0)
			continue;
		if (names[i].whole_words == whole_words)
			*name = names[i].name;
		else if (!same_rule)
			same_rule = names[i].name;
	}
	if (!*name)
		*name = same_rule;
	elm__buf_release(&form);
	return status;
}

static json_t *bytes_step(bool cut)
{
	return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0,
			 "trim_offsets", 1, "use_regex", (int)cut);
}

static json_t *make_step(const char *line, size_t length)
{
	if (*line == 'S')
		return json_pack("{s:s, s:{s:s%}, s:s, s:b}", "type", "Split", "pattern", "Regex",
				 line + 2, length - 2, "behavior", "Isolated", "invert", 0);
	if (*line == 'D')
		return json_pack("{s:s, s:b}", "type", "Digits", "individual_digits", 1);
	return bytes_step(*line == 'B');
}

json_t *elm__pretokenizer_describe(const char *name)
{
	const char *form = NULL, *end;
	json_t *steps = json_array();

	for (size_t i = 0; i < NAMES && !form; i++)
		if (!strcmp(names[i].name, name))
			form = names[i].form;
	for (; form && *form && steps; form = end + 1) {
		end = strchr(form, '\n');
		if (json_array_append_new(steps, make_step(form, (size_t)(end - form))) != 0)
			break;
	}
	if (!form || *form) {
		json_decref(steps);
		return NULL;
	}
	return json_pack("{s:s, s:o}", "type", "Sequence", "pretokenizers", steps);
}
