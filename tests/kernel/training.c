/* Operations of training: the truth is computed in double. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

enum { MAX_SIDE = 150, MAX_DEPTH = 600, MAX_N = 600 };

/* Units of 2^-24 of the size of the terms. */
static const double CURVE = 20;

/* --- gemm --- */

typedef void gemm_fn(const elm__gemm *g, void *scratch);

typedef struct product {
	elm__gemm g;
	float *a, *b, *c, *before;
	size_t c_floats;
	void *scratch;
} product;

static product make_product(check *c)
{
	product p = { .g = { .m = random_below(c, MAX_SIDE) + 1,
			     .n = random_below(c, MAX_SIDE) + 1,
			     .k = random_below(c, random_below(c, 4) ? 70 : MAX_DEPTH) + 1,
			     .add = random_below(c, 2) } };
	elm__gemm *g = &p.g;
	size_t a_pad = random_below(c, 3), b_pad = random_below(c, 3);

	g->a_row = random_below(c, 2) ? 1 : g->k + a_pad;
	g->a_col = g->a_row == 1 ? g->m + a_pad : 1;
	g->b_row = random_below(c, 2) ? 1 : g->n + b_pad;
	g->b_col = g->b_row == 1 ? g->k + b_pad : 1;
	g->c_row = g->n + random_below(c, 3);
	p.c_floats = (g->m - 1) * g->c_row + g->n;
	/* The last element that is read ends the memory. */
	p.a = guarded(((g->m - 1) * g->a_row + (g->k - 1) * g->a_col + 1) * sizeof(float));
	p.b = guarded(((g->k - 1) * g->b_row + (g->n - 1) * g->b_col + 1) * sizeof(float));
	p.c = guarded(p.c_floats * sizeof(float));
	p.before = guarded(p.c_floats * sizeof(float));
	p.scratch = guarded(c->kernels.gemm_scratch());
	fill(c, p.a, (g->m - 1) * g->a_row + (g->k - 1) * g->a_col + 1, FILL_UNIFORM);
	fill(c, p.b, (g->k - 1) * g->b_row + (g->n - 1) * g->b_col + 1, FILL_UNIFORM);
	fill(c, p.c, p.c_floats, FILL_UNIFORM);
	memcpy(p.before, p.c, p.c_floats * sizeof(float));
	g->a = p.a;
	g->b = p.b;
	g->c = p.c;
	return p;
}

static void drop_product(product *p)
{
	release(p->a);
	release(p->b);
	release(p->c);
	release(p->before);
	release(p->scratch);
}

static void compare_product(check *c, const product *p, double unit)
{
	const elm__gemm *g = &p->g;

	for (size_t i = 0; i < g->m; i++)
		for (size_t j = 0; j < g->n; j++) {
			double want = g->add ? (double)p->before[i * g->c_row + j] : 0;
			double size = fabs(want);
			float got = p->c[i * g->c_row + j];

			for (size_t k = 0; k < g->k; k++) {
				double term = (double)g->a[i * g->a_row + k * g->a_col] *
					      (double)g->b[k * g->b_row + j * g->b_col];

				want += term;
				size += fabs(term);
			}
			if (!close_to(got, want,
				      (unit + 0x1p-24 * (8 + sqrt((double)g->k))) * size))
				fail(c, "%zu x %zu x %zu: [%zu, %zu] is %.9g, not %.9g", g->m, g->n,
				     g->k, i, j, (double)got, want);
		}
	for (size_t at = 0; at < p->c_floats; at++)
		if (at % g->c_row >= g->n && memcmp(&p->c[at], &p->before[at], sizeof(float)))
			fail(c, "%zu x %zu: writes between rows", g->m, g->n);
	if (!guard_intact(p->c, p->c_floats * sizeof(float)))
		fail(c, "%zu x %zu: writes behind the output", g->m, g->n);
	if (!guard_intact(p->scratch, c->kernels.gemm_scratch()))
		fail(c, "%zu x %zu: writes behind its scratch memory", g->m, g->n);
}

/* Any part of a product, computed alone, has the same bits. */
static void compare_part(check *c, product *p, gemm_fn *gemm)
{
	elm__gemm part = p->g;
	size_t row = random_below(c, part.m), col = random_below(c, part.n);
	float *out = guarded(p->c_floats * sizeof(float));

	memcpy(out, p->before, p->c_floats * sizeof(float));
	part.m = random_below(c, part.m - row) + 1;
	part.n = random_below(c, part.n - col) + 1;
	part.a += row * part.a_row;
	part.b += col * part.b_col;
	part.c = out + row * part.c_row + col;
	gemm(&part, p->scratch);
	for (size_t i = row; i < row + part.m; i++)
		if (memcmp(out + i * part.c_row + col, p->c + i * part.c_row + col,
			   part.n * sizeof(float)))
			fail(c, "%zu x %zu x %zu: row %zu differs when computed in parts", p->g.m,
			     p->g.n, p->g.k, i);
	release(out);
}

