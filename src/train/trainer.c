#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/carve.h"
#include "cpu/cpu.h"
#include "train/state.h"

enum { DEFAULT_CONTEXT = 512, DEFAULT_ROWS = 1024 };

elm__train_options elm__train_defaults(void)
{
	return (elm__train_options){ .batch = 8192,
				     .epochs = 1,
				     .rate = 1e-3,
				     .low_rate = 1e-4,
				     .warmup = 100,
				     .decay = 0.1,
				     .clip = 1,
				     .beta1 = 0.9,
				     .beta2 = 0.95,
				     .epsilon = 1e-8,
				     .seed = 1 };
}

/* --- creation --- */

static elm_status find_model(elm__trainer *t, const elm__train_source *source, elm_error *error)
{
	const elm_gguf_kv *kv;
	elm_status status;

	t->file = source->file;
	t->from_shape = source->shape != NULL;
	if (source->shape) {
		status = elm_gguf_get_array(t->file, "tokenizer.ggml.tokens", ELM_GGUF_STRING, &kv,
					    error);
		if (!status && (kv->count < 2 || kv->count > UINT32_MAX))
			status = elm_error_set(error, ELM_ERR_FORMAT,
					       "%s: a vocabulary of %llu tokens",
					       elm_gguf_path(t->file),
					       (unsigned long long)kv->count);
		if (!status)
			status = elm__shape_apply(source->shape, (uint32_t)kv->count, &t->hparams,
						  &t->arena, error);
	} else {
		status = elm__hparams_read(&t->hparams, t->file, &t->arena, error);
		if (!status)
			status = elm__weights_bind(&t->bound, &t->hparams, t->file, &t->arena,
						   error);
	}
	if (status)
		return status;
	return elm__params_init(&t->params, &t->hparams, source->shape ? NULL : &t->bound,
				source->shape && source->shape->tied, &t->arena, error);
}

/* Fills in what is 0 and checks that the rest makes sense. */
static elm_status find_options(elm__trainer *t, const elm__corpus *corpus, elm_error *error)
{
	elm__train_options *o = &t->options;
	uint32_t trained = t->hparams.trained_context;
	uint64_t rows = 0;
	elm_status status;

	if (!o->context)
		o->context = trained < DEFAULT_CONTEXT ? trained : DEFAULT_CONTEXT;
	if (o->context > trained)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "a context of %u is more than the %u of the model", o->context,
				     trained);
	if (!o->rows)
		o->rows = o->context > DEFAULT_ROWS ? o->context : DEFAULT_ROWS;
	if (o->rows < o->context || !o->batch)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "%u rows at once and %u in a step: the first must be at least "
				     "the context, %u, the second at least 1",
				     o->rows, o->batch, o->context);
	for (size_t i = 0; i < corpus->count; i++)
		if (corpus->tokens[i] < 0 || (uint32_t)corpus->tokens[i] >= t->hparams.vocabulary)
			return elm_error_set(error, ELM_ERR_ARGUMENT,
					     "the training text holds token %d, but the model has "
					     "only %u; was it made with another vocabulary?",
					     (int)corpus->tokens[i], t->hparams.vocabulary);
	status = elm__feed_init(&t->feed, corpus, o->context, o->seed, error);
	if (status)
		return status;
	for (size_t i = 0; i < t->feed.count; i++)
		rows += t->feed.windows[i].tokens - 1;
	if (!o->steps)
		o->steps = (uint64_t)ceil(o->epochs * (double)rows / (double)o->batch);
	o->steps = o->steps ? o->steps : 1;
	t->schedule = (elm__schedule){
		.peak = o->rate, .low = o->low_rate, .warmup = o->warmup, .steps = o->steps
	};
	t->corpus_hash = elm__corpus_hash(corpus);
	return ELM_OK;
}

static elm_status find_processor(elm__trainer *t, elm_error *error)
{
	unsigned cpus[ELM__POOL_MAX], cores = elm__cpu_select("", cpus, ELM__POOL_MAX);
	elm__train_options *o = &t->options;
	bool pinned = !o->threads || o->threads == cores;
	uint32_t mask = UINT32_MAX;
	elm_status status = ELM_OK;

	if (o->isa)
		status = elm__cpu_parse_tier(o->isa, &mask, error);
	if (status)
		return status;
	elm__kernels_init(&t->kernels, elm__cpu_detect() & mask);
	o->threads = o->threads ? o->threads : cores;
	return elm__pool_create(o->threads, pinned ? cpus : NULL, &t->pool, error);
}

static float *take_floats(size_t count)
{
	size_t bytes;
	float *floats = NULL;

	if (elm__mul(count, sizeof(float), &bytes))
		floats = elm__malloc_aligned(ELM__CARVE_ALIGN, bytes);
	if (floats)
		memset(floats, 0, bytes);
	return floats;
}

