/* The body of a request, read as each dialect would. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/embedding_request.h"
#include "server/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

static void check(const elm__api_request *r)
{
	require(json_is_object(r->root), "a request is an object");
	require(elm__api_is_chat(r->api) == (r->messages != NULL), "a chat has messages");
	require(elm__api_is_chat(r->api) == (r->prompt == NULL), "and no prompt");
	require((r->api == ELM__API_RESPONSES) == (r->asked != NULL),
		"a response keeps its request");
	require(r->returned >= 1 && r->returned <= r->choices, "some choices are returned");
	require(r->choices >= 1 && r->choices <= ELM__API_CHOICES, "choices are bounded");
	require(r->max_tokens == -1 || r->max_tokens >= 1, "so is the length");
	require(r->top_logprobs >= 0 && r->top_logprobs <= 100, "and the number of alternatives");
	require(r->logprobs || !r->top_logprobs, "which come with log probabilities");
	require(r->sampling.temperature >= 0 && r->sampling.temperature <= 100, "temperature");
	require((r->form == ELM__FORM_SCHEMA) == (r->schema != NULL), "a schema has a text");
	require((r->form == ELM__FORM_GRAMMAR) == (r->grammar != NULL), "so has a grammar");
	for (size_t i = 0; i < r->stop_count; i++)
		require(r->stop[i][0] != '\0', "stop strings are not empty");
}

static void embedding(const uint8_t *data, size_t size, bool openai)
{
	elm__embedding_request request;
	float values[] = { 1, -2, 0, 1e30f };
	elm_error error = { 0 };

	if (elm__embedding_request_parse(&request, openai, (const char *)data, size, &error)) {
		require(error.text[0] && !request.root, "a failure says why");
		return;
	}
	require(request.input && request.field, "there is an input");
	require(!openai || !strcmp(request.field, "input"), "where OpenAI has it");
	elm__embedding_finish(&request, values, sizeof(values) / sizeof(values[0]));
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		require(isfinite(values[i]), "values stay finite");
	elm__embedding_request_release(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	elm_sampler_options defaults = elm_sampler_defaults();

	for (int api = ELM__API_CHAT; api <= ELM__API_RESPONSES; api++) {
		elm__api_request request;
		elm_error error = { 0 };

		if (elm__api_request_parse(&request, (elm__api)api, &defaults, (const char *)data,
					   size, &error)) {
			require(error.text[0] && !request.root, "a failure says why");
			continue;
		}
		check(&request);
		elm__api_request_release(&request);
	}
	embedding(data, size, true);
	embedding(data, size, false);
	return 0;
}
