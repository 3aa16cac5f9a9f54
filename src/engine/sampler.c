#include <edgelm/sampler.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/exactmath.h"
#include "base/random.h"
#include "engine/history.h"
#include "engine/shortlist.h"

enum { MAX_WINDOW = 1 << 20 };
static const double ln2 = 0.69314718055994530942;

struct elm_sampler {
	elm_sampler_options options; /* bias is our own copy */
	uint32_t vocabulary;
	elm__random random;
	elm__history history; /* empty when there are no penalties */
	bool penalties;
	float *adjusted; /* logits after bias and penalties; NULL without either */
	double mirostat_mu;

	elm__shortlist list; /* of the last draw; `probability` holds weights, until: */
	bool finished;	     /* ... it is in order and its probabilities sum to 1 */
	double mass;	     /* sum of the weights */
};

elm_sampler_options elm_sampler_defaults(void)
{
	return (elm_sampler_options){
		.temperature = 0.8f,
		.top_k = 40,
		.top_p = 0.95f,
		.min_p = 0.05f,
		.typical_p = 1,
		.repeat_penalty = 1,
		.penalty_window = 64,
		.mirostat_eta = 0.1f,
	};
}

static elm_status check_options(const elm_sampler_options *o, uint32_t vocabulary, elm_error *error)
{
	const struct {
		const char *name;
		double value, low, high;
		bool low_excluded;
	} ranges[] = {
		{ "temperature", (double)o->temperature, -DBL_MAX, 100, false },
		{ "top_k", o->top_k, 0, INT32_MAX, false },
		{ "top_p", (double)o->top_p, 0, 1, false },
		{ "min_p", (double)o->min_p, 0, 1, false },
		{ "typical_p", (double)o->typical_p, 0, 1, true },
		{ "repeat_penalty", (double)o->repeat_penalty, 0, 100, true },
		{ "frequency_penalty", (double)o->frequency_penalty, -100, 100, false },
		{ "presence_penalty", (double)o->presence_penalty, -100, 100, false },
		{ "penalty_window", o->penalty_window, -1, MAX_WINDOW, false },
		{ "mirostat_tau", (double)o->mirostat_tau, 0, 100, false },
		{ "mirostat_eta", (double)o->mirostat_eta, 0, 1, false },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (!(ranges[i].value >= ranges[i].low && ranges[i].value <= ranges[i].high) ||
		    (ranges[i].low_excluded && ranges[i].value == ranges[i].low))
			return elm_error_set(
				error, ELM_ERR_ARGUMENT,
				"%s %g is out of range: it must be %s%g and at most %g",
				ranges[i].name, ranges[i].value,
				ranges[i].low_excluded ? "above " : "at least ", ranges[i].low,
				ranges[i].high);
	if (!vocabulary || vocabulary > INT32_MAX)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "a vocabulary of %lu tokens is out of range",
				     (unsigned long)vocabulary);
	for (size_t i = 0; i < o->bias_count; i++)
		if (o->bias[i].token < 0 || (uint32_t)o->bias[i].token >= vocabulary ||
		    isnan(o->bias[i].bias))
			return elm_error_set(error, ELM_ERR_ARGUMENT,
					     "logit bias %g of token %ld: the token must be below "
					     "%lu and the bias a number",
					     (double)o->bias[i].bias, (long)o->bias[i].token,
					     (unsigned long)vocabulary);
	return ELM_OK;
}

static bool is_greedy(const elm_sampler_options *o)
{
	return o->temperature <= 0;
}

/* How many tokens can be on the list at once. */
static size_t list_room(const elm_sampler_options *o, uint32_t vocabulary)
{
	if (is_greedy(o))
		return 1;
	if (o->mirostat_tau > 0 || !o->top_k || (uint32_t)o->top_k > vocabulary)
		return vocabulary;
	return (size_t)o->top_k;
}

/* Takes all the memory; what is there already belongs to the sampler even on failure. */
static elm_status allocate(elm_sampler *s, const elm_sampler_options *options, elm_error *error)
{
	const elm_sampler_options *o = &s->options;
	elm_logit_bias *bias = NULL;
	bool copies = s->penalties || o->bias_count;

	s->list.items =
		elm__realloc_array(NULL, list_room(o, s->vocabulary), sizeof(s->list.items[0]));
	if (o->bias_count)
		bias = elm__realloc_array(NULL, o->bias_count, sizeof(*bias));
	s->options.bias = bias;
	if (copies)
		s->adjusted = elm__realloc_array(NULL, s->vocabulary, sizeof(float));
	if (!s->list.items || (o->bias_count && !bias) || (copies && !s->adjusted))
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "out of memory for a sampler of %lu tokens",
				     (unsigned long)s->vocabulary);
	if (bias)
		memcpy(bias, options->bias, o->bias_count * sizeof(*bias));
	if (!s->penalties)
		return ELM_OK;
	return elm__history_init(
		&s->history, o->penalty_window < 0 ? SIZE_MAX : (size_t)o->penalty_window, error);
}

