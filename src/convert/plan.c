#include "convert/plan.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

enum { MAX_NAME = 256 };

typedef struct planner {
	elm__plan *plan;
	elm__facts *facts;
	const elm__safetensors *st;
	const elm__plan_options *options;
	const char *prefix; /* "model." */
	elm_error *error;
} planner;

/* Packages of weights that are not read, by what gives them away. */
static const struct {
	const char *suffix, *hint;
} foreign[] = {
	{ ".weight_packed", "it is in the compressed-tensors format, which is not supported: "
			    "convert the unquantised model" },
	{ ".weight_scale_inv", "it is in FP8, which is not supported: convert the BF16 model" },
	{ ".weight_scale", "it is in FP8 or INT8, which is not supported: convert the "
			   "unquantised model" },
	{ ".absmax", "it was quantised by bitsandbytes, which is not supported: convert the "
		     "unquantised model" },
	{ ".SCB", "it was quantised by bitsandbytes, which is not supported: convert the "
		  "unquantised model" },
	{ ".lora_A.weight", "it is an adapter, not a model: merge it into its base first" },
	{ ".block_sparse_moe.gate.weight", "it is a mixture of experts, which is not supported" },
	{ ".mlp.gate.weight", "it is a mixture of experts, which is not supported" },
};

/* Parts of larger models that are not the text model, and tables that are computed anyway. */
static bool ignorable(const char *name)
{
	static const char *const prefixes[] = {
		"vision_tower.",       "model.vision_tower.",	 "vision_model.",
		"model.vision_model.", "multi_modal_projector.", "model.multi_modal_projector."
	};
	static const char *const suffixes[] = { ".rotary_emb.inv_freq", ".self_attn.masked_bias" };
	size_t length = strlen(name);

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (length > strlen(suffixes[i]) &&
		    !strcmp(name + length - strlen(suffixes[i]), suffixes[i]))
			return true;
	return false;
}

static const char *foreign_hint(const elm__safetensors *st)
{
	for (size_t t = 0; t < st->count; t++) {
		const char *name = st->tensors[t].name;
		size_t length = strlen(name);

		for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
			size_t suffix = strlen(foreign[i].suffix);

			if (length > suffix && !strcmp(name + length - suffix, foreign[i].suffix))
				return foreign[i].hint;
		}
	}
	return NULL;
}

static const char *any_path(const elm__safetensors *st)
{
	return st->file_count ? st->files[0].path : "the model";
}

static elm_status missing(const planner *p, const char *name)
{
	const char *hint = foreign_hint(p->st);

	return elm_error_set(p->error, hint ? ELM_ERR_UNSUPPORTED : ELM_ERR_FORMAT,
			     "%s: tensor %s is missing; %s", any_path(p->st), name,
			     hint ? hint :
				    "a file of the model is missing, or the configuration is that "
				    "of another");
}

static void use(const planner *p, const elm__st_tensor *tensor)
{
	if (tensor)
		p->plan->used[tensor - p->st->tensors] = true;
}

static elm__planned *add(const planner *p)
{
	elm__plan *plan = p->plan;

	if (plan->count == plan->capacity) {
		size_t room = plan->capacity ? plan->capacity * 2 : 64;
		elm__planned *grown = elm__realloc_array(plan->items, room, sizeof(*grown));

		if (!grown) {
			elm_error_set(p->error, ELM_ERR_NO_MEMORY, "%s: out of memory",
				      any_path(p->st));
			return NULL;
		}
		plan->items = grown;
		plan->capacity = room;
	}
	memset(&plan->items[plan->count], 0, sizeof(plan->items[0]));
	return &plan->items[plan->count++];
}

static elm_status wrong_shape(const planner *p, const elm__planned *item, uint64_t rows,
			      uint64_t cols, uint64_t want_rows, uint64_t want_cols)
{
	return elm_error_set(
		p->error, ELM_ERR_FORMAT,
		"%s: tensor %.200s is %llu x %llu where the configuration asks for %llu x %llu",
		item->job.path, item->job.name, (unsigned long long)rows, (unsigned long long)cols,
		(unsigned long long)want_rows, (unsigned long long)want_cols);
}

