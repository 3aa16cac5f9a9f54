/*
 * The weight types against files that another program made from the same weights: its files decode
 * to what its encoder should leave of them, and our encoder leaves more.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <edgelm/gguf.h>

#include "quant/quant.h"
#include "support.h"

/* RMSE over RMS of the weights, of Gaussian weights, that each type is known to have within a
 * tenth. A misread block has an error of about 1, so one in a hundred would show. */
static const struct {
	elm_type type;
	double relative;
} expected[] = {
	{ ELM_TYPE_F16, 0 },	     { ELM_TYPE_BF16, 0.0017 },	  { ELM_TYPE_Q4_0, 0.086 },
	{ ELM_TYPE_Q4_1, 0.078 },    { ELM_TYPE_Q5_0, 0.0425 },	  { ELM_TYPE_Q5_1, 0.0377 },
	{ ELM_TYPE_Q8_0, 0.0053 },   { ELM_TYPE_Q2_K, 0.297 },	  { ELM_TYPE_Q3_K, 0.151 },
	{ ELM_TYPE_Q4_K, 0.071 },    { ELM_TYPE_Q5_K, 0.036 },	  { ELM_TYPE_Q6_K, 0.0177 },
	{ ELM_TYPE_IQ4_NL, 0.0759 }, { ELM_TYPE_IQ4_XS, 0.0765 },
};
enum { EXPECTED = sizeof(expected) / sizeof(expected[0]) };

/* Sums over all tensors of a type, of all files. */
typedef struct tally {
	double weights, peer, ours; /* squares: of the weights, of the two errors */
} tally;

typedef struct totals {
	elm_gguf *original; /* F16 */
	tally of[ELM_TYPE_LIMIT];
} totals;

static totals all;

static float *decode(elm_type type, const void *data, size_t elements)
{
	float *out = malloc(elements * sizeof(*out));

	assert_non_null(out);
	assert_int_equal(elm__check_row(type, data, elements, NULL), ELM_OK);
	assert_int_equal(elm__dequantize_row(type, data, out, elements), ELM_OK);
	return out;
}

static double squared_distance(const float *a, const float *b, size_t n)
{
	double sum = 0, r;
	size_t i;

	for (i = 0; i < n; i++) {
		r = (double)a[i] - (double)b[i];
		sum += r * r;
	}
	return sum;
}

static void add_tensor(const elm_gguf_tensor *tensor)
{
	const elm_gguf_tensor *original = elm_gguf_tensor_find(all.original, tensor->name);
	size_t n = (size_t)tensor->elements, i;
	tally *sums = &all.of[tensor->type];
	float *weights, *peer, *ours;
	void *blocks;

	assert_non_null(original);
	assert_int_equal(original->elements, tensor->elements);
	weights = decode(original->type, original->data, n);
	peer = decode(tensor->type, tensor->data, n);
	blocks = malloc((size_t)tensor->bytes);
	assert_non_null(blocks);
	assert_int_equal(elm__quantize_row(tensor->type, weights, NULL, blocks, n), ELM_OK);
	ours = decode(tensor->type, blocks, n);
	for (i = 0; i < n; i++)
		sums->weights += (double)weights[i] * (double)weights[i];
	sums->peer += squared_distance(weights, peer, n);
	sums->ours += squared_distance(weights, ours, n);
	free(weights);
	free(peer);
	free(blocks);
	free(ours);
}

static void add_file(const char *path)
{
	elm_error error = { 0 };
	elm_gguf *gguf;
	size_t i;

	if (!strstr(path, "/tiny-llama-"))
		return;
	if (elm_gguf_open(path, &gguf, &error))
		fail_msg("%s", error.text);
	for (i = 0; i < elm_gguf_tensor_count(gguf); i++)
		if (elm_gguf_tensor_at(gguf, i)->type != ELM_TYPE_F32)
			add_tensor(elm_gguf_tensor_at(gguf, i));
	elm_gguf_close(gguf);
}

static void test_golden_weights(void **state)
{
	const char *path = golden_path("models/tiny-llama-F16.gguf");
	elm_error error = { 0 };
	double peer, ours;
	size_t i;

	if (!path)
		skip();
	if (elm_gguf_open(path, &all.original, &error))
		fail_msg("%s", error.text);
	golden_each("models", ".gguf", add_file);
	for (i = 0; i < EXPECTED; i++) {
		const char *name = elm_type_get((uint32_t)expected[i].type)->name;
		const tally *sums = &all.of[expected[i].type];

		assert_true(sums->weights > 0); /* some file has it */
		peer = sqrt(sums->peer / sums->weights);
		ours = sqrt(sums->ours / sums->weights);
		print_message("%-7s relative RMSE: peer %.6f, ours %.6f\n", name, peer, ours);
		if (fabs(peer - expected[i].relative) > 0.1 * expected[i].relative)
			fail_msg("%s: files of the peer decode wrongly", name);
		if (ours > peer)
			fail_msg("%s: the peer encodes better", name);
	}
	elm_gguf_close(all.original);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_golden_weights) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
