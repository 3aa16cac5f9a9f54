#include <edgelm/generate.h>

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/stats.h"
#include "engine/output.h"
#include "engine/speculation.h"

struct elm_generator {
	elm_session *session;
	const elm_tokenizer *tokenizer;
	uint32_t sequence;
	uint32_t context, batch;
	elm_token *held; /* what the sequence holds; room for the context */
	size_t held_count;
	uint32_t *sequences; /* rows of one step: all the same */
	uint8_t *logits;     /* rows of one step: all 0 between steps */
	elm_token *ends;     /* tokens that end a generation, found when first needed */
	size_t end_count;

	/* the last run */
	elm__output output;
	elm__speculation speculation;
	elm_token *tokens;
	uint64_t *token_ns;
	double *gaps; /* between tokens; room for as many */
	size_t token_count, token_room;
	uint64_t first_text_ns;
};

const char *elm_finish_name(elm_finish finish)
{
	switch (finish) {
	case ELM_FINISH_EOS:
		return "eos";
	case ELM_FINISH_LENGTH:
		return "length";
	case ELM_FINISH_STOP:
		return "stop";
	case ELM_FINISH_CONTEXT:
		return "context";
	case ELM_FINISH_CANCELLED:
		return "cancelled";
	case ELM_FINISH_DEADLINE:
		return "deadline";
	case ELM_FINISH_FILTER:
		return "filter";
	case ELM_FINISH_POOLED:
		return "pooled";
	case ELM_FINISH_COUNT:
		break;
	}
	return "unknown";
}

elm_status elm_generator_create(elm_session *session, uint32_t sequence, elm_generator **out,
				elm_error *error)
{
	const elm_session_options *options = elm_session_get_options(session);
	elm_generator *g;

	*out = NULL;
	if (sequence >= options->max_sequences)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "sequence %lu is out of range: the session has %lu",
				     (unsigned long)sequence,
				     (unsigned long)options->max_sequences);
	g = elm__calloc(1, sizeof(*g));
	if (!g)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a generator");
	g->session = session;
	g->tokenizer = elm_model_tokenizer(elm_session_model(session));
	g->sequence = sequence;
	g->context = options->context;
	g->batch = options->batch;
	g->held = elm__realloc_array(NULL, g->context, sizeof(g->held[0]));
	g->sequences = elm__realloc_array(NULL, g->batch, sizeof(g->sequences[0]));
	g->logits = elm__calloc(g->batch, 1);
	if (!g->held || !g->sequences || !g->logits) {
		elm_generator_free(g);
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a generator");
	}
	for (uint32_t i = 0; i < g->batch; i++)
		g->sequences[i] = sequence;
	elm_session_truncate(session, sequence, 0);
	*out = g;
	return ELM_OK;
}

void elm_generator_free(elm_generator *g)
{
	if (!g)
		return;
	elm__output_release(&g->output);
	elm__free(g->held);
	elm__free(g->sequences);
	elm__free(g->logits);
	elm__free(g->ends);
	elm__free(g->tokens);
	elm__free(g->token_ns);
	elm__free(g->gaps);
	elm__free(g);
}

const elm_token *elm_generator_tokens(const elm_generator *g, size_t *count)
{
	*count = g->held_count;
	return g->held;
}

/* Tokens that end a generation; counted first, so that the memory is exact. */
static elm_status find_ends(elm_generator *g, elm_error *error)
{
	size_t size = elm_tokenizer_size(g->tokenizer), count = 0;

	if (g->ends)
		return ELM_OK;
	for (size_t i = 0; i < size; i++)
		count += elm_tokenizer_is_eog(g->tokenizer, (elm_token)i);
	g->ends = elm__realloc_array(NULL, count, sizeof(g->ends[0]));
	if (!g->ends)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < size; i++)
		if (elm_tokenizer_is_eog(g->tokenizer, (elm_token)i))
			g->ends[g->end_count++] = (elm_token)i;
	return ELM_OK;
}

/* Keeps of the sequence what the prompt begins with, but not all of it: the last token has to be
 * computed for its logits. Returns how many tokens that is. */
