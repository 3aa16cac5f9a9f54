#include "seeds.h"
#include "tiny_model.h"

/* Models of every architecture, as small as shapes allow: mutations should hit what is checked. */
void seeds_model(void)
{
	static const char *const archs[] = {
		"llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3"
	};

	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++) {
		tiny_model tiny = { .arch = archs[i],
				    .layers = 1,
				    .width = 8,
				    .heads = 2,
				    .kv_heads = 1,
				    .ffn = 8,
				    .context = 64 };

		tiny_model_write(&tiny, seed_path("model", archs[i]));
	}
	tiny_model_write(
		&(tiny_model){
			.layers = 1, .width = 32, .heads = 2, .ffn = 32, .type = ELM_TYPE_Q4_0 },
		seed_path("model", "q4_0"));
}
