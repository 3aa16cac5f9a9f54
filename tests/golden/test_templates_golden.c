/*
 * Templates of published models, rendered with conversations, tools and tool calls, against the
 * prompts that another program made of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/json.h"
#include "jinja/jinja.h"
#include "support.h"

enum { RECORDED_AT = 1795176000 }; /* 2026-11-20, noon UTC: some templates print the date */

static size_t cases;

/* The recorded prompts lack the BOS token at their start, which a tokenizer adds. */
static void check_case(const char *path, size_t index, const elm_chat_template *chat_template,
		       const json_t *entry)
{
	elm__jinja_options options = { .limits = elm_chat_template_default_limits(),
				       .fixed_time = true,
				       .now = RECORDED_AT };
	const json_t *want = json_object_get(entry, "prompt");
	json_t *context = json_deep_copy(json_object_get(entry, "request"));
	elm_error error = { 0 };
	size_t length, bos;
	char *prompt;

	json_object_set_new(context, "bos_token", json_string("<s>"));
	json_object_set_new(context, "eos_token", json_string("</s>"));
	json_object_set_new(context, "add_generation_prompt", json_true());
	if (elm__chat_render(chat_template, context, &options, &prompt, &length, &error)) {
		if (want)
			fail_msg("%s #%zu: %s", path, index, error.text);
		assert_string_not_equal(error.text, "");
	} else {
		if (!want)
			fail_msg("%s #%zu: no error, but \"%s\"", path, index, prompt);
		bos = strncmp(prompt, "<s>", 3) ? 0 : 3;
		assert_string_equal(prompt + bos, json_string_value(want));
		assert_int_equal(length - bos, json_string_length(want));
	}
	elm__free(prompt);
	json_decref(context);
	cases++;
}

static void check_template(const char *path)
{
	elm__buf source = ELM__BUF_INIT, name = ELM__BUF_INIT;
	elm_chat_template *chat_template;
	elm_error error = { 0 };
	json_t *list;
	size_t i;

	read_whole(path, &source);
	if (elm_chat_template_create(path, source.data, source.length, &chat_template, &error))
		fail_msg("%s", error.text);
	elm__buf_append(&name, path, strlen(path) - strlen("jinja"));
	elm__buf_puts(&name, "json");
	if (elm__json_read(name.data, 1 << 24, &list, &error))
		fail_msg("%s", error.text);
	assert_true(json_array_size(list) > 0);
	for (i = 0; i < json_array_size(list); i++)
		check_case(path, i, chat_template, json_array_get(list, i));
	json_decref(list);
	elm_chat_template_free(chat_template);
	elm__buf_release(&source);
	elm__buf_release(&name);
}

static void every_recorded_prompt(void **state)
{
	size_t files = golden_each("templates", ".jinja", check_template);

	if (!files)
		skip();
	printf("%zu prompts of %zu templates are equal\n", cases, files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_recorded_prompt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