static size_t reuse(elm_generator *g, const elm_generate_options *o)
{
	size_t most = elm_session_length(g->session, g->sequence), same = 0;

	if (most > g->held_count)
		most = g->held_count;
	if (most > o->prompt_count - 1)
		most = o->prompt_count - 1;
	while (same < most && g->held[same] == o->prompt[same])
		same++;
	elm_session_truncate(g->session, g->sequence, (uint32_t)same);
	g->held_count = same;
	return same;
}

/* Computes tokens[0..count) as the continuation of the sequence, with the logits of the last
 * `logits` of them. */
static elm_status feed(elm_generator *g, const elm_token *tokens, uint32_t count, uint32_t logits,
		       elm_error *error)
{
	elm_batch batch = {
		.rows = count, .tokens = tokens, .sequences = g->sequences, .logits = g->logits
	};
	elm_status status;

	memset(g->logits + count - logits, 1, logits);
	status = elm_session_step(g->session, &batch, error);
	memset(g->logits + count - logits, 0, logits);
	if (status)
		return status;
	memmove(g->held + g->held_count, tokens, count * sizeof(*tokens));
	g->held_count += count;
	return ELM_OK;
}

static elm_status compute_prompt(elm_generator *g, const elm_generate_options *o, elm_error *error)
{
	elm_status status = ELM_OK;

	while (g->held_count < o->prompt_count && !status) {
		size_t left = o->prompt_count - g->held_count;
		uint32_t rows = left < g->batch ? (uint32_t)left : g->batch;

		if (o->cancel && *o->cancel)
			return ELM_ERR_CANCELLED;
		status = feed(g, o->prompt + g->held_count, rows, rows == left, error);
		if (!status && o->on_prompt)
			o->on_prompt(o->user, (uint32_t)g->held_count, (uint32_t)o->prompt_count);
	}
	return status;
}

static elm_status make_room(elm_generator *g, elm_error *error)
{
	size_t room = g->token_room ? g->token_room * 2 : 64;
	void *tokens, *times, *gaps;

	if (g->token_count < g->token_room)
		return ELM_OK;
	/* What succeeded is kept: a larger array than token_room says does no harm. */
	tokens = elm__realloc_array(g->tokens, room, sizeof(g->tokens[0]));
	g->tokens = tokens ? tokens : g->tokens;
	times = elm__realloc_array(g->token_ns, room, sizeof(g->token_ns[0]));
	g->token_ns = times ? times : g->token_ns;
	gaps = elm__realloc_array(g->gaps, room, sizeof(g->gaps[0]));
	g->gaps = gaps ? gaps : g->gaps;
	if (!tokens || !times || !gaps)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for %zu tokens",
				     room);
	g->token_room = room;
	return ELM_OK;
}

/* Chooses the next token from the logits of a row of the last step. */
static elm_status choose(elm_generator *g, elm_sampler *sampler, const elm_generate_options *o,
			 uint32_t row, elm_token *token, elm_finish *finish, elm_error *error)
{
	size_t vocabulary = elm_model_get_info(elm_session_model(g->session))->vocabulary;
	float *logits = elm_session_logits(g->session, row);
	elm_status status;
	bool any = true;

	if (o->ignore_eos)
		for (size_t i = 0; i < g->end_count; i++)
			logits[g->ends[i]] = -INFINITY;
	if (o->constraint) {
		status = elm_constraint_apply(o->constraint, logits, vocabulary, &any, error);
		if (status)
			return status;
	}
	if (!any) {
		*finish = ELM_FINISH_FILTER;
		return ELM_OK;
	}
	return elm_sampler_sample(sampler, logits, token, error);
}

/* Takes a token into the result and gives out the text that became certain. *finish stays 0 while
 * the generation goes on. */
