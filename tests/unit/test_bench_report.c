/* Reports of benchmarks: text written by hand for results made up here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "bench/report.h"
#include "support.h"

static const elm__bench_subject subject = { .type = "llama 1.1B Q4_0",
					    .path = "/models/it's \"a\".gguf",
					    .isa = "avx2",
					    .size = 668991488,
					    .parameters = 1100048384 };

/* A prompt of 512 in 1 and 2 seconds: 512 and 256 tokens per second. */
static uint64_t prompt_ns[] = { 1000000000, 2000000000 };
static elm__bench_result prompt = { .what = { 512, 0, 0, 1, 2048, 512, 4, ELM_TYPE_F16 },
				    .repetitions = 2,
				    .total_ns = prompt_ns,
				    .prompt_ns = prompt_ns,
				    .ttft = { 2, 1.5, 1, 2, 1.5, 1.95, 1.99 },
				    .peak_memory = 1258291200 };

/* 128 tokens for each of 8 sequences in 4 seconds, after a quarter of a second for prompts. */
static uint64_t batch_ns[] = { 4000000000 }, batch_prompt_ns[] = { 250000000 };
static elm__bench_result batch = { .what = { 32, 96, 512, 8, 256, 64, 2, ELM_TYPE_Q8_0 },
				   .started = 86399,
				   .repetitions = 1,
				   .total_ns = batch_ns,
				   .prompt_ns = batch_prompt_ns,
				   .step = { 96, .04, .03, .05, .0391, .0444, .04999 },
				   .ttft = { 1, .25, .25, .25, .25, .25, .25 } };

/* One that did not fit. */
static elm__bench_result large = { .what = { 0, 128, 100000, 1, 2048, 512, 4, ELM_TYPE_F16 },
				   .error = { ELM_ERR_NO_MEMORY, "out of memory" } };

enum {
	ALL = ELM__BENCH_ISA | ELM__BENCH_SEQUENCES | ELM__BENCH_LATENCY | ELM__BENCH_MEMORY |
	      ELM__BENCH_ENERGY | ELM__BENCH_ROOFLINE | ELM__BENCH_BATCH | ELM__BENCH_UBATCH |
	      ELM__BENCH_KV_TYPE
};

/* The whole report of these results; valid until the next call. */
static const char *report(elm__bench_format format, unsigned extras,
			  const elm__bench_result *const *results)
{
	elm__bench_report r = { .format = format,
				.extras = extras,
				.commit = "abc123def",
				.number = 42,
				.cpu = "A Processor" };
	static elm__buf out;

	elm__buf_clear(&out);
	elm__bench_report_begin(&r, &out);
	for (; *results; results++) {
		elm__bench_row row = { .subject = &subject, .result = *results };

		if ((extras & ELM__BENCH_ROOFLINE) && *results != &large) {
			row.limit = (elm__bench_limit){ .75, "read" };
			row.peaks = (elm__peaks){ 3e10, 2e11, 8e11, 0 };
		}
		elm__bench_report_row(&r, &out, &row);
	}
	elm__bench_report_end(&r, &out);
	if (out.failed)
		fail_msg("the report is incomplete");
	return out.data;
}

#define RESULTS(...) ((const elm__bench_result *const[]){ __VA_ARGS__, NULL })

static void markdown(void **state)
{
	assert_string_equal(report(ELM__BENCH_MARKDOWN, 0, RESULTS(&prompt, &batch, &large)),
			    "| model                          |       size |     params | backend  "
			    "  | threads | "
			    "           test |                  t/s |\n"
			    "| ------------------------------ | ---------: | ---------: | "
			    "---------- | ------: | "
			    "--------------: | -------------------: |\n"
			    "| llama 1.1B Q4_0                | 638.00 MiB |     1.10 B | CPU      "
			    "  |       4 | "
			    "          pp512 |      384.00 \xc2\xb1 181.02 |\n"
			    "| llama 1.1B Q4_0                | 638.00 MiB |     1.10 B | CPU      "
			    "  |       2 | "
			    "pp32+tg96 x8 @ d512 |        256.00 \xc2\xb1 0.00 |\n"
			    "| llama 1.1B Q4_0                | 638.00 MiB |     1.10 B | CPU      "
			    "  |       4 | "
			    "tg128 @ d100000 |                  N/A |\n"
			    "\nbuild: abc123def (42)\n");
}