static elm_status take_memory(elm__trainer *t, elm_error *error)
{
	const elm__train_options *o = &t->options;
	elm__pass_limits limits = { .rows = o->rows, .context = o->context, .bf16 = o->bf16 };
	size_t n = t->params.floats;

	t->weights = take_floats(n);
	t->gradient = take_floats(n);
	t->optimizer = (elm__optimizer){ .beta1 = o->beta1,
					 .beta2 = o->beta2,
					 .epsilon = o->epsilon,
					 .decay = o->decay,
					 .clip = o->clip,
					 .mean = take_floats(n),
					 .square = take_floats(n) };
	t->optimizer.partial =
		elm__calloc(elm__optimizer_partials(&t->params), sizeof(*t->optimizer.partial));
	t->windows = elm__calloc(o->batch, sizeof(*t->windows));
	t->tokens = elm__calloc(o->rows, sizeof(*t->tokens));
	t->targets = elm__calloc(o->rows, sizeof(*t->targets));
	t->pieces = elm__calloc(o->rows, sizeof(*t->pieces));
	if (!t->weights || !t->gradient || !t->optimizer.mean || !t->optimizer.square ||
	    !t->optimizer.partial || !t->windows || !t->tokens || !t->targets || !t->pieces)
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "no memory to train %llu weights: it takes 16 bytes for each, "
				     "and the activations",
				     (unsigned long long)elm__params_elements(&t->params));
	elm__rope_init(&t->rope, &t->hparams, &t->bound, o->context);
	return elm__pass_create(&t->params, &t->rope, &t->kernels, t->pool, &limits, &t->pass,
				error);
}

elm_status elm__trainer_create(const elm__train_source *source, const elm__train_options *options,
			       const elm__corpus *corpus, elm__trainer **out, elm_error *error)
{
	elm__trainer *t = elm__calloc(1, sizeof(*t));
	elm_status status;

	*out = NULL;
	if (!t)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	elm__arena_init(&t->arena, 0);
	t->options = *options;
	status = find_model(t, source, error);
	if (!status)
		status = find_options(t, corpus, error);
	if (!status)
		status = find_processor(t, error);
	if (!status)
		status = take_memory(t, error);
	if (!status && source->shape)
		elm__params_randomize(&t->params, t->options.seed, t->weights);
	else if (!status)
		status = elm__params_load(&t->params, source->file, t->weights, error);
	if (status) {
		elm__trainer_free(t);
		return status;
	}
	*out = t;
	return ELM_OK;
}

void elm__trainer_free(elm__trainer *t)
{
	if (!t)
		return;
	elm__pass_free(t->pass);
	elm__pool_free(t->pool);
	elm__feed_release(&t->feed);
	elm__free_aligned(t->weights);
	elm__free_aligned(t->gradient);
	elm__free_aligned(t->optimizer.mean);
	elm__free_aligned(t->optimizer.square);
	elm__free(t->optimizer.partial);
	elm__free(t->taught_tokens);
	elm__free(t->likelihoods);
	elm__free(t->windows);
	elm__free(t->tokens);
	elm__free(t->targets);
	elm__free(t->pieces);
	elm__arena_release(&t->arena);
	elm__free(t);
}

const elm__train_options *elm__trainer_options(const elm__trainer *trainer)
{
	return &trainer->options;
}

const elm__hparams *elm__trainer_hparams(const elm__trainer *trainer)
{
	return &trainer->hparams;
}

uint64_t elm__trainer_parameters(const elm__trainer *trainer)
{
	return elm__params_elements(&trainer->params);
}

uint64_t elm__trainer_steps_done(const elm__trainer *trainer)
{
	return trainer->optimizer.steps;
}

const char *elm__trainer_isa(const elm__trainer *trainer)
{
	return trainer->kernels.name;
}

void elm__trainer_settings(const elm__trainer *t, char *out, size_t size)
{
	const elm__train_options *o = &t->options;
	int length =
		snprintf(out, size,
			 "tier %s%s, text %016llx, context %u, batch %u, rows %u, steps %llu, rate "
			 "%g to %g, "
			 "warm-up %llu, decay %g, clip %g, beta %g and %g, epsilon %g, seed %llu",
			 t->kernels.name, o->bf16 ? " with products of bfloat16" : "",
			 (unsigned long long)t->corpus_hash, o->context, o->batch, o->rows,
			 (unsigned long long)o->steps, o->rate, o->low_rate,
			 (unsigned long long)o->warmup, o->decay, o->clip, o->beta1, o->beta2,
			 o->epsilon, (unsigned long long)o->seed);

	if (t->teaching.count && length > 0 && (size_t)length < size)
		snprintf(out + length, size - (size_t)length,
			 ", teacher %016llx, top %u, temperature %g, share %g, cuts %s",
			 (unsigned long long)t->teaching.identity, t->teaching.count,
			 (double)t->teaching.temperature, (double)t->teaching.share,
			 t->teaching.same_cuts ? "kept" : "moved");
}

