/* calib_file.c: calibration to and from files; see docs/FORMAT-CALIB.md. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"
#include "compress/calib.h"
#include "model/engine_file.h"

enum { VERSION = 1 };

#define KEY_DATASETS "imatrix.datasets"
#define KEY_WINDOWS "imatrix.chunk_count"
#define KEY_WINDOW "imatrix.chunk_size"
#define KEY_VERSION "edgelm.calib.version"
#define KEY_FINISHED "edgelm.calib.finished"
#define KEY_MODEL "edgelm.calib.model"
#define KEY_TEXT "edgelm.calib.text"
#define KEY_LAYER "edgelm.calib.layer"
#define KEY_DONE "edgelm.calib.done"
#define CHECKSUMS "edgelm.checksums"
#define STATES "edgelm.states"

/* What is kept of an input, in the order of the file. */
typedef enum part { PART_SQUARE, PART_COUNT, PART_SUM, PART_MAGNITUDE, PART_PRODUCTS, PARTS } part;

static const char *const endings[PARTS] = { "in_sum2", "counts", "in_sum", "in_abs",
					    "in_products" };

static void name_part(char out[ELM__TENSOR_NAME_MAX], const char *tensor, part p)
{
	snprintf(out, ELM__TENSOR_NAME_MAX, "%s.%s", tensor, endings[p]);
}

/* --- writing --- */

/* A tensor of the file: declared first, written in the same order later. */
typedef struct piece {
	const void *data;
	size_t bytes;
} piece;

typedef struct saving {
	const elm__calib *calib;
	const elm__walk *walk;
	elm_gguf_writer *writer;
	piece *pieces;
	int64_t *hashes;
	float *counts; /* of each input, as the file has them */
	size_t n;
} saving;

static bool unfinished(const elm__walk *walk)
{
	return walk && walk->layer < elm_model_get_info(walk->model)->layers;
}

static elm_status declare(saving *s, const char *name, size_t cols, size_t rows, const void *data,
			  elm_error *error)
{
	const uint64_t dims[2] = { cols, rows };

	s->pieces[s->n++] = (piece){ data, cols * rows * sizeof(float) };
	return elm_gguf_writer_add_tensor(s->writer, name, ELM_TYPE_F32, 2, dims, error);
}

/* Every tensor that reads the input gets the sums; the first has the products for all. */
static elm_status declare_input(saving *s, size_t index, elm_error *error)
{
	elm__role role = elm__calib_role(index);
	const elm__channels *c = &s->calib->inputs[index];
	const elm_gguf_tensor *readers[ELM__READERS_MAX];
	size_t n = elm__role_readers(s->calib->model, s->calib->hp, role, readers);
	elm_status status = ELM_OK;

	if (!c->count)
		return ELM_OK;
	s->counts[index] = (float)c->count;
	for (size_t r = 0; r < n; r++) {
		const float *parts[PARTS] = { c->square, &s->counts[index], c->sum, c->magnitude,
					      r ? NULL : c->products };

		for (part p = 0; p < PARTS && !status; p++) {
			char name[ELM__TENSOR_NAME_MAX];

			if (!parts[p])
				continue;
			name_part(name, readers[r]->name, p);
			status = declare(s, name, p == PART_COUNT ? 1 : c->cols,
					 p == PART_PRODUCTS ? c->cols : 1, parts[p], error);
		}
	}
	return status;
}

/* As the same bits with a sign, because that is how they are read back. */
static elm_status set_hash(elm_gguf_writer *writer, const char *key, uint64_t value,
			   elm_error *error)
{
	return elm_gguf_writer_set(writer, key, ELM_GGUF_I64, &value, error);
}

static uint64_t text_key(const elm__walk *walk)
{
	return elm__hash64(walk->tokens,
			   (size_t)walk->windows * walk->window * sizeof(*walk->tokens),
			   walk->window);
}

