/*
 * The KV cache and attention over it. Storing is exact. The truth of attention is a softmax in
 * double over the stored keys and values; the bound is relative to the largest value. Tiers that
 * multiply sums of two bf16 (AMX) are given the precision of those.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cpu/cpu.h"
#include "kernel/kv.h"
#include "quant/blocks.h"
#include "quant/half.h"

static const elm_type kv_types[] = { ELM_TYPE_F32, ELM_TYPE_F16, ELM_TYPE_Q8_0, ELM_TYPE_IQ4_NL };
static const int8_t levels[16] = ELM__IQ4_LEVELS;

enum { KV_TYPES = sizeof(kv_types) / sizeof(kv_types[0]) };

/* Every order of additions but Sylvester's would differ in the last bits. */
static void check_hadamard(check *c)
{
	static const size_t dims[] = { 1, 7, 8, 16, 32, 40, 64, 80, 96, 112, 128, 256, 512 };

	for (size_t t = 0; t < 40; t++) {
		size_t dim = dims[t % 13];
		float *want = guarded(dim * sizeof(float)), *got = guarded(dim * sizeof(float));
		double before = 0, after = 0;

		fill(c, want, dim, (int)random_below(c, FILLS));
		memcpy(got, want, dim * sizeof(float));
		for (size_t i = 0; i < dim; i++)
			before += (double)got[i] * (double)got[i];
		c->reference.hadamard(want, dim);
		c->kernels.hadamard(got, dim);
		for (size_t i = 0; i < dim; i++) {
			after += (double)got[i] * (double)got[i];
			if (got[i] != want[i])
				fail(c, "head %zu: [%zu] is %g, not %g", dim, i, (double)got[i],
				     (double)want[i]);
		}
		if (!(fabs(after - before) <= 1e-5 * before))
			fail(c, "head %zu: the sum of squares is %g, was %g", dim, after, before);
		if (!guard_intact(got, dim * sizeof(float)))
			fail(c, "head %zu: writes behind the head", dim);
		release(want);
		release(got);
	}
}

static void check_kv_store(check *c)
{
	static const size_t dims[] = { 8, 16, 32, 40, 64, 80, 96, 128, 256, 512 };

	for (size_t t = 0; t < 160; t++) {
		elm_type type = kv_types[t % KV_TYPES];
		size_t dim = dims[random_below(c, 10)], slot = random_below(c, ELM__KV_BLOCK);
		size_t bytes = elm__kv_block_bytes(type, dim);
		int kind = (int)random_below(c, FILLS);
		float *x = guarded(dim * sizeof(float));
		void *want = guarded(bytes), *got = guarded(bytes);

		fill(c, x, dim, kind);
		memset(want, 0x33, bytes);
		memset(got, 0x33, bytes);
		c->reference.kv_store(type, want, slot, x, dim);
		c->kernels.kv_store(type, got, slot, x, dim);
		if (memcmp(want, got, bytes))
			fail(c, "%s head %zu slot %zu inputs %d: the block differs",
			     elm_type_get(type)->name, dim, slot, kind);
		if (!guard_intact(got, bytes))
			fail(c, "%s head %zu slot %zu: writes behind the block",
			     elm_type_get(type)->name, dim, slot);
		release(x);
		release(want);
		release(got);
	}
}

/* Element (slot, i) of a cache block. */
static double cached(elm_type type, const void *block, size_t dim, size_t slot, size_t i)
{
	uint16_t scale;

	if (type == ELM_TYPE_F32)
		return ((const float *)block)[slot * dim + i];
	if (type == ELM_TYPE_F16)
		return elm__f16_to_f32(((const uint16_t *)block)[slot * dim + i]);
	scale = elm__kv_scales(type, block, dim)[i / ELM__Q8_BLOCK * ELM__KV_BLOCK + slot];
	if (type == ELM_TYPE_IQ4_NL) {
		const uint8_t *row = (const uint8_t *)block + slot * ((dim + 31) / 32 * 16);
		unsigned byte = row[i / 32 * 16 + i % 16];

		return (double)levels[i % 32 < 16 ? byte % 16 : byte / 16] *
		       (double)elm__f16_to_f32(scale);
	}
	return (double)((const int8_t *)block)[slot * dim + i] * (double)elm__f16_to_f32(scale);
}

