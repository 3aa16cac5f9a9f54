/*
 * What the machine can do at best: how fast threads together read memory, and how many
 * multiply-adds registers alone can keep going. Loops are written so that nothing but the measured
 * unit limits them: twelve independent accumulators, operands in registers.
 */
#include <string.h>

#include "check.h"
#include "cpu/cpu.h"

enum { FMA_LOOPS = 400000, CHAINS = 12 };

typedef struct reading {
	const uint64_t *memory;
	size_t words;
	volatile uint64_t sink;
} reading;

#if defined(__x86_64__)

#include <immintrin.h>

__attribute__((target("avx2"))) static uint64_t read_avx2(const uint64_t *memory, size_t words)
{
	__m256i sum = _mm256_setzero_si256();

	for (size_t i = 0; i + 32 <= words; i += 32) {
		const __m256i *line = (const __m256i *)(const void *)(memory + i);

		_mm_prefetch((const char *)line + 4096, _MM_HINT_T0);
		_mm_prefetch((const char *)line + 4160, _MM_HINT_T0);
		_mm_prefetch((const char *)line + 4224, _MM_HINT_T0);
		_mm_prefetch((const char *)line + 4288, _MM_HINT_T0);
		for (int j = 0; j < 8; j++)
			sum = _mm256_or_si256(sum, _mm256_load_si256(line + j));
	}
	return (uint64_t)_mm256_extract_epi64(sum, 0) | (uint64_t)_mm256_extract_epi64(sum, 3);
}

#endif

static uint64_t read_words(const uint64_t *memory, size_t words)
{
	uint64_t sum[4] = { 0 };

#if defined(__x86_64__)
	if (elm__cpu_detect() & ELM__CPU_AVX2)
		return read_avx2(memory, words);
#endif
	for (size_t i = 0; i + 4 <= words; i += 4)
		for (int j = 0; j < 4; j++)
			sum[j] |= memory[i + (size_t)j];
	return sum[0] | sum[1] | sum[2] | sum[3];
}

static void read_member(void *user, unsigned index, unsigned count)
{
	reading *r = user;
	size_t begin = r->words / count / 32 * 32 * index, n = r->words / count / 32 * 32;

	r->sink = read_words(r->memory + begin, n);
}

/* --- multiply-adds: each function does FMA_LOOPS * CHAINS vector operations --- */

typedef struct arithmetic {
	void (*run)(void);
	double operations; /* per vector operation, 2 for a multiply-add */
} arithmetic;

static void arithmetic_member(void *user, unsigned index, unsigned count)
{
	const arithmetic *a = user;

	a->run();
}

#if defined(__x86_64__)

/* The empty assembly makes each accumulator's value needed in every turn, at no cost. */
#define DEFINE_PEAK(name, isa, vector, zero, constraint, operation)               \
	__attribute__((target(isa))) static void name(void)                       \
	{                                                                         \
		vector sum[CHAINS], a = zero, b = zero;                           \
                                                                                  \
		__asm__ volatile("" : "+" constraint(a), "+" constraint(b));      \
		for (int j = 0; j < CHAINS; j++)                                  \
			sum[j] = zero;                                            \
		for (int i = 0; i < FMA_LOOPS; i++)                               \
			_Pragma("GCC unroll 12") for (int j = 0; j < CHAINS; j++) \
			{                                                         \
				sum[j] = operation;                               \
				__asm__ volatile("" : "+" constraint(sum[j]));    \
			}                                                         \
	}

DEFINE_PEAK(fma_sse, "sse4.1", __m128, _mm_setzero_ps(), "x", _mm_add_ps(sum[j], _mm_mul_ps(a, b)))
DEFINE_PEAK(fma_avx2, "avx2,fma", __m256, _mm256_setzero_ps(), "x", _mm256_fmadd_ps(a, b, sum[j]))
DEFINE_PEAK(fma_avx512, "avx512f", __m512, _mm512_setzero_ps(), "v", _mm512_fmadd_ps(a, b, sum[j]))
DEFINE_PEAK(int8_avx2, "avx2", __m256i, _mm256_setzero_si256(), "x",
	    _mm256_add_epi32(sum[j], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), b)))
DEFINE_PEAK(int8_avx512, "avx512f,avx512vnni", __m512i, _mm512_setzero_si512(), "v",
	    _mm512_dpbusd_epi32(sum[j], a, b))
#if defined(__GNUC__) && (__GNUC__ >= 11)
DEFINE_PEAK(int8_avxvnni, "avx2,avxvnni", __m256i, _mm256_setzero_si256(), "x",
	    _mm256_dpbusd_avx_epi32(sum[j], a, b))
#define HAVE_AVXVNNI 1
#endif

static void choose(uint32_t features, arithmetic *fma, arithmetic *int8)
{
	*fma = (arithmetic){ fma_sse, 8 };
	*int8 = (arithmetic){ NULL, 0 };
	if (features & ELM__CPU_AVX2) {
		*fma = (arithmetic){ fma_avx2, 16 };
		*int8 = (arithmetic){ int8_avx2, 64 };
	}
#ifdef HAVE_AVXVNNI
	if (features & ELM__CPU_AVXVNNI)
		*int8 = (arithmetic){ int8_avxvnni, 64 };
#endif
	if (features & ELM__CPU_AVX512)
		*fma = (arithmetic){ fma_avx512, 32 };
	if (features & ELM__CPU_AVX512VNNI)
		*int8 = (arithmetic){ int8_avx512, 128 };
}

#else

static void fma_generic(void)
{
	float sum[4 * CHAINS] = { 0 }, factor[4] = { 0 };

	__asm__ volatile("" : : "r"(factor) : "memory");
	for (int i = 0; i < FMA_LOOPS; i++) {
		for (int j = 0; j < 4 * CHAINS; j++)
			sum[j] = __builtin_fmaf(factor[j % 4], factor[3 - j % 4], sum[j]);
		__asm__ volatile("" : : "r"(sum) : "memory");
	}
}

static void choose(uint32_t features, arithmetic *fma, arithmetic *int8)
{
	*fma = (arithmetic){ fma_generic, 8 };
	*int8 = (arithmetic){ NULL, 0 };
}

#endif

static double rate(elm__pool *pool, const arithmetic *a)
{
	bench b = { .pool = pool };

	if (!a->run)
		return 0;
	return a->operations * FMA_LOOPS * CHAINS * elm__pool_count(pool) /
	       fastest(&b, arithmetic_member, (void *)a) * 1e-9;
}

peaks measure_peaks(elm__pool *pool, uint32_t features, size_t megabytes)
{
	bench b = { .pool = pool };
	size_t bytes = megabytes << 20;
	reading r = { .words = bytes / sizeof(uint64_t) };
	void *memory = guarded(bytes + 4096); /* the last prefetch stays inside */
	arithmetic fma, int8;
	peaks p;

	memset(memory, 1, bytes);
	r.memory = memory;
	p.read_gbs = (double)bytes / fastest(&b, read_member, &r) * 1e-9;
	release(memory);
	choose(features, &fma, &int8);
	p.fma_gflops = rate(pool, &fma);
	p.int8_gops = rate(pool, &int8);
	return p;
}