static elm_status set_metadata(const saving *s, elm_error *error)
{
	const elm__calib *c = s->calib;
	elm_gguf_string name = { c->text_name ? c->text_name : "",
				 c->text_name ? strlen(c->text_name) : 0 };
	elm_gguf_writer *w = s->writer;
	bool more = unfinished(s->walk);
	elm_status status = elm_gguf_writer_set_string(w, "general.type", "imatrix", 7, error);

	if (!elm__utf8_valid(name.data, name.length))
		name.length = 0;
	if (!status)
		status = elm_gguf_writer_set_strings(w, KEY_DATASETS, &name, 1, error);
	if (!status)
		status = elm_gguf_writer_set_u32(w, KEY_WINDOWS, c->windows, error);
	if (!status)
		status = elm_gguf_writer_set_u32(w, KEY_WINDOW, c->window, error);
	if (!status)
		status = elm_gguf_writer_set_u32(w, KEY_VERSION, VERSION, error);
	if (!status)
		status = elm_gguf_writer_set_bool(w, KEY_FINISHED, !more, error);
	if (!status && more)
		status = set_hash(w, KEY_MODEL, elm__engine_key(c->model), error);
	if (!status && more)
		status = set_hash(w, KEY_TEXT, text_key(s->walk), error);
	if (!status && more)
		status = elm_gguf_writer_set_u32(w, KEY_LAYER, s->walk->layer, error);
	if (!status && more)
		status = elm_gguf_writer_set_u32(w, KEY_DONE, s->walk->done, error);
	return status;
}

static elm_status declare_all(saving *s, elm_error *error)
{
	elm_status status = ELM_OK;
	uint64_t n;

	for (size_t i = 0; i < elm__calib_inputs(s->calib) && !status; i++)
		status = declare_input(s, i, error);
	if (!status && unfinished(s->walk))
		status =
			declare(s, STATES, elm_model_get_info(s->walk->model)->width,
				(size_t)s->walk->windows * s->walk->window, s->walk->states, error);
	n = s->n;
	if (!status && !n)
		status = elm_error_set(error, ELM_ERR_ARGUMENT, "there is nothing to save yet");
	if (!status)
		status = elm_gguf_writer_add_tensor(s->writer, CHECKSUMS, ELM_TYPE_I64, 1, &n,
						    error);
	return status;
}

static elm_status write_all(saving *s, elm_error *error)
{
	elm_status status = elm_gguf_writer_begin(s->writer, error);

	for (size_t i = 0; i < s->n && !status; i++) {
		s->hashes[i] = (int64_t)elm__hash64(s->pieces[i].data, s->pieces[i].bytes, 0);
		status = elm_gguf_writer_data(s->writer, s->pieces[i].data, s->pieces[i].bytes,
					      error);
	}
	if (!status)
		status = elm_gguf_writer_data(s->writer, s->hashes, s->n * sizeof(*s->hashes),
					      error);
	return status ? status : elm_gguf_writer_finish(s->writer, error);
}

elm_status elm__calib_save(const elm__calib *calib, const elm__walk *walk, const char *path,
			   elm_error *error)
{
	size_t inputs = elm__calib_inputs(calib), most = inputs * ELM__READERS_MAX * PARTS + 1;
	saving s = { .calib = calib, .walk = walk };
	elm_status status = ELM_OK;

	s.pieces = elm__calloc(most, sizeof(*s.pieces));
	s.hashes = elm__calloc(most, sizeof(*s.hashes));
	s.counts = elm__calloc(inputs, sizeof(*s.counts));
	if (!s.pieces || !s.hashes || !s.counts)
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", path);
	if (!status)
		status = elm_gguf_writer_create(path, 32, &s.writer, error);
	if (!status)
		status = set_metadata(&s, error);
	if (!status)
		status = declare_all(&s, error);
	if (!status)
		status = write_all(&s, error);
	elm_gguf_writer_free(s.writer);
	elm__free(s.pieces);
	elm__free(s.hashes);
	elm__free(s.counts);
	return status;
}

/* --- reading --- */

static bool ends_with(const char *text, const char *ending)
{
	size_t length = strlen(text), tail = strlen(ending);

	return length > tail && text[length - tail - 1] == '.' &&
	       !strcmp(text + length - tail, ending);
}

static bool all_finite(const float *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(values[i]))
			return false;
	return true;
}

