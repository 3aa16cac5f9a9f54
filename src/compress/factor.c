#include "compress/factor.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

typedef struct job {
	elm__pool *pool;
	float *r, *u;
	size_t n;
	atomic_bool failed;
} job;

double elm__exact_dot(const float *a, const float *b, size_t n)
{
	double sums[4] = { 0 };
	size_t i = 0;

	for (; i + 4 <= n; i += 4)
		for (size_t k = 0; k < 4; k++)
			sums[k] += (double)a[i + k] * (double)b[i + k];
	for (; i < n; i++)
		sums[0] += (double)a[i] * (double)b[i];
	return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* Column k of R, for rows that are this member's, once all columns right of it are there. */
static void factor_member(void *user, unsigned index, unsigned count)
{
	job *j = user;
	size_t n = j->n;

	for (size_t k = n; k-- > 0;) {
		float *row = j->r + k * n;
		double diagonal =
			(double)row[k] - elm__exact_dot(row + k + 1, row + k + 1, n - k - 1);

		/* Every member computes the diagonal for itself; it is stored after the column. */
		if (!(diagonal > 0) || !isfinite(diagonal)) {
			atomic_store(&j->failed, true);
			return; /* all of them: they see the same number */
		}
		diagonal = sqrt(diagonal);
		for (size_t i = index; i < k; i += count) {
			float *other = j->r + i * n;
			double rest = (double)other[k] -
				      elm__exact_dot(other + k + 1, row + k + 1, n - k - 1);

			other[k] = (float)(rest / diagonal);
		}
		elm__pool_barrier(j->pool);
		if (!index)
			row[k] = (float)diagonal;
		elm__pool_barrier(j->pool);
	}
}

/* The columns of U = R^-1 from `begin` to `end`: row i follows from the rows below it. */
static void invert_columns(const job *j, size_t begin, size_t end)
{
	size_t n = j->n;

	for (size_t i = end; i-- > 0;) {
		float *row = j->u + i * n;
		size_t first = begin > i ? begin : i;
		double diagonal = (double)j->r[i * n + i];

		for (size_t c = first; c < end; c++)
			row[c] = c == i ? -1 : 0;
		for (size_t m = i + 1; m < end; m++) {
			const float *below = j->u + m * n;
			float factor = j->r[i * n + m];

			for (size_t c = first > m ? first : m; c < end; c++)
				row[c] += factor * below[c];
		}
		for (size_t c = first; c < end; c++)
			row[c] = (float)(-(double)row[c] / diagonal);
	}
}

static void invert_member(void *user, unsigned index, unsigned count)
{
	enum { COLUMNS = 64 };
	job *j = user;

	(void)index;
	(void)count;
	for (size_t ticket; (ticket = elm__pool_next(j->pool)) * COLUMNS < j->n;) {
		size_t begin = ticket * COLUMNS, end = begin + COLUMNS;

		invert_columns(j, begin, end < j->n ? end : j->n);
	}
}

bool elm__inverse_factor(elm__pool *pool, const float *h, size_t n, double damping, float *scratch,
			 float *u)
{
	job j = { .pool = pool, .r = scratch, .u = u, .n = n };
	double trace = 0;

	memcpy(scratch, h, n * n * sizeof(*h));
	for (size_t i = 0; i < n; i++)
		trace += (double)h[i * n + i];
	for (size_t i = 0; i < n; i++) {
		float *diagonal = &scratch[i * n + i];

		if (!(*diagonal > 0))
			*diagonal = 1;
		*diagonal += (float)(damping * trace / (double)n);
	}
	elm__pool_run(pool, factor_member, &j);
	if (atomic_load(&j.failed))
		return false;
	elm__pool_run(pool, invert_member, &j);
	return true;
}

bool elm__inverse_factor_damped(elm__pool *pool, const float *h, size_t n, float *scratch, float *u)
{
	for (double damping = 0.01; damping < 1; damping *= 2)
		if (elm__inverse_factor(pool, h, n, damping, scratch, u))
			return true;
	return false;
}
