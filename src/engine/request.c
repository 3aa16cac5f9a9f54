#include "engine/request.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/exactmath.h"
#include "engine/shortlist.h"

static elm_status no_memory(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a request");
}

static elm_status check(const elm_request *what, const elm__request_limits *limits,
			elm_error *error)
{
	if (!what->prompt_count)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "the prompt is empty: a model needs at least one token");
	if (what->prompt_count >= limits->context)
		return elm_error_set(error, ELM_ERR_LIMIT,
				     "the prompt has %zu tokens and leaves no room for an answer "
				     "in the context of %lu; shorten it or enlarge the context",
				     what->prompt_count, (unsigned long)limits->context);
	for (size_t i = 0; i < what->prompt_count; i++)
		if (what->prompt[i] < 0 || (uint32_t)what->prompt[i] >= limits->vocabulary)
			return elm_error_set(error, ELM_ERR_ARGUMENT,
					     "token %zu of the prompt is %ld; the vocabulary has "
					     "%lu",
					     i + 1, (long)what->prompt[i],
					     (unsigned long)limits->vocabulary);
	if (what->top_logprobs > ELM__TOP_LOGPROBS)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "the probabilities of %lu tokens are wanted; at most %d are "
				     "given",
				     (unsigned long)what->top_logprobs, ELM__TOP_LOGPROBS);
	if ((unsigned)what->pooling > ELM_POOLING_ALL)
		return elm_error_set(error, ELM_ERR_ARGUMENT, "there is no pooling number %d",
				     (int)what->pooling);
	if (what->pooling && (what->filter || what->sampling))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "a request for states generates nothing: it can have neither "
				     "a filter nor sampling settings");
	if (what->pooling && !limits->width)
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "the scheduler was created without states");
	if (!what->on_event)
		return elm_error_set(error, ELM_ERR_ARGUMENT, "the request has no callback");
	return ELM_OK;
}

static elm_status copy_stops(elm__request *r, const elm_request *what, elm_error *error)
{
	char **stop;

	if (!what->stop_count)
		return ELM_OK;
	stop = elm__arena_calloc(&r->arena, what->stop_count, sizeof(*stop));
	if (!stop)
		return no_memory(error);
	for (size_t i = 0; i < what->stop_count; i++) {
		stop[i] = elm__arena_strndup(&r->arena, what->stop[i], strlen(what->stop[i]));
		if (!stop[i])
			return no_memory(error);
	}
	r->what.stop = (const char *const *)stop;
	return ELM_OK;
}

/* The prompt, and room for all that can follow. */
static elm_status copy_tokens(elm__request *r, const elm_request *what, elm_error *error)
{
	size_t room = (size_t)r->context + 1;

	if (what->max_tokens && what->max_tokens < room - what->prompt_count)
		room = what->prompt_count + what->max_tokens;
	r->tokens = elm__arena_calloc(&r->arena, room, sizeof(*r->tokens));
	if (r->what.logprobs && what->top_logprobs) {
		r->top = elm__arena_calloc(&r->arena, what->top_logprobs, sizeof(*r->top));
		r->logprobs =
			elm__arena_calloc(&r->arena, what->top_logprobs, sizeof(*r->logprobs));
		if (!r->top || !r->logprobs)
			return no_memory(error);
	}
	if (!r->tokens)
		return no_memory(error);
	memcpy(r->tokens, what->prompt, what->prompt_count * sizeof(*r->tokens));
	r->what.prompt = r->tokens;
	r->count = (uint32_t)what->prompt_count;
	return ELM_OK;
}

static elm_status make_states(elm__request *r, uint32_t width, elm_error *error)
{
	size_t count = r->what.pooling == ELM_POOLING_ALL ? r->count : 1;

	r->states = elm__arena_calloc(&r->arena, count * width, sizeof(*r->states));
	r->state_width = width;
	return r->states ? ELM_OK : no_memory(error);
}

/* What turns logits into text. */
static elm_status make_sampler(elm__request *r, uint32_t vocabulary, elm_error *error)
{
	elm_sampler_options defaults = elm_sampler_defaults();
	elm_status status = elm_sampler_create(r->what.sampling ? r->what.sampling : &defaults,
					       vocabulary, &r->sampler, error);

	r->what.sampling = NULL;
	for (uint32_t i = 0; i < r->count && !status; i++)
		status = elm_sampler_accept(r->sampler, r->tokens[i], error);
	return status;
}

