/*
 * facts.h: the numbers that shape a model, between the config.json of Hugging Face and the metadata
 * of GGUF. Each side is read into this struct and written from it.
 */
#ifndef ELM_CONVERT_FACTS_H
#define ELM_CONVERT_FACTS_H

#include <edgelm/gguf.h>

#include "base/json.h"
#include "convert/family.h"

typedef enum elm__scaling {
	ELM__SCALING_NONE,
	ELM__SCALING_LINEAR, /* all positions divided by a factor */
	ELM__SCALING_YARN,
	ELM__SCALING_LLAMA3,   /* divisors by a formula of four numbers */
	ELM__SCALING_DIVISORS, /* divisors that no such formula gives */
	ELM__SCALING_LONG      /* divisors for short and for long contexts ("longrope") */
} elm__scaling;

typedef struct elm__rope_facts {
	elm__scaling scaling;
	float base, local_base; /* local: of windowed layers; 0 where there are none */
	float factor;
	float attention_factor;	    /* as GGUF has it, on top of YaRN's own; 0: not said */
	float beta_fast, beta_slow; /* YaRN; 0: not said */
	float low, high;	    /* Llama 3: low_freq_factor, high_freq_factor */
	uint32_t original_context;  /* 0: not said */
	size_t count;		    /* of each list: half of the rotated width */
	float *divisors;	    /* LLAMA3, DIVISORS */
	float *long_list, *short_list;
} elm__rope_facts;

typedef struct elm__facts {
	const elm__family *family;
	char name[256];
	uint32_t layers, width, ffn, heads, kv_heads, context, vocabulary;
	uint32_t head_dim;	/* 0: width / heads, and not written */
	uint32_t rotated;	/* 0: the whole head */
	uint32_t window;	/* 0: none */
	uint32_t window_period; /* 0: as the family has it */
	float norm_epsilon, attention_softcap, final_softcap;
	bool tied;
	elm__rope_facts rope;
} elm__facts;

void elm__facts_release(elm__facts *facts); /* a zeroed one is allowed */

/* A member of the text part of a configuration, or of its top. NULL when absent; may be null. */
json_t *elm__config_get(const json_t *config, const char *key);

/*
 * Reads a configuration. `path` begins errors; ELM_ERR_UNSUPPORTED names what GGUF or the engine
 * cannot express. The vocabulary is left 0: the embedding decides it. On failure nothing needs a
 * release.
 */
ELM_NODISCARD elm_status elm__facts_from_config(elm__facts *facts, const char *path,
						const json_t *config, elm_error *error);

/* Reads the metadata of a model, its vocabulary from the embedding. */
ELM_NODISCARD elm_status elm__facts_from_gguf(elm__facts *facts, const elm_gguf *gguf,
					      elm_error *error);

/* Sets the metadata of the architecture, not that of the tokenizer. */
ELM_NODISCARD elm_status elm__facts_to_gguf(const elm__facts *facts, elm_gguf_writer *writer,
					    elm_error *error);

/* A new configuration, without what concerns tokens; NULL when memory runs out. */
json_t *elm__facts_to_config(const elm__facts *facts);

uint32_t elm__facts_head_dim(const elm__facts *facts);
uint64_t elm__facts_side(const elm__facts *facts, elm__side side);

/* ---- shared between facts.c and rope_facts.c ---- */

ELM_NODISCARD elm_status elm__rope_from_config(elm__facts *facts, const char *path,
					       const json_t *config, elm_error *error);
ELM_NODISCARD elm_status elm__rope_from_gguf(elm__facts *facts, const elm_gguf *gguf,
					     elm_error *error);
ELM_NODISCARD elm_status elm__rope_to_gguf(const elm__facts *facts, elm_gguf_writer *writer,
					   elm_error *error);
/* False when memory runs out. */
bool elm__rope_to_config(const elm__facts *facts, json_t *config);

/* "qwen2.rope.freq_base" in out; returns out. */
const char *elm__facts_key(const elm__facts *facts, const char *name, char out[96]);

/* The shortest decimal number that is this float. */
json_t *elm__json_float(float value);

#endif
