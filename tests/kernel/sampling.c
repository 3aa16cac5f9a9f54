/* What sampling asks of a vocabulary of scores. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

enum { MAX_N = 3000, VOCABULARY = 32000, REPEATS = 10 };

static void check_max(check *c)
{
	for (int t = 0; t < 200; t++) {
		size_t n = 1 + random_below(c, t % 2 ? 70 : MAX_N), want = 0, got;
		float *x = guarded(n * sizeof(float)), largest;
		int kind = (int)random_below(c, FILLS);

		fill(c, x, n, kind);
		if (t % 3 == 0)
			x[random_below(c, n)] = INFINITY;
		if (t % 5 == 0) /* all masked out but perhaps one */
			for (size_t i = 0; i < n; i++)
				x[i] = -INFINITY;
		if (t % 10 == 0)
			x[random_below(c, n)] = -3;
		for (size_t i = 1; i < n; i++)
			if (x[i] > x[want])
				want = i;
		got = c->kernels.argmax(x, n);
		if (got != want)
			fail(c, "n %zu inputs %d: argmax is %zu, not %zu", n, kind, got, want);
		largest = c->kernels.max(x, n);
		if (largest != x[want])
			fail(c, "n %zu inputs %d: max is %g, not %g", n, kind, (double)largest,
			     (double)x[want]);
		release(x);
	}
}

static void check_exp_sum(check *c)
{
	for (int t = 0; t < 100; t++) {
		size_t n = 1 + random_below(c, t % 2 ? 70 : MAX_N);
		float *x = guarded(n * sizeof(float)), *out = guarded(n * sizeof(float));
		float factor = random_float(c, 0.1f, 3), largest = 0, got;
		double sum = 0;

		for (size_t i = 0; i < n; i++)
			x[i] = random_float(c, -1, 1) * (t % 4 ? 20.0f : 200.0f);
		if (t % 7 == 0)
			x[random_below(c, n)] = -INFINITY;
		for (size_t i = 0; i < n; i++)
			largest = i && largest > x[i] ? largest : x[i];
		if (t % 3 == 0) {
			memcpy(out, x, n * sizeof(float));
			got = c->kernels.exp_sum(out, largest, factor, out, n);
		} else {
			got = c->kernels.exp_sum(x, largest, factor, out, n);
		}
		for (size_t i = 0; i < n; i++) {
			double argument = ((double)x[i] - (double)largest) * (double)factor;
			double want = exp(argument);
			/* The argument is rounded to float twice before its exponential. */
			double bound = want * (4 + 2 * fabs(argument)) * 0x1p-24 + 0x1p-126;

			sum += want;
			if (isinf(x[i]))
				bound = 0x1p-126;
			if (!close_to(out[i], want, bound))
				fail(c, "n %zu: exp(%g) is %.9g, not %.9g", n, argument,
				     (double)out[i], want);
		}
		if (!close_to(got, sum, sum * 0x1p-17))
			fail(c, "n %zu: the sum is %.9g, not %.9g", n, (double)got, sum);
		if (!guard_intact(out, n * sizeof(float)))
			fail(c, "n %zu: writes behind the output", n);
		release(x);
		release(out);
	}
}

typedef struct sampling_job {
	const elm__kernels *k;
	int which;
	float *x, *out;
	volatile float sink;
} sampling_job;

static void sampling_member(void *user, unsigned index, unsigned count)
{
	sampling_job *job = user;

	for (int i = 0; i < REPEATS && !index; i++)
		if (job->which == 0)
			job->sink = (float)job->k->argmax(job->x, VOCABULARY);
		else if (job->which == 1)
			job->sink = job->k->max(job->x, VOCABULARY);
		else
			job->sink = job->k->exp_sum(job->x, 1, 1, job->out, VOCABULARY);
}

static void time_sampling(bench *b)
{
	static const char *const names[] = { "argmax 32000", "max 32000", "exp_sum 32000" };
	sampling_job job = { &b->kernels, 0, guarded(VOCABULARY * sizeof(float)),
			     guarded(VOCABULARY * sizeof(float)), 0 };
	check c = { .random = 2 };

	fill(&c, job.x, VOCABULARY, FILL_UNIFORM);
	for (; job.which < 3; job.which++)
		if (wanted(b, names[job.which]))
			print_time(b, names[job.which], fastest(b, sampling_member, &job) / REPEATS,
				   VOCABULARY * sizeof(float), 0);
	release(job.x);
	release(job.out);
}

const operation sampling_operations[] = { { "max", check_max, time_sampling },
					  { "exp_sum", check_exp_sum, NULL },
					  { NULL, NULL, NULL } };
