/*
 * report.h: results as text, apart from measuring them.
 *
 * Five formats are those of llama-bench, the same columns or fields in the same order, so that
 * tables of both programs can be pasted side by side and read by the same scripts; what it does not
 * have comes after that, and only when it was asked for. The sixth is the line that TensorRT-LLM's
 * gptSessionBenchmark prints.
 */
#ifndef ELM_BENCH_REPORT_H
#define ELM_BENCH_REPORT_H

#include "base/buffer.h"
#include "bench/limit.h"
#include "bench/run.h"
#include "bench/subject.h"

typedef enum elm__bench_format {
	ELM__BENCH_MARKDOWN,
	ELM__BENCH_CSV,
	ELM__BENCH_JSON,
	ELM__BENCH_JSONL,
	ELM__BENCH_SQL,
	ELM__BENCH_TRT
} elm__bench_format;

/* Columns and fields beyond the usual, as a set. */
enum {
	ELM__BENCH_ISA = 1,
	ELM__BENCH_SEQUENCES = 2,
	ELM__BENCH_LATENCY = 4,
	ELM__BENCH_MEMORY = 8,
	ELM__BENCH_ENERGY = 16,
	ELM__BENCH_ROOFLINE = 32,
	/* Columns of the table that otherwise appears without them: these are not the defaults. */
	ELM__BENCH_BATCH = 64,
	ELM__BENCH_UBATCH = 128,
	ELM__BENCH_KV_TYPE = 256
};

/* Why energy is not measured. */
#define ELM__BENCH_NO_ENERGY "this version of edgelm reads no power sensors"

/* What is the same for all rows. */
typedef struct elm__bench_report {
	elm__bench_format format;
	unsigned extras;
	const char *commit; /* of this program */
	int64_t number;	    /* of commits up to it */
	const char *cpu;    /* the processor's name */
	size_t rows;	    /* so far; begin with 0 */
} elm__bench_report;

typedef struct elm__bench_row {
	const elm__bench_subject *subject;
	const elm__bench_result *result;
	elm__bench_limit limit; /* with ELM__BENCH_ROOFLINE: of this test, and */
	elm__peaks peaks;	/* of the machine */
} elm__bench_row;

/* Each appends to `out`: first the beginning, then any number of rows, then the end. */
void elm__bench_report_begin(elm__bench_report *report, elm__buf *out);
void elm__bench_report_row(elm__bench_report *report, elm__buf *out, const elm__bench_row *row);
void elm__bench_report_end(elm__bench_report *report, elm__buf *out);

/* "pp512", "tg128", "pp512+tg128", "tg128 x8 @ d512". */
void elm__bench_test_name(elm__buf *out, const elm__bench_case *what);

/* The measured peaks of a row in one line, for people. */
void elm__bench_peaks_text(elm__buf *out, const elm__bench_row *row);

/* The least time that the test can take, as a share of the time that it took; 1 is the limit. */
double elm__bench_share(const elm__bench_row *row);

const char *elm__bench_kv_name(elm_type type); /* "f16" */

#endif
