#include "compress/prune.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "compress/quantize.h"
#include "gguf/copy.h"
#include "gguf/forget.h"
#include "quant/quant.h"

/* What of the rows or columns of a tensor stays. */
typedef enum cut { ALL, QUERIES, KEYS, FUSED_QKV, NEURONS, UP, CUTS } cut;

static const struct cut_rule {
	const char *name;
	cut rows, cols;
} rules[] = {
	{ "attn_q.weight", QUERIES, ALL },
	{ "attn_q.bias", ALL, QUERIES },
	{ "attn_k.weight", KEYS, ALL },
	{ "attn_k.bias", ALL, KEYS },
	{ "attn_v.weight", KEYS, ALL },
	{ "attn_v.bias", ALL, KEYS },
	{ "attn_qkv.weight", FUSED_QKV, ALL },
	{ "attn_qkv.bias", ALL, FUSED_QKV },
	{ "attn_output.weight", ALL, QUERIES },
	{ "ffn_gate.weight", NEURONS, ALL },
	{ "ffn_gate.bias", ALL, NEURONS },
	{ "ffn_up.weight", UP, ALL },
	{ "ffn_up.bias", ALL, UP },
	{ "ffn_down.weight", ALL, NEURONS },
};

/* Indices in ascending order; `at` NULL for all. */
typedef struct subset {
	uint32_t *at;
	size_t count, of; /* of how many */
} subset;

typedef struct item {
	const elm_gguf_tensor *tensor;
	char name[ELM__TENSOR_NAME_MAX];
	elm_type type;
	uint32_t layer; /* of the plan; plan->count for tensors of no layer */
	const subset *rows, *cols;
	uint64_t n_rows, n_cols, row_bytes;
} item;

typedef struct work {
	const elm__prune_plan *plan;
	const elm__prune_options *options;
	elm__arena arena;
	subset (*subsets)[CUTS]; /* one list per layer of the plan; ALL is never set */
	item *items;
	size_t count;
	elm_gguf_writer *writer;
	float *row, *picked; /* room for the longest row */
	void *encoded;
	uint64_t done, total;
	elm__prune_repair *repairs;
} work;

static elm_status no_memory(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a pruned model");
}

/* --- what stays of each tensor --- */

/* Adds parts[0..n), `each` rows for every part, the first part beginning at row `first`. */
static void add_parts(subset *s, const uint32_t *parts, size_t n, size_t each, size_t first)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < each; k++)
			s->at[s->count++] = (uint32_t)(first + parts[i] * each + k);
}

static elm_status list_layer(work *w, uint32_t index, elm_error *error)
{
	const elm__hparams *hp = w->plan->hp;
	const elm__pruned_layer *l = &w->plan->layers[index];
	const elm__layer_shape *s = &hp->shapes[l->from];
	size_t dim = hp->head_dim, q = s->heads * dim, kv = s->kv_heads * dim;
	const size_t of[CUTS] = { [QUERIES] = q,
				  [KEYS] = kv,
				  [FUSED_QKV] = q + 2 * kv,
				  [NEURONS] = s->ffn,
				  [UP] = s->ffn };
	subset *list = w->subsets[index];

	for (int c = QUERIES; c < CUTS; c++) {
		list[c].of = c == UP && hp->arch->fused_gate_up ? 2 * of[c] : of[c];
		list[c].at = elm__arena_calloc(&w->arena, list[c].of, sizeof(uint32_t));
		if (!list[c].at)
			return no_memory(error);
	}
	add_parts(&list[QUERIES], l->head, l->heads, dim, 0);
	add_parts(&list[KEYS], l->kv_head, l->kv_heads, dim, 0);
	add_parts(&list[FUSED_QKV], l->head, l->heads, dim, 0);
	add_parts(&list[FUSED_QKV], l->kv_head, l->kv_heads, dim, q);
	add_parts(&list[FUSED_QKV], l->kv_head, l->kv_heads, dim, q + kv);
	add_parts(&list[NEURONS], l->neuron, l->neurons, 1, 0);
	add_parts(&list[UP], l->neuron, l->neurons, 1, 0);
	if (hp->arch->fused_gate_up)
		add_parts(&list[UP], l->neuron, l->neurons, 1, s->ffn);
	return ELM_OK;
}

