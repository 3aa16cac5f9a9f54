/*
 * Matrix products and the decoding of rows. The truth is a dot product in double of the decoded
 * weights with the inputs as the kernel was given them: a form that rounds inputs is compared with
 * the rounded inputs, so what is measured is the arithmetic alone.
 *
 * Bound: every product and sum may be rounded to float once per block of 32, relative to the
 * largest weight of its block of 256, or to what that is a difference of in types with a minimum;
 * for the bf16 form inputs are rounded and weights may be truncated to 8 bits.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "quant/half.h"
#include "quant/quant.h"

static const elm_type types[] = { ELM_TYPE_F32,	 ELM_TYPE_F16,	  ELM_TYPE_BF16,  ELM_TYPE_Q4_0,
				  ELM_TYPE_Q4_1, ELM_TYPE_Q5_0,	  ELM_TYPE_Q5_1,  ELM_TYPE_Q8_0,
				  ELM_TYPE_Q2_K, ELM_TYPE_Q3_K,	  ELM_TYPE_Q4_K,  ELM_TYPE_Q5_K,
				  ELM_TYPE_Q6_K, ELM_TYPE_IQ4_NL, ELM_TYPE_IQ4_XS };

enum { TYPES = sizeof(types) / sizeof(types[0]) };

/* A product with everything that belongs to it. */
typedef struct product {
	elm__matrix native; /* rows as in GGUF */
	elm__matrix matrix; /* what the kernel gets: native or packed */
	elm__activations x;
	void *data, *packed, *forms_memory, *scratch;
	float *input, *y;
	size_t y_stride, packed_bytes, forms_bytes, scratch_bytes;
	unsigned forms;
	int kind;
} product;

static void pack(product *p, const elm__kernels *kernels)
{
	size_t groups = (p->native.rows + kernels->interleave - 1) / kernels->interleave;
	elm__packing packing = { kernels->interleave, kernels->offset_q8 };

	p->matrix = p->native;
	p->matrix.interleave = packing.interleave;
	p->matrix.row_bytes = 0;
	p->matrix.group_bytes =
		elm__packed_group_bytes(p->native.type, p->native.cols, packing.interleave);
	p->packed_bytes = groups * p->matrix.group_bytes;
	p->packed = guarded(p->packed_bytes);
	for (size_t g = 0; g < groups; g++)
		elm__pack_group(&p->native, packing, (uint32_t)g * packing.interleave,
				(char *)p->packed + g * p->matrix.group_bytes);
	p->matrix.data = p->packed;
}

static void product_init(product *p, check *c, elm_type type, size_t rows, size_t cols, size_t m,
			 bool packed)
{
	const elm_type_info *info = elm_type_get(type);
	const elm__kernels *k = &c->kernels;

	memset(p, 0, sizeof(*p));
	p->kind = (int)random_below(c, FILLS);
	p->native = (elm__matrix){ .type = type, .rows = (uint32_t)rows, .cols = (uint32_t)cols };
	p->native.row_bytes = cols / info->block_elements * info->block_bytes;
	p->data = guarded(rows * p->native.row_bytes);
	random_blocks(c, type, p->data, rows * (cols / info->block_elements));
	p->native.data = p->data;
	p->matrix = p->native;
	if (packed)
		pack(p, k);
	p->input = guarded(m * (cols + 1) * sizeof(float));
	fill(c, p->input, m * (cols + 1), p->kind);
	p->x = (elm__activations){
		.rows = m, .cols = cols, .f32 = p->input, .f32_stride = cols + 1
	};
	p->forms = k->forms(&p->matrix, m);
	p->forms_bytes = elm__activations_bytes(k, p->forms, m, cols);
	p->forms_memory = guarded(p->forms_bytes);
	elm__activations_place(&p->x, k, p->forms, p->forms_memory);
	p->scratch_bytes = k->matmul_scratch(m, cols);
	p->scratch = guarded(p->scratch_bytes);
	memset(p->scratch, 0xff, p->scratch_bytes); /* NaN: nothing may rely on what is there */
	p->y_stride = rows + 3;
	p->y = guarded(m * p->y_stride * sizeof(float));
	for (size_t i = 0; i < m * p->y_stride; i++)
		p->y[i] = 12345;
}

