#include "study/run.h"

#include <edgelm/log.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "study/check.h"
#include "study/run_internal.h"

/* --- the folder --- */

static elm_status check_setting(const elm__study_options *o, const elm__study_setting *have,
				elm_error *error)
{
	for (size_t i = 0; i < o->setting_count; i++) {
		const elm__study_setting *want = &o->settings[i];

		if (!have->key || strcmp(want->key, have->key))
			continue;
		if (have->value && !strcmp(want->value, have->value))
			return ELM_OK;
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "%s: the study in this folder has %s \"%s\", not \"%s\"; go "
				     "on with the same options, or give another folder",
				     o->folder, want->key, have->value ? have->value : "",
				     want->value);
	}
	return elm_error_set(error, ELM_ERR_ARGUMENT,
			     "%s: the study in this folder was made with other options (it has "
			     "\"%s\"); give another folder",
			     o->folder, have->key ? have->key : "");
}

static elm_status check_settings(runner *r, elm_error *error)
{
	elm__rows rows;
	elm_status status = elm__store_rows(r->store, ELM__TABLE_setting, NULL, 0, &rows, error);
	const elm__study_setting *have = rows.items;

	for (size_t i = 0; i < rows.count && status == ELM_OK; i++)
		status = check_setting(r->options, &have[i], error);
	if (status == ELM_OK && rows.count != r->options->setting_count)
		status = elm_error_set(error, ELM_ERR_ARGUMENT,
				       "%s: the study in this folder was made with fewer options; "
				       "give another folder",
				       r->options->folder);
	elm__rows_release(&rows);
	return status;
}

static elm_status put_queries(runner *r, elm_error *error)
{
	const elm__workload *w = r->options->workload;
	elm_status status = ELM_OK;

	for (int c = 0; c < ELM__CATEGORY_COUNT; c++)
		for (size_t i = 0; i < w->all[c].count && status == ELM_OK; i++) {
			elm__study_query row = { query_id((elm__category)c, i),
						 elm__category_name((elm__category)c), (int64_t)i,
						 w->all[c].texts[i] };

			status = elm__store_put(r->store, ELM__TABLE_query, &row, error);
		}
	return status;
}

/* What a new study begins with. */
static elm_status put_beginning(runner *r, elm_error *error)
{
	elm__study_machine machine = *r->options->machine;
	elm_status status = elm__store_begin(r->store, error);

	machine.id = 1;
	for (size_t i = 0; i < r->options->setting_count && status == ELM_OK; i++)
		status = elm__store_put(r->store, ELM__TABLE_setting, &r->options->settings[i],
					error);
	if (status == ELM_OK)
		status = elm__store_put(r->store, ELM__TABLE_machine, &machine, error);
	if (status == ELM_OK)
		status = put_queries(r, error);
	if (status == ELM_OK)
		return elm__store_commit(r->store, error);
	elm__store_rollback(r->store);
	return status;
}

static elm_status check_machine(runner *r, elm_error *error)
{
	elm__rows rows;
	elm_status status = elm__store_rows(r->store, ELM__TABLE_machine, NULL, 0, &rows, error);
	const elm__study_machine *have = rows.items;
	const char *cpu = r->options->machine->cpu;

	if (status == ELM_OK && rows.count &&
	    (have->cores != r->options->machine->cores ||
	     strcmp(have->cpu ? have->cpu : "", cpu ? cpu : "")))
		status = elm_error_set(error, ELM_ERR_ARGUMENT,
				       "%s: the study in this folder is of another machine (%s)",
				       r->options->folder, have->cpu ? have->cpu : "unknown");
	elm__rows_release(&rows);
	return status;
}

static elm_status open_folder(runner *r, elm_error *error)
{
	const char *folder = r->options->folder;
	elm_status status;

	if (!elm__store_exists(folder)) {
		status = elm__store_open(folder, ELM__STORE_CREATE, &r->store, error);
		return status ? status : put_beginning(r, error);
	}
	status = elm__store_open(folder, ELM__STORE_WRITE, &r->store, error);
	if (status == ELM_OK)
		status = check_settings(r, error);
	if (status == ELM_OK)
		status = check_machine(r, error);
	return status;
}

/* --- the session --- */

