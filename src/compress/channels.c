#include "compress/channels.h"

#include <math.h>
#include <string.h>

/* Channels whose sums and products one member makes at a time. */
enum { UNIT = 64 };

/* Sums of channel i, in double over one call, so that long texts lose nothing. */
static void add_sums(elm__channels *c, const float *x, size_t stride, size_t rows, size_t i)
{
	double sum = 0, magnitude = 0, square = 0;

	for (size_t t = 0; t < rows; t++) {
		double value = (double)x[t * stride + i];

		sum += value;
		magnitude += fabs(value);
		square += value * value;
	}
	c->square[i] += (float)square;
	if (c->sum)
		c->sum[i] += (float)sum;
	if (c->magnitude)
		c->magnitude[i] += (float)magnitude;
}

/* Products of channels [i, end) with all from i on. */
static void add_products(elm__channels *c, const elm__multiplier *m, const float *x, size_t stride,
			 size_t rows, size_t i, size_t end, unsigned index)
{
	const elm__gemm product = { .m = end - i,
				    .n = c->cols - i,
				    .k = rows,
				    .a = x + i,
				    .a_row = 1,
				    .a_col = stride,
				    .b = x + i,
				    .b_row = stride,
				    .b_col = 1,
				    .c = c->products + i * c->cols + i,
				    .c_row = c->cols,
				    .add = true };

	elm__multiply(m, index, &product);
}

void elm__channels_add(elm__channels *channels, const elm__multiplier *m, const float *x,
		       size_t stride, size_t rows, unsigned index, unsigned count_members)
{
	if (!index)
		channels->count += rows;
	/* Units go round the members: those on the left have more products to make. */
	for (size_t unit = index; unit * UNIT < channels->cols; unit += count_members) {
		size_t begin = unit * UNIT, end = begin + UNIT;

		end = end < channels->cols ? end : channels->cols;
		for (size_t i = begin; i < end; i++)
			add_sums(channels, x, stride, rows, i);
		if (channels->products)
			add_products(channels, m, x, stride, rows, begin, end, index);
	}
}

void elm__channels_weigh(const elm__channels *c, const elm__multiplier *m, unsigned member,
			 const float *e, size_t rows, float *g, double *errors)
{
	const elm__gemm product = { .m = rows,
				    .n = c->cols,
				    .k = c->cols,
				    .a = e,
				    .a_row = c->cols,
				    .a_col = 1,
				    .b = c->products,
				    .b_row = c->cols,
				    .b_col = 1,
				    .c = g,
				    .c_row = c->cols };

	if (c->products)
		elm__multiply(m, member, &product);
	for (size_t r = 0; r < rows; r++) {
		double sum = 0;

		for (size_t i = 0; i < c->cols; i++) {
			size_t at = r * c->cols + i;

			if (!c->products)
				g[at] = c->square[i] * e[at];
			sum += (double)e[at] * (double)g[at];
		}
		errors[r] = sum;
	}
}

void elm__channels_mirror(elm__channels *channels)
{
	float *p = channels->products;
	size_t n = channels->cols;

	for (size_t i = 0; p && i < n; i++)
		for (size_t j = 0; j < i; j++)
			p[i * n + j] = p[j * n + i];
}

void elm__channels_clear(elm__channels *channels)
{
	size_t bytes = channels->cols * sizeof(float);

	channels->count = 0;
	memset(channels->square, 0, bytes);
	if (channels->sum)
		memset(channels->sum, 0, bytes);
	if (channels->magnitude)
		memset(channels->magnitude, 0, bytes);
	if (channels->products)
		memset(channels->products, 0, bytes * channels->cols);
}
