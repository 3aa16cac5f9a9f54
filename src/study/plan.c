#include "study/plan.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"

enum {
	COARSE_NS = 500000000,
	FINE_NS = 10000000,
	FAITHFUL_WARMUPS = 4, /* of five equal runs only the last counted */
	PROMPT_ANSWER = 50,
	EQUAL_PROMPT = 334,
	COLD_ANSWER = 10,
	PROBE_ANSWER = 100
};

static const uint32_t output_lengths[] = { 10, 50, 120, 230, 400 };
static const uint32_t prompt_lengths[] = { 90, 157, 224, 334 };

const char *const elm__experiment_names[ELM__EXPERIMENT_COUNT + 1] = {
	[ELM__EXPERIMENT_IDLE] = "idle",
	[ELM__EXPERIMENT_WORKLOAD] = "workload",
	[ELM__EXPERIMENT_MEDIAN] = "median",
	[ELM__EXPERIMENT_OUTPUT_LENGTH] = "output-length",
	[ELM__EXPERIMENT_PROMPT_LENGTH] = "prompt-length",
	[ELM__EXPERIMENT_EQUAL_PROMPT] = "equal-prompt",
	[ELM__EXPERIMENT_COLD] = "cold",
	[ELM__EXPERIMENT_PROBE] = "probe",
};

/* A plan while it is made. */
typedef struct planner {
	elm__experiment_plan *plan;
	const elm__workload *workload;
	const elm__study_plan_options *options;
	size_t capacity;
	bool failed; /* out of memory */
} planner;

/* A trial of the median query of a category, to be completed; NULL when memory has run out. */
static elm__trial_plan *add(planner *p, elm__category category, uint32_t repeat)
{
	elm__experiment_plan *plan = p->plan;
	elm__trial_plan *trial;

	if (plan->count == p->capacity) {
		size_t more = p->capacity ? 2 * p->capacity : 64;

		trial = elm__realloc_array(plan->trials, more, sizeof(*trial));
		p->failed |= !trial;
		if (!trial)
			return NULL;
		plan->trials = trial;
		p->capacity = more;
	}
	trial = &plan->trials[plan->count++];
	memset(trial, 0, sizeof(*trial));
	trial->category = category;
	trial->query = p->workload->medians[category];
	trial->repeat = repeat;
	trial->max_tokens = elm__category_forms[category].limit;
	trial->recorded = plan->interval_ns != 0;
	trial->ignore_eos = p->options->ignore_eos;
	return trial;
}

static elm__trial_plan *add_warmup(planner *p, elm__category category, uint32_t repeat)
{
	elm__trial_plan *trial = add(p, category, repeat);

	if (trial)
		trial->warmup = true;
	return trial;
}

static void set_variant(elm__trial_plan *trial, const char *name, unsigned value)
{
	snprintf(trial->variant, sizeof(trial->variant), "%s=%u", name, value);
}

/* --- the experiments --- */

static void plan_workload(planner *p)
{
	const elm__workload *w = p->workload;

	p->plan->interval_ns = COARSE_NS;
	p->plan->repeats = p->options->passes;
	/* Each process of the original was new, so that nothing was warm in it. */
	p->plan->warmups = p->options->faithful ? 0 : 1;
	for (int c = 0; c < ELM__CATEGORY_COUNT && p->plan->warmups; c++)
		add_warmup(p, (elm__category)c, 0);
	for (uint32_t pass = 0; pass < p->options->passes; pass++)
		for (int c = 0; c < ELM__CATEGORY_COUNT; c++)
			for (size_t i = 0; i < w->counts[c]; i++) {
				elm__trial_plan *trial = add(p, (elm__category)c, pass);

				if (trial)
					trial->query = w->chosen[c][i];
			}
}

static void plan_median(planner *p)
{
	static const char *const recorder[] = { "recorder=on", "recorder=off" };
	bool faithful = p->options->faithful;

	p->plan->interval_ns = FINE_NS;
	p->plan->warmups = faithful ? FAITHFUL_WARMUPS : 1;
	for (int c = 0; c < ELM__CATEGORY_COUNT; c++)
		for (uint32_t i = 0; i < p->plan->warmups; i++)
			add_warmup(p, (elm__category)c, i);
	for (uint32_t repeat = 0; repeat < p->plan->repeats; repeat++)
		for (int c = 0; c < ELM__CATEGORY_COUNT; c++)
			for (int off = 0; off < (faithful ? 1 : 2); off++) {
				elm__trial_plan *trial = add(p, (elm__category)c, repeat);

				if (!trial)
					continue;
				trial->recorded = !off;
				strcpy(trial->variant, recorder[off]);
			}
}

/* Answers of a certain length are compared, so the model may not end them. */
static void plan_output_length(planner *p)
{
	p->plan->interval_ns = FINE_NS;
	p->plan->warmups = 1;
	add_warmup(p, ELM__CATEGORY_CONVERSATIONAL, 0);
	for (uint32_t repeat = 0; repeat < p->plan->repeats; repeat++)
		for (size_t i = 0; i < sizeof(output_lengths) / sizeof(output_lengths[0]); i++) {
			elm__trial_plan *trial = add(p, ELM__CATEGORY_CONVERSATIONAL, repeat);

			if (!trial)
				continue;
			trial->max_tokens = output_lengths[i];
			trial->ignore_eos = !p->options->faithful || p->options->ignore_eos;
			set_variant(trial, "n", output_lengths[i]);
		}
}

