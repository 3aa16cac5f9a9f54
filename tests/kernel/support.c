/* Inputs, canaries and reports of the kernel test. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "check.h"
#include "quant/blocks.h"
#include "quant/half.h"

enum { GUARD_BYTES = 64, GUARD = 0x5c, SHOWN_FAILURES = 10 };

uint32_t random_bits(check *c)
{
	c->random = c->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(c->random >> 32);
}

size_t random_below(check *c, size_t n)
{
	return random_bits(c) % n;
}

float random_float(check *c, float from, float to)
{
	return from + (to - from) * (float)(random_bits(c) >> 8) * 0x1p-24f;
}

void fill(check *c, float *x, size_t n, int kind)
{
	static const float mixed[] = {
		0, -0.0f, 1, -1, 0x1p-126f, 0x1p-149f, 1e-20f, -1e10f, 3e4f
	};

	for (size_t i = 0; i < n; i++) {
		float uniform = random_float(c, -1, 1);

		switch (kind) {
		case FILL_ZERO:
			uniform = 0;
			break;
		case FILL_LARGE:
			uniform *= 1e6f;
			break;
		case FILL_TINY:
			uniform *= 1e-30f;
			break;
		case FILL_SIGNS:
			uniform = random_bits(c) & 1 ? 1.0f : -1.0f;
			break;
		case FILL_MIXED:
			if (random_bits(c) & 1)
				uniform = mixed[random_below(c, sizeof(mixed) / sizeof(mixed[0]))];
			break;
		default:
			break;
		}
		x[i] = uniform;
	}
	if (kind == FILL_OUTLIER && n)
		x[random_below(c, n)] = 1e4f;
}

/* A finite half: usually of the size that weights have, sometimes zero, subnormal or large. */
static uint16_t random_half(check *c)
{
	switch (random_below(c, 16)) {
	case 0:
		return 0;
	case 1:
		return (uint16_t)(random_bits(c) & 0x83ff);
	case 2:
		return elm__f32_to_f16(random_float(c, -1000, 1000));
	default:
		return elm__f32_to_f16(random_float(c, -0.01f, 0.01f));
	}
}

/* Where the scales are that must be finite; -1: none. */
static void half_offsets(elm_type type, int at[2])
{
	at[0] = 0;
	at[1] = -1;
	switch ((int)type) {
	case ELM_TYPE_Q4_1:
	case ELM_TYPE_Q5_1:
	case ELM_TYPE_Q4_K:
	case ELM_TYPE_Q5_K:
		at[1] = 2;
		break;
	case ELM_TYPE_Q2_K:
		at[0] = offsetof(elm__block_q2_k, d);
		at[1] = offsetof(elm__block_q2_k, dmin);
		break;
	case ELM_TYPE_Q3_K:
		at[0] = offsetof(elm__block_q3_k, d);
		break;
	case ELM_TYPE_Q6_K:
		at[0] = offsetof(elm__block_q6_k, d);
		break;
	default:
		break;
	}
}

void random_blocks(check *c, elm_type type, void *out, size_t blocks)
{
	size_t bytes = elm_type_get(type)->block_bytes;
	uint8_t *block = out;
	int at[2];

	half_offsets(type, at);
	for (size_t b = 0; b < blocks; b++, block += bytes) {
		unsigned extreme = (unsigned)random_below(c, 8);

		if (type == ELM_TYPE_F32) {
			float value = random_float(c, -1, 1);

			memcpy(block, &value, sizeof(value));
			continue;
		}
		if (type == ELM_TYPE_F16 || type == ELM_TYPE_BF16) {
			float value = random_float(c, -1, 1);
			uint16_t half =
				type == ELM_TYPE_F16 ? random_half(c) : elm__f32_to_bf16(value);

			memcpy(block, &half, sizeof(half));
			continue;
		}
		for (size_t i = 0; i < bytes; i++)
			block[i] = (uint8_t)(extreme == 0 ? 0 :
					     extreme == 1 ? 0xff :
					     extreme == 2 ? 0x80 :
							    random_bits(c));
		for (int i = 0; i < 2; i++)
			if (at[i] >= 0) {
				uint16_t half = random_half(c);

				memcpy(block + at[i], &half, sizeof(half));
			}
	}
}

void remove_minimum(elm_type type, void *data, size_t blocks)
{
	size_t bytes = elm_type_get(type)->block_bytes;
	int at[2];

	half_offsets(type, at);
	for (size_t b = 0; b < blocks && at[1] >= 0; b++)
		memset((char *)data + b * bytes + at[1], 0, sizeof(uint16_t));
}

void *guarded(size_t bytes)
{
	char *memory = elm__malloc_aligned(ELM__KERNEL_ALIGN, bytes + GUARD_BYTES);

	if (!memory) {
		fprintf(stderr, "out of memory for %zu bytes\n", bytes);
		exit(2);
	}
	memset(memory, 0, bytes);
	memset(memory + bytes, GUARD, GUARD_BYTES);
	return memory;
}

bool guard_intact(const void *memory, size_t bytes)
{
	const unsigned char *guard = (const unsigned char *)memory + bytes;

	for (size_t i = 0; i < GUARD_BYTES; i++)
		if (guard[i] != GUARD)
			return false;
	return true;
}

void release(void *memory)
{
	elm__free_aligned(memory);
}

void fail(check *c, const char *format, ...)
{
	va_list arguments;

	if (c->failures++ >= SHOWN_FAILURES)
		return;
	printf("FAIL %s %s: ", c->tier, c->op);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
}

bool close_to(float got, double want, double bound)
{
	if (isnan(want))
		return isnan(got);
	if (isinf(want))
		return isinf(got) && (got > 0) == (want > 0);
	return fabs((double)got - want) <= bound;
}

double fastest(const bench *b, elm__pool_fn *member, void *user)
{
	double best = INFINITY, spent = 0;
	int runs = 0;

	while (runs < 5 || (spent < 0.4 && runs < 1000)) {
		uint64_t start = elm__now_ns();
		double seconds;

		elm__pool_run(b->pool, member, user);
		seconds = elm__seconds_between(start, elm__now_ns());
		if (seconds < best)
			best = seconds;
		spent += seconds;
		runs++;
	}
	return best;
}

bool wanted(const bench *b, const char *name)
{
	return !b->filter || strstr(name, b->filter);
}

void print_time(const bench *b, const char *name, double seconds, double bytes, double operations)
{
	printf("%-9s %-26s %11.2f us", b->tier, name, seconds * 1e6);
	if (bytes > 0)
		printf(" %8.2f GB/s %5.1f %%", bytes / seconds * 1e-9,
		       100 * bytes / seconds / b->peak.read);
	else
		printf(" %21s", "");
	if (operations > 0) {
		double rate = operations / seconds;

		printf(" %9.1f GOP/s %5.1f %% of f32", rate * 1e-9, 100 * rate / b->peak.f32);
		if (b->peak.int8 > 0)
			printf(" %5.1f %% of int8", 100 * rate / b->peak.int8);
		if (b->peak.bf16 > 0)
			printf(" %5.1f %% of bf16", 100 * rate / b->peak.bf16);
	}
	printf("\n");
	fflush(stdout);
}