static elm_type type_of(const elm__prune_options *o, const elm_gguf_tensor *t)
{
	bool plain = elm_type_get(t->type)->block_elements == 1;

	if (!elm__mix_covers(t))
		return plain ? t->type : ELM_TYPE_F32;
	if (!o->keep_type)
		return o->type;
	return plain ? t->type : ELM_TYPE_F16;
}

static const struct cut_rule *rule_of(const char *rest)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!strcmp(rules[i].name, rest))
			return &rules[i];
	return NULL;
}

static elm_status misshapen(const work *w, const elm_gguf_tensor *t, elm_error *error)
{
	return elm_error_set(error, ELM_ERR_FORMAT,
			     "%s: tensor %s has another shape than the metadata ask for",
			     elm_gguf_path(w->plan->gguf), t->name);
}

/* The subset of one side of a tensor, NULL where all of it stays. */
static elm_status find_subset(const work *w, const item *it, cut c, uint64_t size,
			      const subset **out, elm_error *error)
{
	const subset *s = &w->subsets[it->layer][c];

	*out = NULL;
	if (c == ALL)
		return ELM_OK;
	if (s->of != size)
		return misshapen(w, it->tensor, error);
	*out = s->count < s->of ? s : NULL;
	return ELM_OK;
}

/* The layer of the plan that layer `from` of the model becomes; plan->count when it goes. */
static uint32_t find_layer(const elm__prune_plan *plan, uint32_t from)
{
	uint32_t i = 0;

	while (i < plan->count && plan->layers[i].from != from)
		i++;
	return i;
}

static elm_status add_item(work *w, const elm_gguf_tensor *t, elm_error *error)
{
	const elm__prune_plan *plan = w->plan;
	item *it = &w->items[w->count];
	uint32_t from;
	const char *rest = elm__role_split(t->name, &from);
	const struct cut_rule *rule = rest ? rule_of(rest) : NULL;
	elm_status status = ELM_OK;

	*it = (item){ .tensor = t, .layer = plan->count, .type = type_of(w->options, t) };
	it->n_cols = t->dims[0];
	it->n_rows = t->elements / t->dims[0];
	snprintf(it->name, sizeof(it->name), "%s", t->name);
	if (rest && from < plan->hp->layers) {
		it->layer = find_layer(plan, from);
		if (it->layer == plan->count)
			return ELM_OK; /* it goes */
		snprintf(it->name, sizeof(it->name), "blk.%u.%s", it->layer, rest);
	}
	if (strlen(it->name) + 1 == sizeof(it->name) || (rule && t->n_dims > 2))
		return misshapen(w, t, error);
	if (rule && it->layer < plan->count) {
		status = find_subset(w, it, rule->rows, it->n_rows, &it->rows, error);
		if (!status)
			status = find_subset(w, it, rule->cols, it->n_cols, &it->cols, error);
	}
	it->n_rows = it->rows ? it->rows->count : it->n_rows;
	it->n_cols = it->cols ? it->cols->count : it->n_cols;
	if (!status)
		status = elm_type_row_bytes(it->type, it->n_cols, &it->row_bytes);
	w->total += it->n_rows * it->row_bytes;
	w->count++;
	return status;
}

static elm_status make_items(work *w, elm_error *error)
{
	const elm__prune_plan *plan = w->plan;
	size_t n = elm_gguf_tensor_count(plan->gguf);
	elm_status status = ELM_OK;

	w->subsets = elm__arena_calloc(&w->arena, plan->count, sizeof(*w->subsets));
	w->items = elm__arena_calloc(&w->arena, n, sizeof(*w->items));
	if (!w->subsets || !w->items)
		return no_memory(error);
	for (uint32_t i = 0; i < plan->count && !status; i++)
		status = list_layer(w, i, error);
	for (size_t i = 0; i < n && !status; i++)
		status = add_item(w, elm_gguf_tensor_at(plan->gguf, i), error);
	return status;
}

