/*
 * report_html.c: the page. Whatever comes from the study, its queries above all, goes through
 * elm__html_text or, in the data of the charts, through json_text: it cannot become markup or a
 * script. The page's own style and script are allowed by their hashes (web/report/page.py), so that
 * nothing else would run even if it got in.
 */
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "study/embedded.h"
#include "study/plot.h"
#include "study/report.h"

static const elm__embedded *asset(const char *name)
{
	const elm__embedded *file = elm__report_files;

	while (strcmp(file->name, name) != 0)
		file++;
	return file;
}

static void put_asset(elm__buf *out, const char *name)
{
	const elm__embedded *file = asset(name);

	elm__buf_append(out, file->data, file->size);
}

static void element(elm__buf *out, const char *tag, const char *text)
{
	elm__buf_printf(out, "<%s>", tag);
	elm__html_text(out, text);
	elm__buf_printf(out, "</%.*s>\n", (int)strcspn(tag, " "), tag);
}

/* --- the data of the charts --- */

static void json_text(elm__buf *out, const char *text)
{
	size_t length = strlen(text), step;
	uint32_t point = 0;

	elm__buf_putc(out, '"');
	for (size_t i = 0; i < length; i += step) {
		step = elm__utf8_decode(text + i, length - i, &point);
		if (!step) {
			step = 1;
			elm__buf_putc(out, '?');
		} else if (point < ' ' || strchr("\"\\<>&'", (int)point) || point == 0x7f ||
			   point == 0x2028 || point == 0x2029) {
			elm__buf_printf(out, "\\u%04x", (unsigned)point);
		} else {
			elm__buf_append(out, text + i, step);
		}
	}
	elm__buf_putc(out, '"');
}

static void json_number(elm__buf *out, double value)
{
	if (isfinite(value))
		elm__buf_printf(out, "%.9g", value);
	else
		elm__buf_puts(out, "null");
}

static void json_series(elm__buf *out, const elm__series *series)
{
	static const char *const marks[] = { "line", "step", "points" };

	elm__buf_puts(out, "{\"label\":");
	json_text(out, series->label);
	elm__buf_printf(out, ",\"colour\":%d,\"mark\":\"%s\",\"dashed\":%s,\"points\":[",
			series->colour, marks[series->mark], series->dashed ? "true" : "false");
	for (size_t i = 0; i < series->count; i++) {
		const elm__point *p = &series->points[i];
		const double values[] = { p->x, p->y, p->low, p->high };
		int count = isfinite(p->low) ? 4 : 2;

		for (int v = 0; v < count; v++) {
			elm__buf_puts(out, v ? "," : i ? ",[" : "[");
			json_number(out, values[v]);
		}
		elm__buf_putc(out, ']');
	}
	elm__buf_puts(out, "]}");
}

static void json_panel(elm__buf *out, const elm__figure *figure, const elm__panel *panel)
{
	elm__buf_puts(out, "{\"figure\":");
	json_text(out, figure->id);
	elm__buf_puts(out, ",\"x\":");
	json_text(out, panel->x_label);
	elm__buf_puts(out, ",\"y\":");
	json_text(out, panel->y_label);
	elm__buf_printf(out, ",\"zero\":%s,\"names\":[", panel->y_from_zero ? "true" : "false");
	for (size_t i = 0; i < panel->x_count; i++) {
		if (i)
			elm__buf_putc(out, ',');
		json_text(out, panel->x_names[i]);
	}
	elm__buf_puts(out, "],\"series\":[");
	for (const elm__series *s = panel->series; s; s = s->next) {
		json_series(out, s);
		if (s->next)
			elm__buf_putc(out, ',');
	}
	elm__buf_puts(out, "]}");
}

static void put_data(elm__buf *out, const elm__report *report)
{
	bool first = true;

	elm__buf_puts(out, "<script type=\"application/json\" id=\"data\">{\"panels\":[");
	for (const elm__figure *f = report->figures; f; f = f->next)
		for (const elm__panel *p = f->missing ? NULL : f->panels; p; p = p->next) {
			elm__buf_puts(out, first ? "\n" : ",\n");
			json_panel(out, f, p);
			first = false;
		}
	elm__buf_puts(out, "]}</script>\n");
}

/* --- figures --- */

