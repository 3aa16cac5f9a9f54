#include "bench/run.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/process.h"
#include "base/random.h"
#include "base/text.h"

enum { BLOCK = 32 /* tokens by which a cache grows */, SEED = 42 };

typedef struct runner {
	elm_model *model;
	const elm__bench_case *what;
	const elm__bench_options *options;
	elm__bench_result *result;
	elm_error *error; /* of the result */
	elm_session *session;
	/* Rows of a step. */
	elm_token *tokens;
	uint32_t *sequences;
	uint8_t *logits;
	uint32_t capacity;
	double *steps, *firsts; /* seconds of steps that generate, and of prompts */
	size_t n_steps;
} runner;

static void notice(const runner *r, elm__bench_stage stage, uint32_t repetition)
{
	if (r->options->notice)
		r->options->notice(r->options->user, stage, repetition);
}

/* --- memory, counted before it is taken --- */

static elm_status session_options(runner *r, elm_session_options *out)
{
	const elm__bench_case *w = r->what;
	uint64_t length = (uint64_t)w->depth + w->prompt + w->generate;
	uint64_t context = (length + BLOCK - 1) / BLOCK * BLOCK * w->sequences;

	if (context > UINT32_MAX)
		return elm_error_set(r->error, ELM_ERR_LIMIT,
				     "%u sequences of %llu tokens are more than a cache can hold",
				     w->sequences, (unsigned long long)length);
	*out = elm_session_defaults();
	out->context = (uint32_t)context;
	out->max_sequences = w->sequences;
	out->batch = w->ubatch < w->batch ? w->ubatch : w->batch;
	out->kv_type = w->kv_type;
	out->threads = w->threads;
	return ELM_OK;
}

/* Rows of the longest step. */
static uint32_t longest_step(const elm__bench_case *w)
{
	uint64_t rows = (uint64_t)(w->prompt > w->depth ? w->prompt : w->depth) * w->sequences;

	if (rows > w->batch)
		rows = w->batch;
	return rows > w->sequences ? (uint32_t)rows : w->sequences;
}

/* The kernel would promise the pages of a cache and end us when they are used, so what the machine
 * has left is asked first. */
static elm_status check_memory(runner *r, const elm_session_options *options)
{
	uint64_t needed, left, row = sizeof(*r->tokens) + sizeof(*r->sequences) + 1;
	char needed_text[32], left_text[32];
	elm_memory_estimate estimate;
	elm_status status = elm_session_estimate(r->model, options, &estimate, r->error);

	/* A context beyond what a session takes is a test that is too large, not a wrong one. */
	if (status == ELM_ERR_ARGUMENT)
		return r->error->status = ELM_ERR_LIMIT;
	if (status != ELM_OK || !elm__memory_available("", &left))
		return status;
	needed = estimate.kv + estimate.scratch + r->capacity * row +
		 (uint64_t)r->options->repetitions * r->what->generate * sizeof(*r->steps);
	if (needed <= left)
		return ELM_OK;
	return elm_error_set(r->error, ELM_ERR_NO_MEMORY,
			     "out of memory: this test takes %s beside the weights, and %s are "
			     "left",
			     elm__format_bytes(needed, needed_text, sizeof(needed_text)),
			     elm__format_bytes(left, left_text, sizeof(left_text)));
}

static elm_status take_memory(runner *r, const elm_session_options *options)
{
	uint32_t repetitions = r->options->repetitions;
	elm__bench_result *result = r->result;
	size_t n_steps;

	if (!elm__mul(repetitions, r->what->generate, &n_steps))
		n_steps = SIZE_MAX; /* which cannot be had */
	r->tokens = elm__calloc(r->capacity, sizeof(*r->tokens));
	r->sequences = elm__calloc(r->capacity, sizeof(*r->sequences));
	r->logits = elm__calloc(r->capacity, sizeof(*r->logits));
	r->steps = elm__calloc(n_steps, sizeof(*r->steps));
	r->firsts = elm__calloc(repetitions, sizeof(*r->firsts));
	result->total_ns = elm__calloc(repetitions, sizeof(*result->total_ns));
	result->prompt_ns = elm__calloc(repetitions, sizeof(*result->prompt_ns));
	if (!r->tokens || !r->sequences || !r->logits || !r->steps || !r->firsts ||
	    !result->total_ns || !result->prompt_ns)
		return elm_error_set(r->error, ELM_ERR_NO_MEMORY,
				     "out of memory for the measurements");
	return elm_session_create(r->model, options, &r->session, r->error);
}

static void fill_tokens(runner *r)
{
	uint32_t vocabulary = elm_model_get_info(r->model)->vocabulary;
	elm__random random;

	elm__random_seed(&random, SEED);
	for (uint32_t i = 0; i < r->capacity; i++)
		r->tokens[i] = (elm_token)(elm__random_u64(&random) % vocabulary);
}

/* --- the work --- */

static elm_status step(runner *r, uint32_t rows)
{
	elm_batch batch = {
		.rows = rows, .tokens = r->tokens, .sequences = r->sequences, .logits = r->logits
	};

	return elm_session_step(r->session, &batch, r->error);
}

/* `length` more tokens of every sequence, one sequence after the other, in steps of at most
 * `batch`; with logits of the last of each, or without any. */