static elm_type target_type(const planner *p, const elm__planned *item)
{
	elm_type source = item->job.packed ? ELM_TYPE_F16 : item->job.source;

	if (item->vector)
		return ELM_TYPE_F32;
	switch (p->options->target) {
	case ELM__TARGET_F32:
		return ELM_TYPE_F32;
	case ELM__TARGET_BF16:
		return ELM_TYPE_BF16;
	case ELM__TARGET_Q8_0: /* rows that do not fill blocks stay wide */
		return item->job.cols % 32 ? ELM_TYPE_F16 : ELM_TYPE_Q8_0;
	case ELM__TARGET_AUTO:
		return source == ELM_TYPE_F64 ? ELM_TYPE_F32 : source;
	case ELM__TARGET_F16:
		break;
	}
	return ELM_TYPE_F16;
}

static void set_order(const planner *p, elm__planned *item, elm__tensor_kind kind)
{
	const elm__facts *facts = p->facts;

	if ((kind != ELM__KIND_QUERY && kind != ELM__KIND_KEY) || !facts->family->split_rotation ||
	    p->options->pairs_already)
		return;
	item->job.order = ELM__ROWS_TO_PAIRS;
	item->job.head = elm__facts_head_dim(facts);
	item->job.rotated = facts->rotated ? facts->rotated : item->job.head;
	if (item->vector) { /* each number of a bias is a row of its own */
		item->job.rows = item->job.cols;
		item->job.cols = 1;
	}
}

static elm_status plan_plain(const planner *p, elm__planned *item, const elm__tensor_rule *rule,
			     uint64_t rows, uint64_t cols)
{
	const elm__st_tensor *t = item->tensor;
	bool vector = rows == 1 && rule->rows == ELM__SIDE_ONE;

	use(p, t);
	if (!t->dtype->known)
		return elm_error_set(p->error, ELM_ERR_UNSUPPORTED,
				     "%s: tensor %.200s has the type %s, which is not supported: "
				     "convert a copy in BF16, F16 or F32",
				     item->job.path, t->name, t->dtype->name);
	if (vector ? t->n_dims != 1 || t->dims[0] != cols :
		     t->n_dims != 2 || t->dims[0] != rows || t->dims[1] != cols)
		return wrong_shape(p, item, t->n_dims == 1 ? 1 : t->dims[0],
				   t->n_dims == 1 ? t->dims[0] : t->dims[1], rows, cols);
	item->job.data = t->data;
	item->job.source = t->dtype->type;
	item->vector = vector;
	return ELM_OK;
}

static elm_status plan_packed(const planner *p, elm__planned *item, const char *base, uint64_t rows,
			      uint64_t cols)
{
	elm__coded *packed = &item->packed;
	char name[MAX_NAME];
	elm_status status = elm__coded_find(packed, p->st, base, p->options->version_2, p->error);

	if (status != ELM_OK)
		return status;
	item->job.name = packed->codes->name;
	item->job.path = elm__safetensors_path(p->st, packed->codes);
	use(p, packed->codes);
	use(p, packed->zeros);
	use(p, packed->scales);
	snprintf(name, sizeof(name), "%s.g_idx", base);
	use(p, elm__safetensors_find(p->st, name));
	if (packed->rows != rows || packed->cols != cols)
		return wrong_shape(p, item, packed->rows, packed->cols, rows, cols);
	item->job.packed = packed;
	return ELM_OK;
}

