/*
 * Element-wise operations, normalisation and rotation. The truth is computed in double; bounds are
 * relative to the size of the terms, a few units in the last place of float.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

enum { MAX_N = 600 };

/* The bounds, in units of 2^-24 of the size of the terms. */
static const double EXACT = 0, ROTATE = 2, NORM = 12, CURVE = 16;

typedef struct vectors {
	size_t n;
	float *x, *y, *got; /* got begins as a copy of x */
	int kind;
} vectors;

static vectors make(check *c)
{
	vectors v = { .n = random_below(c, 4) ? random_below(c, MAX_N) + 1 :
						random_below(c, 40) + 1,
		      .kind = (int)random_below(c, FILLS) };

	v.x = guarded(v.n * sizeof(float));
	v.y = guarded(v.n * sizeof(float));
	v.got = guarded(v.n * sizeof(float));
	fill(c, v.x, v.n, v.kind);
	fill(c, v.y, v.n, (int)random_below(c, FILLS));
	memcpy(v.got, v.x, v.n * sizeof(float));
	return v;
}

static void drop(check *c, vectors *v)
{
	if (!guard_intact(v->got, v->n * sizeof(float)))
		fail(c, "n %zu: writes behind the output", v->n);
	release(v->x);
	release(v->y);
	release(v->got);
}

static void expect(check *c, const vectors *v, size_t i, double want, double size, double units)
{
	if (fabs(want) > 3.4e38) /* overflows in float: infinite with its sign, or nearly */
		want = want > 0 ? INFINITY : -INFINITY;
	if (isinf(want) && fabs((double)v->got[i]) > 3e38)
		return;
	if (!close_to(v->got[i], want, units * 0x1p-24 * size + 0x1p-126))
		fail(c, "n %zu inputs %d: [%zu] is %.9g, not %.9g (x %.9g, y %.9g)", v->n, v->kind,
		     i, (double)v->got[i], want, (double)v->x[i], (double)v->y[i]);
}

static void check_add(check *c)
{
	for (int t = 0; t < 50; t++) {
		vectors v = make(c);

		c->kernels.add(v.got, v.y, v.n);
		for (size_t i = 0; i < v.n; i++)
			expect(c, &v, i, (double)(v.x[i] + v.y[i]), 0, EXACT);
		drop(c, &v);
	}
}

static void check_scale(check *c)
{
	for (int t = 0; t < 50; t++) {
		vectors v = make(c);
		float factor = random_float(c, -30, 30);

		c->kernels.scale(v.got, factor, v.n);
		for (size_t i = 0; i < v.n; i++)
			expect(c, &v, i, (double)(v.x[i] * factor), 0, EXACT);
		drop(c, &v);
	}
}

static void check_softcap(check *c)
{
	for (int t = 0; t < 50; t++) {
		vectors v = make(c);
		float cap = random_float(c, 1, 60);

		if (t % 2)
			for (size_t i = 0; i < v.n; i++)
				v.got[i] = v.x[i] = random_float(c, -4, 4) * cap;
		c->kernels.softcap(v.got, cap, v.n);
		for (size_t i = 0; i < v.n; i++) {
			double want = (double)cap * tanh((double)v.x[i] / (double)cap);

			expect(c, &v, i, want, fabs(want), CURVE);
		}
		drop(c, &v);
	}
}

/* Inputs of activation functions that matter are around zero; add a few far out. */
static void spread_inputs(check *c, vectors *v)
{
	for (size_t i = 0; i < v->n; i++)
		v->got[i] = v->x[i] =
			random_float(c, -1, 1) * (random_below(c, 8) ? 12.0f : 200.0f);
}

static void check_silu(check *c)
{
	for (int t = 0; t < 50; t++) {
		vectors v = make(c);

		if (t % 4)
			spread_inputs(c, &v);
		c->kernels.silu_mul(v.got, v.y, v.n);
		for (size_t i = 0; i < v.n; i++) {
			double x = (double)v.x[i], y = (double)v.y[i];
			double want = x / (1 + exp(-x)) * y;

			/* exp(-x) may overflow in float where the result is below 1e-36. */
			expect(c, &v, i, want, fabs(want) + fabs(y) * 1e-29, CURVE);
		}
		drop(c, &v);
	}
}

static void check_gelu(check *c)
{
	for (int t = 0; t < 50; t++) {
		vectors v = make(c);

		if (t % 4)
			spread_inputs(c, &v);
		c->kernels.gelu_mul(v.got, v.y, v.n);
		for (size_t i = 0; i < v.n; i++) {
			double x = (double)v.x[i], y = (double)v.y[i];
			double inner = 0.79788456080286535588 * x * (1 + 0.044715 * x * x);

			/* 1 + tanh cancels for negative x: the bound is relative to x y. Half
			 * of the least subnormal is zero. */
			expect(c, &v, i, 0.5 * x * (1 + tanh(inner)) * y,
			       fabs(x * y) + fabs(y) * 0x1p-128, CURVE);
		}
		drop(c, &v);
	}
}

