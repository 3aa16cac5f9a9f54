#include "train/optimizer.h"

#include <math.h>
#include <string.h>

/* Floats that are summed before all others, so that sums do not depend on the threads. */
enum { CHUNK = 4096 };

double elm__schedule_rate(const elm__schedule *s, uint64_t step)
{
	const double pi = 3.14159265358979323846;
	double done;

	if (step < s->warmup)
		return s->peak * (double)(step + 1) / (double)s->warmup;
	if (step >= s->steps)
		return s->low;
	done = (double)(step - s->warmup) / (double)(s->steps - s->warmup);
	return s->low + (s->peak - s->low) * 0.5 * (1 + cos(pi * done));
}

size_t elm__optimizer_partials(const elm__params *params)
{
	return (params->floats + CHUNK - 1) / CHUNK;
}

typedef struct job {
	elm__optimizer *optimizer;
	const elm__params *params;
	const elm__kernels *k;
	float *weights, *gradient;
	elm__adamw how;
} job;

static size_t chunk_end(const job *j, size_t begin)
{
	return j->params->floats - begin < CHUNK ? j->params->floats : begin + CHUNK;
}

static void square_member(void *user, unsigned index, unsigned count)
{
	const job *j = user;
	size_t begin, end;

	elm__pool_share(j->params->floats, CHUNK, index, count, &begin, &end);
	for (; begin < end; begin += CHUNK) {
		const float *g = j->gradient + begin;

		j->optimizer->partial[begin / CHUNK] =
			(double)j->k->dot(g, g, chunk_end(j, begin) - begin);
	}
}

/* Floats [begin, end), of which those from `matrices` on belong to vectors. */
static void update(const job *j, size_t begin, size_t end, float decay)
{
	elm__adamw how = j->how;

	if (begin >= end)
		return;
	how.decay = decay;
	j->k->adamw(&how, j->weights + begin, j->gradient + begin, j->optimizer->mean + begin,
		    j->optimizer->square + begin, end - begin);
	memset(j->gradient + begin, 0, (end - begin) * sizeof(float));
}

static void update_member(void *user, unsigned index, unsigned count)
{
	const job *j = user;
	size_t matrices = j->params->matrices, begin, end;

	elm__pool_share(j->params->floats, CHUNK, index, count, &begin, &end);
	for (; begin < end; begin += CHUNK) {
		size_t stop = chunk_end(j, begin), middle = matrices < begin ? begin : matrices;

		if (middle > stop)
			middle = stop;
		update(j, begin, middle, (float)j->optimizer->decay);
		update(j, middle, stop, 0);
	}
}

elm_status elm__optimizer_step(elm__optimizer *o, const elm__params *params,
			       const elm__kernels *kernels, elm__pool *pool, double rate,
			       float *weights, float *gradient, double *length, elm_error *error)
{
	job j = { .optimizer = o,
		  .params = params,
		  .k = kernels,
		  .weights = weights,
		  .gradient = gradient };
	double squares = 0, step = (double)o->steps + 1;

	elm__pool_run(pool, square_member, &j);
	for (size_t i = 0; i < elm__optimizer_partials(params); i++)
		squares += o->partial[i];
	*length = sqrt(squares);
	if (!isfinite(*length))
		return elm_error_set(error, ELM_ERR_LIMIT,
				     "the gradient of step %llu is not finite: the weights run "
				     "away; train with a lower learning rate or more warm-up",
				     (unsigned long long)o->steps + 1);
	j.how = (elm__adamw){ .rate = (float)rate,
			      .beta1 = (float)o->beta1,
			      .beta2 = (float)o->beta2,
			      .epsilon = (float)o->epsilon,
			      .unbias1 = (float)(1 / (1 - pow(o->beta1, step))),
			      .unbias2 = (float)(1 / (1 - pow(o->beta2, step))),
			      .scale = o->clip > 0 && *length > o->clip ?
					       (float)(o->clip / *length) :
					       1 };
	elm__pool_run(pool, update_member, &j);
	o->steps++;
	return ELM_OK;
}
