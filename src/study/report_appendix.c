/* report_appendix.c: what one needs to know to believe the figures, and to measure them again. */
#include <math.h>
#include <string.h>

#include "study/report.h"

/* The rows of a table, written by what the schema says of them. */
static const char *column_text(elm__report *report, const elm__column *column, const void *row)
{
	const char *at = (const char *)row + column->offset;

	switch (column->kind) {
	case ELM__COLUMN_INT: {
		int64_t value;

		memcpy(&value, at, sizeof(value));
		return value == ELM__STUDY_NONE ?
			       NULL :
			       elm__report_text(report, "%lld", (long long)value);
	}
	case ELM__COLUMN_REAL: {
		double value;

		memcpy(&value, at, sizeof(value));
		return isnan(value) ? NULL : elm__report_text(report, "%g", value);
	}
	case ELM__COLUMN_TEXT: {
		const char *value;

		memcpy(&value, at, sizeof(value));
		return value && value[0] ? value : NULL;
	}
	}
	return NULL;
}

/* One row as two columns: name and value, with what the column means. */
static void put_facts(const elm__report_source *s, elm__buf *out, elm__study_table table,
		      const void *row, const char *caption)
{
	const elm__table *info = &elm__tables[table];
	elm__grid grid;

	elm__grid_start(&grid, 3);
	elm__grid_cell(s->report, &grid, "What");
	elm__grid_cell(s->report, &grid, "Value");
	elm__grid_cell(s->report, &grid, "Meaning");
	for (size_t i = 0; i < info->count; i++) {
		const char *value = column_text(s->report, &info->columns[i], row);

		if (strcmp(info->columns[i].name, "id") == 0)
			continue;
		elm__grid_cell(s->report, &grid, "%s", info->columns[i].name);
		elm__grid_cell(s->report, &grid, "%s", value ? value : "unknown");
		elm__grid_cell(s->report, &grid, "%s", info->columns[i].meaning);
	}
	elm__html_grid(out, &grid, caption);
}

static void start_grid(elm__report *report, elm__grid *grid, const char *const *titles,
		       size_t count)
{
	elm__grid_start(grid, count);
	for (size_t i = 0; i < count; i++)
		elm__grid_cell(report, grid, "%s", titles[i]);
}

#define START(report, grid, titles) \
	start_grid(report, grid, titles, sizeof(titles) / sizeof((titles)[0]))

static const char *or_dash(const char *text)
{
	return text && text[0] ? text : "-";
}

static void put_sessions(const elm__report_source *s, elm__buf *out)
{
	static const char *const titles[] = { "Command", "Program", "Outcome" };
	const elm__study_session *rows = s->results->rows[ELM__TABLE_session].items;
	elm__grid grid;

	START(s->report, &grid, titles);
	for (size_t i = 0; i < s->results->rows[ELM__TABLE_session].count; i++) {
		elm__grid_cell(s->report, &grid, "%s", or_dash(rows[i].command));
		elm__grid_cell(s->report, &grid, "%s", or_dash(rows[i].version));
		elm__grid_cell(s->report, &grid, "%s",
			       rows[i].outcome ? rows[i].outcome : "killed, or running");
	}
	elm__html_grid(out, &grid, "Commands");
}

static void put_experiments(const elm__report_source *s, elm__buf *out)
{
	static const char *const titles[] = {
		"Experiment", "Configuration",	   "State",	   "Order", "Planned trials",
		"Repeats",    "Warm-ups (unused)", "Interval, ms", "Note"
	};
	const elm__study_experiment *rows = s->results->rows[ELM__TABLE_experiment].items;
	const elm__study_config *configs = s->results->rows[ELM__TABLE_config].items;
	elm__grid grid;

	START(s->report, &grid, titles);
	for (size_t i = 0; i < s->results->rows[ELM__TABLE_experiment].count; i++) {
		const char *sweep = "base";

		for (size_t c = 0; c < s->results->rows[ELM__TABLE_config].count; c++)
			if (configs[c].id == rows[i].config_id && configs[c].sweep &&
			    configs[c].sweep[0])
				sweep = configs[c].sweep;
		elm__grid_cell(s->report, &grid, "%s", or_dash(rows[i].kind));
		elm__grid_cell(s->report, &grid, "%s", sweep);
		elm__grid_cell(s->report, &grid, "%s", or_dash(rows[i].state));
		elm__grid_cell(s->report, &grid, "%s", or_dash(rows[i].trial_order));
		elm__grid_cell(s->report, &grid, "%.0f", elm__number(rows[i].planned));
		elm__grid_cell(s->report, &grid, "%.0f", elm__number(rows[i].repeats));
		elm__grid_cell(s->report, &grid, "%.0f", elm__number(rows[i].warmups));
		elm__grid_cell(s->report, &grid, "%g", elm__number(rows[i].interval_ns) * 1e-6);
		elm__grid_cell(s->report, &grid, "%s", or_dash(rows[i].note));
	}
	elm__html_grid(out, &grid, "Experiments");
}

