#include "base/exactmath.h"

#include <math.h>

double elm__log(double x)
{
	/* x = m * 2^e with m around 1; ln m = 2 artanh((m - 1) / (m + 1)), |s| < 0.172. */
	int e;
	double m = frexp(x, &e), s, s2, sum = 0;

	if (m < 0.70710678118654752440) {
		m *= 2;
		e--;
	}
	s = (m - 1) / (m + 1);
	s2 = s * s;
	for (int k = 21; k >= 3; k -= 2)
		sum = (sum + 1.0 / k) * s2;
	return 2 * (s + s * sum) + (double)e * 0.69314718055994530942;
}
