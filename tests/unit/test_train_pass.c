/* Forward and backward of training, held against a plain model in double precision. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "cpu/cpu.h"
#include "plain_model.h"
#include "support.h"
#include "train/shape.h"

enum { VOCABULARY = 37, MAX_ROWS = 128, LESSON = 5 };

typedef struct fixture {
	elm__arena arena;
	elm__hparams hp;
	elm__params params;
	elm__rope rope;
	elm__kernels kernels;
	float *weights, *gradient;
	/* the batch */
	elm__train_batch batch;
	elm__lesson lesson;
	elm__piece piece[4];
	elm_token tokens[MAX_ROWS], targets[MAX_ROWS];
	uint32_t lesson_tokens[MAX_ROWS * LESSON];
	float likelihoods[MAX_ROWS * LESSON];
	elm__random random;
} fixture;

static uint32_t below(fixture *f, uint32_t n)
{
	return (uint32_t)(elm__random_u64(&f->random) % n);
}

/* Pieces of 70 rows (more than attend together), 33, 1 and 12; two in three rows have targets. */
static void make_batch(fixture *f)
{
	static const uint32_t lengths[] = { 70, 33, 1, 12 };
	uint32_t rows = 0;

	for (int i = 0; i < 4; i++) {
		f->piece[i] = (elm__piece){ rows, lengths[i] };
		rows += lengths[i];
	}
	for (uint32_t i = 0; i < rows; i++) {
		f->tokens[i] = (elm_token)below(f, VOCABULARY);
		f->targets[i] = i % 3 ? (elm_token)below(f, VOCABULARY) : ELM_TOKEN_NONE;
	}
	f->batch = (elm__train_batch){ .rows = rows,
				       .pieces = 4,
				       .tokens = f->tokens,
				       .targets = f->targets,
				       .piece = f->piece,
				       .weight = 0.125f };
}

/* Five different tokens per row, with probabilities that sum up to 0.9. */
static void make_lesson(fixture *f, float temperature, float share)
{
	for (uint32_t row = 0; row < f->batch.rows; row++) {
		uint32_t first = below(f, VOCABULARY);

		for (uint32_t i = 0; i < LESSON; i++) {
			f->lesson_tokens[row * LESSON + i] = (first + 3 * i) % VOCABULARY;
			f->likelihoods[row * LESSON + i] = logf(0.06f * (float)(LESSON - i));
		}
	}
	f->lesson = (elm__lesson){ .count = LESSON,
				   .tokens = f->lesson_tokens,
				   .likelihoods = f->likelihoods,
				   .temperature = temperature,
				   .share = share };
	f->batch.lesson = &f->lesson;
}

static void begin(fixture *f, const char *shape_text)
{
	elm__shape shape = elm__shape_defaults();
	elm__weights none = { 0 };
	elm_error error = { 0 };

	memset(f, 0, sizeof(*f));
	elm__random_seed(&f->random, 5);
	elm__arena_init(&f->arena, 0);
	if (elm__shape_parse(&shape, shape_text, &error) ||
	    elm__shape_apply(&shape, VOCABULARY, &f->hp, &f->arena, &error) ||
	    elm__params_init(&f->params, &f->hp, NULL, shape.tied, &f->arena, &error))
		fail_msg("%s", error.text);
	elm__rope_init(&f->rope, &f->hp, &none, f->hp.trained_context);
	elm__kernels_init(&f->kernels, elm__cpu_detect());
	f->weights = calloc(f->params.floats, sizeof(float));
	f->gradient = calloc(f->params.floats, sizeof(float));
	assert_true(f->weights && f->gradient);
	elm__params_randomize(&f->params, 3, f->weights);
	/* Nothing at its resting place: biases not 0, norms not 1. */
	for (size_t i = 0; i < f->params.count; i++)
		for (size_t j = 0; j < elm__param_elements(&f->params.list[i]); j++)
			f->weights[f->params.list[i].offset + j] +=
				(float)(elm__random_unit(&f->random) - 0.5) * 0.4f;
	make_batch(f);
}

static void end(fixture *f)
{
	elm__arena_release(&f->arena);
	free(f->weights);
	free(f->gradient);
}

static elm__train_loss run(fixture *f, unsigned threads, float *gradient)
{
	elm__pass_limits limits = { .rows = MAX_ROWS, .context = 70 };
	elm__train_loss loss = { 0 };
	elm__pool *pool;
	elm__pass *pass;

	assert_int_equal(elm__pool_create(threads, NULL, &pool, NULL), ELM_OK);
	assert_int_equal(elm__pass_create(&f->params, &f->rope, &f->kernels, pool, &limits, &pass,
					  NULL),
			 ELM_OK);
	elm__pass_run(pass, &f->batch, f->weights, gradient, &loss);
	elm__pass_free(pass);
	elm__pool_free(pool);
	return loss;
}