static void check_products(check *c, gemm_fn *gemm, double unit)
{
	for (int t = 0; t < 12; t++) {
		product p = make_product(c);

		gemm(&p.g, p.scratch);
		compare_product(c, &p, unit);
		compare_part(c, &p, gemm);
		drop_product(&p);
	}
}

static void check_gemm(check *c)
{
	check_products(c, c->kernels.gemm, 0);
}

/* Both factors of a product are wrong by half a unit of 8 bits at most: 2^-8 of it. */
static void check_gemm_bf16(check *c)
{
	check_products(c, c->kernels.gemm_bf16, 0x1p-7 + 0x1p-16);
}

/* --- element-wise --- */

typedef struct vectors {
	size_t n;
	float *x[5], *got[5]; /* got begins as a copy of x */
} vectors;

static vectors make(check *c)
{
	vectors v = { .n = random_below(c, MAX_N) + 1 };

	for (int i = 0; i < 5; i++) {
		v.x[i] = guarded(v.n * sizeof(float));
		v.got[i] = guarded(v.n * sizeof(float));
		for (size_t j = 0; j < v.n; j++)
			v.x[i][j] = random_float(c, -2, 2);
		memcpy(v.got[i], v.x[i], v.n * sizeof(float));
	}
	return v;
}

static void drop(check *c, vectors *v)
{
	for (int i = 0; i < 5; i++) {
		if (!guard_intact(v->got[i], v->n * sizeof(float)))
			fail(c, "n %zu: writes behind vector %d", v->n, i);
		release(v->x[i]);
		release(v->got[i]);
	}
}

static void expect(check *c, const vectors *v, int which, size_t i, double want, double size)
{
	if (!close_to(v->got[which][i], want, CURVE * 0x1p-24 * size + 0x1p-126))
		fail(c, "n %zu: vector %d [%zu] is %.9g, not %.9g", v->n, which, i,
		     (double)v->got[which][i], want);
}

static void check_dot(check *c)
{
	for (int t = 0; t < 50; t++) {
		vectors v = make(c);
		double want = 0, size = 0;

		for (size_t i = 0; i < v.n; i++) {
			want += (double)v.x[0][i] * (double)v.x[1][i];
			size += fabs((double)v.x[0][i] * (double)v.x[1][i]);
		}
		if (!close_to(c->kernels.dot(v.x[0], v.x[1], v.n), want, CURVE * 0x1p-24 * size))
			fail(c, "n %zu: not %.9g", v.n, want);
		drop(c, &v);
	}
}

static void check_rms_norm_grad(check *c)
{
	for (int t = 0; t < 50; t++) {
		vectors v = make(c);
		const float epsilon = t % 2 ? 1e-5f : 0.1f;
		double squares = 0, products = 0, sizes = 0, f;

		c->kernels.rms_norm_grad(v.x[0], v.x[1], epsilon, v.x[2], v.got[3], v.got[4], v.n);
		for (size_t i = 0; i < v.n; i++) {
			double x = (double)v.x[0][i], wd = (double)v.x[1][i] * (double)v.x[2][i];

			squares += x * x;
			products += x * wd;
			sizes += fabs(x * wd);
		}
		f = 1 / sqrt(squares / (double)v.n + (double)epsilon);
		for (size_t i = 0; i < v.n; i++) {
			double x = (double)v.x[0][i], d = (double)v.x[2][i];
			double wd = (double)v.x[1][i] * d, cube = f * f * f / (double)v.n;
			double dx = (double)v.x[3][i], dw = (double)v.x[4][i];

			expect(c, &v, 3, i, dx + f * wd - x * cube * products,
			       fabs(dx) + fabs(f * wd) + fabs(x) * cube * sizes);
			expect(c, &v, 4, i, dw + d * x * f, fabs(dw) + fabs(d * x * f));
		}
		drop(c, &v);
	}
}

static void check_silu_mul_grad(check *c)
{
	for (int t = 0; t < 50; t++) {
		vectors v = make(c);

		for (size_t i = 0; i < v.n; i++)
			v.got[0][i] = v.x[0][i] *=
				t % 2 ? 3 : 50; /* far out the curve is straight */
		c->kernels.silu_mul_grad(v.got[0], v.got[1], v.x[2], v.got[3], v.n);
		for (size_t i = 0; i < v.n; i++) {
			double g = (double)v.x[0][i], u = (double)v.x[1][i], d = (double)v.x[2][i];
			double s = 1 / (1 + exp(-g)), size = fabs(g) * s + 1e-29;

			expect(c, &v, 0, i, d * u * s * (1 + g * (1 - s)),
			       fabs(d * u) * (s + size + 1e-29));
			expect(c, &v, 1, i, d * g * s, fabs(d) * size);
			expect(c, &v, 3, i, g * s * u, fabs(u) * size);
		}
		drop(c, &v);
	}
}