static bool take_number(void *user, const double *values, size_t count)
{
	*(double *)user = values[0];
	return false;
}

/* Where the clock of the study stands: behind everything that is in it. */
static elm_status last_time(runner *r, int64_t *out, elm_error *error)
{
	double last = NAN;
	elm_status status = elm__store_select(
		r->store,
		"SELECT max(ifnull((SELECT max(start_ns + ifnull(wall_ns, 0)) FROM trial), 0), "
		"ifnull((SELECT max(ended_ns) FROM session), 0))",
		0, 0, take_number, &last, error);

	*out = isnan(last) ? 0 : (int64_t)last;
	return status;
}

static elm_status begin_session(runner *r, elm_error *error)
{
	int64_t offset;
	elm_status status = last_time(r, &offset, error);

	elm__row_clear(ELM__TABLE_session, &r->session);
	r->session.started_unix = (int64_t)time(NULL);
	r->session.offset_ns = offset;
	r->session.command = r->options->command;
	r->session.version = r->options->version;
	r->zero_ns = elm__now_ns() - (uint64_t)offset;
	if (status == ELM_OK)
		status = elm__store_put(r->store, ELM__TABLE_session, &r->session, error);
	if (status == ELM_OK && offset)
		status = add_event(r, ELM__STUDY_NONE, "resumed", NAN,
				   "an earlier session was interrupted, or there was more to do",
				   error);
	return status;
}

static elm_status end_session(runner *r, elm_status outcome, elm_error *error)
{
	r->session.ended_ns = study_time(r, elm__now_ns());
	r->session.outcome = outcome == ELM_OK		  ? "complete" :
			     outcome == ELM_ERR_CANCELLED ? "interrupted" :
							    "failed";
	return elm__store_put(r->store, ELM__TABLE_session, &r->session, error);
}

/* --- a point --- */

static elm_status put_point(runner *r, elm_error *error)
{
	const elm__study_point *p = r->point;
	elm__study_model model = r->subject->facts.model;
	elm_status status;

	model.id = r->config.id; /* a model of a point has its number */
	model.sha256 = p->sha256;
	r->config.model_id = model.id;
	status = elm__store_put(r->store, ELM__TABLE_model, &model, error);
	if (status == ELM_OK)
		status = elm__store_put(r->store, ELM__TABLE_config, &r->config, error);
	return status;
}

/* The subject is started when there is something to ask it. */
static elm_status open_subject(runner *r, elm_error *error)
{
	const elm__study_point *p = r->point;
	int64_t id = r->config.id;
	elm_status status;

	if (r->subject)
		return ELM_OK;
	r->load_ns = ELM__STUDY_NONE;
	r->served = false;
	status = p->worker ? elm__subject_engine(p->worker, r->options->cancel, &r->subject,
						 &r->load_ns, error) :
			     elm__subject_server(p->server, r->options->cancel, &r->subject, error);
	if (status)
		return status;
	r->form = r->options->form;
	if (p->worker && r->form == ELM__PROMPT_CHAT && !r->subject->facts.model.chat_template) {
		elm_log(ELM_LOG_INFO, "the model has no chat template: queries are put into the "
				      "plain texts of the study");
		r->form = ELM__PROMPT_PLAIN;
	}
	r->config = r->subject->facts.config;
	r->config.id = id;
	r->config.sweep = p->sweep;
	r->config.streams = p->streams;
	r->config.power_mode = p->power_mode;
	r->config.prompt_form = elm__prompt_form_names[r->form];
	r->config.fresh_process = r->options->fresh_process;
	r->config.ignore_eos = p->ignore_eos;
	r->config.seed = (int64_t)r->options->plan.seed;
	return put_point(r, error);
}

static void close_subject(runner *r)
{
	elm__watch_release(&r->watch);
	elm__subject_free(r->subject);
	r->subject = NULL;
	for (size_t i = 0; i < r->fitted_count; i++)
		elm__free(r->fitted[i].text);
	r->fitted_count = 0;
}

/* --- an experiment --- */

