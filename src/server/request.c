#include "server/request.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"
#include "server/responses_request.h"
#include "server/tools.h"

#define TRY(call)                            \
	do {                                 \
		elm_status status_ = (call); \
		if (status_ != ELM_OK)       \
			return status_;      \
	} while (0)

static elm_status wrong(elm_error *error, const char *field, const char *must, const json_t *value)
{
	return elm_error_set(error, ELM_ERR_ARGUMENT, "Field '%s' must be %s, but is %s", field,
			     must, elm__json_type_name(value));
}

/* NULL where it is absent or null. */
static const json_t *member(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

static elm_status get_float(const json_t *root, const char *key, double low, double high,
			    float *out, elm_error *error)
{
	const json_t *value = member(root, key);
	double number = (double)*out;

	if (value && !json_is_number(value))
		return wrong(error, key, "a number", value);
	TRY(elm__json_get_f64(root, key, low, high, &number, error));
	*out = (float)number;
	return ELM_OK;
}

static elm_status get_int(const json_t *root, const char *key, int64_t low, int64_t high,
			  int64_t *out, elm_error *error)
{
	const json_t *value = member(root, key);

	if (value && !json_is_integer(value))
		return wrong(error, key, "an integer", value);
	return elm__json_get_i64(root, key, low, high, out, error);
}

static elm_status get_bool(const json_t *root, const char *key, bool *out, elm_error *error)
{
	const json_t *value = member(root, key);

	if (value && !json_is_boolean(value))
		return wrong(error, key, "true or false", value);
	return elm__json_get_bool(root, key, out, error);
}

bool elm__api_is_tokens(const json_t *value)
{
	const json_t *token;
	size_t i;

	if (!json_is_array(value))
		return false;
	json_array_foreach(value, i, token) if (!json_is_integer(token) ||
						json_integer_value(token) < 0 ||
						json_integer_value(token) > INT32_MAX) return false;
	return true;
}

/* Settings that change the text and that we do not have; up to this value they are off. */
static const struct {
	const char *name;
	double off;
} missing[] = {
	{ "dynatemp_range", 0 }, { "xtc_probability", 0 },  { "dry_multiplier", 0 },
	{ "top_n_sigma", 0 },	 { "t_max_predict_ms", 0 }, { "n_indent", 0 },
	{ "min_keep", 0 },
};

static elm_status refuse_missing(const json_t *root, elm_error *error)
{
	static const char *const present[] = { "suffix",   "image_data",   "lora",
					       "samplers", "input_prefix", "input_suffix" };

	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
		const json_t *value = member(root, missing[i].name);

		if (json_number_value(value) > missing[i].off)
			return elm_error_set(error, ELM_ERR_UNSUPPORTED,
					     "Field '%s' is not supported by this server; leave it "
					     "out, or make it %g",
					     missing[i].name, missing[i].off);
	}
	for (size_t i = 0; i < sizeof(present) / sizeof(present[0]); i++) {
		const json_t *value = member(root, present[i]);

		if (!value || json_is_false(value) ||
		    (json_is_array(value) && !json_array_size(value)) ||
		    (json_is_string(value) && !json_string_length(value)))
			continue;
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "Field '%s' is not supported by this server; leave it out",
				     present[i]);
	}
	return ELM_OK;
}

/* The key of an object, or a number. */
static bool bias_token(const char *key, const json_t *value, int64_t *out)
{
	if (key)
		return elm__parse_i64(key, 0, INT32_MAX, out);
	*out = json_integer_value(value);
	return json_is_integer(value) && *out >= 0 && *out <= INT32_MAX;
}

static elm_status add_bias(elm_sampler_options *sampling, elm_logit_bias *list, const char *key,
			   const json_t *token, const json_t *value, elm_error *error)
{
	int64_t number;

	if (!bias_token(key, token, &number))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'logit_bias' must give tokens as numbers");
	if (!json_is_number(value) && !json_is_false(value))
		return wrong(error, "logit_bias", "of numbers (or false, which forbids a token)",
			     value);
	list[sampling->bias_count++] = (elm_logit_bias){
		(elm_token)number,
		json_is_false(value) ? -INFINITY : (float)json_number_value(value),
	};
	return ELM_OK;
}

