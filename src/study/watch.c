#include "study/watch.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "study/energy.h"

/* The ring has room for this long a trial, within limits. */
static const uint64_t longest_trial_ns = 600000000000;

enum { MIN_ROWS = 64, MAX_ROWS = 60000 };

void elm__watch_init(elm__watch *watch, elm__store *store, const char *sysroot, uint64_t zero_ns)
{
	memset(watch, 0, sizeof(*watch));
	watch->store = store;
	watch->sysroot = sysroot;
	watch->zero_ns = zero_ns;
}

/* --- the recorder --- */

static void add_cost(elm__watch *w)
{
	elm__study_overhead *o = &w->overhead;
	elm__recorder_cost cost;
	int64_t late;

	elm__recorder_cost_of(w->recorder, &cost);
	o->samples += (int64_t)cost.rows;
	o->missed += (int64_t)cost.missed;
	o->cpu_ns += (int64_t)(cost.cpu_seconds * 1e9);
	late = (int64_t)(cost.late_seconds * 1e9);
	if (late > o->late_max_ns)
		o->late_max_ns = late;
}

static void close_recorder(elm__watch *w)
{
	if (!w->recorder)
		return;
	elm__recorder_stop(w->recorder);
	add_cost(w);
	elm__recorder_free(w->recorder);
	elm__free(w->metrics);
	elm__free(w->kept);
	w->recorder = NULL;
	w->metrics = NULL;
	w->kept = NULL;
	w->next_row = 0;
}

void elm__watch_release(elm__watch *w)
{
	close_recorder(w);
	memset(w, 0, sizeof(*w));
}

static elm_status open_recorder(elm__watch *w, int64_t pid, uint64_t interval_ns, elm_error *error)
{
	uint64_t rows = longest_trial_ns / interval_ns;
	elm__recorder_options options = { .sysroot = w->sysroot,
					  .pid = pid,
					  .interval_ns = interval_ns };
	elm_status status;

	options.rows = rows < MIN_ROWS ? MIN_ROWS : rows > MAX_ROWS ? MAX_ROWS : (size_t)rows;
	status = elm__recorder_create(&options, &w->recorder, error);
	if (status)
		return status;
	w->pid = pid;
	w->interval_ns = interval_ns;
	w->columns = elm__recorder_columns(w->recorder);
	w->metrics = elm__calloc(w->columns, sizeof(*w->metrics));
	w->kept = elm__calloc(w->columns, sizeof(*w->kept));
	if (w->metrics && w->kept)
		return ELM_OK;
	close_recorder(w);
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for the recorder");
}

elm_status elm__watch_start(elm__watch *w, int64_t pid, uint64_t interval_ns, elm_error *error)
{
	elm_status status = ELM_OK;

	if (w->recorder && (w->pid != pid || w->interval_ns != interval_ns))
		close_recorder(w);
	if (!w->recorder)
		status = open_recorder(w, pid, interval_ns, error);
	if (status)
		return status;
	w->started_ns = elm__now_ns();
	elm__recorder_step(w->recorder);
	return elm__recorder_start(w->recorder, error);
}

void elm__watch_stop(elm__watch *w)
{
	elm__recorder_stop(w->recorder);
	elm__recorder_step(w->recorder);
	w->overhead.span_ns += (int64_t)(elm__now_ns() - w->started_ns);
}

/* --- metrics --- */

static elm_status find_metric(elm__watch *w, const char *name, elm__study_metric *out,
			      elm_error *error)
{
	const elm__study_metric *known;
	elm__rows rows;
	elm_status status = elm__store_rows(w->store, ELM__TABLE_metric, NULL, 0, &rows, error);

	elm__row_clear(ELM__TABLE_metric, out);
	known = rows.items;
	for (size_t i = 0; i < rows.count; i++)
		if (known[i].name && !strcmp(known[i].name, name))
			out->id = known[i].id;
	elm__rows_release(&rows);
	return status;
}

