#include "compress/awq.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "compress/clip.h"
#include "compress/factor.h"
#include "compress/gptq.h"
#include "quant/quant.h"
#include "quant/scales.h"

/* Exponents tried; rows that the search looks at, whose errors stand for those of all; and how many
 * of these are multiplied together. */
enum { STEPS = 20, SAMPLED_ROWS = 128, ROWS = 16 };

/* A tensor of the layer at hand, as floats. */
struct elm__awq_tensor {
	const elm__quant_item *item;
	size_t index; /* in the plan */
	float *weights;
	size_t rows, cols;
	bool changed;
	void *blocks; /* of feedback */
};
typedef struct elm__awq_tensor tensor;

/* What makes an input: rows (or elements) [first, first + count) of a tensor are divided. */
typedef struct source {
	tensor *matrix, *bias; /* bias NULL where there is none */
	size_t first, count;
	uint32_t group, dim; /* of heads that share a row each, for values; group 1 otherwise */
} source;

/* --- the search --- */

typedef struct search {
	elm__pool *pool;
	const elm__multiplier *multiplier;
	const elm__channels *c;
	tensor *readers[ELM__READERS_MAX];
	size_t n_readers;
	const float *scales;
	float *importance; /* of scaled columns */
	float *scratch;	   /* per member, as search_member has it */
	size_t scratch_floats;
	double *losses; /* per sampled row */
	size_t sampled; /* of each reader */
} search;

/* What a member works on. */
typedef struct workplace {
	float *e, *g;  /* ROWS rows each: errors, and the products with H */
	float *scaled; /* a row */
	void *blocks;  /* of a row: never more than its floats */
} workplace;

static workplace workplace_at(const search *s, unsigned member)
{
	size_t row = s->c->cols;
	workplace w = { .e = s->scratch + member * s->scratch_floats };

	w.g = w.e + ROWS * row;
	w.scaled = w.g + ROWS * row;
	w.blocks = w.scaled + row;
	return w;
}

/* The errors of a row when it is rounded with the scales. */
static bool round_row(const search *s, const workplace *to, const tensor *t, size_t row, float *e)
{
	const float *w = t->weights + row * t->cols;

	for (size_t i = 0; i < t->cols; i++)
		to->scaled[i] = w[i] * s->scales[i];
	if (elm__quantize_row(t->item->type, to->scaled, s->importance, to->blocks, t->cols))
		return false;
	elm__dequant_ref[t->item->type](to->blocks, e, t->cols);
	for (size_t i = 0; i < t->cols; i++)
		e[i] = e[i] / s->scales[i] - w[i];
	return true;
}

/* e^T H e of sampled rows [first, first + count). */
static void search_rows(search *s, const workplace *w, unsigned member, size_t first, size_t count)
{
	bool fine[ROWS];

	for (size_t r = 0; r < count; r++) {
		const tensor *t = s->readers[(first + r) / s->sampled];
		size_t row = (first + r) % s->sampled * t->rows / s->sampled;

		fine[r] = round_row(s, w, t, row, w->e + r * t->cols);
	}
	elm__channels_weigh(s->c, s->multiplier, member, w->e, count, w->g, s->losses + first);
	for (size_t r = 0; r < count; r++)
		if (!fine[r])
			s->losses[first + r] = INFINITY;
}

static void search_member(void *user, unsigned index, unsigned count)
{
	search *s = user;
	workplace w = workplace_at(s, index);
	size_t all = s->n_readers * s->sampled, ticket;

	(void)count;
	while ((ticket = elm__pool_next(s->pool)) * ROWS < all) {
		size_t first = ticket * ROWS;

		search_rows(s, &w, index, first, all - first < ROWS ? all - first : ROWS);
	}
}

static double try_scales(search *s, const float *scales)
{
	double sum = 0;

	s->scales = scales;
	for (size_t i = 0; i < s->c->cols; i++)
		s->importance[i] = s->c->square[i] / (scales[i] * scales[i]);
	elm__pool_run(s->pool, search_member, s);
	for (size_t i = 0; i < s->n_readers * s->sampled; i++) {
		const tensor *t = s->readers[i / s->sampled];

		sum += s->losses[i] * ((double)t->rows / (double)s->sampled);
	}
	return sum;
}

