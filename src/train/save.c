/* A trained model as GGUF, and checkpoints, which are such models with the state of training. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "quant/quant.h"
#include "train/state.h"

#define STATE "edgelm.train."

enum { ALIGNMENT = 32, CHECKPOINT_VERSION = 1 };

/* Collects the first failure of many calls. */
typedef struct output {
	elm_gguf_writer *writer;
	elm_error *error;
	elm_status status;
	const char *arch;
} output;

static void set_u32(output *o, const char *key, uint32_t value)
{
	char full[96];

	snprintf(full, sizeof(full), "%s.%s", o->arch, key);
	if (!o->status)
		o->status = elm_gguf_writer_set_u32(o->writer, full, value, o->error);
}

static void set_f32(output *o, const char *key, float value)
{
	char full[96];

	snprintf(full, sizeof(full), "%s.%s", o->arch, key);
	if (!o->status)
		o->status = elm_gguf_writer_set_f32(o->writer, full, value, o->error);
}

static void set_text(output *o, const char *key, const char *value)
{
	if (!o->status)
		o->status =
			elm_gguf_writer_set_string(o->writer, key, value, strlen(value), o->error);
}

static void set_u64(output *o, const char *key, uint64_t value)
{
	if (!o->status)
		o->status = elm_gguf_writer_set(o->writer, key, ELM_GGUF_U64, &value, o->error);
}

static bool begins_with(elm_gguf_string text, const char *start)
{
	size_t n = strlen(start);

	return text.length >= n && !memcmp(text.data, start, n);
}

/* Metadata of the file that training began with: all but what training changes; with a shape, only
 * the vocabulary. */
static void copy_metadata(output *o, const elm__trainer *t)
{
	for (size_t i = 0; i < elm_gguf_kv_count(t->file) && !o->status; i++) {
		const elm_gguf_kv *kv = elm_gguf_kv_at(t->file, i);
		bool wanted = t->from_shape ? begins_with(kv->key, "tokenizer.") :
					      !begins_with(kv->key, STATE) &&
						      !begins_with(kv->key, "general.file_type") &&
						      !begins_with(kv->key, "general.quant");

		if (wanted)
			o->status = elm_gguf_writer_copy(o->writer, kv, o->error);
	}
}

static void set_shape(output *o, const elm__trainer *t)
{
	const elm__hparams *hp = &t->hparams;
	const elm__layer_shape *s = &hp->shapes[0];

	set_text(o, "general.architecture", hp->arch->name);
	set_text(o, "general.type", "model");
	set_u32(o, "vocab_size", hp->vocabulary);
	set_u32(o, "context_length", hp->trained_context);
	set_u32(o, "embedding_length", hp->width);
	set_u32(o, "block_count", hp->layers);
	set_u32(o, "feed_forward_length", s->ffn);
	set_u32(o, "attention.head_count", s->heads);
	set_u32(o, "attention.head_count_kv", s->kv_heads);
	set_u32(o, "attention.key_length", hp->head_dim);
	set_u32(o, "attention.value_length", hp->head_dim);
	set_u32(o, "rope.dimension_count", hp->rotated);
	set_f32(o, "rope.freq_base", hp->rope_base);
	set_f32(o, "attention.layer_norm_rms_epsilon", hp->norm_epsilon);
}

/* The number that programs give a file of this type in general.file_type. */
static uint32_t file_type(elm_type type)
{
	return type == ELM_TYPE_F16 ? 1 : type == ELM_TYPE_BF16 ? 32 : 0;
}

static elm_type tensor_type(const elm__param *p, elm_type type)
{
	return p->rows ? type : ELM_TYPE_F32;
}

static void declare(output *o, const char *name, elm_type type, uint64_t cols, uint64_t rows)
{
	uint64_t dims[2] = { cols, rows };

	if (!o->status)
		o->status = elm_gguf_writer_add_tensor(o->writer, name, type, rows ? 2 : 1, dims,
						       o->error);
}

static void write_floats(output *o, const float *floats, size_t n)
{
	if (!o->status)
		o->status = elm_gguf_writer_data(o->writer, floats, n * sizeof(float), o->error);
}

