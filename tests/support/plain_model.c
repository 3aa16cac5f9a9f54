#include "plain_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct plain {
	const elm__params *params;
	const elm__hparams *hp;
	const double *w;
	size_t rows; /* of the piece */
} plain;

static double *zeros(size_t n)
{
	double *x = calloc(n ? n : 1, sizeof(double));

	if (!x)
		abort();
	return x;
}

static void norm(const plain *p, const double *x, const double *weight, double *out, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += x[i] * x[i];
	for (size_t i = 0; i < n; i++)
		out[i] = x[i] / sqrt(sum / (double)n + (double)p->hp->norm_epsilon) * weight[i];
}

/* y[r] += w x */
static void multiply(const double *w, const double *x, double *y, size_t outputs, size_t inputs)
{
	for (size_t r = 0; r < outputs; r++)
		for (size_t i = 0; i < inputs; i++)
			y[r] += w[r * inputs + i] * x[i];
}

static void rotate(const plain *p, double *head, size_t position)
{
	size_t pairs = p->hp->rotated / 2;

	for (size_t i = 0; i < pairs; i++) {
		size_t a = p->hp->arch->rope_split ? i : 2 * i;
		size_t b = p->hp->arch->rope_split ? i + pairs : 2 * i + 1;
		double angle = (double)position *
			       pow((double)p->hp->rope_base, -2.0 * (double)i / p->hp->rotated);
		double x = head[a], y = head[b];

		head[a] = x * cos(angle) - y * sin(angle);
		head[b] = x * sin(angle) + y * cos(angle);
	}
}

/* Queries, keys and values of a row. */
static void find_qkv(const plain *p, uint32_t layer, const double *x, size_t position, double *qkv)
{
	const elm__param_layer *at = &p->params->layers[layer];
	const elm__layer_shape *s = &p->hp->shapes[layer];
	size_t dim = p->hp->head_dim, all = (s->heads + 2 * (size_t)s->kv_heads) * dim;
	double *normed = zeros(p->hp->width);

	norm(p, x, p->w + at->attn_norm, normed, p->hp->width);
	for (size_t i = 0; i < all; i++)
		qkv[i] = at->qkv_bias == ELM__PARAM_NONE ? 0 : p->w[at->qkv_bias + i];
	multiply(p->w + at->qkv, normed, qkv, all, p->hp->width);
	for (size_t h = 0; h < s->heads + s->kv_heads; h++) {
		if (at->q_norm != ELM__PARAM_NONE)
			norm(p, qkv + h * dim, p->w + (h < s->heads ? at->q_norm : at->k_norm),
			     qkv + h * dim, dim);
		rotate(p, qkv + h * dim, position);
	}
	free(normed);
}

/* out = what row i attends to. */
static void attend(const plain *p, uint32_t layer, const double *qkv, size_t i, double *out)
{
	const elm__layer_shape *s = &p->hp->shapes[layer];
	size_t dim = p->hp->head_dim, stride = (s->heads + 2 * (size_t)s->kv_heads) * dim;

	for (size_t h = 0; h < s->heads; h++) {
		size_t key = s->heads + h / (s->heads / s->kv_heads), value = key + s->kv_heads;
		double *score = zeros(i + 1), sum = 0;

		for (size_t j = 0; j <= i; j++) {
			for (size_t c = 0; c < dim; c++)
				score[j] += qkv[i * stride + h * dim + c] *
					    qkv[j * stride + key * dim + c];
			score[j] = exp(score[j] / sqrt((double)dim));
			sum += score[j];
		}
		for (size_t c = 0; c < dim; c++) {
			out[h * dim + c] = 0;
			for (size_t j = 0; j <= i; j++)
				out[h * dim + c] +=
					score[j] / sum * qkv[j * stride + value * dim + c];
		}
		free(score);
	}
}