elm_status elm_sampler_create(const elm_sampler_options *options, uint32_t vocabulary,
			      elm_sampler **out, elm_error *error)
{
	elm_status status = check_options(options, vocabulary, error);
	elm_sampler *s;

	*out = NULL;
	if (status)
		return status;
	s = elm__calloc(1, sizeof(*s));
	if (!s)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a sampler");
	s->options = *options;
	s->options.bias = NULL;
	s->vocabulary = vocabulary;
	s->penalties = options->penalty_window != 0 &&
		       (options->repeat_penalty != 1 || options->frequency_penalty != 0 ||
			options->presence_penalty != 0);
	status = allocate(s, options, error);
	if (status) {
		elm_sampler_free(s);
		return status;
	}
	elm_sampler_reset(s);
	*out = s;
	return ELM_OK;
}

void elm_sampler_free(elm_sampler *sampler)
{
	if (!sampler)
		return;
	elm__history_release(&sampler->history);
	elm__free((void *)sampler->options.bias);
	elm__free(sampler->adjusted);
	elm__free(sampler->list.items);
	elm__free(sampler);
}

void elm_sampler_forget(elm_sampler *sampler)
{
	if (sampler->penalties)
		elm__history_clear(&sampler->history);
}

void elm_sampler_reset(elm_sampler *sampler)
{
	elm_sampler_forget(sampler);
	elm__random_seed(&sampler->random, sampler->options.seed);
	sampler->mirostat_mu = 2 * (double)sampler->options.mirostat_tau;
	sampler->list.count = 0;
	sampler->finished = true;
}

elm_status elm_sampler_accept(elm_sampler *sampler, elm_token token, elm_error *error)
{
	if (token < 0 || (uint32_t)token >= sampler->vocabulary)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "token %ld is not in the vocabulary of %lu", (long)token,
				     (unsigned long)sampler->vocabulary);
	return sampler->penalties ? elm__history_push(&sampler->history, token, error) : ELM_OK;
}

/* Logits after bias and penalties; the caller's own where there are none. */
static const float *adjust(elm_sampler *s, const float *logits)
{
	const elm_sampler_options *o = &s->options;

	if (!s->adjusted)
		return logits;
	memcpy(s->adjusted, logits, s->vocabulary * sizeof(float));
	for (size_t i = 0; i < o->bias_count; i++)
		s->adjusted[o->bias[i].token] += o->bias[i].bias;
	for (size_t i = 0; i < s->history.capacity; i++) {
		const elm__history_entry *entry = &s->history.table[i];
		float *logit;

		if (entry->token == ELM_TOKEN_NONE)
			continue;
		logit = &s->adjusted[entry->token];
		*logit = *logit > 0 ? *logit / o->repeat_penalty : *logit * o->repeat_penalty;
		*logit -= o->frequency_penalty * (float)entry->count + o->presence_penalty;
	}
	return s->adjusted;
}

/* The item that the next random number falls on. */
static const elm_candidate *draw(elm_sampler *s)
{
	double target = elm__random_unit(&s->random) * s->mass, sum = 0;
	const elm_candidate *chosen = NULL;

	for (size_t i = 0; i < s->list.count; i++) {
		const elm_candidate *item = &s->list.items[i];

		if (item->probability > 0) {
			chosen = item;
			sum += (double)item->probability;
			if (sum > target)
				break;
		}
	}
	return chosen;
}

/*
 * The tokens that top-p and min-p leave of the whole vocabulary. Both keep the first tokens in
 * their order, so only logits down to where min-p cuts need to be looked at, and with top-p only
 * down to where its mass is reached: the window is widened until it is.
 */