/* Some derivatives of every tensor against differences of the plain model's loss. */
static void check_gradient(fixture *f)
{
	enum { EACH = 5 };
	const double step = 1e-5;
	double *w = calloc(f->params.floats, sizeof(double)), worst = 0;
	elm__train_loss loss;

	assert_non_null(w);
	for (size_t i = 0; i < f->params.floats; i++)
		w[i] = (double)f->weights[i];
	loss = run(f, 2, f->gradient);
	assert_float_equal(loss.total, plain_loss(&f->params, &f->batch, w), 1e-5 * loss.total);
	for (size_t t = 0; t < f->params.count; t++) {
		const elm__param *p = &f->params.list[t];
		size_t n = elm__param_elements(p);
		double size = 0;

		for (size_t i = 0; i < n; i++)
			size += pow((double)f->gradient[p->offset + i], 2) / (double)n;
		for (size_t i = 0; i < EACH; i++) {
			size_t at = p->offset + below(f, (uint32_t)n);
			double before = w[at], up, got = (double)f->gradient[at], want;

			w[at] = before + step;
			up = plain_loss(&f->params, &f->batch, w);
			w[at] = before - step;
			want = (up - plain_loss(&f->params, &f->batch, w)) / (2 * step);
			want *= (double)f->batch.weight;
			w[at] = before;
			worst = fmax(worst, fabs(got - want) / (fabs(want) + sqrt(size)));
			if (!(fabs(got - want) <= 2e-5 * (fabs(want) + sqrt(size))))
				fail_msg("%s [%zu]: the derivative is %.9g, not %.9g", p->name,
					 at - p->offset, got, want);
		}
	}
	print_message("worst relative error of a derivative: %.1e\n", worst);
	free(w);
}

static void gradient_of(const char *shape)
{
	fixture f;

	begin(&f, shape);
	check_gradient(&f);
	end(&f);
}

static void gradient_llama(void **state)
{
	(void)state;
	gradient_of("width=24,layers=2,heads=4,kv_heads=2,ffn=40,context=80");
	gradient_of("width=20,layers=1,heads=3,kv_heads=1,head_dim=8,ffn=33,context=80,tied=0");
}

static void gradient_qwen(void **state)
{
	(void)state;
	gradient_of("arch=qwen2,width=24,layers=2,heads=4,kv_heads=2,ffn=40,context=80");
	gradient_of("arch=qwen3,width=24,layers=2,heads=4,kv_heads=2,ffn=40,context=80,tied=0");
}

static void gradient_of_lessons(void **state)
{
	const char *shape = "width=16,layers=1,heads=2,ffn=24,context=80";
	static const float cases[][2] = { { 1, 1 }, { 2, 1 }, { 1.5f, 0.7f } };
	fixture f;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		begin(&f, shape);
		make_lesson(&f, cases[i][0], cases[i][1]);
		check_gradient(&f);
		end(&f);
	}
}

/* The same bits with any number of threads, and when measured only. */
static void threads_do_not_matter(void **state)
{
	fixture f;
	elm__train_loss one, other;
	float *gradient;

	(void)state;
	begin(&f, "arch=qwen3,width=48,layers=2,heads=4,kv_heads=2,ffn=72,context=80");
	gradient = calloc(f.params.floats, sizeof(float));
	assert_non_null(gradient);
	one = run(&f, 1, f.gradient);
	for (unsigned threads = 2; threads <= 5; threads++) {
		memset(gradient, 0, f.params.floats * sizeof(float));
		other = run(&f, threads, gradient);
		assert_memory_equal(&one, &other, sizeof(one));
		assert_memory_equal(gradient, f.gradient, f.params.floats * sizeof(float));
	}
	other = run(&f, 2, NULL);
	assert_memory_equal(&one, &other, sizeof(one));
	free(gradient);
	end(&f);
}

/* Scalar kernels and the fastest agree. */
static void tiers_agree(void **state)
{
	fixture f;
	elm__train_loss fast, plain;

	(void)state;
	begin(&f, "width=48,layers=2,heads=4,kv_heads=2,ffn=72,context=80");
	fast = run(&f, 1, NULL);
	elm__kernels_init(&f.kernels, 0);
	plain = run(&f, 1, NULL);
	assert_float_equal(fast.total, plain.total, 1e-5 * plain.total);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gradient_llama),      cmocka_unit_test(gradient_qwen),
		cmocka_unit_test(gradient_of_lessons), cmocka_unit_test(threads_do_not_matter),
		cmocka_unit_test(tiers_agree),
	};

	return cmocka_run_group_tests_name("train_pass", tests, NULL, NULL);
}