elm_status elm__trainer_teach(elm__trainer *t, const elm__teaching *teaching, elm_error *error)
{
	size_t each;

	if (elm__mul(t->options.rows, teaching->count, &each)) {
		t->taught_tokens = elm__calloc(each, sizeof(*t->taught_tokens));
		t->likelihoods = elm__calloc(each, sizeof(*t->likelihoods));
	}
	if (!t->taught_tokens || !t->likelihoods)
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "no memory for %u tokens of the teacher for each of %u rows",
				     teaching->count, t->options.rows);
	t->teaching = *teaching;
	if (teaching->same_cuts)
		elm__feed_keep_cuts(&t->feed);
	return ELM_OK;
}

/* --- steps --- */

size_t elm__trainer_pack(elm__trainer *t, const elm__corpus *corpus, const elm__window *windows,
			 size_t first, size_t n, elm__train_batch *batch)
{
	*batch = (elm__train_batch){ .tokens = t->tokens,
				     .targets = t->targets,
				     .piece = t->pieces };
	for (; first < n; first++) {
		const elm__window *w = &windows[first];
		uint32_t rows = w->tokens - 1;

		if (rows > t->options.rows - batch->rows)
			break;
		t->pieces[batch->pieces++] = (elm__piece){ batch->rows, rows };
		for (uint32_t i = 0; i < rows; i++) {
			size_t at = w->start + i;

			t->tokens[batch->rows + i] = corpus->tokens[at];
			t->targets[batch->rows + i] =
				corpus->trained[at + 1] ? corpus->tokens[at + 1] : ELM_TOKEN_NONE;
		}
		batch->rows += rows;
	}
	return first;
}

/* Asks the teacher about windows [first, last), which make up the batch. */
static elm_status ask_teacher(elm__trainer *t, size_t first, size_t last, elm__train_batch *batch,
			      elm__lesson *lesson, elm_error *error)
{
	const elm__teaching *teaching = &t->teaching;
	elm_status status = ELM_OK;
	size_t row = 0;

	if (!teaching->count)
		return ELM_OK;
	for (; first < last && !status; first++) {
		size_t at = row * teaching->count;

		status = teaching->teach(teaching->user, t->feed.corpus, &t->windows[first],
					 t->taught_tokens + at, t->likelihoods + at, error);
		row += t->windows[first].tokens - 1;
	}
	*lesson = (elm__lesson){ .count = teaching->count,
				 .tokens = t->taught_tokens,
				 .likelihoods = t->likelihoods,
				 .temperature = teaching->temperature,
				 .share = teaching->share };
	batch->lesson = lesson;
	return status;
}

elm_status elm__trainer_step(elm__trainer *t, elm__train_report *report, elm_error *error)
{
	elm__train_loss loss = { 0 };
	size_t n = 0;
	uint64_t targets = 0, rows = 0;
	elm_status status;

	*report =
		(elm__train_report){ .rate = elm__schedule_rate(&t->schedule, t->optimizer.steps) };
	while (rows < t->options.batch) {
		elm__window w = elm__feed_next(&t->feed);

		t->windows[n++] = w;
		rows += w.tokens - 1;
		targets += w.targets;
	}
	for (size_t i = 0; i < n;) {
		elm__train_batch batch;
		elm__lesson lesson;
		size_t last = elm__trainer_pack(t, t->feed.corpus, t->windows, i, n, &batch);

		status = ask_teacher(t, i, last, &batch, &lesson, error);
		if (status)
			return status;
		i = last;
		batch.weight = 1 / (float)targets;
		elm__pass_run(t->pass, &batch, t->weights, t->gradient, &loss);
	}
	status = elm__optimizer_step(&t->optimizer, &t->params, &t->kernels, t->pool, report->rate,
				     t->weights, t->gradient, &report->length, error);
	t->rows_done += rows;
	report->step = t->optimizer.steps;
	report->rows = rows;
	report->targets = targets;
	report->loss = loss.total / (double)targets;
	report->cross_entropy = loss.cross_entropy / (double)targets;
	report->epoch = t->feed.epoch;
	return status;
}

elm_status elm__trainer_measure(elm__trainer *t, const elm__corpus *corpus,
				const volatile int *cancel, elm__train_loss *loss, elm_error *error)
{
	elm__feed feed;
	elm_status status = elm__feed_init_plain(&feed, corpus, t->options.context, error);

	for (size_t i = 0; !status && i < feed.count;) {
		elm__train_batch batch;

		if (cancel && *cancel) {
			status = elm_error_set(error, ELM_ERR_CANCELLED, "interrupted");
			break;
		}
		i = elm__trainer_pack(t, corpus, feed.windows, i, feed.count, &batch);
		elm__pass_run(t->pass, &batch, t->weights, NULL, loss);
	}
	elm__feed_release(&feed);
	return status;
}
