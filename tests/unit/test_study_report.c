/* Reports: what hostile text becomes, what long series keep, and studies that are empty or small.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "study/plot.h"
#include "study/report.h"
#include "support.h"

static void hostile_text_is_only_text(void **state)
{
	elm__buf out = ELM__BUF_INIT;

	(void)state;
	elm__html_text(&out, "<script>\"a\" & 'b'</script>\033[2J\xff\xc2\x9b\n\xc3\xa4");
	assert_string_equal(out.data, "&lt;script&gt;&quot;a&quot; &amp; "
				      "&#39;b&#39;&lt;/script&gt;?[2J?? \xc3\xa4");
	elm__buf_release(&out);
}

static void long_series_keep_their_extremes(void **state)
{
	elm__report report;
	elm__figure *figure;
	elm__series *series;
	double low = INFINITY, high = -INFINITY;

	(void)state;
	elm__report_init(&report);
	figure = elm__report_figure(&report, "a", NULL, "A");
	series = elm__panel_series(&report, elm__figure_panel(&report, figure, NULL, "x", "y"), "s",
				   0, ELM__MARK_LINE);
	for (int i = 0; i < 10000; i++)
		elm__series_add(&report, series, i, i == 777 ? 50 : i == 8123 ? -50 : sin(i));
	elm__series_thin(&report, series, 200);
	assert_in_range(series->count, 100, 200);
	for (size_t i = 0; i < series->count; i++) {
		low = fmin(low, series->points[i].y);
		high = fmax(high, series->points[i].y);
		assert_true(!i || series->points[i].x > series->points[i - 1].x);
	}
	assert_true(low == -50 && high == 50);
	assert_false(report.failed);
	elm__report_release(&report);
}

/* Charts of nothing, of one point, of gaps and of extreme numbers stay inside their frame. */
static void any_series_can_be_drawn(void **state)
{
	static const double cases[][3] = { { NAN, NAN, NAN },	 { 5, NAN, 5 },	   { 0, 0, 0 },
					   { 1e300, -1e300, 0 }, { 1e-300, 0, 1 }, { -3, -3, -3 } };

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
		for (int mark = ELM__MARK_LINE; mark <= ELM__MARK_POINTS; mark++) {
			elm__buf out = ELM__BUF_INIT;
			elm__report report;
			elm__panel *panel;
			elm__series *series;
			elm__svg svg;

			elm__report_init(&report);
			panel = elm__figure_panel(&report,
						  elm__report_figure(&report, "a", NULL, "A"), "T",
						  "x", "y");
			series = elm__panel_series(&report, panel, "s", 1, (elm__mark)mark);
			for (int i = 0; i < 3; i++)
				elm__series_add(&report, series, i, cases[c][i]);
			elm__svg_init(&svg, &out);
			elm__plot_panel(&svg.canvas, panel, 0);
			assert_contains(elm__buf_text(&out), "<polyline");
			assert_null(strstr(out.data, "nan"));
			assert_null(strstr(out.data, "inf"));
			elm__buf_release(&out);
			elm__report_release(&report);
		}
}

static elm__store *create(const char *folder)
{
	elm__store *store = NULL;
	elm_error error = { 0 };

	if (elm__store_open(folder, ELM__STORE_CREATE, &store, &error) != ELM_OK)
		fail_msg("%s", error.text);
	assert_int_equal(elm__store_begin(store, NULL), ELM_OK);
	return store;
}

static void put(elm__store *store, elm__study_table table, void *row)
{
	elm_error error = { 0 };

	if (elm__store_put(store, table, row, &error) != ELM_OK)
		fail_msg("%s", error.text);
}

