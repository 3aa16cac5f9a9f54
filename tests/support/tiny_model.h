/*
 * tiny_model.h: small models with seeded random weights, written through our own writer, for tests
 * that need something to compute with. Every architecture can be made; a hook can spoil the file.
 */
#ifndef ELM_TESTS_TINY_MODEL_H
#define ELM_TESTS_TINY_MODEL_H

#include <edgelm/gguf.h>

typedef struct tiny_tensor {
	char name[64];
	elm_type type;
	uint64_t cols, rows; /* rows 0: a vector */
	bool left_out;
} tiny_tensor;

typedef struct tiny_model {
	const char *arch;  /* NULL: "llama" */
	uint32_t layers;   /* 0: 2 */
	uint32_t width;	   /* 0: 64 */
	uint32_t heads;	   /* 0: 4 */
	uint32_t kv_heads; /* 0: 2 */
	uint32_t head_dim; /* 0: width / heads, and no key_length is written */
	uint32_t ffn;	   /* 0: 96 */
	uint32_t context;  /* 0: 256 */
	elm_type type;	   /* of matrices; 0 is F32 */
	uint64_t seed;
	/* Called after all metadata is set: may set more, or other values. */
	void (*metadata)(elm_gguf_writer *writer, void *user);
	/* Called for each tensor before it is declared: may change or leave it out. */
	void (*tensor)(tiny_tensor *tensor, void *user);
	void *user;
} tiny_model;

enum {
	TINY_VOCABULARY = 288
}; /* SPM: <unk>, <s>, </s>, 256 bytes, the blank, a to z, "th", "he" */

/* Writes the model; ends the program with a message when that fails. */
void tiny_model_write(const tiny_model *model, const char *path);

#endif