/* {"15043": -2.5}, or [[15043, -2.5], [8, false]] */
static elm_status read_bias(elm_sampler_options *sampling, const json_t *root, elm_error *error)
{
	const json_t *value = member(root, "logit_bias");
	size_t count = json_is_object(value) ? json_object_size(value) : json_array_size(value);
	elm_logit_bias *list;
	const json_t *item;
	const char *key;
	size_t i;

	if (!value)
		return ELM_OK;
	if (!json_is_object(value) && !json_is_array(value))
		return wrong(error, "logit_bias", "an object or an array", value);
	list = elm__calloc(count, sizeof(*list));
	if (!list)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	sampling->bias = list;
	sampling->bias_count = 0;
	if (json_is_object(value)) {
		json_object_foreach((json_t *)value, key, item)
			TRY(add_bias(sampling, list, key, NULL, item, error));
		return ELM_OK;
	}
	json_array_foreach(value, i, item)
	{
		if (json_array_size(item) != 2)
			return elm_error_set(error, ELM_ERR_ARGUMENT,
					     "Field 'logit_bias' must be an array of pairs of a "
					     "token and a number");
		TRY(add_bias(sampling, list, NULL, json_array_get(item, 0), json_array_get(item, 1),
			     error));
	}
	return ELM_OK;
}

static elm_status read_mirostat(elm_sampler_options *s, const json_t *root, elm_error *error)
{
	int64_t version = s->mirostat_tau > 0 ? 2 : 0;
	float tau = s->mirostat_tau > 0 ? s->mirostat_tau : 5;

	TRY(get_int(root, "mirostat", 0, 2, &version, error));
	if (version == 1)
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "Field 'mirostat': version 1 is not supported, use 2");
	TRY(get_float(root, "mirostat_tau", 0, 100, &tau, error));
	TRY(get_float(root, "mirostat_eta", 0, 1, &s->mirostat_eta, error));
	s->mirostat_tau = version ? tau : 0;
	return ELM_OK;
}

static elm_status read_sampling(elm__api_request *r, elm_error *error)
{
	elm_sampler_options *s = &r->sampling;
	int64_t top_k = s->top_k, window = s->penalty_window, seed = -1;

	TRY(get_float(r->root, "temperature", 0, 100, &s->temperature, error));
	TRY(get_float(r->root, "top_p", 0, 1, &s->top_p, error));
	TRY(get_float(r->root, "min_p", 0, 1, &s->min_p, error));
	TRY(get_float(r->root, "typical_p", 1e-6, 1, &s->typical_p, error));
	TRY(get_float(r->root, "repeat_penalty", 1e-6, 100, &s->repeat_penalty, error));
	TRY(get_float(r->root, "frequency_penalty", -100, 100, &s->frequency_penalty, error));
	TRY(get_float(r->root, "presence_penalty", -100, 100, &s->presence_penalty, error));
	TRY(get_int(r->root, "top_k", -1, INT32_MAX, &top_k, error));
	TRY(get_int(r->root, "repeat_last_n", -1, 1 << 20, &window, error));
	TRY(get_int(r->root, "seed", INT64_MIN, INT64_MAX, &seed, error));
	TRY(read_mirostat(s, r->root, error));
	TRY(read_bias(s, r->root, error));
	s->top_k = top_k < 0 ? 0 : (int32_t)top_k;
	s->penalty_window = (int32_t)window;
	/* Both spell "any" in this family of servers. */
	r->seeded = seed != -1 && seed != UINT32_MAX;
	if (r->seeded)
		s->seed = (uint64_t)seed;
	return ELM_OK;
}

static elm_status add_stop(elm__api_request *r, const json_t *value, elm_error *error)
{
	const char *text = json_string_value(value);

	if (!text)
		return wrong(error, "stop", "a string or an array of strings", value);
	if (strlen(text) != json_string_length(value))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'stop' contains a NUL character");
	if (r->stop_count == ELM__API_STOPS)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'stop' has more than %d strings", ELM__API_STOPS);
	if (text[0])
		r->stop[r->stop_count++] = text;
	return ELM_OK;
}

static elm_status read_stop(elm__api_request *r, elm_error *error)
{
	const json_t *value = member(r->root, "stop");
	const json_t *item;
	size_t i;

	if (!value)
		return ELM_OK;
	if (!json_is_array(value))
		return add_stop(r, value, error);
	json_array_foreach(value, i, item) TRY(add_stop(r, item, error));
	return ELM_OK;
}

static elm_status set_schema(elm__api_request *r, const char *field, const json_t *schema,
			     elm_error *error)
{
	char *text;

	if (!json_is_object(schema) && !json_is_boolean(schema))
		return schema ? wrong(error, field, "a JSON schema", schema) :
				elm_error_set(error, ELM_ERR_ARGUMENT, "Field '%s' is missing",
					      field);
	text = json_dumps(schema, JSON_COMPACT | JSON_ENCODE_ANY);
	if (text)
		r->schema = elm__strdup(text);
	free(text);
	if (!r->schema)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	r->form = ELM__FORM_SCHEMA;
	return ELM_OK;
}

