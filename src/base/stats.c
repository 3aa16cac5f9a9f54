#include "base/stats.h"

/* Heap sort: no recursion, no memory, no bad case. */
static void sift_down(double *values, size_t at, size_t count)
{
	double moving = values[at];

	for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
		if (child + 1 < count && values[child + 1] > values[child])
			child++;
		if (values[child] <= moving)
			break;
		values[at] = values[child];
		at = child;
	}
	values[at] = moving;
}

void elm__sort_doubles(double *values, size_t count)
{
	for (size_t i = count / 2; i-- > 0;)
		sift_down(values, i, count);
	for (size_t end = count; end-- > 1;) {
		double largest = values[0];

		values[0] = values[end];
		values[end] = largest;
		sift_down(values, 0, end);
	}
}

double elm__quantile(const double *sorted, size_t count, double q)
{
	double rank;
	size_t low;

	if (!count)
		return 0;
	rank = q * (double)(count - 1);
	low = (size_t)rank;
	if (low + 1 >= count)
		return sorted[count - 1];
	return sorted[low] + (rank - (double)low) * (sorted[low + 1] - sorted[low]);
}

elm__summary elm__summarize(double *values, size_t count)
{
	elm__summary summary = { .n = count };
	double sum = 0;

	if (!count)
		return summary;
	elm__sort_doubles(values, count);
	for (size_t i = 0; i < count; i++)
		sum += values[i];
	summary.mean = sum / (double)count;
	summary.minimum = values[0];
	summary.maximum = values[count - 1];
	summary.p50 = elm__quantile(values, count, 0.50);
	summary.p95 = elm__quantile(values, count, 0.95);
	summary.p99 = elm__quantile(values, count, 0.99);
	return summary;
}
