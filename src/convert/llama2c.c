/*
 * llama2c.c: the checkpoints of llama2.c, a .bin file, with the tokenizer.bin beside it.
 *
 * The .bin is seven 32-bit integers (width, ffn, layers, heads, key/value heads, vocabulary,
 * context; a negative vocabulary: the output matrix is not the embedding), then F32 in a fixed
 * order, each kind of matrix for all layers in turn. Rows of queries and keys are in pairs already.
 *
 * The tokenizer.bin is a 32-bit length of the longest token, then per token a float (its score),
 * its length and its bytes. Spaces in it stand for U+2581.
 */
#include <stdio.h>
#include <string.h>

#include "convert/convert.h"
#include "convert/vocabulary.h"

enum { HEADER_INTS = 7, MAX_SIDE = 1 << 20, MAX_LAYERS = 1024 };

static elm_status refuse(const elm__st_file *file, elm_error *error)
{
	return elm_error_set(
		error, ELM_ERR_FORMAT,
		"%s: its header makes no sense; a checkpoint of llama2.c as its export "
		"writes it without a version is wanted",
		file->path);
}

static elm_status read_header(elm__facts *facts, bool *own_output, const elm__st_file *file,
			      elm_error *error)
{
	int32_t h[HEADER_INTS];

	if (file->size < sizeof(h))
		return refuse(file, error);
	memcpy(h, file->data, sizeof(h));
	*own_output = h[5] < 0;
	for (int i = 0; i < HEADER_INTS; i++)
		if ((i != 5 && h[i] <= 0) || h[i] > MAX_SIDE || h[i] < -MAX_SIDE || !h[i])
			return refuse(file, error);
	if (h[2] > MAX_LAYERS || h[0] % h[3] || h[0] / h[3] % 2 || h[3] % h[4])
		return refuse(file, error);
	facts->family = elm__family_of_model("llama");
	facts->width = (uint32_t)h[0];
	facts->ffn = (uint32_t)h[1];
	facts->layers = (uint32_t)h[2];
	facts->heads = (uint32_t)h[3];
	facts->kv_heads = (uint32_t)h[4];
	facts->vocabulary = (uint32_t)(h[5] < 0 ? -h[5] : h[5]);
	facts->context = (uint32_t)h[6];
	facts->norm_epsilon = 1e-5f;
	facts->rope.base = 10000;
	facts->tied = !*own_output;
	return ELM_OK;
}

typedef struct placer {
	elm__safetensors *st;
	const elm__facts *facts;
	uint64_t offset;
	elm_error *error;
	elm_status status;
} placer;

static void place_one(placer *p, const char *name, uint64_t rows, uint64_t cols)
{
	uint64_t dims[2] = { rows ? rows : cols, cols };

	if (p->status != ELM_OK)
		return;
	p->status = elm__safetensors_add_view(p->st, name, rows ? 2 : 1, dims, p->offset, p->error);
	p->offset += (rows ? rows : 1) * cols * sizeof(float);
}

/* One kind of tensor in all layers; no rows for a vector. */
static void place(placer *p, const char *name, uint64_t rows, uint64_t cols)
{
	char full[96];

	for (uint32_t i = 0; i < p->facts->layers; i++) {
		snprintf(full, sizeof(full), "model.layers.%u.%s.weight", i, name);
		place_one(p, full, rows, cols);
	}
}