bool is_present(const runner *r, const elm__trial_plan *trial)
{
	const elm__study_trial *rows = r->present.items;
	int64_t query = query_id(trial->category, trial->query);

	for (size_t i = 0; i < r->present.count; i++) {
		const elm__study_trial *row = &rows[i];
		/* Whose text is looked for by its length has another query in the original's way.
		 */
		bool same_query = row->query_id == query || row->query_id == ELM__STUDY_NONE ||
				  (trial->target && row->query_id / 100000 == query / 100000);

		if (same_query && row->repeat == trial->repeat && row->warmup == trial->warmup &&
		    row->variant && !strcmp(row->variant, trial->variant))
			return true;
	}
	return false;
}

static void tell(const runner *r, const elm__trial_plan *trial)
{
	char what[128];

	if (!r->options->progress)
		return;
	snprintf(what, sizeof(what), "%s%s%s: %s %s", r->point->sweep, *r->point->sweep ? ", " : "",
		 r->experiment.kind, elm__category_name(trial->category), trial->variant);
	r->options->progress(r->options->user, r->summary->done_before + r->summary->done,
			     r->summary->planned, what);
}

/* A warning where two ways of asking for the memory of the process disagree. */
static elm_status compare_memory(runner *r, elm_error *error)
{
	char why[256];
	double status_rss = elm__watch_last(&r->watch, "process_rss");
	double smaps = r->subject && r->subject->pid ?
			       elm__smaps_rss(r->options->sysroot, r->subject->pid) :
			       NAN;

	if (elm__check_memory(status_rss, smaps, why, sizeof(why)))
		return ELM_OK;
	return add_event(r, ELM__STUDY_NONE, "warning", NAN, why, error);
}

static elm_status run_trials(runner *r, elm_error *error)
{
	elm_status status = ELM_OK;

	for (size_t i = 0; i < r->plan->count && status == ELM_OK; i++) {
		const elm__trial_plan *trial = &r->plan->trials[i];

		if (is_present(r, trial))
			continue;
		if (r->options->cancel && *r->options->cancel)
			return elm_error_set(error, ELM_ERR_CANCELLED, "interrupted");
		tell(r, trial);
		status = r->plan->kind == ELM__EXPERIMENT_IDLE ? run_idle(r, trial, error) :
								 run_trial(r, trial, i, error);
		if (status == ELM_OK)
			r->summary->done++;
	}
	if (status == ELM_OK && r->watch.recorder)
		status = compare_memory(r, error);
	return status;
}

/* What the subject cannot do; NULL: nothing. */
static const char *reason_to_skip(const runner *r)
{
	if (r->plan->kind == ELM__EXPERIMENT_COLD && !r->point->worker)
		return "a server is not ours to start";
	if (r->plan->kind == ELM__EXPERIMENT_PROBE && r->point->remote)
		return "the server is on another machine";
	if (r->plan->kind == ELM__EXPERIMENT_IDLE && r->point->remote)
		return "the server is on another machine";
	return NULL;
}

static elm_status put_experiment(runner *r, const char *state, elm_error *error)
{
	r->experiment.state = state;
	return elm__store_put(r->store, ELM__TABLE_experiment, &r->experiment, error);
}

static elm_status conclude(runner *r, elm_error *error)
{
	elm_status status = elm__store_begin(r->store, error);

	if (status == ELM_OK)
		status = elm__watch_conclude(&r->watch, r->experiment.id, error);
	if (status == ELM_OK)
		status = put_experiment(r, "done", error);
	if (status == ELM_OK)
		return elm__store_commit(r->store, error);
	elm__store_rollback(r->store);
	return status;
}

static elm_status run_missing(runner *r, elm_error *error)
{
	elm_status status = open_subject(r, error);

	if (status)
		return status;
	r->experiment.config_id = r->config.id;
	r->failures = 0;
	elm__watch_init(&r->watch, r->store, r->options->sysroot, r->zero_ns);
	status = put_experiment(r, "running", error);
	if (status == ELM_OK)
		status = r->plan->kind == ELM__EXPERIMENT_PROBE ? run_probe(r, error) :
								  run_trials(r, error);
	if (status == ELM_OK)
		status = conclude(r, error);
	elm__watch_release(&r->watch);
	return status;
}