static void check_rms_norm(check *c)
{
	for (int t = 0; t < 50; t++) {
		vectors v = make(c);
		const float *weight = t % 3 ? v.y : NULL;
		float epsilon = t % 2 ? 1e-5f : 1e-6f;
		double sum = 0, factor;

		c->kernels.rms_norm(t % 4 ? v.x : v.got, weight, epsilon, v.got, v.n);
		for (size_t i = 0; i < v.n; i++)
			sum += (double)v.x[i] * (double)v.x[i];
		factor = 1 / sqrt(sum / (double)v.n + (double)epsilon);
		for (size_t i = 0; i < v.n; i++) {
			double want = (double)v.x[i] * factor * (weight ? (double)weight[i] : 1);

			/* Rounding before the weight may lose bits that a subnormal has not. */
			expect(c, &v, i, want,
			       fabs(want) + 0x1p-125 * (weight ? fabs((double)weight[i]) : 1),
			       NORM);
		}
		drop(c, &v);
	}
}

static void check_rope(check *c, bool split)
{
	for (int t = 0; t < 50; t++) {
		vectors v = make(c);
		size_t half = v.n / 2;

		for (size_t i = 0; i < half; i++) {
			float angle = random_float(c, -7, 7);

			v.y[i] = cosf(angle);
			v.y[half + i] = sinf(angle);
		}
		(split ? c->kernels.rope_split : c->kernels.rope_interleaved)(v.got, v.y,
									      v.y + half, 2 * half);
		for (size_t i = 0; i < half; i++) {
			size_t ia = split ? i : 2 * i, ib = split ? i + half : 2 * i + 1;
			double a = (double)v.x[ia], b = (double)v.x[ib];
			double cosine = (double)v.y[i], sine = (double)v.y[half + i];
			double size = fabs(a) + fabs(b);

			expect(c, &v, ia, a * cosine - b * sine, size, ROTATE);
			expect(c, &v, ib, a * sine + b * cosine, size, ROTATE);
		}
		if (v.n % 2 && memcmp(&v.got[v.n - 1], &v.x[v.n - 1], sizeof(float)))
			fail(c, "rotated %zu: changes the element behind", 2 * half);
		drop(c, &v);
	}
}

static void check_rope_interleaved(check *c)
{
	check_rope(c, false);
}

static void check_rope_split(check *c)
{
	check_rope(c, true);
}

/* --- timing: one row of a model of 2048 (5632 for activations), in the first-level cache --- */

typedef struct vector_job {
	const elm__kernels *k;
	int which;
	float *x, *y;
} vector_job;

enum { REPEATS = 100, WIDTH = 2048 };

static void vector_member(void *user, unsigned index, unsigned count)
{
	const vector_job *job = user;
	float *x = job->x, *y = job->y;

	for (int i = 0; i < REPEATS && !index; i++)
		switch (job->which) {
		case 0:
			job->k->add(x, y, WIDTH);
			break;
		case 1:
			job->k->scale(x, -1, WIDTH);
			break;
		case 2:
			job->k->softcap(x, 30, WIDTH);
			break;
		case 3:
			job->k->silu_mul(x, y, WIDTH);
			break;
		case 4:
			job->k->gelu_mul(x, y, WIDTH);
			break;
		case 5:
			job->k->rms_norm(x, y, 1e-5f, x, WIDTH);
			break;
		case 6:
			job->k->rope_interleaved(x, y, y + WIDTH / 2, WIDTH);
			break;
		default:
			job->k->rope_split(x, y, y + WIDTH / 2, WIDTH);
		}
}

static void time_vector(bench *b)
{
	static const char *const names[] = {
		"add",	    "scale",	"softcap",	    "silu_mul",
		"gelu_mul", "rms_norm", "rope_interleaved", "rope_split"
	};
	vector_job job = { &b->kernels, 0, guarded(WIDTH * sizeof(float)),
			   guarded(WIDTH * sizeof(float)) };
	check c = { .random = 9 };

	for (; job.which < 8; job.which++) {
		char name[64];

		snprintf(name, sizeof(name), "%s 2048 (in cache)", names[job.which]);
		if (!wanted(b, name))
			continue;
		fill(&c, job.x, WIDTH, FILL_UNIFORM);
		for (size_t i = 0; i < WIDTH; i++)
			job.y[i] = 0.999f; /* values stay in range however often this runs */
		print_time(b, name, fastest(b, vector_member, &job) / REPEATS,
			   2.0 * WIDTH * sizeof(float), 0);
	}
	release(job.x);
	release(job.y);
}

const operation vector_operations[] = { { "add", check_add, time_vector },
					{ "scale", check_scale, NULL },
					{ "softcap", check_softcap, NULL },
					{ "silu_mul", check_silu, NULL },
					{ "gelu_mul", check_gelu, NULL },
					{ "rms_norm", check_rms_norm, NULL },
					{ "rope_interleaved", check_rope_interleaved, NULL },
					{ "rope_split", check_rope_split, NULL },
					{ NULL, NULL, NULL } };
