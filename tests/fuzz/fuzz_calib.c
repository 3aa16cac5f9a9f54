/*
 * Files of calibration: whatever loads must suit the model, and every value that it promises must
 * be readable and a number.
 */
#include <edgelm/log.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "calib_model.h"
#include "compress/calib.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Touches everything. */
static void use(const elm__calib *calib)
{
	double sum = 0;

	for (size_t i = 0; i < elm__calib_inputs(calib); i++) {
		const elm__channels *c = &calib->inputs[i];

		if (!c->count)
			continue;
		for (size_t k = 0; k < c->cols; k++)
			sum += (double)c->square[k] + (c->sum ? (double)c->sum[k] : 0) +
			       (c->magnitude ? (double)c->magnitude[k] : 0);
		if (elm__calib_check_products(calib, elm__calib_role(i), NULL) || !c->products)
			continue;
		for (size_t k = 0; k < c->cols * c->cols; k++)
			sum += (double)c->products[k];
	}
	if (!isfinite(sum))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static elm_gguf *model;
	static elm__arena arena;
	static elm__hparams hp;
	elm_error error = { 0 };
	elm__calib calib;
	elm_gguf *file;
	uint8_t *copy;

	elm_log_set_level(ELM_LOG_SILENT);
	if (!model)
		model = calib_model(&arena, &hp);
	if (posix_memalign((void **)&copy, 64, size ? size : 1))
		return 0;
	memcpy(copy, data, size);
	if (elm_gguf_open_memory("fuzz", copy, size, &file, &error) == ELM_OK) {
		if (elm__calib_load_gguf(&calib, file, model, &hp, &error) == ELM_OK) {
			use(&calib);
			elm__calib_release(&calib);
		} else if (!error.text[0]) {
			abort();
		}
	}
	free(copy);
	return 0;
}
