#include <stdio.h>

#include "calib_model.h"
#include "compress/calib.h"
#include "seeds.h"

static void fill(elm__calib *calib, bool skip_output)
{
	for (size_t i = 0; i + skip_output < elm__calib_inputs(calib); i++) {
		elm__channels *c = &calib->inputs[i];

		c->count = 20 + i;
		for (size_t k = 0; k < c->cols; k++) {
			c->square[k] = 1 + (float)k;
			c->sum[k] = (float)k - 2;
			c->magnitude[k] = (float)k;
		}
		for (size_t k = 0; c->products && k < c->cols * c->cols; k++)
			c->products[k] = k % (c->cols + 1) ? 0.25f : 2;
	}
}

/* As another program writes it: sums and counts only, no checksums. */
static void importance_matrix(void)
{
	static const char *const tensors[] = { "blk.0.attn_q.weight", "blk.0.ffn_down.weight" };
	static const float sums[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, count = 32;
	static const uint64_t dims[2] = { 8, 1 }, one[2] = { 1, 1 };
	elm_gguf_writer *w;
	char name[64];
	elm_status status = elm_gguf_writer_create(seed_path("calib", "importance"), 32, &w, NULL);

	if (!status)
		status = elm_gguf_writer_set_string(w, "general.type", "imatrix", 7, NULL);
	for (int i = 0; i < 2 && !status; i++) {
		snprintf(name, sizeof(name), "%s.in_sum2", tensors[i]);
		status = elm_gguf_writer_add_tensor(w, name, ELM_TYPE_F32, 2, dims, NULL);
		snprintf(name, sizeof(name), "%s.counts", tensors[i]);
		if (!status)
			status = elm_gguf_writer_add_tensor(w, name, ELM_TYPE_F32, 2, one, NULL);
	}
	if (!status)
		status = elm_gguf_writer_begin(w, NULL);
	for (int i = 0; i < 2 && !status; i++) {
		status = elm_gguf_writer_data(w, sums, sizeof(sums), NULL);
		if (!status)
			status = elm_gguf_writer_data(w, &count, sizeof(count), NULL);
	}
	if (status || elm_gguf_writer_finish(w, NULL))
		seed_fail("cannot write an importance matrix");
	elm_gguf_writer_free(w);
}

/* With and without Hessians, with and without the output. */
void seeds_calib(void)
{
	static const char *const names[] = { "sums", "hessians", "part", "both" };
	elm__arena arena;
	elm__hparams hp;
	elm_gguf *model = calib_model(&arena, &hp);

	for (int i = 0; i < 4; i++) {
		elm__calib calib;

		if (elm__calib_create(&calib, model, &hp, (elm__calib_products)(i & 1), UINT64_MAX,
				      "", NULL))
			seed_fail("no calibration");
		fill(&calib, i & 2);
		calib.windows = 2;
		calib.window = 16;
		if (elm__calib_save(&calib, NULL, seed_path("calib", names[i]), NULL))
			seed_fail("cannot save a calibration");
		elm__calib_release(&calib);
	}
	importance_matrix();
	elm_gguf_close(model);
	elm__arena_release(&arena);
}
