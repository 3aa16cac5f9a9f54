#include "compress/gptq.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "compress/factor.h"
#include "model/core.h"
#include "quant/codes.h"
#include "quant/quant.h"

/* --- one matrix --- */

typedef struct job {
	elm__pool *pool;
	elm_type type;
	const float *weights, *u;
	const elm__channels *c;
	size_t rows, cols, row_bytes, block_bytes, block;
	char *out;
	char *scratch; /* per member: 2 rows of floats and a row of blocks */
	size_t scratch_bytes;
	double *errors[2]; /* per row: with feedback, rounded */
	atomic_int status;
} job;

/* Rounds weights [at, at + block) of a row on the grid that fits them as they are now, and feeds
 * the errors to all that come. Returns what the errors cost. */
static double feed_block(const job *j, float *w, size_t at, void *block, elm_status *status)
{
	uint8_t codes[ELM__BLOCK_SUPER];
	float errors[ELM__BLOCK_SUPER];
	double cost = 0;
	elm__grid grid;

	*status = elm__quantize_row(j->type, w + at, j->c->square + at, block, j->block);
	if (*status || !elm__grid_load(j->type, block, &grid))
		return 0;
	for (size_t i = 0; i < j->block; i++) {
		const float *u = j->u + (at + i) * j->cols + at;
		float decoded;

		codes[i] = elm__grid_code(&grid, (int)i, w[at + i], &decoded);
		errors[i] = (w[at + i] - decoded) / u[i];
		cost += (double)errors[i] * (double)errors[i];
		for (size_t k = i + 1; k < j->block; k++)
			w[at + k] -= errors[i] * u[k];
	}
	elm__codes_store(j->type, codes, block);
	for (size_t i = 0; i < j->block; i++) {
		const float *u = j->u + (at + i) * j->cols;

		for (size_t k = at + j->block; k < j->cols; k++)
			w[k] -= errors[i] * u[k];
	}
	return cost;
}

/* e^T H e for the errors of a row. */
static double cost_of(const job *j, const float *e)
{
	double cost = 0;

	for (size_t i = 0; i < j->cols; i++) {
		const float *h = j->c->products + i * j->cols;
		double sums[4] = { 0 };

		for (size_t k = 0; k + 4 <= j->cols; k += 4)
			for (size_t l = 0; l < 4; l++)
				sums[l] += (double)h[k + l] * (double)e[k + l];
		cost += (double)e[i] * ((sums[0] + sums[1]) + (sums[2] + sums[3]));
	}
	return cost;
}

/* The cost of a row as it is encoded; `e` is scratch. */
static double encoded_cost(const job *j, const float *weights, const void *blocks, float *e)
{
	elm__dequant_ref[j->type](blocks, e, j->cols);
	for (size_t i = 0; i < j->cols; i++)
		e[i] = weights[i] - e[i];
	return cost_of(j, e);
}

static elm_status encode_row(const job *j, size_t row, char *scratch)
{
	const float *weights = j->weights + row * j->cols;
	char *out = j->out + row * j->row_bytes;
	float *w = (float *)(void *)scratch, *e = w + j->cols;
	char *rounded = (char *)(void *)(e + j->cols);
	elm_status status = elm__quantize_row(j->type, weights, j->c->square, rounded, j->cols);

	memcpy(w, weights, j->cols * sizeof(*w));
	for (size_t at = 0; at < j->cols && !status; at += j->block)
		feed_block(j, w, at, out + at / j->block * j->block_bytes, &status);
	if (status)
		return status;
	j->errors[0][row] = encoded_cost(j, weights, out, e);
	j->errors[1][row] = encoded_cost(j, weights, rounded, e);
	if (!(j->errors[0][row] < j->errors[1][row]))
		memcpy(out, rounded, j->row_bytes);
	return ELM_OK;
}

static void encode_member(void *user, unsigned index, unsigned count)
{
	job *j = user;
	size_t row;

	(void)count;
	while ((row = elm__pool_next(j->pool)) < j->rows && !atomic_load(&j->status)) {
		elm_status status = encode_row(j, row, j->scratch + index * j->scratch_bytes);

		if (status)
			atomic_store(&j->status, status);
	}
}