static elm_status read_response_format(elm__api_request *r, elm_error *error)
{
	const json_t *format = member(r->root, "response_format");
	const json_t *schema;
	const char *type = NULL;

	if (!format)
		return ELM_OK;
	if (!json_is_object(format))
		return wrong(error, "response_format", "an object", format);
	if (r->must_call)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'response_format' cannot be used when 'tool_choice' "
				     "demands a call");
	TRY(elm__json_get_string(format, "type", &type, error));
	if (!type || !strcmp(type, "text"))
		return ELM_OK;
	schema = member(format, "schema");
	if (!strcmp(type, "json_object")) {
		if (schema)
			return set_schema(r, "response_format.schema", schema, error);
		r->form = ELM__FORM_JSON;
		return ELM_OK;
	}
	if (strcmp(type, "json_schema") != 0)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'response_format': its type must be \"text\", "
				     "\"json_object\" or \"json_schema\", not \"%s\"",
				     type);
	if (!schema)
		schema = member(member(format, "json_schema"), "schema");
	return set_schema(r, "response_format.json_schema.schema", schema, error);
}

/* Makes the text a call of a tool, where the client demands one. */
static elm_status demand_call(elm__api_request *r, elm_error *error)
{
	const json_t *choice = member(r->root, "tool_choice");
	const char *word = json_string_value(choice);
	const char *name =
		json_string_value(json_object_get(json_object_get(choice, "function"), "name"));
	elm_status status;
	json_t *schema;

	if (!choice || (word && (!strcmp(word, "auto") || !strcmp(word, "none"))))
		return ELM_OK;
	if (word ? strcmp(word, "required") != 0 : !name)
		return elm_error_set(
			error, ELM_ERR_ARGUMENT,
			"Field 'tool_choice' must be \"none\", \"auto\", \"required\", "
			"or an object with a function's name");
	schema = elm__tools_schema(r->tools, name);
	if (!schema)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'tool_choice' demands a call, but 'tools' has no such "
				     "function");
	status = set_schema(r, "tools", schema, error);
	json_decref(schema);
	r->must_call = true;
	return status;
}

static elm_status read_form(elm__api_request *r, elm_error *error)
{
	const json_t *schema = member(r->root, "json_schema");
	const json_t *grammar = member(r->root, "grammar");

	if (elm__api_is_chat(r->api)) {
		TRY(demand_call(r, error));
		TRY(read_response_format(r, error));
	}
	if (schema && r->form == ELM__FORM_FREE)
		TRY(set_schema(r, "json_schema", schema, error));
	if (grammar && !json_is_string(grammar))
		return wrong(error, "grammar", "a string", grammar);
	if (!json_string_length(grammar))
		return ELM_OK;
	if (r->form != ELM__FORM_FREE)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'grammar' cannot be used together with a JSON schema");
	TRY(elm__json_get_string(r->root, "grammar", &r->grammar, error));
	r->form = ELM__FORM_GRAMMAR;
	return ELM_OK;
}

/* chat: "logprobs" is a flag beside "top_logprobs"; the others: it is the number of them. */
static elm_status read_logprobs(elm__api_request *r, elm_error *error)
{
	int64_t number = -1;

	if (elm__api_is_chat(r->api)) {
		TRY(get_bool(r->root, "logprobs", &r->logprobs, error));
		TRY(get_int(r->root, "top_logprobs", 0, 20, &r->top_logprobs, error));
		if (r->top_logprobs && !r->logprobs)
			return elm_error_set(error, ELM_ERR_ARGUMENT,
					     "Field 'top_logprobs' needs 'logprobs' to be true");
		return ELM_OK;
	}
	TRY(get_int(r->root, r->api == ELM__API_COMPLETIONS ? "logprobs" : "n_probs", 0, 100,
		    &number, error));
	if (r->api == ELM__API_COMPLETION && number == 0)
		number = -1;
	r->logprobs = number >= 0;
	r->top_logprobs = number > 0 ? number : 0;
	return ELM_OK;
}

static elm_status read_length(elm__api_request *r, elm_error *error)
{
	static const char *const names[] = { "n_predict", "max_completion_tokens", "max_tokens" };

	r->max_tokens = -1;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		TRY(get_int(r->root, names[i], -1, INT32_MAX, &r->max_tokens, error));
	if (!r->max_tokens)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'max_tokens' must be at least 1, or -1 for no limit");
	return ELM_OK;
}

