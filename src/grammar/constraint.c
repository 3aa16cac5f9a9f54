#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "grammar/grammar.h"

/* The matcher of a grammar for a lexicon, made at the first need. */
static elm_status find_matcher(elm_grammar *grammar, elm_lexicon *lexicon, elm__matcher **out,
			       elm_error *error)
{
	elm_status status = ELM_OK;
	elm__matcher *m;

	pthread_mutex_lock(&grammar->lock);
	for (m = grammar->matchers; m && m->lexicon != lexicon; m = m->next)
		;
	if (!m) {
		status = elm__matcher_create(&grammar->program, lexicon, &m, error);
		if (!status) {
			m->next = grammar->matchers;
			grammar->matchers = m;
		}
	}
	pthread_mutex_unlock(&grammar->lock);
	*out = m;
	return status;
}

/* Enters a constraint into the list of its matcher. */
static void enlist(elm_constraint *c)
{
	elm__matcher *m = c->matcher;

	c->next = m->constraints;
	c->back = &m->constraints;
	if (c->next)
		c->next->back = &c->next;
	m->constraints = c;
	atomic_fetch_add(&c->grammar->references, 1);
}

elm_status elm_constraint_create(elm_grammar *grammar, elm_lexicon *lexicon, elm_constraint **out,
				 elm_error *error)
{
	elm_constraint *c = elm__calloc(1, sizeof(*c));
	elm_status status;

	*out = NULL;
	if (!c)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a constraint");
	c->grammar = grammar;
	status = find_matcher(grammar, lexicon, &c->matcher, error);
	if (status) {
		elm__free(c);
		return status;
	}
	pthread_mutex_lock(&c->matcher->lock);
	c->state = c->matcher->start;
	enlist(c);
	pthread_mutex_unlock(&c->matcher->lock);
	*out = c;
	return ELM_OK;
}

elm_status elm_constraint_clone(elm_constraint *constraint, elm_constraint **out, elm_error *error)
{
	elm__matcher *m = constraint->matcher;
	elm_constraint *c = elm__malloc(sizeof(*c));

	*out = NULL;
	if (!c)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a constraint");
	pthread_mutex_lock(&m->lock);
	*c = *constraint;
	enlist(c);
	pthread_mutex_unlock(&m->lock);
	*out = c;
	return ELM_OK;
}

void elm_constraint_free(elm_constraint *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->matcher->lock);
	*c->back = c->next;
	if (c->next)
		c->next->back = c->back;
	pthread_mutex_unlock(&c->matcher->lock);
	elm_grammar_free(c->grammar);
	elm__free(c);
}

void elm_constraint_reset(elm_constraint *c, bool new_text)
{
	pthread_mutex_lock(&c->matcher->lock);
	c->state = new_text ? c->matcher->fresh : c->matcher->start;
	c->remembered = 0;
	c->ended = false;
	pthread_mutex_unlock(&c->matcher->lock);
}

static bool can_end(const elm_constraint *c)
{
	return c->ended || (elm__state_flags(&c->matcher->states, c->state) & ELM__ENDS);
}

/* The allowed tokens with text, NULL for none; the lock must be held while they are used. */
static elm_status find_mask(elm_constraint *c, const uint32_t **bits, elm_error *error)
{
	elm_status status = ELM_OK;

	*bits = NULL;
	if (c->ended)
		return ELM_OK;
	status = elm__matcher_tidy(c->matcher, error);
	return status ? status : elm__matcher_mask(c->matcher, c->state, bits, error);
}

elm_status elm_constraint_mask(elm_constraint *c, uint32_t *bits, bool *any, elm_error *error)
{
	const elm_lexicon *lexicon = c->matcher->lexicon;
	size_t words = elm__mask_words(lexicon);
	const uint32_t *mask;
	uint32_t all = 0;
	elm_status status;

	pthread_mutex_lock(&c->matcher->lock);
	status = find_mask(c, &mask, error);
	if (!status && mask)
		memcpy(bits, mask, words * sizeof(*bits));
	else if (!status)
		memset(bits, 0, words * sizeof(*bits));
	if (!status && can_end(c))
		for (uint32_t i = 0; i < lexicon->end_count; i++)
			bits[lexicon->ends[i] / 32] |= (uint32_t)1 << lexicon->ends[i] % 32;
	pthread_mutex_unlock(&c->matcher->lock);
	for (size_t i = 0; i < words && !status; i++)
		all |= bits[i];
	if (any)
		*any = all != 0;
	return status;
}

