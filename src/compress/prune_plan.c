/* prune_plan.c: which parts of a model stay. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compress/prune.h"

void elm__prune_protection(const elm__hparams *hp, uint32_t *first, uint32_t *last)
{
	bool free_widths = !strcmp(hp->arch->name, "llama") || !strcmp(hp->arch->name, "deci");

	*first = free_widths ? hp->layers / 8 : 0;
	*last = free_widths ? hp->layers / 12 : 0;
}

bool elm__prune_heads_are_free(const elm__arch *arch)
{
	return strcmp(arch->name, "qwen2") != 0 && strcmp(arch->name, "phi3") != 0;
}

const elm__arch *elm__prune_arch(const elm__prune_plan *plan)
{
	const elm__arch *arch = plan->hp->arch;

	return !plan->uniform && !strcmp(arch->name, "llama") ? elm__arch_find("deci", 4) : arch;
}

/* What is tried out: how much of each layer that is not protected goes. */
typedef struct share {
	double heads; /* of the query heads of a group, or of the groups */
	double neurons;
} share;

/* A part that may stay. */
typedef struct candidate {
	double score;
	uint32_t index;
} candidate;

typedef struct planner {
	elm__prune_plan *plan;
	const elm__prune_goal *goal;
	const elm__units *units;
	elm__arena *arena;
	elm_error *error;
	candidate *candidates; /* scratch */
	uint32_t steps;	       /* ways to share out heads: n / steps of them go, n < steps */
	uint32_t open;	       /* layers that stay and are not protected */
} planner;

/* --- weights --- */

static uint64_t head_weights(const elm__hparams *hp)
{
	return 2 * (uint64_t)hp->width * hp->head_dim; /* of a query head; of a key head too */
}

static uint64_t neuron_weights(const elm__hparams *hp)
{
	return 3 * (uint64_t)hp->width;
}

static uint64_t layer_weights(const elm__hparams *hp, uint32_t heads, uint32_t kv_heads,
			      uint32_t neurons)
{
	return ((uint64_t)heads + kv_heads) * head_weights(hp) + neurons * neuron_weights(hp);
}

static bool is_protected(const planner *p, uint32_t layer)
{
	const elm__prune_goal *g = p->goal;

	return layer < g->protect_first || (uint64_t)layer + g->protect_last >= p->plan->hp->layers;
}

/* --- how many --- */

/* K-quants want rows of 256, all others of 32; where that would be coarse the model is small, and
 * rows that do not fit get a plain type. */
uint32_t elm__prune_multiple(uint32_t neurons)
{
	return neurons >= 2048 ? 256 : neurons >= 256 ? 32 : 4;
}

static uint32_t multiple_for(const elm__prune_goal *goal, uint32_t neurons)
{
	return goal->multiple ? goal->multiple : elm__prune_multiple(neurons);
}

/* The multiple that is nearest to a share of `neurons`, at least one; all of them when that is
 * nearer. */
static uint32_t keep_neurons(const elm__prune_goal *goal, uint32_t neurons, double kept)
{
	uint32_t multiple = multiple_for(goal, neurons);
	double wanted = kept * neurons;
	uint32_t count = (uint32_t)(wanted / multiple + 0.5) * multiple;

	if (count < multiple)
		count = multiple;
	return count > neurons || (double)neurons - wanted < fabs(wanted - count) ? neurons : count;
}

static uint32_t keep_some(uint32_t count, double gone)
{
	uint32_t kept = (uint32_t)(count * (1 - gone) + 0.5);

	return kept ? kept : 1;
}

static void count_parts(const planner *p, share gone, elm__pruned_layer *l)
{
	const elm__layer_shape *s = &p->plan->hp->shapes[l->from];
	uint32_t group = s->heads / s->kv_heads;

	l->kv_heads = s->kv_heads;
	l->neurons = s->ffn;
	if (!is_protected(p, l->from)) {
		if (p->goal->attention == ELM__PRUNE_HEADS)
			group = keep_some(group, gone.heads);
		if (p->goal->attention == ELM__PRUNE_GROUPS)
			l->kv_heads = keep_some(s->kv_heads, gone.heads);
		l->neurons = keep_neurons(p->goal, s->ffn, 1 - gone.neurons);
	}
	l->heads = l->kv_heads * group;
}