static void markdown_with_everything(void **state)
{
	assert_string_equal(
		report(ELM__BENCH_MARKDOWN, ALL, RESULTS(&prompt, &batch, &large)),
		"| model                          |       size |     params | backend    | threads "
		"| "
		"n_batch | n_ubatch | type_k | type_v | isa        |            test |             "
		"   "
		"  t/s |   t/s each |        TTFT ms p50/p95/p99 (n) |       ms/token p50/p95/p99 "
		"(n) "
		"| peak memory |     energy |       of limit |\n"
		"| ------------------------------ | ---------: | ---------: | ---------- | ------: "
		"| "
		"------: | -------: | -----: | -----: | ---------- | --------------: | "
		"-------------------: | ---------: | -----------------------------: | "
		"-----------------------------: | ----------: | ---------: | -------------: |\n"
		"| llama 1.1B Q4_0                | 638.00 MiB |     1.10 B | CPU        |       4 "
		"| "
		"   2048 |      512 |    f16 |    f16 | avx2       |           pp512 |      384.00 "
		"\xc2\xb1 181.02 |     384.00 |    1500.00/1950.00/1990.00 (2) |                   "
		"   "
		"        - |    1.17 GiB | unmeasured |  50.0 % (read) |\n"
		"| llama 1.1B Q4_0                | 638.00 MiB |     1.10 B | CPU        |       2 "
		"| "
		"    256 |       64 |   q8_0 |   q8_0 | avx2       | pp32+tg96 x8 @ d512 |        "
		"256.00 \xc2\xb1 0.00 |      32.00 |       250.00/250.00/250.00 (1) |         "
		"39.10/44.40/49.99 (96) |  unmeasured | unmeasured |  18.8 % (read) |\n"
		"| llama 1.1B Q4_0                | 638.00 MiB |     1.10 B | CPU        |       4 "
		"| "
		"   2048 |      512 |    f16 |    f16 | avx2       | tg128 @ d100000 |             "
		"   "
		"  N/A |        N/A |                            N/A |                            "
		"N/A "
		"|         N/A |        N/A |            N/A |\n"
		"\nbuild: abc123def (42)\n"
		"energy: unmeasured: this version of edgelm reads no power sensors\n");
}

#define NAMES                                                                                   \
	"build_commit,build_number,cpu_info,gpu_info,backends,model_filename,model_type,"       \
	"model_size,model_n_params,n_batch,n_ubatch,n_threads,cpu_mask,cpu_strict,poll,type_k," \
	"type_v,n_gpu_layers,n_cpu_moe,split_mode,main_gpu,no_kv_offload,flash_attn,devices,"   \
	"tensor_split,tensor_buft_overrides,load_mode,embeddings,no_op_offload,no_host,"        \
	"fit_target,fit_min_ctx,n_prompt,n_gen,n_depth,test_time,avg_ns,stddev_ns,avg_ts,"      \
	"stddev_ts"

static void csv(void **state)
{
	assert_string_equal(
		report(ELM__BENCH_CSV, 0, RESULTS(&prompt, &large)), NAMES
		"\n"
		"\"abc123def\",\"42\",\"A Processor\",\"\",\"CPU\",\"/models/it's \"\"a\"\".gguf\","
		"\"llama 1.1B Q4_0\",\"668991488\",\"1100048384\",\"2048\",\"512\",\"4\",\"0x0\","
		"\"0\",\"0\",\"f16\",\"f16\",\"0\",\"0\",\"none\",\"0\",\"0\",\"1\",\"none\","
		"\"0.00\",\"none\",\"mmap\",\"0\",\"0\",\"0\",\"0\",\"0\",\"512\",\"0\",\"0\","
		"\"1970-01-01T00:00:00Z\",\"1500000000\",\"707106781\",\"384.000000\","
		"\"181.019336\"\n"
		"\"abc123def\",\"42\",\"A Processor\",\"\",\"CPU\",\"/models/it's \"\"a\"\".gguf\","
		"\"llama 1.1B Q4_0\",\"668991488\",\"1100048384\",\"2048\",\"512\",\"4\",\"0x0\","
		"\"0\",\"0\",\"f16\",\"f16\",\"0\",\"0\",\"none\",\"0\",\"0\",\"1\",\"none\","
		"\"0.00\",\"none\",\"mmap\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\",\"128\",\"100000\","
		"\"1970-01-01T00:00:00Z\",,,,\n");
}