/* Mean magnitude of the weights of each column, over that of the row's largest. */
static void weigh_columns(const search *s, float *mean)
{
	size_t cols = s->c->cols;

	memset(mean, 0, cols * sizeof(*mean));
	for (size_t r = 0; r < s->n_readers; r++)
		for (size_t row = 0; row < s->readers[r]->rows; row++) {
			const float *w = s->readers[r]->weights + row * cols;
			float most = 1e-30f;

			for (size_t i = 0; i < cols; i++)
				most = fmaxf(most, fabsf(w[i]));
			for (size_t i = 0; i < cols; i++)
				mean[i] += fabsf(w[i]) / most;
		}
}

/* Heads that share a value head get one scale for each of its rows: the mean over them. */
static void share_among_heads(const source *from, float *values, size_t n)
{
	size_t dim = from->dim, group = from->group;

	if (group < 2)
		return;
	for (size_t head = 0; head + group <= n / dim; head += group)
		for (size_t d = 0; d < dim; d++) {
			float sum = 0;

			for (size_t h = head; h < head + group; h++)
				sum += values[h * dim + d];
			for (size_t h = head; h < head + group; h++)
				values[h * dim + d] = sum / (float)group;
		}
}

/* a^r / w^q, brought around 1. What is no reasonable number is 1. */
static void make_scales(const float *a, const float *w, size_t n, double r, double q, float *scales)
{
	float least = INFINITY, most = 0, middle;

	for (size_t i = 0; i < n; i++) {
		double value = pow(fmax((double)a[i], 1e-8), r) / pow((double)w[i] + 1e-8, q);

		scales[i] = (float)fmax(value, 1e-4);
		least = fminf(least, scales[i]);
		most = fmaxf(most, scales[i]);
	}
	middle = sqrtf(least) * sqrtf(most);
	for (size_t i = 0; i < n; i++) {
		scales[i] /= middle;
		if (!isfinite(scales[i]) || scales[i] < 1e-3f || scales[i] > 1e3f)
			scales[i] = 1;
	}
}

/* The best scales; all 1 where nothing is better than that. */
static void find_scales(search *s, const source *from, float *a, float *w, float *trial,
			float *best)
{
	size_t cols = s->c->cols;
	double least;

	for (size_t i = 0; i < cols; i++) {
		best[i] = 1;
		a[i] = s->c->magnitude[i] / (float)s->c->count;
	}
	weigh_columns(s, w);
	share_among_heads(from, a, cols);
	share_among_heads(from, w, cols);
	least = try_scales(s, best);
	for (int family = 0; family < 2; family++)
		for (int step = 1; step <= STEPS; step++) {
			double r = (double)step / STEPS, loss;

			make_scales(a, w, cols, r, family ? 1 - r : 0, trial);
			loss = try_scales(s, trial);
			if (loss < least) {
				least = loss;
				memcpy(best, trial, cols * sizeof(*best));
			}
		}
}

/* --- folding --- */

static void apply(search *s, const source *from, const float *scales)
{
	size_t cols = s->c->cols;

	for (size_t r = 0; r < s->n_readers; r++) {
		for (size_t row = 0; row < s->readers[r]->rows; row++)
			for (size_t i = 0; i < cols; i++)
				s->readers[r]->weights[row * cols + i] *= scales[i];
		s->readers[r]->changed = true;
	}
	for (size_t i = 0; i < from->count; i++) {
		/* The first of the heads that share row i. */
		size_t channel = from->group < 2 ?
					 i :
					 i / from->dim * from->group * from->dim + i % from->dim;
		tensor *m = from->matrix;
		float *row = m->weights + (from->first + i) * m->cols;

		for (size_t k = 0; k < m->cols; k++)
			row[k] /= scales[channel];
		if (from->bias)
			from->bias->weights[from->first + i] /= scales[channel];
	}
	from->matrix->changed = true;
	if (from->bias)
		from->bias->changed = true;
}

