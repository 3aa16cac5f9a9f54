/* Seeds of fuzz_jinja: the cases of the unit tests, and whole templates with a conversation. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "jinja_cases.h"
#include "seeds.h"

static void add(const char *name, const char *source, const char *context)
{
	elm__buf seed = ELM__BUF_INIT;

	elm__buf_puts(&seed, source);
	if (context) {
		elm__buf_putc(&seed, '\0');
		elm__buf_puts(&seed, context);
	}
	if (seed.failed)
		seed_fail("out of memory");
	seed_write("jinja", name, elm__buf_text(&seed), seed.length);
	elm__buf_release(&seed);
}

void seeds_jinja(void)
{
	char name[64];
	size_t i, j;

	for (i = 0; i < jinja_template_count; i++) {
		add(jinja_templates[i].name, jinja_templates[i].source, NULL);
		snprintf(name, sizeof(name), "%s-conversation", jinja_templates[i].name);
		add(name, jinja_templates[i].source, jinja_conversation);
	}
	for (i = 0; i < jinja_group_count; i++) {
		for (j = 0; j < jinja_groups[i].count; j++) {
			const jinja_case *c = &jinja_groups[i].cases[j];

			snprintf(name, sizeof(name), "%s-%zu", jinja_groups[i].name, j);
			add(name, c->source, c->context ? c->context : "{}");
		}
	}
}