/* One that is measured stays so; the reason is for those that never were. */
static elm_status put_metric(elm__watch *w, size_t column, elm_error *error)
{
	const elm__recorder_column *info = elm__recorder_column_at(w->recorder, column);
	elm__study_metric metric;
	elm__recorder_state state;
	elm_status status = find_metric(w, info->name, &metric, error);

	elm__recorder_state_of(w->recorder, column, &state);
	metric.name = info->name;
	metric.unit = strcmp(info->unit, "threads") ? info->unit : "";
	metric.scope = !strncmp(info->name, "process_", 8) ? "process" : "device";
	if (state.unmeasured == state.reads)
		metric.reason = state.reason ? state.reason : "never read";
	if (status == ELM_OK)
		status = elm__store_put(w->store, ELM__TABLE_metric, &metric, error);
	w->metrics[column] = metric.id;
	return status;
}

/* Without a process to look at the recorder shows its own, which nobody has asked for. */
static bool is_foreign(const elm__watch *w, size_t column)
{
	const char *name = elm__recorder_column_at(w->recorder, column)->name;

	return !w->pid && !strncmp(name, "process_", 8);
}

static elm_status put_metrics(elm__watch *w, elm_error *error)
{
	elm_status status = ELM_OK;

	for (size_t c = 0; c < w->columns && status == ELM_OK; c++)
		if (!w->metrics[c] && !is_foreign(w, c))
			status = put_metric(w, c, error);
	return status;
}

/* --- rows --- */

/* All rows that were not looked at. */
typedef struct recorded {
	uint64_t *at_ns;
	double *values; /* row after row */
	size_t count;
} recorded;

static elm_status copy_rows(elm__watch *w, recorded *out, elm_error *error)
{
	uint64_t rows = elm__recorder_rows(w->recorder), from = w->next_row;
	size_t room = (size_t)(rows - from), cells;

	memset(out, 0, sizeof(*out));
	if (!elm__mul(room, w->columns, &cells))
		cells = SIZE_MAX;
	out->at_ns = elm__calloc(room, sizeof(*out->at_ns));
	out->values = elm__calloc(cells, sizeof(*out->values));
	if (!out->at_ns || !out->values)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for %zu samples",
				     room);
	out->count = elm__recorder_copy(w->recorder, &from, room, out->at_ns, out->values);
	w->lost = from != w->next_row;
	w->next_row = rows;
	return ELM_OK;
}

static void release_rows(recorded *r)
{
	elm__free(r->at_ns);
	elm__free(r->values);
}

/* The rows from the last one before `from` to the first one after `to`. */
static void narrow(const recorded *all, uint64_t from, uint64_t to, size_t *first, size_t *end)
{
	*first = 0;
	while (*first + 1 < all->count && all->at_ns[*first + 1] <= from)
		++*first;
	*end = *first;
	while (*end < all->count && all->at_ns[*end] < to)
		++*end;
	if (*end < all->count)
		++*end;
}

