/*
 * The sampler against a plain implementation of the same rules: sort everything, use doubles and
 * the C library, keep no state.
 */
#include <edgelm/sampler.h>

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "support.h"

static elm_sampler_options plain(void)
{
	elm_sampler_options o = elm_sampler_defaults();

	o.temperature = 1;
	o.top_k = 0;
	o.top_p = 1;
	o.min_p = 0;
	return o;
}

static elm_sampler *create(const elm_sampler_options *o, uint32_t vocabulary)
{
	elm_sampler *sampler;
	elm_error error = { 0 };

	if (elm_sampler_create(o, vocabulary, &sampler, &error) != ELM_OK)
		fail_msg("%s", error.text);
	return sampler;
}

static elm_token sample(elm_sampler *sampler, const float *logits)
{
	elm_token token = ELM_TOKEN_NONE;
	elm_error error = { 0 };

	if (elm_sampler_sample(sampler, logits, &token, &error) != ELM_OK)
		fail_msg("%s", error.text);
	return token;
}

/* ---- the plain implementation ---- */

typedef struct item {
	elm_token token;
	double logit, p, key;
} item;

static int by_key(const void *a, const void *b)
{
	const item *x = a, *y = b;

	if (x->key != y->key)
		return x->key > y->key ? -1 : 1;
	return x->token < y->token ? -1 : 1;
}

static void softmax(item *items, size_t n, double temperature)
{
	double best = -HUGE_VAL, sum = 0;

	for (size_t i = 0; i < n; i++)
		best = items[i].logit > best ? items[i].logit : best;
	for (size_t i = 0; i < n; i++)
		sum += items[i].p = exp((items[i].logit - best) / temperature);
	for (size_t i = 0; i < n; i++)
		items[i].p /= sum;
}

static void order_by(item *items, size_t n, double (*key)(const item *, double), double argument)
{
	for (size_t i = 0; i < n; i++)
		items[i].key = key(&items[i], argument);
	qsort(items, n, sizeof(*items), by_key);
}

static double logit_key(const item *i, double unused)
{
	(void)unused;
	return i->logit;
}

static double typical_key(const item *i, double entropy)
{
	return -fabs(-log(i->p) - entropy);
}

/* How many of the items, from the front, reach the share. */
static size_t reach(const item *items, size_t n, double share)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		sum += items[i].p;
		if (sum >= share)
			return i + 1;
	}
	return n;
}

static void adjust(float *logits, const elm_sampler_options *o, const elm_token *history, size_t n)
{
	size_t first = 0;

	for (size_t i = 0; i < o->bias_count; i++)
		logits[o->bias[i].token] += o->bias[i].bias;
	if (o->penalty_window >= 0 && n > (size_t)o->penalty_window)
		first = n - (size_t)o->penalty_window;
	for (size_t i = first; i < n; i++) {
		float *l = &logits[history[i]];
		int count = 0;
		bool seen = false;

		for (size_t j = first; j < n; j++) {
			count += history[j] == history[i];
			seen |= j < i && history[j] == history[i];
		}
		if (seen)
			continue;
		*l = *l > 0 ? *l / o->repeat_penalty : *l * o->repeat_penalty;
		*l -= o->frequency_penalty * (float)count + o->presence_penalty;
	}
}

/* The final distribution, most likely first. */
static size_t filter(item *items, size_t n, const elm_sampler_options *o)
{
	double entropy = 0, best;

	order_by(items, n, logit_key, 0);
	if (o->top_k && n > (size_t)o->top_k)
		n = (size_t)o->top_k;
	softmax(items, n, 1);
	if (o->typical_p < 1) {
		for (size_t i = 0; i < n; i++)
			if (items[i].p > 0)
				entropy -= items[i].p * log(items[i].p);
		order_by(items, n, typical_key, entropy);
		n = reach(items, n, (double)o->typical_p);
		order_by(items, n, logit_key, 0);
		softmax(items, n, 1);
	}
	if (o->top_p < 1) {
		n = reach(items, n, (double)o->top_p);
		softmax(items, n, 1);
	}
	best = items[0].p;
	while (items[n - 1].p < best * (double)o->min_p)
		n--;
	softmax(items, n, (double)o->temperature);
	return n;
}

