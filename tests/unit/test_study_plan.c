/* What a study asks: prompts by the templates of the original, trials by experiment, their order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "study/plan.h"
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "support.h"

static const elm__study_plan_options normal = {
	.random = true, .repeats = 5, .passes = 1, .seed = 42
};

static elm__workload *workload(size_t limit)
{
	static elm__workload w;
	elm_error error = { 0 };

	if (elm__workload_load(&w, NULL, limit, &error))
		fail_msg("%s", error.text);
	return &w;
}

static elm__experiment_plan plan(elm__experiment_kind kind, const elm__workload *w,
				 const elm__study_plan_options *options)
{
	elm__experiment_plan out;

	assert_int_equal(elm__experiment_plan_make(kind, w, options, &out, NULL), ELM_OK);
	assert_int_equal(out.kind, kind);
	return out;
}

/* --- prompts --- */

static void prompts_have_the_original_s_templates(void **state)
{
	static const struct {
		elm__category category;
		const char *query, *quoted, *plain;
	} cases[] = {
		{ ELM__CATEGORY_COMPLEX, "why",
		  "\"You are a helpful assistant. Give a short answer. Query: why Answer: \"",
		  "You are a helpful assistant. Give a short answer. Query: why Answer: " },
		{ ELM__CATEGORY_CONTEXTUAL, "::context:: a ::question:: b ",
		  "\"You are a very helpful assistant. Answer the question: ::context:: a "
		  "::question:: b  Answer: \"",
		  "You are a very helpful assistant. Answer the question: ::context:: a "
		  "::question:: b  Answer: " },
		{ ELM__CATEGORY_CONVERSATIONAL, "Hi there",
		  "\"You are a helpful assistant.> User: Hi there? Assistant: \"",
		  "You are a helpful assistant.> User: Hi there? Assistant: " },
		{ ELM__CATEGORY_CONVERSATIONAL, "Is it? ",
		  "\"You are a helpful assistant.> User: Is it? ? Assistant: \"",
		  "You are a helpful assistant.> User: Is it?  Assistant: " },
		{ ELM__CATEGORY_SIMPLE, "who",
		  "\"You are a helpful assistant who knows everything. Give a short answer. "
		  "Query: who Answer: \"",
		  "You are a helpful assistant who knows everything. Give a short answer. Query: "
		  "who Answer: " },
		{ ELM__CATEGORY_TASK_ORIENTED, "<USER> go",
		  "\"<USER> go <BOT>: Great! Based on the provided information, following are "
		  "the steps: \"",
		  "<USER> go <BOT>: Great! Based on the provided information, following are the "
		  "steps: " },
	};
	elm__buf text = ELM__BUF_INIT;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		elm__prompt prompt = elm__workload_prompt(cases[i].category, cases[i].query,
							  ELM__PROMPT_QUOTED, &text);

		assert_string_equal(prompt.text, cases[i].quoted);
		assert_false(prompt.chat);
		prompt = elm__workload_prompt(cases[i].category, cases[i].query, ELM__PROMPT_PLAIN,
					      &text);
		assert_string_equal(prompt.text, cases[i].plain);
		prompt = elm__workload_prompt(cases[i].category, cases[i].query, ELM__PROMPT_CHAT,
					      &text);
		assert_true(prompt.chat);
		assert_memory_equal(prompt.text, cases[i].query, strlen(cases[i].query));
	}
	elm__buf_release(&text);
}

static void texts_are_cut_and_said_again(void **state)
{
	elm__buf text = ELM__BUF_INIT;

	elm__text_fit("h\xc3\xa9llo", 2, &text);
	assert_string_equal(elm__buf_text(&text), "h\xc3\xa9");
	elm__text_fit("h\xc3\xa9llo", 5, &text);
	assert_string_equal(elm__buf_text(&text), "h\xc3\xa9llo");
	elm__text_fit("h\xc3\xa9llo", 6, &text);
	assert_string_equal(elm__buf_text(&text), "h\xc3\xa9llo ");
	elm__text_fit("h\xc3\xa9llo", 8, &text);
	assert_string_equal(elm__buf_text(&text), "h\xc3\xa9llo h\xc3\xa9");
	for (size_t n = 1; n < 40; n++) {
		elm__text_fit("h\xc3\xa9llo", n, &text);
		assert_int_equal(elm__text_length(elm__buf_text(&text)), n);
	}
	elm__buf_release(&text);
}

/* --- the workload --- */