/* An interval goes below its value: "12 (11 to 13)". */
static void put_cell(elm__buf *out, const char *text)
{
	const char *interval = strstr(text, " (");
	size_t length = strlen(text);
	char value[32];

	if (!interval || !strstr(interval, " to ") || text[length - 1] != ')' ||
	    (size_t)(interval - text) >= sizeof(value)) {
		elm__html_text(out, text);
		return;
	}
	memcpy(value, text, (size_t)(interval - text));
	value[interval - text] = '\0';
	elm__html_text(out, value);
	elm__buf_puts(out, " <small>");
	elm__html_text(out, interval + 1);
	elm__buf_puts(out, "</small>");
}

void elm__html_grid(elm__buf *out, const elm__grid *grid, const char *caption)
{
	elm__buf_puts(out, "<div class=\"wide\" tabindex=\"0\"><table>\n");
	element(out, "caption", caption);
	for (size_t i = 0; i < grid->count; i++) {
		bool head = i < grid->columns;

		if (i % grid->columns == 0)
			elm__buf_puts(out, head ? "<thead><tr>" : "<tr>");
		if (head)
			elm__buf_puts(out, "<th scope=\"col\">");
		else
			elm__buf_puts(out, i % grid->columns ? "<td>" : "<th scope=\"row\">");
		put_cell(out, grid->cells[i]);
		elm__buf_puts(out, head || i % grid->columns == 0 ? "</th>" : "</td>");
		if ((i + 1) % grid->columns == 0)
			elm__buf_puts(out, head ? "</tr></thead>\n<tbody>\n" : "</tr>\n");
	}
	elm__buf_puts(out, "</tbody></table></div>\n");
}

static void number_cell(elm__buf *out, double value)
{
	if (isfinite(value))
		elm__buf_printf(out, "<td>%.6g</td>", value);
	else
		elm__buf_puts(out, "<td></td>");
}

/* Each point of short series. */
static void put_points(elm__buf *out, const elm__panel *panel)
{
	for (const elm__series *s = panel->series; s; s = s->next)
		for (size_t i = 0; i < s->count; i++) {
			const elm__point *p = &s->points[i];
			long name = lround(p->x);

			elm__buf_puts(out, "<tr><th scope=\"row\">");
			elm__html_text(out, s->label);
			elm__buf_puts(out, "</th>");
			if (panel->x_names && name >= 0 && (size_t)name < panel->x_count)
				element(out, "td", panel->x_names[name]);
			else
				number_cell(out, p->x);
			number_cell(out, p->y);
			number_cell(out, p->low);
			number_cell(out, p->high);
			elm__buf_puts(out, "</tr>\n");
		}
}

/* What long series are like. */
static void put_summaries(elm__buf *out, const elm__panel *panel)
{
	for (const elm__series *s = panel->series; s; s = s->next) {
		double low = INFINITY, high = -INFINITY, sum = 0;
		size_t count = 0;

		for (size_t i = 0; i < s->count; i++)
			if (isfinite(s->points[i].y)) {
				low = fmin(low, s->points[i].y);
				high = fmax(high, s->points[i].y);
				sum += s->points[i].y;
				count++;
			}
		elm__buf_puts(out, "<tr><th scope=\"row\">");
		elm__html_text(out, s->label);
		elm__buf_printf(out, "</th><td>%zu</td>", count);
		number_cell(out, low);
		number_cell(out, count ? sum / (double)count : NAN);
		number_cell(out, high);
		elm__buf_puts(out, "</tr>\n");
	}
}

/* The table behind a chart. */
static void put_values(elm__buf *out, const elm__panel *panel, const char *title)
{
	enum { POINTS = 700 };
	size_t points = 0;

	for (const elm__series *s = panel->series; s; s = s->next)
		points += s->count;
	elm__buf_puts(out, "<div class=\"wide\" tabindex=\"0\"><table>\n");
	element(out, "caption", panel->title ? panel->title : title);
	elm__buf_puts(out, "<thead><tr><th scope=\"col\">series</th>");
	if (points <= POINTS) {
		element(out, "th scope=\"col\"", panel->x_label[0] ? panel->x_label : "group");
		element(out, "th scope=\"col\"", panel->y_label);
		elm__buf_puts(out, "<th scope=\"col\">from</th><th scope=\"col\">to</th>");
	} else {
		elm__buf_puts(out, "<th scope=\"col\">points shown</th><th "
				   "scope=\"col\">least</th><th scope=\"col\">mean</th><th "
				   "scope=\"col\">most</th>");
	}
	elm__buf_puts(out, "</tr></thead>\n<tbody>\n");
	if (points <= POINTS)
		put_points(out, panel);
	else
		put_summaries(out, panel);
	elm__buf_puts(out, "</tbody></table></div>\n");
}

