/* Packed weights decode to what the blocks of GGUF decode to, bit by bit; padding rows are zero. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/packed.h"
#include "quant/half.h"
#include "quant/quant.h"

static const elm_type types[] = { ELM_TYPE_Q4_0, ELM_TYPE_Q4_1,	  ELM_TYPE_Q5_0, ELM_TYPE_Q5_1,
				  ELM_TYPE_Q8_0, ELM_TYPE_IQ4_NL, ELM_TYPE_Q2_K, ELM_TYPE_Q3_K,
				  ELM_TYPE_Q4_K, ELM_TYPE_Q5_K,	  ELM_TYPE_Q6_K, ELM_TYPE_IQ4_XS };

enum { TYPES = sizeof(types) / sizeof(types[0]), COLS = 512, ROWS = 21, CANARY = 64 };

static uint32_t random32(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 32);
}

/* Any bytes are blocks: codes and scales of all values, infinities and NaN among them. */
static elm__matrix random_matrix(elm_type type, uint64_t seed)
{
	const elm_type_info *info = elm_type_get(type);
	elm__matrix matrix = { .type = type, .rows = ROWS, .cols = COLS };
	uint8_t *data;

	matrix.row_bytes = COLS / info->block_elements * info->block_bytes;
	data = malloc(ROWS * matrix.row_bytes);
	assert_non_null(data);
	for (size_t i = 0; i < ROWS * matrix.row_bytes; i++)
		data[i] = (uint8_t)random32(&seed);
	matrix.data = data;
	return matrix;
}

static void check_lane(const elm__matrix *matrix, elm__packing packing, const void *group,
		       uint32_t row, uint32_t lane)
{
	float want[COLS], got[COLS];

	elm__packed_decode(matrix->type, packing, group, COLS, lane, got);
	if (row + lane >= ROWS) {
		for (size_t i = 0; i < COLS; i++)
			assert_true(got[i] == 0);
		return;
	}
	assert_int_equal(
		elm__dequantize_row(matrix->type,
				    (const char *)matrix->data + (row + lane) * matrix->row_bytes,
				    want, COLS),
		ELM_OK);
	for (size_t i = 0; i < COLS; i++)
		if (isnan(want[i]))
			assert_true(isnan(got[i]));
		else
			assert_int_equal(elm__f32_bits(got[i]), elm__f32_bits(want[i]));
}

static void packed_rows_decode_like_blocks(void **state)
{
	for (size_t t = 0; t < TYPES; t++) {
		elm__matrix matrix = random_matrix(types[t], 7 + t);

		assert_true(elm__packable(types[t]));
		for (uint32_t R = 4; R <= 16; R *= 2) {
			size_t bytes = elm__packed_group_bytes(types[t], COLS, R);
			uint8_t *group = malloc(bytes + CANARY);

			assert_non_null(group);
			assert_int_equal(bytes, R * matrix.row_bytes);
			for (int offset = 0; offset < 2; offset++)
				for (uint32_t row = 0; row < ROWS; row += R) {
					elm__packing packing = { R, offset };

					memset(group, 0xa5, bytes + CANARY);
					elm__pack_group(&matrix, packing, row, group);
					for (size_t i = 0; i < CANARY; i++)
						assert_int_equal(group[bytes + i], 0xa5);
					for (uint32_t lane = 0; lane < R; lane++)
						check_lane(&matrix, packing, group, row, lane);
				}
			free(group);
		}
		free((void *)matrix.data);
	}
}

/* The bytes themselves, so that a mistake made in packing and decoding alike would show. */
static void layout_is_as_documented(void **state)
{
	uint8_t block[34] = { 0 }, group[34 * 4];
	elm__matrix matrix = {
		.type = ELM_TYPE_Q4_0, .rows = 1, .cols = 32, .row_bytes = 18, .data = block
	};

	for (uint8_t i = 0; i < 34; i++)
		block[i] = i;
	elm__pack_group(&matrix, (elm__packing){ 4, false }, 0, group);
	assert_int_equal(group[0], 0); /* d of row 0; rows 1 to 3 are padding */
	assert_int_equal(group[1], 1);
	assert_int_equal(group[2], 0);
	for (int u = 0; u < 4; u++)
		for (int e = 0; e < 4; e++) {
			assert_int_equal(group[8 + 16 * u + e], 2 + 4 * u + e);
			assert_int_equal(group[8 + 16 * u + 4 + e], 0);
		}
	matrix.type = ELM_TYPE_Q8_0;
	matrix.row_bytes = 34;
	elm__pack_group(&matrix, (elm__packing){ 4, true }, 0, group);
	for (int q = 0; q < 8; q++)
		for (int e = 0; e < 4; e++)
			assert_int_equal(group[8 + 16 * q + e], 128 + 2 + 4 * q + e);
}

static void plain_types_are_not_packed(void **state)
{
	assert_false(elm__packable(ELM_TYPE_F32));
	assert_false(elm__packable(ELM_TYPE_F16));
	assert_false(elm__packable(ELM_TYPE_BF16));
	assert_false(elm__packable(ELM_TYPE_I32));
	assert_false(elm__packable(ELM_TYPE_LIMIT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packed_rows_decode_like_blocks),
		cmocka_unit_test(layout_is_as_documented),
		cmocka_unit_test(plain_types_are_not_packed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
