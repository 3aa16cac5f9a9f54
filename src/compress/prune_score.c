/* prune_score.c: how much each part of a layer matters. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "compress/prune.h"
#include "compress/quantize.h"
#include "model/core.h"
#include "quant/quant.h"

/* Sums over the weights of a matrix, by row and by column. */
typedef struct sums {
	double *rows;	       /* of squares */
	double *columns;       /* of squares */
	double *magnitudes;    /* of columns */
	size_t n_rows, n_cols; /* 0: there is no such matrix */
} sums;

typedef struct scorer {
	const elm_gguf *gguf;
	const elm__hparams *hp;
	elm__arena arena; /* of the layer at hand */
	elm_error *error;
} scorer;

static elm_status no_memory(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for scores");
}

static elm_status interrupted(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_CANCELLED, "interrupted; nothing was written");
}

static elm_status sum_up(scorer *s, uint32_t layer, const char *name, sums *out)
{
	char full[ELM__TENSOR_NAME_MAX];
	const elm_gguf_tensor *t;
	elm_status status = ELM_OK;
	float *row;

	memset(out, 0, sizeof(*out));
	snprintf(full, sizeof(full), "blk.%u.%s.weight", layer, name);
	t = elm_gguf_tensor_find(s->gguf, full);
	if (!t)
		return ELM_OK;
	out->n_cols = (size_t)t->dims[0];
	out->n_rows = (size_t)(t->elements / t->dims[0]);
	out->rows = elm__arena_calloc(&s->arena, out->n_rows, sizeof(double));
	out->columns = elm__arena_calloc(&s->arena, out->n_cols, sizeof(double));
	out->magnitudes = elm__arena_calloc(&s->arena, out->n_cols, sizeof(double));
	row = elm__arena_calloc(&s->arena, out->n_cols, sizeof(float));
	if (!out->rows || !out->columns || !out->magnitudes || !row)
		return no_memory(s->error);
	for (size_t r = 0; r < out->n_rows && !status; r++) {
		status = elm__decode_tensor_row(t, r, row, s->error);
		for (size_t i = 0; i < out->n_cols && !status; i++) {
			double weight = (double)row[i];

			out->rows[r] += weight * weight;
			out->columns[i] += weight * weight;
			out->magnitudes[i] += fabs(weight);
		}
	}
	return status;
}

/* Adds numbers[first ...], `each` for every part, to the parts. */
static void add(const double *numbers, size_t first, size_t each, size_t parts, float *out)
{
	for (size_t i = 0; numbers && i < parts; i++)
		for (size_t k = 0; k < each; k++)
			out[i] += (float)numbers[first + i * each + k];
}

static elm_status add_magnitudes(scorer *s, uint32_t layer, const elm__units *u)
{
	static const char *const names[] = { "attn_q",	 "attn_k", "attn_v",	  "attn_qkv",
					     "ffn_gate", "ffn_up", "attn_output", "ffn_down" };
	enum { Q, K, V, QKV, GATE, UP, OUT, DOWN, MATRICES };
	const elm__layer_shape *shape = &s->hp->shapes[layer];
	size_t dim = s->hp->head_dim, q = shape->heads * dim, kv = shape->kv_heads * dim;
	elm_status status = ELM_OK;
	sums m[MATRICES];

	for (int i = 0; i < MATRICES && !status; i++)
		status = sum_up(s, layer, names[i], &m[i]);
	if (status)
		return status;
	add(m[Q].rows, 0, dim, shape->heads, u->heads);
	add(m[QKV].rows, 0, dim, shape->heads, u->heads);
	add(m[OUT].columns, 0, dim, shape->heads, u->heads);
	add(m[K].rows, 0, dim, shape->kv_heads, u->kv_heads);
	add(m[V].rows, 0, dim, shape->kv_heads, u->kv_heads);
	add(m[QKV].rows, q, dim, shape->kv_heads, u->kv_heads);
	add(m[QKV].rows, q + kv, dim, shape->kv_heads, u->kv_heads);
	add(m[GATE].rows, 0, 1, shape->ffn, u->neurons);
	add(m[UP].rows, 0, 1, shape->ffn, u->neurons);
	if (s->hp->arch->fused_gate_up)
		add(m[UP].rows, shape->ffn, 1, shape->ffn, u->neurons);
	add(m[DOWN].columns, 0, 1, shape->ffn, u->neurons);
	return ELM_OK;
}

/* The score of each channel that a matrix reads, in place of the sums of its columns. */
static void weigh(elm__prune_score score, const elm__channels *c, sums *m)
{
	double n = (double)c->count;

	for (size_t i = 0; i < m->n_cols; i++) {
		double square = (double)c->square[i];

		if (score == ELM__SCORE_WANDA) {
			m->columns[i] = m->magnitudes[i] / (double)m->n_rows * sqrt(square);
		} else {
			double mean = (double)c->sum[i] / n, variance = square / n - mean * mean;

			m->columns[i] *= variance > 0 ? variance : 0;
		}
	}
}

