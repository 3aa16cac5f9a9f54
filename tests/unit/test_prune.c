/* Pruning: a model without parts computes what the whole one does with these parts at zero, plans
 * reach their goals, scores are what their definitions say, failures leave nothing behind. */
#include <edgelm/session.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "compress/prune.h"
#include "compress/quantize.h"
#include "model/core.h"
#include "support.h"
#include "tiny_model.h"
#include "train/taylor.h"

enum { TOKENS = 40, MAX_ROW = 4096 };

static elm__random dice;

/* A model file, its numbers, and scores that are random. */
typedef struct subject {
	elm_gguf *gguf;
	elm__arena arena;
	elm__hparams hp;
	elm__units *units;
	elm__prune_plan plan;
} subject;

static void open_subject(subject *s, const tiny_model *tiny)
{
	elm_error error = { 0 };

	memset(s, 0, sizeof(*s));
	elm__arena_init(&s->arena, 0);
	tiny_model_write(tiny, temp_path("whole.gguf"));
	if (elm_gguf_open(temp_path("whole.gguf"), &s->gguf, &error) ||
	    elm__hparams_read(&s->hp, s->gguf, &s->arena, &error))
		fail_msg("%s", error.text);
	s->units = elm__units_create(&s->hp, &s->arena);
	assert_non_null(s->units);
	for (uint32_t i = 0; i < s->hp.layers; i++) {
		const elm__layer_shape *shape = &s->hp.shapes[i];

		for (uint32_t k = 0; k < shape->heads + shape->kv_heads + shape->ffn; k++)
			s->units[i].heads[k] = (float)elm__random_unit(&dice);
	}
}

static void close_subject(subject *s)
{
	elm_gguf_close(s->gguf);
	elm__arena_release(&s->arena);
}

static elm_status plan_for(subject *s, const elm__prune_goal *goal, const double *changes,
			   elm_error *error)
{
	return elm__prune_plan_make(&s->plan, s->gguf, &s->hp, goal, s->units, changes, &s->arena,
				    error);
}

static void prune(subject *s, const elm__calib *calib, const char *path)
{
	elm__prune_options o = { .score = "test", .keep_type = true, .calib = calib };
	elm__prune_repair repairs[16];
	elm_error error = { 0 };

	assert_int_equal(elm__pool_create(2, NULL, &o.pool, NULL), ELM_OK);
	if (elm__prune(&s->plan, path, &o, repairs, &error))
		fail_msg("%s", error.text);
	elm__pool_free(o.pool);
}

/* --- masked and pruned --- */

static bool is_kept(const uint32_t *list, uint32_t n, size_t index)
{
	for (uint32_t i = 0; i < n; i++)
		if (list[i] == index)
			return true;
	return false;
}

/* Zeroes what a part of the model that goes would have said: columns of these two matrices. */
static void mask(const subject *s, const char *tensor, float *row, size_t cols)
{
	uint32_t layer;
	const char *rest = elm__role_split(tensor, &layer);
	const elm__pruned_layer *l = NULL;
	bool out = rest && !strcmp(rest, "attn_output.weight");

	if (!out && !(rest && !strcmp(rest, "ffn_down.weight")))
		return;
	for (uint32_t i = 0; i < s->plan.count; i++)
		if (s->plan.layers[i].from == layer)
			l = &s->plan.layers[i];
	for (size_t i = 0; i < cols; i++)
		if (!l || (out ? !is_kept(l->head, l->heads, i / s->hp.head_dim) :
				 !is_kept(l->neuron, l->neurons, i)))
			row[i] = 0;
}

static void write_masked(const subject *s, const char *path)
{
	elm_gguf_writer *w;
	float row[MAX_ROW];

	assert_int_equal(elm_gguf_writer_create(path, 32, &w, NULL), ELM_OK);
	for (size_t i = 0; i < elm_gguf_kv_count(s->gguf); i++)
		assert_int_equal(elm_gguf_writer_copy(w, elm_gguf_kv_at(s->gguf, i), NULL), ELM_OK);
	for (size_t i = 0; i < elm_gguf_tensor_count(s->gguf); i++) {
		const elm_gguf_tensor *t = elm_gguf_tensor_at(s->gguf, i);

		assert_int_equal(elm_gguf_writer_add_tensor(w, t->name, ELM_TYPE_F32, t->n_dims,
							    t->dims, NULL),
				 ELM_OK);
	}
	assert_int_equal(elm_gguf_writer_begin(w, NULL), ELM_OK);
	for (size_t i = 0; i < elm_gguf_tensor_count(s->gguf); i++) {
		const elm_gguf_tensor *t = elm_gguf_tensor_at(s->gguf, i);

		for (uint64_t r = 0; r < t->elements / t->dims[0]; r++) {
			assert_int_equal(elm__decode_tensor_row(t, r, row, NULL), ELM_OK);
			mask(s, t->name, row, (size_t)t->dims[0]);
			assert_int_equal(elm_gguf_writer_data(w, row, t->dims[0] * sizeof(float),
							      NULL),
					 ELM_OK);
		}
	}
	assert_int_equal(elm_gguf_writer_finish(w, NULL), ELM_OK);
	elm_gguf_writer_free(w);
}