static tensor *find(elm__awq *a, uint32_t layer, const char *rest)
{
	char name[ELM__TENSOR_NAME_MAX];

	snprintf(name, sizeof(name), "blk.%u.%s", layer, rest);
	for (size_t i = 0; i < a->count; i++)
		if (!strcmp(a->tensors[i].item->tensor->name, name))
			return &a->tensors[i];
	return NULL;
}

/* What makes an input. The matrix is NULL where nothing can take up the scales. */
static source source_of(elm__awq *a, const elm__hparams *hp, elm__role role)
{
	const elm__layer_shape *shape = &hp->shapes[role.layer];
	size_t kv = (size_t)shape->kv_heads * hp->head_dim;
	source s = { .group = 1 };

	switch (role.input) {
	case ELM__INPUT_ATTENTION:
	case ELM__INPUT_FFN:
		s.matrix =
			find(a, role.layer,
			     role.input == ELM__INPUT_FFN ? "ffn_norm.weight" : "attn_norm.weight");
		s.count = hp->width;
		break;
	case ELM__INPUT_OUT:
		s.matrix = find(a, role.layer,
				hp->arch->fused_qkv ? "attn_qkv.weight" : "attn_v.weight");
		s.bias = find(a, role.layer, hp->arch->fused_qkv ? "attn_qkv.bias" : "attn_v.bias");
		s.first = hp->arch->fused_qkv ? (size_t)shape->heads * hp->head_dim + kv : 0;
		s.count = kv;
		s.group = shape->heads / shape->kv_heads;
		s.dim = hp->head_dim;
		break;
	default:
		s.matrix = find(a, role.layer, "ffn_up.weight");
		s.bias = find(a, role.layer, "ffn_up.bias");
		s.first = hp->arch->fused_gate_up ? shape->ffn : 0;
		s.count = shape->ffn;
	}
	/* A norm is one row of the file: its elements are the rows here. */
	if (s.matrix && (role.input == ELM__INPUT_ATTENTION || role.input == ELM__INPUT_FFN)) {
		s.matrix->rows = s.matrix->cols * s.matrix->rows;
		s.matrix->cols = 1;
	}
	if (s.matrix && s.first + s.count > s.matrix->rows)
		s.matrix = NULL;
	return s;
}

static elm_status find_readers(elm__awq *a, const elm__quant_plan *plan, elm__role role, search *s,
			       elm_error *error)
{
	for (size_t i = 0; i < a->count; i++) {
		tensor *t = &a->tensors[i];
		elm__role other;

		if (!elm__role_of(plan->gguf, plan->hp, t->item->tensor->name, &other) ||
		    other.input != role.input)
			continue;
		if (t->cols != s->c->cols)
			return elm_error_set(error, ELM_ERR_FORMAT,
					     "tensor %s has rows of %zu weights; the metadata ask "
					     "for %zu",
					     t->item->tensor->name, t->cols, s->c->cols);
		if (s->n_readers < ELM__READERS_MAX)
			s->readers[s->n_readers++] = t;
	}
	return ELM_OK;
}

/* True when every reader becomes a quantised type; scaling is of no use to others. */
static bool worthwhile(const search *s)
{
	for (size_t i = 0; i < s->n_readers; i++)
		if (elm_type_get(s->readers[i]->item->type)->block_elements == 1)
			return false;
	return s->n_readers > 0 && s->c->count > 0 && s->c->magnitude;
}

