#include "compress/mix.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "quant/quant.h"

/* General.file_type as llama.cpp numbers it. */
static const elm__mix mixes[] = {
	{ "Q2_K_S", ELM_TYPE_Q2_K, 21 },   { "Q2_K", ELM_TYPE_Q2_K, 10 },
	{ "Q3_K_S", ELM_TYPE_Q3_K, 11 },   { "Q3_K_M", ELM_TYPE_Q3_K, 12 },
	{ "Q3_K_L", ELM_TYPE_Q3_K, 13 },   { "IQ4_XS", ELM_TYPE_IQ4_XS, 30 },
	{ "IQ4_NL", ELM_TYPE_IQ4_NL, 25 }, { "Q4_0", ELM_TYPE_Q4_0, 2 },
	{ "Q4_K_S", ELM_TYPE_Q4_K, 14 },   { "Q4_K_M", ELM_TYPE_Q4_K, 15 },
	{ "Q4_1", ELM_TYPE_Q4_1, 3 },	   { "Q5_0", ELM_TYPE_Q5_0, 8 },
	{ "Q5_K_S", ELM_TYPE_Q5_K, 16 },   { "Q5_K_M", ELM_TYPE_Q5_K, 17 },
	{ "Q5_1", ELM_TYPE_Q5_1, 9 },	   { "Q6_K", ELM_TYPE_Q6_K, 18 },
	{ "Q8_0", ELM_TYPE_Q8_0, 7 },	   { "F16", ELM_TYPE_F16, 1 },
	{ "BF16", ELM_TYPE_BF16, 32 },	   { "F32", ELM_TYPE_F32, 0 },
};
enum { MIXES = sizeof(mixes) / sizeof(mixes[0]) };

/* Layers that a rule holds for. */
typedef enum where {
	ALL,
	FIRST_TWO,
	FIRST_FOUR,
	FIRST_EIGHTH,
	FIRST_SIXTEENTH,
	EVERY_THIRD,   /* the first and last eighth, and every third in between */
	SHARED_VALUES, /* all, where four query heads or more share a value head */
	UNCALIBRATED   /* the first eighth, where no importance is known */
} where;

/* The first rule that holds decides; where none does, the main type stays. `part` is found in the
 * name of the tensor. */
static const struct {
	const char *mix, *part;
	where where;
	elm_type type;
} rules[] = {
	{ "Q2_K_S", "attn_v", SHARED_VALUES, ELM_TYPE_Q4_K },
	{ "Q2_K_S", "ffn_down", FIRST_EIGHTH, ELM_TYPE_Q4_K },
	{ "Q2_K", "attn_v", SHARED_VALUES, ELM_TYPE_Q4_K },
	{ "Q2_K", "attn_v", ALL, ELM_TYPE_Q3_K },
	{ "Q2_K", "ffn_down", ALL, ELM_TYPE_Q3_K },
	{ "Q2_K", "attn_output", ALL, ELM_TYPE_Q3_K },
	{ "Q3_K_M", "attn_v", FIRST_TWO, ELM_TYPE_Q5_K },
	{ "Q3_K_M", "attn_v", ALL, ELM_TYPE_Q4_K },
	{ "Q3_K_M", "ffn_down", FIRST_SIXTEENTH, ELM_TYPE_Q5_K },
	{ "Q3_K_M", "ffn_down", ALL, ELM_TYPE_Q4_K },
	{ "Q3_K_M", "attn_output", ALL, ELM_TYPE_Q4_K },
	{ "Q3_K_L", "attn_v", ALL, ELM_TYPE_Q5_K },
	{ "Q3_K_L", "ffn_down", ALL, ELM_TYPE_Q5_K },
	{ "Q3_K_L", "attn_output", ALL, ELM_TYPE_Q5_K },
	{ "IQ4_XS", "attn_v", SHARED_VALUES, ELM_TYPE_Q5_K },
	{ "IQ4_XS", "ffn_down", UNCALIBRATED, ELM_TYPE_Q5_K },
	{ "IQ4_NL", "attn_v", SHARED_VALUES, ELM_TYPE_Q5_K },
	{ "IQ4_NL", "ffn_down", UNCALIBRATED, ELM_TYPE_Q5_K },
	{ "Q4_K_S", "attn_v", FIRST_FOUR, ELM_TYPE_Q5_K },
	{ "Q4_K_S", "ffn_down", FIRST_EIGHTH, ELM_TYPE_Q5_K },
	{ "Q4_K_M", "attn_v", EVERY_THIRD, ELM_TYPE_Q6_K },
	{ "Q4_K_M", "ffn_down", EVERY_THIRD, ELM_TYPE_Q6_K },
	{ "Q5_K_M", "attn_v", EVERY_THIRD, ELM_TYPE_Q6_K },
	{ "Q5_K_M", "ffn_down", EVERY_THIRD, ELM_TYPE_Q6_K },
};