/* The text of all tests, which begins again every TOKENS tokens. */
static elm_token token_at(int i)
{
	return i % TOKENS ? 3 + i % TOKENS * 7 % 280 : 1;
}

/* The logits after each of some tokens, in memory that the caller frees. */
static float *logits_of(const char *path)
{
	elm_session_options options = elm_session_defaults();
	float *all = malloc(sizeof(float) * TOKENS * TINY_VOCABULARY);
	elm_session *session;
	elm_error error = { 0 };
	elm_model *model;

	if (elm_model_open(path, NULL, &model, &error))
		fail_msg("%s", error.text);
	options.kv_type = ELM_TYPE_F32;
	options.threads = 1;
	assert_int_equal(elm_session_create(model, &options, &session, NULL), ELM_OK);
	for (int i = 0; i < TOKENS; i++) {
		elm_token token = token_at(i);
		elm_batch batch = { .rows = 1, .tokens = &token };

		assert_int_equal(elm_session_step(session, &batch, NULL), ELM_OK);
		memcpy(all + (size_t)i * TINY_VOCABULARY, elm_session_logits(session, 0),
		       sizeof(float) * TINY_VOCABULARY);
	}
	elm_session_free(session);
	elm_model_close(model);
	return all;
}

/* Relative squared error. */
static double distance(const char *path, const char *from)
{
	float *a = logits_of(path), *b = logits_of(from);
	double error = 0, power = 0;

	for (size_t i = 0; i < (size_t)TOKENS * TINY_VOCABULARY; i++) {
		double x = (double)a[i], y = (double)b[i];

		error += (x - y) * (x - y);
		power += y * y;
	}
	free(a);
	free(b);
	return error / power;
}

static void same_as_masked(const tiny_model *tiny, const elm__prune_goal *goal,
			   const double *changes)
{
	elm_error error = { 0 };
	subject s;

	open_subject(&s, tiny);
	if (plan_for(&s, goal, changes, &error))
		fail_msg("%s", error.text);
	prune(&s, NULL, temp_path("pruned.gguf"));
	write_masked(&s, temp_path("masked.gguf"));
	assert_true(distance(temp_path("pruned.gguf"), temp_path("masked.gguf")) < 1e-9);
	assert_true(distance(temp_path("pruned.gguf"), temp_path("whole.gguf")) > 1e-4);
	close_subject(&s);
}

static void pruned_is_masked(void **state)
{
	static const char *const archs[] = { "llama",  "qwen2", "qwen3", "gemma2",
					     "gemma3", "phi3",	"deci" };

	(void)state;
	for (size_t a = 0; a < sizeof(archs) / sizeof(archs[0]); a++) {
		tiny_model grouped = { .arch = archs[a], .seed = a, .heads = 8, .head_dim = 16 };
		tiny_model plain = { .arch = archs[a], .seed = a, .heads = 4, .kv_heads = 4 };
		elm__prune_goal goal = { .sparsity = 0.3, .attention = ELM__PRUNE_HEADS };

		same_as_masked(&grouped, &goal, NULL);
		goal.attention = ELM__PRUNE_GROUPS;
		same_as_masked(&grouped, &goal, NULL);
		same_as_masked(&plain, &goal, NULL);
		goal.attention = ELM__PRUNE_NO_HEADS;
		same_as_masked(&grouped, &goal, NULL);
		goal.attention = ELM__PRUNE_HEADS;
		goal.protect_first = 1; /* layers of different widths */
		same_as_masked(&grouped, &goal, NULL);
	}
}

