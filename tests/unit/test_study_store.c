/* The database of a study: what is put in comes out, and what is not a study is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "study/store.h"
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "support.h"

static elm__store *store_in(const char *folder, elm__store_mode mode)
{
	elm__store *store = NULL;
	elm_error error = { 0 };

	if (elm__store_open(folder, mode, &store, &error))
		fail_msg("%s", error.text);
	return store;
}

/* A query and `trials` trials of it, each with two tokens. */
static void fill(elm__store *store, int trials)
{
	elm__study_query query = { .category = "simple", .idx = 0, .text = "who, \"quoted\"?" };

	query.id = ELM__STUDY_NONE;
	assert_int_equal(elm__store_put(store, ELM__TABLE_query, &query, NULL), ELM_OK);
	for (int i = 0; i < trials; i++) {
		elm__study_trial trial;
		elm__study_token token = { .idx = 0, .at_ns = 1000 };

		elm__row_clear(ELM__TABLE_trial, &trial);
		trial.experiment_id = 1 + i % 2;
		trial.query_id = query.id;
		trial.variant = "";
		trial.warmup = trial.stream = 0;
		trial.repeat = i;
		trial.status = "ok";
		trial.ttft_ns = 1000000 * i;
		trial.energy_j = i ? i * 0.5 : NAN;
		assert_int_equal(elm__store_put(store, ELM__TABLE_trial, &trial, NULL), ELM_OK);
		assert_int_equal(trial.id, i + 1);
		token.trial_id = trial.id;
		assert_int_equal(elm__store_put(store, ELM__TABLE_token, &token, NULL), ELM_OK);
		token.idx = 1;
		token.at_ns = 2000;
		assert_int_equal(elm__store_put(store, ELM__TABLE_token, &token, NULL), ELM_OK);
	}
}

/* The same in one transaction. */
static void fill_at_once(elm__store *store, int trials)
{
	assert_int_equal(elm__store_begin(store, NULL), ELM_OK);
	fill(store, trials);
	assert_int_equal(elm__store_commit(store, NULL), ELM_OK);
}

static void rows_come_back(void **state)
{
	const char *folder = temp_path("rows");
	elm__store *store = store_in(folder, ELM__STORE_CREATE);
	const elm__study_trial *trials;
	elm__rows rows;

	assert_true(elm__store_exists(folder));
	fill_at_once(store, 5);
	elm__store_close(store);
	store = store_in(folder, ELM__STORE_READ);
	assert_int_equal(elm__store_rows(store, ELM__TABLE_trial, NULL, 0, &rows, NULL), ELM_OK);
	assert_int_equal(rows.count, 5);
	trials = rows.items;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(trials[i].id, i + 1);
		assert_int_equal(trials[i].ttft_ns, 1000000 * i);
		assert_string_equal(trials[i].status, "ok");
		assert_null(trials[i].text);
		assert_int_equal(trials[i].wall_ns, ELM__STUDY_NONE);
		assert_true(i ? trials[i].energy_j == i * 0.5 : isnan(trials[i].energy_j));
	}
	elm__rows_release(&rows);
	assert_int_equal(elm__store_rows(store, ELM__TABLE_trial, "experiment_id", 2, &rows, NULL),
			 ELM_OK);
	assert_int_equal(rows.count, 2);
	elm__rows_release(&rows);
	assert_int_equal(elm__store_rows(store, ELM__TABLE_token, "trial_id", 3, &rows, NULL),
			 ELM_OK);
	assert_int_equal(rows.count, 2);
	assert_int_equal(((const elm__study_token *)rows.items)[1].at_ns, 2000);
	elm__rows_release(&rows);
	assert_int_equal(elm__store_rows(store, ELM__TABLE_token, "status", 3, &rows, NULL),
			 ELM_ERR_INTERNAL);
	elm__rows_release(&rows);
	elm__store_close(store);
}

