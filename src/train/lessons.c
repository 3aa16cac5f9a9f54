/*
 * A file of what a teacher says: a tensor of one row per target in the order of the corpus. A row
 * holds `count` numbers of tokens, as floats (which hold integers up to 2^24 exactly), and then the
 * logarithms of their probabilities.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "train/teacher.h"

#define ROWS "lessons"

enum { ALIGNMENT = 32 };

struct elm__lessons {
	elm_gguf *file;
	elm__teaching teaching;
	const float *rows;
	size_t *targets; /* before each document */
	const elm__corpus *corpus;
};

/* Everything that decides what the file holds. */
static void describe(const elm__teaching *teacher, const elm__corpus *corpus, uint32_t context,
		     char *out, size_t size)
{
	snprintf(out, size, "teacher %016llx, text %016llx, context %u, top %u, temperature %g",
		 (unsigned long long)teacher->identity,
		 (unsigned long long)elm__corpus_hash(corpus), context, teacher->count,
		 (double)teacher->temperature);
}

/* Targets of a document: a first token is none. */
static size_t document_targets(const elm__corpus *c, size_t document)
{
	size_t targets = 0;

	for (size_t i = c->starts[document] + 1; i < c->starts[document + 1]; i++)
		targets += c->trained[i];
	return targets;
}

static elm_status write_window(elm_gguf_writer *writer, const elm__teaching *teacher,
			       const elm__corpus *corpus, const elm__window *window,
			       uint32_t *tokens, float *likelihoods, float *row, elm_error *error)
{
	elm_status status =
		teacher->teach(teacher->user, corpus, window, tokens, likelihoods, error);

	for (uint32_t i = 0; i + 1 < window->tokens && !status; i++) {
		size_t at = (size_t)i * teacher->count;

		if (!corpus->trained[window->start + i + 1])
			continue;
		for (uint32_t j = 0; j < teacher->count; j++) {
			row[j] = (float)tokens[at + j];
			row[teacher->count + j] = likelihoods[at + j];
		}
		status = elm_gguf_writer_data(writer, row, 2 * sizeof(float) * teacher->count,
					      error);
	}
	return status;
}

static elm_status begin_file(elm_gguf_writer *writer, const elm__teaching *teacher,
			     const elm__corpus *corpus, uint32_t context, elm_error *error)
{
	uint64_t dims[2] = { 2 * (uint64_t)teacher->count, 0 };
	char text[256];
	elm_status status;

	for (size_t i = 0; i < corpus->documents; i++)
		dims[1] += document_targets(corpus, i);
	describe(teacher, corpus, context, text, sizeof(text));
	status = elm_gguf_writer_set_string(writer, "edgelm.lessons", text, strlen(text), error);
	if (!status)
		status = elm_gguf_writer_add_tensor(writer, ROWS, ELM_TYPE_F32, 2, dims, error);
	return status ? status : elm_gguf_writer_begin(writer, error);
}

elm_status elm__lessons_write(const char *path, const elm__teaching *teacher,
			      const elm__corpus *corpus, uint32_t context,
			      bool (*progress)(void *user, uint64_t done, uint64_t total),
			      void *user, elm_error *error)
{
	size_t floats = (size_t)context * teacher->count;
	uint32_t *tokens = elm__calloc(floats, sizeof(*tokens));
	float *likelihoods = elm__calloc(floats, sizeof(*likelihoods));
	float *row = elm__calloc(2 * (size_t)teacher->count, sizeof(*row));
	elm_gguf_writer *writer = NULL;
	elm__feed feed;
	uint64_t done = 0;
	elm_status status = elm__feed_init_plain(&feed, corpus, context, error);

	if (!status && (!tokens || !likelihoods || !row))
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	if (!status)
		status = elm_gguf_writer_create(path, ALIGNMENT, &writer, error);
	if (!status)
		status = begin_file(writer, teacher, corpus, context, error);
	for (size_t i = 0; !status && i < feed.count; i++) {
		if (progress && progress(user, done, corpus->count))
			status = elm_error_set(error, ELM_ERR_CANCELLED, "interrupted");
		else
			status = write_window(writer, teacher, corpus, &feed.windows[i], tokens,
					      likelihoods, row, error);
		done += feed.windows[i].tokens;
	}
	if (!status)
		status = elm_gguf_writer_finish(writer, error);
	elm_gguf_writer_free(writer);
	elm__feed_release(&feed);
	elm__free(tokens);
	elm__free(likelihoods);
	elm__free(row);
	return status;
}