/* ---- comparisons ---- */

static void random_logits(elm__random *random, float *logits, size_t n, double spread)
{
	for (size_t i = 0; i < n; i++) {
		double sum = -6;

		for (int k = 0; k < 12; k++)
			sum += elm__random_unit(random);
		logits[i] = (float)(sum * spread);
	}
	/* Equal logits are part of life. */
	for (size_t i = 0; i < n / 16; i++)
		logits[elm__random_u64(random) % n] = logits[elm__random_u64(random) % n];
}

static float pick(elm__random *random, const float *values, size_t count)
{
	return values[elm__random_u64(random) % count];
}
#define PICK(random, ...)                            \
	pick(random, (const float[]){ __VA_ARGS__ }, \
	     sizeof((const float[]){ __VA_ARGS__ }) / sizeof(float))

static elm_sampler_options random_options(elm__random *random)
{
	elm_sampler_options o = plain();

	o.temperature = PICK(random, 0.2f, 0.8f, 1, 3);
	o.top_k = (int32_t)PICK(random, 0, 0, 1, 2, 40, 500, 100000);
	o.top_p = PICK(random, 1, 0, 0.1f, 0.5f, 0.95f, 0.9999f);
	o.min_p = PICK(random, 0, 0, 0.01f, 0.3f, 1);
	o.typical_p = PICK(random, 1, 1, 0.1f, 0.6f, 0.95f);
	o.repeat_penalty = PICK(random, 1, 1, 1.3f, 0.8f);
	o.frequency_penalty = PICK(random, 0, 0.2f, -0.3f);
	o.presence_penalty = PICK(random, 0, 0.7f);
	o.penalty_window = (int32_t)PICK(random, 0, 1, 7, 64, -1);
	o.seed = elm__random_u64(random);
	return o;
}

/* Sums of floats and of doubles cut at different places only where a sum is next to the limit, so
 * a difference of one token at the end is allowed if it changes nothing else. */
static void compare(const elm_candidate *got, size_t got_count, const item *want, size_t count)
{
	size_t both = got_count < count ? got_count : count;

	if (got_count > count + 1 || count > got_count + 1)
		fail_msg("%zu candidates instead of %zu", got_count, count);
	for (size_t i = 0; i < both; i++) {
		double tolerance = got_count == count ? 2e-5 : 1e-2;

		if (got_count == count)
			assert_int_equal(got[i].token, want[i].token);
		if (fabs((double)got[i].probability - want[i].p) > tolerance)
			fail_msg("candidate %zu of %zu: %.7f instead of %.7f", i, count,
				 (double)got[i].probability, want[i].p);
	}
}

