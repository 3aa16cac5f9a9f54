#include "bench/subject.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "model/core.h"

/* general.file_type as numbered in GGUF files, named as benchmarks of other programs do; NULL for
 * numbers that this program does not compute with. */
static const char *file_type_name(uint32_t number)
{
	static const char *const names[] = {
		[0] = "all F32",
		[1] = "F16",
		[2] = "Q4_0",
		[3] = "Q4_1",
		[7] = "Q8_0",
		[8] = "Q5_0",
		[9] = "Q5_1",
		[10] = "Q2_K - Medium",
		[11] = "Q3_K - Small",
		[12] = "Q3_K - Medium",
		[13] = "Q3_K - Large",
		[14] = "Q4_K - Small",
		[15] = "Q4_K - Medium",
		[16] = "Q5_K - Small",
		[17] = "Q5_K - Medium",
		[18] = "Q6_K",
		[21] = "Q2_K - Small",
		[25] = "IQ4_NL - 4.5 bpw",
		[30] = "IQ4_XS - 4.25 bpw",
		[32] = "BF16",
	};

	return number < sizeof(names) / sizeof(names[0]) ? names[number] : NULL;
}

/* The type of most weights. */
static const char *frequent_type(const elm_gguf *gguf)
{
	uint64_t elements[ELM_TYPE_LIMIT] = { 0 };
	size_t best = 0;

	for (size_t i = 0; i < elm_gguf_tensor_count(gguf); i++) {
		const elm_gguf_tensor *t = elm_gguf_tensor_at(gguf, i);

		elements[t->type] += t->elements;
	}
	for (size_t type = 1; type < ELM_TYPE_LIMIT; type++)
		if (elements[type] > elements[best])
			best = type;
	return best == ELM_TYPE_F32 ? "all F32" : elm_type_get((uint32_t)best)->name;
}

static void put_size(char *out, size_t size, const elm_model *model)
{
	double n = (double)model->info.parameters;
	elm_gguf_string label;

	if (!elm_gguf_get_string(model->gguf, "general.size_label", &label, NULL) && label.length) {
		snprintf(out, size, "%.*s", label.length < 32 ? (int)label.length : 32, label.data);
	} else if (n < 1e9) {
		snprintf(out, size, n < 9.5e5 ? "%.2fM" : "%.0fM", n * 1e-6);
	} else {
		snprintf(out, size, "%.1f", n * 1e-9);
		if (!strcmp(out + strlen(out) - 2, ".0"))
			out[strlen(out) - 2] = '\0';
		strcat(out, "B");
	}
}

void elm__bench_subject_of(elm__bench_subject *s, const elm_model *model)
{
	const elm_model_info *info = elm_model_get_info(model);
	const char *kind = NULL, *guessed = "";
	char label[48];
	uint32_t number;

	if (!elm_gguf_get_u32(model->gguf, "general.file_type", &number, NULL))
		kind = file_type_name(number);
	if (!kind) {
		kind = frequent_type(model->gguf);
		guessed = "(guessed) ";
	}
	put_size(label, sizeof(label), model);
	snprintf(s->type, sizeof(s->type), "%s %s %s%s", info->architecture, label, guessed, kind);
	snprintf(s->path, sizeof(s->path), "%s", elm_gguf_path(model->gguf));
	elm__make_printable(s->type);
	elm__make_printable(s->path);
	s->isa = elm_model_isa(model);
	s->size = info->weight_bytes;
	s->parameters = info->parameters;
}
