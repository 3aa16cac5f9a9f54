/* plan.c: which tensor becomes what. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "compress/quantize.h"

static uint32_t group_of(const char *name)
{
	if (strncmp(name, "blk.", 4) != 0)
		return 0;
	return (uint32_t)strtoul(name + 4, NULL, 10) + 1;
}

static const elm__type_rule *rule_for(const elm__type_rule *rules, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strstr(name, rules[i].part))
			return &rules[i];
	return NULL;
}

/* The type of one tensor. */
static elm_status choose(elm__quant_item *item, const elm__quant_plan *plan,
			 const elm__mix_model *model, const elm__type_rule *rule, elm_error *error)
{
	const elm_gguf_tensor *t = item->tensor;

	item->type = item->asked = t->type;
	if (!elm__mix_covers(t))
		return ELM_OK;
	if (!elm__mix_is_weight_type(t->type))
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "%s: tensor %s has type %s, which weights cannot have",
				     elm_gguf_path(plan->gguf), t->name,
				     elm_type_get(t->type)->name);
	if (rule) {
		item->type = item->asked = rule->type;
		if (t->dims[0] % elm_type_get(rule->type)->block_elements)
			return elm_error_set(error, ELM_ERR_ARGUMENT,
					     "tensor %s cannot have type %s: its rows of %llu "
					     "weights are no multiple of %u",
					     t->name, elm_type_get(rule->type)->name,
					     (unsigned long long)t->dims[0],
					     elm_type_get(rule->type)->block_elements);
		return ELM_OK;
	}
	item->asked = elm__mix_choose(plan->mix, model, t->name);
	item->type = elm__mix_fit(item->asked, t->dims[0]);
	return ELM_OK;
}

static elm_status check_rules(const elm__quant_plan *plan, const elm__type_rule *rules, size_t n,
			      elm_error *error)
{
	for (size_t r = 0; r < n; r++) {
		bool used = false;

		for (size_t i = 0; i < plan->count && !used; i++)
			used = elm__mix_covers(plan->items[i].tensor) &&
			       strstr(plan->items[i].tensor->name, rules[r].part);
		if (!used)
			return elm_error_set(error, ELM_ERR_ARGUMENT,
					     "no matrix of this model has \"%s\" in its name",
					     rules[r].part);
	}
	return ELM_OK;
}

/* By group; within one as in the file, which qsort alone does not promise. */
static int by_group(const void *a, const void *b)
{
	const elm__quant_item *x = a, *y = b;

	if (x->layer != y->layer)
		return x->layer < y->layer ? -1 : 1;
	if (x->tensor == y->tensor)
		return 0;
	return x->tensor < y->tensor ? -1 : 1;
}

static bool is_quantised(elm_type type)
{
	return elm_type_get(type)->block_elements > 1;
}

static elm_status add_item(elm__quant_plan *plan, const elm_gguf_tensor *t,
			   const elm__mix_model *model, const elm__type_rule *rule,
			   elm_error *error)
{
	elm__quant_item *item = &plan->items[plan->count++];
	elm_status status;
	uint64_t row;

	item->tensor = t;
	item->layer = group_of(t->name);
	status = choose(item, plan, model, rule, error);
	if (status)
		return status;
	status = elm_type_row_bytes(item->type, t->dims[0], &row);
	if (status)
		return elm_error_set(error, status, "tensor %s cannot have type %s", t->name,
				     elm_type_get(item->type)->name);
	item->bytes = t->elements / t->dims[0] * row; /* at most that of F32, which fits */
	plan->bytes += item->bytes;
	plan->old_bytes += t->bytes;
	if (is_quantised(t->type) && item->type != t->type)
		plan->quantised_twice = true;
	return ELM_OK;
}

elm_status elm__quant_plan_make(elm__quant_plan *plan, const elm_gguf *gguf, const elm__hparams *hp,
				const elm__mix *mix, const elm__type_rule *rules, size_t n_rules,
				bool calibrated, elm_error *error)
{
	const elm__mix_model model = {
		.layers = hp->layers,
		.heads_per_kv = hp->max_heads / hp->max_kv_heads,
		.tied = !elm_gguf_tensor_find(gguf, "output.weight"),
		.calibrated = calibrated,
	};
	size_t n = elm_gguf_tensor_count(gguf);
	elm_status status = ELM_OK;

	memset(plan, 0, sizeof(*plan));
	plan->gguf = gguf;
	plan->hp = hp;
	plan->mix = mix;
	plan->items = elm__calloc(n, sizeof(*plan->items));
	if (!plan->items)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a plan");
	for (size_t i = 0; i < n && !status; i++) {
		const elm_gguf_tensor *t = elm_gguf_tensor_at(gguf, i);

		status = add_item(plan, t, &model, rule_for(rules, n_rules, t->name), error);
	}
	if (!status)
		status = check_rules(plan, rules, n_rules, error);
	if (status)
		elm__quant_plan_release(plan);
	else
		qsort(plan->items, plan->count, sizeof(*plan->items), by_group);
	return status;
}

void elm__quant_plan_release(elm__quant_plan *plan)
{
	elm__free(plan->items);
	memset(plan, 0, sizeof(*plan));
}