elm_status elm__prune_measure(const elm__prune_plan *plan, const elm__prune_options *options,
			      elm__prune_sizes *before, elm__prune_sizes *after, elm_error *error)
{
	work w = { .plan = plan, .options = options };
	elm_status status;
	uint32_t layer;

	memset(before, 0, sizeof(*before));
	memset(after, 0, sizeof(*after));
	elm__arena_init(&w.arena, 0);
	status = make_items(&w, error);
	for (size_t i = 0; i < elm_gguf_tensor_count(plan->gguf) && !status; i++) {
		const elm_gguf_tensor *t = elm_gguf_tensor_at(plan->gguf, i);

		before->weights += t->elements;
		before->layer_weights += elm__role_split(t->name, &layer) ? t->elements : 0;
		before->bytes += t->bytes;
	}
	for (size_t i = 0; i < w.count && !status; i++) {
		uint64_t weights = w.items[i].n_rows * w.items[i].n_cols;

		after->weights += weights;
		after->layer_weights += w.items[i].layer < plan->count ? weights : 0;
	}
	after->bytes = w.total;
	elm__arena_release(&w.arena);
	return status;
}

/* --- metadata --- */

/* Metadata of the model, under the name of the new architecture. */
static elm_status copy_metadata(const work *w, const char *from, const char *to, elm_error *error)
{
	const elm_gguf *gguf = w->plan->gguf;
	size_t length = strlen(from);
	elm_status status = ELM_OK;

	for (size_t i = 0; i < elm_gguf_kv_count(gguf) && !status; i++) {
		const elm_gguf_kv *kv = elm_gguf_kv_at(gguf, i);
		elm__buf key = ELM__BUF_INIT;

		if (!strcmp(from, to) || kv->key.length <= length + 1 ||
		    memcmp(kv->key.data, from, length) || kv->key.data[length] != '.') {
			status = elm_gguf_writer_copy(w->writer, kv, error);
			continue;
		}
		elm__buf_printf(&key, "%s%.*s", to, (int)(kv->key.length - length),
				kv->key.data + length);
		status = elm__gguf_writer_copy_as(w->writer, elm__buf_text(&key), kv, error);
		elm__buf_release(&key);
	}
	return status;
}

typedef uint32_t count_of(const elm__pruned_layer *layer);

static uint32_t heads_of(const elm__pruned_layer *l)
{
	return l->heads;
}

static uint32_t kv_heads_of(const elm__pruned_layer *l)
{
	return l->kv_heads;
}

static uint32_t neurons_of(const elm__pruned_layer *l)
{
	return l->neurons;
}

/* A number where all layers have the same, else one for each. */
static elm_status set_counts(work *w, const char *key, count_of *count, elm_error *error)
{
	const elm__prune_plan *plan = w->plan;
	uint32_t *list;

	if (plan->uniform)
		return elm_gguf_writer_set_u32(w->writer, key, count(&plan->layers[0]), error);
	list = elm__arena_calloc(&w->arena, plan->count, sizeof(*list));
	if (!list)
		return no_memory(error);
	for (uint32_t i = 0; i < plan->count; i++)
		list[i] = count(&plan->layers[i]);
	return elm_gguf_writer_set_array(w->writer, key, ELM_GGUF_U32, list, plan->count, error);
}

