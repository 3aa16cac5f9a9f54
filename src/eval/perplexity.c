#include "eval/perplexity.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/shortlist.h"

elm_status elm__perplexity_init(elm__perplexity *p, elm_session *session, const elm_token *tokens,
				size_t count, uint32_t window, elm_error *error)
{
	const elm_tokenizer *tokenizer = elm_model_tokenizer(elm_session_model(session));

	memset(p, 0, sizeof(*p));
	if (window < 4)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "a window of %lu tokens is too short to score; use at least 4",
				     (unsigned long)window);
	if (count < window)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "the text has %zu tokens, less than one window of %lu", count,
				     (unsigned long)window);
	p->windows = count / window < UINT32_MAX ? (uint32_t)(count / window) : UINT32_MAX;
	p->session = session;
	p->tokens = tokens;
	p->window = window;
	p->bos = elm_tokenizer_adds_bos(tokenizer) ? elm_tokenizer_bos(tokenizer) : ELM_TOKEN_NONE;
	p->buffer = elm__realloc_array(NULL, window, sizeof(elm_token));
	p->wanted = elm__malloc(window);
	if (!p->buffer || !p->wanted) {
		elm__perplexity_release(p);
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	}
	for (uint32_t i = 0; i < window; i++)
		p->wanted[i] = i >= window / 2 && i + 1 < window;
	return ELM_OK;
}

void elm__perplexity_release(elm__perplexity *p)
{
	elm__free(p->buffer);
	elm__free(p->wanted);
	memset(p, 0, sizeof(*p));
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
	double sum = 0, sum_squares = 0;
	uint64_t scored = 0;

	memcpy(p->buffer, p->tokens + (size_t)p->done * p->window, p->window * sizeof(elm_token));
	if (p->bos != ELM_TOKEN_NONE)
		p->buffer[0] = p->bos;
	elm_session_truncate(p->session, 0, 0);
	for (uint32_t first = 0; first < p->window; first += step) {
		elm_batch batch = { .rows = p->window - first < step ? p->window - first : step,
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
