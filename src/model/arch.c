#include "model/arch.h"

#include <stddef.h>
#include <string.h>

/*
 * Sources: the papers and reference implementations of Llama (Touvron et al., 2023), Qwen2 and
 * Qwen3 (Qwen team, 2024 and 2025), Gemma 2 and 3 (Gemma team, 2024 and 2025) and Phi-3 (Abdin et
 * al., 2024). Mistral, TinyLlama and SmolLM2 are published as "llama".
 */
static const elm__arch archs[] = {
	{ .name = "llama" },
	/* llama with layers of different widths, the name under which llama.cpp loads them. Those
	   of this name that leave out whole attention or feed-forward blocks are refused. */
	{ .name = "deci" },
	{ .name = "qwen2", .rope_split = true },
	{ .name = "qwen3", .rope_split = true, .qk_norm = true },
	{ .name = "gemma2",
	  .rope_split = true,
	  .post_norms = true,
	  .gelu = true,
	  .scaled_embeddings = true,
	  .window_period = 2,
	  .default_window = 4096,
	  .wide_scale_layers = 46 },
	{ .name = "gemma3",
	  .rope_split = true,
	  .qk_norm = true,
	  .post_norms = true,
	  .gelu = true,
	  .scaled_embeddings = true,
	  .window_period = 6,
	  .local_rope_base = 10000.0f,
	  .wide_scale_layers = 62 },
	{ .name = "phi3", .rope_split = true, .fused_qkv = true, .fused_gate_up = true },
};

const elm__arch *elm__arch_find(const char *name, uint64_t length)
{
	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++)
		if (strlen(archs[i].name) == length && !memcmp(archs[i].name, name, length))
			return &archs[i];
	return NULL;
}

const char *elm__arch_names(void)
{
	return "llama, deci, qwen2, qwen3, gemma2, gemma3, phi3";
}
