/* The models of a server: memory decides which are loaded, and a changed file replaces them. */
#include <edgelm/session.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "answers.h"
#include "server/models.h"
#include "support.h"
#include "tiny_model.h"

enum { MODELS = 3 };

static char paths[MODELS][4096];
static elm__model_source sources[MODELS];
static char sysroot[4096];
static _Atomic unsigned no_room; /* times that this was said */

static void write_model(size_t index, uint64_t seed)
{
	tiny_model tiny = { .seed = seed };
	char path[4200];

	snprintf(path, sizeof(path), "%s.new", paths[index]);
	tiny_model_write(&tiny, path);
	assert_int_equal(rename(path, paths[index]), 0);
}

static int make_models(void **state)
{
	static const char *const names[MODELS] = { "a", "b", "c" };

	(void)state;
	for (size_t i = 0; i < MODELS; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s", temp_path(names[i]));
		sources[i] = (elm__model_source){ names[i], paths[i] };
		write_model(i, i + 1);
	}
	snprintf(sysroot, sizeof(sysroot), "%s", temp_path("root"));
	mkdir(sysroot, 0777);
	return 0;
}

static void listen_to(void *user, const char *line)
{
	(void)user;
	no_room += strstr(line, "no room for the old and the new") != NULL;
}

static elm__models_options options_for(size_t count)
{
	elm__models_options options = {
		.sources = sources,
		.count = count,
		.loading = { .opening = { .isa = "scalar" },
			     .scheduling = answers_options(),
			     .chat_template = "plain",
			     .say = listen_to },
	};

	options.loading.scheduling.sysroot = sysroot;
	return options;
}

/* Memory for what one model takes of its own, and for the weights of so many and a half. */
static void make_memory(double models)
{
	elm_scheduler_options options = answers_options();
	elm_model *model = answers_model(1);
	elm_memory_estimate need;
	char text[100];
	double bytes;

	assert_int_equal(elm_scheduler_estimate(model, &options, &need, NULL), ELM_OK);
	bytes = (double)(need.kv + need.scratch) + (models + 0.5) * (double)need.weights;
	snprintf(text, sizeof(text), "MemTotal: 100000000 kB\nMemAvailable: %.0f kB\n",
		 bytes / 1024);
	write_below(sysroot, "/proc/meminfo", text);
	elm_model_close(model);
}

static void expect_states(elm__models *m, elm__model_state a, elm__model_state b,
			  elm__model_state c)
{
	assert_int_equal(elm__models_state(m, 0), a);
	assert_int_equal(elm__models_state(m, 1), b);
	assert_int_equal(elm__models_state(m, 2), c);
}

static elm__loaded *acquire(elm__models *m, size_t index)
{
	elm_error error = { 0 };
	elm__loaded *l;

	if (elm__models_acquire(m, index, &l, &error))
		fail_msg("%s", error.text);
	return l;
}

static void the_one_that_was_not_used_for_longest_makes_room(void **state)
{
	const elm__model_state off = ELM__MODEL_UNLOADED, on = ELM__MODEL_LOADED;
	elm__models_options options = options_for(3);
	elm__loaded *a, *b, *c;
	elm_error error = { 0 };
	elm__models *m;

	(void)state;
	make_memory(2);
	assert_int_equal(elm__models_create(&options, &m, &error), ELM_OK);
	assert_int_equal(elm__models_find(m, "b"), 1);
	assert_int_equal(elm__models_find(m, "d"), 3);
	expect_states(m, off, off, off);
	elm__models_release(m, acquire(m, 0), true);
	elm__models_release(m, acquire(m, 1), true);
	expect_states(m, on, on, off);
	elm__models_release(m, acquire(m, 0), true);
	/* Looking at it is no use of it. */
	b = elm__models_peek(m, 1);
	assert_non_null(b);
	elm__models_release(m, b, false);
	c = acquire(m, 2);
	expect_states(m, on, off, on);
	a = acquire(m, 0);
	assert_int_equal(elm__models_acquire(m, 1, &b, &error), ELM_ERR_FULL);
	assert_null(b);
	assert_contains(error.text, "no room for model \"b\"");
	expect_states(m, on, off, on);
	elm__models_release(m, c, true);
	b = acquire(m, 1);
	expect_states(m, on, on, off);
	elm__models_release(m, a, true);
	elm__models_release(m, b, true);
	elm__models_free(m);
}

