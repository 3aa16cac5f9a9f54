/* Requests of every dialect, from text to struct, without a socket. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/request.h"
#include "support.h"

static const char hi[] = "\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]";

static elm_status parse(elm__api api, const char *text, elm__api_request *request, elm_error *error)
{
	elm_sampler_options defaults = elm_sampler_defaults();

	return elm__api_request_parse(request, api, &defaults, text, strlen(text), error);
}

/* A request of the dialect with one more field. The caller releases it. */
static elm__api_request with(elm__api api, const char *field)
{
	elm__api_request request;
	elm_error error = { 0 };
	char text[600];

	snprintf(text, sizeof(text), "{%s%s%s}", api == ELM__API_CHAT ? hi : "\"prompt\": \"a\"",
		 *field ? ", " : "", field);
	if (parse(api, text, &request, &error))
		fail_msg("%s: %s", field, error.text);
	return request;
}

static void refuse(elm__api api, const char *field, const char *part)
{
	elm__api_request request;
	elm_error error = { 0 };
	char text[600];

	snprintf(text, sizeof(text), "{%s, %s}", api == ELM__API_CHAT ? hi : "\"prompt\": \"a\"",
		 field);
	assert_int_not_equal(parse(api, text, &request, &error), ELM_OK);
	assert_contains(error.text, part);
	assert_null(request.root);
}

static void test_defaults(void **state)
{
	elm_sampler_options defaults = elm_sampler_defaults();
	elm__api_request r = with(ELM__API_CHAT, "");

	assert_int_equal(json_array_size(r.messages), 1);
	assert_int_equal(r.choices, 1);
	assert_int_equal(r.max_tokens, -1);
	assert_true(r.sampling.temperature == defaults.temperature);
	assert_true(r.sampling.top_p == defaults.top_p);
	assert_false(r.seeded || r.stream || r.logprobs || r.ignore_eos || r.no_cache);
	assert_int_equal(r.form, ELM__FORM_FREE);
	elm__api_request_release(&r);
}

static void test_numbers(void **state)
{
	elm__api_request r = with(ELM__API_CHAT,
				  "\"temperature\": 0, \"top_p\": 0.5, \"top_k\": -1, \"seed\": 7, "
				  "\"max_tokens\": 9, \"n\": 3, \"presence_penalty\": -1.5, "
				  "\"mirostat\": 2, \"priority\": -2, \"cache_prompt\": false");

	assert_true(r.sampling.temperature == 0 && r.sampling.top_p == 0.5f);
	assert_int_equal(r.sampling.top_k, 0);
	assert_true(r.seeded && r.sampling.seed == 7);
	assert_int_equal(r.max_tokens, 9);
	assert_int_equal(r.choices, 3);
	assert_true(r.sampling.presence_penalty == -1.5f);
	assert_true(r.sampling.mirostat_tau == 5);
	assert_int_equal(r.priority, -2);
	assert_true(r.no_cache);
	elm__api_request_release(&r);

	/* Every spelling of "any seed", and of the length. */
	r = with(ELM__API_CHAT, "\"seed\": -1, \"max_completion_tokens\": 4");
	assert_false(r.seeded);
	assert_int_equal(r.max_tokens, 4);
	elm__api_request_release(&r);
	r = with(ELM__API_COMPLETION, "\"seed\": 4294967295, \"n_predict\": 5");
	assert_false(r.seeded);
	assert_int_equal(r.max_tokens, 5);
	elm__api_request_release(&r);
}

static void test_null_is_absent(void **state)
{
	elm__api_request r =
		with(ELM__API_CHAT, "\"temperature\": null, \"stop\": null, \"tools\": null, "
				    "\"response_format\": null, \"stream_options\": null, "
				    "\"logit_bias\": null, \"n\": null, \"seed\": null");

	assert_int_equal(r.choices, 1);
	assert_int_equal(r.stop_count, 0);
	assert_null(r.tools);
	elm__api_request_release(&r);
}

static void test_stops(void **state)
{
	elm__api_request r = with(ELM__API_CHAT, "\"stop\": \"END\"");

	assert_int_equal(r.stop_count, 1);
	assert_string_equal(r.stop[0], "END");
	elm__api_request_release(&r);
	r = with(ELM__API_CHAT, "\"stop\": [\"a\", \"\", \"b\"]");
	assert_int_equal(r.stop_count, 2);
	assert_string_equal(r.stop[1], "b");
	elm__api_request_release(&r);
	refuse(ELM__API_CHAT, "\"stop\": {}", "'stop'");
	refuse(ELM__API_CHAT, "\"stop\": [\"a\\u0000b\"]", "NUL");
	refuse(ELM__API_CHAT,
	       "\"stop\": [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"0\",\"1\","
	       "\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"0\",\"1\",\"2\",\"3\",\"4\","
	       "\"5\",\"6\",\"7\",\"8\",\"9\",\"0\",\"1\",\"2\",\"3\"]",
	       "more than 32");
}

