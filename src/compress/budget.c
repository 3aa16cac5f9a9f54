#include "compress/budget.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compress/prune.h"

/* Recipes without pruning that are measured. Percent of the layers that may go; that one step of
 * pruning should differ by from the next; that go once more where a file was larger than expected.
 */
enum { PLAIN_TRIALS = 2, MOST_PERCENT = 50, STEP_PERCENT = 5, MORE_PERCENT = 3 };

/* What stages add to the metadata of a file, at most. */
enum { NEW_METADATA = 256 };

/* Below this many bits per weight pruning may lose less than rounding does. */
#define FEW_BITS 4.0

/* Types that only old programs need, and others beat at their size. */
static bool is_dated(const elm__mix *mix)
{
	static const char *const names[] = { "Q4_0", "Q4_1", "Q5_0", "Q5_1", "BF16", "F32" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(mix->name, names[i]))
			return true;
	return false;
}

static uint64_t total(const elm__mix_size *size)
{
	return size->fixed + size->layers;
}

/* The largest first; of equal ones as in the list of mixes, which lies in one array. */
static int by_size(const void *a, const void *b)
{
	const elm__mix_size *x = a, *y = b;

	if (total(x) != total(y))
		return total(x) > total(y) ? -1 : 1;
	return x->mix == y->mix ? 0 : x->mix < y->mix ? -1 : 1;
}

/* Tensors begin at multiples of the alignment. */
static uint64_t padded(const elm_gguf *gguf, uint64_t bytes)
{
	uint64_t alignment = elm_gguf_alignment(gguf);

	return (bytes + alignment - 1) / alignment * alignment;
}

/* What the length of an item's rows is a multiple of after pruning: of what stays of the neurons,
 * or of the query heads of all groups. */
static uint64_t pruned_multiple(const elm_gguf *gguf, const elm__hparams *hp,
				const elm_gguf_tensor *tensor)
{
	elm__role role;

	if (elm__role_of(gguf, hp, tensor->name, &role) && role.layer < hp->layers) {
		const elm__layer_shape *shape = &hp->shapes[role.layer];

		if (role.input == ELM__INPUT_DOWN)
			return elm__prune_multiple(shape->ffn);
		if (role.input == ELM__INPUT_OUT)
			return (uint64_t)shape->kv_heads * hp->head_dim;
	}
	return tensor->dims[0];
}

/* What an item would take with the type that it has after pruning. */
static uint64_t pruned_bytes(const elm_gguf *gguf, const elm__hparams *hp,
			     const elm__quant_item *item)
{
	const elm_gguf_tensor *t = item->tensor;
	elm_type type = item->asked == t->type ?
				t->type :
				elm__mix_fit(item->asked, pruned_multiple(gguf, hp, t));
	uint64_t row;

	if (elm_type_row_bytes(type, t->dims[0], &row))
		return item->bytes;
	return t->elements / t->dims[0] * row;
}

static elm_status add_mix(elm__budget *budget, const elm_gguf *gguf, const elm__hparams *hp,
			  const elm__mix *mix, elm_error *error)
{
	elm__mix_size size = { .mix = mix };
	uint64_t old = 0, all = elm_gguf_file_bytes(gguf);
	elm__quant_plan plan;
	elm_status status = elm__quant_plan_make(&plan, gguf, hp, mix, NULL, 0, true, error);

	if (status)
		return status;
	for (size_t i = 0; i < plan.count; i++) {
		uint64_t bytes = padded(gguf, plan.items[i].bytes);

		*(plan.items[i].layer ? &size.layers : &size.fixed) += bytes;
		if (plan.items[i].layer)
			size.pruned += padded(gguf, pruned_bytes(gguf, hp, &plan.items[i]));
		old += padded(gguf, plan.items[i].tensor->bytes);
	}
	if (plan.bytes < plan.old_bytes)
		budget->mixes[budget->n_mixes++] = size;
	budget->metadata = (all > old ? all - old : 0) + NEW_METADATA;
	elm__quant_plan_release(&plan);
	return ELM_OK;
}

