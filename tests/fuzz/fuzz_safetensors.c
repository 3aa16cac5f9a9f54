/*
 * Safetensors, from the header to the last weight: whatever is accepted lies in the file without
 * overlap, and whatever can be planned as a small llama can be read.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "convert/plan.h"
#include "convert_cases.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static elm_status count_bytes(void *user, const void *data, size_t size, elm_error *error)
{
	*(uint64_t *)user += size;
	return ELM_OK;
}

static void check_tensors(const elm__safetensors *st, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < st->count; i++) {
		const elm__st_tensor *t = &st->tensors[i];

		check(elm__safetensors_find(st, t->name) == t);
		check(t->offset <= size && t->bytes <= size - t->offset);
		check(t->data == data + t->offset);
		check(t->bytes == t->elements * t->dtype->bytes);
		for (size_t k = i + 1; k < st->count && st->count < 100; k++) {
			const elm__st_tensor *u = &st->tensors[k];

			check(!t->bytes || !u->bytes || t->offset + t->bytes <= u->offset ||
			      u->offset + u->bytes <= t->offset);
		}
	}
}

static void read_weights(const elm__safetensors *st, unsigned variant)
{
	const elm__plan_options options = { .target = (elm__target)(variant % 5),
					    .dequantize = variant & 8,
					    .version_2 = variant & 16 };
	elm_error error = { 0 };
	elm__facts facts;
	elm__plan plan;
	json_t *config;

	check(elm__json_parse("config", convert_config, strlen(convert_config), &config, &error) ==
	      ELM_OK);
	check(elm__facts_from_config(&facts, "config", config, &error) == ELM_OK);
	json_decref(config);
	if (elm__plan_make(&plan, &facts, st, &options, &error) == ELM_OK) {
		for (size_t i = 0; i < plan.count; i++) {
			const elm__row_job *job = &plan.items[i].job;
			uint64_t bytes = 0, want;

			if (elm__rows_transfer(job, count_bytes, &bytes, &error) == ELM_OK) {
				check(elm_type_row_bytes(job->type, job->cols, &want) == ELM_OK);
				check(bytes == want * job->rows);
			}
		}
		elm__plan_release(&plan);
	} else {
		check(error.text[0]);
	}
	elm__facts_release(&facts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	elm__safetensors st;
	elm_error error = { 0 };

	if (!size)
		return 0;
	elm__safetensors_init(&st);
	if (elm__safetensors_add_memory(&st, "fuzz", data + 1, size - 1, &error) == ELM_OK) {
		check_tensors(&st, data + 1, size - 1);
		read_weights(&st, data[0]);
	} else {
		check(error.text[0]);
	}
	elm__safetensors_release(&st);
	return 0;
}