/* Prompts that did not fit and answers that failed are reported, not dropped. */
static void put_failures(const elm__report_source *s, elm__buf *out)
{
	enum { SHOWN = 200 };
	static const char *const titles[] = { "Query", "Outcome", "Prompt tokens", "Reason",
					      "Text" };
	const elm__study_trial *rows = s->results->rows[ELM__TABLE_trial].items;
	size_t shown = 0;
	elm__grid grid;

	START(s->report, &grid, titles);
	for (size_t i = 0; i < s->results->rows[ELM__TABLE_trial].count && shown < SHOWN; i++) {
		const elm__study_query *query = elm__results_query(s->results, rows[i].query_id);

		if (!rows[i].status || strcmp(rows[i].status, "ok") == 0)
			continue;
		shown++;
		if (query)
			elm__grid_cell(s->report, &grid, "%s %lld", or_dash(query->category),
				       (long long)query->idx);
		else
			elm__grid_cell(s->report, &grid, "-");
		elm__grid_cell(s->report, &grid, "%s", rows[i].status);
		elm__grid_cell(s->report, &grid, "%.0f", elm__number(rows[i].prompt_tokens));
		elm__grid_cell(s->report, &grid, "%s", or_dash(rows[i].error));
		elm__grid_cell(s->report, &grid, "%.160s", query ? or_dash(query->text) : "-");
	}
	if (shown)
		elm__html_grid(out, &grid, "Requests that did not end well (at most 200)");
}

static void put_metrics(const elm__report_source *s, elm__buf *out)
{
	static const char *const titles[] = { "Metric", "Unit", "Scope", "Measured" };
	const elm__study_metric *rows = s->results->rows[ELM__TABLE_metric].items;
	elm__grid grid;

	START(s->report, &grid, titles);
	for (size_t i = 0; i < s->results->rows[ELM__TABLE_metric].count; i++) {
		elm__grid_cell(s->report, &grid, "%s", or_dash(rows[i].name));
		elm__grid_cell(s->report, &grid, "%s", or_dash(rows[i].unit));
		elm__grid_cell(s->report, &grid, "%s", or_dash(rows[i].scope));
		if (rows[i].reason)
			elm__grid_cell(s->report, &grid, "no: %s", rows[i].reason);
		else
			elm__grid_cell(s->report, &grid, "yes");
	}
	if (s->results->rows[ELM__TABLE_metric].count)
		elm__html_grid(out, &grid, "What was sampled, and what is unmeasured and why");
}

static void put_events(const elm__report_source *s, elm__buf *out)
{
	enum { SHOWN = 200 };
	static const char *const titles[] = { "Minute", "Event", "What happened" };
	const elm__study_event *rows = s->results->rows[ELM__TABLE_event].items;
	size_t count = s->results->rows[ELM__TABLE_event].count;
	elm__grid grid;

	START(s->report, &grid, titles);
	for (size_t i = 0; i < count && i < SHOWN; i++) {
		elm__grid_cell(s->report, &grid, "%.2f", elm__number(rows[i].at_ns) * 1e-9 / 60);
		elm__grid_cell(s->report, &grid, "%s", or_dash(rows[i].kind));
		elm__grid_cell(s->report, &grid, "%s", or_dash(rows[i].text));
	}
	if (count)
		elm__html_grid(out, &grid, "Events (at most 200)");
}

static void put_settings(const elm__report_source *s, elm__buf *out)
{
	static const char *const titles[] = { "Setting", "Value" };
	const elm__study_setting *rows = s->results->rows[ELM__TABLE_setting].items;
	elm__grid grid;

	START(s->report, &grid, titles);
	for (size_t i = 0; i < s->results->rows[ELM__TABLE_setting].count; i++) {
		elm__grid_cell(s->report, &grid, "%s", or_dash(rows[i].key));
		elm__grid_cell(s->report, &grid, "%s", or_dash(rows[i].value));
	}
	elm__html_grid(out, &grid, "Settings of the study");
}

void elm__report_appendix(const elm__report_source *s, elm__buf *out)
{
	const elm__results *r = s->results;

	elm__buf_puts(out, "<section id=\"appendix\">\n<h2>Appendix</h2>\n");
	put_sessions(s, out);
	if (r->machine)
		put_facts(s, out, ELM__TABLE_machine, r->machine, "Machine");
	if (r->model)
		put_facts(s, out, ELM__TABLE_model, r->model, "Model");
	if (r->config)
		put_facts(s, out, ELM__TABLE_config, r->config, "Configuration");
	put_settings(s, out);
	put_experiments(s, out);
	put_failures(s, out);
	put_metrics(s, out);
	put_events(s, out);
	elm__buf_puts(out, "</section>\n");
}
