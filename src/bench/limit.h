/* limit.h: how fast a test could be on this machine: the roofline. */
#ifndef ELM_BENCH_LIMIT_H
#define ELM_BENCH_LIMIT_H

#include <edgelm/model.h>

#include "bench/plan.h"
#include "cpu/peaks.h"

/* The least time that a test can take on a machine with these peaks. */
typedef struct elm__bench_limit {
	double seconds; /* 0: unknown, because a peak is not measured */
	const char *by; /* what takes most of it: "read", "f32", "int8", "bf16" */
} elm__bench_limit;

/*
 * Counts, for every pass over the layers, the bytes of weight matrices that it must read and the
 * operations of its products in the form in which the kernels compute them (two for each
 * multiply-add), takes the longer of reading and computing, and adds the passes up. Embeddings,
 * keys and values, attention and everything element-wise are left out, so the limit is lower than
 * what any program can reach, noticeably so in long contexts.
 */
elm__bench_limit elm__bench_limit_of(const elm_model *model, const elm__bench_case *what,
				     const elm__peaks *peaks);

/* Bytes of weights that one pass reads. */
uint64_t elm__bench_weight_bytes(const elm_model *model);

/*
 * Measures the peaks with as many threads as a test would use, placed alike, for the instructions
 * that the model uses. Reading is measured on as much memory as the weights of a pass, at most 256
 * MiB: a model that fits in a cache is held against the cache.
 */
ELM_NODISCARD elm_status elm__bench_measure_peaks(const elm_model *model, uint32_t threads,
						  elm__peaks *out, elm_error *error);

#endif
