/*
 * random_model: writes a GGUF with the shape of a real model and random weights, for measuring
 * speed where no trained model is at hand.
 *
 *     random_model SHAPE TYPE OUT.gguf [SEED]
 *
 * Encoding a billion weights would take minutes, so each type has a pool of some thousand encoded
 * blocks from which the rows are drawn. The values are normal with a small deviation; activations
 * stay in range through all layers, and the speed of no kernel depends on them.
 */
#include <edgelm/gguf.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "quant/quant.h"

typedef struct shape {
	const char *name, *arch;
	uint32_t layers, width, heads, kv_heads, head_dim, ffn, vocabulary, context;
	float rope_base;
	bool tied;
} shape;

static const shape shapes[] = {
	{ "15m", "llama", 6, 288, 6, 6, 48, 768, 32000, 1024, 10000, true },
	{ "110m", "llama", 12, 768, 12, 12, 64, 2048, 32000, 2048, 10000, false },
	{ "qwen2-0.5b", "qwen2", 24, 896, 14, 2, 64, 4864, 151936, 32768, 1000000, true },
	{ "tinyllama-1.1b", "llama", 22, 2048, 32, 4, 64, 5632, 32000, 2048, 10000, false },
	{ "llama3-8b", "llama", 32, 4096, 32, 8, 128, 14336, 128256, 8192, 500000, false },
};

enum { POOL = 2048, BLOCK = 256, WRITE_ROWS = 64 };

typedef struct maker {
	const shape *s;
	elm_gguf_writer *writer;
	elm__random random;
	elm_error error;
	uint8_t *pool[ELM_TYPE_LIMIT]; /* POOL runs of 256 encoded weights */
} maker;

static void die(const maker *m, const char *what)
{
	fprintf(stderr, "random_model: %s: %s\n", what, m->error.text);
	exit(1);
}

static void check(const maker *m, elm_status status, const char *what)
{
	if (status != ELM_OK)
		die(m, what);
}

static size_t block_bytes(elm_type type)
{
	const elm_type_info *info = elm_type_get(type);

	return BLOCK / info->block_elements * info->block_bytes;
}

static float normal(maker *m)
{
	return (float)(sqrt(-2 * log(1 - elm__random_unit(&m->random))) *
		       cos(6.283185307179586 * elm__random_unit(&m->random)));
}

static void fill_pool(maker *m, elm_type type)
{
	size_t bytes = block_bytes(type);
	float values[BLOCK];

	if (m->pool[type])
		return;
	m->pool[type] = malloc(POOL * bytes);
	if (!m->pool[type])
		die(m, "out of memory");
	for (size_t i = 0; i < POOL; i++) {
		for (int j = 0; j < BLOCK; j++)
			values[j] = 0.02f * normal(m);
		check(m, elm__quantize_row(type, values, NULL, m->pool[type] + i * bytes, BLOCK),
		      "encoding");
	}
}

/* --- what a quantisation mix gives each tensor (as the usual tools do) --- */

typedef enum role { EMBEDDING, OUTPUT, VALUE, DOWN, OTHER } role;

