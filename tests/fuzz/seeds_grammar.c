/* Seeds of fuzz_gbnf and fuzz_schema: the cases of the unit tests, and bytes that choose tokens. */
#include <stdio.h>

#include "base/buffer.h"
#include "grammar_cases.h"
#include "seeds.h"

static void add(const char *corpus, const char *name, const char *source, const char *choices)
{
	elm__buf seed = ELM__BUF_INIT;

	elm__buf_puts(&seed, source);
	if (choices) {
		elm__buf_putc(&seed, '\0');
		elm__buf_puts(&seed, choices);
	}
	if (seed.failed)
		seed_fail("out of memory");
	seed_write(corpus, name, elm__buf_text(&seed), seed.length);
	elm__buf_release(&seed);
}

static void add_all(const char *corpus, const grammar_case *cases, size_t case_count,
		    const grammar_error *errors, size_t error_count)
{
	char name[64];

	for (size_t i = 0; i < case_count; i++)
		add(corpus, cases[i].name, cases[i].source, cases[i].yes[0]);
	for (size_t i = 0; i < error_count; i++) {
		snprintf(name, sizeof(name), "error-%zu", i);
		add(corpus, name, errors[i].source, NULL);
	}
}

void seeds_grammar(void)
{
	add_all("gbnf", gbnf_cases, gbnf_case_count, gbnf_errors, gbnf_error_count);
	add_all("schema", schema_cases, schema_case_count, schema_errors, schema_error_count);
}