static void sum_up(const job *j, elm__gptq_result *result)
{
	memset(result, 0, sizeof(*result));
	for (size_t i = 0; i < j->rows; i++) {
		double fed = j->errors[0][i], rounded = j->errors[1][i];

		result->rows += fed < rounded;
		result->error += fed < rounded ? fed : rounded;
		result->rounded += rounded;
	}
}

elm_status elm__gptq_encode(elm__pool *pool, elm_type type, const float *weights, size_t rows,
			    const elm__channels *c, const float *u, void *blocks,
			    elm__gptq_result *result, elm_error *error)
{
	const elm_type_info *info = elm_type_get(type);
	job j = { .pool = pool,
		  .type = type,
		  .weights = weights,
		  .u = u,
		  .c = c,
		  .rows = rows,
		  .cols = c->cols,
		  .block = info->block_elements,
		  .block_bytes = info->block_bytes,
		  .out = blocks };
	elm_status status;

	j.row_bytes = j.cols / j.block * j.block_bytes;
	j.scratch_bytes = (2 * j.cols * sizeof(float) + j.row_bytes + 63) & ~(size_t)63;
	j.scratch = elm__malloc_aligned(64, elm__pool_count(pool) * j.scratch_bytes);
	j.errors[0] = elm__calloc(rows, sizeof(double));
	j.errors[1] = elm__calloc(rows, sizeof(double));
	if (!j.scratch || !j.errors[0] || !j.errors[1]) {
		status =
			elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for %zu rows", rows);
	} else {
		elm__pool_run(pool, encode_member, &j);
		status = (elm_status)atomic_load(&j.status);
		if (status)
			status = elm_error_set(error, status,
					       "a weight or the calibration is infinite or not a "
					       "number");
		else
			sum_up(&j, result);
	}
	elm__free_aligned(j.scratch);
	elm__free(j.errors[0]);
	elm__free(j.errors[1]);
	return status;
}

/* --- whole layers --- */

static elm__role role_at(uint32_t layer, int input)
{
	return (elm__role){ layer, (elm__input)input };
}

/* What quantised layers before and quantised parts of this one make the input see. */
static elm_status look(elm__gptq *g, elm__role role, elm_error *error)
{
	elm__calib_observer see = { g->calib, role.layer };
	const elm__observer observer = { elm__calib_see, &see };
	elm__channels *c = elm__calib_at(g->calib, role);

	if (!g->walk)
		return elm__calib_check_products(g->calib, role, error);
	for (int i = 0; i < ELM__INPUTS; i++)
		elm__channels_clear(elm__calib_at(g->calib, role_at(role.layer, i)));
	for (uint32_t w = 0; w < g->walk->windows; w++)
		elm__walk_look(g->walk, w, &observer);
	elm__channels_mirror(c);
	for (size_t i = 0; i < c->cols; i++)
		if (!isfinite(c->square[i]))
			return elm_error_set(error, ELM_ERR_FORMAT,
					     "layer %u computes infinite values or NaN; the "
					     "weights are damaged",
					     role.layer);
	return ELM_OK;
}

static elm_status make_room(elm__gptq *g, size_t cols, elm_error *error)
{
	size_t floats;

	if (cols <= g->room)
		return ELM_OK;
	elm__free(g->scratch);
	elm__free(g->u);
	g->scratch = g->u = NULL;
	g->room = 0;
	if (elm__mul(cols, cols, &floats)) {
		g->scratch = elm__realloc_array(NULL, floats, sizeof(float));
		g->u = elm__realloc_array(NULL, floats, sizeof(float));
	}
	if (!g->scratch || !g->u)
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "out of memory: the Hessian of %zu channels takes %zu MiB "
				     "three times",
				     cols, (cols * cols * sizeof(float)) >> 20);
	g->room = cols;
	return ELM_OK;
}