static void write_tensor(output *o, const elm__trainer *t, const elm__param *p, elm_type type)
{
	const float *floats = t->weights + p->offset;
	uint16_t *row;

	if (tensor_type(p, type) == ELM_TYPE_F32) {
		write_floats(o, floats, elm__param_elements(p));
		return;
	}
	row = elm__calloc(p->cols, sizeof(*row));
	if (!row)
		o->status = elm_error_set(o->error, ELM_ERR_NO_MEMORY, "out of memory");
	for (uint32_t r = 0; r < p->rows && !o->status; r++) {
		o->status =
			elm__quantize_row(type, floats + (size_t)r * p->cols, NULL, row, p->cols);
		if (!o->status)
			o->status = elm_gguf_writer_data(o->writer, row, p->cols * sizeof(*row),
							 o->error);
	}
	elm__free(row);
}

static uint64_t state_hash(const elm__trainer *t)
{
	size_t bytes = t->params.floats * sizeof(float);
	uint64_t numbers[] = { t->optimizer.steps, t->feed.epoch, t->feed.next, t->rows_done };
	uint64_t hash = elm__hash64(numbers, sizeof(numbers), CHECKPOINT_VERSION);

	hash = elm__hash64(t->weights, bytes, hash);
	hash = elm__hash64(t->optimizer.mean, bytes, hash);
	return elm__hash64(t->optimizer.square, bytes, hash);
}

static void set_state(output *o, const elm__trainer *t)
{
	char text[512];

	set_u64(o, STATE "version", CHECKPOINT_VERSION);
	set_u64(o, STATE "steps", t->optimizer.steps);
	set_u64(o, STATE "epoch", t->feed.epoch);
	set_u64(o, STATE "next", t->feed.next);
	set_u64(o, STATE "rows", t->rows_done);
	elm__trainer_settings(t, text, sizeof(text));
	set_text(o, STATE "settings", text);
	snprintf(text, sizeof(text), "%016llx", (unsigned long long)state_hash(t));
	set_text(o, STATE "hash", text);
}

static elm_status write_file(const elm__trainer *t, const char *path, elm_type type, bool state,
			     elm_error *error)
{
	output o = { .error = error, .arch = t->hparams.arch->name };
	const elm__params *p = &t->params;
	uint32_t pairs = t->hparams.rotated / 2;

	o.status = elm_gguf_writer_create(path, ALIGNMENT, &o.writer, error);
	copy_metadata(&o, t);
	if (t->from_shape)
		set_shape(&o, t);
	if (!o.status)
		o.status = elm_gguf_writer_set_u32(o.writer, "general.file_type", file_type(type),
						   error);
	if (state)
		set_state(&o, t);
	for (size_t i = 0; i < p->count; i++)
		declare(&o, p->list[i].name, tensor_type(&p->list[i], type), p->list[i].cols,
			p->list[i].rows);
	if (t->bound.rope_divisors)
		declare(&o, "rope_freqs.weight", ELM_TYPE_F32, pairs, 0);
	if (state) {
		declare(&o, STATE "mean", ELM_TYPE_F32, p->floats, 0);
		declare(&o, STATE "square", ELM_TYPE_F32, p->floats, 0);
	}
	if (!o.status)
		o.status = elm_gguf_writer_begin(o.writer, error);
	for (size_t i = 0; i < p->count; i++)
		write_tensor(&o, t, &p->list[i], type);
	if (t->bound.rope_divisors)
		write_floats(&o, t->bound.rope_divisors, pairs);
	if (state) {
		write_floats(&o, t->optimizer.mean, p->floats);
		write_floats(&o, t->optimizer.square, p->floats);
	}
	if (!o.status)
		o.status = elm_gguf_writer_finish(o.writer, error);
	elm_gguf_writer_free(o.writer);
	return o.status;
}

elm_status elm__trainer_export(const elm__trainer *trainer, const char *path, elm_type type,
			       elm_error *error)
{
	return write_file(trainer, path, type, false, error);
}

elm_status elm__trainer_save(const elm__trainer *trainer, const char *path, elm_error *error)
{
	return write_file(trainer, path, ELM_TYPE_F32, true, error);
}

/* --- restoring --- */

static elm_status damaged(const elm_gguf *file, elm_error *error)
{
	return elm_error_set(error, ELM_ERR_FORMAT,
			     "%s: the checkpoint is damaged; begin anew, or from an older one",
			     elm_gguf_path(file));
}