static void add_ffn(const plain *p, uint32_t layer, double *x)
{
	const elm__param_layer *at = &p->params->layers[layer];
	size_t width = p->hp->width, n = p->hp->shapes[layer].ffn;
	double *normed = zeros(width), *gate_up = zeros(2 * n);

	norm(p, x, p->w + at->ffn_norm, normed, width);
	multiply(p->w + at->gate_up, normed, gate_up, 2 * n, width);
	for (size_t i = 0; i < n; i++)
		gate_up[i] = gate_up[i] / (1 + exp(-gate_up[i])) * gate_up[n + i];
	multiply(p->w + at->down, gate_up, x, width, n);
	free(normed);
	free(gate_up);
}

static void run_layer(const plain *p, uint32_t layer, double *x)
{
	const elm__layer_shape *s = &p->hp->shapes[layer];
	size_t width = p->hp->width, q = s->heads * (size_t)p->hp->head_dim;
	size_t all = q + 2 * (size_t)s->kv_heads * p->hp->head_dim;
	double *qkv = zeros(p->rows * all), *attended = zeros(q);

	for (size_t i = 0; i < p->rows; i++)
		find_qkv(p, layer, x + i * width, i, qkv + i * all);
	for (size_t i = 0; i < p->rows; i++) {
		attend(p, layer, qkv, i, attended);
		multiply(p->w + p->params->layers[layer].out, attended, x + i * width, width, q);
		add_ffn(p, layer, x + i * width);
	}
	free(qkv);
	free(attended);
}

/* -log of each probability at a temperature. */
static void surprise(const double *logits, size_t n, double temperature, double *out)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += exp(logits[i] / temperature);
	for (size_t i = 0; i < n; i++)
		out[i] = log(sum) - logits[i] / temperature;
}

static double row_loss(const plain *p, const elm__train_batch *b, size_t row, const double *logits)
{
	const elm__lesson *l = b->lesson;
	size_t n = p->hp->vocabulary;
	double *ours = zeros(n), entropy, taught = 0, p_rest = 1, q_rest = 1;

	surprise(logits, n, 1, ours);
	entropy = ours[b->targets[row]];
	if (l) {
		surprise(logits, n, (double)l->temperature, ours);
		for (size_t i = row * l->count; i < (row + 1) * l->count; i++) {
			double likelihood = (double)l->likelihoods[i];

			taught += exp(likelihood) * (likelihood + ours[l->tokens[i]]);
			p_rest -= exp(likelihood);
			q_rest -= exp(-ours[l->tokens[i]]);
		}
		if (l->count < n)
			taught += p_rest * log(p_rest / q_rest);
		taught *= (double)l->temperature * (double)l->temperature;
		entropy += (double)l->share * (taught - entropy);
	}
	free(ours);
	return entropy;
}

double plain_loss(const elm__params *params, const elm__train_batch *b, const double *weights)
{
	plain p = { .params = params, .hp = params->hp, .w = weights };
	size_t width = p.hp->width;
	double loss = 0, *logits = zeros(p.hp->vocabulary), *normed = zeros(width);

	for (uint32_t piece = 0; piece < b->pieces; piece++) {
		size_t first = b->piece[piece].first;
		double *x;

		p.rows = b->piece[piece].rows;
		x = zeros(p.rows * width);
		for (size_t i = 0; i < p.rows; i++)
			memcpy(x + i * width,
			       weights + params->embedding + (size_t)b->tokens[first + i] * width,
			       width * sizeof(double));
		for (uint32_t layer = 0; layer < p.hp->layers; layer++)
			run_layer(&p, layer, x);
		for (size_t i = 0; i < p.rows; i++) {
			if (b->targets[first + i] == ELM_TOKEN_NONE)
				continue;
			norm(&p, x + i * width, weights + params->output_norm, normed, width);
			memset(logits, 0, p.hp->vocabulary * sizeof(double));
			multiply(weights + params->output, normed, logits, p.hp->vocabulary, width);
			loss += row_loss(&p, b, first + i, logits);
		}
		free(x);
	}
	free(logits);
	free(normed);
	return loss;
}