static void shortlist_all(elm_sampler *s, const float *logits, float best, float floor)
{
	static const float drops[] = { 4, 8, 16, INFINITY };
	double mass, wanted;

	if (s->options.top_p >= 1) {
		elm__shortlist_above(&s->list, logits, s->vocabulary, floor);
		return;
	}
	wanted = (double)s->options.top_p * elm__logits_mass(logits, s->vocabulary, best, 1);
	for (size_t i = 0; i < sizeof(drops) / sizeof(drops[0]); i++) {
		float low = best - drops[i] > floor ? best - drops[i] : floor;

		elm__shortlist_above(&s->list, logits, s->vocabulary, low);
		mass = elm__shortlist_weigh(&s->list, best, 1);
		if (mass >= wanted || low == floor)
			break;
	}
	elm__shortlist_take_likely(&s->list, best, wanted);
}

/* Top-p and min-p of a list whose order is not that of the logits any more, or which is short. */
static void shorten(elm_sampler *s, float *best)
{
	elm__shortlist *list = &s->list;
	float log_min_p = -INFINITY;
	double mass;

	elm__shortlist_sort(list);
	*best = list->items[0].logit;
	if (s->options.min_p > 0)
		log_min_p = (float)elm__log((double)s->options.min_p);
	if (s->options.top_p < 1) {
		mass = elm__shortlist_weigh(list, *best, 1);
		elm__shortlist_take_likely(list, *best, mass * (double)s->options.top_p);
	}
	while (list->items[list->count - 1].logit < *best + log_min_p)
		list->count--;
}

static const elm_candidate *sample_filtered(elm_sampler *s, const float *logits, float best)
{
	const elm_sampler_options *o = &s->options;
	bool short_list = o->top_k && (uint32_t)o->top_k < s->vocabulary;
	float floor = -FLT_MAX;

	if (short_list)
		elm__shortlist_top_k(&s->list, logits, s->vocabulary, (size_t)o->top_k);
	else if (o->typical_p < 1)
		elm__shortlist_above(&s->list, logits, s->vocabulary, floor);
	if (o->typical_p < 1)
		elm__shortlist_take_typical(&s->list, best, (double)o->typical_p);

	if (short_list || o->typical_p < 1) {
		shorten(s, &best);
	} else {
		if (o->min_p > 0)
			floor = best + (float)elm__log((double)o->min_p);
		shortlist_all(s, logits, best, floor);
	}
	s->mass = elm__shortlist_weigh(&s->list, best, o->temperature);
	return draw(s);
}

/*
 * Version 2: only tokens whose surprise (-log2 of the probability) is at most mu stay; mu moves
 * against the difference between the surprise of the token drawn and the target.
 */
static const elm_candidate *sample_mirostat(elm_sampler *s, const float *logits, float best)
{
	double temperature = (double)s->options.temperature, surprise;
	double log_mass =
		elm__log(elm__logits_mass(logits, s->vocabulary, best, s->options.temperature));
	double depth = temperature * (log_mass - s->mirostat_mu * ln2); /* below the best */
	const elm_candidate *chosen;

	elm__shortlist_above(&s->list, logits, s->vocabulary,
			     (float)((double)best + (depth < 0 ? depth : 0)));
	s->mass = elm__shortlist_weigh(&s->list, best, s->options.temperature);
	chosen = draw(s);
	surprise = (log_mass + ((double)best - (double)chosen->logit) / temperature) / ln2;
	s->mirostat_mu -=
		(double)s->options.mirostat_eta * (surprise - (double)s->options.mirostat_tau);
	return chosen;
}

elm_status elm_sampler_sample(elm_sampler *sampler, const float *logits, elm_token *out,
			      elm_error *error)
{
	const float *adjusted = adjust(sampler, logits);
	float best = elm__logits_best(adjusted, sampler->vocabulary);

	sampler->list.count = 0;
	sampler->finished = true;
	if (best == -INFINITY)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "no token can be chosen: every logit is NaN or -infinity");
	if (is_greedy(&sampler->options)) {
		*out = elm__logits_find(adjusted, sampler->vocabulary, best);
		sampler->list.items[0] = (elm_candidate){ *out, best, 1 };
		sampler->list.count = 1;
	} else {
		sampler->finished = false;
		*out = sampler->options.mirostat_tau > 0 ?
			       sample_mirostat(sampler, adjusted, best)->token :
			       sample_filtered(sampler, adjusted, best)->token;
	}
	return elm_sampler_accept(sampler, *out, error);
}

const elm_candidate *elm_sampler_candidates(elm_sampler *sampler, size_t *count)
{
	*count = sampler->list.count;
	if (!sampler->finished) {
		elm__shortlist_sort(&sampler->list);
		for (size_t i = 0; i < *count; i++)
			sampler->list.items[i].probability =
				(float)((double)sampler->list.items[i].probability / sampler->mass);
		sampler->finished = true;
	}
	return sampler->list.items;
}
