/* tokenizer.json and tokenizer_config.json: the same bytes are read as either. Memory stays with
 * the rows of the embedding, whatever the numbers of tokens are. */
#include <edgelm/log.h>
#include <stdlib.h>
#include <string.h>

#include "convert/vocabulary.h"

enum { ROWS = 48 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_id(const elm__vocabulary *v, elm_token id)
{
	check(id == ELM_TOKEN_NONE || (id >= 0 && (uint32_t)id < v->count));
}

static void check_vocabulary(const elm__vocabulary *v)
{
	check(v->count == ROWS);
	for (uint32_t i = 0; i < v->count; i++) {
		check(v->texts[i].data && v->texts[i].data[v->texts[i].length] == '\0');
		check(v->kinds[i] >= ELM_TOKEN_NORMAL && v->kinds[i] <= ELM_TOKEN_BYTE);
	}
	for (uint32_t i = 0; i < v->merge_count; i++)
		check(v->merges[i].data != NULL);
	check_id(v, v->bos);
	check_id(v, v->eos);
	check_id(v, v->unknown);
	check_id(v, v->padding);
	check(!v->bpe || v->pre);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	elm_error error = { 0 };
	elm__vocabulary v;
	json_t *root;

	elm_log_set_level(ELM_LOG_SILENT);
	if (elm__json_parse("fuzz", (const char *)data, size, &root, &error) != ELM_OK)
		return 0;
	elm__vocabulary_init(&v);
	if (elm__tokenizer_json_read(&v, "fuzz", root, ROWS, NULL, &error) == ELM_OK)
		check_vocabulary(&v);
	else
		check(error.text[0]);
	elm__vocabulary_release(&v);
	elm__vocabulary_init(&v);
	check(elm__vocabulary_resize(&v, ROWS, &error) == ELM_OK);
	if (elm__tokenizer_config_read(&v, "fuzz", root, &error) == ELM_OK)
		check_vocabulary(&v);
	elm__vocabulary_release(&v);
	json_decref(root);
	return 0;
}