typedef struct cache {
	elm__attention a;
	void **k, **v;
	float *query, *out;
	size_t blocks, out_floats, scratch_bytes;
} cache;

static void cache_init(cache *s, const elm__kernels *k, check *c, const elm__attention *shape,
		       int kind)
{
	size_t length = shape->first_position + shape->queries, dim = shape->head_dim;
	float *row = guarded(dim * sizeof(float));
	size_t query_floats;

	memset(s, 0, sizeof(*s));
	s->a = *shape;
	s->a.query_stride = shape->group * dim + 5;
	s->a.out_stride = shape->group * dim + 3;
	query_floats = shape->queries * s->a.query_stride;
	s->out_floats = shape->queries * s->a.out_stride;
	s->query = guarded(query_floats * sizeof(float));
	s->out = guarded(s->out_floats * sizeof(float));
	fill(c, s->query, query_floats, kind);
	for (size_t i = 0; i < s->out_floats; i++)
		s->out[i] = 777;
	s->blocks = (length + ELM__KV_BLOCK - 1) / ELM__KV_BLOCK;
	s->k = guarded(s->blocks * sizeof(*s->k));
	s->v = guarded(s->blocks * sizeof(*s->v));
	for (size_t b = 0; b < s->blocks; b++) {
		size_t bytes = elm__kv_block_bytes(shape->kv_type, dim);

		s->k[b] = guarded(bytes);
		s->v[b] = guarded(bytes);
		memset(s->k[b], 0xff, bytes); /* rows past the end: NaN in every type */
		memset(s->v[b], 0xff, bytes);
	}
	for (size_t p = 0; p < length; p++) {
		fill(c, row, dim, FILL_UNIFORM);
		k->kv_store(shape->kv_type, s->k[p / ELM__KV_BLOCK], p % ELM__KV_BLOCK, row, dim);
		fill(c, row, dim, FILL_UNIFORM);
		k->kv_store(shape->kv_type, s->v[p / ELM__KV_BLOCK], p % ELM__KV_BLOCK, row, dim);
	}
	release(row);
	s->scratch_bytes = k->attention_scratch(shape->queries, shape->group, dim);
	s->a.scratch = guarded(s->scratch_bytes);
	memset(s->a.scratch, 0xff, s->scratch_bytes);
	s->a.query = s->query;
	s->a.out = s->out;
	s->a.k_blocks = (const void *const *)s->k;
	s->a.v_blocks = (const void *const *)s->v;
}

static void cache_release(cache *s)
{
	for (size_t b = 0; b < s->blocks; b++) {
		release(s->k[b]);
		release(s->v[b]);
	}
	release(s->k);
	release(s->v);
	release(s->query);
	release(s->out);
	release(s->a.scratch);
}

/* One query head in double; weights has room for all positions. */
static void check_head(check *c, const cache *s, uint32_t i, uint32_t h, double *weights,
		       double unit)
{
	const elm__attention *a = &s->a;
	uint32_t position = a->first_position + i, dim = a->head_dim;
	uint32_t begin = a->window && position >= a->window ? position - a->window + 1 : 0;
	const float *query = a->query + i * a->query_stride + (size_t)h * dim;
	const float *out = a->out + i * a->out_stride + (size_t)h * dim;
	double largest = -INFINITY, sum = 0, scores = 0;

	for (uint32_t p = begin; p <= position; p++) {
		const void *block = s->k[p / ELM__KV_BLOCK];
		double score = 0, size = 0;

		for (uint32_t j = 0; j < dim; j++) {
			double term = (double)query[j] *
				      cached(a->kv_type, block, dim, p % ELM__KV_BLOCK, j);

			score += term;
			size += fabs(term);
		}
		score *= (double)a->scale;
		if (a->softcap > 0)
			score = (double)a->softcap * tanh(score / (double)a->softcap);
		scores = fmax(scores, size * fabs((double)a->scale));
		weights[p] = score;
		largest = fmax(largest, score);
	}
	for (uint32_t p = begin; p <= position; p++)
		sum += weights[p] = exp(weights[p] - largest);
	for (uint32_t j = 0; j < dim; j++) {
		double want = 0, size = 0;

		for (uint32_t p = begin; p <= position; p++) {
			double value = cached(a->kv_type, s->v[p / ELM__KV_BLOCK], dim,
					      p % ELM__KV_BLOCK, j);

			want += weights[p] / sum * value;
			size = fmax(size, fabs(value));
		}
		/* An error of a score is an error of its exponential. */
		if (!close_to(out[j], want, unit * size * (4 + scores)))
			fail(c,
			     "%s queries %u group %u head %u position %u window %u softcap %g: "
			     "query %u head %u [%u] is %g, not %g",
			     elm_type_get(a->kv_type)->name, a->queries, a->group, dim,
			     a->first_position, a->window, (double)a->softcap, i, h, j,
			     (double)out[j], want);
	}
}

