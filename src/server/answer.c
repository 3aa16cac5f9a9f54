/* answer.c: prompts to tokens, tokens to the scheduler, and its events taken in. */
#include "server/answer.h"

#include <edgelm/memory.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/alloc.h"
#include "server/tools.h"

static elm_status no_memory(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
}

static elm_status make_prompts(elm__answer *a, elm_error *error)
{
	if (!elm__api_is_chat(a->request.api))
		return elm__prompts_read(a->loaded->tokenizer, a->request.prompt, "prompt",
					 &a->prompts, &a->prompt_count, error);
	a->prompts = elm__calloc(1, sizeof(a->prompts[0]));
	if (!a->prompts)
		return no_memory(error);
	a->prompt_count = 1;
	return elm__chat_format_prompt(&a->loaded->format, a->request.messages, a->request.extra,
				       &a->prompts[0].tokens, &a->prompts[0].count, error);
}

elm_status elm__make_id(const char *prefix, char out[48], elm_error *error)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz012345678"
				     "9ab";
	uint8_t random[32];
	size_t length;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return elm_error_set(error, ELM_ERR_SYSTEM, "no random numbers: %s",
				     strerror(errno));
	length = (size_t)snprintf(out, 48 - sizeof(random), "%s", prefix);
	for (size_t i = 0; i < sizeof(random); i++)
		out[length + i] = digits[random[i] & 63];
	out[length + sizeof(random)] = '\0';
	return ELM_OK;
}

/* The stop strings of the request and of the chat format. */
static size_t collect_stops(const elm__answer *a, const char **out)
{
	const elm__chat_format *format = &a->loaded->format;
	size_t count = a->request.stop_count;

	memcpy(out, a->request.stop, count * sizeof(out[0]));
	if (elm__api_is_chat(a->request.api))
		for (size_t i = 0; i < format->stop_count; i++)
			out[count++] = format->stop[i];
	return count;
}

static elm_status submit_choice(elm__answer *a, const elm_request *common, uint32_t number,
				elm_error *error)
{
	elm_sampler_options sampling = a->request.sampling;
	elm_request request = *common;
	elm_token_filter filter;
	elm_status status;

	/* Each choice has numbers of its own, the first one those of a request for one. */
	sampling.seed += number % (uint32_t)a->request.choices;
	request.sampling = &sampling;
	request.prompt = elm__answer_prompt(a, number)->tokens;
	request.prompt_count = elm__answer_prompt(a, number)->count;
	status = elm__forms_filter(a->loaded->forms, &a->request, &filter, error);
	if (status)
		return status;
	request.filter = filter.apply ? &filter : NULL;
	status = elm__job_submit(a->job, &request, error);
	if (status && filter.release)
		filter.release(filter.user);
	return status;
}

static elm_status submit(elm__answer *a, elm_error *error)
{
	const elm__api_request *r = &a->request;
	bool has_priority = json_is_integer(json_object_get(r->root, "priority"));
	int32_t priority = (int32_t)r->priority;
	const char *stop[ELM__API_STOPS + 4];
	elm_status status;
	elm_request request = {
		.max_tokens = r->max_tokens > 0 ? (size_t)r->max_tokens : 0,
		.stop = stop,
		.stop_count = collect_stops(a, stop),
		.ignore_eos = r->ignore_eos,
		.new_text = elm__api_is_chat(r->api),
		.logprobs = r->logprobs || r->choices > r->returned,
		.top_logprobs = (uint32_t)r->top_logprobs,
		.progress = r->progress && r->stream,
	};

	elm__access_apply(a->server, a->exchange, has_priority ? &priority : NULL, &request);
	if (r->no_cache) {
		request.cache_scope = request.arrival_ns | UINT64_C(1) << 63;
		request.not_on_disk = true;
	}
	status = elm__job_create(a->choice_count, a->loaded->scheduler, &a->job, error);
	for (uint32_t i = 0; i < a->choice_count && !status; i++)
		status = submit_choice(a, &request, i, error);
	for (size_t i = 0; i < a->prompt_count && !status; i++)
		elm__access_charge(a->server, a->exchange, a->prompts[i].count);
	return status;
}

static elm_status choose_seed(elm__answer *a, elm_error *error)
{
	uint32_t seed;

	if (a->request.seeded)
		return ELM_OK;
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return elm_error_set(error, ELM_ERR_SYSTEM, "no random numbers: %s",
				     strerror(errno));
	a->request.sampling.seed = seed;
	return ELM_OK;
}

