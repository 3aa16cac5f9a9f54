/* Requests of the Responses API: what chat each of them means, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "server/request.h"
#include "server/responses_request.h"
#include "support.h"

static json_t *parse(const char *text)
{
	json_t *value = NULL;
	elm_error error = { 0 };

	if (elm__json_parse("test", text, strlen(text), &value, &error))
		fail_msg("%s", error.text);
	return value;
}

/* The request has this member of the chat that it becomes; NULL: it has none. */
static void means(const char *request, const char *key, const char *expected)
{
	json_t *root = parse(request), *chat = NULL, *wanted = expected ? parse(expected) : NULL;
	elm_error error = { 0 };
	char *got;

	if (elm__responses_to_chat(root, &chat, &error))
		fail_msg("%s: %s", request, error.text);
	got = json_dumps(json_object_get(chat, key), JSON_COMPACT | JSON_ENCODE_ANY);
	if (!json_equal(json_object_get(chat, key), wanted) && (got || wanted))
		fail_msg("%s: %s is %s, not %s", request, key, got ? got : "absent", expected);
	free(got);
	json_decref(wanted);
	json_decref(chat);
	json_decref(root);
}

static void refuse(const char *request, elm_status status, const char *part)
{
	json_t *root = parse(request), *chat;
	elm_error error = { 0 };

	assert_int_equal(elm__responses_to_chat(root, &chat, &error), status);
	assert_contains(error.text, part);
	assert_null(chat);
	json_decref(root);
}

static void test_conversations(void **state)
{
	(void)state;
	means("{\"input\": \"hi\"}", "messages", "[{\"role\": \"user\", \"content\": \"hi\"}]");
	means("{\"input\": \"hi\", \"instructions\": \"short\"}", "messages",
	      "[{\"role\": \"system\", \"content\": \"short\"},"
	      " {\"role\": \"user\", \"content\": \"hi\"}]");
	means("{\"input\": [{\"role\": \"developer\", \"content\": \"a\"}],"
	      " \"instructions\": \"b\\u0000\"}",
	      "messages", "[{\"role\": \"system\", \"content\": \"b\\u0000\\n\\na\"}]");
	means("{\"input\": [{\"type\": \"message\", \"role\": \"user\", \"content\":"
	      " [{\"type\": \"input_text\", \"text\": \"a\"},"
	      "  {\"type\": \"refusal\", \"refusal\": \"b\"},"
	      "  {\"type\": \"output_text\", \"text\": \"c\\u0000d\"}]}]}",
	      "messages", "[{\"role\": \"user\", \"content\": \"abc\\u0000d\"}]");
	means("{\"input\": []}", "messages", "[]");
}

static void test_calls_go_with_the_message_before(void **state)
{
	static const char call[] = "{\"type\": \"function_call\", \"call_id\": \"c1\", \"name\": "
				   "\"f\", \"arguments\": \"{}\", \"id\": \"fc_1\"}";
	static const char told[] = "{\"id\": \"c1\", \"type\": \"function\", \"function\": "
				   "{\"name\": \"f\", \"arguments\": \"{}\"}}";
	char request[1200], expected[1200];

	(void)state;
	snprintf(request, sizeof(request),
		 "{\"input\": [{\"role\": \"assistant\", \"content\": \"so\"}, %s, "
		 "{\"type\": \"reasoning\", \"summary\": []}, %s, {\"type\": "
		 "\"function_call_output\", \"call_id\": \"c1\", \"output\": \"7\"}, %s]}",
		 call, call, call);
	snprintf(expected, sizeof(expected),
		 "[{\"role\": \"assistant\", \"content\": \"so\", \"tool_calls\": [%s, %s]},"
		 " {\"role\": \"tool\", \"tool_call_id\": \"c1\", \"content\": \"7\"},"
		 " {\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [%s]}]",
		 told, told, told);
	means(request, "messages", expected);
}