static void test_bias(void **state)
{
	elm__api_request r = with(ELM__API_CHAT, "\"logit_bias\": {\"5\": 1.5, \"8\": -100}");

	assert_int_equal(r.sampling.bias_count, 2);
	assert_int_equal(r.sampling.bias[0].token, 5);
	assert_true(r.sampling.bias[0].bias == 1.5f);
	elm__api_request_release(&r);
	r = with(ELM__API_COMPLETION, "\"logit_bias\": [[5, false], [6, 2]]");
	assert_true(isinf(r.sampling.bias[0].bias) && r.sampling.bias[0].bias < 0);
	assert_int_equal(r.sampling.bias[1].token, 6);
	elm__api_request_release(&r);
	refuse(ELM__API_CHAT, "\"logit_bias\": 1", "logit_bias");
	refuse(ELM__API_CHAT, "\"logit_bias\": {\"-5\": 1}", "logit_bias");
	refuse(ELM__API_CHAT, "\"logit_bias\": {\"5\": \"x\"}", "logit_bias");
	refuse(ELM__API_CHAT, "\"logit_bias\": [[5]]", "pairs");
	refuse(ELM__API_CHAT, "\"logit_bias\": [[\"hello\", 1]]", "numbers");
}

static void test_forms(void **state)
{
	elm__api_request r =
		with(ELM__API_CHAT, "\"response_format\": {\"type\": \"json_object\"}");

	assert_int_equal(r.form, ELM__FORM_JSON);
	elm__api_request_release(&r);
	r = with(ELM__API_CHAT, "\"response_format\": {\"type\": \"json_schema\", \"json_schema\": "
				"{\"name\": \"n\", \"schema\": {\"type\": \"null\"}}}");
	assert_int_equal(r.form, ELM__FORM_SCHEMA);
	assert_string_equal(r.schema, "{\"type\":\"null\"}");
	elm__api_request_release(&r);
	r = with(ELM__API_COMPLETION, "\"json_schema\": {}, \"grammar\": \"\"");
	assert_int_equal(r.form, ELM__FORM_SCHEMA);
	elm__api_request_release(&r);
	r = with(ELM__API_COMPLETION, "\"grammar\": \"root ::= [a]\"");
	assert_int_equal(r.form, ELM__FORM_GRAMMAR);
	assert_string_equal(r.grammar, "root ::= [a]");
	elm__api_request_release(&r);
	refuse(ELM__API_COMPLETION, "\"json_schema\": {}, \"grammar\": \"x\"", "together");
	refuse(ELM__API_CHAT, "\"response_format\": {\"type\": \"json_schema\"}", "missing");
	refuse(ELM__API_CHAT, "\"response_format\": {\"type\": \"xml\"}", "\"xml\"");
	refuse(ELM__API_CHAT, "\"response_format\": []", "an object");
	refuse(ELM__API_COMPLETION, "\"json_schema\": 1", "JSON schema");
}

static void test_logprobs(void **state)
{
	elm__api_request r = with(ELM__API_CHAT, "\"logprobs\": true, \"top_logprobs\": 4");

	assert_true(r.logprobs && r.top_logprobs == 4);
	elm__api_request_release(&r);
	r = with(ELM__API_COMPLETIONS, "\"logprobs\": 0");
	assert_true(r.logprobs && r.top_logprobs == 0);
	elm__api_request_release(&r);
	r = with(ELM__API_COMPLETION, "\"n_probs\": 0");
	assert_false(r.logprobs);
	elm__api_request_release(&r);
	refuse(ELM__API_CHAT, "\"top_logprobs\": 4", "'logprobs'");
	refuse(ELM__API_CHAT, "\"logprobs\": true, \"top_logprobs\": 21", "top_logprobs");
}

static void test_what_we_do_not_have(void **state)
{
	elm__api_request r = with(ELM__API_COMPLETION,
				  "\"dry_multiplier\": 0.0, \"top_n_sigma\": -1, \"lora\": [], "
				  "\"suffix\": \"\", \"best_of\": 1, \"echo\": false, \"x\": {}");

	elm__api_request_release(&r);
	refuse(ELM__API_COMPLETION, "\"xtc_probability\": 0.5", "xtc_probability");
	refuse(ELM__API_COMPLETIONS, "\"suffix\": \"end\"", "suffix");
	refuse(ELM__API_COMPLETIONS, "\"echo\": true, \"logprobs\": 1", "echo");
	refuse(ELM__API_COMPLETIONS, "\"best_of\": 2, \"n\": 3", "best_of");
	refuse(ELM__API_COMPLETIONS, "\"best_of\": 2, \"stream\": true", "stream");
	refuse(ELM__API_CHAT, "\"reasoning_format\": \"loud\"", "reasoning_format");
	refuse(ELM__API_COMPLETION, "\"mirostat\": 1", "version 1");
}

