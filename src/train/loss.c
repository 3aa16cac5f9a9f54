/*
 * The output matrix and the loss. Logits exist for a few rows at a time only, and only for rows
 * that have a target: a large vocabulary would take more memory than all layers together.
 */
#include <math.h>
#include <string.h>

#include "train/internal.h"

/* Cross entropy of one row of logits: turns z into the derivatives, times `weight`. */
static double cross_entropy(const elm__kernels *k, float *z, size_t n, elm_token target,
			    float weight)
{
	float most = k->max(z, n), wanted = z[target], sum = k->exp_sum(z, most, 1, z, n);

	k->scale(z, weight / sum, n);
	z[target] -= weight;
	return log((double)sum) + (double)most - (double)wanted;
}

/*
 * The divergence of what the student says (q: its logits z, which become probabilities at the
 * temperature t) from the lesson: t^2 times the sum of p (log p - log q) over the lesson's tokens
 * and over the rest as one. Adds the derivatives with respect to z, times `weight`, to `slope`:
 * t (q - p) for the lesson's tokens and t q (1 - p_rest / q_rest) for the others (Hinton et al.,
 * 2015).
 */
static double divergence(const elm__kernels *k, const elm__lesson *lesson, size_t row, float *q,
			 float *slope, size_t n, float weight)
{
	const uint32_t *tokens = lesson->tokens + row * lesson->count;
	const float *likelihoods = lesson->likelihoods + row * lesson->count;
	const float t = lesson->temperature;
	double p_rest = 1, q_rest = 1, loss = 0, factor = 1;
	float most = k->max(q, n), sum = k->exp_sum(q, most, 1 / t, q, n);

	k->scale(q, 1 / sum, n);
	for (uint32_t i = 0; i < lesson->count; i++) {
		double p = exp((double)likelihoods[i]), ours = (double)q[tokens[i]];

		p_rest -= p;
		q_rest -= ours;
		if (p > 0)
			loss += p * ((double)likelihoods[i] - log(fmax(ours, 1e-30)));
	}
	p_rest = fmax(p_rest, 0);
	q_rest = lesson->count < n ? fmax(q_rest, 1e-7) : 0;
	if (q_rest > 0) {
		factor = 1 - p_rest / q_rest;
		if (p_rest > 1e-7)
			loss += p_rest * log(p_rest / q_rest);
	}
	/* As if all were of the rest, then the lesson's tokens put right. */
	for (uint32_t i = 0; i < lesson->count; i++) {
		double p = exp((double)likelihoods[i]), ours = (double)q[tokens[i]];

		slope[tokens[i]] += weight * t * (float)(ours - p - ours * factor);
	}
	k->scale(q, weight * t * (float)factor, n);
	k->add(slope, q, n);
	return loss * (double)t * (double)t;
}

/* The losses of row `at` among the selected; its logits become derivatives. */
static void row_loss(const elm__pass_member *me, size_t at, float *z)
{
	elm__pass *p = me->p;
	const elm__train_batch *b = p->batch;
	size_t n = p->hp->vocabulary, row = p->selected[at];
	elm_token target = b->targets[row];
	double entropy, taught;

	if (!b->lesson) {
		p->row_entropy[at] = p->row_loss[at] = cross_entropy(p->k, z, n, target, b->weight);
		return;
	}
	memcpy(me->own->row, z, n * sizeof(float));
	entropy = cross_entropy(p->k, z, n, target, b->weight * (1 - b->lesson->share));
	taught = divergence(p->k, b->lesson, row, me->own->row, z, n, b->weight * b->lesson->share);
	p->row_entropy[at] = entropy;
	p->row_loss[at] =
		(double)b->lesson->share * taught + (1 - (double)b->lesson->share) * entropy;
}

/* One chunk of the selected rows: logits, losses, and back to the hidden rows. */
static void loss_chunk(const elm__pass_member *me, size_t first, size_t n)
{
	elm__pass *p = me->p;
	size_t width = p->hp->width, vocabulary = p->hp->vocabulary;
	const float *output = p->w + p->params->output;
	elm__pass_member rows = *me;

	elm__pool_share(n, 4, me->index, me->count, &rows.begin, &rows.end);
	for (size_t i = rows.begin; i < rows.end; i++)
		p->k->rms_norm(p->last + p->selected[first + i] * width,
			       p->w + p->params->output_norm, p->hp->norm_epsilon,
			       p->hidden + (first + i) * width, width);
	elm__pass_multiply(&rows, p->hidden + first * width, width, output, p->logits, vocabulary,
			   false);
	for (size_t i = rows.begin; i < rows.end; i++)
		row_loss(me, first + i, p->logits + i * vocabulary);
	if (p->g)
		elm__pass_multiply_back(&rows, p->logits, vocabulary, output,
					p->slope_hidden + first * width, width);
	elm__pass_barrier(me);
	if (!p->g)
		return;
	elm__pass_gather(me, p->logits, vocabulary, p->hidden + first * width, width, n,
			 p->g + p->params->output);
	elm__pass_barrier(me);
}

/* Back through the last norm. */
static void norm_back(const elm__pass_member *me, float *slope)
{
	elm__pass *p = me->p;
	size_t width = p->hp->width, at = 0;

	memset(slope + me->begin * width, 0, (me->end - me->begin) * width * sizeof(float));
	while (at < p->n_selected && p->selected[at] < me->begin)
		at++;
	for (size_t chunk = me->begin; chunk < me->end; chunk += ELM__CHUNK_ROWS) {
		float *partial = p->partial_ffn + chunk / ELM__CHUNK_ROWS * width;

		memset(partial, 0, width * sizeof(float));
		for (; at < p->n_selected && p->selected[at] < chunk + ELM__CHUNK_ROWS; at++)
			p->k->rms_norm_grad(p->last + p->selected[at] * width,
					    p->w + p->params->output_norm, p->hp->norm_epsilon,
					    p->slope_hidden + at * width,
					    slope + p->selected[at] * width, partial, width);
	}
}

void elm__pass_loss(const elm__pass_member *me, float *slope)
{
	elm__pass *p = me->p;

	elm__pass_barrier(me);
	for (size_t first = 0; first < p->n_selected; first += p->loss_rows) {
		size_t n = p->n_selected - first;

		loss_chunk(me, first, n < p->loss_rows ? n : p->loss_rows);
	}
	if (!p->g)
		return;
	norm_back(me, slope);
	elm__pass_barrier(me);
	elm__pass_reduce(me, p->partial_ffn, p->hp->width, 0, p->hp->width,
			 p->g + p->params->output_norm);
	elm__pass_barrier(me);
}
