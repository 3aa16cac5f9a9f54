/* fields.h: a row of results as named values, for the formats that print all of them. */
#ifndef ELM_BENCH_FIELDS_H
#define ELM_BENCH_FIELDS_H

#include "bench/report.h"

/*
 * Name, kind, and the extra (ELM__BENCH_*) that it appears with, 0: always. Kinds: NS is one
 * integer and TS one rate for each repetition; these two appear in JSON only.
 */
#define ELM__FIELD_LIST(X)                                  \
	X(build_commit, TEXT, 0)                            \
	X(build_number, INTEGER, 0)                         \
	X(cpu_info, TEXT, 0)                                \
	X(gpu_info, TEXT, 0)                                \
	X(backends, TEXT, 0)                                \
	X(model_filename, TEXT, 0)                          \
	X(model_type, TEXT, 0)                              \
	X(model_size, INTEGER, 0)                           \
	X(model_n_params, INTEGER, 0)                       \
	X(n_batch, INTEGER, 0)                              \
	X(n_ubatch, INTEGER, 0)                             \
	X(n_threads, INTEGER, 0)                            \
	X(cpu_mask, TEXT, 0)                                \
	X(cpu_strict, BOOLEAN, 0)                           \
	X(poll, INTEGER, 0)                                 \
	X(type_k, TEXT, 0)                                  \
	X(type_v, TEXT, 0)                                  \
	X(n_gpu_layers, INTEGER, 0)                         \
	X(n_cpu_moe, INTEGER, 0)                            \
	X(split_mode, TEXT, 0)                              \
	X(main_gpu, INTEGER, 0)                             \
	X(no_kv_offload, BOOLEAN, 0)                        \
	X(flash_attn, INTEGER, 0)                           \
	X(devices, TEXT, 0)                                 \
	X(tensor_split, TEXT, 0)                            \
	X(tensor_buft_overrides, TEXT, 0)                   \
	X(load_mode, TEXT, 0)                               \
	X(embeddings, BOOLEAN, 0)                           \
	X(no_op_offload, INTEGER, 0)                        \
	X(no_host, BOOLEAN, 0)                              \
	X(fit_target, INTEGER, 0)                           \
	X(fit_min_ctx, INTEGER, 0)                          \
	X(n_prompt, INTEGER, 0)                             \
	X(n_gen, INTEGER, 0)                                \
	X(n_depth, INTEGER, 0)                              \
	X(test_time, TEXT, 0)                               \
	X(avg_ns, INTEGER, 0)                               \
	X(stddev_ns, INTEGER, 0)                            \
	X(avg_ts, REAL, 0)                                  \
	X(stddev_ts, REAL, 0)                               \
	X(samples_ns, NS, 0)                                \
	X(samples_ts, TS, 0)                                \
	X(isa, TEXT, ELM__BENCH_ISA)                        \
	X(n_sequences, INTEGER, ELM__BENCH_SEQUENCES)       \
	X(avg_ts_per_sequence, REAL, ELM__BENCH_SEQUENCES)  \
	X(ttft_p50_ms, REAL, ELM__BENCH_LATENCY)            \
	X(ttft_p95_ms, REAL, ELM__BENCH_LATENCY)            \
	X(ttft_p99_ms, REAL, ELM__BENCH_LATENCY)            \
	X(ttft_n, INTEGER, ELM__BENCH_LATENCY)              \
	X(step_p50_ms, REAL, ELM__BENCH_LATENCY)            \
	X(step_p95_ms, REAL, ELM__BENCH_LATENCY)            \
	X(step_p99_ms, REAL, ELM__BENCH_LATENCY)            \
	X(step_n, INTEGER, ELM__BENCH_LATENCY)              \
	X(peak_memory_bytes, INTEGER, ELM__BENCH_MEMORY)    \
	X(energy_joules, REAL, ELM__BENCH_ENERGY)           \
	X(energy_note, TEXT, ELM__BENCH_ENERGY)             \
	X(roofline_share, REAL, ELM__BENCH_ROOFLINE)        \
	X(roofline_limit, TEXT, ELM__BENCH_ROOFLINE)        \
	X(peak_read_bytes_per_s, REAL, ELM__BENCH_ROOFLINE) \
	X(peak_f32_ops_per_s, REAL, ELM__BENCH_ROOFLINE)    \
	X(peak_int8_ops_per_s, REAL, ELM__BENCH_ROOFLINE)   \
	X(peak_bf16_ops_per_s, REAL, ELM__BENCH_ROOFLINE)

typedef enum elm__field_id {
#define ELM__FIELD_ENUM_(name, kind, extra) ELM__F_##name,
	ELM__FIELD_LIST(ELM__FIELD_ENUM_)
#undef ELM__FIELD_ENUM_
		ELM__FIELDS
} elm__field_id;

typedef enum elm__field_kind {
	ELM__FIELD_TEXT,
	ELM__FIELD_INTEGER,
	ELM__FIELD_BOOLEAN,
	ELM__FIELD_REAL,
	ELM__FIELD_NS,
	ELM__FIELD_TS
} elm__field_kind;

typedef struct elm__field {
	const char *name;
	elm__field_kind kind;
	unsigned extra;
} elm__field;

typedef struct elm__field_value {
	const char *text;
	int64_t integer; /* booleans too */
	double real;
	bool known; /* otherwise empty, null or NULL */
} elm__field_value;

typedef struct elm__field_row {
	elm__field_value values[ELM__FIELDS];
	char time[32];
	const elm__bench_result *result;
} elm__field_row;

/* In the order of all formats. */
extern const elm__field elm__fields[ELM__FIELDS];

/* The values refer to `report`, `row` and what these refer to. */
void elm__fields_fill(elm__field_row *out, const elm__bench_report *report,
		      const elm__bench_row *row);

/* The formats that are made of them, see elm__bench_report. */
void elm__report_csv_begin(const elm__bench_report *report, elm__buf *out);
void elm__report_csv_row(const elm__bench_report *report, elm__buf *out, const elm__bench_row *row);
void elm__report_sql_begin(const elm__bench_report *report, elm__buf *out);
void elm__report_sql_row(const elm__bench_report *report, elm__buf *out, const elm__bench_row *row);
void elm__report_json_row(const elm__bench_report *report, elm__buf *out,
			  const elm__bench_row *row);

#endif