/* Every table takes a row of only NULLs (but for keys) and gives it back. */
static void every_table_can_be_written_and_read(void **state)
{
	elm__store *store = store_in(temp_path("tables"), ELM__STORE_CREATE);

	for (int t = 0; t < ELM__TABLE_COUNT; t++) {
		char row[512], again[512];
		elm_error error = { 0 };
		elm__rows rows;

		assert_true(elm__tables[t].row_size <= sizeof(row));
		memset(row, 0, sizeof(row));
		elm__row_clear((elm__study_table)t, row);
		for (size_t i = 0; i < elm__tables[t].count; i++) {
			const elm__column *c = &elm__tables[t].columns[i];
			bool key = strstr(elm__tables[t].constraints, c->name) != NULL;

			if (key && c->kind == ELM__COLUMN_INT)
				*(int64_t *)(row + c->offset) = 7;
			else if (key)
				*(const char **)(row + c->offset) = "k";
		}
		if (elm__store_put(store, (elm__study_table)t, row, &error))
			fail_msg("%s", error.text);
		memcpy(again, row, sizeof(row));
		assert_int_equal(elm__store_rows(store, (elm__study_table)t, NULL, 0, &rows, NULL),
				 ELM_OK);
		assert_int_equal(rows.count, 1);
		for (size_t i = 0; i < elm__tables[t].count; i++) {
			const elm__column *c = &elm__tables[t].columns[i];

			if (c->kind == ELM__COLUMN_INT)
				assert_int_equal(*(int64_t *)((char *)rows.items + c->offset),
						 *(int64_t *)(row + c->offset));
		}
		elm__rows_release(&rows);
	}
	elm__store_close(store);
}

static void what_is_not_committed_is_gone(void **state)
{
	const char *folder = temp_path("rollback");
	elm__store *store = store_in(folder, ELM__STORE_CREATE);
	elm__rows rows;

	assert_int_equal(elm__store_begin(store, NULL), ELM_OK);
	fill(store, 2);
	elm__store_close(store);
	store = store_in(folder, ELM__STORE_WRITE);
	assert_int_equal(elm__store_rows(store, ELM__TABLE_trial, NULL, 0, &rows, NULL), ELM_OK);
	assert_int_equal(rows.count, 0);
	elm__rows_release(&rows);
	fill_at_once(store, 2);
	assert_int_equal(elm__store_rows(store, ELM__TABLE_trial, NULL, 0, &rows, NULL), ELM_OK);
	assert_int_equal(rows.count, 2);
	elm__rows_release(&rows);
	elm__store_close(store);
}

static void one_process_writes(void **state)
{
	const char *folder = temp_path("locked");
	elm__store *first = store_in(folder, ELM__STORE_CREATE), *second, *reader;
	elm_error error = { 0 };

	assert_int_equal(elm__store_open(folder, ELM__STORE_WRITE, &second, &error),
			 ELM_ERR_ARGUMENT);
	assert_null(second);
	assert_contains(error.text, "another process");
	reader = store_in(folder, ELM__STORE_READ);
	elm__store_close(reader);
	elm__store_close(first);
	second = store_in(folder, ELM__STORE_WRITE);
	elm__store_close(second);
}

static void opening_fails(const char *folder, elm__store_mode mode, elm_status status,
			  const char *part)
{
	elm__store *store;
	elm_error error = { 0 };

	assert_int_equal(elm__store_open(folder, mode, &store, &error), status);
	assert_null(store);
	assert_contains(error.text, part);
}

static void what_is_no_study_is_refused(void **state)
{
	const char *folder = temp_path("refused");
	char text[4096], path[512];
	elm__store *store;

	opening_fails(folder, ELM__STORE_READ, ELM_ERR_NOT_FOUND, "no study");
	opening_fails("", ELM__STORE_CREATE, ELM_ERR_ARGUMENT, "empty");
	store = store_in(folder, ELM__STORE_CREATE);
	elm__store_close(store);
	opening_fails(folder, ELM__STORE_CREATE, ELM_ERR_ARGUMENT, "already");
	memset(text, 'x', sizeof(text));
	snprintf(path, sizeof(path), "%s/study.db", folder);
	assert_int_equal(elm__file_replace(path, text, sizeof(text), NULL), ELM_OK);
	opening_fails(folder, ELM__STORE_READ, ELM_ERR_FORMAT, "study.db");
	assert_int_equal(elm__file_replace(path, "", 0, NULL), ELM_OK);
	opening_fails(folder, ELM__STORE_READ, ELM_ERR_FORMAT, "not that of a study");
}