static elm_status scale_input(elm__awq *a, const elm__quant_plan *plan, elm__role role,
			      elm_error *error)
{
	search s = { .pool = a->pool,
		     .multiplier = a->multiplier,
		     .c = elm__calib_at(a->calib, role) };
	size_t cols = s.c->cols, members = elm__pool_count(a->pool);
	source from = source_of(a, plan->hp, role);
	elm_status status = find_readers(a, plan, role, &s, error);
	float *memory;

	if (!status)
		status = elm__calib_check_products(a->calib, role, error);
	if (status || !from.matrix || !worthwhile(&s))
		return status;
	s.sampled = SAMPLED_ROWS;
	for (size_t i = 0; i < s.n_readers; i++)
		if (s.readers[i]->rows < s.sampled)
			s.sampled = s.readers[i]->rows;
	s.importance = a->importance[role.input];
	s.scratch_floats = (2 * ROWS + 2) * ((cols + 15) & ~(size_t)15);
	memory = elm__malloc_aligned(64,
				     (4 * cols + 16 + members * s.scratch_floats) * sizeof(float));
	s.losses = elm__calloc(s.n_readers * s.sampled, sizeof(double));
	if (memory && s.losses) {
		s.scratch = memory + ((4 * cols + 15) & ~(size_t)15);
		find_scales(&s, &from, memory, memory + cols, memory + 2 * cols, memory + 3 * cols);
		apply(&s, &from, memory + 3 * cols);
		memcpy(a->scales[role.input], memory + 3 * cols, cols * sizeof(float));
		for (size_t i = 0; i < cols; i++)
			s.importance[i] =
				s.c->square[i] / (memory[3 * cols + i] * memory[3 * cols + i]);
	} else {
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for %zu channels",
				       cols);
	}
	elm__free_aligned(memory);
	elm__free(s.losses);
	return status;
}

/* --- layers --- */

static void forget(elm__awq *a)
{
	for (size_t i = 0; i < a->count; i++) {
		elm__free(a->tensors[i].weights);
		elm__free(a->tensors[i].blocks);
	}
	elm__free(a->tensors);
	for (int i = 0; i < ELM__INPUTS; i++) {
		elm__free(a->importance[i]);
		elm__free(a->scales[i]);
	}
	memset(a->scales, 0, sizeof(a->scales));
	a->tensors = NULL;
	a->count = 0;
	memset(a->importance, 0, sizeof(a->importance));
}

static elm_status load(elm__awq *a, const elm__quant_plan *plan, uint32_t group, elm_error *error)
{
	elm_status status = ELM_OK;

	a->tensors = elm__calloc(plan->count, sizeof(*a->tensors));
	if (!a->tensors)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a layer");
	for (size_t i = 0; i < plan->count && !status; i++) {
		const elm_gguf_tensor *t = plan->items[i].tensor;
		tensor *to = &a->tensors[a->count];

		if (plan->items[i].layer != group || !elm__mix_is_weight_type(t->type))
			continue;
		*to = (tensor){ .item = &plan->items[i],
				.index = i,
				.rows = (size_t)(t->elements / t->dims[0]),
				.cols = (size_t)t->dims[0] };
		to->weights = elm__realloc_array(NULL, (size_t)t->elements, sizeof(float));
		a->count++;
		status = to->weights ? elm__decode_tensor(t, to->weights, error) :
				       elm_error_set(error, ELM_ERR_NO_MEMORY,
						     "out of memory for %s", t->name);
	}
	for (int i = 0; i < ELM__INPUTS && !status; i++) {
		const elm__channels *c =
			elm__calib_at(a->calib, (elm__role){ group - 1, (elm__input)i });

		a->importance[i] = elm__calloc(c->cols, sizeof(float));
		a->scales[i] = elm__calloc(c->cols, sizeof(float));
		if (!a->importance[i] || !a->scales[i])
			return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
		memcpy(a->importance[i], c->square, c->cols * sizeof(float));
		for (size_t k = 0; k < c->cols; k++)
			a->scales[i][k] = 1;
	}
	return status;
}

/* The products of an input whose channels are divided by their scales. */
static void scale_products(const elm__channels *c, const float *scales, float *out)
{
	for (size_t i = 0; i < c->cols; i++)
		for (size_t k = 0; k < c->cols; k++)
			out[i * c->cols + k] =
				c->products[i * c->cols + k] / (scales[i] * scales[k]);
}

/* Finds the codes of a tensor: with feedback where there is a factor U, else with the best scales.
 */
