#include "eval/perplexity.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/shortlist.h"

typedef struct elm__document {
	size_t start;
	uint32_t tokens, scores;
} document;

static elm_status begin(elm__perplexity *p, elm_session *session, uint32_t window, elm_error *error)
{
	memset(p, 0, sizeof(*p));
	if (window < 4)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "a window of %lu tokens is too short to score; use at least 4",
				     (unsigned long)window);
	p->session = session;
	p->window = window;
	p->bos = ELM_TOKEN_NONE;
	p->buffer = elm__realloc_array(NULL, window, sizeof(elm_token));
	p->wanted = elm__malloc(window);
	if (p->buffer && p->wanted)
		return ELM_OK;
	elm__perplexity_release(p);
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
}

elm_status elm__perplexity_init(elm__perplexity *p, elm_session *session, const elm_token *tokens,
				size_t count, uint32_t window, elm_error *error)
{
	const elm_tokenizer *tokenizer = elm_model_tokenizer(elm_session_model(session));
	elm_status status = begin(p, session, window, error);

	if (status)
		return status;
	if (count < window) {
		elm__perplexity_release(p);
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "the text has %zu tokens, less than one window of %lu", count,
				     (unsigned long)window);
	}
	p->windows = count / window < UINT32_MAX ? (uint32_t)(count / window) : UINT32_MAX;
	p->tokens = tokens;
	p->bos = elm_tokenizer_adds_bos(tokenizer) ? elm_tokenizer_bos(tokenizer) : ELM_TOKEN_NONE;
	return ELM_OK;
}

/* Adds a document, unless nothing in it is scored. */
static void add_document(elm__perplexity *p, size_t start, size_t end)
{
	document *d = &p->documents[p->windows];

	*d = (document){ .start = start };
	d->tokens = end - start < p->window ? (uint32_t)(end - start) : p->window;
	for (uint32_t i = 1; i < d->tokens; i++)
		d->scores += p->marks[start + i] != 0;
	p->windows += d->scores > 0;
}

elm_status elm__perplexity_init_marked(elm__perplexity *p, elm_session *session,
				       const elm__marked_text *text, uint32_t window,
				       elm_error *error)
{
	elm_status status = begin(p, session, window, error);

	if (status)
		return status;
	p->tokens = text->tokens;
	p->marks = text->marks;
	if (text->documents < UINT32_MAX)
		p->documents = elm__calloc(text->documents + 1, sizeof(*p->documents));
	if (!p->documents)
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for %zu documents",
				       text->documents);
	for (size_t i = 0; i < text->documents && !status; i++)
		add_document(p, text->starts[i], text->starts[i + 1]);
	if (!status && !p->windows)
		status = elm_error_set(error, ELM_ERR_ARGUMENT,
				       "the text has no token that is to be scored within the "
				       "first %lu of a document",
				       (unsigned long)window);
	if (status)
		elm__perplexity_release(p);
	return status;
}

void elm__perplexity_release(elm__perplexity *p)
{
	elm__free(p->buffer);
	elm__free(p->wanted);
	elm__free(p->documents);
	memset(p, 0, sizeof(*p));
}

uint64_t elm__perplexity_scores(const elm__perplexity *p, uint32_t n)
{
	uint64_t sum = 0;

	if (!p->documents)
		return (uint64_t)n * elm__perplexity_rows(p);
	for (uint32_t i = 0; i < n; i++)
		sum += p->documents[i].scores;
	return sum;
}

uint32_t elm__perplexity_rows(const elm__perplexity *p)
{
	uint32_t most = p->window - 1 - p->window / 2;

	for (uint32_t i = 0; p->documents && i < p->windows; i++) {
		if (!i || p->documents[i].scores > most)
			most = p->documents[i].scores;
	}
	return most;
}

/* Lays out the tokens of the next window and what of it is scored; returns how many they are. */
static uint32_t lay_out(const elm__perplexity *p)
{
	const document *d = p->documents ? &p->documents[p->done] : NULL;
	size_t start = d ? d->start : (size_t)p->done * p->window;
	uint32_t n = d ? d->tokens : p->window;

	memcpy(p->buffer, p->tokens + start, n * sizeof(elm_token));
	if (p->bos != ELM_TOKEN_NONE)
		p->buffer[0] = p->bos;
	for (uint32_t i = 0; i < n; i++)
		p->wanted[i] = i + 1 < n && (d ? p->marks[start + i + 1] != 0 : i >= n / 2);
	return n;
}

/* -ln of the probability of a token */
static double surprise(const float *logits, size_t count, elm_token token)
{
	float best = elm__logits_best(logits, count);

	return (double)best - (double)logits[token] + log(elm__logits_mass(logits, count, best, 1));
}

elm_status elm__perplexity_next(elm__perplexity *p, elm_error *error)
{
	size_t vocabulary = elm_model_get_info(elm_session_model(p->session))->vocabulary;
	uint32_t step = elm_session_get_options(p->session)->max_logits;
	uint32_t n = lay_out(p);
	double sum = 0, sum_squares = 0;
	uint64_t scored = 0;

	elm_session_truncate(p->session, 0, 0);
	for (uint32_t first = 0; first < n; first += step) {
		elm_batch batch = { .rows = n - first < step ? n - first : step,
				    .tokens = p->buffer + first,
				    .logits = p->wanted + first };
		elm_status status = elm_session_step(p->session, &batch, error);
		uint32_t row = 0;

		if (status)
			return status;
		for (uint32_t i = 0; i < batch.rows; i++) {
			const float *logits;
			double nll;

			if (!batch.logits[i])
				continue;
			logits = elm_session_logits(p->session, row++);
			if (p->each)
				status = p->each(p->user, (uint32_t)scored, logits,
						 p->buffer[first + i + 1], error);
			if (status)
				return status;
			nll = surprise(logits, vocabulary, p->buffer[first + i + 1]);
			sum += nll;
			sum_squares += nll * nll;
			scored++;
		}
	}
	p->sum += sum;
	p->sum_squares += sum_squares;
	p->scored += scored;
	p->done++;
	return ELM_OK;
}

double elm__perplexity_value(const elm__perplexity *p)
{
	return exp(p->sum / (double)p->scored);
}

double elm__perplexity_error(const elm__perplexity *p)
{
	double n = (double)p->scored, mean = p->sum / n;
	double variance = p->sum_squares / n - mean * mean;

	if (n < 2 || variance < 0)
		return 0;
	return sqrt(variance / (n - 1)) * exp(mean);
}