static void test_settings(void **state)
{
	static const char tool[] = "{\"input\": \"x\", \"tools\": [{\"type\": \"function\", "
				   "\"name\": \"f\", \"parameters\": {}, \"strict\": true}], "
				   "\"tool_choice\": {\"type\": \"function\", \"name\": \"f\"}}";

	(void)state;
	means(tool, "tools",
	      "[{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {}, "
	      "\"strict\": true}}]");
	means(tool, "tool_choice", "{\"type\": \"function\", \"function\": {\"name\": \"f\"}}");
	means("{\"input\": \"x\", \"tool_choice\": \"required\"}", "tool_choice", "\"required\"");
	means("{\"input\": \"x\", \"text\": {\"format\": {\"type\": \"json_schema\", \"name\": "
	      "\"n\", \"schema\": {}}}}",
	      "response_format",
	      "{\"type\": \"json_schema\", \"json_schema\": {\"type\": \"json_schema\", \"name\": "
	      "\"n\", \"schema\": {}}}");
	means("{\"input\": \"x\", \"max_output_tokens\": 9}", "max_tokens", "9");
	means("{\"input\": \"x\", \"n\": 9, \"response_format\": 1}", "n", NULL);
	means("{\"input\": \"x\", \"reasoning\": {\"effort\": \"none\"}}", "chat_template_kwargs",
	      "{\"enable_thinking\": false}");
	means("{\"input\": \"x\", \"reasoning\": {\"effort\": \"high\"}}", "chat_template_kwargs",
	      NULL);
	means("{\"input\": \"x\", \"include\": [\"message.output_text.logprobs\"]}", "logprobs",
	      "true");
	means("{\"input\": \"x\", \"previous_response_id\": null, \"background\": false, "
	      "\"truncation\": \"disabled\", \"store\": true}",
	      "store", NULL);
}

static void test_what_is_refused(void **state)
{
	(void)state;
	refuse("{}", ELM_ERR_ARGUMENT, "'input' is missing");
	refuse("{\"input\": 1}", ELM_ERR_ARGUMENT, "input");
	refuse("{\"input\": [1]}", ELM_ERR_ARGUMENT, "input[0]");
	refuse("{\"input\": [{\"content\": \"x\"}]}", ELM_ERR_ARGUMENT, "role");
	refuse("{\"input\": [{\"role\": \"user\"}]}", ELM_ERR_ARGUMENT, "input[0]");
	refuse("{\"input\": [{\"role\": \"user\", \"content\": [{\"type\": \"input_image\"}]}]}",
	       ELM_ERR_UNSUPPORTED, "input_image");
	refuse("{\"input\": [{\"type\": \"item_reference\", \"id\": \"x\"}]}", ELM_ERR_UNSUPPORTED,
	       "item_reference");
	refuse("{\"input\": [{\"type\": \"function_call\", \"name\": \"f\"}]}", ELM_ERR_ARGUMENT,
	       "call_id");
	refuse("{\"input\": [{\"type\": \"function_call_output\", \"output\": \"\"}]}",
	       ELM_ERR_ARGUMENT, "call_id");
	refuse("{\"input\": \"x\", \"previous_response_id\": \"resp_1\"}", ELM_ERR_UNSUPPORTED,
	       "previous_response_id");
	refuse("{\"input\": \"x\", \"conversation\": \"c\"}", ELM_ERR_UNSUPPORTED, "conversation");
	refuse("{\"input\": \"x\", \"background\": true}", ELM_ERR_UNSUPPORTED, "background");
	refuse("{\"input\": \"x\", \"truncation\": \"auto\"}", ELM_ERR_UNSUPPORTED, "truncation");
	refuse("{\"input\": \"x\", \"instructions\": 1}", ELM_ERR_ARGUMENT, "instructions");
	refuse("{\"input\": \"x\", \"text\": {\"format\": {}}}", ELM_ERR_ARGUMENT, "text");
	refuse("{\"input\": \"x\", \"tools\": {}}", ELM_ERR_ARGUMENT, "tools");
	refuse("{\"input\": \"x\", \"tools\": [{\"type\": \"web_search\"}]}", ELM_ERR_UNSUPPORTED,
	       "tools[0]");
}

/* Every field that is wrong for a chat is wrong here too, and nothing is lost on the way. */
static void test_it_is_read_as_a_chat(void **state)
{
	static const char text[] = "{\"input\": \"x\", \"max_output_tokens\": 4, \"stream\": true, "
				   "\"metadata\": {\"a\": \"b\"}, \"temperature\": 0.5}";
	static const char wrong[] = "{\"input\": \"x\", \"temperature\": \"hot\"}";
	elm_sampler_options defaults = elm_sampler_defaults();
	elm__api_request r;
	elm_error error = { 0 };

	(void)state;
	assert_int_equal(elm__api_request_parse(&r, ELM__API_RESPONSES, &defaults, text,
						strlen(text), &error),
			 ELM_OK);
	assert_int_equal(json_array_size(r.messages), 1);
	assert_int_equal(r.max_tokens, 4);
	assert_true(r.stream);
	assert_true(r.sampling.temperature == 0.5f);
	assert_non_null(json_object_get(r.asked, "metadata"));
	elm__api_request_release(&r);
	assert_int_equal(elm__api_request_parse(&r, ELM__API_RESPONSES, &defaults, wrong,
						strlen(wrong), &error),
			 ELM_ERR_ARGUMENT);
	assert_contains(error.text, "temperature");
	assert_null(r.root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversations),
		cmocka_unit_test(test_calls_go_with_the_message_before),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_it_is_read_as_a_chat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
