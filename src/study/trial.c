/* trial.c: one trial of a study, from its prompt to its rows. */
#include <edgelm/log.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "study/check.h"
#include "study/fit.h"
#include "study/probe.h"
#include "study/run_internal.h"

/* At least so long, that the work is done several times on a slow device, too. */
static const double probe_alone_seconds = 2;

enum { WHY = 256, MAX_UNITS = 4096, TICK_NS = 50000000 };

/* --- the prompt --- */

static elm_status find_fitted(runner *r, const elm__trial_plan *trial, const fitted **out,
			      elm_error *error)
{
	const elm__queries *all = &r->options->workload->all[trial->category];
	fitted new = { trial->category, trial->target, trial->query, NULL };
	elm__buf text = ELM__BUF_INIT;
	elm_status status = ELM_OK;
	uint32_t tokens;

	for (size_t i = 0; i < r->fitted_count; i++) {
		*out = &r->fitted[i];
		if ((*out)->category == trial->category && (*out)->target == trial->target)
			return ELM_OK;
	}
	if (r->fitted_count == MAX_FITTED)
		return elm_error_set(error, ELM_ERR_INTERNAL, "too many lengths of prompts");
	/* The original took its queries as they were. */
	if (r->options->plan.faithful)
		status = elm__nearest_query(r->subject, r->options->workload, trial->category,
					    r->form, trial->target, &new.query, error);
	else
		status = elm__fit_query(r->subject, trial->category, all->texts[trial->query],
					r->form, trial->target, &text, &tokens, error);
	if (status == ELM_OK) {
		new.text = elm__strdup(text.length ? elm__buf_text(&text) : all->texts[new.query]);
		if (!new.text)
			status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	}
	elm__buf_release(&text);
	if (status)
		return status;
	r->fitted[r->fitted_count] = new;
	*out = &r->fitted[r->fitted_count++];
	return ELM_OK;
}

elm_status prepare_ask(runner *r, const elm__trial_plan *trial, elm__ask *ask, size_t *query,
		       elm_error *error)
{
	const char *text = r->options->workload->all[trial->category].texts[trial->query];
	const fitted *found;
	elm_status status;

	*query = trial->query;
	if (trial->target) {
		status = find_fitted(r, trial, &found, error);
		if (status)
			return status;
		text = found->text;
		*query = found->query;
	}
	*ask = (elm__ask){
		.prompt = elm__workload_prompt(trial->category, text, r->form, &r->text),
		.max_tokens = trial->max_tokens,
		.streams = r->point->streams,
		.ignore_eos = trial->ignore_eos || r->point->ignore_eos,
		.seed = r->options->plan.seed + trial->repeat,
	};
	return elm__buf_status(&r->text, error);
}

/* --- rows --- */

/* The device of a server elsewhere is not this one. */
static bool recorded(const runner *r, const elm__trial_plan *trial)
{
	return trial->recorded && !r->point->remote;
}

void fill_trial(const runner *r, const elm__trial_plan *trial, size_t position,
		elm__study_trial *row)
{
	row->session_id = r->session.id;
	row->experiment_id = r->experiment.id;
	row->variant = trial->variant;
	row->repeat = trial->repeat;
	row->warmup = trial->warmup;
	row->position = (int64_t)position;
	row->recorded = recorded(r, trial);
	if (trial->target)
		row->prompt_target = trial->target;
	if (trial->max_tokens)
		row->max_tokens = trial->max_tokens;
}

elm_status add_event(runner *r, int64_t trial, const char *kind, double value, const char *text,
		     elm_error *error)
{
	elm__study_event event = {
		ELM__STUDY_NONE, r->session.id, trial, study_time(r, elm__now_ns()), kind,
		value,		 text
	};

	if (!strcmp(kind, "warning")) {
		r->summary->warnings++;
		elm_log(ELM_LOG_WARN, "%s", text);
	}
	return elm__store_put(r->store, ELM__TABLE_event, &event, error);
}

static elm_status put_tokens(runner *r, const elm__answer *answer, elm_error *error)
{
	elm_status status = ELM_OK;

	for (size_t i = 0; i < answer->token_count && status == ELM_OK; i++) {
		elm__study_token token = { answer->row.id, (int64_t)i, answer->token_ns[i] };

		status = elm__store_put(r->store, ELM__TABLE_token, &token, error);
	}
	return status;
}

static elm_status put_answer(runner *r, elm__answer *answer, elm_error *error)
{
	char why[WHY], text[WHY + 64];
	elm_status status = elm__store_put(r->store, ELM__TABLE_trial, &answer->row, error);

	if (status == ELM_OK)
		status = put_tokens(r, answer, error);
	if (status || elm__check_answer(answer, why, sizeof(why)))
		return status;
	snprintf(text, sizeof(text), "trial %lld: %s", (long long)answer->row.id, why);
	return add_event(r, answer->row.id, "warning", NAN, text, error);
}

/* Of requests that run at the same time each has an equal share; what the device was seen doing is
 * with the first. */
