/*
 * check.h: what the families of the kernel test share.
 *
 * A family is a list of operations; each has a check, which runs one tier of kernels on random and
 * extreme inputs and compares with the scalar reference or with double precision, and a benchmark.
 * A check reports what differs with the parameters that it differs for, and returns; the program
 * fails at the end if anything was reported.
 */
#ifndef ELM_TESTS_KERNEL_CHECK_H
#define ELM_TESTS_KERNEL_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"
#include "cpu/peaks.h"
#include "kernel/kernel.h"
#include "kernel/packed.h"

typedef struct check {
	elm__kernels kernels;	/* the tier under test */
	elm__kernels reference; /* scalar */
	const char *tier;
	const char *op; /* the one being checked */
	uint64_t random;
	unsigned failures; /* of this operation on this tier */
} check;

typedef struct bench {
	elm__kernels kernels;
	const char *tier;
	const char *filter; /* NULL: all; else a part of the printed name */
	elm__pool *pool;
	size_t megabytes; /* size of a matrix that is read from memory */
	elm__peaks peak;
} bench;

typedef struct operation {
	const char *name;
	void (*run)(check *c);
	void (*time)(bench *b); /* NULL: nothing worth timing */
} operation;

/* The families, ended by an entry without a name. */
extern const operation vector_operations[], sampling_operations[], attention_operations[],
	prepare_operations[], matmul_operations[], training_operations[];

/* --- random numbers and inputs --- */

uint32_t random_bits(check *c);
size_t random_below(check *c, size_t n); /* 0 .. n - 1 */
float random_float(check *c, float from, float to);

/* Kinds of input: most of them are extremes, because that is where kernels break. */
enum {
	FILL_UNIFORM,
	FILL_ZERO,
	FILL_LARGE,
	FILL_TINY,
	FILL_OUTLIER,
	FILL_SIGNS,
	FILL_MIXED,
	FILLS
};
void fill(check *c, float *x, size_t n, int kind);

/* Blocks with any codes and finite scales of all sizes and signs; `blocks` of them. */
void random_blocks(check *c, elm_type type, void *out, size_t blocks);

/* Sets the minimum of blocks that have one to zero. */
void remove_minimum(elm_type type, void *data, size_t blocks);

/* --- memory with canaries behind it --- */

/* Zeroed, aligned to ELM__KERNEL_ALIGN; ends the program when memory runs out. */
void *guarded(size_t bytes);
bool guard_intact(const void *memory, size_t bytes);
void release(void *memory);

/* --- reports --- */

/* One line: tier, operation, the parameters. After ten of one operation the rest is only counted.
 */
void fail(check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* True when got is within `bound` of want; equal infinities and two NaN are the same. */
bool close_to(float got, double want, double bound);

/* --- timing --- */

/* Runs `member` on all threads of b->pool and returns the seconds of the fastest of several runs.
 */
double fastest(const bench *b, elm__pool_fn *member, void *user);
bool wanted(const bench *b, const char *name);
/* Prints one line; bytes moved and operations done per run, 0: not meaningful. */
void print_time(const bench *b, const char *name, double seconds, double bytes, double operations);

#endif