/* --- which --- */

static int by_score(const void *a, const void *b)
{
	const candidate *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static int by_index(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The best `keep` of n parts that are in p->candidates, in ascending order; what the others are
 * worth is added to *lost. */
static void pick(const planner *p, uint32_t n, uint32_t keep, uint32_t *out, double *lost)
{
	qsort(p->candidates, n, sizeof(*p->candidates), by_score);
	for (uint32_t i = 0; i < keep; i++)
		out[i] = p->candidates[i].index;
	for (uint32_t i = keep; i < n; i++)
		*lost += p->candidates[i].score;
	qsort(out, keep, sizeof(*out), by_index);
}

static void pick_groups(const planner *p, elm__pruned_layer *l, double *lost)
{
	const elm__layer_shape *s = &p->plan->hp->shapes[l->from];
	const elm__units *u = &p->units[l->from];
	uint32_t group = s->heads / s->kv_heads;

	for (uint32_t g = 0; g < s->kv_heads; g++) {
		p->candidates[g] = (candidate){ (double)u->kv_heads[g], g };
		for (uint32_t i = 0; i < group; i++)
			p->candidates[g].score += (double)u->heads[g * group + i];
	}
	pick(p, s->kv_heads, l->kv_heads, l->kv_head, lost);
}

/* Heads within the groups that stay. */
static void pick_heads(const planner *p, elm__pruned_layer *l, double *lost)
{
	const elm__layer_shape *s = &p->plan->hp->shapes[l->from];
	const elm__units *u = &p->units[l->from];
	uint32_t group = s->heads / s->kv_heads, kept = l->heads / l->kv_heads;

	for (uint32_t g = 0; g < l->kv_heads; g++) {
		uint32_t first = l->kv_head[g] * group;

		for (uint32_t i = 0; i < group; i++)
			p->candidates[i] = (candidate){ (double)u->heads[first + i], first + i };
		pick(p, group, kept, l->head + (size_t)g * kept, lost);
	}
}

static void pick_neurons(const planner *p, elm__pruned_layer *l, double *lost)
{
	uint32_t ffn = p->plan->hp->shapes[l->from].ffn;

	for (uint32_t i = 0; i < ffn; i++)
		p->candidates[i] = (candidate){ (double)p->units[l->from].neurons[i], i };
	pick(p, ffn, l->neurons, l->neuron, lost);
}

static double sum_of(const float *scores, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)scores[i];
	return sum;
}

/* --- the search --- */

/* Plans all layers for a share; returns the weights that stay. */
static uint64_t count_all(const planner *p, share gone)
{
	uint64_t weights = 0;

	for (uint32_t i = 0; i < p->plan->count; i++) {
		elm__pruned_layer *l = &p->plan->layers[i];

		count_parts(p, gone, l);
		weights += layer_weights(p->plan->hp, l->heads, l->kv_heads, l->neurons);
	}
	return weights;
}

/* Picks the parts of a layer. What is lost is taken relative to the block that loses it: attention
 * and neurons are worth the same, however much each adds to the residual stream. */
static void pick_parts(const planner *p, elm__pruned_layer *l)
{
	const elm__layer_shape *s = &p->plan->hp->shapes[l->from];
	const elm__units *u = &p->units[l->from];
	double heads = sum_of(u->heads, s->heads) + sum_of(u->kv_heads, s->kv_heads);
	double neurons = sum_of(u->neurons, s->ffn), lost = 0;

	pick_groups(p, l, &lost);
	pick_heads(p, l, &lost);
	l->heads_lost = heads > 0 ? lost / heads : 0 * heads;
	lost = 0;
	pick_neurons(p, l, &lost);
	l->neurons_lost = neurons > 0 ? lost / neurons : 0 * neurons;
}

/* Picks the parts of all layers; returns what is lost. */
static double pick_all(const planner *p)
{
	double sum = 0;

	for (uint32_t i = 0; i < p->plan->count; i++) {
		elm__pruned_layer *l = &p->plan->layers[i];

		pick_parts(p, l);
		sum += l->heads_lost + l->neurons_lost;
	}
	return sum;
}

/* Weights by which one step of neurons in every layer misses the goal at most. */
static double tolerance(const planner *p)
{
	double sum = 1;

	for (uint32_t i = 0; i < p->plan->count; i++) {
		uint32_t layer = p->plan->layers[i].from;

		if (!is_protected(p, layer))
			sum += 0.5 * multiple_for(p->goal, p->plan->hp->shapes[layer].ffn) *
			       (double)neuron_weights(p->plan->hp);
	}
	return sum;
}

static elm_status out_of_reach(const planner *p, double weights)
{
	const elm__prune_goal *g = p->goal;
	uint64_t least = count_all(p, (share){ (p->steps - 1.0) / p->steps, 1 });

	return elm_error_set(p->error, ELM_ERR_ARGUMENT,
			     "a sparsity of %g cannot be reached: %u of %u layers are protected, "
			     "and what is to be pruned of the others is at most %.1f %% of the "
			     "weights of all layers; ask for less, or protect fewer layers",
			     g->sparsity, p->plan->count - p->open, p->plan->hp->layers,
			     100 * (1 - (double)least / weights));
}

/* Tries every way to share the loss out between heads and neurons, and takes the one that loses
 * least by the scores. */
static elm_status search(planner *p)
{
	const elm__hparams *hp = p->plan->hp;
	double all = 0, ffn = 0, wanted, least = INFINITY;
	uint64_t full = count_all(p, (share){ 0 });
	share best = { 0 };

	for (uint32_t i = 0; i < hp->layers; i++)
		all += (double)layer_weights(hp, hp->shapes[i].heads, hp->shapes[i].kv_heads,
					     hp->shapes[i].ffn);
	for (uint32_t i = 0; i < p->plan->count; i++)
		if (!is_protected(p, p->plan->layers[i].from))
			ffn += (double)(p->plan->layers[i].neurons * neuron_weights(hp));
	wanted = all * (1 - p->goal->sparsity);
	wanted = wanted < (double)full ? wanted : (double)full; /* layers that go are enough */
	for (uint32_t step = 0; step < p->steps; step++) {
		share gone = { .heads = (double)step / p->steps };
		double excess = (double)count_all(p, gone) - wanted, lost;

		gone.neurons = excess <= 0 || ffn <= 0 ? 0 : excess < ffn ? excess / ffn : 1;
		if (fabs((double)count_all(p, gone) - wanted) > tolerance(p))
			continue;
		lost = pick_all(p);
		if (!isfinite(lost))
			return elm_error_set(p->error, ELM_ERR_FORMAT,
					     "the scores are infinite or not numbers; the weights "
					     "or the calibration are damaged");
		if (lost < least) {
			least = lost;
			best = gone;
		}
	}
	if (!isfinite(least))
		return out_of_reach(p, all);
	count_all(p, best);
	pick_all(p);
	return ELM_OK;
}

/* --- layers --- */

static elm_status choose_layers(planner *p, const double *changes)
{
	elm__prune_plan *plan = p->plan;
	uint32_t layers = plan->hp->layers, n = 0;
	bool *gone = elm__arena_calloc(p->arena, layers, sizeof(*gone));

	if (!gone)
		return elm_error_set(p->error, ELM_ERR_NO_MEMORY, "out of memory for a plan");
	for (uint32_t i = 0; i < layers && p->goal->layers; i++)
		if (!is_protected(p, i) && isfinite(changes[i]))
			p->candidates[n++] = (candidate){ -changes[i], i };
	if (p->goal->layers > n)
		return elm_error_set(p->error, ELM_ERR_ARGUMENT,
				     "%u layers cannot go: of %u, the first and those that are "
				     "protected stay, which leaves %u",
				     p->goal->layers, layers, n);
	qsort(p->candidates, n, sizeof(*p->candidates), by_score);
	for (uint32_t i = 0; i < p->goal->layers; i++)
		gone[p->candidates[i].index] = true;
	for (uint32_t i = 0; i < layers; i++)
		if (!gone[i]) {
			p->open += !is_protected(p, i);
			plan->layers[plan->count++].from = i;
		}
	return ELM_OK;
}

/* --- the plan --- */

static elm_status check_goal(const elm__hparams *hp, const elm__prune_goal *goal, elm_error *error)
{
	const elm__arch *arch = hp->arch;
	bool heads = goal->attention != ELM__PRUNE_NO_HEADS;
	uint32_t wide = arch->wide_scale_layers;

	if (!(goal->sparsity >= 0 && goal->sparsity < 1) ||
	    (!(goal->sparsity > 0) && !goal->layers))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "a sparsity of %g; it must be above 0 and below 1, or layers "
				     "must go",
				     goal->sparsity);
	if (goal->layers && arch->window_period)
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "layers of %s cannot go: which of them see only a window "
				     "follows from their numbers; prune heads and neurons",
				     arch->name);
	if (heads && wide && hp->layers == wide)
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "heads of %s with %u layers cannot go: its attention is "
				     "scaled by their number; prune neurons only",
				     arch->name, wide);
	return ELM_OK;
}