static void layers_go(void **state)
{
	const double changes[] = { INFINITY, 0.3, 0.1, 0.2, 0.05 };
	tiny_model tiny = { .arch = "qwen2", .layers = 5, .seed = 3 };
	elm__prune_goal goal = { .layers = 2, .protect_last = 1 };
	elm_error error = { 0 };
	subject s;

	(void)state;
	same_as_masked(&tiny, &goal, changes);
	goal.sparsity = 0.6; /* and some of what stays */
	goal.attention = ELM__PRUNE_HEADS;
	goal.protect_last = 0;
	same_as_masked(&tiny, &goal, changes);
	open_subject(&s, &tiny);
	assert_int_equal(plan_for(&s, &goal, changes, NULL), ELM_OK);
	assert_int_equal(s.plan.count, 3);
	assert_int_equal(s.plan.layers[1].from, 1);
	assert_int_equal(s.plan.layers[2].from, 3);
	goal.layers = 5;
	assert_int_equal(plan_for(&s, &goal, changes, &error), ELM_ERR_ARGUMENT);
	assert_contains(error.text, "which leaves 4");
	close_subject(&s);
	tiny = (tiny_model){ .arch = "gemma3" };
	open_subject(&s, &tiny);
	goal.layers = 1;
	assert_int_equal(plan_for(&s, &goal, changes, &error), ELM_ERR_UNSUPPORTED);
	assert_contains(error.text, "layers of gemma3 cannot go");
	close_subject(&s);
}

/* --- plans --- */

static uint64_t weights_of(const subject *s, bool after)
{
	elm__prune_options o = { .keep_type = true };
	elm__prune_sizes sizes[2];

	assert_int_equal(elm__prune_measure(&s->plan, &o, &sizes[0], &sizes[1], NULL), ELM_OK);
	return sizes[after].layer_weights;
}

static void goals_are_reached(void **state)
{
	tiny_model tiny = { .layers = 6, .heads = 16, .kv_heads = 2, .head_dim = 8, .ffn = 640 };
	subject s;

	(void)state;
	open_subject(&s, &tiny);
	for (int mode = ELM__PRUNE_NO_HEADS; mode <= ELM__PRUNE_GROUPS; mode++)
		for (double sparsity = 0.05; sparsity < 0.6; sparsity += 0.09) {
			elm__prune_goal goal = { .sparsity = sparsity,
						 .attention = (elm__prune_attention)mode,
						 .protect_last = 1 };
			double reached;

			assert_int_equal(plan_for(&s, &goal, NULL, NULL), ELM_OK);
			reached = 1 - (double)weights_of(&s, true) / (double)weights_of(&s, false);
			assert_float_equal(reached, sparsity, 0.03);
			assert_int_equal(s.plan.layers[5].neurons, 640);
			assert_int_equal(s.plan.layers[5].heads, 16);
			assert_int_equal(s.plan.layers[0].neurons % 32, 0);
			assert_int_equal(s.plan.layers[0].heads % s.plan.layers[0].kv_heads, 0);
			assert_false(s.plan.uniform);
			assert_string_equal(elm__prune_arch(&s.plan)->name, "deci");
		}
	close_subject(&s);
}

static void best_parts_stay(void **state)
{
	elm__prune_goal goal = { .sparsity = 0.25, .attention = ELM__PRUNE_HEADS, .multiple = 1 };
	tiny_model tiny = { .heads = 8, .head_dim = 16 };
	subject s;

	(void)state;
	open_subject(&s, &tiny);
	for (uint32_t i = 0; i < 2; i++) {
		for (uint32_t h = 0; h < 8; h++) /* 2 and 5 are the least of their groups */
			s.units[i].heads[h] = h == 2 || h == 5 ? 0.5f : 100;
		for (uint32_t n = 0; n < 96; n++)
			s.units[i].neurons[n] = n % 3 ? 100 : 1;
	}
	assert_int_equal(plan_for(&s, &goal, NULL, NULL), ELM_OK);
	for (uint32_t i = 0; i < 2; i++) {
		const elm__pruned_layer *l = &s.plan.layers[i];

		assert_int_equal(l->heads, 6);
		assert_int_equal(l->kv_heads, 2);
		assert_int_equal(l->head[1], 1);
		assert_int_equal(l->head[2], 3);
		assert_int_equal(l->head[3], 4);
		assert_int_equal(l->head[4], 6);
		for (uint32_t n = 1; n < 96; n += 3)
			assert_true(is_kept(l->neuron, l->neurons, n));
		assert_true(l->heads_lost > 0 && l->heads_lost < 0.02);
		assert_true(l->neurons_lost > 0 && l->neurons_lost < 0.02);
	}
	assert_true(s.plan.uniform);
	assert_string_equal(elm__prune_arch(&s.plan)->name, "llama");
	close_subject(&s);
}

