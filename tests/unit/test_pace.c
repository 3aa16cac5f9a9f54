/* The pace of steps, on machines that are formulas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "engine/pace.h"

enum { MOST_ROWS = 64, STEPS = 2000, BATCH = 512, LEARNING = 20 };

/* Seconds of a step. */
typedef double machine(uint32_t decode_rows, uint32_t prompt_rows);

/* Every row costs the same on top of reading the weights. */
static double plain(uint32_t decode_rows, uint32_t prompt_rows)
{
	return 0.04 + 0.0005 * decode_rows + 0.001 * prompt_rows;
}

/* Few rows cost next to nothing; more of them change to other kernels, at a price. */
static double jumping(uint32_t decode_rows, uint32_t prompt_rows)
{
	double base = 0.04 + 0.0005 * decode_rows;

	if (decode_rows + prompt_rows <= 16)
		return base + 0.0002 * prompt_rows;
	return base + 0.01 + 0.0005 * prompt_rows;
}

/* A prompt token costs more than half an answer. */
static double slow(uint32_t decode_rows, uint32_t prompt_rows)
{
	return 0.1 + 0.001 * decode_rows + 0.06 * prompt_rows;
}

typedef struct outcome {
	double rows;	  /* prompt rows per step */
	double worst;	  /* step, in normal times */
	unsigned beyond;  /* steps that took more than `allowed` */
	unsigned without; /* prompt rows */
} outcome;

static outcome run(machine *m, double target, double allowed, bool accidents)
{
	outcome o = { 0 };
	elm__random random;
	elm__arena arena;
	elm__pace pace;

	elm__random_seed(&random, 3);
	elm__arena_init(&arena, 0);
	assert_true(elm__pace_init(&pace, target, MOST_ROWS, &arena));
	for (unsigned i = 0; i < STEPS; i++) {
		uint32_t decode = 4 + i / 100 % 8;
		uint32_t rows = elm__pace_slice(&pace, decode, BATCH);
		double normal = m(decode, 0), seconds = m(decode, rows);

		seconds *= 1 + 0.1 * elm__random_unit(&random);
		if (i >= LEARNING) {
			o.rows += rows / (double)(STEPS - LEARNING);
			o.worst = seconds / normal > o.worst ? seconds / normal : o.worst;
			o.beyond += seconds > (allowed > 0 ? allowed : 2 * normal);
			o.without += !rows;
		}
		if (accidents && i % 200 == 150)
			seconds *= 20;
		elm__pace_learn(&pace, decode, rows, seconds);
	}
	elm__arena_release(&arena);
	return o;
}

static void a_step_takes_twice_the_normal_time_at_most(void **state)
{
	outcome o = run(plain, 0, 0, false);

	(void)state;
	assert_true(o.worst < 2);
	assert_in_range((unsigned)o.rows, 25, 40); /* 40 would be exactly twice */
	assert_in_range(o.without, STEPS / 60, STEPS / 40);
	o = run(jumping, 0, 0, false);
	assert_true(o.beyond * 50 < STEPS && o.worst < 2.5);
	assert_in_range((unsigned)o.rows, 30, 70);
}

static void a_target_is_met(void **state)
{
	outcome o = run(plain, 0.1, 0.11, false);

	(void)state;
	assert_int_equal(o.beyond, 0);
	assert_in_range((unsigned)o.rows, 35, 60);
}

/* A target that answers alone miss, or prompts that are too slow: they still get on. */
static void prompts_are_never_stopped(void **state)
{
	outcome o = run(plain, 0.001, 0, false);

	(void)state;
	assert_true(o.rows >= 1 && o.worst < 1.4);
	o = run(slow, 0, 0, false);
	assert_true(o.rows > 0.9 && o.rows <= 1.1);
}

static void accidents_are_forgotten(void **state)
{
	outcome quiet = run(plain, 0, 0, false), o = run(plain, 0, 0, true);

	(void)state;
	assert_true(o.rows > quiet.rows * 0.7);
	assert_true(o.beyond * 10 < STEPS && o.worst < 3);
}

static void the_limit_holds(void **state)
{
	elm__arena arena;
	elm__pace pace;

	(void)state;
	elm__arena_init(&arena, 0);
	assert_true(elm__pace_init(&pace, 0, 2, &arena));
	assert_int_equal(elm__pace_slice(&pace, 1, 100), 0); /* first of all, what is normal? */
	elm__pace_learn(&pace, 0, 100, 1);		     /* says nothing of it */
	assert_int_equal(elm__pace_slice(&pace, 1, 100), 0);
	elm__pace_learn(&pace, 1, 0, 0.1);
	assert_int_equal(elm__pace_slice(&pace, 1, 100), 16);
	assert_int_equal(elm__pace_slice(&pace, 2, 7), 7); /* one row is the nearest known */
	for (int i = 0; i < 40; i++)
		elm__pace_learn(&pace, 1, elm__pace_slice(&pace, 1, 65536), 0.1);
	assert_int_equal(elm__pace_slice(&pace, 1, 100), 100);
	elm__arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_step_takes_twice_the_normal_time_at_most),
		cmocka_unit_test(a_target_is_met),
		cmocka_unit_test(prompts_are_never_stopped),
		cmocka_unit_test(accidents_are_forgotten),
		cmocka_unit_test(the_limit_holds),
	};

	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
