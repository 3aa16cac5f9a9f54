/* tokenizer.model: what is accepted comes back from the file that is written of it. */
#include <stdlib.h>
#include <string.h>

#include "convert/vocabulary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void come_back(const elm__vocabulary *v)
{
	elm__buf out = ELM__BUF_INIT;
	elm_error error = { 0 };
	elm__vocabulary again;

	elm__sentencepiece_write(v, &out);
	check(elm__buf_status(&out, &error) == ELM_OK);
	elm__vocabulary_init(&again);
	check(elm__sentencepiece_read(&again, "again", out.data, out.length, &error) == ELM_OK);
	check(again.count == v->count && again.bos == v->bos && again.eos == v->eos);
	check((again.add_space_prefix == ELM__NO) == (v->add_space_prefix == ELM__NO));
	for (uint32_t i = 0; i < v->count; i++) {
		check(again.texts[i].length == v->texts[i].length);
		check(!memcmp(again.texts[i].data, v->texts[i].data, v->texts[i].length));
		check(!memcmp(&again.scores[i], &v->scores[i], sizeof(float)));
		check(again.kinds[i] == v->kinds[i] || (elm_token)i == v->unknown);
	}
	elm__vocabulary_release(&again);
	elm__buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	elm_error error = { 0 };
	elm__vocabulary v;

	elm__vocabulary_init(&v);
	if (elm__sentencepiece_read(&v, "fuzz", data, size, &error) == ELM_OK)
		come_back(&v);
	else
		check(error.text[0]);
	elm__vocabulary_release(&v);
	return 0;
}