static void check_attention(check *c)
{
	static const uint32_t dims[] = { 32, 64, 64, 80, 96, 128, 128, 256 };
	static const uint32_t groups[] = { 1, 2, 3, 4, 5, 7, 8, 16 };
	static const uint32_t queries[] = { 1, 1, 1, 2, 3, 8, 17, 40 };

	for (size_t t = 0; t < 48; t++) {
		elm__attention shape = { .queries = queries[random_below(c, 8)],
					 .group = groups[random_below(c, 8)],
					 .head_dim = dims[random_below(c, 8)],
					 .first_position = (uint32_t)random_below(c, 150),
					 .kv_type = kv_types[t % KV_TYPES] };
		double unit = 0x1p-20;
		double *weights;
		cache s;

		shape.scale = 1 / sqrtf((float)shape.head_dim);
		shape.softcap = random_below(c, 3) ? 0 : 20;
		shape.fine = random_below(c, 2);
		if (c->kernels.features & ELM__CPU_AMX)
			unit = shape.fine ? 0x1p-14 : 0x1p-8;
		shape.window = random_below(c, 3) ? 0 : 1 + (uint32_t)random_below(c, 90);
		if (!random_below(c, 4))
			shape.first_position = 0;
		cache_init(&s, &c->kernels, c, &shape, t % 5 ? FILL_UNIFORM : FILL_SIGNS);
		c->kernels.attention(&s.a);
		weights = guarded((shape.first_position + shape.queries) * sizeof(double));
		for (uint32_t i = 0; i < shape.queries; i++)
			for (uint32_t h = 0; h < shape.group; h++)
				check_head(c, &s, i, h, weights, unit);
		for (size_t i = 0; i < s.out_floats; i++)
			if (i % s.a.out_stride >= shape.group * shape.head_dim && s.out[i] != 777)
				fail(c, "queries %u group %u head %u: writes out[%zu]",
				     shape.queries, shape.group, shape.head_dim, i);
		if (!guard_intact(s.out, s.out_floats * sizeof(float)) ||
		    !guard_intact(s.a.scratch, s.scratch_bytes))
			fail(c, "queries %u group %u head %u: writes behind its memory",
			     shape.queries, shape.group, shape.head_dim);
		release(weights);
		cache_release(&s);
	}
}