static void put_chart(elm__buf *out, const elm__figure *figure, const elm__panel *panel)
{
	elm__svg svg;

	elm__buf_puts(out, "<div class=\"chart\">");
	elm__buf_printf(out, "<svg viewBox=\"0 0 %d %.0f\" role=\"img\"><title>", ELM__PLOT_WIDTH,
			elm__plot_height(panel));
	elm__html_text(out, figure->title);
	if (panel->title) {
		elm__buf_puts(out, ": ");
		elm__html_text(out, panel->title);
	}
	elm__buf_puts(out, ". The table below has its values.</title>\n");
	elm__svg_init(&svg, out);
	elm__plot_panel(&svg.canvas, panel, 0);
	elm__buf_puts(out, "</svg>");
	if (panel->title) {
		elm__buf_puts(out, "<p class=\"panel-title\">");
		elm__html_text(out, panel->title);
		elm__buf_puts(out, "</p>");
	}
	elm__buf_puts(out, "<div class=\"live\"></div></div>\n");
}

static void put_figure(elm__buf *out, const elm__figure *f)
{
	elm__buf_printf(out, "<section class=\"figure\" id=\"%s\">\n<h2>", f->id);
	elm__html_text(out, f->title);
	if (f->number)
		elm__buf_printf(out, " <span class=\"origin\">after figure %s</span>", f->number);
	elm__buf_puts(out, "</h2>\n");
	if (f->missing) {
		elm__buf_puts(out, "<p class=\"missing\">Not shown: ");
		elm__html_text(out, f->missing);
		elm__buf_puts(out, ".</p>\n</section>\n");
		return;
	}
	if (f->message)
		element(out, "p class=\"message\"", f->message);
	for (const elm__panel *p = f->panels; p; p = p->next)
		put_chart(out, f, p);
	if (f->grid.columns)
		elm__html_grid(out, &f->grid, f->title);
	if (f->note)
		element(out, "p class=\"note\"", f->note);
	if (f->panels) {
		elm__buf_puts(out, "<details><summary>Values of the charts</summary>\n");
		for (const elm__panel *p = f->panels; p; p = p->next)
			put_values(out, p, f->title);
		elm__buf_puts(out, "</details>\n");
	}
	elm__buf_puts(out, "</section>\n");
}

/* --- the head of the page --- */

static const char *model_name(const elm__results *r)
{
	const char *slash;

	if (!r->model)
		return "a model";
	if (r->model->name && r->model->name[0])
		return r->model->name;
	slash = r->model->path ? strrchr(r->model->path, '/') : NULL;
	return slash ? slash + 1 : r->model->path ? r->model->path : "a model";
}

static const char *machine_name(const elm__results *r)
{
	if (r->machine && r->machine->board && r->machine->board[0])
		return r->machine->board;
	return r->machine && r->machine->cpu ? r->machine->cpu : "a device";
}

static elm_status tile(const elm__report_source *s, elm__buf *out, const char *name,
		       elm__measure measure, elm_error *error)
{
	const elm__study_experiment *workload =
		s->results->config ?
			elm__results_experiment(s->results, s->results->config->id, "workload") :
			NULL;
	elm__trial_filter filter = { workload ? workload->id : -1, ELM__CATEGORY_COUNT, NULL };
	const elm__measure_info *info = &elm__measures[measure];
	elm__interval value;
	elm_status status = elm__results_median(s->results, &filter, measure, &value, error);

	if (status != ELM_OK)
		return status;
	elm__buf_printf(out, "<div class=\"tile\"><dt>%s</dt><dd>", name);
	if (value.n)
		elm__buf_printf(out, "%.*f <small>%s</small></dd><dd class=\"more\">",
				value.value >= 100 ? 0 :
				value.value >= 10  ? 1 :
						     2,
				value.value, info->unit);
	else
		elm__buf_puts(out,
			      "<span class=\"none\">unmeasured</span></dd><dd class=\"more\">");
	if (value.n && isfinite(value.low))
		elm__buf_printf(out, "%.*f to %.*f, n = %zu", info->decimals, value.low,
				info->decimals, value.high, value.n);
	elm__buf_puts(out, "</dd></div>\n");
	return ELM_OK;
}

