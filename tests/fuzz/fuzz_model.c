/*
 * Whole models: whatever opens must compute. Metadata, tensors and tokenizer come from the input; a
 * few tokens go through a small session, several sequences at once.
 */
#include <edgelm/log.h>
#include <edgelm/session.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LARGEST_SESSION = 64 << 20 };

static void compute(elm_model *model)
{
	elm_session_options options = elm_session_defaults();
	static const uint32_t sequences[] = { 0, 0, 1, 0, 1 };
	uint32_t vocabulary = elm_model_get_info(model)->vocabulary;
	elm_token tokens[5];
	elm_batch batch = { 5, tokens, NULL, sequences, NULL };
	elm_memory_estimate memory;
	elm_session *session;

	options.context = 64;
	options.max_sequences = 2;
	options.batch = 3;
	options.threads = 1;
	if (elm_session_estimate(model, &options, &memory, NULL) != ELM_OK ||
	    memory.total - memory.weights > LARGEST_SESSION)
		return;
	if (elm_session_create(model, &options, &session, NULL) != ELM_OK)
		return;
	for (uint32_t i = 0; i < 5; i++)
		tokens[i] = (elm_token)(i * 37 % vocabulary);
	if (elm_session_step(session, &batch, NULL) != ELM_OK || !elm_session_logits(session, 0))
		abort();
	elm_session_truncate(session, 0, 1);
	if (elm_session_fork(session, 1, 0, 2, NULL) != ELM_OK ||
	    elm_session_step(session, &batch, NULL) != ELM_OK)
		abort();
	elm_session_free(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	elm_error error = { 0 };
	elm_model *model;
	elm_gguf *gguf;
	uint8_t *copy;

	/* The reader wants aligned memory; a copy of the exact size lets sanitizers see over-reads.
	 */
	if (posix_memalign((void **)&copy, 64, size ? size : 1))
		return 0;
	memcpy(copy, data, size);
	elm_log_set_level(ELM_LOG_SILENT);
	if (elm_gguf_open_memory("fuzz", copy, size, &gguf, &error) == ELM_OK) {
		if (elm_model_open_gguf(gguf, NULL, &model, &error) == ELM_OK)
			compute(model);
		else if (!error.text[0])
			abort();
		elm_model_close(model);
	}
	free(copy);
	return 0;
}