static elm_status put_recording(runner *r, elm__answers *answers, uint64_t from, uint64_t to,
				elm_error *error)
{
	elm__study_trial *first = &answers->items[0].row;
	double seconds = elm__seconds_between(from, to), share = 1.0 / (double)answers->count;
	elm_status status = elm__watch_keep(&r->watch, first, from, to, error);

	for (size_t i = answers->count; i-- > 0;) {
		elm__study_trial *row = &answers->items[i].row;

		row->energy_j = first->energy_j * share;
		row->energy_scope = first->energy_scope;
		row->energy_note = first->energy_note;
		if (!isnan(row->energy_j))
			row->idle_j = r->idle_watts * seconds * share;
		if (status == ELM_OK)
			status = elm__store_put(r->store, ELM__TABLE_trial, row, error);
	}
	if (r->watch.lost && status == ELM_OK)
		status = add_event(r, first->id, "warning", NAN,
				   "the trial was longer than the recorder's memory", error);
	if (r->watch.throttled && status == ELM_OK)
		status = add_event(r, first->id, "throttled", NAN,
				   "the device was slowed down during the trial", error);
	return status;
}

static elm_status store_answers(runner *r, const elm__trial_plan *trial, elm__answers *answers,
				uint64_t from, uint64_t to, elm_error *error)
{
	elm_status status = elm__store_begin(r->store, error);

	for (size_t i = 0; i < answers->count && status == ELM_OK; i++)
		status = put_answer(r, &answers->items[i], error);
	if (status == ELM_OK && recorded(r, trial))
		status = put_recording(r, answers, from, to, error);
	if (status == ELM_OK)
		return elm__store_commit(r->store, error);
	elm__store_rollback(r->store);
	return status;
}

static void count_answers(runner *r, const elm__answers *answers)
{
	for (size_t i = 0; i < answers->count; i++) {
		const char *status = answers->items[i].row.status;

		r->summary->rejected += !strcmp(status, "rejected");
		r->summary->truncated += !strcmp(status, "truncated");
		r->summary->failed += !strcmp(status, "failed");
	}
}

/* --- running it --- */

static elm_status restart(runner *r, bool uncached, elm_error *error)
{
	double cached = 0;
	char text[WHY];
	elm_status status;

	status = r->subject->kind->restart(r->subject, uncached ? &cached : NULL, &r->load_ns,
					   error);
	r->served = false;
	if (status || !uncached || cached < 0.05)
		return status;
	snprintf(text, sizeof(text),
		 "a cold start was asked for, but %.0f %% of the model's files stayed in the page "
		 "cache",
		 100 * cached);
	return add_event(r, ELM__STUDY_NONE, "warning", cached, text, error);
}

/* An answer that says why there is none. */
static elm_status failed_answer(elm__answers *answers, const elm_error *why, elm_error *error)
{
	elm_status status;

	elm__answers_release(answers);
	status = elm__answers_init(answers, 1, error);
	if (status)
		return status;
	answers->items[0].row.status = "failed";
	answers->items[0].row.output_tokens = 0;
	answers->items[0].row.error =
		elm__arena_strndup(&answers->arena, why->text, strlen(why->text));
	return ELM_OK;
}

/* Asks, and makes a result of what goes wrong; a study whose every request fails ends. */
static elm_status ask(runner *r, const elm__ask *what, elm__answers *answers, elm_error *error)
{
	elm_error why = { 0 };
	elm_status status = r->subject->kind->ask(r->subject, what, answers, &why);

	if (status == ELM_OK) {
		r->failures = 0;
		return ELM_OK;
	}
	if (status == ELM_ERR_CANCELLED || status == ELM_ERR_NO_MEMORY ||
	    ++r->failures >= MAX_FAILURES)
		return elm_error_set(error, status, "%s", why.text);
	elm_log(ELM_LOG_WARN, "%s", why.text);
	status = failed_answer(answers, &why, error);
	if (status == ELM_OK && why.status == ELM_ERR_SYSTEM)
		status = restart(r, false, error);
	return status;
}

static elm_status measure(runner *r, const elm__trial_plan *trial, const elm__ask *what,
			  elm__answers *answers, uint64_t *from, uint64_t *to, elm_error *error)
{
	elm_status status = ELM_OK;

	if (recorded(r, trial))
		status = elm__watch_start(&r->watch, r->subject->pid, r->plan->interval_ns, error);
	if (status)
		return status;
	*from = elm__now_ns();
	status = ask(r, what, answers, error);
	*to = elm__now_ns();
	if (recorded(r, trial))
		elm__watch_stop(&r->watch);
	return status;
}