static void own_queries_are_chosen_evenly(void **state)
{
	elm__workload *all = workload(0);
	uint64_t hash = all->hash;

	for (int c = 0; c < ELM__CATEGORY_COUNT; c++) {
		assert_int_equal(all->counts[c], 100);
		assert_int_equal(all->chosen[c][99], 99);
	}
	elm__workload_release(all);
	all = workload(4);
	/* What is chosen does not make them other queries. */
	assert_true(all->hash == hash);
	for (int c = 0; c < ELM__CATEGORY_COUNT; c++) {
		assert_int_equal(all->counts[c], 4);
		for (size_t i = 0; i < 4; i++)
			assert_int_equal(all->chosen[c][i], 25 * i);
	}
	elm__workload_release(all);
}

static void the_median_query_is_in_the_middle(void **state)
{
	elm__workload *w = workload(1);

	for (int c = 0; c < ELM__CATEGORY_COUNT; c++) {
		size_t length = elm__text_length(w->all[c].texts[w->medians[c]]);
		size_t shorter = 0, longer = 0;

		for (size_t i = 0; i < w->all[c].count; i++) {
			shorter += elm__text_length(w->all[c].texts[i]) < length;
			longer += elm__text_length(w->all[c].texts[i]) > length;
		}
		assert_true(shorter <= 50 && longer <= 50);
	}
	elm__workload_release(w);
}

/* --- plans --- */

static size_t count_warmups(const elm__experiment_plan *p)
{
	size_t count = 0;

	for (size_t i = 0; i < p->count; i++)
		count += p->trials[i].warmup;
	return count;
}

static void the_workload_has_all_queries_and_limits(void **state)
{
	static const uint32_t limits[] = { 70, 50, 40, 30, 100 };
	elm__workload *w = workload(0);
	elm__experiment_plan p = plan(ELM__EXPERIMENT_WORKLOAD, w, &normal);
	bool seen[ELM__CATEGORY_COUNT][100] = { { false } };

	assert_int_equal(p.count, 505);
	assert_int_equal(count_warmups(&p), 5);
	assert_int_equal(p.interval_ns, 500000000);
	for (size_t i = 0; i < p.count; i++) {
		const elm__trial_plan *t = &p.trials[i];

		assert_int_equal(t->max_tokens, limits[t->category]);
		assert_int_equal(t->warmup, i < 5);
		assert_false(t->ignore_eos);
		if (t->warmup)
			continue;
		assert_false(seen[t->category][t->query]);
		seen[t->category][t->query] = true;
	}
	elm__experiment_plan_release(&p);
	elm__workload_release(w);
}

static void the_order_is_random_but_always_the_same(void **state)
{
	elm__study_plan_options other = normal, sorted = normal;
	elm__workload *w = workload(20);
	elm__experiment_plan a = plan(ELM__EXPERIMENT_WORKLOAD, w, &normal), b, c, d;
	size_t equal = 0, ascending = 0;

	other.seed = 43;
	sorted.random = false;
	b = plan(ELM__EXPERIMENT_WORKLOAD, w, &normal);
	c = plan(ELM__EXPERIMENT_WORKLOAD, w, &other);
	d = plan(ELM__EXPERIMENT_WORKLOAD, w, &sorted);
	assert_int_equal(a.count, 105);
	assert_memory_equal(a.trials, b.trials, a.count * sizeof(a.trials[0]));
	for (size_t i = 5; i < a.count; i++) {
		equal += a.trials[i].query == c.trials[i].query &&
			 a.trials[i].category == c.trials[i].category;
		ascending += i == 5 || d.trials[i].category >= d.trials[i - 1].category;
	}
	assert_true(equal < 20);
	assert_int_equal(ascending, 100);
	elm__experiment_plan_release(&a);
	elm__experiment_plan_release(&b);
	elm__experiment_plan_release(&c);
	elm__experiment_plan_release(&d);
	elm__workload_release(w);
}

