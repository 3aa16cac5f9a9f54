#include "grammar/grammar.h"

#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "grammar/json.h"

enum { MAX_TEXT = 1 << 20 };

static elm_status compile(const elm__rules *rules, elm_grammar **out, elm_error *error)
{
	elm_grammar *grammar = elm__calloc(1, sizeof(*grammar));
	elm_status status;

	if (!grammar)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a grammar");
	status = elm__program_init(&grammar->program, rules, error);
	if (status) {
		elm__free(grammar);
		return status;
	}
	atomic_init(&grammar->references, 1);
	pthread_mutex_init(&grammar->lock, NULL); /* cannot fail without attributes */
	*out = grammar;
	return ELM_OK;
}

static elm_status check_size(size_t length, elm_error *error)
{
	if (length > MAX_TEXT)
		return elm_error_set(error, ELM_ERR_LIMIT,
				     "the grammar has %zu bytes; at most %d are allowed", length,
				     MAX_TEXT);
	return ELM_OK;
}

elm_status elm_grammar_create_gbnf(const char *text, size_t length, elm_grammar **out,
				   elm_error *error)
{
	elm_status status = check_size(length, error);
	elm__rules rules;

	*out = NULL;
	if (status)
		return status;
	elm__rules_init(&rules);
	status = elm__gbnf_read(&rules, text, length, error);
	if (!status)
		status = compile(&rules, out, error);
	elm__rules_release(&rules);
	return status;
}

static elm_status create_from(const json_t *schema, elm_grammar **out, elm_error *error)
{
	elm__rules rules;
	elm_status status;

	elm__rules_init(&rules);
	status = elm__schema_read(&rules, schema, error);
	if (!status)
		status = compile(&rules, out, error);
	elm__rules_release(&rules);
	return status;
}

elm_status elm_grammar_create_schema(const char *json, size_t length, elm_grammar **out,
				     elm_error *error)
{
	elm_status status = check_size(length, error);
	json_t *schema;

	*out = NULL;
	if (!status)
		status = elm__json_parse("schema", json, length, &schema, error);
	if (status)
		return status;
	status = create_from(schema, out, error);
	json_decref(schema);
	return status;
}

elm_status elm_grammar_create_json(elm_grammar **out, elm_error *error)
{
	elm__rules rules;
	elm__json json = { .rules = &rules };
	elm_status status;

	*out = NULL;
	elm__rules_init(&rules);
	rules.root = elm__json_rule(&json, ELM__JSON_OBJECT);
	status = elm__rules_status(&rules, error);
	if (!status)
		status = compile(&rules, out, error);
	elm__rules_release(&rules);
	return status;
}

void elm_grammar_free(elm_grammar *grammar)
{
	elm__matcher *matcher, *next;

	if (!grammar || atomic_fetch_sub(&grammar->references, 1) != 1)
		return;
	for (matcher = grammar->matchers; matcher; matcher = next) {
		next = matcher->next;
		elm__matcher_free(matcher);
	}
	elm__program_release(&grammar->program);
	pthread_mutex_destroy(&grammar->lock);
	elm__free(grammar);
}