/* The largest gemma2 has 46 layers; for a plan the metadata are enough. */
static void claim_layers(elm_gguf_writer *writer, void *user)
{
	(void)user;
	assert_int_equal(elm_gguf_writer_set_u32(writer, "gemma2.block_count", 46, NULL), ELM_OK);
}

static void goals_that_cannot_be(void **state)
{
	tiny_model tiny = { .heads = 8, .head_dim = 16 };
	elm__prune_goal goal = { .sparsity = 0, .attention = ELM__PRUNE_HEADS };
	elm_error error = { 0 };
	subject s;

	(void)state;
	open_subject(&s, &tiny);
	assert_int_equal(plan_for(&s, &goal, NULL, &error), ELM_ERR_ARGUMENT);
	goal.sparsity = 1;
	assert_int_equal(plan_for(&s, &goal, NULL, &error), ELM_ERR_ARGUMENT);
	goal.sparsity = NAN;
	assert_int_equal(plan_for(&s, &goal, NULL, &error), ELM_ERR_ARGUMENT);
	goal.sparsity = 0.97;
	assert_int_equal(plan_for(&s, &goal, NULL, &error), ELM_ERR_ARGUMENT);
	assert_contains(error.text, "0.97 cannot be reached");
	goal.sparsity = 0.3;
	goal.protect_first = 2;
	assert_int_equal(plan_for(&s, &goal, NULL, &error), ELM_ERR_ARGUMENT);
	assert_contains(error.text, "2 of 2 layers are protected");
	goal.protect_first = 0;
	s.units[1].neurons[7] = NAN;
	assert_int_equal(plan_for(&s, &goal, NULL, &error), ELM_ERR_FORMAT);
	close_subject(&s);
	tiny = (tiny_model){ .arch = "gemma2", .metadata = claim_layers };
	open_subject(&s, &tiny);
	goal.sparsity = 0.3;
	assert_int_equal(plan_for(&s, &goal, NULL, &error), ELM_ERR_UNSUPPORTED);
	assert_contains(error.text, "scaled by their number");
	goal.attention = ELM__PRUNE_NO_HEADS;
	assert_int_equal(plan_for(&s, &goal, NULL, &error), ELM_OK);
	close_subject(&s);
}

/* --- scores --- */

static double weight_at(const elm_gguf *gguf, const char *name, uint64_t row, uint64_t col)
{
	const elm_gguf_tensor *t = elm_gguf_tensor_find(gguf, name);
	float decoded[MAX_ROW];

	assert_int_equal(elm__decode_tensor_row(t, row, decoded, NULL), ELM_OK);
	return (double)decoded[col];
}

static void calibrate(elm__calib *calib, const char *path, const subject *s, bool products)
{
	elm__calibrate_options o = {
		.walk = { .window = TOKENS, .threads = 2, .memory = UINT64_MAX },
		.output = path,
		.products = products
	};
	elm__calibrate_report report;
	elm_token tokens[400];
	elm_error error = { 0 };
	elm_model *model;

	for (int i = 0; i < 400; i++)
		tokens[i] = token_at(i);
	assert_int_equal(elm_model_open(temp_path("whole.gguf"), NULL, &model, NULL), ELM_OK);
	if (elm__calibrate(model, tokens, 400, &o, &report, &error) ||
	    elm__calib_load(calib, path, s->gguf, &s->hp, &error))
		fail_msg("%s", error.text);
	elm_model_close(model);
}

static void clear_units(const subject *s)
{
	for (uint32_t i = 0; i < s->hp.layers; i++)
		memset(s->units[i].heads, 0,
		       (s->hp.shapes[i].heads + s->hp.shapes[i].kv_heads + s->hp.shapes[i].ffn) *
			       sizeof(float));
}

