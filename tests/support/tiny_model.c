#include "tiny_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "quant/quant.h"

enum { MAX_TENSORS = 256, MAX_ROW = 4096 };

typedef struct maker {
	tiny_model m;
	elm_gguf_writer *writer;
	elm__random random;
	elm_error error;
	tiny_tensor tensors[MAX_TENSORS];
	size_t count;
} maker;

static void check(maker *k, elm_status status, const char *what)
{
	if (status == ELM_OK)
		return;
	fprintf(stderr, "tiny_model: %s: %s\n", what, k->error.text);
	exit(99);
}

static void set_u32(maker *k, const char *key, uint32_t value)
{
	char full[96];

	snprintf(full, sizeof(full), "%s.%s", k->m.arch, key);
	check(k, elm_gguf_writer_set_u32(k->writer, full, value, &k->error), full);
}

static void set_f32(maker *k, const char *key, float value)
{
	char full[96];

	snprintf(full, sizeof(full), "%s.%s", k->m.arch, key);
	check(k, elm_gguf_writer_set_f32(k->writer, full, value, &k->error), full);
}

static void set_text(maker *k, const char *key, const char *value)
{
	check(k, elm_gguf_writer_set_string(k->writer, key, value, strlen(value), &k->error), key);
}

static void set_vocabulary(maker *k)
{
	elm_gguf_string texts[TINY_VOCABULARY];
	char space[TINY_VOCABULARY][8];
	float scores[TINY_VOCABULARY];
	int32_t kinds[TINY_VOCABULARY];

	for (int i = 0; i < TINY_VOCABULARY; i++) {
		kinds[i] = i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1;
		scores[i] = i < 259 ? 0 : -(float)i;
		if (i < 3)
			snprintf(space[i], 8, "%s", i == 0 ? "<unk>" : i == 1 ? "<s>" : "</s>");
		else if (i < 259)
			snprintf(space[i], 8, "<0x%02X>", i - 3);
		else if (i == 259)
			snprintf(space[i], 8, "\xe2\x96\x81");
		else if (i < 260 + 26)
			snprintf(space[i], 8, "%c", 'a' + i - 260);
		else
			snprintf(space[i], 8, "%s", i == 286 ? "th" : "he");
		texts[i] = (elm_gguf_string){ space[i], strlen(space[i]) };
	}
	set_text(k, "tokenizer.ggml.model", "llama");
	check(k,
	      elm_gguf_writer_set_strings(k->writer, "tokenizer.ggml.tokens", texts,
					  TINY_VOCABULARY, &k->error),
	      "tokens");
	check(k,
	      elm_gguf_writer_set_array(k->writer, "tokenizer.ggml.scores", ELM_GGUF_F32, scores,
					TINY_VOCABULARY, &k->error),
	      "scores");
	check(k,
	      elm_gguf_writer_set_array(k->writer, "tokenizer.ggml.token_type", ELM_GGUF_I32, kinds,
					TINY_VOCABULARY, &k->error),
	      "token types");
	check(k, elm_gguf_writer_set_u32(k->writer, "tokenizer.ggml.bos_token_id", 1, &k->error),
	      "bos");
	check(k, elm_gguf_writer_set_u32(k->writer, "tokenizer.ggml.eos_token_id", 2, &k->error),
	      "eos");
}

static void set_metadata(maker *k)
{
	set_text(k, "general.architecture", k->m.arch);
	set_text(k, "general.name", "tiny");
	set_u32(k, "context_length", k->m.context);
	set_u32(k, "embedding_length", k->m.width);
	set_u32(k, "block_count", k->m.layers);
	set_u32(k, "feed_forward_length", k->m.ffn);
	set_u32(k, "attention.head_count", k->m.heads);
	set_u32(k, "attention.head_count_kv", k->m.kv_heads);
	set_f32(k, "attention.layer_norm_rms_epsilon", 1e-5f);
	if (k->m.head_dim) {
		set_u32(k, "attention.key_length", k->m.head_dim);
		set_u32(k, "attention.value_length", k->m.head_dim);
	}
	if (!strncmp(k->m.arch, "gemma", 5))
		set_u32(k, "attention.sliding_window", 8);
	set_vocabulary(k);
	if (k->m.metadata)
		k->m.metadata(k->writer, k->m.user);
}

static void add(maker *k, const char *name, elm_type type, uint64_t cols, uint64_t rows)
{
	tiny_tensor *t = &k->tensors[k->count];

	if (k->count == MAX_TENSORS)
		abort();
	snprintf(t->name, sizeof(t->name), "%s", name);
	t->type = type;
	t->cols = cols;
	t->rows = rows;
	t->left_out = false;
	if (k->m.tensor)
		k->m.tensor(t, k->m.user);
	if (!t->left_out)
		k->count++;
}

static void add_layer_tensor(maker *k, uint32_t layer, const char *name, uint64_t cols,
			     uint64_t rows)
{
	char full[64];

	snprintf(full, sizeof(full), "blk.%u.%s", layer, name);
	add(k, full, rows ? k->m.type : ELM_TYPE_F32, cols, rows);
}