static elm_status check_inputs(const scorer *s, elm__prune_score score, const elm__calib *calib,
			       elm__role role, const sums *m)
{
	const elm__channels *c = elm__calib_at(calib, role);

	if (!c->count)
		return elm_error_set(s->error, ELM_ERR_ARGUMENT,
				     "the calibration has not seen layer %u; make it with edgelm "
				     "calibrate",
				     role.layer);
	if (score == ELM__SCORE_FLAP && !c->sum)
		return elm_error_set(s->error, ELM_ERR_ARGUMENT,
				     "the calibration has no means of inputs, as those of other "
				     "programs; make it with edgelm calibrate, or use --score "
				     "wanda");
	if (m->n_cols != c->cols)
		return elm_error_set(s->error, ELM_ERR_FORMAT,
				     "%s: layer %u has rows of %zu weights where the metadata ask "
				     "for %zu",
				     elm_gguf_path(s->gguf), role.layer, m->n_cols, c->cols);
	return ELM_OK;
}

static elm_status add_inputs(scorer *s, elm__prune_score score, const elm__calib *calib,
			     uint32_t layer, const elm__units *u)
{
	const elm__layer_shape *shape = &s->hp->shapes[layer];
	const elm__role out = { layer, ELM__INPUT_OUT }, down = { layer, ELM__INPUT_DOWN };
	sums m[2];
	elm_status status = sum_up(s, layer, "attn_output", &m[0]);

	if (!status)
		status = sum_up(s, layer, "ffn_down", &m[1]);
	if (!status)
		status = check_inputs(s, score, calib, out, &m[0]);
	if (!status)
		status = check_inputs(s, score, calib, down, &m[1]);
	if (status)
		return status;
	weigh(score, elm__calib_at(calib, out), &m[0]);
	weigh(score, elm__calib_at(calib, down), &m[1]);
	add(m[0].columns, 0, s->hp->head_dim, shape->heads, u->heads);
	add(m[1].columns, 0, 1, shape->ffn, u->neurons);
	return ELM_OK;
}

elm_status elm__prune_find_scores(elm__prune_score score, const elm_gguf *gguf,
				  const elm__hparams *hp, const elm__calib *calib,
				  elm__compress_progress *progress, void *user, elm__units *units,
				  elm_error *error)
{
	scorer s = { .gguf = gguf, .hp = hp, .error = error };
	elm_status status = ELM_OK;

	for (uint32_t i = 0; i < hp->layers && !status; i++) {
		elm__arena_init(&s.arena, 0);
		status = score == ELM__SCORE_MAGNITUDE ? add_magnitudes(&s, i, &units[i]) :
							 add_inputs(&s, score, calib, i, &units[i]);
		elm__arena_release(&s.arena);
		if (!status && progress && progress(user, i + 1, hp->layers))
			status = interrupted(error);
	}
	return status;
}

/* --- layers --- */

/* The sum over the rows of a window of 1 - the cosine between them. */
static double change_of(const float *before, const float *after, size_t rows, size_t width)
{
	double sum = 0;

	for (size_t r = 0; r < rows; r++) {
		const float *a = before + r * width, *b = after + r * width;
		double aa = 0, bb = 0, ab = 0;

		for (size_t i = 0; i < width; i++) {
			aa += (double)a[i] * (double)a[i];
			bb += (double)b[i] * (double)b[i];
			ab += (double)a[i] * (double)b[i];
		}
		sum += aa > 0 && bb > 0 ? 1 - ab / sqrt(aa * bb) : 1;
	}
	return sum;
}

elm_status elm__prune_layer_changes(elm__walk *walk, elm__compress_progress *progress, void *user,
				    double *changes, elm_error *error)
{
	const elm_model *model = walk->model;
	size_t width = model->hparams.width, floats = (size_t)walk->window * width;
	uint64_t steps = (uint64_t)model->hparams.layers * walk->windows;
	float *before = elm__realloc_array(NULL, floats, sizeof(*before));
	elm_status status = before ? ELM_OK : no_memory(error);

	for (uint64_t step = 0; step < steps && !status; step++) {
		uint32_t layer = walk->layer, window = walk->done;
		const float *state = elm__walk_state(walk, window);

		if (!window)
			changes[layer] = 0;
		/* Layer 0 finds embeddings, which are made on the way: it is never compared. */
		memcpy(before, state, floats * sizeof(*before));
		elm__walk_step(walk, NULL);
		if (layer)
			changes[layer] += change_of(before, state, walk->window, width) /
					  ((double)walk->windows * walk->window);
		else
			changes[layer] = INFINITY;
		if (progress && progress(user, step + 1, steps))
			status = interrupted(error);
	}
	elm__free(before);
	return status;
}
