#include "convert/family.h"

#include <string.h>

/* Sources: the configuration classes and checkpoints that the families were published with. The
 * first row of an architecture is the one that export takes. */
static const elm__family families[] = {
	{ .model_type = "llama",
	  .class_name = "LlamaForCausalLM",
	  .arch = "llama",
	  .bit = ELM__FAMILY_LLAMA,
	  .split_rotation = true,
	  .activation = "silu",
	  .defaults = { .norm_epsilon = 1e-6f, .rope_base = 10000 } },
	{ .model_type = "mistral",
	  .class_name = "MistralForCausalLM",
	  .arch = "llama",
	  .bit = ELM__FAMILY_LLAMA,
	  .split_rotation = true,
	  .activation = "silu",
	  .defaults = { .norm_epsilon = 1e-6f, .rope_base = 10000 } },
	{ .model_type = "qwen2",
	  .class_name = "Qwen2ForCausalLM",
	  .arch = "qwen2",
	  .bit = ELM__FAMILY_QWEN2,
	  .activation = "silu",
	  .defaults = { .norm_epsilon = 1e-6f, .rope_base = 10000 } },
	{ .model_type = "qwen3",
	  .class_name = "Qwen3ForCausalLM",
	  .arch = "qwen3",
	  .bit = ELM__FAMILY_QWEN3,
	  .activation = "silu",
	  .defaults = { .head_dim = 128, .norm_epsilon = 1e-6f, .rope_base = 10000 } },
	{ .model_type = "gemma2",
	  .class_name = "Gemma2ForCausalLM",
	  .arch = "gemma2",
	  .bit = ELM__FAMILY_GEMMA2,
	  .shifted_norms = true,
	  .activation = "gelu_pytorch_tanh",
	  .window_period = 2,
	  .defaults = { .heads = 8,
			.kv_heads = 4,
			.head_dim = 256,
			.context = 8192,
			.window = 4096,
			.norm_epsilon = 1e-6f,
			.attention_softcap = 50,
			.final_softcap = 30,
			.rope_base = 10000,
			.tied = true } },
	{ .model_type = "gemma3_text",
	  .class_name = "Gemma3ForCausalLM",
	  .arch = "gemma3",
	  .bit = ELM__FAMILY_GEMMA3,
	  .shifted_norms = true,
	  .activation = "gelu_pytorch_tanh",
	  .window_period = 6,
	  .defaults = { .heads = 8,
			.kv_heads = 4,
			.head_dim = 256,
			.context = 131072,
			.window = 4096,
			.norm_epsilon = 1e-6f,
			.rope_base = 1e6f,
			.local_rope_base = 10000,
			.tied = true } },
	{ .model_type = "phi3",
	  .class_name = "Phi3ForCausalLM",
	  .arch = "phi3",
	  .bit = ELM__FAMILY_PHI3,
	  .activation = "silu",
	  .defaults = { .norm_epsilon = 1e-5f, .rope_base = 10000 } },
};

enum { FAMILIES = sizeof(families) / sizeof(families[0]) };

const elm__family *elm__family_of_model(const char *model_type)
{
	if (!strcmp(model_type, "gemma3"))
		model_type = "gemma3_text";
	for (size_t i = 0; i < FAMILIES; i++)
		if (!strcmp(families[i].model_type, model_type))
			return &families[i];
	return NULL;
}

const elm__family *elm__family_of_arch(const char *arch, size_t length)
{
	for (size_t i = 0; i < FAMILIES; i++)
		if (strlen(families[i].arch) == length && !memcmp(families[i].arch, arch, length))
			return &families[i];
	return NULL;
}

const char *elm__family_names(void)
{
	return "llama, mistral, qwen2, qwen3, gemma2, gemma3, phi3";
}

#define GEMMA (ELM__FAMILY_GEMMA2 | ELM__FAMILY_GEMMA3)
#define ALL (ELM__FAMILY_LLAMA | ELM__FAMILY_QWEN2 | ELM__FAMILY_QWEN3 | GEMMA | ELM__FAMILY_PHI3)
#define SEPARATE (ALL & ~ELM__FAMILY_PHI3)
#define HEAD_NORMS (ELM__FAMILY_QWEN3 | ELM__FAMILY_GEMMA3)

#define ONE ELM__SIDE_ONE
#define WIDTH ELM__SIDE_WIDTH
#define QUERY ELM__SIDE_QUERY
#define KEY ELM__SIDE_KEY
#define FFN ELM__SIDE_FFN

/* clang-format off */
static const elm__tensor_rule rules[] = {
	{ "token_embd", "embed_tokens", false, ALL, ELM__KIND_MATRIX, ELM__SIDE_VOCABULARY, WIDTH },
	{ "output_norm", "norm", false, ALL, ELM__KIND_NORM, ONE, WIDTH },
	{ "attn_norm", "input_layernorm", true, ALL, ELM__KIND_NORM, ONE, WIDTH },
	{ "attn_q", "self_attn.q_proj", true, SEPARATE, ELM__KIND_QUERY, QUERY, WIDTH },
	{ "attn_k", "self_attn.k_proj", true, SEPARATE, ELM__KIND_KEY, KEY, WIDTH },
	{ "attn_v", "self_attn.v_proj", true, SEPARATE, ELM__KIND_MATRIX, KEY, WIDTH },
	{ "attn_qkv", "self_attn.qkv_proj", true, ELM__FAMILY_PHI3, ELM__KIND_MATRIX,
	  ELM__SIDE_QUERY_KEY_VALUE, WIDTH },
	{ "attn_q_norm", "self_attn.q_norm", true, HEAD_NORMS, ELM__KIND_NORM, ONE, ELM__SIDE_HEAD },
	{ "attn_k_norm", "self_attn.k_norm", true, HEAD_NORMS, ELM__KIND_NORM, ONE, ELM__SIDE_HEAD },
	{ "attn_output", "self_attn.o_proj", true, ALL, ELM__KIND_MATRIX, WIDTH, QUERY },
	{ "post_attention_norm", "post_attention_layernorm", true, GEMMA, ELM__KIND_NORM, ONE, WIDTH },
	{ "ffn_norm", "post_attention_layernorm", true, ALL & ~GEMMA, ELM__KIND_NORM, ONE, WIDTH },
	{ "ffn_norm", "pre_feedforward_layernorm", true, GEMMA, ELM__KIND_NORM, ONE, WIDTH },
	{ "ffn_gate", "mlp.gate_proj", true, SEPARATE, ELM__KIND_MATRIX, FFN, WIDTH },
	{ "ffn_up", "mlp.up_proj", true, SEPARATE, ELM__KIND_MATRIX, FFN, WIDTH },
	{ "ffn_up", "mlp.gate_up_proj", true, ELM__FAMILY_PHI3, ELM__KIND_MATRIX, ELM__SIDE_TWO_FFN,
	  WIDTH },
	{ "ffn_down", "mlp.down_proj", true, ALL, ELM__KIND_MATRIX, WIDTH, FFN },
	{ "post_ffw_norm", "post_feedforward_layernorm", true, GEMMA, ELM__KIND_NORM, ONE, WIDTH },
};
/* clang-format on */

const elm__tensor_rule elm__output_rule = { "output", "lm_head",	false,
					    ALL,      ELM__KIND_MATRIX, ELM__SIDE_VOCABULARY,
					    WIDTH };

const elm__tensor_rule *elm__tensor_rule_at(const elm__family *family, size_t index)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].families & family->bit && !index--)
			return &rules[i];
	return NULL;
}
