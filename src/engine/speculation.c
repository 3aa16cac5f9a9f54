#include "engine/speculation.h"

#include <string.h>

enum {
	LONGEST_MATCH = 4,  /* tokens that must have occurred before, at best */
	SHORTEST_MATCH = 2, /* and at least: single tokens repeat too often by chance */
	FIRST_PAUSE = 16,
	LONGEST_PAUSE = 1024
};

static const double forget = 0.25; /* weight of the newest step in a running mean */

void elm__speculation_init(elm__speculation *s, uint32_t longest)
{
	memset(s, 0, sizeof(*s));
	s->longest = longest;
	s->next_pause = FIRST_PAUSE;
}

/* Where the last `length` tokens occurred before, most recently: the index after them, or 0. */
static size_t find_before(const elm_token *tokens, size_t count, size_t length)
{
	const elm_token *last = tokens + count - length;

	for (size_t at = count - 1; at >= length; at--)
		if (tokens[at - 1] == last[length - 1] &&
		    !memcmp(tokens + at - length, last, length * sizeof(*tokens)))
			return at;
	return 0;
}

uint32_t elm__speculation_draft(elm__speculation *s, const elm_token *tokens, size_t count,
				elm_token *out, uint32_t most)
{
	if (most > s->longest)
		most = s->longest;
	if (!most || !(s->plain_seconds > 0)) /* first learn what a step costs without */
		return 0;
	if (s->pause) {
		s->pause--;
		return 0;
	}
	for (size_t length = LONGEST_MATCH; length >= SHORTEST_MATCH; length--) {
		size_t at = count > length ? find_before(tokens, count, length) : 0;
		uint32_t n = 0;

		if (!at)
			continue;
		for (; n < most && at + n < count; n++)
			out[n] = tokens[at + n];
		return n;
	}
	return 0;
}

static void average(double *mean, double value)
{
	*mean = *mean > 0 ? *mean + forget * (value - *mean) : value;
}

void elm__speculation_learn(elm__speculation *s, double seconds, uint32_t drafted,
			    uint32_t accepted)
{
	if (!drafted) {
		average(&s->plain_seconds, seconds);
		return;
	}
	s->drafted += drafted;
	s->accepted += accepted;
	average(&s->drafted_seconds, seconds);
	average(&s->yield, 1.0 + accepted);
	if (s->yield * s->plain_seconds >= s->drafted_seconds) {
		s->next_pause = FIRST_PAUSE;
		return;
	}
	s->pause = s->next_pause;
	s->next_pause = s->next_pause < LONGEST_PAUSE ? s->next_pause * 2 : LONGEST_PAUSE;
	/* The next try is judged for itself. */
	s->yield = 0;
	s->drafted_seconds = 0;
}
