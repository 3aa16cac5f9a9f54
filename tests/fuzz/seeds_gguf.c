#include <edgelm/gguf.h>
#include <string.h>

#include "bytes.h"
#include "gguf_cases.h"
#include "seeds.h"

static void must(elm_status status, const elm_error *error)
{
	if (status != ELM_OK)
		seed_fail(error->text);
}

static void add_vocabulary(elm_gguf_writer *writer, elm_error *error)
{
	static const elm_gguf_string tokens[] = { { "<unk>", 5 },
						  { "<s>", 3 },
						  { "</s>", 4 },
						  { "<0x0A>", 6 },
						  { "a", 1 },
						  { "b", 1 },
						  { "ab", 2 },
						  { "\xe2\x96\x81"
						    "a",
						    4 } };
	static const float scores[8] = { 0, 0, 0, 0, -1, -2, -3, -4 };
	static const int32_t types[8] = { 2, 3, 3, 6, 1, 1, 1, 1 };

	must(elm_gguf_writer_set_string(writer, "tokenizer.ggml.model", "llama", 5, error), error);
	must(elm_gguf_writer_set_strings(writer, "tokenizer.ggml.tokens", tokens, 8, error), error);
	must(elm_gguf_writer_set_array(writer, "tokenizer.ggml.scores", ELM_GGUF_F32, scores, 8,
				       error),
	     error);
	must(elm_gguf_writer_set_array(writer, "tokenizer.ggml.token_type", ELM_GGUF_I32, types, 8,
				       error),
	     error);
	must(elm_gguf_writer_set_u32(writer, "tokenizer.ggml.bos_token_id", 1, error), error);
	must(elm_gguf_writer_set_bool(writer, "tokenizer.ggml.add_bos_token", true, error), error);
}

/* A small model: metadata of an architecture, a vocabulary, and a tensor of each type. */
static void write_model(const char *name, uint32_t alignment)
{
	static const uint64_t dims[2] = { 256, 2 };
	static const uint8_t zeros[256 * 2 * 8];
	elm_error error = { 0 };
	elm_gguf_writer *writer;

	must(elm_gguf_writer_create(seed_path("gguf", name), alignment, &writer, &error), &error);
	must(elm_gguf_writer_set_string(writer, "general.architecture", "llama", 5, &error),
	     &error);
	must(elm_gguf_writer_set_u32(writer, "llama.block_count", 1, &error), &error);
	must(elm_gguf_writer_set_u32(writer, "llama.embedding_length", 256, &error), &error);
	must(elm_gguf_writer_set_f32(writer, "llama.rope.freq_base", 10000, &error), &error);
	add_vocabulary(writer, &error);
	for (uint32_t type = 0; type < ELM_TYPE_LIMIT; type++)
		if (elm_type_get(type))
			must(elm_gguf_writer_add_tensor(writer, elm_type_get(type)->name,
							(elm_type)type, 2, dims, &error),
			     &error);
	must(elm_gguf_writer_begin(writer, &error), &error);
	for (uint32_t type = 0; type < ELM_TYPE_LIMIT; type++) {
		uint64_t bytes;

		if (!elm_type_get(type))
			continue;
		must(elm_type_row_bytes((elm_type)type, dims[0], &bytes), &error);
		must(elm_gguf_writer_data(writer, zeros, (size_t)(bytes * dims[1]), &error),
		     &error);
	}
	must(elm_gguf_writer_finish(writer, &error), &error);
	elm_gguf_writer_free(writer);
}

void seeds_gguf(void)
{
	for (size_t i = 0; i < gguf_case_count; i++) {
		elm__buf bytes = ELM__BUF_INIT;

		bytes_from_text(&bytes, gguf_cases[i].bytes);
		seed_write("gguf", gguf_cases[i].name, bytes.data, bytes.length);
		elm__buf_release(&bytes);
	}
	write_model("model", 32);
	write_model("model-aligned-to-8", 8);
}