/* A matrix or a norm, which must be there. */
static elm_status plan_weight(const planner *p, const elm__tensor_rule *rule, const char *gguf,
			      const char *base)
{
	uint64_t rows = elm__facts_side(p->facts, rule->rows);
	uint64_t cols = elm__facts_side(p->facts, rule->cols);
	char name[MAX_NAME], packed_name[MAX_NAME];
	elm__planned *item = add(p);
	elm_status status;
	elm_type native;

	if (!item)
		return ELM_ERR_NO_MEMORY;
	snprintf(name, sizeof(name), "%s.weight", base);
	snprintf(packed_name, sizeof(packed_name), "%s.qweight", base);
	snprintf(item->name, sizeof(item->name), "%s.weight", gguf);
	item->tensor = elm__safetensors_find(p->st, name);
	if (!item->tensor && !elm__safetensors_find(p->st, packed_name))
		return missing(p, name);
	item->job.rows = rows;
	item->job.cols = cols;
	if (item->tensor) {
		item->job.name = item->tensor->name;
		item->job.path = elm__safetensors_path(p->st, item->tensor);
		status = plan_plain(p, item, rule, rows, cols);
	} else {
		status = plan_packed(p, item, base, rows, cols);
	}
	if (status != ELM_OK)
		return status;
	item->job.shift = rule->kind == ELM__KIND_NORM && p->facts->family->shifted_norms;
	item->job.type = target_type(p, item);
	if (item->job.packed && item->packed.order)
		p->plan->reordered++;
	if (item->job.packed && !p->options->dequantize && elm__coded_type(&item->packed, &native))
		item->job.type = native;
	set_order(p, item, rule->kind);
	return ELM_OK;
}

static elm_status plan_bias(const planner *p, const elm__tensor_rule *rule, const char *gguf,
			    const char *base)
{
	elm__tensor_rule as_vector = { .rows = ELM__SIDE_ONE, .cols = rule->rows };
	char name[MAX_NAME];
	const elm__st_tensor *tensor;
	elm__planned *item;
	elm_status status;
	bool zero = false;

	snprintf(name, sizeof(name), "%s.bias", base);
	tensor = elm__safetensors_find(p->st, name);
	if (!tensor || rule->rows == ELM__SIDE_ONE || rule->rows == ELM__SIDE_VOCABULARY)
		return ELM_OK;
	item = add(p);
	if (!item)
		return ELM_ERR_NO_MEMORY;
	snprintf(item->name, sizeof(item->name), "%s.bias", gguf);
	item->tensor = tensor;
	item->job.name = tensor->name;
	item->job.path = elm__safetensors_path(p->st, tensor);
	item->job.rows = 1;
	item->job.cols = elm__facts_side(p->facts, rule->rows);
	status = plan_plain(p, item, &as_vector, 1, item->job.cols);
	if (status != ELM_OK)
		return status;
	item->job.type = ELM_TYPE_F32;
	/* Quantisers write biases of zeros where the model has none. */
	snprintf(name, sizeof(name), "%s.qweight", base);
	if (elm__safetensors_find(p->st, name))
		status = elm__rows_all_zero(&item->job, &zero, p->error);
	if (zero)
		p->plan->count--;
	else
		set_order(p, item, rule->kind);
	return status;
}

static elm_status plan_rule(const planner *p, const elm__tensor_rule *rule, uint32_t layer)
{
	char gguf[48], base[MAX_NAME - 16];
	elm_status status;

	if (rule->in_layer) {
		snprintf(gguf, sizeof(gguf), "blk.%u.%s", layer, rule->gguf);
		snprintf(base, sizeof(base), "%slayers.%u.%s", p->prefix, layer, rule->file);
	} else {
		snprintf(gguf, sizeof(gguf), "%s", rule->gguf);
		snprintf(base, sizeof(base), "%s%s", p->prefix, rule->file);
	}
	status = plan_weight(p, rule, gguf, base);
	return status == ELM_OK ? plan_bias(p, rule, gguf, base) : status;
}

static elm_status plan_list(const planner *p, const char *name, const float *list)
{
	elm__planned *item;

	if (!list)
		return ELM_OK;
	item = add(p);
	if (!item)
		return ELM_ERR_NO_MEMORY;
	snprintf(item->name, sizeof(item->name), "%s", name);
	item->vector = true;
	item->job = (elm__row_job){ .name = item->name,
				    .path = any_path(p->st),
				    .data = list,
				    .source = ELM_TYPE_F32,
				    .type = ELM_TYPE_F32,
				    .rows = 1,
				    .cols = p->facts->rope.count };
	return ELM_OK;
}

