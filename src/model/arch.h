/*
 * arch.h: what an architecture is: a row of facts. The forward pass (forward.c) is one sequence of
 * shared blocks that these facts and the metadata of the file steer.
 *
 * To add an architecture: add a row to the table in arch.c; where it needs a block that no other
 * has, add a fact here and the block there. Names of metadata and tensors are those of GGUF.
 */
#ifndef ELM_MODEL_ARCH_H
#define ELM_MODEL_ARCH_H

#include <stdbool.h>
#include <stdint.h>

typedef struct elm__arch {
	const char *name;	 /* general.architecture, and the prefix of its metadata keys */
	bool rope_split;	 /* pairs (i, i + n/2) are rotated, otherwise (2i, 2i + 1) */
	bool fused_qkv;		 /* one matrix attn_qkv */
	bool fused_gate_up;	 /* ffn_up holds the gate in its first half */
	bool qk_norm;		 /* RMSNorm of each query and key head before rotation */
	bool post_norms;	 /* RMSNorm of the attention and feed-forward outputs */
	bool gelu;		 /* GeGLU, otherwise SwiGLU */
	bool scaled_embeddings;	 /* times sqrt(width) */
	uint32_t window_period;	 /* every n-th layer sees everything, the others a window; 0: no
				    windows */
	uint32_t default_window; /* where the file does not say */
	float local_rope_base;	 /* of windowed layers where the file does not say; 0: as the others
				  */
	uint32_t wide_scale_layers; /* the size that scales attention by 1 / sqrt(width / heads)
				       instead of 1 / sqrt(head_dim), known by its number of layers;
				       0: none */
} elm__arch;

/* Finds an architecture by name[0..length), NULL where it is not supported. */
const elm__arch *elm__arch_find(const char *name, uint64_t length);

/* "llama, qwen2, ..." for error texts. Static. */
const char *elm__arch_names(void);

#endif