static elm_status set_shape(work *w, const char *arch, elm_error *error)
{
	const elm__hparams *hp = w->plan->hp;
	const struct {
		const char *key;
		count_of *count;
		uint32_t value;
	} numbers[] = {
		{ "block_count", NULL, w->plan->count },
		{ "attention.head_count", heads_of, 0 },
		{ "attention.head_count_kv", kv_heads_of, 0 },
		{ "feed_forward_length", neurons_of, 0 },
		/* What these are by default follows from the number of heads. */
		{ "attention.key_length", NULL, hp->head_dim },
		{ "attention.value_length", NULL, hp->head_dim },
		{ "rope.dimension_count", NULL, hp->rotated },
	};
	elm_status status = ELM_OK;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && !status; i++) {
		char key[96];

		snprintf(key, sizeof(key), "%s.%s", arch, numbers[i].key);
		status = numbers[i].count ?
				 set_counts(w, key, numbers[i].count, error) :
				 elm_gguf_writer_set_u32(w->writer, key, numbers[i].value, error);
	}
	return status;
}

/* What most of the matrices are, as programs number it in general.file_type. */
static elm_status set_file_type(work *w, elm_error *error)
{
	uint64_t bytes[ELM_TYPE_LIMIT] = { 0 };
	elm_type most = ELM_TYPE_F32;

	for (size_t i = 0; i < w->count; i++) {
		const item *it = &w->items[i];

		bytes[it->type] += it->n_rows * it->row_bytes;
		most = bytes[it->type] > bytes[most] ? it->type : most;
	}
	if (!elm__mix_find(elm_type_get(most)->name))
		return ELM_OK;
	return elm_gguf_writer_set_u32(w->writer, "general.file_type",
				       elm__mix_find(elm_type_get(most)->name)->file_type, error);
}

static elm_status set_metadata(work *w, elm_error *error)
{
	const char *from = w->plan->hp->arch->name, *to = elm__prune_arch(w->plan)->name;
	const char *score = w->options->score;
	elm_status status = copy_metadata(w, from, to, error);

	if (!status)
		status = elm_gguf_writer_set_string(w->writer, "general.architecture", to,
						    strlen(to), error);
	if (!status)
		status = set_shape(w, to, error);
	if (!status)
		status = set_file_type(w, error);
	if (!status)
		status = elm_gguf_writer_set_string(w->writer, "edgelm.prune.score", score,
						    strlen(score), error);
	if (!status)
		status = elm_gguf_writer_set_bool(w->writer, "edgelm.prune.reconstructed",
						  w->options->calib != NULL, error);
	return status;
}

/* --- data --- */

static elm_status write_bytes(work *w, const void *data, uint64_t bytes, elm_error *error)
{
	const elm__prune_options *o = w->options;
	elm_status status = elm_gguf_writer_data(w->writer, data, (size_t)bytes, error);

	w->done += bytes;
	if (!status && o->progress && o->progress(o->user, w->done, w->total))
		status =
			elm_error_set(error, ELM_ERR_CANCELLED, "interrupted; nothing was written");
	return status;
}

/* One row of floats in the type of the tensor. */
static elm_status write_row(work *w, const item *it, const float *row, elm_error *error)
{
	elm_status status = elm__quantize_row(it->type, row, NULL, w->encoded, (size_t)it->n_cols);

	if (status)
		return elm_error_set(error, status, "tensor %s cannot have type %s",
				     it->tensor->name, elm_type_get(it->type)->name);
	return write_bytes(w, w->encoded, it->row_bytes, error);
}

/* Rows one by one, without what goes. */
static elm_status write_cut(work *w, const item *it, elm_error *error)
{
	elm_status status = ELM_OK;

	for (uint64_t r = 0; r < it->n_rows && !status; r++) {
		const float *row = w->row;

		status = elm__decode_tensor_row(it->tensor, it->rows ? it->rows->at[r] : r, w->row,
						error);
		if (status)
			return status;
		if (it->cols) {
			for (size_t i = 0; i < it->n_cols; i++)
				w->picked[i] = w->row[it->cols->at[i]];
			row = w->picked;
		}
		status = write_row(w, it, row, error);
	}
	return status;
}

