/*
 * family.h: what the model families of Hugging Face call things, and what GGUF calls them.
 *
 * Two tables that are read in both directions, by convert and by export: one row per family, one
 * row per tensor. To add a family: a row in each, its defaults, and a case in
 * tests/cli/test_convert.py.
 */
#ifndef ELM_CONVERT_FAMILY_H
#define ELM_CONVERT_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum elm__family_bit {
	ELM__FAMILY_LLAMA = 1,
	ELM__FAMILY_QWEN2 = 2,
	ELM__FAMILY_QWEN3 = 4,
	ELM__FAMILY_GEMMA2 = 8,
	ELM__FAMILY_GEMMA3 = 16,
	ELM__FAMILY_PHI3 = 32
} elm__family_bit;

/* What a configuration means where it is silent; 0: it must say. */
typedef struct elm__family_defaults {
	uint32_t heads, kv_heads, head_dim, context, window;
	float norm_epsilon, attention_softcap, final_softcap, rope_base, local_rope_base;
	bool tied;
} elm__family_defaults;

typedef struct elm__family {
	const char *model_type; /* in config.json */
	const char *class_name; /* its class in the transformers library, for export */
	const char *arch;	/* in GGUF */
	elm__family_bit bit;
	bool split_rotation; /* files keep Q and K by halves, GGUF by neighbouring pairs */
	bool shifted_norms;  /* files keep norm weights minus one */
	const char *activation;
	uint32_t window_period; /* every n-th layer sees everything */
	elm__family_defaults defaults;
} elm__family;

/* By model_type; "gemma3" (with pictures) finds the text model. NULL where not supported. */
const elm__family *elm__family_of_model(const char *model_type);
/* By general.architecture[0..length). */
const elm__family *elm__family_of_arch(const char *arch, size_t length);
/* "llama, mistral, ..." for error texts. */
const char *elm__family_names(void);

/* How long a side of a tensor is. */
typedef enum elm__side {
	ELM__SIDE_ONE, /* a vector */
	ELM__SIDE_WIDTH,
	ELM__SIDE_VOCABULARY,
	ELM__SIDE_HEAD,
	ELM__SIDE_QUERY,
	ELM__SIDE_KEY, /* and value */
	ELM__SIDE_QUERY_KEY_VALUE,
	ELM__SIDE_FFN,
	ELM__SIDE_TWO_FFN
} elm__side;

typedef enum elm__tensor_kind {
	ELM__KIND_MATRIX,
	ELM__KIND_QUERY, /* rows are rotated in pairs */
	ELM__KIND_KEY,
	ELM__KIND_NORM
} elm__tensor_kind;

/* A tensor without its ".weight" or ".bias". */
typedef struct elm__tensor_rule {
	const char *gguf; /* below "blk.N." where `in_layer` */
	const char *file; /* below "model.layers.N.", or "model." */
	bool in_layer;
	unsigned families; /* set of elm__family_bit */
	elm__tensor_kind kind;
	elm__side rows, cols; /* rows: outputs; a vector has ONE row */
} elm__tensor_rule;

/* The rules that apply to a family: calls with index 0, 1, ... until NULL. */
const elm__tensor_rule *elm__tensor_rule_at(const elm__family *family, size_t index);

/* lm_head: outside of "model." */
extern const elm__tensor_rule elm__output_rule;

#endif