/* Neuron 5 and head 3 of layer 1, by the definitions. */
static void scores_as_defined(void **state)
{
	tiny_model tiny = { .seed = 8 };
	double squares = 0, magnitudes = 0, head = 0, gate_up = 0;
	const elm__channels *down, *out;
	elm__calib calib;
	subject s;

	(void)state;
	open_subject(&s, &tiny);
	calibrate(&calib, temp_path("scores.calib"), &s, false);
	down = elm__calib_at(&calib, (elm__role){ 1, ELM__INPUT_DOWN });
	out = elm__calib_at(&calib, (elm__role){ 1, ELM__INPUT_OUT });
	for (uint64_t i = 0; i < 64; i++) {
		double w = weight_at(s.gguf, "blk.1.ffn_down.weight", i, 5);
		double gate = weight_at(s.gguf, "blk.1.ffn_gate.weight", 5, i);
		double up = weight_at(s.gguf, "blk.1.ffn_up.weight", 5, i);

		squares += w * w;
		magnitudes += fabs(w);
		gate_up += gate * gate + up * up;
		for (uint64_t k = 48; k < 64; k++)
			head += fabs(weight_at(s.gguf, "blk.1.attn_output.weight", i, k)) / 64 *
				sqrt((double)out->square[k]);
	}
	clear_units(&s);
	assert_int_equal(elm__prune_find_scores(ELM__SCORE_MAGNITUDE, s.gguf, &s.hp, NULL, NULL,
						NULL, s.units, NULL),
			 ELM_OK);
	assert_float_equal(s.units[1].neurons[5], squares + gate_up, 1e-4);
	assert_true(s.units[1].kv_heads[1] > 0);
	clear_units(&s);
	assert_int_equal(elm__prune_find_scores(ELM__SCORE_WANDA, s.gguf, &s.hp, &calib, NULL, NULL,
						s.units, NULL),
			 ELM_OK);
	assert_float_equal(
		s.units[1].neurons[5] / (magnitudes / 64 * sqrt((double)down->square[5])), 1, 1e-4);
	assert_float_equal(s.units[1].heads[3] / head, 1, 1e-4);
	clear_units(&s);
	assert_int_equal(elm__prune_find_scores(ELM__SCORE_FLAP, s.gguf, &s.hp, &calib, NULL, NULL,
						s.units, NULL),
			 ELM_OK);
	assert_float_equal(
		s.units[1].neurons[5] /
			(squares * ((double)down->square[5] / 400 -
				    (double)down->sum[5] * (double)down->sum[5] / 160000)),
		1, 1e-3);
	elm__calib_release(&calib);
	close_subject(&s);
}

/* A neuron whose output goes nowhere, and that reads nothing, has no derivatives. */
static void derivatives(void **state)
{
	tiny_model tiny = { .arch = "qwen2", .seed = 4, .context = 64 };
	elm__train_options options = elm__train_defaults();
	elm__taylor_options how = { 0 };
	elm__train_source source = { 0 };
	elm__trainer *trainer;
	elm_tokenizer *tokenizer;
	elm__corpus corpus;
	elm_gguf *masked;
	subject s;

	(void)state;
	open_subject(&s, &tiny);
	s.plan = (elm__prune_plan){ .count = 2 };
	for (uint32_t i = 0; i < 96; i++)
		s.units[0].neurons[i] = i != 17;
	assert_int_equal(plan_for(&s,
				  &(elm__prune_goal){
					  .sparsity = 1.0 / 320, .multiple = 1, .protect_last = 1 },
				  NULL, NULL),
			 ELM_OK);
	assert_int_equal(s.plan.layers[0].neurons, 95);
	write_masked(&s, temp_path("masked.gguf"));
	assert_int_equal(elm_gguf_open(temp_path("masked.gguf"), &masked, NULL), ELM_OK);
	assert_int_equal(elm_tokenizer_create(masked, &tokenizer, NULL), ELM_OK);
	elm__corpus_init(&corpus);
	assert_int_equal(elm__corpus_add_text(&corpus, tokenizer, "the heath of the hen", 20, NULL),
			 ELM_OK);
	source.file = masked;
	options.threads = 2;
	assert_int_equal(elm__trainer_create(&source, &options, &corpus, &trainer, NULL), ELM_OK);
	clear_units(&s);
	assert_int_equal(elm__taylor_scores(trainer, &corpus, &how, s.units, NULL), ELM_OK);
	for (uint32_t i = 0; i < 96; i++) {
		if (i == 17) /* its column is zero, and so nothing comes back to its rows */
			assert_float_equal(s.units[0].neurons[i], 0, 0);
		else
			assert_true(s.units[0].neurons[i] > 0);
		assert_true(s.units[1].neurons[i] > 0);
	}
	for (uint32_t i = 0; i < 4; i++)
		assert_true(s.units[0].heads[i] > 0 && s.units[0].kv_heads[i / 2] > 0);
	elm__trainer_free(trainer);
	elm__corpus_release(&corpus);
	elm_tokenizer_free(tokenizer);
	elm_gguf_close(masked);
	close_subject(&s);
}

