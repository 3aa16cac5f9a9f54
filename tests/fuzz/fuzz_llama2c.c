/* The .bin of llama2.c, or its tokenizer.bin: the first byte says which. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "convert/convert.h"
#include "convert/vocabulary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static elm_status ignore(void *user, const void *data, size_t size, elm_error *error)
{
	return ELM_OK;
}

static void read_weights(elm__safetensors *st, elm__facts *facts)
{
	const elm__plan_options options = { .target = ELM__TARGET_F32, .pairs_already = true };
	elm_error error = { 0 };
	elm__plan plan;

	/* Its tensors are those of a llama, so the plan cannot fail. */
	check(elm__plan_make(&plan, facts, st, &options, &error) == ELM_OK);
	for (size_t i = 0; i < plan.count; i++)
		if (elm__rows_transfer(&plan.items[i].job, ignore, NULL, &error) != ELM_OK)
			check(error.text[0]);
	elm__plan_release(&plan);
}

static void read_checkpoint(const uint8_t *data, size_t size)
{
	elm_error error = { 0 };
	const elm__st_file *file;
	elm__safetensors st;
	elm__facts facts;

	elm__safetensors_init(&st);
	check(elm__safetensors_add_bytes(&st, "fuzz", data, size, &file, &error) == ELM_OK);
	if (elm__llama2c_read(&st, &facts, file, &error) == ELM_OK)
		read_weights(&st, &facts);
	else
		check(error.text[0]);
	elm__facts_release(&facts);
	elm__safetensors_release(&st);
}

static void read_tokenizer(const uint8_t *data, size_t size)
{
	elm_error error = { 0 };
	elm__vocabulary v;

	elm__vocabulary_init(&v);
	if (elm__tokenizer_bin_read(&v, "fuzz", data, size, 8, &error) == ELM_OK)
		check(v.count == 8 && v.texts[7].data);
	else
		check(error.text[0]);
	elm__vocabulary_release(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && data[0] == 't')
		read_tokenizer(data + 1, size - 1);
	else if (size)
		read_checkpoint(data + 1, size - 1);
	return 0;
}