static elm_status take_memory(planner *p)
{
	elm__prune_plan *plan = p->plan;
	const elm__hparams *hp = plan->hp;
	size_t most = hp->layers;

	plan->layers = elm__arena_calloc(p->arena, hp->layers, sizeof(*plan->layers));
	most = hp->max_ffn > most ? hp->max_ffn : most;
	most = hp->max_heads > most ? hp->max_heads : most;
	p->candidates = elm__arena_calloc(p->arena, most, sizeof(*p->candidates));
	if (!plan->layers || !p->candidates)
		return elm_error_set(p->error, ELM_ERR_NO_MEMORY, "out of memory for a plan");
	p->steps = 1;
	for (uint32_t i = 0; i < hp->layers; i++) {
		const elm__layer_shape *s = &hp->shapes[i];
		uint32_t steps = p->goal->attention == ELM__PRUNE_HEADS	 ? s->heads / s->kv_heads :
				 p->goal->attention == ELM__PRUNE_GROUPS ? s->kv_heads :
									   1;

		p->steps = steps > p->steps ? steps : p->steps;
	}
	return ELM_OK;
}

static elm_status take_lists(const planner *p)
{
	for (uint32_t i = 0; i < p->plan->count; i++) {
		elm__pruned_layer *l = &p->plan->layers[i];
		const elm__layer_shape *s = &p->plan->hp->shapes[l->from];

		l->head = elm__arena_calloc(p->arena, s->heads, sizeof(*l->head));
		l->kv_head = elm__arena_calloc(p->arena, s->kv_heads, sizeof(*l->kv_head));
		l->neuron = elm__arena_calloc(p->arena, s->ffn, sizeof(*l->neuron));
		if (!l->head || !l->kv_head || !l->neuron)
			return elm_error_set(p->error, ELM_ERR_NO_MEMORY,
					     "out of memory for a plan");
	}
	return ELM_OK;
}

static bool all_alike(const elm__prune_plan *plan)
{
	for (uint32_t i = 1; i < plan->count; i++) {
		const elm__pruned_layer *a = &plan->layers[0], *b = &plan->layers[i];

		if (a->heads != b->heads || a->kv_heads != b->kv_heads || a->neurons != b->neurons)
			return false;
	}
	return true;
}

elm_status elm__prune_plan_make(elm__prune_plan *plan, const elm_gguf *gguf, const elm__hparams *hp,
				const elm__prune_goal *goal, const elm__units *units,
				const double *changes, elm__arena *arena, elm_error *error)
{
	planner p = { .plan = plan, .goal = goal, .units = units, .arena = arena, .error = error };
	elm_status status = check_goal(hp, goal, error);

	*plan = (elm__prune_plan){ .gguf = gguf, .hp = hp };
	if (!status)
		status = take_memory(&p);
	if (!status)
		status = choose_layers(&p, changes);
	if (!status)
		status = take_lists(&p);
	if (!status)
		status = search(&p);
	if (!status)
		plan->uniform = all_alike(plan);
	return status;
}
