#include "compress/reconstruct.h"

#include <string.h>

#include "base/alloc.h"
#include "compress/factor.h"

/* Rows that are worked on together, so that what they all read is read once. */
enum { TOGETHER = 8 };

typedef struct job {
	elm__pool *pool;
	const float *h, *weights;
	size_t rows, cols, n_kept, n_gone;
	const uint32_t *kept;
	uint32_t *gone;
	double damping;	    /* d */
	float *square, *u;  /* kept x kept: H[K,K], then scratch; its inverse is u^T u */
	float *cross;	    /* gone x kept: H[P,K] */
	float *links;	    /* gone x kept: the prediction of what goes, cross (H[K,K] + d I)^-1 */
	float *before;	    /* gone x gone: H[P,P] */
	float *after;	    /* gone x gone: what of it the prediction leaves */
	double *sums;	    /* per member, TOGETHER x kept */
	double *bare, *err; /* per row */
	float *out;
} job;

/* The next TOGETHER of n rows, or fewer at the end; false when there are no more. */
static bool next_rows(elm__pool *pool, size_t n, size_t *begin, size_t *end)
{
	*begin = elm__pool_next(pool) * TOGETHER;
	*end = *begin + TOGETHER < n ? *begin + TOGETHER : n;
	return *begin < n;
}

/* Rows [begin, end) of links: cross u^T u, in two steps. */
static void link_rows(const job *j, size_t begin, size_t end, double *sums)
{
	size_t k = j->n_kept;

	for (size_t a = 0; a < k; a++) {
		const float *u = j->u + a * k;

		for (size_t i = begin; i < end; i++)
			j->links[i * k + a] =
				(float)elm__exact_dot(u + a, j->cross + i * k + a, k - a);
	}
	memset(sums, 0, (end - begin) * k * sizeof(*sums));
	for (size_t a = 0; a < k; a++) {
		const float *u = j->u + a * k;

		for (size_t i = begin; i < end; i++) {
			double *sum = sums + (i - begin) * k, factor = (double)j->links[i * k + a];

			for (size_t b = a; b < k; b++)
				sum[b] += factor * (double)u[b];
		}
	}
	for (size_t i = begin; i < end; i++)
		for (size_t b = 0; b < k; b++)
			j->links[i * k + b] = (float)sums[(i - begin) * k + b];
}

static void link_member(void *user, unsigned index, unsigned count)
{
	job *j = user;
	size_t begin, end;

	(void)count;
	while (next_rows(j->pool, j->n_gone, &begin, &end))
		link_rows(j, begin, end, j->sums + index * TOGETHER * j->n_kept);
}

/*
 * With A the links and B = cross, the error of predicting is H[P,P] - A B^T - B A^T + A H[K,K] A^T,
 * and A (H[K,K] + d I) = B makes that H[P,P] - A B^T - d A A^T.
 */
static void measure_member(void *user, unsigned index, unsigned count)
{
	job *j = user;
	size_t begin, end, k = j->n_kept;

	(void)index;
	(void)count;
	while (next_rows(j->pool, j->n_gone, &begin, &end))
		for (size_t b = 0; b < j->n_gone; b++)
			for (size_t a = begin; a < end; a++) {
				const float *link = j->links + a * k;
				double explained =
					elm__exact_dot(link, j->cross + b * k, k) +
					j->damping * elm__exact_dot(link, j->links + b * k, k);
				size_t at = a * j->n_gone + b;

				j->after[at] = (float)((double)j->before[at] - explained);
			}
}

/* w^T m w for the weights of a row that go. */
static double cost_of(const job *j, const float *row, const float *m)
{
	double cost = 0;

	for (size_t a = 0; a < j->n_gone; a++) {
		double sum = 0;

		for (size_t b = 0; b < j->n_gone; b++)
			sum += (double)m[a * j->n_gone + b] * (double)row[j->gone[b]];
		cost += (double)row[j->gone[a]] * sum;
	}
	return cost > 0 ? cost : 0;
}

static void rewrite_rows(const job *j, size_t begin, size_t end)
{
	size_t k = j->n_kept;

	for (size_t r = begin; r < end; r++)
		for (size_t i = 0; i < k; i++)
			j->out[r * k + i] = j->weights[r * j->cols + j->kept[i]];
	for (size_t p = 0; p < j->n_gone; p++) {
		const float *link = j->links + p * k;

		for (size_t r = begin; r < end; r++) {
			float weight = j->weights[r * j->cols + j->gone[p]], *out = j->out + r * k;

			for (size_t i = 0; i < k; i++)
				out[i] += weight * link[i];
		}
	}
	for (size_t r = begin; r < end; r++) {
		j->bare[r] = cost_of(j, j->weights + r * j->cols, j->before);
		j->err[r] = cost_of(j, j->weights + r * j->cols, j->after);
	}
}