static void product_release(product *p)
{
	release(p->data);
	release(p->packed);
	release(p->input);
	release(p->forms_memory);
	release(p->scratch);
	release(p->y);
}

/* Prepares and multiplies in pieces, as several threads would. */
static void product_run(product *p, check *c)
{
	size_t rows = p->matrix.rows, split = rows > 16 ? random_below(c, rows / 16) * 16 : 0;

	for (unsigned form = 1; form <= p->forms; form *= 2)
		for (size_t i = 0; (p->forms & form) && i < p->x.rows; i += 16)
			c->kernels.prepare(&p->x, form, i, i + 16 < p->x.rows ? i + 16 : p->x.rows);
	if (split)
		c->kernels.matmul(&p->matrix, &p->x, p->y, p->y_stride, 0, split, p->scratch);
	c->kernels.matmul(&p->matrix, &p->x, p->y, p->y_stride, split, rows, p->scratch);
}

/* Input (i, j) as the kernel was given it. */
static double input(const product *p, size_t i, size_t j)
{
	size_t k = j / ELM__Q8_BLOCK * elm__q8_rows(p->x.rows) + i;
	size_t at = k * ELM__Q8_BLOCK + j % ELM__Q8_BLOCK;

	if (p->forms & ELM__FORM_Q16)
		return (double)p->x.q8_scale[k] *
		       (p->x.q8[at] + p->x.q8_low[at] * (double)ELM__Q16_STEP);
	if (p->forms & ELM__FORM_Q8)
		return (double)p->x.q8_scale[k] * p->x.q8[at];
	return p->x.f32[i * p->x.f32_stride + j];
}

/* Row r as floats, and the size of each: |scale * code| + |offset|. */
static bool decode_row(const product *p, size_t r, float *weights, float *sizes)
{
	const elm_type_info *info = elm_type_get(p->native.type);
	size_t cols = p->native.cols, blocks = cols / info->block_elements;
	const uint8_t *row = (const uint8_t *)p->data + r * p->native.row_bytes;
	uint8_t *copy = guarded(p->native.row_bytes);
	bool ok;

	memcpy(copy, row, p->native.row_bytes);
	remove_minimum(p->native.type, copy, blocks);
	ok = !elm__dequantize_row(p->native.type, row, weights, cols) &&
	     !elm__dequantize_row(p->native.type, copy, sizes, cols);
	release(copy);
	for (size_t j = 0; j < cols; j++)
		sizes[j] = fabsf(sizes[j]) + fabsf(sizes[j] - weights[j]);
	return ok;
}

/* Row r of the weights against all inputs. */
static void check_row(const product *p, check *c, size_t r, float *weights, float *sizes)
{
	size_t cols = p->native.cols;
	double unit = 0x1p-24 * (8 + (double)cols / 32);

	if (p->forms & ELM__FORM_BF16)
		unit += 0x1p-8 + 0x1p-7;
	if (p->forms & ELM__FORM_BF16_SPLIT)
		unit += 0x1p-15;
	if (!decode_row(p, r, weights, sizes)) {
		fail(c, "the reference refuses %s with %zu columns",
		     elm_type_get(p->native.type)->name, cols);
		return;
	}
	for (size_t i = 0; i < p->x.rows; i++) {
		double sum = 0, magnitude = 0;
		float got = p->y[i * p->y_stride + r];

		for (size_t begin = 0; begin < cols; begin += 256) {
			double largest = 0, inputs = 0;

			for (size_t j = begin; j < cols && j < begin + 256; j++) {
				sum += (double)weights[j] * input(p, i, j);
				inputs += fabs(input(p, i, j));
				largest = fmax(largest, (double)sizes[j]);
			}
			magnitude += largest * inputs;
		}
		if (!close_to(got, sum, unit * magnitude + 0x1p-120 * (double)cols))
			fail(c,
			     "%s%s rows %u cols %zu m %zu inputs %d: y[%zu][%zu] is %g, not %g "
			     "(magnitude %g)",
			     elm_type_get(p->native.type)->name, p->packed ? " packed" : "",
			     p->native.rows, cols, p->x.rows, p->kind, i, r, (double)got, sum,
			     magnitude);
	}
}