static void add_prompt(planner *p, elm__category category, uint32_t target, uint32_t repeat,
		       bool warmup)
{
	elm__trial_plan *trial = add(p, category, repeat);

	if (!trial)
		return;
	trial->warmup = warmup;
	trial->target = target;
	trial->max_tokens = PROMPT_ANSWER;
	trial->ignore_eos = !p->options->faithful || p->options->ignore_eos;
	set_variant(trial, "p", target);
}

static void plan_prompt_length(planner *p)
{
	p->plan->interval_ns = FINE_NS;
	p->plan->warmups = 1;
	add_prompt(p, ELM__CATEGORY_TASK_ORIENTED, prompt_lengths[0], 0, true);
	for (uint32_t repeat = 0; repeat < p->plan->repeats; repeat++)
		for (size_t i = 0; i < sizeof(prompt_lengths) / sizeof(prompt_lengths[0]); i++)
			add_prompt(p, ELM__CATEGORY_TASK_ORIENTED, prompt_lengths[i], repeat,
				   false);
}

static void plan_equal_prompt(planner *p)
{
	static const elm__category two[] = { ELM__CATEGORY_CONTEXTUAL,
					     ELM__CATEGORY_TASK_ORIENTED };

	p->plan->interval_ns = FINE_NS;
	p->plan->warmups = 1;
	for (int c = 0; c < 2; c++)
		add_prompt(p, two[c], EQUAL_PROMPT, 0, true);
	for (uint32_t repeat = 0; repeat < p->plan->repeats; repeat++)
		for (int c = 0; c < 2; c++)
			add_prompt(p, two[c], EQUAL_PROMPT, repeat, false);
}

static void plan_cold(planner *p)
{
	static const char *const cache[] = { "cache=warm", "cache=cold" };

	for (uint32_t repeat = 0; repeat < p->plan->repeats; repeat++)
		for (int c = 0; c < ELM__CATEGORY_COUNT; c++)
			for (int uncached = 0; uncached < 2; uncached++) {
				elm__trial_plan *trial = add(p, (elm__category)c, repeat);

				if (!trial)
					continue;
				trial->cold = true;
				trial->uncached = uncached;
				trial->max_tokens = COLD_ANSWER;
				strcpy(trial->variant, cache[uncached]);
			}
}

/* The longest answers there are, so that the second process is beside them all the time. */
static void plan_probe(planner *p)
{
	for (uint32_t repeat = 0; repeat < p->plan->repeats; repeat++) {
		elm__trial_plan *trial = add(p, ELM__CATEGORY_TASK_ORIENTED, repeat);

		if (!trial)
			continue;
		trial->max_tokens = PROBE_ANSWER;
		trial->ignore_eos = true;
	}
}

static void plan_idle(planner *p)
{
	elm__trial_plan *trial;

	p->plan->interval_ns = COARSE_NS;
	p->plan->repeats = 1;
	trial = add(p, 0, 0);
	if (trial)
		trial->max_tokens = 0;
}

/* Fisher and Yates, of all that are no warm-ups, which stand in front. */
static void shuffle(elm__experiment_plan *plan, uint64_t seed)
{
	elm__trial_plan *trials = plan->trials;
	size_t count = plan->count;
	elm__random random;

	while (count && trials->warmup) {
		trials++;
		count--;
	}
	elm__random_seed(&random, seed + (uint64_t)plan->kind);
	for (size_t i = count; i > 1; i--) {
		size_t other = (size_t)(elm__random_unit(&random) * (double)i);
		elm__trial_plan held = trials[i - 1];

		trials[i - 1] = trials[other];
		trials[other] = held;
	}
}

elm_status elm__experiment_plan_make(elm__experiment_kind kind, const elm__workload *workload,
				     const elm__study_plan_options *options,
				     elm__experiment_plan *plan, elm_error *error)
{
	static void (*const planners[ELM__EXPERIMENT_COUNT])(planner *) = {
		[ELM__EXPERIMENT_IDLE] = plan_idle,
		[ELM__EXPERIMENT_WORKLOAD] = plan_workload,
		[ELM__EXPERIMENT_MEDIAN] = plan_median,
		[ELM__EXPERIMENT_OUTPUT_LENGTH] = plan_output_length,
		[ELM__EXPERIMENT_PROMPT_LENGTH] = plan_prompt_length,
		[ELM__EXPERIMENT_EQUAL_PROMPT] = plan_equal_prompt,
		[ELM__EXPERIMENT_COLD] = plan_cold,
		[ELM__EXPERIMENT_PROBE] = plan_probe,
	};
	planner p = { .plan = plan, .workload = workload, .options = options };

	memset(plan, 0, sizeof(*plan));
	plan->kind = kind;
	plan->repeats = options->repeats;
	plan->random = options->random && !options->faithful;
	planners[kind](&p);
	if (p.failed) {
		elm__experiment_plan_release(plan);
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for the plan");
	}
	if (plan->random)
		shuffle(plan, options->seed);
	return ELM_OK;
}

void elm__experiment_plan_release(elm__experiment_plan *plan)
{
	elm__free(plan->trials);
	memset(plan, 0, sizeof(*plan));
}