static void lengths_are_those_of_the_original(void **state)
{
	static const uint32_t outputs[] = { 10, 50, 120, 230, 400 };
	static const uint32_t prompts[] = { 90, 157, 224, 334 };
	elm__study_plan_options sorted = normal;
	elm__workload *w = workload(1);
	elm__experiment_plan p;

	sorted.random = false;
	p = plan(ELM__EXPERIMENT_OUTPUT_LENGTH, w, &sorted);
	assert_int_equal(p.count, 1 + 5 * 5);
	assert_int_equal(p.interval_ns, 10000000);
	for (size_t i = 1; i < p.count; i++) {
		char variant[24];

		snprintf(variant, sizeof(variant), "n=%u", outputs[(i - 1) % 5]);
		assert_int_equal(p.trials[i].max_tokens, outputs[(i - 1) % 5]);
		assert_string_equal(p.trials[i].variant, variant);
		assert_true(p.trials[i].ignore_eos);
		assert_int_equal(p.trials[i].category, ELM__CATEGORY_CONVERSATIONAL);
	}
	elm__experiment_plan_release(&p);
	p = plan(ELM__EXPERIMENT_PROMPT_LENGTH, w, &sorted);
	assert_int_equal(p.count, 1 + 4 * 5);
	for (size_t i = 1; i < p.count; i++) {
		assert_int_equal(p.trials[i].target, prompts[(i - 1) % 4]);
		assert_int_equal(p.trials[i].max_tokens, 50);
	}
	elm__experiment_plan_release(&p);
	p = plan(ELM__EXPERIMENT_EQUAL_PROMPT, w, &sorted);
	assert_int_equal(p.count, 2 + 2 * 5);
	for (size_t i = 0; i < p.count; i++)
		assert_true(p.trials[i].target == 334 && p.trials[i].max_tokens == 50);
	elm__experiment_plan_release(&p);
	elm__workload_release(w);
}

static void the_faithful_plan_is_the_original_s(void **state)
{
	elm__study_plan_options old = {
		.faithful = true, .random = true, .repeats = 1, .passes = 1
	};
	elm__workload *w = workload(3);
	elm__experiment_plan p = plan(ELM__EXPERIMENT_WORKLOAD, w, &old);

	assert_false(p.random);
	assert_int_equal(p.count, 15);
	for (size_t i = 0; i < p.count; i++)
		assert_int_equal(p.trials[i].category, i / 3);
	elm__experiment_plan_release(&p);
	p = plan(ELM__EXPERIMENT_MEDIAN, w, &old);
	assert_int_equal(p.count, 5 * 5);
	assert_int_equal(count_warmups(&p), 5 * 4);
	elm__experiment_plan_release(&p);
	p = plan(ELM__EXPERIMENT_OUTPUT_LENGTH, w, &old);
	assert_false(p.trials[1].ignore_eos);
	elm__experiment_plan_release(&p);
	elm__workload_release(w);
}

/* No two trials of an experiment are the same one: a study finds them again by what tells them
 * apart. */
static void every_trial_is_another(void **state)
{
	elm__workload *w = workload(10);

	for (int k = 0; k < ELM__EXPERIMENT_COUNT; k++) {
		elm__experiment_plan p = plan((elm__experiment_kind)k, w, &normal);

		for (size_t i = 0; i < p.count; i++)
			for (size_t j = 0; j < i; j++) {
				const elm__trial_plan *a = &p.trials[i], *b = &p.trials[j];

				if (a->category == b->category && a->query == b->query &&
				    a->repeat == b->repeat && a->warmup == b->warmup &&
				    !strcmp(a->variant, b->variant))
					fail_msg("%s: trials %zu and %zu are the same",
						 elm__experiment_names[k], i, j);
			}
		elm__experiment_plan_release(&p);
	}
	elm__workload_release(w);
}

static elm_status make_one(void *user, elm_error *error)
{
	elm__workload w;
	elm__experiment_plan p;
	elm_status status = elm__workload_load(&w, NULL, 2, error);

	if (status == ELM_OK) {
		status = elm__experiment_plan_make(ELM__EXPERIMENT_MEDIAN, &w, &normal, &p, error);
		elm__experiment_plan_release(&p);
	}
	elm__workload_release(&w);
	return status;
}

static void running_out_of_memory_is_an_error(void **state)
{
	assert_true(fail_each_allocation(make_one, NULL) > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prompts_have_the_original_s_templates),
		cmocka_unit_test(texts_are_cut_and_said_again),
		cmocka_unit_test(own_queries_are_chosen_evenly),
		cmocka_unit_test(the_median_query_is_in_the_middle),
		cmocka_unit_test(the_workload_has_all_queries_and_limits),
		cmocka_unit_test(the_order_is_random_but_always_the_same),
		cmocka_unit_test(lengths_are_those_of_the_original),
		cmocka_unit_test(the_faithful_plan_is_the_original_s),
		cmocka_unit_test(every_trial_is_another),
		cmocka_unit_test(running_out_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