static void candidates_equal_the_plain_ones(void **state)
{
	enum { VOCABULARY = 1003, ROUNDS = 400, DRAWS = 6 };
	static float logits[VOCABULARY], adjusted[VOCABULARY];
	static item items[VOCABULARY];
	elm_token history[DRAWS + 20];
	elm__random random;
	size_t off_by_one = 0;

	(void)state;
	elm__random_seed(&random, 20);
	for (int round = 0; round < ROUNDS; round++) {
		elm_sampler_options o = random_options(&random);
		elm_logit_bias bias[2] = { { 5, 2 }, { 6, -INFINITY } };
		elm_sampler *sampler;
		size_t n = 0;

		o.bias = bias;
		o.bias_count = round % 3;
		sampler = create(&o, VOCABULARY);
		for (; n < 20; n++) {
			history[n] = (elm_token)(elm__random_u64(&random) % 12);
			assert_int_equal(elm_sampler_accept(sampler, history[n], NULL), ELM_OK);
		}
		for (int draw = 0; draw < DRAWS; draw++) {
			const elm_candidate *got;
			size_t got_count, count = 0;
			elm_token token;
			bool found = false;

			random_logits(&random, logits, VOCABULARY, round % 2 ? 4 : 0.5);
			memcpy(adjusted, logits, sizeof(logits));
			adjust(adjusted, &o, history, n);
			for (int i = 0; i < VOCABULARY; i++)
				if (adjusted[i] > -INFINITY)
					items[count++] = (item){ i, (double)adjusted[i], 0, 0 };
			count = filter(items, count, &o);
			token = sample(sampler, logits);
			got = elm_sampler_candidates(sampler, &got_count);
			compare(got, got_count, items, count);
			off_by_one += got_count != count;
			for (size_t i = 0; i < got_count; i++)
				found |= got[i].token == token;
			assert_true(found);
			history[n++] = token;
		}
		elm_sampler_free(sampler);
	}
	assert_true(off_by_one < ROUNDS * DRAWS / 200);
}

static void greedy_takes_the_first_of_the_largest(void **state)
{
	float logits[40] = { 0 };
	elm_sampler_options o = elm_sampler_defaults();
	elm_sampler *sampler;
	size_t count;

	(void)state;
	o.temperature = 0;
	sampler = create(&o, 40);
	for (int at = 0; at < 40; at++) {
		memset(logits, 0, sizeof(logits));
		logits[at] = logits[39] = 2;
		assert_int_equal(sample(sampler, logits), at);
		assert_int_equal(elm_sampler_candidates(sampler, &count)[0].token, at);
		assert_int_equal(count, 1);
	}
	elm_sampler_free(sampler);
}

/* Draws follow the distribution: chi-square at a fixed seed. */
static void draws_follow_the_probabilities(void **state)
{
	enum { VOCABULARY = 20, DRAWS = 50000 };
	static const struct {
		float temperature;
		int32_t top_k;
		float top_p;
	} settings[] = { { 1, 0, 1 }, { 0.7f, 0, 1 }, { 1, 10, 1 }, { 1.5f, 0, 0.9f } };
	float logits[VOCABULARY];
	elm__random random;

	(void)state;
	elm__random_seed(&random, 3);
	random_logits(&random, logits, VOCABULARY, 1);
	for (size_t k = 0; k < sizeof(settings) / sizeof(settings[0]); k++) {
		elm_sampler_options o = plain();
		item items[VOCABULARY];
		int seen[VOCABULARY] = { 0 };
		size_t count;
		double chi = 0;
		elm_sampler *sampler;

		o.temperature = settings[k].temperature;
		o.top_k = settings[k].top_k;
		o.top_p = settings[k].top_p;
		o.seed = 11;
		for (int i = 0; i < VOCABULARY; i++)
			items[i] = (item){ i, (double)logits[i], 0, 0 };
		count = filter(items, VOCABULARY, &o);
		sampler = create(&o, VOCABULARY);
		for (int i = 0; i < DRAWS; i++)
			seen[sample(sampler, logits)]++;
		for (size_t i = 0; i < count; i++) {
			double expected = items[i].p * DRAWS;
			double difference = seen[items[i].token] - expected;

			chi += difference * difference / expected;
			seen[items[i].token] = 0;
		}
		for (int i = 0; i < VOCABULARY; i++)
			assert_int_equal(seen[i], 0); /* nothing else was ever drawn */
		/* At most 19 degrees of freedom: 99.9 % of fair samplers stay below 43.8. */
		assert_true(chi < 43.8);
		elm_sampler_free(sampler);
	}
}