static void check_softmax_grad(check *c)
{
	for (int t = 0; t < 50; t++) {
		vectors v = make(c);
		float mean = random_float(c, -1, 1), factor = random_float(c, 0, 1);

		c->kernels.softmax_grad(v.got[0], v.x[1], mean, factor, v.n);
		for (size_t i = 0; i < v.n; i++) {
			double p = (double)v.x[0][i], d = (double)v.x[1][i];
			double size = fabs(p) * (fabs(d) + fabs((double)mean)) * (double)factor;

			expect(c, &v, 0, i, p * (d - (double)mean) * (double)factor, size);
		}
		drop(c, &v);
	}
}

static void check_adamw(check *c)
{
	for (int t = 0; t < 50; t++) {
		vectors v = make(c);
		elm__adamw how = { .rate = random_float(c, 0, 0.1f),
				   .decay = t % 2 ? random_float(c, 0, 1) : 0,
				   .beta1 = 0.9f,
				   .beta2 = 0.95f,
				   .epsilon = 1e-3f,
				   .unbias1 = random_float(c, 1, 10),
				   .unbias2 = random_float(c, 1, 20),
				   .scale = random_float(c, 0.1f, 1) };

		for (size_t i = 0; i < v.n; i++)
			v.got[3][i] = v.x[3][i] = fabsf(v.x[3][i]);
		c->kernels.adamw(&how, v.got[0], v.x[1], v.got[2], v.got[3], v.n);
		for (size_t i = 0; i < v.n; i++) {
			double w = (double)v.x[0][i], g = (double)v.x[1][i] * (double)how.scale;
			double m = (double)v.x[2][i], beta1 = (double)how.beta1;
			double square = (double)v.x[3][i], beta2 = (double)how.beta2;
			double size = beta1 * fabs(m) + (1 - beta1) * fabs(g), root;

			m = beta1 * m + (1 - beta1) * g;
			square = beta2 * square + (1 - beta2) * g * g;
			root = sqrt(square * (double)how.unbias2) + (double)how.epsilon;
			expect(c, &v, 2, i, m, size);
			expect(c, &v, 3, i, square, square);
			size *= (double)how.rate * (double)how.unbias1 / root;
			expect(c, &v, 0, i,
			       w - (double)how.rate * (m * (double)how.unbias1 / root +
						       (double)how.decay * w),
			       fabs(w) + size);
		}
		drop(c, &v);
	}
}

/* --- timing --- */

enum { SIDE = 768 };

typedef struct gemm_job {
	gemm_fn *gemm;
	size_t scratch_bytes;
	elm__gemm g;
	char *scratch; /* one per member */
} gemm_job;

/* Each member computes some rows of c. */
static void gemm_member(void *user, unsigned index, unsigned count)
{
	const gemm_job *job = user;
	elm__gemm part = job->g;
	size_t begin = part.m * index / count, end = part.m * (index + 1) / count;

	part.m = end - begin;
	part.a += begin * part.a_row;
	part.c += begin * part.c_row;
	job->gemm(&part, job->scratch + index * job->scratch_bytes);
}

static void time_products(bench *b, const char *name, gemm_fn *gemm)
{
	static const struct {
		const char *what;
		size_t a_row, a_col, b_row, b_col;
	} forms[] = { { "", SIDE, 1, SIDE, 1 },
		      { ", b transposed", SIDE, 1, 1, SIDE },
		      { ", a transposed", 1, SIDE, SIDE, 1 } };
	const size_t bytes = (size_t)SIDE * SIDE * sizeof(float);
	float *memory[3] = { guarded(bytes), guarded(bytes), guarded(bytes) };
	gemm_job job = { .gemm = gemm, .scratch_bytes = b->kernels.gemm_scratch() };

	job.scratch = guarded(job.scratch_bytes * elm__pool_count(b->pool));
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char title[64];

		snprintf(title, sizeof(title), "%s 768^3%s", name, forms[i].what);
		if (!wanted(b, title))
			continue;
		job.g = (elm__gemm){ .m = SIDE,
				     .n = SIDE,
				     .k = SIDE,
				     .a = memory[0],
				     .b = memory[1],
				     .c = memory[2],
				     .a_row = forms[i].a_row,
				     .a_col = forms[i].a_col,
				     .b_row = forms[i].b_row,
				     .b_col = forms[i].b_col,
				     .c_row = SIDE };
		print_time(b, title, fastest(b, gemm_member, &job), 0, 2.0 * SIDE * SIDE * SIDE);
	}
	for (int i = 0; i < 3; i++)
		release(memory[i]);
	release(job.scratch);
}

static void time_gemm(bench *b)
{
	time_products(b, "gemm", b->kernels.gemm);
}

static void time_gemm_bf16(bench *b)
{
	time_products(b, "gemm_bf16", b->kernels.gemm_bf16);
}

const operation training_operations[] = { { "gemm", check_gemm, time_gemm },
					  { "gemm_bf16", check_gemm_bf16, time_gemm_bf16 },
					  { "dot", check_dot, NULL },
					  { "rms_norm_grad", check_rms_norm_grad, NULL },
					  { "silu_mul_grad", check_silu_mul_grad, NULL },
					  { "softmax_grad", check_softmax_grad, NULL },
					  { "adamw", check_adamw, NULL },
					  { NULL, NULL, NULL } };