static void put_date(elm__buf *out, const elm__results *r)
{
	const elm__study_session *sessions = r->rows[ELM__TABLE_session].items;
	char text[64];
	struct tm day;
	time_t when;

	if (!r->rows[ELM__TABLE_session].count || sessions->started_unix < 0)
		return;
	when = (time_t)sessions->started_unix;
	if (gmtime_r(&when, &day) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &day)) {
		elm__buf_puts(out, ", ");
		elm__buf_puts(out, text);
	}
}

static elm_status put_head(const elm__report_source *s, elm__buf *out, elm_error *error)
{
	static const struct {
		const char *name;
		elm__measure measure;
	} tiles[] = {
		{ "Time to the first token", ELM__MEASURE_TTFT },
		{ "Generation", ELM__MEASURE_DECODE },
		{ "Peak memory of the process", ELM__MEASURE_PEAK_RSS },
		{ "Energy for a token", ELM__MEASURE_ENERGY },
	};
	elm_status status = ELM_OK;

	elm__buf_puts(out, "<header>\n<p class=\"eyebrow\">edgelm study</p>\n<h1>");
	elm__html_text(out, model_name(s->results));
	elm__buf_puts(out, " <span class=\"on\">on</span> ");
	elm__html_text(out, machine_name(s->results));
	elm__buf_puts(out, "</h1>\n<p class=\"when\">What the device can carry, measured query by "
			   "query");
	put_date(out, s->results);
	elm__buf_puts(out, ". Medians of the workload:</p>\n<dl class=\"tiles\">\n");
	for (size_t i = 0; i < sizeof(tiles) / sizeof(tiles[0]) && status == ELM_OK; i++)
		status = tile(s, out, tiles[i].name, tiles[i].measure, error);
	elm__buf_puts(out, "</dl>\n</header>\n");
	return status;
}

static void put_contents(elm__buf *out, const elm__report *report)
{
	elm__buf_puts(out, "<nav aria-label=\"Contents\"><ol>\n<li><a "
			   "href=\"#findings\">Findings</a></li>\n");
	for (const elm__figure *f = report->figures; f; f = f->next) {
		elm__buf_printf(out, "<li%s><a href=\"#%s\">", f->missing ? " class=\"none\"" : "",
				f->id);
		elm__html_text(out, f->title);
		elm__buf_puts(out, "</a></li>\n");
	}
	elm__buf_puts(out, "<li><a href=\"#appendix\">Appendix</a></li>\n</ol></nav>\n");
}

elm_status elm__report_page(const elm__report_source *s, elm__buf *out, elm_error *error)
{
	elm_status status;

	put_asset(out, "head.html");
	elm__buf_puts(out, "<title>");
	elm__html_text(out, model_name(s->results));
	elm__buf_puts(out, " on ");
	elm__html_text(out, machine_name(s->results));
	elm__buf_puts(out, "</title>\n</head>\n<body>\n");
	status = put_head(s, out, error);
	if (status != ELM_OK)
		return status;
	elm__buf_puts(out, "<div class=\"columns\">\n");
	put_contents(out, s->report);
	elm__buf_puts(out, "<main>\n<section id=\"findings\">\n<h2>Findings</h2>\n<ul>\n");
	for (const elm__sentence *f = s->report->findings; f; f = f->next)
		element(out, "li", f->text);
	elm__buf_puts(out, "</ul>\n</section>\n");
	for (const elm__figure *f = s->report->figures; f; f = f->next)
		put_figure(out, f);
	elm__report_appendix(s, out);
	elm__buf_puts(out, "</main>\n</div>\n");
	put_data(out, s->report);
	put_asset(out, "tail.html");
	if (s->report->failed)
		out->failed = true;
	return elm__buf_status(out, error);
}
