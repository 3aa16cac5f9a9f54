#include "study/fit.h"

#include <string.h>

enum { LONGEST = 1 << 20 /* characters that are tried */ };

/* A search for the right length. */
typedef struct search {
	elm__subject *subject;
	elm__category category;
	const char *query;
	elm__prompt_form form;
	uint32_t target;
	elm__buf text, prompt;
	size_t best; /* characters */
	uint32_t best_tokens;
	unsigned counts; /* that are left */
} search;

static uint32_t distance(uint32_t a, uint32_t b)
{
	return a > b ? a - b : b - a;
}

/* The tokens that so many characters make. */
static elm_status try_length(search *s, size_t characters, uint32_t *tokens, elm_error *error)
{
	elm__prompt prompt;
	elm_status status;

	elm__text_fit(s->query, characters, &s->text);
	prompt = elm__workload_prompt(s->category, elm__buf_text(&s->text), s->form, &s->prompt);
	status = elm__buf_status(&s->text, error);
	if (status == ELM_OK)
		status = elm__buf_status(&s->prompt, error);
	if (status == ELM_OK)
		status = s->subject->kind->count(s->subject, &prompt, tokens, error);
	if (status)
		return status;
	s->counts--;
	if (!s->best || distance(*tokens, s->target) < distance(s->best_tokens, s->target)) {
		s->best = characters;
		s->best_tokens = *tokens;
	}
	return ELM_OK;
}

static bool goes_on(const search *s)
{
	return s->counts && s->best_tokens != s->target;
}

/* More characters have more tokens, nearly always, and nearly evenly: where the line between the
 * ends meets the target is tried first, and the middle when that has not shrunk them by half. */
static elm_status close_in(search *s, elm_error *error)
{
	size_t low = 1, high = 4 * (size_t)s->target;
	uint32_t below = 0, above = 0, tokens;
	bool halve = false;
	elm_status status = try_length(s, low, &below, error);

	while (status == ELM_OK && goes_on(s) && above < s->target && high < LONGEST) {
		status = try_length(s, high, &above, error);
		if (above < s->target) {
			low = high;
			below = above;
			high *= 2;
		}
	}
	while (status == ELM_OK && goes_on(s) && high - low > 1 && below < s->target) {
		size_t width = high - low, step = width / 2;

		if (!halve && above > below)
			step = width * (s->target - below) / (above - below);
		step = step < 1 ? 1 : step >= width ? width - 1 : step;
		status = try_length(s, low + step, &tokens, error);
		if (tokens < s->target) {
			low += step;
			below = tokens;
		} else {
			high = low + step;
			above = tokens;
		}
		halve = high - low > width / 2;
	}
	return status;
}

/* Where a character more makes two tokens more, a little further it may be one. */
static elm_status look_around(search *s, elm_error *error)
{
	size_t centre = s->best;
	elm_status status = ELM_OK;
	uint32_t tokens;

	for (size_t off = 1; status == ELM_OK && goes_on(s) && off <= 16; off++) {
		status = try_length(s, centre + off, &tokens, error);
		if (status == ELM_OK && goes_on(s) && centre > off)
			status = try_length(s, centre - off, &tokens, error);
	}
	return status;
}

elm_status elm__fit_query(elm__subject *subject, elm__category category, const char *query,
			  elm__prompt_form form, uint32_t target, elm__buf *out, uint32_t *tokens,
			  elm_error *error)
{
	search s = { .subject = subject,
		     .category = category,
		     .query = query,
		     .form = form,
		     .target = target,
		     .counts = subject->kind->counts };
	elm_status status = close_in(&s, error);

	if (status == ELM_OK)
		status = look_around(&s, error);
	if (status == ELM_OK) {
		elm__text_fit(query, s.best, out);
		*tokens = s.best_tokens;
		status = elm__buf_status(out, error);
	}
	elm__buf_release(&s.text);
	elm__buf_release(&s.prompt);
	return status;
}

elm_status elm__nearest_query(elm__subject *subject, const elm__workload *workload,
			      elm__category category, elm__prompt_form form, uint32_t target,
			      size_t *query, elm_error *error)
{
	const elm__queries *all = &workload->all[category];
	uint32_t closest = UINT32_MAX, tokens;
	elm__buf text = ELM__BUF_INIT;
	elm_status status = ELM_OK;

	for (size_t i = 0; i < all->count && status == ELM_OK; i++) {
		elm__prompt prompt = elm__workload_prompt(category, all->texts[i], form, &text);

		status = elm__buf_status(&text, error);
		if (status == ELM_OK)
			status = subject->kind->count(subject, &prompt, &tokens, error);
		if (status == ELM_OK && distance(tokens, target) < closest) {
			closest = distance(tokens, target);
			*query = i;
		}
	}
	elm__buf_release(&text);
	return status;
}