static elm_status encode(elm__awq *a, tensor *t, const elm__channels *c, const float *u,
			 elm_error *error)
{
	elm__gptq_result fed;
	elm__clip_result clipped;

	t->blocks = elm__malloc((size_t)t->item->bytes);
	if (!t->blocks)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for %s",
				     t->item->tensor->name);
	if (u)
		return elm__gptq_encode(a->pool, a->multiplier, t->item->type, t->weights, t->rows,
					c, u, t->blocks, &fed, error);
	return elm__clip_encode(a->pool, a->multiplier, t->item->type, t->weights, t->rows, c,
				t->blocks, &clipped, error);
}

/* Codes of what reads an input, once nothing is scaled any more. */
static elm_status encode_input(elm__awq *a, const elm__quant_plan *plan, elm__role role,
			       elm_error *error)
{
	search s = { .c = elm__calib_at(a->calib, role) };
	size_t n = s.c->cols, square;
	elm__channels c = { .cols = n, .square = a->importance[role.input] };
	elm_status status = find_readers(a, plan, role, &s, error);
	float *memory = NULL, *u = NULL;

	if (status || !s.c->products || !s.c->count)
		return status;
	if (elm__mul(n, n, &square))
		memory = elm__realloc_array(NULL, square, (a->feedback ? 3 : 1) * sizeof(float));
	if (!memory)
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "out of memory for a Hessian of %zu channels", n);
	c.products = memory;
	scale_products(s.c, a->scales[role.input], memory);
	if (a->feedback &&
	    elm__inverse_factor_damped(a->pool, memory, n, memory + square, memory + 2 * square))
		u = memory + 2 * square;
	for (size_t i = 0; i < s.n_readers && !status; i++)
		if (elm__scale_facts_of(s.readers[i]->item->type))
			status = encode(a, s.readers[i], &c, u, error);
	elm__free(memory);
	return status;
}

/* The text passes the layer as it is, and is looked at. */
static void observe(elm__awq *a, uint32_t layer)
{
	elm__calib_observer see = { a->calib, layer, &a->walk->multiplier };
	const elm__observer observer = { elm__calib_see, &see };

	for (int i = 0; i < ELM__INPUTS; i++)
		elm__channels_clear(elm__calib_at(a->calib, (elm__role){ layer, (elm__input)i }));
	for (uint32_t w = 0; w < a->walk->windows; w++)
		elm__walk_step(a->walk, &observer);
	for (int i = 0; i < ELM__INPUTS; i++)
		elm__channels_mirror(elm__calib_at(a->calib, (elm__role){ layer, (elm__input)i }));
}

elm_status elm__awq_prepare(void *awq, const elm__quant_plan *plan, uint32_t group,
			    elm__substitute *out, elm_error *error)
{
	elm__awq *a = awq;
	elm_status status;

	forget(a);
	if (!group || group > plan->hp->layers)
		return a->walk ? ELM_OK : elm__imatrix_prepare(a->calib, plan, group, out, error);
	if (a->walk)
		observe(a, group - 1);
	status = elm__imatrix_prepare(a->calib, plan, group, out, error);
	if (!status)
		status = load(a, plan, group, error);
	for (int i = 0; i < ELM__INPUTS && !status; i++)
		status = scale_input(a, plan, (elm__role){ group - 1, (elm__input)i }, error);
	for (int i = 0; i < ELM__INPUTS && !status; i++)
		status = encode_input(a, plan, (elm__role){ group - 1, (elm__input)i }, error);
	for (size_t i = 0; i < a->count && !status; i++) {
		const tensor *t = &a->tensors[i];
		elm__role role;

		out[t->index].weights = t->changed ? t->weights : NULL;
		out[t->index].blocks = t->blocks;
		/* A reader that was scaled has the importance of what it reads now. */
		if (elm__role_of(plan->gguf, plan->hp, t->item->tensor->name, &role))
			out[t->index].importance = a->importance[role.input];
	}
	return status;
}

void elm__awq_release(elm__awq *a)
{
	forget(a);
	memset(a, 0, sizeof(*a));
}