static void csv_with_everything(void **state)
{
	const char *text = report(ELM__BENCH_CSV, ALL, RESULTS(&batch));

	assert_contains(text, NAMES ",isa,n_sequences,avg_ts_per_sequence,ttft_p50_ms,ttft_p95_ms,"
				    "ttft_p99_ms,ttft_n,step_p50_ms,step_p95_ms,step_p99_ms,step_n,"
				    "peak_memory_bytes,energy_joules,energy_note,roofline_share,"
				    "roofline_limit,peak_read_bytes_per_s,peak_f32_ops_per_s,"
				    "peak_int8_ops_per_s,peak_bf16_ops_per_s\n");
	assert_contains(text, "\"1970-01-01T23:59:59Z\",\"4000000000\",\"0\",\"256.000000\","
			      "\"0.000000\",\"avx2\",\"8\",\"32.000000\",\"250.000000\","
			      "\"250.000000\",\"250.000000\",\"1\",\"39.100000\",\"44.400000\","
			      "\"49.990000\",\"96\",,,\"this version of edgelm reads no power "
			      "sensors\",\"0.187500\",\"read\",\"30000000000.000000\","
			      "\"200000000000.000000\",\"800000000000.000000\",\n");
}

static void sql(void **state)
{
	const char *text = report(ELM__BENCH_SQL, ELM__BENCH_MEMORY, RESULTS(&prompt, &large));

	assert_contains(text, "CREATE TABLE IF NOT EXISTS llama_bench (\n"
			      "  build_commit TEXT,\n  build_number INTEGER,\n  cpu_info TEXT,\n");
	assert_contains(text, "  cpu_strict INTEGER,\n  poll INTEGER,\n");
	assert_contains(text,
			"  avg_ts REAL,\n  stddev_ts REAL,\n  peak_memory_bytes INTEGER\n);\n\n"
			"INSERT INTO llama_bench (build_commit, build_number, cpu_info, ");
	assert_contains(text, ", avg_ts, stddev_ts, peak_memory_bytes) VALUES ('abc123def', '42', "
			      "'A Processor', '', 'CPU', '/models/it''s \"a\".gguf', ");
	assert_contains(text, "'512', '0', '0', '1970-01-01T00:00:00Z', '1500000000', '707106781', "
			      "'384.000000', '181.019336', '1258291200');\n");
	assert_contains(text,
			"'0', '128', '100000', '1970-01-01T00:00:00Z', NULL, NULL, NULL, NULL, "
			"NULL);\n");
}

#define JSON_COMMON                                                                               \
	"{\"build_commit\": \"abc123def\", \"build_number\": 42, \"cpu_info\": \"A Processor\", " \
	"\"gpu_info\": \"\", \"backends\": \"CPU\", \"model_filename\": "                         \
	"\"/models/it's \\\"a\\\".gguf\", \"model_type\": \"llama 1.1B Q4_0\", "                  \
	"\"model_size\": 668991488, \"model_n_params\": 1100048384, \"n_batch\": 2048, "          \
	"\"n_ubatch\": 512, \"n_threads\": 4, \"cpu_mask\": \"0x0\", \"cpu_strict\": false, "     \
	"\"poll\": 0, \"type_k\": \"f16\", \"type_v\": \"f16\", \"n_gpu_layers\": 0, "            \
	"\"n_cpu_moe\": 0, \"split_mode\": \"none\", \"main_gpu\": 0, \"no_kv_offload\": false, " \
	"\"flash_attn\": 1, \"devices\": \"none\", \"tensor_split\": \"0.00\", "                  \
	"\"tensor_buft_overrides\": \"none\", \"load_mode\": \"mmap\", \"embeddings\": false, "   \
	"\"no_op_offload\": 0, \"no_host\": false, \"fit_target\": 0, \"fit_min_ctx\": 0, "