elm_status elm__request_create(const elm_request *what, const elm__request_limits *limits,
			       elm__request **out, elm_error *error)
{
	elm_status status = check(what, limits, error);
	uint64_t now = elm__now_ns();
	elm__request *r;

	*out = NULL;
	if (status)
		return status;
	r = elm__calloc(1, sizeof(*r));
	if (!r)
		return no_memory(error);
	elm__arena_init(&r->arena, 0);
	r->what = *what;
	r->context = limits->context;
	r->tokenizer = limits->tokenizer;
	r->ends = limits->ends;
	r->n_ends = limits->n_ends;
	if (what->filter)
		r->filter = *what->filter;
	r->what.filter = NULL;
	r->stats.prompt_count = what->prompt_count;
	r->stats.arrival_ns = what->arrival_ns && what->arrival_ns < now ? what->arrival_ns : now;
	status = copy_tokens(r, what, error);
	if (!status)
		status = copy_stops(r, what, error);
	if (!status)
		status = what->pooling ? make_states(r, limits->width, error) :
					 make_sampler(r, limits->vocabulary, error);
	if (!status)
		status = elm__output_init(&r->output, r->tokenizer, !what->new_text, what->special,
					  r->what.stop, what->stop_count, error);
	if (status) {
		elm__request_free(r);
		return status;
	}
	*out = r;
	return ELM_OK;
}

void elm__request_free(elm__request *r)
{
	if (!r)
		return;
	elm__output_release(&r->output);
	elm_sampler_free(r->sampler);
	elm__arena_release(&r->arena);
	elm__free(r);
}

/* --- events --- */

static elm_event new_event(const elm__request *r, elm_event_kind kind)
{
	return (elm_event){ .kind = kind,
			    .request = r->id,
			    .text = "",
			    .token = ELM_TOKEN_NONE,
			    .stats = r->stats };
}

/* The callback may end the request, unless it has ended already. */
static void tell(elm__request *r, const elm_event *event)
{
	if (!r->what.on_event(r->what.user, event) && !r->finish)
		r->finish = ELM_FINISH_CANCELLED;
}

void elm__request_progress(elm__request *r, uint32_t done)
{
	elm_event event = new_event(r, ELM_EVENT_PROMPT);

	event.prompt_done = done < r->stats.prompt_count ? done : r->stats.prompt_count;
	tell(r, &event);
}

void elm__request_seal(elm__request *r)
{
	if (!r->error.status &&
	    elm__output_finish(&r->output, &r->rest, &r->rest_length, &r->error))
		r->rest_length = 0;
	r->stats.end_ns = elm__now_ns();
}

void elm__request_end(elm__request *r)
{
	elm_event event = new_event(r, r->error.status ? ELM_EVENT_ERROR : ELM_EVENT_DONE);

	if (r->error.status) {
		event.error = &r->error;
	} else {
		event.text = r->rest;
		event.text_length = r->rest_length;
		event.finish = r->finish;
		if (r->finish == ELM_FINISH_POOLED) {
			event.states = r->states;
			event.state_width = r->state_width;
			event.state_count = r->what.pooling == ELM_POOLING_ALL ? r->count : 1;
		}
		event.stop = r->finish == ELM_FINISH_STOP ? r->output.stopped : NULL;
	}
	(void)r->what.on_event(r->what.user, &event);
	if (r->filter.release)
		r->filter.release(r->filter.user);
}

/* --- states --- */

bool elm__request_wants_state(const elm__request *r, uint32_t position)
{
	switch (r->what.pooling) {
	case ELM_POOLING_OFF:
		return false;
	case ELM_POOLING_FIRST:
		return !position && !r->pooled;
	case ELM_POOLING_LAST:
		return position + 1 == r->count;
	case ELM_POOLING_MEAN:
	case ELM_POOLING_ALL:
		break;
	}
	return position >= r->pooled;
}

uint32_t elm__request_reusable(const elm__request *r)
{
	switch (r->what.pooling) {
	case ELM_POOLING_OFF:
	case ELM_POOLING_LAST:
		break;
	case ELM_POOLING_FIRST:
		return r->pooled ? r->count : 0;
	case ELM_POOLING_MEAN:
	case ELM_POOLING_ALL:
		return r->pooled;
	}
	return r->count;
}

