#include "bench/report.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "bench/fields.h"

void elm__bench_test_name(elm__buf *out, const elm__bench_case *what)
{
	if (what->prompt)
		elm__buf_printf(out, "pp%u", what->prompt);
	if (what->prompt && what->generate)
		elm__buf_putc(out, '+');
	if (what->generate)
		elm__buf_printf(out, "tg%u", what->generate);
	if (what->sequences > 1)
		elm__buf_printf(out, " x%u", what->sequences);
	if (what->depth)
		elm__buf_printf(out, " @ d%u", what->depth);
}

double elm__bench_share(const elm__bench_row *row)
{
	elm__bench_average times = elm__bench_times(row->result);

	return times.mean > 0 ? row->limit.seconds * 1e9 / times.mean : 0;
}

/* --- the table --- */

typedef enum column {
	MODEL,
	SIZE,
	PARAMS,
	BACKEND,
	THREADS,
	BATCH,
	UBATCH,
	TYPE_K,
	TYPE_V,
	ISA,
	TEST,
	RATE,
	RATE_EACH,
	TTFT,
	STEP,
	MEMORY,
	ENERGY,
	ROOFLINE,
	COLUMNS
} column;

/* Negative widths are of columns that begin at the left. */
static const struct {
	const char *title;
	int width;
	unsigned extra;
} columns[COLUMNS] = {
	[MODEL] = { "model", -30, 0 },
	[SIZE] = { "size", 10, 0 },
	[PARAMS] = { "params", 10, 0 },
	[BACKEND] = { "backend", -10, 0 },
	[THREADS] = { "threads", 7, 0 },
	[BATCH] = { "n_batch", 7, ELM__BENCH_BATCH },
	[UBATCH] = { "n_ubatch", 8, ELM__BENCH_UBATCH },
	[TYPE_K] = { "type_k", 6, ELM__BENCH_KV_TYPE },
	[TYPE_V] = { "type_v", 6, ELM__BENCH_KV_TYPE },
	[ISA] = { "isa", -10, ELM__BENCH_ISA },
	[TEST] = { "test", 15, 0 },
	[RATE] = { "t/s", 20, 0 },
	[RATE_EACH] = { "t/s each", 10, ELM__BENCH_SEQUENCES },
	[TTFT] = { "TTFT ms p50/p95/p99 (n)", 30, ELM__BENCH_LATENCY },
	[STEP] = { "ms/token p50/p95/p99 (n)", 30, ELM__BENCH_LATENCY },
	[MEMORY] = { "peak memory", 11, ELM__BENCH_MEMORY },
	[ENERGY] = { "energy", 10, ELM__BENCH_ENERGY },
	[ROOFLINE] = { "of limit", 14, ELM__BENCH_ROOFLINE },
};

static bool shown(const elm__bench_report *report, column c)
{
	return !columns[c].extra || (report->extras & columns[c].extra);
}

/* printf counts bytes, a table characters: `text` is widened by what its characters have more. */
static void put_cell(elm__buf *out, const char *text, int width)
{
	int wider = 0;

	for (const char *c = text; *c; c++)
		wider += ((unsigned char)*c & 0xc0) == 0x80;
	elm__buf_printf(out, " %*s |", width < 0 ? width - wider : width + wider, text);
}

static void markdown_begin(const elm__bench_report *report, elm__buf *out)
{
	static const char dashes[] = "------------------------------";

	elm__buf_putc(out, '|');
	for (column c = MODEL; c < COLUMNS; c++)
		if (shown(report, c))
			put_cell(out, columns[c].title, columns[c].width);
	elm__buf_puts(out, "\n|");
	for (column c = MODEL; c < COLUMNS; c++) {
		int width = columns[c].width;

		if (shown(report, c))
			elm__buf_printf(out, " %.*s%c |", (width < 0 ? -width : width) - 1, dashes,
					width < 0 ? '-' : ':');
	}
	elm__buf_putc(out, '\n');
}

static void put_size(elm__buf *cell, uint64_t bytes)
{
	if (bytes < 1u << 30)
		elm__buf_printf(cell, "%.2f MiB", (double)bytes / (1u << 20));
	else
		elm__buf_printf(cell, "%.2f GiB", (double)bytes / (1u << 30));
}