/* Forbids the tokens of logits[0..32) whose bits are clear. */
static void apply_word(float *logits, size_t count, uint32_t bits)
{
	if (bits == UINT32_MAX)
		return;
	for (size_t i = 0; i < count; i++)
		if (!(bits >> i & 1))
			logits[i] = -INFINITY;
}

elm_status elm_constraint_apply(elm_constraint *c, float *logits, size_t count, bool *any,
				elm_error *error)
{
	const elm_lexicon *lexicon = c->matcher->lexicon;
	uint32_t *bits;
	elm_status status;

	bits = elm__malloc(elm__mask_words(lexicon) * sizeof(*bits));
	if (!bits)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a mask");
	status = elm_constraint_mask(c, bits, any, error);
	if (!status) {
		size_t known = count < lexicon->size ? count : lexicon->size;

		for (size_t i = 0; i < known; i += 32)
			apply_word(logits + i, known - i < 32 ? known - i : 32, bits[i / 32]);
		for (size_t i = known; i < count; i++)
			logits[i] = -INFINITY;
	}
	elm__free(bits);
	return status;
}

static bool ends(const elm_lexicon *lexicon, uint32_t token)
{
	for (uint32_t i = 0; i < lexicon->end_count; i++)
		if (lexicon->ends[i] == token)
			return true;
	return false;
}

/* The state after a token, ELM__DEAD where it is not allowed. */
static elm_status try_token(elm_constraint *c, elm_token token, uint32_t *state, bool *ended,
			    elm_error *error)
{
	const elm_lexicon *lexicon = c->matcher->lexicon;
	uint32_t length;
	const char *bytes;

	*state = ELM__DEAD;
	*ended = false;
	if (c->ended || token < 0 || (uint32_t)token >= lexicon->size)
		return ELM_OK;
	if (ends(lexicon, (uint32_t)token)) {
		*ended = can_end(c);
		*state = *ended ? c->state : ELM__DEAD;
		return ELM_OK;
	}
	bytes = elm__lexicon_bytes(lexicon, (uint32_t)token, &length);
	return length ? elm__matcher_go(c->matcher, c->state, bytes, length, state, error) : ELM_OK;
}

elm_status elm_constraint_accept(elm_constraint *c, elm_token token, elm_error *error)
{
	elm_status status;
	uint32_t state;
	bool ended;

	pthread_mutex_lock(&c->matcher->lock);
	status = elm__matcher_tidy(c->matcher, error);
	if (!status)
		status = try_token(c, token, &state, &ended, error);
	if (!status && state == ELM__DEAD && !ended)
		status = elm_error_set(error, ELM_ERR_ARGUMENT,
				       "token %ld is not allowed here by the grammar", (long)token);
	if (!status) {
		c->history[c->at++ % ELM_CONSTRAINT_ROLLBACK] = c->state;
		if (c->remembered < ELM_CONSTRAINT_ROLLBACK)
			c->remembered++;
		c->state = state;
		c->ended = ended;
	}
	pthread_mutex_unlock(&c->matcher->lock);
	return status;
}

elm_status elm_constraint_rollback(elm_constraint *c, size_t count, elm_error *error)
{
	if (count > c->remembered)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "%zu tokens cannot be taken back: the constraint remembers %u",
				     count, (unsigned)c->remembered);
	pthread_mutex_lock(&c->matcher->lock);
	for (; count; count--) {
		c->state = c->history[--c->at % ELM_CONSTRAINT_ROLLBACK];
		c->remembered--;
		c->ended = false;
	}
	pthread_mutex_unlock(&c->matcher->lock);
	return ELM_OK;
}

bool elm_constraint_can_end(elm_constraint *c)
{
	bool answer;

	pthread_mutex_lock(&c->matcher->lock);
	answer = can_end(c);
	pthread_mutex_unlock(&c->matcher->lock);
	return answer;
}

bool elm_constraint_finished(elm_constraint *c)
{
	bool answer;

	pthread_mutex_lock(&c->matcher->lock);
	answer = c->ended || (can_end(c) && !elm__state_goes_on(&c->matcher->states, c->state));
	pthread_mutex_unlock(&c->matcher->lock);
	return answer;
}