/* Where the rows of a matrix are no multiple of 256. */
static const struct {
	elm_type from, to;
} narrower[] = {
	{ ELM_TYPE_Q2_K, ELM_TYPE_Q4_0 },     { ELM_TYPE_Q3_K, ELM_TYPE_Q4_0 },
	{ ELM_TYPE_Q4_K, ELM_TYPE_Q5_0 },     { ELM_TYPE_Q5_K, ELM_TYPE_Q5_1 },
	{ ELM_TYPE_IQ4_XS, ELM_TYPE_IQ4_NL }, { ELM_TYPE_Q6_K, ELM_TYPE_Q8_0 },
};

const elm__mix *elm__mix_find(const char *name)
{
	for (size_t i = 0; i < MIXES; i++)
		if (!strcasecmp(mixes[i].name, name))
			return &mixes[i];
	return NULL;
}

const elm__mix *elm__mix_at(size_t index)
{
	return index < MIXES ? &mixes[index] : NULL;
}

bool elm__mix_is_weight_type(elm_type type)
{
	return elm__dequant_ref[type] != NULL;
}

bool elm__mix_covers(const elm_gguf_tensor *tensor)
{
	size_t length = strlen(tensor->name);

	return tensor->n_dims >= 2 && tensor->dims[1] > 1 && length > 6 &&
	       !strcmp(tensor->name + length - 6, "weight") &&
	       !strstr(tensor->name, "_norm.weight") && !strstr(tensor->name, "ffn_gate_inp.");
}

static bool holds(where which, const elm__mix_model *model, uint32_t layer)
{
	uint32_t n = model->layers;

	switch (which) {
	case ALL:
		return true;
	case FIRST_TWO:
		return layer < 2;
	case FIRST_FOUR:
		return layer < 4;
	case FIRST_EIGHTH:
		return layer < n / 8;
	case FIRST_SIXTEENTH:
		return layer < n / 16;
	case EVERY_THIRD:
		return layer < n / 8 || layer >= 7 * n / 8 || (layer - n / 8) % 3 == 2;
	case SHARED_VALUES:
		return model->heads_per_kv >= 4;
	case UNCALIBRATED:
		return layer < n / 8 && !model->calibrated;
	}
	return false;
}

elm_type elm__mix_choose(const elm__mix *mix, const elm__mix_model *model, const char *tensor)
{
	bool embedding = !strcmp(tensor, "token_embd.weight");
	uint32_t layer = 0;

	if (elm_type_get(mix->type)->block_elements == 1)
		return mix->type;
	if (!strcmp(tensor, "output.weight") || (embedding && model->tied))
		return mix->type == ELM_TYPE_Q8_0 ? ELM_TYPE_Q8_0 : ELM_TYPE_Q6_K;
	if (!strncmp(tensor, "blk.", 4))
		layer = (uint32_t)strtoul(tensor + 4, NULL, 10);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!strcmp(rules[i].mix, mix->name) &&
		    (strstr(tensor, rules[i].part) ||
		     (!strcmp(rules[i].part, "attn_v") && strstr(tensor, "attn_qkv"))) &&
		    holds(rules[i].where, model, layer))
			return rules[i].type;
	return mix->type;
}

elm_type elm__mix_fit(elm_type type, uint64_t cols)
{
	for (size_t i = 0; i < sizeof(narrower) / sizeof(narrower[0]); i++)
		if (type == narrower[i].from && cols % elm_type_get(type)->block_elements)
			type = narrower[i].to;
	return cols % elm_type_get(type)->block_elements ? ELM_TYPE_F16 : type;
}
