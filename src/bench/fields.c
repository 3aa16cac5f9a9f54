#include "bench/fields.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "model/kv.h"

const elm__field elm__fields[ELM__FIELDS] = {
#define ELM__FIELD_ENTRY_(name, kind, extra) { #name, ELM__FIELD_##kind, extra },
	ELM__FIELD_LIST(ELM__FIELD_ENTRY_)
#undef ELM__FIELD_ENTRY_
};

static elm__field_value text(const char *value)
{
	return (elm__field_value){ .text = value, .known = true };
}

static elm__field_value integer(int64_t value)
{
	return (elm__field_value){ .integer = value, .known = true };
}

/* A measurement, absent (not 0) where it was not made. */
static elm__field_value measured(bool known, double value)
{
	return (elm__field_value){ .real = value, .integer = (int64_t)value, .known = known };
}

const char *elm__bench_kv_name(elm_type type)
{
	return type == ELM_TYPE_Q8_0 ? "q8_0" : elm__kv_type_name(type);
}

static void fill_program(elm__field_value *v, const elm__bench_report *report,
			 const elm__bench_subject *subject)
{
	v[ELM__F_build_commit] = text(report->commit);
	v[ELM__F_build_number] = integer(report->number);
	v[ELM__F_cpu_info] = text(report->cpu);
	v[ELM__F_gpu_info] = text("");
	v[ELM__F_backends] = text("CPU");
	v[ELM__F_model_filename] = text(subject->path);
	v[ELM__F_model_type] = text(subject->type);
	v[ELM__F_model_size] = integer((int64_t)subject->size);
	v[ELM__F_model_n_params] = integer((int64_t)subject->parameters);
	v[ELM__F_isa] = text(subject->isa);
}

/* Settings that this program does not have, at what describes it: no GPU, weights mapped, threads
 * that sleep while they wait, attention in one pass. */
static void fill_constants(elm__field_value *v)
{
	v[ELM__F_cpu_mask] = text("0x0");
	v[ELM__F_cpu_strict] = integer(0);
	v[ELM__F_poll] = integer(0);
	v[ELM__F_n_gpu_layers] = integer(0);
	v[ELM__F_n_cpu_moe] = integer(0);
	v[ELM__F_split_mode] = text("none");
	v[ELM__F_main_gpu] = integer(0);
	v[ELM__F_no_kv_offload] = integer(0);
	v[ELM__F_flash_attn] = integer(1);
	v[ELM__F_devices] = text("none");
	v[ELM__F_tensor_split] = text("0.00");
	v[ELM__F_tensor_buft_overrides] = text("none");
	v[ELM__F_load_mode] = text("mmap");
	v[ELM__F_embeddings] = integer(0);
	v[ELM__F_no_op_offload] = integer(0);
	v[ELM__F_no_host] = integer(0);
	v[ELM__F_fit_target] = integer(0);
	v[ELM__F_fit_min_ctx] = integer(0);
}

static void fill_test(elm__field_value *v, const elm__bench_case *what)
{
	v[ELM__F_n_batch] = integer(what->batch);
	v[ELM__F_n_ubatch] = integer(what->ubatch);
	v[ELM__F_n_threads] = integer(what->threads);
	v[ELM__F_type_k] = text(elm__bench_kv_name(what->kv_type));
	v[ELM__F_type_v] = text(elm__bench_kv_name(what->kv_type));
	v[ELM__F_n_prompt] = integer(what->prompt);
	v[ELM__F_n_gen] = integer(what->generate);
	v[ELM__F_n_depth] = integer(what->depth);
	v[ELM__F_n_sequences] = integer(what->sequences);
}

static void fill_summary(elm__field_value *v, const elm__summary *s, bool done)
{
	v[0] = measured(done && s->n, s->p50 * 1e3);
	v[1] = measured(done && s->n, s->p95 * 1e3);
	v[2] = measured(done && s->n, s->p99 * 1e3);
	v[3] = measured(done, (double)s->n);
}

static void fill_results(elm__field_value *v, const elm__bench_row *row)
{
	const elm__bench_result *r = row->result;
	bool done = r->repetitions > 0, limited = row->limit.seconds > 0;
	elm__bench_average times = elm__bench_times(r), rates = elm__bench_rates(r);

	v[ELM__F_avg_ns] = measured(done, times.mean);
	v[ELM__F_stddev_ns] = measured(done, times.deviation);
	v[ELM__F_avg_ts] = measured(done, rates.mean);
	v[ELM__F_stddev_ts] = measured(done, rates.deviation);
	v[ELM__F_samples_ns] = measured(done, 0);
	v[ELM__F_samples_ts] = measured(done, 0);
	v[ELM__F_avg_ts_per_sequence] = measured(done, rates.mean / r->what.sequences);
	fill_summary(v + ELM__F_ttft_p50_ms, &r->ttft, done);
	fill_summary(v + ELM__F_step_p50_ms, &r->step, done);
	v[ELM__F_peak_memory_bytes] = measured(done && r->peak_memory, (double)r->peak_memory);
	v[ELM__F_energy_joules] = measured(false, 0);
	v[ELM__F_energy_note] = text(ELM__BENCH_NO_ENERGY);
	v[ELM__F_roofline_share] = measured(done && limited, elm__bench_share(row));
	v[ELM__F_roofline_limit] = text(row->limit.by);
	v[ELM__F_roofline_limit].known = limited;
	v[ELM__F_peak_read_bytes_per_s] = measured(row->peaks.read > 0, row->peaks.read);
	v[ELM__F_peak_f32_ops_per_s] = measured(row->peaks.f32 > 0, row->peaks.f32);
	v[ELM__F_peak_int8_ops_per_s] = measured(row->peaks.int8 > 0, row->peaks.int8);
	v[ELM__F_peak_bf16_ops_per_s] = measured(row->peaks.bf16 > 0, row->peaks.bf16);
}

void elm__fields_fill(elm__field_row *out, const elm__bench_report *report,
		      const elm__bench_row *row)
{
	time_t started = (time_t)row->result->started;
	struct tm utc;

	memset(out, 0, sizeof(*out));
	out->result = row->result;
	fill_program(out->values, report, row->subject);
	fill_constants(out->values);
	fill_test(out->values, &row->result->what);
	fill_results(out->values, row);
	gmtime_r(&started, &utc);
	strftime(out->time, sizeof(out->time), "%Y-%m-%dT%H:%M:%SZ", &utc);
	out->values[ELM__F_test_time] = text(out->time);
}