/* A workload in which TTFT is 10 ms and 2 ms more for each token, and TBT 5 ms. */
static void fill(elm__store *store)
{
	elm__study_model model;
	elm__study_config config;
	elm__study_machine machine;
	elm__study_experiment experiment;

	elm__row_clear(ELM__TABLE_model, &model);
	elm__row_clear(ELM__TABLE_config, &config);
	elm__row_clear(ELM__TABLE_machine, &machine);
	elm__row_clear(ELM__TABLE_experiment, &experiment);
	model.id = config.id = machine.id = experiment.id = 1;
	model.name = "<b>bold</b>";
	model.weight_bytes = 100000000;
	model.parameters = 50000000;
	model.layers = 22;
	model.heads = 32;
	model.kv_heads = 4;
	model.head_dim = 64;
	model.kv_token_bytes = 22528;
	model.kv_token_bytes_mha = 180224;
	config.model_id = 1;
	config.sweep = "";
	config.context = 512;
	config.kv_bytes = 11534336;
	config.kv_type = "f16";
	machine.board = "Board \"X\"";
	machine.cores = 4;
	experiment.config_id = 1;
	experiment.kind = "workload";
	experiment.state = "running";
	put(store, ELM__TABLE_model, &model);
	put(store, ELM__TABLE_config, &config);
	put(store, ELM__TABLE_machine, &machine);
	put(store, ELM__TABLE_experiment, &experiment);
	for (int i = 0; i < 20; i++) {
		elm__study_query query = { .idx = i, .text = "<img src=x onerror=alert(1)>" };
		elm__study_trial trial;

		query.id = ELM__STUDY_NONE;
		query.category = i % 2 ? "simple" : "contextual";
		put(store, ELM__TABLE_query, &query);
		elm__row_clear(ELM__TABLE_trial, &trial);
		trial.experiment_id = 1;
		trial.query_id = query.id;
		trial.variant = "";
		trial.warmup = i == 18;
		trial.repeat = trial.stream = 0;
		trial.status = i == 19 ? "rejected" : "ok";
		trial.error = i == 19 ? "too long </script>" : NULL;
		trial.prompt_tokens = i % 2 ? 30 + i : 400 + i;
		trial.output_tokens = 11;
		trial.ttft_ns = 1000000 * (10 + 2 * trial.prompt_tokens);
		trial.total_ns = trial.ttft_ns + 50000000;
		trial.start_ns = i * INT64_C(1000000000);
		if (i < 18)
			trial.peak_rss_bytes = (800 + i) * (INT64_C(1) << 20);
		put(store, ELM__TABLE_trial, &trial);
	}
}

static void write_report(const char *folder, elm__buf *page, elm__report_result *result)
{
	const char *path = temp_path("report.html");
	elm__report_options options = { 0 };
	elm_error error = { 0 };

	if (elm__report_write(folder, path, NULL, &options, result, &error) != ELM_OK)
		fail_msg("%s", error.text);
	read_whole(path, page);
}

static void a_study_becomes_a_page(void **state)
{
	const char *folder = temp_path("small");
	elm__store *store = create(folder);
	elm__buf page = ELM__BUF_INIT;
	elm__report_result result;

	(void)state;
	fill(store);
	assert_int_equal(elm__store_commit(store, NULL), ELM_OK);
	elm__store_close(store);
	write_report(folder, &page, &result);
	assert_contains(page.data, "<h1>&lt;b&gt;bold&lt;/b&gt; <span class=\"on\">on</span> "
				   "Board &quot;X&quot;</h1>");
	assert_contains(page.data, "19 requests were measured: 18 ended well, 1 were rejected");
	assert_contains(page.data, "1 of 1 experiments are not done");
	/* The fit finds what the times were made from. */
	assert_contains(page.data, "TTFT = 10.00 ms + 2.0000 ms for each token of the prompt: "
				   "R\xc2\xb2 = 1.000 over 18 answers. Tokens alone explain");
	/* Nine of 400, 402, ... 416 tokens: 408 in the middle. */
	assert_contains(page.data, "<td>826.0 <small>(");
	assert_contains(page.data,
			"need 11.00 MiB in f16; the engine holds 11.00 MiB (f16). A "
			"formula that ignores shared heads would say 88.00 MiB, 8 times");
	assert_contains(page.data, "Not shown: energy is unmeasured");
	assert_contains(page.data, "too long &lt;/script&gt;");
	assert_null(strstr(page.data, "<img"));
	assert_null(strstr(page.data, "too long </script>"));
	assert_true(result.figures > 5 && result.missing > 3 && result.findings > 4);
	elm__buf_release(&page);
}

