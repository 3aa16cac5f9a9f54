#include "study/reference.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "study/csv.h"

/* Columns, what they are here, and what their values are multiplied with. */
static const struct {
	const char *name;
	elm__measure measure;
	double factor;
	bool required;
} columns[] = {
	{ "prompt_tokens", ELM__MEASURE_PROMPT_TOKENS, 1, true },
	{ "output_tokens", ELM__MEASURE_OUTPUT_TOKENS, 1, true },
	{ "ttft_ms", ELM__MEASURE_TTFT, 1, true },
	{ "tbt_ms", ELM__MEASURE_TBT, 1, true },
	{ "total_ms", ELM__MEASURE_TOTAL, 1e-3, true },
	{ "prompt_tps", ELM__MEASURE_PREFILL, 1, false },
	{ "gen_tps", ELM__MEASURE_DECODE, 1, false },
	{ "rss_peak_mib", ELM__MEASURE_PEAK_RSS, 1, false },
	{ "cpu_inst_mean_pct", ELM__MEASURE_CPU, 1, false },
	{ "power_mean_mw", ELM__MEASURE_POWER, 1e-3, false },
};

enum {
	KNOWN = sizeof(columns) / sizeof(columns[0]),
	FIELDS = 64,
	CATEGORY = -2,
	OTHER = -1,
	QUERIES = 100000
};

/* What each field of a record is: an index in `columns`, CATEGORY or OTHER. */
typedef struct layout {
	int kinds[FIELDS];
	size_t count;
} layout;

static elm_status read_head(elm__csv *csv, layout *out, elm_error *error)
{
	elm__field_end end = ELM__FIELD_MORE;
	bool found[KNOWN] = { false }, category = false;

	elm__csv_record(csv);
	for (out->count = 0; end == ELM__FIELD_MORE; out->count++) {
		int kind = OTHER;

		if (out->count == FIELDS)
			return elm__csv_fail(csv, error, "there are more than 64 columns");
		end = elm__csv_field(csv, error);
		if (end == ELM__FIELD_BAD)
			return ELM_ERR_FORMAT;
		for (int i = 0; i < KNOWN; i++)
			if (strcmp(elm__buf_text(&csv->field), columns[i].name) == 0) {
				kind = i;
				found[i] = true;
			}
		if (strcmp(elm__buf_text(&csv->field), "category") == 0) {
			kind = CATEGORY;
			category = true;
		}
		out->kinds[out->count] = kind;
	}
	for (int i = 0; i < KNOWN; i++)
		if ((columns[i].required && !found[i]) || !category)
			return elm_error_set(error, ELM_ERR_FORMAT,
					     "%s:1: there is no column \"%s\" in the first line",
					     csv->name, category ? columns[i].name : "category");
	return ELM_OK;
}

static elm_status use_field(elm__csv *csv, int kind, elm__reference_query *query, elm_error *error)
{
	const char *text = elm__buf_text(&csv->field);
	double value;

	if (kind == CATEGORY) {
		query->category = elm__category_of(text);
		if (query->category == ELM__CATEGORY_COUNT)
			return elm__csv_fail(csv, error, "there is no such category");
	} else if (kind >= 0 && text[0]) {
		if (!elm__parse_f64(text, 0, 1e12, &value))
			return elm__csv_fail(csv, error, "a value is no number from 0 on");
		query->values[columns[kind].measure] = value * columns[kind].factor;
	}
	return elm__buf_status(&csv->field, error);
}

static elm_status read_row(elm__csv *csv, const layout *head, elm__reference_query *query,
			   elm_error *error)
{
	elm__field_end end = ELM__FIELD_MORE;
	size_t i;

	for (int m = 0; m < ELM__MEASURE_COUNT; m++)
		query->values[m] = NAN;
	for (i = 0; end == ELM__FIELD_MORE; i++) {
		elm_status status;

		end = elm__csv_field(csv, error);
		if (end == ELM__FIELD_BAD)
			return ELM_ERR_FORMAT;
		if (i >= head->count)
			break;
		status = use_field(csv, head->kinds[i], query, error);
		if (status != ELM_OK)
			return status;
	}
	return i == head->count ? ELM_OK :
				  elm__csv_fail(csv, error,
						"the line has more or fewer fields than the first");
}

/* Energy is not in the file, but follows from it. */
static void derive(elm__reference_query *query)
{
	const double *v = query->values;

	query->values[ELM__MEASURE_ENERGY] = v[ELM__MEASURE_OUTPUT_TOKENS] > 0 ?
						     v[ELM__MEASURE_POWER] * v[ELM__MEASURE_TOTAL] /
							     v[ELM__MEASURE_OUTPUT_TOKENS] :
						     NAN;
}

elm_status elm__reference_parse(const char *name, const char *text, size_t length,
				elm__reference *out, elm_error *error)
{
	elm__csv csv = {
		.name = name, .at = text, .end = text + length, .quotes = true, .separator = ','
	};
	size_t room = 0;
	layout head;
	elm_status status;

	memset(out, 0, sizeof(*out));
	status = read_head(&csv, &head, error);
	while (status == ELM_OK && elm__csv_record(&csv)) {
		if (out->count == QUERIES) {
			status = elm__csv_fail(&csv, error, "there are more than 100000 queries");
			break;
		}
		if (out->count == room) {
			size_t more = room ? room * 2 : 128;
			elm__reference_query *grown =
				elm__realloc_array(out->queries, more, sizeof(*grown));

			if (!grown) {
				status = elm_error_set(error, ELM_ERR_NO_MEMORY,
						       "out of memory for %s", name);
				break;
			}
			out->queries = grown;
			room = more;
		}
		status = read_row(&csv, &head, &out->queries[out->count], error);
		if (status == ELM_OK)
			derive(&out->queries[out->count++]);
	}
	elm__buf_release(&csv.field);
	return status;
}

elm_status elm__reference_read(const char *folder, elm__reference *out, elm_error *error)
{
	enum { LIMIT = 64 << 20 };
	elm__buf path = ELM__BUF_INIT, text = ELM__BUF_INIT;
	elm_status status;

	memset(out, 0, sizeof(*out));
	elm__buf_printf(&path, "%s/per_query.csv", folder);
	status = elm__buf_status(&path, error);
	if (status == ELM_OK)
		status = elm__file_read(path.data, LIMIT, &text, error);
	if (status == ELM_OK)
		status = elm__reference_parse(path.data, elm__buf_text(&text), text.length, out,
					      error);
	elm__buf_release(&path);
	elm__buf_release(&text);
	return status;
}

void elm__reference_release(elm__reference *reference)
{
	elm__free(reference->queries);
	memset(reference, 0, sizeof(*reference));
}

size_t elm__reference_values(const elm__reference *reference, elm__category category,
			     elm__measure measure, double *out)
{
	size_t count = 0;

	for (size_t i = 0; i < reference->count; i++) {
		const elm__reference_query *query = &reference->queries[i];

		if ((category == ELM__CATEGORY_COUNT || query->category == category) &&
		    isfinite(query->values[measure]))
			out[count++] = query->values[measure];
	}
	return count;
}
