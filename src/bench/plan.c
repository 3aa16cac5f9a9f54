#include "bench/plan.h"

#include "base/alloc.h"

/* Pass 1 counts (cases NULL), pass 2 writes. */
typedef struct maker {
	const elm__bench_params *p;
	elm__bench_case *cases;
	size_t count;
} maker;

static void add(maker *m, elm__bench_case what)
{
	if (m->cases)
		m->cases[m->count] = what;
	m->count++;
}

static void add_generating(maker *m, elm__bench_case what)
{
	for (size_t i = 0; i < m->p->sequences.count; i++) {
		what.sequences = m->p->sequences.items[i];
		add(m, what);
	}
}

/* All tests of one setting of the other parameters. */
static void add_tests(maker *m, elm__bench_case what)
{
	const elm__bench_params *p = m->p;

	for (size_t i = 0; i < p->prompt.count; i++) {
		what.prompt = p->prompt.items[i];
		if (what.prompt)
			add(m, what);
	}
	what.prompt = 0;
	for (size_t i = 0; i < p->generate.count; i++) {
		what.generate = p->generate.items[i];
		if (what.generate)
			add_generating(m, what);
	}
	for (size_t i = 0; i + 1 < p->pairs.count; i += 2) {
		what.prompt = p->pairs.items[i];
		what.generate = p->pairs.items[i + 1];
		if (what.prompt || what.generate)
			add_generating(m, what);
	}
}

/* Adds the settings number 0, 1, 2, ... of all combinations, the last list turning fastest. */
static void add_all(maker *m)
{
	const elm__bench_params *p = m->p;
	const elm__numbers *lists[] = { &p->batch, &p->ubatch, &p->kv_types, &p->threads,
					&p->depth };
	enum { LISTS = sizeof(lists) / sizeof(lists[0]) };
	uint32_t chosen[LISTS];
	uint64_t settings = 1;

	for (size_t i = 0; i < LISTS; i++) {
		settings *= lists[i]->count;
		if (settings > ELM__BENCH_MAX_CASES)
			settings = ELM__BENCH_MAX_CASES + 1; /* too many already */
	}
	for (uint64_t s = 0; s < settings && m->count <= ELM__BENCH_MAX_CASES; s++) {
		uint64_t rest = s;

		for (size_t i = LISTS; i-- > 0; rest /= lists[i]->count)
			chosen[i] = lists[i]->items[rest % lists[i]->count];
		add_tests(m, (elm__bench_case){ .batch = chosen[0],
						.ubatch = chosen[1],
						.kv_type = (elm_type)chosen[2],
						.threads = chosen[3],
						.depth = chosen[4],
						.sequences = 1 });
	}
}

elm_status elm__bench_plan_make(elm__bench_plan *plan, const elm__bench_params *params,
				elm_error *error)
{
	maker m = { .p = params };

	*plan = (elm__bench_plan){ 0 };
	add_all(&m);
	if (!m.count)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "nothing to measure: no test has a token");
	if (m.count > ELM__BENCH_MAX_CASES)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "the lists combine to more than %d tests; shorten them",
				     ELM__BENCH_MAX_CASES);
	plan->cases = elm__calloc(m.count, sizeof(*plan->cases));
	if (!plan->cases)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for %zu tests",
				     m.count);
	m.cases = plan->cases;
	m.count = 0;
	add_all(&m);
	plan->count = m.count;
	return ELM_OK;
}

void elm__bench_plan_release(elm__bench_plan *plan)
{
	elm__free(plan->cases);
	*plan = (elm__bench_plan){ 0 };
}

void elm__bench_params_release(elm__bench_params *p)
{
	elm__numbers *lists[] = { &p->prompt, &p->generate, &p->pairs,	 &p->depth,   &p->sequences,
				  &p->batch,  &p->ubatch,   &p->threads, &p->kv_types };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		elm__numbers_release(lists[i]);
}