/* Idle power is needed by the experiments after it, also in a session that did not measure it. */
static void recall_idle(runner *r)
{
	const elm__study_trial *rows = r->present.items;

	if (r->plan->kind != ELM__EXPERIMENT_IDLE)
		return;
	r->idle_watts = r->present.count ? rows->energy_j / ((double)rows->wall_ns * 1e-9) : NAN;
}

static elm_status run_experiment(runner *r, const elm__experiment_plan *plan, elm_error *error)
{
	size_t missing = 0;
	elm_status status;

	r->plan = plan;
	elm__row_clear(ELM__TABLE_experiment, &r->experiment);
	r->experiment.id = r->config.id * 100 + plan->kind + 1;
	r->experiment.config_id = r->config.id;
	r->experiment.kind = elm__experiment_names[plan->kind];
	r->experiment.trial_order = plan->random ? "random" : "category";
	r->experiment.interval_ns = (int64_t)plan->interval_ns;
	r->experiment.repeats = plan->repeats;
	r->experiment.warmups = plan->warmups;
	r->experiment.planned = (int64_t)plan->count;
	status = elm__store_rows(r->store, ELM__TABLE_trial, "experiment_id", r->experiment.id,
				 &r->present, error);
	for (size_t i = 0; i < plan->count && status == ELM_OK; i++)
		missing += !is_present(r, &plan->trials[i]);
	recall_idle(r);
	r->experiment.note = reason_to_skip(r);
	if (!r->experiment.note)
		r->summary->done_before += plan->count - missing;
	if (status == ELM_OK && r->experiment.note) {
		r->summary->planned -= plan->count;
		status = put_experiment(r, "skipped", error);
	} else if (status == ELM_OK && missing)
		status = run_missing(r, error);
	elm__rows_release(&r->present);
	return status;
}

static elm_status run_point(runner *r, size_t index, elm__experiment_plan *plans, elm_error *error)
{
	elm_status status = ELM_OK;

	r->point = &r->options->points[index];
	elm__row_clear(ELM__TABLE_config, &r->config);
	r->config.id = (int64_t)index + 1;
	r->idle_watts = NAN;
	for (int k = 0; k < ELM__EXPERIMENT_COUNT && status == ELM_OK; k++)
		if (r->options->experiments & 1u << k)
			status = run_experiment(r, &plans[k], error);
	close_subject(r);
	return status;
}

/* --- all of it --- */

static elm_status make_plans(const elm__study_options *o, elm__experiment_plan *plans,
			     elm__study_summary *summary, elm_error *error)
{
	elm_status status = ELM_OK;

	for (int k = 0; k < ELM__EXPERIMENT_COUNT && status == ELM_OK; k++) {
		if (!(o->experiments & 1u << k))
			continue;
		status = elm__experiment_plan_make((elm__experiment_kind)k, o->workload, &o->plan,
						   &plans[k], error);
		summary->planned += plans[k].count * o->point_count;
	}
	return status;
}

static elm_status run_session(runner *r, elm__experiment_plan *plans, elm_error *error)
{
	elm_status status = begin_session(r, error), ended;
	elm_error at_end = { 0 };

	if (status)
		return status;
	for (size_t i = 0; i < r->options->point_count && status == ELM_OK; i++)
		status = run_point(r, i, plans, error);
	ended = end_session(r, status, &at_end);
	/* Also of a study that was interrupted: what is there can be looked at. */
	if (ended == ELM_OK)
		ended = elm__store_export(r->store, &at_end);
	if (status == ELM_OK && ended)
		status = elm_error_set(error, ended, "%s", at_end.text);
	return status;
}

elm_status elm__study_run(const elm__study_options *options, elm__study_summary *summary,
			  elm_error *error)
{
	elm__experiment_plan plans[ELM__EXPERIMENT_COUNT] = { { 0 } };
	runner r = { .options = options, .summary = summary };
	elm_status status;

	memset(summary, 0, sizeof(*summary));
	status = make_plans(options, plans, summary, error);
	if (status == ELM_OK)
		status = open_folder(&r, error);
	if (status == ELM_OK)
		status = run_session(&r, plans, error);
	elm__buf_release(&r.text);
	elm__store_close(r.store);
	for (int k = 0; k < ELM__EXPERIMENT_COUNT; k++)
		elm__experiment_plan_release(&plans[k]);
	return status;
}