/* --- reconstruction --- */

/* In a whole model, over the text that calibrated it. */
static void reconstruction_brings_back(void **state)
{
	elm__prune_goal goal = { .sparsity = 0.3, .attention = ELM__PRUNE_HEADS };
	tiny_model tiny = { .seed = 21, .heads = 8, .kv_heads = 2, .head_dim = 8 };
	elm__prune_options o = { .score = "test", .keep_type = true };
	elm__prune_repair repairs[2];
	elm__calib calib;
	subject s;

	(void)state;
	open_subject(&s, &tiny);
	calibrate(&calib, temp_path("back.calib"), &s, true);
	assert_int_equal(plan_for(&s, &goal, NULL, NULL), ELM_OK);
	assert_int_equal(elm__pool_create(2, NULL, &o.pool, NULL), ELM_OK);
	o.calib = &calib;
	assert_int_equal(elm__prune(&s.plan, temp_path("back.gguf"), &o, repairs, NULL), ELM_OK);
	for (int i = 0; i < 2; i++) {
		const elm__reconstruction *all[] = { &repairs[i].out, &repairs[i].down };

		for (int k = 0; k < 2; k++)
			assert_true(all[k]->solved && all[k]->error < 0.95 * all[k]->bare);
	}
	prune(&s, NULL, temp_path("pruned.gguf"));
	assert_true(distance(temp_path("back.gguf"), temp_path("whole.gguf")) <
		    distance(temp_path("pruned.gguf"), temp_path("whole.gguf")));
	elm__pool_free(o.pool);
	elm__calib_release(&calib);
	close_subject(&s);
}

/* --- what goes wrong --- */

typedef struct attempt {
	subject *s;
	elm__calib calib;
} attempt;

/* Scores, plan and file; all memory that it takes is released. */
static elm_status all_of_it(void *user, elm_error *error)
{
	attempt *a = user;
	elm__prune_goal goal = { .sparsity = 0.3, .attention = ELM__PRUNE_HEADS };
	elm__prune_options o = { .score = "test", .type = ELM_TYPE_F16, .calib = &a->calib };
	elm__prune_repair repairs[2];
	elm__prune_plan plan;
	elm__arena arena;
	elm_status status;

	elm__arena_init(&arena, 0);
	clear_units(a->s);
	status = elm__prune_find_scores(ELM__SCORE_FLAP, a->s->gguf, &a->s->hp, &a->calib, NULL,
					NULL, a->s->units, error);
	if (!status)
		status = elm__prune_plan_make(&plan, a->s->gguf, &a->s->hp, &goal, a->s->units,
					      NULL, &arena, error);
	if (!status)
		status = elm__pool_create(1, NULL, &o.pool, error);
	if (!status)
		status = elm__prune(&plan, temp_path("pruned.gguf"), &o, repairs, error);
	elm__pool_free(o.pool);
	elm__arena_release(&arena);
	return status;
}

static void memory_runs_out(void **state)
{
	tiny_model tiny = { .heads = 8, .head_dim = 8, .seed = 2 };
	attempt a;
	subject s;
	size_t files;

	(void)state;
	open_subject(&s, &tiny);
	calibrate(&a.calib, temp_path("memory.calib"), &s, true);
	a.s = &s;
	assert_int_equal(all_of_it(&a, NULL), ELM_OK);
	files = temp_files();
	assert_true(fail_each_allocation(all_of_it, &a) > 10);
	assert_int_equal(temp_files(), files); /* nothing half is left */
	elm__calib_release(&a.calib);
	close_subject(&s);
}