/* The same context in parts of some blocks each, then put together. */
static void check_parts(check *c)
{
	for (size_t t = 0; t < 24; t++) {
		elm__attention shape = { .queries = t % 2 ? 1 : 1 + (uint32_t)random_below(c, 20),
					 .group = 1 + (uint32_t)random_below(c, 9),
					 .head_dim = t % 5 ? 64 : 96,
					 .first_position = (uint32_t)random_below(c, 400),
					 .window = t % 3 ? 0 : 1 + (uint32_t)random_below(c, 200),
					 .scale = 0.125f,
					 .kv_type = kv_types[t % KV_TYPES] };
		size_t rows = shape.queries * shape.group, dim = shape.head_dim, parts = 1;
		double bound = c->kernels.features & ELM__CPU_AMX ? 0x1p-10 : 0x1p-16;
		float *out, *lse, *merged = guarded(dim * sizeof(float));
		cache s;

		cache_init(&s, &c->kernels, c, &shape, FILL_UNIFORM);
		c->kernels.attention(&s.a);
		out = guarded(s.blocks * rows * dim * sizeof(float));
		lse = guarded(s.blocks * rows * sizeof(float));
		for (size_t b = 0; b < s.blocks; parts++) {
			elm__attention a = s.a;

			a.out = out + (parts - 1) * rows * dim;
			a.out_stride = shape.group * dim;
			a.lse = lse + (parts - 1) * rows;
			a.first_block = (uint32_t)b;
			b += 1 + random_below(c, 5);
			a.end_block = (uint32_t)(b < s.blocks ? b : s.blocks);
			c->kernels.attention(&a);
		}
		for (size_t r = 0; r < rows; r++) {
			const float *whole =
				s.out + r / shape.group * s.a.out_stride + r % shape.group * dim;

			elm__attention_merge(out + r * dim, rows * dim, lse + r, rows, parts - 1,
					     merged, dim);
			for (size_t j = 0; j < dim; j++)
				if (!close_to(merged[j], (double)whole[j], bound))
					fail(c,
					     "%s queries %u group %u position %u window %u, %zu "
					     "parts: row %zu [%zu] is %g, not %g",
					     elm_type_get(shape.kv_type)->name, shape.queries,
					     shape.group, shape.first_position, shape.window,
					     parts - 1, r, j, (double)merged[j], (double)whole[j]);
		}
		if (!guard_intact(lse, s.blocks * rows * sizeof(float)))
			fail(c, "queries %u group %u: writes behind lse", shape.queries,
			     shape.group);
		release(out);
		release(lse);
		release(merged);
		cache_release(&s);
	}
}

/* --- timing --- */

typedef struct attention_job {
	const elm__kernels *kernels;
	cache *caches; /* one per thread */
} attention_job;

static void attention_member(void *user, unsigned index, unsigned count)
{
	const attention_job *job = user;

	job->kernels->attention(&job->caches[index].a);
}

static void time_attention(bench *b)
{
	static const elm__attention shapes[] = {
		{ .queries = 1, .group = 8, .head_dim = 64, .first_position = 2047 },
		{ .queries = 1, .group = 4, .head_dim = 128, .first_position = 2047 },
		{ .queries = 128, .group = 8, .head_dim = 64, .first_position = 384 },
		{ .queries = 128, .group = 4, .head_dim = 128, .first_position = 1920 },
	};
	unsigned threads = elm__pool_count(b->pool);

	for (size_t t = 0; t < KV_TYPES * sizeof(shapes) / sizeof(shapes[0]); t++) {
		elm__attention shape = shapes[t / KV_TYPES];
		check c = { .random = 1 };
		cache *caches = guarded(threads * sizeof(*caches));
		attention_job job = { &b->kernels, caches };
		double pairs = 0, bytes;
		char name[96];

		shape.kv_type = kv_types[t % KV_TYPES];
		shape.scale = 1 / sqrtf((float)shape.head_dim);
		snprintf(name, sizeof(name), "attention %s q%u g%u d%u @%u",
			 elm_type_get(shape.kv_type)->name, shape.queries, shape.group,
			 shape.head_dim, shape.first_position);
		if (!wanted(b, name)) {
			release(caches);
			continue;
		}
		for (unsigned i = 0; i < threads; i++)
			cache_init(&caches[i], &b->kernels, &c, &shape, FILL_UNIFORM);
		for (uint32_t i = 0; i < shape.queries; i++)
			pairs += shape.first_position + i + 1;
		bytes = 2.0 * (double)(caches[0].blocks *
				       elm__kv_block_bytes(shape.kv_type, shape.head_dim));
		print_time(b, name, fastest(b, attention_member, &job),
			   shape.queries == 1 ? bytes * threads : 0,
			   4.0 * pairs * shape.group * shape.head_dim * threads);
		for (unsigned i = 0; i < threads; i++)
			cache_release(&caches[i]);
		release(caches);
	}
}

const operation attention_operations[] = { { "hadamard", check_hadamard, NULL },
					   { "kv_store", check_kv_store, NULL },
					   { "attention", check_attention, time_attention },
					   { "attention_parts", check_parts, NULL },
					   { NULL, NULL, NULL } };