static void test_developers_are_the_system(void **state)
{
	static const char text[] =
		"{\"messages\": [{\"role\": \"developer\", \"content\": \"x\"}]}";
	elm__api_request r;

	assert_int_equal(parse(ELM__API_CHAT, text, &r, NULL), ELM_OK);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(r.messages, 0), "role")),
		"system");
	elm__api_request_release(&r);
}

static void test_choices_and_thoughts(void **state)
{
	elm__api_request r = with(ELM__API_COMPLETIONS, "\"n\": 2, \"best_of\": 5, \"echo\": true");

	assert_int_equal(r.returned, 2);
	assert_int_equal(r.choices, 5);
	assert_true(r.echo);
	elm__api_request_release(&r);
	r = with(ELM__API_CHAT, "\"n\": 3, \"best_of\": 1, \"reasoning_format\": \"none\"");
	assert_int_equal(r.returned, 3);
	assert_int_equal(r.choices, 3);
	assert_int_equal(r.reasoning, ELM__REASONING_NONE);
	elm__api_request_release(&r);
	r = with(ELM__API_CHAT, "\"reasoning_format\": \"auto\"");
	assert_int_equal(r.reasoning, ELM__REASONING_APART);
	elm__api_request_release(&r);
}

static void test_prompts(void **state)
{
	static const char *const fine[] = { "\"\"", "\"a\"", "[1, 2]", "[\"a\", [1], \"b\"]" };
	static const char *const wrong[] = { "[]",   "null", "1",     "{}",
					     "[[]]", "[-1]", "[1.5]", "[\"a\", 1]" };
	elm__api_request r;
	elm_error error = { 0 };
	char text[80];

	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		snprintf(text, sizeof(text), "{\"prompt\": %s}", fine[i]);
		assert_int_equal(parse(ELM__API_COMPLETION, text, &r, &error), ELM_OK);
		elm__api_request_release(&r);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text), "{\"prompt\": %s}", wrong[i]);
		assert_int_equal(parse(ELM__API_COMPLETION, text, &r, &error), ELM_ERR_ARGUMENT);
		assert_contains(error.text, "'prompt");
	}
}

static void test_tools(void **state)
{
	elm__api_request r =
		with(ELM__API_CHAT, "\"tools\": [{\"type\": \"function\", \"function\": {\"name\": "
				    "\"f\"}}], \"chat_template_kwargs\": {\"x\": 1}");

	assert_int_equal(json_array_size(r.tools), 1);
	assert_true(json_object_get(r.extra, "tools") == r.tools);
	assert_int_equal(json_integer_value(json_object_get(r.extra, "x")), 1);
	elm__api_request_release(&r);
	r = with(ELM__API_CHAT, "\"tools\": [{\"function\": {\"name\": \"f\"}}], "
				"\"tool_choice\": \"none\"");
	assert_null(r.tools);
	assert_null(json_object_get(r.extra, "tools"));
	elm__api_request_release(&r);
	refuse(ELM__API_CHAT, "\"tools\": {}", "'tools'");
	refuse(ELM__API_CHAT, "\"tools\": [{}]", "'tools[0]'");
	refuse(ELM__API_CHAT, "\"tool_choice\": 1", "tool_choice");
	refuse(ELM__API_CHAT, "\"chat_template_kwargs\": 1", "chat_template_kwargs");
}

static void test_not_json(void **state)
{
	static const char *const texts[] = { "", "{", "{bad json", "{\"a\": 1, \"a\": 2}", "\xff" };
	elm__api_request r;
	elm_error error = { 0 };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(parse(ELM__API_CHAT, texts[i], &r, &error), ELM_ERR_FORMAT);
	assert_int_equal(parse(ELM__API_CHAT, "[]", &r, &error), ELM_ERR_ARGUMENT);
	assert_contains(error.text, "object");
}

static elm_status parse_and_release(void *user, elm_error *error)
{
	elm__api_request r;
	elm_status status = parse(ELM__API_CHAT, user, &r, error);

	if (!status)
		elm__api_request_release(&r);
	return status;
}

static void test_out_of_memory(void **state)
{
	char text[600];

	snprintf(
		text, sizeof(text),
		"{%s, \"logit_bias\": {\"1\": 2}, \"response_format\": {\"type\": \"json_schema\", "
		"\"schema\": {}}}",
		hi);
	assert_true(fail_each_allocation(parse_and_release, text) >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_null_is_absent),
		cmocka_unit_test(test_stops),
		cmocka_unit_test(test_bias),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_logprobs),
		cmocka_unit_test(test_what_we_do_not_have),
		cmocka_unit_test(test_developers_are_the_system),
		cmocka_unit_test(test_choices_and_thoughts),
		cmocka_unit_test(test_prompts),
		cmocka_unit_test(test_tools),
		cmocka_unit_test(test_not_json),
		cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