elm_status elm__llama2c_read(elm__safetensors *st, elm__facts *facts, const elm__st_file *file,
			     elm_error *error)
{
	placer p = { .st = st, .facts = facts, .error = error };
	const uint64_t size = file->size;
	const char *path = file->path;
	uint64_t width, key;
	bool own_output = false;

	memset(facts, 0, sizeof(*facts));
	p.status = read_header(facts, &own_output, file, error);
	if (p.status != ELM_OK)
		return p.status;
	width = facts->width;
	key = elm__facts_side(facts, ELM__SIDE_KEY);
	p.offset = HEADER_INTS * sizeof(int32_t);
	place_one(&p, "model.embed_tokens.weight", facts->vocabulary, width);
	place(&p, "input_layernorm", 0, width);
	place(&p, "self_attn.q_proj", width, width);
	place(&p, "self_attn.k_proj", key, width);
	place(&p, "self_attn.v_proj", key, width);
	place(&p, "self_attn.o_proj", width, width);
	place(&p, "post_attention_layernorm", 0, width);
	place(&p, "mlp.gate_proj", facts->ffn, width);
	place(&p, "mlp.down_proj", width, facts->ffn);
	place(&p, "mlp.up_proj", facts->ffn, width);
	place_one(&p, "model.norm.weight", 0, width);
	/* Angles of the rotation, which are computed. */
	p.offset += (uint64_t)facts->context * elm__facts_head_dim(facts) * sizeof(float);
	if (own_output)
		place_one(&p, "lm_head.weight", facts->vocabulary, width);
	if (p.status == ELM_OK && p.offset != size)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: it has %llu bytes where its header asks for %llu; it is "
				     "damaged, or a newer kind of checkpoint, which is not "
				     "supported",
				     path, (unsigned long long)size, (unsigned long long)p.offset);
	return p.status;
}

/* ---- tokenizer.bin ---- */

/* Where llama2.c trained its vocabularies: unknown, begin, end, then the bytes. */
static elm_token_kind kind_of(uint32_t id, const char *text, size_t length)
{
	if (id == 0)
		return ELM_TOKEN_UNKNOWN;
	if (id < 3)
		return ELM_TOKEN_CONTROL;
	return length == 6 && !memcmp(text, "<0x", 3) && text[5] == '>' ? ELM_TOKEN_BYTE :
									  ELM_TOKEN_NORMAL;
}

static elm_status set_token(elm__vocabulary *v, uint32_t id, const char *text, size_t length,
			    float score, elm_error *error)
{
	static const char *const special[] = { "<unk>", "<s>", "</s>" };
	elm__buf marked = ELM__BUF_INIT;
	elm_status status;

	for (size_t i = 0; i < length; i++)
		if (text[i] == ' ')
			elm__buf_puts(&marked, "\xe2\x96\x81");
		else
			elm__buf_putc(&marked, text[i]);
	if (id < 3) { /* the file has line ends around these */
		elm__buf_clear(&marked);
		elm__buf_puts(&marked, special[id]);
	}
	status = elm__buf_status(&marked, error);
	if (status == ELM_OK)
		status = elm__vocabulary_set(v, id, elm__buf_text(&marked), marked.length, score,
					     kind_of(id, text, length), error);
	elm__buf_release(&marked);
	return status;
}

elm_status elm__tokenizer_bin_read(elm__vocabulary *v, const char *path, const void *data,
				   size_t size, uint32_t rows, elm_error *error)
{
	const char *at = (const char *)data + sizeof(int32_t), *end = (const char *)data + size;
	elm_status status = ELM_OK;

	/* Each token takes eight bytes at least. */
	if (size < sizeof(int32_t) || (size - sizeof(int32_t)) / 8 < rows || rows < 3)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: %zu bytes cannot hold %u tokens; give the tokenizer.bin "
				     "of this model",
				     path, size, rows);
	status = elm__vocabulary_resize(v, rows, error);
	for (uint32_t id = 0; id < rows && status == ELM_OK; id++) {
		int32_t length = -1;
		float score = 0;

		if (end - at >= 8) {
			memcpy(&score, at, sizeof(score));
			memcpy(&length, at + 4, sizeof(length));
			at += 8;
		}
		if (length < 0 || length > end - at)
			return elm_error_set(error, ELM_ERR_FORMAT,
					     "%s: it ends within token %u of %u; give the "
					     "tokenizer.bin of this model",
					     path, id, rows);
		status = set_token(v, id, at, (size_t)length, score, error);
		at += length;
	}
	v->unknown = 0;
	v->bos = 1;
	v->eos = 2;
	return status;
}