static void rewrite_member(void *user, unsigned index, unsigned count)
{
	job *j = user;
	size_t begin, end;

	(void)index;
	(void)count;
	while (next_rows(j->pool, j->rows, &begin, &end))
		rewrite_rows(j, begin, end);
}

/* out = h[rows, cols] */
static void gather(const job *j, const uint32_t *rows, size_t n_rows, const uint32_t *cols,
		   size_t n_cols, float *out)
{
	for (size_t a = 0; a < n_rows; a++)
		for (size_t b = 0; b < n_cols; b++)
			out[a * n_cols + b] = j->h[rows[a] * j->cols + cols[b]];
}

/* With as little damping as it takes, from 0.1 % of the mean of the diagonal; without links when
 * 100 % does not do. */
static bool solve(job *j)
{
	double trace = 0;

	gather(j, j->kept, j->n_kept, j->kept, j->n_kept, j->square);
	gather(j, j->gone, j->n_gone, j->kept, j->n_kept, j->cross);
	gather(j, j->gone, j->n_gone, j->gone, j->n_gone, j->before);
	memcpy(j->after, j->before, j->n_gone * j->n_gone * sizeof(*j->after));
	for (size_t i = 0; i < j->n_kept; i++)
		trace += (double)j->square[i * j->n_kept + i];
	for (double part = 1e-3; part < 1; part *= 2) {
		float *scratch = j->square + j->n_kept * j->n_kept;

		if (!elm__inverse_factor(j->pool, j->square, j->n_kept, part, scratch, j->u))
			continue;
		j->damping = part * trace / (double)j->n_kept;
		elm__pool_run(j->pool, link_member, j);
		elm__pool_run(j->pool, measure_member, j);
		return true;
	}
	return false;
}

static bool take(float **out, size_t rows, size_t cols)
{
	size_t count;

	*out = elm__mul(rows, cols, &count) ? elm__calloc(count ? count : 1, sizeof(float)) : NULL;
	return *out != NULL;
}

static bool take_memory(job *j)
{
	j->gone = elm__calloc(j->n_gone + 1, sizeof(*j->gone));
	j->sums = elm__realloc_array(NULL, j->n_kept,
				     TOGETHER * elm__pool_count(j->pool) * sizeof(*j->sums));
	j->bare = elm__calloc(j->rows, sizeof(*j->bare));
	j->err = elm__calloc(j->rows, sizeof(*j->err));
	return j->gone && j->sums && j->bare && j->err &&
	       take(&j->square, 2 * j->n_kept, j->n_kept) && take(&j->u, j->n_kept, j->n_kept) &&
	       take(&j->cross, j->n_gone, j->n_kept) && take(&j->links, j->n_gone, j->n_kept) &&
	       take(&j->before, j->n_gone, j->n_gone) && take(&j->after, j->n_gone, j->n_gone);
}

static void release(job *j)
{
	elm__free(j->gone);
	elm__free(j->sums);
	elm__free(j->bare);
	elm__free(j->err);
	elm__free(j->square);
	elm__free(j->u);
	elm__free(j->cross);
	elm__free(j->links);
	elm__free(j->before);
	elm__free(j->after);
}

static void find_gone(job *j)
{
	size_t next = 0, n = 0;

	for (uint32_t i = 0; i < j->cols; i++)
		if (next < j->n_kept && j->kept[next] == i)
			next++;
		else
			j->gone[n++] = i;
}

elm_status elm__reconstruct(elm__pool *pool, const elm__channels *c, const float *weights,
			    size_t rows, const uint32_t *kept, size_t n_kept, float *out,
			    elm__reconstruction *result, elm_error *error)
{
	job j = { .pool = pool,
		  .h = c->products,
		  .weights = weights,
		  .rows = rows,
		  .cols = c->cols,
		  .n_kept = n_kept,
		  .n_gone = c->cols - n_kept,
		  .kept = kept,
		  .out = out };
	elm_status status = ELM_OK;

	memset(result, 0, sizeof(*result));
	if (!take_memory(&j)) {
		status = elm_error_set(error, ELM_ERR_NO_MEMORY,
				       "out of memory: reconstruction for %zu channels takes about "
				       "%zu MiB",
				       j.cols, (4 * j.cols * j.cols * sizeof(float)) >> 20);
	} else {
		find_gone(&j);
		result->solved = solve(&j);
		elm__pool_run(pool, rewrite_member, &j);
		for (size_t r = 0; r < rows; r++) {
			result->bare += j.bare[r];
			result->error += j.err[r];
		}
	}
	release(&j);
	return status;
}