static elm_status get_number(const elm_gguf *file, const char *key, uint64_t *out, elm_error *error)
{
	const elm_gguf_kv *kv = elm_gguf_find(file, key);

	if (!kv || kv->kind != ELM_GGUF_U64 || elm_gguf_i64_at(kv, 0) < 0)
		return damaged(file, error);
	*out = (uint64_t)elm_gguf_i64_at(kv, 0);
	return ELM_OK;
}

static elm_status check_version(const elm_gguf *file, elm_error *error)
{
	uint64_t version = 0;
	elm_status status;

	if (!elm_gguf_find(file, STATE "version"))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "%s is no checkpoint; a model is trained on with --init",
				     elm_gguf_path(file));
	status = get_number(file, STATE "version", &version, error);
	if (!status && version != CHECKPOINT_VERSION)
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "%s: a checkpoint of version %llu; this program reads %d",
				     elm_gguf_path(file), (unsigned long long)version,
				     CHECKPOINT_VERSION);
	return status;
}

elm_status elm__checkpoint_open(const char *path, elm_gguf **out, elm_error *error)
{
	elm_status status = elm_gguf_open(path, out, error);

	if (!status)
		status = check_version(*out, error);
	if (status) {
		elm_gguf_close(*out);
		*out = NULL;
	}
	return status;
}

/* The first of the settings, which are separated by commas, where the two texts differ. */
static elm_status report_difference(const elm_gguf *file, const char *then, const char *now,
				    elm_error *error)
{
	size_t at = 0, start = 0;

	for (; then[at] && then[at] == now[at]; at++)
		if (then[at] == ',')
			start = at + 2;
	return elm_error_set(
		error, ELM_ERR_ARGUMENT,
		"%s was made with other settings: %.*s, now %.*s; resume with the same, "
		"or begin anew",
		elm_gguf_path(file), (int)strcspn(then + start, ","), then + start,
		(int)strcspn(now + start, ","), now + start);
}

static elm_status check_settings(const elm__trainer *t, const elm_gguf *file, elm_error *error)
{
	char now[512], then[512];
	elm_gguf_string said;
	elm_status status = elm_gguf_get_string(file, STATE "settings", &said, error);

	if (status)
		return status;
	elm__trainer_settings(t, now, sizeof(now));
	snprintf(then, sizeof(then), "%.*s", (int)(said.length < 500 ? said.length : 500),
		 said.data);
	if (strcmp(then, now) != 0)
		return report_difference(file, then, now, error);
	return ELM_OK;
}

static elm_status get_floats(const elm__trainer *t, const elm_gguf *file, const char *name,
			     float *out, elm_error *error)
{
	const elm_gguf_tensor *tensor = elm_gguf_tensor_find(file, name);

	if (!tensor || tensor->type != ELM_TYPE_F32 || tensor->elements != t->params.floats)
		return damaged(file, error);
	memcpy(out, tensor->data, t->params.floats * sizeof(float));
	return ELM_OK;
}

elm_status elm__trainer_restore(elm__trainer *t, const elm_gguf *file, elm_error *error)
{
	uint64_t epoch = 0, next = 0;
	char hash[20];
	elm_gguf_string said;
	elm_status status = check_settings(t, file, error);

	if (!status)
		status = elm__params_load(&t->params, file, t->weights, error);
	if (!status)
		status = get_floats(t, file, STATE "mean", t->optimizer.mean, error);
	if (!status)
		status = get_floats(t, file, STATE "square", t->optimizer.square, error);
	if (!status)
		status = get_number(file, STATE "steps", &t->optimizer.steps, error);
	if (!status)
		status = get_number(file, STATE "epoch", &epoch, error);
	if (!status)
		status = get_number(file, STATE "next", &next, error);
	if (!status)
		status = get_number(file, STATE "rows", &t->rows_done, error);
	if (!status)
		status = elm_gguf_get_string(file, STATE "hash", &said, error);
	if (status)
		return status;
	if (!elm__feed_seek(&t->feed, epoch, (size_t)next))
		return damaged(file, error);
	snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)state_hash(t));
	if (said.length != strlen(hash) || memcmp(said.data, hash, said.length) != 0)
		return damaged(file, error);
	return ELM_OK;
}