static void put_percentiles(elm__buf *cell, const elm__summary *s)
{
	if (s->n)
		elm__buf_printf(cell, "%.2f/%.2f/%.2f (%zu)", s->p50 * 1e3, s->p95 * 1e3,
				s->p99 * 1e3, s->n);
	else
		elm__buf_putc(cell, '-');
}

/* The cells that are results, of a test that was measured. */
static void put_result(elm__buf *cell, const elm__bench_row *row, column c)
{
	const elm__bench_result *r = row->result;
	elm__bench_average rates;

	switch (c) {
	case RATE:
		rates = elm__bench_rates(r);
		elm__buf_printf(cell, "%.2f \xc2\xb1 %.2f", rates.mean, rates.deviation);
		break;
	case RATE_EACH:
		elm__buf_printf(cell, "%.2f", elm__bench_rates(r).mean / r->what.sequences);
		break;
	case TTFT:
		put_percentiles(cell, &r->ttft);
		break;
	case STEP:
		put_percentiles(cell, &r->step);
		break;
	case MEMORY:
		if (r->peak_memory)
			put_size(cell, r->peak_memory);
		else
			elm__buf_puts(cell, "unmeasured");
		break;
	case ROOFLINE:
		if (row->limit.seconds > 0)
			elm__buf_printf(cell, "%.1f %% (%s)", 100 * elm__bench_share(row),
					row->limit.by);
		else
			elm__buf_puts(cell, "unmeasured");
		break;
	default:
		elm__buf_puts(cell, "unmeasured");
		break;
	}
}

static void put_setting(elm__buf *cell, const elm__bench_row *row, column c)
{
	const elm__bench_subject *s = row->subject;
	const elm__bench_case *what = &row->result->what;

	switch (c) {
	case MODEL:
		elm__buf_puts(cell, s->type);
		break;
	case SIZE:
		put_size(cell, s->size);
		break;
	case PARAMS:
		if (s->parameters < 1000000000)
			elm__buf_printf(cell, "%.2f M", (double)s->parameters * 1e-6);
		else
			elm__buf_printf(cell, "%.2f B", (double)s->parameters * 1e-9);
		break;
	case THREADS:
		elm__buf_printf(cell, "%u", what->threads);
		break;
	case BATCH:
		elm__buf_printf(cell, "%u", what->batch);
		break;
	case UBATCH:
		elm__buf_printf(cell, "%u", what->ubatch);
		break;
	case TYPE_K:
	case TYPE_V:
		elm__buf_puts(cell, elm__bench_kv_name(what->kv_type));
		break;
	case ISA:
		elm__buf_puts(cell, s->isa);
		break;
	case TEST:
		elm__bench_test_name(cell, what);
		break;
	default:
		elm__buf_puts(cell, "CPU");
		break;
	}
}

static void markdown_row(const elm__bench_report *report, elm__buf *out, const elm__bench_row *row)
{
	elm__buf cell = ELM__BUF_INIT;

	elm__buf_putc(out, '|');
	for (column c = MODEL; c < COLUMNS; c++) {
		if (!shown(report, c))
			continue;
		elm__buf_clear(&cell);
		if (c < RATE)
			put_setting(&cell, row, c);
		else if (row->result->repetitions)
			put_result(&cell, row, c);
		else
			elm__buf_puts(&cell, "N/A");
		put_cell(out, elm__buf_text(&cell), columns[c].width);
		out->failed |= cell.failed;
	}
	elm__buf_putc(out, '\n');
	elm__buf_release(&cell);
}

static void put_peak(elm__buf *out, const char *name, double rate, const char *unit)
{
	if (rate > 0)
		elm__buf_printf(out, ", %s %.1f %s", name, rate * 1e-9, unit);
	else
		elm__buf_printf(out, ", %s unmeasured", name);
}

