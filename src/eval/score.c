#include "eval/score.h"

#include <math.h>

#include "base/stats.h"

elm__proportion elm__proportion_of(size_t right, size_t count)
{
	const double z = 1.959963984540054;
	double n = (double)count, p = (double)right / n, scale = 1 + z * z / n;
	double middle = (p + z * z / (2 * n)) / scale;
	double half = z / scale * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
	elm__proportion out = { .value = p, .error = half / z };

	/* At the ends the formula gives 0 and 1 but for rounding. */
	out.low = right ? middle - half : 0;
	out.high = right < count ? middle + half : 1;
	return out;
}

elm__auroc elm__auroc_of(double *positive, size_t positives, double *negative, size_t negatives)
{
	double m = (double)positives, n = (double)negatives, won = 0, a, q1, q2, variance;
	size_t below = 0, equal = 0;
	elm__auroc out;

	elm__sort_doubles(positive, positives);
	elm__sort_doubles(negative, negatives);
	for (size_t i = 0; i < positives; i++) {
		while (below < negatives && negative[below] < positive[i])
			below++;
		if (equal < below)
			equal = below;
		while (equal < negatives && negative[equal] == positive[i])
			equal++;
		won += (double)below + 0.5 * (double)(equal - below);
	}
	a = won / (m * n);
	q1 = a / (2 - a);
	q2 = 2 * a * a / (1 + a);
	variance = (a * (1 - a) + (m - 1) * (q1 - a * a) + (n - 1) * (q2 - a * a)) / (m * n);
	out.value = a;
	out.error = variance > 0 ? sqrt(variance) : 0;
	return out;
}