static bool same(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

static elm_status put_samples(elm__watch *w, const recorded *all, size_t first, size_t end,
			      int64_t trial, elm_error *error)
{
	elm_status status = ELM_OK;

	for (size_t r = first; r < end && status == ELM_OK; r++)
		for (size_t c = 0; c < w->columns && status == ELM_OK; c++) {
			double value = all->values[r * w->columns + c];
			elm__study_sample sample = { trial, w->metrics[c],
						     (int64_t)(all->at_ns[r] - w->zero_ns), value };

			/* What is never measured has no samples; a gap in what is, has one. */
			if (!w->metrics[c])
				continue;
			if (r == first ? isnan(value) : same(value, w->kept[c])) {
				w->kept[c] = value;
				continue;
			}
			w->kept[c] = value;
			status = elm__store_put(w->store, ELM__TABLE_sample, &sample, error);
		}
	return status;
}

/* --- energy --- */

static elm_status column_energy(elm__watch *w, const recorded *all, const char *name, uint64_t from,
				uint64_t to, double *joules, elm_error *error)
{
	size_t column = elm__recorder_find(w->recorder, name);
	double *values = elm__calloc(all->count, sizeof(*values));

	if (!values)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	for (size_t r = 0; r < all->count; r++)
		values[r] = column < w->columns ? all->values[r * w->columns + column] : NAN;
	*joules = strcmp(name, "energy") ?
			  elm__energy_of_power(all->at_ns, values, all->count, from, to) :
			  elm__energy_of_counter(all->at_ns, values, all->count, from, to);
	elm__free(values);
	return ELM_OK;
}

static void explain_no_energy(elm__watch *w, elm__study_trial *trial)
{
	size_t column = elm__recorder_find(w->recorder, "power");
	elm__recorder_state state = { 0 };

	if (column < w->columns)
		elm__recorder_state_of(w->recorder, column, &state);
	trial->energy_note =
		state.reason ? state.reason : "the readings of power do not cover the trial";
}

/* A counter is exact; where there is none, power is added up. */
static elm_status fill_energy(elm__watch *w, const recorded *all, elm__study_trial *trial,
			      uint64_t from, uint64_t to, elm_error *error)
{
	elm_status status = column_energy(w, all, "energy", from, to, &trial->energy_j, error);

	if (status == ELM_OK && isnan(trial->energy_j))
		status = column_energy(w, all, "power", from, to, &trial->energy_j, error);
	if (isnan(trial->energy_j))
		explain_no_energy(w, trial);
	else
		trial->energy_scope = elm__power_scope_name(elm__recorder_power_scope(w->recorder));
	return status;
}

/* --- what a server does not tell of itself --- */

static double value_of(const elm__watch *w, const recorded *all, size_t row, const char *name)
{
	size_t column = elm__recorder_find(w->recorder, name);

	return column < w->columns ? all->values[row * w->columns + column] : NAN;
}

static void fill_process(const elm__watch *w, const recorded *all, size_t first, size_t end,
			 elm__study_trial *trial)
{
	double most = NAN, seconds;

	for (size_t r = first; r < end; r++)
		most = fmax(most, value_of(w, all, r, "process_rss"));
	if (trial->peak_rss_bytes == ELM__STUDY_NONE && !isnan(most))
		trial->peak_rss_bytes = (int64_t)most;
	if (trial->process_cpu_ns != ELM__STUDY_NONE || first == end)
		return;
	seconds =
		value_of(w, all, end - 1, "process_time") - value_of(w, all, first, "process_time");
	if (!isnan(seconds))
		trial->process_cpu_ns = (int64_t)(seconds * 1e9);
}

static bool was_throttled(const elm__watch *w, const recorded *all, size_t first, size_t end)
{
	for (size_t r = first; r < end; r++)
		if (value_of(w, all, r, "throttled") > 0)
			return true;
	return false;
}

elm_status elm__watch_keep(elm__watch *w, elm__study_trial *trial, uint64_t from, uint64_t to,
			   elm_error *error)
{
	size_t first, end;
	recorded all;
	elm_status status = copy_rows(w, &all, error);

	if (status == ELM_OK)
		status = put_metrics(w, error);
	narrow(&all, from, to, &first, &end);
	w->throttled = was_throttled(w, &all, first, end);
	if (w->pid)
		fill_process(w, &all, first, end, trial);
	if (status == ELM_OK)
		status = fill_energy(w, &all, trial, from, to, error);
	if (status == ELM_OK)
		status = put_samples(w, &all, first, end, trial->id, error);
	release_rows(&all);
	return status;
}

double elm__watch_last(const elm__watch *w, const char *column)
{
	size_t c = w->recorder ? elm__recorder_find(w->recorder, column) : 0;

	return w->recorder && c < w->columns && w->metrics[c] ? w->kept[c] : NAN;
}

/* --- at the end --- */

static int64_t nanoseconds(double seconds)
{
	return seconds > 0 ? (int64_t)(seconds * 1e9) : ELM__STUDY_NONE;
}

elm_status elm__watch_conclude(elm__watch *w, int64_t experiment_id, elm_error *error)
{
	elm_status status = ELM_OK;

	for (size_t c = 0; w->recorder && c < w->columns && status == ELM_OK; c++) {
		elm__recorder_state state;
		elm__study_rate rate;

		if (!w->metrics[c])
			continue;
		status = put_metric(w, c, error); /* it may have been measured since */
		elm__recorder_state_of(w->recorder, c, &state);
		rate = (elm__study_rate){ experiment_id,
					  w->metrics[c],
					  (int64_t)state.reads,
					  (int64_t)state.unmeasured,
					  nanoseconds(state.read_seconds),
					  nanoseconds(state.change_seconds) };
		if (status == ELM_OK)
			status = elm__store_put(w->store, ELM__TABLE_rate, &rate, error);
	}
	close_recorder(w);
	w->overhead.experiment_id = experiment_id;
	if (status == ELM_OK && w->overhead.samples)
		status = elm__store_put(w->store, ELM__TABLE_overhead, &w->overhead, error);
	memset(&w->overhead, 0, sizeof(w->overhead));
	return status;
}
