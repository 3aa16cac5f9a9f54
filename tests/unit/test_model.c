/* Opening models: every fact that a file may get wrong is refused by name. */
#include <edgelm/session.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support.h"
#include "tiny_model.h"

static const char *const archs[] = { "llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3" };

/* Opens a tiny model and expects the status; the error must contain both texts. */
static void expect(const tiny_model *tiny, elm_status status, const char *where, const char *what)
{
	const char *path = temp_path("model.gguf");
	elm_error error = { 0 };
	elm_model *model;

	tiny_model_write(tiny, path);
	if (elm_model_open(path, NULL, &model, &error) != status)
		fail_msg("expected \"%s\", got \"%s\"", elm_status_text(status), error.text);
	if (status == ELM_OK) {
		elm_model_close(model);
		return;
	}
	assert_null(model);
	assert_contains(error.text, "model.gguf");
	assert_contains(error.text, where);
	assert_contains(error.text, what);
}

static void test_every_architecture_opens(void **state)
{
	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++) {
		tiny_model tiny = { .arch = archs[i] };
		elm_model *model;
		const elm_model_info *info;

		tiny_model_write(&tiny, temp_path("arch.gguf"));
		assert_int_equal(elm_model_open(temp_path("arch.gguf"), NULL, &model, NULL),
				 ELM_OK);
		info = elm_model_get_info(model);
		assert_string_equal(info->architecture, archs[i]);
		assert_string_equal(info->name, "tiny");
		assert_int_equal(info->vocabulary, TINY_VOCABULARY);
		assert_int_equal(info->width, 64);
		assert_int_equal(info->layers, 2);
		assert_int_equal(info->heads, 4);
		assert_int_equal(info->kv_heads, 2);
		assert_int_equal(info->head_dim, 16);
		assert_int_equal(info->ffn_width, 96);
		assert_int_equal(info->trained_context, 256);
		assert_non_null(elm_model_isa(model));
		elm_model_close(model);
	}
}

/* --- metadata --- */

typedef struct spoil {
	const char *key;
	elm_gguf_kind kind;
	uint32_t u32;
	float f32;
	const char *text;
	elm_status status;
	const char *what; /* part of the error, beside the key */
} spoil;

static void spoil_metadata(elm_gguf_writer *writer, void *user)
{
	const spoil *s = user;
	elm_status status;

	if (s->kind == ELM_GGUF_STRING)
		status = elm_gguf_writer_set_string(writer, s->key, s->text, strlen(s->text), NULL);
	else if (s->kind == ELM_GGUF_F32)
		status = elm_gguf_writer_set_f32(writer, s->key, s->f32, NULL);
	else
		status = elm_gguf_writer_set_u32(writer, s->key, s->u32, NULL);
	assert_int_equal(status, ELM_OK);
}

