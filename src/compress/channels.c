#include "compress/channels.h"

#include <math.h>
#include <string.h>

/* The register tile of products: 4 x 8 sums in vectors of four. */
typedef float vec __attribute__((vector_size(16), aligned(4)));
enum { TILE = 4, WIDE = 8, UNIT = 16 };

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

/* products[i .. i+4)[j .. j+8) */
static void add_tile(elm__channels *c, const float *x, size_t stride, size_t rows, size_t i,
		     size_t j)
{
	vec sums[TILE][2] = { 0 };

	for (size_t t = 0; t < rows; t++) {
		const float *row = x + t * stride;
		vec low, high;

		memcpy(&low, row + j, sizeof(low));
		memcpy(&high, row + j + 4, sizeof(high));
		for (size_t k = 0; k < TILE; k++) {
			sums[k][0] += row[i + k] * low;
			sums[k][1] += row[i + k] * high;
		}
	}
	for (size_t k = 0; k < TILE; k++)
		for (size_t l = 0; l < WIDE; l++)
			c->products[(i + k) * c->cols + j + l] += sums[k][l / 4][l % 4];
}

static void add_edge(elm__channels *c, const float *x, size_t stride, size_t rows, size_t i,
		     size_t j)
{
	float sum = 0;

	for (size_t t = 0; t < rows; t++)
		sum += x[t * stride + i] * x[t * stride + j];
	c->products[i * c->cols + j] += sum;
}

/* The products of channels [i, i + rows of a tile) with all from i on. */
static void add_products(elm__channels *c, const float *x, size_t stride, size_t rows, size_t i)
{
	size_t end = i + TILE < c->cols ? i + TILE : c->cols, j = i;

	if (end == i + TILE)
		for (; j + WIDE <= c->cols; j += WIDE)
			add_tile(c, x, stride, rows, i, j);
	for (; j < c->cols; j++)
		for (size_t k = i; k < end; k++)
			add_edge(c, x, stride, rows, k, j);
}

void elm__channels_add(elm__channels *channels, const float *x, size_t stride, size_t rows,
		       unsigned index, unsigned count_members)
{
	if (!index)
		channels->count += rows;
	/* Units go round the members: those on the left have more products to make. */
	for (size_t unit = index; unit * UNIT < channels->cols; unit += count_members)
		for (size_t i = unit * UNIT; i < (unit + 1) * UNIT && i < channels->cols; i++) {
			add_sums(channels, x, stride, rows, i);
			if (channels->products && i % TILE == 0)
				add_products(channels, x, stride, rows, i);
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