static void jsonl(void **state)
{
	assert_string_equal(report(ELM__BENCH_JSONL, 0, RESULTS(&prompt, &large)), JSON_COMMON
			    "\"n_prompt\": 512, \"n_gen\": 0, \"n_depth\": 0, \"test_time\": "
			    "\"1970-01-01T00:00:00Z\", \"avg_ns\": 1500000000, \"stddev_ns\": "
			    "707106781, \"avg_ts\": 384.0, \"stddev_ts\": 181.019336, "
			    "\"samples_ns\": [1000000000, 2000000000], \"samples_ts\": [512.0, "
			    "256.0]}\n" JSON_COMMON
			    "\"n_prompt\": 0, \"n_gen\": 128, \"n_depth\": 100000, \"test_time\": "
			    "\"1970-01-01T00:00:00Z\", \"avg_ns\": null, \"stddev_ns\": null, "
			    "\"avg_ts\": null, \"stddev_ts\": null, \"samples_ns\": null, "
			    "\"samples_ts\": null, \"error\": \"out of memory\"}\n");
}

static void json(void **state)
{
	json_t *rows, *line;
	const char *text;

	text = report(ELM__BENCH_JSON, ALL, RESULTS(&prompt, &batch));
	assert_int_equal(strncmp(text, "[\n{\n  \"build_commit\": ", 22), 0);
	assert_string_equal(text + strlen(text) - 5, "\n}\n]\n");
	rows = json_loads(text, 0, NULL);
	assert_int_equal(json_array_size(rows), 2);
	/* A line holds the same. */
	line = json_loads(report(ELM__BENCH_JSONL, ALL, RESULTS(&batch)), 0, NULL);
	assert_true(json_equal(json_array_get(rows, 1), line));
	assert_true(json_is_null(json_object_get(line, "energy_joules")));
	assert_true(json_is_null(json_object_get(line, "peak_memory_bytes")));
	assert_true(json_is_null(json_object_get(line, "peak_bf16_ops_per_s")));
	assert_true(json_real_value(json_object_get(line, "roofline_share")) == 0.1875);
	assert_int_equal(json_integer_value(json_object_get(line, "step_n")), 96);
	json_decref(line);
	json_decref(rows);
}

static void gpt_session_benchmark(void **state)
{
	elm__bench_result one = prompt;

	/* Outputs have one token more than are generated: the prompt gives the first. */
	assert_string_equal(
		report(ELM__BENCH_TRT, 0, RESULTS(&batch, &one, &large)),
		"Benchmarking done. Iteration: 1, duration: 4.00 sec.\n"
		"[BENCHMARK] batch_size 8 input_length 32 output_length 97 latency(ms) 4000.00 "
		"tokensPerSec 194.00 generation_time(ms) 3750.00 generationTokensPerSec 204.80 "
		"gpu_peak_mem(gb) 0.00\n"
		"Benchmarking done. Iteration: 2, duration: 3.00 sec.\n"
		"[BENCHMARK] batch_size 1 input_length 512 output_length 1 latency(ms) 1500.00 "
		"tokensPerSec 0.67 generation_time(ms) 0.00 generationTokensPerSec N/A "
		"gpu_peak_mem(gb) 0.00\n"
		"[BENCHMARK] batch_size 1 input_length 0 output_length 129 latency(ms) N/A "
		"tokensPerSec N/A\n");
}

static void peaks(void **state)
{
	elm__bench_row row = { .subject = &subject,
			       .result = &prompt,
			       .peaks = { 1.234e10, 2e11, 8.5e11, 0 } };
	elm__buf out = ELM__BUF_INIT;

	elm__bench_peaks_text(&out, &row);
	assert_string_equal(out.data, "peaks: avx2, threads 4, read 12.34 GB/s, f32 200.0 GFLOP/s, "
				      "int8 850.0 GOP/s, bf16 unmeasured\n");
	elm__buf_release(&out);
}

static void empty_reports(void **state)
{
	const elm__bench_result *none = NULL;
	json_t *rows = json_loads(report(ELM__BENCH_JSON, 0, &none), 0, NULL);

	assert_int_equal(json_array_size(rows), 0);
	assert_true(json_is_array(rows));
	json_decref(rows);
	assert_string_equal(report(ELM__BENCH_CSV, 0, &none), NAMES "\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(markdown), cmocka_unit_test(markdown_with_everything),
		cmocka_unit_test(csv),	    cmocka_unit_test(csv_with_everything),
		cmocka_unit_test(sql),	    cmocka_unit_test(jsonl),
		cmocka_unit_test(json),	    cmocka_unit_test(gpt_session_benchmark),
		cmocka_unit_test(peaks),    cmocka_unit_test(empty_reports),
	};

	return cmocka_run_group_tests_name("bench_report", tests, NULL, NULL);
}
