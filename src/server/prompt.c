#include "server/prompt.h"

#include <edgelm/memory.h>

#include "base/alloc.h"

static elm_status no_memory(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
}

static elm_status read_tokens(const elm_tokenizer *tokenizer, const json_t *array,
			      const char *field, elm__prompt *out, elm_error *error)
{
	size_t vocabulary = elm_tokenizer_size(tokenizer);
	const json_t *token;
	size_t i;

	out->tokens = elm__malloc(json_array_size(array) * sizeof(out->tokens[0]));
	if (!out->tokens)
		return no_memory(error);
	json_array_foreach(array, i, token)
	{
		if ((size_t)json_integer_value(token) >= vocabulary)
			return elm_error_set(
				error, ELM_ERR_ARGUMENT,
				"Field '%s' has token %lld; the vocabulary ends at %zu", field,
				(long long)json_integer_value(token), vocabulary - 1);
		out->tokens[out->count++] = (elm_token)json_integer_value(token);
	}
	return ELM_OK;
}

static elm_status read_one(const elm_tokenizer *tokenizer, const json_t *value, const char *field,
			   elm__prompt *out, elm_error *error)
{
	elm_status status =
		json_is_array(value) ?
			read_tokens(tokenizer, value, field, out, error) :
			elm_tokenize(tokenizer, json_string_value(value), json_string_length(value),
				     ELM_TOKENIZE_BOS | ELM_TOKENIZE_SPECIAL, &out->tokens,
				     &out->count, error);

	if (!status && !out->count)
		status = elm_error_set(error, ELM_ERR_ARGUMENT,
				       "Field '%s' is empty, and this model has no token that "
				       "begins a text",
				       field);
	return status;
}

elm_status elm__prompts_read(const elm_tokenizer *tokenizer, const json_t *value, const char *field,
			     elm__prompt **out, size_t *count, elm_error *error)
{
	bool list = json_is_array(value) && !json_is_integer(json_array_get(value, 0));
	elm_status status = ELM_OK;

	*count = list ? json_array_size(value) : 1;
	*out = elm__calloc(*count, sizeof((*out)[0]));
	if (!*out)
		return no_memory(error);
	for (size_t i = 0; i < *count && !status; i++)
		status = read_one(tokenizer, list ? json_array_get(value, i) : value, field,
				  &(*out)[i], error);
	if (status) {
		elm__prompts_free(*out, *count);
		*out = NULL;
		*count = 0;
	}
	return status;
}

void elm__prompts_free(elm__prompt *prompts, size_t count)
{
	for (size_t i = 0; i < count && prompts; i++)
		elm_free(prompts[i].tokens);
	elm__free(prompts);
}

static size_t longest(const elm__prompt *prompts, size_t count)
{
	size_t most = 0;

	for (size_t i = 0; i < count; i++)
		if (prompts[i].count > most)
			most = prompts[i].count;
	return most;
}

elm_status elm__prompts_check(const elm__prompt *prompts, size_t count,
			      const elm_scheduler *scheduler, elm_error *error)
{
	uint32_t context = elm_scheduler_get_options(scheduler)->context;
	size_t most = longest(prompts, count);

	if (most < context)
		return ELM_OK;
	return elm_error_set(error, ELM_ERR_LIMIT,
			     "request (%zu tokens) exceeds the available context size (%u tokens); "
			     "shorten it, or start the server with a larger --ctx",
			     most, context);
}

void elm__prompts_fail(const elm__prompt *prompts, size_t count, const elm_scheduler *scheduler,
		       elm__http_exchange *exchange, const elm_error *error)
{
	uint32_t context = elm_scheduler_get_options(scheduler)->context;

	elm__http_reply_json(exchange, 400,
			     json_pack("{s:{s:i, s:s, s:s, s:I, s:I}}", "error", "code", 400,
				       "message", error->text, "type", "exceed_context_size_error",
				       "n_prompt_tokens", (json_int_t)longest(prompts, count),
				       "n_ctx", (json_int_t)context));
}