static void add_layer(maker *k, uint32_t i)
{
	const tiny_model *m = &k->m;
	uint32_t dim = m->head_dim ? m->head_dim : m->width / m->heads;
	uint32_t q = m->heads * dim, kv = m->kv_heads * dim;
	bool phi = !strcmp(m->arch, "phi3"), gemma = !strncmp(m->arch, "gemma", 5);

	add_layer_tensor(k, i, "attn_norm.weight", m->width, 0);
	if (phi) {
		add_layer_tensor(k, i, "attn_qkv.weight", m->width, q + 2 * kv);
	} else {
		add_layer_tensor(k, i, "attn_q.weight", m->width, q);
		add_layer_tensor(k, i, "attn_k.weight", m->width, kv);
		add_layer_tensor(k, i, "attn_v.weight", m->width, kv);
	}
	if (!strcmp(m->arch, "qwen2")) {
		add_layer_tensor(k, i, "attn_q.bias", q, 0);
		add_layer_tensor(k, i, "attn_k.bias", kv, 0);
		add_layer_tensor(k, i, "attn_v.bias", kv, 0);
	}
	if (!strcmp(m->arch, "qwen3") || !strcmp(m->arch, "gemma3")) {
		add_layer_tensor(k, i, "attn_q_norm.weight", dim, 0);
		add_layer_tensor(k, i, "attn_k_norm.weight", dim, 0);
	}
	add_layer_tensor(k, i, "attn_output.weight", q, m->width);
	if (gemma)
		add_layer_tensor(k, i, "post_attention_norm.weight", m->width, 0);
	add_layer_tensor(k, i, "ffn_norm.weight", m->width, 0);
	if (!phi)
		add_layer_tensor(k, i, "ffn_gate.weight", m->width, m->ffn);
	add_layer_tensor(k, i, "ffn_up.weight", m->width, phi ? 2 * m->ffn : m->ffn);
	add_layer_tensor(k, i, "ffn_down.weight", m->ffn, m->width);
	if (gemma)
		add_layer_tensor(k, i, "post_ffw_norm.weight", m->width, 0);
}

static void write_tensor(maker *k, const tiny_tensor *t)
{
	float row[MAX_ROW];
	uint8_t encoded[MAX_ROW * sizeof(float)];
	uint64_t bytes;

	if (t->cols > MAX_ROW)
		abort();
	check(k, elm_type_row_bytes(t->type, t->cols, &bytes), t->name);
	for (uint64_t r = 0; r < (t->rows ? t->rows : 1); r++) {
		for (uint64_t i = 0; i < t->cols; i++) {
			float x = (float)(2 * elm__random_unit(&k->random) - 1);

			row[i] = strstr(t->name, "norm") ? 1 + 0.1f * x : 0.3f * x;
		}
		check(k, elm__quantize_row(t->type, row, NULL, encoded, (size_t)t->cols), t->name);
		check(k, elm_gguf_writer_data(k->writer, encoded, (size_t)bytes, &k->error),
		      t->name);
	}
}

void tiny_model_write(const tiny_model *model, const char *path)
{
	maker *k = calloc(1, sizeof(*k));
	tiny_model *m;

	if (!k)
		abort();
	k->m = *model;
	m = &k->m;
	m->arch = m->arch ? m->arch : "llama";
	m->layers = m->layers ? m->layers : 2;
	m->width = m->width ? m->width : 64;
	m->heads = m->heads ? m->heads : 4;
	m->kv_heads = m->kv_heads ? m->kv_heads : 2;
	m->ffn = m->ffn ? m->ffn : 96;
	m->context = m->context ? m->context : 256;
	elm__random_seed(&k->random, m->seed);
	check(k, elm_gguf_writer_create(path, 32, &k->writer, &k->error), path);
	set_metadata(k);
	add(k, "token_embd.weight", m->type, m->width, TINY_VOCABULARY);
	add(k, "output_norm.weight", ELM_TYPE_F32, m->width, 0);
	add(k, "output.weight", m->type, m->width, TINY_VOCABULARY);
	for (uint32_t i = 0; i < m->layers; i++)
		add_layer(k, i);
	for (size_t i = 0; i < k->count; i++) {
		const tiny_tensor *t = &k->tensors[i];
		uint64_t dims[2] = { t->cols, t->rows };

		check(k,
		      elm_gguf_writer_add_tensor(k->writer, t->name, t->type, t->rows ? 2 : 1, dims,
						 &k->error),
		      t->name);
	}
	check(k, elm_gguf_writer_begin(k->writer, &k->error), path);
	for (size_t i = 0; i < k->count; i++)
		write_tensor(k, &k->tensors[i]);
	check(k, elm_gguf_writer_finish(k->writer, &k->error), path);
	elm_gguf_writer_free(k->writer);
	free(k);
}