/* Completions may have more generated than they get, and the prompt in front. */
static elm_status read_choices(elm__api_request *r, elm_error *error)
{
	int64_t best_of;

	r->choices = 1;
	TRY(get_int(r->root, "n", 1, ELM__API_CHOICES, &r->choices, error));
	r->returned = best_of = r->choices;
	if (r->api != ELM__API_COMPLETIONS)
		return ELM_OK;
	TRY(get_bool(r->root, "echo", &r->echo, error));
	if (r->echo && r->logprobs)
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "Field 'echo' together with 'logprobs' is not supported: the "
				     "probabilities of prompts are not computed");
	TRY(get_int(r->root, "best_of", 1, ELM__API_CHOICES, &best_of, error));
	if (best_of < r->returned)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'best_of' must be at least 'n'");
	if (best_of > r->returned && r->stream)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'best_of' cannot be used in a stream: which answer is "
				     "the best is known at the end");
	r->choices = best_of;
	return ELM_OK;
}

static elm_status read_reasoning(elm__api_request *r, elm_error *error)
{
	const char *format = NULL;

	TRY(elm__json_get_string(r->root, "reasoning_format", &format, error));
	if (!format)
		return ELM_OK;
	if (!strcmp(format, "none"))
		r->reasoning = ELM__REASONING_NONE;
	else if (!strcmp(format, "auto") || !strcmp(format, "deepseek"))
		r->reasoning = ELM__REASONING_APART;
	else
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'reasoning_format' must be \"auto\", \"deepseek\" or "
				     "\"none\"");
	return ELM_OK;
}

static elm_status read_common(elm__api_request *r, elm_error *error)
{
	const json_t *options = member(r->root, "stream_options");
	bool cache = true;

	TRY(refuse_missing(r->root, error));
	TRY(read_length(r, error));
	TRY(read_sampling(r, error));
	TRY(read_stop(r, error));
	TRY(read_form(r, error));
	TRY(read_logprobs(r, error));
	TRY(get_bool(r->root, "stream", &r->stream, error));
	TRY(read_choices(r, error));
	TRY(read_reasoning(r, error));
	TRY(get_bool(r->root, "ignore_eos", &r->ignore_eos, error));
	TRY(get_bool(r->root, "timings_per_token", &r->timings_per_token, error));
	TRY(get_bool(r->root, "return_progress", &r->progress, error));
	TRY(get_bool(r->root, "return_tokens", &r->return_tokens, error));
	TRY(get_bool(r->root, "cache_prompt", &cache, error));
	TRY(get_int(r->root, "priority", INT32_MIN, INT32_MAX, &r->priority, error));
	r->no_cache = !cache;
	if (options && !json_is_object(options))
		return wrong(error, "stream_options", "an object", options);
	return get_bool(options, "include_usage", &r->include_usage, error);
}

/* A part of a message's content: text is all that we can read. */
static elm_status check_part(const json_t *part, size_t message, elm_error *error)
{
	const char *type = json_string_value(json_object_get(part, "type"));

	if (type && strcmp(type, "text") != 0 && strcmp(type, "refusal") != 0)
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "Field 'messages[%zu].content': parts of type \"%s\" are not "
				     "supported, only text",
				     message, type);
	if (!type || (!strcmp(type, "text") && !json_is_string(json_object_get(part, "text"))))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'messages[%zu].content' has a part without type and "
				     "text",
				     message);
	return ELM_OK;
}

/* Also calls the role "developer" by its older name, which templates know. */
static elm_status read_message(json_t *message, size_t number, elm_error *error)
{
	const char *role = json_string_value(json_object_get(message, "role"));
	const json_t *content = member(message, "content");
	const json_t *part;
	size_t i;

	if (!json_is_object(message))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'messages[%zu]' must be an object, but is %s", number,
				     elm__json_type_name(message));
	if (!role)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'messages[%zu].role' must be a string", number);
	if (!strcmp(role, "developer") &&
	    json_object_set_new(message, "role", json_string("system")))
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	if (!content || json_is_string(content))
		return ELM_OK;
	if (!json_is_array(content))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'messages[%zu].content' must be a string or an array "
				     "of parts, but is %s",
				     number, elm__json_type_name(content));
	json_array_foreach(content, i, part) TRY(check_part(part, number, error));
	return ELM_OK;
}

