#include "compress/roles.h"

#include <stdio.h>
#include <string.h>

static const char *const suffixes[ELM__INPUTS][ELM__READERS_MAX] = {
	[ELM__INPUT_ATTENTION] = { "attn_q", "attn_k", "attn_v", "attn_qkv" },
	[ELM__INPUT_OUT] = { "attn_output" },
	[ELM__INPUT_FFN] = { "ffn_gate", "ffn_up" },
	[ELM__INPUT_DOWN] = { "ffn_down" },
};

static const char *output_name(const elm_gguf *gguf)
{
	return elm_gguf_tensor_find(gguf, "output.weight") ? "output.weight" : "token_embd.weight";
}

const char *elm__role_split(const char *tensor, uint32_t *layer)
{
	uint32_t number = 0;
	const char *at = tensor + 4;

	if (strncmp(tensor, "blk.", 4) || *at < '0' || *at > '9')
		return NULL;
	for (; *at >= '0' && *at <= '9' && number < 100000; at++)
		number = number * 10 + (uint32_t)(*at - '0');
	*layer = number;
	return *at == '.' ? at + 1 : NULL;
}

bool elm__role_of(const elm_gguf *gguf, const elm__hparams *hp, const char *tensor, elm__role *role)
{
	const char *rest = elm__role_split(tensor, &role->layer);
	size_t length;

	if (!strcmp(tensor, output_name(gguf))) {
		*role = (elm__role){ hp->layers, 0 };
		return true;
	}
	if (!rest || role->layer >= hp->layers)
		return false;
	length = strcspn(rest, ".");
	if (strcmp(rest + length, ".weight"))
		return false;
	for (int input = 0; input < ELM__INPUTS; input++)
		for (size_t i = 0; i < ELM__READERS_MAX && suffixes[input][i]; i++)
			if (strlen(suffixes[input][i]) == length &&
			    !memcmp(suffixes[input][i], rest, length)) {
				role->input = (elm__input)input;
				return true;
			}
	return false;
}

size_t elm__role_readers(const elm_gguf *gguf, const elm__hparams *hp, elm__role role,
			 const elm_gguf_tensor *readers[ELM__READERS_MAX])
{
	size_t n = 0;

	if (role.layer == hp->layers) {
		readers[0] = elm_gguf_tensor_find(gguf, output_name(gguf));
		return readers[0] != NULL;
	}
	for (size_t i = 0; i < ELM__READERS_MAX && suffixes[role.input][i]; i++) {
		char name[ELM__TENSOR_NAME_MAX];

		snprintf(name, sizeof(name), "blk.%u.%s.weight", role.layer,
			 suffixes[role.input][i]);
		readers[n] = elm_gguf_tensor_find(gguf, name);
		n += readers[n] != NULL;
	}
	return n;
}