/* Where the text model is within the file. */
static elm_status find_prefix(planner *p)
{
	static const char *const prefixes[] = { "model.", "model.language_model.",
						"language_model.model.", "" };
	const elm__st_tensor *embedding = NULL;
	char name[MAX_NAME];

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]) && !embedding; i++) {
		p->prefix = prefixes[i];
		snprintf(name, sizeof(name), "%sembed_tokens.weight", p->prefix);
		embedding = elm__safetensors_find(p->st, name);
	}
	if (!embedding)
		return missing(p, "model.embed_tokens.weight");
	if (embedding->n_dims != 2 || !embedding->dims[0] || embedding->dims[0] > 1 << 24)
		return elm_error_set(p->error, ELM_ERR_FORMAT,
				     "%s: tensor %.200s is no matrix of 1 to 2^24 rows",
				     elm__safetensors_path(p->st, embedding), embedding->name);
	p->facts->vocabulary = (uint32_t)embedding->dims[0];
	return ELM_OK;
}

/* The matrix of the output is left out where it is the embedding. */
static elm_status plan_output(const planner *p)
{
	static const char *const bases[] = { "lm_head", "language_model.lm_head" };
	char name[MAX_NAME];

	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		const elm__st_tensor *plain, *packed;

		snprintf(name, sizeof(name), "%s.weight", bases[i]);
		plain = elm__safetensors_find(p->st, name);
		snprintf(name, sizeof(name), "%s.qweight", bases[i]);
		packed = elm__safetensors_find(p->st, name);
		if (p->facts->tied)
			use(p, plain);
		else if (plain || packed)
			return plan_weight(p, &elm__output_rule, elm__output_rule.gguf, bases[i]);
	}
	p->facts->tied = true;
	return ELM_OK;
}

static elm_status refuse_leftovers(const planner *p)
{
	const char *hint;

	for (size_t i = 0; i < p->st->count; i++) {
		const elm__st_tensor *t = &p->st->tensors[i];

		if (p->plan->used[i])
			continue;
		if (ignorable(t->name)) {
			p->plan->ignored++;
			continue;
		}
		hint = foreign_hint(p->st);
		return elm_error_set(p->error, ELM_ERR_UNSUPPORTED,
				     "%s: tensor %.200s is not one that %s models have; %s",
				     elm__safetensors_path(p->st, t), t->name,
				     p->facts->family->model_type,
				     hint ? hint : "leaving it out would change the model");
	}
	return ELM_OK;
}

static elm_status make(planner *p)
{
	const elm__rope_facts *rope = &p->facts->rope;
	const elm__tensor_rule *rule;
	elm_status status = find_prefix(p);

	for (size_t i = 0; status == ELM_OK && (rule = elm__tensor_rule_at(p->facts->family, i));
	     i++)
		if (!rule->in_layer)
			status = plan_rule(p, rule, 0);
	if (status == ELM_OK)
		status = plan_output(p);
	if (status == ELM_OK)
		status = plan_list(p, "rope_freqs.weight", rope->divisors);
	if (status == ELM_OK)
		status = plan_list(p, "rope_factors_long.weight", rope->long_list);
	if (status == ELM_OK)
		status = plan_list(p, "rope_factors_short.weight", rope->short_list);
	for (uint32_t layer = 0; layer < p->facts->layers && status == ELM_OK; layer++)
		for (size_t i = 0;
		     status == ELM_OK && (rule = elm__tensor_rule_at(p->facts->family, i)); i++)
			if (rule->in_layer)
				status = plan_rule(p, rule, layer);
	if (status == ELM_OK)
		status = refuse_leftovers(p);
	/* Items have moved while the list grew. */
	for (size_t i = 0; i < p->plan->count; i++)
		if (p->plan->items[i].job.packed)
			p->plan->items[i].job.packed = &p->plan->items[i].packed;
	return status;
}

elm_status elm__plan_make(elm__plan *plan, elm__facts *facts, const elm__safetensors *st,
			  const elm__plan_options *options, elm_error *error)
{
	planner p = { plan, facts, st, options, NULL, error };
	elm_status status;

	memset(plan, 0, sizeof(*plan));
	plan->used = elm__calloc(st->count + 1, sizeof(*plan->used));
	if (!plan->used)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", any_path(st));
	status = make(&p);
	if (status != ELM_OK)
		elm__plan_release(plan);
	return status;
}

void elm__plan_release(elm__plan *plan)
{
	elm__free(plan->items);
	elm__free(plan->used);
	memset(plan, 0, sizeof(*plan));
}