/* Alone, a model may be larger than the memory for its weights, but not its own memory. */
static void alone_its_own_memory_counts(void **state)
{
	elm__models_options options = options_for(1);
	elm_error error = { 0 };
	elm__models *m;

	(void)state;
	make_memory(0);
	options.loading.opening.engine_cache = sysroot; /* so that nothing is packed in memory */
	assert_int_equal(elm__models_create(&options, &m, &error), ELM_OK);
	assert_int_equal(elm__models_load(m, 0, &error), ELM_OK);
	elm__models_free(m);
	write_below(sysroot, "/proc/meminfo", "MemTotal: 100000 kB\nMemAvailable: 100 kB\n");
	assert_int_equal(elm__models_create(&options, &m, &error), ELM_OK);
	assert_int_equal(elm__models_load(m, 0, &error), ELM_ERR_NO_MEMORY);
	assert_contains(error.text, "are available");
	elm__models_free(m);
}

typedef struct waiter {
	elm__models *models;
	elm__loaded *loaded;
	atomic_bool done;
} waiter;

static void *wait_for_model(void *user)
{
	waiter *w = user;

	if (elm__models_acquire(w->models, 0, &w->loaded, NULL))
		w->loaded = NULL;
	w->done = true;
	return NULL;
}

static void pause_ms(long ms)
{
	struct timespec time = { .tv_nsec = ms * 1000000 };

	nanosleep(&time, NULL);
}

/* Waits at most ten seconds. */
static bool was_said(unsigned times)
{
	for (int i = 0; i < 1000 && no_room < times; i++)
		pause_ms(10);
	return no_room >= times;
}

static void without_room_for_both_the_new_one_waits(void **state)
{
	elm__models_options options = options_for(1);
	waiter w = { 0 };
	elm__loaded *old;
	elm_error error = { 0 };
	pthread_t thread;

	(void)state;
	make_memory(1);
	assert_int_equal(elm__models_create(&options, &w.models, &error), ELM_OK);
	old = acquire(w.models, 0);
	write_model(0, 9);
	elm__models_reload(w.models);
	assert_true(was_said(1));
	assert_int_equal(pthread_create(&thread, NULL, wait_for_model, &w), 0);
	pause_ms(50);
	assert_false(w.done);
	/* The old one is as it was. */
	assert_int_equal(elm_tokenizer_size(old->tokenizer), TINY_VOCABULARY);
	elm__models_release(w.models, old, true);
	pthread_join(thread, NULL);
	assert_non_null(w.loaded);
	assert_int_equal(elm__models_state(w.models, 0), ELM__MODEL_LOADED);
	elm__models_release(w.models, w.loaded, true);
	elm__models_free(w.models);
}

/* Who waits for a model when the server ends is told so. */
static void stopping_wakes_those_who_wait(void **state)
{
	elm__models_options options = options_for(1);
	waiter w = { 0 };
	elm__loaded *old;
	elm_error error = { 0 };
	pthread_t thread;

	(void)state;
	make_memory(1);
	assert_int_equal(elm__models_create(&options, &w.models, &error), ELM_OK);
	old = acquire(w.models, 0);
	write_model(0, 10);
	elm__models_reload(w.models);
	assert_true(was_said(2));
	assert_int_equal(pthread_create(&thread, NULL, wait_for_model, &w), 0);
	pause_ms(20);
	elm__models_stop(w.models);
	pthread_join(thread, NULL);
	assert_null(w.loaded);
	elm__models_release(w.models, old, true);
	assert_int_equal(elm__models_acquire(w.models, 0, &old, &error), ELM_ERR_CANCELLED);
	elm__models_free(w.models);
}

static elm_status create_and_load(void *user, elm_error *error)
{
	elm__models_options *options = user;
	elm__models *m;
	elm_status status = elm__models_create(options, &m, error);

	if (!status)
		status = elm__models_load(m, 0, error);
	elm__models_free(m);
	return status;
}

static void every_allocation_may_fail(void **state)
{
	elm__models_options options = options_for(2);

	(void)state;
	make_memory(4);
	assert_true(fail_each_allocation(create_and_load, &options) > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_one_that_was_not_used_for_longest_makes_room),
		cmocka_unit_test(alone_its_own_memory_counts),
		cmocka_unit_test(without_room_for_both_the_new_one_waits),
		cmocka_unit_test(stopping_wakes_those_who_wait),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("server_models", tests, make_models, NULL);
}