/* Compares one tensor with its checksum, where the file has them: tensor i has number i. */
static elm_status verify(const elm_gguf *file, size_t index, elm_error *error)
{
	const elm_gguf_tensor *sums = elm_gguf_tensor_find(file, CHECKSUMS);
	const elm_gguf_tensor *t = elm_gguf_tensor_at(file, index);
	int64_t expected;

	if (!sums || t == sums)
		return ELM_OK;
	if (sums->type != ELM_TYPE_I64 || index >= sums->elements)
		return elm_error_set(error, ELM_ERR_FORMAT, "%s: tensor %s has no checksum",
				     elm_gguf_path(file), t->name);
	memcpy(&expected, (const char *)sums->data + index * sizeof(expected), sizeof(expected));
	if ((int64_t)elm__hash64(t->data, (size_t)t->bytes, 0) != expected)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: tensor %s is damaged; calibrate again",
				     elm_gguf_path(file), t->name);
	return ELM_OK;
}

/* All but the large ones, which are verified when they are used. */
static elm_status verify_small(const elm_gguf *file, elm_error *error)
{
	elm_status status = ELM_OK;

	for (size_t i = 0; i < elm_gguf_tensor_count(file) && !status; i++) {
		const char *name = elm_gguf_tensor_at(file, i)->name;

		if (!ends_with(name, endings[PART_PRODUCTS]) && strcmp(name, STATES) != 0)
			status = verify(file, i, error);
	}
	return status;
}

static elm_status verify_named(const elm_gguf *file, const char *name, elm_error *error)
{
	for (size_t i = 0; i < elm_gguf_tensor_count(file); i++)
		if (!strcmp(elm_gguf_tensor_at(file, i)->name, name))
			return verify(file, i, error);
	return ELM_OK;
}

/* A part of what is known for a tensor, `rows` x `cols` floats; NULL where there is none. The
 * pointer is to be read only: it goes where sums that are being made are writable. */
static elm_status find_part(const elm__calib *c, const char *tensor, part p, size_t cols,
			    size_t rows, float **out, elm_error *error)
{
	char name[ELM__TENSOR_NAME_MAX];
	const elm_gguf_tensor *t;

	*out = NULL;
	name_part(name, tensor, p);
	t = elm_gguf_tensor_find(c->file, name);
	if (!t)
		return ELM_OK;
	if (t->type != ELM_TYPE_F32)
		return elm_error_set(error, ELM_ERR_FORMAT, "%s: tensor %s has type %s, not F32",
				     elm_gguf_path(c->file), name, elm_type_get(t->type)->name);
	if (t->dims[0] != cols || t->elements != (uint64_t)cols * rows)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "%s is of another model: tensor %s has %llu x %llu values, "
				     "%zu x %zu are needed",
				     elm_gguf_path(c->file), name, (unsigned long long)t->dims[0],
				     (unsigned long long)(t->elements / t->dims[0]), cols, rows);
	*out = (float *)(uintptr_t)t->data;
	return ELM_OK;
}

static elm_status check_values(const elm__calib *c, const char *tensor, const elm__channels *in,
			       const float *count, elm_error *error)
{
	bool good = count && isfinite(*count) && *count >= 0 && *count < 0x1p63f &&
		    all_finite(in->square, in->cols) &&
		    (!in->sum || all_finite(in->sum, in->cols)) &&
		    (!in->magnitude || all_finite(in->magnitude, in->cols));

	for (size_t i = 0; good && i < in->cols; i++)
		good = in->square[i] >= 0 && (!in->magnitude || in->magnitude[i] >= 0);
	if (good)
		return ELM_OK;
	return elm_error_set(error, ELM_ERR_FORMAT,
			     "%s: the sums for tensor %s are no sums: something in them is "
			     "missing, negative, infinite or not a number",
			     elm_gguf_path(c->file), tensor);
}