static void check_guards(const product *p, check *c)
{
	size_t m = p->x.rows, rows = p->native.rows;
	const char *name = elm_type_get(p->native.type)->name;

	if (!guard_intact(p->y, m * p->y_stride * sizeof(float)))
		fail(c, "%s m %zu rows %zu: writes behind the output", name, m, rows);
	if (!guard_intact(p->scratch, p->scratch_bytes))
		fail(c, "%s m %zu rows %zu: writes behind its scratch", name, m, rows);
	if (!guard_intact(p->forms_memory, p->forms_bytes))
		fail(c, "%s m %zu rows %zu: writes behind the prepared inputs", name, m, rows);
	for (size_t i = 0; i < m; i++)
		for (size_t r = rows; r < p->y_stride; r++)
			if (p->y[i * p->y_stride + r] != 12345)
				fail(c, "%s m %zu rows %zu: writes y[%zu][%zu]", name, m, rows, i,
				     r);
}

static void check_one(check *c, elm_type type, bool packed, size_t m)
{
	static const size_t row_counts[] = { 1, 2, 15, 16, 17, 31, 32, 33, 48, 63, 80, 97 };
	const elm_type_info *info = elm_type_get(type);
	size_t rows = row_counts[random_below(c, sizeof(row_counts) / sizeof(row_counts[0]))];
	size_t cols = info->block_elements * (1 + random_below(c, info->block_elements == 1  ? 300 :
								  info->block_elements == 32 ? 12 :
											       3));
	float *weights = guarded(cols * sizeof(float)), *sizes = guarded(cols * sizeof(float));
	product p;

	product_init(&p, c, type, rows, cols, m, packed);
	product_run(&p, c);
	for (size_t r = 0; r < rows; r++)
		check_row(&p, c, r, weights, sizes);
	check_guards(&p, c);
	product_release(&p);
	release(weights);
	release(sizes);
}

static void check_matmul(check *c)
{
	static const size_t ms[] = { 1, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33, 70, 131 };

	for (size_t t = 0; t < TYPES; t++)
		for (size_t i = 0; i < sizeof(ms) / sizeof(ms[0]); i++) {
			check_one(c, types[t], false, ms[i]);
			if (c->kernels.packs(types[t]))
				check_one(c, types[t], true, ms[i]);
		}
}

/* A NaN in one row of inputs makes all of that row's outputs NaN, and no other. */
static void check_nan(check *c)
{
	for (size_t t = 0; t < TYPES; t++)
		for (size_t m = 1; m < 24; m = m * 2 + 1) {
			size_t cols = 512, rows = 40, bad = random_below(c, m);
			product p;

			product_init(&p, c, types[t], rows, cols, m, c->kernels.packs(types[t]));
			fill(c, p.input, m * (cols + 1), FILL_UNIFORM);
			p.input[bad * (cols + 1) + random_below(c, cols)] = NAN;
			product_run(&p, c);
			for (size_t i = 0; i < m; i++)
				for (size_t r = 0; r < rows; r++)
					if (isnan(p.y[i * p.y_stride + r]) != (i == bad))
						fail(c,
						     "%s m %zu: NaN in row %zu, y[%zu][%zu] "
						     "is %g",
						     elm_type_get(types[t])->name, m, bad, i, r,
						     (double)p.y[i * p.y_stride + r]);
			product_release(&p);
		}
}