elm_status elm__budget_init(elm__budget *budget, const elm__budget_goal *goal, const elm_gguf *gguf,
			    const elm__hparams *hp, uint64_t working, elm_error *error)
{
	size_t kept = 0;

	memset(budget, 0, sizeof(*budget));
	budget->goal = *goal;
	budget->working = working;
	for (size_t i = 0; elm__mix_at(i) && budget->n_mixes < ELM__BUDGET_MIXES; i++) {
		elm_status status = ELM_OK;

		if (!is_dated(elm__mix_at(i)))
			status = add_mix(budget, gguf, hp, elm__mix_at(i), error);
		if (status)
			return status;
	}
	qsort(budget->mixes, budget->n_mixes, sizeof(budget->mixes[0]), by_size);
	for (size_t i = 0; i < budget->n_mixes; i++)
		if (!i || total(&budget->mixes[i]) != total(&budget->mixes[kept - 1]))
			budget->mixes[kept++] = budget->mixes[i];
	budget->n_mixes = kept;
	return ELM_OK;
}

/* --- sizes --- */

static uint64_t predict(const elm__budget *budget, const elm__mix_size *size, double sparsity)
{
	return budget->metadata + size->fixed +
	       (sparsity > 0 ? (uint64_t)ceil((double)size->pruned * (1 - sparsity)) :
			       size->layers);
}

uint64_t elm__budget_file_bytes(const elm__budget *budget, const elm__recipe *recipe)
{
	for (size_t i = 0; i < budget->n_mixes; i++)
		if (budget->mixes[i].mix == recipe->mix)
			return predict(budget, &budget->mixes[i], recipe->sparsity);
	return 0;
}

uint64_t elm__budget_memory(const elm__budget *budget, uint64_t file_bytes)
{
	uint64_t weights = file_bytes > budget->metadata ? file_bytes - budget->metadata : 0;

	return weights + budget->working;
}

/* The largest file that meets the goal. */
static uint64_t room(const elm__budget *budget)
{
	const elm__budget_goal *goal = &budget->goal;
	uint64_t most = goal->file_bytes ? goal->file_bytes : UINT64_MAX, other;

	if (!goal->memory_bytes)
		return most;
	other = budget->metadata +
		(goal->memory_bytes > budget->working ? goal->memory_bytes - budget->working : 0);
	return other < most ? other : most;
}

/* The place of the largest mix that fits as it is; n_mixes when none does. */
static size_t largest(const elm__budget *budget)
{
	size_t i = 0;

	while (i < budget->n_mixes && predict(budget, &budget->mixes[i], 0) > room(budget))
		i++;
	return i;
}

uint64_t elm__budget_smallest(const elm__budget *budget)
{
	double sparsity = budget->goal.prune ? MOST_PERCENT / 100.0 : 0;

	return budget->n_mixes ? predict(budget, &budget->mixes[budget->n_mixes - 1], sparsity) : 0;
}

/* --- trials --- */

static const elm__trial *find(const elm__budget *budget, const elm__recipe *recipe)
{
	for (size_t i = 0; i < budget->n_trials; i++) {
		const elm__recipe *r = &budget->trials[i].recipe;

		if (r->mix == recipe->mix && r->distilled == recipe->distilled &&
		    fabs(r->sparsity - recipe->sparsity) < 0.005)
			return &budget->trials[i];
	}
	return NULL;
}

void elm__budget_add(elm__budget *budget, const elm__trial *trial)
{
	elm__trial *to = &budget->trials[budget->n_trials++];

	*to = *trial;
	to->fits = trial->file_bytes <= room(budget);
}

/* The best that fits of those that `wanted` says yes to. */
static const elm__trial *best_of(const elm__budget *budget, bool (*wanted)(const elm__trial *))
{
	const elm__trial *best = NULL;

	for (size_t i = 0; i < budget->n_trials; i++) {
		const elm__trial *t = &budget->trials[i];

		if (t->fits && isfinite(t->divergence) && (!wanted || wanted(t)) &&
		    (!best || t->divergence < best->divergence))
			best = t;
	}
	return best;
}

const elm__trial *elm__budget_best(const elm__budget *budget)
{
	return best_of(budget, NULL);
}

bool elm__budget_met(const elm__budget *budget)
{
	const elm__trial *best = elm__budget_best(budget);
	double most = budget->goal.max_divergence;

	return best && (!(most > 0) || best->divergence <= most);
}