/* What the file says of an input, from the first of its readers that it knows. */
static elm_status load_input(elm__calib *c, size_t index, elm_error *error)
{
	const elm_gguf_tensor *readers[ELM__READERS_MAX];
	elm__channels *in = &c->inputs[index];
	size_t n = elm__role_readers(c->model, c->hp, elm__calib_role(index), readers);
	elm_status status = ELM_OK;

	for (size_t r = 0; r < n && !in->square && !status; r++) {
		const char *tensor = readers[r]->name;
		float *count = NULL;

		status = find_part(c, tensor, PART_SQUARE, in->cols, 1, &in->square, error);
		if (status || !in->square)
			continue;
		status = find_part(c, tensor, PART_COUNT, 1, 1, &count, error);
		if (!status)
			status = find_part(c, tensor, PART_SUM, in->cols, 1, &in->sum, error);
		if (!status)
			status = find_part(c, tensor, PART_MAGNITUDE, in->cols, 1, &in->magnitude,
					   error);
		if (!status)
			status = find_part(c, tensor, PART_PRODUCTS, in->cols, in->cols,
					   &in->products, error);
		if (!status)
			status = check_values(c, tensor, in, count, error);
		if (!status)
			in->count = (uint64_t)*count;
	}
	return status;
}

/* 0 where the file does not say. */
static uint32_t optional_u32(const elm_gguf *file, const char *key)
{
	uint32_t value;

	return elm_gguf_get_u32(file, key, &value, NULL) ? 0 : value;
}

/* Whether c->file is what it should be, and whole. */
static elm_status check_file(elm__calib *c, bool *finished, elm_error *error)
{
	const char *path = elm_gguf_path(c->file);
	const elm_gguf_kv *type = elm_gguf_find(c->file, "general.type");

	if (!type || type->kind != ELM_GGUF_STRING || elm_gguf_string_at(type, 0).length != 7 ||
	    memcmp(elm_gguf_string_at(type, 0).data, "imatrix", 7) != 0)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s is a GGUF file, but not one of calibration", path);
	if (optional_u32(c->file, KEY_VERSION) > VERSION)
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "%s is of version %u of calibration files; this program knows "
				     "up to %d",
				     path, optional_u32(c->file, KEY_VERSION), VERSION);
	if (elm_gguf_get_bool(c->file, KEY_FINISHED, finished, NULL))
		*finished = true;
	c->windows = optional_u32(c->file, KEY_WINDOWS);
	c->window = optional_u32(c->file, KEY_WINDOW);
	return verify_small(c->file, error);
}

elm_status elm__calib_load_gguf(elm__calib *calib, elm_gguf *file, const elm_gguf *model,
				const elm__hparams *hp, elm_error *error)
{
	elm_status status = elm__calib_init(calib, model, hp, error);
	uint64_t known = 0;
	bool finished = false;

	calib->file = file;
	if (!status)
		status = check_file(calib, &finished, error);
	if (!status && !finished)
		status = elm_error_set(error, ELM_ERR_ARGUMENT,
				       "%s is unfinished; end it with calibrate --resume",
				       elm_gguf_path(file));
	for (size_t i = 0; !status && i < elm__calib_inputs(calib); i++) {
		status = load_input(calib, i, error);
		known |= calib->inputs[i].count;
	}
	if (!status && !known)
		status = elm_error_set(error, ELM_ERR_ARGUMENT,
				       "%s has nothing for the tensors of this model",
				       elm_gguf_path(file));
	if (status)
		elm__calib_release(calib);
	return status;
}

elm_status elm__calib_load(elm__calib *calib, const char *path, const elm_gguf *model,
			   const elm__hparams *hp, elm_error *error)
{
	elm_gguf *file;
	elm_status status = elm_gguf_open(path, &file, error);

	memset(calib, 0, sizeof(*calib));
	return status ? status : elm__calib_load_gguf(calib, file, model, hp, error);
}

elm_status elm__calib_check_products(const elm__calib *calib, elm__role role, elm_error *error)
{
	const elm__channels *c = elm__calib_at(calib, role);
	const elm_gguf_tensor *readers[ELM__READERS_MAX];
	size_t n = elm__role_readers(calib->model, calib->hp, role, readers);
	elm_status status = ELM_OK;

	if (!calib->file || !c->products)
		return ELM_OK;
	for (size_t r = 0; r < n && !status; r++) {
		char name[ELM__TENSOR_NAME_MAX];

		name_part(name, readers[r]->name, PART_PRODUCTS);
		status = verify_named(calib->file, name, error);
	}
	if (!status && !all_finite(c->products, c->cols * c->cols))
		status = elm_error_set(error, ELM_ERR_FORMAT,
				       "%s: the Hessian of tensor %s has infinite values",
				       elm_gguf_path(calib->file), readers[0]->name);
	return status;
}

