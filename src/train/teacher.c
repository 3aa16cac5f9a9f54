#include "train/teacher.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "engine/shortlist.h"
#include "eval/logits.h"

enum { DEFAULT_COUNT = 64, BATCH = 512 };

struct elm__teacher {
	elm__teacher_options options;
	elm_session *session;
	elm_candidate *list;
	uint32_t tokens; /* that count */
	uint32_t step;	 /* rows at once */
	uint64_t identity;

	/* The window at hand. */
	const uint8_t *trained;
	uint32_t *taught;
	float *likelihoods;
};

/* Of everything that a model computes with. */
static uint64_t identify(const elm_gguf *gguf)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < elm_gguf_tensor_count(gguf); i++) {
		const elm_gguf_tensor *t = elm_gguf_tensor_at(gguf, i);

		hash = elm__hash64(t->name, strlen(t->name), hash);
		hash = elm__hash64(t->data, (size_t)t->bytes, hash);
	}
	return hash;
}

elm_status elm__teacher_create(elm_model *model, const elm__teacher_options *options,
			       elm__teacher **out, elm_error *error)
{
	const elm_model_info *info = elm_model_get_info(model);
	elm_session_options session = elm_session_defaults();
	elm__teacher *t;
	elm_status status;

	*out = NULL;
	if (options->context > info->trained_context)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "the teacher reads at most %u tokens at once, not %u; use a "
				     "smaller context",
				     info->trained_context, options->context);
	t = elm__calloc(1, sizeof(*t));
	if (!t)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	t->options = *options;
	t->tokens = info->vocabulary < options->vocabulary ? info->vocabulary : options->vocabulary;
	t->options.count = options->count ? options->count : DEFAULT_COUNT;
	if (t->options.count > t->tokens)
		t->options.count = t->tokens;
	t->identity = identify(elm_model_gguf(model));
	session.context = options->context;
	session.batch = options->context < BATCH ? options->context : BATCH;
	session.kv_type = ELM_TYPE_F32;
	session.threads = options->threads;
	session.max_logits = t->step = elm__logits_rows_at_once(model, session.batch);
	status = elm_session_create(model, &session, &t->session, error);
	t->list = elm__calloc(t->options.count, sizeof(*t->list));
	if (!status && !t->list)
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	if (status) {
		elm__teacher_free(t);
		return status;
	}
	*out = t;
	return ELM_OK;
}

void elm__teacher_free(elm__teacher *teacher)
{
	if (!teacher)
		return;
	elm_session_free(teacher->session);
	elm__free(teacher->list);
	elm__free(teacher);
}

static elm_status take_row(void *user, uint32_t row, const float *logits, elm_error *error)
{
	elm__teacher *t = user;
	elm__shortlist list = { .items = t->list };
	size_t at = (size_t)row * t->options.count;
	float best;
	double mass;

	if (!t->trained[row])
		return ELM_OK;
	best = elm__logits_best(logits, t->tokens);
	mass = log(elm__logits_mass(logits, t->tokens, best, t->options.temperature));
	elm__shortlist_top_k(&list, logits, t->tokens, t->options.count);
	if (list.count < t->options.count || !isfinite(best) || !isfinite(mass))
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "the teacher predicts nothing: its logits are not finite");
	for (size_t i = 0; i < list.count; i++) {
		double above = (double)list.items[i].logit - (double)best;

		t->taught[at + i] = (uint32_t)list.items[i].token;
		t->likelihoods[at + i] = (float)(above / (double)t->options.temperature - mass);
	}
	return ELM_OK;
}

static elm_status teach(void *user, const elm__corpus *corpus, const elm__window *window,
			uint32_t *tokens, float *likelihoods, elm_error *error)
{
	elm__teacher *t = user;

	t->trained = corpus->trained + window->start + 1;
	t->taught = tokens;
	t->likelihoods = likelihoods;
	return elm__logits_compute(t->session, corpus->tokens + window->start, window->tokens - 1,
				   t->step, take_row, t, error);
}

elm__teaching elm__teacher_teaching(elm__teacher *teacher)
{
	return (elm__teaching){ .teach = teach,
				.user = teacher,
				.count = teacher->options.count,
				.temperature = teacher->options.temperature,
				.share = teacher->options.share,
				.identity = teacher->identity };
}

elm_status elm__same_vocabulary(const elm_tokenizer *teacher, const elm_tokenizer *student,
				elm_error *error)
{
	size_t n = elm_tokenizer_size(student);

	if (elm_tokenizer_size(teacher) != n)
		return elm_error_set(
			error, ELM_ERR_ARGUMENT,
			"the teacher has %zu tokens and the student %zu: a teacher must "
			"have the student's vocabulary",
			elm_tokenizer_size(teacher), n);
	for (size_t i = 0; i < n; i++) {
		elm_gguf_string a = elm_token_piece(teacher, (elm_token)i, true);
		elm_gguf_string b = elm_token_piece(student, (elm_token)i, true);

		if (a.length != b.length || memcmp(a.data, b.data, a.length) != 0)
			return elm_error_set(
				error, ELM_ERR_ARGUMENT,
				"token %zu is \"%.*s\" for the teacher and \"%.*s\" for "
				"the student: a teacher must have the student's "
				"vocabulary",
				i, (int)(a.length & 63), a.data, (int)(b.length & 63), b.data);
	}
	return ELM_OK;
}