static void same_seed_same_tokens(void **state)
{
	enum { VOCABULARY = 500, DRAWS = 200 };
	float logits[VOCABULARY];
	elm_token first[DRAWS];
	elm_sampler_options o = elm_sampler_defaults();
	elm__random random;
	elm_sampler *a, *b;
	int different = 0;

	(void)state;
	elm__random_seed(&random, 5);
	random_logits(&random, logits, VOCABULARY, 2);
	o.repeat_penalty = 1.1f;
	o.seed = 42;
	a = create(&o, VOCABULARY);
	o.seed = 43;
	b = create(&o, VOCABULARY);
	for (int i = 0; i < DRAWS; i++)
		first[i] = sample(a, logits);
	elm_sampler_reset(a);
	for (int i = 0; i < DRAWS; i++) {
		assert_int_equal(sample(a, logits), first[i]);
		different += sample(b, logits) != first[i];
	}
	assert_true(different > DRAWS / 2);
	elm_sampler_free(a);
	elm_sampler_free(b);
}

/* Known tokens for a known seed: a change of this list is a change of every user's texts. */
static void known_tokens(void **state)
{
	enum { VOCABULARY = 300, DRAWS = 12 };
	static const elm_token expected[DRAWS] = { 203, 125, 37,  117, 203, 7,
						   103, 117, 215, 194, 243, 28 };
	float logits[VOCABULARY];
	elm_sampler_options o = elm_sampler_defaults();
	elm__random random;
	elm_sampler *sampler;

	(void)state;
	elm__random_seed(&random, 6);
	random_logits(&random, logits, VOCABULARY, 1);
	o.seed = 1;
	sampler = create(&o, VOCABULARY);
	for (int i = 0; i < DRAWS; i++)
		assert_int_equal(sample(sampler, logits), expected[i]);
	elm_sampler_free(sampler);
}

static void forget_leaves_the_random_numbers(void **state)
{
	float logits[3] = { 5, 4.9f, -10 };
	elm_sampler_options o = plain();
	elm_sampler *sampler;

	(void)state;
	o.temperature = 0;
	o.repeat_penalty = 2;
	sampler = create(&o, 3);
	assert_int_equal(sample(sampler, logits), 0);
	assert_int_equal(sample(sampler, logits), 1);
	elm_sampler_forget(sampler);
	assert_int_equal(sample(sampler, logits), 0);
	elm_sampler_free(sampler);
}

static void hostile_logits(void **state)
{
	enum { VOCABULARY = 70 };
	static const float temperatures[] = { 0, 1, 1e-30f, 100 };
	float logits[VOCABULARY];
	elm_error error = { 0 };
	elm_token token;

	(void)state;
	for (size_t t = 0; t < sizeof(temperatures) / sizeof(temperatures[0]); t++)
		for (int kind = 0; kind < 5; kind++) {
			elm_sampler_options o = plain();
			elm_sampler *sampler;

			o.temperature = temperatures[t];
			o.top_k = kind == 1 ? 10 : 0;
			o.top_p = kind == 2 ? 0.5f : 1;
			o.typical_p = kind == 3 ? 0.5f : 1;
			o.mirostat_tau = kind == 4 ? 3 : 0;
			sampler = create(&o, VOCABULARY);

			for (int i = 0; i < VOCABULARY; i++)
				logits[i] = i % 2 ? NAN : -INFINITY;
			assert_int_equal(elm_sampler_sample(sampler, logits, &token, &error),
					 ELM_ERR_ARGUMENT);
			assert_contains(error.text, "every logit");
			logits[66] = -FLT_MAX;
			assert_int_equal(sample(sampler, logits), 66);
			logits[1] = 3;
			assert_int_equal(sample(sampler, logits), 1);
			logits[31] = INFINITY;
			assert_int_equal(sample(sampler, logits), 31);
			logits[32] = INFINITY;
			for (int i = 0; i < 10; i++) {
				token = sample(sampler, logits);
				assert_true(token == 31 || token == 32);
			}
			elm_sampler_free(sampler);
		}
}

