#include "convert_cases.h"

#include <stdio.h>
#include <string.h>

#define LLAMA "\"model_type\":\"llama\","
#define SIZES                                                                                 \
	"\"hidden_size\":32,\"intermediate_size\":32,\"num_hidden_layers\":1,"                \
	"\"num_attention_heads\":4,\"num_key_value_heads\":2,\"max_position_embeddings\":64," \
	"\"rms_norm_eps\":1e-5"
#define LISTS "\"long_factor\":[1,2,3,4],\"short_factor\":[1,1,1,1]"

const char convert_config[] = "{" LLAMA SIZES ",\"tie_word_embeddings\":true}";

const char *const convert_configs[] = {
	convert_config,
	"{\"model_type\":\"mistral\"," SIZES ",\"rope_theta\":1e6,\"sliding_window\":4096}",
	"{\"model_type\":\"qwen2\"," SIZES ",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":4,"
	"\"original_max_position_embeddings\":16,\"attention_factor\":1.2,\"beta_fast\":32}}",
	"{\"model_type\":\"qwen3\"," SIZES ",\"head_dim\":16,\"rope_scaling\":null}",
	"{\"model_type\":\"gemma2\"," SIZES ",\"query_pre_attn_scalar\":256,\"layer_types\":"
	"[\"sliding_attention\"]}",
	"{\"model_type\":\"gemma3\",\"text_config\":{" SIZES ",\"sliding_window_pattern\":3,"
	"\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"linear\",\"factor\":8,"
	"\"rope_theta\":1e6},\"sliding_attention\":{\"rope_theta\":1e4}}}}",
	"{\"model_type\":\"phi3\"," SIZES ",\"original_max_position_embeddings\":16,"
	"\"rope_scaling\":{\"type\":\"su\"," LISTS "}}",
	"{\"model_type\":\"phi3\"," SIZES ",\"partial_rotary_factor\":0.75}",
	"{" LLAMA SIZES ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,"
	"\"low_freq_factor\":1,\"high_freq_factor\":4,\"original_max_position_embeddings\":32}}",
	"{" LLAMA SIZES ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.5}}",
	"{" LLAMA SIZES ",\"rope_scaling\":{\"type\":\"longrope\",\"attention_factor\":1,"
	"\"long_factor\":[1,2,3,4],\"short_factor\":[1,2,3,4]}}",
};
const size_t convert_config_count = sizeof(convert_configs) / sizeof(convert_configs[0]);

typedef struct file_maker {
	elm__buf header, data;
} file_maker;

static void add(file_maker *f, const char *name, const char *dtype, const char *shape,
		const void *bytes, size_t size)
{
	elm__buf_printf(&f->header,
			"%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
			f->header.length > 1 ? "," : "", name, dtype, shape, f->data.length,
			f->data.length + size);
	elm__buf_append(&f->data, bytes, size);
}

static void add_halves(file_maker *f, const char *name, size_t rows, size_t cols)
{
	static const uint16_t half = 0x3800;
	uint16_t values[32 * 32];
	char full[96], shape[32];

	for (size_t i = 0; i < rows * cols; i++)
		values[i] = half;
	snprintf(full, sizeof(full), "model.%s.weight", name);
	if (rows > 1)
		snprintf(shape, sizeof(shape), "%zu,%zu", rows, cols);
	else
		snprintf(shape, sizeof(shape), "%zu", cols);
	add(f, full, "F16", shape, values, rows * cols * sizeof(half));
}

static void add_part(file_maker *f, const char *name, const char *suffix, const char *dtype,
		     const char *shape, uint32_t word, size_t size)
{
	uint32_t words[32 * 8];
	char full[96];

	for (size_t i = 0; i < size / sizeof(word); i++)
		words[i] = word;
	snprintf(full, sizeof(full), "model.layers.0.mlp.%s.%s", name, suffix);
	add(f, full, dtype, shape, words, size);
}

static void add_coded(file_maker *f)
{
	uint32_t order[32];

	add_part(f, "gate_proj", "qweight", "I32", "4,32", 0x76543210, 4 * 32 * 4);
	add_part(f, "gate_proj", "qzeros", "I32", "1,4", 0x77777777, 4 * 4);
	add_part(f, "gate_proj", "scales", "F16", "1,32", 0x30003000, 32 * 2);
	add_part(f, "up_proj", "qweight", "I32", "32,4", 0x76543210, 4 * 32 * 4);
	add_part(f, "up_proj", "qzeros", "I32", "1,4", 0x12345678, 4 * 4);
	add_part(f, "up_proj", "scales", "F16", "1,32", 0x30003000, 32 * 2);
	add_part(f, "down_proj", "qweight", "I32", "8,32", 0x80706050, 8 * 32 * 4);
	add_part(f, "down_proj", "qzeros", "I32", "2,8", 0x7f7f7f7f, 2 * 8 * 4);
	add_part(f, "down_proj", "scales", "F16", "2,32", 0x30003000, 2 * 32 * 2);
	for (uint32_t i = 0; i < 32; i++)
		order[i] = i % 2;
	add(f, "model.layers.0.mlp.down_proj.g_idx", "I32", "32", order, sizeof(order));
}

void convert_model_file(bool coded, elm__buf *out)
{
	file_maker f = { ELM__BUF_INIT, ELM__BUF_INIT };
	uint64_t length;

	elm__buf_putc(&f.header, '{');
	add_halves(&f, "embed_tokens", 16, 32);
	add_halves(&f, "norm", 1, 32);
	add_halves(&f, "layers.0.input_layernorm", 1, 32);
	add_halves(&f, "layers.0.post_attention_layernorm", 1, 32);
	add_halves(&f, "layers.0.self_attn.q_proj", 32, 32);
	add_halves(&f, "layers.0.self_attn.k_proj", 16, 32);
	add_halves(&f, "layers.0.self_attn.v_proj", 16, 32);
	add_halves(&f, "layers.0.self_attn.o_proj", 32, 32);
	if (coded) {
		add_coded(&f);
	} else {
		add_halves(&f, "layers.0.mlp.gate_proj", 32, 32);
		add_halves(&f, "layers.0.mlp.up_proj", 32, 32);
		add_halves(&f, "layers.0.mlp.down_proj", 32, 32);
	}
	elm__buf_putc(&f.header, '}');
	length = f.header.length;
	elm__buf_append(out, &length, sizeof(length));
	elm__buf_append(out, elm__buf_text(&f.header), f.header.length);
	elm__buf_append(out, elm__buf_text(&f.data), f.data.length);
	out->failed = out->failed || f.header.failed || f.data.failed;
	elm__buf_release(&f.header);
	elm__buf_release(&f.data);
}