/* Bytes of a good database are changed here and there: errors, never worse. */
static void a_damaged_file_is_an_error_at_most(void **state)
{
	const char *folder = temp_path("damaged");
	elm__buf whole = ELM__BUF_INIT;
	char path[512];
	elm__store *store = store_in(folder, ELM__STORE_CREATE);
	size_t refused = 0;

	fill_at_once(store, 50);
	elm__store_close(store);
	snprintf(path, sizeof(path), "%s/study.db", folder);
	read_whole(path, &whole);
	for (size_t at = 100; at < whole.length; at += whole.length / 60) {
		elm_status status;
		elm__rows rows;
		char saved[16];

		memcpy(saved, whole.data + at, sizeof(saved));
		memset(whole.data + at, 0xa5, sizeof(saved));
		assert_int_equal(elm__file_replace(path, whole.data, whole.length, NULL), ELM_OK);
		memcpy(whole.data + at, saved, sizeof(saved));
		status = elm__store_open(folder, ELM__STORE_READ, &store, NULL);
		for (int t = 0; t < ELM__TABLE_COUNT && status == ELM_OK; t++) {
			status = elm__store_rows(store, (elm__study_table)t, NULL, 0, &rows, NULL);
			elm__rows_release(&rows);
		}
		refused += status != ELM_OK;
		elm__store_close(store);
	}
	assert_true(refused > 0);
	elm__buf_release(&whole);
}

static void csv_files_have_every_row(void **state)
{
	const char *folder = temp_path("csv");
	elm__store *store = store_in(folder, ELM__STORE_CREATE);
	elm__buf text = ELM__BUF_INIT;
	char path[512];

	fill_at_once(store, 3);
	assert_int_equal(elm__store_export(store, NULL), ELM_OK);
	snprintf(path, sizeof(path), "%s/query.csv", folder);
	read_whole(path, &text);
	assert_string_equal(elm__buf_text(&text),
			    "id,category,idx,text\r\n1,simple,0,\"who, \"\"quoted\"\"?\"\r\n");
	elm__buf_clear(&text);
	snprintf(path, sizeof(path), "%s/token.csv", folder);
	read_whole(path, &text);
	assert_string_equal(elm__buf_text(&text),
			    "trial_id,idx,at_ns\r\n1,0,1000\r\n1,1,2000\r\n"
			    "2,0,1000\r\n2,1,2000\r\n3,0,1000\r\n3,1,2000\r\n");
	elm__buf_release(&text);
	elm__store_close(store);
}

static bool add_up(void *user, const double *values, size_t count)
{
	double *sums = user;

	assert_int_equal(count, 2);
	sums[0] += values[0];
	sums[1] += isnan(values[1]);
	return true;
}

static void statements_can_be_run(void **state)
{
	elm__store *store = store_in(temp_path("select"), ELM__STORE_CREATE);
	double sums[2] = { 0, 0 };
	elm_error error = { 0 };

	fill_at_once(store, 4);
	assert_int_equal(elm__store_select(store,
					   "SELECT ttft_ns, energy_j FROM trial WHERE id BETWEEN "
					   "?1 AND ?2",
					   1, 3, add_up, sums, NULL),
			 ELM_OK);
	assert_true(sums[0] == 3000000 && sums[1] == 1);
	assert_int_equal(elm__store_select(store, "SELECT nonsense FROM trial", 0, 0, add_up, sums,
					   &error),
			 ELM_ERR_FORMAT);
	assert_contains(error.text, "nonsense");
	elm__store_close(store);
}

static elm_status read_all(void *user, elm_error *error)
{
	elm__store *store;
	elm_status status = elm__store_open(user, ELM__STORE_READ, &store, error);
	elm__rows rows;

	if (status)
		return status;
	status = elm__store_rows(store, ELM__TABLE_trial, NULL, 0, &rows, error);
	elm__rows_release(&rows);
	elm__store_close(store);
	return status;
}

static void running_out_of_memory_is_an_error(void **state)
{
	char folder[512];
	elm__store *store;

	snprintf(folder, sizeof(folder), "%s", temp_path("memory"));
	store = store_in(folder, ELM__STORE_CREATE);
	fill_at_once(store, 100);
	elm__store_close(store);
	assert_true(fail_each_allocation(read_all, folder) > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_come_back),
		cmocka_unit_test(every_table_can_be_written_and_read),
		cmocka_unit_test(what_is_not_committed_is_gone),
		cmocka_unit_test(one_process_writes),
		cmocka_unit_test(what_is_no_study_is_refused),
		cmocka_unit_test(a_damaged_file_is_an_error_at_most),
		cmocka_unit_test(csv_files_have_every_row),
		cmocka_unit_test(statements_can_be_run),
		cmocka_unit_test(running_out_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