static bool more_bits(uint32_t layer, uint32_t layers)
{
	return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

static elm_type type_of(const char *mix, role r, uint32_t layer, uint32_t layers, uint32_t cols)
{
	bool q4 = !strcmp(mix, "Q4_K_M"), q5 = !strcmp(mix, "Q5_K_M");
	elm_type type;

	if (cols % 32)
		return ELM_TYPE_F16;
	if (q4 || q5) {
		type = q4 ? ELM_TYPE_Q4_K : ELM_TYPE_Q5_K;
		if (r == OUTPUT || ((r == VALUE || r == DOWN) && more_bits(layer, layers)))
			type = ELM_TYPE_Q6_K;
	} else {
		if (!elm_type_parse(mix, &type) || !elm__dequant_ref[type]) {
			fprintf(stderr, "random_model: unknown type %s\n", mix);
			exit(2);
		}
		if (r == OUTPUT && type != ELM_TYPE_Q8_0 && elm_type_get(type)->block_elements > 1)
			type = ELM_TYPE_Q6_K;
	}
	return cols % BLOCK && elm_type_get(type)->block_elements == BLOCK ? ELM_TYPE_Q8_0 : type;
}

/* --- tensors: visited twice, first to declare, then to write --- */

typedef void visit(maker *m, const char *name, elm_type type, uint64_t cols, uint64_t rows);

static void declare(maker *m, const char *name, elm_type type, uint64_t cols, uint64_t rows)
{
	uint64_t dims[2] = { cols, rows };

	check(m, elm_gguf_writer_add_tensor(m->writer, name, type, rows ? 2 : 1, dims, &m->error),
	      name);
}

static void write_vector(maker *m, uint64_t length, float value)
{
	for (uint64_t i = 0; i < length; i++)
		check(m, elm_gguf_writer_data(m->writer, &value, sizeof(value), &m->error),
		      "writing");
}

static void write_tensor(maker *m, const char *name, elm_type type, uint64_t cols, uint64_t rows)
{
	uint64_t elements = cols * (rows ? rows : 1);
	uint8_t piece[BLOCK * 4 * WRITE_ROWS];
	size_t bytes = block_bytes(type), used = 0;

	if (!rows) { /* a norm is 1, a bias small */
		write_vector(m, cols, strstr(name, "norm") ? 1.0f : 0.01f);
		return;
	}
	fill_pool(m, type);
	/* Sizes that are not whole blocks of 256 end in a part of one. */
	while (elements) {
		uint64_t part = elements < BLOCK ? elements : BLOCK;
		size_t n = bytes * part / BLOCK;
		uint64_t pick = elm__random_u64(&m->random) % POOL;

		memcpy(piece + used, m->pool[type] + pick * bytes, n);
		used += n;
		elements -= part;
		if (used + bytes > sizeof(piece) || !elements) {
			check(m, elm_gguf_writer_data(m->writer, piece, used, &m->error), name);
			used = 0;
		}
	}
}

static void visit_layer(maker *m, const char *mix, uint32_t i, visit *each)
{
	const shape *s = m->s;
	uint32_t q = s->heads * s->head_dim, kv = s->kv_heads * s->head_dim;
	bool bias = !strcmp(s->arch, "qwen2");
	const struct {
		const char *name;
		role r;
		uint32_t cols, rows;
		bool wanted;
	} tensors[] = {
		{ "attn_norm.weight", OTHER, s->width, 0, true },
		{ "attn_q.weight", OTHER, s->width, q, true },
		{ "attn_k.weight", OTHER, s->width, kv, true },
		{ "attn_v.weight", VALUE, s->width, kv, true },
		{ "attn_q.bias", OTHER, q, 0, bias },
		{ "attn_k.bias", OTHER, kv, 0, bias },
		{ "attn_v.bias", OTHER, kv, 0, bias },
		{ "attn_output.weight", OTHER, q, s->width, true },
		{ "ffn_norm.weight", OTHER, s->width, 0, true },
		{ "ffn_gate.weight", OTHER, s->width, s->ffn, true },
		{ "ffn_up.weight", OTHER, s->width, s->ffn, true },
		{ "ffn_down.weight", DOWN, s->ffn, s->width, true },
	};
	char name[64];

	for (size_t t = 0; t < sizeof(tensors) / sizeof(tensors[0]); t++) {
		if (!tensors[t].wanted)
			continue;
		snprintf(name, sizeof(name), "blk.%u.%s", i, tensors[t].name);
		each(m, name,
		     tensors[t].rows ? type_of(mix, tensors[t].r, i, s->layers, tensors[t].cols) :
				       ELM_TYPE_F32,
		     tensors[t].cols, tensors[t].rows);
	}
}

static void visit_all(maker *m, const char *mix, visit *each)
{
	const shape *s = m->s;

	each(m, "token_embd.weight", type_of(mix, EMBEDDING, 0, s->layers, s->width), s->width,
	     s->vocabulary);
	each(m, "output_norm.weight", ELM_TYPE_F32, s->width, 0);
	if (!s->tied)
		each(m, "output.weight", type_of(mix, OUTPUT, 0, s->layers, s->width), s->width,
		     s->vocabulary);
	for (uint32_t i = 0; i < s->layers; i++)
		visit_layer(m, mix, i, each);
}

/* --- metadata --- */

static void set_u32(maker *m, const char *key, uint32_t value)
{
	char full[96];

	snprintf(full, sizeof(full), "%s.%s", m->s->arch, key);
	check(m, elm_gguf_writer_set_u32(m->writer, full, value, &m->error), full);
}

static void set_f32(maker *m, const char *key, float value)
{
	char full[96];

	snprintf(full, sizeof(full), "%s.%s", m->s->arch, key);
	check(m, elm_gguf_writer_set_f32(m->writer, full, value, &m->error), full);
}

static void set_text(maker *m, const char *key, const char *value)
{
	check(m, elm_gguf_writer_set_string(m->writer, key, value, strlen(value), &m->error), key);
}

/* An SPM vocabulary: three control tokens, all bytes, the letters, then invented words. */
static void set_vocabulary(maker *m)
{
	uint32_t n = m->s->vocabulary;
	elm_gguf_string *texts = calloc(n, sizeof(*texts));
	float *scores = calloc(n, sizeof(*scores));
	int32_t *kinds = calloc(n, sizeof(*kinds));
	char(*space)[16] = calloc(n, sizeof(*space));

	if (!texts || !scores || !kinds || !space)
		die(m, "out of memory");
	for (uint32_t i = 0; i < n; i++) {
		kinds[i] = i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1;
		scores[i] = i < 259 ? 0 : -(float)i;
		if (i < 3)
			snprintf(space[i], 16, "%s", i == 0 ? "<unk>" : i == 1 ? "<s>" : "</s>");
		else if (i < 259)
			snprintf(space[i], 16, "<0x%02X>", i - 3);
		else if (i < 259 + 26)
			snprintf(space[i], 16, "%c", 'a' + (int)(i - 259));
		else
			snprintf(space[i], 16, "\xe2\x96\x81w%u", i);
		texts[i] = (elm_gguf_string){ space[i], strlen(space[i]) };
	}
	set_text(m, "tokenizer.ggml.model", "llama");
	check(m,
	      elm_gguf_writer_set_strings(m->writer, "tokenizer.ggml.tokens", texts, n, &m->error),
	      "tokens");
	check(m,
	      elm_gguf_writer_set_array(m->writer, "tokenizer.ggml.scores", ELM_GGUF_F32, scores, n,
					&m->error),
	      "scores");
	check(m,
	      elm_gguf_writer_set_array(m->writer, "tokenizer.ggml.token_type", ELM_GGUF_I32, kinds,
					n, &m->error),
	      "token types");
	check(m, elm_gguf_writer_set_u32(m->writer, "tokenizer.ggml.bos_token_id", 1, &m->error),
	      "bos");
	check(m, elm_gguf_writer_set_u32(m->writer, "tokenizer.ggml.eos_token_id", 2, &m->error),
	      "eos");
	free(texts);
	free(scores);
	free(kinds);
	free(space);
}

static void set_metadata(maker *m)
{
	const shape *s = m->s;

	set_text(m, "general.architecture", s->arch);
	set_text(m, "general.name", s->name);
	set_u32(m, "context_length", s->context);
	set_u32(m, "embedding_length", s->width);
	set_u32(m, "block_count", s->layers);
	set_u32(m, "feed_forward_length", s->ffn);
	set_u32(m, "attention.head_count", s->heads);
	set_u32(m, "attention.head_count_kv", s->kv_heads);
	set_u32(m, "rope.dimension_count", s->head_dim);
	set_f32(m, "attention.layer_norm_rms_epsilon", 1e-5f);
	set_f32(m, "rope.freq_base", s->rope_base);
	set_vocabulary(m);
}

int main(int argc, char **argv)
{
	maker m = { 0 };

	for (size_t i = 0; argc >= 4 && i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (!strcmp(argv[1], shapes[i].name))
			m.s = &shapes[i];
	if (!m.s) {
		fprintf(stderr, "usage: random_model SHAPE TYPE OUT.gguf [SEED]\n"
				"TYPE: a weight type, Q4_K_M or Q5_K_M\nSHAPE: one of\n");
		for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
			fprintf(stderr, "  %s\n", shapes[i].name);
		return 2;
	}
	elm__random_seed(&m.random, argc > 4 ? strtoull(argv[4], NULL, 10) : 1);
	check(&m, elm_gguf_writer_create(argv[3], 32, &m.writer, &m.error), argv[3]);
	set_metadata(&m);
	visit_all(&m, argv[2], declare);
	check(&m, elm_gguf_writer_begin(m.writer, &m.error), argv[3]);
	visit_all(&m, argv[2], write_tensor);
	check(&m, elm_gguf_writer_finish(m.writer, &m.error), argv[3]);
	elm_gguf_writer_free(m.writer);
	for (size_t i = 0; i < ELM_TYPE_LIMIT; i++)
		free(m.pool[i]);
	return 0;
}
