/* The planner of edgelm compress: what it tries for which goal, with measurements made up. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compress/budget.h"
#include "support.h"
#include "tiny_model.h"

/* A model of 1000 bytes beside its layers, which take 100 bytes per bit. */
static elm__budget fake(elm__budget_goal goal)
{
	static const struct {
		const char *name;
		uint64_t layers;
	} sizes[] = { { "Q8_0", 8500 },	  { "Q6_K", 6600 },   { "Q5_K_M", 5600 },
		      { "Q4_K_M", 4800 }, { "Q4_K_S", 4500 }, { "Q3_K_M", 3900 },
		      { "Q2_K", 2900 } };
	elm__budget b = { .goal = goal, .metadata = 50, .working = 400 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		b.mixes[b.n_mixes++] = (elm__mix_size){ .mix = elm__mix_find(sizes[i].name),
							.fixed = 1000,
							.layers = sizes[i].layers,
							.pruned = sizes[i].layers };
	return b;
}

/* The next recipe as text, or "end". */
static const char *next(const elm__budget *b)
{
	static char text[64];
	elm__recipe recipe;

	return elm__budget_next(b, &recipe) ? elm__recipe_text(&recipe, text, sizeof(text)) : "end";
}

/* Makes it, with this divergence and as large as expected. */
static void make(elm__budget *b, double divergence)
{
	elm__trial trial = { .divergence = divergence };

	assert_true(elm__budget_next(b, &trial.recipe));
	trial.file_bytes = elm__budget_file_bytes(b, &trial.recipe);
	elm__budget_add(b, &trial);
}

static void quantising_is_enough(void **state)
{
	elm__budget b =
		fake((elm__budget_goal){ .file_bytes = 5900, .prune = true, .distill = true });

	assert_null(elm__budget_best(&b));
	assert_string_equal(next(&b), "Q4_K_M");
	make(&b, 0.03);
	assert_string_equal(next(&b), "Q4_K_S");
	make(&b, 0.02);
	assert_string_equal(next(&b), "end");
	assert_true(elm__budget_met(&b));
	assert_string_equal(elm__budget_best(&b)->recipe.mix->name, "Q4_K_S");
}

static void a_limit_stops_as_soon_as_it_is_met(void **state)
{
	elm__budget b = fake((elm__budget_goal){ .file_bytes = 5900, .max_divergence = 0.05 });

	make(&b, 0.03);
	assert_string_equal(next(&b), "end");
	assert_true(elm__budget_met(&b));
}

static void coarse_types_make_room_by_pruning(void **state)
{
	elm__budget b = fake((elm__budget_goal){ .file_bytes = 4000, .prune = true });

	make(&b, 0.4); /* Q2_K: nothing smaller is left to try without pruning */
	assert_string_equal(next(&b), "pruned 25 %, Q3_K_M");
	make(&b, 0.3);
	assert_string_equal(next(&b), "pruned 39 %, Q4_K_M");
	make(&b, 0.35); /* worse than with less pruning: no more of it */
	assert_string_equal(next(&b), "end");
	assert_float_equal(elm__budget_best(&b)->recipe.sparsity, 0.25, 1e-9);
}

static void distilling_comes_last(void **state)
{
	elm__budget b = fake((elm__budget_goal){
		.file_bytes = 5000, .max_divergence = 0.05, .prune = true, .distill = true });

	assert_string_equal(next(&b), "Q3_K_M");
	make(&b, 0.09);
	make(&b, 0.4);
	assert_string_equal(next(&b), "pruned 13 %, Q4_K_S");
	make(&b, 0.2);
	assert_string_equal(next(&b), "pruned 18 %, Q4_K_M");
	make(&b, 0.3);
	assert_string_equal(next(&b), "pruned 13 %, distilled, Q4_K_S");
	make(&b, 0.07);
	assert_string_equal(next(&b), "end");
	assert_false(elm__budget_met(&b));
	assert_true(elm__budget_best(&b)->recipe.distilled);
}

static void nothing_that_is_not_allowed(void **state)
{
	elm__budget b = fake((elm__budget_goal){ .file_bytes = 3000 });

	assert_string_equal(next(&b), "end");
	assert_int_equal(elm__budget_smallest(&b), 50 + 1000 + 2900);
	b.goal.prune = true;
	assert_int_equal(elm__budget_smallest(&b), 50 + 1000 + 1450);
	assert_string_equal(next(&b), "pruned 33 %, Q2_K");
	/* It turns out larger than expected: the same with less of the model. */
	{
		elm__trial trial = { .divergence = 0.5, .file_bytes = 3100 };

		assert_true(elm__budget_next(&b, &trial.recipe));
		elm__budget_add(&b, &trial);
	}
	assert_null(elm__budget_best(&b));
	assert_string_equal(next(&b), "pruned 36 %, Q2_K");
	make(&b, 0.6);
	assert_string_equal(next(&b), "pruned 50 %, Q3_K_M");
	make(&b, 0.7);
	assert_string_equal(next(&b), "end");
	assert_float_equal(elm__budget_best(&b)->divergence, 0.6, 1e-9);
}

static void memory_counts_too(void **state)
{
	/* 5800 of weights and 400 to work with is just what fits. */
	elm__budget b = fake((elm__budget_goal){ .memory_bytes = 6200 });

	assert_int_equal(elm__budget_memory(&b, 5850), 6200);
	assert_string_equal(next(&b), "Q4_K_M");
	b.goal.memory_bytes--;
	assert_string_equal(next(&b), "Q4_K_S");
	/* What could not be measured is never the best. */
	make(&b, NAN);
	assert_null(elm__budget_best(&b));
}

/* Sizes are those of the files that quantising writes. */
static void sizes_of_a_model(void **state)
{
	tiny_model tiny = { .width = 256, .heads = 4, .kv_heads = 2, .ffn = 256, .seed = 3 };
	const elm__budget_goal goal = { .file_bytes = 1 };
	elm__arena arena;
	elm__hparams hp;
	elm__budget b;
	elm_gguf *gguf;

	tiny_model_write(&tiny, temp_path("model.gguf"));
	assert_int_equal(elm_gguf_open(temp_path("model.gguf"), &gguf, NULL), ELM_OK);
	elm__arena_init(&arena, 0);
	assert_int_equal(elm__hparams_read(&hp, gguf, &arena, NULL), ELM_OK);
	assert_int_equal(elm__budget_init(&b, &goal, gguf, &hp, 0, NULL), ELM_OK);
	assert_in_range(b.n_mixes, 8, ELM__BUDGET_MIXES);
	for (size_t i = 0; i < b.n_mixes; i++) {
		elm__recipe recipe = { .mix = b.mixes[i].mix };
		elm__quant_plan plan;

		assert_int_equal(elm__quant_plan_make(&plan, gguf, &hp, recipe.mix, NULL, 0, true,
						      NULL),
				 ELM_OK);
		/* Tensors are padded to 32 bytes each. */
		assert_in_range(elm__budget_file_bytes(&b, &recipe), b.metadata + plan.bytes,
				b.metadata + plan.bytes + 32 * plan.count);
		elm__quant_plan_release(&plan);
		if (i)
			assert_true(elm__budget_file_bytes(&b, &recipe) <
				    b.metadata + b.mixes[i - 1].fixed + b.mixes[i - 1].layers);
	}
	assert_string_equal(b.mixes[b.n_mixes - 1].mix->name, "Q2_K_S");
	elm_gguf_close(gguf);
	elm__arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantising_is_enough),
		cmocka_unit_test(a_limit_stops_as_soon_as_it_is_met),
		cmocka_unit_test(coarse_types_make_room_by_pruning),
		cmocka_unit_test(distilling_comes_last),
		cmocka_unit_test(nothing_that_is_not_allowed),
		cmocka_unit_test(memory_counts_too),
		cmocka_unit_test(sizes_of_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