/* Whether a chat's prompt ends with the tag that opens thoughts. */
static bool ends_with_opening_tag(const elm__answer *a)
{
	enum { LAST = 12 }; /* tokens: more than the tag and blanks after it can be */
	const elm__prompt *prompt = &a->prompts[0];
	size_t count = prompt->count < LAST ? prompt->count : LAST, length;
	bool opened = false;
	char *text;

	if (!elm_detokenize(a->loaded->tokenizer, prompt->tokens + prompt->count - count, count,
			    true, &text, &length, NULL)) {
		opened = elm__thoughts_opened(text, length);
		elm_free(text);
	}
	return opened;
}

/* Chats may begin with thoughts, unless the text must be JSON. */
static void begin_thoughts(elm__answer *a)
{
	const elm__api_request *r = &a->request;
	bool apart = r->reasoning == ELM__REASONING_APART ||
		     (r->reasoning == ELM__REASONING_DEFAULT && !a->server->options.keep_thoughts);
	bool may = apart && elm__api_is_chat(r->api) &&
		   (r->form == ELM__FORM_FREE || r->form == ELM__FORM_GRAMMAR);
	elm__thoughts_stage stage = ELM__THOUGHTS_NONE;

	if (may)
		stage = ends_with_opening_tag(a) ? ELM__THOUGHTS_INSIDE : ELM__THOUGHTS_UNKNOWN;
	for (uint32_t i = 0; i < a->choice_count; i++)
		a->choices[i].thoughts.stage = stage;
}

static elm_status prepare(elm__answer *a, elm_error *error)
{
	elm_status status = make_prompts(a, error);

	if (!status)
		status = elm__prompts_check(a->prompts, a->prompt_count, a->loaded->scheduler,
					    error);
	if (!status)
		status = elm__make_id(a->request.api == ELM__API_RESPONSES ? "resp_" : "chatcmpl-",
				      a->id, error);
	if (!status)
		status = choose_seed(a, error);
	if (status)
		return status;
	a->created = (int64_t)time(NULL);
	a->choice_count = (uint32_t)(a->prompt_count * (size_t)a->request.choices);
	a->open = a->choice_count;
	a->choices = elm__calloc(a->choice_count, sizeof(a->choices[0]));
	if (!a->choices)
		return no_memory(error);
	begin_thoughts(a);
	return submit(a, error);
}

elm_status elm__answer_create(elm__server *server, elm__http_exchange *exchange, elm__api api,
			      elm__answer **out, elm_error *error)
{
	elm__answer *a = elm__calloc(1, sizeof(*a));
	const char *body;
	elm_status status;
	size_t length;

	*out = NULL;
	if (!a)
		return no_memory(error);
	a->server = server;
	a->exchange = exchange;
	body = elm__http_body(exchange, &length);
	status = elm__api_request_parse(&a->request, api, server->options.sampling, body, length,
					error);
	if (!status)
		status = elm__server_acquire(server, a->request.root, &a->loaded, error);
	if (!status)
		status = prepare(a, error);
	if (!status) {
		*out = a;
		return ELM_OK;
	}
	if (status == ELM_ERR_LIMIT && a->prompt_count)
		elm__prompts_fail(a->prompts, a->prompt_count, a->loaded->scheduler, exchange,
				  error);
	elm__answer_free(a);
	return status;
}

void elm__answer_free(elm__answer *a)
{
	if (!a)
		return;
	elm__job_close(a->job);
	elm__prompts_free(a->prompts, a->prompt_count);
	for (uint32_t i = 0; i < a->choice_count && a->choices; i++) {
		elm__buf_release(&a->choices[i].text);
		elm__free(a->choices[i].stop);
		json_decref(a->choices[i].tokens);
		json_decref(a->choices[i].logprobs);
		json_decref(a->choices[i].calls);
	}
	elm__free(a->choices);
	elm__models_release(a->server->models, a->loaded, true);
	elm__api_request_release(&a->request);
	elm__buf_release(&a->out);
	elm__buf_release(&a->before);
	elm__buf_release(&a->after);
	json_decref(a->response.output);
	elm__free(a);
}

/* Appends to a list that is made when it is needed. */
static elm_status append(json_t **list, json_t *value, elm_error *error)
{
	if (!*list)
		*list = json_array();
	return json_array_append_new(*list, value) ? no_memory(error) : ELM_OK;
}

static elm_status keep_event(elm__answer *a, elm__choice *c, const elm__job_event *event,
			     elm_error *error)
{
	bool is_response = a->request.api == ELM__API_RESPONSES;
	elm_status status = ELM_OK;

	elm__buf_append(&c->text, event->text, event->text_length);
	if (event->kind != ELM_EVENT_TOKEN || (a->request.stream && !is_response))
		return elm__buf_status(&c->text, error);
	if (a->request.logprobs)
		status = append(&c->logprobs, elm__answer_logprob(a, event), error);
	if (!status && a->request.return_tokens)
		status = append(&c->tokens, json_integer(event->token), error);
	return status ? status : elm__buf_status(&c->text, error);
}