/* --- reading --- */

static elm_status check_rows(const elm__lessons *l, uint64_t rows, uint32_t vocabulary,
			     elm_error *error)
{
	const uint32_t count = l->teaching.count;

	for (uint64_t i = 0; i < rows; i++) {
		const float *row = l->rows + i * 2 * count;

		for (uint32_t j = 0; j < count; j++)
			if (!(row[j] >= 0 && row[j] < (float)vocabulary &&
			      row[j] == truncf(row[j])) ||
			    !(row[count + j] <= 1e-3f))
				return elm_error_set(
					error, ELM_ERR_FORMAT,
					"%s is damaged; remove it, and it is made anew",
					elm_gguf_path(l->file));
	}
	return ELM_OK;
}

static elm_status check_file(elm__lessons *l, uint32_t context, uint32_t vocabulary,
			     elm_error *error)
{
	const elm_gguf_tensor *t = elm_gguf_tensor_find(l->file, ROWS);
	size_t targets = l->targets[l->corpus->documents];
	char text[256];
	elm_gguf_string said;

	describe(&l->teaching, l->corpus, context, text, sizeof(text));
	if (!t || elm_gguf_get_string(l->file, "edgelm.lessons", &said, NULL) != ELM_OK ||
	    said.length != strlen(text) || memcmp(said.data, text, said.length) != 0)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "%s was not made by this teacher from this text with these "
				     "settings; remove it, or give another name",
				     elm_gguf_path(l->file));
	if (t->type != ELM_TYPE_F32 || t->dims[0] != 2 * (uint64_t)l->teaching.count ||
	    t->elements != targets * 2 * l->teaching.count)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s is damaged; remove it, and it is made anew",
				     elm_gguf_path(l->file));
	l->rows = t->data;
	return check_rows(l, targets, vocabulary, error);
}

static size_t find_document(const elm__corpus *c, size_t at)
{
	size_t low = 0, high = c->documents;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (c->starts[middle] <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static elm_status teach(void *user, const elm__corpus *corpus, const elm__window *window,
			uint32_t *tokens, float *likelihoods, elm_error *error)
{
	const elm__lessons *l = user;
	const uint32_t count = l->teaching.count;
	size_t document = find_document(corpus, window->start), at = l->targets[document];

	for (size_t i = corpus->starts[document] + 1; i <= window->start; i++)
		at += corpus->trained[i];
	for (uint32_t i = 0; i + 1 < window->tokens; i++) {
		const float *row = l->rows + at * 2 * count;

		if (!corpus->trained[window->start + i + 1])
			continue;
		for (uint32_t j = 0; j < count; j++)
			tokens[(size_t)i * count + j] = (uint32_t)row[j];
		memcpy(likelihoods + (size_t)i * count, row + count, count * sizeof(float));
		at++;
	}
	return ELM_OK;
}

elm_status elm__lessons_open(const char *path, const elm__teaching *teacher,
			     const elm__corpus *corpus, uint32_t context, uint32_t vocabulary,
			     elm__lessons **out, elm_error *error)
{
	elm__lessons *l = elm__calloc(1, sizeof(*l));
	elm_status status = ELM_OK;

	*out = NULL;
	if (l)
		l->targets = elm__calloc(corpus->documents + 1, sizeof(*l->targets));
	if (!l || !l->targets)
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	if (!status)
		status = elm_gguf_open(path, &l->file, error);
	if (!status) {
		l->corpus = corpus;
		l->teaching = *teacher;
		l->teaching.teach = teach;
		l->teaching.user = l;
		l->teaching.same_cuts = true;
		for (size_t i = 0; i < corpus->documents; i++)
			l->targets[i + 1] = l->targets[i] + document_targets(corpus, i);
		status = check_file(l, context, vocabulary, error);
	}
	if (status) {
		elm__lessons_close(l);
		return status;
	}
	*out = l;
	return ELM_OK;
}

void elm__lessons_close(elm__lessons *lessons)
{
	if (!lessons)
		return;
	elm_gguf_close(lessons->file);
	elm__free(lessons->targets);
	elm__free(lessons);
}

elm__teaching elm__lessons_teaching(elm__lessons *lessons)
{
	return lessons->teaching;
}