static elm_status write_repaired(work *w, const item *it, elm__role role,
				 elm__reconstruction *repair, elm_error *error)
{
	const elm__channels *c = elm__calib_at(w->options->calib, role);
	float *weights = elm__realloc_array(NULL, (size_t)it->tensor->elements, sizeof(float));
	float *out = elm__realloc_array(NULL, (size_t)(it->n_rows * it->n_cols), sizeof(float));
	elm_status status = weights && out ? ELM_OK : no_memory(error);

	if (!status)
		status = elm__calib_check_products(w->options->calib, role, error);
	if (!status)
		status = elm__decode_tensor(it->tensor, weights, error);
	if (!status)
		status = elm__reconstruct(w->options->pool, c, weights, (size_t)it->n_rows,
					  it->cols->at, it->cols->count, out, repair, error);
	for (size_t r = 0; r < it->n_rows && !status; r++)
		status = write_row(w, it, out + r * it->n_cols, error);
	elm__free(weights);
	elm__free(out);
	return status;
}

static elm_status write_item(work *w, const item *it, elm_error *error)
{
	elm_status status;
	elm__role role;

	if (it->cols && it->rows == NULL && w->options->calib &&
	    elm__role_of(w->plan->gguf, w->plan->hp, it->tensor->name, &role))
		status = write_repaired(w, it, role,
					role.input == ELM__INPUT_OUT ? &w->repairs[it->layer].out :
								       &w->repairs[it->layer].down,
					error);
	else
		status = write_cut(w, it, error);
	elm__gguf_forget(w->plan->gguf, it->tensor);
	return status;
}

static elm_status take_rows(work *w, elm_error *error)
{
	size_t longest = 1;

	for (size_t i = 0; i < w->count; i++)
		if (w->items[i].tensor->dims[0] > longest)
			longest = (size_t)w->items[i].tensor->dims[0];
	w->row = elm__realloc_array(NULL, longest, sizeof(float));
	w->picked = elm__realloc_array(NULL, longest, sizeof(float));
	w->encoded = elm__realloc_array(NULL, longest, sizeof(double)); /* the widest type */
	return w->row && w->picked && w->encoded ? ELM_OK : no_memory(error);
}

static elm_status write_file(work *w, const char *path, elm_error *error)
{
	elm_status status =
		elm_gguf_writer_create(path, elm_gguf_alignment(w->plan->gguf), &w->writer, error);

	if (!status)
		status = set_metadata(w, error);
	for (size_t i = 0; i < w->count && !status; i++) {
		const item *it = &w->items[i];
		uint64_t dims[ELM_GGUF_MAX_DIMS];

		memcpy(dims, it->tensor->dims, sizeof(dims));
		dims[0] = it->n_cols;
		if (it->rows)
			dims[1] = it->n_rows;
		status = elm_gguf_writer_add_tensor(w->writer, it->name, it->type,
						    it->tensor->n_dims, dims, error);
	}
	if (!status)
		status = elm_gguf_writer_begin(w->writer, error);
	for (size_t i = 0; i < w->count && !status; i++)
		status = write_item(w, &w->items[i], error);
	if (!status)
		status = elm_gguf_writer_finish(w->writer, error);
	return status;
}

elm_status elm__prune(const elm__prune_plan *plan, const char *path,
		      const elm__prune_options *options, elm__prune_repair *repairs,
		      elm_error *error)
{
	work w = { .plan = plan, .options = options, .repairs = repairs };
	elm_status status;

	memset(repairs, 0, plan->count * sizeof(*repairs));
	elm__arena_init(&w.arena, 0);
	status = make_items(&w, error);
	if (!status)
		status = take_rows(&w, error);
	if (!status)
		status = write_file(&w, path, error);
	elm_gguf_writer_free(w.writer);
	elm__free(w.row);
	elm__free(w.picked);
	elm__free(w.encoded);
	elm__arena_release(&w.arena);
	return status;
}