static void top_k_keeps_the_first_of_equal_logits(void **state)
{
	float logits[64];
	elm_sampler_options o = plain();
	elm_sampler *sampler;
	const elm_candidate *list;
	size_t count;

	(void)state;
	for (int i = 0; i < 64; i++)
		logits[i] = INFINITY;
	o.top_k = 5;
	sampler = create(&o, 64);
	sample(sampler, logits);
	list = elm_sampler_candidates(sampler, &count);
	assert_int_equal(count, 5);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(list[i].token, i);
		assert_true(fabsf(list[i].probability - 0.2f) < 1e-6f);
	}
	elm_sampler_free(sampler);
}

static void biased_tokens(void **state)
{
	float logits[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	elm_logit_bias bias[] = { { 7, -INFINITY }, { 6, -1 }, { 6, -1 }, { 0, 100 } };
	elm_sampler_options o = plain();
	elm_sampler *sampler;

	(void)state;
	o.temperature = 0;
	o.bias = bias;
	o.bias_count = 3;
	sampler = create(&o, 8);
	bias[0].bias = 0; /* the sampler has its own copy */
	assert_int_equal(sample(sampler, logits), 5);
	elm_sampler_free(sampler);
	o.bias_count = 4;
	sampler = create(&o, 8);
	assert_int_equal(sample(sampler, logits), 0);
	elm_sampler_free(sampler);
}

/* The mean surprise of what mirostat draws comes to the target, whatever the temperature. */
static void mirostat_reaches_its_target(void **state)
{
	enum { VOCABULARY = 2000, WARM_UP = 2000, DRAWS = 8000 };
	static const float targets[] = { 4.25f, 4.75f, 5.5f };
	static float logits[VOCABULARY];
	static item items[VOCABULARY];
	double surprise_of[VOCABULARY];
	elm__random random;

	(void)state;
	elm__random_seed(&random, 8);
	random_logits(&random, logits, VOCABULARY, 3);
	for (size_t t = 0; t < sizeof(targets) / sizeof(targets[0]); t++) {
		elm_sampler_options o = plain();
		elm_sampler *sampler;
		double mean = 0;

		o.mirostat_tau = targets[t];
		o.mirostat_eta = 0.1f;
		o.temperature = t == 1 ? 0.8f : 1;
		for (int i = 0; i < VOCABULARY; i++)
			items[i] = (item){ i, (double)logits[i], 0, 0 };
		softmax(items, VOCABULARY, (double)o.temperature);
		for (int i = 0; i < VOCABULARY; i++)
			surprise_of[i] = -log2(items[i].p);
		sampler = create(&o, VOCABULARY);
		for (int i = 0; i < WARM_UP + DRAWS; i++) {
			elm_token token = sample(sampler, logits);

			if (i >= WARM_UP)
				mean += surprise_of[token] / DRAWS;
		}
		if (fabs(mean - (double)targets[t]) > 0.02)
			fail_msg("mean surprise %.3f instead of %.3f", mean, (double)targets[t]);
		elm_sampler_free(sampler);
	}
}

static void options_out_of_range(void **state)
{
	static const elm_logit_bias bad_bias[] = { { -1, 0 }, { 10, 0 }, { 3, NAN } };
	elm_sampler *sampler;
	elm_error error;

	(void)state;
#define REFUSES(member, bad, name)                                                                 \
	do {                                                                                       \
		elm_sampler_options o_ = elm_sampler_defaults();                                   \
		o_.member = (bad);                                                                 \
		memset(&error, 0, sizeof(error));                                                  \
		assert_int_equal(elm_sampler_create(&o_, 10, &sampler, &error), ELM_ERR_ARGUMENT); \
		assert_null(sampler);                                                              \
		assert_contains(error.text, name);                                                 \
	} while (0)
	REFUSES(temperature, NAN, "temperature");
	REFUSES(temperature, 101, "temperature");
	REFUSES(top_k, -1, "top_k");
	REFUSES(top_p, -0.1f, "top_p");
	REFUSES(top_p, 1.1f, "top_p");
	REFUSES(top_p, NAN, "top_p");
	REFUSES(min_p, -0.1f, "min_p");
	REFUSES(min_p, 1.1f, "min_p");
	REFUSES(typical_p, 0, "typical_p");
	REFUSES(typical_p, 1.1f, "typical_p");
	REFUSES(repeat_penalty, 0, "repeat_penalty");
	REFUSES(repeat_penalty, INFINITY, "repeat_penalty");
	REFUSES(frequency_penalty, NAN, "frequency_penalty");
	REFUSES(frequency_penalty, 101, "frequency_penalty");
	REFUSES(presence_penalty, -101, "presence_penalty");
	REFUSES(penalty_window, -2, "penalty_window");
	REFUSES(penalty_window, (1 << 20) + 1, "penalty_window");
	REFUSES(mirostat_tau, -1, "mirostat_tau");
	REFUSES(mirostat_tau, NAN, "mirostat_tau");
	REFUSES(mirostat_eta, 1.5f, "mirostat_eta");
	for (size_t i = 0; i < 3; i++) {
		elm_sampler_options o = elm_sampler_defaults();

		o.bias = &bad_bias[i];
		o.bias_count = 1;
		assert_int_equal(elm_sampler_create(&o, 10, &sampler, &error), ELM_ERR_ARGUMENT);
		assert_contains(error.text, "logit bias");
	}
	{
		elm_sampler_options o = elm_sampler_defaults();

		assert_int_equal(elm_sampler_create(&o, 0, &sampler, &error), ELM_ERR_ARGUMENT);
		sampler = create(&o, 10);
		assert_int_equal(elm_sampler_accept(sampler, 10, &error), ELM_ERR_ARGUMENT);
		assert_int_equal(elm_sampler_accept(sampler, -1, &error), ELM_ERR_ARGUMENT);
		elm_sampler_free(sampler);
		elm_sampler_free(NULL);
	}
}

static elm_status use_sampler(void *user, elm_error *error)
{
	static const elm_logit_bias bias = { 1, 2 };
	const int32_t *window = user;
	elm_sampler_options o = elm_sampler_defaults();
	float logits[2000] = { 0 };
	elm_sampler *sampler;
	elm_status status;
	elm_token token;

	o.repeat_penalty = 1.5f;
	o.penalty_window = *window;
	o.bias = &bias;
	o.bias_count = 1;
	status = elm_sampler_create(&o, 2000, &sampler, error);
	for (elm_token i = 0; i < 500 && !status; i++)
		status = elm_sampler_accept(sampler, i, error);
	if (!status)
		status = elm_sampler_sample(sampler, logits, &token, error);
	elm_sampler_free(sampler);
	return status;
}

static void every_allocation_may_fail(void **state)
{
	int32_t window = 64;

	(void)state;
	assert_int_equal(fail_each_allocation(use_sampler, &window), 6);
	window = -1; /* the table grows twice more, and there is no ring */
	assert_int_equal(fail_each_allocation(use_sampler, &window), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(candidates_equal_the_plain_ones),
		cmocka_unit_test(greedy_takes_the_first_of_the_largest),
		cmocka_unit_test(draws_follow_the_probabilities),
		cmocka_unit_test(same_seed_same_tokens),
		cmocka_unit_test(known_tokens),
		cmocka_unit_test(forget_leaves_the_random_numbers),
		cmocka_unit_test(hostile_logits),
		cmocka_unit_test(top_k_keeps_the_first_of_equal_logits),
		cmocka_unit_test(biased_tokens),
		cmocka_unit_test(mirostat_reaches_its_target),
		cmocka_unit_test(options_out_of_range),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("sampler", tests, NULL, NULL);
}