static bool only_pruned(const elm__trial *t)
{
	return t->recipe.sparsity > 0 && !t->recipe.distilled;
}

/* --- what to try --- */

static bool next_plain(const elm__budget *budget, elm__recipe *next)
{
	size_t first = largest(budget);

	for (size_t i = first; i < budget->n_mixes && i < first + PLAIN_TRIALS; i++) {
		*next = (elm__recipe){ .mix = budget->mixes[i].mix };
		if (!find(budget, next))
			return true;
	}
	return false;
}

/* Whether a file of this mix has few bits for each weight. */
static bool is_coarse(const elm__mix *mix)
{
	const elm_type_info *info = elm_type_get(mix->type);

	return 8.0 * info->block_bytes / info->block_elements < FEW_BITS;
}

/* Percent of the layers that must go for the mix to fit; more than 100 where nothing helps. */
static int percent_for(const elm__budget *budget, const elm__mix_size *size)
{
	uint64_t most = room(budget), fixed = budget->metadata + size->fixed;

	if (most <= fixed || !size->pruned)
		return 101;
	return (int)ceil(100 * (1 - (double)(most - fixed) / (double)size->pruned));
}

/* The result of pruning by so many percent, or, if that was larger than expected, by some more.
 * NULL where *next is still to be made. */
static const elm__trial *pruned_by(const elm__budget *budget, const elm__mix *mix, int percent,
				   elm__recipe *next)
{
	const elm__trial *trial;

	*next = (elm__recipe){ .mix = mix, .sparsity = percent / 100.0 };
	trial = find(budget, next);
	if (!trial || trial->fits)
		return trial;
	next->sparsity = (percent + MORE_PERCENT) / 100.0;
	return find(budget, next);
}

/* Larger and larger mixes, each with as much pruning as it needs to fit, until that makes things
 * worse. Of mixes that need about the same the largest is tried. */
static bool next_pruned(const elm__budget *budget, elm__recipe *next)
{
	double last = INFINITY;

	for (size_t i = largest(budget); i-- > 0;) {
		int percent = percent_for(budget, &budget->mixes[i]);
		const elm__trial *trial;

		while (i > 0 && percent_for(budget, &budget->mixes[i - 1]) < percent + STEP_PERCENT)
			percent = percent_for(budget, &budget->mixes[--i]);
		if (percent > MOST_PERCENT)
			return false;
		trial = pruned_by(budget, budget->mixes[i].mix, percent > 1 ? percent : 1, next);
		if (!trial)
			return true;
		if (!trial->fits)
			continue;
		if (trial->divergence >= last)
			return false;
		last = trial->divergence;
	}
	return false;
}

static bool next_distilled(const elm__budget *budget, elm__recipe *next)
{
	const elm__trial *from = best_of(budget, only_pruned);

	if (!from)
		return false;
	*next = from->recipe;
	next->distilled = true;
	return !find(budget, next);
}

bool elm__budget_next(const elm__budget *budget, elm__recipe *next)
{
	const elm__trial *best = elm__budget_best(budget);
	bool limit = budget->goal.max_divergence > 0, met = elm__budget_met(budget);

	if (budget->n_trials == ELM__BUDGET_TRIALS || (limit && met))
		return false;
	if (next_plain(budget, next))
		return true;
	/* Without a limit, what fits is good enough unless it is coarse. */
	if (!limit && best && !best->recipe.distilled && best->recipe.sparsity == 0 &&
	    !is_coarse(best->recipe.mix))
		return false;
	if (budget->goal.prune && next_pruned(budget, next))
		return true;
	/* Without a limit, only what had to be pruned is worth it. */
	if (budget->goal.distill && (limit || !best || best->recipe.sparsity > 0))
		return next_distilled(budget, next);
	return false;
}

const char *elm__recipe_text(const elm__recipe *recipe, char *out, size_t size)
{
	char pruned[32] = "";

	if (recipe->sparsity > 0)
		snprintf(pruned, sizeof(pruned), "pruned %.0f %%, ", 100 * recipe->sparsity);
	snprintf(out, size, "%s%s%s", pruned, recipe->distilled ? "distilled, " : "",
		 recipe->mix->name);
	return out;
}