void elm__bench_peaks_text(elm__buf *out, const elm__bench_row *row)
{
	elm__buf_printf(out, "peaks: %s, threads %u, read %.2f GB/s", row->subject->isa,
			row->result->what.threads, row->peaks.read * 1e-9);
	put_peak(out, "f32", row->peaks.f32, "GFLOP/s");
	put_peak(out, "int8", row->peaks.int8, "GOP/s");
	put_peak(out, "bf16", row->peaks.bf16, "GFLOP/s");
	elm__buf_putc(out, '\n');
}

static void markdown_end(const elm__bench_report *report, elm__buf *out)
{
	elm__buf_printf(out, "\nbuild: %s (%lld)\n", report->commit, (long long)report->number);
	if (report->extras & ELM__BENCH_ENERGY)
		elm__buf_puts(out, "energy: unmeasured: " ELM__BENCH_NO_ENERGY "\n");
}

/* --- gptSessionBenchmark --- */

/*
 * The prompt gives the first token of the output, so a test that generates n tokens is output
 * length n + 1. Rates count the tokens of the time that they stand beside.
 */
static void trt_row(const elm__bench_report *report, elm__buf *out, const elm__bench_row *row)
{
	const elm__bench_result *r = row->result;
	uint32_t output = r->what.generate + 1;
	double total = 0, generation = 0, n = r->repetitions;

	for (uint32_t i = 0; i < r->repetitions; i++) {
		total += (double)r->total_ns[i] * 1e-9;
		generation += (double)(r->total_ns[i] - r->prompt_ns[i]) * 1e-9;
	}
	if (r->repetitions)
		elm__buf_printf(out, "Benchmarking done. Iteration: %u, duration: %.2f sec.\n",
				r->repetitions, total);
	elm__buf_printf(out, "[BENCHMARK] batch_size %u input_length %u output_length %u",
			r->what.sequences, r->what.prompt, output);
	if (!r->repetitions) {
		elm__buf_puts(out, " latency(ms) N/A tokensPerSec N/A\n");
		return;
	}
	elm__buf_printf(out, " latency(ms) %.2f tokensPerSec %.2f generation_time(ms) %.2f",
			total / n * 1e3, output * n * r->what.sequences / total,
			generation / n * 1e3);
	if (r->what.generate)
		elm__buf_printf(out, " generationTokensPerSec %.2f",
				r->what.generate * n * r->what.sequences / generation);
	else
		elm__buf_puts(out, " generationTokensPerSec N/A");
	elm__buf_puts(out, " gpu_peak_mem(gb) 0.00\n"); /* no GPU computes */
}

/* --- all --- */

void elm__bench_report_begin(elm__bench_report *report, elm__buf *out)
{
	report->rows = 0;
	switch (report->format) {
	case ELM__BENCH_MARKDOWN:
		markdown_begin(report, out);
		break;
	case ELM__BENCH_CSV:
		elm__report_csv_begin(report, out);
		break;
	case ELM__BENCH_SQL:
		elm__report_sql_begin(report, out);
		break;
	case ELM__BENCH_JSON:
		elm__buf_puts(out, "[\n");
		break;
	case ELM__BENCH_JSONL:
	case ELM__BENCH_TRT:
		break;
	}
}

void elm__bench_report_row(elm__bench_report *report, elm__buf *out, const elm__bench_row *row)
{
	switch (report->format) {
	case ELM__BENCH_MARKDOWN:
		markdown_row(report, out, row);
		break;
	case ELM__BENCH_CSV:
		elm__report_csv_row(report, out, row);
		break;
	case ELM__BENCH_SQL:
		elm__report_sql_row(report, out, row);
		break;
	case ELM__BENCH_JSON:
		elm__buf_puts(out, report->rows ? ",\n" : "");
		elm__report_json_row(report, out, row);
		break;
	case ELM__BENCH_JSONL:
		elm__report_json_row(report, out, row);
		elm__buf_putc(out, '\n');
		break;
	case ELM__BENCH_TRT:
		trt_row(report, out, row);
		break;
	}
	report->rows++;
}

void elm__bench_report_end(elm__bench_report *report, elm__buf *out)
{
	if (report->format == ELM__BENCH_MARKDOWN)
		markdown_end(report, out);
	else if (report->format == ELM__BENCH_JSON)
		elm__buf_puts(out, report->rows ? "\n]\n" : "]\n");
}