static elm_status read_tools(elm__api_request *r, elm_error *error)
{
	const json_t *choice = member(r->root, "tool_choice");
	const json_t *tools = member(r->root, "tools");
	const json_t *tool;
	size_t i;

	if (tools && !json_is_array(tools))
		return wrong(error, "tools", "an array", tools);
	json_array_foreach(tools, i, tool) if (
		!json_is_string(json_object_get(
			json_object_get(tool, "function"),
			"name"))) return elm_error_set(error, ELM_ERR_ARGUMENT,
						       "Field 'tools[%zu]' must have a function "
						       "with a name",
						       i);
	if (choice && !json_is_string(choice) && !json_is_object(choice))
		return wrong(error, "tool_choice", "a string or an object", choice);
	if (!json_array_size(tools) ||
	    (choice && json_is_string(choice) && !strcmp(json_string_value(choice), "none")))
		return ELM_OK;
	r->tools = tools;
	if (json_object_set(r->extra, "tools", (json_t *)tools))
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	return ELM_OK;
}

static elm_status read_conversation(elm__api_request *r, elm_error *error)
{
	const json_t *variables = member(r->root, "chat_template_kwargs");
	json_t *message;
	size_t i;

	r->messages = json_object_get(r->root, "messages");
	if (!json_is_array(r->messages))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     r->messages ? "Field 'messages' must be an array" :
						   "Field 'messages' is missing");
	json_array_foreach(r->messages, i, message) TRY(read_message(message, i, error));
	if (variables && !json_is_object(variables))
		return wrong(error, "chat_template_kwargs", "an object", variables);
	r->extra = json_object();
	if (!r->extra || (variables && json_object_update(r->extra, (json_t *)variables)))
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	return read_tools(r, error);
}

elm_status elm__api_check_prompts(const json_t *value, const char *field, size_t most,
				  elm_error *error)
{
	const json_t *item;
	size_t i;

	if (!value || json_is_null(value))
		return elm_error_set(error, ELM_ERR_ARGUMENT, "Field '%s' is missing", field);
	if (json_is_string(value) || (json_array_size(value) && elm__api_is_tokens(value)))
		return ELM_OK;
	if (!json_array_size(value) || json_array_size(value) > most)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field '%s' must be a string, an array of tokens, or 1 to %zu "
				     "of those",
				     field, most);
	json_array_foreach(value, i, item)
	{
		if (json_is_string(item) || (json_array_size(item) && elm__api_is_tokens(item)))
			continue;
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field '%s[%zu]' must be a string or an array of tokens",
				     field, i);
	}
	return ELM_OK;
}

static elm_status read_prompt(elm__api_request *r, elm_error *error)
{
	r->prompt = member(r->root, "prompt");
	return elm__api_check_prompts(r->prompt, "prompt", ELM__API_PROMPTS, error);
}

/* A request for a response goes on as the chat that it means. */
static elm_status read_response(elm__api_request *r, elm_error *error)
{
	r->asked = r->root;
	r->root = NULL;
	return elm__responses_to_chat(r->asked, &r->root, error);
}

elm_status elm__api_parse_object(const char *text, size_t length, json_t **out, elm_error *error)
{
	TRY(elm__json_parse("request", text, length, out, error));
	if (json_is_object(*out))
		return ELM_OK;
	elm_error_set(error, ELM_ERR_ARGUMENT, "the request must be a JSON object, but is %s",
		      elm__json_type_name(*out));
	json_decref(*out);
	*out = NULL;
	return ELM_ERR_ARGUMENT;
}

elm_status elm__api_request_conversation(elm__api_request *request, json_t *root, elm_error *error)
{
	elm_status status;

	memset(request, 0, sizeof(*request));
	request->api = ELM__API_CHAT;
	request->root = root;
	status = read_conversation(request, error);
	if (status)
		elm__api_request_release(request);
	return status;
}

elm_status elm__api_request_parse(elm__api_request *request, elm__api api,
				  const elm_sampler_options *defaults, const char *text,
				  size_t length, elm_error *error)
{
	elm_status status;

	memset(request, 0, sizeof(*request));
	request->api = api;
	request->sampling = *defaults;
	request->sampling.bias = NULL;
	request->sampling.bias_count = 0;
	status = elm__api_parse_object(text, length, &request->root, error);
	if (!status && api == ELM__API_RESPONSES)
		status = read_response(request, error);
	if (!status)
		status = elm__api_is_chat(api) ? read_conversation(request, error) :
						 read_prompt(request, error);
	if (!status)
		status = read_common(request, error);
	if (status)
		elm__api_request_release(request);
	return status;
}

void elm__api_request_release(elm__api_request *request)
{
	elm__free((void *)request->sampling.bias);
	elm__free(request->schema);
	json_decref(request->extra);
	json_decref(request->root);
	json_decref(request->asked);
	memset(request, 0, sizeof(*request));
}