static void damaged_weights(void **state)
{
	tiny_model tiny = { .heads = 8, .head_dim = 8, .seed = 2 };
	elm__prune_goal goal = { .sparsity = 0.3, .attention = ELM__PRUNE_HEADS };
	elm__prune_options o = { .score = "test", .keep_type = true };
	elm__prune_repair repairs[2];
	elm_error error = { 0 };
	const float nan = NAN;
	elm_gguf *damaged;
	uint64_t offset;
	subject s;
	size_t files;
	FILE *file;

	(void)state;
	open_subject(&s, &tiny);
	assert_int_equal(plan_for(&s, &goal, NULL, NULL), ELM_OK);
	offset = elm_gguf_tensor_find(s.gguf, "blk.1.ffn_up.weight")->offset;
	file = fopen(temp_path("whole.gguf"), "r+b");
	assert_non_null(file);
	assert_int_equal(fseek(file, (long)(offset + (5 * 64 + 9) * sizeof(nan)), SEEK_SET), 0);
	assert_int_equal(fwrite(&nan, sizeof(nan), 1, file), 1);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(elm_gguf_open(temp_path("whole.gguf"), &damaged, NULL), ELM_OK);
	s.plan.gguf = damaged;
	s.plan.layers[1].neuron[0] = 5; /* it stays */
	files = temp_files();
	assert_int_equal(elm__prune(&s.plan, temp_path("never.gguf"), &o, repairs, &error),
			 ELM_ERR_FORMAT);
	assert_contains(error.text, "blk.1.ffn_up.weight: weight 9 of row 5 is infinite or not");
	assert_int_equal(temp_files(), files);
	clear_units(&s);
	assert_int_equal(elm__prune_find_scores(ELM__SCORE_MAGNITUDE, damaged, &s.hp, NULL, NULL,
						NULL, s.units, &error),
			 ELM_ERR_FORMAT);
	elm_gguf_close(damaged);
	close_subject(&s);
}

static bool stop_at_once(void *user, uint64_t done, uint64_t total)
{
	(void)user;
	return done <= total;
}

static void interruptions(void **state)
{
	tiny_model tiny = { .seed = 2 };
	elm__prune_goal goal = { .sparsity = 0.3, .attention = ELM__PRUNE_HEADS };
	elm__prune_options o = { .score = "test", .keep_type = true, .progress = stop_at_once };
	elm__prune_repair repairs[2];
	elm_error error = { 0 };
	subject s;
	size_t files;

	(void)state;
	open_subject(&s, &tiny);
	assert_int_equal(plan_for(&s, &goal, NULL, NULL), ELM_OK);
	files = temp_files();
	assert_int_equal(elm__prune(&s.plan, temp_path("never.gguf"), &o, repairs, &error),
			 ELM_ERR_CANCELLED);
	assert_int_equal(temp_files(), files);
	assert_int_equal(elm__prune_find_scores(ELM__SCORE_MAGNITUDE, s.gguf, &s.hp, NULL,
						stop_at_once, NULL, s.units, &error),
			 ELM_ERR_CANCELLED);
	close_subject(&s);
}

/* A calibration of another program, which has no means. */
static void calibrations_that_lack(void **state)
{
	tiny_model tiny = { .seed = 2 };
	elm_error error = { 0 };
	elm__calib calib;
	subject s;

	(void)state;
	open_subject(&s, &tiny);
	calibrate(&calib, temp_path("lack.calib"), &s, false);
	elm__calib_at(&calib, (elm__role){ 0, ELM__INPUT_OUT })->sum = NULL;
	assert_int_equal(elm__prune_find_scores(ELM__SCORE_FLAP, s.gguf, &s.hp, &calib, NULL, NULL,
						s.units, &error),
			 ELM_ERR_ARGUMENT);
	assert_contains(error.text, "use --score wanda");
	elm__calib_at(&calib, (elm__role){ 0, ELM__INPUT_DOWN })->count = 0;
	assert_int_equal(elm__prune_find_scores(ELM__SCORE_WANDA, s.gguf, &s.hp, &calib, NULL, NULL,
						s.units, &error),
			 ELM_ERR_ARGUMENT);
	assert_contains(error.text, "has not seen layer 0");
	elm__calib_release(&calib);
	close_subject(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pruned_is_masked),
		cmocka_unit_test(layers_go),
		cmocka_unit_test(goals_are_reached),
		cmocka_unit_test(best_parts_stay),
		cmocka_unit_test(goals_that_cannot_be),
		cmocka_unit_test(scores_as_defined),
		cmocka_unit_test(derivatives),
		cmocka_unit_test(reconstruction_brings_back),
		cmocka_unit_test(memory_runs_out),
		cmocka_unit_test(damaged_weights),
		cmocka_unit_test(interruptions),
		cmocka_unit_test(calibrations_that_lack),
	};

	elm__random_seed(&dice, 77);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
