/* The forms of inputs. The integers and their sums are exact; the scale of Q8, a fit, may differ in
 * its last bits, that of Q16 may not. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "quant/half.h"

static bool same_floats(const float *a, const float *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (elm__f32_bits(a[i]) != elm__f32_bits(b[i]) && !(isnan(a[i]) && isnan(b[i])))
			return false;
	return true;
}

/* 2^-21: the sums of 32 products, in another order. */
static bool same_scale(float a, float b, unsigned form)
{
	return same_floats(&a, &b, 1) ||
	       (form == ELM__FORM_Q8 && fabsf(a - b) <= fabsf(a) * 0x1p-21f);
}

static void compare(check *c, const elm__activations *want, const elm__activations *got,
		    unsigned form, int kind)
{
	size_t n = elm__q8_rows(want->rows) * elm__q8_blocks(want->cols);

	for (size_t k = 0; k < n; k++) {
		bool same = !memcmp(want->q8 + 32 * k, got->q8 + 32 * k, 32) &&
			    same_scale(want->q8_scale[k], got->q8_scale[k], form) &&
			    same_floats(want->q8_sum + 2 * k, got->q8_sum + 2 * k, 2);

		if (form == ELM__FORM_Q16)
			same = same && !memcmp(want->q8_low + 32 * k, got->q8_low + 32 * k, 32) &&
			       same_floats(want->q8_low_sum + 2 * k, got->q8_low_sum + 2 * k, 2);
		if (!same)
			fail(c, "form %u, %zu rows, %zu columns, inputs %d: block %zu, row %zu",
			     form, want->rows, want->cols, kind, k / elm__q8_rows(want->rows),
			     k % elm__q8_rows(want->rows));
	}
}

static void check_prepare(check *c)
{
	static const size_t row_counts[] = { 1, 2, 3, 4, 5, 16, 17, 35 };

	for (size_t t = 0; t < 8 * FILLS; t++) {
		unsigned form = t % 2 ? ELM__FORM_Q16 : ELM__FORM_Q8;
		size_t rows = row_counts[random_below(c, 8)], cols = 1 + random_below(c, 300);
		size_t bytes = elm__activations_bytes(&c->kernels, form, rows, cols);
		int kind = (int)(t % FILLS);
		float *x = guarded(rows * cols * sizeof(float));
		void *want_memory = guarded(bytes), *got_memory = guarded(bytes);
		elm__activations want = {
			.rows = rows, .cols = cols, .f32 = x, .f32_stride = cols
		};
		elm__activations got = want;

		fill(c, x, rows * cols, kind);
		if (t % 5 == 4)
			x[random_below(c, rows * cols)] = t % 2 ? NAN : -INFINITY;
		memset(got_memory, 0x77, bytes);
		elm__activations_place(&want, &c->reference, form, want_memory);
		elm__activations_place(&got, &c->kernels, form, got_memory);
		c->reference.prepare(&want, form, 0, rows);
		for (size_t i = 0; i < rows; i += 16)
			c->kernels.prepare(&got, form, i, i + 16 < rows ? i + 16 : rows);
		compare(c, &want, &got, form, kind);
		if (!guard_intact(got_memory, bytes))
			fail(c, "form %u, %zu rows, %zu columns: writes behind its memory", form,
			     rows, cols);
		release(x);
		release(want_memory);
		release(got_memory);
	}
}

typedef struct prepare_job {
	const elm__kernels *kernels;
	elm__activations x;
	unsigned form;
} prepare_job;

static void prepare_member(void *user, unsigned index, unsigned count)
{
	prepare_job *job = user;
	size_t units = (job->x.rows + 15) / 16;
	size_t begin = units * index / count * 16, end = units * (index + 1) / count * 16;

	if (begin < end)
		job->kernels->prepare(&job->x, job->form, begin,
				      end < job->x.rows ? end : job->x.rows);
}

static void time_prepare(bench *b)
{
	static const struct {
		const char *name;
		unsigned form;
		size_t rows;
	} cases[] = { { "prepare Q16 1x2048", ELM__FORM_Q16, 1 },
		      { "prepare Q8 512x2048", ELM__FORM_Q8, 512 } };
	check c = { .random = 3 };

	for (size_t i = 0; i < 2; i++) {
		prepare_job job = { &b->kernels,
				    { .rows = cases[i].rows, .cols = 2048 },
				    cases[i].form };
		size_t n = job.x.rows * job.x.cols;
		float *x = guarded(n * sizeof(float));
		void *memory = guarded(
			elm__activations_bytes(&b->kernels, job.form, job.x.rows, job.x.cols));

		if (!wanted(b, cases[i].name)) {
			release(x);
			release(memory);
			continue;
		}
		fill(&c, x, n, FILL_UNIFORM);
		job.x.f32 = x;
		job.x.f32_stride = job.x.cols;
		elm__activations_place(&job.x, &b->kernels, job.form, memory);
		print_time(b, cases[i].name, fastest(b, prepare_member, &job),
			   (double)(n * sizeof(float)), 0);
		release(x);
		release(memory);
	}
}

const operation prepare_operations[] = { { "prepare", check_prepare, time_prepare },
					 { NULL, NULL, NULL } };