/* The layer computes with the blocks from here on, where its matrix was part of the tensor. */
static void install(elm_model *model, uint32_t layer, const elm__quant_item *item,
		    const void *blocks)
{
	elm__layer *l = &model->weights.layers[layer];
	elm__matrix *all[] = { &l->q, &l->k, &l->v, &l->out, &l->gate, &l->up, &l->down };
	const elm_gguf_tensor *t = item->tensor;
	uint64_t rows = t->elements / t->dims[0];

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		elm__matrix *m = all[i];
		const char *at = m->data, *begin = t->data;

		if (at < begin || at >= begin + t->bytes)
			continue;
		m->data = (const char *)blocks +
			  (size_t)(at - begin) / m->row_bytes * (item->bytes / rows);
		m->row_bytes = (size_t)(item->bytes / rows);
		m->type = item->type;
	}
}

/* Encodes one tensor. Where U is NULL, or its type has no grid, it is rounded. */
static elm_status encode(elm__gptq *g, const elm__quant_item *item, elm__role role, const float *u,
			 elm__substitute *out, elm_error *error)
{
	const elm_gguf_tensor *t = item->tensor;
	const elm__channels *c = elm__calib_at(g->calib, role);
	elm__substitute rounding = { .importance = c->count ? c->square : NULL };
	size_t rows = (size_t)(t->elements / t->dims[0]);
	void *blocks = elm__malloc((size_t)item->bytes);
	float *weights = NULL;
	elm_status status = ELM_OK;
	elm__gptq_result result;

	if (!blocks)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for %s", t->name);
	g->blocks[g->n_blocks++] = blocks;
	if (u && elm_type_get(item->type)->block_elements > 1) {
		weights = elm__realloc_array(NULL, (size_t)t->elements, sizeof(float));
		if (!weights)
			return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for %s",
					     t->name);
		status = elm__decode_tensor(t, weights, error);
		if (!status)
			status = elm__gptq_encode(g->pool, item->type, weights, rows, c, u, blocks,
						  &result, error);
		elm__free(weights);
		if (!status) {
			g->rows += rows;
			g->improved += result.rows;
		}
	} else {
		status =
			elm__encode_rows(g->pool, t, item->type, &rounding, 0, rows, blocks, error);
		g->rounded += elm_type_get(item->type)->block_elements > 1;
	}
	out->blocks = blocks;
	if (!status && g->walk && role.layer < g->calib->layers)
		install(g->walk->model, role.layer, item, blocks);
	return status;
}

/* All tensors of the plan that read one input. */
static elm_status prepare_input(elm__gptq *g, const elm__quant_plan *plan, elm__role role,
				elm__substitute *out, elm_error *error)
{
	const elm__channels *c = elm__calib_at(g->calib, role);
	elm_status status = look(g, role, error);
	const float *u = NULL;

	if (!status && c->products && c->count) {
		status = make_room(g, c->cols, error);
		if (!status &&
		    elm__inverse_factor_damped(g->pool, c->products, c->cols, g->scratch, g->u))
			u = g->u;
	}
	for (size_t i = 0; i < plan->count && !status; i++) {
		elm__role other;

		if (plan->items[i].layer == role.layer + 1 &&
		    elm__role_of(plan->gguf, plan->hp, plan->items[i].tensor->name, &other) &&
		    other.input == role.input)
			status = encode(g, &plan->items[i], role, u, &out[i], error);
	}
	return status;
}

elm_status elm__gptq_prepare(void *gptq, const elm__quant_plan *plan, uint32_t group,
			     elm__substitute *out, elm_error *error)
{
	elm__gptq *g = gptq;
	elm_status status = ELM_OK;

	while (g->n_blocks)
		elm__free(g->blocks[--g->n_blocks]);
	/* The embedding and the output are rounded. */
	if (!group || group > plan->hp->layers)
		return g->walk ? ELM_OK : elm__imatrix_prepare(g->calib, plan, group, out, error);
	for (int input = 0; input < ELM__INPUTS && !status; input++)
		status = prepare_input(g, plan, role_at(group - 1, input), out, error);
	/* On to the next layer, with the blocks in place while they are there. */
	for (uint32_t w = 0; g->walk && w < g->walk->windows && !status; w++)
		elm__walk_step(g->walk, NULL);
	return status;
}

void elm__gptq_release(elm__gptq *g)
{
	while (g->n_blocks)
		elm__free(g->blocks[--g->n_blocks]);
	elm__free(g->scratch);
	elm__free(g->u);
	memset(g, 0, sizeof(*g));
}
