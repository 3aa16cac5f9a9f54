#include "bench/limit.h"

#include "base/pool.h"
#include "cpu/cpu.h"
#include "model/core.h"

enum { READ, F32, INT8, BF16, LIMITS };
static const char *const limit_names[] = { "read", "f32", "int8", "bf16" };

typedef struct cost {
	double of[LIMITS]; /* bytes, then operations */
} cost;

static double matrix_bytes(const elm__matrix *m)
{
	if (!m->interleave)
		return (double)m->rows * (double)m->row_bytes;
	return (double)((m->rows + m->interleave - 1) / m->interleave) * (double)m->group_bytes;
}

/* A product of `rows` inputs. */
static void add_product(cost *c, const elm__kernels *k, const elm__matrix *m, uint32_t rows)
{
	double operations = 2.0 * rows * m->rows * m->cols;
	unsigned forms;

	if (!rows)
		return;
	forms = k->forms(m, rows);
	c->of[READ] += matrix_bytes(m);
	if (forms & (ELM__FORM_BF16 | ELM__FORM_BF16_SPLIT))
		c->of[BF16] += operations;
	else if (forms & (ELM__FORM_Q8 | ELM__FORM_Q16))
		c->of[INT8] += operations;
	else
		c->of[F32] += operations;
}

/* One pass of `rows` tokens, the logits of `wanted` of which are asked for: of the others the last
 * layer needs only keys and values. */
static cost pass_cost(const elm_model *model, uint32_t rows, uint32_t wanted)
{
	const elm__kernels *k = &model->kernels;
	cost c = { { 0 } };

	for (uint32_t i = 0; i < model->hparams.layers; i++) {
		const elm__layer *l = &model->weights.layers[i];
		uint32_t through = i + 1 == model->hparams.layers ? wanted : rows;

		add_product(&c, k, &l->k, rows);
		add_product(&c, k, &l->v, rows);
		add_product(&c, k, &l->q, through);
		add_product(&c, k, &l->out, through);
		add_product(&c, k, &l->gate, through);
		add_product(&c, k, &l->up, through);
		add_product(&c, k, &l->down, through);
	}
	add_product(&c, k, &model->weights.output, wanted);
	return c;
}

uint64_t elm__bench_weight_bytes(const elm_model *model)
{
	return (uint64_t)pass_cost(model, 1, 1).of[READ];
}

/* Adds `times` passes to the seconds spent on each limit; false when a peak is missing. */
static bool add_passes(double spent[LIMITS], const cost *c, double times, const elm__peaks *peaks)
{
	double rates[LIMITS] = { peaks->read, peaks->f32, peaks->int8, peaks->bf16 };
	double computing = 0;

	for (int i = 0; i < LIMITS; i++)
		if (c->of[i] > 0 && rates[i] <= 0)
			return false;
	for (int i = F32; i < LIMITS; i++)
		computing += c->of[i] > 0 ? c->of[i] / rates[i] : 0;
	if (c->of[READ] / rates[READ] >= computing) {
		spent[READ] += times * c->of[READ] / rates[READ];
		return true;
	}
	for (int i = F32; i < LIMITS; i++)
		if (c->of[i] > 0)
			spent[i] += times * c->of[i] / rates[i];
	return true;
}

elm__bench_limit elm__bench_limit_of(const elm_model *model, const elm__bench_case *what,
				     const elm__peaks *peaks)
{
	elm__bench_limit limit = { 0, limit_names[READ] };
	uint64_t rows = (uint64_t)what->prompt * what->sequences;
	uint32_t together = what->ubatch < what->batch ? what->ubatch : what->batch;
	double spent[LIMITS] = { 0 };
	bool known = true;
	cost c;

	if (rows) {
		uint32_t last = (uint32_t)((rows - 1) % together + 1);

		c = pass_cost(model, together, 0);
		known = add_passes(spent, &c, (double)((rows - 1) / together), peaks);
		c = pass_cost(model, last, what->sequences);
		known = known && add_passes(spent, &c, 1, peaks);
	}
	if (what->generate) {
		c = pass_cost(model, what->sequences, what->sequences);
		known = known && add_passes(spent, &c, what->generate, peaks);
	}
	for (int i = 0, most = 0; i < LIMITS && known; i++) {
		limit.seconds += spent[i];
		if (spent[i] > spent[most])
			most = i;
		limit.by = limit_names[most];
	}
	return limit;
}

elm_status elm__bench_measure_peaks(const elm_model *model, uint32_t threads, elm__peaks *out,
				    elm_error *error)
{
	enum { MOST = 256 << 20, LEAST = 1 << 20 };
	uint64_t weights = elm__bench_weight_bytes(model);
	size_t bytes = weights < LEAST ? LEAST : weights > MOST ? MOST : (size_t)weights;
	unsigned cpus[ELM__POOL_MAX], cores = elm__cpu_select("", cpus, ELM__POOL_MAX);
	elm_status status;
	elm__pool *pool;

	status = elm__pool_create(threads, threads <= cores ? cpus : NULL, &pool, error);
	if (status != ELM_OK)
		return status;
	status = elm__peaks_measure(pool, model->kernels.features, bytes, out, error);
	elm__pool_free(pool);
	return status;
}