static elm_status take(elm_generator *g, const elm_generate_options *o, elm_token token,
		       uint64_t now, elm_finish *finish, elm_error *error)
{
	elm_status status = make_room(g, error);
	const char *text;
	size_t length;

	if (!status && o->constraint)
		status = elm_constraint_accept(o->constraint, token, error);
	if (status)
		return status;
	g->tokens[g->token_count] = token;
	g->token_ns[g->token_count++] = now;
	if (!g->first_text_ns && elm_token_piece(g->tokenizer, token, o->special).length)
		g->first_text_ns = now;
	status = elm__output_push(&g->output, token, &text, &length, error);
	if (status)
		return status;
	if (length && o->on_text && !o->on_text(o->user, text, length))
		*finish = ELM_FINISH_CANCELLED;
	else if (g->output.stopped)
		*finish = ELM_FINISH_STOP;
	else if (o->constraint && elm_constraint_finished(o->constraint))
		*finish = ELM_FINISH_EOS;
	else if (g->token_count == o->max_tokens)
		*finish = ELM_FINISH_LENGTH;
	else if (g->held_count == g->context)
		*finish = ELM_FINISH_CONTEXT;
	return ELM_OK;
}

/* A draft of what follows `token`, which is about to be computed; as long as context and answer
 * last. */
static uint32_t draft(elm_generator *g, const elm_generate_options *o, elm_token *rows)
{
	size_t most = g->context - g->held_count - 1, left;

	if (!g->speculation.longest)
		return 0;
	left = o->max_tokens ? o->max_tokens - g->token_count : most;
	most = left < most ? left : most;
	g->held[g->held_count] =
		rows[0]; /* known, though not computed: the draft goes on from it */
	return elm__speculation_draft(&g->speculation, g->held, g->held_count + 1, rows + 1,
				      most < ELM__LONGEST_DRAFT ? (uint32_t)most :
								  ELM__LONGEST_DRAFT);
}

/* Computes the chosen token and a draft of what may follow; the first row is that of the token. */
static elm_status advance(elm_generator *g, const elm_generate_options *o, elm_token *rows,
			  uint32_t *drafted, elm_error *error)
{
	elm_status status;

	*drafted = draft(g, o, rows);
	status = feed(g, rows, 1 + *drafted, 1 + *drafted, error);
	if (status == ELM_ERR_FULL && *drafted) { /* there may still be room for the token alone */
		*drafted = 0;
		status = feed(g, rows, 1, 1, error);
	}
	if (!status)
		g->held_count -= *drafted; /* until they are accepted */
	return status;
}

static elm_status generate(elm_generator *g, elm_sampler *sampler, const elm_generate_options *o,
			   elm_finish *finish, elm_error *error)
{
	elm_token rows[1 + ELM__LONGEST_DRAFT], token;
	uint32_t drafted = 0, row = 0; /* row: drafted tokens that were accepted */
	uint64_t began = 0;	       /* the step at hand; 0: that was the prompt */
	elm_status status = ELM_OK;

	while (!status && !*finish) {
		status = choose(g, sampler, o, row, &token, finish, error);
		if (status || *finish)
			break;
		if (elm_tokenizer_is_eog(g->tokenizer, token)) {
			*finish = ELM_FINISH_EOS;
			break;
		}
		status = take(g, o, token, elm__now_ns(), finish, error);
		if (status || *finish)
			break;
		if (row < drafted && token == rows[1 + row]) {
			g->held_count++; /* it is in the cache already */
			row++;
			continue;
		}
		elm_session_truncate(g->session, g->sequence, (uint32_t)g->held_count);
		if (began)
			elm__speculation_learn(&g->speculation,
					       elm__seconds_between(began, elm__now_ns()), drafted,
					       row);
		began = elm__now_ns();
		rows[0] = token;
		row = 0;
		status = advance(g, o, rows, &drafted, error);
		if (status == ELM_ERR_FULL) { /* other sequences hold the rest of the cache */
			*finish = ELM_FINISH_CONTEXT;
			status = ELM_OK;
		}
	}
	elm_session_truncate(g->session, g->sequence, (uint32_t)g->held_count);
	return status;
}

