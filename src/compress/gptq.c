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

/* Rows that are worked on together. */
enum { ROWS = 16 };

typedef struct job {
	elm__pool *pool;
	const elm__multiplier *multiplier;
	elm_type type;
	const float *weights, *u;
	const elm__channels *c;
	size_t rows, cols, row_bytes, block_bytes, block;
	char *out;
	char *scratch; /* per member, as `batch` has it */
	size_t scratch_bytes;
	double *errors[2]; /* per row: with feedback, rounded */
	atomic_int status;
} job;

/* What a member works on, ROWS rows of each. */
typedef struct batch {
	unsigned member;
	size_t first, count; /* rows */
	float *w;	     /* weights as they are now, then H e */
	float *e;	     /* errors of a block, negative, over U[i][i]; then of all weights */
	char *rounded;	     /* blocks */
} batch;

/* Rounds weights [at, at + block) of a row on the grid that fits them as they are now, feeds the
 * errors to the rest of the block, and keeps them for what comes after it. */
static elm_status feed_block(const job *j, float *w, size_t at, char *block, float *errors)
{
	uint8_t codes[ELM__BLOCK_SUPER];
	elm__grid grid;
	elm_status status = elm__quantize_row(j->type, w + at, j->c->square + at, block, j->block);

	if (status || !elm__grid_load(j->type, block, &grid))
		return status;
	for (size_t i = 0; i < j->block; i++) {
		const float *u = j->u + (at + i) * j->cols + at;
		float decoded;

		codes[i] = elm__grid_code(&grid, (int)i, w[at + i], &decoded);
		errors[i] = (decoded - w[at + i]) / u[i];
		for (size_t k = i + 1; k < j->block; k++)
			w[at + k] += errors[i] * u[k];
	}
	elm__codes_store(j->type, codes, block);
	return ELM_OK;
}

/* Feeds the errors of the block at `at` to all weights that come after it. */
static void feed_rest(const job *j, const batch *b, size_t at)
{
	size_t next = at + j->block;
	const elm__gemm product = { .m = b->count,
				    .n = j->cols - next,
				    .k = j->block,
				    .a = b->e,
				    .a_row = j->block,
				    .a_col = 1,
				    .b = j->u + at * j->cols + next,
				    .b_row = j->cols,
				    .b_col = 1,
				    .c = b->w + next,
				    .c_row = j->cols,
				    .add = true };

	if (next < j->cols)
		elm__multiply(j->multiplier, b->member, &product);
}

/* The cost of rows as they are encoded. */
static void weigh(const job *j, const batch *b, const char *blocks, double *errors)
{
	for (size_t r = 0; r < b->count; r++) {
		const float *weights = j->weights + (b->first + r) * j->cols;
		float *e = b->e + r * j->cols;

		elm__dequant_ref[j->type](blocks + r * j->row_bytes, e, j->cols);
		for (size_t i = 0; i < j->cols; i++)
			e[i] -= weights[i];
	}
	elm__channels_weigh(j->c, j->multiplier, b->member, b->e, b->count, b->w,
			    errors + b->first);
}

static elm_status encode_rows(const job *j, const batch *b)
{
	const float *weights = j->weights + b->first * j->cols;
	char *out = j->out + b->first * j->row_bytes;
	elm_status status = ELM_OK;

	for (size_t r = 0; r < b->count && !status; r++)
		status = elm__quantize_row(j->type, weights + r * j->cols, j->c->square,
					   b->rounded + r * j->row_bytes, j->cols);
	memcpy(b->w, weights, b->count * j->cols * sizeof(*weights));
	for (size_t at = 0; at < j->cols && !status; at += j->block) {
		for (size_t r = 0; r < b->count && !status; r++)
			status = feed_block(j, b->w + r * j->cols, at,
					    out + r * j->row_bytes + at / j->block * j->block_bytes,
					    b->e + r * j->block);
		if (!status)
			feed_rest(j, b, at);
	}
	if (status)
		return status;
	weigh(j, b, out, j->errors[0]);
	weigh(j, b, b->rounded, j->errors[1]);
	for (size_t r = 0; r < b->count; r++)
		if (!(j->errors[0][b->first + r] < j->errors[1][b->first + r]))
			memcpy(out + r * j->row_bytes, b->rounded + r * j->row_bytes, j->row_bytes);
	return ELM_OK;
}

static void encode_member(void *user, unsigned index, unsigned count)
{
	job *j = user;
	size_t ticket;
	batch b = { .member = index };

	(void)count;
	b.w = (float *)(void *)(j->scratch + index * j->scratch_bytes);
	b.e = b.w + ROWS * j->cols;
	b.rounded = (char *)(b.e + ROWS * j->cols);
	while ((ticket = elm__pool_next(j->pool)) * ROWS < j->rows && !atomic_load(&j->status)) {
		elm_status status;

		b.first = ticket * ROWS;
		b.count = j->rows - b.first < ROWS ? j->rows - b.first : ROWS;
		status = encode_rows(j, &b);
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

elm_status elm__gptq_encode(elm__pool *pool, const elm__multiplier *multiplier, elm_type type,
			    const float *weights, size_t rows, const elm__channels *c,
			    const float *u, void *blocks, elm__gptq_result *result,
			    elm_error *error)
{
	const elm_type_info *info = elm_type_get(type);
	job j = { .pool = pool,
		  .multiplier = multiplier,
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
	j.scratch_bytes = (ROWS * (2 * j.cols * sizeof(float) + j.row_bytes) + 63) & ~(size_t)63;
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
	elm__calib_observer see = { g->calib, role.layer, &g->walk->multiplier };
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
			status = elm__gptq_encode(g->pool, g->multiplier, item->type, weights, rows,
						  c, u, blocks, &result, error);
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