/* Decoding is exact, bit by bit. */
static void check_dequantize(check *c)
{
	for (size_t t = 0; t < TYPES; t++)
		for (size_t blocks = 1; blocks < 40; blocks += 1 + random_below(c, 5)) {
			const elm_type_info *info = elm_type_get(types[t]);
			size_t n = blocks * info->block_elements;
			void *data = guarded(blocks * info->block_bytes);
			float *want = guarded(n * sizeof(float)), *got = guarded(n * sizeof(float));

			random_blocks(c, types[t], data, blocks);
			if (elm__dequantize_row(types[t], data, want, n))
				fail(c, "the reference refuses %s", info->name);
			c->kernels.dequantize(types[t], data, got, n);
			for (size_t i = 0; i < n; i++)
				if (elm__f32_bits(want[i]) != elm__f32_bits(got[i]))
					fail(c, "%s, %zu blocks: [%zu] is %.9g, not %.9g",
					     info->name, blocks, i, (double)got[i],
					     (double)want[i]);
			if (!guard_intact(got, n * sizeof(float)))
				fail(c, "%s, %zu blocks: writes behind the output", info->name,
				     blocks);
			release(data);
			release(want);
			release(got);
		}
}

/* --- timing --- */

typedef struct matmul_job {
	const elm__kernels *kernels;
	const product *p;
	char *scratch; /* scratch_bytes for each thread */
	size_t scratch_bytes;
} matmul_job;

static void matmul_member(void *user, unsigned index, unsigned count)
{
	const matmul_job *job = user;
	const product *p = job->p;
	size_t units = (p->matrix.rows + 15) / 16;
	size_t begin = units * index / count * 16, end = units * (index + 1) / count * 16;

	if (end > p->matrix.rows)
		end = p->matrix.rows;
	if (begin < end)
		job->kernels->matmul(&p->matrix, &p->x, p->y, p->y_stride, begin, end,
				     job->scratch + index * job->scratch_bytes);
}

/* Makes the matrix `rows` tall by repeating what it has. */
static void repeat_rows(product *p, size_t rows)
{
	size_t once = p->packed ? p->packed_bytes : p->native.rows * p->native.row_bytes;
	size_t times = rows / p->native.rows;
	char *tall = guarded(once * times);

	for (size_t i = 0; i < times; i++)
		memcpy(tall + i * once, p->matrix.data, once);
	release(p->data);
	release(p->packed);
	p->data = NULL;
	p->packed = tall;
	p->matrix.rows = (uint32_t)(times * p->native.rows);
	p->matrix.data = tall;
	p->y_stride = p->matrix.rows;
	release(p->y);
	p->y = guarded(p->x.rows * p->y_stride * sizeof(float));
}

static void time_one(bench *b, elm_type type, size_t m, const char *name)
{
	check c = { .kernels = b->kernels, .random = 5 };
	size_t cols = 2048, rows = 2048;
	double bytes;
	product p;

	product_init(&p, &c, type, 64, cols, m, b->kernels.packs(type));
	fill(&c, p.input, m * (cols + 1), FILL_UNIFORM);
	if (m <= 16)
		rows = (b->megabytes << 20) / p.native.row_bytes / 64 * 64;
	repeat_rows(&p, rows);
	for (unsigned form = 1; form <= p.forms; form *= 2)
		if (p.forms & form)
			b->kernels.prepare(&p.x, form, 0, m);
	matmul_job job = { &b->kernels, &p, NULL, (p.scratch_bytes + 4095) / 4096 * 4096 };
	job.scratch = guarded(job.scratch_bytes * elm__pool_count(b->pool));
	bytes = (double)p.native.row_bytes * p.matrix.rows;
	print_time(b, name, fastest(b, matmul_member, &job), m <= 16 ? bytes : 0,
		   2.0 * (double)p.matrix.rows * (double)cols * (double)m);
	release(job.scratch);
	product_release(&p);
}

static void time_matmul(bench *b)
{
	static const size_t ms[] = { 1, 2, 4, 8, 16, 128, 512 };

	for (size_t i = 0; i < sizeof(ms) / sizeof(ms[0]); i++)
		for (size_t t = 0; t < TYPES; t++) {
			char name[64];

			snprintf(name, sizeof(name), "matmul %s m=%zu",
				 elm_type_get(types[t])->name, ms[i]);
			if (wanted(b, name))
				time_one(b, types[t], ms[i], name);
		}
}

const operation matmul_operations[] = { { "matmul", check_matmul, time_matmul },
					{ "matmul_nan", check_nan, NULL },
					{ "dequantize", check_dequantize, NULL },
					{ NULL, NULL, NULL } };
