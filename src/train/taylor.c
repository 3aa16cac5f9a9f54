#include "train/taylor.h"

#include <math.h>
#include <string.h>

#include "train/state.h"

/* Adds |weight x derivative| over rows [0, parts x each) of a matrix that begins at `offset`. */
static void add_rows(const elm__trainer *t, size_t offset, size_t parts, size_t each, size_t cols,
		     float *out)
{
	for (size_t p = 0; p < parts; p++) {
		const float *w = t->weights + offset + p * each * cols;
		const float *g = t->gradient + offset + p * each * cols;
		double sum = 0;

		for (size_t i = 0; i < each * cols; i++)
			sum += fabs((double)w[i] * (double)g[i]);
		out[p] += (float)sum;
	}
}

/* The same over columns, of which every part has `each`. */
static void add_columns(const elm__trainer *t, size_t offset, size_t parts, size_t each,
			size_t rows, float *out)
{
	size_t cols = parts * each;

	for (size_t r = 0; r < rows; r++) {
		const float *w = t->weights + offset + r * cols,
			    *g = t->gradient + offset + r * cols;

		for (size_t p = 0; p < parts; p++)
			for (size_t i = p * each; i < (p + 1) * each; i++)
				out[p] += fabsf(w[i] * g[i]);
	}
}

static void add_layer(const elm__trainer *t, uint32_t layer, const elm__units *u)
{
	const elm__hparams *hp = &t->hparams;
	const elm__layer_shape *s = &hp->shapes[layer];
	const elm__param_layer *at = &t->params.layers[layer];
	size_t width = hp->width, dim = hp->head_dim, q = s->heads * dim, kv = s->kv_heads * dim;

	add_rows(t, at->qkv, s->heads, dim, width, u->heads);
	add_columns(t, at->out, s->heads, dim, width, u->heads);
	add_rows(t, at->qkv + q * width, s->kv_heads, dim, width, u->kv_heads);
	add_rows(t, at->qkv + (q + kv) * width, s->kv_heads, dim, width, u->kv_heads);
	add_rows(t, at->gate_up, s->ffn, 1, width, u->neurons);
	add_rows(t, at->gate_up + s->ffn * width, s->ffn, 1, width, u->neurons);
	add_columns(t, at->down, s->ffn, 1, width, u->neurons);
	if (at->qkv_bias == ELM__PARAM_NONE)
		return;
	add_rows(t, at->qkv_bias, s->heads, dim, 1, u->heads);
	add_rows(t, at->qkv_bias + q, s->kv_heads, dim, 1, u->kv_heads);
	add_rows(t, at->qkv_bias + q + kv, s->kv_heads, dim, 1, u->kv_heads);
}

elm_status elm__taylor_scores(elm__trainer *t, const elm__corpus *corpus,
			      const elm__taylor_options *options, elm__units *units,
			      elm_error *error)
{
	elm__feed feed;
	elm_status status = elm__feed_init_plain(&feed, corpus, t->options.context, error);
	size_t n = feed.count, gradient_bytes = t->params.floats * sizeof(*t->gradient);

	if (status)
		return status;
	if (options->windows && options->windows < n)
		n = options->windows;
	for (size_t i = 0; i < n && !status;) {
		elm__train_loss loss = { 0 };
		elm__train_batch batch;

		i = elm__trainer_pack(t, corpus, feed.windows, i, n, &batch);
		batch.weight = 1 / (float)batch.rows;
		memset(t->gradient, 0, gradient_bytes);
		elm__pass_run(t->pass, &batch, t->weights, t->gradient, &loss);
		for (uint32_t layer = 0; layer < t->hparams.layers; layer++)
			add_layer(t, layer, &units[layer]);
		if (options->progress && options->progress(options->user, i, n))
			status = elm_error_set(error, ELM_ERR_CANCELLED,
					       "interrupted; nothing was written");
	}
	memset(t->gradient, 0, gradient_bytes);
	elm__feed_release(&feed);
	return status;
}