elm_status run_trial(runner *r, const elm__trial_plan *trial, size_t position, elm_error *error)
{
	bool fresh = trial->cold || (r->options->fresh_process && r->served);
	elm__answers answers = { 0 };
	uint64_t from = 0, to = 0;
	elm__ask what;
	size_t query;
	elm_status status = prepare_ask(r, trial, &what, &query, error);

	if (status == ELM_OK && fresh)
		status = restart(r, trial->uncached, error);
	if (status == ELM_OK)
		status = measure(r, trial, &what, &answers, &from, &to, error);
	for (size_t i = 0; i < answers.count && status == ELM_OK; i++) {
		elm__study_trial *row = &answers.items[i].row;

		fill_trial(r, trial, position, row);
		row->query_id = query_id(trial->category, query);
		row->cold = !r->served;
		row->load_ns = r->served ? ELM__STUDY_NONE : r->load_ns;
		row->seed = (int64_t)what.seed;
		row->stream = (int64_t)i;
		row->start_ns = study_time(
			r, answers.items[i].arrival_ns ? answers.items[i].arrival_ns : from);
	}
	r->served = true;
	if (status == ELM_OK)
		status = store_answers(r, trial, &answers, from, to, error);
	if (status == ELM_OK)
		count_answers(r, &answers);
	elm__answers_release(&answers);
	return status;
}

/* --- the device alone, and a second process --- */

static elm_status rest(const runner *r, double seconds, elm_error *error)
{
	uint64_t end = elm__now_ns() + (uint64_t)(seconds * 1e9);

	while (elm__now_ns() < end) {
		if (r->options->cancel && *r->options->cancel)
			return elm_error_set(error, ELM_ERR_CANCELLED, "interrupted");
		nanosleep(&(struct timespec){ .tv_nsec = TICK_NS }, NULL);
	}
	return ELM_OK;
}

elm_status run_idle(runner *r, const elm__trial_plan *trial, elm_error *error)
{
	elm__answers answers;
	uint64_t from, to;
	elm_status status = elm__answers_init(&answers, 1, error);
	elm__study_trial *row;

	if (status == ELM_OK)
		status = elm__watch_start(&r->watch, r->subject->pid, r->plan->interval_ns, error);
	if (status) {
		elm__answers_release(&answers);
		return status;
	}
	from = elm__now_ns();
	status = rest(r, r->options->idle_seconds, error);
	to = elm__now_ns();
	elm__watch_stop(&r->watch);
	row = &answers.items[0].row;
	fill_trial(r, trial, 0, row);
	row->status = "ok";
	row->start_ns = study_time(r, from);
	row->wall_ns = (int64_t)(to - from);
	r->idle_watts = NAN;
	if (status == ELM_OK)
		status = store_answers(r, trial, &answers, from, to, error);
	if (status == ELM_OK)
		r->idle_watts = row->energy_j / elm__seconds_between(from, to);
	elm__answers_release(&answers);
	return status;
}

static elm_status put_units(runner *r, const char *phase, const elm__probe_unit *units,
			    size_t count, uint64_t from, uint64_t to, elm_error *error)
{
	elm_status status = elm__store_begin(r->store, error);
	int64_t repeat = 0;

	for (size_t i = 0; i < count && status == ELM_OK; i++) {
		elm__study_probe row = { ELM__STUDY_NONE,
					 r->config.id,
					 phase,
					 repeat,
					 study_time(r, units[i].at_ns),
					 (int64_t)units[i].duration_ns };

		/* Only what lies wholly within the phase. */
		if (units[i].at_ns < from || units[i].at_ns + units[i].duration_ns > to)
			continue;
		status = elm__store_put(r->store, ELM__TABLE_probe, &row, error);
		repeat++;
	}
	if (status == ELM_OK)
		return elm__store_commit(r->store, error);
	elm__store_rollback(r->store);
	return status;
}

/* The probe beside one request, or with none beside nothing. */
static elm_status probe_once(runner *r, const elm__trial_plan *trial, size_t position,
			     elm__probe_unit *units, elm_error *error)
{
	uint64_t from = elm__now_ns(), to;
	elm__probe probe;
	size_t count;
	elm_status status = elm__probe_start(&probe, error);

	if (status)
		return status;
	status = trial ? run_trial(r, trial, position, error) :
			 rest(r, fmax(r->options->idle_seconds, probe_alone_seconds), error);
	r->summary->done += trial && status == ELM_OK;
	to = elm__now_ns();
	count = elm__probe_stop(&probe, units, MAX_UNITS);
	if (status == ELM_OK)
		status = put_units(r, trial ? "beside" : "alone", units, count, from, to, error);
	return status;
}

elm_status run_probe(runner *r, elm_error *error)
{
	elm__probe_unit *units = elm__calloc(MAX_UNITS, sizeof(*units));
	elm__rows known;
	elm_status status;

	if (!units)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for the probe");
	status = elm__store_rows(r->store, ELM__TABLE_probe, "config_id", r->config.id, &known,
				 error);
	if (status == ELM_OK && !known.count)
		status = probe_once(r, NULL, 0, units, error);
	elm__rows_release(&known);
	for (size_t i = 0; i < r->plan->count && status == ELM_OK; i++)
		if (!is_present(r, &r->plan->trials[i]))
			status = probe_once(r, &r->plan->trials[i], i, units, error);
	elm__free(units);
	return status;
}