/* What of the text is the answer, and what are calls. */
static bool find_calls(const elm__answer *a, elm__choice *c)
{
	size_t begin = c->thoughts.answer, length = c->text.length - begin;

	c->content = c->text.length;
	if (!a->request.tools)
		return true;
	if (!elm__tools_parse(elm__buf_text(&c->text) + begin, length, a->request.tools, &c->calls,
			      &length))
		return false;
	c->content = begin + length;
	return true;
}

/* Divides the text of a chat into thoughts and answer, as far as it goes. */
static void read_thoughts(elm__choice *c, const elm__job_event *event)
{
	elm__thoughts_stage before = c->thoughts.stage;
	bool token = event->kind == ELM_EVENT_TOKEN;

	elm__thoughts_read(&c->thoughts, elm__buf_text(&c->text), c->text.length,
			   event->kind == ELM_EVENT_DONE);
	c->thought_tokens += token && (c->thoughts.stage == ELM__THOUGHTS_INSIDE ||
				       before == ELM__THOUGHTS_INSIDE);
}

static elm_status take_end(elm__answer *a, elm__choice *c, const elm__job_event *event,
			   elm_error *error)
{
	size_t all = event->stats.prompt_count + event->stats.token_count;
	size_t longest = atomic_load(&a->loaded->longest);

	while (all > longest && !atomic_compare_exchange_weak(&a->loaded->longest, &longest, all))
		;
	if (event->finish == ELM_FINISH_CANCELLED)
		return elm_error_set(error, ELM_ERR_CANCELLED,
				     "the server was stopped before the answer was complete");
	c->ended = true;
	c->finish = event->finish;
	a->open--;
	if (!find_calls(a, c))
		return no_memory(error);
	if (event->stop) {
		c->stop = elm__strdup(event->stop);
		if (!c->stop)
			return no_memory(error);
	}
	return ELM_OK;
}

elm_status elm__answer_take(elm__answer *a, const elm__job_event *event, bool keep,
			    elm_error *error)
{
	elm__choice *c = &a->choices[event->choice];
	elm_status status = ELM_OK;

	if (event->kind == ELM_EVENT_ERROR) {
		if (error)
			*error = *event->error;
		return event->error->status;
	}
	c->stats = event->stats;
	if (memchr(event->text, '\n', event->text_length))
		c->has_newline = true;
	if (keep)
		status = keep_event(a, c, event, error);
	if (event->kind == ELM_EVENT_TOKEN)
		c->likelihood += (double)event->logprob;
	if (!status && elm__api_is_chat(a->request.api))
		read_thoughts(c, event);
	if (!status && event->kind == ELM_EVENT_DONE)
		status = take_end(a, c, event, error);
	return status;
}

elm__news elm__answer_news(const elm__answer *a, elm__choice *c, bool complete)
{
	const char *text = elm__buf_text(&c->text);
	size_t begin = c->thoughts.answer, until = c->text.length;
	elm__news news = { .thoughts = text, .text = text };

	/* What it begins with may be half of a tag. */
	if (c->thoughts.stage == ELM__THOUGHTS_UNKNOWN)
		return news;
	if (c->told_thoughts < c->thoughts.begin)
		c->told_thoughts = c->thoughts.begin;
	if (c->thoughts.end > c->told_thoughts) {
		news.thoughts += c->told_thoughts;
		news.thoughts_length = c->thoughts.end - c->told_thoughts;
		c->told_thoughts = c->thoughts.end;
	}
	if (c->told < begin)
		c->told = begin;
	/* Text in which a call may begin is not told yet. */
	if (complete)
		until = c->content;
	else if (a->request.tools)
		until = begin + elm__tools_certain(text + begin, until - begin, c->told - begin);
	if (until > c->told) {
		news.text += c->told;
		news.text_length = until - c->told;
		c->told = until;
	}
	return news;
}

static double likelihood(const elm__choice *c)
{
	return c->stats.token_count ? c->likelihood / (double)c->stats.token_count : -INFINITY;
}

void elm__answer_rank(elm__answer *a)
{
	uint32_t each = (uint32_t)a->request.choices, most = (uint32_t)a->request.returned;

	for (uint32_t first = 0; most < each && first < a->choice_count; first += each)
		for (uint32_t i = 0; i < most; i++) {
			elm__choice *c = &a->choices[first + i], *best = c, swap = *c;

			for (uint32_t j = i + 1; j < each; j++)
				if (likelihood(c + (j - i)) > likelihood(best))
					best = c + (j - i);
			*c = *best;
			*best = swap;
		}
}