void elm__request_pool(elm__request *r, uint32_t position, const float *state)
{
	uint32_t width = r->state_width;
	float *out = r->states;
	/* A mean that goes along: no sum grows with the length of the text. */
	float weight = 1;

	if (r->what.pooling == ELM_POOLING_ALL)
		out += (size_t)position * width;
	else if (r->what.pooling == ELM_POOLING_MEAN)
		weight = 1 / (float)(position + 1);
	for (uint32_t i = 0; i < width; i++)
		out[i] += (state[i] - out[i]) * weight;
	r->pooled = position + 1;
}

/* --- the next token --- */

/* Logarithm of the probability that a logit of 0 would have. */
static double log_base(const float *logits, uint32_t vocabulary)
{
	float best = elm__logits_best(logits, vocabulary);

	if (best == -INFINITY)
		return 0;
	return -(double)best - elm__log(elm__logits_mass(logits, vocabulary, best, 1));
}

static void find_top(elm__request *r, const float *logits, uint32_t vocabulary, double base,
		     elm_event *event)
{
	elm__shortlist list = { .items = r->top };
	uint32_t n = r->what.top_logprobs < vocabulary ? r->what.top_logprobs : vocabulary;

	if (!n)
		return;
	elm__shortlist_top_k(&list, logits, vocabulary, n);
	for (size_t i = 0; i < list.count; i++)
		r->logprobs[i] = (elm_token_logprob){ list.items[i].token,
						      (float)((double)list.items[i].logit + base) };
	event->top = r->logprobs;
	event->top_count = list.count;
}

/* True when a function of the filter has failed, whether or not it said why. */
static bool filter_failed(elm__request *r, elm_status status)
{
	if (status && !r->error.status)
		elm_error_set(&r->error, status, "the filter of the request failed: %s",
			      elm_status_text(status));
	return status != ELM_OK;
}

/* Takes out what may not be chosen. False when nothing is left. */
static bool restrict_choice(elm__request *r, float *logits, uint32_t vocabulary)
{
	bool any = true;

	if (r->what.ignore_eos)
		for (size_t i = 0; i < r->n_ends; i++)
			logits[r->ends[i]] = -INFINITY;
	if (r->filter.apply && r->filter.apply(r->filter.user, logits, vocabulary, &any, &r->error))
		return false;
	if (!any)
		r->finish = ELM_FINISH_FILTER;
	return any;
}

/* Takes the chosen token into the text, and tells what of it may be seen. */
static void take(elm__request *r, elm_token token, elm_event *event)
{
	if (r->filter.accept &&
	    filter_failed(r, r->filter.accept(r->filter.user, token, &r->error)))
		return;
	if (elm__output_push(&r->output, token, &event->text, &event->text_length, &r->error))
		return;
	r->tokens[r->count++] = token;
	r->stats.token_count++;
	r->stats.last_token_ns = event->token_ns;
	if (!r->stats.first_text_ns && elm_token_piece(r->tokenizer, token, r->what.special).length)
		r->stats.first_text_ns = event->token_ns;
	event->token = token;
	event->stats = r->stats;
	tell(r, event);
	if (r->finish)
		return;
	if (r->output.stopped)
		r->finish = ELM_FINISH_STOP;
	else if (r->filter.finished && r->filter.finished(r->filter.user))
		r->finish = ELM_FINISH_EOS;
	else if (r->stats.token_count == r->what.max_tokens)
		r->finish = ELM_FINISH_LENGTH;
	else if (r->count > r->context)
		r->finish = ELM_FINISH_CONTEXT;
}

void elm__request_choose(elm__request *r, float *logits, uint32_t vocabulary)
{
	elm_event event = new_event(r, ELM_EVENT_TOKEN);
	double base = 0;
	elm_token token;

	event.token_ns = elm__now_ns();
	if (!r->stats.prompt_end_ns)
		r->stats.prompt_end_ns = event.token_ns;
	if (r->what.logprobs) {
		base = log_base(logits, vocabulary);
		find_top(r, logits, vocabulary, base, &event);
	}
	if (!restrict_choice(r, logits, vocabulary) ||
	    elm_sampler_sample(r->sampler, logits, &token, &r->error))
		return;
	if (elm_tokenizer_is_eog(r->tokenizer, token)) {
		r->finish = ELM_FINISH_EOS;
		return;
	}
	event.logprob = r->what.logprobs ? (float)((double)logits[token] + base) : 0;
	take(r, token, &event);
}