static void test_metadata_out_of_range(void **state)
{
	static const spoil cases[] = {
		{ "general.architecture", ELM_GGUF_STRING, .text = "mamba",
		  .status = ELM_ERR_UNSUPPORTED, .what = "\"mamba\" is not supported" },
		{ "llama.embedding_length", ELM_GGUF_U32, 0, .status = ELM_ERR_FORMAT,
		  .what = "0" },
		{ "llama.embedding_length", ELM_GGUF_U32, 1u << 31, .status = ELM_ERR_FORMAT,
		  .what = "between" },
		{ "llama.embedding_length", ELM_GGUF_F32, .f32 = 64, .status = ELM_ERR_FORMAT,
		  .what = "f32" },
		{ "llama.block_count", ELM_GGUF_U32, 0, .status = ELM_ERR_FORMAT,
		  .what = "between" },
		{ "llama.block_count", ELM_GGUF_U32, UINT32_MAX, .status = ELM_ERR_FORMAT,
		  .what = "between" },
		{ "llama.context_length", ELM_GGUF_U32, 0, .status = ELM_ERR_FORMAT,
		  .what = "between" },
		{ "llama.feed_forward_length", ELM_GGUF_U32, 0, .status = ELM_ERR_FORMAT,
		  .what = "between" },
		{ "llama.attention.head_count", ELM_GGUF_U32, 0, .status = ELM_ERR_FORMAT,
		  .what = "between" },
		{ "llama.attention.head_count_kv", ELM_GGUF_U32, 0, .status = ELM_ERR_FORMAT,
		  .what = "between" },
		{ "llama.attention.layer_norm_rms_epsilon", ELM_GGUF_F32, .f32 = -1,
		  .status = ELM_ERR_FORMAT, .what = "between" },
		{ "llama.attention.key_length", ELM_GGUF_U32, 4096, .status = ELM_ERR_FORMAT,
		  .what = "between" },
		{ "llama.rope.dimension_count", ELM_GGUF_U32, 18, .status = ELM_ERR_FORMAT,
		  .what = "between" },
		{ "llama.rope.freq_base", ELM_GGUF_F32, .f32 = 0, .status = ELM_ERR_FORMAT,
		  .what = "between" },
		{ "llama.expert_count", ELM_GGUF_U32, 8, .status = ELM_ERR_UNSUPPORTED,
		  .what = "mixture-of-experts" },
		{ "llama.rope.scaling.type", ELM_GGUF_STRING, .text = "spiral",
		  .status = ELM_ERR_UNSUPPORTED, .what = "\"spiral\"" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tiny_model tiny = { .metadata = spoil_metadata, .user = (void *)&cases[i] };
		bool named = cases[i].status == ELM_ERR_FORMAT;

		expect(&tiny, cases[i].status, named ? cases[i].key : "supported", cases[i].what);
	}
}

static void test_heads_that_do_not_divide(void **state)
{
	spoil s = { "llama.attention.head_count_kv", ELM_GGUF_U32, 3 };
	tiny_model tiny = { .metadata = spoil_metadata, .user = &s };

	expect(&tiny, ELM_ERR_FORMAT, "4 attention heads", "3 key/value heads");
}

static void test_odd_rotation(void **state)
{
	spoil s = { "llama.rope.dimension_count", ELM_GGUF_U32, 15 };
	tiny_model tiny = { .metadata = spoil_metadata, .user = &s };

	expect(&tiny, ELM_ERR_FORMAT, "rope.dimension_count", "even");
}

static void test_longrope_needs_its_tensors(void **state)
{
	spoil s = { "phi3.rope.scaling.type", ELM_GGUF_STRING, .text = "longrope" };
	tiny_model tiny = { .arch = "phi3", .metadata = spoil_metadata, .user = &s };

	expect(&tiny, ELM_ERR_FORMAT, "longrope", "rope_factors_long.weight");
}

/* --- tensors --- */

typedef struct edit {
	char name[72];
	enum { LEAVE_OUT, MORE_COLS, MORE_ROWS } what;
	size_t found;
} edit;

static void edit_tensor(tiny_tensor *t, void *user)
{
	edit *e = user;

	if (strcmp(t->name, e->name))
		return;
	e->found++;
	if (e->what == LEAVE_OUT)
		t->left_out = true;
	else if (e->what == MORE_COLS)
		t->cols += 32;
	else
		t->rows += 1;
}

static void collect_names(tiny_tensor *t, void *user)
{
	char(*names)[64] = user;
	size_t i = 0;

	while (names[i][0])
		i++;
	snprintf(names[i], 64, "%s", t->name);
}

static void test_missing_and_misshapen_tensors(void **state)
{
	for (size_t a = 0; a < sizeof(archs) / sizeof(archs[0]); a++) {
		char names[64][64] = { { 0 } };
		tiny_model list = { .arch = archs[a], .tensor = collect_names, .user = names };

		tiny_model_write(&list, temp_path("list.gguf"));
		for (size_t i = 0; names[i][0]; i++) {
			edit e = { .what = LEAVE_OUT };
			tiny_model tiny = { .arch = archs[a], .tensor = edit_tensor, .user = &e };
			bool optional =
				!strcmp(names[i], "output.weight") || strstr(names[i], "bias");

			memcpy(e.name, names[i], sizeof(names[i]));
			expect(&tiny, optional ? ELM_OK : ELM_ERR_FORMAT, names[i], "missing");
			assert_int_equal(e.found, 1);
			e.what = MORE_COLS;
			expect(&tiny, ELM_ERR_FORMAT,
			       strcmp(names[i], "token_embd.weight") ? names[i] : "token_embd",
			       "x");
		}
	}
}

static void test_extra_rows(void **state)
{
	edit e = { .name = "blk.1.ffn_up.weight", .what = MORE_ROWS };
	tiny_model tiny = { .tensor = edit_tensor, .user = &e };

	expect(&tiny, ELM_ERR_FORMAT, "blk.1.ffn_up.weight is 64 x 97", "64 x 96");
}

/* --- memory --- */

static elm_status open_and_close(void *user, elm_error *error)
{
	elm_model *model;
	elm_status status = elm_model_open(user, NULL, &model, error);

	elm_model_close(model);
	return status;
}

static void test_out_of_memory(void **state)
{
	tiny_model tiny = { .arch = "gemma3", .type = ELM_TYPE_F16 };
	const char *path = temp_path("memory.gguf");

	tiny_model_write(&tiny, path);
	assert_true(fail_each_allocation(open_and_close, (void *)path) > 5);
}

static void test_unknown_isa(void **state)
{
	elm_model_options options = { .isa = "z80" };
	elm_error error = { 0 };
	elm_model *model;

	tiny_model_write(&(tiny_model){ 0 }, temp_path("isa.gguf"));
	assert_int_equal(elm_model_open(temp_path("isa.gguf"), &options, &model, &error),
			 ELM_ERR_ARGUMENT);
	assert_contains(error.text, "\"z80\"");
	assert_contains(error.text, "scalar");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_architecture_opens),
		cmocka_unit_test(test_metadata_out_of_range),
		cmocka_unit_test(test_heads_that_do_not_divide),
		cmocka_unit_test(test_odd_rotation),
		cmocka_unit_test(test_longrope_needs_its_tensors),
		cmocka_unit_test(test_missing_and_misshapen_tensors),
		cmocka_unit_test(test_extra_rows),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_unknown_isa),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