/* --- going on --- */

static uint64_t optional_hash(const elm_gguf *file, const char *key)
{
	const elm_gguf_kv *kv = elm_gguf_find(file, key);

	return kv && kv->kind == ELM_GGUF_I64 ? (uint64_t)elm_gguf_i64_at(kv, 0) : 0;
}

/* Copies what was loaded into the sums that are being made. */
static elm_status take_over(elm__calib *to, const elm__calib *from, const char *path,
			    elm_error *error)
{
	for (size_t i = 0; i < elm__calib_inputs(to); i++) {
		elm__channels *a = &to->inputs[i];
		const elm__channels *b = &from->inputs[i];
		size_t bytes = a->cols * sizeof(float);

		if (!b->count)
			continue;
		if (!b->sum || !b->magnitude || !a->products != !b->products)
			return elm_error_set(error, ELM_ERR_ARGUMENT,
					     "%s was begun %s --hessian; go on likewise, or delete "
					     "it",
					     path, b->products ? "with" : "without");
		a->count = b->count;
		memcpy(a->square, b->square, bytes);
		memcpy(a->sum, b->sum, bytes);
		memcpy(a->magnitude, b->magnitude, bytes);
		if (a->products)
			memcpy(a->products, b->products, bytes * a->cols);
	}
	return ELM_OK;
}

static elm_status check_whole(const elm__calib *c, elm_error *error)
{
	elm_status status = verify_named(c->file, STATES, error);

	for (size_t i = 0; i < elm__calib_inputs(c) && !status; i++)
		status = elm__calib_check_products(c, elm__calib_role(i), error);
	return status;
}

static elm_status restore(elm__calib *calib, elm__walk *walk, const elm__calib *old,
			  const char *path, elm_error *error)
{
	const elm_gguf_tensor *states = elm_gguf_tensor_find(old->file, STATES);
	uint64_t width = elm_model_get_info(walk->model)->width;
	uint32_t layer = optional_u32(old->file, KEY_LAYER);
	uint32_t done = optional_u32(old->file, KEY_DONE);
	elm_status status;

	if (optional_hash(old->file, KEY_MODEL) != elm__engine_key(calib->model) ||
	    optional_hash(old->file, KEY_TEXT) != text_key(walk))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "%s was begun with another model, text or window; delete it "
				     "to begin again",
				     path);
	if (!states || states->type != ELM_TYPE_F32 || states->dims[0] != width ||
	    states->bytes != walk->states_bytes || layer >= calib->layers || done >= walk->windows)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s does not say where it stands; delete it to begin again",
				     path);
	status = check_whole(old, error);
	if (!status)
		status = take_over(calib, old, path, error);
	if (status)
		return status;
	memcpy(walk->states, states->data, walk->states_bytes);
	walk->layer = layer;
	walk->done = done;
	return ELM_OK;
}

elm_status elm__calib_resume(elm__calib *calib, elm__walk *walk, const char *path, bool *found,
			     elm_error *error)
{
	elm_error reason = { 0 };
	bool finished = true;
	elm__calib old;
	elm_status status = elm__calib_init(&old, calib->model, calib->hp, error);

	*found = false;
	if (status)
		return status;
	status = elm_gguf_open(path, &old.file, &reason);
	if (!status)
		status = check_file(&old, &finished, &reason);
	for (size_t i = 0; !status && !finished && i < elm__calib_inputs(&old); i++)
		status = load_input(&old, i, &reason);
	if (!status && !finished)
		status = restore(calib, walk, &old, path, &reason);
	*found = !status && !finished;
	elm__calib_release(&old);
	if (!status || status == ELM_ERR_NOT_FOUND)
		return ELM_OK;
	return elm_error_set(error, status, "%s", reason.text);
}