static void an_empty_study_says_what_is_missing(void **state)
{
	const char *folder = temp_path("empty");
	elm__store *store = create(folder);
	elm__buf page = ELM__BUF_INIT;
	elm__report_result result;

	(void)state;
	assert_int_equal(elm__store_commit(store, NULL), ELM_OK);
	elm__store_close(store);
	write_report(folder, &page, &result);
	assert_contains(page.data, "Not shown: the study has no experiment &quot;workload&quot;");
	assert_int_equal(result.figures, 0);
	elm__buf_release(&page);
}

/* The memory of our own; SQLite has an allocator of its own. */
static elm_status report_of_nothing(void *user, elm_error *error)
{
	elm__report_options options = { 0 };
	elm__report_result result;

	return elm__report_write(user, temp_path("failing.html"), NULL, &options, &result, error);
}

static void running_out_of_memory_is_an_error(void **state)
{
	char folder[256];
	elm__store *store;

	(void)state;
	snprintf(folder, sizeof(folder), "%s", temp_path("failing"));
	store = create(folder);
	fill(store);
	assert_int_equal(elm__store_commit(store, NULL), ELM_OK);
	elm__store_close(store);
	fail_each_allocation(report_of_nothing, folder);
}

static void references_are_read_and_refused(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "category,prompt_tokens,output_tokens,ttft_ms,tbt_ms,total_ms,other\n"
		  "simple,30,10,100,50.5,600,x\ncomplex,40,10,,,,\n",
		  NULL },
		{ "prompt_tokens\n1\n", "x:1: there is no column \"category\"" },
		{ "category,prompt_tokens\n", "x:1: there is no column \"output_tokens\"" },
		{ "category,prompt_tokens,output_tokens,ttft_ms,tbt_ms,total_ms\nsimple,1,2,3,4\n",
		  "x:2: the line has more or fewer fields" },
		{ "category,prompt_tokens,output_tokens,ttft_ms,tbt_ms,total_ms\nodd,1,2,3,4,5\n",
		  "x:2: there is no such category" },
		{ "category,prompt_tokens,output_tokens,ttft_ms,tbt_ms,total_ms\n\nsimple,1,2,a,4,"
		  "5",
		  "x:3: a value is no number" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		elm__reference reference;
		elm_error error = { 0 };
		elm_status status = elm__reference_parse("x", cases[i].text, strlen(cases[i].text),
							 &reference, &error);

		if (cases[i].error) {
			assert_int_not_equal(status, ELM_OK);
			assert_contains(error.text, cases[i].error);
		} else {
			double values[2];

			assert_int_equal(status, ELM_OK);
			assert_int_equal(reference.count, 2);
			assert_int_equal(elm__reference_values(&reference, ELM__CATEGORY_SIMPLE,
							       ELM__MEASURE_TBT, values),
					 1);
			assert_true(values[0] == 50.5);
			assert_int_equal(elm__reference_values(&reference, ELM__CATEGORY_COMPLEX,
							       ELM__MEASURE_TTFT, values),
					 0);
		}
		elm__reference_release(&reference);
	}
}

static void images_are_png_or_refused(void **state)
{
	elm__buf out = ELM__BUF_INIT;
	elm_error error = { 0 };
	elm__png *png;

	(void)state;
	if (!elm__png_available()) {
		assert_int_equal(elm__png_create(10, 10, 1, &png, &error), ELM_ERR_UNSUPPORTED);
		assert_contains(error.text, "without Cairo");
		return;
	}
	assert_int_equal(elm__png_create(10, 10, 2, &png, &error), ELM_OK);
	elm__png_canvas(png)->mark(elm__png_canvas(png), 5, 5, 2, 1);
	assert_int_equal(elm__png_encode(png, &out, &error), ELM_OK);
	assert_memory_equal(out.data, "\x89PNG\r\n\x1a\n", 8);
	assert_int_equal(out.data[19], 20); /* pixels */
	elm__png_free(png);
	elm__buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_text_is_only_text),
		cmocka_unit_test(long_series_keep_their_extremes),
		cmocka_unit_test(any_series_can_be_drawn),
		cmocka_unit_test(a_study_becomes_a_page),
		cmocka_unit_test(an_empty_study_says_what_is_missing),
		cmocka_unit_test(running_out_of_memory_is_an_error),
		cmocka_unit_test(references_are_read_and_refused),
		cmocka_unit_test(images_are_png_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