static void describe(const elm_generator *g, elm_generate_result *r)
{
	size_t n = g->token_count, computed = r->prompt_count - r->prompt_reused;
	elm__summary s;

	r->stop = g->output.stopped;
	r->drafted = g->speculation.drafted;
	r->draft_accepted = g->speculation.accepted;
	r->text = elm__buf_text(&g->output.text);
	r->text_length = g->output.text.length;
	r->tokens = g->tokens;
	r->token_ns = g->token_ns;
	r->token_count = n;
	r->ttft = g->first_text_ns ? elm__seconds_between(r->arrival_ns, g->first_text_ns) : -1;
	for (size_t i = 1; i < n; i++)
		g->gaps[i - 1] = elm__seconds_between(g->token_ns[i - 1], g->token_ns[i]);
	s = elm__summarize(g->gaps, n > 1 ? n - 1 : 0);
	r->tbt = (elm_intervals){ s.n, s.mean, s.p50, s.p95, s.p99 };
	if (s.mean > 0)
		r->token_rate = 1 / s.mean;
	if (r->prompt_end_ns > r->prompt_start_ns)
		r->prompt_rate = (double)computed /
				 elm__seconds_between(r->prompt_start_ns, r->prompt_end_ns);
}

static elm_status prepare(elm_generator *g, elm_sampler *sampler, const elm_generate_options *o,
			  elm_error *error)
{
	elm_status status;
	uint32_t most;

	if (!o->prompt_count)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "the prompt is empty: a model needs at least one token");
	if (o->prompt_count >= g->context)
		return elm_error_set(error, ELM_ERR_FULL,
				     "the prompt has %zu tokens and leaves no room for an answer "
				     "in the context of %lu; shorten it or enlarge the context",
				     o->prompt_count, (unsigned long)g->context);
	if (o->draft && o->draft >= elm_session_get_options(g->session)->max_logits)
		return elm_error_set(
			error, ELM_ERR_ARGUMENT,
			"guessing %u tokens ahead needs logits of %u rows; the session has "
			"%u",
			o->draft, o->draft + 1, elm_session_get_options(g->session)->max_logits);
	most = o->draft < ELM__LONGEST_DRAFT ? o->draft : ELM__LONGEST_DRAFT;
	elm__speculation_init(&g->speculation, most < g->batch ? most : g->batch - 1);
	elm__output_release(&g->output);
	g->token_count = 0;
	g->first_text_ns = 0;
	status = elm__output_init(&g->output, g->tokenizer, !o->new_text, o->special, o->stop,
				  o->stop_count, error);
	if (!status && o->ignore_eos)
		status = find_ends(g, error);
	if (o->constraint)
		elm_constraint_reset(o->constraint, o->new_text);
	elm_sampler_forget(sampler);
	for (size_t i = 0; i < o->prompt_count && !status; i++)
		status = elm_sampler_accept(sampler, o->prompt[i], error);
	return status;
}

/* The prompt, then tokens until something ends it; cancelling is an end like the others. */
static elm_status run(elm_generator *g, elm_sampler *sampler, const elm_generate_options *o,
		      elm_generate_result *r, elm_error *error)
{
	elm_status status;

	elm_session_set_cancel(g->session, o->cancel);
	r->prompt_start_ns = elm__now_ns();
	status = compute_prompt(g, o, error);
	r->prompt_end_ns = elm__now_ns();
	if (!status)
		status = generate(g, sampler, o, &r->finish, error);
	elm_session_set_cancel(g->session, NULL);
	if (status != ELM_ERR_CANCELLED)
		return status;
	r->finish = ELM_FINISH_CANCELLED;
	return ELM_OK;
}

elm_status elm_generator_run(elm_generator *g, elm_sampler *sampler, const elm_generate_options *o,
			     elm_generate_result *result, elm_error *error)
{
	elm_generate_result r = { .arrival_ns = o->arrival_ns ? o->arrival_ns : elm__now_ns(),
				  .prompt_count = o->prompt_count };
	elm_error inner = { 0 }; /* so that the caller's stays as it is when all ends well */
	elm_status status = prepare(g, sampler, o, &inner);
	const char *text;
	size_t length;

	if (!status) {
		r.prompt_reused = reuse(g, o);
		status = run(g, sampler, o, &r, &inner);
	}
	if (!status)
		status = elm__output_finish(&g->output, &text, &length, &inner);
	if (status)
		return elm_error_set(error, status, "%s", inner.text);
	if (length && o->on_text)
		(void)o->on_text(o->user, text, length); /* it has ended already */
	describe(g, &r);
	*result = r;
	return ELM_OK;
}