static elm_status feed(runner *r, uint32_t length, bool logits)
{
	elm_status status = ELM_OK;
	uint32_t rows = 0;

	for (uint32_t s = 0; s < r->what->sequences; s++)
		for (uint32_t i = 0; i < length && status == ELM_OK; i++) {
			bool last = i + 1 == length;

			r->sequences[rows] = s;
			r->logits[rows] = logits && last;
			rows++;
			if (rows == r->what->batch || (last && s + 1 == r->what->sequences)) {
				status = step(r, rows);
				rows = 0;
			}
		}
	return status;
}

/* `count` steps, each with one token of every sequence; their times go to `seconds`, or nowhere. */
static elm_status generate(runner *r, uint32_t count, double *seconds)
{
	elm_status status = ELM_OK;
	uint64_t before = elm__now_ns(), now;

	for (uint32_t s = 0; s < r->what->sequences; s++) {
		r->sequences[s] = s;
		r->logits[s] = 1;
	}
	for (uint32_t i = 0; i < count && status == ELM_OK; i++) {
		status = step(r, r->what->sequences);
		now = elm__now_ns();
		if (seconds)
			seconds[i] = elm__seconds_between(before, now);
		before = now;
	}
	return status;
}

static void rewind_to_depth(runner *r)
{
	for (uint32_t s = 0; s < r->what->sequences; s++)
		elm_session_truncate(r->session, s, r->what->depth);
}

static elm_status repetition(runner *r, uint32_t index)
{
	uint64_t start = elm__now_ns(), between;
	elm_status status = feed(r, r->what->prompt, true);

	between = elm__now_ns();
	if (status == ELM_OK)
		status = generate(r, r->what->generate, r->steps + r->n_steps);
	r->result->total_ns[index] = elm__now_ns() - start;
	r->result->prompt_ns[index] = between - start;
	r->firsts[index] = elm__seconds_between(start, between);
	r->n_steps += r->what->generate;
	rewind_to_depth(r);
	return status;
}

static elm_status measure(runner *r)
{
	const elm__bench_case *w = r->what;
	elm__bench_result *result = r->result;
	elm_status status = ELM_OK;

	elm_session_set_cancel(r->session, r->options->cancel);
	fill_tokens(r);
	if (w->depth) {
		notice(r, ELM__BENCH_DEPTH, 1);
		status = feed(r, w->depth, false);
	}
	if (!r->options->no_warmup && status == ELM_OK) {
		notice(r, ELM__BENCH_WARMUP, 1);
		status = feed(r, w->prompt, true);
		if (status == ELM_OK)
			status = generate(r, w->generate ? 1 : 0, NULL);
		rewind_to_depth(r);
	}
	for (uint32_t i = 0; i < r->options->repetitions && status == ELM_OK; i++) {
		notice(r, ELM__BENCH_REPETITION, i + 1);
		status = repetition(r, i);
	}
	if (status != ELM_OK)
		return status;
	result->repetitions = r->options->repetitions;
	result->step = elm__summarize(r->steps, r->n_steps);
	if (w->prompt)
		result->ttft = elm__summarize(r->firsts, result->repetitions);
	return ELM_OK;
}

elm_status elm__bench_run(elm_model *model, const elm__bench_case *what,
			  const elm__bench_options *options, elm__bench_result *result)
{
	runner r = { .model = model, .what = what, .options = options, .result = result };
	elm_session_options session;
	elm_status status;
	bool reset;

	memset(result, 0, sizeof(*result));
	result->what = *what;
	result->started = (int64_t)time(NULL);
	r.error = &result->error;
	r.capacity = longest_step(what);
	reset = elm__process_reset_peak_memory();
	status = session_options(&r, &session);
	if (status == ELM_OK)
		status = check_memory(&r, &session);
	if (status == ELM_OK)
		status = take_memory(&r, &session);
	if (status == ELM_OK)
		status = measure(&r);
	/* Without a reset it would be the peak of some test before. */
	if (status == ELM_OK && (!reset || !elm__process_peak_memory(&result->peak_memory)))
		result->peak_memory = 0;
	elm_session_free(r.session);
	elm__free(r.tokens);
	elm__free(r.sequences);
	elm__free(r.logits);
	elm__free(r.steps);
	elm__free(r.firsts);
	return status;
}

void elm__bench_result_release(elm__bench_result *result)
{
	elm__free(result->total_ns);
	elm__free(result->prompt_ns);
	memset(result, 0, sizeof(*result));
}

/* --- what is said about it --- */

static double tokens_of(const elm__bench_case *w)
{
	return ((double)w->prompt + w->generate) * w->sequences;
}

double elm__bench_rate(const elm__bench_result *result, uint32_t index)
{
	return tokens_of(&result->what) * 1e9 / (double)result->total_ns[index];
}

/* Sums in two passes: squares of nanoseconds would lose the difference. `of` gives value i. */
static elm__bench_average average(const elm__bench_result *result,
				  double (*of)(const elm__bench_result *result, uint32_t index))
{
	uint32_t n = result->repetitions;
	elm__bench_average a = { 0, 0 };

	for (uint32_t i = 0; i < n; i++)
		a.mean += of(result, i) / n;
	for (uint32_t i = 0; i < n; i++)
		a.deviation += (of(result, i) - a.mean) * (of(result, i) - a.mean);
	a.deviation = n > 1 ? sqrt(a.deviation / (n - 1)) : 0;
	return a;
}

static double time_of(const elm__bench_result *result, uint32_t index)
{
	return (double)result->total_ns[index];
}

elm__bench_average elm__bench_rates(const elm__bench_result *result)
{
	return average(result, elm__bench_rate);
}

elm__bench_average elm__bench_times(const elm__bench_result *result)
{
	return average(result, time_of);
}
